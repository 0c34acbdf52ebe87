//! `argocd-access run`: the operator itself.

use std::net::SocketAddr;

use clap::Args;
use tokio::sync::watch;

use super::{CliError, InstanceArgs, ServeArgs, asked_to_end, authorities, client_of, cluster};
use crate::controller::{self, Settings};

/// The arguments of `run`.
#[derive(Debug, Args)]
pub struct RunArgs {
    #[command(flatten)]
    serve: ServeArgs,
    #[command(flatten)]
    instance: InstanceArgs,
    /// Where /livez, /readyz and /metrics are served.
    #[arg(long, env = "ARGOCD_ACCESS_LISTEN", default_value = "0.0.0.0:8080")]
    listen: SocketAddr,
    /// The name of the operator's Pod, for Events.
    #[arg(long, env = "ARGOCD_ACCESS_POD_NAME")]
    pod_name: Option<String>,
}

/// Runs until SIGTERM or SIGINT, or until the cluster has other authorities; a round that has begun is finished.
///
/// # Errors
/// When the configuration is wrong, the cluster cannot be found, or a loop ends.
pub async fn run(args: RunArgs) -> Result<(), CliError> {
    let mut cluster = cluster().await?;
    // kube would send a request again that the API server has no time for, without a word and for up to minutes. Rounds, watches and the
    // Lease each have pauses of their own, and what fails is to be seen.
    cluster.default_retry = false;
    let known = cluster.root_cert.clone().unwrap_or_default();
    let (client, namespace) = client_of(cluster)?;
    let config = args.instance.load(&namespace)?;
    let settings = Settings { serve: args.serve.serve, config, shipped: args.instance.shipped(), listen: args.listen, pod: args.pod_name };
    let (stop, stopped) = watch::channel(false);
    let mut running = tokio::spawn(controller::run(client, settings, stopped));
    let why = tokio::select! {
        ended = &mut running => return Ok(ended.map_err(|e| controller::RunError::Ended(e.to_string()))??),
        signal = asked_to_end() => signal.map(|()| "asked to end")?,
        () = authorities::replaced(&known) => "the cluster has other certificate authorities, with which this process has to be started again",
    };
    tracing::info!("{why}; finishing what has begun");
    // Nobody listening means that it has ended already.
    let _ = stop.send(true);
    Ok(running.await.map_err(|e| controller::RunError::Ended(e.to_string()))??)
}
