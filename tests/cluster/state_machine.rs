//! Random lives of real instances on the real API server, judged by Argo CD's own engine: people declare, change, suspend and delete,
//! others edit everything that is shared, Helm upgrades, and the operator is killed in the midst of it. Nobody gains what is not declared;
//! what is declared comes; and when all is deleted, everything is as if the operator had never been there, at rest, and nobody's field is
//! ours.
//!
//! `ARGOCD_ACCESS_SEED` repeats the sequences of an earlier run, `ARGOCD_ACCESS_SEQUENCES` says how many there are for each instance.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use argocd_access::api::{ExecAccess, INSTANCE_LABEL};
use k8s_openapi::api::core::v1::Namespace;
use kube::api::{DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams, Preconditions};
use kube::{Api, ResourceExt};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::{Value, json};

use crate::hands::PARAMS_CM;
use crate::sequences::declared::{self, Access, Declared, Live, Universe};
use crate::sequences::edits::{self, Act, BROKEN, Deed, Edit, PROJECTS, Place, Which};
use crate::sequences::operation::{Operation, operation};
use crate::sequences::{fields, written};
use crate::support::policyjudge::{Judge, Request};
use crate::support::process::random;
use crate::support::{ControlPlane, Kubernetes, chart, manifests};
use crate::world::{Team, condition};
use argocd_access::exec::{Kind, Target};

/// Sequences for each instance.
const SEQUENCES: usize = 25;
/// What the operator may take to come to rest; the machine may be busy.
const REST: Duration = Duration::from_secs(30);
const SHARED: [Which; 3] = [Which::ArgocdCm, Which::RbacCm, Which::Ingress];

/// One instance.
struct Life {
    team: Team,
    place: Place,
    universe: Universe,
    judge: Judge,
    elsewhere: bool,
    declared: Declared,
    /// The shared objects as they would be without us.
    twin: BTreeMap<Target, Value>,
    forged: BTreeSet<Which>,
    /// Who may have had access since the operator was last seen at rest.
    lately: Access,
    /// How often others have rewritten the flag in this sequence: then the operator may give it up.
    rewrites: usize,
}

fn api(team: &Team, target: &Target) -> Api<DynamicObject> {
    let (api_version, kind, _) = target.kind.names();
    manifests::api(&team.client(), target.namespace.as_deref().unwrap_or_default(), api_version, kind)
}

impl Life {
    async fn new(values: &str, elsewhere: bool) -> Self {
        let cp = ControlPlane::shared(Kubernetes::V1_36).await;
        let namespace = cp.instance("team").await;
        let place = Place { instance: namespace.clone(), suffix: format!("-{namespace}") };
        for name in ["shop", "bank", "lab", "team"] {
            let here = place.namespace(name);
            let object = json!({"metadata": {"name": here, "labels": {"name": here}}});
            let namespaces = Api::<Namespace>::all(cp.client());
            namespaces.create(&PostParams::default(), &serde_json::from_value(object).unwrap()).await.unwrap();
        }
        let release = chart::install(cp, &namespace, values).await;
        let team = Team { cp, namespace, destination: place.namespace("shop"), release };
        team.ingress_class("nginx", "k8s.io/ingress-nginx").await;
        if elsewhere {
            // Not all namespaces: there are other instances in them.
            team.set(PARAMS_CM, "application.namespaces", Some(&place.namespace("team"))).await;
        }
        let universe = Universe::new(&place, elsewhere);
        let life = Self {
            team,
            place,
            universe,
            judge: Judge::start(),
            elsewhere,
            declared: Declared::default(),
            twin: BTreeMap::new(),
            forged: BTreeSet::new(),
            lately: Access::new(),
            rewrites: 0,
        };
        for app in life.live() {
            life.team.application_in(&app.namespace, &app.name, &app.project, &app.into).await;
        }
        life
    }

