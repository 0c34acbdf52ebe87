//! What a controller says of an object. Pure.

use serde_json::Value;

use super::{Key, Kind, Mark, Object};
use crate::api::cluster_aws::Output;
use crate::clusters::aws::arn::Role;

/// How an object stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// The cluster does not know its kind.
    NoKind,
    /// It is not there (yet).
    Absent,
    /// One of its name is somebody else's.
    Foreign,
    /// Its controller has not said yet that it is made.
    Waiting(String),
    /// Its controller says that it cannot be made.
    Failed(String),
    /// It is there with fields that cannot be changed; it has to go first.
    Other,
    /// It is made.
    Made,
}

/// How an object stands, by what is seen of it.
#[must_use]
pub fn standing(wanted: &Object, mark: Mark<'_>, seen: Option<&Value>, role: Option<&Role>) -> Standing {
    let Some(seen) = seen else { return Standing::Absent };
    if !mark.is_on(seen) {
        return Standing::Foreign;
    }
    if seen.pointer("/metadata/deletionTimestamp").is_some_and(|time| !time.is_null()) {
        return Standing::Waiting(format!("{} is being deleted", wanted.key));
    }
    // What AWS calls it must be seen, too: the annotation of Crossplane is set by its provider where we have not.
    if wanted.key.kind.fixed().iter().any(|field| seen.pointer(field) != wanted.body.pointer(field)) {
        return Standing::Other;
    }
    if let Some(message) = failure(wanted.key.kind, seen) {
        return Standing::Failed(format!("{}: {message}", wanted.key));
    }
    if let Some(role) = role {
        return role_standing(&wanted.key, seen, role);
    }
    if is_made(wanted.key.kind, seen) { Standing::Made } else { Standing::Waiting(format!("the controller of {} has not made it yet", wanted.key)) }
}

fn role_standing(key: &Key, seen: &Value, role: &Role) -> Standing {
    let pointer = match key.kind.output() {
        Output::Crossplane => "/status/atProvider/arn",
        Output::Ack | Output::Text => "/status/ackResourceMetadata/arn",
    };
    match seen.pointer(pointer).and_then(Value::as_str).filter(|arn| !arn.is_empty()) {
        None => Standing::Waiting(format!("{key} has no ARN yet")),
        Some(arn) if arn == role.arn() && is_made(key.kind, seen) => Standing::Made,
        Some(arn) if arn == role.arn() => Standing::Waiting(format!("the controller of {key} has not made all of it yet")),
        // A controller acts in the account of its namespace, whatever the object says.
        Some(arn) => Standing::Failed(format!("{key} was made as {arn}, not as {}: its namespace belongs to another account", role.arn())),
    }
}

/// The trust policy of a role, as far as it is seen: what the provider found in AWS, or what the object says.
#[must_use]
pub fn trust(kind: Kind, seen: &Value) -> Option<&str> {
    let pointers: &[&str] = match kind {
        Kind::AckRole => &["/spec/assumeRolePolicyDocument"],
        Kind::CrossplaneRole => &["/status/atProvider/assumeRolePolicy", "/spec/forProvider/assumeRolePolicy"],
        _ => &[],
    };
    pointers.iter().find_map(|pointer| seen.pointer(pointer)).and_then(Value::as_str)
}

/// The inline policy of ours, as the object of a role has it.
#[must_use]
pub fn policy<'a>(kind: Kind, seen: &'a Value, name: &str) -> Option<&'a str> {
    match kind {
        Kind::AckRole => seen.pointer("/spec/inlinePolicies")?.get(name)?.as_str(),
        Kind::CrossplaneRole => {
            let all = seen.pointer("/spec/forProvider/inlinePolicy")?.as_array()?;
            all.iter().find(|one| one.get("name").and_then(Value::as_str) == Some(name))?.get("policy")?.as_str()
        }
        _ => None,
    }
}

fn conditions(seen: &Value) -> impl Iterator<Item = (&str, &str, &str)> {
    let all = seen.pointer("/status/conditions").and_then(Value::as_array).into_iter().flatten();
    all.map(|one| {
        let text = |name: &str| one.get(name).and_then(Value::as_str).unwrap_or_default();
        (text("type"), text("status"), text("message"))
    })
}

fn failure(kind: Kind, seen: &Value) -> Option<String> {
    let failed = conditions(seen).find(|(condition, status, _)| match kind.output() {
        Output::Crossplane => *condition == "Synced" && *status == "False",
        Output::Ack | Output::Text => ["ACK.Terminal", "ACK.Recoverable"].contains(condition) && *status == "True",
    });
    failed.map(
        |(condition, status, message)| {
            if message.is_empty() { format!("{condition} is {status}") } else { message.split_whitespace().collect::<Vec<_>>().join(" ") }
        },
    )
}

fn is_made(kind: Kind, seen: &Value) -> bool {
    let needed: &[&str] = match kind.output() {
        Output::Crossplane => &["Synced", "Ready"],
        Output::Ack | Output::Text => &["ACK.ResourceSynced"],
    };
    needed.iter().all(|name| conditions(seen).any(|(condition, status, _)| condition == *name && status == "True"))
}
