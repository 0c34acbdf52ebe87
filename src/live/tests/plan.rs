//! The life of an agent's rights: given, kept, narrowed, withdrawn and handed back.

use std::sync::Arc;

use serde_json::json;

use super::fixtures::{application, project};
use super::simulator::{Sim, said};
use crate::api::conditions::Reason;
use crate::api::{INSTANCE_LABEL, LiveResourceAccessStatus, STOP};
use crate::reconcile::unreadable::Unreadable;
use crate::reconcile::{Direction, Kind, NotSeen, Target};

const WEB: &[&str] = &["apps/Deployment/shop/web", "/ConfigMap/other/web"];
const NAME: &str = "argocd-access-live-argocd";

fn unseen<T>() -> Result<T, NotSeen> {
    Err(NotSeen { kind: "things", why: "forbidden".to_owned() })
}

/// One object that grants this, at rest.
fn granted(grant: &str) -> Sim {
    let mut sim = Sim::new(WEB);
    sim.declare("live", &format!("{{grants: [{grant}]}}"), &json!({}));
    sim.settle();
    sim
}

#[test]
fn a_declared_access_is_given_proven_and_then_left_alone() {
    let mut sim = granted("{features: [View, Events, Logs, Terminal]}");
    let expected = ["create pods/exec", "get deployments.apps", "get pods", "get pods/exec", "get pods/log", "get replicasets.apps", "list events"];
    assert_eq!(sim.may_in("shop"), expected);
    assert_eq!(sim.may_in("other"), ["get configmaps", "list events"]);
    assert_eq!(sim.ready("live"), "Ready", "{:#?}", sim.statuses["live"].conditions);
    for kind in ["InstanceReady", "ResourcesResolved", "RBACApplied", "AccessProven", "Confined"] {
        assert_eq!(sim.condition("live", kind).0, "True", "{kind}");
    }
    let status = &sim.statuses["live"];
    let namespaces: Vec<_> = status.namespaces.iter().map(|n| (n.name.as_str(), n.rules, n.proven)).collect();
    assert_eq!(namespaces, [("other", 1, Some(true)), ("shop", 2, Some(true))]);
    let instance = status.instance.as_ref().unwrap();
    assert_eq!(
        (instance.deployment.as_deref(), instance.agent_mode.as_deref(), instance.tracking.as_deref()),
        (Some("argocd-agent-agent"), Some("Managed"), Some("annotation"))
    );
    assert_eq!(sim.step(), 0, "a steady state costs no write");
}

#[test]
fn the_finalizer_comes_first_and_a_role_is_seen_before_it_is_bound() {
    let mut sim = Sim::new(WEB);
    sim.declare("live", "{grants: [{}]}", &json!({}));
    let sent = sim.settle();
    assert_eq!(sent[0].target.kind, Kind::LiveResourceAccess);
    let place = |kind, name: &str| sent.iter().position(|w| w.target == Target::namespaced(kind, "shop", name)).unwrap();
    assert!(place(Kind::Role, NAME) < place(Kind::RoleBinding, NAME));
    let mut refused = Sim::new(WEB);
    refused.refuse.insert(Target::namespaced(Kind::Role, "shop", NAME));
    refused.declare("live", "{grants: [{}]}", &json!({}));
    for _ in 0..5 {
        refused.step();
    }
    assert!(!refused.objects.contains_key(&Target::namespaced(Kind::RoleBinding, "shop", NAME)), "bound to a role that is not there");
    assert_eq!(refused.condition("live", "RBACApplied").1, "WriteFailed");
}

#[test]
fn a_change_of_one_application_writes_only_what_changed() {
    let mut sim = granted("{}");
    sim.world.applications.as_mut().unwrap().push(application("api", "shop", &["/Service/other/api"]));
    let sent = sim.settle();
    assert_eq!(sent.iter().map(|w| w.target.clone()).collect::<Vec<_>>(), [Target::namespaced(Kind::Role, "other", NAME)]);
    assert_eq!(sim.may_in("other"), ["get configmaps", "get endpointslices.discovery.k8s.io", "get services", "list events"]);
}

#[test]
fn what_is_declared_less_is_taken_by_deleting_the_binding_and_never_by_narrowing_a_bound_role() {
    let mut sim = granted("{features: [Edit, Logs]}");
    assert!(sim.may_in("other").contains(&"patch configmaps".to_owned()));
    sim.declare("live", "{grants: [{features: [View, Events]}]}", &json!({}));
    let sent = sim.settle();
    assert!(sent.iter().take_while(|w| w.direction == Direction::Narrow).count() >= 3, "{sent:#?}");
    assert_eq!(sim.may_in("other"), ["get configmaps", "list events"]);
    for write in sent.iter().filter(|w| w.target.kind == Kind::Role) {
        let bound = sent
            .iter()
            .position(|w| w.target.kind == Kind::RoleBinding && w.target.namespace == write.target.namespace && w.direction == Direction::Narrow);
        assert!(bound < sent.iter().position(|w| w == write), "{write:?}");
    }
}

