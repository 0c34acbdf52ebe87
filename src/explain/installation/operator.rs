//! Whether the operator's pods are ready, and whether one of them writes. Pure.

use jiff::{SignedDuration, Timestamp};

use super::{Instance, Wanted, not_readable};
use crate::explain::InstallationCause as Cause;
use crate::explain::link::{Fix, Link, Name};
use crate::shell::word;

/// By so much the clocks of two machines may differ before a Lease that is renewed looks like one that is not.
const CLOCKS: SignedDuration = SignedDuration::from_secs(60);
/// Kubernetes cuts what is before the last five characters of a generated name to this length.
const GENERATED: usize = 58;

/// How the Deployment stands.
#[must_use]
pub fn look(wanted: &Wanted) -> Link {
    const NAME: Name = Name::Operator;
    let called = format!("Deployment {}/{}", wanted.namespace, wanted.name);
    let deployment = match &wanted.found {
        Err(not_seen) => return not_readable(NAME, not_seen),
        Ok(None) => return Link::closed(NAME, Cause::OperatorMissing, format!("there is no {called}")),
        Ok(Some(deployment)) => deployment,
    };
    let (namespace, name) = (word(&wanted.namespace), word(&wanted.name));
    let replicas = deployment.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1);
    if replicas == 0 {
        let command = format!("kubectl -n {namespace} scale deployment {name} --replicas=1");
        return Link::closed(NAME, Cause::OperatorStopped, format!("{called} has 0 replicas")).mended_by(Fix::command(command));
    }
    let status = deployment.status.clone().unwrap_or_default();
    let (ready, available) = (status.ready_replicas.unwrap_or(0), status.available_replicas.unwrap_or(0));
    let seen = deployment.metadata.generation.unwrap_or(0) <= status.observed_generation.unwrap_or(0);
    let fact = match (seen, ready.min(available)) {
        (false, _) => format!("{called} was changed, and the cluster has not looked at that yet"),
        (true, 0) => format!("no pod of {called} is ready"),
        // Fewer than there are to be are enough: one of them does the work.
        (true, some) if status.updated_replicas.unwrap_or(0) >= replicas.max(status.replicas.unwrap_or(0)) => {
            return Link::open(NAME, format!("{some} of {replicas} pods of {called} are ready"));
        }
        (true, _) => format!("{called} is being replaced, and not all of its new pods are ready"),
    };
    let fix = Fix::command(format!("kubectl -n {namespace} describe deployment {name}"));
    Link::closed(NAME, Cause::OperatorNotReady, fact).mended_by(fix.then(format!("kubectl -n {namespace} logs deployment/{name}")))
}

/// How the Lease of a namespace stands. `deployment`: the operator's, if it is known which that is.
#[must_use]
pub fn lease(instance: &Instance, deployment: Option<&Wanted>, now: Timestamp) -> Link {
    const NAME: Name = Name::Lease;
    let called = format!("Lease {}/{}", instance.world.namespace(), instance.lease);
    let free = |fact: String| {
        let logs = deployment.map(|of| Fix::command(format!("kubectl -n {} logs deployment/{}", word(&of.namespace), word(&of.name))));
        Link::closed(NAME, Cause::LeaseFree, fact).mended_by(logs)
    };
    let spec = match &instance.holds {
        Err(not_seen) => return not_readable(NAME, not_seen),
        Ok(None) => return free(format!("there is no {called}")),
        Ok(Some(lease)) => lease.spec.clone().unwrap_or_default(),
    };
    let Some(holder) = spec.holder_identity.filter(|holder| !holder.is_empty()) else { return free(format!("nobody has the {called}")) };
    let lasts = SignedDuration::from_secs(spec.lease_duration_seconds.unwrap_or(0).into()) + CLOCKS;
    if spec.renew_time.is_none_or(|renewed| now.duration_since(renewed.0) > lasts) {
        return free(format!("{holder} has the {called} and does not renew it any more"));
    }
    if let Some(of) = deployment.filter(|of| !is_pod_of(&holder, &of.name)) {
        let fact = format!("the {called} is with {holder}, which is no pod of Deployment {}/{}", of.namespace, of.name);
        return Link::closed(NAME, Cause::LeaseTaken, fact);
    }
    Link::open(NAME, format!("{holder} has the {called} and renews it"))
}

fn is_pod_of(pod: &str, deployment: &str) -> bool {
    let prefix = format!("{deployment}-");
    pod.starts_with(prefix.get(..GENERATED).unwrap_or(&prefix))
}
