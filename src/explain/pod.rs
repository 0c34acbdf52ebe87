//! The Pod and its container: whether the Pod is one of the Application's, and whether Argo CD takes the container for a running one. Pure.
//!
//! argocd-server looks the Pod up in the Application's tree of resources, which is what it manages and what those own. Up to 3.3.4 the Pod
//! must be in the phase Running and the container one of `spec.containers`; since then the container's own state counts, and init
//! containers that stay do as well (Argo CD `server/application/terminal.go`).

use k8s_openapi::api::core::v1::{ContainerStatus, Pod};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;

use super::link::{Fix, Link, Name};
use super::observed::{Live, Observed, Resource, pod_namespace};
use super::question::Question;
use super::{Cause, after, after_application, not_readable};
use crate::argocd::versions;
use crate::exec::remote::Cluster;
use crate::shell::word;

const NAME: Name = Name::Pod;
const RUNNING: &str = "Running";
/// So many Pods are named.
const NAMED: usize = 5;

/// How it stands.
#[must_use]
pub fn look(question: &Question, observed: &Observed) -> Link {
    let Some(live) = observed.live() else { return after_application(NAME) };
    if Cluster::of(&live.application.spec.destination).is_some() {
        return after(NAME, "it is in another cluster");
    }
    let Some(namespace) = pod_namespace(question, Some(live)) else {
        return after(NAME, "the Application does not name the Pod's namespace: use --pod-namespace");
    };
    let pods = match &observed.pods {
        Err(not_seen) => return not_readable(NAME, not_seen),
        Ok(pods) => pods,
    };
    let at = At { question, observed, live, namespace: &namespace };
    match &question.pod {
        Some(name) => match pods.iter().find(|p| p.metadata.name.as_deref() == Some(name)) {
            Some(pod) => at.judge(pod),
            None => {
                let look = format!("kubectl -n {} get pods lists those that there are", word(&namespace));
                Link::closed(NAME, Cause::PodMissing, format!("there is no Pod {name} in {namespace}")).mended_by(Fix::by_people(look))
            }
        },
        None => at.any(pods),
    }
}

/// Whether a Pod belongs to the Application.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Belongs {
    Yes,
    No,
    Unknown,
}

struct At<'a> {
    question: &'a Question,
    observed: &'a Observed,
    live: &'a Live,
    namespace: &'a str,
}

