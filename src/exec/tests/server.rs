//! argocd-server's Kubernetes rights: our bindings, and the rules in its own roles.

use serde_json::json;

use super::fixtures::{SPEC, app, namespace, not_seen, object, server, world};
use super::simulator::{Sim, binding_in};
use crate::config::ServerRoles;
use crate::exec::World;
use crate::reconcile::{Direction, Kind, Target};

fn everywhere() -> Target {
    Target::cluster(Kind::ClusterRoleBinding, "argocd-access-exec-argocd")
}

fn spec(server: &str) -> String {
    format!("{{subjects: [{{kind: Group, name: a}}], applications: [{{project: shop}}], server: {server}}}")
}

#[test]
fn a_binding_names_the_fixed_role_and_the_service_account_of_the_deployment() {
    let mut sim = Sim::stock();
    sim.grant("team", SPEC);
    let binding = sim.get(&binding_in("shop")).unwrap();
    assert_eq!(binding["roleRef"], json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "argocd-access-exec"}));
    assert_eq!(binding["subjects"], json!([{"kind": "ServiceAccount", "name": "argocd-server", "namespace": "argocd"}]));
}

#[test]
fn bindings_follow_the_destinations_of_the_live_applications() {
    let mut sim = Sim::stock();
    sim.grant("team", "{subjects: [{kind: Group, name: a}], applications: [{project: '*'}]}");
    assert_eq!(sim.bound(), ["bank", "shop"]);
    sim.world.applications.as_mut().unwrap().retain(|a| a.spec.project != "bank");
    sim.world.applications.as_mut().unwrap().push(app("argocd", "lab", "x"));
    sim.settle();
    assert_eq!(sim.bound(), ["lab", "shop"]);
}

#[test]
fn an_application_where_argo_cd_does_not_look_leads_to_no_right() {
    let mut sim = Sim::stock();
    sim.world.applications.as_mut().unwrap().push(app("evil", "lab", "x"));
    sim.grant("team", "{subjects: [{kind: Group, name: a}], applications: [{project: '*', namespace: '*'}]}");
    assert_eq!(sim.bound(), ["bank", "shop"]);
}

#[test]
fn names_and_labels_choose_namespaces_instead() {
    let mut sim = Sim::stock();
    sim.grant("team", &spec("{namespaces: {names: [lab], selector: {matchLabels: {name: bank}}}}"));
    assert_eq!(sim.bound(), ["bank", "lab"]);
    sim.world.namespaces.as_mut().unwrap().push(namespace("late", "{name: bank}"));
    sim.settle();
    assert_eq!(sim.bound(), ["bank", "lab", "late"]);
}

#[test]
fn denied_namespaces_get_no_binding_by_label_nor_by_destination() {
    let mut sim = Sim::stock();
    sim.grant("label", &spec("{namespaces: {selector: {matchExpressions: [{key: name, operator: Exists}]}}}"));
    assert_eq!(sim.bound(), ["bank", "lab", "shop"]);
    sim.world.applications.as_mut().unwrap().push(app("argocd", "kube-system", "x"));
    sim.grant("destination", "{subjects: [{kind: Group, name: a}], applications: [{project: kube-system}]}");
    assert!(!sim.bound().contains(&"kube-system".to_owned()));
    assert_eq!(sim.says("destination", "ServerAuthorized"), ("False".to_owned(), "Denied".to_owned()));
    assert!(sim.message("destination", "ServerAuthorized").contains("deniedNamespaces"));
}

#[test]
fn a_missing_namespace_is_said_and_bound_as_soon_as_it_is_there() {
    let mut sim = Sim::stock();
    sim.grant("team", &spec("{namespaces: {names: [later, shop]}}"));
    assert_eq!(sim.bound(), ["shop"]);
    assert_eq!(sim.says("team", "ServerAuthorized"), ("False".to_owned(), "NamespaceMissing".to_owned()));
    sim.world.namespaces.as_mut().unwrap().push(namespace("later", "{}"));
    sim.settle();
    assert_eq!(sim.bound(), ["later", "shop"]);
}

#[test]
fn a_terminating_namespace_counts_as_done() {
    let mut sim = Sim::stock();
    sim.grant("team", SPEC);
    for ns in sim.world.namespaces.as_mut().unwrap() {
        if ns.metadata.name.as_deref() == Some("shop") {
            *ns = object("{metadata: {name: shop, deletionTimestamp: '2026-01-01T00:00:00Z'}}");
        }
    }
    sim.delete("team");
    sim.settle();
    assert!(sim.world.accesses.is_empty());
}

