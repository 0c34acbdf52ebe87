//! Argo CD's cluster Secret: what is in it, and how it is written. Pure.
//!
//! What is secret of it is in [`Whole`] alone, which has no `Debug`, is overwritten when it is dropped, and never gets into a plan. A plan
//! is made on its [`View`].

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use k8s_openapi::ByteString;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::aws::outlook::AwsAuthConfig;
use super::claims::Claims;
use super::names::BEFORE_KEY;
use crate::reconcile::seen::uid;
use crate::reconcile::write::{Action, Seal};

/// The key of the credential.
pub const CONFIG: &str = "config";
/// The other keys that Argo CD reads, none of which is secret.
pub const PLAIN: [&str; 6] = ["name", "server", "namespaces", "clusterResources", "project", "shard"];
/// When the credential expires: an annotation. Argo CD shows those to everybody who may see clusters.
pub const EXPIRES: &str = "argocd-access.dev/expires-at";

/// A Secret as it was read.
pub struct Whole {
    meta: ObjectMeta,
    data: BTreeMap<String, Zeroizing<Vec<u8>>>,
}

/// What can be said of it.
#[derive(Clone, Debug, Default)]
pub struct View {
    /// Its metadata.
    pub meta: ObjectMeta,
    /// What is not secret in it, by key.
    pub plain: BTreeMap<String, String>,
    /// By which credential Argo CD comes.
    pub config: Config,
    /// The memory of what was in it before it was adopted.
    pub before: Memory,
    /// The labels that are remembered, with their former values.
    pub remembered: BTreeMap<String, Option<String>>,
}

/// By which credential Argo CD comes, without what is secret of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// Of which kind it is.
    pub held: Held,
    /// SHA-256 of the certificate authority, in hexadecimal.
    pub ca_sha256: Option<String>,
    /// The server's certificate is not looked at.
    pub insecure: bool,
    /// The proxy on the way.
    pub proxy: Option<String>,
    /// Something else is set in it.
    pub more: bool,
}

/// A kind of credential.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Held {
    /// None, or nothing that can be read.
    #[default]
    Nothing,
    /// A token, and what it says of itself if it does.
    Token(Option<Claims>),
    /// A client certificate.
    Certificate,
    /// An identity of AWS.
    Aws {
        /// The name of the EKS cluster.
        cluster: String,
        /// The role that is assumed on the way.
        role: Option<String>,
    },
    /// A name and a password, or a program.
    Other,
}

/// What is known of what was there before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Memory {
    /// Nothing is remembered.
    #[default]
    Absent,
    /// All of it is.
    Whole,
    /// It was dropped or changed.
    Spoilt,
}

