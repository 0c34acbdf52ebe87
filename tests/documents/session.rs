//! What a reader of a page has: a cluster with Argo CD in the namespace `argocd`, this repository, kubectl and helm.
//!
//! One control plane for all pages, one page at a time, each in a fresh namespace `argocd`.

use std::{path::PathBuf, sync::LazyLock, time::Duration};

use tokio::sync::{Mutex, MutexGuard};

use crate::support::{
    ControlPlane, Kubernetes, edge, eventually,
    eventually::that,
    kubelet::Kubelet,
    manifests,
    process::{Finished, run},
    reaper, tools,
};

/// What the reader has done before the page begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Before {
    /// Argo CD is there.
    ArgoCd,
    /// An argocd-agent is there, too, with an Application that it serves.
    Agent,
    /// The kubeconfig has a context prod-eu as well: the administrator of a remote cluster, where there is a namespace shop.
    Remote,
    /// The chart is installed, too.
    Installed,
    /// And examples/team-exec.yaml is applied.
    Granted,
}

/// The reader of one page.
pub struct Session {
    cluster: &'static ControlPlane,
    kubelet: Kubelet,
    kubeconfig: PathBuf,
    /// It is there as long as the reader needs it.
    _remote: Option<ControlPlane>,
    _alone: MutexGuard<'static, ()>,
}

/// The namespaces that the pages name.
const NAMESPACES: [&str; 2] = ["argocd", "shop"];

