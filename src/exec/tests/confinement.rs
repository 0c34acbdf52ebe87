//! What confines argocd-server: when it comes, what it allows, and when it goes.

use serde_json::{Value, json};

use super::fixtures::{SPEC, namespace, not_seen, object, pod, server, world};
use super::simulator::{Sim, admission_binding, admission_policy, argocd_cm, binding_in, rbac_cm};
use crate::exec::confinement::rule;
use crate::exec::world::Unreadable;
use crate::reconcile::{Action, Direction, Kind, Layer, Write};

pub(super) const BANK: &str = "{subjects: [{kind: Group, name: b}], applications: [{project: bank}]}";

pub(super) fn confined() -> Sim {
    let mut w = world();
    w.settings.confine = true;
    Sim::new(w)
}

pub(super) fn spec(sim: &Sim) -> Value {
    sim.get(&admission_policy()).expect("the policy")["spec"].clone()
}

/// The expression that allows.
pub(super) fn allows(sim: &Sim) -> String {
    spec(sim)["validations"][0]["expression"].as_str().unwrap().to_owned()
}

pub(super) fn whom(sim: &Sim) -> String {
    spec(sim)["matchConditions"][0]["expression"].as_str().unwrap().to_owned()
}

pub(super) fn of(writes: &[Write], layer: Layer) -> Vec<&Write> {
    writes.iter().filter(|w| w.layer == layer).collect()
}

pub(super) fn account(name: &str) -> String {
    format!("'system:serviceaccount:argocd:{name}'")
}

