//! Hostile names, field by field.

use serde_json::{Value, json};

use super::declared::{self, Court, Person};
use super::instance::Instance;

pub fn hostile() -> Vec<String> {
    let mut names: Vec<String> = [
        "team-a",
        "my-org:team-a",
        "ann@example.com",
        "CN=dev,OU=eng",
        "CN=dev, OU=eng",
        "a,b",
        ",",
        ",,",
        "a,",
        ",a",
        "\"",
        "\"\"",
        "a\"b",
        "\"a\"",
        "\"a",
        "a\"",
        "\"a,b\"",
        "a\",\"b",
        "x, role:admin",
        "x\", role:admin",
        "x\nG, y, role:admin",
        "x\ng, eve, role:admin",
        "x\r\ng, eve, role:admin",
        "x\rg",
        "a\tb",
        "\ta",
        "a\0b",
        "*",
        "?",
        "team-*",
        "[ab]",
        "{a,b}",
        "a\\b",
        "\\",
        "a|b",
        "(a)",
        "^a$",
        ".*",
        " a",
        "a ",
        " ",
        "",
        "\u{a0}a",
        "a\u{a0}",
        "\u{2003}a",
        "a\u{3000}",
        "\u{85}a",
        "a\u{2028}b",
        "a\u{2029}",
        "a\u{b}b",
        "\u{c}",
        "ä",
        "日本 語",
        "e\u{301}",
        "\u{e9}",
        "👩\u{200d}💻",
        "a\u{200b}b",
        "\u{feff}a",
        "a\u{202e}b",
        "\u{ad}",
        "a b",
        "#a",
        "# a",
        "a#b",
        "a # b",
        "role:admin",
        "role:",
        "role:ops",
        "proj:shop:dev",
        "Role:admin",
        "admin",
        "role",
        "p",
        "g",
        "p, a",
        "allow",
        "deny",
        "'a'",
        "`a`",
        "$(a)",
        "%s",
        "<a>",
        "a;b",
        "a/b",
        "../a",
        "-",
        "--",
        "null",
        "true",
        "0",
        "~",
        "a: b",
        "ROLE:ADMIN",
        "ıİ",
        "\u{2060}a",
    ]
    .map(ToOwned::to_owned)
    .to_vec();
    names.push("x".repeat(10_000));
    names.push("\"".repeat(10_000));
    names.push(",".repeat(256));
    names.push("\"".repeat(256));
    names.push("ä".repeat(256));
    names.push("ä".repeat(257));
    names
}

/// Whoever might be meant by mistake: the name cut, trimmed, unquoted, its parts, and people who have nothing to do with it.
pub fn people(name: &str) -> Vec<Person> {
    let mut near: Vec<String> = vec![
        name.to_owned(),
        name.trim().to_owned(),
        name.replace('"', ""),
        name.replace(['"', ' '], ""),
        name.to_lowercase(),
        name.to_uppercase(),
        format!("{name} "),
        format!(" {name}"),
        format!("{name}x"),
        name.chars().skip(1).collect(),
        name.chars().filter(|c| !c.is_control()).collect(),
        "stranger".to_owned(),
        "eve".to_owned(),
        "y".to_owned(),
    ];
    near.extend(name.split([',', '\n', '\r', '"']).map(|part| part.trim().to_owned()));
    near.sort();
    near.dedup();
    // A real token has a user; and a user named like a role is not what is asked here (Argo CD itself has one name space for them).
    near.retain(|n| !n.is_empty() && !n.starts_with("role:") && n.len() < 2000 && n != "admin");
    near.truncate(16);
    let groups = near.iter().map(|n| ("somebody".to_owned(), vec![n.clone()]));
    groups
        .chain(near.iter().map(|n| (n.clone(), Vec::new())))
        .chain([("nobody".to_owned(), Vec::new()), ("op".to_owned(), vec!["ops".to_owned()])])
        .collect()
}

fn instance(mode: &str, elsewhere: bool) -> Instance {
    let foreign = [
        ("policy.csv", "# foreign\ng, ops, role:ops\np, role:ops, applications, sync, shop/web-1, allow\np, \"quo,ted\", logs, get, */x, allow"),
        ("policy.matchMode", mode),
        ("policy.more.csv", "\n\n  # indented\n"),
    ];
    let mut foreign: super::instance::Data = foreign.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    if mode == "regex" {
        // A pattern that is no regular expression would only confuse the judge.
        foreign.insert("policy.csv".to_owned(), "g, ops, role:ops\np, role:ops, ^applications$, ^sync$, ^shop/web-1$, allow".to_owned());
    }
    let app = |ns: &str, p: &str, n: &str| (ns.to_owned(), p.to_owned(), n.to_owned());
    Instance { foreign, elsewhere, live: vec![app("argocd", "shop", "web-1"), app("argocd", "bank", "web-1"), app("team", "shop", "web-1")] }
}

