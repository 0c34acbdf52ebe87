//! argocd-rbac-cm: what is written into it, and what blocks that.

use serde_json::json;

use super::fixtures::{SPEC, app, not_seen, server, world};
use super::simulator::{Sim, rbac_cm};
use crate::exec::World;
use crate::reconcile::Direction;

const KEY: &str = "policy.argocd-access.team.csv";

fn lines(sim: &Sim, key: &str) -> Vec<String> {
    let text = sim.data(&rbac_cm()).get(key).cloned().unwrap_or_default();
    text.lines().filter(|l| !l.starts_with('#')).map(ToOwned::to_owned).collect()
}

fn elsewhere() -> World {
    World { deployments: Ok(vec![server("argocd-server", "env: [{name: ARGOCD_APPLICATION_NAMESPACES, value: '*'}]")]), ..world() }
}

#[test]
fn a_grant_is_two_lines_for_each_object_and_one_for_each_subject() {
    let mut sim = Sim::stock();
    sim.grant("team", "{subjects: [{kind: Group, name: 'CN=dev,OU=\"eng\"'}, {kind: User, name: ann}, {kind: Role, name: ops}], applications: [{project: shop, name: web-1}], reason: 'INC-1'}");
    assert_eq!(
        lines(&sim, KEY),
        [
            "p, role:exec-access.team, applications, get, shop/web-1, allow",
            "p, role:exec-access.team, exec, create, shop/web-1, allow",
            "g, \"CN=dev,OU=\"\"eng\"\"\", role:exec-access.team",
            "g, ann, role:exec-access.team",
            "g, role:ops, role:exec-access.team",
        ]
    );
    assert!(sim.data(&rbac_cm())[KEY].contains("# Reason: INC-1\n"));
}

#[test]
fn a_pattern_follows_the_live_applications_where_it_would_leak() {
    let mut sim = Sim::new(elsewhere());
    sim.grant("team", "{subjects: [{kind: Group, name: a}], applications: [{project: shop, name: 'web-*'}]}");
    let exec = |sim: &Sim| lines(sim, KEY).iter().filter(|l| l.contains(", exec,")).cloned().collect::<Vec<_>>();
    assert_eq!(exec(&sim), ["p, role:exec-access.team, exec, create, shop/web-1, allow"]);
    sim.world.applications.as_mut().unwrap().push(app("argocd", "shop", "web-2"));
    sim.world.applications.as_mut().unwrap().push(app("web-team", "shop", "secret"));
    sim.settle();
    assert_eq!(exec(&sim).len(), 2);
    sim.world.applications.as_mut().unwrap().retain(|a| a.metadata.name.as_deref() != Some("web-1"));
    let writes = sim.settle();
    assert_eq!(exec(&sim), ["p, role:exec-access.team, exec, create, shop/web-2, allow"]);
    assert_eq!(writes[0].direction, Direction::Narrow, "an application that went away takes its line along");
}

#[test]
fn no_live_application_means_no_lines_and_says_so() {
    let mut sim = Sim::new(elsewhere());
    sim.grant("team", "{subjects: [{kind: Group, name: a}], applications: [{project: empty}]}");
    assert!(!sim.data(&rbac_cm()).contains_key(KEY));
    assert_eq!(sim.says("team", "PolicyApplied"), ("False".to_owned(), "NoApplications".to_owned()));
}

#[test]
fn a_flip_of_the_match_mode_takes_the_old_lines_before_it_gives_the_new() {
    let mut sim = Sim::stock();
    sim.grant("team", SPEC);
    for (mode, expected) in [("regex", "^shop/[^/]*$"), ("glob", "shop/*")] {
        sim.edit("kubectl", &rbac_cm(), &json!({"data": {"policy.matchMode": mode}}));
        let writes = sim.settle();
        assert_eq!(writes.iter().map(|w| w.direction).collect::<Vec<_>>(), [Direction::Narrow, Direction::Widen], "{mode}");
        assert!(lines(&sim, KEY).iter().any(|l| l.contains(&format!(", {expected}, allow"))), "{mode}: {:?}", lines(&sim, KEY));
    }
}

