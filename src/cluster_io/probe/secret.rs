//! The cluster Secret of one agent, as argocd-agentctl makes it. Nothing in it is ever shown: its types have no `Debug`, its errors name fields
//! and no values, and what was read is overwritten when it is dropped.

use std::collections::BTreeMap;

use http::{Request, Uri};
use jiff::Timestamp;
use k8s_openapi::ByteString;
use kube::Client;
use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use x509_parser::prelude::{FromDer, X509Certificate};
use zeroize::Zeroizing;

use crate::cluster_io::request;

/// The labels that make a Secret the cluster Secret of an agent.
const KIND: (&str, &str) = ("argocd.argoproj.io/secret-type", "cluster");
/// Which agent.
const AGENT: &str = "argocd-agent.argoproj-labs.io/agent-name";
/// One whose agent is told by a token.
const SELF_REGISTERED: &str = "argocd-agent.argoproj-labs.io/self-registered-cluster";

/// What is needed of it.
pub struct ClusterSecret {
    /// The host of its server.
    pub host: String,
    /// The port.
    pub port: u16,
    /// The name that the server's certificate must have.
    pub server_name: String,
    /// When the client certificate expires.
    pub expires: Timestamp,
    authorities: RootCertStore,
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

/// Why it cannot be used.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum SecretError {
    /// The API server refused, or there is none.
    #[error("{0}")]
    Request(String),
    /// It is the Secret of something else.
    #[error("the Secret has not the label {0}, so it is not this agent's cluster Secret")]
    Label(&'static str),
    /// A field is missing, or not as it must be.
    #[error("{0} of the Secret is missing, or not as it must be")]
    Field(&'static str),
    /// The server is not one of the namespace.
    #[error("the server of the Secret, {0}, is no Service of this namespace")]
    Foreign(String),
    /// Its certificate is that of another agent.
    #[error("the client certificate of the Secret is not this agent's")]
    OtherAgent,
    /// The agent is told by a token.
    #[error("the agent has registered itself, and is told by a token, which is not used for this")]
    SelfRegistered,
    /// The server's certificate would not be looked at.
    #[error("the Secret says insecure: the server's certificate would not be looked at")]
    Insecure,
}

#[derive(Deserialize)]
struct Object {
    metadata: Metadata,
    data: Option<Data>,
}

#[derive(Deserialize)]
struct Metadata {
    #[serde(default)]
    labels: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Data {
    server: Option<ByteString>,
    config: Option<ByteString>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Config {
    tls_client_config: Option<TlsClientConfig>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct TlsClientConfig {
    #[serde(default)]
    insecure: bool,
    #[serde(default)]
    server_name: String,
    ca_data: Option<ByteString>,
    cert_data: Option<ByteString>,
    key_data: Option<ByteString>,
}

impl ClusterSecret {
    /// Reads the Secret `cluster-<agent>`, and no other.
    ///
    /// # Errors
    /// When it may not be read, or is not as it must be.
    pub async fn fetch(client: &Client, namespace: &str, agent: &str) -> Result<Self, SecretError> {
        let name = format!("cluster-{agent}");
        let asked = Request::get(format!("/api/v1/namespaces/{namespace}/secrets/{name}")).body(Vec::new());
        let asked = asked.map_err(|_| SecretError::Request(format!("get Secret {namespace}/{name}: no such name")))?;
        // As text: what cannot be parsed is logged by the client, as a whole.
        let text = request(format!("get Secret {namespace}/{name}"), client.request_text(asked)).await;
        Self::read(&Zeroizing::new(text.map_err(|error| SecretError::Request(error.chain()))?), agent)
    }

    /// Reads the Secret's JSON.
    ///
    /// # Errors
    /// When it is not as it must be.
    pub fn read(text: &str, agent: &str) -> Result<Self, SecretError> {
        let object: Object = parse(text.as_bytes(), "the object")?;
        let label = |key: &str| object.metadata.labels.get(key).map(String::as_str);
        if label(KIND.0) != Some(KIND.1) {
            return Err(SecretError::Label(KIND.0));
        }
        if label(AGENT) != Some(agent) {
            return Err(SecretError::Label(AGENT));
        }
        if label(SELF_REGISTERED) == Some("true") {
            return Err(SecretError::SelfRegistered);
        }
        let data = object.data.ok_or(SecretError::Field("data"))?;
        let (host, port) = data.server.as_ref().and_then(server).ok_or(SecretError::Field("data.server"))?;
        let config = bytes(data.config, "data.config")?;
        let config: Config = parse(&config, "data.config")?;
        let tls = config.tls_client_config.ok_or(SecretError::Field("tlsClientConfig"))?;
        let (ca, cert, key) = (bytes(tls.ca_data, "caData")?, bytes(tls.cert_data, "certData")?, bytes(tls.key_data, "keyData")?);
        if tls.insecure {
            return Err(SecretError::Insecure);
        }
        let chain = certificates(&cert).ok_or(SecretError::Field("certData"))?;
        let expires = expiry(chain.first().ok_or(SecretError::Field("certData"))?, agent)?;
        let mut authorities = RootCertStore::empty();
        for authority in certificates(&ca).ok_or(SecretError::Field("caData"))? {
            authorities.add(authority).map_err(|_| SecretError::Field("caData"))?;
        }
        if authorities.is_empty() {
            return Err(SecretError::Field("caData"));
        }
        let key = PrivateKeyDer::from_pem_slice(&key).map_err(|_| SecretError::Field("keyData"))?;
        let server_name = if tls.server_name.is_empty() { host.clone() } else { tls.server_name };
        Ok(Self { host, port, server_name, expires, authorities, chain, key })
    }

    /// What a connection is made with.
    #[must_use]
    pub fn into_parts(self) -> (RootCertStore, Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
        (self.authorities, self.chain, self.key)
    }
}

/// An error of the parser would quote what it could not parse.
fn parse<T: DeserializeOwned>(text: &[u8], field: &'static str) -> Result<T, SecretError> {
    serde_json::from_slice(text).map_err(|_| SecretError::Field(field))
}

fn bytes(value: Option<ByteString>, field: &'static str) -> Result<Zeroizing<Vec<u8>>, SecretError> {
    value.map(|value| Zeroizing::new(value.0)).filter(|value| !value.is_empty()).ok_or(SecretError::Field(field))
}

fn certificates(pem: &[u8]) -> Option<Vec<CertificateDer<'static>>> {
    CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>().ok()
}

/// `https://host:port`, with no more than the query by which argocd-agent makes it another one for each agent.
fn server(value: &ByteString) -> Option<(String, u16)> {
    let uri: Uri = std::str::from_utf8(&value.0).ok()?.parse().ok()?;
    let authority = uri.authority()?;
    let plain = uri.scheme_str() == Some("https") && matches!(uri.path(), "" | "/") && !authority.as_str().contains('@');
    plain.then(|| (authority.host().to_ascii_lowercase(), authority.port_u16().unwrap_or(443)))
}

/// When the certificate expires; its common name says whose it is.
fn expiry(certificate: &CertificateDer<'_>, agent: &str) -> Result<Timestamp, SecretError> {
    let (_, parsed) = X509Certificate::from_der(certificate).map_err(|_| SecretError::Field("certData"))?;
    if parsed.subject().iter_common_name().next().and_then(|name| name.as_str().ok()) != Some(agent) {
        return Err(SecretError::OtherAgent);
    }
    Timestamp::from_second(parsed.validity().not_after.timestamp()).map_err(|_| SecretError::Field("certData"))
}
