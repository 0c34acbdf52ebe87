//! Objects of Crossplane's provider-upjet-aws, those with a namespace. Pure.
//!
//! By which credential the provider acts is decided by the ProviderConfig `default` in the namespace of the object: one of the whole
//! cluster is not used. A provider takes over a role that has the name already; who may name one is for the provider's own rights to limit.

use serde::Serialize;
use serde_json::{Value, json};

use super::{Kind, Mark, Object, WantedAssociation, WantedEntry, WantedRole, key, object};
use crate::clusters::aws::documents::POLICY_NAME;

/// The annotation with the name in AWS.
pub const EXTERNAL_NAME: &str = "crossplane.io/external-name";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RoleParameters<'a> {
    assume_role_policy: String,
    // One empty block: what stands there and is not ours is taken away.
    inline_policy: Vec<InlinePolicy>,
    #[serde(skip_serializing_if = "Option::is_none")]
    permissions_boundary: Option<&'a str>,
}

#[derive(Serialize, Default)]
struct InlinePolicy {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    policy: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct AccessEntryParameters<'a> {
    cluster_name: &'a str,
    principal_arn: &'a str,
    region: &'a str,
    #[serde(rename = "type")]
    kind: &'static str,
    kubernetes_groups: [&'a str; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct AssociationParameters<'a> {
    cluster_name: &'a str,
    region: &'a str,
    namespace: &'a str,
    service_account: &'a str,
    role_arn: &'a str,
}

/// A role.
#[must_use]
pub fn role(place: (&str, &str), mark: Mark<'_>, wanted: &WantedRole<'_>) -> Object {
    let inline = wanted.policy.map(|policy| InlinePolicy { name: Some(POLICY_NAME), policy: Some(policy.compact()) }).unwrap_or_default();
    let parameters =
        RoleParameters { assume_role_policy: wanted.trust.compact(), inline_policy: vec![inline], permissions_boundary: wanted.boundary };
    object(key(Kind::CrossplaneRole, place), mark, &json!({EXTERNAL_NAME: wanted.role.name}), &spec(&parameters))
}

/// An access entry.
#[must_use]
pub fn entry(place: (&str, &str), mark: Mark<'_>, wanted: &WantedEntry<'_>) -> Object {
    let parameters = AccessEntryParameters {
        cluster_name: wanted.cluster,
        principal_arn: wanted.principal,
        region: wanted.region,
        kind: "STANDARD",
        kubernetes_groups: [wanted.group],
    };
    object(key(Kind::CrossplaneAccessEntry, place), mark, &json!({}), &spec(&parameters))
}

/// An association.
#[must_use]
pub fn association(place: (&str, &str), mark: Mark<'_>, wanted: &WantedAssociation<'_>) -> Object {
    let parameters = AssociationParameters {
        cluster_name: wanted.cluster,
        region: wanted.region,
        namespace: wanted.namespace,
        service_account: wanted.service_account,
        role_arn: wanted.role,
    };
    object(key(Kind::CrossplanePodIdentityAssociation, place), mark, &json!({}), &spec(&parameters))
}

fn spec(parameters: &impl Serialize) -> Value {
    json!({"forProvider": parameters, "providerConfigRef": {"kind": "ProviderConfig", "name": "default"}})
}
