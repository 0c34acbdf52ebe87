//! What an object has given is taken back: when it is deleted, when its time is over, when everything is stopped, when the operator goes.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use kube::api::{DeleteParams, DynamicObject, ListParams};
use serde_json::{Value, json};

use crate::bench::{Bench, CLUSTER, SOON, becomes, token};
use crate::support::process::{Finished, run};
use crate::support::{eventually, eventually::that, manifests, reaper};
use crate::way::Way;

const SYNC: &str = "RoleBinding shop/argocd-access-sync";
const LOGS: &str = "RoleBinding shop/argocd-access-logs";
const EXEC: &str = "RoleBinding shop/argocd-access-exec";
const ANCHOR: &str = "Secret argocd-access/argocd-managed-a";
const WHOLE: [&str; 3] = [LOGS, SYNC, ANCHOR];

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

impl Bench {
    /// Waits until this is what there is of ours in the remote cluster.
    #[track_caller]
    fn has_there(&self, what: &str, limit: Duration, objects: &[&str]) -> impl Future<Output = ()> {
        becomes(what, limit, texts(objects), async || self.there().await)
    }

    fn applications(&self) -> Api<DynamicObject> {
        manifests::api(&self.hub.client(), &self.namespace, "argoproj.io/v1alpha1", "Application")
    }

    /// Whether the credential in the cluster Secret may read what is declared: the answer's code.
    async fn reads(&self) -> u16 {
        let client = self.argocd().await;
        match Api::<ConfigMap>::namespaced(client, &self.shop).list(&ListParams::default()).await {
            Ok(_) => 200,
            Err(kube::Error::Api(status)) => status.code,
            Err(error) => panic!("{error}"),
        }
    }

    /// Runs the program with an administrator's rights in the hub.
    async fn laptop(&self, arguments: &[&str]) -> Finished {
        let mut command = reaper::command(env!("CARGO_BIN_EXE_argocd-access"));
        command.env("KUBECONFIG", self.hub.kubeconfig_admin()).args(arguments).args(["--namespace", &self.namespace]);
        run(command).await
    }

    /// Declares what [`Bench::spec`] says, and waits until it is true.
    async fn kept(&self) {
        self.declare(&self.spec()).await;
        self.ready().await;
        assert_eq!(self.there().await, WHOLE);
    }

    /// Nothing of the object is left, in neither cluster.
    async fn is_clean(&self) {
        assert_eq!(self.there().await, Vec::<String>::new());
        assert!(self.cluster_secret().await.is_none());
    }
}

#[tokio::test]
async fn while_applications_go_to_the_cluster_only_its_terminals_are_closed_and_then_everything_goes() {
    let bench = Bench::new().await;
    bench.application("web-1", &json!({"name": "prod", "namespace": bench.shop})).await;
    // Another Argo CD may call another cluster so.
    let elsewhere = bench.hub.namespace("elsewhere").await;
    bench.application_in(&elsewhere, "web-1", &json!({"name": "prod", "namespace": bench.shop})).await;
    let access = json!({
        "apiVersion": "argocd-access.dev/v1alpha1", "kind": "ExecAccess", "metadata": {"name": "team-a", "namespace": bench.namespace},
        "spec": {"subjects": [{"kind": "Group", "name": "g"}], "applications": [{"project": "shop", "name": "web-*"}]},
    });
    manifests::apply_one(&bench.hub.client(), &bench.namespace, &serde_json::from_value(access).unwrap(), "test").await;
    bench.declare(&bench.spec()).await;
    bench.has_there("a terminal is bound, too", SOON, &[EXEC, LOGS, SYNC, ANCHOR]).await;
    bench.ready().await;

    bench.delete().await;
    bench.has_there("the terminal is closed", Duration::from_secs(10), &WHOLE).await;
    let status = bench.condition("SecretApplied", "False", "InUse").await;
    let said = status.conditions.iter().find(|c| c.type_ == "SecretApplied").unwrap();
    assert!(said.message.contains(&format!("{}/web-1;", bench.namespace)), "{}", said.message);
    // Longer than the operator takes between two looks.
    tokio::time::sleep(Duration::from_secs(17)).await;
    assert_eq!((bench.there().await, bench.reads().await), (texts(&WHOLE), 200), "what Argo CD deploys there goes on");

    bench.applications().delete("web-1", &DeleteParams::default()).await.unwrap();
    bench.gone().await;
    bench.is_clean().await;
}

