//! The Ingresses whose backend is argocd-server: what their controllers need, merged into what is there. Pure.

use std::collections::BTreeMap;

use k8s_openapi::api::networking::v1::Ingress;

use super::admission::Case;
use super::shared::{self, Field, Folded, Object, Section};
use super::withheld::Withheld;
use super::world::{NotSeen, Seen, World};
use super::write::{Kind, Layer, Target, Wanted};
use crate::api::conditions::{Reason, Verdict};
use crate::api::status::IngressStatus;
use crate::argocd::instance;
use crate::ingress::{self, Served, Want};
use crate::ownership::before::ANNOTATION;
use crate::ownership::managed_fields;

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
    let found = found(world);
    let mut standings = Vec::new();
    if let Ok(ingresses) = &world.ingresses {
        for object in ingresses {
            let name = object.metadata.name.as_deref().unwrap_or_default();
            let served = found.as_ref().ok().and_then(|f| f.get(name));
            standings.extend(one(world, object, served, &wish, at, &mut wanted));
        }
    }
    let outlooks = cases.iter().enumerate().filter(|(_, c)| c.standing);
    let outlooks = outlooks.map(|(i, case)| (i, outlook(world, case, i, &wish, &found, &standings))).collect();
    (wanted, outlooks)
}

/// How one Ingress stands.
#[derive(Clone, Debug)]
struct Standing {
    status: IngressStatus,
    pending: bool,
    unknown: bool,
    withheld: Vec<Withheld>,
    remarks: Vec<String>,
}

/// The Ingresses that lead to argocd-server, with the Service and the controller of each.
type Found = BTreeMap<String, (String, Served)>;

fn found(world: &World) -> Seen<Found> {
    let services = world.services.as_ref().map_err(Clone::clone)?;
    let ingresses = world.ingresses.as_ref().map_err(Clone::clone)?;
    let classes = world.ingress_classes.as_ref().map_err(Clone::clone)?;
    let Ok(server) = world.server()? else { return Ok(Found::new()) };
    let services = instance::services_of(&server, services.iter().map(AsRef::as_ref));
    let leads = |object: &Ingress| ingress::backends(object).find(|b| services.iter().any(|s| s == b)).map(ToOwned::to_owned);
    Ok(ingresses
        .iter()
        .filter_map(|object| Some((object.metadata.name.clone()?, (leads(object)?, ingress::served_by(object, classes.iter().map(AsRef::as_ref))))))
        .collect())
}

/// What all objects in effect want together: the longest time, and of two values for one annotation that of the oldest object.
struct Wish {
    seconds: Option<u64>,
    annotations: BTreeMap<String, (String, String)>,
    conflicts: BTreeMap<usize, (String, String)>,
}

impl Wish {
    fn of(cases: &[Case]) -> Self {
        let mut wish = Self { seconds: None, annotations: BTreeMap::new(), conflicts: BTreeMap::new() };
        for (index, case) in cases.iter().enumerate().filter(|(_, c)| c.standing) {
            let Some(own) = case.grant.as_ref().and_then(|g| g.ingress.as_ref()) else { continue };
            wish.seconds = wish.seconds.max(Some(own.seconds));
            let name = case.access.metadata.name.as_deref().unwrap_or_default();
            for (key, value) in &own.annotations {
                let (first, owner) = wish.annotations.entry(key.clone()).or_insert_with(|| (value.clone(), name.to_owned()));
                if first != value {
                    wish.conflicts.insert(index, (key.clone(), owner.clone()));
                }
            }
        }
        wish
    }

    /// Everything that an Ingress must carry.
    fn wants(&self, served: Option<&(String, Served)>) -> BTreeMap<String, Want> {
        let mut wants = BTreeMap::new();
        let (Some(seconds), Some((service, served))) = (self.seconds, served) else { return wants };
        if let Served::By(controller, _) = served {
            wants.extend(ingress::requirements(*controller, service, seconds).into_iter().map(|r| (r.key, r.want)));
        }
        for (key, (value, _)) in &self.annotations {
            let want = match wants.get(key) {
                // What the controller needs stays in the list.
                Some(Want::Listed(needed)) => Want::Listed(format!("{needed},{value}")),
                _ if ingress::is_list(key) => Want::Listed(value.clone()),
                _ => Want::Text(value.clone()),
            };
            wants.insert(key.clone(), want);
        }
        wants
    }
}

