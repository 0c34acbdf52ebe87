//! Whether one person may do one thing, as argocd-server decides it, and by which line (`util/rbac/rbac.go`,
//! `server/rbacpolicy/rbacpolicy.go`, casbin's `enforce` and role manager). Pure.
//!
//! One person is asked about several times: as the default role, as the user, as each group that a `g` line names, and as nobody. The
//! first yes counts. Within one such question a deny wins over every allow; it says nothing about the other questions.

use std::collections::{BTreeMap, BTreeSet};

use super::compose::{self, Line, Lines};
use super::table::{Pattern, Reader, Rule, Table};
use super::{BrokenLine, Data, MatchMode, Matched, default_role, match_mode};
use crate::argocd::kinds::AppProject;

/// A role may be reached over so many `g` lines; what is further away is not reached (casbin's `maxHierarchyLevel`).
pub(super) const MOST_STEPS: usize = 10;

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Person<'a> {
    /// Somebody without a session, where argocd-cm allows that.
    Anonymous,
    /// Somebody with a session.
    User {
        /// The user's id: the token's `federated_claims.user_id`, else its `sub`.
        id: &'a str,
        /// The values of the claims that `scopes` names.
        groups: &'a [String],
    },
}

/// What is asked.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// Who asks.
    pub person: Person<'a>,
    /// Such as `exec`.
    pub resource: &'a str,
    /// Such as `create`.
    pub action: &'a str,
    /// Such as `shop/web`, or `shop/team/web` for an Application in another namespace.
    pub object: &'a str,
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision<'a> {
    /// Yes, no, or not known.
    pub outcome: Outcome,
    /// What decided: the line that allows; else the first that stood in the way, or that cannot be decided. `None`: no line speaks of it.
    pub by: Option<By<'a>>,
}

/// Yes, no, or not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Allowed.
    Allowed,
    /// Not allowed.
    Refused,
    /// It depends on a pattern that is too large or too costly to be matched here.
    Undecided,
}

/// The line that decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct By<'a> {
    /// As whom the person was asked about: a group, the user, the default role; empty: as nobody in particular.
    pub subject: &'a str,
    /// The line.
    pub line: &'a Line,
    /// What it did.
    pub why: Why,
}

/// What a line did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// It allows.
    Allow,
    /// It denies.
    Deny,
    /// Its pattern cannot be used, which ends the question with no.
    Fault,
    /// Its pattern was not decided.
    Undecided,
}

impl Decision<'_> {
    /// Whether it is known to be allowed.
    #[must_use]
    pub fn is_allowed(&self) -> bool {
        self.outcome == Outcome::Allowed
    }
}

/// All that decides: argocd-rbac-cm and the AppProjects, read once.
#[derive(Debug)]
pub struct Policy {
    pub(super) mode: MatchMode,
    default_role: Option<String>,
    patterns: Vec<Pattern>,
    pub(super) base: Table,
    /// Every AppProject; `None` where its roles add nothing or cannot be loaded.
    pub(super) projects: BTreeMap<String, Option<Table>>,
}

