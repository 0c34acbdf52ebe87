//! What follows from who has a field: the table of every shared object. Pure.
//!
//! | owner | `Auto` | `Force` | `Defer` |
//! |---|---|---|---|
//! | nobody, ourselves | set | set | set |
//! | a person | set | set | defer |
//! | Helm | set and yield | set and yield | defer |
//! | Argo CD, and it leaves the field to us | set | set | defer |
//! | Argo CD | defer | set | defer |
//! | argocd-operator (never argocd-cm: there its `ArgoCD` is set instead) | defer | set | defer |
//!
//! A value that stands there already is never written and never claimed. Taking back is no part of the table: only what we remember to
//! have set is taken back, and that is never blocked.

use super::before::Record;
use super::owner::{Manner, Owner};
use super::value::{Now, settle};
use crate::config::ConflictPolicy;

/// What the table says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Course {
    /// The field may be set.
    Set,
    /// It is left to its owner, who is told what to change.
    Defer,
}

/// The table.
#[must_use]
pub fn course(owner: &Owner, policy: ConflictPolicy) -> Course {
    match (owner, policy) {
        (Owner::Nobody | Owner::Ours, _) => Course::Set,
        (_, ConflictPolicy::Defer) => Course::Defer,
        (Owner::ArgocdOperator { .. } | Owner::ArgoCD { leaves: false, .. }, ConflictPolicy::Auto) => Course::Defer,
        _ => Course::Set,
    }
}

/// What is to be done with one field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It stays as it is.
    Leave {
        /// What is remembered of it from now on.
        record: Option<Record>,
    },
    /// It is written.
    Set {
        /// The value; `None` removes it.
        value: Option<String>,
        /// What is remembered of it from now on.
        record: Option<Record>,
        /// How the change is left behind.
        manner: Manner,
    },
    /// It stays as it is, since its owner is to change it; nothing of ours is there.
    Defer,
    /// It stays as it is, since somebody keeps rewriting it.
    Hold {
        /// What is remembered of it.
        record: Option<Record>,
    },
}

/// Who has the field, and what the admin says to that.
#[derive(Clone, Copy, Debug)]
pub struct Terms<'a> {
    /// Its owner.
    pub owner: &'a Owner,
    /// How a change of its object is left behind.
    pub manner: Manner,
    /// The instance's policy.
    pub policy: ConflictPolicy,
    /// Somebody keeps rewriting it.
    pub contended: bool,
}

/// Decides. `desired: None` means that we want nothing of the field any more.
#[must_use]
pub fn decide(terms: Terms<'_>, now: Now<'_>, desired: Option<&str>, at: &str) -> Decision {
    let step = settle(now, desired, at);
    match (step.write, desired) {
        (None, _) => Decision::Leave { record: step.record },
        (Some(_), Some(_)) if course(terms.owner, terms.policy) == Course::Defer => Decision::Defer,
        (Some(_), Some(_)) if terms.contended => Decision::Hold { record: now.record.cloned() },
        (Some(value), _) => Decision::Set { value, record: step.record, manner: terms.manner },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn owners() -> Vec<Owner> {
        vec![
            Owner::Nobody,
            Owner::Ours,
            Owner::Person("kubectl".to_owned()),
            Owner::Helm { release: "cd".to_owned() },
            Owner::ArgoCD { application: "cd".to_owned(), leaves: true },
            Owner::ArgoCD { application: "cd".to_owned(), leaves: false },
            Owner::ArgocdOperator { cr: "cd".to_owned() },
        ]
    }

    const POLICIES: [ConflictPolicy; 3] = [ConflictPolicy::Auto, ConflictPolicy::Force, ConflictPolicy::Defer];

    #[test]
    fn the_table_says_what_its_head_says() {
        let expected = ["SSS", "SSS", "SSD", "SSD", "SSD", "DSD", "DSD"];
        for (owner, row) in owners().iter().zip(expected) {
            for (policy, letter) in POLICIES.iter().zip(row.chars()) {
                let course = if letter == 'S' { Course::Set } else { Course::Defer };
                assert_eq!(super::course(owner, *policy), course, "{owner:?} {policy:?}");
            }
        }
    }

    fn terms(owner: &Owner, policy: ConflictPolicy, contended: bool) -> Terms<'_> {
        Terms { owner, manner: Manner::Own, policy, contended }
    }

    fn any_record() -> impl Strategy<Value = Option<Record>> {
        let record = (prop::option::of("[ab]"), "[ab]").prop_map(|(before, ours)| Record { before, ours, ..Record::default() });
        prop::option::of(record)
    }

    proptest! {
        /// Owner x policy x value: what holds in every row.
        #[test]
        fn no_row_breaks_the_promises(
            owner in prop::sample::select(owners()), policy in prop::sample::select(POLICIES.to_vec()), contended: bool,
            current in prop::option::of("[ab]"), record in any_record(), desired in prop::option::of("[ab]"),
            owned_by_us: bool, owned_by_others: bool,
        ) {
            let now = Now { current: current.as_deref(), record: record.as_ref(), owned_by_us, owned_by_others };
            let decision = decide(terms(&owner, policy, contended), now, desired.as_deref(), "t");
            let free = decide(terms(&Owner::Nobody, ConflictPolicy::Force, false), now, desired.as_deref(), "t");
            match &desired {
                // Taking back asks nobody, and touches only what we remember, or own, and nobody shares.
                None => {
                    prop_assert_eq!(&decision, &free);
                    if let Decision::Set { value, .. } = &decision {
                        let ours = record.as_ref().map(|r| Some(r.ours.as_str()));
                        prop_assert!(!owned_by_others && (ours == Some(current.as_deref()) || (record.is_none() && owned_by_us)));
                        prop_assert_eq!(value, &record.as_ref().and_then(|r| r.before.clone()));
                    }
                }
                Some(want) => {
                    let stands = current.as_ref() == Some(want);
                    let left = matches!(decision, Decision::Leave { .. });
                    prop_assert_eq!(stands, left, "what stands there is left, under every owner");
                    if !stands {
                        let course = super::course(&owner, policy);
                        prop_assert_eq!(course == Course::Defer, decision == Decision::Defer);
                        let held = matches!(decision, Decision::Hold { .. });
                        prop_assert_eq!(course == Course::Set && contended, held);
                        if let Decision::Set { value, record: Some(made), .. } = &decision {
                            prop_assert_eq!(value.as_ref(), Some(want));
                            prop_assert_eq!(made.before.as_deref(), now.foreign().filter(|_| !now.is_lost()));
                        }
                    }
                }
            }
        }
    }
}
