//! How a watch is doing, for whoever rests on what it shows and for whoever reports it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

/// How one watch is doing.
#[derive(Clone, Debug, Default)]
pub struct Health {
    /// How often a fresh list was asked for.
    pub(super) asked: u64,
    /// The last list that is complete: which of them it is.
    pub(super) listed: Option<u64>,
    /// The API server refuses: since when, and what it says.
    pub(super) refused: Option<(Instant, String)>,
    /// It does not work for another reason, such as a lost connection.
    pub(super) broken: Option<(Instant, String)>,
    /// The cluster does not know the kind, and need not.
    pub(super) absent: bool,
}

impl Health {
    /// Whether it is known what can be known: the list is there, or it is refused, or there is no such kind.
    #[must_use]
    pub fn settled(&self) -> bool {
        self.synced() || self.absent || self.refused.is_some()
    }

    /// Whether the list is there that was asked for last.
    pub(super) fn synced(&self) -> bool {
        self.listed == Some(self.asked)
    }

    /// What the API server says when it refuses.
    #[must_use]
    pub fn refusal(&self) -> Option<&str> {
        self.refused.as_ref().map(|(_, why)| why.as_str())
    }

    /// How long it has been failing, for whatever reason.
    #[must_use]
    pub fn failing_for(&self) -> Option<Duration> {
        self.refused.as_ref().or(self.broken.as_ref()).map(|(since, _)| since.elapsed())
    }

    /// How long it has been failing for a reason that a restart of ours may mend.
    #[must_use]
    pub fn stuck_for(&self) -> Option<Duration> {
        self.broken.as_ref().map(|(since, _)| since.elapsed())
    }
}

/// The health of one watch, shared with whoever reports it.
#[derive(Clone, Debug)]
pub struct Probe {
    /// The kind, in the plural.
    pub kind: &'static str,
    health: Arc<Mutex<Health>>,
    /// Tells the watch to list afresh.
    pub(super) again: Arc<Notify>,
}

impl Probe {
    pub(super) fn new(kind: &'static str) -> Self {
        Self { kind, health: Arc::default(), again: Arc::default() }
    }

    /// How it is doing now.
    #[must_use]
    pub fn health(&self) -> Health {
        self.health.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Has everything listed afresh; until that is done, nothing is known.
    pub fn refresh(&self) {
        self.note(|h| h.asked += 1);
        self.again.notify_one();
    }

    pub(super) fn note(&self, change: impl FnOnce(&mut Health)) {
        change(&mut self.health.lock().unwrap_or_else(PoisonError::into_inner));
    }
}
