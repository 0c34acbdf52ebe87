//! Makes a token of a ServiceAccount of a remote cluster, bound to a Secret there.

use http::Request;
use kube::Client;
use serde::Deserialize;
use serde_json::json;
use zeroize::Zeroizing;

use crate::cluster_io::request;
use crate::clusters::claims::{Claims, user_of};
use crate::clusters::tokens::Order;

/// A token, and what it says of itself. It has no `Debug`, and is overwritten when it is dropped.
pub struct Token {
    /// The token.
    pub token: Zeroizing<String>,
    /// What it says of itself.
    pub claims: Claims,
}

#[derive(Deserialize)]
struct Answer {
    status: Status,
}

#[derive(Deserialize)]
struct Status {
    token: Zeroizing<String>,
}

/// Makes it, and looks whether it is what was asked for.
///
/// # Errors
/// Why there is none; nothing of a token is in it.
pub async fn mint(client: &Client, order: &Order) -> Result<Token, String> {
    let (namespace, account) = (&order.namespace, &order.service_account);
    let action = format!("make a token of ServiceAccount {namespace}/{account}");
    let body = json!({
        "apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest",
        "spec": {
            "audiences": [], "expirationSeconds": order.lifetime,
            "boundObjectRef": {"apiVersion": "v1", "kind": "Secret", "name": order.anchor, "uid": order.uid},
        },
    });
    let asked = Request::post(format!("/api/v1/namespaces/{namespace}/serviceaccounts/{account}/token"))
        .header("content-type", "application/json")
        .body(body.to_string().into_bytes())
        .map_err(|_| format!("{action}: no such name"))?;
    let text = Zeroizing::new(request(action.clone(), client.request_text(asked)).await.map_err(|error| error.chain())?);
    let answer: Answer = serde_json::from_str(&text).map_err(|_| format!("{action}: the answer is no token"))?;
    let claims =
        Claims::read(&answer.status.token).ok_or_else(|| format!("{action}: the answer is no token that says whose it is and until when"))?;
    if claims.subject != user_of(namespace, account) {
        return Err(format!("{action}: the token is that of {}", claims.subject));
    }
    if claims.anchor.as_ref().is_none_or(|bound| bound.uid != order.uid) {
        return Err(format!("{action}: the token is not bound to Secret {}, so it could not be revoked", order.anchor));
    }
    Ok(Token { token: answer.status.token, claims })
}
