//! Terminals that may outlive a withdrawal: when that is said, until when, and the restart that ends them.

use jiff::SignedDuration;
use serde_json::json;

use super::fixtures::{SPEC, app, not_seen, pod, server};
use super::simulator::{Sim, argocd_cm, exec_access, rbac_cm};
use crate::config::RestartServer;
use crate::exec::World;
use crate::reconcile::{Kind, Target, Write};

const KEY: &str = "policy.argocd-access.team.csv";

fn spec(more: &str) -> String {
    SPEC.replace("{subjects", &format!("{{{more}subjects"))
}

impl Sim {
    /// Since when terminals may remain, as the status has it.
    fn remaining(&self) -> Option<String> {
        self.status("team").sessions_may_remain.map(|t| t.0.to_string())
    }

    /// The instance may restart argocd-server.
    fn restarting() -> Self {
        let mut sim = Self::stock();
        sim.world.settings.restart_server = RestartServer::WhenNeeded;
        sim
    }
}

fn server_target() -> Target {
    Target::namespaced(Kind::Deployment, "argocd", "argocd-server")
}

fn restarts(writes: &[Write]) -> usize {
    writes.iter().filter(|w| w.target.kind == Kind::Deployment && w.why.contains("restart")).count()
}

#[test]
fn every_way_of_withdrawing_says_so_and_nothing_else_does() {
    let wide = "{subjects: [{kind: Group, name: a}, {kind: Group, name: b}], applications: [{project: shop}, {project: bank, name: ledger}]}";
    let change = |from: &str, to: &str| wide.replace(from, to);
    let expired = wide.replace("{subjects", "{validity: {notAfter: '2026-06-01T12:00:00Z'}, subjects");
    for (after, remain) in [
        (change("{subjects", "{suspend: true, subjects"), true),
        (change("{subjects", "{mode: Observe, subjects"), true),
        (expired, true),
        (change("{subjects", "{schedule: [{days: [Sun], from: '08:00', to: '09:00'}], subjects"), true),
        (change("{subjects", "{roleName: admin, subjects"), true),
        (change(", {kind: Group, name: b}", ""), true),
        (change("name: b", "name: c"), true),
        (change(", {project: bank, name: ledger}", ""), true),
        (change("{project: shop}", "{project: shop, name: web-1}"), true),
        (change("{subjects", "{server: {namespaces: {names: [shop]}}, subjects"), true),
        (change("{subjects", "{reason: INC-1, subjects"), false),
        (change("{subjects", "{roleName: other, subjects"), false),
        (change("name: b}", "name: b}, {kind: User, name: c}"), false),
        (change("name: ledger", "name: '*'"), false),
    ] {
        let mut sim = Sim::stock();
        sim.grant("team", wide);
        assert_eq!(sim.remaining(), None);
        sim.declare("team", &after);
        let before = sim.now;
        sim.settle();
        assert_eq!(sim.remaining().is_some(), remain, "{after}");
        if let Some(since) = sim.remaining() {
            assert!((before..=sim.now).contains(&since.parse().unwrap()), "{since}");
        }
    }
}

#[test]
fn who_never_had_access_leaves_nothing_open() {
    let mut sim = Sim::stock();
    sim.grant("team", &spec("validity: {notBefore: '2026-07-01T00:00:00Z'}, "));
    sim.grant("team", &spec("suspend: true, "));
    assert_eq!(sim.remaining(), None);
}

#[test]
fn roles_in_projects_count_like_lines_and_moving_between_the_two_is_no_withdrawal() {
    use super::project;
    let wide = "{policyTarget: Project, subjects: [{kind: Group, name: a}, {kind: Group, name: b}], applications: [{project: shop}]}";
    for (after, remain) in [
        (wide.replace("{policyTarget", "{suspend: true, policyTarget"), true),
        (wide.replace(", {kind: Group, name: b}", ""), true),
        (wide.replace("project: shop", "project: shop, name: web-1"), true),
        (wide.replace("{policyTarget", "{reason: INC-1, policyTarget"), false),
        (wide.replace("policyTarget: Project, ", ""), false),
    ] {
        let mut sim = Sim::stock();
        sim.put(&project::project("shop"), Some(project::appproject("shop", "")));
        sim.grant("team", wide);
        assert!(sim.status("team").policy.is_some_and(|p| p.line_count > 0), "nothing was granted");
        sim.grant("team", &after);
        assert_eq!(sim.remaining().is_some(), remain, "{after}");
    }
}

