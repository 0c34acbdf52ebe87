//! A hub with an Argo CD and the operator, and a remote cluster of the test's own.

use std::path::PathBuf;
use std::time::Duration;

use argocd_access::api::{ClusterAccess, ClusterAccessStatus};
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::api::rbac::v1::{ClusterRoleBinding, RoleBinding};
use kube::api::{DeleteParams, ListParams, Patch, PatchParams};
use kube::{Api, Client, ResourceExt};
use serde_json::{Value, json};

use crate::support::chart::{self, Release};
use crate::support::process::run;
use crate::support::{ControlPlane, Kubernetes, eventually, eventually::that, manifests, reaper};

/// Long enough for anything that is to happen soon.
pub const SOON: Duration = Duration::from_secs(45);
/// The cluster's name in Argo CD.
pub const CLUSTER: &str = "prod";

/// It.
pub struct Bench {
    pub hub: &'static ControlPlane,
    pub remote: ControlPlane,
    pub namespace: String,
    /// A namespace of the remote cluster.
    pub shop: String,
    pub release: Release,
}

/// A remote cluster of the test's own, in which tokens live an hour at most.
pub async fn remote() -> ControlPlane {
    let start = || ControlPlane::start_with(Kubernetes::V1_34, &["--service-account-max-token-expiration=1h"]);
    tokio::task::spawn_blocking(start).await.unwrap().unwrap_or_else(|message| panic!("{message}"))
}

impl Bench {
    /// With one cluster listed, and the remote cluster bootstrapped for the declaration of [`Self::spec`].
    pub async fn new() -> Self {
        let bench = Self::bare("clusterAccess: {enabled: true, clusters: [prod]}").await;
        bench.bootstrap(&bench.spec()).await;
        bench
    }

    /// With these values of the chart, and nothing done in the remote cluster.
    pub async fn bare(values: &str) -> Self {
        let hub = ControlPlane::shared(Kubernetes::V1_36).await;
        let (remote, namespace) = tokio::join!(remote(), hub.instance("team"));
        let shop = remote.namespace("shop").await;
        let release = chart::install(hub, &namespace, values).await;
        let bench = Self { hub, remote, namespace, shop, release };
        bench.set("argocd-cm", "resource.respectRBAC", Some("strict")).await;
        bench
    }

    /// A minimal declaration: workloads in one namespace.
    pub fn spec(&self) -> Value {
        json!({
            "name": CLUSTER, "server": self.remote.server,
            "permissions": {"namespaces": {"names": [self.shop]}},
        })
    }

    fn object(&self, spec: &Value) -> Value {
        json!({"apiVersion": "argocd-access.dev/v1alpha1", "kind": "ClusterAccess", "metadata": {"name": CLUSTER, "namespace": self.namespace}, "spec": spec})
    }

    /// Sets or removes a key of a ConfigMap of the instance.
    pub async fn set(&self, config_map: &str, key: &str, value: Option<&str>) {
        let api = Api::<k8s_openapi::api::core::v1::ConfigMap>::namespaced(self.hub.client(), &self.namespace);
        api.patch(config_map, &PatchParams::default(), &Patch::Merge(json!({"data": {key: value}}))).await.unwrap();
    }

    fn file(&self, spec: &Value) -> PathBuf {
        let file = self.remote.folder().join("declared.yaml");
        std::fs::write(&file, self.object(spec).to_string()).unwrap();
        file
    }

    /// What the program prints for the remote cluster's administrator.
    pub async fn printed(&self, spec: &Value, arguments: &[&str]) -> String {
        let mut command = reaper::command(env!("CARGO_BIN_EXE_argocd-access"));
        command.env_clear().env("HOME", "/nonexistent").args(["cluster", "bootstrap", CLUSTER, "-f"]).arg(self.file(spec));
        command.arg("--kubeconfig").arg(self.remote.kubeconfig_admin()).args(arguments);
        run(command).await.success()
    }

    /// Bootstraps the remote cluster, and gives the hub the operator's credential for it.
    pub async fn bootstrap(&self, spec: &Value) {
        self.bootstrap_rights(spec).await;
        self.bootstrap_credential(spec).await;
    }

    /// Applies what the bootstrap prints in the remote cluster.
    pub async fn bootstrap_rights(&self, spec: &Value) {
        self.bootstrap_rights_by(spec, &[]).await;
    }

