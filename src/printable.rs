//! Texts that others wrote, made fit to be shown: nothing in them moves a cursor or turns the direction of writing. Pure.

/// The text in one line.
#[must_use]
pub fn printable(text: &str) -> String {
    let turns = |c: char| matches!(c, '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    text.chars().flat_map(|c| if c.is_control() || turns(c) { c.escape_unicode().collect::<Vec<_>>() } else { vec![c] }).collect()
}

/// The same of a text that may have several lines.
#[must_use]
pub fn printable_lines(text: &str) -> String {
    text.split('\n').map(printable).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_wrote_cannot_move_the_cursor() {
        assert_eq!(printable("a\u{1b}[2J\u{202e}b\nä"), "a\\u{1b}[2J\\u{202e}b\\u{a}ä");
        assert_eq!(printable_lines("a\u{61c}\nb\r"), "a\\u{61c}\nb\\u{d}");
    }
}