fn one(world: &World, object: &Ingress, served: Option<&(String, Served)>, wish: &Wish, at: &str, wanted: &mut Wanted) -> Option<Standing> {
    let name = object.metadata.name.clone().unwrap_or_default();
    let touched = managed_fields::ours_present(&object.metadata) || object.metadata.annotations.as_ref().is_some_and(|a| a.contains_key(ANNOTATION));
    if served.is_none() && !touched {
        return None;
    }
    // On half a sight nothing is taken back: whether the Ingress still leads to argocd-server is not known.
    if served.is_none() && wish.seconds.is_some() && (world.services.is_err() || world.ingress_classes.is_err() || world.deployments.is_err()) {
        return None;
    }
    let wants = wish.wants(served);
    // What an object that cannot be read had wished for is not known: then nothing is taken back.
    let frozen = world.frozen().next().is_some();
    if frozen && wants.is_empty() {
        return None;
    }
    let target = Target::namespaced(Kind::Ingress, world.namespace(), &name);
    let object = Object { target: &target, layer: Layer::Ingress, meta: &object.metadata, data: None };
    let fields: Vec<Field> = ingress::ALLOWED
        .iter()
        .map(|key| Field { section: Section::Annotations, key: (*key).to_owned(), want: wants.get(*key).cloned(), telling: None })
        .filter(|field| !frozen || field.want.is_some())
        .collect();
    let Folded { wanted: own, withheld, remarks } = shared::fold(world, object, &fields, at);
    let pending = own.writes.iter().any(|w| w.direction == super::write::Direction::Widen);
    wanted.writes.extend(own.writes);
    wanted.changes.extend(own.changes);
    wanted.looks.extend(own.looks);
    let (controller, unknown) = match served? {
        (_, Served::By(_, controller)) => (controller.clone(), None),
        (_, Served::Unknown(name)) => (String::new(), Some(format!("served by {name}, which is not known to the operator"))),
    };
    let annotations = if pending || !withheld.is_empty() { Vec::new() } else { wants.into_keys().collect() };
    let status = IngressStatus { name, controller, annotations, message: unknown.clone().unwrap_or_default() };
    Some(Standing { status, pending, unknown: unknown.is_some(), withheld, remarks })
}

fn outlook(world: &World, case: &Case, index: usize, wish: &Wish, found: &Seen<Found>, standings: &[Standing]) -> IngressOutlook {
    let none = |verdict| IngressOutlook { verdict, ingresses: Vec::new() };
    if case.grant.as_ref().is_none_or(|g| g.ingress.is_none()) {
        return none(Verdict::yes(Reason::NotManaged, "spec.ingress.mode is None: no Ingress is touched"));
    }
    let found = match found {
        Ok(found) => found,
        Err(not_seen) => return none(not_readable(not_seen)),
    };
    if found.is_empty() {
        let message = format!(
            "no Ingress in {} leads to argocd-server; if people reach it another way (a load balancer, a Gateway, a port-forward), make sure that it passes WebSockets, or set spec.ingress.mode: None",
            world.namespace()
        );
        return none(Verdict::unknown(Reason::NoIngress, message));
    }
    let ingresses: Vec<IngressStatus> = standings.iter().map(|s| s.status.clone()).take(32).collect();
    let names = |of: fn(&Standing) -> bool| standings.iter().filter(|s| of(s)).map(|s| s.status.name.as_str()).collect::<Vec<_>>().join(", ");
    let (pending, unknown) = (names(|s| s.pending), names(|s| s.unknown));
    let verdict = if !pending.is_empty() {
        Verdict::no(Reason::Pending, format!("the annotations of {pending} are not written yet"))
    } else if let Some((key, owner)) = wish.conflicts.get(&index) {
        Verdict::no(Reason::Conflict, format!("the older ExecAccess {owner:?} asks for another value of {key}; its value stands"))
    } else if let Some(verdict) = Withheld::sum(standings.iter().flat_map(|s| &s.withheld)) {
        verdict
    } else if !unknown.is_empty() {
        let message = format!(
            "Ingress {unknown}: its controller is not one that the operator knows, so nothing was guessed; see to it that it passes WebSockets, set spec.ingress.annotations, or set spec.ingress.mode: None"
        );
        Verdict::unknown(Reason::UnknownIngressClass, message)
    } else {
        // One remark is enough: those on the other annotations say the same.
        let remark = standings.iter().flat_map(|s| &s.remarks).next().map(|r| format!(". {r}")).unwrap_or_default();
        Verdict::yes(Reason::Configured, format!("{} carries what its controller needs{remark}", names(|_| true)))
    };
    IngressOutlook { verdict, ingresses }
}

fn not_readable(not_seen: &NotSeen) -> Verdict {
    Verdict::unknown(Reason::NotReadable, not_seen.to_string())
}
