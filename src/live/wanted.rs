//! What a derivation comes to: the rights of the agent, namespace by namespace, and what was left out. Pure data.

use std::collections::{BTreeMap, BTreeSet};

use super::rules::Rules;
use crate::api::live_status::{NotGranted, Ungranted};
use crate::api::{Feature, GroupKind};

/// So much that is not granted is kept; a person reads far less.
const MOST_NOT_GRANTED: usize = 1000;

/// What is derived for one object, or for all of an instance.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// What the agent may do in which namespace.
    pub namespaces: BTreeMap<String, Place>,
    /// What it may read without a namespace; always by names.
    pub cluster: Rules,
    /// What the Applications have and is not granted.
    pub not_granted: BTreeSet<NotGranted>,
    /// Namespaces that do not exist, or are going.
    pub missing: BTreeSet<String>,
    /// How many Applications are meant.
    pub selected: usize,
    /// How many of them name no resource.
    pub without_resources: usize,
    /// Applications that claim more than any has: they count for nothing.
    pub crowded: BTreeSet<String>,
    /// Set when it is too much. Then nothing is granted.
    pub too_many: Option<TooMany>,
}

/// Of what there is too much.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TooMany {
    /// Kinds in namespaces: so many.
    Pairs(usize),
    /// Names, in one role: that of this namespace, or of the cluster where it is empty.
    Names(String),
}

/// What the agent may do in one namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// The rules of the Role.
    pub rules: Rules,
    /// What works there. `Events`, `Logs` and `Terminal` come by bindings to roles of the chart.
    pub features: BTreeSet<Feature>,
}

impl Place {
    /// Adds what another object grants here.
    pub fn unite(&mut self, other: &Self) {
        self.rules.unite(&other.rules);
        self.features.extend(&other.features);
    }

    /// Whether all of this is in the other.
    #[must_use]
    pub fn is_within(&self, other: &Self) -> bool {
        self.rules.are_within(&other.rules) && self.features.is_subset(&other.features)
    }
}

impl Wanted {
    /// Adds the rights that another object grants; what is left out stays its own.
    pub fn unite(&mut self, other: &Self) {
        for (namespace, place) in &other.namespaces {
            self.namespaces.entry(namespace.clone()).or_default().unite(place);
        }
        self.cluster.unite(&other.cluster);
    }

    /// Whether all rights of this are in the other.
    #[must_use]
    pub fn is_within(&self, other: &Self) -> bool {
        self.cluster.are_within(&other.cluster)
            && self.namespaces.iter().all(|(namespace, place)| other.namespaces.get(namespace).is_some_and(|theirs| place.is_within(theirs)))
    }

    /// Notes a namespace that is not there; of too many the last in the order goes.
    pub fn miss(&mut self, namespace: &str) {
        self.missing.insert(namespace.to_owned());
        if self.missing.len() > MOST_NOT_GRANTED {
            self.missing.pop_last();
        }
    }

    /// Notes what is not granted. What there is no room for is the last in the order, whatever came first.
    pub fn leave_out(&mut self, kind: &GroupKind, namespace: &str, feature: Feature, reason: Ungranted) {
        let (group, kind) = (kind.group.clone(), kind.kind.clone());
        self.not_granted.insert(NotGranted { group, kind, namespace: namespace.to_owned(), feature, reason });
        if self.not_granted.len() > MOST_NOT_GRANTED {
            self.not_granted.pop_last();
        }
    }
}
