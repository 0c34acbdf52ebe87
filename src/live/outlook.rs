//! What is to be said of one object, apart from what only a review can prove. Pure.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::admission::Case;
use super::objects::Folded;
use super::plan::Sum;
use super::wanted::{TooMany, Wanted};
use super::world::World;
use crate::api::conditions::{Reason, Verdict};
use crate::api::live_status::Ungranted;
use crate::api::status::Change;
use crate::api::{LiveResourceAccess, is_held};
use crate::reconcile::clock::{self, Clock};

/// It.
#[derive(Debug, Clone)]
pub struct Outlook {
    /// The object.
    pub access: Arc<LiveResourceAccess>,
    /// Whether it takes effect.
    pub effective: bool,
    /// `Accepted`.
    pub accepted: Verdict,
    /// `Active`.
    pub active: Verdict,
    /// `InstanceReady`.
    pub instance: Verdict,
    /// `ResourcesResolved`.
    pub resources: Verdict,
    /// `RBACApplied`.
    pub rbac: Verdict,
    /// What it gives.
    pub wanted: Wanted,
    /// The namespaces in which it grants nothing, as far as they are there.
    pub protected: BTreeSet<String>,
    /// Why it is not known what the agent needs: then nothing can be proven.
    pub blind: Option<Verdict>,
    /// A namespace of which no object says anything: there the agent must not have more either.
    pub undeclared: Option<String>,
    /// `ClockSynced`, for an object with time limits.
    pub clock: Option<Verdict>,
    /// When the access opens, closes or expires next.
    pub next_transition: Option<jiff::Timestamp>,
    /// In Observe mode: what would change.
    pub changes: Vec<Change>,
}

/// Makes it.
pub(super) fn outlook(
    world: &World,
    sum: &Sum<'_>,
    (held, stuck): (Option<&Verdict>, Option<&Verdict>),
    (index, case): (usize, &Case),
    clock: Clock,
    changes: Option<&Vec<Change>>,
) -> Outlook {
    let wanted = sum.derived.get(&index).cloned().unwrap_or_default();
    let blind = sum.basis.seen.as_ref().err().filter(|_| sum.basis.is_blind()).cloned();
    let times = case.grant.as_ref().map(|grant| &grant.times).filter(|times| times.is_limited());
    Outlook {
        access: Arc::clone(&case.access),
        effective: case.effective,
        accepted: case.accepted.clone(),
        active: case.active.clone(),
        instance: case.instance.clone().unwrap_or_else(|| sum.basis.instance.clone()),
        resources: blind.clone().unwrap_or_else(|| resources(&wanted)),
        rbac: rbac(world, case, &wanted, &sum.folded, (held, stuck)),
        blind,
        undeclared: undeclared(world, case, &sum.union),
        protected: case.grant.as_ref().map(|grant| protected(world, &grant.protected)).unwrap_or_default(),
        wanted,
        clock: times.map(|_| clock::verdict(world.server_ahead)),
        next_transition: times.filter(|_| case.standing).and_then(|times| times.next_transition(clock)),
        changes: changes.cloned().unwrap_or_default(),
    }
}

/// Those of them that are there.
fn protected(world: &World, all: &BTreeSet<String>) -> BTreeSet<String> {
    let there = world.namespaces.iter().flatten().filter_map(|n| n.metadata.name.clone());
    there.filter(|name| all.contains(name)).collect()
}

/// The first in the alphabet that is there.
fn undeclared(world: &World, case: &Case, union: &Wanted) -> Option<String> {
    let protected = case.grant.as_ref().map(|grant| &grant.protected);
    let is_said = |name: &str| union.namespaces.contains_key(name) || protected.is_some_and(|all| all.contains(name));
    world.namespaces.as_ref().ok()?.iter().filter_map(|n| n.metadata.name.as_deref()).find(|name| !is_said(name)).map(ToOwned::to_owned)
}

fn few<'a>(all: impl Iterator<Item = &'a str>) -> String {
    let all: Vec<&str> = all.collect();
    let more = if all.len() > 3 { format!(" and {} more", all.len() - 3) } else { String::new() };
    format!("{}{more}", all.iter().take(3).copied().collect::<Vec<_>>().join(", "))
}

