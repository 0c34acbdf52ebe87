//! `argocd-access cluster`: remote clusters. One file for each command.

mod bootstrap;
mod credential;
mod declared;
mod kubeconfig;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Subcommand;

use super::CliError;
use crate::cluster_io::RequestError;

/// The commands.
#[derive(Debug, Subcommand)]
pub enum ClusterCommand {
    /// Print what an administrator of a remote cluster applies there, once, so that a ClusterAccess can be served; or, with --credential,
    /// the Secret by which the operator comes to it.
    ///
    /// It looks at the remote cluster with your own rights and applies nothing:
    ///
    ///   argocd-access cluster bootstrap prod-eu -f prod-eu.yaml --context prod-admin | kubectl --context prod-admin apply --server-side -f -
    ///
    ///   argocd-access cluster bootstrap prod-eu -f prod-eu.yaml --context prod-admin --credential | kubectl --context hub apply -f -
    ///
    /// Run it again when the declaration asks for other rights, or the cluster has new kinds. What an earlier one has made and a later one
    /// does not have stays; all of it has the label argocd-access.dev/bootstrap.
    #[command(verbatim_doc_comment)]
    Bootstrap(bootstrap::BootstrapArgs),
}

/// Why nothing is printed.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// The file holds no such object.
    #[error("{path} holds no ClusterAccess {name:?}; it holds {found}")]
    NotDeclared {
        /// The file.
        path: PathBuf,
        /// The name that was asked for.
        name: String,
        /// What it holds instead.
        found: String,
    },
    /// The file holds several of that name.
    #[error("{path} holds the ClusterAccess {name:?} {count} times")]
    DeclaredTwice {
        /// The file.
        path: PathBuf,
        /// The name.
        name: String,
        /// How often.
        count: usize,
    },
    /// A field that there is none of.
    #[error("{path}: document {document}: there is no field {field}")]
    UnknownField {
        /// The file.
        path: PathBuf,
        /// Which document of it, from 1.
        document: usize,
        /// The field.
        field: String,
    },
    /// The object would not be accepted.
    #[error("ClusterAccess {name}: {message}")]
    Refused {
        /// Its name.
        name: String,
        /// Why not.
        message: String,
    },
    /// The kubeconfig cannot be used for it.
    #[error("{0}")]
    Kubeconfig(String),
    /// A file that the kubeconfig names cannot be read.
    #[error("read {path}, the certificate authority of the kubeconfig")]
    Authority {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The remote cluster does not answer, or says no.
    #[error("{}", .0.chain())]
    Request(RequestError),
    /// The bootstrap was not applied, or not in this form.
    #[error("{0}")]
    NotBootstrapped(String),
    /// It is not clear for which instance.
    #[error("{0}")]
    Instance(String),
}

/// Does what was asked.
///
/// # Errors
/// Whatever kept it from being done.
pub async fn run(command: ClusterCommand) -> Result<ExitCode, CliError> {
    match command {
        ClusterCommand::Bootstrap(args) => bootstrap::run(args).await,
    }
}
