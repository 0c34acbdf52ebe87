//! `argocd-access crds`: the CustomResourceDefinitions, as they are committed under `crds/`.

use std::io::Write;

use kube::CustomResourceExt;

use super::CliError;
use crate::api::ExecAccess;

/// The file's text.
///
/// # Errors
/// When it cannot be written as YAML.
pub fn text() -> Result<String, CliError> {
    let yaml = serde_yaml::to_string(&ExecAccess::crd()).map_err(CliError::Crd)?;
    Ok(format!("# Generated from the Rust types in src/api by `make generate`; do not edit.\n{yaml}"))
}

/// Prints it.
///
/// # Errors
/// When it cannot be written as YAML.
pub fn print() -> Result<(), CliError> {
    // A reader that closes the pipe early has what it wanted.
    let _ = std::io::stdout().write_all(text()?.as_bytes());
    Ok(())
}
