//! The status of an object: what the applied plan found, completed by what the reviews prove. Pure.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::openers;
use super::plan::Outlook;
use super::server::ServerOutlook;
use super::{remote, remote_proof};
use crate::api::conditions::{ConditionType, Reason, State, Verdict, condition, shorten};
use crate::api::status::{InstanceStatus, NamespaceVerdict, ServerStatus};
use crate::api::{ExecAccess, ExecAccessStatus, INSTANCE_LABEL};
pub use crate::reconcile::plan::Answer;
use crate::reconcile::withheld::Withheld;
use crate::reconcile::{Failures, Layer};

/// What argocd-server's ServiceAccount may do in one namespace; `Err`: it could not be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Review {
    /// `get pods`
    pub pods_get: Answer,
    /// `get pods/exec`
    pub exec_get: Answer,
    /// `create pods/exec`
    pub exec_create: Answer,
}

/// The reviews of one round, by namespace; the empty name asks for all namespaces at once.
pub type Reviews = BTreeMap<String, Result<Review, String>>;

/// The namespaces that a status of these objects needs reviews of.
#[must_use]
pub fn to_review(outlooks: &[Outlook]) -> BTreeSet<String> {
    let reaches = outlooks.iter().filter_map(|o| o.server.as_ref()).filter(|s| s.obstacle.is_none());
    let mut namespaces: BTreeSet<String> = reaches.clone().flat_map(|s| s.reach.namespaces.iter().cloned()).collect();
    if reaches.count() > 0 {
        namespaces.insert(String::new());
    }
    namespaces
}

/// The verbs that are missing for a terminal; empty when it can open.
///
/// Argo CD falls back from WebSocket to POST, hence `create` alone is enough everywhere; `get` alone is only before Kubernetes 1.35.
#[must_use]
pub fn missing(review: &Review, instance: &InstanceStatus) -> Vec<&'static str> {
    let get_is_enough = openers::get_is_enough(instance);
    let mut missing = Vec::new();
    if !review.pods_get.allowed {
        missing.push("get pods");
    }
    if !(review.exec_create.allowed || (get_is_enough && review.exec_get.allowed)) {
        missing.push("create pods/exec");
    }
    missing
}

/// Makes the status that follows from the earlier one, which is that of `access`.
#[must_use]
pub fn status(
    outlook: &Outlook,
    access: &ExecAccess,
    instance: &InstanceStatus,
    reviews: &Reviews,
    failures: &Failures,
    now: &Time,
) -> ExecAccessStatus {
    let empty = ExecAccessStatus::default();
    let before = access.status.as_ref().unwrap_or(&empty);
    let (server_verdict, server) = match &outlook.server {
        Some(server) => server_verdict(server, instance, reviews),
        None => (withdrawn(outlook), None),
    };
    let policy = outlook.policy.as_ref().map_or_else(|| withdrawn(outlook), |p| p.verdict.clone());
    let flag = outlook.flag.clone().unwrap_or_else(|| withdrawn(outlook));
    let ingress = outlook.ingress.as_ref().map_or_else(|| withdrawn(outlook), |i| i.verdict.clone());
    let mut active = outlook.active.clone();
    if let Some(debt) = &outlook.debt {
        active.message.clone_from(&debt.message);
    }
    // What cannot be handed back is still there.
    let owed = |kind: ConditionType, verdict: Verdict| match &outlook.debt {
        Some(debt) if debt.layers.contains(&kind) => (kind, Verdict::unknown(Reason::NotReadable, debt.message.clone())),
        _ => (kind, verdict),
    };
    let mut parts = vec![
        (ConditionType::Accepted, outlook.accepted.clone()),
        (ConditionType::Active, failed(active, &[Layer::Finalizer], failures)),
        owed(ConditionType::PolicyApplied, failed(policy, &[Layer::Policy], failures)),
        owed(ConditionType::ServerAuthorized, failed(server_verdict, &[Layer::Server], failures)),
        owed(ConditionType::ExecEnabled, failed(flag, &[Layer::Flag], failures)),
        owed(ConditionType::IngressReady, failed(ingress, &[Layer::Ingress], failures)),
    ];
    let confined = outlook.confined.clone().map(|verdict| owed(ConditionType::Confined, failed(verdict, &[Layer::Confinement], failures)).1);
    let stated = [(ConditionType::Exclusive, &outlook.exclusive), (ConditionType::Confined, &confined), (ConditionType::ClockSynced, &outlook.clock)];
    parts.extend(stated.into_iter().filter_map(|(kind, verdict)| Some((kind, verdict.clone()?))));
    let ready = ready(&parts, outlook);
    let generation = access.metadata.generation;
    let all = parts.iter().chain([&ready]).map(|(kind, verdict)| condition(*kind, verdict, generation, &before.conditions, now)).collect();
    let ingresses = outlook.ingress.as_ref().map(|i| i.ingresses.clone()).unwrap_or_default();
    ExecAccessStatus {
        observed_generation: generation,
        conditions: all,
        instance: Some(instance.clone()),
        policy: outlook.policy.as_ref().and_then(|p| p.status.clone()),
        server,
        ingresses,
        set: outlook.set.clone(),
        // Whoever writes the status follows it from the one before.
        grant: None,
        next_transition: outlook.next_transition.map(Time),
        sessions_may_remain: outlook.sessions_may_remain.map(Time),
        undeclared_grants: outlook.undeclared.as_ref().map(|(some, _)| some.to_vec()).unwrap_or_default(),
        undeclared_grant_count: outlook.undeclared.as_ref().map(|(_, count)| i64::try_from(*count).unwrap_or(i64::MAX)),
        changes: outlook.changes.clone(),
    }
}

