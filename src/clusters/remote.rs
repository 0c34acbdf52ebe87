//! What is seen of a remote cluster. Pure data; filled by `cluster_io`.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding, RoleBinding};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::claims::Claims;
use super::names::{EXEC, LOGS, ROLES, SYNC};
use super::proof::Proof;
use crate::api::OWNER_LABEL;
use crate::live::ceiling::Ceiling;
use crate::live::discovery::Discovery;
use crate::reconcile::write::{Kind, Target};

/// What is seen of it, by the operator's own credential there.
#[derive(Clone, Debug, Default)]
pub struct Remote {
    /// Version of Kubernetes.
    pub version: Option<String>,
    /// The kinds that it knows; `None`: it does not say.
    pub discovery: Option<Arc<Discovery>>,
    /// The namespaces that are named, or all where labels choose them.
    pub namespaces: BTreeMap<String, Arc<Namespace>>,
    /// The ClusterRoles of the bootstrap that are there.
    pub roles: BTreeMap<String, ClusterRole>,
    /// The RoleBindings of the fixed names, in all namespaces.
    pub role_bindings: Vec<RoleBinding>,
    /// The ClusterRoleBindings of the fixed names.
    pub cluster_role_bindings: Vec<ClusterRoleBinding>,
    /// The Secrets to which Argo CD's tokens are bound.
    pub anchors: [Option<ObjectMeta>; 2],
    /// Those of the operator's own tokens.
    pub manager_anchors: [Option<ObjectMeta>; 2],
    /// The data of kube-system/aws-auth with its version, where it is to be edited; `None`: there is none.
    pub aws_auth: Option<(ObjectMeta, BTreeMap<String, String>)>,
    /// What the operator's own identity holds there in the whole cluster, where it writes roles.
    pub ceiling: Option<Ceiling>,
}

/// A token that was made and is not written yet, without the token.
#[derive(Clone, Debug)]
pub struct Minted {
    /// What it says of itself.
    pub claims: Claims,
    /// What it was seen to be able to do.
    pub proof: Arc<Proof>,
}

/// Why the last token could not be made.
#[derive(Clone, Debug)]
pub struct Failure {
    /// What happened.
    pub why: String,
    /// When.
    pub at: Timestamp,
}

/// Whether an object in the remote cluster is that of this object of ours. Never by its name alone.
#[must_use]
pub fn is_owned(meta: &ObjectMeta, owner: &str) -> bool {
    !owner.is_empty() && meta.labels.as_ref().is_some_and(|labels| labels.get(OWNER_LABEL).is_some_and(|uid| uid == owner))
}

impl Remote {
    /// The objects there that are this object's.
    #[must_use]
    pub fn owned(&self, owner: &str, anchors: (&str, &[String; 2])) -> Vec<Target> {
        let place = |meta: &ObjectMeta| (meta.namespace.clone().unwrap_or_default(), meta.name.clone().unwrap_or_default());
        let bindings = self.role_bindings.iter().filter(|b| is_owned(&b.metadata, owner)).map(|b| {
            let (namespace, name) = place(&b.metadata);
            Target::namespaced(Kind::RemoteRoleBinding, &namespace, &name)
        });
        let wide = self.cluster_role_bindings.iter().filter(|b| is_owned(&b.metadata, owner));
        let wide = wide.map(|b| Target::cluster(Kind::RemoteClusterRoleBinding, &place(&b.metadata).1));
        let (namespace, names) = anchors;
        let held = self.anchors.iter().zip(names).filter(|(meta, _)| meta.as_ref().is_some_and(|meta| is_owned(meta, owner)));
        let held = held.map(|(_, name)| Target::namespaced(Kind::RemoteSecret, namespace, name));
        bindings.chain(wide).chain(held).collect()
    }

    /// The ClusterRoles of the bootstrap that are not there.
    #[must_use]
    pub fn missing_roles(&self, cluster_scoped: bool, logs: bool, exec: bool) -> Vec<&'static str> {
        let needed = |role: &&'static str| match *role {
            SYNC => true,
            LOGS => logs,
            EXEC => exec,
            _ => cluster_scoped,
        };
        ROLES.into_iter().filter(|role| needed(role) && !self.roles.contains_key(*role)).collect()
    }
}
