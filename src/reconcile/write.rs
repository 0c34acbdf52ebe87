//! The writes of a plan: what is sent, where, and in which order. Pure data; `cluster_io::apply` is the only sender.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::Value;

use super::contests::Look;
use super::seen::uid;
use crate::api::status::Change;
use crate::argocd::tracking::Place;
use crate::ownership::behalf::Name;

/// The kinds that are written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// `v1`
    ConfigMap,
    /// `apps/v1`
    Deployment,
    /// `networking.k8s.io/v1`
    Ingress,
    /// `networking.k8s.io/v1`
    NetworkPolicy,
    /// `rbac.authorization.k8s.io/v1`
    Role,
    /// `rbac.authorization.k8s.io/v1`
    RoleBinding,
    /// `rbac.authorization.k8s.io/v1`
    ClusterRole,
    /// `rbac.authorization.k8s.io/v1`
    ClusterRoleBinding,
    /// `argoproj.io/v1alpha1`
    AppProject,
    /// `argoproj.io/v1beta1`: what argocd-operator makes an Argo CD from.
    ArgoCD,
    /// `admissionregistration.k8s.io/v1`
    ValidatingAdmissionPolicy,
    /// `admissionregistration.k8s.io/v1`
    ValidatingAdmissionPolicyBinding,
    /// `cloud.google.com/v1`: what an Ingress on GKE makes of a Service.
    BackendConfig,
    /// `argocd-access.dev/v1alpha1`
    ExecAccess,
    /// `argocd-access.dev/v1alpha1`
    LiveResourceAccess,
    /// `argocd-access.dev/v1alpha1`
    ClusterAccess,
    /// `v1`; what is in one never gets into a plan, a log or a memory.
    Secret,
    /// `v1`, in a remote cluster.
    RemoteSecret,
    /// `v1`, in a remote cluster.
    RemoteConfigMap,
    /// `rbac.authorization.k8s.io/v1`, in a remote cluster.
    RemoteRoleBinding,
    /// `rbac.authorization.k8s.io/v1`, in a remote cluster.
    RemoteClusterRoleBinding,
    /// `rbac.authorization.k8s.io/v1`, in a remote cluster.
    RemoteClusterRole,
    /// `iam.services.k8s.aws/v1alpha1`: a role in AWS, for its controller.
    AckRole,
    /// `eks.services.k8s.aws/v1alpha1`
    AckPodIdentityAssociation,
    /// `eks.services.k8s.aws/v1alpha1`
    AckAccessEntry,
    /// `iam.aws.m.upbound.io/v1beta1`: a role in AWS, for Crossplane.
    CrossplaneRole,
    /// `eks.aws.m.upbound.io/v1beta1`
    CrossplanePodIdentityAssociation,
    /// `eks.aws.m.upbound.io/v1beta1`
    CrossplaneAccessEntry,
}

impl Kind {
    /// apiVersion, kind and plural.
    #[must_use]
    pub const fn names(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::ConfigMap => ("v1", "ConfigMap", "configmaps"),
            Self::Deployment => ("apps/v1", "Deployment", "deployments"),
            Self::Ingress => ("networking.k8s.io/v1", "Ingress", "ingresses"),
            Self::NetworkPolicy => ("networking.k8s.io/v1", "NetworkPolicy", "networkpolicies"),
            Self::Role => ("rbac.authorization.k8s.io/v1", "Role", "roles"),
            Self::RoleBinding => ("rbac.authorization.k8s.io/v1", "RoleBinding", "rolebindings"),
            Self::ClusterRole => ("rbac.authorization.k8s.io/v1", "ClusterRole", "clusterroles"),
            Self::ClusterRoleBinding => ("rbac.authorization.k8s.io/v1", "ClusterRoleBinding", "clusterrolebindings"),
            Self::AppProject => ("argoproj.io/v1alpha1", "AppProject", "appprojects"),
            Self::ArgoCD => ("argoproj.io/v1beta1", "ArgoCD", "argocds"),
            Self::ValidatingAdmissionPolicy => ("admissionregistration.k8s.io/v1", "ValidatingAdmissionPolicy", "validatingadmissionpolicies"),
            Self::ValidatingAdmissionPolicyBinding => {
                ("admissionregistration.k8s.io/v1", "ValidatingAdmissionPolicyBinding", "validatingadmissionpolicybindings")
            }
            Self::BackendConfig => ("cloud.google.com/v1", "BackendConfig", "backendconfigs"),
            Self::ExecAccess => ("argocd-access.dev/v1alpha1", "ExecAccess", "execaccesses"),
            Self::LiveResourceAccess => ("argocd-access.dev/v1alpha1", "LiveResourceAccess", "liveresourceaccesses"),
            Self::ClusterAccess => ("argocd-access.dev/v1alpha1", "ClusterAccess", "clusteraccesses"),
            Self::Secret | Self::RemoteSecret => ("v1", "Secret", "secrets"),
            Self::RemoteConfigMap => Self::ConfigMap.names(),
            Self::RemoteRoleBinding => Self::RoleBinding.names(),
            Self::RemoteClusterRoleBinding => Self::ClusterRoleBinding.names(),
            Self::RemoteClusterRole => Self::ClusterRole.names(),
            Self::AckRole => ("iam.services.k8s.aws/v1alpha1", "Role", "roles"),
            Self::AckPodIdentityAssociation => ("eks.services.k8s.aws/v1alpha1", "PodIdentityAssociation", "podidentityassociations"),
            Self::AckAccessEntry => ("eks.services.k8s.aws/v1alpha1", "AccessEntry", "accessentries"),
            Self::CrossplaneRole => ("iam.aws.m.upbound.io/v1beta1", "Role", "roles"),
            Self::CrossplanePodIdentityAssociation => ("eks.aws.m.upbound.io/v1beta1", "PodIdentityAssociation", "podidentityassociations"),
            Self::CrossplaneAccessEntry => ("eks.aws.m.upbound.io/v1beta1", "AccessEntry", "accessentries"),
        }
    }

    /// Whether it is in a remote cluster.
    #[must_use]
    pub const fn is_remote(self) -> bool {
        matches!(
            self,
            Self::RemoteSecret | Self::RemoteConfigMap | Self::RemoteRoleBinding | Self::RemoteClusterRoleBinding | Self::RemoteClusterRole
        )
    }

    /// Whether an answer of the API server about such an object may hold what nobody is to see.
    #[must_use]
    pub const fn is_secret(self) -> bool {
        matches!(self, Self::Secret | Self::RemoteSecret)
    }
}

