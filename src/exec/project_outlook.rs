//! What is said of an object whose roles stand in AppProjects. Pure.

use std::collections::BTreeMap;

use super::admission::Case;
use super::lines;
use super::policy::PolicyOutlook;
use super::world::World;
use crate::api::conditions::{Reason, Verdict, shorten};
use crate::api::status::PolicyStatus;
use crate::argocd::kinds::{AppProject, ProjectRole};
use crate::argocd::project;

/// What one object wants in one project.
#[derive(Clone, Debug)]
pub struct Part {
    /// The project.
    pub project: String,
    /// Whether it is there, and stays.
    pub exists: bool,
    /// The role; where there is no room for more, what is left of the one that stands.
    pub role: Option<ProjectRole>,
    /// It may be too little, because the Applications cannot be seen.
    pub blind: bool,
    /// There is no room for the whole of it.
    pub too_large: bool,
}

impl Part {
    /// Of a project that is not there.
    #[must_use]
    pub fn missing(project: &str) -> Self {
        Self { project: project.to_owned(), exists: false, role: None, blind: false, too_large: false }
    }

    /// The role that is to be there.
    #[must_use]
    pub fn role(&self) -> Option<&ProjectRole> {
        self.role.as_ref().filter(|role| !role.policies().is_empty())
    }
}

/// What is said of one object.
#[must_use]
pub fn outlook(world: &World, case: &Case, parts: &[Part], obstacle: Option<&Verdict>, hindered: &BTreeMap<&str, Verdict>) -> PolicyOutlook {
    let name = case.grant.as_ref().map_or("", |grant| grant.role.as_str());
    let stands = |project: &AppProject| project.roles().iter().find(|role| role.name == name).cloned();
    let projects = world.projects.iter().flatten();
    let standing: Vec<(&str, ProjectRole)> = projects.filter_map(|p| Some((p.name(), stands(p)?))).collect();
    let verdict = verdict(world, case, parts, obstacle, hindered, &standing);
    PolicyOutlook { verdict, status: Some(status(name, &standing)) }
}

fn verdict(
    world: &World,
    case: &Case,
    parts: &[Part],
    obstacle: Option<&Verdict>,
    hindered: &BTreeMap<&str, Verdict>,
    standing: &[(&str, ProjectRole)],
) -> Verdict {
    let named = |which: &dyn Fn(&&Part) -> bool| shorten(&parts.iter().filter(which).map(|p| p.project.as_str()).collect::<Vec<_>>().join(", "), 300);
    let large = named(&|p| p.too_large);
    if !large.is_empty() {
        let message = format!(
            "with this object's role the AppProject(s) {large} would be larger than Kubernetes allows; older objects come first. Name fewer subjects and applications, or use wildcards"
        );
        return Verdict::no(Reason::PolicyTooLarge, message);
    }
    if let Some(obstacle) = obstacle {
        return obstacle.clone();
    }
    if let Some(verdict) = parts.iter().filter(|p| p.role().is_some()).find_map(|p| hindered.get(p.project.as_str())) {
        return verdict.clone();
    }
    let missing = named(&|p| !p.exists);
    if !missing.is_empty() {
        let message = format!(
            "there is no AppProject {missing} in {} (or it is being deleted); create it, or correct spec.applications[].project",
            world.namespace()
        );
        return Verdict::no(Reason::ProjectNotFound, message);
    }
    if parts.iter().any(|p| p.blind) {
        return Verdict::unknown(Reason::NotReadable, world.applications.as_ref().err().map_or_else(String::new, ToString::to_string));
    }
    if parts.iter().all(|p| p.role().is_none()) {
        return Verdict::no(
            Reason::NoApplications,
            "no live Application matches spec.applications, so there is nothing to grant yet; the role comes as soon as one appears",
        );
    }
    let there = |part: &&Part| {
        let now = standing.iter().find(|(project, _)| *project == part.project).map(|(_, role)| role);
        now == part.role()
    };
    if !parts.iter().all(|part| there(&part)) {
        return Verdict::no(Reason::Pending, "the roles are not written yet");
    }
    match case.remark.clone() {
        Some(remark) => Verdict::yes(Reason::SubjectNeverMatches, remark),
        None => {
            let hidden = case.grant.as_ref().map_or("", |grant| lines::hidden(grant, world));
            Verdict::yes(Reason::Applied, format!("a role in the AppProject(s) {}{hidden}", named(&|p| p.role().is_some())))
        }
    }
}

/// The lines that a role stands for in its project, as Argo CD reads it.
fn lines_of(project: &str, role: &ProjectRole) -> Vec<String> {
    let subject = project::subject(project, &role.name);
    let members = role.groups().iter().map(|group| format!("g, {group}, {subject}"));
    role.policies().iter().cloned().chain(members).collect()
}

/// The lines of all roles of this name; `None`: the projects cannot be seen.
#[must_use]
pub fn standing_lines(world: &World, name: &str) -> Option<Vec<String>> {
    let projects = world.projects.as_ref().ok()?;
    let roles = projects.iter().flat_map(|p| p.roles().iter().filter(|r| r.name == name).map(|r| (p.name(), r)));
    Some(roles.flat_map(|(project, role)| lines_of(project, role)).collect())
}

/// What stands in the projects.
fn status(name: &str, standing: &[(&str, ProjectRole)]) -> PolicyStatus {
    let lines: Vec<String> = standing.iter().flat_map(|(project, role)| lines_of(project, role)).collect();
    PolicyStatus {
        role: name.to_owned(),
        key: String::new(),
        projects: standing.iter().map(|(project, _)| (*project).to_owned()).take(64).collect(),
        line_count: i64::try_from(lines.len()).unwrap_or(i64::MAX),
        lines: lines.into_iter().take(100).collect(),
    }
}
