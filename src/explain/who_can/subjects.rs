//! Who can open a terminal in one Application, each with the lines by which. Pure.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::{Seen, Told};
use crate::argocd::accounts::{self, Account};
use crate::argocd::policy::evaluate::By;
use crate::argocd::policy::{Data, Outcome, POLICY_DEFAULT, Person, Policy, Request, csv};
use crate::argocd::{ARGOCD_CM, ARGOCD_RBAC_CM};

const EXEC: (&str, &str) = ("exec", "create");
const GET: (&str, &str) = ("applications", "get");
/// Somebody whom no line names.
const STRANGER: &str = "\u{1}";

/// What a subject is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum SubjectKind {
    /// Everybody, logged in or not.
    Anybody,
    /// Everybody who can log in.
    Everybody,
    /// A local account.
    LocalAccount,
    /// A person whom the identity provider calls so.
    User,
    /// A group of the identity provider.
    Group,
    /// The tokens of a project's role.
    Token,
}

/// One who can open a terminal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Subject {
    /// The name; empty for everybody.
    pub name: String,
    /// What a name like this is. It may be several at once: the policy does not tell them apart.
    pub kinds: Vec<SubjectKind>,
    /// By what `exec, create` is allowed.
    pub exec: Reason,
    /// By what `applications, get` is; `None`: the subject does not have that by itself.
    pub get: Option<Reason>,
    /// Those of whom one has to be met as well, where `get` is missing.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub together_with: Vec<String>,
}

/// The line that decides.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Reason {
    /// The line.
    pub line: String,
    /// Where it stands.
    pub source: String,
    /// The lines by which the subject is that of the line.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub by: Vec<Step>,
}

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Step {
    /// The line.
    pub line: String,
    /// Where it stands.
    pub source: String,
}

impl Subject {
    /// Everybody, where argocd-server asks nobody who he is.
    pub(super) fn without_authentication(deployment: &str) -> Self {
        let reason = Reason { line: "--disable-auth".to_owned(), source: format!("Deployment {deployment}"), by: Vec::new() };
        Self { name: String::new(), kinds: vec![SubjectKind::Anybody], exec: reason.clone(), get: Some(reason), together_with: Vec::new() }
    }
}

/// Whether somebody may do it.
enum Answered {
    Yes(Reason),
    No,
    Undecided(Reason),
}

/// As what a name is asked about.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum As {
    User,
    Group,
}

impl Told {
    /// Keeps what is allowed, and tells what is not decided.
    fn allowed(&mut self, who: &str, answered: Answered) -> Option<Reason> {
        match answered {
            Answered::Yes(reason) => Some(reason),
            Answered::No => None,
            Answered::Undecided(reason) => {
                self.unknown
                    .push(format!("whether {who} may depends on a pattern that is too costly to decide: {} ({})", reason.line, reason.source));
                None
            }
        }
    }
}

/// All whom the policy gives something at all, for whatever Application.
pub(super) struct Candidates<'a> {
    policy: &'a Policy,
    anonymous: bool,
    /// By name.
    exec: BTreeMap<String, Vec<SubjectKind>>,
    get: BTreeMap<String, Vec<SubjectKind>>,
    /// Those of them that are local accounts, and switched off.
    off: BTreeSet<String>,
}

impl<'a> Candidates<'a> {
    pub(super) fn of(policy: &'a Policy, seen: &Seen, settings: Option<&Data>) -> Self {
        let account = |name: &str| settings.map_or(Account::None, |settings| accounts::local(settings, name));
        let others = settings.is_none_or(accounts::identity_provider);
        let kinds = |name: &str| match account(name) {
            _ if accounts::token_of(name).is_some() => vec![SubjectKind::Token],
            Account::On => vec![SubjectKind::LocalAccount, SubjectKind::User, SubjectKind::Group],
            // The account is the only one who could come by this name.
            Account::Off if !others => Vec::new(),
            Account::Off | Account::None => vec![SubjectKind::User, SubjectKind::Group],
        };
        let holders = |(resource, action): (&str, &str)| {
            let names = policy.holders(resource, action).into_iter().map(|holder| holder.name);
            let names = names.filter(|name| !name.is_empty() && accounts::is_somebody(seen.projects.iter().flatten(), name));
            names.map(|name| (kinds(&name), name)).filter(|(kinds, _)| !kinds.is_empty()).map(|(kinds, name)| (name, kinds)).collect()
        };
        let exec: BTreeMap<String, Vec<SubjectKind>> = holders(EXEC);
        let off = exec.keys().filter(|name| account(name) == Account::Off).cloned().collect();
        Self { policy, anonymous: settings.is_some_and(accounts::anonymous), exec, get: holders(GET), off }
    }

