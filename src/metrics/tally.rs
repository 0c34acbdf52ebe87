//! What the objects of one resource in one instance come to: counts, whatever the objects and people are called.

use std::collections::BTreeMap;

use crate::api::Condition;

use crate::api::conditions::{ConditionType, State};

/// What ends within this time is about to.
pub const SOON: jiff::SignedDuration = jiff::SignedDuration::from_hours(1);

/// The statuses that a condition has.
pub(super) const STATES: [State; 3] = [State::True, State::False, State::Unknown];

/// What some objects come to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// How many conditions of each type have each status.
    conditions: BTreeMap<(ConditionType, &'static str), i64>,
    /// How many objects take effect.
    active: i64,
    /// When each of those ends for good, where that is declared.
    ends: Vec<jiff::Timestamp>,
    /// How many values somebody keeps rewriting.
    contended: i64,
}

impl Tally {
    /// Adds one object: what its status says, and when it ends for good.
    pub fn add(&mut self, conditions: &[Condition], end: Option<jiff::Timestamp>) {
        for kind in ConditionType::ALL {
            let said = conditions.iter().find(|condition| condition.type_ == kind.as_str()).map(|condition| condition.status.as_str());
            // Of an object without a status it is known that nothing is known.
            let said = said.or((kind == ConditionType::Ready).then_some("Unknown"));
            let Some(state) = STATES.into_iter().find(|state| Some(state.as_str()) == said) else { continue };
            *self.conditions.entry((kind, state.as_str())).or_default() += 1;
            if kind == ConditionType::Active && state == State::True {
                self.active += 1;
                self.ends.extend(end);
            }
        }
    }

    /// The same with so many values that somebody keeps rewriting.
    pub(super) fn with_contended(self, contended: i64) -> Self {
        Self { contended, ..self }
    }

    /// The same with what others come to.
    pub(super) fn and(mut self, other: &Self) -> Self {
        for (key, count) in &other.conditions {
            *self.conditions.entry(*key).or_default() += count;
        }
        self.active += other.active;
        self.ends.extend(&other.ends);
        self.contended += other.contended;
        self
    }

    pub(super) fn count(&self, kind: ConditionType, state: State) -> i64 {
        self.conditions.get(&(kind, state.as_str())).copied().unwrap_or_default()
    }

    pub(super) fn active(&self) -> i64 {
        self.active
    }

    pub(super) fn contended(&self) -> i64 {
        self.contended
    }

    /// How many of those that take effect end soon.
    pub(super) fn expiring(&self, now: jiff::Timestamp) -> i64 {
        i64::try_from(self.ends.iter().filter(|end| end.duration_since(now) <= SOON).count()).unwrap_or(i64::MAX)
    }

    pub(super) fn first_end(&self) -> Option<jiff::Timestamp> {
        self.ends.iter().min().copied()
    }
}
