//! The restart of argocd-server after a change of `redis.server`: one annotation on the template of its pods that holds the value with which
//! they start. Where it says the value already, nothing is written; when the value goes back, the annotation goes, and with it the pods that
//! were started with it. Pure.

use jiff::Timestamp;
use k8s_openapi::api::apps::v1::Deployment;
use serde_json::{Value, json};

use super::basis::Basis;
use super::grant::Address;
use super::redis::Wish;
use super::world::World;
use crate::api::REDIS_ANNOTATION;
use crate::api::conditions::{Reason, Verdict};
use crate::api::status::Change;
use crate::argocd::pods::any_from_before;
use crate::argocd::{ARGOCD_CMD_PARAMS_CM, REDIS_SERVER};
use crate::config::RestartServer;
use crate::ownership::managed_fields;
use crate::reconcile::shared;
use crate::reconcile::write::{Action, Direction, Kind, Layer, Target, Wanted, Write};

/// What argocd-server's pods have read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pods {
    /// All have started since.
    Fresh,
    /// One has not.
    Old,
    /// That is not known.
    Unseen(String),
}

fn deployment<'a>(world: &'a World, basis: &Basis) -> Option<&'a Deployment> {
    world.deployment(&basis.server.as_ref().ok()?.0.deployment)
}

fn annotated(deployment: &Deployment) -> Option<&str> {
    deployment.spec.as_ref()?.template.metadata.as_ref()?.annotations.as_ref()?.get(REDIS_ANNOTATION).map(String::as_str)
}

/// Whether the pods of argocd-server have started with this value. `since`: when it was set; without that none is known to be older.
#[must_use]
pub fn pods(world: &World, basis: &Basis, value: &str, since: Option<Timestamp>) -> Pods {
    let Ok((server, _)) = &basis.server else { return Pods::Unseen("argocd-server was not found".to_owned()) };
    let pods = match &world.pods {
        Ok(pods) => pods,
        Err(not_seen) => return Pods::Unseen(not_seen.to_string()),
    };
    let Some(since) = since else { return Pods::Fresh };
    let is_new = |annotations: &std::collections::BTreeMap<String, String>| annotations.get(REDIS_ANNOTATION).is_some_and(|v| v == value);
    // A pod carries the labels of the template that it was made from, which may be an earlier one: the selector is what all have.
    let labels = basis.server.as_ref().map(|(_, redis)| &redis.selector).ok().filter(|selector| !selector.is_empty()).unwrap_or(&server.pod_labels);
    if any_from_before(pods, labels, since, is_new) { Pods::Old } else { Pods::Fresh }
}

/// What has to be written. `stands`: the value of ours that stands; `at`: since when.
#[must_use]
pub fn fold(world: &World, basis: &Basis, wish: &Wish, stands: Option<&str>, at: Option<&str>) -> Wanted {
    let mut wanted = Wanted::default();
    let Some(deployment) = deployment(world, basis) else { return wanted };
    let target = Target::namespaced(Kind::Deployment, world.namespace(), deployment.metadata.name.as_deref().unwrap_or_default());
    let may = wish.restart && world.settings.restart_server == RestartServer::WhenNeeded;
    let (is, to) = (annotated(deployment), stands);
    let is_due = match stands {
        // Pods that have started since of themselves need no restart; so one who takes the annotation out again causes none.
        Some(value) => is != Some(value) && pods(world, basis, value, at.and_then(|at| at.parse().ok())) == Pods::Old,
        None => is.is_some() && wish.address.is_none(),
    };
    if is_due && may {
        wanted.changes.push(change(&target, is, to));
        let patch = json!({
            "metadata": {"resourceVersion": deployment.metadata.resource_version},
            "spec": {"template": {"metadata": {"annotations": {REDIS_ANNOTATION: to.map_or(Value::Null, |to| json!(to))}}}},
        });
        let why = "restart argocd-server: redis.server changed";
        wanted.writes.push(Write { target, layer: Layer::Redis, direction: Direction::Keep, action: Action::Merge(patch), why });
    } else if managed_fields::ours_present(&deployment.metadata) {
        wanted.writes.push(shared::disown(&target, Layer::Redis, &deployment.metadata));
    }
    wanted
}

/// What is to come once this value stands.
#[must_use]
pub fn announced(world: &World, basis: &Basis, wish: &Wish, value: &str, now: &str) -> Option<Change> {
    let deployment = deployment(world, basis)?;
    let may = wish.restart && world.settings.restart_server == RestartServer::WhenNeeded;
    let is = annotated(deployment);
    let is_due = may && is != Some(value) && pods(world, basis, value, now.parse().ok()) == Pods::Old;
    let target = Target::namespaced(Kind::Deployment, world.namespace(), deployment.metadata.name.as_deref()?);
    is_due.then(|| change(&target, is, Some(value)))
}

fn change(target: &Target, from: Option<&str>, to: Option<&str>) -> Change {
    Change {
        object: target.to_string(),
        field: format!("spec.template.metadata.annotations.\"{REDIS_ANNOTATION}\""),
        from: from.map(ToOwned::to_owned),
        to: to.map(ToOwned::to_owned),
    }
}

/// What is said while pods are older than the change. `ours`: whether it was ours.
#[must_use]
pub fn pending(world: &World, basis: &Basis, wish: &Wish, address: &Address, ours: bool) -> Verdict {
    let name = basis.server.as_ref().map_or("argocd-server", |(server, _)| server.deployment.as_str());
    let command = format!("kubectl -n {} rollout restart deployment/{name}", world.namespace());
    let may = wish.restart && world.settings.restart_server == RestartServer::WhenNeeded;
    if !ours {
        let message = format!(
            "{ARGOCD_CMD_PARAMS_CM} has {REDIS_SERVER} {} from somebody else, and argocd-server has not started since they last wrote to it: if it does not know that value, {command}",
            address.text
        );
        return Verdict::unknown(Reason::RestartPending, message);
    }
    let how = if may {
        "it is being restarted".to_owned()
    } else if wish.restart {
        format!("{command} (ends all open terminals; restartServer: WhenNeeded lets the operator do it)")
    } else {
        format!("{command} (ends all open terminals; spec.principal.restart is Never)")
    };
    Verdict::no(
        Reason::RestartPending,
        format!("{ARGOCD_CMD_PARAMS_CM} has {REDIS_SERVER} {}, which argocd-server reads only when it starts: {how}", address.text),
    )
}
