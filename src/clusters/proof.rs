//! What a credential can do in the remote cluster, as it was seen with the credential itself, and what follows from it. Pure.
//!
//! It is asked for its rules in each namespace (SelfSubjectRulesReview), and for those of the whole cluster in a namespace that cannot be.
//! Where an authorizer cannot list its rules, single questions complete them. For an identity that cannot be had here (EKS) its rights are
//! reviewed one by one by the operator's own.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::rbac::v1::PolicyRule;

use super::rights::{Roles, questions};
use crate::api::RemoteRight;
use crate::api::cluster_access::Permissions;
use crate::api::conditions::{Reason, shorten};
use crate::live::ceiling::Ceiling;
use crate::live::review::Question;
use crate::live::rules::{Names, Right, rights_of};

/// The whole cluster, among the places.
pub const WIDE: &str = "";

/// What was seen.
#[derive(Clone, Debug, Default)]
pub struct Proof {
    /// Who it is, as the remote cluster says it.
    pub subject: String,
    /// What it may do, by namespace; [`WIDE`]: everywhere.
    pub places: BTreeMap<String, Place>,
    /// Who allows what is too much, as far as the API server says it.
    pub by: BTreeMap<RemoteRight, String>,
}

/// What it may do in one place.
#[derive(Clone, Debug, Default)]
pub struct Place {
    /// By rules.
    pub rules: Ceiling,
    /// Why the rules are not all; `None`: they are.
    pub incomplete: Option<String>,
    /// What was asked by itself.
    pub single: BTreeMap<Right, bool>,
}

impl Place {
    /// Whether a right is held; `None`: that is not known.
    #[must_use]
    pub fn holds(&self, right: &Right) -> Option<bool> {
        if let Some(answer) = self.single.get(right) {
            return Some(*answer);
        }
        let by_rule = self.rules.allows(right, &Names::All);
        if by_rule || self.incomplete.is_none() { Some(by_rule) } else { None }
    }

    /// Whether everything of such a verb may be done.
    fn holds_everything(&self, verb: &str) -> bool {
        self.holds(&everything(verb)) == Some(true)
    }
}

/// A right to resources of every kind: no declaration but `read: Wildcard` comes to one.
fn everything(verb: &str) -> Right {
    Right { group: "*".to_owned(), resource: "*".to_owned(), verb: verb.to_owned() }
}

fn right(group: &str, resource: &str, verb: &str) -> Right {
    Right { group: group.to_owned(), resource: resource.to_owned(), verb: verb.to_owned() }
}

/// What is asked of one place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// What must be held.
    pub must: BTreeSet<Right>,
    /// What must not be, the widest first, and what is said where it is.
    pub must_not: Vec<(Right, Reason)>,
}

/// What is declared, as a proof is held against it.
#[derive(Clone, Copy, Debug)]
pub struct Declared<'a> {
    /// The permissions.
    pub permissions: &'a Permissions,
    /// What the four roles should hold.
    pub wanted: &'a Roles,
    /// What must be held for Argo CD to look at a namespace: the roles as they are there, or as they should be where others keep them.
    pub least: &'a [PolicyRule],
    /// The namespaces; none where everything is meant.
    pub namespaces: &'a BTreeSet<String>,
    /// Whether the whole cluster is meant.
    pub wide: bool,
    /// Where a terminal is to be possible.
    pub exec: &'a BTreeSet<String>,
}

/// What follows for one namespace.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Whether everything that the roles hold may be done.
    pub deploy: Option<bool>,
    /// Whether a terminal may be opened.
    pub exec: Option<bool>,
}

/// What follows in all.
#[derive(Clone, Debug, Default)]
pub struct Judged {
    /// By namespace; [`WIDE`]: everywhere.
    pub places: BTreeMap<String, Found>,
    /// What is declared and not held.
    pub missing: BTreeSet<RemoteRight>,
    /// What is held and not declared, and what it is.
    pub excess: BTreeMap<RemoteRight, Reason>,
    /// Places of which not everything is known, and why.
    pub unknown: BTreeMap<String, String>,
}

