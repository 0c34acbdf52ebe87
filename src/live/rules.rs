//! Rights as a set: every one by its group, its resource and its verb, for all names or for some. Pure.
//!
//! Rights add up and are never subtracted, so whatever is united in whatever order is the same. A wildcard cannot be written.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::rbac::v1::PolicyRule;

/// For which names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Names {
    /// For these; never none.
    Only(BTreeSet<String>),
    /// For each.
    All,
}

/// One right.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Right {
    /// The API group.
    pub group: String,
    /// The resource in the plural, with its subresource if any, such as `pods/log`.
    pub resource: String,
    /// The verb.
    pub verb: String,
}

/// A set of rights.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules(BTreeMap<Right, Names>);

impl Names {
    fn add(&mut self, other: &Self) {
        match (&mut *self, other) {
            (Self::All, _) => {}
            (_, Self::All) => *self = Self::All,
            (Self::Only(these), Self::Only(those)) => these.extend(those.iter().cloned()),
        }
    }

    /// Whether these are among the others.
    #[must_use]
    pub fn are_within(&self, other: &Self) -> bool {
        match (self, other) {
            (_, Self::All) => true,
            (Self::All, Self::Only(_)) => false,
            (Self::Only(these), Self::Only(those)) => these.is_subset(those),
        }
    }
}

impl Right {
    /// A right, unless a part of it is a wildcard or empty.
    #[must_use]
    pub fn new(group: &str, resource: &str, verb: &str) -> Option<Self> {
        let plain = |text: &str| !text.contains('*');
        let whole = plain(group) && plain(resource) && plain(verb) && !resource.is_empty() && !verb.is_empty();
        whole.then(|| Self { group: group.to_owned(), resource: resource.to_owned(), verb: verb.to_owned() })
    }
}

impl Rules {
    /// No right at all.
    #[must_use]
    pub const fn none() -> Self {
        Self(BTreeMap::new())
    }

    /// Adds a right.
    pub fn add(&mut self, right: Right, names: &Names) {
        if matches!(names, Names::Only(some) if some.is_empty()) {
            return;
        }
        match self.0.get_mut(&right) {
            Some(known) => known.add(names),
            None => drop(self.0.insert(right, names.clone())),
        }
    }

    /// Adds all of another set.
    pub fn unite(&mut self, other: &Self) {
        for (right, names) in &other.0 {
            self.add(right.clone(), names);
        }
    }

    /// Whether all of these are among the others.
    #[must_use]
    pub fn are_within(&self, other: &Self) -> bool {
        self.0.iter().all(|(right, names)| other.0.get(right).is_some_and(|theirs| names.are_within(theirs)))
    }

    /// Whether there is no right.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Each right.
    pub fn iter(&self) -> impl Iterator<Item = (&Right, &Names)> {
        self.0.iter()
    }

    /// How much room the names take that are written out, each with its quotes.
    #[must_use]
    pub fn bytes_of_names(&self) -> usize {
        let bytes = |rule: &PolicyRule| rule.resource_names.iter().flatten().map(|name| name.len() + 3).sum::<usize>();
        self.render().iter().map(bytes).sum()
    }

    /// As a Role has them: resources of one group that have the same verbs and names in one rule; in a fixed order.
    #[must_use]
    pub fn render(&self) -> Vec<PolicyRule> {
        let mut by_resource: BTreeMap<(&str, &Names, &str), BTreeSet<&str>> = BTreeMap::new();
        for (right, names) in &self.0 {
            by_resource.entry((&right.group, names, &right.resource)).or_default().insert(&right.verb);
        }
        let mut rules: BTreeMap<(&str, BTreeSet<&str>, &Names), BTreeSet<&str>> = BTreeMap::new();
        for ((group, names, resource), verbs) in by_resource {
            rules.entry((group, verbs, names)).or_default().insert(resource);
        }
        let owned = |texts: BTreeSet<&str>| texts.into_iter().map(ToOwned::to_owned).collect();
        let rule = |((group, verbs, names), resources): ((&str, BTreeSet<&str>, &Names), BTreeSet<&str>)| PolicyRule {
            api_groups: Some(vec![group.to_owned()]),
            resources: Some(owned(resources)),
            resource_names: if let Names::Only(some) = names { Some(some.iter().cloned().collect()) } else { None },
            verbs: owned(verbs),
            non_resource_urls: None,
        };
        rules.into_iter().map(rule).collect()
    }

    /// What a Role says; `None` where it says more than such a set can hold: a wildcard, or a URL.
    #[must_use]
    pub fn parse(rules: &[PolicyRule]) -> Option<Self> {
        let mut all = Self::default();
        for rule in rules {
            if rule.non_resource_urls.as_ref().is_some_and(|urls| !urls.is_empty()) {
                return None;
            }
            let names = match rule.resource_names.as_deref() {
                None | Some([]) => Names::All,
                Some(some) => Names::Only(some.iter().cloned().collect()),
            };
            for right in rights_of(rule) {
                all.add(Right::new(&right.group, &right.resource, &right.verb)?, &names);
            }
        }
        Some(all)
    }
}

/// Every right of a rule, each once.
pub fn rights_of(rule: &PolicyRule) -> impl Iterator<Item = Right> {
    let each = |texts: Option<&Vec<String>>| texts.into_iter().flatten().cloned().collect::<BTreeSet<_>>();
    let (groups, resources, verbs) = (each(rule.api_groups.as_ref()), each(rule.resources.as_ref()), each(Some(&rule.verbs)));
    groups.into_iter().flat_map(move |group| {
        let (resources, verbs) = (resources.clone(), verbs.clone());
        resources.into_iter().flat_map(move |resource| {
            let (group, verbs) = (group.clone(), verbs.clone());
            verbs.into_iter().map(move |verb| Right { group: group.clone(), resource: resource.clone(), verb })
        })
    })
}
