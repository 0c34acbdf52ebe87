//! The rules of a `ClusterAccess` as the API server will enforce them, and its defaults.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::cluster_access::{Authority, CredentialType, Credentials, DeploySecrets, Exec, Profile, Read, Scope};
use super::cluster_aws::{Identity, Mapping, Output, Partition};
use super::tests::{refusals, rules, schema};
use super::{ClusterAccess, Mode};

/// A valid object with this value at this place; `null` leaves the place out.
fn with(pointer: &str, value: Value) -> ClusterAccess {
    of(
        &json!({
            "name": "prod", "server": "https://10.0.0.1:6443", "labels": {"env": "prod"}, "project": "shop", "shard": 1, "proxyURL": "http://proxy:3128",
            "credentials": {"lifetime": "24h", "overlap": "10m"},
            "permissions": {"namespaces": {"names": ["shop"]}, "clusterResources": [{"group": "scheduling.k8s.io", "resources": ["priorityclasses"]}],
                "deploy": [{"resources": ["serviceaccounts"]}]},
            "validity": {"notBefore": "2026-06-01T08:00:00Z", "notAfter": "2026-07-01T08:00:00Z"},
            "schedule": [{"days": ["Mon"], "from": "08:00", "to": "18:00"}], "reason": "INC-4711",
        }),
        pointer,
        value,
    )
}

/// The same for one whose credential is an identity of AWS.
fn eks(pointer: &str, value: Value) -> ClusterAccess {
    of(
        &json!({
            "server": "https://0123.gr7.eu-west-1.eks.amazonaws.com", "credentials": {"type": "EKS"}, "permissions": {"namespaces": {"names": ["shop"]}},
            "aws": {
                "hub": {"accountID": "111111111111", "region": "eu-west-1", "clusterName": "hub", "role": "argocd"},
                "spoke": {"accountID": "222222222222", "region": "eu-west-1", "clusterName": "prod", "role": "argocd-spoke"},
                "group": "argocd-access:prod",
            },
        }),
        pointer,
        value,
    )
}

/// The same for one whose credential others keep.
fn existing(pointer: &str, value: Value) -> ClusterAccess {
    let credentials = json!({"type": "Existing"});
    of(
        &json!({"server": "https://10.0.0.1:6443", "adoptSecret": "cluster-10.0.0.1-1", "credentials": credentials, "remote": {"authority": "None"},
            "permissions": {"scope": "Cluster"}}),
        pointer,
        value,
    )
}

fn of(spec: &Value, pointer: &str, value: Value) -> ClusterAccess {
    let mut object = json!({"apiVersion": "argocd-access.dev/v1alpha1", "kind": "ClusterAccess", "metadata": {"name": "prod", "namespace": "argocd"}, "spec": spec});
    if !pointer.is_empty() {
        let (parent, key) = pointer.rsplit_once('/').unwrap();
        let parent = object.pointer_mut(parent).unwrap_or_else(|| panic!("no {parent}"));
        match (key.parse::<usize>(), value) {
            (Ok(index), value) => parent[index] = value,
            (Err(_), Value::Null) => drop(parent.as_object_mut().unwrap().remove(key)),
            (Err(_), value) => parent[key] = value,
        }
    }
    serde_json::from_value(object).unwrap()
}

