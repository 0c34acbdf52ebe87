//! What the objects of an instance say of the hub together.

use serde_json::{Value, json};

use super::fixtures::{NAMESPACE, access, accounts};
use crate::api::ClusterAccess;
use crate::clusters::aws::fold::{Disagreement, Folded, fold};

fn folded(objects: &[ClusterAccess]) -> Folded {
    fold(&objects.iter().collect::<Vec<_>>(), NAMESPACE, &accounts()).unwrap()
}

fn spokes(folded: &Folded) -> Vec<&str> {
    folded.spokes.iter().map(|role| role.name.as_str()).collect()
}

#[test]
fn the_spoke_roles_of_all_objects_are_added_up_in_order() {
    let folded = folded(&[access("b", &[]), access("a", &[]), access("c", &[("/spoke/role", Value::Null)])]);
    assert_eq!(spokes(&folded), ["argocd-spoke-a", "argocd-spoke-b"]);
    assert!(folded.disagree.is_empty());
}

#[test]
fn the_oldest_decides_over_the_hub_and_others_that_disagree_contribute_nothing() {
    for change in [
        ("/hub/role", json!("another")),
        ("/hub/accountID", json!("333333333333")),
        ("/hub/clusterName", json!("another")),
        ("/hub/namespace", json!("ack-system")),
        ("/output", json!("ACK")),
        ("/permissionsBoundary", json!("arn:aws:iam::111111111111:policy/b")),
    ] {
        let folded = folded(&[access("b", std::slice::from_ref(&change)), access("a", &[])]);
        assert_eq!((folded.decided_by.as_str(), spokes(&folded)), ("a", vec!["argocd-spoke-a"]), "{change:?}");
        assert_eq!(folded.disagree.get("uid-b"), Some(&Disagreement::Hub), "{change:?}");
    }
    // What is said of the spoke's account is no matter of the hub.
    let other = folded(&[access("b", &[("/permissionsBoundary", json!("arn:aws:iam::222222222222:policy/b"))]), access("a", &[])]);
    assert!(other.disagree.is_empty());
}

#[test]
fn one_that_was_not_made_yet_is_the_youngest_and_names_decide_between_twins() {
    let mut planned = access("a", &[("/hub/role", json!("another"))]);
    planned.metadata.creation_timestamp = None;
    assert_eq!(folded(&[planned, access("z", &[])]).decided_by, "z");
    let twin = |name: &str| {
        let mut twin = access(name, &[]);
        twin.metadata.creation_timestamp = access("a", &[]).metadata.creation_timestamp;
        twin
    };
    assert_eq!(folded(&[twin("n"), twin("m")]).decided_by, "m");
}

#[test]
fn a_spoke_role_that_a_controller_makes_belongs_to_one_object() {
    let shared = |name: &str, output: &str| access(name, &[("/spoke/role", json!("shared")), ("/output", json!(output))]);
    assert_eq!(folded(&[shared("a", "ACK"), shared("b", "ACK")]).disagree.get("uid-b"), Some(&Disagreement::SpokeOf("a".to_owned())));
    // As text it is made once and stays; whoever makes it knows.
    assert!(folded(&[shared("a", "Text"), shared("b", "Text")]).disagree.is_empty());
}

#[test]
fn the_hubs_role_is_not_a_spoke_role() {
    let same = access("a", &[("/spoke/role", json!("argocd-mgmt")), ("/spoke/accountID", json!("111111111111"))]);
    let folded = folded(&[same]);
    assert_eq!(folded.disagree.get("uid-a"), Some(&Disagreement::SpokeIsHub));
    assert!(folded.spokes.is_empty());
}

#[test]
fn objects_of_other_credentials_say_nothing() {
    let mut token = access("a", &[]);
    token.spec.aws = None;
    assert_eq!(fold(&[&token], NAMESPACE, &accounts()), None);
}
