//! `LiveResourceAccess`: what people see and do, through argocd-agent, with the live resources of an agent's cluster.

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::common::{Mode, NamespaceSelection};
use super::exec_access::ApplicationSelector;
use super::live_status::LiveResourceAccessStatus;
use super::time::{Validity, Window};

/// What argocd-agent may read and change in the cluster that it serves, and what the principal needs to show it.
///
/// One object serves one side: `Agent` in the agent's cluster, `Principal` in that of the control plane. Rights are derived from the
/// Applications themselves, and never wider than what their projects allow.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "argocd-access.dev",
    version = "v1alpha1",
    kind = "LiveResourceAccess",
    plural = "liveresourceaccesses",
    singular = "liveresourceaccess",
    shortname = "lra",
    category = "argocd",
    namespaced,
    status = "LiveResourceAccessStatus",
    derive = "PartialEq",
    doc = "LiveResourceAccess declares what Argo CD shows of live resources in the cluster of an argocd-agent, and what people may do with them. It lives in the namespace of the agent (side Agent) or of the principal (side Principal). The operator derives the rights that this takes from the Applications, proves them, reports them in the status, and takes them back when the object is deleted.",
    validation = Rule::new("size(self.metadata.name) <= 63").message("metadata.name must be at most 63 characters"),
    validation = Rule::new("self.spec.side != 'Agent' || has(self.spec.agent)").message("side: Agent needs the block agent: it says what is granted"),
    validation = Rule::new("self.spec.side != 'Agent' || !has(self.spec.principal)").message("the block principal has no meaning with side: Agent; remove it"),
    validation = Rule::new("self.spec.side != 'Principal' || !has(self.spec.agent)").message("the block agent has no meaning with side: Principal; remove it"),
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].status", description = "True when everything declared is in place and proven"),
    printcolumn(name = "Reason", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].reason", description = "What is missing, when not ready"),
    printcolumn(name = "Side", type_ = "string", json_path = ".spec.side"),
    printcolumn(name = "Mode", type_ = "string", json_path = ".spec.mode"),
    printcolumn(name = "Next", type_ = "string", json_path = ".status.nextTransition", description = "When the access opens, closes or expires next"),
    printcolumn(name = "Suspended", type_ = "boolean", json_path = ".spec.suspend", priority = "1"),
    printcolumn(name = "Message", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].message", priority = "1"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
pub struct LiveResourceAccessSpec {
    /// `Agent`: the rights of the agent in the cluster that it serves. `Principal`: what the control plane needs. It cannot be changed.
    #[x_kube(validation = Rule::new("self == oldSelf").message("side cannot be changed; delete the object and create one for the other side"))]
    pub side: Side,

    /// For side `Agent`: what the agent may do, and where.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<AgentAccess>,

    /// For side `Principal`: what is set in the control plane. Default: all of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub principal: Option<PrincipalAccess>,

    /// From when until when the access exists at all. After the end it is withdrawn; the object stays as a record.
    #[serde(default, skip_serializing_if = "Validity::is_unbounded")]
    pub validity: Validity,

    /// The windows of the week in which the rights exist; none: at any time. Outside of them they are withdrawn.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub schedule: Vec<Window>,

    /// `Enforce` makes it true; `Observe` changes nothing and reports in `status.changes` what it would change.
    #[serde(default)]
    pub mode: Mode,

    /// Withdraws the access at once, without deleting the object.
    #[serde(default)]
    pub suspend: bool,

    /// Why this access exists, for example a ticket. Shown in Events.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    #[x_kube(validation = Rule::new("!self.matches('[\\\\p{C}\\\\p{Zl}\\\\p{Zp}]')").message("reason must be one line without control characters"))]
    pub reason: Option<String>,
}

/// Which of the two sides an object serves.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    /// The cluster of an agent.
    Agent,
    /// The control plane.
    Principal,
}

impl Side {
    /// The name in the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Agent => "Agent",
            Self::Principal => "Principal",
        }
    }
}