/// What is refused, and words of the message that must say so.
fn bad() -> Vec<(ClusterAccess, &'static str)> {
    const PERMISSIONS: &str = "/spec/permissions";
    let permissions = |value: Value| with(PERMISSIONS, value);
    let labels = |key: &str, value: &str| with("/spec/labels", json!({key: value}));
    let mut bad = vec![
        (with("/metadata/name", json!("n".repeat(64))), "at most 63 characters"),
        (with("/spec/aws", serde_json::to_value(eks("", Value::Null).spec.aws).unwrap()), "the block aws belongs to credentials.type: EKS"),
        (eks("/spec/aws", Value::Null), "the block aws belongs to credentials.type: EKS"),
        (existing("/spec/adoptSecret", Value::Null), "credentials.type: Existing needs adoptSecret"),
        (existing("/spec/remote", json!({"authority": "Bind"})), "so remote.authority must be None"),
        (existing("/spec/remote", Value::Null), "so remote.authority must be None"),
        (labels("env/", "prod"), "labels must have names that Kubernetes takes"),
        (labels("", "prod"), "labels must have names that Kubernetes takes"),
        (labels(&"e".repeat(64), "prod"), "labels must have names that Kubernetes takes"),
        (labels("Env.example/env", "prod"), "labels must have names that Kubernetes takes"),
        (labels("env", "prod eu"), "labels must have values that Kubernetes takes"),
        (labels("env", &"p".repeat(64)), "labels must have values that Kubernetes takes"),
        (labels("env", "-prod"), "labels must have values that Kubernetes takes"),
        (labels("argocd.argoproj.io/secret-type", "repository"), "labels of Argo CD (argoproj)"),
        (labels("argocd-agent.argoproj-labs.io/agent-name", "a"), "labels of Argo CD (argoproj)"),
        (labels("argocd-access.dev/owner", "a"), "of this operator (argocd-access.dev) cannot be set"),
        (permissions(json!({})), "scope: Namespaces needs namespaces.names or namespaces.selector"),
        (permissions(json!({"namespaces": {"names": []}})), "scope: Namespaces needs namespaces.names or namespaces.selector"),
        (permissions(json!({"namespaces": {"selector": {}}})), "would select every namespace"),
        (permissions(json!({"scope": "Cluster", "namespaces": {"names": ["shop"]}})), "no meaning with scope: Cluster"),
        (permissions(json!({"scope": "Cluster", "namespaces": {"selector": {"matchLabels": {"a": "b"}}}})), "no meaning with scope: Cluster"),
        (permissions(json!({"namespaces": {"names": vec!["shop"; 129]}})), "at most 128 entries"),
        (permissions(json!({"scope": "Cluster", "read": "Wildcard"})), "read: Wildcard reads every Secret too"),
        (with("/spec/validity/notAfter", json!("2026-06-01T08:00:00Z")), "notBefore must be earlier than notAfter"),
        (with("/spec/schedule/0/to", json!("08:00")), "from and to must differ"),
        (with("/spec/reason", json!("two\nlines")), "one line without control characters"),
        (eks("/spec/aws/group", json!("system:masters")), "must not be one of Kubernetes' own"),
        (eks("/spec/aws/group", json!("a b")), "group may have letters, digits"),
        (eks("/spec/aws/hub/identity", json!("IRSA")), "oidcIssuer belongs to identity: IRSA"),
        (eks("/spec/aws/hub/oidcIssuer", json!("https://oidc.example")), "oidcIssuer belongs to identity: IRSA"),
    ];
    let credential = |field: &str, value: &str| with(&format!("/spec/credentials/{field}"), json!(value));
    bad.extend(["59m", "3599s", "8760h1s", "8761h"].map(|value| (credential("lifetime", value), "between 1h and 8760h")));
    bad.extend(["59s", "61m"].map(|value| (credential("overlap", value), "overlap must be between 1m and 1h")));
    let servers = [
        "http://10.0.0.1:6443",
        "https://",
        "https://10.0.0.1/",
        "https://10.0.0.1/path",
        "https://admin@10.0.0.1",
        "https://10.0.0.1?a",
        "https://Prod.example",
        "https://prod.example:",
        "https://prod.example:100000",
        "https://prod.example:6443#a",
        "https://prod example",
        "https://prod.example\nhttps://other.example",
    ];
    bad.extend(servers.map(|server| (with("/spec/server", json!(server)), "server must be https:// with a host in lower case")));
    let proxies = ["https://proxy:3128", "socks5://proxy", "http://user:word@proxy", "http://proxy/path"];
    bad.extend(proxies.map(|proxy| (with("/spec/proxyURL", json!(proxy)), "proxyURL must be http://")));
    bad
}

