//! argocd-rbac-cm: one key for each object, and nothing else of it. Pure.
//!
//! A broken line anywhere takes down all of Argo CD's RBAC, so the whole policy is checked before anything is added. Taking away is
//! never blocked: not by a broken line of somebody else, nor by something that cannot be seen.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::Pod;
use serde_json::{Map, Value, json};

use super::admission::{Case, frozen_keys, is_our_key, key_of};
use super::by_name::ByName;
use super::grant::Grant;
use super::lines::{self, Context, Lines};
use super::room::{Room, TOTAL_LIMIT};
use super::world::World;
use crate::api::conditions::{Reason, Verdict};
use crate::api::status::{Change, PolicyStatus};
use crate::api::{PolicyTarget, is_held};
use crate::argocd::instance::NoServer;
use crate::argocd::policy::{self, BrokenLine, Data, MatchMode, csv};
use crate::argocd::{ARGOCD_RBAC_CM, PART_OF};
use crate::reconcile::selection::AppNamespace;
use crate::reconcile::write::{Action, Direction, Kind, Layer, Target, Wanted, Write};

/// All keys of ours together.
const OUR_LIMIT: usize = 512 * 1024;

/// What the layer says to one object in effect.
#[derive(Clone, Debug)]
pub struct PolicyOutlook {
    /// The verdict of `PolicyApplied`.
    pub verdict: Verdict,
    /// What stands in the ConfigMap.
    pub status: Option<PolicyStatus>,
}

/// What one object's key is to hold.
struct Desired {
    lines: Vec<String>,
    text: String,
    blind: bool,
    no_applications: bool,
    too_large: bool,
}

impl Desired {
    fn size(&self, key: &str) -> usize {
        key.len() + self.text.len()
    }

    /// Whether the key holds just that; then its lines need not be read, which is most of the time.
    fn stands_as(&self, current: &str) -> bool {
        !self.lines.is_empty() && self.text == current
    }
}

/// What each key of ours is to hold: its lines, and its text.
type Keys<'a> = BTreeMap<&'a str, (Cow<'a, [String]>, &'a str)>;

/// What the layer wants, and what it says to each object in effect (by its index among the cases).
#[must_use]
pub fn fold(world: &World, sorted: &ByName<'_>, cases: &[Case]) -> (Wanted, BTreeMap<usize, PolicyOutlook>) {
    let data = match world.policy() {
        Ok(data) => data,
        Err(not_seen) => {
            let verdict = Verdict::unknown(Reason::NotReadable, not_seen.to_string());
            let blind = |(i, _): (usize, &Case)| (i, PolicyOutlook { verdict: verdict.clone(), status: None });
            let ours = |(_, c): &(usize, &Case)| c.effective && c.access.spec.policy_target == PolicyTarget::Global;
            return (Wanted::default(), cases.iter().enumerate().filter(ours).map(blind).collect());
        }
    };
    let foreign: Data = data.iter().filter(|(k, _)| !is_our_key(k)).map(|(k, v)| (k.clone(), v.clone())).collect();
    let desired = desired(world, sorted, cases, data, &foreign);
    let own = desired.values().filter(|(_, d)| !d.lines.is_empty());
    let mut keys: Keys<'_> = own.map(|(key, d)| (key.as_str(), (Cow::Borrowed(d.lines.as_slice()), d.text.as_str()))).collect();
    let frozen = frozen_keys(world);
    keys.extend(frozen.iter().filter_map(|key| data.get(key).map(|text| (key.as_str(), (Cow::Owned(written(text)), text.as_str())))));
    let broken = broken(&foreign, &keys);
    let obstacle = broken.as_ref().err().map(|b| Verdict::no(Reason::ForeignPolicyBroken, broken_message(b))).or_else(|| {
        let blind = world.projects.as_ref().err().map(ToString::to_string);
        blind.or_else(|| world.undecided()).map(|why| Verdict::unknown(Reason::NotReadable, why))
    });
    let wanted = writes(world, data, &keys, obstacle.is_none());
    let outlooks = desired.iter().map(|(index, (key, d))| (*index, outlook(world, cases, *index, key, d, data, obstacle.as_ref()))).collect();
    (wanted, outlooks)
}

