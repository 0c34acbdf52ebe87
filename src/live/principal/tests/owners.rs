//! `redis.server` belongs to somebody else as much as every other value: the table of owners holds.

use serde_json::json;

use super::simulator::{PROXY, Sim, ours, params, policy, said};
use crate::config::ConflictPolicy;
use crate::ownership::before::ANNOTATION;

const FORMER: &str = "argocd-redis-ha-haproxy:6379";

fn owned(manager: &str, metadata: &serde_json::Value) -> Sim {
    let mut sim = Sim::new();
    sim.edit(manager, &params(), &json!({"metadata": metadata, "data": {"redis.server": FORMER, "other": "x"}}));
    sim
}

#[test]
fn a_value_of_somebody_else_is_treated_as_the_table_says() {
    let helm = json!({"labels": {"app.kubernetes.io/managed-by": "Helm"}, "annotations": {"meta.helm.sh/release-name": "cd"}});
    let git = json!({"annotations": {"argocd.argoproj.io/tracking-id": "cd:/ConfigMap:argocd/argocd-cmd-params-cm"}});
    let operated = json!({"ownerReferences": [{"apiVersion": "argoproj.io/v1beta1", "kind": "ArgoCD", "name": "cd", "uid": "u"}]});
    for (manager, metadata, policy, is_set, told) in [
        ("kubectl", &json!({}), ConflictPolicy::Auto, true, ""),
        ("kubectl", &json!({}), ConflictPolicy::Defer, false, "kubectl"),
        ("helm", &helm, ConflictPolicy::Auto, true, ""),
        ("helm", &helm, ConflictPolicy::Defer, false, "configs.params.\"redis.server\": \"argocd-agent-redis-proxy:6379\""),
        ("argocd-controller", &git, ConflictPolicy::Auto, false, "in Git, set data.\"redis.server\" of ConfigMap argocd-cmd-params-cm"),
        ("argocd-controller", &git, ConflictPolicy::Force, true, ""),
        ("argocd-operator", &operated, ConflictPolicy::Auto, false, r#"{"spec":{"cmdParams":{"redis.server":"argocd-agent-redis-proxy:6379"}}}"#),
    ] {
        let mut sim = owned(manager, metadata);
        sim.world.settings.conflict_policy = policy;
        let before = sim.core(&params());
        sim.declare("hub", "{}", &json!({}));
        sim.settle();
        assert_eq!(sim.redis() == Some(PROXY), is_set, "{manager} {policy:?}");
        if is_set {
            assert_eq!(sim.ready("hub"), "Ready", "{manager}: {}", sim.message("hub", "Ready"));
        } else {
            assert_eq!(sim.condition("hub", "RedisProxyConfigured"), said("False", "OwnedByOther"), "{manager} {policy:?}");
            let message = sim.message("hub", "RedisProxyConfigured");
            assert!(message.contains(told), "{message}");
            assert_eq!((sim.core(&params()), sim.template()), (before.clone(), None), "nothing is touched");
        }
        sim.delete("hub");
        sim.settle();
        assert_eq!(sim.core(&params()), before, "{manager} {policy:?}");
    }
}

#[test]
fn a_helm_release_meets_no_manager_of_ours_while_it_is_set() {
    let helm = json!({"labels": {"app.kubernetes.io/managed-by": "Helm"}, "annotations": {"meta.helm.sh/release-name": "cd"}});
    let mut sim = owned("helm", &helm);
    sim.declare("hub", "{}", &json!({}));
    sim.settle();
    let object = &sim.objects[&params()];
    let managers: Vec<&str> = object["metadata"]["managedFields"].as_array().unwrap().iter().filter_map(|m| m["manager"].as_str()).collect();
    assert_eq!(managers, ["helm"]);
    assert!(object["metadata"]["annotations"][ANNOTATION].is_string());
    let restarts = |sim: &Sim| sim.sent.iter().filter(|w| w.why.contains("restart")).count();
    sim.edit("helm", &params(), &json!({"data": {"redis.server": FORMER}}));
    sim.settle();
    assert_eq!((sim.redis(), restarts(&sim)), (Some(PROXY), 1), "put back after an upgrade, and the pods have it already");
}

#[test]
fn a_value_that_stands_there_already_is_never_claimed() {
    let mut sim = Sim::new();
    sim.edit("kubectl", &params(), &json!({"data": {"redis.server": PROXY}}));
    let before = sim.objects[&params()].clone();
    sim.declare("hub", "{}", &json!({}));
    sim.settle();
    assert_eq!((sim.ready("hub").as_str(), sim.template()), ("Ready", None), "nor is anything restarted for it");
    sim.delete("hub");
    sim.settle();
    assert_eq!(sim.objects[&params()], before);
}

#[test]
fn of_somebody_elses_value_it_is_said_when_the_pods_may_not_know_it() {
    let mut sim = Sim::new();
    sim.edit("kubectl", &params(), &json!({"data": {"redis.server": PROXY}}));
    let mut object = sim.objects[&params()].clone();
    object["metadata"]["managedFields"][0]["time"] = json!("2026-06-01T11:00:00Z");
    sim.put(&params(), object);
    sim.declare("hub", "{}", &json!({}));
    sim.settle();
    assert_eq!((sim.condition("hub", "RedisProxyConfigured"), sim.template()), (said("Unknown", "RestartPending"), None));
    sim.roll("2026-06-01T11:00:01Z".parse().unwrap());
    sim.settle();
    assert_eq!(sim.ready("hub"), "Ready");
}

#[test]
fn one_who_keeps_rewriting_it_is_named_and_left_alone() {
    let mut sim = Sim::new();
    sim.declare("hub", "{}", &json!({}));
    sim.settle();
    for _ in 0..4 {
        sim.edit("rival", &params(), &json!({"data": {"redis.server": FORMER}}));
        sim.settle();
    }
    assert_eq!((sim.redis(), sim.condition("hub", "RedisProxyConfigured")), (Some(FORMER), said("False", "Contended")));
    assert!(sim.message("hub", "RedisProxyConfigured").contains("rival"));
    let restarts = sim.sent.iter().filter(|w| w.why.contains("restart")).count();
    assert_eq!(restarts, 1, "a quarrel over the value restarts nothing");
    sim.delete("hub");
    sim.settle();
    assert_eq!(sim.redis(), Some(FORMER), "their value is theirs");
}

#[test]
fn what_a_memory_says_of_other_keys_is_not_believed() {
    use crate::ownership::{Before, Record};
    let mut sim = Sim::new();
    let forged = Record { before: Some("evil:1".to_owned()), ours: "x".to_owned(), at: "2026-06-01T11:00:00Z".to_owned(), lost: false };
    let fields = [("data/other".to_owned(), forged.clone()), ("data/exec.enabled".to_owned(), forged)].into();
    let text = Before { fields }.write("uid-argocd-cmd-params-cm").unwrap();
    sim.edit("eve", &params(), &json!({"metadata": {"annotations": {ANNOTATION: text}}, "data": {"other": "x", "exec.enabled": "x"}}));
    sim.declare("hub", "{}", &json!({}));
    sim.settle();
    sim.delete("hub");
    sim.settle();
    assert_eq!(sim.objects[&params()]["data"], json!({"other": "x", "exec.enabled": "x"}));
}

#[test]
fn a_lost_memory_does_not_leave_the_address_behind() {
    let mut sim = Sim::new();
    sim.declare("hub", "{}", &json!({}));
    sim.settle();
    sim.edit("eve", &params(), &json!({"metadata": {"annotations": {ANNOTATION: null}}}));
    sim.world.contests = crate::reconcile::contests::Contests::default();
    sim.settle();
    assert_eq!(sim.redis(), Some(PROXY));
    sim.delete("hub");
    sim.settle();
    assert_eq!((sim.redis(), sim.template()), (None, None));
}

#[test]
fn a_network_policy_of_somebody_else_with_our_name_is_left_alone_and_said() {
    let mut sim = Sim::new();
    sim.put(&policy(super::plan::CLOSED), super::plan::closed());
    let mut theirs = super::plan::closed();
    theirs["metadata"]["name"] = json!("argocd-access-resource-proxy");
    theirs["metadata"]["labels"] = json!({"argocd-access.dev/instance": "another"});
    sim.put(&ours(), theirs);
    let before = sim.objects[&ours()].clone();
    sim.declare("hub", "{}", &json!({}));
    sim.settle();
    assert_eq!(sim.condition("hub", "NetworkReady"), said("False", "ForeignObject"));
    sim.delete("hub");
    sim.settle();
    assert_eq!(sim.objects[&ours()], before);
}

#[test]
fn ours_goes_with_the_last_policy_of_others_or_it_would_shut_the_principal_off() {
    let mut sim = Sim::new();
    sim.declare("hub", "{}", &json!({}));
    sim.settle();
    assert_eq!((sim.condition("hub", "NetworkReady"), sim.objects.contains_key(&ours())), (said("True", "NoPolicy"), false));
    sim.put(&policy(super::plan::CLOSED), super::plan::closed());
    sim.settle();
    assert!(sim.objects.contains_key(&ours()));
    let mut wider = super::plan::closed();
    wider["spec"]["ingress"] = json!([{}]);
    sim.put(&policy("wider"), wider);
    sim.settle();
    assert_eq!((sim.condition("hub", "NetworkReady"), sim.objects.contains_key(&ours())), (said("True", "Open"), false));
    sim.objects.remove(&policy("wider"));
    sim.settle();
    assert!(sim.objects.contains_key(&ours()));
    sim.objects.remove(&policy(super::plan::CLOSED));
    sim.settle();
    assert!(!sim.objects.contains_key(&ours()));
}

#[test]
fn what_somebody_made_of_ours_is_mended() {
    let mut sim = Sim::new();
    sim.put(&policy(super::plan::CLOSED), super::plan::closed());
    sim.declare("hub", "{}", &json!({}));
    sim.settle();
    let before = sim.objects[&ours()]["spec"].clone();
    sim.edit("eve", &ours(), &json!({"spec": {"ingress": [{}]}}));
    sim.settle();
    assert_eq!(sim.objects[&ours()]["spec"], before);
}

#[test]
fn the_port_is_the_one_to_which_the_service_leads() {
    let mut sim = Sim::new();
    sim.put(&policy(super::plan::CLOSED), super::plan::closed());
    let mut named = super::simulator::service("argocd-agent-resource-proxy", 9090);
    named["spec"]["ports"][0]["targetPort"] = json!("resource-proxy");
    sim.add_service("argocd-agent-resource-proxy", named.clone());
    sim.declare("hub", "{}", &json!({}));
    sim.settle();
    assert_eq!(sim.objects[&ours()]["spec"]["ingress"][0]["ports"][0]["port"], 9090);
    named["spec"]["ports"][0]["targetPort"] = json!(19090);
    sim.add_service("argocd-agent-resource-proxy", named);
    sim.settle();
    assert_eq!(sim.objects[&ours()]["spec"]["ingress"][0]["ports"][0]["port"], 19090);
}
