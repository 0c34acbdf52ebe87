//! What is seen of one agent and its cluster: the input of every plan. Pure data; filled by `cluster_io`.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding, Role, RoleBinding};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::ceiling::Ceiling;
use super::discovery::Discovery;
use super::objects::SHIPPED;
use crate::api::LiveResourceAccess;
use crate::argocd::deployed::Deployed;
use crate::argocd::kinds::AppProject;
use crate::config::InstanceConfig;
use crate::reconcile::clock::Clock;
use crate::reconcile::unreadable::Unreadable;
use crate::reconcile::{Seen, seen, stop};

/// The ConfigMaps that the operator may read, by their names; `None`: there is none of that name.
pub type ConfigMaps = BTreeMap<String, Option<Arc<ConfigMap>>>;

/// The chart's fixed ClusterRoles that may be bound to an agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shipped {
    /// Lists Events.
    pub events: String,
    /// Reads logs.
    pub logs: String,
    /// Opens terminals.
    pub exec: String,
}

/// Everything that a plan depends on.
#[derive(Clone, Debug)]
pub struct World {
    /// What the platform admin allows here.
    pub settings: InstanceConfig,
    /// What may be bound beside the derived roles.
    pub shipped: Shipped,
    /// The API server's version, such as `v1.34.4`.
    pub kubernetes_version: Option<String>,
    /// By how much the API server's clock is ahead of ours; `None`: not known.
    pub server_ahead: Option<jiff::SignedDuration>,
    /// Withdraw everything, whatever is declared: the operator is being removed.
    pub withdraw_all: bool,
    /// All objects of side Agent of the instance.
    pub accesses: Vec<Arc<LiveResourceAccess>>,
    /// Those that cannot be parsed.
    pub unreadable: Vec<Unreadable>,
    /// argocd-cm of the agent's cluster.
    pub argocd_cm: Seen<Option<Arc<ConfigMap>>>,
    /// The ConfigMaps that an agent's environment may be taken from, by their names; `None`: there is none of that name.
    pub config_maps: Seen<ConfigMaps>,
    /// Deployments of the instance's namespace.
    pub deployments: Seen<Vec<Arc<Deployment>>>,
    /// Applications of all namespaces.
    pub applications: Seen<Vec<Arc<Deployed>>>,
    /// AppProjects of the instance's namespace.
    pub projects: Seen<Vec<Arc<AppProject>>>,
    /// All namespaces.
    pub namespaces: Seen<Vec<Arc<Namespace>>>,
    /// The kinds that the API server knows.
    pub discovery: Seen<Arc<Discovery>>,
    /// What the operator holds, by review.
    pub ceiling: Seen<Arc<Ceiling>>,
    /// Roles of our name, in all namespaces.
    pub roles: Seen<Vec<Arc<Role>>>,
    /// RoleBindings of our names, in all namespaces.
    pub role_bindings: Seen<Vec<Arc<RoleBinding>>>,
    /// The ClusterRole of our name.
    pub cluster_role: Seen<Option<Arc<ClusterRole>>>,
    /// The ClusterRoleBinding of our name.
    pub cluster_role_binding: Seen<Option<Arc<ClusterRoleBinding>>>,
}

impl World {
    /// The namespace of the instance, and of the agent.
    #[must_use]
    pub fn namespace(&self) -> &str {
        &self.settings.namespace
    }

    /// Whether everything is withdrawn, whatever is declared.
    #[must_use]
    pub fn ending(&self) -> bool {
        self.withdraw_all || !self.settings.live.enabled || self.is_going(self.namespace())
    }

    /// Whether a namespace is being deleted.
    #[must_use]
    pub fn is_going(&self, namespace: &str) -> bool {
        seen::is_going(&self.namespaces, namespace)
    }

    /// Why everything is stopped: the annotation on argocd-cm, when it is there.
    #[must_use]
    pub fn stopped(&self) -> Option<&str> {
        stop::why(&self.argocd_cm)
    }

    /// Whether an object of our name is ours. Never by its name alone: without our mark it is somebody else's.
    #[must_use]
    pub fn is_ours(&self, meta: &ObjectMeta) -> bool {
        seen::is_ours(meta, self.namespace())
    }

    /// Whether every place can be seen in which something may be set.
    #[must_use]
    pub fn in_sight(&self) -> bool {
        self.roles.is_ok() && self.role_bindings.is_ok() && self.cluster_role.is_ok() && self.cluster_role_binding.is_ok()
    }

    /// Whether an object that cannot be parsed keeps what it has in a namespace, or in the cluster: then nothing is taken away there, for
    /// nobody knows what is its. Where its status says what it has, that is all that is kept.
    #[must_use]
    pub fn is_frozen_in(&self, namespace: Option<&str>) -> bool {
        let keeps = |one: &Unreadable| one.is_frozen() && one.may_have(namespace);
        !self.ending() && self.stopped().is_none() && self.unreadable.iter().any(keeps)
    }

    /// The kinds among which something of ours may be left unseen.
    #[must_use]
    pub fn unseen(&self) -> BTreeSet<String> {
        let kinds = [
            self.roles.as_ref().map(drop),
            self.role_bindings.as_ref().map(drop),
            self.cluster_role.as_ref().map(drop),
            self.cluster_role_binding.as_ref().map(drop),
        ];
        kinds.into_iter().filter_map(Result::err).map(ToString::to_string).collect()
    }

    /// The same world at this time: what cannot be parsed is frozen within its validity only.
    #[must_use]
    pub fn at(&self, clock: Clock) -> Cow<'_, Self> {
        Unreadable::all_at(&self.unreadable, clock).map_or(Cow::Borrowed(self), |unreadable| Cow::Owned(Self { unreadable, ..self.clone() }))
    }
}

/// The names of all our RoleBindings.
#[must_use]
pub fn binding_names(namespace: &str) -> Vec<String> {
    let name = role_name(namespace);
    SHIPPED.iter().map(|(_, suffix)| format!("{name}-{suffix}")).chain([name.clone()]).collect()
}

/// The name of the derived roles and their bindings: it carries the instance's namespace, so that several instances of a cluster do not meet.
#[must_use]
pub fn role_name(namespace: &str) -> String {
    format!("argocd-access-live-{namespace}")
}
