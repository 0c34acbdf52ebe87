//! An object of ours that this version cannot parse: what it has is frozen, never widened, and its end is honoured all the same. Pure.

use std::collections::BTreeSet;

use crate::api::Condition;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::clock::Clock;
use super::time::{Phase, Times};
use crate::api::Validity;
use crate::api::conditions::{ConditionType, Reason, Verdict, condition};

/// Such an object.
#[derive(Clone, Debug, Default)]
pub struct Unreadable {
    /// Its metadata.
    pub metadata: ObjectMeta,
    /// Why.
    pub error: String,
    /// Its validity; `None`: that cannot be read either.
    pub validity: Option<Validity>,
    /// The conditions that are said of it; `None`: its status cannot be read, which may be a later version's, and is left alone.
    pub conditions: Option<Vec<Condition>>,
    /// `spec.side`, where a resource has sides: whichever serves that one keeps it.
    pub side: Option<String>,
    /// The namespaces in which its status says that it has something; `None`: it does not say so.
    pub namespaces: Option<BTreeSet<String>>,
    /// Whether it is outside of its validity. Set by the world.
    pub over: bool,
}

impl Unreadable {
    /// What can be read of an object whose status is of type `S`.
    #[must_use]
    pub fn new<S: DeserializeOwned>(metadata: ObjectMeta, error: String, object: &Value) -> Self {
        let part = |path: &str| object.pointer(path).filter(|part| !part.is_null());
        let validity = part("/spec/validity").map_or_else(|| Some(Validity::default()), |v| serde_json::from_value(v.clone()).ok());
        // A status that cannot be read as a whole may be a later version's.
        let whole = part("/status").is_none_or(|status| crate::json::read::<S>(status).is_ok());
        let said = part("/status/conditions").and_then(|said| serde_json::from_value(said.clone()).ok()).unwrap_or_default();
        let side = part("/spec/side").and_then(Value::as_str).map(ToOwned::to_owned);
        Self { metadata, error, validity, conditions: whole.then_some(said), side, namespaces: namespaces_of(object), over: false }
    }

    /// Whether it may have something in a namespace, or in the cluster where none is given.
    #[must_use]
    pub fn may_have(&self, namespace: Option<&str>) -> bool {
        let (Some(known), Some(namespace)) = (&self.namespaces, namespace) else { return true };
        known.contains(namespace)
    }

    /// All of them at this time, if any is on the other side of its validity then.
    #[must_use]
    pub fn all_at(all: &[Self], clock: Clock) -> Option<Vec<Self>> {
        let at = |one: &Self| Self { over: one.is_over(clock), ..one.clone() };
        all.iter().any(|one| one.over != one.is_over(clock)).then(|| all.iter().map(at).collect())
    }

    /// Whether it keeps what it has: nobody has asked for it to go, and it is not over.
    #[must_use]
    pub fn is_frozen(&self) -> bool {
        self.metadata.deletion_timestamp.is_none() && !self.over
    }

    /// Whether it is outside of its validity. An end that is declared and cannot be read counts as come.
    #[must_use]
    pub fn is_over(&self, clock: Clock) -> bool {
        self.validity.as_ref().is_none_or(|validity| Times::between(validity).phase(clock) != Phase::Open)
    }

    /// When that may change.
    #[must_use]
    pub fn next_look(&self, clock: Clock) -> Option<jiff::Timestamp> {
        Times::between(self.validity.as_ref()?).next_look(clock)
    }

    /// The patch of its status that says so, unless it is said already. The rest of the status stays: it may be a later version's.
    #[must_use]
    pub fn status_patch(&self, now: &Time) -> Option<Value> {
        let before = self.conditions.as_ref()?;
        let fate = if self.over {
            "it is outside of spec.validity, or that cannot be read, so what it had is withdrawn"
        } else {
            "what it has stays as it is, and nothing is added"
        };
        let message = format!("this version of the operator cannot read the object ({}); {fate}", self.error);
        let generation = self.metadata.generation;
        let said = |kind, verdict: &Verdict| condition(kind, verdict, generation, before, now);
        let conditions = vec![
            said(ConditionType::Accepted, &Verdict::no(Reason::Invalid, message.clone())),
            said(ConditionType::Ready, &Verdict::no(Reason::Invalid, format!("{}: {message}", ConditionType::Accepted.as_str()))),
        ];
        (conditions != *before)
            .then(|| json!({"metadata": {"uid": self.metadata.uid}, "status": {"observedGeneration": generation, "conditions": conditions}}))
    }
}

/// The namespaces that a status lists (`status.namespaces`), if it lists all of them.
fn namespaces_of(object: &Value) -> Option<BTreeSet<String>> {
    let listed = object.pointer("/status/namespaces")?.as_array()?;
    if object.pointer("/status/truncated").is_some_and(|truncated| truncated != &Value::Bool(false)) {
        return None;
    }
    listed.iter().map(|one| Some(one.get("name")?.as_str()?.to_owned())).collect()
}
