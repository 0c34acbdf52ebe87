//! All watches of one instance, and the `World` that they show.

use std::sync::Arc;

use k8s_openapi::api::admissionregistration::v1::{ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Pod, Service};
use k8s_openapi::api::networking::v1::{Ingress, IngressClass};
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding, Role, RoleBinding};
use kube::runtime::watcher::Config;
use kube::{Api, Client, Resource};
use serde::de::DeserializeOwned;
use tokio::sync::Notify;

use super::declared::Declared;
use super::recent::Recent;
use super::watch::{Probe, Watch, whole, without_managed_fields};
use crate::api::ExecAccess;
use crate::argocd::kinds::{AppProject, Application, ArgoCD};
use crate::argocd::{ARGOCD_CM, ARGOCD_CMD_PARAMS_CM, ARGOCD_RBAC_CM};
use crate::config::{InstanceConfig, ServerRoles};
use crate::exec::World;
use crate::exec::world::{Unreadable, binding_name};
use crate::ingress::gateway::HTTPRoute;
use crate::ingress::gce::BackendConfig;
use crate::reconcile::contests::Contests;
use crate::reconcile::{Kind, Seen};

/// The kind without which nothing can be done.
pub const DECLARATIONS: &str = "execaccesses";

/// Kinds that belong to no instance; watched once.
pub struct ClusterWatches {
    namespaces: Watch<Namespace>,
    ingress_classes: Watch<IngressClass>,
    applications: Watch<Application>,
}

impl ClusterWatches {
    /// Starts them; every instance is told of changes.
    #[must_use]
    pub fn start(client: &Client, touched: &[Arc<Notify>]) -> Self {
        Self {
            namespaces: Watch::start("namespaces", Api::all(client.clone()), Config::default(), without_managed_fields, touched.to_vec()),
            ingress_classes: Watch::start("ingressclasses", Api::all(client.clone()), Config::default(), without_managed_fields, touched.to_vec()),
            applications: Watch::start("applications", Api::all(client.clone()), Config::default(), without_managed_fields, touched.to_vec()),
        }
    }

    fn probes(&self) -> [&Probe; 3] {
        [&self.namespaces.probe, &self.ingress_classes.probe, &self.applications.probe]
    }
}

/// The watches of one instance.
pub struct InstanceWatches {
    settings: InstanceConfig,
    exec_cluster_role: String,
    cluster: Arc<ClusterWatches>,
    accesses: Watch<Declared>,
    argocd_cm: Watch<ConfigMap>,
    rbac_cm: Watch<ConfigMap>,
    params_cm: Watch<ConfigMap>,
    deployments: Watch<Deployment>,
    pods: Watch<Pod>,
    services: Watch<Service>,
    ingresses: Watch<Ingress>,
    http_routes: Watch<HTTPRoute>,
    backend_configs: Watch<BackendConfig>,
    projects: Watch<AppProject>,
    role_bindings: Watch<RoleBinding>,
    cluster_role_bindings: Watch<ClusterRoleBinding>,
    argocds: Watch<ArgoCD>,
    admission_policies: Watch<ValidatingAdmissionPolicy>,
    admission_bindings: Watch<ValidatingAdmissionPolicyBinding>,
    own_role: Option<Watch<Role>>,
    own_cluster_role: Option<Watch<ClusterRole>>,
}

/// What no watch shows.
#[derive(Clone, Debug, Default)]
pub struct Outside {
    /// The API server's version.
    pub kubernetes_version: Option<String>,
    /// By how much its clock is ahead of ours.
    pub server_ahead: Option<jiff::SignedDuration>,
    /// Withdraw everything.
    pub withdraw_all: bool,
    /// Who has rewritten what we set.
    pub contests: Contests,
}

fn named(name: &str) -> Config {
    Config::default().fields(&format!("metadata.name={name}"))
}

