//! What is wrong is told by its name, and nothing is given to anybody meanwhile.

use std::time::Duration;

use argocd_access::api::ClusterAccessStatus;
use k8s_openapi::api::core::v1::{Namespace, Secret};
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding};
use kube::Api;
use kube::api::{DeleteParams, ObjectMeta, Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use crate::bench::{Bench, CLUSTER, token};
use crate::support::audit::Mark;
use crate::support::{eventually, eventually::that, manifests};
use crate::trap::{Shown, Trap};

const MANAGER: &str = "argocd-access-manager-prod";
/// Longer than anything is believed without being looked at again.
const AGAIN: Duration = Duration::from_secs(90);
const ONE: &str = "clusterAccess: {enabled: true, clusters: [prod]}";

fn message(status: &ClusterAccessStatus, kind: &str) -> String {
    status.conditions.iter().find(|c| c.type_ == kind).map(|c| c.message.clone()).unwrap_or_default().to_string()
}

impl Bench {
    /// Changes the Secret with the operator's own credential, as a person does.
    async fn manager(&self, patch: &Value) {
        let secrets = Api::<Secret>::namespaced(self.hub.client(), &self.namespace);
        secrets.patch(MANAGER, &PatchParams::default(), &Patch::Merge(patch)).await.unwrap();
    }

    async fn unreachable(&self, reason: &str) -> String {
        let status = self.condition_within(AGAIN, "RemoteReachable", "False", reason).await;
        message(&status, "RemoteReachable")
    }

    async fn has_nothing(&self) {
        assert_eq!((self.there().await, self.cluster_secret().await), (Vec::new(), None));
    }

    /// How many requests were made in the remote cluster by the operator since then.
    fn asked(&self, since: Mark) -> usize {
        let user = |event: &Value| event["user"]["username"].as_str().unwrap_or_default().to_owned();
        self.remote.audit_events(since).iter().filter(|event| user(event) == "system:serviceaccount:argocd-access:argocd-access-manager").count()
    }

    async fn remote_namespace(&self, name: &str) {
        let namespace = Namespace { metadata: ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() }, ..Namespace::default() };
        Api::<Namespace>::all(self.remote.client()).create(&PostParams::default(), &namespace).await.unwrap();
    }

    /// Applies an object in the remote cluster.
    async fn remote_has(&self, object: &Value) {
        manifests::apply_one(&self.remote.client(), "", &serde_json::from_value(object.clone()).unwrap(), "somebody").await;
    }
}

#[tokio::test]
async fn the_operators_own_credential_goes_only_where_its_secret_says_that_it_is_for() {
    let bench = Bench::bare(ONE).await;
    bench.bootstrap_rights(&bench.spec()).await;
    let target = Trap::to("https://127.0.0.1:1").await;
    let trap = Trap::to(&target.server).await;
    let mut spec = bench.spec();
    spec["server"] = json!(trap.server);
    bench.declare(&spec).await;
    let said = bench.unreachable("ManagerMissing").await;
    assert!(said.contains("argocd-access cluster bootstrap prod -f") && said.contains("--credential"), "{said}");

    // The Secret is for the real cluster, and the object has its credential sent to a host of its own choice.
    bench.bootstrap_credential(&bench.spec()).await;
    let waits_for = async |fragment: &str| {
        eventually(fragment, AGAIN, || async {
            let said = message(&bench.status().await, "RemoteReachable");
            that(said.contains(fragment), || said)
        })
        .await;
    };
    waits_for(&format!("is for the server {:?}", bench.remote.server)).await;
    let labelled = |value: Value| json!({"metadata": {"labels": {"argocd-access.dev/cluster": value}}});
    bench.manager(&labelled(json!("another"))).await;
    waits_for("has not the label argocd-access.dev/cluster: prod").await;
    bench.manager(&labelled(json!("prod"))).await;
    waits_for("is for the server").await;
    assert_eq!(bench.condition("RemoteReachable", "False", "ManagerMissing").await.credential.unwrap_or_default().issued_at, None);
    assert_eq!(trap.shown(), Shown::default(), "not even a connection");

    // Whoever may write the Secret sends it there; TLS has to be that of the authority in it all the same.
    bench.manager(&json!({"stringData": {"server": trap.server}})).await;
    bench.unreachable("TLSFailed").await;
    assert!(trap.shown().connections > 0);
    assert_eq!(trap.shown().requests, 0, "without its authority no request is sent");

    bench.manager(&json!({"stringData": {"ca.crt": trap.authority}})).await;
    let said = bench.unreachable("ConnectionFailed").await;
    assert!(said.contains("redirect"), "{said}");
    assert!(trap.shown().credentials > 0, "the bench shows what it is shown");
    assert_eq!(target.shown(), Shown::default(), "a redirect is not followed");
    bench.has_nothing().await;
    bench.delete().await;
    bench.gone().await;
}

