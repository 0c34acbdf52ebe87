//! Time, on the wall clock: each kind of boundary comes while the operator runs, or while it does not.

use std::time::Duration;

use argocd_access::api::FINALIZER;
use jiff::civil::Weekday;
use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::api::events::v1::Event;
use kube::Api;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams};
use serde_json::{Value, json};

use crate::hands::{ARGOCD_CM, RBAC_CM, becomes, granted_and_taken, key};
use crate::support::process::get;
use crate::support::{eventually, eventually::that};
use crate::world::{SOON, Team, condition, message};

/// The operator's own bound is five seconds; this machine may be busy with other things.
const BOUND: SignedDuration = SignedDuration::from_secs(10);
const PATIENCE: Duration = Duration::from_secs(90);

async fn team(values: &str) -> Team {
    let team = Team::with_values(values).await;
    team.application("web-1", "shop").await;
    team.ingress_class("community", "k8s.io/ingress-nginx").await;
    team.ingress("cd", "community", &json!({})).await;
    team
}

fn spec(more: &str) -> String {
    format!("{{{more}, subjects: [{{kind: Group, name: g}}], applications: [{{project: shop, name: 'web-*'}}]}}")
}

/// A whole second, so many from now.
fn in_seconds(seconds: i64) -> Timestamp {
    Timestamp::from_second(Timestamp::now().as_second() + seconds).unwrap()
}

/// A full minute that is not too near, and a window of every day which begins or ends then.
fn window(side: &str, other: SignedDuration) -> (Timestamp, String) {
    let soon = Timestamp::now().as_second() + 20;
    let edge = Timestamp::from_second(soon + 60 - soon % 60).unwrap();
    let text = |at: Timestamp| at.to_zoned(TimeZone::UTC).strftime("%H:%M").to_string();
    let (from, to) = if side == "from" { (text(edge), text(edge + other)) } else { (text(edge - other), text(edge)) };
    // Of the days those two on which it can begin: the window of tomorrow does not matter.
    let day = (if side == "from" { edge } else { edge - other }).to_zoned(TimeZone::UTC).weekday();
    (edge, format!("schedule: [{{days: [{}], from: '{from}', to: '{to}'}}]", short(day)))
}

fn short(day: Weekday) -> &'static str {
    match day {
        Weekday::Monday => "Mon",
        Weekday::Tuesday => "Tue",
        Weekday::Wednesday => "Wed",
        Weekday::Thursday => "Thu",
        Weekday::Friday => "Fri",
        Weekday::Saturday => "Sat",
        Weekday::Sunday => "Sun",
    }
}

impl Team {
    /// Waits until the lines of `web` are there, or gone, and checks that this came at that time and not before.
    async fn turns(&self, granted: bool, at: Timestamp) {
        let (looked, answered) = eventually("the policy turns", PATIENCE, async || {
            let looked = Timestamp::now();
            let there = self.policy("web").await.is_some();
            that(there == granted, || format!("there: {there}"))?;
            Ok::<_, String>((looked, Timestamp::now()))
        })
        .await;
        // It turned before the answer came, and where the machine is busy that may be a second after the look began.
        let (late, early) = (looked.duration_since(at), at.duration_since(answered));
        println!("turned {late:#} after {at}");
        assert!(early <= SignedDuration::ZERO, "{early:#} too early");
        assert!(late < BOUND, "{late:#} late\n{}", self.release.kubelet.operator_log());
        becomes("the binding too", SOON, granted, async || self.bound().await.contains(&self.destination)).await;
    }
}

#[tokio::test]
async fn an_access_begins_at_not_before_with_the_rights_first_and_the_lines_last() {
    let team = team("").await;
    let begins = in_seconds(8);
    team.grant("web", &spec(&format!("validity: {{notBefore: '{begins}'}}"))).await;
    let status = team.condition("web", "Ready", "False", "BeforeStart").await;
    assert_eq!(status.next_transition.as_ref().unwrap().0, begins);
    assert_eq!(condition(&status, "ClockSynced"), ("True".to_owned(), "InSync".to_owned()));
    assert_eq!(team.value(ARGOCD_CM, "exec.enabled").await.as_deref(), Some("true"), "what everybody shares is prepared");
    let mark = team.cp.audit_mark().await;
    team.turns(true, begins).await;
    team.ready("web").await;
    let binding = format!("patch rolebindings/{}", team.binding_name());
    assert_eq!(granted_and_taken(&team.writes(mark).await), [binding.as_str(), "patch configmaps/argocd-rbac-cm"]);
}

