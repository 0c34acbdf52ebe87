//! Azure's Application Gateway Ingress Controller.
//!
//! It passes WebSockets. `request-timeout` (30 s by default) is how long the gateway waits for the Service. Source: `docs/annotations.md`,
//! `docs/how-tos/websockets.md` of 1.9.8.

use super::routes::Backend;
use super::{Ask, Needs, Profile, Requirement, Time, Want};

/// What there is to know of it.
pub const PROFILE: Profile = Profile {
    name: "Azure Application Gateway Ingress Controller",
    controllers: &["azure/application-gateway"],
    classes: &["azure/application-gateway", "azure-application-gateway"],
    globs: false,
    essential: &[],
    needs,
    grpc,
    note: "It passes WebSockets by itself. Its health probe must not be the path of the terminal.",
};

fn needs(ask: &Ask<'_>) -> Needs {
    let want = Want::Seconds { least: ask.seconds, time: Time::Plain };
    Needs::annotations([Requirement { key: "appgw.ingress.kubernetes.io/request-timeout".to_owned(), want }])
}

/// It knows HTTP and HTTPS only.
fn grpc(_: &Backend<'_>) -> bool {
    false
}
