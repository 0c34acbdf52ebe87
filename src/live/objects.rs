//! The Roles, ClusterRoles and bindings that carry an agent's rights: what of them has to be written. Pure.
//!
//! What is taken away is taken by deleting a binding, never by narrowing a role that is bound: that would be refused wherever the operator
//! does not hold what stays. A role is bound only when it is seen to be exactly what is wanted.

use std::collections::BTreeSet;

use k8s_openapi::api::rbac::v1::{PolicyRule, RoleRef, Subject};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::{Value, json};

use super::rules::{Right, Rules};
use super::wanted::{Place, Wanted};
use super::world::{World, role_name};
use crate::api::status::Change;
use crate::api::{Feature, INSTANCE_LABEL};
use crate::reconcile::write::{self, Action, Direction, Kind, Layer, Target, Write};

const GROUP: &str = "rbac.authorization.k8s.io";
/// What the chart's ClusterRoles give, and how the bindings to them end.
pub const SHIPPED: [(Feature, &str); 3] = [(Feature::Events, "events"), (Feature::Logs, "logs"), (Feature::Terminal, "exec")];

/// What is wanted of the objects.
#[derive(Clone, Copy, Debug)]
pub struct Order<'a> {
    /// The rights.
    pub wanted: &'a Wanted,
    /// Those of objects that stand outside of their windows too: their roles stay, without a binding.
    pub kept: &'a Wanted,
    /// Whose they are.
    pub service_account: Option<&'a str>,
    /// What is surely too much is all that is taken away: what is right is not known. So much may stay.
    pub at_most: Option<&'a AtMost>,
}

/// The most that objects can ask for, whatever the Applications are.
#[derive(Clone, Debug, Default)]
pub struct AtMost {
    /// With these features.
    pub features: BTreeSet<Feature>,
    /// Whether any releases Secrets.
    pub secrets: bool,
    /// Whether any shows what has no namespace.
    pub cluster: bool,
}

/// What has to be written, and what stands in the way.
#[derive(Clone, Debug, Default)]
pub struct Folded {
    /// The writes and, for Observe mode, the changes.
    pub wanted: write::Wanted,
    /// Objects of somebody else that have our names.
    pub foreign: BTreeSet<Target>,
    /// Where it is not yet as wanted: by namespace, and empty for the cluster.
    pub pending: BTreeSet<String>,
    /// Where something is to be taken away that nobody declares.
    pub taking: BTreeSet<String>,
}

/// A role or a binding of ours, as it is seen.
struct Owned<'a, T> {
    meta: &'a ObjectMeta,
    body: T,
}

struct Role<'a> {
    rules: &'a [PolicyRule],
}

struct Binding<'a> {
    role: &'a RoleRef,
    subjects: &'a [Subject],
}

/// All objects of ours, and those that should be.
#[must_use]
pub fn fold(world: &World, order: Order<'_>) -> Folded {
    let mut fold = Fold { world, order, folded: Folded::default(), name: role_name(world.namespace()) };
    let (Ok(roles), Ok(bindings)) = (&world.roles, &world.role_bindings) else { return fold.folded };
    let mut places: BTreeSet<&str> = order.wanted.namespaces.keys().map(String::as_str).collect();
    let metas = roles.iter().map(|r| &r.metadata).chain(bindings.iter().map(|b| &b.metadata));
    places.extend(metas.filter(|meta| world.is_ours(meta)).filter_map(|meta| meta.namespace.as_deref()));
    for namespace in places {
        let at = |meta: &ObjectMeta, name: &str| meta.namespace.as_deref() == Some(namespace) && meta.name.as_deref() == Some(name);
        let place = order.wanted.namespaces.get(namespace);
        let kept = order.kept.namespaces.contains_key(namespace);
        let role = roles.iter().find(|r| at(&r.metadata, &fold.name)).map(|r| (&r.metadata, Role { rules: r.rules.as_deref().unwrap_or_default() }));
        let bound = |name: &str| {
            let found = bindings.iter().find(|b| at(&b.metadata, name));
            found.map(|b| (&b.metadata, Binding { role: &b.role_ref, subjects: b.subjects.as_deref().unwrap_or_default() }))
        };
        let live = bound(&fold.name);
        fold.derived(Some(namespace), place.map(|p| &p.rules), kept, role, live);
        for (feature, suffix) in SHIPPED {
            let name = format!("{}-{suffix}", fold.name);
            let binding = bound(&name);
            fold.shipped(namespace, feature, &name, place, binding);
        }
    }
    if let (Ok(role), Ok(binding)) = (&world.cluster_role, &world.cluster_role_binding) {
        let role = role.as_ref().map(|r| (&r.metadata, Role { rules: r.rules.as_deref().unwrap_or_default() }));
        let binding = binding.as_ref().map(|b| (&b.metadata, Binding { role: &b.role_ref, subjects: b.subjects.as_deref().unwrap_or_default() }));
        let wanted = Some(&order.wanted.cluster).filter(|rules| !rules.is_empty());
        fold.derived(None, wanted, !order.kept.cluster.is_empty(), role, binding);
    }
    fold.folded
}

