//! `policyTarget: Project`: whatever is declared becomes roles that Argo CD's own server would save, and exactly that grant.

use std::sync::Arc;

use argocd_access::exec::{World, plan};
use argocd_access::reconcile::{Action, Kind, Layer};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};

use super::declared::{self, Court, Person, judge_with_projects};
use super::instance::{Data, Instance, access};
use super::names::{hostile, is_clear, people};

/// So many specs are tried; a few hundred questions about each.
const SPECS: usize = 60;

/// RFC 7386.
fn merge(target: &mut Value, patch: &Value) {
    let Some(patch) = patch.as_object() else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    for (key, value) in patch {
        if value.is_null() {
            target.as_object_mut().unwrap().remove(key);
        } else {
            merge(&mut target[key], value);
        }
    }
}

fn project(name: &str, roles: Option<Value>) -> Value {
    let mut project = json!({"apiVersion": "argoproj.io/v1alpha1", "kind": "AppProject",
        "metadata": {"name": name, "namespace": "argocd", "uid": format!("uid-{name}"), "resourceVersion": "1"}, "spec": {"sourceRepos": ["*"]}});
    if let Some(roles) = roles {
        project["spec"]["roles"] = roles;
    }
    project
}

/// The projects after every step towards what these specs declare, the last one last; or why the first is refused.
fn steps(instance: &Instance, projects: &[Value], specs: &[Value]) -> Result<Vec<Vec<Value>>, String> {
    let accesses = specs.iter().enumerate().map(|(i, spec)| Arc::new(access(&format!("team.{i}"), spec))).collect();
    let mut world = World { projects: Ok(read(projects)), ..instance.world(accesses) };
    let mut projects = projects.to_vec();
    let mut all = Vec::new();
    for _ in 0..8 {
        let plan = plan(&world, jiff::Timestamp::UNIX_EPOCH);
        if let Some(refused) = plan.outlooks.first().filter(|o| !o.accepted.holds()) {
            assert!(plan.writes.iter().all(|w| w.layer != Layer::Policy), "a refused object wrote something");
            return Err(refused.accepted.message.clone());
        }
        let writes: Vec<_> = plan.writes.iter().filter(|w| w.layer == Layer::Policy).collect();
        if writes.is_empty() {
            return Ok(all);
        }
        for write in writes {
            let (Kind::AppProject, Action::Merge(patch)) = (write.target.kind, &write.action) else { panic!("{write:?}") };
            merge(projects.iter_mut().find(|p| p["metadata"]["name"] == write.target.name.as_str()).unwrap(), patch);
        }
        world.projects = Ok(read(&projects));
        all.push(projects.clone());
    }
    panic!("the projects find no rest");
}

fn read(projects: &[Value]) -> Vec<Arc<argocd_access::argocd::kinds::AppProject>> {
    projects.iter().map(|p| Arc::new(serde_json::from_value(p.clone()).unwrap())).collect()
}

/// Three projects, two of them with roles of somebody else.
fn furniture() -> Vec<Value> {
    let role = |project: &str, name: &str, groups: Value| json!({"name": name, "policies": [format!("p, proj:{project}:{name}, applications, sync, {project}/*, allow")], "groups": groups, "jwtTokens": [{"iat": 1}]});
    vec![
        project("shop", None),
        project("bank", Some(json!([role("bank", "ci", json!(["bots", "team-a"]))]))),
        project("a.b", Some(json!([role("a.b", "ci", json!([])), role("a.b", "exec-access-x-01234567", json!(["ops"]))]))),
    ]
}

fn with_target(mut spec: Value) -> Value {
    spec["policyTarget"] = json!("Project");
    spec
}

fn app(namespace: &str, project: &str, name: &str) -> (String, String, String) {
    (namespace.to_owned(), project.to_owned(), name.to_owned())
}

fn spec() -> impl Strategy<Value = Value> {
    let of = |values: &'static [&'static str]| proptest::sample::select(values);
    let subject = of(&["team-a", "team", "CN=dev,OU=eng", "*", "a b", "#x", "ä", ","]).prop_map(|name| json!({"kind": "Group", "name": name}));
    let selector = (
        of(&["shop", "bank", "a.b"]),
        of(&["web", "*", "web-*", "w?b", "*-1", "a.b", "?", "**"]),
        proptest::option::of(of(&["*", "team", "argocd", "web"])),
    )
        .prop_map(|(project, name, namespace)| {
            let mut selector = json!({"project": project, "name": name});
            if let Some(namespace) = namespace {
                selector["namespace"] = json!(namespace);
            }
            selector
        });
    (proptest::collection::vec(subject, 1..4), proptest::collection::vec(selector, 1..4))
        .prop_map(|(s, a)| with_target(json!({"subjects": s, "applications": a})))
}

fn groups() -> Vec<Person> {
    let groups =
        ["team-a", "team", "CN=dev,OU=eng", "CN=dev", "OU=eng", "*", "a b", "a", "#x", "ä", ",", "bots", "ops", "others", "\"CN=dev,OU=eng\""];
    let people = groups.iter().map(|g| ("somebody".to_owned(), vec![(*g).to_owned()]));
    people.chain([("stranger".to_owned(), Vec::new()), ("two".to_owned(), vec!["others".to_owned(), "team".to_owned()])]).collect()
}

