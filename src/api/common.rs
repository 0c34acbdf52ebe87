//! What several resources have in common: whether an object acts, and a choice of namespaces.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

/// Whether the object acts.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// The declared access is made true.
    #[default]
    Enforce,
    /// Nothing is changed; `status.changes` says what would be.
    Observe,
}

/// A choice of namespaces: by name, by label, or both together.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct NamespaceSelection {
    /// Names of namespaces.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256), inner(length(min = 1, max = 63), regex(pattern = "^[a-z0-9]([a-z0-9-]*[a-z0-9])?$")))]
    pub names: Vec<String>,

    /// Namespaces that carry these labels, now and later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(transform = bound_selector)]
    #[x_kube(validation = Rule::new("(has(self.matchLabels) && size(self.matchLabels) > 0) || (has(self.matchExpressions) && size(self.matchExpressions) > 0)").message("an empty selector would select every namespace; leave it out"))]
    pub selector: Option<LabelSelector>,
}

/// A selector of Kubernetes has no bounds of its own; without them the API server cannot tell what the rules about it cost.
fn bound_selector(schema: &mut schemars::Schema) {
    schema.insert("type".to_owned(), json!("object"));
    schema.insert("nullable".to_owned(), json!(true));
    let value = json!({"type": "string", "maxLength": 63});
    let key = json!({"type": "string", "minLength": 1, "maxLength": 317, "description": "Key of the label."});
    let expression = json!({
        "type": "object", "required": ["key", "operator"], "description": "One requirement.",
        "properties": {
            "key": key,
            "operator": {"type": "string", "enum": ["In", "NotIn", "Exists", "DoesNotExist"], "description": "How the label's value relates to the values."},
            "values": {"type": "array", "maxItems": 64, "items": value, "description": "The values, for In and NotIn."},
        },
    });
    schema.insert(
        "properties".to_owned(),
        json!({
            "matchLabels": {"type": "object", "maxProperties": 16, "additionalProperties": value, "description": "Labels and their values; all must match."},
            "matchExpressions": {"type": "array", "maxItems": 16, "items": expression, "description": "Requirements on labels; all must hold."},
        }),
    );
}
