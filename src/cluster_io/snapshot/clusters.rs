//! What the `ClusterAccess` objects of an instance need to be seen. Watched once for all of them; of Secrets nothing is watched.

use std::collections::BTreeSet;
use std::sync::Arc;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use kube::runtime::watcher::Config;
use kube::{Api, Client};

use super::declarations::Declarations;
use super::{Outside, Told, first, named};
use crate::api::{ClusterAccess, ExecAccess};
use crate::argocd::kinds::{AppProject, Application};
use crate::argocd::{ARGOCD_CM, ARGOCD_CMD_PARAMS_CM, ARGOCD_RBAC_CM};
use crate::cluster_io::recent::Recent;
use crate::cluster_io::watch::{Probe, Watch, without_history};
use crate::clusters::bindings::MOST;
use crate::config::InstanceConfig;
use crate::exec;
use crate::exec::remote::Cluster;
use crate::reconcile::unreadable::Unreadable;
use crate::reconcile::{Kind, Seen};

/// What belongs to no instance; watched once.
pub struct HubWatches {
    namespaces: Watch<Namespace>,
    applications: Watch<Application>,
}

impl HubWatches {
    /// Starts them.
    #[must_use]
    pub fn start(client: &Client, told: &Told) -> Self {
        Self {
            namespaces: Watch::start("namespaces", Api::all(client.clone()), Config::default(), without_history, told.clone()),
            applications: Watch::start("applications", Api::all(client.clone()), Config::default(), without_history, told.clone()),
        }
    }
}

/// What is watched in one instance.
pub struct RemoteWatches {
    /// What the platform admin allows here.
    pub settings: InstanceConfig,
    hub: Arc<HubWatches>,
    accesses: Declarations<ClusterAccess>,
    terminals: Declarations<ExecAccess>,
    argocd_cm: Watch<ConfigMap>,
    rbac_cm: Watch<ConfigMap>,
    params_cm: Watch<ConfigMap>,
    deployments: Watch<Deployment>,
    projects: Watch<AppProject>,
}

/// The objects of an instance, and those that cannot be parsed.
pub type Declared = (Vec<Arc<ClusterAccess>>, Vec<Unreadable>);

impl RemoteWatches {
    /// Starts them; `told` is told of every change.
    #[must_use]
    pub fn start(client: &Client, settings: InstanceConfig, hub: Arc<HubWatches>, told: &Told) -> Self {
        let namespace = settings.namespace.as_str();
        let config_map =
            |name: &str| Watch::start("configmaps", Api::namespaced(client.clone(), namespace), named(name), without_history, told.clone());
        Self {
            accesses: Declarations::start(client, Kind::ClusterAccess, namespace, true, told),
            terminals: Declarations::start(client, Kind::ExecAccess, namespace, true, told),
            argocd_cm: config_map(ARGOCD_CM),
            rbac_cm: config_map(ARGOCD_RBAC_CM),
            params_cm: config_map(ARGOCD_CMD_PARAMS_CM),
            deployments: Watch::start("deployments", Api::namespaced(client.clone(), namespace), Config::default(), without_history, told.clone()),
            projects: Watch::start("appprojects", Api::namespaced(client.clone(), namespace), Config::default(), without_history, told.clone()),
            hub,
            settings,
        }
    }

    /// The namespace of the instance.
    #[must_use]
    pub fn namespace(&self) -> &str {
        &self.settings.namespace
    }

    /// The health of every watch.
    #[must_use]
    pub fn probes(&self) -> Vec<Probe> {
        let all = [
            self.accesses.probe(),
            self.terminals.probe(),
            &self.argocd_cm.probe,
            &self.rbac_cm.probe,
            &self.params_cm.probe,
            &self.deployments.probe,
            &self.projects.probe,
            &self.hub.namespaces.probe,
            &self.hub.applications.probe,
        ];
        all.into_iter().cloned().collect()
    }

    /// Whether it is known of every kind what can be known.
    #[must_use]
    pub fn settled(&self) -> bool {
        self.probes().iter().all(|probe| probe.health().settled())
    }

    /// The objects.
    ///
    /// # Errors
    /// When they cannot be seen.
    pub fn declared(&self, recent: &mut Recent) -> Seen<Declared> {
        self.accesses.all(recent)
    }

    /// The namespaces to which Applications on a cluster deploy; as many as one object may reach.
    #[must_use]
    pub fn destinations(&self, cluster: &str, server: &str) -> BTreeSet<String> {
        let all = self.hub.applications.all().unwrap_or_default();
        let there = all.iter().map(|app| &app.spec.destination).filter(|destination| match Cluster::of(destination) {
            Some(Cluster::Name(name)) => name == cluster,
            Some(Cluster::Server(address)) => address == server,
            None => false,
        });
        // Whoever may edit an Application writes here what they like: it becomes part of an address.
        let plain = |name: &String| !name.is_empty() && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
        let namespaces: BTreeSet<String> = there.filter_map(|destination| destination.namespace.clone()).filter(plain).collect();
        namespaces.into_iter().take(MOST).collect()
    }

    /// The name of argocd-server's `ServiceAccount`, as far as its Deployment is known.
    #[must_use]
    pub fn server_account(&self) -> Option<String> {
        let deployments = self.deployments.all().ok()?;
        let server = crate::argocd::instance::find_server(deployments.iter().map(AsRef::as_ref), None).ok()?;
        Some(server.service_account)
    }

    /// As much of the instance as decides over an `ExecAccess`, and what else a `ClusterAccess` looks at.
    ///
    /// # Errors
    /// When the `ExecAccess` objects cannot be seen.
    pub fn exec(&self, outside: &Outside) -> Seen<exec::World> {
        // Of these nothing is written here.
        let none = &mut Recent::default();
        let (accesses, unreadable) = self.terminals.all(none)?;
        Ok(exec::World {
            kubernetes_version: outside.kubernetes_version.clone(),
            server_ahead: outside.server_ahead,
            withdraw_all: outside.withdraw_all,
            accesses,
            unreadable,
            argocd_cm: first(self.argocd_cm.all(), ARGOCD_CM),
            rbac_cm: first(self.rbac_cm.all(), ARGOCD_RBAC_CM),
            params_cm: first(self.params_cm.all(), ARGOCD_CMD_PARAMS_CM),
            deployments: self.deployments.all(),
            applications: self.hub.applications.all(),
            projects: self.projects.all(),
            namespaces: self.hub.namespaces.all(),
            ..exec::World::empty(self.settings.clone(), "")
        })
    }
}
