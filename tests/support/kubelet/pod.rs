//! One Pod that runs: its process, its probes, its restarts, its status, its end.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use k8s_openapi::{
    api::core::v1::{Binding, ObjectReference, Pod, Probe},
    apimachinery::pkg::util::intstr::IntOrString,
    jiff::Timestamp,
};
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, ObjectMeta, Patch, PatchParams, PostParams, Preconditions},
};
use serde_json::{Value, json};

use super::super::{
    ControlPlane,
    process::{Process, get},
};
use super::{Container, NODE, Shared, container::Prepared};

/// The file of a Pod's token, in its folder.
pub const TOKEN: &str = "token";
/// That of the cluster's certificate authorities.
pub const AUTHORITIES: &str = "ca.crt";
/// How often a readiness or startup probe is asked, whatever its period: tests should not wait for seconds.
const PROBE: Duration = Duration::from_millis(200);

pub struct RunningPod {
    name: String,
    container: String,
    image: String,
    prepared: Prepared,
    ports: BTreeMap<String, u16>,
    operator: bool,
    process: Arc<Process>,
    started: Timestamp,
    restarts: u32,
    /// When to start it again after its end.
    start_again: Option<Instant>,
    term_sent: Option<Instant>,
    startup: Option<Check>,
    readiness: Option<Check>,
    liveness: Option<Check>,
    ready: bool,
    ready_since: Timestamp,
    written: Value,
}

struct Check {
    url: String,
    period: Duration,
    threshold: u32,
    failures: u32,
    last: Option<Instant>,
}

impl Check {
    fn new(probe: Option<&Probe>, ports: &BTreeMap<String, u16>, period: Option<Duration>) -> Option<Self> {
        let probe = probe?;
        let get = probe.http_get.as_ref()?;
        let port = match &get.port {
            IntOrString::Int(number) => number.to_string(),
            IntOrString::String(name) => name.clone(),
        };
        let local = ports.get(&port).unwrap_or_else(|| panic!("a probe names the port {port}, which the container has not"));
        let seconds = u64::try_from(probe.period_seconds.unwrap_or(10)).expect("a period");
        Some(Self {
            url: format!("http://127.0.0.1:{local}{}", get.path.as_deref().unwrap_or("/")),
            period: period.unwrap_or(Duration::from_secs(seconds)),
            threshold: u32::try_from(probe.failure_threshold.unwrap_or(3)).expect("a threshold"),
            failures: 0,
            last: None,
        })
    }

    /// The verdict once it is due: the probe's success, or its failure as often as its threshold says.
    async fn verdict(&mut self) -> Option<bool> {
        if self.last.is_some_and(|last| last.elapsed() < self.period) {
            return None;
        }
        self.last = Some(Instant::now());
        let answer = tokio::time::timeout(Duration::from_secs(1), get(&self.url)).await;
        if matches!(answer, Ok(Ok((200..=399, _)))) {
            self.failures = 0;
            return Some(true);
        }
        self.failures += 1;
        (self.failures >= self.threshold).then_some(false)
    }

    fn restart(&mut self) {
        self.failures = 0;
        self.last = None;
    }
}

