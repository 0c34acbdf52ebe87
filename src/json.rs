//! Reading a kind from JSON. Pure.

use serde::de::DeserializeOwned;
use serde_json::Value;

/// Reads a kind from a tree, by way of its text: from that the watches read it, so the code that does is there once. A Pod has some hundred
/// types.
///
/// # Errors
/// When the tree is not of the kind.
pub fn read<T: DeserializeOwned>(tree: &Value) -> serde_json::Result<T> {
    serde_json::from_str(&tree.to_string())
}

/// Why a text is not of a kind. Where in it is left out: that is another place after every write, and means nothing to who wrote YAML.
#[must_use]
pub fn why(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    text.strip_suffix(&place).unwrap_or(&text).to_owned()
}
