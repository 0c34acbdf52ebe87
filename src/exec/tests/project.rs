//! `policyTarget: Project`: roles in AppProjects, and what becomes of the roles of others there.

use serde_json::{Value, json};

use super::fixtures::{app, not_seen, server};
use super::simulator::{Sim, rbac_cm};
use crate::exec::world::Unreadable;
use crate::reconcile::{Direction, Kind, Target};

pub const SPEC: &str = "{policyTarget: Project, subjects: [{kind: Group, name: team-a}], applications: [{project: shop, name: 'web-*'}]}";
/// The role of an object `team` (the hex digits of the uid `uid-team`).
pub const ROLE: &str = "exec-access-team-dea00000";

pub fn project(name: &str) -> Target {
    Target::namespaced(Kind::AppProject, "argocd", name)
}

/// An AppProject, with these roles (a YAML list; empty: the field is absent).
pub fn appproject(name: &str, roles: &str) -> Value {
    let roles = if roles.is_empty() { String::new() } else { format!("roles: {roles}") };
    let text = format!(
        "{{apiVersion: argoproj.io/v1alpha1, kind: AppProject, metadata: {{name: {name}, namespace: argocd, uid: uid-{name}, resourceVersion: '5'}}, spec: {{sourceRepos: ['*'], {roles}}}}}"
    );
    serde_yaml::from_str(&text).unwrap()
}

/// A stock instance with the projects `shop` and `bank`, of which one has a role of somebody else with tokens.
pub fn stock() -> Sim {
    let mut sim = Sim::stock();
    sim.put(&project("shop"), Some(appproject("shop", "")));
    let ci = "[{name: ci, description: '', policies: ['p, proj:bank:ci, applications, sync, bank/*, allow'], groups: [bots], jwtTokens: [{iat: 7, id: x}], later: {a: 1}}]";
    sim.put(&project("bank"), Some(appproject("bank", ci)));
    sim
}

pub fn roles(sim: &Sim, name: &str) -> Vec<Value> {
    let value = sim.get(&project(name)).unwrap();
    value.pointer("/spec/roles").and_then(Value::as_array).cloned().unwrap_or_default()
}

pub fn names(sim: &Sim, name: &str) -> Vec<String> {
    roles(sim, name).iter().map(|r| r["name"].as_str().unwrap().to_owned()).collect()
}

/// What a project is, without what a write always moves.
fn state(sim: &Sim, name: &str) -> Value {
    let mut value = sim.get(&project(name)).unwrap();
    value["metadata"].as_object_mut().unwrap().remove("resourceVersion");
    if value.pointer("/metadata/annotations").and_then(Value::as_object).is_some_and(serde_json::Map::is_empty) {
        value["metadata"].as_object_mut().unwrap().remove("annotations");
    }
    value
}

#[test]
fn each_named_project_gets_a_role_of_its_own_and_is_as_before_afterwards() {
    let mut sim = stock();
    let before = (state(&sim, "shop"), state(&sim, "bank"));
    let spec = "{policyTarget: Project, reason: INC-1, subjects: [{kind: Group, name: team-a}, {kind: Group, name: 'CN=x,OU=y'}], applications: [{project: shop, name: 'web-*'}, {project: bank, name: ledger}]}";
    sim.grant("team", spec);
    assert_eq!(sim.says("team", "PolicyApplied"), ("True".to_owned(), "Applied".to_owned()));
    assert_eq!(sim.says("team", "Ready").0, "True");
    let wanted = json!({
        "name": ROLE,
        "description": "ExecAccess argocd/team; kept by argocd-access-operator, changes here are undone. Reason: INC-1",
        "policies": [format!("p, proj:shop:{ROLE}, applications, get, shop/web-*, allow"), format!("p, proj:shop:{ROLE}, exec, create, shop/web-*, allow")],
        "groups": ["\"CN=x,OU=y\"", "team-a"],
    });
    assert_eq!(roles(&sim, "shop"), [wanted]);
    assert_eq!(names(&sim, "bank"), ["ci", ROLE], "the foreign role is left where it is");
    let status = sim.status("team").policy.unwrap();
    assert_eq!(
        (status.role.as_str(), status.projects.as_slice(), status.key.as_str()),
        (ROLE, ["bank".to_owned(), "shop".to_owned()].as_slice(), "")
    );
    assert_eq!(status.line_count, 8);
    assert_eq!(sim.status("team").set.first().map(crate::api::Text::as_str), Some("AppProject"));
    assert!(!sim.data(&rbac_cm()).keys().any(|k| k.starts_with("policy.argocd-access.")), "and nothing in argocd-rbac-cm");
    assert!(sim.get(&project("shop")).unwrap().pointer("/metadata/managedFields").is_none(), "no entry of ours stays");
    assert!(sim.settle().is_empty(), "a steady state costs no writes");
    sim.delete("team");
    sim.settle();
    assert_eq!((state(&sim, "shop"), state(&sim, "bank")), before);
}

