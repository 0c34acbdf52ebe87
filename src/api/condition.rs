//! A condition of a status: that of Kubernetes (`metav1.Condition`), with texts that are kept once.

use std::borrow::Cow;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{self, Time};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};

use super::text::Text;

/// One aspect of the state of an object.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// When `status` was another one last.
    pub last_transition_time: Time,
    /// Details, for a person.
    #[serde(default)]
    pub message: Text,
    /// The generation of the spec that it speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Why, in one word, for a program.
    #[serde(default)]
    pub reason: Text,
    /// `True`, `False` or `Unknown`.
    #[serde(default)]
    pub status: Text,
    /// What it speaks of.
    #[serde(rename = "type", default)]
    pub type_: Text,
}

impl JsonSchema for Condition {
    fn schema_name() -> Cow<'static, str> {
        v1::Condition::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        v1::Condition::json_schema(generator)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn it_is_read_and_written_as_the_one_of_kubernetes() {
        for generation in [json!({"observedGeneration": 3}), json!({})] {
            let mut all = json!({"lastTransitionTime": "2026-01-02T03:04:05Z", "message": "m", "reason": "R", "status": "True", "type": "Ready"});
            all.as_object_mut().unwrap().extend(generation.as_object().unwrap().clone());
            let ours: Condition = serde_json::from_value(all.clone()).unwrap();
            let theirs: v1::Condition = serde_json::from_value(all.clone()).unwrap();
            assert_eq!(serde_json::to_value(&ours).unwrap(), serde_json::to_value(&theirs).unwrap());
            assert_eq!(serde_json::to_value(&ours).unwrap(), all);
        }
        let least = json!({"lastTransitionTime": "2026-01-02T03:04:05Z"});
        assert!(serde_json::from_value::<v1::Condition>(least.clone()).is_ok() && serde_json::from_value::<Condition>(least).is_ok());
    }
}
