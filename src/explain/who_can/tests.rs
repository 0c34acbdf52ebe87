//! Who is listed, by which lines, and what is said where not everything can be known.

use std::collections::BTreeSet;

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::argocd::kinds::Destination;
use crate::argocd::policy::{Person, Request};

fn data(pairs: &[(&str, &str)]) -> Data {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

fn server(auth_disabled: Option<bool>, namespaces: &str) -> Server {
    Server {
        deployment: "argocd-server".to_owned(),
        service_account: "argocd-server".to_owned(),
        version: None,
        auth_disabled,
        applications_elsewhere: !namespaces.is_empty(),
        application_namespaces: Some(namespaces.to_owned()),
        base: None,
        pod_labels: std::collections::BTreeMap::new(),
    }
}

/// An instance with terminals on, without a local admin, with this policy.
fn seen(csv: &str, default: &str) -> Seen {
    let place = |project: &str, name: &str| Place {
        namespace: "argocd".to_owned(),
        name: name.to_owned(),
        project: project.to_owned(),
        destination: Destination { server: Some("https://kubernetes.default.svc".to_owned()), name: None, namespace: Some(project.to_owned()) },
        resources: BTreeSet::new(),
    };
    Seen {
        namespace: "argocd".to_owned(),
        argocd_cm: Ok(Some(data(&[("exec.enabled", "true"), ("admin.enabled", "false")]))),
        rbac_cm: Ok(Some(data(&[("policy.csv", csv), ("policy.default", default)]))),
        server: Ok(Ok(server(Some(false), ""))),
        projects: Ok(Vec::new()),
        applications: Ok(vec![place("shop", "web"), place("shop", "api"), place("bank", "ledger")]),
    }
}

impl Seen {
    fn set(mut self, key: &str, value: &str) -> Self {
        if let Ok(Some(settings)) = &mut self.argocd_cm {
            settings.insert(key.to_owned(), value.to_owned());
        }
        self
    }

    fn project(mut self, name: &str, roles: &serde_json::Value) -> Self {
        let project = serde_json::from_value(json!({"metadata": {"name": name}, "spec": {"roles": roles}})).unwrap();
        self.projects.as_mut().unwrap().push(project);
        self
    }

    fn ask(&self, app: &str) -> Answer {
        who_can(self, &app.parse().unwrap())
    }

    /// The names, and of what holds for everybody the kind.
    fn names(&self, app: &str) -> Vec<String> {
        let answer = self.ask(app);
        assert!(answer.complete, "{:?}", answer.unknown);
        names(&answer.applications[0])
    }
}

fn names(listed: &Listed) -> Vec<String> {
    let name = |s: &Subject| if s.name.is_empty() { format!("{:?}", s.kinds[0]) } else { s.name.clone() };
    listed.subjects.as_ref().unwrap().iter().map(name).collect()
}

const READERS: &str = "role:readonly";

#[test]
fn each_subject_is_listed_with_the_lines_by_which_and_nobody_else_is() {
    let seen = seen(
        "g, ops, team\ng, team, role:admin\np, role:dev, exec, create, shop/*, allow\ng, devs, role:dev\np, ann, exec, *, */*, allow\np, no, exec, create, bank/*, allow\np, x, exec, get, */*, allow",
        READERS,
    );
    assert_eq!(seen.names("shop/web"), ["ann", "devs", "ops", "team"]);
    let answer = seen.ask("shop/web");
    let ops = &answer.applications[0].subjects.as_ref().unwrap()[2];
    assert_eq!((ops.exec.line.as_str(), ops.exec.source.as_str()), ("p, role:admin, exec, create, */*, allow", "Argo CD's built-in policy"));
    let steps: Vec<&str> = ops.exec.by.iter().map(|step| step.line.as_str()).collect();
    assert_eq!(steps, ["g, ops, team", "g, team, role:admin"]);
    let get = ops.get.as_ref().unwrap();
    assert_eq!((get.by[0].line.as_str(), get.by[0].source.as_str()), ("policy.default: role:readonly", "argocd-rbac-cm key policy.default"));
}

#[test]
fn a_name_is_a_group_only_where_a_g_line_names_it() {
    let seen = seen("p, ann, exec, create, */*, allow\ng, ops, role:admin", READERS);
    let answer = seen.ask("shop/web");
    let kinds: Vec<_> = answer.applications[0].subjects.as_ref().unwrap().iter().map(|s| s.kinds.clone()).collect();
    assert_eq!(kinds, [vec![SubjectKind::User], vec![SubjectKind::User, SubjectKind::Group]]);
}

#[test]
fn who_lacks_the_right_to_see_the_application_is_listed_with_those_who_have_it_or_not_at_all() {
    let lines = "p, shells, exec, create, shop/*, allow\ng, shells, role:none\ng, viewers, role:readonly\np, ann, exec, create, shop/web, allow\np, bob, applications, get, shop/*, allow";
    let answer = seen(lines, "").ask("shop/web");
    let with = |name: &str| answer.applications[0].subjects.as_ref().unwrap().iter().find(|s| s.name == name).unwrap().together_with.clone();
    assert_eq!(with("shells"), ["bob", "viewers"], "one person may be bob, and in both groups");
    assert_eq!(with("ann"), ["viewers"], "nobody is ann and bob");
    assert!(seen("p, shells, exec, create, shop/*, allow\ng, shells, role:none", "").names("shop/web").is_empty());
}

#[test]
fn everybody_is_listed_first_and_the_others_still_by_their_own_lines() {
    let default = seen("p, role:all, exec, create, shop/*, allow\ng, role:all, role:readonly\ng, ops, role:admin", "role:all");
    assert_eq!(default.names("shop/web"), ["Everybody", "ops"]);
    assert_eq!(default.names("bank/ledger"), ["ops"]);
    assert_eq!(seen("p, , exec, create, shop/web, allow", READERS).names("shop/web"), ["Everybody"]);
    let anonymous = default.set("users.anonymous.enabled", "true");
    assert_eq!(anonymous.names("shop/web"), ["Anybody", "Everybody", "ops"]);
}

#[test]
fn without_authentication_it_is_anybody_and_no_line_counts() {
    let mut open = seen("g, ops, role:admin", "");
    open.server = Ok(Ok(server(Some(true), "")));
    assert_eq!(open.names("shop/web"), ["Anybody"]);
    open.server = Ok(Ok(server(None, "")));
    let answer = open.ask("shop/web");
    assert!(!answer.complete && answer.unknown[0].contains("--disable-auth"), "{:?}", answer.unknown);
}

#[test]
fn local_accounts_are_told_from_others_and_those_that_are_off_are_not_listed() {
    let seen = seen("g, bob, role:admin\ng, eve, role:admin", "").set("accounts.bob", "login").set("accounts.eve", "apiKey");
    let seen = seen.set("accounts.eve.enabled", "false").set("admin.enabled", "true");
    let answer = seen.ask("shop/web");
    let all = answer.applications[0].subjects.as_ref().unwrap();
    let of = |name: &str| all.iter().find(|s| s.name == name).map(|s| s.kinds.clone());
    assert_eq!(of("bob").unwrap()[0], SubjectKind::LocalAccount);
    assert_eq!(of("admin").unwrap()[0], SubjectKind::LocalAccount);
    assert_eq!(of("eve"), None);
    let people = seen.set("oidc.config", "issuer: https://idp.example.com").ask("shop/web");
    let eve = people.applications[0].subjects.as_ref().unwrap().iter().find(|s| s.name == "eve").unwrap();
    assert_eq!(eve.kinds, [SubjectKind::User, SubjectKind::Group], "the identity provider may call somebody so");
    assert!(people.notes.iter().any(|note| note.contains("local account eve is switched off")), "{:?}", people.notes);
    assert!(answer.notes.iter().any(|note| note.contains("no identity provider")), "{:?}", answer.notes);
}

#[test]
fn roles_of_projects_are_listed_by_their_groups_and_their_tokens_and_only_for_their_project() {
    let policies = json!(["p, proj:shop:dev, exec, create, shop/*, allow", "p, proj:shop:dev, applications, get, shop/*, allow"]);
    let groups = seen("", "").project("shop", &json!([{"name": "dev", "policies": policies, "groups": ["devs"]}]));
    assert_eq!(groups.names("shop/web"), ["devs"]);
    assert!(groups.names("bank/ledger").is_empty());
    let token = seen("", "").project("shop", &json!([{"name": "dev", "policies": policies, "jwtTokens": [{"iat": 1}]}]));
    assert_eq!(token.names("shop/web"), ["proj:shop:dev"]);
    let broken = seen("", "").project("shop", &json!([{"name": "dev", "policies": ["p, too, few"], "groups": ["devs"]}]));
    let answer = broken.ask("shop/web");
    assert!(names(&answer.applications[0]).is_empty() && answer.notes[0].contains("cannot load its role dev"), "{:?}", answer.notes);
}

#[test]
fn what_cannot_be_read_is_said_and_the_list_is_not_called_complete() {
    let all = seen("g, ops, role:admin", "");
    let no = || "forbidden".to_owned();
    for (changed, listed) in [
        (Seen { rbac_cm: Err(no()), ..all.clone() }, false),
        (Seen { projects: Err(no()), ..all.clone() }, true),
        (Seen { argocd_cm: Err(no()), ..all.clone() }, true),
        (Seen { applications: Err(no()), ..all.clone() }, true),
        (Seen { server: Err(no()), ..all.clone() }, true),
        (Seen { rbac_cm: Ok(None), ..all.clone() }, true),
        (Seen { argocd_cm: Ok(None), ..all.clone() }, true),
        (Seen { server: Ok(Err(NoServer::Missing)), ..all.clone() }, true),
        (seen("p, too, few", ""), false),
    ] {
        let answer = changed.ask("shop/web");
        assert!(!answer.complete && !answer.unknown.is_empty());
        assert_eq!(answer.applications[0].subjects.is_some(), listed, "{:?}", answer.unknown);
    }
    assert!(all.ask("shop/web").complete);
}

#[test]
fn a_namespace_stands_for_the_applications_that_deploy_there_in_this_cluster() {
    let mut seen = seen("g, ops, role:admin", "");
    let place = |namespace: &str, name: &str, to: serde_json::Value, resources: &[&str]| Place {
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        project: "shop".to_owned(),
        destination: serde_json::from_value(to).unwrap(),
        resources: resources.iter().map(ToString::to_string).collect(),
    };
    let here = json!({"name": "in-cluster", "namespace": "cache"});
    seen.applications = Ok(vec![
        place("argocd", "a", here.clone(), &[]),
        place("team", "b", here.clone(), &[]),
        place("not-served", "c", here, &[]),
        place("argocd", "d", json!({"name": "in-cluster", "namespace": "other"}), &["cache"]),
        place("argocd", "e", json!({"name": "west", "namespace": "cache"}), &[]),
        place("argocd", "f", json!({"server": "https://kubernetes.default.svc", "namespace": "other"}), &[]),
    ]);
    seen.server = Ok(Ok(server(Some(false), "team")));
    let answer = who_can(&seen, &Question::Namespace("cache".to_owned()));
    let objects: Vec<&str> = answer.applications.iter().map(|listed| listed.application.as_str()).collect();
    assert_eq!(objects, ["shop/a", "shop/d", "shop/team/b"]);
    assert!(answer.applications.iter().all(|listed| names(listed) == ["ops"]));
    let says = |text: &str| answer.notes.iter().any(|note| note.contains(text));
    assert!(says("another name or address for Argo CD, be it this one or not: shop/e") && says("by Kubernetes RBAC"), "{:?}", answer.notes);
}

#[test]
fn an_application_that_does_not_exist_and_terminals_that_are_off_are_remarked() {
    let seen = seen("g, ops, role:admin", "").set("exec.enabled", "True");
    let answer = seen.ask("shop/nope");
    assert_eq!((answer.terminals_enabled, answer.applications[0].exists), (Some(false), Some(false)));
    assert!(answer.notes.iter().any(|n| n.contains("terminals are off")) && answer.notes.iter().any(|n| n.contains("no Application shop/nope")));
    assert_eq!(seen.ask("shop/argocd/web").applications[0].application, "shop/web", "as Argo CD names it");
    for bad in ["web", "a/b/c/d", "a//b", "", "shop/w*b"] {
        assert!(bad.parse::<Question>().is_err(), "{bad}");
    }
}

fn line() -> impl Strategy<Value = String> {
    let name = || prop::sample::select(vec!["ann", "ops", "devs", "role:a", "role:b", "role:admin", "proj:shop:ci", ""]);
    let object = prop::sample::select(vec!["*/*", "shop/*", "shop/web", "*", "bank/*", "shop/w?b", "\"{shop,bank}/*\""]);
    let right = prop::sample::select(vec!["exec, create", "exec, *", "*, *", "applications, get", "applications, *", "logs, get"]);
    let effect = prop::sample::select(vec!["allow", "allow", "allow", "deny"]);
    prop_oneof![
        (name(), name()).prop_map(|(member, role)| format!("g, \"{member}\", \"{role}\"")),
        (name(), right, object, effect).prop_map(|(who, right, object, effect)| format!("p, \"{who}\", {right}, {object}, {effect}")),
    ]
}

fn default() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["", "", "role:readonly", "role:a", "ops"])
}

