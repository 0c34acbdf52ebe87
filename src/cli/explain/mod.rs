//! `argocd-access explain terminal`: which link of the chain keeps a person from a terminal, and what mends it. It writes nothing, reads no
//! Secrets, and needs no operator in the cluster.
//!
//! Everything is judged in `crate::explain`; here are the questions to the API server, and the answer's form.

mod look;
mod show;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand, ValueEnum};

use super::{CliError, connect_to, output};
use crate::explain::question::{AppName, Question, SubjectError, is_name, subject};
use crate::explain::{State, explain};

/// The exit status when a link is closed.
const CLOSED: u8 = 1;
/// The exit status when it cannot be told.
pub const UNKNOWN: u8 = 2;

/// The arguments of `explain`.
#[derive(Debug, Args)]
pub struct ExplainArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Say which link of the chain keeps a person from a terminal, by which fact, and what mends it. Nothing is changed, no Secret is read,
    /// and no operator is needed. The exit status is 0 when the terminal opens, 1 when a link is closed, 2 when it cannot be told; of a
    /// wrong command line it is 2 as well, and then nothing is printed but the error.
    Terminal(TerminalArgs),
}

/// The arguments of `explain terminal`.
#[derive(Debug, Args)]
pub struct TerminalArgs {
    /// The Application: PROJECT/NAME, or PROJECT/NAMESPACE/NAME where it lives in another namespace than Argo CD.
    #[arg(long)]
    app: AppName,
    /// A group of the person, letter for letter as User Info of Argo CD's web interface shows it; repeatable.
    #[arg(long = "group", value_name = "GROUP", value_parser = subject_of, required_unless_present = "user")]
    groups: Vec<String>,
    /// The person: the claim `sub`, a local account, or (where `scopes` names it) an e-mail address.
    #[arg(long, value_parser = subject_of)]
    user: Option<String>,
    /// The Pod. Default: any of the Application's.
    #[arg(long, value_parser = name_of)]
    pod: Option<String>,
    /// The container of the Pod. Default: the first one.
    #[arg(long, value_parser = name_of)]
    container: Option<String>,
    /// The Pod's namespace. Default: the Application's destination.
    #[arg(long, value_parser = name_of)]
    pod_namespace: Option<String>,
    /// The namespace of Argo CD. Default: that of the kubeconfig.
    #[arg(long, short, env = "ARGOCD_ACCESS_NAMESPACE", value_parser = name_of)]
    namespace: Option<String>,
    /// The kubeconfig. Default: the usual one.
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// The context of the kubeconfig. Default: its current one.
    #[arg(long)]
    context: Option<String>,
    /// How the answer is shown.
    #[arg(long, short, value_enum, default_value_t = Output::Text)]
    output: Output,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Output {
    /// A line for each link, and what mends the first broken one.
    Text,
    /// One JSON document.
    Json,
    /// The same as YAML.
    Yaml,
}

fn subject_of(text: &str) -> Result<String, SubjectError> {
    subject(text)
}

fn name_of(text: &str) -> Result<String, &'static str> {
    if is_name(text) { Ok(text.to_owned()) } else { Err("this is no name in Kubernetes: lower-case letters, digits, '-' and '.'") }
}

/// Looks, and explains.
///
/// # Errors
/// When no cluster can be asked, or the answer cannot be written.
pub async fn run(args: ExplainArgs) -> Result<ExitCode, CliError> {
    let What::Terminal(args) = args.what;
    let (client, default) = connect_to(args.kubeconfig.as_deref(), args.context.as_deref()).await?;
    let question = Question {
        instance: args.namespace.unwrap_or(default),
        app: args.app,
        groups: args.groups,
        user: args.user,
        pod: args.pod,
        pod_namespace: args.pod_namespace,
        container: args.container,
    };
    let explanation = explain(&question, &look::look(&client, &question).await);
    let text = match args.output {
        Output::Text => show::text(&explanation, output::colours()),
        Output::Json => output::json(&show::document(&question, &explanation))?,
        Output::Yaml => output::yaml(&show::document(&question, &explanation))?,
    };
    output::print(text.as_bytes());
    Ok(match explanation.state() {
        State::Open => ExitCode::SUCCESS,
        State::Closed => ExitCode::from(CLOSED),
        State::Unknown => ExitCode::from(UNKNOWN),
    })
}