    fn live(&self) -> Vec<Live> {
        let app = |namespace: &str, project: &str, name: &str| Live {
            namespace: namespace.to_owned(),
            project: project.to_owned(),
            name: name.to_owned(),
            into: self.place.namespace(project),
        };
        let own = self.place.instance.as_str();
        let mut live = vec![app(own, "shop", "web-1"), app(own, "shop", "api"), app(own, "bank", "ledger")];
        if self.elsewhere {
            let team = self.place.namespace("team");
            live.extend([app(&team, "shop", "web-1"), app(&team, "bank", "web-2")]);
        }
        live
    }

    /// The shared objects as they were when Argo CD was installed, by a person.
    async fn begin(&mut self) {
        let shared = SHARED.map(|which| (self.place.shared(which), edits::installed(&self.place, which)));
        let projects = PROJECTS.map(|name| (self.place.project(name), edits::installed_project(&self.place, name)));
        for (target, body) in shared.into_iter().chain(projects) {
            self.remove(&target).await;
            self.create("kubectl", &target, &body).await;
        }
        for namespace in ["shop", "bank", "lab"] {
            self.remove(&Target::namespaced(Kind::RoleBinding, &self.place.namespace(namespace), &self.team.binding_name())).await;
        }
        self.twin.clear();
        for target in self.place.all_shared() {
            let object = self.get(&target).await.unwrap();
            self.twin.insert(target, object);
        }
        (self.forged, self.lately, self.rewrites, self.declared) = (BTreeSet::new(), Access::new(), 0, Declared::default());
    }

    async fn get(&self, target: &Target) -> Option<Value> {
        api(&self.team, target).get_opt(&target.name).await.unwrap().map(|object| serde_json::to_value(object).unwrap())
    }

    async fn remove(&self, target: &Target) {
        match api(&self.team, target).delete(&target.name, &DeleteParams::default()).await {
            Ok(_) => {}
            Err(kube::Error::Api(status)) if status.is_not_found() => {}
            Err(error) => panic!("delete {target}: {error}"),
        }
    }

    async fn create(&self, manager: &str, target: &Target, body: &Value) -> bool {
        let params = PostParams { field_manager: Some(manager.to_owned()), ..PostParams::default() };
        match api(&self.team, target).create(&params, &serde_json::from_value(body.clone()).unwrap()).await {
            Ok(_) => true,
            Err(kube::Error::Api(status)) if status.is_already_exists() => false,
            Err(error) => panic!("create {target}: {error}"),
        }
    }

    async fn happens(&mut self, operation: &Operation) -> Result<(), String> {
        match operation {
            Operation::Declare(name, spec) => {
                let spec = self.place.spec(&spec.0);
                self.declare(name, spec).await;
            }
            // Twenty at once cost a minute; the simulator has them.
            Operation::DeclareAll(spec) => {
                let spec = self.place.spec(&spec.0);
                for name in ["a", "b", "c", "d", "e", "f"] {
                    self.declare(name, spec.clone()).await;
                }
            }
            Operation::Suspend(name) | Operation::Resume(name) => {
                if let Some(mut spec) = self.declared.specs.get(*name).cloned() {
                    spec["suspend"] = json!(matches!(operation, Operation::Suspend(_)));
                    self.declare(name, spec).await;
                }
            }
            Operation::Delete(name) => {
                self.declared.specs.remove(*name);
                self.remove(&self.place.access(name)).await;
            }
            Operation::Foreign(edit) => self.edit(edit).await?,
            Operation::Steps(n) => tokio::time::sleep(Duration::from_millis(60 * u64::try_from(*n).unwrap())).await,
            Operation::Kill(after) => {
                tokio::time::sleep(Duration::from_millis(25 * u64::try_from(*after).unwrap())).await;
                self.team.release.kubelet.killer()();
                self.team.release.kubelet.release();
            }
            Operation::Stale(between) => Box::pin(self.happens(between)).await?,
            Operation::Settle => self.settles().await?,
            Operation::Wait(_) | Operation::Blind(_) | Operation::See => {}
        }
        self.nobody_gains().await
    }

