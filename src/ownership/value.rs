//! One value in a shared object: set it, leave it, or give it back. Pure.

use super::before::Record;

/// What to do with one value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The value to write: `Some(None)` removes it, `None` leaves it as it is.
    pub write: Option<Option<String>>,
    /// What to remember from now on.
    pub record: Option<Record>,
}

/// What is true of the value now.
#[derive(Clone, Copy, Debug)]
pub struct Now<'a> {
    /// The value that stands there.
    pub current: Option<&'a str>,
    /// What we remember of it.
    pub record: Option<&'a Record>,
    /// Whether our managedFields entry owns it, and no memory is there that could say whether it is ours.
    pub owned_by_us: bool,
    /// Whether somebody else's entry owns it, too.
    pub owned_by_others: bool,
}

impl Now<'_> {
    /// Whether the value is ours by `managedFields` alone: the memory of it is lost.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        self.owned_by_us && !self.owned_by_others && self.record.is_none() && self.current.is_some()
    }

    /// The value that would stand there without us.
    #[must_use]
    pub fn foreign(&self) -> Option<&str> {
        match self.record {
            Some(record) if self.current == Some(record.ours.as_str()) => record.before.as_deref(),
            _ => self.current,
        }
    }
}

/// Decides. `desired: None` means that we want nothing of this value any more; `at` is the time of a change.
///
/// * A value that stands there already is left, and never claimed.
/// * A foreign value that replaced ours becomes the new before-image.
/// * Giving back writes the before-image, unless somebody else owns the value by now or has changed it: then only the memory goes.
/// * When the memory is lost and the value is ours by `managedFields`, it counts as absent before: keeping a grant would be worse.
#[must_use]
pub fn settle(now: Now<'_>, desired: Option<&str>, at: &str) -> Step {
    let lost = now.is_lost();
    match (desired, now.record) {
        (Some(want), None) if lost && now.current == Some(want) => {
            Step { write: None, record: Some(Record { before: None, ours: want.to_owned(), at: at.to_owned(), lost: true }) }
        }
        (Some(want), record) if now.current == Some(want) => Step { write: None, record: record.filter(|r| r.ours == want).cloned() },
        (Some(want), _) => {
            // A value of ours whose memory was lost is not what was there before us.
            let before = now.foreign().filter(|_| !lost).map(ToOwned::to_owned);
            let lost = lost || now.record.is_some_and(|r| r.lost && now.current == Some(r.ours.as_str()));
            Step { write: Some(Some(want.to_owned())), record: Some(Record { before, ours: want.to_owned(), at: at.to_owned(), lost }) }
        }
        (None, Some(record)) if now.current == Some(record.ours.as_str()) && !now.owned_by_others => {
            Step { write: Some(record.before.clone()), record: None }
        }
        (None, Some(_)) => Step { write: None, record: None },
        (None, None) if lost => Step { write: Some(None), record: None },
        (None, None) => Step { write: None, record: None },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A world of one value, with the memory that goes with it.
    #[derive(Clone, Default)]
    struct World {
        value: Option<String>,
        record: Option<Record>,
    }

    impl World {
        fn step(&mut self, desired: Option<&str>) {
            let now = Now { current: self.value.as_deref(), record: self.record.as_ref(), owned_by_us: false, owned_by_others: false };
            let step = settle(now, desired, "t");
            if let Some(value) = step.write {
                self.value = value;
            }
            self.record = step.record;
        }
    }

    proptest! {
        #[test]
        fn the_last_foreign_value_comes_back(start in proptest::option::of("[ab]{0,2}"), wants in proptest::collection::vec("[abc]{1,2}", 1..6), foreign in proptest::option::of("[xyz]{3}")) {
            let mut world = World { value: start.clone(), record: None };
            for want in &wants {
                world.step(Some(want));
                prop_assert_eq!(world.value.as_deref(), Some(want.as_str()));
            }
            if let Some(foreign) = &foreign {
                world.value = Some(foreign.clone());
                world.step(Some("true"));
            }
            world.step(None);
            prop_assert_eq!(&world.value, &foreign.or(start));
            prop_assert!(world.record.is_none());
        }

        #[test]
        fn settling_twice_changes_nothing_more(start in proptest::option::of("[ab]{0,2}"), want in proptest::option::of("[abc]{1,2}")) {
            let mut once = World { value: start, record: None };
            once.step(want.as_deref());
            let mut twice = once.clone();
            twice.step(want.as_deref());
            prop_assert_eq!(once.value, twice.value);
            prop_assert_eq!(once.record, twice.record);
        }
    }

    #[test]
    fn a_value_that_stood_there_before_us_stays_when_we_go() {
        let mut world = World { value: Some("true".to_owned()), record: None };
        world.step(Some("true"));
        world.step(None);
        assert_eq!(world.value.as_deref(), Some("true"));
    }

    #[test]
    fn a_value_that_somebody_else_took_over_is_released_not_restored() {
        let record = Record { before: Some("false".to_owned()), ours: "true".to_owned(), at: "t".to_owned(), lost: false };
        let now = Now { current: Some("true"), record: Some(&record), owned_by_us: true, owned_by_others: true };
        assert_eq!(settle(now, None, "t"), Step { write: None, record: None });
    }

    #[test]
    fn a_value_of_ours_without_a_memory_is_removed() {
        let now = Now { current: Some("true"), record: None, owned_by_us: true, owned_by_others: false };
        assert_eq!(settle(now, None, "t"), Step { write: Some(None), record: None });
        let kept = settle(now, Some("true"), "t");
        let made = kept.record.unwrap();
        assert_eq!((kept.write, made.before, made.lost), (None, None, true), "while it is wanted, the memory is made anew");
        let changed = settle(now, Some("other"), "t").record.unwrap();
        assert_eq!((changed.before, changed.lost), (None, true), "our own value is no former value");
    }
}
