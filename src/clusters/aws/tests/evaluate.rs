//! Who may assume a role: the three ServiceAccounts may, and near misses may not, in the document and in the request.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::fixtures::{HUB_ROLE, ISSUER, NAMESPACE, hub, irsa};
use crate::clusters::aws::arn::bare_issuer;
use crate::clusters::aws::documents::{hub_trust, spoke_trust};
use crate::clusters::aws::evaluate::{self, Answer, Caller, Finding, Policy, Request};

const NAMES: [&str; 3] = ["argocd-server", "argocd-application-controller", "argocd-applicationset-controller"];

fn pod(account: &str) -> Request {
    let context = [
        ("aws:requesttag/eks-cluster-arn", "arn:aws:eks:eu-west-1:111111111111:cluster/hub"),
        ("aws:requesttag/kubernetes-namespace", NAMESPACE),
        ("aws:requesttag/kubernetes-service-account", account),
    ];
    request(Caller::Service("pods.eks.amazonaws.com".to_owned()), "sts:AssumeRole", &context)
}

fn token(subject: &str) -> Request {
    let issuer = bare_issuer(ISSUER).to_lowercase();
    let (sub, aud) = (format!("{issuer}:sub"), format!("{issuer}:aud"));
    let provider = format!("arn:aws:iam::111111111111:oidc-provider/{}", bare_issuer(ISSUER));
    request(Caller::Federated(provider), "sts:AssumeRoleWithWebIdentity", &[(sub.as_str(), subject), (aud.as_str(), "sts.amazonaws.com")])
}

fn request(caller: Caller, action: &str, context: &[(&str, &str)]) -> Request {
    let context = context.iter().map(|(key, value)| ((*key).to_owned(), vec![(*value).to_owned()])).collect();
    Request { caller, action: action.to_owned(), context }
}

fn with(mut request: Request, key: &str, value: Option<&str>) -> Request {
    assert!(request.context.remove(key).is_some(), "{key}");
    request.context.extend(value.map(|value| (key.to_owned(), vec![value.to_owned()])));
    request
}

#[test]
fn exactly_the_three_may_come_by_pod_identity() {
    let policy = Policy::read(&hub_trust(&hub(&[])).text()).unwrap();
    for name in NAMES {
        assert_eq!(policy.answer(&pod(name)), Answer::Yes, "{name}");
        assert_eq!(policy.answer(&Request { action: "sts:TagSession".to_owned(), ..pod(name) }), Answer::Yes, "{name}");
    }
    let (cluster, namespace, account) =
        ("aws:requesttag/eks-cluster-arn", "aws:requesttag/kubernetes-namespace", "aws:requesttag/kubernetes-service-account");
    let server = || pod("argocd-server");
    let misses = [
        with(server(), namespace, Some("argocd-dev")),
        with(server(), namespace, Some("Argocd")),
        with(server(), namespace, None),
        with(server(), account, Some("argocd-repo-server")),
        with(server(), account, Some("argocd-server2")),
        with(server(), account, Some("*")),
        with(server(), account, None),
        with(server(), cluster, Some("arn:aws:eks:eu-west-1:111111111111:cluster/other")),
        with(server(), cluster, Some("arn:aws:eks:eu-west-1:999999999999:cluster/hub")),
        with(server(), cluster, Some("arn:aws:eks:us-east-1:111111111111:cluster/hub")),
        with(server(), cluster, None),
        Request { caller: Caller::Service("eks.amazonaws.com".to_owned()), ..server() },
        Request { caller: Caller::Service("ec2.amazonaws.com".to_owned()), ..server() },
        Request { caller: Caller::Aws(HUB_ROLE.to_owned()), ..server() },
        Request { caller: Caller::Aws("arn:aws:iam::111111111111:root".to_owned()), ..server() },
        Request { action: "sts:AssumeRoleWithWebIdentity".to_owned(), ..server() },
        token("system:serviceaccount:argocd:argocd-server"),
    ];
    for miss in misses {
        assert_eq!(policy.answer(&miss), Answer::No, "{miss:?}");
    }
}

