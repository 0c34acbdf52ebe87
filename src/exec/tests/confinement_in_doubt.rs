//! What confines argocd-server, where others change it, where it is theirs, and where not everything can be seen.

use serde_json::json;

use super::confinement::{BANK, account, allows, confined, of, spec, whom};
use super::fixtures::{SPEC, not_seen, server};
use super::simulator::{admission_binding, admission_policy};
use crate::exec::world::Unreadable;
use crate::reconcile::{Direction, Layer};

#[test]
fn what_somebody_changes_is_put_right_first_and_waited_for_again() {
    let mut sim = confined();
    sim.grant("team", SPEC);
    let good = (spec(&sim), sim.get(&admission_binding()).unwrap()["spec"].clone());
    for (target, patch) in [
        (admission_policy(), json!({"spec": {"failurePolicy": "Ignore"}})),
        (admission_policy(), json!({"spec": {"matchConditions": [{"name": "never", "expression": "false"}]}})),
        (admission_policy(), json!({"spec": {"validations": [{"expression": "true"}]}})),
        (admission_policy(), json!({"spec": {"validations": [{"expression": "request.namespace in ['shop'] || true"}]}})),
        (admission_policy(), json!({"spec": {"variables": [{"name": "x", "expression": "true"}]}})),
        (admission_policy(), json!({"spec": {"matchConstraints": {"namespaceSelector": {"matchLabels": {"a": "b"}}}}})),
        (admission_policy(), json!({"spec": {"matchConstraints": {"excludeResourceRules": [{"resources": ["pods/exec"]}]}}})),
        (admission_binding(), json!({"spec": {"validationActions": ["Audit"]}})),
        (admission_binding(), json!({"spec": {"matchResources": {"namespaceSelector": {"matchLabels": {"a": "b"}}}}})),
    ] {
        sim.edit("kubectl-edit", &target, &patch);
        sim.declare("bank", BANK);
        let writes = sim.plan().writes;
        assert_eq!(of(&writes, Layer::Confinement).iter().map(|w| w.direction).collect::<Vec<_>>(), [Direction::Narrow], "{patch}: {writes:#?}");
        assert!(writes.iter().all(|w| w.direction != Direction::Widen), "{patch}");
        sim.round();
        assert!(sim.plan().writes.iter().all(|w| w.direction != Direction::Widen), "{patch}: it is not in force yet");
        sim.delete("bank");
        sim.settle();
        assert_eq!((spec(&sim), sim.get(&admission_binding()).unwrap()["spec"].clone()), good, "{patch}");
    }
}

#[test]
fn a_namespace_that_somebody_adds_is_taken_out_again() {
    let mut sim = confined();
    sim.grant("team", SPEC);
    let mut validations = spec(&sim)["validations"].clone();
    validations[0]["expression"] = json!("request.namespace in ['kube-system','shop']");
    sim.edit("kubectl-edit", &admission_policy(), &json!({"spec": {"validations": validations}}));
    let writes = sim.settle();
    assert_eq!(writes.iter().map(|w| (w.layer, w.direction)).collect::<Vec<_>>(), [(Layer::Confinement, Direction::Narrow)]);
    assert_eq!(allows(&sim), "request.namespace in ['shop']");
}

#[test]
fn an_object_of_our_name_that_is_somebody_elses_is_never_touched_and_nothing_is_given() {
    for target in [admission_policy(), admission_binding()] {
        let mut sim = confined();
        let (api_version, kind, _) = target.kind.names();
        let theirs = json!({"apiVersion": api_version, "kind": kind, "metadata": {"name": target.name, "uid": "u", "resourceVersion": "7"}});
        sim.put(&target, Some(theirs.clone()));
        let writes = sim.grant("team", SPEC);
        assert!(writes.iter().all(|w| w.direction == Direction::Keep), "{writes:#?}");
        assert_eq!(sim.says("team", "Confined"), ("False".to_owned(), "OwnedByOther".to_owned()));
        assert!(sim.message("team", "Confined").contains(&target.to_string()));
        assert_eq!(sim.says("team", "Ready").0, "False");
        sim.delete("team");
        sim.settle();
        let left = sim.get(&target).unwrap();
        assert!(sim.world.accesses.is_empty() && left["metadata"]["resourceVersion"] == theirs["metadata"]["resourceVersion"], "{left}");
    }
}

#[test]
fn a_policy_that_cannot_be_seen_holds_the_last_object() {
    let mut sim = confined();
    sim.grant("team", SPEC);
    let seen = std::mem::replace(&mut sim.world.admission_binding, not_seen("validatingadmissionpolicybindings"));
    let bank = sim.grant("bank", BANK);
    assert!(of(&bank, Layer::Server).is_empty() && of(&bank, Layer::Policy).is_empty(), "nor is anything given");
    assert_eq!(sim.says("bank", "Confined"), ("Unknown".to_owned(), "NotReadable".to_owned()));
    for name in ["team", "bank"] {
        sim.delete(name);
    }
    sim.settle();
    assert_eq!(sim.world.accesses.len(), 1, "the one that had it set");
    assert!(sim.message("team", "Active").contains("ValidatingAdmissionPolicy"));
    sim.world.admission_binding = seen;
    sim.settle();
    assert!(sim.world.accesses.is_empty());
}