    async fn declare(&mut self, name: &str, spec: Value) {
        let going = self.get(&self.place.access(name)).await.is_some_and(|a| !a["metadata"]["deletionTimestamp"].is_null());
        if !going && self.team.grant_value(name, &spec).await {
            self.declared.specs.insert(name.to_owned(), spec);
        }
        self.note().await;
    }

    /// What others do. What they see and what they change is one and the same: the object may not change in between.
    async fn edit(&mut self, edit: &Edit) -> Result<(), String> {
        if matches!(edit, Edit::Flag(_) | Edit::HelmUpgrade(_)) {
            self.rewrites += 1;
        }
        let mut done = BTreeSet::new();
        for attempt in 0..60_u64 {
            // The operator may be writing just now.
            tokio::time::sleep(Duration::from_millis(10 * attempt.min(20))).await;
            let mut seen = BTreeMap::new();
            // Asked twice: what it asks for shows what it looks at.
            let asked = std::cell::RefCell::new(BTreeSet::new());
            let _none = edit.acts(&self.place, &|target| {
                asked.borrow_mut().insert(target.clone());
                Some(json!({"metadata": {"labels": {INSTANCE_LABEL: "x"}, "finalizers": [argocd_access::api::FINALIZER]}}))
            });
            let _none = edit.acts(&self.place, &|target| {
                asked.borrow_mut().insert(target.clone());
                None
            });
            for target in asked.into_inner() {
                let object = self.get(&target).await;
                seen.insert(target, object);
            }
            let acts = edit.acts(&self.place, &|target| seen.get(target).cloned().flatten());
            let mut missed = false;
            for act in acts.iter().filter(|act| !done.contains(&act.target)).collect::<Vec<_>>() {
                let there = seen.get(&act.target).and_then(Option::as_ref);
                if self.perform(act, there).await? {
                    self.follow(edit, act, there);
                    done.insert(act.target.clone());
                } else {
                    missed = true;
                }
            }
            // See the simulator's machine: then it cannot be told whose the value is.
            let cm = seen.get(&self.place.shared(Which::ArgocdCm)).cloned().flatten().unwrap_or_default();
            let beneath = matches!(edit, Edit::Flag(_) | Edit::Shells(_)) && written::is_in_helms_name(&cm);
            if beneath || matches!(edit, Edit::HelmUpgrade(Some("true"))) {
                self.forged.insert(Which::ArgocdCm);
            }
            if let Edit::Memory(which, _) = edit
                && !acts.is_empty()
            {
                self.forged.insert(*which);
            }
            if !missed {
                self.note().await;
                return Ok(());
            }
        }
        Err(format!("{edit:?}: the object changes faster than it can be edited"))
    }

    /// Sends one request; `false`: the object has changed since it was looked at.
    async fn perform(&self, act: &Act, there: Option<&Value>) -> Result<bool, String> {
        let (api, name) = (api(&self.team, &act.target), act.target.name.as_str());
        let version = there.and_then(|o| o["metadata"]["resourceVersion"].as_str()).unwrap_or_default().to_owned();
        let sent = match &act.deed {
            Deed::Merge(patch) => {
                let mut patch = patch.clone();
                fields::merge(&mut patch, &json!({"metadata": {"resourceVersion": version}}));
                let params = PatchParams { field_manager: Some(act.manager.to_owned()), ..PatchParams::default() };
                api.patch(name, &params, &Patch::Merge(&patch)).await.map(drop)
            }
            Deed::Apply(body) => {
                let mut body = body.clone();
                body["metadata"]["resourceVersion"] = json!(version);
                match api.patch(name, &PatchParams::apply(act.manager), &Patch::Apply(&body)).await {
                    Err(kube::Error::Api(status)) if status.message.contains("conflict with \"argocd-access\"") => {
                        return Err(format!("{} meets us: {}", act.manager, status.message));
                    }
                    // People's values stand in its way.
                    Err(kube::Error::Api(status)) if status.message.contains("conflict with") => {
                        api.patch(name, &PatchParams::apply(act.manager).force(), &Patch::Apply(&body)).await.map(drop)
                    }
                    other => other.map(drop),
                }
            }
            Deed::Create(body) => return Ok(self.create(act.manager, &act.target, body).await),
            Deed::Delete => {
                let preconditions = Some(Preconditions { resource_version: Some(version), uid: None });
                api.delete(name, &DeleteParams { preconditions, ..DeleteParams::default() }).await.map(drop)
            }
        };
        match sent {
            Ok(()) => Ok(true),
            Err(kube::Error::Api(status)) if status.is_conflict() || status.is_not_found() => Ok(false),
            Err(error) => Err(format!("{act:?}: {error}")),
        }
    }

