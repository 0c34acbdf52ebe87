//! `serverRoles: InPlace`: our rules in argocd-server's own Role and ClusterRole, as many guides do it by hand. Pure.
//!
//! `rules` is one atomic list that belongs to whoever installed Argo CD. So each of our rules is added as a whole, remembered in an
//! annotation in the same write, and exactly those are taken out again; the list is never restored from a memory. Our managedFields
//! entry stays only where an Application leaves the list to it.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::rbac::v1::PolicyRule;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::{Value, json};

use super::world::World;
use crate::api::status::Change;
use crate::config::ServerRoles;
use crate::ownership::behalf::Name;
use crate::ownership::{Holding, Manner, managed_fields};
use crate::reconcile::Surroundings;
use crate::reconcile::elements::{self, List, Permit};
use crate::reconcile::shared;
use crate::reconcile::withheld::Withheld;
use crate::reconcile::write::{Action, Direction, Kind, Layer, Target, Wanted, Write};

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

/// Whether rules of ours stand in a role.
#[must_use]
pub fn is_marked(meta: &ObjectMeta) -> bool {
    !remembered(meta).is_empty()
}

/// How both roles stand.
#[derive(Clone, Debug, Default)]
pub struct Standing {
    /// Where our rules are in place: the instance's namespace, or `*`.
    pub bound: BTreeSet<String>,
    /// Where they are wanted and somebody else has the list, by the same names.
    pub withheld: BTreeMap<String, Withheld>,
}

/// Brings both roles to where they must be.
pub fn fold(world: &World, in_namespace: bool, in_cluster: bool, wanted: &mut Wanted, frozen: bool) -> Standing {
    let mut standing = Standing::default();
    let on = world.settings.server_roles == ServerRoles::InPlace;
    let mut role = |at: &str, target: &Target, meta: &ObjectMeta, rules: Option<&[PolicyRule]>, want: bool| {
        let role = OwnRole { world, target, meta, current: rules.unwrap_or_default(), present: rules.is_some() };
        match role.bring(on && want, frozen, wanted) {
            Ok(true) => drop(standing.bound.insert(at.to_owned())),
            Ok(false) => {}
            Err(withheld) => drop(standing.withheld.insert(at.to_owned(), withheld)),
        }
    };
    if let Some(Ok(Some(own))) = &world.own_role {
        let target = Target::namespaced(Kind::Role, world.namespace(), &world.settings.in_place.role);
        role(world.namespace(), &target, &own.metadata, own.rules.as_deref(), in_namespace);
    }
    if let Some(Ok(Some(own))) = &world.own_cluster_role {
        let target = Target::cluster(Kind::ClusterRole, &world.settings.in_place.cluster_role);
        role("*", &target, &own.metadata, own.rules.as_deref(), in_cluster);
    }
    standing
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

/// One role.
struct OwnRole<'a> {
    world: &'a World,
    target: &'a Target,
    meta: &'a ObjectMeta,
    current: &'a [PolicyRule],
    present: bool,
}

impl OwnRole<'_> {
    /// Whether our rules stand in it; `Err`: they are wanted, and may not be put in.
    fn bring(&self, want: bool, frozen: bool, wanted: &mut Wanted) -> Result<bool, Withheld> {
        let ours = rules();
        let added = remembered(self.meta);
        let missing: BTreeSet<usize> = (0..ours.len()).filter(|i| !ours.get(*i).is_some_and(|rule| self.current.contains(rule))).collect();
        if want {
            let list = List {
                target: self.target,
                meta: self.meta,
                path: &["rules"],
                present: self.present,
                added: !added.is_empty(),
                complete: missing.is_empty(),
                what: "rules for get pods and get, create pods/exec (or have serverRoles: Dedicated, which needs no list of others)",
            };
            let manner = match elements::permit(self.world, list, &mut wanted.looks) {
                Permit::Put(manner) => manner,
                Permit::Withheld(withheld) => {
                    self.forget(&added, &missing, wanted);
                    return Err(withheld);
                }
            };
            if missing.is_empty() {
                if manner == Manner::Yield {
                    self.tidy(wanted);
                }
                return Ok(true);
            }
            let list: Vec<PolicyRule> = self.current.iter().cloned().chain(missing.iter().filter_map(|i| ours.get(*i).cloned())).collect();
            self.put(&list, &added.union(&missing).copied().collect(), Direction::Widen, wanted);
        } else if !added.is_empty() || self.meta.annotations.as_ref().is_some_and(|a| a.contains_key(ANNOTATION)) {
            if !frozen {
                let mut list = self.current.to_vec();
                for rule in added.iter().filter_map(|i| ours.get(*i)) {
                    if let Some(at) = list.iter().rposition(|r| r == rule) {
                        list.remove(at);
                    }
                }
                self.put(&list, &BTreeSet::new(), Direction::Narrow, wanted);
            }
        } else {
            self.tidy(wanted);
        }
        Ok(false)
    }

    /// Rules that somebody took out are not ours any more: should they put them in themselves, they stay.
    fn forget(&self, added: &BTreeSet<usize>, missing: &BTreeSet<usize>, wanted: &mut Wanted) {
        if added.is_disjoint(missing) {
            return;
        }
        let left = added.difference(missing).copied().collect();
        let patch = json!({"metadata": {"resourceVersion": self.meta.resource_version, "annotations": {ANNOTATION: memory(&left)}}});
        let action = Action::change(self.name(Direction::Keep), patch);
        wanted.writes.push(Write {
            target: self.target.clone(),
            layer: Layer::Server,
            direction: Direction::Keep,
            action,
            why: "forget rules that are gone",
        });
    }

    fn tidy(&self, wanted: &mut Wanted) {
        if managed_fields::ours_present(self.meta) {
            wanted.writes.push(shared::disown(self.target, Layer::Server, self.meta));
        }
    }

    /// In whose name the list is to be written, if in somebody's.
    fn name(&self, direction: Direction) -> Option<Name> {
        let tracking = self.world.tracking();
        let holding = Holding::of(self.target.place(), self.meta, &tracking);
        if direction == Direction::Narrow { holding.name_to_give_back_in() } else { holding.name_to_set_in() }
    }

    fn put(&self, list: &[PolicyRule], added: &BTreeSet<usize>, direction: Direction, wanted: &mut Wanted) {
        let patch = json!({
            "metadata": {"resourceVersion": self.meta.resource_version, "annotations": {ANNOTATION: memory(added)}},
            "rules": list,
        });
        let (from, to) = if direction == Direction::Widen {
            (None, Some("pods get; pods/exec get, create".to_owned()))
        } else {
            (Some("pods get; pods/exec get, create".to_owned()), None)
        };
        wanted.changes.push(Change { object: self.target.to_string(), field: "rules".to_owned(), from, to });
        wanted.writes.push(Write {
            target: self.target.clone(),
            layer: Layer::Server,
            direction,
            action: Action::change(self.name(direction), patch),
            why: "rules of argocd-server's own role",
        });
    }
}

fn remembered(meta: &ObjectMeta) -> BTreeSet<usize> {
    let text = meta.annotations.as_ref().and_then(|a| a.get(ANNOTATION)).map(String::as_str).unwrap_or_default();
    text.split(',').filter_map(|i| i.parse().ok()).filter(|i| *i < rules().len()).collect()
}

fn memory(added: &BTreeSet<usize>) -> Value {
    if added.is_empty() { Value::Null } else { Value::String(added.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")) }
}
