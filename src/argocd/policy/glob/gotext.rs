//! Texts as Go's strings are: bytes, which may be cut within a character. Pure.

/// What Go reads where there is no whole character.
pub(super) const BROKEN: char = '\u{fffd}';

/// The character at the beginning and its width, as `utf8.DecodeRuneInString` has them: width 0 at the end, 1 for a broken one.
pub(super) fn decode(text: &[u8]) -> (char, usize) {
    let width = match text.first() {
        None => return (BROKEN, 0),
        Some(0x00..=0x7f) => 1,
        Some(0xc2..=0xdf) => 2,
        Some(0xe0..=0xef) => 3,
        Some(0xf0..=0xf4) => 4,
        Some(_) => return (BROKEN, 1),
    };
    let whole = text.get(..width).and_then(|bytes| std::str::from_utf8(bytes).ok());
    whole.and_then(|text| text.chars().next()).map_or((BROKEN, 1), |c| (c, width))
}

/// The characters with where they begin, as `range` over a string has them.
pub(super) fn chars(text: &[u8]) -> impl Iterator<Item = (usize, char)> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let (c, width) = decode(text.get(at..)?);
        let begins = at;
        at += width;
        (width > 0).then_some((begins, c))
    })
}

pub(super) fn find(text: &[u8], needle: &[u8]) -> Option<usize> {
    if needle.is_empty() {
        return Some(0);
    }
    text.windows(needle.len()).position(|window| window == needle)
}

pub(super) fn find_last(text: &[u8], needle: &[u8]) -> Option<usize> {
    text.windows(needle.len().max(1)).rposition(|window| window == needle)
}
