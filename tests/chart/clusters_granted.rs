//! The rights of the process that serves remote clusters, on a real API server: what it must do it can, and what it must not it cannot.

use std::time::Duration;

use k8s_openapi::api::authorization::v1::{ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec};
use kube::{
    Api, Client,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams},
};
use serde_json::json;

use crate::{
    install::{RELEASE, install},
    support::{ControlPlane, Kubernetes, eventually, eventually::that, manifests::api},
};

/// Clusters of which one has a Secret that is taken over.
const CLUSTERS: [&str; 3] =
    ["clusterAccess.enabled=true", "clusterAccess.clusters={a}", "clusterAccess.clusters[1].name=b,clusterAccess.clusters[1].adoptSecret=old"];

/// Asks the API server, without doing anything, as it would ask itself.
struct Asked {
    reviews: Api<SubjectAccessReview>,
    user: String,
}

impl Asked {
    /// About the process that serves remote clusters, once the API server knows of its rights.
    async fn about(bench: &ControlPlane, namespace: &str, account: &str) -> Self {
        let asked = Self { reviews: Api::all(bench.client()), user: format!("system:serviceaccount:{namespace}:{account}") };
        eventually("its rights are known", Duration::from_secs(10), async || {
            that(asked.may("get", "clusteraccesses.argocd-access.dev", namespace, "").await, || "it may not get a ClusterAccess".to_owned())
        })
        .await;
        asked
    }

    /// Whether it may; `resource` as in `deployments.apps/scale`; "" is any name, or all namespaces.
    async fn may(&self, verb: &str, resource: &str, namespace: &str, name: &str) -> bool {
        let (resource, subresource) = resource.split_once('/').unwrap_or((resource, ""));
        let (resource, group) = resource.split_once('.').unwrap_or((resource, ""));
        let given = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let attributes = ResourceAttributes {
            group: given(group),
            resource: given(resource),
            subresource: given(subresource),
            namespace: given(namespace),
            name: given(name),
            verb: given(verb),
            ..ResourceAttributes::default()
        };
        let groups = vec!["system:serviceaccounts".to_owned(), "system:authenticated".to_owned()];
        let spec = SubjectAccessReviewSpec {
            user: Some(self.user.clone()),
            groups: Some(groups),
            resource_attributes: Some(attributes),
            ..Default::default()
        };
        let review = SubjectAccessReview { spec, ..SubjectAccessReview::default() };
        let answer = self.reviews.create(&PostParams::default(), &review).await.expect("review an access");
        answer.status.expect("a review has a status").allowed
    }

    /// Which of these it may.
    async fn verbs(&self, resource: &str, namespace: &str, name: &str) -> Vec<&'static str> {
        let mut may = Vec::new();
        for verb in ["get", "list", "watch", "create", "update", "patch", "delete", "deletecollection", "bind", "escalate", "impersonate"] {
            if self.may(verb, resource, namespace, name).await {
                may.push(verb);
            }
        }
        may
    }
}

#[tokio::test]
async fn of_secrets_the_process_has_those_of_the_listed_clusters_and_nothing_else() {
    let bench = ControlPlane::shared(Kubernetes::V1_36).await;
    let (namespace, other) = (bench.instance("cla").await, bench.namespace("other").await);
    install(bench, &namespace, &CLUSTERS).await;
    let asked = Asked::about(bench, &namespace, &format!("{RELEASE}-clusters")).await;

    let own = ["get", "create", "patch", "delete"];
    for (secret, verbs) in [
        ("argocd-access-cluster-a", &own[..]),
        ("old", &["get", "patch"]),
        ("argocd-access-manager-a", &["get", "patch"]),
        ("argocd-access-manager-b", &["get", "patch"]),
        ("argocd-access-cluster-b", &[]),
        ("argocd-access-manager-c", &[]),
        ("argocd-secret", &[]),
        ("argocd-initial-admin-secret", &[]),
        ("", &[]),
    ] {
        assert_eq!(asked.verbs("secrets", &namespace, secret).await, verbs, "{secret}");
        assert_eq!(asked.verbs("secrets", &other, secret).await, [""; 0], "{secret} elsewhere");
    }
    assert_eq!(asked.verbs("secrets", "", "").await, [""; 0], "in the whole cluster");
    let access = Asked { reviews: Api::all(bench.client()), user: format!("system:serviceaccount:{namespace}:{RELEASE}") };
    for secret in ["argocd-access-cluster-a", "argocd-access-manager-a", "old", "argocd-secret", ""] {
        assert_eq!(access.verbs("secrets", &namespace, secret).await, [""; 0], "the other process has none: {secret}");
    }
    assert_eq!(access.verbs("clusteraccesses.argocd-access.dev", &namespace, "").await, ["get", "list", "watch"]);
}

