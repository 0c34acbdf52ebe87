//! The world as the cluster of a kubeconfig shows it: one look, with the caller's own rights.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use super::{PlanArgs, PlanError};
use crate::cli::{CliError, connect_to};
use crate::cluster_io::recent::Recent;
use crate::cluster_io::request;
use crate::cluster_io::snapshot::{ClusterWatches, ExecWatches, InstanceWatches, Outside};
use crate::config::InstanceConfig;
use crate::exec::World;

/// So long it may take until everything is listed.
const PATIENCE: Duration = Duration::from_secs(30);

/// Looks at the instance.
pub async fn world(args: &PlanArgs) -> Result<(InstanceConfig, World), CliError> {
    let (client, namespace) = connect_to(args.against.as_deref(), args.context.as_deref()).await?;
    let config = args.instance.load(&namespace)?;
    let instance = config.instances.first().cloned().ok_or(CliError::Usage("the configuration names no instance"))?;
    let touched = Arc::new(Notify::new());
    let cluster = Arc::new(ClusterWatches::start(&client, std::slice::from_ref(&touched), &[]));
    let around = Arc::new(InstanceWatches::start(&client, instance.clone(), cluster, &vec![Arc::clone(&touched)]));
    let watches = ExecWatches::start(&client, around, args.instance.exec_cluster_role.clone(), &touched);
    let began = Instant::now();
    while !watches.settled() {
        if began.elapsed() > PATIENCE {
            let late: Vec<&str> = watches.probes().iter().filter(|p| !p.health().settled()).map(|p| p.kind).collect();
            return Err(PlanError::Cluster(format!("no list of {} within {} s", late.join(", "), PATIENCE.as_secs())).into());
        }
        tokio::select! {
            () = touched.notified() => {}
            () = tokio::time::sleep(Duration::from_millis(100)) => {}
        }
    }
    let version = request("ask for the API server's version", client.apiserver_version()).await.map_err(|e| PlanError::Cluster(e.chain()))?;
    let outside = Outside { kubernetes_version: Some(version.git_version), ..Outside::default() };
    let world = watches.world(&mut Recent::default(), outside).map_err(|not_seen| PlanError::Cluster(not_seen.to_string()))?;
    Ok((instance, world))
}
