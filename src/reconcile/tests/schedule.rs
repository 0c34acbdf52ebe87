//! Windows and validity, against a look at the wall clock of each zone for every minute of days on which clocks change.

use jiff::civil::{self, Weekday};
use jiff::tz::TimeZoneDatabase;
use jiff::{SignedDuration, Timestamp, ToSpan};
use proptest::prelude::*;

use crate::api::{Day, Validity, Window};
use crate::reconcile::clock::Clock;
use crate::reconcile::time::{Phase, Schedule, Times};

const DAYS: [(Day, Weekday); 7] = [
    (Day::Mon, Weekday::Monday),
    (Day::Tue, Weekday::Tuesday),
    (Day::Wed, Weekday::Wednesday),
    (Day::Thu, Weekday::Thursday),
    (Day::Fri, Weekday::Friday),
    (Day::Sat, Weekday::Saturday),
    (Day::Sun, Weekday::Sunday),
];
const ZONES: [&str; 7] = ["UTC", "Europe/Paris", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "America/St_Johns", "Pacific/Chatham"];

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn window(days: &[Day], from: &str, to: &str, zone: &str) -> Window {
    Window { days: days.to_vec(), from: from.to_owned(), to: to.to_owned(), time_zone: zone.to_owned() }
}

fn every_day() -> Vec<Day> {
    DAYS.map(|(day, _)| day).to_vec()
}

fn sync(now: Timestamp) -> Clock {
    Clock::new(now, Some(SignedDuration::ZERO))
}

/// Looks at the wall.
fn is_open(windows: &[Window], now: Timestamp) -> bool {
    windows.iter().any(|window| {
        let wall: civil::DateTime = now.to_zoned(TimeZoneDatabase::bundled().get(&window.time_zone).unwrap()).datetime();
        let time = |text: &str, date: civil::Date| match text {
            "24:00" => date.tomorrow().unwrap().at(0, 0, 0, 0),
            text => date.to_datetime(civil::Time::strptime("%H:%M", text).unwrap()),
        };
        [wall.date(), wall.date().yesterday().unwrap()].into_iter().any(|date| {
            let named = window.days.iter().any(|day| DAYS.iter().any(|(d, weekday)| d == day && *weekday == date.weekday()));
            let begins = time(&window.from, date);
            let ends = time(&window.to, date);
            let ends = if ends <= begins { ends.checked_add(1.day()).unwrap() } else { ends };
            named && wall >= begins && wall < ends
        })
    })
}

/// Every minute of some days.
fn minutes(from: Timestamp, days: i64) -> impl Iterator<Item = Timestamp> {
    (0..days * 24 * 60).map(move |minute| from + SignedDuration::from_mins(minute))
}

fn a_window() -> impl Strategy<Value = Window> {
    let minute = || (0..24_u8, prop_oneof![Just(0_u8), Just(30), 0..60_u8]).prop_map(|(h, m)| format!("{h:02}:{m:02}"));
    let end = prop_oneof![4 => minute(), 1 => Just("24:00".to_owned())];
    let days = prop::sample::subsequence(every_day(), 1..=7);
    (days, minute(), end, prop::sample::select(ZONES.to_vec()))
        .prop_filter("a window has a length", |(_, from, to, _)| from != to)
        .prop_map(|(days, from, to, zone)| window(&days, &from, &to, zone))
}

