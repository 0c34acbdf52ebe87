//! Where an instance is, and the objects of other people that every sequence begins with.

use serde_json::{Value, json};

use super::edits::SOUND;
use crate::reconcile::{Kind, Target};

/// The AppProjects; of `lab` there is none.
pub const PROJECTS: [&str; 2] = ["shop", "bank"];

/// Where an instance is: the names of its namespaces, which differ between tests that share a cluster.
#[derive(Clone, Debug)]
pub struct Place {
    /// The instance's own namespace.
    pub instance: String,
    /// What stands behind the names of all other namespaces.
    pub suffix: String,
}

impl Place {
    /// The simulator's.
    pub fn simulated() -> Self {
        Self { instance: "argocd".to_owned(), suffix: String::new() }
    }

    /// One of the other namespaces.
    pub fn namespace(&self, name: &str) -> String {
        format!("{name}{}", self.suffix)
    }

    fn own(&self, kind: Kind, name: &str) -> Target {
        Target::namespaced(kind, &self.instance, name)
    }

    /// One of the objects that belong to others.
    pub fn shared(&self, which: Which) -> Target {
        match which {
            Which::ArgocdCm => self.own(Kind::ConfigMap, "argocd-cm"),
            Which::RbacCm => self.own(Kind::ConfigMap, "argocd-rbac-cm"),
            Which::Ingress => self.own(Kind::Ingress, "cd"),
        }
    }

    /// A spec in whose namespaces the suffix stands.
    pub fn spec(&self, spec: &Value) -> Value {
        let mut spec = spec.clone();
        let here = |value: &mut Value| {
            if let Some(name) = value.as_str().filter(|name| *name != "*" && *name != "kube-system") {
                *value = json!(self.namespace(name));
            }
        };
        let named = spec.pointer_mut("/server/namespaces/names").and_then(Value::as_array_mut);
        named.into_iter().flatten().for_each(here);
        let labels = spec.pointer_mut("/server/namespaces/selector/matchLabels").and_then(Value::as_object_mut);
        labels.into_iter().flat_map(|l| l.values_mut()).for_each(here);
        let selectors = spec.get_mut("applications").and_then(Value::as_array_mut);
        selectors.into_iter().flatten().filter_map(|s| s.get_mut("namespace")).for_each(here);
        spec
    }

    /// An AppProject.
    pub fn project(&self, name: &str) -> Target {
        self.own(Kind::AppProject, name)
    }

    /// Everything that belongs to others and that sequences begin with.
    #[allow(dead_code, reason = "only the bench has to list them")]
    pub fn all_shared(&self) -> Vec<Target> {
        let projects = PROJECTS.map(|name| self.project(name));
        [Which::ArgocdCm, Which::RbacCm, Which::Ingress].map(|which| self.shared(which)).into_iter().chain(projects).collect()
    }

    /// An `ExecAccess`.
    pub fn access(&self, name: &str) -> Target {
        self.own(Kind::ExecAccess, name)
    }

    pub fn binding(&self, namespace: &str) -> Target {
        Target::namespaced(Kind::RoleBinding, &self.namespace(namespace), &format!("argocd-access-exec-{}", self.instance))
    }

    pub fn confinement(&self, kind: Kind) -> Target {
        Target::cluster(kind, &format!("argocd-access-exec-{}", self.instance))
    }

    pub fn cluster_binding(&self) -> Target {
        Target::cluster(Kind::ClusterRoleBinding, &format!("argocd-access-exec-{}", self.instance))
    }
}

/// The objects that belong to others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Which {
    ArgocdCm,
    RbacCm,
    Ingress,
}
/// The objects as they are installed.
pub fn installed(place: &Place, which: Which) -> Value {
    let target = place.shared(which);
    let meta = json!({"name": target.name, "namespace": target.namespace, "labels": {"app.kubernetes.io/part-of": "argocd"}});
    match which {
        Which::ArgocdCm => json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": {"url": "https://again.example.com"}}),
        Which::RbacCm => json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": {"policy.csv": SOUND}}),
        Which::Ingress => json!({
            "apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": meta,
            "spec": {"ingressClassName": place.namespace("nginx"), "rules": [{"http": {"paths": [
                {"path": "/", "pathType": "Prefix", "backend": {"service": {"name": "argocd-server", "port": {"number": 80}}}}]}}]},
        }),
    }
}

/// An AppProject as people make it: one without any role, one with a role of their own.
pub fn installed_project(place: &Place, name: &str) -> Value {
    let mut project = json!({
        "apiVersion": "argoproj.io/v1alpha1", "kind": "AppProject", "metadata": {"name": name, "namespace": place.instance},
        "spec": {"sourceRepos": ["*"], "destinations": [{"server": "*", "namespace": "*"}]},
    });
    if name == "bank" {
        project["spec"]["roles"] =
            json!([{"name": "clerks", "policies": ["p, proj:bank:clerks, applications, sync, bank/*, allow"], "groups": ["team-b"]}]);
    }
    project
}
