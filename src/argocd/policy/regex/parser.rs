//! Reads a regular expression by the rules of Go's `regexp/syntax` (with Perl flags) and writes it in a form without ambiguity. Pure.

use super::Fault;
use super::class;

/// More groups within groups than this are not translated; Go allows more.
const MOST_NESTED: usize = 150;
/// The largest count of a repetition, and the largest product of nested ones.
const MOST_REPEATED: u32 = 1000;

/// A pattern in the crate's syntax.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Translated {
    pub(super) text: String,
    pub(super) ascii_only: bool,
}

#[derive(Clone, Copy, Debug, Default)]
struct Flags {
    fold_case: bool,
    multi_line: bool,
    dot_all: bool,
}

/// One atom with its repetitions, or what is left of a group: its text, and the largest product of counts in it.
#[derive(Debug)]
struct Piece {
    text: String,
    copies: u32,
}

/// What is open: the alternatives before this one, the pieces of this one, and the flags to go back to.
#[derive(Debug, Default)]
struct Open {
    done: Vec<Piece>,
    pieces: Vec<Piece>,
    flags: Flags,
}

struct Parser {
    chars: Vec<char>,
    at: usize,
    flags: Flags,
    groups: Vec<Open>,
    ascii_only: bool,
    no_more_names: bool,
}

pub(super) fn translate(pattern: &str) -> Result<Translated, Fault> {
    let mut parser = Parser {
        chars: pattern.chars().collect(),
        at: 0,
        flags: Flags::default(),
        groups: vec![Open::default()],
        ascii_only: false,
        no_more_names: false,
    };
    // Whether the item before this one was a repetition.
    let mut repeated = false;
    while let Some(c) = parser.peek(0) {
        repeated = parser.item(c, repeated)?;
    }
    let (Some(last), true) = (parser.groups.pop(), parser.groups.is_empty()) else { return Err(Fault::Invalid) };
    Ok(Translated { text: close(last).text, ascii_only: parser.ascii_only })
}

/// One piece out of what was open.
fn close(open: Open) -> Piece {
    let mut alternatives = open.done;
    alternatives.push(concat(open.pieces));
    let copies = alternatives.iter().map(|p| p.copies).max().unwrap_or(1);
    let texts: Vec<String> = alternatives.into_iter().map(|p| p.text).collect();
    Piece { text: format!("(?:{})", texts.join("|")), copies }
}

fn concat(pieces: Vec<Piece>) -> Piece {
    let copies = pieces.iter().map(|p| p.copies).max().unwrap_or(1);
    Piece { text: pieces.into_iter().map(|p| p.text).collect(), copies }
}

impl Parser {
    pub(super) fn peek(&self, ahead: usize) -> Option<char> {
        self.chars.get(self.at + ahead).copied()
    }

    fn push(&mut self, text: impl Into<String>) -> Result<(), Fault> {
        let open = self.groups.last_mut().ok_or(Fault::Invalid)?;
        open.pieces.push(Piece { text: text.into(), copies: 1 });
        Ok(())
    }

    fn literal(&mut self, c: u32) -> Result<(), Fault> {
        let text = class::one(c);
        let text = if self.flags.fold_case { format!("(?i:{text})") } else { text };
        self.push(text)
    }

    /// Reads one item; whether it was a repetition.
    fn item(&mut self, c: char, repeated: bool) -> Result<bool, Fault> {
        match c {
            '*' | '+' | '?' => {
                self.at += 1;
                self.repeat(&c.to_string(), None, repeated)?;
                return Ok(true);
            }
            '{' => {
                if let Some((min, max, len)) = self.counts() {
                    self.at += len;
                    let too_many = |n: u32| n > MOST_REPEATED;
                    if too_many(min) || max.is_some_and(|max| too_many(max) || min > max) {
                        return Err(Fault::Invalid);
                    }
                    let text = max.map_or_else(|| format!("{{{min},}}"), |max| format!("{{{min},{max}}}"));
                    self.repeat(&text, Some((min, max)), repeated)?;
                    return Ok(true);
                }
                self.at += 1;
                self.literal('{'.into())?;
            }
            '(' => self.open()?,
            ')' => self.close()?,
            '|' => {
                self.at += 1;
                let open = self.groups.last_mut().ok_or(Fault::Invalid)?;
                open.done.push(concat(std::mem::take(&mut open.pieces)));
            }
            '^' => {
                self.at += 1;
                self.push(if self.flags.multi_line { "(?m:^)" } else { r"\A" })?;
            }
            '$' => {
                self.at += 1;
                self.push(if self.flags.multi_line { "(?m:$)" } else { r"\z" })?;
            }
            '.' => {
                self.at += 1;
                self.push(if self.flags.dot_all { "(?s:.)" } else { r"[^\n]" })?;
            }
            '[' => {
                let text = class::bracketed(&self.chars, &mut self.at, &mut self.no_more_names)?;
                self.class(text)?;
            }
            '\\' => self.escape()?,
            _ => {
                self.at += 1;
                self.literal(c.into())?;
            }
        }
        Ok(false)
    }

    fn class(&mut self, text: String) -> Result<(), Fault> {
        let text = if self.flags.fold_case { format!("(?i:{text})") } else { text };
        self.push(text)
    }

