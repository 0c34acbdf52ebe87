//! A Team: a namespace with the objects of an Argo CD, and the operator installed into it by its chart.

use std::collections::BTreeMap;
use std::time::Duration;

use argocd_access::api::{ExecAccess, ExecAccessStatus};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{DeleteParams, Patch, PatchParams};
use kube::{Api, Client};
use serde_json::{Value, json};

use crate::support::snapshot::shared_snapshot;
use crate::support::{ControlPlane, Kubernetes, chart, eventually, eventually::that, manifests};

/// How long the operator may take for something that it is told of.
pub const SOON: Duration = Duration::from_secs(15);

/// A namespace with the objects of an Argo CD, and the operator in it.
pub struct Team {
    pub cp: &'static ControlPlane,
    /// The instance's namespace.
    pub namespace: String,
    /// The namespace that Applications deploy to.
    pub destination: String,
    pub release: chart::Release,
}

/// The text of a file of `examples/`.
pub fn example(name: &str) -> String {
    std::fs::read_to_string(format!("{}/examples/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

/// Status and reason of a condition; `-` where it is missing.
pub fn condition(status: &ExecAccessStatus, kind: &str) -> (String, String) {
    let found = status.conditions.iter().find(|c| c.type_ == kind);
    found.map_or_else(|| ("-".to_owned(), "-".to_owned()), |c| (c.status.to_string(), c.reason.to_string()))
}

/// The message of a condition.
pub fn message(status: &ExecAccessStatus, kind: &str) -> String {
    status.conditions.iter().find(|c| c.type_ == kind).map(|c| c.message.clone()).unwrap_or_default().to_string()
}

impl Team {
    /// On the newer Kubernetes, with the chart's defaults.
    pub async fn new() -> Self {
        Self::with_values("").await
    }

    /// With these values of the chart.
    pub async fn with_values(values: &str) -> Self {
        let cp = ControlPlane::shared(Kubernetes::V1_36).await;
        let namespace = cp.instance("team").await;
        Self::in_namespace(cp, namespace, values).await
    }

    /// In a namespace that a test has prepared.
    pub async fn in_namespace(cp: &'static ControlPlane, namespace: String, values: &str) -> Self {
        let destination = cp.namespace("shop").await;
        let release = chart::install(cp, &namespace, values).await;
        Self { cp, namespace, destination, release }
    }

    pub fn client(&self) -> Client {
        self.cp.client()
    }

    pub fn accesses(&self) -> Api<ExecAccess> {
        Api::namespaced(self.client(), &self.namespace)
    }

    /// An Application of the project, whose pods run in `destination`.
    pub async fn application(&self, name: &str, project: &str) {
        self.application_in(&self.namespace, name, project, &self.destination).await;
    }

    pub async fn application_in(&self, namespace: &str, name: &str, project: &str, destination: &str) {
        let object = json!({
            "apiVersion": "argoproj.io/v1alpha1", "kind": "Application", "metadata": {"name": name, "namespace": namespace},
            "spec": {"project": project, "source": {"repoURL": "https://example.invalid/x.git", "path": "."},
                "destination": {"server": "https://kubernetes.default.svc", "namespace": destination}},
        });
        manifests::apply_one(&self.client(), namespace, &serde_json::from_value(object).unwrap(), "test").await;
    }

    /// Applies an ExecAccess, wherever its text says, in this instance; returns its name.
    pub async fn apply(&self, yaml: &str) -> String {
        self.try_apply(yaml).await.unwrap()
    }

    pub async fn try_apply(&self, yaml: &str) -> Result<String, kube::Error> {
        let mut object: Value = serde_yaml::from_str(yaml).unwrap();
        object["metadata"]["namespace"] = json!(self.namespace);
        let name = object["metadata"]["name"].as_str().unwrap().to_owned();
        self.accesses().patch(&name, &PatchParams::apply("test").force(), &Patch::Apply(&object)).await?;
        Ok(name)
    }

    /// Applies an ExecAccess with this spec, as YAML in flow style.
    pub async fn grant(&self, name: &str, spec: &str) -> String {
        self.apply(&format!("{{apiVersion: argocd-access.dev/v1alpha1, kind: ExecAccess, metadata: {{name: {name}}}, spec: {spec}}}")).await
    }

    /// Waits until a condition has this status and reason, for the present generation.
    pub async fn condition(&self, name: &str, kind: &str, status: &str, reason: &str) -> ExecAccessStatus {
        eventually(&format!("{name}: {kind} is {status}/{reason}"), SOON, || async {
            let access = self.accesses().get(name).await.map_err(|e| e.to_string())?;
            let found = access.status.clone().unwrap_or_default();
            let current = found.observed_generation == access.metadata.generation;
            that(current && condition(&found, kind) == (status.to_owned(), reason.to_owned()), || {
                format!(
                    "{:#?}\n{}",
                    found.conditions.iter().map(|c| format!("{} {}/{}: {}", c.type_, c.status, c.reason, c.message)).collect::<Vec<_>>(),
                    self.release.kubelet.operator_log()
                )
            })?;
            Ok::<_, String>(found)
        })
        .await
    }

    /// Waits until the object is Ready.
    pub async fn ready(&self, name: &str) -> ExecAccessStatus {
        self.condition(name, "Ready", "True", "Ready").await
    }

    /// Deletes an object and waits until it is gone.
    pub async fn delete(&self, name: &str) {
        self.accesses().delete(name, &DeleteParams::default()).await.unwrap();
        self.gone(name).await;
    }

    pub async fn gone(&self, name: &str) {
        eventually(&format!("ExecAccess {name} is gone"), SOON, || async {
            let left = self.accesses().get_opt(name).await.map_err(|e| e.to_string())?;
            that(left.is_none(), || format!("{left:#?}\n{}", self.release.kubelet.operator_log()))
        })
        .await;
    }

    pub async fn config_map(&self, name: &str) -> ConfigMap {
        Api::<ConfigMap>::namespaced(self.client(), &self.namespace).get(name).await.unwrap()
    }

    /// All shared objects, without what changes by itself.
    pub async fn shared(&self) -> BTreeMap<String, Value> {
        shared_snapshot(&self.client(), &self.namespace).await
    }
}
