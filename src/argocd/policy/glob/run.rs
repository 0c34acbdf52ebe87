//! Matching a text, as gobwas' matchers do it (`match/*.go`), with what they get wrong: an index in characters used as one in bytes, the
//! first occurrence only, a slice beyond the end (which panics there, and is a [`Stop::Panic`] here). Pure.
//!
//! What has no bound there has one here: an answer about the same part of the text is remembered, the trees are walked without recursion,
//! and the steps are counted.

use std::collections::HashMap;

use super::compile::{BTree, Compiled, Id, Matcher};
use super::gotext::{chars, decode, find, find_last};

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// gobwas would panic.
    Panic,
    /// More steps than are spent on one match.
    Steps,
}

/// Where something was found, and at which offsets from there it may end; `None`: nowhere.
type Found = Option<(usize, Vec<usize>)>;

pub(super) struct Run<'a> {
    compiled: &'a Compiled,
    text: &'a [u8],
    steps: usize,
    known: HashMap<(Id, usize, usize), bool>,
}

/// One tree that is being searched.
struct Frame {
    id: Id,
    tree: BTree,
    from: usize,
    to: usize,
    offset: usize,
    /// Where its value was found, and the ends that were not tried yet.
    found: usize,
    ends: Vec<usize>,
    /// Whether what comes before the value matched, once that is known.
    left: Option<bool>,
}

impl<'a> Run<'a> {
    pub(super) fn new(compiled: &'a Compiled, text: &'a str, steps: usize) -> Self {
        Self { compiled, text: text.as_bytes(), steps, known: HashMap::new() }
    }

    pub(super) fn matches(&mut self) -> Result<bool, Stop> {
        self.one(self.compiled.root, 0, self.text.len())
    }

