//! Whether what a plan gives is still declared when it is given, and what `cluster_io::apply` needs to know of any plan for that. Pure.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::contests::Look;
use super::seen::uid;
use super::unreadable::Unreadable;
use super::write::Write;
use crate::api::STOP;

/// A plan that was not applied yet, of whatever resource. Only by being applied does it become one from which a status is made.
pub trait Plan: Sized {
    /// The resource whose objects declare what the plan gives.
    type Object;
    /// The same plan, after its writes were sent.
    type Applied;

    /// The writes, in their order.
    fn writes(&self) -> &[Write];

    /// Leaves out the writes that are not to be sent.
    fn retain(&mut self, keep: impl FnMut(&Write) -> bool);

    /// When the plan will be another one, if nothing but time passes.
    fn next(&self) -> Option<jiff::Timestamp>;

    /// What was seen of values that somebody else may rewrite.
    fn looks(&self) -> &[Look];

    /// Objects that cannot be parsed.
    fn unreadable(&self) -> &[Unreadable];

    /// Whether every object for which the plan gives something is still as the plan saw it.
    fn is_still_declared<'a>(&self, objects: impl Iterator<Item = &'a ObjectMeta>, argocd_cm: Option<&ObjectMeta>, now: jiff::Timestamp) -> bool;

    /// After its writes were sent.
    fn applied(self) -> Self::Applied;
}

/// Whether every object that counts is still as a plan saw it, and is not to go. Between the look and the write the process may have been
/// stopped for hours; what was declared then is no reason to give anything now. A withdrawal needs no such question. `next`: when the plan
/// is another one by itself; `argocd_cm`: the ConfigMap that says whether everything is stopped.
pub fn still<'a, 'b>(
    counted: impl IntoIterator<Item = &'a ObjectMeta>,
    next: Option<jiff::Timestamp>,
    objects: impl IntoIterator<Item = &'b ObjectMeta>,
    argocd_cm: Option<&ObjectMeta>,
    now: jiff::Timestamp,
) -> bool {
    if next.is_some_and(|next| next <= now) || argocd_cm.is_some_and(|meta| meta.annotations.as_ref().is_some_and(|a| a.contains_key(STOP))) {
        return false;
    }
    let there: BTreeMap<&str, &ObjectMeta> = objects.into_iter().map(|meta| (uid(meta), meta)).collect();
    let is_still =
        |then: &ObjectMeta| there.get(uid(then)).is_some_and(|meta| meta.generation == then.generation && meta.deletion_timestamp.is_none());
    counted.into_iter().all(is_still)
}
