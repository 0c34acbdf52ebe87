//! Against a principal that is none: mTLS, and one answer.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::*;

const HOST: &str = "argocd-agent-resource-proxy";

struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate and its key, PEM.
struct Pair(String, String);

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    fn sign(&self, common_name: &str, names: &[&str], usage: ExtendedKeyUsagePurpose) -> Pair {
        let mut params = CertificateParams::new(names.iter().map(ToString::to_string).collect::<Vec<_>>()).unwrap();
        params.distinguished_name.push(DnType::CommonName, common_name);
        params.extended_key_usages = vec![usage];
        let key = KeyPair::generate().unwrap();
        Pair(params.signed_by(&key, &self.0).unwrap().pem(), key.serialize_pem())
    }

    fn client(&self, agent: &str) -> Pair {
        self.sign(agent, &[], ExtendedKeyUsagePurpose::ClientAuth)
    }
}

fn encoded(text: &str) -> Value {
    serde_json::to_value(k8s_openapi::ByteString(text.as_bytes().to_vec())).unwrap()
}

/// A cluster Secret as argocd-agentctl makes it.
fn secret(agent: &str, server: &str, authority: &Authority, client: &Pair) -> Value {
    let tls = json!({"insecure": false, "caData": encoded(&authority.0.pem()), "certData": encoded(&client.0), "keyData": encoded(&client.1)});
    json!({
        "apiVersion": "v1", "kind": "Secret",
        "metadata": {"name": format!("cluster-{agent}"), "labels": {"argocd.argoproj.io/secret-type": "cluster", "argocd-agent.argoproj-labs.io/agent-name": agent}},
        "data": {"name": encoded(agent), "server": encoded(server), "config": encoded(&json!({"tlsClientConfig": tls}).to_string())},
    })
}

fn service(name: &str) -> Arc<Service> {
    Arc::new(serde_json::from_value(json!({"metadata": {"name": name}, "spec": {"clusterIP": "10.0.0.7", "ports": [{"port": 9090}]}})).unwrap())
}

/// A principal that trusts this authority's clients and answers so; what it was sent.
async fn principal(authority: &Authority, answer: &'static str) -> (std::net::SocketAddr, Arc<Mutex<Vec<String>>>) {
    let Pair(certificate, key) = authority.sign(HOST, &[HOST], ExtendedKeyUsagePurpose::ServerAuth);
    let mut clients = RootCertStore::empty();
    clients.add(CertificateDer::from(authority.0.der().to_vec())).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(clients), Arc::clone(&provider)).build().unwrap();
    let chain = vec![CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()];
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain, PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap())
        .unwrap();
    let (listener, acceptor) = (TcpListener::bind("127.0.0.1:0").await.unwrap(), TlsAcceptor::from(Arc::new(config)));
    let (address, sent) = (listener.local_addr().unwrap(), Arc::new(Mutex::new(Vec::new())));
    let heard = Arc::clone(&sent);
    tokio::spawn(async move {
        while let Ok((connection, _)) = listener.accept().await {
            let Ok(mut tls) = acceptor.accept(connection).await else { continue };
            let mut buffer = vec![0; 4096];
            let read = tls.read(&mut buffer).await.unwrap_or(0);
            heard.lock().unwrap().push(String::from_utf8_lossy(&buffer[..read]).into_owned());
            let _ = tls.write_all(answer.as_bytes()).await;
            let _ = tls.shutdown().await;
        }
    });
    (address, sent)
}

/// What connections were meant for.
type Asked = Arc<Mutex<Vec<(String, u16)>>>;

/// Every connection goes to this address, whatever it was meant for.
fn led_to(address: std::net::SocketAddr) -> (Dial, Asked) {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&asked);
    let dial: Dial = Arc::new(move |host, port| {
        noted.lock().unwrap().push((host, port));
        Box::pin(TcpStream::connect(address))
    });
    (dial, asked)
}

async fn tried(secret: &Value, agent: &str, dial: &Dial) -> Tried {
    let at = Timestamp::now();
    match ClusterSecret::read(&secret.to_string(), agent) {
        Ok(secret) => ask(secret, &[service(HOST)], "argocd", dial, at).await,
        Err(error) => Tried { answer: Answer::NotAsked(error.to_string()), certificate_expires: None, at },
    }
}