#[test]
fn every_declaration_becomes_roles_that_argo_cd_would_save_and_exactly_its_grant() {
    let mut court = Court::open();
    let mut runner = TestRunner::deterministic();
    let live = [
        app("argocd", "shop", "web"),
        app("argocd", "shop", "web-1"),
        app("team", "shop", "web"),
        app("web", "shop", "x"),
        app("argocd", "bank", "w1b"),
        app("web-1", "bank", "a.b"),
        app("argocd", "a.b", "a.b"),
    ];
    for _ in 0..SPECS {
        let (spec, elsewhere) = (spec(), any::<bool>()).new_tree(&mut runner).unwrap().current();
        let mut instance = Instance { foreign: Data::new(), elsewhere, live: live.to_vec() };
        if !elsewhere {
            instance.live.retain(|(namespace, ..)| namespace == "argocd");
        }
        let before = furniture();
        let all = steps(&instance, &before, std::slice::from_ref(&spec)).unwrap_or_else(|message| panic!("{message}: {spec}"));
        for projects in &all {
            assert_eq!(court.refusals(projects), ["", "", ""], "{spec} {projects:#?}");
        }
        let after = all.last().unwrap_or(&before);
        let mut objects: Vec<String> = instance.live.iter().map(declared::object_of).collect();
        objects.extend(["shop/web-12", "shop/webx", "shopx/web", "bank/web", "a.b/aXb", "axb/a.b"].map(ToOwned::to_owned));
        if elsewhere {
            objects.extend(["shop/team/web-1", "shop/web/secret", "shop/web-1/secret", "bank/w/b"].map(ToOwned::to_owned));
        }
        judge_with_projects(&mut court, &instance, &spec, (&instance.foreign, &before, after), &groups(), &objects);
    }
}

#[test]
fn a_hostile_group_is_refused_clearly_or_becomes_exactly_the_group_it_names() {
    let mut court = Court::open();
    let instance = Instance { foreign: Data::new(), elsewhere: false, live: vec![app("argocd", "shop", "web-1")] };
    let (mut accepted, mut refused) = (0, 0);
    for name in hostile() {
        let spec = with_target(json!({"subjects": [{"kind": "Group", "name": name}], "applications": [{"project": "shop", "name": "web-1"}]}));
        let before = furniture();
        match steps(&instance, &before, std::slice::from_ref(&spec)) {
            Ok(all) => {
                accepted += 1;
                let after = all.last().unwrap();
                assert_eq!(court.refusals(after), ["", "", ""], "{name:?}");
                let objects = ["shop/web-1", "shop/web-2", "bank/web-1"].map(ToOwned::to_owned);
                judge_with_projects(&mut court, &instance, &spec, (&instance.foreign, &before, after), &people(&name), &objects);
            }
            Err(message) => {
                refused += 1;
                is_clear(&message, "spec.subjects[0].name");
            }
        }
    }
    assert!(accepted > 30 && refused > 30, "{accepted} {refused}");
}

#[test]
fn several_objects_in_one_project_grant_each_its_own() {
    let mut court = Court::open();
    let live = vec![app("argocd", "shop", "web"), app("argocd", "shop", "api"), app("argocd", "bank", "web")];
    let instance = Instance { foreign: Data::new(), elsewhere: false, live };
    let of = |group: &str, project: &str, name: &str| {
        with_target(json!({"subjects": [{"kind": "Group", "name": group}], "applications": [{"project": project, "name": name}]}))
    };
    let specs = [of("team-a", "shop", "web"), of("team-b", "shop", "a*"), of("team-c", "bank", "*")];
    let before = furniture();
    let after = steps(&instance, &before, &specs).unwrap().pop().unwrap();
    assert_eq!(court.refusals(&after), ["", "", ""]);
    let objects: Vec<String> = instance.live.iter().map(declared::object_of).collect();
    let people: Vec<Person> = ["team-a", "team-b", "team-c", "others"].map(|g| ("x".to_owned(), vec![g.to_owned()])).to_vec();
    for (index, spec) in specs.iter().enumerate() {
        // Each among its own people and a stranger: what the others have is theirs.
        let people = [people[index].clone(), people[3].clone()];
        judge_with_projects(&mut court, &instance, spec, (&instance.foreign, &before, &after), &people, &objects);
    }
}

#[test]
fn what_argo_cd_refuses_is_what_we_would_not_write() {
    let mut court = Court::open();
    let role = |name: &str, policies: &[&str], groups: &[&str]| json!({"name": name, "policies": policies, "groups": groups});
    let line = |object: &str| format!("p, proj:shop:r, exec, create, {object}, allow");
    let mut tried: Vec<Value> = ["shop/*", "shop/w?b", "shop/a/b/c", "shop/[ab]", "shop/", "sho/web", "^shop/web$", "shop/te_am/w.b"]
        .iter()
        .map(|object| role("r", &[line(object).as_str()], &[]))
        .collect();
    tried.extend(["a.b", "-a", "a_", "A-1_b", "", "a b"].iter().map(|name| role(name, &[], &[])));
    tried.extend(["a,b", "\"a,b\"", "\"a\"", "a\"b", " a", "a ", "", "\"", "\"\"", "#", "ä", "a\tb"].iter().map(|group| role("r", &[], &[group])));
    tried.push(role("r", &["p, proj:shop:other, exec, create, shop/x, allow"], &[]));
    tried.push(role("r", &["p, proj:shop:r, exec, create, shop/x, maybe"], &[]));
    tried.push(role("r", &["p, proj:shop:r, accounts, get, shop/x, allow"], &[]));
    tried.push(role("r", &[], &["g", "g"]));
    for role in tried {
        let theirs = court.refusals(&[project("shop", Some(json!([role])))]).remove(0);
        let ours = argocd_access::argocd::project::validate("shop", &serde_json::from_value(role.clone()).unwrap());
        assert_eq!(ours.is_ok(), theirs.is_empty(), "{role}: Argo CD says {theirs:?}, we say {ours:?}");
    }
}
