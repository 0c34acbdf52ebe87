//! Whether a trust policy lets in those who are meant, and surely nobody else. Pure.
//!
//! "Nobody else" cannot be tried, so it is proven from the form: each statement that allows must name the one principal, and must be bound
//! by an equality on every key that says who it is. More conditions only narrow; any other form is too wide, whatever it means.

use std::collections::BTreeSet;

use super::policy::{Answer, Caller, Effect, Policy, Principal, Request, Statement};
use super::read::{OneOrMany, Scalar};
use crate::clusters::aws::arn;
use crate::clusters::aws::documents::{
    ASSUME, ASSUME_BY_TOKEN, AUDIENCE, CLUSTER_TAG, NAMESPACE_TAG, POD_IDENTITY, SERVICE_ACCOUNT_TAG, TAG, subject,
};
use crate::clusters::aws::fold::{Hub, Source};

/// What is wrong with a trust policy.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Finding {
    /// Somebody else may come, or it cannot be shown that nobody does.
    TooWide(String),
    /// Somebody who is meant does not come.
    TooNarrow(String),
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (Self::TooWide(text) | Self::TooNarrow(text)) = self;
        f.write_str(text)
    }
}

/// What is wrong with the trust policy of a hub's role: exactly its ServiceAccounts may assume it.
#[must_use]
pub fn hub(document: &str, hub: &Hub) -> Vec<Finding> {
    let subjects = || hub.service_accounts.iter().map(|name| subject(&hub.namespace, name));
    let meant = match &hub.source {
        Source::PodIdentity { cluster_arn } => Meant {
            kind: "Service",
            principal: POD_IDENTITY.to_owned(),
            actions: &[ASSUME, TAG],
            keys: vec![
                (CLUSTER_TAG.to_owned(), BTreeSet::from([cluster_arn.clone()])),
                (NAMESPACE_TAG.to_owned(), BTreeSet::from([hub.namespace.clone()])),
                (SERVICE_ACCOUNT_TAG.to_owned(), hub.service_accounts.clone()),
            ],
        },
        Source::Irsa { provider_arn, issuer } => Meant {
            kind: "Federated",
            principal: provider_arn.clone(),
            actions: &[ASSUME_BY_TOKEN],
            keys: vec![
                (format!("{}:aud", arn::bare_issuer(issuer)), BTreeSet::from([AUDIENCE.to_owned()])),
                (format!("{}:sub", arn::bare_issuer(issuer)), subjects().collect()),
            ],
        },
    };
    meant.judge(document)
}

/// What is wrong with the trust policy of a spoke role: exactly the hub's role may assume it.
#[must_use]
pub fn spoke(document: &str, hub: &Hub) -> Vec<Finding> {
    let actions: &'static [&'static str] = match hub.source {
        Source::PodIdentity { .. } => &[ASSUME, TAG],
        Source::Irsa { .. } => &[ASSUME],
    };
    Meant { kind: "AWS", principal: hub.role.arn(), actions, keys: Vec::new() }.judge(document)
}

/// Those who are meant.
struct Meant {
    kind: &'static str,
    principal: String,
    actions: &'static [&'static str],
    /// What they have of each key; the last is who they are, one by one.
    keys: Vec<(String, BTreeSet<String>)>,
}

impl Meant {
    fn judge(&self, document: &str) -> Vec<Finding> {
        let policy = match Policy::read(document) {
            Ok(policy) => policy,
            Err(error) => return vec![Finding::TooWide(format!("the trust policy is not understood, so that it counts as open: {error}"))],
        };
        let allows = policy.statements().iter().filter(|statement| statement.effect == Effect::Allow);
        let mut findings: BTreeSet<Finding> = allows.filter_map(|statement| self.excess(statement)).map(Finding::TooWide).collect();
        for request in self.requests() {
            if policy.answer(&request) != Answer::Yes {
                let who = self.keys.last().and_then(|(key, _)| request.context.get(&key.to_lowercase())?.first()).unwrap_or(&self.principal);
                findings.insert(Finding::TooNarrow(format!("{who} may not {}", request.action)));
            }
        }
        findings.into_iter().collect()
    }

    /// Why a statement that allows may let in somebody else.
    fn excess(&self, statement: &Statement) -> Option<String> {
        if statement.not_principal.is_some() || statement.not_action.is_some() {
            return Some("a statement says who or what is not meant, and so lets in all others".to_owned());
        }
        let named = match &statement.principal {
            Some(Principal::Named(pairs)) => pairs.0.as_slice(),
            Some(Principal::Everybody(who)) => return Some(format!("a statement lets in the principal {who:?}")),
            None => return Some("a statement has no principal".to_owned()),
        };
        let other = named.iter().flat_map(|(kind, values)| values.as_slice().iter().map(move |value| (kind, value)));
        if let Some((kind, value)) = other.into_iter().find(|(kind, value)| kind.as_str() != self.kind || **value != self.principal) {
            return Some(format!("a statement lets in the principal {kind} {value:?}, not only {} {:?}", self.kind, self.principal));
        }
        let actions = statement.action.as_ref().map(OneOrMany::as_slice).unwrap_or_default();
        if let Some(action) = actions.iter().find(|action| !self.actions.iter().any(|known| known.eq_ignore_ascii_case(action))) {
            return Some(format!("a statement allows {action:?}, not only {}", self.actions.join(" and ")));
        }
        self.keys.iter().find(|(key, values)| !is_bound(statement, key, values)).map(|(key, values)| {
            let values = values.iter().map(|value| format!("{value:?}")).collect::<Vec<_>>().join(", ");
            format!("a statement is not bound by StringEquals on {key} to {values}")
        })
    }

    fn requests(&self) -> Vec<Request> {
        let caller = match self.kind {
            "Service" => Caller::Service(self.principal.clone()),
            "Federated" => Caller::Federated(self.principal.clone()),
            _ => Caller::Aws(self.principal.clone()),
        };
        let each: Vec<Option<&String>> = match self.keys.last() {
            Some((_, values)) => values.iter().map(Some).collect(),
            None => vec![None],
        };
        let mut requests = Vec::new();
        for action in self.actions {
            for one in &each {
                let mut context = self.keys.iter().filter_map(|(key, values)| Some((key.to_lowercase(), vec![values.first()?.clone()])));
                let mut context: std::collections::BTreeMap<String, Vec<String>> = context.by_ref().collect();
                if let (Some((key, _)), Some(one)) = (self.keys.last(), one) {
                    context.insert(key.to_lowercase(), vec![(*one).clone()]);
                }
                requests.push(Request { caller: caller.clone(), action: (*action).to_owned(), context });
            }
        }
        requests
    }
}

/// Whether a statement holds only where a key is one of these values: an equality without `IfExists` and without a quantifier, since those
/// hold also where the key is missing.
fn is_bound(statement: &Statement, key: &str, values: &BTreeSet<String>) -> bool {
    let equalities = statement.condition.0.iter().filter(|(operator, _)| operator == "StringEquals");
    let mut found = equalities.flat_map(|(_, keys)| keys.0.iter()).filter(|(known, _)| known.eq_ignore_ascii_case(key));
    found.any(|(_, allowed)| {
        let allowed = allowed.as_slice();
        !allowed.is_empty() && allowed.iter().map(Scalar::text).all(|value| values.contains(&value))
    })
}
