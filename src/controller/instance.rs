//! When a round is made: after a change (a little later, so that a burst is one round), after a failure (later each time), when an access
//! opens, closes or expires, and every 15 s: what others grant is not watched but asked for, and a clock may be set.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::future::{BoxFuture, join_all};
use tokio::sync::{Notify, oneshot, watch};

use super::health::Health;
use super::keeper::Keeper;
use super::round::{Rounds, Verdict};
use crate::cluster_io::lease::{Candidate, LeaseError};

/// The least time from the beginning of one round to that of the next: changes that come meanwhile are taken together. The first one after
/// a silence waits for nobody.
const DEBOUNCE: Duration = Duration::from_millis(50);
/// The longest time between two rounds.
const RESYNC: Duration = Duration::from_secs(15);
/// The first wait after a failure, and the longest: a withdrawal may have to wait so long after the API server can be reached again.
const RETRY: (Duration, Duration) = (Duration::from_millis(300), Duration::from_secs(10));
/// The first wait where the picture is not settled: the API server's own caches take a moment, and so do our watches. It doubles up to the
/// first wait after a failure, and from the tenth on further.
const SETTLING: Duration = Duration::from_millis(20);

/// Runs until `stop` says so, and then gives the Lease back. `rounds`: the loops of all resources, each of which ends when `stop` says so.
///
/// # Errors
/// When the Lease is lost.
pub async fn run(candidate: Candidate, rounds: Vec<BoxFuture<'static, ()>>) -> Result<(), LeaseError> {
    let (release, released) = oneshot::channel();
    let mut candidacy = tokio::spawn(candidate.run(released));
    tokio::select! {
        // It never ends well before it is told to.
        lost = &mut candidacy => return lost.unwrap_or(Ok(())),
        _ = join_all(rounds) => {}
    }
    drop(release);
    candidacy.await.unwrap_or(Ok(()))
}

/// Makes rounds until `stop` says so. A round that has begun is finished: it holds no more than some requests, each with a time limit.
pub async fn keep<K: Keeper>(mut rounds: Rounds<K>, touched: Arc<Notify>, health: Arc<Health>, mut stop: watch::Receiver<bool>) {
    let (mut failed, mut unsettled) = (0_u32, 0_u32);
    let name = rounds.name();
    while !*stop.borrow() {
        let began = Instant::now();
        // In this order: whoever has just won has everything listed first.
        let verdict = match (rounds.leads(), rounds.settled()) {
            (_, false) => Verdict::Waiting,
            // One that stands by knows everything, and does nothing.
            (false, true) => Verdict::Quiet,
            (true, true) => rounds.round().await,
        };
        health.round(rounds.namespace(), &name, verdict != Verdict::Waiting);
        failed = if verdict == Verdict::Failed { failed.saturating_add(1) } else { 0 };
        unsettled = if verdict == Verdict::Unsettled { unsettled.saturating_add(1) } else { 0 };
        let pause = match verdict {
            Verdict::Quiet => RESYNC,
            Verdict::Unsettled => settling(unsettled),
            Verdict::More => Duration::ZERO,
            Verdict::Waiting => Duration::from_millis(100),
            Verdict::Failed => RETRY.0.saturating_mul(1 << failed.min(8)).min(RETRY.1),
        };
        let pause = pause.min(until(rounds.next()));
        tokio::select! {
            // After a failure a change does not shorten the wait below the first step: a storm of changes must not become one of requests.
            () = async { touched.notified().await; tokio::time::sleep(if failed > 0 { RETRY.0 } else { DEBOUNCE.saturating_sub(began.elapsed()) }).await } => {}
            () = tokio::time::sleep(pause) => {}
            changed = stop.changed() => if changed.is_err() { return },
        }
    }
}

/// How long to wait after so many rounds in a row that were not settled.
fn settling(rounds: u32) -> Duration {
    let short = SETTLING.saturating_mul(1 << rounds.saturating_sub(1).min(8)).min(RETRY.0);
    if rounds < 10 { short } else { RETRY.0.saturating_mul(1 << (rounds - 10).min(8)).min(RESYNC) }
}

/// How long it is until then: a little more than it, since a timer may be early.
fn until(next: Option<jiff::Timestamp>) -> Duration {
    next.map_or(Duration::MAX, |next| next.duration_since(jiff::Timestamp::now()).try_into().unwrap_or(Duration::ZERO) + Duration::from_millis(5))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_settled_is_looked_at_again_at_once_and_later_each_time() {
        let waits: Vec<u64> = (1..20).map(|rounds| u64::try_from(settling(rounds).as_millis()).unwrap()).collect();
        assert_eq!(waits[..6], [20, 40, 80, 160, 300, 300]);
        assert!(waits.is_sorted(), "{waits:?}");
        assert_eq!(waits.last(), Some(&15_000), "in the end as often as where nothing happens");
    }
}
