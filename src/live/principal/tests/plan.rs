//! Given, kept, withdrawn and handed back.

use std::sync::Arc;

use serde_json::json;

use super::simulator::{PROXY, Sim, ours, params, policy, principal, said, server, unseen};
use crate::api::{LiveResourceAccessStatus, STOP};
use crate::config::RestartServer;
use crate::reconcile::unreadable::Unreadable;
use crate::reconcile::write::{Direction, Kind};

pub const CLOSED: &str = "closed";

/// A policy as argocd-agent's own manifests bring it: it selects the principal, and admits nothing on 9090.
pub fn closed() -> serde_json::Value {
    json!({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": CLOSED, "namespace": "argocd"},
        "spec": {"podSelector": {"matchLabels": {"app.kubernetes.io/name": "argocd-agent-principal"}}, "policyTypes": ["Ingress"],
            "ingress": [{"from": [{"podSelector": {"matchLabels": {"app.kubernetes.io/part-of": "argocd"}}}], "ports": [{"port": 6379, "protocol": "TCP"}]}]}})
}

fn given() -> Sim {
    let mut sim = Sim::new();
    sim.put(&policy(CLOSED), closed());
    sim.declare("hub", "{}", &json!({}));
    sim.settle();
    sim
}

#[test]
fn the_address_is_set_argocd_server_restarted_once_and_let_through() {
    let mut sim = given();
    assert_eq!((sim.redis(), sim.template()), (Some(PROXY), Some(PROXY)));
    let spec = &sim.objects[&ours()]["spec"];
    assert_eq!(spec["ingress"][0]["from"][0]["podSelector"]["matchLabels"], json!({"app.kubernetes.io/name": "argocd-server"}));
    assert_eq!(spec["ingress"][0]["ports"], json!([{"port": 9090, "protocol": "TCP"}]));
    for kind in ["Accepted", "Active", "InstanceReady", "RedisProxyConfigured", "NetworkReady", "Ready"] {
        assert_eq!(sim.condition("hub", kind).0, "True", "{kind}: {}", sim.message("hub", kind));
    }
    assert_eq!(sim.condition("hub", "AgentReachable"), said("Unknown", "NotProbed"));
    assert!(sim.message("hub", "Ready").contains("not verified: AgentReachable"));
    let restarts = sim.sent.iter().filter(|w| w.target == server() && w.why.contains("restart")).count();
    assert_eq!(restarts, 1);
    assert!(sim.settle().is_empty(), "a steady state costs nothing");
    sim.world.contests = crate::reconcile::contests::Contests::default();
    assert!(sim.settle().is_empty(), "nor does a new process");
    assert!(!sim.objects[&server()].to_string().contains("\"argocd-access\""), "no managedFields entry on the Deployment");
}

#[test]
fn deleting_gives_everything_back_as_it_was_and_restarts_once_more() {
    for former in [json!({}), json!({"redis.server": "", "a": "b"}), json!({"redis.server": "argocd-redis-ha-haproxy:6379"})] {
        let mut sim = Sim::new();
        sim.put(&policy(CLOSED), closed());
        sim.edit("kubectl", &params(), &json!({"data": former}));
        let before = [params(), server(), ours(), policy(CLOSED)].map(|t| sim.core(&t));
        sim.declare("hub", "{}", &json!({}));
        sim.settle();
        assert_eq!(sim.redis(), Some(PROXY));
        let started = sim.sent.len();
        sim.delete("hub");
        sim.settle();
        assert_eq!([params(), server(), ours(), policy(CLOSED)].map(|t| sim.core(&t)), before, "{former}");
        assert!(sim.world.accesses.is_empty());
        let restarts = sim.sent[started..].iter().filter(|w| w.target == server() && w.why.contains("restart")).count();
        assert_eq!(restarts, 1, "the pods that were started with the address go");
        let order: Vec<Kind> = sim.sent[started..].iter().map(|w| w.target.kind).collect();
        assert_eq!(order.last(), Some(&Kind::LiveResourceAccess), "the finalizer goes last: {order:?}");
    }
}

