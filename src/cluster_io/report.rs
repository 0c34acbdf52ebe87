//! Our own words: the status of an object, what the Event of a transition says, and the line of the audit trail.

use kube::api::{Patch, PatchParams};
use kube::core::PartialObjectMeta;
use kube::runtime::events::{Event, EventType};
use kube::{Api, Client, ResourceExt};
use serde::Serialize;
use serde_json::{Value, json};

use super::apply::Declared;
use super::events::NOTE_LIMIT;
use super::{RequestError, request};
use crate::api::FIELD_MANAGER;
use crate::api::conditions::{ConditionType, shorten};
use crate::reconcile::audit::Record;
use crate::reconcile::told::{Told, find, is_meant};
use crate::reconcile::unreadable::Unreadable;

/// Writes the status, for this very object (not for one of the same name that came after it), and returns the version that the object
/// then has; `None` when it is gone.
///
/// As a JSON patch of the whole of it: nobody else has a part in it, and what a server-side apply costs the API server beyond that is a
/// sixth of the time in which 200 objects become Ready.
///
/// # Errors
/// When the API server refuses. That the object is gone is no error.
pub async fn write_status<K: Declared>(client: &Client, object: &K, status: &impl Serialize) -> Result<Option<String>, RequestError> {
    let (namespace, name, kind) = (object.namespace().unwrap_or_default(), object.name_any(), K::kind(&()));
    let api: Api<K> = Api::namespaced(client.clone(), &namespace);
    let action = format!("write the status of {kind} {namespace}/{name}");
    let patch = status_patch(object.uid().as_deref(), status);
    let patch = patch.map_err(|error| RequestError::Unsent { action: action.clone(), why: error.to_string() })?;
    let params = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
    match request(action, api.patch_status(&name, &params, &patch)).await {
        Ok(written) => Ok(written.resource_version()),
        Err(error) if matches!(error.code(), Some(404 | 409)) => Ok(None),
        // That it is another object is answered like a status that is not valid, without a word of why.
        Err(error) if error.code() == Some(422) => {
            let there = request(format!("get {kind} {namespace}/{name}"), api.get_metadata_opt(&name)).await?;
            if there.is_some_and(|there| there.uid() == object.uid()) { Err(error) } else { Ok(None) }
        }
        Err(error) => Err(error),
    }
}

fn status_patch(uid: Option<&str>, status: &impl Serialize) -> Result<Patch<Value>, serde_json::Error> {
    let operations = json!([
        {"op": "test", "path": "/metadata/uid", "value": uid},
        {"op": "add", "path": "/status", "value": serde_json::to_value(status)?},
    ]);
    Ok(Patch::Json(serde_json::from_value(operations)?))
}

/// Says of an object that cannot be read that it cannot.
///
/// # Errors
/// When the API server refuses. That the object is gone, or another one by now, is no error.
pub async fn write_unreadable<K: Declared>(client: &Client, unreadable: &Unreadable, patch: &Value) -> Result<(), RequestError> {
    let (namespace, name) = (unreadable.metadata.namespace.clone().unwrap_or_default(), unreadable.metadata.name.clone().unwrap_or_default());
    let kind = K::kind(&());
    // The answer cannot be read as such an object either.
    let api: Api<PartialObjectMeta<K>> = Api::namespaced(client.clone(), &namespace);
    let params = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
    match request(format!("write the status of {kind} {namespace}/{name}"), api.patch_status(&name, &params, &Patch::Merge(patch))).await {
        Ok(_) => Ok(()),
        Err(error) if matches!(error.code(), Some(404 | 409)) => Ok(()),
        Err(error) => Err(error),
    }
}

/// The Event of a transition of `Ready`, when there was one.
#[must_use]
pub fn transition<K: Told>(object: &K, status: &K::Status) -> Option<Event> {
    let ready = |status| find(K::conditions(status), ConditionType::Ready);
    let after = ready(status)?;
    if object.status().and_then(ready).is_some_and(|b| b.status == after.status && b.reason == after.reason) {
        return None;
    }
    let why = object.reason().map(|r| format!(" Reason: {r}.")).unwrap_or_default();
    let note = format!("{}. {}{why}", after.message.trim_end_matches('.'), object.gist());
    let normal = after.status == "True" || is_meant(&after.reason);
    Some(Event {
        type_: if normal { EventType::Normal } else { EventType::Warning },
        reason: after.reason.to_string(),
        note: Some(shorten(&note, NOTE_LIMIT)),
        action: "Reconcile".to_owned(),
        secondary: None,
    })
}

/// The Event that tells that everything was handed back.
#[must_use]
pub fn released<K: Told>() -> Event {
    Event {
        type_: EventType::Normal,
        reason: "Withdrawn".to_owned(),
        note: Some(K::farewell().to_owned()),
        action: "Restore".to_owned(),
        secondary: None,
    }
}

/// Writes the line of the audit trail. Its fields are documented, and stay as they are.
pub fn audit<K: Declared>(kind: &str, object: &K, record: &Record) {
    tracing::info!(
        target: "audit",
        event = record.event.as_str(),
        id = record.id,
        kind,
        instance = object.namespace(),
        name = object.name_any(),
        uid = object.uid(),
        generation = object.meta().generation,
        by = record.by,
        whom = record.whom,
        whom_count = record.whom_count,
        what = record.what,
        what_count = record.what_count,
        since = record.since,
        until = record.until,
        credential = record.credential,
        changed = record.changed,
        cause = record.cause,
        reason = record.reason,
    );
}
