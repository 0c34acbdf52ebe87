//! The status of an object: what the applied plan found, completed by what agents answered. Pure.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::answers::{self, Answers};
use super::outlook::Outlook;
use super::plan::Plan;
use crate::api::conditions::{ConditionType, Reason, Verdict, condition};
use crate::api::{LiveResourceAccess, LiveResourceAccessStatus};
use crate::live::status::failed;
use crate::reconcile::plan::{Applied, Failures};
use crate::reconcile::write::Layer;

/// So many agents are told of; the schema allows an object no more.
const AGENTS: usize = 64;

/// Makes the status that follows from the earlier one, which is that of `access`.
#[must_use]
pub fn status(
    outlook: &Outlook,
    access: &LiveResourceAccess,
    plan: &Plan<Applied>,
    answers: &Answers,
    failures: &Failures,
    now: &Time,
) -> LiveResourceAccessStatus {
    let empty = LiveResourceAccessStatus::default();
    let before = access.status.as_ref().unwrap_or(&empty);
    let agents = outlook.agents.as_ref().filter(|_| outlook.effective);
    let reachable = match agents {
        _ if !outlook.effective => outlook.idle.clone(),
        None => answers::none(),
        Some(agents) => answers::verdict(agents, &outlook.settings, answers, now.0),
    };
    let mut parts = vec![
        (ConditionType::Accepted, outlook.accepted.clone()),
        (ConditionType::Active, failed(outlook.active.clone(), &[Layer::Finalizer], failures)),
        (ConditionType::InstanceReady, outlook.instance.clone()),
        (ConditionType::RedisProxyConfigured, failed(outlook.redis.clone(), &[Layer::Redis], failures)),
        (ConditionType::NetworkReady, failed(outlook.network.clone(), &[Layer::Network], failures)),
        (ConditionType::AgentReachable, reachable),
    ];
    parts.extend(outlook.clock.clone().map(|clock| (ConditionType::ClockSynced, clock)));
    let ready = ready(&parts, agents.is_some());
    let generation = access.metadata.generation;
    let conditions = parts.iter().chain([&ready]).map(|(kind, verdict)| condition(*kind, verdict, generation, &before.conditions, now)).collect();
    let mut told = agents.map(|agents| answers::told(agents, answers)).unwrap_or_default();
    told.truncate(AGENTS);
    LiveResourceAccessStatus {
        observed_generation: generation,
        conditions,
        instance: Some(plan.instance.clone()),
        agents: told,
        next_transition: outlook.next_transition.map(Time),
        changes: outlook.changes.clone(),
        ..LiveResourceAccessStatus::default()
    }
}

/// The first part that does not hold. What an object says is to be left alone, or not to be tried, is only to be known; so is a clock that
/// differs.
fn ready(parts: &[(ConditionType, Verdict)], probed: bool) -> (ConditionType, Verdict) {
    let tolerable = |kind: ConditionType, v: &Verdict| match kind {
        ConditionType::ClockSynced => true,
        ConditionType::AgentReachable => v.holds() || (!probed && v.reason == Reason::NotProbed),
        ConditionType::RedisProxyConfigured => v.holds() || v.reason == Reason::NotManaged,
        _ => v.holds(),
    };
    let verdict = match parts.iter().find(|(kind, v)| !tolerable(*kind, v)) {
        Some((kind, v)) => Verdict { state: v.state, reason: v.reason, message: format!("{}: {}", kind.as_str(), v.message) },
        None => {
            let left: Vec<&str> =
                parts.iter().filter(|(kind, v)| !v.holds() && *kind != ConditionType::ClockSynced).map(|(kind, _)| kind.as_str()).collect();
            let left = if left.is_empty() { String::new() } else { format!("; not verified: {}", left.join(", ")) };
            Verdict::yes(Reason::Ready, format!("the control plane is as declared{left}"))
        }
    };
    (ConditionType::Ready, verdict)
}
