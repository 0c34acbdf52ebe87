//! The Kubernetes rights of argocd-server: bindings of our own to the chart's fixed ClusterRole, in the namespaces where the pods are.
//! Pure.
//!
//! They count only where Argo CD uses argocd-server's own ServiceAccount: for the cluster that it runs in. On other clusters the identity
//! of the cluster Secret counts (`facts`, Argo CD `RawRestConfig`); what can be known of that is in `remote_proof`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use k8s_openapi::api::rbac::v1::{RoleRef, Subject};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};
use serde_json::{Value, json};

use super::admission::Case;
use super::by_name::ByName;
use super::grant::{Grant, Place};
use super::remote::{Cluster, Remote};
use super::remote_proof::Proofs;
use super::world::World;
use crate::api::INSTANCE_LABEL;
use crate::api::conditions::{Reason, Verdict};
use crate::api::status::Change;
use crate::argocd::instance::{NoServer, Server};
use crate::config::ServerRoles;
use crate::reconcile::seen::{NotSeen, Seen};
use crate::reconcile::selection::matches;
use crate::reconcile::withheld::Withheld;
use crate::reconcile::write::{Action, Direction, Kind, Layer, Target, Wanted, Write};

/// Where one object needs argocd-server to exec.
#[derive(Clone, Debug, Default)]
pub struct Reach {
    /// Scope Cluster.
    pub cluster: bool,
    /// The namespaces.
    pub namespaces: BTreeSet<String>,
    /// Namespaces that the instance's limits deny.
    pub denied: BTreeSet<String>,
    /// Namespaces that do not exist, or are going.
    pub missing: BTreeSet<String>,
    /// Namespaces that the admission policy of a confined instance does not hold.
    pub beyond: BTreeSet<String>,
    /// Destinations on other clusters.
    pub remote: Remote,
    /// What could not be seen.
    pub blind: Option<NotSeen>,
    /// Because of it, more namespaces may be meant than are named here.
    pub unsure: bool,
}

/// What the layer found for one object; the reviews complete it.
#[derive(Clone, Debug)]
pub struct ServerOutlook {
    /// The instance's namespace.
    pub instance: String,
    /// Where.
    pub reach: Reach,
    /// What is known of the terminals on other clusters; nothing: it was not looked at.
    pub remote: Proofs,
    /// The namespaces in which a binding (or rule) of ours is in place; `*`: in all.
    pub bound: Arc<BTreeSet<String>>,
    /// The bindings of somebody else that have the name of ours, by namespace; `*`: a ClusterRoleBinding.
    pub taken: Arc<BTreeMap<String, Target>>,
    /// Lists of argocd-server's own roles into which no rule may be put.
    pub withheld: Vec<Withheld>,
    /// What stands in the way of writing anything.
    pub obstacle: Option<Verdict>,
}

/// Finds where a grant needs argocd-server to exec.
fn reach(world: &World, sorted: &ByName<'_>, grant: &Grant, server: Option<&Server>) -> Reach {
    let mut reach = Reach::default();
    let namespaces = match &world.namespaces {
        Ok(namespaces) => Some(namespaces),
        Err(not_seen) => {
            reach.blind = Some(not_seen.clone());
            None
        }
    };
    let mut wanted = BTreeSet::new();
    match &grant.place {
        Place::Cluster => reach.cluster = true,
        Place::Chosen(names, selector) => {
            wanted.extend(names.iter().cloned());
            reach.unsure = selector.is_some() && namespaces.is_none();
            let selected = |s: &LabelSelector| {
                namespaces.into_iter().flatten().filter(|n| matches(s, n)).filter_map(|n| n.metadata.name.clone()).collect::<Vec<_>>()
            };
            wanted.extend(selector.as_ref().map(selected).unwrap_or_default());
        }
        Place::Destinations => {
            if let Err(not_seen) = &world.applications {
                reach.blind = Some(not_seen.clone());
                reach.unsure = true;
            }
        }
    }
    // Where Argo CD does not look, anybody may have put an Application: it must not lead to a right.
    let looked_at = |app: &crate::argocd::kinds::Application| {
        let namespace = app.metadata.namespace.as_deref().unwrap_or_default();
        namespace == world.namespace() || server.is_none_or(|s| s.serves(namespace))
    };
    for app in grant.applications.iter().flat_map(|selector| sorted.meant(selector)).filter(|app| looked_at(app)) {
        let destination = &app.spec.destination;
        let namespace = destination.namespace.as_ref().filter(|n| !n.is_empty());
        if let Some(cluster) = Cluster::of(destination) {
            // Whatever namespaces of this cluster are chosen instead, they say nothing of that one.
            reach.remote.entry(cluster).or_default().extend(namespace.cloned());
        } else if !destination.is_in_cluster() {
            // It deploys nowhere.
        } else if let (Place::Destinations, Some(namespace)) = (&grant.place, namespace) {
            wanted.insert(namespace.clone());
        }
    }
    for namespace in wanted {
        if world.settings.limits.denied_namespaces.contains(&namespace) {
            reach.denied.insert(namespace);
        } else if sorted.is_alive(&namespace) {
            reach.namespaces.insert(namespace);
        } else {
            reach.missing.insert(namespace);
        }
    }
    reach
}

