//! A cluster Secret that was there before is taken over, and given back as it was.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Secret, ServiceAccount};
use kube::Api;
use kube::api::{DeleteParams, ObjectMeta, Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use crate::bench::{Bench, SOON, becomes, config, token, value};
use crate::support::{eventually, eventually::that, managers, snapshot};

const OLD: &str = "old";
const BEFORE: &str = "argocd-access.before";
const TYPE: &str = "argocd.argoproj.io/secret-type";

impl Bench {
    async fn adopting() -> Self {
        let bench = Self::bare("clusterAccess: {enabled: true, clusters: [{name: prod, adoptSecret: old}]}").await;
        bench.bootstrap(&bench.adopts(&json!({}))).await;
        bench
    }

    /// A declaration that adopts the Secret, with these labels.
    fn adopts(&self, labels: &Value) -> Value {
        let mut spec = self.spec();
        spec["adoptSecret"] = json!(OLD);
        if labels.as_object().is_some_and(|labels| !labels.is_empty()) {
            spec["labels"] = labels.clone();
        }
        spec
    }

    fn secrets(&self) -> Api<Secret> {
        Api::namespaced(self.hub.client(), &self.namespace)
    }

    async fn old(&self) -> Secret {
        self.secret(OLD).await.expect("the Secret is there")
    }

    /// The Secret as a person made it: with a token of their own, for this server.
    async fn made_by_hand(&self, server: &str) {
        let config = json!({"bearerToken": self.token_of_theirs().await, "tlsClientConfig": {"insecure": true}}).to_string();
        let literals = [
            "--from-literal=name=production".to_owned(),
            format!("--from-literal=server={server}"),
            format!("--from-literal=config={config}"),
            "--from-literal=shard=1".to_owned(),
            "--from-literal=project=shop".to_owned(),
            "--from-literal=clusterResources=true".to_owned(),
            "--from-literal=notes=ask the platform team".to_owned(),
        ];
        let mut create = vec!["create", "secret", "generic", OLD, "--namespace", &self.namespace];
        create.extend(literals.iter().map(String::as_str));
        self.hub.kubectl(&create).await.success();
        let label = format!("{TYPE}=cluster");
        self.hub.kubectl(&["label", "secret", OLD, "--namespace", &self.namespace, &label, "env=staging", "team=shop"]).await.success();
        self.hub.kubectl(&["annotate", "secret", OLD, "--namespace", &self.namespace, "note=by hand"]).await.success();
    }

    /// A token of a ServiceAccount of somebody else's in the remote cluster.
    async fn token_of_theirs(&self) -> String {
        let account =
            ServiceAccount { metadata: ObjectMeta { name: Some("theirs".to_owned()), ..ObjectMeta::default() }, ..ServiceAccount::default() };
        let accounts = Api::<ServiceAccount>::namespaced(self.remote.client(), "default");
        // Made once for each test.
        let _exists = accounts.create(&PostParams::default(), &account).await;
        self.remote.token("default", "theirs").await
    }

    async fn change_old(&self, patch: &Value) {
        self.secrets()
            .patch(OLD, &PatchParams { field_manager: Some("argocd-server".to_owned()), ..PatchParams::default() }, &Patch::Merge(patch))
            .await
            .unwrap();
    }

    /// Waits until the Secret has these labels beside ours and Argo CD's.
    async fn has_labels(&self, what: &str, labels: &[(&str, &str)]) {
        let expected: BTreeMap<String, String> = labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let look = async || {
            let labels = self.old().await.metadata.labels.unwrap_or_default();
            labels.into_iter().filter(|(key, _)| key != TYPE && key != "argocd-access.dev/owner").collect::<BTreeMap<_, _>>()
        };
        becomes(what, SOON, expected, look).await;
    }
}

#[tokio::test]
async fn a_secret_that_is_adopted_follows_the_declaration_and_is_given_back_to_the_byte() {
    let bench = Bench::adopting().await;
    bench.made_by_hand(&bench.remote.server).await;
    let before = bench.old().await;
    let theirs = token(&before);
    bench.declare(&bench.adopts(&json!({"env": "prod", "tier": "gold"}))).await;
    bench.ready().await;
    bench.condition("SecretApplied", "True", "Adopted").await;

    let adopted = bench.old().await;
    assert_eq!(adopted.metadata.uid, before.metadata.uid, "it is the same Secret");
    assert_eq!((value(&adopted, "name"), value(&adopted, "namespaces")), (Some("prod".to_owned()), Some(bench.shop.clone())));
    assert_eq!((value(&adopted, "shard"), value(&adopted, "project"), value(&adopted, "clusterResources")), (None, None, None));
    assert_eq!(value(&adopted, "notes").as_deref(), Some("ask the platform team"));
    assert_eq!(config(&adopted)["tlsClientConfig"]["insecure"], false);
    assert_ne!(token(&adopted), theirs);
    // Argo CD shows annotations to everybody who may see clusters, and never this key.
    assert!(value(&adopted, BEFORE).is_some());
    let annotations = serde_json::to_string(&adopted.metadata.annotations).unwrap();
    assert!(!annotations.contains(&theirs) && !annotations.contains(&token(&adopted)), "{annotations}");
    bench.has_labels("the labels are the declared ones and theirs", &[("env", "prod"), ("team", "shop"), ("tier", "gold")]).await;

    bench.declare(&bench.adopts(&json!({"tier": "silver", "region": "eu"}))).await;
    let labels = [("env", "staging"), ("region", "eu"), ("team", "shop"), ("tier", "silver")];
    bench.has_labels("one that is not declared any more has its former value", &labels).await;
    let first = token(&bench.old().await);
    bench.annotate("argocd-access.dev/rotate-after", Some(&jiff::Timestamp::now().to_string())).await;
    eventually("the credential is replaced in it", SOON, || async { that(token(&bench.old().await) != first, || bench.log()) }).await;
    bench.condition("CredentialReady", "True", "Rotating").await;
    bench.declare(&bench.adopts(&json!({}))).await;
    bench.has_labels("none is declared", &[("env", "staging"), ("team", "shop")]).await;
    bench.ready().await;

    // It does not matter that Argo CD uses it: it has a credential again.
    bench.application("web-1", &json!({"name": "prod", "namespace": bench.shop})).await;
    bench.delete().await;
    bench.gone().await;
    let after = bench.old().await;
    assert_eq!(snapshot(&after), snapshot(&before));
    assert_eq!(managers(&after).into_iter().filter(|manager| manager.starts_with("argocd-access")).count(), 0, "{:?}", managers(&after));
    assert_eq!(bench.there().await, Vec::<String>::new());
}

#[tokio::test]
async fn where_somebody_drops_the_memory_of_it_that_is_said_and_in_the_end_the_secret_is_left() {
    let bench = Bench::adopting().await;
    bench.made_by_hand(&bench.remote.server).await;
    bench.declare(&bench.adopts(&json!({"tier": "gold"}))).await;
    bench.ready().await;
    // As an edit of the cluster by Argo CD's API does: it writes the keys that it knows.
    bench.change_old(&json!({"data": {BEFORE: null, "notes": null}})).await;
    bench.condition("SecretApplied", "False", "BeforeImageLost").await;
    let status = bench.condition("Ready", "False", "BeforeImageLost").await;
    let said = status.conditions.iter().find(|c| c.type_ == "SecretApplied").unwrap();
    assert!(said.message.contains(BEFORE), "{}", said.message);
    assert_eq!(status.conditions.iter().find(|c| c.type_ == "PermissionsProven").unwrap().status, "True", "the rest goes on");
    let lost = bench.old().await;
    bench.delete().await;
    bench.gone().await;
    let after = bench.old().await;
    assert_eq!(after.data, lost.data, "what Argo CD knows of the cluster stays");
    let labels = after.metadata.labels.clone().unwrap();
    assert!(labels.contains_key(TYPE) && !labels.contains_key("argocd-access.dev/owner"), "{labels:?}");
    assert!(after.metadata.annotations.clone().unwrap_or_default().keys().all(|key| !key.starts_with("argocd-access.dev")));
    assert_eq!(managers(&after).into_iter().filter(|manager| manager.starts_with("argocd-access")).count(), 0, "{:?}", managers(&after));
    assert_eq!(bench.there().await, Vec::<String>::new());
}

#[tokio::test]
async fn a_memory_that_somebody_forged_brings_nothing_into_the_secret() {
    let bench = Bench::adopting().await;
    bench.made_by_hand(&bench.remote.server).await;
    bench.declare(&bench.adopts(&json!({}))).await;
    bench.ready().await;
    let forged = json!({"uid": "another", "data": {"server": "aHR0cHM6Ly9ldmlsLmludmFsaWQ="}, "labels": {}, "annotations": {}}).to_string();
    bench.change_old(&json!({"stringData": {BEFORE: forged}})).await;
    bench.condition("SecretApplied", "False", "BeforeImageLost").await;
    bench.delete().await;
    bench.gone().await;
    let after = bench.old().await;
    assert_eq!((value(&after, "server"), value(&after, BEFORE)), (Some(bench.remote.server.clone()), None));
}

#[tokio::test]
async fn a_secret_that_is_not_this_clusters_is_left_alone() {
    let bench = Bench::adopting().await;
    let spec = bench.adopts(&json!({"tier": "gold"}));
    let refused = async |message: &str| {
        bench.declare(&spec).await;
        let status = bench.condition("SecretApplied", "False", "ForeignSecret").await;
        let said = status.conditions.iter().find(|c| c.type_ == "SecretApplied").unwrap();
        assert!(said.message.contains(message) && said.message.contains("left alone"), "{}", said.message);
        bench.delete().await;
        bench.gone().await;
        assert_eq!(bench.there().await, Vec::<String>::new());
    };
    refused("does not exist").await;
    assert!(bench.secret(OLD).await.is_none(), "it is not made");

    bench.made_by_hand("https://10.9.8.7:6443").await;
    let made = bench.old().await;
    refused("for the server").await;
    assert_eq!(bench.old().await, made);
    for (message, metadata) in [
        ("another ClusterAccess", json!({"labels": {"argocd-access.dev/owner": "d4f2a6d4-0000-4000-8000-000000000000"}})),
        ("argocd-agent", json!({"labels": {"argocd-agent.argoproj-labs.io/agent-name": "edge"}})),
        ("no cluster Secret", json!({"labels": {TYPE: null}})),
    ] {
        bench.secrets().delete(OLD, &DeleteParams::default()).await.unwrap();
        bench.made_by_hand(&bench.remote.server).await;
        bench.change_old(&json!({"metadata": metadata})).await;
        let made = bench.old().await;
        refused(message).await;
        assert_eq!(bench.old().await, made, "{message}");
    }
}

#[tokio::test]
async fn one_that_is_not_for_it_any_more_is_not_written_and_one_that_is_again_is() {
    let bench = Bench::adopting().await;
    bench.declare(&bench.adopts(&json!({}))).await;
    bench.condition("SecretApplied", "False", "ForeignSecret").await;
    bench.made_by_hand(&bench.remote.server).await;
    bench.ready().await;
    // A person takes it back by removing the mark.
    bench.change_old(&json!({"metadata": {"labels": {"argocd-access.dev/owner": null}}, "stringData": {"server": "https://10.9.8.7:6443"}})).await;
    bench.condition("SecretApplied", "False", "ForeignSecret").await;
    let left = bench.old().await;
    bench.delete().await;
    bench.gone().await;
    assert_eq!(bench.old().await.data, left.data);
}

#[tokio::test]
async fn a_credential_that_others_keep_is_verified_and_nothing_is_written_anywhere() {
    let bench = Bench::adopting().await;
    bench.made_by_hand(&bench.remote.server).await;
    let ca = std::fs::read(bench.remote.folder().join("ca.crt")).unwrap();
    let config = json!({"bearerToken": bench.token_of_theirs().await, "tlsClientConfig": {"caData": argocd_access::clusters::secret::encoded(&ca)}});
    bench.change_old(&json!({"stringData": {"config": config.to_string()}})).await;
    let made = bench.old().await;
    let mut spec = bench.adopts(&json!({}));
    spec["credentials"] = json!({"type": "Existing"});
    spec["remote"] = json!({"authority": "None"});
    let since = bench.remote.audit_mark().await;
    bench.declare(&spec).await;
    let status = bench.condition("PermissionsProven", "False", "Missing").await;
    let said = |kind: &str| status.conditions.iter().find(|c| c.type_ == kind).map(|c| c.reason.clone()).unwrap();
    assert_eq!((said("CredentialReady"), said("RemoteRBACApplied"), said("Confined")), ("External".into(), "External".into(), "OnlyDeclared".into()));
    assert!(status.missing.iter().any(|right| right.resource == "deployments" && right.verb == "create"), "{:#?}", status.missing);

    let admin = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": "theirs"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": [{"kind": "ServiceAccount", "name": "theirs", "namespace": "default"}],
    });
    crate::support::manifests::apply_one(&bench.remote.client(), "", &serde_json::from_value(admin).unwrap(), "test").await;
    let status = bench.condition("Confined", "False", "HoldsWildcard").await;
    assert!(status.excess.iter().any(|right| right.by.contains("ClusterRoleBinding \"theirs\"")), "{:#?}", status.excess);
    assert_eq!(bench.old().await, made);
    bench.delete().await;
    bench.gone().await;
    assert_eq!(bench.old().await, made);
    assert_eq!(bench.remote.audit_writes(since, "system:serviceaccount:").await.iter().filter(|w| w.user.contains("argocd-access")).count(), 0);
}