fn desired(world: &World, sorted: &ByName<'_>, cases: &[Case], data: &Data, foreign: &Data) -> BTreeMap<usize, (String, Desired)> {
    let context = Context::of(world, sorted, data);
    let frozen = frozen_keys(world);
    let mut all = BTreeMap::new();
    for (index, case) in cases.iter().enumerate().filter(|(_, c)| c.effective) {
        let Some(grant) = case.grant.as_ref().filter(|g| g.target == PolicyTarget::Global) else { continue };
        let key = key_of(grant.access.metadata.name.as_deref().unwrap_or_default());
        let Lines { lines, no_applications, blind } = lines::render(grant, context);
        let lines = if blind { with_justified(lines, grant, context, data.get(&key).map_or("", String::as_str)) } else { lines };
        let text = text(grant, &lines);
        all.insert(index, (key, Desired { lines, text, blind, no_applications, too_large: false }));
    }
    let sizes = |data: &Data, counts: &dyn Fn(&String) -> bool| -> usize {
        data.iter().filter(|(key, _)| counts(key)).map(|(key, text)| key.len() + text.len()).sum()
    };
    let ours = sizes(data, &|key| frozen.contains(key));
    let binary = world.rbac_cm.as_ref().ok().and_then(|cm| cm.as_ref()?.binary_data.as_ref());
    let binary: usize = binary.into_iter().flatten().map(|(key, value)| key.len() + value.0.len()).sum();
    fit(&mut all, data, Room::new(ours, ours + sizes(foreign, &|_| true) + binary, OUR_LIMIT));
    all
}

/// Keeps back what does not fit, so that no write is sent that would be refused. What stands already and is still declared keeps its place, whatever
/// others write beside it; of what comes anew the older objects are first.
fn fit(all: &mut BTreeMap<usize, (String, Desired)>, data: &Data, mut room: Room) {
    let left = |key: &String, desired: &Desired| match data.get(key)? {
        current if desired.stands_as(current) => Some(desired.size(key)),
        current => standing(current, &desired.lines).map(|(_, text)| key.len() + text.len()),
    };
    let floors: BTreeMap<usize, usize> = all.iter().filter_map(|(index, (key, desired))| Some((*index, left(key, desired)?))).collect();
    room.stands(floors.values().sum());
    for (index, (key, desired)) in all.iter_mut().filter(|(_, (_, desired))| !desired.lines.is_empty()) {
        let floor = floors.get(index).copied().unwrap_or_default();
        if !room.grows(desired.size(key).saturating_sub(floor)) {
            desired.too_large = true;
            (desired.lines, desired.text) = data.get(key).and_then(|current| standing(current, &desired.lines)).unwrap_or_default();
        }
    }
}

/// What remains of a key when everything is taken away that is not declared any more, and nothing is added.
fn standing(current: &str, declared: &[String]) -> Option<(Vec<String>, String)> {
    let there = written(current);
    if !there.is_empty() && there.iter().all(|line| declared.contains(line)) {
        return Some((there, current.to_owned()));
    }
    let kept: Vec<String> = declared.iter().filter(|line| there.contains(line)).cloned().collect();
    let text = kept.iter().flat_map(|line| [line.as_str(), "\n"]).collect();
    kept.iter().any(|line| line.starts_with("p,")).then_some((kept, text))
}