#[test]
fn everything_goes_with_the_last_object_and_nothing_before_it_is_gone_lets_it_go() {
    let mut sim = granted("{features: [View, Events, Logs, Terminal], clusterScoped: View}");
    sim.world.applications.as_mut().unwrap().push(application("ns", "shop", &["/Namespace//shop"]));
    sim.settle();
    assert_eq!(sim.may_in(""), ["get namespaces[shop]"]);
    sim.delete("live");
    sim.step();
    assert!(sim.may().is_empty() && sim.is_held("live"), "first the bindings: {:?}", sim.may());
    sim.settle();
    assert!(sim.objects.is_empty() && sim.world.accesses.is_empty(), "{:?}", sim.objects.keys());
}

#[test]
fn several_objects_add_up_and_what_one_has_alone_goes_with_it() {
    let mut sim = Sim::new(WEB);
    sim.declare("a", "{grants: [{namespaces: {names: [shop]}}]}", &json!({}));
    sim.declare("b", "{grants: [{namespaces: {names: [other, shop]}, features: [Edit]}]}", &json!({}));
    sim.settle();
    assert!(sim.may_in("shop").contains(&"patch pods".to_owned()) && !sim.may_in("other").is_empty());
    sim.delete("b");
    sim.settle();
    assert_eq!(sim.may_in("shop"), ["get deployments.apps", "get pods", "get replicasets.apps", "list events"]);
    assert!(sim.may_in("other").is_empty() && sim.ready("a") == "Ready");
}

#[test]
fn suspended_stopped_expired_and_outside_of_its_windows_nothing_is_bound() {
    for (more, reason) in [
        (json!({"suspend": true}), "Suspended"),
        (json!({"validity": {"notAfter": "2026-06-01T11:00:00Z"}}), "Expired"),
        (json!({"validity": {"notBefore": "2026-06-02T11:00:00Z"}}), "BeforeStart"),
        (json!({"schedule": [{"days": ["Tue"], "from": "08:00", "to": "18:00"}]}), "OutsideSchedule"),
        (json!({"mode": "Observe"}), "Observing"),
    ] {
        let mut sim = granted("{features: [Terminal, Events]}");
        sim.declare("live", "{grants: [{features: [Terminal, Events]}]}", &more);
        sim.settle();
        assert!(sim.may().is_empty(), "{more}: {:?}", sim.may());
        for kind in ["Active", "RBACApplied", "AccessProven", "Confined", "Ready"] {
            assert_eq!(sim.condition("live", kind), ("False".to_owned(), reason.to_owned()), "{more}: {kind}");
        }
        assert!(sim.statuses["live"].namespaces.is_empty());
    }
    let mut sim = granted("{}");
    let stopped = json!({"metadata": {"name": "argocd-cm", "annotations": {STOP: "why"}}});
    sim.world.argocd_cm = Ok(Some(Arc::new(serde_json::from_value(stopped).unwrap())));
    sim.settle();
    assert!(sim.may().is_empty() && sim.condition("live", "Active").1 == "Stopped");
    sim.world.argocd_cm = Ok(None);
    sim.settle();
    assert!(!sim.may().is_empty());
}

#[test]
fn a_window_opens_and_closes_by_the_bindings_alone() {
    let mut sim = Sim::new(WEB);
    let office = json!({"schedule": [{"days": ["Mon", "Tue"], "from": "08:00", "to": "18:00"}]});
    sim.declare("live", "{grants: [{}]}", &office);
    sim.settle();
    assert!(!sim.may().is_empty());
    let next = sim.plan().next.unwrap();
    assert_eq!(next.to_string(), "2026-06-01T18:00:00Z");
    sim.now = next;
    let sent = sim.settle();
    assert!(sim.may().is_empty() && sent.iter().all(|w| w.target.kind == Kind::RoleBinding), "{sent:#?}");
    sim.now = "2026-06-02T08:00:00Z".parse().unwrap();
    let sent = sim.settle();
    assert!(!sim.may().is_empty() && sent.iter().all(|w| w.target.kind == Kind::RoleBinding), "{sent:#?}");
}

