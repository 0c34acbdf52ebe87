//! The bindings in the remote cluster: which there are to be, and what has to be written. Pure.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::rbac::v1::{RoleRef, Subject};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::{Value, json};

use super::grant::Grant;
use super::names::{EXEC, LOGS, PROTECTED, SYNC, SYNC_CLUSTER};
use super::needs::Needs;
use super::remote::{Remote, is_owned};
use crate::api::OWNER_LABEL;
use crate::api::cluster_access::Scope;
use crate::api::status::Change;
use crate::reconcile::selection::matches;
use crate::reconcile::write::{Action, Direction, Kind, Layer, Target, Wanted, Write};

/// As many namespaces one object may reach; Argo CD lists each of them by itself.
pub const MOST: usize = 256;

/// Which bindings there are to be.
#[derive(Clone, Debug, Default)]
pub struct Desired {
    /// By target, the role of each has the same name.
    pub bindings: BTreeSet<Target>,
    /// The namespaces in which Argo CD is to deploy; none with scope Cluster.
    pub namespaces: BTreeSet<String>,
    /// Where terminals are needed, and because of whom.
    pub exec: BTreeMap<String, BTreeSet<String>>,
    /// Namespaces that do not exist, or are going.
    pub missing: BTreeSet<String>,
    /// More namespaces are chosen than one object may reach.
    pub too_many: Option<usize>,
}

/// Which bindings a grant in effect comes to.
#[must_use]
pub fn desired(grant: &Grant, needs: &Needs, remote: &Remote) -> Desired {
    let mut desired = Desired::default();
    let is_there = |name: &str| remote.namespaces.get(name).is_some_and(|n| n.metadata.deletion_timestamp.is_none());
    let permissions = &grant.permissions;
    let wide = permissions.scope == Scope::Cluster;
    for name in &permissions.namespaces.names {
        if is_there(name) {
            desired.namespaces.insert(name.clone())
        } else {
            desired.missing.insert(name.clone())
        };
    }
    if let Some(selector) = &permissions.namespaces.selector {
        let chosen = remote.namespaces.iter().filter(|(name, n)| matches(selector, n) && is_there(name) && !PROTECTED.contains(&name.as_str()));
        desired.namespaces.extend(chosen.map(|(name, _)| name.clone()));
    }
    if desired.namespaces.len() > MOST {
        desired.too_many = Some(desired.namespaces.len());
        desired.namespaces.clear();
    }
    let mut bind = |name: &str, namespace: Option<&String>| {
        desired.bindings.insert(match namespace {
            Some(namespace) => Target::namespaced(Kind::RemoteRoleBinding, namespace, name),
            None => Target::cluster(Kind::RemoteClusterRoleBinding, name),
        })
    };
    let roles = [Some(SYNC), permissions.logs.then_some(LOGS)];
    for role in roles.into_iter().flatten() {
        if wide {
            bind(role, None);
        }
        for namespace in &desired.namespaces {
            bind(role, Some(namespace));
        }
    }
    if !permissions.cluster_resources.is_empty() {
        bind(SYNC_CLUSTER, None);
    }
    if grant.may_exec() {
        for (namespace, because) in &needs.namespaces {
            // With scope Cluster any namespace is one of ours; it has to be there all the same.
            let ours = desired.namespaces.contains(namespace) || (wide && is_there(namespace));
            if ours {
                bind(EXEC, Some(namespace));
                desired.exec.insert(namespace.clone(), because.clone());
            }
        }
    }
    desired
}

/// What the layer wants, and what it found.
#[derive(Clone, Debug, Default)]
pub struct Folded {
    /// The writes.
    pub wanted: Wanted,
    /// Where a binding of ours stands as it should.
    pub bound: BTreeSet<Target>,
    /// Objects of somebody else that have the name of ours.
    pub foreign: BTreeSet<Target>,
    /// Bindings that are still to be written.
    pub open: BTreeSet<Target>,
}

/// One binding as it is there.
struct There<'a> {
    target: Target,
    meta: &'a ObjectMeta,
    role: &'a RoleRef,
    subjects: &'a [Subject],
}