#[test]
fn suspended_stopped_expired_and_observing_nothing_is_set() {
    for (more, reason) in [
        (json!({"suspend": true}), "Suspended"),
        (json!({"validity": {"notAfter": "2026-06-01T11:00:00Z"}}), "Expired"),
        (json!({"mode": "Observe"}), "Observing"),
    ] {
        let mut sim = given();
        sim.declare("hub", "{}", &more);
        sim.settle();
        assert_eq!((sim.redis(), sim.template()), (None, None), "{more}");
        assert!(!sim.objects.contains_key(&ours()));
        for kind in ["Active", "RedisProxyConfigured", "NetworkReady", "AgentReachable", "Ready"] {
            assert_eq!(sim.condition("hub", kind), said("False", reason), "{more}: {kind}");
        }
    }
    let mut sim = given();
    let stopped = json!({"metadata": {"name": "argocd-cm", "annotations": {STOP: "why"}}});
    sim.world.argocd_cm = Ok(Some(Arc::new(serde_json::from_value(stopped).unwrap())));
    sim.settle();
    assert_eq!((sim.redis(), sim.condition("hub", "Active").1.as_str()), (None, "Stopped"));
    sim.world.argocd_cm = Ok(None);
    sim.settle();
    assert_eq!(sim.redis(), Some(PROXY));
    sim.world.settings.live.enabled = false;
    sim.settle();
    assert_eq!((sim.redis(), sim.is_held("hub"), sim.ready("hub").as_str()), (None, false, "NotEnabled"));
}

#[test]
fn windows_open_and_close_the_network_and_restart_nothing() {
    let mut sim = Sim::new();
    sim.put(&policy(CLOSED), closed());
    sim.declare("hub", "{}", &json!({"schedule": [{"days": ["Mon"], "from": "08:00", "to": "18:00"}]}));
    sim.settle();
    assert!(sim.objects.contains_key(&ours()));
    sim.now = sim.plan().next.unwrap();
    let sent = sim.settle();
    assert!(!sim.objects.contains_key(&ours()) && sent.iter().all(|w| w.target == ours()), "{sent:#?}");
    assert_eq!((sim.redis(), sim.condition("hub", "NetworkReady")), (Some(PROXY), said("False", "OutsideSchedule")));
}

#[test]
fn observing_announces_what_enforcing_then_does() {
    let mut sim = Sim::new();
    sim.put(&policy(CLOSED), closed());
    sim.declare("hub", "{}", &json!({"mode": "Observe"}));
    assert!(sim.settle().is_empty(), "nothing is written, no finalizer either");
    let announced: Vec<(String, Option<String>)> = sim.statuses["hub"].changes.iter().map(|c| (c.object.clone(), c.to.clone())).collect();
    sim.declare("hub", "{}", &json!({}));
    let sent = sim.settle();
    let mut done: Vec<String> = sent
        .iter()
        .filter(|w| w.target.kind != Kind::LiveResourceAccess && w.direction != Direction::Keep || w.why.contains("restart"))
        .map(|w| w.target.to_string())
        .collect();
    done.sort();
    assert_eq!(announced.iter().map(|(object, _)| object.clone()).collect::<Vec<_>>(), done);
    assert!(announced.iter().any(|(_, to)| to.as_deref() == Some(PROXY)) && sim.statuses["hub"].changes.is_empty());
}

