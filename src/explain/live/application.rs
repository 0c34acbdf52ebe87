//! The Application: whether it is there, deploys to this cluster, has the resource, and may have it by its project. Pure.

use super::observed::{Observed, Owner};
use super::owners::line;
use super::question::{Question, ResourceName};
use crate::argocd::deployed::{Deployed, DeployedResource};
use crate::argocd::project_scope::Scope;
use crate::explain::link::{Fix, Link, Name};
use crate::explain::{LiveCause, after, after_application, not_readable};

const NAME: Name = Name::Application;

fn closed(name: Name, cause: LiveCause, fact: String) -> Link {
    Link::closed(name, cause, fact).mended_by(Fix::by_people(cause.mend()))
}

/// How it stands.
#[must_use]
pub fn look(question: &Question, observed: &Observed) -> Link {
    let namespace = question.app_namespace();
    let app = match &observed.application {
        Err(not_seen) => return not_readable(NAME, not_seen),
        Ok(None) => return closed(NAME, LiveCause::ApplicationMissing, format!("there is no Application {} in {namespace}", question.app.name)),
        Ok(Some(app)) => app,
    };
    if app.project() != question.app.project {
        let fact = format!("the Application {} is of the project {}, not of {}", question.app.name, app.project(), question.app.project);
        return closed(NAME, LiveCause::ProjectDiffers, fact);
    }
    let destination = &app.spec.destination;
    if !destination.is_in_cluster() {
        let named = |text: &Option<String>| text.clone().filter(|t| !t.is_empty());
        let cluster = named(&destination.name).or_else(|| named(&destination.server)).unwrap_or_else(|| "no cluster".to_owned());
        return closed(NAME, LiveCause::Elsewhere, format!("the Application {} deploys to {cluster}, not to in-cluster", question.app.name));
    }
    if app.resources().is_empty() {
        let fact = format!("the Application {} names no resource (yet)", question.app.name);
        return closed(NAME, LiveCause::NotListed, fact);
    }
    let here = format!("{} in {namespace} deploys to this cluster", question.app);
    match top(question, observed) {
        Top::Itself => Link::open(NAME, format!("{here}, and has {} itself", question.resource)),
        Top::Owner(owner) => Link::open(NAME, format!("{here}, and has {}, which owns {}", owner.resource, question.resource)),
        Top::Unseen => {
            let why = "it does not have it itself, and what owns it cannot be seen";
            Link::unknown(NAME, LiveCause::MarkUntold, format!("{here}; whether {} is one of its resources cannot be told: {why}", question.resource))
                .mended_by(Fix::by_people(LiveCause::MarkUntold.mend()))
        }
        Top::Nothing => closed(NAME, LiveCause::NotListed, format!("{here}, and has neither {} nor what owns it", question.resource)),
    }
}

/// How it stands in the control plane, where it names the agent.
#[must_use]
pub fn in_control_plane(question: &Question, observed: &Observed) -> Link {
    let app = match &observed.application {
        Err(not_seen) => return not_readable(NAME, not_seen),
        Ok(None) => {
            return closed(
                NAME,
                LiveCause::ApplicationMissing,
                format!("there is no Application {} in {}", question.app.name, question.app_namespace()),
            );
        }
        Ok(Some(app)) => app,
    };
    let destination = &app.spec.destination;
    if destination.is_in_cluster() {
        let fact = format!("the destination of the Application {} is the cluster of the control plane itself", question.app.name);
        return closed(NAME, LiveCause::DestinationHere, fact);
    }
    let cluster = [&destination.name, &destination.server].into_iter().flatten().find(|text| !text.is_empty());
    let cluster = cluster.map_or("no cluster", String::as_str);
    Link::open(
        NAME,
        format!("{} in {} names {cluster} (Secrets are not read, so not what its cluster Secret says)", question.app, question.app_namespace()),
    )
}

/// What of the resource's line an Application has itself.
enum Top {
    /// The resource.
    Itself,
    /// This owner of it.
    Owner(Owner),
    /// Nothing.
    Nothing,
    /// Nothing that is seen; there is more.
    Unseen,
}

fn top(question: &Question, observed: &Observed) -> Top {
    let (Some(app), Some(place)) = (observed.app(), observed.place(question)) else { return Top::Nothing };
    let has = |resource: &ResourceName| {
        let namespaced = observed.known(&resource.kind).is_none_or(|known| known.namespaced);
        app.resources().iter().any(|r| is(r, resource) && (!namespaced || lies_in(app, r, &place)))
    };
    if has(&question.resource) {
        return Top::Itself;
    }
    let line = line(observed);
    let unseen = line.hidden || line.look.is_some();
    match line.seen.into_iter().find(|owner| has(&owner.resource)) {
        Some(owner) => Top::Owner(owner),
        None if unseen => Top::Unseen,
        None => Top::Nothing,
    }
}

fn is(listed: &DeployedResource, resource: &ResourceName) -> bool {
    listed.group == resource.kind.group && listed.kind == resource.kind.kind && listed.name == resource.name
}

/// Where a resource names no namespace, it lies where the Application deploys to.
fn lies_in(app: &Deployed, listed: &DeployedResource, namespace: &str) -> bool {
    let home = app.spec.destination.namespace.as_deref().unwrap_or_default();
    if listed.namespace.is_empty() { home == namespace } else { listed.namespace == namespace }
}

/// How its project stands.
#[must_use]
pub fn project(question: &Question, observed: &Observed) -> Link {
    let Some(app) = observed.app() else { return after_application(Name::Project) };
    let name = app.project();
    let scope = match &observed.project {
        Err(not_seen) => return not_readable(Name::Project, not_seen),
        Ok(None) => {
            return closed(Name::Project, LiveCause::ProjectMissing, format!("there is no AppProject {name} in {}", question.instance));
        }
        Ok(Some(project)) => match Scope::of(project) {
            Ok(scope) => scope,
            Err(error) => return closed(Name::Project, LiveCause::OutsideProject, format!("the AppProject {name} cannot be read: {error}")),
        },
    };
    let Some(place) = observed.place(question) else { return after(Name::Project, "it depends on the namespace of the resource") };
    if !place.is_empty() && !scope.allows_namespace(&place) {
        let fact = format!("the AppProject {name} does not permit the namespace {place} of the cluster in-cluster");
        return closed(Name::Project, LiveCause::OutsideProject, fact);
    }
    // The resource itself has to be shown, and what the Application has of it is what rights are derived from.
    let owner = if let Top::Owner(owner) = top(question, observed) { Some(owner.resource) } else { None };
    for resource in [Some(&question.resource), owner.as_ref()].into_iter().flatten() {
        let (group, kind) = (resource.kind.group.as_str(), resource.kind.kind.as_str());
        let namespaced = observed.known(&resource.kind).is_none_or(|known| known.namespaced);
        let allowed =
            if namespaced { scope.allows_namespaced(group, kind, &resource.name) } else { scope.allows_cluster(group, kind, &resource.name) };
        if !allowed {
            let list = if namespaced { "namespaceResource" } else { "clusterResource" };
            let fact = format!("the AppProject {name} does not permit {} ({list}Whitelist and {list}Blacklist)", resource.kind);
            return closed(Name::Project, LiveCause::OutsideProject, fact);
        }
    }
    let there = if place.is_empty() { String::new() } else { format!(" in {place}") };
    Link::open(Name::Project, format!("the AppProject {name} permits {}{there}", question.resource.kind))
}
