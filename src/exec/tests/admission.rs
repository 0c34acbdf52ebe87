//! Which objects are let in, and what they are told otherwise.

use super::fixtures::{SPEC, config_map, not_seen, object, server, world};
use super::simulator::{Sim, rbac_cm};
use crate::exec::World;

/// The reason of `Accepted` for one object in this world.
fn verdict(world: World, spec: &str) -> (String, String) {
    let mut sim = Sim::new(world);
    sim.grant("team", spec);
    (sim.says("team", "Accepted").1, sim.message("team", "Accepted"))
}

fn policy(data: &str) -> World {
    World { rbac_cm: Ok(Some(config_map("argocd-rbac-cm", "kubectl", data))), ..world() }
}

fn named(role: &str) -> String {
    format!("{{subjects: [{{kind: Group, name: a}}], applications: [{{project: shop}}], roleName: {role}}}")
}

fn subject(kind: &str, name: &str) -> String {
    format!("{{subjects: [{{kind: {kind}, name: '{name}'}}], applications: [{{project: shop}}]}}")
}

#[test]
fn a_role_of_somebody_else_is_never_shared() {
    for role in ["admin", "readonly", "ops"] {
        assert_eq!(verdict(world(), &named(role)).0, "RoleNameTaken", "{role}");
    }
    assert_eq!(verdict(policy("{policy.default: role:everybody}"), &named("everybody")).0, "RoleNameTaken");
    assert_eq!(verdict(policy("{policy.more.csv: 'g, a, role:more'}"), &named("more")).0, "RoleNameTaken");
    let mut w = world();
    w.projects =
        Ok(vec![object("{metadata: {name: p}, spec: {roles: [{name: r, groups: ['role:of-project'], policies: ['g, x, role:in-policies']}]}}")]);
    assert_eq!(verdict(w.clone(), &named("of-project")).0, "RoleNameTaken");
    assert_eq!(verdict(w, &named("in-policies")).0, "RoleNameTaken");
    assert_eq!(verdict(world(), &named("fine")).0, "Valid");
}

#[test]
fn of_two_objects_with_one_role_the_older_has_it_and_the_other_is_told_by_whom() {
    let mut sim = Sim::stock();
    sim.grant("older", &named("shared"));
    let older = sim.data(&rbac_cm());
    sim.grant("younger", &named("shared"));
    assert_eq!(sim.says("younger", "Accepted").1, "RoleNameTaken");
    assert!(sim.message("younger", "Accepted").contains("\"older\""));
    assert_eq!(sim.data(&rbac_cm()), older, "and nothing of it is written");
    sim.delete("older");
    sim.settle();
    assert_eq!(sim.says("younger", "Ready").0, "True", "the role is free again");
}

#[test]
fn an_object_may_not_take_anothers_default_role_name() {
    let mut sim = Sim::stock();
    sim.grant("a", SPEC);
    sim.grant("b", &named("exec-access.a"));
    assert_eq!(sim.says("b", "Accepted").1, "RoleNameTaken");
}

#[test]
fn whoever_stands_for_everybody_is_no_subject() {
    for (data, kind, name) in [
        ("{policy.default: role:readonly}", "Role", "readonly"),
        ("{policy.default: readers}", "Group", "readers"),
        ("{policy.default: role:base, policy.csv: \"g, role:base, role:mid\\ng, role:mid, role:top\"}", "Role", "top"),
        ("{policy.default: role:admin}", "Role", "readonly"),
    ] {
        assert_eq!(verdict(policy(data), &subject(kind, name)).0, "SubjectTooWide", "{data} {name}");
    }
    assert_eq!(verdict(policy("{policy.default: role:base}"), &subject("Role", "ops")).0, "Valid");
}

#[test]
fn the_role_of_an_exec_access_is_no_subject_of_another() {
    let mut sim = Sim::stock();
    sim.grant("a", SPEC);
    sim.grant("b", &subject("Role", "exec-access.a"));
    assert_eq!(sim.says("b", "Accepted").1, "SubjectTooWide");
}

#[test]
fn each_limit_is_named_when_it_is_exceeded() {
    let limited = |change: fn(&mut World), spec: &str| {
        let mut w = world();
        change(&mut w);
        let (reason, message) = verdict(w, spec);
        assert_eq!(reason, "LimitExceeded", "{message}");
        message
    };
    let with = |more: &str| format!("{{subjects: [{{kind: Group, name: a}}], {more}}}");
    for (change, spec, limit) in [
        ((|w| w.settings.limits.allow_all_projects = false) as fn(&mut World), with("applications: [{project: 'sh*'}]"), "allowAllProjects"),
        (|w| w.settings.limits.denied_projects = ["bank".to_owned()].into(), with("applications: [{project: 'b?nk'}]"), "deniedProjects"),
        (|w| w.settings.limits.allow_cluster_scope = false, with("applications: [{project: a}], server: {scope: Cluster}"), "allowClusterScope"),
        (|w| w.settings.limits.require_reason = true, with("applications: [{project: a}], reason: ' '"), "requireReason"),
        (|_| {}, with("applications: [{project: a}], server: {namespaces: {names: [kube-system]}}"), "deniedNamespaces"),
    ] {
        assert!(limited(change, &spec).contains(limit), "{limit}");
    }
}

