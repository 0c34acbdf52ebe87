//! A hundred remote clusters at once, of which twenty are dead or silent: each is kept as if it were alone.
//!
//! All of them are one and the same cluster, by a way of its own each. The names of the bootstrap are fixed, so that one cluster can be
//! kept as a whole once only: here others keep the rights (`authority: None`), and each has a ServiceAccount of its own.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use argocd_access::api::ClusterAccess;
use futures::StreamExt;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::api::rbac::v1::Role;
use kube::api::{ListParams, Patch, PatchParams, PostParams};
use kube::{Api, ResourceExt};
use serde_json::{Value, json};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::bench::{Bench, token};
use crate::support::audit::Mark;
use crate::support::process::free_port;
use crate::support::{eventually, eventually::that, manifests};

const CLUSTERS: usize = 100;
const DEAD: usize = 10;
const SILENT: usize = 10;
/// As many requests of the test itself at once.
const AT_ONCE: usize = 16;
/// In a build without optimization, on a machine that does other things as well.
const LONG: Duration = Duration::from_secs(420);

#[derive(Clone, Copy, PartialEq)]
enum Mode {
    Open,
    /// Whoever comes is shown the door.
    Dead,
    /// Whoever comes is let in, and never hears anything.
    Silent,
}

/// A way to the remote cluster.
struct Way {
    server: String,
    mode: watch::Sender<Mode>,
    task: tokio::task::JoinHandle<()>,
}

impl Way {
    async fn to(server: &str) -> Self {
        let port = free_port();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.unwrap();
        let upstream = server.trim_start_matches("https://").to_owned();
        let (mode, seen) = watch::channel(Mode::Open);
        let task = tokio::spawn(async move {
            while let Ok((mut here, _)) = listener.accept().await {
                let (upstream, mut seen) = (upstream.clone(), seen.clone());
                let mode = *seen.borrow_and_update();
                tokio::spawn(async move {
                    match mode {
                        Mode::Dead => {}
                        Mode::Silent => drop(seen.changed().await),
                        Mode::Open => {
                            let Ok(mut there) = TcpStream::connect(&upstream).await else { return };
                            tokio::select! {
                                _ended = copy_bidirectional(&mut here, &mut there) => {}
                                _cut = seen.changed() => {}
                            }
                        }
                    }
                });
            }
        });
        Self { server: format!("https://127.0.0.1:{port}"), mode, task }
    }
}

impl Drop for Way {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Many {
    bench: Bench,
    ways: Vec<Way>,
}

fn name(index: usize) -> String {
    format!("c{index:03}")
}

impl Many {
    async fn new() -> Self {
        let names: Vec<String> = (0..CLUSTERS).map(name).collect();
        let bench = Bench::bare(&format!("clusterAccess: {{enabled: true, clusters: [{}]}}", names.join(", "))).await;
        let mut ways = Vec::new();
        for _ in 0..CLUSTERS {
            ways.push(Way::to(&bench.remote.server).await);
        }
        let many = Self { bench, ways };
        many.bench.bootstrap_rights(&many.bare(&many.bench.remote.server)).await;
        many.rights().await;
        many.credentials().await;
        many
    }

    fn bare(&self, server: &str) -> Value {
        let permissions = json!({"namespaces": {"names": [self.bench.shop]}, "profile": "None", "logs": false, "exec": "Never"});
        json!({"server": server, "remote": {"authority": "None"}, "permissions": permissions})
    }

    fn spec(&self, index: usize) -> Value {
        let mut spec = self.bare(&self.ways[index].server);
        spec["credentials"] = json!({"serviceAccount": {"name": format!("managed-{index:03}")}, "overlap": "1m"});
        spec
    }

