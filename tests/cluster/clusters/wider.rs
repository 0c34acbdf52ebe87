//! What is wider than bindings in namespaces: `authority: Manage`, and permissions in the whole cluster.

use k8s_openapi::api::core::v1::Pod;
use kube::api::{DeleteParams, DynamicObject};
use kube::{Api, Client};
use serde_json::{Value, json};

use super::{MANAGED, Remote, api, apply, binding, object, on_both, said, try_to_apply};
use crate::support::{Kubernetes, eventually, eventually::that};
use crate::world::SOON;

on_both!(
    with_manage_it_narrows_and_widens_the_roles_within_what_it_holds_and_uses_none_of_it,
    in_the_whole_cluster_argo_cd_writes_nothing_in_protected_namespaces,
    with_an_identity_of_aws_it_binds_the_group_and_takes_no_token,
    with_none_it_binds_nothing,
);

const RBAC: &str = "rbac.authorization.k8s.io/v1";

async fn refused(client: &Client, what: &str, object: &DynamicObject, why: &str) {
    eventually(what, SOON, || async {
        match try_to_apply(client, object).await {
            Err(error) => that(error.contains(why), || error),
            Ok(_) => Err("it was let through".to_owned()),
        }
    })
    .await;
}

fn role(name: &str, rules: Value) -> DynamicObject {
    let mut role = object(&format!("{{apiVersion: {RBAC}, kind: ClusterRole, metadata: {{name: {name}}}}}"));
    role.data["rules"] = rules;
    role
}

fn pod(namespace: &str) -> DynamicObject {
    object(&format!(
        "{{apiVersion: v1, kind: Pod, metadata: {{name: intruder, namespace: {namespace}}}, spec: {{containers: [{{name: a, image: a}}]}}}}"
    ))
}

fn note(namespace: &str) -> DynamicObject {
    object(&format!("{{apiVersion: v1, kind: ConfigMap, metadata: {{name: note, namespace: {namespace}}}}}"))
}

async fn with_manage_it_narrows_and_widens_the_roles_within_what_it_holds_and_uses_none_of_it(version: Kubernetes) {
    let remote = Remote::bootstrapped(version, "remote: {authority: Manage}, permissions: {namespaces: {names: [SHOP]}, secrets: Deploy}").await;
    let manager = remote.manager().await;
    let sync = "argocd-access-sync";
    let full = api(&manager, "", RBAC, "ClusterRole").get(sync).await.unwrap().data["rules"].clone();
    let few = json!([{"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list", "watch"]}]);
    apply(&manager, &role(sync, few)).await.unwrap();
    apply(&manager, &role(sync, full)).await.unwrap();
    let grant = "attempting to grant RBAC permissions not currently held";
    for beyond in [
        json!([{"apiGroups": ["*"], "resources": ["*"], "verbs": ["get"]}]),
        json!([{"apiGroups": ["rbac.authorization.k8s.io"], "resources": ["clusterroles"], "verbs": ["escalate"]}]),
        json!([{"apiGroups": [""], "resources": ["nodes/proxy"], "verbs": ["get"]}]),
    ] {
        refused(&manager, "more than it holds", &role(sync, beyond), grant).await;
    }
    refused(&manager, "another role", &role("cluster-admin", json!([])), "403").await;
    // It holds the deployment of workloads, of Secrets and terminals, and uses none of it.
    let unused = "to write it into a role, not to use it";
    refused(&manager, "a Pod", &pod(&remote.shop), unused).await;
    refused(&manager, "a Pod of the cluster itself", &pod("kube-system"), unused).await;
    let secret =
        |name: &str, namespace: &str| object(&format!("{{apiVersion: v1, kind: Secret, metadata: {{name: {name}, namespace: {namespace}}}}}"));
    refused(&manager, "a Secret elsewhere", &secret("argocd-managed-a", &remote.shop), unused).await;
    refused(&manager, "another Secret", &secret("other", "argocd-access"), unused).await;
    let admin = remote.cp.client();
    apply(&admin, &pod(&remote.shop)).await.unwrap();
    let pods: Api<Pod> = Api::namespaced(manager.clone(), &remote.shop);
    let error = said(pods.delete("intruder", &DeleteParams::default()).await.unwrap_err());
    assert!(error.contains(unused), "{error}");
    let exec = kube::api::AttachParams::default().stdin(true).stderr(false);
    let error = pods.exec("intruder", ["sh"], &exec).await.err().map(|error| format!("{error:?}")).unwrap_or_default();
    assert!(error.contains("422") || error.contains("403") || error.contains(unused), "{error}");
    // What it needs it still can.
    apply(&manager, &secret("argocd-managed-a", "argocd-access")).await.unwrap();
    apply(&manager, &binding(Some(&remote.shop), sync, sync, MANAGED)).await.unwrap();
    refused(
        &manager,
        "somebody else",
        &binding(Some(&remote.shop), sync, sync, "{kind: ServiceAccount, name: default, namespace: default}"),
        "nobody else",
    )
    .await;
    api(&manager, "argocd-access", "v1", "Secret").delete("argocd-managed-a", &DeleteParams::default()).await.unwrap();
}