impl At<'_> {
    /// Without a name: one that opens is enough.
    fn any(&self, pods: &[std::sync::Arc<Pod>]) -> Link {
        let own: Vec<&Pod> = pods.iter().map(AsRef::as_ref).filter(|pod| self.belongs(pod) != Belongs::No).collect();
        let judged: Vec<(&Pod, Link)> = own.iter().map(|pod| (*pod, self.judge(pod))).collect();
        let open: Vec<&str> = judged.iter().filter(|(_, link)| link.state == super::State::Open).map(|(pod, _)| name(pod)).collect();
        if !open.is_empty() {
            let more = open.len().saturating_sub(NAMED);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            let named = open.iter().take(NAMED).copied().collect::<Vec<_>>().join(", ");
            return Link::open(NAME, format!("{named}{more} in {} run and belong to the Application", self.namespace));
        }
        match judged.into_iter().next() {
            Some((_, link)) => link,
            None => {
                let fact = format!("no Pod of the Application is seen in {}", self.namespace);
                Link::closed(NAME, Cause::PodMissing, fact)
                    .mended_by(Fix::by_people("sync the Application, or name the Pod's namespace by --pod-namespace"))
            }
        }
    }

    fn judge(&self, pod: &Pod) -> Link {
        let named = name(pod);
        match self.belongs(pod) {
            Belongs::No => {
                let fact =
                    format!("Pod {named} in {} is not one of the Application's: what Argo CD manages for it neither is nor owns it", self.namespace);
                return Link::closed(NAME, Cause::PodForeign, fact).mended_by(Fix::by_people(Cause::PodForeign.mend()));
            }
            Belongs::Unknown => {
                let fact =
                    format!("it cannot be seen what owns Pod {named} in {}, and so not whether it is one of the Application's", self.namespace);
                return Link::unknown(NAME, Cause::NotReadable, fact);
            }
            Belongs::Yes => {}
        }
        let status = pod.status.as_ref();
        let phase = status.and_then(|s| s.phase.as_deref()).unwrap_or("without a phase");
        if phase != RUNNING || pod.metadata.deletion_timestamp.is_some() {
            let state = if pod.metadata.deletion_timestamp.is_some() { "is being deleted".to_owned() } else { format!("is {phase}, not {RUNNING}") };
            let fix = self
                .made_anew(pod)
                .unwrap_or_else(|| Fix::by_people(format!("kubectl -n {} describe pod {} says why", word(self.namespace), word(named))));
            return Link::closed(NAME, Cause::PodNotRunning, format!("Pod {named} in {} {state}", self.namespace)).mended_by(fix);
        }
        self.container(pod)
    }

    /// A Pod that has ended comes anew where something makes it: its owner, or an Application that heals itself.
    fn made_anew(&self, pod: &Pod) -> Option<Fix> {
        let ended = pod.status.as_ref().and_then(|s| s.phase.as_deref()).is_some_and(|p| matches!(p, "Failed" | "Succeeded"));
        let owned = pod.metadata.owner_references.iter().flatten().any(|o| o.controller == Some(true) && o.kind != "Job");
        let healed = self.live.heals && self.manages(&pod_resource(pod, self.namespace));
        let delete = || Fix::command(format!("kubectl -n {} delete pod {}", word(self.namespace), word(name(pod))));
        let by = if owned { "its owner" } else { "the Application, which heals itself," };
        (ended && (owned || healed)).then(|| delete().noting(format!("{by} makes it anew")))
    }

    fn container(&self, pod: &Pod) -> Link {
        let spec = pod.spec.as_ref();
        let named = name(pod);
        let in_spec = |name: &str| spec.is_some_and(|s| s.containers.iter().any(|c| c.name == name));
        let first = spec.and_then(|s| s.containers.first()).map(|c| c.name.as_str()).unwrap_or_default();
        let container = self.question.container.as_deref().unwrap_or(first);
        let status = pod.status.as_ref();
        let of = |list: Option<&Vec<ContainerStatus>>| list.into_iter().flatten().find(|c| c.name == container).cloned();
        let runs = |status: &ContainerStatus| status.state.as_ref().is_some_and(|s| s.running.is_some());
        if in_spec(container) {
            return match of(status.and_then(|s| s.container_statuses.as_ref())) {
                Some(status) if !runs(&status) => {
                    let fact = format!("container {container} of Pod {named} in {} {}", self.namespace, waits(&status));
                    let look = format!("kubectl -n {} logs {} -c {} --previous may say why", word(self.namespace), word(named), word(container));
                    Link::closed(NAME, Cause::ContainerNotRunning, fact).mended_by(Fix::by_people(look))
                }
                // Without a status of its own the Pod's phase is all that there is.
                _ => Link::open(NAME, format!("Pod {named} in {} belongs to the Application, and its container {container} runs", self.namespace)),
            };
        }
        let inits = spec.and_then(|s| s.init_containers.as_ref()).into_iter().flatten();
        if let Some(init) = inits.into_iter().find(|c| c.name == container) {
            let running = of(status.and_then(|s| s.init_container_statuses.as_ref())).is_some_and(|s| runs(&s));
            let version = self.observed.server().and_then(|s| s.version);
            let since = versions::NATIVE_SIDECARS.holds(version.as_deref());
            let sidecar = init.restart_policy.as_deref() == Some("Always");
            let fact = format!("{container} of Pod {named} in {} is an init container", self.namespace);
            return match (since, running) {
                (Some(true), true) => Link::open(NAME, format!("{fact} that runs{}", if sidecar { ", a sidecar" } else { "" })),
                (Some(true), false) => Link::closed(NAME, Cause::ContainerNotRunning, format!("{fact} that does not run")),
                (Some(false), _) => {
                    Link::closed(NAME, Cause::ContainerSidecar, format!("{fact}, and this is Argo CD {}", version.unwrap_or_default()))
                        .mended_by(Fix::by_people(Cause::ContainerSidecar.mend()))
                }
                (None, _) => Link::unknown(NAME, Cause::ContainerSidecar, format!("{fact}, and Argo CD's version is not known")),
            };
        }
        if spec.and_then(|s| s.ephemeral_containers.as_ref()).into_iter().flatten().any(|c| c.name == container) {
            let fact = format!("{container} of Pod {named} in {} is an ephemeral container", self.namespace);
            return Link::closed(NAME, Cause::ContainerEphemeral, fact).mended_by(Fix::by_people(Cause::ContainerEphemeral.mend()));
        }
        let there: Vec<&str> = spec.map(|s| s.containers.iter().map(|c| c.name.as_str()).collect()).unwrap_or_default();
        let fact = format!("Pod {named} in {} has no container {container}", self.namespace);
        Link::closed(NAME, Cause::ContainerMissing, fact).mended_by(Fix::by_people(format!("it has {}", there.join(", "))))
    }

    fn manages(&self, resource: &Resource) -> bool {
        self.live.resources.contains(resource)
    }

    /// Whether what Argo CD manages for the Application is the Pod or, over its owners, owns it.
    fn belongs(&self, pod: &Pod) -> Belongs {
        if self.manages(&pod_resource(pod, self.namespace)) {
            return Belongs::Yes;
        }
        let owners = pod.metadata.owner_references.as_deref().unwrap_or_default();
        let all: Vec<Belongs> = owners.iter().map(|owner| self.owns(owner)).collect();
        if all.contains(&Belongs::Yes) {
            Belongs::Yes
        } else if all.contains(&Belongs::Unknown) {
            Belongs::Unknown
        } else {
            Belongs::No
        }
    }

    fn owns(&self, owner: &OwnerReference) -> Belongs {
        if self.manages(&self.resource(owner)) {
            return Belongs::Yes;
        }
        match self.observed.owners.get(&(owner.kind.clone(), owner.name.clone())) {
            Some(Ok(above)) if above.iter().any(|o| self.manages(&self.resource(o))) => Belongs::Yes,
            // Nothing stands above it, or something that Argo CD manages for another Application.
            Some(Ok(above)) if above.is_empty() || above.iter().all(is_stock) => Belongs::No,
            _ => Belongs::Unknown,
        }
    }

    fn resource(&self, owner: &OwnerReference) -> Resource {
        let group = owner.api_version.split_once('/').map_or("", |(group, _)| group);
        Resource { group: group.to_owned(), kind: owner.kind.clone(), namespace: self.namespace.to_owned(), name: owner.name.clone() }
    }
}

