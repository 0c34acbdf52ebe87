//! One round for one instance: look, plan, write, look again, until nothing is to be written; then review and report.

mod grants;
mod words;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::core::object::HasStatus;
use kube::{Client, Resource, ResourceExt};

use super::clocks::Clocks;
use super::keeper::Keeper;
use crate::api::is_held;
use crate::cluster_io::apply;
use crate::cluster_io::events::Events;
use crate::cluster_io::lease::Leads;
use crate::cluster_io::recent::{Recent, version};
use crate::cluster_io::snapshot::Outside;
use crate::cluster_io::watch::Probe;
use crate::memory;
use crate::metrics::{Metrics, Tally};
use crate::reconcile::audit::Ledger;
use crate::reconcile::contests::Contests;
use crate::reconcile::declared::Plan;
use crate::reconcile::told::Told;
use crate::reconcile::unreadable::Unreadable;
use crate::reconcile::{Direction, Failures, Layer, Target};

/// A plan needs at most a handful of steps; more mean that somebody undoes them as fast as they are made.
const MAX_STEPS: usize = 16;
/// As often may one object be written in one round.
const AGAIN: usize = 6;
/// As many statuses are written in one round; then the world is looked at again, so that a withdrawal never waits behind a thousand of them.
const STATUSES: usize = 100;
/// What will be another plan within this time is waited for.
const SOON: jiff::SignedDuration = jiff::SignedDuration::from_secs(10);

/// How a round ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Everything is as it should be, or waits for somebody else.
    Quiet,
    /// The picture is not settled: look again soon.
    Unsettled,
    /// There is more to be said than one round says: go on.
    More,
    /// Not everything can be seen yet; nothing was done.
    Waiting,
    /// A request failed: try again.
    Failed,
}

/// A status that is to be written, and of which object.
type Word<K> = (Arc<<K as Keeper>::Object>, Status<K>);
type Status<K> = <<K as Keeper>::Object as HasStatus>::Status;

/// A status that was written, and the version of the object with it.
struct Reported<S> {
    version: String,
    status: S,
}

impl<S> Reported<S> {
    /// Whether the object was seen before that write. Seen after it, the object itself says what its status is: somebody else may
    /// have written over it.
    fn is_news_to(&self, object: &impl Resource) -> bool {
        version(object.meta().resource_version.as_deref()) < version(Some(&self.version))
    }
}

/// Makes the rounds of one resource in one instance.
pub struct Rounds<K: Keeper> {
    client: Client,
    keeper: K,
    events: Events,
    metrics: Arc<Metrics>,
    recent: Recent,
    clocks: Clocks,
    /// When the last plan may be another one.
    next: Option<jiff::Timestamp>,
    /// The statuses that were written last, until the watch shows them: a round in between must not write them again.
    reported: BTreeMap<String, Reported<Status<K>>>,
    withdraw_all: bool,
    /// Who has rewritten what we set.
    contests: Contests,
    /// Only take away.
    beside: bool,
    /// Leave it to the operator to tell.
    silent: bool,
    /// Where this process has written, beside the operator. (One that runs on and on would remember every name that ever was.)
    written: BTreeSet<Target>,
    /// Whether this process may write.
    leads: Leads,
    /// For which term everything was listed.
    term: u64,
    /// What is told of grants; several statuses are on their way at once.
    ledger: Mutex<Ledger<K::Object>>,
}

/// What is left to be taken away.
#[derive(Clone, Debug, Default)]
pub struct Left {
    /// The objects that still hold our finalizer.
    pub held: usize,
    /// Where something is still to be taken away.
    pub targets: Vec<Target>,
    /// What cannot be taken away, and why.
    pub debts: BTreeSet<String>,
    /// Objects whose status does not say yet that they do not take effect.
    pub untold: Vec<String>,
}

