//! What a round says of objects: their statuses, and the Events of their transitions.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::future::BoxFuture;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::ResourceExt;

use super::{Rounds, Status, Word};
use crate::cluster_io::{RequestError, report, some_at_once};
use crate::controller::keeper::Keeper;
use crate::reconcile::Target;
use crate::reconcile::unreadable::Unreadable;

impl<K: Keeper> Rounds<K> {
    /// Writes the statuses, some at once.
    pub(super) async fn say_all(&self, words: Vec<Word<K>>) -> Vec<(Word<K>, Result<Option<String>, RequestError>)> {
        let _until_all_are_said = self.events.go_first();
        let mut all: Vec<BoxFuture<'_, _>> = Vec::with_capacity(words.len());
        for (object, status) in words {
            all.push(Box::pin(async move {
                let answer = self.say(&object, &status).await;
                ((object, status), answer)
            }));
        }
        some_at_once(all).await
    }

    async fn say(&self, object: &Arc<K::Object>, status: &Status<K>) -> Result<Option<String>, RequestError> {
        self.ledger().sent(object);
        let version = report::write_status(&self.client, object.as_ref(), status).await?;
        self.metrics.status_written(K::KIND, "ok");
        // An object that is gone was not written: what becomes of its grant is told when it is missed.
        let told = version.as_ref().filter(|_| !self.beside).and_then(|_| self.ledger().written(object, status));
        if let Some(record) = told {
            self.tell(object, &record);
        }
        if let Some(event) = report::transition(object.as_ref(), status) {
            tracing::info!(
                kind = K::NAME,
                name = object.name_any(),
                instance = self.namespace(),
                reason = event.reason,
                note = event.note,
                "a transition"
            );
            self.events.transition(object, event);
        }
        Ok(version)
    }

    pub(super) async fn say_unreadable(&self, unreadable: &Unreadable, now: &Time) -> bool {
        let Some(patch) = unreadable.status_patch(now) else { return true };
        let written = report::write_unreadable::<K::Object>(&self.client, unreadable, &patch).await;
        self.metrics.status_written(K::KIND, if written.is_ok() { "ok" } else { "failed" });
        if let Err(error) = &written {
            tracing::warn!(error = %error.chain(), "a status was not written");
        }
        written.is_ok()
    }

    /// An object that was let go is gone with that very write: its last Event is told now.
    pub(super) fn tell_released(&mut self, done: &[Target], going: &BTreeMap<String, Arc<K::Object>>) {
        for object in done.iter().filter(|t| t.kind == K::KIND).filter_map(|t| going.get(&t.name)) {
            let record = self.ledger().released(object);
            if let Some(record) = record {
                self.tell(object, &record);
            }
            self.events.transition(object, report::released::<K::Object>());
        }
    }
}
