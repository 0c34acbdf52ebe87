//! `argocd-access restore`: takes back everything that was set, with the same engine as the operator, and drops the finalizers. The
//! ExecAccess objects stay as records.
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
use kube::runtime::events::{Recorder, Reporter};
use kube::{Api, Client};
use serde_json::json;
use tokio::sync::Notify;

use super::{CliError, InstanceArgs, connect};
use crate::api::FIELD_MANAGER;
use crate::cluster_io::lease;
use crate::cluster_io::request;
use crate::cluster_io::snapshot::{ClusterWatches, InstanceWatches};
use crate::config::{InstanceConfig, ServerRoles};
use crate::controller::round::{Rounds, Verdict};
use crate::metrics::Metrics;

/// The arguments of `restore`.
#[derive(Debug, Args)]
pub struct RestoreArgs {
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
        return Err(CliError::Usage("say --all: restore takes back the access of every ExecAccess of the instance"));
    }
    let (client, namespace) = connect().await?;
    let mut config = args.instance.load(&namespace)?;
    if args.instance.config.is_none() {
        // Which of the two it was is not known without the configuration, and taking back is safe in both: argocd-server's own roles are
        // looked at under their usual names.
        config.instances.iter_mut().for_each(|instance| instance.server_roles = ServerRoles::InPlace);
    }
    let deadline = Instant::now() + args.timeout;
    if let Some(name) = &args.operator_deployment {
        stop_operator(&client, args.instance.namespace.as_deref().unwrap_or(&namespace), name, deadline).await?;
    }
    let touched: Vec<Arc<Notify>> = config.instances.iter().map(|_| Arc::new(Notify::new())).collect();
    let cluster = Arc::new(ClusterWatches::start(&client, &touched));
    // All at once: an instance that cannot be restored must not keep the others from it.
    let one = |(instance, touched): (&InstanceConfig, &Arc<Notify>)| {
        let watches = InstanceWatches::start(&client, instance.clone(), args.instance.exec_cluster_role.clone(), Arc::clone(&cluster), touched);
        let recorder = Recorder::new(client.clone(), Reporter { controller: "argocd-access-restore".to_owned(), instance: None });
        let rounds = Rounds::new(client.clone(), watches, recorder, Arc::new(Metrics::default())).withdrawing();
        let touched = Arc::clone(touched);
        async move { withdraw(rounds, &touched, if args.wait { deadline } else { Instant::now() + Duration::from_secs(20) }).await }
    };
    let ended = futures::future::join_all(config.instances.iter().zip(&touched).map(one)).await;
    let left: Vec<String> = ended.into_iter().filter_map(|one| one.err().map(|e| e.to_string())).collect();
    if !left.is_empty() {
        return Err(CliError::Restore(left.join("\n")));
    }
    for instance in &config.instances {
        // It gives nobody anything; that it stays is no failure.
        if let Err(error) = lease::remove(&client, &instance.namespace).await {
            tracing::info!(instance = instance.namespace, error = %error.chain(), "the Lease stays");
        }
    }
    Ok(())
}

/// Makes rounds until nothing is held any more.
async fn withdraw(mut rounds: Rounds, touched: &Notify, deadline: Instant) -> Result<(), CliError> {
    loop {
        let verdict = if rounds.settled() { rounds.round().await } else { Verdict::Waiting };
        let held = rounds.left().map(|left| left.held);
        if verdict == Verdict::Quiet && held == Some(0) {
            tracing::info!(instance = rounds.namespace(), "everything is taken back");
            return Ok(());
        }
        if Instant::now() > deadline {
            let held =
                held.map_or_else(|| "the ExecAccess objects cannot be seen".to_owned(), |n| format!("{n} ExecAccess object(s) still hold something"));
            let message = format!(
                "not everything could be taken back in {}: {held}; their status says what. The annotation argocd-access.dev/abandon=\"true\" on an ExecAccess lets it go and leaves that behind",
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
    let deployments: Api<Deployment> = Api::namespaced(client.clone(), namespace);
    let failed = |e: crate::cluster_io::RequestError| CliError::Restore(e.chain());
    let read = request(format!("read Deployment {namespace}/{name}"), deployments.get_opt(name));
    let Some(deployment) = read.await.map_err(failed)? else { return Ok(()) };
    let params = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
    let zero = Patch::Merge(json!({"spec": {"replicas": 0}}));
    request(format!("scale Deployment {namespace}/{name} to zero"), deployments.patch_scale(name, &params, &zero)).await.map_err(failed)?;
    let selector = deployment.spec.map(|s| s.selector).unwrap_or_default();
    let selector = Selector::try_from(selector)
        .map_err(|e| CliError::Restore(format!("Deployment {namespace}/{name} has a selector that cannot be read: {e}")))?;
    let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
    loop {
        let list = request("list the operator's pods", pods.list(&ListParams::default())).await.map_err(failed)?;
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
