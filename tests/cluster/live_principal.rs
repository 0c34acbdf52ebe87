//! `LiveResourceAccess` of side Principal, on a real API server with the chart's own rules.

use std::sync::Arc;
use std::time::Duration;

use argocd_access::api::{LiveResourceAccess, LiveResourceAccessStatus};
use argocd_access::cluster_io::probe::{Dial, Prober};
use argocd_access::live::principal::answers::Answer;
use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet};
use k8s_openapi::api::core::v1::{ConfigMap, Pod, Secret, Service};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams};
use kube::{Api, ResourceExt};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::hands::short;
use crate::support::certificates::Authority;
use crate::support::hub::{self, CLOSED, PRINCIPAL, REDIS_PROXY};
use crate::support::{eventually, eventually::that, managers, manifests};
use crate::world::{SOON, Team};

const SERVED: &str = "{instance: {restartServer: WhenNeeded}, live: {enabled: true}}";
const PROXY: &str = "argocd-agent-redis-proxy:6379";
const PARAMS: &str = "argocd-cmd-params-cm";
const SERVER: &str = "argocd-server";
const OURS: &str = "argocd-access-resource-proxy";

struct Hub {
    team: Team,
}

impl Hub {
    async fn new(values: &str) -> Self {
        let hub = Self { team: Team::with_values(values).await };
        hub::install(&hub.team.client(), &hub.team.namespace, &[PRINCIPAL, CLOSED]).await;
        hub
    }

    async fn apply(&self, text: &str) {
        manifests::apply_text(&self.team.client(), &self.team.namespace, text).await;
    }

    fn api<K: kube::Resource<Scope = kube::core::NamespaceResourceScope, DynamicType = ()>>(&self) -> Api<K> {
        Api::namespaced(self.team.client(), &self.team.namespace)
    }

    async fn declare(&self, principal: Value) {
        let body = json!({"apiVersion": "argocd-access.dev/v1alpha1", "kind": "LiveResourceAccess", "metadata": {"name": "hub"},
            "spec": {"side": "Principal", "principal": principal}});
        self.api::<LiveResourceAccess>().patch("hub", &PatchParams::apply("test"), &Patch::Apply(&body)).await.unwrap();
    }

    async fn condition(&self, kind: &str, status: &str, reason: &str) -> LiveResourceAccessStatus {
        let api = self.api::<LiveResourceAccess>();
        eventually(&format!("{kind} is {status}/{reason}"), SOON * 2, || async {
            let access = api.get("hub").await.map_err(|e| e.to_string())?;
            let now = access.status.unwrap_or_default();
            let found = now.conditions.iter().any(|c| c.type_ == kind && c.status == status && c.reason == reason);
            let current = now.observed_generation == access.metadata.generation;
            that(found && current, || format!("{:#?}\n{}", now.conditions, self.team.release.kubelet.log())).map(|()| now)
        })
        .await
    }

    async fn delete(&self) {
        let api = self.api::<LiveResourceAccess>();
        api.delete("hub", &DeleteParams::default()).await.unwrap();
        eventually("the object is gone", SOON, || async {
            let left = api.get_opt("hub").await.map_err(|e| e.to_string())?;
            that(left.is_none(), || format!("{left:#?}\n{}", self.team.release.kubelet.log()))
        })
        .await;
    }

    /// What must come back: data, annotations and labels, and the template of argocd-server's pods.
    async fn picture(&self) -> Value {
        let params = self.api::<ConfigMap>().get(PARAMS).await.unwrap();
        let server = self.api::<Deployment>().get(SERVER).await.unwrap();
        let policies = self.api::<NetworkPolicy>().list(&ListParams::default()).await.unwrap();
        let policies: Vec<Value> = policies.iter().map(|p| json!({"name": p.name_any(), "labels": p.labels(), "spec": p.spec})).collect();
        json!({"params": {"data": params.data, "annotations": params.annotations(), "labels": params.labels()}, "spec": server.spec, "policies": policies})
    }

    async fn redis(&self) -> Option<String> {
        self.team.value(PARAMS, "redis.server").await
    }
}

