//! Two clocks, the operator's and the API server's: how far apart they are, and what time it is where they differ. Pure.
//!
//! The later clock decides about ends and the earlier one about beginnings. So a clock that is wrong shortens an access, and lengthens none.

use jiff::{SignedDuration, Timestamp};

use crate::api::conditions::{Reason, Verdict};

/// Clocks that differ by more than this are reported.
const TOLERANCE: SignedDuration = SignedDuration::from_secs(5);

/// What time it is: a span where the two clocks differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clock {
    /// By our own clock.
    pub now: Timestamp,
    /// By the clock that is behind.
    pub early: Timestamp,
    /// By the clock that is ahead.
    pub late: Timestamp,
}

impl Clock {
    /// `server_ahead`: by how much the API server's clock is ahead of ours. While it is not known, ours alone counts.
    #[must_use]
    pub fn new(now: Timestamp, server_ahead: Option<SignedDuration>) -> Self {
        let server = now.checked_add(server_ahead.unwrap_or_default()).unwrap_or(now);
        Self { now, early: now.min(server), late: now.max(server) }
    }

    /// When our clock shows what the clock that is behind will show then.
    #[must_use]
    pub fn when_early(&self, at: Timestamp) -> Timestamp {
        at.checked_add(self.now.duration_since(self.early)).unwrap_or(at)
    }

    /// When our clock shows what the clock that is ahead will show then.
    #[must_use]
    pub fn when_late(&self, at: Timestamp) -> Timestamp {
        at.checked_sub(self.late.duration_since(self.now)).unwrap_or(at)
    }
}

/// What `ClockSynced` says of a difference.
#[must_use]
pub fn verdict(server_ahead: Option<SignedDuration>) -> Verdict {
    let Some(ahead) = server_ahead else {
        let message = "the API server's clock is not known (it did not answer, or without a Date), so the operator's clock alone decides; the nodes' clocks should be synchronised";
        return Verdict::unknown(Reason::ClockUnknown, message);
    };
    if ahead.abs() <= TOLERANCE {
        return Verdict::yes(Reason::InSync, "the clocks of the operator and of the API server agree");
    }
    let (seconds, side) = (ahead.as_secs().unsigned_abs(), if ahead.is_positive() { "ahead of" } else { "behind" });
    let message = format!(
        "the API server's clock is {seconds} s {side} the operator's; the later one decides about ends, the earlier one about beginnings. Synchronise the clocks of the nodes (NTP)"
    );
    Verdict::no(Reason::ClockSkew, message)
}

/// By how much the API server's clock is ahead of ours, as the `Date` of its answers bounds it.
///
/// A `Date` is cut off to whole seconds, and an answer takes a while; so one answer says it within a second or more, and several narrow it
/// down.
#[derive(Clone, Debug, Default)]
pub struct Skew {
    /// At least, and at most.
    bounds: Option<(SignedDuration, SignedDuration)>,
}

impl Skew {
    /// Takes one answer into account: when it was asked for and when it came, by our clock, and the `Date` it carries.
    pub fn note(&mut self, asked: Timestamp, answered: Timestamp, date: Timestamp) {
        let least = date.duration_since(answered);
        let most = date.duration_since(asked).saturating_add(SignedDuration::from_secs(1));
        let narrowed = self.bounds.map(|(low, high)| (low.max(least), high.min(most)));
        // Where the answers contradict each other, a clock was set or has drifted: the last one counts.
        self.bounds = Some(narrowed.filter(|(low, high)| low <= high).unwrap_or((least, most)));
    }

    /// Forgets what is known: a clock was set.
    pub fn forget(&mut self) {
        self.bounds = None;
    }

    /// The difference, in whole seconds: as much as is sure. So a difference that cannot be told from none is none, and what follows from
    /// it does not waver from one answer to the next.
    #[must_use]
    pub fn ahead(&self) -> Option<SignedDuration> {
        let (least, most) = self.bounds?;
        let sure = if least.is_positive() {
            least
        } else if most.is_negative() {
            most
        } else {
            SignedDuration::ZERO
        };
        Some(SignedDuration::from_secs(sure.as_secs()))
    }
}
