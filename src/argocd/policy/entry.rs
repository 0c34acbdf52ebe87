//! Arbitrary bytes into the parser and the matchers, for the fuzz targets (`fuzz/`) and for the tests here. Pure.
//!
//! Nothing is expected of the answers but that they come, and that a pattern without any special character means itself.

use super::compose::Source;
use super::evaluate::{Person, Policy, Request};
use super::glob::Glob;
use super::regex::Regex;
use super::{Data, MATCH_MODE, Matched, POLICY_CSV, POLICY_DEFAULT};
use crate::argocd::kinds::{AppProject, AppProjectSpec, ProjectRole};

/// Up to the first NUL one text, after it another one.
fn two(bytes: &[u8]) -> (String, String) {
    let text = String::from_utf8_lossy(bytes);
    let (one, other) = text.split_once('\0').unwrap_or((&text, "shop/web"));
    (one.to_owned(), other.to_owned())
}

/// One pattern on one text.
pub fn patterns(bytes: &[u8]) {
    let (pattern, text) = two(bytes);
    let (glob, regex) = (Glob::new(&pattern).matches(&text), Regex::new(&pattern).matches(&text));
    if pattern.chars().all(|c| c.is_ascii_alphanumeric() || c == '/') {
        debug_assert_eq!(glob == Matched::Yes, pattern == text, "{pattern:?} on {text:?}");
        debug_assert_eq!(regex == Matched::Yes, text.contains(&pattern), "{pattern:?} on {text:?}");
    }
}

/// A policy, and a project's role made of another text, in both match modes.
pub fn policy(bytes: &[u8]) {
    let (csv, more) = two(bytes);
    let role = ProjectRole {
        name: "dev".to_owned(),
        policies: Some(vec![more.clone()]),
        groups: Some(vec![more.chars().take(20).collect()]),
        ..ProjectRole::default()
    };
    let project = AppProject::new("shop", AppProjectSpec { roles: Some(vec![role]), ..AppProjectSpec::default() });
    for mode in ["glob", "regex"] {
        let data: Data =
            [(POLICY_CSV, csv.as_str()), (MATCH_MODE, mode), (POLICY_DEFAULT, "role:readonly")].map(|(k, v)| (k.to_owned(), v.to_owned())).into();
        let (policy, broken) = Policy::of(&data, [&project], |_| true, |_, _| true);
        debug_assert_eq!(broken.is_some(), super::validate(&data).is_err(), "{csv:?}");
        let groups = [more.chars().take(20).collect::<String>()];
        for (resource, action) in [("exec", "create"), ("applications", "get")] {
            for person in [Person::Anonymous, Person::User { id: "ann", groups: &groups }] {
                let decision = policy.decide(&Request { person, resource, action, object: "shop/web" });
                debug_assert!(!decision.is_allowed() || decision.by.is_some(), "a yes has its line");
            }
        }
        let holders = policy.holders("exec", "create");
        debug_assert!(mode == "regex" || csv.contains("deny") || more.contains("deny") || holders.iter().any(|h| h.at.source == Source::BuiltIn));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]
        #[test]
        fn any_bytes_are_answered(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            super::patterns(&bytes);
            super::policy(&bytes);
        }

        #[test]
        fn what_looks_like_a_policy_is_answered(
            csv in "(([pg], ?[a-c:*ä]{0,4}, ?(exec|applications|[*?{}!a-e]{0,5}), ?[a-z*+(]{0,4}, ?[a-z/*?{}^$.]{0,8}, ?(allow|deny)|g, [a-c]{1,2}, (role:admin|[a-c]{1,2}))\n?){0,6}\0(p, proj:shop:dev, exec, [*a-e]{0,6}, shop/[*a]{0,3}, allow\n?){0,3}",
        ) {
            super::policy(csv.as_bytes());
        }

        #[test]
        fn what_looks_like_a_pattern_is_answered(text in r"[*?!\[\]{},\\a-c/()|+^$.ä-]{0,30}\x00[a-c/ä]{0,10}") {
            super::patterns(text.as_bytes());
        }
    }
}
