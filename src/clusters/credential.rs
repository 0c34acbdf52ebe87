//! When a credential is made, when it is replaced, and when its former one is revoked. Pure: a state machine over what is seen.
//!
//! Two Secrets of the remote cluster take turns, the anchors: a token is bound to one and dies with it. The free one is made, a token is
//! bound to it, proven, and written for Argo CD; after the overlap the other is deleted. Everything is read back from what the token says
//! of itself, so that a process that begins in the middle goes on with it. An anchor that no token of ours is known to be bound to is made
//! anew: a process that died may have had one.

use jiff::{RoundMode, SignedDuration, Timestamp, TimestampRound, Unit};
use sha2::{Digest, Sha256};

use super::claims::{Bound, Claims};

/// Argo CD's token is replaced after this part of its life, in hundredths; and by so much earlier at most, so that not all are at once.
pub const RENEW: (i64, i64) = (66, 10);
/// The operator's own is replaced earlier: without it nothing else is.
pub const RENEW_MANAGER: (i64, i64) = (50, 10);

/// What is declared.
#[derive(Clone, Debug)]
pub struct Terms {
    /// Who it must be.
    pub subject: String,
    /// How long the former one stays valid, half of a life at most.
    pub overlap: SignedDuration,
    /// What was issued before is replaced.
    pub rotate_after: Option<Timestamp>,
    /// What spreads the times of several objects.
    pub seed: String,
    /// The names of the two anchors.
    pub anchors: [String; 2],
    /// After which part of its life it is replaced, in hundredths, and by how much earlier at most.
    pub renew: (i64, i64),
}

/// What is seen.
#[derive(Clone, Copy, Debug)]
pub struct Sight<'a> {
    /// What the token says that Argo CD has; `None`: it has none of ours.
    pub current: Option<&'a Claims>,
    /// The uids of the two anchors, as far as they are there.
    pub anchors: [Option<&'a str>; 2],
    /// The uid of the anchor that this process has made for the next token.
    pub fresh: Option<&'a str>,
    /// The remote cluster has refused the token.
    pub refused: bool,
    /// The time.
    pub now: Timestamp,
}

/// What follows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Life {
    /// How the current one stands.
    pub state: State,
    /// When it is to be replaced.
    pub renew_at: Option<Timestamp>,
    /// When something follows, if nothing but time passes.
    pub next: Option<Timestamp>,
    /// The anchor (0 or 1) that is to be made for the next token.
    pub make: Option<usize>,
    /// The anchor to which the next token is to be bound: it is there.
    pub mint: Option<usize>,
    /// The anchors that are to be deleted.
    pub retire: Vec<usize>,
}

/// How a credential stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// There is none that can be used.
    None,
    /// It is that of somebody else.
    Other,
    /// It has expired.
    Expired,
    /// It is dead: its anchor is gone, or the remote cluster refuses it.
    Revoked,
    /// It is valid.
    Valid,
    /// It is valid, and so is the former one until then.
    Overlap(Timestamp),
}

impl State {
    /// Whether it can be used.
    #[must_use]
    pub fn is_usable(self) -> bool {
        matches!(self, Self::Valid | Self::Overlap(_))
    }
}

/// When a token is to be replaced.
#[must_use]
pub fn renew_at(claims: &Claims, terms: &Terms) -> Timestamp {
    let (part, spread) = terms.renew;
    let digest = Sha256::digest(terms.seed.as_bytes());
    let dice = digest.iter().take(4).fold(0_i64, |sum, byte| (sum << 8) | i64::from(*byte));
    let life = claims.life();
    // In seconds and not in hundredths: a short life is spread as well as a long one.
    let earlier = if life >= 100 { dice % (life * spread / 100).max(1) } else { 0 };
    let after = SignedDuration::from_secs(life * part / 100 - earlier);
    claims.issued_at.checked_add(after).unwrap_or(claims.issued_at)
}

/// What follows from what is seen.
#[must_use]
pub fn life(terms: &Terms, sight: Sight<'_>) -> Life {
    let slot = sight.current.and_then(|claims| slot_of(terms, claims.anchor.as_ref()?));
    let is_alive = |slot: usize, bound: &Bound| sight.anchors.get(slot).copied().flatten() == Some(bound.uid.as_str());
    let bound = sight.current.and_then(|claims| claims.anchor.as_ref());
    let alive = slot.zip(bound).is_some_and(|(slot, bound)| is_alive(slot, bound));
    let other = 1 - slot.filter(|_| alive).unwrap_or(1);
    let there = sight.anchors.get(other).copied().flatten();
    let state = match sight.current {
        None => State::None,
        Some(claims) if claims.subject != terms.subject => State::Other,
        Some(claims) if claims.expires_at <= sight.now => State::Expired,
        Some(_) if !alive || sight.refused => State::Revoked,
        Some(claims) => {
            // While the former one is kept no anchor is free: it must be over before the next replacement is due.
            let overlap = terms.overlap.min(SignedDuration::from_secs(claims.life() / 2));
            let until = claims.issued_at.checked_add(overlap).unwrap_or(claims.issued_at);
            if there.is_some() && sight.now < until { State::Overlap(until) } else { State::Valid }
        }
    };
    let renew = sight.current.filter(|_| state.is_usable()).map(|claims| renew_at(claims, terms));
    // A token says when it was issued in whole seconds: one that is made for a demand must not look older than that.
    let demand = terms.rotate_after.map(|at| at.round(TimestampRound::new().smallest(Unit::Second).mode(RoundMode::Ceil)).unwrap_or(at));
    let demanded = sight.current.is_some_and(|claims| demand.is_some_and(|at| claims.issued_at < at && at <= sight.now));
    let due = !state.is_usable() || demanded || renew.is_some_and(|at| at <= sight.now);
    let fresh = there.is_some() && there == sight.fresh;
    let mut life = Life { state, renew_at: renew, next: None, make: None, mint: None, retire: Vec::new() };
    match (due, there) {
        (true, None) => life.make = Some(other),
        (true, Some(_)) if fresh => life.mint = Some(other),
        // The former one is in use somewhere for a while yet.
        (_, Some(_)) if matches!(state, State::Overlap(_)) => {}
        (_, Some(_)) => life.retire.push(other),
        (false, None) => {}
    }
    if !alive {
        // Both may be left over.
        let second = 1 - other;
        life.retire.extend(Some(second).filter(|s| sight.anchors.get(*s).copied().flatten().is_some()));
    }
    let until = if let State::Overlap(until) = state { Some(until) } else { None };
    let wanted = demand.filter(|at| *at > sight.now);
    life.next = [until, renew, sight.current.map(|c| c.expires_at), wanted].into_iter().flatten().filter(|at| *at > sight.now).min();
    life
}

fn slot_of(terms: &Terms, bound: &Bound) -> Option<usize> {
    terms.anchors.iter().position(|name| *name == bound.name)
}

/// Of what is left of its life: a half, a quarter, or more.
#[must_use]
pub fn left(claims: &Claims, now: Timestamp) -> Left {
    let left = claims.expires_at.duration_since(now).as_secs();
    match left * 4 {
        quarter if quarter <= claims.life() => Left::Quarter,
        half if half <= claims.life() * 2 => Left::Half,
        _ => Left::Most,
    }
}

/// How much is left of a life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Left {
    /// At most a quarter.
    Quarter,
    /// At most a half.
    Half,
    /// More.
    Most,
}
