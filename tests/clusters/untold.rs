//! What is secret is in its Secret and is told nowhere else: at no level of the log, in no object, by no command, and not where everything
//! fails either, a remote cluster that says aloud what it was told among it.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use argocd_access::api::ClusterAccess;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use crate::bench::{Bench, CLUSTER, SOON, value};
use crate::support::process::{get, run};
use crate::support::proxy::{Lie, Proxy};
use crate::support::{eventually, eventually::that, reaper};

const VALUES: &str =
    "{log: {level: trace}, clusterAccess: {enabled: true, clusters: [{name: prod, adoptSecret: mine}, {name: old, adoptSecret: theirs}, tls]}}";
const SERVES: &str = "--serve=clusters";
const TOKENS: &str = "/serviceaccounts/argocd-managed/token";
const WHO: &str = "/selfsubjectreviews";
/// A password, as it may be in a Secret that is adopted.
const PASSWORD: &str = "correct-horse-battery-staple-3f9c2a7e51d84b60";
/// A token that says nothing of itself.
const OPAQUE: &str = "opaque0f8e7d6c5b4a39281706f5e4d3c2b1a09f8e7d6c";

/// What is told instead of an answer, by its path, with everything that must not be told.
type Tells = fn(&str, Arc<Mutex<BTreeSet<String>>>) -> Option<Lie>;

/// Everything that must not be told, and what was.
struct Watch {
    bench: Bench,
    server: String,
    beside: String,
    proxy: Proxy,
    secrets: Arc<Mutex<BTreeSet<String>>>,
    told: Mutex<Vec<(String, String)>>,
}

impl Watch {
    async fn new() -> Self {
        let bench = Bench::bare(VALUES).await;
        let proxy = Proxy::start(&bench.remote);
        let server = proxy.server.clone();
        let beside = server.replace("127.0.0.1", "localhost");
        let watch = Self { bench, server, beside, proxy, secrets: Arc::default(), told: Mutex::default() };
        let spec = watch.spec(CLUSTER);
        watch.tell("the bootstrap", watch.bench.printed(&spec, &["--server-differs"]).await);
        watch.bench.bootstrap_elsewhere(&spec).await;
        watch
    }

    /// `prod` takes over a Secret, `old` verifies one, and `tls` is another cluster than its certificate authority says.
    fn spec(&self, name: &str) -> Value {
        let mut spec = self.bench.spec();
        spec["name"] = json!(name);
        let more = match name {
            "prod" => json!({"server": self.server, "adoptSecret": "mine", "credentials": {"overlap": "1m"}}),
            "old" => {
                json!({"server": self.beside, "adoptSecret": "theirs", "credentials": {"type": "Existing"}, "remote": {"authority": "None"}})
            }
            _ => json!({"server": self.bench.hub.server}),
        };
        spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        spec
    }

    fn hidden(&self, secret: &str) -> String {
        self.secrets.lock().unwrap().insert(secret.to_owned());
        secret.to_owned()
    }

    fn tell(&self, what: &str, text: String) {
        self.told.lock().unwrap().push((what.to_owned(), text));
    }

    fn secrets(&self) -> Api<Secret> {
        Api::namespaced(self.bench.hub.client(), &self.bench.namespace)
    }

