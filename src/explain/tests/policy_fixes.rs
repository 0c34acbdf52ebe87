//! What mends a policy: it opens exactly what was asked, and gives nobody anything else.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::Value;

use super::fixtures::{healthy, link, patch, project, question, rbac, run};
use crate::argocd::policy::{Data, Person, Policy, Request};
use crate::explain::{Link, Name, explain};

fn lines(lines: &str) -> Link {
    link(Name::Policy, |_, o| o.world.rbac_cm = Ok(Some(rbac(lines, &[]))))
}

/// The data after a merge patch.
fn after(mut data: Data, patch: &Value) -> Data {
    for (key, value) in patch["data"].as_object().unwrap() {
        data.insert(key.clone(), value.as_str().unwrap().to_owned());
    }
    data
}

#[test]
fn lines_of_their_own_give_what_is_missing_and_no_more() {
    let link = lines("p, role:see, applications, get, shop/web, allow\ng, my-org:team-a, role:see");
    let patch = patch(&link);
    let data = patch["data"].as_object().unwrap();
    let (key, text) = data.iter().next().unwrap();
    assert!(key.starts_with("policy.terminal.web-my-org-team-a-") && crate::argocd::policy::is_policy_key(key) && data.len() == 1, "{key}");
    let text = text.as_str().unwrap();
    assert!(
        !text.contains("applications") && text.contains("exec, create, shop/web, allow\ng, my-org:team-a, role:terminal.web-my-org-team-a-"),
        "{text}"
    );
}

#[test]
fn where_there_is_the_kind_it_is_declared() {
    let link = link(Name::Policy, |_, o| {
        o.world.rbac_cm = Ok(Some(rbac("", &[])));
        o.exec_access = true;
    });
    let fix = link.fix.unwrap();
    let object: Value = serde_json::from_str(run(&fix.commands[0])[0].last().unwrap()).unwrap();
    let spec = serde_json::json!({"subjects": [{"kind": "Group", "name": "my-org:team-a"}], "applications": [{"project": "shop", "name": "web"}]});
    assert_eq!((object["kind"].as_str(), &object["spec"]), (Some("ExecAccess"), &spec));
    assert!(fix.commands[1].contains("--for=condition=Ready"));
    crate::exec::grant::parse(&std::sync::Arc::new(serde_json::from_value(object).unwrap()), "argocd", &crate::config::Limits::default()).unwrap();
}

#[test]
fn what_a_g_line_would_wake_is_for_people_to_judge() {
    let exact = lines("p, my-org:team-a, exec, create, shop/web, allow\np, role:readonly, applications, get, shop/web, allow");
    assert!(!exact.fix.unwrap().commands.is_empty(), "nothing but what is asked is woken");
    for wider in ["exec, create, shop/*", "exec, *, shop/web", "applications, delete, shop/web", "clusters, get, *"] {
        for declared in [false, true] {
            let link = link(Name::Policy, |_, o| {
                o.world.rbac_cm = Ok(Some(rbac(&format!("p, my-org:team-a, {wider}, allow"), &[])));
                o.exec_access = declared;
            });
            let fix = link.fix.unwrap();
            assert!(fix.commands.is_empty() && fix.notes[0].contains(wider), "{wider}: {fix:?}");
        }
    }
}

#[test]
fn a_broken_line_becomes_a_comment_and_a_change_in_the_meantime_is_noticed() {
    let text = "p, role:team, exec, create, shop/web, allow\np, too, few\ng, x, role:team\n";
    let link = link(Name::Policy, |_, o| o.world.rbac_cm = Ok(Some(rbac(text, &[("policy.z.csv", "g, one\ng, a, b")]))));
    let patch = patch(&link);
    assert_eq!(patch["data"]["policy.csv"], text.replace("p, too", "# p, too"));
    assert_eq!(patch["data"]["policy.z.csv"], "# g, one\ng, a, b");
    assert_eq!(patch["metadata"]["resourceVersion"], "2");
}

#[test]
fn a_deny_goes_only_where_it_is_about_nothing_and_nobody_else() {
    let allow = "p, role:team, applications, get, shop/web, allow\np, role:team, exec, create, shop/web, allow\ng, my-org:team-a, role:team\n";
    let of = |deny: &str| lines(&format!("{allow}{deny}")).fix.unwrap();
    let exact = lines(&format!("{allow}p, role:team, exec, create, shop/web, deny"));
    assert_eq!(patch(&exact)["data"]["policy.csv"], allow.trim_end());
    assert!(!of("p, my-org:team-a, exec, create, shop/web, deny").commands.is_empty());
    for wider in [
        "p, role:team, exec, create, shop/*, deny",
        "p, role:team, exec, *, shop/web, deny",
        "p, role:team, exec, create, shop/web, deny\ng, another, role:team",
        "p, role:no, exec, create, shop/web, deny\ng, role:team, role:no\ng, x, role:no",
    ] {
        assert!(of(wider).commands.is_empty(), "{wider}");
    }
}

