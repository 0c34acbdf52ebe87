//! Istio, where it serves an Ingress.
//!
//! Its gateway lets every connection upgrade to a WebSocket and sets no time-out for a route. Source: Envoy's documentation of upgrades.
//! A mesh-wide `h2UpgradePolicy: UPGRADE` would take that away, which an Ingress does not show.

use super::routes::Backend;
use super::{Ask, Needs, Profile};

/// What there is to know of it.
pub const PROFILE: Profile = Profile {
    name: "Istio",
    controllers: &["istio.io/ingress-controller"],
    classes: &["istio"],
    globs: false,
    essential: &[],
    needs,
    grpc,
    note: "It passes WebSockets by itself, and sets no time-out.",
};

fn needs(_: &Ask<'_>) -> Needs {
    Needs::default()
}

/// By the name of the Service's port, as Istio chooses the protocol.
fn grpc(backend: &Backend<'_>) -> bool {
    backend.port_names().iter().any(|name| name == "grpc" || name.starts_with("grpc-"))
}
