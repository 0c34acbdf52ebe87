//! What a refused person was probably meant to have: each guess is tried by deciding again as if it were so. Pure.

use super::{ASKED, Asking, Case, NAME, Texts, asked, mend, written};
use crate::argocd::policy::compose::{self, Line, Source};
use crate::argocd::policy::{Data, MatchMode, NamePattern, csv, line_fields, match_mode, scopes};
use crate::argocd::project;
use crate::explain::Cause;
use crate::explain::link::Link;

/// One guess: what it would be, and by which line it is seen.
type Guess = fn(&Case<'_>) -> Option<(Cause, String)>;

/// A name that no policy has.
const NOBODY: &str = "role:argocd-access-explain-nobody";
const KEY: &str = "policy.zz-argocd-access-explain.csv";

/// What refuses, where no line denies it.
pub(super) fn find(case: &Case<'_>, refused: (&'static str, &'static str)) -> Link {
    let (cause, why) = guess(case, refused);
    // argocd-server asks for this first, and names it.
    let neither = refused != ASKED[0] && !case.asking.allowed(case.texts, ASKED[0]);
    let what = if neither { format!("applications, get and {}", asked(case, refused)) } else { asked(case, refused) };
    let fact = match why {
        Some(why) => format!("nothing allows {what}: {why}"),
        None => format!("nothing allows {what}"),
    };
    Link::closed(NAME, cause, fact).mended_by(if cause == Cause::NoEmailScope { mend::scopes(case) } else { mend::grant(case) })
}

fn guess(case: &Case<'_>, refused: (&'static str, &'static str)) -> (Cause, Option<String>) {
    if refused == ASKED[0] {
        return (Cause::NoGet, Some("exec, create alone is allowed, and a terminal needs both".to_owned()));
    }
    let none = || (Cause::NoLine, None);
    let guesses: [Guess; 7] = [broken_project, no_email, unbound, effect, space, spelling, object];
    guesses.iter().find_map(|guess| guess(case)).map_or_else(none, |(cause, why)| (cause, Some(why)))
}

/// The line that would allow `exec, create` if the texts were these, as it really stands.
fn by(case: &Case<'_>, asking: &Asking, texts: &Texts) -> Option<String> {
    let policy = texts.policy()?;
    let decision = asking.decide(&policy, ASKED[1]);
    let at = &decision.is_allowed().then_some(decision.by)??.line.at;
    let lines = lines(case.texts);
    let real = lines.iter().find(|line| line.at == *at);
    real.map(written)
}

fn lines(texts: &Texts) -> Vec<Line> {
    let mut all = compose::base(&texts.data, |_| true).lines;
    all.extend(texts.projects.iter().flat_map(|p| compose::of_project(p, |_| true).lines));
    all
}

fn with(texts: &Texts, line: &str) -> Texts {
    let mut texts = texts.clone();
    texts.data.insert(KEY.to_owned(), line.to_owned());
    texts
}

fn broken_project(case: &Case<'_>) -> Option<(Cause, String)> {
    let name = &case.question.app.project;
    let mut texts = case.texts.clone();
    let mended = texts.projects.iter_mut().find(|p| p.name() == name)?;
    let (role, why) = project::loads(mended).err()?;
    // As if only the lines that can be read stood there.
    for role in mended.spec.roles.iter_mut().flatten() {
        let subject = project::subject(name, &role.name);
        role.policies.iter_mut().for_each(|lines| lines.retain(|line| line_fields(line).is_ok()));
        role.groups.iter_mut().for_each(|groups| groups.retain(|group| line_fields(&format!("g, {group}, {subject}")).is_ok()));
    }
    let why = format!("Argo CD does without all roles of the AppProject {name}, because its role {role} cannot be loaded: {why}");
    case.asking.allowed(&texts, ASKED[1]).then_some((Cause::ProjectRolesBroken, why))
}

fn no_email(case: &Case<'_>) -> Option<(Cause, String)> {
    let email = case.question.by_email().filter(|_| !scopes(&case.texts.data).iter().any(|s| s == "email"))?;
    let mut asking = case.asking.clone();
    asking.groups.push(email.to_owned());
    let line = by(case, &asking, case.texts)?;
    let why = format!(
        "{line} would, but scopes of argocd-rbac-cm does not list the claim email, so that no e-mail address counts (as the claim sub it would)"
    );
    Some((Cause::NoEmailScope, why))
}

fn unbound(case: &Case<'_>) -> Option<(Cause, String)> {
    let tried = |group: &String| {
        let texts = with(case.texts, &csv::line(&["g", group, NOBODY]));
        let line = by(case, case.asking, &texts)?;
        Some((Cause::GroupUnbound, format!("{line} would, but no g line names the group {group}, and Argo CD asks about no other groups")))
    };
    case.asking.groups.iter().find_map(tried)
}

fn effect(case: &Case<'_>) -> Option<(Cause, String)> {
    let texts = reworded(case.texts, &|fields| {
        if let Some(effect) = fields.get_mut(5).filter(|effect| effect.trim().to_ascii_lowercase().starts_with("allow")) {
            "allow".clone_into(effect);
        }
    });
    let line = by(case, case.asking, &texts)?;
    Some((Cause::PolicyEffect, format!("{line} would, but its effect is not the word allow")))
}

fn space(case: &Case<'_>) -> Option<(Cause, String)> {
    let texts = reworded(case.texts, &|fields| fields.iter_mut().for_each(|field| *field = field.trim().to_owned()));
    let line = by(case, case.asking, &texts)?;
    Some((Cause::PolicySpace, format!("{line} would, but a field ends in a blank, which belongs to it")))
}

fn spelling(case: &Case<'_>) -> Option<(Cause, String)> {
    let folded = |text: &str| text.chars().filter(|c| !c.is_whitespace()).flat_map(char::to_lowercase).collect::<String>();
    let lines = lines(case.texts);
    let subjects = |line: &Line| line.fields.get(1).cloned();
    let mine = case.asking.groups.iter().map(String::as_str).chain([case.asking.id.as_str()]).filter(|name| !name.is_empty());
    mine.into_iter().find_map(|name| {
        let alike = lines.iter().filter_map(subjects).find(|other| other != name && folded(other) == folded(name))?;
        let asking = Asking { id: alike.clone(), groups: vec![alike.clone()], object: case.asking.object.clone() };
        let line = by(case, &asking, case.texts)?;
        Some((Cause::SubjectSpelling, format!("{line} would for {alike:?}, which is not {name:?}")))
    })
}

fn object(case: &Case<'_>) -> Option<(Cause, String)> {
    let mode = match_mode(&case.texts.data);
    let wanted = pattern(&case.asking.object, mode);
    let texts = reworded(case.texts, &|fields| {
        if let [_, _, _, _, object, effect] = fields.as_mut_slice()
            && effect == "allow"
        {
            object.clone_from(&wanted);
        }
    });
    let line = by(case, case.asking, &texts)?;
    let mode = if mode == MatchMode::Regex { ", and policy.matchMode is regex" } else { "" };
    Some((Cause::PolicyObject, format!("{line} speaks of other Applications{mode}")))
}

/// An Application as the object of a line that means it alone.
pub(super) fn pattern(object: &str, mode: MatchMode) -> String {
    match mode {
        MatchMode::Glob => object.to_owned(),
        MatchMode::Regex => {
            let part = |text: &str| NamePattern::parse(text).map_or_else(|_| text.to_owned(), |name| name.to_regex());
            format!("^{}$", object.split('/').map(part).collect::<Vec<_>>().join("/"))
        }
    }
}

/// The same texts with every `p` line changed, each where it stood.
fn reworded(texts: &Texts, change: &dyn Fn(&mut Vec<String>)) -> Texts {
    let line = |text: &str| match line_fields(text) {
        Ok(Some(mut fields)) if fields.first().is_some_and(|kind| kind == "p") => {
            change(&mut fields);
            csv::line(&fields.iter().map(String::as_str).collect::<Vec<_>>())
        }
        _ => text.to_owned(),
    };
    let text = |text: &str| text.split('\n').map(line).collect::<Vec<_>>().join("\n");
    let is_text = |key: &str| crate::argocd::policy::is_policy_key(key);
    let data: Data = texts.data.iter().map(|(k, v)| (k.clone(), if is_text(k) { text(v) } else { v.clone() })).collect();
    let mut projects = texts.projects.clone();
    for role in projects.iter_mut().flat_map(|p| p.spec.roles.iter_mut().flatten()) {
        role.policies.iter_mut().flatten().for_each(|policy| *policy = text(policy));
    }
    Texts { data, projects }
}

/// The lines that name this group as their subject and mean nothing as long as no `g` line names it.
pub(super) fn dormant(texts: &Texts, group: &str) -> Vec<Line> {
    let lines = lines(texts);
    let bound = lines.iter().any(|l| matches!(l.fields.as_slice(), [kind, member, _] if kind == "g" && member == group));
    let names = |l: &Line| l.fields.first().is_some_and(|kind| kind == "p") && l.fields.get(1).is_some_and(|s| s == group);
    if bound { Vec::new() } else { lines.into_iter().filter(names).filter(|l| l.at.source != Source::BuiltIn).collect() }
}
