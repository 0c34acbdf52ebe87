//! Writing in the owner's name: what Helm keeps is changed as if Helm had changed it, so that it never stops being Helm's. Pure.
//!
//! Helm 4 applies server-side and fails on a field that another manager has; a first write of ours and a second one that takes our
//! `managedFields` entry away leave a moment in which an upgrade fails. Under the owner's own entry there is no such moment, and the entry
//! is afterwards what it was before. The next upgrade takes away what we wrote, our memory with it: what then stands there is Helm's. So is
//! a value that stands there without our memory when the operator starts: an upgrade in the meantime looks like a lost memory.
//!
//! An apply states everything that its manager has, and what it leaves out is taken away. So the whole of it is read off the live
//! object, a dry run is compared with what was meant ([`is_exactly`]), and what cannot be read off is not written in this way at all.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ManagedFieldsEntry, ObjectMeta};
use serde_json::{Map, Value, json};

use crate::api::FIELD_MANAGER;

/// Under which entry of `managedFields` something is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name {
    /// The manager.
    pub manager: String,
    /// Whether it applies server-side (helm 4); else it patches (helm 3), and no entry of anybody makes it fail.
    pub applies: bool,
}

/// The entry of the Helm that keeps this object: the one that applies, else the newest.
#[must_use]
pub fn helm(meta: &ObjectMeta) -> Option<Name> {
    let by_helm = |entry: &&ManagedFieldsEntry| {
        let manager = entry.manager.as_deref().unwrap_or_default();
        // Its own command line, terraform's provider, Flux's helm-controller.
        manager != FIELD_MANAGER && manager.to_ascii_lowercase().contains("helm") && entry.subresource.as_deref().unwrap_or_default().is_empty()
    };
    let applies = |entry: &ManagedFieldsEntry| entry.operation.as_deref() == Some("Apply");
    let entries = meta.managed_fields.iter().flatten().filter(by_helm);
    let entry = entries.max_by_key(|entry| (applies(entry), entry.time.as_ref().map(|time| time.0)))?;
    Some(Name { manager: entry.manager.clone()?, applies: applies(entry) })
}

/// The apply that makes this JSON merge patch of the live object in the name of a manager who applies. `None`: the live object does not
/// say plainly what the manager has.
#[must_use]
pub fn apply_of(live: &Value, patch: &Value, manager: &str) -> Option<Value> {
    let mut body = extract(applied(live, manager)?, live)?;
    for key in ["apiVersion", "kind"] {
        body.insert(key.to_owned(), live.get(key)?.clone());
    }
    let metadata = body.entry("metadata").or_insert_with(|| json!({})).as_object_mut()?;
    for key in ["name", "namespace"] {
        if let Some(value) = live.get("metadata")?.get(key) {
            metadata.insert(key.to_owned(), value.clone());
        }
    }
    let mut body = Value::Object(body);
    merge(&mut body, patch);
    Some(body)
}

/// Whether the answer to that apply is the live object with the patch and with no other difference, in its fields and in what the manager
/// has of them.
#[must_use]
pub fn is_exactly(live: &Value, patch: &Value, manager: &str, answer: &Value) -> bool {
    let mut meant = live.clone();
    merge(&mut meant, patch);
    let fields = |object: &Value| applied(object, manager).cloned().map(Value::Object);
    let (Some(mut meant_fields), Some(mut fields)) = (fields(live), fields(answer)) else { return false };
    own(&mut meant_fields, patch);
    let mut answer = answer.clone();
    for object in [&mut meant, &mut answer] {
        if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.retain(|key, _| !["managedFields", "resourceVersion", "generation"].contains(&key.as_str()));
        }
    }
    for object in [&mut meant, &mut answer, &mut meant_fields, &mut fields] {
        prune(object);
    }
    meant == answer && meant_fields == fields
}

/// What the manager has applied.
fn applied<'a>(object: &'a Value, manager: &str) -> Option<&'a Map<String, Value>> {
    let entries = object.get("metadata")?.get("managedFields")?.as_array()?;
    let is_it = |entry: &&Value| {
        let text = |key: &str| entry.get(key).and_then(Value::as_str).unwrap_or_default();
        text("manager") == manager && text("operation") == "Apply" && text("subresource").is_empty()
    };
    entries.iter().find(is_it)?.get("fieldsV1")?.as_object()
}

