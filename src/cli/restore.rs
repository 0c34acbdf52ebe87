//! `argocd-access restore`: takes back everything that was set, with the same engine as the operator, and drops the finalizers. The
//! objects stay as records.
//!
//! It is the chart's pre-delete Job, and the way out when the operator is gone. A running operator would set everything again, so its
//! Deployment is scaled to zero first, where it is named.

use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Args;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{ListParams, Patch, PatchParams};
use kube::core::{Selector, SelectorExt};
use kube::{Api, Client};
use serde_json::json;
use tokio::sync::Notify;

use super::{CliError, InstanceArgs, ServeArgs, connect};
use crate::api::FIELD_MANAGER;
use crate::cluster_io::events::{self, Events};
use crate::cluster_io::lease;
use crate::cluster_io::parsed::Parsed;
use crate::cluster_io::request;
use crate::cluster_io::snapshot::{
    AgentWatches, ClusterWatches, ExecWatches, HubWatches, InstanceWatches, LiveWatches, PrincipalWatches, RemoteWatches,
};
use crate::config::{Config, InstanceConfig, ServerRoles};
use crate::controller::Serve;
use crate::controller::agent::AgentKeeper;
use crate::controller::clusters;
use crate::controller::exec::ExecKeeper;
use crate::controller::keeper::Keeper;
use crate::controller::principal::PrincipalKeeper;
use crate::controller::round::{Rounds, Verdict};
use crate::metrics::Metrics;

/// The arguments of `restore`.
#[derive(Debug, Args)]
pub struct RestoreArgs {
    #[command(flatten)]
    serve: ServeArgs,
    #[command(flatten)]
    instance: InstanceArgs,
    /// Take back all of the instance's access. Required, so that nobody does it by accident.
    #[arg(long)]
    all: bool,
    /// Wait until everything is taken back.
    #[arg(long)]
    wait: bool,
    /// Scale this Deployment of the operator to zero first.
    #[arg(long)]
    operator_deployment: Option<String>,
    /// How long to wait.
    #[arg(long, default_value = "120s", value_parser = duration)]
    timeout: Duration,
}

/// Reads a duration.
///
/// # Errors
/// What it may be.
pub fn duration(text: &str) -> Result<Duration, String> {
    crate::ingress::parse_duration(text).map(Duration::from_secs).ok_or_else(|| "hours, minutes and seconds, such as 90s or 2m".to_owned())
}

/// Takes everything back.
///
/// # Errors
/// When something could not be taken back in time; what, and what to do.
pub async fn restore(args: RestoreArgs) -> Result<(), CliError> {
    if !args.all {
        return Err(CliError::Usage(match args.serve.serve {
            Serve::Access => "say --all: restore takes back the access of every ExecAccess and LiveResourceAccess of the instance",
            Serve::Clusters => "say --all: restore takes back what every ClusterAccess of the instance has given",
        }));
    }
    let (client, namespace) = connect().await?;
    let mut config = args.instance.load(&namespace)?;
    if args.instance.config.is_none() {
        // Which of the two it was is not known without the configuration, and taking back is safe in both: argocd-server's own roles are
        // looked at under their usual names.
        config.instances.iter_mut().for_each(|instance| instance.server_roles = ServerRoles::InPlace);
    }
    // What was given is taken back whether or not it would be given now; only what is served is looked at.
    config.instances.iter_mut().for_each(|instance| instance.cluster_access.enabled = true);
    let deadline = Instant::now() + args.timeout;
    if let Some(name) = &args.operator_deployment {
        stop_operator(&client, args.instance.namespace.as_deref().unwrap_or(&namespace), name, deadline).await?;
    }
    let told = Events::start(client.clone(), "argocd-access-restore", None);
    let ended = match args.serve.serve {
        Serve::Access => restore_access(&client, &args, &config, &told, deadline).await,
        Serve::Clusters => restore_clusters(&client, &args, &config, &told, deadline).await,
    };
    told.flush(events::AT_THE_END).await;
    let left: Vec<String> = ended.into_iter().filter_map(|one| one.err().map(|e| e.to_string())).collect();
    if !left.is_empty() {
        return Err(CliError::Restore(left.join("\n")));
    }
    for instance in &config.instances {
        // It gives nobody anything; that it stays is no failure.
        if let Err(error) = lease::remove(&client, &instance.namespace, args.serve.serve.lease()).await {
            tracing::info!(instance = instance.namespace, error = %error.chain(), "the Lease stays");
        }
    }
    Ok(())
}

type Ended = Vec<Result<(), CliError>>;

