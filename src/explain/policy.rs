//! Argo CD's policy: `applications, get` and then `exec, create`, as argocd-server asks for them, and by which line it decides. Pure.
//!
//! Decided by `argocd::policy`; `near` finds what a refused person was probably meant to have, `mend` what gives exactly what was asked.

mod mend;
mod near;

use k8s_openapi::api::core::v1::ConfigMap;

use super::link::{Link, Name};
use super::observed::Observed;
use super::question::Question;
use super::{Cause, not_readable};
use crate::argocd::ARGOCD_RBAC_CM;
use crate::argocd::kinds::AppProject;
use crate::argocd::policy::compose::Line;
use crate::argocd::policy::evaluate::{By, Why};
use crate::argocd::policy::{Data, Decision, Outcome, Person, Policy, Request, csv, scopes};
use crate::reconcile::seen::data;

const NAME: Name = Name::Policy;
/// The two things that a terminal needs, in the order in which argocd-server asks for them.
const ASKED: [(&str, &str); 2] = [("applications", "get"), ("exec", "create")];

/// What decides: argocd-rbac-cm and the projects.
#[derive(Clone)]
struct Texts {
    data: Data,
    projects: Vec<AppProject>,
}

/// Who asks, as Argo CD sees the token.
#[derive(Clone)]
struct Asking {
    /// The user's id.
    id: String,
    /// The values of the claims that count as groups.
    groups: Vec<String>,
    /// The Application.
    object: String,
}

impl Asking {
    /// An e-mail address counts like a group, and only where `scopes` names the claim.
    fn of(question: &Question, data: &Data) -> Self {
        let email = question.by_email().filter(|_| scopes(data).iter().any(|s| s == "email"));
        let id = question.user.clone().filter(|_| question.by_email().is_none()).unwrap_or_default();
        Self { id, groups: question.groups.iter().cloned().chain(email.map(ToOwned::to_owned)).collect(), object: question.object() }
    }

    fn decide<'a>(&'a self, policy: &'a Policy, (resource, action): (&'a str, &'a str)) -> Decision<'a> {
        policy.decide(&Request { person: Person::User { id: &self.id, groups: &self.groups }, resource, action, object: &self.object })
    }

    /// Whether both are allowed by these texts.
    fn opens(&self, texts: &Texts) -> bool {
        texts.policy().is_some_and(|policy| ASKED.into_iter().all(|asked| self.decide(&policy, asked).is_allowed()))
    }

    /// Whether this one is allowed by these texts.
    fn allowed(&self, texts: &Texts, asked: (&str, &str)) -> bool {
        texts.policy().is_some_and(|policy| self.decide(&policy, asked).is_allowed())
    }
}

impl Texts {
    /// The policy that Argo CD would load; `None`: it cannot.
    fn policy(&self) -> Option<Policy> {
        Policy::new(&self.data, &self.projects).ok()
    }
}

/// How it stands.
#[must_use]
pub fn look(question: &Question, observed: &Observed) -> Link {
    if observed.server().is_some_and(|server| server.auth_disabled == Some(true)) {
        return Link::open(NAME, "argocd-server runs with --disable-auth: everybody may do everything");
    }
    let config_map: Option<&ConfigMap> = match &observed.world.rbac_cm {
        Err(not_seen) => return not_readable(NAME, not_seen),
        Ok(config_map) => config_map.as_deref(),
    };
    let unseen = observed.world.projects.as_ref().err();
    let projects = observed.world.projects.iter().flatten().map(|p| p.as_ref().clone()).collect();
    let texts = Texts { data: data(config_map).clone(), projects };
    let policy = match Policy::new(&texts.data, &texts.projects) {
        Ok(policy) => policy,
        Err(broken) => {
            return Link::closed(NAME, Cause::PolicyBroken, format!("Argo CD cannot load its policy: {broken}")).mended_by(mend::broken(
                observed,
                config_map,
                &texts.data,
            ));
        }
    };
    let asking = Asking::of(question, &texts.data);
    let decisions = ASKED.map(|asked| (asked, asking.decide(&policy, asked)));
    if let Some((_, undecided)) = decisions.iter().find(|(_, d)| d.outcome == Outcome::Undecided) {
        let line = undecided.by.as_ref().map(|by| written(by.line)).unwrap_or_default();
        return Link::unknown(NAME, Cause::PolicyUndecided, format!("it depends on a pattern that is not decided here: {line}"));
    }
    let Some((refused, decision)) = decisions.iter().rev().find(|(_, d)| d.outcome == Outcome::Refused) else {
        let [(_, get), (_, exec)] = &decisions;
        return Link::open(NAME, format!("exec, create {}; applications, get {}", allowed(exec, question), allowed(get, question)));
    };
    // A role of a project that is not seen could allow it.
    if let (Some(not_seen), None) = (unseen, &decision.by) {
        return not_readable(NAME, not_seen);
    }
    let case = Case { question, observed, config_map, texts: &texts, asking: &asking };
    let mut link = match &decision.by {
        Some(by) if by.why == Why::Deny => denied(&case, *refused, by),
        Some(by) => faulty(&case, *refused, by),
        None => near::find(&case, *refused),
    };
    if config_map.is_none() {
        link.fact = format!("{}; {ARGOCD_RBAC_CM} does not exist, and an argocd-server that has seen it before keeps what it said then", link.fact);
    }
    link
}

/// What the parts of this link share.
struct Case<'a> {
    question: &'a Question,
    observed: &'a Observed,
    config_map: Option<&'a ConfigMap>,
    texts: &'a Texts,
    asking: &'a Asking,
}

fn allowed(decision: &Decision<'_>, question: &Question) -> String {
    let Some(by) = &decision.by else { return "is allowed".to_owned() };
    let whom = if by.subject.is_empty() {
        "everybody".to_owned()
    } else if question.user.as_deref() == Some(by.subject) {
        format!("user {}", by.subject)
    } else if question.groups.iter().any(|g| g == by.subject) {
        format!("group {}", by.subject)
    } else {
        format!("everybody, by the default role {}", by.subject)
    };
    format!("for {whom} by {}", written(by.line))
}

/// A line, and where it stands.
fn written(line: &Line) -> String {
    let fields: Vec<&str> = line.fields.iter().map(String::as_str).collect();
    format!("`{}` ({})", crate::api::conditions::shorten(&csv::line(&fields), 200), line.at)
}

fn asked(case: &Case<'_>, (resource, action): (&str, &str)) -> String {
    format!("{resource}, {action} on {} for {}", case.asking.object, case.question.person())
}

fn denied(case: &Case<'_>, refused: (&str, &str), by: &By<'_>) -> Link {
    let fact = format!("{} is denied by {}", asked(case, refused), written(by.line));
    Link::closed(NAME, Cause::PolicyDenied, fact).mended_by(mend::denied(case, by))
}

fn faulty(case: &Case<'_>, refused: (&str, &str), by: &By<'_>) -> Link {
    let fact = format!("{} is refused because of {}, whose pattern cannot be used in this match mode", asked(case, refused), written(by.line));
    Link::closed(NAME, Cause::PolicyFault, fact).mended_by(super::Fix::by_people(format!(
        "whoever wrote the line has to write it anew; what else it then grants is theirs to judge. {}",
        Cause::PolicyFault.mend()
    )))
}
