//! A YAML text as a tree whose nodes know where they stand. Pure.

use std::ops::Range;

use granit_parser::{Event, Parser, ScalarStyle, Span, StructureStyle};

use super::Refusal;

/// A node.
#[derive(Clone, Debug)]
pub struct Node {
    /// Where it begins and ends.
    pub range: Range<usize>,
    /// What it is.
    pub body: Body,
}

/// What a node is.
#[derive(Clone, Debug)]
pub enum Body {
    /// A scalar, and whether it stands there without quotes.
    Scalar(String, bool),
    /// A list, and whether its items stand on lines of their own.
    List(Vec<Node>, bool),
    /// A map.
    Map(Vec<(Node, Node)>),
}

/// A text: its one node, and its comments.
#[derive(Clone, Debug)]
pub struct Tree {
    /// `None` where there are only comments.
    pub root: Option<Node>,
    /// The comments, each with where it begins.
    pub comments: Vec<(usize, String)>,
}

/// A collection that is not finished yet, and the key that waits for its value.
struct Open {
    node: Node,
    key: Option<Node>,
}

/// Reads a text.
///
/// # Errors
/// When it does not parse, or has what a single entry cannot be told apart in: several documents, anchors, tags.
pub fn read(text: &str) -> Result<Tree, Refusal> {
    let mut tree = Tree { root: None, comments: Vec::new() };
    let mut open: Vec<Open> = Vec::new();
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| Refusal::Unparsable(error.to_string()))?;
        let range = range(&span)?;
        match event {
            Event::Comment(text, _) => tree.comments.push((range.start, text.trim().to_owned())),
            Event::Scalar(value, style, 0, None) => {
                finish(&mut tree, &mut open, Node { range, body: Body::Scalar(value.into_owned(), style == ScalarStyle::Plain) })?;
            }
            Event::SequenceStart(style, 0, None) => {
                let body = Body::List(Vec::new(), style == StructureStyle::Block);
                open.push(Open { node: Node { range, body }, key: None });
            }
            Event::MappingStart(_, 0, None) => open.push(Open { node: Node { range, body: Body::Map(Vec::new()) }, key: None }),
            Event::SequenceEnd | Event::MappingEnd => {
                let mut done = open.pop().ok_or_else(lost)?.node;
                // A collection on lines of its own ends where its last node does, not where the parser saw that it does.
                done.range.end = match &done.body {
                    Body::List(items, true) => items.last().map_or(done.range.end, |last| last.range.end),
                    Body::Map(pairs) if range.is_empty() => pairs.last().map_or(done.range.end, |(key, value)| key.range.end.max(value.range.end)),
                    _ => range.end,
                };
                finish(&mut tree, &mut open, done)?;
            }
            Event::DocumentStart(false, None) if tree.root.is_none() => {}
            Event::DocumentStart(..) => return Err(Refusal::NotEditable("it has document markers (---)".to_owned())),
            Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {}
            _ => return Err(Refusal::NotEditable("it has anchors, aliases or tags".to_owned())),
        }
    }
    Ok(tree)
}

fn finish(tree: &mut Tree, open: &mut [Open], node: Node) -> Result<(), Refusal> {
    let Some(Open { node: parent, key }) = open.last_mut() else {
        return if tree.root.replace(node).is_some() { Err(lost()) } else { Ok(()) };
    };
    match (&mut parent.body, key.take()) {
        (Body::List(items, _), _) => items.push(node),
        (Body::Map(_), None) => *key = Some(node),
        (Body::Map(pairs), Some(key)) => pairs.push((key, node)),
        (Body::Scalar(..), _) => return Err(lost()),
    }
    Ok(())
}

fn range(span: &Span) -> Result<Range<usize>, Refusal> {
    span.byte_range().ok_or_else(lost)
}

fn lost() -> Refusal {
    Refusal::NotEditable("its form is not understood".to_owned())
}
