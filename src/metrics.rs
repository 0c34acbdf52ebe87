//! The operator's metrics. Labels come from fixed sets only.

use std::collections::BTreeMap;
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

/// What one metric is. The page that lists them is made from this.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Described {
    /// Its name, without what all have in common.
    name: &'static str,
    /// Its type, as the text format calls it.
    pub kind: &'static str,
    /// What it says; without a full stop, which the text format adds.
    pub help: &'static str,
    /// Its labels, and what they hold.
    pub labels: &'static [(&'static str, &'static str)],
    /// When to look, or to be woken.
    pub watch: &'static str,
}

const PREFIX: &str = "argocd_access";
const INSTANCE: (&str, &str) = ("instance", "the namespace of the Argo CD instance");
const KIND: (&str, &str) =
    ("kind", "the resource, with its side where it has two: ExecAccess, LiveResourceAccess/Agent, LiveResourceAccess/Principal, ClusterAccess");

const WRITES: Described = Described {
    name: "writes",
    kind: "counter",
    help: "Writes to the API server, by kind of object and result",
    labels: &[
        ("object", "the kind; a status of ours has its kind with Status behind it"),
        ("result", "ok, stale (somebody wrote in between: it is planned anew), failed"),
    ],
    watch: "`failed` grows: the operator's log and the conditions say WriteFailed and why. `ok` grows without end while nothing is changed: somebody writes against it",
};
const ROUNDS: Described = Described {
    name: "rounds",
    kind: "counter",
    help: "Reconcile rounds, by outcome",
    labels: &[("outcome", "quiet (nothing left to do), unsettled (goes on at once), waiting (for a list of some kind), failed")],
    watch: "`failed` or `waiting` grows for minutes",
};
const DURATION: Described = Described {
    name: "round_duration_seconds",
    kind: "histogram",
    help: "How long a reconcile round took",
    labels: &[],
    watch: "a round takes longer than 5 s: an end may be kept later than promised",
};
const OBJECTS: Described = Described {
    name: "objects",
    kind: "gauge",
    help: "Objects of ours, by instance, kind and status of Ready",
    labels: &[INSTANCE, KIND, ("ready", "True, False, Unknown")],
    watch: "`False` for an hour, if you suspend nothing",
};
const LAST_ROUND: Described = Described {
    name: "last_round_timestamp_seconds",
    kind: "gauge",
    help: "When the last reconcile round of the resource in the instance ended",
    labels: &[INSTANCE, KIND],
    watch: "older than two minutes on the operator that leads: nothing is withdrawn any more. Wake somebody",
};
const SKEW: Described = Described {
    name: "clock_skew_seconds",
    kind: "gauge",
    help: "By how much the API server's clock is ahead of the operator's (negative: behind); NaN while it is not known",
    labels: &[],
    watch: "more than 5 in either direction: `ClockSynced` is False",
};
const WATCHES: Described = Described {
    name: "watch_healthy",
    kind: "gauge",
    help: "1 when every watch of the kind works, 0 when one fails",
    labels: &[("kind", "the kind, in the plural")],
    watch: "0 for minutes: nothing is given that depends on the kind",
};
const CONTENDED: Described = Described {
    name: "contended_fields",
    kind: "gauge",
    help: "Values that are not written for now, because somebody keeps rewriting them",
    labels: &[INSTANCE, KIND],
    watch: "not 0: the condition with the reason Contended names who",
};
const LEADER: Described = Described {
    name: "leader",
    kind: "gauge",
    help: "1 when this operator writes in the instance, 0 when it stands by",
    labels: &[INSTANCE],
    watch: "the sum over all operators is not 1 for a minute: nobody withdraws. Wake somebody",
};
const CLUSTER: (&str, &str) = ("cluster", "the cluster's name in Argo CD");
const REMOTE: Described = Described {
    name: "remote_up",
    kind: "gauge",
    help: "1 when the remote cluster of a ClusterAccess answers, 0 when it does not",
    labels: &[INSTANCE, CLUSTER],
    watch: "0 for minutes: nothing is given or taken there, and its credential is not replaced",
};
const EXPIRY: Described = Described {
    name: "credential_expiry_timestamp_seconds",
    kind: "gauge",
    help: "When the credential expires by which Argo CD comes to a remote cluster; 0 while there is none that says so",
    labels: &[INSTANCE, CLUSTER],
    watch: "less than a quarter of its life is left: it was not replaced. CredentialReady says why",
};
const BUILD: Described =
    Described { name: "build", kind: "info", help: "The version that is running", labels: &[("version", "that of the program")], watch: "" };