impl Policy {
    /// Reads what Argo CD would load.
    ///
    /// # Errors
    /// The line that keeps Argo CD from loading any of it.
    pub fn new<'a>(data: &Data, projects: impl IntoIterator<Item = &'a AppProject>) -> Result<Self, BrokenLine> {
        match Self::of(data, projects, |_| true, |_, _| true) {
            (policy, None) => Ok(policy),
            (_, Some(broken)) => Err(broken),
        }
    }

    /// Reads what can be read of the keys and of the projects' roles that are wanted; besides the first line that Argo CD cannot load.
    pub fn of<'a>(
        data: &Data,
        projects: impl IntoIterator<Item = &'a AppProject>,
        key: impl Fn(&str) -> bool,
        role: impl Fn(&str, &str) -> bool,
    ) -> (Self, Option<BrokenLine>) {
        let mut reader = Reader::new(match_mode(data));
        let Lines { lines, broken } = compose::base(data, key);
        let base = reader.table(lines);
        let mut tables = BTreeMap::new();
        for project in projects {
            let name = project.metadata.name.clone().unwrap_or_default();
            // One broken line in a project, and Argo CD does without all of its roles, also those that are not wanted here.
            let loads = compose::of_project(project, |_| true).broken.is_none();
            let lines = compose::of_project(project, |r| role(&name, r)).lines;
            tables.insert(name, (loads && !lines.is_empty()).then(|| reader.table(lines)));
        }
        let policy =
            Self { mode: reader.mode, default_role: default_role(data).map(ToOwned::to_owned), patterns: reader.patterns, base, projects: tables };
        (policy, broken)
    }

    /// The role that everybody has.
    #[must_use]
    pub fn default_role(&self) -> Option<&str> {
        self.default_role.as_deref()
    }

    /// Decides one request.
    #[must_use]
    pub fn decide<'a>(&'a self, request: &Request<'a>) -> Decision<'a> {
        self.answer(request, true)
    }

    /// Decides it by what is said of this very person: without the default role, and without the lines that are for everybody.
    #[must_use]
    pub fn decide_alone<'a>(&'a self, request: &Request<'a>) -> Decision<'a> {
        self.answer(request, false)
    }

    fn answer<'a>(&'a self, request: &Request<'a>, everybody: bool) -> Decision<'a> {
        let mut question = Question { policy: self, request, everybody, project: None, refused: None, undecided: None };
        let by = question.ask();
        let outcome = match (&by, &question.undecided) {
            (Some(_), _) => Outcome::Allowed,
            (None, Some(_)) => Outcome::Undecided,
            (None, None) => Outcome::Refused,
        };
        Decision { outcome, by: by.or(question.undecided).or(question.refused) }
    }

    fn matches(&self, pattern: usize, text: &str) -> Matched {
        self.patterns.get(pattern).map_or(Matched::No, |p| p.matches(text))
    }

    /// Whether a rule is about this resource and this action, whatever the object.
    pub(super) fn is_about(&self, rule: &Rule, resource: &str, action: &str) -> Matched {
        and(self.matches(rule.resource, resource), || self.matches(rule.action, action))
    }

    pub(super) fn object_of(&self, rule: &Rule) -> Option<&Pattern> {
        self.patterns.get(rule.object)
    }

    /// All that a subject is, by the lines of all texts and of one project.
    pub(super) fn names_of<'a>(&'a self, subject: &'a str, project: Option<&'a Table>) -> BTreeSet<&'a str> {
        let mut all = BTreeSet::from([subject]);
        let mut open = vec![subject];
        for _ in 0..MOST_STEPS {
            let mut next = Vec::new();
            for name in open {
                for table in [Some(&self.base), project].into_iter().flatten() {
                    let roles = table.roles.get(name).into_iter().flatten().map(|(role, _)| role.as_str());
                    next.extend(roles.filter(|role| all.insert(role)));
                }
            }
            open = next;
        }
        all
    }

    /// One question of casbin's: what this very subject gets.
    pub(super) fn enforce<'a>(&'a self, subject: &'a str, project: Option<&'a Table>, request: &Request<'_>) -> Option<By<'a>> {
        let names = self.names_of(subject, project);
        let by = |rule: &'a Rule, why| Some(By { subject, line: &rule.line, why });
        let (mut allowed, mut undecided) = (None, None);
        for table in [Some(&self.base), project].into_iter().flatten() {
            let mut rules: Vec<usize> = names.iter().flat_map(|name| table.rules_of(name)).copied().collect();
            rules.sort_unstable();
            for rule in rules.into_iter().filter_map(|index| table.rules.get(index)) {
                let matched = and(self.is_about(rule, request.resource, request.action), || self.matches(rule.object, request.object));
                match (matched, rule.effect) {
                    (Matched::No, _) | (Matched::Yes, None) => {}
                    (Matched::Fault, _) => return by(rule, Why::Fault),
                    (Matched::Yes, Some(false)) => return by(rule, Why::Deny),
                    (Matched::Yes, Some(true)) => allowed = allowed.or_else(|| by(rule, Why::Allow)),
                    (Matched::Undecided, _) => undecided = undecided.or_else(|| by(rule, Why::Undecided)),
                }
            }
        }
        undecided.or(allowed)
    }

    /// The project that a request is about, when there is one: its name and its table.
    fn project_of(&self, request: &Request<'_>) -> Option<(&str, Option<&Table>)> {
        let name = match request.resource {
            "applicationsets" | "applications" | "repositories" | "clusters" | "logs" | "exec" => request.object.split_once('/')?.0,
            "projects" => request.object,
            _ => return None,
        };
        self.projects.get_key_value(name).map(|(name, table)| (name.as_str(), table.as_ref()))
    }
}

