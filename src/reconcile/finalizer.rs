//! The finalizer of our own objects: set before the first shared write, dropped when everything is handed back. Pure.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::json;

use super::write::{Action, Direction, Kind, Layer, Target, Write};
use crate::api::{ABANDON, FINALIZER};

/// Sets it.
#[must_use]
pub fn add(kind: Kind, metadata: &ObjectMeta) -> Write {
    let finalizers: Vec<&str> = metadata.finalizers.iter().flatten().map(String::as_str).chain([FINALIZER]).collect();
    write(kind, metadata, &finalizers, "set the finalizer before the first shared write")
}

/// Drops it.
#[must_use]
pub fn drop(kind: Kind, metadata: &ObjectMeta) -> Write {
    let rest: Vec<&str> = metadata.finalizers.iter().flatten().map(String::as_str).filter(|f| *f != FINALIZER).collect();
    write(kind, metadata, &rest, "everything is handed back")
}

fn write(kind: Kind, metadata: &ObjectMeta, finalizers: &[&str], why: &'static str) -> Write {
    let (namespace, name) = (metadata.namespace.as_deref().unwrap_or_default(), metadata.name.as_deref().unwrap_or_default());
    let patch = json!({"metadata": {"resourceVersion": metadata.resource_version, "finalizers": finalizers}});
    Write {
        target: Target::namespaced(kind, namespace, name),
        layer: Layer::Finalizer,
        direction: Direction::Keep,
        action: Action::Merge(patch),
        why,
    }
}

/// Whether an object is to go although something of it cannot be handed back.
#[must_use]
pub fn is_abandoned(metadata: &ObjectMeta) -> bool {
    metadata.annotations.as_ref().is_some_and(|a| a.get(ABANDON).is_some_and(|v| v == "true"))
}