    /// The same without us, unless it was of ours only, or changed nothing.
    fn follow(&mut self, edit: &Edit, act: &Act, there: Option<&Value>) {
        let gone = matches!(act.deed, Deed::Delete);
        if let (true, Some(which)) = (gone, SHARED.into_iter().find(|w| self.place.shared(*w) == act.target)) {
            self.forged.remove(&which);
        }
        if edit.is_of_ours() {
            return;
        }
        let twin = &self.twin;
        let acts = edit.acts(&self.place, &|target| twin.get(target).cloned());
        let Some(mut twins) = acts.into_iter().find(|twins| twins.target == act.target) else { return };
        if let (Deed::Merge(patch), Deed::Merge(twins)) = (&act.deed, &mut twins.deed) {
            written::prune(twins, patch, there.unwrap_or(&Value::Null));
        }
        let old = self.twin.get(&act.target).cloned();
        let new = match (&twins.deed, old) {
            (Deed::Delete, _) => None,
            (Deed::Create(body), None) => Some(body.clone()),
            (Deed::Merge(patch), Some(old)) => {
                let mut new = old.clone();
                fields::merge(&mut new, patch);
                fields::settle_ownership(&old, &mut new, act.manager, fields::Operation::Update);
                Some(new)
            }
            (Deed::Apply(body), Some(old)) => Some(fields::apply(&old, body, act.manager)),
            (_, old) => old,
        };
        match new {
            Some(new) => drop(self.twin.insert(act.target.clone(), new)),
            None => drop(self.twin.remove(&act.target)),
        }
    }

    async fn data(&self) -> BTreeMap<String, String> {
        let cm = self.get(&self.place.shared(Which::RbacCm)).await.unwrap_or_default();
        cm.get("data").cloned().map(|data| serde_json::from_value(data).unwrap()).unwrap_or_default()
    }

    async fn projects(&self) -> Vec<Value> {
        let list = api(&self.team, &self.place.project("any")).list(&ListParams::default()).await.unwrap();
        list.items.into_iter().map(|object| serde_json::to_value(object).unwrap()).collect()
    }

    fn judged(&mut self, mut data: BTreeMap<String, String>, projects: &[Value]) -> Result<Access, String> {
        for text in data.values_mut() {
            *text = text.replace(&format!("\n{BROKEN}"), "").replace(BROKEN, "");
        }
        let pairs = (0..self.universe.people.len()).flat_map(|p| (0..self.universe.objects.len()).map(move |o| (p, o)));
        let request = |(p, o): (usize, usize)| {
            let (user, groups) = &self.universe.people[p];
            Request::exec(user, &groups.iter().map(String::as_str).collect::<Vec<_>>(), &self.universe.objects[o])
        };
        let requests: Vec<Request> = pairs.clone().map(request).collect();
        let allowed = self.judge.allowed(&data, projects, &requests).map_err(|error| format!("Argo CD cannot load it: {error}: {data:#?}"))?;
        Ok(pairs.zip(allowed).filter(|(_, allowed)| *allowed).map(|(pair, _)| pair).collect())
    }

