//! What is set for an object, and what it owes when it goes: what is set where it cannot be seen cannot be handed back. Pure.
//!
//! Where something is set is kept in the object's status while it cannot be seen, else an object that is deleted in such a time would
//! look as if nothing had ever been set for it.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::admission::{Case, key_of};
use super::grant::project_role_name;
use super::in_place;
use super::server::Reach;
use super::world::World;
use crate::api::conditions::ConditionType;
use crate::api::{ABANDON, Text, is_held};
use crate::ownership::before;
use crate::reconcile::seen::{NotSeen, uid};
use crate::reconcile::write::Kind;

/// A place in which something is set for objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Site {
    Policy,
    Projects,
    RoleBinding,
    ClusterRoleBinding,
    OwnRole,
    OwnClusterRole,
    Flag,
    Operator,
    Ingress,
    Confinement,
    BackendConfig,
}

/// The place by which a status remembers that something is set in objects of this kind.
#[must_use]
pub const fn place_of(kind: Kind) -> Option<&'static str> {
    match kind {
        Kind::ConfigMap => Some(Site::Flag.as_str()),
        Kind::ArgoCD => Some(Site::Operator.as_str()),
        Kind::Ingress => Some(Site::Ingress.as_str()),
        Kind::BackendConfig => Some(Site::BackendConfig.as_str()),
        _ => None,
    }
}

/// What an object owes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Debt {
    /// The layers in which it does.
    pub layers: BTreeSet<ConditionType>,
    /// What, and what to do.
    pub message: String,
}

impl Site {
    const ALL: [Self; 11] = [
        Self::Policy,
        Self::Projects,
        Self::RoleBinding,
        Self::ClusterRoleBinding,
        Self::OwnRole,
        Self::OwnClusterRole,
        Self::Flag,
        Self::Operator,
        Self::Ingress,
        Self::Confinement,
        Self::BackendConfig,
    ];

    /// The name in the status.
    const fn as_str(self) -> &'static str {
        match self {
            Self::Policy => "argocd-rbac-cm",
            Self::Projects => "AppProject",
            Self::RoleBinding => "RoleBinding",
            Self::ClusterRoleBinding => "ClusterRoleBinding",
            Self::OwnRole => "Role of argocd-server",
            Self::OwnClusterRole => "ClusterRole of argocd-server",
            Self::Flag => "argocd-cm",
            Self::Operator => "ArgoCD",
            Self::Ingress => "Ingress",
            Self::Confinement => "ValidatingAdmissionPolicy",
            Self::BackendConfig => "BackendConfig",
        }
    }

    const fn layer(self) -> ConditionType {
        match self {
            Self::Policy | Self::Projects => ConditionType::PolicyApplied,
            Self::RoleBinding | Self::ClusterRoleBinding | Self::OwnRole | Self::OwnClusterRole => ConditionType::ServerAuthorized,
            Self::Flag | Self::Operator => ConditionType::ExecEnabled,
            Self::Ingress | Self::BackendConfig => ConditionType::IngressReady,
            Self::Confinement => ConditionType::Confined,
        }
    }

    /// Why it cannot be seen, when it cannot.
    fn unseen(self, world: &World) -> Option<&NotSeen> {
        match self {
            Self::Policy => world.rbac_cm.as_ref().err(),
            Self::Projects => world.projects.as_ref().err(),
            Self::RoleBinding => world.role_bindings.as_ref().err(),
            Self::ClusterRoleBinding => world.cluster_role_binding.as_ref().err(),
            Self::OwnRole => world.own_role.as_ref().and_then(|r| r.as_ref().err()),
            Self::OwnClusterRole => world.own_cluster_role.as_ref().and_then(|r| r.as_ref().err()),
            Self::Flag => world.argocd_cm.as_ref().err(),
            Self::Operator => world.argocds.as_ref().err(),
            Self::Ingress => world.ingresses.as_ref().err(),
            Self::Confinement => world.admission_policy.as_ref().err().or(world.admission_binding.as_ref().err()),
            Self::BackendConfig => world.backend_configs.as_ref().err(),
        }
    }

    /// Whether what is set there is everybody's, so that only the last object hands it back.
    const fn is_shared(self) -> bool {
        matches!(self, Self::OwnRole | Self::OwnClusterRole | Self::Flag | Self::Operator | Self::Ingress | Self::Confinement | Self::BackendConfig)
    }

    /// Whether something that is everybody's is set there, as far as it is seen.
    fn is_set_for_all(self, world: &World) -> bool {
        let annotated = |meta: &ObjectMeta, key: &str| meta.annotations.as_ref().is_some_and(|a| a.contains_key(key));
        match self {
            Self::OwnRole => matches!(&world.own_role, Some(Ok(Some(role))) if annotated(&role.metadata, in_place::ANNOTATION)),
            Self::OwnClusterRole => matches!(&world.own_cluster_role, Some(Ok(Some(role))) if annotated(&role.metadata, in_place::ANNOTATION)),
            Self::Flag => matches!(&world.argocd_cm, Ok(Some(cm)) if annotated(&cm.metadata, before::ANNOTATION)),
            Self::Operator => world.argocds.as_ref().is_ok_and(|all| all.iter().any(|a| annotated(&a.metadata, before::ANNOTATION))),
            Self::Confinement => matches!(&world.admission_policy, Ok(Some(policy)) if world.is_ours(&policy.metadata)),
            Self::Ingress => world.ingresses.as_ref().is_ok_and(|all| all.iter().any(|i| annotated(&i.metadata, before::ANNOTATION))),
            Self::BackendConfig => world.backend_configs.as_ref().is_ok_and(|all| all.iter().any(|b| annotated(&b.metadata, before::ANNOTATION))),
            Self::Policy | Self::Projects | Self::RoleBinding | Self::ClusterRoleBinding => false,
        }
    }
}

