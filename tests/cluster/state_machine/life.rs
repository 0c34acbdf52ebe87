//! One instance on the real API server, as its people have made it, and what they do to it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use k8s_openapi::api::core::v1::Namespace;
use kube::Api;
use kube::api::{DeleteParams, DynamicObject, PostParams};
use serde_json::{Value, json};

use crate::hands::PARAMS_CM;
use crate::sequences::declared::{Access, Declared, Live, Universe};
use crate::sequences::operation::Operation;
use crate::sequences::place::{self, PROJECTS, Place, Which};
use crate::support::policyjudge::Judge;
use crate::support::{ControlPlane, Kubernetes, chart, manifests};
use crate::world::Team;
use argocd_access::reconcile::{Kind, Target};

/// The objects of which a twin is kept.
pub(super) const SHARED: [Which; 3] = [Which::ArgocdCm, Which::RbacCm, Which::Ingress];

/// One instance.
pub(super) struct Life {
    pub(super) team: Team,
    pub(super) place: Place,
    pub(super) universe: Universe,
    pub(super) judge: Judge,
    pub(super) elsewhere: bool,
    pub(super) declared: Declared,
    /// The shared objects as they would be without us.
    pub(super) twin: BTreeMap<Target, Value>,
    pub(super) forged: BTreeSet<Which>,
    /// Who may have had access since the operator was last seen at rest.
    pub(super) lately: Access,
    /// How often others have rewritten the flag in this sequence: then the operator may give it up.
    pub(super) rewrites: usize,
}

pub(super) fn api(team: &Team, target: &Target) -> Api<DynamicObject> {
    let (api_version, kind, _) = target.kind.names();
    manifests::api(&team.client(), target.namespace.as_deref().unwrap_or_default(), api_version, kind)
}

impl Life {
    pub(super) async fn new(values: &str, elsewhere: bool) -> Self {
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

    pub(super) fn live(&self) -> Vec<Live> {
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
    pub(super) async fn begin(&mut self) {
        let shared = SHARED.map(|which| (self.place.shared(which), place::installed(&self.place, which)));
        let projects = PROJECTS.map(|name| (self.place.project(name), place::installed_project(&self.place, name)));
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

    pub(super) async fn get(&self, target: &Target) -> Option<Value> {
        api(&self.team, target).get_opt(&target.name).await.unwrap().map(|object| serde_json::to_value(object).unwrap())
    }

    pub(super) async fn remove(&self, target: &Target) {
        match api(&self.team, target).delete(&target.name, &DeleteParams::default()).await {
            Ok(_) => {}
            Err(kube::Error::Api(status)) if status.is_not_found() => {}
            Err(error) => panic!("delete {target}: {error}"),
        }
    }

    pub(super) async fn create(&self, manager: &str, target: &Target, body: &Value) -> bool {
        let params = PostParams { field_manager: Some(manager.to_owned()), ..PostParams::default() };
        match api(&self.team, target).create(&params, &serde_json::from_value(body.clone()).unwrap()).await {
            Ok(_) => true,
            Err(kube::Error::Api(status)) if status.is_already_exists() => false,
            Err(error) => panic!("create {target}: {error}"),
        }
    }

    pub(super) async fn happens(&mut self, operation: &Operation) -> Result<(), String> {
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

    pub(super) async fn declare(&mut self, name: &str, spec: Value) {
        let going = self.get(&self.place.access(name)).await.is_some_and(|a| !a["metadata"]["deletionTimestamp"].is_null());
        if !going && self.team.grant_value(name, &spec).await {
            self.declared.specs.insert(name.to_owned(), spec);
        }
        self.note().await;
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
