//! The community's ingress-nginx (retired in March 2026, still in wide use).
//!
//! It always passes `Upgrade`; only its idle time-outs (60 s) may cut a terminal, and Argo CD's ping every 5 s keeps them from running
//! out. `websocket-services` is not known to it (it is F5's), and does no harm: it is the literal form that most guides show, so it is
//! set as they expect. Sources: `rootfs/etc/nginx/template/nginx.tmpl`, `docs/user-guide/nginx-configuration/annotations.md` of v1.15.1.

use super::{Requirement, Want};

/// The controller's name in an IngressClass.
pub const CONTROLLER: &str = "k8s.io/ingress-nginx";

/// What a terminal needs. The time-outs are plain seconds.
#[must_use]
pub fn requirements(service: &str, seconds: u64) -> Vec<Requirement> {
    let key = |name: &str| format!("nginx.ingress.kubernetes.io/{name}");
    vec![
        Requirement { key: key("proxy-read-timeout"), want: Want::Seconds { least: seconds, unit: "" } },
        Requirement { key: key("proxy-send-timeout"), want: Want::Seconds { least: seconds, unit: "" } },
        Requirement { key: key("websocket-services"), want: Want::Listed(service.to_owned()) },
    ]
}
