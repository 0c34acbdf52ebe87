//! The status of an Application is written by whoever may edit the Application: what it claims beyond its project gains nothing.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use k8s_openapi::api::rbac::v1::RoleBinding;
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::json;

use super::Edge;
use crate::support::edge::project;
use crate::support::manifests;

/// A project that allows one namespace and some kinds.
fn narrow(namespace: &str) -> String {
    format!(
        "{{apiVersion: argoproj.io/v1alpha1, kind: AppProject, metadata: {{name: narrow}}, spec: {{sourceRepos: ['*'], destinations: [{{server: '*', name: in-cluster, namespace: {namespace}}}], namespaceResourceWhitelist: [{{group: apps, kind: Deployment}}, {{group: '', kind: Secret}}]}}}}"
    )
}

#[tokio::test]
async fn what_a_forged_status_claims_beyond_its_project_gains_nothing() {
    let edge = Edge::new().await;
    let (shop, elsewhere) = (edge.shop().to_owned(), edge.team.cp.namespace("elsewhere").await);
    edge.apply_text(&narrow(&shop)).await;
    let own = edge.team.namespace.clone();
    let claims = [
        format!("apps/Deployment/{shop}/web"),
        format!("/Secret/{shop}/password"),
        format!("rbac.authorization.k8s.io/RoleBinding/{shop}/web"),
        "rbac.authorization.k8s.io/ClusterRoleBinding//cluster-admin".to_owned(),
        format!("apps/Deployment/{elsewhere}/web"),
        "apps/Deployment/kube-system/coredns".to_owned(),
        format!("/ConfigMap/{own}/argocd-cm"),
        format!("argocd-access.dev/LiveResourceAccess/{shop}/live"),
        format!("*/*/{shop}/*"),
        format!("/ConfigMap/{shop}/web"),
        "/Node//node-1".to_owned(),
    ];
    edge.application_of("web", "narrow", &claims.iter().map(String::as_str).collect::<Vec<_>>()).await;
    edge.declare("live", "[{features: [View, Events, Logs, Terminal, Edit, Actions, Delete], clusterScoped: View}]", "").await;
    edge.has(&shop, &["get deployments.apps", "get pods", "get replicasets.apps"]).await;
    let only_there: BTreeSet<String> = edge.objects().await.into_iter().filter(|object| !object.contains(&format!(" {shop}/"))).collect();
    assert_eq!(only_there, BTreeSet::new());
    let agent = edge.agent().await;
    let refused = |answer: Result<(), kube::Error>| matches!(answer, Err(kube::Error::Api(status)) if status.code == 403);
    let secrets = Api::<Secret>::namespaced(agent.clone(), &shop);
    assert!(refused(secrets.get("password").await.map(drop)));
    assert!(refused(Api::<RoleBinding>::namespaced(agent.clone(), &shop).get("web").await.map(drop)));
    assert!(refused(Api::<ConfigMap>::namespaced(agent.clone(), &own).get("argocd-cm").await.map(drop)));
}

#[tokio::test]
async fn an_application_that_claims_more_than_any_has_counts_for_nothing_and_is_named() {
    let edge = Edge::new().await;
    edge.web().await;
    edge.declare("live", "[{}]", "").await;
    edge.ready("live").await;
    let before = edge.rights(edge.shop()).await;
    // As many as fit into an object of the API server.
    let resources: Vec<_> = (0..12_000).map(|n| json!({"kind": "Secret", "namespace": edge.shop(), "name": format!("s{n}")})).collect();
    let object = json!({
        "apiVersion": "argoproj.io/v1alpha1", "kind": "Application", "metadata": {"name": "flood", "namespace": edge.team.namespace},
        "spec": {"project": "default", "source": {"repoURL": "https://example.invalid/x.git", "path": "."}, "destination": {"name": "in-cluster"}},
        "status": {"resources": resources},
    });
    let api = manifests::api(&edge.team.client(), &edge.team.namespace, "argoproj.io/v1alpha1", "Application");
    api.patch("flood", &PatchParams::apply("test"), &Patch::Apply(&object)).await.unwrap();
    edge.condition("live", "ResourcesResolved", "False", "TooMany").await;
    assert_eq!(edge.rights(edge.shop()).await, before, "the others keep what they have");
    let status = edge.condition("live", "Ready", "False", "TooMany").await;
    let message = status.conditions.iter().find(|c| c.type_ == "Ready").map(|c| c.message.clone()).unwrap();
    assert!(message.contains("flood"), "{message}");
}

#[tokio::test]
async fn secrets_are_shown_only_where_they_are_released_and_the_operator_may_hand_them_on() {
    let values = "live: {enabled: true, ceiling: {extraRules: [{apiGroups: [''], resources: [secrets], resourceNames: [web], verbs: [get]}]}}";
    let edge = Edge::with_values(values).await;
    edge.apply_text(&project("default")).await;
    let shop = edge.shop().to_owned();
    edge.application("web", &[&format!("/Secret/{shop}/web"), &format!("/Secret/{shop}/other")]).await;
    edge.declare("live", "[{}]", "").await;
    edge.has(&shop, &[]).await;
    let status = edge.ready("live").await;
    assert!(status.not_granted.iter().all(|n| format!("{:?}", n.reason) == "Secret"), "{:?}", status.not_granted);
    // By name, and only as far as the operator holds it: of the two it holds one, and the right is for both or none.
    edge.declare("live", "[{secrets: Named}]", "").await;
    edge.condition("live", "RBACApplied", "False", "BeyondCeiling").await;
    edge.application("web", &[&format!("/Secret/{shop}/web")]).await;
    edge.has(&shop, &["get secrets [web]"]).await;
    edge.ready("live").await;
    let agent = edge.agent().await;
    let secrets = Api::<Secret>::namespaced(agent, &shop);
    assert!(secrets.get_opt("web").await.unwrap().is_none());
    assert!(secrets.get_opt("other").await.is_err());
}
