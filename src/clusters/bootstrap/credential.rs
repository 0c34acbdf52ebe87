//! The Secret for the hub by which the operator comes to a remote cluster. Pure.

use k8s_openapi::ByteString;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::clusters::names::{self, manager_key};

/// A token for the manager, with what must be known to use it. It cannot be printed by accident: there is no `Debug`.
pub struct Credential {
    /// The address of the API server, as the object has it.
    pub server: String,
    /// The certificate authority, in PEM.
    pub ca: String,
    /// The token.
    pub token: Zeroizing<String>,
    /// The uid of the namespace kube-system.
    pub cluster_uid: String,
}

impl Credential {
    /// The Secret, for the `ClusterAccess` of this name.
    #[must_use]
    pub fn secret(&self, name: &str, namespace: &str) -> Value {
        let bytes = |text: &str| json!(ByteString(text.as_bytes().to_vec()));
        json!({
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": names::manager_secret(name), "namespace": namespace, "labels": {names::CLUSTER_LABEL: name}},
            "type": "Opaque",
            "data": {
                manager_key::SERVER: bytes(&self.server),
                manager_key::CA: bytes(&self.ca),
                manager_key::TOKEN: bytes(&self.token),
                manager_key::CLUSTER_UID: bytes(&self.cluster_uid),
            },
        })
    }
}

/// Whether two addresses lead to the same server as they stand: the host in whatever case, and the port that is meant where none is said.
/// Anything but `https`, or with a path, is the same as nothing.
#[must_use]
pub fn same_server(one: &str, other: &str) -> bool {
    let parts = |text: &str| {
        let uri: http::Uri = text.parse().ok()?;
        let plain = uri.scheme_str() == Some("https") && matches!(uri.path(), "" | "/") && uri.query().is_none();
        let authority = uri.authority().filter(|authority| plain && !authority.as_str().contains('@'))?;
        Some((authority.host().to_ascii_lowercase(), authority.port_u16().unwrap_or(443)))
    };
    parts(one).is_some_and(|one| Some(one) == parts(other))
}
