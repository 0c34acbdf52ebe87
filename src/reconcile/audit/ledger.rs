//! What this process knows to be told: of each object the grant of its last status that is known to be written. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use kube::{Resource, ResourceExt};

use super::{Event, Record, event};
use crate::api::conditions::ConditionType;
use crate::api::grant::GrantInEffect;
use crate::reconcile::told::{Told, find};

/// It.
#[derive(Debug)]
pub struct Ledger<O> {
    known: BTreeMap<String, Known<O>>,
    /// The objects of which a status was sent, as they were then, and it is not known whether it arrived.
    unsure: BTreeMap<String, Arc<O>>,
}

#[derive(Debug)]
struct Known<O> {
    grant: Option<GrantInEffect>,
    /// The object with which that was told.
    object: Arc<O>,
}

impl<O> Default for Ledger<O> {
    fn default() -> Self {
        Self { known: BTreeMap::new(), unsure: BTreeMap::new() }
    }
}

impl<O: Told + Resource<DynamicType = ()>> Ledger<O> {
    /// Notes what an object's status says before anything is written. What somebody else has written, they have told; what we have sent
    /// without an answer, and is there, is ours to tell.
    pub fn seen(&mut self, object: &Arc<O>) -> Option<Record> {
        let uid = object.uid()?;
        let now = object.status().and_then(O::grant).cloned();
        if let Some(known) = self.known.get(&uid).filter(|known| known.grant != now) {
            let record = self.unsure.remove(&uid).and_then(|sent| record(known, &[object, &sent], now.as_ref(), None));
            self.known.insert(uid, Known { grant: now, object: Arc::clone(object) });
            return record;
        }
        let known = self.known.entry(uid).or_insert_with(|| Known { grant: now, object: Arc::clone(object) });
        if known.object.meta().generation == object.meta().generation {
            // The same terms: without this, each object would be kept twice, as it is and as it was before its status.
            known.object = Arc::clone(object);
        }
        None
    }

    /// Notes that a status was sent, and that it is not known whether it arrived.
    pub fn sent(&mut self, object: &Arc<O>) {
        self.unsure.extend(object.uid().map(|uid| (uid, Arc::clone(object))));
    }

    /// Notes a status that was written, and returns what is to be told.
    pub fn written(&mut self, object: &Arc<O>, status: &O::Status) -> Option<Record> {
        let uid = object.uid()?;
        self.unsure.remove(&uid);
        let grant = O::grant(status).cloned();
        let known = self.known.get(&uid);
        let fresh = Known { grant: object.status().and_then(O::grant).cloned(), object: Arc::clone(object) };
        let told = record(known.unwrap_or(&fresh), &[object], grant.as_ref(), Some(status));
        // Of a grant that stands although something else is declared by now, the terms are those with which it was told.
        let stands = grant.as_ref().is_some_and(|grant| !object.terms().are_of(grant));
        let object = known.filter(|_| stands).map_or_else(|| Arc::clone(object), |known| Arc::clone(&known.object));
        self.known.insert(uid, Known { grant, object });
        told
    }

    /// Notes that an object is let go, and with it what it granted.
    pub fn released(&mut self, object: &Arc<O>) -> Option<Record> {
        let uid = object.uid()?;
        self.unsure.remove(&uid);
        let fresh = Known { grant: object.status().and_then(O::grant).cloned(), object: Arc::clone(object) };
        let known = self.known.remove(&uid).unwrap_or(fresh);
        closed(&known, object, "Deleting")
    }

    /// Of objects that are gone although nothing was told of it: somebody has taken our finalizer away. `there`: the uids of all that are.
    pub fn vanished(&mut self, there: &BTreeSet<String>) -> Vec<(Arc<O>, Record)> {
        let gone: Vec<String> = self.known.keys().filter(|uid| !there.contains(*uid)).cloned().collect();
        self.unsure.retain(|uid, _| there.contains(uid));
        let known = gone.iter().filter_map(|uid| self.known.remove(uid));
        known.filter_map(|known| Some((Arc::clone(&known.object), closed(&known, &known.object, "ObjectGone")?))).collect()
    }
}

fn closed<O: Told + Resource<DynamicType = ()>>(known: &Known<O>, object: &O, cause: &str) -> Option<Record> {
    let grant = known.grant.as_ref()?;
    let terms = [object, &*known.object].into_iter().map(Told::terms).find(|terms| terms.are_of(grant));
    Some(Record::new(Event::Closed, object.meta(), grant, terms.as_ref(), cause, object.reason()))
}

/// What is to be told when an object's grant is another one than was known. `seen`: the object, and what else may be that which the grant is of.
fn record<O: Told + Resource<DynamicType = ()>>(
    known: &Known<O>,
    seen: &[&Arc<O>],
    now: Option<&GrantInEffect>,
    status: Option<&O::Status>,
) -> Option<Record> {
    let event = event(known.grant.as_ref(), now)?;
    let object = seen.first()?;
    let Some(grant) = now else {
        let said = |kind| status.or(object.status()).and_then(|status| find(O::conditions(status), kind));
        // Where it is still declared, what it lacks says why.
        let why = said(ConditionType::Active).filter(|active| active.status == "False").or_else(|| said(ConditionType::Ready));
        return closed(known, object, why.map_or("NotKnown", |why| why.reason.as_str()));
    };
    let terms = seen.iter().map(|object| object.terms()).find(|terms| terms.are_of(grant));
    Some(Record::new(event, object.meta(), grant, terms.as_ref(), "", object.reason()))
}
