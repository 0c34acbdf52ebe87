//! The command: what it prints, what it refuses, and the credential that it makes.

use k8s_openapi::api::authentication::v1::SelfSubjectReview;
use k8s_openapi::api::core::v1::{Namespace, Secret};
use kube::Api;
use kube::api::{DeleteParams, PostParams};
use serde_json::Value;

use super::{Remote, client_of, on_both};
use crate::support::{Kubernetes, eventually, manifests};
use crate::world::SOON;

const SHOP: &str = "permissions: {namespaces: {names: [SHOP]}}";

on_both!(
    what_is_printed_is_taken_as_it_is_and_a_second_time_changes_nothing,
    the_credential_is_the_managers_and_dies_with_its_secret,
    before_the_bootstrap_there_is_no_credential,
);

async fn what_is_printed_is_taken_as_it_is_and_a_second_time_changes_nothing(version: Kubernetes) {
    let remote = Remote::bootstrapped(version, SHOP).await;
    let versions = async || {
        let client = remote.cp.client();
        let mut all = Vec::new();
        for object in manifests::parse(&remote.command(&[]).await.success()) {
            let found = manifests::api_of(&client, "default", &object).get(object.metadata.name.as_deref().unwrap()).await.unwrap();
            // Of a policy the API server writes down whether its expressions are sound.
            let version = found.metadata.generation.filter(|_| kind_of(&object) == "ValidatingAdmissionPolicy").map(|n| n.to_string());
            all.push((found.metadata.name, version.or(found.metadata.resource_version)));
        }
        all
    };
    let before = versions().await;
    assert!(before.len() > 15, "{before:?}");
    remote.apply_bootstrap().await;
    assert_eq!(versions().await, before);

    let as_json: Value = serde_json::from_str(&remote.command(&["-o", "json"]).await.success()).unwrap();
    assert_eq!((as_json["kind"].as_str(), as_json["items"].as_array().map(Vec::len)), (Some("List"), Some(before.len())));
    // The kinds are those of this cluster.
    let sync = as_json["items"].as_array().unwrap().iter().find(|o| o["metadata"]["name"] == "argocd-access-sync").unwrap().to_string();
    assert!(sync.contains("\"endpointslices\"") && sync.contains("\"leases\"") && !sync.contains("\"secrets\"") && !sync.contains('*'), "{sync}");
}

fn kind_of(object: &kube::api::DynamicObject) -> &str {
    object.types.as_ref().map(|types| types.kind.as_str()).unwrap_or_default()
}

async fn the_credential_is_the_managers_and_dies_with_its_secret(version: Kubernetes) {
    let remote = Remote::bootstrapped(version, SHOP).await;
    let finished = remote.command(&["--credential"]).await;
    let secret: Value = serde_yaml::from_str(&finished.stdout).unwrap();
    assert_eq!((secret["metadata"]["name"].as_str(), secret["metadata"]["namespace"].as_str()), (Some("argocd-access-manager-prod"), Some("argocd")));
    let bytes = |key: &str| serde_json::from_value::<k8s_openapi::ByteString>(secret["data"][key].clone()).unwrap().0;
    assert_eq!(bytes("server"), remote.cp.server.as_bytes());
    let token = String::from_utf8(bytes("token")).unwrap();
    assert!(!finished.stderr.contains(&token) && !finished.stderr.contains(token.split('.').next_back().unwrap()), "{}", finished.stderr);
    assert!(finished.stderr.contains("valid until"), "{}", finished.stderr);
    let system = Api::<Namespace>::all(remote.cp.client()).get("kube-system").await.unwrap();
    assert_eq!(bytes("clusterUID"), system.metadata.uid.unwrap().as_bytes());

    let manager = client_of(&secret).await;
    let whoami = async || Api::<SelfSubjectReview>::all(manager.clone()).create(&PostParams::default(), &SelfSubjectReview::default()).await;
    let user = whoami().await.unwrap().status.unwrap().user_info.unwrap();
    assert_eq!(user.username.as_deref(), Some("system:serviceaccount:argocd-access:argocd-access-manager"));
    // A second one does not end the first: the operator that comes by it goes on.
    remote.credential().await;
    whoami().await.unwrap();

    Api::<Secret>::namespaced(remote.cp.client(), "argocd-access").delete("argocd-access-manager-a", &DeleteParams::default()).await.unwrap();
    eventually("the token is refused", std::time::Duration::from_secs(20), || async {
        match whoami().await {
            Err(kube::Error::Api(status)) if status.code == 401 => Ok(()),
            other => Err(format!("{:?}", other.map(|_| "accepted"))),
        }
    })
    .await;
}