struct Fold<'a> {
    world: &'a World,
    order: Order<'a>,
    folded: Folded,
    name: String,
}

impl Fold<'_> {
    /// The role with the derived rules and its binding, in a namespace or in the cluster.
    fn derived(
        &mut self,
        namespace: Option<&str>,
        rules: Option<&Rules>,
        kept: bool,
        role: Option<(&ObjectMeta, Role<'_>)>,
        binding: Option<(&ObjectMeta, Binding<'_>)>,
    ) {
        let target =
            |kind, in_cluster| namespace.map_or_else(|| Target::cluster(in_cluster, &self.name), |n| Target::namespaced(kind, n, &self.name));
        let (role_target, binding_target) = (target(Kind::Role, Kind::ClusterRole), target(Kind::RoleBinding, Kind::ClusterRoleBinding));
        let role = self.own(&role_target, role, rules.is_some());
        let binding = self.own(&binding_target, binding, rules.is_some());
        let (Ok(role), Ok(binding)) = (&role, &binding) else {
            // A binding of ours to a role of somebody else gives what nobody declares.
            if let Ok(Some(binding)) = &binding {
                self.take(&binding_target, binding.meta, Layer::Live, "a role of somebody else has our name");
            }
            return self.wait(namespace, rules.is_some());
        };
        if let Some(at_most) = self.order.at_most {
            let within =
                |role: &Owned<'_, Role<'_>>| Rules::parse(role.body.rules).is_some_and(|seen| seen.iter().all(|(right, _)| at_most.allows(right)));
            let right = |binding: &Owned<'_, Binding<'_>>| self.may_be_bound(&binding.body, &reference(role_target.kind, &self.name));
            let in_place = namespace.is_some() || at_most.cluster;
            if let Some(binding) = binding.as_ref().filter(|binding| !in_place || !right(binding) || !role.as_ref().is_some_and(within)) {
                self.take(&binding_target, binding.meta, Layer::Live, "nobody declares as much any more");
            }
            return;
        }
        let reference = reference(role_target.kind, &self.name);
        let Some(rules) = rules else {
            if let Some(binding) = binding {
                self.take(&binding_target, binding.meta, Layer::Live, "no resource is declared here any more");
            } else if let Some(role) = role.as_ref().filter(|_| !kept) {
                let delete = Write::delete(&role_target, role.meta, Layer::Live, Direction::Keep, "nothing is bound to it any more");
                self.folded.wanted.writes.push(delete);
            }
            return;
        };
        let seen = role.as_ref().map(|role| Rules::parse(role.body.rules));
        let exact = matches!(&seen, Some(Some(seen)) if seen == rules);
        let grows = matches!(&seen, Some(Some(seen)) if seen.are_within(rules));
        let bound = binding.as_ref().map(|binding| self.is_bound(&binding.body, &reference));
        if let (Some(right), Some(binding)) = (bound, binding)
            && (!right || !(exact || grows))
        {
            self.take(&binding_target, binding.meta, Layer::Live, "what is bound is not what is declared");
            self.change(&role_target, "rules", seen.flatten().as_ref(), Some(rules));
            return self.wait(namespace, true);
        }
        if !exact {
            let version = role.as_ref().and_then(|role| role.meta.resource_version.clone());
            let body = self.body(&role_target, version, json!({"rules": rules.render()}));
            self.give(role_target.clone(), Layer::Live, body, "the rights that the Applications need");
            self.change(&role_target, "rules", seen.flatten().as_ref(), Some(rules));
            self.wait(namespace, true);
        }
        if bound.is_none() {
            if exact {
                let body = self.bind(&binding_target, &reference);
                self.give(binding_target.clone(), Layer::Live, body, "bind them to the agent");
            }
            self.changed(&binding_target, None, Some(format!("{} {}", reference.kind, reference.name)));
            self.wait(namespace, true);
        }
    }

    /// The binding to a role of the chart.
    fn shipped(&mut self, namespace: &str, feature: Feature, name: &str, place: Option<&Place>, binding: Option<(&ObjectMeta, Binding<'_>)>) {
        let target = Target::namespaced(Kind::RoleBinding, namespace, name);
        let wanted = place.is_some_and(|place| place.features.contains(&feature));
        let Ok(binding) = self.own(&target, binding, wanted) else { return self.wait(Some(namespace), wanted) };
        let role = match feature {
            Feature::Logs => &self.world.shipped.logs,
            Feature::Terminal => &self.world.shipped.exec,
            _ => &self.world.shipped.events,
        };
        let reference = reference(Kind::ClusterRole, role);
        match (binding, self.order.at_most) {
            (Some(binding), Some(at_most)) if !at_most.features.contains(&feature) || !self.may_be_bound(&binding.body, &reference) => {
                self.take(&target, binding.meta, Layer::LiveShipped, "nobody declares it any more");
            }
            (_, Some(_)) => {}
            (Some(binding), None) if !wanted || !self.is_bound(&binding.body, &reference) => {
                self.take(&target, binding.meta, Layer::LiveShipped, "it is not declared here any more");
                self.wait(Some(namespace), wanted);
            }
            (None, None) if wanted => {
                let body = self.bind(&target, &reference);
                self.give(target.clone(), Layer::LiveShipped, body, "bind a role of the chart to the agent");
                self.changed(&target, None, Some(format!("{} {}", reference.kind, reference.name)));
                self.wait(Some(namespace), true);
            }
            _ => {}
        }
    }

    /// What is ours of what is seen; `Err`: it is somebody else's, and left alone.
    fn own<'s, T>(&mut self, target: &Target, seen: Option<(&'s ObjectMeta, T)>, wanted: bool) -> Result<Option<Owned<'s, T>>, ()> {
        match seen {
            Some((meta, _)) if !self.world.is_ours(meta) => {
                if wanted {
                    self.folded.foreign.insert(target.clone());
                }
                Err(())
            }
            Some((meta, body)) => Ok(Some(Owned { meta, body })),
            None => Ok(None),
        }
    }

    fn is_bound(&self, binding: &Binding<'_>, role: &RoleRef) -> bool {
        let ours = |subject: &Subject| {
            subject.kind == "ServiceAccount"
                && Some(subject.name.as_str()) == self.order.service_account
                && subject.namespace.as_deref() == Some(self.world.namespace())
        };
        binding.role == role && matches!(binding.subjects, [one] if ours(one))
    }

    /// The same where the agent may not be known.
    fn may_be_bound(&self, binding: &Binding<'_>, role: &RoleRef) -> bool {
        if self.order.service_account.is_some() { self.is_bound(binding, role) } else { binding.role == role }
    }

    fn bind(&self, target: &Target, role: &RoleRef) -> Value {
        let subject = json!({"kind": "ServiceAccount", "name": self.order.service_account, "namespace": self.world.namespace()});
        let rest = json!({"roleRef": {"apiGroup": role.api_group, "kind": role.kind, "name": role.name}, "subjects": [subject]});
        self.body(target, None, rest)
    }

    fn body(&self, target: &Target, version: Option<String>, rest: Value) -> Value {
        let (api_version, kind, _) = target.kind.names();
        let labels = json!({INSTANCE_LABEL: self.world.namespace(), "app.kubernetes.io/managed-by": "argocd-access"});
        let mut metadata = json!({"name": target.name, "labels": labels});
        if let (Some(metadata), Some(namespace)) = (metadata.as_object_mut(), &target.namespace) {
            metadata.insert("namespace".to_owned(), json!(namespace));
        }
        if let (Some(metadata), Some(version)) = (metadata.as_object_mut(), version) {
            metadata.insert("resourceVersion".to_owned(), json!(version));
        }
        let mut body = json!({"apiVersion": api_version, "kind": kind, "metadata": metadata});
        if let (Some(body), Value::Object(rest)) = (body.as_object_mut(), rest) {
            body.extend(rest);
        }
        body
    }

    fn give(&mut self, target: Target, layer: Layer, body: Value, why: &'static str) {
        self.folded.wanted.writes.push(Write { target, layer, direction: Direction::Widen, action: Action::Apply(body), why });
    }

    fn take(&mut self, target: &Target, meta: &ObjectMeta, layer: Layer, why: &'static str) {
        self.folded.taking.insert(target.namespace.clone().unwrap_or_default());
        self.folded.wanted.writes.push(Write::delete(target, meta, layer, Direction::Narrow, why));
        self.changed(target, Some("bound".to_owned()), None);
    }

    fn wait(&mut self, namespace: Option<&str>, wanted: bool) {
        if wanted {
            self.folded.pending.insert(namespace.unwrap_or_default().to_owned());
        }
    }

    fn change(&mut self, target: &Target, field: &str, from: Option<&Rules>, to: Option<&Rules>) {
        let show = |rules: &Rules| serde_json::to_string(&rules.render()).unwrap_or_default();
        let (from, to) = (from.map(show), to.map(show));
        self.folded.wanted.changes.push(Change { object: target.to_string(), field: field.to_owned(), from, to });
    }

    fn changed(&mut self, target: &Target, from: Option<String>, to: Option<String>) {
        self.folded.wanted.changes.push(Change { object: target.to_string(), field: "roleRef".to_owned(), from, to });
    }
}

fn reference(kind: Kind, name: &str) -> RoleRef {
    RoleRef { api_group: GROUP.to_owned(), kind: kind.names().1.to_owned(), name: name.to_owned() }
}

impl AtMost {
    /// Whether a right may be one of those that are asked for.
    fn allows(&self, right: &Right) -> bool {
        let any = |some: &[Feature]| some.iter().any(|feature| self.features.contains(feature));
        let verb = match right.verb.as_str() {
            "get" => true,
            "patch" => any(&[Feature::Edit, Feature::Actions]),
            "create" => any(&[Feature::Actions]),
            "delete" => any(&[Feature::Delete]),
            _ => false,
        };
        verb && (self.secrets || !(right.group.is_empty() && right.resource == "secrets"))
    }
}
