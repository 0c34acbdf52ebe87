//! Destinations on other clusters that a `ClusterAccess` keeps.

use std::sync::Arc;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::fixtures::{SPEC, object};
use super::simulator::Sim;

const SERVER: &str = "https://10.0.0.1:6443";

/// A `ClusterAccess` that proves terminals in the namespace `shop` because of `team`; the simulator's time is noon of the first of June.
pub fn good() -> Value {
    let condition = |kind: &str| json!({"type": kind, "status": "True", "reason": "Fine", "message": "fine", "observedGeneration": 3, "lastTransitionTime": "2026-06-01T00:00:00Z"});
    let kinds = ["Accepted", "Active", "RemoteReachable", "RemoteRBACApplied", "CredentialReady", "SecretApplied", "Ready"];
    json!({
        "apiVersion": "argocd-access.dev/v1alpha1", "kind": "ClusterAccess",
        "metadata": {"name": "prod-eu", "namespace": "argocd", "uid": "u", "generation": 3},
        "spec": {"name": "production", "server": SERVER, "permissions": {"namespaces": {"names": ["shop", "jobs"]}}},
        "status": {
            "observedGeneration": 3,
            "conditions": kinds.map(condition),
            "credential": {
                "subject": "system:serviceaccount:argocd-access:argocd-managed",
                "expiresAt": "2026-06-01T18:00:00Z", "renewAt": "2026-06-01T14:00:00Z",
            },
            "namespaces": [{"name": "shop", "deploy": true, "exec": true, "because": ["team"], "inSecret": true}],
        },
    })
}

fn with(path: &str, value: Value) -> Value {
    let mut access = good();
    let (parent, key) = path.rsplit_once('/').unwrap();
    let parent = access.pointer_mut(parent).unwrap();
    match key.parse::<usize>() {
        Ok(index) => parent[index] = value,
        Err(_) => parent[key] = value,
    }
    access
}

/// The condition of this kind with these fields.
fn condition(kind: &str, fields: &Value) -> Value {
    let mut access = good();
    let all = access["status"]["conditions"].as_array_mut().unwrap();
    let found = all.iter_mut().find(|c| c["type"] == kind).unwrap().as_object_mut().unwrap();
    found.extend(fields.as_object().unwrap().clone());
    access
}

/// A stock instance with an Application on another cluster, and these `ClusterAccess` objects.
fn sim(destination: &str, clusters: Vec<Value>) -> Sim {
    let mut sim = Sim::stock();
    sim.world.applications = Ok(vec![object(&format!(
        "{{apiVersion: argoproj.io/v1alpha1, kind: Application, metadata: {{name: a, namespace: argocd}}, spec: {{project: shop, destination: {destination}}}}}"
    ))]);
    sim.world.clusters = Ok(clusters.into_iter().map(|one| Arc::new(serde_json::from_value(one).unwrap())).collect());
    sim.grant("team", SPEC);
    sim
}

fn told(sim: &Sim) -> (String, String, String) {
    let (status, reason) = sim.says("team", "ServerAuthorized");
    (status, reason, sim.message("team", "ServerAuthorized"))
}

const BY_NAME: &str = "{name: production, namespace: shop}";

#[test]
fn a_terminal_that_the_cluster_access_proves_is_proven_and_the_status_says_by_whom() {
    for destination in [BY_NAME, "{server: 'https://10.0.0.1:6443', namespace: shop}", "{server: 'https://10.0.0.1:6443/', namespace: shop}"] {
        let sim = sim(destination, vec![good()]);
        let (status, reason, message) = told(&sim);
        assert_eq!((status.as_str(), reason.as_str()), ("True", "Proven"), "{message}");
        assert!(message.contains("ClusterAccess prod-eu"), "{message}");
        assert_eq!(sim.says("team", "Ready").0, "True");
        let remote = sim.status("team").server.unwrap().remote;
        assert_eq!(remote[0].proven_by.as_deref(), Some("prod-eu"));
        assert!(remote[0].identity.starts_with("system:serviceaccount:argocd-access:argocd-managed"), "{}", remote[0].identity);
        assert_eq!((remote[0].rule.as_str(), remote[0].message.as_str()), ("", ""), "nobody is to add what is kept");
    }
}

#[test]
fn what_is_proven_there_does_not_stand_for_what_is_here_and_the_other_way_round() {
    let mut sim = sim(BY_NAME, vec![good()]);
    sim.world.applications.as_mut().unwrap().push(super::fixtures::app("argocd", "shop", "web"));
    sim.settle();
    let (status, _, message) = told(&sim);
    assert_eq!(status, "True");
    assert!(message.contains("SubjectAccessReview in 1 namespace(s)") && message.contains("ClusterAccess prod-eu"), "{message}");
    sim.world.clusters = Ok(vec![]);
    sim.settle();
    assert_eq!(told(&sim).0, "Unknown");
}