/// What an agent may do in its cluster.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct AgentAccess {
    /// Name of the agent's Deployment. Default: found by its labels (component agent, part of argocd-agent) or its ArgoCD object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = Rule::new("self.matches('^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$')").message("deployment must be the name of a Deployment"))]
    pub deployment: Option<String>,

    /// What is granted. Several add up.
    #[schemars(length(min = 1, max = 16))]
    pub grants: Vec<LiveGrant>,

    /// Kinds that come into being below others, beside those that the operator knows: each is granted where its parent is.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub children: Vec<ParentChild>,

    /// Kinds that are never granted, nor what is found below them only.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub exclude: Vec<GroupKind>,

    /// Namespaces in which this object grants nothing. Those of the agent and of the instance always count, as do those that the instance denies.
    #[serde(default = "system_namespaces")]
    #[schemars(length(max = 64), inner(length(min = 1, max = 63), regex(pattern = "^[a-z0-9]([a-z0-9-]*[a-z0-9])?$")))]
    pub protected_namespaces: Vec<String>,
}

fn system_namespaces() -> Vec<String> {
    ["kube-system", "kube-public", "kube-node-lease"].map(ToOwned::to_owned).to_vec()
}

/// What people may do with the resources of which Applications.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct LiveGrant {
    /// What works in Argo CD's UI. Each includes `View`. `Terminal` needs a managed agent. Default: `View` and `Events`.
    #[serde(default = "view_and_events")]
    #[schemars(length(min = 1, max = 7))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub features: Vec<Feature>,

    /// The Applications. Default: all of the agent's own namespace.
    #[serde(default = "all_applications")]
    #[schemars(length(min = 1, max = 64))]
    pub applications: Vec<ApplicationSelector>,

    /// Only these namespaces. Default: each in which a resource of the Applications lies.
    #[serde(default)]
    pub namespaces: NamespaceSelection,

    /// `Kind`: each resource of a kind that occurs. `Name`: those in Git by their names; what comes into being below them stays by kind.
    #[serde(default)]
    pub precision: Precision,

    /// Whether resources without a namespace are shown, each by its name.
    #[serde(default)]
    pub cluster_scoped: ClusterScoped,

    /// Whether Secrets are shown. The agent sends them whole to the control plane; only there are the values masked.
    #[serde(default)]
    pub secrets: Secrets,

    /// Kinds that are otherwise never edited, acted on or deleted (and rights, which are never shown): released for this grant.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub sensitive: Vec<GroupKind>,
}

impl Default for LiveGrant {
    fn default() -> Self {
        Self {
            features: view_and_events(),
            applications: all_applications(),
            namespaces: NamespaceSelection::default(),
            precision: Precision::default(),
            cluster_scoped: ClusterScoped::default(),
            secrets: Secrets::default(),
            sensitive: Vec::new(),
        }
    }
}

fn view_and_events() -> Vec<Feature> {
    vec![Feature::View, Feature::Events]
}

fn all_applications() -> Vec<ApplicationSelector> {
    vec![ApplicationSelector { project: "*".to_owned(), name: "*".to_owned(), namespace: None }]
}

/// What works in Argo CD's UI.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Feature {
    /// The live manifest and the diff.
    View,
    /// The tab with a resource's Events.
    Events,
    /// The logs of pods.
    Logs,
    /// A terminal in a pod.
    Terminal,
    /// Editing a live manifest.
    Edit,
    /// Actions such as restart, scale or promote.
    Actions,
    /// Deleting a resource.
    Delete,
}

impl Feature {
    /// All of them.
    pub const ALL: [Self; 7] = [Self::View, Self::Events, Self::Logs, Self::Terminal, Self::Edit, Self::Actions, Self::Delete];

    /// The name in the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::View => "View",
            Self::Events => "Events",
            Self::Logs => "Logs",
            Self::Terminal => "Terminal",
            Self::Edit => "Edit",
            Self::Actions => "Actions",
            Self::Delete => "Delete",
        }
    }
}

/// How exactly resources are named.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Precision {
    /// By their kind.
    #[default]
    Kind,
    /// Those in Git by their names.
    Name,
}

/// Whether resources without a namespace are shown.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClusterScoped {
    /// They are not.
    #[default]
    None,
    /// Those of the Applications are, by their names.
    View,
}

