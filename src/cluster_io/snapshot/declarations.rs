//! The objects of a resource of ours in one instance, those among them that cannot be parsed apart.

use std::sync::Arc;

use kube::Client;
use kube::runtime::watcher::Config;

use super::Told;
use crate::cluster_io::apply;
use crate::cluster_io::declared::Declared;
use crate::cluster_io::parsed::Watched;
use crate::cluster_io::recent::Recent;
use crate::cluster_io::watch::{Probe, Watch};
use crate::ownership::owner::forget_applied;
use crate::reconcile::audit;
use crate::reconcile::told;
use crate::reconcile::unreadable::Unreadable;
use crate::reconcile::{Kind, Seen};

/// The kinds without which nothing can be done.
pub const DECLARATIONS: [&str; 3] = [Kind::ExecAccess.names().2, Kind::LiveResourceAccess.names().2, Kind::ClusterAccess.names().2];

/// Of what tells who has set what, which is several times the object itself, only what the audit trail tells is kept.
fn pruned(object: &mut impl Watched) {
    audit::keep_writers(object.metadata_mut());
    forget_applied(object.metadata_mut());
}

/// The watch of them.
pub struct Declarations<K: told::Told<Status: serde::de::DeserializeOwned> + apply::Declared + Send + Sync + 'static> {
    kind: Kind,
    watch: Watch<Declared<K>>,
}

impl<K> Declarations<K>
where
    K: told::Told<Status: serde::de::DeserializeOwned> + apply::Declared + Send + Sync + 'static,
{
    /// Starts it. A definition that is missing is a failure, unless it is one that an older chart did not install.
    pub fn start(client: &Client, kind: Kind, namespace: &str, optional: bool, told: &Told) -> Self {
        let api = kube::Api::namespaced(client.clone(), namespace);
        let start = if optional { Watch::start_optional } else { Watch::start };
        Self { kind, watch: start(kind.names().2, api, Config::default(), pruned, told.clone()) }
    }

    /// How it is doing.
    pub fn probe(&self) -> &Probe {
        &self.watch.probe
    }

    /// The objects, and those that cannot be parsed.
    ///
    /// # Errors
    /// When they cannot be seen.
    pub fn all(&self, recent: &mut Recent) -> Seen<(Vec<Arc<K>>, Vec<Unreadable>)> {
        let (mut readable, mut unreadable) = (Vec::new(), Vec::new());
        for declared in self.watch.all()? {
            match &declared.0 {
                Ok(object) => readable.push(Arc::clone(object)),
                Err(invalid) => unreadable.push(Unreadable::clone(invalid)),
            }
        }
        Ok((recent.over(self.kind, Ok(readable), |uid| self.watch.departed.has(uid))?, unreadable))
    }
}
