//! What people do by hand beside the operator, and how they look at what became of it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::time::Duration;

use argocd_access::api::{ExecAccess, ExecAccessStatus};
use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::api::networking::v1::Ingress;
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding, RoleBinding};
use kube::api::{DynamicObject, ListParams, Patch, PatchParams};
use kube::{Api, ResourceExt};
use serde_json::{Value, json};

use crate::support::audit::{AuditEntry, Mark};
use crate::support::{eventually, eventually::that, manifests};
use crate::world::Team;

pub const ARGOCD_CM: &str = "argocd-cm";
pub const RBAC_CM: &str = "argocd-rbac-cm";
pub const PARAMS_CM: &str = "argocd-cmd-params-cm";

/// The key of an object in argocd-rbac-cm.
pub fn key(name: &str) -> String {
    format!("policy.argocd-access.{name}.csv")
}

/// Waits until a look sees what is expected.
#[track_caller]
pub fn becomes<T, L>(what: &str, limit: Duration, expected: T, look: L) -> impl Future<Output = ()>
where
    T: PartialEq + Debug,
    L: AsyncFn() -> T,
{
    let what = what.to_owned();
    let at = std::panic::Location::caller();
    async move {
        eventually(&format!("{what} (asked at {at})"), limit, async || {
            let seen = look().await;
            that(seen == expected, || format!("seen: {seen:#?}\nexpected: {expected:#?}"))
        })
        .await;
    }
}

/// The places in which two trees differ, such as `/ConfigMap argocd-cm/data/exec.enabled`.
pub fn differences(before: &Value, after: &Value) -> BTreeSet<String> {
    fn walk(path: &str, before: &Value, after: &Value, found: &mut BTreeSet<String>) {
        match (before, after) {
            (Value::Object(a), Value::Object(b)) => {
                for key in a.keys().chain(b.keys()) {
                    walk(&format!("{path}/{key}"), a.get(key).unwrap_or(&Value::Null), b.get(key).unwrap_or(&Value::Null), found);
                }
            }
            // A map that came or went is shown by what it holds.
            (Value::Null, Value::Object(b)) if !b.is_empty() => walk(path, &json!({}), after, found),
            (Value::Object(a), Value::Null) if !a.is_empty() => walk(path, before, &json!({}), found),
            (a, b) if a == b => {}
            _ => drop(found.insert(path.to_owned())),
        }
    }
    let mut found = BTreeSet::new();
    walk("", before, after, &mut found);
    found
}

/// Each write in short: `patch configmaps/argocd-cm`, `patch execaccesses/team-a status`.
pub fn short(entries: &[AuditEntry]) -> Vec<String> {
    let one = |e: &AuditEntry| format!("{} {}/{} {}", e.verb, e.resource, e.name, e.subresource).trim_end().to_owned();
    entries.iter().map(one).collect()
}

/// The writes that went through and are neither status nor Event, in short.
pub fn granted_and_taken(entries: &[AuditEntry]) -> Vec<String> {
    let kept: Vec<AuditEntry> = entries.iter().filter(|e| e.code < 300 && e.subresource.is_empty() && e.resource != "events").cloned().collect();
    short(&kept)
}

impl Team {
    /// The name of the operator's bindings.
    pub fn binding_name(&self) -> String {
        format!("argocd-access-exec-{}", self.namespace)
    }

    /// The name of the chart's fixed ClusterRole.
    pub async fn exec_role(&self) -> String {
        let roles = Api::<ClusterRole>::all(self.client()).list(&ListParams::default()).await.unwrap();
        let ours = |name: &String| name.contains(&self.namespace) && name.ends_with("-exec");
        roles.items.iter().map(ResourceExt::name_any).find(ours).unwrap()
    }

    pub fn bindings(&self, namespace: &str) -> Api<RoleBinding> {
        Api::namespaced(self.client(), namespace)
    }

    pub fn cluster_bindings(&self) -> Api<ClusterRoleBinding> {
        Api::all(self.client())
    }

    pub fn ingresses(&self) -> Api<Ingress> {
        Api::namespaced(self.client(), &self.namespace)
    }

    pub fn config_maps(&self) -> Api<ConfigMap> {
        Api::namespaced(self.client(), &self.namespace)
    }

    /// The namespaces with a RoleBinding of the operator's name.
    pub async fn bound(&self) -> BTreeSet<String> {
        let named = ListParams::default().fields(&format!("metadata.name={}", self.binding_name()));
        let list = Api::<RoleBinding>::all(self.client()).list(&named).await.unwrap();
        list.items.into_iter().filter_map(|b| b.metadata.namespace).collect()
    }

    pub async fn cluster_binding(&self) -> Option<ClusterRoleBinding> {
        self.cluster_bindings().get_opt(&self.binding_name()).await.unwrap()
    }

    /// One value of a ConfigMap of the instance.
    pub async fn value(&self, config_map: &str, key: &str) -> Option<String> {
        self.config_maps().get_opt(config_map).await.unwrap()?.data?.remove(key)
    }

