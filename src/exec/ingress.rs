//! What stands in front of argocd-server: what the controller of each Ingress needs, merged into what is there, and what can only be said:
//! of HTTPRoutes, of paths that do not carry a terminal, of settings that are not the operator's. Pure.

use std::cell::OnceCell;
use std::collections::BTreeMap;

use k8s_openapi::api::networking::v1::Ingress;

use super::admission::Case;
use super::world::World;
use crate::api::Text;
use crate::api::conditions::Verdict;
use crate::api::status::IngressStatus;
use crate::ingress::{self, Ask, Needs, Served, Want};
use crate::ownership::before::ANNOTATION;
use crate::ownership::managed_fields;
use crate::reconcile::shared::{self, Field, Folded, Object, Section};
use crate::reconcile::write::{Direction, Kind, Layer, Target, Wanted};

mod backend_config;
mod front;
pub mod inspect;
mod route;
mod verdict;
mod wish;

use backend_config::BackendConfigs;
use front::{Front, Fronts};
use verdict::{Stand, Standing};
use wish::Wish;

/// What the layer says to one object in effect.
#[derive(Clone, Debug)]
pub struct IngressOutlook {
    /// The verdict of `IngressReady`.
    pub verdict: Verdict,
    /// What was set where.
    pub ingresses: Vec<IngressStatus>,
}

/// What the layer wants, and what it says to each object in effect (by its index among the cases).
#[must_use]
pub fn fold(world: &World, cases: &[Case], at: &str) -> (Wanted, BTreeMap<usize, IngressOutlook>) {
    let mut wanted = Wanted::default();
    let wish = Wish::of(cases);
    let fronts = Fronts::look(world);
    let configs = BackendConfigs::fold(world, &fronts, &wish, at, &mut wanted);
    let mut standings = Vec::new();
    for object in world.ingresses.iter().flatten() {
        let name = object.metadata.name.as_deref().unwrap_or_default();
        let front = fronts.as_ref().ok().and_then(|f| f.ingresses.get(name));
        standings.extend(one(world, object, front, &wish, &configs, at, &mut wanted));
    }
    if let Ok(fronts) = &fronts {
        standings.extend(fronts.routes.iter().map(|(name, front)| route::standing(world, name, front, &wish)));
    }
    let outlooks = cases.iter().enumerate().filter(|(_, c)| c.standing);
    // The same is said to all that wish for anything and meet nobody else's wish.
    let usual = OnceCell::new();
    let outlook = |(i, case): (usize, &Case)| {
        let anew = |conflict| verdict::outlook(world, case, conflict, &fronts, &standings);
        let outlook = match wish.conflicts.get(&i) {
            None if verdict::wishes(case) => usual.get_or_init(|| anew(None)).clone(),
            conflict => anew(conflict),
        };
        (i, outlook)
    };
    (wanted, outlooks.map(outlook).collect())
}

/// What the controller of an Ingress needs.
fn needs(object: &Ingress, front: Option<&Front>, wish: &Wish) -> Needs {
    let (Some(seconds), Some(front), Some(carrier)) = (wish.seconds, front, front.and_then(Front::carrier)) else { return Needs::default() };
    let Served::By(controller, _) = &front.served else { return Needs::default() };
    let ask = Ask { annotations: object.metadata.annotations.as_ref(), service: &carrier.service, path: &carrier.path, seconds };
    (controller.profile().needs)(&ask)
}

/// Whether something of ours is, or was, on this object.
fn touched(meta: &k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta) -> bool {
    managed_fields::ours_present(meta) || meta.annotations.as_ref().is_some_and(|a| a.contains_key(ANNOTATION))
}

fn one(
    world: &World,
    object: &Ingress,
    front: Option<&Front>,
    wish: &Wish,
    configs: &BackendConfigs,
    at: &str,
    wanted: &mut Wanted,
) -> Option<Standing> {
    let name = object.metadata.name.clone().unwrap_or_default();
    if front.is_none() && !touched(&object.metadata) {
        return None;
    }
    // On half a sight nothing is taken back: whether the Ingress still leads to argocd-server is not known.
    if front.is_none() && wish.seconds.is_some() && !front::in_sight(world) {
        return None;
    }
    let needs = needs(object, front, wish);
    let wants = wish.wants(front, &needs);
    // What an object that cannot be read had wished for is not known: then nothing is taken back.
    let frozen = world.frozen().next().is_some();
    if frozen && wants.is_empty() && front.is_none() {
        return None;
    }
    let target = Target::namespaced(Kind::Ingress, world.namespace(), &name);
    let shared = Object { target: &target, layer: Layer::Ingress, meta: &object.metadata, data: None };
    let fields: Vec<Field> = ingress::ours()
        .map(|key| Field { section: Section::Annotations, key: key.to_owned(), want: wants.get(key).cloned(), telling: None })
        .filter(|field| !frozen || field.want.is_some())
        .collect();
    let Folded { wanted: own, mut withheld, mut remarks } =
        if frozen && wants.is_empty() { Folded::default() } else { shared::fold(world, shared, &fields, at) };
    let pending = own.writes.iter().any(|w| w.direction == Direction::Widen);
    wanted.add(own);
    let front = front?;
    let (stand, field) = if pending { (Stand::Pending, None) } else { stand(world, front, &needs, configs, wish) };
    let mut annotations: Vec<Text> = if pending || !withheld.is_empty() { Vec::new() } else { wants.into_keys().map(Text::from).collect() };
    annotations.extend(field.map(Text::from));
    if needs.backend_config {
        configs.said_of(front.backend_config.as_deref(), &mut withheld, &mut remarks);
    }
    let controller = match &front.served {
        Served::By(_, controller) => controller.as_str().into(),
        Served::Unknown(_) => Text::default(),
    };
    let status = IngressStatus { name: name.into(), kind: Text::default(), controller, annotations, message: stand.message().into() };
    Some(Standing { status, stand, withheld, remarks })
}

/// How an Ingress stands on which there is nothing left to write; and the field of another object that is in place for it.
fn stand(world: &World, front: &Front, needs: &Needs, configs: &BackendConfigs, wish: &Wish) -> (Stand, Option<String>) {
    let carrier = match &front.way {
        ingress::routes::Way::Carries(carrier) => carrier,
        ingress::routes::Way::GrpcOnly => return (Stand::GrpcOnly, None),
        ingress::routes::Way::Elsewhere => return (Stand::Elsewhere(front::terminal(world)), None),
    };
    if let Served::Unknown(name) = &front.served {
        return (Stand::Unknown(format!("served by {name}, which is not known to the operator")), None);
    }
    if let Some(what) = &needs.by_people {
        return (Stand::Unverified(what.clone()), None);
    }
    match (needs.backend_config, wish.seconds) {
        (true, Some(seconds)) => configs.stand(world, carrier, front.backend_config.as_deref(), seconds),
        _ if needs.annotations.is_empty() => (Stand::Nothing, None),
        _ => (Stand::Good, None),
    }
}

/// A want for one annotation on top of what the controller needs.
fn on_top(needed: Option<&Want>, key: &str, value: &str) -> Want {
    match needed {
        // What the controller needs stays in the list.
        Some(Want::Listed(needed)) => Want::Listed(format!("{needed},{value}")),
        _ if ingress::is_list(key) => Want::Listed(value.to_owned()),
        _ => Want::Text(value.to_owned()),
    }
}
