//! What is said: reasons, times, and when a status is worth a write.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::fixtures::{SPEC, world};
use super::simulator::Sim;
use crate::api::ConditionType;
use crate::api::ExecAccess;
use crate::api::status::InstanceStatus;
use crate::exec::World;
use crate::exec::status::{Answer, Review, Reviews, missing, status, to_review};
use crate::reconcile::told::Told;
use crate::reconcile::{Failures, Layer};

fn review(pods: bool, get: bool, create: bool) -> Review {
    let answer = |allowed| Answer { allowed, reason: if allowed { "RBAC: allowed by ClusterRoleBinding \"x\"".to_owned() } else { String::new() } };
    Review { pods_get: answer(pods), exec_get: answer(get), exec_create: answer(create) }
}

fn reviews(of: &[(&str, Result<Review, String>)]) -> Reviews {
    of.iter().map(|(ns, r)| ((*ns).to_owned(), r.clone())).collect()
}

/// The status of a granted object under these reviews and failures.
fn said(reviews: &Reviews, failures: &Failures) -> BTreeMap<String, (String, String, String)> {
    let mut sim = Sim::stock();
    sim.grant("team", SPEC);
    let plan = sim.plan();
    let status = status(&plan.outlooks[0], &plan.outlooks[0].access, &plan.instance, reviews, failures, &Time(sim.now));
    status.conditions.iter().map(|c| (c.type_.to_string(), (c.status.to_string(), c.reason.to_string(), c.message.to_string()))).collect()
}

#[test]
fn every_condition_is_there_from_the_beginning_and_in_its_order() {
    for spec in [SPEC.to_owned(), SPEC.replace("{subjects", "{suspend: true, subjects"), SPEC.replace("{subjects", "{roleName: admin, subjects")] {
        let mut sim = Sim::stock();
        sim.declare("team", &spec);
        sim.round();
        let kinds: Vec<String> = sim.status("team").conditions.iter().map(|c| c.type_.to_string()).collect();
        let sometimes = [ConditionType::ClockSynced];
        let always: Vec<String> = ConditionType::EXEC.iter().filter(|k| !sometimes.contains(k)).map(|k| k.as_str().to_owned()).collect();
        assert_eq!(kinds, always);
        assert!(sim.status("team").conditions.iter().all(|c| !c.message.is_empty() && c.observed_generation == Some(1)));
    }
}

#[test]
fn a_time_moves_only_when_the_status_does() {
    let mut sim = Sim::stock();
    sim.grant("team", SPEC);
    let first = sim.status("team");
    sim.now += jiff::SignedDuration::from_hours(1);
    sim.round();
    assert_eq!(sim.status("team"), first, "a quiet round says the same to the letter");
    sim.grant("team", &SPEC.replace("{subjects", "{suspend: true, subjects"));
    let second = sim.status("team");
    let time = |s: &crate::api::ExecAccessStatus, kind: &str| s.conditions.iter().find(|c| c.type_ == kind).unwrap().last_transition_time.0;
    assert!(time(&second, "Ready") > time(&first, "Ready"));
    assert_eq!(time(&second, "Accepted"), time(&first, "Accepted"));
}

#[test]
fn only_times_apart_is_the_same() {
    let mut sim = Sim::stock();
    sim.grant("team", SPEC);
    let one = sim.status("team");
    let mut other = one.clone();
    other.conditions[0].last_transition_time = Time(jiff::Timestamp::UNIX_EPOCH);
    assert!(ExecAccess::same(&one, &other));
    other.conditions[0].message = format!("{}.", other.conditions[0].message).into();
    assert!(!ExecAccess::same(&one, &other));
    other = one.clone();
    other.observed_generation = Some(7);
    assert!(!ExecAccess::same(&one, &other));
}

#[test]
fn what_a_terminal_needs_depends_on_both_versions() {
    let of = |kubernetes: &str, argocd: &str| InstanceStatus {
        kubernetes_version: Some(kubernetes.into()),
        argocd_version: Some(argocd.into()),
        ..InstanceStatus::default()
    };
    let get_only = review(true, true, false);
    assert!(missing(&get_only, &of("v1.34.4", "3.2.11")).is_empty(), "a WebSocket GET is enough there");
    assert_eq!(missing(&get_only, &of("v1.35.0", "3.2.11")), ["create pods/exec"]);
    assert_eq!(missing(&get_only, &of("v1.34.4", "2.14.0")), ["create pods/exec"], "POST only");
    assert_eq!(missing(&get_only, &InstanceStatus::default()), ["create pods/exec"], "unknown is careful");
    assert_eq!(missing(&review(false, true, true), &of("v1.36.3", "3.2.11")), ["get pods"]);
    assert!(missing(&review(true, false, true), &of("v1.36.3", "3.2.11")).is_empty(), "create falls back to POST");
}

#[test]
fn a_right_that_others_gave_is_said_to_be_theirs() {
    let open = reviews(&[("shop", Ok(review(true, true, true))), ("", Ok(review(true, true, true)))]);
    let said = said(&open, &Failures::new());
    assert_eq!((said["ServerAuthorized"].0.as_str(), said["ServerAuthorized"].1.as_str()), ("True", "OpenByOthers"));
    assert!(said["ServerAuthorized"].2.contains("ClusterRoleBinding \"x\""));
}

