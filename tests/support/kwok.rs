//! kwok: one fake node whose Pods run at once, have one line in their logs, and where `exec` starts a real program of this machine.

use std::{path::Path, time::Duration};

use k8s_openapi::api::core::v1::Node;
use kube::Api;

use super::{
    ControlPlane,
    eventually::{eventually, that},
    manifests,
    process::{Process, free_port, wait_for_port},
    tools,
};

/// The name of the fake node: a Pod with `spec.nodeName` set to it runs.
pub const NODE: &str = "kwok";
/// The one line in the log of every container.
pub const LOG: &str = "ready";

/// A running kwok.
pub struct Kwok {
    _process: Process,
}

impl ControlPlane {
    /// Makes sure that the fake node is there and ready.
    pub async fn with_kwok(&'static self) {
        self.kwok.get_or_init(|| self.prepare_kwok()).await;
    }

    async fn prepare_kwok(&'static self) -> Kwok {
        let client = self.client();
        let definitions = manifests::read_folder(&tools::path("kwok-crds"), ".yaml");
        manifests::apply_definitions(&client, &definitions).await;
        let mut objects = manifests::read_folder(&tools::path("kwok-node-stages"), "-initialize.yaml");
        for stage in ["-ready.yaml", "-complete.yaml", "-delete.yaml"] {
            objects.extend(manifests::read_folder(&tools::path("kwok-pod-stages"), stage));
        }
        let shells = self.folder().join("shells");
        std::fs::create_dir_all(&shells).expect("make a folder for the shells");
        let logs = shells.join("container.log");
        // As a container runtime writes it.
        std::fs::write(&logs, format!("2026-06-01T12:00:00.000000000Z stdout F {LOG}\n")).expect("write the log of the containers");
        objects.extend(manifests::parse(&format!(
            "
apiVersion: kwok.x-k8s.io/v1alpha1
kind: ClusterExec
metadata: {{ name: local }}
spec: {{ execs: [{{ local: {{ workDir: '{}' }} }}] }}
---
apiVersion: kwok.x-k8s.io/v1alpha1
kind: ClusterLogs
metadata: {{ name: local }}
spec: {{ logs: [{{ logsFile: '{}' }}] }}
---
apiVersion: v1
kind: Node
metadata: {{ name: {NODE}, annotations: {{ kwok.x-k8s.io/node: fake }} }}
",
            shells.display(),
            logs.display()
        )));
        manifests::apply(&client, "", &objects).await;

        let kwok = tokio::task::spawn_blocking(|| self.start_kwok()).await.expect("the start of kwok").unwrap_or_else(|message| panic!("{message}"));
        let nodes = Api::<Node>::all(client);
        eventually("the fake node is ready", Duration::from_secs(20), || async {
            let node = nodes.get(NODE).await.map_err(|error| error.to_string())?;
            let conditions = node.status.unwrap_or_default().conditions.unwrap_or_default();
            let ready = conditions.iter().any(|c| c.type_ == "Ready" && c.status == "True");
            that(ready, || format!("{conditions:?}"))
        })
        .await;
        kwok
    }

    fn start_kwok(&self) -> Result<Kwok, String> {
        let port = free_port();
        let serving = self.authority.server("kwok", &[]);
        let path = |path: &Path| path.display().to_string();
        let arguments = [
            "--kubeconfig".to_owned(),
            path(&self.kubeconfig_admin()),
            "--manage-all-nodes=true".to_owned(),
            "--node-ip=127.0.0.1".to_owned(),
            format!("--node-port={port}"),
            format!("--server-address=127.0.0.1:{port}"),
            "--tls-cert-file".to_owned(),
            path(&serving.certificate),
            "--tls-private-key-file".to_owned(),
            path(&serving.key),
            "--enable-crds=Stage,ClusterExec,ClusterLogs".to_owned(),
        ];
        let log = self.folder().join("kwok.log");
        let folder = path(self.folder());
        let process = Process::start("kwok", &tools::path("kwok"), arguments, &[("HOME", &folder)], &log);
        wait_for_port(&process, port, Duration::from_secs(20))?;
        Ok(Kwok { _process: process })
    }
}
