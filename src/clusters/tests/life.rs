//! Lives of a cluster: chosen ones, and random ones in which anything happens and the process dies anywhere.

use std::collections::BTreeSet;

use jiff::SignedDuration;
use proptest::prelude::*;

use super::simulator::{SERVER, Simulator};
use crate::exec::tests::fixtures::{access, object};

/// A declaration with workloads in these namespaces.
fn spec(namespaces: &str, more: &str) -> String {
    format!("{{permissions: {{namespaces: {{names: [{namespaces}]}}}}{more}}}")
}

fn terminal(name: &str, more: &str) -> std::sync::Arc<crate::api::ExecAccess> {
    let text = format!("{{subjects: [{{kind: Group, name: team-a}}], applications: [{{project: remote}}]{more}}}");
    access(name, &text)
}

fn application(namespace: &str, destination: &str) -> std::sync::Arc<crate::argocd::kinds::Application> {
    object(&format!(
        "{{apiVersion: argoproj.io/v1alpha1, kind: Application, metadata: {{name: web-{namespace}, namespace: argocd}}, spec: {{project: remote, destination: {{{destination}, namespace: {namespace}}}}}}}"
    ))
}

fn set(texts: &[&str]) -> BTreeSet<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

#[test]
fn a_cluster_comes_with_what_is_declared_and_goes_without_a_trace() {
    let mut all = Simulator::new();
    all.declare(&spec("shop, web", ""));
    all.settle();
    let held = ["argocd-access-logs shop", "argocd-access-logs web", "argocd-access-sync shop", "argocd-access-sync web"];
    assert_eq!((all.held(), all.listed()), (set(&held), Some(set(&["shop", "web"]))));
    assert!(all.is_alive());
    let before = all.writes;
    all.settle();
    assert_eq!(all.writes, before, "a steady state writes nothing");
    all.delete();
    all.settle();
    assert!(all.object.is_none() && all.is_empty() && all.alive() == 0);
}

#[test]
fn a_terminal_is_bound_while_an_exec_access_needs_it_and_nowhere_else() {
    let mut all = Simulator::new();
    all.declare(&spec("shop", ""));
    all.applications = vec![application("shop", "name: prod"), application("pay", &format!("server: '{SERVER}'"))];
    all.settle();
    let exec = |all: &Simulator| all.held().into_iter().filter(|held| held.contains("exec")).collect::<Vec<_>>();
    assert_eq!(exec(&all), [""; 0]);
    all.terminals = vec![terminal("team", "")];
    all.settle();
    assert_eq!(exec(&all), ["argocd-access-exec shop"], "pay is not in the permissions");
    all.terminals = vec![terminal("team", ", suspend: true")];
    all.settle();
    assert_eq!(exec(&all), [""; 0]);
    all.terminals = vec![terminal("team", "")];
    all.declare("{permissions: {namespaces: {names: [shop]}, exec: Never}}");
    all.settle();
    assert_eq!(exec(&all), [""; 0]);
}

#[test]
fn outside_of_its_times_a_credential_stays_and_can_do_nothing() {
    let mut all = Simulator::new();
    all.declare(&spec("shop", ", validity: {notAfter: '2026-06-01T09:00:00Z'}"));
    all.settle();
    assert!(!all.held().is_empty());
    all.now += SignedDuration::from_mins(61);
    all.settle();
    assert_eq!((all.held(), all.listed()), (set(&[]), Some(set(&["shop"]))), "an empty key would mean the whole cluster");
    assert!(all.is_alive());
}

#[test]
fn stopped_everything_is_unbound_at_once() {
    let mut all = Simulator::new();
    all.declare(&spec("shop", ""));
    all.settle();
    all.stopped = true;
    all.settle();
    assert_eq!(all.held(), set(&[]));
    all.stopped = false;
    all.settle();
    assert!(!all.held().is_empty());
}