async fn in_the_whole_cluster_argo_cd_writes_nothing_in_protected_namespaces(version: Kubernetes) {
    let spec = "permissions: {scope: Cluster, secrets: Deploy, clusterResources: [{resources: [namespaces]}]}";
    let remote = Remote::bootstrapped(version, spec).await;
    let manager = remote.manager().await;
    for role in ["argocd-access-sync", "argocd-access-sync-cluster", "argocd-access-logs"] {
        apply(&manager, &binding(None, role, role, MANAGED)).await.unwrap();
    }
    let exec = binding(None, "argocd-access-exec", "argocd-access-exec", MANAGED);
    refused(&manager, "a terminal in the whole cluster", &exec, "403").await;
    let managed = remote.cp.client_for_service_account("argocd-access", "argocd-managed").await;
    eventually("it deploys anywhere", SOON, || async { try_to_apply(&managed, &pod(&remote.shop)).await.map(drop) }).await;
    let never = "writes nothing in a protected namespace";
    for namespace in ["kube-system", "kube-public", "kube-node-lease", "argocd-access"] {
        refused(&managed, namespace, &note(namespace), never).await;
        let label = object(&format!("{{apiVersion: v1, kind: Namespace, metadata: {{name: {namespace}}}}}"));
        refused(&managed, "its labels", &label, never).await;
    }
    let error = said(api(&managed, "argocd-access", "v1", "ConfigMap").delete("kube-root-ca.crt", &DeleteParams::default()).await.unwrap_err());
    assert!(error.contains(never), "{error}");
    let error = said(api(&managed, "", "v1", "Namespace").delete("argocd-access", &DeleteParams::default()).await.unwrap_err());
    assert!(error.contains(never), "{error}");
    // Others are not concerned.
    try_to_apply(&remote.cp.client(), &note("kube-public")).await.unwrap();
    for role in ["argocd-access-sync", "argocd-access-sync-cluster", "argocd-access-logs"] {
        api(&manager, "", RBAC, "ClusterRoleBinding").delete(role, &DeleteParams::default()).await.unwrap();
    }
}

async fn with_none_it_binds_nothing(version: Kubernetes) {
    let remote = Remote::bootstrapped(version, "remote: {authority: None}, permissions: {namespaces: {names: [SHOP]}}").await;
    let manager = remote.manager().await;
    let sync = "argocd-access-sync";
    refused(&manager, "a binding", &binding(Some(&remote.shop), sync, sync, MANAGED), "403").await;
    let error = said(api(&manager, &remote.shop, RBAC, "RoleBinding").delete(sync, &DeleteParams::default()).await.unwrap_err());
    assert!(error.starts_with("403"), "{error}");
}

async fn with_an_identity_of_aws_it_binds_the_group_and_takes_no_token(version: Kubernetes) {
    let aws = "credentials: {type: EKS}, aws: {hub: {accountID: '111111111111', region: eu-west-1, clusterName: hub, role: argocd}, spoke: {accountID: '222222222222', region: eu-west-1, clusterName: prod}, group: 'argocd-access:prod'}";
    let remote = Remote::bootstrapped(version, &format!("{aws}, permissions: {{scope: Cluster}}")).await;
    let manager = remote.manager().await;
    let (sync, group) = ("argocd-access-sync", "{apiGroup: rbac.authorization.k8s.io, kind: Group, name: 'argocd-access:prod'}");
    refused(&manager, "a ServiceAccount", &binding(None, sync, sync, MANAGED), "the group argocd-access:prod and nobody else").await;
    let masters = group.replace("argocd-access:prod", "system:masters");
    refused(&manager, "another group", &binding(None, sync, sync, &masters), "nobody else").await;
    apply(&manager, &binding(None, sync, sync, group)).await.unwrap();
    let argo = remote.cp.client_as("arn:aws:iam::222222222222:role/argocd", &["argocd-access:prod", "system:authenticated"]);
    eventually("it deploys anywhere", SOON, || async { try_to_apply(&argo, &note(&remote.shop)).await.map(drop) }).await;
    refused(&argo, "a protected namespace", &note("kube-system"), "writes nothing in a protected namespace").await;
    let accounts: Api<k8s_openapi::api::core::v1::ServiceAccount> = Api::namespaced(manager.clone(), "argocd-access");
    let request = k8s_openapi::api::authentication::v1::TokenRequest::default();
    let error = accounts.create_token_request("argocd-managed", &kube::api::PostParams::default(), &request).await.map_err(said);
    assert!(error.as_ref().is_err_and(|error| error.starts_with("403")), "{error:?}");
    api(&manager, "", RBAC, "ClusterRoleBinding").delete(sync, &DeleteParams::default()).await.unwrap();
}
