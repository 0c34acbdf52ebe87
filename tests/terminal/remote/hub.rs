//! A hub with a running Argo CD and the operator, a remote cluster with a node, and a `ClusterAccess` between them.

use std::time::Duration;

use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use kube::api::{DynamicObject, Patch, PatchParams};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use crate::bench::{Bench, CLUSTER};
use crate::support::argocd::{ArgoCd, Options};
use crate::support::{eventually, eventually::that, manifests};

/// Argo CD and two API servers on one small machine take their time.
pub const WITHIN: Duration = Duration::from_secs(60);
/// How long a former credential stays valid, in seconds: no less is allowed.
pub const OVERLAP: i64 = 60;
/// The project of all Applications.
pub const PROJECT: &str = "shop";

/// It.
pub struct Hub {
    pub bench: &'static Bench,
    pub argocd: ArgoCd,
}

static SHARED: OnceCell<Hub> = OnceCell::const_new();

impl Hub {
    /// The one of those tests that disturb nobody.
    pub async fn shared() -> &'static Self {
        SHARED.get_or_init(Self::start).await
    }

    /// One of a test's own.
    pub async fn start() -> Self {
        // Its remote cluster has a node, which lives as long as the test binary.
        let values = format!("clusterAccess: {{enabled: true, clusters: [{CLUSTER}]}}");
        let bench: &'static Bench = Box::leak(Box::new(Bench::bare(&values).await));
        // The kinds of the node before the roles are made of what kinds there are.
        bench.remote.with_kwok().await;
        bench.bootstrap(&bench.spec()).await;
        let argocd = ArgoCd::start_in(bench.hub, &bench.namespace, Options::default()).await;
        argocd.create_project(PROJECT).await;
        let mut spec = bench.spec();
        spec["credentials"] = json!({"overlap": format!("{OVERLAP}s")});
        bench.declare(&spec).await;
        bench.ready().await;
        Self { bench, argocd }
    }

    /// An Application on the remote cluster with a running Pod, whose name is given back.
    pub async fn application(&self, name: &str) -> String {
        let (bench, server) = (self.bench, &self.bench.remote.server);
        let pod = self.argocd.create_application_on(&bench.remote, server, name, PROJECT, &bench.namespace, &bench.shop).await;
        let prune = json!({"spec": {"syncPolicy": {"automated": {"prune": true}}}});
        self.applications().patch(name, &PatchParams::default(), &Patch::Merge(prune)).await.unwrap();
        pod
    }

    /// Puts a ConfigMap into an Application in place of all that is in it, and has Argo CD look.
    pub async fn commit(&self, application: &str, number: u32) {
        let manifest = format!("{{apiVersion: v1, kind: ConfigMap, metadata: {{name: {application}}}, data: {{number: '{number}'}}}}\n");
        self.argocd.commit(&self.bench.namespace, application, &manifest).await;
        self.refresh(application).await;
    }

    /// Has Argo CD look at an Application.
    pub async fn refresh(&self, application: &str) {
        self.argocd.refresh(&self.bench.namespace, application).await;
    }

    /// Waits until that ConfigMap is in the remote cluster.
    pub async fn arrives(&self, application: &str, number: u32) {
        let maps = Api::<ConfigMap>::namespaced(self.bench.remote.client(), &self.bench.shop);
        eventually(&format!("number {number} of {application} is synced"), WITHIN, || async {
            let found = maps.get_opt(application).await.map_err(|e| e.to_string())?;
            let data = found.and_then(|map| map.data).unwrap_or_default();
            that(data.get("number") == Some(&number.to_string()), || format!("{data:?}"))?;
            let status = self.status(application).await?;
            that(status["sync"]["status"] == "Synced", || status.to_string())
        })
        .await;
    }

    pub fn applications(&self) -> Api<DynamicObject> {
        manifests::api(&self.bench.hub.client(), &self.bench.namespace, "argoproj.io/v1alpha1", "Application")
    }

    /// The status of an Application.
    pub async fn status(&self, application: &str) -> Result<Value, String> {
        Ok(self.applications().get(application).await.map_err(|e| e.to_string())?.data["status"].clone())
    }
}

/// The errors that an Application's status shows.
pub fn errors(status: &Value) -> Vec<String> {
    let conditions = status["conditions"].as_array().cloned().unwrap_or_default();
    let mut all: Vec<String> = conditions
        .iter()
        .filter(|c| c["type"].as_str().is_some_and(|t| t.ends_with("Error")))
        .map(|c| format!("{}: {}", c["type"], c["message"]))
        .collect();
    let phase = status["operationState"]["phase"].as_str().unwrap_or_default();
    if ["Failed", "Error"].contains(&phase) {
        all.push(format!("{phase}: {}", status["operationState"]["message"]));
    }
    all
}
