//! Its life: given, kept, narrowed, withdrawn, handed back; and what it costs to stand still.

use std::collections::BTreeSet;
use std::time::Duration;

use k8s_openapi::api::rbac::v1::{Role, RoleBinding};
use kube::Api;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams};
use serde_json::json;

use super::Edge;
use crate::hands::short;
use crate::support::edge::ACCOUNT;
use crate::support::{eventually, eventually::that};
use crate::world::SOON;

const VIEW: [&str; 6] =
    ["get configmaps", "get deployments.apps", "get endpointslices.discovery.k8s.io", "get pods", "get replicasets.apps", "get services"];

#[tokio::test]
async fn deleting_the_object_takes_everything_back_and_leaves_nothing() {
    let edge = Edge::new().await;
    edge.web().await;
    edge.declare("live", "[{features: [View, Events, Logs, Terminal]}]", "").await;
    edge.ready("live").await;
    let shop = edge.shop().to_owned();
    let expected = ["", "-events", "-exec", "-logs"].map(|end| format!("RoleBinding {shop}/live{end}"));
    let expected: BTreeSet<String> = expected.into_iter().chain([format!("Role {shop}/live")]).collect();
    assert_eq!(edge.objects().await, expected);
    edge.delete("live").await;
    assert_eq!(edge.objects().await, BTreeSet::new());
}

#[tokio::test]
async fn suspending_withdraws_and_resuming_gives_again() {
    let edge = Edge::new().await;
    edge.web().await;
    edge.declare("live", "[{}]", "").await;
    edge.ready("live").await;
    edge.has(edge.shop(), &VIEW).await;
    edge.declare("live", "[{}]", ", suspend: true").await;
    edge.condition("live", "Ready", "False", "Suspended").await;
    assert_eq!(edge.objects().await, BTreeSet::new());
    edge.declare("live", "[{}]", "").await;
    edge.ready("live").await;
    edge.has(edge.shop(), &VIEW).await;
}

#[tokio::test]
async fn observing_writes_nothing_and_tells_what_enforcing_then_does() {
    let edge = Edge::new().await;
    edge.web().await;
    let mark = edge.team.cp.audit_mark().await;
    edge.declare("live", "[{features: [View, Logs]}]", ", mode: Observe").await;
    let status = edge.condition("live", "Ready", "False", "Observing").await;
    let changed: Vec<&str> = status.changes.iter().map(|change| change.object.as_str()).collect();
    let (shop, name) = (edge.shop(), edge.name());
    assert_eq!(changed, [format!("Role {shop}/{name}"), format!("RoleBinding {shop}/{name}"), format!("RoleBinding {shop}/{name}-logs")]);
    let written = short(&edge.team.writes(mark).await);
    assert!(written.iter().all(|line| line.contains("liveresourceaccesses") || line.contains("events")), "{written:#?}");
    edge.declare("live", "[{features: [View, Logs]}]", "").await;
    edge.ready("live").await;
    let expected: BTreeSet<String> =
        [format!("Role {shop}/live"), format!("RoleBinding {shop}/live"), format!("RoleBinding {shop}/live-logs")].into();
    assert_eq!(edge.objects().await, expected);
}

#[tokio::test]
async fn a_change_of_one_application_writes_only_what_changed_and_a_steady_state_nothing() {
    let edge = Edge::new().await;
    edge.web().await;
    let other = edge.team.cp.namespace("other").await;
    edge.application("api", &[&format!("/Service/{other}/api")]).await;
    edge.declare("live", "[{}]", "").await;
    edge.ready("live").await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let mark = edge.team.cp.audit_mark().await;
    tokio::time::sleep(Duration::from_secs(20)).await;
    assert_eq!(short(&edge.team.writes(mark).await), Vec::<String>::new(), "20 s of a steady state");

    let mark = edge.team.cp.audit_mark().await;
    edge.application("api", &[&format!("/Service/{other}/api"), &format!("batch/CronJob/{other}/tidy")]).await;
    let more = ["get cronjobs.batch", "get endpointslices.discovery.k8s.io", "get jobs.batch", "get pods", "get services"];
    edge.has(&other, &more).await;
    let written = edge.team.writes(mark).await;
    let roles: Vec<_> = written.iter().filter(|w| w.resource.starts_with("role")).map(|w| (w.resource.as_str(), w.namespace.as_str())).collect();
    assert_eq!(roles, [("roles", other.as_str())], "{:#?}", short(&written));
}

#[tokio::test]
async fn what_somebody_breaks_is_mended_and_a_foreign_object_of_our_name_is_left_alone() {
    let edge = Edge::new().await;
    edge.web().await;
    edge.declare("live", "[{}]", "").await;
    edge.ready("live").await;
    let roles: Api<Role> = Api::namespaced(edge.team.client(), edge.shop());
    let bindings: Api<RoleBinding> = Api::namespaced(edge.team.client(), edge.shop());
    // Wider than declared, by hand: it does not stand.
    let wide = json!({"rules": [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}]});
    roles.patch(&edge.name(), &PatchParams::default(), &Patch::Merge(&wide)).await.unwrap();
    edge.has(edge.shop(), &VIEW).await;
    bindings.delete(&edge.name(), &DeleteParams::default()).await.unwrap();
    edge.has(edge.shop(), &VIEW).await;
    edge.ready("live").await;
    // One of our name without our mark is somebody else's.
    edge.declare("live", "[{}]", ", suspend: true").await;
    edge.condition("live", "Ready", "False", "Suspended").await;
    let foreign = json!({"metadata": {"name": edge.name()}, "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]});
    let foreign = roles.create(&PostParams::default(), &serde_json::from_value(foreign).unwrap()).await.unwrap();
    edge.declare("live", "[{}]", "").await;
    edge.condition("live", "RBACApplied", "False", "ForeignObject").await;
    assert_eq!(roles.get(&edge.name()).await.unwrap().metadata.resource_version, foreign.metadata.resource_version);
    edge.delete("live").await;
    assert_eq!(roles.get(&edge.name()).await.unwrap().rules, foreign.rules, "nothing of somebody else goes");
}

#[tokio::test]
async fn a_binding_of_ours_reaches_the_agent_and_nobody_else() {
    let edge = Edge::new().await;
    edge.web().await;
    edge.declare("live", "[{features: [View, Events, Logs, Terminal]}]", "").await;
    edge.ready("live").await;
    let bindings: Api<RoleBinding> = Api::namespaced(edge.team.client(), edge.shop());
    for binding in bindings.list(&ListParams::default()).await.unwrap() {
        let subjects = binding.subjects.unwrap_or_default();
        let to: Vec<_> = subjects.iter().map(|s| (s.kind.as_str(), s.name.as_str(), s.namespace.as_deref())).collect();
        assert_eq!(to, [("ServiceAccount", ACCOUNT, Some(edge.team.namespace.as_str()))], "{:?}", binding.metadata.name);
    }
}

#[tokio::test]
async fn an_end_is_kept_to_the_second() {
    let edge = Edge::new().await;
    edge.web().await;
    let end = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(12);
    edge.declare("live", "[{}]", &format!(", validity: {{notAfter: '{}'}}", end.strftime("%Y-%m-%dT%H:%M:%SZ"))).await;
    edge.ready("live").await;
    eventually("everything is withdrawn", SOON * 2, async || {
        let left = edge.objects().await;
        that(left.is_empty(), || format!("{left:#?}"))
    })
    .await;
    assert!(jiff::Timestamp::now().duration_since(end) < jiff::SignedDuration::from_secs(5), "some seconds late on a busy machine at most");
    edge.condition("live", "Ready", "False", "Expired").await;
}
