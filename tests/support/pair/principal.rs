//! The principal: one per test binary, on the hub.

use std::{
    fs::File,
    net::{Ipv4Addr, TcpListener},
    path::Path,
    time::{Duration, Instant},
};

use k8s_openapi::api::core::v1::{Namespace, Secret};
use kube::{
    Api,
    api::{ObjectMeta, PostParams},
};
use serde_json::json;
use tempfile::TempDir;
use tokio::sync::OnceCell;

use super::super::{
    ControlPlane, Kubernetes,
    certificates::{Authority, Pair},
    eventually::{eventually, that},
    process::{Process, free_port, get, wait_for_port},
    reaper, tools,
};
use super::install::{Half, secret};

/// The principal listens there; no setting changes it.
pub const RESOURCE_PROXY: u16 = 9090;

static SHARED: OnceCell<Principal> = OnceCell::const_new();

/// A running principal.
pub struct Principal {
    /// Its cluster.
    pub hub: &'static ControlPlane,
    /// Its namespace there.
    pub namespace: String,
    /// Where agents connect.
    pub port: u16,
    pub(super) authority: Authority,
    process: Process,
    _redis: Process,
    _port_lock: File,
    _folder: TempDir,
}

impl Principal {
    /// The principal of this test binary, started by whoever asks first.
    pub async fn shared() -> &'static Self {
        SHARED.get_or_init(Self::start).await
    }

    async fn start() -> Self {
        let port_lock = tokio::task::spawn_blocking(lock_resource_proxy).await.expect("the wait for the port");
        let hub = ControlPlane::shared(Kubernetes::V1_36).await;
        hub.install_argocd_definitions().await;
        let namespace = hub.namespace("hub").await;
        let client = hub.client();

        let folder = reaper::folder("principal");
        let authority = Authority::new(folder.path());
        let principal = authority.server("principal", &["argocd-agent-principal"]);
        let proxy = authority.server("resource-proxy", &["argocd-agent-resource-proxy"]);
        let secrets = Api::<Secret>::namespaced(client.clone(), &namespace);
        for secret in [
            secret("argocd-agent-ca", &[("tls.crt", &authority.file()), ("ca.crt", &authority.file())]),
            secret("argocd-agent-principal-tls", &[("tls.crt", &principal.certificate), ("tls.key", &principal.key)]),
            secret("argocd-agent-resource-proxy-tls", &[("tls.crt", &proxy.certificate), ("tls.key", &proxy.key)]),
        ] {
            secrets.create(&PostParams::default(), &secret).await.expect("create a Secret of the principal");
        }
        let (port, health) = (free_port(), free_port());
        let (redis, redis_address) = start_redis(folder.path());
        let settings = [
            ("principal.listen.host", "127.0.0.1"),
            ("principal.listen.port", &port.to_string()),
            ("principal.healthz.port", &health.to_string()),
            ("principal.allowed-namespaces", "*"),
            // The key must be RSA, which nothing of the bench makes.
            ("principal.jwt.allow-generate", "true"),
            ("principal.redis.server.address", &redis_address),
        ];
        Half::Principal.install(&client, &namespace, &settings).await;

        let kubeconfig = hub.kubeconfig_for_service_account(&namespace, &Half::Principal.name()).await;
        let environment = Half::Principal.environment(&client, &namespace).await;
        // Its Redis proxy listens on a fixed port of this machine, too, and no test needs it.
        let arguments = ["principal", "--disable-redis-proxy", "--kubeconfig", &kubeconfig.display().to_string()];
        let process = start_half(Half::Principal, &arguments, &environment, folder.path());
        eventually("the principal is healthy", Duration::from_secs(60), || async {
            process.check()?;
            let (status, body) = get(&format!("http://127.0.0.1:{health}/healthz")).await.map_err(|error| error.to_string())?;
            that(status == 200, || body)
        })
        .await;
        Self { hub, namespace, port, authority, process, _redis: redis, _port_lock: port_lock, _folder: folder }
    }

    /// Makes an agent known, as `argocd-agentctl agent create` does: its cluster Secret, and the namespace of its Applications. Returns
    /// its client certificate.
    pub(super) async fn register(&self, agent: &str) -> Pair {
        let client = self.hub.client();
        let namespace = Namespace { metadata: ObjectMeta { name: Some(agent.to_owned()), ..ObjectMeta::default() }, ..Namespace::default() };
        Api::<Namespace>::all(client.clone()).create(&PostParams::default(), &namespace).await.expect("create the namespace of an agent");
        let pair = self.authority.client(agent, agent, "argocd-agent");
        let text = |path: &Path| std::fs::read_to_string(path).expect("read a certificate");
        let base64 = |text: String| base64::Engine::encode(&base64::engine::general_purpose::STANDARD, text);
        let tls = json!({
            "insecure": false,
            "certData": base64(text(&pair.certificate)),
            "keyData": base64(text(&pair.key)),
            "caData": base64(text(&self.authority.file())),
        });
        let secret = json!({
            "metadata": {
                "name": format!("cluster-{agent}"),
                "labels": { "argocd.argoproj.io/secret-type": "cluster", "argocd-agent.argoproj-labs.io/agent-name": agent },
                "annotations": { "managed-by": "argocd-agent" },
            },
            "stringData": {
                "name": agent,
                "server": format!("https://argocd-agent-resource-proxy:{RESOURCE_PROXY}?agentName={agent}"),
                "config": json!({ "tlsClientConfig": tls }).to_string(),
            },
        });
        let secret = serde_json::from_value(secret).expect("a Secret");
        Api::<Secret>::namespaced(client, &self.namespace).create(&PostParams::default(), &secret).await.expect("create a cluster Secret");
        pair
    }

    /// What it printed.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.process.log()).unwrap_or_default()
    }
}

/// A Redis of one's own: its process, and its address.
pub(super) fn start_redis(folder: &Path) -> (Process, String) {
    let port = free_port();
    let address = format!("127.0.0.1:{port}");
    let redis = Process::start("redis-server", &tools::path("redis-server"), [&address], &[], &folder.join("redis.log"));
    wait_for_port(&redis, port, Duration::from_secs(10)).unwrap_or_else(|message| panic!("{message}"));
    (redis, address)
}

/// Starts the program with this environment and nothing of the test's own.
pub(super) fn start_half(half: Half, arguments: &[&str], environment: &[(String, String)], folder: &Path) -> Process {
    let mut command = reaper::command(tools::path("argocd-agent"));
    command.env_clear().env("HOME", folder).envs(environment.iter().map(|(name, value)| (name, value))).args(arguments);
    let name = half.name();
    Process::start_command(&name, command, &folder.join(format!("{name}.log")))
}

/// Waits until no other test of this machine has a principal, and until its port is free.
fn lock_resource_proxy() -> File {
    let path = std::env::temp_dir().join("argocd-access-resource-proxy.lock");
    let file = File::options().create(true).append(true).open(&path).unwrap_or_else(|error| panic!("open {}: {error}", path.display()));
    file.lock().unwrap_or_else(|error| panic!("lock {}: {error}", path.display()));
    // The last one's principal may still be ending.
    let began = Instant::now();
    while let Err(error) = TcpListener::bind((Ipv4Addr::UNSPECIFIED, RESOURCE_PROXY)) {
        assert!(began.elapsed() < Duration::from_secs(20), "argocd-agent's principal listens on port {RESOURCE_PROXY}, always: {error}");
        std::thread::sleep(Duration::from_millis(100));
    }
    file
}
