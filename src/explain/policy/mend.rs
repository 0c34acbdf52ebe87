//! What gives exactly what was asked, and nothing to anybody else: tried before it is printed. Where there is no such thing, it is said who
//! has to judge. Pure.

use k8s_openapi::api::core::v1::ConfigMap;
use serde_json::json;

use super::near::{dormant, pattern};
use super::{ASKED, Case, Texts, written};
use crate::argocd::policy::compose::{self, Line, Source};
use crate::argocd::policy::evaluate::By;
use crate::argocd::policy::{Data, csv, is_policy_key, line_fields, match_mode, scopes as scopes_of};
use crate::argocd::tracking::Place;
use crate::argocd::{ARGOCD_RBAC_CM, policy};
use crate::explain::link::Fix;
use crate::explain::observed::Observed;
use crate::explain::{commands, exec_access};
use crate::shell::word;

/// Lines of its own, in a key and with a role of their own: nobody else has the role, and no owner of the ConfigMap knows the key.
pub(super) fn grant(case: &Case<'_>) -> Option<Fix> {
    let (kind, subject) = exec_access::subject(case.question)?;
    if kind == "User" && case.question.by_email().is_some_and(|_| !scopes_of(&case.texts.data).iter().any(|s| s == "email")) {
        return Some(Fix::by_people(
            "name a group of the person, or the claim sub as User Info of the web interface shows it: scopes does not list the claim email",
        ));
    }
    let woken = wider(case, subject);
    if !woken.is_empty() {
        let lines: Vec<String> = woken.iter().take(3).map(written).collect();
        return Some(Fix::by_people(format!(
            "any g line for the group {subject} would also bring to life what names it and is more than was asked for: {}. If that is meant, add {:?} to a policy key of {ARGOCD_RBAC_CM}",
            lines.join(", "),
            csv::line(&["g", subject, "role:NAME"])
        )));
    }
    let name = exec_access::short(case.question);
    let key = format!("policy.terminal.{name}.csv");
    let texts = with_lines(case, subject, &key, &format!("role:terminal.{name}"))?;
    if case.observed.exec_access {
        return exec_access::declare(case.question);
    }
    let lines = texts.data.get(&key)?;
    let namespace = case.observed.world.namespace();
    let command = if case.config_map.is_some() {
        commands::merge(namespace, "configmap", ARGOCD_RBAC_CM, &json!({"data": {&key: lines}}))?
    } else {
        format!("kubectl -n {} create configmap {ARGOCD_RBAC_CM} --from-literal={}", word(namespace), word(&format!("{key}={lines}")))
    };
    Some(Fix::command(command))
}

/// The texts with lines for what is missing; `None`: nothing that may be added makes it open.
fn with_lines(case: &Case<'_>, subject: &str, key: &str, role: &str) -> Option<Texts> {
    let in_use = |text: &String| text.contains(role);
    if case.texts.data.iter().any(|(k, text)| k != key && in_use(text)) || case.texts.data.contains_key(key) {
        return None;
    }
    // A user's own lines count without a role; a g line would bring lines to life that name a group of the same name.
    let is_user = case.asking.id == subject;
    let mode = match_mode(&case.texts.data);
    let object = pattern(&case.asking.object, mode);
    let exact = |text: &str| if mode == policy::MatchMode::Regex { format!("^{text}$") } else { text.to_owned() };
    let (holder, member) = if is_user { (subject, None) } else { (role, Some(csv::line(&["g", subject, role]))) };
    let with = |lines: &[String]| {
        let mut texts = case.texts.clone();
        texts.data.insert(key.to_owned(), lines.join("\n") + "\n");
        texts
    };
    let alone = with(member.as_slice());
    let missing = ASKED.into_iter().filter(|asked| !case.asking.allowed(&alone, *asked));
    let lines = missing.map(|(resource, action)| csv::line(&["p", holder, &exact(resource), &exact(action), &object, "allow"]));
    let texts = with(&lines.chain(member).collect::<Vec<_>>());
    case.asking.opens(&texts).then_some(texts)
}

/// Lines that a `g` line for this subject would bring to life, and that allow more than was asked.
fn wider(case: &Case<'_>, subject: &str) -> Vec<Line> {
    if !case.asking.groups.iter().any(|g| g == subject) {
        return Vec::new();
    }
    let asked = |line: &Line| {
        let field = |i: usize| line.fields.get(i).map(String::as_str).unwrap_or_default();
        ASKED.contains(&(field(2), field(3))) && field(4) == pattern(&case.asking.object, match_mode(&case.texts.data))
    };
    let allows = |line: &Line| line.fields.get(5).is_some_and(|effect| effect == "allow");
    dormant(case.texts, subject).into_iter().filter(|line| allows(line) && !asked(line)).collect()
}

/// Every line that cannot be loaded as a comment.
pub(super) fn broken(observed: &Observed, config_map: Option<&ConfigMap>, data: &Data) -> Option<Fix> {
    let config_map = config_map?;
    let comment = |line: &str| if line_fields(line).is_err() { format!("# {line}") } else { line.to_owned() };
    let mended = data
        .iter()
        .filter(|(key, _)| is_policy_key(key))
        .map(|(key, text)| (key.clone(), text.split('\n').map(comment).collect::<Vec<_>>().join("\n")));
    let changed: Data = mended.filter(|(key, text)| data.get(key) != Some(text)).collect();
    Some(rewritten(observed, config_map, &changed, "the lines become comments, and all others count again as they stand there"))
}

