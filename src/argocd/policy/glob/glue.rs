//! Which neighbours gobwas' compiler glues together, and in which order (`minimizeMatchers`, `glueMatchers`). The order decides what a
//! pattern matches, since the glued ones have oddities of their own; so it is kept, though found in less time. Pure.
//!
//! gobwas tries every slice of the list, takes the best, and begins again. The best slice is always a longest run of one of two kinds,
//! so here only these runs are kept, with the decision after each, and what a merge does not touch is not looked at again.

use std::collections::{BTreeMap, BTreeSet};

use super::compile::{Arena, Id, Matcher};

/// Glues until nothing more can be glued.
pub(super) fn minimize(arena: &mut Arena, matchers: Vec<Id>) -> Vec<Id> {
    let mut slots: Vec<Option<Id>> = matchers.into_iter().map(Some).collect();
    let mut runs: BTreeMap<usize, Run> = find_runs(arena, &slots, 0, slots.len());
    let mut winners: BTreeSet<usize> = BTreeSet::new();
    decide(&mut runs, &mut winners, 0, slots.len());
    while let Some(best) = winners.last().and_then(|start| runs.get(start)).copied() {
        let parts: Vec<Id> = slots.get(best.start..best.end).unwrap_or_default().iter().flatten().copied().collect();
        let glued = if best.every { every(arena, &parts) } else { arena.row(parts) };
        for slot in slots.get_mut(best.start..best.end).unwrap_or_default() {
            *slot = None;
        }
        if let Some(slot) = slots.get_mut(best.start) {
            *slot = Some(glued);
        }
        let touched: Vec<usize> = touching(&runs, &best);
        let from = touched.first().copied().unwrap_or(best.start);
        let to = touched.iter().filter_map(|start| runs.get(start)).map(|run| run.end).max().unwrap_or(best.end);
        for start in touched {
            runs.remove(&start);
            winners.remove(&start);
        }
        runs.extend(find_runs(arena, &slots, from, to));
        decide(&mut runs, &mut winners, from, to);
    }
    slots.into_iter().flatten().collect()
}

/// A longest slice that can be glued.
#[derive(Clone, Copy, Debug)]
struct Run {
    start: usize,
    end: usize,
    /// How many matchers it holds.
    count: usize,
    /// Glued by what all of them say of one character, otherwise as a row of fixed length.
    every: bool,
    /// The length of the glued one; `None`: not fixed.
    len: Option<usize>,
    /// The best one up to here: how many matchers, and the length.
    best: (usize, Option<usize>),
}

/// The runs that share a slot with this one, itself included. No run lies within another one, so they end in the order in which they begin.
fn touching(runs: &BTreeMap<usize, Run>, best: &Run) -> Vec<usize> {
    let before = runs.range(..best.start).rev().take_while(|(_, run)| run.end > best.start);
    let mut starts: Vec<usize> = before.map(|(start, _)| *start).collect();
    starts.reverse();
    starts.extend(runs.range(best.start..best.end).map(|(start, _)| *start));
    starts
}

/// The best run up to each one, from `from` on, until nothing differs from what is known.
fn decide(runs: &mut BTreeMap<usize, Run>, winners: &mut BTreeSet<usize>, from: usize, to: usize) {
    let mut best = runs.range(..from).next_back().map_or((0, None), |(_, run)| run.best);
    for (start, run) in runs.range_mut(from..) {
        let longer = matches!((best.1, run.len), (Some(known), Some(new)) if new > known);
        if longer || best.0 < run.count {
            best = (run.count, run.len);
            winners.insert(*start);
        } else {
            winners.remove(start);
        }
        if *start >= to && run.best == best {
            return;
        }
        run.best = best;
    }
}

/// The longest runs within a part of the slots, by where they begin. One that lies within another one is never the best.
fn find_runs(arena: &Arena, slots: &[Option<Id>], from: usize, to: usize) -> BTreeMap<usize, Run> {
    let parts: Vec<(usize, Id)> = (from..to).filter_map(|i| Some((i, (*slots.get(i)?)?))).collect();
    let of_every = split(&parts, |a, b| is_alike(arena, a, b));
    let of_rows = split(&parts, |a, b| arena.len(a).is_some() && arena.len(b).is_some());
    let mut runs = BTreeMap::new();
    let mut add = |&(start, end): &(usize, usize), every: bool| {
        let Some((first, _)) = parts.get(start) else { return };
        let last = parts.get(end).map_or(to, |(i, _)| *i);
        let len = (!every).then(|| parts.get(start..end).unwrap_or_default().iter().filter_map(|(_, id)| arena.len(*id)).sum());
        runs.insert(*first, Run { start: *first, end: last, count: end - start, every, len, best: (0, None) });
    };
    let within = |a: &(usize, usize), b: &(usize, usize)| b.0 <= a.0 && a.1 <= b.1;
    for run in &of_rows {
        let other = of_every.get(of_every.partition_point(|e| e.1 < run.1));
        if !other.is_some_and(|e| within(run, e)) {
            add(run, false);
        }
    }
    for run in &of_every {
        let other = of_rows.get(of_rows.partition_point(|r| r.1 < run.1));
        if !other.is_some_and(|r| within(run, r) && r != run) {
            add(run, true);
        }
    }
    runs
}

/// The slices of at least two in which each goes with the next one.
fn split(parts: &[(usize, Id)], goes_with: impl Fn(Id, Id) -> bool) -> Vec<(usize, usize)> {
    let mut all = Vec::new();
    let mut start = 0;
    for end in 1..=parts.len() {
        let goes_on = matches!((parts.get(end - 1), parts.get(end)), (Some((_, a)), Some((_, b))) if goes_with(*a, *b));
        if !goes_on {
            if end - start > 1 {
                all.push((start, end));
            }
            start = end;
        }
    }
    all
}

/// `*`, `?` and `[!x]` go together where they exclude the same.
fn is_alike(arena: &Arena, a: Id, b: Id) -> bool {
    let excluded = |id| match arena.get(id) {
        Matcher::Super | Matcher::Single => Some(&[][..]),
        Matcher::List { chars, not: true } => Some(chars.as_slice()),
        _ => None,
    };
    excluded(a).is_some() && excluded(a) == excluded(b)
}

/// `glueMatchersAsEvery`: what a run of `*`, `?` and `[!x]` comes to.
pub(super) fn every(arena: &mut Arena, parts: &[Id]) -> Id {
    let has_super = parts.iter().any(|id| matches!(arena.get(*id), Matcher::Super));
    let singles = parts.iter().filter(|id| !matches!(arena.get(**id), Matcher::Super)).count();
    if singles == 0 {
        return arena.add(Matcher::Super);
    }
    let excluded = match parts.first().map(|id| arena.get(*id)) {
        Some(Matcher::List { chars, not: true }) => chars.iter().collect::<String>(),
        _ => String::new(),
    };
    if has_super && excluded.is_empty() {
        return arena.add(Matcher::Min(singles));
    }
    let mut all = vec![arena.add(Matcher::Min(singles))];
    if !has_super {
        all.push(arena.add(Matcher::Max(singles)));
    }
    if !excluded.is_empty() {
        // Not one character of these, says the pattern; not this text, says gobwas.
        all.push(arena.add(Matcher::ContainsNot(excluded)));
    }
    arena.add(Matcher::EveryOf(all))
}
