//! One round for one instance: look, plan, write, look again, until nothing is to be written; then review and report.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::runtime::events::Recorder;
use kube::{Client, ResourceExt};

use super::clocks::Clocks;
use crate::api::{ExecAccess, ExecAccessStatus, is_held};
use crate::cluster_io::RequestError;
use crate::cluster_io::apply::{self, Outcome};
use crate::cluster_io::lease::Leads;
use crate::cluster_io::recent::{Recent, version};
use crate::cluster_io::report;
use crate::cluster_io::review::reviews;
use crate::cluster_io::snapshot::{InstanceWatches, Outside};
use crate::exec::Plan;
use crate::exec::status::{self, Reviews};
use crate::exec::world::Unreadable;
use crate::exec::{self};
use crate::metrics::Metrics;
use crate::reconcile::contests::Contests;
use crate::reconcile::declared::Plan as _;
use crate::reconcile::{Applied, Direction, Failures, Kind, Layer, Target};

/// A plan needs at most a handful of steps; more mean that somebody undoes them as fast as they are made.
const MAX_STEPS: usize = 16;
/// Others' grants are not watched; the answers are asked for anew after this time.
const REVIEW_AGE: Duration = Duration::from_secs(20);
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
    /// Not everything can be seen yet; nothing was done.
    Waiting,
    /// A request failed: try again.
    Failed,
}

/// A status that was written, and the version of the object with it.
struct Reported {
    version: String,
    status: ExecAccessStatus,
}

impl Reported {
    /// Whether the object was seen before that write. Seen after it, the object itself says what its status is: somebody else may
    /// have written over it.
    fn is_news_to(&self, access: &ExecAccess) -> bool {
        version(access.metadata.resource_version.as_deref()) < version(Some(&self.version))
    }
}

