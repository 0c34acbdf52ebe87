//! The loops that join watches, plan, writes and reports: one for each Argo CD instance, and the HTTP server beside them.

pub mod clocks;
pub mod health;
pub mod instance;
pub mod round;
pub mod strays;

use std::net::SocketAddr;
use std::sync::Arc;

use kube::Client;
use kube::runtime::events::{Recorder, Reporter};
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;

use crate::cluster_io::lease::{Candidate, Leads, LeaseError};
use crate::cluster_io::snapshot::{ClusterWatches, InstanceWatches};
use crate::config::Config;
use crate::metrics::Metrics;
use health::Health;

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

/// What the operator runs with.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The configuration file.
    pub config: Config,
    /// The chart's fixed ClusterRole.
    pub exec_cluster_role: String,
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
    let recorder = Recorder::new(client.clone(), Reporter { controller: "argocd-access-operator".to_owned(), instance: settings.pod.clone() });
    let touched: Vec<Arc<Notify>> = settings.config.instances.iter().map(|_| Arc::new(Notify::new())).collect();
    let me = identity(settings.pod.as_deref());
    let mut candidates = Vec::new();
    for (config, touched) in settings.config.instances.iter().zip(&touched) {
        let mut candidate = Candidate::new(&client, &config.namespace, &me, Arc::clone(&metrics), Arc::clone(touched));
        // Before anything is listed: who wins at once need not list it again.
        candidate.attempt().await?;
        candidates.push(candidate);
    }
    let all: Vec<Leads> = candidates.iter().map(Candidate::leads).collect();
    let cluster = Arc::new(ClusterWatches::start(&client, &touched));
    let mut loops: JoinSet<Result<(), LeaseError>> = JoinSet::new();
    for ((config, touched), candidate) in settings.config.instances.iter().zip(&touched).zip(candidates) {
        tracing::info!(instance = %config.namespace, "serving an Argo CD instance");
        let watches = InstanceWatches::start(&client, config.clone(), settings.exec_cluster_role.clone(), Arc::clone(&cluster), touched);
        health.serve(config.namespace.clone(), watches.probes());
        let round = round::Rounds::new(client.clone(), watches, recorder.clone(), Arc::clone(&metrics)).led_by(candidate.leads());
        loops.spawn(instance::run(candidate, round, Arc::clone(touched), Arc::clone(&health), stop.clone()));
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

/// By what name this process is known to others that want the same Lease. A Pod has one process of ours at a time; started anew it goes on
/// with what it held.
fn identity(pod: Option<&str>) -> String {
    let started = || format!("{}-{}", std::process::id(), jiff::Timestamp::now().as_nanosecond());
    pod.map_or_else(|| format!("{}-{}", std::env::var("HOSTNAME").unwrap_or_else(|_| "host".to_owned()), started()), ToOwned::to_owned)
}
