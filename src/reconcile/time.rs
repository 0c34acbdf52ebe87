//! When an access exists and when it is open: `spec.validity` and `spec.schedule`, parsed once. Pure: the time comes in.
//!
//! A window is what a clock on the wall of its time zone shows: it is open while that clock is between `from` and `to`. From this follows
//! what happens when clocks change: a beginning or an end that is skipped comes at the first instant after the gap, and an hour that comes
//! twice counts twice. Windows and validity are half open: the first instant belongs to them, the last does not.

use jiff::tz::{TimeZone, TimeZoneDatabase};
use jiff::{SignedDuration, Timestamp, civil};

use super::clock::Clock;
use crate::api::{Day, Validity, Window};

const MINUTE: i64 = 60;
const DAY: i64 = 24 * 60 * MINUTE;
const WEEK: i64 = 7 * DAY;
/// So far ahead is looked for the next change.
const HORIZON: SignedDuration = SignedDuration::from_hours(400 * 24);
/// So many instants are looked at on the way there: who declares a tangle of windows and zones does not make the operator stand still.
/// A change that is further away is found when it is nearer.
const STEPS: usize = 1000;

/// The time limits of one object.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Times {
    not_before: Option<Timestamp>,
    not_after: Option<Timestamp>,
    schedule: Option<Schedule>,
}

/// What time it is for an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// `validity.notBefore` is to come.
    BeforeStart,
    /// The access is open.
    Open,
    /// It is none of the times of the schedule.
    Outside,
    /// `validity.notAfter` has come.
    Expired,
}

impl Times {
    /// Parses both fields.
    ///
    /// # Errors
    /// What is wrong, naming the field.
    pub fn parse(validity: &Validity, windows: &[Window]) -> Result<Self, String> {
        let times = Self::between(validity);
        if let (Some(from), Some(to)) = (times.not_before, times.not_after)
            && from >= to
        {
            return Err(format!("spec.validity.notBefore {from} must be earlier than notAfter {to}"));
        }
        let schedule = if windows.is_empty() { None } else { Some(Schedule::parse(windows)?) };
        Ok(Self { schedule, ..times })
    }

    /// The validity alone.
    #[must_use]
    pub fn between(validity: &Validity) -> Self {
        Self { not_before: validity.not_before.as_ref().map(|t| t.0), not_after: validity.not_after.as_ref().map(|t| t.0), schedule: None }
    }

    /// Whether there is any limit.
    #[must_use]
    pub fn is_limited(&self) -> bool {
        *self != Self::default()
    }

    /// The first instant at which the access does not exist any more.
    #[must_use]
    pub fn not_after(&self) -> Option<Timestamp> {
        self.not_after
    }

    /// The first instant at which the access exists.
    #[must_use]
    pub fn not_before(&self) -> Option<Timestamp> {
        self.not_before
    }

    /// What time it is for the object.
    #[must_use]
    pub fn phase(&self, clock: Clock) -> Phase {
        if self.not_after.is_some_and(|end| clock.late >= end) {
            Phase::Expired
        } else if self.not_before.is_some_and(|start| clock.early < start) {
            Phase::BeforeStart
        } else if self.schedule.as_ref().is_none_or(|s| s.holds_throughout(clock.early, clock.late)) {
            Phase::Open
        } else {
            Phase::Outside
        }
    }

    /// When the access opens, closes or expires next, if nobody changes anything.
    #[must_use]
    pub fn next_transition(&self, clock: Clock) -> Option<Timestamp> {
        let next = match self.phase(clock) {
            Phase::Expired => return None,
            Phase::Open => self.schedule.as_ref().and_then(|s| s.next_change(clock.early)),
            Phase::BeforeStart | Phase::Outside => self.next_opening(clock),
        };
        earliest(next, self.not_after)
    }

