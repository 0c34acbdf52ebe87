//! What both sides of `LiveResourceAccess` look at in one instance: the objects, and the ConfigMaps of argocd-agent. Watched once.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::core::v1::ConfigMap;
use kube::{Api, Client};

use super::declarations::Declarations;
use super::{InstanceWatches, Told, first, named};
use crate::api::{LiveResourceAccess, Side};
use crate::cluster_io::recent::Recent;
use crate::cluster_io::watch::{Probe, Watch, without_history};
use crate::live::world::ConfigMaps;
use crate::reconcile::unreadable::Unreadable;
use crate::reconcile::{Kind, Seen};

/// The watches.
pub struct LiveWatches {
    /// Those that every resource looks at.
    pub instance: Arc<InstanceWatches>,
    accesses: Declarations<LiveResourceAccess>,
    config_maps: BTreeMap<String, Watch<ConfigMap>>,
}

impl LiveWatches {
    /// Starts them. Where the resource is not enabled, no more is watched than taking everything back needs.
    #[must_use]
    pub fn start(client: &Client, instance: Arc<InstanceWatches>, told: &Told) -> Self {
        let namespace = instance.namespace();
        let config_map = |name: &String| {
            let watch = Watch::start("configmaps", Api::namespaced(client.clone(), namespace), named(name), without_history, told.clone());
            (name.clone(), watch)
        };
        let live = &instance.settings.live;
        Self {
            accesses: Declarations::start(client, Kind::LiveResourceAccess, namespace, true, told),
            config_maps: live.config_maps.iter().filter(|_| live.enabled).map(config_map).collect(),
            instance,
        }
    }

    pub(super) fn probes(&self) -> impl Iterator<Item = &Probe> {
        [self.accesses.probe()].into_iter().chain(self.config_maps.values().map(|watch| &watch.probe))
    }

    /// The objects of one side, and those of it that cannot be parsed. One whose side cannot be read either is kept by the agent's: it may
    /// hold rights.
    pub(super) fn accesses(&self, side: Side, recent: &mut Recent) -> Seen<(Vec<Arc<LiveResourceAccess>>, Vec<Unreadable>)> {
        let (mut readable, mut unreadable) = self.accesses.all(recent)?;
        readable.retain(|access| access.spec.side == side);
        unreadable.retain(|one| (one.side.as_deref() == Some(Side::Principal.as_str())) == (side == Side::Principal));
        Ok((readable, unreadable))
    }

    pub(super) fn config_maps(&self, recent: &mut Recent) -> Seen<ConfigMaps> {
        let one = |(name, watch): (&String, &Watch<ConfigMap>)| Ok((name.clone(), first(recent.with(Kind::ConfigMap, watch), name)?));
        self.config_maps.iter().map(one).collect()
    }
}
