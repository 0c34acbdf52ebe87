//! The kind of the resource, and whether the agent finds the resource to be one of an Application. Pure.

use super::observed::Observed;
use super::owners::{End, Search, mark};
use super::question::Question;
use crate::api::Feature;
use crate::explain::link::{Fix, Link, Name};
use crate::explain::{LiveCause, after, not_readable};
use crate::live::discovery::Known;
use crate::live::sensitive;

/// How its kind stands.
#[must_use]
pub fn look(question: &Question, observed: &Observed) -> Link {
    let kind = &question.resource.kind;
    let closed = |cause: LiveCause, fact: String| Link::closed(Name::Kind, cause, fact).mended_by(Fix::by_people(cause.mend()));
    if question.feature == Feature::Terminal && !(kind.group.is_empty() && kind.kind == "Pod") {
        return closed(LiveCause::FeatureKind, format!("a terminal is one into a Pod, and {} is none", question.resource));
    }
    let known = match &observed.discovery {
        Err(not_seen) => return not_readable(Name::Kind, not_seen),
        Ok(discovery) => match discovery.of(kind) {
            Some(known) => known,
            None => return closed(LiveCause::KindUnknown, format!("the API server knows no kind {kind}")),
        },
    };
    if sensitive::is_never_proxied(kind) {
        return closed(LiveCause::NeverProxied, format!("the agent never passes on a {}, whatever its rights are", kind.kind));
    }
    if question.feature == Feature::Logs && !known.namespaced {
        return closed(LiveCause::FeatureKind, format!("a {} has no namespace, and so no logs", kind.kind));
    }
    let verb = match question.feature {
        Feature::View | Feature::Terminal => Some("get"),
        Feature::Edit | Feature::Actions => Some("patch"),
        Feature::Delete => Some("delete"),
        Feature::Events | Feature::Logs => None,
    };
    match verb.filter(|verb| !known.verbs.contains(*verb)) {
        Some(verb) => closed(LiveCause::VerbUnsupported, format!("the API server offers no {verb} for {}", shown(question, known))),
        None => Link::open(Name::Kind, format!("{kind}, in requests {}", shown(question, known))),
    }
}

fn shown(question: &Question, known: &Known) -> String {
    let group = &question.resource.kind.group;
    let resource = if group.is_empty() { known.plural.clone() } else { format!("{}.{group}", known.plural) };
    if known.namespaced { resource } else { format!("{resource}, without a namespace") }
}

/// How it stands with the mark.
#[must_use]
pub fn managed(question: &Question, observed: &Observed, search: &Search) -> Link {
    const NAME: Name = Name::Managed;
    if !question.is_compared() {
        let what = question.feature.as_str();
        return Link::open(NAME, format!("the agent passes on {what} without comparing them with the Applications: rights alone decide"));
    }
    if observed.known(&question.resource.kind).is_none() {
        return after(NAME, "it depends on the kind");
    }
    let Some(place) = observed.place(question) else {
        return after(NAME, "it depends on the namespace of the resource, which the Application does not name: use --resource-namespace");
    };
    let there = if place.is_empty() { String::new() } else { format!(" in {place}") };
    let closed = |cause: LiveCause, fact: String| Link::closed(NAME, cause, fact).mended_by(Fix::by_people(cause.mend()));
    let mark = match mark(observed) {
        Ok(mark) => mark.label(),
        Err(not_seen) => return not_readable(NAME, &not_seen),
    };
    let resource = &question.resource;
    let up = search.asked.iter().map(|owner| owner.resource.to_string()).collect::<Vec<_>>().join(", ");
    let up = if up.is_empty() { "it has no owner".to_owned() } else { format!("looked at: {up}") };
    match &search.end {
        End::Marked(None) => Link::open(NAME, format!("{resource}{there} carries {mark}")),
        End::Marked(Some(owner)) => Link::open(NAME, format!("{} carries {mark}, and owns {resource}{there}", owner.resource)),
        End::Unmarked => closed(LiveCause::NotManaged, format!("neither {resource}{there} nor what owns it carries {mark} ({up})")),
        End::Deep => closed(LiveCause::OwnersTooDeep, format!("within four owners of {resource}{there} nothing carries {mark} ({up})")),
        End::Absent => closed(LiveCause::ResourceMissing, format!("there is no {resource}{there}")),
        End::Missing(owner) => closed(LiveCause::OwnerMissing, format!("there is no {}{there}, which {resource} names as an owner", owner.resource)),
        End::UnknownKind(owner) => closed(LiveCause::OwnerMissing, format!("the API server does not know the kind of the owner {}", owner.resource)),
        End::NotSeen(not_seen) => not_readable(NAME, not_seen),
        End::Untold(why) => {
            let cause = LiveCause::MarkUntold;
            Link::unknown(NAME, cause, format!("{resource}{there}: {why}")).mended_by(Fix::by_people(cause.mend()))
        }
        End::Look(owner) => after(NAME, &format!("it depends on the owner {}", owner.resource)),
    }
}
