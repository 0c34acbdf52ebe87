//! The memory of former values, when it is lost, forged or copied, and the object is another one by now.

use serde_json::{Value, json};

use super::fixtures::{SPEC, config_map, world};
use super::simulator::{Sim, argocd_cm, the_ingress};
use crate::exec::World;
use crate::ownership::before::ANNOTATION;

fn with_cm(manager: &str) -> Sim {
    Sim::new(World { argocd_cm: Ok(Some(config_map("argocd-cm", manager, "{url: x, exec.enabled: 'false'}"))), ..world() })
}

fn flag(sim: &Sim) -> Option<String> {
    sim.data(&argocd_cm()).get("exec.enabled").cloned()
}

fn lose(sim: &mut Sim) {
    sim.edit("somebody", &argocd_cm(), &json!({"metadata": {"annotations": {ANNOTATION: null}}}));
}

fn withdraw(sim: &mut Sim) {
    sim.delete("team");
    sim.settle();
    assert!(sim.world.accesses.is_empty());
    assert!(!sim.get(&argocd_cm()).unwrap().to_string().contains("argocd-access"), "nothing of ours is left");
}

#[test]
fn a_lost_annotation_is_made_anew_from_what_the_process_remembers() {
    for manager in ["kubectl", "helm"] {
        let mut sim = with_cm(manager);
        sim.grant("team", SPEC);
        lose(&mut sim);
        sim.settle();
        assert!(sim.annotations(&argocd_cm()).contains_key(ANNOTATION), "{manager}");
        assert!(!sim.message("team", "ExecEnabled").contains("FormerValueLost"), "{manager}: nothing is lost");
        sim.restart();
        withdraw(&mut sim);
        assert_eq!(flag(&sim).as_deref(), Some("false"), "{manager}");
    }
}

#[test]
fn lost_in_the_very_moment_of_the_withdrawal_it_is_still_given_back() {
    for manager in ["kubectl", "helm"] {
        let mut sim = with_cm(manager);
        sim.grant("team", SPEC);
        lose(&mut sim);
        withdraw(&mut sim);
        assert_eq!(flag(&sim).as_deref(), Some("false"), "{manager}");
    }
}

#[test]
fn lost_while_no_process_runs_the_value_goes_and_that_is_said() {
    for manager in ["kubectl", "helm"] {
        for granted_meanwhile in [true, false] {
            let mut sim = with_cm(manager);
            sim.grant("team", SPEC);
            lose(&mut sim);
            sim.restart();
            if granted_meanwhile {
                sim.settle();
                let message = sim.message("team", "ExecEnabled");
                assert!(message.contains("FormerValueLost"), "{manager}: {message}");
            }
            withdraw(&mut sim);
            assert_eq!(flag(&sim), None, "{manager}, {granted_meanwhile}: rather off than left on");
        }
    }
}

#[test]
fn on_helms_objects_a_value_that_helm_itself_has_is_not_taken_for_ours() {
    let mut sim = Sim::new(World { argocd_cm: Ok(Some(config_map("argocd-cm", "helm", "{url: x, exec.enabled: 'true'}"))), ..world() });
    sim.world.settings.shells = vec!["sh".to_owned()];
    sim.grant("team", SPEC);
    lose(&mut sim);
    sim.restart();
    sim.settle();
    withdraw(&mut sim);
    assert_eq!(flag(&sim).as_deref(), Some("true"));
    assert_eq!(sim.data(&argocd_cm())["exec.shells"], "sh", "a list of shells may be anybody's: without a memory it stays");
}

#[test]
fn killed_between_two_writes_of_a_withdrawal_the_former_value_stays_given_back() {
    for manager in ["kubectl", "helm"] {
        for writes in 0..12 {
            let mut sim = with_cm(manager);
            sim.grant("team", SPEC);
            sim.delete("team");
            // So many writes, with no status in between, and then another process.
            for _ in 0..writes {
                let Some(write) = sim.plan().writes.first().cloned() else { break };
                sim.send(&write).unwrap();
            }
            sim.restart();
            sim.settle();
            assert!(sim.world.accesses.is_empty());
            assert_eq!(flag(&sim).as_deref(), Some("false"), "{manager}, after {writes} writes");
        }
    }
}

