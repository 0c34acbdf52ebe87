//! Names with `*` and `?`, as an author writes them: matched by us, and written as a glob or a regular expression for Argo CD. Pure.
//!
//! The alphabet is closed: lower-case letters, digits, `-` and `.`, and the two wildcards. Nothing else can be in a `NamePattern`,
//! so nothing of CSV, glob or regular-expression syntax can reach a policy line.

use std::fmt;

/// A name or a pattern of names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct NamePattern(String);

/// Why a text is not a pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// Nothing there.
    #[error("is empty")]
    Empty,
    /// Longer than any name can be.
    #[error("is longer than 253 characters")]
    TooLong,
    /// A character outside the alphabet.
    #[error("holds {0:?}; only lower-case letters, digits, '-', '.', and the wildcards '*' and '?' are allowed")]
    Character(char),
}

impl NamePattern {
    /// Parses a pattern.
    ///
    /// # Errors
    /// When it is empty, too long, or holds a character that no name has.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        if text.is_empty() {
            return Err(PatternError::Empty);
        }
        if text.len() > 253 {
            return Err(PatternError::TooLong);
        }
        match text.chars().find(|c| !matches!(c, 'a'..='z' | '0'..='9' | '-' | '.' | '*' | '?')) {
            Some(c) => Err(PatternError::Character(c)),
            None => Ok(Self(text.to_owned())),
        }
    }

    /// Whether it matches any name.
    #[must_use]
    pub fn is_any(&self) -> bool {
        self.0.chars().all(|c| c == '*')
    }

    /// Whether it is one name.
    #[must_use]
    pub fn is_literal(&self) -> bool {
        !self.0.contains(['*', '?'])
    }

    /// Whether it matches a name, in at most pattern times name steps.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        // Most are names, and are compared with thousands.
        if self.is_literal() {
            return self.0 == name;
        }
        let pattern: Vec<char> = self.0.chars().collect();
        let name: Vec<char> = name.chars().collect();
        let (mut p, mut n) = (0, 0);
        // Where the last `*` stood, and up to where it has swallowed the name.
        let mut star: Option<(usize, usize)> = None;
        while n < name.len() {
            match pattern.get(p) {
                Some('*') => {
                    star = Some((p, n));
                    p += 1;
                }
                Some('?') => {
                    p += 1;
                    n += 1;
                }
                Some(c) if name.get(n) == Some(c) => {
                    p += 1;
                    n += 1;
                }
                _ => match star {
                    Some((at, swallowed)) => {
                        p = at + 1;
                        n = swallowed + 1;
                        star = Some((at, n));
                    }
                    None => return false,
                },
            }
        }
        pattern.get(p..).unwrap_or_default().iter().all(|c| *c == '*')
    }

    /// As a regular expression (without anchors) that never crosses a `/`.
    #[must_use]
    pub fn to_regex(&self) -> String {
        let mut out = String::with_capacity(self.0.len() + 8);
        for c in self.0.chars() {
            match c {
                '*' => out.push_str("[^/]*"),
                '?' => out.push_str("[^/]"),
                '.' => out.push_str("\\."),
                other => out.push(other),
            }
        }
        out
    }

    /// As written; in Argo CD's glob mode `*` crosses `/`, which the caller must have made harmless.
    #[must_use]
    pub fn as_glob(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for NamePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> NamePattern {
        NamePattern::parse(text).unwrap()
    }

    #[test]
    fn wildcards_match_as_a_shell_does() {
        for (p, name, expected) in [
            ("web-*", "web-1", true),
            ("web-*", "web-", true),
            ("web-*", "xweb-1", false),
            ("*", "", true),
            ("w?b", "web", true),
            ("w?b", "wb", false),
            ("*a*b*", "xxaxxbxx", true),
            ("*a*b", "xxaxxbxx", false),
            ("web", "web", true),
            ("web", "web2", false),
        ] {
            assert_eq!(pattern(p).matches(name), expected, "{p} on {name}");
        }
    }

    #[test]
    fn nothing_but_names_and_the_two_wildcards_is_a_pattern() {
        for bad in ["", "a,b", "a\"b", "a\nb", "[ab]", "{a,b}", "a\\b", "a/b", "A", "a b", "ä", "a#b"] {
            assert!(NamePattern::parse(bad).is_err(), "{bad:?}");
        }
        assert_eq!(NamePattern::parse(&"a".repeat(254)), Err(PatternError::TooLong));
    }

    #[test]
    fn many_stars_do_not_blow_up() {
        assert!(!pattern(&"*a".repeat(120)).matches(&"b".repeat(10_000)));
    }

    proptest::proptest! {
        #[test]
        fn a_pattern_made_from_a_name_matches_that_name(name in "[a-z0-9.-]{1,30}", cut in 0usize..30) {
            let cut = cut.min(name.len());
            let p = pattern(&format!("{}*", &name[..cut]));
            proptest::prop_assert!(p.matches(&name));
        }
    }
}
