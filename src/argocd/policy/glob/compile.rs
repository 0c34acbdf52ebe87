//! From the tree of a glob to what matches it, as gobwas' compiler does it (`compiler/compiler.go`). Pure.

use super::glue;
use super::lexer::Invalid;
use super::tree::{self, Node, Tree};
use super::{Fault, MOST_NESTED};

/// The number of a matcher.
pub(super) type Id = usize;

/// What matches a part of a text; each is one of gobwas' matchers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Matcher {
    Nothing,
    Text(String),
    List { chars: Vec<char>, not: bool },
    Range { lo: char, hi: char, not: bool },
    Single,
    Super,
    Min(usize),
    Max(usize),
    ContainsNot(String),
    Contains(String),
    Prefix(String),
    Suffix(String),
    PrefixSuffix(String, String),
    EveryOf(Vec<Id>),
    AnyOf(Vec<Id>),
    Row(Vec<Id>),
    BTree(BTree),
}

/// A matcher that is searched for, and what must match before and after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BTree {
    pub(super) value: Id,
    pub(super) left: Option<Id>,
    pub(super) right: Option<Id>,
    /// How many characters come before it at least; 0 when that is not fixed.
    pub(super) offset: usize,
    /// How many characters come after it at least.
    pub(super) margin: usize,
}

/// All matchers of a pattern, with their fixed lengths in characters.
#[derive(Debug, Default)]
pub(super) struct Arena {
    matchers: Vec<(Matcher, Option<usize>)>,
}

impl Arena {
    pub(super) fn get(&self, id: Id) -> &Matcher {
        self.matchers.get(id).map_or(&Matcher::Nothing, |(matcher, _)| matcher)
    }

    pub(super) fn len(&self, id: Id) -> Option<usize> {
        self.matchers.get(id).and_then(|(_, len)| *len)
    }

    pub(super) fn add(&mut self, matcher: Matcher) -> Id {
        let len = match &matcher {
            Matcher::Nothing => Some(0),
            Matcher::Text(text) => Some(text.chars().count()),
            Matcher::List { .. } | Matcher::Range { .. } | Matcher::Single => Some(1),
            Matcher::AnyOf(all) => self.len_of_any(all),
            Matcher::Row(all) => Some(all.iter().filter_map(|id| self.len(*id)).sum()),
            _ => None,
        };
        self.matchers.push((matcher, len));
        self.matchers.len() - 1
    }

    pub(super) fn row(&mut self, parts: Vec<Id>) -> Id {
        self.add(Matcher::Row(parts))
    }

    /// One without fixed length counts only when it comes after one that has it.
    fn len_of_any(&self, all: &[Id]) -> Option<usize> {
        let mut len = None;
        for id in all {
            match (len, self.len(*id)) {
                (None, own) => len = own,
                (Some(a), Some(b)) if a == b => {}
                (Some(_), _) => return None,
            }
        }
        len
    }
}

/// A pattern, compiled.
#[derive(Debug)]
pub(super) struct Compiled {
    pub(super) arena: Arena,
    pub(super) root: Id,
}

pub(super) fn compile(pattern: &str) -> Result<Compiled, Fault> {
    let (tree, root) = tree::parse(pattern).map_err(|Invalid| Fault::Invalid)?;
    let mut compiler = Compiler { tree, arena: Arena::default() };
    let root = compiler.node(root, 0)?;
    Ok(Compiled { arena: compiler.arena, root })
}

struct Compiler {
    tree: Tree,
    arena: Arena,
}

impl Compiler {
    fn node(&mut self, id: tree::Id, depth: usize) -> Result<Id, Fault> {
        if depth > MOST_NESTED {
            return Err(Fault::TooLarge);
        }
        let matcher = match self.tree.get(id).clone() {
            Node::Nothing => Matcher::Nothing,
            Node::Pattern(children) if children.is_empty() => Matcher::Nothing,
            Node::Pattern(children) => return self.pattern(&children, depth),
            Node::AnyOf(children) => {
                if let Some(smaller) = self.tree.minimize(&children) {
                    return self.node(smaller, depth + 1);
                }
                let all = children.iter().map(|child| self.node(*child, depth + 1)).collect::<Result<Vec<Id>, Fault>>()?;
                if let [one] = all.as_slice() {
                    return Ok(*one);
                }
                Matcher::AnyOf(all)
            }
            Node::List { chars, not: false } if chars.len() == 1 => Matcher::Text(chars.into_iter().collect()),
            Node::List { chars, not } => Matcher::List { chars, not },
            Node::Range { lo, hi, not } => Matcher::Range { lo, hi, not },
            Node::Text(text) => Matcher::Text(text),
            Node::Any | Node::Super => Matcher::Super,
            Node::Single => Matcher::Single,
        };
        Ok(self.arena.add(matcher))
    }

    fn pattern(&mut self, children: &[tree::Id], depth: usize) -> Result<Id, Fault> {
        let matchers = children.iter().map(|child| self.node(*child, depth + 1)).collect::<Result<Vec<Id>, Fault>>()?;
        let matchers = glue::minimize(&mut self.arena, matchers);
        Ok(self.search_tree(&matchers).map_or_else(|| self.arena.add(Matcher::Nothing), |part| part.id))
    }

