//! Shared objects that somebody else keeps: each owner, under each policy.

use std::sync::Arc;

use serde_json::{Value, json};

use super::fields::Operation;
use super::fixtures::{SPEC, config_map, ingress, object, world};
use super::simulator::{Sim, argocd_cm, rbac_cm, the_ingress};
use crate::config::{ConflictPolicy, ServerRoles};
use crate::exec::World;
use crate::ownership::before::ANNOTATION;
use crate::reconcile::{Kind, Target};

const READ: &str = "nginx.ingress.kubernetes.io/proxy-read-timeout";
/// The manager that Argo CD writes as.
pub const CONTROLLER: &str = "argocd-controller";

/// An instance whose argocd-cm has `exec.enabled: "false"` from this manager, with this metadata.
pub fn with_cm(manager: &str, metadata: &Value) -> Sim {
    let mut sim = Sim::new(World { argocd_cm: Ok(Some(config_map("argocd-cm", manager, "{url: x, exec.enabled: 'false'}"))), ..world() });
    let mut cm = sim.get(&argocd_cm()).unwrap();
    super::fields::merge(&mut cm, &json!({"metadata": metadata}));
    sim.put(&argocd_cm(), Some(cm));
    sim
}

fn helm() -> Sim {
    with_cm("helm", &json!({"annotations": {"meta.helm.sh/release-name": "cd"}, "labels": {"app.kubernetes.io/managed-by": "Helm"}}))
}

/// argocd-cm from Git, by an Application `cd` with this spec.
fn from_git(spec: &str) -> Sim {
    let mut sim = with_cm(CONTROLLER, &json!({"annotations": {"argocd.argoproj.io/tracking-id": "cd:/ConfigMap:argocd/argocd-cm"}}));
    let application = format!("{{apiVersion: argoproj.io/v1alpha1, kind: Application, metadata: {{name: cd, namespace: argocd}}, spec: {spec}}}");
    sim.world.applications.as_mut().unwrap().push(object(&application));
    sim
}

/// An Application's spec that leaves argocd-cm's fields to us.
pub const LEAVES: &str = "{ignoreDifferences: [{group: '', kind: ConfigMap, managedFieldsManagers: [argocd-access]}], syncPolicy: {syncOptions: [RespectIgnoreDifferences=true]}}";

pub fn flag(sim: &Sim) -> Option<String> {
    sim.data(&argocd_cm()).get("exec.enabled").cloned()
}

fn managers(sim: &Sim, target: &Target) -> Vec<String> {
    let object = sim.get(target).unwrap();
    object["metadata"]["managedFields"].as_array().into_iter().flatten().map(|entry| entry["manager"].as_str().unwrap().to_owned()).collect()
}

/// What somebody's next apply does to the switch.
fn set_back(sim: &mut Sim, manager: &str) {
    sim.edit(manager, &argocd_cm(), &json!({"data": {"exec.enabled": "false"}}));
}

fn contended(sim: &mut Sim, manager: &str) {
    sim.grant("team", SPEC);
    for _ in 0..3 {
        set_back(sim, manager);
        sim.settle();
    }
}

#[test]
fn the_table_owner_by_policy() {
    type Make = fn() -> Sim;
    let rows: [(&str, Make, [bool; 3]); 6] = [
        ("nobody", Sim::stock, [true, true, true]),
        ("a person", || with_cm("kubectl", &json!({})), [true, true, false]),
        ("Helm", helm, [true, true, false]),
        ("Git, which leaves it to us", || from_git(LEAVES), [true, true, false]),
        ("Git", || from_git("{}"), [false, true, false]),
        ("Git, of which no Application is seen", || with_cm(CONTROLLER, &json!({})), [false, true, false]),
    ];
    for (owner, make, sets) in rows {
        for (policy, sets) in [ConflictPolicy::Auto, ConflictPolicy::Force, ConflictPolicy::Defer].into_iter().zip(sets) {
            let mut sim = make();
            sim.world.settings.conflict_policy = policy;
            let before = sim.shared();
            sim.grant("team", SPEC);
            let says = sim.says("team", "ExecEnabled");
            if sets {
                assert_eq!((flag(&sim).as_deref(), says.1.as_str()), (Some("true"), "Enabled"), "{owner} {policy:?}");
            } else {
                assert_eq!((says.0.as_str(), says.1.as_str()), ("False", "OwnedByOther"), "{owner} {policy:?}");
                assert_eq!(
                    sim.shared()["\"ConfigMap\" \"argocd\"/\"argocd-cm\""],
                    before["\"ConfigMap\" \"argocd\"/\"argocd-cm\""],
                    "{owner} {policy:?}"
                );
            }
            // The other layers go on in any case.
            assert_eq!(sim.says("team", "PolicyApplied").1, "Applied", "{owner} {policy:?}");
            assert_eq!(sim.bound(), ["shop"]);
            sim.delete("team");
            sim.settle();
            let without = |all: &std::collections::BTreeMap<String, Value>| {
                let mut all = all.clone();
                for object in all.values_mut() {
                    object["metadata"].as_object_mut().unwrap().remove("managedFields");
                }
                all
            };
            assert_eq!(without(&sim.shared()), without(&before), "{owner} {policy:?}");
            assert!(!managers(&sim, &argocd_cm()).iter().any(|m| m == "argocd-access"), "{owner} {policy:?}");
        }
    }
}

