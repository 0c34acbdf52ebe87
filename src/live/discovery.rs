//! The kinds that an API server knows, as its discovery lists them. Pure.
//!
//! A right names the resource in the plural and no version, so what a kind is in any of its versions is what it is.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::APIResource;

use crate::api::GroupKind;

/// What is known of the kinds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Discovery(BTreeMap<String, BTreeMap<String, Known>>);

/// One kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Known {
    /// Its resource in the plural.
    pub plural: String,
    /// Whether it lies in namespaces.
    pub namespaced: bool,
    /// What can be done with it.
    pub verbs: BTreeSet<String>,
    /// What can be done with its subresources, by their names.
    pub below: BTreeMap<String, BTreeSet<String>>,
}

impl Discovery {
    /// Takes in what one group has in one of its versions. What is no resource's name is left out: an API server that is aggregated may
    /// say anything.
    pub fn add(&mut self, group: &str, resources: &[APIResource]) {
        let plain = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '.'));
        if !group.is_empty() && !plain(group) {
            return;
        }
        let kinds = self.0.entry(group.to_owned()).or_default();
        for resource in resources.iter().filter(|r| plain(&r.name)) {
            let known = kinds.entry(resource.kind.clone()).or_default();
            // Of several resources of one kind the first in the alphabet counts, whatever comes first.
            if known.plural.is_empty() || resource.name < known.plural {
                *known = Known { plural: resource.name.clone(), namespaced: resource.namespaced, ..Known::default() };
            }
            if resource.name == known.plural {
                known.verbs.extend(resource.verbs.iter().cloned());
            }
        }
        for resource in resources {
            let Some((plural, below)) = resource.name.split_once('/') else { continue };
            if let Some(known) = kinds.values_mut().find(|known| known.plural == plural)
                && plain(below)
            {
                known.below.entry(below.to_owned()).or_default().extend(resource.verbs.iter().cloned());
            }
        }
    }

    /// Takes over the kinds of a group that another picture knows and this one does not.
    pub fn keep(&mut self, group: &str, other: &Self) {
        let kinds = self.0.entry(group.to_owned()).or_default();
        for (kind, known) in other.0.get(group).into_iter().flatten() {
            kinds.entry(kind.clone()).or_insert_with(|| known.clone());
        }
    }

    /// Whether the API server has a group.
    #[must_use]
    pub fn has_group(&self, group: &str) -> bool {
        self.0.contains_key(group)
    }

    /// Each resource, with its group.
    pub fn resources(&self) -> impl Iterator<Item = (&str, &Known)> {
        self.0.iter().flat_map(|(group, kinds)| kinds.values().filter(|known| !known.plural.is_empty()).map(move |known| (group.as_str(), known)))
    }

    /// The groups of which no kind is known: as a rule their own API server does not answer.
    pub fn without_kinds(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter(|(_, kinds)| kinds.is_empty()).map(|(group, _)| group.as_str())
    }

    /// What is known of a resource, by its plural.
    #[must_use]
    pub fn resource(&self, group: &str, plural: &str) -> Option<&Known> {
        self.0.get(group)?.values().find(|known| known.plural == plural)
    }

    /// What is known of a kind.
    #[must_use]
    pub fn get(&self, group: &str, kind: &str) -> Option<&Known> {
        self.0.get(group)?.get(kind)
    }

    /// The same, of a kind that somebody named.
    #[must_use]
    pub fn of(&self, kind: &GroupKind) -> Option<&Known> {
        self.get(&kind.group, &kind.kind)
    }
}
