//! The conditions of a policy, as far as they occur in trust policies. Pure.

use super::policy::{Answer, is_like};

/// Whether a condition holds for what a request has of its key (`None`: it has not that key).
#[must_use]
pub fn holds(operator: &str, context: Option<&[String]>, values: &[String]) -> Answer {
    let (quantifier, operator) = match operator.split_once(':') {
        Some((quantifier, operator)) => (Some(quantifier), operator),
        None => (None, operator),
    };
    if operator == "Null" && quantifier.is_none() {
        return null(context.is_some(), values);
    }
    let (operator, if_exists) = match operator.strip_suffix("IfExists") {
        Some(operator) => (operator, true),
        None => (operator, false),
    };
    let Some(test) = Test::of(operator) else { return Answer::Perhaps };
    // A value with a variable stands for what only AWS knows.
    if values.iter().any(|value| value.contains("${")) {
        return Answer::Perhaps;
    }
    let Some(context) = context else {
        return match quantifier {
            _ if if_exists => Answer::Yes,
            None => test.negated.into(),
            Some("ForAllValues") => Answer::Yes,
            Some("ForAnyValue") => Answer::No,
            Some(_) => Answer::Perhaps,
        };
    };
    let one = |text: &String| values.iter().any(|value| (test.matches)(value, text)) != test.negated;
    match quantifier {
        // Of a key with one value; where there are more, IAM wants a quantifier.
        None if context.len() == 1 => context.iter().all(one).into(),
        None => Answer::Perhaps,
        Some("ForAllValues") => context.iter().all(one).into(),
        Some("ForAnyValue") => context.iter().any(one).into(),
        Some(_) => Answer::Perhaps,
    }
}

fn null(is_there: bool, values: &[String]) -> Answer {
    match values {
        [value] if value == "true" => (!is_there).into(),
        [value] if value == "false" => is_there.into(),
        _ => Answer::Perhaps,
    }
}

struct Test {
    matches: fn(&str, &str) -> bool,
    negated: bool,
}

impl Test {
    fn of(operator: &str) -> Option<Self> {
        let equal: fn(&str, &str) -> bool = |value, text| value == text;
        let (matches, negated): (fn(&str, &str) -> bool, bool) = match operator {
            "StringEquals" => (equal, false),
            "StringNotEquals" => (equal, true),
            "StringEqualsIgnoreCase" => (|value, text| value.to_lowercase() == text.to_lowercase(), false),
            "StringNotEqualsIgnoreCase" => (|value, text| value.to_lowercase() == text.to_lowercase(), true),
            "StringLike" => (is_like, false),
            "StringNotLike" => (is_like, true),
            "ArnEquals" | "ArnLike" => (is_arn_like, false),
            "ArnNotEquals" | "ArnNotLike" => (is_arn_like, true),
            "Bool" => (|value, text| value.eq_ignore_ascii_case(text), false),
            _ => return None,
        };
        Some(Self { matches, negated })
    }
}

/// Part by part: a wildcard does not cross the colons of an ARN.
fn is_arn_like(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<&str>, Vec<&str>) = (pattern.splitn(6, ':').collect(), text.splitn(6, ':').collect());
    pattern.len() == text.len() && pattern.iter().zip(&text).all(|(pattern, text)| is_like(pattern, text))
}
