//! What declarations would change, without any of it being done: the plan with them minus the plan without them. Pure.

use std::sync::Arc;

use super::admission;
use super::exclusive::Others;
use super::plan::fold;
use super::world::World;
use crate::api::ExecAccess;
use crate::api::conditions::Verdict;
use crate::api::status::Change;
use crate::reconcile::clock::Clock;

/// What becomes of one declaration.
#[derive(Clone, Debug)]
pub struct Judged {
    /// Its name.
    pub name: String,
    /// `Accepted`, as its status would say it.
    pub accepted: Verdict,
    /// `Active`, as its status would say it.
    pub active: Verdict,
}

/// What would be.
#[derive(Clone, Debug)]
pub struct Preview {
    /// Every field that would change, sorted by object and field.
    pub changes: Vec<Change>,
    /// The declarations that were added or replaced.
    pub judged: Vec<Judged>,
}

/// What changes when these declarations are applied: an object of the same name is replaced, another one is added as the youngest.
/// Without any it is what the operator would change now.
#[must_use]
pub fn preview(world: &World, declared: &[ExecAccess], now: jiff::Timestamp) -> Preview {
    let clock = Clock::new(now, world.server_ahead);
    let world = &*world.at(clock);
    let with = World { accesses: merged(world, declared, now), ..world.clone() };
    let others = Others::of(&with);
    let cases = admission::judge(&with, &others, clock);
    let mut changes = fold(&with, &cases, &others, now).wanted.changes;
    if !declared.is_empty() {
        let others = Others::of(world);
        let without = fold(world, &admission::judge(world, &others, clock), &others, now).wanted.changes;
        changes.retain(|change| !without.contains(change));
    }
    changes.sort();
    let named = |name: Option<&str>| declared.iter().any(|d| d.metadata.name.as_deref() == name);
    let judged = cases.into_iter().filter(|case| named(case.access.metadata.name.as_deref())).map(|case| Judged {
        name: case.access.metadata.name.clone().unwrap_or_default(),
        accepted: case.accepted,
        active: case.active,
    });
    Preview { changes, judged: judged.collect() }
}

/// All declarations, as they would stand there.
fn merged(world: &World, declared: &[ExecAccess], now: jiff::Timestamp) -> Vec<Arc<ExecAccess>> {
    let mut all = world.accesses.clone();
    for new in declared {
        let mut new = new.clone();
        let earlier = all.iter().position(|a| a.metadata.name == new.metadata.name);
        match earlier.and_then(|at| all.get(at)) {
            Some(earlier) => {
                let annotations = new.metadata.annotations.take();
                new.metadata = earlier.metadata.clone();
                new.metadata.annotations = annotations;
                new.status.clone_from(&earlier.status);
            }
            None => {
                // The uid only orders objects of the same age, and is part of names that are made from it; the server gives the real one.
                new.metadata.uid = Some(format!("00000000-{}", new.metadata.name.as_deref().unwrap_or_default()));
                new.metadata.creation_timestamp = Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(now));
                new.metadata.namespace = Some(world.namespace().to_owned());
            }
        }
        let new = Arc::new(new);
        match earlier.and_then(|at| all.get_mut(at)) {
            Some(place) => *place = new,
            None => all.push(new),
        }
    }
    all
}
