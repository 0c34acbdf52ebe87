//! An instance as the plan sees it, and what the plan makes of its policy.

use std::collections::BTreeMap;
use std::sync::Arc;

use argocd_access::api::{ExecAccess, FINALIZER};
use argocd_access::argocd::kinds::Application;
use argocd_access::config::InstanceConfig;
use argocd_access::exec::{World, plan};
use argocd_access::reconcile::{Action, Layer};
use serde_json::{Value, json};

/// The data of argocd-rbac-cm.
pub type Data = BTreeMap<String, String>;

/// What decides how a grant is written.
#[derive(Clone, Debug, Default)]
pub struct Instance {
    pub foreign: Data,
    /// Whether Applications may live in other namespaces.
    pub elsewhere: bool,
    /// Namespace, project and name of each live Application.
    pub live: Vec<(String, String, String)>,
}

/// An object as the API server returns it once the finalizer is set.
pub fn access(name: &str, spec: &Value) -> ExecAccess {
    serde_json::from_value(json!({
        "apiVersion": "argocd-access.dev/v1alpha1", "kind": "ExecAccess", "spec": spec,
        "metadata": {"name": name, "namespace": "argocd", "uid": format!("uid-{name}"), "generation": 1, "finalizers": [FINALIZER]},
    }))
    .unwrap_or_else(|error| panic!("{error}: {spec}"))
}

impl Instance {
    pub fn world(&self, accesses: Vec<Arc<ExecAccess>>) -> World {
        let argument = if self.elsewhere { "--application-namespaces=*" } else { "--insecure" };
        let deployment = json!({
            "metadata": {"name": "argocd-server", "labels": {"app.kubernetes.io/part-of": "argocd", "app.kubernetes.io/component": "server"}},
            "spec": {"selector": {}, "template": {"spec": {"containers": [{"name": "s", "args": ["argocd-server", argument]}]}}},
        });
        World {
            accesses,
            rbac_cm: Ok(Some(Arc::new(config_map(&self.foreign)))),
            deployments: Ok(vec![Arc::new(serde_json::from_value(deployment).unwrap())]),
            applications: Ok(self.live.iter().map(|(namespace, project, name)| application(namespace, project, name)).collect()),
            ..World::empty(InstanceConfig::of("argocd"), "exec")
        }
    }

    /// The policy that these objects lead to, and what each that is refused is told.
    pub fn policy(&self, accesses: Vec<ExecAccess>) -> (Data, BTreeMap<String, String>) {
        let mut world = self.world(accesses.into_iter().map(Arc::new).collect());
        for _ in 0..5 {
            let plan = plan(&world, jiff::Timestamp::UNIX_EPOCH);
            let mut data = world.rbac_cm.clone().unwrap().unwrap().data.clone().unwrap_or_default();
            let before = data.clone();
            for write in plan.writes.iter().filter(|w| w.layer == Layer::Policy) {
                let Action::Merge(patch) = &write.action else { panic!("{write:?}") };
                for (key, value) in patch["data"].as_object().unwrap() {
                    match value.as_str() {
                        Some(text) => data.insert(key.clone(), text.to_owned()),
                        None => data.remove(key),
                    };
                }
            }
            if data == before {
                let refused = plan.outlooks.iter().filter(|o| !o.accepted.holds());
                return (data, refused.map(|o| (o.access.metadata.name.clone().unwrap(), o.accepted.message.clone())).collect());
            }
            world.rbac_cm = Ok(Some(Arc::new(config_map(&data))));
        }
        panic!("the policy finds no rest");
    }

    /// The policy that one spec leads to, or why it is refused.
    pub fn grant(&self, spec: &Value) -> Result<Data, String> {
        let (data, mut refused) = self.policy(vec![access("team", spec)]);
        match refused.remove("team") {
            Some(message) => {
                assert_eq!(data, self.foreign, "a refused object wrote something: {spec}");
                Err(message)
            }
            None => Ok(data),
        }
    }
}

fn config_map(data: &Data) -> k8s_openapi::api::core::v1::ConfigMap {
    serde_json::from_value(json!({"metadata": {"name": "argocd-rbac-cm", "namespace": "argocd", "uid": "u", "resourceVersion": "1"}, "data": data}))
        .unwrap()
}

fn application(namespace: &str, project: &str, name: &str) -> Arc<Application> {
    let yaml = json!({
        "apiVersion": "argoproj.io/v1alpha1", "kind": "Application", "metadata": {"name": name, "namespace": namespace},
        "spec": {"project": project, "destination": {"server": "https://kubernetes.default.svc"}},
    });
    Arc::new(serde_json::from_value(yaml).unwrap())
}