/// What cannot be changed: before and after.
fn changes() -> Vec<(ClusterAccess, ClusterAccess, &'static str)> {
    let whole = || with("", Value::Null);
    let account = |name: &str| with("/spec/credentials/serviceAccount", json!({"name": name}));
    vec![
        (whole(), with("/spec/name", json!("other")), "name cannot be changed"),
        (whole(), with("/spec/name", Value::Null), "name cannot be changed"),
        (with("/spec/name", Value::Null), whole(), "name cannot be changed"),
        (whole(), with("/spec/server", json!("https://10.0.0.2:6443")), "server cannot be changed"),
        (whole(), with("/spec/adoptSecret", json!("a")), "adoptSecret cannot be changed"),
        (with("/spec/adoptSecret", json!("a")), whole(), "adoptSecret cannot be changed"),
        (with("/spec/adoptSecret", json!("a")), with("/spec/adoptSecret", json!("b")), "adoptSecret cannot be changed"),
        (eks("", Value::Null), existing("", Value::Null), "credentials.type cannot be changed"),
        (whole(), account("deployer"), "credentials.serviceAccount cannot be changed"),
    ]
}

fn refused_changes(before: &ClusterAccess, after: &ClusterAccess) -> BTreeSet<String> {
    let Err(errors) = kube::core::cel::validate_cel_update(after, before) else { return BTreeSet::new() };
    errors.iter().map(|error| error.message.clone()).collect()
}

#[test]
fn every_rule_refuses_what_it_is_for_with_its_own_message() {
    let mut met = BTreeSet::new();
    for (object, words) in bad() {
        let said = refusals(&object);
        assert!(said.iter().any(|m| m.contains(words)), "{words}: {said:?} of {object:?}");
        met.extend(said);
    }
    for (before, after, words) in changes() {
        let said = refused_changes(&before, &after);
        assert!(said.iter().any(|m| m.contains(words)), "{words}: {said:?} of {after:?}");
        met.extend(said);
    }
    let mut all = Vec::new();
    rules(&schema::<ClusterAccess>(), "", &mut all);
    assert!(all.len() > 20, "{}", all.len());
    for (at, message) in all {
        assert!(met.contains(&message), "nothing here is refused by the rule of {at}: {message}");
    }
}

#[test]
fn every_rule_accepts_what_is_good() {
    let label = |key: &str, value: &str| with("/spec/labels", json!({key: value}));
    let mut good = vec![
        with("", Value::Null),
        eks("", Value::Null),
        existing("", Value::Null),
        with("/metadata/name", json!("n".repeat(63))),
        with("/spec/adoptSecret", json!("cluster-10.0.0.1-1")),
        label("example.com/env", ""),
        label(&format!("{}/{}", "e".repeat(253), "n".repeat(63)), &"v".repeat(63)),
        with("/spec/permissions", json!({"scope": "Cluster", "namespaces": {"names": []}})),
        with("/spec/permissions", json!({"scope": "Cluster", "read": "Wildcard", "secrets": "Deploy"})),
        with("/spec/permissions", json!({"namespaces": {"names": vec!["shop"; 128]}})),
        with("/spec/permissions", json!({"namespaces": {"selector": {"matchExpressions": [{"key": "a", "operator": "Exists"}]}}})),
        with("/spec/credentials/lifetime", json!("1h")),
        with("/spec/credentials/lifetime", json!("8759h60m")),
        with("/spec/credentials/lifetime", json!("31536000s")),
        with("/spec/credentials/overlap", json!("1m")),
        with("/spec/credentials/overlap", json!("60m")),
        eks("/spec/aws/spoke/role", Value::Null),
        eks(
            "/spec/aws/hub",
            json!({"accountID": "111111111111", "region": "eu-west-1", "clusterName": "hub", "role": "argocd", "identity": "IRSA", "oidcIssuer": "https://oidc.example/id/A"}),
        ),
    ];
    let servers = ["https://prod.example", "https://prod.example:443", "https://[fd00::1]:6443", "https://10.0.0.1", "https://p"];
    good.extend(servers.map(|server| with("/spec/server", json!(server))));
    for object in good {
        assert_eq!(refusals(&object), Vec::<String>::new(), "{object:?}");
    }
}

