//! Google Cloud's Ingress controller (ingress-gce).
//!
//! It passes WebSockets and ends each after the backend's `timeoutSec`, 30 seconds by default, whether it is idle or not. That is a field
//! of a `BackendConfig`, which an annotation of the Service names, for all ports or for one. Sources: `pkg/annotations/service.go`,
//! `pkg/apis/backendconfig/v1/types.go` of ingress-gce. Without any class an Ingress on GKE is its own.

use std::collections::BTreeMap;

use kube::CustomResource;
use serde::{Deserialize, Serialize};

use super::routes::Backend;
use super::{Ask, Needs, Profile};

/// The field of the `BackendConfig`.
pub const FIELD: &str = "timeoutSec";
/// The annotation of the Service, and its older name.
pub const ANNOTATIONS: [&str; 2] = ["cloud.google.com/backend-config", "beta.cloud.google.com/backend-config"];

/// What there is to know of it.
pub const PROFILE: Profile = Profile {
    name: "GKE Ingress (ingress-gce)",
    controllers: &[],
    classes: &["gce", "gce-internal"],
    globs: true,
    essential: &[],
    needs,
    grpc,
    note: "It ends every connection after timeoutSec, 30 seconds by default. The operator sets that in the BackendConfig which argocd-server's Service names; where there is none, it says what to create.",
};

/// The part of a `BackendConfig` that ends a terminal.
#[derive(CustomResource, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[kube(group = "cloud.google.com", version = "v1", kind = "BackendConfig", plural = "backendconfigs", namespaced, schema = "disabled")]
#[serde(rename_all = "camelCase", default)]
pub struct BackendConfigSpec {
    /// Seconds after which the load balancer ends a connection.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout_sec: Option<i64>,
}

/// What the annotation holds.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Named {
    default: Option<String>,
    ports: BTreeMap<String, String>,
}

fn needs(_: &Ask<'_>) -> Needs {
    Needs { backend_config: true, ..Needs::default() }
}

/// HTTP/2 to the Service has no `Upgrade`.
fn grpc(backend: &Backend<'_>) -> bool {
    let protocols = backend.of_service("cloud.google.com/app-protocols").and_then(|text| serde_json::from_str::<BTreeMap<String, String>>(text).ok());
    let ports = backend.port_names();
    protocols.is_some_and(|all| all.iter().any(|(port, protocol)| protocol.eq_ignore_ascii_case("HTTP2") && ports.contains(port)))
}

/// The `BackendConfig` that counts for this backend.
#[must_use]
pub fn backend_config(backend: &Backend<'_>) -> Option<String> {
    let text = ANNOTATIONS.iter().find_map(|key| backend.of_service(key))?;
    let named: Named = serde_json::from_str(text).ok()?;
    let of_port = backend.port_names().iter().find_map(|port| named.ports.get(port).cloned());
    of_port.or(named.default).filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::api::core::v1::Service;
    use k8s_openapi::api::networking::v1::ServiceBackendPort;

    fn named(annotation: &str, port: &ServiceBackendPort) -> Option<String> {
        let service: Service = serde_json::from_value(serde_json::json!({
            "metadata": {"name": "s", "annotations": {ANNOTATIONS[0]: annotation}},
            "spec": {"ports": [{"name": "http", "port": 80}, {"name": "https", "port": 443}]},
        }))
        .unwrap();
        backend_config(&Backend { annotations: None, service: "s", port: Some(port), object: Some(&service) })
    }

    #[test]
    fn the_backend_config_of_the_port_counts_more_than_the_default() {
        let number = |n| ServiceBackendPort { number: Some(n), name: None };
        let name = |n: &str| ServiceBackendPort { number: None, name: Some(n.to_owned()) };
        let both = r#"{"default": "d", "ports": {"443": "p"}}"#;
        assert_eq!(named(both, &number(443)).as_deref(), Some("p"));
        assert_eq!(named(both, &name("https")).as_deref(), Some("p"), "the port by its other name");
        assert_eq!(named(both, &number(80)).as_deref(), Some("d"));
        assert_eq!(named(r#"{"ports": {"https": "p"}}"#, &number(443)).as_deref(), Some("p"));
        assert_eq!(named(r#"{"ports": {"https": "p"}}"#, &number(80)), None);
        for broken in ["", "d", "{\"default\": 1}", "{\"default\": \"\"}"] {
            assert_eq!(named(broken, &number(80)), None, "{broken}");
        }
    }
}