/// Both, in this order: the second is asked only where the first one may match.
fn and(first: Matched, second: impl FnOnce() -> Matched) -> Matched {
    match first {
        Matched::Yes => second(),
        Matched::No | Matched::Fault => first,
        // If the first one does not match, the second one is never asked, and its panic does not come.
        Matched::Undecided => match second() {
            Matched::No => Matched::No,
            _ => Matched::Undecided,
        },
    }
}

/// One request on its way.
struct Question<'a, 'r> {
    policy: &'a Policy,
    request: &'r Request<'a>,
    /// Whether what everybody has counts.
    everybody: bool,
    project: Option<&'a Table>,
    refused: Option<By<'a>>,
    undecided: Option<By<'a>>,
}

impl<'a> Question<'a, '_> {
    /// Asks in Argo CD's order; the line that allows.
    fn ask(&mut self) -> Option<By<'a>> {
        let by = self.as_default_role();
        let by = match self.request.person {
            Person::User { id, groups } => by.or_else(|| self.as_user(id, groups)),
            Person::Anonymous => by,
        };
        // In the end everybody is asked about as nobody: lines with an empty subject are for all.
        self.project = None;
        by.or_else(|| if self.everybody { self.once("") } else { None })
    }

    fn once(&mut self, subject: &'a str) -> Option<By<'a>> {
        let by = self.policy.enforce(subject, self.project, self.request)?;
        match by.why {
            Why::Allow => return Some(by),
            Why::Undecided => self.undecided = self.undecided.take().or(Some(by)),
            Why::Deny | Why::Fault => self.refused = self.refused.take().or(Some(by)),
        }
        None
    }

    fn as_default_role(&mut self) -> Option<By<'a>> {
        let policy = self.policy;
        policy.default_role.as_deref().filter(|_| self.everybody).and_then(|role| self.once(role))
    }

    fn as_user(&mut self, id: &'a str, groups: &'a [String]) -> Option<By<'a>> {
        if let Some((name, table)) = self.policy.project_of(self.request) {
            self.project = table;
            if let Some(of) = project_of_subject(id) {
                // A project's token is good for that project only, and has no groups.
                return if of == name { self.as_default_role().or_else(|| self.once(id)) } else { None };
            }
        }
        if let Some(by) = self.as_default_role().or_else(|| self.once(id)) {
            return Some(by);
        }
        // A group that no `g` line names is not asked about, whatever `p` lines name it.
        for group in groups {
            let named = [Some(&self.policy.base), self.project].into_iter().flatten().any(|t| t.roles.contains_key(group));
            if named && let Some(by) = self.once(group) {
                return Some(by);
            }
        }
        None
    }
}

/// The project of a subject that is a project's role.
fn project_of_subject(subject: &str) -> Option<&str> {
    let mut parts = subject.split(':');
    match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some("proj"), Some(project), Some(_), None) => Some(project),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
