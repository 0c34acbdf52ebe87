//! What a watch saw go a moment ago. Without it, an object that we wrote and somebody deleted at once looks like one that the watch does
//! not show yet.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// So long our own writes are remembered where a watch does not show them, and what a watch saw go.
pub const MEMORY: Duration = Duration::from_secs(10);

/// The uids of the objects that one watch saw go, shared with whoever reads what it shows.
#[derive(Clone, Debug, Default)]
pub struct Departed(Arc<Mutex<VecDeque<(Instant, String)>>>);

impl Departed {
    /// Notes that this object is gone, and forgets those that went long ago.
    pub fn note(&self, uid: String, now: Instant) {
        let mut gone = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        while gone.front().is_some_and(|(when, _)| now.saturating_duration_since(*when) > MEMORY) {
            gone.pop_front();
        }
        gone.push_back((now, uid));
    }

    /// Whether this object went.
    #[must_use]
    pub fn has(&self, uid: &str) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().any(|(_, gone)| gone == uid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_went_is_known_for_as_long_as_a_write_is_remembered_and_no_longer() {
        let (departed, began) = (Departed::default(), Instant::now());
        departed.note("a".to_owned(), began);
        departed.note("b".to_owned(), began + MEMORY);
        assert!(departed.has("a") && departed.has("b") && !departed.has("c"));
        departed.note("c".to_owned(), began + MEMORY + Duration::from_millis(1));
        assert!(!departed.has("a") && departed.has("b") && departed.has("c"));
    }
}