#[test]
fn a_list_that_was_empty_stays_empty_and_one_that_was_absent_goes() {
    for (before, after) in [("[]", json!([])), ("", Value::Null)] {
        let mut sim = stock();
        sim.put(&project("shop"), Some(appproject("shop", before)));
        sim.grant("team", SPEC);
        sim.delete("team");
        sim.settle();
        assert_eq!(sim.get(&project("shop")).unwrap().pointer("/spec/roles").cloned().unwrap_or(Value::Null), after);
    }
}

#[test]
fn names_that_differ_by_a_dot_only_get_roles_that_differ() {
    let mut sim = stock();
    sim.grant("a.b", SPEC);
    sim.grant("a-b", &SPEC.replace("team-a", "team-b"));
    assert_eq!(names(&sim, "shop"), ["exec-access-a-b-dab00000"], "these two uids begin alike");
    assert_eq!(sim.says("a-b", "Accepted").1, "RoleNameTaken", "then the older one has it");
    assert_eq!(roles(&sim, "shop")[0]["groups"], json!(["team-a"]));
    for access in &mut sim.world.accesses {
        let uid = access.metadata.name.as_deref().map(|n| if n == "a.b" { "0f000000-1" } else { "0f000001-1" });
        std::sync::Arc::make_mut(access).metadata.uid = uid.map(ToOwned::to_owned);
    }
    sim.settle();
    assert_eq!(names(&sim, "shop"), ["exec-access-a-b-0f000000", "exec-access-a-b-0f000001"]);
}

#[test]
fn what_a_project_cannot_hold_is_refused_with_the_field() {
    for (change, field) in [
        (("kind: Group", "kind: User"), "spec.subjects[0].kind"),
        (("kind: Group", "kind: Role"), "spec.subjects[0].kind"),
        (("name: team-a", "name: 'a\"b'"), "spec.subjects[0].name"),
        (("project: shop", "project: 'sh*'"), "spec.applications[0].project"),
        (("project: shop", "project: 'sho?'"), "spec.applications[0].project"),
        (("{policyTarget", "{roleName: x, policyTarget"), "spec.roleName"),
    ] {
        let mut sim = stock();
        sim.grant("team", &SPEC.replace(change.0, change.1));
        assert_eq!(sim.says("team", "Accepted"), ("False".to_owned(), "Invalid".to_owned()), "{change:?}");
        assert!(sim.message("team", "Accepted").contains(field), "{}", sim.message("team", "Accepted"));
        assert!(roles(&sim, "shop").is_empty());
    }
    let mut sim = stock();
    sim.world.settings.limits.allow_project_target = false;
    sim.grant("team", SPEC);
    assert_eq!(sim.says("team", "Accepted").1, "LimitExceeded");
    assert!(sim.message("team", "Accepted").contains("allowProjectTarget"));
}

#[test]
fn a_project_that_is_missing_is_named_and_served_when_it_comes() {
    let mut sim = stock();
    sim.grant("team", &SPEC.replace("applications: [", "applications: [{project: later}, "));
    assert_eq!(sim.says("team", "PolicyApplied"), ("False".to_owned(), "ProjectNotFound".to_owned()));
    assert!(sim.message("team", "PolicyApplied").contains("later"));
    assert_eq!(names(&sim, "shop"), [ROLE], "the others are served");
    sim.put(&project("later"), Some(appproject("later", "")));
    sim.settle();
    assert_eq!((names(&sim, "later"), sim.says("team", "PolicyApplied").0), (vec![ROLE.to_owned()], "True".to_owned()));
    let mut going = sim.get(&project("later")).unwrap();
    going["metadata"]["deletionTimestamp"] = json!("2026-06-01T13:00:00Z");
    going["metadata"]["finalizers"] = json!(["resources-finalizer.argocd.argoproj.io"]);
    sim.put(&project("later"), Some(going));
    sim.settle();
    assert_eq!(sim.says("team", "PolicyApplied").1, "ProjectNotFound");
}

