//! `argocd-access explain live`.

mod look;

use std::process::ExitCode;

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use serde_json::json;

use super::show::Said;
use super::{Asking, name_of};
use crate::api::Feature;
use crate::cli::CliError;
use crate::explain::live::explain;
use crate::explain::live::question::{Question, ResourceName, feature};
use crate::explain::question::AppName;

/// The arguments of `explain live`.
#[derive(Debug, Args)]
pub struct LiveArgs {
    /// The Application as it is in the agent's cluster: PROJECT/NAME, or PROJECT/NAMESPACE/NAME where it lives in another namespace than the
    /// agent.
    #[arg(long)]
    app: AppName,
    /// The resource: GROUP/KIND/NAME, or KIND/NAME where it is of the core group, such as apps/Deployment/web or Pod/web-0.
    #[arg(long)]
    resource: ResourceName,
    /// The namespace of the resource. Default: where the Application has it, else the Application's destination.
    #[arg(long, value_parser = name_of)]
    resource_namespace: Option<String>,
    /// What somebody wants to do with it.
    #[arg(long, value_parser = PossibleValuesParser::new(Feature::ALL.map(Feature::as_str)).try_map(|text| feature(&text)), default_value = "View")]
    feature: Feature,
    #[command(flatten)]
    asking: Asking,
}

/// Looks, and explains.
///
/// # Errors
/// When no cluster can be asked, or the answer cannot be written.
pub async fn run(args: LiveArgs) -> Result<ExitCode, CliError> {
    let (client, instance) = args.asking.connect().await?;
    let LiveArgs { app, resource, resource_namespace: namespace, feature, asking } = args;
    let question = Question { instance, app, resource, namespace, feature };
    let explanation = explain(&question, &Box::pin(look::look(&client, &question)).await);
    let asked = json!({
        "namespace": question.instance, "app": question.app.to_string(), "resource": question.resource.to_string(),
        "resourceNamespace": question.namespace, "feature": question.feature.as_str(),
    });
    let what = format!("{} on {}", question.feature.as_str(), question.resource);
    let said = Said {
        open: format!("In this cluster nothing stands in the way of {what}"),
        closed: format!("{what} does not work"),
        unknown: format!("It cannot be told whether {what} works"),
    };
    asking.show(&asked, &explanation, &said)
}