impl InstanceWatches {
    /// Starts them.
    #[must_use]
    pub fn start(client: &Client, settings: InstanceConfig, exec_cluster_role: String, cluster: Arc<ClusterWatches>, touched: &Arc<Notify>) -> Self {
        let namespace = settings.namespace.as_str();
        let told = || vec![Arc::clone(touched)];
        let config_map = |name: &str| Watch::start("configmaps", Api::namespaced(client.clone(), namespace), named(name), whole, told());
        let in_place = settings.server_roles == ServerRoles::InPlace;
        let own = |name: &str| (in_place && !name.is_empty()).then(|| named(name));
        let binding = binding_name(namespace);
        Self {
            accesses: Watch::start(DECLARATIONS, Api::namespaced(client.clone(), namespace), Config::default(), whole, told()),
            argocd_cm: config_map(ARGOCD_CM),
            rbac_cm: config_map(ARGOCD_RBAC_CM),
            params_cm: config_map(ARGOCD_CMD_PARAMS_CM),
            deployments: Watch::start("deployments", Api::namespaced(client.clone(), namespace), Config::default(), whole, told()),
            pods: Watch::start("pods", Api::namespaced(client.clone(), namespace), Config::default(), prune_pod, told()),
            services: Watch::start("services", Api::namespaced(client.clone(), namespace), Config::default(), without_managed_fields, told()),
            ingresses: Watch::start("ingresses", Api::namespaced(client.clone(), namespace), Config::default(), whole, told()),
            http_routes: Watch::start_optional(
                "httproutes",
                Api::namespaced(client.clone(), namespace),
                Config::default(),
                without_managed_fields,
                told(),
            ),
            backend_configs: Watch::start_optional("backendconfigs", Api::namespaced(client.clone(), namespace), Config::default(), whole, told()),
            projects: Watch::start("appprojects", Api::namespaced(client.clone(), namespace), Config::default(), whole, told()),
            role_bindings: Watch::start("rolebindings", Api::all(client.clone()), named(&binding), without_managed_fields, told()),
            cluster_role_bindings: Watch::start("clusterrolebindings", Api::all(client.clone()), named(&binding), without_managed_fields, told()),
            argocds: Watch::start_optional("argocds", Api::namespaced(client.clone(), namespace), Config::default(), whole, told()),
            admission_policies: Watch::start(
                "validatingadmissionpolicies",
                Api::all(client.clone()),
                named(&binding),
                without_managed_fields,
                told(),
            ),
            admission_bindings: Watch::start(
                "validatingadmissionpolicybindings",
                Api::all(client.clone()),
                named(&binding),
                without_managed_fields,
                told(),
            ),
            own_role: own(&settings.in_place.role).map(|c| Watch::start("roles", Api::namespaced(client.clone(), namespace), c, whole, told())),
            own_cluster_role: own(&settings.in_place.cluster_role).map(|c| Watch::start("clusterroles", Api::all(client.clone()), c, whole, told())),
            cluster,
            exec_cluster_role,
            settings,
        }
    }

    /// The namespace of the instance.
    #[must_use]
    pub fn namespace(&self) -> &str {
        &self.settings.namespace
    }

    /// The health of every watch.
    #[must_use]
    pub fn probes(&self) -> Vec<Probe> {
        let own = [
            &self.accesses.probe,
            &self.argocd_cm.probe,
            &self.rbac_cm.probe,
            &self.params_cm.probe,
            &self.deployments.probe,
            &self.pods.probe,
            &self.services.probe,
            &self.ingresses.probe,
            &self.http_routes.probe,
            &self.backend_configs.probe,
            &self.projects.probe,
            &self.role_bindings.probe,
            &self.cluster_role_bindings.probe,
            &self.argocds.probe,
            &self.admission_policies.probe,
            &self.admission_bindings.probe,
        ];
        let roles = self.own_role.as_ref().map(|w| &w.probe).into_iter().chain(self.own_cluster_role.as_ref().map(|w| &w.probe));
        own.into_iter().chain(roles).chain(self.cluster.probes()).cloned().collect()
    }

    /// Has everything listed afresh: what is known from a time in which somebody else wrote is no ground for writing.
    pub fn refresh(&self) {
        self.probes().iter().for_each(Probe::refresh);
    }

    /// Whether it is known of every kind what can be known. Before that, a plan would take half a world for the whole.
    #[must_use]
    pub fn settled(&self) -> bool {
        self.probes().iter().all(|p| p.health().settled())
    }