/// Where something is set at all: looked through once for all objects.
pub struct Places<'a> {
    world: &'a World,
    /// The namespaces that have a binding of our name.
    bound: BTreeSet<&'a str>,
    /// The names of all roles of projects.
    roles: BTreeSet<&'a str>,
    /// Where something that is everybody's is set.
    shared: BTreeSet<Site>,
}

impl<'a> Places<'a> {
    /// Looks.
    #[must_use]
    pub fn of(world: &'a World) -> Self {
        let bound = world.role_bindings.iter().flatten().filter_map(|binding| binding.metadata.namespace.as_deref()).collect();
        let roles = world.projects.iter().flatten().flat_map(|project| project.roles()).map(|role| role.name.as_str()).collect();
        let shared = Site::ALL.into_iter().filter(|site| site.is_set_for_all(world)).collect();
        Self { world, bound, roles, shared }
    }

    /// Where something is set for an object: what is seen, and of what cannot be seen what was there before.
    #[must_use]
    pub fn set(&self, case: &Case, reach: Option<&Reach>) -> Vec<Text> {
        let is = |site: &Site| match site.unseen(self.world) {
            Some(_) => was_set(case, *site),
            // Its key, and its roles in projects, are an object's own: while they are there it is set, also for one that is to hold nothing any more.
            None => (case.standing || matches!(site, Site::Policy | Site::Projects)) && self.has(*site, &case.access.metadata, reach),
        };
        Site::ALL.iter().filter(|site| is(site)).map(|site| site.as_str().into()).collect()
    }

    /// Whether something is set there for this object, as far as it is seen.
    fn has(&self, site: Site, access: &ObjectMeta, reach: Option<&Reach>) -> bool {
        match site {
            Site::Policy => {
                let key = key_of(access.name.as_deref().unwrap_or_default());
                matches!(&self.world.rbac_cm, Ok(Some(cm)) if cm.data.as_ref().is_some_and(|data| data.contains_key(&key)))
            }
            Site::Projects => !self.roles.is_empty() && self.roles.contains(project_role_name(access).as_str()),
            Site::RoleBinding => reach.is_some_and(|reach| reach.namespaces.iter().any(|namespace| self.bound.contains(namespace.as_str()))),
            Site::ClusterRoleBinding => reach.is_some_and(|reach| reach.cluster) && matches!(self.world.cluster_role_binding, Ok(Some(_))),
            shared => self.shared.contains(&shared),
        }
    }
}

/// The places in `status.set` where policy lines stand: by those people get in.
pub const POLICY: [&str; 2] = [Site::Policy.as_str(), Site::Projects.as_str()];

/// Whether policy lines stood there for the object when its status was written last.
#[must_use]
pub fn had_lines(case: &Case) -> bool {
    was_set(case, Site::Policy) || had_roles(case)
}

/// Whether they stood in AppProjects.
#[must_use]
pub fn had_roles(case: &Case) -> bool {
    was_set(case, Site::Projects)
}

fn was_set(case: &Case, site: Site) -> bool {
    case.access.status.as_ref().is_some_and(|s| s.set.iter().any(|known| *known == site.as_str()))
}

/// What each object that is to hold nothing any more still has where it cannot be seen, by its uid.
#[must_use]
pub fn debts(world: &World, cases: &[Case]) -> BTreeMap<String, Debt> {
    let last = !cases.iter().any(|c| c.standing);
    let mut debts = BTreeMap::new();
    for case in cases.iter().filter(|c| !c.effective && is_held(&c.access.metadata)) {
        let owed: Vec<(Site, &NotSeen)> = Site::ALL
            .into_iter()
            .filter(|site| (last || !site.is_shared()) && was_set(case, *site))
            .filter_map(|site| Some((site, site.unseen(world)?)))
            .collect();
        let Some((_, not_seen)) = owed.first() else { continue };
        let places: Vec<&str> = owed.iter().map(|(site, _)| site.as_str()).collect();
        let message = format!(
            "what this object had set cannot be handed back ({}): {not_seen}. The annotation {ABANDON}=\"true\" lets it go and leaves that behind",
            places.join(", ")
        );
        let layers = owed.iter().map(|(site, _)| site.layer()).collect();
        debts.insert(uid(&case.access.metadata).to_owned(), Debt { layers, message });
    }
    debts
}
