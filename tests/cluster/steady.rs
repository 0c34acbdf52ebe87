//! What does not change costs nothing: no write in a steady state, none after a restart, and one Event for each transition.

use std::time::Duration;

use k8s_openapi::api::events::v1::Event;
use kube::Api;
use kube::api::ListParams;
use serde_json::json;

use crate::hands::{becomes, short};
use crate::support::{eventually, eventually::that};
use crate::world::{SOON, Team, condition};

/// Several objects in different states: two in effect, one with an Ingress's wishes, one suspended, one observing, one refused.
async fn settled() -> Team {
    let team = Team::with_values("instance: {shells: [sh]}").await;
    for name in ["web-1", "api-1"] {
        team.application(name, "shop").await;
    }
    team.ingress_class("community", "k8s.io/ingress-nginx").await;
    team.ingress("web", "community", &json!({})).await;
    team.ingress_class("odd", "example.invalid/other").await;
    team.ingress("odd", "odd", &json!({})).await;
    let spec = |more: &str, application: &str| {
        format!("{{{more}subjects: [{{kind: Group, name: g}}], applications: [{{project: shop, name: '{application}'}}]}}")
    };
    team.grant("web", &spec("", "web-*")).await;
    team.grant("api", &spec("server: {scope: Cluster}, ", "api-1")).await;
    team.grant("rests", &spec("suspend: true, ", "web-1")).await;
    team.grant("looks", &spec("mode: Observe, ", "web-1")).await;
    team.grant("refused", &spec("ingress: {annotations: {example.invalid/key: value}}, ", "web-1")).await;
    for name in ["web", "api"] {
        team.ready(name).await;
    }
    for (name, reason) in [("rests", "Suspended"), ("looks", "Observing"), ("refused", "Invalid")] {
        team.condition(name, "Ready", "False", reason).await;
    }
    // What is asked for again some moments later has been answered by now.
    tokio::time::sleep(Duration::from_secs(2)).await;
    team
}

/// The Events of an object, apart from the audit trail: the reason, and how often.
async fn events(team: &Team, name: &str) -> Vec<(String, i32)> {
    let api = Api::<Event>::namespaced(team.client(), &team.namespace);
    let mut list = api.list(&ListParams::default()).await.unwrap().items;
    list.retain(|e| e.regarding.as_ref().is_some_and(|r| r.name.as_deref() == Some(name)));
    list.retain(|e| e.action.as_deref() != Some("Audit"));
    list.sort_by_key(|e| e.event_time.clone().map(|t| t.0));
    list.into_iter().map(|e| (e.reason.unwrap_or_default(), e.series.map_or(1, |s| s.count))).collect()
}

#[tokio::test]
async fn neither_a_steady_state_nor_a_restart_of_the_operator_writes_anything() {
    let team = settled().await;
    let mark = team.cp.audit_mark().await;
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert_eq!(short(&team.writes(mark).await), Vec::<String>::new(), "30 s of a steady state");

    let mark = team.cp.audit_mark().await;
    team.release.kubelet.kill_operator();
    eventually("another operator runs", SOON, async || {
        let starts = team.release.kubelet.operator_starts();
        that(starts == 2 && !team.release.kubelet.operators().is_empty(), || format!("{starts} start(s)"))
    })
    .await;
    team.release.ready().await;
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(short(&team.writes(mark).await), Vec::<String>::new(), "a restart");
    // It is awake, though.
    team.change("rests", json!({"suspend": false})).await;
    team.ready("rests").await;
}

#[tokio::test]
async fn each_transition_makes_one_event() {
    let team = Team::new().await;
    team.application("web-1", "shop").await;
    team.grant("web", "{reason: INC-1, subjects: [{kind: Group, name: g}], applications: [{project: shop}]}").await;
    team.ready("web").await;
    team.change("web", json!({"suspend": true})).await;
    team.condition("web", "Ready", "False", "Suspended").await;
    team.change("web", json!({"suspend": false})).await;
    team.ready("web").await;
    team.change("web", json!({"reason": "INC-2"})).await;
    eventually("the reason is written", SOON, async || {
        let text = team.policy("web").await.unwrap_or_default();
        that(text.contains("INC-2"), || text)
    })
    .await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(condition(&team.status("web").await, "Ready").0, "True");
    // Kubernetes counts a repeated Event instead of keeping it twice.
    let so_far = [("Ready".to_owned(), 2), ("Suspended".to_owned(), 1)];
    assert_eq!(events(&team, "web").await, so_far, "and none for what is no transition");
    team.delete("web").await;
    let all = [so_far.as_slice(), &[("Withdrawn".to_owned(), 1)]].concat();
    becomes("the end is told", SOON, all, async || events(&team, "web").await).await;
    let text = team.cp.kubectl(&["events", "--namespace", &team.namespace]).await.success();
    assert!(text.contains("ExecAccess/web") && text.contains("Reason: INC-1."), "{text}");
}
