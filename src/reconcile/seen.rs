//! What could be seen of a kind, and what every object has. Pure data.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

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

/// The data of a ConfigMap that may be absent.
#[must_use]
pub fn data(config_map: Option<&ConfigMap>) -> BTreeMap<String, String> {
    config_map.and_then(|cm| cm.data.clone()).unwrap_or_default()
}

/// The uid of an object; empty on objects that never were on a server.
#[must_use]
pub fn uid(meta: &ObjectMeta) -> &str {
    meta.uid.as_deref().unwrap_or_default()
}