fn resources(wanted: &Wanted) -> Verdict {
    if let Some(TooMany::Names(namespace)) = &wanted.too_many {
        let place = if namespace.is_empty() { "the cluster" } else { namespace };
        return Verdict::no(
            Reason::TooMany,
            format!("the names of the resources in {place} do not fit into one role, so nothing is granted; use precision Kind"),
        );
    }
    if let Some(TooMany::Pairs(count)) = wanted.too_many {
        let most = super::derive::MOST_PAIRS;
        return Verdict::no(
            Reason::TooMany,
            format!("the Applications have {count} kinds in namespaces; one object grants at most {most}, so nothing is granted"),
        );
    }
    if !wanted.crowded.is_empty() {
        let names = few(wanted.crowded.iter().map(String::as_str));
        return Verdict::no(
            Reason::TooMany,
            format!("{names}: the status claims more than {} resources, so none of them counts", super::derive::MOST_CLAIMED),
        );
    }
    let unknown: BTreeSet<&str> = wanted.not_granted.iter().filter(|n| n.reason == Ungranted::KindUnknown).map(|n| n.kind.as_str()).collect();
    if !unknown.is_empty() {
        let names = few(unknown.into_iter());
        return Verdict::no(Reason::KindUnknown, format!("the API server does not know {names}; install what defines it, or exclude the kind"));
    }
    if wanted.selected == 0 {
        return Verdict::unknown(Reason::NoApplications, "no Application that deploys to this cluster is selected (yet)");
    }
    Verdict::yes(Reason::Resolved, format!("{} Application(s) in {} namespace(s)", wanted.selected, wanted.namespaces.len()))
}

fn rbac(world: &World, case: &Case, wanted: &Wanted, folded: &Folded, (held, stuck): (Option<&Verdict>, Option<&Verdict>)) -> Verdict {
    if let Some(unseen) = world.unseen().into_iter().next() {
        return Verdict::unknown(Reason::NotReadable, unseen);
    }
    if !case.effective {
        // Whoever holds our finalizer had something, or may have had.
        if let Some(stuck) = stuck.filter(|_| is_held(&case.access.metadata)) {
            return stuck.clone();
        }
        let reason = if case.accepted.holds() { case.active.reason } else { case.accepted.reason };
        return Verdict::no(reason, "nothing is granted by this object now");
    }
    if let Some(why) = held {
        return why.clone();
    }
    let mine = |namespace: &str| if namespace.is_empty() { !wanted.cluster.is_empty() } else { wanted.namespaces.contains_key(namespace) };
    let foreign: Vec<String> =
        folded.foreign.iter().filter(|target| mine(target.namespace.as_deref().unwrap_or_default())).map(ToString::to_string).collect();
    if !foreign.is_empty() {
        let names = few(foreign.iter().map(String::as_str));
        return Verdict::no(Reason::ForeignObject, format!("{names} is somebody else's and stands where ours would be; rename or remove it"));
    }
    if folded.pending.iter().any(|namespace| mine(namespace)) {
        return Verdict::unknown(Reason::Pending, "not everything is written yet");
    }
    if !folded.taking.is_empty() {
        let places = few(folded.taking.iter().map(|n| if n.is_empty() { "the whole cluster" } else { n.as_str() }));
        return Verdict::unknown(Reason::Pending, format!("what nobody declares is still to be taken away in {places}"));
    }
    let beyond: BTreeSet<&str> = wanted.not_granted.iter().filter(|n| n.reason == Ungranted::BeyondCeiling).map(|n| n.kind.as_str()).collect();
    if !beyond.is_empty() {
        let names = few(beyond.into_iter());
        return Verdict::no(
            Reason::BeyondCeiling,
            format!(
                "the operator does not hold what {names} needs, and so cannot give it (status.notGranted); the chart value live.ceiling widens it"
            ),
        );
    }
    if !wanted.missing.is_empty() {
        return Verdict::no(
            Reason::NamespaceMissing,
            format!("{} does not exist, or is being deleted", few(wanted.missing.iter().map(String::as_str))),
        );
    }
    Verdict::yes(Reason::Applied, format!("in {} namespace(s)", wanted.namespaces.len()))
}
