//! Who keeps rewriting what: the memory of foreign rewrites of our values, and when to give up for a while. Pure; the time comes in.
//!
//! It is kept by the process from round to round and lost with it. A rewrite counts when a value that we had set, and that stood there, is
//! another one at the next look. Helm's command line does not count: each of its upgrades is one deliberate act, and none answers to ours.
//!
//! Beside it stands what was set, so that an annotation that somebody removes is not the only memory of the former value.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::write::Target;
use crate::ownership::Record;
use crate::ownership::managed_fields::Writer;
use crate::ownership::owner::is_helm;

/// So many rewrites within [`WINDOW`] are a quarrel.
pub const REWRITES: usize = 3;
/// See [`REWRITES`].
pub const WINDOW: SignedDuration = SignedDuration::from_mins(10);
/// So long after the last rewrite nothing is written there.
pub const HOLD_OFF: SignedDuration = SignedDuration::from_hours(1);

/// One field of one object.
pub type FieldOf = (Target, String);

/// What a plan saw of one field, and what it does about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Look {
    /// The field.
    pub field: FieldOf,
    /// The uid of the object.
    pub uid: String,
    /// The version of the object, where it is a number.
    pub version: Option<u128>,
    /// What we have set stands there.
    pub stands: bool,
    /// Who wrote it, or the object, last.
    pub by: Option<Writer>,
    /// The plan sets it.
    pub sets: bool,
    /// The plan gives the former value back.
    pub back: bool,
    /// What is remembered of what stands there now.
    pub note: Option<Record>,
    /// What will be remembered once the plan has set it.
    pub next: Option<Record>,
}

/// Who keeps rewriting a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rival {
    /// The field manager.
    pub manager: String,
    /// When they did it last, as far as it was seen.
    pub at: Timestamp,
    /// When we try again.
    pub until: Timestamp,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Contest {
    uid: String,
    standing: bool,
    /// The version over which we wrote last.
    over: Option<u128>,
    /// The last ones, oldest first; at most [`REWRITES`].
    rewrites: Vec<(Timestamp, String)>,
    note: Option<Record>,
    /// Who had written the field last when what we had set stood there.
    by: Option<Writer>,
}

/// The memory of one instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contests {
    now: Timestamp,
    fields: BTreeMap<FieldOf, Contest>,
}

impl Default for Contests {
    fn default() -> Self {
        Self { now: Timestamp::UNIX_EPOCH, fields: BTreeMap::new() }
    }
}

/// The version of an object, as a number.
#[must_use]
pub fn version(meta: &ObjectMeta) -> Option<u128> {
    meta.resource_version.as_deref()?.parse().ok()
}

impl Contests {
    /// The same memory at this time.
    #[must_use]
    pub fn at(mut self, now: Timestamp) -> Self {
        self.now = now;
        self
    }

    /// Who keeps rewriting the field, so that it is not to be set now.
    #[must_use]
    pub fn rival(&self, look: &Look) -> Option<Rival> {
        self.after(look).rival(self.now)
    }

    /// What this process remembers to have set in the field of this object.
    #[must_use]
    pub fn note(&self, field: &FieldOf, uid: &str) -> Option<&Record> {
        self.fields.get(field).filter(|c| c.uid == uid)?.note.as_ref()
    }

    /// Whether nobody has written the field since what we had set was seen in it.
    #[must_use]
    pub fn unwritten(&self, field: &FieldOf, by: Option<&Writer>) -> bool {
        self.fields.get(field).is_some_and(|c| c.by.as_ref() == by)
    }

    /// How many fields are given up now.
    #[must_use]
    pub fn contended(&self) -> usize {
        self.fields.values().filter(|c| c.rival(self.now).is_some()).count()
    }

    /// Remembers what a plan saw. Fields that it did not look at are forgotten, unless they were quarrelled about.
    #[must_use]
    pub fn saw(&self, looks: &[Look]) -> Self {
        let mut fields: BTreeMap<FieldOf, Contest> = looks.iter().map(|look| (look.field.clone(), self.after(look))).collect();
        for (field, contest) in &self.fields {
            let fresh = contest.rewrites.last().is_some_and(|(at, _)| *at + HOLD_OFF > self.now);
            if fresh && !fields.contains_key(field) {
                fields.insert(field.clone(), Contest { standing: false, note: None, ..contest.clone() });
            }
        }
        Self { now: self.now, fields }
    }