#[test]
fn an_application_that_went_is_no_withdrawal() {
    let elsewhere = server("argocd-server", "command: [argocd-server, --application-namespaces=*]");
    let mut sim = Sim::new(World { deployments: Ok(vec![elsewhere]), ..super::fixtures::world() });
    sim.grant("team", SPEC);
    let lines = sim.data(&rbac_cm())[KEY].clone();
    sim.world.applications = Ok(vec![app("argocd", "shop", "api")]);
    sim.settle();
    assert_ne!(sim.data(&rbac_cm())[KEY], lines);
    assert_eq!(sim.remaining(), None);
}

#[test]
fn it_is_said_of_the_last_withdrawal_until_every_pod_of_argocd_server_is_younger() {
    let mut sim = Sim::stock();
    sim.grant("team", SPEC);
    sim.grant("team", &spec("suspend: true, "));
    let first = sim.remaining().unwrap();
    sim.now += SignedDuration::from_hours(1);
    assert!(sim.settle().is_empty());
    assert_eq!(sim.remaining().unwrap(), first, "it is remembered, and not moved");
    sim.grant("team", SPEC);
    assert_eq!(sim.remaining().unwrap(), first, "also when access is given again");
    sim.grant("team", &spec("suspend: true, "));
    let last = sim.remaining().unwrap();
    assert!(last > first);

    let after = |sim: &Sim, name: &str| pod(name, &(sim.now + SignedDuration::from_secs(5)).to_string());
    sim.world.pods = Ok(vec![pod("server-1", "2026-01-01T00:00:00Z"), after(&sim, "server-2")]);
    sim.settle();
    assert_eq!(sim.remaining().unwrap(), last, "an old pod is left");
    sim.world.pods = not_seen("pods");
    sim.settle();
    assert_eq!(sim.remaining().unwrap(), last, "what cannot be seen is not said to be over");
    sim.world.pods = Ok(vec![after(&sim, "server-2")]);
    sim.settle();
    assert_eq!(sim.remaining(), None);
}

#[test]
fn what_cannot_be_seen_to_be_withdrawn_is_not_said_to_be() {
    let mut sim = Sim::stock();
    sim.grant("team", SPEC);
    let seen = sim.world.rbac_cm.clone();
    sim.world.rbac_cm = not_seen("configmaps");
    sim.grant("team", &spec("suspend: true, "));
    assert_eq!(sim.remaining(), None);
    sim.world.rbac_cm = seen;
    sim.settle();
    assert!(!sim.data(&rbac_cm()).contains_key(KEY) && sim.remaining().is_some(), "but it is when it is");
}

#[test]
fn on_revoke_restart_server_restarts_it_once_after_each_withdrawal() {
    let mut sim = Sim::restarting();
    let open = "onRevoke: RestartServer, schedule: [{days: [Mon, Tue], from: '08:00', to: '18:00'}], ";
    assert_eq!(restarts(&sim.grant("team", &spec(open))), 0);
    sim.now = "2026-06-01T18:00:00Z".parse().unwrap();
    let writes = sim.settle();
    assert_eq!(restarts(&writes), 0, "not before it is written down since when: {writes:?}");
    let writes = sim.settle();
    assert_eq!(restarts(&writes), 1);
    assert!(!sim.get(&argocd_cm()).unwrap().is_null() && !sim.data(&rbac_cm()).contains_key(KEY));
    sim.now += SignedDuration::from_hours(1);
    assert!(sim.settle().is_empty(), "also while the old pods are still there");
    assert!(!sim.get(&server_target()).unwrap().to_string().contains("argocd-access"), "no managedFields entry stays");
    sim.world.pods = Ok(vec![pod("server-2", "2026-06-01T18:01:00Z")]);
    sim.now = "2026-06-02T08:00:00Z".parse().unwrap();
    let opening = sim.settle();
    assert_eq!((restarts(&opening), sim.remaining()), (0, None), "an opening needs none");
    sim.now = "2026-06-02T18:00:00Z".parse().unwrap();
    sim.settle();
    assert_eq!(restarts(&sim.settle()), 1, "the next closing does");
}

