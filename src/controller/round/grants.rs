//! What rounds say of grants in effect, and what they tell of them.

use std::sync::{Arc, MutexGuard, PoisonError};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::ResourceExt;
use kube::core::object::HasStatus;

use super::{Rounds, Status};
use crate::cluster_io::report;
use crate::controller::keeper::Keeper;
use crate::reconcile::audit::{self, Ledger, Record};
use crate::reconcile::told::Told;
use crate::reconcile::unreadable::Unreadable;

impl<K: Keeper> Rounds<K> {
    /// What is said to be in effect follows from what was. A process beside the operator leaves it to that one to say and to tell it.
    pub(super) fn follow_grant(&self, object: &K::Object, status: &mut Status<K>, now: &Time) {
        let before = object.status().and_then(K::Object::grant);
        let after = if self.beside {
            before.cloned()
        } else {
            let (until, credential) = (K::Object::until(status), K::Object::credential(status));
            audit::follow(before, K::Object::effect(status), &object.terms(), until, credential, now)
        };
        K::Object::set_grant(status, after);
    }

    /// Notes what is said of grants before anything is done, and tells what is missed.
    pub(super) fn look_at_grants(&mut self, objects: &[Arc<K::Object>], unreadable: &[Unreadable]) {
        if self.beside || !self.leads.holds() {
            return;
        }
        for object in objects {
            let record = self.ledger().seen(object);
            if let Some(record) = record {
                self.tell(object, &record);
            }
        }
        let there = objects.iter().filter_map(|object| object.uid()).chain(unreadable.iter().filter_map(|one| one.metadata.uid.clone())).collect();
        let vanished = self.ledger().vanished(&there);
        for (object, record) in vanished {
            self.tell(&object, &record);
        }
    }

    pub(super) fn ledger(&self) -> MutexGuard<'_, Ledger<K::Object>> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The line first: it is written at once, and an Event may be refused.
    pub(super) fn tell(&self, object: &Arc<K::Object>, record: &Record) {
        report::audit(K::NAME, object.as_ref(), record);
        self.events.record(object, record);
    }
}
