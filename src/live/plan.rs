//! The plan for an agent: from what is seen to the next writes and to what is to be said. Pure.
//!
//! As for `ExecAccess`, a plan holds one step: as long as anything is to be taken away it holds only that. The rights of an instance are a
//! fold: one set for all its objects together, in objects of a fixed name.

use std::collections::{BTreeMap, BTreeSet};
use std::marker::PhantomData;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::admission::{self, Case};
use super::basis::Basis;
use super::derive::derive;
use super::objects::{self, AtMost, Folded, Order};
use super::outlook::{Outlook, outlook};
use super::wanted::Wanted;
use super::world::World;
use crate::api::conditions::{Reason, Verdict};
use crate::api::live_resource_access::Secrets;
use crate::api::live_status::AgentInstanceStatus;
use crate::api::status::Change;
use crate::api::{LiveResourceAccess, Mode, is_held};
use crate::argocd::ARGOCD_CM;
use crate::reconcile::clock::Clock;
use crate::reconcile::contests::Look;
use crate::reconcile::plan::{Applied, OBSERVED, Prepared, observed, step};
use crate::reconcile::seen::data;
use crate::reconcile::unreadable::Unreadable;
use crate::reconcile::write::{Direction, Kind, Write};
use crate::reconcile::{declared, finalizer};

/// The next step for one agent.
#[derive(Debug, Clone)]
pub struct Plan<State = Prepared> {
    /// The writes, in their order.
    pub writes: Vec<Write>,
    /// What is to be said of each object, by age.
    pub outlooks: Vec<Outlook>,
    /// Objects that cannot be parsed.
    pub unreadable: Vec<Unreadable>,
    /// The agent as found.
    pub instance: AgentInstanceStatus,
    /// What all objects together give.
    pub union: Wanted,
    /// When the plan will be another one, if nothing but time passes.
    pub next: Option<jiff::Timestamp>,
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
        &[]
    }

    fn unreadable(&self) -> &[Unreadable] {
        &self.unreadable
    }

    fn is_still_declared<'a>(&self, objects: impl Iterator<Item = &'a ObjectMeta>, argocd_cm: Option<&ObjectMeta>, now: jiff::Timestamp) -> bool {
        let counted = self.outlooks.iter().filter(|o| o.effective).map(|o| &o.access.metadata);
        declared::still(counted, self.next, objects, argocd_cm, now)
    }

    fn applied(self) -> Plan<Applied> {
        let Self { writes, outlooks, unreadable, instance, union, next, unseen, state: _ } = self;
        Plan { writes, outlooks, unreadable, instance, union, next, unseen, state: PhantomData }
    }
}

/// What the objects that count come to.
pub(super) struct Sum<'a> {
    pub(super) basis: Basis<'a>,
    /// What each object gives, by its place among the cases.
    pub(super) derived: BTreeMap<usize, Wanted>,
    pub(super) union: Wanted,
    pub(super) folded: Folded,
}

/// Makes the plan for this time.
#[must_use]
pub fn plan(world: &World, now: jiff::Timestamp) -> Plan<Prepared> {
    let clock = Clock::new(now, world.server_ahead);
    let world = &*world.at(clock);
    let mut cases = admission::judge(world, clock);
    let in_time = |case: &&Case| case.standing || case.active.reason == Reason::Observing;
    let looks = cases.iter().filter(in_time).filter_map(|case| case.grant.as_ref()?.times.next_look(clock));
    let next = looks.chain(world.unreadable.iter().filter_map(|u| u.next_look(clock))).min();
    let basis = Basis::of(world, &mut cases);
    let finalizers = add_finalizers(&mut cases);
    let sum = sum(world, &cases, basis);
    let observed = observe(world, &cases, &sum);
    let held = hold(world, &sum.basis);
    let stuck = stuck(world, &sum, &cases);
    let all = &sum.folded.wanted.writes;
    let wanted: Vec<Write> = all.iter().filter(|w| may_be_sent(world, w, held.as_ref())).cloned().collect();
    // What is kept back counts: an object whose rights stay for whatever reason is not let go. Blind, it is not known which they are.
    let blind = sum.basis.is_blind() && cases.iter().any(|c| c.effective);
    let withdrawn = world.in_sight() && !blind && all.iter().all(|w| w.direction == Direction::Widen);
    let releases = cases.iter().map(|c| &c.access.metadata).chain(world.unreadable.iter().map(|u| &u.metadata));
    let releases = releases.filter(|meta| is_released(world, meta, withdrawn)).map(|meta| finalizer::drop(Kind::LiveResourceAccess, meta)).collect();
    let outlooks = cases
        .iter()
        .enumerate()
        .map(|(index, case)| outlook(world, &sum, (held.as_ref(), stuck.as_ref()), (index, case), clock, observed.get(&index)))
        .collect();
    Plan {
        writes: step(wanted, finalizers, releases),
        outlooks,
        unreadable: world.unreadable.clone(),
        instance: found(world, &sum.basis),
        union: sum.union,
        next,
        unseen: world.unseen(),
        state: PhantomData,
    }
}