#[tokio::test]
async fn an_access_ends_at_not_after_everything_is_handed_back_and_the_object_stays_as_a_record() {
    let team = team("").await;
    let before = team.shared().await;
    let ends = in_seconds(12);
    team.grant("web", &spec(&format!("reason: INC-4711, validity: {{notAfter: '{ends}'}}"))).await;
    assert_eq!(team.ready("web").await.next_transition.unwrap().0, ends);
    let shown = team.cp.kubectl(&["get", "exa", "--namespace", &team.namespace]).await.success();
    assert!(shown.contains("NEXT") && shown.contains(&ends.to_string()) && shown.lines().all(|l| l.len() <= 120), "{shown}");
    team.turns(false, ends).await;
    let status = team.condition("web", "Ready", "False", "Expired").await;
    assert_eq!((condition(&status, "Active").1.as_str(), status.next_transition.clone()), ("Expired", None));
    assert_eq!(team.shared().await, before);
    assert_eq!(team.access("web").await.metadata.finalizers.unwrap(), [FINALIZER]);
    becomes("it is told as what was to come", SOON, vec![("Normal".to_owned(), true)], async || {
        let events = Api::<Event>::namespaced(team.client(), &team.namespace).list(&ListParams::default()).await.unwrap().items;
        let expired = events.into_iter().filter(|e| e.reason.as_deref() == Some("Expired"));
        expired.map(|e| (e.type_.unwrap_or_default(), e.note.unwrap_or_default().contains("Reason: INC-4711"))).collect()
    })
    .await;
    let (_, metrics) = get(&team.release.kubelet.metrics_url()).await.unwrap();
    let skew = metrics.lines().find_map(|l| l.strip_prefix("argocd_access_clock_skew_seconds ")).unwrap();
    assert!(skew.parse::<f64>().unwrap().abs() < 2.0, "{skew}");
    team.delete("web").await;
}

#[tokio::test]
async fn a_window_opens_and_nothing_that_everybody_shares_is_written() {
    let team = team("").await;
    let (opens, window) = window("from", SignedDuration::from_hours(2));
    team.grant("web", &spec(&window)).await;
    assert_eq!(team.condition("web", "Ready", "False", "OutsideSchedule").await.next_transition.unwrap().0, opens);
    let mark = team.cp.audit_mark().await;
    team.turns(true, opens).await;
    team.ready("web").await;
    let binding = format!("patch rolebindings/{}", team.binding_name());
    assert_eq!(granted_and_taken(&team.writes(mark).await), [binding.as_str(), "patch configmaps/argocd-rbac-cm"]);
}

#[tokio::test]
async fn a_window_closes_and_nothing_that_everybody_shares_is_written() {
    let team = team("").await;
    let (closes, window) = window("to", SignedDuration::from_hours(2));
    team.grant("web", &spec(&window)).await;
    assert_eq!(team.ready("web").await.next_transition.unwrap().0, closes);
    let mark = team.cp.audit_mark().await;
    team.turns(false, closes).await;
    team.condition("web", "Ready", "False", "OutsideSchedule").await;
    let binding = format!("delete rolebindings/{}", team.binding_name());
    assert_eq!(granted_and_taken(&team.writes(mark).await), ["patch configmaps/argocd-rbac-cm", binding.as_str()]);
    assert_eq!(team.value(ARGOCD_CM, "exec.enabled").await.as_deref(), Some("true"));
    assert!(!team.annotations("cd").await.is_empty());
}

#[tokio::test]
async fn an_end_that_comes_while_the_operator_is_down_is_kept_when_it_is_back() {
    let team = team("").await;
    let ends = in_seconds(12);
    team.grant("web", &spec(&format!("validity: {{notAfter: '{ends}'}}"))).await;
    team.ready("web").await;
    let pause = ends.duration_since(Timestamp::now()) - SignedDuration::from_millis(150);
    tokio::time::sleep(pause.try_into().expect("the end is still to come")).await;
    team.release.kubelet.kill_operator();
    team.turns(false, ends).await;
    team.condition("web", "Ready", "False", "Expired").await;
    assert!(team.release.kubelet.operator_starts() > 1);
}

#[tokio::test]
async fn an_end_is_kept_although_a_foreign_policy_line_is_broken() {
    let team = team("").await;
    let ends = in_seconds(12);
    team.grant("web", &spec(&format!("validity: {{notAfter: '{ends}'}}"))).await;
    team.ready("web").await;
    team.set(RBAC_CM, "policy.overlay.csv", Some("p, role:x, exec")).await;
    team.condition("web", "PolicyApplied", "False", "ForeignPolicyBroken").await;
    team.turns(false, ends).await;
    let left = team.config_map(RBAC_CM).await.data.unwrap();
    assert_eq!((left.get(&key("web")), left["policy.overlay.csv"].as_str()), (None, "p, role:x, exec"));
}

#[tokio::test]
async fn the_end_of_an_object_that_cannot_be_parsed_is_kept_too() {
    let team = team("").await;
    let ends = in_seconds(15);
    team.grant("web", &spec(&format!("validity: {{notAfter: '{ends}'}}"))).await;
    team.ready("web").await;
    // The API server takes this for a time, and this version does not: it stands for a field of a later version.
    let unreadable = json!({"status": {"conditions": [{"type": "Later", "status": "True", "reason": "R", "message": "",
        "lastTransitionTime": "2026-01-01T00:00:00+99:00"}]}});
    team.accesses_raw().patch_status("web", &PatchParams::default(), &Patch::Merge(&unreadable)).await.unwrap();
    eventually("the operator has met it", SOON, async || {
        let log = team.release.kubelet.operator_log();
        that(log.contains("cannot be read by this version"), || log.clone())
    })
    .await;
    team.turns(false, ends).await;
    assert_eq!(team.value(ARGOCD_CM, "exec.enabled").await, None);
}