#[test]
fn what_opens_every_namespace_is_named_with_the_reason_and_the_cure() {
    use crate::exec::openers::explain;
    let instance = |kubernetes: &str, installer: &str| InstanceStatus {
        kubernetes_version: Some(kubernetes.into()),
        argocd_version: Some("3.2.11".into()),
        installer: Some(installer.into()),
        ..InstanceStatus::default()
    };
    let reason = "RBAC: allowed by ClusterRoleBinding \"cd-b\" of ClusterRole \"cd-r\" to ServiceAccount \"argocd-server/argocd\"";
    let allowed = |allowed| Answer { allowed, reason: if allowed { reason.to_owned() } else { String::new() } };
    let get_only = Review { pods_get: allowed(true), exec_get: allowed(true), exec_create: allowed(false) };
    let both = Review { exec_create: allowed(true), ..get_only.clone() };

    let helm = explain(&get_only, &instance("v1.34.4", "Helm"));
    for part in [
        "ClusterRoleBinding \"cd-b\" of ClusterRole \"cd-r\"",
        "before Kubernetes 1.35",
        "server.clusterRoleRules.enabled: true",
        "server.clusterRoleRules.rules",
    ] {
        assert!(helm.contains(part), "{part}: {helm}");
    }
    let manifests = explain(&get_only, &instance("v1.34.4", "Manifests"));
    assert!(manifests.contains("give ClusterRole \"cd-r\" rules"), "{manifests}");
    assert!(!explain(&both, &instance("v1.36.3", "Helm")).contains("1.35"), "where create is allowed, get is not what opens it");
    let odd = Review { exec_create: Answer { allowed: true, reason: "webhook says so".to_owned() }, ..both };
    assert!(explain(&odd, &instance("v1.36.3", "Helm")).contains("webhook says so"));
}

#[test]
fn what_the_reviews_say_decides_whatever_is_bound() {
    let closed = Ok(review(false, false, false));
    for (shop, expected) in [
        (Ok(review(true, false, false)), ("False", "Denied")),
        (Err("timeout".to_owned()), ("Unknown", "NotReadable")),
        (Ok(review(true, true, true)), ("True", "Proven")),
    ] {
        let said = said(&reviews(&[("shop", shop), ("", closed.clone())]), &Failures::new());
        assert_eq!((said["ServerAuthorized"].0.as_str(), said["ServerAuthorized"].1.as_str()), expected);
        assert_eq!(said["Ready"].0, expected.0);
    }
}

#[test]
fn the_reviews_that_are_needed_are_the_destinations_and_the_whole_cluster() {
    let mut sim = Sim::stock();
    sim.grant("team", SPEC);
    assert_eq!(to_review(&sim.plan().outlooks), [String::new(), "shop".to_owned()].into());
    sim.grant("team", &SPEC.replace("{subjects", "{suspend: true, subjects"));
    assert!(to_review(&sim.plan().outlooks).is_empty());
}

#[test]
fn a_failed_write_is_told_where_it_is_waited_for() {
    let mut sim = Sim::stock();
    sim.grant("team", SPEC);
    sim.declare("other", "{subjects: [{kind: Group, name: b}], applications: [{project: bank}]}");
    sim.round();
    let plan = sim.plan();
    let failures = Failures::from([(Layer::Policy, vec!["ConfigMap argocd/argocd-rbac-cm: forbidden".to_owned()])]);
    let of = |i: usize| status(&plan.outlooks[i], &plan.outlooks[i].access, &plan.instance, &Reviews::new(), &failures, &Time(sim.now));
    let policy = |i: usize| of(i).conditions.into_iter().find(|c| c.type_ == "PolicyApplied").unwrap();
    assert_eq!((policy(1).reason.as_str(), policy(1).message.contains("forbidden")), ("WriteFailed", true));
    assert_eq!(policy(0).reason, "Applied", "who does not wait is not disturbed");
}

#[test]
fn a_withdrawal_that_fails_is_not_called_done() {
    for change in ["{suspend: true, subjects", "{roleName: admin, subjects", "{server: {namespaces: {names: [kube-system]}}, subjects"] {
        let mut sim = Sim::stock();
        sim.grant("team", SPEC);
        sim.declare("team", &SPEC.replace("{subjects", change));
        let plan = sim.plan();
        let failures = Failures::from([(Layer::Policy, vec!["forbidden".to_owned()])]);
        let said = status(&plan.outlooks[0], &plan.outlooks[0].access, &plan.instance, &Reviews::new(), &failures, &Time(sim.now));
        let policy = said.conditions.iter().find(|c| c.type_ == "PolicyApplied").unwrap();
        assert_eq!(policy.reason, "WriteFailed", "{change}");
    }
}

#[test]
fn the_instance_is_described_as_it_was_found() {
    let mut sim = Sim::stock();
    sim.grant("team", SPEC);
    let instance = sim.status("team").instance.unwrap();
    assert_eq!(instance.argocd_version.as_deref(), Some("3.2.11"));
    assert_eq!(instance.kubernetes_version.as_deref(), Some("v1.36.3"));
    assert_eq!((instance.deployment.as_deref(), instance.service_account.as_deref()), (Some("argocd-server"), Some("argocd-server")));
    assert_eq!(instance.installer.as_deref(), Some("Manifests"));
}

#[test]
fn a_long_list_is_cut_and_counted() {
    let mut sim =
        Sim::new(World { applications: Ok((0..400).map(|i| super::fixtures::app("argocd", "shop", &format!("a{i}"))).collect()), ..world() });
    sim.world.deployments = Ok(vec![super::fixtures::server("s", "env: [{name: ARGOCD_APPLICATION_NAMESPACES, value: x}]")]);
    sim.grant("team", SPEC);
    let policy = sim.status("team").policy.unwrap();
    assert_eq!((policy.lines.len(), policy.line_count), (100, 801));
    assert_eq!(policy.role, "exec-access.team");
}
