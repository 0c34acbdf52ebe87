//! How an object goes, and what it owes when something cannot be handed back.

use serde_json::json;

use super::fixtures::{SPEC, not_seen};
use super::simulator::{Sim, argocd_cm, exec_access, rbac_cm};
use crate::api::ABANDON;
use crate::exec::World;

fn blind_and_deleted(blind: fn(&mut World)) -> Sim {
    let mut sim = Sim::stock();
    sim.grant("team", SPEC);
    blind(&mut sim.world);
    sim.delete("team");
    sim
}

#[test]
fn what_cannot_be_handed_back_holds_the_object_however_often_it_is_reported() {
    type Blind = fn(&mut World);
    for (blind, kind) in [
        ((|w| w.rbac_cm = not_seen("configmaps of policy")) as Blind, "configmaps of policy"),
        (|w| w.argocd_cm = not_seen("configmaps of settings"), "configmaps of settings"),
        (|w| w.role_bindings = not_seen("rolebindings"), "rolebindings"),
        (|w| w.ingresses = not_seen("ingresses"), "ingresses"),
    ] {
        let mut sim = blind_and_deleted(blind);
        for _ in 0..6 {
            sim.round();
        }
        assert_eq!(sim.world.accesses.len(), 1, "{kind}: let go although something is left behind");
        let message = sim.message("team", "Active");
        assert!(message.contains(kind) && message.contains(ABANDON), "{message}");
    }
}

#[test]
fn what_can_be_handed_back_is_even_while_the_rest_cannot() {
    let mut sim = blind_and_deleted(|w| w.ingresses = not_seen("ingresses"));
    sim.settle();
    assert!(!sim.data(&rbac_cm()).contains_key("policy.argocd-access.team.csv"));
    assert!(sim.bound().is_empty() && !sim.data(&argocd_cm()).contains_key("exec.enabled"));
}

#[test]
fn when_the_sight_comes_back_the_object_goes_and_nothing_is_left() {
    let mut sim = blind_and_deleted(|_| {});
    let seen = sim.world.rbac_cm.clone();
    sim.world.rbac_cm = not_seen("configmaps");
    for _ in 0..4 {
        sim.round();
    }
    assert_eq!(sim.world.accesses.len(), 1);
    sim.world.rbac_cm = seen;
    sim.settle();
    assert!(sim.world.accesses.is_empty());
    assert!(!sim.data(&rbac_cm()).contains_key("policy.argocd-access.team.csv"));
}

#[test]
fn abandoning_lets_it_go_at_once() {
    let mut sim = blind_and_deleted(|w| w.rbac_cm = not_seen("configmaps"));
    sim.round();
    sim.edit("kubectl", &exec_access("team"), &json!({"metadata": {"annotations": {ABANDON: "false"}}}));
    sim.settle();
    assert_eq!(sim.world.accesses.len(), 1, "only the word true abandons");
    sim.edit("kubectl", &exec_access("team"), &json!({"metadata": {"annotations": {ABANDON: "true"}}}));
    sim.settle();
    assert!(sim.world.accesses.is_empty());
}

#[test]
fn what_was_never_set_is_never_owed() {
    let mut sim = Sim::stock();
    sim.world.ingresses = not_seen("ingresses");
    sim.world.argocd_cm = not_seen("configmaps");
    sim.grant("team", SPEC);
    sim.delete("team");
    sim.settle();
    assert!(sim.world.accesses.is_empty());
    let mut sim = Sim::stock();
    sim.grant("bad", &SPEC.replace("{subjects", "{roleName: admin, subjects"));
    sim.world.rbac_cm = not_seen("configmaps");
    sim.delete("bad");
    sim.settle();
    assert!(sim.world.accesses.is_empty());
}

#[test]
fn suspending_withdraws_everything_but_the_object() {
    let mut sim = Sim::stock();
    let before = sim.shared();
    sim.grant("team", SPEC);
    sim.grant("team", &SPEC.replace("{subjects", "{suspend: true, subjects"));
    assert_eq!(sim.shared(), before);
    assert_eq!(sim.says("team", "Ready"), ("False".to_owned(), "Suspended".to_owned()));
    sim.grant("team", SPEC);
    assert_eq!(sim.says("team", "Ready").0, "True");
}

#[test]
fn a_missing_target_counts_as_handed_back() {
    let mut sim = Sim::stock();
    sim.grant("team", SPEC);
    sim.put(&argocd_cm(), None);
    sim.world.ingresses = Ok(Vec::new());
    sim.world.deployments = Ok(Vec::new());
    sim.delete("team");
    sim.settle();
    assert!(sim.world.accesses.is_empty());
}

#[test]
fn a_foreign_finalizer_stays() {
    let mut sim = Sim::stock();
    sim.declare("team", SPEC);
    sim.edit("kubectl", &exec_access("team"), &json!({"metadata": {"finalizers": ["example.com/mine"]}}));
    sim.settle();
    sim.delete("team");
    sim.settle();
    assert_eq!(sim.get(&exec_access("team")).unwrap()["metadata"]["finalizers"], json!(["example.com/mine"]));
}

#[test]
fn a_stale_plan_writes_nothing() {
    let mut sim = Sim::stock();
    sim.grant("team", SPEC);
    sim.delete("team");
    let stale = sim.plan();
    sim.edit("kubectl", &rbac_cm(), &json!({"data": {"policy.csv": "g, x, role:ops"}}));
    let write = stale.writes.iter().find(|w| w.target == rbac_cm()).unwrap();
    assert!(sim.send(write).unwrap_err().contains("conflict"));
    let bindings = sim.bound();
    sim.settle();
    assert_ne!(sim.bound(), bindings);
}
