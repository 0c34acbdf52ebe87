//! The list for people.

use std::fmt::Write;

use crate::cli::output::printable;
use crate::explain::who_can::{Answer, Question, Reason, Subject, SubjectKind};

/// So many of those with whom a right is complete are named.
const NAMED: usize = 5;

/// The list; `colours` where it goes to a terminal.
pub fn text(answer: &Answer, question: &Question, colours: bool) -> String {
    let paint = |code: &str, text: &str| if colours { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() };
    let mut out = String::new();
    if answer.applications.is_empty()
        && let Question::Namespace(namespace) = question
    {
        line(&mut out, &format!("No Application of Argo CD in {} is known to deploy into {namespace}.", answer.instance));
    }
    for listed in &answer.applications {
        line(&mut out, &paint("1", &listed.application));
        match &listed.subjects {
            None => line(&mut out, "  not known"),
            Some(subjects) if subjects.is_empty() => line(&mut out, "  nobody"),
            Some(subjects) => subjects.iter().for_each(|subject| show(&mut out, subject)),
        }
    }
    for unknown in &answer.unknown {
        line(&mut out, &paint("31", &format!("Not known: {}.", printable(unknown))));
    }
    for note in &answer.notes {
        line(&mut out, &format!("Note: {}.", printable(note)));
    }
    out
}

fn line(out: &mut String, text: &str) {
    out.push_str(text);
    out.push('\n');
}

fn show(out: &mut String, subject: &Subject) {
    let kinds: Vec<&str> = subject.kinds.iter().map(|kind| word(*kind)).collect();
    let who = if subject.name.is_empty() { kinds.join(" or ") } else { format!("{} ({})", printable(&subject.name), kinds.join(" or ")) };
    line(out, &format!("  {who}"));
    reason(out, "exec, create", &subject.exec);
    match &subject.get {
        Some(get) => reason(out, "applications, get", get),
        None => {
            let named: Vec<String> = subject.together_with.iter().take(NAMED).map(|name| printable(name)).collect();
            let more = subject.together_with.len().checked_sub(NAMED).filter(|n| *n > 0).map(|n| format!(" and {n} more")).unwrap_or_default();
            line(out, &format!("    applications, get: only together with {}{more}", named.join(", ")));
        }
    }
}

fn reason(out: &mut String, right: &str, reason: &Reason) {
    // Writing into a String does not fail.
    let _ = write!(out, "    {right}: {}  [{}]", printable(&reason.line), printable(&reason.source));
    for step in &reason.by {
        let _ = write!(out, "\n      by {}  [{}]", printable(&step.line), printable(&step.source));
    }
    out.push('\n');
}

fn word(kind: SubjectKind) -> &'static str {
    match kind {
        SubjectKind::Anybody => "anybody, without logging in",
        SubjectKind::Everybody => "everybody who can log in",
        SubjectKind::LocalAccount => "local account",
        SubjectKind::User => "user",
        SubjectKind::Group => "group",
        SubjectKind::Token => "tokens of the project's role",
    }
}
