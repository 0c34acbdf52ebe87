//! A restart of argocd-server: the only way to make it read `exec.shells`, and to end every open terminal. Pure.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::api::apps::v1::Deployment;
use serde_json::json;

use super::world::World;
use crate::argocd::pods;
use crate::config::RestartServer;
use crate::ownership::managed_fields;
use crate::reconcile::shared;
use crate::reconcile::write::{Action, Direction, Kind, Layer, Target, Write};

/// The annotation by which `kubectl rollout restart` restarts pods.
const RESTARTED_AT: &str = "kubectl.kubernetes.io/restartedAt";

/// Whether a pod of argocd-server is there that was started before this time, or at it; `None`: that is not known.
#[must_use]
pub fn any_pod_from_before(world: &World, time: Timestamp) -> Option<bool> {
    let server = world.server().ok()?.ok()?;
    let pods = world.pods.as_ref().ok()?;
    Some(pods::any_from_before(pods, &server.pod_labels, time, |annotations| is_after(Some(annotations), time)))
}

fn is_after(annotations: Option<&BTreeMap<String, String>>, time: Timestamp) -> bool {
    annotations.and_then(|a| a.get(RESTARTED_AT)).and_then(|t| t.parse::<Timestamp>().ok()).is_some_and(|at| at >= time)
}

fn deployment(world: &World) -> Option<&Deployment> {
    let name = world.server().ok()?.ok()?.deployment;
    world.deployments.as_ref().ok()?.iter().find(|d| d.metadata.name.as_deref() == Some(name.as_str())).map(AsRef::as_ref)
}

/// Whether the operator may restart argocd-server, and has not done so since this time.
#[must_use]
pub fn is_due(world: &World, since: Timestamp) -> bool {
    let template = |d: &Deployment| d.spec.as_ref().and_then(|s| s.template.metadata.as_ref()).and_then(|m| m.annotations.clone());
    world.settings.restart_server == RestartServer::WhenNeeded && deployment(world).is_some_and(|d| !is_after(template(d).as_ref(), since))
}

/// The restart itself, once for each time that needs it; `at` is now.
#[must_use]
pub fn write(world: &World, since: Timestamp, at: &str, why: &'static str) -> Option<Write> {
    let deployment = deployment(world).filter(|_| is_due(world, since))?;
    let patch = json!({
        "metadata": {"resourceVersion": deployment.metadata.resource_version},
        "spec": {"template": {"metadata": {"annotations": {RESTARTED_AT: at}}}},
    });
    let target = Target::namespaced(Kind::Deployment, world.namespace(), deployment.metadata.name.as_deref()?);
    Some(Write { target, layer: Layer::Flag, direction: Direction::Keep, action: Action::Merge(patch), why })
}

/// A restart leaves no managedFields entry either.
#[must_use]
pub fn disown(world: &World) -> Option<Write> {
    let deployment = world.deployments.as_ref().ok()?.iter().find(|d| managed_fields::ours_present(&d.metadata))?;
    let target = Target::namespaced(Kind::Deployment, world.namespace(), deployment.metadata.name.as_deref()?);
    Some(shared::disown(&target, Layer::Flag, &deployment.metadata))
}

/// How a person does it.
#[must_use]
pub fn command(world: &World) -> String {
    let name = world.server().ok().and_then(Result::ok).map_or_else(|| "argocd-server".to_owned(), |s| s.deployment);
    format!("kubectl -n {} rollout restart deployment/{name}", world.namespace())
}
