//! argocd-rbac-cm as Argo CD reads it, and what follows from it. Pure.
//!
//! | module | question |
//! |---|---|
//! | [`csv`] | what one line says |
//! | [`compose`] | which lines there are, and where each one stands |
//! | [`glob`], [`regex`] | whether a pattern matches |
//! | [`evaluate`] | whether one person may do one thing, and by which line |
//! | [`holders`] | who may do a thing at all |
//! | [`membership`] | by which lines a name is also a role |
//! | [`mentions`] | who is named anywhere, structurally |
//! | [`pattern`] | what an author may write |
//! | [`entry`] | (for fuzzing) what arbitrary bytes do |
//!
//! Sources: Argo CD `util/rbac/rbac.go` (`PolicyCSV`, `loadPolicyLine`), `server/rbacpolicy/rbacpolicy.go`, `assets/builtin-policy.csv`.

use std::collections::BTreeMap;

pub mod compose;
#[cfg(test)]
mod cost;
pub mod csv;
pub mod entry;
pub mod evaluate;
pub mod glob;
pub mod holders;
pub mod membership;
pub mod mentions;
pub mod pattern;
pub mod regex;
mod table;

pub use compose::{Position, Source};
pub use evaluate::{Decision, Outcome, Person, Policy, Request};
pub use holders::Holder;
pub use mentions::Mentions;
pub use pattern::NamePattern;

/// The key of the main policy.
pub const POLICY_CSV: &str = "policy.csv";
/// The key of the role that everybody has.
pub const POLICY_DEFAULT: &str = "policy.default";
/// The key of the match mode.
pub const MATCH_MODE: &str = "policy.matchMode";
/// The key of the claims that are looked up as groups.
pub const SCOPES: &str = "scopes";

/// How Argo CD compares a request with a policy line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MatchMode {
    /// Globs without separators: `*` crosses `/`. The default, and what every value but `regex` means.
    Glob,
    /// Go regular expressions, not anchored.
    Regex,
}

/// What a pattern says of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Matched {
    /// It matches.
    Yes,
    /// It does not.
    No,
    /// Argo CD's code panics over it; casbin takes that as the end of the decision, with no.
    Fault,
    /// It is too large or too costly to tell.
    Undecided,
}

/// The data of argocd-rbac-cm.
pub type Data = BTreeMap<String, String>;

/// A line that Argo CD cannot load. One such line takes down all of its RBAC.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("argocd-rbac-cm key {key:?}, line {number}: {why}: {text:?}")]
pub struct BrokenLine {
    /// The key of the ConfigMap.
    pub key: String,
    /// The line's number within that key, from 1.
    pub number: usize,
    /// What is wrong.
    pub why: String,
    /// The line, shortened.
    pub text: String,
}

/// The match mode that this ConfigMap sets.
#[must_use]
pub fn match_mode(data: &Data) -> MatchMode {
    if data.get(MATCH_MODE).is_some_and(|m| m == "regex") { MatchMode::Regex } else { MatchMode::Glob }
}

/// The role that everybody has, when there is one.
#[must_use]
pub fn default_role(data: &Data) -> Option<&str> {
    data.get(POLICY_DEFAULT).map(String::as_str).filter(|role| !role.is_empty())
}

/// The claims that Argo CD looks up as groups, as far as the text can be read.
#[must_use]
pub fn scopes(data: &Data) -> Vec<String> {
    match data.get(SCOPES).map(|text| serde_yaml::from_str::<Vec<String>>(text)) {
        Some(Ok(scopes)) if !scopes.is_empty() => scopes,
        _ => vec!["groups".to_owned()],
    }
}

/// The policy texts in the order in which Argo CD joins them: `policy.csv`, then every `policy.*.csv` in byte order.
pub fn texts(data: &Data) -> impl Iterator<Item = (&str, &str)> {
    let main = data.get(POLICY_CSV).map(|text| (POLICY_CSV, text.as_str()));
    main.into_iter().chain(data.iter().filter(|(key, _)| is_policy_key(key) && *key != POLICY_CSV).map(|(k, v)| (k.as_str(), v.as_str())))
}

