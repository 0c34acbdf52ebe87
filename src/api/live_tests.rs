//! The rules of a `LiveResourceAccess` as the API server will enforce them, and its defaults.

use serde_json::{Value, json};

use super::live_resource_access::{Automatic, ClusterScoped, Precision, ProbeMode, Secrets};
use super::tests::{refusals, rules, schema};
use super::{Feature, LiveResourceAccess, Mode, Side};

fn agent(pointer: &str, value: Value) -> LiveResourceAccess {
    let selector = json!({"matchLabels": {"team": "shop"}});
    let grant = json!({"features": ["View", "Logs"], "applications": [{"project": "shop", "name": "web-*", "namespace": "argocd"}],
        "namespaces": {"names": ["shop"], "selector": selector}, "sensitive": [{"kind": "ServiceAccount"}]});
    object(
        &json!({"side": "Agent", "agent": {"deployment": "argocd-agent-agent", "grants": [grant], "exclude": [{"group": "apps", "kind": "ReplicaSet"}]},
        "validity": {"notBefore": "2026-06-01T08:00:00Z", "notAfter": "2026-07-01T08:00:00Z"},
        "schedule": [{"days": ["Mon"], "from": "08:00", "to": "18:00"}], "reason": "INC-4711"}),
        pointer,
        value,
    )
}

fn principal(pointer: &str, value: Value) -> LiveResourceAccess {
    let probe = json!({"mode": "ClientCertificate", "agents": ["prod-eu"]});
    object(&json!({"side": "Principal", "principal": {"redisAddress": "argocd-agent-redis-proxy:6379", "probe": probe}}), pointer, value)
}

fn object(spec: &Value, pointer: &str, value: Value) -> LiveResourceAccess {
    let mut object = json!({"apiVersion": "argocd-access.dev/v1alpha1", "kind": "LiveResourceAccess", "metadata": {"name": "live", "namespace": "argocd"}, "spec": spec});
    if !pointer.is_empty() {
        let (parent, key) = pointer.rsplit_once('/').unwrap();
        let parent = object.pointer_mut(parent).unwrap_or_else(|| panic!("no {parent}"));
        match key.parse::<usize>() {
            Ok(index) => parent[index] = value,
            Err(_) => parent[key] = value,
        }
    }
    serde_json::from_value(object).unwrap()
}

#[test]
fn every_rule_refuses_what_it_is_for_with_its_own_message() {
    const APPLICATION: &str = "/spec/agent/grants/0/applications/0";
    let bad = vec![
        (agent("/metadata/name", json!("n".repeat(64))), "at most 63 characters"),
        (agent("/spec/agent", Value::Null), "side: Agent needs the block agent"),
        (agent("/spec/principal", json!({})), "the block principal has no meaning with side: Agent"),
        (principal("/spec/agent", json!({"grants": [{}]})), "the block agent has no meaning with side: Principal"),
        (agent("/spec/agent/deployment", json!("Agent")), "must be the name of a Deployment"),
        (agent(&format!("{APPLICATION}/project"), json!("a/b")), "project must be a project's name"),
        (agent(&format!("{APPLICATION}/name"), json!("[ab]")), "name must be an application's name"),
        (agent(&format!("{APPLICATION}/namespace"), json!("team-*")), "namespace must be the name of a namespace"),
        (agent("/spec/agent/grants/0/namespaces/selector", json!({})), "would select every namespace"),
        (agent("/spec/validity/notAfter", json!("2026-06-01T08:00:00Z")), "notBefore must be earlier than notAfter"),
        (agent("/spec/schedule/0/to", json!("08:00")), "from and to must differ"),
        (agent("/spec/reason", json!("two\nlines")), "one line without control characters"),
        (principal("/spec/principal/redisAddress", json!("redis")), "must be a host and a port"),
        (principal("/spec/principal/redisAddress", json!("a b:6379")), "must be a host and a port"),
        (principal("/spec/principal/probe", json!({"mode": "ClientCertificate"})), "needs probe.agents"),
        (principal("/spec/principal/probe", json!({"mode": "ClientCertificate", "agents": []})), "needs probe.agents"),
        (principal("/spec/principal/probe", json!({"agents": ["a"]})), "probe.agents has no meaning with probe.mode: None"),
    ];
    let change = kube::core::cel::validate_cel_update(&principal("", Value::Null), &agent("", Value::Null)).unwrap_err();
    let mut met: std::collections::BTreeSet<String> = change.iter().map(|e| e.message.clone()).collect();
    assert!(met.iter().any(|m| m.contains("side cannot be changed")), "{met:?}");
    assert!(kube::core::cel::validate_cel_update(&agent("/spec/suspend", json!(true)), &agent("", Value::Null)).is_ok());
    for (object, words) in bad {
        let said = refusals(&object);
        assert!(said.iter().any(|m| m.contains(words)), "{words}: {said:?} of {object:?}");
        met.extend(said);
    }
    let mut all = Vec::new();
    rules(&schema::<LiveResourceAccess>(), "", &mut all);
    assert!(all.len() > 14, "{}", all.len());
    for (at, message) in all {
        assert!(met.contains(&message), "nothing here is refused by the rule of {at}: {message}");
    }
}

#[test]
fn every_rule_accepts_what_is_good() {
    let good = vec![
        agent("", Value::Null),
        principal("", Value::Null),
        principal("/spec/principal", Value::Null),
        principal("/spec/principal", json!({})),
        principal("/spec/principal/redisAddress", json!("redis.argocd.svc.cluster.local:16379")),
        principal("/spec/principal/probe", json!({"agents": []})),
        agent("/spec/agent", json!({"grants": [{}]})),
        agent("/spec/agent/deployment", Value::Null),
        agent("/spec/agent/grants/0/applications/0/namespace", json!("*")),
        agent("/spec/principal", Value::Null),
    ];
    for object in good {
        assert_eq!(refusals(&object), Vec::<String>::new(), "{object:?}");
    }
}

#[test]
fn what_is_left_out_is_the_least() {
    let spec = agent("/spec/agent", json!({"grants": [{}]})).spec;
    let block = spec.agent.unwrap();
    let grant = &block.grants[0];
    assert_eq!((spec.side, spec.mode, spec.suspend), (Side::Agent, Mode::Enforce, false));
    assert_eq!(grant.features, [Feature::View, Feature::Events]);
    assert_eq!((grant.precision, grant.cluster_scoped, grant.secrets), (Precision::Kind, ClusterScoped::None, Secrets::None));
    assert_eq!((grant.applications[0].project.as_str(), grant.applications[0].name.as_str(), grant.applications.len()), ("*", "*", 1));
    assert!(grant.sensitive.is_empty() && grant.namespaces.names.is_empty() && grant.namespaces.selector.is_none());
    assert_eq!(block.protected_namespaces, ["kube-system", "kube-public", "kube-node-lease"]);
    let principal = principal("/spec/principal", json!({})).spec.principal.unwrap();
    assert_eq!((principal.redis_proxy, principal.network_policy, principal.probe.mode), (Automatic::Auto, Automatic::Auto, ProbeMode::None));
    assert_eq!(principal, super::live_resource_access::PrincipalAccess::default());
    assert_eq!(*grant, super::live_resource_access::LiveGrant::default());
}

#[test]
fn a_whole_object_survives_yaml() {
    for object in [agent("", Value::Null), principal("", Value::Null)] {
        let yaml = serde_yaml::to_string(&object).unwrap();
        assert_eq!(serde_yaml::from_str::<LiveResourceAccess>(&yaml).unwrap(), object);
    }
}
