//! What is put out for controllers, step by step, and what is said of it.

use serde_json::{Value, json};

use super::fixtures::{NAMESPACE, access, accounts, look};
use super::objects::{all_of, made};
use crate::api::ClusterAccess;
use crate::api::conditions::{Reason, State};
use crate::clusters::aws::objects::{Key, Kind};
use crate::clusters::aws::{Input, Outlook, Seen, outlook};

fn said(outlook: &Outlook) -> (State, Reason) {
    (outlook.verdict.state, outlook.verdict.reason)
}

fn kinds(outlook: &Outlook) -> Vec<Kind> {
    outlook.objects.iter().map(|object| object.key.kind).collect()
}

/// Everything as the controllers report it in the end.
fn settled(access: &ClusterAccess) -> Seen {
    Seen { objects: all_of(access).iter().map(|object| (object.key.clone(), made(object))).collect(), ..Seen::default() }
}

fn of(output: &str) -> ClusterAccess {
    access("prod", &[("/output", json!(output))])
}

fn key_of(seen: &Seen, kind: Kind, part: &str) -> Key {
    seen.objects.keys().find(|key| key.kind == kind && key.name.contains(part)).unwrap().clone()
}

#[test]
fn each_object_waits_for_the_arn_of_the_role_before_it() {
    for (output, role, association, entry) in [
        ("ACK", Kind::AckRole, Kind::AckPodIdentityAssociation, Kind::AckAccessEntry),
        ("Crossplane", Kind::CrossplaneRole, Kind::CrossplanePodIdentityAssociation, Kind::CrossplaneAccessEntry),
    ] {
        let access = of(output);
        let mut seen = Seen::default();
        let first = look(&access, &[&access], &accounts(), &seen);
        assert_eq!((kinds(&first), said(&first)), (vec![role], (State::False, Reason::WaitingForARN)));
        // It is applied, and the controller has not spoken yet.
        seen.objects.insert(first.objects[0].key.clone(), first.objects[0].body.clone());
        let waiting = look(&access, &[&access], &accounts(), &seen);
        assert_eq!((kinds(&waiting), said(&waiting)), (vec![role], (State::False, Reason::WaitingForARN)));
        assert!(waiting.verdict.message.contains("has no ARN yet"), "{}", waiting.verdict.message);
        seen.objects.insert(first.objects[0].key.clone(), made(&first.objects[0]));
        let second = look(&access, &[&access], &accounts(), &seen);
        assert_eq!(kinds(&second), [role, association, association, association, role]);
        for object in &second.objects {
            seen.objects.insert(object.key.clone(), made(object));
        }
        let third = look(&access, &[&access], &accounts(), &seen);
        assert_eq!(kinds(&third), [role, association, association, association, role, entry]);
        let last = look(&access, &[&access], &accounts(), &settled(&access));
        assert_eq!(said(&last), (State::True, Reason::Applied), "{}", last.verdict.message);
        assert!(last.surplus.is_empty() && last.config_map.is_none());
    }
}

#[test]
fn a_controller_that_is_missing_or_fails_is_named() {
    let access = of("ACK");
    let seen = Seen { no_kinds: Kind::ALL.into_iter().collect(), ..Seen::default() };
    let missing = look(&access, &[&access], &accounts(), &seen);
    assert_eq!((said(&missing), missing.objects.len()), ((State::False, Reason::ControllerMissing), 0));
    assert!(missing.verdict.message.contains("roles.iam.services.k8s.aws; install ACK's"), "{}", missing.verdict.message);
    for condition in ["ACK.Terminal", "ACK.Recoverable"] {
        let mut seen = settled(&access);
        let key = key_of(&seen, Kind::AckRole, "prod");
        seen.objects.get_mut(&key).unwrap()["status"]["conditions"] =
            json!([{"type": condition, "status": "True", "message": "EntityAlreadyExists: Role with name\n argocd-spoke-prod already exists."}]);
        let failed = look(&access, &[&access], &accounts(), &seen);
        assert_eq!(said(&failed), (State::False, Reason::ControllerError));
        assert!(
            failed.verdict.message.ends_with("EntityAlreadyExists: Role with name argocd-spoke-prod already exists."),
            "{}",
            failed.verdict.message
        );
    }
    let access = of("Crossplane");
    let mut seen = settled(&access);
    let key = key_of(&seen, Kind::CrossplaneAccessEntry, "prod");
    seen.objects.get_mut(&key).unwrap()["status"]["conditions"] = json!([{"type": "Synced", "status": "False", "message": "denied"}]);
    assert_eq!(said(&look(&access, &[&access], &accounts(), &seen)), (State::False, Reason::ControllerError));
}