/// The part of the live object that these fields are. Elements of lists are not read off: the objects that we change have none.
fn extract(fields: &Map<String, Value>, live: &Value) -> Option<Map<String, Value>> {
    let mut part = Map::new();
    for (key, inner) in fields.iter().filter(|(key, _)| *key != ".") {
        let name = key.strip_prefix("f:")?;
        let (inner, value) = (inner.as_object()?, live.get(name)?);
        let value = match value {
            Value::Object(_) if !inner.is_empty() => Value::Object(extract(inner, value)?),
            // One that is owned as a whole, or an empty one: it cannot be told which.
            Value::Object(map) if !map.is_empty() => return None,
            _ if inner.is_empty() => value.clone(),
            _ => return None,
        };
        part.insert(name.to_owned(), value);
    }
    Some(part)
}

/// RFC 7386.
fn merge(target: &mut Value, patch: &Value) {
    match (target, patch) {
        (Value::Object(target), Value::Object(patch)) => {
            for (key, value) in patch {
                match (value, target.get_mut(key)) {
                    (Value::Null, _) => drop(target.remove(key)),
                    (_, Some(inner)) => merge(inner, value),
                    (_, None) => {
                        let mut inner = if value.is_object() { json!({}) } else { Value::Null };
                        merge(&mut inner, value);
                        target.insert(key.clone(), inner);
                    }
                }
            }
        }
        (target, patch) => *target = patch.clone(),
    }
}

/// The fields with those of the patch.
fn own(fields: &mut Value, patch: &Value) {
    let (Some(fields), Some(patch)) = (fields.as_object_mut(), patch.as_object()) else { return };
    for (key, value) in patch.iter().filter(|(key, _)| *key != "resourceVersion") {
        let name = format!("f:{key}");
        if value.is_null() {
            fields.remove(&name);
        } else {
            own(fields.entry(name).or_insert_with(|| json!({})), value);
        }
    }
}