#[test]
fn without_its_service_the_address_is_not_set_and_what_stands_stays() {
    type Spoil = fn(&mut Sim);
    let spoil: [Spoil; 3] = [
        |sim| sim.remove_service("argocd-agent-redis-proxy"),
        |sim| sim.add_service("argocd-agent-redis-proxy", super::simulator::service("argocd-agent-redis-proxy", 6380)),
        |sim| {
            let mut other = super::simulator::service("argocd-agent-redis-proxy", 6379);
            other["spec"]["selector"] = json!({"app": "of-somebody-else"});
            sim.add_service("argocd-agent-redis-proxy", other);
        },
    ];
    for spoil in spoil {
        let mut sim = Sim::new();
        spoil(&mut sim);
        sim.declare("hub", "{}", &json!({}));
        sim.settle();
        assert_eq!((sim.redis(), sim.template()), (None, None));
        assert_eq!(sim.condition("hub", "RedisProxyConfigured"), said("False", "ServiceMissing"));
        let mut sim = given();
        spoil(&mut sim);
        assert!(sim.settle().is_empty());
        assert_eq!(sim.condition("hub", "RedisProxyConfigured"), said("False", "ServiceMissing"));
        sim.delete("hub");
        sim.settle();
        assert_eq!((sim.redis(), sim.template()), (None, None));
    }
    for address in ["elsewhere.example.com:6379", "argocd-agent-redis-proxy.other.svc:6379"] {
        let mut sim = Sim::new();
        sim.declare("hub", &format!("{{redisAddress: '{address}'}}"), &json!({}));
        sim.settle();
        assert_eq!((sim.redis(), sim.condition("hub", "RedisProxyConfigured").1.as_str()), (None, "ServiceMissing"), "{address}");
    }
    let mut sim = Sim::new();
    sim.declare("hub", "{redisAddress: 'argocd-agent-redis-proxy.argocd.svc.cluster.local:6379'}", &json!({}));
    sim.settle();
    assert_eq!(sim.redis(), Some("argocd-agent-redis-proxy.argocd.svc.cluster.local:6379"));
}

#[test]
fn where_the_operator_may_not_restart_it_says_so_and_a_hand_is_enough() {
    for (block, settings) in [("{}", RestartServer::Never), ("{restart: Never}", RestartServer::WhenNeeded)] {
        let mut sim = Sim::new();
        sim.world.settings.restart_server = settings;
        sim.declare("hub", block, &json!({}));
        sim.settle();
        assert_eq!((sim.redis(), sim.template()), (Some(PROXY), None));
        assert_eq!(sim.condition("hub", "RedisProxyConfigured"), said("False", "RestartPending"));
        assert!(sim.message("hub", "RedisProxyConfigured").contains("kubectl -n argocd rollout restart deployment/argocd-server"));
        sim.world.contests = crate::reconcile::contests::Contests::default();
        sim.settle();
        assert_eq!(sim.ready("hub"), "RestartPending", "known to the next process as well");
        sim.roll(sim.now);
        sim.settle();
        assert_eq!(sim.ready("hub"), "Ready");
        sim.delete("hub");
        sim.settle();
        assert_eq!(sim.redis(), None);
    }
}

#[test]
fn a_restart_that_is_under_way_is_waited_for_and_one_who_takes_the_annotation_out_causes_none() {
    let mut sim = Sim::new();
    sim.rolls = false;
    sim.declare("hub", "{}", &json!({}));
    sim.settle();
    assert_eq!((sim.template(), sim.ready("hub").as_str()), (Some(PROXY), "RestartPending"));
    sim.roll(sim.now);
    sim.settle();
    assert_eq!(sim.ready("hub"), "Ready");
    sim.rolls = true;
    sim.edit("argocd-operator", &server(), &json!({"spec": {"template": {"metadata": {"annotations": null}}}}));
    assert!(sim.settle().is_empty());
    assert_eq!((sim.template(), sim.ready("hub").as_str()), (None, "Ready"));
}

