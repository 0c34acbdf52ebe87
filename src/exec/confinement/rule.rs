//! The text of the admission policy: which ServiceAccounts it is about, and where these may exec. Written, and read back. Pure.

use std::collections::BTreeSet;

use k8s_openapi::api::admissionregistration::v1::{
    MatchCondition, MatchResources, NamedRuleWithOperations, ValidatingAdmissionPolicyBindingSpec, ValidatingAdmissionPolicySpec, Validation,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;

/// An expression is kept shorter than this. The API server takes up to 100,000 code points; the rest is for a cost limit that may come.
pub const EXPRESSION_LIMIT: usize = 60_000;

/// The list operator of CEL that both expressions use.
const IN: &str = " in ['";
const END: &str = "']";
const BETWEEN: &str = "','";
const USER: &str = "request.userInfo.username";
const NAMESPACE: &str = "request.namespace";
/// An empty list has no type of its own in CEL.
const NOWHERE: &str = "false";

/// A name that carries nothing but itself into an expression: lower-case letters, digits, `-` and `.`, as Kubernetes has them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(String);

impl Name {
    /// Takes a text for a name, if it is one.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let fits = (1..=253).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'.');
        fits.then(|| Self(text.to_owned()))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What the policy of one instance says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rule {
    /// The ServiceAccounts of argocd-server that it is about.
    pub accounts: BTreeSet<Name>,
    /// The namespaces in which they may exec.
    pub namespaces: BTreeSet<Name>,
}

impl Rule {
    /// The policy. Every field that the API server would fill in stands here, so that what comes back can be compared.
    ///
    /// Only `pods/exec`: Argo CD's terminal uses nothing else.
    #[must_use]
    pub fn spec(&self, instance: &str) -> ValidatingAdmissionPolicySpec {
        let one = |text: &str| Some(vec![text.to_owned()]);
        let exec = NamedRuleWithOperations {
            api_groups: one(""),
            api_versions: one("v1"),
            operations: one("CONNECT"),
            resources: one("pods/exec"),
            scope: Some("*".to_owned()),
            ..NamedRuleWithOperations::default()
        };
        let message =
            format!("no ExecAccess in effect lets the Argo CD of namespace {instance} open a terminal here (argocd-access-operator, confine: true)");
        ValidatingAdmissionPolicySpec {
            failure_policy: Some("Fail".to_owned()),
            match_constraints: Some(MatchResources {
                resource_rules: Some(vec![exec]),
                match_policy: Some("Equivalent".to_owned()),
                namespace_selector: Some(LabelSelector::default()),
                object_selector: Some(LabelSelector::default()),
                ..MatchResources::default()
            }),
            match_conditions: Some(vec![MatchCondition { name: "argocd-server".to_owned(), expression: self.whom(instance) }]),
            validations: Some(vec![Validation { expression: self.places(), message: Some(message), ..Validation::default() }]),
            ..ValidatingAdmissionPolicySpec::default()
        }
    }

    fn whom(&self, instance: &str) -> String {
        list(USER, self.accounts.iter().map(|a| format!("{}{}", prefix(instance), a.as_str())))
    }

    /// The expression that allows.
    #[must_use]
    pub fn places(&self) -> String {
        list(NAMESPACE, self.namespaces.iter().map(|n| n.as_str().to_owned()))
    }

    /// Reads a policy that is exactly of this form; `None`: somebody has changed it.
    #[must_use]
    pub fn read(spec: &ValidatingAdmissionPolicySpec, instance: &str) -> Option<Self> {
        let rule = Self { accounts: accounts(spec, instance)?, namespaces: names(NAMESPACE, &spec.validations.as_ref()?.first()?.expression, "")? };
        (rule.spec(instance) == *spec).then_some(rule)
    }
}

/// The ServiceAccounts that a policy is about, whatever else has become of it.
#[must_use]
pub fn accounts(spec: &ValidatingAdmissionPolicySpec, instance: &str) -> Option<BTreeSet<Name>> {
    names(USER, &spec.match_conditions.as_ref()?.first()?.expression, &prefix(instance))
}

/// The binding: it denies, everywhere.
#[must_use]
pub fn binding_spec(policy: &str) -> ValidatingAdmissionPolicyBindingSpec {
    ValidatingAdmissionPolicyBindingSpec {
        policy_name: Some(policy.to_owned()),
        validation_actions: Some(vec!["Deny".to_owned()]),
        ..ValidatingAdmissionPolicyBindingSpec::default()
    }
}

/// Adds one name after the other while the expression stays within its limit; returns those that did not fit.
#[must_use]
pub fn fit(names: impl IntoIterator<Item = Name>) -> (BTreeSet<Name>, BTreeSet<Name>) {
    let (mut fitting, mut beyond) = (BTreeSet::new(), BTreeSet::new());
    let mut size = NAMESPACE.len() + IN.len() + END.len();
    for name in names {
        if fitting.contains(&name) {
            continue;
        }
        let more = name.as_str().len() + BETWEEN.len();
        if size + more <= EXPRESSION_LIMIT {
            size += more;
            fitting.insert(name);
        } else {
            beyond.insert(name);
        }
    }
    (fitting, beyond)
}

fn prefix(instance: &str) -> String {
    format!("system:serviceaccount:{instance}:")
}

fn list(of: &str, elements: impl Iterator<Item = String>) -> String {
    let elements: Vec<String> = elements.collect();
    if elements.is_empty() { NOWHERE.to_owned() } else { format!("{of}{IN}{}{END}", elements.join(BETWEEN)) }
}

fn names(of: &str, text: &str, prefix: &str) -> Option<BTreeSet<Name>> {
    if text == NOWHERE {
        return Some(BTreeSet::new());
    }
    let inner = text.strip_prefix(of)?.strip_prefix(IN)?.strip_suffix(END)?;
    inner.split(BETWEEN).map(|element| Name::parse(element.strip_prefix(prefix)?)).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn a_name() -> impl Strategy<Value = String> {
        "[a-z0-9]([-a-z0-9.]{0,20}[a-z0-9])?"
    }

    proptest! {
        #[test]
        fn a_policy_is_read_back_as_it_was_meant(accounts in proptest::collection::btree_set(a_name(), 0..4), namespaces in proptest::collection::btree_set(a_name(), 0..40)) {
            let names = |of: &BTreeSet<String>| of.iter().map(|n| Name::parse(n).unwrap()).collect();
            let rule = Rule { accounts: names(&accounts), namespaces: names(&namespaces) };
            prop_assert_eq!(Rule::read(&rule.spec("argocd"), "argocd"), Some(rule.clone()));
            if !accounts.is_empty() {
                prop_assert_eq!(Rule::read(&rule.spec("argocd"), "other"), None, "another instance's accounts");
            }
        }

        #[test]
        fn no_text_becomes_more_than_a_name(text in prop_oneof![".*", "[a-z'\\]\\[|, ]{0,12}"]) {
            if let Some(name) = Name::parse(&text) {
                let rule = Rule { accounts: [name.clone()].into(), namespaces: [name].into() };
                prop_assert_eq!(rule.places().matches('\'').count(), 2);
                prop_assert_eq!(rule.places(), format!("request.namespace in ['{text}']"));
            } else {
                prop_assert!(text.is_empty() || text.len() > 253 || text.chars().any(|c| !(c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.')));
            }
        }

        #[test]
        fn what_fits_is_a_beginning_of_what_is_wanted_and_stays_within_the_limit(sizes in proptest::collection::vec(1_usize..=63, 0..2500)) {
            let names: Vec<Name> = sizes.iter().enumerate().map(|(i, size)| Name::parse(&format!("{i:04}{}", "x".repeat(size.saturating_sub(4)))).unwrap()).collect();
            let (fitting, beyond) = fit(names.clone());
            let rule = Rule { accounts: BTreeSet::new(), namespaces: fitting.clone() };
            prop_assert!(rule.places().len() <= EXPRESSION_LIMIT);
            prop_assert_eq!(fitting.len() + beyond.len(), names.len());
            if let Some(first) = names.iter().position(|n| beyond.contains(n)) {
                prop_assert!(names[..first].iter().all(|n| fitting.contains(n)));
                prop_assert!(rule.places().len() + 70 > EXPRESSION_LIMIT, "there was room");
            }
        }
    }
}
