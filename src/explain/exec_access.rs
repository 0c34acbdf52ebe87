//! The `ExecAccess` that declares exactly what was asked for. Pure.

use serde_json::{Value, json};

use super::commands;
use super::link::Fix;
use super::question::Question;
use crate::api::GROUP;
use crate::shell::word;

/// A short name that two questions share only where they ask for the same.
#[must_use]
pub fn short(question: &Question) -> String {
    let subject = subject(question).map(|(_, name)| name).unwrap_or_default();
    commands::short(&format!("{}-{subject}", question.app.name), &format!("{}\n{subject}", question.object()))
}

/// Whom it is for: the first group that was named, else the user.
#[must_use]
pub fn subject(question: &Question) -> Option<(&'static str, &str)> {
    let group = question.groups.first().map(|group| ("Group", group.as_str()));
    group.or_else(|| question.user.as_deref().map(|user| ("User", user)))
}

/// The command that declares it, and waits until it is so. It fails where an object of that name is there already.
#[must_use]
pub fn declare(question: &Question) -> Option<Fix> {
    let (kind, subject) = subject(question)?;
    let name = short(question);
    let mut application = json!({"project": question.app.project, "name": question.app.name});
    if let (true, Some(map)) = (question.is_elsewhere(), application.as_object_mut()) {
        map.insert("namespace".to_owned(), json!(question.app_namespace()));
    }
    let mut spec = json!({"subjects": [{"kind": kind, "name": subject}], "applications": [application]});
    if let (Some(namespace), Some(map)) = (&question.pod_namespace, spec.as_object_mut()) {
        map.insert("server".to_owned(), json!({"namespaces": {"names": [namespace]}}));
    }
    let object: Value = json!({"apiVersion": format!("{GROUP}/v1alpha1"), "kind": "ExecAccess", "metadata": {"name": name}, "spec": spec});
    let create = commands::create(&question.instance, &object.to_string());
    let wait = format!("kubectl -n {} wait --for=condition=Ready execaccesses.{GROUP}/{name} --timeout=2m", word(&question.instance));
    let note = "the operator sees to the rest of the chain as well; where it does not come to be Ready, kubectl describe says why".to_owned();
    Some(Fix::command(create).then(wait).noting(note))
}
