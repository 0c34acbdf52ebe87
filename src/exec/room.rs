//! How much room an object of Kubernetes has left for what we write into it. Pure.

/// A whole object; Kubernetes refuses a ConfigMap of more than 1 MiB, and any object of more than 1.5.
pub const TOTAL_LIMIT: usize = 900 * 1024;

/// What is in one object, in bytes.
#[derive(Clone, Copy, Debug)]
pub struct Room {
    ours: usize,
    total: usize,
    limit: usize,
}

impl Room {
    /// `ours` of `total` is ours, and may be `limit` at most.
    #[must_use]
    pub const fn new(ours: usize, total: usize, limit: usize) -> Self {
        Self { ours, total, limit }
    }

    /// Counts what stands already: it keeps its place, whatever else is there.
    pub const fn stands(&mut self, size: usize) {
        self.ours += size;
        self.total += size;
    }

    /// Counts so much more, if it fits; whether it does. What does not grow always fits.
    #[must_use]
    pub const fn grows(&mut self, by: usize) -> bool {
        let fits = by == 0 || (self.ours + by <= self.limit && self.total + by <= TOTAL_LIMIT);
        if fits {
            self.stands(by);
        }
        fits
    }
}
