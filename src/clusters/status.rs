//! The status of an object: what the applied plan found, with what went wrong. Pure.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::outlook::Outlook;
use super::plan::LAYERS;
use crate::api::conditions::{ConditionType, Reason, State, Verdict, condition};
use crate::api::{ClusterAccess, ClusterAccessStatus};
use crate::live::status::failed;
use crate::reconcile::plan::Failures;
use crate::reconcile::write::Layer;

/// So many namespaces are told.
const NAMESPACES: usize = 256;
/// So many rights, and objects that are left.
const RIGHTS: usize = 64;

/// Makes the status that follows from the earlier one, which is that of `access`.
#[must_use]
pub fn status(outlook: &Outlook, access: &ClusterAccess, failures: &Failures, now: &Time) -> ClusterAccessStatus {
    let empty = ClusterAccessStatus::default();
    let before = access.status.as_ref().unwrap_or(&empty);
    let mut parts = vec![
        (ConditionType::Accepted, outlook.accepted.clone()),
        (ConditionType::Active, failed(outlook.active.clone(), &[Layer::Finalizer], failures)),
        (ConditionType::RemoteReachable, outlook.reachable.clone()),
        (ConditionType::RemoteRBACApplied, failed(outlook.rbac.clone(), &[Layer::RemoteRights, Layer::RemoteExec], failures)),
        (ConditionType::CredentialReady, failed(outlook.credential.clone(), &[Layer::Anchor, Layer::Manager], failures)),
        (ConditionType::SecretApplied, failed(outlook.secret.clone(), &[Layer::ClusterSecret], failures)),
        (ConditionType::PermissionsProven, outlook.proven.clone()),
        (ConditionType::Confined, outlook.confined.clone()),
        (ConditionType::CacheCompatible, outlook.cache.clone()),
        (ConditionType::AWSReady, failed(outlook.aws.clone(), &[Layer::Aws], failures)),
        (ConditionType::ObservedByArgoCD, outlook.observed.clone()),
    ];
    parts.extend(outlook.clock.clone().map(|clock| (ConditionType::ClockSynced, clock)));
    let ready = ready(&parts);
    let generation = access.metadata.generation;
    let conditions = parts.iter().chain([&ready]).map(|(kind, verdict)| condition(*kind, verdict, generation, &before.conditions, now)).collect();
    let cut = |all: &[crate::api::RemoteRight]| all.iter().take(RIGHTS).cloned().collect();
    let found = outlook.found.clone();
    ClusterAccessStatus {
        observed_generation: generation,
        conditions,
        cluster: Some(outlook.cluster.clone()),
        credential: (found != crate::api::cluster_status::CredentialFound::default()).then_some(found),
        namespaces: outlook.namespaces.iter().take(NAMESPACES).cloned().collect(),
        truncated: outlook.namespaces.len() > NAMESPACES,
        missing: cut(&outlook.missing),
        excess: cut(&outlook.excess),
        pending_remote: pending(outlook, failures).iter().take(RIGHTS).cloned().collect(),
        grant: None,
        next_transition: outlook.next_transition.map(Time),
        changes: outlook.changes.clone(),
    }
}

/// What is left on a cluster that does not answer. That it does not may show only when something is to be taken away there.
fn pending<'a>(outlook: &'a Outlook, failures: &Failures) -> &'a [String] {
    let failed = LAYERS.iter().any(|layer| failures.contains_key(layer));
    if failed { &outlook.left } else { &outlook.pending }
}

/// The first part that does not hold. Where Argo CD has nothing to say of the cluster, that is only to be known; so is a clock that differs.
fn ready(parts: &[(ConditionType, Verdict)]) -> (ConditionType, Verdict) {
    let told = |(kind, verdict): &&(ConditionType, Verdict)| match kind {
        ConditionType::ClockSynced => true,
        ConditionType::ObservedByArgoCD => verdict.state == State::Unknown,
        _ => false,
    };
    // While it does not take effect, that is what there is to say.
    let first = parts.iter().filter(|part| !told(part)).find(|(_, verdict)| !verdict.holds());
    let verdict = first.map_or_else(
        || Verdict::yes(Reason::Ready, "the cluster is kept: its credential is valid, and what is declared is proven"),
        |(kind, verdict)| Verdict { message: format!("{}: {}", kind.as_str(), verdict.message), ..verdict.clone() },
    );
    (ConditionType::Ready, verdict)
}
