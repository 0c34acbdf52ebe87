//! Which of several operators may write: decided from the Lease of an instance, as one of them sees it. Pure.
//!
//! Times are of this process's own monotonic clock, counted from any point. A Lease's own times are never compared with it: clocks differ.
//! How long a holder is silent is counted from when its last renewal was first seen here, so whoever takes over comes late and never early;
//! and the holder counts its own right from before it asked for the renewal. The rules are those of client-go's leader election.

use std::time::Duration;

/// How long the Lease holds without being renewed. Whoever else wants it waits at least as long.
pub const DURATION: Duration = Duration::from_secs(15);
/// A holder that has not renewed for this time writes nothing any more, and ends. The rest of [`DURATION`] is for clocks that do not run
/// alike, and for a last request that is under way.
pub const RENEW_WITHIN: Duration = Duration::from_secs(10);
/// The time between two renewals, and between two attempts.
pub const RETRY: Duration = Duration::from_secs(2);

/// What a Lease says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// Who has it; empty: nobody.
    pub holder: String,
    /// How long it holds, as its holder says.
    pub duration: Duration,
    /// How often it has changed hands.
    pub transitions: i32,
    /// The object's resourceVersion: it changes with each renewal.
    pub version: String,
}

/// A Lease as it was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sight {
    /// What it says.
    pub record: Record,
    /// When this very version of it was first seen.
    pub since: Duration,
}

/// What to do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// There is none: make it.
    Create,
    /// It is ours: renew it.
    Renew,
    /// It is nobody's, or its holder is gone: take it.
    Take,
    /// Somebody else has it, for at least this time.
    Wait(Duration),
}

/// The Lease as it is seen now, with what is known of it from before.
#[must_use]
pub fn look(before: Option<Sight>, record: Option<Record>, now: Duration) -> Option<Sight> {
    let record = record?;
    Some(match before {
        Some(before) if before.record.version == record.version => before,
        _ => Sight { record, since: now },
    })
}

/// What a candidate of this name does now.
#[must_use]
pub fn decide(me: &str, sight: Option<&Sight>, now: Duration) -> Decision {
    let Some(sight) = sight else { return Decision::Create };
    if sight.record.holder == me {
        return Decision::Renew;
    }
    if sight.record.holder.is_empty() {
        return Decision::Take;
    }
    // Another version may have another opinion of how long it holds.
    let free = sight.since + sight.record.duration.max(DURATION);
    if now >= free { Decision::Take } else { Decision::Wait(free.saturating_sub(now)) }
}