    /// A cluster Secret as somebody has made it by hand.
    async fn by_hand(&self, name: &str, server: &str, config: &Value) {
        let data = json!({"name": name, "server": server, "config": config.to_string()});
        let labels = json!({"argocd.argoproj.io/secret-type": "cluster"});
        let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "labels": labels}, "stringData": data});
        self.secrets().create(&PostParams::default(), &serde_json::from_value(secret).unwrap()).await.unwrap();
    }

    /// Another cluster with the operator's credential of the first.
    async fn manager(&self, name: &str, server: &str) {
        let own = self.bench.secret("argocd-access-manager-prod").await.unwrap();
        let mut data = json!(own.data);
        data["server"] = json!(STANDARD.encode(server));
        let labels = json!({"argocd-access.dev/cluster": name});
        let metadata = json!({"name": format!("argocd-access-manager-{name}"), "labels": labels});
        let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": data});
        self.secrets().create(&PostParams::default(), &serde_json::from_value(secret).unwrap()).await.unwrap();
    }

    async fn declare(&self, name: &str) {
        let mut object = json!({"apiVersion": "argocd-access.dev/v1alpha1", "kind": "ClusterAccess", "metadata": {"name": name}});
        object["spec"] = self.spec(name);
        self.bench.accesses().patch(name, &PatchParams::apply("test").force(), &Patch::Apply(&object)).await.unwrap();
    }

    /// Waits until a condition of an object has this reason; its status is kept.
    async fn reason(&self, name: &str, kind: &str, reason: &str) {
        let access: ClusterAccess = eventually(&format!("{kind} of {name} is {reason}"), SOON, async || {
            let access = self.bench.accesses().get(name).await.map_err(|e| e.to_string())?;
            let conditions = access.status.clone().unwrap_or_default().conditions;
            let holds = conditions.iter().any(|c| c.type_ == kind && c.reason == reason);
            that(holds, || format!("{conditions:#?}\n{}", self.bench.log()))?;
            Ok::<_, String>(access)
        })
        .await;
        self.tell("a status", serde_json::to_string(&access).unwrap());
    }

    /// From now on the remote cluster answers so to requests whose path contains this; and the operator knows nothing any more.
    fn lies(&self, to: &'static str, lie: Tells) {
        let secrets = Arc::clone(&self.secrets);
        self.proxy.lies(move |request, authorization| {
            secrets.lock().unwrap().extend(authorization.strip_prefix("Bearer ").map(ToOwned::to_owned));
            request.contains(to).then(|| lie(authorization, Arc::clone(&secrets))).flatten()
        });
        self.bench.release.kubelet.killer_of(SERVES)();
        self.bench.release.kubelet.release();
    }

    /// Has a token made, which fails with this in the log.
    async fn fails_to_rotate(&self, said: &str) {
        let failed = || self.bench.release.kubelet.operator_log().matches(said).count();
        let before = failed();
        let at = jiff::Timestamp::from_second(jiff::Timestamp::now().as_second()).unwrap();
        self.bench.annotate("argocd-access.dev/rotate-after", Some(&at.to_string())).await;
        // A process that has just begun leaves an anchor that it does not know alone until the overlap is over.
        eventually(&format!("it says: {said}"), SOON * 2, async || that(failed() > before, || self.bench.log())).await;
    }

    /// What a command says, with everything that it logs.
    async fn command(&self, arguments: &[&str]) {
        let mut command = reaper::command(env!("CARGO_BIN_EXE_argocd-access"));
        command.env_clear().env("HOME", "/nonexistent").env("KUBECONFIG", self.bench.hub.kubeconfig_admin());
        command.args(arguments).args(["-n", &self.bench.namespace, "--log-level", "trace"]);
        let finished = run(command).await;
        assert!(!finished.stdout.is_empty(), "{arguments:?}: {}", finished.stderr);
        self.tell(&arguments.join(" "), finished.stdout + &finished.stderr);
    }

    /// Every object of both clusters as everybody sees it: of Secrets without their data.
    async fn objects(&self) {
        for cluster in [self.bench.hub, &self.bench.remote] {
            let kinds = cluster.kubectl(&["api-resources", "--verbs=list", "-o", "name"]).await.success();
            let kinds: Vec<&str> = kinds.lines().filter(|kind| *kind != "componentstatuses").collect();
            let text = cluster.kubectl(&["get", &kinds.join(","), "-A", "-o", "json", "--show-managed-fields"]).await.success();
            let mut all: Value = serde_json::from_str(&text).unwrap();
            for object in all["items"].as_array_mut().unwrap().iter_mut().filter(|object| object["kind"] == "Secret") {
                object.as_object_mut().unwrap().remove("data");
            }
            self.tell("the objects", all.to_string());
            self.tell("the audit log", std::fs::read_to_string(cluster.audit_log()).unwrap());
        }
    }
}