    async fn is_stopped(&self) -> bool {
        let cm = self.get(&self.place.shared(Which::ArgocdCm)).await.unwrap_or_default();
        !cm["metadata"]["annotations"]["argocd-access.dev/stop"].is_null()
    }

    /// Who may have access now, by what is declared and by what others have written; and the latter's text.
    async fn allowed(&mut self) -> Result<(Access, String), String> {
        let foreign: BTreeMap<String, String> = self.data().await.into_iter().filter(|(key, _)| !written::is_our_key(key)).collect();
        let text: String = foreign.values().flat_map(|text| [text.as_str(), "\n"]).collect();
        let projects: Vec<Value> = self.projects().await.into_iter().map(written::without_our_roles).collect();
        let mut access = self.judged(foreign, &projects)?;
        if !self.is_stopped().await {
            access.extend(self.declared.access(&self.place, &self.universe, &text, jiff::Timestamp::now()));
        }
        Ok((access, text))
    }

    /// From now on this may be seen, until it is withdrawn.
    async fn note(&mut self) {
        // What others have just written may be no policy at all; then what was allowed before still counts.
        if let Ok((allowed, _)) = self.allowed().await {
            self.lately.extend(allowed);
        }
        if let Ok(may) = self.judged_now().await {
            self.lately.extend(may);
        }
    }

    async fn judged_now(&mut self) -> Result<Access, String> {
        let (data, projects) = (self.data().await, self.projects().await);
        self.judged(data, &projects)
    }

    async fn nobody_gains(&mut self) -> Result<(), String> {
        let Ok(may) = self.judged_now().await else { return Ok(()) };
        let (allowed, _) = self.allowed().await?;
        let gained: Access = may.into_iter().filter(|a| !self.lately.contains(a) && !allowed.contains(a)).collect();
        if gained.is_empty() { Ok(()) } else { Err(format!("nobody declares it: {:?}", self.universe.show(&gained))) }
    }

    /// Waits until the operator has come to rest and everything is as it is declared.
    async fn settles(&mut self) -> Result<(), String> {
        let began = Instant::now();
        loop {
            self.nobody_gains().await?;
            match self.rests().await {
                Ok(()) => break,
                Err(what) if began.elapsed() > REST => {
                    return Err(format!("not within {REST:?}: {what}\n{}", self.team.release.kubelet.operator_log()));
                }
                Err(_not_yet) => tokio::time::sleep(Duration::from_millis(120)).await,
            }
        }
        self.lately = self.judged_now().await?;
        Ok(())
    }

    async fn rests(&mut self) -> Result<(), String> {
        let accesses: Vec<ExecAccess> = self.team.accesses().list(&ListParams::default()).await.map_err(|e| e.to_string())?.items;
        let mut effective = BTreeSet::new();
        for access in &accesses {
            let (name, status) = (access.name_any(), access.status.clone().unwrap_or_default());
            if access.metadata.deletion_timestamp.is_some() || !self.declared.specs.contains_key(&name) {
                return Err(format!("{name} is still there: {:?}", status.conditions));
            }
            if status.observed_generation != access.metadata.generation {
                return Err(format!("{name}: nothing is said of its present generation"));
            }
            if condition(&status, "Accepted").0 == "True" && condition(&status, "Active").0 == "True" {
                effective.insert(name);
            }
        }
        let (allowed, text) = self.allowed().await?;
        let may = self.judged_now().await?;
        let extra: Access = may.difference(&allowed).copied().collect();
        if !extra.is_empty() {
            return Err(format!("not declared: {:?}", self.universe.show(&extra)));
        }
        let now = jiff::Timestamp::now();
        if let Some(name) = effective.iter().find(|name| !declared::is_active(&self.declared.specs[*name], now)) {
            return Err(format!("{name} is in effect against what it declares"));
        }
        let live: BTreeSet<String> = self.live().iter().map(|app| app.object(&self.place.instance)).collect();
        let projects: BTreeSet<String> = self.projects().await.iter().filter_map(|p| p["metadata"]["name"].as_str().map(ToOwned::to_owned)).collect();
        for name in effective.iter().filter(|_| !text.contains(BROKEN)) {
            let declared = declared::access(&self.declared.specs[name], &self.place, &self.universe, &text);
            let anywhere = self.declared.specs[name]["policyTarget"] != json!("Project");
            let given = |object: &str| live.contains(object) && (anywhere || projects.contains(declared::project_of(object)));
            let lost: Access = declared.into_iter().filter(|a| given(&self.universe.objects[a.1]) && !may.contains(a)).collect();
            if !lost.is_empty() {
                return Err(format!("{name} declares it, and it is not given: {:?}", self.universe.show(&lost)));
            }
        }
        self.rights_are(&effective).await?;
        let on = self.get(&self.place.shared(Which::ArgocdCm)).await.is_none_or(|cm| cm["data"]["exec.enabled"] == json!("true"));
        if !effective.is_empty() && !on && self.rewrites < 3 {
            return Err("objects are in effect, and exec is off".to_owned());
        }
        Ok(())
    }

