//! Observe mode: nothing is written, and `status.changes` is what Enforce then does.

use std::collections::BTreeMap;

use super::fixtures::{app, server};
use super::simulator::{Sim, rbac_cm};
use crate::api::status::Change;

fn spec(mode: &str, fields: &str) -> String {
    format!("{{subjects: [{{kind: Group, name: a}}], applications: [{{project: '*'}}], mode: {mode}{fields}}}")
}

/// Every value of ours that differs between two states, by object and field.
fn difference(before: &Sim, after: &Sim) -> BTreeMap<(String, String), (Option<String>, Option<String>)> {
    let flat = |sim: &Sim| {
        let mut flat = BTreeMap::new();
        for value in sim.shared().values() {
            let kind = value["kind"].as_str().unwrap();
            let name = value["metadata"]["name"].as_str().unwrap();
            let object = value["metadata"]["namespace"].as_str().map_or(format!("{kind} {name}"), |ns| format!("{kind} {ns}/{name}"));
            for (section, at) in [("data", "/data"), ("annotations", "/metadata/annotations")] {
                for (key, v) in value.pointer(at).and_then(serde_json::Value::as_object).into_iter().flatten() {
                    if !key.starts_with("argocd-access.dev/") {
                        flat.insert((object.clone(), format!("{section}/{key}")), v.as_str().unwrap().to_owned());
                    }
                }
            }
            if kind.ends_with("RoleBinding") {
                flat.insert((object, "subjects".to_owned()), "ServiceAccount argocd/argocd-server -> ClusterRole argocd-access-exec".to_owned());
            }
        }
        flat
    };
    let (before, after) = (flat(before), flat(after));
    let keys: std::collections::BTreeSet<_> = before.keys().chain(after.keys()).cloned().collect();
    keys.into_iter().map(|k| (k.clone(), (before.get(&k).cloned(), after.get(&k).cloned()))).filter(|(_, (a, b))| a != b).collect()
}

fn declared(changes: &[Change]) -> BTreeMap<(String, String), (Option<String>, Option<String>)> {
    changes.iter().map(|c| ((c.object.clone(), c.field.clone()), (c.from.clone(), c.to.clone()))).collect()
}

#[test]
fn what_observe_announces_is_what_enforce_does() {
    for (already, more) in
        [(false, ""), (true, ", ingress: {timeout: 3h}"), (true, ", server: {scope: Cluster}"), (false, ", server: {namespaces: {names: [lab]}}")]
    {
        let mut sim = Sim::stock();
        if already {
            sim.grant("other", "{subjects: [{kind: Group, name: b}], applications: [{project: shop}]}");
        }
        let before = sim.shared();
        let writes = sim.grant("team", &spec("Observe", more));
        assert!(writes.is_empty(), "{writes:?}");
        assert_eq!(sim.shared(), before);
        assert_eq!(sim.says("team", "Active"), ("False".to_owned(), "Observing".to_owned()));
        let announced = declared(&sim.status("team").changes);
        let observed = Sim::new(sim.world.clone());
        sim.grant("team", &spec("Enforce", more));
        assert_eq!(announced, difference(&observed, &sim), "{more}");
        assert!(sim.status("team").changes.is_empty());
    }
}

#[test]
fn an_object_that_turns_to_observing_is_withdrawn() {
    let mut sim = Sim::stock();
    let before = sim.data(&rbac_cm());
    sim.grant("team", &spec("Enforce", ""));
    sim.grant("team", &spec("Observe", ""));
    assert_eq!(sim.data(&rbac_cm()), before);
    assert!(sim.bound().is_empty());
    assert!(!sim.status("team").changes.is_empty(), "and says what it would do again");
}

#[test]
fn a_refused_or_suspended_object_announces_nothing() {
    let mut sim = Sim::stock();
    sim.grant("bad", &spec("Observe", ", roleName: admin"));
    sim.grant("off", &spec("Observe", ", suspend: true"));
    assert!(sim.status("bad").changes.is_empty() && sim.status("off").changes.is_empty());
}

#[test]
fn what_is_announced_fits_into_a_status_and_into_the_time_there_is() {
    let mut sim = Sim::stock();
    sim.world.deployments =
        Ok(vec![server("argocd-server", "args: [argocd-server, --application-namespaces=*]".replace("args", "command").as_str())]);
    sim.world.applications = Ok((0..2000).map(|i| app("argocd", "shop", &format!("a{i:04}"))).collect());
    sim.declare("team", &spec("Observe", ""));
    sim.settle();
    let size = serde_json::to_string(&sim.status("team").changes).unwrap().len();
    assert!(size < 200_000, "{size}");

    let mut sim = Sim::stock();
    for i in 0..300 {
        sim.declare(&format!("x{i:03}"), &spec("Observe", ""));
    }
    let start = std::time::Instant::now();
    let plan = sim.plan();
    assert!(start.elapsed().as_secs() < 5);
    let answered = plan.outlooks.iter().filter(|o| !o.changes.is_empty()).count();
    assert_eq!(answered, 64, "the oldest are answered");
}
