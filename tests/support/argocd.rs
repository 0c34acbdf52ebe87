//! A whole running Argo CD for one instance namespace: Redis, repo server, application controller and argocd-server, each with the
//! rights of its own ServiceAccount; applications from Git folders of this machine, whose Pods run on the fake node.

mod applications;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, Mac};
use k8s_openapi::api::core::v1::{ConfigMap, Pod, Secret};
use kube::{
    Api, Client,
    api::{Patch, PatchParams},
};
use serde_json::{Value, json};
use sha2::Sha256;
use tempfile::TempDir;

use super::{
    ControlPlane,
    control_plane::TOKEN_SECONDS,
    eventually::{eventually, that},
    kwok, manifests,
    process::{Process, free_port, random, run, wait_for_port},
    reaper,
    terminal::{Refused, Terminal},
    tools,
};

/// How the instance is installed.
#[derive(Clone, Debug)]
pub struct Options {
    /// Whether argocd-server has the ClusterRole of install.yaml, or the rights of namespace-install.yaml only.
    pub cluster_rbac: bool,
    /// The namespaces beside its own in which it serves Applications; needs `cluster_rbac`.
    pub application_namespaces: Vec<String>,
    /// The accounts that may log in; [`ArgoCd::person_token`] makes tokens for these and for `admin`.
    pub people: Vec<&'static str>,
    /// More arguments of argocd-server.
    pub server_arguments: Vec<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self { cluster_rbac: true, application_namespaces: Vec::new(), people: vec!["alice", "bob", "carol"], server_arguments: Vec::new() }
    }
}

/// A running Argo CD.
pub struct ArgoCd {
    /// The instance's namespace.
    pub namespace: String,
    control_plane: &'static ControlPlane,
    options: Options,
    kubeconfigs: BTreeMap<&'static str, PathBuf>,
    port: u16,
    redis: String,
    repo_server: String,
    secret_key: Vec<u8>,
    server: Option<Process>,
    controller: Option<Process>,
    #[allow(dead_code, reason = "kept running")]
    others: Vec<Process>,
    folder: TempDir,
}

impl ArgoCd {
    /// Installs an instance into a namespace of its own and starts it.
    pub async fn start(control_plane: &'static ControlPlane, options: Options) -> Self {
        let namespace = control_plane.instance("argocd").await;
        Self::start_in(control_plane, &namespace, options).await
    }

    /// Starts Argo CD for a namespace into which [`ControlPlane::install_argocd`] has put the objects.
    pub async fn start_in(control_plane: &'static ControlPlane, namespace: &str, options: Options) -> Self {
        assert!(
            options.cluster_rbac || options.application_namespaces.is_empty(),
            "argocd-server lists the Applications of further namespaces cluster-wide"
        );
        control_plane.with_kwok().await;
        control_plane.install_controller_cluster_rbac(namespace).await;
        if options.cluster_rbac {
            control_plane.install_cluster_rbac(namespace).await;
        }
        let client = control_plane.client();
        set_up(&client, namespace, &options.people).await;
        set_application_namespaces(&client, namespace, &options.application_namespaces).await;

        let mut kubeconfigs = BTreeMap::new();
        for account in ["argocd-repo-server", "argocd-application-controller", "argocd-server"] {
            kubeconfigs.insert(account, control_plane.kubeconfig_for_service_account(namespace, account).await);
        }
        let (redis, repo_server) = (free_port(), free_port());
        let mut argocd = Self {
            namespace: namespace.to_owned(),
            control_plane,
            options,
            kubeconfigs,
            port: free_port(),
            redis: format!("127.0.0.1:{redis}"),
            repo_server: format!("127.0.0.1:{repo_server}"),
            secret_key: Vec::new(),
            server: None,
            controller: None,
            others: Vec::new(),
            folder: reaper::folder("argocd"),
        };
        let log = argocd.folder.path().join("redis.log");
        let redis_server = Process::start("redis-server", &tools::path("redis-server"), [&argocd.redis], &[], &log);
        wait_for_port(&redis_server, redis, Duration::from_secs(10)).unwrap_or_else(|message| panic!("{message}"));
        let repo_server_process = argocd.start_repo_server(repo_server);
        argocd.others = vec![redis_server, repo_server_process];
        argocd.restart_controller();
        argocd.start_server().await;
        argocd.secret_key = secret_key(&client, namespace).await;
        argocd.wait_for_default_project(&client).await;
        argocd
    }

    /// Ends the application controller and starts it again: it reads every cluster anew.
    pub fn restart_controller(&mut self) {
        self.controller = None;
        self.controller = Some(self.start_component("argocd-application-controller", &["--metrics-port", &free_port().to_string()]));
    }

    /// Ends argocd-server and starts it again, as a rollout does: all open terminals end.
    pub async fn restart_server(&mut self) {
        self.server = None;
        self.start_server().await;
    }

