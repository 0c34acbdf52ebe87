//! `serverRoles: InPlace`: our rules in argocd-server's own Role and ClusterRole, as many guides do it by hand. Pure.
//!
//! `rules` is one atomic list that belongs to whoever installed Argo CD. So each of our rules is added as a whole, remembered in an
//! annotation in the same write, and exactly those are taken out again; the list is never restored from a memory. Our managedFields
//! entry never stays.

use std::collections::BTreeSet;

use k8s_openapi::api::rbac::v1::PolicyRule;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::{Value, json};

use super::shared;
use super::world::World;
use super::write::{Action, Direction, Kind, Layer, Target, Wanted, Write};
use crate::api::status::Change;
use crate::config::ServerRoles;
use crate::ownership::managed_fields;

/// The annotation that says which rules we added: their indices in `rules()`.
pub const ANNOTATION: &str = "argocd-access.dev/rules";

/// What a terminal needs, on every supported Kubernetes (`facts`, Argo CD 1.3).
#[must_use]
pub fn rules() -> [PolicyRule; 2] {
    let rule = |resource: &str, verbs: &[&str]| PolicyRule {
        api_groups: Some(vec![String::new()]),
        resources: Some(vec![resource.to_owned()]),
        verbs: verbs.iter().map(|v| (*v).to_owned()).collect(),
        ..PolicyRule::default()
    };
    [rule("pods", &["get"]), rule("pods/exec", &["get", "create"])]
}

/// Brings both roles to where they must be, and returns where our rules are in place: the instance's namespace, or `*`.
pub fn fold(world: &World, in_namespace: bool, in_cluster: bool, wanted: &mut Wanted, frozen: bool) -> BTreeSet<String> {
    let mut bound = BTreeSet::new();
    let on = world.settings.server_roles == ServerRoles::InPlace;
    if let Some(Ok(Some(role))) = &world.own_role {
        let target = Target::namespaced(Kind::Role, world.namespace(), &world.settings.in_place.role);
        if one(&target, &role.metadata, role.rules.as_deref().unwrap_or_default(), on && in_namespace, frozen, wanted) {
            bound.insert(world.namespace().to_owned());
        }
    }
    if let Some(Ok(Some(role))) = &world.own_cluster_role {
        let target = Target::cluster(Kind::ClusterRole, &world.settings.in_place.cluster_role);
        if one(&target, &role.metadata, role.rules.as_deref().unwrap_or_default(), on && in_cluster, frozen, wanted) {
            bound.insert("*".to_owned());
        }
    }
    bound
}

/// The role that the instance's settings name for this reach, but that is not there.
#[must_use]
pub fn missing(world: &World, in_namespace: bool, in_cluster: bool) -> Option<String> {
    let cluster = in_cluster && matches!(world.own_cluster_role, Some(Ok(None)));
    let own = in_namespace && matches!(world.own_role, Some(Ok(None)));
    match (cluster, own) {
        (true, _) => Some(format!("ClusterRole {}", world.settings.in_place.cluster_role)),
        (false, true) => Some(format!("Role {}", world.settings.in_place.role)),
        (false, false) => None,
    }
}

/// One role. Returns whether our rules stand in it.
fn one(target: &Target, meta: &ObjectMeta, current: &[PolicyRule], want: bool, frozen: bool, wanted: &mut Wanted) -> bool {
    let ours = rules();
    let added: BTreeSet<usize> = remembered(meta);
    let missing: Vec<usize> = (0..ours.len()).filter(|i| !ours.get(*i).is_some_and(|rule| current.contains(rule))).collect();
    if want {
        if missing.is_empty() {
            tidy(target, meta, wanted);
            return true;
        }
        let now_added: BTreeSet<usize> = missing.iter().copied().chain(added).collect();
        let list: Vec<PolicyRule> = current.iter().cloned().chain(missing.iter().filter_map(|i| ours.get(*i).cloned())).collect();
        put(target, meta, &list, &now_added, Direction::Widen, wanted);
    } else if !added.is_empty() || meta.annotations.as_ref().is_some_and(|a| a.contains_key(ANNOTATION)) {
        if !frozen {
            let mut list = current.to_vec();
            for rule in added.iter().filter_map(|i| ours.get(*i)) {
                if let Some(at) = list.iter().rposition(|r| r == rule) {
                    list.remove(at);
                }
            }
            put(target, meta, &list, &BTreeSet::new(), Direction::Narrow, wanted);
        }
    } else {
        tidy(target, meta, wanted);
    }
    false
}

fn remembered(meta: &ObjectMeta) -> BTreeSet<usize> {
    let text = meta.annotations.as_ref().and_then(|a| a.get(ANNOTATION)).map(String::as_str).unwrap_or_default();
    text.split(',').filter_map(|i| i.parse().ok()).filter(|i| *i < rules().len()).collect()
}

fn tidy(target: &Target, meta: &ObjectMeta, wanted: &mut Wanted) {
    if managed_fields::ours_present(meta) {
        wanted.writes.push(shared::disown(target, Layer::Server, meta));
    }
}

fn put(target: &Target, meta: &ObjectMeta, list: &[PolicyRule], added: &BTreeSet<usize>, direction: Direction, wanted: &mut Wanted) {
    let memory = (!added.is_empty()).then(|| added.iter().map(ToString::to_string).collect::<Vec<_>>().join(","));
    let patch = json!({
        "metadata": {"resourceVersion": meta.resource_version, "annotations": {ANNOTATION: memory.map_or(Value::Null, Value::String)}},
        "rules": list,
    });
    let (from, to) = if direction == Direction::Widen {
        (None, Some("pods get; pods/exec get, create".to_owned()))
    } else {
        (Some("pods get; pods/exec get, create".to_owned()), None)
    };
    wanted.changes.push(Change { object: target.to_string(), field: "rules".to_owned(), from, to });
    wanted.writes.push(Write {
        target: target.clone(),
        layer: Layer::Server,
        direction,
        action: Action::Merge(patch),
        why: "rules of argocd-server's own role",
    });
}
