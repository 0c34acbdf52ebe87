//! What a ServiceAccount's token says of itself. It is read, not verified: whoever accepts it does that. Pure.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde::Deserialize;

/// It, without the token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claims {
    /// Who it is, such as `system:serviceaccount:argocd-access:argocd-managed`.
    pub subject: String,
    /// When it was issued, by the remote cluster's clock.
    pub issued_at: Timestamp,
    /// When it expires, by that clock.
    pub expires_at: Timestamp,
    /// The Secret to which it is bound.
    pub anchor: Option<Bound>,
}

/// A Secret to which a token is bound.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Bound {
    /// Its name.
    pub name: String,
    /// Its uid: the token is dead when another Secret of that name comes.
    pub uid: String,
}

#[derive(Deserialize)]
struct Body {
    sub: String,
    iat: i64,
    exp: i64,
    #[serde(rename = "kubernetes.io", default)]
    kubernetes: Option<Kubernetes>,
}

#[derive(Deserialize)]
struct Kubernetes {
    #[serde(default)]
    secret: Option<Bound>,
}

impl Claims {
    /// Reads them; `None`: it is no such token.
    #[must_use]
    pub fn read(token: &str) -> Option<Self> {
        let mut parts = token.trim().split('.');
        let (_, body, _) = (parts.next()?, parts.next()?, parts.next()?);
        let body: Body = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(body).ok()?).ok()?;
        let (issued_at, expires_at) = (Timestamp::from_second(body.iat).ok()?, Timestamp::from_second(body.exp).ok()?);
        let whole = parts.next().is_none() && !body.sub.is_empty() && issued_at < expires_at;
        whole.then(|| Self { subject: body.sub, issued_at, expires_at, anchor: body.kubernetes.and_then(|k| k.secret) })
    }

    /// How long it lives in all, in seconds.
    #[must_use]
    pub fn life(&self) -> i64 {
        self.expires_at.duration_since(self.issued_at).as_secs()
    }
}

/// The user name of a ServiceAccount.
#[must_use]
pub fn user_of(namespace: &str, service_account: &str) -> String {
    format!("system:serviceaccount:{namespace}:{service_account}")
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A token that nobody signed.
    pub fn token(body: &serde_json::Value) -> String {
        let part = |value: &serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
        format!("{}.{}.{}", part(&serde_json::json!({"alg": "RS256"})), part(body), "c2lnbmF0dXJl")
    }

    #[test]
    fn a_token_of_a_service_account_says_whose_it_is_until_when_and_to_what_it_is_bound() {
        let body = serde_json::json!({
            "sub": "system:serviceaccount:argocd-access:argocd-managed", "iat": 1_800_000_000, "exp": 1_800_003_600,
            "kubernetes.io": {"namespace": "argocd-access", "secret": {"name": "argocd-managed-a", "uid": "u"}, "serviceaccount": {"name": "argocd-managed", "uid": "s"}},
        });
        let claims = Claims::read(&token(&body)).unwrap();
        assert_eq!(claims.subject, user_of("argocd-access", "argocd-managed"));
        assert_eq!((claims.life(), claims.anchor), (3600, Some(Bound { name: "argocd-managed-a".to_owned(), uid: "u".to_owned() })));
    }

    #[test]
    fn what_is_no_such_token_is_none() {
        let dated = |iat: i64, exp: i64| token(&serde_json::json!({"sub": "a", "iat": iat, "exp": exp}));
        assert!(Claims::read(&dated(1, 2)).is_some());
        for bad in ["", "a.b.c", "opaque", &dated(2, 2), &dated(3, 2), &token(&serde_json::json!({"sub": "a"})), &format!("{}.x", dated(1, 2))] {
            assert_eq!(Claims::read(bad), None, "{bad}");
        }
    }
}
