//! The entries of `mapRoles` as aws-iam-authenticator reads them. Pure.
//!
//! It turns the YAML into JSON (by a port of libyaml, with the scalars of YAML 1.1) and that into structs: keys without regard to case, and
//! a number or a boolean where a text belongs is an error. One error drops the whole text. Two parsers must agree here: the one that knows
//! where things stand, and libyaml's own port in Rust.

use std::ops::Range;

use serde_yaml::Value;

use super::tree::{self, Body, Node, Tree};
use super::{Entry, Refusal};

/// The text to be edited: what the authenticator skips is empty.
pub fn text(map_roles: Option<&str>) -> &str {
    let text = map_roles.unwrap_or_default();
    if ["\"\"", "''", "``", "[]"].contains(&text.trim()) { "" } else { text }
}

/// Whether an ARN of an entry means this role: without regard to case, and with wildcards.
pub fn means(pattern: &str, arn: &str) -> bool {
    let (pattern, arn) = (pattern.to_lowercase(), arn.to_lowercase());
    crate::clusters::aws::evaluate::policy::is_like(&pattern, &arn)
}

/// All entries.
pub struct Items {
    /// Each.
    pub items: Vec<Item>,
    /// What each means, with fields that are not known here.
    pub values: Vec<Value>,
}

/// One entry.
pub struct Item {
    range: Range<usize>,
    comments: Vec<String>,
    keys: Vec<String>,
    /// Its role.
    pub arn: Option<String>,
    username: Option<String>,
    groups: Vec<String>,
}

impl Items {
    /// Reads them.
    ///
    /// # Errors
    /// When the authenticator would not read all of it, or it cannot be told apart.
    pub fn read(text: &str) -> Result<Self, Refusal> {
        let value: Value = serde_yaml::from_str(text).map_err(|error| Refusal::Unparsable(error.to_string()))?;
        let tree = tree::read(text)?;
        let (values, nodes) = match (value, &tree.root) {
            (Value::Null, None) => (Vec::new(), &[] as &[Node]),
            (Value::Sequence(values), Some(Node { body: Body::List(nodes, true), .. })) => (values, nodes.as_slice()),
            (Value::Sequence(_), _) => return Err(Refusal::NotEditable("the list is written in brackets".to_owned())),
            _ => return Err(Refusal::Unparsable("it is not a list of entries".to_owned())),
        };
        let items: Vec<Item> = nodes.iter().enumerate().map(|(index, node)| item(text, &tree, index, node)).collect::<Result<_, _>>()?;
        let is_same = |(item, value): (&Item, &Value)| {
            let keys = value.as_mapping().map(|map| map.keys().filter_map(Value::as_str).map(fold).collect::<Vec<_>>());
            let arn = value.as_mapping().and_then(|map| map.iter().find(|(key, _)| key.as_str().is_some_and(|key| fold(key) == "rolearn")));
            keys.as_ref() == Some(&item.keys) && arn.and_then(|(_, arn)| arn.as_str()) == item.arn.as_deref()
        };
        if items.len() != values.len() || !items.iter().zip(&values).all(is_same) {
            return Err(Refusal::Unparsable("two readers of YAML do not agree on what it says".to_owned()));
        }
        Ok(Self { items, values })
    }

    /// The space before each entry.
    pub fn indent<'a>(&self, text: &'a str) -> Result<&'a str, Refusal> {
        self.items.first().map_or(Ok(""), |item| item.indent(text))
    }

    /// What it is to mean without one of them.
    pub fn values_without(&self, index: usize) -> Vec<Value> {
        self.values.iter().enumerate().filter(|(other, _)| *other != index).map(|(_, value)| value.clone()).collect()
    }

    /// What it is to mean with another in its place.
    pub fn values_with(&self, index: usize, entry: &Entry) -> Result<Vec<Value>, Refusal> {
        let entry = value(entry)?;
        Ok(self.values.iter().enumerate().map(|(other, value)| if other == index { entry.clone() } else { value.clone() }).collect())
    }

    /// What it is to mean with one more.
    pub fn values_and(&self, entry: &Entry) -> Result<Vec<Value>, Refusal> {
        let entry = value(entry)?;
        Ok(self.values.iter().cloned().chain([entry]).collect())
    }
}

fn value(entry: &Entry) -> Result<Value, Refusal> {
    let entry = serde_json::json!({"rolearn": entry.arn(), "username": entry.arn(), "groups": [entry.group()]});
    serde_yaml::to_value(entry).map_err(|error| Refusal::Unparsable(error.to_string()))
}

impl Item {
    /// Whether this comment stands on its first line.
    pub fn has(&self, mark: &str) -> bool {
        self.comments.iter().any(|comment| comment == mark)
    }

    /// Whether it says exactly this.
    pub fn is(&self, entry: &Entry) -> bool {
        let mut keys = self.keys.clone();
        keys.sort_unstable();
        let (arn, groups) = (Some(entry.arn()), self.groups.iter().map(String::as_str));
        keys == ["groups", "rolearn", "username"] && self.arn.as_deref() == arn && self.username.as_deref() == arn && groups.eq([entry.group()])
    }

