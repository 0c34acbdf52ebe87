//! F5's NGINX Ingress Controller.
//!
//! Without `websocket-services` it does not pass `Upgrade`, and the terminal cannot open. Every name in the list must be a Service of that
//! very Ingress, or the Ingress is rejected. Sources: `internal/configs/annotations.go`, `internal/k8s/validation.go` and
//! `internal/configs/version1/nginx.ingress.tmpl` of v5.5.4.

use super::routes::Backend;
use super::want::elements;
use super::{Ask, Needs, Profile, Requirement, Time, Want};

/// What there is to know of it.
pub const PROFILE: Profile = Profile {
    name: "F5 NGINX Ingress Controller",
    controllers: &["nginx.org/ingress-controller"],
    classes: &[],
    globs: false,
    essential: &["nginx.org/websocket-services"],
    needs,
    grpc,
    note: "Without the list it passes no WebSocket.",
};

/// The time-outs carry a unit.
fn needs(ask: &Ask<'_>) -> Needs {
    let key = |name: &str| format!("nginx.org/{name}");
    let time = || Want::Seconds { least: ask.seconds, time: Time::Nginx };
    Needs::annotations([
        Requirement { key: key("proxy-read-timeout"), want: time() },
        Requirement { key: key("proxy-send-timeout"), want: time() },
        Requirement { key: key("websocket-services"), want: Want::Listed(ask.service.to_owned()) },
    ])
}

fn grpc(backend: &Backend<'_>) -> bool {
    elements(backend.annotation("nginx.org/grpc-services")).any(|service| service == backend.service)
}