#[test]
fn what_stands_there_already_is_never_claimed_whoever_has_it() {
    for policy in [ConflictPolicy::Auto, ConflictPolicy::Force, ConflictPolicy::Defer] {
        for mut sim in [helm(), from_git("{}"), with_cm("kubectl", &json!({}))] {
            let manager = sim.get(&argocd_cm()).unwrap()["metadata"]["managedFields"][0]["manager"].as_str().unwrap().to_owned();
            sim.edit(&manager, &argocd_cm(), &json!({"data": {"exec.enabled": "true"}}));
            sim.world.settings.conflict_policy = policy;
            let before = sim.get(&argocd_cm());
            sim.grant("team", SPEC);
            assert_eq!(sim.says("team", "ExecEnabled").1, "Enabled");
            assert_eq!(sim.get(&argocd_cm()), before);
            sim.delete("team");
            sim.settle();
            assert_eq!(sim.get(&argocd_cm()), before);
        }
    }
}

#[test]
fn helms_message_names_the_line_that_ends_it() {
    let mut sim = helm();
    sim.grant("team", SPEC);
    let message = sim.message("team", "ExecEnabled");
    assert!(message.contains("Helm release cd") && message.contains("configs.cm.\"exec.enabled\": \"true\""), "{message}");
    let annotations = "{meta.helm.sh/release-name: cd}";
    let mut sim = Sim::new(World { ingresses: Ok(vec![ingress("cd", "nginx", annotations)]), ..world() });
    sim.grant("team", SPEC);
    let message = sim.message("team", "IngressReady");
    assert!(message.contains(&format!("server.ingress.annotations.\"{READ}\": \"3600\"")), "{message}");
}

/// What an upgrade by helm 4 does: what Helm applied before and does not now is gone, our memory with it.
fn apply_helm(sim: &mut Sim, value: &str) {
    let patch = json!({"data": {"exec.enabled": value}, "metadata": {"annotations": {ANNOTATION: null}}});
    sim.patch_as("helm", Operation::Apply, &argocd_cm(), &patch).unwrap();
    // As the API server does: who applies what stands there has it, too, and the entry is of a later time.
    let mut object = sim.get(&argocd_cm()).unwrap();
    let entry = &mut object["metadata"]["managedFields"][0];
    entry["time"] = json!(sim.now.to_string());
    entry["fieldsV1"]["f:data"]["f:exec.enabled"] = json!({});
    sim.put(&argocd_cm(), Some(object));
    sim.settle();
}

#[test]
fn what_helm_says_itself_is_helms_from_then_on() {
    let mut sim = helm();
    let mut object = sim.get(&argocd_cm()).unwrap();
    object["metadata"]["managedFields"][0]["operation"] = json!("Apply");
    sim.put(&argocd_cm(), Some(object));
    sim.grant("team", SPEC);
    assert_eq!(managers(&sim, &argocd_cm()), ["helm"]);
    apply_helm(&mut sim, "true");
    sim.delete("team");
    sim.settle();
    assert_eq!(flag(&sim).as_deref(), Some("true"), "Helm's values say so");

    apply_helm(&mut sim, "false");
    sim.grant("team", SPEC);
    apply_helm(&mut sim, "false");
    assert_eq!(flag(&sim).as_deref(), Some("true"));
    // Somebody removes the annotation, and Helm has not been there.
    for at_once in [true, false] {
        sim.edit("kubectl", &argocd_cm(), &json!({"metadata": {"annotations": {ANNOTATION: null}}}));
        if !at_once {
            sim.settle();
        }
        sim.delete("team");
        sim.settle();
        assert_eq!(flag(&sim).as_deref(), Some("false"), "what this process remembers is enough");
        sim.grant("team", SPEC);
    }
}