#[test]
fn a_broken_foreign_line_blocks_what_adds_and_is_named() {
    let mut sim = Sim::stock();
    sim.grant("old", SPEC);
    sim.edit("kubectl", &rbac_cm(), &json!({"data": {"policy.csv": "# fine\np, role:x, exec"}}));
    sim.grant("new", SPEC);
    assert!(!sim.data(&rbac_cm()).contains_key("policy.argocd-access.new.csv"));
    assert_eq!(sim.says("new", "PolicyApplied"), ("False".to_owned(), "ForeignPolicyBroken".to_owned()));
    let message = sim.message("new", "PolicyApplied");
    assert!(message.contains("policy.csv") && message.contains("line 2") && message.contains("p, role:x, exec"), "{message}");
    sim.edit("kubectl", &rbac_cm(), &json!({"data": {"policy.csv": ""}}));
    sim.settle();
    assert_eq!(sim.says("new", "Ready").0, "True", "mended, it goes on");
}

#[test]
fn a_broken_foreign_line_never_blocks_what_takes_away() {
    let mut sim = Sim::stock();
    sim.grant("team", "{subjects: [{kind: Group, name: a}, {kind: Group, name: b}], applications: [{project: shop}]}");
    sim.edit("kubectl", &rbac_cm(), &json!({"data": {"policy.csv": "\"broken"}}));
    sim.grant("team", SPEC);
    assert!(lines(&sim, KEY).iter().all(|l| !l.starts_with("g, b,")), "a subject less: {:?}", lines(&sim, KEY));
    sim.delete("team");
    sim.settle();
    assert!(!sim.data(&rbac_cm()).contains_key(KEY) && sim.world.accesses.is_empty());
}

#[test]
fn lines_that_somebody_adds_under_our_keys_go_even_when_the_policy_is_broken() {
    let mut sim = Sim::stock();
    sim.grant("team", SPEC);
    let good = lines(&sim, KEY);
    let evil = "p, role:exec-access.team, '*', '*', '*/*', allow\ng, everybody, role:admin\n\"";
    sim.edit(
        "kubectl",
        &rbac_cm(),
        &json!({"data": {KEY: format!("{}\n{evil}", good.join("\n")), "policy.argocd-access.nobody.csv": evil, "policy.csv": "\""}}),
    );
    sim.settle();
    assert_eq!(lines(&sim, KEY), good);
    assert!(!sim.data(&rbac_cm()).contains_key("policy.argocd-access.nobody.csv"));
}

#[test]
fn where_applications_cannot_be_seen_literal_names_are_written_and_what_is_declared_stays() {
    let mut sim = Sim::new(elsewhere());
    sim.grant("team", SPEC);
    let before = lines(&sim, KEY);
    assert_eq!(before.len(), 5, "two applications");
    sim.world.applications = not_seen("applications");
    assert!(sim.settle().is_empty(), "nothing is taken away on half a sight");
    assert_eq!(sim.says("team", "PolicyApplied"), ("Unknown".to_owned(), "NotReadable".to_owned()));
    sim.grant("team", "{subjects: [{kind: Group, name: team-a}], applications: [{project: shop, name: 'web-*'}]}");
    assert_eq!(lines(&sim, KEY).len(), 3, "what is no longer declared goes: {:?}", lines(&sim, KEY));
    sim.grant("other", "{subjects: [{kind: Group, name: b}], applications: [{project: bank, name: ledger}, {project: bank, name: 'x*'}]}");
    assert_eq!(lines(&sim, "policy.argocd-access.other.csv").len(), 3, "a literal name needs no sight");
}

#[test]
fn switching_on_applications_elsewhere_takes_the_pattern_away() {
    let mut sim = Sim::stock();
    sim.grant("team", SPEC);
    assert!(lines(&sim, KEY).iter().any(|l| l.contains("shop/*")));
    sim.world.deployments = elsewhere().deployments;
    let writes = sim.settle();
    assert_eq!(writes[0].direction, Direction::Narrow);
    assert!(lines(&sim, KEY).iter().all(|l| !l.contains("shop/*")));
}

