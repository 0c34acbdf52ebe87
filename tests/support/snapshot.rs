//! An object without what differs by nature, to compare before and after; and who has fields in it.

use std::collections::{BTreeMap, BTreeSet};

use kube::{Api, Client, api::DynamicObject, api::ListParams};
use serde::Serialize;
use serde_json::Value;

use super::manifests;

/// The object as a person wrote it: without status, server-made metadata, field managers and restart annotations.
pub fn snapshot(object: &impl Serialize) -> Value {
    let mut value = serde_json::to_value(object).expect("an object of Kubernetes is JSON");
    if let Some(object) = value.as_object_mut() {
        object.remove("status");
    }
    if let Some(metadata) = value["metadata"].as_object_mut() {
        for key in ["resourceVersion", "generation", "managedFields", "uid", "creationTimestamp"] {
            metadata.remove(key);
        }
        remove_annotation(metadata, "deployment.kubernetes.io/revision");
    }
    if let Some(metadata) = value.pointer_mut("/spec/template/metadata").and_then(Value::as_object_mut) {
        remove_annotation(metadata, "kubectl.kubernetes.io/restartedAt");
    }
    value
}

fn remove_annotation(metadata: &mut serde_json::Map<String, Value>, key: &str) {
    if let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_object_mut)
        && annotations.remove(key).is_some()
        && annotations.is_empty()
    {
        metadata.remove("annotations");
    }
}

/// Who has fields in an object: `manager/operation`, with `/subresource` where there is one.
pub fn managers(object: &impl Serialize) -> BTreeSet<String> {
    managed_fields(object).into_keys().collect()
}

/// Which fields each of them has (`fieldsV1`), without the times.
pub fn managed_fields(object: &impl Serialize) -> BTreeMap<String, Value> {
    let value = serde_json::to_value(object).expect("an object of Kubernetes is JSON");
    let entries = value["metadata"]["managedFields"].as_array().cloned().unwrap_or_default();
    entries
        .iter()
        .map(|entry| {
            let parts = ["manager", "operation", "subresource"].iter().filter_map(|key| entry[key].as_str());
            (parts.collect::<Vec<_>>().join("/"), entry["fieldsV1"].clone())
        })
        .collect()
}

/// Everything of an instance that somebody else may share: `Kind name` to the object, of its namespace and, where the name contains
/// the namespace's, of the cluster.
pub async fn shared_objects(client: &Client, namespace: &str) -> BTreeMap<String, DynamicObject> {
    let mut found = BTreeMap::new();
    for (api_version, kind) in [
        ("v1", "ConfigMap"),
        ("v1", "Secret"),
        ("v1", "Service"),
        ("v1", "ServiceAccount"),
        ("apps/v1", "Deployment"),
        ("networking.k8s.io/v1", "Ingress"),
        ("rbac.authorization.k8s.io/v1", "Role"),
        ("rbac.authorization.k8s.io/v1", "RoleBinding"),
        ("rbac.authorization.k8s.io/v1", "ClusterRole"),
        ("rbac.authorization.k8s.io/v1", "ClusterRoleBinding"),
        ("argoproj.io/v1alpha1", "AppProject"),
        ("argoproj.io/v1alpha1", "Application"),
    ] {
        let api: Api<DynamicObject> = manifests::api(client, namespace, api_version, kind);
        let list = api.list(&ListParams::default()).await.unwrap_or_else(|error| panic!("list {kind}: {error}"));
        for object in list {
            let name = object.metadata.name.clone().expect("an object has a name");
            if object.metadata.namespace.is_some() || name.contains(namespace) {
                found.insert(format!("{kind} {name}"), object);
            }
        }
    }
    found
}

/// The [`snapshot`] of each of the [`shared_objects`].
pub async fn shared_snapshot(client: &Client, namespace: &str) -> BTreeMap<String, Value> {
    shared_objects(client, namespace).await.iter().map(|(name, object)| (name.clone(), snapshot(object))).collect()
}

/// What differs between two such collections, one text for each object, short enough to read in a failure.
pub fn differences(before: &BTreeMap<String, Value>, after: &BTreeMap<String, Value>) -> Vec<String> {
    let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    names.into_iter().filter(|name| before.get(*name) != after.get(*name)).map(|name| difference(name, before.get(name), after.get(name))).collect()
}

/// Down to the smallest parts that differ.
fn difference(at: &str, before: Option<&Value>, after: Option<&Value>) -> String {
    let (Some(Value::Object(one)), Some(Value::Object(other))) = (before, after) else {
        let show = |value: Option<&Value>| value.map_or_else(|| "absent".to_owned(), ToString::to_string);
        return format!("{at}: {} became {}", show(before), show(after));
    };
    let keys: BTreeSet<&String> = one.keys().chain(other.keys()).collect();
    let parts = keys.into_iter().filter(|key| one.get(*key) != other.get(*key));
    parts.map(|key| difference(&format!("{at} {key}"), one.get(key), other.get(key))).collect::<Vec<_>>().join("\n")
}
