//! What NetworkPolicies let through.

use k8s_openapi::api::networking::v1::{NetworkPolicy, NetworkPolicyIngressRule};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::BTreeMap;

use crate::live::principal::network::{Admits, From, Labels, To, admits, selects};

fn labels(pairs: &[(&str, &str)]) -> Labels {
    pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
}

fn policy(spec: &Value) -> NetworkPolicy {
    serde_json::from_value(json!({"metadata": {"name": "p"}, "spec": spec})).unwrap()
}

fn through(spec: &Value) -> Admits {
    let (server, namespace, named) = (labels(&[("app", "server")]), labels(&[("name", "cd")]), BTreeMap::from([("proxy".to_owned(), 9090)]));
    admits(&policy(spec), From { labels: &server, namespace: Some(&namespace) }, To { port: 9090, named: &named })
}

#[test]
fn each_form_of_a_rule_admits_what_the_api_says() {
    for (rule, expected) in [
        (json!({}), Admits::Yes),
        (json!({"from": []}), Admits::Yes),
        (json!({"ports": [{"port": 9090}]}), Admits::Yes),
        (json!({"ports": [{"port": "proxy"}]}), Admits::Yes),
        (json!({"ports": [{"port": "other"}]}), Admits::No),
        (json!({"ports": [{"port": 9090, "protocol": "UDP"}]}), Admits::No),
        (json!({"ports": [{"protocol": "TCP"}]}), Admits::Yes),
        (json!({"ports": [{"port": 9000, "endPort": 9100}]}), Admits::Yes),
        (json!({"ports": [{"port": 9000, "endPort": 9089}]}), Admits::No),
        (json!({"ports": [{"port": 6379}]}), Admits::No),
        (json!({"from": [{"podSelector": {}}]}), Admits::Yes),
        (json!({"from": [{"podSelector": {"matchLabels": {"app": "server"}}}]}), Admits::Yes),
        (json!({"from": [{"podSelector": {"matchLabels": {"app": "other"}}}]}), Admits::No),
        (json!({"from": [{"namespaceSelector": {}}]}), Admits::Yes),
        (json!({"from": [{"namespaceSelector": {"matchLabels": {"name": "cd"}}, "podSelector": {"matchLabels": {"app": "server"}}}]}), Admits::Yes),
        (json!({"from": [{"namespaceSelector": {"matchLabels": {"name": "monitoring"}}}]}), Admits::No),
        (json!({"from": [{"ipBlock": {"cidr": "0.0.0.0/0"}}]}), Admits::Unknown),
        (json!({"from": [{"ipBlock": {"cidr": "10.0.0.0/8"}}], "ports": [{"port": 1}]}), Admits::No),
        (json!({"from": [{"podSelector": {"matchExpressions": [{"key": "app", "operator": "In", "values": ["server"]}]}}]}), Admits::Yes),
        (json!({"from": [{"podSelector": {"matchExpressions": [{"key": "app", "operator": "DoesNotExist"}]}}]}), Admits::No),
    ] {
        assert_eq!(through(&json!({"podSelector": {}, "ingress": [rule.clone()]})), expected, "{rule}");
    }
    assert_eq!(through(&json!({"podSelector": {}})), Admits::No, "without a rule nothing gets in");
    let (server, none) = (labels(&[("app", "server")]), BTreeMap::new());
    let by_namespace = policy(&json!({"ingress": [{"from": [{"namespaceSelector": {}}]}]}));
    let unknown = admits(&by_namespace, From { labels: &server, namespace: None }, To { port: 9090, named: &none });
    assert_eq!(unknown, Admits::Unknown, "where the labels of the namespace are not known");
}