#[test]
fn a_limit_that_comes_later_withdraws_what_exceeds_it() {
    let mut sim = Sim::stock();
    sim.grant("team", SPEC);
    sim.world.settings.limits.denied_projects = ["shop".to_owned()].into();
    sim.settle();
    assert!(!sim.data(&rbac_cm()).contains_key("policy.argocd-access.team.csv"));
    assert!(sim.bound().is_empty());
    assert_eq!(sim.says("team", "Ready"), ("False".to_owned(), "LimitExceeded".to_owned()));
}

#[test]
fn without_authentication_nothing_is_opened_and_what_was_open_is_closed() {
    let mut sim = Sim::stock();
    sim.grant("team", SPEC);
    sim.world.deployments = Ok(vec![server("argocd-server", "command: [sh, -c, 'argocd-server --disable-auth']")]);
    sim.settle();
    assert_eq!(sim.says("team", "Accepted").1, "AuthenticationDisabled");
    assert!(!sim.data(&rbac_cm()).contains_key("policy.argocd-access.team.csv"));
}

#[test]
fn anonymous_access_is_refused_only_where_the_default_role_may_exec() {
    for (default, csv, expected) in [
        ("role:admin", "", "AuthenticationDisabled"),
        ("role:readonly", "", "Valid"),
        ("role:x", "p, role:x, exec, create, a/b, allow", "AuthenticationDisabled"),
        ("role:x", "p, role:x, '*', 'c*', a/b, allow", "AuthenticationDisabled"),
        ("role:x", "p, role:x, '*', get, a/b, allow", "Valid"),
        ("role:x", "g, role:x, role:admin", "AuthenticationDisabled"),
        ("role:x", "p, role:x, 'e*', create, a, allow", "AuthenticationDisabled"),
        ("role:x", "p, role:x, e, create, a, allow", "Valid"),
        ("role:x", "p, role:x, logs, get, a/b, allow", "Valid"),
        ("", "", "Valid"),
    ] {
        let mut w = policy(&format!("{{policy.default: '{default}', policy.csv: \"{}\"}}", csv.replace('\'', "")));
        w.argocd_cm = Ok(Some(config_map("argocd-cm", "kubectl", "{users.anonymous.enabled: 'true'}")));
        assert_eq!(verdict(w, SPEC).0, expected, "{default} {csv}");
    }
}

#[test]
fn a_user_named_by_mail_is_remarked_on_where_mail_is_not_looked_up() {
    let spec = subject("User", "ann@example.com");
    let mut sim = Sim::stock();
    sim.grant("team", &spec);
    assert_eq!(sim.says("team", "PolicyApplied"), ("True".to_owned(), "SubjectNeverMatches".to_owned()));
    let mut sim = Sim::new(policy("{scopes: '[groups, email]'}"));
    sim.grant("team", &spec);
    assert_eq!(sim.says("team", "PolicyApplied").1, "Applied");
}

#[test]
fn one_refused_object_does_not_disturb_the_others() {
    let mut sim = Sim::stock();
    sim.grant("good", SPEC);
    let before = sim.shared();
    for (name, spec) in [("bad1", named("admin")), ("bad2", subject("User", "role:admin")), ("bad3", subject("Group", " x"))] {
        let writes = sim.grant(name, &spec);
        assert!(writes.is_empty(), "{name} wrote {writes:?}");
        assert_eq!(sim.says(name, "Ready").0, "False");
    }
    assert_eq!(sim.shared(), before);
    assert_eq!(sim.says("good", "Ready").0, "True");
}

#[test]
fn age_decides_not_the_order_in_which_the_objects_are_listed() {
    let mut sim = Sim::stock();
    sim.declare("z-first", &named("shared"));
    sim.declare("a-second", &named("shared"));
    sim.settle();
    assert_eq!(sim.says("z-first", "Accepted").1, "Valid");
    let plan = sim.plan();
    sim.world.accesses.reverse();
    assert_eq!(format!("{:?}", sim.plan().outlooks), format!("{:?}", plan.outlooks));
}

#[test]
fn where_projects_cannot_be_seen_nothing_is_added_and_what_is_there_can_go() {
    let mut sim = Sim::stock();
    sim.grant("old", SPEC);
    sim.world.projects = not_seen("appprojects");
    sim.grant("new", &named("maybe-taken"));
    assert!(!sim.data(&rbac_cm()).contains_key("policy.argocd-access.new.csv"));
    assert_eq!(sim.says("new", "PolicyApplied"), ("Unknown".to_owned(), "NotReadable".to_owned()));
    sim.delete("old");
    sim.settle();
    assert!(!sim.data(&rbac_cm()).contains_key("policy.argocd-access.old.csv"));
}
