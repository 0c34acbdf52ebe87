//! The objects of ACK and Crossplane as they are put out.

use serde_json::{Value, json};

use super::fixtures::{HUB_ROLE, NAMESPACE, SPOKE_ROLE, access, accounts, look};
use crate::api::ClusterAccess;
use crate::clusters::aws::Seen;
use crate::clusters::aws::objects::{Kind, Object};

/// All objects of one `ClusterAccess`, once each was made.
pub fn all_of(access: &ClusterAccess) -> Vec<Object> {
    let mut seen = Seen::default();
    loop {
        let outlook = look(access, &[access], &accounts(), &seen);
        if outlook.objects.len() == seen.objects.len() {
            return outlook.objects;
        }
        for object in outlook.objects {
            seen.objects.insert(object.key.clone(), made(&object));
        }
    }
}

/// An object as its controller reports it in the end.
pub fn made(object: &Object) -> Value {
    let mut seen = object.body.clone();
    let external = seen.pointer("/metadata/annotations/crossplane.io~1external-name");
    let arn = match seen.pointer("/spec/name").or(external).and_then(Value::as_str) {
        Some("argocd-mgmt") => HUB_ROLE.to_owned(),
        role => format!("arn:aws:iam::222222222222:role/{}", role.unwrap_or_default()),
    };
    seen["status"] = match object.key.kind {
        Kind::AckRole => json!({"ackResourceMetadata": {"arn": arn}, "conditions": [{"type": "ACK.ResourceSynced", "status": "True"}]}),
        Kind::AckAccessEntry | Kind::AckPodIdentityAssociation => json!({"conditions": [{"type": "ACK.ResourceSynced", "status": "True"}]}),
        _ => json!({
            "atProvider": {"arn": arn, "assumeRolePolicy": seen["spec"]["forProvider"]["assumeRolePolicy"]},
            "conditions": [{"type": "Synced", "status": "True"}, {"type": "Ready", "status": "True"}],
        }),
    };
    seen
}

fn of_kind(objects: &[Object], kind: Kind) -> Vec<&Object> {
    objects.iter().filter(|object| object.key.kind == kind).collect()
}

#[test]
fn ack_makes_the_roles_the_associations_and_the_entry() {
    let boundary = json!("arn:aws:iam::222222222222:policy/b");
    let changes = [
        ("/output", json!("ACK")),
        ("/permissionsBoundary", boundary.clone()),
        ("/hub/namespace", json!("ack-hub")),
        ("/spoke/namespace", json!("ack-spoke")),
    ];
    let access = access("prod", &changes);
    let objects = all_of(&access);
    assert_eq!(objects.len(), 6);
    let roles = of_kind(&objects, Kind::AckRole);
    let (hub, spoke) = (&roles[0].body, &roles[1].body);
    assert_eq!(hub["apiVersion"], "iam.services.k8s.aws/v1alpha1");
    assert_eq!(
        hub["metadata"],
        json!({"name": "argocd-access-hub-argocd", "namespace": "ack-hub",
            "labels": {"app.kubernetes.io/managed-by": "argocd-access", "argocd-access.dev/instance": NAMESPACE}})
    );
    assert_eq!((&hub["spec"]["name"], &hub["spec"]["permissionsBoundary"]), (&json!("argocd-mgmt"), &Value::Null));
    let policies = hub["spec"]["inlinePolicies"].as_object().unwrap();
    assert!(policies.len() == 1 && policies["argocd-access"].as_str().unwrap().contains(SPOKE_ROLE), "{policies:?}");
    assert_eq!(
        spoke["metadata"],
        json!({"name": "argocd-access-aws-argocd.prod", "namespace": "ack-spoke",
            "labels": {"app.kubernetes.io/managed-by": "argocd-access", "argocd-access.dev/instance": NAMESPACE, "argocd-access.dev/owner": "uid-prod"}})
    );
    assert_eq!((&spoke["spec"]["name"], &spoke["spec"]["permissionsBoundary"]), (&json!("argocd-spoke-prod"), &boundary));
    assert_eq!(spoke["spec"]["inlinePolicies"], json!({}), "a spoke role has no permission");
    let association = of_kind(&objects, Kind::AckPodIdentityAssociation)[2];
    assert_eq!(association.key.name, "argocd-access-hub-argocd.argocd-server");
    assert_eq!(association.body["metadata"]["annotations"], json!({"services.k8s.aws/region": "eu-west-1"}));
    assert_eq!(
        association.body["spec"],
        json!({"clusterName": "hub", "namespace": "argocd", "serviceAccount": "argocd-server", "roleARN": HUB_ROLE})
    );
    let entry = of_kind(&objects, Kind::AckAccessEntry)[0];
    assert_eq!(entry.body["metadata"]["annotations"], json!({"services.k8s.aws/region": "eu-central-1"}));
    assert_eq!(
        entry.body["spec"],
        json!({"clusterName": "prod", "principalARN": SPOKE_ROLE, "type": "STANDARD", "kubernetesGroups": ["argocd-access:prod"]})
    );
}

