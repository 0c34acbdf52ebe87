//! `argocd-access plan`: what would change, before anything does. It reads and writes nothing.
//!
//! The plan is the very function that the operator plans with; only its picture of the world comes from a kubeconfig or from files.

mod cluster;
mod manifests;
mod show;

use std::io::Read;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use serde::Deserialize;

use super::{CliError, InstanceArgs, output};
use crate::api::ExecAccess;
use crate::exec::preview::{Preview, preview};
use crate::json;

/// The exit status when something would change, as `terraform plan -detailed-exitcode` has it.
const CHANGES: u8 = 2;

/// The arguments of `plan`.
#[derive(Debug, Args)]
pub struct PlanArgs {
    #[command(flatten)]
    instance: InstanceArgs,
    /// A file with ExecAccess objects (YAML or JSON, several documents allowed), a folder of such files, or `-` for standard input;
    /// repeatable. Without any, the plan is what the operator would change now.
    #[arg(long = "filename", short = 'f', value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Plan against the cluster of this kubeconfig. Default: the usual kubeconfig.
    #[arg(long, value_name = "KUBECONFIG", conflicts_with = "manifests")]
    against: Option<PathBuf>,
    /// The context of the kubeconfig. Default: its current one.
    #[arg(long, conflicts_with = "manifests")]
    context: Option<String>,
    /// Plan against the manifests in this folder (and those below it) instead of a cluster.
    #[arg(long, value_name = "FOLDER")]
    manifests: Option<PathBuf>,
    /// Plan for this instant (RFC 3339) instead of now.
    #[arg(long)]
    at: Option<jiff::Timestamp>,
    /// How the plan is shown.
    #[arg(long, short, value_enum, default_value_t = Output::Diff)]
    output: Output,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Output {
    /// A unified diff of each object.
    Diff,
    /// One JSON document.
    Json,
}

/// Why no plan could be made.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// A file cannot be read.
    #[error("read {path}")]
    Read {
        /// Its path.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A file holds something else than was expected.
    #[error("read {path}: document {document}")]
    Parse {
        /// Its path.
        path: PathBuf,
        /// Which document of it, from 1.
        document: usize,
        /// Why.
        #[source]
        source: serde_yaml::Error,
    },
    /// A file that should hold ExecAccess objects holds something else.
    #[error(
        "{path}: document {document} is of kind {kind:?}; plan takes ExecAccess objects (a LiveResourceAccess is tried out with mode: Observe; other objects belong into the folder of --manifests)"
    )]
    Kind {
        /// Its path.
        path: PathBuf,
        /// Which document of it, from 1.
        document: usize,
        /// What it is.
        kind: String,
    },
    /// An object of another instance.
    #[error("{path}: document {document} is for the namespace {namespace:?}, and the instance is {instance:?}; name it by --namespace")]
    Namespace {
        /// The file's path.
        path: PathBuf,
        /// Which document of it, from 1.
        document: usize,
        /// The namespace that it names.
        namespace: String,
        /// The instance.
        instance: String,
    },
    /// The cluster was not seen in time.
    #[error("look at the cluster: {0}")]
    Cluster(String),
    /// An object is refused, so that it would have no effect.
    #[error("{0}")]
    Refused(String),
}

/// Makes the plan and shows it. The exit status is 0 when nothing would change and 2 when something would.
///
/// # Errors
/// When something cannot be read, or an object would be refused.
pub async fn plan(args: PlanArgs) -> Result<ExitCode, CliError> {
    let now = args.at.unwrap_or_else(jiff::Timestamp::now);
    let (config, world) = match &args.manifests {
        Some(folder) => {
            let config = args.instance.load("argocd")?;
            let instance = config.instances.first().cloned().ok_or(CliError::Usage("the configuration names no instance"))?;
            (instance.clone(), manifests::world(folder, &instance, &args.instance.exec_cluster_role)?)
        }
        None => cluster::world(&args).await?,
    };
    let mut declared = Vec::new();
    for path in &args.files {
        let files = if path.is_dir() { manifests::files(path)? } else { vec![path.clone()] };
        for file in files {
            declared.extend(declarations(&file, &config.namespace)?);
        }
    }
    let world = match &args.manifests {
        Some(_) => manifests::with_namespaces(world, &declared),
        None => world,
    };
    let made = preview(&world, &declared, now);
    show(&made, args.output)?;
    let refused: Vec<String> = made
        .judged
        .iter()
        .filter(|j| !j.accepted.holds())
        .map(|j| format!("ExecAccess {}: {}: {}", j.name, j.accepted.reason.as_str(), j.accepted.message))
        .collect();
    if !refused.is_empty() {
        return Err(PlanError::Refused(refused.join("; ")).into());
    }
    Ok(if made.changes.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(CHANGES) })
}

fn show(made: &Preview, form: Output) -> Result<(), CliError> {
    let text = match form {
        Output::Diff => show::diff(made, output::colours()),
        Output::Json => show::json(made)?,
    };
    output::print(text.as_bytes());
    Ok(())
}

pub(super) fn read(path: &std::path::Path) -> Result<String, PlanError> {
    let failed = |source| PlanError::Read { path: path.to_owned(), source };
    if path.as_os_str() == "-" {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).map_err(failed)?;
        return Ok(text);
    }
    std::fs::read_to_string(path).map_err(failed)
}

/// The ExecAccess objects of a file.
fn declarations(path: &std::path::Path, instance: &str) -> Result<Vec<ExecAccess>, PlanError> {
    let text = read(path)?;
    let mut all = Vec::new();
    for (document, value) in documents(path, &text)? {
        let kind = value.get("kind").and_then(serde_json::Value::as_str).unwrap_or_default().to_owned();
        if kind != "ExecAccess" {
            return Err(PlanError::Kind { path: path.to_owned(), document, kind });
        }
        let access: ExecAccess = from_value(path, document, &value)?;
        if let Some(namespace) = access.metadata.namespace.clone().filter(|n| n != instance) {
            return Err(PlanError::Namespace { path: path.to_owned(), document, namespace, instance: instance.to_owned() });
        }
        all.push(access);
    }
    Ok(all)
}

/// The documents of a text that are not empty, with their numbers.
pub(super) fn documents(path: &std::path::Path, text: &str) -> Result<Vec<(usize, serde_json::Value)>, PlanError> {
    let parse = |(at, document)| {
        let failed = |source| PlanError::Parse { path: path.to_owned(), document: at + 1, source };
        serde_json::Value::deserialize(document).map(|value| (at + 1, value)).map_err(failed)
    };
    let all: Result<Vec<_>, _> = serde_yaml::Deserializer::from_str(text).enumerate().map(parse).collect();
    // A list is what `kubectl get -o yaml` prints.
    let flat = all?.into_iter().flat_map(|(at, value)| match value.get("items").and_then(serde_json::Value::as_array) {
        Some(items) if value.get("kind").and_then(serde_json::Value::as_str).is_some_and(|k| k.ends_with("List")) => {
            items.iter().map(|item| (at, item.clone())).collect::<Vec<_>>()
        }
        _ => vec![(at, value)],
    });
    Ok(flat.filter(|(_, value)| !value.is_null()).collect())
}

pub(super) fn from_value<T: serde::de::DeserializeOwned>(path: &std::path::Path, document: usize, value: &serde_json::Value) -> Result<T, PlanError> {
    json::read(value).map_err(|error| PlanError::Parse { path: path.to_owned(), document, source: serde::de::Error::custom(json::why(&error)) })
}
