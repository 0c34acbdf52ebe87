//! An object that this version cannot read: what it has stays, nothing is added, and it can go.

use serde_json::json;

use super::fixtures::{SPEC, not_seen};
use super::simulator::{Sim, argocd_cm, rbac_cm};
use crate::api::{ABANDON, FINALIZER};
use crate::exec::world::Unreadable;

const KEY: &str = "policy.argocd-access.team.csv";

/// A granted object that a newer version has rewritten.
fn unreadable() -> Sim {
    let mut sim = Sim::stock();
    sim.grant("team", SPEC);
    let access = sim.world.accesses.remove(0);
    sim.world.unreadable = vec![Unreadable { metadata: access.metadata.clone(), error: "unknown variant".to_owned() }];
    sim
}

#[test]
fn what_it_has_stays_as_it_is() {
    let mut sim = unreadable();
    assert!(sim.settle().is_empty());
    assert!(sim.data(&rbac_cm()).contains_key(KEY));
    assert_eq!(sim.bound(), ["shop"]);
    assert_eq!(sim.data(&argocd_cm())["exec.enabled"], "true");
}

#[test]
fn it_is_not_given_back_what_somebody_took_from_it() {
    let mut sim = unreadable();
    sim.edit("kubectl", &rbac_cm(), &json!({"data": {KEY: null}}));
    sim.put(&super::simulator::binding_in("shop"), None);
    assert!(sim.settle().is_empty());
}

#[test]
fn the_others_go_on() {
    let mut sim = unreadable();
    sim.grant("other", "{subjects: [{kind: Group, name: b}], applications: [{project: bank}]}");
    assert_eq!(sim.says("other", "Ready").0, "True");
    sim.delete("other");
    sim.settle();
    assert!(sim.world.accesses.is_empty() && sim.data(&rbac_cm()).contains_key(KEY));
}

#[test]
fn nobody_may_take_its_role() {
    let mut sim = unreadable();
    sim.grant("other", "{subjects: [{kind: Group, name: b}], applications: [{project: bank}], roleName: exec-access.team}");
    assert_eq!(sim.says("other", "Accepted").1, "RoleNameTaken");
    assert!(!sim.data(&rbac_cm()).contains_key("policy.argocd-access.other.csv"));
}

fn held(sim: &Sim) -> bool {
    let last = sim.log.iter().rev().find(|w| w.target.kind == crate::exec::Kind::ExecAccess && w.why.contains("handed back"));
    !last.is_some_and(|w| matches!(&w.action, crate::exec::Action::Merge(patch) if patch["metadata"]["finalizers"] == json!([])))
}

/// The simulator keeps no objects that cannot be read: their finalizer write is looked at, not applied.
fn rounds(sim: &mut Sim) {
    for _ in 0..10 {
        sim.round();
    }
}

#[test]
fn deleting_it_withdraws_what_it_had_and_lets_it_go() {
    let mut sim = unreadable();
    sim.world.unreadable[0].metadata.deletion_timestamp = Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(sim.now));
    assert!(sim.world.unreadable[0].metadata.finalizers.iter().flatten().any(|f| f == FINALIZER));
    sim.round();
    assert!(held(&sim), "not before everything is handed back");
    rounds(&mut sim);
    assert!(!sim.data(&rbac_cm()).contains_key(KEY) && sim.bound().is_empty() && !sim.data(&argocd_cm()).contains_key("exec.enabled"));
    assert!(!held(&sim));
}

#[test]
fn removing_the_operator_takes_it_along() {
    let mut sim = unreadable();
    sim.world.withdraw_all = true;
    rounds(&mut sim);
    assert!(!sim.data(&rbac_cm()).contains_key(KEY) && sim.bound().is_empty());
    assert!(!held(&sim));
}

#[test]
fn while_something_cannot_be_seen_it_is_held_unless_it_is_abandoned() {
    let mut sim = unreadable();
    sim.world.unreadable[0].metadata.deletion_timestamp = Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(sim.now));
    sim.world.rbac_cm = not_seen("configmaps");
    rounds(&mut sim);
    assert!(held(&sim));
    sim.world.unreadable[0].metadata.annotations = Some([(ABANDON.to_owned(), "true".to_owned())].into());
    rounds(&mut sim);
    assert!(!held(&sim));
}