/// Where the Applications cannot be seen: what stands there already stays as far as the object still declares it.
fn with_justified(rendered: Vec<String>, grant: &Grant, context: Context<'_>, current: &str) -> Vec<String> {
    let declared = |line: &String| match csv::fields(line).unwrap_or_default().as_slice() {
        [kind, subject, role] if kind == "g" => *role == grant.role && grant.subjects.contains(subject),
        _ => is_declared_rule(line, &grant.role, grant, context.mode),
    };
    // What stands there keeps its order: a lost sight alone is no reason to write.
    let mut seen = BTreeSet::new();
    let kept = written(current).into_iter().filter(declared);
    let (rules, members): (Vec<String>, Vec<String>) =
        kept.chain(rendered).filter(|line| seen.insert(line.clone())).partition(|l| l.starts_with("p,"));
    if rules.is_empty() { Vec::new() } else { rules.into_iter().chain(members).collect() }
}

/// Whether a line is one of the two rules by which `subject` may open a terminal into an application that the grant names, one by its name.
pub(super) fn is_declared_rule(line: &str, subject: &str, grant: &Grant, mode: MatchMode) -> bool {
    let fields = csv::fields(line).unwrap_or_default();
    let [kind, who, resource, action, object, effect] = fields.as_slice() else { return false };
    let pair = matches!((resource.as_str(), action.as_str()), ("applications", "get") | ("exec", "create"));
    let allows = kind == "p" && who == subject && effect == "allow" && mode == MatchMode::Glob;
    allows && pair && !object.contains(['*', '?']) && is_declared(grant, object)
}

/// Whether an object of a policy line is one that the grant means.
#[must_use]
pub fn is_declared(grant: &Grant, object: &str) -> bool {
    let parts: Vec<&str> = object.split('/').collect();
    let (project, namespace, name) = match parts.as_slice() {
        [project, name] => (*project, None, *name),
        [project, namespace, name] => (*project, Some(*namespace), *name),
        _ => return false,
    };
    grant.applications.iter().any(|selector| {
        let namespace = match (&selector.namespace, namespace) {
            (AppNamespace::Any, _) | (AppNamespace::Own, None) => true,
            (AppNamespace::Named(want), Some(have)) => want == have,
            (AppNamespace::Named(_), None) | (AppNamespace::Own, Some(_)) => false,
        };
        namespace && selector.project.matches(project) && selector.name.matches(name)
    })
}

fn text(grant: &Grant, lines: &[String]) -> String {
    let access = &grant.access;
    let (namespace, name) = (access.metadata.namespace.as_deref().unwrap_or_default(), access.metadata.name.as_deref().unwrap_or_default());
    let mut text = format!("# ExecAccess {namespace}/{name}; kept by argocd-access-operator, changes here are undone\n");
    if let Some(reason) = access.spec.reason.as_deref().map(str::trim).filter(|r| !r.is_empty()) {
        text.push_str("# Reason: ");
        text.push_str(reason);
        text.push('\n');
    }
    for line in lines {
        text.push_str(line);
        text.push('\n');
    }
    text
}

/// The lines of a text that mean something.
#[must_use]
pub fn written(text: &str) -> Vec<String> {
    lines_of(text).map(ToOwned::to_owned).collect()
}

fn lines_of(text: &str) -> impl Iterator<Item = &str> {
    text.split('\n').map(|l| l.trim_matches(csv::is_go_space)).filter(|l| !l.is_empty() && !l.starts_with('#'))
}

/// Checks the policy as Argo CD will compose it, and that our part of it is read back as the very lines that were meant.
fn broken(foreign: &Data, keys: &Keys<'_>) -> Result<(), BrokenLine> {
    policy::validate(foreign)?;
    for (key, (lines, text)) in keys {
        policy::validate_text(key, text)?;
        if !lines_of(text).eq(lines.iter().map(String::as_str)) {
            return Err(BrokenLine {
                key: (*key).to_owned(),
                number: 0,
                why: "the lines are not read back as they were meant".to_owned(),
                text: String::new(),
            });
        }
    }
    Ok(())
}

