//! Globs as Argo CD matches them: gobwas/glob v0.2.3 without separators, so that `*` crosses `/`. Pure.
//!
//! This is a translation of that library, step by step, and not a matcher of what its documentation promises. The two differ: `a*a`
//! matches `a`, `[^a]` is a list of two characters, `[!ab][!ab]` allows `ba`, `{*a,b}` may have a length and lose matches by it, and
//! `a{}` panics. What people may do in an Argo CD follows the code, so this does as well. What is added is a bound: a pattern that is
//! too large, and a match that takes too long, is [`Matched::Undecided`], and never a guess.

mod compile;
mod glue;
mod gotext;
mod lexer;
mod run;
mod tree;

#[cfg(test)]
mod tests;

use compile::Compiled;
use run::{Run, Stop};

use super::Matched;

/// Longer patterns are not compiled (in bytes). Argo CD's own code takes minutes with far shorter ones.
const LONGEST: usize = 16 * 1024;
/// Braces within braces, each of which counts about twice.
const MOST_NESTED: usize = 200;
/// So many steps are spent on one match.
const STEPS: usize = 2_000_000;

/// Why there is nothing to match with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// gobwas does not compile it: Argo CD takes it as matching nothing.
    Invalid,
    /// Not compiled here.
    TooLarge,
}

/// A compiled glob.
#[derive(Debug)]
pub struct Glob(Result<Compiled, Fault>);

impl Glob {
    /// Compiles a pattern; one that cannot be compiled matches nothing, as in Argo CD.
    #[must_use]
    pub fn new(pattern: &str) -> Self {
        Self(if pattern.len() > LONGEST { Err(Fault::TooLarge) } else { compile::compile(pattern) })
    }

    /// Whether it matches all of a text.
    #[must_use]
    pub fn matches(&self, text: &str) -> Matched {
        match &self.0 {
            Err(Fault::Invalid) => Matched::No,
            Err(Fault::TooLarge) => Matched::Undecided,
            Ok(compiled) => match Run::new(compiled, text, STEPS).matches() {
                Ok(true) => Matched::Yes,
                Ok(false) => Matched::No,
                Err(Stop::Panic) => Matched::Fault,
                Err(Stop::Steps) => Matched::Undecided,
            },
        }
    }
}
