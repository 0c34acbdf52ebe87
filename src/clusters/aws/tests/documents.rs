//! The policies as they are put out.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::fixtures::{HUB_ROLE, SPOKE_ROLE, access, accounts, aws, hub, irsa};
use crate::clusters::aws::arn::{self, Role};
use crate::clusters::aws::documents::{hub_policy, hub_trust, spoke_trust};
use crate::clusters::aws::{auth, text};

fn read(document: &str) -> Value {
    serde_json::from_str(document).unwrap()
}

#[test]
fn by_pod_identity_the_hubs_role_is_for_three_service_accounts_of_one_cluster() {
    assert_eq!(
        read(&hub_trust(&hub(&[])).text()),
        json!({"Version": "2012-10-17", "Statement": [{
            "Sid": "ArgoCDByPodIdentity", "Effect": "Allow", "Principal": {"Service": "pods.eks.amazonaws.com"},
            "Action": ["sts:AssumeRole", "sts:TagSession"],
            "Condition": {"StringEquals": {
                "aws:RequestTag/eks-cluster-arn": ["arn:aws:eks:eu-west-1:111111111111:cluster/hub"],
                "aws:RequestTag/kubernetes-namespace": ["argocd"],
                "aws:RequestTag/kubernetes-service-account": ["argocd-application-controller", "argocd-applicationset-controller", "argocd-server"],
            }},
        }]})
    );
}

#[test]
fn by_irsa_the_hubs_role_is_for_three_exact_subjects() {
    let issuer = "oidc.eks.eu-west-1.amazonaws.com/id/EXAMPLED539D4633E53DE1B71EXAMPLE";
    let subject = |name: &str| format!("system:serviceaccount:argocd:{name}");
    assert_eq!(
        read(&hub_trust(&hub(&irsa())).text()),
        json!({"Version": "2012-10-17", "Statement": [{
            "Sid": "ArgoCDByToken", "Effect": "Allow",
            "Principal": {"Federated": format!("arn:aws:iam::111111111111:oidc-provider/{issuer}")},
            "Action": ["sts:AssumeRoleWithWebIdentity"],
            "Condition": {"StringEquals": {
                format!("{issuer}:aud"): ["sts.amazonaws.com"],
                format!("{issuer}:sub"): [
                    subject("argocd-application-controller"), subject("argocd-applicationset-controller"), subject("argocd-server"),
                ],
            }},
        }]})
    );
}

#[test]
fn the_hubs_role_may_assume_the_spoke_roles_and_nothing_else() {
    let role = |name: &str| Role::of_spoke(aws(&access(name, &[]))).unwrap();
    let both = BTreeSet::from([role("test"), role("prod")]);
    let statement = |actions: Value| {
        json!({"Version": "2012-10-17", "Statement": [{
            "Sid": "AssumeTheRolesOfRemoteClusters", "Effect": "Allow", "Action": actions,
            "Resource": [SPOKE_ROLE, "arn:aws:iam::222222222222:role/argocd-spoke-test"],
        }]})
    };
    assert_eq!(read(&hub_policy(&hub(&[]), &both).unwrap().text()), statement(json!(["sts:AssumeRole", "sts:TagSession"])));
    assert_eq!(read(&hub_policy(&hub(&irsa()), &both).unwrap().text()), statement(json!(["sts:AssumeRole"])));
    assert_eq!(hub_policy(&hub(&[]), &BTreeSet::new()), None, "a policy without a resource is none");
}

#[test]
fn a_spoke_role_trusts_the_hubs_role_alone() {
    let statement = |actions: Value| json!({"Version": "2012-10-17", "Statement": [{"Sid": "ArgoCDOfTheHub", "Effect": "Allow", "Principal": {"AWS": HUB_ROLE}, "Action": actions}]});
    assert_eq!(read(&spoke_trust(&hub(&[])).text()), statement(json!(["sts:AssumeRole", "sts:TagSession"])));
    assert_eq!(read(&spoke_trust(&hub(&irsa())).text()), statement(json!(["sts:AssumeRole"])));
}

#[test]
fn the_longest_trust_policy_fits_into_what_aws_takes() {
    let mut long = accounts();
    for (account, letter) in [(&mut long.server, "s"), (&mut long.application_controller, "c"), (&mut long.applicationset_controller, "a")] {
        account.name = letter.repeat(253);
    }
    let issuer = ("/hub/oidcIssuer", json!(format!("https://{}", "i".repeat(245))));
    let partition = ("/hub/partition", json!("aws-us-gov"));
    let hub = crate::clusters::aws::Hub::of(aws(&access("prod", &[irsa(), vec![issuer, partition]].concat())), &"n".repeat(63), &long);
    let size = hub_trust(&hub).size();
    assert!((2_000..=2_048).contains(&size), "{size}");
}

#[test]
fn names_of_service_accounts_come_from_the_installation() {
    let mut helm = accounts();
    helm.server.name = "ci-argocd-server".to_owned();
    let hub = crate::clusters::aws::Hub::of(aws(&access("prod", &irsa())), "ci", &helm);
    let text = hub_trust(&hub).text();
    assert!(text.contains("system:serviceaccount:ci:ci-argocd-server") && !text.contains("serviceaccount:ci:argocd-server"), "{text}");
}

