//! How far the API server's clock is from ours, out of answers that are cut off to seconds and take a while.

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

use crate::api::Reason;
use crate::reconcile::clock::{Skew, verdict};

fn millis(millis: i64) -> Timestamp {
    Timestamp::from_millisecond(millis).unwrap()
}

/// Asks a server whose clock is ahead by so many milliseconds.
fn ask(skew: &mut Skew, now: i64, ahead: i64, there: i64, back: i64) {
    let date = Timestamp::from_second((now + there + ahead).div_euclid(1000)).unwrap();
    skew.note(millis(now), millis(now + there + back), date);
}

proptest! {
    #[test]
    fn a_difference_is_never_overstated_and_found_within_a_second_and_the_way(
        begin in 1_700_000_000_000_i64..1_900_000_000_000, ahead in -100_000..100_000_i64, ways in prop::collection::vec((0..400_i64, 0..400_i64, 0..120_000_i64), 1..12),
    ) {
        let (mut skew, mut now, mut slowest) = (Skew::default(), begin, 0);
        for (there, back, pause) in ways {
            ask(&mut skew, now, ahead, there, back);
            slowest = slowest.max(there + back);
            let said = i64::try_from(skew.ahead().unwrap().as_millis()).unwrap();
            prop_assert!(said == 0 || (said.signum() == ahead.signum() && said.abs() <= ahead.abs()), "{said} of {ahead}");
            // One second of the date, one of our own rounding, and the way.
            prop_assert!((ahead - said).abs() <= 2000 + slowest, "{said} of {ahead}");
            now += pause;
        }
    }

    #[test]
    fn clocks_that_agree_are_said_to_whatever_the_answers_look_like(begin in 1_700_000_000_000_i64..1_900_000_000_000, ways in prop::collection::vec((0..2000_i64, 0..2000_i64, 0..120_000_i64), 1..20)) {
        let (mut skew, mut now) = (Skew::default(), begin);
        for (there, back, pause) in ways {
            ask(&mut skew, now, 0, there, back);
            prop_assert_eq!(skew.ahead(), Some(SignedDuration::ZERO));
            now += pause;
        }
    }
}

#[test]
fn after_a_clock_was_set_the_last_answer_counts() {
    let mut skew = Skew::default();
    assert_eq!(skew.ahead(), None);
    ask(&mut skew, 1_800_000_000_000, 0, 5, 5);
    ask(&mut skew, 1_800_000_060_000, 60_000, 5, 5);
    assert!(skew.ahead().unwrap() >= SignedDuration::from_secs(58));
    skew.forget();
    assert_eq!(skew.ahead(), None);
}

#[test]
fn a_difference_of_more_than_five_seconds_is_said_with_its_side() {
    assert_eq!(verdict(None).reason, Reason::ClockUnknown);
    for agree in [0, 5, -5] {
        assert_eq!(verdict(Some(SignedDuration::from_secs(agree))).reason, Reason::InSync);
    }
    let (ahead, behind) = (verdict(Some(SignedDuration::from_secs(6))), verdict(Some(SignedDuration::from_secs(-90))));
    assert_eq!((ahead.reason, behind.reason), (Reason::ClockSkew, Reason::ClockSkew));
    assert!(ahead.message.contains("6 s ahead of") && behind.message.contains("90 s behind"));
}
