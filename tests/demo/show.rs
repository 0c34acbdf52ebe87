//! What the demo says: its steps with the time that has passed, commands with their output, and how to go on.

use std::{
    fmt::Write as _,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    sync::atomic::{AtomicUsize, Ordering},
    time::Instant,
};

use serde_json::Value;

use crate::{
    NAMESPACE,
    support::{ControlPlane, argocd::ArgoCd, tools},
};

/// Says something within a step.
pub fn line(text: &str) {
    println!("      {}", text.replace('\n', "\n      "));
}

/// Speaks to the person who said `make demo`.
pub struct Show {
    folder: PathBuf,
    steps: usize,
    step: AtomicUsize,
    began: Instant,
}

impl Show {
    /// With so many steps to come.
    pub fn new(folder: &Path, steps: usize) -> Self {
        Self { folder: folder.to_owned(), steps, step: AtomicUsize::new(0), began: Instant::now() }
    }

    /// Says what is begun now.
    pub fn step(&self, what: &str) {
        let number = self.step.fetch_add(1, Ordering::Relaxed) + 1;
        let seconds = self.began.elapsed().as_secs();
        println!("[{number}/{} at {}:{:02}] {what}", self.steps, seconds / 60, seconds % 60);
    }

    /// Runs kubectl and shows the command and what it printed.
    pub async fn command(&self, cluster: &ControlPlane, arguments: &[&str]) {
        let output = cluster.kubectl(arguments).await.success();
        line(&format!("$ kubectl {}\n{}", arguments.join(" "), output.trim_end()));
    }

    /// Shows the conditions of an `ExecAccess`, a line each.
    pub async fn conditions(&self, cluster: &ControlPlane, name: &str) {
        let json = cluster.kubectl(&["get", "exa", name, "--namespace", NAMESPACE, "--output=json"]).await.success();
        let object: Value = serde_json::from_str(&json).expect("kubectl prints JSON");
        let mut text = format!("conditions ('kubectl describe exa {name} -n {NAMESPACE}' shows them, and much more):");
        for condition in object["status"]["conditions"].as_array().into_iter().flatten() {
            let part = |key: &str| condition[key].as_str().unwrap_or_default();
            let _infallible = write!(text, "\n{:17} {:8} {:12} {}", part("type"), part("status"), part("reason"), part("message"));
        }
        line(&text);
    }

    /// Says how to look further, with the programs at hand for it.
    pub fn way_on(&self, cluster: &ControlPlane, argocd: &ArgoCd) {
        let programs = self.folder.join("bin");
        for (name, path) in [
            ("kubectl", tools::path("kubectl")),
            ("helm", tools::path("helm")),
            ("argocd", tools::path("argocd")),
            ("argocd-access", PathBuf::from(env!("CARGO_BIN_EXE_argocd-access"))),
        ] {
            symlink(path, programs.join(name)).expect("put a program into the demo's folder");
        }
        let kubeconfig = self.folder.join("kubeconfig");
        std::fs::copy(cluster.kubeconfig_admin(), &kubeconfig).expect("copy the kubeconfig");
        println!(
            "
It goes on running. To look further:

  export KUBECONFIG={kubeconfig} PATH={programs}:$PATH
  kubectl get exa -n {NAMESPACE}
  kubectl describe exa team-a -n {NAMESPACE}
  kubectl get configmap argocd-rbac-cm -n {NAMESPACE} -o yaml
  tests/demo/terminal alice          # a terminal into web-1; bob is refused
  kubectl delete exa team-a -n {NAMESPACE}   # and alice is refused, too

Argo CD answers at {argocd} (its interface for programs; the web interface is not part of this build).
The pods are those of a fake node: a terminal runs a shell of this machine, as you. Argo CD's own programs run beside the
cluster, so that their Deployment's pod stays Pending.

To end it and remove everything: make demo-down",
            kubeconfig = kubeconfig.display(),
            programs = programs.display(),
            argocd = argocd.url(),
        );
    }
}
