//! HAProxy Technologies' kubernetes-ingress.
//!
//! It passes WebSockets. How long an idle tunnel may last is `timeout-tunnel` of the controller's own ConfigMap, one hour by default; on an
//! Ingress it has no effect. Source: `documentation/annotations.md` of v3.2.11 (`timeout-tunnel`: ConfigMap only). Its IngressClasses carry
//! the name of the class behind the controller's.

use super::routes::Backend;
use super::{Ask, Needs, Profile};

/// The controller's default, in seconds.
const DEFAULT: u64 = 3600;

/// What there is to know of it.
pub const PROFILE: Profile = Profile {
    name: "HAProxy Kubernetes Ingress Controller (haproxytech)",
    controllers: &["haproxy.org/ingress-controller", "haproxy.org/ingress-controller/"],
    classes: &["haproxy"],
    globs: false,
    essential: &[],
    needs,
    grpc,
    note: "It passes WebSockets by itself, and keeps an idle one for an hour. A longer time is timeout-tunnel in the controller's own ConfigMap, which a person sets.",
};

fn needs(ask: &Ask<'_>) -> Needs {
    if ask.seconds <= DEFAULT {
        return Needs::default();
    }
    Needs::by_people(format!(
        "WebSockets pass, but how long an idle one may last cannot be set on an Ingress: set timeout-tunnel: {}s in the controller's own ConfigMap (the one of its argument --configmap); the default is 1h, and Argo CD pings every 5 s",
        ask.seconds
    ))
}

fn grpc(backend: &Backend<'_>) -> bool {
    const KEY: &str = "haproxy.org/server-proto";
    backend.of_service(KEY).or_else(|| backend.annotation(KEY)).is_some_and(|p| p.eq_ignore_ascii_case("h2"))
}