fn withdrawn(outlook: &Outlook) -> Verdict {
    let reason = if outlook.accepted.holds() { outlook.active.reason } else { outlook.accepted.reason };
    Verdict::no(reason, "nothing is granted by this object now")
}

/// A verdict that waits for a write becomes the failure of that write.
fn failed(verdict: Verdict, layers: &[Layer], failures: &Failures) -> Verdict {
    let messages: Vec<&str> = layers.iter().filter_map(|l| failures.get(l)).flatten().map(String::as_str).collect();
    let waits = matches!(
        verdict.reason,
        Reason::Pending
            | Reason::Denied
            | Reason::ConfigMapMissing
            | Reason::Deleting
            | Reason::Suspended
            | Reason::Withdrawn
            | Reason::Stopped
            | Reason::BeforeStart
            | Reason::Expired
            | Reason::OutsideSchedule
            | Reason::Invalid
            | Reason::LimitExceeded
            | Reason::RoleNameTaken
            | Reason::SubjectTooWide
            | Reason::AuthenticationDisabled
            | Reason::Unsupported
    );
    if messages.is_empty() || !waits || verdict.holds() {
        return verdict;
    }
    Verdict { state: verdict.state, reason: Reason::WriteFailed, message: messages.join("; ") }
}

fn server_verdict(server: &ServerOutlook, instance: &InstanceStatus, reviews: &Reviews) -> (Verdict, Option<ServerStatus>) {
    let reach = &server.reach;
    let everywhere = reviews.get("").and_then(|r| r.as_ref().ok());
    let open = everywhere.filter(|r| missing(r, instance).is_empty());
    let mut namespaces: Vec<NamespaceVerdict> = Vec::new();
    if reach.cluster {
        namespaces.push(verdict_of("*", reviews.get(""), instance, server));
    }
    namespaces.extend(reach.namespaces.iter().map(|n| verdict_of(n, reviews.get(n.as_str()), instance, server)));
    let says = |name: &String, allowed, message: &str| NamespaceVerdict {
        name: name.as_str().into(),
        allowed,
        granted_by_us: false,
        message: message.into(),
    };
    namespaces.extend(
        reach
            .denied
            .iter()
            .map(|n| says(n, Some(false), "this instance denies the namespace (limit deniedNamespaces): argocd-server gets no right to exec here")),
    );
    namespaces.extend(
        reach
            .beyond
            .iter()
            .map(|n| says(n, Some(false), "the admission policy that confines this instance does not hold the namespace (see Confined)")),
    );
    namespaces.extend(reach.missing.iter().map(|n| says(n, None, "the namespace does not exist, or is being deleted")));
    // Worst first: refused, then not known, then open.
    namespaces.sort_by(|a, b| rank(a).cmp(&rank(b)).then_with(|| a.name.cmp(&b.name)));
    let open = open.filter(|_| !server.bound.contains("*"));
    let by_others = open.map(|r| shorten(&r.exec_create_or_get().reason, 256).into());
    let opened = open.map(|r| openers::explain(r, instance));
    let asked = |name: &str| reviews.get(name).is_some_and(Result::is_err);
    let unanswered = (reach.cluster && asked("")) || reach.namespaces.iter().any(|n| asked(n));
    let verdict = sum(server, &namespaces, opened.as_deref(), unanswered);
    let namespace_count = i64::try_from(namespaces.len()).unwrap_or(i64::MAX);
    namespaces.truncate(100);
    let remote = remote::status(&reach.remote, &server.remote, &server.instance);
    (verdict, Some(ServerStatus { namespaces, namespace_count, open_cluster_wide: by_others, remote }))
}

impl Review {
    /// The answer about pods/exec that counts.
    #[must_use]
    pub fn exec_create_or_get(&self) -> &Answer {
        if self.exec_create.allowed { &self.exec_create } else { &self.exec_get }
    }
}

fn rank(verdict: &NamespaceVerdict) -> u8 {
    match verdict.allowed {
        Some(false) => 0,
        None => 1,
        Some(true) => 2,
    }
}

