//! Waiting for something that becomes true, with a message that shows what was seen last.

use std::{
    fmt::Display,
    future::Future,
    time::{Duration, Instant},
};

/// Asks again and again until the answer is `Ok`, and gives it. After `limit` the test fails, showing the last `Err`.
#[track_caller]
pub fn eventually<T, E, A>(what: &str, limit: Duration, mut ask: impl FnMut() -> A) -> impl Future<Output = T>
where
    E: Display,
    A: Future<Output = Result<T, E>>,
{
    let at = std::panic::Location::caller();
    async move {
        let began = Instant::now();
        let mut seen = String::from("nothing: no answer came in time");
        loop {
            let left = limit.saturating_sub(began.elapsed());
            // One request that never answers must not outlast the limit; the first one is always let in.
            match tokio::time::timeout(left.max(Duration::from_millis(100)), ask()).await {
                Ok(Ok(answer)) => return answer,
                Ok(Err(error)) => seen = error.to_string(),
                Err(_elapsed) => {}
            }
            assert!(began.elapsed() < limit, "{at}: not within {limit:?}: {what}\nlast seen: {seen}");
            tokio::time::sleep(Duration::from_millis(75)).await;
        }
    }
}

/// An answer for [`eventually`]: `Ok` when it holds, else what was seen instead.
pub fn that(holds: bool, seen: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(seen()) }
}
