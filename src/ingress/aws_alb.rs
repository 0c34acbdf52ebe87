//! AWS Load Balancer Controller, for an Application Load Balancer.
//!
//! It passes WebSockets. Its idle time-out is one of the `load-balancer-attributes`, a single list of `name=value` for everything that the
//! load balancer can be told: ours is merged into it. Ingresses of one group share a load balancer, and the attribute may stand on one of
//! them only, or with the same value on all: another value on ours would stop the controller from doing anything for the whole group, so
//! there it is left to people. Sources: `docs/guide/ingress/annotations.md` of v3.5.0 (`MergeBehavior: Exclusive`); AWS allows 1 to 4000 s.

use super::routes::Backend;
use super::{Ask, Needs, Profile, Requirement, Want};

/// The annotation that holds the list.
pub const ATTRIBUTES: &str = "alb.ingress.kubernetes.io/load-balancer-attributes";
const GROUP: &str = "alb.ingress.kubernetes.io/group.name";
const VERSION: &str = "alb.ingress.kubernetes.io/backend-protocol-version";
const IDLE: &str = "idle_timeout.timeout_seconds";
/// The longest that AWS allows.
const MOST: u64 = 4000;

/// What there is to know of it.
pub const PROFILE: Profile = Profile {
    name: "AWS Load Balancer Controller (ALB)",
    controllers: &["ingress.k8s.aws/alb"],
    classes: &["alb"],
    globs: true,
    essential: &[],
    needs,
    grpc,
    note: "It passes WebSockets by itself; at most 4000 seconds. The other attributes of the list stay. In an IngressGroup the attribute is the group's, and left alone.",
};

fn needs(ask: &Ask<'_>) -> Needs {
    let want = Want::Attribute { name: IDLE, least: ask.seconds.min(MOST) };
    match ask.annotation(GROUP) {
        None => Needs::annotations([Requirement { key: ATTRIBUTES.to_owned(), want }]),
        Some(_) if want.over(ask.annotation(ATTRIBUTES)).is_none() => Needs::default(),
        Some(group) => Needs::by_people(format!(
            "WebSockets pass, but how long an idle one may last is an attribute that all Ingresses of the group {group} share: set {} in the annotation {ATTRIBUTES} of that one Ingress of the group which has attributes (or in its IngressClassParams); the default is 60 s, and Argo CD pings every 5 s",
            want.shown()
        )),
    }
}

/// Of the Service, which counts more, or of the Ingress.
fn grpc(backend: &Backend<'_>) -> bool {
    backend.of_service(VERSION).or_else(|| backend.annotation(VERSION)).is_some_and(|v| v.eq_ignore_ascii_case("GRPC"))
}