#[tokio::test]
async fn another_cluster_behind_the_address_gets_no_credential_and_what_argo_cd_has_stays() {
    let bench = Bench::new().await;
    let uid = Api::<Namespace>::all(bench.remote.client()).get("kube-system").await.unwrap().metadata.uid.unwrap();
    let other = json!({"stringData": {"clusterUID": "9a8b7c6d-0000-4000-8000-000000000000"}});
    bench.manager(&other).await;
    let since = bench.remote.audit_mark().await;
    bench.declare(&bench.spec()).await;
    let said = bench.unreachable("WrongCluster").await;
    assert!(said.contains(&uid) && said.contains("9a8b7c6d"), "{said}");
    bench.has_nothing().await;
    let tokens = bench.remote.audit_events(since).iter().filter(|event| event["objectRef"]["subresource"] == "token").count();
    assert_eq!(tokens, 0, "no credential was made");
    assert!(bench.asked(since) > 0);

    let right = json!({"stringData": {"clusterUID": uid}});
    bench.manager(&right).await;
    eventually("everything is in place", AGAIN, || async { that(!bench.there().await.is_empty(), || bench.log()) }).await;
    bench.ready().await;
    let secret = bench.cluster_secret().await;
    bench.manager(&other).await;
    let status = bench.condition_within(AGAIN, "Ready", "False", "WrongCluster").await;
    assert_eq!(status.conditions.iter().find(|c| c.type_ == "PermissionsProven").unwrap().status, "Unknown");
    assert_eq!(bench.cluster_secret().await, secret, "what Argo CD has is left alone");
}

#[tokio::test]
async fn a_credential_of_the_operator_that_is_refused_is_told_with_the_command_that_mends_it() {
    let bench = Bench::new().await;
    bench.declare(&bench.spec()).await;
    bench.ready().await;
    let secret = bench.cluster_secret().await.unwrap();
    let bindings = Api::<ClusterRoleBinding>::all(bench.remote.client());
    bindings.delete("argocd-access-manager", &DeleteParams::default()).await.unwrap();
    let said = bench.unreachable("ManagerUnauthorized").await;
    assert!(said.contains("apply it again: argocd-access cluster bootstrap prod") && !said.contains("--credential"), "{said}");
    bench.bootstrap_rights(&bench.spec()).await;
    bench.condition_within(AGAIN, "Ready", "True", "Ready").await;

    let anchors = Api::<Secret>::namespaced(bench.remote.client(), "argocd-access");
    anchors.delete("argocd-access-manager-a", &DeleteParams::default()).await.unwrap();
    let said = bench.unreachable("ManagerUnauthorized").await;
    assert!(said.contains("make a new one with: argocd-access cluster bootstrap prod") && said.contains("--credential"), "{said}");
    assert_eq!(bench.cluster_secret().await.unwrap().data, secret.data, "Argo CD's own is another");
    bench.bootstrap_credential(&bench.spec()).await;
    bench.condition_within(AGAIN, "Ready", "True", "Ready").await;
    assert_eq!(token(&bench.cluster_secret().await.unwrap()), token(&secret), "and it stays");
}