#[test]
fn an_object_of_our_name_without_our_label_is_left_alone() {
    let mut sim = Sim::stock();
    let foreign = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": {"name": "argocd-access-exec-argocd", "namespace": "shop", "uid": "f", "resourceVersion": "1"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "argocd-access-exec"}, "subjects": []});
    sim.put(&binding_in("shop"), Some(foreign.clone()));
    let mut cluster = foreign.clone();
    cluster["kind"] = json!("ClusterRoleBinding");
    cluster["metadata"].as_object_mut().unwrap().remove("namespace");
    sim.put(&everywhere(), Some(cluster.clone()));
    sim.grant("team", SPEC);
    sim.grant("wide", &spec("{scope: Cluster}"));
    sim.delete("team");
    sim.delete("wide");
    sim.settle();
    assert_eq!((sim.get(&binding_in("shop")), sim.get(&everywhere())), (Some(foreign), Some(cluster)));
}

#[test]
fn a_binding_bent_to_another_role_or_subject_is_made_right() {
    let mut sim = Sim::stock();
    sim.grant("team", SPEC);
    let good = sim.get(&binding_in("shop")).unwrap();
    let mut bent = good.clone();
    bent["roleRef"]["name"] = json!("cluster-admin");
    sim.put(&binding_in("shop"), Some(bent));
    let writes = sim.settle();
    assert_eq!(writes.iter().map(|w| w.direction).collect::<Vec<_>>(), [Direction::Narrow, Direction::Widen], "a roleRef cannot be changed");
    sim.edit("kubectl", &binding_in("shop"), &json!({"subjects": [{"kind": "User", "name": "eve", "apiGroup": "rbac.authorization.k8s.io"}]}));
    sim.settle();
    let now = sim.get(&binding_in("shop")).unwrap();
    assert_eq!((&now["roleRef"], &now["subjects"]), (&good["roleRef"], &good["subjects"]));
}

#[test]
fn another_service_account_gets_the_right_and_the_old_one_loses_it() {
    let mut sim = Sim::stock();
    sim.grant("team", SPEC);
    let mut deployment = serde_json::to_value(server("argocd-server", "").as_ref()).unwrap();
    deployment["spec"]["template"]["spec"]["serviceAccountName"] = json!("other");
    sim.world.deployments = Ok(vec![std::sync::Arc::new(serde_json::from_value(deployment).unwrap())]);
    sim.settle();
    assert_eq!(sim.get(&binding_in("shop")).unwrap()["subjects"], json!([{"kind": "ServiceAccount", "name": "other", "namespace": "argocd"}]));
}

#[test]
fn scope_cluster_is_one_binding_and_goes_when_the_scope_does() {
    let mut sim = Sim::stock();
    sim.grant("team", &spec("{scope: Cluster}"));
    assert!(sim.bound().is_empty() && sim.get(&everywhere()).is_some());
    sim.grant("team", SPEC);
    assert!(sim.get(&everywhere()).is_none());
    assert_eq!(sim.bound(), ["shop"]);
}

#[test]
fn without_one_argocd_server_there_is_nobody_to_bind() {
    for (deployments, reason) in [(vec![], "ServerNotFound"), (vec![server("a", ""), server("b", "")], "ServerAmbiguous")] {
        let mut sim = Sim::new(World { deployments: Ok(deployments), ..world() });
        sim.grant("team", SPEC);
        assert!(sim.bound().is_empty());
        assert_eq!(sim.says("team", "ServerAuthorized").1, reason);
    }
    let mut sim = Sim::new(World { deployments: not_seen("deployments"), ..world() });
    sim.grant("team", SPEC);
    assert_eq!(sim.says("team", "ServerAuthorized").1, "NotReadable");
}

#[test]
fn a_lost_sight_takes_no_binding_away() {
    type Blind = fn(&mut World);
    for blind in [
        (|w| w.applications = not_seen("applications")) as Blind,
        |w| w.namespaces = not_seen("namespaces"),
        |w| w.deployments = not_seen("deployments"),
    ] {
        let mut sim = Sim::new(World { deployments: Ok(vec![server("s", "env: [{name: ARGOCD_APPLICATION_NAMESPACES, value: '*'}]")]), ..world() });
        sim.world.applications.as_mut().unwrap().push(app("teams", "lab", "x"));
        sim.grant("team", "{subjects: [{kind: Group, name: a}], applications: [{project: '*', namespace: '*'}]}");
        let before = sim.bound();
        assert_eq!(before, ["bank", "lab", "shop"]);
        blind(&mut sim.world);
        let plan = sim.plan();
        assert!(plan.writes.iter().all(|w| w.target.kind != Kind::RoleBinding), "{:?}", plan.writes);
    }
}

