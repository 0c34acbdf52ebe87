//! The definition of `LiveResourceAccess` on a real API server: what it refuses and how it says so, what it fills in, how it reads.

use kube::api::{Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use crate::schema::Server;

/// A good spec with one part replaced, or added, at a path such as `/agent/grants/0/features`.
fn with(path: &str, value: Value) -> Value {
    let mut spec = json!({"side": "Agent", "agent": {"grants": [{"applications": [{"project": "shop"}]}]}});
    let mut at = &mut spec;
    for part in path.trim_start_matches('/').split('/') {
        at = match part.parse::<usize>() {
            Ok(index) => &mut at[index],
            Err(_) => &mut at[part],
        };
    }
    *at = value;
    spec
}

fn principal(block: &Value) -> Value {
    json!({"side": "Principal", "principal": block})
}

async fn server() -> Server {
    Server::of("LiveResourceAccess").await
}

/// What, and what the refusal must say.
fn bad() -> Vec<(Value, &'static str)> {
    const GRANT: &str = "/agent/grants/0";
    let grant = |field: &str, value: Value| with(&format!("{GRANT}/{field}"), value);
    let kinds = |count: usize| -> Value { (0..count).map(|i| json!({"kind": format!("K{i}")})).collect() };
    vec![
        (json!({"agent": {"grants": [{}]}}), "spec.side: Required value"),
        (with("/side", json!("Both")), "supported values: \"Agent\", \"Principal\""),
        (json!({"side": "Agent"}), "side: Agent needs the block agent"),
        (with("/principal", json!({})), "the block principal has no meaning with side: Agent"),
        (json!({"side": "Principal", "agent": {"grants": [{}]}}), "the block agent has no meaning with side: Principal"),
        (with("/agent/grants", json!([])), "should have at least 1 items"),
        (with("/agent", json!({})), "spec.agent.grants: Required value"),
        (with("/agent/grants", json!(vec![json!({}); 17])), "must have at most 16 items"),
        (grant("features", json!([])), "should have at least 1 items"),
        (grant("features", json!(["View", "View"])), "Duplicate value"),
        (
            grant("features", json!(["Everything"])),
            "supported values: \"View\", \"Events\", \"Logs\", \"Terminal\", \"Edit\", \"Actions\", \"Delete\"",
        ),
        (grant("applications", json!([])), "should have at least 1 items"),
        (grant("applications", json!(vec![json!({"project": "a"}); 65])), "must have at most 64 items"),
        (grant("applications", json!([{"project": "a/b"}])), "project must be a project's name"),
        (grant("applications", json!([{"project": "a", "name": "[x]"}])), "name must be an application's name"),
        (grant("namespaces", json!({"selector": {}})), "an empty selector would select every namespace"),
        (grant("namespaces", json!({"names": ["A_b"]})), "namespaces.names[0]"),
        (grant("precision", json!("Loose")), "supported values: \"Kind\", \"Name\""),
        (grant("clusterScoped", json!("Edit")), "supported values: \"None\", \"View\""),
        (grant("secrets", json!("Some")), "supported values: \"None\", \"Named\", \"All\""),
        (grant("sensitive", kinds(17)), "must have at most 16 items"),
        (grant("sensitive", json!([{"kind": "*"}])), "sensitive[0].kind"),
        (grant("sensitive", json!([{"group": "*", "kind": "Secret"}])), "sensitive[0].group"),
        (with("/agent/exclude", kinds(65)), "must have at most 64 items"),
        (with("/agent/exclude", json!([{"group": "apps"}])), "kind: Required value"),
        (with("/agent/children", json!([{"parent": {"kind": "A"}}])), "child: Required value"),
        (with("/agent/protectedNamespaces", json!(["a/b"])), "protectedNamespaces[0]"),
        (with("/agent/deployment", json!("Agent")), "deployment must be the name of a Deployment"),
        (with("/validity", json!({"notBefore": "2026-06-02T00:00:00Z", "notAfter": "2026-06-01T00:00:00Z"})), "must be earlier than notAfter"),
        (with("/schedule", json!([{"days": ["Mon"], "from": "08:00", "to": "08:00"}])), "from and to must differ"),
        (with("/mode", json!("DryRun")), "supported values: \"Enforce\", \"Observe\""),
        (with("/suspend", json!("yes")), "must be of type boolean"),
        (with("/reason", json!("a\nb")), "reason must be one line without control characters"),
        (principal(&json!({"redisAddress": "redis"})), "redisAddress must be a host and a port"),
        (principal(&json!({"redisProxy": "Force"})), "supported values: \"Auto\", \"None\""),
        (principal(&json!({"restart": "Always"})), "supported values: \"Auto\", \"Never\""),
        (principal(&json!({"probe": {"mode": "ClientCertificate"}})), "needs probe.agents: only the Secrets of agents that are named are read"),
        (principal(&json!({"probe": {"agents": ["a"]}})), "probe.agents has no meaning with probe.mode: None"),
    ]
}

#[tokio::test]
async fn every_bad_value_of_a_live_resource_access_is_refused_with_a_message_that_a_person_understands() {
    let server = server().await;
    for (spec, says) in bad() {
        let Err(refusal) = server.try_create("bad", &spec).await else { panic!("{spec} was accepted") };
        assert!(refusal.contains(says), "{spec}: {refusal}");
        assert!(!refusal.contains("no such key") && !refusal.contains("evaluation error"), "a rule stumbled over {spec}: {refusal}");
    }
    let long = server.try_create(&"n".repeat(64), &with("/suspend", json!(false))).await.unwrap_err();
    assert!(long.contains("metadata.name must be at most 63 characters"), "{long}");
}

#[tokio::test]
async fn the_smallest_live_resource_access_is_filled_in_with_the_least_and_its_side_stays() {
    let server = server().await;
    let small = server.try_create("live", &json!({"side": "Agent", "agent": {"grants": [{}]}})).await.unwrap();
    let expected = json!({"side": "Agent", "mode": "Enforce", "suspend": false, "agent": {
        "protectedNamespaces": ["kube-system", "kube-public", "kube-node-lease"],
        "grants": [{"features": ["View", "Events"], "applications": [{"project": "*", "name": "*"}], "namespaces": {}, "precision": "Kind",
            "clusterScoped": "None", "secrets": "None"}]}});
    assert_eq!(small.data["spec"], expected);
    let small = server.try_create("live", &json!({"side": "Principal", "principal": {}})).await.unwrap();
    let expected = json!({"redisProxy": "Auto", "redisAddress": "argocd-agent-redis-proxy:6379", "restart": "Auto", "networkPolicy": "Auto",
        "probe": {"mode": "None"}});
    assert_eq!(small.data["spec"]["principal"], expected);
    assert!(server.try_create("live", &json!({"side": "Principal"})).await.is_ok());

    let object = json!({"apiVersion": "argocd-access.dev/v1alpha1", "kind": "LiveResourceAccess", "metadata": {"name": "live"}, "spec": with("/suspend", json!(true))});
    server.api.create(&PostParams::default(), &serde_json::from_value(object).unwrap()).await.unwrap();
    let other = Patch::Merge(json!({"spec": {"side": "Principal", "agent": null}}));
    let refused = server.api.patch("live", &PatchParams::default(), &other).await.unwrap_err().to_string();
    assert!(refused.contains("side cannot be changed"), "{refused}");
}

#[tokio::test]
async fn a_live_resource_access_reads_well_in_a_terminal() {
    let server = server().await;
    let spec = with("/schedule", json!([{"days": ["Mon"], "from": "08:00", "to": "18:00"}]));
    let object =
        json!({"apiVersion": "argocd-access.dev/v1alpha1", "kind": "LiveResourceAccess", "metadata": {"name": "live-terminal"}, "spec": spec});
    server.api.create(&PostParams::default(), &serde_json::from_value(object).unwrap()).await.unwrap();
    let ready = json!({"type": "Ready", "status": "False", "reason": "ApplicationControllerOnHub", "message": "m", "lastTransitionTime": "2026-01-01T00:00:00Z"});
    let status = json!({"status": {"conditions": [ready], "nextTransition": "2026-06-01T08:00:00Z"}});
    server.api.patch_status("live-terminal", &PatchParams::default(), &Patch::Merge(status)).await.unwrap();
    let kubectl = async |arguments: &[&str]| server.cp.kubectl(arguments).await.success();
    let table = kubectl(&["get", "lra", "--namespace", &server.namespace]).await;
    let words: Vec<Vec<&str>> = table.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(words[0], ["NAME", "READY", "REASON", "SIDE", "MODE", "NEXT", "AGE"], "{table}");
    assert_eq!(words[1][..6], ["live-terminal", "False", "ApplicationControllerOnHub", "Agent", "Enforce", "2026-06-01T08:00:00Z"], "{table}");
    assert!(table.lines().all(|line| line.len() <= 120), "{table}");
    let names = kubectl(&["get", "argocd", "--namespace", &server.namespace, "-o", "name"]).await;
    assert!(names.contains("liveresourceaccess.argocd-access.dev/live-terminal"), "{names}");
}