#[tokio::test]
async fn an_end_that_cannot_be_read_counts_as_come_and_the_object_says_so() {
    let team = team("").await;
    team.grant("web", &spec("suspend: false")).await;
    team.ready("web").await;
    // A year too far for this version, though not for the API server.
    let patch = json!({"spec": {"validity": {"notAfter": "9999-12-31T23:59:59Z"}}});
    team.accesses_raw().patch("web", &PatchParams::default(), &Patch::Merge(patch)).await.unwrap();
    becomes("it has no lines", SOON, None, async || team.policy("web").await).await;
    let said = async || {
        let object: Value = serde_json::to_value(team.accesses_raw().get("web").await.unwrap()).unwrap();
        let conditions = object["status"]["conditions"].as_array().unwrap().clone();
        conditions.iter().map(|c| format!("{} {}", c["type"].as_str().unwrap(), c["reason"].as_str().unwrap())).collect::<Vec<_>>()
    };
    becomes("it says why", SOON, vec!["Accepted Invalid".to_owned(), "Ready Invalid".to_owned()], said).await;
    let mark = team.cp.audit_mark().await;
    tokio::time::sleep(Duration::from_secs(17)).await;
    assert_eq!(team.writes(mark).await, [], "once");
    team.change("web", json!({"validity": null})).await;
    team.ready("web").await;
}

#[tokio::test]
async fn a_zone_that_there_is_not_is_refused_by_its_name_and_limits_bound_the_time() {
    let team = team("instance: {limits: {maxDuration: 1h}}").await;
    team.grant("web", &spec("schedule: [{days: [Mon], from: '08:00', to: '09:00', timeZone: Europe/Pariss}]")).await;
    let status = team.condition("web", "Accepted", "False", "Invalid").await;
    assert!(message(&status, "Accepted").contains("spec.schedule[0].timeZone \"Europe/Pariss\""));
    team.grant("web", &spec(&format!("schedule: [], validity: {{notAfter: '{}'}}", in_seconds(3700)))).await;
    let status = team.condition("web", "Accepted", "False", "LimitExceeded").await;
    assert!(message(&status, "Accepted").contains("maxDuration"));
    team.grant("web", &spec(&format!("schedule: [], validity: {{notAfter: '{}'}}", in_seconds(3500)))).await;
    team.ready("web").await;
}

#[tokio::test]
async fn a_withdrawal_that_asks_for_it_restarts_argocd_server_once_and_says_until_when_terminals_may_remain() {
    let team = team("instance: {restartServer: WhenNeeded}").await;
    let pods = Api::<Pod>::namespaced(team.client(), &team.namespace);
    let server = ListParams::default().labels("app.kubernetes.io/name=argocd-server");
    becomes("a pod of argocd-server is there", SOON, 1, async || pods.list(&server).await.unwrap().items.len()).await;
    let deployments = Api::<Deployment>::namespaced(team.client(), &team.namespace);
    let restarted = async || {
        let template = deployments.get("argocd-server").await.unwrap().spec.unwrap().template;
        template.metadata.and_then(|m| m.annotations).unwrap_or_default().remove("kubectl.kubernetes.io/restartedAt")
    };
    let ends = in_seconds(12);
    team.grant("web", &spec(&format!("onRevoke: RestartServer, validity: {{notAfter: '{ends}'}}"))).await;
    team.ready("web").await;
    assert_eq!(restarted().await, None);
    let mark = team.cp.audit_mark().await;
    team.turns(false, ends).await;
    becomes("argocd-server is restarted", SOON, true, async || restarted().await.is_some()).await;
    let since = team.condition("web", "Ready", "False", "Expired").await.sessions_may_remain.expect("since when terminals may remain").0;
    assert!(since >= ends && restarted().await.unwrap().parse::<Timestamp>().unwrap() >= since);

    // The bench runs no such pod: the old one goes, and a new one comes in its place. Of a pod's age only whole seconds are known.
    tokio::time::sleep(Duration::from_millis(1500)).await;
    for pod in pods.list(&server).await.unwrap().items {
        pods.delete(&pod.metadata.name.unwrap(), &DeleteParams::default().grace_period(0)).await.unwrap();
    }
    becomes("none remains", SOON, None, async || team.status("web").await.sessions_may_remain).await;
    let restarts = granted_and_taken(&team.writes(mark).await).iter().filter(|w| *w == "patch deployments/argocd-server").count();
    assert_eq!(restarts, 2, "the restart, and the step that leaves no managedFields entry");

    // Deleted while it grants: the restart comes before the object goes.
    team.change("web", json!({"validity": null})).await;
    team.ready("web").await;
    let first = restarted().await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    team.delete("web").await;
    assert_ne!(restarted().await, first);
}
