//! What is put out as text, and what is said of it.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::fixtures::{HUB_ROLE, NAMESPACE, SPOKE_ROLE, access, accounts, annotated, irsa, look};
use crate::api::ClusterAccess;
use crate::api::conditions::{Reason, State};
use crate::clusters::aws::outlook::{AwsAuth, AwsAuthSeen, Outlook};
use crate::clusters::aws::{Input, Seen, ServiceAccounts, outlook};

fn alone(access: &ClusterAccess, accounts: &ServiceAccounts, seen: &Seen) -> Outlook {
    look(access, &[access], accounts, seen)
}

fn said(outlook: &Outlook) -> (State, Reason) {
    (outlook.verdict.state, outlook.verdict.reason)
}

fn policy(outlook: &Outlook) -> Vec<String> {
    let policy: Value = serde_json::from_str(&outlook.config_map.as_ref().unwrap()["hub-policy.json"]).unwrap();
    policy["Statement"][0]["Resource"].as_array().unwrap().iter().map(|arn| arn.as_str().unwrap().rsplit('/').next().unwrap().to_owned()).collect()
}

#[test]
fn documents_are_rendered_and_argo_cd_is_told_the_role() {
    let access = access("prod", &[]);
    let outlook = alone(&access, &accounts(), &Seen::default());
    assert_eq!(said(&outlook), (State::True, Reason::Rendered));
    assert!(outlook.verdict.message.contains("argocd-access-aws-prod; whether AWS has them is not seen from here"), "{}", outlook.verdict.message);
    assert_eq!(outlook.config_map.as_ref().unwrap().len(), 9);
    assert!(outlook.objects.is_empty() && outlook.surplus.is_empty());
    assert_eq!(serde_json::to_value(outlook.config.unwrap()).unwrap(), json!({"clusterName": "prod", "roleARN": SPOKE_ROLE}));
    let subject = outlook.subject.unwrap();
    assert_eq!((subject.user.as_str(), subject.group.as_str()), ("arn:aws:sts::222222222222:assumed-role/argocd-spoke-prod/", "argocd-access:prod"));
}

#[test]
fn without_a_spoke_role_argo_cd_comes_by_the_hubs() {
    let outlook = alone(&access("prod", &[("/spoke/role", Value::Null)]), &accounts(), &Seen::default());
    assert_eq!(serde_json::to_value(outlook.config.unwrap()).unwrap(), json!({"clusterName": "prod"}));
}

#[test]
fn another_credential_has_nothing_to_do_with_aws() {
    let mut token = access("prod", &[]);
    token.spec.aws = None;
    let outlook = alone(&token, &accounts(), &Seen::default());
    assert_eq!(said(&outlook), (State::True, Reason::NotApplicable));
    assert!(outlook.config_map.is_none() && outlook.config.is_none());
}

#[test]
fn the_hubs_policy_is_the_same_whichever_object_is_looked_at() {
    let (a, b) = (access("a", &[]), access("b", &[]));
    for one in [&a, &b] {
        assert_eq!(policy(&look(one, &[&b, &a], &accounts(), &Seen::default())), ["argocd-spoke-a", "argocd-spoke-b"]);
    }
    // One that went is not in it any more.
    assert_eq!(policy(&look(&a, &[&a], &accounts(), &Seen::default())), ["argocd-spoke-a"]);
    let gone = look(&b, &[&a], &accounts(), &Seen::default());
    assert_eq!((said(&gone), gone.config_map, gone.config), ((State::False, Reason::Withdrawn), None, None));
}

#[test]
fn while_an_object_cannot_be_read_the_hubs_policy_is_not_narrowed() {
    let (a, b) = (access("a", &[]), access("b", &[]));
    let before = look(&b, &[&a, &b], &accounts(), &Seen::default());
    let mut config_map = before.config_map.clone().unwrap();
    let seen = |data: &BTreeMap<String, String>| Seen { config_maps: vec![data.clone()], ..Seen::default() };
    let look = |data: &BTreeMap<String, String>, unreadable| {
        let accounts = accounts();
        outlook(&Input { access: &a, stands: true, all: &[&a], unreadable, namespace: NAMESPACE, accounts: &accounts }, &seen(data))
    };
    assert_eq!(policy(&look(&config_map, true)), ["argocd-spoke-a", "argocd-spoke-b"]);
    assert!(look(&config_map, true).verdict.message.contains("cannot be read"));
    assert_eq!(policy(&look(&config_map, false)), ["argocd-spoke-a"]);
    // Nothing is taken over that is not a role.
    let odd = json!({"Statement": [{"Resource": ["*", "arn:aws:iam::1:role/a", "arn:aws:iam::222222222222:role/*", SPOKE_ROLE]}]}).to_string();
    config_map.insert("hub-policy.json".to_owned(), odd);
    assert_eq!(policy(&look(&config_map, true)), ["argocd-spoke-a", "argocd-spoke-prod"]);
}

