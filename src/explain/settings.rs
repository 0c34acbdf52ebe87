//! argocd-server itself, and what it reads of argocd-cm for a terminal: the label by which it sees it, the flag, the shells. Pure.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::ConfigMap;

use super::commands;
use super::link::{Fix, Link, Name};
use super::observed::Observed;
use super::{Cause, not_readable};
use crate::argocd::instance::NoServer;
use crate::argocd::{ARGOCD_CM, EXEC_ENABLED, EXEC_SHELLS, PART_OF};
use crate::exec::{World, restart};
use crate::reconcile::seen::data;
use crate::shell::word;

const NAME: Name = Name::Settings;

/// What Argo CD tries where argocd-cm names no shells.
const SHELLS: &str = "bash,sh,powershell,cmd";

/// A key this much like another one is meant for it.
const ALIKE: f32 = 0.8;

/// How it stands.
#[must_use]
pub fn look(observed: &Observed) -> Link {
    let world = &observed.world;
    let namespace = world.namespace();
    match world.server() {
        Ok(Err(NoServer::Missing)) => {
            let fact = format!("no Deployment in {namespace} is argocd-server");
            return Link::closed(NAME, Cause::ServerMissing, fact).mended_by(Fix::by_people(Cause::ServerMissing.mend()));
        }
        Ok(Err(NoServer::Ambiguous(names))) => {
            let fact = format!("{} in {namespace} look like argocd-server", names.join(" and "));
            return Link::unknown(NAME, Cause::ServerAmbiguous, fact).mended_by(Fix::by_people(Cause::ServerAmbiguous.mend()));
        }
        // Without sight of it the settings can be judged all the same.
        Ok(Ok(_)) | Err(_) => {}
    }
    let config_map = match &world.argocd_cm {
        Err(not_seen) => return not_readable(NAME, not_seen),
        Ok(None) => {
            let fact = format!("there is no ConfigMap {ARGOCD_CM} in {namespace}");
            return Link::closed(NAME, Cause::SettingsMissing, fact).mended_by(Fix::by_people(Cause::SettingsMissing.mend()));
        }
        Ok(Some(config_map)) => config_map.as_ref(),
    };
    let settings = data(Some(config_map));
    label(world, config_map).or_else(|| flag(observed, config_map, settings)).unwrap_or_else(|| shells(observed, config_map, settings))
}

/// Without its label Argo CD does not see it.
pub(super) fn label(world: &World, config_map: &ConfigMap) -> Option<Link> {
    let (key, value) = PART_OF;
    let labelled = config_map.metadata.labels.as_ref().is_some_and(|l| l.get(key).is_some_and(|v| v == value));
    let link = || {
        let command = format!("kubectl -n {} label configmap {ARGOCD_CM} {key}={value} --overwrite", word(world.namespace()));
        let fact = format!("{ARGOCD_CM} lacks the label {key}={value}, without which Argo CD does not see it");
        Link::closed(NAME, Cause::LabelMissing, fact).mended_by(Fix::command(command))
    };
    (!labelled).then(link)
}

fn flag(observed: &Observed, config_map: &ConfigMap, settings: &BTreeMap<String, String>) -> Option<Link> {
    let value = settings.get(EXEC_ENABLED).map(String::as_str);
    let fix = || commands::set_argocd_cm(observed, &config_map.metadata, EXEC_ENABLED, "true");
    let note = "the switch is one for the whole Argo CD: whoever has exec, create in its policy gets terminals by it".to_owned();
    let (cause, fact) = match value {
        Some("true") => return None,
        Some("" | "false") | None => match misspelt(settings, EXEC_ENABLED) {
            Some(key) => (Cause::ExecMisspelt, format!("{ARGOCD_CM} has {key:?}, and Argo CD reads {EXEC_ENABLED:?}")),
            None if value.is_none() => (Cause::ExecOff, format!("{ARGOCD_CM} has no {EXEC_ENABLED}, so that terminals are off")),
            None => (Cause::ExecOff, format!("{ARGOCD_CM} has {EXEC_ENABLED} {:?}, so that terminals are off", value.unwrap_or_default())),
        },
        Some(other) => (Cause::ExecMisspelt, format!("{ARGOCD_CM} has {EXEC_ENABLED} {other:?}, and only \"true\" switches terminals on")),
    };
    Some(Link::closed(NAME, cause, fact).mended_by(fix().noting(note)))
}

/// A key that is not this one, and almost.
fn misspelt<'a>(settings: &'a BTreeMap<String, String>, meant: &str) -> Option<&'a str> {
    let alike = |key: &str| similar::TextDiff::from_chars(key.to_lowercase().as_str(), meant).ratio() >= ALIKE;
    settings.keys().map(String::as_str).find(|key| *key != meant && !matches!(*key, EXEC_ENABLED | EXEC_SHELLS) && alike(key))
}

/// Whether an element of the list can be the name of a program.
fn usable(shell: &str) -> bool {
    !shell.is_empty() && !shell.contains(char::is_whitespace)
}

fn shells(observed: &Observed, config_map: &ConfigMap, settings: &BTreeMap<String, String>) -> Link {
    let listed = settings.get(EXEC_SHELLS).map(String::as_str).filter(|list| !list.is_empty());
    let list = listed.unwrap_or(SHELLS);
    if !list.split(',').any(usable) {
        let plain = |shell: &&str| usable(shell) && shell.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '/' | '-'));
        let trimmed: Vec<&str> = list.split(',').map(str::trim).filter(plain).collect();
        let wanted = if trimmed.is_empty() { SHELLS.to_owned() } else { trimmed.join(",") };
        let fix = commands::set_argocd_cm(observed, &config_map.metadata, EXEC_SHELLS, &wanted).then(restart::command(&observed.world));
        let fact = format!("{ARGOCD_CM} has {EXEC_SHELLS} {list:?}, of which no element can be a program");
        let note = "argocd-server reads the list when it starts, and a restart ends all open terminals".to_owned();
        return Link::closed(NAME, Cause::ShellsUnusable, fact).mended_by(fix.noting(note));
    }
    let unusable: Vec<&str> = list.split(',').filter(|shell| !usable(shell)).collect();
    let remark = match (misspelt(settings, EXEC_SHELLS), unusable.as_slice()) {
        (Some(key), _) => format!("; {key:?} is no key that it reads"),
        (None, []) => String::new(),
        (None, some) => format!("; {some:?} can be no programs"),
    };
    let shells = list.split(',').filter(|shell| usable(shell)).collect::<Vec<_>>().join(", ");
    Link::open(NAME, format!("{ARGOCD_CM} has {EXEC_ENABLED} \"true\"; the shells that are tried: {shells}{remark}"))
}