    /// What an administrator of the remote cluster gives: a ServiceAccount for each, bound, and the operator's right to tokens of them.
    async fn rights(&self) {
        let client = self.bench.remote.client();
        let account = |index: usize| format!("managed-{index:03}");
        let (mut objects, mut subjects) = (Vec::new(), Vec::new());
        for index in 0..CLUSTERS {
            objects.push(json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": account(index)}}));
            subjects.push(json!({"kind": "ServiceAccount", "name": account(index), "namespace": "argocd-access"}));
        }
        futures::stream::iter(objects)
            .for_each_concurrent(AT_ONCE, |object| {
                let client = client.clone();
                async move { manifests::apply_text(&client, "argocd-access", &object.to_string()).await }
            })
            .await;
        let binding = json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": {"name": "many"}, "subjects": subjects,
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "argocd-access-sync"},
        });
        manifests::apply_text(&client, &self.bench.shop, &binding.to_string()).await;
        let roles: Api<Role> = Api::namespaced(client, "argocd-access");
        let anchors: Vec<String> = (0..CLUSTERS).flat_map(|i| ["a", "b"].map(|end| format!("{}-{end}", account(i)))).collect();
        let accounts: Vec<String> = (0..CLUSTERS).map(account).collect();
        let mut rules = json!(roles.get("argocd-access-manager").await.unwrap().rules);
        rules.as_array_mut().unwrap().extend([
            json!({"apiGroups": [""], "resources": ["serviceaccounts/token"], "resourceNames": accounts, "verbs": ["create"]}),
            json!({"apiGroups": [""], "resources": ["secrets"], "resourceNames": anchors, "verbs": ["get", "create", "patch", "delete"]}),
        ]);
        roles.patch("argocd-access-manager", &PatchParams::default(), &Patch::Merge(&json!({"rules": rules}))).await.unwrap();
    }

    /// The operator's credential for each of them: the same.
    async fn credentials(&self) {
        let mut spec = self.bare(&self.bench.remote.server);
        spec["name"] = json!("prod");
        let printed = self.bench.printed(&spec, &["--credential"]).await;
        let printed: Value = serde_yaml::from_str(&printed).unwrap();
        let secrets = Api::<Secret>::namespaced(self.bench.hub.client(), &self.bench.namespace);
        futures::stream::iter(0..CLUSTERS)
            .for_each_concurrent(AT_ONCE, |index| {
                let (mut secret, secrets) = (printed.clone(), secrets.clone());
                secret["metadata"]["name"] = json!(format!("argocd-access-manager-{}", name(index)));
                secret["metadata"]["labels"]["argocd-access.dev/cluster"] = json!(name(index));
                let server = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, &self.ways[index].server);
                secret["data"]["server"] = json!(server);
                async move { drop(secrets.create(&PostParams::default(), &serde_json::from_value(secret).unwrap()).await.unwrap()) }
            })
            .await;
    }

    async fn declare_all(&self) {
        futures::stream::iter(0..CLUSTERS)
            .for_each_concurrent(AT_ONCE, |index| async move {
                let metadata = json!({"name": name(index)});
                let object =
                    json!({"apiVersion": "argocd-access.dev/v1alpha1", "kind": "ClusterAccess", "metadata": metadata, "spec": self.spec(index)});
                self.bench.accesses().patch(&name(index), &PatchParams::apply("test"), &Patch::Apply(&object)).await.unwrap();
            })
            .await;
    }

    async fn all(&self) -> Vec<ClusterAccess> {
        self.bench.accesses().list(&ListParams::default()).await.unwrap().items
    }

    /// The writes of the operator here and there, and how often it asked.
    async fn requests(&self, (hub, remote): (Mark, Mark)) -> (Vec<String>, usize) {
        let mine = format!("system:serviceaccount:{}:access", self.bench.namespace);
        let mut writes = self.bench.hub.audit_writes(hub, &mine).await;
        writes.extend(self.bench.remote.audit_writes(remote, "system:serviceaccount:argocd-access:").await);
        let by = |event: &Value, who: &str| event["user"]["username"].as_str().is_some_and(|user| user.starts_with(who));
        let hub = self.bench.hub.audit_events(hub).iter().filter(|event| by(event, &mine)).count();
        let remote = self.bench.remote.audit_events(remote).iter().filter(|event| by(event, "system:serviceaccount:argocd-access:")).count();
        (writes.iter().map(|w| format!("{} {}/{} {}", w.verb, w.resource, w.subresource, w.name)).collect(), hub + remote)
    }

    async fn marks(&self) -> (Mark, Mark) {
        (self.bench.hub.audit_mark().await, self.bench.remote.audit_mark().await)
    }

    /// How long it takes until another credential is there that was asked for, in the middle of some of these.
    async fn rotation(&self, some: std::ops::Range<usize>) -> Duration {
        let mut took = Vec::new();
        for index in some {
            let secret = format!("argocd-access-cluster-{}", name(index));
            let before = token(&self.bench.secret(&secret).await.unwrap());
            let at = jiff::Timestamp::from_second(jiff::Timestamp::now().as_second()).unwrap();
            let patch = json!({"metadata": {"annotations": {"argocd-access.dev/rotate-after": at.to_string()}}});
            self.bench.accesses().patch(&name(index), &PatchParams::default(), &Patch::Merge(&patch)).await.unwrap();
            let began = Instant::now();
            eventually("another credential is there", Duration::from_secs(120), async || {
                let now = token(&self.bench.secret(&secret).await.unwrap());
                that(now != before, || self.bench.log())
            })
            .await;
            took.push(began.elapsed());
        }
        took.sort();
        took[took.len() / 2]
    }
}