    async fn rights_are(&self, effective: &BTreeSet<String>) -> Result<(), String> {
        let namespaces: BTreeMap<String, BTreeMap<String, String>> = ["shop", "bank", "lab", "team"]
            .into_iter()
            .map(|n| (self.place.namespace(n), BTreeMap::from([("name".to_owned(), self.place.namespace(n))])))
            .collect();
        let live = self.live();
        let of = |name: &String| declared::reach(&self.declared.specs[name], &self.place, self.elsewhere, &live, &namespaces);
        let meant: BTreeSet<String> = effective.iter().flat_map(of).collect();
        let (mut ours, mut theirs) = (BTreeSet::new(), BTreeSet::new());
        let named = ListParams::default().fields(&format!("metadata.name={}", self.team.binding_name()));
        let bindings = Api::<k8s_openapi::api::rbac::v1::RoleBinding>::all(self.team.client()).list(&named).await.map_err(|e| e.to_string())?;
        for binding in bindings {
            let is_ours = binding.labels().contains_key(INSTANCE_LABEL);
            let whose = if is_ours { &mut ours } else { &mut theirs };
            whose.insert(binding.namespace().unwrap_or_default());
        }
        if self.team.cluster_binding().await.is_some() {
            ours.insert("*".to_owned());
        }
        let missing: Vec<&String> = meant.difference(&ours).filter(|n| !theirs.contains(*n)).collect();
        let extra: Vec<&String> = ours.difference(&meant).collect();
        if missing.is_empty() && extra.is_empty() { Ok(()) } else { Err(format!("argocd-server lacks {missing:?} and has {extra:?}")) }
    }

    /// Everything is deleted, and nothing shows that we were there.
    async fn end(&mut self) -> Result<(), String> {
        // What is stopped is handed back all the same.
        for access in self.team.accesses().list(&ListParams::default()).await.unwrap() {
            self.remove(&self.place.access(&access.name_any())).await;
        }
        self.declared = Declared::default();
        self.settles().await?;
        let mark = self.team.cp.audit_mark().await;
        let mut real = BTreeMap::new();
        for target in self.place.all_shared() {
            real.extend(self.get(&target).await.map(|object| (written::name_of(&target), object)));
        }
        let twin: BTreeMap<String, Value> = self.twin.iter().map(|(target, object)| (written::name_of(target), object.clone())).collect();
        let shared: BTreeSet<String> = self.place.all_shared().iter().map(written::name_of).collect();
        let twin = twin.into_iter().filter(|(name, _)| shared.contains(name)).collect::<BTreeMap<_, _>>();
        let forged: Vec<String> = self.forged.iter().map(|which| written::name_of(&self.place.shared(*which))).collect();
        let forget = |all: BTreeMap<String, Value>| {
            let tidy = |(name, mut object): (String, Value)| {
                if let Some(meta) = object["metadata"].as_object_mut() {
                    for key in ["resourceVersion", "generation", "creationTimestamp"] {
                        meta.remove(key);
                    }
                }
                if let Some(object) = object.as_object_mut() {
                    object.remove("status");
                }
                (name, object)
            };
            all.into_iter().map(tidy).collect::<BTreeMap<_, _>>()
        };
        written::is_as_without_us(forget(real), forget(twin), &written::name_of(&self.place.shared(Which::RbacCm)), &forged)?;
        tokio::time::sleep(Duration::from_millis(300)).await;
        let writes = self.team.writes(mark).await;
        if writes.is_empty() { Ok(()) } else { Err(format!("at rest it writes: {writes:#?}")) }
    }
}