#[test]
fn a_wildcard_that_argo_cd_would_let_cross_a_slash_becomes_the_names_of_live_applications() {
    let mut sim = stock();
    sim.world.deployments = Ok(vec![server("argocd-server", "env: [{name: ARGOCD_APPLICATION_NAMESPACES, value: 'team-*'}]")]);
    sim.world.applications.as_mut().unwrap().push(app("web-team", "shop", "secret"));
    sim.grant("team", SPEC);
    let objects = |sim: &Sim| {
        let policies = roles(sim, "shop")[0]["policies"].as_array().unwrap().clone();
        policies.iter().map(|p| p.as_str().unwrap().split(", ").nth(4).unwrap().to_owned()).collect::<std::collections::BTreeSet<_>>()
    };
    assert_eq!(objects(&sim), ["shop/web-1".to_owned()].into());
    sim.world.applications.as_mut().unwrap().push(app("argocd", "shop", "web-2"));
    sim.settle();
    assert_eq!(objects(&sim), ["shop/web-1".to_owned(), "shop/web-2".to_owned()].into());
    // Without sight of them what stands there stays, as far as it is declared.
    sim.world.applications = not_seen("applications");
    assert!(sim.settle().is_empty());
    assert_eq!(sim.says("team", "PolicyApplied"), ("Unknown".to_owned(), "NotReadable".to_owned()));
    sim.grant("team", &SPEC.replace("web-*", "web-2*"));
    assert_eq!(objects(&sim), ["shop/web-2".to_owned()].into(), "narrowing is not held up");
}

#[test]
fn the_regex_match_mode_takes_every_role_out() {
    let mut sim = stock();
    sim.grant("team", SPEC);
    sim.edit("kubectl", &rbac_cm(), &json!({"data": {"policy.matchMode": "regex"}}));
    sim.settle();
    assert!(roles(&sim, "shop").is_empty(), "unanchored, shop/web-* would mean all of the project");
    assert_eq!(sim.says("team", "PolicyApplied"), ("False".to_owned(), "Unsupported".to_owned()));
    sim.edit("kubectl", &rbac_cm(), &json!({"data": {"policy.matchMode": null}}));
    sim.settle();
    assert_eq!(names(&sim, "shop"), [ROLE]);
}

#[test]
fn what_is_withdrawn_loses_its_role_first_of_all_and_what_changes_gives_up_before_it_gets() {
    let mut sim = stock();
    sim.grant("team", SPEC);
    sim.declare("team", &SPEC.replace("team-a", "team-b").replace("shop", "bank"));
    let writes = sim.settle();
    let first = (&writes[0].target, writes[0].direction);
    assert_eq!(first, (&project("shop"), Direction::Narrow));
    let gives = writes.iter().position(|w| w.direction == Direction::Widen).unwrap();
    assert!(writes[gives..].iter().all(|w| w.direction != Direction::Narrow), "{writes:#?}");
    sim.delete("team");
    let writes = sim.settle();
    assert_eq!((&writes[0].target, writes[0].direction), (&project("bank"), Direction::Narrow));
}

#[test]
fn switching_between_the_targets_moves_the_grant_and_is_never_in_both() {
    let mut sim = stock();
    let global = SPEC.replace("policyTarget: Project, ", "");
    let both = |sim: &Sim| (sim.data(&rbac_cm()).contains_key("policy.argocd-access.team.csv"), names(sim, "shop") == [ROLE]);
    sim.grant("team", &global);
    assert_eq!(both(&sim), (true, false));
    for (spec, expected) in [(SPEC.to_owned(), (false, true)), (global.clone(), (true, false))] {
        sim.declare("team", &spec);
        for _ in 0..8 {
            sim.round();
            assert_ne!(both(&sim), (true, true));
        }
        assert_eq!(both(&sim), expected);
        assert_eq!(sim.says("team", "Ready").0, "True");
    }
}

