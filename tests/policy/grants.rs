//! Random declarations in random instances.

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};

use super::declared::{self, Court, Person};
use super::instance::{Data, Instance};
use super::support::policyjudge::Judge;

/// So many specs are tried; a few hundred questions about each.
const SPECS: usize = 90;

const SUBJECTS: &[&str] = &["team-a", "team", "CN=dev,OU=eng", "a \"b\" c", "ann", "quo,ted", "*", "team-*", "#x"];
const PROJECTS: &[&str] = &["shop", "sho", "bank", "*", "s*", "sh?p", "*a*", "a.b", "**"];
const NAMES: &[&str] = &["web", "web-1", "*", "web-*", "w?b", "*-1", "a.b", "a*b", "?", "web*1"];
const NAMESPACES: &[Option<&str>] = &[None, None, Some("*"), Some("team"), Some("argocd"), Some("web")];

fn spec() -> impl Strategy<Value = Value> {
    let subject = prop_oneof![
        5 => proptest::sample::select(SUBJECTS).prop_flat_map(|name| prop_oneof![Just("Group"), Just("User")].prop_map(move |kind| json!({"kind": kind, "name": name}))),
        1 => Just(json!({"kind": "Role", "name": "ops"})),
    ];
    let selector = (proptest::sample::select(PROJECTS), proptest::sample::select(NAMES), proptest::sample::select(NAMESPACES)).prop_map(
        |(project, name, namespace)| {
            let mut selector = json!({"project": project, "name": name});
            if let Some(namespace) = namespace {
                selector["namespace"] = json!(namespace);
            }
            selector
        },
    );
    (proptest::collection::vec(subject, 1..4), proptest::collection::vec(selector, 1..4)).prop_map(|(s, a)| json!({"subjects": s, "applications": a}))
}

fn live() -> impl Strategy<Value = Vec<(String, String, String)>> {
    let of = |values: &'static [&'static str]| proptest::sample::select(values).prop_map(ToOwned::to_owned);
    let app = (
        of(&["argocd", "argocd", "team", "web", "web-1"]),
        of(&["shop", "sho", "bank", "a.b", "axb"]),
        of(&["web", "web-1", "web-11", "a.b", "axb", "x"]),
    );
    proptest::collection::btree_set(app, 0..10).prop_map(|set| {
        // One name is one Application, whatever its project.
        let mut seen = std::collections::BTreeSet::new();
        set.into_iter().filter(|(ns, _, name)| seen.insert((ns.clone(), name.clone()))).collect()
    })
}

/// Foreign policies as people have them. In regex mode only such as are regular expressions.
fn foreign() -> impl Strategy<Value = Data> {
    let glob = [
        vec![("policy.csv", "g, ops, role:ops\np, role:ops, applications, get, none/none, allow")],
        vec![
            ("policy.csv", "p, role:ops, applications, *, */*, allow\ng, ops, role:ops\n# g, team-a, role:admin\n"),
            ("policy.default", "role:readonly"),
        ],
        vec![
            ("policy.csv", "g, ops, role:ops\np, \"quo,ted\", applications, get, */*, allow\ng, \"quo,ted\", role:quoted"),
            ("policy.default", "role:''"),
        ],
        vec![
            ("policy.csv", "g, ops, role:ops\np, team-a, exec, create, */*, deny\np, role:x, exec, create, shop/*, deny\ng, team, role:x"),
            ("scopes", "[groups, email]"),
        ],
        vec![
            ("policy.a.csv", "g, ops, role:ops"),
            ("policy.z.csv", "  p, role:ops , exec, create, */* , allow"),
            ("policy.csv", "\n\n#\n"),
            ("policy.matchMode", "Regex"),
        ],
    ];
    let regex = [
        vec![("policy.matchMode", "regex"), ("policy.csv", "g, ops, role:ops")],
        vec![
            ("policy.matchMode", "regex"),
            ("policy.csv", "g, ops, role:ops\np, role:ops, applications, get, shop/.*, allow\np, role:n, exec, create, web, allow"),
            ("policy.default", "role:n"),
        ],
    ];
    let data = |pairs: Vec<(&str, &str)>| pairs.into_iter().map(|(k, v)| (k.to_owned(), v.to_owned())).collect::<Data>();
    let (glob, regex): (Vec<Data>, Vec<Data>) = (glob.into_iter().map(data).collect(), regex.into_iter().map(data).collect());
    prop_oneof![3 => proptest::sample::select(glob), 2 => proptest::sample::select(regex)]
}

