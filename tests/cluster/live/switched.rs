//! The resource switched on and off, the emergency stop, the end of the operator, and objects where nobody serves them.

use std::collections::BTreeSet;
use std::time::Duration;

use argocd_access::api::LiveResourceAccess;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::json;

use super::{Edge, SERVED};
use crate::support::{eventually, eventually::that};
use crate::world::SOON;

#[tokio::test]
async fn where_it_is_not_enabled_the_object_is_told_so_and_switching_it_off_takes_everything_back() {
    let edge = Edge::with_values("").await;
    edge.web().await;
    edge.declare("live", "[{}]", "").await;
    let status = edge.condition("live", "Ready", "False", "NotEnabled").await;
    let message = status.conditions.iter().find(|c| c.type_ == "Ready").unwrap().message.clone();
    assert!(message.contains("live.enabled"), "{message}");
    assert!(edge.objects().await.is_empty());
    edge.team.release.upgrade(SERVED, &[]).await;
    edge.ready("live").await;
    assert!(!edge.objects().await.is_empty());
    edge.team.release.upgrade("live: {enabled: false}", &[]).await;
    edge.condition("live", "Ready", "False", "NotEnabled").await;
    eventually("everything is taken back", SOON, async || {
        let left = edge.objects().await;
        that(left.is_empty(), || format!("{left:?}\n{}", edge.team.release.kubelet.operator_log()))
    })
    .await;
    edge.delete("live").await;
}

#[tokio::test]
async fn the_emergency_stop_withdraws_live_resources_too_and_its_release_gives_them_again() {
    let edge = Edge::new().await;
    edge.web().await;
    edge.declare("live", "[{features: [View, Terminal]}]", "").await;
    edge.ready("live").await;
    let maps: Api<ConfigMap> = Api::namespaced(edge.team.client(), &edge.team.namespace);
    let stop = |why: serde_json::Value| Patch::Merge(json!({"metadata": {"annotations": {"argocd-access.dev/stop": why}}}));
    maps.patch("argocd-cm", &PatchParams::default(), &stop(json!("an incident"))).await.unwrap();
    edge.condition("live", "Ready", "False", "Stopped").await;
    assert!(edge.objects().await.is_empty());
    maps.patch("argocd-cm", &PatchParams::default(), &stop(json!(null))).await.unwrap();
    edge.ready("live").await;
}

#[tokio::test]
async fn uninstalling_takes_everything_back_and_leaves_the_objects_as_records() {
    let edge = Edge::new().await;
    edge.web().await;
    edge.declare("live", "[{features: [View, Logs]}]", "").await;
    edge.ready("live").await;
    edge.team.release.uninstall(&[]).await.success();
    assert_eq!(edge.objects().await, BTreeSet::new());
    let left = edge.accesses().get("live").await.unwrap();
    assert!(left.metadata.finalizers.is_none(), "nothing holds it: {:?}", left.metadata.finalizers);
    let ready = left.status.unwrap().conditions.into_iter().find(|c| c.type_ == "Ready").unwrap();
    assert_eq!((ready.status.as_str(), ready.reason.as_str()), ("False", "Withdrawn"));
}

#[tokio::test]
async fn an_operator_that_starts_anew_goes_on_and_writes_nothing() {
    let edge = Edge::new().await;
    edge.web().await;
    edge.declare("live", "[{features: [View, Logs]}]", "").await;
    edge.ready("live").await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let mark = edge.team.cp.audit_mark().await;
    edge.team.release.kubelet.kill_operator();
    tokio::time::sleep(Duration::from_secs(1)).await;
    edge.team.release.ready().await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(crate::hands::short(&edge.team.writes(mark).await), Vec::<String>::new());
}

#[tokio::test]
async fn an_object_in_a_namespace_without_an_instance_is_told_so() {
    let edge = Edge::new().await;
    let elsewhere = edge.team.cp.namespace("elsewhere").await;
    let api: Api<LiveResourceAccess> = Api::namespaced(edge.team.client(), &elsewhere);
    let object = json!({
        "apiVersion": "argocd-access.dev/v1alpha1", "kind": "LiveResourceAccess", "metadata": {"name": "lost"},
        "spec": {"side": "Agent", "agent": {"grants": [{}]}},
    });
    api.patch("lost", &PatchParams::apply("test"), &Patch::Apply(&object)).await.unwrap();
    eventually("the stray is told", SOON * 3, async || {
        let status = api.get("lost").await.map_err(|e| e.to_string())?.status.unwrap_or_default();
        let reason = status.conditions.iter().find(|c| c.type_ == "Accepted").map(|c| c.reason.clone());
        that(reason.as_deref() == Some("NotAnInstance"), || format!("{status:#?}"))
    })
    .await;
}

#[tokio::test]
async fn an_excess_that_somebody_else_gave_is_named_with_its_binding() {
    let edge = Edge::new().await;
    edge.web().await;
    edge.declare("live", "[{}]", "").await;
    edge.ready("live").await;
    let (namespace, name) = (&edge.team.namespace, format!("argocd-agent-enhanced-{}", edge.team.namespace));
    let wide = format!(
        "
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {{name: {name}}}
rules: [{{apiGroups: ['*'], resources: ['*'], verbs: [get, list]}}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {{name: {name}}}
roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: {name}}}
subjects: [{{kind: ServiceAccount, name: argocd-agent-agent, namespace: {namespace}}}]
"
    );
    edge.apply_text(&wide).await;
    let status = eventually("the excess is seen", SOON * 4, async || {
        let status = edge.accesses().get("live").await.map_err(|e| e.to_string())?.status.unwrap_or_default();
        that(!status.excess.is_empty(), || format!("{status:#?}")).map(|()| status)
    })
    .await;
    assert!(status.excess.iter().all(|e| e.by.contains(&name)), "{:#?}", status.excess);
    edge.condition("live", "Ready", "False", "HoldsWildcard").await;
}