/// Until when a holder may write whose last successful request was sent at this time.
#[must_use]
pub fn until(sent: Duration) -> Duration {
    sent + RENEW_WITHIN
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn held(by: &str) -> Sight {
        let record = Record { holder: by.to_owned(), duration: DURATION, transitions: 0, version: "1".to_owned() };
        Sight { record, since: Duration::from_secs(100) }
    }

    #[test]
    fn who_has_it_renews_and_who_has_not_waits_until_the_holder_is_silent_for_long_enough() {
        let at = |seconds: u64| Duration::from_secs(seconds);
        assert_eq!(decide("a", None, at(0)), Decision::Create);
        assert_eq!(decide("a", Some(&held("a")), at(500)), Decision::Renew);
        assert_eq!(decide("b", Some(&held("")), at(100)), Decision::Take);
        assert_eq!(decide("b", Some(&held("a")), at(101)), Decision::Wait(at(14)));
        assert_eq!(decide("b", Some(&held("a")), at(115)), Decision::Take);
        let mut longer = held("a");
        longer.record.duration = at(60);
        assert_eq!(decide("b", Some(&longer), at(115)), Decision::Wait(at(45)));
    }

    #[test]
    fn only_a_new_version_counts_as_a_sign_of_life() {
        let before = held("a");
        let same = Record { holder: "x".to_owned(), ..before.record.clone() };
        assert_eq!(look(Some(before.clone()), Some(same), Duration::from_secs(110)), Some(before.clone()));
        let renewed = Record { version: "2".to_owned(), ..before.record.clone() };
        let seen = look(Some(before.clone()), Some(renewed.clone()), Duration::from_secs(110));
        assert_eq!(seen, Some(Sight { record: renewed, since: Duration::from_secs(110) }));
        assert_eq!(look(Some(before), None, Duration::from_secs(110)), None);
    }

    /// An operator in the model. Its clock begins at any time and runs up to a fifth too slowly or too fast.
    #[derive(Clone, Debug)]
    struct Candidate {
        name: String,
        offset: u64,
        rate: u64,
        sight: Option<Sight>,
        /// A request under way: what it asks for, on which version, and when it was sent by its own clock.
        asked: Option<(Option<String>, Duration)>,
        /// An answer under way.
        answer: Option<(Result<Record, ()>, Duration)>,
        until: Option<Duration>,
    }

    impl Candidate {
        fn clock(&self, now: u64) -> Duration {
            Duration::from_millis(self.offset + now * self.rate / 100)
        }

        fn may_write(&self, now: u64) -> bool {
            self.until.is_some_and(|until| self.clock(now) < until)
        }
    }

    #[derive(Clone, Debug)]
    enum Happening {
        Pass(u64),
        Look(usize),
        Send(usize),
        Arrive(usize),
        Answer(usize),
        Lose(usize),
        Start(usize),
    }

    fn happening() -> impl Strategy<Value = Happening> {
        let who = 0..3_usize;
        prop_oneof![
            3 => (0..6000_u64).prop_map(Happening::Pass),
            4 => who.clone().prop_map(Happening::Look),
            4 => who.clone().prop_map(Happening::Send),
            4 => who.clone().prop_map(Happening::Arrive),
            4 => who.clone().prop_map(Happening::Answer),
            1 => who.clone().prop_map(Happening::Lose),
            1 => who.prop_map(Happening::Start),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]
        #[test]
        fn whatever_is_lost_late_or_killed_never_may_two_of_them_write(
            clocks in proptest::collection::vec((0..1_000_000_u64, 90..110_u64), 3),
            happenings in proptest::collection::vec(happening(), 1..200),
        ) {
            let new = |(n, (offset, rate)): (usize, &(u64, u64))| Candidate {
                name: format!("pod-{n}"), offset: *offset, rate: *rate, sight: None, asked: None, answer: None, until: None,
            };
            let mut all: Vec<Candidate> = clocks.iter().enumerate().map(new).collect();
            let (mut now, mut lease, mut version) = (0_u64, None::<Record>, 0_u32);
            for happening in happenings {
                match happening {
                    Happening::Pass(ms) => now += ms,
                    // A read: what it brings may be looked at at once, since its age only makes the reader wait for longer.
                    Happening::Look(i) => {
                        let clock = all[i].clock(now);
                        all[i].sight = look(all[i].sight.take(), lease.clone(), clock);
                    }
                    Happening::Send(i) => {
                        let clock = all[i].clock(now);
                        if all[i].asked.is_some() || all[i].answer.is_some() {
                            continue;
                        }
                        let on = all[i].sight.as_ref().map(|sight| sight.record.version.clone());
                        match decide(&all[i].name, all[i].sight.as_ref(), clock) {
                            Decision::Create => all[i].asked = Some((None, clock)),
                            Decision::Renew | Decision::Take => all[i].asked = Some((on, clock)),
                            Decision::Wait(_) => {}
                        }
                    }
                    Happening::Arrive(i) => {
                        let Some((on, sent)) = all[i].asked.take() else { continue };
                        let answer = if lease.as_ref().map(|record| record.version.clone()) == on {
                            version += 1;
                            let record = Record { holder: all[i].name.clone(), duration: DURATION, transitions: 0, version: version.to_string() };
                            lease = Some(record.clone());
                            Ok(record)
                        } else {
                            Err(())
                        };
                        all[i].answer = Some((answer, sent));
                    }
                    Happening::Answer(i) => {
                        let Some((answer, sent)) = all[i].answer.take() else { continue };
                        let clock = all[i].clock(now);
                        if let Ok(record) = answer {
                            all[i].sight = look(all[i].sight.take(), Some(record), clock);
                            all[i].until = Some(until(sent));
                        }
                    }
                    // The answer never comes; the write may have been done.
                    Happening::Lose(i) => all[i].answer = None,
                    // The process was killed, and its Pod starts it anew, under the same name.
                    Happening::Start(i) => {
                        (all[i].sight, all[i].answer, all[i].until) = (None, None, None);
                    }
                }
                let writers: Vec<&str> = all.iter().filter(|c| c.may_write(now)).map(|c| c.name.as_str()).collect();
                prop_assert!(writers.len() < 2, "{writers:?} at {now}");
            }
        }
    }
}
