//! A glob as a tree (gobwas' `syntax/ast`), and what its compiler takes out of alternatives that begin or end alike
//! (`minimizeTreeAnyOf`). Equal nodes share one number, so that comparing is cheap. Pure.

use std::collections::{HashMap, HashSet};

use super::lexer::{Invalid, Token, tokens};

/// The number of a node.
pub(super) type Id = usize;

/// A node.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Node {
    Nothing,
    Pattern(Vec<Id>),
    List { chars: Vec<char>, not: bool },
    Range { lo: char, hi: char, not: bool },
    Text(String),
    Any,
    Super,
    Single,
    AnyOf(Vec<Id>),
}

/// All nodes of a pattern.
#[derive(Debug, Default)]
pub(super) struct Tree {
    nodes: Vec<Node>,
    ids: HashMap<Node, Id>,
}

/// Parses a pattern; the number is that of its root.
pub(super) fn parse(pattern: &str) -> Result<(Tree, Id), Invalid> {
    let mut tree = Tree::default();
    let mut words = tokens(pattern)?.into_iter();
    // The open alternatives: those that are complete, and what belongs to the surrounding pattern.
    let mut open: Vec<(Vec<Id>, Vec<Id>)> = Vec::new();
    let mut pattern: Vec<Id> = Vec::new();
    while let Some(word) = words.next() {
        let node = match word {
            Token::Text(text) => Node::Text(text),
            Token::Any => Node::Any,
            Token::Super => Node::Super,
            Token::Single => Node::Single,
            Token::RangeOpen => range(&mut words)?,
            Token::TermsOpen => {
                open.push((Vec::new(), std::mem::take(&mut pattern)));
                continue;
            }
            Token::Separator => {
                let part = tree.add(Node::Pattern(std::mem::take(&mut pattern)));
                open.last_mut().ok_or(Invalid)?.0.push(part);
                continue;
            }
            Token::TermsClose => {
                let (mut parts, outer) = open.pop().ok_or(Invalid)?;
                parts.push(tree.add(Node::Pattern(std::mem::replace(&mut pattern, outer))));
                Node::AnyOf(parts)
            }
            Token::Not | Token::RangeClose | Token::RangeLo(_) | Token::RangeHi(_) => return Err(Invalid),
        };
        pattern.push(tree.add(node));
    }
    // What was never closed counts as closed here.
    while let Some((mut parts, outer)) = open.pop() {
        parts.push(tree.add(Node::Pattern(std::mem::replace(&mut pattern, outer))));
        pattern.push(tree.add(Node::AnyOf(parts)));
    }
    let root = tree.add(Node::Pattern(pattern));
    Ok((tree, root))
}

fn range(words: &mut impl Iterator<Item = Token>) -> Result<Node, Invalid> {
    let (mut not, mut lo, mut hi, mut chars) = (false, None, None, Vec::new());
    for word in words {
        match word {
            Token::Not => not = true,
            Token::RangeLo(c) => lo = Some(c),
            Token::RangeHi(c) => {
                if lo.is_some_and(|lo| c < lo) {
                    return Err(Invalid);
                }
                hi = Some(c);
            }
            Token::Text(text) => chars = text.chars().collect(),
            Token::RangeClose => {
                return match (lo, hi) {
                    (Some(lo), Some(hi)) if chars.is_empty() => Ok(Node::Range { lo, hi, not }),
                    (None, None) if !chars.is_empty() => Ok(Node::List { chars, not }),
                    _ => Err(Invalid),
                };
            }
            _ => return Err(Invalid),
        }
    }
    Err(Invalid)
}

impl Tree {
    fn add(&mut self, node: Node) -> Id {
        if let Some(id) = self.ids.get(&node) {
            return *id;
        }
        let id = self.nodes.len();
        self.nodes.push(node.clone());
        self.ids.insert(node, id);
        id
    }

    pub(super) fn get(&self, id: Id) -> &Node {
        self.nodes.get(id).unwrap_or(&Node::Nothing)
    }

    fn children(&self, id: Id) -> &[Id] {
        match self.get(id) {
            Node::Pattern(children) | Node::AnyOf(children) => children,
            _ => &[],
        }
    }

    /// What alternatives have in common at their beginnings and ends, put around what is left of them; `None`: nothing.
    pub(super) fn minimize(&mut self, alternatives: &[Id]) -> Option<Id> {
        if !alternatives.iter().all(|id| matches!(self.get(*id), Node::Pattern(_))) {
            return None;
        }
        let parts: Vec<Vec<Id>> = alternatives.iter().map(|id| self.children(*id).to_vec()).collect();
        let (left, right) = common(&parts);
        if left.is_empty() && right.is_empty() {
            return None;
        }
        let mut seen = HashSet::new();
        let mut rest = Vec::new();
        for part in &parts {
            let middle = part.get(left.len()..part.len().saturating_sub(right.len())).unwrap_or_default().to_vec();
            let id = self.add(if middle.is_empty() { Node::Nothing } else { Node::Pattern(middle) });
            if seen.insert(id) {
                rest.push(id);
            }
        }
        let mut result = Vec::new();
        if !left.is_empty() {
            result.push(self.add(Node::Pattern(left)));
        }
        match rest.as_slice() {
            [] => {}
            [one] if matches!(self.get(*one), Node::Nothing) => {}
            [one] => result.push(*one),
            _ => result.push(self.add(Node::AnyOf(rest))),
        }
        if !right.is_empty() {
            result.push(self.add(Node::Pattern(right)));
        }
        Some(self.add(Node::Pattern(result)))
    }
}

/// The nodes with which all parts begin, and those with which all end (gobwas' `commonChildren`, walked from both sides at once).
fn common(parts: &[Vec<Id>]) -> (Vec<Id>, Vec<Id>) {
    let (mut left, mut right) = (Vec::new(), Vec::new());
    let Some((index, shortest)) = parts.iter().enumerate().min_by_key(|(_, part)| part.len()).filter(|_| parts.len() > 1) else {
        return (left, right);
    };
    let others = || parts.iter().enumerate().filter(|(i, _)| *i != index).map(|(_, part)| part);
    let (mut break_left, mut break_right) = (false, false);
    for i in 0..shortest.len() {
        let j = shortest.len() - 1 - i;
        if left.len() + right.len() >= shortest.len() || (break_left && break_right) {
            break;
        }
        for part in others() {
            break_left = break_left || shortest.get(i) != part.get(i);
            break_right = break_right || (!break_left && j <= i);
            break_right = break_right || shortest.get(j) != part.get(j + part.len() - shortest.len());
            if break_left && break_right {
                break;
            }
        }
        if !break_left {
            left.extend(shortest.get(i));
        }
        if !break_right {
            right.extend(shortest.get(j));
        }
    }
    right.reverse();
    (left, right)
}
