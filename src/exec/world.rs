//! What is seen of one Argo CD instance and its cluster: the input of every plan. Pure data; filled by `cluster_io`.

use std::borrow::Cow;
use std::sync::Arc;

use k8s_openapi::api::admissionregistration::v1::{ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Pod, Service};
use k8s_openapi::api::networking::v1::{Ingress, IngressClass};
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding, Role, RoleBinding};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::debts;
use crate::api::{ClusterAccess, ExecAccess};
use crate::argocd::instance::{self, NoServer, Server};
use crate::argocd::kinds::{AppProject, Application, ArgoCD};
use crate::argocd::policy;
use crate::argocd::tracking::Tracking;
use crate::config::{ConflictPolicy, InstanceConfig};
use crate::ingress::gateway::HTTPRoute;
use crate::ingress::gce::BackendConfig;
use crate::reconcile::clock::Clock;
use crate::reconcile::contests::Contests;
use crate::reconcile::seen::{Seen, data};
pub use crate::reconcile::unreadable::Unreadable;
use crate::reconcile::{Kind, Surroundings, seen, stop};

/// Everything that a plan depends on.
#[derive(Clone, Debug)]
pub struct World {
    /// What the platform admin allows here.
    pub settings: InstanceConfig,
    /// The chart's fixed ClusterRole that may be bound to argocd-server.
    pub exec_cluster_role: String,
    /// The API server's version, such as `v1.36.3`.
    pub kubernetes_version: Option<String>,
    /// By how much the API server's clock is ahead of ours (negative: behind); `None`: not known.
    pub server_ahead: Option<jiff::SignedDuration>,
    /// Withdraw everything, whatever is declared: the operator is being removed.
    pub withdraw_all: bool,
    /// Who has rewritten what we set, as far as this process remembers.
    pub contests: Contests,
    /// All objects of the instance.
    pub accesses: Vec<Arc<ExecAccess>>,
    /// Those that cannot be parsed.
    pub unreadable: Vec<Unreadable>,
    /// argocd-cm.
    pub argocd_cm: Seen<Option<Arc<ConfigMap>>>,
    /// argocd-rbac-cm.
    pub rbac_cm: Seen<Option<Arc<ConfigMap>>>,
    /// argocd-cmd-params-cm.
    pub params_cm: Seen<Option<Arc<ConfigMap>>>,
    /// Deployments of the instance's namespace.
    pub deployments: Seen<Vec<Arc<Deployment>>>,
    /// Pods of the instance's namespace.
    pub pods: Seen<Vec<Arc<Pod>>>,
    /// Services of the instance's namespace.
    pub services: Seen<Vec<Arc<Service>>>,
    /// Ingresses of the instance's namespace.
    pub ingresses: Seen<Vec<Arc<Ingress>>>,
    /// HTTPRoutes of the instance's namespace; none where there is no Gateway API.
    pub http_routes: Seen<Vec<Arc<HTTPRoute>>>,
    /// BackendConfigs of the instance's namespace; none outside of GKE.
    pub backend_configs: Seen<Vec<Arc<BackendConfig>>>,
    /// IngressClasses.
    pub ingress_classes: Seen<Vec<Arc<IngressClass>>>,
    /// Applications of all namespaces.
    pub applications: Seen<Vec<Arc<Application>>>,
    /// The `ClusterAccess` objects of the instance; none where that is not served.
    pub clusters: Seen<Vec<Arc<ClusterAccess>>>,
    /// AppProjects of the instance's namespace.
    pub projects: Seen<Vec<Arc<AppProject>>>,
    /// All namespaces.
    pub namespaces: Seen<Vec<Arc<Namespace>>>,
    /// RoleBindings of our name, in all namespaces.
    pub role_bindings: Seen<Vec<Arc<RoleBinding>>>,
    /// The ClusterRoleBinding of our name.
    pub cluster_role_binding: Seen<Option<Arc<ClusterRoleBinding>>>,
    /// The `ArgoCD` objects of the instance's namespace; none where argocd-operator is not installed.
    pub argocds: Seen<Vec<Arc<ArgoCD>>>,
    /// The admission policy of our name.
    pub admission_policy: Seen<Option<Arc<ValidatingAdmissionPolicy>>>,
    /// Its binding.
    pub admission_binding: Seen<Option<Arc<ValidatingAdmissionPolicyBinding>>>,
    /// argocd-server's own Role, where it may be edited.
    pub own_role: Option<Seen<Option<Arc<Role>>>>,
    /// argocd-server's own ClusterRole, where it may be edited.
    pub own_cluster_role: Option<Seen<Option<Arc<ClusterRole>>>>,
}

