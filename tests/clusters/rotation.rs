//! A credential is replaced while it is in use, and whoever kept a former one has nothing of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::api::{DeleteParams, ListParams};
use kube::{Api, Client};
use serde_json::{Value, json};

use crate::bench::{Bench, SOON, token};
use crate::support::audit::{AuditEntry, Mark};
use crate::support::{eventually, eventually::that};

/// So long a revoked token may still be accepted: the API server remembers who a token is for ten seconds.
const REMEMBERED: Duration = Duration::from_secs(15);
/// The least overlap that can be declared.
const OVERLAP: SignedDuration = SignedDuration::from_mins(1);

/// What the remote cluster answers to a token: the code of an error, or 200.
async fn answer(client: &Client, namespace: &str) -> u16 {
    match Api::<ConfigMap>::namespaced(client.clone(), namespace).list(&ListParams::default()).await {
        Ok(_) => 200,
        Err(kube::Error::Api(status)) => status.code,
        Err(error) => panic!("{error}"),
    }
}

impl Bench {
    /// The names of the Secrets to which Argo CD's tokens are bound.
    async fn anchors(&self) -> Vec<String> {
        let secrets = Api::<Secret>::namespaced(self.remote.client(), "argocd-access").list(&ListParams::default()).await.unwrap();
        let names = secrets.into_iter().filter_map(|secret| secret.metadata.name);
        names.filter(|name| name.starts_with("argocd-managed-")).collect()
    }

    /// Waits until Argo CD has another token than this.
    async fn another(&self, than: &str) -> String {
        eventually("another token is in the cluster Secret", SOON, || async {
            let now = token(&self.cluster_secret().await.ok_or("the Secret is gone")?);
            that(now != than, || self.log())?;
            Ok::<_, String>(now)
        })
        .await
    }

    /// The writes of the operator in the hub and in the remote cluster, and of what it keeps there.
    async fn writes(&self, (hub, remote): (Mark, Mark)) -> Vec<AuditEntry> {
        let mut all = self.hub.audit_writes(hub, &format!("system:serviceaccount:{}:access", self.namespace)).await;
        all.extend(self.remote.audit_writes(remote, "system:serviceaccount:argocd-access:").await);
        all
    }

    async fn marks(&self) -> (Mark, Mark) {
        (self.hub.audit_mark().await, self.remote.audit_mark().await)
    }

    /// Waits until the credential was proven so often since then.
    async fn proofs(&self, since: Mark, times: usize) {
        let is_proof = |event: &&Value| event["objectRef"]["resource"] == "selfsubjectreviews" && event["verb"] == "create";
        eventually("the credential is proven again", Duration::from_secs(150), || async {
            let count = self.remote.audit_events(since).iter().filter(is_proof).count();
            that(count >= times, || format!("{count} times\n{}", self.log()))
        })
        .await;
    }
}

/// Uses again and again whatever token the cluster Secret has at that moment, as Argo CD does.
struct User {
    stop: Arc<AtomicBool>,
    used: Arc<AtomicUsize>,
    task: tokio::task::JoinHandle<()>,
}

