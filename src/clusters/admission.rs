//! Whether an object counts: judged for itself, and beside the others of the instance. Pure.

use std::sync::Arc;

use super::grant::{self, Grant, Identity};
use super::world::World;
use crate::api::ClusterAccess;
use crate::api::conditions::{Reason, Verdict};
use crate::reconcile::active::{Circumstances, Standing, age, stand};
use crate::reconcile::clock::Clock;
use crate::reconcile::stop;

/// One object, judged.
#[allow(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
#[derive(Clone, Debug)]
pub struct Case {
    /// The object.
    pub access: Arc<ClusterAccess>,
    /// Where everything of it is.
    pub id: Identity,
    /// The verdict of `Accepted`.
    pub accepted: Verdict,
    /// The verdict of `Active`.
    pub active: Verdict,
    /// What it declares, when it is accepted.
    pub grant: Option<Grant>,
    /// Whether the cluster is kept for it: the Secret and the credential in it. They stay while its permissions are withdrawn.
    pub kept: bool,
    /// Whether its permissions are in effect now.
    pub effective: bool,
    /// Whether everything of it is to go.
    pub going: bool,
    /// Whether its permissions would be in effect if it were not.
    pub lasting: bool,
}

impl Case {
    /// Why nothing is given for it now.
    #[must_use]
    pub fn idle(&self) -> Verdict {
        let reason = if self.accepted.holds() { self.active.reason } else { self.accepted.reason };
        Verdict::no(reason, "the object has no permissions in the remote cluster now")
    }
}

/// Judges the object of a world.
#[must_use]
pub fn judge(world: &World, access: &Arc<ClusterAccess>, clock: Clock) -> Case {
    let judged = grant::parse(access, &world.settings).and_then(|grant| alone(world, access, &grant).map(|()| grant));
    let judged = judged.and_then(|grant| not_the_hub(world).map(|()| grant));
    let (accepted, grant) = match judged {
        Ok(grant) => (Verdict::yes(Reason::Valid, "valid, and within the limits of this instance"), Some(grant)),
        Err(refusal) => (refusal, None),
    };
    let deleted = access.metadata.deletion_timestamp.is_some();
    let circumstances = Circumstances {
        deleted,
        instance_going: world.exec.is_going(world.namespace()),
        withdraw_all: world.withdraw_all,
        stopped: not_enabled(world).or_else(|| world.stopped().map(|why| stop::verdict(world.namespace(), why))),
        suspended: access.spec.suspend,
        mode: access.spec.mode,
    };
    let refused = "the object has no permissions in the remote cluster, since it is not accepted";
    let times = grant.as_ref().map(|grant| &grant.times);
    let Standing { active, effective, .. } = stand(&circumstances, &accepted, times, clock, refused);
    let going = deleted || world.ending();
    let otherwise = Circumstances { deleted: false, instance_going: false, withdraw_all: false, ..circumstances };
    let lasting = stand(&otherwise, &accepted, times, clock, refused).effective;
    let kept = accepted.holds() && !going && world.settings.cluster_access.enabled && access.spec.mode == crate::api::Mode::Enforce;
    Case { id: Identity::of(access), access: Arc::clone(access), accepted, active, grant, kept, effective, going, lasting }
}

/// What is said while the resource is not served.
fn not_enabled(world: &World) -> Option<Verdict> {
    let message = "ClusterAccess is not served by this installation of the operator; the platform admin sets the Helm value clusterAccess.enabled";
    (!world.settings.cluster_access.enabled).then(|| Verdict::no(Reason::NotEnabled, message))
}

/// Behind whatever address: the cluster in which Argo CD runs is known by the uid of its namespace kube-system.
fn not_the_hub(world: &World) -> Result<(), Verdict> {
    let manager = world.manager.as_ref().ok().and_then(Option::as_ref);
    let system = world.exec.namespaces.iter().flatten().find(|namespace| namespace.metadata.name.as_deref() == Some("kube-system"));
    let uid = system.and_then(|namespace| namespace.metadata.uid.as_deref());
    match (manager, uid) {
        (Some(manager), Some(uid)) if manager.cluster_uid == uid => Err(Verdict::no(
            Reason::Invalid,
            "spec.server leads to the cluster in which Argo CD runs; what counts there is the right of Argo CD's own ServiceAccounts",
        )),
        _ => Ok(()),
    }
}

/// An older object has the same cluster: the name in Argo CD, the address, or the Secret.
fn alone(world: &World, access: &Arc<ClusterAccess>, grant: &Grant) -> Result<(), Verdict> {
    let mine = age(&access.metadata);
    let older = world.all.iter().filter(|other| age(&other.metadata) < mine && other.metadata.uid != access.metadata.uid);
    for other in older {
        let id = Identity::of(other);
        let same = if id.server == grant.id.server {
            "server"
        } else if id.cluster == grant.id.cluster {
            "name"
        } else if id.secret == grant.id.secret {
            "Secret"
        } else {
            continue;
        };
        let name = other.metadata.name.as_deref().unwrap_or_default();
        return Err(Verdict::no(Reason::DuplicateServer, format!("the older ClusterAccess {name} has the same {same}; a cluster is declared once")));
    }
    Ok(())
}
