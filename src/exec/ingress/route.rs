//! HTTPRoutes: what is to be said of one. Nothing is written to them (see `crate::ingress::gateway`). Pure.

use super::front::{self, RouteFront};
use super::verdict::{Stand, Standing};
use super::wish::Wish;
use crate::api::status::IngressStatus;
use crate::exec::world::World;
use crate::ingress::gateway::{self, Way};

/// How it stands.
pub fn standing(world: &World, name: &str, front: &RouteFront<'_>, wish: &Wish) -> Standing {
    let controllers: Vec<&str> = gateway::gateways(front.route).map(|(controller, _)| controller).collect();
    let stand = stand(world, name, front, wish);
    let status = IngressStatus {
        name: name.into(),
        kind: "HTTPRoute".into(),
        controller: controllers.join(", ").into(),
        annotations: Vec::new(),
        message: stand.message().into(),
    };
    Standing { status, stand, withheld: Vec::new(), remarks: Vec::new() }
}

fn stand(world: &World, name: &str, front: &RouteFront<'_>, wish: &Wish) -> Stand {
    let (rule, service) = match &front.way {
        Way::Carries { rule, service } => (*rule, service.as_str()),
        Way::GrpcOnly => return Stand::GrpcOnly,
        Way::Elsewhere => return Stand::Elsewhere(front::terminal(world)),
    };
    let seconds = wish.seconds.unwrap_or_default();
    let short = gateway::too_short(front.route, rule, seconds);
    if !short.is_empty() {
        let times: Vec<String> = short.iter().map(|(field, text)| format!("timeouts.{field} {text}")).collect();
        let mend = gateway::mend(world.namespace(), name, rule, &short, seconds);
        return Stand::Unverified(format!("{} of its rule {rule} may end a terminal: {mend}", times.join(" and ")));
    }
    let mut taken = gateway::gateways(front.route).peekable();
    if taken.peek().is_none() {
        return Stand::Unknown("no Gateway has taken it up".to_owned());
    }
    for (controller, known) in taken {
        match known {
            None => return Stand::Unknown(format!("served by {controller}, which is not known to the operator")),
            Some(gateway) => {
                if let Some(by_people) = gateway.by_people {
                    return Stand::Unverified(by_people(service, seconds));
                }
            }
        }
    }
    Stand::Nothing
}
