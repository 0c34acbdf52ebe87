//! A namespace with the objects of an Argo CD, Applications to be opened, and the operator's release build in it.

use std::time::Duration;

use argocd_access::api::ExecAccess;
use futures::{StreamExt, TryStreamExt, stream};
use kube::api::{Patch, PatchParams, PostParams};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client, ResourceExt};
use serde_json::{Value, json};

use crate::log::{Event, events};
use crate::support::audit::Mark;
use crate::support::{ControlPlane, Kubernetes, chart, manifests};

/// So many Applications are in one namespace.
const EACH: usize = 10;
/// So many requests a client sends at once.
pub const AT_ONCE: usize = 32;

/// Where it all happens.
pub struct Place {
    pub cp: &'static ControlPlane,
    pub namespace: String,
    pub release: chart::Release,
    /// The operator, as the audit log names it.
    pub user: String,
    /// How many Applications there are, each of which an object can open.
    pub applications: usize,
}

impl Place {
    /// One with so many Applications, ten to a namespace.
    pub async fn new(prefix: &str, applications: usize) -> Self {
        let cp = ControlPlane::shared(Kubernetes::V1_36).await;
        let namespace = cp.instance(prefix).await;
        front(cp, &namespace).await;
        eprintln!("bench: {applications} Applications");
        let client = cp.client();
        let destinations: Vec<String> = stream::iter(0..applications.div_ceil(EACH)).map(|_| cp.namespace("shop")).buffered(AT_ONCE).collect().await;
        let made = stream::iter(0..applications).map(|index| {
            let (client, namespace, destination) = (client.clone(), namespace.clone(), destinations[index / EACH].clone());
            async move {
                let object = json!({
                    "apiVersion": "argoproj.io/v1alpha1", "kind": "Application", "metadata": {"name": format!("web-{index}"), "namespace": namespace},
                    "spec": {"project": "shop", "source": {"repoURL": "https://example.invalid/x.git", "path": "."},
                        "destination": {"server": "https://kubernetes.default.svc", "namespace": destination}},
                });
                manifests::apply_one(&client, &namespace, &serde_json::from_value(object).unwrap(), "bench").await;
            }
        });
        made.buffer_unordered(AT_ONCE).collect::<Vec<_>>().await;
        eprintln!("bench: the operator is installed by its chart");
        let release = chart::install(cp, &namespace, "").await;
        let user = release.user().await;
        tokio::time::sleep(Duration::from_secs(2)).await;
        Self { cp, namespace, release, user, applications }
    }

    pub fn client(&self) -> Client {
        self.cp.client()
    }

    pub fn accesses(&self) -> Api<ExecAccess> {
        Api::namespaced(self.client(), &self.namespace)
    }

    /// What the operator asked the API server for since then.
    pub fn operators(&self, since: Mark) -> Vec<Event> {
        let mut all = events(self.cp, since);
        all.retain(|event| event.user == self.user);
        all
    }

    /// Creates this many objects, each for one subject and one Application, as fast as the client can.
    pub async fn declare(&self, count: usize) {
        let accesses = self.accesses();
        let created = stream::iter(0..count).map(|index| {
            let accesses = accesses.clone();
            let object = declared(&format!("access-{index}"), index);
            async move { accesses.create(&PostParams::default(), &object).await }
        });
        let all: Vec<_> = created.buffer_unordered(AT_ONCE).try_collect().await.expect("create the objects");
        assert_eq!(all.len(), count);
    }

    /// Waits until this many objects are Ready, as one who watches them sees it.
    pub async fn ready(&self, count: usize) {
        let mut ready = std::collections::BTreeSet::new();
        let watch = watcher(self.accesses(), watcher::Config::default()).default_backoff().applied_objects();
        let mut watch = std::pin::pin!(watch);
        let waiting = async {
            while ready.len() < count {
                let object = watch.next().await.expect("a watch does not end").expect("the API server answers");
                let is = |object: &ExecAccess| object.status.iter().flat_map(|s| &s.conditions).any(|c| c.type_ == "Ready" && c.status == "True");
                if is(&object) {
                    ready.insert(object.name_any());
                }
            }
        };
        let waited = tokio::time::timeout(Duration::from_secs(300), waiting).await;
        assert!(waited.is_ok(), "{} of {count} are Ready; the operator said:\n{}", ready.len(), tail(&self.release.kubelet.operator_log()));
    }

    /// Changes something of no consequence in argocd-cm: whoever watches it looks again.
    pub async fn nudge(&self, value: usize) {
        let maps = Api::<k8s_openapi::api::core::v1::ConfigMap>::namespaced(self.client(), &self.namespace);
        let params = PatchParams { field_manager: Some("bench".to_owned()), ..PatchParams::default() };
        let patch: Value = json!({"metadata": {"annotations": {"example.com/nudged": value.to_string()}}});
        maps.patch("argocd-cm", &params, &Patch::Merge(patch)).await.expect("annotate argocd-cm");
    }
}

/// An Ingress that leads to argocd-server, of a controller for which the operator sets annotations.
pub async fn front(cp: &ControlPlane, namespace: &str) {
    let text = manifests::ARGOCD_INGRESS
        .replace("name: nginx }", &format!("name: nginx-{namespace} }}"))
        .replace("ingressClassName: nginx", &format!("ingressClassName: nginx-{namespace}"));
    manifests::apply_text(&cp.client(), namespace, &text).await;
}

/// An object for one subject and one Application.
pub fn declared(name: &str, application: usize) -> ExecAccess {
    let object = json!({
        "apiVersion": "argocd-access.dev/v1alpha1", "kind": "ExecAccess", "metadata": {"name": name},
        "spec": {"subjects": [{"kind": "Group", "name": format!("team-{name}")}],
            "applications": [{"project": "shop", "name": format!("web-{application}")}]},
    });
    serde_json::from_value(object).expect("an ExecAccess")
}

fn tail(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(20)..].join("\n")
}
