//! `policyTarget: Project`: a role of its own in each named AppProject, and nothing else of that project. Pure.
//!
//! `spec.roles` is one atomic list that belongs to whoever made the project. So the whole list is written back as it was seen, with ours
//! changed in it; which are ours is remembered in an annotation in the same write, and exactly those are taken out again. Our managedFields
//! entry never stays.
//!
//! Whoever has a role may make lasting tokens for it (Argo CD `server/project/project.go`, `createToken`), which outlive the person's
//! membership. Nobody declared those, so tokens of our roles are removed.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::admission::{Case, is_our_key};
use super::by_name::ByName;
use super::grant::{Grant, is_project_role_name, project_role_name};
use super::lines::{self, Context};
use super::policy::{self, PolicyOutlook};
use super::project_outlook::{self, Part};
use super::project_owner::List;
use super::room::Room;
use super::world::World;
use crate::api::PolicyTarget;
use crate::api::conditions::{Reason, Verdict};
use crate::api::status::Change;
use crate::argocd::kinds::{AppProject, ProjectRole};
use crate::argocd::policy::{MatchMode, match_mode};
use crate::argocd::project;
use crate::ownership::managed_fields;
use crate::reconcile::Surroundings;
use crate::reconcile::seen::{NO_DATA, uid};
use crate::reconcile::shared;
use crate::reconcile::write::{Action, Direction, Kind, Layer, Target, Wanted, Write};

/// The annotation that says which roles of a project are ours.
pub const ANNOTATION: &str = "argocd-access.dev/roles";
/// How the description of a role of ours ends, before a reason.
const MARK: &str = "; kept by argocd-access-operator, changes here are undone";
/// Our roles of one project together.
const OUR_LIMIT: usize = 256 * 1024;

/// The memory that a project carries. Anybody who may edit the project may edit it: it only ever says which elements of this very object
/// may be taken out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Memory {
    uid: String,
    roles: BTreeSet<String>,
    /// Whether there was no list at all before us.
    absent: bool,
}

impl Memory {
    fn of(project: &AppProject) -> Option<Self> {
        let text = project.metadata.annotations.as_ref()?.get(ANNOTATION)?;
        serde_json::from_str::<Self>(text).ok().filter(|memory| memory.uid == uid(&project.metadata))
    }
}

/// Tells our roles from those of others.
#[derive(Debug)]
pub struct Ours {
    /// The names that the objects which are there have, or would have.
    known: BTreeSet<String>,
}

impl Ours {
    /// Of this world.
    #[must_use]
    pub fn of(world: &World) -> Self {
        // Without a name that might be one of ours nothing has to be compared.
        let any = world.projects.iter().flatten().any(|p| p.roles().iter().map(|r| &r.name).chain(tokens(p)).any(|n| is_project_role_name(n)));
        let metadata = world.accesses.iter().map(|a| &a.metadata).chain(world.unreadable.iter().map(|u| &u.metadata)).filter(|_| any);
        Self { known: metadata.map(project_role_name).collect() }
    }

    /// Whether a role is ours. Never by the form of its name alone: it is that of an object, or remembered, or it says so itself.
    #[must_use]
    pub fn has(&self, project: &AppProject, role: &ProjectRole) -> bool {
        let says = || role.description.as_ref().is_some_and(|d| d.starts_with("ExecAccess ") && d.contains(MARK));
        self.named(project, &role.name) || (is_project_role_name(&role.name) && says())
    }

    fn named(&self, project: &AppProject, name: &str) -> bool {
        is_project_role_name(name) && (self.known.contains(name) || Memory::of(project).is_some_and(|m| m.roles.contains(name)))
    }
}

/// The names of the roles that tokens were made for.
fn tokens(project: &AppProject) -> impl Iterator<Item = &String> {
    project.status.iter().flat_map(|s| s.jwt_tokens_by_role.keys())
}

