//! What the Events of a `LiveResourceAccess` say, and when its status is written. Pure.

use std::collections::BTreeSet;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use crate::api::{LiveResourceAccess, LiveResourceAccessStatus, Side};
use crate::reconcile::told::{Told, timeless};

/// As many Applications are named.
const NAMED: usize = 5;

impl Told for LiveResourceAccess {
    fn conditions(status: &LiveResourceAccessStatus) -> &[Condition] {
        &status.conditions
    }

    fn same(before: &LiveResourceAccessStatus, now: &LiveResourceAccessStatus) -> bool {
        let without_times = |status: &LiveResourceAccessStatus| {
            let mut status = status.clone();
            timeless(&mut status.conditions);
            // When an agent was asked last is no news as long as it answers the same.
            for agent in &mut status.agents {
                agent.checked_at = None;
            }
            status
        };
        without_times(before) == without_times(now)
    }

    fn saying(generation: Option<i64>, conditions: Vec<Condition>) -> LiveResourceAccessStatus {
        LiveResourceAccessStatus { observed_generation: generation, conditions, ..LiveResourceAccessStatus::default() }
    }

    fn gist(&self) -> String {
        let Some(agent) = self.spec.agent.as_ref().filter(|_| self.spec.side == Side::Agent) else { return "Side: Principal.".to_owned() };
        let features: BTreeSet<_> = agent.grants.iter().flat_map(|grant| &grant.features).collect();
        let features: Vec<&str> = features.into_iter().map(|feature| feature.as_str()).collect();
        let what = agent.grants.iter().flat_map(|grant| &grant.applications).map(|a| format!("{}/{}", a.project, a.name));
        format!("Features: {}. Applications: {}.", features.join(", "), what.take(NAMED).collect::<Vec<_>>().join(", "))
    }

    fn reason(&self) -> Option<&str> {
        self.spec.reason.as_deref()
    }

    fn end(&self) -> Option<jiff::Timestamp> {
        self.spec.validity.not_after.as_ref().map(|end| end.0)
    }

    fn farewell() -> &'static str {
        "the rights are withdrawn, and every setting that it needed has its former value back unless another object needs it"
    }
}