    fn next_opening(&self, clock: Clock) -> Option<Timestamp> {
        let start = self.not_before.filter(|start| clock.early < *start);
        let Some(schedule) = &self.schedule else { return start };
        if let Some(start) = start.filter(|start| schedule.holds(*start)) {
            return Some(start);
        }
        let mut at = start.unwrap_or(clock.early);
        // Between two clocks that differ lies an end: the opening is what comes after it.
        if schedule.holds(at) {
            at = schedule.next_change(at)?;
        }
        schedule.next_change(at)
    }

    /// The next instant of our own clock at which it may be another time for the object: when to look again.
    #[must_use]
    pub fn next_look(&self, clock: Clock) -> Option<Timestamp> {
        let next = match self.phase(clock) {
            Phase::Expired => return None,
            Phase::BeforeStart => self.not_before.map(|at| clock.when_early(at)),
            Phase::Open => self.schedule.as_ref().and_then(|s| s.next_change(clock.late)).map(|at| clock.when_late(at)),
            Phase::Outside => self.next_opening(clock).map(|at| clock.when_early(at)),
        };
        earliest(next, self.not_after.map(|at| clock.when_late(at)))
    }
}

/// The earlier of two instants that may be absent.
#[must_use]
pub fn earliest(a: Option<Timestamp>, b: Option<Timestamp>) -> Option<Timestamp> {
    a.into_iter().chain(b).min()
}

/// The windows of a week: open while any of them is.
#[derive(Clone, Debug, PartialEq)]
pub struct Schedule {
    zones: Vec<Zone>,
}

/// All windows of one time zone, as spans of seconds since Monday 00:00 on its wall: sorted, and without overlap.
#[derive(Clone, Debug, PartialEq)]
struct Zone {
    zone: TimeZone,
    open: Vec<(i64, i64)>,
}

impl Schedule {
    /// Parses the windows.
    ///
    /// # Errors
    /// What is wrong, naming the field.
    pub fn parse(windows: &[Window]) -> Result<Self, String> {
        let mut zones: Vec<Zone> = Vec::new();
        for (index, window) in windows.iter().enumerate() {
            let zone = zone(&window.time_zone).ok_or_else(|| {
                format!(
                    "spec.schedule[{index}].timeZone {:?} is not a time zone; use the name of one of the IANA database, such as Europe/Paris or UTC",
                    window.time_zone
                )
            })?;
            let spans = spans(index, window)?;
            match zones.iter_mut().find(|z| z.zone == zone) {
                Some(known) => known.open.extend(spans),
                None => zones.push(Zone { zone, open: spans }),
            }
        }
        for zone in &mut zones {
            zone.open = merged(std::mem::take(&mut zone.open));
        }
        Ok(Self { zones })
    }

    /// Whether a window is open.
    #[must_use]
    pub fn holds(&self, at: Timestamp) -> bool {
        self.zones.iter().any(|zone| zone.holds(at))
    }

    fn holds_throughout(&self, early: Timestamp, late: Timestamp) -> bool {
        self.holds(early) && (early == late || self.next_change(early).is_none_or(|change| change > late))
    }

    /// The next instant at which a window opens while none is open, or the last open one closes.
    #[must_use]
    pub fn next_change(&self, from: Timestamp) -> Option<Timestamp> {
        if self.zones.iter().any(|z| z.open == [(0, WEEK)]) {
            return None;
        }
        let (held, horizon) = (self.holds(from), from.checked_add(HORIZON).ok()?);
        let mut at = from;
        // What has not changed in a week changes only when the clocks of a zone do.
        let mut week_over = from.checked_add(SignedDuration::from_secs(WEEK)).ok()?;
        for _ in 0..STEPS {
            let turn = self.zones.iter().filter_map(|z| z.next_turn(at)).min();
            let bound = self.zones.iter().filter_map(|z| z.next_bound(at)).min().filter(|bound| *bound <= week_over);
            let next = earliest(turn, bound).filter(|next| *next <= horizon)?;
            if turn == Some(next) {
                week_over = next.checked_add(SignedDuration::from_secs(WEEK)).ok()?;
            }
            if self.holds(next) != held {
                return Some(next);
            }
            at = next;
        }
        None
    }
}