#[test]
fn projects_out_of_sight_hold_the_object_that_has_a_role_there() {
    let mut sim = stock();
    sim.grant("team", SPEC);
    sim.grant("global", "{subjects: [{kind: Group, name: g}], applications: [{project: bank}]}");
    let seen = sim.world.projects.clone();
    sim.world.projects = not_seen("appprojects");
    sim.delete("team");
    sim.delete("global");
    for _ in 0..6 {
        sim.round();
    }
    let left: Vec<_> = sim.world.accesses.iter().map(|a| a.metadata.name.clone().unwrap()).collect();
    assert_eq!(left, ["team"], "who has nothing there is not held up");
    assert!(sim.message("team", "Active").contains("appprojects"));
    assert_eq!(sim.says("team", "PolicyApplied").0, "Unknown");
    sim.world.projects = seen;
    sim.settle();
    assert!(sim.world.accesses.is_empty() && roles(&sim, "shop").is_empty());
}

#[test]
fn an_object_that_cannot_be_read_keeps_its_role_until_it_goes() {
    let mut sim = stock();
    sim.grant("team", SPEC);
    let access = sim.world.accesses.remove(0);
    sim.world.unreadable =
        vec![Unreadable::new::<crate::api::ExecAccessStatus>(access.metadata.clone(), "unknown variant".to_owned(), &serde_json::json!({}))];
    assert!(sim.settle().is_empty());
    sim.grant("other", &SPEC.replace("team-a", "b"));
    assert_eq!(names(&sim, "shop"), [ROLE, "exec-access-other-de000000"]);
    sim.world.unreadable[0].metadata.deletion_timestamp = Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(sim.now));
    for _ in 0..5 {
        sim.round();
    }
    assert_eq!(names(&sim, "shop"), ["exec-access-other-de000000"]);
}

#[test]
fn a_project_that_would_grow_too_large_gets_no_more_and_keeps_what_it_has() {
    let mut sim = stock();
    let many: Vec<_> = (0..3000).map(|i| app("web-team", "shop", &format!("web-{i}-{}", "x".repeat(30)))).collect();
    sim.world.applications.as_mut().unwrap().extend(many);
    sim.world.deployments = Ok(vec![server("argocd-server", "env: [{name: ARGOCD_APPLICATION_NAMESPACES, value: '*'}]")]);
    sim.grant("team", SPEC);
    sim.grant("big", &SPEC.replace("name: 'web-*'", "name: 'web-*', namespace: '*'"));
    assert_eq!(sim.says("big", "PolicyApplied").1, "PolicyTooLarge");
    assert_eq!((names(&sim, "shop"), sim.says("team", "PolicyApplied").0), (vec![ROLE.to_owned()], "True".to_owned()));
}

#[test]
fn what_others_write_into_a_project_takes_no_role_of_ours_away_and_only_growth_finds_no_room() {
    let mut sim = stock();
    sim.grant("team", SPEC);
    let before = roles(&sim, "shop");
    sim.edit("somebody", &project("shop"), &json!({"spec": {"description": "x".repeat(950 * 1024)}}));
    assert!(sim.settle().is_empty(), "what stands stays as it is");
    assert_eq!((roles(&sim, "shop"), sim.says("team", "PolicyApplied").0), (before.clone(), "True".to_owned()));
    sim.grant("other", &SPEC.replace("team-a", "b"));
    assert_eq!((roles(&sim, "shop"), sim.says("other", "PolicyApplied").1), (before, "PolicyTooLarge".to_owned()));
    sim.declare("team", &SPEC.replace("name: team-a}", "name: team-a}, {kind: Group, name: more}"));
    sim.settle();
    assert_eq!(sim.says("team", "PolicyApplied").1, "PolicyTooLarge");
    let role = roles(&sim, "shop").into_iter().find(|role| role["name"] == ROLE).unwrap();
    assert_eq!(role["groups"], json!(["team-a"]), "who has it keeps it, and nobody is added");
    sim.declare("team", &SPEC.replace("team-a", "team-b"));
    sim.settle();
    assert_eq!(names(&sim, "shop"), Vec::<String>::new(), "what is not declared any more goes all the same");
}

#[test]
fn observing_tells_of_the_role_and_writes_nothing() {
    let mut sim = stock();
    sim.grant("team", &SPEC.replace("{policyTarget", "{mode: Observe, policyTarget"));
    let changes = sim.status("team").changes;
    let told = changes.iter().find(|c| c.object == "AppProject argocd/shop").unwrap();
    assert_eq!((told.field.as_str(), told.from.as_deref()), (format!("spec/roles/{ROLE}").as_str(), None));
    assert!(told.to.as_deref().unwrap().contains("exec, create, shop/web-*"));
    assert!(roles(&sim, "shop").is_empty());
}
