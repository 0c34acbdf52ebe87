//! One Argo CD has one identity in AWS: what all objects of an instance say of it together. Pure.
//!
//! A ServiceAccount has one role, by its annotation or by its one association. So the objects of an instance must say the same of the
//! hub; the oldest decides, and another that says something else is told so and contributes nothing.

use std::collections::{BTreeMap, BTreeSet};

use super::arn::{self, Role};
use crate::api::ClusterAccess;
use crate::api::cluster_aws::{self, Aws, Identity, Output};

/// Argo CD's three ServiceAccounts that talk to remote clusters, as they are seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceAccounts {
    /// That of argocd-server.
    pub server: ServiceAccount,
    /// That of the application controller.
    pub application_controller: ServiceAccount,
    /// That of the ApplicationSet controller, which not every Argo CD has.
    pub applicationset_controller: ServiceAccount,
}

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceAccount {
    /// Its name.
    pub name: String,
    /// Its annotations; `None` where it does not exist.
    pub annotations: Option<BTreeMap<String, String>>,
}

impl ServiceAccounts {
    /// Them, with the name of the key that has each in the values of Argo CD's chart.
    #[must_use]
    pub fn each(&self) -> [(&'static str, &ServiceAccount); 3] {
        [("server", &self.server), ("controller", &self.application_controller), ("applicationSet", &self.applicationset_controller)]
    }

    /// Their names; two components may have the same.
    #[must_use]
    pub fn names(&self) -> BTreeSet<String> {
        self.each().into_iter().map(|(_, account)| account.name.clone()).collect()
    }
}

/// How a ServiceAccount comes to the hub's role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// EKS assumes it for pods of this cluster.
    PodIdentity {
        /// The cluster.
        cluster_arn: String,
    },
    /// By a token of the cluster's issuer.
    Irsa {
        /// The provider in IAM.
        provider_arn: String,
        /// The issuer, with `https://`.
        issuer: String,
    },
}

/// The hub: one role, and who may assume it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hub {
    /// The role.
    pub role: Role,
    /// The namespace of the instance.
    pub namespace: String,
    /// The ServiceAccounts.
    pub service_accounts: BTreeSet<String>,
    /// How they come to it.
    pub source: Source,
    /// Its permissions boundary.
    pub boundary: Option<String>,
    /// How it is put out.
    pub output: Output,
    /// What the objects say of it.
    pub declared: cluster_aws::Hub,
}

impl Hub {
    /// The hub that an object declares.
    #[must_use]
    pub fn of(aws: &Aws, namespace: &str, accounts: &ServiceAccounts) -> Self {
        let declared = aws.hub.clone();
        let source = match declared.identity {
            Identity::PodIdentity => Source::PodIdentity { cluster_arn: arn::cluster(&declared) },
            Identity::Irsa => {
                let issuer = declared.oidc_issuer.clone().unwrap_or_default();
                Source::Irsa { provider_arn: arn::oidc_provider(&declared, &issuer), issuer }
            }
        };
        Self {
            role: Role::of_hub(&declared),
            namespace: namespace.to_owned(),
            service_accounts: accounts.names(),
            source,
            boundary: arn::boundary(aws, &declared.account_id).map(ToOwned::to_owned),
            output: aws.output,
            declared,
        }
    }

    /// Where its objects are made.
    #[must_use]
    pub fn objects_namespace(&self) -> &str {
        self.declared.namespace.as_deref().unwrap_or(&self.namespace)
    }
}

/// The hub of an instance, and the roles that it may assume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Folded {
    /// The hub.
    pub hub: Hub,
    /// The name of the object that decides over it.
    pub decided_by: String,
    /// All spoke roles of the objects that say the same of the hub.
    pub spokes: BTreeSet<Role>,
    /// Those that contribute nothing, by their uids.
    pub disagree: BTreeMap<String, Disagreement>,
}

/// Why an object contributes nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Disagreement {
    /// It says something else of the hub.
    Hub,
    /// Its spoke role is the hub's role: that needs no second one.
    SpokeIsHub,
    /// Its spoke role is made for this object.
    SpokeOf(String),
}

/// Folds all standing objects of an instance. `None` where none is about EKS.
#[must_use]
pub fn fold(all: &[&ClusterAccess], namespace: &str, accounts: &ServiceAccounts) -> Option<Folded> {
    let mut objects: Vec<(&ClusterAccess, &Aws)> = all.iter().filter_map(|access| Some((*access, access.spec.aws.as_ref()?))).collect();
    // One without a time of creation was not made yet, and is the youngest.
    objects.sort_by_key(|(access, _)| {
        let metadata = &access.metadata;
        let created = metadata.creation_timestamp.as_ref().map(|time| time.0);
        (created.is_none(), created, metadata.uid.clone(), metadata.name.clone())
    });
    let (oldest, aws) = objects.first()?;
    let hub = Hub::of(aws, namespace, accounts);
    let mut folded = Folded { hub, decided_by: name(oldest), spokes: BTreeSet::new(), disagree: BTreeMap::new() };
    let mut owners: BTreeMap<Role, String> = BTreeMap::new();
    for (access, aws) in &objects {
        let uid = access.metadata.uid.clone().unwrap_or_default();
        let spoke = Role::of_spoke(aws);
        if Hub::of(aws, namespace, accounts) != folded.hub {
            folded.disagree.insert(uid, Disagreement::Hub);
        } else if spoke.as_ref() == Some(&folded.hub.role) {
            folded.disagree.insert(uid, Disagreement::SpokeIsHub);
        } else if let Some(owner) = spoke.as_ref().and_then(|role| owners.get(role)).filter(|_| aws.output != Output::Text) {
            // A controller makes a role for one object; the other's deletion would take it away.
            folded.disagree.insert(uid, Disagreement::SpokeOf(owner.clone()));
        } else if let Some(role) = spoke {
            owners.entry(role.clone()).or_insert_with(|| name(access));
            folded.spokes.insert(role);
        }
    }
    Some(folded)
}

fn name(access: &ClusterAccess) -> String {
    access.metadata.name.clone().unwrap_or_default()
}