#[test]
fn observing_announces_what_enforcing_then_does() {
    let mut sim = Sim::new(WEB);
    sim.declare("live", "{grants: [{features: [View, Logs]}]}", &json!({"mode": "Observe"}));
    assert!(sim.settle().is_empty(), "nothing is written, no finalizer either");
    let announced: Vec<String> = sim.statuses["live"].changes.iter().map(|c| c.object.clone()).collect();
    sim.declare("live", "{grants: [{features: [View, Logs]}]}", &json!({}));
    let mut done: Vec<String> = sim.settle().iter().filter(|w| w.target.kind != Kind::LiveResourceAccess).map(|w| w.target.to_string()).collect();
    done.sort();
    assert_eq!(announced, done);
    assert!(!announced.is_empty() && sim.statuses["live"].changes.is_empty());
}

#[test]
fn what_is_somebody_elses_is_left_alone_and_said() {
    let mut sim = Sim::new(WEB);
    let role = Target::namespaced(Kind::Role, "shop", NAME);
    let theirs = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": NAME, "namespace": "shop", "uid": "u", "resourceVersion": "1"},
        "rules": [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]});
    sim.objects.insert(role.clone(), theirs.clone());
    sim.declare("live", "{grants: [{}]}", &json!({}));
    sim.settle();
    assert_eq!(sim.objects[&role], theirs);
    assert_eq!(sim.may_in("shop"), ["list events"], "never bound to a role of somebody else");
    assert_eq!(sim.condition("live", "RBACApplied"), said("False", Reason::ForeignObject));
    sim.delete("live");
    sim.settle();
    assert_eq!(sim.objects.keys().collect::<Vec<_>>(), [&role]);
}