impl World {
    /// An instance in which everything can be seen and nothing is there.
    #[must_use]
    pub fn empty(settings: InstanceConfig, exec_cluster_role: &str) -> Self {
        Self {
            settings,
            exec_cluster_role: exec_cluster_role.to_owned(),
            kubernetes_version: None,
            server_ahead: None,
            withdraw_all: false,
            contests: Contests::default(),
            accesses: Vec::new(),
            unreadable: Vec::new(),
            argocd_cm: Ok(None),
            rbac_cm: Ok(None),
            params_cm: Ok(None),
            deployments: Ok(Vec::new()),
            pods: Ok(Vec::new()),
            services: Ok(Vec::new()),
            ingresses: Ok(Vec::new()),
            http_routes: Ok(Vec::new()),
            backend_configs: Ok(Vec::new()),
            ingress_classes: Ok(Vec::new()),
            applications: Ok(Vec::new()),
            clusters: Ok(Vec::new()),
            projects: Ok(Vec::new()),
            namespaces: Ok(Vec::new()),
            role_bindings: Ok(Vec::new()),
            cluster_role_binding: Ok(None),
            argocds: Ok(Vec::new()),
            admission_policy: Ok(None),
            admission_binding: Ok(None),
            own_role: None,
            own_cluster_role: None,
        }
    }

    /// The objects that cannot be parsed and whose grants stay as they are: those that nobody has asked to go or has stopped, and that
    /// are not over.
    pub fn frozen(&self) -> impl Iterator<Item = &Unreadable> {
        self.unreadable.iter().filter(|u| !self.ending() && self.stopped().is_none() && u.is_frozen())
    }

    /// The same world at this time: what cannot be parsed is frozen within its validity only.
    #[must_use]
    pub fn at(&self, clock: Clock) -> Cow<'_, Self> {
        Unreadable::all_at(&self.unreadable, clock).map_or(Cow::Borrowed(self), |unreadable| Cow::Owned(Self { unreadable, ..self.clone() }))
    }

    /// Whether everything is withdrawn, whatever is declared: the operator is being removed, or the instance's namespace is. The latter
    /// takes the operator's own rights with it some seconds later; a finalizer that is left then would hold the namespace up for ever.
    #[must_use]
    pub fn ending(&self) -> bool {
        self.withdraw_all || self.is_going(self.namespace())
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
        self.rbac_cm.is_ok()
            && self.argocd_cm.is_ok()
            && self.argocds.is_ok()
            && self.role_bindings.is_ok()
            && self.cluster_role_binding.is_ok()
            && self.ingresses.is_ok()
            && self.projects.is_ok()
            && self.backend_configs.is_ok()
            && self.admission_policy.is_ok()
            && self.admission_binding.is_ok()
    }

    /// Whether a namespace is being deleted.
    #[must_use]
    pub fn is_going(&self, namespace: &str) -> bool {
        seen::is_going(&self.namespaces, namespace)
    }

    /// The namespace of the instance.
    #[must_use]
    pub fn namespace(&self) -> &str {
        &self.settings.namespace
    }

    /// The name of our bindings: it carries the instance's namespace, so that several instances of a cluster do not meet.
    #[must_use]
    pub fn binding_name(&self) -> String {
        binding_name(self.namespace())
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

    /// Whether Applications may live in other namespaces. Without sight of argocd-server the careful answer is yes: patterns are expanded,
    /// and what is bound stays.
    #[must_use]
    pub fn applications_elsewhere(&self) -> bool {
        self.server().ok().and_then(Result::ok).is_none_or(|s| s.applications_elsewhere)
    }

    /// Why it cannot be decided whether people must log in at all; while that is so, nothing is opened.
    #[must_use]
    pub fn undecided(&self) -> Option<String> {
        let server = self.server().ok()?.ok()?;
        let why = || {
            self.params_cm
                .as_ref()
                .err()
                .map_or_else(|| "its environment is taken from an object that the operator does not read".to_owned(), ToString::to_string)
        };
        server
            .auth_disabled
            .is_none()
            .then(|| format!("whether argocd-server runs with --disable-auth cannot be decided ({}), so nothing is opened", why()))
    }

    /// The data of argocd-rbac-cm; empty when it does not exist.
    ///
    /// # Errors
    /// When it cannot be seen.
    pub fn policy(&self) -> Seen<&policy::Data> {
        self.rbac_cm.as_ref().map(|cm| data(cm.as_deref())).map_err(Clone::clone)
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

    fn was_set(&self, kind: Kind) -> bool {
        let set = |place: &str| self.accesses.iter().filter_map(|a| a.status.as_ref()).any(|s| s.set.iter().any(|known| known == place));
        debts::place_of(kind).is_some_and(set)
    }
}

/// The name of our RoleBindings and our ClusterRoleBinding for one instance.
#[must_use]
pub fn binding_name(namespace: &str) -> String {
    format!("argocd-access-exec-{namespace}")
}
