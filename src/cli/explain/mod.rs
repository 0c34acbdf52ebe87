//! `argocd-access explain`: which link of a chain keeps a person from a terminal, or from a live resource in an agent's cluster, and what
//! mends it; and whether the operator itself is installed as it should be. It writes nothing, reads no Secrets, and needs no operator in the
//! cluster.
//!
//! Everything is judged in `crate::explain`; here are the questions to the API server, and the answer's form.

mod installation;
mod live;
mod look;
mod show;
mod terminal;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand, ValueEnum};
use serde_json::Value;

use self::show::Said;
use super::{CliError, connect_to, output};
use crate::explain::question::is_name;
use crate::explain::{Explanation, State};

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
    Terminal(terminal::TerminalArgs),
    /// Say which link of the chain keeps Argo CD from showing or changing a live resource through argocd-agent, by which fact, and what mends
    /// it. It asks the agent's cluster. Nothing is changed, no Secret is read, and no operator is needed. The exit status is 0 when every
    /// link there lets it through, 1 when a link does not, 2 when it cannot be told; of a wrong command line it is 2 as well, and then
    /// nothing is printed but the error.
    Live(live::LiveArgs),
    /// Say whether the operator is installed as it should be, and works: its definitions, its rights, the Argo CD that it serves, its pods,
    /// and whether one of them writes. The chart's `helm test` runs it in the cluster, with the operator's own rights. Nothing is changed, and
    /// no Secret is read. The exit status is 0 when everything is as it should be, 1 when something is not, 2 when it cannot be told; of a
    /// wrong command line it is 2 as well, and then nothing is printed but the error.
    Installation(installation::InstallationArgs),
}

/// Where it is asked, and how the answer is shown.
#[derive(Debug, Args)]
struct Asking {
    /// The namespace of Argo CD, or of the agent. Default: that of the kubeconfig.
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

fn name_of(text: &str) -> Result<String, &'static str> {
    if is_name(text) { Ok(text.to_owned()) } else { Err("this is no name in Kubernetes: lower-case letters, digits, '-' and '.'") }
}

/// Looks, and explains.
///
/// # Errors
/// When no cluster can be asked, or the answer cannot be written.
pub async fn run(args: ExplainArgs) -> Result<ExitCode, CliError> {
    match args.what {
        What::Terminal(args) => Box::pin(terminal::run(args)).await,
        What::Live(args) => Box::pin(live::run(args)).await,
        What::Installation(args) => Box::pin(installation::run(args)).await,
    }
}

impl Asking {
    /// A client, and the namespace of Argo CD.
    async fn connect(&self) -> Result<(kube::Client, String), CliError> {
        let (client, default) = connect_to(self.kubeconfig.as_deref(), self.context.as_deref()).await?;
        Ok((client, self.namespace.clone().unwrap_or(default)))
    }

    fn show(&self, question: &Value, explanation: &Explanation, said: &Said) -> Result<ExitCode, CliError> {
        let text = match self.output {
            Output::Text => show::text(explanation, said, output::colours()),
            Output::Json => output::json(&show::document(question, explanation))?,
            Output::Yaml => output::yaml(&show::document(question, explanation))?,
        };
        output::print(text.as_bytes());
        Ok(match explanation.state() {
            State::Open => ExitCode::SUCCESS,
            State::Closed => ExitCode::from(CLOSED),
            State::Unknown => ExitCode::from(UNKNOWN),
        })
    }
}