#[test]
fn other_partitions_have_their_own_arns() {
    let china = hub(&[("/hub/partition", json!("aws-cn")), ("/hub/region", json!("cn-north-1"))]);
    assert!(hub_trust(&china).text().contains("arn:aws-cn:eks:cn-north-1:111111111111:cluster/hub"));
    assert!(spoke_trust(&china).text().contains("arn:aws-cn:iam::111111111111:role/argocd-mgmt"));
}

#[test]
fn a_permissions_boundary_is_put_on_roles_of_its_account_only() {
    let with = |arn: &str| access("prod", &[("/permissionsBoundary", json!(arn))]);
    let own = with("arn:aws:iam::222222222222:policy/boundaries/argocd");
    assert_eq!(arn::boundary(aws(&own), "222222222222"), Some("arn:aws:iam::222222222222:policy/boundaries/argocd"));
    assert_eq!(arn::boundary(aws(&own), "111111111111"), None);
    let everywhere = with("arn:aws:iam::aws:policy/SecurityAudit");
    assert!(arn::boundary(aws(&everywhere), "111111111111").is_some() && arn::boundary(aws(&everywhere), "222222222222").is_some());
}

#[test]
fn only_the_arn_of_a_role_without_a_path_is_one() {
    for good in [HUB_ROLE, "arn:aws-us-gov:iam::111111111111:role/a+=,.@_-Z9"] {
        assert!(arn::is_plain_role(good), "{good}");
    }
    let long = format!("arn:aws:iam::111111111111:role/{}", "r".repeat(65));
    let bad = [
        "arn:aws:iam::111111111111:role/team/argocd",
        "arn:aws:iam::111111111111:role/",
        "arn:aws:iam::1:role/a",
        "arn:aws:sts::111111111111:assumed-role/a/b",
        "arn:aws:iam::111111111111:user/a",
        "arn:aws:iam:eu-west-1:111111111111:role/a",
        "arn:gcp:iam::111111111111:role/a",
        "arn:aws:iam::111111111111:role/a*",
        "arn:aws:iam::111111111111:role/a\nb",
        "",
        long.as_str(),
    ];
    for bad in bad {
        assert!(!arn::is_plain_role(bad), "{bad}");
    }
}

#[test]
fn the_texts_hold_a_file_for_each_step() {
    let access = access("prod", &[("/permissionsBoundary", json!("arn:aws:iam::222222222222:policy/argocd"))]);
    let entry = auth::Entry::new(SPOKE_ROLE, "argocd-access:prod").unwrap();
    let data = text::data(aws(&access), &hub(&[]), &BTreeSet::from([SPOKE_ROLE.to_owned()]), &accounts(), Some(&entry));
    let keys: Vec<&str> = data.keys().map(String::as_str).collect();
    assert_eq!(
        keys,
        [
            "access-entry.json",
            "association-argocd-application-controller.json",
            "association-argocd-applicationset-controller.json",
            "association-argocd-server.json",
            "hub-commands.sh",
            "hub-policy.json",
            "hub-trust.json",
            "spoke-commands.sh",
            "spoke-trust.json",
        ]
    );
    assert_eq!(
        read(&data["association-argocd-server.json"]),
        json!({"clusterName": "hub", "namespace": "argocd", "serviceAccount": "argocd-server", "roleArn": HUB_ROLE})
    );
    assert_eq!(
        read(&data["access-entry.json"]),
        json!({"clusterName": "prod", "principalArn": SPOKE_ROLE, "type": "STANDARD", "kubernetesGroups": ["argocd-access:prod"]})
    );
    // The boundary is one of the spoke's account.
    assert!(data["spoke-commands.sh"].contains("--permissions-boundary arn:aws:iam::222222222222:policy/argocd\n"));
    assert!(!data["hub-commands.sh"].contains("boundary"));
    for (file, commands) in data.iter().filter(|(name, _)| name.contains("-commands.")) {
        for named in commands.split("file://").skip(1).map(|rest| rest.split_whitespace().next().unwrap()) {
            assert!(data.contains_key(named), "{file} names {named}");
        }
    }
}

#[test]
fn without_a_spoke_role_the_hubs_role_comes_itself() {
    let direct = access("prod", &[("/spoke/role", Value::Null)]);
    let data = text::data(aws(&direct), &hub(&[]), &BTreeSet::new(), &accounts(), None);
    assert!(!data.contains_key("spoke-trust.json") && !data.contains_key("hub-policy.json"));
    assert_eq!(read(&data["access-entry.json"])["principalArn"], HUB_ROLE);
    assert!(!data["spoke-commands.sh"].contains("iam"), "{}", data["spoke-commands.sh"]);
    assert!(!data["hub-commands.sh"].contains("\naws iam put-role-policy"), "{}", data["hub-commands.sh"]);
}

#[test]
fn with_irsa_the_values_of_argo_cds_chart_are_printed() {
    let data = text::data(aws(&access("prod", &irsa())), &hub(&irsa()), &BTreeSet::new(), &accounts(), None);
    let values: Value = serde_yaml::from_str(&data["argo-cd-values.yaml"]).unwrap();
    for component in ["server", "controller", "applicationSet"] {
        assert_eq!(values[component]["serviceAccount"]["annotations"]["eks.amazonaws.com/role-arn"], HUB_ROLE);
    }
    assert!(!data.keys().any(|key| key.starts_with("association")));
}
