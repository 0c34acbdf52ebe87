//! `argocd-access stop`: the emergency stop. It sets an annotation on argocd-cm, at which a running operator withdraws everything, and
//! withdraws everything itself with the same engine, so that no operator is needed.

use std::io::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Args;
use kube::Client;
use tokio::sync::Notify;

use super::restore::duration;
use super::{CliError, ServeArgs, connect};
use crate::api::STOP;
use crate::argocd::ARGOCD_CM;
use crate::cluster_io::apply;
use crate::cluster_io::events::{self, Events};
use crate::cluster_io::snapshot::{
    AgentWatches, ClusterWatches, ExecWatches, HubWatches, InstanceWatches, LiveWatches, PrincipalWatches, RemoteWatches,
};
use crate::config::{InstanceConfig, ServerRoles};
use crate::controller::Serve;
use crate::controller::agent::AgentKeeper;
use crate::controller::exec::ExecKeeper;
use crate::controller::keeper::Keeper;
use crate::controller::principal::PrincipalKeeper;
use crate::controller::round::{Left, Rounds, Verdict};
use crate::live::world::Shipped;
use crate::metrics::Metrics;
use crate::reconcile::{self, Target};

/// A running operator tells every object within this time.
const OPERATOR: Duration = Duration::from_secs(5);
/// The longest reason.
const REASON_LIMIT: usize = 256;

/// The arguments of `stop`.
#[derive(Debug, Args)]
pub struct StopArgs {
    #[command(flatten)]
    serve: ServeArgs,
    /// The namespace of the Argo CD instance. Default: that of the kubeconfig.
    #[arg(long, short, env = "ARGOCD_ACCESS_NAMESPACE")]
    namespace: Option<String>,
    /// Why, for those who read the status: one line.
    #[arg(long, default_value = "argocd-access stop", conflicts_with = "release", value_parser = reason)]
    reason: String,
    /// Remove the annotation again: the operator grants what is declared.
    #[arg(long)]
    release: bool,
    /// How long to wait until everything is withdrawn.
    #[arg(long, default_value = "60s", value_parser = duration)]
    timeout: Duration,
}

fn reason(text: &str) -> Result<String, String> {
    let fits = !text.trim().is_empty() && text.len() <= REASON_LIMIT && !text.chars().any(char::is_control);
    fits.then(|| text.to_owned()).ok_or_else(|| format!("one line of 1 to {REASON_LIMIT} bytes"))
}

/// Stops, or releases.
///
/// # Errors
/// When the annotation cannot be written, or something could not be withdrawn in time; what, and what to do.
pub async fn stop(args: StopArgs) -> Result<(), CliError> {
    let (client, default) = connect().await?;
    let namespace = args.namespace.unwrap_or(default);
    annotate(&client, &namespace, (!args.release).then_some(args.reason.as_str())).await?;
    if args.release {
        say(&format!("released: {ARGOCD_CM} in {namespace} has no annotation {STOP} any more; a running operator grants again what is declared"));
        return Ok(());
    }
    say(&format!("stopped: {ARGOCD_CM} in {namespace} has the annotation {STOP}, and while it has, the operator grants nothing"));
    let deadline = Instant::now() + args.timeout;
    let told = Events::start(client.clone(), "argocd-access-stop", None);
    let withdrawn = match args.serve.serve {
        Serve::Access => Box::pin(access(&client, &namespace, &told, deadline)).await,
        Serve::Clusters => clusters(&client, &namespace, &told, deadline).await,
    };
    told.flush(events::AT_THE_END).await;
    for target in withdrawn? {
        say(&format!("withdrawn: {target}"));
    }
    say(&format!(
        "nothing is granted in {namespace} any more; a terminal that is open takes one more command at most, and a restart of argocd-server ends all of them"
    ));
    Ok(())
}

async fn annotate(client: &Client, namespace: &str, why: Option<&str>) -> Result<(), CliError> {
    let written = apply::send_alone(client, &reconcile::stop::write(namespace, why)).await;
    written.map_err(|error| match error.code() {
        Some(404) => CliError::Stop(format!("there is no ConfigMap {ARGOCD_CM} in {namespace}: name the namespace of your Argo CD with -n")),
        _ => CliError::Stop(error.chain()),
    })
}

