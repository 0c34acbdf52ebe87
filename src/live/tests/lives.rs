//! Many random lives of an agent's rights: whatever happens, and wherever the process ends, the agent never gains what is not declared,
//! nothing of somebody else is touched, and in the end nothing is left. The same in each run; `PROPTEST_RNG_SEED` makes others.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use serde_json::{Value, json};

use super::fixtures::application;
use super::simulator::Sim;
use crate::api::STOP;
use crate::reconcile::{Kind, NotSeen, Target};

const NAME: &str = "argocd-access-live-argocd";
const FOREIGN: &str = "a foreign object";

#[derive(Clone, Debug)]
enum Event {
    /// An object is applied: which, with which grant, suspended or not, observing or not.
    Declare(usize, usize, bool, bool),
    Delete(usize),
    /// What an Application consists of becomes another thing.
    Deploy(usize, Vec<usize>),
    /// The process makes so many steps.
    Steps(usize),
    /// It ends after so many writes.
    Killed(usize),
    Settle,
    /// A kind cannot be seen (any more), or can again.
    Blind(usize, bool),
    /// Somebody writes over a role of ours, or takes a binding away.
    Widen(usize),
    Unbind(usize),
    /// Somebody has an object of our name.
    Foreign(usize),
    Stop(bool),
    /// Time passes: minutes.
    Wait(i64),
}

const NAMES: [&str; 3] = ["a", "b", "c"];
const GRANTS: [&str; 6] = [
    "{}",
    "{features: [View, Logs]}",
    "{features: [Terminal], applications: [{project: shop, name: 'app0'}]}",
    "{features: [Edit, Delete], namespaces: {names: [shop]}}",
    "{precision: Name, clusterScoped: View}",
    "{features: [View], secrets: All}",
];
const RESOURCES: [&str; 6] = [
    "apps/Deployment/shop/web",
    "/Service/other/web",
    "/Secret/shop/password",
    "/Node//node-1",
    "rbac.authorization.k8s.io/Role/shop/r",
    "/ConfigMap/other/c",
];
const PLACES: [&str; 2] = ["shop", "other"];

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => (0..NAMES.len(), 0..GRANTS.len(), prop::bool::weighted(0.2), prop::bool::weighted(0.1)).prop_map(|(n, g, s, o)| Event::Declare(n, g, s, o)),
        2 => (0..NAMES.len()).prop_map(Event::Delete),
        2 => (0..2_usize, prop::collection::vec(0..RESOURCES.len(), 0..4)).prop_map(|(n, r)| Event::Deploy(n, r)),
        3 => (1..4_usize).prop_map(Event::Steps),
        2 => (0..6_usize).prop_map(Event::Killed),
        2 => Just(Event::Settle),
        1 => (0..4_usize, any::<bool>()).prop_map(|(k, b)| Event::Blind(k, b)),
        1 => (0..PLACES.len()).prop_map(Event::Widen),
        1 => (0..PLACES.len()).prop_map(Event::Unbind),
        1 => (0..PLACES.len()).prop_map(Event::Foreign),
        1 => any::<bool>().prop_map(Event::Stop),
        1 => (1..90_i64).prop_map(Event::Wait),
    ]
}

/// Gives a sight back.
type Back = Box<dyn Fn(&mut Sim)>;

/// What was seen before somebody took the sight away.
#[derive(Default)]
struct Sights {
    hidden: BTreeMap<usize, Back>,
}

fn unseen<T>() -> Result<T, NotSeen> {
    Err(NotSeen { kind: "things", why: "forbidden".to_owned() })
}

impl Sights {
    fn set(&mut self, sim: &mut Sim, which: usize, blind: bool) {
        if blind && !self.hidden.contains_key(&which) {
            let back: Box<dyn Fn(&mut Sim)> = match which {
                0 => {
                    let seen = std::mem::replace(&mut sim.world.applications, unseen());
                    Box::new(move |sim| sim.world.applications = seen.clone())
                }
                1 => {
                    let seen = std::mem::replace(&mut sim.world.discovery, unseen());
                    Box::new(move |sim| sim.world.discovery = seen.clone())
                }
                2 => {
                    let seen = std::mem::replace(&mut sim.world.deployments, unseen());
                    Box::new(move |sim| sim.world.deployments = seen.clone())
                }
                _ => {
                    let seen = std::mem::replace(&mut sim.world.projects, unseen());
                    Box::new(move |sim| sim.world.projects = seen.clone())
                }
            };
            self.hidden.insert(which, back);
        } else if !blind && let Some(back) = self.hidden.remove(&which) {
            back(sim);
        }
    }
}

fn foreign(namespace: &str) -> (Target, Value) {
    let target = Target::namespaced(Kind::Role, namespace, NAME);
    let object = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": NAME, "namespace": namespace, "uid": FOREIGN, "resourceVersion": "1"}, "rules": []});
    (target, object)
}