/// A kind that nothing else makes in most clusters, so that it would be in the list.
fn is_stock(owner: &OwnerReference) -> bool {
    matches!(owner.kind.as_str(), "Deployment" | "CronJob")
}

/// What owns this Pod and has to be looked at for its own owners, by kind and name.
#[must_use]
pub fn between(pod: &Pod) -> Vec<(String, String)> {
    let owners = pod.metadata.owner_references.iter().flatten();
    owners.filter(|o| matches!(o.kind.as_str(), "ReplicaSet" | "Job")).map(|o| (o.kind.clone(), o.name.clone())).collect()
}

fn pod_resource(pod: &Pod, namespace: &str) -> Resource {
    Resource { group: String::new(), kind: "Pod".to_owned(), namespace: namespace.to_owned(), name: name(pod).to_owned() }
}

fn name(pod: &Pod) -> &str {
    pod.metadata.name.as_deref().unwrap_or_default()
}

fn waits(status: &ContainerStatus) -> String {
    let state = status.state.as_ref();
    let waiting = state.and_then(|s| s.waiting.as_ref()).and_then(|w| w.reason.clone());
    let ended = state.and_then(|s| s.terminated.as_ref()).map(|t| format!("ended with {}", t.exit_code));
    waiting.map(|reason| format!("waits: {reason}")).or(ended).unwrap_or_else(|| "does not run".to_owned())
}
