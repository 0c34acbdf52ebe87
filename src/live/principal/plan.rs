//! The plan for a control plane: from what is seen to the next writes and to what is to be said. Pure.
//!
//! As for the other resources, a plan holds one step: as long as anything is to be taken away it holds only that.

use std::collections::{BTreeMap, BTreeSet};
use std::marker::PhantomData;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::admission::{self, Case};
use super::basis::Basis;
use super::grant::Address;
use super::outlook::{Outlook, outlook};
use super::redis::{self, Wish};
use super::world::World;
use super::{access, answers};
use crate::api::conditions::{Reason, Verdict};
use crate::api::live_resource_access::PrincipalAccess;
use crate::api::live_status::AgentInstanceStatus;
use crate::api::status::Change;
use crate::api::{LiveResourceAccess, Mode, is_held};
use crate::argocd::ARGOCD_CM;
use crate::reconcile::clock::Clock;
use crate::reconcile::contests::Look;
use crate::reconcile::plan::{Applied, OBSERVED, Prepared, observed, step};
use crate::reconcile::unreadable::Unreadable;
use crate::reconcile::write::{Direction, Kind, Wanted, Write};
use crate::reconcile::{declared, finalizer};

/// The next step for one control plane.
#[derive(Debug, Clone)]
pub struct Plan<State = Prepared> {
    /// The writes, in their order.
    pub writes: Vec<Write>,
    /// What is to be said of each object, by age.
    pub outlooks: Vec<Outlook>,
    /// Objects that cannot be parsed.
    pub unreadable: Vec<Unreadable>,
    /// The principal as found.
    pub instance: AgentInstanceStatus,
    /// The agents that are to be tried.
    pub agents: BTreeSet<String>,
    /// When the plan will be another one, if nothing but time passes.
    pub next: Option<jiff::Timestamp>,
    /// What was seen of values that somebody else may rewrite.
    pub looks: Vec<Look>,
    /// Kinds that cannot be seen, so that it is not known whether something of ours is left among them.
    pub unseen: BTreeSet<String>,
    state: PhantomData<State>,
}

impl declared::Plan for Plan<Prepared> {
    type Object = LiveResourceAccess;
    type Applied = Plan<Applied>;

    fn writes(&self) -> &[Write] {
        &self.writes
    }

    fn retain(&mut self, keep: impl FnMut(&Write) -> bool) {
        self.writes.retain(keep);
    }

    fn next(&self) -> Option<jiff::Timestamp> {
        self.next
    }

    fn looks(&self) -> &[Look] {
        &self.looks
    }

    fn unreadable(&self) -> &[Unreadable] {
        &self.unreadable
    }

    fn is_still_declared<'a>(&self, objects: impl Iterator<Item = &'a ObjectMeta>, argocd_cm: Option<&ObjectMeta>, now: jiff::Timestamp) -> bool {
        let counted = self.outlooks.iter().filter(|o| o.standing).map(|o| &o.access.metadata);
        declared::still(counted, self.next, objects, argocd_cm, now)
    }

    fn applied(self) -> Plan<Applied> {
        let Self { writes, outlooks, unreadable, instance, agents, next, looks, unseen, state: _ } = self;
        Plan { writes, outlooks, unreadable, instance, agents, next, looks, unseen, state: PhantomData }
    }
}

/// What all objects that count come to.
pub(super) struct Sum {
    pub(super) basis: Basis,
    pub(super) wish: Wish,
    pub(super) wanted: Wanted,
    /// `RedisProxyConfigured`.
    pub(super) redis: Verdict,
    pub(super) access: access::Folded,
}

/// Makes the plan for this time.
#[must_use]
pub fn plan(world: &World, now: jiff::Timestamp) -> Plan<Prepared> {
    let clock = Clock::new(now, world.server_ahead);
    let world = &*world.at(clock);
    let at = now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let mut cases = admission::judge(world, clock);
    let in_time = |case: &&Case| case.standing || case.active.reason == Reason::Observing;
    let looks = cases.iter().filter(in_time).filter_map(|case| case.grant.as_ref()?.times.next_look(clock));
    let next = looks.chain(world.unreadable.iter().filter_map(|u| u.next_look(clock))).min();
    let finalizers = add_finalizers(&mut cases);
    let sum = sum(world, &cases, &at);
    let observed = observe(world, &cases, &sum, &at);
    let held = hold(world);
    let all = &sum.wanted.writes;
    let wanted: Vec<Write> = all.iter().filter(|w| may_be_sent(world, w, held.as_ref())).cloned().collect();
    // What is kept back counts: an object is not let go while something that it had stays.
    let withdrawn = world.in_sight() && all.iter().all(|w| w.direction == Direction::Widen);
    let releases = cases.iter().map(|c| &c.access.metadata).chain(world.unreadable.iter().map(|u| &u.metadata));
    let releases = releases.filter(|meta| is_released(world, meta, withdrawn)).map(|meta| finalizer::drop(Kind::LiveResourceAccess, meta)).collect();
    let outlooks =
        cases.iter().enumerate().map(|(index, case)| outlook(world, &sum, held.as_ref(), (index, case), clock, observed.get(&index))).collect();
    Plan {
        writes: step(wanted, finalizers, releases),
        outlooks,
        unreadable: world.unreadable.clone(),
        instance: found(world, &sum.basis),
        agents: answers::wanted(&cases, &world.settings),
        next,
        looks: sum.wanted.looks,
        unseen: world.unseen(),
        state: PhantomData,
    }
}

