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
    sim.world.unreadable = vec![Unreadable::new::<crate::api::ExecAccessStatus>(access.metadata.clone(), "unknown variant".to_owned(), &json!({}))];
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
    let last = sim.log.iter().rev().find(|w| w.target.kind == crate::reconcile::Kind::ExecAccess && w.why.contains("handed back"));
    !last.is_some_and(|w| matches!(&w.action, crate::reconcile::Action::Merge(patch) if patch["metadata"]["finalizers"] == json!([])))
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

/// With this spec and status, as the API server has it.
fn raw(object: &serde_json::Value) -> Sim {
    let mut sim = unreadable();
    let metadata = sim.world.unreadable[0].metadata.clone();
    sim.world.unreadable = vec![Unreadable::new::<crate::api::ExecAccessStatus>(metadata, "unknown variant".to_owned(), object)];
    sim
}

#[test]
fn its_end_is_kept_all_the_same() {
    let mut sim = raw(&json!({"spec": {"mode": "Later", "validity": {"notAfter": "2026-06-01T13:00:00Z"}}}));
    assert!(sim.settle().is_empty());
    let due = sim.plan().next.unwrap();
    assert_eq!(due.to_string(), "2026-06-01T13:00:00Z");
    sim.now = due;
    sim.settle();
    assert!(!sim.data(&rbac_cm()).contains_key(KEY) && sim.bound().is_empty() && !sim.data(&argocd_cm()).contains_key("exec.enabled"));
}

#[test]
fn an_end_that_cannot_be_read_has_come_and_a_beginning_is_waited_for() {
    for validity in
        [json!({"notAfter": "9999-12-31T23:59:59Z"}), json!({"notAfter": 7}), json!("always"), json!({"notBefore": "2027-01-01T00:00:00Z"})]
    {
        let mut sim = raw(&json!({"spec": {"validity": validity}}));
        sim.settle();
        assert!(!sim.data(&rbac_cm()).contains_key(KEY), "{validity}");
        sim.now = "2027-01-01T00:00:00Z".parse().unwrap();
        assert!(sim.settle().is_empty(), "what was withdrawn is not given again");
    }
    for validity in [json!(null), json!({}), json!({"notAfter": null}), json!({"notAfter": "2027-01-01T00:00:00+01:00"})] {
        let mut sim = raw(&json!({"spec": {"validity": validity}}));
        assert!(sim.settle().is_empty(), "{validity}");
    }
}

#[test]
fn it_is_said_once_that_it_cannot_be_read_unless_that_is_in_its_status() {
    let now = k8s_openapi::apimachinery::pkg::apis::meta::v1::Time("2026-06-01T12:00:00Z".parse().unwrap());
    let sim = raw(&json!({"status": {"set": ["argocd-cm"], "conditions": []}}));
    let said = sim.world.unreadable[0].status_patch(&now).unwrap();
    let conditions = said["status"]["conditions"].as_array().unwrap();
    assert_eq!(
        conditions.iter().map(|c| (c["type"].as_str().unwrap(), c["reason"].as_str().unwrap())).collect::<Vec<_>>(),
        [("Accepted", "Invalid"), ("Ready", "Invalid")]
    );
    assert!(conditions[0]["message"].as_str().unwrap().contains("unknown variant"));
    assert_eq!(said["status"].as_object().unwrap().len(), 2, "nothing else of the status is touched: {said}");
    assert_eq!(raw(&said).world.unreadable[0].status_patch(&now), None, "it is said already");
    let other = raw(&json!({"status": {"conditions": [{"type": "Later"}]}}));
    assert_eq!(other.world.unreadable[0].status_patch(&now), None, "that status may be a later version's");
}