    /// The text of an object's key in argocd-rbac-cm.
    pub async fn policy(&self, name: &str) -> Option<String> {
        self.value(RBAC_CM, &key(name)).await
    }

    /// The lines of that text, comments left out.
    pub async fn lines(&self, name: &str) -> Vec<String> {
        let text = self.policy(name).await.unwrap_or_default();
        text.lines().filter(|l| !l.starts_with('#')).map(ToOwned::to_owned).collect()
    }

    /// The objects of the `p` lines for exec.
    pub async fn objects(&self, name: &str) -> Vec<String> {
        let lines = self.lines(name).await;
        let exec = lines.iter().filter(|l| l.contains("exec, create,") || l.contains("^exec$, ^create$,"));
        exec.map(|l| l.split(", ").nth(4).unwrap().to_owned()).collect()
    }

    /// Changes one value of a ConfigMap as `kubectl edit` does; `None` takes it away.
    pub async fn set(&self, config_map: &str, key: &str, value: Option<&str>) {
        self.edit("v1", "ConfigMap", config_map, json!({"data": {key: value}})).await;
    }

    /// A JSON merge patch on an object of the instance, as a person's `kubectl edit` sends it.
    pub async fn edit(&self, api_version: &str, kind: &str, name: &str, patch: Value) {
        let api: Api<DynamicObject> = manifests::api(&self.client(), &self.namespace, api_version, kind);
        let params = PatchParams { field_manager: Some("kubectl-edit".to_owned()), ..PatchParams::default() };
        api.patch(name, &params, &Patch::Merge(patch)).await.unwrap();
    }

    /// Server-side apply of one value of argocd-cm, without force: what the owner's next apply does.
    pub async fn apply_value(&self, manager: &str, key: &str, value: &str) -> Result<(), kube::Error> {
        let mut labels = json!({"app.kubernetes.io/part-of": "argocd"});
        if manager == "helm" {
            labels["app.kubernetes.io/managed-by"] = json!("Helm");
        }
        let body = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": ARGOCD_CM, "labels": labels}, "data": {key: value}});
        self.config_maps().patch(ARGOCD_CM, &PatchParams::apply(manager), &Patch::Apply(body)).await.map(drop)
    }

    /// Applies an object of the instance from YAML, as a person with kubectl.
    pub async fn has(&self, yaml: &str) {
        manifests::apply_text(&self.client(), &self.namespace, yaml).await;
    }

    /// An IngressClass of this test's own, such as `community-<namespace>`.
    pub async fn ingress_class(&self, name: &str, controller: &str) {
        let class = json!({
            "apiVersion": "networking.k8s.io/v1", "kind": "IngressClass", "metadata": {"name": format!("{name}-{}", self.namespace)},
            "spec": {"controller": controller},
        });
        self.has(&class.to_string()).await;
    }

    /// An Ingress of that class which leads to argocd-server.
    pub async fn ingress(&self, name: &str, class: &str, annotations: &Value) {
        let class = format!("{class}-{}", self.namespace);
        self.ingress_to("argocd-server", name, json!(class), annotations).await;
    }

    /// An Ingress that leads to this Service.
    pub async fn ingress_to(&self, service: &str, name: &str, class: Value, annotations: &Value) {
        let backend = json!({"service": {"name": service, "port": {"number": 80}}});
        let ingress = json!({
            "apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": name, "annotations": annotations},
            "spec": {"ingressClassName": class, "rules": [{"host": format!("{name}.example.invalid"), "http": {"paths": [
                {"path": "/", "pathType": "Prefix", "backend": backend}]}}]},
        });
        self.has(&ingress.to_string()).await;
    }

    /// The annotations of an Ingress.
    pub async fn annotations(&self, ingress: &str) -> BTreeMap<String, String> {
        self.ingresses().get(ingress).await.unwrap().metadata.annotations.unwrap_or_default()
    }

    /// Changes the spec of an ExecAccess by a merge patch.
    pub async fn change(&self, name: &str, spec: Value) {
        let patch = json!({"spec": spec});
        self.accesses().patch(name, &PatchParams::default(), &Patch::Merge(patch)).await.unwrap();
    }

    /// The ExecAccess objects as they are, also where this version cannot parse one.
    pub fn accesses_raw(&self) -> Api<DynamicObject> {
        manifests::api(&self.client(), &self.namespace, "argocd-access.dev/v1alpha1", "ExecAccess")
    }

    pub async fn access(&self, name: &str) -> ExecAccess {
        self.accesses().get(name).await.unwrap()
    }

    pub async fn status(&self, name: &str) -> ExecAccessStatus {
        self.access(name).await.status.unwrap_or_default()
    }

    /// What the operator wrote since then.
    pub async fn writes(&self, since: Mark) -> Vec<AuditEntry> {
        let writes = self.cp.audit_writes(since, &self.release.user().await).await;
        // An object of another test that lies in no instance is told so by every operator of the cluster.
        writes.into_iter().filter(|e| e.resource != "execaccesses" || e.namespace == self.namespace).collect()
    }

    /// All shared objects as one tree.
    pub async fn tree(&self) -> Value {
        serde_json::to_value(self.shared().await).unwrap()
    }
}