async fn before_the_bootstrap_there_is_no_credential(version: Kubernetes) {
    let remote = Remote::bootstrapped(version, SHOP).await;
    let policies = super::api(&remote.cp.client(), "", "admissionregistration.k8s.io/v1", "ValidatingAdmissionPolicyBinding");
    policies.delete("argocd-access-anchors", &DeleteParams::default()).await.unwrap();
    let finished = remote.command(&["--credential"]).await;
    assert!(!finished.status.success() && finished.stdout.is_empty());
    assert!(
        finished.stderr.contains("has no ValidatingAdmissionPolicyBinding argocd-access-anchors: apply the bootstrap first"),
        "{}",
        finished.stderr
    );

    let account = super::api(&remote.cp.client(), "argocd-access", "v1", "ServiceAccount");
    account.delete("argocd-access-manager", &DeleteParams::default()).await.unwrap();
    eventually("there is no ServiceAccount", SOON, || async { account.get("argocd-access-manager").await.map_or(Ok(()), |_| Err("there")) }).await;
    let finished = remote.command(&["--credential"]).await;
    assert!(
        finished.stdout.is_empty() && finished.stderr.contains("has no ServiceAccount argocd-access/argocd-access-manager"),
        "{}",
        finished.stderr
    );
}

/// Nothing of it needs a second version.
#[tokio::test]
async fn another_cluster_and_an_object_that_would_be_refused_are_told_before_anything_is_printed() {
    let mut remote = Remote::new(Kubernetes::V1_36, SHOP).await;
    let good = remote.declared.clone();
    for (right, wrong, word) in [
        (remote.cp.server.clone(), "https://prod.example:6443".to_owned(), "choose another --context"),
        (remote.cp.server.clone(), "http://prod.example".to_owned(), "spec.server must be https://"),
        (remote.shop.clone(), "kube-system".to_owned(), "kube-system is protected"),
        ("names:".to_owned(), "nmaes:".to_owned(), "there is no field spec.permissions.namespaces.nmaes"),
        ("name: prod,".to_owned(), "name: staging,".to_owned(), "it holds staging"),
    ] {
        remote.declared = good.replace(&right, &wrong);
        for arguments in [&[][..], &["--credential"][..]] {
            let finished = remote.command(arguments).await;
            assert!(!finished.status.success() && finished.stdout.is_empty() && finished.stderr.contains(word), "{word}: {}", finished.stderr);
        }
    }
    remote.declared = good.replace(&remote.cp.server, "https://prod.example:6443");
    assert!(remote.command(&["--server-differs"]).await.success().contains("argocd-access-sync"));
    remote.declared = good.replace("namespace: argocd", "namespace: elsewhere");
    let finished = remote.command(&["--credential", "-n", "argocd"]).await;
    assert!(finished.stdout.is_empty() && finished.stderr.contains("is for the namespace \"elsewhere\""), "{}", finished.stderr);
    remote.declared = good.replace("permissions: {", "permissions: {deploy: [{group: gone.example, resources: [things]}], ");
    let finished = remote.command(&[]).await;
    assert!(finished.status.success() && finished.stderr.contains("not granted: permissions.deploy things.gone.example"), "{}", finished.stderr);
}
