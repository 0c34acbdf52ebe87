//! `ClusterAccess`: a remote cluster of an Argo CD instance, what Argo CD may do there, and by which credential.

use std::collections::BTreeMap;

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::cluster_aws::Aws;
use super::cluster_status::ClusterAccessStatus;
use super::common::{Mode, NamespaceSelection};
use super::time::{Validity, Window};

/// A remote cluster: its cluster Secret, a credential that is minimal, rotating and proven, and the rights behind it.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "argocd-access.dev",
    version = "v1alpha1",
    kind = "ClusterAccess",
    plural = "clusteraccesses",
    singular = "clusteraccess",
    shortname = "cla",
    category = "argocd",
    namespaced,
    status = "ClusterAccessStatus",
    derive = "PartialEq",
    doc = "ClusterAccess declares a remote cluster of the Argo CD instance in whose namespace it lives, what Argo CD may do there, and by which credential. The operator keeps Argo CD's cluster Secret, replaces the credential before it expires, keeps the bindings in the remote cluster, proves them with the credential itself, and takes everything back when the object is deleted.",
    validation = Rule::new("size(self.metadata.name) <= 63").message("metadata.name must be at most 63 characters"),
    validation = Rule::new("has(self.spec.name) == has(oldSelf.spec.name) && (!has(self.spec.name) || self.spec.name == oldSelf.spec.name)").message("name cannot be changed; delete the object and create another"),
    validation = Rule::new("self.spec.server == oldSelf.spec.server").message("server cannot be changed; delete the object and create another"),
    validation = Rule::new("has(self.spec.adoptSecret) == has(oldSelf.spec.adoptSecret) && (!has(self.spec.adoptSecret) || self.spec.adoptSecret == oldSelf.spec.adoptSecret)").message("adoptSecret cannot be changed; delete the object and create another"),
    validation = Rule::new("self.spec.credentials.type == oldSelf.spec.credentials.type").message("credentials.type cannot be changed; delete the object and create another"),
    validation = Rule::new("self.spec.credentials.serviceAccount == oldSelf.spec.credentials.serviceAccount").message("credentials.serviceAccount cannot be changed: tokens of the former one would stay; delete the object and create another"),
    validation = Rule::new("(self.spec.credentials.type == 'EKS') == has(self.spec.aws)").message("the block aws belongs to credentials.type: EKS, and that type needs it"),
    validation = Rule::new("self.spec.credentials.type != 'Existing' || has(self.spec.adoptSecret)").message("credentials.type: Existing needs adoptSecret: it says whose credential is verified"),
    validation = Rule::new("self.spec.credentials.type != 'Existing' || self.spec.remote.authority == 'None'").message("credentials.type: Existing verifies only, so remote.authority must be None"),
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].status", description = "True when everything declared is in place and proven"),
    printcolumn(name = "Reason", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].reason", description = "What is missing, when not ready"),
    printcolumn(name = "Credential", type_ = "string", json_path = ".spec.credentials.type"),
    printcolumn(name = "Expires", type_ = "string", json_path = ".status.credential.expiresAt", description = "When the credential expires that Argo CD uses now"),
    printcolumn(name = "Mode", type_ = "string", json_path = ".spec.mode"),
    printcolumn(name = "Server", type_ = "string", json_path = ".spec.server", priority = "1"),
    printcolumn(name = "Message", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].message", priority = "1"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
pub struct ClusterAccessSpec {
    /// The cluster's name in Argo CD. Default: the name of the object. It cannot be changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63), regex(pattern = "^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$"))]
    pub name: Option<String>,

    /// The address of its API server, as Applications name it: `https`, a host and a port, and nothing else. Not the cluster that Argo CD
    /// runs in. It cannot be changed.
    #[schemars(length(min = 9, max = 253))]
    #[x_kube(validation = Rule::new("self.matches('^https://([a-z0-9]([a-z0-9.-]*[a-z0-9])?|\\\\[[0-9a-f:.]+\\\\])(:[0-9]{1,5})?$')").message("server must be https:// with a host in lower case and perhaps a port, without a path, a query or a user"))]
    pub server: String,

