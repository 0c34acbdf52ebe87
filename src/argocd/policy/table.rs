//! Policy lines as tables: `p` lines by their subject, `g` lines by their member, patterns compiled when they are first needed. Pure.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use super::compose::{Line, Position};
use super::glob::Glob;
use super::regex::Regex;
use super::{MatchMode, Matched};

/// A pattern, compiled when it is first needed.
#[derive(Debug)]
pub(super) struct Pattern {
    mode: MatchMode,
    pub(super) text: String,
    compiled: OnceLock<Compiled>,
}

#[derive(Debug)]
enum Compiled {
    Glob(Glob),
    Regex(Regex),
}

impl Pattern {
    pub(super) fn matches(&self, text: &str) -> Matched {
        let compile = || match self.mode {
            MatchMode::Glob => Compiled::Glob(Glob::new(&self.text)),
            MatchMode::Regex => Compiled::Regex(Regex::new(&self.text)),
        };
        match self.compiled.get_or_init(compile) {
            Compiled::Glob(glob) => glob.matches(text),
            Compiled::Regex(regex) => regex.matches(text),
        }
    }
}

/// A `p` line.
#[derive(Debug)]
pub(super) struct Rule {
    pub(super) line: Line,
    pub(super) resource: usize,
    pub(super) action: usize,
    pub(super) object: usize,
    pub(super) effect: Option<bool>,
}

impl Rule {
    pub(super) fn subject(&self) -> &str {
        self.line.fields.get(1).map_or("", String::as_str)
    }
}

/// The lines of one text, by whom they name.
#[derive(Debug, Default)]
pub(super) struct Table {
    pub(super) rules: Vec<Rule>,
    by_subject: BTreeMap<String, Vec<usize>>,
    /// From a member to its roles, with the line that says so.
    pub(super) roles: BTreeMap<String, Vec<(String, Position)>>,
}

impl Table {
    pub(super) fn rules_of(&self, subject: &str) -> &[usize] {
        self.by_subject.get(subject).map_or(&[], Vec::as_slice)
    }
}

/// Makes the tables; a pattern that occurs often is compiled once.
pub(super) struct Reader {
    pub(super) mode: MatchMode,
    pub(super) patterns: Vec<Pattern>,
    known: BTreeMap<String, usize>,
}

impl Reader {
    pub(super) fn new(mode: MatchMode) -> Self {
        Self { mode, patterns: Vec::new(), known: BTreeMap::new() }
    }

    fn pattern(&mut self, text: &str) -> usize {
        if let Some(index) = self.known.get(text) {
            return *index;
        }
        let index = self.patterns.len();
        self.patterns.push(Pattern { mode: self.mode, text: text.to_owned(), compiled: OnceLock::new() });
        self.known.insert(text.to_owned(), index);
        index
    }

    pub(super) fn table(&mut self, lines: Vec<Line>) -> Table {
        let mut table = Table::default();
        for line in lines {
            match line.fields.as_slice() {
                [kind, member, role] if kind == "g" => {
                    table.roles.entry(member.clone()).or_default().push((role.clone(), line.at));
                }
                [_, subject, resource, action, object, effect] => {
                    let effect = match effect.as_str() {
                        "allow" => Some(true),
                        "deny" => Some(false),
                        _ => None,
                    };
                    table.by_subject.entry(subject.clone()).or_default().push(table.rules.len());
                    let (resource, action, object) = (self.pattern(resource), self.pattern(action), self.pattern(object));
                    table.rules.push(Rule { line, resource, action, object, effect });
                }
                _ => {}
            }
        }
        table
    }
}
