//! What the API server says of itself, asked for now and then: its version, and how far its clock is from ours.

use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use kube::Client;

use crate::cluster_io::api_server::about;
use crate::metrics::Metrics;
use crate::reconcile::clock::Skew;

/// It is asked this often, and after a failure sooner; but not in each round, which would have to wait for it.
const EVERY: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(15));
/// An answer that is older than this says nothing about its clock any more.
const STALE: Duration = Duration::from_secs(300);
/// A step of our clock by more than this was no passing of time.
const STEP: SignedDuration = SignedDuration::from_secs(1);

/// What is known of the API server.
#[derive(Debug, Default)]
pub struct Clocks {
    version: Option<String>,
    skew: Skew,
    /// When a `Date` came last.
    dated: Option<Instant>,
    /// When to ask next.
    due: Option<Instant>,
    /// Our two clocks in the last round: the one that may be set, and the one that only runs.
    last: Option<(Timestamp, Instant)>,
}

impl Clocks {
    /// Asks when it is time to.
    pub async fn look(&mut self, client: &Client, metrics: &Metrics) {
        let (wall, running) = (Timestamp::now(), Instant::now());
        if self.last.replace((wall, running)).is_some_and(|last| was_set(last, (wall, running))) {
            tracing::info!("the clock was set; the API server is asked for the time");
            self.skew.forget();
            self.due = None;
        }
        if self.due.is_none_or(|due| due <= Instant::now()) {
            self.ask(client).await;
        }
        metrics.clock_skew(self.server_ahead());
    }

    async fn ask(&mut self, client: &Client) {
        let answer = about(client).await;
        self.due = Some(Instant::now() + if answer.is_ok() { EVERY.0 } else { EVERY.1 });
        match answer {
            Ok(about) => {
                self.version = about.version.or(self.version.take());
                if let Some(date) = about.date {
                    self.skew.note(about.asked, about.answered, date);
                    self.dated = Some(Instant::now());
                }
            }
            Err(error) => tracing::warn!(error = %error.chain(), "the API server did not say its version and time"),
        }
    }

    /// Its version; `None`: the stricter rules count.
    #[must_use]
    pub fn version(&self) -> Option<String> {
        self.version.clone()
    }

    /// By how much its clock is ahead of ours; `None`: not known.
    #[must_use]
    pub fn server_ahead(&self) -> Option<SignedDuration> {
        self.dated.filter(|dated| dated.elapsed() < STALE).and_then(|_| self.skew.ahead())
    }
}

/// Whether the clock that may be set has moved otherwise than the one that only runs. That one stands still while a machine sleeps.
fn was_set(last: (Timestamp, Instant), now: (Timestamp, Instant)) -> bool {
    let (wall, ran) = (now.0.duration_since(last.0), now.1.duration_since(last.1));
    SignedDuration::try_from(ran).is_ok_and(|ran| (wall - ran).abs() > STEP)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_was_set_is_told_from_time_that_has_passed() {
        let (wall, running) = (Timestamp::now(), Instant::now());
        let after =
            |wall_seconds, ran| was_set((wall, running), (wall + SignedDuration::from_secs(wall_seconds), running + Duration::from_secs(ran)));
        assert!(!after(15, 15));
        assert!(!after(15, 14), "a clock that is slewed");
        assert!(after(3600, 15) && after(-3600, 15) && after(15, 3600));
    }
}
