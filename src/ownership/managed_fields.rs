//! What an object's `managedFields` say: who owns a field, and what is left when our entry goes. Pure.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ManagedFieldsEntry, ObjectMeta};
use serde_json::Value;

use super::before::ANNOTATION;
use super::behalf::Name;
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

/// The managers, other than us, that own the field at this path, such as `["data", "exec.enabled"]`. One in whose name we wrote is none
/// of them: they have our memory, which they never wrote.
#[must_use]
pub fn others(meta: &ObjectMeta, path: &[&str]) -> Vec<String> {
    foreign(meta, path).filter_map(|entry| entry.manager.clone()).collect()
}

/// Who of them has it: every one of their entries is this very one, or one of them is. A manager's applies and its patches are entries of
/// their own: what it has patched, its next apply does not speak of.
#[must_use]
pub(super) fn has(meta: &ObjectMeta, path: &[&str], name: &Name) -> Has {
    let is_it =
        |entry: &ManagedFieldsEntry| entry.manager.as_deref() == Some(&name.manager) && (entry.operation.as_deref() == Some("Apply")) == name.applies;
    match (foreign(meta, path).any(is_it), foreign(meta, path).any(|entry| !is_it(entry))) {
        (false, false) => Has::Nobody,
        (true, false) => Has::Alone,
        (true, true) => Has::WithOthers,
        (false, true) => Has::Others,
    }
}

/// Who has a field, as seen from one entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Has {
    /// No entry but ours.
    Nobody,
    /// It.
    Alone,
    /// It, and others.
    WithOthers,
    /// Others only.
    Others,
}

fn foreign<'a>(meta: &'a ObjectMeta, path: &'a [&str]) -> impl Iterator<Item = &'a ManagedFieldsEntry> {
    let in_their_name = |entry: &ManagedFieldsEntry| owns(entry, &["metadata", "annotations", ANNOTATION]);
    meta.managed_fields.iter().flatten().filter(move |entry| !is_ours(entry) && !in_their_name(entry) && owns(entry, path))
}

/// Whether our memory was written in the name of this manager, and with it everything that is of ours on the object.
#[must_use]
pub fn is_in_name_of(meta: &ObjectMeta, manager: &str) -> bool {
    let theirs = meta.managed_fields.iter().flatten().filter(|entry| entry.manager.as_deref() == Some(manager));
    theirs.into_iter().any(|entry| owns(entry, &["metadata", "annotations", ANNOTATION]))
}

/// Whether an entry of ours owns the field at this path.
#[must_use]
pub fn ours(meta: &ObjectMeta, path: &[&str]) -> bool {
    meta.managed_fields.iter().flatten().any(|entry| is_ours(entry) && owns(entry, path))
}

/// Who wrote something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Writer {
    /// The field manager.
    pub manager: String,
    /// When, as the entry says.
    pub at: Option<jiff::Timestamp>,
}

/// Who, other than us, wrote the field last; for a field that is gone, who wrote to the object last.
#[must_use]
pub fn last_writer(meta: &ObjectMeta, path: &[&str]) -> Option<Writer> {
    let foreign = || meta.managed_fields.iter().flatten().filter(|e| !is_ours(e) && e.subresource.as_deref().unwrap_or_default().is_empty());
    let newest = |entries: Vec<&ManagedFieldsEntry>| entries.into_iter().max_by_key(|e| e.time.as_ref().map(|t| t.0)).cloned();
    let entry = newest(foreign().filter(|e| owns(e, path)).collect()).or_else(|| newest(foreign().collect()))?;
    Some(Writer { manager: entry.manager?, at: entry.time.map(|t| t.0) })
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
    fn the_last_writer_is_who_has_the_field_or_else_who_came_last() {
        let meta: ObjectMeta = serde_json::from_value(serde_json::json!({"managedFields": [
            {"manager": "old", "time": "2026-01-01T00:00:00Z", "fieldsV1": {"f:data": {"f:a": {}}}},
            {"manager": "new", "time": "2026-01-03T00:00:00Z", "fieldsV1": {"f:data": {"f:a": {}, "f:b": {}}}},
            {"manager": "argocd-access", "time": "2026-01-04T00:00:00Z", "fieldsV1": {"f:data": {"f:c": {}}}},
            {"manager": "of-status", "subresource": "status", "time": "2026-01-05T00:00:00Z", "fieldsV1": {}},
            {"manager": "other", "time": "2026-01-02T00:00:00Z", "fieldsV1": {"f:data": {"f:c": {}}}},
        ]}))
        .unwrap();
        let manager = |key: &str| last_writer(&meta, &["data", key]).unwrap().manager;
        assert_eq!((manager("a"), manager("c"), manager("gone")), ("new".to_owned(), "other".to_owned(), "new".to_owned()));
        assert_eq!(last_writer(&ObjectMeta::default(), &["data", "a"]), None);
    }

    #[test]
    fn who_has_our_memory_owns_nothing_of_its_own_accord() {
        let mut meta = meta();
        meta.managed_fields.as_mut().unwrap()[0].fields_v1.as_mut().unwrap().0["f:metadata"] =
            serde_json::json!({"f:annotations": {format!("f:{ANNOTATION}"): {}}});
        assert!(others(&meta, &["data", "exec.enabled"]).is_empty());
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
