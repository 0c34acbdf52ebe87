//! A small stand-in for the scheduler and the kubelet, for the operator's own Pods in one namespace.
//!
//! What the chart renders is what runs: the real binary with the container's arguments, environment, mounted files and ports, under a
//! token of the Pod's ServiceAccount. The Pod's status follows the process and its probes, so that Deployments, Jobs, `helm --wait`
//! and hooks work. Only Pods whose image names the operator are taken; all others stay pending.

mod container;
mod pod;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use futures::StreamExt;
use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api, ResourceExt,
    runtime::{WatchStreamExt, reflector, watcher},
};
use tempfile::TempDir;

use super::{ControlPlane, process::Process, reaper};
pub use container::variables;
use pod::RunningPod;

/// The name of the node that the stand-in claims to be; no Node object of this name exists.
pub const NODE: &str = "bench";
const IMAGE: &str = "argocd-access-operator";

/// The running stand-in. Dropping it ends every process that it started, as the loss of a node does: without asking them.
pub struct Kubelet {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

/// One started container.
#[derive(Clone)]
pub struct Container {
    /// The name of its Pod.
    pub pod: String,
    /// Whether it belongs to a Deployment (an operator) or a Job (the chart's hooks).
    pub operator: bool,
    /// The ports of this machine on which it listens, by the name or else the number in the Pod.
    pub ports: BTreeMap<String, u16>,
    /// What the Pod said to run.
    pub arguments: Vec<String>,
    log: PathBuf,
    process: Arc<Process>,
}

impl Container {
    /// The process id.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Whether one of its arguments contains this.
    pub fn has(&self, argument: &str) -> bool {
        self.arguments.iter().any(|one| one.contains(argument))
    }

    /// Everything that it printed, over all its restarts.
    pub fn log(&self) -> String {
        std::fs::read(&self.log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
    }
}

struct Shared {
    stop: AtomicBool,
    /// Nothing is started again while it is set.
    hold: AtomicBool,
    /// Where the containers find the API server, when that is not the API server itself.
    behind: Option<String>,
    /// Every container ever started, a restarted one again.
    containers: Mutex<Vec<Container>>,
    folder: TempDir,
}

impl Kubelet {
    /// Serves the namespace from now on.
    pub fn start(control_plane: &'static ControlPlane, namespace: &str) -> Self {
        Self::start_behind(control_plane, namespace, None)
    }

    /// The same; the containers reach the API server at this address, such as that of a [`super::proxy`].
    pub fn start_behind(control_plane: &'static ControlPlane, namespace: &str, behind: Option<&str>) -> Self {
        let shared = Arc::new(Shared {
            stop: AtomicBool::new(false),
            hold: AtomicBool::new(false),
            behind: behind.map(ToOwned::to_owned),
            containers: Mutex::default(),
            folder: reaper::folder("kubelet"),
        });
        let (namespace, inside) = (namespace.to_owned(), shared.clone());
        // A thread of its own with a runtime of its own: it goes on while a test blocks.
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(serve(control_plane, &namespace, &inside));
        });
        Self { shared, thread: Some(thread) }
    }

    /// The operators that run now.
    pub fn operators(&self) -> Vec<Container> {
        self.containers().iter().filter(|container| container.operator && container.process.ended().is_none()).cloned().collect()
    }

    /// How many times an operator was started, restarts included.
    pub fn operator_starts(&self) -> usize {
        self.containers().iter().filter(|container| container.operator).count()
    }

    /// What all containers printed, operators and Jobs, in the order of their first start.
    pub fn log(&self) -> String {
        self.log_of(|_container| true)
    }

    /// What the operators printed.
    pub fn operator_log(&self) -> String {
        self.log_of(|container| container.operator)
    }

    fn log_of(&self, which: impl Fn(&Container) -> bool) -> String {
        let mut text = String::new();
        let mut seen = BTreeSet::new();
        for container in self.containers().iter().filter(|container| which(container)) {
            // The restarts of a container go on in the same file.
            if seen.insert(&container.log) {
                let title = format!("==== {} {}", container.pod, container.arguments.join(" "));
                let _infallible = writeln!(text, "{title}\n{}", container.log());
            }
        }
        text
    }

    /// Kills the running operators as the kernel does, and waits until they are gone. They are started again soon.
    pub fn kill_operator(&self) {
        for operator in self.operators() {
            operator.process.kill();
        }
    }