    /// The same with the settings that only a start reads, as the Deployment takes them from argocd-cmd-params-cm.
    pub async fn restart_server_as_configured(&mut self) {
        let maps = Api::<ConfigMap>::namespaced(self.control_plane.client(), &self.namespace);
        let data = maps.get("argocd-cmd-params-cm").await.expect("argocd-cmd-params-cm").data.unwrap_or_default();
        let namespaces = data.get("application.namespaces").map(String::as_str).unwrap_or_default();
        self.options.application_namespaces = namespaces.split(',').filter(|name| !name.is_empty()).map(ToOwned::to_owned).collect();
        self.restart_server().await;
    }

    /// The session token of a person with these groups, as a login through an identity provider leads to.
    pub fn person_token(&self, user: &str, groups: &[&str]) -> String {
        self.person_token_with(user, groups, None)
    }

    /// The same with an e-mail address.
    pub fn person_token_with(&self, user: &str, groups: &[&str], email: Option<&str>) -> String {
        assert!(user == "admin" || self.options.people.contains(&user), "{user} is not among the people of the instance");
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a time after 1970").as_secs();
        let claims = json!({
            "iss": "argocd", "sub": format!("{user}:login"), "groups": groups, "email": email,
            "iat": now, "nbf": now, "exp": now + TOKEN_SECONDS.unsigned_abs(), "jti": random(),
        });
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(&json!({ "alg": "HS256", "typ": "JWT" })), part(&claims));
        let mut signature = Hmac::<Sha256>::new_from_slice(&self.secret_key).expect("a key of any length");
        signature.update(signed.as_bytes());
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature.finalize().into_bytes()))
    }

    /// Opens a terminal as the browser of a person does.
    pub async fn terminal(
        &self,
        token: &str,
        application: &str,
        application_namespace: &str,
        project: &str,
        pod: &str,
        destination: &str,
    ) -> Result<Terminal, Refused> {
        self.terminal_by(self.port, token, application, application_namespace, project, pod, destination).await
    }

    /// The same through a proxy of this machine.
    #[allow(clippy::too_many_arguments, reason = "the parameters of Argo CD's own address")]
    pub async fn terminal_by(
        &self,
        port: u16,
        token: &str,
        application: &str,
        application_namespace: &str,
        project: &str,
        pod: &str,
        destination: &str,
    ) -> Result<Terminal, Refused> {
        self.terminal_into(port, token, application, application_namespace, project, pod, destination, "main").await
    }

    /// The same into another container.
    #[allow(clippy::too_many_arguments, reason = "the parameters of Argo CD's own address")]
    pub async fn terminal_into(
        &self,
        port: u16,
        token: &str,
        application: &str,
        application_namespace: &str,
        project: &str,
        pod: &str,
        destination: &str,
        container: &str,
    ) -> Result<Terminal, Refused> {
        let query = format!(
            "pod={pod}&container={container}&appName={application}&appNamespace={application_namespace}&projectName={project}&namespace={destination}"
        );
        Terminal::open(&format!("ws://127.0.0.1:{port}/terminal?{query}"), token).await
    }

    /// The port at which argocd-server answers.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The answer of Argo CD's own interface to a GET, as JSON.
    pub async fn get(&self, token: &str, path: &str) -> Result<Value, String> {
        let (status, value) = self.request(token, "GET", path, &Value::Null).await.map_err(|error| error.to_string())?;
        if status == 200 { Ok(value) } else { Err(format!("HTTP {status}: {value}")) }
    }

    /// The HTTP status and the answer of Argo CD's own interface; a body of `null` is none.
    pub async fn request(&self, token: &str, method: &str, path: &str, body: &Value) -> std::io::Result<(u16, Value)> {
        let url = format!("http://127.0.0.1:{}{path}", self.port);
        let cookie = format!("argocd.token={token}");
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let (status, answer) = super::process::send(method, &url, &[("Cookie", &cookie), ("Content-Type", "application/json")], &body).await?;
        Ok((status, serde_json::from_str(&answer).unwrap_or(Value::String(answer))))
    }

    /// Where argocd-server answers: `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// What the component printed: `argocd-server`, `argocd-application-controller`, `argocd-repo-server`.
    pub fn log(&self, component: &str) -> String {
        std::fs::read_to_string(self.folder.path().join(format!("{component}.log"))).unwrap_or_default()
    }

    async fn start_server(&mut self) {
        let (port, metrics) = (self.port.to_string(), free_port().to_string());
        let mut arguments = vec!["--insecure", "--port", &port, "--metrics-port", &metrics];
        arguments.extend(self.options.server_arguments.iter().map(String::as_str));
        let server = self.start_component("argocd-server", &arguments);
        let url = format!("http://127.0.0.1:{port}/healthz");
        eventually("argocd-server is healthy", Duration::from_secs(60), || async {
            server.check()?;
            let (status, body) = super::process::get(&url).await.map_err(|error| error.to_string())?;
            that(status == 200, || body)
        })
        .await;
        self.server = Some(server);
    }

    fn start_repo_server(&self, port: u16) -> Process {
        let folder = |name: &str| {
            let path = self.folder.path().join(name);
            std::fs::create_dir_all(&path).expect("make a folder for the repo server");
            path.display().to_string()
        };
        let port_text = port.to_string();
        let metrics = free_port().to_string();
        let environment = [
            ("ARGOCD_GPG_ENABLED", "false".to_owned()),
            ("ARGOCD_TLS_DATA_PATH", folder("tls")),
            ("ARGOCD_SSH_DATA_PATH", folder("ssh")),
            ("TMPDIR", folder("tmp")),
        ];
        let arguments = ["--port", &port_text, "--metrics-port", &metrics, "--redis", &self.redis];
        let process = self.start_program("argocd-repo-server", &arguments, &environment);
        wait_for_port(&process, port, Duration::from_secs(30)).unwrap_or_else(|message| panic!("{message}"));
        process
    }

    /// The application controller or the server.
    fn start_component(&self, component: &'static str, arguments: &[&str]) -> Process {
        let kubeconfig = self.kubeconfigs[component].display().to_string();
        let namespaces = self.options.application_namespaces.join(",");
        let mut all = vec!["--kubeconfig", &kubeconfig, "--namespace", &self.namespace];
        all.extend(["--redis", &self.redis, "--repo-server", &self.repo_server]);
        if !namespaces.is_empty() {
            all.extend(["--application-namespaces", &namespaces]);
        }
        all.extend(arguments);
        self.start_program(component, &all, &[])
    }

    fn start_program(&self, component: &'static str, arguments: &[&str], environment: &[(&str, String)]) -> Process {
        let kubeconfig = self.kubeconfigs[component].display().to_string();
        let home = self.folder.path().display().to_string();
        let mut all = vec![
            ("ARGOCD_BINARY_NAME", component),
            ("ARGOCD_FAKE_IN_CLUSTER", "true"),
            ("KUBECONFIG", &kubeconfig),
            ("HOME", &home),
            ("GIT_CONFIG_NOSYSTEM", "1"),
        ];
        all.extend(environment.iter().map(|(name, value)| (*name, value.as_str())));
        let log = self.folder.path().join(format!("{component}.log"));
        Process::start(component, &tools::path("argocd"), arguments, &all, &log)
    }

    /// argocd-server makes it at its start.
    async fn wait_for_default_project(&self, client: &Client) {
        let projects = manifests::api(client, &self.namespace, "argoproj.io/v1alpha1", "AppProject");
        eventually("the project default is there", Duration::from_secs(30), || projects.get("default")).await;
    }
}