#[test]
fn a_role_in_another_account_is_an_error_and_nothing_goes_on_from_it() {
    let access = of("ACK");
    let mut seen = settled(&access);
    let key = key_of(&seen, Kind::AckRole, "prod");
    seen.objects.get_mut(&key).unwrap()["status"]["ackResourceMetadata"]["arn"] = json!("arn:aws:iam::111111111111:role/argocd-spoke-prod");
    seen.objects.retain(|key, _| key.kind != Kind::AckAccessEntry);
    let outlook = look(&access, &[&access], &accounts(), &seen);
    assert_eq!(said(&outlook), (State::False, Reason::ControllerError));
    assert!(outlook.verdict.message.contains("its namespace belongs to another account"), "{}", outlook.verdict.message);
    assert!(!kinds(&outlook).contains(&Kind::AckAccessEntry));
}

#[test]
fn a_trust_policy_that_lets_in_others_is_told() {
    for (output, kind, pointer) in
        [("ACK", Kind::AckRole, "/spec/assumeRolePolicyDocument"), ("Crossplane", Kind::CrossplaneRole, "/status/atProvider/assumeRolePolicy")]
    {
        let access = of(output);
        for part in ["hub", "prod"] {
            let mut seen = settled(&access);
            let key = key_of(&seen, kind, part);
            let text = seen.objects[&key].pointer(pointer).unwrap().as_str().unwrap().to_owned();
            let mut document: Value = serde_json::from_str(&text).unwrap();
            let other = json!({"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::999999999999:root"}, "Action": "sts:AssumeRole"});
            document["Statement"].as_array_mut().unwrap().push(other);
            *seen.objects.get_mut(&key).unwrap().pointer_mut(pointer).unwrap() = json!(document.to_string());
            let outlook = look(&access, &[&access], &accounts(), &seen);
            assert_eq!(said(&outlook), (State::False, Reason::TrustTooWide), "{output} {part}");
            assert!(outlook.verdict.message.contains("999999999999"), "{}", outlook.verdict.message);
            // It is written again as it should be.
            assert!(outlook.objects.iter().any(|object| object.key == key && !object.body.to_string().contains("999999999999")));
        }
    }
}

#[test]
fn an_object_of_somebody_else_is_left_alone() {
    let access = of("ACK");
    for labels in [
        json!({}),
        json!({"argocd-access.dev/instance": "another"}),
        json!({"argocd-access.dev/instance": NAMESPACE, "argocd-access.dev/owner": "another"}),
    ] {
        let mut seen = settled(&access);
        let key = key_of(&seen, Kind::AckRole, "prod");
        seen.objects.get_mut(&key).unwrap()["metadata"]["labels"] = labels.clone();
        let outlook = look(&access, &[&access], &accounts(), &seen);
        assert_eq!(said(&outlook), (State::False, Reason::ForeignObject), "{labels}");
        assert!(!outlook.surplus.contains(&key) && !outlook.objects.iter().any(|object| object.key == key), "{labels}");
    }
}

