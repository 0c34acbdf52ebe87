//! The community's ingress-nginx (retired in March 2026, still in wide use), and what is built from it.
//!
//! It always passes `Upgrade`; only its idle time-outs (60 s) may cut a terminal, and Argo CD's ping every 5 s keeps them from running
//! out. `websocket-services` is not known to it (it is F5's), and does no harm: it is the literal form that most guides show, so it is
//! set as they expect. Sources: `rootfs/etc/nginx/template/nginx.tmpl`, `docs/user-guide/nginx-configuration/annotations.md` of v1.15.1.
//! AKS's application routing is the same program under a name of its own; so is Traefik's provider for its annotations.

use super::routes::Backend;
use super::{Ask, Needs, Profile, Requirement, Time, Want};

/// What there is to know of it.
pub const PROFILE: Profile = Profile {
    name: "ingress-nginx",
    controllers: &["k8s.io/ingress-nginx", "webapprouting.kubernetes.azure.com/nginx", "webapprouting.kubernetes.azure.com/nginx/"],
    classes: &["nginx"],
    globs: false,
    essential: &[],
    needs,
    grpc,
    note: "It passes WebSockets by itself. The list is F5's, without effect here and harmless: most guides show it.",
};

/// The time-outs are plain seconds.
fn needs(ask: &Ask<'_>) -> Needs {
    let key = |name: &str| format!("nginx.ingress.kubernetes.io/{name}");
    let time = || Want::Seconds { least: ask.seconds, time: Time::Plain };
    Needs::annotations([
        Requirement { key: key("proxy-read-timeout"), want: time() },
        Requirement { key: key("proxy-send-timeout"), want: time() },
        Requirement { key: key("websocket-services"), want: Want::Listed(ask.service.to_owned()) },
    ])
}

fn grpc(backend: &Backend<'_>) -> bool {
    backend.annotation("nginx.ingress.kubernetes.io/backend-protocol").is_some_and(|p| p.to_ascii_uppercase().starts_with("GRPC"))
}
