//! `argocd-access explain terminal`.

use std::process::ExitCode;

use clap::Args;
use serde_json::json;

use super::show::Said;
use super::{Asking, look, name_of};
use crate::cli::CliError;
use crate::explain::explain;
use crate::explain::question::{AppName, Question, SubjectError, subject};

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
    #[command(flatten)]
    asking: Asking,
}

fn subject_of(text: &str) -> Result<String, SubjectError> {
    subject(text)
}

/// Looks, and explains.
///
/// # Errors
/// When no cluster can be asked, or the answer cannot be written.
pub async fn run(args: TerminalArgs) -> Result<ExitCode, CliError> {
    let (client, instance) = args.asking.connect().await?;
    let TerminalArgs { app, groups, user, pod, container, pod_namespace, asking } = args;
    let question = Question { instance, app, groups, user, pod, pod_namespace, container };
    let explanation = explain(&question, &look::look(&client, &question).await);
    let asked = json!({
        "namespace": question.instance, "app": question.app.to_string(), "groups": question.groups, "user": question.user,
        "pod": question.pod, "podNamespace": question.pod_namespace, "container": question.container,
    });
    let said = Said {
        open: "The terminal opens".to_owned(),
        closed: "The terminal does not open".to_owned(),
        unknown: "It cannot be told whether the terminal opens".to_owned(),
    };
    asking.show(&asked, &explanation, &said)
}
