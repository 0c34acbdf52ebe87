//! Which objects take effect: each is judged for itself. Pure.

use std::sync::Arc;

use super::grant::{self, Access};
use super::world::World;
use crate::api::LiveResourceAccess;
use crate::api::conditions::{Reason, Verdict};
use crate::config::InstanceConfig;
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
    /// What it grants, when it is accepted.
    pub grant: Option<Access>,
    /// The verdict of `InstanceReady`, where it is another one than that of all: it means another agent than the older ones, or none.
    pub instance: Option<Verdict>,
    /// Whether it counts at all: accepted, and neither suspended nor only observing, being deleted or over.
    pub standing: bool,
    /// Whether it takes effect now: it stands, and this is one of its times.
    pub effective: bool,
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
        instance_going: world.is_going(world.namespace()),
        withdraw_all: world.withdraw_all,
        stopped: not_enabled(&world.settings).or_else(|| world.stopped().map(|why| stop::verdict(world.namespace(), why))),
        suspended: access.spec.suspend,
        mode: access.spec.mode,
    };
    let refused = "nothing is granted, since the object is not accepted";
    let Standing { active, standing, effective } = stand(&circumstances, &accepted, grant.as_ref().map(|grant| &grant.times), clock, refused);
    Case { access, accepted, active, grant, instance: None, standing, effective }
}

/// What is said where the resource is not served.
#[must_use]
pub fn not_enabled(settings: &InstanceConfig) -> Option<Verdict> {
    let message = "this operator does not serve LiveResourceAccess; everything is withdrawn: set the chart value live.enabled to true";
    (!settings.live.enabled).then(|| Verdict::no(Reason::NotEnabled, message))
}