    /// `compileMatchers`: the longest one of fixed length is searched for, the rest comes before and after it. Nothing can be glued any
    /// more, so this is the tree in which each parent is at least as long as its children, and of equal ones the last is on top.
    fn search_tree(&mut self, matchers: &[Id]) -> Option<Part> {
        let fixed: Vec<(usize, usize)> = matchers.iter().enumerate().filter_map(|(i, id)| Some((i, self.arena.len(*id)?))).collect();
        let mut children: Vec<(Option<usize>, Option<usize>)> = vec![(None, None); fixed.len()];
        let mut stack: Vec<usize> = Vec::new();
        for (node, (_, len)) in fixed.iter().enumerate() {
            let mut last = None;
            while let Some(top) = stack.pop_if(|top| fixed.get(*top).is_some_and(|(_, l)| l <= len)) {
                last = Some(top);
            }
            if let Some(slot) = children.get_mut(node) {
                slot.0 = last;
            }
            if let Some(slot) = stack.last().and_then(|top| children.get_mut(*top)) {
                slot.1 = Some(node);
            }
            stack.push(node);
        }
        let Some(root) = stack.first().copied() else { return self.chain(matchers) };
        // What comes between two of fixed length; before the first and after the last one, too.
        let gap = |node: usize| {
            let from = node.checked_sub(1).and_then(|before| fixed.get(before)).map_or(0, |(i, _)| i + 1);
            matchers.get(from..fixed.get(node).map_or(matchers.len(), |(i, _)| *i)).unwrap_or_default()
        };
        // Children before their parents.
        let mut order = vec![root];
        let mut at = 0;
        while let Some((left, right)) = order.get(at).and_then(|node| children.get(*node)) {
            order.extend(left.iter().chain(right));
            at += 1;
        }
        let mut parts: Vec<Option<Part>> = vec![None; fixed.len()];
        for node in order.into_iter().rev() {
            let (left, right) = children.get(node).copied().unwrap_or_default();
            let left = match left {
                Some(child) => parts.get(child).copied().flatten(),
                None => self.chain(gap(node)),
            };
            let right = match right {
                Some(child) => parts.get(child).copied().flatten(),
                None => self.chain(gap(node + 1)),
            };
            let value = fixed.get(node).and_then(|(i, _)| matchers.get(*i)).copied()?;
            let part = self.join(value, left, right);
            if let Some(slot) = parts.get_mut(node) {
                *slot = Some(part);
            }
        }
        parts.get(root).copied().flatten()
    }

    /// Where nothing has a fixed length, the first one is searched for.
    fn chain(&mut self, matchers: &[Id]) -> Option<Part> {
        let mut rest: Option<Part> = None;
        for id in matchers.iter().rev() {
            rest = Some(match rest {
                None => Part { id: *id, len: self.arena.len(*id) },
                Some(rest) => self.join(*id, None, Some(rest)),
            });
        }
        rest
    }

    fn join(&mut self, value: Id, left: Option<Part>, right: Option<Part>) -> Part {
        if left.is_none() && right.is_none() {
            return Part { id: value, len: self.arena.len(value) };
        }
        let side = |part: Option<Part>| part.map_or(Some(0), |part| part.len);
        let (offset, margin) = (side(left).unwrap_or(0), side(right).unwrap_or(0));
        let len = match (self.arena.len(value), side(left), side(right)) {
            (Some(value), Some(left), Some(right)) => Some(left + value + right),
            _ => None,
        };
        let (left, right) = (left.map(|p| p.id), right.map(|p| p.id));
        let tree = BTree { value, left, right, offset, margin };
        let matcher = self.simpler(&tree).unwrap_or(Matcher::BTree(tree));
        Part { id: self.arena.add(matcher), len }
    }

    /// `optimizeMatcher`: a text with nothing but `*` around it, or one text after another.
    fn simpler(&self, tree: &BTree) -> Option<Matcher> {
        let Matcher::Text(text) = self.arena.get(tree.value) else { return None };
        let (left, right) = (tree.left.map(|id| self.arena.get(id)), tree.right.map(|id| self.arena.get(id)));
        Some(match (left, right) {
            (Some(Matcher::Super), Some(Matcher::Super)) => Matcher::Contains(text.clone()),
            (Some(Matcher::Super), None) => Matcher::Suffix(text.clone()),
            (None, Some(Matcher::Super)) => Matcher::Prefix(text.clone()),
            (None, Some(Matcher::Suffix(suffix))) => Matcher::PrefixSuffix(text.clone(), suffix.clone()),
            (Some(Matcher::Prefix(prefix)), None) => Matcher::PrefixSuffix(prefix.clone(), text.clone()),
            _ => return None,
        })
    }
}

/// A part of a pattern under construction: its length is that from before it was made simpler.
#[derive(Clone, Copy, Debug)]
struct Part {
    id: Id,
    len: Option<usize>,
}