/// The same object, made anew from this one: by `kubectl apply` of an export, or from a backup.
fn made_anew(from: &Value, data: &Value) -> Value {
    let mut anew = from.clone();
    anew["metadata"]["uid"] = json!("another");
    anew["data"] = data.clone();
    let keys: serde_json::Map<String, Value> = data.as_object().unwrap().keys().map(|k| (format!("f:{k}"), json!({}))).collect();
    anew["metadata"]["managedFields"] = json!([{"manager": "kubectl", "operation": "Update", "fieldsV1": {"f:data": keys}}]);
    anew
}

#[test]
fn an_object_that_was_deleted_and_made_anew_is_another_object() {
    let mut sim = with_cm("kubectl");
    sim.grant("team", SPEC);
    let ours = sim.get(&argocd_cm()).unwrap();
    // With another value: it is the one that comes back.
    sim.put(&argocd_cm(), Some(made_anew(&ours, &json!({"exec.enabled": "False"}))));
    sim.settle();
    assert_eq!(flag(&sim).as_deref(), Some("true"));
    assert_eq!(sim.world.contests.contended(), 0);
    withdraw(&mut sim);
    assert_eq!(flag(&sim).as_deref(), Some("False"));

    // Without one: there was none.
    let mut sim = with_cm("kubectl");
    sim.grant("team", SPEC);
    sim.put(&argocd_cm(), Some(made_anew(&ours, &json!({"url": "y"}))));
    sim.settle();
    withdraw(&mut sim);
    assert_eq!(sim.data(&argocd_cm()), [("url".to_owned(), "y".to_owned())].into());

    // With our value, from a copy of when it was granted: whoever made it has declared it. The copied memory is not believed.
    let mut sim = with_cm("kubectl");
    sim.grant("team", SPEC);
    sim.put(&argocd_cm(), Some(made_anew(&ours, &json!({"exec.enabled": "true"}))));
    sim.settle();
    withdraw(&mut sim);
    assert_eq!(flag(&sim).as_deref(), Some("true"));
}

#[test]
fn an_object_that_is_deleted_while_access_is_granted_does_not_hold_the_access_up() {
    let mut sim = with_cm("kubectl");
    sim.grant("team", SPEC);
    sim.put(&argocd_cm(), None);
    sim.settle();
    assert_eq!(sim.says("team", "ExecEnabled").1, "ConfigMapMissing");
    sim.put(&the_ingress(), None);
    sim.delete("team");
    sim.settle();
    assert!(sim.world.accesses.is_empty());
}

#[test]
fn a_memory_copied_from_another_object_is_not_believed() {
    let mut sim = with_cm("kubectl");
    sim.grant("team", SPEC);
    let memory = sim.annotations(&argocd_cm())[ANNOTATION].replace("uid-argocd-cm", "uid-cd");
    let mut ingress = sim.get(&the_ingress()).unwrap();
    ingress["metadata"]["annotations"][ANNOTATION] = json!(memory);
    sim.put(&the_ingress(), Some(ingress));
    withdraw(&mut sim);
    assert_eq!(sim.annotations(&the_ingress()), [("example.com/kept".to_owned(), "yes".to_owned())].into());
}

#[test]
fn a_value_that_was_never_written_is_not_remembered_as_ours() {
    let mut sim = with_cm("kubectl");
    sim.declare("team", SPEC);
    sim.round();
    // The plan would set the switch; the write does not get there, and a person sets it instead.
    let mut contests = std::mem::take(&mut sim.world.contests).at(sim.now);
    let plan = sim.plan();
    contests = contests.saw(&plan.looks).wrote(&plan.looks, &[]);
    sim.world.contests = contests;
    sim.edit("kubectl", &argocd_cm(), &json!({"data": {"exec.enabled": "true"}}));
    sim.settle();
    withdraw(&mut sim);
    assert_eq!(flag(&sim).as_deref(), Some("true"), "it is theirs");
}

#[test]
fn with_several_objects_the_first_former_value_comes_back_after_the_last() {
    let mut sim = with_cm("helm");
    let other = "{subjects: [{kind: Group, name: b}], applications: [{project: bank}], ingress: {timeout: 2h}}";
    sim.grant("a", SPEC);
    sim.grant("b", other);
    sim.delete("a");
    sim.settle();
    sim.edit("helm", &argocd_cm(), &json!({"data": {"exec.enabled": "False"}}));
    sim.settle();
    sim.grant("team", SPEC);
    sim.delete("b");
    sim.settle();
    assert_eq!(flag(&sim).as_deref(), Some("true"));
    withdraw(&mut sim);
    assert_eq!(flag(&sim).as_deref(), Some("False"), "the last one that somebody else has set");
}
