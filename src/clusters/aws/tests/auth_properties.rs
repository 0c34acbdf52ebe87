//! Edits of `mapRoles` over generated documents: no foreign entry is lost or changed, whatever the text looks like.

use proptest::prelude::*;
use serde_yaml::Value;

use super::fixtures::{SPOKE_ROLE, UID};
use crate::clusters::aws::auth::{Edit, Entry, edit};

const OTHER_UID: &str = "5b1f0c9e-0000-4000-8000-000000000002";

fn entry(group: &str) -> Entry {
    Entry::new(SPOKE_ROLE, group).unwrap()
}

/// An entry of somebody, as lines that begin at the margin.
fn foreign() -> impl Strategy<Value = Vec<String>> {
    let arn = prop::sample::select(vec!["role/nodes", "role/admin", "role/team/path", "role/AWSReservedSSO_x", "role/argocd-spoke-prod2"]);
    let value =
        prop::sample::select(vec!["admin", "'it''s'", "\"a # b\"", "system:node:{{EC2PrivateDNSName}}", "\"- rolearn: x\"", "\"\\u00e4\"", "日本"]);
    let fields = prop::collection::vec(0..9usize, 0..6);
    (arn, value, fields, prop::option::of(prop::sample::select(vec!["# people", "# argocd-access.dev/owner: somebody", "#"])), 1..4usize).prop_map(
        |(arn, value, fields, comment, gap)| {
            let mut lines = vec![format!("-{}rolearn: arn:aws:iam::222222222222:{arn}", " ".repeat(gap))];
            let pad = " ".repeat(gap + 1);
            let mut used = std::collections::BTreeSet::new();
            for field in fields.into_iter().filter(|field| used.insert(*field)) {
                match field {
                    0 => lines.push(format!("{pad}username: {value}")),
                    1 => lines.extend([format!("{pad}groups:"), format!("{pad}- system:nodes"), format!("{pad}-   {value}")]),
                    2 => lines.push(format!("{pad}userid: {value} # x")),
                    3 => lines.extend([format!("{pad}# inside"), String::new()]),
                    4 => lines.extend([
                        format!("{pad}note: |"),
                        format!("{pad}  - rolearn: {SPOKE_ROLE}"),
                        String::new(),
                        format!("{pad}  # argocd-access.dev/owner: {UID}"),
                    ]),
                    5 => lines.extend([format!("{pad}long: >-"), format!("{pad}   a"), format!("{pad}   b")]),
                    6 => lines.push(format!("{pad}unknown: {{a: [1, \"x # y\"], b: ~}}")),
                    7 => lines.extend([format!("{pad}folded: a"), format!("{pad}  b")]),
                    _ => lines.extend([format!("{pad}quoted: \"a"), String::new(), format!("{pad}   - b\"")]),
                }
            }
            if let (Some(comment), Some(first)) = (comment, lines.first_mut()) {
                first.push(' ');
                first.push_str(comment);
            }
            lines
        },
    )
}

/// A text with foreign entries, and perhaps one of another object of ours.
fn document() -> impl Strategy<Value = String> {
    let entries = prop::collection::vec((foreign(), prop::option::of(prop::sample::select(vec!["# above", "", "# - rolearn: x"]))), 0..5);
    let margin = prop::sample::select(vec!["", "  ", "    "]);
    let end = prop::sample::select(vec!["", "\n", "\n\n", "\n# the end\n", "\n# the end"]);
    (entries, margin, end, any::<bool>(), any::<bool>()).prop_map(|(entries, margin, end, windows, sibling)| {
        let mut lines: Vec<String> = Vec::new();
        for (entry, above) in entries {
            lines.extend(above.map(|above| format!("{margin}{above}")));
            lines.extend(entry.into_iter().map(|line| if line.is_empty() { line } else { format!("{margin}{line}") }));
        }
        if sibling {
            lines.push(format!("{margin}- rolearn: \"arn:aws:iam::222222222222:role/sibling\" # argocd-access.dev/owner: {OTHER_UID}"));
        }
        let text = lines.join("\n") + end;
        if windows { text.replace('\n', "\r\n") } else { text }
    })
}

