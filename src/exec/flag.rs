//! argocd-cm: `exec.enabled` and `exec.shells`. Pure.
//!
//! `exec.enabled` is read per request. `exec.shells` is read when argocd-server starts, so a change of it needs a restart.
//! Both follow the existence of any object that stands, not its windows: nothing is rolled twice a day.

use k8s_openapi::api::core::v1::ConfigMap;
use serde_json::json;

use super::admission::Case;
use super::shared::{self, Field, Object, Section};
use super::world::{World, data};
use super::write::{Action, Direction, Kind, Layer, Target, Wanted, Write};
use crate::api::conditions::{Reason, Verdict};
use crate::argocd::{ARGOCD_CM, EXEC_ENABLED, EXEC_SHELLS, PART_OF};
use crate::config::RestartServer;
use crate::ingress::Want;

/// The annotation by which `kubectl rollout restart` restarts pods.
const RESTARTED_AT: &str = "kubectl.kubernetes.io/restartedAt";

/// What the layer wants, and what it says to objects that stand. `at` is the time of a change, as a record keeps it.
#[must_use]
pub fn fold(world: &World, cases: &[Case], at: &str) -> (Wanted, Verdict) {
    let config_map = match &world.argocd_cm {
        Err(not_seen) => return (Wanted::default(), Verdict::unknown(Reason::NotReadable, not_seen.to_string())),
        Ok(None) => {
            let message = format!(
                "ConfigMap {ARGOCD_CM} does not exist in {}; Argo CD cannot run without it. Install Argo CD here, or create the ConfigMap with the label {}={}",
                world.namespace(),
                PART_OF.0,
                PART_OF.1
            );
            return (Wanted::default(), Verdict::no(Reason::ConfigMapMissing, message));
        }
        Ok(Some(config_map)) => config_map,
    };
    let target = Target::namespaced(Kind::ConfigMap, world.namespace(), ARGOCD_CM);
    let object = Object { target: &target, layer: Layer::Flag, meta: &config_map.metadata, data: config_map.data.as_ref() };
    let is_on = data(Some(config_map)).get(EXEC_ENABLED).is_some_and(|v| v == "true");
    let undecided = world.undecided().filter(|_| !is_on);
    let on = (cases.iter().any(|c| c.standing) && undecided.is_none()) || frozen(world, &object);
    let shells = world.settings.shells.join(",");
    let fields = [
        Field { section: Section::Data, key: EXEC_ENABLED.to_owned(), want: on.then(|| Want::Text("true".to_owned())) },
        Field { section: Section::Data, key: EXEC_SHELLS.to_owned(), want: (on && !shells.is_empty()).then_some(Want::Text(shells)) },
    ];
    let mut wanted = shared::fold(object, &fields, at);
    let restart = restart_due(world, &object);
    if let Some(write) = restart.as_ref().filter(|_| wanted.writes.is_empty()).and_then(|due| restart_write(world, due, at)) {
        wanted.writes.push(write);
    }
    if let Some(write) = disown_deployment(world) {
        wanted.writes.push(write);
    }
    let verdict = match undecided.map(|why| Verdict::unknown(Reason::NotReadable, why)) {
        Some(undecided) => undecided,
        None => match (verdict(config_map, restart.as_deref(), world), restart_unseen(world, &object)) {
            (verdict, Some(why)) if verdict.reason == Reason::Enabled => Verdict::unknown(Reason::NotReadable, why),
            (verdict, _) => verdict,
        },
    };
    (wanted, verdict)
}

/// With an object that cannot be read, what is switched on stays on.
fn frozen(world: &World, object: &Object<'_>) -> bool {
    world.frozen().next().is_some() && object.before().fields.contains_key("data/exec.enabled")
}

/// The time of our change of `exec.shells`, when argocd-server's pods are older than it.
fn restart_due(world: &World, object: &Object<'_>) -> Option<String> {
    let before = object.before();
    let record = before.fields.get("data/exec.shells")?;
    let changed: jiff::Timestamp = record.at.parse().ok()?;
    let server = world.server().ok()?.ok()?;
    let pods = world.pods.as_ref().ok()?;
    let is_server = |labels: &std::collections::BTreeMap<String, String>| {
        !server.pod_labels.is_empty() && server.pod_labels.iter().all(|(k, v)| labels.get(k) == Some(v))
    };
    let servers = pods.iter().filter(|p| p.metadata.labels.as_ref().is_some_and(is_server));
    let started = |p: &k8s_openapi::api::core::v1::Pod| {
        p.status.as_ref().and_then(|s| s.start_time.as_ref()).or(p.metadata.creation_timestamp.as_ref()).map(|t| t.0)
    };
    // Times are whole seconds: a pod that is made in the very second of the change tells by its template that it came after a restart.
    let restarted = |p: &k8s_openapi::api::core::v1::Pod| {
        let at = p.metadata.annotations.as_ref().and_then(|a| a.get(RESTARTED_AT)).and_then(|t| t.parse::<jiff::Timestamp>().ok());
        at.is_some_and(|at| at >= changed)
    };
    let mut before = servers.filter(|p| !restarted(p)).filter_map(|p| started(p));
    before.any(|start| start <= changed).then(|| record.at.clone())
}

