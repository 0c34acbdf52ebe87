//! Values that are wanted and not written, because somebody else has them: what a condition says of them. Pure.

use super::contests::Rival;
use crate::api::conditions::{Reason, Verdict};
use crate::argocd::tracking::Place;
use crate::config::ConflictPolicy;
use crate::ownership::{Owner, remedy};

/// One such value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Withheld {
    /// `OwnedByOther` or `Contended`.
    pub reason: Reason,
    /// The object and the field.
    pub field: String,
    /// Who has it, and what to change.
    pub message: String,
}

fn field_of(place: Place<'_>, path: &[&str]) -> String {
    format!("{} {} {}", place.kind, place.name, remedy::dotted(path))
}

impl Withheld {
    /// It is left to its owner.
    #[must_use]
    pub fn deferred(owner: &Owner, policy: ConflictPolicy, place: Place<'_>, path: &[&str], value: &str) -> Self {
        let field = field_of(place, path);
        let why = if policy == ConflictPolicy::Defer { " (conflictPolicy Defer)" } else { "" };
        let message = format!(
            "{field} belongs to {}, so it is left alone{why}; to have it right, {}",
            owner.label(),
            remedy::change(owner, place, path, value)
        );
        Self { reason: Reason::OwnedByOther, field, message }
    }

    /// Somebody keeps rewriting it.
    #[must_use]
    pub fn contended(rival: &Rival, place: Place<'_>, path: &[&str], value: &str) -> Self {
        let field = field_of(place, path);
        let time = |at: jiff::Timestamp| at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        let message = format!(
            "{} keeps rewriting {field}, last at {}, so nothing is written there until {}; let {} set it to {value}, or keep it from the field",
            rival.manager,
            time(rival.at),
            time(rival.until),
            rival.manager
        );
        Self { reason: Reason::Contended, field, message }
    }

    /// What they say together; a quarrel first.
    #[must_use]
    pub fn sum<'a>(all: impl IntoIterator<Item = &'a Self>) -> Option<Verdict> {
        let mut all: Vec<&Self> = all.into_iter().collect();
        all.sort_by_key(|w| w.reason != Reason::Contended);
        let (first, rest) = all.split_first()?;
        let others: Vec<&str> = rest.iter().map(|w| w.field.as_str()).collect();
        let more = if others.is_empty() { String::new() } else { format!(". Likewise: {}", others.join(", ")) };
        Some(Verdict::no(first.reason, format!("{}{more}", first.message)))
    }
}
