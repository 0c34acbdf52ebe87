//! What is seen of an agent, one Application and one of its resources: the input of every link. Pure data; filled by `cli::explain`.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};

use super::question::{Question, ResourceName};
use crate::api::{GroupKind, LiveResourceAccess};
use crate::argocd::deployed::{Deployed, DeployedResource};
use crate::argocd::kinds::AppProject;
use crate::live::agent::{self, Agent, NoAgent};
use crate::live::deployment::Part;
use crate::live::discovery::{Discovery, Known};
use crate::live::principal::World;
use crate::live::review::Reviews;
use crate::live::world::ConfigMaps;
use crate::reconcile::Seen;

/// Everything that a link depends on.
#[derive(Clone, Debug)]
pub struct Observed {
    /// The API server's version, such as `v1.34.4`.
    pub kubernetes_version: Option<String>,
    /// Deployments of the agent's namespace.
    pub deployments: Seen<Vec<Arc<Deployment>>>,
    /// The ConfigMaps that the agent's environment is taken from, by their names.
    pub config_maps: Seen<ConfigMaps>,
    /// argocd-cm of the agent's cluster.
    pub argocd_cm: Seen<Option<Arc<ConfigMap>>>,
    /// The Application.
    pub application: Seen<Option<Arc<Deployed>>>,
    /// Its project.
    pub project: Seen<Option<Arc<AppProject>>>,
    /// The namespace of the resource.
    pub namespace: Seen<Option<Arc<Namespace>>>,
    /// The kinds that the API server knows.
    pub discovery: Seen<Discovery>,
    /// The metadata of the resource.
    pub resource: Seen<Option<ObjectMeta>>,
    /// The metadata of what owns it, as far as that was looked at.
    pub owners: BTreeMap<Owner, Seen<Option<ObjectMeta>>>,
    /// The objects that declare something here.
    pub accesses: Seen<Accesses>,
    /// What the agent's ServiceAccount may do.
    pub reviews: Reviews,
    /// The control plane, where this is one.
    pub hub: Option<Hub>,
}

/// A control plane, and when it was looked at.
#[derive(Clone, Debug)]
pub struct Hub {
    /// What is seen of it.
    pub world: World,
    /// When.
    pub at: jiff::Timestamp,
}

/// The `LiveResourceAccess` objects of an instance.
#[derive(Clone, Debug)]
pub enum Accesses {
    /// The cluster does not know the kind.
    NoKind,
    /// Those that can be read, and the names of the others.
    Some(Vec<Arc<LiveResourceAccess>>, Vec<String>),
}

/// An owner, as the reference to it says.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Owner {
    /// The version of its kind by which it is referred to.
    pub version: String,
    /// Its kind and its name.
    pub resource: ResourceName,
}

impl Owner {
    /// From a reference.
    #[must_use]
    pub fn of(reference: &OwnerReference) -> Self {
        let (group, version) = reference.api_version.split_once('/').unwrap_or(("", &reference.api_version));
        let kind = GroupKind::new(group, &reference.kind);
        Self { version: version.to_owned(), resource: ResourceName { kind, name: reference.name.clone() } }
    }
}

impl Observed {
    /// The Application, where it is there.
    #[must_use]
    pub fn app(&self) -> Option<&Deployed> {
        self.application.as_ref().ok()?.as_deref()
    }

    /// The objects that declare something.
    #[must_use]
    pub fn accesses(&self) -> &[Arc<LiveResourceAccess>] {
        match &self.accesses {
            Ok(Accesses::Some(all, _)) => all,
            _ => &[],
        }
    }

    /// The agent, as far as it can be seen. The oldest object that names a Deployment says which one it is.
    ///
    /// # Errors
    /// When Deployments cannot be seen.
    pub fn agent(&self) -> Seen<Result<Agent, NoAgent>> {
        let deployments = self.deployments.as_ref().map_err(Clone::clone)?;
        let mut accesses: Vec<&Arc<LiveResourceAccess>> = self.accesses().iter().collect();
        accesses.sort_by(|a, b| crate::reconcile::active::age(&a.metadata).cmp(&crate::reconcile::active::age(&b.metadata)));
        let named = accesses.iter().find_map(|access| access.spec.agent.as_ref()?.deployment.as_deref().filter(|name| !name.is_empty()));
        Ok(agent::find(named, deployments, &self.config_maps))
    }

    /// The principal, where this is the control plane: it is here, and no agent is.
    #[must_use]
    pub fn principal(&self) -> Option<&str> {
        matches!(self.agent(), Ok(Err(NoAgent::Missing))).then_some(())?;
        Part::Principal.find(None, self.deployments.as_deref().ok()?).ok()?.metadata.name.as_deref()
    }

    /// What is known of a kind.
    #[must_use]
    pub fn known(&self, kind: &GroupKind) -> Option<&Known> {
        self.discovery.as_ref().ok()?.of(kind)
    }

    /// Where the Application has a resource of this kind and name itself.
    #[must_use]
    pub fn listed<'a>(&'a self, resource: &'a ResourceName) -> Option<&'a DeployedResource> {
        let is_it = |r: &&DeployedResource| r.group == resource.kind.group && r.kind == resource.kind.kind && r.name == resource.name;
        self.app()?.resources().iter().find(is_it)
    }

    /// The namespace of the resource that is asked about: empty where its kind has none. `None`: nothing names one.
    #[must_use]
    pub fn place(&self, question: &Question) -> Option<String> {
        if self.known(&question.resource.kind).is_some_and(|known| !known.namespaced) {
            return Some(String::new());
        }
        let of_list = || self.listed(&question.resource).map(|r| r.namespace.clone()).filter(|n| !n.is_empty());
        let of_destination = || self.app()?.spec.destination.namespace.clone().filter(|n| !n.is_empty());
        question.namespace.clone().or_else(of_list).or_else(of_destination)
    }
}