    /// Labels of the cluster Secret, by which ApplicationSets choose clusters. Those of Argo CD itself cannot be set.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 32), transform = bound_labels)]
    #[x_kube(
        validation = Rule::new("self.all(k, size(k) <= 317 && k.matches('^([a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$'))").message("labels must have names that Kubernetes takes, such as env or example.com/env"),
        validation = Rule::new("self.all(k, self[k].matches('^([A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?)?$'))").message("labels must have values that Kubernetes takes: letters, digits, and - _ . between them"),
        validation = Rule::new("self.all(k, !k.contains('argoproj') && !k.startsWith('argocd-access.dev/'))").message("labels of Argo CD (argoproj) and of this operator (argocd-access.dev) cannot be set")
    )]
    pub labels: BTreeMap<String, String>,

    /// The project to which the cluster belongs in Argo CD, if it is to belong to one only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63), regex(pattern = "^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$"))]
    pub project: Option<String>,

    /// The shard of the application controller that serves it, if that is to be a certain one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 9999))]
    pub shard: Option<i32>,

    /// An HTTP proxy through which Argo CD and the operator reach it (by CONNECT), such as `http://proxy:3128`.
    #[serde(default, skip_serializing_if = "Option::is_none", rename = "proxyURL")]
    #[schemars(length(min = 8, max = 253))]
    #[x_kube(validation = Rule::new("self.matches('^http://[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:[0-9]{1,5})?$')").message("proxyURL must be http:// with a host and perhaps a port"))]
    pub proxy_url: Option<String>,

    /// The name of a cluster Secret that is there already, with the same server: it is taken over, and given back in the end. Default: one
    /// of the operator's own, `argocd-access-cluster-` and the name. It cannot be changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253), regex(pattern = "^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$"))]
    pub adopt_secret: Option<String>,

    /// By which credential Argo CD comes.
    #[serde(default)]
    pub credentials: Credentials,

    /// What the operator does in the remote cluster.
    #[serde(default)]
    pub remote: Remote,

    /// What Argo CD may do there.
    pub permissions: Permissions,

    /// For `credentials.type: EKS`: the identities in AWS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aws: Option<Aws>,

    /// From when until when the permissions exist at all. After the end they are withdrawn; the object stays as a record.
    #[serde(default, skip_serializing_if = "Validity::is_unbounded")]
    pub validity: Validity,

    /// The windows of the week in which the permissions exist; none: at any time. The credential stays, and may do nothing outside of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub schedule: Vec<Window>,

    /// `Enforce` makes it true; `Observe` changes nothing and reports in `status.changes` what it would change.
    #[serde(default)]
    pub mode: Mode,

    /// Withdraws the permissions at once, without deleting the object.
    #[serde(default)]
    pub suspend: bool,

    /// Why this access exists, for example a ticket. Shown in Events.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    #[x_kube(validation = Rule::new("!self.matches('[\\\\p{C}\\\\p{Zl}\\\\p{Zp}]')").message("reason must be one line without control characters"))]
    pub reason: Option<String>,
}

fn bound_labels(schema: &mut schemars::Schema) {
    schema.insert("additionalProperties".to_owned(), serde_json::json!({"type": "string", "maxLength": 63}));
}

/// By which credential Argo CD comes to the remote cluster.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("duration(self.lifetime) >= duration('1h') && duration(self.lifetime) <= duration('8760h')").message("credentials.lifetime must be between 1h and 8760h: Argo CD reads the whole cluster again after each change of the credential"),
    validation = Rule::new("duration(self.overlap) >= duration('1m') && duration(self.overlap) <= duration('1h')").message("credentials.overlap must be between 1m and 1h")
)]
pub struct Credentials {
    /// `ServiceAccountToken`: a token that is replaced before it expires. `EKS`: an identity of AWS. `Existing`: what the Secret holds; it
    /// is only verified.
    #[serde(default, rename = "type")]
    pub kind: CredentialType,

    /// The ServiceAccount in the remote cluster whose token it is; the bootstrap makes it. It cannot be changed.
    #[serde(default)]
    pub service_account: ServiceAccountRef,

    /// How long a token is to live, such as `24h`. The remote cluster may give less; what it gives counts.
    #[serde(default = "a_day")]
    #[schemars(length(min = 2, max = 16), regex(pattern = "^([0-9]{1,5}h)?([0-9]{1,6}m)?([0-9]{1,8}s)?$"))]
    pub lifetime: String,

    /// How long the former token stays valid after it was replaced; half of what a token lives at most.
    #[serde(default = "ten_minutes")]
    #[schemars(length(min = 2, max = 16), regex(pattern = "^([0-9]{1,5}h)?([0-9]{1,6}m)?([0-9]{1,8}s)?$"))]
    pub overlap: String,
}

impl Default for Credentials {
    fn default() -> Self {
        Self { kind: CredentialType::default(), service_account: ServiceAccountRef::default(), lifetime: a_day(), overlap: ten_minutes() }
    }
}

fn a_day() -> String {
    "24h".to_owned()
}

fn ten_minutes() -> String {
    "10m".to_owned()
}

/// A kind of credential.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CredentialType {
    /// A token of a ServiceAccount of the remote cluster.
    #[default]
    ServiceAccountToken,
    /// An identity of AWS, for a cluster of EKS.
    #[serde(rename = "EKS")]
    Eks,
    /// What the Secret holds already.
    Existing,
}

/// A ServiceAccount of the remote cluster.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct ServiceAccountRef {
    /// Its namespace.
    #[serde(default = "access_namespace")]
    #[schemars(length(min = 1, max = 63), regex(pattern = "^[a-z0-9]([a-z0-9-]*[a-z0-9])?$"))]
    pub namespace: String,
    /// Its name.
    #[serde(default = "managed")]
    #[schemars(length(min = 1, max = 63), regex(pattern = "^[a-z0-9]([a-z0-9-]*[a-z0-9])?$"))]
    pub name: String,
}

