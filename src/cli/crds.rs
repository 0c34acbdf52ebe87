//! `argocd-access crds`: the CustomResourceDefinitions, as they are committed under `crds/`.

use super::{CliError, output};
use crate::api;

/// The files, each with its name and its text.
///
/// # Errors
/// When one cannot be written as YAML.
pub fn files() -> Result<Vec<(String, String)>, CliError> {
    let file = |definition: api::Definition| {
        let yaml = serde_yaml::to_string(&definition).map_err(CliError::Crd)?;
        let name = format!("{}.yaml", definition.metadata.name.unwrap_or_default());
        Ok((name, format!("# Generated from the Rust types in src/api by `make generate`; do not edit.\n{yaml}")))
    };
    api::definitions().into_iter().map(file).collect()
}

/// Prints them, one after the other.
///
/// # Errors
/// When one cannot be written as YAML.
pub fn print() -> Result<(), CliError> {
    let texts: Vec<String> = files()?.into_iter().map(|(_, text)| text).collect();
    output::print(texts.join("---\n").as_bytes());
    Ok(())
}
