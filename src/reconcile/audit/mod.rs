//! The audit trail: one record for each grant that is opened, changed and closed. Pure.
//!
//! What was in effect stands in `status.grant`, and a record tells how one status differs from the one before. So whoever writes the status
//! tells, and nobody tells twice: not after a restart, and not when another operator takes over. The status comes first, and the record
//! right behind it; a process that is killed between the two tells nothing of that change, but the status says it, and whatever comes later
//! is told.

mod ledger;
mod record;
#[cfg(test)]
mod tests;

use crate::api::Condition;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde_json::Value;
use sha2::{Digest, Sha256};

pub use ledger::Ledger;
pub use record::{Event, Record, keep_writers};

use super::told::find;
use crate::api::NamespaceSelection;
use crate::api::conditions::{ConditionType, Reason};
use crate::api::grant::GrantInEffect;

/// What a status says of what its object declares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// It is in effect as it is declared.
    Given,
    /// Something is in effect, though not as it is declared now.
    Standing,
    /// It cannot be said: what was said last counts.
    Unsure,
    /// Nothing of it is in effect.
    Gone,
}

/// Whom an object is for, and what it allows, as it declares it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Terms {
    /// For whom, one by one.
    pub whom: Vec<String>,
    /// What, for a person to read.
    pub what: Vec<String>,
    /// What, exactly: by this a change is known.
    pub exactly: Value,
}

impl Terms {
    fn fingerprints(&self) -> (String, String) {
        let mut whom = self.whom.clone();
        whom.sort();
        (fingerprint(&Value::from(whom).to_string()), fingerprint(&self.exactly.to_string()))
    }

    /// Whether these are the terms of a grant.
    #[must_use]
    pub fn are_of(&self, grant: &GrantInEffect) -> bool {
        (grant.whom.clone(), grant.what.clone()) == self.fingerprints()
    }
}

/// The namespaces that a selection chooses, for a person; `None`: it chooses none.
#[must_use]
pub fn places(selection: &NamespaceSelection) -> Option<String> {
    let labels = selection.selector.as_ref().map(|selector| format!("those with the labels {}", serde_json::json!(selector)));
    let all: Vec<String> = selection.names.iter().cloned().chain(labels).collect();
    (!all.is_empty()).then(|| format!("namespaces {}", all.join(" ")))
}

/// A short fingerprint of a text.
fn fingerprint(text: &str) -> String {
    let digest = Sha256::digest(text.as_bytes());
    let start = digest.iter().take(8).fold(0_u64, |sum, byte| (sum << 8) | u64::from(*byte));
    format!("{start:016x}")
}

/// What is in effect now, as it follows from what was.
#[must_use]
pub fn follow(
    before: Option<&GrantInEffect>,
    effect: Effect,
    terms: &Terms,
    until: Option<&Time>,
    credential: Option<&Time>,
    now: &Time,
) -> Option<GrantInEffect> {
    let (whom, what) = terms.fingerprints();
    let as_declared = |since: Time| GrantInEffect { since, until: until.cloned(), changes: 0, whom, what, credential: credential.cloned() };
    match (effect, before) {
        (Effect::Gone, _) => None,
        (Effect::Unsure, before) => before.cloned(),
        (Effect::Given, Some(before)) => {
            let same = GrantInEffect { changes: before.changes, ..as_declared(before.since.clone()) };
            // Counted, so that each change is another one: it may be changed back.
            Some(if same == *before { same } else { GrantInEffect { changes: before.changes.saturating_add(1), ..same } })
        }
        (Effect::Standing, Some(before)) => Some(before.clone()),
        // Better told with what is declared than not at all.
        (Effect::Given | Effect::Standing, None) => Some(as_declared(whole_second(now))),
    }
}

/// As the API keeps times.
fn whole_second(time: &Time) -> Time {
    jiff::Timestamp::from_second(time.0.as_second()).map_or_else(|_| time.clone(), Time)
}

/// How one differs from the one before: nothing, or what is to be told.
#[must_use]
pub fn event(before: Option<&GrantInEffect>, after: Option<&GrantInEffect>) -> Option<Event> {
    match (before, after) {
        (None, None) => None,
        (None, Some(_)) => Some(Event::Opened),
        (Some(_), None) => Some(Event::Closed),
        (Some(before), Some(after)) => {
            let parts = [
                ("whom", before.whom != after.whom),
                ("what", before.what != after.what),
                ("until", before.until != after.until),
                ("credential", before.credential != after.credential),
            ];
            let changed: Vec<&'static str> = parts.into_iter().filter(|(_, differs)| *differs).map(|(name, _)| name).collect();
            (!changed.is_empty()).then_some(Event::Changed(changed))
        }
    }
}

/// What the conditions of a resource say of its effect, where `layer` is the one by which it gives. `proven`: a part of it is known to be in
/// effect, whatever that condition says.
#[must_use]
pub fn effect_of(conditions: &[Condition], layer: ConditionType, proven: bool) -> Effect {
    let state = |kind| find(conditions, kind).map(|condition| (condition.status.as_str(), condition.reason.as_str()));
    let failed = |reason: &str| NOT_DONE.iter().any(|not| not.as_str() == reason);
    match (state(ConditionType::Active).map(|(status, _)| status), state(layer)) {
        (Some("True"), Some(("True", _))) => Effect::Given,
        (Some("True"), _) if proven => Effect::Standing,
        (Some("False"), Some(("False", reason))) if !failed(reason) => Effect::Gone,
        _ => Effect::Unsure,
    }
}

/// Reasons of a condition that say that something is still to be written.
pub const NOT_DONE: [Reason; 5] = [Reason::WriteFailed, Reason::Pending, Reason::NotReadable, Reason::Contended, Reason::OwnedByOther];