    fn repeat(&mut self, times: &str, counts: Option<(u32, Option<u32>)>, repeated: bool) -> Result<(), Fault> {
        // Lazy or not makes no difference to whether it matches.
        if self.peek(0) == Some('?') {
            self.at += 1;
        }
        if repeated {
            return Err(Fault::Invalid);
        }
        let pieces = &mut self.groups.last_mut().ok_or(Fault::Invalid)?.pieces;
        let piece = pieces.last_mut().ok_or(Fault::Invalid)?;
        piece.text = format!("(?:{}){times}", piece.text);
        if let Some((min, max)) = counts {
            let most = max.unwrap_or(min);
            // `x{0}` holds nothing at all, whatever is in it.
            piece.copies = if max == Some(0) { 1 } else { piece.copies.saturating_mul(most.max(1)) };
            if (min >= 2 || most >= 2) && piece.copies > MOST_REPEATED {
                return Err(Fault::Invalid);
            }
        }
        Ok(())
    }

    /// `{2}`, `{2,}` or `{2,3}` at this place: the counts, and how long it is. A number that is too large counts as the largest.
    fn counts(&self) -> Option<(u32, Option<u32>, usize)> {
        let number = |from: usize| {
            let digits: String = (from..).map_while(|i| self.peek(i)).take_while(char::is_ascii_digit).collect();
            let ok = !digits.is_empty() && (digits.len() == 1 || !digits.starts_with('0'));
            ok.then(|| (digits.parse().unwrap_or(u32::MAX), from + digits.len()))
        };
        let (min, at) = number(1)?;
        match self.peek(at)? {
            '}' => Some((min, Some(min), at + 1)),
            ',' if self.peek(at + 1)? == '}' => Some((min, None, at + 2)),
            ',' => {
                let (max, at) = number(at + 1)?;
                (self.peek(at)? == '}').then_some((min, Some(max), at + 1))
            }
            _ => None,
        }
    }

    fn open(&mut self) -> Result<(), Fault> {
        let before = self.flags;
        self.at += 1;
        if self.peek(0) == Some('?') {
            let named = match (self.peek(1), self.peek(2)) {
                (Some('P'), Some('<')) if self.peek(3).is_some() => Some(3),
                (Some('<'), Some(_)) => Some(2),
                _ => None,
            };
            if let Some(skip) = named {
                let name: Vec<char> = (skip..).map_while(|i| self.peek(i)).take_while(|c| *c != '>').collect();
                let fits = !name.is_empty() && name.iter().all(|c| *c == '_' || c.is_ascii_alphanumeric());
                if !fits || self.peek(skip + name.len()) != Some('>') {
                    return Err(Fault::Invalid);
                }
                self.at += skip + name.len() + 1;
            } else if !self.set_flags()? {
                return Ok(());
            }
        }
        if self.groups.len() > MOST_NESTED {
            return Err(Fault::TooLarge);
        }
        self.groups.push(Open { flags: before, ..Open::default() });
        Ok(())
    }

    /// Reads `?i)` or `?i:`; whether a group begins.
    fn set_flags(&mut self) -> Result<bool, Fault> {
        self.at += 1;
        let mut flags = self.flags;
        let (mut on, mut seen) = (true, false);
        loop {
            let c = self.peek(0).ok_or(Fault::Invalid)?;
            self.at += 1;
            match c {
                'i' => flags.fold_case = on,
                'm' => flags.multi_line = on,
                's' => flags.dot_all = on,
                // Which of several matches is taken does not matter here.
                'U' => {}
                '-' if on => {
                    (on, seen) = (false, false);
                    continue;
                }
                ':' | ')' if on || seen => {
                    self.flags = flags;
                    return Ok(c == ':');
                }
                _ => return Err(Fault::Invalid),
            }
            seen = true;
        }
    }

    fn close(&mut self) -> Result<(), Fault> {
        self.at += 1;
        let open = self.groups.pop().ok_or(Fault::Invalid)?;
        self.flags = open.flags;
        let outer = self.groups.last_mut().ok_or(Fault::Invalid)?;
        outer.pieces.push(close(open));
        Ok(())
    }

    fn escape(&mut self) -> Result<(), Fault> {
        let special = match self.peek(1) {
            Some('A') => r"\A",
            Some('z') => r"\z",
            Some('b') => r"(?-u:\b)",
            Some('B') => {
                self.ascii_only = true;
                r"(?-u:\B)"
            }
            Some('C') => return Err(Fault::Invalid),
            Some('Q') => {
                self.at += 2;
                while let Some(c) = self.peek(0) {
                    if c == '\\' && self.peek(1) == Some('E') {
                        self.at += 2;
                        return Ok(());
                    }
                    self.at += 1;
                    self.literal(c.into())?;
                }
                return Ok(());
            }
            _ => {
                if let Some(text) = class::shorthand(&self.chars, &mut self.at)? {
                    return self.class(format!("[{text}]"));
                }
                let c = class::escaped(&self.chars, &mut self.at)?;
                return self.literal(c);
            }
        };
        self.at += 2;
        self.push(special)
    }
}
