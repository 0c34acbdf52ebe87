//! F5's NGINX Ingress Controller.
//!
//! Without `websocket-services` it does not pass `Upgrade`, and the terminal cannot open. Every name in the list must be a Service of that
//! very Ingress, or the Ingress is rejected. Sources: `internal/configs/annotations.go`, `internal/k8s/validation.go` of v5.5.4.

use super::{Requirement, Want};

/// The controller's name in an IngressClass.
pub const CONTROLLER: &str = "nginx.org/ingress-controller";

/// What a terminal needs. The time-outs carry a unit.
#[must_use]
pub fn requirements(service: &str, seconds: u64) -> Vec<Requirement> {
    let key = |name: &str| format!("nginx.org/{name}");
    vec![
        Requirement { key: key("proxy-read-timeout"), want: Want::Seconds { least: seconds, unit: "s" } },
        Requirement { key: key("proxy-send-timeout"), want: Want::Seconds { least: seconds, unit: "s" } },
        Requirement { key: key("websocket-services"), want: Want::Listed(service.to_owned()) },
    ]
}
