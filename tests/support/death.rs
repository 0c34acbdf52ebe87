//! One death of the operator, at a write for which a [`Proxy`] has a trap set.
//!
//! A write may come later than what it is waited for by: after an object is `Ready`, say, when something more is told of it. So it is asked
//! of the whole life, not of each phase of it, whether the trap has sprung.

use std::time::Duration;

use super::kubelet::Kubelet;
use super::proxy::Proxy;
use super::{eventually, eventually::that};

/// So long nothing is written when all is written.
const QUIET: Duration = Duration::from_millis(500);

/// What is known of it.
pub struct Death<'a> {
    proxy: &'a Proxy,
    kubelet: &'a Kubelet,
    armed: bool,
    seen: bool,
}

impl<'a> Death<'a> {
    /// The one for which the trap is set now; when none is set, there will be none.
    pub fn at_the_trap(proxy: &'a Proxy, kubelet: &'a Kubelet) -> Self {
        Self { armed: proxy.is_set(), seen: false, proxy, kubelet }
    }

    /// Whether the operator has died since this was last asked; then it is gone, and only [`Kubelet::release`] starts another.
    pub async fn came(&mut self) -> bool {
        if !self.armed || self.seen || self.proxy.is_set() {
            return false;
        }
        self.seen = true;
        let kubelet = self.kubelet;
        eventually("no operator runs", Duration::from_secs(30), async || that(kubelet.operators().is_empty(), || "it runs".to_owned())).await;
        true
    }

    /// Whether the operator lives: it has not died, or that was seen.
    pub fn is_past_or_to_come(&self) -> bool {
        !self.armed || self.seen || self.proxy.is_set()
    }

    /// Waits until nothing more is written.
    pub async fn quiet(&self) {
        let mut before = self.proxy.writes().len();
        loop {
            tokio::time::sleep(QUIET).await;
            let now = self.proxy.writes().len();
            if now == before {
                return;
            }
            before = now;
        }
    }
}