async fn restore_access(client: &Client, args: &RestoreArgs, config: &Config, events: &Events, deadline: Instant) -> Ended {
    let cluster = Arc::new(ClusterWatches::start(client, &[], &[]));
    // All at once: an instance that cannot be restored must not keep the others from it, nor one resource the other.
    let one = |instance: &InstanceConfig| {
        let around = Arc::new(InstanceWatches::start(client, instance.clone(), Arc::clone(&cluster), &Vec::new()));
        let told: [Arc<Notify>; 3] = Default::default();
        let [mine, agents, principal] = &told;
        let exec = ExecWatches::start(client, Arc::clone(&around), args.instance.exec_cluster_role.clone(), mine);
        let live = Arc::new(LiveWatches::start(client, around, &vec![Arc::clone(agents), Arc::clone(principal)]));
        let agent = AgentWatches::start(client, Arc::clone(&live), args.instance.shipped(), agents);
        let hub = PrincipalKeeper::new(PrincipalWatches::start(client, live, principal), client, principal);
        let deadline = if args.wait { deadline } else { Instant::now() + Duration::from_secs(20) };
        let (exec, agent, hub) =
            (rounds(client, ExecKeeper::new(exec), events), rounds(client, AgentKeeper::new(agent), events), rounds(client, hub, events));
        async move {
            let [mine, agents, principal] = &told;
            let ended = tokio::join!(withdraw(exec, mine, deadline), withdraw(agent, agents, deadline), withdraw(hub, principal, deadline));
            <[_; 3]>::from(ended)
        }
    };
    futures::future::join_all(config.instances.iter().map(one)).await.into_iter().flatten().collect()
}

/// Each remote cluster by itself: one that does not answer must not keep the others.
async fn restore_clusters(client: &Client, args: &RestoreArgs, config: &Config, events: &Events, deadline: Instant) -> Ended {
    let told: Arc<Notify> = Arc::default();
    let hub = Arc::new(HubWatches::start(client, &vec![Arc::clone(&told)]));
    let deadline = if args.wait { deadline } else { Instant::now() + Duration::from_secs(20) };
    let mut all = Vec::new();
    for instance in &config.instances {
        let watches = Arc::new(RemoteWatches::start(client, instance.clone(), Arc::clone(&hub), &vec![Arc::clone(&told)]));
        match clusters::all(client, &watches, deadline).await {
            Some(keepers) => all.extend(keepers),
            None => return vec![Err(CliError::Restore(format!("the ClusterAccess objects in {} cannot be seen", instance.namespace)))],
        }
    }
    let one = async |keeper| Box::pin(withdraw(rounds(client, keeper, events), &told, deadline)).await;
    futures::future::join_all(all.into_iter().map(one)).await
}

fn rounds<K: Keeper>(client: &Client, keeper: K, events: &Events) -> Rounds<K> {
    Rounds::new(client.clone(), keeper, events.clone(), Arc::new(Metrics::default())).withdrawing()
}

/// Makes rounds until nothing is held any more.
async fn withdraw<K: Keeper>(mut rounds: Rounds<K>, touched: &Notify, deadline: Instant) -> Result<(), CliError> {
    loop {
        let verdict = if rounds.settled() { rounds.round().await } else { Verdict::Waiting };
        let held = rounds.left().map(|left| left.held);
        if verdict == Verdict::Quiet && held == Some(0) {
            tracing::info!(instance = rounds.namespace(), kind = K::NAME, "everything is taken back");
            return Ok(());
        }
        if Instant::now() > deadline {
            let (_, kind, _) = K::KIND.names();
            let held = held.map_or_else(|| format!("the {kind} objects cannot be seen"), |n| format!("{n} {kind} object(s) still hold something"));
            let message = format!(
                "not everything could be taken back in {}: {held}; their status says what. The annotation argocd-access.dev/abandon=\"true\" on one of them lets it go and leaves that behind",
                rounds.namespace()
            );
            return Err(CliError::Restore(message));
        }
        tokio::select! {
            () = touched.notified() => tokio::time::sleep(Duration::from_millis(50)).await,
            () = tokio::time::sleep(Duration::from_millis(500)) => {}
        }
    }
}

/// Scales the operator to zero and waits until its pods are gone: it would set everything again.
async fn stop_operator(client: &Client, namespace: &str, name: &str, deadline: Instant) -> Result<(), CliError> {
    let deployments: Api<Parsed<Deployment>> = Api::namespaced(client.clone(), namespace);
    let failed = |e: crate::cluster_io::RequestError| CliError::Restore(e.chain());
    let read = request(format!("read Deployment {namespace}/{name}"), deployments.get_opt(name));
    let Some(Parsed(deployment)) = read.await.map_err(failed)? else { return Ok(()) };
    let params = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
    let zero = Patch::Merge(json!({"spec": {"replicas": 0}}));
    request(format!("scale Deployment {namespace}/{name} to zero"), deployments.patch_scale(name, &params, &zero)).await.map_err(failed)?;
    let selector = deployment.spec.as_ref().map(|s| s.selector.clone()).unwrap_or_default();
    let selector = Selector::try_from(selector)
        .map_err(|e| CliError::Restore(format!("Deployment {namespace}/{name} has a selector that cannot be read: {e}")))?;
    let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
    loop {
        let list = request("list the operator's pods", pods.list_metadata(&ListParams::default())).await.map_err(failed)?;
        let empty = std::collections::BTreeMap::new();
        let left = list.items.iter().filter(|p| selector.matches(p.metadata.labels.as_ref().unwrap_or(&empty))).count();
        if left == 0 {
            return Ok(());
        }
        if Instant::now() > deadline {
            return Err(CliError::Restore(format!(
                "{left} pod(s) of Deployment {namespace}/{name} are still there; restore needs the operator to be gone"
            )));
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
}
