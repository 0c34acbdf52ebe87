//! Why nothing is given now although it is declared: it is not known whether the instance is stopped, or what confines it is not in force
//! yet. What is taken away never waits. Pure.

use std::collections::BTreeMap;

use super::exclusive::Others;
use super::ingress::IngressOutlook;
use super::policy::PolicyOutlook;
use super::server::ServerOutlook;
use super::world::World;
use crate::api::STOP;
use crate::api::conditions::{Reason, Verdict};
use crate::argocd::ARGOCD_CM;
use crate::reconcile::write::Write;

/// Why nothing is given; nothing: it is.
#[derive(Clone, Debug)]
pub struct Hold(Option<Verdict>);

impl Hold {
    /// Finds out. `confinement`: why that is not in force.
    #[must_use]
    pub fn of(world: &World, others: &Others<'_>, confinement: Option<&Verdict>) -> Self {
        if let Err(not_seen) = &world.argocd_cm {
            let message = format!("nothing is given while it cannot be seen whether {ARGOCD_CM} has the annotation {STOP}: {not_seen}");
            return Self(Some(Verdict::unknown(Reason::NotReadable, message)));
        }
        if let Some(why) = others.undecided() {
            return Self(Some(Verdict::unknown(Reason::NotReadable, why)));
        }
        Self(confinement.map(|why| {
            let reason = if why.reason == Reason::NotReadable { Reason::NotReadable } else { Reason::Pending };
            Verdict { state: why.state, reason, message: format!("waits for Confined: {}", why.message) }
        }))
    }

    /// Leaves out what gives.
    #[must_use]
    pub fn writes(&self, mut writes: Vec<Write>) -> Vec<Write> {
        writes.retain(|w| self.0.is_none() || !w.gives());
        writes
    }

    /// Says it where something is waited for.
    pub fn say(
        &self,
        policy: &mut BTreeMap<usize, PolicyOutlook>,
        server: &mut BTreeMap<usize, ServerOutlook>,
        flag: &mut Verdict,
        ingress: &mut BTreeMap<usize, IngressOutlook>,
    ) {
        let Some(why) = &self.0 else { return };
        let verdicts = policy.values_mut().map(|p| &mut p.verdict).chain(ingress.values_mut().map(|i| &mut i.verdict)).chain([flag]);
        for verdict in verdicts.filter(|v| v.reason == Reason::Pending) {
            verdict.clone_from(why);
        }
        for outlook in server.values_mut() {
            let everywhere = outlook.bound.contains("*");
            let waits = !everywhere && (outlook.reach.cluster || !outlook.reach.namespaces.is_subset(&outlook.bound));
            if waits && outlook.obstacle.is_none() {
                outlook.obstacle = Some(why.clone());
            }
        }
    }
}
