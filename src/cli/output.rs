//! How an answer gets to the reader, whatever the command.

use std::io::{IsTerminal, Write};

use serde::Serialize;

use super::CliError;

/// Whether the answer may have colours: it goes to a terminal, and nobody has asked for none.
#[must_use]
pub fn colours() -> bool {
    std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none()
}

/// One JSON document.
///
/// # Errors
/// When it cannot be written as JSON.
pub fn json<T: Serialize>(answer: &T) -> Result<String, CliError> {
    serde_json::to_string_pretty(answer).map(|text| text + "\n").map_err(CliError::Json)
}

/// One YAML document.
///
/// # Errors
/// When it cannot be written as YAML.
pub fn yaml<T: Serialize>(answer: &T) -> Result<String, CliError> {
    serde_yaml::to_string(answer).map_err(CliError::Yaml)
}

/// A text that others wrote, in one line, without what would move the cursor or turn the direction of writing.
#[must_use]
pub fn printable(text: &str) -> String {
    let turns = |c: char| matches!(c, '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    text.chars().flat_map(|c| if c.is_control() || turns(c) { c.escape_unicode().collect::<Vec<_>>() } else { vec![c] }).collect()
}

/// The same of a text that may have several lines.
#[must_use]
pub fn printable_lines(text: &str) -> String {
    text.split('\n').map(printable).collect::<Vec<_>>().join("\n")
}

/// Prints it. A reader that closes the pipe early has what it wanted.
pub fn print(text: &[u8]) {
    let _ = std::io::stdout().write_all(text);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_wrote_cannot_move_the_cursor() {
        assert_eq!(printable("a\u{1b}[2J\u{202e}b\nä"), "a\\u{1b}[2J\\u{202e}b\\u{a}ä");
        assert_eq!(printable_lines("a\u{61c}\nb\r"), "a\\u{61c}\nb\\u{d}");
    }
}
