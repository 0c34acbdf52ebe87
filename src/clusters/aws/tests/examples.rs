//! The examples: the API server would take them, and what they come to is what their pages say.

use std::collections::BTreeMap;

use kube::CustomResourceExt;
use serde_json::Value;

use super::fixtures::{accounts, look};
use crate::api::ClusterAccess;
use crate::api::cluster_aws::{Identity, Mapping, Output};
use crate::api::conditions::Reason;
use crate::clusters::aws::Seen;
use crate::clusters::aws::outlook::{AwsAuth, AwsAuthSeen};

const POD_IDENTITY: &str = include_str!("../../../../examples/eks-pod-identity.yaml");
const IRSA: &str = include_str!("../../../../examples/eks-irsa.yaml");
const AWS_AUTH: &str = include_str!("../../../../examples/eks-aws-auth.yaml");

fn read(text: &str) -> ClusterAccess {
    serde_yaml::from_str(text).unwrap()
}

/// What stands in a manifest and not in the schema, and what a pattern or an enumeration of it refuses.
fn strange(value: &Value, schema: &Value, at: &str, into: &mut Vec<String>) {
    if let (Some(pattern), Some(text)) = (schema["pattern"].as_str(), value.as_str())
        && !regex::Regex::new(pattern).unwrap().is_match(text)
    {
        into.push(format!("{at}: {text:?} is not {pattern}"));
    }
    if let Some(values) = schema["enum"].as_array().filter(|values| !values.contains(value)) {
        into.push(format!("{at}: {value} is none of {values:?}"));
    }
    for required in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        if value.is_object() && value.get(required).is_none() && schema["properties"][required]["default"].is_null() {
            into.push(format!("{at}.{required} is missing"));
        }
    }
    for (name, inner) in value.as_object().into_iter().flatten() {
        match schema["properties"].get(name).or_else(|| schema.get("additionalProperties").filter(|any| any.is_object())) {
            Some(below) => strange(inner, below, &format!("{at}.{name}"), into),
            None => into.push(format!("{at}.{name} is not known")),
        }
    }
    for inner in value.as_array().into_iter().flatten() {
        strange(inner, &schema["items"], &format!("{at}[]"), into);
    }
}

#[test]
fn every_example_is_valid() {
    let schema = serde_json::to_value(ClusterAccess::crd().spec.versions[0].schema.as_ref().unwrap().open_api_v3_schema.as_ref().unwrap()).unwrap();
    for text in [POD_IDENTITY, IRSA, AWS_AUTH] {
        let value: Value = serde_yaml::from_str(text).unwrap();
        let mut said = Vec::new();
        strange(&value["spec"], &schema["properties"]["spec"], "spec", &mut said);
        assert_eq!(said, Vec::<String>::new());
        let object = read(text);
        assert_eq!(kube::core::cel::validate_cel(&object).map_err(|errors| format!("{errors:?}")), Ok(()));
        // Comments and order are the file's; the meaning survives.
        assert_eq!(serde_yaml::from_str::<ClusterAccess>(&serde_yaml::to_string(&object).unwrap()).unwrap(), object);
    }
    let wrong = IRSA.replace("accountID: \"111111111111\"", "accountID: \"1\"").replace("mapping: AccessEntry", "mapping: Whatever\n    wrong: 1");
    let mut said = Vec::new();
    strange(&serde_yaml::from_str::<Value>(&wrong).unwrap()["spec"], &schema["properties"]["spec"], "spec", &mut said);
    assert_eq!(said.len(), 3, "{said:?}");
}

#[test]
fn each_example_comes_to_what_it_is_for() {
    let aws = |access: &ClusterAccess| access.spec.aws.clone().unwrap();
    let pod_identity = read(POD_IDENTITY);
    assert_eq!((aws(&pod_identity).output, aws(&pod_identity).hub.identity), (Output::Text, Identity::PodIdentity));
    assert_eq!(look(&pod_identity, &[], &accounts(), &Seen::default()).verdict.reason, Reason::Withdrawn);
    let mut taken = pod_identity;
    taken.metadata.uid = Some("uid".to_owned());
    assert_eq!(look(&taken, &[&taken], &accounts(), &Seen::default()).verdict.reason, Reason::Rendered);

    let mut irsa = read(IRSA);
    irsa.metadata.uid = Some("uid".to_owned());
    assert_eq!((aws(&irsa).output, aws(&irsa).hub.identity), (Output::Ack, Identity::Irsa));
    let outlook = look(&irsa, &[&irsa], &accounts(), &Seen::default());
    assert_eq!((outlook.verdict.reason, outlook.objects[0].key.namespace.as_str()), (Reason::WaitingForARN, "aws-hub"));

    let mut auth = read(AWS_AUTH);
    auth.metadata.uid = Some("uid".to_owned());
    assert_eq!(aws(&auth).mapping, Mapping::AwsAuth);
    let seen = Seen { aws_auth: AwsAuthSeen::Data(BTreeMap::new()), ..Seen::default() };
    assert!(matches!(look(&auth, &[&auth], &accounts(), &seen).aws_auth, AwsAuth::Set(text) if text.contains("# argocd-access.dev/owner: uid")));
}