    fn part(&self, from: usize, to: usize) -> &'a [u8] {
        self.text.get(from..to).unwrap_or_default()
    }

    fn spend(&mut self, steps: usize) -> Result<(), Stop> {
        self.steps = self.steps.checked_sub(steps + 1).ok_or(Stop::Steps)?;
        Ok(())
    }

    /// `Match` of one matcher on a part of the text.
    fn one(&mut self, id: Id, from: usize, to: usize) -> Result<bool, Stop> {
        let compiled = self.compiled;
        let text = self.part(from, to);
        self.spend(text.len())?;
        Ok(match compiled.arena.get(id) {
            Matcher::Nothing => text.is_empty(),
            Matcher::Text(all) => text == all.as_bytes(),
            Matcher::List { chars, not } => single(text, |c| chars.contains(&c) != *not),
            Matcher::Range { lo, hi, not } => single(text, |c| (*lo..=*hi).contains(&c) != *not),
            Matcher::Single => single(text, |_| true),
            Matcher::Super => true,
            Matcher::Min(least) => chars(text).count() >= *least,
            Matcher::Max(most) => chars(text).count() <= *most,
            Matcher::ContainsNot(needle) => find(text, needle.as_bytes()).is_none(),
            Matcher::Contains(needle) => find(text, needle.as_bytes()).is_some(),
            Matcher::Prefix(prefix) => text.starts_with(prefix.as_bytes()),
            Matcher::Suffix(suffix) => text.ends_with(suffix.as_bytes()),
            // The two may overlap.
            Matcher::PrefixSuffix(prefix, suffix) => text.starts_with(prefix.as_bytes()) && text.ends_with(suffix.as_bytes()),
            Matcher::EveryOf(all) => {
                for matcher in all {
                    if !self.one(*matcher, from, to)? {
                        return Ok(false);
                    }
                }
                true
            }
            Matcher::AnyOf(all) => {
                for matcher in all {
                    if self.one(*matcher, from, to)? {
                        return Ok(true);
                    }
                }
                false
            }
            Matcher::Row(all) => Some(chars(text).count()) == compiled.arena.len(id) && self.row(all, from, to)?,
            Matcher::BTree(tree) => self.search(id, *tree, from, to)?,
        })
    }

    /// `Row.matchAll`: each in turn, on as many characters as it has; a last character of several bytes is cut.
    fn row(&mut self, all: &[Id], from: usize, to: usize) -> Result<bool, Stop> {
        let mut at = from;
        for matcher in all {
            let len = self.compiled.arena.len(*matcher).unwrap_or_default();
            let rest = self.part(at, to);
            self.spend(rest.len())?;
            // With nothing to take, all of the rest is taken: the loop there ends at the very character that it counts to.
            let taken = if len == 0 { usize::MAX } else { len };
            let (count, last) = chars(rest).take(taken).fold((0, 0), |(count, _), (begins, _)| (count + 1, begins));
            if count < len {
                return Ok(false);
            }
            let end = at + last + 1;
            if end > to {
                return Err(Stop::Panic);
            }
            if !self.one(*matcher, at, end)? {
                return Ok(false);
            }
            at = end;
        }
        Ok(true)
    }

    /// `Index` of one matcher on a part of the text.
    fn index(&mut self, id: Id, from: usize, to: usize) -> Result<Found, Stop> {
        let compiled = self.compiled;
        let text = self.part(from, to);
        self.spend(text.len())?;
        Ok(match compiled.arena.get(id) {
            Matcher::Nothing => Some((0, vec![0])),
            Matcher::Text(all) => find(text, all.as_bytes()).map(|at| (at, vec![all.len()])),
            Matcher::List { chars: list, not } => first(text, |c| list.contains(&c) != *not),
            Matcher::Range { lo, hi, not } => first(text, |c| (*lo..=*hi).contains(&c) != *not),
            Matcher::Single => first(text, |_| true),
            Matcher::Super => Some((0, begins(text, 0))),
            Matcher::Min(least) => {
                let ends: Vec<usize> = ends(text, 0).skip(least - 1).collect();
                (text.len() >= *least && !ends.is_empty()).then_some((0, ends))
            }
            Matcher::Max(most) => Some((0, std::iter::once(0).chain(ends(text, 0).take(*most)).collect())),
            Matcher::ContainsNot(needle) => {
                let end = find(text, needle.as_bytes()).unwrap_or(text.len());
                Some((0, begins(text.get(..end).unwrap_or_default(), 0)))
            }
            Matcher::Contains(needle) => find(text, needle.as_bytes()).map(|at| {
                let offset = at + needle.len();
                (0, begins(text.get(offset..).unwrap_or_default(), offset))
            }),
            Matcher::Prefix(prefix) => find(text, prefix.as_bytes()).map(|at| {
                let after = text.get(at + prefix.len()..).unwrap_or_default();
                (at, std::iter::once(prefix.len()).chain(ends(after, prefix.len())).collect())
            }),
            Matcher::Suffix(suffix) => find(text, suffix.as_bytes()).map(|at| (0, vec![at + suffix.len()])),
            Matcher::PrefixSuffix(prefix, suffix) => prefix_suffix(text, prefix.as_bytes(), suffix.as_bytes()),
            Matcher::EveryOf(all) => self.index_of_every(all, from, to)?,
            Matcher::AnyOf(all) => self.index_of_any(all, from, to)?,
            Matcher::Row(all) => {
                let len = compiled.arena.len(id).unwrap_or_default();
                for (begins, _) in chars(text) {
                    if text.len() - begins < len {
                        break;
                    }
                    if self.row(all, from + begins, to)? {
                        return Ok(Some((begins, vec![len])));
                    }
                }
                None
            }
            // Not done there.
            Matcher::BTree(_) => None,
        })
    }

    fn index_of_any(&mut self, all: &[Id], from: usize, to: usize) -> Result<Found, Stop> {
        let mut best: Found = None;
        for matcher in all {
            let Some((at, ends)) = self.index(*matcher, from, to)? else { continue };
            match &mut best {
                Some((known, merged)) if at == *known => *merged = merge(merged, &ends),
                Some((known, _)) if at > *known => {}
                _ => best = Some((at, ends)),
            }
        }
        Ok(best)
    }

    fn index_of_every(&mut self, all: &[Id], from: usize, to: usize) -> Result<Found, Stop> {
        let (mut index, mut offset) = (0_usize, 0_usize);
        let mut current: Vec<usize> = Vec::new();
        for (i, matcher) in all.iter().enumerate() {
            let Some((at, ends)) = self.index(*matcher, from + index, to)? else { return Ok(None) };
            if i == 0 {
                current = ends;
            } else {
                self.spend(current.len().saturating_mul(ends.len()))?;
                // All of these are found where they are looked for, so that nothing is to be shifted.
                let mut next = Vec::new();
                for end in &current {
                    next.extend(ends.iter().filter(|e| end + index == *e + at + offset));
                }
                if next.is_empty() {
                    return Ok(None);
                }
                current = next;
            }
            index = at + offset;
            offset += at;
        }
        Ok(Some((index, current)))
    }

    /// `BTree.Match`, without recursion: patterns are as deep as they are long.
    fn search(&mut self, id: Id, tree: BTree, from: usize, to: usize) -> Result<bool, Stop> {
        let mut frames = Vec::new();
        let mut answer = self.enter(&mut frames, id, tree, from, to);
        loop {
            let Some(frame) = frames.last_mut() else { return answer.ok_or(Stop::Steps) };
            match self.step(frame, answer.take())? {
                Next::Answer(yes) => {
                    self.known.insert((frame.id, frame.from, frame.to), yes);
                    frames.pop();
                    answer = Some(yes);
                }
                Next::Ask(id, from, to) => {
                    answer = match *self.compiled.arena.get(id) {
                        Matcher::BTree(tree) => self.enter(&mut frames, id, tree, from, to),
                        _ => Some(self.one(id, from, to)?),
                    };
                }
            }
        }
    }

    fn enter(&self, frames: &mut Vec<Frame>, id: Id, tree: BTree, from: usize, to: usize) -> Option<bool> {
        if let Some(known) = self.known.get(&(id, from, to)) {
            return Some(*known);
        }
        frames.push(Frame { id, tree, from, to, offset: tree.offset, found: 0, ends: Vec::new(), left: None });
        None
    }

    /// Goes on with a tree: with the answer to what it asked, or from its offset on.
    fn step(&mut self, frame: &mut Frame, mut answer: Option<bool>) -> Result<Next, Stop> {
        let len = frame.to - frame.from;
        loop {
            self.spend(0)?;
            match (frame.left, answer.take()) {
                // The answer is that of what comes after the value.
                (Some(true), Some(true)) => return Ok(Next::Answer(true)),
                (None, Some(left)) => frame.left = Some(left),
                (Some(_), _) => {}
                (None, None) => {
                    let limit = len.saturating_sub(frame.tree.margin);
                    if frame.offset >= limit {
                        return Ok(Next::Answer(false));
                    }
                    let Some((at, ends)) = self.index(frame.tree.value, frame.from + frame.offset, frame.from + limit)? else {
                        return Ok(Next::Answer(false));
                    };
                    frame.found = frame.offset + at;
                    frame.ends = ends;
                    match frame.tree.left {
                        Some(left) => return Ok(Next::Ask(left, frame.from, frame.from + frame.found)),
                        None => frame.left = Some(frame.found == 0),
                    }
                }
            }
            if frame.left == Some(true) {
                while let Some(end) = frame.ends.pop() {
                    let from = (frame.from + frame.found + end).min(frame.to);
                    match frame.tree.right {
                        Some(right) => return Ok(Next::Ask(right, from, frame.to)),
                        None if from == frame.to => return Ok(Next::Answer(true)),
                        None => {}
                    }
                }
            }
            let (_, width) = decode(self.part(frame.from + frame.found, frame.to));
            frame.offset = frame.found + width;
            frame.left = None;
        }
    }
}

