//! Regular expressions as Argo CD matches them in `policy.matchMode: regex`: Go's `regexp.MatchString`, not anchored. Pure.
//!
//! Go's syntax is not that of the crate: `a**`, `\d` in other alphabets, `[a&&b]`, `a{`, `\<`, `(?x)` mean other things or nothing. So a
//! pattern is read by Go's rules and written anew in a form that can be read in one way only. One that Go cannot compile makes casbin
//! panic, which ends the whole decision with no ([`Matched::Fault`]).

mod class;
mod parser;

use super::Matched;

/// Longer patterns are not compiled (in bytes).
const LONGEST: usize = 16 * 1024;
/// The compiled program, in bytes; Go allows more.
const PROGRAM: usize = 4 << 20;

/// Why there is nothing to match with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// Go refuses it, too.
    Invalid,
    /// Go may accept it; here it is too large.
    TooLarge,
}

/// A compiled regular expression.
#[derive(Debug)]
pub struct Regex(Result<Compiled, Fault>);

#[derive(Debug)]
struct Compiled {
    regex: regex::bytes::Regex,
    /// `\B` asks about bytes here and about characters in Go, which is the same in ASCII only.
    ascii_only: bool,
}

impl Regex {
    /// Compiles a pattern.
    #[must_use]
    pub fn new(pattern: &str) -> Self {
        if pattern.len() > LONGEST {
            return Self(Err(Fault::TooLarge));
        }
        Self(parser::translate(pattern).and_then(|translated| {
            let regex = regex::bytes::RegexBuilder::new(&translated.text).size_limit(PROGRAM).dfa_size_limit(PROGRAM).nest_limit(1000).build();
            regex.map(|regex| Compiled { regex, ascii_only: translated.ascii_only }).map_err(|_| Fault::TooLarge)
        }))
    }

    /// Whether it matches somewhere in a text.
    #[must_use]
    pub fn matches(&self, text: &str) -> Matched {
        match &self.0 {
            Err(Fault::Invalid) => Matched::Fault,
            Err(Fault::TooLarge) => Matched::Undecided,
            Ok(compiled) if compiled.ascii_only && !text.is_ascii() => Matched::Undecided,
            Ok(compiled) if compiled.regex.is_match(text.as_bytes()) => Matched::Yes,
            Ok(_) => Matched::No,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::cost;
    use super::*;

    #[test]
    fn a_pattern_means_what_it_means_in_go() {
        use Matched::{Fault, No, Yes};
        for (pattern, text, expected) in [
            ("shop/web", "workshop/web-prod", Yes),
            ("^shop/web$", "workshop/web-prod", No),
            ("", "anything", Yes),
            ("*/*", "a/b", Fault),
            ("a**", "aa", Fault),
            ("a*{2}", "aa", Fault),
            ("(a*)*", "aa", Yes),
            ("^*", "aa", Yes),
            ("a|*", "a", Fault),
            ("a{,2}", "a{,2}", Yes),
            ("a{", "a{", Yes),
            ("{2}", "a", Fault),
            ("a{1001}", "a", Fault),
            ("(a{100}){11}", "a", Fault),
            ("[a&&b]", "&", Yes),
            ("[[a]]", "a]", Yes),
            ("[[a]]", "a", No),
            ("[]a]", "]", Yes),
            ("[a-]", "-", Yes),
            ("[z-a]", "z", Fault),
            ("[a", "a", Fault),
            (r"^\d$", "٣", No),
            (r"\<a", "<a", Yes),
            (r"\u0061", "a", Fault),
            (r"\_", "_", Yes),
            (r"\Qa*b\E+", "a*bb", Yes),
            (r"\101", "A", Yes),
            (r"\1", "1", Fault),
            ("(?x)a", "a", Fault),
            ("(?i)SHOP", "shop", Yes),
            ("(?i)^s$", "ſ", Yes),
            ("(?-i:a)", "a", Yes),
            ("(?", "a", Fault),
            ("(?)a", "a", Yes),
            ("a)", "a", Fault),
            ("(a", "a", Fault),
            (r"\pL", "ä", Yes),
            (r"\p{Greek}", "α", Yes),
            (r"\p{Nonsense}", "α", Fault),
            (r"^\p{^Greek}$", "α", No),
            ("(?P<n>a)", "a", Yes),
            ("(?P<n-x>a)", "a", Fault),
            ("a.b", "a\nb", No),
            ("(?s)a.b", "a\nb", Yes),
            ("b$", "b\n", No),
            ("(?m)a$", "a\nb", Yes),
            (r"a\b", "a/", Yes),
            (r"[[:alpha:]]+$", "a1", No),
            (r"[[:nope:]]", "a", Fault),
            (r"\x{110000}", "a", Fault),
            (r"[\x{D800}]", "a", No),
        ] {
            assert_eq!(Regex::new(pattern).matches(text), expected, "{pattern:?} on {text:?}");
        }
    }

    #[test]
    fn what_is_too_large_is_not_guessed() {
        assert_eq!(Regex::new(&"a".repeat(LONGEST + 1)).matches("a"), Matched::Undecided);
        assert_eq!(Regex::new(r"(\pL{30}){30}").matches("a"), Matched::Undecided);
        assert_eq!(Regex::new(&("(".repeat(5000) + &")".repeat(5000))).matches("a"), Matched::Undecided);
    }

    #[test]
    fn eight_times_the_pattern_is_read_in_far_less_than_the_square_of_that() {
        // What matches is the crate's, which promises to be linear; what reads is ours.
        for piece in [
            "a*",
            "(a|b)?",
            "[ab]x*",
            ".*a",
            "(?:a+)+",
            "ab|",
            "[[:alpha:]]",
            "(?i:s)",
            r"\Qab\E",
            "[",
            "(",
            "{2}",
            "a{2}",
            r"\p{Greek}",
            "[[:",
            "[[:a]",
        ] {
            let of = |bytes: usize| piece.repeat(bytes / piece.len());
            let (small, large) = (of(1_250), of(10_000));
            let work = |pattern: &str| {
                let _any = parser::translate(pattern);
            };
            let ratio = cost::ratio(cost::LINEAR, &|| work(&small), &|| work(&large));
            assert!(ratio <= cost::LINEAR, "{ratio}: {piece}");
        }
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig::with_cases(500))]
        #[test]
        fn no_pattern_makes_it_panic(pattern in r"[\\^$.|?*+()\[\]{}a-c0-9:,pPQEzd<>&~i \x00ä-]{0,24}", text in "[a-c/ä-]{0,8}") {
            let _any = Regex::new(&pattern).matches(&text);
        }

        #[test]
        fn a_quoted_text_matches_itself(text in r"[ -~]{1,12}") {
            let quoted: String = text.chars().flat_map(|c| if c.is_ascii_alphanumeric() { vec![c] } else { vec!['\\', c] }).collect();
            proptest::prop_assert_eq!(Regex::new(&format!("^{quoted}$")).matches(&text), Matched::Yes);
        }
    }
}
