//! A preview says what then happens, and nothing happens by it.

use std::sync::Arc;

use super::fixtures::{SPEC, access};
use super::simulator::{Sim, argocd_cm, rbac_cm};
use crate::api::ExecAccess;
use crate::exec::preview::preview;

fn declared(name: &str, spec: &str) -> ExecAccess {
    let mut object = Arc::unwrap_or_clone(access(name, spec));
    object.metadata.uid = None;
    object
}

#[test]
fn what_is_previewed_is_what_happens_then() {
    let mut sim = Sim::stock();
    sim.grant("older", "{subjects: [{kind: User, name: ann}], applications: [{project: bank}]}");
    let team = declared("team", &SPEC.replace("{subjects", "{ingress: {timeout: 2h}, subjects"));
    let said = preview(&sim.world, std::slice::from_ref(&team), sim.now);
    assert_eq!(said.judged.len(), 1);
    assert!(said.judged[0].accepted.holds() && said.judged[0].active.holds());
    let fields: Vec<(&str, &str)> = said.changes.iter().map(|c| (c.object.as_str(), c.field.as_str())).collect();
    let expected = [
        ("ConfigMap argocd/argocd-rbac-cm", "data/policy.argocd-access.team.csv"),
        ("Ingress argocd/cd", "annotations/nginx.ingress.kubernetes.io/proxy-read-timeout"),
        ("Ingress argocd/cd", "annotations/nginx.ingress.kubernetes.io/proxy-send-timeout"),
        ("RoleBinding shop/argocd-access-exec-argocd", "subjects"),
    ];
    assert_eq!(fields, expected, "what the older object has set already does not change");
    sim.grant("team", &SPEC.replace("{subjects", "{ingress: {timeout: 2h}, subjects"));
    assert_eq!(sim.data(&rbac_cm()).get("policy.argocd-access.team.csv"), said.changes[0].to.as_ref());
    assert!(preview(&sim.world, &[team], sim.now).changes.is_empty(), "applied once, nothing is left to change");
}

#[test]
fn replacing_an_object_shows_what_goes_and_what_comes() {
    let mut sim = Sim::stock();
    sim.grant("team", SPEC);
    let other = declared("team", "{subjects: [{kind: Group, name: team-b}], applications: [{project: bank}]}");
    let said = preview(&sim.world, &[other], sim.now);
    let objects: Vec<&str> = said.changes.iter().map(|c| c.object.as_str()).collect();
    assert!(
        objects.contains(&"RoleBinding shop/argocd-access-exec-argocd") && objects.contains(&"RoleBinding bank/argocd-access-exec-argocd"),
        "{objects:?}"
    );
    let policy = said.changes.iter().find(|c| c.field.ends_with("team.csv")).unwrap();
    assert!(policy.from.as_ref().unwrap().contains("team-a") && policy.to.as_ref().unwrap().contains("team-b"));
}

#[test]
fn without_declarations_it_is_what_the_operator_would_change_now() {
    let mut sim = Sim::stock();
    sim.grant("team", SPEC);
    assert!(preview(&sim.world, &[], sim.now).changes.is_empty());
    sim.edit("kubectl-edit", &argocd_cm(), &serde_json::json!({"data": {"exec.enabled": "false"}}));
    let said = preview(&sim.world, &[], sim.now);
    assert_eq!((said.changes.len(), said.changes[0].to.as_deref()), (1, Some("true")));
}

#[test]
fn a_refused_object_changes_nothing_and_is_told_why() {
    let sim = Sim::stock();
    let said = preview(&sim.world, &[declared("team", &SPEC.replace("{subjects", "{roleName: admin, subjects"))], sim.now);
    assert!(said.changes.is_empty() && !said.judged[0].accepted.holds());
}
