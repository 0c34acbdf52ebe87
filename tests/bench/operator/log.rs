//! The API server's audit log: who asked for what, and when, by one clock for all.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value;

use crate::support::ControlPlane;
use crate::support::audit::Mark;

/// One request.
#[derive(Clone, Debug)]
pub struct Event {
    pub user: String,
    pub verb: String,
    pub resource: String,
    pub subresource: String,
    pub name: String,
    pub code: u64,
    pub uri: String,
    /// When it came.
    pub came: Timestamp,
    /// When it was answered.
    pub answered: Timestamp,
}

/// All since then.
pub fn events(cp: &ControlPlane, since: Mark) -> Vec<Event> {
    cp.audit_events(since).iter().filter_map(event).collect()
}

fn event(value: &Value) -> Option<Event> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let time = |value: &Value| value.as_str()?.parse().ok();
    let target = &value["objectRef"];
    Some(Event {
        user: text(&value["user"]["username"]),
        verb: text(&value["verb"]),
        resource: text(&target["resource"]),
        subresource: text(&target["subresource"]),
        name: text(&target["name"]),
        code: value["responseStatus"]["code"].as_u64()?,
        uri: text(&value["requestURI"]),
        came: time(&value["requestReceivedTimestamp"])?,
        answered: time(&value["stageTimestamp"])?,
    })
}

impl Event {
    /// Whether it changes something that lasts; Leases, which are renewed for ever, apart.
    pub fn is_write(&self) -> bool {
        let writes = ["create", "update", "patch", "delete", "deletecollection"].contains(&self.verb.as_str());
        writes && !self.resource.contains("reviews") && self.resource != "leases" && self.subresource != "token" && !self.uri.contains("dryRun=")
    }

    /// Whether it is an Event of Kubernetes: told, and nothing depends on it.
    pub fn is_told(&self) -> bool {
        self.resource == "events"
    }

    pub fn is_status(&self) -> bool {
        self.subresource == "status"
    }

    /// What it is, without names.
    pub fn what(&self) -> String {
        let subresource = if self.subresource.is_empty() { String::new() } else { format!("/{}", self.subresource) };
        format!("{} {}{subresource}", self.verb, self.resource)
    }
}

/// What was answered in each tenth of a second since the first request, to the operator (`*`) and to others: for whoever asks where time goes.
pub fn timeline(all: &[Event], operator: &str) -> String {
    let began = all.iter().map(|event| event.came.as_millisecond()).min().unwrap_or_default();
    let mut counts: BTreeMap<(i64, String), usize> = BTreeMap::new();
    for event in all.iter().filter(|event| event.resource != "leases") {
        let (who, tenth) = (if event.user == operator { "*" } else { " " }, (event.answered.as_millisecond() - began) / 100);
        *counts.entry((tenth, format!("{who} {} {}", event.what(), event.code))).or_default() += 1;
    }
    let line = |((tenth, what), count): (&(i64, String), &usize)| format!("{:>6.1} s {count:>5} {what}", *tenth as f64 / 10.0);
    counts.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// From one time to another.
pub fn milliseconds(from: Timestamp, to: Timestamp) -> f64 {
    (to.as_microsecond() - from.as_microsecond()) as f64 / 1000.0
}
