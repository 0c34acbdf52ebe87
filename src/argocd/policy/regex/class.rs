//! Character classes and escapes of Go's regular expressions. Pure.

use std::fmt::Write;

use super::Fault;

/// What matches nothing.
const NONE: &str = r"[^\x{0}-\x{10FFFF}]";

/// One character. A half of a pair that UTF-16 writes is in no text.
pub(super) fn one(c: u32) -> String {
    if char::from_u32(c).is_some() { format!(r"\x{{{c:X}}}") } else { NONE.to_owned() }
}

/// `[...]` at this place. `no_more`: no `:]` follows any more, which is found out once and not at each `[:`.
pub(super) fn bracketed(chars: &[char], at: &mut usize, no_more: &mut bool) -> Result<String, Fault> {
    *at += 1;
    let negated = chars.get(*at) == Some(&'^');
    *at += usize::from(negated);
    let mut text = String::new();
    let mut first = true;
    while first || chars.get(*at) != Some(&']') {
        first = false;
        if chars.get(*at) == Some(&'[')
            && chars.get(*at + 1) == Some(&':')
            && let Some(named) = named(chars, at, no_more)?
        {
            text.push_str(&named);
            continue;
        }
        if let Some(shorthand) = shorthand(chars, at)? {
            text.push_str(&shorthand);
            continue;
        }
        let lo = character(chars, at)?;
        let range = chars.get(*at) == Some(&'-') && chars.get(*at + 1).is_some_and(|c| *c != ']');
        let hi = if range {
            *at += 1;
            character(chars, at)?
        } else {
            lo
        };
        if hi < lo {
            return Err(Fault::Invalid);
        }
        add_range(&mut text, lo, hi);
    }
    *at += 1;
    if text.is_empty() {
        // Only halves of pairs were named.
        return Ok(if negated { r"(?s:.)".to_owned() } else { NONE.to_owned() });
    }
    Ok(format!("[{}{text}]", if negated { "^" } else { "" }))
}

fn add_range(text: &mut String, lo: u32, hi: u32) {
    for (lo, hi) in [(lo, hi.min(0xd7ff)), (lo.max(0xe000), hi)] {
        if lo <= hi {
            // Writing to a text cannot fail.
            let _written = write!(text, r"\x{{{lo:X}}}-\x{{{hi:X}}}");
        }
    }
}

fn character(chars: &[char], at: &mut usize) -> Result<u32, Fault> {
    match chars.get(*at) {
        None => Err(Fault::Invalid),
        Some('\\') => escaped(chars, at),
        Some(c) => {
            *at += 1;
            Ok(u32::from(*c))
        }
    }
}

/// `[:alpha:]` within a class; `None` where no `:]` follows at all.
fn named(chars: &[char], at: &mut usize, no_more: &mut bool) -> Result<Option<String>, Fault> {
    if *no_more {
        return Ok(None);
    }
    let rest = chars.get(*at + 2..).unwrap_or_default();
    let Some(len) = rest.windows(2).position(|w| w == [':', ']']) else {
        *no_more = true;
        return Ok(None);
    };
    let name: String = rest.iter().take(len).collect();
    let bare = name.strip_prefix('^').unwrap_or(&name);
    let known = ["alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph", "lower", "print", "punct", "space", "upper", "word", "xdigit"];
    if !known.contains(&bare) {
        return Err(Fault::Invalid);
    }
    *at += len + 4;
    Ok(Some(format!("[:{name}:]")))
}

/// `\d`, `\W` or `\p{Greek}` at this place, as what stands within a class.
pub(super) fn shorthand(chars: &[char], at: &mut usize) -> Result<Option<String>, Fault> {
    if chars.get(*at) != Some(&'\\') {
        return Ok(None);
    }
    let text = match chars.get(*at + 1) {
        Some('d') => "0-9",
        Some('D') => "[^0-9]",
        Some('s') => r"\t\n\x0C\r\x20",
        Some('S') => r"[^\t\n\x0C\r\x20]",
        Some('w') => "0-9A-Za-z_",
        Some('W') => "[^0-9A-Za-z_]",
        Some(sign @ ('p' | 'P')) => return unicode(chars, at, *sign == 'P').map(Some),
        _ => return Ok(None),
    };
    *at += 2;
    Ok(Some(text.to_owned()))
}

