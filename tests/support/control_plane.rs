//! One Kubernetes control plane per test binary: etcd, kube-apiserver and kube-controller-manager on free ports of this machine.
//!
//! The controller-manager always runs: without it the aggregated ClusterRoles are empty (tests of privileges would pass wrongly),
//! nothing is garbage-collected, and no ServiceAccount appears in a new namespace. There is no scheduler and no kubelet: Pods stay
//! pending unless [`super::kwok`] or [`super::kubelet`] takes them.
//!
//! Nothing in here belongs to a runtime: every test has its own, and all share one control plane.

use std::{
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, OnceLock, PoisonError},
    time::{Duration, Instant},
};

use k8s_openapi::api::{
    authentication::v1::{TokenRequest, TokenRequestSpec},
    core::v1::ServiceAccount,
    rbac::v1::ClusterRole,
};
use kube::{Api, Client, Config, api::PostParams};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::OnceCell;

use super::{
    certificates::{Authority, Pair},
    eventually,
    kwok::Kwok,
    process::{Finished, Process, free_port, random, run, tail},
    reaper, tools,
};

/// Which Kubernetes: the two differ in what opens a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kubernetes {
    /// 1.36, where the WebSocket to `pods/exec` needs `create`.
    V1_36,
    /// 1.34, where `get` is enough. Its controller-manager is that of 1.36: a skew that Kubernetes does not support, harmless here.
    V1_34,
}

impl Kubernetes {
    fn api_server(self) -> &'static str {
        match self {
            Self::V1_36 => "kube-apiserver",
            Self::V1_34 => "kube-apiserver-1.34",
        }
    }
}

/// A test needs minutes; `make demo`, which uses this bench, may run for days.
pub(super) const TOKEN_SECONDS: i64 = 7 * 24 * 3600;

/// A running control plane.
pub struct ControlPlane {
    /// Which Kubernetes it is.
    pub version: Kubernetes,
    /// `https://127.0.0.1:PORT`.
    pub server: String,
    /// Who signed the API server's certificate, and those of its clients.
    pub authority: Authority,
    admin: Pair,
    pub(super) kwok: OnceCell<Kwok>,
    pub(super) argocd_crds: OnceCell<()>,
    pub(super) operator_crds: OnceCell<()>,
    processes: Mutex<Vec<Process>>,
    /// How the API server is started.
    api_server: Vec<String>,
    // Removed after the processes have ended.
    folder: TempDir,
}

static V1_36: OnceLock<Result<ControlPlane, String>> = OnceLock::new();
static V1_34: OnceLock<Result<ControlPlane, String>> = OnceLock::new();

