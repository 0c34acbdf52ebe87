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

/// Server-side apply with force: the manager has just the fields of the body from then on, together with whoever had them with the same
/// value; what it had applied before and does not any more goes, unless somebody else has it too.
pub fn apply(old: &Value, body: &Value, manager: &str) -> Value {
    let mut new = old.clone();
    let applied = |e: &Value| e["manager"] == json!(manager) && e["operation"] == json!("Apply");
    let entries = || old.pointer("/metadata/managedFields").and_then(Value::as_array).into_iter().flatten();
    let mut meant = Vec::new();
    leaves(body, &mut Vec::new(), &mut meant);
    for (path, _) in all_leaves(old) {
        let given_up = entries().any(|e| applied(e) && has(&e["fieldsV1"], &path)) && !meant.iter().any(|(p, _)| *p == path);
        if given_up && !entries().any(|e| !applied(e) && has(&e["fieldsV1"], &path)) {
            remove_value(&mut new, &path);
        }
    }
    merge(&mut new, body);
    settle_ownership(old, &mut new, manager, Operation::Apply);
    let mut fields = json!({});
    for (path, _) in &meant {
        insert(&mut fields, path);
    }
    let list = new["metadata"].as_object_mut().unwrap().entry("managedFields").or_insert_with(|| json!([]));
    let list = list.as_array_mut().unwrap();
    match list.iter_mut().find(|e| applied(e)) {
        Some(entry) => entry["fieldsV1"] = fields,
        None => list.push(json!({"manager": manager, "operation": "Apply", "fieldsType": "FieldsV1", "fieldsV1": fields})),
    }
    new
}

/// Whether an apply without force is refused: it would change what another manager has.
pub fn conflicts(old: &Value, body: &Value, manager: &str) -> bool {
    let (mut meant, there) = (Vec::new(), all_leaves(old));
    leaves(body, &mut Vec::new(), &mut meant);
    let others = || old.pointer("/metadata/managedFields").and_then(Value::as_array).into_iter().flatten().filter(|e| e["manager"] != json!(manager));
    let changed = |(path, value): &(Vec<String>, Value)| there.iter().any(|(p, v)| p == path && v != value);
    meant.iter().filter(|leaf| changed(leaf)).any(|(path, _)| others().any(|e| has(&e["fieldsV1"], path)))
}

fn has(fields: &Value, path: &[String]) -> bool {
    let Some((first, rest)) = path.split_first() else { return true };
    fields.get(format!("f:{first}")).is_some_and(|inner| has(inner, rest))
}

fn remove_value(object: &mut Value, path: &[String]) {
    if let Some((last, parents)) = path.split_last()
        && let Some(map) = parents.iter().try_fold(object, |at, key| at.get_mut(key)).and_then(Value::as_object_mut)
    {
        map.remove(last);
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
