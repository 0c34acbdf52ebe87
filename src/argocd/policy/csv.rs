//! One policy line as Argo CD reads it: Go's `encoding/csv` with `TrimLeadingSpace` and without `LazyQuotes`
//! (Argo CD `util/rbac/rbac.go`, `loadPolicyLine`). Pure.

use std::borrow::Cow;

/// Why a line cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CsvError {
    /// A quote in a field that does not begin with one.
    #[error("a quote (\") stands in a field that does not begin with one")]
    BareQuote,
    /// A quoted field that does not end, or goes on after its closing quote.
    #[error("a quoted field is not closed, or goes on after its closing quote")]
    Quote,
}

/// Splits one line into its fields.
///
/// # Errors
/// When Go's reader would refuse the line.
pub fn fields(line: &str) -> Result<Vec<String>, CsvError> {
    let mut fields = Vec::new();
    each(line, |field| fields.push(field.into_owned()))?;
    Ok(fields)
}

/// Goes through the fields of one line.
///
/// # Errors
/// When Go's reader would refuse the line; fields before the place where it does have been gone through.
pub fn each<'a>(line: &'a str, mut take: impl FnMut(Cow<'a, str>)) -> Result<(), CsvError> {
    let mut rest = line;
    loop {
        rest = rest.trim_start_matches(is_go_space);
        let tail = if let Some(quoted) = rest.strip_prefix('"') {
            let (field, tail) = quoted_field(quoted)?;
            take(Cow::Owned(field));
            tail
        } else {
            let (field, tail) = rest.split_once(',').map_or((rest, None), |(field, tail)| (field, Some(tail)));
            if field.contains('"') {
                return Err(CsvError::BareQuote);
            }
            take(Cow::Borrowed(field));
            tail
        };
        match tail {
            Some(tail) => rest = tail,
            None => return Ok(()),
        }
    }
}

/// Reads a field up to its closing quote; the tail is what follows the comma, if there is one.
fn quoted_field(text: &str) -> Result<(String, Option<&str>), CsvError> {
    let mut field = String::new();
    let mut rest = text;
    loop {
        let (part, tail) = rest.split_once('"').ok_or(CsvError::Quote)?;
        field.push_str(part);
        if tail.is_empty() {
            return Ok((field, None));
        }
        if let Some(tail) = tail.strip_prefix(',') {
            return Ok((field, Some(tail)));
        }
        rest = tail.strip_prefix('"').ok_or(CsvError::Quote)?;
        field.push('"');
    }
}

/// White space as Go's `unicode.IsSpace` has it, which is what both of Argo CD's trims use.
#[must_use]
pub fn is_go_space(c: char) -> bool {
    // Rust's White_Space property is the same set.
    c.is_whitespace()
}

/// Writes a field so that it is read back unchanged.
#[must_use]
pub fn quote(field: &str) -> Cow<'_, str> {
    let must = field.is_empty() || field.contains([',', '"']) || field.starts_with(is_go_space) || field.ends_with(is_go_space);
    if must { Cow::Owned(format!("\"{}\"", field.replace('"', "\"\""))) } else { Cow::Borrowed(field) }
}

/// Writes a line of fields, as people write policies: separated by a comma and a space.
#[must_use]
pub fn line(fields: &[&str]) -> String {
    let mut line = String::with_capacity(fields.iter().map(|field| field.len() + ", ".len()).sum());
    for (index, field) in fields.iter().enumerate() {
        if index > 0 {
            line.push_str(", ");
        }
        line.push_str(&quote(field));
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_line_is_split_and_leading_space_is_dropped_but_trailing_space_stays() {
        assert_eq!(fields("p, role:x ,exec").unwrap(), ["p", "role:x ", "exec"]);
    }

    #[test]
    fn a_quoted_field_may_hold_commas_and_doubled_quotes() {
        assert_eq!(fields(r#"g, "CN=dev,OU=""eng""", role:x"#).unwrap(), ["g", r#"CN=dev,OU="eng""#, "role:x"]);
    }

    #[test]
    fn a_bare_quote_and_an_open_quote_are_refused() {
        assert_eq!(fields(r#"g, de"v, role:x"#), Err(CsvError::BareQuote));
        assert_eq!(fields(r#"g, "dev, role:x"#), Err(CsvError::Quote));
        assert_eq!(fields(r#"g, "dev"x, role:x"#), Err(CsvError::Quote));
    }

    proptest::proptest! {
        #[test]
        fn whatever_is_written_is_read_back(names in proptest::collection::vec("[^\r\n]{0,20}", 1..5)) {
            let refs: Vec<&str> = names.iter().map(String::as_str).collect();
            proptest::prop_assert_eq!(fields(&line(&refs)).unwrap(), names);
        }
    }
}