#[test]
fn helm_may_upgrade_as_often_as_it_likes() {
    let mut sim = helm();
    sim.grant("team", SPEC);
    for _ in 0..6 {
        set_back(&mut sim, "helm");
        sim.settle();
        assert_eq!(flag(&sim).as_deref(), Some("true"));
        assert!(!managers(&sim, &argocd_cm()).iter().any(|m| m == "argocd-access"));
    }
}

#[test]
fn a_key_that_git_does_not_have_is_set_and_our_entry_stays() {
    let mut sim = from_git("{}");
    sim.edit(CONTROLLER, &argocd_cm(), &json!({"data": {"exec.enabled": null}, "metadata": {"labels": {"app.kubernetes.io/managed-by": "Helm"}}}));
    sim.grant("team", SPEC);
    assert_eq!(flag(&sim).as_deref(), Some("true"));
    assert!(managers(&sim, &argocd_cm()).iter().any(|m| m == "argocd-access"), "a chart that Argo CD renders is not Helm's");
    // Now Git gets the key: it is left to Git, and no memory of ours stays.
    set_back(&mut sim, CONTROLLER);
    sim.settle();
    assert_eq!((flag(&sim).as_deref(), sim.says("team", "ExecEnabled").1.as_str()), (Some("false"), "OwnedByOther"));
    assert!(!sim.annotations(&argocd_cm()).contains_key(ANNOTATION));
    let message = sim.message("team", "ExecEnabled");
    assert!(
        message.contains("Application cd") && message.contains("in Git, set data.\"exec.enabled\" of ConfigMap argocd-cm to \"true\""),
        "{message}"
    );
}

#[test]
fn what_was_declared_with_client_side_apply_counts_as_gits_too() {
    let applied = json!({"data": {"exec.enabled": "false"}}).to_string();
    let mut sim = from_git("{}");
    let annotation = json!({"metadata": {"annotations": {"kubectl.kubernetes.io/last-applied-configuration": applied}}});
    sim.edit(CONTROLLER, &argocd_cm(), &annotation);
    let mut cm = sim.get(&argocd_cm()).unwrap();
    cm["metadata"].as_object_mut().unwrap().remove("managedFields");
    sim.put(&argocd_cm(), Some(cm));
    sim.grant("team", SPEC);
    assert_eq!((flag(&sim).as_deref(), sim.says("team", "ExecEnabled").1.as_str()), (Some("false"), "OwnedByOther"));
}

#[test]
fn an_application_that_leaves_the_field_to_us_sees_our_entry_there() {
    let mut sim = from_git(LEAVES);
    sim.grant("team", SPEC);
    assert!(managers(&sim, &argocd_cm()).iter().any(|m| m == "argocd-access"), "managedFieldsManagers works only while it is there");
    sim.delete("team");
    sim.settle();
    assert_eq!(flag(&sim).as_deref(), Some("false"));
    assert!(!managers(&sim, &argocd_cm()).iter().any(|m| m == "argocd-access"));
}

#[test]
fn what_an_application_applies_because_it_stands_there_is_given_back_all_the_same() {
    for (left, given_back) in [(true, Some("false")), (false, Some("true"))] {
        let mut sim = from_git(LEAVES);
        sim.grant("team", SPEC);
        // A sync for another reason: Argo CD puts what stands there into what it applies and declares.
        let mut cm = sim.get(&argocd_cm()).unwrap();
        cm["metadata"]["annotations"]["kubectl.kubernetes.io/last-applied-configuration"] =
            json!(json!({"data": {"exec.enabled": "true"}}).to_string());
        let entry = json!({"manager": CONTROLLER, "operation": "Apply", "fieldsV1": {"f:data": {"f:exec.enabled": {}}}});
        cm["metadata"]["managedFields"].as_array_mut().unwrap().push(entry);
        sim.put(&argocd_cm(), Some(cm));
        if !left {
            sim.world.applications = from_git("{}").world.applications;
        }
        sim.delete("team");
        sim.settle();
        assert_eq!(flag(&sim).as_deref(), given_back, "left to us: {left}");
    }
}

