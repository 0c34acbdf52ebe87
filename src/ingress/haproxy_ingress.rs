//! HAProxy Ingress (jcmoraisjr).
//!
//! It passes WebSockets. `timeout-tunnel` is how long an idle one may last, an hour by default. Source:
//! `docs/content/en/docs/configuration/keys.md` of v0.16.1.

use super::routes::Backend;
use super::{Ask, Needs, Profile, Requirement, Time, Want};

/// What there is to know of it.
pub const PROFILE: Profile = Profile {
    name: "HAProxy Ingress (jcmoraisjr)",
    controllers: &["haproxy-ingress.github.io/controller", "haproxy-ingress.github.io/controller/"],
    classes: &["haproxy"],
    globs: false,
    essential: &[],
    needs,
    grpc,
    note: "It passes WebSockets by itself.",
};

/// The time-out carries a unit: without one HAProxy takes it for milliseconds.
fn needs(ask: &Ask<'_>) -> Needs {
    let want = Want::Seconds { least: ask.seconds, time: Time::Haproxy };
    Needs::annotations([Requirement { key: "haproxy-ingress.github.io/timeout-tunnel".to_owned(), want }])
}

fn grpc(backend: &Backend<'_>) -> bool {
    const KEY: &str = "haproxy-ingress.github.io/backend-protocol";
    let protocol = backend.of_service(KEY).or_else(|| backend.annotation(KEY)).unwrap_or_default().to_ascii_lowercase();
    protocol.starts_with("grpc") || protocol.starts_with("h2")
}