fn url(host: &str) -> String {
    format!("https://{host}:9090?agentName=one")
}

#[tokio::test]
async fn each_answer_comes_back_as_its_code_and_a_redirect_is_not_followed() {
    for (answer, code) in [
        ("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}", 200),
        ("HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n", 401),
        ("HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n", 502),
        ("HTTP/1.1 504 Gateway Timeout\r\ncontent-length: 0\r\n\r\n", 504),
        ("HTTP/1.1 302 Found\r\nlocation: https://elsewhere.example.com/\r\ncontent-length: 0\r\n\r\n", 302),
    ] {
        let authority = Authority::new();
        let (address, sent) = principal(&authority, answer).await;
        let (dial, asked) = led_to(address);
        let secret = secret("one", &url(HOST), &authority, &authority.client("one"));
        let tried = tried(&secret, "one", &dial).await;
        assert_eq!(tried.answer, Answer::Code(code));
        assert!(tried.certificate_expires.is_some_and(|end| end > Timestamp::now()));
        assert_eq!(*asked.lock().unwrap(), [("10.0.0.7".to_owned(), 9090)], "one connection, to the Service's own address");
        let sent = sent.lock().unwrap().clone();
        assert!(sent.len() == 1 && sent[0].starts_with("GET /api HTTP/1.1\r\n"), "{sent:?}");
        assert!(sent[0].contains("host: argocd-agent-resource-proxy:9090") && !sent[0].to_lowercase().contains("authorization"), "{sent:?}");
    }
}

#[tokio::test]
async fn a_certificate_that_the_principal_does_not_trust_is_refused_and_so_is_its_own() {
    let (authority, other) = (Authority::new(), Authority::new());
    let (address, sent) = principal(&authority, "HTTP/1.1 200 OK\r\n\r\n").await;
    let (dial, _) = led_to(address);
    let strangers = tried(&secret("one", &url(HOST), &authority, &other.client("one")), "one", &dial).await;
    assert!(matches!(strangers.answer, Answer::Refused(_)), "{strangers:?}");
    let not_trusted = tried(&secret("one", &url(HOST), &other, &authority.client("one")), "one", &dial).await;
    assert!(matches!(&not_trusted.answer, Answer::Nothing(why) if why.starts_with("TLS")), "{not_trusted:?}");
    assert!(sent.lock().unwrap().is_empty(), "nothing was asked");
}