#[test]
fn exactly_the_three_may_come_by_irsa() {
    let policy = Policy::read(&hub_trust(&hub(&irsa())).text()).unwrap();
    for name in NAMES {
        assert_eq!(policy.answer(&token(&format!("system:serviceaccount:argocd:{name}"))), Answer::Yes, "{name}");
    }
    let (sub, aud) = (format!("{}:sub", bare_issuer(ISSUER).to_lowercase()), format!("{}:aud", bare_issuer(ISSUER).to_lowercase()));
    let server = || token("system:serviceaccount:argocd:argocd-server");
    let misses = [
        token("system:serviceaccount:argocd-dev:argocd-server"),
        token("system:serviceaccount:argocd:argocd-repo-server"),
        token("system:serviceaccount:argocd:argocd-server:x"),
        token("system:serviceaccount:ArgoCD:argocd-server"),
        token("system:serviceaccount:argocd:*"),
        with(server(), &sub, None),
        with(server(), &aud, Some("vault")),
        with(server(), &aud, None),
        Request {
            caller: Caller::Federated("arn:aws:iam::111111111111:oidc-provider/oidc.eks.eu-west-1.amazonaws.com/id/OTHER".to_owned()),
            ..server()
        },
        Request { caller: Caller::Federated(format!("arn:aws:iam::999999999999:oidc-provider/{}", bare_issuer(ISSUER))), ..server() },
        Request { caller: Caller::Federated("accounts.google.com".to_owned()), ..server() },
        Request { action: "sts:AssumeRole".to_owned(), ..server() },
        pod("argocd-server"),
    ];
    for miss in misses {
        assert_eq!(policy.answer(&miss), Answer::No, "{miss:?}");
    }
}

#[test]
fn exactly_the_hubs_role_may_come_to_a_spoke_role() {
    let policy = Policy::read(&spoke_trust(&hub(&[])).text()).unwrap();
    let aws = |arn: &str| policy.answer(&request(Caller::Aws(arn.to_owned()), "sts:AssumeRole", &[]));
    assert_eq!(aws(HUB_ROLE), Answer::Yes);
    for other in
        ["arn:aws:iam::111111111111:role/argocd-mgmt2", "arn:aws:iam::999999999999:role/argocd-mgmt", "arn:aws:iam::111111111111:user/argocd-mgmt"]
    {
        assert_eq!(aws(other), Answer::No, "{other}");
    }
    assert_eq!(policy.answer(&pod("argocd-server")), Answer::No);
}

/// The documents of the operator with one place changed, each of which lets in somebody else or may do so.
fn widened(identity: &str) -> Vec<(String, Value)> {
    let changes: Vec<(&str, Value)> = if identity == "IRSA" { irsa() } else { Vec::new() };
    let ours: Value = serde_json::from_str(&hub_trust(&hub(&changes)).text()).unwrap();
    let mut all = Vec::new();
    let mut change = |what: &str, edit: &dyn Fn(&mut Value)| {
        let mut document = ours.clone();
        edit(&mut document["Statement"][0]);
        all.push((format!("{identity}: {what}"), document));
    };
    let keys: Vec<String> = ours["Statement"][0]["Condition"]["StringEquals"].as_object().unwrap().keys().cloned().collect();
    for key in &keys {
        change(&format!("without {key}"), &|s| drop(s["Condition"]["StringEquals"].as_object_mut().unwrap().remove(key)));
        change(&format!("{key} only if it exists"), &|s| {
            let value = s["Condition"]["StringEquals"].as_object_mut().unwrap().remove(key).unwrap();
            s["Condition"]["StringEqualsIfExists"] = json!({key: value});
        });
        for operator in
            ["StringLike", "StringEqualsIgnoreCase", "ForAllValues:StringEquals", "ForAnyValue:StringEquals", "StringNotEquals", "SomethingNew"]
        {
            change(&format!("{key} by {operator}"), &|s| {
                let value = s["Condition"]["StringEquals"].as_object_mut().unwrap().remove(key).unwrap();
                s["Condition"][operator] = json!({key: value});
            });
        }
        change(&format!("one more value of {key}"), &|s| s["Condition"]["StringEquals"][key].as_array_mut().unwrap().push(json!("another")));
        change(&format!("any value of {key}"), &|s| s["Condition"]["StringEquals"][key] = json!("*"));
        change(&format!("no value of {key}"), &|s| s["Condition"]["StringEquals"][key] = json!([]));
        change(&format!("a variable as {key}"), &|s| s["Condition"]["StringEquals"][key] = json!("${aws:username}"));
    }
    change("without a condition", &|s| drop(s.as_object_mut().unwrap().remove("Condition")));
    change("for everybody", &|s| s["Principal"] = json!("*"));
    change("for everybody in AWS", &|s| s["Principal"] = json!({"AWS": "*"}));
    change("for an account", &|s| s["Principal"] = json!({"AWS": "arn:aws:iam::111111111111:root"}));
    change("for the service of EKS", &|s| s["Principal"] = json!({"Service": "eks.amazonaws.com"}));
    change("for one more", &|s| s["Principal"]["AWS"] = json!(["arn:aws:iam::111111111111:user/eve"]));
    change("for all but one", &|s| {
        let principal = s.as_object_mut().unwrap().remove("Principal").unwrap();
        s["NotPrincipal"] = principal;
    });
    change("without a principal", &|s| drop(s.as_object_mut().unwrap().remove("Principal")));
    change("for every action", &|s| s["Action"] = json!("sts:*"));
    change("for all actions but one", &|s| {
        let action = s.as_object_mut().unwrap().remove("Action").unwrap();
        s["NotAction"] = action;
    });
    change("with a member that is not known", &|s| s["Whatever"] = json!("?"));
    let mut second = ours.clone();
    let other = json!({"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole",
        "Condition": {"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::*:role/argocd-mgmt"}}});
    second["Statement"].as_array_mut().unwrap().push(other);
    all.push((format!("{identity}: a second statement"), second));
    all
}

