//! The status of a `LiveResourceAccess`: what was found, what is granted, and what is proven.

use super::condition::Condition;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::grant::GrantInEffect;
use super::live_resource_access::Feature;
use super::status::Change;

/// What is true of a `LiveResourceAccess` now. Written by the operator only.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct LiveResourceAccessStatus {
    /// The generation of the spec that this status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,

    /// For side Agent: Accepted, Active, InstanceReady, ResourcesResolved, RBACApplied, AccessProven and Confined; for side Principal:
    /// Accepted, Active, InstanceReady, RedisProxyConfigured, NetworkReady and AgentReachable. Ready is their sum; for an access with time
    /// limits there is ClockSynced as well.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,

    /// The agent or the principal as it was found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<AgentInstanceStatus>,

    /// The Applications that are granted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub applications: Option<ApplicationCount>,

    /// What this object grants in which namespace (at most 256).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256))]
    pub namespaces: Vec<NamespaceGrant>,

    /// Set when there are more namespaces than these.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub truncated: bool,

    /// What the Applications have and is not granted (at most 64).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub not_granted: Vec<NotGranted>,

    /// What the agent may do although no object says so, and who allows it (at most 64).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub excess: Vec<Excess>,

    /// The agents that were tried (at most 64).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub agents: Vec<AgentAnswer>,

    /// The access that is in effect; absent while none is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grant: Option<GrantInEffect>,

    /// When the access opens, closes or expires next, if nobody changes anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_transition: Option<Time>,

    /// In Observe mode: what would change (at most 50).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50))]
    pub changes: Vec<Change>,
}

/// An agent or a principal as it was found.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct AgentInstanceStatus {
    /// Who installed it: Helm, Operator (argocd-operator), ArgoCD (it is an Application) or Manifests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub installer: Option<String>,
    /// The Deployment that was taken for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deployment: Option<String>,
    /// Its ServiceAccount.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_account: Option<String>,
    /// Version of argocd-agent, from its image; absent when that does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent_version: Option<String>,
    /// `Managed` (the control plane has the Applications) or `Autonomous` (the agent's cluster has).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent_mode: Option<String>,
    /// `Namespace` (an agent has one namespace of the control plane) or `Destination` (Applications keep theirs).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mapping: Option<String>,
    /// How a resource is known to belong to an Application, in that cluster's argocd-cm: annotation, label or annotation+label.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tracking: Option<String>,
    /// Version of Kubernetes, which decides the verbs that a terminal needs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kubernetes_version: Option<String>,
}

/// How many Applications are granted.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct ApplicationCount {
    /// Those that the object selects and that deploy to this cluster.
    #[serde(default)]
    pub selected: i64,
    /// Those among them whose status names no resource (yet).
    #[serde(default)]
    pub without_resources: i64,
}

/// What is granted in one namespace.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct NamespaceGrant {
    /// The namespace.
    pub name: String,
    /// What works there (at most 7).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 7))]
    pub features: Vec<Feature>,
    /// How many rules the Role has there.
    #[serde(default)]
    pub rules: i64,
    /// Whether reviews prove all of it; absent when they could not be asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proven: Option<bool>,
}

/// A kind of the Applications that is not granted.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "camelCase")]
pub struct NotGranted {
    /// The API group; empty for that of Pods and Services.
    #[serde(default)]
    pub group: String,
    /// The kind, such as `Deployment`.
    pub kind: String,
    /// The namespace; empty where it has none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// What does not work with it.
    pub feature: Feature,
    /// Why it is not granted.
    pub reason: Ungranted,
}

/// Why something is not granted.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ungranted {
    /// It is a Secret, and `secrets` does not release it.
    Secret,
    /// The kind is never edited, acted on or deleted (or, for rights, shown) unless `sensitive` names it.
    SensitiveKind,
    /// Nothing is granted in the namespace.
    ProtectedNamespace,
    /// It has no namespace, and `clusterScoped` is `None`, or the feature is another one than `View`.
    ClusterScoped,
    /// The Application's project does not exist, or allows neither the namespace nor the kind.
    OutsideProject,
    /// The operator does not hold the right itself, so it cannot give it (chart value live.ceiling).
    BeyondCeiling,
    /// The API server knows no such kind.
    KindUnknown,
    /// The API server does not offer that for the kind.
    VerbUnsupported,
    /// The agent never passes on such a resource, whatever its rights are.
    NeverProxied,
    /// The agent is autonomous, and opens no terminals.
    AutonomousAgent,
}

/// A right of the agent that no object declares.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "camelCase")]
pub struct Excess {
    /// The verb.
    pub verb: String,
    /// The resource, such as `secrets` or `pods/exec`; `*` is every one.
    pub resource: String,
    /// Where; empty: in the whole cluster.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// What allows it, as the API server says it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub by: String,
}

/// What an agent answered.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct AgentAnswer {
    /// The agent.
    pub name: String,
    /// The HTTP code; absent when there was no answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<i64>,
    /// When the certificate of its cluster Secret expires.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate_expires: Option<Time>,
    /// When it was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checked_at: Option<Time>,
}