#[tokio::test]
async fn beside_secrets_the_process_looks_at_its_instance_and_writes_nothing_of_argo_cd() {
    let bench = ControlPlane::shared(Kubernetes::V1_36).await;
    let (namespace, other) = (bench.instance("cla").await, bench.namespace("other").await);
    install(bench, &namespace, &CLUSTERS).await;
    let asked = Asked::about(bench, &namespace, &format!("{RELEASE}-clusters")).await;

    let reads = ["get", "list", "watch"];
    for (resource, name, verbs) in [
        ("clusteraccesses.argocd-access.dev", "", &["get", "list", "watch", "patch"][..]),
        ("clusteraccesses.argocd-access.dev/status", "", &["patch"]),
        ("execaccesses.argocd-access.dev", "", &reads),
        ("execaccesses.argocd-access.dev/status", "", &[]),
        ("liveresourceaccesses.argocd-access.dev", "", &[]),
        ("appprojects.argoproj.io", "", &reads),
        ("applications.argoproj.io", "", &reads),
        ("deployments.apps", "", &reads),
        ("configmaps", "", &[]),
        ("configmaps", "argocd-cm", &reads),
        ("configmaps", "argocd-rbac-cm", &reads),
        ("configmaps", "argocd-cmd-params-cm", &reads),
        ("configmaps", "argocd-access-aws-a", &["get", "create", "patch", "delete"]),
        ("leases.coordination.k8s.io", "argocd-access-operator-clusters", &["get", "list", "watch", "create", "patch", "delete"]),
        ("leases.coordination.k8s.io", "argocd-access-operator", &[]),
        ("events.events.k8s.io", "", &["create", "patch"]),
        ("serviceaccounts", "argocd-server", &["get"]),
        ("serviceaccounts/token", "argocd-server", &[]),
        ("pods/exec", "", &[]),
        ("roles.rbac.authorization.k8s.io", "", &[]),
        ("rolebindings.rbac.authorization.k8s.io", "", &[]),
    ] {
        assert_eq!(asked.verbs(resource, &namespace, name).await, verbs, "{resource} {name}");
    }
    for (resource, verbs) in [
        ("applications.argoproj.io", &reads[..]),
        ("namespaces", &reads),
        ("clusteraccesses.argocd-access.dev", &reads),
        ("execaccesses.argocd-access.dev", &[]),
        ("clusterroles.rbac.authorization.k8s.io", &[]),
        ("clusterrolebindings.rbac.authorization.k8s.io", &[]),
        ("users", &[]),
    ] {
        assert_eq!(asked.verbs(resource, "", "").await, verbs, "{resource} in the whole cluster");
    }
    assert_eq!(asked.verbs("clusteraccesses.argocd-access.dev", &other, "").await, reads, "a stray one is seen");
    assert_eq!(asked.verbs("clusteraccesses.argocd-access.dev/status", &other, "").await, ["patch"], "and told");
}

/// What the server answers: `Ok`, or the code of its refusal.
fn code<T>(answer: kube::Result<T>) -> Result<(), u16> {
    match answer {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) => Err(status.code),
        Err(error) => panic!("ask the API server: {error}"),
    }
}

/// Applies a Secret, as the operator does.
async fn apply(client: &Client, namespace: &str, name: &str) -> Result<(), u16> {
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "data": {"probe": "eA=="}});
    code(api(client, namespace, "v1", "Secret").patch(name, &PatchParams::apply("argocd-access"), &Patch::Apply(secret)).await)
}

#[tokio::test]
async fn the_process_makes_and_deletes_its_own_secret_by_name_and_keeps_what_it_takes_over() {
    let bench = ControlPlane::shared(Kubernetes::V1_36).await;
    let namespace = bench.instance("cla").await;
    install(bench, &namespace, &CLUSTERS).await;
    let account = format!("{RELEASE}-clusters");
    Asked::about(bench, &namespace, &account).await;
    let client = bench.client_for_service_account(&namespace, &account).await;
    let secrets = api(&client, &namespace, "v1", "Secret");

    for name in ["argocd-access-cluster-a", "argocd-access-cluster-a"] {
        assert_eq!(apply(&client, &namespace, name).await, Ok(()), "made, and changed");
    }
    assert_eq!(code(secrets.delete("argocd-access-cluster-a", &DeleteParams::default()).await), Ok(()));
    assert_eq!(apply(&client, &namespace, "argocd-access-cluster-c").await, Err(403), "not listed");
    assert_eq!(apply(&client, &namespace, "argocd-secret").await, Err(403), "a patch would show what is in it");

    assert_eq!(apply(&client, &namespace, "old").await, Err(403), "what is to be taken over is not made");
    assert_eq!(apply(&bench.client(), &namespace, "old").await, Ok(()));
    assert_eq!(apply(&client, &namespace, "old").await, Ok(()));
    assert_eq!(code(secrets.delete("old", &DeleteParams::default()).await), Err(403));
    assert_eq!(apply(&client, &namespace, "argocd-access-manager-a").await, Err(403), "the bootstrap makes it");

    assert_eq!(code(secrets.get("argocd-secret").await), Err(403));
    assert_eq!(code(secrets.list(&ListParams::default()).await), Err(403));
    assert_eq!(code(secrets.list(&ListParams::default().fields("metadata.name=argocd-access-cluster-a")).await), Err(403), "not even by name");
    assert_eq!(code(secrets.delete_collection(&DeleteParams::default(), &ListParams::default()).await), Err(403));
}

#[tokio::test]
async fn restoring_may_stop_the_process_that_serves_clusters_and_not_the_other() {
    let bench = ControlPlane::shared(Kubernetes::V1_36).await;
    let namespace = bench.instance("cla").await;
    install(bench, &namespace, &CLUSTERS).await;
    let account = format!("{RELEASE}-clusters");
    let asked = Asked::about(bench, &namespace, &account).await;
    for name in [RELEASE, "argocd-server"] {
        assert_eq!(asked.verbs("deployments.apps/scale", &namespace, name).await, [""; 0], "{name}");
    }
    let deployments = api(&bench.client_for_service_account(&namespace, &account).await, &namespace, "apps/v1", "Deployment");
    let none = Patch::Merge(json!({"spec": {"replicas": 0}}));
    assert_eq!(code(deployments.patch_scale(RELEASE, &PatchParams::default(), &none).await), Err(403));
    assert_eq!(code(deployments.patch_scale(&account, &PatchParams::default(), &none).await), Ok(()));
}