#[test]
fn objects_that_disagree_about_the_hub_are_told_so_and_nobody_comes_by_them() {
    let (a, b) = (access("a", &[]), access("b", &[("/hub/role", json!("another"))]));
    let outlook = look(&b, &[&a, &b], &accounts(), &Seen::default());
    assert_eq!(said(&outlook), (State::False, Reason::Conflict));
    assert!(outlook.verdict.message.contains("a is older"), "{}", outlook.verdict.message);
    assert!(outlook.config.is_none() && outlook.config_map.is_none() && outlook.subject.is_none());
    assert_eq!(said(&look(&a, &[&a, &b], &accounts(), &Seen::default())), (State::True, Reason::Rendered));
    let own = access("c", &[("/spoke/role", json!("argocd-mgmt")), ("/spoke/accountID", json!("111111111111"))]);
    assert_eq!(said(&alone(&own, &accounts(), &Seen::default())), (State::False, Reason::Conflict));
}

#[test]
fn with_irsa_every_service_account_must_carry_the_role() {
    let access = access("prod", &irsa());
    let key = "eks.amazonaws.com/role-arn";
    assert_eq!(said(&alone(&access, &annotated(key, HUB_ROLE), &Seen::default())), (State::True, Reason::Rendered));
    let missing = alone(&access, &accounts(), &Seen::default());
    assert_eq!(said(&missing), (State::False, Reason::IdentityNotAttached));
    assert!(missing.verdict.message.contains("controller:\n  serviceAccount:\n    annotations:\n"), "{}", missing.verdict.message);
    let mut one = annotated(key, HUB_ROLE);
    one.applicationset_controller.annotations = Some(BTreeMap::from([(key.to_owned(), SPOKE_ROLE.to_owned())]));
    let other = alone(&access, &one, &Seen::default());
    assert_eq!(said(&other), (State::False, Reason::IdentityNotAttached));
    assert!(
        other.verdict.message.starts_with("the ServiceAccount argocd-applicationset-controller does not get the role"),
        "{}",
        other.verdict.message
    );
    // An Argo CD without ApplicationSets is one.
    one.applicationset_controller.annotations = None;
    assert_eq!(said(&alone(&access, &one, &Seen::default())), (State::True, Reason::Rendered));
    one.server.annotations = None;
    assert_eq!(said(&alone(&access, &one, &Seen::default())), (State::False, Reason::IdentityNotAttached));
    let mut audience = annotated(key, HUB_ROLE);
    audience.server.annotations.as_mut().unwrap().insert("eks.amazonaws.com/audience".to_owned(), "vault".to_owned());
    assert_eq!(said(&alone(&access, &audience, &Seen::default())), (State::False, Reason::IdentityNotAttached));
}

#[test]
fn an_annotation_that_is_left_goes_before_an_association() {
    let outlook = alone(&access("prod", &[]), &annotated("eks.amazonaws.com/role-arn", HUB_ROLE), &Seen::default());
    assert_eq!(said(&outlook), (State::False, Reason::IdentityNotAttached));
    assert!(outlook.verdict.message.contains("remove it and restart"), "{}", outlook.verdict.message);
}

#[test]
fn the_service_account_that_every_pod_has_is_too_wide() {
    let mut shared = accounts();
    shared.server.name = "default".to_owned();
    assert_eq!(said(&alone(&access("prod", &[]), &shared, &Seen::default())), (State::False, Reason::TrustTooWide));
}

