//! `argocd-access who-can exec`: everybody who can open a terminal in an Application, or in the Applications of a namespace, each with the
//! lines of the policy by which. It reads with the caller's own rights and writes nothing; neither the operator nor its CRD has to be there.

mod look;
mod show;

use std::process::ExitCode;

use clap::{Args, Subcommand, ValueEnum};

use super::{CliError, connect, output};
use crate::explain::who_can::{Question, who_can};

/// The exit status when somebody may be missing in the list.
const INCOMPLETE: u8 = 2;

/// What somebody can do.
#[derive(Debug, Subcommand)]
pub enum WhoCan {
    /// List everybody who can open a terminal by Argo CD's policy, whoever wrote it, with the lines that allow it. It reads with your own
    /// rights, and needs no operator. The exit status is 0 when the list is complete, 2 when something could not be read or decided
    /// (it says what), 1 when nothing could be asked.
    Exec(ExecArgs),
}

/// The arguments of `who-can exec`.
#[derive(Debug, Args)]
pub struct ExecArgs {
    #[command(flatten)]
    what: What,
    /// The namespace of the Argo CD instance. Default: that of the kubeconfig.
    #[arg(long, short = 'n', env = "ARGOCD_ACCESS_NAMESPACE")]
    instance: Option<String>,
    /// How the list is shown.
    #[arg(long, short, value_enum, default_value_t = Output::Text)]
    output: Output,
}

/// One of the two.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct What {
    /// The Application: PROJECT/NAME, or PROJECT/NAMESPACE/NAME where it lives in another namespace than Argo CD.
    #[arg(long, value_name = "APPLICATION")]
    app: Option<Question>,
    /// A namespace of the cluster: every Application that deploys there.
    #[arg(long)]
    namespace: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Output {
    /// For people.
    Text,
    /// One JSON document.
    Json,
    /// One YAML document.
    Yaml,
}

/// Asks, and shows the answer.
///
/// # Errors
/// When there is no cluster to ask, or the answer cannot be written.
pub async fn run(who_can: WhoCan) -> Result<ExitCode, CliError> {
    let WhoCan::Exec(args) = who_can;
    exec(args).await
}

async fn exec(args: ExecArgs) -> Result<ExitCode, CliError> {
    let (client, namespace) = connect().await?;
    let instance = args.instance.unwrap_or(namespace);
    let question = args.what.app.or_else(|| args.what.namespace.map(Question::Namespace)).ok_or(CliError::Usage("name --app or --namespace"))?;
    let seen = look::look(&client, &instance).await;
    let answer = who_can(&seen, &question);
    let text = match args.output {
        Output::Text => show::text(&answer, &question, output::colours()),
        Output::Json => output::json(&answer)?,
        Output::Yaml => output::yaml(&answer)?,
    };
    output::print(text.as_bytes());
    Ok(if answer.complete { ExitCode::SUCCESS } else { ExitCode::from(INCOMPLETE) })
}
