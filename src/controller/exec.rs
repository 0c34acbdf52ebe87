//! `ExecAccess`, as it is kept true.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::Client;

use super::keeper::{Keeper, Verdict};
use crate::api::{ConditionType, ExecAccess};
use crate::cluster_io::recent::Recent;
use crate::cluster_io::review::{Asked, reviews};
use crate::cluster_io::snapshot::{ExecWatches, Outside};
use crate::cluster_io::watch::Probe;
use crate::exec::status::{self, Review, Reviews};
use crate::exec::{self, Plan, World};
use crate::reconcile::plan::Prepared;
use crate::reconcile::{Applied, Failures, Kind, Seen, Target};

/// Others' grants are not watched; the answers are asked for anew after this time.
const REVIEW_AGE: Duration = Duration::from_secs(20);

/// It, with what was reviewed last.
pub struct ExecKeeper {
    watches: ExecWatches,
    reviewed: Option<(Instant, Reviews)>,
}

impl ExecKeeper {
    /// With these watches.
    #[must_use]
    pub fn new(watches: ExecWatches) -> Self {
        Self { watches, reviewed: None }
    }

    fn known(&self, wanted: &BTreeSet<String>, doubtful: impl Fn(&Reviews) -> bool) -> bool {
        self.reviewed
            .as_ref()
            .is_some_and(|(when, known)| when.elapsed() < REVIEW_AGE && wanted.iter().all(|n| known.contains_key(n)) && !doubtful(known))
    }
}

impl Keeper for ExecKeeper {
    type Object = ExecAccess;
    type World = World;
    type Plan = Plan<Prepared>;
    type Applied = Plan<Applied>;

    const KIND: Kind = Kind::ExecAccess;
    const NAME: &'static str = "ExecAccess";
    const CONDITIONS: &'static [ConditionType] = &ConditionType::EXEC;

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

    fn objects(world: &mut World) -> &mut Vec<Arc<ExecAccess>> {
        &mut world.accesses
    }

    fn plan(world: &World, now: jiff::Timestamp) -> Plan<Prepared> {
        exec::plan(world, now)
    }

    fn debts(plan: &Plan<Prepared>) -> BTreeSet<String> {
        plan.outlooks.iter().filter_map(|o| o.debt.as_ref()).map(|d| d.message.clone()).collect()
    }

    async fn review(&mut self, client: &Client, plan: &Plan<Applied>, written: &BTreeSet<Target>) {
        let wanted: BTreeSet<String> = status::to_review(&plan.outlooks);
        let Some(service_account) = plan.instance.service_account.as_deref().filter(|_| !wanted.is_empty()) else {
            self.reviewed = None;
            return;
        };
        // A namespace that we have just bound may be answered from a cache that does not know it yet.
        let mut bound: Vec<_> = plan.outlooks.iter().filter_map(|o| Some(&o.server.as_ref()?.bound)).collect();
        // They are the same for all.
        bound.dedup_by(|one, other| Arc::ptr_eq(one, other));
        // The questions of one review are asked one after the other: the first may have come too early, and the last not.
        let is_bound = |namespace: &str| bound.iter().any(|bound| bound.contains(namespace) || bound.contains("*"));
        let closed = |review: &Review| !(review.pods_get.allowed && review.exec_create.allowed);
        let doubtful = |r: &Reviews| r.iter().any(|(n, r)| is_bound(n) && r.as_ref().is_ok_and(closed));
        if written.iter().any(|target| target.kind.is_about_rights()) || !self.known(&wanted, doubtful) {
            let instance = self.watches.namespace();
            let fresh = reviews(client, Asked { instance, service_account }, wanted).await;
            self.reviewed = Some((Instant::now(), fresh));
        }
    }

    fn forget(&mut self) {
        self.reviewed = None;
    }

    fn outlooks(plan: &Plan<Applied>) -> Vec<Arc<ExecAccess>> {
        plan.outlooks.iter().map(|outlook| Arc::clone(&outlook.access)).collect()
    }

    fn status(&self, plan: &Plan<Applied>, index: usize, object: &Arc<ExecAccess>, failures: &Failures, now: &Time) -> Verdict<Self> {
        let Some(outlook) = plan.outlooks.get(index) else { return (object.status.clone().unwrap_or_default(), false) };
        let none = Reviews::new();
        let reviews = self.reviewed.as_ref().map_or(&none, |(_, reviews)| reviews);
        let status = status::status(outlook, object, &plan.instance, reviews, failures, now);
        let waits = status.server.iter().flat_map(|s| &s.namespaces).any(|n| n.granted_by_us && n.allowed != Some(true));
        (status, waits)
    }
}