#[test]
fn a_policy_that_aws_would_not_take_is_said_to_be_too_large() {
    let many: Vec<ClusterAccess> = (0..160).map(|n| access(&format!("cluster-number-{n:03}"), &[])).collect();
    let all: Vec<&ClusterAccess> = many.iter().collect();
    assert_eq!(said(&look(all[0], &all, &accounts(), &Seen::default())), (State::False, Reason::PolicyTooLarge));
    assert_eq!(said(&look(all[0], &all[..100], &accounts(), &Seen::default())), (State::True, Reason::Rendered));
}

#[test]
fn a_boundary_of_another_account_is_said_not_to_hold() {
    let outlook = alone(&access("prod", &[("/permissionsBoundary", json!("arn:aws:iam::222222222222:policy/b"))]), &accounts(), &Seen::default());
    assert!(outlook.verdict.message.contains(&format!("not put on {HUB_ROLE}")), "{}", outlook.verdict.message);
    assert!(!outlook.verdict.message.contains(&format!("not put on {SPOKE_ROLE}")), "{}", outlook.verdict.message);
}

fn with_auth(changes: &[(&str, Value)], aws_auth: AwsAuthSeen, stands: bool) -> Outlook {
    let access = access("prod", changes);
    let all: &[&ClusterAccess] = if stands { &[&access] } else { &[] };
    look(&access, all, &accounts(), &Seen { aws_auth, ..Seen::default() })
}

fn data(text: &str) -> AwsAuthSeen {
    AwsAuthSeen::Data(BTreeMap::from([("mapRoles".to_owned(), text.to_owned())]))
}

#[test]
fn the_entry_in_aws_auth_is_kept_and_withdrawn() {
    let mapped = [("/mapping", json!("AwsAuth"))];
    let first = with_auth(&mapped, data(""), true);
    let AwsAuth::Set(text) = &first.aws_auth else { panic!("{:?}", first.aws_auth) };
    assert_eq!(said(&first), (State::Unknown, Reason::Pending));
    assert!(text.contains(SPOKE_ROLE) && text.contains("# argocd-access.dev/owner: uid-prod") && text.contains("argocd-access:prod"));
    let then = with_auth(&mapped, data(text), true);
    assert_eq!((&then.aws_auth, said(&then)), (&AwsAuth::Unchanged, (State::True, Reason::Rendered)));
    assert_eq!(then.subject.unwrap().user, SPOKE_ROLE);
    assert!(then.config_map.unwrap().contains_key("aws-auth.yaml"));
    // It goes with the object, and where another way is declared.
    for gone in [with_auth(&mapped, data(text), false), with_auth(&[], data(text), true)] {
        assert_eq!(gone.aws_auth, AwsAuth::Set(String::new()));
    }
    let theirs = with_auth(&mapped, data(&text.replace(" # argocd-access.dev/owner: uid-prod", "")), true);
    assert_eq!((&theirs.aws_auth, said(&theirs)), (&AwsAuth::External, (State::True, Reason::Rendered)));
    assert!(theirs.verdict.message.contains("stays when this object goes"), "{}", theirs.verdict.message);
}

#[test]
fn an_aws_auth_that_cannot_be_edited_is_said_and_left() {
    let mapped = [("/mapping", json!("AwsAuth"))];
    let broken = with_auth(&mapped, data("- rolearn: [\n"), true);
    assert!(matches!(broken.aws_auth, AwsAuth::Refused(_)));
    assert_eq!(said(&broken), (State::False, Reason::AwsAuthUnparsable));
    assert_eq!(said(&with_auth(&mapped, AwsAuthSeen::Absent, true)), (State::False, Reason::AwsAuthUnparsable));
    assert_eq!(said(&with_auth(&mapped, AwsAuthSeen::Unread("it does not answer".to_owned()), true)), (State::Unknown, Reason::NotReadable));
    let taken = with_auth(&mapped, data(&format!("- rolearn: {SPOKE_ROLE}\n  groups: [a]\n")), true);
    assert_eq!(said(&taken), (State::False, Reason::Conflict));
    assert_eq!(
        said(&with_auth(&[("/mapping", json!("AwsAuth")), ("/group", json!("system:masters"))], data(""), true)),
        (State::False, Reason::Invalid)
    );
    // Whoever does not need it is not bothered with it.
    for seen in [data("- rolearn: [\n"), AwsAuthSeen::Absent, AwsAuthSeen::NotAsked, AwsAuthSeen::Unread(String::new())] {
        assert_eq!(said(&with_auth(&[], seen, true)), (State::True, Reason::Rendered));
    }
}