#[test]
fn a_policy_selects_by_labels_and_only_where_it_is_one_for_what_comes_in() {
    let pod = labels(&[("app", "principal")]);
    for (spec, expected) in [
        (json!({"podSelector": {}}), true),
        (json!({"podSelector": {"matchLabels": {"app": "principal"}}}), true),
        (json!({"podSelector": {"matchLabels": {"app": "other"}}}), false),
        (json!({"podSelector": {}, "policyTypes": ["Egress"]}), false),
        (json!({"podSelector": {}, "policyTypes": ["Egress", "Ingress"]}), true),
        (json!({"podSelector": {"matchExpressions": [{"key": "app", "operator": "Sideways"}]}}), false),
    ] {
        assert_eq!(selects(&policy(&spec), &pod), expected, "{spec}");
    }
}

fn any_selector() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(json!({})),
        ("app|tier|x", "server|other").prop_map(|(key, value)| json!({"matchLabels": {key: value}})),
        ("app|x", "Exists|DoesNotExist").prop_map(|(key, operator)| json!({"matchExpressions": [{"key": key, "operator": operator}]})),
    ]
}

fn any_peer() -> impl Strategy<Value = Value> {
    prop_oneof![
        any_selector().prop_map(|pods| json!({"podSelector": pods})),
        any_selector().prop_map(|namespaces| json!({"namespaceSelector": namespaces})),
        (any_selector(), any_selector()).prop_map(|(pods, namespaces)| json!({"podSelector": pods, "namespaceSelector": namespaces})),
        Just(json!({"ipBlock": {"cidr": "10.0.0.0/8"}})),
    ]
}

fn any_port() -> impl Strategy<Value = Value> {
    prop_oneof![
        (9080..9100_i32).prop_map(|port| json!({"port": port})),
        (9080..9100_i32, 0..20_i32).prop_map(|(port, more)| json!({"port": port, "endPort": port + more})),
        "proxy|other".prop_map(|name| json!({"port": name})),
        "TCP|UDP".prop_map(|protocol| json!({"protocol": protocol})),
    ]
}

fn any_rule() -> impl Strategy<Value = Value> {
    let (from, ports) = (prop::collection::vec(any_peer(), 0..3), prop::collection::vec(any_port(), 0..3));
    (from, ports).prop_map(|(from, ports)| json!({"from": from, "ports": ports}))
}

proptest! {
    #[test]
    fn rules_only_add_and_their_order_is_nothing(rules in prop::collection::vec(any_rule(), 0..4), one in any_rule()) {
        let with = |rules: &[Value]| through(&json!({"podSelector": {}, "ingress": rules}));
        let (before, alone) = (with(&rules), with(std::slice::from_ref(&one)));
        let mut more = rules.clone();
        more.push(one);
        prop_assert_eq!(with(&more), before.max(alone), "several add up");
        more.reverse();
        prop_assert_eq!(with(&more), before.max(alone));
    }

    #[test]
    fn more_peers_or_ports_admit_no_less_unless_there_was_none(rule in any_rule(), peer in any_peer(), port in any_port()) {
        let with = |rule: &Value| through(&json!({"podSelector": {}, "ingress": [rule]}));
        let (before, mut wider) = (with(&rule), rule.clone());
        for (list, one) in [("from", peer), ("ports", port)] {
            if !rule[list].as_array().unwrap().is_empty() {
                wider[list].as_array_mut().unwrap().push(one);
            }
        }
        prop_assert!(with(&wider) >= before);
    }

    #[test]
    fn what_admits_nobody_admits_us_neither_and_the_other_port_is_no_way_in(rules in prop::collection::vec(any_rule(), 0..4)) {
        let parsed: Vec<NetworkPolicyIngressRule> = serde_json::from_value(json!(rules)).unwrap();
        let open = parsed.iter().any(|r| r.from.as_deref().unwrap_or_default().is_empty() && r.ports.as_deref().unwrap_or_default().is_empty());
        let through = through(&json!({"podSelector": {}, "ingress": rules}));
        prop_assert!(!open || through == Admits::Yes);
        prop_assert!(through == Admits::No || !parsed.is_empty());
    }
}