fn people() -> Vec<Person> {
    let groups = [
        "team-a",
        "team-",
        "team",
        "Team-A",
        "CN=dev,OU=eng",
        "CN=dev",
        "OU=eng",
        "a \"b\" c",
        "a b c",
        "quo,ted",
        "quo",
        "*",
        "team-x",
        "ops",
        "others",
        "#x",
    ];
    let mut people: Vec<Person> = groups.iter().map(|g| ("somebody".to_owned(), vec![(*g).to_owned()])).collect();
    people.extend(["ann", "ann ", "an", "team-a", "stranger"].map(|u| (u.to_owned(), Vec::new())));
    people.push(("two".to_owned(), vec!["others".to_owned(), "team-a".to_owned()]));
    people
}

fn objects(instance: &Instance) -> Vec<String> {
    let near =
        ["shop/web", "shop/web-1", "shop/web-12", "sho/web", "bank/web", "bank/x", "axb/axb", "a.b/a.b", "a.b/aXb", "workshop/web", "shop/webhook"];
    let far = ["shop/team/web", "shop/web/x", "shop/web-1/x", "sho/team/web-1", "bank/web/web-1", "a.b/team/a.b", "s/team/web"];
    let mut objects: Vec<String> = instance.live.iter().filter(|(ns, ..)| instance.elsewhere || ns == "argocd").map(declared::object_of).collect();
    objects.extend(near.map(ToOwned::to_owned));
    if instance.elsewhere {
        objects.extend(far.map(ToOwned::to_owned));
    }
    objects.sort();
    objects.dedup();
    objects
}

#[test]
fn every_declaration_becomes_exactly_its_grant() {
    let mut court = Court::open();
    let mut runner = TestRunner::deterministic();
    let people = people();
    let (mut accepted, strategy) = (0, (spec(), live(), foreign(), any::<bool>()));
    for _ in 0..SPECS {
        let (spec, live, foreign, elsewhere) = strategy.new_tree(&mut runner).unwrap().current();
        let mut instance = Instance { foreign, elsewhere, live };
        match instance.grant(&spec) {
            Ok(policy) => {
                accepted += 1;
                if !elsewhere {
                    // Where Argo CD does not look there is no Application.
                    instance.live.retain(|(ns, ..)| ns == "argocd");
                }
                let objects = objects(&instance);
                declared::judge(&mut court, &instance, &spec, &policy, &people, &objects);
            }
            Err(message) => assert!(message.contains("used like a role") || message.contains("policy.default"), "{spec}: {message}"),
        }
    }
    assert!(accepted * 10 > SPECS * 5, "{accepted} of {SPECS}");
}

#[test]
fn several_objects_together_grant_each_its_own_and_nothing_to_each_others_people() {
    let mut judge = Judge::start();
    let instance = Instance {
        foreign: Data::from([("policy.csv".to_owned(), "g, ops, role:ops".to_owned())]),
        elsewhere: true,
        live: [("argocd", "shop", "web"), ("team", "shop", "web"), ("argocd", "bank", "web-1"), ("web", "bank", "x")]
            .map(|(a, b, c)| (a.to_owned(), b.to_owned(), c.to_owned()))
            .to_vec(),
    };
    let specs = [
        json!({"subjects": [{"kind": "Group", "name": "team-a"}], "applications": [{"project": "shop"}]}),
        json!({"subjects": [{"kind": "Group", "name": "CN=dev,OU=eng"}], "applications": [{"project": "bank", "namespace": "*"}]}),
        json!({"subjects": [{"kind": "User", "name": "ann"}], "applications": [{"project": "*", "namespace": "team"}]}),
        json!({"subjects": [{"kind": "Role", "name": "ops"}], "applications": [{"project": "shop", "name": "w?b", "namespace": "*"}], "roleName": "dev-operators"}),
    ];
    let all: Vec<_> = specs.iter().enumerate().map(|(i, spec)| super::instance::access(&format!("x{i}"), spec)).collect();
    let (policy, refused) = instance.policy(all);
    assert!(refused.is_empty(), "{refused:?}");
    let objects = objects(&instance);
    for person in people() {
        let groups: Vec<&str> = person.1.iter().map(String::as_str).collect();
        let requests: Vec<_> = objects.iter().map(|o| super::support::policyjudge::Request::exec(&person.0, &groups, o)).collect();
        let allowed = judge.allowed(&policy, &[], &requests).unwrap();
        for (object, allowed) in objects.iter().zip(allowed) {
            let declared = specs.iter().any(|s| declared::names(s, &person) && declared::means(s, object));
            let live = instance.live.iter().any(|a| declared::object_of(a) == *object);
            assert!(!allowed || declared, "{person:?} {object}: {policy:#?}");
            assert!(allowed || !(declared && live), "{person:?} {object}: {policy:#?}");
        }
    }
}
