//! Traefik.
//!
//! It passes WebSockets, and its time-outs (`entryPoints.<name>.transport.respondingTimeouts`, static configuration) end with the upgrade:
//! Go's HTTP server takes the deadlines off a connection that is handed over. Nothing can be set on the Ingress, and nothing needs to be.
//! Sources: `docs/content/expose/overview.md`, `docs/content/reference/install-configuration/entrypoints.md` of v3.7.9.

use super::routes::Backend;
use super::{Ask, Needs, Profile};

/// What there is to know of it.
pub const PROFILE: Profile = Profile {
    name: "Traefik",
    controllers: &["traefik.io/ingress-controller"],
    classes: &["traefik"],
    globs: false,
    essential: &[],
    needs,
    grpc,
    note: "It passes WebSockets by itself. The time-outs of its entry points are for requests, not for connections that were upgraded.",
};

fn needs(_: &Ask<'_>) -> Needs {
    Needs::default()
}

/// Unencrypted HTTP/2 has no `Upgrade`.
fn grpc(backend: &Backend<'_>) -> bool {
    backend.of_service("traefik.ingress.kubernetes.io/service.serversscheme").is_some_and(|s| s.eq_ignore_ascii_case("h2c"))
}