    /// Remembers which of the plan's writes went through.
    #[must_use]
    pub fn wrote(mut self, looks: &[Look], done: &[Target]) -> Self {
        for look in looks.iter().filter(|look| done.contains(&look.field.0)) {
            let Some(contest) = self.fields.get_mut(&look.field) else { continue };
            if look.sets {
                contest.standing = true;
                contest.note.clone_from(&look.next);
                contest.over = look.version;
            } else if look.back {
                // That it is gone is nobody's doing, should it be wanted again before the next look.
                (contest.standing, contest.note) = (false, None);
                contest.over = look.version;
            }
        }
        self
    }

    fn after(&self, look: &Look) -> Contest {
        // Another object of the same name starts anew.
        let known = self.fields.get(&look.field).filter(|c| c.uid == look.uid).cloned().unwrap_or_default();
        // A picture from before our own last write tells nothing of what came after it.
        if known.over.is_some() && look.version.is_some() && look.version <= known.over {
            return known;
        }
        let by = if look.stands { look.by.clone() } else { known.by.clone() };
        let mut contest = Contest { uid: look.uid.clone(), note: look.note.clone(), standing: look.stands, by, ..known.clone() };
        let counts = look.by.as_ref().is_none_or(|by| !is_helm(&by.manager));
        if known.standing && !look.stands && counts {
            let manager = look.by.as_ref().map_or_else(|| "somebody who left no name".to_owned(), |by| by.manager.clone());
            contest.rewrites.push((self.now, manager));
            let from = contest.rewrites.len().saturating_sub(REWRITES);
            contest.rewrites.drain(..from);
        }
        contest
    }
}

impl Contest {
    fn rival(&self, now: Timestamp) -> Option<Rival> {
        let ((first, _), (last, manager)) = (self.rewrites.first()?, self.rewrites.last()?);
        let quarrel = self.rewrites.len() == REWRITES && last.duration_since(*first) <= WINDOW;
        let until = *last + HOLD_OFF;
        (quarrel && now < until).then(|| Rival { manager: manager.clone(), at: *last, until })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reconcile::Kind;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn field() -> FieldOf {
        (Target::namespaced(Kind::ConfigMap, "argocd", "argocd-cm"), "data/exec.enabled".to_owned())
    }

    fn look(stands: bool, manager: &str) -> Look {
        let by = Some(Writer { manager: manager.to_owned(), at: None });
        Look { field: field(), uid: "u".to_owned(), version: None, stands, by, sets: !stands, back: stands, note: None, next: None }
    }

    fn second(n: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + n).unwrap()
    }

    #[test]
    fn what_we_give_back_and_set_again_at_once_is_nobodys_rewrite() {
        let (mut contests, target) = (Contests::default(), field().0);
        for n in 0..10 {
            contests = contests.at(second(n));
            let set = look(false, "kubectl");
            assert_eq!(contests.rival(&set), None, "time {n}");
            contests = contests.saw(std::slice::from_ref(&set)).wrote(std::slice::from_ref(&set), std::slice::from_ref(&target));
            let back = Look { note: Some(Record::default()), ..look(true, "kubectl") };
            contests = contests.saw(std::slice::from_ref(&back)).wrote(std::slice::from_ref(&back), std::slice::from_ref(&target));
        }
    }

    /// A field, whoever rewrites it, and us who put it right whenever we may. Returns when we wrote.
    fn quarrel(rewrites: &[(i64, &str)], until: i64) -> (Vec<i64>, Contests) {
        let (mut contests, mut stands, mut wrote) = (Contests::default(), false, Vec::new());
        let mut manager = "nobody";
        // Nothing happens at any other time.
        let hold_off = HOLD_OFF.as_secs();
        let ticks: BTreeSet<i64> = rewrites.iter().flat_map(|(at, _)| [*at, at + hold_off]).chain([0]).filter(|at| *at < until).collect();
        for now in ticks {
            if let Some((_, by)) = rewrites.iter().find(|(at, _)| *at == now) {
                (stands, manager) = (false, by);
            }
            contests = contests.at(second(now));
            let mut look = look(stands, manager);
            look.sets = !stands && contests.rival(&look).is_none();
            contests = contests.saw(std::slice::from_ref(&look));
            if look.sets {
                contests = contests.wrote(std::slice::from_ref(&look), &[field().0]);
                stands = true;
                wrote.push(now);
            }
        }
        (wrote, contests)
    }

