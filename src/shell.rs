//! Text as one word of a POSIX shell: whatever it holds, the shell takes it for that text and nothing else. Pure.

/// Quotes a text; what needs no quotes gets none, so that commands stay readable.
#[must_use]
pub fn word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/' | ':' | '=' | ',' | '@' | '%' | '+');
    // `=` early in a word is an assignment, and `%` a job: neither is where these words stand, but quotes cost nothing.
    let safe = !text.is_empty() && text.chars().all(plain) && !text.starts_with(['=', '%', '-']) && !text.contains('=');
    if safe { text.to_owned() } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

/// A command that gives this text to the standard input of another one, as it is.
#[must_use]
pub fn piped(text: &str, into: &str) -> String {
    format!("printf '%s\\n' {} | {into}", word(text))
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use proptest::prelude::*;

    use super::*;

    fn said_by_bash(script: &str) -> String {
        let output = Command::new("bash").args(["-c", script]).env_clear().output().unwrap();
        assert!(output.status.success(), "{script:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    #[test]
    fn what_is_plain_stays_as_it_is() {
        for text in ["web-0", "my-org:team-a", "argocd-cm", "a/b.c"] {
            assert_eq!(word(text), text);
        }
        for text in ["", "-n", "a b", "$(x)", "a=b", "~", "{a,b}", "*"] {
            assert!(word(text).starts_with('\''), "{text}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        /// All of them in one run of the shell: starting it is what takes time.
        #[test]
        fn a_shell_reads_every_text_back(texts in prop::collection::vec("[^\0]{0,24}|[\\\\'\"$`!*?~ \n\t;&|<>(){}#-]{0,12}", 1..40)) {
            let words: Vec<String> = texts.iter().map(|t| word(t)).collect();
            let printed = said_by_bash(&format!("printf '%s\\0' {}", words.join(" ")));
            let read: Vec<&str> = printed.split('\0').collect();
            let meant: Vec<&str> = texts.iter().map(String::as_str).collect();
            prop_assert_eq!(&read[..meant.len()], &meant[..]);
        }

        #[test]
        fn what_is_piped_arrives_as_it_is(text in "[^\0]{0,40}") {
            prop_assert_eq!(said_by_bash(&piped(&text, "cat")), format!("{text}\n"));
        }
    }
}