#[test]
fn on_another_cluster_nothing_can_be_proven_from_here() {
    let mut sim = Sim::stock();
    let yaml = "{metadata: {name: far, namespace: argocd}, spec: {project: far, destination: {server: 'https://far.example.com', namespace: shop}}}";
    sim.world.applications.as_mut().unwrap().push(object(yaml));
    sim.grant("team", "{subjects: [{kind: Group, name: a}], applications: [{project: far}]}");
    assert!(sim.bound().is_empty());
    assert_eq!(sim.says("team", "ServerAuthorized"), ("Unknown".to_owned(), "RemoteCluster".to_owned()));
}

fn in_place() -> World {
    let rules = "rules: [{apiGroups: [argoproj.io], resources: [applications], verbs: [get]}, {apiGroups: [''], resources: [pods], verbs: [get]}]";
    let role = |kind: &str, meta: &str| {
        format!(
            "{{apiVersion: rbac.authorization.k8s.io/v1, kind: {kind}, metadata: {{name: argocd-server, uid: r, resourceVersion: '1'{meta}}}, {rules}}}"
        )
    };
    let mut w = world();
    w.settings.server_roles = ServerRoles::InPlace;
    w.settings.limits.denied_namespaces.clear();
    w.own_role = Some(Ok(Some(object(&role("Role", ", namespace: argocd")))));
    w.own_cluster_role = Some(Ok(Some(object(&role("ClusterRole", "")))));
    w
}

fn rules(sim: &Sim, kind: Kind) -> Vec<String> {
    let target = if kind == Kind::Role { Target::namespaced(kind, "argocd", "argocd-server") } else { Target::cluster(kind, "argocd-server") };
    let rules = sim.get(&target).unwrap()["rules"].as_array().unwrap().clone();
    rules.iter().map(|r| format!("{} {}", r["resources"][0].as_str().unwrap(), r["verbs"])).collect()
}

#[test]
fn in_place_adds_only_the_missing_rules_and_takes_exactly_those_out_again() {
    let mut sim = Sim::new(in_place());
    let before = rules(&sim, Kind::ClusterRole);
    sim.grant("team", &spec("{scope: Cluster}"));
    assert_eq!(rules(&sim, Kind::ClusterRole), [before.clone(), vec!["pods/exec [\"get\",\"create\"]".to_owned()]].concat());
    assert!(sim.get(&everywhere()).is_none(), "no binding beside the rules");
    assert_eq!(sim.says("team", "Ready").0, "True");
    sim.delete("team");
    sim.settle();
    assert_eq!((rules(&sim, Kind::ClusterRole), rules(&sim, Kind::Role)), (before.clone(), before), "the rule that stood there before stays");
}

#[test]
fn in_place_reaches_the_instances_own_namespace_and_bindings_the_others() {
    let mut sim = Sim::new(in_place());
    sim.grant("team", &spec("{namespaces: {names: [argocd, shop]}}"));
    assert_eq!(rules(&sim, Kind::Role).len(), 3);
    assert_eq!(rules(&sim, Kind::ClusterRole).len(), 2);
    assert_eq!(sim.bound(), ["shop"]);
}

#[test]
fn in_place_puts_the_rules_back_when_the_owner_rewrites_the_list_and_leaves_the_owners_rules() {
    let mut sim = Sim::new(in_place());
    sim.grant("team", &spec("{scope: Cluster}"));
    let target = Target::cluster(Kind::ClusterRole, "argocd-server");
    let new = json!([{"apiGroups": [""], "resources": ["events"], "verbs": ["list"]}]);
    sim.edit("helm", &target, &json!({"rules": new}));
    sim.settle();
    assert_eq!(rules(&sim, Kind::ClusterRole), ["events [\"list\"]", "pods [\"get\"]", "pods/exec [\"get\",\"create\"]"]);
    sim.delete("team");
    sim.settle();
    assert_eq!(rules(&sim, Kind::ClusterRole), ["events [\"list\"]"]);
    assert!(!sim.get(&target).unwrap().to_string().contains("argocd-access"));
}

#[test]
fn a_role_that_in_place_names_and_that_is_not_there_is_named_to_whoever_needs_it() {
    let mut w = in_place();
    w.own_cluster_role = Some(Ok(None));
    let mut sim = Sim::new(w);
    sim.grant("wide", &spec("{scope: Cluster}"));
    sim.grant("own", "{subjects: [{kind: Group, name: b}], applications: [{project: shop}], server: {namespaces: {names: [argocd]}}}");
    assert_eq!(sim.says("wide", "ServerAuthorized"), ("False".to_owned(), "Denied".to_owned()));
    assert!(sim.message("wide", "ServerAuthorized").contains("ClusterRole argocd-server does not exist"));
    assert!(!sim.message("own", "ServerAuthorized").contains("does not exist"));
}