/// An encoded text, wherever in what is encoded with it it stands: without the ends, which depend on what is beside it.
fn encoded(text: &str) -> Vec<String> {
    let at = |before: usize| {
        let all = STANDARD.encode([" ".repeat(before).as_bytes(), text.as_bytes()].concat());
        all.trim_end_matches('=').get(4..all.len() - 6).unwrap_or_default().to_owned()
    };
    (0..3).map(at).collect()
}

/// The shapes in which a secret may be told.
fn shapes(secret: &str) -> Vec<String> {
    let once = encoded(secret);
    let twice = once.iter().flat_map(|text| encoded(text)).collect::<Vec<_>>();
    // Of a token that is signed, the signature alone makes it one.
    let signature = secret.rsplit('.').next().unwrap().to_owned();
    [secret.to_owned(), signature].into_iter().chain(once).chain(twice).collect()
}

#[test]
fn a_secret_is_found_in_whatever_shape_it_is_told() {
    let token = format!("{}.{}.{}", "a".repeat(40), "b".repeat(40), PASSWORD);
    let finds = |text: &str| shapes(&token).iter().any(|shape| text.contains(shape.as_str()));
    for before in ["", "x", "xy", "xyz"] {
        let told = format!("{before}{token} and more");
        let encoded = STANDARD.encode(&told);
        let again = STANDARD.encode(format!("{{\"data\": \"{encoded}\"}}"));
        assert!([&told, &encoded, &again].into_iter().all(|text| finds(text)), "{before}");
    }
    assert!(finds(&format!("signed {PASSWORD}")) && !finds("nothing at all"));
}

