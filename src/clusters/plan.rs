//! The plan for one remote cluster: from what is seen to the next writes, to what is to be asked there, and to what is to be said. Pure.
//!
//! As for the other resources, a plan holds one step: as long as anything is to be taken away it holds only that. A token is made between
//! two plans ([`Plan::mint`]); the next one writes it.

use std::collections::{BTreeMap, BTreeSet};
use std::marker::PhantomData;
use std::sync::Arc;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::admission::{self, Case};
use super::aws::outlook::Subject;
use super::bindings::{self, Desired};
use super::cluster_secret::{self, Wish};
use super::grant::{Credential, Grant};
use super::identity;
use super::names::{EXEC, SYNC};
use super::needs::{Needs, needs};
use super::outlook::{self, Outlook};
use super::proof::{self, Declared, Judged, Proof};
use super::remote::Remote;
use super::rights::Roles;
use super::roles;
use super::tokens::{self, Order};
use super::world::World;
use crate::api::cluster_access::{Authority, Scope};
use crate::api::conditions::{Reason, Verdict};
use crate::api::status::Change;
use crate::api::{ClusterAccess, FORGET_REMOTE, Mode, is_held};
use crate::reconcile::clock::Clock;
use crate::reconcile::contests::Look;
use crate::reconcile::plan::{Applied, Prepared, observed, step};
use crate::reconcile::unreadable::Unreadable;
use crate::reconcile::write::{Direction, Kind, Layer, Target, Wanted, Write};
use crate::reconcile::{declared, finalizer};

/// The next step for one cluster.
#[derive(Debug, Clone)]
pub struct Plan<State = Prepared> {
    /// The writes, in their order.
    pub writes: Vec<Write>,
    /// What is to be said of the object; one, or none where it is gone.
    pub outlooks: Vec<Outlook>,
    /// It, where it cannot be parsed.
    pub unreadable: Vec<Unreadable>,
    /// The token that is to be made for Argo CD.
    pub mint: Option<Order>,
    /// The token that is to be made for the operator itself.
    pub own: Option<Order>,
    /// What is to be proven with the credential.
    pub prove: Option<Ask>,
    /// When the plan will be another one, if nothing but time passes.
    pub next: Option<Timestamp>,
    /// What was seen of values that somebody else may rewrite.
    pub looks: Vec<Look>,
    /// What cannot be seen, so that it is not known whether something of ours is left.
    pub unseen: BTreeSet<String>,
    state: PhantomData<State>,
}

/// What is to be proven: in which places, and which single rights where an authorizer does not list its rules.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ask {
    /// By place.
    pub places: BTreeMap<String, proof::Asked>,
    /// The user and group that are asked about; none: the credential asks about itself.
    pub group: Option<(String, String)>,
}

impl declared::Plan for Plan<Prepared> {
    type Object = ClusterAccess;
    type Applied = Plan<Applied>;

    fn writes(&self) -> &[Write] {
        &self.writes
    }

    fn retain(&mut self, keep: impl FnMut(&Write) -> bool) {
        self.writes.retain(keep);
    }

    fn next(&self) -> Option<Timestamp> {
        self.next
    }

    fn looks(&self) -> &[Look] {
        &self.looks
    }

    fn unreadable(&self) -> &[Unreadable] {
        &self.unreadable
    }

    fn is_still_declared<'a>(&self, objects: impl Iterator<Item = &'a ObjectMeta>, argocd_cm: Option<&ObjectMeta>, now: Timestamp) -> bool {
        let counted = self.outlooks.iter().filter(|o| o.kept).map(|o| &o.access.metadata);
        declared::still(counted, self.next, objects, argocd_cm, now)
    }

    fn applied(self) -> Plan<Applied> {
        let Self { writes, outlooks, unreadable, mint, own, prove, next, looks, unseen, state: _ } = self;
        Plan { writes, outlooks, unreadable, mint, own, prove, next, looks, unseen, state: PhantomData }
    }
}