/// Whose rights are meant, or why that is not known.
///
/// # Errors
/// The verdict of `ServerAuthorized`.
pub fn server(world: &World) -> Result<Server, Verdict> {
    match world.server() {
        Err(not_seen) => Err(Verdict::unknown(Reason::NotReadable, not_seen.to_string())),
        Ok(Err(NoServer::Missing)) => Err(Verdict::no(
            Reason::ServerNotFound,
            format!(
                "no Deployment in {} is argocd-server (labels app.kubernetes.io/part-of=argocd and app.kubernetes.io/component=server); install Argo CD here, or label it",
                world.namespace()
            ),
        )),
        Ok(Err(NoServer::Ambiguous(names))) => Err(Verdict::no(
            Reason::ServerAmbiguous,
            format!(
                "more than one Deployment in {} looks like argocd-server: {}; remove the label app.kubernetes.io/component=server from those that are not",
                world.namespace(),
                names.join(", ")
            ),
        )),
        Ok(Ok(server)) => Ok(server),
    }
}

/// Where each object in effect needs argocd-server to exec (by the object's index among the cases).
#[must_use]
pub fn reaches(world: &World, sorted: &ByName<'_>, cases: &[Case]) -> BTreeMap<usize, Reach> {
    let server = server(world).ok();
    let in_effect = cases.iter().enumerate().filter(|(_, c)| c.effective);
    in_effect.filter_map(|(i, c)| Some((i, reach(world, sorted, c.grant.as_ref()?, server.as_ref())))).collect()
}

/// What cannot be computed is frozen: nothing is taken away on half a sight, and nothing is added.
#[must_use]
pub fn is_frozen(world: &World, reaches: &BTreeMap<usize, Reach>) -> bool {
    world.frozen().next().is_some() || (!world.ending() && reaches.values().any(|r| r.unsure))
}

