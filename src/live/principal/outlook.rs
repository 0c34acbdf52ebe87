//! What is to be said of one object, apart from what agents answer. Pure.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::admission::Case;
use super::plan::Sum;
use super::world::World;
use crate::api::LiveResourceAccess;
use crate::api::conditions::{Reason, Verdict};
use crate::api::status::Change;
use crate::config::InstanceConfig;
use crate::reconcile::clock::{self, Clock};

/// It.
#[derive(Debug, Clone)]
pub struct Outlook {
    /// The object.
    pub access: Arc<LiveResourceAccess>,
    /// Whether it counts.
    pub standing: bool,
    /// Whether it takes effect.
    pub effective: bool,
    /// `Accepted`.
    pub accepted: Verdict,
    /// `Active`.
    pub active: Verdict,
    /// `InstanceReady`.
    pub instance: Verdict,
    /// `RedisProxyConfigured`.
    pub redis: Verdict,
    /// `NetworkReady`.
    pub network: Verdict,
    /// The agents that it has tried; `None`: none is meant to be.
    pub agents: Option<BTreeSet<String>>,
    /// What the platform admin allows: which agents may be tried.
    pub settings: InstanceConfig,
    /// What is said instead of an answer where it does not take effect.
    pub idle: Verdict,
    /// `ClockSynced`, for an object with time limits.
    pub clock: Option<Verdict>,
    /// When it opens, closes or expires next.
    pub next_transition: Option<jiff::Timestamp>,
    /// In Observe mode: what would change.
    pub changes: Vec<Change>,
}

/// Makes it.
pub(super) fn outlook(
    world: &World,
    sum: &Sum,
    held: Option<&Verdict>,
    (index, case): (usize, &Case),
    clock: Clock,
    changes: Option<&Vec<Change>>,
) -> Outlook {
    let times = case.grant.as_ref().map(|grant| &grant.times).filter(|times| times.is_limited());
    Outlook {
        access: Arc::clone(&case.access),
        standing: case.standing,
        effective: case.effective,
        accepted: case.accepted.clone(),
        active: case.active.clone(),
        instance: sum.basis.instance.clone(),
        redis: redis(sum, held, index, case),
        network: network(sum, held, case),
        agents: case.grant.as_ref().and_then(|grant| grant.probe.clone()),
        settings: world.settings.clone(),
        idle: case.idle(),
        clock: times.map(|_| clock::verdict(world.server_ahead)),
        next_transition: times.filter(|_| case.standing).and_then(|times| times.next_transition(clock)),
        changes: changes.cloned().unwrap_or_default(),
    }
}

fn redis(sum: &Sum, held: Option<&Verdict>, index: usize, case: &Case) -> Verdict {
    let Some(grant) = case.grant.as_ref().filter(|_| case.standing) else { return case.idle() };
    if sum.wish.conflicts.contains(&index) {
        let address = sum.wish.address.as_ref().map_or("another", |address| address.text.as_str());
        return Verdict::no(Reason::Conflict, format!("an older object has {address} for its redisAddress; argocd-server has one Redis"));
    }
    if grant.redis.is_none() && sum.wish.address.is_some() {
        return Verdict::unknown(Reason::NotManaged, "spec.principal.redisProxy is None; an older object sets it");
    }
    with_hold(&sum.redis, held)
}

fn network(sum: &Sum, held: Option<&Verdict>, case: &Case) -> Verdict {
    let Some(grant) = case.grant.as_ref().filter(|_| case.effective) else { return case.idle() };
    with_hold(if grant.network_policy { &sum.access.made } else { &sum.access.found }, held)
}

fn with_hold(verdict: &Verdict, held: Option<&Verdict>) -> Verdict {
    held.filter(|_| !verdict.holds()).unwrap_or(verdict).clone()
}
