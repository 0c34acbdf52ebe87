//! What a `LiveResourceAccess` of side Principal needs to be seen beside what is watched anyway, and the `World` that it shows.

use std::sync::Arc;

use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{ConfigMap, Service};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use kube::runtime::watcher::Config;
use kube::{Api, Client};
use tokio::sync::Notify;

use super::{LiveWatches, Outside, first, named};
use crate::api::Side;
use crate::argocd::{ARGOCD_CM, ARGOCD_CMD_PARAMS_CM};
use crate::cluster_io::recent::Recent;
use crate::cluster_io::watch::{Probe, Watch, whole, without_history};
use crate::live::principal::{World, access};
use crate::reconcile::{Kind, Seen};

/// The watches.
pub struct PrincipalWatches {
    live: Arc<LiveWatches>,
    stateful_sets: Option<Watch<StatefulSet>>,
    network_policies: Watch<NetworkPolicy>,
}

impl PrincipalWatches {
    /// Starts them. Where the resource is not enabled, no more is watched than taking everything back needs.
    #[must_use]
    pub fn start(client: &Client, live: Arc<LiveWatches>, touched: &Arc<Notify>) -> Self {
        let namespace = live.instance.namespace();
        let told = || vec![Arc::clone(touched)];
        let enabled = live.instance.settings.live.enabled;
        let policies = if enabled { Config::default() } else { named(access::NAME) };
        let sets = || Watch::start("statefulsets", Api::namespaced(client.clone(), namespace), Config::default(), without_history, told());
        Self {
            stateful_sets: enabled.then(sets),
            network_policies: Watch::start("networkpolicies", Api::namespaced(client.clone(), namespace), policies, whole, told()),
            live,
        }
    }

    /// The namespace of the instance.
    #[must_use]
    pub fn namespace(&self) -> &str {
        self.live.instance.namespace()
    }

    /// The Services of it.
    #[must_use]
    pub fn services(&self) -> Vec<Arc<Service>> {
        self.live.instance.services.all().unwrap_or_default()
    }

    /// The health of every watch that it looks at.
    #[must_use]
    pub fn probes(&self) -> Vec<Probe> {
        let (own, around, cluster) = (self, &self.live.instance, &self.live.instance.cluster);
        let all = [
            &own.network_policies.probe,
            &around.argocd_cm.probe,
            &around.params_cm.probe,
            &around.deployments.probe,
            &around.pods.probe,
            &around.services.probe,
            &cluster.namespaces.probe,
            &cluster.applications.probe,
        ];
        let more = own.live.probes().chain(own.stateful_sets.iter().map(|w| &w.probe));
        all.into_iter().chain(more).cloned().collect()
    }

    /// What is seen now, with our own last writes over it.
    ///
    /// # Errors
    /// When the objects themselves cannot be seen: without them everything would look withdrawn.
    pub fn world(&self, recent: &mut Recent, outside: Outside) -> Seen<World> {
        let (accesses, unreadable) = self.live.accesses(Side::Principal, recent)?;
        let (around, cluster) = (&self.live.instance, &self.live.instance.cluster);
        let config_map = |recent: &mut Recent, watch: &Watch<ConfigMap>, name: &str| first(recent.with(Kind::ConfigMap, watch), name);
        Ok(World {
            settings: around.settings.clone(),
            kubernetes_version: outside.kubernetes_version,
            server_ahead: outside.server_ahead,
            withdraw_all: outside.withdraw_all,
            contests: outside.contests,
            accesses,
            unreadable,
            argocd_cm: config_map(recent, &around.argocd_cm, ARGOCD_CM),
            params_cm: config_map(recent, &around.params_cm, ARGOCD_CMD_PARAMS_CM),
            config_maps: self.live.config_maps(recent),
            deployments: recent.with(Kind::Deployment, &around.deployments),
            stateful_sets: self.stateful_sets.as_ref().map_or_else(|| Ok(Vec::new()), Watch::all),
            services: around.services.all(),
            pods: around.pods.all(),
            network_policies: recent.with(Kind::NetworkPolicy, &self.network_policies),
            applications: cluster.applications.all(),
            namespaces: cluster.namespaces.all(),
        })
    }
}