/// Lets people log in, and tells the instance from the others of the cluster: each would otherwise take the others' Pods for its own
/// where their Applications have the same name.
async fn set_up(client: &Client, namespace: &str, people: &[&str]) {
    let mut data: BTreeMap<String, &str> = people.iter().map(|name| (format!("accounts.{name}"), "login")).collect();
    data.insert("installationID".to_owned(), namespace);
    let api = Api::<ConfigMap>::namespaced(client.clone(), namespace);
    // As a person would, with `kubectl patch`.
    let parameters = PatchParams { field_manager: Some("kubectl-patch".to_owned()), ..PatchParams::default() };
    api.patch("argocd-cm", &parameters, &Patch::Merge(json!({ "data": data }))).await.expect("set argocd-cm up");
}

/// Where a person sets it; the Deployment of argocd-server takes its environment from there.
async fn set_application_namespaces(client: &Client, namespace: &str, namespaces: &[String]) {
    if namespaces.is_empty() {
        return;
    }
    let api = Api::<ConfigMap>::namespaced(client.clone(), namespace);
    let parameters = PatchParams { field_manager: Some("kubectl-patch".to_owned()), ..PatchParams::default() };
    let patch = Patch::Merge(json!({ "data": { "application.namespaces": namespaces.join(",") } }));
    api.patch("argocd-cmd-params-cm", &parameters, &patch).await.expect("name the namespaces of Applications");
}

/// argocd-server makes it at its first start.
async fn secret_key(client: &Client, namespace: &str) -> Vec<u8> {
    let secrets = Api::<Secret>::namespaced(client.clone(), namespace);
    eventually("argocd-server has made its signing key", Duration::from_secs(30), || async {
        let secret = secrets.get("argocd-secret").await.map_err(|error| error.to_string())?;
        let key = secret.data.and_then(|mut data| data.remove("server.secretkey"));
        key.map(|key| key.0).ok_or_else(|| "no server.secretkey".to_owned())
    })
    .await
}
