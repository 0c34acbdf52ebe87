//! The loops that join watches, plan, writes and reports: one for each Argo CD instance, and the HTTP server beside them.

pub mod agent;
pub mod clocks;
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
use kube::runtime::events::{Recorder, Reporter};
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;

use crate::cluster_io::lease::{CLUSTERS_LEASE, Candidate, LEASE, Leads, LeaseError};
use crate::cluster_io::snapshot::{AgentWatches, ClusterWatches, ExecWatches, InstanceWatches, LiveWatches, PrincipalWatches};
use crate::config::Config;
use crate::live::world::Shipped;
use crate::metrics::Metrics;
use agent::AgentKeeper;
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
    /// What was asked for is not served.
    #[error("--serve clusters: this version of the operator does not serve ClusterAccess")]
    Unserved,
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
    if settings.serve == Serve::Clusters {
        return Err(RunError::Unserved);
    }
    let address = settings.listen;
    let listener = tokio::net::TcpListener::bind(address).await.map_err(|source| RunError::Listen { address, source })?;
    let (metrics, health) = (Arc::new(Metrics::default()), Arc::new(Health::default()));
    let recorder = Recorder::new(client.clone(), Reporter { controller: "argocd-access-operator".to_owned(), instance: settings.pod.clone() });
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
    let cluster = Arc::new(start_cluster(&client, &settings.config, &touched));
    let mut loops: JoinSet<Result<(), LeaseError>> = JoinSet::new();
    for ((config, touched), candidate) in settings.config.instances.iter().zip(&touched).zip(candidates) {
        tracing::info!(instance = %config.namespace, live = config.live.enabled, "serving an Argo CD instance");
        let watches = Arc::new(InstanceWatches::start(&client, config.clone(), Arc::clone(&cluster), &touched.all()));
        let exec = ExecWatches::start(&client, Arc::clone(&watches), settings.shipped.exec.clone(), &touched.exec);
        let both = vec![Arc::clone(&touched.live), Arc::clone(&touched.principal)];
        let live = Arc::new(LiveWatches::start(&client, watches, &both));
        let agent = AgentWatches::start(&client, Arc::clone(&live), settings.shipped.clone(), &touched.live);
        let principal = PrincipalWatches::start(&client, live, &touched.principal);
        let principal = PrincipalKeeper::new(principal, &client, &touched.principal);
        let around = Around { client: &client, recorder: &recorder, metrics: &metrics, health: &health, leads: candidate.leads(), stop: &stop };
        let rounds = vec![
            around.rounds(ExecKeeper::new(exec), &touched.exec),
            around.rounds(AgentKeeper::new(agent), &touched.live),
            around.rounds(principal, &touched.principal),
        ];
        loops.spawn(instance::run(candidate, rounds));
    }
    let served = settings.config.instances.iter().map(|i| i.namespace.clone()).collect();
    let (strays, pages) =
        (strays::run(client.clone(), served, all, stop.clone()), health::serve(listener, metrics, Arc::clone(&health), stop.clone()));
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
    Ok(())
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

/// What all rounds of an instance run with.
struct Around<'a> {
    client: &'a Client,
    recorder: &'a Recorder,
    metrics: &'a Arc<Metrics>,
    health: &'a Arc<Health>,
    leads: Leads,
    stop: &'a watch::Receiver<bool>,
}

impl Around<'_> {
    fn rounds<K: Keeper>(&self, keeper: K, touched: &Arc<Notify>) -> BoxFuture<'static, ()> {
        self.health.serve(keeper.namespace().to_owned(), K::NAME, keeper.probes());
        let rounds = round::Rounds::new(self.client.clone(), keeper, self.recorder.clone(), Arc::clone(self.metrics)).led_by(self.leads.clone());
        // A task of its own: whatever one resource takes, the other's withdrawals do not wait for it. It ends with whoever waits for it.
        let mut task = JoinSet::new();
        task.spawn(instance::keep(rounds, Arc::clone(touched), Arc::clone(self.health), self.stop.clone()));
        Box::pin(async move {
            if let Some(Err(error)) = task.join_next().await
                && let Ok(panic) = error.try_into_panic()
            {
                std::panic::resume_unwind(panic);
            }
        })
    }
}

/// By what name this process is known to others that want the same Lease. A Pod has one process of ours at a time; started anew it goes on
/// with what it held.
fn identity(pod: Option<&str>) -> String {
    let started = || format!("{}-{}", std::process::id(), jiff::Timestamp::now().as_nanosecond());
    pod.map_or_else(|| format!("{}-{}", std::env::var("HOSTNAME").unwrap_or_else(|_| "host".to_owned()), started()), ToOwned::to_owned)
}
