//! Whether the API server knows the operator's kinds, with every field that this version knows. What it publishes of them everybody may read,
//! so the operator needs no right to read CustomResourceDefinitions. Pure.

use serde_json::{Map, Value};

use super::not_readable;
use crate::api::{self, Definition};
use crate::explain::InstallationCause as Cause;
use crate::explain::link::{Link, Name};
use crate::reconcile::Seen;

const NAME: Name = Name::Definitions;
/// So many fields are named.
const NAMED: usize = 3;

/// How it stands.
#[must_use]
pub fn look(schemas: &Seen<Option<Value>>) -> Link {
    let published = match schemas {
        Err(not_seen) => return not_readable(NAME, not_seen),
        Ok(published) => published.as_ref(),
    };
    let (mut absent, mut older, mut known) = (Vec::new(), Vec::new(), Vec::new());
    for definition in api::definitions() {
        let kind = definition.spec.names.kind.clone();
        match published.and_then(|document| schema(document, &kind)) {
            None => absent.push(kind),
            Some(theirs) => {
                let mut lacking = Vec::new();
                for part in ["spec", "status"] {
                    compare(&at(&ours(&definition), part), &at(theirs, part), part, &mut lacking);
                }
                older.extend(lacking.into_iter().map(|field| format!("{kind} {field}")));
                known.push(kind);
            }
        }
    }
    if !absent.is_empty() {
        return Link::closed(NAME, Cause::DefinitionsMissing, format!("the API server does not know {}", absent.join(", ")));
    }
    if !older.is_empty() {
        let more = older.len().saturating_sub(NAMED);
        let named = older.into_iter().take(NAMED).collect::<Vec<_>>().join(", ");
        let rest = if more == 0 { String::new() } else { format!(", and {more} more") };
        return Link::closed(NAME, Cause::DefinitionsOld, format!("the API server does not know these of the operator's: {named}{rest}"));
    }
    Link::open(NAME, format!("the API server knows {}, with every field of this version", known.join(", ")))
}

/// The schema of a kind in a document of OpenAPI.
fn schema<'a>(document: &'a Value, kind: &str) -> Option<&'a Value> {
    let is = |schema: &&Value| {
        let kinds = schema.get("x-kubernetes-group-version-kind").and_then(Value::as_array);
        kinds.is_some_and(|all| all.iter().any(|one| one.get("kind").and_then(Value::as_str) == Some(kind)))
    };
    document.get("components")?.get("schemas")?.as_object()?.values().find(is)
}

fn ours(definition: &Definition) -> Value {
    let schema = definition.spec.versions.first().and_then(|version| version.schema.as_ref()).and_then(|s| s.open_api_v3_schema.as_ref());
    serde_json::to_value(schema).unwrap_or_default()
}

fn at(schema: &Value, part: &str) -> Value {
    schema.get("properties").and_then(|properties| properties.get(part)).cloned().unwrap_or_default()
}

/// Collects the fields and the values of enumerations that ours has and theirs has not. What theirs has beyond is of a newer version, and
/// does no harm.
fn compare(ours: &Value, theirs: &Value, path: &str, lacking: &mut Vec<String>) {
    let empty = Map::new();
    let properties = |schema: &Value| schema.get("properties").and_then(Value::as_object).cloned().unwrap_or_default();
    let (mine, known) = (properties(ours), properties(theirs));
    for (name, schema) in &mine {
        let path = format!("{path}.{name}");
        match known.get(name) {
            None => lacking.push(path),
            Some(theirs) => compare(schema, theirs, &path, lacking),
        }
    }
    for below in ["items", "additionalProperties"] {
        if let Some(schema) = ours.get(below).filter(|schema| schema.is_object()) {
            compare(schema, theirs.get(below).unwrap_or(&Value::Object(empty.clone())), &format!("{path}[]"), lacking);
        }
    }
    let values = |schema: &Value| schema.get("enum").and_then(Value::as_array).cloned().unwrap_or_default();
    let known = values(theirs);
    if !known.is_empty() {
        lacking.extend(values(ours).iter().filter(|value| !known.contains(value)).map(|value| format!("{path}: {value}")));
    }
}