impl Default for ServiceAccountRef {
    fn default() -> Self {
        Self { namespace: access_namespace(), name: managed() }
    }
}

fn access_namespace() -> String {
    "argocd-access".to_owned()
}

fn managed() -> String {
    "argocd-managed".to_owned()
}

/// What the operator does in the remote cluster.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Remote {
    /// `Bind`: it binds the ClusterRoles of the bootstrap. `Manage`: it writes their rules as well, within what its own identity there
    /// holds. `None`: others keep the rights, and they are only verified.
    #[serde(default)]
    pub authority: Authority,
}

/// What the operator may do with rights in the remote cluster.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Authority {
    /// Others keep them.
    None,
    /// It binds roles that are there.
    #[default]
    Bind,
    /// It writes the roles, too.
    Manage,
}

/// What Argo CD may do in the remote cluster.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("self.scope != 'Namespaces' || (has(self.namespaces.names) && size(self.namespaces.names) > 0) || has(self.namespaces.selector)").message("scope: Namespaces needs namespaces.names or namespaces.selector: they say where"),
    validation = Rule::new("self.scope != 'Cluster' || ((!has(self.namespaces.names) || size(self.namespaces.names) == 0) && !has(self.namespaces.selector))").message("namespaces has no meaning with scope: Cluster; remove it"),
    validation = Rule::new("!has(self.namespaces.names) || size(self.namespaces.names) <= 128").message("namespaces.names may have at most 128 entries; Argo CD lists each of them by itself"),
    validation = Rule::new("self.read != 'Wildcard' || self.secrets == 'Deploy'").message("read: Wildcard reads every Secret too; say secrets: Deploy, or leave it")
)]
pub struct Permissions {
    /// `Namespaces`: in those that are named. `Cluster`: in all, also those that come later.
    #[serde(default)]
    pub scope: Scope,

    /// For scope `Namespaces`: which.
    #[serde(default)]
    pub namespaces: NamespaceSelection,

    /// Resources without a namespace that Argo CD may deploy.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub cluster_resources: Vec<GroupResources>,

    /// What Argo CD may read (get, list and watch). `Enumerated`: every kind that the cluster had when the roles were made, without Secrets
    /// unless `secrets` says so; Argo CD then needs `resource.respectRBAC`. `Wildcard`: everything, Secrets and terminals' `get` included.
    #[serde(default)]
    pub read: Read,

    /// `Workloads`: it may deploy workloads, Services, ConfigMaps, PersistentVolumeClaims, autoscalers, PodDisruptionBudgets, Ingresses and
    /// NetworkPolicies. `None`: only what `deploy` says.
    #[serde(default)]
    pub profile: Profile,

    /// What else it may deploy (create, update, patch and delete, besides reading).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub deploy: Vec<GroupResources>,

    /// `Deploy`: Secrets may be read and deployed. `None`: neither.
    #[serde(default)]
    pub secrets: DeploySecrets,

    /// Whether the logs of pods may be read.
    #[serde(default = "yes")]
    pub logs: bool,

    /// `Auto`: a terminal's right is bound only where an ExecAccess in effect needs it. `Never`: it is not.
    #[serde(default)]
    pub exec: Exec,
}

const fn yes() -> bool {
    true
}

/// Where the permissions hold.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scope {
    /// In some namespaces.
    #[default]
    Namespaces,
    /// In the whole cluster.
    Cluster,
}

/// What may be read.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Read {
    /// Kinds one by one.
    #[default]
    Enumerated,
    /// Everything.
    Wildcard,
}

/// A set of kinds that may be deployed.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Profile {
    /// None.
    None,
    /// What an application is usually made of.
    #[default]
    Workloads,
}

/// Whether Secrets may be deployed.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DeploySecrets {
    /// They may neither be read nor deployed.
    #[default]
    None,
    /// They may.
    Deploy,
}

/// When a terminal's right is bound.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Exec {
    /// Where an `ExecAccess` in effect needs it.
    #[default]
    Auto,
    /// Nowhere.
    Never,
}

/// Resources of one API group.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "camelCase")]
pub struct GroupResources {
    /// The API group; empty for that of Pods and Services.
    #[serde(default)]
    #[schemars(length(max = 253), regex(pattern = "^([a-z0-9]([a-z0-9.-]*[a-z0-9])?)?$"))]
    pub group: String,
    /// The resources, in the plural, such as `deployments`.
    #[schemars(length(min = 1, max = 64), inner(length(min = 1, max = 63), regex(pattern = "^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$")))]
    pub resources: Vec<String>,
}

impl ClusterAccess {
    /// The cluster's name in Argo CD.
    #[must_use]
    pub fn cluster(&self) -> &str {
        self.spec.name.as_deref().or(self.metadata.name.as_deref()).unwrap_or_default()
    }
}
