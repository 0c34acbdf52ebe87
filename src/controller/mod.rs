//! The loops that join watches, plan, writes and reports: one for each Argo CD instance, and the HTTP server beside them.

pub mod agent;
pub mod clocks;
pub mod clusters;
pub mod exec;
pub mod health;
pub mod instance;
pub mod keeper;
pub mod principal;
pub mod round;
pub mod strays;

use std::net::SocketAddr;
use std::sync::Arc;

use futures::future::BoxFuture;
use kube::Client;
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;

use crate::cluster_io::events::{self, Events};
use crate::cluster_io::lease::{CLUSTERS_LEASE, Candidate, LEASE, Leads, LeaseError};
use crate::cluster_io::snapshot::{
    AgentWatches, ClusterWatches, ExecWatches, HubWatches, InstanceWatches, LiveWatches, PrincipalWatches, RemoteWatches,
};
use crate::config::Config;
use crate::live::world::Shipped;
use crate::metrics::Metrics;
use agent::AgentKeeper;
use clusters::Clusters;
use exec::ExecKeeper;
use health::Health;
use keeper::Keeper;
use principal::PrincipalKeeper;

/// Why the operator cannot run on.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The listening address is taken, or is none.
    #[error("listen on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The right to write was lost.
    #[error(transparent)]
    Lease(#[from] LeaseError),
    /// A loop ended although nobody asked it to.
    #[error("a loop of the operator ended: {0}")]
    Ended(String),
}

/// What a process serves. `ClusterAccess` has one of its own, with a `ServiceAccount` of its own: it is the one that may touch credentials.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Serve {
    /// `ExecAccess` and `LiveResourceAccess`.
    #[default]
    Access,
    /// `ClusterAccess`.
    Clusters,
}

impl Serve {
    /// The Lease whose holder may write what belongs to it.
    #[must_use]
    pub const fn lease(self) -> &'static str {
        match self {
            Self::Access => LEASE,
            Self::Clusters => CLUSTERS_LEASE,
        }
    }
}

/// What the operator runs with.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What it serves.
    pub serve: Serve,
    /// The configuration file.
    pub config: Config,
    /// The chart's fixed ClusterRoles.
    pub shipped: Shipped,
    /// Where `/livez`, `/readyz` and `/metrics` are served.
    pub listen: SocketAddr,
    /// The name of our Pod, for Events.
    pub pod: Option<String>,
}

/// Runs until `stop` says so.
///
/// # Errors
/// When the address cannot be listened on, or a loop ends by itself.
pub async fn run(client: Client, settings: Settings, stop: watch::Receiver<bool>) -> Result<(), RunError> {
    let address = settings.listen;
    let listener = tokio::net::TcpListener::bind(address).await.map_err(|source| RunError::Listen { address, source })?;
    let (metrics, health) = (Arc::new(Metrics::default()), Arc::new(Health::default()));
    let events = Events::start(client.clone(), "argocd-access-operator", settings.pod.clone());
    let touched: Vec<Touched> = settings.config.instances.iter().map(|_| Touched::default()).collect();
    let me = identity(settings.pod.as_deref());
    let mut candidates = Vec::new();
    for (config, touched) in settings.config.instances.iter().zip(&touched) {
        let mut candidate = Candidate::new(&client, &config.namespace, settings.serve.lease(), &me, Arc::clone(&metrics), touched.all());
        // Before anything is listed: who wins at once need not list it again.
        candidate.attempt().await?;
        candidates.push(candidate);
    }
    let all: Vec<Leads> = candidates.iter().map(Candidate::leads).collect();
    let common = Common { client: &client, events: &events, metrics: &metrics, health: &health, stop: &stop };
    let mut loops = match settings.serve {
        Serve::Access => serve_access(&common, &settings, &touched, candidates),
        Serve::Clusters => serve_clusters(&common, &settings, &touched, candidates),
    };
    let served = settings.config.instances.iter().map(|i| i.namespace.clone()).collect();
    let (strays, pages) =
        (strays::run(client.clone(), settings.serve, served, all, stop.clone()), health::serve(listener, metrics, Arc::clone(&health), stop.clone()));
    loops.spawn(async {
        strays.await;
        Ok(())
    });
    loops.spawn(async {
        pages.await;
        Ok(())
    });
    while let Some(ended) = loops.join_next().await {
        if *stop.borrow() {
            continue;
        }
        // Half an operator looks healthy and is not: end as a whole, and be started again.
        return Err(match ended {
            Ok(Err(lost)) => RunError::Lease(lost),
            Ok(Ok(())) => RunError::Ended("without an error".to_owned()),
            Err(error) => RunError::Ended(error.to_string()),
        });
    }
    // The Lease is given back by now.
    events.flush(events::AT_THE_END).await;
    Ok(())
}

/// What every loop runs with.
struct Common<'a> {
    client: &'a Client,
    events: &'a Events,
    metrics: &'a Arc<Metrics>,
    health: &'a Arc<Health>,
    stop: &'a watch::Receiver<bool>,
}

type Loops = JoinSet<Result<(), LeaseError>>;

