//! The way to a remote cluster: over its own certificate authority, by TLS always, with one credential. Redirects are not followed (the
//! client does not), and no proxy of the environment is used.

use std::error::Error;
use std::time::Duration;

use kube::config::AuthInfo;
use kube::{Client, Config};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use zeroize::Zeroizing;

use crate::api::conditions::{Reason, Verdict};
use crate::cluster_io::RequestError;
use crate::clusters::names::manager_key;
use crate::clusters::secret::{Login, Whole};
use crate::hidden::hide;

/// How long a connection may take to come about.
const CONNECT: Duration = Duration::from_secs(10);

/// With what one comes.
pub enum Credential<'a> {
    /// A token.
    Token(&'a str),
    /// A certificate and its key, in PEM.
    Certificate(&'a [u8], &'a [u8]),
}

/// Where one goes.
#[derive(Clone, Copy)]
pub struct Way<'a> {
    /// The address.
    pub server: &'a str,
    /// The certificate authority, in PEM.
    pub ca: &'a [u8],
    /// The proxy.
    pub proxy: Option<&'a str>,
}

/// Makes a client. It connects when it is used.
///
/// # Errors
/// Why not; nothing of the credential is in it.
pub fn client(way: Way<'_>, credential: &Credential<'_>) -> Result<Client, String> {
    if !way.server.starts_with("https://") {
        return Err("the server is not https, and no credential is sent without TLS".to_owned());
    }
    let address = way.server.parse().map_err(|_| "the server is no address".to_owned())?;
    let authorities = CertificateDer::pem_slice_iter(way.ca).map(|one| one.map(|der| der.to_vec())).collect::<Result<Vec<_>, _>>();
    let authorities = authorities.ok().filter(|all| !all.is_empty()).ok_or("the certificate authority is no certificate in PEM")?;
    let mut config = Config::new(address);
    // Rounds have pauses of their own, and what fails is to be said.
    config.default_retry = false;
    config.root_cert = Some(authorities);
    config.connect_timeout = Some(CONNECT);
    config.read_timeout = Some(crate::cluster_io::REQUEST_TIMEOUT);
    config.proxy_url = way.proxy.map(str::parse).transpose().map_err(|_| "proxyURL is no address".to_owned())?;
    config.auth_info = auth(credential);
    Client::try_from(config).map_err(|error| match error {
        kube::Error::RustlsTls(_) => "the certificate and the key do not go together".to_owned(),
        _ => "no client can be made for it".to_owned(),
    })
}

fn auth(credential: &Credential<'_>) -> AuthInfo {
    use base64::Engine;
    let encode = |bytes: &[u8]| base64::engine::general_purpose::STANDARD.encode(bytes);
    match credential {
        Credential::Token(token) => AuthInfo { token: Some((*token).to_owned().into()), ..AuthInfo::default() },
        Credential::Certificate(certificate, key) => {
            AuthInfo { client_certificate_data: Some(encode(certificate)), client_key_data: Some(encode(key).into()), ..AuthInfo::default() }
        }
    }
}

/// As the operator itself, by the manager's Secret.
///
/// # Errors
/// Why not.
pub fn as_manager(way: Way<'_>, secret: &Whole) -> Result<Client, String> {
    let get = |key: &str| secret.get(key).and_then(|value| std::str::from_utf8(value).ok()).map(str::trim).filter(|text| !text.is_empty());
    match (get(manager_key::TOKEN), get(manager_key::CERTIFICATE).zip(get(manager_key::KEY))) {
        (Some(token), _) => client(way, &Credential::Token(token)),
        (None, Some((certificate, key))) => client(way, &Credential::Certificate(certificate.as_bytes(), key.as_bytes())),
        (None, None) => Err("the Secret has no credential".to_owned()),
    }
}

/// As Argo CD would come by a cluster Secret, if it has a token or a certificate.
///
/// # Errors
/// Why not.
pub fn as_argocd(server: &str, proxy: Option<&str>, login: &Login) -> Result<Client, String> {
    let way = Way { server, ca: &login.ca, proxy };
    match (&login.token, &login.certificate) {
        (Some(token), _) => client(way, &Credential::Token(token)),
        (None, Some((certificate, key))) => client(way, &Credential::Certificate(certificate, key)),
        (None, None) => Err("the Secret has no credential that can be tried out".to_owned()),
    }
}