/// The finalizer comes before the first shared write: an object without it does not take effect yet.
fn add_finalizers(cases: &mut [Case]) -> Vec<Write> {
    let mut writes = Vec::new();
    for case in cases.iter_mut().filter(|c| c.standing && !is_held(&c.access.metadata)) {
        case.standing = false;
        case.effective = false;
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
fn hold(world: &World, basis: &Basis<'_>) -> Option<Verdict> {
    if let Err(not_seen) = &world.argocd_cm {
        let message = format!("nothing is given while it cannot be seen whether {ARGOCD_CM} stops everything: {not_seen}");
        return Some(Verdict::unknown(Reason::NotReadable, message));
    }
    basis.seen.as_ref().err().filter(|_| !basis.is_idle()).cloned()
}

/// While an object that cannot be parsed keeps what it has, nothing is taken away where that may be: nobody knows what of it is its.
fn may_be_sent(world: &World, write: &Write, held: Option<&Verdict>) -> bool {
    if write.direction == Direction::Widen { held.is_none() } else { !world.is_frozen_in(write.target.namespace.as_deref()) }
}

/// Why something may stand that an object had which does not take effect any more.
fn stuck(world: &World, sum: &Sum<'_>, cases: &[Case]) -> Option<Verdict> {
    let keeps = |write: &Write| write.direction != Direction::Widen && !may_be_sent(world, write, None);
    if sum.folded.wanted.writes.iter().any(keeps) {
        let message = "what it had may still stand: beside it an object that this version cannot read keeps what it has, and whose a right is cannot be told; mend or delete that object";
        return Some(Verdict::unknown(Reason::Pending, message));
    }
    let blind = sum.basis.is_blind() && cases.iter().any(|c| c.effective);
    let why = || sum.basis.seen.as_ref().err().map(|v| v.message.clone()).unwrap_or_default();
    blind
        .then(|| Verdict::unknown(Reason::SettingsUnreadable, format!("what it had may still stand, since what others need is not known: {}", why())))
}

fn sum<'a>(world: &'a World, cases: &[Case], basis: Basis<'a>) -> Sum<'a> {
    let mut derived = BTreeMap::new();
    let (mut union, mut kept) = (Wanted::default(), Wanted::default());
    if let (Ok(parts), true) = (&basis.seen, basis.is_served()) {
        let mut observers = 0;
        for (index, case) in cases.iter().enumerate() {
            let observing = case.active.reason == Reason::Observing && observers < OBSERVED;
            observers += usize::from(observing);
            let Some(grant) = case.grant.as_ref().filter(|_| case.standing || observing) else { continue };
            let wanted = derive(grant, parts.sight());
            if case.standing {
                kept.unite(&wanted);
            }
            if case.effective {
                union.unite(&wanted);
            }
            derived.insert(index, wanted);
        }
    }
    let folded = fold(world, cases, &basis, &union, &kept);
    Sum { basis, derived, union, folded }
}

fn fold(world: &World, cases: &[Case], basis: &Basis<'_>, union: &Wanted, kept: &Wanted) -> Folded {
    // Without sight of what decides, no more than what nobody declares is taken away.
    let at_most = at_most(cases);
    let blind = basis.is_blind() && !at_most.features.is_empty();
    let service_account = basis.agent.as_ref().map(|agent| agent.service_account.as_str());
    objects::fold(world, Order { wanted: union, kept, service_account, at_most: blind.then_some(&at_most) })
}

/// The most that the objects in effect can ask for, whatever the Applications are.
fn at_most(cases: &[Case]) -> AtMost {
    let mut most = AtMost::default();
    for grant in cases.iter().filter(|c| c.effective).filter_map(|c| c.grant.as_ref()).flat_map(|g| &g.grants) {
        most.features.extend(grant.features.iter().copied());
        most.secrets |= grant.secrets != Secrets::None;
        most.cluster |= grant.cluster_scoped;
    }
    most
}

/// What each observing object would change: what there is to change with it, without what there is to change anyway.
fn observe(world: &World, cases: &[Case], sum: &Sum<'_>) -> BTreeMap<usize, Vec<Change>> {
    let observing = |case: &Case| case.grant.is_some() && case.access.spec.mode == Mode::Observe && case.active.reason == Reason::Observing;
    let changes_with = |(index, _): (usize, &Case)| {
        let mut union = sum.union.clone();
        if let Some(wanted) = sum.derived.get(&index) {
            union.unite(wanted);
        }
        let with = fold(world, cases, &sum.basis, &union, &union).wanted.changes;
        (index, observed(with, &sum.folded.wanted.changes))
    };
    cases.iter().enumerate().filter(|(_, case)| observing(case)).take(OBSERVED).map(changes_with).collect()
}

fn found(world: &World, basis: &Basis<'_>) -> AgentInstanceStatus {
    let agent = basis.agent.as_ref();
    let settings = world.argocd_cm.as_ref().ok().map(|cm| data(cm.as_deref()));
    AgentInstanceStatus {
        installer: agent.map(|a| a.installer.to_owned()),
        deployment: agent.map(|a| a.deployment.clone()),
        service_account: agent.map(|a| a.service_account.clone()),
        agent_version: agent.and_then(|a| a.version.clone()),
        agent_mode: agent.and_then(|a| a.managed).map(|managed| if managed { "Managed" } else { "Autonomous" }.to_owned()),
        mapping: agent.and_then(|a| a.by_destination).map(|by| if by { "Destination" } else { "Namespace" }.to_owned()),
        tracking: settings.map(|settings| super::agent::tracking(Some(settings)).to_owned()),
        kubernetes_version: world.kubernetes_version.clone(),
    }
}