/// Beginnings of spans in which the clocks of these zones change, and one in which none does.
fn a_beginning() -> impl Strategy<Value = Timestamp> {
    let near = [
        "2026-03-06T00:00:00Z",
        "2026-03-26T00:00:00Z",
        "2026-04-02T00:00:00Z",
        "2026-10-01T00:00:00Z",
        "2026-10-22T00:00:00Z",
        "2026-06-01T00:00:00Z",
    ];
    (prop::sample::select(near.to_vec()), 0..1440_i64).prop_map(|(near, minutes)| at(near) + SignedDuration::from_mins(minutes))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn a_schedule_is_open_when_the_walls_say_so_and_changes_exactly_when_it_says_it_will(windows in prop::collection::vec(a_window(), 1..4), begin in a_beginning()) {
        let schedule = Schedule::parse(&windows).unwrap();
        let (mut held, mut next) = (is_open(&windows, begin), schedule.next_change(begin));
        prop_assert_eq!(schedule.holds(begin), held);
        for now in minutes(begin, 12) {
            let open = is_open(&windows, now);
            prop_assert_eq!(schedule.holds(now), open, "at {}", now);
            if open == held {
                prop_assert!(next.is_none_or(|next| next > now), "no change at {:?}", next);
            } else {
                prop_assert_eq!(next, Some(now), "a change that was not foretold");
                (held, next) = (open, schedule.next_change(now));
            }
        }
    }

    #[test]
    fn nothing_changes_until_the_next_look_and_something_does_then(
        windows in prop::collection::vec(a_window(), 0..3), begin in a_beginning(), start in prop::option::of(0..6000_i64), length in prop::option::of(1..9000_i64), ahead in -7200..7200_i64,
    ) {
        let not_before = start.map(|minutes| begin + SignedDuration::from_mins(minutes));
        let not_after = length.map(|minutes| not_before.unwrap_or(begin) + SignedDuration::from_mins(minutes));
        let validity = Validity { not_before: not_before.map(Into::into), not_after: not_after.map(Into::into) };
        let times = Times::parse(&validity, &windows).unwrap();
        for ahead in [0, ahead] {
            let clock = |now| Clock::new(now, Some(SignedDuration::from_secs(ahead)));
            let mut now = begin;
            // From one look to the next.
            for _ in 0..8 {
                let (phase, next) = (times.phase(clock(now)), times.next_look(clock(now)));
                let until = next.unwrap_or(now + SignedDuration::from_hours(24 * 20));
                prop_assert!(until > now);
                let step = (until.duration_since(now).as_secs() / 60).max(1);
                for seconds in (0..60).map(|i| i * step) {
                    let between = now + SignedDuration::from_secs(seconds);
                    prop_assert!(between >= until || times.phase(clock(between)) == phase, "changes before {:?}", next);
                }
                let Some(next) = next else { break };
                prop_assert!(ahead != 0 || times.phase(clock(next)) != phase, "nothing changes at {}", next);
                now = next;
            }
        }
    }

    #[test]
    fn clocks_that_differ_shorten_an_access_and_lengthen_none(
        windows in prop::collection::vec(a_window(), 0..3), now in a_beginning(), start in -3000..3000_i64, length in 1..6000_i64, ahead in -7200..7200_i64,
    ) {
        let not_before = now + SignedDuration::from_mins(start);
        let validity = Validity { not_before: Some(not_before.into()), not_after: Some((not_before + SignedDuration::from_mins(length)).into()) };
        let times = Times::parse(&validity, &windows).unwrap();
        let clock = Clock::new(now, Some(SignedDuration::from_secs(ahead)));
        let throughout = minutes(clock.early, 1).take_while(|at| *at < clock.late).chain([clock.late]).all(|at| times.phase(sync(at)) == Phase::Open);
        prop_assert_eq!(times.phase(clock) == Phase::Open, throughout);
        prop_assert_eq!(times.phase(clock) == Phase::Expired, times.phase(sync(clock.late)) == Phase::Expired);
    }
}

/// The changes of a schedule from an instant on.
fn changes(windows: &[Window], from: &str, count: usize) -> Vec<String> {
    let schedule = Schedule::parse(windows).unwrap();
    std::iter::successors(schedule.next_change(at(from)), |t| schedule.next_change(*t)).take(count).map(|t| t.to_string()).collect()
}