/// With a token that was just made.
///
/// # Errors
/// Why not.
pub fn with_token(way: Way<'_>, token: &Zeroizing<String>) -> Result<Client, String> {
    client(way, &Credential::Token(token))
}

/// What a failure says of the way to the remote cluster. `command`: what a person runs where the operator's credential is not accepted.
#[must_use]
pub fn verdict(error: &RequestError, command: &str) -> Verdict {
    let source = match error {
        RequestError::Timeout { .. } => return Verdict::no(Reason::Timeout, error.to_string()),
        RequestError::Unsent { .. } => return Verdict::no(Reason::ConnectionFailed, error.to_string()),
        RequestError::Api { source, .. } => source.as_ref(),
    };
    match error.code() {
        Some(401) => Verdict::no(
            Reason::ManagerUnauthorized,
            format!("the remote cluster does not accept the operator's credential ({}); make a new one with: {command} --credential", error.chain()),
        ),
        Some(403) => Verdict::no(
            Reason::ManagerUnauthorized,
            format!("the operator may not do what the bootstrap allows it ({}); apply it again: {command}", error.chain()),
        ),
        Some(_) => Verdict::no(Reason::ConnectionFailed, error.chain()),
        // What it answered instead is not told: it may be anything.
        None if matches!(source, kube::Error::SerdeError(_)) => Verdict::no(
            Reason::ConnectionFailed,
            format!("{error}: the server answers otherwise than a Kubernetes API server does; a redirect, for one, is not followed"),
        ),
        None => match tls(source) {
            Some(tls) => Verdict::no(Reason::TLSFailed, format!("TLS with the remote cluster fails: {tls}")),
            None if is_timeout(source) => Verdict::no(Reason::Timeout, format!("{error}: no connection within {} s", CONNECT.as_secs())),
            None => Verdict::no(Reason::ConnectionFailed, format!("{error}: {}", last(source))),
        },
    }
}

/// An error with its causes. An `io::Error` has its own inside, and not as its source; one may be in another.
fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error: &&'a (dyn Error + 'static)| {
        let inside = (*error).downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        inside.map(|inside| inside as &(dyn Error + 'static)).or_else(|| (*error).source())
    })
}

/// The error of TLS among the causes.
fn tls(error: &kube::Error) -> Option<String> {
    causes(error).find_map(|cause| cause.downcast_ref::<rustls::Error>()).map(ToString::to_string)
}

fn is_timeout(error: &kube::Error) -> bool {
    causes(error).any(|cause| cause.downcast_ref::<std::io::Error>().is_some_and(|io| io.kind() == std::io::ErrorKind::TimedOut))
}

fn last(error: &kube::Error) -> String {
    causes(error).last().map(|cause| hide(&cause.to_string()).into_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(source: kube::Error) -> RequestError {
        RequestError::Api { action: "get it".to_owned(), source: Box::new(source) }
    }

    #[test]
    fn a_failure_of_tls_is_found_however_deep_it_is_and_a_connection_that_times_out_is_told_apart() {
        let tls = || rustls::Error::InvalidCertificate(rustls::CertificateError::UnknownIssuer);
        let deep = std::io::Error::other(std::io::Error::new(std::io::ErrorKind::InvalidData, tls()));
        let late = std::io::Error::other(std::io::Error::new(std::io::ErrorKind::TimedOut, "connect"));
        let cut = std::io::Error::new(std::io::ErrorKind::ConnectionRefused, "refused");
        for (error, reason) in [(deep, Reason::TLSFailed), (late, Reason::Timeout), (cut, Reason::ConnectionFailed)] {
            let verdict = verdict(&failed(kube::Error::Service(Box::new(error))), "the command");
            assert_eq!(verdict.reason, reason, "{}", verdict.message);
        }
    }
}