fn live(events: Vec<Event>) {
    let mut sim = Sim::new(&[]);
    let (mut sights, mut placed) = (Sights::default(), BTreeMap::new());
    for (n, resources) in [(0, &RESOURCES[..1]), (1, &RESOURCES[1..2])] {
        sim.world.applications.as_mut().unwrap().push(application(&format!("app{n}"), "shop", resources));
    }
    for event in events {
        match event {
            Event::Declare(name, grant, suspend, observe) => {
                let going =
                    sim.world.accesses.iter().any(|a| a.metadata.name.as_deref() == Some(NAMES[name]) && a.metadata.deletion_timestamp.is_some());
                if !going {
                    let mode = if observe { "Observe" } else { "Enforce" };
                    let end = json!({"notAfter": "2026-06-01T14:00:00Z"});
                    let validity = if name == 2 { end } else { json!({}) };
                    sim.declare(
                        NAMES[name],
                        &format!("{{grants: [{}]}}", GRANTS[grant]),
                        &json!({"suspend": suspend, "mode": mode, "validity": validity}),
                    );
                }
            }
            Event::Delete(name) => {
                sim.delete(NAMES[name]);
                // Without a finalizer it goes at once.
                let held: Vec<String> = NAMES.iter().filter(|n| sim.is_held(n)).map(|n| (*n).to_owned()).collect();
                sim.world.accesses.retain(|a| a.metadata.deletion_timestamp.is_none() || held.contains(a.metadata.name.as_ref().unwrap()));
            }
            Event::Deploy(name, resources) => {
                let of: Vec<&str> = resources.iter().map(|r| RESOURCES[*r]).collect();
                if let Ok(applications) = &mut sim.world.applications {
                    let name = format!("app{name}");
                    applications.retain(|a| a.metadata.name.as_deref() != Some(name.as_str()));
                    applications.push(application(&name, "shop", &of));
                }
            }
            Event::Steps(count) => {
                for _ in 0..count {
                    sim.step();
                }
            }
            Event::Killed(after) => sim.send_at_most(after),
            Event::Settle => drop(sim.settle()),
            Event::Blind(which, blind) => sights.set(&mut sim, which, blind),
            Event::Widen(place) => {
                let target = Target::namespaced(Kind::Role, PLACES[place], NAME);
                if let Some(role) = sim.objects.get_mut(&target).filter(|o| o["metadata"]["uid"] != FOREIGN) {
                    role["rules"] = json!([{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]);
                    role["metadata"]["resourceVersion"] = json!("999999");
                }
            }
            Event::Unbind(place) => drop(sim.objects.remove(&Target::namespaced(Kind::RoleBinding, PLACES[place], NAME))),
            Event::Foreign(place) => {
                let (target, object) = foreign(PLACES[place]);
                if let Entry::Vacant(free) = sim.objects.entry(target.clone()) {
                    placed.insert(target, object.clone());
                    free.insert(object);
                }
            }
            Event::Stop(stop) => {
                let annotations = if stop { json!({STOP: "why"}) } else { json!({}) };
                let cm = json!({"metadata": {"name": "argocd-cm", "namespace": "argocd", "annotations": annotations}});
                sim.world.argocd_cm = Ok(Some(Arc::new(serde_json::from_value(cm).unwrap())));
            }
            Event::Wait(minutes) => sim.now += jiff::SignedDuration::from_mins(minutes),
        }
    }
    // Sight comes back, the stop is released: then all is as declared, and proven.
    (0..4).for_each(|which| sights.set(&mut sim, which, false));
    sim.world.argocd_cm = Ok(None);
    sim.settle();
    let plan = sim.plan();
    assert!(plan.writes.is_empty());
    for (place, right) in sim.may() {
        let wanted = &plan.union;
        assert!(place.is_empty() || wanted.namespaces.contains_key(&place), "{right} in {place}");
        assert!(!right.contains('*') && !right.contains("roles"), "{right} in {place}");
    }
    // And when nothing is declared any more, nothing is left but what is somebody else's.
    for name in NAMES {
        sim.delete(name);
    }
    sim.settle();
    assert!(sim.may().is_empty(), "{:?}", sim.may());
    assert_eq!(sim.objects, placed, "what is somebody else's is there as it was, and nothing else");
    assert!(sim.world.accesses.iter().all(|a| a.metadata.finalizers.iter().flatten().count() == 0));
}

fn config() -> ProptestConfig {
    let default = ProptestConfig::default();
    let rng_seed = if std::env::var_os("PROPTEST_RNG_SEED").is_some() { default.rng_seed } else { RngSeed::Fixed(1) };
    let cases = if std::env::var_os("PROPTEST_CASES").is_some() { default.cases } else { 1000 };
    ProptestConfig { cases, rng_seed, failure_persistence: None, ..default }
}

proptest! {
    #![proptest_config(config())]
    #[test]
    fn whatever_happens_an_agent_gains_nothing_that_is_not_declared_and_in_the_end_nothing_is_left(events in prop::collection::vec(event(), 1..24)) {
        live(events);
    }
}