impl Zone {
    /// The second of the week on the wall.
    fn second(&self, at: Timestamp) -> i64 {
        second_of_week(self.zone.to_datetime(at))
    }

    fn holds(&self, at: Timestamp) -> bool {
        let second = self.second(at);
        self.open.iter().any(|(from, to)| (*from..*to).contains(&second))
    }

    /// When the wall shows the next beginning or end, if its clock is not changed before.
    fn next_bound(&self, at: Timestamp) -> Option<Timestamp> {
        let second = self.second(at);
        let bounds = || self.open.iter().flat_map(|(from, to)| [*from, *to]);
        let wait = bounds().chain(bounds().map(|b| b + WEEK)).filter(|bound| *bound > second).min()? - second;
        whole_second(at)?.checked_add(SignedDuration::from_secs(wait)).ok()
    }

    /// When its clock is changed next.
    fn next_turn(&self, at: Timestamp) -> Option<Timestamp> {
        self.zone.following(at).next().map(|turn| turn.timestamp())
    }
}

/// A time zone of the bundled database; never of the node's.
fn zone(name: &str) -> Option<TimeZone> {
    TimeZoneDatabase::bundled().get(name).ok().filter(|zone| !zone.is_unknown())
}

/// The beginning of the second.
fn whole_second(at: Timestamp) -> Option<Timestamp> {
    let seconds = at.as_nanosecond().div_euclid(1_000_000_000);
    Timestamp::from_second(i64::try_from(seconds).ok()?).ok()
}

fn second_of_week(wall: civil::DateTime) -> i64 {
    let day = i64::from(wall.weekday().to_monday_zero_offset());
    day * DAY + i64::from(wall.hour()) * 60 * MINUTE + i64::from(wall.minute()) * MINUTE + i64::from(wall.second())
}

/// The spans of the week that a window covers.
fn spans(index: usize, window: &Window) -> Result<Vec<(i64, i64)>, String> {
    let from = time_of_day(&window.from).filter(|from| *from < DAY);
    let from = from.ok_or_else(|| format!("spec.schedule[{index}].from {:?} must be a time of day such as 08:00", window.from))?;
    let to = time_of_day(&window.to);
    let to = to.ok_or_else(|| format!("spec.schedule[{index}].to {:?} must be a time of day such as 18:00, at most 24:00", window.to))?;
    if from == to {
        return Err(format!("spec.schedule[{index}]: from and to are both {:?}; for a whole day write from \"00:00\" to \"24:00\"", window.from));
    }
    if window.days.is_empty() {
        return Err(format!("spec.schedule[{index}].days must name at least one day"));
    }
    // Over midnight it ends on the next day, and belongs to the day on which it begins.
    let length = (to - from).rem_euclid(DAY);
    let length = if length == 0 { DAY } else { length };
    let of_day = |day: &Day| {
        let begins = (*day as i64) * DAY + from;
        let ends = begins + length;
        [(begins, ends.min(WEEK)), (0, ends - WEEK)]
    };
    Ok(window.days.iter().flat_map(of_day).filter(|(from, to)| from < to).collect())
}

/// Seconds since midnight.
fn time_of_day(text: &str) -> Option<i64> {
    let (hours, minutes) = text.split_once(':')?;
    let number = |text: &str| (text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse::<i64>().ok()).flatten();
    let (hours, minutes) = (number(hours)?, number(minutes)?);
    (minutes < 60 && (hours < 24 || (hours == 24 && minutes == 0))).then_some((hours * 60 + minutes) * MINUTE)
}

fn merged(mut spans: Vec<(i64, i64)>) -> Vec<(i64, i64)> {
    spans.sort_unstable();
    let mut merged: Vec<(i64, i64)> = Vec::new();
    for (from, to) in spans {
        match merged.last_mut() {
            Some(last) if from <= last.1 => last.1 = last.1.max(to),
            _ => merged.push((from, to)),
        }
    }
    merged
}
