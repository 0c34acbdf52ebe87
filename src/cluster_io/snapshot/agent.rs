//! What a `LiveResourceAccess` of side Agent needs to be seen beside what is watched anyway, and the `World` that it shows.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding, Role, RoleBinding};
use kube::{Api, Client};
use tokio::sync::Notify;

use super::declarations::Declarations;
use super::{InstanceWatches, Outside, first, named};
use crate::api::{LiveResourceAccess, Side};
use crate::argocd::ARGOCD_CM;
use crate::cluster_io::discover::Offer;
use crate::cluster_io::recent::Recent;
use crate::cluster_io::watch::{Probe, Watch, without_managed_fields};
use crate::live::World;
use crate::live::world::{Shipped, binding_names, role_name};
use crate::reconcile::{Kind, Seen};

/// The watches.
pub struct AgentWatches {
    instance: Arc<InstanceWatches>,
    shipped: Shipped,
    accesses: Declarations<LiveResourceAccess>,
    config_maps: BTreeMap<String, Watch<ConfigMap>>,
    roles: Watch<Role>,
    role_bindings: Vec<Watch<RoleBinding>>,
    cluster_roles: Watch<ClusterRole>,
    cluster_role_bindings: Watch<ClusterRoleBinding>,
}

impl AgentWatches {
    /// Starts them. Where the resource is not enabled, no more is watched than taking everything back needs.
    #[must_use]
    pub fn start(client: &Client, instance: Arc<InstanceWatches>, shipped: Shipped, touched: &Arc<Notify>) -> Self {
        let namespace = instance.namespace();
        let told = || vec![Arc::clone(touched)];
        let name = role_name(namespace);
        let config_map = |name: &String| {
            let watch = Watch::start("configmaps", Api::namespaced(client.clone(), namespace), named(name), without_managed_fields, told());
            (name.clone(), watch)
        };
        let bindings = |name: &String| Watch::start("rolebindings", Api::all(client.clone()), named(name), without_managed_fields, told());
        let live = &instance.settings.live;
        Self {
            accesses: Declarations::start(client, Kind::LiveResourceAccess, namespace, true, &told()),
            config_maps: live.config_maps.iter().filter(|_| live.enabled).map(config_map).collect(),
            roles: Watch::start("roles", Api::all(client.clone()), named(&name), without_managed_fields, told()),
            role_bindings: binding_names(namespace).iter().map(bindings).collect(),
            cluster_roles: Watch::start("clusterroles", Api::all(client.clone()), named(&name), without_managed_fields, told()),
            cluster_role_bindings: Watch::start("clusterrolebindings", Api::all(client.clone()), named(&name), without_managed_fields, told()),
            shipped,
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
        let (own, around, cluster) = (self, &self.instance, &self.instance.cluster);
        let all = [
            own.accesses.probe(),
            &around.argocd_cm.probe,
            &around.deployments.probe,
            &around.projects.probe,
            &own.roles.probe,
            &own.cluster_roles.probe,
            &own.cluster_role_bindings.probe,
            &cluster.namespaces.probe,
        ];
        let live = cluster.live.iter().flat_map(|live| [&live.applications.probe, &live.definitions.probe]);
        let more = own.config_maps.values().map(|w| &w.probe).chain(own.role_bindings.iter().map(|w| &w.probe));
        all.into_iter().chain(live).chain(more).cloned().collect()
    }

    /// Whether the resource is served in this instance.
    #[must_use]
    pub fn is_enabled(&self) -> bool {
        self.instance.settings.live.enabled
    }

    /// The versions of the definitions that there are: what the API server offers is another thing once they change.
    #[must_use]
    pub fn definitions(&self) -> Vec<String> {
        let all = self.instance.cluster.live.as_ref().and_then(|live| live.definitions.all().ok()).unwrap_or_default();
        all.iter().filter_map(|definition| definition.metadata.resource_version.clone()).collect()
    }

    /// What is seen now, with our own last writes over it.
    ///
    /// # Errors
    /// When the objects themselves cannot be seen: without them every right would look withdrawn.
    pub fn world(&self, recent: &mut Recent, outside: Outside, offer: &Offer) -> Seen<World> {
        let (accesses, unreadable) = self.accesses.all(recent)?;
        let (around, cluster) = (&self.instance, &self.instance.cluster);
        let name = role_name(self.namespace());
        let config_map = |recent: &mut Recent, watch: &Watch<ConfigMap>, name: &str| first(recent.over(Kind::ConfigMap, watch.all()), name);
        let bindings = self.role_bindings.iter().map(Watch::all).collect::<Seen<Vec<_>>>().map(|all| all.concat());
        let config_maps = self.config_maps.iter().map(|(name, watch)| Ok((name.clone(), config_map(recent, watch, name)?))).collect();
        Ok(World {
            settings: around.settings.clone(),
            shipped: self.shipped.clone(),
            kubernetes_version: outside.kubernetes_version,
            server_ahead: outside.server_ahead,
            withdraw_all: outside.withdraw_all,
            accesses: accesses.into_iter().filter(|access| access.spec.side == Side::Agent).collect(),
            // One whose side cannot be read either is kept here: it may hold rights.
            unreadable: unreadable.into_iter().filter(|one| one.side.as_deref() != Some(Side::Principal.as_str())).collect(),
            argocd_cm: config_map(recent, &around.argocd_cm, ARGOCD_CM),
            config_maps,
            deployments: around.deployments.all(),
            applications: cluster.live.as_ref().map_or_else(|| Ok(Vec::new()), |live| live.applications.all()),
            projects: around.projects.all(),
            namespaces: cluster.namespaces.all(),
            discovery: offer.discovery.clone(),
            ceiling: offer.ceiling.clone(),
            roles: recent.over(Kind::Role, self.roles.all()),
            role_bindings: recent.over(Kind::RoleBinding, bindings),
            cluster_role: first(recent.over(Kind::ClusterRole, self.cluster_roles.all()), &name),
            cluster_role_binding: first(recent.over(Kind::ClusterRoleBinding, self.cluster_role_bindings.all()), &name),
        })
    }
}
