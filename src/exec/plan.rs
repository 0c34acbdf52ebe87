//! The plan: one pure function from what is seen to the next writes and to what is to be said. Pure.
//!
//! A plan holds one step: as long as anything is to be taken away it holds only that; then what a grant needs beforehand; then what
//! is given. The caller applies it, looks again, and plans again, until there is nothing to write. So the order "all narrowing before
//! all widening" holds without being kept anywhere.

use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::admission::{self, Case};
use super::by_name::ByName;
use super::confinement::{self, Confinement};
use super::debts::{self, Debt};
use super::exclusive::Others;
use super::hold::Hold;
use super::ingress::IngressOutlook;
use super::policy::PolicyOutlook;
use super::server::ServerOutlook;
use super::sessions::{self, Remaining};
use super::world::{Unreadable, World};
use super::{flag, ingress, policy, project, remote_proof, restart, server};
use crate::api::conditions::{Reason, Verdict};
use crate::api::status::{Change, InstanceStatus, UndeclaredGrant};
use crate::api::{ExecAccess, Mode, Text, is_held};
use crate::argocd::instance;
use crate::reconcile::clock::{self, Clock};
use crate::reconcile::contests::Look;
use crate::reconcile::plan::{Applied, OBSERVED, Prepared, observed, step};
use crate::reconcile::seen::uid;
use crate::reconcile::time::Times;
use crate::reconcile::write::{Action, Direction, Kind, Layer, Wanted, Write};
use crate::reconcile::{declared, finalizer};

/// The next step for one instance.
#[derive(Debug, Clone)]
pub struct Plan<State = Prepared> {
    /// The writes, in their order.
    pub writes: Vec<Write>,
    /// What is to be said of each object, by age.
    pub outlooks: Vec<Outlook>,
    /// Objects that cannot be parsed.
    pub unreadable: Vec<Unreadable>,
    /// The instance as found.
    pub instance: InstanceStatus,
    /// When the plan will be another one, if nothing but time passes.
    pub next: Option<jiff::Timestamp>,
    /// What was seen of values that somebody else may rewrite.
    pub looks: Vec<Look>,
    state: PhantomData<State>,
}

impl declared::Plan for Plan<Prepared> {
    type Object = ExecAccess;
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
        let counted = self.outlooks.iter().filter(|o| o.effective || o.flag.is_some()).map(|o| &o.access.metadata);
        declared::still(counted, self.next, objects, argocd_cm, now)
    }

    fn applied(self) -> Plan<Applied> {
        let Self { writes, outlooks, unreadable, instance, next, looks, state: _ } = self;
        Plan { writes, outlooks, unreadable, instance, next, looks, state: PhantomData }
    }
}

/// What is to be said of one object, apart from what only a review can prove.
#[derive(Debug, Clone)]
pub struct Outlook {
    /// The object.
    pub access: Arc<ExecAccess>,
    /// Whether it takes effect.
    pub effective: bool,
    /// `Accepted`.
    pub accepted: Verdict,
    /// `Active`.
    pub active: Verdict,
    /// `PolicyApplied`, and what stands there.
    pub policy: Option<PolicyOutlook>,
    /// What `ServerAuthorized` will rest on.
    pub server: Option<ServerOutlook>,
    /// `ExecEnabled`.
    pub flag: Option<Verdict>,
    /// `IngressReady`, and what was set where.
    pub ingress: Option<IngressOutlook>,
    /// `Exclusive`.
    pub exclusive: Option<Verdict>,
    /// Who else may open terminals, and how many there are in all.
    pub undeclared: Option<(Arc<[UndeclaredGrant]>, usize)>,
    /// `Confined`.
    pub confined: Option<Verdict>,
    /// `ClockSynced`, for an object with time limits.
    pub clock: Option<Verdict>,
    /// When the access opens, closes or expires next.
    pub next_transition: Option<jiff::Timestamp>,
    /// Since when terminals from before a withdrawal may still be open.
    pub sessions_may_remain: Option<jiff::Timestamp>,
    /// In Observe mode: what would change.
    pub changes: Vec<Change>,
    /// Where something is set for it.
    pub set: Vec<Text>,
    /// When it is to hold nothing any more: what cannot be handed back.
    pub debt: Option<Debt>,
}

