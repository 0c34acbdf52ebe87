//! An agent: as many as there are tests, each in a namespace of its own.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::{
    Api,
    api::{DynamicObject, Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::super::{
    ControlPlane,
    certificates::Pair,
    eventually::{eventually, that},
    manifests,
    process::{Process, free_port, get, random, tail},
    reaper,
};
use super::install::{Half, secret};
use super::principal::{Principal, start_half, start_redis};
use super::resource_proxy::ResourceProxy;

/// A running agent, connected to the principal.
pub struct Agent {
    /// Its name: the common name of its certificate, and the namespace of its Applications on the hub.
    pub name: String,
    /// Its namespace in its own cluster, with the objects of an Argo CD without a server.
    pub namespace: String,
    /// Its own cluster.
    pub cluster: &'static ControlPlane,
    /// The other half.
    pub principal: &'static Principal,
    health: u16,
    kubeconfig: PathBuf,
    process: Process,
    identity: Pair,
    _redis: Process,
    folder: TempDir,
}

impl Agent {
    /// Installs a managed agent into a namespace of its own and starts it.
    pub async fn start(cluster: &'static ControlPlane) -> Self {
        let principal = Principal::shared().await;
        let name = format!("agent-{}", random());
        let identity = principal.register(&name).await;
        let namespace = cluster.namespace("spoke").await;
        cluster.install_argocd_of_agent(&namespace).await;

        let folder = reaper::folder("agent");
        let client = cluster.client();
        let secrets = Api::<Secret>::namespaced(client.clone(), &namespace);
        for secret in [
            secret("argocd-agent-ca", &[("ca.crt", &principal.authority.file())]),
            secret("argocd-agent-client-tls", &[("tls.crt", &identity.certificate), ("tls.key", &identity.key)]),
        ] {
            secrets.create(&PostParams::default(), &secret).await.expect("create a Secret of the agent");
        }
        let health = free_port();
        let (redis, redis_address) = start_redis(folder.path());
        let settings = [
            ("agent.mode", "managed"),
            ("agent.creds", "mtls:any"),
            ("agent.server.address", "127.0.0.1"),
            ("agent.server.port", &principal.port.to_string()),
            ("agent.healthz.port", &health.to_string()),
            ("agent.redis.address", &redis_address),
        ];
        Half::Agent.install(&client, &namespace, &settings).await;
        let kubeconfig = cluster.kubeconfig_for_service_account(&namespace, &Half::Agent.name()).await;
        let process = Self::run(cluster, &namespace, &kubeconfig, &folder).await;
        let agent = Self { name, namespace, cluster, principal, health, kubeconfig, process, identity, _redis: redis, folder };
        agent.connected().await;
        agent
    }

    /// Ends it and starts it with the settings of now, as a rollout does.
    pub async fn restart(&mut self) {
        self.process.kill();
        self.process = Self::run(self.cluster, &self.namespace, &self.kubeconfig, &self.folder).await;
        self.connected().await;
    }

    /// Changes settings of its ConfigMap, as a person does; the next start reads them.
    pub async fn set(&self, settings: &[(&str, &str)]) {
        let maps = Api::<ConfigMap>::namespaced(self.cluster.client(), &self.namespace);
        let data: BTreeMap<&str, &str> = settings.iter().copied().collect();
        let patch = Patch::Merge(json!({ "data": data }));
        maps.patch("argocd-agent-params", &PatchParams::default(), &patch).await.expect("set argocd-agent-params");
    }

    /// Ends it.
    pub fn stop(&self) {
        self.process.kill();
    }

    /// What asks for the agent's resources, as argocd-server does.
    pub fn resource_proxy(&self) -> ResourceProxy {
        ResourceProxy::new(&self.principal.authority, &self.identity)
    }

    /// The user that it is to its API server.
    pub fn user(&self) -> String {
        format!("system:serviceaccount:{}:{}", self.namespace, Half::Agent.name())
    }

    /// What it printed.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.process.log()).unwrap_or_default()
    }

    /// The end of that, for a failure's message.
    pub fn last_words(&self) -> String {
        tail(self.process.log())
    }

    /// Makes a project on the hub, named after the agent since all agents' are in one namespace there, in which the agent's Applications may
    /// deploy to these namespaces, and waits until the agent has it.
    pub async fn create_project(&self, destinations: &[&str]) {
        let name = &self.name;
        let destinations: Vec<Value> = destinations.iter().map(|namespace| json!({ "name": name, "namespace": namespace })).collect();
        let project = json!({
            "apiVersion": "argoproj.io/v1alpha1", "kind": "AppProject", "metadata": { "name": name },
            "spec": { "sourceRepos": ["*"], "destinations": destinations, "sourceNamespaces": [name] },
        });
        let project = serde_json::from_value(project).expect("an AppProject");
        manifests::apply_one(&self.principal.hub.client(), &self.principal.namespace, &project, manifests::KUBECTL).await;
        let there = manifests::api(&self.cluster.client(), &self.namespace, "argoproj.io/v1alpha1", "AppProject");
        eventually(&format!("the agent has the project {name}"), Duration::from_secs(30), || there.get(name)).await;
    }

    /// Makes an Application of that project on the hub and waits until the principal and the agent have brought it to the agent's cluster; there, the
    /// bench says in the controller's place which resources it has.
    pub async fn create_application(&self, name: &str, destination: &str, resources: &Value) -> DynamicObject {
        let application = json!({
            "apiVersion": "argoproj.io/v1alpha1", "kind": "Application", "metadata": { "name": name },
            "spec": {
                "project": self.name,
                "source": { "repoURL": "https://example.invalid/x.git", "path": "." },
                "destination": { "name": self.name, "namespace": destination },
            },
        });
        let application = serde_json::from_value(application).expect("an Application");
        manifests::apply_one(&self.principal.hub.client(), &self.name, &application, manifests::KUBECTL).await;
        let there = manifests::api(&self.cluster.client(), &self.namespace, "argoproj.io/v1alpha1", "Application");
        eventually(&format!("the agent has the Application {name}"), Duration::from_secs(30), || there.get(name)).await;
        self.set_resources(name, resources).await
    }

    /// Says, in the place of the agent's application controller, which resources an Application has.
    pub async fn set_resources(&self, name: &str, resources: &Value) -> DynamicObject {
        let there = manifests::api(&self.cluster.client(), &self.namespace, "argoproj.io/v1alpha1", "Application");
        let patch = json!({ "status": { "resources": resources } });
        there.patch(name, &PatchParams::default(), &Patch::Merge(patch)).await.expect("set the resources of an Application")
    }

    async fn run(cluster: &ControlPlane, namespace: &str, kubeconfig: &std::path::Path, folder: &TempDir) -> Process {
        let environment = Half::Agent.environment(&cluster.client(), namespace).await;
        let arguments = ["agent", "--kubeconfig", &kubeconfig.display().to_string()];
        start_half(Half::Agent, &arguments, &environment, folder.path())
    }

    async fn connected(&self) {
        eventually("the agent is connected", Duration::from_secs(60), || async {
            self.process.check()?;
            let (status, body) = get(&format!("http://127.0.0.1:{}/healthz", self.health)).await.map_err(|error| error.to_string())?;
            that(status == 200, || body)
        })
        .await;
        // The principal knows it a moment later.
        let proxy = self.resource_proxy();
        eventually("the principal knows the agent", Duration::from_secs(30), || async {
            let answer = proxy.get("/api").await;
            that(answer.status == 200, || format!("HTTP {}", answer.status))
        })
        .await;
    }
}
