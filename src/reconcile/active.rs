//! Whether an accepted object takes effect now: what withdraws it, and what time it is. Pure.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::clock::Clock;
use super::seen::uid;
use super::time::{Phase, Times};
use crate::api::Mode;
use crate::api::conditions::{Reason, Verdict};

/// What may withdraw an object.
#[allow(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
#[derive(Clone, Debug)]
pub struct Circumstances {
    /// The object is being deleted.
    pub deleted: bool,
    /// The namespace of its instance is.
    pub instance_going: bool,
    /// The operator is being removed.
    pub withdraw_all: bool,
    /// Everything is stopped: what is said of it.
    pub stopped: Option<Verdict>,
    /// `spec.suspend`
    pub suspended: bool,
    /// `spec.mode`
    pub mode: Mode,
}

/// The verdict of `Active`, apart from time.
#[must_use]
pub fn active(circumstances: &Circumstances) -> Verdict {
    if circumstances.deleted {
        Verdict::no(Reason::Deleting, "being deleted; the access is withdrawn")
    } else if circumstances.instance_going {
        Verdict::no(Reason::Withdrawn, "the namespace of the instance is being deleted; the access is withdrawn")
    } else if circumstances.withdraw_all {
        Verdict::no(Reason::Withdrawn, "the operator was removed and has withdrawn all access")
    } else if let Some(stopped) = &circumstances.stopped {
        stopped.clone()
    } else if circumstances.suspended {
        Verdict::no(Reason::Suspended, "spec.suspend is true; the access is withdrawn")
    } else if circumstances.mode == Mode::Observe {
        Verdict::no(Reason::Observing, "spec.mode is Observe: nothing is changed; status.changes says what would be")
    } else {
        Verdict::yes(Reason::InEffect, "in effect")
    }
}

/// The time limits of an object that nothing else withdraws. One that only observes has no windows; but what is over is over.
#[must_use]
pub fn in_time(active: Verdict, times: &Times, clock: Clock) -> Verdict {
    let phase = times.phase(clock);
    match (phase, active.reason) {
        (Phase::Expired, Reason::InEffect | Reason::Observing) => {
            let end = times.not_after().map(|end| end.to_string()).unwrap_or_default();
            Verdict::no(
                Reason::Expired,
                format!("spec.validity.notAfter {end} has passed; the access is withdrawn, and the object stays as a record"),
            )
        }
        (Phase::BeforeStart, Reason::InEffect) => {
            let start = times.not_before().map(|start| start.to_string()).unwrap_or_default();
            Verdict::no(Reason::BeforeStart, format!("spec.validity.notBefore {start} is still to come"))
        }
        (Phase::Outside, Reason::InEffect) => {
            let next = times.next_transition(clock).filter(|next| Some(*next) != times.not_after());
            let next = next.map_or_else(|| "no window is to come".to_owned(), |next| format!("the next window opens at {next}"));
            Verdict::no(Reason::OutsideSchedule, format!("none of the windows of spec.schedule is open; {next}"))
        }
        _ => active,
    }
}

/// Whether an object will take effect by itself: what everybody shares stays switched on for it.
#[must_use]
pub fn waits_for_its_time(reason: Reason) -> bool {
    matches!(reason, Reason::BeforeStart | Reason::OutsideSchedule)
}

/// How an object stands, once it is known whether it is accepted.
#[derive(Clone, Debug)]
pub struct Standing {
    /// The verdict of `Active`.
    pub active: Verdict,
    /// Whether it counts at all.
    pub standing: bool,
    /// Whether it takes effect now.
    pub effective: bool,
}

/// Of an object in these circumstances. `times`: its time limits, where it is accepted; `refused`: what is said where it is not.
#[must_use]
pub fn stand(circumstances: &Circumstances, accepted: &Verdict, times: Option<&Times>, clock: Clock, refused: &str) -> Standing {
    let Some(times) = times else { return Standing { active: Verdict::no(accepted.reason, refused), standing: false, effective: false } };
    let active = in_time(active(circumstances), times, clock);
    Standing { standing: active.holds() || waits_for_its_time(active.reason), effective: active.holds(), active }
}

/// The older object comes first: it wins wherever two want the same.
#[must_use]
pub fn age(metadata: &ObjectMeta) -> (Option<jiff::Timestamp>, &str, Option<&str>) {
    (metadata.creation_timestamp.as_ref().map(|t| t.0), uid(metadata), metadata.name.as_deref())
}