impl Team {
    /// Writes the spec of an ExecAccess as a whole; `false` where the CustomResourceDefinition refuses it.
    async fn grant_value(&self, name: &str, spec: &Value) -> bool {
        let object = json!({"apiVersion": "argocd-access.dev/v1alpha1", "kind": "ExecAccess", "metadata": {"name": name}, "spec": spec});
        match self.try_apply(&object.to_string()).await {
            Ok(_) => true,
            Err(kube::Error::Api(status)) if status.code == 422 => false,
            Err(error) => panic!("{name}: {error}"),
        }
    }
}

/// The same lives in each run, so that a run can be compared with the one before; `ARGOCD_ACCESS_SEED=random` makes others.
const SEED: u64 = 0xc1cf_1d6d;

fn seed() -> u64 {
    match std::env::var("ARGOCD_ACCESS_SEED").as_deref() {
        Err(_) => SEED,
        Ok("random") => u64::from_str_radix(&random(), 16).unwrap(),
        Ok(text) => u64::from_str_radix(text, 16).expect("ARGOCD_ACCESS_SEED is hexadecimal, or random"),
    }
}

fn sequences(seed: u64, instance: u64) -> Vec<Vec<Operation>> {
    let count = std::env::var("ARGOCD_ACCESS_SEQUENCES").ok().map_or(SEQUENCES, |text| text.parse().expect("a number of sequences"));
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    bytes[8..16].copy_from_slice(&instance.to_le_bytes());
    let mut runner = TestRunner::new_with_rng(Config::default(), TestRng::from_seed(RngAlgorithm::ChaCha, &bytes));
    let strategy = proptest::collection::vec(operation(true), 4..12);
    (0..count).map(|_| strategy.new_tree(&mut runner).unwrap().current()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "its edits still lose races against a busy API server; run it with --ignored"]
async fn whatever_happens_on_a_real_api_server_nobody_gains_what_is_not_declared_and_all_comes_back() {
    let seed = seed();
    println!("ARGOCD_ACCESS_SEED={seed:x} repeats these sequences");
    let instances = [
        ("", false),
        ("", true),
        ("{instance: {confine: true, limits: {allowClusterScope: false}}}", false),
        ("{instance: {conflictPolicy: Force}}", true),
    ];
    let lives = instances.into_iter().zip(0..).map(|((values, elsewhere), instance)| async move {
        let began = Instant::now();
        let mut life = Life::new(values, elsewhere).await;
        for (n, operations) in sequences(seed, instance).iter().enumerate() {
            life.begin().await;
            for (at, operation) in operations.iter().enumerate() {
                if let Err(what) = life.happens(operation).await {
                    panic!("seed {seed:x}, instance {instance} {values:?}, sequence {n}, operation {at} of {operations:#?}\n{what}");
                }
            }
            if let Err(what) = life.end().await {
                panic!("seed {seed:x}, instance {instance} {values:?}, the end of sequence {n}: {operations:#?}\n{what}");
            }
            println!("instance {instance}, sequence {n}: {} operations; {:?} so far", operations.len(), began.elapsed());
        }
    });
    futures::future::join_all(lives).await;
}
