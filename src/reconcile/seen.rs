//! What could be seen of a kind, and what every object has. Pure data.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::api::INSTANCE_LABEL;

/// What a kind could be seen as.
pub type Seen<T> = Result<T, NotSeen>;

/// Why a kind cannot be seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotSeen {
    /// The kind, in the plural, for a message.
    pub kind: &'static str,
    /// What the API server said.
    pub why: String,
}

impl std::fmt::Display for NotSeen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the operator cannot read {}: {}; check its Role and ClusterRole (the chart grants get, list and watch)", self.kind, self.why)
    }
}

/// Whether a namespace is being deleted, as far as it can be seen.
#[must_use]
pub fn is_going(namespaces: &Seen<Vec<Arc<Namespace>>>, name: &str) -> bool {
    let going = |n: &Arc<Namespace>| n.metadata.deletion_timestamp.is_some() && n.metadata.name.as_deref() == Some(name);
    namespaces.as_ref().is_ok_and(|all| all.iter().any(going))
}

/// Whether an object of our name is ours: it has the mark of this instance. Never by its name alone.
#[must_use]
pub fn is_ours(meta: &ObjectMeta, instance: &str) -> bool {
    meta.labels.as_ref().is_some_and(|l| l.get(INSTANCE_LABEL).is_some_and(|v| v == instance))
}

/// The data of none.
pub static NO_DATA: BTreeMap<String, String> = BTreeMap::new();

/// The data of a ConfigMap that may be absent.
#[must_use]
pub fn data(config_map: Option<&ConfigMap>) -> &BTreeMap<String, String> {
    config_map.and_then(|cm| cm.data.as_ref()).unwrap_or(&NO_DATA)
}

/// The uid of an object; empty on objects that never were on a server.
#[must_use]
pub fn uid(meta: &ObjectMeta) -> &str {
    meta.uid.as_deref().unwrap_or_default()
}
