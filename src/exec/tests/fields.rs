//! JSON merge patches and `managedFields`, as far as the simulator needs them: leaves only, lists as a whole.

use serde_json::{Map, Value, json};

/// How a manager wrote.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    Update,
    Apply,
}

/// RFC 7386.
pub fn merge(target: &mut Value, patch: &Value) {
    let Some(patch) = patch.as_object() else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    let Some(target) = target.as_object_mut() else { return };
    for (key, value) in patch {
        if value.is_null() {
            target.remove(key);
        } else {
            merge(target.entry(key.clone()).or_insert(Value::Null), value);
        }
    }
}

fn leaves(value: &Value, at: &mut Vec<String>, into: &mut Vec<(Vec<String>, Value)>) {
    const NOT_OWNED: [&str; 8] =
        ["managedFields", "resourceVersion", "uid", "name", "namespace", "generation", "creationTimestamp", "deletionTimestamp"];
    match value.as_object() {
        Some(map) => {
            for (key, value) in map {
                let ignored = (at.is_empty() && matches!(key.as_str(), "apiVersion" | "kind" | "status"))
                    || (at.len() == 1 && at[0] == "metadata" && NOT_OWNED.contains(&key.as_str()));
                if !ignored {
                    at.push(key.clone());
                    leaves(value, at, into);
                    at.pop();
                }
            }
        }
        None => into.push((at.clone(), value.clone())),
    }
}

fn all_leaves(value: &Value) -> Vec<(Vec<String>, Value)> {
    let mut into = Vec::new();
    leaves(value, &mut Vec::new(), &mut into);
    into
}

fn remove(fields: &mut Value, path: &[String]) {
    let Some((first, rest)) = path.split_first() else { return };
    let Some(map) = fields.as_object_mut() else { return };
    let key = format!("f:{first}");
    if rest.is_empty() {
        map.remove(&key);
    } else if let Some(inner) = map.get_mut(&key) {
        remove(inner, rest);
        if inner.as_object().is_some_and(Map::is_empty) {
            map.remove(&key);
        }
    }
}

fn insert(fields: &mut Value, path: &[String]) {
    let Some((first, rest)) = path.split_first() else { return };
    if let Some(map) = fields.as_object_mut() {
        insert(map.entry(format!("f:{first}")).or_insert_with(|| json!({})), rest);
    }
}

/// Gives every changed field to the manager who changed it, and takes it from all others. A request that brings `managedFields` itself
/// is taken at its word; the one empty entry clears the list.
pub fn settle_ownership(old: &Value, new: &mut Value, manager: &str, operation: Operation) {
    let mut entries: Vec<Value> = new.pointer("/metadata/managedFields").and_then(Value::as_array).cloned().unwrap_or_default();
    entries.retain(|e| *e != json!({}));
    let (before, after) = (all_leaves(old), all_leaves(new));
    let set: Vec<_> = after.iter().filter(|leaf| !before.contains(leaf)).map(|(p, _)| p.clone()).collect();
    let gone: Vec<_> = before.iter().map(|(p, _)| p).filter(|p| !after.iter().any(|(a, _)| a == *p)).cloned().collect();
    let word = if operation == Operation::Apply { "Apply" } else { "Update" };
    for path in set.iter().chain(&gone) {
        for entry in &mut entries {
            remove(&mut entry["fieldsV1"], path);
        }
    }
    if !set.is_empty() {
        let mine = |e: &Value| e["manager"] == json!(manager) && e["operation"] == json!(word) && e.get("subresource").is_none();
        if !entries.iter().any(mine) {
            entries.push(json!({"manager": manager, "operation": word, "apiVersion": old["apiVersion"], "fieldsType": "FieldsV1", "fieldsV1": {}}));
        }
        if let Some(entry) = entries.iter_mut().find(|e| mine(e)) {
            for path in set {
                insert(&mut entry["fieldsV1"], &path);
            }
        }
    }
    entries.retain(|e| e["fieldsV1"].as_object().is_some_and(|f| !f.is_empty()));
    for e in &mut entries {
        // A new object has no apiVersion yet.
        if e["apiVersion"].is_null() {
            e.as_object_mut().unwrap().remove("apiVersion");
        }
    }
    if let Some(meta) = new["metadata"].as_object_mut() {
        meta.remove("managedFields");
        if !entries.is_empty() {
            meta.insert("managedFields".to_owned(), Value::Array(entries));
        }
    }
}