/// What the layer wants, and what it found for each object in effect (by the object's index among the cases).
#[must_use]
pub fn fold(world: &World, reaches: BTreeMap<usize, Reach>) -> (Wanted, BTreeMap<usize, ServerOutlook>) {
    let mut wanted = Wanted::default();
    let server = server(world);
    let frozen = is_frozen(world, &reaches);
    let in_place = world.settings.server_roles == ServerRoles::InPlace;
    let mut namespaces: BTreeSet<&str> = reaches.values().flat_map(|r| &r.namespaces).map(String::as_str).collect();
    let cluster = reaches.values().any(|r| r.cluster);
    let by_own_role = in_place && !world.settings.in_place.role.is_empty();
    let own_namespace = by_own_role && namespaces.remove(world.namespace());
    let own_roles = super::in_place::fold(world, own_namespace || cluster, cluster, &mut wanted, frozen);
    let bindings = Bindings { world, server: server.as_ref().ok() };
    let mut bound = bindings.namespaced(&namespaces, frozen, &mut wanted);
    let by_rules = in_place && !world.settings.in_place.cluster_role.is_empty();
    bindings.clustered(cluster && !by_rules, frozen, &mut wanted, &mut bound);
    bound.extend(own_roles.bound);
    let (bound, taken) = (Arc::new(bound), Arc::new(bindings.taken()));
    let server_obstacle = server.err();
    let own_role = world.own_role.as_ref().and_then(|r| r.as_ref().err()).filter(|_| by_own_role);
    let own_cluster_role = world.own_cluster_role.as_ref().and_then(|r| r.as_ref().err());
    let of_cluster = if by_rules { own_cluster_role } else { world.cluster_role_binding.as_ref().err() };
    let outlook = |(i, reach): (usize, Reach)| {
        let unseen = world.role_bindings.as_ref().err();
        let unseen = unseen.or(own_role.filter(|_| reach.namespaces.contains(world.namespace()))).or(of_cluster.filter(|_| reach.cluster));
        let obstacle = server_obstacle.clone().or_else(|| unseen.map(|n| Verdict::unknown(Reason::NotReadable, n.to_string())));
        let obstacle = obstacle.or_else(|| {
            super::in_place::missing(world, reach.namespaces.contains(world.namespace()), reach.cluster).map(|name| no_own_role(world, &name))
        });
        let instance = world.namespace().to_owned();
        let concerns = |at: &str| (at == "*" && reach.cluster) || reach.namespaces.contains(at);
        let withheld = own_roles.withheld.iter().filter(|(at, _)| concerns(at)).map(|(_, w)| w.clone()).collect();
        (i, ServerOutlook { instance, reach, remote: Proofs::new(), bound: Arc::clone(&bound), taken: Arc::clone(&taken), withheld, obstacle })
    };
    let outlooks = reaches.into_iter().map(outlook).collect();
    (wanted, outlooks)
}

fn no_own_role(world: &World, name: &str) -> Verdict {
    let message = format!(
        "serverRoles is InPlace, and {name} does not exist (instance {}); name argocd-server's own roles in the chart's instance.inPlace, or leave the name empty to have a binding instead",
        world.namespace()
    );
    Verdict::no(Reason::Denied, message)
}

/// Our bindings: what they must say, and what has to be done so that they do.
struct Bindings<'a> {
    world: &'a World,
    server: Option<&'a Server>,
}

