//! In which order things are given and taken.

use super::fixtures::SPEC;
use super::simulator::{Sim, argocd_cm, binding_in, exec_access, rbac_cm};
use crate::reconcile::{Direction, Kind, Layer};

fn layers(writes: &[crate::reconcile::Write], direction: Direction) -> Vec<Layer> {
    writes.iter().filter(|w| w.direction == direction).map(|w| w.layer).collect()
}

#[test]
fn the_finalizer_is_written_before_anything_shared() {
    let mut sim = Sim::stock();
    let writes = sim.grant("team", SPEC);
    assert_eq!((writes[0].target.kind, writes[0].layer), (Kind::ExecAccess, Layer::Finalizer));
    assert!(writes[1..].iter().all(|w| w.target.kind != Kind::ExecAccess));
}

#[test]
fn a_grant_ends_with_the_policy_lines() {
    let mut sim = Sim::stock();
    let writes = sim.grant("team", SPEC);
    assert_eq!(layers(&writes, Direction::Widen), [Layer::Server, Layer::Flag, Layer::Ingress, Layer::Policy]);
    assert_eq!(sim.bound(), ["shop"]);
    assert_eq!(sim.data(&argocd_cm())["exec.enabled"], "true");
    assert_eq!(sim.says("team", "Ready"), ("True".to_owned(), "Ready".to_owned()));
}

#[test]
fn a_withdrawal_begins_with_the_policy_lines_and_ends_with_the_finalizer() {
    let mut sim = Sim::stock();
    sim.grant("team", SPEC);
    sim.delete("team");
    let writes = sim.settle();
    assert_eq!(layers(&writes, Direction::Narrow), [Layer::Policy, Layer::Server, Layer::Flag, Layer::Ingress]);
    assert_eq!(writes.last().unwrap().target, exec_access("team"));
    assert!(sim.world.accesses.is_empty());
}

#[test]
fn while_anything_is_to_be_taken_away_nothing_is_given() {
    let mut sim = Sim::stock();
    sim.grant("old", SPEC);
    sim.grant("new", "{subjects: [{kind: Group, name: b}], applications: [{project: lab}]}");
    sim.declare("new", "{subjects: [{kind: Group, name: c}], applications: [{project: bank}]}");
    sim.delete("old");
    // Not even in the same step: what cannot be taken away stops what would be given.
    assert!(sim.plan().writes.iter().any(|w| w.direction == Direction::Narrow));
    assert!(sim.plan().writes.iter().all(|w| w.direction != Direction::Widen));
    let mut given = false;
    for write in sim.settle() {
        given |= write.direction == Direction::Widen;
        assert!(!(given && write.direction == Direction::Narrow), "{write:?} after something was given");
    }
    assert!(given);
    assert_eq!(sim.bound(), ["bank"]);
}

#[test]
fn within_one_plan_the_writes_stand_in_their_order() {
    let mut sim = Sim::stock();
    sim.declare("a", SPEC);
    sim.declare("b", "{subjects: [{kind: Group, name: b}], applications: [{project: bank}]}");
    for _ in 0..6 {
        let plan = sim.plan();
        assert!(plan.writes.is_sorted_by_key(crate::reconcile::Write::order));
        sim.round();
    }
}

#[test]
fn an_object_without_its_finalizer_grants_nothing_yet_although_others_do() {
    let mut sim = Sim::stock();
    sim.grant("first", SPEC);
    sim.declare("second", "{subjects: [{kind: Group, name: b}], applications: [{project: bank}]}");
    sim.round();
    assert_eq!(sim.bound(), ["shop"]);
    assert!(!sim.data(&rbac_cm()).contains_key("policy.argocd-access.second.csv"));
    assert_eq!(sim.says("second", "Active").1, "Pending");
    sim.settle();
    assert_eq!(sim.bound(), ["bank", "shop"]);
}

#[test]
fn a_steady_state_costs_no_writes_and_the_same_world_gives_the_same_plan() {
    let mut sim = Sim::stock();
    sim.grant("team", SPEC);
    assert!(sim.plan().writes.is_empty());
    sim.now += jiff::SignedDuration::from_hours(100);
    assert!(sim.plan().writes.is_empty(), "time alone changes nothing");
    sim.edit("kubectl", &rbac_cm(), &serde_json::json!({"data": {"policy.argocd-access.team.csv": null}}));
    assert_eq!(format!("{:?}", sim.plan()), format!("{:?}", sim.plan()));
}

#[test]
fn what_somebody_removes_by_hand_comes_back() {
    let mut sim = Sim::stock();
    sim.grant("team", SPEC);
    let good = sim.shared();
    sim.put(&binding_in("shop"), None);
    sim.edit("kubectl", &rbac_cm(), &serde_json::json!({"data": {"policy.argocd-access.team.csv": "g, everybody, role:exec-access.team\n"}}));
    sim.edit("kubectl", &argocd_cm(), &serde_json::json!({"data": {"exec.enabled": "false"}}));
    sim.settle();
    assert_eq!(sim.bound(), ["shop"]);
    assert_eq!(sim.data(&argocd_cm())["exec.enabled"], "true");
    let key = |s: &std::collections::BTreeMap<String, serde_json::Value>| s["\"ConfigMap\" \"argocd\"/\"argocd-rbac-cm\""]["data"].clone();
    assert_eq!(key(&sim.shared()), key(&good));
}