#[test]
fn email_is_added_to_scopes_only_where_it_brings_no_other_address_to_life() {
    let of = |more: &str, projects: Option<&str>| {
        link(Name::Policy, |q, o| {
            q.user = Some("alice@example.com".to_owned());
            q.groups = Vec::new();
            let lines = format!(
                "p, role:t, exec, create, shop/web, allow\np, role:t, applications, get, shop/web, allow\ng, alice@example.com, role:t\n{more}"
            );
            o.world.rbac_cm = Ok(Some(rbac(&lines, &[("scopes", "[groups, roles]")])));
            o.world.projects = Ok(projects.map(project).into_iter().collect());
        })
    };
    assert_eq!(patch(&of("", None))["data"]["scopes"], "[\"groups\",\"roles\",\"email\"]");
    assert!(of("g, bob@example.com, role:admin", None).fix.unwrap().commands.is_empty());
    assert!(of("", Some("{roles: [{name: r, groups: [bob@example.com]}]}")).fix.unwrap().commands.is_empty());
}

fn a_line() -> impl Strategy<Value = String> {
    let subject = prop::sample::select(vec!["my-org:team-a", "role:a", "role:b", "others", "alice", ""]);
    let resource = prop::sample::select(vec!["exec", "applications", "*", "logs"]);
    let action = prop::sample::select(vec!["create", "get", "*", "delete"]);
    let object = prop::sample::select(vec!["shop/web", "shop/*", "*/*", "shop/w?b", "bank/x", "shop/web ", "^shop/web$"]);
    let effect = prop::sample::select(vec!["allow", "allow", "allow", "deny", "allow # x"]);
    let p = (subject.clone(), resource, action, object, effect).prop_map(|(s, r, a, o, e)| format!("p, {s}, {r}, {a}, {o}, {e}"));
    let g = (subject, prop::sample::select(vec!["role:a", "role:b"])).prop_map(|(s, r)| format!("g, {s}, {r}"));
    prop_oneof![3 => p, 2 => g, 1 => Just("p, too, few".to_owned()), 1 => Just("# nothing".to_owned())]
}

/// What everybody may do, as far as these names go.
fn rights(data: &Data) -> Option<BTreeMap<(String, String, String, String), bool>> {
    let policy = Policy::new(data, []).ok()?;
    let mut all = BTreeMap::new();
    for name in ["my-org:team-a", "others", "alice", "role:a", "somebody"] {
        for (resource, action) in [("exec", "create"), ("applications", "get"), ("applications", "delete"), ("logs", "get"), ("exec", "get")] {
            for object in ["shop/web", "shop/api", "shop/web/x", "bank/x", "workshop/web"] {
                for (id, groups) in [("", vec![name.to_owned()]), (name, Vec::new())] {
                    let request = Request { person: Person::User { id, groups: &groups }, resource, action, object };
                    let whom = format!("{id}|{}", groups.join(","));
                    all.insert((whom, resource.to_owned(), action.to_owned(), object.to_owned()), policy.decide(&request).is_allowed());
                }
            }
        }
    }
    Some(all)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    /// Whatever stands in the policy: a command that is printed opens the terminal, and otherwise changes nothing for anybody. Where the
    /// whole policy could not be loaded, what stands there comes back first.
    #[test]
    fn a_printed_command_gives_exactly_what_was_asked(lines in prop::collection::vec(a_line(), 0..7), regex in any::<bool>(), by_user in any::<bool>()) {
        let mut observed = healthy();
        let mut question = question();
        if by_user {
            question.user = Some("alice".to_owned());
            question.groups = Vec::new();
        }
        let mode: &[(&str, &str)] = if regex { &[("policy.matchMode", "regex")] } else { &[] };
        observed.world.rbac_cm = Ok(Some(rbac(&lines.join("\n"), mode)));
        let before = observed.world.policy().unwrap();
        let explanation = explain(&question, &observed);
        let link = explanation.links.into_iter().find(|l| l.name == Name::Policy).unwrap();
        let Some(fix) = link.fix.as_ref().filter(|f| !f.commands.is_empty()) else { return Ok(()) };
        prop_assert_eq!(fix.commands.len(), 1);
        let data = after(before.clone(), &patch(&link));
        let then = rights(&data).unwrap();
        let asked = |(whom, resource, action, object): &(String, String, String, String)| {
            // To Argo CD a user who is called like a group is the same.
            let mine = whom.trim_matches('|') == if by_user { "alice" } else { "my-org:team-a" };
            mine && object == "shop/web" && [("exec", "create"), ("applications", "get")].contains(&(resource.as_str(), action.as_str()))
        };
        let Some(now) = rights(before) else { return Ok(()) };
        let who = if by_user { "alice|" } else { "|my-org:team-a" };
        for (what, allowed) in &then {
            if asked(what) {
                prop_assert!(*allowed || what.0 != who || link.cause == Some(crate::explain::Cause::PolicyDenied), "{what:?} is still refused: {fix:?}");
            } else {
                prop_assert!(!allowed || now[what], "{what:?} is new: {fix:?}");
            }
        }
    }
}
