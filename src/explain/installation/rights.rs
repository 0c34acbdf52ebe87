//! What the operator needs to be allowed, read from the roles and bindings that the chart made for it, and what it lacks of that. The chart
//! is the one place where its rights are written, so nothing is listed here once more. Pure.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::rbac::v1::{PolicyRule, RoleRef, Subject};
use kube::api::ObjectMeta;
use serde::Deserialize;

use super::not_readable;
use crate::explain::InstallationCause as Cause;
use crate::explain::link::{Link, Name};
use crate::live::ceiling::Ceiling;
use crate::live::rules::{Names, Right};
use crate::reconcile::Seen;

const NAME: Name = Name::Rights;
/// So many rights are named.
const NAMED: usize = 5;

/// One right, for one name or for all of them, and where it is needed; no namespace: in the whole cluster.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Needed {
    /// Where.
    pub namespace: Option<String>,
    /// What.
    pub right: Right,
    /// On which.
    pub name: Option<String>,
}

impl std::fmt::Display for Needed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Right { group, resource, verb } = &self.right;
        let dot = if group.is_empty() { "" } else { "." };
        write!(f, "{verb} {resource}{dot}{group}")?;
        if let Some(name) = &self.name {
            write!(f, " {name}")?;
        }
        match &self.namespace {
            Some(namespace) => write!(f, " in {namespace}"),
            None => write!(f, " in the whole cluster"),
        }
    }
}

/// As much of a role or a binding as is needed.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Object {
    kind: String,
    metadata: ObjectMeta,
    rules: Vec<PolicyRule>,
    role_ref: RoleRef,
    subjects: Vec<Subject>,
}

impl Object {
    /// A role is known by its kind, its namespace and its name.
    fn key(&self) -> (String, Option<String>, String) {
        (self.kind.clone(), self.metadata.namespace.clone(), self.metadata.name.clone().unwrap_or_default())
    }

    fn names(&self, user: &str) -> bool {
        let is = |s: &Subject| format!("system:serviceaccount:{}:{}", s.namespace.as_deref().unwrap_or_default(), s.name) == user;
        self.subjects.iter().any(|subject| subject.kind == "ServiceAccount" && is(subject))
    }
}

/// The rights that these documents (YAML, roles and bindings) give to a user. A role that is bound and not among them, such as one of Argo
/// CD's own, is somebody else's: what is in it is not known.
///
/// # Errors
/// When they cannot be read, or give that user nothing: then this would be a test of nothing.
pub fn needed(documents: &str, user: &str) -> Result<BTreeSet<Needed>, String> {
    let mut objects = Vec::new();
    for document in serde_yaml::Deserializer::from_str(documents) {
        objects.extend(Option::<Object>::deserialize(document).map_err(|error| error.to_string())?);
    }
    let roles: BTreeMap<_, &Object> = objects.iter().filter(|o| !o.kind.ends_with("Binding")).map(|role| (role.key(), role)).collect();
    let mut all = BTreeSet::new();
    for binding in objects.iter().filter(|object| object.kind.ends_with("Binding") && object.names(user)) {
        let here = binding.metadata.namespace.clone();
        let of_role = if binding.role_ref.kind == "ClusterRole" { None } else { here.clone() };
        let role = roles.get(&(binding.role_ref.kind.clone(), of_role, binding.role_ref.name.clone()));
        all.extend(role.into_iter().flat_map(|role| &role.rules).flat_map(|rule| rights(rule, here.as_ref())));
    }
    if all.is_empty() { Err(format!("no role in the file is bound to {user}")) } else { Ok(all) }
}

fn rights(rule: &PolicyRule, namespace: Option<&String>) -> Vec<Needed> {
    let names: Vec<Option<String>> = match rule.resource_names.as_deref() {
        None | Some([]) => vec![None],
        Some(names) => names.iter().cloned().map(Some).collect(),
    };
    let mut all = Vec::new();
    for group in rule.api_groups.iter().flatten() {
        for resource in rule.resources.iter().flatten() {
            for verb in &rule.verbs {
                let right = Right { group: group.clone(), resource: resource.clone(), verb: verb.clone() };
                all.extend(names.iter().map(|name| Needed { namespace: namespace.cloned(), right: right.clone(), name: name.clone() }));
            }
        }
    }
    all
}

impl Needed {
    /// Whether these rules, which hold where it is needed, allow it.
    #[must_use]
    pub fn is_allowed_by(&self, held: &Ceiling) -> bool {
        let names = self.name.clone().map_or(Names::All, |name| Names::Only(BTreeSet::from([name])));
        held.allows(&self.right, &names)
    }
}

/// How it stands.
#[must_use]
pub fn look(lacking: &Seen<Vec<Needed>>) -> Link {
    match lacking.as_deref() {
        Err(not_seen) => not_readable(NAME, not_seen),
        Ok([]) => Link::open(NAME, "the operator may do everything that the chart lets it"),
        Ok(some) => {
            let named = some.iter().take(NAMED).map(ToString::to_string).collect::<Vec<_>>().join("; ");
            let more = some.len().saturating_sub(NAMED);
            let rest = if more == 0 { String::new() } else { format!("; and {more} more") };
            Link::closed(NAME, Cause::RightsMissing, format!("the operator may not: {named}{rest}"))
        }
    }
}
