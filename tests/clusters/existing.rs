//! A credential that others keep: it is looked at, and shown to nobody but its own server.

use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::json;

use crate::bench::{Bench, CLUSTER};
use crate::support::manifests;

const SECRET: &str = "cluster-prod-1234567890";

#[tokio::test]
async fn the_credential_of_a_secret_for_another_server_is_not_sent_to_the_declared_one() {
    let bench = Bench::bare(&format!("clusterAccess: {{enabled: true, clusters: [{{name: {CLUSTER}, adoptSecret: {SECRET}}}]}}")).await;
    let mut spec = bench.spec();
    spec["adoptSecret"] = json!(SECRET);
    spec["credentials"] = json!({"type": "Existing"});
    spec["remote"] = json!({"authority": "None"});
    bench.bootstrap(&spec).await;
    let remote = async |arguments: &[&str]| bench.remote.kubectl(arguments).await.success();
    remote(&["create", "serviceaccount", "argocd-manager", "--namespace", "kube-system"]).await;
    let token = remote(&["create", "token", "argocd-manager", "--namespace", "kube-system"]).await;
    let authority = bench.secret(&format!("argocd-access-manager-{CLUSTER}")).await.unwrap().data.unwrap()["ca.crt"].clone();
    let config = json!({"bearerToken": token.trim(), "tlsClientConfig": {"insecure": false, "caData": authority}}).to_string();
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": SECRET, "labels": {"argocd.argoproj.io/secret-type": "cluster"}},
        "stringData": {"name": CLUSTER, "server": bench.remote.server, "config": config},
    });
    manifests::apply_text(&bench.hub.client(), &bench.namespace, &secret.to_string()).await;
    bench.declare(&spec).await;
    let status = bench.condition("PermissionsProven", "False", "Missing").await;
    assert!(status.missing.iter().any(|right| right.resource == "deployments"), "the ServiceAccount has no rights: {:#?}", status.missing);

    let secrets: Api<Secret> = Api::namespaced(bench.hub.client(), &bench.namespace);
    let elsewhere = Patch::Merge(json!({"stringData": {"server": "https://other.example:6443"}}));
    secrets.patch(SECRET, &PatchParams::default(), &elsewhere).await.unwrap();
    bench.condition("SecretApplied", "False", "ForeignSecret").await;
    let status = bench.condition("PermissionsProven", "Unknown", "NotChecked").await;
    let proven = status.conditions.iter().find(|c| c.type_ == "PermissionsProven").unwrap();
    assert!(proven.message.contains("for another server"), "{}", proven.message);
}