/// The loops of `ExecAccess` and `LiveResourceAccess`.
fn serve_access(common: &Common<'_>, settings: &Settings, touched: &[Touched], candidates: Vec<Candidate>) -> Loops {
    let client = common.client;
    let cluster = Arc::new(start_cluster(client, &settings.config, touched));
    let mut loops = JoinSet::new();
    for ((config, touched), candidate) in settings.config.instances.iter().zip(touched).zip(candidates) {
        tracing::info!(instance = %config.namespace, live = config.live.enabled, "serving an Argo CD instance");
        let watches = Arc::new(InstanceWatches::start(client, config.clone(), Arc::clone(&cluster), &touched.all()));
        let exec = ExecWatches::start(client, Arc::clone(&watches), settings.shipped.exec.clone(), &touched.exec);
        let both = vec![Arc::clone(&touched.live), Arc::clone(&touched.principal)];
        let live = Arc::new(LiveWatches::start(client, watches, &both));
        let agent = AgentWatches::start(client, Arc::clone(&live), settings.shipped.clone(), &touched.live);
        let principal = PrincipalWatches::start(client, live, &touched.principal);
        let principal = PrincipalKeeper::new(principal, client, &touched.principal);
        let leads = candidate.leads();
        let rounds = vec![
            common.rounds(ExecKeeper::new(exec), &touched.exec, &leads),
            common.rounds(AgentKeeper::new(agent), &touched.live, &leads),
            common.rounds(principal, &touched.principal, &leads),
        ];
        loops.spawn(instance::run(candidate, rounds));
    }
    loops
}

/// Those of `ClusterAccess`.
fn serve_clusters(common: &Common<'_>, settings: &Settings, touched: &[Touched], candidates: Vec<Candidate>) -> Loops {
    let client = common.client;
    let told: Vec<Arc<Notify>> = touched.iter().map(|one| Arc::clone(&one.exec)).collect();
    let hub = Arc::new(HubWatches::start(client, &told));
    let mut loops = JoinSet::new();
    for ((config, touched), candidate) in settings.config.instances.iter().zip(touched).zip(candidates) {
        tracing::info!(instance = %config.namespace, clusters = config.cluster_access.clusters.len(), "serving the remote clusters of an Argo CD instance");
        let clusters = Clusters {
            client: client.clone(),
            watches: Arc::new(RemoteWatches::start(client, config.clone(), Arc::clone(&hub), &vec![Arc::clone(&touched.exec)])),
            touched: Arc::clone(&touched.exec),
            events: common.events.clone(),
            metrics: Arc::clone(common.metrics),
            health: Arc::clone(common.health),
            leads: candidate.leads(),
        };
        let stop = common.stop.clone();
        loops.spawn(instance::run(candidate, vec![alone(clusters.run(stop))]));
    }
    loops
}

/// In a task of its own, which ends with whoever waits for it.
fn alone(future: impl Future<Output = ()> + Send + 'static) -> BoxFuture<'static, ()> {
    let mut task = JoinSet::new();
    task.spawn(future);
    Box::pin(async move {
        if let Some(Err(error)) = task.join_next().await
            && let Ok(panic) = error.try_into_panic()
        {
            std::panic::resume_unwind(panic);
        }
    })
}

/// Who is told of changes of what is seen in one instance.
#[derive(Default)]
struct Touched {
    exec: Arc<Notify>,
    live: Arc<Notify>,
    principal: Arc<Notify>,
}

impl Touched {
    fn all(&self) -> Vec<Arc<Notify>> {
        vec![Arc::clone(&self.exec), Arc::clone(&self.live), Arc::clone(&self.principal)]
    }
}

fn start_cluster(client: &Client, config: &Config, touched: &[Touched]) -> ClusterWatches {
    let exec: Vec<Arc<Notify>> = touched.iter().map(|one| Arc::clone(&one.exec)).collect();
    let live = config.instances.iter().zip(touched).filter(|(instance, _)| instance.live.enabled);
    ClusterWatches::start(client, &exec, &live.map(|(_, one)| Arc::clone(&one.live)).collect::<Vec<_>>())
}

impl Common<'_> {
    /// A task of its own: whatever one resource takes, the other's withdrawals do not wait for it.
    fn rounds<K: Keeper>(&self, keeper: K, touched: &Arc<Notify>, leads: &Leads) -> BoxFuture<'static, ()> {
        self.health.serve(keeper.namespace().to_owned(), K::NAME, keeper.probes());
        let rounds = round::Rounds::new(self.client.clone(), keeper, self.events.clone(), Arc::clone(self.metrics)).led_by(leads.clone());
        alone(instance::keep(rounds, Arc::clone(touched), Arc::clone(self.health), self.stop.clone()))
    }
}

/// By what name this process is known to others that want the same Lease. A Pod has one process of ours at a time; started anew it goes on
/// with what it held.
fn identity(pod: Option<&str>) -> String {
    let started = || format!("{}-{}", std::process::id(), jiff::Timestamp::now().as_nanosecond());
    pod.map_or_else(|| format!("{}-{}", std::env::var("HOSTNAME").unwrap_or_else(|_| "host".to_owned()), started()), ToOwned::to_owned)
}
