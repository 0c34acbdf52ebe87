//! What the operator holds itself: nobody can give more than that. Pure.

use k8s_openapi::api::rbac::v1::PolicyRule;

use super::rules::{Names, Right};

/// The rights of the operator.
#[derive(Clone, Debug, Default)]
pub struct Ceiling(Vec<PolicyRule>);

impl Ceiling {
    /// Of these rules, such as the API server answers to a review of one's own rules.
    #[must_use]
    pub fn of(rules: Vec<PolicyRule>) -> Self {
        Self(rules)
    }

    /// As if everything might be given: what is declared, whoever gives it.
    #[must_use]
    pub fn unlimited() -> Self {
        let all = || Some(vec!["*".to_owned()]);
        Self(vec![PolicyRule { api_groups: all(), resources: all(), verbs: vec!["*".to_owned()], ..PolicyRule::default() }])
    }

    /// Whether a right may be given. As Kubernetes decides it, one rule has to cover it.
    #[must_use]
    pub fn allows(&self, right: &Right, names: &Names) -> bool {
        let has = |list: Option<&Vec<String>>, text: &str| list.is_some_and(|all| all.iter().any(|one| one == "*" || one == text));
        let covers_resource = |rule: &PolicyRule| {
            let below = right.resource.split_once('/').map(|(_, sub)| format!("*/{sub}"));
            has(rule.resources.as_ref(), &right.resource) || below.is_some_and(|below| rule.resources.iter().flatten().any(|one| *one == below))
        };
        let covers_names = |rule: &PolicyRule| match (rule.resource_names.as_deref(), names) {
            (None | Some([]), _) => true,
            (Some(_), Names::All) => false,
            (Some(held), Names::Only(wanted)) => wanted.iter().all(|name| held.contains(name)),
        };
        let covers = |rule: &PolicyRule| {
            has(rule.api_groups.as_ref(), &right.group) && covers_resource(rule) && has(Some(&rule.verbs), &right.verb) && covers_names(rule)
        };
        self.0.iter().any(covers)
    }
}