#[test]
fn whatever_is_not_surely_narrow_is_too_wide() {
    let mut seen = 0;
    for identity in ["PodIdentity", "IRSA"] {
        let changes: Vec<(&str, Value)> = if identity == "IRSA" { irsa() } else { Vec::new() };
        let hub = hub(&changes);
        assert_eq!(evaluate::hub(&hub_trust(&hub).text(), &hub), []);
        assert_eq!(evaluate::hub(&hub_trust(&hub).compact(), &hub), []);
        for (what, document) in widened(identity) {
            let findings = evaluate::hub(&document.to_string(), &hub);
            assert!(findings.iter().any(|finding| matches!(finding, Finding::TooWide(_))), "{what}: {findings:?}");
            seen += 1;
        }
    }
    assert!(seen > 60, "{seen}");
}

#[test]
fn a_policy_that_is_none_counts_as_open() {
    let hub = hub(&[]);
    let twice = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"pods.eks.amazonaws.com"},"Action":"sts:AssumeRole",
        "Condition":{"StringEquals":{"a":"b"}},"Condition":{}}]}"#;
    let key_twice = r#"{"Statement":[{"Effect":"Allow","Principal":{"Service":"a","service":"b"},"Action":"sts:AssumeRole"}]}"#;
    for text in [
        "",
        "null",
        "[]",
        "{}",
        "%7B%22Version%22",
        r#"{"Statement":[{"effect":"Allow"}]}"#,
        r#"{"Statement":[{"Effect":"allow"}]}"#,
        twice,
        key_twice,
    ] {
        assert!(matches!(evaluate::hub(text, &hub).as_slice(), [Finding::TooWide(_)]), "{text}");
    }
    // One without a statement lets in nobody, those who are meant neither.
    let nobody = evaluate::hub(r#"{"Statement":[]}"#, &hub);
    assert!(nobody.len() == 6 && nobody.iter().all(|finding| matches!(finding, Finding::TooNarrow(_))), "{nobody:?}");
}

#[test]
fn a_narrower_policy_says_who_does_not_come() {
    let hub = hub(&[]);
    let mut document: Value = serde_json::from_str(&hub_trust(&hub).text()).unwrap();
    document["Statement"][0]["Condition"]["StringEquals"]["aws:RequestTag/kubernetes-service-account"] =
        json!(["argocd-application-controller", "argocd-server"]);
    let findings = evaluate::hub(&document.to_string(), &hub);
    assert_eq!(findings.len(), 2, "{findings:?}");
    assert!(findings.iter().all(|finding| finding.to_string().contains("argocd-applicationset-controller may not")), "{findings:?}");
    // A deny takes away, and one that is not understood may take away.
    for condition in [json!({}), json!({"SomethingNew": {"a": "b"}})] {
        let mut document: Value = serde_json::from_str(&hub_trust(&hub).text()).unwrap();
        document["Statement"].as_array_mut().unwrap().push(json!({"Effect": "Deny", "Principal": "*", "Action": "sts:*", "Condition": condition}));
        assert_eq!(evaluate::hub(&document.to_string(), &hub).len(), 6, "{condition}");
    }
    // More conditions only narrow.
    let mut document: Value = serde_json::from_str(&hub_trust(&hub).text()).unwrap();
    document["Statement"][0]["Condition"]["StringEquals"]["aws:SourceAccount"] = json!("111111111111");
    assert!(evaluate::hub(&document.to_string(), &hub).iter().all(|finding| matches!(finding, Finding::TooNarrow(_))));
}

