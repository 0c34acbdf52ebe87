//! The NetworkPolicy of ours that lets argocd-server reach the principal's resource proxy, where others keep it from that. Pure.
//!
//! Where no other policy selects the principal, ours must not be there either: it would shut everything else out.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::{Value, json};

use super::basis::Basis;
use super::found::Principal;
use super::grant::Address;
use super::network::{Admits, From, Labels, To, admits, selects};
use super::services;
use super::world::World;
use crate::api::INSTANCE_LABEL;
use crate::api::conditions::{Reason, Verdict};
use crate::api::status::Change;
use crate::reconcile::NotSeen;
use crate::reconcile::write::{Action, Direction, Kind, Layer, Target, Wanted, Write};

/// Its name.
pub const NAME: &str = "argocd-access-resource-proxy";
/// Where the resource proxy listens when nothing says otherwise.
const PORT: u16 = 9090;

/// What the layer wants, and what it says.
#[derive(Clone, Debug)]
pub struct Folded {
    /// The writes.
    pub wanted: Wanted,
    /// The verdict of `NetworkReady`, of an object that has one made where it is needed.
    pub made: Verdict,
    /// The same of one that has none made.
    pub found: Verdict,
}

/// Makes it. `wish`: whether an object in effect has one made where it is needed.
#[must_use]
pub fn fold(world: &World, basis: &Basis, wish: bool) -> Folded {
    let all = match &world.network_policies {
        Ok(all) => all,
        Err(not_seen) => return Folded::unseen(not_seen),
    };
    let existing = all.iter().find(|policy| policy.metadata.name.as_deref() == Some(NAME)).map(AsRef::as_ref);
    let ours = existing.filter(|policy| world.is_ours(&policy.metadata));
    let foreign = existing.is_some() && ours.is_none();
    let mut wanted = Wanted::default();
    let need = match need(world, basis, all.iter().map(AsRef::as_ref).filter(|policy| !ours.is_some_and(|own| std::ptr::eq(own, *policy)))) {
        Ok(need) => need,
        Err(unknown) => {
            // Without sight of whom it is for, what stands stays, as long as somebody wants it.
            if let Some(policy) = ours.filter(|_| !wish) {
                wanted.writes.push(take(world, &policy.metadata, &mut Vec::new()));
            }
            return Folded { wanted, made: unknown.clone(), found: unknown };
        }
    };
    let Some(spec) = need.spec.filter(|_| wish) else {
        if let Some(policy) = ours {
            let mut changes = Vec::new();
            wanted.writes.push(take(world, &policy.metadata, &mut changes));
            wanted.changes.extend(changes);
        }
        return Folded { wanted, made: need.verdict.clone(), found: need.verdict };
    };
    let stands = ours.is_some_and(|policy| policy.spec.as_ref().and_then(|s| serde_json::to_value(s).ok()).as_ref() == Some(&spec));
    if foreign {
        let message = format!("NetworkPolicy {}/{NAME} is somebody else's and stands where ours would be; rename or remove it", world.namespace());
        return Folded { wanted, made: Verdict::no(Reason::ForeignObject, message), found: need.verdict };
    }
    if stands {
        let message = format!("the NetworkPolicy {NAME} lets argocd-server reach port {} of the principal; {ENFORCED}", need.port);
        return Folded { wanted, made: Verdict::yes(Reason::Open, message), found: need.verdict };
    }
    wanted.changes.push(Change {
        object: target(world).to_string(),
        field: "spec".to_owned(),
        from: ours.and_then(|policy| serde_json::to_string(&policy.spec).ok()),
        to: Some(spec.to_string()),
    });
    wanted.writes.push(give(world, ours.and_then(|policy| policy.metadata.resource_version.as_deref()), &spec));
    Folded { wanted, made: Verdict::unknown(Reason::Pending, format!("the NetworkPolicy {NAME} is not written yet")), found: need.verdict }
}

const ENFORCED: &str = "whether the cluster's network enforces NetworkPolicies is not known";

impl Folded {
    fn unseen(not_seen: &NotSeen) -> Self {
        let verdict = Verdict::unknown(Reason::NotReadable, not_seen.to_string());
        Self { wanted: Wanted::default(), made: verdict.clone(), found: verdict }
    }
}

/// What the policies of others come to.
struct Need {
    /// What ours would have to say, where one is needed.
    spec: Option<Value>,
    port: i32,
    verdict: Verdict,
}

