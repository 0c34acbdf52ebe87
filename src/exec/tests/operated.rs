//! An Argo CD that argocd-operator makes: its `ArgoCD` is set, and argocd-cm never.

use serde_json::{Value, json};

use super::fixtures::{SPEC, world};
use super::ownership::{CONTROLLER, flag, with_cm};
use super::simulator::{Sim, argocd_cm};
use crate::exec::World;
use crate::reconcile::{Kind, Target};

/// An argocd-operator that makes argocd-cm from the `ArgoCD` `cd`.
fn operated(extra: &str) -> Sim {
    let owner = json!([{"apiVersion": "argoproj.io/v1beta1", "kind": "ArgoCD", "name": "cd", "uid": "uid-cd", "controller": true}]);
    let mut sim = with_cm("argocd-operator", &json!({"ownerReferences": owner}));
    sim.put(&the_cr(), Some(serde_json::to_value(cr(extra)).unwrap()));
    sim.world.settings.argocd_operator = true;
    sim
}

fn the_cr() -> Target {
    Target::namespaced(Kind::ArgoCD, "argocd", "cd")
}

fn cr(spec: &str) -> Value {
    serde_yaml::from_str(&format!(
        "{{apiVersion: argoproj.io/v1beta1, kind: ArgoCD, metadata: {{name: cd, namespace: argocd, uid: uid-cd, resourceVersion: '1'}}, spec: {spec}}}"
    ))
    .unwrap()
}

/// argocd-operator looks once: all of argocd-cm's data becomes what the `ArgoCD` says.
fn operate(sim: &mut Sim) {
    let extra = sim.get(&the_cr()).unwrap()["spec"]["extraConfig"].clone();
    let mut data = json!({"url": "x", "exec.enabled": "false"});
    super::fields::merge(&mut data, &extra);
    let mut cm = sim.get(&argocd_cm()).unwrap();
    cm["data"] = data;
    sim.put(&argocd_cm(), Some(cm));
}

#[test]
fn under_argocd_operator_its_own_object_is_set_and_argocd_cm_never() {
    let mut sim = operated("{}");
    let before = sim.shared();
    sim.grant("team", SPEC);
    assert_eq!(sim.get(&the_cr()).unwrap()["spec"]["extraConfig"], json!({"exec.enabled": "true"}));
    assert_eq!((flag(&sim).as_deref(), sim.says("team", "ExecEnabled").1.as_str()), (Some("false"), "Pending"));
    operate(&mut sim);
    sim.settle();
    assert_eq!(sim.says("team", "ExecEnabled").1, "Enabled");
    assert_eq!(sim.log.iter().filter(|w| w.target == argocd_cm()).count(), 0);
    sim.delete("team");
    sim.settle();
    operate(&mut sim);
    let spec = sim.get(&the_cr()).unwrap()["spec"].clone();
    assert!(spec.get("extraConfig").is_none_or(|e| e == &json!({})), "{spec}");
    assert_eq!(sim.shared(), before);
    assert!(!sim.get(&the_cr()).unwrap().to_string().contains("argocd-access"));
}

#[test]
fn the_argocd_is_patched_only_with_the_admins_leave() {
    let mut sim = operated("{}");
    sim.world.settings.argocd_operator = false;
    sim.grant("team", SPEC);
    assert_eq!(sim.says("team", "ExecEnabled"), ("False".to_owned(), "OwnedByOther".to_owned()));
    let message = sim.message("team", "ExecEnabled");
    for says in [
        r#"kubectl -n argocd patch argocds.argoproj.io cd --type merge -p '{"spec":{"extraConfig":{"exec.enabled":"true"}}}'"#,
        "instance.argocdOperator: true",
    ] {
        assert!(message.contains(says), "{message}");
    }
    // A person does it.
    sim.edit("kubectl", &the_cr(), &json!({"spec": {"extraConfig": {"exec.enabled": "true"}}}));
    operate(&mut sim);
    sim.settle();
    assert_eq!(sim.says("team", "ExecEnabled").1, "Enabled");
    sim.delete("team");
    sim.settle();
    assert_eq!(sim.get(&the_cr()).unwrap()["spec"]["extraConfig"], json!({"exec.enabled": "true"}), "it is theirs");
}

#[test]
fn what_the_argocd_says_otherwise_is_enough_and_what_it_said_comes_back() {
    // webTerminalEnabled, or whatever else makes argocd-cm say so.
    let mut sim = operated("{}");
    sim.edit("argocd-operator", &argocd_cm(), &json!({"data": {"exec.enabled": "true"}}));
    sim.grant("team", SPEC);
    assert_eq!(sim.says("team", "ExecEnabled").1, "Enabled");
    assert!(sim.log.iter().all(|w| w.target.kind != Kind::ArgoCD));

    let mut sim = operated("{extraConfig: {exec.enabled: 'false', url: y}}");
    sim.grant("team", SPEC);
    operate(&mut sim);
    sim.settle();
    assert_eq!(sim.says("team", "ExecEnabled").1, "Enabled");
    sim.delete("team");
    sim.settle();
    assert_eq!(sim.get(&the_cr()).unwrap()["spec"]["extraConfig"], json!({"exec.enabled": "false", "url": "y"}));
}

#[test]
fn an_argocd_from_git_is_left_to_git() {
    let mut sim = operated("{extraConfig: {exec.enabled: 'false'}}");
    let mut value = sim.get(&the_cr()).unwrap();
    value["metadata"]["annotations"] = json!({"argocd.argoproj.io/tracking-id": "cd:argoproj.io/ArgoCD:argocd/cd"});
    value["metadata"]["managedFields"] =
        json!([{"manager": CONTROLLER, "operation": "Apply", "fieldsV1": {"f:spec": {"f:extraConfig": {"f:exec.enabled": {}}}}}]);
    sim.put(&the_cr(), Some(value));
    sim.grant("team", SPEC);
    assert_eq!(sim.says("team", "ExecEnabled").1, "OwnedByOther");
    let message = sim.message("team", "ExecEnabled");
    assert!(message.contains("spec.extraConfig.\"exec.enabled\" of ArgoCD cd"), "{message}");
}

#[test]
fn a_memory_of_ours_in_an_argocd_cm_that_argocd_operator_took_over_is_tidied_away() {
    let mut sim = with_cm("kubectl", &json!({}));
    sim.grant("team", SPEC);
    let mut cm = sim.get(&argocd_cm()).unwrap();
    cm["metadata"]["ownerReferences"] = json!([{"apiVersion": "argoproj.io/v1beta1", "kind": "ArgoCD", "name": "cd", "uid": "uid-cd"}]);
    sim.put(&argocd_cm(), Some(cm));
    sim.put(&the_cr(), Some(cr("{}")));
    sim.settle();
    assert!(!sim.get(&argocd_cm()).unwrap().to_string().contains("argocd-access"));
    assert_eq!(sim.says("team", "ExecEnabled").1, "Enabled", "as long as it says so");
}

#[test]
fn without_any_argo_cd_it_is_said_once() {
    let mut sim = Sim::new(World { argocd_cm: Ok(None), deployments: Ok(Vec::new()), ..world() });
    sim.grant("team", SPEC);
    assert_eq!(sim.says("team", "ExecEnabled"), ("False".to_owned(), "Unsupported".to_owned()));
}
