//! What the Events of a `LiveResourceAccess` say, and when its status is written. Pure.

use std::collections::BTreeSet;

use crate::api::Condition;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde_json::json;

use crate::api::conditions::ConditionType;
use crate::api::live_resource_access::LiveGrant;
use crate::api::{GrantInEffect, LiveResourceAccess, LiveResourceAccessStatus, Side};
use crate::reconcile::audit::{Effect, Terms, effect_of, places};
use crate::reconcile::told::{Told, find, timeless};

/// As many Applications are named.
const NAMED: usize = 5;

impl Told for LiveResourceAccess {
    fn conditions(status: &LiveResourceAccessStatus) -> &[Condition] {
        &status.conditions
    }

    fn drop_times(status: &mut LiveResourceAccessStatus) {
        timeless(&mut status.conditions);
        // When an agent was asked last is no news as long as it answers the same.
        for agent in &mut status.agents {
            agent.checked_at = None;
        }
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

    fn grant(status: &LiveResourceAccessStatus) -> Option<&GrantInEffect> {
        status.grant.as_ref()
    }

    fn set_grant(status: &mut LiveResourceAccessStatus, grant: Option<GrantInEffect>) {
        status.grant = grant;
    }

    fn until(status: &LiveResourceAccessStatus) -> Option<&Time> {
        status.next_transition.as_ref()
    }

    fn effect(status: &LiveResourceAccessStatus) -> Effect {
        // The side of the principal gives nothing to anybody: it is in effect while its settings are.
        let layer = if find(&status.conditions, ConditionType::RedisProxyConfigured).is_some() {
            ConditionType::RedisProxyConfigured
        } else {
            ConditionType::RBACApplied
        };
        effect_of(&status.conditions, layer, status.namespaces.iter().any(|namespace| namespace.proven == Some(true)))
    }

    fn terms(&self) -> Terms {
        let spec = &self.spec;
        let Some(agent) = spec.agent.as_ref().filter(|_| spec.side == Side::Agent) else {
            return Terms {
                whom: vec!["the principal".to_owned()],
                what: vec!["the settings of the control plane".to_owned()],
                exactly: json!(spec.principal),
            };
        };
        let of = |grant: &LiveGrant| {
            let features: Vec<&str> = grant.features.iter().map(|feature| feature.as_str()).collect();
            let applications: Vec<String> = grant.applications.iter().map(|a| format!("{}/{}", a.project, a.name)).collect();
            let place = places(&grant.namespaces).map(|places| format!(" in {places}")).unwrap_or_default();
            format!("{} of {}{place}", features.join(" "), applications.join(" "))
        };
        Terms {
            whom: vec![agent.deployment.as_ref().map_or_else(|| "the agent".to_owned(), |name| format!("the agent {name}"))],
            what: agent.grants.iter().map(of).collect(),
            exactly: json!([agent.grants, agent.children, agent.exclude, agent.protected_namespaces]),
        }
    }

    fn farewell() -> &'static str {
        "the rights are withdrawn, and every setting that it needed has its former value back unless another object needs it"
    }
}