/// Whether Argo CD reads this key as a policy text.
#[must_use]
pub fn is_policy_key(key: &str) -> bool {
    key == POLICY_CSV || key.strip_prefix("policy.").is_some_and(|rest| rest.strip_suffix(".csv").is_some())
}

/// Reads one line as Argo CD does; `None` for an empty line or a comment.
///
/// # Errors
/// What is wrong with it, when Argo CD would refuse the whole policy for it.
pub fn line_fields(line: &str) -> Result<Option<Vec<String>>, String> {
    let Some(line) = meaning(line) else { return Ok(None) };
    let fields = csv::fields(line).map_err(|error| error.to_string())?;
    Ok(is_rule(fields.first().map_or("", String::as_str), fields.len())?.then_some(fields))
}

/// The same, where only what is wrong is asked for.
fn check_line(line: &str) -> Result<(), String> {
    let Some(line) = meaning(line) else { return Ok(()) };
    let (mut first, mut count) = (None, 0);
    let counted = csv::each(line, |field| {
        count += 1;
        first.get_or_insert(field);
    });
    counted.map_err(|error| error.to_string())?;
    is_rule(first.as_deref().unwrap_or_default(), count).map(drop)
}

/// The line without what Argo CD cuts off; nothing of an empty one and of a comment.
fn meaning(line: &str) -> Option<&str> {
    let line = line.trim_matches(csv::is_go_space);
    (!line.is_empty() && !line.starts_with('#')).then_some(line)
}

/// Whether a line that begins so, with so many fields, is one that means something.
fn is_rule(first: &str, count: usize) -> Result<bool, String> {
    match (first, count) {
        ("p", 6) | ("g", 3) => Ok(true),
        ("p", n) => Err(format!("a p line has 6 fields, this one has {n}")),
        ("g", n) => Err(format!("a g line has 3 fields, this one has {n}")),
        // The other sections of Argo CD's casbin model; such lines load and mean nothing.
        ("r" | "e" | "m", _) => Ok(false),
        (other, _) => Err(format!("a line begins with p or g, not with {:?}", crate::api::conditions::shorten(other, 40))),
    }
}

/// Checks the whole policy, as Argo CD would compose it.
///
/// # Errors
/// The first line that Argo CD cannot load.
pub fn validate(data: &Data) -> Result<(), BrokenLine> {
    texts(data).try_for_each(|(key, text)| validate_text(key, text))
}

/// Checks the text of one of its keys.
///
/// # Errors
/// The first line that Argo CD cannot load.
pub fn validate_text(key: &str, text: &str) -> Result<(), BrokenLine> {
    for (index, line) in text.split('\n').enumerate() {
        if let Err(why) = check_line(line) {
            let text = crate::api::conditions::shorten(line.trim(), 120);
            return Err(BrokenLine { key: key.to_owned(), number: index + 1, why, text });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data(pairs: &[(&str, &str)]) -> Data {
        pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
    }

    #[test]
    fn policy_csv_comes_first_and_the_overlays_in_byte_order() {
        let d = data(&[("policy.b.csv", "2"), ("policy.a.csv", "1"), ("policy.csv", "0"), ("policy.default", "role:x"), ("policy.x.CSV", "no")]);
        assert_eq!(texts(&d).map(|(_, text)| text).collect::<Vec<_>>(), ["0", "1", "2"]);
    }

    #[test]
    fn a_broken_line_is_named_with_its_key_and_number() {
        let d = data(&[("policy.csv", "# fine\n\np, role:a, exec, create, */*, allow"), ("policy.z.csv", "g, a, b\np, too, few")]);
        let broken = validate(&d).unwrap_err();
        assert_eq!((broken.key.as_str(), broken.number), ("policy.z.csv", 2));
        assert!(broken.to_string().contains("6 fields, this one has 3"), "{broken}");
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig { failure_persistence: None, ..proptest::prelude::ProptestConfig::default() })]
        #[test]
        fn a_line_that_is_only_checked_is_refused_for_the_same_reason_as_one_that_is_read(line in "[pgrx#]?(,? ?[a\"é]{0,2}){0,7}[ \u{a0}]?") {
            proptest::prop_assert_eq!(check_line(&line), line_fields(&line).map(drop));
        }
    }
}