impl RunningPod {
    /// Binds the Pod to this node and starts its first container.
    pub async fn start(control_plane: &'static ControlPlane, api: &Api<Pod>, pod: &Pod, shared: &Shared) -> Result<Self, String> {
        let name = pod.name_any();
        let namespace = pod.namespace().unwrap_or_default();
        let spec = pod.spec.as_ref().ok_or("a Pod without spec")?;
        if spec.containers.len() != 1 || spec.init_containers.as_ref().is_some_and(|containers| !containers.is_empty()) {
            return Err("the bench's kubelet runs Pods with exactly one container".to_owned());
        }
        let container = &spec.containers[0];
        if spec.node_name.is_none() {
            let binding = Binding {
                metadata: ObjectMeta { name: Some(name.clone()), ..ObjectMeta::default() },
                target: ObjectReference { kind: Some("Node".to_owned()), name: Some(NODE.to_owned()), ..ObjectReference::default() },
            };
            api.create_subresource::<Binding, Value>("binding", &name, &PostParams::default(), &binding)
                .await
                .map_err(|error| format!("bind to the node: {error}"))?;
        }
        let account = spec.service_account_name.as_deref().unwrap_or("default");
        let kubeconfig = control_plane.try_kubeconfig_for_service_account(&namespace, account).await?;
        if let Some(server) = &shared.behind {
            let text = std::fs::read_to_string(&kubeconfig).map_err(|error| error.to_string())?;
            std::fs::write(&kubeconfig, text.replace(&control_plane.server, server)).map_err(|error| error.to_string())?;
        }
        let folder = shared.folder().join(&name);
        std::fs::create_dir_all(&folder).map_err(|error| format!("make {}: {error}", folder.display()))?;
        credential_files(&kubeconfig, &folder)?;
        let prepared = Prepared::new(&control_plane.client(), pod, container, &folder, &kubeconfig).await?;
        let mut ports = BTreeMap::new();
        for port in container.ports.iter().flatten() {
            let here = prepared.ports[&port.container_port];
            ports.insert(port.container_port.to_string(), here);
            if let Some(port_name) = &port.name {
                ports.insert(port_name.clone(), here);
            }
        }
        let log = shared.folder().join(format!("{name}.log"));
        let operator = pod.owner_references().iter().any(|owner| owner.kind == "ReplicaSet");
        let process = Arc::new(Process::start_command(&name, prepared.command(), &log));
        let running = Self {
            container: container.name.clone(),
            image: container.image.clone().unwrap_or_default(),
            startup: Check::new(container.startup_probe.as_ref(), &ports, Some(PROBE)),
            readiness: Check::new(container.readiness_probe.as_ref(), &ports, Some(PROBE)),
            liveness: Check::new(container.liveness_probe.as_ref(), &ports, None),
            name,
            prepared,
            ports,
            operator,
            process,
            started: Timestamp::now(),
            restarts: 0,
            start_again: None,
            term_sent: None,
            ready: false,
            ready_since: Timestamp::now(),
            written: Value::Null,
        };
        running.announce(shared);
        Ok(running)
    }

    fn announce(&self, shared: &Shared) {
        shared.started(Container {
            pod: self.name.clone(),
            operator: self.operator,
            ports: self.ports.clone(),
            arguments: self.prepared.arguments.clone(),
            log: self.process.log().to_owned(),
            process: self.process.clone(),
        });
    }

    /// One look at the process and at what the API server says of the Pod.
    pub async fn follow(&mut self, api: &Api<Pod>, pod: &Pod, shared: &Shared) -> Result<(), kube::Error> {
        if pod.metadata.deletion_timestamp.is_some() {
            return self.end(api, pod).await;
        }
        let policy = pod.spec.as_ref().and_then(|spec| spec.restart_policy.as_deref()).unwrap_or("Always");
        let ended = self.process.ended().map(exit_code);
        match ended {
            None => self.probe().await,
            Some(code) => {
                self.set_ready(false);
                if policy == "Always" || policy == "OnFailure" && code != 0 {
                    self.restart_when_due(shared);
                }
            }
        }
        let status = self.status(policy, ended);
        if status != self.written {
            api.patch_status(&self.name, &PatchParams::default(), &Patch::Merge(json!({ "status": status }))).await?;
            self.written = status;
        }
        Ok(())
    }

    async fn probe(&mut self) {
        if let Some(startup) = &mut self.startup {
            match startup.verdict().await {
                Some(true) => self.startup = None,
                Some(false) => self.process.kill(),
                None => {}
            }
            if self.startup.is_some() {
                return;
            }
        }
        if let Some(liveness) = &mut self.liveness
            && liveness.verdict().await == Some(false)
        {
            eprintln!("kubelet: {}: its liveness probe fails, it is killed", self.name);
            self.process.kill();
        }
        match &mut self.readiness {
            None => self.set_ready(true),
            Some(readiness) => {
                if let Some(ready) = readiness.verdict().await {
                    self.set_ready(ready);
                }
            }
        }
    }

    fn set_ready(&mut self, ready: bool) {
        if self.ready != ready {
            self.ready = ready;
            self.ready_since = Timestamp::now();
        }
    }

    fn restart_when_due(&mut self, shared: &Shared) {
        if shared.hold.load(Ordering::SeqCst) {
            self.start_again = Some(Instant::now());
            return;
        }
        let pause = Duration::from_millis(200 * u64::from(self.restarts.min(10)));
        let due = *self.start_again.get_or_insert_with(|| Instant::now() + pause);
        if Instant::now() < due {
            return;
        }
        self.start_again = None;
        self.restarts += 1;
        self.started = Timestamp::now();
        for check in [&mut self.startup, &mut self.readiness, &mut self.liveness].into_iter().flatten() {
            check.restart();
        }
        let log = self.process.log().to_owned();
        self.process = Arc::new(Process::start_command(&self.name, self.prepared.command(), &log));
        self.announce(shared);
    }

