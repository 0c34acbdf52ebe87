//! The life of a credential: worked through by a little world in which tokens die with their anchors, and processes die anywhere.

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

use crate::clusters::claims::{Bound, Claims};
use crate::clusters::credential::{Life, RENEW, Sight, State, Terms, life, renew_at};
use crate::clusters::names::anchors;

const SUBJECT: &str = "system:serviceaccount:argocd-access:argocd-managed";

fn terms() -> Terms {
    Terms {
        subject: SUBJECT.to_owned(),
        overlap: SignedDuration::from_mins(10),
        rotate_after: None,
        seed: "uid".to_owned(),
        anchors: anchors("argocd-managed"),
        renew: RENEW,
    }
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

fn token(slot: usize, uid: &str, issued: i64, lives: i64) -> Claims {
    let anchor = Bound { name: anchors("argocd-managed")[slot].clone(), uid: uid.to_owned() };
    Claims { subject: SUBJECT.to_owned(), issued_at: at(issued), expires_at: at(issued + lives), anchor: Some(anchor) }
}

fn see(current: Option<&Claims>, anchors: [Option<&str>; 2], fresh: Option<&str>, now: i64) -> Life {
    life(&terms(), Sight { current, anchors, fresh, refused: false, now: at(now) })
}

#[test]
fn without_a_credential_an_anchor_is_made_and_a_token_is_bound_to_it() {
    let first = see(None, [None, None], None, 0);
    assert_eq!((first.state, first.make, first.mint), (State::None, Some(0), None));
    let second = see(None, [Some("u1"), None], Some("u1"), 1);
    assert_eq!((second.make, second.mint, second.retire), (None, Some(0), vec![]));
}

#[test]
fn an_anchor_that_another_process_left_is_made_anew() {
    let left = see(None, [Some("u1"), None], None, 0);
    assert_eq!((left.mint, left.make, left.retire), (None, None, vec![0]), "a token that nobody knows may be bound to it");
    let both = see(None, [Some("u1"), Some("u2")], None, 0);
    assert_eq!(both.retire, [0, 1]);
}

#[test]
fn a_credential_is_replaced_in_time_and_the_former_one_lives_through_the_overlap() {
    let current = token(0, "u1", 0, 3600);
    let renew = renew_at(&current, &terms());
    assert!(renew > at(3600 * 56 / 100 - 1) && renew <= at(3600 * 66 / 100), "{renew}");
    let early = see(Some(&current), [Some("u1"), None], None, 700);
    assert_eq!((early.state, early.make, early.next), (State::Valid, None, Some(renew)));
    let due = life(&terms(), Sight { current: Some(&current), anchors: [Some("u1"), None], fresh: None, refused: false, now: renew });
    assert_eq!((due.state, due.make), (State::Valid, Some(1)));
    let minting = see(Some(&current), [Some("u1"), Some("u2")], Some("u2"), 2400);
    assert_eq!((minting.mint, minting.retire), (Some(1), vec![]));
    let replaced = token(1, "u2", 2400, 3600);
    let overlap = see(Some(&replaced), [Some("u1"), Some("u2")], Some("u2"), 2401);
    assert_eq!((overlap.state, overlap.retire, overlap.next), (State::Overlap(at(3000)), vec![], Some(at(3000))));
    assert_eq!(see(Some(&replaced), [Some("u1"), Some("u2")], Some("u2"), 3000).retire, [0]);
}

#[test]
fn a_demand_with_a_fraction_of_a_second_is_met_by_one_new_token() {
    let demand = at(700) + SignedDuration::from_millis(700);
    let terms = Terms { rotate_after: Some(demand), ..terms() };
    let seen = |issued: i64, now: Timestamp| {
        let current = token(0, "u1", issued, 3600);
        life(&terms, Sight { current: Some(&current), anchors: [Some("u1"), None], fresh: None, refused: false, now })
    };
    // A token has no fractions: one that was made at once would look as if it had been made before the demand.
    let early = seen(0, demand);
    assert_eq!((early.make, early.next), (None, Some(at(701))));
    assert_eq!(seen(0, at(701)).make, Some(1));
    assert_eq!(seen(700, at(701)).make, Some(1), "in the same second, and perhaps before it");
    assert_eq!(seen(701, at(702)).make, None, "the one that was made for it");
}

#[test]
fn an_overlap_as_long_as_a_life_keeps_no_credential_from_being_replaced_in_time() {
    let long = Terms { overlap: SignedDuration::from_hours(1), ..terms() };
    for lives in [600, 3600, 7200] {
        let current = token(1, "u2", 0, lives);
        let seen =
            |now: Timestamp, other| life(&long, Sight { current: Some(&current), anchors: [other, Some("u2")], fresh: None, refused: false, now });
        let renew = renew_at(&current, &long);
        let over = at((lives / 2).min(3600));
        assert!(over < renew, "{lives}");
        assert_eq!(seen(at(1), Some("u1")).state, State::Overlap(over));
        assert_eq!(seen(over, Some("u1")).retire, [0], "{lives}");
        assert_eq!(seen(renew, None).make, Some(0), "{lives}");
    }
}

#[test]
fn a_credential_is_replaced_at_once_where_it_cannot_be_used() {
    let current = token(0, "u1", 0, 3600);
    let refused = Sight { current: Some(&current), anchors: [Some("u1"), None], fresh: None, refused: true, now: at(10) };
    for (why, seen, state) in [
        ("its anchor is gone", see(Some(&current), [None, None], None, 10), State::Revoked),
        ("its anchor is another one", see(Some(&current), [Some("u9"), None], None, 10), State::Revoked),
        ("the remote cluster refuses it", life(&terms(), refused), State::Revoked),
        ("it has expired", see(Some(&current), [Some("u1"), None], None, 3600), State::Expired),
        ("it is somebody else's", see(Some(&Claims { subject: "x".to_owned(), ..current.clone() }), [Some("u1"), None], None, 10), State::Other),
    ] {
        assert_eq!(seen.state, state, "{why}");
        assert!(seen.make.is_some() || !seen.retire.is_empty(), "{why}: {seen:?}");
    }
}

#[test]
fn on_demand_it_is_replaced_once() {
    let demanded = Terms { rotate_after: Some(at(100)), ..terms() };
    let seen = |current: &Claims, now| {
        life(&demanded, Sight { current: Some(current), anchors: [Some("u1"), None], fresh: None, refused: false, now: at(now) })
    };
    assert_eq!(seen(&token(0, "u1", 0, 3600), 99).make, None, "not before that time");
    assert_eq!(seen(&token(0, "u1", 0, 3600), 100).make, Some(1));
    assert_eq!(seen(&token(0, "u1", 100, 3600), 101).make, None, "what was issued since is new enough");
}

/// A remote cluster, a hub, and an operator that may die after each step.
#[derive(Clone, Debug, Default)]
struct Little {
    anchors: [Option<u32>; 2],
    /// Whatever was ever issued: the anchor's uid, when, until when.
    issued: Vec<(u32, i64, i64)>,
    current: Option<(usize, u32, i64, i64)>,
    fresh: Option<u32>,
    uids: u32,
}

impl Little {
    fn lives(&self, uid: u32) -> bool {
        self.anchors.contains(&Some(uid))
    }

    fn look(&self, now: i64) -> Life {
        let names: [Option<String>; 2] = self.anchors.map(|a| a.map(|uid| format!("u{uid}")));
        let current = self.current.map(|(slot, uid, from, to)| token(slot, &format!("u{uid}"), from, to - from));
        let fresh = self.fresh.map(|uid| format!("u{uid}"));
        let anchors = [names[0].as_deref(), names[1].as_deref()];
        life(&terms(), Sight { current: current.as_ref(), anchors, fresh: fresh.as_deref(), refused: false, now: at(now) })
    }

    /// One step; `write`: whether the minted token reaches Argo CD.
    fn step(&mut self, now: i64, lives: i64, write: bool) {
        let life = self.look(now);
        if let Some(slot) = life.retire.first() {
            self.anchors[*slot] = None;
        } else if let Some(slot) = life.make {
            self.uids += 1;
            self.anchors[slot] = Some(self.uids);
            self.fresh = Some(self.uids);
        } else if let Some(slot) = life.mint {
            let uid = self.anchors[slot].unwrap();
            self.issued.push((uid, now, now + lives));
            if write {
                self.current = Some((slot, uid, now, now + lives));
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn whatever_dies_whenever_argo_cd_has_a_living_credential_again_and_no_other_lives_on(
        steps in prop::collection::vec((0_i64..900, any::<bool>(), any::<bool>()), 1..80)
    ) {
        const LIVES: i64 = 3600;
        let (mut little, mut now) = (Little::default(), 0);
        for (passes, dies, written) in steps {
            now += passes;
            let had = little.current.filter(|(_, uid, _, to)| little.lives(*uid) && now < *to);
            little.step(now, LIVES, written);
            // What Argo CD has is never revoked while it is of use.
            if let Some((_, uid, ..)) = had {
                prop_assert!(little.lives(uid) || little.current.is_some_and(|(_, now_uid, ..)| now_uid != uid), "revoked while in use");
            }
            if dies {
                little.fresh = None;
            }
        }
        // Left alone, all is well after some steps.
        for _ in 0..8 {
            little.step(now, LIVES, true);
            now += 1;
        }
        let (_, uid, _, to) = little.current.unwrap();
        prop_assert!(little.lives(uid) && now < to);
        now += 601;
        for _ in 0..4 {
            little.step(now, LIVES, true);
        }
        let (_, uid, ..) = little.current.unwrap();
        let others = little.issued.iter().filter(|(other, _, to)| *other != uid && little.lives(*other) && *to > now).count();
        prop_assert!(others == 0 || matches!(little.look(now).state, State::Overlap(_)), "{little:?}");
    }

    #[test]
    fn the_times_of_many_are_spread_over_a_tenth_of_their_life(lives in 600_i64..90_000) {
        let times: std::collections::BTreeSet<Timestamp> = (0..100).map(|i| renew_at(&token(0, "u", 0, lives), &Terms { seed: format!("uid-{i}"), ..terms() })).collect();
        prop_assert!(times.len() > 40, "{}", times.len());
        prop_assert!(times.iter().all(|t| *t >= at(lives * 56 / 100 - 1) && *t <= at(lives * 66 / 100 + 1)));
    }
}