#[derive(Deserialize)]
struct Object {
    metadata: ObjectMeta,
    #[serde(default)]
    data: Option<BTreeMap<String, ByteString>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Raw {
    bearer_token: Option<Zeroizing<String>>,
    username: Option<Zeroizing<String>>,
    password: Option<Zeroizing<String>>,
    tls_client_config: Option<RawTls>,
    aws_auth_config: Option<RawAws>,
    exec_provider_config: Option<Value>,
    proxy_url: Option<String>,
    #[serde(default)]
    disable_compression: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawTls {
    #[serde(default)]
    insecure: bool,
    server_name: Option<String>,
    ca_data: Option<ByteString>,
    cert_data: Option<ByteString>,
    key_data: Option<ByteString>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawAws {
    #[serde(default)]
    cluster_name: String,
    #[serde(rename = "roleARN")]
    role_arn: Option<String>,
    profile: Option<String>,
}

/// What a client needs to come as Argo CD would: for a credential that others keep.
pub struct Login {
    /// A token.
    pub token: Option<Zeroizing<String>>,
    /// A certificate and its key, in PEM.
    pub certificate: Option<(Vec<u8>, Zeroizing<Vec<u8>>)>,
    /// The certificate authority, in PEM.
    pub ca: Vec<u8>,
}

/// What was in an adopted Secret before.
#[derive(Deserialize)]
struct Before {
    uid: String,
    data: BTreeMap<String, Zeroizing<String>>,
    labels: BTreeMap<String, Option<String>>,
    annotations: BTreeMap<String, Option<String>>,
}

/// SHA-256 in hexadecimal.
#[must_use]
pub fn sha256(bytes: &[u8]) -> String {
    format!("{:x}", Sha256::digest(bytes))
}

fn full(text: Option<&String>) -> Option<String> {
    text.filter(|text| !text.is_empty()).cloned()
}

impl Whole {
    /// Reads a Secret's JSON; `None`: it is none. (An error would quote it.)
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let Object { metadata, data } = serde_json::from_str(text).ok()?;
        let data = data.unwrap_or_default().into_iter().map(|(key, value)| (key, Zeroizing::new(value.0))).collect();
        Some(Self { meta: metadata, data })
    }

    /// Its metadata.
    #[must_use]
    pub fn meta(&self) -> &ObjectMeta {
        &self.meta
    }

    /// A value of it.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&[u8]> {
        self.data.get(key).map(|value| value.as_slice())
    }

    fn raw(&self) -> Option<Raw> {
        serde_json::from_slice(self.get(CONFIG)?).ok()
    }

    /// What can be said of it.
    #[must_use]
    pub fn view(&self) -> View {
        let text = |key: &&str| Some(((*key).to_owned(), String::from_utf8(self.get(key)?.to_vec()).ok()?));
        let (before, remembered) = match (self.get(BEFORE_KEY), self.memory()) {
            (None, _) => (Memory::Absent, BTreeMap::new()),
            (Some(_), Some(before)) => (Memory::Whole, before.labels),
            (Some(_), None) => (Memory::Spoilt, BTreeMap::new()),
        };
        View { meta: self.meta.clone(), plain: PLAIN.iter().filter_map(text).collect(), config: self.config(), before, remembered }
    }

    /// What was in it before; it is bound to this very Secret.
    fn memory(&self) -> Option<Before> {
        serde_json::from_slice(self.get(BEFORE_KEY)?).ok().filter(|before: &Before| before.uid == uid(&self.meta))
    }

    fn config(&self) -> Config {
        let Some(raw) = self.raw() else { return Config::default() };
        let tls = raw.tls_client_config.as_ref();
        let token = raw.bearer_token.as_deref().filter(|token| !token.is_empty());
        let held = if let Some(aws) = &raw.aws_auth_config {
            Held::Aws { cluster: aws.cluster_name.clone(), role: full(aws.role_arn.as_ref()) }
        } else if raw.exec_provider_config.is_some() {
            Held::Other
        } else if let Some(token) = token {
            Held::Token(Claims::read(token))
        } else if tls.is_some_and(|tls| tls.cert_data.as_ref().is_some_and(|cert| !cert.0.is_empty())) {
            Held::Certificate
        } else if raw.username.is_some() || raw.password.is_some() {
            Held::Other
        } else {
            Held::Nothing
        };
        let is_token = matches!(held, Held::Token(_));
        let more = raw.disable_compression
            || tls.is_some_and(|tls| full(tls.server_name.as_ref()).is_some())
            || raw.aws_auth_config.as_ref().is_some_and(|aws| full(aws.profile.as_ref()).is_some())
            || (is_token && (raw.username.is_some() || tls.is_some_and(|tls| tls.cert_data.is_some() || tls.key_data.is_some())))
            || (raw.aws_auth_config.is_some() && token.is_some());
        Config {
            held,
            ca_sha256: tls.and_then(|tls| tls.ca_data.as_ref()).map(|ca| sha256(&ca.0)),
            insecure: tls.is_some_and(|tls| tls.insecure),
            proxy: full(raw.proxy_url.as_ref()),
            more,
        }
    }

    /// How to come as Argo CD would; `None` where that is neither by a token nor by a certificate, or the server's certificate is not
    /// looked at.
    #[must_use]
    pub fn login(&self) -> Option<Login> {
        let raw = self.raw()?;
        let tls = raw.tls_client_config?;
        let ca = tls.ca_data.filter(|ca| !ca.0.is_empty() && !tls.insecure)?.0;
        let token = raw.bearer_token.filter(|token| !token.is_empty());
        let certificate = match (tls.cert_data, tls.key_data) {
            (Some(cert), Some(key)) if !cert.0.is_empty() => Some((cert.0, Zeroizing::new(key.0))),
            _ => None,
        };
        (token.is_some() || certificate.is_some()).then_some(Login { token, certificate, ca })
    }

    /// What was in it, as a memory of it: together with the labels and annotations that `patch` is about to set.
    fn remember(&self, patch: &Value) -> Zeroizing<String> {
        if let Some(mut before) = self.memory() {
            // Of what was remembered once nothing is forgotten; a label that is set now is remembered as well.
            let set = patch.pointer("/metadata/labels").and_then(Value::as_object).into_iter().flat_map(Map::keys);
            for key in set {
                let now = self.meta.labels.as_ref().and_then(|labels| labels.get(key)).cloned();
                before.labels.entry(key.clone()).or_insert(now);
            }
            let data: BTreeMap<&String, &str> = before.data.iter().map(|(key, value)| (key, value.as_str())).collect();
            return Zeroizing::new(json!({"uid": before.uid, "data": data, "labels": before.labels, "annotations": before.annotations}).to_string());
        }
        let encoded = self.data.iter().filter(|(key, _)| *key != BEFORE_KEY).map(|(key, value)| (key.clone(), json!(STANDARD.encode(value))));
        let former = |section: &str, now: Option<&BTreeMap<String, String>>| {
            let keys = patch.pointer(section).and_then(Value::as_object).into_iter().flat_map(Map::keys);
            keys.map(|key| (key.clone(), json!(now.and_then(|all| all.get(key))))).collect::<Map<String, Value>>()
        };
        let labels = former("/metadata/labels", self.meta.labels.as_ref());
        let annotations = former("/metadata/annotations", self.meta.annotations.as_ref());
        let data: Map<String, Value> = encoded.collect();
        Zeroizing::new(json!({"uid": uid(&self.meta), "data": data, "labels": labels, "annotations": annotations}).to_string())
    }

    /// The patch by which everything is as it was before.
    fn give_back(&self) -> Option<Value> {
        let before = self.memory()?;
        let keys: BTreeSet<&String> = self.data.keys().chain(before.data.keys()).collect();
        let data: Map<String, Value> = keys.into_iter().map(|key| (key.clone(), json!(before.data.get(key).map(|value| value.as_str())))).collect();
        Some(json!({
            "metadata": {"resourceVersion": self.meta.resource_version, "labels": before.labels, "annotations": before.annotations},
            "data": data,
        }))
    }
}

/// The credential of a cluster Secret with a token.
#[must_use]
pub fn token_config(token: &str, ca: &[u8], proxy: Option<&str>) -> Zeroizing<String> {
    let mut config = json!({"bearerToken": token, "tlsClientConfig": {"insecure": false, "caData": STANDARD.encode(ca)}});
    add_proxy(&mut config, proxy);
    Zeroizing::new(config.to_string())
}

/// The credential of a cluster Secret with an identity of AWS. Nothing of it is secret.
#[must_use]
pub fn aws_config(aws: &AwsAuthConfig, ca: &[u8], proxy: Option<&str>) -> String {
    let mut config = json!({"awsAuthConfig": aws, "tlsClientConfig": {"insecure": false, "caData": STANDARD.encode(ca)}});
    add_proxy(&mut config, proxy);
    config.to_string()
}

fn add_proxy(config: &mut Value, proxy: Option<&str>) {
    if let (Some(proxy), Some(config)) = (proxy, config.as_object_mut()) {
        config.insert("proxyUrl".to_owned(), json!(proxy));
    }
}

/// A value as a Secret's JSON has it.
#[must_use]
pub fn encoded(value: &[u8]) -> Value {
    json!(STANDARD.encode(value))
}

/// Why a write cannot be completed.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum SealError {
    /// The Secret is not the one that the plan was made on.
    #[error("the Secret is not known as the plan saw it")]
    Old,
    /// There is no new credential.
    #[error("there is no credential to write")]
    NoCredential,
    /// What was there before is not known.
    #[error("what was in the Secret before is not known")]
    NoMemory,
}