/// Whether Secrets are shown.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Secrets {
    /// They are not.
    #[default]
    None,
    /// Those of the Applications are, by their names.
    Named,
    /// All are, in the namespaces in which the Applications have one.
    All,
}

/// A kind, without its version.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[serde(rename_all = "camelCase")]
pub struct GroupKind {
    /// The API group; empty for that of Pods and Services.
    #[serde(default)]
    #[schemars(length(max = 253), regex(pattern = "^([a-z0-9]([a-z0-9.-]*[a-z0-9])?)?$"))]
    pub group: String,
    /// The kind, such as `Deployment`.
    #[schemars(length(min = 1, max = 63), regex(pattern = "^[A-Z][A-Za-z0-9]*$"))]
    pub kind: String,
}

impl GroupKind {
    /// Of this group and kind.
    #[must_use]
    pub fn new(group: &str, kind: &str) -> Self {
        Self { group: group.to_owned(), kind: kind.to_owned() }
    }
}

impl std::fmt::Display for GroupKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.group.is_empty() { f.write_str(&self.kind) } else { write!(f, "{}.{}", self.kind, self.group) }
    }
}

/// A kind that comes into being below another.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "camelCase")]
pub struct ParentChild {
    /// The kind above.
    pub parent: GroupKind,
    /// The kind below; its resources have one of the kind above as their owner.
    pub child: GroupKind,
}

/// What is set in the control plane.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct PrincipalAccess {
    /// `Auto`: argocd-cmd-params-cm leads argocd-server to the principal's Redis proxy. `None`: that is left as it is.
    #[serde(default)]
    pub redis_proxy: Automatic,

    /// The address of that proxy.
    #[serde(default = "redis_address")]
    #[schemars(length(min = 3, max = 253))]
    #[x_kube(validation = Rule::new("self.matches('^[a-z0-9]([a-z0-9.-]*[a-z0-9])?:[0-9]{1,5}$')").message("redisAddress must be a host and a port, such as argocd-agent-redis-proxy:6379"))]
    pub redis_address: String,

    /// `Auto`: argocd-server is restarted once when that address changes, for it reads it only when it starts. `Never`: it is said.
    #[serde(default)]
    pub restart: Restart,

    /// `Auto`: where a NetworkPolicy selects the principal, one more lets argocd-server reach its resource proxy. `None`: none is made.
    #[serde(default)]
    pub network_policy: Automatic,

    /// Whether it is tried out that agents answer.
    #[serde(default)]
    pub probe: Probe,
}

impl Default for PrincipalAccess {
    fn default() -> Self {
        Self {
            redis_proxy: Automatic::default(),
            redis_address: redis_address(),
            restart: Restart::default(),
            network_policy: Automatic::default(),
            probe: Probe::default(),
        }
    }
}

fn redis_address() -> String {
    "argocd-agent-redis-proxy:6379".to_owned()
}

/// Whether something is set.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Automatic {
    /// It is, where it is needed.
    #[default]
    Auto,
    /// It is left as it is.
    None,
}

/// Whether argocd-server is restarted.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Restart {
    /// Once for each change that needs it.
    #[default]
    Auto,
    /// It is only said that a restart is due.
    Never,
}

/// Whether it is tried out that agents answer.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("self.mode != 'ClientCertificate' || (has(self.agents) && size(self.agents) > 0)").message("probe.mode: ClientCertificate needs probe.agents: only the Secrets of agents that are named are read"),
    validation = Rule::new("self.mode != 'None' || !has(self.agents) || size(self.agents) == 0").message("probe.agents has no meaning with probe.mode: None; remove it, or use ClientCertificate")
)]
pub struct Probe {
    /// `ClientCertificate`: with the certificate of the agent's cluster Secret. `None`: it is not tried.
    #[serde(default)]
    pub mode: ProbeMode,
    /// Names of agents; of each the Secret `cluster-` and its name is read, and no other.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(min = 1, max = 63), regex(pattern = "^[a-z0-9]([a-z0-9-]*[a-z0-9])?$")))]
    pub agents: Vec<String>,
}

/// How it is tried out.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ProbeMode {
    /// It is not.
    #[default]
    None,
    /// As argocd-server would ask.
    ClientCertificate,
}