/// Without maps in which nothing is, and without the marks of maps among fields: the API server adds and drops both as it likes.
fn prune(value: &mut Value) {
    let Some(map) = value.as_object_mut() else { return };
    map.remove(".");
    let mut empty = Vec::new();
    for (key, inner) in map.iter_mut().filter(|(_, inner)| inner.is_object()) {
        prune(inner);
        // An empty map is how a field is named.
        if !key.starts_with("f:") && inner.as_object().is_some_and(Map::is_empty) {
            empty.push(key.clone());
        }
    }
    for key in empty {
        map.remove(&key);
    }
    // A map of fields of which none is left.
    map.retain(|key, inner| {
        !["f:annotations", "f:labels", "f:data", "f:metadata"].contains(&key.as_str()) || inner.as_object().is_none_or(|m| !m.is_empty())
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn live() -> Value {
        json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {
                "name": "argocd-cm", "namespace": "argocd", "resourceVersion": "7", "uid": "u",
                "labels": {"app.kubernetes.io/managed-by": "Helm"}, "annotations": {"meta.helm.sh/release-name": "cd", "mine": "x"},
                "managedFields": [
                    {"manager": "helm", "operation": "Apply", "apiVersion": "v1", "time": "2026-01-01T00:00:00Z", "fieldsType": "FieldsV1", "fieldsV1": {
                        "f:metadata": {"f:labels": {"f:app.kubernetes.io/managed-by": {}}, "f:annotations": {"f:meta.helm.sh/release-name": {}}},
                        "f:data": {"f:exec.enabled": {}, "f:url": {}}}},
                    {"manager": "kubectl-edit", "operation": "Update", "apiVersion": "v1", "fieldsType": "FieldsV1", "fieldsV1": {
                        "f:metadata": {"f:annotations": {"f:mine": {}}}, "f:data": {"f:of-a-person": {}}}},
                ],
            },
            "data": {"exec.enabled": "false", "url": "https://cd", "of-a-person": "y"},
        })
    }

    fn meta(value: &Value) -> ObjectMeta {
        serde_json::from_value(json!({"managedFields": value})).unwrap()
    }

    #[test]
    fn the_one_who_applies_is_the_helm_that_counts_and_the_status_is_nobodys_claim() {
        let name = |manager: &str, applies| Some(Name { manager: manager.to_owned(), applies });
        let patches = json!({"manager": "helm", "operation": "Update", "time": "2026-02-01T00:00:00Z"});
        let applies = json!({"manager": "helm", "operation": "Apply", "time": "2026-01-01T00:00:00Z"});
        let person = json!({"manager": "kubectl", "operation": "Apply"});
        let status = json!({"manager": "helm", "operation": "Apply", "subresource": "status"});
        assert_eq!(helm(&meta(&json!([patches, person, applies]))), name("helm", true));
        assert_eq!(helm(&meta(&json!([patches, person, status]))), name("helm", false));
        assert_eq!(helm(&meta(&json!([{"manager": "helm-controller", "operation": "Update"}]))), name("helm-controller", false));
        assert_eq!(helm(&meta(&json!([person, status]))), None);
    }

    #[test]
    fn an_apply_states_what_its_manager_has_and_the_change_and_nothing_of_others() {
        let patch = json!({"metadata": {"resourceVersion": "7", "annotations": {"memory": "m"}}, "data": {"exec.enabled": "true", "url": null}});
        assert_eq!(
            apply_of(&live(), &patch, "helm").unwrap(),
            json!({
                "apiVersion": "v1", "kind": "ConfigMap",
                "metadata": {"name": "argocd-cm", "namespace": "argocd", "resourceVersion": "7",
                    "labels": {"app.kubernetes.io/managed-by": "Helm"}, "annotations": {"meta.helm.sh/release-name": "cd", "memory": "m"}},
                "data": {"exec.enabled": "true"},
            })
        );
        assert_eq!(apply_of(&live(), &patch, "kubectl"), None, "who applies nothing has no apply");
    }

    #[test]
    fn what_cannot_be_read_off_is_not_guessed() {
        let with = |fields: Value| {
            let mut object = live();
            object["metadata"]["managedFields"][0]["fieldsV1"] = fields;
            apply_of(&object, &json!({}), "helm")
        };
        assert_eq!(with(json!({"f:data": {"f:gone": {}}})), None, "a field that is not there");
        assert_eq!(with(json!({"f:metadata": {"f:ownerReferences": {"k:{\"uid\":\"u\"}": {}}}})), None, "an element of a list");
        assert_eq!(with(json!({"f:data": {}})), None, "a map as a whole");
        assert_eq!(with(json!({"f:data": {"f:url": {"f:x": {}}}})), None, "a field of what is no map");
        assert!(with(json!({"f:data": {".": {}, "f:url": {}}})).is_some());
    }

    /// What the API server makes of an apply of the one manager.
    fn server(live: &Value, body: &Value) -> Value {
        let mut answer = live.clone();
        let old = applied(live, "helm").unwrap().clone();
        for map in [["metadata", "annotations"], ["data", ""]] {
            let path = map.iter().filter(|p| !p.is_empty());
            let at = |value: &Value| path.clone().try_fold(value.clone(), |v, p| v.get(*p).cloned()).unwrap_or_else(|| json!({}));
            let fields = path.clone().try_fold(Value::Object(old.clone()), |v, p| v.get(format!("f:{p}")).cloned()).unwrap();
            let mut now = at(live);
            for key in fields.as_object().unwrap().keys() {
                now.as_object_mut().unwrap().remove(key.strip_prefix("f:").unwrap());
            }
            merge(&mut now, &at(body));
            let place = path.clone().fold(&mut answer, |v, p| &mut v[*p]);
            *place = now;
            let names: Map<String, Value> = at(body).as_object().unwrap().keys().map(|k| (format!("f:{k}"), json!({}))).collect();
            let place = path.fold(&mut answer["metadata"]["managedFields"][0]["fieldsV1"], |v, p| &mut v[format!("f:{p}")]);
            *place = Value::Object(names);
        }
        answer["metadata"]["resourceVersion"] = json!("8");
        answer
    }

    proptest! {
        #[test]
        fn set_and_taken_back_an_object_is_what_it_was_and_only_the_meant_change_is_believed(
            value in "[a-z]{1,4}", fresh in "[q-z]{2}", memory in "[a-z]{1,4}",
        ) {
            let before = live();
            let set = json!({"metadata": {"annotations": {"memory": memory}}, "data": {"exec.enabled": value, fresh.clone(): "new"}});
            let with = server(&before, &apply_of(&before, &set, "helm").unwrap());
            prop_assert!(is_exactly(&before, &set, "helm", &with));
            prop_assert_eq!(&with["data"]["of-a-person"], "y");

            for (path, other) in [("/data/of-a-person", json!("z")), ("/data/url", json!("z")), ("/metadata/labels", json!({})),
                ("/metadata/managedFields/0/fieldsV1/f:data", json!({"f:exec.enabled": {}}))]
            {
                let mut wrong = with.clone();
                *wrong.pointer_mut(path).unwrap() = other;
                prop_assert!(!is_exactly(&before, &set, "helm", &wrong), "{}", path);
            }

            let back = json!({"metadata": {"annotations": {"memory": null}}, "data": {"exec.enabled": "false", fresh: null}});
            let mut after = server(&with, &apply_of(&with, &back, "helm").unwrap());
            prop_assert!(is_exactly(&with, &back, "helm", &after));
            after["metadata"]["resourceVersion"] = json!("7");
            prop_assert_eq!(after, before);
        }
    }
}
