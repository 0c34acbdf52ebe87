//! What differs between the resources that are kept true in the same way: how each is seen, planned, reviewed and told.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::Client;

use crate::api::ConditionType;
use crate::cluster_io::apply::Declared;
use crate::cluster_io::outlets::{Hub, Outlets};
use crate::cluster_io::recent::Recent;
use crate::cluster_io::snapshot::Outside;
use crate::cluster_io::watch::Probe;
use crate::reconcile::declared::Plan;
use crate::reconcile::told::Told;
use crate::reconcile::{Failures, Kind, Seen, Target};

/// A resource of ours in one instance.
pub trait Keeper: Send + Sync + 'static {
    /// The objects by which something is declared.
    type Object: Told<Status: Clone + PartialEq + serde::Serialize + Send + Sync> + Declared + Send + Sync + 'static;
    /// What is seen.
    type World: Send;
    /// What is planned on it.
    type Plan: Plan<Object = Self::Object, Applied = Self::Applied> + Send + Sync;
    /// The plan of which nothing is left to be sent.
    type Applied: Send + Sync;

    /// The resource.
    const KIND: Kind;
    /// How its rounds are called in metrics and logs: the resource, with its side where it has two.
    const NAME: &'static str;
    /// The conditions that its objects have.
    const CONDITIONS: &'static [ConditionType];

    /// The namespace of the instance.
    fn namespace(&self) -> &str;

    /// The health of every watch.
    fn probes(&self) -> Vec<Probe>;

    /// Which part of the resource these rounds are for, where each object has rounds of its own; `None`: all of it.
    fn part(&self) -> Option<&str> {
        None
    }

    /// Where writes go.
    fn outlets(&self, client: &Client) -> Box<dyn Outlets + '_> {
        Box::new(Hub(client.clone()))
    }

    /// Notes where something was written; and of Secrets that were made or changed, the uids.
    fn wrote(&mut self, _: &[Target], _: &BTreeMap<Target, String>) {}

    /// Asks for what no watch shows, when it is time to: before each look.
    fn ask(&mut self, client: &Client) -> impl Future<Output = ()> + Send;

    /// What is seen now.
    ///
    /// # Errors
    /// When the objects themselves cannot be seen.
    fn look(&self, recent: &mut Recent, outside: Outside) -> Seen<Self::World>;

    /// The objects.
    fn objects(world: &mut Self::World) -> &mut Vec<Arc<Self::Object>>;

    /// The next step.
    fn plan(world: &Self::World, now: jiff::Timestamp) -> Self::Plan;

    /// What cannot be handed back, and why.
    fn debts(plan: &Self::Plan) -> BTreeSet<String>;

    /// Asks the API server what an applied plan needs to have proven. `written`: where something was written since the last time.
    fn review(&mut self, client: &Client, plan: &Self::Applied, written: &BTreeSet<Target>) -> impl Future<Output = ()> + Send;

    /// Forgets what was answered: it is from a time in which somebody else wrote.
    fn forget(&mut self);

    /// The objects of which there is something to say.
    fn outlooks(plan: &Self::Applied) -> Vec<Arc<Self::Object>>;

    /// The status of one of them, by its place; `object` has the status that it follows from. And whether its proof is still to come.
    fn status(&self, plan: &Self::Applied, index: usize, object: &Arc<Self::Object>, failures: &Failures, now: &Time) -> Verdict<Self>;
}

/// A status, and whether what it says is still to be proven.
pub type Verdict<K> = (<<K as Keeper>::Object as kube::core::object::HasStatus>::Status, bool);
