//! How what stands in front of argocd-server is for a terminal as it is, whether anything is declared or not: for those who only look. Pure.

use serde_json::{Value, json};

use super::backend_config::BackendConfigs;
use super::front::{self, Fronts};
use super::verdict::Stand;
use super::wish::Wish;
use super::{Served, route};
use crate::exec::world::World;
use crate::ingress::routes::{Carrier, Way};
use crate::ingress::{Ask, Want};
use crate::reconcile::write::Wanted;
use crate::reconcile::{NotSeen, Seen};

/// Argo CD pings every five seconds: what is idle for longer than this is over in any case.
const PINGED: u64 = 10;
/// What is written where something is too short, and what a connection must last where its whole life is limited.
const LONG: u64 = 3600;

/// One Ingress or HTTPRoute.
#[derive(Clone, Debug)]
pub struct Front {
    /// `Ingress` or `HTTPRoute`.
    pub kind: &'static str,
    /// Its name.
    pub name: String,
    /// The controller that serves it, where it is known.
    pub controller: String,
    /// How a terminal passes.
    pub passage: Passage,
    /// The rule of an Ingress that leads to argocd-server, and its backend, where the path of the terminal goes elsewhere.
    pub leading: Option<(usize, Value)>,
}

/// How a terminal passes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Passage {
    /// It does.
    Open,
    /// The path of the terminal (where it is known) leads elsewhere.
    Elsewhere(Option<String>),
    /// Only gRPC comes through.
    GrpcOnly,
    /// It lacks an annotation without which no WebSocket passes.
    Lacks {
        /// Its key.
        key: String,
        /// Its value.
        value: String,
    },
    /// A time-out is shorter than the time between two pings.
    Short {
        /// The annotation.
        key: String,
        /// Its value.
        current: String,
        /// A longer one.
        value: String,
    },
    /// The terminal is ended too early, and what to do.
    Cut(String),
    /// It cannot be told.
    Unknown(String),
    /// Something that counts cannot be seen.
    NotSeen(NotSeen),
}

/// Looks at all of them.
///
/// # Errors
/// When something cannot be seen without which none can be judged.
pub fn inspect(world: &World) -> Seen<Vec<Front>> {
    let fronts = Fronts::look(world);
    let wish = Wish::lasting(LONG);
    let configs = BackendConfigs::fold(world, &fronts, &wish, "", &mut Wanted::default());
    let fronts = fronts?;
    let ingress = |(name, front): (&String, &front::Front)| {
        let passage = match &front.way {
            Way::GrpcOnly => Passage::GrpcOnly,
            Way::Elsewhere => Passage::Elsewhere(front::terminal(world)),
            Way::Carries(carrier) => carried(world, name, front, carrier, &configs),
        };
        let leading = if matches!(passage, Passage::Elsewhere(_)) { leading(world, name) } else { None };
        let controller = match &front.served {
            Served::By(controller, _) => controller.profile().name.to_owned(),
            Served::Unknown(_) => String::new(),
        };
        Front { kind: "Ingress", name: name.clone(), controller, passage, leading }
    };
    let http_route = |(name, front): (&String, &front::RouteFront<'_>)| {
        let standing = route::standing(world, name, front, &wish);
        let passage = match standing.stand {
            Stand::Good | Stand::Nothing | Stand::Pending => Passage::Open,
            Stand::Elsewhere(path) => Passage::Elsewhere(path),
            Stand::GrpcOnly => Passage::GrpcOnly,
            Stand::Cut(why) => Passage::Cut(why),
            Stand::NotSeen(not_seen) => Passage::NotSeen(not_seen),
            Stand::Unknown(why) | Stand::Unverified(why) => Passage::Unknown(why),
        };
        Front { kind: "HTTPRoute", name: name.clone(), controller: standing.status.controller.to_string(), passage, leading: None }
    };
    Ok(fronts.ingresses.iter().map(ingress).chain(fronts.routes.iter().map(http_route)).collect())
}

fn carried(world: &World, name: &str, front: &front::Front, carrier: &Carrier, configs: &BackendConfigs) -> Passage {
    let controller = match &front.served {
        Served::Unknown(name) => return Passage::Unknown(format!("served by {name}, which is not known")),
        Served::By(controller, _) => controller,
    };
    let object = world.ingresses.iter().flatten().find(|i| i.metadata.name.as_deref() == Some(name));
    let annotations = object.and_then(|i| i.metadata.annotations.as_ref());
    let needs = |seconds| (controller.profile().needs)(&Ask { annotations, service: &carrier.service, path: &carrier.path, seconds });
    let (least, long) = (needs(PINGED), needs(LONG));
    for (requirement, longer) in least.annotations.iter().zip(&long.annotations) {
        let current = annotations.and_then(|a| a.get(&requirement.key)).map(String::as_str);
        if requirement.want.over(current).is_none() {
            continue;
        }
        let (key, value) = (requirement.key.clone(), longer.want.over(current).unwrap_or_default());
        match (&requirement.want, current) {
            // Every controller's own time-out is longer than the time between two pings.
            (Want::Seconds { .. } | Want::Attribute { .. }, None) => {}
            (Want::Attribute { name, .. }, Some(list)) if !list.contains(name) => {}
            (Want::Seconds { .. } | Want::Attribute { .. }, Some(current)) => return Passage::Short { key, current: current.to_owned(), value },
            (Want::Text(_) | Want::Listed(_), _) if controller.profile().essential.contains(&key.as_str()) => return Passage::Lacks { key, value },
            (Want::Text(_) | Want::Listed(_), _) => {}
        }
    }
    if let Some(what) = long.by_people {
        return Passage::Unknown(what);
    }
    if !long.backend_config {
        return Passage::Open;
    }
    match configs.stand(world, carrier, front.backend_config.as_deref(), LONG).0 {
        Stand::Cut(why) => Passage::Cut(why),
        Stand::NotSeen(not_seen) => Passage::NotSeen(not_seen),
        _ => Passage::Open,
    }
}

/// The first rule of an Ingress that leads to argocd-server by some path.
fn leading(world: &World, name: &str) -> Option<(usize, Value)> {
    let server = world.server().ok()?.ok()?;
    let ours = crate::argocd::instance::services_of(&server, world.services.iter().flatten().map(AsRef::as_ref));
    let object = world.ingresses.iter().flatten().find(|i| i.metadata.name.as_deref() == Some(name))?;
    let rules = object.spec.as_ref()?.rules.as_ref()?;
    rules.iter().enumerate().find_map(|(index, rule)| {
        let paths = &rule.http.as_ref()?.paths;
        let backend = paths.iter().map(|p| &p.backend).find(|b| b.service.as_ref().is_some_and(|s| ours.contains(&s.name)))?;
        Some((index, json!(backend)))
    })
}
