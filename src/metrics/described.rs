//! What each metric is: the page that lists them is made from this.

/// What one metric is. The page that lists them is made from this.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Described {
    /// Its name, without what all have in common.
    pub(super) name: &'static str,
    /// Its type, as the text format calls it.
    pub kind: &'static str,
    /// What it says; without a full stop, which the text format adds.
    pub help: &'static str,
    /// Its labels, and what they hold.
    pub labels: &'static [(&'static str, &'static str)],
    /// When to look, or to be woken.
    pub watch: &'static str,
}

pub(super) const PREFIX: &str = "argocd_access";
pub(super) const INSTANCE: (&str, &str) = ("argocd_namespace", "the namespace of the Argo CD instance");
pub(super) const KIND: (&str, &str) =
    ("kind", "the resource, with its side where it has two: ExecAccess, LiveResourceAccess/Agent, LiveResourceAccess/Principal, ClusterAccess");

pub(super) const WRITES: Described = Described {
    name: "writes",
    kind: "counter",
    help: "Writes to the API server, by kind of object and result",
    labels: &[
        ("object", "the kind; a status of ours has its kind with Status behind it"),
        ("result", "ok, stale (somebody wrote in between: it is planned anew), failed"),
    ],
    watch: "`failed` grows: the operator's log and the conditions say WriteFailed and why. `ok` grows without end while nothing is changed: somebody writes against it",
};
pub(super) const ROUNDS: Described = Described {
    name: "rounds",
    kind: "counter",
    help: "Reconcile rounds, by outcome",
    labels: &[("outcome", "quiet (nothing left to do), unsettled (goes on at once), waiting (for a list of some kind), failed")],
    watch: "`failed` or `waiting` grows for minutes",
};
pub(super) const DURATION: Described = Described {
    name: "round_duration_seconds",
    kind: "histogram",
    help: "How long a reconcile round took",
    labels: &[],
    watch: "a round takes longer than 5 s: an end may be kept later than promised",
};
pub(super) const PLAN: Described = Described {
    name: "plan_duration_seconds",
    kind: "histogram",
    help: "How long it took to make the plan of one step of a round, by resource; nothing is sent meanwhile",
    labels: &[KIND],
    watch: "more than 1 s: there is more declared, or more of the cluster to look at, than one round should take",
};
pub(super) const APPLY: Described = Described {
    name: "apply_duration_seconds",
    kind: "histogram",
    help: "How long it took to send what a plan writes, by resource; a plan that writes nothing is not counted",
    labels: &[KIND],
    watch: "more than 5 s: the API server (or a remote cluster) answers slowly, and an end may be kept later than promised",
};
pub(super) const CONDITIONS: Described = Described {
    name: "conditions",
    kind: "gauge",
    help: "Conditions of our objects, by instance, kind, type and status",
    labels: &[INSTANCE, KIND, ("condition", "the type, one of those on the page of conditions"), ("status", "True, False, Unknown")],
    watch: "`PolicyApplied`, `ServerAuthorized`, `RBACApplied` or `RemoteRBACApplied` is `False` while `Active` is `True`: the message of the condition says why",
};
pub(super) const ACTIVE: Described = Described {
    name: "active_grants",
    kind: "gauge",
    help: "Objects that take effect now: accepted, not suspended, not only observing, and within their time",
    labels: &[INSTANCE, KIND],
    watch: "grows without a reason that you know: the audit trail says which, for whom, and by which field manager",
};
pub(super) const EXPIRING: Described = Described {
    name: "expiring_grants",
    kind: "gauge",
    help: "Objects among the active ones whose validity ends within an hour (the end of a window is none)",
    labels: &[INSTANCE, KIND],
    watch: "not 0: somebody may need longer, and has to say so in spec.validity.notAfter",
};
pub(super) const NEXT_EXPIRY: Described = Described {
    name: "next_grant_expiry_timestamp_seconds",
    kind: "gauge",
    help: "When the validity of the first of the active ones ends; absent while none of them has an end",
    labels: &[INSTANCE, KIND],
    watch: "for a warning earlier or later than an hour before: compare it with time()",
};
pub(super) const OBJECTS: Described = Described {
    name: "objects",
    kind: "gauge",
    help: "Objects of ours, by instance, kind and status of Ready",
    labels: &[INSTANCE, KIND, ("ready", "True, False, Unknown")],
    watch: "`False` for an hour, if you suspend nothing",
};
pub(super) const LAST_ROUND: Described = Described {
    name: "last_round_timestamp_seconds",
    kind: "gauge",
    help: "When the last reconcile round of the resource in the instance ended",
    labels: &[INSTANCE, KIND],
    watch: "older than two minutes on the operator that leads: nothing is withdrawn any more. Wake somebody",
};
pub(super) const SKEW: Described = Described {
    name: "clock_skew_seconds",
    kind: "gauge",
    help: "By how much the API server's clock is ahead of the operator's (negative: behind); NaN while it is not known",
    labels: &[],
    watch: "more than 5 in either direction: `ClockSynced` is False",
};
pub(super) const WATCHES: Described = Described {
    name: "watch_healthy",
    kind: "gauge",
    help: "1 when every watch of the kind works, 0 when one fails",
    labels: &[("kind", "the kind, in the plural")],
    watch: "0 for minutes: nothing is given that depends on the kind",
};
pub(super) const CONTENDED: Described = Described {
    name: "contended_fields",
    kind: "gauge",
    help: "Values that are not written for now, because somebody keeps rewriting them",
    labels: &[INSTANCE, KIND],
    watch: "not 0: the condition with the reason Contended names who",
};
pub(super) const LEADER: Described = Described {
    name: "leader",
    kind: "gauge",
    help: "1 when this operator writes in the instance, 0 when it stands by",
    labels: &[INSTANCE],
    watch: "the sum over all operators is not 1 for a minute: nobody withdraws. Wake somebody",
};
pub(super) const CLUSTER: (&str, &str) = ("remote_cluster", "the cluster's name in Argo CD");
pub(super) const REMOTE: Described = Described {
    name: "remote_up",
    kind: "gauge",
    help: "1 when the remote cluster of a ClusterAccess answers, 0 when it does not",
    labels: &[INSTANCE, CLUSTER],
    watch: "0 for minutes: nothing is given or taken there, and its credential is not replaced",
};
pub(super) const EXPIRY: Described = Described {
    name: "credential_expiry_timestamp_seconds",
    kind: "gauge",
    help: "When the credential expires by which Argo CD comes to a remote cluster; 0 while there is none that says so",
    labels: &[INSTANCE, CLUSTER],
    watch: "less than a quarter of its life is left: it was not replaced. CredentialReady says why",
};
pub(super) const BUILD: Described =
    Described { name: "build", kind: "info", help: "The version that is running", labels: &[("version", "that of the program")], watch: "" };

/// Every metric.
pub const ALL: [Described; 18] = [
    LEADER,
    LAST_ROUND,
    ROUNDS,
    DURATION,
    PLAN,
    APPLY,
    OBJECTS,
    CONDITIONS,
    ACTIVE,
    EXPIRING,
    NEXT_EXPIRY,
    WRITES,
    WATCHES,
    CONTENDED,
    REMOTE,
    EXPIRY,
    SKEW,
    BUILD,
];

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