/// The places that have to be looked at.
#[must_use]
pub fn places(declared: &Declared<'_>) -> BTreeSet<String> {
    declared.namespaces.iter().chain(declared.exec).cloned().chain([WIDE.to_owned()]).collect()
}

fn shown(right: &Right, namespace: &str) -> RemoteRight {
    RemoteRight {
        verb: shorten(&right.verb, 64),
        group: shorten(&right.group, 253),
        resource: shorten(&right.resource, 253),
        namespace: namespace.to_owned(),
        by: String::new(),
    }
}

/// What is asked of a place.
#[must_use]
pub fn asked(declared: &Declared<'_>, namespace: &str) -> Asked {
    let granted = namespace == WIDE || declared.wide || declared.namespaces.contains(namespace);
    let place = questions::Place { namespace, granted, exec: declared.exec.contains(namespace) };
    let right = |question: Question| Right { group: question.group, resource: question.resource, verb: question.verb };
    Asked {
        must: questions::positive(declared.permissions, declared.wanted, place).into_iter().map(right).collect(),
        must_not: questions::negative(declared.permissions, place).into_iter().map(|(question, reason)| (right(question), reason)).collect(),
    }
}

/// What follows from a proof.
#[must_use]
pub fn judge(declared: &Declared<'_>, proof: &Proof) -> Judged {
    let mut judged = Judged::default();
    for namespace in places(declared) {
        let Some(place) = proof.places.get(&namespace) else {
            judged.unknown.insert(namespace, "not asked yet".to_owned());
            continue;
        };
        let Asked { must, must_not } = asked(declared, &namespace);
        let mut open = false;
        for right in &must {
            match place.holds(right) {
                Some(true) => {}
                Some(false) => drop(judged.missing.insert(shown(right, &namespace))),
                None => open = true,
            }
        }
        for (right, reason) in must_not {
            match place.holds(&right) {
                Some(true) => {
                    // One that holds everything holds each: the first says it.
                    let told = reason != Reason::HoldsWildcard && place.holds_everything(&right.verb);
                    if !told {
                        judged.excess.insert(shown(&right, &namespace), reason);
                    }
                }
                Some(false) => {}
                None => open = true,
            }
        }
        if open {
            let why = place.incomplete.clone().unwrap_or_default();
            judged.unknown.insert(namespace.clone(), why);
        }
        let deploys = if namespace == WIDE { declared.wide } else { declared.namespaces.contains(&namespace) };
        let found = Found {
            deploy: deploys.then(|| least(declared.least, place)).flatten(),
            exec: declared.exec.contains(&namespace).then(|| terminal(place)).flatten(),
        };
        if found != Found::default() {
            judged.places.insert(namespace, found);
        }
    }
    for (right, by) in &proof.by {
        if let Some(reason) = judged.excess.remove(right) {
            judged.excess.insert(RemoteRight { by: shorten(by, 512), ..right.clone() }, reason);
        }
    }
    judged
}

/// Whether what the roles hold is held in a place.
fn least(rules: &[PolicyRule], place: &Place) -> Option<bool> {
    let mut known = true;
    for right in rules.iter().flat_map(rights_of) {
        match place.holds(&right) {
            Some(true) => {}
            Some(false) => return Some(false),
            None => known = false,
        }
    }
    known.then_some(!rules.is_empty())
}

/// Whether a terminal may be opened in a place.
fn terminal(place: &Place) -> Option<bool> {
    let all = [right("", "pods", "get"), right("", "pods/exec", "get"), right("", "pods/exec", "create")];
    let answers: Vec<Option<bool>> = all.iter().map(|right| place.holds(right)).collect();
    if answers.contains(&Some(false)) { Some(false) } else { answers.into_iter().collect::<Option<Vec<bool>>>().map(|_| true) }
}