/// An application of the project shop, as the pages speak of it.
const APPLICATION: &str = "
apiVersion: argoproj.io/v1alpha1
kind: Application
metadata: { name: web-1 }
spec:
  project: shop
  source: { repoURL: https://example.invalid/shop.git, path: . }
  destination: { server: https://kubernetes.default.svc, namespace: shop }
";

static ONE_PAGE: Mutex<()> = Mutex::const_new(());
/// Apart from the one that the other tests share: a page may remove the definition of ExecAccess.
static CLUSTER: LazyLock<Result<&'static ControlPlane, String>> =
    LazyLock::new(|| ControlPlane::start(Kubernetes::V1_36).map(|cluster| &*Box::leak(Box::new(cluster))));

impl Session {
    /// Prepares everything.
    pub async fn begin(before: Before) -> Self {
        let alone = ONE_PAGE.lock().await;
        let cluster = tokio::task::spawn_blocking(|| CLUSTER.clone()).await.unwrap().unwrap_or_else(|message| panic!("{message}"));
        clear(cluster).await;
        for namespace in NAMESPACES {
            cluster.kubectl(&["create", "namespace", namespace]).await.success();
            eventually("a new namespace has its default ServiceAccount", Duration::from_secs(20), || async {
                let found = cluster.kubectl(&["get", "serviceaccount", "default", "--namespace", namespace]).await;
                that(found.status.success(), || found.stderr.clone())
            })
            .await;
        }
        cluster.install_argocd("argocd").await;
        manifests::apply_text(&cluster.client(), "argocd", &[manifests::ARGOCD_INGRESS, APPLICATION].join("---")).await;
        let remote = if before == Before::Remote { Some(remote().await) } else { None };
        let kubeconfig = remote.as_ref().map_or_else(|| cluster.kubeconfig_admin(), |remote| both(cluster, remote));
        let session = Self { cluster, kubelet: Kubelet::start(cluster, "argocd"), kubeconfig, _remote: remote, _alone: alone };
        if before == Before::Agent {
            let resources = ["apps/Deployment/shop/web-1", "/Service/shop/web-1", "/Secret/shop/web-1"];
            let application = edge::application("web-1", "shop", &resources);
            let text = [edge::install("managed"), edge::project("shop"), application].join("\n---\n");
            manifests::apply_text(&cluster.client(), "argocd", &text).await;
        }
        if !matches!(before, Before::ArgoCd | Before::Agent | Before::Remote) {
            session.run("helm install argocd-access-operator charts/argocd-access-operator --namespace argocd --wait").await.success();
        }
        if before == Before::Granted {
            session.run("kubectl apply -f examples/team-exec.yaml").await.success();
            session.run("kubectl wait --for=condition=Ready exa/team-a -n argocd --timeout=60s").await.success();
        }
        session
    }

    /// Runs what the reader types, in the repository's root.
    pub async fn run(&self, script: &str) -> Finished {
        let operator = PathBuf::from(env!("CARGO_BIN_EXE_argocd-access"));
        let programs = [tools::path("kubectl"), tools::path("helm"), operator];
        let folders = programs.iter().map(|path| path.parent().unwrap().to_owned());
        let path = std::env::var_os("PATH").unwrap_or_default();
        let path = std::env::join_paths(folders.chain(std::env::split_paths(&path))).unwrap();
        let mut command = reaper::command("timeout");
        command.args(["240", "bash", "-euo", "pipefail", "-c", script]).current_dir(tools::repository());
        command.env("PATH", path).env("KUBECONFIG", &self.kubeconfig);
        for variable in ["HOME", "HELM_CACHE_HOME", "HELM_CONFIG_HOME", "HELM_DATA_HOME"] {
            command.env(variable, self.cluster.folder());
        }
        run(command).await
    }

    /// What the objects say of themselves.
    pub async fn conditions(&self) -> String {
        let each = r#"{range .items[*]}{.kind} {.metadata.name}{"\n"}{range .status.conditions[*]}  {.type} {.status}/{.reason}: {.message}{"\n"}{end}{end}"#;
        let said = self.cluster.kubectl(&["get", "exa,lra,cla", "--namespace", "argocd", "--output", &format!("jsonpath={each}")]).await;
        said.stdout
    }

    /// What the operator printed.
    pub fn operator_log(&self) -> String {
        self.kubelet.log()
    }
}

/// A remote cluster of the reader's.
async fn remote() -> ControlPlane {
    let start = || ControlPlane::start(Kubernetes::V1_34);
    let remote = tokio::task::spawn_blocking(start).await.unwrap().unwrap_or_else(|message| panic!("{message}"));
    remote.kubectl(&["create", "namespace", "shop"]).await.success();
    remote
}

/// A kubeconfig with the context of Argo CD's cluster, which is the current one, and one of the remote cluster.
fn both(hub: &ControlPlane, remote: &ControlPlane) -> PathBuf {
    let mut all = serde_json::json!({"apiVersion": "v1", "kind": "Config", "current-context": "hub", "clusters": [], "users": [], "contexts": []});
    for (name, cluster) in [("hub", hub), ("prod-eu", remote)] {
        let one: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(cluster.kubeconfig_admin()).unwrap()).unwrap();
        for (list, what) in [("clusters", "cluster"), ("users", "user")] {
            let entry = serde_json::json!({"name": name, what: one[list][0][what]});
            all[list].as_array_mut().unwrap().push(entry);
        }
        let context = serde_json::json!({"name": name, "context": {"cluster": name, "user": name}});
        all["contexts"].as_array_mut().unwrap().push(context);
    }
    let path = remote.folder().join("both.kubeconfig");
    std::fs::write(&path, all.to_string()).unwrap();
    path
}

/// Removes what the page before has left, also where it failed in the middle.
async fn clear(cluster: &ControlPlane) {
    let try_to = async |arguments: &[&str]| drop(cluster.kubectl(arguments).await);
    let _none_is_there = cluster.helm(&["uninstall", "argocd-access-operator", "--namespace", "argocd", "--no-hooks"]).await;
    let left = cluster.kubectl(&["get", "exa,lra,cla", "--namespace", "argocd", "--output=name"]).await.stdout;
    for name in left.lines() {
        try_to(&["patch", name, "--namespace", "argocd", "--type=merge", "--patch", r#"{"metadata":{"finalizers":null}}"#]).await;
    }
    for namespace in NAMESPACES {
        try_to(&["delete", "pods", "--all", "--namespace", namespace, "--force", "--grace-period=0"]).await;
        try_to(&["delete", "namespace", namespace, "--timeout=60s"]).await;
    }
}