/// What the layer wants, and what it says to each object in effect that it serves (by the object's index among the cases).
#[must_use]
pub fn fold(world: &World, sorted: &ByName<'_>, cases: &[Case]) -> (Wanted, BTreeMap<usize, PolicyOutlook>) {
    let mut wanted = Wanted::default();
    let served = |c: &Case| c.effective && c.grant.as_ref().is_some_and(|g| g.target == PolicyTarget::Project);
    let served: Vec<(usize, &Case)> = cases.iter().enumerate().filter(|(_, c)| served(c)).collect();
    let projects = match &world.projects {
        Ok(projects) => projects,
        Err(not_seen) => {
            let verdict = Verdict::unknown(Reason::NotReadable, not_seen.to_string());
            return (wanted, served.iter().map(|(i, _)| (*i, PolicyOutlook { verdict: verdict.clone(), status: None })).collect());
        }
    };
    let ours = Ours::of(world);
    let frozen: BTreeSet<String> = world.frozen().map(|u| project_role_name(&u.metadata)).collect();
    let parts = if served.is_empty() { BTreeMap::new() } else { desired(world, sorted, &served, &frozen) };
    let obstacle = if served.is_empty() { None } else { obstacle(world) };
    let mut hindered: BTreeMap<&str, Verdict> = BTreeMap::new();
    let tracking = world.tracking();
    for project in projects {
        let desired: BTreeMap<&str, &ProjectRole> =
            parts.values().flatten().filter(|p| p.project == project.name()).filter_map(Part::role).map(|r| (r.name.as_str(), r)).collect();
        let target = Target::namespaced(Kind::AppProject, world.namespace(), project.name());
        let list = List::of(world, &target, project, &tracking);
        let roles = Roles { ours: &ours, desired: &desired, frozen: &frozen };
        let hindrance = if desired.is_empty() { None } else { roles.hindrance(project, &list) };
        let may_widen = obstacle.is_none() && hindrance.is_none();
        hindered.extend(hindrance.map(|verdict| (project.name(), verdict)));
        one(&target, project, &list, &roles, may_widen, &mut wanted);
    }
    let outlook = |(index, case): &(usize, &Case)| {
        let parts = parts.get(index).map(Vec::as_slice).unwrap_or_default();
        (*index, project_outlook::outlook(world, case, parts, obstacle.as_ref(), &hindered))
    };
    (wanted, served.iter().map(outlook).collect())
}

/// What each object wants in each project. What stands already and is still declared keeps its place, whatever others write beside it; of what
/// comes anew the older objects are first.
fn desired(world: &World, sorted: &ByName<'_>, served: &[(usize, &Case)], frozen: &BTreeSet<String>) -> BTreeMap<usize, Vec<Part>> {
    let data = world.policy().unwrap_or(&NO_DATA);
    // Argo CD's project rules allow no anchor, and without one a regular expression means more than it says.
    if match_mode(data) == MatchMode::Regex {
        return BTreeMap::new();
    }
    let context = Context { stars_only: true, ..Context::of(world, sorted, data) };
    let ours = Ours::of(world);
    let mut rooms: BTreeMap<String, Room> = BTreeMap::new();
    let mut all: BTreeMap<usize, Vec<(Part, Option<ProjectRole>)>> = BTreeMap::new();
    for (index, case) in served {
        let Some(grant) = &case.grant else { continue };
        let part = |name: &str| {
            let found = world.projects.iter().flatten().find(|p| p.name() == name).filter(|p| p.metadata.deletion_timestamp.is_none());
            let Some(project) = found else { return (Part::missing(name), None) };
            let (role, blind) = role(grant, project, context);
            let stands = project.roles().iter().find(|r| r.name == role.name).filter(|r| ours.has(project, r)).and_then(|r| cut(r, &role));
            rooms.entry(name.to_owned()).or_insert_with(|| room(project, &ours, frozen)).stands(stands.as_ref().map_or(0, size));
            (Part { project: name.to_owned(), exists: true, role: Some(role), blind, too_large: false }, stands)
        };
        all.insert(*index, grant.projects().into_iter().map(part).collect());
    }
    all.into_iter().map(|(index, parts)| (index, parts.into_iter().map(|(part, stands)| fitted(part, stands, &mut rooms)).collect())).collect()
}

