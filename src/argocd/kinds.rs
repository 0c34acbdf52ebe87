//! The parts of Argo CD's own kinds that we read. Lenient on purpose: every field may be absent. Pure.

use kube::CustomResource;
use serde::{Deserialize, Serialize};

/// The part of an Application's spec that decides who may reach its pods.
#[derive(CustomResource, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[kube(group = "argoproj.io", version = "v1alpha1", kind = "Application", namespaced, schema = "disabled", status = "ApplicationStatus")]
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

/// What Argo CD says of an Application. It has no status subresource: whoever may edit it may write this.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase", default)]
pub struct ApplicationStatus {
    /// What is wrong with it.
    #[serde(deserialize_with = "or_default")]
    pub conditions: Vec<ApplicationCondition>,
}

/// Something that is wrong with an Application, or worth to be known.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase", default)]
pub struct ApplicationCondition {
    /// Of which kind, such as `ComparisonError`.
    #[serde(rename = "type")]
    pub kind: String,
    /// What, for a person.
    pub message: String,
}

impl Application {
    /// The first error that Argo CD reports of comparing it with its cluster. (A failed sync is the Application's own affair.)
    #[must_use]
    pub fn error(&self) -> Option<String> {
        const OF_CLUSTER: [&str; 3] = ["ComparisonError", "UnknownError", "InvalidSpecError"];
        let first = self.status.as_ref()?.conditions.iter().find(|c| OF_CLUSTER.contains(&c.kind.as_str()))?;
        let line: String = first.message.chars().map(|c| if c.is_control() { ' ' } else { c }).take(300).collect();
        Some(format!("{}: {line}", first.kind))
    }
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
#[kube(group = "argoproj.io", version = "v1alpha1", kind = "AppProject", namespaced, schema = "disabled", status = "AppProjectStatus")]
#[serde(rename_all = "camelCase", default)]
pub struct AppProjectSpec {
    /// The project's roles; `None`: the field is absent, which is not the same as empty.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub roles: Option<Vec<ProjectRole>>,
    /// Every other field.
    #[serde(flatten)]
    pub rest: serde_json::Map<String, serde_json::Value>,
}

/// A role of an AppProject. What we do not know of it is kept: the list is written as a whole.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase", default)]
pub struct ProjectRole {
    /// Its name within the project.
    pub name: String,
    /// What it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Its policy lines.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policies: Option<Vec<String>>,
    /// The groups that have it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub groups: Option<Vec<String>>,
    /// Every other field, such as `jwtTokens`.
    #[serde(flatten)]
    pub rest: serde_json::Map<String, serde_json::Value>,
}

/// What Argo CD keeps in an AppProject's status (which is no subresource).
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase", default)]
pub struct AppProjectStatus {
    /// The tokens that people made for a role, by its name. Argo CD takes each for the role itself.
    #[serde(skip_serializing_if = "std::collections::BTreeMap::is_empty")]
    pub jwt_tokens_by_role: std::collections::BTreeMap<String, serde_json::Value>,
    /// Every other field.
    #[serde(flatten)]
    pub rest: serde_json::Map<String, serde_json::Value>,
}

impl ProjectRole {
    /// Its policy lines.
    #[must_use]
    pub fn policies(&self) -> &[String] {
        self.policies.as_deref().unwrap_or_default()
    }

    /// The groups that have it.
    #[must_use]
    pub fn groups(&self) -> &[String] {
        self.groups.as_deref().unwrap_or_default()
    }
}

impl AppProject {
    /// The project's roles.
    #[must_use]
    pub fn roles(&self) -> &[ProjectRole] {
        self.spec.roles.as_deref().unwrap_or_default()
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.metadata.name.as_deref().unwrap_or_default()
    }
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
}

impl Application {
    /// The project, with Argo CD's default.
    #[must_use]
    pub fn project(&self) -> &str {
        if self.spec.project.is_empty() { "default" } else { &self.spec.project }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// The list of roles is written as a whole, so what is read must be what is written back.
    #[test]
    fn a_role_is_written_back_as_it_was_read() {
        for role in [
            json!({"name": "ci", "policies": ["p, proj:shop:ci, applications, sync, shop/*, allow"], "jwtTokens": [{"iat": 1_535_390_316_i64, "id": "x"}]}),
            json!({"name": "empty", "policies": [], "groups": [], "description": ""}),
            json!({"name": "bare"}),
            json!({"name": "later", "whoKnows": {"a": [1, null, "b"]}}),
        ] {
            let project = json!({"apiVersion": "argoproj.io/v1alpha1", "kind": "AppProject", "metadata": {"name": "shop"},
                "spec": {"roles": [role], "sourceRepos": ["*"]}, "status": {"jwtTokensByRole": {"ci": {"items": [{"iat": 1}]}}}});
            let read: AppProject = serde_json::from_value(project.clone()).unwrap();
            assert_eq!(serde_json::to_value(&read).unwrap(), project);
        }
        let none = json!({"apiVersion": "argoproj.io/v1alpha1", "kind": "AppProject", "metadata": {"name": "shop"}, "spec": {"description": "x"}});
        let read: AppProject = serde_json::from_value(none.clone()).unwrap();
        assert_eq!(serde_json::to_value(&read).unwrap(), none, "absent is not empty");
    }
}
