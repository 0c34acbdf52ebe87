//! The custom resources: types, defaults, CEL rules and conditions. No IO.
//!
//! Everything a person writes or reads through the Kubernetes API is here; the CRDs under `crds/` are generated from these types.

pub use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition as Definition;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::CustomResourceExt;

pub mod cluster_access;
pub mod cluster_aws;
pub mod cluster_status;
#[cfg(test)]
mod cluster_tests;
pub mod common;
pub mod condition;
pub mod conditions;
pub mod exec_access;
pub mod grant;
pub mod live_resource_access;
pub mod live_status;
#[cfg(test)]
mod live_tests;
pub mod status;
#[cfg(test)]
mod tests;
pub mod text;
pub mod time;

pub use cluster_access::{ClusterAccess, ClusterAccessSpec};
pub use cluster_status::{ClusterAccessStatus, RemoteRight};
pub use common::{Mode, NamespaceSelection};
pub use condition::Condition;
pub use conditions::{ConditionType, Reason};
pub use exec_access::{
    ApplicationSelector, ExecAccess, ExecAccessSpec, IngressMode, IngressSettings, OnRevoke, PolicyTarget, ServerAccess, ServerScope, Subject,
    SubjectKind,
};
pub use grant::GrantInEffect;
pub use live_resource_access::{Feature, GroupKind, LiveResourceAccess, LiveResourceAccessSpec, Side};
pub use live_status::LiveResourceAccessStatus;
pub use status::ExecAccessStatus;
pub use text::Text;
pub use time::{Day, Validity, Window};

/// The definitions of the resources that the operator serves: what is installed.
#[must_use]
pub fn definitions() -> Vec<Definition> {
    vec![ClusterAccess::crd(), ExecAccess::crd(), LiveResourceAccess::crd()]
}

/// Annotation on a `ClusterAccess` (value `true`): let it go although its objects on a remote cluster that does not answer stay there.
pub const FORGET_REMOTE: &str = "argocd-access.dev/forget-remote";

/// Annotation on a `ClusterAccess` (value: a time in RFC 3339): a credential that was issued before is replaced.
pub const ROTATE_AFTER: &str = "argocd-access.dev/rotate-after";

/// Label on objects of ours that serve one object of ours: its uid.
pub const OWNER_LABEL: &str = "argocd-access.dev/owner";

/// The API group of our resources, and the prefix of our labels and annotations.
pub const GROUP: &str = "argocd-access.dev";

/// The field manager of every write of ours.
pub const FIELD_MANAGER: &str = "argocd-access";

/// The finalizer of an `ExecAccess`: set before the first shared write, dropped when everything is handed back.
pub const FINALIZER: &str = "argocd-access.dev/restore";

/// Whether our finalizer holds an object.
#[must_use]
pub fn is_held(metadata: &ObjectMeta) -> bool {
    metadata.finalizers.iter().flatten().any(|f| f == FINALIZER)
}

/// Annotation on an `ExecAccess` (value `true`): drop the finalizer although something could not be handed back.
pub const ABANDON: &str = "argocd-access.dev/abandon";

/// Label on objects of ours: the namespace of the instance that they serve.
pub const INSTANCE_LABEL: &str = "argocd-access.dev/instance";

/// Annotation on the template of argocd-server's pods: the `redis.server` of ours with which they start.
pub const REDIS_ANNOTATION: &str = "argocd-access.dev/redis-server";

/// Annotation on an instance's argocd-cm (any value, for example why): everything is withdrawn, and stays so until it is removed.
pub const STOP: &str = "argocd-access.dev/stop";
