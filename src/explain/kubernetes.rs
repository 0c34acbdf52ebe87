//! The Kubernetes rights of argocd-server's ServiceAccount where the Pod is, as the API server itself answers. Pure.

use k8s_openapi::api::apps::v1::Deployment;

use super::link::{Fix, Link, Name};
use super::observed::{Observed, Reviewed, pod_namespace};
use super::question::Question;
use super::{Cause, after, after_application, commands};
use crate::argocd::instance::Server;
use crate::argocd::versions;
use crate::exec::remote::Cluster;
use crate::exec::status::Review;

const NAME: Name = Name::Kubernetes;
/// kubectl's variable, which argocd-server minds (Argo CD `server/application/terminal.go`).
const WEBSOCKETS: &str = "KUBECTL_REMOTE_COMMAND_WEBSOCKETS";

/// How it stands.
#[must_use]
pub fn look(question: &Question, observed: &Observed) -> Link {
    let Some(live) = observed.live() else { return after_application(NAME) };
    if Cluster::of(&live.application.spec.destination).is_some() {
        return after(NAME, "it depends on the credential of the other cluster");
    }
    let Some(namespace) = pod_namespace(question, Some(live)) else {
        return after(NAME, "it depends on the Pod's namespace, which the Application does not name: use --pod-namespace");
    };
    let Some(server) = observed.server() else { return after(NAME, "it depends on argocd-server") };
    match &observed.review {
        Reviewed::NotAsked => after(NAME, "it depends on argocd-server and on the Application"),
        Reviewed::Forbidden(why) => {
            let fact = format!("you may not ask what argocd-server may do (create subjectaccessreviews): {why}");
            Link::unknown(NAME, Cause::ReviewForbidden, fact).mended_by(Fix::by_people(Cause::ReviewForbidden.mend()))
        }
        Reviewed::Failed(why) => Link::unknown(NAME, Cause::NotReadable, why.clone()),
        Reviewed::Answered(review) => judge(observed, &namespace, &server, review),
    }
}

fn judge(observed: &Observed, namespace: &str, server: &Server, review: &Review) -> Link {
    let (argocd, kubernetes) = (server.version.as_deref(), observed.world.kubernetes_version.as_deref());
    let whom = format!("ServiceAccount {}/{}", observed.world.namespace(), server.service_account);
    let by_websocket = !websockets_off(observed);
    let get_is_enough = by_websocket && versions::get_is_enough(argocd, kubernetes);
    let closed =
        |cause, what: &str| Link::closed(NAME, cause, format!("{whom} may not {what} in {namespace}")).mended_by(bind(observed, namespace, server));
    if !review.pods_get.allowed {
        return closed(Cause::PodsGet, "get pods");
    }
    let (get, create) = (&review.exec_get, &review.exec_create);
    if create.allowed || (get.allowed && get_is_enough) {
        let (verb, answer) = if create.allowed { ("create", create) } else { ("get", get) };
        let enough = if create.allowed { "" } else { " (get is enough: Argo CD asks by WebSocket, and Kubernetes is older than 1.35)" };
        return Link::open(NAME, format!("{whom} may get pods, and {verb} pods/exec in {namespace}{enough}: {}", said(&answer.reason)));
    }
    if !get.allowed {
        return closed(Cause::ExecMissing, "create pods/exec");
    }
    // With both versions known, or without WebSockets, `get` is known to be too little.
    let known = !by_websocket || (versions::WEBSOCKET.holds(argocd).is_some() && versions::CREATE_FOR_WEBSOCKET.holds(kubernetes).is_some());
    let why = match (by_websocket, versions::WEBSOCKET.holds(argocd)) {
        (false, _) => format!("argocd-server runs with {WEBSOCKETS}=false"),
        (true, Some(false)) => "this Argo CD asks by POST".to_owned(),
        _ => format!("Kubernetes {} asks for create as well", kubernetes.unwrap_or("of an unknown version")),
    };
    let link = closed(Cause::ExecCreate, &format!("create pods/exec, only get it ({}), which is not enough: {why};", said(&get.reason)));
    if known { link } else { Link { state: super::State::Unknown, ..link } }
}

fn said(reason: &str) -> &str {
    if reason.is_empty() { "the API server does not say why" } else { reason }
}

fn websockets_off(observed: &Observed) -> bool {
    let Some(server) = observed.server() else { return false };
    let is_it = |d: &&std::sync::Arc<Deployment>| d.metadata.name.as_deref() == Some(server.deployment.as_str());
    let deployment = observed.world.deployments.iter().flatten().find(is_it);
    let containers = deployment.and_then(|d| d.spec.as_ref()).and_then(|s| s.template.spec.as_ref()).map(|p| p.containers.as_slice());
    let env = containers.into_iter().flatten().flat_map(|c| c.env.iter().flatten());
    env.filter(|v| v.name == WEBSOCKETS).any(|v| v.value.as_deref() == Some("false"))
}

/// A Role of its own for this one namespace: Kubernetes has nothing narrower for Pods whose names change.
fn bind(observed: &Observed, namespace: &str, server: &Server) -> Fix {
    let instance = observed.world.namespace();
    // Two instances may lead into one namespace.
    let name = format!("argocd-terminal-{instance}");
    let manifest = format!(
        "\
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {{name: {name}}}
rules:
- {{apiGroups: [\"\"], resources: [pods], verbs: [get]}}
- {{apiGroups: [\"\"], resources: [pods/exec], verbs: [get, create]}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {{name: {name}}}
roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: Role, name: {name}}}
subjects: [{{kind: ServiceAccount, name: {}, namespace: {instance}}}]
",
        server.service_account
    );
    let note = format!("argocd-server may then exec into every Pod of {namespace}; whom it lets do so is Argo CD's policy");
    Fix::command(commands::apply(namespace, &manifest)).noting(note)
}
