//! `ClusterAccess` on a real remote API server, of both versions: what the bootstrap lets the operator's ServiceAccount (the manager) do
//! there, asked with its own token.
//!
//! * [`command`]: what `argocd-access cluster bootstrap` prints, and the credential.
//! * [`manager`]: what the manager must be able to do, and what it must not.
//! * [`managed`]: what Argo CD may do by the roles, asked with its own token.
//! * [`wider`]: `authority: Manage`, and permissions in the whole cluster.
//! * [`facts`]: how Kubernetes itself behaves, as far as all of this rests on it.

mod command;
mod facts;
mod managed;
mod manager;
mod wider;

use std::process::Stdio;

use kube::api::{DynamicObject, Patch, PatchParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::sync::{Mutex, MutexGuard};

use crate::support::process::Finished;
use crate::support::{ControlPlane, Kubernetes, manifests, reaper};

/// The names of a bootstrap are fixed, so that one cluster has one at a time.
static V1_36: Mutex<()> = Mutex::const_new(());
static V1_34: Mutex<()> = Mutex::const_new(());

/// What the bootstrap makes and the tests make with it.
const KINDS: &str = "clusterrolebindings,rolebindings,clusterroles,roles,validatingadmissionpolicybindings,validatingadmissionpolicies,secrets";

/// A remote cluster, for one test alone.
pub struct Remote {
    pub cp: &'static ControlPlane,
    /// A namespace in which something is granted.
    pub shop: String,
    /// The object, as YAML.
    pub declared: String,
    _alone: MutexGuard<'static, ()>,
}

impl Remote {
    /// One without a bootstrap. `spec` is the spec without the server, as YAML in flow style; `SHOP` in it is the namespace.
    pub async fn new(version: Kubernetes, spec: &str) -> Self {
        let lock = match version {
            Kubernetes::V1_36 => &V1_36,
            Kubernetes::V1_34 => &V1_34,
        };
        let alone = lock.lock().await;
        let cp = ControlPlane::shared(version).await;
        for label in ["argocd-access.dev/bootstrap", "made-by=test"] {
            cp.kubectl(&["delete", KINDS, "--all-namespaces", "--ignore-not-found", "--selector", label]).await.success();
        }
        let shop = cp.namespace("shop").await;
        let mut remote = Self { cp, shop, declared: String::new(), _alone: alone };
        remote.declare(spec);
        remote
    }

    /// One that is bootstrapped.
    pub async fn bootstrapped(version: Kubernetes, spec: &str) -> Self {
        let remote = Self::new(version, spec).await;
        remote.apply_bootstrap().await;
        remote
    }

    pub fn declare(&mut self, spec: &str) {
        let spec = spec.replace("SHOP", &self.shop);
        self.declared = format!(
            "apiVersion: argocd-access.dev/v1alpha1\nkind: ClusterAccess\nmetadata: {{name: prod, namespace: argocd}}\nspec: {{server: '{}', {spec}}}\n",
            self.cp.server
        );
    }

    /// The command, with the declared object on its standard input.
    pub async fn command(&self, arguments: &[&str]) -> Finished {
        let mut command = reaper::command(env!("CARGO_BIN_EXE_argocd-access"));
        command.args(["cluster", "bootstrap", "prod", "-f", "-", "--kubeconfig"]).arg(self.cp.kubeconfig_admin()).args(arguments);
        command.env_remove("KUBECONFIG").env_remove("ARGOCD_ACCESS_NAMESPACE");
        with_input(command, &self.declared).await
    }

    /// Applies what the command prints as an administrator does.
    pub async fn apply_bootstrap(&self) {
        let text = self.command(&[]).await.success();
        let file = self.cp.folder().join(format!("bootstrap-{}.yaml", self.shop));
        std::fs::write(&file, text).unwrap();
        self.cp.kubectl(&["apply", "--server-side", "-f", file.to_str().unwrap()]).await.success();
    }

    /// The Secret for the hub.
    pub async fn credential(&self) -> Value {
        serde_yaml::from_str(&self.command(&["--credential"]).await.success()).unwrap()
    }

    /// The manager, by the credential that the operator would have.
    pub async fn manager(&self) -> Client {
        client_of(&self.credential().await).await
    }

    /// With another token.
    pub async fn with_token(&self, token: &str) -> Client {
        let mut secret = self.credential().await;
        secret["data"]["token"] = json!(k8s_openapi::ByteString(token.as_bytes().to_vec()));
        client_of(&secret).await
    }
}

/// A client of the server, by the authority and with the token that a manager's Secret holds.
pub async fn client_of(secret: &Value) -> Client {
    let text = |key: &str| -> String {
        let bytes: k8s_openapi::ByteString = serde_json::from_value(secret["data"][key].clone()).unwrap();
        String::from_utf8(bytes.0).unwrap()
    };
    let kubeconfig: Kubeconfig = serde_json::from_value(json!({
        "current-context": "remote",
        "contexts": [{"name": "remote", "context": {"cluster": "remote", "user": "remote"}}],
        "clusters": [{"name": "remote", "cluster": {"server": text("server"), "certificate-authority-data": secret["data"]["ca.crt"]}}],
        "users": [{"name": "remote", "user": {"token": text("token")}}],
    }))
    .unwrap();
    Client::try_from(Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.unwrap()).unwrap()
}

async fn with_input(mut command: std::process::Command, input: &str) -> Finished {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = tokio::process::Command::from(command).kill_on_drop(true).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).await.unwrap();
    child.wait_with_output().await.unwrap().into()
}