fn need<'a>(world: &World, basis: &Basis, others: impl Iterator<Item = &'a NetworkPolicy>) -> Result<Need, Verdict> {
    let principal = basis.principal.as_ref().ok_or_else(|| basis.instance.clone())?;
    let (server, redis) = basis.server.as_ref().map_err(Clone::clone)?;
    let services = world.services.as_ref().map_err(|not_seen| Verdict::unknown(Reason::NotReadable, not_seen.to_string()))?;
    let port = port(principal, services.iter().map(AsRef::as_ref), world.namespace());
    let own = world.namespaces.as_ref().ok().and_then(|all| all.iter().find(|n| n.metadata.name.as_deref() == Some(world.namespace())));
    let none = Labels::new();
    let namespace = own.map(|namespace| namespace.metadata.labels.as_ref().unwrap_or(&none));
    let (from, to) = (From { labels: &server.pod_labels, namespace }, To { port, named: &principal.ports });
    let selecting: Vec<&NetworkPolicy> = others.filter(|policy| selects(policy, &principal.pod_labels)).collect();
    let Some(first) = selecting.first() else {
        let message = format!("no NetworkPolicy selects the pods of {}", principal.deployment);
        return Ok(Need { spec: None, port, verdict: Verdict::yes(Reason::NoPolicy, message) });
    };
    let name = first.metadata.name.as_deref().unwrap_or_default();
    let admits = selecting.iter().map(|policy| admits(policy, from, to)).max().unwrap_or(Admits::No);
    if admits == Admits::Yes {
        let message = format!("NetworkPolicies select {}, and let {} reach its port {port}; {ENFORCED}", principal.deployment, server.deployment);
        return Ok(Need { spec: None, port, verdict: Verdict::yes(Reason::Open, message) });
    }
    let message = format!(
        "NetworkPolicy {name} selects {}, and none lets {} reach its port {port}, where live resources come from; spec.principal.networkPolicy: Auto adds one",
        principal.deployment, server.deployment
    );
    let verdict = if admits == Admits::No {
        Verdict::no(Reason::Blocked, message)
    } else {
        Verdict::unknown(Reason::Blocked, format!("{message}. One admits addresses, and whether argocd-server's are among them is not known"))
    };
    // A template's labels may change with each version of a chart; the selector stays.
    let or = |selector: &Labels, labels: &Labels| if selector.is_empty() { labels.clone() } else { selector.clone() };
    let (to, from) = (or(&principal.selector, &principal.pod_labels), or(&redis.selector, &server.pod_labels));
    Ok(Need { spec: (!to.is_empty() && !from.is_empty()).then(|| spec(&to, &from, port)), port, verdict })
}

/// The port of the principal's pods on which the resource proxy listens: where its Service leads.
fn port<'a>(principal: &Principal, all: impl Iterator<Item = &'a Service> + Clone, namespace: &str) -> i32 {
    let address = principal.settings.resource_proxy_address.as_deref().and_then(Address::parse);
    let leads = all.filter(|service| services::leads_to(service, &principal.pod_labels));
    let host = address.as_ref().and_then(|a| services::name_of(&a.host, namespace));
    let named = leads.clone().find(|service| host.is_some() && service.metadata.name.as_deref() == host);
    // argocd-operator gives the Service a name that the principal is not told.
    let alike = || leads.clone().find(|service| service.metadata.name.as_deref().is_some_and(|name| name.ends_with("resource-proxy")));
    let number = address.as_ref().map_or(PORT, |address| address.port);
    let found = named.or_else(alike).and_then(|service| services::target(services::port(service, number)?, &principal.ports));
    found.unwrap_or_else(|| i32::from(PORT))
}

fn spec(to: &BTreeMap<String, String>, from: &BTreeMap<String, String>, port: i32) -> Value {
    json!({
        "ingress": [{"from": [{"podSelector": {"matchLabels": from}}], "ports": [{"port": port, "protocol": "TCP"}]}],
        "podSelector": {"matchLabels": to},
        "policyTypes": ["Ingress"],
    })
}

fn target(world: &World) -> Target {
    Target::namespaced(Kind::NetworkPolicy, world.namespace(), NAME)
}

fn give(world: &World, version: Option<&str>, spec: &Value) -> Write {
    let (api_version, kind, _) = Kind::NetworkPolicy.names();
    let mut metadata = json!({"name": NAME, "namespace": world.namespace(), "labels": {INSTANCE_LABEL: world.namespace()}});
    if let (Some(version), Some(metadata)) = (version, metadata.as_object_mut()) {
        metadata.insert("resourceVersion".to_owned(), json!(version));
    }
    let body = json!({"apiVersion": api_version, "kind": kind, "metadata": metadata, "spec": spec});
    let why = "let argocd-server reach the principal's resource proxy";
    Write { target: target(world), layer: Layer::Network, direction: Direction::Widen, action: Action::Apply(body), why }
}

fn take(world: &World, meta: &ObjectMeta, changes: &mut Vec<Change>) -> Write {
    changes.push(Change { object: target(world).to_string(), field: "spec".to_owned(), from: Some("ours".to_owned()), to: None });
    Write::delete(&target(world), meta, Layer::Network, Direction::Narrow, "no NetworkPolicy of ours is needed any more")
}
