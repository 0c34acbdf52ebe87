//! Several agents in one namespace: an object gives to the agent that it means, and to no other.

use std::sync::Arc;

use serde_json::json;

use super::simulator::{Sim, said};
use crate::api::conditions::Reason;
use crate::reconcile::{Kind, Target};

const WEB: &[&str] = &["apps/Deployment/shop/web"];
const NAME: &str = "argocd-access-live-argocd";

/// Another agent beside the first.
fn second(sim: &mut Sim) {
    let deployments = sim.world.deployments.as_mut().unwrap();
    let mut other = (*deployments[0]).clone();
    other.metadata.name = Some("second".to_owned());
    other.spec.as_mut().unwrap().template.spec.as_mut().unwrap().service_account_name = Some("second".to_owned());
    deployments.push(Arc::new(other));
}

fn bound_to(sim: &Sim) -> String {
    sim.objects[&Target::namespaced(Kind::RoleBinding, "shop", NAME)]["subjects"][0]["name"].as_str().unwrap().to_owned()
}

#[test]
fn what_is_declared_for_another_agent_is_given_to_nobody() {
    let mut sim = Sim::new(WEB);
    second(&mut sim);
    sim.declare("a-old", "{deployment: argocd-agent-agent, grants: [{}]}", &json!({}));
    sim.settle();
    let before = sim.may();
    sim.declare("b-other", "{deployment: second, grants: [{features: [Terminal]}]}", &json!({}));
    sim.declare("c-none", "{deployment: nowhere, grants: [{features: [Terminal]}]}", &json!({}));
    sim.declare("d-any", "{grants: [{features: [Terminal]}]}", &json!({}));
    sim.settle();
    assert_eq!((sim.may(), bound_to(&sim).as_str()), (before, "agent"));
    for (name, reason) in [("b-other", Reason::Conflict), ("c-none", Reason::NotFound), ("d-any", Reason::Ambiguous)] {
        assert_eq!(sim.condition(name, "InstanceReady"), said("False", reason), "{name}");
        assert_eq!(sim.condition(name, "Active"), said("False", reason), "{name}");
    }
    assert_eq!(sim.ready("a-old"), "Ready");
}

#[test]
fn an_older_object_that_means_no_agent_does_not_stand_in_the_way() {
    let mut sim = Sim::new(WEB);
    second(&mut sim);
    sim.declare("a-none", "{deployment: nowhere, grants: [{features: [Terminal]}]}", &json!({}));
    sim.declare("b-good", "{deployment: second, grants: [{}]}", &json!({}));
    sim.settle();
    assert_eq!((bound_to(&sim).as_str(), sim.condition("b-good", "RBACApplied").0.as_str()), ("second", "True"));
    assert_eq!(sim.condition("a-none", "InstanceReady"), said("False", Reason::NotFound));
}

#[test]
fn two_objects_that_mean_the_same_agent_add_up() {
    let mut sim = Sim::new(WEB);
    sim.declare("a", "{deployment: argocd-agent-agent, grants: [{}]}", &json!({}));
    sim.declare("b", "{grants: [{features: [Logs]}]}", &json!({}));
    sim.settle();
    assert_eq!((sim.ready("a").as_str(), sim.ready("b").as_str()), ("Ready", "Ready"));
    assert!(sim.may().iter().any(|right| right.1.contains("pods/log")), "{:?}", sim.may());
}