/// An object, from YAML in flow style.
pub fn object(text: &str) -> DynamicObject {
    let mut object: DynamicObject = serde_yaml::from_str(text).unwrap();
    object.metadata.labels.get_or_insert_default().insert("made-by".to_owned(), "test".to_owned());
    object
}

/// A binding as the operator makes it, or not quite.
pub fn binding(namespace: Option<&str>, name: &str, role: &str, subject: &str) -> DynamicObject {
    let (kind, place) = namespace.map_or(("ClusterRoleBinding", String::new()), |n| ("RoleBinding", format!(", namespace: {n}")));
    object(&format!(
        "{{apiVersion: rbac.authorization.k8s.io/v1, kind: {kind}, metadata: {{name: {name}{place}}},
          roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: {role}}}, subjects: [{subject}]}}"
    ))
}

/// Argo CD's ServiceAccount.
pub const MANAGED: &str = "{kind: ServiceAccount, name: argocd-managed, namespace: argocd-access}";

/// Applies an object as the operator does.
pub async fn apply(client: &Client, object: &DynamicObject) -> Result<DynamicObject, String> {
    apply_by(client, object, &PatchParams::apply("argocd-access").force()).await
}

/// The same, and nothing is changed by it: it is authorized and admitted as if.
pub async fn try_to_apply(client: &Client, object: &DynamicObject) -> Result<DynamicObject, String> {
    apply_by(client, object, &PatchParams::apply("argocd-access").force().dry_run()).await
}

async fn apply_by(client: &Client, object: &DynamicObject, parameters: &PatchParams) -> Result<DynamicObject, String> {
    let name = object.metadata.name.clone().unwrap();
    manifests::api_of(client, "default", object).patch(&name, parameters, &Patch::Apply(object)).await.map_err(said)
}

/// What the API server said.
pub fn said(error: kube::Error) -> String {
    match error {
        kube::Error::Api(status) => format!("{} {}", status.code, status.message),
        other => other.to_string(),
    }
}

/// The interface to a kind in a namespace.
pub fn api(client: &Client, namespace: &str, version: &str, kind: &str) -> Api<DynamicObject> {
    manifests::api(client, namespace, version, kind)
}

/// Makes each of these tests once for each version of Kubernetes.
macro_rules! on_both {
    ($($name:ident),+ $(,)?) => {
        mod on_1_36 {
            $(#[tokio::test] async fn $name() { super::$name(crate::support::Kubernetes::V1_36).await; })+
        }
        mod on_1_34 {
            $(#[tokio::test] async fn $name() { super::$name(crate::support::Kubernetes::V1_34).await; })+
        }
    };
}
use on_both;