impl ControlPlane {
    /// The control plane of this test binary, started by whoever asks first.
    pub async fn shared(version: Kubernetes) -> &'static Self {
        let cell = match version {
            Kubernetes::V1_36 => &V1_36,
            Kubernetes::V1_34 => &V1_34,
        };
        let started = tokio::task::spawn_blocking(move || cell.get_or_init(|| Self::start(version)));
        match started.await.expect("the start of a control plane") {
            Ok(control_plane) => control_plane,
            Err(message) => panic!("{message}"),
        }
    }

    /// One of a test's own, which may be stopped and changed; it goes by [`Self::end`], or with the test binary.
    pub async fn own(version: Kubernetes) -> &'static Self {
        let started = tokio::task::spawn_blocking(move || Self::start(version)).await.expect("the start of a control plane");
        Box::leak(Box::new(started.unwrap_or_else(|message| panic!("{message}"))))
    }

    /// Starts one; blocks. Its folder and processes go with the value, or with the test binary.
    pub fn start(version: Kubernetes) -> Result<Self, String> {
        Self::start_with(version, &[])
    }

    /// The same, with more arguments for the API server.
    pub fn start_with(version: Kubernetes, arguments: &[&str]) -> Result<Self, String> {
        // With two TLS providers among the dependencies rustls takes neither by itself; another part of the test may have chosen already.
        let _chosen_before = rustls::crypto::ring::default_provider().install_default();
        // Between finding a port and listening on it another program may take it.
        match Self::try_start(version, arguments) {
            Err(message) if message.contains("address already in use") => Self::try_start(version, arguments),
            result => result,
        }
    }

    fn try_start(version: Kubernetes, more: &[&str]) -> Result<Self, String> {
        let folder = reaper::folder("control-plane");
        let root = folder.path().to_owned();
        let authority = Authority::new(&root);
        let admin = authority.client("admin", "kubernetes-admin", "system:masters");
        let port = free_port();
        let mut control_plane = Self {
            version,
            server: format!("https://127.0.0.1:{port}"),
            authority,
            admin,
            kwok: OnceCell::new(),
            argocd_crds: OnceCell::new(),
            operator_crds: OnceCell::new(),
            processes: Mutex::default(),
            api_server: Vec::new(),
            folder,
        };
        control_plane.write_kubeconfig("admin", &certificate_credentials(&control_plane.admin), "default");

        let service_accounts = control_plane.authority.signing_key("service-accounts");
        let (etcd_client, etcd_peer) = (free_port(), free_port());
        control_plane.run(Process::start(
            "etcd",
            &tools::path("etcd"),
            [
                "--unsafe-no-fsync".to_owned(),
                format!("--data-dir={}", root.join("etcd").display()),
                format!("--listen-client-urls=http://127.0.0.1:{etcd_client}"),
                format!("--advertise-client-urls=http://127.0.0.1:{etcd_client}"),
                format!("--listen-peer-urls=http://127.0.0.1:{etcd_peer}"),
                "--log-level=warn".to_owned(),
            ],
            &[],
            &root.join("etcd.log"),
        ));
        control_plane.start_api_server(&root, port, etcd_client, &service_accounts, more);
        control_plane.wait_until("the API server answers", async |client: &Client| {
            client.request_text(http_get("/readyz")).await.map(drop).map_err(|error| error.to_string())
        })?;
        // Only now: it gives up when there is no API server within some seconds.
        control_plane.start_controller_manager(&root, &service_accounts);
        control_plane.wait_until("the aggregated ClusterRole view has rules", async |client: &Client| {
            match Api::<ClusterRole>::all(client.clone()).get("view").await {
                Ok(view) if view.rules.as_ref().is_some_and(|rules| !rules.is_empty()) => Ok(()),
                Ok(_empty) => Err("it has none".to_owned()),
                Err(error) => Err(error.to_string()),
            }
        })?;
        Ok(control_plane)
    }

    fn start_api_server(&mut self, root: &Path, port: u16, etcd: u16, service_accounts: &Pair, more: &[&str]) {
        let serving = self.authority.server("kube-apiserver", &["kubernetes.default.svc", "10.0.0.1"]);
        let kubelet_client = self.authority.client("kubelet-client", "kube-apiserver", "system:masters");
        let policy = root.join("audit-policy.yaml");
        std::fs::write(
            &policy,
            "apiVersion: audit.k8s.io/v1\nkind: Policy\nomitStages: [RequestReceived, ResponseStarted]\nrules: [{level: Metadata}]\n",
        )
        .expect("write the audit policy");
        let arguments = [
            format!("--etcd-servers=http://127.0.0.1:{etcd}"),
            "--bind-address=127.0.0.1".to_owned(),
            "--advertise-address=127.0.0.1".to_owned(),
            "--endpoint-reconciler-type=none".to_owned(),
            format!("--secure-port={port}"),
            format!("--tls-cert-file={}", serving.certificate.display()),
            format!("--tls-private-key-file={}", serving.key.display()),
            format!("--client-ca-file={}", self.authority.file().display()),
            format!("--kubelet-client-certificate={}", kubelet_client.certificate.display()),
            format!("--kubelet-client-key={}", kubelet_client.key.display()),
            "--authorization-mode=RBAC".to_owned(),
            "--service-cluster-ip-range=10.0.0.0/16".to_owned(),
            "--service-account-issuer=https://kubernetes.default.svc".to_owned(),
            format!("--service-account-key-file={}", service_accounts.certificate.display()),
            format!("--service-account-signing-key-file={}", service_accounts.key.display()),
            format!("--audit-policy-file={}", policy.display()),
            format!("--audit-log-path={}", self.audit_log().display()),
            // In megabytes: by default it is begun anew at 100, and marks in it would lead nowhere.
            "--audit-log-maxsize=4000".to_owned(),
            format!("--cert-dir={}", root.display()),
        ];
        self.api_server = arguments.into_iter().chain(more.iter().map(|one| (*one).to_owned())).collect();
        self.run_api_server();
    }

    fn run_api_server(&self) {
        let program = tools::path(self.version.api_server());
        self.run(Process::start("kube-apiserver", &program, &self.api_server, &[], &self.folder().join("kube-apiserver.log")));
    }

    fn run(&self, process: Process) {
        self.processes().push(process);
    }

    fn processes(&self) -> MutexGuard<'_, Vec<Process>> {
        self.processes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends the API server, as a crash does.
    pub fn stop_api_server(&self) {
        self.processes().retain(|process| process.name() != "kube-apiserver");
    }

    /// Starts it again, on the same port and data, and waits until it answers.
    pub async fn start_api_server_again(&self) {
        self.run_api_server();
        eventually("the API server answers again", Duration::from_secs(60), || async {
            self.client().request_text(http_get("/readyz")).await.map(drop).map_err(|error| error.to_string())
        })
        .await;
    }

    /// Gives the API server another certificate, of the same authority.
    pub fn new_serving_certificate(&self) {
        self.authority.server("kube-apiserver", &["kubernetes.default.svc", "10.0.0.1"]);
    }

    /// Sends a signal to etcd.
    pub fn signal_etcd(&self, signal: &str) {
        self.processes().iter().filter(|process| process.name() == "etcd").for_each(|process| process.signal(signal));
    }

    /// Ends all of it; for one that lives as long as the test binary otherwise.
    pub fn end(&self) {
        self.processes().clear();
    }

    fn start_controller_manager(&mut self, root: &Path, service_accounts: &Pair) {
        // system:masters as well: with its real identity alone it would need a ServiceAccount per controller, and start slowly.
        let identity = self.authority.client("controller-manager", "system:kube-controller-manager", "system:masters");
        let kubeconfig = self.write_kubeconfig("controller-manager", &certificate_credentials(&identity), "default");
        let controllers = [
            "serviceaccount-controller",
            "serviceaccount-token-controller",
            "root-ca-certificate-publisher-controller",
            "clusterrole-aggregation-controller",
            "garbage-collector-controller",
            "namespace-controller",
            "deployment-controller",
            "replicaset-controller",
            "job-controller",
            "validatingadmissionpolicy-status-controller",
        ];
        let arguments = [
            format!("--kubeconfig={}", kubeconfig.display()),
            format!("--controllers={}", controllers.join(",")),
            "--leader-elect=false".to_owned(),
            "--secure-port=0".to_owned(),
            format!("--root-ca-file={}", self.authority.file().display()),
            format!("--service-account-private-key-file={}", service_accounts.key.display()),
        ];
        let program = tools::path("kube-controller-manager");
        let log = root.join("kube-controller-manager.log");
        self.run(Process::start("kube-controller-manager", &program, arguments, &[], &log));
    }

    fn wait_until(&self, what: &str, holds: impl AsyncFn(&Client) -> Result<(), String> + Send) -> Result<(), String> {
        let limit = Duration::from_secs(60);
        let began = Instant::now();
        // A thread of its own: the caller may be inside a runtime, where no other may be entered.
        std::thread::scope(|scope| {
            let waiting = scope.spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
                runtime.block_on(async {
                    let client = self.client();
                    while let Err(seen) = holds(&client).await {
                        for process in self.processes().iter() {
                            process.check()?;
                        }
                        if began.elapsed() > limit {
                            let logs: Vec<String> = self.processes().iter().map(|process| tail(process.log())).collect();
                            return Err(format!("not within {limit:?}: {what}: {seen}\n{}", logs.join("\n----\n")));
                        }
                        tokio::time::sleep(Duration::from_millis(50)).await;
                    }
                    Ok(())
                })
            });
            waiting.join().expect("the wait for a control plane")
        })
    }

    /// The folder of its files, one log per program among them.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The API server's audit log; read it with [`super::audit`].
    pub fn audit_log(&self) -> PathBuf {
        self.folder().join("audit.log")
    }

    /// The administrator's kubeconfig file.
    pub fn kubeconfig_admin(&self) -> PathBuf {
        self.folder().join("admin.kubeconfig")
    }

    /// A client of the administrator, for the runtime that calls.
    pub fn client(&self) -> Client {
        self.client_with(&certificate_credentials(&self.admin))
    }

    /// A client that acts as a person, by the administrator's impersonation.
    pub fn client_as(&self, user: &str, groups: &[&str]) -> Client {
        let mut credentials = certificate_credentials(&self.admin);
        credentials["as"] = json!(user);
        credentials["as-groups"] = json!(groups);
        self.client_with(&credentials)
    }

    /// A client with a token of a ServiceAccount.
    pub async fn client_for_service_account(&self, namespace: &str, name: &str) -> Client {
        self.client_with(&json!({ "token": self.token(namespace, name).await }))
    }

    /// A new token of a ServiceAccount, valid for a week.
    pub async fn token(&self, namespace: &str, name: &str) -> String {
        self.try_token(namespace, name).await.unwrap_or_else(|message| panic!("{message}"))
    }

    async fn try_token(&self, namespace: &str, name: &str) -> Result<String, String> {
        let accounts = Api::<ServiceAccount>::namespaced(self.client(), namespace);
        let request = TokenRequest {
            spec: TokenRequestSpec { expiration_seconds: Some(TOKEN_SECONDS), ..TokenRequestSpec::default() },
            ..TokenRequest::default()
        };
        let answer = accounts
            .create_token_request(name, &PostParams::default(), &request)
            .await
            .map_err(|error| format!("request a token of the ServiceAccount {namespace}/{name}: {error}"))?;
        Ok(answer.status.ok_or("a token request without status")?.token)
    }

    /// A kubeconfig file with a new token of a ServiceAccount, valid for a week.
    pub async fn kubeconfig_for_service_account(&self, namespace: &str, name: &str) -> PathBuf {
        self.try_kubeconfig_for_service_account(namespace, name).await.unwrap_or_else(|message| panic!("{message}"))
    }

    /// The same; `Err` where there is no such ServiceAccount.
    pub async fn try_kubeconfig_for_service_account(&self, namespace: &str, name: &str) -> Result<PathBuf, String> {
        let credentials = json!({ "token": self.try_token(namespace, name).await? });
        let file = format!("{namespace}-{name}-{}", random());
        Ok(self.write_kubeconfig(&file, &credentials, namespace))
    }

    /// Runs kubectl as the administrator.
    pub async fn kubectl(&self, arguments: &[&str]) -> Finished {
        let mut command = reaper::command(tools::path("kubectl"));
        command.arg("--kubeconfig").arg(self.kubeconfig_admin()).args(arguments);
        command.env("HOME", self.folder()); // its discovery cache
        run(command).await
    }

    /// Runs helm as the administrator.
    pub async fn helm(&self, arguments: &[&str]) -> Finished {
        self.run_helm("helm", arguments).await
    }

    /// Runs helm 3 as the administrator, by the name under which people have it: it calls itself by that name in `managedFields`.
    pub async fn helm_3(&self, arguments: &[&str]) -> Finished {
        self.run_helm("helm-3", arguments).await
    }

    async fn run_helm(&self, tool: &str, arguments: &[&str]) -> Finished {
        let mut command = reaper::command(tools::path(tool));
        command.arg0("helm").env("KUBECONFIG", self.kubeconfig_admin()).args(arguments);
        for variable in ["HOME", "HELM_CACHE_HOME", "HELM_CONFIG_HOME", "HELM_DATA_HOME"] {
            command.env(variable, self.folder());
        }
        run(command).await
    }

    fn client_with(&self, credentials: &Value) -> Client {
        let mut config = Config::new(self.server.parse().expect("the API server's address"));
        config.root_cert = Some(vec![self.authority.der()]);
        config.auth_info = serde_json::from_value(credentials.clone()).expect("credentials of a kubeconfig");
        Client::try_from(config).expect("a client of the API server")
    }

    fn write_kubeconfig(&self, name: &str, credentials: &Value, namespace: &str) -> PathBuf {
        let kubeconfig = json!({
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{ "name": "bench", "cluster": { "server": self.server, "certificate-authority": self.authority.file() } }],
            "users": [{ "name": name, "user": credentials }],
            "contexts": [{ "name": "bench", "context": { "cluster": "bench", "user": name, "namespace": namespace } }],
            "current-context": "bench",
        });
        let path = self.folder().join(format!("{name}.kubeconfig"));
        // JSON is YAML.
        std::fs::write(&path, kubeconfig.to_string()).unwrap_or_else(|error| panic!("write {}: {error}", path.display()));
        path
    }
}

fn certificate_credentials(pair: &Pair) -> Value {
    json!({ "client-certificate": pair.certificate, "client-key": pair.key })
}

fn http_get(path: &str) -> hyper::Request<Vec<u8>> {
    hyper::Request::get(path).body(Vec::new()).expect("a request")
}
