//! Which kinds come into being below others. Pure.
//!
//! The agent shows a resource that is not in Git when one of its owners is: it reads every owner up the chain. So what is below is granted
//! together with all that is between, and only in the namespaces of what is above.

use std::collections::{BTreeMap, BTreeSet};

use crate::api::GroupKind;
use crate::api::live_resource_access::ParentChild;

/// As deep as the agent follows owners.
const DEPTH: usize = 5;

/// A kind by its group and its name, and one that comes into being below it.
type Pair = ((&'static str, &'static str), (&'static str, &'static str));

const TABLE: &[Pair] = &[
    (("apps", "Deployment"), ("apps", "ReplicaSet")),
    (("apps", "ReplicaSet"), ("", "Pod")),
    (("apps", "StatefulSet"), ("", "Pod")),
    (("apps", "StatefulSet"), ("apps", "ControllerRevision")),
    (("apps", "DaemonSet"), ("", "Pod")),
    (("apps", "DaemonSet"), ("apps", "ControllerRevision")),
    (("", "ReplicationController"), ("", "Pod")),
    (("batch", "CronJob"), ("batch", "Job")),
    (("batch", "Job"), ("", "Pod")),
    (("", "Service"), ("discovery.k8s.io", "EndpointSlice")),
    (("argoproj.io", "Rollout"), ("apps", "ReplicaSet")),
    (("argoproj.io", "Rollout"), ("argoproj.io", "AnalysisRun")),
    (("argoproj.io", "AnalysisRun"), ("batch", "Job")),
    (("cert-manager.io", "Certificate"), ("cert-manager.io", "CertificateRequest")),
    (("cert-manager.io", "CertificateRequest"), ("acme.cert-manager.io", "Order")),
    (("acme.cert-manager.io", "Order"), ("acme.cert-manager.io", "Challenge")),
];

/// The table, and what an object adds to it, without what it excludes.
#[derive(Clone, Debug)]
pub struct Children {
    below: BTreeMap<GroupKind, BTreeSet<GroupKind>>,
    exclude: BTreeSet<GroupKind>,
    declared: BTreeSet<GroupKind>,
}

impl Children {
    /// The table with these additions and exclusions.
    #[must_use]
    pub fn new(more: &[ParentChild], exclude: &[GroupKind]) -> Self {
        let mut below: BTreeMap<GroupKind, BTreeSet<GroupKind>> = BTreeMap::new();
        for ((group, kind), (child_group, child)) in TABLE {
            below.entry(GroupKind::new(group, kind)).or_default().insert(GroupKind::new(child_group, child));
        }
        for ParentChild { parent, child } in more {
            below.entry(parent.clone()).or_default().insert(child.clone());
        }
        Self { below, exclude: exclude.iter().cloned().collect(), declared: more.iter().map(|pair| pair.child.clone()).collect() }
    }

    /// Whether a kind is never granted.
    #[must_use]
    pub fn excludes(&self, kind: &GroupKind) -> bool {
        self.exclude.contains(kind)
    }

    /// Whether somebody named it as a child, so that it is worth a word where it is not known.
    #[must_use]
    pub fn declares(&self, kind: &GroupKind) -> bool {
        self.declared.contains(kind)
    }

    /// Every kind below one; not beyond what is excluded, for what is below that has an owner whom the agent may not read.
    #[must_use]
    pub fn below(&self, kind: &GroupKind) -> BTreeSet<GroupKind> {
        let mut found = BTreeSet::new();
        let mut layer = BTreeSet::from([kind.clone()]);
        for _ in 0..DEPTH {
            let next = layer.iter().filter_map(|kind| self.below.get(kind)).flatten();
            layer = next.filter(|kind| !self.excludes(kind) && !found.contains(*kind)).cloned().collect();
            found.extend(layer.iter().cloned());
        }
        found
    }
}
