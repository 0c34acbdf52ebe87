//! `LiveResourceAccess` of side Agent, as it is kept true.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::Client;

use super::keeper::{Keeper, Verdict};
use crate::api::LiveResourceAccess;
use crate::api::conditions::{ConditionType, Reason};
use crate::cluster_io::discover::Offer;
use crate::cluster_io::recent::Recent;
use crate::cluster_io::review::{Asked, questions};
use crate::cluster_io::snapshot::{AgentWatches, Outside};
use crate::cluster_io::watch::Probe;
use crate::live::review::{self, Question, Reviews};
use crate::live::{self, Plan, World, status};
use crate::reconcile::plan::Prepared;
use crate::reconcile::told::find;
use crate::reconcile::{Applied, Failures, Kind, Seen, Target};

/// Others' grants are not watched; the answers are asked for anew after this time, and later where there are many.
const REVIEW_AGE: Duration = Duration::from_secs(20);
/// As much time for each question: fifty in a second.
const EACH: Duration = Duration::from_millis(20);
/// As many in one round, so that a withdrawal never waits behind a thousand of them.
const AT_MOST: usize = 256;
/// So long nothing is asked after one was not answered.
const REST: Duration = Duration::from_secs(10);

/// It, with what the API server offers and what was reviewed last.
pub struct AgentKeeper {
    watches: AgentWatches,
    offer: Offer,
    reviews: Reviews,
    /// When each question was answered.
    answered: BTreeMap<Question, Instant>,
    /// Of whom.
    asked_of: String,
    /// More is to be asked than one round takes.
    more: bool,
    /// After a failure, until when nothing is asked.
    resting: Option<Instant>,
}

impl AgentKeeper {
    /// With these watches.
    #[must_use]
    pub fn new(watches: AgentWatches) -> Self {
        Self {
            watches,
            offer: Offer::default(),
            reviews: Reviews::new(),
            answered: BTreeMap::new(),
            asked_of: String::new(),
            more: false,
            resting: None,
        }
    }

    /// Whether a question has to be asked (again).
    fn is_open(&self, question: &Question, age: Duration) -> bool {
        self.answered.get(question).is_none_or(|when| when.elapsed() >= age)
    }

    fn forget_answers(&mut self) {
        (self.reviews, self.answered, self.more) = (Reviews::new(), BTreeMap::new(), false);
    }
}

impl Keeper for AgentKeeper {
    type Object = LiveResourceAccess;
    type World = World;
    type Plan = Plan<Prepared>;
    type Applied = Plan<Applied>;

    const KIND: Kind = Kind::LiveResourceAccess;
    const NAME: &'static str = "LiveResourceAccess/Agent";
    const CONDITIONS: &'static [ConditionType] = &ConditionType::AGENT;

    fn namespace(&self) -> &str {
        self.watches.namespace()
    }

    fn probes(&self) -> Vec<Probe> {
        self.watches.probes()
    }

    async fn ask(&mut self, client: &Client) {
        if self.watches.is_enabled() {
            self.offer.look(client, self.watches.definitions()).await;
        }
    }

    fn look(&self, recent: &mut Recent, outside: Outside) -> Seen<World> {
        self.watches.world(recent, outside, &self.offer)
    }

    fn objects(world: &mut World) -> &mut Vec<Arc<LiveResourceAccess>> {
        &mut world.accesses
    }

    fn plan(world: &World, now: jiff::Timestamp) -> Plan<Prepared> {
        live::plan(world, now)
    }

    fn debts(plan: &Plan<Prepared>) -> BTreeSet<String> {
        plan.unseen.clone()
    }

    async fn review(&mut self, client: &Client, plan: &Plan<Applied>, written: &BTreeSet<Target>) {
        let wanted = review::to_review(plan);
        let count = wanted.all().count();
        let Some(service_account) = plan.instance.service_account.clone().filter(|_| count > 0) else { return self.forget_answers() };
        if self.asked_of != service_account {
            self.forget_answers();
            self.asked_of.clone_from(&service_account);
        }
        self.answered.retain(|question, _| wanted.contains(question));
        self.reviews.retain(|question, _| wanted.contains(question));
        let rights = written.iter().filter(|target| target.kind.is_about_rights());
        let written: BTreeSet<&str> = rights.map(|target| target.namespace.as_deref().unwrap_or_default()).collect();
        self.answered.retain(|question, _| !(written.contains(question.namespace.as_str()) || written.contains("")));
        let age = REVIEW_AGE.max(EACH.saturating_mul(u32::try_from(count).unwrap_or(u32::MAX)));
        let is_open = |question: &&Question| {
            // What is granted and answered with no may be answered from a cache that does not know it yet.
            let doubtful = wanted.granted.contains(*question) && matches!(self.reviews.get(*question), Some(Ok(answer)) if !answer.allowed);
            doubtful || self.is_open(question, if wanted.excessive.contains(*question) { REVIEW_AGE } else { age })
        };
        let mut open: Vec<Question> = wanted.all().filter(is_open).cloned().collect();
        self.more = open.len() > AT_MOST;
        open.truncate(AT_MOST);
        if self.resting.is_some_and(|until| until > Instant::now()) {
            return;
        }
        let of = Asked { instance: self.watches.namespace(), service_account: &service_account };
        let fresh = questions(client, of, open).await;
        let now = Instant::now();
        // An API server that does not answer is not asked without end, and nothing waits for it.
        self.resting = fresh.values().any(Result::is_err).then(|| now + REST);
        self.answered.extend(fresh.iter().filter(|(_, answer)| answer.is_ok()).map(|(question, _)| (question.clone(), now)));
        self.reviews.extend(fresh);
    }

    fn forget(&mut self) {
        self.forget_answers();
        self.offer.expire();
    }

    fn outlooks(plan: &Plan<Applied>) -> Vec<Arc<LiveResourceAccess>> {
        plan.outlooks.iter().map(|outlook| Arc::clone(&outlook.access)).collect()
    }

    fn status(&self, plan: &Plan<Applied>, index: usize, object: &Arc<LiveResourceAccess>, failures: &Failures, now: &Time) -> Verdict<Self> {
        let Some(outlook) = plan.outlooks.get(index) else { return (object.status.clone().unwrap_or_default(), false) };
        let status = status::status(outlook, object, plan, &self.reviews, failures, now);
        let granted = find(&status.conditions, ConditionType::RBACApplied).is_some_and(|c| c.status == "True");
        let proven = find(&status.conditions, ConditionType::AccessProven);
        let open = proven.is_some_and(|c| c.reason == Reason::Denied.as_str() || c.reason == Reason::NotChecked.as_str());
        (status, granted && (open || self.more))
    }
}