#[test]
fn what_somebody_made_of_ours_is_mended() {
    let mut sim = granted("{}");
    let (role, binding) = (Target::namespaced(Kind::Role, "shop", NAME), Target::namespaced(Kind::RoleBinding, "shop", NAME));
    sim.objects.get_mut(&role).unwrap()["rules"] = json!([{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]);
    sim.objects.get_mut(&binding).unwrap()["subjects"] = json!([{"kind": "User", "name": "eve"}]);
    sim.objects.remove(&Target::namespaced(Kind::RoleBinding, "other", NAME));
    let before = granted("{}").may();
    sim.settle();
    assert_eq!(sim.may(), before);
    assert_eq!(sim.objects[&binding]["subjects"], json!([{"kind": "ServiceAccount", "name": "agent", "namespace": "argocd"}]));
    // One that claims to be another instance's is not ours.
    sim.objects.get_mut(&binding).unwrap()["metadata"]["labels"][INSTANCE_LABEL] = json!("another");
    assert!(sim.settle().iter().all(|w| w.target != binding));
}

#[test]
fn without_sight_nothing_is_given_and_only_what_nobody_declares_is_taken() {
    type Hide = fn(&mut Sim);
    let hide: [(&str, Hide); 6] = [
        ("Applications", |sim| sim.world.applications = unseen()),
        ("AppProjects", |sim| sim.world.projects = unseen()),
        ("the discovery", |sim| sim.world.discovery = unseen()),
        ("the ceiling", |sim| sim.world.ceiling = unseen()),
        ("Deployments", |sim| sim.world.deployments = unseen()),
        ("namespaces", |sim| sim.world.namespaces = unseen()),
    ];
    for (what, hide) in hide {
        let mut sim = granted("{features: [Edit, Logs, Terminal]}");
        let before = sim.may();
        hide(&mut sim);
        assert!(sim.settle().is_empty() && sim.may() == before, "{what}");
        assert_eq!(sim.condition("live", "RBACApplied"), said("Unknown", Reason::SettingsUnreadable), "{what}");
        sim.declare("new", "{grants: [{features: [Delete]}]}", &json!({}));
        sim.settle();
        assert_eq!(sim.may(), before, "{what}: nothing is given");
        sim.delete("new");
        sim.declare("live", "{grants: [{features: [View]}]}", &json!({}));
        sim.settle();
        assert!(sim.may().is_empty(), "{what}: nobody declares Edit, Logs or Terminal any more: {:?}", sim.may());
        sim.delete("live");
        sim.settle();
        assert!(sim.objects.is_empty() && sim.world.accesses.is_empty(), "{what}: {:?}", sim.objects.keys());
    }
}

#[test]
fn an_object_is_held_while_its_bindings_cannot_be_seen() {
    let mut sim = granted("{}");
    sim.world.role_bindings = unseen();
    sim.delete("live");
    sim.settle();
    assert!(sim.is_held("live") && !sim.may().is_empty());
    assert_eq!(sim.condition("live", "RBACApplied"), said("Unknown", Reason::NotReadable));
    sim.world.role_bindings = Ok(Vec::new());
    sim.settle();
    assert!(sim.may().is_empty() && sim.world.accesses.is_empty());
}

#[test]
fn without_an_agent_that_would_use_them_there_are_no_rights() {
    let mut sim = granted("{}");
    sim.world.deployments = Ok(Vec::new());
    sim.settle();
    assert!(sim.may().is_empty());
    assert_eq!(sim.condition("live", "InstanceReady"), said("False", Reason::NotFound));
    let mut sim = granted("{}");
    let off = Arc::make_mut(&mut sim.world.deployments.as_mut().unwrap()[0]);
    let container = &mut off.spec.as_mut().unwrap().template.spec.as_mut().unwrap().containers[0];
    container.args.as_mut().unwrap().push("--enable-resource-proxy=false".to_owned());
    sim.settle();
    assert!(sim.may().is_empty());
    assert_eq!(sim.condition("live", "InstanceReady"), said("False", Reason::ResourceProxyDisabled));
}

#[test]
fn the_service_account_of_a_new_agent_is_bound_and_the_old_one_no_more() {
    let mut sim = granted("{}");
    let before = sim.may();
    let agent = Arc::make_mut(&mut sim.world.deployments.as_mut().unwrap()[0]);
    agent.spec.as_mut().unwrap().template.spec.as_mut().unwrap().service_account_name = Some("other".to_owned());
    sim.settle();
    assert!(sim.may().is_empty() && !before.is_empty());
    let binding = &sim.objects[&Target::namespaced(Kind::RoleBinding, "shop", NAME)];
    assert_eq!(binding["subjects"][0]["name"], "other");
}

#[test]
fn an_object_that_cannot_be_parsed_keeps_what_it_has_within_its_validity() {
    let mut sim = granted("{}");
    let access = sim.world.accesses.remove(0);
    let until = json!({"spec": {"validity": {"notAfter": "2026-06-01T13:00:00Z"}}});
    sim.world.unreadable = vec![Unreadable::new::<LiveResourceAccessStatus>(access.metadata.clone(), "later version".to_owned(), &until)];
    let before = sim.may();
    assert!(sim.settle().is_empty() && sim.may() == before);
    let next = sim.plan().next.unwrap();
    sim.now = next;
    for _ in 0..4 {
        sim.step();
    }
    assert!(sim.may().is_empty());
}

#[test]
fn rights_that_nobody_declares_are_named() {
    let mut sim = granted("{}");
    let wide = json!({"rules": [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["get"]}]});
    sim.objects.insert(Target::cluster(Kind::ClusterRole, "argocd-agent-enhanced"), wide);
    let binding = json!({"roleRef": {"kind": "ClusterRole", "name": "argocd-agent-enhanced"}, "subjects": [{"kind": "ServiceAccount", "name": "agent", "namespace": "argocd"}]});
    sim.world.cluster_role_binding = Ok(None);
    let foreign = Target::cluster(Kind::ClusterRoleBinding, "argocd-agent-enhanced");
    sim.objects.insert(foreign.clone(), binding);
    let plan = sim.plan_without_cluster_objects();
    let status = sim.status_of(&plan);
    let confined = status.conditions.iter().find(|c| c.type_ == "Confined").unwrap();
    assert_eq!((confined.status.as_str(), confined.reason.as_str()), ("False", "HoldsWildcard"));
    assert!(status.excess.iter().any(|e| e.resource == "secrets" && e.verb == "get" && e.by.contains("RoleBinding")), "{:?}", status.excess);
    assert!(status.excess.iter().all(|e| e.resource != "deployments"));
}

#[test]
fn a_right_that_is_missing_all_the_same_is_said() {
    let mut sim = granted("{}");
    // Somebody's webhook takes the rules out of our role again, and the watch does not show it yet.
    let plan = sim.plan();
    sim.objects.get_mut(&Target::namespaced(Kind::Role, "shop", NAME)).unwrap()["rules"] = json!([]);
    let status = sim.status_of(&plan);
    let proven = status.conditions.iter().find(|c| c.type_ == "AccessProven").unwrap();
    assert_eq!((proven.status.as_str(), proven.reason.as_str()), ("False", "Denied"));
    assert_eq!(status.namespaces.iter().map(|n| n.proven).collect::<Vec<_>>(), [Some(true), Some(false)]);
}