    #[test]
    fn after_three_rewrites_nothing_is_written_for_an_hour() {
        let (wrote, contests) = quarrel(&[(10, "a"), (20, "b"), (30, "rival"), (40, "rival")], 30 + 3600);
        assert_eq!(wrote, [0, 10, 20], "the third is not answered");
        let rival = contests.rival(&look(false, "x")).unwrap();
        assert_eq!((rival.manager.as_str(), rival.at, rival.until), ("rival", second(30), second(30 + 3600)));
        assert_eq!(contests.contended(), 1);
        let (wrote, contests) = quarrel(&[(10, "a"), (20, "b"), (30, "rival")], 30 + 3601);
        assert_eq!((wrote.last(), contests.contended()), (Some(&(30 + 3600)), 0), "then it is tried again");
    }

    #[test]
    fn rewrites_that_lie_further_apart_are_no_quarrel_and_neither_are_helms() {
        let (wrote, _) = quarrel(&[(10, "a"), (20, "a"), (700, "a"), (1300, "a")], 1400);
        assert_eq!(wrote, [0, 10, 20, 700, 1300]);
        let (wrote, _) = quarrel(&[(10, "helm"), (20, "helm"), (30, "Helm"), (40, "helm"), (50, "terraform-provider-helm_v3")], 60);
        assert_eq!(wrote, [0, 10, 20, 30, 40, 50]);
        let (wrote, _) = quarrel(&[(10, "helm-controller"), (20, "helm-controller"), (30, "helm-controller")], 60);
        assert_eq!(wrote, [0, 10, 20], "a controller comes back by itself");
    }

    #[test]
    fn a_picture_from_before_our_write_is_no_rewrite() {
        let at = |version, stands| Look { version: Some(version), ..look(stands, "a") };
        let wrote = Contests::default().saw(&[at(5, false)]).wrote(&[at(5, false)], &[field().0]);
        let rewrites = |contests: &Contests| contests.fields[&field()].rewrites.len();
        let old = wrote.saw(&[at(5, false)]);
        assert_eq!((rewrites(&old), rewrites(&old.saw(&[at(7, false)]))), (0, 1), "what comes after it is one");
        assert_eq!(rewrites(&wrote.saw(&[at(6, true)])), 0);
    }

    #[test]
    fn another_object_of_the_name_starts_anew() {
        let (_, contests) = quarrel(&[(1, "a"), (2, "a"), (3, "a")], 10);
        let mut other = look(false, "a");
        assert!(contests.rival(&other).is_some());
        other.uid = "v".to_owned();
        assert_eq!(contests.rival(&other), None);
        assert_eq!(contests.note(&field(), "v"), None);
    }

    #[test]
    fn a_quarrel_outlives_a_time_in_which_nothing_is_wanted() {
        let (_, contests) = quarrel(&[(1, "a"), (2, "a"), (3, "a")], 10);
        let contests = contests.saw(&[]).at(second(100));
        assert!(contests.rival(&look(false, "a")).is_some());
        assert_eq!(contests.at(second(4000)).saw(&[]), Contests::default().at(second(4000)), "and is forgotten in the end");
    }

    proptest! {
        #[test]
        fn never_more_than_three_answers_in_an_hour_to_one_rival(gaps in prop::collection::vec(1i64..900, 1..40)) {
            let times: Vec<(i64, &str)> = gaps.iter().scan(0, |at, gap| { *at += gap; Some((*at, "rival")) }).collect();
            let until = times.last().map_or(0, |(at, _)| *at) + 1;
            let (wrote, _) = quarrel(&times, until);
            // Three rewrites within ten minutes are answered twice at most; the third answer would be one of after the hour.
            for window in wrote.windows(4).skip(1) {
                prop_assert!(window[3] - window[0] > WINDOW.as_secs(), "{wrote:?} to {times:?}");
            }
        }

        #[test]
        fn the_memory_is_bounded_and_the_same_looks_give_the_same_memory(stands in prop::collection::vec(any::<bool>(), 1..60)) {
            let run = || stands.iter().enumerate().fold(Contests::default(), |contests, (i, stands)| {
                let now = contests.at(second(i64::try_from(i).unwrap()));
                now.saw(&[look(*stands, "x")]).wrote(&[look(*stands, "x")], &[field().0])
            });
            let contests = run();
            prop_assert_eq!(&contests, &run());
            prop_assert!(contests.fields.values().all(|c| c.rewrites.len() <= REWRITES));
        }
    }
}