/// Makes the rounds of one instance.
pub struct Rounds {
    client: Client,
    watches: InstanceWatches,
    recorder: Recorder,
    metrics: Arc<Metrics>,
    recent: Recent,
    reviewed: Option<(Instant, Reviews)>,
    clocks: Clocks,
    /// When the last plan may be another one.
    next: Option<jiff::Timestamp>,
    /// The statuses that were written last, until the watch shows them: a round in between must not write them again.
    reported: BTreeMap<String, Reported>,
    withdraw_all: bool,
    /// Who has rewritten what we set.
    contests: Contests,
    /// Only take away.
    beside: bool,
    /// Leave it to the operator to tell.
    silent: bool,
    /// Where this process has written.
    written: BTreeSet<Target>,
    /// Whether this process may write.
    leads: Leads,
    /// For which term everything was listed.
    term: u64,
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

impl Rounds {
    /// Rounds that keep what is declared.
    #[must_use]
    pub fn new(client: Client, watches: InstanceWatches, recorder: Recorder, metrics: Arc<Metrics>) -> Self {
        Self {
            client,
            watches,
            recorder,
            metrics,
            recent: Recent::default(),
            reviewed: None,
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
            self.watches.refresh();
            self.recent.forget();
            (self.reviewed, self.reported, self.contests) = (None, BTreeMap::new(), Contests::default());
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

    /// Where this process has written.
    #[must_use]
    pub fn written(&self) -> &BTreeSet<Target> {
        &self.written
    }

    /// The namespace of the instance.
    #[must_use]
    pub fn namespace(&self) -> &str {
        self.watches.namespace()
    }

    /// Whether it is known of every kind what can be known.
    #[must_use]
    pub fn settled(&self) -> bool {
        self.watches.settled()
    }

    /// When a round is due, if nothing but time passes.
    #[must_use]
    pub fn next(&self) -> Option<jiff::Timestamp> {
        self.next
    }

    /// What is left to be taken away; `None` when the objects cannot be seen.
    pub fn left(&mut self) -> Option<Left> {
        let world = self.watches.world(&mut self.recent, Outside { withdraw_all: self.withdraw_all, ..Outside::default() }).ok()?;
        let plan = exec::plan(&world, jiff::Timestamp::now());
        Some(Left {
            held: world.accesses.iter().filter(|a| is_held(&a.metadata)).count(),
            targets: plan.writes.iter().filter(|w| w.direction == Direction::Narrow).map(|w| w.target.clone()).collect(),
            debts: plan.outlooks.iter().filter_map(|o| o.debt.as_ref()).map(|d| d.message.clone()).collect(),
            untold: world.accesses.iter().filter(|a| !is_told(a)).map(|a| a.name_any()).collect(),
        })
    }

    /// Makes one round.
    pub async fn round(&mut self) -> Verdict {
        let began = Instant::now();
        let verdict = self.steps().await;
        let outcome = match verdict {
            Verdict::Quiet => "quiet",
            Verdict::Unsettled => "unsettled",
            Verdict::Waiting => "waiting",
            Verdict::Failed => "failed",
        };
        self.metrics.round(self.watches.namespace(), outcome, began.elapsed(), jiff::Timestamp::now());
        verdict
    }

    async fn steps(&mut self) -> Verdict {
        self.next = None;
        self.clocks.look(&self.client, &self.metrics).await;
        let mut failures = Failures::new();
        let mut stale = false;
        let mut bindings_changed = false;
        for step in 0..=MAX_STEPS {
            let (kubernetes_version, server_ahead) = (self.clocks.version(), self.clocks.server_ahead());
            let now = jiff::Timestamp::now();
            let contests = self.contests.clone().at(now);
            let outside = Outside { kubernetes_version, server_ahead, withdraw_all: self.withdraw_all, contests: contests.clone() };
            let mut world = match self.watches.world(&mut self.recent, outside) {
                Ok(world) => world,
                Err(not_seen) => {
                    tracing::warn!(instance = self.watches.namespace(), %not_seen, "nothing can be done without the ExecAccess objects");
                    return Verdict::Failed;
                }
            };
            // What was granted is known from the statuses; an older one than the last would tell of a withdrawal that is long past.
            world.accesses = world.accesses.iter().map(|access| self.with_last_status(access)).collect();
            let mut plan = exec::plan(&world, now);
            if self.beside {
                plan.writes.retain(|w| w.direction != Direction::Widen);
            }
            self.contests = contests.saw(&plan.looks);
            self.metrics.contended(self.watches.namespace(), self.contests.contended());
            self.next = plan.next;
            // After a failure the plan is made once more, only to say what is true now.
            if plan.writes.is_empty() || !failures.is_empty() || stale || step == MAX_STEPS {
                let settled = plan.writes.is_empty();
                return self.report(plan.applied(), &failures, settled, stale, bindings_changed).await;
            }
            let going = going(&world.accesses);
            let outcome = apply::apply(&self.client, self.watches.namespace(), plan, &self.leads, &mut self.recent, &self.metrics).await;
            self.contests = std::mem::take(&mut self.contests).wrote(&outcome.plan.looks, &outcome.done);
            self.tell_released(&outcome, &going).await;
            bindings_changed |=
                outcome.done.iter().any(|t| !matches!(t.kind, Kind::ConfigMap | Kind::Ingress | Kind::BackendConfig | Kind::ExecAccess));
            self.written.extend(outcome.done.iter().cloned());
            stale = outcome.stale;
            failures = outcome.failures;
        }
        Verdict::Unsettled
    }

    /// Reviews and reports what is true after the last step.
    async fn report(&mut self, plan: Plan<Applied>, failures: &Failures, settled: bool, stale: bool, bindings_changed: bool) -> Verdict {
        if !self.leads.holds() {
            return Verdict::Waiting;
        }
        if stale {
            // Our own memory may be what is old.
            self.recent.forget();
        }
        let reviews = self.review(&plan, bindings_changed).await;
        let now = Time(jiff::Timestamp::now());
        let mut counts = [("True", 0), ("False", 0), ("Unknown", 0)];
        let mut failed = !failures.is_empty();
        let (mut waiting_for_reviews, mut written) = (false, 0);
        let mut reported = BTreeMap::new();
        for outlook in &plan.outlooks {
            let uid = outlook.access.uid().unwrap_or_default();
            let access = self.with_last_status(&outlook.access);
            let outlook = exec::Outlook { access: Arc::clone(&access), ..outlook.clone() };
            let status = status::status(&outlook, &plan.instance, &reviews, failures, &now);
            let ready = status.conditions.iter().find(|c| c.type_ == "Ready").map_or("Unknown", |c| c.status.as_str());
            counts.iter_mut().filter(|(s, _)| *s == ready).for_each(|(_, n)| *n += 1);
            waiting_for_reviews |= status.server.iter().flat_map(|s| &s.namespaces).any(|n| n.granted_by_us && n.allowed != Some(true));
            // While steps are still to come there is nothing final to say, unless something failed.
            let final_word = settled || !failures.is_empty();
            let worth = final_word && !self.silent && !(self.beside && is_told(&access));
            if worth && written < STATUSES && access.status.as_ref().is_none_or(|before| !status::same(before, &status)) {
                match self.say(&access, &status).await {
                    Ok(version) => drop(version.map(|version| reported.insert(uid, Reported { version, status }))),
                    Err(error) => {
                        failed = true;
                        self.metrics.status_written("failed");
                        tracing::warn!(error = %error.chain(), "a status was not written");
                    }
                }
                written += 1;
            } else if let Some(last) = self.reported.remove(&uid).filter(|last| last.is_news_to(&access)) {
                reported.insert(uid, last);
            }
        }
        self.reported = reported;
        for unreadable in &plan.unreadable {
            tracing::warn!(name = unreadable.metadata.name, error = %unreadable.error, over = unreadable.over, "an ExecAccess cannot be read by this version; within its validity what it has stays, and nothing is added");
            failed |= settled && !self.say_unreadable(unreadable, &now).await;
        }
        self.metrics.objects(self.watches.namespace(), counts);
        let soon = plan.next.is_some_and(|next| next.duration_since(now.0) < SOON);
        match (failed, settled && !stale && !waiting_for_reviews && !soon && written < STATUSES) {
            (true, _) => Verdict::Failed,
            (false, true) => Verdict::Quiet,
            (false, false) => Verdict::Unsettled,
        }
    }

    /// The object with the status that we wrote last, where the watch does not show it yet.
    fn with_last_status(&self, access: &Arc<ExecAccess>) -> Arc<ExecAccess> {
        match self.reported.get(&access.uid().unwrap_or_default()).filter(|last| last.is_news_to(access)) {
            Some(last) => {
                let mut access = ExecAccess::clone(access);
                access.status = Some(last.status.clone());
                Arc::new(access)
            }
            None => Arc::clone(access),
        }
    }

    async fn say(&self, access: &Arc<ExecAccess>, status: &ExecAccessStatus) -> Result<Option<String>, RequestError> {
        let version = report::write_status(&self.client, access.as_ref(), status).await?;
        self.metrics.status_written("ok");
        if let Some(event) = report::transition(access, status) {
            tracing::info!(
                execaccess = access.name_any(),
                instance = self.watches.namespace(),
                reason = event.reason,
                note = event.note,
                "a transition"
            );
            report::publish(&self.recorder, access.as_ref(), &event).await;
        }
        Ok(version)
    }

    async fn say_unreadable(&self, unreadable: &Unreadable, now: &Time) -> bool {
        let Some(patch) = unreadable.status_patch(now) else { return true };
        let written = report::write_unreadable::<ExecAccess>(&self.client, unreadable, &patch).await;
        self.metrics.status_written(if written.is_ok() { "ok" } else { "failed" });
        if let Err(error) = &written {
            tracing::warn!(error = %error.chain(), "a status was not written");
        }
        written.is_ok()
    }

    async fn review(&mut self, plan: &Plan<Applied>, bindings_changed: bool) -> Reviews {
        let wanted: BTreeSet<String> = status::to_review(&plan.outlooks);
        let Some(service_account) = plan.instance.service_account.as_deref().filter(|_| !wanted.is_empty()) else {
            self.reviewed = None;
            return Reviews::new();
        };
        // A namespace that we have just bound may be answered from a cache that does not know it yet.
        let bound: BTreeSet<&str> = plan.outlooks.iter().filter_map(|o| o.server.as_ref()).flat_map(|s| &s.bound).map(String::as_str).collect();
        // The questions of one review are asked one after the other: the first may have come too early, and the last not.
        let is_bound = |namespace: &str| bound.contains(namespace) || bound.contains("*");
        let closed = |review: &status::Review| !(review.pods_get.allowed && review.exec_create.allowed);
        let doubtful = |r: &Reviews| r.iter().any(|(n, r)| is_bound(n) && r.as_ref().is_ok_and(closed));
        if let Some((when, known)) = &self.reviewed
            && !bindings_changed
            && when.elapsed() < REVIEW_AGE
            && wanted.iter().all(|n| known.contains_key(n))
            && !doubtful(known)
        {
            return known.clone();
        }
        let fresh = reviews(&self.client, self.watches.namespace(), service_account, wanted).await;
        self.reviewed = Some((Instant::now(), fresh.clone()));
        fresh
    }

    /// An object that was let go is gone with that very write: its last Event is told now.
    async fn tell_released(&self, outcome: &Outcome<Plan<Applied>>, going: &BTreeMap<String, Arc<ExecAccess>>) {
        if outcome.failures.contains_key(&Layer::Finalizer) {
            return;
        }
        for access in outcome.done.iter().filter(|t| t.kind == Kind::ExecAccess).filter_map(|t| going.get(&t.name)) {
            report::publish(&self.recorder, access.as_ref(), &report::released()).await;
        }
    }
}

/// Whether an object's status says already that it does not take effect.
fn is_told(access: &ExecAccess) -> bool {
    access.status.as_ref().is_some_and(|s| s.conditions.iter().any(|c| c.type_ == "Active" && c.status == "False"))
}

/// The objects that are being deleted, by name.
fn going(accesses: &[Arc<ExecAccess>]) -> BTreeMap<String, Arc<ExecAccess>> {
    accesses.iter().filter(|a| a.metadata.deletion_timestamp.is_some()).map(|a| (a.name_any(), Arc::clone(a))).collect()
}