/// What is said where somebody else's line is broken.
pub(super) fn broken_message(broken: &BrokenLine) -> String {
    format!("{broken}; while it is broken Argo CD loads no policy at all, so nothing is added. Mend or remove that line")
}

fn writes(world: &World, data: &Data, keys: &Keys<'_>, may_widen: bool) -> Wanted {
    let mut wanted = Wanted::default();
    let target = Target::namespaced(Kind::ConfigMap, world.namespace(), ARGOCD_RBAC_CM);
    let mut narrow: Map<String, Value> = Map::new();
    let mut widen: Map<String, Value> = Map::new();
    for (key, text) in data.iter().filter(|(k, _)| is_our_key(k)) {
        let (desired, meant) = keys.get(key.as_str()).map_or((&[][..], ""), |(lines, text)| (&**lines, *text));
        if !desired.is_empty() && meant == text {
            continue;
        }
        let wanted_lines: BTreeSet<&String> = desired.iter().collect();
        let current: BTreeSet<String> = written(text).into_iter().collect();
        if current.iter().all(|l| wanted_lines.contains(l)) && !desired.is_empty() {
            continue;
        }
        let kept: Vec<&String> = desired.iter().filter(|l| current.contains(*l)).collect();
        let left = kept.iter().any(|l| l.starts_with("p,")).then(|| kept.iter().flat_map(|l| [l.as_str(), "\n"]).collect::<String>());
        narrow.insert(key.clone(), left.map_or(Value::Null, Value::String));
    }
    for (key, (_, text)) in keys {
        if data.get(*key).map(String::as_str) != Some(*text) {
            widen.insert((*key).to_owned(), Value::String((*text).to_owned()));
        }
    }
    let of = |key: &String, to: Option<String>| Change { object: target.to_string(), field: format!("data/{key}"), from: data.get(key).cloned(), to };
    wanted.changes.extend(narrow.keys().filter(|k| !keys.contains_key(k.as_str())).map(|k| of(k, None)));
    wanted.changes.extend(widen.iter().map(|(k, v)| of(k, v.as_str().map(ToOwned::to_owned))));
    let Ok(Some(config_map)) = &world.rbac_cm else {
        wanted.writes.extend(recreate(world, &target, &if may_widen { widen } else { Map::new() }));
        return wanted;
    };
    let merge =
        |values: Map<String, Value>| Action::Merge(json!({"metadata": {"resourceVersion": config_map.metadata.resource_version}, "data": values}));
    if !narrow.is_empty() {
        wanted.writes.push(Write {
            target,
            layer: Layer::Policy,
            direction: Direction::Narrow,
            action: merge(narrow),
            why: "take policy lines away",
        });
    } else if may_widen && !widen.is_empty() {
        wanted.writes.push(Write { target, layer: Layer::Policy, direction: Direction::Widen, action: merge(widen), why: "write policy lines" });
    } else if crate::ownership::managed_fields::ours_present(&config_map.metadata) && keys.is_empty() && !data.keys().any(|k| is_our_key(k)) {
        wanted.writes.push(crate::reconcile::shared::disown(&target, Layer::Policy, &config_map.metadata));
    }
    wanted
}

/// Argo CD keeps the policy of a deleted argocd-rbac-cm in memory. So whoever may still hold something of ours there is only cut off by
/// creating it anew, be it empty; and it is never deleted by us.
fn recreate(world: &World, target: &Target, values: &Map<String, Value>) -> Option<Write> {
    // In a namespace that is being deleted nothing can be created, and nobody holds anything for long.
    if (values.is_empty() && !world.accesses.iter().any(|a| is_held(&a.metadata))) || world.is_going(world.namespace()) || nobody_reads(world) {
        return None;
    }
    let direction = if values.is_empty() { Direction::Narrow } else { Direction::Widen };
    let body = json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": ARGOCD_RBAC_CM, "namespace": world.namespace(), "labels": {PART_OF.0: PART_OF.1}},
        "data": values,
    });
    Some(Write {
        target: target.clone(),
        layer: Layer::Policy,
        direction,
        action: Action::Apply(body),
        why: "create argocd-rbac-cm anew: Argo CD keeps the old policy until it sees a new one",
    })
}