/// What of a part fits into its project.
fn fitted(mut part: Part, stands: Option<ProjectRole>, rooms: &mut BTreeMap<String, Room>) -> Part {
    let wanted = part.role.as_ref().filter(|role| !role.policies().is_empty());
    let (Some(wanted), Some(room)) = (wanted, rooms.get_mut(&part.project)) else { return part };
    if !room.grows(size(wanted).saturating_sub(stands.as_ref().map_or(0, size))) {
        part.too_large = true;
        part.role = stands;
    }
    part
}

fn size<T: Serialize>(value: &T) -> usize {
    serde_json::to_string(value).map_or(usize::MAX / 4, |text| text.len())
}

/// The room in a project, with what stays in any case.
fn room(project: &AppProject, ours: &Ours, frozen: &BTreeSet<String>) -> Room {
    let (mut mine, mut gone) = (0, 0);
    for role in project.roles().iter().filter(|r| ours.has(project, r)) {
        if frozen.contains(&role.name) {
            mine += size(role);
        } else {
            gone += size(role);
        }
    }
    Room::new(mine, size(&project.spec).saturating_sub(gone) + size(&project.status), OUR_LIMIT)
}

/// The role that a grant wants in a project; and whether it may be too little because Applications cannot be seen.
fn role(grant: &Grant, project: &AppProject, context: Context<'_>) -> (ProjectRole, bool) {
    let here = project.name();
    let (objects, blind) = lines::objects(grant.applications.iter().filter(|a| a.project.as_glob() == here), context);
    let subject = project::subject(here, &grant.role);
    let mut policies: Vec<String> = lines::rules(&subject, &objects, context.mode).collect();
    if blind && let Some(current) = project.roles().iter().find(|r| r.name == grant.role) {
        // What stands there already stays as far as the object still declares it.
        let declared = |line: &&String| policy::is_declared_rule(line, &subject, grant, context.mode) && in_project(line, here);
        let kept: Vec<String> = current.policies().iter().filter(declared).cloned().collect();
        policies = kept.iter().cloned().chain(policies.into_iter().filter(|line| !kept.contains(line))).collect();
    }
    let metadata = &grant.access.metadata;
    let (namespace, name) = (metadata.namespace.as_deref().unwrap_or_default(), metadata.name.as_deref().unwrap_or_default());
    let reason = grant.access.spec.reason.as_deref().map(str::trim).filter(|r| !r.is_empty()).map(|r| format!(". Reason: {r}")).unwrap_or_default();
    let role = ProjectRole {
        name: grant.role.clone(),
        description: Some(format!("ExecAccess {namespace}/{name}{MARK}{reason}")),
        policies: Some(policies),
        groups: Some(grant.subjects.iter().filter_map(|subject| project::group(subject)).collect()),
        rest: Map::new(),
    };
    (role, blind)
}

fn in_project(line: &str, project: &str) -> bool {
    let object = crate::argocd::policy::csv::fields(line).ok().and_then(|fields| fields.get(4).cloned()).unwrap_or_default();
    object.split_once('/').is_some_and(|(first, _)| first == project)
}

/// What keeps everything from being added, in every project.
fn obstacle(world: &World) -> Option<Verdict> {
    let data = match world.policy() {
        Ok(data) => data,
        Err(not_seen) => return Some(Verdict::unknown(Reason::NotReadable, not_seen.to_string())),
    };
    if match_mode(data) == MatchMode::Regex {
        let message = "policy.matchMode is regex, and Argo CD allows no anchored pattern in a project's role: shop/web would also mean shop/webhooks. Use policyTarget: Global, or the match mode glob";
        return Some(Verdict::no(Reason::Unsupported, message));
    }
    let foreign = data.iter().filter(|(key, _)| !is_our_key(key)).map(|(k, v)| (k.clone(), v.clone())).collect();
    let broken = crate::argocd::policy::validate(&foreign).err();
    let broken = broken.map(|broken| Verdict::no(Reason::ForeignPolicyBroken, policy::broken_message(&broken)));
    broken.or_else(|| world.undecided().map(|why| Verdict::unknown(Reason::NotReadable, why)))
}

/// What decides about the list of one project.
struct Roles<'a> {
    ours: &'a Ours,
    desired: &'a BTreeMap<&'a str, &'a ProjectRole>,
    frozen: &'a BTreeSet<String>,
}

