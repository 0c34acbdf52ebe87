//! What is seen for one `ClusterAccess`: the input of its plan. Pure data; filled by `cluster_io`.

use std::sync::Arc;

use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::claims::Claims;
use super::identity::Here;
use super::manager;
use super::proof::Proof;
use super::remote::{Failure, Minted, Remote};
use super::secret::View;
use crate::api::ClusterAccess;
use crate::api::conditions::Verdict;
use crate::argocd::kinds::Application;
use crate::config::InstanceConfig;
use crate::exec;
use crate::reconcile::contests::Contests;
use crate::reconcile::seen::Seen;
use crate::reconcile::stop;
use crate::reconcile::unreadable::Unreadable;

/// Everything that a plan depends on.
#[derive(Clone, Debug)]
pub struct World {
    /// What the platform admin allows in the instance.
    pub settings: InstanceConfig,
    /// Withdraw everything, whatever is declared: the operator is being removed.
    pub withdraw_all: bool,
    /// Who has rewritten what we set, as far as this process remembers.
    pub contests: Contests,
    /// The object; none when it is gone.
    pub accesses: Vec<Arc<ClusterAccess>>,
    /// It, where it cannot be parsed.
    pub unreadable: Vec<Unreadable>,
    /// All objects of the instance, this one among them.
    pub all: Vec<Arc<ClusterAccess>>,
    /// Some object of the instance cannot be parsed.
    pub unreadable_beside: bool,
    /// What is seen in the hub of identities in AWS, where the cluster is one of EKS.
    pub aws: Result<Arc<Here>, Verdict>,
    /// As much of the instance as decides over an `ExecAccess`, and what else is seen of it.
    pub exec: exec::World,
    /// Argo CD's cluster Secret.
    pub secret: Held<View>,
    /// The Secret with the operator's own credential.
    pub manager: Held<manager::View>,
    /// What is seen of the remote cluster; else the verdict of `RemoteReachable`.
    pub remote: Result<Arc<Remote>, Verdict>,
    /// The token that was made last and is not written yet.
    pub minted: Option<Minted>,
    /// The uid of the anchor that this process has made for the next token.
    pub fresh: Option<String>,
    /// What the operator's own new token says of itself, which is not written yet.
    pub own_minted: Option<Claims>,
    /// The uid of the anchor that this process has made for that.
    pub own_fresh: Option<String>,
    /// Why the last token could not be made.
    pub failure: Option<Failure>,
    /// What the credential of the Secret was seen to be able to do; else why that is not known.
    pub proof: Option<Result<Arc<Proof>, String>>,
    /// The remote cluster has refused that credential.
    pub refused: bool,
}

/// How a Secret is seen.
pub type Held<T> = Result<Option<Arc<T>>, Verdict>;

impl World {
    /// The namespace of the instance.
    #[must_use]
    pub fn namespace(&self) -> &str {
        &self.settings.namespace
    }

    /// argocd-cm.
    pub fn argocd_cm(&self) -> &Seen<Option<Arc<ConfigMap>>> {
        &self.exec.argocd_cm
    }

    /// The Applications of this instance that go to a cluster. Another Argo CD may know another cluster by the same name.
    ///
    /// # Errors
    /// When they cannot be seen.
    pub fn applications_on<'a>(&'a self, cluster: &'a str, server: &'a str) -> Seen<Vec<&'a Application>> {
        use crate::exec::remote::Cluster;
        let all = self.exec.applications.as_ref().map_err(Clone::clone)?;
        let argocd = self.exec.server().ok().and_then(Result::ok);
        let is_served = |namespace: &str| namespace == self.namespace() || argocd.as_ref().is_none_or(|server| server.serves(namespace));
        let served = |app: &&Arc<Application>| is_served(app.metadata.namespace.as_deref().unwrap_or_default());
        let goes = |app: &&Arc<Application>| match Cluster::of(&app.spec.destination) {
            Some(Cluster::Name(name)) => name == cluster,
            Some(Cluster::Server(address)) => address == server,
            None => false,
        };
        Ok(all.iter().filter(goes).filter(served).map(AsRef::as_ref).collect())
    }

    /// Whether everything is withdrawn, whatever is declared.
    #[must_use]
    pub fn ending(&self) -> bool {
        self.withdraw_all || self.exec.is_going(self.namespace())
    }

    /// Why everything is stopped: the annotation on argocd-cm, when it is there.
    #[must_use]
    pub fn stopped(&self) -> Option<&str> {
        stop::why(self.argocd_cm())
    }

    /// The metadata of every object of which there is one here.
    pub fn metadata(&self) -> impl Iterator<Item = &ObjectMeta> {
        self.accesses.iter().map(|a| &a.metadata).chain(self.unreadable.iter().map(|u| &u.metadata))
    }
}
