//! What argocd-server asks of the principal's resource proxy, with the certificate of one agent's cluster Secret.

use std::{net::Ipv4Addr, sync::Arc, time::Duration};

use futures::{SinkExt, StreamExt};
use kube::{Client, Config};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_tungstenite::tungstenite::{Error, Message, client::IntoClientRequest, http::HeaderValue};

use super::super::certificates::{Authority, Pair};
use super::super::process::random;
use super::principal::RESOURCE_PROXY;

/// How long an answer may take; the principal itself waits 30 seconds for the agent.
const PATIENCE: Duration = Duration::from_secs(40);
/// How long a command in a terminal may take.
const LIMIT: Duration = Duration::from_secs(20);
/// What a newer argocd-server speaks to `pods/exec`.
const PROTOCOL: &str = "v5.channel.k8s.io";

/// The answer to a request.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The body, text.
    pub body: String,
}

impl Answer {
    /// The body as JSON; `null` where it is none.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }
}

/// A client of the resource proxy.
pub struct ResourceProxy {
    client: Client,
    tls: TlsConnector,
}

impl ResourceProxy {
    pub(super) fn new(authority: &Authority, identity: &Pair) -> Self {
        let address = format!("https://127.0.0.1:{RESOURCE_PROXY}");
        let mut config = Config::new(address.parse().expect("the resource proxy's address"));
        config.root_cert = Some(vec![authority.der()]);
        let credentials = json!({ "client-certificate": identity.certificate, "client-key": identity.key });
        config.auth_info = serde_json::from_value(credentials).expect("credentials of a kubeconfig");
        Self { client: Client::try_from(config).expect("a client of the resource proxy"), tls: tls(authority, identity) }
    }

    /// GET.
    pub async fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &Value::Null).await
    }

    /// Any request; a body of `null` is none.
    pub async fn send(&self, method: &str, path: &str, body: &Value) -> Answer {
        let content = if method == "PATCH" { "application/merge-patch+json" } else { "application/json" };
        let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        let request = hyper::Request::builder().method(method).uri(path).header("Content-Type", content);
        let request = request.body(kube::client::Body::from(body)).expect("a request");
        let response = tokio::time::timeout(PATIENCE, self.client.send(request)).await;
        let response = response.unwrap_or_else(|_elapsed| panic!("{method} {path}: no answer of the resource proxy within {PATIENCE:?}"));
        let response = response.unwrap_or_else(|error| panic!("{method} {path} at the resource proxy: {error}"));
        let status = response.status().as_u16();
        let bytes = response.into_body().collect_bytes().await.unwrap_or_else(|error| panic!("the answer to {method} {path}: {error}"));
        Answer { status, body: String::from_utf8_lossy(&bytes).into_owned() }
    }

    /// Opens a shell, as Argo CD's terminal does, runs a command in it and gives what was shown; `Err` where the WebSocket is refused, or
    /// ends before: what the principal says in it then, which it does not always manage to.
    pub async fn shell(&self, namespace: &str, pod: &str, container: &str, command: &str) -> Result<String, String> {
        let query = format!("container={container}&stdin=true&stdout=true&tty=true&command=sh");
        let address = format!("wss://localhost:{RESOURCE_PROXY}/api/v1/namespaces/{namespace}/pods/{pod}/exec?{query}");
        let mut request = address.into_client_request().expect("the address of a terminal");
        request.headers_mut().insert("Sec-WebSocket-Protocol", HeaderValue::from_static(PROTOCOL));

        let socket = TcpStream::connect((Ipv4Addr::LOCALHOST, RESOURCE_PROXY)).await.map_err(|error| error.to_string())?;
        let name = ServerName::try_from("localhost").expect("a name");
        let stream = self.tls.connect(name, socket).await.map_err(|error| error.to_string())?;
        let (mut socket, _response) = match tokio_tungstenite::client_async(request, stream).await {
            Ok(opened) => opened,
            Err(Error::Http(response)) => return Err(format!("HTTP {}", response.status().as_u16())),
            Err(error) => return Err(error.to_string()),
        };
        // What the terminal shows of the input has `%s`, never the number: only the shell's own output ends the wait.
        let number = random();
        let (end, input) = (format!("end-{number}"), format!("\0{command}; printf 'end-%s\\n' {number}\n"));
        // A refusal may come sooner than this; then it is in what is read.
        let _sent = socket.send(Message::binary(input)).await;
        let mut shown = String::new();
        let answer = async {
            while !shown.contains(&end) {
                match socket.next().await {
                    // The first byte is the channel.
                    Some(Ok(Message::Binary(bytes))) => shown.push_str(&String::from_utf8_lossy(bytes.get(1..).unwrap_or_default())),
                    Some(Ok(Message::Text(text))) => return Err(text.to_string()),
                    Some(Ok(Message::Close(_))) | None => return Err("closed".to_owned()),
                    Some(Ok(_ping)) => {}
                    Some(Err(error)) => return Err(error.to_string()),
                }
            }
            Ok(())
        };
        let answer = tokio::time::timeout(LIMIT, answer).await;
        answer.map_err(|_elapsed| format!("silent for {LIMIT:?}"))?.map(|()| shown.replace('\r', ""))
    }
}

fn tls(authority: &Authority, identity: &Pair) -> TlsConnector {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(authority.der().into()).expect("the authority's certificate");
    let certificate = CertificateDer::from_pem_file(&identity.certificate).expect("the certificate of an agent");
    let key = PrivateKeyDer::from_pem_file(&identity.key).expect("the key of an agent");
    let config = rustls::ClientConfig::builder().with_root_certificates(roots).with_client_auth_cert(vec![certificate], key);
    TlsConnector::from(Arc::new(config.expect("a TLS client")))
}