/// Brings one project to where it must be.
fn one(target: &Target, project: &AppProject, list: &List<'_>, roles: &Roles<'_>, may_widen: bool, wanted: &mut Wanted) {
    let (less, more) = roles.lists(project);
    let spent: Vec<&String> = tokens(project).filter(|name| roles.is_spent(project, name)).collect();
    let current = project.roles();
    let there = current.iter().any(|role| roles.ours.has(project, role));
    let annotated = project.metadata.annotations.as_ref().is_some_and(|a| a.contains_key(ANNOTATION));
    let write = |direction, action, why| Write { target: target.clone(), layer: Layer::Policy, direction, action, why };
    let mut then = None;
    if less != current || !spent.is_empty() {
        wanted.writes.push(write(
            Direction::Narrow,
            Action::change(list.name(Direction::Narrow), roles.patch(project, &less, &spent)),
            "take a role out of a project",
        ));
        then = Some(&less);
    } else if may_widen && more != current {
        wanted.writes.push(write(
            Direction::Widen,
            Action::change(list.name(Direction::Widen), roles.patch(project, &more, &spent)),
            "add a role to a project",
        ));
        then = Some(&more);
    } else if managed_fields::ours_present(&project.metadata) && !(there && list.keeps_entry()) {
        wanted.writes.push(shared::disown(target, Layer::Policy, &project.metadata));
    } else if annotated && !there {
        // Somebody took our roles out: nothing is left to be remembered.
        wanted.writes.push(write(
            Direction::Keep,
            Action::change(list.name(Direction::Keep), roles.patch(project, current, &spent)),
            "forget roles that are gone",
        ));
    }
    roles.tell(target, project, wanted);
    if !roles.desired.is_empty() || there {
        let then = then.map(|list| list.iter().filter(|r| roles.is_ours(project, r)).cloned().collect::<Vec<_>>());
        wanted.looks.push(list.look(&roles.standing(project), then.as_deref()));
    }
}