enum Next {
    Answer(bool),
    Ask(Id, usize, usize),
}

/// One character at most; of none gobwas thinks as of a broken one.
fn single(text: &[u8], fits: impl Fn(char) -> bool) -> bool {
    let (c, width) = decode(text);
    text.len() <= width && fits(c)
}

fn first(text: &[u8], fits: impl Fn(char) -> bool) -> Found {
    chars(text).find(|(_, c)| fits(*c)).map(|(at, c)| (at, vec![c.len_utf8()]))
}

/// Where the characters begin, and the end.
fn begins(text: &[u8], offset: usize) -> Vec<usize> {
    chars(text).map(|(at, _)| at).chain([text.len()]).map(|at| at + offset).collect()
}

/// Where the characters end; a broken one counts as long as that which stands for it.
fn ends(text: &[u8], offset: usize) -> impl Iterator<Item = usize> {
    chars(text).map(move |(at, c)| offset + at + c.len_utf8())
}

fn prefix_suffix(text: &[u8], prefix: &[u8], suffix: &[u8]) -> Found {
    let at = find(text, prefix)?;
    let mut rest = text.get(at..).unwrap_or_default();
    let mut ends = Vec::new();
    while let Some(found) = find_last(rest, suffix) {
        ends.push(found + suffix.len());
        rest = rest.get(..found).unwrap_or_default();
    }
    ends.reverse();
    (!ends.is_empty()).then_some((at, ends))
}

/// `appendMerge`: of two sorted lists one, each value once.
fn merge(some: &[usize], more: &[usize]) -> Vec<usize> {
    let mut all = Vec::with_capacity(some.len() + more.len());
    let (mut some, mut more) = (some.iter().peekable(), more.iter().peekable());
    loop {
        match (some.peek(), more.peek()) {
            (Some(one), Some(other)) => {
                let order = one.cmp(other);
                all.push(**one.min(other));
                if order.is_le() {
                    some.next();
                }
                if order.is_ge() {
                    more.next();
                }
            }
            (Some(_), None) => all.extend(some.by_ref()),
            (None, Some(_)) => all.extend(more.by_ref()),
            (None, None) => return all,
        }
    }
}