#[tokio::test]
async fn a_bootstrap_that_is_not_there_or_does_not_know_a_kind_is_told() {
    let bench = Bench::new().await;
    let roles = Api::<ClusterRole>::all(bench.remote.client());
    roles.delete("argocd-access-logs", &DeleteParams::default()).await.unwrap();
    bench.declare(&bench.spec()).await;
    let status = bench.condition("RemoteRBACApplied", "False", "NotBootstrapped").await;
    let said = message(&status, "RemoteRBACApplied");
    assert!(said.contains("no ClusterRole argocd-access-logs; make it with: argocd-access cluster bootstrap prod"), "{said}");
    bench.bootstrap_rights(&bench.spec()).await;
    bench.condition_within(AGAIN, "Ready", "True", "Ready").await;

    let schema = json!({"type": "object", "properties": {"size": {"type": "integer"}}});
    let definition = manifests::definition("example.com/v1", "Widget", "widgets", &schema);
    manifests::apply_definitions(&bench.remote.client(), &[definition]).await;
    // Which kinds there are is looked at every few minutes, and at each start.
    bench.release.kubelet.kill_operator();
    let status = bench.condition_within(AGAIN, "RemoteRBACApplied", "False", "RoleOutdated").await;
    let said = message(&status, "RemoteRBACApplied");
    assert!(said.contains("widgets.example.com") && said.contains("argocd-access cluster bootstrap prod"), "{said}");
    assert!(!bench.there().await.is_empty(), "what is there goes on");
    bench.bootstrap_rights(&bench.spec()).await;
    bench.condition_within(AGAIN, "Ready", "True", "Ready").await;

    // A role that holds more than is declared.
    let rules = json!({"rules": [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["get", "list"]}]});
    roles.patch("argocd-access-logs", &PatchParams::default(), &Patch::Merge(&rules)).await.unwrap();
    let status = bench.condition_within(AGAIN, "Confined", "False", "HoldsSecrets").await;
    assert!(status.excess.iter().any(|right| right.resource == "secrets" && right.by.contains("argocd-access-logs")), "{:#?}", status.excess);
    let said = message(&status, "RemoteRBACApplied");
    assert!(said.contains("more than is declared") || said.contains("lack"), "{said}");
}

#[tokio::test]
async fn a_namespace_that_is_missing_or_in_which_somebody_else_has_our_binding_is_told_and_the_others_go_on() {
    let bench = Bench::bare(ONE).await;
    let mut spec = bench.spec();
    spec["permissions"]["namespaces"]["names"] = json!([bench.shop, "later"]);
    bench.bootstrap(&spec).await;
    bench.declare(&spec).await;
    let status = bench.condition("RemoteRBACApplied", "False", "NamespaceMissing").await;
    assert!(message(&status, "RemoteRBACApplied").contains("no namespace later"), "{}", message(&status, "RemoteRBACApplied"));
    eventually("the other one is served", AGAIN, || async {
        let secret = bench.cluster_secret().await.ok_or("no Secret")?;
        that(crate::bench::value(&secret, "namespaces").as_ref() == Some(&bench.shop), || format!("{secret:?}"))?;
        Ok::<_, String>(())
    })
    .await;

    bench.remote_namespace("later").await;
    bench
        .remote_has(&json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": {"name": "argocd-access-sync", "namespace": "later"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"},
            "subjects": [{"kind": "User", "name": "somebody"}],
        }))
        .await;
    let status = bench.condition_within(AGAIN, "RemoteRBACApplied", "False", "ForeignObject").await;
    let said = message(&status, "RemoteRBACApplied");
    assert!(said.contains("RoleBinding later/argocd-access-sync of the remote cluster is somebody else's"), "{said}");
    let theirs =
        bench.remote.kubectl(&["get", "rolebinding", "argocd-access-sync", "-n", "later", "-o", "jsonpath={.subjects[0].name}"]).await.success();
    assert_eq!(theirs, "somebody", "it is left alone");
    assert_eq!(crate::bench::value(&bench.cluster_secret().await.unwrap(), "namespaces"), Some(bench.shop.clone()));

    bench.remote.kubectl(&["delete", "rolebinding", "argocd-access-sync", "-n", "later"]).await.success();
    let status = bench.condition_within(AGAIN, "Ready", "True", "Ready").await;
    assert_eq!(status.namespaces.iter().filter(|n| n.in_secret && n.deploy == Some(true)).count(), 2, "{:#?}", status.namespaces);
}