#[test]
fn a_window_over_midnight_belongs_to_the_day_on_which_it_begins() {
    let sunday = [window(&[Day::Sun], "22:00", "06:00", "UTC")];
    assert_eq!(changes(&sunday, "2026-06-05T00:00:00Z", 3), ["2026-06-07T22:00:00Z", "2026-06-08T06:00:00Z", "2026-06-14T22:00:00Z"]);
    let to_midnight = [window(&[Day::Fri], "20:00", "24:00", "UTC"), window(&[Day::Sat], "00:00", "01:00", "UTC")];
    assert_eq!(changes(&to_midnight, "2026-06-01T00:00:00Z", 2), ["2026-06-05T20:00:00Z", "2026-06-06T01:00:00Z"], "windows that meet are one");
}

#[test]
fn a_skipped_time_is_the_first_instant_after_the_gap() {
    // 02:00 becomes 03:00.
    let paris = |from, to| [window(&every_day(), from, to, "Europe/Paris")];
    assert_eq!(changes(&paris("02:30", "05:00"), "2026-03-29T00:00:00Z", 2), ["2026-03-29T01:00:00Z", "2026-03-29T03:00:00Z"]);
    assert_eq!(changes(&paris("01:00", "02:30"), "2026-03-28T22:00:00Z", 2), ["2026-03-29T00:00:00Z", "2026-03-29T01:00:00Z"]);
    assert_eq!(changes(&paris("02:10", "02:50"), "2026-03-28T12:00:00Z", 1), ["2026-03-30T00:10:00Z"], "what is skipped whole is not made up for");
    // 02:00 becomes 02:30.
    let lord_howe = [window(&every_day(), "02:15", "04:00", "Australia/Lord_Howe")];
    assert_eq!(changes(&lord_howe, "2026-10-03T15:00:00Z", 2), ["2026-10-03T15:30:00Z", "2026-10-03T17:00:00Z"]);
}

#[test]
fn an_hour_that_comes_twice_counts_twice() {
    // 03:00 becomes 02:00.
    let paris = |from, to| [window(&every_day(), from, to, "Europe/Paris")];
    let twice = ["2026-10-25T00:10:00Z", "2026-10-25T00:50:00Z", "2026-10-25T01:10:00Z", "2026-10-25T01:50:00Z"];
    assert_eq!(changes(&paris("02:10", "02:50"), "2026-10-25T00:00:00Z", 4), twice);
    assert_eq!(
        changes(&paris("01:00", "02:30"), "2026-10-24T22:00:00Z", 4)[..3],
        ["2026-10-24T23:00:00Z", "2026-10-25T00:30:00Z", "2026-10-25T01:00:00Z"]
    );
}

#[test]
fn what_is_always_open_never_changes_and_what_changes_only_with_the_clocks_does_so_then() {
    assert!(changes(&[window(&every_day(), "00:00", "24:00", "Europe/Paris")], "2026-01-01T00:00:00Z", 1).is_empty());
    let halves = [window(&every_day(), "00:00", "12:00", "UTC"), window(&every_day(), "12:00", "00:00", "UTC")];
    assert!(changes(&halves, "2026-01-01T00:00:00Z", 1).is_empty());
    // In winter these two meet; in summer the second is an hour early.
    let zones = [window(&every_day(), "00:00", "12:00", "UTC"), window(&every_day(), "13:00", "01:00", "Europe/Paris")];
    assert_eq!(changes(&zones, "2025-12-01T00:00:00Z", 2), ["2026-03-29T23:00:00Z", "2026-03-30T00:00:00Z"]);
}

