//! An error with its causes, in one line. Pure.

/// The error, then what caused it, and so on. What was said already is not said again.
#[must_use]
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let said = error.to_string();
        if !text.contains(&said) {
            text.push_str(": ");
            text.push_str(&said);
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{0}")]
    struct Said(&'static str, #[source] Option<Box<Self>>);

    #[test]
    fn each_cause_is_said_once() {
        let lowest = Said("connection refused", None);
        let again = Said("connect: connection refused", Some(Box::new(lowest)));
        assert_eq!(chain(&Said("read the Lease", Some(Box::new(again)))), "read the Lease: connect: connection refused");
    }
}