fn unicode(chars: &[char], at: &mut usize, mut negated: bool) -> Result<String, Fault> {
    *at += 2;
    let first = *chars.get(*at).ok_or(Fault::Invalid)?;
    *at += 1;
    let mut name = if first == '{' {
        let rest = chars.get(*at..).unwrap_or_default();
        let len = rest.iter().position(|c| *c == '}').ok_or(Fault::Invalid)?;
        *at += len + 1;
        rest.iter().take(len).collect::<String>()
    } else {
        first.to_string()
    };
    if let Some(rest) = name.strip_prefix('^') {
        negated = !negated;
        name = rest.to_owned();
    }
    let text = property(&name).ok_or(Fault::Invalid)?;
    Ok(if negated { format!("[^{text}]") } else { text })
}

/// A Unicode category or script, by one of the names that Go knows.
fn property(name: &str) -> Option<String> {
    let name: String = name.chars().filter(|c| !matches!(c, '_' | '-' | ' ')).collect::<String>().to_ascii_lowercase();
    if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric()) || name.starts_with("is") {
        return None;
    }
    // The halves of pairs: in Go a category, in no text a character.
    if matches!(name.as_str(), "cs" | "surrogate") {
        return Some(NONE.to_owned());
    }
    // Of scripts Go does not know the short names, which have four letters; these are long ones of that length.
    let short = name.len() == 4 && !matches!(name.as_str(), "cham" | "thai" | "lisu" | "kawi" | "toto");
    let script = (!short && !name.starts_with('q')).then(|| format!(r"\p{{sc={name}}}"));
    [Some(format!(r"\p{{gc={name}}}")), script].into_iter().flatten().find(|text| regex::Regex::new(text).is_ok())
}

/// `\n`, `\x41`, `\101`, or a sign that stands for itself.
pub(super) fn escaped(chars: &[char], at: &mut usize) -> Result<u32, Fault> {
    let c = *chars.get(*at + 1).ok_or(Fault::Invalid)?;
    *at += 2;
    let octal = |at: usize| chars.get(at).and_then(|c| c.to_digit(8));
    match c {
        'a' => Ok(7),
        'f' => Ok(12),
        'n' => Ok(10),
        'r' => Ok(13),
        't' => Ok(9),
        'v' => Ok(11),
        '0'..='7' => {
            let mut value = c.to_digit(8).unwrap_or_default();
            if c != '0' && octal(*at).is_none() {
                return Err(Fault::Invalid);
            }
            for _ in 0..2 {
                let Some(digit) = octal(*at) else { break };
                value = value * 8 + digit;
                *at += 1;
            }
            Ok(value)
        }
        'x' => hexadecimal(chars, at),
        _ if c.is_ascii() && !c.is_ascii_alphanumeric() => Ok(u32::from(c)),
        _ => Err(Fault::Invalid),
    }
}

fn hexadecimal(chars: &[char], at: &mut usize) -> Result<u32, Fault> {
    let braces = chars.get(*at) == Some(&'{');
    *at += usize::from(braces);
    let rest = chars.get(*at..).unwrap_or_default();
    let len = if braces { rest.iter().position(|c| *c == '}').ok_or(Fault::Invalid)? } else { 2 };
    let digits = rest.get(..len).filter(|digits| !digits.is_empty()).ok_or(Fault::Invalid)?;
    let mut value: u32 = 0;
    for digit in digits {
        value = value.checked_mul(16).ok_or(Fault::Invalid)? + digit.to_digit(16).ok_or(Fault::Invalid)?;
        if value > 0x10_ffff {
            return Err(Fault::Invalid);
        }
    }
    *at += len + usize::from(braces);
    Ok(value)
}