    async fn bootstrap_rights_by(&self, spec: &Value, arguments: &[&str]) {
        let file = self.remote.folder().join("bootstrap.yaml");
        std::fs::write(&file, self.printed(spec, arguments).await).unwrap();
        self.remote.kubectl(&["apply", "--server-side", "--force-conflicts", "-f", file.to_str().unwrap()]).await.success();
    }

    /// Applies the Secret that the bootstrap prints in the hub.
    pub async fn bootstrap_credential(&self, spec: &Value) {
        self.bootstrap_credential_by(spec, &[]).await;
    }

    async fn bootstrap_credential_by(&self, spec: &Value, arguments: &[&str]) {
        let text = self.printed(spec, &[&["--credential"], arguments].concat()).await;
        manifests::apply_text(&self.hub.client(), &self.namespace, &text).await;
    }

    /// Bootstraps it where the object names another address than the administrator's kubeconfig.
    pub async fn bootstrap_elsewhere(&self, spec: &Value) {
        self.bootstrap_rights_by(spec, &["--server-differs"]).await;
        self.bootstrap_credential_by(spec, &["--server-differs"]).await;
    }

    pub fn accesses(&self) -> Api<ClusterAccess> {
        Api::namespaced(self.hub.client(), &self.namespace)
    }

    /// Applies the declaration.
    pub async fn declare(&self, spec: &Value) {
        self.accesses().patch(CLUSTER, &PatchParams::apply("test").force(), &Patch::Apply(&self.object(spec))).await.unwrap();
    }

    /// Applies an Application of the project shop with this destination.
    pub async fn application(&self, name: &str, destination: &Value) {
        self.application_in(&self.namespace, name, destination).await;
    }

    /// Applies one in another namespace of the hub.
    pub async fn application_in(&self, namespace: &str, name: &str, destination: &Value) {
        let object = json!({
            "apiVersion": "argoproj.io/v1alpha1", "kind": "Application", "metadata": {"name": name, "namespace": namespace},
            "spec": {"project": "shop", "source": {"repoURL": "https://example.invalid/x.git", "path": "."}, "destination": destination},
        });
        manifests::apply_one(&self.hub.client(), namespace, &serde_json::from_value(object).unwrap(), "test").await;
    }

    /// Sets or removes an annotation of the object.
    pub async fn annotate(&self, key: &str, value: Option<&str>) {
        let patch = Patch::Merge(json!({"metadata": {"annotations": {key: value}}}));
        self.accesses().patch(CLUSTER, &PatchParams::default(), &patch).await.unwrap();
    }

    pub async fn status(&self) -> ClusterAccessStatus {
        self.accesses().get(CLUSTER).await.unwrap().status.unwrap_or_default()
    }

    /// Waits until a condition has this status and reason, for the present generation.
    pub async fn condition(&self, kind: &str, status: &str, reason: &str) -> ClusterAccessStatus {
        self.condition_within(SOON, kind, status, reason).await
    }

    /// The same, for what takes longer.
    pub async fn condition_within(&self, limit: Duration, kind: &str, status: &str, reason: &str) -> ClusterAccessStatus {
        eventually(&format!("{kind} is {status}/{reason}"), limit, || async {
            let access = self.accesses().get(CLUSTER).await.map_err(|e| e.to_string())?;
            let found = access.status.clone().unwrap_or_default();
            let current = found.observed_generation == access.metadata.generation;
            let said = found.conditions.iter().find(|c| c.type_ == kind);
            that(current && said.is_some_and(|c| c.status == status && c.reason == reason), || self.seen(&found))?;
            Ok::<_, String>(found)
        })
        .await
    }

    fn seen(&self, found: &ClusterAccessStatus) -> String {
        let all: Vec<String> = found.conditions.iter().map(|c| format!("{} {}/{}: {}", c.type_, c.status, c.reason, c.message)).collect();
        format!("{all:#?}\n{:#?}\n{:#?}\n{}", found.missing, found.namespaces, self.log())
    }

