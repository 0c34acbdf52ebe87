//! `/livez`, `/readyz` and `/metrics`.
//!
//! Ready: the ExecAccess objects are listed, every other kind is listed or known to be refused, and a first round is done. Alive: rounds go on, and no watch has been stuck for
//! minutes for a reason that a restart may mend. A refused kind is no such reason: a restart does not change the operator's rights.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::cluster_io::snapshot::DECLARATIONS;
use crate::cluster_io::watch::Probe;
use crate::metrics::Metrics;

/// A watch that fails for longer than this is taken for stuck.
const STUCK: Duration = Duration::from_secs(600);
/// The loop makes a round at least every 15 s; one that has made none for so long hangs.
const SILENT: Duration = Duration::from_secs(300);

/// So long may an answer take that is under way when we end: a client that never finishes its request must not hold us up.
const LAST_ANSWERS: Duration = Duration::from_millis(500);

/// How the loops are doing.
#[derive(Debug, Default)]
pub struct Health {
    /// By the namespace of the instance and the name of the rounds.
    instances: Mutex<BTreeMap<(String, String), Instance>>,
}

#[derive(Debug)]
struct Instance {
    probes: Vec<Probe>,
    first_round: bool,
    /// Of one object alone: what it waits for keeps nobody else from being served.
    part: bool,
    last: Instant,
}

impl Health {
    /// Begins to look after the rounds of an instance.
    pub fn serve(&self, namespace: String, rounds: &str, probes: Vec<Probe>) {
        let instance = Instance { probes, first_round: false, part: false, last: Instant::now() };
        self.instances.lock().unwrap_or_else(PoisonError::into_inner).insert((namespace, rounds.to_owned()), instance);
    }

    /// Begins to look after the rounds of one object.
    pub fn serve_part(&self, namespace: String, rounds: String) {
        let instance = Instance { probes: Vec::new(), first_round: false, part: true, last: Instant::now() };
        self.instances.lock().unwrap_or_else(PoisonError::into_inner).insert((namespace, rounds), instance);
    }

    /// Looks after them no more.
    pub fn forget(&self, namespace: &str, rounds: &str) {
        self.instances.lock().unwrap_or_else(PoisonError::into_inner).remove(&(namespace.to_owned(), rounds.to_owned()));
    }

    /// Notes a sign of life; `whole` when the round saw everything.
    pub fn round(&self, namespace: &str, rounds: &str, whole: bool) {
        if let Some(instance) = self.instances.lock().unwrap_or_else(PoisonError::into_inner).get_mut(&(namespace.to_owned(), rounds.to_owned())) {
            instance.last = Instant::now();
            instance.first_round |= whole;
        }
    }

    /// What is not ready.
    #[must_use]
    pub fn not_ready(&self) -> Vec<String> {
        let instances = self.instances.lock().unwrap_or_else(PoisonError::into_inner);
        let mut missing = Vec::new();
        for ((namespace, rounds), instance) in instances.iter() {
            let unsettled =
                instance.probes.iter().filter(|p| !p.health().settled()).map(|p| format!("{namespace}: {} not listed yet ({rounds})", p.kind));
            missing.extend(unsettled);
            // Any other kind may be refused; without the declarations themselves there is nothing that could be done.
            for probe in instance.probes.iter().filter(|p| DECLARATIONS.contains(&p.kind)) {
                missing.extend(probe.health().refusal().map(|why| format!("{namespace}: {} cannot be read: {why}", probe.kind)));
            }
            if !instance.first_round && !instance.part {
                missing.push(format!("{namespace}: no complete round of {rounds} yet"));
            }
        }
        missing
    }

    /// What is stuck.
    #[must_use]
    pub fn stuck(&self) -> Vec<String> {
        let instances = self.instances.lock().unwrap_or_else(PoisonError::into_inner);
        let mut stuck = Vec::new();
        for ((namespace, rounds), instance) in instances.iter() {
            let watches = instance.probes.iter().filter(|p| p.health().stuck_for().is_some_and(|t| t > STUCK));
            stuck.extend(watches.map(|p| format!("{namespace}: the watch of {} has been failing for minutes ({rounds})", p.kind)));
            if instance.last.elapsed() > SILENT {
                stuck.push(format!("{namespace}: no round of {rounds} for {} s", instance.last.elapsed().as_secs()));
            }
        }
        stuck
    }

    fn probes(&self) -> Vec<Probe> {
        self.instances.lock().unwrap_or_else(PoisonError::into_inner).values().flat_map(|i| i.probes.iter().cloned()).collect()
    }
}

type Shared = (Arc<Metrics>, Arc<Health>);

/// Serves until `stop` says so.
pub async fn serve(listener: TcpListener, metrics: Arc<Metrics>, health: Arc<Health>, mut stop: watch::Receiver<bool>) {
    let app = Router::new().route("/livez", get(live)).route("/readyz", get(ready)).route("/metrics", get(show)).with_state((metrics, health));
    let mut late = stop.clone();
    let stopped = async move {
        // An error means that nobody can ask us to stop any more, which is the end as well.
        let _ = stop.wait_for(|stop| *stop).await;
    };
    let overdue = async move {
        let _ = late.wait_for(|stop| *stop).await;
        tokio::time::sleep(LAST_ANSWERS).await;
    };
    tokio::select! {
        served = axum::serve(listener, app).with_graceful_shutdown(stopped).into_future() => if let Err(error) = served {
            tracing::error!(%error, "the HTTP server ended");
        },
        () = overdue => tracing::debug!("a client did not finish its request; the HTTP server ends without it"),
    }
}

fn answer(problems: &[String]) -> (StatusCode, String) {
    if problems.is_empty() { (StatusCode::OK, "ok\n".to_owned()) } else { (StatusCode::SERVICE_UNAVAILABLE, format!("{}\n", problems.join("\n"))) }
}

async fn live(State((_, health)): State<Shared>) -> impl IntoResponse {
    answer(&health.stuck())
}

async fn ready(State((_, health)): State<Shared>) -> impl IntoResponse {
    answer(&health.not_ready())
}

async fn show(State((metrics, health)): State<Shared>) -> impl IntoResponse {
    // Several watches may be of one kind, of one instance or of several: it is healthy when all of them are.
    let mut healthy: BTreeMap<&'static str, bool> = BTreeMap::new();
    for probe in health.probes() {
        let health = probe.health();
        *healthy.entry(probe.kind).or_insert(true) &= health.settled() && health.failing_for().is_none();
    }
    for (kind, healthy) in healthy {
        metrics.watch(kind, healthy);
    }
    ([(header::CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], metrics.text())
}