#[test]
fn what_cannot_be_changed_is_made_anew() {
    let access = of("ACK");
    let mut seen = settled(&access);
    let key = key_of(&seen, Kind::AckAccessEntry, "prod");
    seen.objects.get_mut(&key).unwrap()["spec"]["clusterName"] = json!("former");
    let outlook = look(&access, &[&access], &accounts(), &seen);
    assert_eq!((said(&outlook), &outlook.surplus), ((State::False, Reason::Pending), &vec![key.clone()]));
    assert!(!outlook.objects.iter().any(|object| object.key == key));
    seen.objects.get_mut(&key).unwrap()["metadata"]["deletionTimestamp"] = json!("2026-06-01T08:00:00Z");
    let going = look(&access, &[&access], &accounts(), &seen);
    assert_eq!((said(&going), going.surplus.len()), ((State::False, Reason::WaitingForARN), 0));
    seen.objects.remove(&key);
    assert!(kinds(&look(&access, &[&access], &accounts(), &seen)).contains(&Kind::AckAccessEntry));
}

#[test]
fn what_went_is_withdrawn_in_order_and_the_hub_with_the_last() {
    let (a, b) = (access("a", &[("/output", json!("ACK"))]), access("b", &[("/output", json!("ACK"))]));
    let seen = |access: &ClusterAccess| settled(access).objects;
    let all = Seen { objects: seen(&a).into_iter().chain(seen(&b)).collect(), ..Seen::default() };
    let gone = look(&a, &[&b], &accounts(), &all);
    let names: Vec<&str> = gone.surplus.iter().map(|key| key.name.as_str()).collect();
    assert_eq!(names, ["argocd-access-aws-argocd.a", "argocd-access-aws-argocd.a"]);
    assert_eq!((gone.surplus[0].kind, gone.surplus[1].kind, said(&gone)), (Kind::AckAccessEntry, Kind::AckRole, (State::False, Reason::Withdrawn)));
    let hub = gone.objects.iter().find(|object| object.key.name == "argocd-access-hub-argocd").unwrap();
    let text = hub.body["spec"]["inlinePolicies"]["argocd-access"].as_str().unwrap();
    assert!(text.contains("argocd-spoke-b") && !text.contains("argocd-spoke-a"), "{text}");
    // The last one takes the hub along, roles behind what leads to them; and what another object has is not touched.
    let last = look(&a, &[], &accounts(), &all);
    let kinds: Vec<Kind> = last.surplus.iter().map(|key| key.kind).collect();
    let (entry, association, role) = (Kind::AckAccessEntry, Kind::AckPodIdentityAssociation, Kind::AckRole);
    assert_eq!(kinds, [entry, association, association, association, role, role]);
    assert!(last.surplus.iter().all(|key| !key.name.contains("argocd.b")), "{:?}", last.surplus);
    // While one cannot be read, nothing goes that it may need.
    let accounts = accounts();
    let input = Input { access: &a, stands: false, all: &[], unreadable: true, namespace: NAMESPACE, accounts: &accounts };
    assert_eq!(outlook(&input, &all).surplus.len(), 2);
}

#[test]
fn while_one_cannot_be_read_the_hubs_role_keeps_what_it_may_assume() {
    let (a, b) = (access("a", &[("/output", json!("ACK"))]), access("b", &[("/output", json!("ACK"))]));
    let before = look(&a, &[&a, &b], &accounts(), &Seen::default()).objects.remove(0);
    let seen = Seen { objects: [(before.key.clone(), before.body.clone())].into(), ..Seen::default() };
    let accounts = accounts();
    let look = |unreadable| outlook(&Input { access: &a, stands: true, all: &[&a], unreadable, namespace: NAMESPACE, accounts: &accounts }, &seen);
    assert_eq!(look(true).objects[0], before);
    assert_ne!(look(false).objects[0], before);
}

#[test]
fn another_output_begins_when_the_former_objects_are_gone() {
    let ack = settled(&of("ACK"));
    let crossplane = of("Crossplane");
    let outlook = look(&crossplane, &[&crossplane], &accounts(), &ack);
    assert!(outlook.objects.is_empty(), "{:?}", kinds(&outlook));
    assert_eq!((outlook.surplus.len(), said(&outlook)), (6, (State::False, Reason::Pending)));
    let text = of("Text");
    assert_eq!(look(&text, &[&text], &accounts(), &ack).surplus.len(), 6);
    assert_eq!(kinds(&look(&crossplane, &[&crossplane], &accounts(), &Seen::default())), [Kind::CrossplaneRole]);
}
