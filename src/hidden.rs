//! What looks like a credential in a text that somebody else wrote: it is taken out before the text is told. Pure.
//!
//! No text of ours has a credential in it. But an API server, or a proxy on the way to it, may say in an error what it was told.

use std::borrow::Cow;
use std::sync::LazyLock;

use regex::Regex;

/// What is told instead.
const INSTEAD: &str = "<hidden>";

/// A token that is signed, whatever is around it; and what follows the name of a scheme of `Authorization`.
static CREDENTIAL: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"eyJ[A-Za-z0-9_-]{6,}\.[A-Za-z0-9_-]{6,}(\.[A-Za-z0-9_-]*)?|(?i:\b(bearer|basic)(\s|%20|\+|-|:)+)[A-Za-z0-9._~+/=-]{16,}").ok()
});

/// The text without it.
#[must_use]
pub fn hide(text: &str) -> Cow<'_, str> {
    match &*CREDENTIAL {
        Some(credential) => credential.replace_all(text, INSTEAD),
        // It is always there: a test says so.
        None => Cow::Borrowed(INSTEAD),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_credential_that_somebody_says_aloud_is_not_told() {
        let token = format!("eyJhbGciOiJSUzI1NiJ9.{}.{}", "c3ViamVjdA", "c2lnbmF0dXJl-_x");
        for (said, told) in [
            (format!("no: Authorization: Bearer {token}"), "no: Authorization: <hidden>"),
            (format!("no ({token})"), "no (<hidden>)"),
            (format!("{{\\\"token\\\":\\\"{token}\\\"}}"), "{\\\"token\\\":\\\"<hidden>\\\"}"),
            ("authorization: bearer 0123456789abcdef!".to_owned(), "authorization: <hidden>!"),
            ("at /?Bearer%200123456789abcdef".to_owned(), "at /?<hidden>"),
            ("Basic dXNlcjpwYXNzd29yZA== was sent".to_owned(), "<hidden> was sent"),
        ] {
            assert_eq!(hide(&said), told);
        }
    }

    #[test]
    fn everything_else_is_told_as_it_is() {
        for text in ["", "the bearer token is missing", "Basic authentication", "secrets is forbidden: User \"a\" cannot list", "eyJ", "a.b.c"] {
            assert_eq!(hide(text), text);
        }
    }
}