    /// What the process that serves remote clusters printed last.
    pub fn log(&self) -> String {
        let all = self.release.kubelet.operators();
        let mine = all.iter().filter(|operator| operator.arguments.iter().any(|argument| argument.contains("clusters")));
        let text: String = mine.map(crate::support::kubelet::Container::log).collect();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(60)..].join("\n")
    }

    /// Waits until everything is in place and proven.
    pub async fn ready(&self) -> ClusterAccessStatus {
        self.condition("Ready", "True", "Ready").await
    }

    pub async fn delete(&self) {
        self.accesses().delete(CLUSTER, &DeleteParams::default()).await.unwrap();
    }

    /// Waits until the object is gone.
    pub async fn gone(&self) {
        eventually("the object is gone", SOON, || async {
            let left = self.accesses().get_opt(CLUSTER).await.map_err(|e| e.to_string())?;
            that(left.is_none(), || self.seen(&left.and_then(|access| access.status).unwrap_or_default()))
        })
        .await;
    }

    /// A Secret of the instance.
    pub async fn secret(&self, name: &str) -> Option<Secret> {
        Api::<Secret>::namespaced(self.hub.client(), &self.namespace).get_opt(name).await.unwrap()
    }

    /// Argo CD's cluster Secret of the operator's own.
    pub async fn cluster_secret(&self) -> Option<Secret> {
        self.secret(&format!("argocd-access-cluster-{CLUSTER}")).await
    }

    /// A client that comes as Argo CD would: with what the cluster Secret holds.
    pub async fn argocd(&self) -> Client {
        let secret = self.cluster_secret().await.expect("the cluster Secret is there");
        self.client_with(&token(&secret))
    }

    /// A client of the remote cluster with a token.
    pub fn client_with(&self, token: &str) -> Client {
        let kubeconfig = std::fs::read_to_string(self.remote.kubeconfig_admin()).unwrap();
        let kubeconfig: Value = serde_json::from_str(&kubeconfig).unwrap();
        let authority = std::fs::read(kubeconfig["clusters"][0]["cluster"]["certificate-authority"].as_str().unwrap()).unwrap();
        let mut config = kube::Config::new(self.remote.server.parse().unwrap());
        config.root_cert = Some(pem(&authority));
        config.auth_info.token = Some(token.to_owned().into());
        Client::try_from(config).unwrap()
    }

    /// Every object of the operator's in the remote cluster, as `Kind namespace/name`.
    pub async fn there(&self) -> Vec<String> {
        let client = self.remote.client();
        let ours = ListParams::default().labels("argocd-access.dev/owner");
        let bindings = Api::<RoleBinding>::all(client.clone()).list(&ours).await.unwrap();
        let wide = Api::<ClusterRoleBinding>::all(client.clone()).list(&ours).await.unwrap();
        let secrets = Api::<Secret>::all(client).list(&ours).await.unwrap();
        let mut all: Vec<String> = bindings.iter().map(|b| format!("RoleBinding {}/{}", b.namespace().unwrap(), b.name_any())).collect();
        all.extend(wide.iter().map(|b| format!("ClusterRoleBinding {}", b.name_any())));
        all.extend(secrets.iter().map(|s| format!("Secret {}/{}", s.namespace().unwrap(), s.name_any())));
        all.sort();
        all.into_iter().map(|one| one.replace(&self.shop, "shop")).collect()
    }
}

/// Waits until a look sees what is expected.
#[track_caller]
pub fn becomes<T, L>(what: &str, limit: Duration, expected: T, look: L) -> impl Future<Output = ()>
where
    T: PartialEq + std::fmt::Debug,
    L: AsyncFn() -> T,
{
    let what = what.to_owned();
    let at = std::panic::Location::caller();
    async move {
        eventually(&format!("{what} (asked at {at})"), limit, async || {
            let seen = look().await;
            that(seen == expected, || format!("seen: {seen:#?}\nexpected: {expected:#?}"))
        })
        .await;
    }
}

fn pem(authority: &[u8]) -> Vec<Vec<u8>> {
    use rustls::pki_types::{CertificateDer, pem::PemObject};
    CertificateDer::pem_slice_iter(authority).map(|der| der.unwrap().to_vec()).collect()
}

/// A value of a Secret as text.
pub fn value(secret: &Secret, key: &str) -> Option<String> {
    secret.data.as_ref()?.get(key).map(|value| String::from_utf8(value.0.clone()).unwrap())
}

/// The credential in a cluster Secret.
pub fn config(secret: &Secret) -> Value {
    serde_json::from_str(&value(secret, "config").expect("the Secret has a config")).unwrap()
}

/// The token in it.
pub fn token(secret: &Secret) -> String {
    config(secret)["bearerToken"].as_str().expect("a token").to_owned()
}