#[test]
fn the_policy_denies_by_namespace_and_is_about_argocd_server_alone() {
    let mut sim = confined();
    sim.grant("team", SPEC);
    let spec = spec(&sim);
    assert_eq!(spec["failurePolicy"], "Fail");
    let rules = json!([{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CONNECT"], "resources": ["pods/exec"], "scope": "*"}]);
    assert_eq!(spec["matchConstraints"]["resourceRules"], rules);
    assert_eq!(whom(&sim), format!("request.userInfo.username in [{}]", account("argocd-server")));
    assert_eq!(allows(&sim), "request.namespace in ['shop']");
    let binding = sim.get(&admission_binding()).unwrap();
    assert_eq!(binding["spec"], json!({"policyName": "argocd-access-exec-argocd", "validationActions": ["Deny"]}));
    for made in [binding, sim.get(&admission_policy()).unwrap()] {
        assert_eq!(made["metadata"]["labels"]["argocd-access.dev/instance"], "argocd");
    }
    assert_eq!(sim.says("team", "Confined"), ("True".to_owned(), "Enforced".to_owned()));
    assert!(sim.message("team", "Confined").contains("not per person") && sim.message("team", "Confined").contains("attach"));
    assert_eq!(sim.says("team", "Ready").0, "True");
    assert!(sim.settle().is_empty());
}

#[test]
fn nothing_is_given_before_the_policy_has_been_in_force_for_some_seconds() {
    let mut sim = confined();
    sim.observes = false;
    sim.declare("team", SPEC);
    for _ in 0..9 {
        sim.round();
    }
    assert!(sim.log.iter().all(|w| w.direction != Direction::Widen), "Kubernetes has not looked at it: {:#?}", sim.log);
    assert_eq!(of(&sim.log, Layer::Confinement).len(), 2);
    assert!(sim.plan().next.is_none(), "time alone does not help");
    for kind in ["PolicyApplied", "ServerAuthorized", "ExecEnabled", "IngressReady", "Confined"] {
        assert_eq!(sim.says("team", kind), ("False".to_owned(), "Pending".to_owned()), "{kind}");
        assert!(sim.message("team", kind).contains("admission policy"), "{kind}: {}", sim.message("team", kind));
    }

    let mut sim = confined();
    sim.declare("team", SPEC);
    while of(&sim.log, Layer::Confinement).is_empty() {
        sim.round();
    }
    let written = sim.now - jiff::SignedDuration::from_secs(1);
    assert_eq!(sim.plan().next, Some(written + jiff::SignedDuration::from_secs(3)));
    sim.now = written + jiff::SignedDuration::from_millis(2999);
    assert!(sim.plan().writes.is_empty());
    sim.now = written + jiff::SignedDuration::from_secs(3);
    let layers: Vec<Layer> = sim.plan().writes.iter().map(|w| w.layer).collect();
    assert_eq!(layers, [Layer::Server, Layer::Flag, Layer::Ingress, Layer::Policy]);
}

#[test]
fn namespaces_come_before_what_needs_them_and_go_with_the_rest() {
    let mut sim = confined();
    sim.grant("team", SPEC);
    let writes = sim.grant("bank", BANK);
    let widen: Vec<Layer> = writes.iter().filter(|w| w.direction == Direction::Widen).map(|w| w.layer).collect();
    assert_eq!(widen, [Layer::Confinement, Layer::Server, Layer::Policy], "and without a wait");
    assert_eq!(allows(&sim), "request.namespace in ['bank','shop']");
    sim.delete("team");
    let writes = sim.settle();
    let narrow: Vec<Layer> = writes.iter().filter(|w| w.direction == Direction::Narrow).map(|w| w.layer).collect();
    assert_eq!(narrow, [Layer::Policy, Layer::Confinement, Layer::Server]);
    assert_eq!(allows(&sim), "request.namespace in ['bank']");
    // One goes and another comes: first only less, then more.
    let writes = sim.grant(
        "bank",
        &BANK.replace("bank", "lab").replace("project: lab", "project: bank").replace("{subjects", "{server: {namespaces: {names: [lab]}}, subjects"),
    );
    assert_eq!(of(&writes, Layer::Confinement).iter().map(|w| w.direction).collect::<Vec<_>>(), [Direction::Narrow, Direction::Widen]);
    assert_eq!(allows(&sim), "request.namespace in ['lab']");
}

#[test]
fn with_nothing_in_effect_it_denies_all_and_stays() {
    let mut sim = confined();
    sim.grant("team", SPEC);
    sim.grant("team", &SPEC.replace("{subjects", "{suspend: true, subjects"));
    assert_eq!(allows(&sim), "false");
    assert_eq!(sim.says("team", "Confined"), ("True".to_owned(), "Enforced".to_owned()));
    assert!(sim.settle().is_empty());
}

#[test]
fn it_goes_last_and_the_finalizer_after_it() {
    let mut sim = confined();
    let before = sim.shared();
    sim.grant("team", SPEC);
    sim.delete("team");
    let writes = sim.settle();
    let at = |is: &dyn Fn(&Write) -> bool| writes.iter().position(is).unwrap();
    let gone = at(&|w| w.layer == Layer::Confinement && matches!(w.action, Action::Delete { .. }));
    let last = writes.iter().rposition(|w| w.direction == Direction::Narrow).unwrap();
    assert!(last < gone && gone < at(&|w| w.target.kind == Kind::ExecAccess), "{writes:#?}");
    assert_eq!(writes[gone].direction, Direction::Widen);
    assert!(sim.get(&admission_policy()).is_none() && sim.get(&admission_binding()).is_none());
    assert_eq!(sim.shared(), before);
}

#[test]
fn while_it_cannot_be_removed_the_last_object_is_held() {
    let mut sim = confined();
    sim.grant("team", SPEC);
    sim.delete("team");
    for _ in 0..6 {
        for write in sim.plan().writes.iter().filter(|w| !matches!(w.action, Action::Delete { .. }) || w.layer != Layer::Confinement) {
            sim.send(write).unwrap();
        }
    }
    assert_eq!(sim.world.accesses.len(), 1);
    sim.settle();
    assert!(sim.world.accesses.is_empty());
}

#[test]
fn it_stays_while_an_object_cannot_hand_something_back() {
    let mut sim = confined();
    sim.grant("team", SPEC);
    let seen = std::mem::replace(&mut sim.world.ingresses, not_seen("ingresses"));
    sim.delete("team");
    sim.settle();
    assert_eq!((sim.world.accesses.len(), allows(&sim).as_str()), (1, "false"));
    sim.world.ingresses = seen;
    sim.settle();
    assert!(sim.world.accesses.is_empty() && sim.get(&admission_policy()).is_none());
}

#[test]
fn switched_off_it_goes_and_says_so() {
    let mut sim = confined();
    sim.grant("team", SPEC);
    sim.world.settings.confine = false;
    let writes = sim.settle();
    assert_eq!(writes.iter().map(|w| (w.layer, w.direction)).collect::<Vec<_>>(), [(Layer::Confinement, Direction::Widen); 2]);
    assert_eq!(sim.says("team", "Confined"), ("False".to_owned(), "NotConfined".to_owned()));
    assert_eq!(sim.says("team", "Ready").0, "True", "an instance that is not meant to be confined is ready");
}

#[test]
fn only_an_object_that_stands_or_has_stood_brings_it() {
    for more in ["suspend: true", "mode: Observe", "roleName: admin"] {
        let mut sim = confined();
        let writes = sim.grant("team", &SPEC.replace("{subjects", &format!("{{{more}, subjects")));
        assert!(writes.is_empty(), "{more}");
        assert_eq!(sim.says("team", "Confined"), ("False".to_owned(), "NotConfined".to_owned()), "{more}");
    }
    let mut sim = confined();
    sim.grant("team", &SPEC.replace("{subjects", "{mode: Observe, subjects"));
    let announced: Vec<String> = sim.status("team").changes.into_iter().map(|c| c.object).collect();
    assert!(announced.contains(&admission_policy().to_string()) && announced.contains(&binding_in("shop").to_string()), "{announced:?}");
}

#[test]
fn rights_in_the_whole_cluster_are_refused() {
    let mut sim = confined();
    sim.world.settings.confine = false;
    let wide = SPEC.replace("{subjects", "{server: {scope: Cluster}, subjects");
    sim.grant("team", &wide);
    sim.world.settings.confine = true;
    sim.settle();
    assert_eq!(sim.says("team", "Accepted"), ("False".to_owned(), "LimitExceeded".to_owned()));
    assert!(sim.message("team", "Accepted").contains("confine"));
    assert!(sim.world.cluster_role_binding.as_ref().unwrap().is_none());
}

#[test]
fn a_new_service_account_is_confined_before_it_is_let_in_and_the_old_one_until_its_last_pod_is_gone() {
    let mut sim = confined();
    let under = |name: &str, account: &str| {
        let mut pod = pod(name, "2026-01-01T00:00:00Z");
        std::sync::Arc::make_mut(&mut pod).spec = Some(serde_json::from_value(json!({"containers": [], "serviceAccountName": account})).unwrap());
        pod
    };
    sim.world.pods = Ok(vec![under("old", "argocd-server")]);
    sim.grant("team", SPEC);
    let mut other = server("argocd-server", "");
    std::sync::Arc::make_mut(&mut other).spec.as_mut().unwrap().template.spec.as_mut().unwrap().service_account_name = Some("cd-web".to_owned());
    sim.world.deployments = Ok(vec![other]);
    sim.world.pods = Ok(vec![under("old", "argocd-server"), under("new", "cd-web")]);
    let first = sim.plan().writes;
    assert_eq!(first.iter().map(|w| (w.layer, w.direction)).collect::<Vec<_>>(), [(Layer::Confinement, Direction::Narrow)]);
    let writes = sim.settle();
    assert_eq!(of(&writes, Layer::Server).len(), 1);
    let both = format!("request.userInfo.username in [{},{}]", account("argocd-server"), account("cd-web"));
    assert_eq!(whom(&sim), both);
    let bound = sim.log.iter().rposition(|w| w.layer == Layer::Server).unwrap();
    let covered = sim.log.iter().rposition(|w| w.layer == Layer::Confinement).unwrap();
    assert!(covered < bound, "let in before it was confined");

    sim.world.pods = not_seen("pods");
    assert!(sim.settle().is_empty(), "whether the old one is still used is not known");
    sim.world.pods = Ok(vec![under("new", "cd-web")]);
    let writes = sim.settle();
    assert_eq!(writes.iter().map(|w| (w.layer, w.direction)).collect::<Vec<_>>(), [(Layer::Confinement, Direction::Widen)]);
    assert_eq!(whom(&sim), format!("request.userInfo.username in [{}]", account("cd-web")));
    assert_eq!(sim.says("team", "Ready").0, "True");
}

#[test]
fn denied_namespaces_are_never_allowed() {
    let mut sim = confined();
    sim.world.settings.limits.denied_namespaces.clear();
    sim.grant("team", &SPEC.replace("{subjects", "{server: {namespaces: {names: [shop, lab]}}, subjects"));
    sim.world.settings.limits.denied_namespaces = ["lab".to_owned()].into();
    sim.world.unreadable = vec![Unreadable::new::<crate::api::ExecAccessStatus>(
        super::fixtures::access("other", SPEC).metadata.clone(),
        "x".to_owned(),
        &serde_json::json!({}),
    )];
    sim.settle();
    assert!(!allows(&sim).contains("lab"), "{}", allows(&sim));
}

#[test]
fn what_does_not_fit_is_not_granted_and_the_oldest_come_first() {
    let mut sim = confined();
    let name = |i: usize| format!("{:-<60}{i:03}", "n");
    let mut all: Vec<_> = (0..950).map(|i| namespace(&name(i), "{}")).collect();
    all.push(namespace("shop", "{}"));
    sim.world.namespaces = Ok(all);
    sim.grant("team", SPEC);
    let many: Vec<String> = (0..950).map(name).collect();
    sim.grant(
        "many",
        &format!(
            "{{subjects: [{{kind: Group, name: b}}], applications: [{{project: bank}}], server: {{namespaces: {{names: [{}]}}}}}}",
            many.join(", ")
        ),
    );
    assert!(allows(&sim).len() <= rule::EXPRESSION_LIMIT && allows(&sim).contains("'shop'"));
    let bound = sim.bound();
    assert!(bound.len() > 800 && bound.len() < 950 && bound.contains(&"shop".to_owned()));
    assert!(bound.iter().all(|n| allows(&sim).contains(&format!("'{n}'"))), "a binding where the policy refuses");
    assert_eq!(sim.says("many", "Confined"), ("False".to_owned(), "TooManyNamespaces".to_owned()));
    assert_eq!(sim.says("many", "ServerAuthorized").0, "False");
    assert_eq!((sim.says("team", "Confined").1, sim.says("team", "Ready").0), ("Enforced".to_owned(), "True".to_owned()));
}

#[test]
fn removing_the_operator_takes_it_along_whether_or_not_its_configuration_is_known() {
    for confine in [true, false] {
        let mut sim = confined();
        sim.grant("team", SPEC);
        sim.world.settings.confine = confine;
        sim.world.withdraw_all = true;
        let writes = sim.settle();
        let gone = writes.iter().position(|w| matches!(w.action, Action::Delete { .. }) && w.layer == Layer::Confinement).unwrap();
        assert!(writes[..gone].iter().any(|w| w.layer == Layer::Server) && writes[gone..].iter().all(|w| w.direction != Direction::Narrow));
        assert!(sim.get(&admission_policy()).is_none() && sim.get(&admission_binding()).is_none());
        assert!(sim.world.accesses[0].metadata.finalizers.iter().flatten().next().is_none());
    }
}

#[test]
fn in_a_namespace_that_is_being_deleted_nobody_waits_for_it() {
    let mut sim = confined();
    sim.grant("team", SPEC);
    let going = object("{apiVersion: v1, kind: Namespace, metadata: {name: argocd, deletionTimestamp: '2026-06-01T12:00:00Z'}}");
    sim.world.namespaces.as_mut().unwrap()[0] = going;
    while sim.plan().writes.iter().any(|w| w.direction == Direction::Narrow) {
        sim.round();
    }
    // The rights to remove it are gone already: its removal is refused.
    for _ in 0..6 {
        for write in sim.plan().writes.iter().filter(|w| w.layer != Layer::Confinement) {
            sim.send(write).unwrap();
        }
    }
    assert!(sim.world.accesses[0].metadata.finalizers.iter().flatten().next().is_none(), "the namespace hangs on us");
    assert!(sim.get(&admission_policy()).is_some());
    sim.settle();
    assert!(sim.get(&admission_policy()).is_none() && sim.get(&admission_binding()).is_none());
}

#[test]
fn what_was_left_behind_is_swept_although_nothing_is_declared() {
    let mut sim = confined();
    sim.grant("team", SPEC);
    sim.world.accesses.clear();
    sim.world.settings.confine = false;
    sim.settle();
    assert!(sim.get(&admission_policy()).is_none() && sim.get(&admission_binding()).is_none() && sim.bound().is_empty());
    assert!(!sim.data(&rbac_cm()).contains_key("policy.argocd-access.team.csv"));
    assert!(!sim.data(&argocd_cm()).contains_key("exec.enabled"));
}