/// What everything comes to.
#[derive(Clone, Debug, Default)]
pub(super) struct Sum {
    pub(super) wanted: Wanted,
    pub(super) desired: Desired,
    pub(super) needs: Needs,
    pub(super) bindings: bindings::Folded,
    pub(super) roles: roles::Folded,
    pub(super) judged: Option<Judged>,
    pub(super) credential: Option<tokens::Folded>,
    pub(super) secret: Option<cluster_secret::Folded>,
    pub(super) aws: Option<identity::Folded>,
    pub(super) mint: Option<Order>,
    pub(super) own: tokens::Own,
    pub(super) prove: Option<Ask>,
    /// What is left to be taken away, also where it cannot be reached now.
    pub(super) left: BTreeSet<Target>,
    /// Why it is not known whether something is left.
    pub(super) blind: Option<Verdict>,
}

/// Makes the plan for this time.
#[must_use]
pub fn plan(world: &World, now: Timestamp) -> Plan<Prepared> {
    let clock = Clock::new(now, world.exec.server_ahead);
    let unreadable = Unreadable::all_at(&world.unreadable, clock).unwrap_or_else(|| world.unreadable.clone());
    let mut plan = Plan {
        writes: Vec::new(),
        outlooks: Vec::new(),
        mint: None,
        own: None,
        prove: None,
        next: unreadable.iter().filter_map(|u| u.next_look(clock)).min(),
        looks: Vec::new(),
        unseen: BTreeSet::new(),
        state: PhantomData,
        unreadable,
    };
    let Some(access) = world.accesses.first() else {
        // What cannot be parsed cannot be taken away either: it is not known where it is. A person may let it go.
        let gone = plan.unreadable.iter().map(|u| &u.metadata).filter(|meta| meta.deletion_timestamp.is_some() && is_held(meta));
        plan.writes = gone.filter(|meta| finalizer::is_abandoned(meta)).map(|meta| finalizer::drop(Kind::ClusterAccess, meta)).collect();
        return plan;
    };
    let mut case = admission::judge(world, access, clock);
    let finalizers = add_finalizer(world, &mut case);
    let sum = sum(world, &case, clock);
    let changes = observe(world, &case, &sum, clock);
    let held = hold(world);
    let is_held = is_held(&case.access.metadata);
    let may_be_sent = |w: &&Write| is_held && (w.direction != Direction::Widen || held.is_none());
    let wanted: Vec<Write> = sum.wanted.writes.iter().filter(may_be_sent).cloned().collect();
    let releases = if is_released(&case, &sum) { vec![finalizer::drop(Kind::ClusterAccess, &case.access.metadata)] } else { Vec::new() };
    plan.writes = step(wanted, finalizers, releases);
    // A token is made only when what it takes is written.
    let ready = plan.writes.is_empty() && held.is_none() && is_held;
    plan.mint = sum.mint.clone().filter(|_| ready);
    plan.own = sum.own.mint.clone().filter(|_| ready);
    plan.prove.clone_from(&sum.prove);
    let times = case.grant.as_ref().filter(|_| !case.going).and_then(|grant| grant.times.next_look(clock));
    let life = sum.credential.as_ref().and_then(|folded| folded.life.next);
    plan.next = [times, life, sum.needs.next, sum.own.next].into_iter().flatten().chain(plan.next).filter(|next| *next > now).min();
    plan.unseen = sum.blind.iter().filter(|_| case.going).map(|blind| blind.message.clone()).collect();
    plan.outlooks = vec![outlook::outlook(world, &case, &sum, held.as_ref(), clock, changes)];
    plan
}

/// The finalizer comes before the first write: an object without it does not take effect yet. It comes only once the remote cluster answers
/// (or there is something to put out for AWS): an object of which nothing is anywhere can be deleted as it is.
fn add_finalizer(world: &World, case: &mut Case) -> Vec<Write> {
    if !case.kept || is_held(&case.access.metadata) || (world.remote.is_err() && case.access.spec.aws.is_none()) {
        return Vec::new();
    }
    (case.kept, case.effective) = (false, false);
    case.active = Verdict::no(Reason::Pending, "the finalizer is set first");
    vec![finalizer::add(Kind::ClusterAccess, &case.access.metadata)]
}