#[test]
fn without_the_wish_or_the_permission_nothing_is_restarted() {
    let mut sim = Sim::restarting();
    sim.grant("team", SPEC);
    sim.grant("team", &spec("suspend: true, "));
    assert_eq!(restarts(&sim.settle()) + restarts(&sim.log), 0, "Drain");

    let mut sim = Sim::stock();
    sim.grant("team", &spec("onRevoke: RestartServer, "));
    assert!(!sim.message("team", "Active").contains("restart"));
    sim.grant("team", &spec("onRevoke: RestartServer, suspend: true, "));
    sim.settle();
    assert_eq!(restarts(&sim.log), 0);
    let message = sim.message("team", "Active");
    assert!(message.contains("restartServer: Never") && message.contains("rollout restart deployment/argocd-server"), "{message}");
    sim.delete("team");
    sim.settle();
    assert!(sim.world.accesses.is_empty(), "and nothing waits for it");
}

#[test]
fn a_deleted_object_goes_after_its_restart() {
    let mut sim = Sim::restarting();
    sim.grant("team", &spec("onRevoke: RestartServer, "));
    sim.delete("team");
    let from = sim.log.len();
    sim.whole_round();
    assert_eq!((sim.world.accesses.len(), restarts(&sim.log[from..])), (1, 0), "it waits until it is written down since when");
    sim.whole_round();
    let writes = &sim.log[from..];
    assert!(sim.world.accesses.is_empty());
    assert_eq!(restarts(writes), 1);
    let at = |found: &dyn Fn(&Write) -> bool| writes.iter().position(found).unwrap();
    let (lines, restart, gone) =
        (at(&|w| w.target == rbac_cm()), at(&|w| w.target.kind == Kind::Deployment), at(&|w| w.target == exec_access("team")));
    assert!(lines < restart && restart < gone, "{writes:?}");
}

#[test]
fn nothing_waits_for_a_restart_that_cannot_be() {
    type Change = fn(&mut Sim);
    for change in [
        (|sim| sim.world.deployments = not_seen("deployments")) as Change,
        |sim| sim.world.deployments = Ok(Vec::new()),
        |sim| {
            let going = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "argocd", "deletionTimestamp": "2026-06-01T12:00:00Z"}});
            sim.world.namespaces.as_mut().unwrap().push(std::sync::Arc::new(serde_json::from_value(going).unwrap()));
        },
        |sim| sim.edit("kubectl", &exec_access("team"), &json!({"metadata": {"annotations": {crate::api::ABANDON: "true"}}})),
        |sim| sim.world.pods = Ok(Vec::new()),
    ] {
        let mut sim = Sim::restarting();
        sim.grant("team", &spec("onRevoke: RestartServer, "));
        sim.delete("team");
        change(&mut sim);
        sim.whole_round();
        assert!(sim.world.accesses.is_empty());
    }
}

#[test]
fn removing_the_operator_restarts_it_too_where_that_is_asked_for() {
    let mut sim = Sim::restarting();
    sim.grant("team", &spec("onRevoke: RestartServer, "));
    sim.world.withdraw_all = true;
    let finalizers = |sim: &Sim| sim.get(&exec_access("team")).unwrap()["metadata"]["finalizers"].as_array().unwrap().len();
    sim.whole_round();
    assert_eq!(finalizers(&sim), 1);
    sim.whole_round();
    assert_eq!((finalizers(&sim), restarts(&sim.log)), (0, 1));
}

#[test]
fn one_restart_serves_a_withdrawal_and_new_shells() {
    let mut sim = Sim::restarting();
    sim.grant("team", &spec("onRevoke: RestartServer, "));
    sim.grant("other", "{subjects: [{kind: Group, name: b}], applications: [{project: bank}]}");
    sim.grant("team", &spec("onRevoke: RestartServer, suspend: true, "));
    sim.world.settings.shells = vec!["sh".to_owned()];
    let writes = [sim.settle(), sim.settle()].concat();
    assert_eq!(restarts(&writes), 1, "{writes:?}");
}
