//! What an `ExecAccess` needs to be seen beside what is watched anyway, and the `World` that it shows.

use std::sync::Arc;

use k8s_openapi::api::admissionregistration::v1::{ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding};
use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::api::networking::v1::Ingress;
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding, Role, RoleBinding};
use kube::runtime::watcher::Config;
use kube::{Api, Client};
use tokio::sync::Notify;

use super::declarations::Declarations;
use super::{InstanceWatches, Outside, first, named};
use crate::api::{ClusterAccess, ExecAccess};
use crate::argocd::kinds::ArgoCD;
use crate::argocd::{ARGOCD_CM, ARGOCD_CMD_PARAMS_CM, ARGOCD_RBAC_CM};
use crate::cluster_io::recent::Recent;
use crate::cluster_io::watch::{Probe, Watch, whole, without_history};
use crate::config::ServerRoles;
use crate::exec::World;
use crate::exec::world::binding_name;
use crate::ingress::gateway::HTTPRoute;
use crate::ingress::gce::BackendConfig;
use crate::reconcile::{Kind, Seen};

/// The watches.
pub struct ExecWatches {
    instance: Arc<InstanceWatches>,
    exec_cluster_role: String,
    accesses: Declarations<ExecAccess>,
    clusters: Option<Declarations<ClusterAccess>>,
    rbac_cm: Watch<ConfigMap>,
    ingresses: Watch<Ingress>,
    http_routes: Watch<HTTPRoute>,
    backend_configs: Watch<BackendConfig>,
    role_bindings: Watch<RoleBinding>,
    cluster_role_bindings: Watch<ClusterRoleBinding>,
    argocds: Watch<ArgoCD>,
    admission_policies: Watch<ValidatingAdmissionPolicy>,
    admission_bindings: Watch<ValidatingAdmissionPolicyBinding>,
    own_role: Option<Watch<Role>>,
    own_cluster_role: Option<Watch<ClusterRole>>,
}

impl ExecWatches {
    /// Starts them.
    #[must_use]
    pub fn start(client: &Client, instance: Arc<InstanceWatches>, exec_cluster_role: String, touched: &Arc<Notify>) -> Self {
        let settings = &instance.settings;
        let namespace = settings.namespace.as_str();
        let told = || vec![Arc::clone(touched)];
        let in_place = settings.server_roles == ServerRoles::InPlace;
        let own = |name: &str| (in_place && !name.is_empty()).then(|| named(name));
        let binding = binding_name(namespace);
        Self {
            accesses: Declarations::start(client, Kind::ExecAccess, namespace, false, &told()),
            // Where it is not served, the chart gives no right to see it, and nothing of it is in effect.
            clusters: settings.cluster_access.enabled.then(|| Declarations::start(client, Kind::ClusterAccess, namespace, true, &told())),
            rbac_cm: Watch::start("configmaps", Api::namespaced(client.clone(), namespace), named(ARGOCD_RBAC_CM), whole, told()),
            ingresses: Watch::start("ingresses", Api::namespaced(client.clone(), namespace), Config::default(), whole, told()),
            http_routes: Watch::start_optional("httproutes", Api::namespaced(client.clone(), namespace), Config::default(), without_history, told()),
            backend_configs: Watch::start_optional("backendconfigs", Api::namespaced(client.clone(), namespace), Config::default(), whole, told()),
            role_bindings: Watch::start("rolebindings", Api::all(client.clone()), named(&binding), without_history, told()),
            cluster_role_bindings: Watch::start("clusterrolebindings", Api::all(client.clone()), named(&binding), without_history, told()),
            argocds: Watch::start_optional("argocds", Api::namespaced(client.clone(), namespace), Config::default(), whole, told()),
            admission_policies: Watch::start("validatingadmissionpolicies", Api::all(client.clone()), named(&binding), without_history, told()),
            admission_bindings: Watch::start("validatingadmissionpolicybindings", Api::all(client.clone()), named(&binding), without_history, told()),
            own_role: own(&settings.in_place.role).map(|c| Watch::start("roles", Api::namespaced(client.clone(), namespace), c, whole, told())),
            own_cluster_role: own(&settings.in_place.cluster_role).map(|c| Watch::start("clusterroles", Api::all(client.clone()), c, whole, told())),
            exec_cluster_role,
            instance,
        }
    }