impl Bindings<'_> {
    fn namespaced(&self, wanted_in: &BTreeSet<&str>, frozen: bool, wanted: &mut Wanted) -> BTreeSet<String> {
        let mut bound = BTreeSet::new();
        let Ok(bindings) = &self.world.role_bindings else { return bound };
        let mut there = BTreeSet::new();
        for binding in bindings {
            let Some(namespace) = binding.metadata.namespace.as_deref() else { continue };
            there.insert(namespace);
            let target = Target::namespaced(Kind::RoleBinding, namespace, &self.world.binding_name());
            if !self.world.is_ours(&binding.metadata) {
                continue;
            }
            if !wanted_in.contains(namespace) {
                if !frozen && !self.world.is_going(namespace) {
                    wanted.writes.push(delete(&target, &binding.metadata));
                    wanted.changes.push(removed(&target));
                }
                continue;
            }
            match self.state(&binding.role_ref, binding.subjects.as_deref()) {
                State::Good => {
                    bound.insert(namespace.to_owned());
                }
                // A roleRef cannot be changed: the binding goes, and comes again.
                State::OtherRole => wanted.writes.push(delete(&target, &binding.metadata)),
                State::OtherSubject => self.put(&target, Some(&binding.metadata), wanted),
            }
        }
        for namespace in wanted_in.iter().filter(|n| !there.contains(*n)) {
            self.put(&Target::namespaced(Kind::RoleBinding, namespace, &self.world.binding_name()), None, wanted);
        }
        bound
    }

    fn clustered(&self, want: bool, frozen: bool, wanted: &mut Wanted, bound: &mut BTreeSet<String>) {
        let Ok(binding) = &self.world.cluster_role_binding else { return };
        let target = Target::cluster(Kind::ClusterRoleBinding, &self.world.binding_name());
        let Some(binding) = binding else {
            if want {
                self.put(&target, None, wanted);
            }
            return;
        };
        if !self.world.is_ours(&binding.metadata) {
            return;
        }
        if !want {
            if !frozen {
                wanted.writes.push(delete(&target, &binding.metadata));
                wanted.changes.push(removed(&target));
            }
            return;
        }
        match self.state(&binding.role_ref, binding.subjects.as_deref()) {
            State::Good => {
                bound.insert("*".to_owned());
            }
            State::OtherRole => wanted.writes.push(delete(&target, &binding.metadata)),
            State::OtherSubject => self.put(&target, Some(&binding.metadata), wanted),
        }
    }

    /// Where a binding of our name is somebody else's.
    fn taken(&self) -> BTreeMap<String, Target> {
        let name = self.world.binding_name();
        let theirs = |meta: &ObjectMeta| !self.world.is_ours(meta);
        let namespaces = self.world.role_bindings.iter().flatten().map(|b| &b.metadata).filter(|m| theirs(m)).filter_map(|m| m.namespace.clone());
        let cluster = self.world.cluster_role_binding.iter().flatten().any(|b| theirs(&b.metadata));
        let everywhere = cluster.then(|| ("*".to_owned(), Target::cluster(Kind::ClusterRoleBinding, &name)));
        let named = |namespace: String| (namespace.clone(), Target::namespaced(Kind::RoleBinding, &namespace, &name));
        namespaces.map(named).chain(everywhere).collect()
    }

    fn state(&self, role: &RoleRef, subjects: Option<&[Subject]>) -> State {
        let Some(server) = self.server else { return State::Good };
        if role.kind != "ClusterRole" || role.name != self.world.exec_cluster_role {
            return State::OtherRole;
        }
        let good =
            |s: &Subject| s.kind == "ServiceAccount" && s.name == server.service_account && s.namespace.as_deref() == Some(self.world.namespace());
        match subjects {
            Some([only]) if good(only) => State::Good,
            _ => State::OtherSubject,
        }
    }

    fn put(&self, target: &Target, there: Option<&ObjectMeta>, wanted: &mut Wanted) {
        // Without a ServiceAccount there is nobody to bind.
        let Some(server) = self.server else { return };
        let mut body = self.body(target, server);
        if let (Some(there), Some(metadata)) = (there, body.pointer_mut("/metadata").and_then(Value::as_object_mut)) {
            metadata.insert("resourceVersion".to_owned(), json!(there.resource_version));
        }
        wanted.changes.push(Change {
            object: target.to_string(),
            field: "subjects".to_owned(),
            from: None,
            to: Some(format!("ServiceAccount {}/{} -> ClusterRole {}", self.world.namespace(), server.service_account, self.world.exec_cluster_role)),
        });
        wanted.writes.push(Write {
            target: target.clone(),
            layer: Layer::Server,
            direction: Direction::Widen,
            action: Action::Apply(body),
            why: "let argocd-server exec",
        });
    }

    fn body(&self, target: &Target, server: &Server) -> Value {
        let (api_version, kind, _) = target.kind.names();
        let mut metadata =
            json!({"name": target.name, "labels": {INSTANCE_LABEL: self.world.namespace(), "app.kubernetes.io/managed-by": "argocd-access"}});
        if let (Some(namespace), Some(map)) = (&target.namespace, metadata.as_object_mut()) {
            map.insert("namespace".to_owned(), json!(namespace));
        }
        json!({
            "apiVersion": api_version, "kind": kind, "metadata": metadata,
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": self.world.exec_cluster_role},
            "subjects": [{"kind": "ServiceAccount", "name": server.service_account, "namespace": self.world.namespace()}],
        })
    }
}

enum State {
    Good,
    OtherRole,
    OtherSubject,
}

fn delete(target: &Target, meta: &ObjectMeta) -> Write {
    Write::delete(target, meta, Layer::Server, Direction::Narrow, "argocd-server needs no exec here (any more)")
}

fn removed(target: &Target) -> Change {
    Change { object: target.to_string(), field: "subjects".to_owned(), from: Some("bound".to_owned()), to: None }
}

/// What is known of a kind that this layer needs, or the first that is not.
///
/// # Errors
/// The first kind that cannot be seen.
pub fn needs(world: &World) -> Seen<()> {
    world.namespaces.as_ref().map_err(Clone::clone)?;
    world.role_bindings.as_ref().map_err(Clone::clone)?;
    Ok(())
}
