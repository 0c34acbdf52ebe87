//! A trust policy, and whether it lets a request through. Pure.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::condition;
use super::read::{OneOrMany, Pairs, Scalar};

/// Whether a request is let through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Answer {
    /// It is not.
    No,
    /// It may be: something about the policy is not known here, or lies with the caller's own policies.
    Perhaps,
    /// It is.
    Yes,
}

impl From<bool> for Answer {
    fn from(yes: bool) -> Self {
        if yes { Self::Yes } else { Self::No }
    }
}

/// Who comes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Caller {
    /// A service of AWS, by its name.
    Service(String),
    /// Somebody with a token of an OIDC provider, by the provider's ARN.
    Federated(String),
    /// Somebody in AWS, by an ARN.
    Aws(String),
}

/// An attempt to assume a role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Who comes.
    pub caller: Caller,
    /// The action.
    pub action: String,
    /// What is known of it; the keys in lower case.
    pub context: BTreeMap<String, Vec<String>>,
}

/// A trust policy as it was read.
#[derive(Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Policy {
    #[allow(dead_code, reason = "it may stand there and says nothing of who is let in")]
    version: Option<String>,
    #[allow(dead_code, reason = "as the version")]
    id: Option<String>,
    statement: OneOrMany<Statement>,
}

#[derive(Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct Statement {
    #[allow(dead_code, reason = "a name for people")]
    sid: Option<String>,
    pub(super) effect: Effect,
    pub(super) principal: Option<Principal>,
    pub(super) not_principal: Option<Principal>,
    pub(super) action: Option<OneOrMany<String>>,
    pub(super) not_action: Option<OneOrMany<String>>,
    #[serde(default)]
    pub(super) condition: Pairs<Pairs<OneOrMany<Scalar>>>,
}

#[derive(Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    Allow,
    Deny,
}

#[derive(Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(untagged)]
pub(super) enum Principal {
    Everybody(String),
    Named(Pairs<OneOrMany<String>>),
}

impl Policy {
    /// Reads one.
    ///
    /// # Errors
    /// When it is not one, or has something that is not known here.
    pub fn read(text: &str) -> Result<Self, String> {
        serde_json::from_str(text).map_err(|error| error.to_string())
    }

    pub(super) fn statements(&self) -> &[Statement] {
        self.statement.as_slice()
    }

    /// Whether it lets a request through.
    #[must_use]
    pub fn answer(&self, request: &Request) -> Answer {
        let most = |effect: Effect| {
            let of = self.statements().iter().filter(|statement| statement.effect == effect);
            of.map(|statement| statement.is_about(request)).max().unwrap_or(Answer::No)
        };
        match most(Effect::Deny) {
            Answer::Yes => Answer::No,
            Answer::Perhaps => most(Effect::Allow).min(Answer::Perhaps),
            Answer::No => most(Effect::Allow),
        }
    }
}

impl Statement {
    fn is_about(&self, request: &Request) -> Answer {
        let principal = match (&self.principal, &self.not_principal) {
            (Some(principal), None) => principal.is(&request.caller),
            // Who is not meant by one that excepts some is not decided here.
            _ => Answer::Perhaps,
        };
        let action = match (&self.action, &self.not_action) {
            (Some(actions), None) => actions.as_slice().iter().any(|action| is_like(&action.to_lowercase(), &request.action.to_lowercase())).into(),
            (None, Some(actions)) => {
                (!actions.as_slice().iter().any(|action| is_like(&action.to_lowercase(), &request.action.to_lowercase()))).into()
            }
            _ => Answer::Perhaps,
        };
        let conditions = self.condition.0.iter().flat_map(|(operator, keys)| keys.0.iter().map(move |(key, values)| (operator, key, values)));
        let conditions = conditions.map(|(operator, key, values)| {
            let values: Vec<String> = values.as_slice().iter().map(Scalar::text).collect();
            condition::holds(operator, request.context.get(&key.to_lowercase()).map(Vec::as_slice), &values)
        });
        conditions.fold(principal.min(action), Ord::min)
    }
}

impl Principal {
    fn is(&self, caller: &Caller) -> Answer {
        let pairs = match self {
            Self::Everybody(all) => return if all == "*" { Answer::Yes } else { Answer::Perhaps },
            Self::Named(pairs) => &pairs.0,
        };
        let one = |kind: &str, value: &str| match (kind, caller) {
            ("Service", Caller::Service(name)) => (value == name).into(),
            ("Federated", Caller::Federated(arn)) => (value == arn).into(),
            ("AWS", Caller::Aws(_)) if value == "*" => Answer::Yes,
            // A whole account: whether one of it may come is for the account's own policies.
            ("AWS", Caller::Aws(arn)) if account(value).is_some() => {
                if account(value) == arn.split(':').nth(4) {
                    Answer::Perhaps
                } else {
                    Answer::No
                }
            }
            ("AWS", Caller::Aws(arn)) => (value == arn).into(),
            // `AWS: *` is everybody, also without a name.
            ("AWS", _) => {
                if value == "*" {
                    Answer::Perhaps
                } else {
                    Answer::No
                }
            }
            ("Service" | "Federated", _) => Answer::No,
            _ => Answer::Perhaps,
        };
        pairs.iter().flat_map(|(kind, values)| values.as_slice().iter().map(move |value| one(kind, value))).max().unwrap_or(Answer::No)
    }
}

/// The account, where a principal is a whole one.
fn account(principal: &str) -> Option<&str> {
    let is_account = |text: &str| text.len() == 12 && text.chars().all(|c| c.is_ascii_digit());
    if is_account(principal) {
        return Some(principal);
    }
    principal.strip_suffix(":root")?.split(':').nth(4).filter(|account| is_account(account))
}

/// Whether a text matches a pattern in which `*` is any text and `?` any character.
#[must_use]
pub fn is_like(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match (pattern.get(p), text.get(t)) {
            (Some('*'), _) => {
                star = Some((p, t));
                p += 1;
            }
            (Some(one), Some(other)) if *one == '?' || one == other => {
                p += 1;
                t += 1;
            }
            _ => match star {
                Some((at, from)) => {
                    star = Some((at, from + 1));
                    p = at + 1;
                    t = from + 1;
                }
                None => return false,
            },
        }
    }
    pattern.iter().skip(p).all(|c| *c == '*')
}