/// Why nothing is given now although it is declared.
fn hold(world: &World) -> Option<Verdict> {
    let not_seen = world.argocd_cm().as_ref().err()?;
    Some(Verdict::unknown(Reason::NotReadable, format!("nothing is given while it cannot be seen whether everything is stopped: {not_seen}")))
}

/// Whether an object lets go of a remote cluster that does not answer.
#[must_use]
pub fn is_forgotten(metadata: &ObjectMeta) -> bool {
    metadata.annotations.as_ref().is_some_and(|all| all.get(FORGET_REMOTE).is_some_and(|value| value == "true"))
}

/// Drops the finalizer of an object that is to go, once everything of it is gone.
fn is_released(case: &Case, sum: &Sum) -> bool {
    let meta = &case.access.metadata;
    let abandoned = meta.deletion_timestamp.is_some() && finalizer::is_abandoned(meta);
    is_held(meta) && ((case.going && sum.left.is_empty() && sum.blind.is_none()) || abandoned)
}

pub(super) fn sum(world: &World, case: &Case, clock: Clock) -> Sum {
    match &case.grant {
        Some(grant) if case.kept => keep(world, case, grant, clock),
        _ => withdraw(world, case, clock),
    }
}

/// What it takes to keep the cluster. While its permissions are not in effect there are no bindings; the credential stays.
fn keep(world: &World, case: &Case, grant: &Grant, clock: Clock) -> Sum {
    let mut sum = Sum { needs: needs(&world.exec, grant, clock), aws: identity::fold(world, case, clock), ..Sum::default() };
    sum.wanted.add(sum.aws.as_mut().map(|folded| std::mem::take(&mut folded.wanted)).unwrap_or_default());
    let identity = sum.aws.as_ref().and_then(|folded| folded.outlook.as_ref());
    let (config, subject) = (identity.and_then(|aws| aws.config.clone()), identity.and_then(|aws| aws.subject.clone()));
    let wish_of = |folded: Option<&tokens::Folded>, remote: &Remote| {
        let minted = folded.and_then(|folded| tokens::minted(world, &folded.life, remote)).cloned();
        let none = folded.filter(|folded| !folded.life.state.is_usable()).map(|folded| folded.verdict.clone());
        (minted, none)
    };
    let (remote, reachable) = match &world.remote {
        Ok(remote) => (Arc::clone(remote), true),
        Err(_) => (Arc::default(), false),
    };
    let mut proven = BTreeSet::new();
    let mut open = grant.permissions.namespaces.names.iter().cloned().collect::<BTreeSet<_>>();
    let (mut minted, mut none) = (None, None);
    if reachable {
        let wanted = roles::wanted(grant, &remote);
        sum.desired = bindings::desired(grant, &sum.needs, &remote);
        sum.roles = roles::fold(grant, wanted.as_ref(), &remote, world.namespace());
        let managed = grant.authority == Authority::Manage;
        let mut bound: BTreeSet<Target> = if case.effective { sum.desired.bindings.clone() } else { BTreeSet::new() };
        bound.retain(|target| managed || sum.roles.usable.contains(&target.name.as_str()));
        let keep_exec = case.effective && sum.needs.unsure;
        let bound_to = grant.subject();
        sum.bindings = if grant.authority == Authority::None {
            // Others keep the rights; what was ours before that was declared goes.
            bindings::fold(&remote, &grant.id.owner, None, &BTreeSet::new(), false)
        } else {
            bindings::fold(&remote, &grant.id.owner, bound_to, &bound, keep_exec)
        };
        sum.wanted.add(std::mem::take(&mut sum.roles.wanted));
        sum.wanted.add(std::mem::take(&mut sum.bindings.wanted));
        if let Credential::Token(token) = &grant.credential {
            let mut folded = tokens::keep(world, grant, token, &remote, clock.now);
            sum.wanted.add(std::mem::take(&mut folded.wanted));
            sum.mint.clone_from(&folded.mint);
            (minted, none) = wish_of(Some(&folded), &remote);
            sum.credential = Some(folded);
        }
        sum.own = tokens::own(world, &grant.id, &remote, clock.now);
        sum.wanted.writes.extend(std::mem::take(&mut sum.own.writes));
        let least = least(grant, wanted.as_ref(), &remote);
        let exec: BTreeSet<String> = sum.desired.exec.keys().cloned().collect();
        if let Some(wanted) = wanted.filter(|_| case.effective) {
            let declared = Declared {
                permissions: &grant.permissions,
                wanted: &wanted,
                least: &least,
                namespaces: &sum.desired.namespaces,
                wide: grant.permissions.scope == Scope::Cluster,
                exec: &exec,
            };
            let reviewed = matches!(grant.credential, Credential::Eks(_));
            // Without an identity there is nothing to be reviewed.
            sum.prove = (!reviewed || subject.is_some()).then(|| ask(&declared, subject.as_ref()));
            let proof = proof_of(world, minted.is_some());
            sum.judged = proof.map(|proof| proof::judge(&declared, &proof));
        } else if matches!(grant.credential, Credential::Token(_) | Credential::Existing) {
            // Outside of its times it is looked at what the credential can do all the same: nothing.
            sum.prove = Some(Ask::default());
        }
        let is_proven = |namespace: &&String| sum.found(namespace).and_then(|found| found.deploy);
        proven = sum.desired.namespaces.iter().filter(|n| is_proven(n) == Some(true)).cloned().collect();
        open = sum.desired.namespaces.iter().filter(|n| is_proven(n).is_none()).cloned().collect();
        // One whose binding is only now to come is not in the Secret before it is proven.
        if !case.effective {
            open.clone_from(&sum.desired.namespaces);
        }
    }
    let absent = Verdict::unknown(Reason::Pending, "the remote cluster has not been reached yet");
    let none = none.or_else(|| (!reachable).then(|| world.remote.as_ref().err().cloned().unwrap_or(absent)));
    let is_token = matches!(grant.credential, Credential::Token(_));
    let wish = match (&minted, &none) {
        (Some(claims), _) => Wish::Minted(claims),
        (None, Some(why)) if is_token && tokens::current(world).is_none() => Wish::None(why),
        _ => Wish::Kept,
    };
    let mut secret = cluster_secret::keep(world, grant, wish, config.as_ref(), (&proven, &open));
    sum.wanted.add(std::mem::take(&mut secret.wanted));
    sum.secret = Some(secret);
    sum
}