/// Makes the plan for this time.
#[must_use]
pub fn plan(world: &World, now: jiff::Timestamp) -> Plan<Prepared> {
    let clock = Clock::new(now, world.server_ahead);
    let world = &*world.at(clock);
    let others = Others::of(world);
    let mut cases = admission::judge(world, &others, clock);
    let next = next_look(world, &cases, clock);
    let finalizers = add_finalizers(&mut cases);
    let mut folded = fold(world, &cases, &others, now);
    let withdrawn = !folded.wanted.writes.iter().any(|w| is_waited_for(world, w));
    let ending = world.ending();
    let released = |(index, case): (usize, &Case)| {
        let going = case.access.metadata.deletion_timestamp.is_some() || ending;
        if going && is_held(&case.access.metadata) { release(world, case, &folded.debts, folded.remaining.get(&index)) } else { None }
    };
    let mut releases: Vec<Write> = if withdrawn { cases.iter().enumerate().filter_map(released).collect() } else { abandoned(&cases) };
    releases.extend(world.unreadable.iter().filter_map(|unreadable| release_unreadable(world, unreadable, withdrawn)));
    let observed = observe(world, &cases, &folded, &others, now);
    let next = next.into_iter().chain(folded.confinement.next).min();
    let outlooks = outlooks(world, &cases, &mut folded, &others, clock, observed);
    Plan {
        writes: step(folded.wanted.writes, finalizers, releases),
        outlooks,
        unreadable: world.unreadable.clone(),
        instance: found(world),
        next,
        looks: folded.wanted.looks,
        state: PhantomData,
    }
}

/// Whether an object that is to go has to wait for a write. What confines argocd-server goes before the last object does; only in a
/// namespace that is being deleted, where the operator's own rights may go first, nothing waits for it.
fn is_waited_for(world: &World, write: &Write) -> bool {
    match (write.layer, &write.action) {
        (Layer::Confinement, Action::Delete { .. }) => !world.is_going(world.namespace()),
        (Layer::Confinement, _) => false,
        _ => write.direction != Direction::Widen,
    }
}

/// When the plan may be another one, if nothing but time passes.
fn next_look(world: &World, cases: &[Case], clock: Clock) -> Option<jiff::Timestamp> {
    let in_time = |case: &&Case| case.standing || case.active.reason == Reason::Observing;
    let accesses = cases.iter().filter(in_time).filter_map(|case| case.grant.as_ref()?.times.next_look(clock));
    accesses.chain(world.unreadable.iter().filter_map(|u| u.next_look(clock))).min()
}

/// The finalizer comes before the first shared write: an object without it does not take effect yet.
fn add_finalizers(cases: &mut [Case]) -> Vec<Write> {
    let mut writes = Vec::new();
    for case in cases.iter_mut().filter(|c| c.standing && !is_held(&c.access.metadata)) {
        case.standing = false;
        case.effective = false;
        case.active = Verdict::no(Reason::Pending, "the finalizer is set first");
        writes.push(finalizer::add(Kind::ExecAccess, &case.access.metadata));
    }
    writes
}

/// Drops the finalizer of an object that is going, and whose access is gone. One that is suspended or expired keeps it, although it
/// holds nothing: it may be resumed or prolonged, what cannot be seen now may turn out to be there, and its deletion may ask for a restart.
fn release(world: &World, case: &Case, debts: &BTreeMap<String, Debt>, remaining: Option<&jiff::Timestamp>) -> Option<Write> {
    let owes = debts.contains_key(uid(&case.access.metadata)) || sessions::awaits_restart(world, case, remaining);
    (!owes || finalizer::is_abandoned(&case.access.metadata)).then(|| finalizer::drop(Kind::ExecAccess, &case.access.metadata))
}

/// Objects that are let go although something could not be handed back.
fn abandoned(cases: &[Case]) -> Vec<Write> {
    let going = cases
        .iter()
        .filter(|c| c.access.metadata.deletion_timestamp.is_some() && is_held(&c.access.metadata) && finalizer::is_abandoned(&c.access.metadata));
    going.map(|c| finalizer::drop(Kind::ExecAccess, &c.access.metadata)).collect()
}

/// Drops the finalizer of an object that cannot be parsed. What it had is not known either, so everything must be in sight.
fn release_unreadable(world: &World, unreadable: &Unreadable, withdrawn: bool) -> Option<Write> {
    let metadata = &unreadable.metadata;
    let deleted = metadata.deletion_timestamp.is_some();
    let done = (deleted || world.ending()) && withdrawn && world.in_sight();
    (is_held(metadata) && (done || (deleted && finalizer::is_abandoned(metadata)))).then(|| finalizer::drop(Kind::ExecAccess, metadata))
}

/// All layers, folded.
pub(super) struct Folded {
    pub(super) wanted: Wanted,
    policy: BTreeMap<usize, PolicyOutlook>,
    server: BTreeMap<usize, ServerOutlook>,
    ingress: BTreeMap<usize, IngressOutlook>,
    flag: Verdict,
    confinement: Confinement,
    debts: BTreeMap<String, Debt>,
    remaining: Remaining,
}

