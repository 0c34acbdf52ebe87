//! Decisions by hand, their cost, and policies that nobody would write.

use super::super::cost::{LINEAR, ratio};
use super::*;

fn data(csv: &str, more: &[(&str, &str)]) -> Data {
    more.iter().copied().chain([("policy.csv", csv)]).map(|(k, v)| (k.to_owned(), v.to_owned())).collect()
}

fn said(policy: &Policy, user: &str, groups: &[&str], what: &str) -> String {
    let groups: Vec<String> = groups.iter().map(ToString::to_string).collect();
    let words: Vec<&str> = what.split(' ').collect();
    let person = if user == "-" { Person::Anonymous } else { Person::User { id: user, groups: &groups } };
    let decision = policy.decide(&Request { person, resource: words[0], action: words[1], object: words[2] });
    let by = decision.by.map_or_else(String::new, |by| format!(" {:?} as {:?} by {}", by.why, by.subject, by.line.at));
    format!("{:?}{by}", decision.outcome)
}

#[test]
fn the_line_that_decides_is_named() {
    let policy =
        Policy::new(&data("g, devs, role:dev\np, role:dev, exec, create, shop/*, allow\np, role:dev, exec, create, shop/db, deny", &[]), &[])
            .unwrap();
    assert_eq!(said(&policy, "ann", &["devs"], "exec create shop/web"), "Allowed Allow as \"devs\" by argocd-rbac-cm key policy.csv, line 2");
    assert_eq!(said(&policy, "ann", &["devs"], "exec create shop/db"), "Refused Deny as \"devs\" by argocd-rbac-cm key policy.csv, line 3");
    assert_eq!(said(&policy, "ann", &["others"], "exec create shop/web"), "Refused");
    assert_eq!(said(&policy, "admin", &[], "exec create shop/web"), "Allowed Allow as \"admin\" by Argo CD's built-in policy");
}

#[test]
fn the_default_role_comes_first_and_no_deny_of_a_persons_own_takes_it_away() {
    let policy = Policy::new(&data("p, ann, applications, get, */*, deny", &[("policy.default", "role:readonly")]), &[]).unwrap();
    assert_eq!(said(&policy, "ann", &[], "applications get shop/web"), "Allowed Allow as \"role:readonly\" by Argo CD's built-in policy");
    assert_eq!(said(&policy, "-", &[], "applications get shop/web"), "Allowed Allow as \"role:readonly\" by Argo CD's built-in policy");
}

#[test]
fn a_line_without_a_subject_is_for_everybody() {
    let policy = Policy::new(&data("p, , exec, create, shop/*, allow", &[]), &[]).unwrap();
    for user in ["ann", "-"] {
        assert_eq!(said(&policy, user, &[], "exec create shop/web"), "Allowed Allow as \"\" by argocd-rbac-cm key policy.csv, line 1");
    }
}

#[test]
fn in_regex_mode_a_pattern_that_is_none_shuts_out_whoever_reaches_it() {
    let policy =
        Policy::new(&data("p, ann, exec, create, .*, allow\np, ann, exec, create, */*, allow", &[("policy.matchMode", "regex")]), &[]).unwrap();
    assert_eq!(said(&policy, "ann", &[], "exec create shop/web"), "Refused Fault as \"ann\" by argocd-rbac-cm key policy.csv, line 2");
}

#[test]
fn a_project_counts_for_its_own_requests_and_a_broken_one_for_none() {
    let project = |name: &str, more: &str| -> AppProject {
        serde_yaml::from_str(&format!(
            "{{metadata: {{name: {name}}}, spec: {{roles: [{{name: dev, policies: ['p, proj:{name}:dev, exec, create, \"*\", allow'{more}], groups: [devs]}}]}}}}"
        ))
        .unwrap()
    };
    let policy = Policy::new(&Data::new(), &[project("shop", ""), project("bank", ", 'p, x'")]).unwrap();
    assert!(said(&policy, "ann", &["devs"], "exec create shop/web").contains("AppProject shop, role dev, policy 1"));
    assert_eq!(said(&policy, "ann", &["devs"], "exec create bank/web"), "Refused");
    assert!(said(&policy, "proj:shop:dev", &[], "exec create shop/web").starts_with("Allowed"));
    assert_eq!(said(&policy, "proj:shop:dev", &[], "exec create bank/web"), "Refused");
}

#[test]
fn a_pattern_that_is_too_large_leaves_it_open_unless_something_else_refuses() {
    let large = "a".repeat(20_000);
    let policy = Policy::new(
        &data(&format!("p, ann, exec, create, {large}, allow\np, bob, exec, create, {large}, allow\np, bob, exec, create, *, deny"), &[]),
        &[],
    )
    .unwrap();
    assert!(said(&policy, "ann", &[], "exec create shop/web").starts_with("Undecided Undecided"));
    assert!(said(&policy, "bob", &[], "exec create shop/web").starts_with("Refused Deny"));
}

#[test]
fn eight_times_the_lines_take_far_less_than_the_square_of_that() {
    let rules = |n: usize| {
        (0..n)
            .map(|i| format!("p, role:r{}, exec, create, shop/web-{i}*, allow\ng, group-{i}, role:r{}\n", i % 50, i % 50))
            .collect::<Vec<_>>()
            .concat()
    };
    let chain = |n: usize| (0..n).map(|i| format!("g, n{}, n{}\ng, n{}, n{}\n", i % 100, i % 99, i % 98, i % 97)).collect::<Vec<_>>().concat();
    let (empty, project) = (Vec::<String>::new(), Vec::<AppProject>::new());
    for lines in [&rules as &dyn Fn(usize) -> String, &chain] {
        let (small, large) = (data(&lines(1_250), &[]), data(&lines(10_000), &[]));
        let work = |data: &Data| {
            let policy = Policy::new(data, &project).unwrap();
            let groups: Vec<String> = (0..20).map(|i| format!("group-{i}")).collect();
            for groups in [&groups, &empty] {
                let _any =
                    policy.decide(&Request { person: Person::User { id: "n1", groups }, resource: "exec", action: "create", object: "shop/web-7" });
            }
            let _all = policy.holders("exec", "create");
        };
        let ratio = ratio(LINEAR, &|| work(&small), &|| work(&large));
        assert!(ratio <= LINEAR, "{ratio}");
    }
}

proptest::proptest! {
    #[test]
    fn no_policy_makes_it_panic(csv in r"([pg], ?[a-c*:ä]{0,4}, ?(exec|[*{}\[\]!a-e]{0,6}), ?[a-z*+(]{0,4}, ?[a-z/*?{}\[]{0,8}, ?(allow|deny)\n?){0,6}", any in proptest::prelude::any::<String>(), regex: bool) {
        for csv in [csv, any] {
            let mode = if regex { "regex" } else { "glob" };
            let (policy, _broken) = Policy::of(&data(&csv, &[("policy.matchMode", mode), ("policy.default", "a")]), &[], |_| true, |_, _| true);
            let _any = policy.decide(&Request { person: Person::User { id: "a", groups: &["b".to_owned()] }, resource: "exec", action: "create", object: "a/b" });
            let _all = policy.holders("exec", "create");
        }
    }
}