/// Each with a part of what is said of it.
fn spoiled() -> Vec<(Value, &'static str)> {
    let many: Vec<String> = (0..16).map(|i| format!("other-{i}")).collect();
    vec![
        (with("/metadata/generation", json!(4)), "does not speak of what it declares now"),
        (with("/status", json!(null)), "does not speak of what it declares now"),
        (with("/metadata/deletionTimestamp", json!("2026-06-01T11:00:00Z")), "being deleted"),
        (
            condition("RemoteReachable", &json!({"status": "False", "reason": "ConnectionFailed", "message": "no route"})),
            "ConnectionFailed): no route",
        ),
        (condition("RemoteReachable", &json!({"status": "Unknown"})), "RemoteReachable is Unknown"),
        (condition("SecretApplied", &json!({"status": "False", "reason": "ForeignSecret"})), "ForeignSecret"),
        (condition("CredentialReady", &json!({"status": "Unknown", "reason": "NotProvable"})), "CredentialReady is Unknown (NotProvable)"),
        (condition("CredentialReady", &json!({"observedGeneration": 2})), "nothing of CredentialReady"),
        (condition("CredentialReady", &json!({"type": "Other"})), "nothing of CredentialReady"),
        (condition("Active", &json!({"status": "False", "reason": "OutsideSchedule"})), "OutsideSchedule"),
        (condition("Accepted", &json!({"status": "False", "reason": "Invalid"})), "Invalid"),
        (with("/status/namespaces", json!([])), "nothing of the namespace shop"),
        (with("/status/namespaces/0/exec", json!(false)), "may not open terminals in shop"),
        (with("/status/namespaces/0/exec", json!(null)), "not proven yet"),
        (with("/status/namespaces/0", json!({"name": "shop", "deploy": true, "inSecret": true})), "no ExecAccess in effect needs one"),
        (with("/status/namespaces/0/because", json!(["other"])), "not because of this object"),
        (with("/status/namespaces/0/because", json!(many)), "not named among them"),
        (with("/status/namespaces/0/inSecret", json!(false)), "not in the cluster Secret"),
        (with("/status/namespaces/0/name", json!("*")), "nothing of the namespace shop"),
        (with("/status/credential", json!(null)), "how long the credential is valid"),
        // A status that nobody keeps any more.
        (with("/status/credential/expiresAt", json!("2026-06-01T12:00:00Z")), "when the credential expired"),
        (with("/status/credential/renewAt", json!("2026-06-01T11:49:00Z")), "was to be replaced at 2026-06-01T11:49:00Z"),
        (with("/status/nextTransition", json!("2026-06-01T11:59:59Z")), "when its permissions were to change"),
    ]
}

#[test]
fn what_is_not_proven_now_is_not_known_and_the_message_names_the_object_and_why() {
    for (access, part) in spoiled() {
        let sim = sim(BY_NAME, vec![access.clone()]);
        let (status, reason, message) = told(&sim);
        assert_eq!((status.as_str(), reason.as_str()), ("Unknown", "RemoteCluster"), "{access:#} {message}");
        assert!(message.contains("prod-eu") && message.contains(part), "{part:?} in {message}");
        let remote = sim.status("team").server.unwrap().remote;
        assert_eq!(remote[0].proven_by, None);
        assert!(remote[0].message.contains(part), "{}", remote[0].message);
        assert_eq!(sim.says("team", "Ready").0, "Unknown");
    }
}

#[test]
fn what_the_declaration_keeps_from_the_terminal_is_refused_with_what_to_change() {
    let selector = || with("/spec/permissions/namespaces", json!({"selector": {"matchLabels": {"a": "b"}}}));
    let mut unchosen = selector();
    unchosen["status"]["namespaces"] = json!([]);
    let refused = [
        (with("/spec/permissions/exec", json!("Never")), BY_NAME, "permissions.exec is Never; set it to Auto"),
        (
            with("/spec/permissions/namespaces/names", json!(["jobs"])),
            BY_NAME,
            "leave out the namespace shop; add it to permissions.namespaces.names",
        ),
        (unchosen, BY_NAME, "does not choose the namespace shop"),
        (
            with("/spec/permissions", json!({"scope": "Cluster"})),
            "{name: production, namespace: kube-system}",
            "in kube-system nothing is ever bound",
        ),
        (with("/spec/permissions", json!({"scope": "Cluster"})), "{name: production, namespace: argocd}", "deniedNamespaces"),
    ];
    for (access, destination, part) in refused {
        let sim = sim(destination, vec![access]);
        let (status, reason, message) = told(&sim);
        assert_eq!((status.as_str(), reason.as_str()), ("False", "RemoteCluster"), "{message}");
        assert!(message.contains("ClusterAccess prod-eu") && message.contains(part), "{part:?} in {message}");
        assert_eq!(sim.says("team", "Ready").0, "False");
    }
    // While it is not known what the labels choose, nothing is refused by them.
    let mut blind = condition("RemoteRBACApplied", &json!({"status": "False", "reason": "TooMany"}));
    blind["spec"] = selector()["spec"].clone();
    blind["status"]["namespaces"] = json!([]);
    let (status, _, message) = told(&sim(BY_NAME, vec![blind]));
    assert!(status == "Unknown" && message.contains("RemoteRBACApplied is False (TooMany)"), "{status} {message}");
}

