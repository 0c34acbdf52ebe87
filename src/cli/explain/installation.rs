//! `argocd-access explain installation`: one look at the operator's own installation, with the operator's own rights where it runs in its
//! cluster.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Args;
use futures::StreamExt;
use kube::{Api, Client};
use serde_json::{Value, json};

use super::Asking;
use super::look::{ABSENT, all, one, seen};
use super::show::Said;
use crate::api::GROUP;
use crate::argocd::{ARGOCD_CM, ARGOCD_CMD_PARAMS_CM};
use crate::cli::restore::duration;
use crate::cli::{CliError, ServeArgs, load};
use crate::cluster_io::api_server::about;
use crate::cluster_io::own_rules::{NOWHERE, may, own_name, own_rules};
use crate::cluster_io::review::attributes;
use crate::cluster_io::{AT_ONCE, RequestError, request};
use crate::config::InstanceConfig;
use crate::exec::World;
use crate::explain::State;
use crate::explain::installation::rights::{Needed, needed};
use crate::explain::installation::{Instance, Observed, Wanted, explain};
use crate::reconcile::{NotSeen, Seen};

/// The time between two looks.
const AGAIN: Duration = Duration::from_secs(1);

/// The arguments of `explain installation`.
#[derive(Debug, Args)]
pub struct InstallationArgs {
    #[command(flatten)]
    serve: ServeArgs,
    /// The operator's configuration file, for the namespaces that it serves. Without it that is the one namespace.
    #[arg(long, env = "ARGOCD_ACCESS_CONFIG")]
    config: Option<PathBuf>,
    /// The operator's Deployment in the namespace. Without it the pods are not looked at.
    #[arg(long, value_name = "NAME", value_parser = super::name_of)]
    operator_deployment: Option<String>,
    /// A file with the roles and bindings that the operator is to have, as the chart renders them. Without it the rights are not looked at.
    #[arg(long, value_name = "FILE")]
    rights: Option<PathBuf>,
    /// Look again and again for so long while something is not as it should be, such as right after an installation.
    #[arg(long, default_value = "0s", value_parser = duration)]
    timeout: Duration,
    #[command(flatten)]
    asking: Asking,
}

/// Looks, and explains.
///
/// # Errors
/// When no cluster can be asked, a file cannot be read, or the answer cannot be written.
pub async fn run(args: InstallationArgs) -> Result<ExitCode, CliError> {
    let deadline = Instant::now() + args.timeout;
    let (client, namespace) = args.asking.connect().await?;
    let instances = load(args.config.as_deref(), &namespace)?.instances;
    let rights = args.rights.as_ref().map(|path| {
        let failed = |why: String| CliError::Rights { path: path.clone(), why };
        std::fs::read_to_string(path).map_err(|error| failed(error.to_string())).map(|text| (text, failed))
    });
    let rights = rights.transpose()?;
    let question = json!({
        "namespace": namespace, "deployment": args.operator_deployment, "serve": args.serve.serve.lease(),
        "instances": instances.iter().map(|instance| &instance.namespace).collect::<Vec<_>>(),
    });
    let said = Said {
        open: "The operator is installed as it should be, and works".to_owned(),
        closed: "The operator does not work as it should".to_owned(),
        unknown: "It cannot be told whether the operator works".to_owned(),
    };
    loop {
        let lacking = match &rights {
            None => None,
            Some((text, failed)) => match own_name(&client, "ask who we are").await {
                Err(error) => Some(not_seen(&error)),
                Ok(user) => Some(lacking(&client, needed(text, &user).map_err(failed)?).await.or_else(|error| not_seen(&error))),
            },
        };
        let (schemas, deployment, instances) = tokio::join!(
            schemas(&client),
            deployment(&client, &namespace, args.operator_deployment.as_deref()),
            futures::future::join_all(instances.iter().map(|settings| instance(&client, settings, args.serve.serve.lease()))),
        );
        let explanation = explain(&Observed { schemas, lacking, deployment, instances, now: jiff::Timestamp::now() });
        if explanation.state() == State::Open || Instant::now() >= deadline {
            return args.asking.show(&question, &explanation, &said);
        }
        tokio::time::sleep(AGAIN).await;
    }
}

fn not_seen<T>(error: &RequestError) -> Seen<T> {
    Err(NotSeen { kind: "the operator's own rights", why: error.chain() })
}

/// Of these rights, those that the client has not.
async fn lacking(client: &Client, needed: BTreeSet<Needed>) -> Result<Vec<Needed>, RequestError> {
    let mut held = BTreeMap::new();
    let namespaces: BTreeSet<String> = needed.iter().map(place).collect();
    for namespace in namespaces {
        let rules = own_rules(client, &namespace, format!("ask for the operator's own rights in {namespace}")).await?.rules;
        held.insert(namespace, rules);
    }
    let doubtful = needed.into_iter().filter(|one| !held.get(&place(one)).is_some_and(|rules| one.is_allowed_by(rules)));
    let ask = |one: Needed| async move {
        let (namespace, name) = (one.namespace.as_deref().unwrap_or_default(), one.name.as_deref().unwrap_or_default());
        let asked = attributes(namespace, (&one.right.group, &one.right.resource, &one.right.verb), name);
        let (allowed, _) = may(client, "ask for one right of our own", asked).await?;
        Ok((!allowed).then_some(one))
    };
    let doubtful: Vec<Needed> = doubtful.collect();
    let answers: Vec<Result<Option<Needed>, RequestError>> = futures::stream::iter(doubtful).map(ask).buffered(AT_ONCE).collect().await;
    Ok(answers.into_iter().collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect())
}

/// What is allowed there is allowed in the whole cluster.
fn place(needed: &Needed) -> String {
    needed.namespace.clone().unwrap_or_else(|| NOWHERE.to_owned())
}

/// What the API server publishes of our kinds.
async fn schemas(client: &Client) -> Seen<Option<Value>> {
    let asked = http::Request::get(format!("/openapi/v3/apis/{GROUP}/v1alpha1")).body(Vec::new());
    let asked = asked.map_err(|error| NotSeen { kind: "schemas", why: error.to_string() })?;
    match request("read the schemas of the operator's kinds", client.request::<Value>(asked)).await {
        Err(error) if error.code() == Some(ABSENT) => Ok(None),
        answer => seen("schemas", answer).map(Some),
    }
}

async fn deployment(client: &Client, namespace: &str, name: Option<&str>) -> Option<Wanted> {
    let name = name?;
    let found = one(Api::namespaced(client.clone(), namespace), "deployments", name).await;
    Some(Wanted { namespace: namespace.to_owned(), name: name.to_owned(), found })
}

async fn instance(client: &Client, settings: &InstanceConfig, lease: &'static str) -> Instance {
    let namespace = settings.namespace.as_str();
    let (argocd_cm, params_cm, deployments, holds, about) = tokio::join!(
        one(Api::namespaced(client.clone(), namespace), "configmaps", ARGOCD_CM),
        one(Api::namespaced(client.clone(), namespace), "configmaps", ARGOCD_CMD_PARAMS_CM),
        all(Api::namespaced(client.clone(), namespace), "deployments"),
        one(Api::namespaced(client.clone(), namespace), "leases", lease),
        about(client),
    );
    let kubernetes_version = about.ok().and_then(|about| about.version);
    let world = World { kubernetes_version, argocd_cm, params_cm, deployments, ..World::empty(settings.clone(), "") };
    Instance { world, lease, holds }
}