impl Kind {
    /// Whether objects of this kind decide what somebody may do in Kubernetes: what was reviewed before one was written is out of date.
    #[must_use]
    pub const fn is_about_rights(self) -> bool {
        matches!(
            self,
            Self::Role
                | Self::RoleBinding
                | Self::ClusterRole
                | Self::ClusterRoleBinding
                | Self::ValidatingAdmissionPolicy
                | Self::ValidatingAdmissionPolicyBinding
                | Self::RemoteRoleBinding
                | Self::RemoteClusterRoleBinding
                | Self::RemoteClusterRole
        )
    }
}

/// One object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Target {
    /// Its kind.
    pub kind: Kind,
    /// Its namespace, unless it is cluster-scoped.
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
}

impl Target {
    /// An object in a namespace.
    #[must_use]
    pub fn namespaced(kind: Kind, namespace: &str, name: &str) -> Self {
        Self { kind, namespace: Some(namespace.to_owned()), name: name.to_owned() }
    }

    /// The object as its owners name it.
    #[must_use]
    pub fn place(&self) -> Place<'_> {
        let (api_version, kind, _) = self.kind.names();
        let group = api_version.split_once('/').map_or("", |(group, _)| group);
        Place { group, kind, namespace: self.namespace.as_deref(), name: &self.name }
    }

    /// A cluster-scoped object.
    #[must_use]
    pub fn cluster(kind: Kind, name: &str) -> Self {
        Self { kind, namespace: None, name: name.to_owned() }
    }
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (_, kind, _) = self.kind.names();
        match &self.namespace {
            Some(namespace) => write!(f, "{kind} {namespace}/{}", self.name)?,
            None => write!(f, "{kind} {}", self.name)?,
        }
        if self.kind.is_remote() { f.write_str(" of the remote cluster") } else { Ok(()) }
    }
}

/// The layers, in the order in which a grant goes through them; a withdrawal begins at the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Layer {
    /// The object's own finalizer, before anything shared is written.
    Finalizer,
    /// The admission policy that confines argocd-server: before anything is given, and the last to go.
    Confinement,
    /// The Kubernetes rights of argocd-server.
    Server,
    /// argocd-cm.
    Flag,
    /// The Ingresses.
    Ingress,
    /// What an agent may do with live resources, by roles that are derived.
    Live,
    /// The Events, logs and terminals that an agent may reach, by roles of the chart.
    LiveShipped,
    /// Whether argocd-server may reach the principal of argocd-agent.
    Network,
    /// Which Redis argocd-server asks, and its restart.
    Redis,
    /// What a credential may do in a remote cluster, terminals apart.
    RemoteRights,
    /// Where it may open terminals there: the last to come and the first to go.
    RemoteExec,
    /// Argo CD's cluster Secret.
    ClusterSecret,
    /// The Secrets of a remote cluster to which tokens are bound: they go after nothing uses these any more.
    Anchor,
    /// The operator's own credential for a remote cluster.
    Manager,
    /// What is put out for AWS.
    Aws,
    /// argocd-rbac-cm and AppProjects: the first to go and the last to come, since only its lines decide over open sessions.
    Policy,
}

/// Whether a write gives or takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Direction {
    /// Somebody can do less, or a former value comes back.
    Narrow,
    /// Somebody can do more.
    Widen,
    /// Nobody can do more or less: finalizers, managedFields, restarts.
    Keep,
}

