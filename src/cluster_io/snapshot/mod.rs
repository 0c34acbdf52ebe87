//! What is watched: what belongs to no instance, what several resources look at in one instance, and beside it what each of them needs.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Pod, Service};
use k8s_openapi::api::networking::v1::IngressClass;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::core::PartialObjectMeta;
use kube::runtime::watcher::Config;
use kube::{Api, Client, Resource};
use serde::de::DeserializeOwned;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use super::watch::{Probe, Watch, whole, without_history};
use crate::argocd::deployed::Deployed;
use crate::argocd::kinds::{AppProject, Application};
use crate::argocd::{ARGOCD_CM, ARGOCD_CMD_PARAMS_CM};
use crate::config::InstanceConfig;
use crate::reconcile::Seen;
use crate::reconcile::contests::Contests;

pub mod agent;
pub mod clusters;
mod declarations;
pub mod exec;
pub mod live;
pub mod principal;

pub use agent::AgentWatches;
pub use clusters::{HubWatches, RemoteWatches};
pub use declarations::DECLARATIONS;
pub use exec::ExecWatches;
pub use live::LiveWatches;
pub use principal::PrincipalWatches;

/// Changes of what Applications consist of, and of the kinds that there are, are taken together for this time.
const SETTLE: Duration = Duration::from_secs(10);

/// Who is told of changes.
pub type Told = Vec<Arc<Notify>>;

/// What no watch shows.
#[derive(Clone, Debug, Default)]
pub struct Outside {
    /// The API server's version.
    pub kubernetes_version: Option<String>,
    /// By how much its clock is ahead of ours.
    pub server_ahead: Option<jiff::SignedDuration>,
    /// Withdraw everything.
    pub withdraw_all: bool,
    /// Who has rewritten what we set.
    pub contests: Contests,
}

/// Kinds that belong to no instance; watched once.
pub struct ClusterWatches {
    namespaces: Watch<Namespace>,
    ingress_classes: Watch<IngressClass>,
    applications: Watch<Application>,
    live: Option<LiveCluster>,
}

/// What only live resources need.
struct LiveCluster {
    applications: Watch<Deployed>,
    definitions: Watch<PartialObjectMeta<CustomResourceDefinition>>,
    /// Tells of their changes, a little later.
    later: JoinHandle<()>,
}

impl Drop for LiveCluster {
    fn drop(&mut self) {
        self.later.abort();
    }
}

impl ClusterWatches {
    /// Starts them; every one in `exec` is told of changes of what terminals need, and every one in `live` of what live resources need.
    /// Where `live` is empty, that is not watched.
    #[must_use]
    pub fn start(client: &Client, exec: &[Arc<Notify>], live: &[Arc<Notify>]) -> Self {
        let all = [exec, live].concat();
        Self {
            namespaces: Watch::start("namespaces", Api::all(client.clone()), Config::default(), without_history, all),
            ingress_classes: Watch::start("ingressclasses", Api::all(client.clone()), Config::default(), without_history, exec.to_vec()),
            applications: Watch::start("applications", Api::all(client.clone()), Config::default(), without_history, exec.to_vec()),
            live: (!live.is_empty()).then(|| LiveCluster::start(client, live)),
        }
    }

    fn probes(&self) -> [&Probe; 3] {
        [&self.namespaces.probe, &self.ingress_classes.probe, &self.applications.probe]
    }
}

impl LiveCluster {
    fn start(client: &Client, live: &[Arc<Notify>]) -> Self {
        let (soon, told) = (Arc::new(Notify::new()), live.to_vec());
        let some = vec![Arc::clone(&soon)];
        Self {
            applications: Watch::start("applications", Api::all(client.clone()), Config::default(), without_history, some.clone()),
            definitions: Watch::start("customresourcedefinitions", Api::all(client.clone()), Config::default(), without_history, some),
            later: tokio::spawn(async move {
                loop {
                    soon.notified().await;
                    tokio::time::sleep(SETTLE).await;
                    for one in &told {
                        one.notify_one();
                    }
                }
            }),
        }
    }
}

/// What several resources look at in one instance.
pub struct InstanceWatches {
    /// What the platform admin allows here.
    pub settings: InstanceConfig,
    cluster: Arc<ClusterWatches>,
    argocd_cm: Watch<ConfigMap>,
    params_cm: Watch<ConfigMap>,
    deployments: Watch<Deployment>,
    pods: Watch<Pod>,
    services: Watch<Service>,
    projects: Watch<AppProject>,
}

impl InstanceWatches {
    /// Starts them.
    #[must_use]
    pub fn start(client: &Client, settings: InstanceConfig, cluster: Arc<ClusterWatches>, told: &Told) -> Self {
        let namespace = settings.namespace.as_str();
        let config_map = |name: &str| Watch::start("configmaps", Api::namespaced(client.clone(), namespace), named(name), whole, told.clone());
        Self {
            argocd_cm: config_map(ARGOCD_CM),
            params_cm: config_map(ARGOCD_CMD_PARAMS_CM),
            deployments: Watch::start("deployments", Api::namespaced(client.clone(), namespace), Config::default(), whole, told.clone()),
            pods: Watch::start("pods", Api::namespaced(client.clone(), namespace), Config::default(), prune_pod, told.clone()),
            services: Watch::start("services", Api::namespaced(client.clone(), namespace), Config::default(), without_history, told.clone()),
            projects: Watch::start("appprojects", Api::namespaced(client.clone(), namespace), Config::default(), whole, told.clone()),
            cluster,
            settings,
        }
    }

    /// The namespace of the instance.
    #[must_use]
    pub fn namespace(&self) -> &str {
        &self.settings.namespace
    }
}

/// Objects of one name.
fn named(name: &str) -> Config {
    Config::default().fields(&format!("metadata.name={name}"))
}

fn first<K: Resource<DynamicType = ()> + DeserializeOwned>(seen: Seen<Vec<Arc<K>>>, name: &str) -> Seen<Option<Arc<K>>> {
    Ok(seen?.into_iter().find(|o| o.meta().name.as_deref() == Some(name)))
}

/// Of a Pod only its labels, its ServiceAccount and its start count.
fn prune_pod(pod: &mut Pod) {
    pod.metadata.managed_fields = None;
    if let Some(spec) = &mut pod.spec {
        let service_account_name = spec.service_account_name.take();
        *spec = k8s_openapi::api::core::v1::PodSpec { service_account_name, ..Default::default() };
    }
    if let Some(status) = &mut pod.status {
        let start_time = status.start_time.take();
        *status = k8s_openapi::api::core::v1::PodStatus { start_time, ..Default::default() };
    }
}