#[tokio::test]
async fn what_is_secret_is_told_nowhere_even_where_the_remote_cluster_says_it_aloud() {
    let watch = Watch::new().await;
    let bench = &watch.bench;
    // What is there before: a credential that is taken over, and one that is only verified.
    watch.hidden(&value(&bench.secret("argocd-access-manager-prod").await.unwrap(), "token").unwrap());
    let first = watch.hidden(&bench.remote.token("default", "default").await);
    let tls = json!({"caData": STANDARD.encode(std::fs::read(bench.remote.folder().join("ca.crt")).unwrap())});
    let config = json!({"bearerToken": first, "username": "u", "password": watch.hidden(PASSWORD), "tlsClientConfig": tls});
    watch.by_hand("mine", &watch.server, &config).await;
    watch.by_hand("theirs", &watch.beside, &json!({"bearerToken": watch.hidden(OPAQUE), "tlsClientConfig": tls})).await;
    watch.manager("old", &watch.beside).await;
    watch.manager("tls", &bench.hub.server).await;

    watch.lies("", |_, _| None);
    for name in [CLUSTER, "old", "tls"] {
        watch.declare(name).await;
    }
    watch.reason(CLUSTER, "SecretApplied", "Adopted").await;
    watch.reason(CLUSTER, "Ready", "Ready").await;
    watch.reason("tls", "RemoteReachable", "TLSFailed").await;
    watch.reason("old", "PermissionsProven", "NotChecked").await;

    // Everything is asked in vain, and each answer has the credential in it that came with the question.
    watch.lies("", |told, _| Some(Lie::Answer(500, format!("<html>no: Authorization: {told}</html>"))));
    watch.reason(CLUSTER, "RemoteReachable", "ConnectionFailed").await;
    watch.lies("", |told, _| Some(Lie::Answer(401, refusal(401, told))));
    watch.reason(CLUSTER, "RemoteReachable", "ManagerUnauthorized").await;
    watch.lies("", |told, _| Some(Lie::Answer(200, format!("garbage, {told}"))));
    watch.reason(CLUSTER, "RemoteReachable", "ConnectionFailed").await;
    watch.lies("", |told, _| Some(Lie::Answer(403, refusal(403, told))));
    watch.reason(CLUSTER, "RemoteReachable", "ManagerUnauthorized").await;
    watch.lies("", |told, _| Some(Lie::Answer(302, format!("https://127.0.0.1:1/?{}", told.replace(' ', "-")))));
    watch.reason(CLUSTER, "RemoteReachable", "ConnectionFailed").await;
    watch.lies("", |_, _| None);
    watch.reason(CLUSTER, "Ready", "Ready").await;

    // A new credential cannot be made, cannot be read, or does not work.
    watch.lies(WHO, |told, _| Some(Lie::Answer(403, refusal(403, told))));
    watch.fails_to_rotate("a credential could not be made").await;
    watch.lies(WHO, |told, _| Some(Lie::Answer(201, format!("{{\"kind\": \"SelfSubjectReview\", \"status\": \"{told}\"}}"))));
    watch.fails_to_rotate("a credential could not be made").await;
    watch.lies(TOKENS, |told, _| Some(Lie::Answer(500, refusal(500, told))));
    watch.fails_to_rotate("a credential could not be made").await;
    watch.lies(TOKENS, |_, secrets| {
        Some(Lie::Mangle(Box::new(move |text| {
            let answer: Value = serde_json::from_str(&text).unwrap();
            secrets.lock().unwrap().extend(answer["status"]["token"].as_str().map(ToOwned::to_owned));
            text.replacen('}', "", 1)
        })))
    });
    watch.fails_to_rotate("the answer is no token").await;

    watch.lies("", |_, _| None);
    watch.reason(CLUSTER, "CredentialReady", "Rotating").await;
    let now = crate::bench::token(&bench.secret("mine").await.unwrap());
    assert_ne!(watch.hidden(&now), first);
    for arguments in [&["plan"][..], &["plan", "-o", "json"], &["explain", "terminal", "--app", "shop/web", "--user", "alice"]] {
        watch.command(arguments).await;
    }
    for operator in bench.release.kubelet.operators() {
        let (_, metrics) = get(&format!("http://127.0.0.1:{}/metrics", operator.ports.values().next().unwrap())).await.unwrap();
        watch.tell("the metrics", metrics);
    }
    watch.objects().await;
    let taken = json!(bench.secret("mine").await).to_string();
    for name in ["old", "tls", CLUSTER] {
        bench.accesses().delete(name, &DeleteParams::default()).await.unwrap();
    }
    bench.gone().await;
    let back = bench.secret("mine").await.unwrap();
    assert_eq!(value(&back, "config"), Some(config.to_string()), "it is given back");
    watch.objects().await;
    watch.tell("the logs", bench.release.kubelet.log());

    let secrets = watch.secrets.lock().unwrap().clone();
    assert!(secrets.len() >= 6, "some were made and never used: {}", secrets.len());
    assert!(shapes(&first).iter().any(|shape| taken.contains(shape.as_str())), "the search would find what is in a Secret");
    let literal = |secret: &String| shapes(secret).into_iter().map(|shape| regex::escape(&shape)).collect::<Vec<_>>().join("|");
    let mut leaks = Vec::new();
    for (what, text) in watch.told.lock().unwrap().iter() {
        for (index, secret) in secrets.iter().enumerate() {
            if let Some(found) = regex::Regex::new(&literal(secret)).unwrap().find(text) {
                let line = text[..found.start()].rfind('\n').map_or(0, |at| at + 1).max(found.start().saturating_sub(400));
                let line = text.get(line..found.start()).unwrap_or_default();
                leaks.push(format!("secret {index} in {what}, after: {line}"));
            }
        }
    }
    assert!(bench.release.kubelet.log().contains("TRACE"), "the log has everything");
    assert!(leaks.is_empty(), "{leaks:#?}");
}

fn refusal(code: u16, told: &str) -> String {
    let message = format!("not by {told}");
    json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "reason": "Forbidden", "code": code, "message": message})
        .to_string()
}