    /// Those who can open a terminal in this Application, those first who are everybody.
    pub(super) fn who_can(&self, object: &str, told: &mut Told) -> Vec<Subject> {
        let mut all = Vec::new();
        if self.anonymous
            && let (Some(exec), Some(get)) = (self.anonymous_may(EXEC, object, told), self.anonymous_may(GET, object, told))
        {
            all.push(Subject { name: String::new(), kinds: vec![SubjectKind::Anybody], exec, get: Some(get), together_with: Vec::new() });
        }
        let stranger_gets = told.allowed("everybody", self.as_everybody(GET, object));
        if let Some(exec) = told.allowed("everybody", self.as_everybody(EXEC, object)) {
            all.extend(self.subject("", vec![SubjectKind::Everybody], exec, stranger_gets, object, told));
        }
        for (name, kinds) in &self.exec {
            let as_user = told.allowed(name, self.alone(name, As::User, EXEC, object));
            let as_group = told.allowed(name, self.alone(name, As::Group, EXEC, object));
            let may = |kind: &SubjectKind| if *kind == SubjectKind::Group { as_group.is_some() } else { as_user.is_some() };
            let kinds: Vec<SubjectKind> = kinds.iter().copied().filter(may).collect();
            let Some(exec) = as_user.or(as_group).filter(|_| !kinds.is_empty()) else { continue };
            if self.off.contains(name) {
                told.notes
                    .push(format!("the local account {name} is switched off in {ARGOCD_CM}; listed is whoever the identity provider may call so"));
            }
            let role = if kinds.iter().any(|kind| *kind != SubjectKind::Group) { As::User } else { As::Group };
            let get = told.allowed(name, self.with_everybodys(name, role, GET, object));
            all.extend(self.subject(name, kinds, exec, get, object, told));
        }
        all
    }

    /// The subject, unless nobody can have both rights.
    fn subject(&self, name: &str, kinds: Vec<SubjectKind>, exec: Reason, get: Option<Reason>, object: &str, told: &mut Told) -> Option<Subject> {
        if get.is_some() {
            return Some(Subject { name: name.to_owned(), kinds, exec, get, together_with: Vec::new() });
        }
        // A person has one name and many groups; a token has no groups.
        let any = kinds.iter().any(|kind| matches!(kind, SubjectKind::Group | SubjectKind::Everybody));
        let groups = any || kinds.iter().any(|kind| *kind != SubjectKind::Token);
        let mut together_with = Vec::new();
        for (other, others) in self.get.iter().filter(|(other, _)| *other != name) {
            let mut sees = |role: As| {
                told.allowed(other, self.alone(other, role, GET, object)).is_some()
                    // Who has both rights needs nobody else's.
                    && told.allowed(other, self.alone(other, role, EXEC, object)).is_none()
            };
            let is_user = any && others.iter().any(|kind| *kind != SubjectKind::Group);
            if (groups && sees(As::Group)) || (is_user && sees(As::User)) {
                together_with.push(other.clone());
            }
        }
        (!together_with.is_empty()).then(|| Subject { name: name.to_owned(), kinds, exec, get, together_with })
    }

    fn anonymous_may(&self, right: (&str, &str), object: &str, told: &mut Told) -> Option<Reason> {
        let request = Request { person: Person::Anonymous, resource: right.0, action: right.1, object };
        told.allowed("somebody without a session", self.answered(&request, true))
    }

    fn as_everybody(&self, right: (&str, &str), object: &str) -> Answered {
        let request = Request { person: Person::User { id: STRANGER, groups: &[] }, resource: right.0, action: right.1, object };
        self.answered(&request, true)
    }

    fn alone(&self, name: &str, role: As, right: (&str, &str), object: &str) -> Answered {
        self.ask(name, role, right, object, false)
    }

    fn with_everybodys(&self, name: &str, role: As, right: (&str, &str), object: &str) -> Answered {
        self.ask(name, role, right, object, true)
    }

    fn ask(&self, name: &str, role: As, right: (&str, &str), object: &str, everybody: bool) -> Answered {
        let groups = [name.to_owned()];
        let person = match role {
            As::User => Person::User { id: name, groups: &[] },
            As::Group => Person::User { id: STRANGER, groups: &groups },
        };
        self.answered(&Request { person, resource: right.0, action: right.1, object }, everybody)
    }

    fn answered(&self, request: &Request<'_>, everybody: bool) -> Answered {
        let decision = if everybody { self.policy.decide(request) } else { self.policy.decide_alone(request) };
        let by_default = everybody && decision.by.as_ref().is_some_and(|by| self.policy.default_role() == Some(by.subject));
        match (decision.outcome, decision.by) {
            (Outcome::Allowed, Some(by)) => Answered::Yes(self.reason(&by, by_default, request.object)),
            (Outcome::Undecided, Some(by)) => Answered::Undecided(self.reason(&by, by_default, request.object)),
            _ => Answered::No,
        }
    }

    /// The line, and the way from the subject to it.
    fn reason(&self, by: &By<'_>, by_default: bool, object: &str) -> Reason {
        let fields: Vec<&str> = by.line.fields.iter().map(String::as_str).collect();
        let subject = fields.get(1).copied().unwrap_or_default();
        let project = object.split_once('/').map_or(object, |(project, _)| project);
        let mut steps = Vec::new();
        if by_default {
            steps.push(Step { line: format!("{POLICY_DEFAULT}: {}", by.subject), source: format!("{ARGOCD_RBAC_CM} key {POLICY_DEFAULT}") });
        }
        let way = self.policy.way(by.subject, subject, project);
        steps.extend(way.iter().map(|step| Step { line: csv::line(&["g", step.member, step.role]), source: step.at.to_string() }));
        Reason { line: csv::line(&fields), source: by.line.at.to_string(), by: steps }
    }
}
