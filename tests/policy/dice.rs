//! Chance that can be repeated.

/// A small generator (splitmix64).
pub struct Dice {
    seed: u64,
    state: u64,
}

impl Dice {
    /// A new one in each run; the one of an earlier run with its seed in `ARGOCD_ACCESS_SEED`.
    pub fn thrown() -> Self {
        let now =
            || std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |t| u64::from(t.subsec_nanos()) << 20 ^ t.as_secs());
        let seed = std::env::var("ARGOCD_ACCESS_SEED").map_or_else(|_| now(), |seed| seed.parse().expect("ARGOCD_ACCESS_SEED is a number"));
        Self { seed, state: seed }
    }

    /// What makes the same throws again.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    fn throw(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.state ^ (self.state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `n`.
    pub fn up_to(&mut self, n: usize) -> usize {
        usize::try_from(self.throw() % u64::try_from(n).unwrap()).unwrap()
    }

    /// One of these.
    pub fn of<'a>(&mut self, all: &[&'a str]) -> &'a str {
        all[self.up_to(all.len())]
    }
}
