//! Which objects count: each is judged for itself. Pure.

use std::sync::Arc;

use super::grant::{self, Access};
use super::world::World;
use crate::api::LiveResourceAccess;
use crate::api::conditions::{Reason, Verdict};
use crate::live::admission::not_enabled;
use crate::reconcile::active::{Circumstances, Standing, age, stand};
use crate::reconcile::clock::Clock;
use crate::reconcile::stop;

/// One object, judged.
#[derive(Clone, Debug)]
pub struct Case {
    /// The object.
    pub access: Arc<LiveResourceAccess>,
    /// The verdict of `Accepted`.
    pub accepted: Verdict,
    /// The verdict of `Active`.
    pub active: Verdict,
    /// What it wants, when it is accepted.
    pub grant: Option<Access>,
    /// Whether it counts at all: accepted, and neither suspended nor only observing, being deleted or over.
    pub standing: bool,
    /// Whether it takes effect now: it stands, and this is one of its times.
    pub effective: bool,
}

impl Case {
    /// Why nothing is set for it now.
    #[must_use]
    pub fn idle(&self) -> Verdict {
        let reason = if self.accepted.holds() { self.active.reason } else { self.accepted.reason };
        Verdict::no(reason, "nothing is set for this object now")
    }
}

/// Judges all objects of the instance, by age.
#[must_use]
pub fn judge(world: &World, clock: Clock) -> Vec<Case> {
    let mut accesses = world.accesses.clone();
    accesses.sort_by(|a, b| age(&a.metadata).cmp(&age(&b.metadata)));
    accesses.into_iter().map(|access| judge_one(world, access, clock)).collect()
}

fn judge_one(world: &World, access: Arc<LiveResourceAccess>, clock: Clock) -> Case {
    let (accepted, grant) = match grant::parse(&access, &world.settings) {
        Ok(grant) => (Verdict::yes(Reason::Valid, "valid, and within the limits of this instance"), Some(grant)),
        Err(refusal) => (refusal, None),
    };
    let circumstances = Circumstances {
        deleted: access.metadata.deletion_timestamp.is_some(),
        instance_going: world.is_going(),
        withdraw_all: world.withdraw_all,
        stopped: not_enabled(&world.settings).or_else(|| world.stopped().map(|why| stop::verdict(world.namespace(), why))),
        suspended: access.spec.suspend,
        mode: access.spec.mode,
    };
    let refused = "nothing is set, since the object is not accepted";
    let Standing { active, standing, effective } = stand(&circumstances, &accepted, grant.as_ref().map(|grant| &grant.times), clock, refused);
    Case { access, accepted, active, grant, standing, effective }
}
