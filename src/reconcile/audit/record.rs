//! One record: what the log line and the Event say. Whatever others wrote is bounded and escaped. Pure.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ManagedFieldsEntry, ObjectMeta};
use serde_json::{Value, json};

use super::{Terms, fingerprint};
use crate::api::FIELD_MANAGER;
use crate::api::conditions::shorten;
use crate::api::grant::GrantInEffect;
use crate::printable::printable;

/// So many entries of a list are told, and so many bytes of each: a line stays below the 16 KiB at which container runtimes cut it.
const ENTRIES: usize = 16;
const ENTRY: usize = 200;
/// So many field managers are named.
const MANAGERS: usize = 3;
/// So many entries, and bytes of each, go into an Event.
const NOTED: usize = 3;
const NOTED_ENTRY: usize = 80;

/// What became of a grant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// It is in effect now.
    Opened,
    /// It is another one: in these respects.
    Changed(Vec<&'static str>),
    /// It is in effect no more.
    Closed,
}

impl Event {
    /// Its name, which is also the reason of the Event in Kubernetes.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Opened => "GrantOpened",
            Self::Changed(_) => "GrantChanged",
            Self::Closed => "GrantClosed",
        }
    }
}

/// What is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// What became of the grant.
    pub event: Event,
    /// The same for the same change, whoever tells it.
    pub id: String,
    /// The field managers that wrote the spec last, the latest first, as JSON: `manager`, `operation`, `time`.
    pub by: String,
    /// For whom, as a JSON list; and how many there are in all.
    pub whom: String,
    /// How many.
    pub whom_count: usize,
    /// What, as a JSON list; and how many there are in all.
    pub what: String,
    /// How many.
    pub what_count: usize,
    /// Since when.
    pub since: String,
    /// Until when; empty: without an end that is known.
    pub until: String,
    /// When the credential was issued; empty where there is none.
    pub credential: String,
    /// In which respects it changed.
    pub changed: String,
    /// Why it is closed.
    pub cause: String,
    /// `spec.reason`.
    pub reason: String,
    note: String,
}

impl Record {
    /// Of a change of the grant of an object. `grant`: the new one, or of a closed one the former. `terms`: those of the grant, where they
    /// are known still. `cause`: why it is closed.
    #[must_use]
    pub fn new(event: Event, meta: &ObjectMeta, grant: &GrantInEffect, terms: Option<&Terms>, cause: &str, reason: Option<&str>) -> Self {
        let empty = Terms::default();
        let (known, terms) = (terms.is_some(), terms.unwrap_or(&empty));
        let until = grant.until.as_ref().map(|until| until.0.to_string()).unwrap_or_default();
        let credential = grant.credential.as_ref().map(|issued| issued.0.to_string()).unwrap_or_default();
        let changed = if let Event::Changed(parts) = &event { parts.join(",") } else { String::new() };
        let since = grant.since.0.to_string();
        let uid = meta.uid.as_deref().unwrap_or_default();
        let (generation, changes) = (meta.generation.unwrap_or_default().to_string(), grant.changes.to_string());
        let id = fingerprint(&[uid, event.as_str(), &since, &changes, &generation].join("\n"));
        let (cause, reason) = (entry(cause, ENTRY), entry(reason.unwrap_or_default(), ENTRY * 2));
        let managers = writers(meta);
        let named: Vec<String> = managers.iter().map(|(manager, operation, at)| format!("{manager} ({operation}, {at})")).collect();
        let said = match &event {
            Event::Opened => "The access is in effect.".to_owned(),
            Event::Changed(parts) => format!("The access is changed ({}).", parts.join(", ")),
            Event::Closed => format!("The access is in effect no more ({cause})."),
        };
        let whom = if known { format!(" Whom: {}. What: {}.", few(&terms.whom), few(&terms.what)) } else { String::new() };
        let end = if until.is_empty() || event == Event::Closed { String::new() } else { format!(" Until: {until}.") };
        let why = if reason.is_empty() { String::new() } else { format!(" Reason: {reason}.") };
        let note = format!("{said}{whom}{end} By: {}.{why}", few(&named));
        let by = managers
            .iter()
            .take(MANAGERS)
            .map(|(manager, operation, at)| json!({"manager": entry(manager, ENTRY), "operation": operation, "time": at}));
        Self {
            id,
            by: Value::from(by.collect::<Vec<_>>()).to_string(),
            whom: list(&terms.whom),
            whom_count: terms.whom.len(),
            what: list(&terms.what),
            what_count: terms.what.len(),
            since,
            until,
            credential,
            changed,
            cause,
            reason,
            note,
            event,
        }
    }

    /// What the Event says, within so many bytes.
    #[must_use]
    pub fn note(&self, limit: usize) -> String {
        shorten(&self.note, limit)
    }
}

/// A text of somebody else's: in one line, bounded.
fn entry(text: &str, limit: usize) -> String {
    // What is escaped is longer: it is cut first, so that nobody makes us escape a megabyte, and then.
    shorten(&printable(&shorten(text, limit)), limit)
}

/// A bounded list, as JSON: whatever stands in an entry, it is one entry.
fn list(all: &[String]) -> String {
    Value::from(all.iter().take(ENTRIES).map(|one| entry(one, ENTRY)).collect::<Vec<_>>()).to_string()
}

fn few(all: &[String]) -> String {
    let some: Vec<String> = all.iter().take(NOTED).map(|one| entry(one, NOTED_ENTRY)).collect();
    let more = all.len().saturating_sub(NOTED);
    match (some.is_empty(), more) {
        (true, _) => "not known".to_owned(),
        (_, 0) => some.join(", "),
        _ => format!("{} and {more} more", some.join(", ")),
    }
}

/// Whether somebody else wrote the spec by this entry: we write the finalizer and the status.
fn wrote_spec(entry: &ManagedFieldsEntry) -> bool {
    entry.subresource.as_deref().unwrap_or_default().is_empty()
        && entry.manager.as_deref() != Some(FIELD_MANAGER)
        // Without its fields it is one that was kept.
        && entry.fields_v1.as_ref().is_none_or(|fields| fields.0.get("f:spec").is_some())
}

/// Drops of `managedFields` what no record tells: whoever did not write the spec, and the fields of those who did.
pub fn keep_writers(meta: &mut ObjectMeta) {
    let Some(entries) = &mut meta.managed_fields else { return };
    entries.retain(wrote_spec);
    for entry in entries.iter_mut() {
        entry.fields_v1 = None;
    }
    entries.shrink_to_fit();
}

/// Who wrote the spec: manager, operation and time, the latest first.
fn writers(meta: &ObjectMeta) -> Vec<(String, String, String)> {
    let mut entries: Vec<&ManagedFieldsEntry> = meta.managed_fields.iter().flatten().filter(|entry| wrote_spec(entry)).collect();
    entries.sort_by_key(|entry| std::cmp::Reverse(entry.time.as_ref().map(|time| time.0)));
    let told = |entry: &ManagedFieldsEntry| {
        let at = entry.time.as_ref().map(|time| time.0.to_string()).unwrap_or_default();
        (entry.manager.clone().unwrap_or_default(), entry.operation.clone().unwrap_or_default(), at)
    };
    entries.into_iter().map(told).collect()
}
