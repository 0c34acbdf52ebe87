//! The status of a `ClusterAccess`: the cluster, the credential without what is secret of it, and what is proven.

use super::condition::Condition;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::grant::GrantInEffect;
use super::status::Change;

/// What is true of a `ClusterAccess` now. Written by the operator only.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct ClusterAccessStatus {
    /// The generation of the spec that this status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,

    /// Accepted, Active, RemoteReachable, RemoteRBACApplied, CredentialReady, SecretApplied, PermissionsProven, Confined, CacheCompatible,
    /// AWSReady and ObservedByArgoCD. Ready is their sum; for an access with time limits there is ClockSynced as well.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,

    /// The remote cluster as it was found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<ClusterFound>,

    /// The credential that Argo CD uses, without what is secret of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential: Option<CredentialFound>,

    /// The namespaces in which something is granted (at most 256).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256))]
    pub namespaces: Vec<RemoteNamespace>,

    /// Set when there are more namespaces than these.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub truncated: bool,

    /// What is declared and not held (at most 64).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub missing: Vec<RemoteRight>,

    /// What is held and not declared (at most 64).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub excess: Vec<RemoteRight>,

    /// Objects that are left on a remote cluster that does not answer, while the object is being deleted (at most 64).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub pending_remote: Vec<String>,

    /// The access that is in effect; absent while none is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grant: Option<GrantInEffect>,

    /// When the permissions begin or end next, if nobody changes anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_transition: Option<Time>,

    /// In Observe mode: what would change (at most 50).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50))]
    pub changes: Vec<Change>,
}

/// A remote cluster as it was found.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct ClusterFound {
    /// The name of Argo CD's cluster Secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_name: Option<String>,
    /// Version of Kubernetes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kubernetes_version: Option<String>,
    /// The uid of the namespace kube-system, by which a cluster is known.
    #[serde(default, skip_serializing_if = "Option::is_none", rename = "clusterUID")]
    pub cluster_uid: Option<String>,
    /// SHA-256 of the certificate authority, in hexadecimal.
    #[serde(default, skip_serializing_if = "Option::is_none", rename = "caSHA256")]
    pub ca_sha256: Option<String>,
}

/// A credential, without what is secret of it.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct CredentialFound {
    /// Who it is in the remote cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// How long the remote cluster lets a token live, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub granted_seconds: Option<i64>,
    /// When it was issued.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issued_at: Option<Time>,
    /// When it expires.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Time>,
    /// When it is to be replaced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub renew_at: Option<Time>,
    /// The Secret in the remote cluster to which it is bound: it is dead within seconds when that is deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub anchor: Option<String>,
    /// When the operator's own credential for the remote cluster expires.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manager_expires_at: Option<Time>,
}

/// A namespace of the remote cluster.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct RemoteNamespace {
    /// Its name; `*` for the whole cluster.
    pub name: String,
    /// Whether everything that is declared may be done there, by proof; absent: not proven yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deploy: Option<bool>,
    /// Whether a terminal may be opened there, by proof; absent: none is meant to be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exec: Option<bool>,
    /// The ExecAccess objects that need the terminal (at most 16).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub because: Vec<String>,
    /// Whether Argo CD looks at it: it is in the cluster Secret.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub in_secret: bool,
}

/// A right in the remote cluster.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "camelCase")]
pub struct RemoteRight {
    /// The verb.
    pub verb: String,
    /// The API group.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub group: String,
    /// The resource, with its subresource if any.
    pub resource: String,
    /// The namespace; empty: without one, or in all.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// Who allows it, as far as the API server says it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub by: String,
}