#[test]
fn a_deleted_config_map_is_created_anew_and_never_deleted() {
    let mut sim = Sim::stock();
    sim.grant("team", SPEC);
    sim.put(&rbac_cm(), None);
    sim.settle();
    assert!(!lines(&sim, KEY).is_empty());
    sim.put(&rbac_cm(), None);
    sim.delete("team");
    sim.settle();
    assert!(sim.data(&rbac_cm()).is_empty(), "an empty one revokes what Argo CD keeps in memory");
    assert!(sim.world.accesses.is_empty());
}

#[test]
fn what_an_uninstall_of_argo_cd_takes_away_is_not_made_anew() {
    let stays = |name: &str, labels: &str, more: &str| {
        let mut sim = Sim::stock();
        sim.grant("team", SPEC);
        sim.world.deployments = Ok(Vec::new());
        let pod = format!("{{metadata: {{name: {name}, labels: {labels}{more}}}}}");
        sim.world.pods = Ok(vec![std::sync::Arc::new(serde_yaml::from_str(&pod).unwrap())]);
        sim.put(&rbac_cm(), None);
        sim.settle();
        let made = sim.get(&rbac_cm()).is_some();
        sim.delete("team");
        sim.settle();
        assert!(sim.world.accesses.is_empty(), "it holds nothing up");
        assert_eq!(sim.get(&rbac_cm()).is_some(), made);
        made
    };
    let server = "{app.kubernetes.io/part-of: argocd, app.kubernetes.io/component: server}";
    assert!(!stays("argocd-server-1", server, ", deletionTimestamp: '2026-06-01T12:00:00Z'"));
    assert!(!stays("web-1", "{app: web}", ""));
    assert!(stays("argocd-server-1", server, ""), "it may still hold the old policy");
    assert!(stays("argocd-server-1", "{app.kubernetes.io/part-of: argocd}", ""), "it may be one");
}

#[test]
fn a_config_map_that_cannot_be_read_is_not_written() {
    let mut sim = Sim::stock();
    sim.world.rbac_cm = not_seen("configmaps");
    sim.grant("team", SPEC);
    assert_eq!(sim.says("team", "PolicyApplied"), ("Unknown".to_owned(), "NotReadable".to_owned()));
    assert_eq!(sim.bound(), ["shop"], "the other layers go on");
}

#[test]
fn of_too_much_the_older_objects_are_written_and_the_younger_are_told() {
    let mut sim = Sim::stock();
    let subjects: Vec<String> = (0..64).map(|i| format!("{{kind: Group, name: '{}-{i}'}}", "g".repeat(250))).collect();
    let spec = format!("{{subjects: [{}], applications: [{{project: shop}}]}}", subjects.join(", "));
    for i in 0..40 {
        sim.declare(&format!("x{i:02}"), &spec);
    }
    sim.settle();
    let told: Vec<bool> = (0..40).map(|i| sim.says(&format!("x{i:02}"), "PolicyApplied").1 == "PolicyTooLarge").collect();
    let admitted = told.iter().filter(|t| !**t).count();
    assert!((20..40).contains(&admitted), "{admitted}");
    assert!(told.is_sorted(), "the younger ones are left out: {told:?}");
    let size: usize = sim.data(&rbac_cm()).iter().map(|(k, v)| k.len() + v.len()).sum();
    assert!(size <= 520 * 1024, "{size}");
    let before = sim.data(&rbac_cm());
    sim.grant("latecomer", &spec);
    assert_eq!(sim.data(&rbac_cm()), before, "nobody is pushed out");
}

#[test]
fn a_large_foreign_policy_leaves_room_or_is_respected() {
    let mut sim = Sim::stock();
    sim.edit("kubectl", &rbac_cm(), &json!({"data": {"policy.csv": "# padding\n".repeat(92_200)}}));
    sim.grant("team", SPEC);
    assert_eq!(sim.says("team", "PolicyApplied").1, "PolicyTooLarge");
    sim.edit("kubectl", &rbac_cm(), &json!({"data": {"policy.csv": ""}}));
    sim.settle();
    assert_eq!(sim.says("team", "PolicyApplied").1, "Applied");
}