#[test]
fn crossplane_makes_the_same_with_the_credential_of_the_namespace() {
    let objects = all_of(&access("prod", &[("/output", json!("Crossplane"))]));
    assert_eq!(objects.len(), 6);
    for object in &objects {
        assert_eq!(object.body["spec"]["providerConfigRef"], json!({"kind": "ProviderConfig", "name": "default"}), "{}", object.key);
        assert!(object.body["apiVersion"].as_str().unwrap().ends_with(".aws.m.upbound.io/v1beta1"));
        assert_eq!(object.key.namespace, NAMESPACE);
    }
    let roles = of_kind(&objects, Kind::CrossplaneRole);
    assert_eq!(roles[0].body["metadata"]["annotations"], json!({"crossplane.io/external-name": "argocd-mgmt"}));
    assert_eq!(roles[0].body["spec"]["forProvider"]["inlinePolicy"][0]["name"], "argocd-access");
    assert_eq!(roles[1].body["spec"]["forProvider"]["inlinePolicy"], json!([{}]), "a spoke role has no permission");
    let entry = of_kind(&objects, Kind::CrossplaneAccessEntry)[0];
    assert_eq!(
        entry.body["spec"]["forProvider"],
        json!({"clusterName": "prod", "principalArn": SPOKE_ROLE, "region": "eu-central-1", "type": "STANDARD", "kubernetesGroups": ["argocd-access:prod"]})
    );
}

#[test]
fn with_irsa_there_are_no_associations_and_with_another_mapping_no_entry() {
    let mut changes = super::fixtures::irsa();
    changes.extend([("/output", json!("ACK")), ("/mapping", json!("None"))]);
    let objects = all_of(&access("prod", &changes));
    assert!(objects.len() == 2 && objects.iter().all(|object| object.key.kind == Kind::AckRole), "{objects:?}");
    let direct = all_of(&access("prod", &[("/output", json!("ACK")), ("/spoke/role", Value::Null)]));
    assert_eq!(of_kind(&direct, Kind::AckRole).len(), 1);
    assert_eq!(of_kind(&direct, Kind::AckRole)[0].body["spec"]["inlinePolicies"], json!({}));
    assert_eq!(of_kind(&direct, Kind::AckAccessEntry)[0].body["spec"]["principalARN"], HUB_ROLE);
}

#[test]
fn every_name_is_one_that_kubernetes_takes() {
    use crate::clusters::aws::objects::{association_name, hub_name, spoke_name};
    let longest = "n".repeat(63);
    for name in [hub_name(&longest), association_name(&longest, &"s".repeat(63)), spoke_name(&longest, &longest)] {
        assert!(name.len() <= 253, "{name}");
    }
    // A namespace has no dot.
    assert_ne!(spoke_name("a", "b.c"), spoke_name("a.b", "c").replace("a.b.c", "a-b.c"));
}