/// What the instance's settings are is not known, and none of them matters for taking away.
fn keepers(client: &Client, namespace: &str) -> (ExecKeeper, AgentKeeper, PrincipalKeeper) {
    let mut settings = InstanceConfig::of(namespace);
    settings.server_roles = ServerRoles::InPlace;
    settings.live.enabled = true;
    let cluster = Arc::new(ClusterWatches::start(client, &[], &[]));
    let around = Arc::new(InstanceWatches::start(client, settings, cluster, &Vec::new()));
    // It looks again and again anyway.
    let touched = Arc::new(Notify::new());
    let shipped = Shipped { events: String::new(), logs: String::new(), exec: String::new() };
    let exec = ExecWatches::start(client, Arc::clone(&around), String::new(), &touched);
    let live = Arc::new(LiveWatches::start(client, around, &vec![Arc::clone(&touched)]));
    let agent = AgentWatches::start(client, Arc::clone(&live), shipped, &touched);
    let principal = PrincipalWatches::start(client, live, &touched);
    (ExecKeeper::new(exec), AgentKeeper::new(agent), PrincipalKeeper::new(principal, client, &touched))
}

/// Takes away what the objects of the other two resources have given.
async fn access(client: &Client, namespace: &str, told: &Events, deadline: Instant) -> Result<Vec<Target>, CliError> {
    let (exec, agent, principal) = keepers(client, namespace);
    let all = tokio::join!(one(client, exec, told, deadline), one(client, agent, told, deadline), one(client, principal, told, deadline));
    Ok([all.0?, all.1?, all.2?].concat())
}

/// Takes away what the `ClusterAccess` objects have given in their remote clusters.
async fn clusters(client: &Client, namespace: &str, told: &Events, deadline: Instant) -> Result<Vec<Target>, CliError> {
    let mut settings = InstanceConfig::of(namespace);
    settings.cluster_access.enabled = true;
    let hub = Arc::new(HubWatches::start(client, &Vec::new()));
    let watches = Arc::new(RemoteWatches::start(client, settings, hub, &Vec::new()));
    let keepers = crate::controller::clusters::all(client, &watches, deadline).await;
    let keepers =
        keepers.ok_or_else(|| CliError::Stop(format!("the annotation is set, but the ClusterAccess objects in {namespace} cannot be seen")))?;
    let all = futures::future::join_all(keepers.into_iter().map(|keeper| one(client, keeper, told, deadline))).await;
    Ok(all.into_iter().collect::<Result<Vec<_>, CliError>>()?.concat())
}

/// Takes away what one resource has given, and returns where something was written.
async fn one<K: Keeper>(client: &Client, keeper: K, events: &Events, deadline: Instant) -> Result<Vec<Target>, CliError> {
    let mut rounds = Rounds::new(client.clone(), keeper, events.clone(), Arc::new(Metrics::default())).beside();
    let left = withdraw(&mut rounds, deadline).await?;
    told(&mut rounds, left, deadline.min(Instant::now() + OPERATOR)).await;
    Ok(rounds.written().iter().cloned().collect())
}

async fn withdraw<K: Keeper>(rounds: &mut Rounds<K>, deadline: Instant) -> Result<Left, CliError> {
    loop {
        let verdict = if rounds.settled() { rounds.round().await } else { Verdict::Waiting };
        let left = rounds.left();
        if let (Verdict::Quiet, Some(left)) = (verdict, &left)
            && left.targets.is_empty()
            && left.debts.is_empty()
        {
            return Ok(left.clone());
        }
        if Instant::now() > deadline {
            let what = match left {
                None => format!("the {} objects cannot be seen", K::KIND.names().1),
                Some(left) => left.targets.iter().map(ToString::to_string).chain(left.debts).collect::<Vec<_>>().join("; "),
            };
            let what = if what.is_empty() { "the last request failed; the log says why".to_owned() } else { what };
            return Err(CliError::Stop(format!(
                "the annotation is set, but not everything could be withdrawn from here in {}: {what}",
                rounds.namespace()
            )));
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// A running operator tells every object that it is stopped. Where none does, it is told from here.
async fn told<K: Keeper>(rounds: &mut Rounds<K>, mut left: Left, deadline: Instant) {
    while !left.untold.is_empty() && Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(200)).await;
        left = rounds.left().unwrap_or_default();
    }
    if !left.untold.is_empty() {
        rounds.speak();
        // What it could not write, it has logged.
        let _ = rounds.round().await;
    }
}

fn say(line: &str) {
    // Nobody reading is no reason to stop halfway.
    let _ = writeln!(std::io::stdout(), "{line}");
}
