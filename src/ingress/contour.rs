//! Contour.
//!
//! For an Ingress it passes WebSockets only on the paths of `websocket-routes`, written as they are in the Ingress. Its response time-out
//! (`projectcontour.io/response-timeout`) is Envoy's for a whole request, which a WebSocket never ends, so that it does not run; its idle
//! time-out (5 minutes) is longer than Argo CD's ping. Sources: `site/content/docs/main/config/annotations.md` of v1.33.6; Envoy's
//! documentation of time-outs.

use super::routes::Backend;
use super::want::elements;
use super::{Ask, Needs, Profile, Requirement, Want};

/// What there is to know of it.
pub const PROFILE: Profile = Profile {
    name: "Contour",
    controllers: &["projectcontour.io/ingress-controller", "projectcontour.io/"],
    classes: &["contour"],
    globs: false,
    essential: &["projectcontour.io/websocket-routes"],
    needs,
    grpc,
    note: "Without the list it passes no WebSocket. The element is the path of the Ingress that leads to argocd-server.",
};

fn needs(ask: &Ask<'_>) -> Needs {
    Needs::annotations([Requirement { key: "projectcontour.io/websocket-routes".to_owned(), want: Want::Listed(ask.path.to_owned()) }])
}

/// HTTP/2 to the Service has no `Upgrade`.
fn grpc(backend: &Backend<'_>) -> bool {
    let ports = backend.port_names();
    let spoken = ["projectcontour.io/upstream-protocol.h2c", "projectcontour.io/upstream-protocol.h2"].map(|key| backend.of_service(key));
    spoken.into_iter().any(|list| elements(list).any(|port| ports.iter().any(|p| p == port)))
}
