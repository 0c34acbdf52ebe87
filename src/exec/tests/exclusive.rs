//! Who else may open terminals: who is listed and who is not, and what an instance does that requires that there is nobody.

use serde_json::json;

use super::fixtures::{SPEC, config_map, not_seen};
use super::project::{appproject, project};
use super::simulator::{Sim, argocd_cm, rbac_cm};
use crate::api::status::UndeclaredGrant;
use crate::exec::exclusive::count::looks;

/// A world in which these lines of somebody else stand.
fn with(lines: &str) -> Sim {
    let mut sim = Sim::stock();
    let data = serde_json::to_string(&json!({"policy.csv": lines, "policy.default": "role:readonly"})).unwrap();
    sim.world.rbac_cm = Ok(Some(config_map("argocd-rbac-cm", "kubectl", &data)));
    sim
}

impl Sim {
    fn others(&self) -> Vec<String> {
        self.status("team").undeclared_grants.into_iter().map(|g| g.subject.to_string()).collect()
    }

    fn without_admin(mut self) -> Self {
        self.edit("kubectl", &argocd_cm(), &json!({"data": {"admin.enabled": "false"}}));
        self
    }
}

#[test]
fn everybody_who_may_exec_by_somebody_elses_line_is_listed_the_widest_first() {
    let lines = "g, ops, role:admin\np, role:dev, exec, create, shop/*, allow\ng, devs, role:dev\np, ann, *, *, */*, allow\n\
        p, logs, logs, get, */*, allow\np, reader, exec, get, */*, allow\ng, watchers, role:readonly";
    let mut sim = with(lines);
    sim.grant("team", SPEC);
    assert_eq!(sim.others(), ["admin", "ann", "ops", "devs"]);
    assert_eq!(sim.says("team", "Exclusive"), ("False".to_owned(), "UndeclaredGrants".to_owned()));
    let status = sim.status("team");
    assert_eq!(status.undeclared_grant_count, Some(4));
    let ops = UndeclaredGrant {
        subject: "ops".into(),
        applications: "*/*".into(),
        source: "argocd-rbac-cm key policy.csv, line 1 (member of role:admin)".into(),
    };
    assert!(status.undeclared_grants.contains(&ops), "{:#?}", status.undeclared_grants);
    assert!(sim.message("team", "Exclusive").contains("and 1 more"), "{}", sim.message("team", "Exclusive"));
    assert_eq!(sim.says("team", "Ready"), ("True".to_owned(), "Ready".to_owned()), "to know it is all that is asked for");
}

#[test]
fn our_own_grants_are_nobody_elses_and_without_others_it_is_exclusive() {
    let mut sim = with("p, role:ops, applications, sync, */*, allow").without_admin();
    sim.put(&project("shop"), Some(appproject("shop", "")));
    sim.grant("team", SPEC);
    sim.grant("more", "{policyTarget: Project, subjects: [{kind: Group, name: team-b}], applications: [{project: shop, name: web-1}]}");
    assert_eq!(sim.others(), Vec::<String>::new());
    assert_eq!(sim.says("team", "Exclusive"), ("True".to_owned(), "OnlyDeclared".to_owned()));
    assert_eq!(sim.status("team").undeclared_grant_count, Some(0));
}

#[test]
fn roles_of_projects_count_with_their_groups_and_their_tokens() {
    let role = "{name: dev, policies: ['p, proj:shop:dev, exec, create, shop/*, allow'], groups: [devs]}";
    let mut sim = with("").without_admin();
    sim.put(&project("shop"), Some(appproject("shop", &format!("[{role}]"))));
    sim.grant("team", SPEC);
    assert_eq!(sim.others(), ["devs"]);
    let with_token = role.replace("groups: [devs]", "jwtTokens: [{iat: 1}]");
    sim.put(&project("shop"), Some(appproject("shop", &format!("[{with_token}]"))));
    sim.settle();
    assert_eq!(sim.others(), ["proj:shop:dev"]);
    for (entry, has) in [(json!({}), false), (json!({"items": null}), false), (json!({"items": []}), false), (json!({"items": [{"iat": 1}]}), true)] {
        let mut kept = appproject("shop", &format!("[{}]", role.replace(", groups: [devs]", "")));
        kept["status"] = json!({"jwtTokensByRole": {"dev": entry}});
        sim.put(&project("shop"), Some(kept));
        sim.settle();
        assert_eq!(sim.others() == ["proj:shop:dev"], has, "{entry}");
    }
}

#[test]
fn the_local_admin_counts_unless_its_switch_is_clearly_off() {
    for (settings, on) in [
        (json!({"admin.enabled": "true"}), true),
        (json!({"admin.enabled": "False"}), false),
        (json!({"admin.enabled": "0"}), false),
        (json!({"admin.enabled": "no"}), true),
        (json!({"admin.enabled": "false", "accounts.admin.enabled": "true"}), true),
        (json!({"accounts.admin.enabled": "false"}), false),
    ] {
        let mut sim = with("");
        sim.edit("kubectl", &argocd_cm(), &json!({"data": settings}));
        sim.grant("team", SPEC);
        assert_eq!(sim.others() == ["admin"], on, "{settings}");
    }
}

