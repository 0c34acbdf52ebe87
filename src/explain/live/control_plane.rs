//! The links of a request in the control plane: the principal, argocd-server's Redis, and the network between them. Pure.
//!
//! They are judged by the operator's own plan: for the objects of side `Principal` that there are, else as if there were one. Nothing of it
//! is sent.

use serde_json::{Value, json};

use super::application;
use super::observed::{Hub, Observed};
use super::question::Question;
use crate::api::conditions::{Reason, State as Holds, Verdict};
use crate::api::{FINALIZER, LiveResourceAccess, Side};
use crate::explain::link::{Fix, Link, Name};
use crate::explain::{Explanation, LiveCause, commands, not_readable};
use crate::live::principal::{Outlook, plan};
use crate::reconcile::{NotSeen, Seen};

/// The name of the object that mends what an object can.
const SUGGESTED: &str = "control-plane";

/// Walks the links of the control plane. What is beyond them is in the cluster of the agent.
#[must_use]
pub fn explain(question: &Question, observed: &Observed, hub: &Hub) -> Explanation {
    let declared = hub.world.accesses.iter().any(|access| !access.spec.suspend && access.metadata.deletion_timestamp.is_none());
    let Some(outlook) = outlook(question, hub, declared) else {
        return Explanation { links: vec![application::in_control_plane(question, observed)] };
    };
    let world = &hub.world;
    let (deployments, config_maps, services) = (unseen(&world.deployments), unseen(&world.config_maps), unseen(&world.services));
    let of_principal = [deployments, config_maps, services, unseen(&world.stateful_sets)];
    let of_redis = [deployments, services, unseen(&world.params_cm), unseen(&world.pods)];
    let of_network = [deployments, services, unseen(&world.network_policies)];
    // What the person who asks may not read is told as such: the operator's rights are others.
    let judged =
        |name: Name, needed: &[Option<&NotSeen>], link: Link| needed.iter().flatten().next().map_or(link, |not_seen| not_readable(name, not_seen));
    // Without the principal nothing is to be led to it.
    let mend = || (!declared && outlook.instance.holds()).then(|| declaration(question));
    Explanation {
        links: vec![
            judged(Name::Principal, &of_principal, link(Name::Principal, LiveCause::PrincipalUnfit, &outlook.instance, None)),
            judged(Name::Redis, &of_redis, link(Name::Redis, LiveCause::RedisElsewhere, &outlook.redis, mend())),
            judged(Name::Network, &of_network, link(Name::Network, LiveCause::NetworkClosed, &outlook.network, mend())),
            application::in_control_plane(question, observed),
        ],
    }
}

fn unseen<T>(seen: &Seen<T>) -> Option<&NotSeen> {
    seen.as_ref().err()
}

/// What the operator would say of the oldest object that counts, or of one that asks for everything.
fn outlook(question: &Question, hub: &Hub, declared: bool) -> Option<Outlook> {
    let mut world = hub.world.clone();
    world.settings.live.enabled = true;
    if !declared {
        world.accesses = vec![std::sync::Arc::new(wished(question)?)];
    }
    let outlooks = plan(&world, hub.at).outlooks;
    outlooks.iter().find(|outlook| outlook.standing).or_else(|| outlooks.first()).cloned()
}

/// An object that the operator has taken up already: else it would first want its finalizer.
fn wished(question: &Question) -> Option<LiveResourceAccess> {
    let mut object = manifest(question);
    let metadata = object.pointer_mut("/metadata")?.as_object_mut()?;
    metadata.insert("uid".to_owned(), json!("none"));
    metadata.insert("finalizers".to_owned(), json!([FINALIZER]));
    crate::json::read(&object).ok()
}

fn manifest(question: &Question) -> Value {
    json!({
        "apiVersion": "argocd-access.dev/v1alpha1", "kind": "LiveResourceAccess",
        "metadata": {"name": SUGGESTED, "namespace": question.instance},
        "spec": {"side": Side::Principal.as_str()},
    })
}

fn declaration(question: &Question) -> Fix {
    let note = "an operator that serves LiveResourceAccess (chart value live.enabled) sets it, and gives it back when the object is deleted";
    Fix::command(commands::create(&question.instance, &manifest(question).to_string())).noting(Some(note.to_owned()))
}

/// As a verdict stands; the object that mends it is printed only where nothing but it is missing.
fn link(name: Name, cause: LiveCause, verdict: &Verdict, mend: Option<Fix>) -> Link {
    if verdict.holds() {
        return Link::open(name, verdict.message.clone());
    }
    let missing = matches!(verdict.reason, Reason::Pending | Reason::Blocked);
    let fix = mend.filter(|_| missing).unwrap_or_else(|| Fix::by_people(cause.mend()));
    let closed = verdict.state == Holds::False || missing;
    let link = if closed { Link::closed(name, cause, verdict.message.clone()) } else { Link::unknown(name, cause, verdict.message.clone()) };
    link.mended_by(fix)
}
