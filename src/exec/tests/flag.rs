//! argocd-cm: the switch, the shells, and the restart that the shells need.

use serde_json::json;

use super::fixtures::{SPEC, config_map, not_seen, pod, world};
use super::simulator::{Sim, argocd_cm};
use crate::config::RestartServer;
use crate::exec::World;
use crate::ownership::before::ANNOTATION;
use crate::reconcile::Kind;

fn with_cm(manager: &str, data: &str) -> Sim {
    Sim::new(World { argocd_cm: Ok(Some(config_map("argocd-cm", manager, data))), ..world() })
}

#[test]
fn every_former_value_comes_back_also_the_empty_and_the_absent_one() {
    for former in [None, Some(""), Some("false"), Some("True"), Some("true")] {
        for manager in ["kubectl", "helm"] {
            let data = former.map_or("{url: x}".to_owned(), |v| format!("{{url: x, exec.enabled: '{v}'}}"));
            let mut sim = with_cm(manager, &data);
            let before = sim.data(&argocd_cm());
            sim.grant("team", SPEC);
            assert_eq!(sim.data(&argocd_cm())["exec.enabled"], "true");
            sim.delete("team");
            sim.settle();
            assert_eq!(sim.data(&argocd_cm()), before, "{manager} {former:?}");
            assert!(!sim.get(&argocd_cm()).unwrap().to_string().contains("argocd-access"), "{manager} {former:?}");
        }
    }
}

#[test]
fn a_helm_release_meets_no_manager_of_ours_even_while_access_is_granted() {
    let mut sim = with_cm("helm", "{url: x, exec.enabled: 'false'}");
    sim.grant("team", SPEC);
    let object = sim.get(&argocd_cm()).unwrap();
    let managers: Vec<&serde_json::Value> = object["metadata"]["managedFields"].as_array().unwrap().iter().map(|m| &m["manager"]).collect();
    assert_eq!(managers, ["helm"], "nothing of ours is left in its way");
    assert!(object["metadata"]["annotations"][ANNOTATION].is_string(), "the memory stays");
    sim.edit("helm", &argocd_cm(), &json!({"data": {"exec.enabled": "false"}}));
    sim.settle();
    assert_eq!(sim.data(&argocd_cm())["exec.enabled"], "true", "after an upgrade it is put back");
    sim.delete("team");
    sim.settle();
    assert_eq!(sim.data(&argocd_cm())["exec.enabled"], "false");
}

#[test]
fn a_lost_memory_does_not_leave_the_switch_on() {
    for spoil in [json!(null), json!("{"), json!("{\"uid\":\"uid-argocd-cm\",\"hash\":\"0\",\"fields\":{}}")] {
        let mut sim = Sim::stock();
        sim.grant("team", SPEC);
        sim.edit("kubectl", &argocd_cm(), &json!({"metadata": {"annotations": {ANNOTATION: spoil}}}));
        sim.settle();
        sim.world.settings.shells = vec!["sh".to_owned()];
        sim.settle();
        sim.delete("team");
        sim.settle();
        assert!(!sim.data(&argocd_cm()).contains_key("exec.enabled"), "{spoil}");
        assert!(!sim.get(&argocd_cm()).unwrap().to_string().contains("argocd-access"), "{spoil}");
    }
}

#[test]
fn a_forged_memory_reaches_no_other_value() {
    let mut sim = Sim::stock();
    let record = crate::ownership::Record {
        before: Some("https://evil".to_owned()),
        ours: "https://cd.example.com".to_owned(),
        at: "2026-01-01T00:00:00Z".to_owned(),
        lost: false,
    };
    let forged = crate::ownership::Before { fields: [("data/url".to_owned(), record)].into() }.write("uid-argocd-cm");
    sim.edit("kubectl", &argocd_cm(), &json!({"metadata": {"annotations": {ANNOTATION: forged}}}));
    sim.grant("team", SPEC);
    sim.delete("team");
    sim.settle();
    assert_eq!(sim.data(&argocd_cm())["url"], "https://cd.example.com");
}

