//! What the design rests on, of Kubernetes itself: should a version behave otherwise, this says so first.

use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::api::{DeleteParams, DynamicObject, PostParams};
use kube::{Api, Client};
use serde_json::{Value, json};

use super::{Remote, api, apply, object, on_both, said};
use crate::support::{ControlPlane, Kubernetes, eventually};
use crate::world::SOON;

on_both!(
    a_role_is_not_narrowed_by_whoever_does_not_hold_what_stays,
    whoever_may_patch_a_secret_reads_it,
    a_token_of_less_than_ten_minutes_is_refused,
);

const RBAC: &str = "rbac.authorization.k8s.io/v1";

/// A cluster of which no other test clears away what was made.
async fn alone(version: Kubernetes) -> Remote {
    Remote::new(version, "permissions: {namespaces: {names: [SHOP]}}").await
}

/// Somebody with these rules and nothing else.
async fn somebody(cp: &ControlPlane, namespace: &str, rules: Value) -> Client {
    let admin = cp.client();
    let mut role = object(&format!("{{apiVersion: {RBAC}, kind: ClusterRole, metadata: {{name: somebody-{namespace}}}}}"));
    role.data["rules"] = rules;
    let account = object(&format!("{{apiVersion: v1, kind: ServiceAccount, metadata: {{name: somebody, namespace: {namespace}}}}}"));
    let subject = format!("{{kind: ServiceAccount, name: somebody, namespace: {namespace}}}");
    let name = format!("somebody-{namespace}");
    for made in [role, account, super::binding(None, &name, &name, &subject)] {
        apply(&admin, &made).await.unwrap();
    }
    cp.client_for_service_account(namespace, "somebody").await
}

/// A right takes a moment to count.
async fn comes_to_pass(client: &Client, object: &DynamicObject) -> DynamicObject {
    eventually("the right counts", SOON, || apply(client, object)).await
}

/// So what is to be withdrawn is withdrawn by deleting a binding.
async fn a_role_is_not_narrowed_by_whoever_does_not_hold_what_stays(version: Kubernetes) {
    let remote = alone(version).await;
    let (cp, namespace) = (remote.cp, remote.shop.as_str());
    let name = format!("narrowed-{namespace}");
    let role = |verbs: Value| {
        let mut role = object(&format!("{{apiVersion: {RBAC}, kind: ClusterRole, metadata: {{name: {name}}}}}"));
        role.data["rules"] = json!([{"apiGroups": [""], "resources": ["pods"], "verbs": verbs}]);
        role
    };
    let full = role(json!(["get", "list"]));
    apply(&cp.client(), &full).await.unwrap();
    let rules = json!([{"apiGroups": ["rbac.authorization.k8s.io"], "resources": ["clusterroles"], "resourceNames": [name], "verbs": ["get", "patch", "delete"]}]);
    let writer = somebody(cp, namespace, rules).await;
    comes_to_pass(&writer, &full).await;
    let refused = apply(&writer, &role(json!(["get"]))).await.unwrap_err();
    assert!(refused.starts_with("403") && refused.contains("not currently held"), "{refused}");
    apply(&writer, &full).await.unwrap();
    api(&writer, "", RBAC, "ClusterRole").delete(&name, &DeleteParams::default()).await.unwrap();
}

/// So the operator patches Secrets by their names alone.
async fn whoever_may_patch_a_secret_reads_it(version: Kubernetes) {
    let remote = alone(version).await;
    let (cp, namespace) = (remote.cp, remote.shop.as_str());
    let secret = |more: &str| object(&format!("{{apiVersion: v1, kind: Secret, metadata: {{name: kept, namespace: {namespace}}}{more}}}"));
    apply(&cp.client(), &secret(", data: {a: YQ==}")).await.unwrap();
    let rules = json!([{"apiGroups": [""], "resources": ["secrets"], "verbs": ["patch"]}]);
    let patcher = somebody(cp, namespace, rules).await;
    let mut nothing = secret("");
    nothing.metadata.labels = None;
    let parameters = kube::api::PatchParams::apply("somebody").dry_run();
    let secrets = api(&patcher, namespace, "v1", "Secret");
    let answer =
        eventually("the right counts", SOON, || async { secrets.patch("kept", &parameters, &kube::api::Patch::Apply(&nothing)).await.map_err(said) })
            .await;
    assert_eq!(answer.data["data"], json!({"a": "YQ=="}), "without changing anything");
    assert!(said(secrets.get("kept").await.unwrap_err()).starts_with("403"));
}

async fn a_token_of_less_than_ten_minutes_is_refused(version: Kubernetes) {
    let remote = alone(version).await;
    let (cp, namespace) = (remote.cp, remote.shop.as_str());
    let accounts: Api<ServiceAccount> = Api::namespaced(cp.client(), namespace);
    let ask = async |seconds| {
        let spec = TokenRequestSpec { expiration_seconds: Some(seconds), ..TokenRequestSpec::default() };
        let request = TokenRequest { spec, ..TokenRequest::default() };
        accounts.create_token_request("default", &PostParams::default(), &request).await.map_err(said)
    };
    let refused = ask(599).await.map(drop).unwrap_err();
    assert!(refused.starts_with("422") && refused.contains("10 minutes"), "{refused}");
    ask(600).await.unwrap();
}