#[test]
fn without_sight_nothing_is_given_and_nothing_taken_that_is_still_declared() {
    type Hide = fn(&mut Sim);
    let hide: [(&str, Hide); 4] = [
        ("argocd-cm", |sim| sim.world.argocd_cm = unseen()),
        ("Deployments", |sim| sim.world.deployments = unseen()),
        ("Services", |sim| sim.world.services = unseen()),
        ("ConfigMaps", |sim| sim.world.config_maps = unseen()),
    ];
    for (what, hide) in hide {
        let mut sim = Sim::new();
        sim.put(&policy(CLOSED), closed());
        hide(&mut sim);
        sim.declare("hub", "{}", &json!({}));
        for _ in 0..4 {
            sim.step();
        }
        assert_eq!(sim.redis(), None, "{what}");
        assert_eq!(sim.condition("hub", "RedisProxyConfigured").0, "Unknown", "{what}");
        let mut sim = given();
        hide(&mut sim);
        assert!(sim.settle().is_empty(), "{what}");
        assert_eq!((sim.redis(), sim.objects.contains_key(&ours())), (Some(PROXY), true), "{what}");
    }
    let mut sim = given();
    (sim.world.params_cm, sim.world.network_policies) = (unseen(), unseen());
    sim.delete("hub");
    for _ in 0..3 {
        sim.step();
    }
    assert!(sim.is_held("hub"), "what cannot be seen cannot be handed back");
    (sim.world.params_cm, sim.world.network_policies) = (Ok(None), Ok(Vec::new()));
    sim.settle();
    assert_eq!((sim.redis(), sim.world.accesses.len()), (None, 0));
}

#[test]
fn an_object_that_cannot_be_parsed_keeps_what_it_has_within_its_validity() {
    let mut sim = given();
    let access = sim.world.accesses.remove(0);
    let until = json!({"spec": {"validity": {"notAfter": "2026-06-01T13:00:00Z"}}});
    sim.world.unreadable = vec![Unreadable::new::<LiveResourceAccessStatus>(access.metadata.clone(), "later version".to_owned(), &until)];
    assert!(sim.settle().is_empty());
    assert_eq!((sim.redis(), sim.template()), (Some(PROXY), Some(PROXY)));
    sim.now = sim.plan().next.unwrap();
    sim.settle();
    assert_eq!((sim.redis(), sim.template()), (None, None));
}

#[test]
fn the_oldest_decides_over_the_address_and_the_last_one_hands_it_back() {
    let mut sim = given();
    sim.add_service("other", super::simulator::service("other", 6379));
    sim.declare("second", "{redisAddress: 'other:6379'}", &json!({}));
    sim.settle();
    assert_eq!((sim.redis(), sim.condition("second", "RedisProxyConfigured")), (Some(PROXY), said("False", "Conflict")));
    sim.delete("hub");
    sim.settle();
    assert_eq!((sim.redis(), sim.template(), sim.ready("second").as_str()), (Some("other:6379"), Some("other:6379"), "Ready"));
    sim.declare("second", "{redisProxy: None, networkPolicy: None}", &json!({}));
    sim.settle();
    assert_eq!((sim.redis(), sim.template()), (None, None));
    assert_eq!(sim.condition("second", "RedisProxyConfigured"), said("Unknown", "NotManaged"));
    assert_eq!(sim.condition("second", "NetworkReady"), said("False", "Blocked"));
}

#[test]
fn killed_at_any_write_and_started_again_it_ends_in_the_same_state() {
    let end = given();
    let start = {
        let mut sim = Sim::new();
        sim.put(&policy(CLOSED), closed());
        sim
    };
    for killed_at in 0..9 {
        let mut sim = Sim::new();
        sim.put(&policy(CLOSED), closed());
        sim.declare("hub", "{}", &json!({}));
        sim.killed_after(killed_at);
        sim.settle();
        assert_eq!((sim.redis(), sim.template()), (end.redis(), end.template()), "killed after {killed_at}");
        assert_eq!(sim.core(&ours())["spec"], end.core(&ours())["spec"]);
        sim.delete("hub");
        sim.killed_after(killed_at);
        sim.settle();
        for target in [params(), server(), ours(), principal()] {
            assert_eq!(sim.core(&target), start.core(&target), "killed after {killed_at}");
        }
        assert!(sim.world.accesses.is_empty());
    }
}
