//! GKE's `BackendConfig`: the time-out after which the load balancer ends a terminal. It is somebody else's object, so it is changed as
//! argocd-cm is, where argocd-server's Service names one; where it names none, none is made. Making one, and naming it, would take the
//! right to create objects of a foreign kind and to write Services, and would replace the load balancer's whole configuration of
//! argocd-server at once; so what to create is said instead. Pure.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use super::front::Fronts;
use super::verdict::Stand;
use super::wish::Wish;
use crate::exec::world::World;
use crate::ingress::gce::{self, BackendConfig};
use crate::ingress::routes::Carrier;
use crate::ingress::{Controller, Served, Time, Want};
use crate::reconcile::seen::Seen;
use crate::reconcile::shared::{self, Field, Folded, Object, Section};
use crate::reconcile::withheld::Withheld;
use crate::reconcile::write::{Direction, Kind, Layer, Target, Wanted};

/// How those that count stand, by name.
pub struct BackendConfigs {
    states: Seen<BTreeMap<String, State>>,
}

/// How one stands.
struct State {
    /// A write is to come.
    pending: bool,
    /// Its time-out as it is.
    seconds: Option<i64>,
    /// What is wanted and left to its owner.
    withheld: Vec<Withheld>,
    /// What is to be added when all is well.
    remarks: Vec<String>,
}

impl BackendConfigs {
    /// Adds what is to be written.
    pub fn fold(world: &World, fronts: &Seen<Fronts<'_>>, wish: &Wish, at: &str, wanted: &mut Wanted) -> Self {
        let named: Option<BTreeSet<&str>> = fronts.as_ref().ok().map(|fronts| {
            let gke = fronts.ingresses.values().filter(|f| matches!(f.served, Served::By(Controller::Gce, _)) && f.carrier().is_some());
            gke.filter_map(|f| f.backend_config.as_deref()).collect()
        });
        let mut states = BTreeMap::new();
        for object in world.backend_configs.iter().flatten() {
            let name = object.metadata.name.as_deref().unwrap_or_default();
            let counts = named.as_ref().is_some_and(|named| named.contains(name));
            // On half a sight nothing is taken back: whether it still counts is not known.
            let unsure = named.is_none() && wish.seconds.is_some();
            let seconds = wish.seconds.filter(|_| counts);
            let may = world.settings.write_backend_configs && !unsure;
            let Folded { wanted: own, withheld, remarks } = if may { one(world, object, name, seconds, at) } else { Folded::default() };
            let pending = own.writes.iter().any(|w| w.direction == Direction::Widen);
            wanted.add(own);
            if counts {
                states.insert(name.to_owned(), State { pending, seconds: object.spec.timeout_sec, withheld, remarks });
            }
        }
        Self { states: world.backend_configs.as_ref().map(|_| states).map_err(Clone::clone) }
    }

    /// Adds what is to be said of the one of this name.
    pub fn said_of(&self, name: Option<&str>, withheld: &mut Vec<Withheld>, remarks: &mut Vec<String>) {
        if let Some(state) = name.and_then(|name| self.states.as_ref().ok()?.get(name)) {
            withheld.extend(state.withheld.iter().cloned());
            remarks.extend(state.remarks.iter().cloned());
        }
    }

    /// How an Ingress stands whose Service names this one; and the field that is in place for it.
    pub fn stand(&self, world: &World, carrier: &Carrier, named: Option<&str>, seconds: u64) -> (Stand, Option<String>) {
        let states = match &self.states {
            Ok(states) => states,
            Err(not_seen) => return (Stand::NotSeen(not_seen.clone()), None),
        };
        let namespace = world.namespace();
        let ends = |after: &str| format!("the load balancer ends every terminal after {after} s");
        let Some(name) = named else {
            let annotate = format!(
                "kubectl -n {namespace} annotate service {} {}='{}'",
                carrier.service,
                gce::ANNOTATIONS[0],
                json!({"default": carrier.service})
            );
            let create = create(namespace, &carrier.service, seconds);
            return (
                Stand::Cut(format!(
                    "{}, and the Service {} names no BackendConfig that would say otherwise: {create} and {annotate}",
                    ends("30"),
                    carrier.service
                )),
                None,
            );
        };
        let Some(state) = states.get(name) else {
            let create = create(namespace, name, seconds);
            return (
                Stand::Cut(format!(
                    "{}: the BackendConfig {name}, which the Service {} names, does not exist: {create}",
                    ends("30"),
                    carrier.service
                )),
                None,
            );
        };
        let enough = state.seconds.and_then(|s| u64::try_from(s).ok()).is_some_and(|s| s >= seconds);
        match (state.pending, enough) {
            (true, _) => (Stand::Pending, None),
            (false, true) => (Stand::Good, Some(format!("BackendConfig {name}: spec.{}", gce::FIELD))),
            (false, false) => {
                let now = state.seconds.map_or_else(|| "30".to_owned(), |s| s.to_string());
                let patch = json!({"spec": {gce::FIELD: seconds}});
                (Stand::Cut(format!("{}: kubectl -n {namespace} patch backendconfig {name} --type merge -p '{patch}'", ends(&now))), None)
            }
        }
    }
}

fn create(namespace: &str, name: &str, seconds: u64) -> String {
    let object = json!({"apiVersion": "cloud.google.com/v1", "kind": "BackendConfig", "metadata": {"name": name}, "spec": {gce::FIELD: seconds}});
    format!("echo '{object}' | kubectl -n {namespace} create -f -")
}

/// What becomes of one of them.
fn one(world: &World, object: &BackendConfig, name: &str, seconds: Option<u64>, at: &str) -> Folded {
    let frozen = world.frozen().next().is_some();
    // What an object that cannot be read had wished for is not known: then nothing is taken back.
    if seconds.is_none() && (frozen || !super::touched(&object.metadata)) {
        return Folded::default();
    }
    let target = Target::namespaced(Kind::BackendConfig, world.namespace(), name);
    let numbers: BTreeMap<String, String> = object.spec.timeout_sec.map(|s| (gce::FIELD.to_owned(), s.to_string())).into_iter().collect();
    let shared = Object { target: &target, layer: Layer::Ingress, meta: &object.metadata, data: Some(&numbers) };
    let want = seconds.map(|least| Want::Seconds { least, time: Time::Plain });
    shared::fold(world, shared, &[Field { section: Section::Spec, key: gce::FIELD.to_owned(), want, telling: None }], at)
}