#[tokio::test]
async fn argocd_server_is_led_to_the_proxy_restarted_once_and_all_of_it_comes_back() {
    let hub = Hub::new(SERVED).await;
    hub.apply(REDIS_PROXY).await;
    let former = json!({"data": {"redis.server": "argocd-redis-ha-haproxy:6379", "other": "x"}});
    hub.api::<ConfigMap>()
        .patch(PARAMS, &PatchParams { field_manager: Some("kubectl-edit".to_owned()), ..PatchParams::default() }, &Patch::Merge(former))
        .await
        .unwrap();
    let before = hub.picture().await;
    let replica_sets = hub.api::<ReplicaSet>();
    let made = async || {
        let all = replica_sets.list(&ListParams::default()).await.unwrap();
        all.iter().filter(|set| set.owner_references().iter().any(|o| o.name == SERVER)).count()
    };
    let (without, ready) = (made().await, "Ready");
    hub.declare(json!({})).await;
    let status = hub.condition(ready, "True", ready).await;
    assert_eq!(status.instance.unwrap().deployment.as_deref(), Some("argocd-agent-principal"));
    assert_eq!(hub.redis().await.as_deref(), Some(PROXY));
    let template = hub.api::<Deployment>().get(SERVER).await.unwrap().spec.unwrap().template.metadata.unwrap();
    assert_eq!(template.annotations.unwrap()["argocd-access.dev/redis-server"], PROXY);
    let policy = hub.api::<NetworkPolicy>().get(OURS).await.unwrap();
    assert_eq!(serde_json::to_value(&policy.spec).unwrap()["ingress"][0]["ports"], json!([{"port": 9090, "protocol": "TCP"}]));
    let with = made().await;
    assert_eq!(with, without + 1, "one restart");
    hub.team.release.kubelet.kill_operator();
    hub.team.release.ready().await;
    let mark = hub.team.cp.audit_mark().await;
    tokio::time::sleep(Duration::from_secs(20)).await;
    let mut written = hub.team.writes(mark).await;
    // Of objects elsewhere every operator of the cluster tells; and whoever starts takes its Lease again.
    written.retain(|w| w.namespace == hub.team.namespace && w.resource != "leases");
    assert_eq!(short(&written), [""; 0], "a steady state, and a new process, cost nothing");
    assert_eq!(made().await, with, "nor do they restart anything");
    hub.delete().await;
    assert_eq!(hub.picture().await, before);
    for holders in [managers(&hub.api::<ConfigMap>().get(PARAMS).await.unwrap()), managers(&hub.api::<Deployment>().get(SERVER).await.unwrap())] {
        assert!(!holders.contains("argocd-access"), "{holders:?}");
    }
    // The former owner goes on without a conflict.
    let theirs = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": PARAMS}, "data": {"redis.server": "x:1"}});
    let apply = PatchParams::apply("kubectl-edit");
    hub.api::<ConfigMap>().patch(PARAMS, &PatchParams { force: true, ..apply }, &Patch::Apply(&theirs)).await.unwrap();
}

#[tokio::test]
async fn without_the_proxys_service_nothing_is_set_and_a_policy_of_somebody_else_is_left_alone() {
    let hub = Hub::new(SERVED).await;
    let theirs = "{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: argocd-access-resource-proxy}, spec: {podSelector: {matchLabels: {app: of-somebody-else}}, policyTypes: [Ingress]}}";
    hub.apply(theirs).await;
    let before = hub.picture().await;
    hub.declare(json!({})).await;
    hub.condition("RedisProxyConfigured", "False", "ServiceMissing").await;
    hub.condition("NetworkReady", "False", "ForeignObject").await;
    assert_eq!(hub.picture().await, before);
    hub.apply(REDIS_PROXY).await;
    hub.condition("RedisProxyConfigured", "True", "Set").await;
    hub.api::<NetworkPolicy>().delete(OURS, &DeleteParams::default()).await.unwrap();
    hub.condition("Ready", "True", "Ready").await;
    hub.api::<NetworkPolicy>().delete("argocd-agent-redis-proxy", &DeleteParams::default()).await.unwrap();
    hub.condition("NetworkReady", "True", "NoPolicy").await;
    let left = hub.api::<NetworkPolicy>().get_opt(OURS).await.unwrap();
    assert!(left.is_none(), "ours alone would shut the principal off: {left:#?}");
    hub.delete().await;
    assert_eq!(hub.redis().await, None);
}

#[tokio::test]
async fn helm_keeps_its_configmap_and_where_no_restart_is_allowed_a_hand_is_enough() {
    let hub = Hub::new("live: {enabled: true}").await;
    hub.apply(REDIS_PROXY).await;
    let config_maps = hub.api::<ConfigMap>();
    config_maps.delete(PARAMS, &DeleteParams::default()).await.unwrap();
    let helms = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": PARAMS,
        "labels": {"app.kubernetes.io/managed-by": "Helm", "app.kubernetes.io/part-of": "argocd"}, "annotations": {"meta.helm.sh/release-name": "cd"}},
        "data": {"redis.server": "cd-redis:6379", "other": "x"}});
    config_maps.patch(PARAMS, &PatchParams::apply("helm"), &Patch::Apply(&helms)).await.unwrap();
    let before = hub.picture().await;
    hub.declare(json!({})).await;
    let status = hub.condition("Ready", "False", "RestartPending").await;
    let said = status.conditions.iter().find(|c| c.type_ == "RedisProxyConfigured").unwrap().message.clone();
    assert!(said.contains("rollout restart deployment/argocd-server"), "{said}");
    assert_eq!(hub.redis().await.as_deref(), Some(PROXY));
    assert!(!managers(&config_maps.get(PARAMS).await.unwrap()).contains("argocd-access"));
    // Times are whole seconds: a pod of the very second of the change counts as older.
    tokio::time::sleep(Duration::from_millis(1100)).await;
    hub.api::<Pod>()
        .delete_collection(&DeleteParams::default(), &ListParams::default().labels("app.kubernetes.io/name=argocd-server"))
        .await
        .unwrap();
    hub.condition("Ready", "True", "Ready").await;
    config_maps.patch(PARAMS, &PatchParams::apply("helm"), &Patch::Apply(&helms)).await.unwrap();
    eventually("after an upgrade it is put back", SOON, || async {
        let now = hub.redis().await;
        that(now.as_deref() == Some(PROXY), || format!("{now:?}"))
    })
    .await;
    hub.delete().await;
    assert_eq!(hub.picture().await, before);
}