#[test]
fn a_value_that_somebody_else_applies_alike_is_released_not_restored() {
    let mut sim = with_cm("kubectl", "{exec.enabled: 'false'}");
    sim.grant("team", SPEC);
    let mut cm = sim.get(&argocd_cm()).unwrap();
    cm["metadata"]["managedFields"]
        .as_array_mut()
        .unwrap()
        .push(json!({"manager": "git", "operation": "Apply", "fieldsV1": {"f:data": {"f:exec.enabled": {}}}}));
    sim.put(&argocd_cm(), Some(cm));
    sim.delete("team");
    sim.settle();
    assert_eq!(sim.data(&argocd_cm())["exec.enabled"], "true");
    assert!(!sim.get(&argocd_cm()).unwrap().to_string().contains("argocd-access"));
}

#[test]
fn the_switch_stays_on_until_the_last_object_in_effect_goes() {
    let mut sim = Sim::stock();
    sim.grant("a", SPEC);
    sim.grant("b", SPEC);
    sim.delete("a");
    sim.settle();
    assert_eq!(sim.data(&argocd_cm())["exec.enabled"], "true");
    sim.grant("b", &SPEC.replace("{subjects", "{suspend: true, subjects"));
    assert!(!sim.data(&argocd_cm()).contains_key("exec.enabled"));
}

#[test]
fn shells_need_a_restart_which_is_asked_for_or_done_once() {
    let mut sim = Sim::stock();
    sim.world.settings.shells = vec!["bash".to_owned(), "sh".to_owned()];
    let writes = sim.grant("team", SPEC);
    assert_eq!(sim.data(&argocd_cm())["exec.shells"], "bash,sh");
    assert!(writes.iter().all(|w| w.target.kind != Kind::Deployment), "never, unless it is allowed");
    assert_eq!(sim.says("team", "ExecEnabled"), ("True".to_owned(), "RestartRequired".to_owned()));
    assert!(sim.message("team", "ExecEnabled").contains("rollout restart deployment/argocd-server"));

    sim.world.settings.restart_server = RestartServer::WhenNeeded;
    let writes = sim.settle();
    assert_eq!(writes.iter().filter(|w| w.why.contains("restart")).count(), 1, "{writes:?}");
    assert!(sim.settle().is_empty(), "once for each change, also while the old pods are still there");
    let deployment = sim.world.deployments.as_ref().unwrap()[0].clone();
    assert!(
        deployment
            .spec
            .as_ref()
            .unwrap()
            .template
            .metadata
            .as_ref()
            .unwrap()
            .annotations
            .as_ref()
            .unwrap()
            .contains_key("kubectl.kubernetes.io/restartedAt")
    );
    assert!(!serde_json::to_string(&deployment.metadata.managed_fields).unwrap().contains("argocd-access"));
    sim.world.pods = Ok(vec![pod("server-2", &(sim.now + jiff::SignedDuration::from_secs(5)).to_string())]);
    sim.settle();
    assert_eq!(sim.says("team", "ExecEnabled").1, "Enabled");
}

#[test]
fn shells_that_stood_there_already_need_no_restart() {
    let mut sim = with_cm("kubectl", "{exec.shells: 'sh'}");
    sim.world.settings.shells = vec!["sh".to_owned()];
    sim.world.settings.restart_server = RestartServer::WhenNeeded;
    let writes = sim.grant("team", SPEC);
    assert!(writes.iter().all(|w| w.target.kind != Kind::Deployment));
    assert_eq!(sim.says("team", "ExecEnabled").1, "Enabled");
}

#[test]
fn what_is_wrong_with_argocd_cm_is_said_with_the_cure_and_the_other_layers_go_on() {
    let mut sim = Sim::new(World { argocd_cm: Ok(None), ..world() });
    sim.grant("team", SPEC);
    assert_eq!(sim.says("team", "ExecEnabled"), ("False".to_owned(), "ConfigMapMissing".to_owned()));
    assert_eq!(sim.bound(), ["shop"]);

    let mut sim = Sim::stock();
    sim.edit("kubectl", &argocd_cm(), &json!({"metadata": {"labels": {"app.kubernetes.io/part-of": null}}}));
    sim.grant("team", SPEC);
    assert_eq!(sim.says("team", "ExecEnabled"), ("False".to_owned(), "LabelMissing".to_owned()));
    assert!(sim.message("team", "ExecEnabled").contains("kubectl -n argocd label configmap argocd-cm app.kubernetes.io/part-of=argocd"));

    let mut sim = Sim::new(World { argocd_cm: not_seen("configmaps"), ..world() });
    sim.grant("team", SPEC);
    assert_eq!(sim.says("team", "ExecEnabled"), ("Unknown".to_owned(), "NotReadable".to_owned()));
}