impl<K: Keeper> Rounds<K> {
    /// Rounds that keep what is declared.
    #[must_use]
    pub fn new(client: Client, keeper: K, events: Events, metrics: Arc<Metrics>) -> Self {
        Self {
            client,
            keeper,
            events,
            metrics,
            recent: Recent::default(),
            clocks: Clocks::default(),
            next: None,
            reported: BTreeMap::new(),
            withdraw_all: false,
            contests: Contests::default(),
            beside: false,
            silent: false,
            written: BTreeSet::new(),
            leads: Leads::always(),
            term: 0,
            ledger: Mutex::default(),
        }
    }

    /// Rounds that are made only while the right to write lasts. Of the term that is there now, everything is listed later than it began.
    #[must_use]
    pub fn led_by(mut self, leads: Leads) -> Self {
        self.term = leads.term();
        self.leads = leads;
        self
    }

    /// Whether this process is the one that writes. When it has just become it, everything is listed afresh first.
    pub fn leads(&mut self) -> bool {
        let term = self.leads.term();
        if self.term != term {
            self.term = term;
            // What is known from a time in which somebody else wrote is no ground for writing.
            self.keeper.probes().iter().for_each(Probe::refresh);
            self.keeper.forget();
            self.recent.forget();
            (self.reported, self.contests, self.ledger) = (BTreeMap::new(), Contests::default(), Mutex::default());
        }
        self.leads.holds()
    }

    /// Rounds that take everything back, whatever is declared.
    #[must_use]
    pub fn withdrawing(mut self) -> Self {
        self.withdraw_all = true;
        self
    }

    /// Rounds beside an operator that may be running: they only take away, and say nothing until they are told to.
    #[must_use]
    pub fn beside(mut self) -> Self {
        self.beside = true;
        self.silent = true;
        self
    }

    /// From now on those are told that do not know yet that they do not take effect.
    pub fn speak(&mut self) {
        self.silent = false;
    }

    /// Where this process has written, beside the operator.
    #[must_use]
    pub fn written(&self) -> &BTreeSet<Target> {
        &self.written
    }

    /// The namespace of the instance.
    #[must_use]
    pub fn namespace(&self) -> &str {
        self.keeper.namespace()
    }

    /// How these rounds are called: the resource, and the object where they are for one alone.
    #[must_use]
    pub fn name(&self) -> String {
        self.keeper.part().map_or_else(|| K::NAME.to_owned(), |part| format!("{}/{part}", K::NAME))
    }

    /// The health of every watch.
    #[must_use]
    pub fn probes(&self) -> Vec<Probe> {
        self.keeper.probes()
    }

    /// Whether it is known of every kind what can be known. Before that, a plan would take half a world for the whole.
    #[must_use]
    pub fn settled(&self) -> bool {
        self.keeper.probes().iter().all(|p| p.health().settled())
    }

    /// When a round is due, if nothing but time passes.
    #[must_use]
    pub fn next(&self) -> Option<jiff::Timestamp> {
        self.next
    }

    /// What is left to be taken away; `None` when the objects cannot be seen.
    pub fn left(&mut self) -> Option<Left> {
        let mut world = self.keeper.look(&mut self.recent, Outside { withdraw_all: self.withdraw_all, ..Outside::default() }).ok()?;
        let plan = K::plan(&world, jiff::Timestamp::now());
        let objects = K::objects(&mut world);
        Some(Left {
            held: objects.iter().filter(|o| is_held(o.meta())).count(),
            targets: plan.writes().iter().filter(|w| w.direction == Direction::Narrow).map(|w| w.target.clone()).collect(),
            debts: K::debts(&plan),
            untold: objects.iter().filter(|o| !o.is_told()).map(|o| o.name_any()).collect(),
        })
    }