/// A deny that is about nothing but what was asked, and about nobody but who asked.
pub(super) fn denied(case: &Case<'_>, by: &By<'_>) -> Option<Fix> {
    let author = || {
        Some(Fix::by_people(format!(
            "whoever wrote the line has to judge it: it denies more than this Application, or to more people than {}",
            case.question.person()
        )))
    };
    let Source::Key(key) = &by.line.at.source else { return author() };
    let field = |i: usize| by.line.fields.get(i).map(String::as_str).unwrap_or_default();
    let object = pattern(&case.asking.object, match_mode(&case.texts.data));
    let exactly = ASKED.contains(&(field(2), field(3))) && field(4) == object && is_theirs_alone(case, field(1), by.subject);
    let (Some(config_map), Some(text)) = (case.config_map.filter(|_| exactly), case.texts.data.get(key)) else { return author() };
    let kept: Vec<&str> = text.split('\n').enumerate().filter(|(at, _)| at + 1 != by.line.at.number).map(|(_, line)| line).collect();
    let changed = Data::from([(key.clone(), kept.join("\n"))]);
    let mut texts = case.texts.clone();
    texts.data.extend(changed.clone());
    let after = if case.asking.opens(&texts) {
        "the line goes, and all others stay"
    } else {
        "the line goes, and all others stay; it is not the only thing that is missing: ask again afterwards"
    };
    Some(rewritten(case.observed, config_map, &changed, after))
}

/// Whether a subject is the one that was asked about, or a role that only that one has.
fn is_theirs_alone(case: &Case<'_>, subject: &str, asked: &str) -> bool {
    let of_roles = case.texts.projects.iter().flat_map(|p| compose::of_project(p, |_| true).lines);
    let lines = compose::base(&case.texts.data, |_| true).lines.into_iter().chain(of_roles);
    let member = |line: Line| match <[String; 3]>::try_from(line.fields) {
        Ok([_, member, role]) if role == subject => Some(member),
        _ => None,
    };
    let members: Vec<String> = lines.filter_map(member).collect();
    let is_default = case.texts.data.get(policy::POLICY_DEFAULT).is_some_and(|role| role == subject);
    !is_default && if subject == asked { members.is_empty() } else { !members.is_empty() && members.iter().all(|member| member == asked) }
}

/// Sets policy keys anew, unless somebody has changed the ConfigMap in the meantime.
fn rewritten(observed: &Observed, config_map: &ConfigMap, changed: &Data, note: &str) -> Fix {
    let namespace = observed.world.namespace();
    let place = Place { group: "", kind: "ConfigMap", namespace: Some(namespace), name: ARGOCD_RBAC_CM };
    let patch = commands::fenced(&config_map.metadata, json!({"data": changed}));
    let fix = match commands::merge(namespace, "configmap", ARGOCD_RBAC_CM, &patch) {
        Some(command) => Fix::command(command),
        None => Fix::by_people(format!("kubectl -n {namespace} edit configmap {ARGOCD_RBAC_CM}: the text is too long for a command line")),
    };
    fix.noting(note.to_owned()).noting(commands::kept(observed, place, &config_map.metadata))
}

/// `email` in `scopes`, where that brings nobody else's address to life.
pub(super) fn scopes(case: &Case<'_>) -> Option<Fix> {
    let email = case.question.by_email()?;
    let address = |line: Line| line.fields.into_iter().nth(1).filter(|subject| subject.contains('@') && subject != email);
    let of_roles = case.texts.projects.iter().flat_map(|p| compose::of_project(p, |_| true).lines);
    let lines = compose::base(&case.texts.data, |_| true).lines.into_iter().chain(of_roles);
    let others: Vec<String> = lines.filter_map(address).collect();
    if let Some(other) = others.first() {
        return Some(Fix::by_people(format!(
            "email in scopes would bring the lines of {} to life as well, such as those of {other}; if that is meant, add it to scopes of {ARGOCD_RBAC_CM}, else name a group",
            if others.len() == 1 { "another address".to_owned() } else { format!("{} other addresses", others.len()) }
        )));
    }
    let mut listed = scopes_of(&case.texts.data);
    listed.push("email".to_owned());
    let value = serde_json::to_string(&listed).ok()?;
    let mut texts = case.texts.clone();
    texts.data.insert(policy::SCOPES.to_owned(), value.clone());
    let mut asking = case.asking.clone();
    asking.groups.push(email.to_owned());
    if !asking.opens(&texts) {
        return None;
    }
    let namespace = case.observed.world.namespace();
    let place = Place { group: "", kind: "ConfigMap", namespace: Some(namespace), name: ARGOCD_RBAC_CM };
    let command = commands::merge(namespace, "configmap", ARGOCD_RBAC_CM, &json!({"data": {policy::SCOPES: value}}))?;
    Some(Fix::command(command).noting(case.config_map.and_then(|cm| commands::kept(case.observed, place, &cm.metadata))))
}
