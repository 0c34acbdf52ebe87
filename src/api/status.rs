//! The status of an `ExecAccess`: what was found, what was done, what is proven.

use super::condition::Condition;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::grant::GrantInEffect;
use super::text::Text;

/// What is true of an `ExecAccess` now. Written by the operator only.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct ExecAccessStatus {
    /// The generation of the spec that this status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,

    /// Accepted, Active, PolicyApplied, ServerAuthorized, ExecEnabled, IngressReady, Exclusive, Confined, and Ready as their sum;
    /// for an access with time limits ClockSynced as well.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,

    /// The Argo CD instance as it was found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<InstanceStatus>,

    /// What was written into Argo CD's policy: argocd-rbac-cm, or roles of AppProjects.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<PolicyStatus>,

    /// Where argocd-server may exec, and how that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<ServerStatus>,

    /// What was set on which Ingress.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub ingresses: Vec<IngressStatus>,

    /// Where something is set for this object. A place that cannot be seen now counts as it was last seen: the object is kept until that
    /// can be handed back.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub set: Vec<Text>,

    /// The access that is in effect; absent while none is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grant: Option<GrantInEffect>,

    /// When the access opens, closes or expires next, if nobody changes anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_transition: Option<Time>,

    /// Set while terminals that were opened before a withdrawal may still be open: since when. Argo CD ends them when their person types
    /// next; a restart of argocd-server ends them all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sessions_may_remain: Option<Time>,

    /// Who else may open terminals in this instance, without any ExecAccess (at most 50).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50))]
    pub undeclared_grants: Vec<UndeclaredGrant>,

    /// How many of those there are in all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undeclared_grant_count: Option<i64>,

    /// In Observe mode: what would change (at most 50).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50))]
    pub changes: Vec<Change>,
}

/// The Argo CD instance as it was found.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct InstanceStatus {
    /// Version of Argo CD, from the image of argocd-server; absent when the image does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub argocd_version: Option<Text>,
    /// Version of Kubernetes, which decides the verbs that a terminal needs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kubernetes_version: Option<Text>,
    /// Who installed Argo CD: Helm, Operator (argocd-operator), ArgoCD (it manages itself) or Manifests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub installer: Option<Text>,
    /// The Deployment that was taken for argocd-server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deployment: Option<Text>,
    /// The ServiceAccount of argocd-server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_account: Option<Text>,
}

/// What was written into Argo CD's policy.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct PolicyStatus {
    /// The Argo CD role, without the prefix `role:` (or `proj:` and the project).
    pub role: String,
    /// The key of argocd-rbac-cm; empty where the role stands in AppProjects.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub key: String,
    /// The AppProjects in which the role stands, with policyTarget Project (at most 64).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub projects: Vec<String>,
    /// The lines of that key or of those roles, comments left out (at most 100).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100))]
    pub lines: Vec<String>,
    /// How many lines there are in all.
    #[serde(default)]
    pub line_count: i64,
}

/// Where argocd-server may exec.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct ServerStatus {
    /// One verdict for each destination namespace, worst first (at most 100).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100))]
    pub namespaces: Vec<NamespaceVerdict>,
    /// How many destination namespaces there are in all.
    #[serde(default)]
    pub namespace_count: i64,
    /// Set when argocd-server may exec in every namespace through a grant that is not ours: what allows it. Deleting this object does not end that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub open_cluster_wide: Option<Text>,
    /// Other clusters that the applications deploy to (at most 32). What argocd-server's ServiceAccount may do in this one does not count there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub remote: Vec<RemoteDestination>,
}

/// Another cluster that applications deploy to.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct RemoteDestination {
    /// The cluster, by its name in Argo CD or by its server, as the Applications have it.
    pub cluster: String,
    /// The namespaces there (at most 20).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    pub namespaces: Vec<String>,
    /// Whose rights count there.
    pub identity: String,
    /// What that identity must be allowed, to be applied in that cluster (YAML); absent where a ClusterAccess keeps that.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub rule: String,
    /// The ClusterAccess whose status proves that the terminal may be opened in these namespaces; absent: that is not proven.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proven_by: Option<String>,
    /// Why it is not proven.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
}

/// Whether a terminal can open in one namespace.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct NamespaceVerdict {
    /// The namespace; `*` is the whole cluster.
    pub name: Text,
    /// Whether the review allows all that a terminal needs; absent when it could not be asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowed: Option<bool>,
    /// Whether a binding of ours is there.
    #[serde(default)]
    pub granted_by_us: bool,
    /// What the API server says of it.
    #[serde(default, skip_serializing_if = "Text::is_empty")]
    pub message: Text,
}

/// What was set on one Ingress.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct IngressStatus {
    /// Name of the Ingress or HTTPRoute, in the instance's namespace.
    pub name: Text,
    /// `HTTPRoute`, where it is none of the kind Ingress.
    #[serde(default, skip_serializing_if = "Text::is_empty")]
    pub kind: Text,
    /// The controller that serves it, as its class says; empty when unknown.
    #[serde(default, skip_serializing_if = "Text::is_empty")]
    pub controller: Text,
    /// The annotations (and the field of a BackendConfig) that are in place for the terminal.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub annotations: Vec<Text>,
    /// Why it is not configured, when it is not.
    #[serde(default, skip_serializing_if = "Text::is_empty")]
    pub message: Text,
}

/// Somebody who may open terminals without any ExecAccess.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "camelCase")]
pub struct UndeclaredGrant {
    /// The person, group or role, as Argo CD's policy names it.
    pub subject: Text,
    /// The applications, as the policy line names them, such as `*/*`.
    pub applications: Text,
    /// Where that stands: the built-in policy, a key and line of argocd-rbac-cm, or an AppProject's role.
    pub source: Text,
}

/// One field of one object that changes.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "camelCase")]
pub struct Change {
    /// Kind and name (and namespace, where it is another one) of the object.
    pub object: String,
    /// The field.
    pub field: String,
    /// Its value now; absent when the field is, or when the value is not ours to show.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// Its value then; absent when the field goes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
}
