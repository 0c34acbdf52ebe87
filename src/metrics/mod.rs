//! The operator's metrics. Labels come from fixed sets only.

mod described;
mod labels;
mod tally;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::atomic::AtomicU64;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

use crate::api::conditions::ConditionType;
use crate::reconcile::Kind;
use described::{
    ACTIVE, APPLY, BUILD, CONDITIONS, CONTENDED, DURATION, EXPIRING, EXPIRY, LAST_ROUND, LEADER, NEXT_EXPIRY, OBJECTS, PLAN, PREFIX, REMOTE, ROUNDS,
    SKEW, WATCHES, WRITES,
};
pub use described::{ALL, Described};
use labels::{ClusterLabels, ConditionLabels, InstanceLabels, KindLabels, ObjectLabels, OutcomeLabels, ResourceLabels, WatchLabels, WriteLabels};
use tally::STATES;
pub use tally::Tally;

/// What each object with rounds of its own comes to, by instance, kind and object.
type Parts = BTreeMap<(String, &'static str, String), Tally>;

/// Histograms by resource.
type Durations = Family<ResourceLabels, Histogram, fn() -> Histogram>;

/// Every metric, with the registry that shows them.
#[derive(Debug)]
pub struct Metrics {
    registry: Mutex<Registry>,
    writes: Family<WriteLabels, Counter>,
    rounds: Family<OutcomeLabels, Counter>,
    duration: Histogram,
    plans: Durations,
    applies: Durations,
    objects: Family<ObjectLabels, Gauge>,
    last_round: Family<KindLabels, Gauge>,
    watches: Family<WatchLabels, Gauge>,
    contended: Family<KindLabels, Gauge>,
    conditions: Family<ConditionLabels, Gauge>,
    active: Family<KindLabels, Gauge>,
    expiring: Family<KindLabels, Gauge>,
    next_expiry: Family<KindLabels, Gauge>,
    leader: Family<InstanceLabels, Gauge>,
    remotes: Family<ClusterLabels, Gauge>,
    expiries: Family<ClusterLabels, Gauge>,
    parts: Mutex<Parts>,
    skew: Gauge<f64, AtomicU64>,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix(PREFIX);
        let (writes, rounds) = (Family::default(), Family::default());
        let (objects, last_round, watches, contended) = (Family::default(), Family::default(), Family::default(), Family::default());
        let (leader, remotes, expiries) = (Family::default(), Family::default(), Family::default());
        let (conditions, active, expiring, next_expiry) = (Family::default(), Family::default(), Family::default(), Family::default());
        let (plans, applies) = (Durations::new_with_constructor(seconds), Durations::new_with_constructor(seconds));
        let duration = seconds();
        let skew = Gauge::default();
        skew.set(f64::NAN);
        registry.register(WRITES.name, WRITES.help, writes.clone());
        registry.register(ROUNDS.name, ROUNDS.help, rounds.clone());
        registry.register(DURATION.name, DURATION.help, duration.clone());
        registry.register(PLAN.name, PLAN.help, plans.clone());
        registry.register(APPLY.name, APPLY.help, applies.clone());
        registry.register(OBJECTS.name, OBJECTS.help, objects.clone());
        registry.register(LAST_ROUND.name, LAST_ROUND.help, last_round.clone());
        registry.register(SKEW.name, SKEW.help, skew.clone());
        registry.register(WATCHES.name, WATCHES.help, watches.clone());
        registry.register(CONTENDED.name, CONTENDED.help, contended.clone());
        registry.register(CONDITIONS.name, CONDITIONS.help, conditions.clone());
        registry.register(ACTIVE.name, ACTIVE.help, active.clone());
        registry.register(EXPIRING.name, EXPIRING.help, expiring.clone());
        registry.register(NEXT_EXPIRY.name, NEXT_EXPIRY.help, next_expiry.clone());
        registry.register(LEADER.name, LEADER.help, leader.clone());
        registry.register(REMOTE.name, REMOTE.help, remotes.clone());
        registry.register(EXPIRY.name, EXPIRY.help, expiries.clone());
        registry.register(BUILD.name, BUILD.help, Info::new([("version", env!("CARGO_PKG_VERSION"))]));
        let (registry, parts) = (Mutex::new(registry), Mutex::default());
        Self {
            registry,
            writes,
            rounds,
            duration,
            plans,
            applies,
            objects,
            last_round,
            watches,
            contended,
            conditions,
            active,
            expiring,
            next_expiry,
            leader,
            remotes,
            expiries,
            parts,
            skew,
        }
    }
}

impl Metrics {
    /// Counts a write.
    pub fn written(&self, kind: Kind, result: &'static str) {
        let (_, object, _) = kind.names();
        self.writes.get_or_create(&WriteLabels { object, result }).inc();
    }

    /// Counts a write of a status.
    pub fn status_written(&self, kind: Kind, result: &'static str) {
        let object = match kind {
            Kind::ExecAccess => "ExecAccessStatus",
            Kind::ClusterAccess => "ClusterAccessStatus",
            _ => "LiveResourceAccessStatus",
        };
        self.writes.get_or_create(&WriteLabels { object, result }).inc();
    }

