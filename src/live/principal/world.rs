//! What is seen of one control plane: the input of every plan. Pure data; filled by `cluster_io`.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;

use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Pod, Service};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::api::LiveResourceAccess;
use crate::argocd::instance::{self, NoServer, Server};
use crate::argocd::kinds::Application;
use crate::argocd::tracking::Tracking;
use crate::config::{ConflictPolicy, InstanceConfig};
use crate::live::world::ConfigMaps;
use crate::reconcile::clock::Clock;
use crate::reconcile::contests::Contests;
use crate::reconcile::seen::{Seen, data};
use crate::reconcile::unreadable::Unreadable;
use crate::reconcile::{Kind, Surroundings, seen, stop};

/// Everything that a plan depends on.
#[derive(Clone, Debug)]
pub struct World {
    /// What the platform admin allows here.
    pub settings: InstanceConfig,
    /// The API server's version, such as `v1.36.3`.
    pub kubernetes_version: Option<String>,
    /// By how much the API server's clock is ahead of ours; `None`: not known.
    pub server_ahead: Option<jiff::SignedDuration>,
    /// Withdraw everything, whatever is declared: the operator is being removed.
    pub withdraw_all: bool,
    /// Who has rewritten what we set, as far as this process remembers.
    pub contests: Contests,
    /// All objects of side Principal of the instance.
    pub accesses: Vec<Arc<LiveResourceAccess>>,
    /// Those that cannot be parsed.
    pub unreadable: Vec<Unreadable>,
    /// argocd-cm.
    pub argocd_cm: Seen<Option<Arc<ConfigMap>>>,
    /// argocd-cmd-params-cm.
    pub params_cm: Seen<Option<Arc<ConfigMap>>>,
    /// The ConfigMaps that the principal's environment may be taken from, by their names; `None`: there is none of that name.
    pub config_maps: Seen<ConfigMaps>,
    /// Deployments of the instance's namespace.
    pub deployments: Seen<Vec<Arc<Deployment>>>,
    /// StatefulSets of the instance's namespace.
    pub stateful_sets: Seen<Vec<Arc<StatefulSet>>>,
    /// Services of the instance's namespace.
    pub services: Seen<Vec<Arc<Service>>>,
    /// Pods of the instance's namespace.
    pub pods: Seen<Vec<Arc<Pod>>>,
    /// NetworkPolicies of the instance's namespace.
    pub network_policies: Seen<Vec<Arc<NetworkPolicy>>>,
    /// Applications of all namespaces: one may keep argocd-cmd-params-cm.
    pub applications: Seen<Vec<Arc<Application>>>,
    /// All namespaces.
    pub namespaces: Seen<Vec<Arc<Namespace>>>,
}

impl World {
    /// An instance in which everything can be seen and nothing is there.
    #[must_use]
    pub fn empty(settings: InstanceConfig) -> Self {
        Self {
            settings,
            kubernetes_version: None,
            server_ahead: None,
            withdraw_all: false,
            contests: Contests::default(),
            accesses: Vec::new(),
            unreadable: Vec::new(),
            argocd_cm: Ok(None),
            params_cm: Ok(None),
            config_maps: Ok(ConfigMaps::new()),
            deployments: Ok(Vec::new()),
            stateful_sets: Ok(Vec::new()),
            services: Ok(Vec::new()),
            pods: Ok(Vec::new()),
            network_policies: Ok(Vec::new()),
            applications: Ok(Vec::new()),
            namespaces: Ok(Vec::new()),
        }
    }

    /// The namespace of the instance, and of the principal.
    #[must_use]
    pub fn namespace(&self) -> &str {
        &self.settings.namespace
    }

    /// Whether everything is withdrawn, whatever is declared.
    #[must_use]
    pub fn ending(&self) -> bool {
        self.withdraw_all || !self.settings.live.enabled || self.is_going()
    }

    /// Whether the instance's namespace is being deleted.
    #[must_use]
    pub fn is_going(&self) -> bool {
        seen::is_going(&self.namespaces, self.namespace())
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
        self.params_cm.is_ok() && self.network_policies.is_ok() && self.deployments.is_ok()
    }

    /// The kinds among which something of ours may be left unseen.
    #[must_use]
    pub fn unseen(&self) -> BTreeSet<String> {
        let kinds = [self.params_cm.as_ref().map(drop), self.network_policies.as_ref().map(drop)];
        kinds.into_iter().filter_map(Result::err).map(ToString::to_string).collect()
    }

    /// Whether an object that cannot be parsed keeps what it has: then nothing is taken away, for nobody knows what is its.
    #[must_use]
    pub fn is_frozen(&self) -> bool {
        !self.ending() && self.stopped().is_none() && self.unreadable.iter().any(Unreadable::is_frozen)
    }

    /// The same world at this time: what cannot be parsed is frozen within its validity only.
    #[must_use]
    pub fn at(&self, clock: Clock) -> Cow<'_, Self> {
        Unreadable::all_at(&self.unreadable, clock).map_or(Cow::Borrowed(self), |unreadable| Cow::Owned(Self { unreadable, ..self.clone() }))
    }

    /// argocd-server, as far as it can be seen.
    ///
    /// # Errors
    /// When the Deployments cannot be seen.
    pub fn server(&self) -> Seen<Result<Server, NoServer>> {
        let deployments = self.deployments.as_ref().map_err(Clone::clone)?;
        let params = self.params_cm.as_ref().ok().map(|cm| data(cm.as_deref()));
        Ok(instance::find_server(deployments.iter().map(AsRef::as_ref), params))
    }

    /// A Deployment by its name.
    #[must_use]
    pub fn deployment(&self, name: &str) -> Option<&Deployment> {
        self.deployments.as_ref().ok()?.iter().find(|d| d.metadata.name.as_deref() == Some(name)).map(AsRef::as_ref)
    }
}

impl Surroundings for World {
    fn tracking(&self) -> Tracking<'_> {
        let settings = self.argocd_cm.as_ref().ok().and_then(|cm| cm.as_ref()).and_then(|cm| cm.data.as_ref());
        let version = self.server().ok().and_then(Result::ok).and_then(|s| instance::parse_version(s.version.as_deref()?));
        Tracking::new(self.namespace(), settings, version, self.applications.as_deref().unwrap_or_default())
    }

    fn conflict_policy(&self) -> ConflictPolicy {
        self.settings.conflict_policy
    }

    fn contests(&self) -> &Contests {
        &self.contests
    }

    fn was_set(&self, _: Kind) -> bool {
        // No value of ours here tells by itself whose it is.
        false
    }
}
