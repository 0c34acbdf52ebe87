//! The way from the browser to argocd-server: what leads there, whether the path of the terminal does, and whether a WebSocket passes and
//! lasts. Pure.
//!
//! What stands in the instance's namespace is seen; a load balancer or a mesh before it is not.

use super::link::{Fix, Link, Name, State};
use super::observed::Observed;
use super::{Cause, after, commands, not_readable};
use crate::argocd::instance;
use crate::argocd::tracking::Place;
use crate::exec::ingress::inspect::{Front, Passage, inspect};
use crate::ownership::{Holding, remedy};
use crate::reconcile::Surroundings;
use crate::shell::word;

const NAME: Name = Name::Way;
/// Of this annotation a load balancer of AWS makes one that looks into HTTP.
const AWS_PROTOCOL: &str = "service.beta.kubernetes.io/aws-load-balancer-backend-protocol";

/// How it stands.
#[must_use]
pub fn look(observed: &Observed) -> Link {
    if observed.server().is_none() {
        return match observed.world.server() {
            Err(not_seen) => not_readable(NAME, &not_seen),
            Ok(_) => after(NAME, "it depends on argocd-server"),
        };
    }
    let fronts = match inspect(&observed.world) {
        Err(not_seen) => return not_readable(NAME, &not_seen),
        Ok(fronts) => fronts,
    };
    if fronts.is_empty() {
        return without(observed);
    }
    let links: Vec<Link> = fronts.iter().map(|front| judge(observed, front)).collect();
    // One that carries terminals is enough: another may well be for gRPC, or for the API. Else what can be mended comes first.
    let rank = |link: &Link| match (link.state, link.cause) {
        (State::Open, _) => 0,
        (State::Closed, Some(Cause::WayAnnotation | Cause::WayCut)) => 1,
        (State::Unknown, _) => 2,
        (State::Closed, _) => 3,
    };
    links.into_iter().min_by_key(rank).unwrap_or_else(|| without(observed))
}

fn judge(observed: &Observed, front: &Front) -> Link {
    let what = format!("{} {}", front.kind, front.name);
    match &front.passage {
        Passage::Open => Link::open(NAME, format!("{what}{} leads the path of the terminal to argocd-server and passes WebSockets", served(front))),
        Passage::Elsewhere(path) => {
            let path = path.as_deref().unwrap_or("/terminal");
            let fact = format!("{what} leads to argocd-server, and the path {path} does not");
            let fix = mended_path(observed, front, path).unwrap_or_else(|| Fix::by_people(Cause::WayElsewhere.mend()));
            Link::closed(NAME, Cause::WayElsewhere, fact).mended_by(fix)
        }
        Passage::GrpcOnly => Link::closed(NAME, Cause::WayGrpc, format!("{what} leads to argocd-server for gRPC alone"))
            .mended_by(Fix::by_people(Cause::WayGrpc.mend())),
        Passage::Lacks { key, value } => {
            let fact = format!("{what}{} lacks the annotation {key}, without which no WebSocket passes", served(front));
            Link::closed(NAME, Cause::WayAnnotation, fact).mended_by(annotate(observed, front, key, value))
        }
        Passage::Short { key, current, value } => {
            let fact = format!("{what}{} has {key} {current:?}, which is shorter than the five seconds between Argo CD's pings", served(front));
            Link::closed(NAME, Cause::WayCut, fact).mended_by(annotate(observed, front, key, value))
        }
        Passage::Cut(why) => Link::closed(NAME, Cause::WayCut, format!("{what}: {why}")).mended_by(Fix::by_people(Cause::WayCut.mend())),
        Passage::Unknown(why) => Link::unknown(NAME, Cause::WayUnknown, format!("{what}: {why}")).mended_by(Fix::by_people(Cause::WayUnknown.mend())),
        Passage::NotSeen(not_seen) => not_readable(NAME, not_seen),
    }
}

