//! Where not everything can be seen, or read: nothing outlives its end unsaid, and nothing is said that was not verified.

use std::sync::Arc;

use serde_json::json;

use super::fixtures::{Cluster, access, application, project};
use super::simulator::{Sim, said};
use crate::api::LiveResourceAccessStatus;
use crate::api::conditions::Reason;
use crate::reconcile::unreadable::Unreadable;
use crate::reconcile::{Kind, NotSeen, Target};

const WEB: &[&str] = &["apps/Deployment/shop/web", "/ConfigMap/other/web", "/Secret/other/password"];
const NAME: &str = "argocd-access-live-argocd";

fn unseen<T>() -> Result<T, NotSeen> {
    Err(NotSeen { kind: "things", why: "forbidden".to_owned() })
}

/// A view for everybody, and Secrets in one namespace.
fn two() -> Sim {
    let mut sim = Sim::new(WEB);
    sim.declare("a", "{grants: [{namespaces: {names: [shop]}}]}", &json!({}));
    sim.declare("b", "{grants: [{secrets: All, namespaces: {names: [other]}}]}", &json!({}));
    sim.settle();
    assert!(sim.may_in("other").contains(&"get secrets".to_owned()));
    sim
}

#[test]
fn secrets_that_nobody_releases_any_more_go_even_where_nothing_is_known_of_the_applications() {
    let mut sim = two();
    sim.world.projects = unseen();
    sim.declare("b", "{grants: [{namespaces: {names: [other]}}]}", &json!({}));
    sim.settle();
    assert!(!sim.may_in("other").contains(&"get secrets".to_owned()), "{:?}", sim.may());
}

#[test]
fn while_it_cannot_be_told_whose_a_right_is_nobody_is_let_go_and_it_is_said() {
    let mut sim = Sim::new(WEB);
    sim.declare("a", "{grants: [{namespaces: {names: [shop]}}]}", &json!({}));
    sim.declare("b", "{grants: [{namespaces: {names: [other]}}]}", &json!({}));
    sim.settle();
    sim.world.projects = unseen();
    sim.declare("b", "{grants: [{namespaces: {names: [other]}}]}", &json!({"suspend": true}));
    sim.settle();
    assert!(!sim.may_in("other").is_empty(), "what it had cannot be told from what others need");
    assert_eq!(sim.condition("b", "RBACApplied"), said("Unknown", Reason::SettingsUnreadable));
    sim.delete("b");
    sim.settle();
    assert!(sim.is_held("b"), "let go while its rights may stand");
    sim.world.projects = Ok(vec![super::fixtures::open_project("shop")]);
    sim.settle();
    assert!(sim.may_in("other").is_empty() && !sim.is_held("b"));
}

#[test]
fn what_cannot_be_seen_is_not_proven() {
    let mut sim = two();
    let before = sim.statuses["a"].namespaces.clone();
    for access in &mut sim.world.accesses {
        let status = sim.statuses[access.metadata.name.as_ref().unwrap()].clone();
        Arc::make_mut(access).status = Some(status);
    }
    sim.world.discovery = unseen();
    sim.settle();
    for kind in ["AccessProven", "Confined"] {
        assert_eq!(sim.condition("a", kind), said("Unknown", Reason::NotChecked), "{kind}");
    }
    let now: Vec<_> = sim.statuses["a"].namespaces.iter().map(|n| (n.name.clone(), n.proven)).collect();
    assert_eq!(now, before.iter().map(|n| (n.name.clone(), None)).collect::<Vec<_>>());
}

#[test]
fn a_binding_to_an_agent_that_is_not_it_any_more_goes_although_its_settings_cannot_be_read() {
    let mut sim = two();
    let agent = Arc::make_mut(&mut sim.world.deployments.as_mut().unwrap()[0]);
    agent.spec.as_mut().unwrap().template.spec.as_mut().unwrap().service_account_name = Some("another".to_owned());
    sim.world.discovery = unseen();
    sim.settle();
    assert!(sim.may().is_empty(), "{:?}", sim.may());
}

#[test]
fn an_object_that_cannot_be_parsed_keeps_what_it_has_and_no_other_keeps_anything_by_it() {
    let mut sim = two();
    let at = sim.world.accesses.iter().position(|a| a.metadata.name.as_deref() == Some("b")).unwrap();
    let later = sim.world.accesses.remove(at);
    let object = json!({"status": {"namespaces": [{"name": "other"}]}});
    sim.world.unreadable = vec![Unreadable::new::<LiveResourceAccessStatus>(later.metadata.clone(), "a later version's".to_owned(), &object)];
    let kept = sim.may_in("other");
    sim.delete("a");
    sim.settle();
    assert_eq!((sim.may_in("other"), sim.may_in("shop")), (kept, Vec::new()), "the one that can be read has ended");
    // Where it does not say what it has, the other waits, and is not let go.
    let mut sim = two();
    let later = sim.world.accesses.remove(1);
    sim.world.unreadable = vec![Unreadable::new::<LiveResourceAccessStatus>(later.metadata.clone(), "a later version's".to_owned(), &json!({}))];
    sim.delete("a");
    sim.settle();
    assert!(sim.is_held("a") && !sim.may_in("shop").is_empty());
    assert_eq!(sim.condition("a", "RBACApplied"), said("Unknown", Reason::Pending));
}

#[test]
fn nothing_is_ready_while_what_nobody_declares_cannot_be_taken_away() {
    let mut sim = two();
    sim.refuse.insert(Target::namespaced(Kind::RoleBinding, "other", NAME));
    sim.declare("b", "{grants: [{namespaces: {names: [shop]}}]}", &json!({}));
    for _ in 0..4 {
        sim.step();
    }
    for name in ["a", "b"] {
        assert_eq!(sim.condition(name, "RBACApplied").1, "WriteFailed", "{name}");
    }
}

#[test]
fn an_application_that_its_project_does_not_take_from_where_it_lies_gives_nothing() {
    let grant = access("{grants: [{applications: [{project: '*', name: '*', namespace: '*'}]}]}");
    for (sources, expected) in [("[]", 0), ("[other-team]", 0), ("['/team-.*/']", 0), ("['team-*']", 1), ("[team-x]", 1)] {
        let mut far = (*application("far", "platform", &["/ConfigMap/shop/web"])).clone();
        far.metadata.namespace = Some("team-x".to_owned());
        let platform = project("platform", &format!("{{sourceNamespaces: {sources}, destinations: [{{server: '*', namespace: '*'}}]}}"));
        let cluster = Cluster { applications: vec![Arc::new(far)], projects: vec![platform], ..Cluster::with(&[]) };
        assert_eq!(cluster.derive(&grant).namespaces.len(), expected, "{sources}");
    }
}
