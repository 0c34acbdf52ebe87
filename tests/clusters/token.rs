//! A credential for what is declared, and nothing left after it.

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::Api;
use kube::api::{ListParams, PostParams};
use serde_json::json;

use crate::bench::{Bench, config, value};

#[tokio::test]
async fn argo_cd_gets_a_credential_for_what_is_declared_and_nothing_of_it_is_left_in_the_end() {
    let bench = Bench::new().await;
    bench.declare(&bench.spec()).await;
    let status = bench.ready().await;

    let secret = bench.cluster_secret().await.unwrap();
    assert_eq!(secret.metadata.labels.as_ref().unwrap()["argocd.argoproj.io/secret-type"], "cluster");
    assert_eq!((value(&secret, "name"), value(&secret, "server")), (Some("prod".to_owned()), Some(bench.remote.server.clone())));
    assert_eq!((value(&secret, "namespaces"), value(&secret, "clusterResources")), (Some(bench.shop.clone()), None));
    assert_eq!(config(&secret)["tlsClientConfig"]["insecure"], false);
    let credential = status.credential.unwrap();
    assert_eq!(credential.subject.as_deref(), Some("system:serviceaccount:argocd-access:argocd-managed"));
    assert_eq!(credential.granted_seconds, Some(3600), "the remote cluster gives an hour, whatever is asked for");
    let shortened = status.conditions.iter().find(|c| c.type_ == "CredentialReady").unwrap();
    assert_eq!(shortened.reason, "LifetimeShortened", "{}", shortened.message);
    assert_eq!(
        bench.there().await,
        ["RoleBinding shop/argocd-access-logs", "RoleBinding shop/argocd-access-sync", "Secret argocd-access/argocd-managed-a"]
    );

    // What it is for works, and nothing else does.
    let argocd = bench.argocd().await;
    let deployment = serde_json::from_value(json!({
        "metadata": {"name": "web"},
        "spec": {"selector": {"matchLabels": {"a": "b"}}, "template": {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "a", "image": "a"}]}}},
    }));
    let deployments = Api::<Deployment>::namespaced(argocd.clone(), &bench.shop);
    deployments.create(&PostParams::default(), &deployment.unwrap()).await.unwrap();
    deployments.list(&ListParams::default()).await.unwrap();
    let code = |answer: Result<(), kube::Error>| match answer {
        Err(kube::Error::Api(status)) => status.code,
        other => panic!("{other:?}"),
    };
    assert_eq!(code(Api::<Secret>::namespaced(argocd.clone(), &bench.shop).list(&ListParams::default()).await.map(drop)), 403);
    assert_eq!(code(Api::<ConfigMap>::namespaced(argocd.clone(), "default").list(&ListParams::default()).await.map(drop)), 403);
    assert_eq!(code(Api::<ConfigMap>::all(argocd.clone()).list(&ListParams::default()).await.map(drop)), 403);

    bench.delete().await;
    bench.gone().await;
    assert_eq!(bench.there().await, Vec::<String>::new());
    assert!(bench.cluster_secret().await.is_none());
    crate::support::eventually("the credential is dead", std::time::Duration::from_secs(15), || async {
        match deployments.list(&ListParams::default()).await {
            Err(kube::Error::Api(status)) if status.code == 401 => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
}
