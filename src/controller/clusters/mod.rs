//! `ClusterAccess` in one instance: a loop for each object, begun when it comes and ended when it is gone.

pub mod keeper;
pub mod known;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use kube::Client;
use tokio::sync::{Notify, watch};
use tokio::task::{AbortHandle, JoinSet};

use super::health::Health;
use super::instance;
use super::round::Rounds;
use crate::api::ConditionType;
use crate::cluster_io::events::Events;
use crate::cluster_io::lease::Leads;
use crate::cluster_io::recent::Recent;
use crate::cluster_io::snapshot::RemoteWatches;
use crate::metrics::Metrics;
use keeper::ClusterKeeper;

/// Changes within this time are told to the loops together: each of them looks at the whole instance.
const TOGETHER: Duration = Duration::from_millis(300);
/// So often it is looked at who is there, whatever is told.
const AGAIN: Duration = Duration::from_secs(15);
/// Until everything is listed it is looked this often.
const LISTING: Duration = Duration::from_millis(100);

/// The name under which the loops are known together.
pub const NAME: &str = "ClusterAccess";

/// What the loops of an instance run with.
pub struct Clusters {
    /// The hub.
    pub client: Client,
    /// What is watched there.
    pub watches: Arc<RemoteWatches>,
    /// Told of every change of that.
    pub touched: Arc<Notify>,
    /// For Events.
    pub events: Events,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// How the loops are doing.
    pub health: Arc<Health>,
    /// Whether this process may write.
    pub leads: Leads,
}

/// One loop.
struct Loop {
    /// The cluster's name in Argo CD.
    cluster: Option<String>,
    touched: Arc<Notify>,
    task: AbortHandle,
}

impl Clusters {
    /// The rounds of one object.
    fn rounds(&self, name: &str) -> Rounds<ClusterKeeper> {
        let keeper = ClusterKeeper::new(Arc::clone(&self.watches), name, &self.client, Arc::clone(&self.metrics));
        Rounds::new(self.client.clone(), keeper, self.events.clone(), Arc::clone(&self.metrics)).led_by(self.leads.clone())
    }

    /// The cluster's name in Argo CD of one object, which it keeps.
    fn cluster(&self, name: &str) -> Option<String> {
        let (all, _) = self.watches.declared(&mut Recent::default()).ok()?;
        all.iter().find(|access| access.metadata.name.as_deref() == Some(name)).map(|access| access.cluster().to_owned())
    }

    /// The names of the objects that are there.
    fn names(&self) -> Option<BTreeSet<String>> {
        let (all, unreadable) = self.watches.declared(&mut Recent::default()).ok()?;
        let names = all.iter().map(|access| &access.metadata).chain(unreadable.iter().map(|one| &one.metadata));
        Some(names.filter_map(|meta| meta.name.clone()).collect())
    }

    /// Runs until `stop` says so, and then until every loop has ended.
    ///
    /// # Panics
    /// When a loop did: half an operator looks healthy and is not.
    pub async fn run(self, mut stop: watch::Receiver<bool>) {
        let namespace = self.watches.namespace().to_owned();
        self.health.serve(namespace.clone(), NAME, self.watches.probes());
        let (mut loops, mut tasks) = (BTreeMap::<String, Loop>::new(), JoinSet::new());
        while !*stop.borrow() {
            let settled = self.watches.settled();
            self.health.round(&namespace, NAME, settled);
            if let Some(names) = self.names().filter(|_| settled) {
                loops.retain(|name, one| {
                    let stays = names.contains(name);
                    if !stays {
                        one.task.abort();
                        self.health.forget(&namespace, &part(name));
                        self.metrics.forget(&namespace, NAME, name, &ConditionType::CLUSTER, jiff::Timestamp::now());
                        one.cluster.iter().for_each(|cluster| self.metrics.forget_remote(&namespace, cluster));
                    }
                    stays
                });
                for name in names {
                    loops.entry(name.clone()).or_insert_with(|| {
                        let touched = Arc::new(Notify::new());
                        self.health.serve_part(namespace.clone(), part(&name));
                        let keep = instance::keep(self.rounds(&name), Arc::clone(&touched), Arc::clone(&self.health), stop.clone());
                        Loop { cluster: self.cluster(&name), touched, task: tasks.spawn(keep) }
                    });
                }
                for one in loops.values() {
                    one.touched.notify_one();
                }
            }
            let pause = if settled { AGAIN } else { LISTING };
            tokio::select! {
                () = async { self.touched.notified().await; tokio::time::sleep(TOGETHER).await } => {}
                () = tokio::time::sleep(pause) => {}
                Some(ended) = tasks.join_next() => panicked(ended),
                changed = stop.changed() => if changed.is_err() { break },
            }
        }
        while let Some(ended) = tasks.join_next().await {
            panicked(ended);
        }
    }
}

/// The objects that are there now, each with what keeps it: for a command that a person gives. `None`: they could not be seen in time.
pub async fn all(client: &Client, watches: &Arc<RemoteWatches>, until: Instant) -> Option<Vec<ClusterKeeper>> {
    while !watches.settled() && Instant::now() < until {
        tokio::time::sleep(LISTING).await;
    }
    let (readable, unreadable) = watches.declared(&mut Recent::default()).ok()?;
    let names =
        readable.iter().map(|access| &access.metadata).chain(unreadable.iter().map(|one| &one.metadata)).filter_map(|meta| meta.name.as_deref());
    let metrics = Arc::new(Metrics::default());
    Some(names.map(|name| ClusterKeeper::new(Arc::clone(watches), name, client, Arc::clone(&metrics))).collect())
}

/// How the loop of one object is called.
#[must_use]
pub fn part(name: &str) -> String {
    format!("{NAME}/{name}")
}

fn panicked(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended
        && let Ok(panic) = error.try_into_panic()
    {
        std::panic::resume_unwind(panic);
    }
}
