//! What was changed comes back: random lives of up to eight objects, with other people's edits in between, compared with a twin of the
//! instance that never had an `ExecAccess`.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::fixtures::{config_map, ingress, world};
use super::simulator::{Sim, argocd_cm, rbac_cm, the_ingress};
use crate::config::{ConflictPolicy, InPlace, ServerRoles};
use crate::exec::World;

/// Something that happens.
#[derive(Clone, Debug)]
enum Event {
    Declare(usize, usize),
    Delete(usize),
    /// Somebody else's edit.
    Edit(usize),
    /// Somebody adds a Service to the Ingress's list.
    AddListed(&'static str),
    /// So many rounds; the operator need not be done when the next thing happens.
    Rounds(usize),
    Settle,
}

const SPECS: [&str; 8] = [
    "{subjects: [{kind: Group, name: a}], applications: [{project: shop}]}",
    "{subjects: [{kind: User, name: b}], applications: [{project: bank, name: 'l*'}], ingress: {timeout: 2h}}",
    "{subjects: [{kind: Group, name: c}], applications: [{project: '*'}], server: {scope: Cluster}}",
    "{subjects: [{kind: Group, name: d}], applications: [{project: shop}], ingress: {mode: None}}",
    "{subjects: [{kind: Group, name: e}], applications: [{project: shop}], suspend: true}",
    "{subjects: [{kind: Group, name: f}], applications: [{project: shop}], ingress: {annotations: {nginx.ingress.kubernetes.io/proxy-connect-timeout: '9', nginx.ingress.kubernetes.io/websocket-services: mine}}}",
    "{subjects: [{kind: Group, name: g}], applications: [{project: shop}], mode: Observe}",
    "{subjects: [{kind: Group, name: h}], applications: [{project: shop}], roleName: admin}",
];

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => (0..8_usize, 0..SPECS.len()).prop_map(|(who, spec)| Event::Declare(who, spec)),
        2 => (0..8_usize).prop_map(Event::Delete),
        3 => (0..edits().len()).prop_map(Event::Edit),
        1 => prop_oneof![Just("x"), Just("y")].prop_map(Event::AddListed),
        3 => (1..4_usize).prop_map(Event::Rounds),
        2 => Just(Event::Settle),
    ]
}

fn edits() -> Vec<(crate::reconcile::Target, Value)> {
    let read_timeout = |v: Value| json!({"metadata": {"annotations": {"nginx.ingress.kubernetes.io/proxy-read-timeout": v}}});
    vec![
        (argocd_cm(), json!({"data": {"url": "https://other.example.com"}})),
        (argocd_cm(), json!({"data": {"exec.enabled": "false"}})),
        (argocd_cm(), json!({"data": {"exec.enabled": null}})),
        (argocd_cm(), json!({"data": {"exec.shells": "zsh"}})),
        (argocd_cm(), json!({"metadata": {"labels": {"edited": "yes"}}})),
        (rbac_cm(), json!({"data": {"policy.csv": "g, somebody, role:readonly"}})),
        (rbac_cm(), json!({"data": {"policy.other.csv": "g, else, role:admin"}})),
        (rbac_cm(), json!({"data": {"policy.csv": "p, this is broken"}})),
        (rbac_cm(), json!({"data": {"policy.matchMode": "regex"}})),
        (the_ingress(), read_timeout(json!("45"))),
        (the_ingress(), read_timeout(json!("99999"))),
        (the_ingress(), read_timeout(Value::Null)),
        (the_ingress(), json!({"metadata": {"annotations": {"example.com/kept": "no"}}})),
    ]
}

/// The instances that it is tried on.
fn start(kind: usize, flag: Option<&str>) -> World {
    let mut w = world();
    let flag = flag.map_or(String::new(), |v| format!(", exec.enabled: '{v}'"));
    let manager = if kind == 1 { "helm" } else { "kubectl" };
    w.argocd_cm = Ok(Some(config_map("argocd-cm", manager, &format!("{{url: a{flag}}}"))));
    match kind {
        1 => w.ingresses = Ok(vec![ingress("cd", "f5", "{nginx.org/websocket-services: 'other', meta.helm.sh/release-name: cd}")]),
        2 => {
            w.settings.server_roles = ServerRoles::InPlace;
            w.settings.in_place = InPlace::default();
            let role = |kind: &str| {
                format!(
                    "{{apiVersion: rbac.authorization.k8s.io/v1, kind: {kind}, metadata: {{name: argocd-server, uid: r, resourceVersion: '1'}}, rules: [{{apiGroups: ['*'], resources: ['*'], verbs: [get]}}]}}"
                )
            };
            w.own_role = Some(Ok(Some(super::fixtures::object(&role("Role").replace("uid: r", "uid: r, namespace: argocd")))));
            w.own_cluster_role = Some(Ok(Some(super::fixtures::object(&role("ClusterRole")))));
        }
        3 => w.settings.shells = vec!["bash".to_owned(), "sh".to_owned()],
        // Argo CD manages itself; once it leaves the exec keys to us.
        4 | 5 => {
            let data = w.argocd_cm.clone().unwrap().unwrap().data.clone().unwrap_or_default();
            let mut from_git = config_map("argocd-cm", "argocd-controller", &serde_json::to_string(&data).unwrap());
            let mark = ("argocd.argoproj.io/tracking-id".to_owned(), "cd:/ConfigMap:argocd/argocd-cm".to_owned());
            std::sync::Arc::make_mut(&mut from_git).metadata.annotations = Some([mark].into());
            w.argocd_cm = Ok(Some(from_git));
            let leaves = if kind == 4 { super::ownership::LEAVES } else { "{}" };
            w.applications.as_mut().unwrap().push(super::fixtures::object(&format!(
                "{{apiVersion: argoproj.io/v1alpha1, kind: Application, metadata: {{name: cd, namespace: argocd}}, spec: {leaves}}}"
            )));
        }
        6 => w.settings.confine = true,
        _ => {}
    }
    w
}

