//! How an answer gets to the reader, whatever the command.

use std::io::{IsTerminal, Write};

use serde::Serialize;

use super::CliError;
pub use crate::printable::{printable, printable_lines};

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

/// Prints it. A reader that closes the pipe early has what it wanted.
pub fn print(text: &[u8]) {
    let _ = std::io::stdout().write_all(text);
}
