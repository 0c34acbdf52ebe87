//! A plan as text: a unified diff of each object, or JSON. Pure.

use std::collections::BTreeMap;

use serde_json::json;
use similar::{ChangeTag, TextDiff};

use crate::api::status::Change;
use crate::cli::{CliError, output};
use crate::exec::preview::Preview;

const RED: &str = "\u{1b}[31m";
const GREEN: &str = "\u{1b}[32m";
const BOLD: &str = "\u{1b}[1m";
const PLAIN: &str = "\u{1b}[0m";

/// The unified diff, with an object's fields as its hunks. `coloured` for a terminal.
pub fn diff(made: &Preview, coloured: bool) -> String {
    let paint = |colour: &str, text: &str| if coloured { format!("{colour}{text}{PLAIN}") } else { text.to_owned() };
    let mut by_object: BTreeMap<&str, Vec<&Change>> = BTreeMap::new();
    for change in &made.changes {
        by_object.entry(&change.object).or_default().push(change);
    }
    let mut lines = Vec::new();
    for (object, changes) in &by_object {
        lines.push(paint(BOLD, &format!("--- {object}")));
        lines.push(paint(BOLD, &format!("+++ {object}")));
        for change in changes {
            lines.push(format!("@@ {} @@", change.field));
            let (from, to) = (change.from.as_deref().unwrap_or_default(), change.to.as_deref().unwrap_or_default());
            lines.extend(TextDiff::from_lines(from, to).iter_all_changes().map(|line| {
                let text = line.value().trim_end_matches('\n');
                match line.tag() {
                    ChangeTag::Delete => paint(RED, &format!("-{text}")),
                    ChangeTag::Insert => paint(GREEN, &format!("+{text}")),
                    ChangeTag::Equal => format!(" {text}"),
                }
            }));
        }
    }
    for judged in made.judged.iter().filter(|j| j.accepted.holds() && !j.active.holds()) {
        lines.push(format!("# ExecAccess {} has no effect now: {}: {}", judged.name, judged.active.reason.as_str(), judged.active.message));
    }
    lines.push(match made.changes.len() {
        0 => "Nothing would change.".to_owned(),
        n => format!("{n} field(s) of {} object(s) would change.", by_object.len()),
    });
    lines.join("\n") + "\n"
}

/// The plan as one JSON document: `changes` as in an ExecAccess' status, and what each declaration is told.
pub fn json(made: &Preview) -> Result<String, CliError> {
    let verdict = |v: &crate::api::conditions::Verdict| json!({"status": v.state.as_str(), "reason": v.reason.as_str(), "message": v.message});
    let declared: Vec<_> =
        made.judged.iter().map(|j| json!({"name": j.name, "accepted": verdict(&j.accepted), "active": verdict(&j.active)})).collect();
    output::json(&json!({"changes": made.changes, "execAccesses": declared}))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::conditions::{Reason, Verdict};
    use crate::exec::preview::Judged;

    fn change(object: &str, field: &str, from: Option<&str>, to: Option<&str>) -> Change {
        let text = |t: Option<&str>| t.map(ToOwned::to_owned);
        Change { object: object.to_owned(), field: field.to_owned(), from: text(from), to: text(to) }
    }

    fn made() -> Preview {
        let changes = vec![
            change("ConfigMap argocd/argocd-cm", "data/exec.enabled", Some("false"), Some("true")),
            change("ConfigMap argocd/argocd-rbac-cm", "data/k", Some("a\nb\n"), Some("a\nc\n")),
            change("ConfigMap argocd/argocd-rbac-cm", "data/l", Some("x"), None),
        ];
        let judged =
            vec![Judged { name: "later".to_owned(), accepted: Verdict::yes(Reason::Valid, ""), active: Verdict::no(Reason::Suspended, "why") }];
        Preview { changes, judged }
    }

    #[test]
    fn a_diff_names_each_object_once_and_keeps_the_lines_that_stay() {
        let text = diff(&made(), false);
        let expected = "--- ConfigMap argocd/argocd-cm\n+++ ConfigMap argocd/argocd-cm\n@@ data/exec.enabled @@\n-false\n+true\n\
            --- ConfigMap argocd/argocd-rbac-cm\n+++ ConfigMap argocd/argocd-rbac-cm\n@@ data/k @@\n a\n-b\n+c\n@@ data/l @@\n-x\n\
            # ExecAccess later has no effect now: Suspended: why\n3 field(s) of 2 object(s) would change.\n";
        assert_eq!(text, expected);
        assert_eq!(diff(&Preview { changes: Vec::new(), judged: Vec::new() }, false), "Nothing would change.\n");
    }

    #[test]
    fn colours_change_nothing_but_colours() {
        let mut coloured = diff(&made(), true);
        assert!(coloured.contains(RED) && coloured.contains(GREEN));
        for code in [RED, GREEN, BOLD, PLAIN] {
            coloured = coloured.replace(code, "");
        }
        assert_eq!(coloured, diff(&made(), false));
    }
}