/// Answers everybody who shows a certificate of this authority.
async fn stub(authority: &Authority, answer: &'static str) -> std::net::SocketAddr {
    let pair = authority.server("resource-proxy", &["argocd-agent-resource-proxy"]);
    let mut clients = rustls::RootCertStore::empty();
    clients.add(CertificateDer::from(authority.der())).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = rustls::server::WebPkiClientVerifier::builder_with_provider(Arc::new(clients), Arc::clone(&provider)).build().unwrap();
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier)
        .with_single_cert(vec![CertificateDer::from_pem_file(&pair.certificate).unwrap()], PrivateKeyDer::from_pem_file(&pair.key).unwrap())
        .unwrap();
    let (listener, acceptor) = (TcpListener::bind("127.0.0.1:0").await.unwrap(), tokio_rustls::TlsAcceptor::from(Arc::new(config)));
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((connection, _)) = listener.accept().await {
            let Ok(mut tls) = acceptor.accept(connection).await else { continue };
            let _ = tls.read(&mut [0; 4096]).await;
            let _ = tls.write_all(answer.as_bytes()).await;
            let _ = tls.shutdown().await;
        }
    });
    address
}

#[tokio::test]
async fn an_agent_is_tried_with_its_own_secret_and_no_other_secret_can_be_read() {
    let hub = Hub::new("{instance: {restartServer: WhenNeeded}, live: {enabled: true, agents: [one]}}").await;
    hub.apply(REDIS_PROXY).await;
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new(folder.path());
    let read = |path: &std::path::Path| std::fs::read_to_string(path).unwrap();
    let encoded = |text: &str| json!(k8s_openapi::ByteString(text.as_bytes().to_vec()));
    let mut keys = Vec::new();
    for agent in ["one", "two"] {
        let pair = authority.client(agent, agent, "agents");
        keys.push(read(&pair.key));
        let tls = json!({"insecure": false, "caData": encoded(&read(&authority.file())), "certData": encoded(&read(&pair.certificate)), "keyData": encoded(&read(&pair.key))});
        let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": format!("cluster-{agent}"),
            "labels": {"argocd.argoproj.io/secret-type": "cluster", "argocd-agent.argoproj-labs.io/agent-name": agent}},
            "stringData": {"name": agent, "server": format!("https://argocd-agent-resource-proxy:9090?agentName={agent}"),
                "config": json!({"tlsClientConfig": tls}).to_string()}});
        hub.api::<Secret>().patch(&format!("cluster-{agent}"), &PatchParams::apply("test"), &Patch::Apply(&secret)).await.unwrap();
    }
    let operator = hub.team.release.client().await;
    let secrets: Api<Secret> = Api::namespaced(operator.clone(), &hub.team.namespace);
    assert!(secrets.get("cluster-one").await.is_ok());
    for denied in [secrets.get("cluster-two").await.err(), secrets.get("argocd-secret").await.err(), secrets.list(&ListParams::default()).await.err()]
    {
        assert!(matches!(&denied, Some(kube::Error::Api(status)) if status.code == 403), "{denied:?}");
    }
    let services: Vec<Arc<Service>> = hub.api::<Service>().list(&ListParams::default()).await.unwrap().into_iter().map(Arc::new).collect();
    for (answer, code) in [("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", 200), ("HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n", 502)] {
        let address = stub(&authority, answer).await;
        let dial: Dial = Arc::new(move |_, _| Box::pin(TcpStream::connect(address)));
        let prober = Prober::over(operator.clone(), &hub.team.namespace, dial);
        let tried = prober.ask("one", &services).await;
        assert_eq!(tried.answer, Answer::Code(code));
        assert!(tried.certificate_expires.is_some());
        let other = prober.ask("two", &services).await;
        assert!(matches!(&other.answer, Answer::NotAsked(why) if why.contains("cluster-two")), "{other:?}");
    }
    // The operator itself: nothing listens at the Service, and the other agent is not its to read.
    hub.declare(json!({"probe": {"mode": "ClientCertificate", "agents": ["one", "two"]}})).await;
    let status = hub.condition("RedisProxyConfigured", "True", "Set").await;
    assert_eq!(status.agents.iter().map(|a| a.name.as_str()).collect::<Vec<_>>(), ["one", "two"]);
    let told =
        format!("{}{}", serde_json::to_string(&hub.api::<LiveResourceAccess>().get("hub").await.unwrap()).unwrap(), hub.team.release.kubelet.log());
    for key in keys {
        let line = key.lines().nth(1).unwrap();
        assert!(!told.contains(line) && !told.contains("PRIVATE KEY"), "a key is in what the operator says");
    }
    hub.delete().await;
}
