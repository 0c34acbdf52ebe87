//! Which `LiveResourceAccess` declares it, and what the operator says of that. Pure.
//!
//! What an object declares is found out by the very derivation that the operator uses, as if the operator might give everything: what it
//! may give is said in the object's status.

use std::sync::Arc;

use super::observed::{Accesses, Observed};
use super::question::Question;
use super::rights::{Need, Standing, What};
use super::smallest;
use crate::api::conditions::shorten;
use crate::api::live_status::Ungranted;
use crate::api::{Feature, GroupKind, LiveResourceAccess, Mode, Side};
use crate::config::InstanceConfig;
use crate::explain::link::{Fix, Link, Name, State};
use crate::explain::{LiveCause, after, not_readable};
use crate::live::ceiling::Ceiling;
use crate::live::derive::{Sight, derive};
use crate::live::grant;
use crate::live::rules::{Names, Right, Rules};
use crate::live::wanted::Wanted;

const NAME: Name = Name::Declared;
/// The conditions that a right waits for, in the order in which the operator comes to them.
const CONDITIONS: [&str; 6] = ["Accepted", "Active", "InstanceReady", "ResourcesResolved", "RBACApplied", "AccessProven"];

/// How it stands. Rights may come from elsewhere; then nothing needs to be declared.
#[must_use]
pub fn look(question: &Question, observed: &Observed, needs: &[Need], standing: &Standing) -> Link {
    let accesses = match &observed.accesses {
        Err(not_seen) if *standing == Standing::Whole => {
            return Link::open(NAME, format!("the rights are there, whoever gave them ({} cannot be read: {})", not_seen.kind, not_seen.why));
        }
        Err(not_seen) => return not_readable(NAME, not_seen),
        Ok(Accesses::NoKind) => return Link::open(NAME, "the cluster has no LiveResourceAccess: rights have to come from elsewhere"),
        Ok(Accesses::Some(all, _)) => all,
    };
    if needs.is_empty() {
        return after(NAME, "it depends on the kind and on the namespace of the resource");
    }
    let judged: Vec<Judged<'_>> = accesses.iter().filter(|a| a.spec.side == Side::Agent).map(|a| judge(question, observed, needs, a)).collect();
    // The one that is furthest counts.
    let link = judged.iter().filter(|one| one.declares).map(|one| one.link.clone()).min_by_key(|link| (link.state, link.cause));
    let link = link.unwrap_or_else(|| nothing(question, observed, needs, &judged));
    if *standing == Standing::Whole && link.state != State::Open {
        return Link::open(NAME, format!("the rights are there although {}", link.fact));
    }
    link
}

struct Judged<'a> {
    access: &'a Arc<LiveResourceAccess>,
    declares: bool,
    /// What stands in its way, where it leaves something of it out on purpose.
    left_out: Option<Ungranted>,
    link: Link,
}

fn judge<'a>(question: &Question, observed: &Observed, needs: &[Need], access: &'a Arc<LiveResourceAccess>) -> Judged<'a> {
    let name = access.metadata.name.as_deref().unwrap_or_default();
    let refused = |what: String| Judged { access, declares: false, left_out: None, link: Link::closed(NAME, LiveCause::NotDeclared, what) };
    let wanted = match wanted(question, observed, access) {
        Ok(Some(wanted)) => wanted,
        Ok(None) => return refused("it depends on the Application".to_owned()),
        Err(why) => return refused(format!("LiveResourceAccess {name} is not valid: {why}")),
    };
    let declares = needs.iter().all(|need| declares(&wanted, need));
    let place = observed.place(question).unwrap_or_default();
    let about = |kind: &str, group: &str, namespace: &str| {
        let same = |k: &GroupKind| k.kind == kind && k.group == group;
        let is_owner = |need: &Need| matches!(&need.what, What::Owner(owner) if same(&owner.resource.kind));
        (namespace == place || namespace.is_empty()) && (same(&question.resource.kind) || needs.iter().any(is_owner))
    };
    let concerns = |feature: Feature| feature == question.feature || feature == Feature::View;
    let left_out = wanted.not_granted.iter().find(|n| about(&n.kind, &n.group, &n.namespace) && concerns(n.feature)).map(|n| n.reason);
    let beyond = access.status.as_ref().is_some_and(|status| {
        let is_beyond = |n: &&crate::api::live_status::NotGranted| n.reason == Ungranted::BeyondCeiling;
        status.not_granted.iter().filter(is_beyond).any(|n| about(&n.kind, &n.group, &n.namespace) && concerns(n.feature))
    });
    Judged { access, declares, left_out, link: stands(access, name, beyond) }
}

/// What an object grants of this one Application, were nothing beyond the operator's own rights.
pub(super) fn wanted(question: &Question, observed: &Observed, access: &LiveResourceAccess) -> Result<Option<Wanted>, String> {
    let access = grant::parse(access, &InstanceConfig::of(&question.instance)).map_err(|refusal| refusal.message)?;
    let (Ok(Some(application)), Ok(discovery)) = (&observed.application, &observed.discovery) else { return Ok(None) };
    let projects: Vec<_> = observed.project.iter().flatten().cloned().collect();
    let namespaces: Vec<_> = observed.namespace.iter().flatten().cloned().collect();
    let ceiling = Ceiling::unlimited();
    let managed = observed.agent().ok().and_then(Result::ok).and_then(|agent| agent.managed).unwrap_or(true);
    Ok(Some(derive(
        &access,
        Sight {
            own: &question.instance,
            managed,
            applications: &[Arc::clone(application)],
            projects: &projects,
            namespaces: &namespaces,
            discovery,
            ceiling: &ceiling,
        },
    )))
}