#[tokio::test]
async fn a_cluster_that_is_not_listed_or_declared_twice_or_the_hub_itself_is_refused() {
    let bench = Bench::new().await;
    let since = bench.remote.audit_mark().await;
    let mut spec = bench.spec();
    spec["name"] = json!("elsewhere");
    bench.declare(&spec).await;
    let status = bench.condition("SecretApplied", "False", "NotPermitted").await;
    let said = message(&status, "SecretApplied");
    assert!(said.contains("adds elsewhere to the Helm value clusterAccess.clusters"), "{said}");
    assert_eq!(bench.asked(since), 0, "its credential cannot be read either");
    bench.delete().await;
    bench.gone().await;

    spec["name"] = json!("hub");
    spec["server"] = json!("https://kubernetes.default.svc");
    bench.declare(&spec).await;
    let status = bench.condition("Accepted", "False", "Invalid").await;
    assert!(message(&status, "Accepted").contains("the cluster in which Argo CD runs"), "{}", message(&status, "Accepted"));
    bench.delete().await;
    bench.gone().await;

    // By another address, and with all that it takes: the hub's own authority and a token of it.
    let hub = Api::<Namespace>::all(bench.hub.client()).get("kube-system").await.unwrap().metadata.uid.unwrap();
    let ca = std::fs::read_to_string(bench.hub.folder().join("ca.crt")).unwrap();
    let own = bench.hub.token(&bench.namespace, "argocd-server").await;
    bench.manager(&json!({"stringData": {"server": bench.hub.server, "ca.crt": ca, "token": own, "clusterUID": hub}})).await;
    let mut spec = bench.spec();
    spec["server"] = json!(bench.hub.server);
    bench.declare(&spec).await;
    bench.condition("Accepted", "False", "Invalid").await;
    assert!(bench.cluster_secret().await.is_none());
    bench.delete().await;
    bench.gone().await;

    bench.bootstrap_credential(&bench.spec()).await;
    bench.declare(&bench.spec()).await;
    bench.ready().await;
    let mut second: Value = serde_json::to_value(bench.accesses().get(CLUSTER).await.unwrap()).unwrap();
    second["metadata"] = json!({"name": "second", "namespace": bench.namespace});
    second["spec"]["name"] = json!("second");
    second.as_object_mut().unwrap().remove("status");
    let before = bench.there().await;
    bench.accesses().patch("second", &PatchParams::apply("test").force(), &Patch::Apply(&second)).await.unwrap();
    eventually("the second is told", AGAIN, || async {
        let status = bench.accesses().get("second").await.map_err(|e| e.to_string())?.status.unwrap_or_default();
        let said = status.conditions.iter().find(|c| c.type_ == "Accepted");
        that(said.is_some_and(|c| c.reason == "DuplicateServer" && c.message.contains("prod")), || format!("{status:#?}"))
    })
    .await;
    bench.accesses().delete("second", &DeleteParams::default()).await.unwrap();
    bench.ready().await;
    assert_eq!(bench.there().await, before, "the first is as it was");
}

#[tokio::test]
async fn what_somebody_else_gives_or_takes_is_found_with_the_credential_itself_and_named() {
    let bench = Bench::new().await;
    bench.set("argocd-cm", "resource.respectRBAC", None).await;
    bench.declare(&bench.spec()).await;
    let status = bench.condition("Ready", "False", "RespectRBACUnset").await;
    assert!(message(&status, "CacheCompatible").contains("resource.respectRBAC"), "{}", message(&status, "CacheCompatible"));
    bench.set("argocd-cm", "resource.respectRBAC", Some("normal")).await;
    bench.condition("CacheCompatible", "True", "RespectRBACNormal").await;
    bench.ready().await;

    bench
        .remote_has(&json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": "too-much"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
            "subjects": [{"kind": "ServiceAccount", "name": "argocd-managed", "namespace": "argocd-access"}],
        }))
        .await;
    let status = bench.condition_within(AGAIN, "Confined", "False", "HoldsWildcard").await;
    let by = |right: &argocd_access::api::RemoteRight| right.by.contains("ClusterRoleBinding \"too-much\"") && right.by.contains("cluster-admin");
    assert!(status.excess.iter().any(by), "{:#?}", status.excess);
    assert!(message(&status, "Confined").contains("too-much"), "{}", message(&status, "Confined"));
    bench.remote.kubectl(&["delete", "clusterrolebinding", "too-much"]).await.success();
    bench.condition_within(AGAIN, "Ready", "True", "Ready").await;

    // Somebody takes a right out of the role.
    let rules = json!({"rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list", "watch"]}]});
    let roles = Api::<ClusterRole>::all(bench.remote.client());
    roles.patch("argocd-access-sync", &PatchParams::default(), &Patch::Merge(&rules)).await.unwrap();
    let status = bench.condition_within(AGAIN, "PermissionsProven", "False", "Missing").await;
    assert!(status.missing.iter().any(|right| right.resource == "deployments" && right.verb == "create" && right.namespace == bench.shop));
    bench.bootstrap_rights(&bench.spec()).await;
    bench.condition_within(AGAIN, "Ready", "True", "Ready").await;
}