/// Why it is not known whether argocd-server has started since our change of `exec.shells`.
fn restart_unseen(world: &World, object: &Object<'_>) -> Option<String> {
    let before = object.before();
    let record = before.fields.get("data/exec.shells")?;
    let not_seen = world.pods.as_ref().err()?;
    Some(format!("{ARGOCD_CM} {EXEC_SHELLS} changed at {}; whether argocd-server has started since then is not known: {not_seen}", record.at))
}

/// The restart itself, once for each change.
fn restart_write(world: &World, due: &str, at: &str) -> Option<Write> {
    if world.settings.restart_server != RestartServer::WhenNeeded {
        return None;
    }
    let name = world.server().ok()?.ok()?.deployment;
    let deployment = world.deployments.as_ref().ok()?.iter().find(|d| d.metadata.name.as_deref() == Some(name.as_str()))?;
    let template = deployment.spec.as_ref().and_then(|s| s.template.metadata.as_ref()).and_then(|m| m.annotations.as_ref());
    let restarted: Option<jiff::Timestamp> = template.and_then(|a| a.get(RESTARTED_AT)).and_then(|t| t.parse().ok());
    if restarted.is_some_and(|r| due.parse::<jiff::Timestamp>().is_ok_and(|due| r >= due)) {
        return None;
    }
    let patch = json!({
        "metadata": {"resourceVersion": deployment.metadata.resource_version},
        "spec": {"template": {"metadata": {"annotations": {RESTARTED_AT: at}}}},
    });
    let target = Target::namespaced(Kind::Deployment, world.namespace(), &name);
    Some(Write {
        target,
        layer: Layer::Flag,
        direction: Direction::Keep,
        action: Action::Merge(patch),
        why: "restart argocd-server: exec.shells changed",
    })
}

/// A restart leaves no managedFields entry either.
fn disown_deployment(world: &World) -> Option<Write> {
    let deployment = world.deployments.as_ref().ok()?.iter().find(|d| crate::ownership::managed_fields::ours_present(&d.metadata))?;
    let target = Target::namespaced(Kind::Deployment, world.namespace(), deployment.metadata.name.as_deref()?);
    Some(shared::disown(&target, Layer::Flag, &deployment.metadata))
}

fn verdict(config_map: &ConfigMap, restart: Option<&str>, world: &World) -> Verdict {
    let labelled = config_map.metadata.labels.as_ref().is_some_and(|l| l.get(PART_OF.0).is_some_and(|v| v == PART_OF.1));
    if !labelled {
        let message = format!(
            "ConfigMap {ARGOCD_CM} lacks the label {key}={value}, without which Argo CD does not see it: kubectl -n {ns} label configmap {ARGOCD_CM} {key}={value}",
            key = PART_OF.0,
            value = PART_OF.1,
            ns = world.namespace()
        );
        return Verdict::no(Reason::LabelMissing, message);
    }
    let data = data(Some(config_map));
    if data.get(EXEC_ENABLED).is_none_or(|v| v != "true") {
        return Verdict::no(Reason::Pending, format!("{ARGOCD_CM} {EXEC_ENABLED} is not \"true\" yet"));
    }
    let shells = world.settings.shells.join(",");
    if !shells.is_empty() && data.get(EXEC_SHELLS).is_none_or(|v| *v != shells) {
        return Verdict::no(Reason::Pending, format!("{ARGOCD_CM} {EXEC_SHELLS} is not {shells:?} yet"));
    }
    match restart {
        Some(at) => {
            let message = format!(
                "{ARGOCD_CM} {EXEC_SHELLS} changed at {at}, and argocd-server reads it only when it starts: kubectl -n {} rollout restart deployment/{} (ends all open terminals; restartServer: WhenNeeded lets the operator do it)",
                world.namespace(),
                world.server().ok().and_then(Result::ok).map_or_else(|| "argocd-server".to_owned(), |s| s.deployment)
            );
            Verdict::yes(Reason::RestartRequired, message)
        }
        None => Verdict::yes(Reason::Enabled, format!("{ARGOCD_CM} has {EXEC_ENABLED} \"true\"")),
    }
}