fn served(front: &Front) -> String {
    if front.controller.is_empty() { String::new() } else { format!(" ({})", front.controller) }
}

fn annotate(observed: &Observed, front: &Front, key: &str, value: &str) -> Fix {
    let namespace = observed.world.namespace();
    let command = format!("kubectl -n {} annotate ingress {} {} --overwrite", word(namespace), word(&front.name), word(&format!("{key}={value}")));
    let place = Place { group: "networking.k8s.io", kind: "Ingress", namespace: Some(namespace), name: &front.name };
    let ingress = observed.world.ingresses.iter().flatten().find(|i| i.metadata.name.as_deref() == Some(front.name.as_str()));
    let tracking = observed.world.tracking();
    let note = ingress.and_then(|ingress| {
        let holding = Holding::of(place, &ingress.metadata, &tracking);
        let path = ["metadata", "annotations", key];
        if let crate::ownership::Keeper::ArgocdOperator { .. } = holding.keeper() {
            let owner = holding.owner(&path, false, false);
            return Some(format!("argocd-operator makes this Ingress; so that it stays: {}", remedy::change(&owner, place, &path, value)));
        }
        commands::lasting(holding.keeper(), place, &path, value)
    });
    Fix::command(command).noting(note)
}

/// One more path beside the one that leads to argocd-server, to the same Service.
fn mended_path(observed: &Observed, front: &Front, path: &str) -> Option<Fix> {
    let (rule, backend) = front.leading.as_ref()?;
    let namespace = observed.world.namespace();
    let ingress = observed.world.ingresses.iter().flatten().find(|i| i.metadata.name.as_deref() == Some(front.name.as_str()))?;
    let operation = serde_json::json!([
        {"op": "test", "path": "/metadata/resourceVersion", "value": ingress.metadata.resource_version},
        {"op": "add", "path": format!("/spec/rules/{rule}/http/paths/0"), "value": {"path": path, "pathType": "Exact", "backend": backend}},
    ]);
    let place = Place { group: "networking.k8s.io", kind: "Ingress", namespace: Some(namespace), name: &front.name };
    let note = commands::kept(observed, place, &ingress.metadata);
    Some(Fix::command(commands::json_patch(namespace, "ingress", &front.name, &operation)?).noting(note))
}

/// Where nothing of the Kubernetes API for HTTP leads to argocd-server.
fn without(observed: &Observed) -> Link {
    if let Err(not_seen) = &observed.world.http_routes {
        return not_readable(NAME, not_seen);
    }
    let Some(server) = observed.server() else { return after(NAME, "it depends on argocd-server") };
    let services = match &observed.world.services {
        Ok(services) => services,
        Err(not_seen) => return not_readable(NAME, not_seen),
    };
    let ours = instance::services_of(&server, services.iter().map(AsRef::as_ref));
    let balanced = services.iter().find(|s| {
        let exposed = s.spec.as_ref().and_then(|spec| spec.type_.as_deref()).is_some_and(|t| matches!(t, "LoadBalancer" | "NodePort"));
        let by_http = s.metadata.annotations.as_ref().and_then(|a| a.get(AWS_PROTOCOL)).is_some_and(|p| p.starts_with("http"));
        exposed && !by_http && s.metadata.name.as_ref().is_some_and(|name| ours.contains(name))
    });
    if let Some(service) = balanced {
        let kind = service.spec.as_ref().and_then(|s| s.type_.as_deref()).unwrap_or_default();
        return Link::open(
            NAME,
            format!("Service {} of type {kind} leads to argocd-server by TCP", service.metadata.name.as_deref().unwrap_or_default()),
        );
    }
    let fact = format!("no Ingress, no HTTPRoute and no load balancer in {} is seen to lead to argocd-server", observed.world.namespace());
    Link::unknown(NAME, Cause::WayNone, fact).mended_by(Fix::by_people(Cause::WayNone.mend()))
}