impl Sum {
    /// What was found in a namespace, or everywhere.
    pub(super) fn found(&self, namespace: &str) -> Option<proof::Found> {
        self.judged.as_ref()?.places.get(namespace).copied()
    }
}

/// The proof that counts: that of the token that is about to be written, or of the one that is there.
fn proof_of(world: &World, minted: bool) -> Option<Arc<Proof>> {
    let made = world.minted.as_ref().filter(|_| minted).map(|minted| Arc::clone(&minted.proof));
    made.or_else(|| world.proof.as_ref()?.as_ref().ok().cloned())
}

/// What must be held so that Argo CD looks at a namespace: what the role is there, or, where others keep the rights, should be.
fn least(grant: &Grant, wanted: Option<&Roles>, remote: &Remote) -> Vec<k8s_openapi::api::rbac::v1::PolicyRule> {
    if grant.authority == Authority::None {
        return wanted.map(|roles| roles.rules(SYNC)).unwrap_or_default();
    }
    remote.roles.get(SYNC).and_then(|role| role.rules.clone()).unwrap_or_default()
}

fn ask(declared: &Declared<'_>, subject: Option<&Subject>) -> Ask {
    let places = proof::places(declared).into_iter().map(|place| (place.clone(), proof::asked(declared, &place))).collect();
    Ask { places, group: subject.map(|subject| (subject.user.clone(), subject.group.clone())) }
}