    /// Makes one round.
    pub async fn round(&mut self) -> Verdict {
        let began = Instant::now();
        let kept = memory::keep();
        let verdict = self.steps().await;
        drop(kept);
        let outcome = match verdict {
            Verdict::Quiet => "quiet",
            Verdict::Unsettled | Verdict::More => "unsettled",
            Verdict::Waiting => "waiting",
            Verdict::Failed => "failed",
        };
        self.metrics.round(self.namespace(), K::NAME, outcome, began.elapsed(), jiff::Timestamp::now());
        verdict
    }

    async fn steps(&mut self) -> Verdict {
        self.next = None;
        self.clocks.look(&self.client, &self.metrics).await;
        let mut failures = Failures::new();
        let mut stale = false;
        let mut done: BTreeMap<Target, usize> = BTreeMap::new();
        for step in 0..=MAX_STEPS {
            self.keeper.ask(&self.client).await;
            let (kubernetes_version, server_ahead) = (self.clocks.version(), self.clocks.server_ahead());
            let now = jiff::Timestamp::now();
            let contests = self.contests.clone().at(now);
            let outside = Outside { kubernetes_version, server_ahead, withdraw_all: self.withdraw_all, contests: contests.clone() };
            let mut world = match self.keeper.look(&mut self.recent, outside) {
                Ok(world) => world,
                Err(not_seen) => {
                    tracing::warn!(instance = self.namespace(), kind = K::NAME, %not_seen, "nothing can be done without the objects");
                    return Verdict::Failed;
                }
            };
            // What was granted is known from the statuses; an older one than the last would tell of a withdrawal that is long past.
            let objects = K::objects(&mut world);
            *objects = objects.iter().map(|object| self.with_last_status(object)).collect();
            let going = going(objects);
            let seen = objects.clone();
            let planning = Instant::now();
            let mut plan = K::plan(&world, now);
            self.metrics.planned(K::NAME, planning.elapsed());
            if self.beside {
                plan.retain(|w| w.direction != Direction::Widen);
            }
            let looks = plan.looks().to_vec();
            self.contests = contests.saw(&looks);
            self.metrics.contended(self.namespace(), K::NAME, self.keeper.part(), self.contests.contended());
            self.next = plan.next();
            let unreadable = plan.unreadable().to_vec();
            // After a failure the plan is made once more, only to say what is true now.
            if plan.writes().is_empty() || !failures.is_empty() || stale || step == MAX_STEPS {
                // Behind all writes: no withdrawal waits for an Event.
                self.look_at_grants(&seen, &unreadable);
                let done = done.into_keys().collect();
                let ended = Ended { settled: plan.writes().is_empty(), stale, failures, done, unreadable };
                return self.report(&plan.applied(), ended).await;
            }
            let layers: BTreeMap<Target, Layer> = plan.writes().iter().map(|w| (w.target.clone(), w.layer)).collect();
            let applying = Instant::now();
            let outcome = {
                let outlets = self.keeper.outlets(&self.client);
                apply::apply(&self.client, outlets.as_ref(), self.keeper.namespace(), plan, &self.leads, &mut self.recent, &self.metrics).await
            };
            self.metrics.applied(K::NAME, applying.elapsed());
            self.keeper.wrote(&outcome.done, &outcome.secrets);
            self.contests = std::mem::take(&mut self.contests).wrote(&looks, &outcome.done);
            if !outcome.failures.contains_key(&Layer::Finalizer) {
                self.tell_released(&outcome.done, &going);
            }
            if self.beside {
                self.written.extend(outcome.done.iter().cloned());
            }
            stale = outcome.stale;
            failures = outcome.failures;
            for target in outcome.done {
                let times = done.entry(target.clone()).or_insert(0_usize);
                *times += 1;
                if *times > AGAIN && target.kind != K::KIND {
                    let said = format!("{target} was written {times} times in a row and is never as it was written: somebody changes it at once");
                    if let Some(layer) = layers.get(&target) {
                        failures.entry(*layer).or_default().push(said);
                    }
                }
            }
        }
        Verdict::Unsettled
    }