    /// Counts a round.
    pub fn round(&self, instance: &str, kind: &'static str, outcome: &'static str, took: Duration, at: jiff::Timestamp) {
        self.rounds.get_or_create(&OutcomeLabels { outcome }).inc();
        self.duration.observe(took.as_secs_f64());
        self.last_round.get_or_create(&KindLabels { argocd_namespace: instance.to_owned(), kind }).set(at.as_second());
    }

    /// Notes how long it took to make a plan.
    pub fn planned(&self, kind: &'static str, took: Duration) {
        self.plans.get_or_create(&ResourceLabels { kind }).observe(took.as_secs_f64());
    }

    /// Notes how long it took to send what a plan writes.
    pub fn applied(&self, kind: &'static str, took: Duration) {
        self.applies.get_or_create(&ResourceLabels { kind }).observe(took.as_secs_f64());
    }

    /// Sets what the objects come to. `part`: the object, where each has rounds of its own; they are summed up. `types`: the conditions that
    /// an object of the kind has.
    pub fn told(&self, instance: &str, kind: &'static str, part: Option<&str>, types: &[ConditionType], tally: &Tally, now: jiff::Timestamp) {
        let sum = self.sum(instance, kind, part, |known| *known = tally.clone().with_contended(known.contended()));
        self.show(instance, kind, types, sum.as_ref().unwrap_or(tally), now);
    }

    fn show(&self, instance: &str, kind: &'static str, types: &[ConditionType], all: &Tally, now: jiff::Timestamp) {
        let of = || KindLabels { argocd_namespace: instance.to_owned(), kind };
        for state in STATES {
            let labels = ObjectLabels { argocd_namespace: instance.to_owned(), kind, ready: state.as_str() };
            self.objects.get_or_create(&labels).set(all.count(ConditionType::Ready, state));
            for condition in types {
                let labels = ConditionLabels { argocd_namespace: instance.to_owned(), kind, condition: condition.as_str(), status: state.as_str() };
                self.conditions.get_or_create(&labels).set(all.count(*condition, state));
            }
        }
        self.active.get_or_create(&of()).set(all.active());
        self.expiring.get_or_create(&of()).set(all.expiring(now));
        match all.first_end() {
            Some(end) => drop(self.next_expiry.get_or_create(&of()).set(end.as_second())),
            // A time that nothing ends at is none.
            None => drop(self.next_expiry.remove(&of())),
        }
    }

    /// Sets how many values somebody keeps rewriting.
    pub fn contended(&self, instance: &str, kind: &'static str, part: Option<&str>, count: usize) {
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        let sum = self.sum(instance, kind, part, |known| *known = known.clone().with_contended(count));
        self.contended.get_or_create(&KindLabels { argocd_namespace: instance.to_owned(), kind }).set(sum.map_or(count, |sum| sum.contended()));
    }

    /// Notes what one part comes to, and returns what all of them do.
    fn sum(&self, instance: &str, kind: &'static str, part: Option<&str>, note: impl FnOnce(&mut Tally)) -> Option<Tally> {
        let mut parts = self.parts.lock().unwrap_or_else(PoisonError::into_inner);
        note(parts.entry((instance.to_owned(), kind, part?.to_owned())).or_default());
        Some(all_of(&parts, instance, kind))
    }

    /// Forgets one part: its object is gone.
    pub fn forget(&self, instance: &str, kind: &'static str, part: &str, types: &[ConditionType], now: jiff::Timestamp) {
        let (rest, last) = {
            let mut parts = self.parts.lock().unwrap_or_else(PoisonError::into_inner);
            parts.remove(&(instance.to_owned(), kind, part.to_owned()));
            (all_of(&parts, instance, kind), !parts.keys().any(|(of, which, _)| of == instance && *which == kind))
        };
        if last {
            // No rounds are due any more.
            self.last_round.remove(&KindLabels { argocd_namespace: instance.to_owned(), kind });
        }
        self.show(instance, kind, types, &rest, now);
        self.contended.get_or_create(&KindLabels { argocd_namespace: instance.to_owned(), kind }).set(rest.contended());
    }

    /// Sets whether a remote cluster answers, and when the credential there expires.
    pub fn remote(&self, instance: &str, cluster: &str, up: bool, expires: Option<jiff::Timestamp>) {
        let labels = ClusterLabels { argocd_namespace: instance.to_owned(), remote_cluster: cluster.to_owned() };
        self.remotes.get_or_create(&labels).set(i64::from(up));
        self.expiries.get_or_create(&labels).set(expires.map_or(0, jiff::Timestamp::as_second));
    }

    /// Says nothing of a remote cluster any more.
    pub fn forget_remote(&self, instance: &str, cluster: &str) {
        let labels = ClusterLabels { argocd_namespace: instance.to_owned(), remote_cluster: cluster.to_owned() };
        self.remotes.remove(&labels);
        self.expiries.remove(&labels);
    }

    /// Sets whether this operator is the one that writes.
    pub fn leads(&self, instance: &str, leads: bool) {
        self.leader.get_or_create(&InstanceLabels { argocd_namespace: instance.to_owned() }).set(i64::from(leads));
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

/// A histogram of durations.
fn seconds() -> Histogram {
    Histogram::new([0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0])
}

/// What the objects of one resource in one instance come to together.
fn all_of(parts: &Parts, instance: &str, kind: &'static str) -> Tally {
    parts.iter().filter(|((of, which, _), _)| of == instance && *which == kind).map(|(_, known)| known).fold(Tally::default(), Tally::and)
}