fn verdict_of(name: &str, review: Option<&Result<Review, String>>, instance: &InstanceStatus, server: &ServerOutlook) -> NamespaceVerdict {
    let granted_by_us = server.bound.contains(name) || server.bound.contains("*");
    let (allowed, message) = match review {
        None => (None, "not reviewed yet".to_owned()),
        Some(Err(error)) => (None, format!("the review failed: {error}")),
        Some(Ok(review)) => match missing(review, instance).as_slice() {
            [] => (Some(true), review.exec_create_or_get().reason.clone()),
            verbs => {
                let hint =
                    |theirs| format!(" ({theirs} is somebody else's, without the label {INSTANCE_LABEL}, and stands where ours would be; rename it)");
                let hint = server.taken.get(name).map(hint).unwrap_or_default();
                (Some(false), format!("argocd-server may not: {}{hint}", verbs.join(", ")))
            }
        },
    };
    NamespaceVerdict { name: name.into(), allowed, granted_by_us, message: shorten(&message, 256).into() }
}

fn sum(server: &ServerOutlook, namespaces: &[NamespaceVerdict], open: Option<&str>, unanswered: bool) -> Verdict {
    if let Some(obstacle) = &server.obstacle {
        return obstacle.clone();
    }
    let reach = &server.reach;
    let named = |allowed: Option<bool>| {
        namespaces.iter().filter(|n| n.allowed == allowed).map(|n| format!("{}: {}", n.name, n.message)).take(3).collect::<Vec<_>>().join("; ")
    };
    let (refused, unknown) = (named(Some(false)), named(None));
    if !refused.is_empty() {
        return Withheld::sum(&server.withheld).unwrap_or_else(|| Verdict::no(Reason::Denied, refused));
    }
    let elsewhere = remote_proof::verdict(server);
    if let Some(kept) = elsewhere.clone().filter(|verdict| verdict.state == State::False) {
        return kept;
    }
    if let Some(not_seen) = &reach.blind {
        return Verdict::unknown(Reason::NotReadable, not_seen.to_string());
    }
    if !reach.missing.is_empty() {
        return Verdict::no(Reason::NamespaceMissing, unknown);
    }
    if !unknown.is_empty() {
        return Verdict::unknown(if unanswered { Reason::NotReadable } else { Reason::Pending }, unknown);
    }
    if let Some(open) = elsewhere {
        return open;
    }
    let by_others = remote_proof::proven_by(server);
    if namespaces.is_empty() && !by_others.is_empty() {
        return Verdict::yes(Reason::Proven, format!("proven {by_others}"));
    }
    let remotely = if by_others.is_empty() { String::new() } else { format!("; and {by_others}") };
    if namespaces.is_empty() {
        return Verdict::unknown(
            Reason::NoApplications,
            "no live Application matches with a destination namespace in this cluster, so there is no namespace to prove; name them in spec.server.namespaces if the Applications name none",
        );
    }
    match open {
        Some(by) => {
            let message = format!(
                "a terminal can open in {} namespace(s); but Kubernetes lets argocd-server exec in every namespace without us, so withdrawing this object closes Argo CD's policy, not that right: {by}{remotely}",
                namespaces.len()
            );
            Verdict::yes(Reason::OpenByOthers, message)
        }
        None => {
            let message = format!(
                "proven by SubjectAccessReview in {} namespace(s) for argocd-server's ServiceAccount, which counts there unless a cluster Secret has credentials for https://kubernetes.default.svc (this process reads no Secrets){remotely}",
                namespaces.len()
            );
            Verdict::yes(Reason::Proven, message)
        }
    }
}

/// The sum: the first part that does not hold. An Ingress that could not be verified does not stand in the way: a person may come another way.
/// Nor does what is only to be known: who else has access, an instance that is not meant to be confined, a clock that differs.
fn ready(parts: &[(ConditionType, Verdict)], outlook: &Outlook) -> (ConditionType, Verdict) {
    let tolerable = |kind: ConditionType, v: &Verdict| match kind {
        ConditionType::IngressReady => v.holds() || v.state == State::Unknown,
        ConditionType::Exclusive | ConditionType::ClockSynced => true,
        ConditionType::Confined => v.holds() || v.reason == Reason::NotConfined,
        _ => v.holds(),
    };
    let verdict = match parts.iter().find(|(kind, v)| !tolerable(*kind, v)) {
        Some((kind, v)) => Verdict { state: v.state, reason: v.reason, message: format!("{}: {}", kind.as_str(), v.message) },
        None => {
            let unverified = parts
                .iter()
                .find(|(kind, v)| v.state == State::Unknown && *kind == ConditionType::IngressReady)
                .map(|(kind, _)| format!("; {} could not be verified", kind.as_str()));
            let people = outlook.access.spec.subjects.len();
            Verdict::yes(Reason::Ready, format!("{people} subject(s) may open terminals as declared{}", unverified.unwrap_or_default()))
        }
    };
    (ConditionType::Ready, verdict)
}
