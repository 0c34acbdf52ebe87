//! The emergency stop: one annotation takes everything back and holds it back.

use serde_json::json;

use super::fixtures::{SPEC, not_seen};
use super::simulator::{Sim, admission_binding, admission_policy, argocd_cm, rbac_cm};
use crate::api::STOP;
use crate::exec::world::Unreadable;
use crate::reconcile::{Direction, Layer};

fn stop(sim: &mut Sim, why: Option<&str>) {
    sim.edit("kubectl-annotate", &argocd_cm(), &json!({"metadata": {"annotations": {STOP: why}}}));
}

#[test]
fn it_takes_everything_back_and_says_why_to_every_object() {
    let mut sim = Sim::stock();
    let before: Vec<_> = sim.shared().into_iter().map(|(k, v)| (k, v["data"].clone(), v["spec"].clone())).collect();
    sim.grant("team", SPEC);
    sim.grant("bank", "{subjects: [{kind: Group, name: b}], applications: [{project: bank}], server: {scope: Cluster}}");
    stop(&mut sim, Some("INC-7: a stolen\nlaptop"));
    let writes = sim.settle();
    assert!(writes.iter().all(|w| w.direction != Direction::Widen), "{writes:#?}");
    let narrow: Vec<Layer> = writes.iter().filter(|w| w.direction == Direction::Narrow).map(|w| w.layer).collect();
    assert_eq!(narrow.first(), Some(&Layer::Policy), "only the policy lines reach open sessions");
    for name in ["team", "bank"] {
        for kind in ["Active", "Ready", "PolicyApplied"] {
            assert_eq!(sim.says(name, kind), ("False".to_owned(), "Stopped".to_owned()));
        }
        let message = sim.message(name, "Active");
        assert!(message.contains("INC-7: a stolen laptop") && message.contains("argocd-access stop --release -n argocd"), "{message}");
    }
    let strip = |sim: &Sim| sim.shared().into_iter().map(|(k, v)| (k, v["data"].clone(), v["spec"].clone())).collect::<Vec<_>>();
    assert_eq!(strip(&sim), before, "everything is as before");
    stop(&mut sim, None);
    sim.settle();
    assert_eq!(sim.bound(), ["shop"], "and granted again as soon as it is released");
    stop(&mut sim, Some(""));
    sim.settle();
    assert_eq!(strip(&sim), before, "an annotation without a text stops, too");
}

#[test]
fn nothing_is_given_while_it_holds() {
    let mut sim = Sim::stock();
    stop(&mut sim, Some("x"));
    sim.grant("team", SPEC);
    assert!(sim.bound().is_empty() && !sim.data(&rbac_cm()).contains_key("policy.argocd-access.team.csv"));
    assert_eq!(sim.says("team", "Active").1, "Stopped");
    assert_eq!(sim.says("team", "Accepted").0, "True", "it is valid all the same");
}

#[test]
fn an_object_can_be_deleted_while_it_holds() {
    let mut sim = Sim::stock();
    sim.grant("team", SPEC);
    stop(&mut sim, Some("x"));
    sim.delete("team");
    sim.settle();
    assert!(sim.world.accesses.is_empty());
}

#[test]
fn where_it_cannot_be_seen_nothing_is_given_and_nothing_is_lost() {
    let mut sim = Sim::stock();
    sim.grant("team", SPEC);
    let seen = std::mem::replace(&mut sim.world.argocd_cm, not_seen("configmaps"));
    let writes = sim.grant("bank", "{subjects: [{kind: Group, name: b}], applications: [{project: bank}]}");
    assert!(writes.iter().all(|w| w.direction == Direction::Keep), "{writes:#?}");
    assert_eq!(sim.bound(), ["shop"]);
    for kind in ["PolicyApplied", "ServerAuthorized"] {
        assert_eq!(sim.says("bank", kind), ("Unknown".to_owned(), "NotReadable".to_owned()));
        assert!(sim.message("bank", kind).contains(STOP), "{}", sim.message("bank", kind));
        assert_eq!(sim.says("team", kind).0, "True");
    }
    sim.delete("team");
    sim.round();
    assert!(!sim.data(&rbac_cm()).contains_key("policy.argocd-access.team.csv"), "what is taken away never waits");
    sim.world.argocd_cm = seen;
    sim.settle();
    assert_eq!(sim.bound(), ["bank"]);
}

#[test]
fn what_confines_stays_and_lets_nobody_in_even_if_it_was_switched_off_in_between() {
    let mut sim = Sim::stock();
    sim.world.settings.confine = true;
    sim.grant("team", SPEC);
    stop(&mut sim, Some("x"));
    sim.settle();
    sim.world.settings.confine = false;
    sim.settle();
    let policy = sim.get(&admission_policy()).unwrap();
    assert_eq!(policy["spec"]["validations"][0]["expression"], json!("false"));
    assert!(sim.get(&admission_binding()).is_some());
    assert_eq!(sim.says("team", "Confined"), ("True".to_owned(), "Enforced".to_owned()));
    stop(&mut sim, None);
    sim.settle();
    assert!(sim.get(&admission_policy()).is_none() && sim.get(&admission_binding()).is_none());
}

#[test]
fn an_object_that_cannot_be_read_is_stopped_as_well() {
    let mut sim = Sim::stock();
    sim.grant("team", SPEC);
    let access = sim.world.accesses.remove(0);
    sim.world.unreadable =
        vec![Unreadable::new::<crate::api::ExecAccessStatus>(access.metadata.clone(), "unknown variant".to_owned(), &serde_json::json!({}))];
    assert!(sim.settle().is_empty(), "what it has stays");
    stop(&mut sim, Some("x"));
    sim.settle();
    assert!(sim.bound().is_empty() && !sim.data(&rbac_cm()).contains_key("policy.argocd-access.team.csv"));
}
