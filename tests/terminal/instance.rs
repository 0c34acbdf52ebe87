//! A running Argo CD and, in its namespace, the operator as its users install it; people, and what they get.

use std::time::Duration;

use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};
use tokio::sync::{Mutex, MutexGuard, OnceCell};

use crate::support::{
    ControlPlane, Kubernetes,
    argocd::{ArgoCd, Options},
    eventually,
    eventually::that,
    terminal::{Refused, Terminal},
};
use crate::world::Team;

/// A policy change reaches argocd-server within a second; the machine may be busy with other tests.
pub const WITHIN: Duration = Duration::from_secs(30);

/// The HTTP status of an accepted WebSocket.
pub const ACCEPTED: u16 = 101;
/// The HTTP status without permission.
pub const NO_PERMISSION: u16 = 401;
/// The HTTP status where terminals are off.
pub const OFF: u16 = 404;

/// A running Argo CD with the operator beside it.
pub struct Instance {
    pub argocd: ArgoCd,
    pub team: Team,
}

/// Where a terminal leads.
#[derive(Clone, Debug)]
pub struct Place {
    pub project: String,
    pub application: String,
    /// The namespace of the Application.
    pub namespace: String,
    pub pod: String,
    /// The namespace of the Pod.
    pub destination: String,
}

impl Instance {
    /// Starts an Argo CD in a namespace of its own and installs the operator into it.
    pub async fn start(version: Kubernetes, options: Options) -> Self {
        let control_plane = ControlPlane::shared(version).await;
        let argocd = ArgoCd::start(control_plane, options).await;
        let team = Team::in_namespace(control_plane, argocd.namespace.clone(), "").await;
        Self { argocd, team }
    }

    /// An Application in the instance's own namespace, with a running Pod.
    pub async fn application(&self, project: &str, name: &str) -> Place {
        self.application_in(&self.argocd.namespace, project, name, &self.team.destination).await
    }

    /// An Application in any namespace, with a running Pod in `destination`.
    pub async fn application_in(&self, namespace: &str, project: &str, name: &str, destination: &str) -> Place {
        let pod = self.argocd.create_application(name, project, namespace, destination).await;
        let text = ToOwned::to_owned;
        Place { project: text(project), application: text(name), namespace: text(namespace), pod, destination: text(destination) }
    }

    /// What argocd-server answers to a person who opens a terminal.
    pub async fn open(&self, token: &str, place: &Place) -> Result<Terminal, Refused> {
        self.argocd.terminal(token, &place.application, &place.namespace, &place.project, &place.pod, &place.destination).await
    }

    /// The HTTP status of that answer.
    pub async fn answer(&self, token: &str, place: &Place) -> u16 {
        self.open(token, place).await.map_or_else(|refused| refused.status, |_accepted| ACCEPTED)
    }

    /// Waits until that answer is this one.
    pub async fn answers(&self, expected: u16, token: &str, place: &Place) {
        eventually(&format!("HTTP {expected} for a terminal into {}/{}", place.project, place.application), WITHIN, || async {
            let seen = self.answer(token, place).await;
            that(seen == expected, || format!("HTTP {seen}; {}", self.state()))
        })
        .await;
    }

    /// Waits until a terminal opens and a command in it prints what it should.
    pub async fn shell(&self, token: &str, place: &Place) -> Terminal {
        eventually(&format!("a shell in {}/{}", place.project, place.application), WITHIN, || async {
            let mut terminal = self.open(token, place).await.map_err(|refused| format!("{refused}; {}", self.state()))?;
            let printed = terminal.run("echo one; echo $((1 + 1))").await?;
            that(printed == "one\n2", || format!("{printed:?}"))?;
            Ok::<_, String>(terminal)
        })
        .await
    }

    /// Sets, or with `null` removes, keys of a ConfigMap of the instance, as a person does.
    pub async fn set_by_hand(&self, config_map: &str, data: Value) {
        let maps = Api::<ConfigMap>::namespaced(self.team.client(), &self.argocd.namespace);
        let parameters = PatchParams { field_manager: Some("kubectl-edit".to_owned()), ..PatchParams::default() };
        maps.patch(config_map, &parameters, &Patch::Merge(json!({ "data": data }))).await.unwrap();
    }

    /// Changes the spec of an ExecAccess.
    pub async fn change(&self, name: &str, spec: Value) {
        self.team.accesses().patch(name, &PatchParams::default(), &Patch::Merge(json!({ "spec": spec }))).await.unwrap();
    }

    /// Stops the operator where it stands, as a node that hangs does.
    pub fn freeze_operator(&self) {
        self.team.release.kubelet.signal_operator("STOP");
    }

    /// Lets it go on.
    pub fn thaw_operator(&self) {
        self.team.release.kubelet.signal_operator("CONT");
    }

    /// What the operator did, for a failure's message.
    fn state(&self) -> String {
        let log = self.team.release.kubelet.operator_log();
        let lines: Vec<&str> = log.lines().collect();
        format!("the operator said last:\n{}", lines[lines.len().saturating_sub(8)..].join("\n"))
    }

    /// As it was before the first test, whatever a failed one left.
    async fn reset(&self) {
        self.thaw_operator();
        let accesses = self.team.accesses();
        for access in accesses.list(&ListParams::default()).await.unwrap() {
            let name = access.name_any();
            // It may be going already.
            let _gone = accesses.delete(&name, &DeleteParams::default()).await;
            self.team.gone(&name).await;
        }
        let maps = Api::<ConfigMap>::namespaced(self.team.client(), &self.argocd.namespace);
        if maps.get_opt("argocd-rbac-cm").await.unwrap().is_none() {
            let map = serde_json::from_value(json!({ "metadata": { "name": "argocd-rbac-cm" } })).unwrap();
            maps.create(&PostParams::default(), &map).await.unwrap();
        }
        self.set_by_hand("argocd-rbac-cm", json!({ "policy.matchMode": null, "policy.by-hand.csv": null })).await;
    }
}

/// One instance for the tests that leave it as they found it, with three applications of two projects; for one test at a time.
pub struct Shared {
    pub instance: Instance,
    /// `shop/web`
    pub web: Place,
    /// `shop/web-prod`
    pub web_prod: Place,
    /// `workshop/web-tools`
    pub tools: Place,
}

static SHARED: OnceCell<Shared> = OnceCell::const_new();
static ONE_AT_A_TIME: Mutex<()> = Mutex::const_new(());

impl Shared {
    /// Waits for the instance, on the newer Kubernetes with install.yaml's ClusterRole for argocd-server; it is the test's for as
    /// long as the test keeps the guard.
    pub async fn take() -> (MutexGuard<'static, ()>, &'static Self) {
        let guard = ONE_AT_A_TIME.lock().await;
        let shared = SHARED.get_or_init(Self::start).await;
        shared.instance.reset().await;
        (guard, shared)
    }

    async fn start() -> Self {
        let instance = Instance::start(Kubernetes::V1_36, Options::default()).await;
        instance.argocd.create_project("shop").await;
        instance.argocd.create_project("workshop").await;
        let (web, web_prod, tools) = tokio::join!(
            instance.application("shop", "web"),
            instance.application("shop", "web-prod"),
            instance.application("workshop", "web-tools")
        );
        Self { instance, web, web_prod, tools }
    }
}