proptest! {
    #[test]
    fn everyone_who_is_listed_gets_it_from_the_policy_and_everyone_else_who_is_known_does_not(
        lines in prop::collection::vec(line(), 0..12), default in default()
    ) {
        let seen = seen(&lines.join("\n"), default);
        let answer = seen.ask("shop/web");
        let listed = answer.applications[0].subjects.as_ref().unwrap();
        let policy = Policy::new(seen.rbac_cm.as_ref().unwrap().as_ref().unwrap(), []).unwrap();
        let may = |id: &str, groups: &[&str]| {
            let groups: Vec<String> = groups.iter().map(ToString::to_string).collect();
            let ask = |resource, action| policy.decide(&Request { person: Person::User { id, groups: &groups }, resource, action, object: "shop/web" });
            ask("exec", "create").is_allowed() && ask("applications", "get").is_allowed()
        };
        for subject in listed {
            let others: Vec<&str> = if subject.get.is_some() { vec![""] } else { subject.together_with.iter().map(String::as_str).collect() };
            for other in others {
                let everybody = subject.kinds.contains(&SubjectKind::Everybody);
                let user = subject.kinds.contains(&SubjectKind::User) && may(&subject.name, &[other]);
                let group = subject.kinds.contains(&SubjectKind::Group) && (may("nobody", &[&subject.name, other]) || may(other, &[&subject.name]));
                prop_assert!(user || group || (everybody && (may(other, &[]) || may("nobody", &[other]))), "{subject:?} {other}");
            }
        }
        let everybody = may("nobody", &[]);
        prop_assert_eq!(everybody, listed.iter().any(|s| s.kinds.contains(&SubjectKind::Everybody) && s.get.is_some()));
        for name in ["ann", "ops", "devs", "stranger"].into_iter().filter(|_| !everybody) {
            let subject = listed.iter().find(|s| s.name == name && s.get.is_some());
            let has = |kind| subject.is_some_and(|s| s.kinds.contains(&kind));
            // Whoever may exec by what everybody has is among everybody, and needs only to see the Application.
            let by_all = listed.iter().any(|s| s.kinds.contains(&SubjectKind::Everybody) && s.together_with.iter().any(|other| other == name));
            prop_assert_eq!(may(name, &[]), has(SubjectKind::User) || (by_all && may(name, &[])), "user {}", name);
            prop_assert_eq!(may("nobody", &[name]), has(SubjectKind::Group) || (by_all && may("nobody", &[name])), "group {}", name);
        }
    }

    #[test]
    fn taking_away_a_line_that_allows_adds_nobody(lines in prop::collection::vec(line(), 1..12), default in default(), which in any::<prop::sample::Index>()) {
        // A deny holds people back, and so does a `g` line that makes somebody one whom a deny names.
        let denies = lines.iter().any(|line| line.ends_with("deny"));
        let holds_back = |line: &String| line.ends_with("deny") || (denies && line.starts_with('g'));
        let allowing: Vec<usize> = (0..lines.len()).filter(|at| !holds_back(&lines[*at])).collect();
        if allowing.is_empty() {
            return Ok(());
        }
        let which = *which.get(&allowing);
        let mut rest = lines.clone();
        rest.remove(which);
        let subjects = |lines: &[String]| seen(&lines.join("\n"), default).ask("shop/web").applications[0].subjects.clone().unwrap();
        // Of which names somebody has to be to get in: of none where everybody does. Somebody who is more names has the rights of all of them.
        let ways = |subjects: &[Subject]| {
            let way = |s: &Subject, other: &str| [s.name.as_str(), other].into_iter().filter(|n| !n.is_empty()).map(ToOwned::to_owned).collect();
            let ways = |s: &Subject| match s.get {
                Some(_) => vec![way(s, "")],
                None => s.together_with.iter().map(|other| way(s, other)).collect(),
            };
            subjects.iter().flat_map(ways).collect::<Vec<BTreeSet<String>>>()
        };
        let alone = |subjects: &[Subject]| {
            let kinds = |s: &Subject| s.kinds.iter().map(|kind| (s.name.clone(), *kind)).collect::<Vec<_>>();
            subjects.iter().filter(|s| s.get.is_some()).flat_map(kinds).collect::<BTreeSet<_>>()
        };
        let (before, after) = (subjects(&lines), subjects(&rest));
        prop_assert!(alone(&after).is_subset(&alone(&before)), "{before:#?}\n{after:#?}");
        let known = ways(&before);
        prop_assert!(ways(&after).iter().all(|way| known.iter().any(|known| known.is_subset(way))), "{before:#?}\n{after:#?}");
    }
}
