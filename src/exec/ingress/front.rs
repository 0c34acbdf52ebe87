//! The Ingresses and HTTPRoutes that lead to argocd-server, and how they do. Pure.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::networking::v1::Ingress;

use crate::argocd::instance;
use crate::exec::world::World;
use crate::ingress::gateway::{self, HTTPRoute};
use crate::ingress::routes::{self, Backend, Carrier, Map};
use crate::ingress::{self, Served, gce};
use crate::reconcile::seen::{NotSeen, Seen};

/// One Ingress.
#[derive(Clone, Debug)]
pub struct Front {
    /// Its controller.
    pub served: Served,
    /// How it leads to argocd-server.
    pub way: routes::Way,
    /// The `BackendConfig` that the Service names for it.
    pub backend_config: Option<String>,
}

impl Front {
    /// What carries the terminal, where something does.
    pub fn carrier(&self) -> Option<&Carrier> {
        match &self.way {
            routes::Way::Carries(carrier) => Some(carrier),
            routes::Way::GrpcOnly | routes::Way::Elsewhere => None,
        }
    }
}

/// One HTTPRoute.
#[derive(Clone, Debug)]
pub struct RouteFront<'a> {
    /// The route.
    pub route: &'a HTTPRoute,
    /// How it leads to argocd-server.
    pub way: gateway::Way,
}

/// All of them, by name.
#[derive(Clone, Debug, Default)]
pub struct Fronts<'a> {
    /// The Ingresses.
    pub ingresses: BTreeMap<String, Front>,
    /// The HTTPRoutes.
    pub routes: BTreeMap<String, RouteFront<'a>>,
    /// Why there may be HTTPRoutes that are not seen.
    pub unseen: Option<&'a NotSeen>,
}

/// Whether it is known of an Ingress that it leads elsewhere.
pub fn in_sight(world: &World) -> bool {
    world.services.is_ok() && world.ingress_classes.is_ok() && world.deployments.is_ok()
}

/// The path of a terminal; `None`: not known.
pub fn terminal(world: &World) -> Option<String> {
    let base = world.server().ok()?.ok()?.base?;
    Some(routes::terminal_path(&base))
}

impl<'a> Fronts<'a> {
    /// Looks.
    pub fn look(world: &'a World) -> Seen<Self> {
        let services = world.services.as_ref().map_err(Clone::clone)?;
        let ingresses = world.ingresses.as_ref().map_err(Clone::clone)?;
        let classes = world.ingress_classes.as_ref().map_err(Clone::clone)?;
        let Ok(server) = world.server()? else { return Ok(Self::default()) };
        let ours = instance::services_of(&server, services.iter().map(AsRef::as_ref));
        let by_name: BTreeMap<&str, &Service> = services.iter().filter_map(|s| Some((s.metadata.name.as_deref()?, s.as_ref()))).collect();
        let terminal = server.base.as_deref().map(routes::terminal_path);
        let map = Map { ours: &ours, services: &by_name, terminal: terminal.as_deref() };
        let front = |object: &'a Ingress| {
            let served = ingress::served_by(object, classes.iter().map(AsRef::as_ref), world.kubernetes_version.as_deref());
            Some((object.metadata.name.clone()?, one(object, served, &map)?))
        };
        let route = |route: &'a HTTPRoute| {
            let way = gateway::way(route, &ours, &by_name, terminal.as_deref())?;
            Some((route.metadata.name.clone()?, RouteFront { route, way }))
        };
        Ok(Self {
            ingresses: ingresses.iter().filter_map(|o| front(o)).collect(),
            routes: world.http_routes.iter().flatten().filter_map(|r| route(r)).collect(),
            unseen: world.http_routes.as_ref().err(),
        })
    }

    /// Whether nothing leads to argocd-server.
    pub fn is_empty(&self) -> bool {
        self.ingresses.is_empty() && self.routes.is_empty()
    }
}

fn one(object: &Ingress, served: Served, map: &Map<'_>) -> Option<Front> {
    let way = match &served {
        Served::By(controller, _) => routes::way(object, map, controller.profile().grpc, controller.profile().globs)?,
        Served::Unknown(_) => routes::way(object, map, |_| false, false)?,
    };
    let backend_config = match &way {
        routes::Way::Carries(carrier) => {
            let service = map.services.get(carrier.service.as_str()).copied();
            let annotations = object.metadata.annotations.as_ref();
            gce::backend_config(&Backend { annotations, service: &carrier.service, port: carrier.port.as_ref(), object: service })
        }
        routes::Way::GrpcOnly | routes::Way::Elsewhere => None,
    };
    Some(Front { served, way, backend_config })
}
