//! `argocd-access run`: the operator itself.

use std::net::SocketAddr;

use clap::Args;
use tokio::sync::watch;

use super::{CliError, InstanceArgs, ServeArgs, asked_to_end, connect_by};
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

/// Runs until SIGTERM or SIGINT; a round that has begun is finished.
///
/// # Errors
/// When the configuration is wrong, the cluster cannot be found, or a loop ends.
pub async fn run(args: RunArgs) -> Result<(), CliError> {
    // Rounds, watches and the Lease each have pauses of their own, and what fails is to be seen.
    let (client, namespace) = connect_by(false).await?;
    let config = args.instance.load(&namespace)?;
    let settings = Settings { serve: args.serve.serve, config, shipped: args.instance.shipped(), listen: args.listen, pod: args.pod_name };
    let (stop, stopped) = watch::channel(false);
    let mut running = tokio::spawn(controller::run(client, settings, stopped));
    tokio::select! {
        ended = &mut running => ended.map_err(|e| controller::RunError::Ended(e.to_string()))??,
        signal = asked_to_end() => {
            signal?;
            tracing::info!("asked to end; finishing what has begun");
            // Nobody listening means that it has ended already.
            let _ = stop.send(true);
            running.await.map_err(|e| controller::RunError::Ended(e.to_string()))??;
        }
    }
    Ok(())
}
