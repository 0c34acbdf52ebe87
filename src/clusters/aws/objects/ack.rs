//! Objects of AWS Controllers for Kubernetes. Pure.
//!
//! In which account a controller acts is decided by the namespace of the object (`IAMRoleSelector`); the region is said by an annotation.
//! A role that exists already is not taken over: no adoption policy is set.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Value, json};

use super::{Kind, Mark, Object, WantedAssociation, WantedEntry, WantedRole, key, object};
use crate::clusters::aws::documents::POLICY_NAME;

/// The annotation with the region.
const REGION: &str = "services.k8s.aws/region";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RoleSpec<'a> {
    name: &'a str,
    assume_role_policy_document: String,
    // Also when it is empty: what stands there and is not ours is taken away.
    inline_policies: BTreeMap<&'static str, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    permissions_boundary: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct AccessEntrySpec<'a> {
    cluster_name: &'a str,
    #[serde(rename = "principalARN")]
    principal_arn: &'a str,
    #[serde(rename = "type")]
    kind: &'static str,
    kubernetes_groups: [&'a str; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct AssociationSpec<'a> {
    cluster_name: &'a str,
    namespace: &'a str,
    service_account: &'a str,
    #[serde(rename = "roleARN")]
    role_arn: &'a str,
}

/// A role.
#[must_use]
pub fn role(place: (&str, &str), mark: Mark<'_>, wanted: &WantedRole<'_>) -> Object {
    let spec = RoleSpec {
        name: &wanted.role.name,
        assume_role_policy_document: wanted.trust.compact(),
        inline_policies: wanted.policy.map(|policy| (POLICY_NAME, policy.compact())).into_iter().collect(),
        permissions_boundary: wanted.boundary,
    };
    object(key(Kind::AckRole, place), mark, &json!({}), &value(&spec))
}

/// An access entry.
#[must_use]
pub fn entry(place: (&str, &str), mark: Mark<'_>, wanted: &WantedEntry<'_>) -> Object {
    let spec = AccessEntrySpec { cluster_name: wanted.cluster, principal_arn: wanted.principal, kind: "STANDARD", kubernetes_groups: [wanted.group] };
    object(key(Kind::AckAccessEntry, place), mark, &json!({REGION: wanted.region}), &value(&spec))
}

/// An association.
#[must_use]
pub fn association(place: (&str, &str), mark: Mark<'_>, wanted: &WantedAssociation<'_>) -> Object {
    let spec =
        AssociationSpec { cluster_name: wanted.cluster, namespace: wanted.namespace, service_account: wanted.service_account, role_arn: wanted.role };
    object(key(Kind::AckPodIdentityAssociation, place), mark, &json!({REGION: wanted.region}), &value(&spec))
}

/// Structs of strings: it cannot fail, and without a spec the API server would refuse the object.
fn value(spec: &impl Serialize) -> Value {
    serde_json::to_value(spec).unwrap_or_default()
}
