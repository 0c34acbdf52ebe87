//! The parts of Argo CD's own kinds that we read. Lenient on purpose: every field may be absent. Pure.

use kube::CustomResource;
use serde::{Deserialize, Serialize};

/// The part of an Application's spec that decides who may reach its pods.
#[derive(CustomResource, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[kube(group = "argoproj.io", version = "v1alpha1", kind = "Application", namespaced, schema = "disabled")]
#[serde(rename_all = "camelCase", default)]
pub struct ApplicationSpec {
    /// The AppProject; empty means `default`.
    pub project: String,
    /// Where it deploys to.
    pub destination: Destination,
    /// What it leaves to others.
    #[serde(deserialize_with = "or_default")]
    pub ignore_differences: Vec<IgnoreDifferences>,
    /// How it syncs.
    #[serde(deserialize_with = "or_default")]
    pub sync_policy: SyncPolicy,
}

/// A field that an Application leaves to others.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase", default)]
pub struct IgnoreDifferences {
    /// The API group, or `*`.
    pub group: String,
    /// The kind, or `*`.
    pub kind: String,
    /// The name; empty means every one.
    pub name: String,
    /// The namespace; empty means every one.
    pub namespace: String,
    /// The fields, as JSON pointers.
    #[serde(deserialize_with = "or_default")]
    pub json_pointers: Vec<String>,
    /// The fields, as jq expressions.
    #[serde(deserialize_with = "or_default")]
    pub jq_path_expressions: Vec<String>,
    /// The managers whose fields they are.
    #[serde(deserialize_with = "or_default")]
    pub managed_fields_managers: Vec<String>,
}

/// How an Application syncs.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase", default)]
pub struct SyncPolicy {
    /// Options such as `RespectIgnoreDifferences=true`.
    #[serde(deserialize_with = "or_default")]
    pub sync_options: Vec<String>,
}

/// A `null` is as good as nothing.
fn or_default<'de, D: serde::Deserializer<'de>, T: Deserialize<'de> + Default>(deserializer: D) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// The destination of an Application.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase", default)]
pub struct Destination {
    /// The API server's address.
    pub server: Option<String>,
    /// Or the cluster's name in Argo CD.
    pub name: Option<String>,
    /// The namespace for resources that name none.
    pub namespace: Option<String>,
}

/// The part of argocd-operator's `ArgoCD` from which it makes argocd-cm.
#[derive(CustomResource, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[kube(group = "argoproj.io", version = "v1beta1", kind = "ArgoCD", plural = "argocds", namespaced, schema = "disabled")]
#[serde(rename_all = "camelCase", default)]
pub struct ArgoCDSpec {
    /// Keys of argocd-cm; applied last, so that they win over every other field (argocd-operator `controllers/argocd/configmap.go`).
    pub extra_config: std::collections::BTreeMap<String, String>,
}

/// The part of an AppProject that grants something to people.
#[derive(CustomResource, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[kube(group = "argoproj.io", version = "v1alpha1", kind = "AppProject", namespaced, schema = "disabled")]
#[serde(rename_all = "camelCase", default)]
pub struct AppProjectSpec {
    /// The project's roles.
    pub roles: Vec<ProjectRole>,
}

/// A role of an AppProject.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase", default)]
pub struct ProjectRole {
    /// Its name within the project.
    pub name: String,
    /// Its policy lines.
    pub policies: Vec<String>,
    /// The groups that have it.
    pub groups: Vec<String>,
}

impl Destination {
    /// Whether this is the cluster that Argo CD itself runs in, reached without a name of its own.
    #[must_use]
    pub fn is_in_cluster(&self) -> bool {
        match (self.server.as_deref(), self.name.as_deref()) {
            (Some(server), _) if !server.is_empty() => server.trim_end_matches('/') == "https://kubernetes.default.svc",
            (_, Some(name)) => name == "in-cluster",
            _ => false,
        }
    }

    /// How to call it in a message.
    #[must_use]
    pub fn label(&self) -> String {
        self.name.clone().filter(|n| !n.is_empty()).or_else(|| self.server.clone()).unwrap_or_else(|| "(none)".to_owned())
    }
}

impl Application {
    /// The project, with Argo CD's default.
    #[must_use]
    pub fn project(&self) -> &str {
        if self.spec.project.is_empty() { "default" } else { &self.spec.project }
    }
}