#[test]
fn a_secret_in_use_stays_with_its_credential_until_it_is_not() {
    let mut all = Simulator::new();
    all.declare(&spec("shop", ""));
    all.applications = vec![application("shop", "name: prod")];
    all.terminals = vec![terminal("team", "")];
    all.settle();
    all.delete();
    all.settle();
    assert!(all.object.is_some() && all.is_alive());
    assert!(!all.held().iter().any(|held| held.contains("exec")));
    all.applications.clear();
    all.settle();
    assert!(all.object.is_none() && all.is_empty());
}

#[test]
fn a_cluster_that_does_not_answer_holds_its_object_until_it_answers() {
    let mut all = Simulator::new();
    all.declare(&spec("shop", ""));
    all.settle();
    all.reachable = false;
    all.delete();
    all.settle();
    assert!(all.object.is_some() && all.listed().is_none(), "the Secret is taken from Argo CD at once");
    assert_eq!(all.alive(), 1);
    all.reachable = true;
    all.settle();
    assert!(all.object.is_none() && all.is_empty());
}

#[test]
fn the_cluster_in_which_argo_cd_runs_is_refused_behind_whatever_address() {
    let mut all = Simulator::new();
    all.declare(&spec("shop", ""));
    let mut world = all.world();
    let mut system = k8s_openapi::api::core::v1::Namespace::default();
    (system.metadata.name, system.metadata.uid) = (Some("kube-system".to_owned()), Some("u".to_owned()));
    world.exec.namespaces = Ok(vec![std::sync::Arc::new(system)]);
    let plan = crate::clusters::plan(&world, all.now);
    let accepted = &plan.outlooks[0].accepted;
    assert!(plan.writes.is_empty() && accepted.message.contains("the cluster in which Argo CD runs"), "{accepted:?}");
}

#[test]
fn an_object_whose_cluster_never_answered_can_be_deleted_as_it_is() {
    let mut all = Simulator::new();
    all.reachable = false;
    all.declare(&spec("shop", ""));
    all.settle();
    assert!(!crate::api::is_held(&all.object.as_ref().unwrap().metadata) && all.writes == 0);
    all.delete();
    assert!(all.object.is_none() && all.is_empty());
}