/// Completes a write. `whole`: the Secret as it was read last; `config`: the credential that was minted last, as the Secret has it.
///
/// # Errors
/// When what it needs is not there.
pub fn unseal(seal: Seal, body: &Value, whole: Option<&Whole>, config: Option<&str>) -> Result<Action, SealError> {
    let mut body = body.clone();
    let seen = |whole: &&Whole| whole.meta.resource_version.as_deref() == body.pointer("/metadata/resourceVersion").and_then(Value::as_str);
    match seal {
        Seal::Kept => {
            let config = whole.filter(seen).and_then(|whole| whole.get(CONFIG)).ok_or(SealError::Old)?.to_vec();
            insert(&mut body, CONFIG, encoded(&Zeroizing::new(config)));
            Ok(Action::Apply(body))
        }
        Seal::Minted => {
            insert(&mut body, CONFIG, encoded(config.ok_or(SealError::NoCredential)?.as_bytes()));
            Ok(Action::Apply(body))
        }
        Seal::Adopt | Seal::Renew => {
            let whole = whole.filter(seen).ok_or(SealError::Old)?;
            if seal == Seal::Adopt {
                let memory = whole.remember(&body);
                insert(&mut body, BEFORE_KEY, encoded(memory.as_bytes()));
            }
            match config {
                Some(config) => insert(&mut body, CONFIG, encoded(config.as_bytes())),
                // An identity of AWS is no secret, and is in the plan; and one that was adopted before has its credential.
                None if body.pointer("/data/config").is_some() || (seal == Seal::Adopt && whole.memory().is_some()) => {}
                None => return Err(SealError::NoCredential),
            }
            Ok(Action::Merge(body))
        }
        Seal::GiveBack => Ok(Action::Merge(whole.filter(seen).ok_or(SealError::Old)?.give_back().ok_or(SealError::NoMemory)?)),
        Seal::Manager => Err(SealError::NoCredential),
    }
}

fn insert(body: &mut Value, key: &str, value: Value) {
    let Some(body) = body.as_object_mut() else { return };
    let data = body.entry("data").or_insert_with(|| json!({}));
    if let Some(data) = data.as_object_mut() {
        data.insert(key.to_owned(), value);
    }
}
