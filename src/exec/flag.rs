//! argocd-cm: `exec.enabled` and `exec.shells`. Pure.
//!
//! `exec.enabled` is read per request. `exec.shells` is read when argocd-server starts, so a change of it needs a restart.
//! Both follow the existence of any object that stands, not its windows: nothing is rolled twice a day.

use k8s_openapi::api::core::v1::ConfigMap;

use super::admission::Case;
use super::restart;
use super::source::Source;
use super::world::World;
use crate::api::conditions::{Reason, Verdict};
use crate::argocd::instance::NoServer;
use crate::argocd::{ARGOCD_CM, EXEC_ENABLED, EXEC_SHELLS, PART_OF};
use crate::ingress::Want;
use crate::reconcile::seen::data;
use crate::reconcile::shared::{self, Field, Folded};
use crate::reconcile::withheld::Withheld;
use crate::reconcile::write::Wanted;

/// What the layer wants, and what it says to objects that stand. `at` is the time of a change, as a record keeps it.
#[must_use]
pub fn fold(world: &World, cases: &[Case], at: &str) -> (Wanted, Verdict) {
    let config_map = match &world.argocd_cm {
        Err(not_seen) => return (Wanted::default(), Verdict::unknown(Reason::NotReadable, not_seen.to_string())),
        Ok(None) => return (Wanted::default(), no_config_map(world)),
        Ok(Some(config_map)) => config_map,
    };
    let source = Source::of(world, config_map);
    let holder = source.object();
    let is_on = data(Some(config_map)).get(EXEC_ENABLED).is_some_and(|v| v == "true");
    let undecided = world.undecided().filter(|_| !is_on);
    let on = (cases.iter().any(|c| c.standing) && undecided.is_none()) || frozen(world, &source);
    let shells = world.settings.shells.join(",");
    let wish = [(EXEC_ENABLED, on.then(|| "true".to_owned())), (EXEC_SHELLS, (on && !shells.is_empty()).then_some(shells))];
    let fields = wish.clone().map(|(key, want)| Field {
        section: source.section(),
        key: key.to_owned(),
        want: want.filter(|want| source.may_ask(world, config_map, key, want)).map(Want::Text),
        telling: (key == EXEC_ENABLED).then_some("true"),
    });
    let Folded { mut wanted, mut withheld, remarks } = holder.map(|object| shared::fold(world, object, &fields, at)).unwrap_or_default();
    let asked: Vec<(&str, String)> = wish.into_iter().filter_map(|(key, want)| Some((key, want?))).collect();
    withheld.extend(source.refusals(world, config_map, &asked));
    wanted.writes.extend(source.tidy(world, config_map));
    let restart = restart_due(world, &source);
    if let Some(due) = restart.as_ref().filter(|_| wanted.writes.is_empty()).and_then(|due| due.parse().ok()) {
        wanted.writes.extend(restart::write(world, due, at, "restart argocd-server: exec.shells changed"));
    }
    let verdict = verdict(config_map, restart.as_deref(), world, &source);
    let verdict = match (undecided, Withheld::sum(&withheld), restart_unseen(world, &source)) {
        (Some(why), _, _) => Verdict::unknown(Reason::NotReadable, why),
        (None, Some(withheld), _) if verdict.reason == Reason::Pending => withheld,
        (None, _, Some(why)) if verdict.reason == Reason::Enabled => Verdict::unknown(Reason::NotReadable, why),
        _ => verdict,
    };
    (wanted, with_remarks(verdict, &remarks))
}

/// What is to be known although all is well.
fn with_remarks(mut verdict: Verdict, remarks: &[String]) -> Verdict {
    if verdict.holds() {
        for remark in remarks {
            verdict.message = format!("{}. {remark}", verdict.message);
        }
    }
    verdict
}

fn no_config_map(world: &World) -> Verdict {
    let namespace = world.namespace();
    if matches!(world.server(), Ok(Err(NoServer::Missing))) {
        let message = format!(
            "neither {ARGOCD_CM} nor argocd-server is in {namespace}, so there is no Argo CD that can be set up from here: an Argo CD that a cloud provider runs for you (such as EKS's) keeps both to itself. Install Argo CD into {namespace}, or create the object in the namespace of yours"
        );
        return Verdict::no(Reason::Unsupported, message);
    }
    let message = format!(
        "ConfigMap {ARGOCD_CM} does not exist in {namespace}; Argo CD cannot run without it. Install Argo CD here, or create the ConfigMap with the label {}={}",
        PART_OF.0, PART_OF.1
    );
    Verdict::no(Reason::ConfigMapMissing, message)
}

/// With an object that cannot be read, what is switched on stays on.
fn frozen(world: &World, source: &Source<'_>) -> bool {
    world.frozen().next().is_some() && source.record(EXEC_ENABLED).is_some()
}

/// The time of our change of `exec.shells`, when argocd-server's pods are older than it.
fn restart_due(world: &World, source: &Source<'_>) -> Option<String> {
    let record = source.record(EXEC_SHELLS)?;
    let changed: jiff::Timestamp = record.at.parse().ok()?;
    restart::any_pod_from_before(world, changed)?.then(|| record.at.clone())
}

/// Why it is not known whether argocd-server has started since our change of `exec.shells`.
fn restart_unseen(world: &World, source: &Source<'_>) -> Option<String> {
    let record = source.record(EXEC_SHELLS)?;
    let not_seen = world.pods.as_ref().err()?;
    Some(format!("{ARGOCD_CM} {EXEC_SHELLS} changed at {}; whether argocd-server has started since then is not known: {not_seen}", record.at))
}

fn verdict(config_map: &ConfigMap, restart: Option<&str>, world: &World, source: &Source<'_>) -> Verdict {
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
        return Verdict::no(Reason::Pending, format!("{ARGOCD_CM} {EXEC_ENABLED} is not \"true\" yet{}", source.waits_for()));
    }
    let shells = world.settings.shells.join(",");
    if !shells.is_empty() && data.get(EXEC_SHELLS).is_none_or(|v| *v != shells) {
        return Verdict::no(Reason::Pending, format!("{ARGOCD_CM} {EXEC_SHELLS} is not {shells:?} yet{}", source.waits_for()));
    }
    match restart {
        Some(at) => {
            let message = format!(
                "{ARGOCD_CM} {EXEC_SHELLS} changed at {at}, and argocd-server reads it only when it starts: {} (ends all open terminals; restartServer: WhenNeeded lets the operator do it)",
                restart::command(world)
            );
            Verdict::yes(Reason::RestartRequired, message)
        }
        None => Verdict::yes(Reason::Enabled, format!("{ARGOCD_CM} has {EXEC_ENABLED} \"true\"")),
    }
}
