//! What a `LiveResourceAccess` of side Principal needs to be seen beside what is watched anyway, and the `World` that it shows.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{ConfigMap, Service};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use kube::runtime::watcher::Config;
use kube::{Api, Client};
use tokio::sync::Notify;

use super::declarations::Declarations;
use super::{InstanceWatches, Outside, first, named};
use crate::api::{LiveResourceAccess, Side};
use crate::argocd::{ARGOCD_CM, ARGOCD_CMD_PARAMS_CM};
use crate::cluster_io::recent::Recent;
use crate::cluster_io::watch::{Probe, Watch, whole, without_managed_fields};
use crate::live::principal::{World, access};
use crate::reconcile::{Kind, Seen};

/// The watches.
pub struct PrincipalWatches {
    instance: Arc<InstanceWatches>,
    accesses: Declarations<LiveResourceAccess>,
    config_maps: BTreeMap<String, Watch<ConfigMap>>,
    stateful_sets: Option<Watch<StatefulSet>>,
    network_policies: Watch<NetworkPolicy>,
}

impl PrincipalWatches {
    /// Starts them. Where the resource is not enabled, no more is watched than taking everything back needs.
    #[must_use]
    pub fn start(client: &Client, instance: Arc<InstanceWatches>, touched: &Arc<Notify>) -> Self {
        let namespace = instance.namespace();
        let told = || vec![Arc::clone(touched)];
        let config_map = |name: &String| {
            let watch = Watch::start("configmaps", Api::namespaced(client.clone(), namespace), named(name), without_managed_fields, told());
            (name.clone(), watch)
        };
        let live = &instance.settings.live;
        let policies = if live.enabled { Config::default() } else { named(access::NAME) };
        let sets = || Watch::start("statefulsets", Api::namespaced(client.clone(), namespace), Config::default(), without_managed_fields, told());
        Self {
            accesses: Declarations::start(client, Kind::LiveResourceAccess, namespace, true, &told()),
            config_maps: live.config_maps.iter().filter(|_| live.enabled).map(config_map).collect(),
            stateful_sets: live.enabled.then(sets),
            network_policies: Watch::start("networkpolicies", Api::namespaced(client.clone(), namespace), policies, whole, told()),
            instance,
        }
    }

    /// The namespace of the instance.
    #[must_use]
    pub fn namespace(&self) -> &str {
        self.instance.namespace()
    }

    /// The Services of it.
    #[must_use]
    pub fn services(&self) -> Vec<Arc<Service>> {
        self.instance.services.all().unwrap_or_default()
    }

    /// The health of every watch that it looks at.
    #[must_use]
    pub fn probes(&self) -> Vec<Probe> {
        let (own, around, cluster) = (self, &self.instance, &self.instance.cluster);
        let all = [
            own.accesses.probe(),
            &own.network_policies.probe,
            &around.argocd_cm.probe,
            &around.params_cm.probe,
            &around.deployments.probe,
            &around.pods.probe,
            &around.services.probe,
            &cluster.namespaces.probe,
            &cluster.applications.probe,
        ];
        let more = own.config_maps.values().map(|w| &w.probe).chain(own.stateful_sets.iter().map(|w| &w.probe));
        all.into_iter().chain(more).cloned().collect()
    }

    /// What is seen now, with our own last writes over it.
    ///
    /// # Errors
    /// When the objects themselves cannot be seen: without them everything would look withdrawn.
    pub fn world(&self, recent: &mut Recent, outside: Outside) -> Seen<World> {
        let (accesses, unreadable) = self.accesses.all(recent)?;
        let (around, cluster) = (&self.instance, &self.instance.cluster);
        let config_map = |recent: &mut Recent, watch: &Watch<ConfigMap>, name: &str| first(recent.over(Kind::ConfigMap, watch.all()), name);
        let config_maps = self.config_maps.iter().map(|(name, watch)| Ok((name.clone(), config_map(recent, watch, name)?))).collect();
        Ok(World {
            settings: around.settings.clone(),
            kubernetes_version: outside.kubernetes_version,
            server_ahead: outside.server_ahead,
            withdraw_all: outside.withdraw_all,
            contests: outside.contests,
            accesses: accesses.into_iter().filter(|access| access.spec.side == Side::Principal).collect(),
            unreadable: unreadable.into_iter().filter(|one| one.side.as_deref() == Some(Side::Principal.as_str())).collect(),
            argocd_cm: config_map(recent, &around.argocd_cm, ARGOCD_CM),
            params_cm: config_map(recent, &around.params_cm, ARGOCD_CMD_PARAMS_CM),
            config_maps,
            deployments: recent.over(Kind::Deployment, around.deployments.all()),
            stateful_sets: self.stateful_sets.as_ref().map_or_else(|| Ok(Vec::new()), Watch::all),
            services: around.services.all(),
            pods: around.pods.all(),
            network_policies: recent.over(Kind::NetworkPolicy, self.network_policies.all()),
            applications: cluster.applications.all(),
            namespaces: cluster.namespaces.all(),
        })
    }
}
