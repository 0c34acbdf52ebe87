//! The examples of remote clusters, each applied in a hub, with a real remote cluster where its credential is a token.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::{
    remote_bench::{Bench, config},
    support::{manifests, tools},
    world::example,
};

/// What each comes to in the namespaces of the remote cluster: `shop`, and `shop-labelled` with the label team: a.
const TOKENS: [(&str, &[&str]); 2] = [("cluster-token.yaml", &["shop"]), ("cluster-namespaces.yaml", &["shop-labelled"])];
/// The one of a credential that others keep.
const EXISTING: &str = "cluster-existing.yaml";

/// Those whose credential is an identity of AWS.
fn of_aws() -> BTreeSet<String> {
    let files = std::fs::read_dir(tools::repository().join("examples")).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    files.filter(|name| name.starts_with("eks-")).collect()
}

/// The files that are tried here.
pub fn tried() -> BTreeSet<String> {
    TOKENS.iter().map(|(file, _)| *file).chain([EXISTING]).map(ToOwned::to_owned).chain(of_aws()).collect()
}

/// What an example declares.
fn declared(file: &str) -> Value {
    let object: Value = serde_yaml::from_str(&example(file)).unwrap();
    object["spec"].clone()
}

/// The same for the remote cluster of a test.
fn declared_for(bench: &Bench, file: &str) -> Value {
    let mut spec = declared(file);
    spec["server"] = json!(bench.remote.server);
    spec
}

const NAMESPACES: &str = "
{apiVersion: v1, kind: Namespace, metadata: {name: shop}}
---
{apiVersion: v1, kind: Namespace, metadata: {name: shop-labelled, labels: {team: a}}}
";

#[tokio::test]
async fn every_example_of_a_remote_cluster_reaches_what_it_promises() {
    let bench = Bench::bare("clusterAccess: {enabled: true, clusters: [prod]}").await;
    // Nothing in AWS is asked; what is declared is accepted.
    for file in of_aws() {
        bench.declare(&declared(&file)).await;
        bench.condition("Accepted", "True", "Valid").await;
        // No cluster is there that could say that nothing of it is left.
        bench.annotate("argocd-access.dev/forget-remote", Some("true")).await;
        bench.delete().await;
        bench.gone().await;
    }
    manifests::apply_text(&bench.remote.client(), "default", NAMESPACES).await;
    for (file, namespaces) in TOKENS {
        let spec = declared_for(&bench, file);
        bench.bootstrap(&spec).await;
        bench.declare(&spec).await;
        let status = bench.ready().await;
        let found: Vec<(&str, Option<bool>, bool)> = status.namespaces.iter().map(|n| (n.name.as_str(), n.deploy, n.in_secret)).collect();
        let wanted: Vec<(&str, Option<bool>, bool)> = namespaces.iter().map(|name| (*name, Some(true), true)).collect();
        assert_eq!(found, wanted, "{file}");
        bench.delete().await;
        bench.gone().await;
        assert_eq!(bench.there().await, Vec::<String>::new(), "{file}");
    }
}

#[tokio::test]
async fn the_example_of_an_existing_credential_says_what_it_can_do_and_changes_nothing() {
    let name = declared(EXISTING)["adoptSecret"].as_str().unwrap().to_owned();
    let bench = Bench::bare(&format!("clusterAccess: {{enabled: true, clusters: [{{name: prod, adoptSecret: {name}}}]}}")).await;
    manifests::apply_text(&bench.remote.client(), "default", NAMESPACES).await;
    let spec = declared_for(&bench, EXISTING);
    bench.bootstrap(&spec).await;
    // As `argocd cluster add` makes it.
    let remote = async |arguments: &[&str]| bench.remote.kubectl(arguments).await.success();
    remote(&["create", "serviceaccount", "argocd-manager", "--namespace", "kube-system"]).await;
    let binding = ["create", "clusterrolebinding", "argocd-manager-role-binding", "--clusterrole=cluster-admin"];
    remote(&[&binding[..], &["--serviceaccount=kube-system:argocd-manager"]].concat()).await;
    let token = remote(&["create", "token", "argocd-manager", "--namespace", "kube-system"]).await;
    let authority = bench.secret("argocd-access-manager-prod").await.unwrap().data.unwrap()["ca.crt"].clone();
    let tls = json!({"insecure": false, "caData": authority});
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "labels": {"argocd.argoproj.io/secret-type": "cluster"}},
        "stringData": {"name": "prod", "server": bench.remote.server, "config": json!({"bearerToken": token.trim(), "tlsClientConfig": tls}).to_string()},
    });
    manifests::apply_text(&bench.hub.client(), &bench.namespace, &secret.to_string()).await;
    let before = bench.secret(&name).await.unwrap();
    bench.declare(&spec).await;
    let status = bench.condition("Confined", "False", "HoldsWildcard").await;
    assert!(status.excess.iter().any(|right| right.by.contains("argocd-manager-role-binding")), "{:#?}", status.excess);
    bench.condition("PermissionsProven", "True", "Proven").await;
    bench.condition("Ready", "False", "HoldsWildcard").await;
    bench.delete().await;
    bench.gone().await;
    let after = bench.secret(&name).await.unwrap();
    assert_eq!(config(&after), config(&before));
    assert_eq!(after.metadata.resource_version, before.metadata.resource_version, "nobody wrote it");
}
