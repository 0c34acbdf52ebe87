//! The status of an object: what the applied plan found, completed by what the reviews prove. Pure.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::outlook::Outlook;
use super::plan::Plan;
use super::review::{self, Reviews};
use crate::api::conditions::{ConditionType, Reason, Verdict, condition};
use crate::api::live_status::{ApplicationCount, NamespaceGrant};
use crate::api::{LiveResourceAccess, LiveResourceAccessStatus};
use crate::reconcile::plan::{Applied, Failures};
use crate::reconcile::write::Layer;

const NAMESPACES: usize = 256;
const NOT_GRANTED: usize = 64;
const EXCESS: usize = 64;

/// Makes the status that follows from the earlier one, which is that of `access`.
#[must_use]
pub fn status(
    outlook: &Outlook,
    access: &LiveResourceAccess,
    plan: &Plan<Applied>,
    reviews: &Reviews,
    failures: &Failures,
    now: &Time,
) -> LiveResourceAccessStatus {
    let empty = LiveResourceAccessStatus::default();
    let before = access.status.as_ref().unwrap_or(&empty);
    let (proven, (confined, mut excess)) = if let Some(blind) = outlook.blind.as_ref().filter(|_| outlook.effective) {
        let unknown = || Verdict::unknown(Reason::NotChecked, format!("what the agent needs is not known: {}", blind.message));
        (unknown(), (unknown(), Vec::new()))
    } else if outlook.effective {
        (review::proof(outlook, reviews), review::confinement(outlook, &plan.union, reviews))
    } else {
        let nothing = || {
            Verdict::no(
                if outlook.accepted.holds() { outlook.active.reason } else { outlook.accepted.reason },
                "nothing is granted by this object now",
            )
        };
        (nothing(), (nothing(), Vec::new()))
    };
    let mut parts = vec![
        (ConditionType::Accepted, outlook.accepted.clone()),
        (ConditionType::Active, failed(outlook.active.clone(), &[Layer::Finalizer], failures)),
        (ConditionType::InstanceReady, outlook.instance.clone()),
        (ConditionType::ResourcesResolved, outlook.resources.clone()),
        (ConditionType::RBACApplied, failed(outlook.rbac.clone(), &[Layer::Live, Layer::LiveShipped], failures)),
        (ConditionType::AccessProven, proven),
        (ConditionType::Confined, confined),
    ];
    parts.extend(outlook.clock.clone().map(|clock| (ConditionType::ClockSynced, clock)));
    let ready = ready(&parts);
    let generation = access.metadata.generation;
    let conditions = parts.iter().chain([&ready]).map(|(kind, verdict)| condition(*kind, verdict, generation, &before.conditions, now)).collect();
    let wanted = &outlook.wanted;
    let number = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
    // What an object that does not take effect would grant is no grant.
    let granted = wanted.namespaces.iter().filter(|_| outlook.effective).map(|(name, place)| NamespaceGrant {
        name: name.clone(),
        features: place.features.iter().copied().collect(),
        rules: number(place.rules.render().len()),
        proven: review::is_proven(name, place, reviews),
    });
    let mut namespaces: Vec<NamespaceGrant> = granted.take(NAMESPACES + 1).collect();
    let mut truncated = namespaces.len() > NAMESPACES;
    namespaces.truncate(NAMESPACES);
    if outlook.effective && outlook.blind.is_some() {
        // What stands there stands still.
        namespaces = before.namespaces.iter().map(|known| NamespaceGrant { proven: None, ..known.clone() }).collect();
        truncated = before.truncated;
    }
    excess.truncate(EXCESS);
    LiveResourceAccessStatus {
        observed_generation: generation,
        conditions,
        instance: Some(plan.instance.clone()),
        applications: Some(ApplicationCount { selected: number(wanted.selected), without_resources: number(wanted.without_resources) }),
        namespaces,
        truncated,
        not_granted: wanted.not_granted.iter().take(NOT_GRANTED).cloned().collect(),
        excess,
        agents: Vec::new(),
        grant: None,
        next_transition: outlook.next_transition.map(Time),
        changes: outlook.changes.clone(),
    }
}

/// A verdict that waits for a write becomes the failure of that write.
pub(crate) fn failed(verdict: Verdict, layers: &[Layer], failures: &Failures) -> Verdict {
    let messages: Vec<&str> = layers.iter().filter_map(|l| failures.get(l)).flatten().map(String::as_str).collect();
    if messages.is_empty() || verdict.holds() {
        return verdict;
    }
    Verdict { state: verdict.state, reason: Reason::WriteFailed, message: messages.join("; ") }
}

/// The first part that does not hold; a clock that differs is only to be known.
fn ready(parts: &[(ConditionType, Verdict)]) -> (ConditionType, Verdict) {
    let verdict = match parts.iter().find(|(kind, v)| !v.holds() && *kind != ConditionType::ClockSynced) {
        Some((kind, v)) => Verdict { state: v.state, reason: v.reason, message: format!("{}: {}", kind.as_str(), v.message) },
        None => Verdict::yes(Reason::Ready, "live resources are shown as declared"),
    };
    (ConditionType::Ready, verdict)
}
