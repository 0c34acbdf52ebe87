//! The operator is killed at every one of its writes, to the hub and to the remote cluster: once before the write is done, and once after
//! it, before the operator hears of it. Started again each time, it ends as if nothing had been, and in between no credential is lost.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use argocd_access::clusters::claims::Claims;
use jiff::Timestamp;
use k8s_openapi::api::authentication::v1::SelfSubjectReview;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{ListParams, PostParams};
use kube::{Api, ResourceExt};
use serde_json::{Value, json};

use crate::bench::{Bench, CLUSTER, remote, token};
use crate::support::audit::Mark;
use crate::support::proxy::{Moment, Proxy, Then};
use crate::support::{ControlPlane, Kubernetes, chart, eventually, eventually::that};

/// What tells the process that serves remote clusters from the other.
const SERVES: &str = "--serve=clusters";
/// What a phase may take: up to two dozen deaths, and the overlap of two credentials.
const LONG: Duration = Duration::from_secs(240);
/// So long a dead token may still be accepted.
const REMEMBERED: Duration = Duration::from_secs(15);

/// At which writes the operator was killed: `phase moment write`.
#[derive(Default)]
struct Deaths {
    phase: &'static str,
    all: Vec<(&'static str, Moment, String)>,
    met: BTreeSet<(&'static str, Moment, String)>,
}

struct Behind {
    bench: Bench,
    server: String,
    deaths: Arc<Mutex<Deaths>>,
    // They are dropped after the operator.
    proxies: [Proxy; 2],
}

impl Behind {
    async fn new() -> Self {
        let hub = ControlPlane::shared(Kubernetes::V1_36).await;
        let (remote, namespace) = tokio::join!(remote(), hub.instance("team"));
        let (here, there) = (Proxy::start(hub), Proxy::start(&remote));
        let shop = remote.namespace("shop").await;
        let release = chart::install_behind(&here, hub, &namespace, "clusterAccess: {enabled: true, clusters: [prod]}").await;
        let bench = Bench { hub, remote, namespace, shop, release };
        bench.set("argocd-cm", "resource.respectRBAC", Some("strict")).await;
        let behind = Self { bench, server: there.server.clone(), deaths: Arc::default(), proxies: [here, there] };
        behind.bench.bootstrap_elsewhere(&behind.spec()).await;
        for proxy in &behind.proxies {
            let (deaths, kill, shop) = (Arc::clone(&behind.deaths), behind.bench.release.kubelet.killer_of(SERVES), behind.bench.shop.clone());
            proxy.each(move |write, moment| {
                let mut deaths = deaths.lock().unwrap();
                let write = write.replace(&shop, "shop");
                let death = (deaths.phase, moment, write);
                if deaths.phase.is_empty() || !deaths.met.insert(death.clone()) {
                    return Then::Pass;
                }
                kill();
                deaths.all.push(death);
                Then::Cut
            });
        }
        behind
    }

    fn spec(&self) -> Value {
        let mut spec = self.bench.spec();
        spec["server"] = json!(self.server);
        spec["credentials"] = json!({"overlap": "1m"});
        spec
    }

    /// The uids of the Secrets to which tokens of Argo CD are bound, by name; of nobody else there is one.
    async fn anchors(&self) -> BTreeMap<String, String> {
        let secrets = Api::<Secret>::namespaced(self.bench.remote.client(), "argocd-access").list(&ListParams::default()).await.unwrap();
        let all: BTreeMap<String, String> = secrets.into_iter().map(|s| (s.name_any(), s.uid().unwrap())).collect();
        let known = ["argocd-access-manager-a", "argocd-access-manager-b", "argocd-managed-a", "argocd-managed-b"];
        assert!(all.keys().all(|name| known.contains(&name.as_str())), "a third anchor: {all:#?}");
        all.into_iter().filter(|(name, _)| name.starts_with("argocd-managed-")).collect()
    }

    /// What must be true whenever the operator is dead: what Argo CD has works, and nothing is there of which no object tells.
    async fn look(&self, what: &str) {
        let anchors = self.anchors().await;
        let object = self.bench.accesses().get_opt(CLUSTER).await.unwrap();
        let there = self.bench.there().await;
        let secret = self.bench.cluster_secret().await;
        assert!(object.is_some() || (there.is_empty() && secret.is_none()), "{what}: nothing tells of {there:?}");
        let Some(secret) = secret else { return };
        let token = token(&secret);
        let bound = Claims::read(&token).unwrap().anchor.unwrap();
        assert_eq!(anchors.get(&bound.name), Some(&bound.uid), "{what}: the credential that Argo CD has is dead");
        assert_eq!(self.who(&token).await, Ok("system:serviceaccount:argocd-access:argocd-managed".to_owned()), "{what}");
    }

    /// Who the remote cluster takes a token for, or the code of its refusal.
    async fn who(&self, token: &str) -> Result<String, u16> {
        let api: Api<SelfSubjectReview> = Api::all(self.bench.client_with(token));
        match api.create(&PostParams::default(), &SelfSubjectReview::default()).await {
            Ok(review) => Ok(review.status.unwrap().user_info.unwrap().username.unwrap()),
            Err(kube::Error::Api(status)) => Err(status.code),
            Err(error) => panic!("{error}"),
        }
    }

    /// Waits until a phase is over. Each time the operator is dead it is looked at what there is, and it is started again.
    async fn phase(&self, phase: &'static str, done: impl AsyncFn() -> Result<(), String>) {
        let (began, kubelet) = (Instant::now(), &self.bench.release.kubelet);
        let mut handled = self.deaths.lock().unwrap().all.len();
        loop {
            let last = self.deaths.lock().unwrap().all.get(handled..).and_then(|new| new.last().cloned());
            if let Some((_, moment, write)) = last {
                self.look(&format!("{phase}, {moment:?} {write}")).await;
                handled = self.deaths.lock().unwrap().all.len();
                kubelet.release();
            }
            let seen = done().await;
            let alive = kubelet.operators().iter().any(|operator| operator.has(SERVES));
            if seen.is_ok() && alive && self.deaths.lock().unwrap().all.len() == handled {
                println!("{phase}: {handled} deaths so far, {:?}", began.elapsed());
                return self.look(phase).await;
            }
            assert!(began.elapsed() < LONG, "{phase}: {seen:?}\n{:#?}\n{}", self.deaths.lock().unwrap().all, self.bench.log());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// From now on the operator dies at every write that is new in this phase.
    fn begin(&self, phase: &'static str) {
        self.deaths.lock().unwrap().phase = phase;
    }

    /// Whether everything is in place, with a credential for which this is true.
    async fn ready(&self, is_it: impl Fn(&Claims) -> bool) -> Result<Claims, String> {
        let access = self.bench.accesses().get_opt(CLUSTER).await.unwrap().ok_or("the object is gone")?;
        let status = access.status.clone().unwrap_or_default();
        let said: Vec<String> = status.conditions.iter().map(|c| format!("{} {}/{}", c.type_, c.status, c.reason)).collect();
        let holds = status.observed_generation == access.metadata.generation && said.iter().any(|one| one == "Ready True/Ready");
        that(holds, || format!("{said:?}"))?;
        let secret = self.bench.cluster_secret().await.ok_or("there is no Secret")?;
        let claims = Claims::read(&token(&secret)).unwrap();
        that(is_it(&claims), || format!("{claims:?}"))?;
        that(status.credential.and_then(|c| c.issued_at).is_some_and(|at| at.0 == claims.issued_at), || "an older one is told".to_owned())?;
        Ok(claims)
    }

    /// How many tokens were made for Argo CD, and the most that were bound to one and the same anchor.
    fn tokens(&self, since: Mark) -> (usize, usize) {
        let (mut all, mut most, mut bound) = (0, 0, 0);
        for event in self.bench.remote.audit_events(since) {
            let (of, code) = (&event["objectRef"], event["responseStatus"]["code"].as_u64());
            if of["resource"] == "serviceaccounts" && of["subresource"] == "token" && of["name"] == "argocd-managed" && code == Some(201) {
                (all, bound) = (all + 1, bound + 1);
                most = most.max(bound);
            } else if of["resource"] == "secrets" && of["name"].as_str().is_some_and(|n| n.starts_with("argocd-managed-")) && code == Some(201) {
                bound = 0;
            }
        }
        (all, most)
    }
}

#[tokio::test]
async fn killed_at_every_write_of_its_life_a_cluster_ends_with_one_living_credential_and_in_the_end_with_nothing() {
    let behind = Behind::new().await;
    let bench = &behind.bench;
    let manager = bench.secret("argocd-access-manager-prod").await.unwrap().data;
    let bound = |anchors: &[&str]| {
        let bindings = ["RoleBinding shop/argocd-access-logs".to_owned(), "RoleBinding shop/argocd-access-sync".to_owned()];
        let anchors = anchors.iter().map(|name| format!("Secret argocd-access/{name}"));
        bindings.into_iter().chain(anchors).collect::<Vec<String>>()
    };
    let mark = bench.remote.audit_mark().await;

    behind.begin("create");
    bench.declare(&behind.spec()).await;
    behind.phase("create", async || behind.ready(|_| true).await.map(drop)).await;
    let first = token(&bench.cluster_secret().await.unwrap());
    let claims = Claims::read(&first).unwrap();
    assert_eq!(bench.there().await, bound(&[claims.anchor.as_ref().unwrap().name.as_str()]));

    behind.begin("rotate");
    let demanded = Timestamp::from_second(claims.issued_at.as_second().max(Timestamp::now().as_second()) + 1).unwrap();
    bench.annotate("argocd-access.dev/rotate-after", Some(&demanded.to_string())).await;
    behind.phase("rotate", async || behind.ready(|claims| claims.issued_at >= demanded).await.map(drop)).await;
    let second = token(&bench.cluster_secret().await.unwrap());
    let claims = Claims::read(&second).unwrap();

    behind.begin("retire");
    let alone = async || {
        behind.ready(|now| *now == claims).await?;
        let anchors = behind.anchors().await;
        that(anchors.len() == 1, || format!("{anchors:?}"))
    };
    behind.phase("retire", alone).await;
    assert_eq!(bench.there().await, bound(&[claims.anchor.as_ref().unwrap().name.as_str()]));
    assert_eq!(token(&bench.cluster_secret().await.unwrap()), second, "it is not replaced once more");
    eventually("the former credential is dead", REMEMBERED, async || {
        let who = behind.who(&first).await;
        that(who == Err(401), || format!("{who:?}"))
    })
    .await;

    // Once more, so that there are two to be taken away.
    behind.begin("");
    let again = Timestamp::from_second(Timestamp::now().as_second() + 1).unwrap();
    bench.annotate("argocd-access.dev/rotate-after", Some(&again.to_string())).await;
    behind.phase("again", async || behind.ready(|claims| claims.issued_at >= again).await.map(drop)).await;
    assert_eq!(behind.anchors().await.len(), 2);

    behind.begin("delete");
    bench.delete().await;
    let gone = async || that(bench.accesses().get_opt(CLUSTER).await.unwrap().is_none(), || "it is there".to_owned());
    behind.phase("delete", gone).await;
    assert_eq!(bench.there().await, Vec::<String>::new());
    assert!(behind.anchors().await.is_empty() && bench.cluster_secret().await.is_none());
    assert_eq!(bench.secret("argocd-access-manager-prod").await.unwrap().data, manager, "its own credential is as it was");

    let (made, most) = behind.tokens(mark);
    assert!(made >= 4 && most == 1, "{made} tokens; a lost one dies with its anchor, which nothing else is bound to: {most}");
    let deaths = behind.deaths.lock().unwrap();
    println!("{made} tokens, killed {} times: {:#?}", deaths.all.len(), deaths.all);
    for (phase, writes) in [
        ("create", &["rolebindings/", "secrets/argocd-managed-", "/token", "secrets/argocd-access-cluster-prod", "clusteraccesses/prod"][..]),
        ("rotate", &["secrets/argocd-managed-", "/token", "secrets/argocd-access-cluster-prod", "clusteraccesses/prod/status"]),
        ("retire", &["DELETE /api/v1/namespaces/argocd-access/secrets/argocd-managed-"]),
        (
            "delete",
            &["rolebindings/", "secrets/argocd-access-cluster-prod", "secrets/argocd-managed-a", "secrets/argocd-managed-b", "clusteraccesses/prod"],
        ),
    ] {
        for (write, moment) in writes.iter().flat_map(|write| [(write, Moment::Before), (write, Moment::After)]) {
            let met = deaths.all.iter().any(|(p, m, w)| *p == phase && *m == moment && w.contains(write));
            assert!(met, "in {phase} it was not killed {moment:?} {write}");
        }
    }
}