/// Whether no argocd-server is there that could keep an old policy: Argo CD is being uninstalled, and who waits until its objects are gone
/// must not meet one that we made anew. Pods that are ending take their sessions with them.
fn nobody_reads(world: &World) -> bool {
    let is_server = |pod: &Pod| {
        let label = |key: &str| pod.metadata.labels.as_ref().and_then(|l| l.get(key)).map(String::as_str);
        label(PART_OF.0) == Some(PART_OF.1) && label("app.kubernetes.io/component").is_none_or(|component| component == "server")
    };
    let runs = |pod: &Pod| pod.metadata.deletion_timestamp.is_none() && is_server(pod);
    matches!(world.server(), Ok(Err(NoServer::Missing))) && world.pods.as_ref().is_ok_and(|pods| !pods.iter().any(|pod| runs(pod)))
}

fn outlook(world: &World, cases: &[Case], index: usize, key: &str, desired: &Desired, data: &Data, obstacle: Option<&Verdict>) -> PolicyOutlook {
    let case = cases.get(index);
    let current = match data.get(key) {
        Some(text) if desired.stands_as(text) => Cow::Borrowed(desired.lines.as_slice()),
        other => Cow::Owned(other.map(|text| written(text)).unwrap_or_default()),
    };
    let role = case.and_then(|c| c.grant.as_ref()).map_or("", |g| g.role.trim_start_matches("role:"));
    let line_count = i64::try_from(current.len()).unwrap_or(i64::MAX);
    let lines = current.iter().take(100).cloned().collect();
    let status = Some(PolicyStatus { role: role.to_owned(), key: key.to_owned(), projects: Vec::new(), lines, line_count });
    let verdict = if desired.too_large {
        Verdict::no(
            Reason::PolicyTooLarge,
            format!(
                "with this object {ARGOCD_RBAC_CM} would pass {} KiB of ours or {} KiB in all, and Kubernetes takes no more than 1024; older objects come first, and nothing is added to this one. Name fewer subjects and applications, use wildcards, or make room in {ARGOCD_RBAC_CM}",
                OUR_LIMIT / 1024,
                TOTAL_LIMIT / 1024
            ),
        )
    } else if let Some(obstacle) = obstacle {
        obstacle.clone()
    } else if desired.blind {
        let why = world.applications.as_ref().err().map_or_else(String::new, ToString::to_string);
        Verdict::unknown(Reason::NotReadable, why)
    } else if desired.no_applications {
        Verdict::no(
            Reason::NoApplications,
            "no live Application matches spec.applications, so there is nothing to grant yet; lines come as soon as one appears",
        )
    } else if *current == *desired.lines {
        match case.and_then(|c| c.remark.clone()) {
            Some(remark) => Verdict::yes(Reason::SubjectNeverMatches, remark),
            None => {
                let hidden = case.and_then(|c| c.grant.as_ref()).map_or("", |grant| lines::hidden(grant, world));
                Verdict::yes(Reason::Applied, format!("{} lines in {ARGOCD_RBAC_CM} key {key}{hidden}", current.len()))
            }
        }
    } else if matches!(world.rbac_cm, Ok(None)) && nobody_reads(world) {
        Verdict::no(
            Reason::ConfigMapMissing,
            format!("{ARGOCD_RBAC_CM} does not exist, and no argocd-server that would read it. Install Argo CD here"),
        )
    } else if matches!(world.rbac_cm, Ok(None)) {
        Verdict::no(Reason::ConfigMapMissing, format!("{ARGOCD_RBAC_CM} does not exist; it is created"))
    } else {
        Verdict::no(Reason::Pending, "the policy lines are not written yet")
    };
    PolicyOutlook { verdict, status }
}
