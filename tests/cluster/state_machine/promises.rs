//! What must hold: at any time, at rest, and when everything is deleted.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use argocd_access::api::{ExecAccess, INSTANCE_LABEL};
use kube::api::ListParams;
use kube::{Api, ResourceExt};
use serde_json::{Value, json};

use super::life::{Life, api};
use crate::sequences::declared::{self, Access, Declared};
use crate::sequences::edits::BROKEN;
use crate::sequences::place::Which;
use crate::sequences::written;
use crate::support::policyjudge::Request;
use crate::world::condition;

/// What the operator may take to come to rest; the machine may be busy.
const REST: Duration = Duration::from_secs(30);

impl Life {
    pub(super) async fn data(&self) -> BTreeMap<String, String> {
        let cm = self.get(&self.place.shared(Which::RbacCm)).await.unwrap_or_default();
        cm.get("data").cloned().map(|data| serde_json::from_value(data).unwrap()).unwrap_or_default()
    }

    pub(super) async fn projects(&self) -> Vec<Value> {
        let list = api(&self.team, &self.place.project("any")).list(&ListParams::default()).await.unwrap();
        list.items.into_iter().map(|object| serde_json::to_value(object).unwrap()).collect()
    }

    pub(super) fn judged(&mut self, mut data: BTreeMap<String, String>, projects: &[Value]) -> Result<Access, String> {
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

    pub(super) async fn is_stopped(&self) -> bool {
        let cm = self.get(&self.place.shared(Which::ArgocdCm)).await.unwrap_or_default();
        !cm["metadata"]["annotations"]["argocd-access.dev/stop"].is_null()
    }

    /// Who may have access now, by what is declared and by what others have written; and the latter's text.
    pub(super) async fn allowed(&mut self) -> Result<(Access, String), String> {
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
    pub(super) async fn note(&mut self) {
        // What others have just written may be no policy at all; then what was allowed before still counts.
        if let Ok((allowed, _)) = self.allowed().await {
            self.lately.extend(allowed);
        }
        if let Ok(may) = self.judged_now().await {
            self.lately.extend(may);
        }
    }

    pub(super) async fn judged_now(&mut self) -> Result<Access, String> {
        let (data, projects) = (self.data().await, self.projects().await);
        self.judged(data, &projects)
    }

    pub(super) async fn nobody_gains(&mut self) -> Result<(), String> {
        let Ok(may) = self.judged_now().await else { return Ok(()) };
        let (allowed, _) = self.allowed().await?;
        let gained: Access = may.into_iter().filter(|a| !self.lately.contains(a) && !allowed.contains(a)).collect();
        if gained.is_empty() { Ok(()) } else { Err(format!("nobody declares it: {:?}", self.universe.show(&gained))) }
    }

    /// Waits until the operator has come to rest and everything is as it is declared.
    pub(super) async fn settles(&mut self) -> Result<(), String> {
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

    pub(super) async fn rests(&mut self) -> Result<(), String> {
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

    pub(super) async fn rights_are(&self, effective: &BTreeSet<String>) -> Result<(), String> {
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

    /// Whether nothing shows that we were there.
    async fn is_as_without_us(&self) -> Result<(), String> {
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
        written::is_as_without_us(forget(real), forget(twin), &written::name_of(&self.place.shared(Which::RbacCm)), &forged)
    }

    /// Everything is deleted, and nothing shows that we were there.
    pub(super) async fn end(&mut self) -> Result<(), String> {
        // What is stopped is handed back all the same.
        for access in self.team.accesses().list(&ListParams::default()).await.unwrap() {
            self.remove(&self.place.access(&access.name_any())).await;
        }
        // What the operator holds goes after everything is given back. What it did not get to hold is gone at once, and with it what was
        // written on the shared objects beside: that is cleaned up soon.
        let held = !self.team.accesses().list(&ListParams::default()).await.unwrap().items.is_empty();
        self.declared = Declared::default();
        self.settles().await?;
        let began = Instant::now();
        let mark = loop {
            let mark = self.team.cp.audit_mark().await;
            match self.is_as_without_us().await {
                Ok(()) => break mark,
                Err(what) if held || began.elapsed() > REST => return Err(what),
                Err(_not_yet) => tokio::time::sleep(Duration::from_millis(120)).await,
            }
        };
        tokio::time::sleep(Duration::from_millis(300)).await;
        let writes = self.team.writes(mark).await;
        if writes.is_empty() { Ok(()) } else { Err(format!("at rest it writes: {writes:#?}")) }
    }
}