#[test]
fn without_sight_of_the_applications_git_is_not_overruled() {
    let mut sim = from_git(LEAVES);
    let mut access = Sim::new(World { applications: super::fixtures::not_seen("applications"), ..sim.world.clone() });
    access.grant("team", SPEC);
    assert_eq!(access.says("team", "ExecEnabled").1, "OwnedByOther");
    sim.grant("team", SPEC);
    assert_eq!(sim.says("team", "ExecEnabled").1, "Enabled");
}

#[test]
fn a_declared_value_that_is_ours_by_now_is_released_not_restored() {
    let mut sim = with_cm("kubectl", &json!({}));
    sim.grant("team", SPEC);
    let applied = json!({"data": {"exec.enabled": "true"}}).to_string();
    let annotation = json!({"metadata": {"annotations": {"kubectl.kubernetes.io/last-applied-configuration": applied}}});
    sim.edit("kubectl-client-side-apply", &argocd_cm(), &annotation);
    sim.delete("team");
    sim.settle();
    assert_eq!(flag(&sim).as_deref(), Some("true"), "whoever applied it wants it so");
    assert!(!sim.annotations(&argocd_cm()).contains_key(ANNOTATION));
}

#[test]
fn a_foreign_co_owner_means_release_under_every_owner() {
    for make in [helm, || from_git(LEAVES), || with_cm("kubectl", &json!({}))] {
        let mut sim: Sim = make();
        sim.grant("team", SPEC);
        let mut cm = sim.get(&argocd_cm()).unwrap();
        let entry = json!({"manager": "other", "operation": "Apply", "fieldsV1": {"f:data": {"f:exec.enabled": {}}}});
        cm["metadata"]["managedFields"].as_array_mut().unwrap().push(entry);
        sim.put(&argocd_cm(), Some(cm));
        sim.delete("team");
        sim.settle();
        assert_eq!(flag(&sim).as_deref(), Some("true"));
    }
}

#[test]
fn three_rewrites_are_a_quarrel_that_is_given_up_for_an_hour() {
    let mut sim = with_cm("kubectl", &json!({}));
    contended(&mut sim, "self-healer");
    assert_eq!(flag(&sim).as_deref(), Some("false"), "the third is not answered");
    assert_eq!(sim.says("team", "ExecEnabled"), ("False".to_owned(), "Contended".to_owned()));
    assert_eq!(sim.says("team", "Ready"), ("False".to_owned(), "Contended".to_owned()));
    assert!(sim.message("team", "ExecEnabled").contains("self-healer"), "{}", sim.message("team", "ExecEnabled"));
    assert_eq!(sim.world.contests.contended(), 1);
    assert_eq!(sim.says("team", "PolicyApplied").1, "Applied", "only this layer waits");
    sim.now += jiff::SignedDuration::from_mins(59);
    assert!(sim.settle().is_empty());
    sim.now += jiff::SignedDuration::from_mins(2);
    sim.settle();
    assert_eq!((flag(&sim).as_deref(), sim.says("team", "Ready").1.as_str()), (Some("true"), "Ready"));
}

#[test]
fn a_quarrel_never_keeps_anything_from_being_taken_away() {
    let mut sim = with_cm("kubectl", &json!({}));
    sim.grant("other", "{subjects: [{kind: Group, name: b}], applications: [{project: bank}]}");
    contended(&mut sim, "self-healer");
    sim.delete("other");
    sim.settle();
    assert_eq!(sim.bound(), ["shop"]);
    assert!(!sim.data(&rbac_cm()).keys().any(|k| k.contains("other")));
    sim.delete("team");
    sim.settle();
    assert!(sim.world.accesses.is_empty() && sim.bound().is_empty());
    assert_eq!(flag(&sim).as_deref(), Some("false"));
    assert!(!sim.get(&argocd_cm()).unwrap().to_string().contains("argocd-access"));
}

#[test]
fn a_quarrel_about_one_annotation_leaves_the_others_alone() {
    let mut sim = Sim::stock();
    sim.grant("team", SPEC);
    for _ in 0..3 {
        sim.edit("rival", &the_ingress(), &json!({"metadata": {"annotations": {READ: "1"}}}));
        sim.settle();
    }
    assert_eq!(sim.says("team", "IngressReady"), ("False".to_owned(), "Contended".to_owned()));
    sim.edit("rival", &the_ingress(), &json!({"metadata": {"annotations": {"nginx.ingress.kubernetes.io/proxy-send-timeout": "1"}}}));
    sim.settle();
    let now = sim.annotations(&the_ingress());
    assert_eq!((now[READ].as_str(), now["nginx.ingress.kubernetes.io/proxy-send-timeout"].as_str()), ("1", "3600"));
    // Back to what the rival wants, when nobody wants anything any more.
    sim.delete("team");
    sim.settle();
    let now = sim.annotations(&the_ingress());
    assert_eq!((now[READ].as_str(), now["nginx.ingress.kubernetes.io/proxy-send-timeout"].as_str()), ("1", "1"));
}