#[tokio::test]
async fn a_suspended_object_that_is_deleted_gets_nothing_back_while_it_waits() {
    let bench = Bench::new().await;
    bench.application("web-1", &json!({"server": bench.remote.server, "namespace": bench.shop})).await;
    bench.kept().await;
    bench.delete().await;
    bench.condition("SecretApplied", "False", "InUse").await;
    assert_eq!(bench.there().await, WHOLE);
    let mut spec = bench.spec();
    spec["suspend"] = json!(true);
    bench.declare(&spec).await;
    bench.has_there("suspended in the midst of its deletion", SOON, &[ANCHOR]).await;
    bench.applications().delete("web-1", &DeleteParams::default()).await.unwrap();
    bench.gone().await;
    bench.is_clean().await;
}

#[tokio::test]
async fn a_remote_cluster_that_does_not_answer_holds_the_object_and_what_is_left_there_is_told() {
    let bench = Bench::bare("clusterAccess: {enabled: true, clusters: [prod]}").await;
    let way = Way::to(&bench.remote.server).await;
    let mut spec = bench.spec();
    spec["server"] = json!(way.server);
    bench.bootstrap_elsewhere(&spec).await;
    bench.declare(&spec).await;
    let expires = bench.ready().await.credential.unwrap().expires_at.unwrap();
    let former = bench.client_with(&token(&bench.cluster_secret().await.unwrap()));

    way.cut();
    bench.delete().await;
    let status = bench.condition("RemoteReachable", "False", "ConnectionFailed").await;
    let mut pending: Vec<String> = status.pending_remote.iter().map(|one| one.replace(&bench.shop, "shop")).collect();
    pending.sort();
    assert_eq!(pending, WHOLE.map(|one| format!("{one} of the remote cluster")));
    assert_eq!(status.credential.unwrap().expires_at, Some(expires), "until then what Argo CD had is valid");
    assert!(bench.cluster_secret().await.is_none(), "in the hub nothing is left");
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert!(bench.accesses().get_opt(CLUSTER).await.unwrap().is_some(), "the finalizer stays");
    Api::<ConfigMap>::namespaced(former.clone(), &bench.shop).list(&ListParams::default()).await.unwrap();

    way.open();
    eventually("the object is gone when the cluster is back", Duration::from_secs(75), || async {
        let left = bench.accesses().get_opt(CLUSTER).await.map_err(|e| e.to_string())?;
        that(left.is_none(), || bench.log())
    })
    .await;
    bench.is_clean().await;
    let code = async || match Api::<ConfigMap>::namespaced(former.clone(), &bench.shop).list(&ListParams::default()).await {
        Err(kube::Error::Api(status)) => status.code,
        _ => 200,
    };
    becomes("the credential is dead", Duration::from_secs(15), 401, code).await;
}

#[tokio::test]
async fn a_remote_cluster_that_never_comes_back_is_let_go_by_a_person() {
    let bench = Bench::bare("clusterAccess: {enabled: true, clusters: [prod]}").await;
    let way = Way::to(&bench.remote.server).await;
    let mut spec = bench.spec();
    spec["server"] = json!(way.server);
    bench.bootstrap_elsewhere(&spec).await;
    bench.declare(&spec).await;
    bench.ready().await;
    way.cut();
    bench.annotate("argocd-access.dev/forget-remote", Some("false")).await;
    bench.delete().await;
    bench.condition("RemoteReachable", "False", "ConnectionFailed").await;
    bench.annotate("argocd-access.dev/forget-remote", Some("true")).await;
    bench.gone().await;
    assert!(bench.cluster_secret().await.is_none());
    assert_eq!(bench.there().await, WHOLE, "it could not be reached");
}

