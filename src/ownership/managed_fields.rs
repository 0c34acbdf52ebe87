//! What an object's `managedFields` say: who owns a field, and what is left when our entry goes. Pure.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ManagedFieldsEntry, ObjectMeta};
use serde_json::Value;

use crate::api::FIELD_MANAGER;

/// Whether this entry is ours. Writes to the status subresource are no part of it.
fn is_ours(entry: &ManagedFieldsEntry) -> bool {
    entry.manager.as_deref() == Some(FIELD_MANAGER) && entry.subresource.as_deref().unwrap_or_default().is_empty()
}

/// Whether an entry of ours is there.
#[must_use]
pub fn ours_present(meta: &ObjectMeta) -> bool {
    meta.managed_fields.iter().flatten().any(is_ours)
}

/// The managers, other than us, that own the field at this path, such as `["data", "exec.enabled"]`.
#[must_use]
pub fn others(meta: &ObjectMeta, path: &[&str]) -> Vec<String> {
    let foreign = meta.managed_fields.iter().flatten().filter(|entry| !is_ours(entry));
    foreign.filter(|entry| owns(entry, path)).filter_map(|entry| entry.manager.clone()).collect()
}

/// Whether an entry of ours owns the field at this path.
#[must_use]
pub fn ours(meta: &ObjectMeta, path: &[&str]) -> bool {
    meta.managed_fields.iter().flatten().any(|entry| is_ours(entry) && owns(entry, path))
}

fn owns(entry: &ManagedFieldsEntry, path: &[&str]) -> bool {
    let Some(fields) = &entry.fields_v1 else { return false };
    let mut at: &Value = &fields.0;
    for step in path {
        match at.get(format!("f:{step}")) {
            Some(next) => at = next,
            None => return false,
        }
    }
    true
}

/// The list without our entries. When nothing would be left, the one empty entry by which the API server is asked to clear the list
/// (an empty list would mean "keep").
#[must_use]
pub fn without_ours(meta: &ObjectMeta) -> Value {
    let rest: Vec<&ManagedFieldsEntry> = meta.managed_fields.iter().flatten().filter(|entry| !is_ours(entry)).collect();
    if rest.is_empty() { serde_json::json!([{}]) } else { serde_json::to_value(rest).unwrap_or_else(|_| serde_json::json!([{}])) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meta() -> ObjectMeta {
        serde_json::from_value(serde_json::json!({"managedFields": [
            {"manager": "helm", "operation": "Apply", "fieldsV1": {"f:data": {"f:exec.enabled": {}}}},
            {"manager": "argocd-access", "operation": "Update", "fieldsV1": {"f:data": {"f:exec.shells": {}}}},
        ]}))
        .unwrap()
    }

    #[test]
    fn owners_are_found_by_path() {
        assert_eq!(others(&meta(), &["data", "exec.enabled"]), ["helm"]);
        assert!(others(&meta(), &["data", "exec.shells"]).is_empty());
        assert!(ours(&meta(), &["data", "exec.shells"]) && !ours(&meta(), &["data", "exec.enabled"]));
    }

    #[test]
    fn only_our_entry_goes() {
        let left = without_ours(&meta());
        assert_eq!(left.as_array().unwrap().len(), 1);
        assert_eq!(left[0]["manager"], "helm");
        let mut alone = meta();
        alone.managed_fields.as_mut().unwrap().remove(0);
        assert_eq!(without_ours(&alone), serde_json::json!([{}]));
    }
}