pub(super) fn fold(world: &World, cases: &[Case], others: &Others<'_>, now: jiff::Timestamp) -> Folded {
    let at = now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let sorted = ByName::of(world);
    let mut reaches = server::reaches(world, &sorted, cases);
    let debts = debts::debts(world, cases);
    let mut confinement = confinement::fold(world, cases, &mut reaches, &debts, now);
    let (policy_wanted, mut policy) = policy::fold(world, &sorted, cases);
    let (project_wanted, in_projects) = project::fold(world, &sorted, cases);
    policy.extend(in_projects);
    let (server_wanted, mut server) = server::fold(world, reaches);
    remote_proof::complete(world, cases, Clock::new(now, world.server_ahead), &mut server);
    let (ingress_wanted, mut ingress) = ingress::fold(world, cases, &at);
    let (flag_wanted, mut flag) = flag::fold(world, cases, &at);
    let hold = Hold::of(world, others, confinement.hold.as_ref());
    hold.say(&mut policy, &mut server, &mut flag, &mut ingress);
    let mut wanted = Wanted::default();
    let confined = std::mem::take(&mut confinement.wanted);
    for Wanted { writes, changes, looks } in [confined, policy_wanted, project_wanted, server_wanted, ingress_wanted, flag_wanted] {
        wanted.writes.extend(hold.writes(writes));
        wanted.changes.extend(changes);
        wanted.looks.extend(looks);
    }
    let remaining = sessions::remaining(world, cases, &server, now);
    sessions::restart(world, cases, &remaining, &at, &mut wanted);
    if !wanted.writes.iter().any(|w| w.target.kind == Kind::Deployment) {
        wanted.writes.extend(restart::disown(world));
    }
    Folded { wanted, policy, server, ingress, flag, confinement, debts, remaining }
}

/// What each observing object would change: the plan with it minus the plan without it.
fn observe(world: &World, cases: &[Case], without: &Folded, others: &Others<'_>, now: jiff::Timestamp) -> BTreeMap<usize, Vec<Change>> {
    let observing = |case: &Case| case.grant.is_some() && case.access.spec.mode == Mode::Observe && case.active.reason == Reason::Observing;
    let indices: Vec<usize> = cases.iter().enumerate().filter(|(_, c)| observing(c)).map(|(i, _)| i).collect();
    let changes_with = |index: usize| {
        let mut with: Vec<Case> = cases.to_vec();
        if let Some(case) = with.get_mut(index) {
            case.standing = true;
            case.effective = true;
        }
        (index, observed(fold(world, &with, others, now).wanted.changes, &without.wanted.changes))
    };
    // The oldest are answered.
    indices.into_iter().take(OBSERVED).map(changes_with).collect()
}

/// What the layers say of each object is taken out of what is folded.
fn outlooks(
    world: &World,
    cases: &[Case],
    folded: &mut Folded,
    others: &Others<'_>,
    clock: Clock,
    mut observed: BTreeMap<usize, Vec<Change>>,
) -> Vec<Outlook> {
    let exclusive = if cases.is_empty() { None } else { Some(others.look()) };
    let places = debts::Places::of(world);
    let outlook = |(index, case): (usize, &Case)| {
        let server = folded.server.remove(&index);
        let reach = server.as_ref().map(|server| &server.reach);
        Outlook {
            access: Arc::clone(&case.access),
            effective: case.effective,
            accepted: case.accepted.clone(),
            active: with_remark(case.active.clone(), sessions::remark(world, case, folded.remaining.get(&index))),
            policy: folded.policy.remove(&index),
            flag: case.standing.then(|| folded.flag.clone()),
            ingress: folded.ingress.remove(&index),
            exclusive: exclusive.as_ref().map(|e| e.verdict.clone()),
            undeclared: exclusive.as_ref().and_then(|e| e.undeclared.clone()),
            confined: Some(folded.confinement.verdict(reach)),
            clock: limits(case).map(|_| clock::verdict(world.server_ahead)),
            next_transition: limits(case).filter(|_| case.standing).and_then(|times| times.next_transition(clock)),
            sessions_may_remain: folded.remaining.get(&index).copied(),
            changes: observed.remove(&index).unwrap_or_default(),
            set: places.set(case, reach),
            debt: folded.debts.get(uid(&case.access.metadata)).cloned(),
            server,
        }
    };
    cases.iter().enumerate().map(outlook).collect()
}

/// The limits in time of an accepted object that has such.
fn limits(case: &Case) -> Option<&Times> {
    case.grant.as_ref().map(|grant| &grant.times).filter(|times| times.is_limited())
}

fn with_remark(verdict: Verdict, remark: Option<String>) -> Verdict {
    match remark {
        Some(remark) => Verdict { message: format!("{}; {remark}", verdict.message), ..verdict },
        None => verdict,
    }
}

/// The instance as found.
fn found(world: &World) -> InstanceStatus {
    let server = world.server().ok().and_then(Result::ok);
    let deployment =
        server.as_ref().and_then(|s| world.deployments.as_ref().ok()?.iter().find(|d| d.metadata.name.as_deref() == Some(s.deployment.as_str())));
    InstanceStatus {
        argocd_version: server.as_ref().and_then(|s| s.version.as_deref().map(Text::from)),
        kubernetes_version: world.kubernetes_version.as_deref().map(Text::from),
        installer: deployment.map(|d| instance::installer(d).into()),
        deployment: server.as_ref().map(|s| s.deployment.as_str().into()),
        service_account: server.map(|s| s.service_account.into()),
    }
}
