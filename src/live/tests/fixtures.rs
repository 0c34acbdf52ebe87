//! A cluster with an agent, as data: its kinds, projects, namespaces and Applications.

use std::sync::Arc;

use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::APIResource;
use serde_json::{Value, json};

use crate::api::LiveResourceAccess;
use crate::argocd::deployed::Deployed;
use crate::argocd::kinds::AppProject;
use crate::config::InstanceConfig;
use crate::live::ceiling::Ceiling;
use crate::live::derive::{Sight, derive};
use crate::live::discovery::Discovery;
use crate::live::grant::{self, Access};
use crate::live::rules::{Names, Right, Rules};
use crate::live::wanted::Wanted;

/// The kinds that the API server knows, with their resources; those in capitals at the end have no namespace.
pub const KINDS: &[(&str, &str, &str, bool)] = &[
    ("", "Pod", "pods", true),
    ("", "Service", "services", true),
    ("", "ConfigMap", "configmaps", true),
    ("", "Secret", "secrets", true),
    ("", "ServiceAccount", "serviceaccounts", true),
    ("", "Endpoints", "endpoints", true),
    ("", "Event", "events", true),
    ("apps", "Deployment", "deployments", true),
    ("apps", "ReplicaSet", "replicasets", true),
    ("apps", "StatefulSet", "statefulsets", true),
    ("apps", "ControllerRevision", "controllerrevisions", true),
    ("batch", "CronJob", "cronjobs", true),
    ("batch", "Job", "jobs", true),
    ("discovery.k8s.io", "EndpointSlice", "endpointslices", true),
    ("networking.k8s.io", "Ingress", "ingresses", true),
    ("rbac.authorization.k8s.io", "Role", "roles", true),
    ("rbac.authorization.k8s.io", "RoleBinding", "rolebindings", true),
    ("rbac.authorization.k8s.io", "ClusterRole", "clusterroles", false),
    ("argoproj.io", "Application", "applications", true),
    ("argoproj.io", "Rollout", "rollouts", true),
    ("argocd-access.dev", "ExecAccess", "execaccesses", true),
    ("", "Namespace", "namespaces", false),
    ("", "Node", "nodes", false),
    ("apiextensions.k8s.io", "CustomResourceDefinition", "customresourcedefinitions", false),
    ("admissionregistration.k8s.io", "ValidatingWebhookConfiguration", "validatingwebhookconfigurations", false),
];

pub fn discovery() -> Discovery {
    let mut discovery = Discovery::default();
    for (group, kind, plural, namespaced) in KINDS {
        let verbs = ["get", "list", "watch", "create", "update", "patch", "delete"].map(ToOwned::to_owned).to_vec();
        let one = |name: String, verbs: Vec<String>| APIResource {
            name,
            kind: (*kind).to_owned(),
            namespaced: *namespaced,
            verbs,
            ..APIResource::default()
        };
        let status = one(format!("{plural}/status"), vec!["get".to_owned(), "patch".to_owned()]);
        discovery.add(group, &[one((*plural).to_owned(), verbs), status]);
    }
    discovery
}

pub fn namespace(name: &str, labels: &Value) -> Arc<Namespace> {
    Arc::new(serde_json::from_value(json!({"metadata": {"name": name, "labels": labels}})).unwrap())
}

pub fn project(name: &str, spec: &str) -> Arc<AppProject> {
    let text = format!("{{apiVersion: argoproj.io/v1alpha1, kind: AppProject, metadata: {{name: {name}, namespace: argocd}}, spec: {spec}}}");
    Arc::new(serde_yaml::from_str(&text).unwrap())
}

/// A project that allows everything in every namespace.
pub fn open_project(name: &str) -> Arc<AppProject> {
    project(name, "{destinations: [{server: '*', namespace: '*'}], clusterResourceWhitelist: [{group: '*', kind: '*'}]}")
}

/// One resource, as `group/Kind/namespace/name`.
pub fn resource(text: &str) -> Value {
    let [group, kind, namespace, name] = text.split('/').collect::<Vec<_>>()[..] else { panic!("{text}") };
    json!({"group": group, "kind": kind, "namespace": namespace, "name": name, "version": "v1", "status": "Synced"})
}

pub fn application(name: &str, project: &str, resources: &[&str]) -> Arc<Deployed> {
    let resources: Vec<Value> = resources.iter().map(|text| resource(text)).collect();
    Arc::new(
        serde_json::from_value(
            json!({"apiVersion": "argoproj.io/v1alpha1", "kind": "Application", "metadata": {"name": name, "namespace": "argocd"},
            "spec": {"project": project, "destination": {"name": "in-cluster", "namespace": "shop"}}, "status": {"resources": resources}}),
        )
        .unwrap(),
    )
}

pub fn declared(agent: &str) -> LiveResourceAccess {
    let text = format!(
        "{{apiVersion: argocd-access.dev/v1alpha1, kind: LiveResourceAccess, metadata: {{name: live, namespace: argocd}}, spec: {{side: Agent, agent: {agent}}}}}"
    );
    serde_yaml::from_str(&text).unwrap()
}

pub fn access(agent: &str) -> Access {
    grant::parse(&declared(agent), &InstanceConfig::of("argocd")).unwrap()
}

/// One that grants this.
pub fn granting(grant: &str) -> Access {
    access(&format!("{{grants: [{grant}]}}"))
}

/// A whole cluster.
pub struct Cluster {
    pub managed: bool,
    pub applications: Vec<Arc<Deployed>>,
    pub projects: Vec<Arc<AppProject>>,
    pub namespaces: Vec<Arc<Namespace>>,
    pub discovery: Discovery,
    pub ceiling: Ceiling,
}

impl Cluster {
    /// One in which the Application `web` of an open project has these.
    pub fn with(resources: &[&str]) -> Self {
        Self {
            managed: true,
            applications: vec![application("web", "shop", resources)],
            projects: vec![open_project("shop")],
            namespaces: ["argocd", "kube-system", "shop", "other", "team-a"].map(|n| namespace(n, &json!({"name": n}))).to_vec(),
            discovery: discovery(),
            ceiling: Ceiling::unlimited(),
        }
    }

    pub fn sight(&self) -> Sight<'_> {
        Sight {
            own: "argocd",
            managed: self.managed,
            applications: &self.applications,
            projects: &self.projects,
            namespaces: &self.namespaces,
            discovery: &self.discovery,
            ceiling: &self.ceiling,
        }
    }

    pub fn derive(&self, access: &Access) -> Wanted {
        derive(access, self.sight())
    }
}

/// Rights as text, each `verb resource.group` and its names, sorted.
pub fn show(rules: &Rules) -> Vec<String> {
    let one = |(right, names): (&Right, &Names)| {
        let group = if right.group.is_empty() { String::new() } else { format!(".{}", right.group) };
        let names = if let Names::Only(some) = names { format!(" {some:?}") } else { String::new() };
        format!("{} {}{group}{names}", right.verb, right.resource)
    };
    let mut all: Vec<String> = rules.iter().map(one).collect();
    all.sort();
    all
}

/// What was left out, each `Kind namespace Feature Reason`.
pub fn left_out(wanted: &Wanted) -> Vec<String> {
    wanted.not_granted.iter().map(|n| format!("{} {} {:?} {:?}", n.kind, n.namespace, n.feature, n.reason)).collect()
}