/// Something that happens.
#[derive(Clone, Debug)]
enum Event {
    Declare(Vec<&'static str>, bool, bool),
    Delete,
    Terminal(bool),
    Application(bool, &'static str),
    Answers(bool),
    Namespace(&'static str, bool),
    Stop(bool),
    Passes(i64),
    Step(usize),
    Dies,
}

fn event() -> impl Strategy<Value = Event> {
    let places = prop::sample::subsequence(vec!["shop", "web", "pay"], 1..=3);
    let place = prop::sample::select(vec!["shop", "web", "pay"]);
    prop_oneof![
        3 => (places, any::<bool>(), prop::bool::weighted(0.2)).prop_map(|(places, never, suspended)| Event::Declare(places, never, suspended)),
        1 => Just(Event::Delete),
        2 => any::<bool>().prop_map(Event::Terminal),
        2 => (any::<bool>(), place.clone()).prop_map(|(there, at)| Event::Application(there, at)),
        2 => prop::bool::weighted(0.7).prop_map(Event::Answers),
        1 => (place, any::<bool>()).prop_map(|(at, there)| Event::Namespace(at, there)),
        1 => prop::bool::weighted(0.3).prop_map(Event::Stop),
        3 => (0_i64..2000).prop_map(Event::Passes),
        8 => (1_usize..4).prop_map(Event::Step),
        2 => Just(Event::Dies),
    ]
}

/// What is declared now, as the judge keeps it.
#[derive(Clone, Debug, Default)]
struct Declared {
    namespaces: BTreeSet<String>,
    exec: bool,
    active: bool,
}

fn happen(all: &mut Simulator, declared: &mut Declared, event: &Event) {
    match event {
        Event::Declare(namespaces, never, suspended) => {
            if all.object.as_ref().is_some_and(|o| o.metadata.deletion_timestamp.is_some()) {
                return;
            }
            let exec = if *never { "Never" } else { "Auto" };
            all.declare(&format!("{{permissions: {{namespaces: {{names: [{}]}}, exec: {exec}}}, suspend: {suspended}}}", namespaces.join(", ")));
            *declared = Declared { namespaces: namespaces.iter().map(|n| (*n).to_owned()).collect(), exec: !never, active: !suspended };
        }
        Event::Delete => {
            all.delete();
            *declared = Declared::default();
        }
        Event::Terminal(there) => all.terminals = if *there { vec![terminal("team", "")] } else { Vec::new() },
        Event::Application(there, at) => {
            all.applications.retain(|app| app.spec.destination.namespace.as_deref() != Some(at));
            if *there {
                all.applications.push(application(at, "name: prod"));
            }
        }
        Event::Answers(answers) => all.reachable = *answers,
        Event::Namespace(at, there) => drop(if *there { all.namespaces.insert((*at).to_owned()) } else { all.namespaces.remove(*at) }),
        Event::Stop(stopped) => all.stopped = *stopped,
        Event::Passes(seconds) => all.now += SignedDuration::from_secs(*seconds),
        Event::Step(most) => drop(all.step(*most)),
        Event::Dies => all.die(),
    }
}

fn ours(all: &Simulator, declared: &Declared) -> (BTreeSet<String>, BTreeSet<String>) {
    let wanted = declared.namespaces.iter().filter(|n| all.namespaces.contains(*n)).cloned().collect::<BTreeSet<_>>();
    let needed = all.applications.iter().filter_map(|app| app.spec.destination.namespace.clone());
    let exec = needed.filter(|n| wanted.contains(n) && declared.exec && !all.terminals.is_empty()).collect();
    (wanted, exec)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_nothing_is_bound_that_is_not_declared_and_all_is_well_when_it_is_left_alone(
        events in prop::collection::vec(event(), 1..60)
    ) {
        let (mut all, mut declared) = (Simulator::new(), Declared::default());
        for event in &events {
            let before = all.held();
            let secret_was = all.listed();
            happen(&mut all, &mut declared, event);
            if let Event::Step(_) = event {
                let (wanted, exec) = ours(&all, &declared);
                for new in all.held().difference(&before) {
                    let (role, place) = new.split_once(' ').unwrap_or((new, ""));
                    prop_assert!(declared.active && !all.stopped && wanted.contains(place), "{new} is given and not declared: {declared:?}");
                    prop_assert!(role != "argocd-access-exec" || exec.contains(place), "{new} is given and nobody needs it");
                }
                // The key of a Secret is never emptied: it would mean the whole cluster.
                prop_assert!(all.listed().is_none_or(|listed| !listed.is_empty()), "after {secret_was:?}");
            }
        }
        all.reachable = true;
        all.stopped = false;
        all.settle();
        // Time for what is to die to die, and for what is to be replaced to be replaced.
        for _ in 0..3 {
            all.now += SignedDuration::from_secs(601);
            all.settle();
        }
        let before = all.writes;
        all.settle();
        prop_assert_eq!(all.writes, before, "a steady state writes nothing");
        let (wanted, exec) = ours(&all, &declared);
        let standing = all.object.as_ref().is_some_and(|o| o.metadata.deletion_timestamp.is_none());
        if standing && declared.active {
            let mut expected: BTreeSet<String> = wanted.iter().flat_map(|n| [format!("argocd-access-sync {n}"), format!("argocd-access-logs {n}")]).collect();
            expected.extend(exec.iter().map(|n| format!("argocd-access-exec {n}")));
            prop_assert_eq!(all.held(), expected);
            prop_assert!(wanted.is_empty() || all.is_alive());
            if !wanted.is_empty() {
                prop_assert_eq!(all.listed(), Some(wanted));
            }
        } else if !all.applications.is_empty() && all.object.as_ref().is_some_and(|o| !standing && !o.spec.suspend) {
            // Argo CD still uses the cluster: what it deploys there goes on, and nobody opens a terminal.
            prop_assert!(!all.held().iter().any(|held| held.starts_with("argocd-access-exec")), "{:?}", all.held());
        } else {
            prop_assert_eq!(all.held(), BTreeSet::new());
        }
        prop_assert!(all.alive() <= 2, "{} credentials are alive", all.alive());
        all.applications.clear();
        all.delete();
        all.settle();
        prop_assert!(all.object.is_none() && all.is_empty() && all.alive() == 0);
    }
}