#[test]
fn what_is_left_out_is_said_with_its_reason() {
    let mut sim = Sim::new(&["x.y/Unknown/shop/a", "/ConfigMap/shop/a"]);
    sim.declare("live", "{grants: [{}]}", &json!({}));
    sim.settle();
    assert_eq!(sim.condition("live", "ResourcesResolved"), said("False", Reason::KindUnknown));
    assert_eq!(sim.may_in("shop"), ["get configmaps", "list events"]);
    let mut sim = Sim::new(&["/ConfigMap/gone/a"]);
    sim.declare("live", "{grants: [{}]}", &json!({}));
    sim.settle();
    assert_eq!(sim.condition("live", "RBACApplied"), said("False", Reason::NamespaceMissing));
    let mut sim = granted("{}");
    sim.world.projects = Ok(vec![project("shop", "{}")]);
    sim.settle();
    assert!(sim.may().is_empty() && sim.statuses["live"].not_granted.len() == 2);
    let mut sim = Sim::new(&[]);
    sim.world.applications = Ok(Vec::new());
    sim.declare("live", "{grants: [{}]}", &json!({}));
    sim.settle();
    assert_eq!(sim.condition("live", "ResourcesResolved"), said("Unknown", Reason::NoApplications));
}

#[test]
fn an_object_that_is_not_valid_grants_nothing_and_disturbs_nobody() {
    let mut sim = granted("{namespaces: {names: [other]}}");
    sim.declare("bad", "{grants: [{}]}", &json!({"schedule": [{"days": ["Mon"], "from": "08:00", "to": "18:00", "timeZone": "Nowhere/None"}]}));
    sim.settle();
    assert_eq!(sim.condition("bad", "Accepted"), said("False", Reason::Invalid));
    assert_eq!(sim.may_in("other"), ["get configmaps", "list events"]);
    assert!(sim.may_in("shop").is_empty());
}

#[test]
fn killed_at_any_write_and_started_again_it_ends_in_the_same_state() {
    let end = granted("{features: [View, Events, Logs, Terminal], precision: Name}");
    for killed_at in 0..12 {
        let mut sim = Sim::new(WEB);
        sim.declare("live", "{grants: [{features: [View, Events, Logs, Terminal], precision: Name}]}", &json!({}));
        sim.send_at_most(killed_at);
        sim.settle();
        assert_eq!(sim.may(), end.may(), "killed after {killed_at}");
        sim.delete("live");
        sim.send_at_most(killed_at);
        sim.settle();
        assert!(sim.objects.is_empty() && sim.world.accesses.is_empty(), "killed after {killed_at}");
    }
}

#[test]
fn what_was_declared_then_is_no_reason_to_give_now() {
    use crate::reconcile::declared::Plan as _;
    let mut sim = granted("{}");
    let plan = sim.plan();
    let there: Vec<_> = sim.world.accesses.iter().map(|a| a.metadata.clone()).collect();
    assert!(plan.is_still_declared(there.iter(), None, sim.now));
    assert!(!plan.is_still_declared(std::iter::empty(), None, sim.now));
    let mut edited = there.clone();
    edited[0].generation = Some(99);
    assert!(!plan.is_still_declared(edited.iter(), None, sim.now));
    let stop = serde_json::from_value(json!({"annotations": {STOP: ""}})).unwrap();
    assert!(!plan.is_still_declared(there.iter(), Some(&stop), sim.now));
}

#[test]
fn while_it_is_not_known_whether_everything_is_stopped_nothing_is_given_and_what_goes_goes() {
    let mut sim = granted("{namespaces: {names: [other]}}");
    sim.world.argocd_cm = unseen();
    sim.declare("new", "{grants: [{namespaces: {names: [shop]}}]}", &json!({}));
    for _ in 0..3 {
        sim.step();
    }
    assert!(sim.may_in("shop").is_empty() && !sim.may_in("other").is_empty());
    assert_eq!(sim.condition("new", "RBACApplied"), said("Unknown", Reason::NotReadable));
    sim.delete("live");
    for _ in 0..3 {
        sim.step();
    }
    assert!(sim.may().is_empty() && !sim.is_held("live"));
}

#[test]
fn from_every_name_to_some_is_less() {
    let mut sim = granted("{}");
    sim.declare("live", "{grants: [{precision: Name}]}", &json!({}));
    assert!(sim.plan().writes.iter().all(|w| w.direction == Direction::Narrow), "{:#?}", sim.plan().writes);
    sim.settle();
    assert_eq!(sim.may_in("other"), ["get configmaps[web]", "list events"]);
    sim.declare("live", "{grants: [{}]}", &json!({}));
    assert!(sim.settle().iter().all(|w| w.direction == Direction::Widen), "and back is more");
}
