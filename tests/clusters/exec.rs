//! A terminal's right is in the remote cluster exactly where and as long as an ExecAccess in effect needs it.

use std::collections::BTreeSet;
use std::time::Duration;

use argocd_access::api::ExecAccess;
use jiff::Timestamp;
use k8s_openapi::api::authorization::v1::{ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec};
use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::api::rbac::v1::{ClusterRoleBinding, RoleBinding};
use kube::Api;
use kube::api::{DeleteParams, ListParams, ObjectMeta, Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use crate::bench::{Bench, SOON, becomes};
use crate::support::{eventually, eventually::that};

/// So long a withdrawal may take: the operator's round, and this machine.
const SECONDS: Duration = Duration::from_secs(10);
const EXEC: &str = "argocd-access-exec";

impl Bench {
    fn terminals(&self) -> Api<ExecAccess> {
        Api::namespaced(self.hub.client(), &self.namespace)
    }

    /// Applies an ExecAccess for the Applications web-* of the project shop; `more` is put into its spec.
    async fn terminal(&self, name: &str, more: &Value) {
        let mut spec = json!({"subjects": [{"kind": "Group", "name": "g"}], "applications": [{"project": "shop", "name": "web-*"}]});
        spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let object = json!({"apiVersion": "argocd-access.dev/v1alpha1", "kind": "ExecAccess", "metadata": {"name": name, "namespace": self.namespace}, "spec": spec});
        self.terminals().patch(name, &PatchParams::apply("test").force(), &Patch::Apply(&object)).await.unwrap();
    }

    /// The namespaces of the remote cluster in which a terminal's right is bound.
    async fn bound(&self) -> BTreeSet<String> {
        let named = ListParams::default().fields(&format!("metadata.name={EXEC}"));
        let all = Api::<RoleBinding>::all(self.remote.client()).list(&named).await.unwrap();
        let wide = Api::<ClusterRoleBinding>::all(self.remote.client()).get_opt(EXEC).await.unwrap();
        assert!(wide.is_none(), "never in the whole cluster");
        all.into_iter().filter_map(|binding| binding.metadata.namespace).collect()
    }

    /// Waits until it is bound in these and in no other.
    #[track_caller]
    fn is_bound(&self, what: &str, limit: Duration, namespaces: &[&String]) -> impl Future<Output = ()> {
        becomes(what, limit, set(namespaces), async || self.bound().await)
    }

    /// Whether the token that Argo CD has may open a terminal there, as the remote cluster says it to the token.
    async fn opens(&self, namespace: &str) -> bool {
        let client = self.argocd().await;
        let mut all = Vec::new();
        for verb in ["create", "get"] {
            let attributes = ResourceAttributes {
                namespace: Some(namespace.to_owned()),
                verb: Some(verb.to_owned()),
                resource: Some("pods".to_owned()),
                subresource: Some("exec".to_owned()),
                ..ResourceAttributes::default()
            };
            let spec = SelfSubjectAccessReviewSpec { resource_attributes: Some(attributes), ..SelfSubjectAccessReviewSpec::default() };
            let question = SelfSubjectAccessReview { spec, ..SelfSubjectAccessReview::default() };
            let answer = Api::<SelfSubjectAccessReview>::all(client.clone()).create(&PostParams::default(), &question).await.unwrap();
            all.push(answer.status.unwrap().allowed);
        }
        assert_eq!(all[0], all[1], "whichever of the two opens a terminal in that version of Kubernetes");
        all[0]
    }

    /// Waits until the token may open a terminal there, or may not any more.
    async fn comes_to_open(&self, namespace: &str, opens: bool) {
        becomes("the token may open a terminal", SECONDS, opens, async || self.opens(namespace).await).await;
    }
}

fn set(namespaces: &[&String]) -> BTreeSet<String> {
    namespaces.iter().map(|name| (*name).clone()).collect()
}

/// With two namespaces declared, and a third that is not.
async fn three(exec: &str) -> (Bench, String, String, Value) {
    let bench = Bench::bare("clusterAccess: {enabled: true, clusters: [prod]}").await;
    let (second, beyond) = tokio::join!(bench.remote.namespace("second"), bench.remote.namespace("beyond"));
    let mut spec = bench.spec();
    spec["permissions"] = json!({"namespaces": {"names": [bench.shop, second]}, "exec": exec});
    bench.bootstrap(&spec).await;
    bench.declare(&spec).await;
    bench.ready().await;
    (bench, second, beyond, spec)
}

#[tokio::test]
async fn a_terminal_is_bound_where_an_exec_access_in_effect_needs_it_and_nowhere_else() {
    let (bench, second, beyond, _) = three("Auto").await;
    let shop = bench.shop.clone();
    bench.application("web-1", &json!({"name": "prod", "namespace": shop})).await;
    bench.application("web-9", &json!({"name": "prod", "namespace": beyond})).await;
    bench.application("other-1", &json!({"name": "prod", "namespace": second})).await;
    assert_eq!(bench.bound().await, set(&[]), "without an ExecAccess there is none");
    assert!(!bench.opens(&shop).await);

    bench.terminal("team-a", &json!({})).await;
    bench.is_bound("the Application names the cluster", SOON, &[&shop]).await;
    bench.comes_to_open(&shop, true).await;
    // It was ready before as well: what it says of terminals comes a moment later.
    eventually("the status says where one opens, and because of whom", SOON, async || {
        let status = bench.ready().await;
        let said: Vec<_> = status.namespaces.iter().map(|n| (n.name == shop, n.exec, n.because.clone())).collect();
        let of_terminals = said.iter().filter(|(_, exec, because)| exec.is_some() || !because.is_empty()).count();
        that(of_terminals == 1 && said.contains(&(true, Some(true), vec!["team-a".to_owned()])), || format!("{said:?}"))
    })
    .await;
    assert_eq!((bench.opens(&second).await, bench.opens(&beyond).await, bench.opens("default").await), (false, false, false));

    bench.application("web-2", &json!({"server": bench.remote.server, "namespace": second})).await;
    bench.is_bound("another names its server", SOON, &[&shop, &second]).await;
    bench.application("web-1", &json!({"name": "prod", "namespace": beyond})).await;
    bench.is_bound("one that moves takes the right along, and not beyond what is declared", SOON, &[&second]).await;
    bench.application("web-2", &json!({"server": "https://kubernetes.default.svc", "namespace": second})).await;
    bench.is_bound("in the hub's own cluster a namespace of the same name is another", SOON, &[]).await;
    bench.comes_to_open(&second, false).await;
    bench.ready().await;
}

#[tokio::test]
async fn what_ends_an_exec_access_ends_its_terminals_in_the_remote_cluster_within_seconds() {
    let (bench, _, _, _) = three("Auto").await;
    let shop = bench.shop.clone();
    bench.application("web-1", &json!({"name": "prod", "namespace": shop})).await;
    bench.terminal("team-a", &json!({})).await;
    bench.is_bound("in effect", SOON, &[&shop]).await;
    bench.terminal("team-a", &json!({"suspend": true})).await;
    bench.is_bound("suspended", SECONDS, &[]).await;
    bench.comes_to_open(&shop, false).await;

    let end = Timestamp::from_second(Timestamp::now().as_second() + 12).unwrap();
    bench.terminal("team-a", &json!({"validity": {"notAfter": end.to_string()}})).await;
    bench.is_bound("in effect until then", SECONDS, &[&shop]).await;
    assert!(Timestamp::now() < end, "this machine is too slow to see it");
    let left = Duration::try_from(end.duration_since(Timestamp::now())).unwrap();
    bench.is_bound("over, by time alone", left + SECONDS, &[]).await;
    assert!(Timestamp::now() >= end);
    bench.comes_to_open(&shop, false).await;

    let start = Timestamp::from_second(Timestamp::now().as_second() + 5).unwrap();
    bench.terminal("team-a", &json!({"validity": {"notBefore": start.to_string()}})).await;
    bench.is_bound("begun, by time alone", SOON, &[&shop]).await;
    assert!(Timestamp::now() >= start);
    bench.terminals().delete("team-a", &DeleteParams::default()).await.unwrap();
    bench.is_bound("deleted", SECONDS, &[]).await;
    bench.comes_to_open(&shop, false).await;

    bench.terminal("team-a", &json!({})).await;
    bench.is_bound("again", SOON, &[&shop]).await;
    let stop = json!({"metadata": {"annotations": {"argocd-access.dev/stop": "INC-1"}}});
    let config_maps = Api::<k8s_openapi::api::core::v1::ConfigMap>::namespaced(bench.hub.client(), &bench.namespace);
    config_maps.patch("argocd-cm", &PatchParams::default(), &Patch::Merge(&stop)).await.unwrap();
    bench.is_bound("everything is stopped", SECONDS, &[]).await;
    bench.comes_to_open(&shop, false).await;
}

#[tokio::test]
async fn an_exec_access_that_only_observes_or_is_refused_or_reaches_a_denied_namespace_binds_nothing() {
    let bench =
        Bench::bare("{clusterAccess: {enabled: true, clusters: [prod]}, instance: {limits: {deniedNamespaces: [payments], requireReason: true}}}");
    let bench = bench.await;
    let payments = Namespace { metadata: ObjectMeta { name: Some("payments".to_owned()), ..ObjectMeta::default() }, ..Namespace::default() };
    Api::<Namespace>::all(bench.remote.client()).create(&PostParams::default(), &payments).await.unwrap();
    let mut spec = bench.spec();
    spec["permissions"]["namespaces"]["names"] = json!([bench.shop, "payments"]);
    spec["reason"] = json!("INC-2");
    bench.bootstrap(&spec).await;
    bench.declare(&spec).await;
    bench.ready().await;
    let shop = bench.shop.clone();
    bench.application("web-1", &json!({"name": "prod", "namespace": shop})).await;
    bench.application("web-2", &json!({"name": "prod", "namespace": "payments"})).await;
    bench.terminal("observing", &json!({"mode": "Observe", "reason": "INC-2"})).await;
    bench.terminal("refused", &json!({"roleName": "elsewhere"})).await;
    bench.terminal("later", &json!({"roleName": "later", "reason": "INC-2", "validity": {"notBefore": "2100-01-01T00:00:00Z"}})).await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(bench.bound().await, set(&[]), "none is in effect");
    bench.terminal("real", &json!({"roleName": "real", "reason": "INC-2"})).await;
    bench.is_bound("where the platform admin allows a terminal", SOON, &[&shop]).await;
    bench.ready().await;
    assert_eq!(bench.bound().await, set(&[&shop]), "and there alone");
    assert!(!bench.opens("payments").await);
}

#[tokio::test]
async fn with_exec_never_no_terminal_is_bound_and_a_change_to_it_takes_those_that_are() {
    let (bench, second, _, mut spec) = three("Auto").await;
    let shop = bench.shop.clone();
    bench.application("web-1", &json!({"name": "prod", "namespace": shop})).await;
    bench.application("web-2", &json!({"name": "prod", "namespace": second})).await;
    bench.terminal("team-a", &json!({})).await;
    bench.is_bound("both", SOON, &[&shop, &second]).await;
    spec["permissions"]["exec"] = json!("Never");
    bench.declare(&spec).await;
    bench.is_bound("none any more", SECONDS, &[]).await;
    bench.comes_to_open(&shop, false).await;
    // The role for it is still there: more than is declared, until the bootstrap is made anew.
    bench.condition("RemoteRBACApplied", "False", "RoleOutdated").await;
    bench.bootstrap_rights(&spec).await;
    bench.ready().await;
    bench.application("web-3", &json!({"name": "prod", "namespace": shop})).await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(bench.bound().await, set(&[]), "never");
}

#[tokio::test]
async fn with_scope_cluster_a_terminal_is_bound_in_its_namespace_and_never_in_a_protected_one() {
    let bench = Bench::bare("clusterAccess: {enabled: true, clusters: [prod]}").await;
    let mut spec = bench.spec();
    spec["permissions"] = json!({"scope": "Cluster"});
    bench.bootstrap(&spec).await;
    bench.declare(&spec).await;
    bench.ready().await;
    let shop = bench.shop.clone();
    for (name, namespace) in [("web-1", shop.as_str()), ("web-2", "kube-system"), ("web-3", "argocd-access"), ("web-4", "not-there")] {
        bench.application(name, &json!({"name": "prod", "namespace": namespace})).await;
    }
    bench.terminal("team-a", &json!({})).await;
    bench.is_bound("in the one namespace", SOON, &[&shop]).await;
    bench.comes_to_open(&shop, true).await;
    bench.ready().await;
    assert_eq!(bench.bound().await, set(&[&shop]), "and there alone");
    assert_eq!((bench.opens("kube-system").await, bench.opens("default").await), (false, false));
}