#[test]
fn what_others_have_written_cannot_make_a_status_too_large() {
    let mut sim = with(&format!("p, {}, exec, create, {}, allow", "x".repeat(9_000), "y".repeat(9_000))).without_admin();
    sim.grant("team", SPEC);
    let listed = sim.status("team").undeclared_grants;
    assert!(listed.iter().all(|g| g.subject.len() <= 256 && g.applications.len() <= 256) && listed.len() == 1, "{}", listed.len());
}

#[test]
fn anonymous_access_stays_refused_while_the_projects_cannot_be_seen() {
    let mut sim = with("p, role:readonly, exec, create, */*, allow");
    sim.edit("kubectl", &argocd_cm(), &json!({"data": {"users.anonymous.enabled": "true"}}));
    sim.world.projects = not_seen("appprojects");
    sim.grant("team", SPEC);
    assert_eq!(sim.says("team", "Accepted").1, "AuthenticationDisabled");
    assert_eq!(sim.data(&argocd_cm()).get("exec.enabled"), None);
}

#[test]
fn a_default_role_that_may_exec_is_everybody() {
    let mut sim = with("p, role:readonly, exec, create, shop/*, allow").without_admin();
    sim.grant("team", SPEC);
    assert_eq!(sim.others(), ["(everybody)"]);
}

#[test]
fn what_cannot_be_seen_or_loaded_is_not_known() {
    let mut sim = with("");
    sim.grant("team", SPEC);
    sim.world.projects = not_seen("appprojects");
    sim.settle();
    assert_eq!(sim.says("team", "Exclusive"), ("Unknown".to_owned(), "NotReadable".to_owned()));
    assert_eq!(sim.status("team").undeclared_grant_count, None);
    let mut sim = with("p, broken");
    sim.declare("team", SPEC);
    sim.settle();
    assert_eq!(sim.says("team", "Exclusive"), ("Unknown".to_owned(), "ForeignPolicyBroken".to_owned()));
}

#[test]
fn where_it_is_required_others_keep_everything_shut_and_close_what_is_open() {
    let mut sim = with("g, ops, role:admin");
    sim.world.settings.require_exclusive = true;
    sim.grant("team", SPEC);
    assert_eq!(sim.says("team", "Accepted"), ("False".to_owned(), "NotExclusive".to_owned()));
    assert!(sim.message("team", "Accepted").contains("ops") && sim.message("team", "Accepted").contains("admin.enabled"));
    assert_eq!(sim.data(&argocd_cm()).get("exec.enabled"), None);

    sim.edit("kubectl", &rbac_cm(), &json!({"data": {"policy.csv": ""}}));
    sim.edit("kubectl", &argocd_cm(), &json!({"data": {"admin.enabled": "false"}}));
    sim.settle();
    assert_eq!(sim.says("team", "Ready"), ("True".to_owned(), "Ready".to_owned()));
    let granted = sim.data(&rbac_cm());

    // While it is not known, nothing is added and nothing is taken away.
    let seen = std::mem::replace(&mut sim.world.projects, not_seen("appprojects"));
    sim.declare("other", "{subjects: [{kind: User, name: ann}], applications: [{project: bank}]}");
    sim.settle();
    assert_eq!(sim.data(&rbac_cm()), granted);
    sim.world.projects = seen;
    sim.settle();
    assert!(sim.data(&rbac_cm()).contains_key("policy.argocd-access.other.csv"));

    sim.edit("kubectl", &rbac_cm(), &json!({"data": {"policy.csv": "p, eve, exec, create, shop/web-1, allow"}}));
    sim.settle();
    assert!(!sim.data(&rbac_cm()).keys().any(|k| k.starts_with("policy.argocd-access.")), "{:?}", sim.data(&rbac_cm()));
    assert_eq!((sim.data(&argocd_cm()).get("exec.enabled"), sim.bound().len()), (None, 0));
}

#[test]
fn a_plan_looks_through_the_policy_once_however_many_ask() {
    let mut sim = with("").without_admin();
    sim.world.settings.require_exclusive = true;
    sim.grant("team", SPEC);
    for name in ["seen-a", "seen-b", "seen-c"] {
        sim.grant(name, &SPEC.replacen('{', "{mode: Observe, ", 1));
    }
    let before = looks();
    let planned = crate::exec::plan(&sim.world, sim.now);
    assert_eq!(looks() - before, 1);
    assert!(planned.outlooks.iter().filter(|o| !o.changes.is_empty()).count() == 3, "each of the observing asks too");
}