fn listed_key(sim: &Sim) -> &'static str {
    let f5 = sim.get(&the_ingress()).unwrap()["spec"]["ingressClassName"] == json!("f5");
    if f5 { "nginx.org/websocket-services" } else { "nginx.ingress.kubernetes.io/websocket-services" }
}

fn add_listed(sim: &mut Sim, element: &str) {
    let key = listed_key(sim);
    let list = sim.annotations(&the_ingress()).get(key).cloned().unwrap_or_default();
    if !list.split(',').any(|e| e == element) {
        let list = if list.is_empty() { element.to_owned() } else { format!("{list},{element}") };
        sim.edit("kubectl-edit", &the_ingress(), &json!({"metadata": {"annotations": {key: list}}}));
    }
}

fn live(sim: &mut Sim, twin: &mut Sim, events: &[Event]) {
    let edits = edits();
    for event in events {
        let name = |who: &usize| format!("x{who}");
        let there = |sim: &Sim, who| sim.world.accesses.iter().find(|a| a.metadata.name.as_deref() == Some(&name(who))).cloned();
        match event {
            Event::Declare(who, spec) if there(sim, who).is_none_or(|a| a.metadata.deletion_timestamp.is_none()) => {
                sim.declare(&name(who), SPECS[*spec]);
            }
            Event::Delete(who) if there(sim, who).is_some_and(|a| a.metadata.deletion_timestamp.is_none()) => sim.delete(&name(who)),
            Event::Edit(edit) => {
                for sim in [&mut *sim, &mut *twin] {
                    sim.edit("kubectl-edit", &edits[*edit].0, &edits[*edit].1);
                }
            }
            Event::AddListed(element) => {
                add_listed(sim, element);
                add_listed(twin, element);
            }
            Event::Rounds(n) => (0..*n).for_each(|_| {
                sim.round();
            }),
            Event::Settle => {
                sim.settle();
                assert!(sim.plan().writes.is_empty(), "the steady state writes");
            }
            Event::Declare(..) | Event::Delete(_) => {}
        }
        sim.now += jiff::SignedDuration::from_secs(7);
    }
}

fn without_managed_fields(sim: &Sim) -> Vec<(String, Value)> {
    let mut all: Vec<_> = sim.shared().into_iter().collect();
    for (name, value) in &mut all {
        let entries = value["metadata"].as_object_mut().unwrap().remove("managedFields");
        assert!(!entries.is_some_and(|e| e.to_string().contains("argocd-access")), "{name}: an entry of ours is left");
    }
    all
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]
    #[test]
    fn after_the_last_delete_every_shared_object_is_as_if_we_had_never_been_there(
        kind in 0..7_usize, policy in prop::sample::select(vec![ConflictPolicy::Auto, ConflictPolicy::Force, ConflictPolicy::Defer]), flag in prop_oneof![Just(None), Just(Some("false")), Just(Some("")), Just(Some("true"))],
        events in proptest::collection::vec(event(), 1..16),
    ) {
        let (mut sim, mut twin) = (Sim::new(start(kind, flag)), Sim::new(start(kind, flag)));
        sim.world.settings.conflict_policy = policy;
        live(&mut sim, &mut twin, &events);
        let names: Vec<String> = sim.world.accesses.iter().filter(|a| a.metadata.deletion_timestamp.is_none()).map(|a| a.metadata.name.clone().unwrap()).collect();
        for name in &names {
            sim.delete(name);
        }
        sim.settle();
        prop_assert!(sim.world.accesses.is_empty(), "not let go: {:?}", sim.world.accesses);
        prop_assert_eq!(without_managed_fields(&sim), without_managed_fields(&twin));
    }

    #[test]
    fn removing_the_operator_withdraws_everything_and_lets_the_objects_stand(kind in 0..7_usize, events in proptest::collection::vec(event(), 1..10)) {
        let (mut sim, mut twin) = (Sim::new(start(kind, None)), Sim::new(start(kind, None)));
        live(&mut sim, &mut twin, &events);
        let before = sim.world.accesses.len();
        sim.world.withdraw_all = true;
        sim.settle();
        prop_assert!(sim.world.accesses.iter().all(|a| a.metadata.finalizers.iter().flatten().next().is_none()));
        prop_assert!(sim.world.accesses.len() <= before);
        prop_assert_eq!(without_managed_fields(&sim), without_managed_fields(&twin));
    }
}