impl Roles<'_> {
    /// Whether a role is ours, or is to be.
    fn is_ours(&self, project: &AppProject, role: &ProjectRole) -> bool {
        self.ours.has(project, role) || self.desired.contains_key(role.name.as_str())
    }

    /// Our roles as they stand.
    fn standing<'p>(&self, project: &'p AppProject) -> Vec<&'p ProjectRole> {
        project.roles().iter().filter(|role| self.ours.has(project, role)).collect()
    }

    /// What keeps anything from being added in this project.
    fn hindrance(&self, project: &AppProject, list: &List<'_>) -> Option<Verdict> {
        let mut foreign = project.clone();
        if let Some(roles) = &mut foreign.spec.roles {
            roles.retain(|role| !self.ours.has(project, role));
        }
        if let Err((role, why)) = project::loads(&foreign) {
            let message = format!(
                "the role {role:?} of AppProject {} is broken ({why}); while it is, Argo CD uses no role of that project, so nothing is added. Mend or remove it",
                project.name()
            );
            return Some(Verdict::no(Reason::ForeignPolicyBroken, message));
        }
        // By construction none of ours is refused; should one be, it is not written.
        if let Some(why) = self.desired.values().find_map(|role| project::validate(project.name(), role).err()) {
            return Some(Verdict::no(Reason::Invalid, format!("Argo CD would not accept the role in AppProject {}: {why}", project.name())));
        }
        let missing = self.desired.iter().any(|(name, want)| !project.roles().iter().any(|r| r.name == *name && r == *want));
        let look = list.look(&self.standing(project), None);
        missing.then(|| list.withheld(&foreign, self.desired, &look))?
    }

    /// The list with everything of ours cut down to what is declared, and the list as it is declared.
    fn lists(&self, project: &AppProject) -> (Vec<ProjectRole>, Vec<ProjectRole>) {
        let (mut less, mut more, mut seen) = (Vec::new(), Vec::new(), BTreeSet::new());
        for role in project.roles() {
            if !self.ours.has(project, role) || self.frozen.contains(&role.name) {
                less.push(role.clone());
                more.push(role.clone());
                continue;
            }
            // Of two elements of one name Argo CD would refuse the project.
            let Some(want) = self.desired.get(role.name.as_str()).filter(|_| seen.insert(role.name.as_str())) else { continue };
            less.extend(cut(role, want));
            more.push((*want).clone());
        }
        more.extend(self.desired.iter().filter(|(name, _)| !seen.contains(*name)).map(|(_, want)| (*want).clone()));
        (less, more)
    }

    /// Whether tokens of this role are to go. Argo CD leaves an entry without tokens for every role; that one goes with the role.
    fn is_spent(&self, project: &AppProject, name: &str) -> bool {
        let ours = self.ours.named(project, name) || project.roles().iter().any(|role| role.name == name && self.ours.has(project, role));
        let entry = project.status.as_ref().and_then(|s| s.jwt_tokens_by_role.get(name));
        let some = entry.and_then(|e| e.get("items")).and_then(Value::as_array).is_some_and(|items| !items.is_empty());
        ours && !self.frozen.contains(name) && (some || !self.desired.contains_key(name))
    }

    /// Every change that is still to come.
    fn tell(&self, target: &Target, project: &AppProject, wanted: &mut Wanted) {
        let change = |name: &str, from: Option<String>, to: Option<String>| Change {
            object: target.to_string(),
            field: format!("spec/roles/{name}"),
            from,
            to,
        };
        let of_ours = project.roles().iter().filter(|role| self.ours.has(project, role) && !self.frozen.contains(&role.name));
        let now: BTreeMap<&str, &ProjectRole> = of_ours.map(|role| (role.name.as_str(), role)).collect();
        for name in now.keys().chain(self.desired.keys()).collect::<BTreeSet<_>>() {
            let (from, to) = (now.get(name), self.desired.get(name));
            if from != to {
                wanted.changes.push(change(name, from.map(|r| text(r)), to.map(|r| text(r))));
            }
        }
    }

    /// The merge patch that makes this the list.
    fn patch(&self, project: &AppProject, list: &[ProjectRole], spent: &[&String]) -> Value {
        let memory = Memory::of(project);
        let absent = memory.map_or(project.spec.roles.is_none(), |m| m.absent);
        let named = |name: &String| self.desired.contains_key(name.as_str()) || self.frozen.contains(name);
        let ours: BTreeSet<String> = list.iter().filter(|r| self.ours.has(project, r) || named(&r.name)).map(|r| r.name.clone()).collect();
        let forget = ours.is_empty();
        let roles = if list.is_empty() && absent && forget { Value::Null } else { json!(list) };
        let memory = Memory { uid: uid(&project.metadata).to_owned(), roles: ours, absent };
        let memory = if forget { Value::Null } else { serde_json::to_string(&memory).map_or(Value::Null, Value::String) };
        let mut patch = json!({
            "metadata": {"resourceVersion": project.metadata.resource_version, "annotations": {ANNOTATION: memory}},
            "spec": {"roles": roles},
        });
        if let (false, Some(root)) = (spent.is_empty(), patch.as_object_mut()) {
            let all = tokens(project).count() == spent.len();
            let gone: Map<String, Value> = spent.iter().map(|name| ((*name).clone(), Value::Null)).collect();
            root.insert("status".to_owned(), json!({"jwtTokensByRole": if all { Value::Null } else { Value::Object(gone) }}));
        }
        patch
    }
}

/// A role of ours, cut down to what is declared; `None`: nothing is left.
fn cut(role: &ProjectRole, want: &ProjectRole) -> Option<ProjectRole> {
    let kept = |now: &[String], want: &[String]| {
        let mut seen = BTreeSet::new();
        now.iter().filter(|line| want.contains(line) && seen.insert(*line)).cloned().collect::<Vec<_>>()
    };
    let (policies, groups) = (kept(role.policies(), want.policies()), kept(role.groups(), want.groups()));
    if policies.is_empty() || groups.is_empty() {
        return None;
    }
    // A field that we do not write, such as tokens, gives somebody something.
    Some(ProjectRole { policies: Some(policies), groups: Some(groups), rest: Map::new(), ..role.clone() })
}

/// A role of ours, for a person.
fn text(role: &ProjectRole) -> String {
    let groups = role.groups().iter().map(|group| format!("group {group}"));
    role.policies().iter().cloned().chain(groups).collect::<Vec<_>>().join("\n")
}