fn objects(elsewhere: bool) -> Vec<String> {
    let mut objects = vec!["shop/web-1", "bank/web-1", "shop/web-2", "shop/web-11", "xshop/web-1", "shopx/web-1"];
    if elsewhere {
        objects.extend(["shop/team/web-1", "shop/team/web-2", "shop/web-1/x"]);
    }
    objects.into_iter().map(ToOwned::to_owned).collect()
}

/// What a message must be: for a person, on one screen, with nothing in it that a terminal would act on.
pub fn is_clear(message: &str, field: &str) {
    assert!(message.contains(field), "which field: {message:?}");
    assert!(message.len() < 600 && !message.chars().any(char::is_control), "{message:?}");
}

#[test]
fn a_hostile_subject_is_refused_clearly_or_becomes_exactly_the_person_it_names() {
    let mut judge = Court::open();
    let (mut accepted, mut refused) = (0, 0);
    for name in hostile() {
        for (mode, elsewhere) in [("glob", false), ("regex", true)] {
            let instance = instance(mode, elsewhere);
            let kind = if accepted % 2 == 0 { "Group" } else { "User" };
            let spec = json!({"subjects": [{"kind": kind, "name": name}], "applications": [{"project": "shop", "name": "web-1"}]});
            match instance.grant(&spec) {
                Ok(policy) => {
                    accepted += 1;
                    declared::judge(&mut judge, &instance, &spec, &policy, &people(&name), &objects(elsewhere));
                }
                Err(message) => {
                    refused += 1;
                    is_clear(&message, "spec.subjects[0].name");
                }
            }
        }
    }
    assert!(accepted > 80 && refused > 50, "{accepted} {refused}");
}

#[test]
fn a_hostile_role_subject_is_refused_or_is_that_role() {
    let mut judge = Court::open();
    let instance = instance("glob", false);
    for name in hostile().into_iter().chain(["ops".to_owned(), "Ops".to_owned(), "op".to_owned()]) {
        let spec = json!({"subjects": [{"kind": "Role", "name": name}], "applications": [{"project": "shop", "name": "web-1"}]});
        match instance.grant(&spec) {
            Ok(policy) => declared::judge(&mut judge, &instance, &spec, &policy, &people(&name), &objects(false)),
            Err(message) => is_clear(&message, "spec.subjects[0].name"),
        }
    }
}

/// Every field beside the subjects, with the hostile name in it.
fn elsewhere_in_the_spec(name: &str) -> Vec<(&'static str, Value)> {
    let subjects = json!([{"kind": "Group", "name": "team-a"}]);
    vec![
        ("spec.applications[0].project", json!({"subjects": subjects, "applications": [{"project": name, "name": "web-1"}]})),
        ("spec.applications[0].name", json!({"subjects": subjects, "applications": [{"project": "shop", "name": name}]})),
        ("spec.applications[0].namespace", json!({"subjects": subjects, "applications": [{"project": "shop", "name": "web-1", "namespace": name}]})),
        ("spec.roleName", json!({"subjects": subjects, "applications": [{"project": "shop", "name": "web-1"}], "roleName": name})),
        ("spec.reason", json!({"subjects": subjects, "applications": [{"project": "shop", "name": "web-1"}], "reason": name})),
    ]
}

#[test]
fn a_hostile_name_anywhere_else_is_refused_clearly_or_means_just_itself() {
    let mut judge = Court::open();
    let people = &people("team-a")[..8];
    for name in hostile() {
        for (field, spec) in elsewhere_in_the_spec(&name) {
            for (mode, elsewhere) in [("glob", true), ("regex", false)] {
                let instance = instance(mode, elsewhere);
                match instance.grant(&spec) {
                    Ok(policy) => declared::judge(&mut judge, &instance, &spec, &policy, people, &objects(elsewhere)),
                    // A role that somebody else has is named by what it is.
                    Err(message) if field == "spec.roleName" && message.contains("roleName") => is_clear(&message, "roleName"),
                    Err(message) => is_clear(&message, field),
                }
            }
        }
    }
}

#[test]
fn a_live_application_with_a_hostile_project_gives_nobody_more() {
    let mut judge = Court::open();
    let people = people("team-a");
    for name in hostile() {
        for mode in ["glob", "regex"] {
            let mut instance = instance(mode, true);
            instance.live.push(("argocd".to_owned(), name.clone(), "web-1".to_owned()));
            instance.live.push(("team".to_owned(), format!("shop{name}"), "web-1".to_owned()));
            instance.live.push(("team".to_owned(), "shop/team".to_owned(), "web-1".to_owned()));
            for project in ["*", "sho?*", "shop"] {
                let spec = json!({"subjects": [{"kind": "Group", "name": "team-a"}], "applications": [{"project": project, "name": "w*1"}]});
                let policy = instance.grant(&spec).unwrap();
                let mut asked = instance.clone();
                // Of the hostile ones no right is owed; that none beyond the declared is given is what is asked.
                asked.live.truncate(3);
                declared::judge(&mut judge, &asked, &spec, &policy, &people[..6], &objects(true));
            }
        }
    }
}