/// argocd-server's own ClusterRole, by this manager.
fn in_place(manager: &str, metadata: &str) -> Sim {
    let mut sim = from_git("{}");
    set_back(&mut sim, "kubectl");
    sim.world.settings.server_roles = ServerRoles::InPlace;
    let role = format!(
        "{{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {{name: argocd-server, uid: r, resourceVersion: '1', managedFields: [{{manager: {manager}, operation: Apply, fieldsV1: {{'f:rules': {{}}}}}}], {metadata}}}, rules: [{{apiGroups: ['*'], resources: ['*'], verbs: [get]}}]}}"
    );
    sim.world.own_cluster_role = Some(Ok(Some(object(&role))));
    sim.world.own_role = Some(Ok(None));
    sim.world.settings.in_place.role = String::new();
    sim
}

const WIDE: &str = "{subjects: [{kind: Group, name: c}], applications: [{project: '*'}], server: {scope: Cluster}}";

fn own_role() -> Target {
    Target::cluster(Kind::ClusterRole, "argocd-server")
}

fn rules(sim: &Sim) -> usize {
    sim.get(&own_role()).unwrap()["rules"].as_array().unwrap().len()
}

#[test]
fn rules_of_argocd_servers_own_role_follow_the_same_table() {
    let tracked = "annotations: {argocd.argoproj.io/tracking-id: 'cd:rbac.authorization.k8s.io/ClusterRole:argocd/argocd-server'}";
    for (manager, metadata, sets) in
        [("kubectl", "", true), ("helm", "annotations: {meta.helm.sh/release-name: cd}", true), (CONTROLLER, tracked, false)]
    {
        let mut sim = in_place(manager, metadata);
        sim.grant("wide", WIDE);
        assert_eq!(rules(&sim), if sets { 3 } else { 1 }, "{manager}");
        let reason = if sets { "Proven" } else { "OwnedByOther" };
        assert_eq!(sim.says("wide", "ServerAuthorized").1, reason, "{manager}: {}", sim.message("wide", "ServerAuthorized"));
        assert!(!managers(&sim, &own_role()).iter().any(|m| m == "argocd-access"), "{manager}");
        sim.world.settings.conflict_policy = ConflictPolicy::Defer;
        sim.delete("wide");
        sim.settle();
        assert_eq!(rules(&sim), 1, "{manager}: taking out asks nobody");
    }
    let mut sim = in_place(CONTROLLER, tracked);
    let mut application = sim.world.applications.as_ref().unwrap().last().unwrap().as_ref().clone();
    application.spec =
        serde_yaml::from_str(&LEAVES.replace("group: '', kind: ConfigMap", "group: rbac.authorization.k8s.io, kind: ClusterRole")).unwrap();
    *sim.world.applications.as_mut().unwrap().last_mut().unwrap() = Arc::new(application);
    sim.grant("wide", WIDE);
    assert_eq!(rules(&sim), 3);
    assert!(managers(&sim, &own_role()).iter().any(|m| m == "argocd-access"));
    sim.delete("wide");
    sim.settle();
    assert_eq!(rules(&sim), 1);
    assert!(!managers(&sim, &own_role()).iter().any(|m| m == "argocd-access"));
}

#[test]
fn whoever_keeps_taking_our_rules_out_may_put_them_in_themselves() {
    let mut sim = in_place("kubectl", "");
    sim.grant("wide", WIDE);
    let with = sim.get(&own_role()).unwrap()["rules"].clone();
    let stock = json!({"rules": [with[0].clone()]});
    for _ in 0..3 {
        sim.edit("rival", &own_role(), &stock);
        sim.settle();
    }
    assert_eq!((rules(&sim), sim.says("wide", "ServerAuthorized").1.as_str()), (1, "Contended"));
    sim.edit("rival", &own_role(), &json!({"rules": with}));
    sim.settle();
    assert_eq!(sim.says("wide", "ServerAuthorized").1, "Proven");
    sim.delete("wide");
    sim.settle();
    assert_eq!(rules(&sim), 3, "they are theirs by now");
}