#[test]
fn one_object_stands_for_a_cluster_or_none_does() {
    let named = |name: &str, access: Value| {
        let mut access = access;
        access["metadata"]["name"] = json!(name);
        access
    };
    let (status, _, message) = told(&sim(BY_NAME, vec![good(), named("again", good())]));
    assert!(status == "Unknown" && message.contains("more than one ClusterAccess") && message.contains("prod-eu, again"), "{status} {message}");
    let duplicate = condition("Accepted", &json!({"status": "False", "reason": "DuplicateServer"}));
    assert_eq!(told(&sim(BY_NAME, vec![named("again", duplicate.clone()), good()])).0, "True", "one that is not accepted beside it does nothing");
    assert_eq!(told(&sim(BY_NAME, vec![duplicate])).0, "Unknown");
    let sim = sim("{name: elsewhere, namespace: shop}", vec![good()]);
    let (_, reason, message) = told(&sim);
    assert!(reason == "RemoteCluster" && message.contains("data.name is \"elsewhere\""), "{message}");
    assert!(sim.status("team").server.unwrap().remote[0].rule.contains("pods/exec"), "what nothing keeps is still shown to be added");
}

#[test]
fn every_namespace_of_every_other_cluster_has_to_be_proven() {
    let mut sim = sim(BY_NAME, vec![good()]);
    let jobs = "{apiVersion: argoproj.io/v1alpha1, kind: Application, metadata: {name: b, namespace: argocd}, spec: {project: shop, destination: {name: production, namespace: jobs}}}";
    sim.world.applications.as_mut().unwrap().push(object(jobs));
    sim.settle();
    let (status, _, message) = told(&sim);
    assert!(status == "Unknown" && message.contains("nothing of the namespace jobs"), "{status} {message}");
    let mut access = good();
    let mut second = access["status"]["namespaces"][0].clone();
    second["name"] = json!("jobs");
    access["status"]["namespaces"].as_array_mut().unwrap().push(second);
    sim.world.clusters = Ok(vec![Arc::new(serde_json::from_value(access).unwrap())]);
    sim.settle();
    assert_eq!(told(&sim).0, "True");
    sim.world.applications.as_mut().unwrap().push(object(&jobs.replace("production", "other").replace("name: b", "name: c")));
    sim.settle();
    assert_eq!(told(&sim).0, "Unknown", "another cluster has no object");
}

#[test]
fn where_others_keep_the_rights_nothing_is_proven_and_the_rule_is_still_shown() {
    let mut access = with("/spec/remote", json!({"authority": "None"}));
    access["status"]["namespaces"] = json!([{"name": "shop", "deploy": true, "inSecret": true}]);
    let sim = sim(BY_NAME, vec![access]);
    let (status, _, message) = told(&sim);
    assert!(status == "Unknown" && message.contains("others keep the rights there"), "{status} {message}");
    assert!(sim.status("team").server.unwrap().remote[0].rule.contains("pods/exec"));
}

#[test]
fn objects_that_cannot_be_seen_prove_nothing_and_take_nothing_away() {
    let mut sim = sim(BY_NAME, vec![good()]);
    sim.world.applications.as_mut().unwrap().push(super::fixtures::app("argocd", "shop", "web"));
    sim.settle();
    assert_eq!(sim.bound(), ["shop"]);
    sim.world.clusters = super::fixtures::not_seen("clusteraccesses");
    assert!(sim.settle().is_empty(), "no write depends on it");
    let (status, _, message) = told(&sim);
    assert!(status == "Unknown" && message.contains("cannot read clusteraccesses"), "{status} {message}");
}

#[test]
fn a_proof_ends_with_the_credential_by_the_clock_that_is_ahead() {
    let mut sim = sim(BY_NAME, vec![with("/status/credential/renewAt", json!(null))]);
    assert_eq!(told(&sim).0, "True");
    sim.world.server_ahead = Some(jiff::SignedDuration::from_hours(7));
    sim.settle();
    assert!(told(&sim).2.contains("when the credential expired"));
    sim.world.server_ahead = Some(jiff::SignedDuration::ZERO);
    sim.now = "2026-06-01T18:00:00Z".parse().unwrap();
    sim.settle();
    assert_eq!(told(&sim).0, "Unknown");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_else_is_spoiled_a_spoiled_proof_does_not_become_whole(first in 0..23_usize, second in 0..23_usize) {
        let all = spoiled();
        prop_assert_eq!(all.len(), 23);
        let mut access = all[first].0.clone();
        // The second over the first, where both change something.
        let (plain, other) = (good(), &all[second].0);
        for part in ["metadata", "spec", "status"] {
            if other[part] != plain[part] && access[part] == plain[part] {
                access[part] = other[part].clone();
            }
        }
        prop_assert_ne!(told(&sim(BY_NAME, vec![access])).0, "True");
    }
}