    /// What is seen now, with our own last writes over it.
    ///
    /// # Errors
    /// When the `ExecAccess` objects themselves cannot be seen: without them every grant would look withdrawn.
    pub fn world(&self, recent: &mut Recent, outside: Outside) -> Seen<World> {
        let (accesses, unreadable) = self.accesses(recent)?;
        let config_map = |recent: &mut Recent, watch: &Watch<ConfigMap>, name: &str| {
            // The three ConfigMaps share a kind, and each watch shows one of them.
            first(recent.over(Kind::ConfigMap, watch.all()), name)
        };
        Ok(World {
            settings: self.settings.clone(),
            exec_cluster_role: self.exec_cluster_role.clone(),
            kubernetes_version: outside.kubernetes_version,
            server_ahead: outside.server_ahead,
            withdraw_all: outside.withdraw_all,
            contests: outside.contests,
            accesses,
            unreadable,
            argocd_cm: config_map(recent, &self.argocd_cm, ARGOCD_CM),
            rbac_cm: config_map(recent, &self.rbac_cm, ARGOCD_RBAC_CM),
            params_cm: config_map(recent, &self.params_cm, ARGOCD_CMD_PARAMS_CM),
            deployments: recent.over(Kind::Deployment, self.deployments.all()),
            pods: self.pods.all(),
            services: self.services.all(),
            ingresses: recent.over(Kind::Ingress, self.ingresses.all()),
            http_routes: self.http_routes.all(),
            backend_configs: recent.over(Kind::BackendConfig, self.backend_configs.all()),
            ingress_classes: self.cluster.ingress_classes.all(),
            applications: self.cluster.applications.all(),
            projects: recent.over(Kind::AppProject, self.projects.all()),
            namespaces: self.cluster.namespaces.all(),
            role_bindings: recent.over(Kind::RoleBinding, self.role_bindings.all()),
            cluster_role_binding: first(recent.over(Kind::ClusterRoleBinding, self.cluster_role_bindings.all()), &binding_name(self.namespace())),
            argocds: recent.over(Kind::ArgoCD, self.argocds.all()),
            admission_policy: first(recent.over(Kind::ValidatingAdmissionPolicy, self.admission_policies.all()), &binding_name(self.namespace())),
            admission_binding: first(
                recent.over(Kind::ValidatingAdmissionPolicyBinding, self.admission_bindings.all()),
                &binding_name(self.namespace()),
            ),
            own_role: self.own_role.as_ref().map(|w| first(recent.over(Kind::Role, w.all()), &self.settings.in_place.role)),
            own_cluster_role: self
                .own_cluster_role
                .as_ref()
                .map(|w| first(recent.over(Kind::ClusterRole, w.all()), &self.settings.in_place.cluster_role)),
        })
    }

    fn accesses(&self, recent: &mut Recent) -> Seen<(Vec<Arc<ExecAccess>>, Vec<Unreadable>)> {
        let mut readable = Vec::new();
        let mut unreadable = Vec::new();
        for declared in self.accesses.all()? {
            match &declared.0 {
                Ok(access) => readable.push(Arc::new(access.clone())),
                Err(invalid) => unreadable.push(invalid.clone()),
            }
        }
        Ok((recent.over(Kind::ExecAccess, Ok(readable))?, unreadable))
    }
}

fn first<K: Resource<DynamicType = ()> + DeserializeOwned>(seen: Seen<Vec<Arc<K>>>, name: &str) -> Seen<Option<Arc<K>>> {
    Ok(seen?.into_iter().find(|o| o.meta().name.as_deref() == Some(name)))
}

/// Of a Pod only its labels, its ServiceAccount and its start count.
fn prune_pod(pod: &mut Pod) {
    pod.metadata.managed_fields = None;
    if let Some(spec) = &mut pod.spec {
        let service_account_name = spec.service_account_name.take();
        *spec = k8s_openapi::api::core::v1::PodSpec { service_account_name, ..Default::default() };
    }
    if let Some(status) = &mut pod.status {
        let start_time = status.start_time.take();
        *status = k8s_openapi::api::core::v1::PodStatus { start_time, ..Default::default() };
    }
}
