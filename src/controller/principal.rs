//! `LiveResourceAccess` of side Principal, as it is kept true.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::Client;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use super::keeper::{Keeper, Verdict};
use crate::api::{ConditionType, LiveResourceAccess};
use crate::cluster_io::probe::Prober;
use crate::cluster_io::recent::Recent;
use crate::cluster_io::snapshot::{Outside, PrincipalWatches};
use crate::cluster_io::watch::Probe;
use crate::live::principal::answers::{Answer, Answers, Tried};
use crate::live::principal::{self, Plan, World, status};
use crate::reconcile::plan::Prepared;
use crate::reconcile::{Applied, Failures, Kind, Seen, Target};

/// An agent is tried this often.
const EVERY: SignedDuration = SignedDuration::from_mins(5);
/// So long after it could not even be asked: nobody but our own API server is asked then.
const RETRY: SignedDuration = SignedDuration::from_mins(1);

/// It, with what agents answered. They are tried beside the rounds: an agent may take half a minute.
pub struct PrincipalKeeper {
    watches: PrincipalWatches,
    prober: Prober,
    /// Who is told of an answer.
    touched: Arc<Notify>,
    answers: Arc<Mutex<Answers>>,
    /// Those that are being tried.
    running: BTreeMap<String, JoinHandle<()>>,
}

impl PrincipalKeeper {
    /// With these watches.
    #[must_use]
    pub fn new(watches: PrincipalWatches, client: &Client, touched: &Arc<Notify>) -> Self {
        let prober = Prober::new(client.clone(), watches.namespace());
        Self { watches, prober, touched: Arc::clone(touched), answers: Arc::default(), running: BTreeMap::new() }
    }

    fn answers(&self) -> Answers {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn try_out(&mut self, agent: String) {
        let (prober, services) = (self.prober.clone(), self.watches.services());
        let (answers, touched, name) = (Arc::clone(&self.answers), Arc::clone(&self.touched), agent.clone());
        let task = tokio::spawn(async move {
            let tried = prober.ask(&name, &services).await;
            answers.lock().unwrap_or_else(PoisonError::into_inner).insert(name, tried);
            touched.notify_one();
        });
        self.running.insert(agent, task);
    }

    fn stop(&mut self) {
        for task in std::mem::take(&mut self.running).into_values() {
            task.abort();
        }
    }
}

impl Drop for PrincipalKeeper {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Whether an agent is to be tried (again).
fn is_due(tried: Option<&Tried>, now: Timestamp) -> bool {
    let Some(tried) = tried else { return true };
    let wait = if matches!(tried.answer, Answer::NotAsked(_)) { RETRY } else { EVERY };
    // A clock that was set back must not keep it from being tried for ever.
    tried.at > now || now.duration_since(tried.at) >= wait
}

impl Keeper for PrincipalKeeper {
    type Object = LiveResourceAccess;
    type World = World;
    type Plan = Plan<Prepared>;
    type Applied = Plan<Applied>;

    const KIND: Kind = Kind::LiveResourceAccess;
    const NAME: &'static str = "LiveResourceAccess/Principal";
    const CONDITIONS: &'static [ConditionType] = &ConditionType::PRINCIPAL;

    fn namespace(&self) -> &str {
        self.watches.namespace()
    }

    fn probes(&self) -> Vec<Probe> {
        self.watches.probes()
    }

    async fn ask(&mut self, _: &Client) {}

    fn look(&self, recent: &mut Recent, outside: Outside) -> Seen<World> {
        self.watches.world(recent, outside)
    }

    fn objects(world: &mut World) -> &mut Vec<Arc<LiveResourceAccess>> {
        &mut world.accesses
    }

    fn plan(world: &World, now: Timestamp) -> Plan<Prepared> {
        principal::plan(world, now)
    }

    fn debts(plan: &Plan<Prepared>) -> BTreeSet<String> {
        plan.unseen.clone()
    }

    async fn review(&mut self, _: &Client, plan: &Plan<Applied>, _: &BTreeSet<Target>) {
        self.running.retain(|agent, task| {
            let goes_on = plan.agents.contains(agent) && !task.is_finished();
            if !goes_on {
                task.abort();
            }
            goes_on
        });
        let known = self.answers();
        self.answers.lock().unwrap_or_else(PoisonError::into_inner).retain(|agent, _| plan.agents.contains(agent));
        let now = Timestamp::now();
        let due = plan.agents.iter().filter(|agent| !self.running.contains_key(*agent) && is_due(known.get(*agent), now));
        for agent in due.cloned().collect::<Vec<_>>() {
            self.try_out(agent);
        }
    }

    fn forget(&mut self) {
        self.stop();
        self.answers.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    fn outlooks(plan: &Plan<Applied>) -> Vec<Arc<LiveResourceAccess>> {
        plan.outlooks.iter().map(|outlook| Arc::clone(&outlook.access)).collect()
    }

    fn status(&self, plan: &Plan<Applied>, index: usize, object: &Arc<LiveResourceAccess>, failures: &Failures, now: &Time) -> Verdict<Self> {
        let Some(outlook) = plan.outlooks.get(index) else { return (object.status.clone().unwrap_or_default(), false) };
        (status::status(outlook, object, plan, &self.answers(), failures, now), false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agent_is_tried_every_five_minutes_and_sooner_where_it_could_not_be_asked() {
        let now: Timestamp = "2026-06-01T12:00:00Z".parse().unwrap();
        let tried = |answer: Answer, ago: i64| Tried { answer, certificate_expires: None, at: now - SignedDuration::from_secs(ago) };
        assert!(is_due(None, now));
        for (answer, ago, expected) in [
            (Answer::Code(200), 299, false),
            (Answer::Code(200), 300, true),
            (Answer::Code(502), 299, false),
            (Answer::NotAsked(String::new()), 59, false),
            (Answer::NotAsked(String::new()), 60, true),
            (Answer::Code(200), -5, true),
        ] {
            assert_eq!(is_due(Some(&tried(answer.clone(), ago)), now), expected, "{answer:?} {ago}");
        }
    }
}
