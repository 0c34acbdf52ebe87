//! How a cost grows, for tests: as a ratio, since a time says more of the machine than of the code.

use std::time::{Duration, Instant};

/// What eight times as much may cost and still count as linear: the square would be 64 times as much. The room is for a busy machine.
pub const LINEAR: f64 = 28.0;

/// Below this a run is over before it can be measured.
const MOMENT: Duration = Duration::from_millis(2);

fn time(work: &dyn Fn()) -> Duration {
    let start = Instant::now();
    work();
    start.elapsed()
}

/// How many times longer the second work takes. Whatever else the machine does only adds to a run, so the least of several counts; they
/// take turns, and end early where the answer is at most `enough`.
pub fn ratio(enough: f64, first: &dyn Fn(), second: &dyn Fn()) -> f64 {
    let (mut one, mut other) = (Duration::MAX, Duration::MAX);
    let mut ratio = f64::MAX;
    for _ in 0..12 {
        one = one.min(time(first));
        other = other.min(time(second));
        ratio = other.as_secs_f64() / one.max(MOMENT).as_secs_f64();
        if ratio <= enough {
            break;
        }
    }
    ratio
}