/// The finalizer comes before the first shared write: an object without it does not take effect yet.
fn add_finalizers(cases: &mut [Case]) -> Vec<Write> {
    let mut writes = Vec::new();
    for case in cases.iter_mut().filter(|c| c.standing && !is_held(&c.access.metadata)) {
        (case.standing, case.effective) = (false, false);
        case.active = Verdict::no(Reason::Pending, "the finalizer is set first");
        writes.push(finalizer::add(Kind::LiveResourceAccess, &case.access.metadata));
    }
    writes
}

/// Drops the finalizer of an object that is to go, once everything that it has no part in any more is gone.
fn is_released(world: &World, meta: &ObjectMeta, withdrawn: bool) -> bool {
    let deleted = meta.deletion_timestamp.is_some();
    is_held(meta) && (((deleted || world.ending()) && withdrawn) || (deleted && finalizer::is_abandoned(meta)))
}

/// Why nothing is given now although it is declared.
fn hold(world: &World) -> Option<Verdict> {
    let not_seen = world.argocd_cm.as_ref().err()?;
    let message = format!("nothing is set while it cannot be seen whether {ARGOCD_CM} stops everything: {not_seen}");
    Some(Verdict::unknown(Reason::NotReadable, message))
}

/// While an object that cannot be parsed keeps what it has, nothing is taken away: nobody knows what of it is its.
fn may_be_sent(world: &World, write: &Write, held: Option<&Verdict>) -> bool {
    if write.direction == Direction::Widen { held.is_none() } else { !world.is_frozen() }
}

fn sum(world: &World, cases: &[Case], at: &str) -> Sum {
    let wish = Wish::of(cases);
    let proxy = wish.proxy.clone().or_else(|| Address::parse(&PrincipalAccess::default().redis_address));
    let proxy = proxy.unwrap_or_else(|| Address { text: String::new(), host: String::new(), port: 0 });
    let basis = Basis::of(world, &proxy);
    let redis = redis::fold(world, &basis, &wish, at);
    let access = access::fold(world, &basis, cases.iter().any(|c| c.effective && c.grant.as_ref().is_some_and(|g| g.network_policy)));
    let mut wanted = redis.wanted;
    wanted.add(access.wanted.clone());
    Sum { basis, wish, wanted, redis: redis.verdict, access }
}

/// What each observing object would change: what there is to change with it, without what there is to change anyway.
fn observe(world: &World, cases: &[Case], sum_without: &Sum, at: &str) -> BTreeMap<usize, Vec<Change>> {
    let observing = |case: &Case| case.grant.is_some() && case.access.spec.mode == Mode::Observe && case.active.reason == Reason::Observing;
    let changes_with = |(index, _): (usize, &Case)| {
        let mut with = cases.to_vec();
        if let Some(case) = with.get_mut(index) {
            (case.standing, case.effective) = (true, true);
        }
        (index, observed(sum(world, &with, at).wanted.changes, &sum_without.wanted.changes))
    };
    cases.iter().enumerate().filter(|(_, case)| observing(case)).take(OBSERVED).map(changes_with).collect()
}

fn found(world: &World, basis: &Basis) -> AgentInstanceStatus {
    let principal = basis.principal.as_ref();
    AgentInstanceStatus {
        installer: principal.map(|p| p.installer.to_owned()),
        deployment: principal.map(|p| p.deployment.clone()),
        service_account: principal.map(|p| p.service_account.clone()),
        agent_version: principal.and_then(|p| p.version.clone()),
        mapping: principal.and_then(|p| p.by_destination).map(|by| if by { "Destination" } else { "Namespace" }.to_owned()),
        kubernetes_version: world.kubernetes_version.clone(),
        ..AgentInstanceStatus::default()
    }
}