impl User {
    fn start(bench: &Arc<Bench>) -> Self {
        let (stop, used) = (Arc::<AtomicBool>::default(), Arc::<AtomicUsize>::default());
        let (bench, ends, counts) = (Arc::clone(bench), Arc::clone(&stop), Arc::clone(&used));
        let task = tokio::spawn(async move {
            while !ends.load(Ordering::Relaxed) {
                let client = bench.argocd().await;
                assert_eq!(answer(&client, &bench.shop).await, 200, "a token that was in the Secret did not work\n{}", bench.log());
                counts.fetch_add(1, Ordering::Relaxed);
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        });
        Self { stop, used, task }
    }

    async fn end(self) -> usize {
        self.stop.store(true, Ordering::Relaxed);
        self.task.await.unwrap();
        self.used.load(Ordering::Relaxed)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_credential_is_replaced_on_demand_without_a_gap_and_each_former_one_dies_after_the_overlap() {
    let bench = Arc::new(Bench::new().await);
    let mut spec = bench.spec();
    spec["credentials"] = json!({"overlap": "1m"});
    bench.declare(&spec).await;
    bench.ready().await;
    let user = User::start(&bench);
    let mut former = token(&bench.cluster_secret().await.unwrap());
    let mut tokens = vec![former.clone()];
    for _ in 0..3 {
        let before = bench.anchors().await;
        assert_eq!(before.len(), 1, "{before:?}");
        bench.annotate("argocd-access.dev/rotate-after", Some(&Timestamp::now().to_string())).await;
        let new = bench.another(&former).await;
        let status = bench.condition("CredentialReady", "True", "Rotating").await;
        let issued = status.credential.unwrap().issued_at.unwrap().0;
        assert_eq!(bench.anchors().await.len(), 2, "both tokens have theirs");

        // Whoever has not read the Secret again yet is not cut off before the overlap is over.
        let (end, client) = (issued + OVERLAP, bench.client_with(&former));
        while Timestamp::now() < end - SignedDuration::from_secs(1) {
            assert_eq!(answer(&client, &bench.shop).await, 200, "the former token died before {end}\n{}", bench.log());
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        let until = Duration::try_from(end.duration_since(Timestamp::now())).unwrap_or_default();
        eventually("the former token is dead", until + REMEMBERED, || async {
            let code = answer(&client, &bench.shop).await;
            that(code == 401, || format!("{code}\n{}", bench.log()))
        })
        .await;
        let after = bench.anchors().await;
        assert_eq!(after.len(), 1, "{after:?}");
        assert_ne!(after, before, "the two take turns");
        assert_eq!(bench.ready().await.credential.unwrap().anchor.as_ref(), after.first());
        assert_eq!(token(&bench.cluster_secret().await.unwrap()), new, "it is replaced once for each demand");
        former = new;
        tokens.push(former.clone());
    }
    let used = user.end().await;
    assert!(used > 100, "{used}");
    bench.keeps_secret(&tokens).await;
}

#[tokio::test]
async fn a_steady_state_costs_no_write_in_either_cluster_and_neither_does_a_restart_of_the_operator() {
    let bench = Bench::new().await;
    bench.declare(&bench.spec()).await;
    bench.ready().await;
    let (secret, status) = (bench.cluster_secret().await.unwrap(), bench.status().await);
    let since = bench.marks().await;
    // Longer than anything is believed without being looked at again.
    bench.proofs(since.1, 1).await;
    assert_eq!(bench.writes(since).await, []);

    bench.release.kubelet.kill_operator();
    let since = bench.marks().await;
    bench.proofs(since.1, 1).await;
    // A round after that proof, in which its outcome is told.
    tokio::time::sleep(Duration::from_secs(16)).await;
    assert_eq!(bench.writes(since).await, []);
    assert_eq!((bench.cluster_secret().await.unwrap(), bench.status().await), (secret, status));
    bench.release.ready().await;
}

#[tokio::test]
async fn a_credential_that_somebody_revokes_in_the_remote_cluster_is_replaced() {
    let bench = Bench::new().await;
    bench.declare(&bench.spec()).await;
    bench.ready().await;
    let former = token(&bench.cluster_secret().await.unwrap());
    let anchors = Api::<Secret>::namespaced(bench.remote.client(), "argocd-access");
    let anchor = bench.anchors().await.remove(0);
    anchors.delete(&anchor, &DeleteParams::default()).await.unwrap();
    let began = Instant::now();
    let new = bench.another(&former).await;
    assert_eq!(answer(&bench.client_with(&new), &bench.shop).await, 200);
    bench.ready().await;
    assert_eq!(bench.anchors().await.len(), 1);

    // One that it is bound to by its name alone is another one.
    let client = bench.client_with(&former);
    eventually("the revoked token is dead", REMEMBERED.saturating_sub(began.elapsed()).max(Duration::from_secs(1)), || async {
        let code = answer(&client, &bench.shop).await;
        that(code == 401, || code.to_string())
    })
    .await;
}
