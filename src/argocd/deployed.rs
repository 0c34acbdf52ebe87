//! What an Application consists of, as its status says it. Pure.
//!
//! The Application has no status subresource: whoever may edit one writes what they like here. It is never believed beyond what the
//! Application's project allows.

use kube::CustomResource;
use serde::{Deserialize, Serialize};

use super::kinds::Destination;

/// The part of an Application that says what it deploys and where.
#[derive(CustomResource, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[kube(
    group = "argoproj.io",
    version = "v1alpha1",
    kind = "Application",
    plural = "applications",
    root = "Deployed",
    namespaced,
    schema = "disabled",
    status = "DeployedStatus"
)]
#[serde(rename_all = "camelCase", default)]
pub struct DeployedSpec {
    /// The AppProject; empty means `default`.
    pub project: String,
    /// Where it deploys to.
    pub destination: Destination,
}

/// The part of its status that names resources.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase", default)]
pub struct DeployedStatus {
    /// What is in Git, and hooks; never what comes into being below.
    pub resources: Vec<DeployedResource>,
    /// The last sync.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operation_state: Option<OperationState>,
}

/// The last sync.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase", default)]
pub struct OperationState {
    /// What it did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sync_result: Option<SyncResult>,
}

/// What a sync did.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase", default)]
pub struct SyncResult {
    /// With which resources.
    pub resources: Vec<DeployedResource>,
}

/// One resource.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase", default)]
pub struct DeployedResource {
    /// Its API group; empty for that of Pods and Services.
    pub group: String,
    /// Its kind.
    pub kind: String,
    /// Its namespace; empty where it has none.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl Deployed {
    /// The project, with Argo CD's default.
    #[must_use]
    pub fn project(&self) -> &str {
        if self.spec.project.is_empty() { "default" } else { &self.spec.project }
    }

    /// Its resources; before the first comparison those of the last sync.
    #[must_use]
    pub fn resources(&self) -> &[DeployedResource] {
        let Some(status) = &self.status else { return &[] };
        let synced = || status.operation_state.as_ref().and_then(|o| o.sync_result.as_ref()).map_or(&[][..], |r| &r.resources);
        if status.resources.is_empty() { synced() } else { &status.resources }
    }
}