#[test]
fn the_first_instant_belongs_to_a_validity_and_the_last_does_not() {
    let validity = Validity { not_before: Some(at("2026-06-01T08:00:00Z").into()), not_after: Some(at("2026-06-01T09:00:00Z").into()) };
    let times = Times::parse(&validity, &[]).unwrap();
    let phase = |text: &str| times.phase(sync(at(text)));
    assert_eq!(phase("2026-06-01T07:59:59.999Z"), Phase::BeforeStart);
    assert_eq!(phase("2026-06-01T08:00:00Z"), Phase::Open);
    assert_eq!(phase("2026-06-01T08:59:59.999Z"), Phase::Open);
    assert_eq!(phase("2026-06-01T09:00:00Z"), Phase::Expired);
    assert!(!Times::parse(&Validity::default(), &[]).unwrap().is_limited());
}

#[test]
fn the_next_transition_is_an_opening_a_closing_or_the_end() {
    let validity = Validity { not_before: Some(at("2026-06-01T12:00:00Z").into()), not_after: Some(at("2026-06-02T09:00:00Z").into()) };
    let times = Times::parse(&validity, &[window(&every_day(), "08:00", "10:00", "UTC")]).unwrap();
    let next = |text: &str| times.next_transition(sync(at(text))).map(|t| t.to_string());
    assert_eq!(next("2026-06-01T07:00:00Z").unwrap(), "2026-06-02T08:00:00Z", "it does not open at notBefore, which is outside of the windows");
    assert_eq!(next("2026-06-01T13:00:00Z").unwrap(), "2026-06-02T08:00:00Z");
    assert_eq!(next("2026-06-02T08:00:00Z").unwrap(), "2026-06-02T09:00:00Z", "the end comes before the window's");
    assert_eq!(next("2026-06-02T09:00:00Z"), None);
    // One clock has seen the window's end, the other has not: it is closed, and opens with the next.
    let times = Times::parse(&Validity::default(), &[window(&every_day(), "08:00", "10:00", "UTC")]).unwrap();
    let apart = Clock::new(at("2026-06-01T09:59:30Z"), Some(SignedDuration::from_secs(60)));
    assert_eq!((times.phase(apart), times.next_transition(apart).unwrap().to_string().as_str()), (Phase::Outside, "2026-06-02T08:00:00Z"));
}

#[test]
fn what_cannot_be_a_window_is_refused_by_the_name_of_its_field() {
    let refused = |window: Window| Times::parse(&Validity::default(), &[self::window(&every_day(), "08:00", "09:00", "UTC"), window]).unwrap_err();
    for zone in ["Europe/Pariss", "Mars/Olympus", "Etc/Unknown", "", "../../etc/passwd", "+01:00"] {
        assert!(refused(window(&every_day(), "08:00", "09:00", zone)).contains("spec.schedule[1].timeZone"), "{zone}");
    }
    for from in ["24:00", "8:00", "08:60", "+8:00", "0800", "08:00:00", ""] {
        assert!(refused(window(&every_day(), from, "09:00", "UTC")).contains("spec.schedule[1].from"), "{from}");
    }
    for to in ["24:01", "25:00", "9:00", "-1:00"] {
        assert!(refused(window(&every_day(), "08:00", to, "UTC")).contains("spec.schedule[1].to"), "{to}");
    }
    assert!(refused(window(&every_day(), "08:00", "08:00", "UTC")).contains("spec.schedule[1]: from and to"));
    assert!(refused(window(&[], "08:00", "09:00", "UTC")).contains("spec.schedule[1].days"));
}

#[test]
fn a_tangle_of_windows_does_not_make_the_operator_stand_still() {
    let zones =
        ["UTC", "Europe/Paris", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe", "Pacific/Chatham", "America/St_Johns", "Asia/Tokyo"];
    let windows: Vec<Window> =
        (0..32).map(|i| window(&every_day(), &format!("{:02}:0{}", i % 24, i % 7), &format!("{:02}:30", (i + 11) % 24), zones[i % 8])).collect();
    let schedule = Schedule::parse(&windows).unwrap();
    let start = std::time::Instant::now();
    let _ = schedule.next_change(at("2026-01-01T00:00:00Z"));
    assert!(start.elapsed().as_millis() < 500, "{:?}", start.elapsed());
}