    /// The space before it.
    pub fn indent<'a>(&self, text: &'a str) -> Result<&'a str, Refusal> {
        let before = text.get(line_start(text, self.range.start)..self.range.start).unwrap_or_default();
        let indent = before.trim_end().strip_suffix('-').filter(|indent| indent.chars().all(|c| c == ' '));
        indent.ok_or_else(|| Refusal::NotEditable("an entry does not begin on the line of its dash".to_owned()))
    }

    /// Its lines.
    pub fn lines(&self, text: &str) -> Result<Range<usize>, Refusal> {
        self.indent(text)?;
        let content = text.get(..self.range.end).unwrap_or_default().trim_end().len();
        let end = text.get(content..).and_then(|rest| rest.find('\n')).map_or(text.len(), |at| content + at + 1);
        Ok(line_start(text, self.range.start)..end)
    }
}

fn line_start(text: &str, at: usize) -> usize {
    text.get(..at).and_then(|before| before.rfind('\n')).map_or(0, |newline| newline + 1)
}

fn line_end(text: &str, at: usize) -> usize {
    text.get(at..).and_then(|rest| rest.find('\n')).map_or(text.len(), |newline| at + newline)
}

fn item(text: &str, tree: &Tree, index: usize, node: &Node) -> Result<Item, Refusal> {
    let wrong = |what: &str| Refusal::Unparsable(format!("entry {}: {what}", index + 1));
    let Body::Map(pairs) = &node.body else { return Err(wrong("it is not a map")) };
    let first_line = node.range.start..line_end(text, node.range.start);
    let comments = tree.comments.iter().filter(|(at, _)| first_line.contains(at)).map(|(_, comment)| comment.clone()).collect();
    let mut item = Item { range: node.range.clone(), comments, keys: Vec::new(), arn: None, username: None, groups: Vec::new() };
    for (key, value) in pairs {
        let Body::Scalar(name, _) = &key.body else { return Err(wrong("a key of it is not a text")) };
        let name = fold(name);
        if name == "<<" || item.keys.contains(&name) {
            return Err(wrong(&format!("the key {name:?} stands there twice, or takes in another map")));
        }
        let text_of = |node: &Node| string(node).map_err(|what| wrong(&format!("{name}: {what}")));
        match name.as_str() {
            "rolearn" => item.arn = text_of(value)?,
            "username" => item.username = text_of(value)?,
            "userid" => drop(text_of(value)?),
            "groups" => item.groups = groups(value).map_err(|what| wrong(&what))?,
            "sso" => sso(value).map_err(|what| wrong(&what))?,
            _ => {}
        }
        item.keys.push(name);
    }
    Ok(item)
}

fn groups(node: &Node) -> Result<Vec<String>, String> {
    match &node.body {
        Body::List(items, _) => {
            let each = items.iter().map(|item| string(item).and_then(|text| text.ok_or_else(|| "a group is empty".to_owned())));
            each.collect::<Result<_, _>>().map_err(|what| format!("groups: {what}"))
        }
        _ if string(node) == Ok(None) => Ok(Vec::new()),
        _ => Err("groups: it is not a list".to_owned()),
    }
}

fn sso(node: &Node) -> Result<(), String> {
    match &node.body {
        Body::Map(pairs) => pairs.iter().try_for_each(|(_, value)| string(value).map(drop)).map_err(|what| format!("sso: {what}")),
        _ if string(node) == Ok(None) => Ok(()),
        _ => Err("sso: it is not a map".to_owned()),
    }
}

/// A text, or nothing.
fn string(node: &Node) -> Result<Option<String>, String> {
    let Body::Scalar(value, is_plain) = &node.body else { return Err("it is not a text".to_owned()) };
    if !is_plain {
        return Ok(Some(value.clone()));
    }
    match value.as_str() {
        "" | "~" | "null" | "Null" | "NULL" => Ok(None),
        other if is_text(other) => Ok(Some(value.clone())),
        other => Err(format!("{other:?} is not taken for a text; it needs quotes")),
    }
}

/// Whether YAML 1.1 takes a scalar without quotes for a text. What may be a number or a time is not: better refused than wrong.
fn is_text(plain: &str) -> bool {
    const WORDS: [&str; 8] = ["y", "yes", "on", "true", "n", "no", "off", "false"];
    let lower = plain.to_lowercase();
    let is_numeric = lower.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c))
        && (lower.chars().all(|c| c.is_ascii_hexdigit() || "_.:+-xotz ".contains(c)) || [".inf", "+.inf", "-.inf", ".nan"].contains(&lower.as_str()));
    !WORDS.contains(&lower.as_str()) && !is_numeric && !["=", "<<"].contains(&plain)
}

/// A key as Go compares those of JSON: without regard to case, with two letters that only look like another.
fn fold(key: &str) -> String {
    key.chars()
        .map(|c| {
            if c == '\u{17f}' {
                's'
            } else if c == '\u{212a}' {
                'k'
            } else {
                c.to_ascii_lowercase()
            }
        })
        .collect()
}