#[tokio::test]
async fn a_host_that_is_no_service_of_the_namespace_is_not_connected_to() {
    let authority = Authority::new();
    let (address, _) = principal(&authority, "HTTP/1.1 200 OK\r\n\r\n").await;
    let (dial, asked) = led_to(address);
    for host in
        ["elsewhere.example.com", "argocd-repo-server", "argocd-agent-resource-proxy.other.svc", "127.0.0.1", "argocd-agent-resource-proxy.evil.com"]
    {
        let tried = tried(&secret("one", &url(host), &authority, &authority.client("one")), "one", &dial).await;
        assert!(matches!(&tried.answer, Answer::NotAsked(why) if why.contains(host)), "{host}: {tried:?}");
    }
    assert!(asked.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_principal_that_is_not_there_is_told_without_more() {
    let authority = Authority::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (dial, _) = led_to(listener.local_addr().unwrap());
    drop(listener);
    let tried = tried(&secret("one", &url(HOST), &authority, &authority.client("one")), "one", &dial).await;
    assert!(matches!(&tried.answer, Answer::Nothing(why) if why.starts_with("connect")), "{tried:?}");
}

#[test]
fn a_secret_that_is_not_the_agents_own_is_not_used() {
    let authority = Authority::new();
    let good = || secret("one", &url(HOST), &authority, &authority.client("one"));
    let read = |secret: &Value| ClusterSecret::read(&secret.to_string(), "one").err();
    assert_eq!(read(&good()), None);
    let labels = |key: &str, value: Value| {
        let mut secret = good();
        secret["metadata"]["labels"][key] = value;
        read(&secret)
    };
    assert_eq!(labels("argocd.argoproj.io/secret-type", json!("repository")), Some(SecretError::Label("argocd.argoproj.io/secret-type")));
    let name = "argocd-agent.argoproj-labs.io/agent-name";
    assert_eq!(labels(name, json!("two")), Some(SecretError::Label(name)));
    assert_eq!(labels("argocd-agent.argoproj-labs.io/self-registered-cluster", json!("true")), Some(SecretError::SelfRegistered));
    assert_eq!(read(&secret("one", &url(HOST), &authority, &authority.client("two"))), Some(SecretError::OtherAgent));
    for server in
        ["http://argocd-agent-resource-proxy:9090", "https://a@argocd-agent-resource-proxy:9090", "https://argocd-agent-resource-proxy/x", "x", ""]
    {
        assert_eq!(read(&secret("one", server, &authority, &authority.client("one"))), Some(SecretError::Field("data.server")), "{server}");
    }
    let client = authority.client("one");
    let config = |tls: Value| {
        let mut secret = good();
        secret["data"]["config"] = encoded(&json!({"tlsClientConfig": tls}).to_string());
        read(&secret)
    };
    let (ca, cert, key) = (encoded(&authority.0.pem()), encoded(&client.0), encoded(&client.1));
    assert_eq!(config(json!({"insecure": true, "caData": ca, "certData": cert, "keyData": key})), Some(SecretError::Insecure));
    assert_eq!(config(json!({"certData": cert, "keyData": key})), Some(SecretError::Field("caData")));
    assert_eq!(config(json!({"caData": ca, "keyData": key})), Some(SecretError::Field("certData")));
    assert_eq!(config(json!({"caData": ca, "certData": cert})), Some(SecretError::Field("keyData")));
    assert_eq!(config(json!({"caData": encoded("no pem"), "certData": cert, "keyData": key})), Some(SecretError::Field("caData")));
}

/// Whatever is wrong with a Secret, nothing that it holds is in what is said of it.
#[tokio::test]
async fn no_part_of_a_secret_is_in_what_is_said_of_it() {
    const CANARY: &str = "CANARY-private-key-CANARY";
    let authority = Authority::new();
    let (address, _) = principal(&authority, "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    let (dial, _) = led_to(address);
    let client = authority.client("one");
    let key = client.1.lines().nth(1).unwrap().to_owned();
    let spoilt: [Value; 4] = [
        json!(CANARY),
        encoded(&format!("-----BEGIN PRIVATE KEY-----\n{CANARY}\n-----END PRIVATE KEY-----\n")),
        encoded(CANARY),
        encoded(&authority.client("one").1),
    ];
    let mut told = Vec::new();
    for key_data in spoilt.into_iter().chain([encoded(&client.1)]) {
        let mut secret = secret("one", &url(HOST), &authority, &client);
        let tls = json!({"caData": encoded(&authority.0.pem()), "certData": encoded(&client.0), "keyData": key_data});
        secret["data"]["config"] = encoded(&json!({"tlsClientConfig": tls}).to_string());
        let tried = tried(&secret, "one", &dial).await;
        told.push(format!("{tried:?}"));
        secret["data"]["config"] = json!(CANARY);
        told.push(ClusterSecret::read(&secret.to_string(), "one").err().map(|e| format!("{e} {e:?}")).unwrap());
    }
    told.push(ClusterSecret::read(CANARY, "one").err().map(|e| format!("{e} {e:?}")).unwrap());
    let all = told.join("\n");
    assert!(!all.contains("CANARY") && !all.contains(&key) && !all.contains("PRIVATE KEY"), "{all}");
    let codes = all.matches("Code(200)").count();
    assert_eq!(codes, 1, "{all}");
    let answers: BTreeMap<&str, usize> = BTreeMap::from([("NotAsked", all.matches("NotAsked").count()), ("Nothing", all.matches("Nothing").count())]);
    assert_eq!(answers, BTreeMap::from([("NotAsked", 3), ("Nothing", 1)]), "{all}");
}