    /// Reviews and reports what is true after the last step.
    async fn report(&mut self, plan: &K::Applied, ended: Ended) -> Verdict {
        if !self.leads.holds() {
            return Verdict::Waiting;
        }
        let Ended { settled, stale, failures, done, unreadable } = ended;
        if stale {
            // Our own memory may be what is old.
            self.recent.forget();
        }
        self.keeper.review(&self.client, plan, &done).await;
        let now = Time(jiff::Timestamp::now());
        let mut tally = Tally::default();
        let mut failed = !failures.is_empty();
        let mut waiting_for_reviews = false;
        let (mut words, mut reported) = (Vec::new(), BTreeMap::new());
        for (index, object) in K::outlooks(plan).iter().enumerate() {
            let uid = object.uid().unwrap_or_default();
            let object = self.with_last_status(object);
            let (mut status, waits) = self.keeper.status(plan, index, &object, &failures, &now);
            self.follow_grant(&object, &mut status, &now);
            tally.add(K::Object::conditions(&status), object.end());
            waiting_for_reviews |= waits;
            // While steps are still to come there is nothing final to say, unless something failed.
            let final_word = settled || !failures.is_empty();
            let worth = final_word && !self.silent && !(self.beside && object.is_told());
            if worth && words.len() < STATUSES && object.status().is_none_or(|before| !K::Object::same(before, &status)) {
                words.push((object, status));
            } else if let Some(last) = self.reported.remove(&uid).filter(|last| last.is_news_to(object.as_ref())) {
                reported.insert(uid, last);
            }
        }
        let written = words.len();
        for ((object, status), answer) in self.say_all(words).await {
            match answer {
                Ok(version) => drop(version.map(|version| reported.insert(object.uid().unwrap_or_default(), Reported { version, status }))),
                Err(error) => {
                    failed = true;
                    self.metrics.status_written(K::KIND, "failed");
                    tracing::warn!(error = %error.chain(), "a status was not written");
                }
            }
        }
        self.reported = reported;
        for unreadable in &unreadable {
            tracing::warn!(kind = K::NAME, name = unreadable.metadata.name, error = %unreadable.error, over = unreadable.over, "an object cannot be read by this version; within its validity what it has stays, and nothing is added");
            failed |= settled && !self.say_unreadable(unreadable, &now).await;
        }
        self.metrics.told(self.namespace(), K::NAME, self.keeper.part(), K::CONDITIONS, &tally, now.0);
        let soon = self.next.is_some_and(|next| next.duration_since(now.0) < SOON);
        match (failed, settled && !stale && !waiting_for_reviews && !soon) {
            (true, _) => Verdict::Failed,
            (false, _) if written == STATUSES => Verdict::More,
            (false, true) => Verdict::Quiet,
            (false, false) => Verdict::Unsettled,
        }
    }

    /// The object with the status that we wrote last, where the watch does not show it yet.
    fn with_last_status(&self, object: &Arc<K::Object>) -> Arc<K::Object> {
        match self.reported.get(&object.uid().unwrap_or_default()).filter(|last| last.is_news_to(object.as_ref())) {
            Some(last) => {
                let mut object = K::Object::clone(object);
                *object.status_mut() = Some(last.status.clone());
                Arc::new(object)
            }
            None => Arc::clone(object),
        }
    }
}

/// How the steps of a round ended.
struct Ended {
    /// Nothing is left to be written.
    settled: bool,
    /// A write was refused because our picture was old.
    stale: bool,
    failures: Failures,
    /// Where something was written.
    done: BTreeSet<Target>,
    unreadable: Vec<Unreadable>,
}

/// The objects that are being deleted, by name.
fn going<O: Resource>(objects: &[Arc<O>]) -> BTreeMap<String, Arc<O>> {
    objects.iter().filter(|o| o.meta().deletion_timestamp.is_some()).map(|o| (o.name_any(), Arc::clone(o))).collect()
}