    async fn end(&mut self, api: &Api<Pod>, pod: &Pod) -> Result<(), kube::Error> {
        let sent = *self.term_sent.get_or_insert_with(|| {
            self.process.signal("TERM");
            Instant::now()
        });
        let grace = u64::try_from(pod.metadata.deletion_grace_period_seconds.unwrap_or(30)).unwrap_or(0);
        if self.process.ended().is_none() {
            if sent.elapsed() < Duration::from_secs(grace) {
                return Ok(());
            }
            eprintln!("kubelet: {}: did not end within {grace} s, it is killed", self.name);
            self.process.kill();
        }
        let parameters =
            DeleteParams { preconditions: Some(Preconditions { uid: pod.uid(), resource_version: None }), ..DeleteParams::default().grace_period(0) };
        match api.delete(&self.name, &parameters).await {
            Err(kube::Error::Api(status)) if status.is_not_found() || status.is_conflict() => Ok(()),
            result => result.map(drop),
        }
    }

    fn status(&self, policy: &str, ended: Option<i32>) -> Value {
        let ready = self.ready && ended.is_none();
        let over = match ended {
            Some(0) if policy != "Always" => Some("Succeeded"),
            Some(_) if policy == "Never" => Some("Failed"),
            _ => None,
        };
        let since = self.ready_since.to_string();
        let condition = |kind: &str, holds: bool| {
            let status = if holds { "True" } else { "False" };
            json!({ "type": kind, "status": status, "lastTransitionTime": since })
        };
        let state = match ended {
            None => json!({ "running": { "startedAt": self.started.to_string() } }),
            Some(code) => {
                json!({ "terminated": { "exitCode": code, "startedAt": self.started.to_string(),
                "finishedAt": since, "reason": if code == 0 { "Completed" } else { "Error" } } })
            }
        };
        json!({
            "phase": over.unwrap_or("Running"),
            "startTime": self.written["startTime"].as_str().map_or_else(|| self.started.to_string(), ToOwned::to_owned),
            "hostIP": "127.0.0.1",
            "podIP": "127.0.0.1",
            "podIPs": [{ "ip": "127.0.0.1" }],
            "conditions": [
                condition("PodScheduled", true),
                condition("Initialized", true),
                condition("ContainersReady", ready),
                condition("Ready", ready),
            ],
            "containerStatuses": [{
                "name": self.container,
                "image": self.image,
                "imageID": "",
                "ready": ready,
                "started": ended.is_none(),
                "restartCount": self.restarts,
                "state": state,
            }],
        })
    }
}

impl Drop for RunningPod {
    fn drop(&mut self) {
        self.process.kill();
    }
}

fn exit_code(status: std::process::ExitStatus) -> i32 {
    use std::os::unix::process::ExitStatusExt;
    status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0))
}

/// As in a real Pod the token and the authorities are in files of their own, which may be replaced.
fn credential_files(kubeconfig: &Path, folder: &Path) -> Result<(), String> {
    let text = std::fs::read_to_string(kubeconfig).map_err(|error| error.to_string())?;
    let mut value: Value = serde_json::from_str(&text).map_err(|error| error.to_string())?;
    let user = value.pointer_mut("/users/0/user").and_then(Value::as_object_mut).ok_or("a kubeconfig without a user")?;
    let token = user.remove("token").ok_or("a kubeconfig without a token")?;
    let file = folder.join(TOKEN);
    std::fs::write(&file, token.as_str().unwrap_or_default()).map_err(|error| error.to_string())?;
    user.insert("tokenFile".to_owned(), json!(file));
    let authority = value.pointer_mut("/clusters/0/cluster/certificate-authority").ok_or("a kubeconfig without an authority")?;
    let file = folder.join(AUTHORITIES);
    std::fs::copy(authority.as_str().unwrap_or_default(), &file).map_err(|error| error.to_string())?;
    *authority = json!(file);
    std::fs::write(kubeconfig, value.to_string()).map_err(|error| error.to_string())
}
