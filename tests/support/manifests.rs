//! Reading YAML manifests and applying them as a person with `kubectl apply --server-side` does.

use std::path::Path;

use kube::{
    Api, Client,
    api::{ApiResource, DynamicObject, Patch, PatchParams},
    core::GroupVersionKind,
};
use serde::Deserialize;
use serde_json::json;

/// How people reach argocd-server; its controller is not run here.
pub const ARGOCD_INGRESS: &str = "
apiVersion: networking.k8s.io/v1
kind: IngressClass
metadata: { name: nginx }
spec: { controller: k8s.io/ingress-nginx }
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: { name: argocd-server }
spec:
  ingressClassName: nginx
  rules:
  - host: argocd.example.com
    http: { paths: [{ path: /, pathType: Prefix, backend: { service: { name: argocd-server, port: { name: https } } } }] }
";

/// The field manager of the bench where it acts as a person: that of `kubectl apply --server-side`.
pub const KUBECTL: &str = "kubectl";

/// The objects of a YAML file with any number of documents.
pub fn read(path: &Path) -> Vec<DynamicObject> {
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("read {}: {error}", path.display()));
    parse(&text)
}

/// The objects of a YAML text with any number of documents.
pub fn parse(text: &str) -> Vec<DynamicObject> {
    serde_yaml::Deserializer::from_str(text)
        .map(|document| serde_yaml::Value::deserialize(document).expect("a YAML document"))
        .filter(|document| !document.is_null())
        .map(|document| serde_yaml::from_value(document).expect("a manifest of Kubernetes"))
        .collect()
}

/// The objects of every YAML file of a folder whose name ends as given.
pub fn read_folder(folder: &Path, ending: &str) -> Vec<DynamicObject> {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|error| panic!("read {}: {error}", folder.display()));
    let mut files: Vec<_> = entries.map(|entry| entry.expect("an entry of a folder").path()).collect();
    files.sort();
    files.iter().filter(|file| file.to_string_lossy().ends_with(ending)).flat_map(|file| read(file)).collect()
}

/// Applies the objects one after the other, by default into `namespace`.
pub async fn apply(client: &Client, namespace: &str, objects: &[DynamicObject]) {
    for object in objects {
        apply_one(client, namespace, object, KUBECTL).await;
    }
}

/// Applies the objects of a YAML text, by default into `namespace`.
pub async fn apply_text(client: &Client, namespace: &str, text: &str) {
    apply(client, namespace, &parse(text)).await;
}

/// Applies one object as the given field manager and returns what the server made of it.
pub async fn apply_one(client: &Client, namespace: &str, object: &DynamicObject, manager: &str) -> DynamicObject {
    let name = object.metadata.name.as_deref().expect("a manifest has a name");
    let api = api_of(client, namespace, object);
    api.patch(name, &PatchParams::apply(manager).force(), &Patch::Apply(object))
        .await
        .unwrap_or_else(|error| panic!("apply {} {name}: {error}", object.types.as_ref().expect("a kind").kind))
}

/// The interface to the kind of an object, in its own namespace or else the given one.
pub fn api_of(client: &Client, namespace: &str, object: &DynamicObject) -> Api<DynamicObject> {
    let types = object.types.as_ref().expect("a manifest has a kind");
    let namespace = object.metadata.namespace.as_deref().unwrap_or(namespace);
    api(client, namespace, &types.api_version, &types.kind)
}

/// The interface to a kind, such as `("argoproj.io/v1alpha1", "Application")`.
pub fn api(client: &Client, namespace: &str, api_version: &str, kind: &str) -> Api<DynamicObject> {
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    let kind_of_group = GroupVersionKind::gvk(group, version, kind);
    // A plural already; kube would make another of it.
    let plural = (kind == "ClusterLogs").then_some("clusterlogs");
    let resource = plural.map_or_else(|| ApiResource::from_gvk(&kind_of_group), |plural| ApiResource::from_gvk_with_plural(&kind_of_group, plural));
    let cluster_scoped = kind.starts_with("Cluster") && !group.is_empty() && group != "argocd-access.dev"
        || kind.starts_with("ValidatingAdmission")
        || ["Namespace", "Node", "CustomResourceDefinition", "IngressClass", "Stage"].contains(&kind);
    if cluster_scoped { Api::all_with(client.clone(), &resource) } else { Api::namespaced_with(client.clone(), namespace, &resource) }
}

/// A namespaced kind, as much of its definition as the API server has to know: the schema of its spec. Its status may hold anything.
pub fn definition(api_version: &str, kind: &str, plural: &str, spec: &serde_json::Value) -> DynamicObject {
    let (group, version) = api_version.split_once('/').expect("a kind of its own has a group");
    let schema = json!({"type": "object", "properties": {"spec": spec, "status": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}});
    let definition = json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        // For groups of Kubernetes itself the API server wants to know who approved it.
        "metadata": {"name": format!("{plural}.{group}"), "annotations": {"api-approved.kubernetes.io": "unapproved, for a test"}},
        "spec": {
            "group": group, "scope": "Namespaced", "names": {"kind": kind, "plural": plural, "singular": kind.to_lowercase()},
            "versions": [{"name": version, "served": true, "storage": true, "subresources": {"status": {}}, "schema": {"openAPIV3Schema": schema}}],
        },
    });
    serde_json::from_value(definition).expect("a definition is an object")
}

/// Applies `CustomResourceDefinitions` and waits until the server serves them.
pub async fn apply_definitions(client: &Client, definitions: &[DynamicObject]) {
    apply(client, "", definitions).await;
    for definition in definitions {
        let name = definition.metadata.name.clone().expect("a definition has a name");
        let api = api_of(client, "", definition);
        super::eventually(&format!("{name} is established"), std::time::Duration::from_secs(20), || async {
            let found = api.get(&name).await.map_err(|error| error.to_string())?;
            let conditions = found.data["status"]["conditions"].as_array().cloned().unwrap_or_default();
            let established = conditions.iter().any(|c| c["type"] == "Established" && c["status"] == "True");
            super::eventually::that(established, || found.data["status"].to_string())
        })
        .await;
    }
}