fn values(text: &str) -> Vec<Value> {
    match serde_yaml::from_str(text).unwrap() {
        Value::Sequence(values) => values,
        Value::Null => Vec::new(),
        other => panic!("{other:?}"),
    }
}

fn own(group: &str) -> Value {
    serde_yaml::to_value(serde_json::json!({"rolearn": SPOKE_ROLE, "username": SPOKE_ROLE, "groups": [group]})).unwrap()
}

fn set(said: Result<Edit, crate::clusters::aws::auth::Refusal>) -> String {
    match said {
        Ok(Edit::Set(text)) => text,
        other => panic!("{other:?}"),
    }
}

/// Puts our entry, as it is rendered, between two foreign ones: where people and tools may have moved it.
fn moved(text: &str, place: usize) -> Option<String> {
    let ending = if text.contains("\r\n") { "\r\n" } else { "\n" };
    let starts: Vec<usize> = text.match_indices(&format!("{ending}- ")).map(|(at, _)| at + ending.len()).collect();
    let at = *starts.get(place % starts.len().max(1))?;
    let rendered = set(edit(None, UID, Some(&entry("a")))).replace('\n', ending);
    Some(format!("{}{rendered}{}", &text[..at], &text[at..]))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn an_entry_is_added_changed_and_removed_and_nothing_else(text in document(), groups in ("[a-z]{1,8}", "[a-z]{1,8}:[0-9]{1,3}")) {
        let before = values(&text);
        // A text that ends inside of a block of its last entry cannot be gone on with; then nothing is written.
        let said = edit(Some(&text), UID, Some(&entry(&groups.0)));
        let Ok(Edit::Set(with)) = said else {
            prop_assert!(!text.ends_with('\n'), "{said:?} of {text:?}");
            return Ok(());
        };
        prop_assert!(with.starts_with(&text));
        prop_assert_eq!(values(&with), before.iter().cloned().chain([own(&groups.0)]).collect::<Vec<_>>());
        prop_assert_eq!(edit(Some(&with), UID, Some(&entry(&groups.0))), Ok(Edit::Unchanged));

        let changed = set(edit(Some(&with), UID, Some(&entry(&groups.1))));
        prop_assert!(changed.starts_with(&text));
        prop_assert_eq!(values(&changed), before.iter().cloned().chain([own(&groups.1)]).collect::<Vec<_>>());

        prop_assert_eq!(set(edit(Some(&changed), UID, None)), text.clone());
        prop_assert_eq!(edit(Some(&text), UID, None), Ok(Edit::Unchanged));
        // Another object of ours has nothing to do with it.
        prop_assert_eq!(edit(Some(&with), "a-third", None), Ok(Edit::Unchanged));
    }

    #[test]
    fn wherever_it_stands_the_others_stay_to_the_byte(text in document(), place in 0..8usize) {
        let Some(between) = moved(&text, place) else { return Ok(()) };
        // Between an entry and its trailing comment or block it may not be read as ours; then it is refused.
        if let Ok(Edit::Set(removed)) = edit(Some(&between), UID, None) {
            prop_assert_eq!(values(&removed), values(&text));
            prop_assert_eq!(removed, text);
        }
    }

    #[test]
    fn any_text_is_refused_or_keeps_what_it_meant(text in "(- rolearn: [a-z\"':#]{1,6}\n|  [a-z]{1,4}: [a-z0-9&*!|>\\[\\]{}\"' ]{0,6}\n| {0,4}#[ a-z]{0,4}\n|\n|- \\{[a-z]: [a-z]\\}\n){0,6}") {
        match edit(Some(&text), UID, Some(&entry("a"))) {
            Ok(Edit::Set(with)) => {
                let kept = values(&with);
                let (last, others) = kept.split_last().unwrap();
                prop_assert_eq!(last, &own("a"));
                prop_assert_eq!(others.to_vec(), values(&text));
                prop_assert_eq!(set(edit(Some(&with), UID, None)), text);
            }
            Ok(other) => prop_assert!(false, "{other:?} of {text:?}"),
            Err(_) => {}
        }
    }
}