/// Every metric.
pub const ALL: [Described; 12] = [LEADER, LAST_ROUND, ROUNDS, DURATION, OBJECTS, WRITES, WATCHES, CONTENDED, REMOTE, EXPIRY, SKEW, BUILD];

impl Described {
    /// Its name as it is scraped; of a histogram without the endings of its parts.
    #[must_use]
    pub fn scraped(&self) -> String {
        let ending = match self.kind {
            "counter" => "_total",
            "info" => "_info",
            _ => "",
        };
        format!("{PREFIX}_{}{ending}", self.name)
    }
}

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
struct KindLabels {
    instance: String,
    kind: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ObjectLabels {
    instance: String,
    kind: &'static str,
    ready: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ClusterLabels {
    instance: String,
    /// A cluster of the configuration: as many as it lists.
    cluster: String,
}

/// What each object with rounds of its own comes to, by instance, kind and object: how many are ready, not ready and unknown, and how many
/// values are contended.
type Parts = BTreeMap<(String, &'static str, String), ([i64; 3], i64)>;

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
    last_round: Family<KindLabels, Gauge>,
    watches: Family<WatchLabels, Gauge>,
    contended: Family<KindLabels, Gauge>,
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
        let duration = Histogram::new([0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0]);
        let skew = Gauge::default();
        skew.set(f64::NAN);
        registry.register(WRITES.name, WRITES.help, writes.clone());
        registry.register(ROUNDS.name, ROUNDS.help, rounds.clone());
        registry.register(DURATION.name, DURATION.help, duration.clone());
        registry.register(OBJECTS.name, OBJECTS.help, objects.clone());
        registry.register(LAST_ROUND.name, LAST_ROUND.help, last_round.clone());
        registry.register(SKEW.name, SKEW.help, skew.clone());
        registry.register(WATCHES.name, WATCHES.help, watches.clone());
        registry.register(CONTENDED.name, CONTENDED.help, contended.clone());
        registry.register(LEADER.name, LEADER.help, leader.clone());
        registry.register(REMOTE.name, REMOTE.help, remotes.clone());
        registry.register(EXPIRY.name, EXPIRY.help, expiries.clone());
        registry.register(BUILD.name, BUILD.help, Info::new([("version", env!("CARGO_PKG_VERSION"))]));
        let (registry, parts) = (Mutex::new(registry), Mutex::default());
        Self { registry, writes, rounds, duration, objects, last_round, watches, contended, leader, remotes, expiries, parts, skew }
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
        self.last_round.get_or_create(&KindLabels { instance: instance.to_owned(), kind }).set(at.as_second());
    }

    /// Sets how many objects are ready, not ready, and unknown. `part`: the object, where each has rounds of its own; they are summed up.
    pub fn objects(&self, instance: &str, kind: &'static str, part: Option<&str>, counts: [(&'static str, i64); 3]) {
        let sums = self.sum(instance, kind, part, |known| known.0 = counts.map(|(_, count)| count));
        for (index, (ready, count)) in counts.into_iter().enumerate() {
            let count = sums.as_ref().map_or(Some(count), |(sums, _)| sums.get(index).copied()).unwrap_or(count);
            self.objects.get_or_create(&ObjectLabels { instance: instance.to_owned(), kind, ready }).set(count);
        }
    }

    /// Sets how many values somebody keeps rewriting.
    pub fn contended(&self, instance: &str, kind: &'static str, part: Option<&str>, count: usize) {
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        let sums = self.sum(instance, kind, part, |known| known.1 = count);
        self.contended.get_or_create(&KindLabels { instance: instance.to_owned(), kind }).set(sums.map_or(count, |(_, sum)| sum));
    }

    /// Notes what one part comes to, and returns what all of them do.
    fn sum(&self, instance: &str, kind: &'static str, part: Option<&str>, note: impl FnOnce(&mut ([i64; 3], i64))) -> Option<([i64; 3], i64)> {
        let mut parts = self.parts.lock().unwrap_or_else(PoisonError::into_inner);
        note(parts.entry((instance.to_owned(), kind, part?.to_owned())).or_default());
        let all = parts.iter().filter(|((of, which, _), _)| of == instance && *which == kind).map(|(_, known)| known);
        Some(all.fold(([0; 3], 0), |([a, b, c], d), ([e, f, g], h)| ([a + e, b + f, c + g], d + h)))
    }

    /// Forgets one part: its object is gone.
    pub fn forget(&self, instance: &str, kind: &'static str, part: &str) {
        self.parts.lock().unwrap_or_else(PoisonError::into_inner).remove(&(instance.to_owned(), kind, part.to_owned()));
    }

    /// Sets whether a remote cluster answers, and when the credential there expires.
    pub fn remote(&self, instance: &str, cluster: &str, up: bool, expires: Option<jiff::Timestamp>) {
        let labels = ClusterLabels { instance: instance.to_owned(), cluster: cluster.to_owned() };
        self.remotes.get_or_create(&labels).set(i64::from(up));
        self.expiries.get_or_create(&labels).set(expires.map_or(0, jiff::Timestamp::as_second));
    }

    /// Says nothing of a remote cluster any more.
    pub fn forget_remote(&self, instance: &str, cluster: &str) {
        let labels = ClusterLabels { instance: instance.to_owned(), cluster: cluster.to_owned() };
        self.remotes.remove(&labels);
        self.expiries.remove(&labels);
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
        metrics.contended("argocd", "ExecAccess", None, 2);
        let text = metrics.text();
        for line in [
            "argocd_access_writes_total{object=\"ConfigMap\",result=\"ok\"} 1",
            "argocd_access_watch_healthy{kind=\"pods\"} 0",
            "argocd_access_contended_fields{instance=\"argocd\",kind=\"ExecAccess\"} 2",
            "argocd_access_build_info{version=",
        ] {
            assert!(text.contains(line), "{line} in {text}");
        }
    }

    #[test]
    fn objects_with_rounds_of_their_own_are_counted_together() {
        let metrics = Metrics::default();
        for (part, ready) in [("a", 1), ("b", 1), ("c", 0)] {
            metrics.objects("argocd", "ClusterAccess", Some(part), [("True", ready), ("False", 1 - ready), ("Unknown", 0)]);
        }
        let shows = |line: &str| metrics.text().contains(&format!("argocd_access_objects{{instance=\"argocd\",kind=\"ClusterAccess\",{line}"));
        assert!(shows("ready=\"True\"} 2") && shows("ready=\"False\"} 1"), "{}", metrics.text());
        metrics.forget("argocd", "ClusterAccess", "a");
        metrics.objects("argocd", "ClusterAccess", Some("b"), [("True", 1), ("False", 0), ("Unknown", 0)]);
        assert!(shows("ready=\"True\"} 1"), "{}", metrics.text());
    }

    /// What is listed is what there is: names, types, and labels.
    #[test]
    fn every_metric_that_is_shown_is_described_and_every_one_that_is_described_is_shown() {
        let metrics = Metrics::default();
        metrics.written(Kind::ConfigMap, "ok");
        metrics.watch("pods", false);
        metrics.contended("argocd", "ExecAccess", None, 2);
        metrics.round("argocd", "ExecAccess", "quiet", Duration::ZERO, jiff::Timestamp::UNIX_EPOCH);
        metrics.objects("argocd", "ExecAccess", None, [("True", 1), ("False", 0), ("Unknown", 0)]);
        metrics.clock_skew(None);
        metrics.leads("argocd", true);
        metrics.remote("argocd", "prod", true, None);
        let text = metrics.text();
        let mut shown: Vec<String> = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")).map(ToOwned::to_owned).collect();
        let mut described: Vec<String> = ALL.iter().map(|metric| format!("{PREFIX}_{} {}", metric.name, metric.kind)).collect();
        shown.sort();
        described.sort();
        assert_eq!(shown, described);
        for metric in ALL {
            let first = text.lines().find(|line| line.starts_with(&metric.scraped())).unwrap_or_else(|| panic!("{} in {text}", metric.scraped()));
            let labels = first.split_once('{').map_or("", |(_, rest)| rest.split('}').next().unwrap());
            let names: Vec<&str> = labels.split(',').filter_map(|pair| pair.split_once('=')).map(|(name, _)| name).filter(|n| *n != "le").collect();
            assert_eq!(names, metric.labels.iter().map(|(name, _)| *name).collect::<Vec<_>>(), "{}", metric.scraped());
        }
    }
}
