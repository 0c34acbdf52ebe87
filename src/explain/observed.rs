//! What is seen of one Argo CD and one Application: the input of every link. Pure data; filled by `cli::explain`.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::admissionregistration::v1::{
    MutatingWebhookConfiguration, ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding, ValidatingWebhookConfiguration,
};
use k8s_openapi::api::core::v1::{Namespace, Pod};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use serde::Deserialize;
use serde_json::Value;

use super::question::Question;
use crate::argocd::instance::Server;
use crate::argocd::kinds::{AppProject, Application};
use crate::exec::status::Review;
use crate::exec::world::World;
use crate::reconcile::Seen;

/// Everything that a link depends on.
#[derive(Clone, Debug)]
pub struct Observed {
    /// The instance. Of its Applications only the one that is asked about.
    pub world: World,
    /// The Application.
    pub application: Seen<Option<Live>>,
    /// Every admission policy of the cluster.
    pub policies: Seen<Vec<Arc<ValidatingAdmissionPolicy>>>,
    /// Their bindings.
    pub bindings: Seen<Vec<Arc<ValidatingAdmissionPolicyBinding>>>,
    /// Webhooks that admit or refuse.
    pub validating: Seen<Vec<Arc<ValidatingWebhookConfiguration>>>,
    /// Webhooks that change, and may refuse as well.
    pub mutating: Seen<Vec<Arc<MutatingWebhookConfiguration>>>,
    /// The namespace of the Pod.
    pub namespace: Seen<Option<Arc<Namespace>>>,
    /// The Pod that is asked about, or else all of its namespace.
    pub pods: Seen<Vec<Arc<Pod>>>,
    /// What owns the owners of these Pods, by kind and name; `Err`: it cannot be read.
    pub owners: BTreeMap<(String, String), Seen<Vec<OwnerReference>>>,
    /// What argocd-server's ServiceAccount may do in the Pod's namespace.
    pub review: Reviewed,
    /// When it was looked at.
    pub now: jiff::Timestamp,
    /// Whether the cluster has the kind `ExecAccess`.
    pub exec_access: bool,
}

/// How the question went what argocd-server's ServiceAccount may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reviewed {
    /// There was nothing to ask.
    NotAsked,
    /// Asking needs a right.
    Forbidden(String),
    /// There was no answer.
    Failed(String),
    /// The answer.
    Answered(Review),
}

/// An Application, with what `explain` reads of it beyond what the operator does. Its status may be written by whoever may edit it: it is
/// evidence for a person, and nothing is granted by it.
#[derive(Clone, Debug)]
pub struct Live {
    /// What the operator reads, too.
    pub application: Application,
    /// The addresses of its sources.
    pub sources: Vec<String>,
    /// Its conditions.
    pub conditions: Vec<Condition>,
    /// What it manages itself.
    pub resources: Vec<Resource>,
    /// Whether it puts back by itself what is missing.
    pub heals: bool,
}

/// A condition of an Application.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Condition {
    /// Such as `InvalidSpecError`.
    #[serde(rename = "type")]
    pub kind: String,
    /// What Argo CD says.
    pub message: String,
}

/// A resource of an Application.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Resource {
    /// Its API group; empty for the core one.
    pub group: String,
    /// Its kind.
    pub kind: String,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl Live {
    /// Reads an object of the API server.
    ///
    /// # Errors
    /// When it is no Application.
    pub fn read(value: &Value) -> Result<Self, serde_json::Error> {
        let list = |path: &str| value.pointer(path).and_then(Value::as_array).cloned().unwrap_or_default();
        // What cannot be read of a status is left out: it is evidence only.
        let conditions = list("/status/conditions").into_iter().filter_map(|c| serde_json::from_value(c).ok()).collect();
        let resources = list("/status/resources").into_iter().filter_map(|r| serde_json::from_value(r).ok()).collect();
        let address = |source: &Value| source.get("repoURL").and_then(Value::as_str).map(ToOwned::to_owned);
        let mut sources: Vec<String> = list("/spec/sources").iter().chain(value.pointer("/spec/source")).filter_map(address).collect();
        sources.sort();
        sources.dedup();
        let heals = value.pointer("/spec/syncPolicy/automated/selfHeal").and_then(Value::as_bool).unwrap_or_default();
        Ok(Self { application: crate::json::read(value)?, sources, conditions, resources, heals })
    }
}

impl Observed {
    /// The Application, where it is there.
    #[must_use]
    pub fn live(&self) -> Option<&Live> {
        self.application.as_ref().ok()?.as_ref()
    }

    /// argocd-server, where it is the only one.
    #[must_use]
    pub fn server(&self) -> Option<Server> {
        self.world.server().ok()?.ok()
    }

    /// The project of this name.
    ///
    /// # Errors
    /// When projects cannot be seen.
    pub fn project(&self, name: &str) -> Seen<Option<&Arc<AppProject>>> {
        self.world.projects.as_ref().map(|all| all.iter().find(|p| p.name() == name)).map_err(Clone::clone)
    }
}

/// The namespace of the Pod: the one that is asked about, else the destination's, else that of the Application's first resource.
#[must_use]
pub fn pod_namespace(question: &Question, live: Option<&Live>) -> Option<String> {
    let destination = || live?.application.spec.destination.namespace.clone();
    let of_resources = || live?.resources.iter().map(|r| r.namespace.clone()).find(|n| !n.is_empty());
    question.pod_namespace.clone().or_else(|| destination().filter(|n| !n.is_empty())).or_else(of_resources)
}