#[tokio::test]
async fn an_object_that_never_reached_its_cluster_does_not_wait_for_it() {
    let bench = Bench::bare("clusterAccess: {enabled: true, clusters: [prod]}").await;
    let way = Way::to(&bench.remote.server).await;
    let mut spec = bench.spec();
    spec["server"] = json!(way.server);
    bench.bootstrap_elsewhere(&spec).await;
    way.cut();
    bench.declare(&spec).await;
    bench.condition("RemoteReachable", "False", "ConnectionFailed").await;
    assert_eq!((bench.there().await, bench.cluster_secret().await), (Vec::new(), None));
    bench.delete().await;
    bench.gone().await;
}

#[tokio::test]
async fn outside_of_its_times_and_while_it_is_suspended_the_credential_may_do_nothing_and_stays() {
    let bench = Bench::new().await;
    bench.kept().await;
    let secret = bench.cluster_secret().await.unwrap();
    let mut spec = bench.spec();
    spec["suspend"] = json!(true);
    bench.declare(&spec).await;
    bench.has_there("suspended", Duration::from_secs(10), &[ANCHOR]).await;
    bench.condition("Active", "False", "Suspended").await;
    becomes("the credential may do nothing", Duration::from_secs(10), 403, async || bench.reads().await).await;
    assert_eq!(bench.cluster_secret().await.unwrap().data, secret.data, "Argo CD still knows the cluster");

    // A window that was open an hour ago.
    let hour = |ago: i64| (Timestamp::now() - SignedDuration::from_hours(ago)).to_zoned(TimeZone::UTC).strftime("%H:%M").to_string();
    spec["suspend"] = json!(false);
    spec["schedule"] = json!([{"days": ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"], "from": hour(3), "to": hour(1)}]);
    bench.declare(&spec).await;
    bench.condition("Active", "False", "OutsideSchedule").await;
    assert_eq!(bench.there().await, [ANCHOR]);
    spec["schedule"] = json!([]);
    let end = Timestamp::from_second(Timestamp::now().as_second() + 12).unwrap();
    spec["validity"] = json!({"notAfter": end.to_string()});
    bench.declare(&spec).await;
    bench.has_there("in effect again", Duration::from_secs(10), &WHOLE).await;
    becomes("the same credential works", Duration::from_secs(10), 200, async || bench.reads().await).await;
    let left = Duration::try_from(end.duration_since(Timestamp::now())).unwrap_or_default();
    bench.has_there("over, by time alone", left + Duration::from_secs(10), &[ANCHOR]).await;
    bench.condition("Active", "False", "Expired").await;
    assert_eq!(token(&bench.cluster_secret().await.unwrap()), token(&secret));
    bench.delete().await;
    bench.gone().await;
    bench.is_clean().await;
}

#[tokio::test]
async fn one_that_observes_writes_nothing_anywhere_and_says_what_it_would() {
    let bench = Bench::new().await;
    let since = (bench.hub.audit_mark().await, bench.remote.audit_mark().await);
    let mut spec = bench.spec();
    spec["mode"] = json!("Observe");
    bench.declare(&spec).await;
    let status = bench.condition("Active", "False", "Observing").await;
    bench.condition("RemoteReachable", "True", "Connected").await;
    let changes = eventually("it says what it would write", SOON, || async {
        let changes = bench.status().await.changes;
        that(changes.len() >= 3, || format!("{changes:#?}\n{}", bench.log()))?;
        Ok::<_, String>(changes)
    })
    .await;
    assert!(status.credential.unwrap_or_default().issued_at.is_none());
    tokio::time::sleep(Duration::from_secs(16)).await;
    let hub = bench.hub.audit_writes(since.0, &format!("system:serviceaccount:{}:access", bench.namespace)).await;
    let hub: Vec<_> = hub.into_iter().filter(|w| w.resource != "events" && w.subresource != "status").collect();
    assert_eq!(hub, []);
    assert_eq!(bench.remote.audit_writes(since.1, "system:serviceaccount:argocd-access:").await, []);
    let told = |fragment: &str| changes.iter().any(|change| change.object.contains(fragment));
    for fragment in ["argocd-access-sync", "argocd-access-logs", "argocd-access-cluster-prod"] {
        assert!(told(fragment), "{fragment}: {changes:#?}");
    }
    assert!(!told("argocd-access-exec"), "{changes:#?}");

    spec["mode"] = json!("Enforce");
    bench.declare(&spec).await;
    bench.ready().await;
    assert_eq!((bench.there().await, bench.status().await.changes), (texts(&WHOLE), Vec::new()));
    spec["mode"] = json!("Observe");
    bench.declare(&spec).await;
    bench.has_there("back to observing, it gives nothing", SOON, &[ANCHOR]).await;
    bench.delete().await;
    bench.gone().await;
    bench.is_clean().await;
}

#[tokio::test]
async fn an_emergency_stop_takes_the_rights_with_the_operator_running_or_not_and_a_release_gives_them_back() {
    let bench = Bench::new().await;
    bench.kept().await;
    let stopped = bench.laptop(&["stop", "--serve", "clusters", "--reason", "INC-7"]).await;
    assert!(stopped.status.success(), "{}{}", stopped.stdout, stopped.stderr);
    assert_eq!(bench.there().await, [ANCHOR]);
    assert!(bench.cluster_secret().await.is_some());
    bench.condition("Active", "False", "Stopped").await;
    bench.laptop(&["stop", "--serve", "clusters", "--release"]).await.success();
    bench.ready().await;
    assert_eq!(bench.there().await, WHOLE);

    bench.release.uninstall(&["--no-hooks"]).await.success();
    let stopped = bench.laptop(&["stop", "--serve", "clusters"]).await;
    assert!(stopped.status.success(), "{}{}", stopped.stdout, stopped.stderr);
    assert_eq!(bench.there().await, [ANCHOR]);
    bench.condition("Active", "False", "Stopped").await;
    assert!(stopped.stdout.contains("argocd-access-sync"), "{}", stopped.stdout);
}

#[tokio::test]
async fn restore_from_a_laptop_takes_everything_back_when_the_operator_is_gone() {
    let bench = Bench::new().await;
    bench.kept().await;
    bench.release.uninstall(&["--no-hooks"]).await.success();
    assert_eq!(bench.there().await, WHOLE, "without the Job everything stays");
    let refused = bench.laptop(&["restore", "--serve", "clusters"]).await;
    assert_eq!(refused.status.code(), Some(1));
    assert!(refused.stderr.contains("ClusterAccess"), "{}", refused.stderr);
    let restored = bench.laptop(&["restore", "--serve", "clusters", "--all", "--wait"]).await;
    assert!(restored.status.success(), "{}", restored.stderr);
    bench.is_clean().await;
    let access = bench.accesses().get(CLUSTER).await.unwrap();
    assert_eq!(access.metadata.finalizers.clone().unwrap_or_default(), Vec::<String>::new());
    let active = access.status.unwrap().conditions.into_iter().find(|c| c.type_ == "Active").unwrap();
    assert!(active.message.contains("the operator was removed"), "{}", active.message);
    bench.delete().await;
    bench.gone().await;
}

#[tokio::test]
async fn helm_uninstall_takes_everything_back_and_refuses_while_applications_go_to_the_cluster() {
    let bench = Bench::bare("{clusterAccess: {enabled: true, clusters: [prod]}, restore: {timeoutSeconds: 15, backoffLimit: 0}}").await;
    bench.bootstrap(&bench.spec()).await;
    bench.application("web-1", &json!({"name": "prod", "namespace": bench.shop})).await;
    bench.kept().await;
    let refused = bench.release.uninstall(&[]).await;
    assert!(!refused.status.success(), "{}{}", refused.stdout, refused.stderr);
    let log = bench.release.kubelet.log();
    assert!(log.contains("ClusterAccess object(s) still hold something"), "{log}");
    assert!(bench.cluster_secret().await.is_some(), "Argo CD still uses it");
    assert_eq!(bench.reads().await, 200);

    bench.applications().delete("web-1", &DeleteParams::default()).await.unwrap();
    let finished = bench.release.uninstall(&[]).await;
    assert!(finished.status.success(), "{}{}\n{}", finished.stdout, finished.stderr, bench.release.kubelet.log());
    bench.is_clean().await;
    let access: Value = serde_json::to_value(bench.accesses().get(CLUSTER).await.unwrap()).unwrap();
    assert_eq!(access["metadata"].get("finalizers"), None, "the object stays as a record");
    assert!(bench.secret("argocd-access-manager-prod").await.is_some(), "the administrator's own");
    bench.delete().await;
    bench.gone().await;
}