/// Whether one of these rights is it.
pub(super) fn declares(wanted: &Wanted, need: &Need) -> bool {
    let asked = &need.asked;
    let shipped = |feature: Feature| wanted.namespaces.get(&asked.namespace).is_some_and(|place| place.features.contains(&feature));
    match need.what {
        What::Events => return shipped(Feature::Events),
        What::Logs => return shipped(Feature::Logs),
        What::Exec => return shipped(Feature::Terminal),
        What::Get | What::Owner(_) | What::Change => {}
    }
    let rules = if asked.namespace.is_empty() { Some(&wanted.cluster) } else { wanted.namespaces.get(&asked.namespace).map(|place| &place.rules) };
    let is_it = |right: &Right| right.group == asked.group && right.resource == asked.resource && right.verb == asked.verb;
    rules.into_iter().flat_map(Rules::iter).any(|(right, names)| is_it(right) && covers(names, &asked.name))
}

fn covers(names: &Names, name: &str) -> bool {
    match names {
        Names::All => true,
        Names::Only(some) => some.contains(name),
    }
}

/// How an object stands that declares it, by its spec and by what the operator says.
fn stands(access: &LiveResourceAccess, name: &str, beyond: bool) -> Link {
    let closed = |cause: LiveCause, fact: String| Link::closed(NAME, cause, fact).mended_by(Fix::by_people(cause.mend()));
    let declares = format!("LiveResourceAccess {name} declares it");
    if access.metadata.deletion_timestamp.is_some() {
        return closed(LiveCause::NotInEffect, format!("{declares}, and is being deleted"));
    }
    if access.spec.suspend {
        return closed(LiveCause::NotInEffect, format!("{declares}, and is suspended (spec.suspend)"));
    }
    if access.spec.mode == Mode::Observe {
        return closed(LiveCause::NotInEffect, format!("{declares}, and only observes (spec.mode)"));
    }
    let status = access.status.as_ref();
    let generation = access.metadata.generation;
    let conditions = status.filter(|s| s.observed_generation == generation).map(|s| s.conditions.as_slice()).unwrap_or_default();
    if conditions.is_empty() {
        return closed(LiveCause::NotServed, format!("{declares}, and no operator has said anything of its present state"));
    }
    if beyond {
        return closed(LiveCause::BeyondCeiling, format!("{declares}, and status.notGranted says BeyondCeiling"));
    }
    let fails = |kind: &str| conditions.iter().find(|c| c.type_ == kind).is_some_and(|c| c.status != "True");
    let Some(kind) = CONDITIONS.into_iter().find(|kind| fails(kind)) else { return Link::open(NAME, format!("{declares}, and it is in place")) };
    let said = conditions.iter().find(|c| c.type_ == kind);
    let said = said.map(|c| format!("{}/{}: {}", c.status, c.reason, shorten(&c.message, 300))).unwrap_or_default();
    let cause = if matches!(kind, "Accepted" | "Active") { LiveCause::NotInEffect } else { LiveCause::NotApplied };
    closed(cause, format!("{declares}, and its condition {kind} is {said}"))
}

/// Where nothing declares it: what would, and no more.
fn nothing(question: &Question, observed: &Observed, needs: &[Need], judged: &[Judged<'_>]) -> Link {
    let place = observed.place(question).unwrap_or_default();
    let there = if place.is_empty() { String::new() } else { format!(" in {place}") };
    let what = format!("{} on {}{there} for {}", question.feature.as_str(), question.resource, question.app);
    let unreadable = match &observed.accesses {
        Ok(Accesses::Some(_, names)) if !names.is_empty() => format!("; {} cannot be read", names.join(", ")),
        _ => String::new(),
    };
    let names = |all: Vec<&Judged<'_>>| all.iter().filter_map(|j| j.access.metadata.name.clone()).collect::<Vec<_>>().join(", ");
    let mentioned: Vec<&Judged<'_>> = judged.iter().filter(|j| j.left_out.is_some()).collect();
    let reason = mentioned.iter().find_map(|j| j.left_out);
    let fact = match reason {
        Some(reason) => format!("no LiveResourceAccess declares {what}: {} leave it out ({reason:?}){unreadable}", names(mentioned)),
        None => format!("no LiveResourceAccess declares {what}{unreadable}"),
    };
    match smallest::object(question, observed, needs) {
        Ok(fix) => Link::closed(NAME, LiveCause::NotDeclared, fact).mended_by(fix),
        Err(smallest::No::LeftOut(why)) => Link::closed(NAME, LiveCause::LeftOut, fact).mended_by(Fix::by_people(why)),
        Err(smallest::No::Wider(why)) => Link::closed(NAME, LiveCause::NotDeclared, fact).mended_by(Fix::by_people(why)),
    }
}