    /// The namespace of the instance.
    #[must_use]
    pub fn namespace(&self) -> &str {
        self.instance.namespace()
    }

    /// The health of every watch that it looks at.
    #[must_use]
    pub fn probes(&self) -> Vec<Probe> {
        let (own, around) = (self, &self.instance);
        let all = [
            own.accesses.probe(),
            &around.argocd_cm.probe,
            &own.rbac_cm.probe,
            &around.params_cm.probe,
            &around.deployments.probe,
            &around.pods.probe,
            &around.services.probe,
            &own.ingresses.probe,
            &own.http_routes.probe,
            &own.backend_configs.probe,
            &around.projects.probe,
            &own.role_bindings.probe,
            &own.cluster_role_bindings.probe,
            &own.argocds.probe,
            &own.admission_policies.probe,
            &own.admission_bindings.probe,
        ];
        let roles = self.own_role.as_ref().map(|w| &w.probe).into_iter().chain(self.own_cluster_role.as_ref().map(|w| &w.probe));
        let clusters = self.clusters.as_ref().map(Declarations::probe);
        all.into_iter().chain(roles).chain(clusters).chain(around.cluster.probes()).cloned().collect()
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
        let (accesses, unreadable) = self.accesses.all(recent)?;
        let (around, cluster) = (&self.instance, &self.instance.cluster);
        let config_map = |recent: &mut Recent, watch: &Watch<ConfigMap>, name: &str| {
            // The three ConfigMaps share a kind, and each watch shows one of them.
            first(recent.with(Kind::ConfigMap, watch), name)
        };
        Ok(World {
            settings: around.settings.clone(),
            exec_cluster_role: self.exec_cluster_role.clone(),
            kubernetes_version: outside.kubernetes_version,
            server_ahead: outside.server_ahead,
            withdraw_all: outside.withdraw_all,
            contests: outside.contests,
            accesses,
            unreadable,
            argocd_cm: config_map(recent, &around.argocd_cm, ARGOCD_CM),
            rbac_cm: config_map(recent, &self.rbac_cm, ARGOCD_RBAC_CM),
            params_cm: config_map(recent, &around.params_cm, ARGOCD_CMD_PARAMS_CM),
            deployments: recent.with(Kind::Deployment, &around.deployments),
            pods: around.pods.all(),
            services: around.services.all(),
            ingresses: recent.with(Kind::Ingress, &self.ingresses),
            http_routes: self.http_routes.all(),
            backend_configs: recent.with(Kind::BackendConfig, &self.backend_configs),
            ingress_classes: cluster.ingress_classes.all(),
            applications: cluster.applications.all(),
            // Of these nothing is written here.
            clusters: self.clusters.as_ref().map_or_else(|| Ok(Vec::new()), |all| Ok(all.all(&mut Recent::default())?.0)),
            projects: recent.with(Kind::AppProject, &around.projects),
            namespaces: cluster.namespaces.all(),
            role_bindings: recent.with(Kind::RoleBinding, &self.role_bindings),
            cluster_role_binding: first(recent.with(Kind::ClusterRoleBinding, &self.cluster_role_bindings), &binding_name(self.namespace())),
            argocds: recent.with(Kind::ArgoCD, &self.argocds),
            admission_policy: first(recent.with(Kind::ValidatingAdmissionPolicy, &self.admission_policies), &binding_name(self.namespace())),
            admission_binding: first(recent.with(Kind::ValidatingAdmissionPolicyBinding, &self.admission_bindings), &binding_name(self.namespace())),
            own_role: self.own_role.as_ref().map(|w| first(recent.with(Kind::Role, w), &around.settings.in_place.role)),
            own_cluster_role: self
                .own_cluster_role
                .as_ref()
                .map(|w| first(recent.with(Kind::ClusterRole, w), &around.settings.in_place.cluster_role)),
        })
    }
}