fn there(remote: &Remote) -> impl Iterator<Item = There<'_>> {
    let namespaced = remote.role_bindings.iter().map(|binding| There {
        target: Target::namespaced(
            Kind::RemoteRoleBinding,
            binding.metadata.namespace.as_deref().unwrap_or_default(),
            binding.metadata.name.as_deref().unwrap_or_default(),
        ),
        meta: &binding.metadata,
        role: &binding.role_ref,
        subjects: binding.subjects.as_deref().unwrap_or_default(),
    });
    let wide = remote.cluster_role_bindings.iter().map(|binding| There {
        target: Target::cluster(Kind::RemoteClusterRoleBinding, binding.metadata.name.as_deref().unwrap_or_default()),
        meta: &binding.metadata,
        role: &binding.role_ref,
        subjects: binding.subjects.as_deref().unwrap_or_default(),
    });
    namespaced.chain(wide)
}

/// What has to be written so that exactly these bindings of ours are there. `keep_exec`: no terminal's right is taken away while it is not
/// known where one is needed.
#[must_use]
pub fn fold(remote: &Remote, owner: &str, subject: Option<(&str, Option<&str>, &str)>, desired: &BTreeSet<Target>, keep_exec: bool) -> Folded {
    let mut folded = Folded::default();
    let mut seen = BTreeSet::new();
    for one in there(remote) {
        if !is_owned(one.meta, owner) {
            if desired.contains(&one.target) {
                folded.foreign.insert(one.target);
            }
            continue;
        }
        let right =
            one.role.kind == "ClusterRole" && one.role.name == one.target.name && subject.is_some_and(|subject| is_subject(one.subjects, subject));
        let keeps = keep_exec && one.target.name == EXEC && right;
        if (desired.contains(&one.target) || keeps) && right {
            folded.bound.insert(one.target.clone());
            seen.insert(one.target);
            continue;
        }
        // What is bound to somebody else, or too much, goes before anything else comes: a role reference cannot be changed.
        folded.wanted.changes.push(Change { object: one.target.to_string(), field: "subjects".to_owned(), from: Some("ours".to_owned()), to: None });
        folded.wanted.writes.push(Write::delete(&one.target, one.meta, layer(&one.target), Direction::Narrow, "not declared (any more)"));
    }
    let Some(subject) = subject else { return folded };
    for target in desired.iter().filter(|target| !seen.contains(*target) && !folded.foreign.contains(*target)) {
        let (kind, namespace, name) = subject;
        let who = namespace.map_or_else(|| format!("{kind} {name}"), |namespace| format!("{kind} {namespace}/{name}"));
        folded.wanted.changes.push(Change { object: target.to_string(), field: "subjects".to_owned(), from: None, to: Some(who) });
        folded.wanted.writes.push(Write {
            target: target.clone(),
            layer: layer(target),
            direction: Direction::Widen,
            action: Action::Apply(body(target, owner, subject)),
            why: "bind what is declared",
        });
    }
    folded.open = desired.difference(&folded.bound).filter(|target| !folded.foreign.contains(*target)).cloned().collect();
    folded
}

fn layer(target: &Target) -> Layer {
    if target.name == EXEC { Layer::RemoteExec } else { Layer::RemoteRights }
}

fn is_subject(subjects: &[Subject], (kind, namespace, name): (&str, Option<&str>, &str)) -> bool {
    matches!(subjects, [one] if one.kind == kind && one.name == name && one.namespace.as_deref() == namespace)
}

fn body(target: &Target, owner: &str, (kind, namespace, name): (&str, Option<&str>, &str)) -> Value {
    let (api_version, binding, _) = target.kind.names();
    let mut subject = json!({"kind": kind, "name": name});
    if let Some(subject) = subject.as_object_mut() {
        match namespace {
            Some(namespace) => subject.insert("namespace".to_owned(), json!(namespace)),
            None => subject.insert("apiGroup".to_owned(), json!("rbac.authorization.k8s.io")),
        };
    }
    let mut metadata = json!({"name": target.name, "labels": {OWNER_LABEL: owner}});
    if let (Some(namespace), Some(metadata)) = (&target.namespace, metadata.as_object_mut()) {
        metadata.insert("namespace".to_owned(), json!(namespace));
    }
    json!({
        "apiVersion": api_version, "kind": binding, "metadata": metadata,
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": target.name},
        "subjects": [subject],
    })
}
