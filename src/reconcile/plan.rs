//! How far a plan is: a status is made only from one that was applied, from what went wrong, and from what the API server answers. Pure.

use std::collections::BTreeMap;

use super::write::{Direction, Layer, Write};
use crate::api::conditions::shorten;
use crate::api::status::Change;

/// A plan that was not applied yet.
#[derive(Debug, Clone, Copy)]
pub struct Prepared;
/// A plan of which nothing is left to be sent in this round: only from such a one is a status made.
#[derive(Debug, Clone, Copy)]
pub struct Applied;

/// What went wrong in this round, by layer.
pub type Failures = BTreeMap<Layer, Vec<String>>;

/// The API server's answer to one question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Whether it is allowed.
    pub allowed: bool,
    /// Which grant allows it, as the API server says it.
    pub reason: String,
}

/// As many writes that take nothing away are in one step.
const STEP: usize = 256;

/// So many observing objects of one instance get `status.changes`: each costs a plan of its own, and nobody is to make the operator stand
/// still with many.
pub const OBSERVED: usize = 64;
/// So many changes are shown.
const CHANGES: usize = 50;
/// So many bytes of one value are shown.
const CHANGE_LIMIT: usize = 2048;

/// What an observing object is told: the changes with it that there are not without it. A status has to fit into an object; a policy of
/// thousands of lines does not.
#[must_use]
pub fn observed(mut with: Vec<Change>, without: &[Change]) -> Vec<Change> {
    with.retain(|change| !without.contains(change));
    with.sort();
    with.truncate(CHANGES);
    for value in with.iter_mut().flat_map(|c| [&mut c.from, &mut c.to]).flatten() {
        *value = shorten(value, CHANGE_LIMIT);
    }
    with
}

/// One step out of all that is wanted.
#[must_use]
pub fn step(wanted: Vec<Write>, finalizers: Vec<Write>, releases: Vec<Write>) -> Vec<Write> {
    let (narrow, rest): (Vec<Write>, Vec<Write>) = wanted.into_iter().partition(|w| w.direction == Direction::Narrow);
    let gives = narrow.is_empty();
    let mut writes = if gives { rest } else { narrow };
    writes.extend(finalizers);
    writes.extend(releases);
    writes.sort_by_key(Write::order);
    // Taking away is never cut short; giving is, so that the next withdrawal does not wait behind a thousand new objects.
    if gives {
        writes.truncate(STEP);
    }
    writes
}
