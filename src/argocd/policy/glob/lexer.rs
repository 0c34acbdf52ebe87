//! The words of a glob, as gobwas' lexer reads them (`syntax/lexer/lexer.go`), with its oddities: an unclosed brace is no mistake, a NUL
//! ends the pattern, U+FFFD is one. Pure.

/// A word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token {
    Text(String),
    Any,
    Super,
    Single,
    Not,
    RangeOpen,
    RangeClose,
    RangeLo(char),
    RangeHi(char),
    TermsOpen,
    Separator,
    TermsClose,
}

/// The pattern is none: gobwas refuses to compile it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Invalid;

const NUL: char = '\0';

struct Lexer {
    data: Vec<char>,
    pos: usize,
    terms: usize,
    failed: bool,
    tokens: Vec<Token>,
}

/// All words of the pattern.
pub(super) fn tokens(pattern: &str) -> Result<Vec<Token>, Invalid> {
    let mut lexer = Lexer { data: pattern.chars().collect(), pos: 0, terms: 0, failed: false, tokens: Vec::new() };
    while lexer.item() {}
    if lexer.failed { Err(Invalid) } else { Ok(lexer.tokens) }
}

impl Lexer {
    /// The next character without taking it; NUL at the end. gobwas takes U+FFFD for a broken encoding, and NUL for the end.
    fn peek(&mut self) -> char {
        match self.data.get(self.pos) {
            None => NUL,
            Some('\u{fffd}') => {
                self.failed = true;
                NUL
            }
            Some(c) => *c,
        }
    }

    fn read(&mut self) -> char {
        let c = if self.failed { NUL } else { self.peek() };
        if !self.failed && self.pos < self.data.len() {
            self.pos += 1;
        }
        c
    }

    /// Reads one item; whether there may be more.
    fn item(&mut self) -> bool {
        if self.failed {
            return false;
        }
        let before = self.pos;
        let c = self.read();
        match c {
            NUL => return false,
            '{' => {
                self.terms += 1;
                self.tokens.push(Token::TermsOpen);
            }
            ',' if self.terms > 0 => self.tokens.push(Token::Separator),
            '}' if self.terms > 0 => {
                self.terms -= 1;
                self.tokens.push(Token::TermsClose);
            }
            '[' => {
                self.tokens.push(Token::RangeOpen);
                self.range();
            }
            '?' => self.tokens.push(Token::Single),
            '*' => {
                let after = self.pos;
                if self.read() == '*' {
                    self.tokens.push(Token::Super);
                } else {
                    self.pos = after;
                    self.tokens.push(Token::Any);
                }
            }
            _ => {
                self.pos = before;
                let breakers: &[char] = if self.terms > 0 { &['?', '*', '[', '{', '}', ','] } else { &['?', '*', '[', '{'] };
                self.text(breakers);
            }
        }
        true
    }

    fn range(&mut self) {
        let (mut want_hi, mut want_close, mut seen_not) = (false, false, false);
        loop {
            let before = self.pos;
            let c = self.read();
            if c == NUL || (want_close && c != ']') {
                self.failed = true;
                return;
            }
            if want_close {
                self.tokens.push(Token::RangeClose);
                return;
            }
            if want_hi {
                self.tokens.push(Token::RangeHi(c));
                want_close = true;
            } else if !seen_not && c == '!' {
                self.tokens.push(Token::Not);
                seen_not = true;
            } else if self.peek() == '-' {
                self.pos += 1;
                self.tokens.push(Token::RangeLo(c));
                want_hi = true;
            } else {
                self.pos = before;
                self.text(&[']']);
                want_close = true;
            }
        }
    }

    fn text(&mut self, breakers: &[char]) {
        let mut text = String::new();
        let mut escaped = false;
        loop {
            let before = self.pos;
            let c = self.read();
            if c == NUL {
                break;
            }
            if !escaped {
                if c == '\\' {
                    escaped = true;
                    continue;
                }
                if breakers.contains(&c) {
                    self.pos = before;
                    break;
                }
            }
            escaped = false;
            text.push(c);
        }
        if !text.is_empty() {
            self.tokens.push(Token::Text(text));
        }
    }
}
