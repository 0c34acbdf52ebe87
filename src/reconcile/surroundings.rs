//! What has to be known of an instance before a value in an object of somebody else may be set. Pure.

use super::contests::Contests;
use super::write::Kind;
use crate::argocd::tracking::Tracking;
use crate::config::ConflictPolicy;

/// The instance around a shared object.
pub trait Surroundings {
    /// How Argo CD marks what it manages itself.
    fn tracking(&self) -> Tracking<'_>;
    /// What the platform admin says of values that somebody else has.
    fn conflict_policy(&self) -> ConflictPolicy;
    /// Who has rewritten what we set, as far as this process remembers.
    fn contests(&self) -> &Contests;
    /// Whether the status of some object says that something of ours was set in an object of this kind.
    fn was_set(&self, kind: Kind) -> bool;
}