#[test]
fn a_spoke_role_that_trusts_anybody_else_is_too_wide() {
    let hub = hub(&[]);
    assert_eq!(evaluate::spoke(&spoke_trust(&hub).text(), &hub), []);
    let others = ["*", "111111111111", "arn:aws:iam::111111111111:root", "arn:aws:iam::999999999999:role/argocd-mgmt", "AROAEXAMPLEID"];
    for other in others {
        let document =
            json!({"Statement": [{"Effect": "Allow", "Principal": {"AWS": [HUB_ROLE, other]}, "Action": ["sts:AssumeRole", "sts:TagSession"]}]});
        let findings = evaluate::spoke(&document.to_string(), &hub);
        assert!(findings.iter().any(|finding| matches!(finding, Finding::TooWide(why) if why.contains(other))), "{other}: {findings:?}");
    }
}

#[test]
fn the_policies_of_the_seeds_are_refused() {
    // A service that assumes no role for pods, by an action that it has not, with a condition key that does not exist.
    let first = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "eks.amazonaws.com"},
        "Action": "sts:AssumeRoleWithWebIdentity", "Condition": {"StringLike": {"eks:awsserviceaccount.name": "argoCD:argoCD-controller"}}}]});
    // Every ServiceAccount of the namespace.
    let issuer = bare_issuer(ISSUER);
    let third = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow",
        "Principal": {"Federated": format!("arn:aws:iam::111111111111:oidc-provider/{issuer}")}, "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": {"StringLike": {format!("{issuer}:sub"): "system:serviceaccount:argocd:*"}}}]});
    for changes in [Vec::new(), irsa()] {
        for seed in [&first, &third] {
            let findings = evaluate::hub(&seed.to_string(), &hub(&changes));
            assert!(findings.iter().any(|finding| matches!(finding, Finding::TooWide(_))), "{seed}: {findings:?}");
        }
    }
    let third = Policy::read(&third.to_string()).unwrap();
    assert_eq!(third.answer(&token("system:serviceaccount:argocd:argocd-repo-server")), Answer::Yes, "it lets in the one that clones repositories");
}

/// An operator, what the request has of the key, the values of the policy, and what follows.
type Case<'a> = (&'a str, Option<&'a [&'a str]>, &'a [&'a str], Answer);

