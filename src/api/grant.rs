//! What a status says of the access that is in effect: the audit trail follows from it.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The access that is in effect.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct GrantInEffect {
    /// Since when.
    pub since: Time,
    /// Until when, as far as it is known: the end of the window or of the validity, whichever is earlier.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Time>,
    /// How often it was changed since.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub changes: i64,
    /// A fingerprint of whom it is for: it changes when that does.
    pub whom: String,
    /// A fingerprint of what it allows: it changes when that does.
    pub what: String,
    /// Of a ClusterAccess: when the credential was issued by which Argo CD comes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential: Option<Time>,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
const fn is_zero(number: &i64) -> bool {
    *number == 0
}