    /// What ends the running operators at once, and keeps them from being started again until [`Self::release`]. To be called from any
    /// thread, more than once.
    pub fn killer(&self) -> impl Fn() + Send + 'static {
        self.killer_of("")
    }

    /// The same for those operators alone that have such an argument: the chart runs one for each thing that is served.
    pub fn killer_of(&self, argument: &'static str) -> impl Fn() + Send + 'static {
        let shared = self.shared.clone();
        move || {
            shared.hold.store(true, Ordering::SeqCst);
            let containers = shared.containers.lock().unwrap_or_else(PoisonError::into_inner);
            containers.iter().filter(|container| container.operator && container.has(argument)).for_each(|container| container.process.kill());
        }
    }

    /// Lets killed operators be started again, at once.
    pub fn release(&self) {
        self.shared.hold.store(false, Ordering::SeqCst);
    }

    /// What sends a signal to the running operators; to be called from any thread.
    pub fn signaller(&self, signal: &'static str) -> impl Fn() + Send + 'static {
        let shared = self.shared.clone();
        move || {
            let containers = shared.containers.lock().unwrap_or_else(PoisonError::into_inner);
            containers.iter().filter(|container| container.operator).for_each(|container| container.process.signal(signal));
        }
    }

    /// Puts another token where the operators find theirs, as the kubelet does before one expires.
    pub fn replace_token(&self, token: &str) {
        self.replace(pod::TOKEN, token);
    }

    /// Gives the running operators other certificate authorities (PEM) in the file where they read them.
    pub fn replace_authorities(&self, authorities: &str) {
        self.replace(pod::AUTHORITIES, authorities);
    }

    fn replace(&self, file: &str, content: &str) {
        for operator in self.operators() {
            let folder = self.shared.folder().join(&operator.pod);
            let new = folder.join(format!("{file}.new"));
            // Readers see the one or the other.
            std::fs::write(&new, content).and_then(|()| std::fs::rename(&new, folder.join(file))).expect("replace a file");
        }
    }

    /// Sends a signal to the running operators: `STOP` and `CONT` make one that was away for a while.
    pub fn signal_operator(&self, signal: &str) {
        for operator in self.operators() {
            operator.process.signal(signal);
        }
    }

    /// `http://127.0.0.1:PORT` of the running operator's port of this name, or of its only port.
    pub fn url(&self, port: &str) -> String {
        let operators = self.operators();
        let operator = operators.first().expect("an operator runs");
        let local = operator.ports.get(port).or_else(|| operator.ports.values().next()).expect("the operator has a port");
        format!("http://127.0.0.1:{local}")
    }

    /// Where the running operator serves its metrics.
    pub fn metrics_url(&self) -> String {
        format!("{}/metrics", self.url("metrics"))
    }

    fn containers(&self) -> MutexGuard<'_, Vec<Container>> {
        self.shared.containers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Kubelet {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        let ended = self.thread.take().map(JoinHandle::join);
        if let (Some(Err(_)), false) = (ended, std::thread::panicking()) {
            panic!("the bench's kubelet panicked; its message is above");
        }
    }
}

impl Shared {
    fn started(&self, container: Container) {
        self.containers.lock().unwrap_or_else(PoisonError::into_inner).push(container);
    }

    fn folder(&self) -> &Path {
        self.folder.path()
    }
}

async fn serve(control_plane: &'static ControlPlane, namespace: &str, shared: &Shared) {
    let api = Api::<Pod>::namespaced(control_plane.client(), namespace);
    let (pods, writer) = reflector::store();
    let watch = watcher(api.clone(), watcher::Config::default()).default_backoff().reflect(writer);
    tokio::spawn(watch.for_each(|_event| std::future::ready(())));

    let mut running: BTreeMap<String, RunningPod> = BTreeMap::new();
    while !shared.stop.load(Ordering::Relaxed) {
        let present = pods.state();
        for pod in present.iter().filter(|pod| is_ours(pod)) {
            let uid = pod.uid().unwrap_or_default();
            if !running.contains_key(&uid) && !is_over(pod) {
                match RunningPod::start(control_plane, &api, pod, shared).await {
                    Ok(started) => drop(running.insert(uid.clone(), started)),
                    // Such as a ConfigMap that is not there yet: tried again, and visible in the test's output.
                    Err(message) => eprintln!("kubelet: {}: {message}", pod.name_any()),
                }
            }
            if let Some(known) = running.get_mut(&uid)
                && let Err(error) = known.follow(&api, pod, shared).await
            {
                // A Pod that is gone, or changed in between: the watch will tell.
                eprintln!("kubelet: {}: {error}", pod.name_any());
            }
        }
        // Vanished without a graceful end, such as by a deletion with grace 0.
        running.retain(|uid, _pod| present.iter().any(|pod| pod.uid().as_deref() == Some(uid)));
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

fn is_ours(pod: &Pod) -> bool {
    let containers = pod.spec.iter().flat_map(|spec| &spec.containers);
    containers.filter_map(|container| container.image.as_ref()).any(|image| image.contains(IMAGE))
}

fn is_over(pod: &Pod) -> bool {
    let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
    matches!(phase, Some("Succeeded" | "Failed")) || pod.metadata.deletion_timestamp.is_some()
}