#[test]
fn conditions_hold_as_iam_defines_them() {
    use crate::clusters::aws::evaluate::condition::holds;
    let (yes, no, perhaps) = (Answer::Yes, Answer::No, Answer::Perhaps);
    let cases: &[Case<'_>] = &[
        ("StringEquals", Some(&["a"]), &["b", "a"], yes),
        ("StringEquals", Some(&["A"]), &["a"], no),
        ("StringEquals", Some(&["ab"]), &["a*"], no),
        ("StringEquals", None, &["a"], no),
        ("StringEqualsIfExists", None, &["a"], yes),
        ("StringEqualsIfExists", Some(&["b"]), &["a"], no),
        ("StringEqualsIgnoreCase", Some(&["A"]), &["a"], yes),
        ("StringNotEquals", Some(&["a"]), &["a", "b"], no),
        ("StringNotEquals", None, &["a"], yes),
        ("StringLike", Some(&["abc"]), &["a*"], yes),
        ("StringLike", Some(&["abc"]), &["a?"], no),
        ("StringLike", Some(&["abc"]), &["*b*c"], yes),
        ("ArnLike", Some(&["arn:aws:iam::1:role/a/b"]), &["arn:aws:iam::*:role/*"], yes),
        ("ArnLike", Some(&["arn:aws:iam::1:role/a"]), &["arn:*:role/a"], no),
        ("ForAllValues:StringEquals", None, &["a"], yes),
        ("ForAllValues:StringEquals", Some(&["a", "b"]), &["a"], no),
        ("ForAnyValue:StringEquals", None, &["a"], no),
        ("ForAnyValue:StringEquals", Some(&["a", "b"]), &["a"], yes),
        ("StringEquals", Some(&["a", "b"]), &["a"], perhaps),
        ("Null", None, &["true"], yes),
        ("Null", Some(&["a"]), &["true"], no),
        ("Null", Some(&["a"]), &["false"], yes),
        ("Bool", Some(&["true"]), &["True"], yes),
        ("NumericLessThan", Some(&["1"]), &["2"], perhaps),
        ("StringEquals", Some(&["a"]), &["${aws:username}"], perhaps),
        ("ForNobody:StringEquals", Some(&["a"]), &["a"], perhaps),
        ("stringequals", Some(&["a"]), &["b"], perhaps),
    ];
    for (operator, context, values, expected) in cases {
        let context: Option<Vec<String>> = context.map(|all| all.iter().map(|one| (*one).to_owned()).collect());
        let values: Vec<String> = values.iter().map(|one| (*one).to_owned()).collect();
        assert_eq!(holds(operator, context.as_deref(), &values), *expected, "{operator} {context:?} {values:?}");
    }
}

/// What the proof of the judge is worth: of a policy that it finds narrow, no request lets in anybody else.
#[test]
fn no_request_but_those_of_the_three_passes_a_policy_that_is_judged_narrow() {
    use proptest::prelude::*;
    let word = || prop::sample::select(vec!["argocd", "argocd-server", "argocd-repo-server", "*", "argocd-*", "", "default", "${x}", "Argocd"]);
    let operator = || {
        prop::sample::select(vec![
            "StringEquals",
            "StringLike",
            "StringEqualsIfExists",
            "ForAllValues:StringEquals",
            "StringNotEquals",
            "Null",
            "New",
        ])
    };
    let key = || {
        prop::sample::select(vec![
            "aws:RequestTag/kubernetes-namespace",
            "AWS:requesttag/kubernetes-service-account",
            "aws:RequestTag/eks-cluster-arn",
            "aws:SourceAccount",
        ])
    };
    let principal = || {
        prop::sample::select(vec![
            json!("*"),
            json!({"Service": "pods.eks.amazonaws.com"}),
            json!({"Service": ["pods.eks.amazonaws.com", "ec2.amazonaws.com"]}),
        ])
    };
    let condition = prop::collection::vec((operator(), key(), prop::collection::vec(word(), 0..3)), 0..4);
    let statement = (principal(), condition, any::<bool>());
    let request = (word(), word(), any::<bool>());
    let run = (prop::collection::vec(statement, 0..3), prop::collection::vec(request, 12), any::<bool>());
    proptest!(ProptestConfig::with_cases(2000), |((statements, requests, keeps_ours) in run)| {
        let hub = hub(&[]);
        let mut document: Value = serde_json::from_str(&hub_trust(&hub).text()).unwrap();
        let all = document["Statement"].as_array_mut().unwrap();
        if !keeps_ours { all.clear(); }
        for (principal, conditions, allows) in statements {
            let mut block: BTreeMap<&str, BTreeMap<&str, Vec<&str>>> = BTreeMap::new();
            for (operator, key, values) in conditions { block.entry(operator).or_default().insert(key, values); }
            all.push(json!({"Effect": if allows { "Allow" } else { "Deny" }, "Principal": principal, "Action": ["sts:AssumeRole"], "Condition": block}));
        }
        let text = document.to_string();
        if evaluate::hub(&text, &hub).iter().any(|finding| matches!(finding, Finding::TooWide(_))) { return Ok(()); }
        let policy = Policy::read(&text).unwrap();
        for (namespace, account, tagged) in requests {
            let mut request = with(pod(account), "aws:requesttag/kubernetes-namespace", Some(namespace));
            if !tagged { request = with(request, "aws:requesttag/eks-cluster-arn", None); }
            let is_meant = tagged && namespace == NAMESPACE && NAMES.contains(&account);
            prop_assert!(is_meant || policy.answer(&request) == Answer::No, "{request:?} of {text}");
        }
    });
}
