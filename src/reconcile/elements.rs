//! Elements of ours in a list that belongs to somebody else: rules of argocd-server's own roles, roles of an AppProject. Pure.
//!
//! To the API server such a list is one value, so whoever applies it replaces it as a whole. The list is never restored from a memory:
//! exactly our own elements are taken out of what stands there. Whether they may be put in is decided by the table that holds for every
//! other value ([`crate::ownership::decision`]).

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::contests::{Look, version};
use super::seen::uid;
use super::surroundings::Surroundings;
use super::withheld::Withheld;
use super::write::Target;
use crate::ownership::{Course, Holding, Keeper, Manner, course};

/// A list, and how our elements stand in it.
#[derive(Clone, Copy, Debug)]
pub struct List<'a> {
    /// The object.
    pub target: &'a Target,
    /// Its metadata, with managedFields.
    pub meta: &'a ObjectMeta,
    /// Where the list is, such as `["spec", "roles"]`.
    pub path: &'a [&'a str],
    /// Whether there is such a list at all.
    pub present: bool,
    /// Whether elements of ours were put into it, as far as it is remembered.
    pub added: bool,
    /// Whether every element that is wanted is in it.
    pub complete: bool,
    /// What is wanted, for a message: a few words.
    pub what: &'a str,
}

/// Whether elements may be put into a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Permit {
    /// They may; and whether our managedFields entry may stay.
    Put(Manner),
    /// They may not.
    Withheld(Withheld),
}

/// Decides, and notes in `looks` what was seen, so that a quarrel is found out. To be asked only while elements are wanted; taking them
/// out again needs no permit. What is put in when the answer is [`Permit::Put`] must go out in a write to `list.target`.
#[must_use]
pub fn permit(around: &impl Surroundings, list: List<'_>, looks: &mut Vec<Look>) -> Permit {
    let tracking = around.tracking();
    let holding = Holding::of(list.target.place(), list.meta, &tracking);
    let stands = list.added && list.complete;
    let mut look = Look {
        field: (list.target.clone(), list.path.join("/")),
        uid: uid(list.meta).to_owned(),
        version: version(list.meta),
        stands,
        by: holding.last_writer(list.path),
        sets: false,
        back: false,
        note: None,
        next: None,
    };
    let owner = holding.owner(list.path, list.present, stands);
    let policy = around.conflict_policy();
    // Who applies such a list meets a conflict with our entry, whoever they are; only an Application that leaves the list to our manager
    // needs to see it there.
    let manner = if matches!(holding.keeper(), Keeper::ArgoCD(_)) { Manner::Own } else { Manner::Yield };
    let permit = if list.complete {
        Permit::Put(manner)
    } else if course(&owner, policy) == Course::Defer {
        Permit::Withheld(Withheld::deferred(&owner, policy, list.target.place(), list.path, list.what))
    } else if let Some(rival) = around.contests().rival(&look) {
        Permit::Withheld(Withheld::contended(&rival, list.target.place(), list.path, list.what))
    } else {
        look.sets = true;
        Permit::Put(manner)
    };
    looks.push(look);
    permit
}