/// The objects of which a condition does not have this status, with what it says.
fn without(all: &[ClusterAccess], kind: &str, status: &str) -> Vec<String> {
    let of = |access: &ClusterAccess| {
        let conditions = access.status.clone().unwrap_or_default().conditions;
        let found = conditions.into_iter().find(|c| c.type_ == kind);
        let holds = found.as_ref().is_some_and(|c| c.status == status);
        (!holds).then(|| format!("{}: {}", access.name_any(), found.map(|c| format!("{}: {}", c.reason, c.message)).unwrap_or_default()))
    };
    all.iter().filter_map(of).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_clusters_are_kept_and_those_that_are_dead_delay_no_other() {
    let many = Many::new().await;
    let (began, marks) = (Instant::now(), many.marks().await);
    many.declare_all().await;
    eventually("all are ready", LONG, async || {
        let all = many.all().await;
        let not = without(&all, "Ready", "True");
        let first: Vec<&String> = not.iter().take(3).collect();
        that(all.len() == CLUSTERS && not.is_empty(), || format!("{} are not: {first:#?}\n{}", not.len(), many.bench.log()))
    })
    .await;
    let (writes, requests) = many.requests(marks).await;
    println!("{CLUSTERS} clusters were ready after {:?}, with {} writes and {requests} requests", began.elapsed(), writes.len());
    assert!(writes.len() < CLUSTERS * 15, "{} writes: {:#?}", writes.len(), &writes[..50]);

    tokio::time::sleep(Duration::from_secs(10)).await;
    let marks = many.marks().await;
    tokio::time::sleep(Duration::from_secs(30)).await;
    let (writes, requests) = many.requests(marks).await;
    println!("nothing happened for 30 s: {} writes, {requests} requests", writes.len());
    assert!(writes.is_empty(), "{writes:#?}");

    // Not all are replaced at once.
    let after = |access: ClusterAccess| {
        let credential = access.status.unwrap().credential.unwrap();
        credential.renew_at.unwrap().0.duration_since(credential.issued_at.unwrap().0).as_secs()
    };
    let after: BTreeSet<i64> = many.all().await.into_iter().map(after).collect();
    let (first, last) = (*after.first().unwrap(), *after.last().unwrap());
    println!("of an hour, replaced after {first} to {last} s, at {} times", after.len());
    assert!(last - first > 240 && after.len() > CLUSTERS / 2 && last <= 2400, "{after:?}");

    let alone = many.rotation(0..5).await;
    for (index, way) in many.ways.iter().enumerate().skip(CLUSTERS - DEAD - SILENT) {
        way.mode.send_replace(if index % 2 == 0 { Mode::Dead } else { Mode::Silent });
    }
    eventually("the dead are known to be", Duration::from_secs(120), async || {
        let not = without(&many.all().await, "RemoteReachable", "True").len();
        that(not == DEAD + SILENT, || format!("{not} are dead\n{}", many.bench.log()))
    })
    .await;
    let beside = many.rotation(5..10).await;
    println!("a rotation takes {alone:?} alone, and {beside:?} beside {} that are dead or silent", DEAD + SILENT);
    assert!(beside < alone * 3 + Duration::from_secs(5), "{alone:?}, {beside:?}");
    let living = without(&many.all().await, "Ready", "True").len();
    assert!(living <= DEAD + SILENT, "{living} are not ready");

    // And those come back by themselves.
    for way in &many.ways {
        way.mode.send_replace(Mode::Open);
    }
    eventually("all are ready again", LONG, async || {
        let not = without(&many.all().await, "Ready", "True");
        that(not.is_empty(), || format!("{}\n{}", not.join("\n"), many.bench.log()))
    })
    .await;
}
