//! The operator's metrics. Labels come from fixed sets only.

use std::sync::atomic::AtomicU64;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

use crate::reconcile::Kind;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct WriteLabels {
    object: &'static str,
    result: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabels {
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct InstanceLabels {
    /// A namespace of the configuration: as many as it lists.
    instance: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ObjectLabels {
    instance: String,
    ready: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct WatchLabels {
    kind: &'static str,
}

/// Every metric, with the registry that shows them.
#[derive(Debug)]
pub struct Metrics {
    registry: Mutex<Registry>,
    writes: Family<WriteLabels, Counter>,
    rounds: Family<OutcomeLabels, Counter>,
    duration: Histogram,
    objects: Family<ObjectLabels, Gauge>,
    last_round: Family<InstanceLabels, Gauge>,
    watches: Family<WatchLabels, Gauge>,
    contended: Family<InstanceLabels, Gauge>,
    leader: Family<InstanceLabels, Gauge>,
    skew: Gauge<f64, AtomicU64>,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("argocd_access");
        let (writes, rounds) = (Family::default(), Family::default());
        let (objects, last_round, watches, contended) = (Family::default(), Family::default(), Family::default(), Family::default());
        let duration = Histogram::new([0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0]);
        registry.register("writes", "Writes to the API server, by kind of object and result", writes.clone());
        registry.register("rounds", "Reconcile rounds, by outcome", rounds.clone());
        registry.register("round_duration_seconds", "How long a reconcile round took", duration.clone());
        registry.register("objects", "ExecAccess objects, by instance and status of Ready", objects.clone());
        registry.register("last_round_timestamp_seconds", "When the last reconcile round of the instance ended", last_round.clone());
        let skew = Gauge::default();
        skew.set(f64::NAN);
        registry.register(
            "clock_skew_seconds",
            "By how much the API server's clock is ahead of the operator's (negative: behind); NaN while it is not known",
            skew.clone(),
        );
        registry.register("watch_healthy", "1 when every watch of the kind works, 0 when one fails", watches.clone());
        registry.register("contended_fields", "Values that are not written for now, because somebody keeps rewriting them", contended.clone());
        let leader = Family::default();
        registry.register("leader", "1 when this operator writes in the instance, 0 when it stands by", leader.clone());
        registry.register("build", "The version that is running", Info::new([("version", env!("CARGO_PKG_VERSION"))]));
        Self { registry: Mutex::new(registry), writes, rounds, duration, objects, last_round, watches, contended, leader, skew }
    }
}

impl Metrics {
    /// Counts a write.
    pub fn written(&self, kind: Kind, result: &'static str) {
        let (_, object, _) = kind.names();
        self.writes.get_or_create(&WriteLabels { object, result }).inc();
    }

    /// Counts a write of a status.
    pub fn status_written(&self, result: &'static str) {
        self.writes.get_or_create(&WriteLabels { object: "ExecAccessStatus", result }).inc();
    }

    /// Counts a round.
    pub fn round(&self, instance: &str, outcome: &'static str, took: Duration, at: jiff::Timestamp) {
        self.rounds.get_or_create(&OutcomeLabels { outcome }).inc();
        self.duration.observe(took.as_secs_f64());
        self.last_round.get_or_create(&InstanceLabels { instance: instance.to_owned() }).set(at.as_second());
    }

    /// Sets how many objects are ready, not ready, and unknown.
    pub fn objects(&self, instance: &str, counts: [(&'static str, i64); 3]) {
        for (ready, count) in counts {
            self.objects.get_or_create(&ObjectLabels { instance: instance.to_owned(), ready }).set(count);
        }
    }

    /// Sets how many values somebody keeps rewriting.
    pub fn contended(&self, instance: &str, count: usize) {
        self.contended.get_or_create(&InstanceLabels { instance: instance.to_owned() }).set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// Sets whether this operator is the one that writes.
    pub fn leads(&self, instance: &str, leads: bool) {
        self.leader.get_or_create(&InstanceLabels { instance: instance.to_owned() }).set(i64::from(leads));
    }

    /// Sets whether a watch works.
    pub fn watch(&self, kind: &'static str, healthy: bool) {
        self.watches.get_or_create(&WatchLabels { kind }).set(i64::from(healthy));
    }

    /// Sets how far the API server's clock is ahead.
    pub fn clock_skew(&self, ahead: Option<jiff::SignedDuration>) {
        self.skew.set(ahead.map_or(f64::NAN, |ahead| ahead.as_secs_f64()));
    }

    /// All of them as text, in the OpenMetrics format.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        let registry = self.registry.lock().unwrap_or_else(PoisonError::into_inner);
        // Writing into a String does not fail.
        let _ = encode(&mut text, &registry);
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_is_shown_with_its_prefix_and_unit() {
        let metrics = Metrics::default();
        metrics.written(Kind::ConfigMap, "ok");
        metrics.watch("pods", false);
        metrics.contended("argocd", 2);
        let text = metrics.text();
        for line in [
            "argocd_access_writes_total{object=\"ConfigMap\",result=\"ok\"} 1",
            "argocd_access_watch_healthy{kind=\"pods\"} 0",
            "argocd_access_contended_fields{instance=\"argocd\"} 2",
            "argocd_access_build_info{version=",
        ] {
            assert!(text.contains(line), "{line} in {text}");
        }
    }
}