#[test]
fn what_may_be_changed_can_be() {
    let good = [
        with("/spec/suspend", json!(true)),
        with("/spec/labels", json!({})),
        with("/spec/permissions", json!({"scope": "Cluster"})),
        with("/spec/remote", json!({"authority": "Manage"})),
        with("/spec/credentials", json!({"lifetime": "2h"})),
    ];
    for after in good {
        assert_eq!(refused_changes(&with("", Value::Null), &after), BTreeSet::new(), "{after:?}");
    }
}

#[test]
fn what_the_rules_refuse_the_operator_refuses_too_under_an_older_schema() {
    use crate::clusters::grant::parse;
    let settings = crate::config::InstanceConfig::of("argocd");
    assert!(parse(&with("/spec/validity", Value::Null), &settings).is_ok());
    // Nothing is given by a name that is too long, a proxy that is none, a reason of two lines, or what Kubernetes itself refuses of a label;
    // what is said of AWS is judged with the rest of it.
    let harmless = ["at most 63 characters", "proxyURL must be", "one line", "that Kubernetes takes", "group may have", "oidcIssuer"];
    // Another host than the one that Argo CD goes to is not reached by either: the manager's Secret names the same.
    let elsewhere = ["https://Prod.example", "https://prod.example:", "https://prod.example:100000", "https://prod.example\nhttps://other.example"];
    for (object, words) in bad() {
        if harmless.iter().any(|harmless| words.contains(harmless)) || elsewhere.contains(&object.spec.server.as_str()) {
            continue;
        }
        assert!(parse(&object, &settings).is_err(), "an older schema would let this through ({words}): {object:?}");
    }
}

#[test]
fn what_is_left_out_is_the_least() {
    let spec = of(&json!({"server": "https://10.0.0.1:6443", "permissions": {"namespaces": {"names": ["shop"]}}}), "", Value::Null).spec;
    assert_eq!((spec.mode, spec.suspend, spec.remote.authority), (Mode::Enforce, false, Authority::Bind));
    assert_eq!(spec.credentials, Credentials::default());
    let credentials = spec.credentials;
    assert_eq!(credentials.kind, CredentialType::ServiceAccountToken);
    assert_eq!((credentials.lifetime.as_str(), credentials.overlap.as_str()), ("24h", "10m"));
    assert_eq!((credentials.service_account.namespace.as_str(), credentials.service_account.name.as_str()), ("argocd-access", "argocd-managed"));
    let permissions = spec.permissions;
    assert_eq!((permissions.scope, permissions.read, permissions.profile), (Scope::Namespaces, Read::Enumerated, Profile::Workloads));
    assert_eq!((permissions.secrets, permissions.exec, permissions.logs), (DeploySecrets::None, Exec::Auto, true));
    assert!(permissions.deploy.is_empty() && permissions.cluster_resources.is_empty());
    let aws = eks("", Value::Null).spec.aws.unwrap();
    assert_eq!(
        (aws.output, aws.mapping, aws.hub.identity, aws.hub.partition),
        (Output::Text, Mapping::AccessEntry, Identity::PodIdentity, Partition::Aws)
    );
}

#[test]
fn a_cluster_is_called_as_its_object_where_it_has_no_name() {
    assert_eq!(with("/spec/name", json!("eu")).cluster(), "eu");
    assert_eq!(with("/spec/name", Value::Null).cluster(), "prod");
}

#[test]
fn a_whole_object_survives_yaml() {
    for object in [with("", Value::Null), eks("", Value::Null), existing("", Value::Null)] {
        let yaml = serde_yaml::to_string(&object).unwrap();
        assert_eq!(serde_yaml::from_str::<ClusterAccess>(&yaml).unwrap(), object);
    }
}
