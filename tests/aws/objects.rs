//! The objects of ACK and Crossplane on a real API server that has their kinds, strictly validated, and what their controllers say.

use std::collections::BTreeMap;

use argocd_access::api::ClusterAccess;
use argocd_access::api::conditions::{Reason, State};
use argocd_access::clusters::aws::Seen;
use argocd_access::clusters::aws::fold::ServiceAccounts;
use argocd_access::clusters::aws::objects::{Key, Kind};
use argocd_access::clusters::aws::outlook::Outlook;
use kube::Client;
use kube::api::{Api, ApiResource, DeleteParams, DynamicObject, GroupVersionKind, ListParams, Patch, PatchParams, ValidationDirective};
use serde_json::{Value, json};

use crate::declared::{accounts, example, look};
use crate::support::{ControlPlane, Kubernetes, manifests, tools};

const HUB_ROLE: &str = "arn:aws:iam::111111111111:role/argocd-mgmt";
const SPOKE_ROLE: &str = "arn:aws:iam::222222222222:role/argocd-spoke-prod-eu";

fn api(client: &Client, kind: Kind, namespace: &str) -> Api<DynamicObject> {
    let (api_version, name, plural) = kind.names();
    let (group, version) = api_version.split_once('/').unwrap();
    Api::namespaced_with(client.clone(), namespace, &ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(group, version, name), plural))
}

async fn seen(client: &Client, namespaces: &[&str]) -> Seen {
    let mut objects: BTreeMap<Key, Value> = BTreeMap::new();
    for kind in Kind::ALL {
        for namespace in namespaces {
            for object in api(client, kind, namespace).list(&ListParams::default()).await.unwrap() {
                let key = Key { kind, namespace: (*namespace).to_owned(), name: object.metadata.name.clone().unwrap() };
                objects.insert(key, serde_json::to_value(object).unwrap());
            }
        }
    }
    Seen { objects, ..Seen::default() }
}

/// Applies them as the operator does, but so that an unknown field is refused. Returns how many were changed by it.
async fn apply(client: &Client, outlook: &Outlook) -> usize {
    let mut changed = 0;
    for object in &outlook.objects {
        let api = api(client, object.key.kind, &object.key.namespace);
        let before = api.get_opt(&object.key.name).await.unwrap().and_then(|object| object.metadata.resource_version);
        let mut params = PatchParams::apply("argocd-access");
        params.field_validation = Some(ValidationDirective::Strict);
        let after = api.patch(&object.key.name, &params, &Patch::Apply(&object.body)).await.unwrap_or_else(|error| panic!("{}: {error}", object.key));
        changed += usize::from(after.metadata.resource_version != before);
    }
    changed
}

/// What the controllers say of all objects that are there.
async fn report(client: &Client, seen: &Seen) {
    for (key, object) in &seen.objects {
        let arn = if key.name.starts_with("argocd-access-hub-") { HUB_ROLE } else { SPOKE_ROLE };
        let condition = |kind: &str| json!({"type": kind, "status": "True", "lastTransitionTime": "2026-06-01T08:00:00Z", "reason": "Done"});
        let status = match key.kind {
            Kind::AckRole => {
                json!({"ackResourceMetadata": {"arn": arn, "ownerAccountID": &arn[13..25], "region": "us-east-1"}, "conditions": [condition("ACK.ResourceSynced")]})
            }
            Kind::AckAccessEntry | Kind::AckPodIdentityAssociation => json!({"conditions": [condition("ACK.ResourceSynced")]}),
            Kind::CrossplaneRole => json!({"atProvider": {"arn": arn, "assumeRolePolicy": object["spec"]["forProvider"]["assumeRolePolicy"]},
                "conditions": [condition("Synced"), condition("Ready")]}),
            Kind::CrossplaneAccessEntry | Kind::CrossplanePodIdentityAssociation => json!({"conditions": [condition("Synced"), condition("Ready")]}),
        };
        let patch = Patch::Merge(json!({"status": status}));
        api(client, key.kind, &key.namespace).patch_status(&key.name, &PatchParams::default(), &patch).await.unwrap();
    }
}

async fn walk(client: &Client, access: &ClusterAccess, accounts: &ServiceAccounts, namespaces: &[&str], kinds: usize) {
    let mut said = Vec::new();
    for _round in 0..6 {
        let outlook = look(access, accounts, &seen(client, namespaces).await);
        said.push(outlook.verdict.reason);
        if outlook.verdict.state == State::True {
            break;
        }
        apply(client, &outlook).await;
        let applied = seen(client, namespaces).await;
        assert_eq!(look(access, accounts, &applied).verdict.reason, Reason::WaitingForARN, "what was applied is not yet what was made");
        report(client, &applied).await;
    }
    assert_eq!(
        said,
        [Reason::WaitingForARN, Reason::WaitingForARN, Reason::WaitingForARN, Reason::Applied],
        "role, then what needs it, then the entry"
    );
    // What the API server made of the objects is what is wanted: nothing is written any more.
    let settled = seen(client, namespaces).await;
    assert_eq!(settled.objects.len(), kinds);
    let outlook = look(access, accounts, &settled);
    assert_eq!((apply(client, &outlook).await, outlook.surplus.len(), outlook.objects.len()), (0, 0, kinds));

    // And it goes in order, until nothing is left.
    let input =
        argocd_access::clusters::aws::Input { access, stands: false, all: &[], unreadable: false, namespace: crate::declared::NAMESPACE, accounts };
    let gone = argocd_access::clusters::aws::outlook(&input, &settled);
    assert_eq!((gone.surplus.len(), gone.objects.len(), gone.verdict.reason), (kinds, 0, Reason::Withdrawn));
    for key in &gone.surplus {
        api(client, key.kind, &key.namespace).delete(&key.name, &DeleteParams::default()).await.unwrap();
    }
    assert!(seen(client, namespaces).await.objects.is_empty());
}

#[tokio::test]
async fn the_objects_of_both_controllers_are_taken_and_lead_to_applied() {
    let cp = ControlPlane::shared(Kubernetes::V1_36).await;
    let client = cp.client();
    manifests::apply_definitions(&client, &manifests::read_folder(&tools::repository().join("tests/corpus/aws-crds"), ".yaml")).await;
    for namespace in ["argocd", "aws-hub", "aws-prod"] {
        manifests::apply_text(&client, "default", &format!("{{apiVersion: v1, kind: Namespace, metadata: {{name: {namespace}}}}}")).await;
    }
    let irsa = accounts(&[("eks.amazonaws.com/role-arn", HUB_ROLE)]);
    let ack = example("eks-irsa.yaml", &[]);
    walk(&client, &ack, &irsa, &["aws-hub", "aws-prod"], 3).await;
    for output in ["ACK", "Crossplane"] {
        let access = example("eks-pod-identity.yaml", &[("/spec/aws/output", json!(output))]);
        walk(&client, &access, &accounts(&[]), &["argocd"], 6).await;
    }
}