/// What is sent.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Server-side apply of the whole of our fields; only for objects of our own, and for one that is missing. Over an object that is
    /// there it carries the observed resourceVersion, and takes fields from others by force. For one that is missing it does not: where
    /// somebody has made one of that name in the meantime, theirs is not taken over.
    Apply(Value),
    /// A JSON merge patch. It carries the observed resourceVersion, so that a stale plan is refused.
    Merge(Value),
    /// The same in the name of the object's owner, whose next apply must not meet us.
    InName {
        /// Under which entry of `managedFields`.
        name: Name,
        /// The merge patch.
        patch: Value,
    },
    /// One of these into which something is put just before it is sent that no plan holds: a credential.
    Sealed(Seal, Value),
    /// Deletion of this very object.
    Delete {
        /// The uid that was seen.
        uid: String,
        /// The version that was seen.
        resource_version: String,
    },
}

/// What is put into a write just before it is sent. The plan has the rest of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seal {
    /// The whole cluster Secret of ours, applied: with the credential that it has.
    Kept,
    /// The same with the one that was minted last.
    Minted,
    /// A patch of an adopted cluster Secret: with the credential that was minted last, and what was in it before.
    Adopt,
    /// The same without another memory: that is there already.
    Renew,
    /// A patch of an adopted cluster Secret: what was in it before comes back.
    GiveBack,
    /// A patch of the manager's Secret: with its own new token.
    Manager,
}

impl Action {
    /// A merge patch of somebody's object, in the name that this owner needs, if any.
    #[must_use]
    pub fn change(name: Option<Name>, patch: Value) -> Self {
        match name {
            Some(name) => Self::InName { name, patch },
            None => Self::Merge(patch),
        }
    }

    /// Whether it is meant for the very object that was seen, and not for one that is yet to be made.
    #[must_use]
    pub fn is_for_what_was_seen(&self) -> bool {
        match self {
            Self::Apply(body) | Self::Sealed(_, body) => body.pointer("/metadata/resourceVersion").is_some(),
            Self::Merge(_) | Self::InName { .. } | Self::Delete { .. } => true,
        }
    }
}

/// One write.
#[derive(Clone, Debug, PartialEq)]
pub struct Write {
    /// The object.
    pub target: Target,
    /// The layer that wants it.
    pub layer: Layer,
    /// Whether it gives or takes.
    pub direction: Direction,
    /// What is sent.
    pub action: Action,
    /// Why, for the log: a few words.
    pub why: &'static str,
}

impl Write {
    /// Whether it gives somebody what is declared. That the confinement itself goes, when all is handed back, gives nothing to anybody.
    #[must_use]
    pub fn gives(&self) -> bool {
        self.direction == Direction::Widen && !(self.layer == Layer::Confinement && matches!(self.action, Action::Delete { .. }))
    }

    /// The deletion of an object of ours, as it was seen.
    #[must_use]
    pub fn delete(target: &Target, meta: &ObjectMeta, layer: Layer, direction: Direction, why: &'static str) -> Self {
        let action = Action::Delete { uid: uid(meta).to_owned(), resource_version: meta.resource_version.clone().unwrap_or_default() };
        Self { target: target.clone(), layer, direction, action, why }
    }

    /// Narrowing writes first: policy lines (only their removal reaches open sessions), then the rights of argocd-server, then what is
    /// switched on for everybody. Then the keeping ones that a grant needs, then widening ones: the rights first, the policy lines last.
    #[must_use]
    pub fn order(&self) -> (u8, u8, Target) {
        let forwards = match self.layer {
            Layer::Finalizer => 0,
            Layer::Confinement => 1,
            Layer::Server => 2,
            Layer::Flag => 3,
            Layer::Ingress => 4,
            Layer::Policy => 5,
            // A terminal is the last to come and the first to go.
            Layer::Live => 2,
            Layer::LiveShipped => 3,
            Layer::Network => 2,
            Layer::Redis => 3,
            Layer::Manager => 1,
            Layer::Aws => 2,
            Layer::RemoteRights => 2,
            Layer::RemoteExec => 3,
            Layer::ClusterSecret => 4,
            Layer::Anchor => 5,
        };
        let (phase, rank) = match (self.direction, self.layer) {
            (Direction::Narrow, Layer::Policy | Layer::LiveShipped | Layer::RemoteExec) => (0, 0),
            (Direction::Narrow, _) => (0, forwards),
            (Direction::Keep, _) => (1, forwards),
            (Direction::Widen, _) => (2, forwards),
        };
        (phase, rank, self.target.clone())
    }
}

/// What one layer wants.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// The writes of the next step.
    pub writes: Vec<Write>,
    /// Every change that is still to come, in full: what Observe mode shows.
    pub changes: Vec<Change>,
    /// What was seen of values that somebody else may rewrite.
    pub looks: Vec<Look>,
}

impl Wanted {
    /// Adds what a part of the layer wants.
    pub fn add(&mut self, other: Self) {
        self.writes.extend(other.writes);
        self.changes.extend(other.changes);
        self.looks.extend(other.looks);
    }
}
