//! What is free of the operator's memory goes back to the node at once, but while a round works: a plan is made of so many small texts that
//! it takes again at once what it gives back, and took half as long again for that. jemalloc cannot do so by itself: it looks at its clock only
//! while something is allocated, and its own threads do not exist in a static program (`NO_BG_THREAD_TARGETS` of tikv-jemalloc-sys).

use std::sync::{Mutex, MutexGuard, PoisonError};

/// How many rounds work.
static WORKING: Mutex<usize> = Mutex::new(0);

/// While this is there, what is free is kept. When the last one is dropped, everything goes back.
#[derive(Debug)]
#[must_use]
pub struct Kept(());

/// From now on what is free is kept, a second at most. With another allocator, as in tests, this is of no effect.
pub fn keep() -> Kept {
    let mut working = working();
    *working += 1;
    if *working == 1 {
        set(1_000);
    }
    Kept(())
}

impl Drop for Kept {
    fn drop(&mut self) {
        let mut working = working();
        *working = working.saturating_sub(1);
        if *working == 0 {
            set(0);
        }
    }
}

fn working() -> MutexGuard<'static, usize> {
    WORKING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How jemalloc calls the time for which free pages are kept, of the one pool that .cargo/config.toml has it make.
#[cfg(target_os = "linux")]
const TIME: &str = "arena.0.dirty_decay_ms\0";

#[cfg(target_os = "linux")]
fn set(milliseconds: isize) {
    use tikv_jemalloc_ctl::{Access, AsName};
    if let Err(error) = TIME.name().write(milliseconds) {
        tracing::debug!(%error, "how long free memory is kept stays as it is");
    }
}

#[cfg(not(target_os = "linux"))]
fn set(_: isize) {}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use tikv_jemalloc_ctl::{Access, AsName};

    use super::*;

    fn kept_for() -> isize {
        TIME.name().read().unwrap()
    }

    #[test]
    fn what_is_free_is_kept_until_the_last_round_has_ended() {
        let (one, other) = (keep(), keep());
        assert_eq!(kept_for(), 1_000);
        drop(one);
        assert_eq!(kept_for(), 1_000);
        drop(other);
        assert_eq!(kept_for(), 0);
    }
}
