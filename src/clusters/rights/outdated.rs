//! How the roles that are there differ from those that are wanted. Pure.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::rbac::v1::PolicyRule;

use super::{READ, Roles};
use crate::api::cluster_status::RemoteRight;
use crate::api::conditions::shorten;
use crate::clusters::names;
use crate::live::ceiling::Ceiling;
use crate::live::rules::{Names, Right, rights_of};

/// A status holds no more.
const MOST: usize = 64;
/// A name in a role of somebody else may be anything.
const LONGEST: usize = 256;

/// How roles differ from what is wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outdated {
    /// What they lack; `by` is the role.
    pub missing: Vec<RemoteRight>,
    /// What they have and should not.
    pub excess: Vec<RemoteRight>,
    /// Whether there is more of either than is listed.
    pub more: bool,
}

impl Outdated {
    /// Whether they do not differ.
    #[must_use]
    pub fn is_none(&self) -> bool {
        self.missing.is_empty() && self.excess.is_empty()
    }
}

/// Compares the roles that are there (by their names; one that is not there holds nothing) with those that are wanted. How rights are
/// divided into rules does not matter.
#[must_use]
pub fn outdated(wanted: &Roles, held: &BTreeMap<String, Vec<PolicyRule>>) -> Outdated {
    let mut differ = Outdated::default();
    for role in names::ROLES {
        let held = held.get(role).map(Vec::as_slice).unwrap_or_default();
        let there = Ceiling::of(held.to_vec());
        let everything = READ.map(|verb| (Right { group: "*".to_owned(), resource: "*".to_owned(), verb: verb.to_owned() }, Names::All));
        let everything = everything.into_iter().filter(|_| wanted.read_all() && role == names::SYNC);
        let all = everything.chain(wanted.of(role).iter().map(|(right, names)| (right.clone(), names.clone())));
        let missing = all.filter(|(right, names)| !there.allows(right, names)).map(|(right, _)| show(&right, role));
        differ.more |= fill(&mut differ.missing, missing);
        differ.more |= fill(&mut differ.excess, excess(&Ceiling::of(wanted.rules(role)), held, role));
    }
    differ
}

/// Puts in what there is room for, each once, and says whether there was more.
fn fill(list: &mut Vec<RemoteRight>, rights: impl Iterator<Item = RemoteRight>) -> bool {
    let mut new = BTreeSet::new();
    let mut more = false;
    for right in rights {
        if new.contains(&right) {
            continue;
        }
        if list.len() + new.len() >= MOST {
            more = true;
            break;
        }
        new.insert(right);
    }
    list.extend(new);
    more
}

/// What is held beyond what is wanted, lazily: a role of somebody else can say a great deal.
fn excess<'a>(wanted: &'a Ceiling, held: &'a [PolicyRule], role: &'a str) -> impl Iterator<Item = RemoteRight> + 'a {
    held.iter().flat_map(move |rule| {
        let names = match rule.resource_names.as_deref() {
            None | Some([]) => Names::All,
            Some(some) => Names::Only(some.iter().cloned().collect()),
        };
        let urls = rule.non_resource_urls.iter().flatten().map(|url| Right { group: String::new(), resource: url.clone(), verb: "*".to_owned() });
        let beyond = rights_of(rule).filter(move |right| !wanted.allows(right, &names));
        urls.chain(beyond).map(move |right| show(&right, role))
    })
}

fn show(right: &Right, role: &str) -> RemoteRight {
    let short = |text: &str| shorten(text, LONGEST);
    RemoteRight {
        verb: short(&right.verb),
        group: short(&right.group),
        resource: short(&right.resource),
        namespace: String::new(),
        by: format!("ClusterRole {role}"),
    }
}