/// What it takes to take everything away that the object has and is not to have: all of it, where it is to go; else its bindings.
fn withdraw(world: &World, case: &Case, clock: Clock) -> Sum {
    let mut sum = Sum::default();
    let secret = case.going.then(|| cluster_secret::withdraw(world, case));
    // While Argo CD still uses the cluster, what it deploys there goes on; nobody opens a terminal any more.
    let waits = case.lasting && secret.as_ref().is_some_and(|secret| secret.verdict.reason == Reason::InUse);
    match &world.remote {
        Ok(remote) => {
            let mut folded = bindings::fold(remote, &case.id.owner, None, &BTreeSet::new(), false);
            sum.left.extend(folded.wanted.writes.iter().map(|w| w.target.clone()));
            folded.wanted.writes.retain(|write| !waits || is_exec(&write.target));
            sum.wanted.add(folded.wanted);
        }
        Err(verdict) => sum.blind = Some(verdict.clone()),
    }
    let Some(mut secret) = secret else { return sum };
    if let Some(mut aws) = identity::fold(world, case, clock) {
        let narrow = aws.wanted.writes.iter().filter(|w| w.direction == Direction::Narrow);
        sum.left.extend(narrow.map(|w| w.target.clone()));
        aws.wanted.writes.retain(|_| !waits);
        sum.wanted.add(std::mem::take(&mut aws.wanted));
        if aws.outlook.is_none() {
            sum.blind = Some(aws.verdict.clone());
        }
        sum.aws = Some(aws);
    }
    sum.left.extend(secret.wanted.writes.iter().map(|w| w.target.clone()));
    sum.wanted.add(std::mem::take(&mut secret.wanted));
    let is_there = match &world.secret {
        Ok(view) => view.as_deref().is_some_and(|view| cluster_secret::is_marked(&view.meta, &case.id.owner)),
        Err(_) => true,
    };
    if let Err(verdict) = &world.secret {
        sum.blind = Some(verdict.clone());
    }
    if is_there {
        sum.left.insert(Target::namespaced(Kind::Secret, world.namespace(), &case.id.secret));
    } else if let Ok(remote) = &world.remote {
        let anchors = tokens::withdraw(&case.id, remote);
        sum.left.extend(anchors.iter().map(|w| w.target.clone()));
        sum.wanted.writes.extend(anchors);
    }
    sum.secret = Some(secret);
    // A remote cluster that does not answer holds the object; a person may let it go, and what is there stays.
    if world.remote.is_err() && is_forgotten(&case.access.metadata) && world.secret.is_ok() {
        sum.blind = None;
    }
    sum
}

/// What an observing object would change: what there is to change with it, without what there is to change anyway.
fn observe(world: &World, case: &Case, without: &Sum, clock: Clock) -> Vec<Change> {
    let observing = case.grant.is_some() && case.access.spec.mode == Mode::Observe && case.active.reason == Reason::Observing;
    if !observing {
        return Vec::new();
    }
    let with = Case { kept: true, effective: true, ..case.clone() };
    let mut changes = sum(world, &with, clock).wanted.changes;
    if !world.secret.as_ref().is_ok_and(|view| view.as_deref().is_some_and(|view| cluster_secret::is_marked(&view.meta, &case.id.owner))) {
        let target = Target::namespaced(Kind::Secret, world.namespace(), &case.id.secret);
        let told = changes.iter().any(|change| change.object == target.to_string());
        let all =
            Change { object: target.to_string(), field: "data".to_owned(), from: None, to: Some("<the cluster, with a credential>".to_owned()) };
        changes.extend((!told).then_some(all));
    }
    observed(changes, &without.wanted.changes)
}

/// Whether a target is about a terminal.
#[must_use]
pub fn is_exec(target: &Target) -> bool {
    target.name == EXEC
}

/// The layers of a remote cluster.
pub const LAYERS: [Layer; 4] = [Layer::RemoteRights, Layer::RemoteExec, Layer::Anchor, Layer::Manager];
