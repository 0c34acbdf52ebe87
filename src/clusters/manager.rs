//! The Secret with the operator's own credential for a remote cluster, as the bootstrap prints it. Pure.
//!
//! As with the cluster Secret, a plan is made on its [`View`]; the credential itself stays in [`super::secret::Whole`].

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::claims::Claims;
use super::names::{CLUSTER_LABEL, MANAGER, NAMESPACE, manager_key, manager_secret};
use super::secret::{Whole, sha256};
use crate::api::conditions::{Reason, Verdict};

/// What can be said of it.
#[derive(Clone, Debug)]
pub struct View {
    /// Its metadata.
    pub meta: ObjectMeta,
    /// The certificate authority of the remote cluster, in PEM. It is no secret.
    pub ca: Vec<u8>,
    /// SHA-256 of it, in hexadecimal.
    pub ca_sha256: String,
    /// The uid of the remote cluster's kube-system.
    pub cluster_uid: String,
    /// What its token says of itself; `None`: it is a certificate, or a token that says nothing.
    pub claims: Option<Claims>,
    /// When it expires, as far as that is known.
    pub expires_at: Option<Timestamp>,
}

/// What a person runs to get one.
#[must_use]
pub fn command(cluster: &str, namespace: &str, credential: bool) -> String {
    let what = if credential { " --credential" } else { "" };
    format!(
        "argocd-access cluster bootstrap {cluster} -f <the file with the ClusterAccess> -n {namespace} --context <an administrator of the remote cluster>{what}"
    )
}

/// Reads it for a cluster with this server.
///
/// # Errors
/// The verdict of `RemoteReachable` where it cannot be used.
pub fn view(whole: &Whole, cluster: &str, server: &str, namespace: &str, now: Timestamp) -> Result<View, Verdict> {
    let name = manager_secret(cluster);
    let missing = |what: String| {
        let message = format!("Secret {namespace}/{name} {what}; make it with: {}", command(cluster, namespace, true));
        Verdict::no(Reason::ManagerMissing, message)
    };
    let label = whole.meta().labels.as_ref().and_then(|labels| labels.get(CLUSTER_LABEL));
    if label.map(String::as_str) != Some(cluster) {
        return Err(missing(format!("has not the label {CLUSTER_LABEL}: {cluster}, so its credential is not sent anywhere")));
    }
    let text = |key: &'static str| whole.get(key).and_then(|value| std::str::from_utf8(value).ok()).map(str::trim).filter(|text| !text.is_empty());
    let need = |key: &'static str| text(key).ok_or_else(|| missing(format!("has no {key}")));
    let meant = need(manager_key::SERVER)?.trim_end_matches('/');
    if meant != server {
        return Err(missing(format!("is for the server {meant:?}, and the object says {server:?}, so its credential is not sent there")));
    }
    let ca = need(manager_key::CA)?.as_bytes().to_vec();
    let cluster_uid = need(manager_key::CLUSTER_UID)?.to_owned();
    let token = text(manager_key::TOKEN);
    let certificate = text(manager_key::CERTIFICATE).zip(text(manager_key::KEY));
    if token.is_none() && certificate.is_none() {
        return Err(missing(format!("has neither {} nor {} with {}", manager_key::TOKEN, manager_key::CERTIFICATE, manager_key::KEY)));
    }
    let claims = token.and_then(Claims::read);
    let expires_at = match (&claims, certificate) {
        (Some(claims), _) => Some(claims.expires_at),
        (None, Some((pem, _))) if token.is_none() => expiry(pem),
        _ => None,
    };
    if let Some(at) = expires_at.filter(|at| *at <= now) {
        let message =
            format!("the operator's credential for the remote cluster expired at {at}; make a new one with: {}", command(cluster, namespace, true));
        return Err(Verdict::no(Reason::ManagerExpired, message));
    }
    Ok(View { meta: whole.meta().clone(), ca_sha256: sha256(&ca), ca, cluster_uid, claims, expires_at })
}

/// When a certificate in PEM expires.
fn expiry(pem: &str) -> Option<Timestamp> {
    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject;
    use x509_parser::prelude::{FromDer, X509Certificate};
    let der = CertificateDer::from_pem_slice(pem.as_bytes()).ok()?;
    let (_, certificate) = X509Certificate::from_der(&der).ok()?;
    Timestamp::from_second(certificate.validity().not_after.timestamp()).ok()
}

impl View {
    /// Whether its own token is one that it may renew: that of the bootstrap's ServiceAccount, bound to one of its anchors.
    #[must_use]
    pub fn renewable(&self) -> Option<&Claims> {
        let anchors = super::names::anchors(MANAGER);
        self.claims.as_ref().filter(|claims| {
            claims.subject == super::claims::user_of(NAMESPACE, MANAGER) && claims.anchor.as_ref().is_some_and(|bound| anchors.contains(&bound.name))
        })
    }
}
