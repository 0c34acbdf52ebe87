//! What a `LiveResourceAccess` of side Agent needs to be seen beside what is watched anyway, and the `World` that it shows.

use std::sync::Arc;

use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding, Role, RoleBinding};
use kube::{Api, Client};
use tokio::sync::Notify;

use super::{LiveWatches, Outside, first, named};
use crate::api::Side;
use crate::argocd::ARGOCD_CM;
use crate::cluster_io::discover::Offer;
use crate::cluster_io::recent::Recent;
use crate::cluster_io::watch::{Probe, Watch, without_history};
use crate::live::World;
use crate::live::world::{Shipped, binding_names, role_name};
use crate::reconcile::{Kind, Seen};

/// The watches.
pub struct AgentWatches {
    live: Arc<LiveWatches>,
    shipped: Shipped,
    roles: Watch<Role>,
    role_bindings: Vec<Watch<RoleBinding>>,
    cluster_roles: Watch<ClusterRole>,
    cluster_role_bindings: Watch<ClusterRoleBinding>,
}

impl AgentWatches {
    /// Starts them.
    #[must_use]
    pub fn start(client: &Client, live: Arc<LiveWatches>, shipped: Shipped, touched: &Arc<Notify>) -> Self {
        let namespace = live.instance.namespace();
        let told = || vec![Arc::clone(touched)];
        let name = role_name(namespace);
        let bindings = |name: &String| Watch::start("rolebindings", Api::all(client.clone()), named(name), without_history, told());
        Self {
            roles: Watch::start("roles", Api::all(client.clone()), named(&name), without_history, told()),
            role_bindings: binding_names(namespace).iter().map(bindings).collect(),
            cluster_roles: Watch::start("clusterroles", Api::all(client.clone()), named(&name), without_history, told()),
            cluster_role_bindings: Watch::start("clusterrolebindings", Api::all(client.clone()), named(&name), without_history, told()),
            shipped,
            live,
        }
    }

    /// The namespace of the instance.
    #[must_use]
    pub fn namespace(&self) -> &str {
        self.live.instance.namespace()
    }

    /// The health of every watch that it looks at.
    #[must_use]
    pub fn probes(&self) -> Vec<Probe> {
        let (own, around, cluster) = (self, &self.live.instance, &self.live.instance.cluster);
        let all = [
            &around.argocd_cm.probe,
            &around.deployments.probe,
            &around.projects.probe,
            &own.roles.probe,
            &own.cluster_roles.probe,
            &own.cluster_role_bindings.probe,
            &cluster.namespaces.probe,
        ];
        let live = cluster.live.iter().flat_map(|live| [&live.applications.probe, &live.definitions.probe]);
        let more = own.live.probes().chain(own.role_bindings.iter().map(|w| &w.probe));
        all.into_iter().chain(live).chain(more).cloned().collect()
    }

    /// Whether the resource is served in this instance.
    #[must_use]
    pub fn is_enabled(&self) -> bool {
        self.live.instance.settings.live.enabled
    }

    /// The versions of the definitions that there are: what the API server offers is another thing once they change.
    #[must_use]
    pub fn definitions(&self) -> Vec<String> {
        let all = self.live.instance.cluster.live.as_ref().and_then(|live| live.definitions.all().ok()).unwrap_or_default();
        all.iter().filter_map(|definition| definition.metadata.resource_version.clone()).collect()
    }

    /// What is seen now, with our own last writes over it.
    ///
    /// # Errors
    /// When the objects themselves cannot be seen: without them every right would look withdrawn.
    pub fn world(&self, recent: &mut Recent, outside: Outside, offer: &Offer) -> Seen<World> {
        let (accesses, unreadable) = self.live.accesses(Side::Agent, recent)?;
        let (around, cluster) = (&self.live.instance, &self.live.instance.cluster);
        let name = role_name(self.namespace());
        let bindings = self.role_bindings.iter().map(Watch::all).collect::<Seen<Vec<_>>>().map(|all| all.concat());
        Ok(World {
            settings: around.settings.clone(),
            shipped: self.shipped.clone(),
            kubernetes_version: outside.kubernetes_version,
            server_ahead: outside.server_ahead,
            withdraw_all: outside.withdraw_all,
            accesses,
            unreadable,
            argocd_cm: first(recent.with(Kind::ConfigMap, &around.argocd_cm), ARGOCD_CM),
            config_maps: self.live.config_maps(recent),
            deployments: around.deployments.all(),
            applications: cluster.live.as_ref().map_or_else(|| Ok(Vec::new()), |live| live.applications.all()),
            projects: around.projects.all(),
            namespaces: cluster.namespaces.all(),
            discovery: offer.discovery.clone(),
            ceiling: offer.ceiling.clone(),
            roles: recent.with(Kind::Role, &self.roles),
            role_bindings: recent.over(Kind::RoleBinding, bindings, |uid| self.role_bindings.iter().any(|watch| watch.departed.has(uid))),
            cluster_role: first(recent.with(Kind::ClusterRole, &self.cluster_roles), &name),
            cluster_role_binding: first(recent.with(Kind::ClusterRoleBinding, &self.cluster_role_bindings), &name),
        })
    }
}