#[test]
fn without_sight_of_argocd_server_it_stays_as_it_is() {
    let mut sim = confined();
    sim.grant("team", SPEC);
    sim.world.deployments = Ok(vec![server("a", ""), server("b", "")]);
    assert!(of(&sim.settle(), Layer::Confinement).is_empty());
    sim.world.deployments = not_seen("deployments");
    assert!(of(&sim.settle(), Layer::Confinement).is_empty());
    assert_eq!(sim.says("team", "Confined"), ("Unknown".to_owned(), "NotReadable".to_owned()), "whether it is about the right one is not known");
    let bank = sim.grant("bank", BANK);
    assert!(bank.iter().all(|w| w.direction == Direction::Keep), "nor is anything given: {bank:#?}");
    // What is taken away still is.
    sim.grant("team", &SPEC.replace("{subjects", "{suspend: true, subjects"));
    assert_eq!((allows(&sim).as_str(), whom(&sim)), ("false", format!("request.userInfo.username in [{}]", account("argocd-server"))));

    let mut sim = confined();
    sim.world.deployments = Ok(Vec::new());
    sim.grant("team", SPEC);
    assert!(sim.get(&admission_policy()).is_none(), "there is nobody to confine");
    assert_eq!(sim.says("team", "Confined"), ("False".to_owned(), "ServerNotFound".to_owned()));
}

#[test]
fn on_half_a_sight_nothing_is_added_and_nothing_justified_is_lost() {
    let mut sim = confined();
    sim.grant("team", SPEC);
    sim.world.applications = not_seen("applications");
    assert!(of(&sim.settle(), Layer::Confinement).is_empty());
    let chosen = |ns: &str| BANK.replace("{subjects", &format!("{{server: {{namespaces: {{names: [{ns}]}}}}, subjects"));
    sim.grant("bank", &chosen("lab"));
    assert_eq!(allows(&sim), "request.namespace in ['lab','shop']", "what is named does not depend on the Applications");

    let mut sim = confined();
    sim.grant("team", SPEC);
    sim.world.namespaces = not_seen("namespaces");
    sim.grant("bank", &chosen("lab"));
    assert_eq!((allows(&sim).as_str(), sim.bound()), ("request.namespace in ['shop']", vec!["shop".to_owned()]));
    assert_eq!(sim.says("bank", "Confined"), ("Unknown".to_owned(), "NotReadable".to_owned()));
    assert_eq!(sim.says("team", "Confined").0, "True");

    let mut sim = confined();
    sim.grant("team", SPEC);
    let access = sim.world.accesses.remove(0);
    sim.world.unreadable =
        vec![Unreadable::new::<crate::api::ExecAccessStatus>(access.metadata.clone(), "unknown variant".to_owned(), &serde_json::json!({}))];
    sim.grant("bank", BANK);
    assert_eq!(allows(&sim), "request.namespace in ['bank','shop']");
    let mut validations = spec(&sim)["validations"].clone();
    validations[0]["expression"] = json!("request.namespace in ['bank','lab','shop']");
    sim.edit("kubectl-edit", &admission_policy(), &json!({"spec": {"validations": validations}}));
    sim.settle();
    assert_eq!(allows(&sim), "request.namespace in ['bank','shop']", "what nobody has bound is not justified");
}

#[test]
fn what_kubernetes_finds_fault_with_is_told_and_nothing_is_given() {
    let mut sim = confined();
    sim.declare("team", SPEC);
    sim.round();
    sim.round();
    let warning =
        json!({"status": {"typeChecking": {"expressionWarnings": [{"fieldRef": "spec.validations[0].expression", "warning": "undeclared"}]}}});
    sim.edit("kube-controller-manager", &admission_policy(), &warning);
    sim.settle();
    assert_eq!(sim.says("team", "Confined"), ("False".to_owned(), "WriteFailed".to_owned()));
    assert!(sim.message("team", "Confined").contains("undeclared"));
    assert!(sim.bound().is_empty());
}

#[test]
fn a_restart_of_the_operator_does_not_wait_again_and_a_forged_time_does_not_shorten_the_wait() {
    let mut sim = confined();
    sim.declare("team", SPEC);
    sim.round();
    sim.round();
    let made = sim.now;
    let since = |at: &str| json!({"metadata": {"creationTimestamp": made.to_string(), "annotations": {"argocd-access.dev/since": at}}});
    for forged in ["2020-01-01T00:00:00Z generation 1", "2020-01-01T00:00:00Z generation 0"] {
        sim.edit("kubectl", &admission_policy(), &since(forged));
        assert!(sim.plan().writes.is_empty(), "{forged}");
    }
    for forged in ["2036-01-01T00:00:00Z generation 1", "2026-01-01T00:00:00Z generation 99", "yesterday", ""] {
        sim.edit("kubectl", &admission_policy(), &since(forged));
        let writes = sim.plan().writes;
        assert_eq!((writes.len(), writes[0].layer, writes[0].direction), (1, Layer::Confinement, Direction::Narrow), "{forged}");
    }
    sim.settle();
    assert_eq!(sim.says("team", "Ready").0, "True");
    assert!(sim.plan().writes.is_empty());
}
