//! Tries out whether an agent answers through the principal, as argocd-server would ask: with the client certificate of its cluster Secret,
//! over the certificate authority in that Secret, to a Service of the instance's namespace and nowhere else. Redirects are not followed.
//!
//! It asks for `/api`, which needs no right of the agent and no object; `/version` the principal answers itself. Of the answer only the
//! status is looked at.

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use http::header::{ACCEPT, HOST, USER_AGENT};
use http::{Request, StatusCode};
use http_body_util::Empty;
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Service;
use kube::Client;
use rustls::pki_types::ServerName;
use rustls::{AlertDescription, ClientConfig};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::live::principal::answers::{Answer, Tried};
use crate::live::principal::services;

mod secret;

#[cfg(test)]
mod tests;

pub use secret::{ClusterSecret, SecretError};

/// The longest that one try may take: the principal itself waits 30 s for an agent.
pub const TIMEOUT: Duration = Duration::from_secs(35);

/// How a connection is made to a host (an address, or a name of the cluster's DNS) and a port.
pub type Dial = Arc<dyn Fn(String, u16) -> BoxFuture<'static, std::io::Result<TcpStream>> + Send + Sync>;

/// Tries agents of one instance.
#[derive(Clone)]
pub struct Prober {
    client: Client,
    namespace: String,
    dial: Dial,
}

/// Why there was no answer. No text of it holds anything of the Secret.
#[derive(Debug, thiserror::Error)]
enum ProbeError {
    #[error("the certificate was refused ({0:?})")]
    Refused(AlertDescription),
    #[error("no answer within {} s", TIMEOUT.as_secs())]
    Timeout,
    #[error("connect: {0}")]
    Connect(#[source] std::io::Error),
    #[error("TLS: {0}")]
    Tls(String),
    #[error("HTTP: {0}")]
    Http(String),
}

impl Prober {
    /// Over the network of the cluster.
    #[must_use]
    pub fn new(client: Client, namespace: &str) -> Self {
        Self::over(client, namespace, Arc::new(|host, port| Box::pin(async move { TcpStream::connect((host, port)).await })))
    }

    /// Over connections that are made in another way.
    #[must_use]
    pub fn over(client: Client, namespace: &str, dial: Dial) -> Self {
        Self { client, namespace: namespace.to_owned(), dial }
    }

    /// Tries one agent. `services`: those of the instance's namespace.
    pub async fn ask(&self, agent: &str, services: &[Arc<Service>]) -> Tried {
        let at = Timestamp::now();
        match ClusterSecret::fetch(&self.client, &self.namespace, agent).await {
            Ok(secret) => ask(secret, services, &self.namespace, &self.dial, at).await,
            Err(error) => Tried { answer: Answer::NotAsked(error.to_string()), certificate_expires: None, at },
        }
    }
}

/// Asks with what a cluster Secret holds.
async fn ask(secret: ClusterSecret, services: &[Arc<Service>], namespace: &str, dial: &Dial, at: Timestamp) -> Tried {
    let certificate_expires = Some(secret.expires);
    let tried = |answer| Tried { answer, certificate_expires, at };
    let Some(service) = services::of_host(services, &secret.host, namespace) else {
        return tried(Answer::NotAsked(SecretError::Foreign(secret.host).to_string()));
    };
    let target = target(service, namespace);
    let answer = tokio::time::timeout(TIMEOUT, get(secret, target, dial)).await.unwrap_or(Err(ProbeError::Timeout));
    tried(match answer {
        Ok(code) => Answer::Code(code.as_u16()),
        Err(ProbeError::Refused(alert)) => Answer::Refused(format!("{alert:?}")),
        Err(error) => Answer::Nothing(error.to_string()),
    })
}

/// Where a Service is reached: by its own address, which no name server can lead astray.
fn target(service: &Service, namespace: &str) -> String {
    let address = service.spec.as_ref().and_then(|s| s.cluster_ip.clone()).filter(|ip| ip.parse::<std::net::IpAddr>().is_ok());
    address.unwrap_or_else(|| format!("{}.{namespace}.svc", service.metadata.name.as_deref().unwrap_or_default()))
}

async fn get(secret: ClusterSecret, target: String, dial: &Dial) -> Result<StatusCode, ProbeError> {
    let (host, port) = (secret.host.clone(), secret.port);
    let name = ServerName::try_from(secret.server_name.clone()).map_err(|_| ProbeError::Tls("the name of the server is none".to_owned()))?;
    let config = config(secret)?;
    let connection = dial(target, port).await.map_err(ProbeError::Connect)?;
    let tls = TlsConnector::from(Arc::new(config)).connect(name, connection).await.map_err(|error| broken(&error, ProbeError::Tls))?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(tls)).await.map_err(|error| broken(&error, ProbeError::Http))?;
    let request = Request::get("/api")
        .header(HOST, format!("{host}:{port}"))
        .header(USER_AGENT, crate::api::FIELD_MANAGER)
        .header(ACCEPT, "application/json")
        .body(Empty::<Bytes>::new())
        .map_err(|_| ProbeError::Http("the request cannot be made".to_owned()))?;
    let mut connection = std::pin::pin!(connection);
    let mut sent = std::pin::pin!(sender.send_request(request));
    // Both are driven here, so that nothing goes on once the try is over.
    let response = tokio::select! {
        response = &mut sent => response,
        ended = &mut connection => match ended {
            Err(error) => Err(error),
            Ok(()) => sent.await,
        },
    };
    response.map(|response| response.status()).map_err(|error| broken(&error, ProbeError::Http))
}

fn config(secret: ClusterSecret) -> Result<ClientConfig, ProbeError> {
    let (authorities, chain, key) = secret.into_parts();
    ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|_| ProbeError::Tls("no version of TLS".to_owned()))?
        .with_root_certificates(authorities)
        .with_client_auth_cert(chain, key)
        .map_err(|_| ProbeError::Tls("the certificate and the key of the Secret do not go together".to_owned()))
}

/// An alert about our certificate comes as an error of whatever was going on: with TLS 1.3 only when the answer is read.
fn broken(error: &(dyn std::error::Error + 'static), other: fn(String) -> ProbeError) -> ProbeError {
    use AlertDescription as Alert;
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    let mut last = error.to_string();
    while let Some(one) = cause {
        let inner = one.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref).and_then(|inner| inner.downcast_ref::<rustls::Error>());
        match inner.or_else(|| one.downcast_ref::<rustls::Error>()) {
            Some(rustls::Error::AlertReceived(
                alert @ (Alert::BadCertificate
                | Alert::UnsupportedCertificate
                | Alert::CertificateRevoked
                | Alert::CertificateExpired
                | Alert::CertificateUnknown
                | Alert::CertificateRequired
                | Alert::UnknownCA
                | Alert::DecryptError
                | Alert::AccessDenied),
            )) => return ProbeError::Refused(*alert),
            Some(tls) => return ProbeError::Tls(tls.to_string()),
            None => last = one.to_string(),
        }
        cause = one.source();
    }
    other(last)
}
