//! The custom resources: types, defaults, CEL rules and conditions. No IO.
//!
//! Everything a person writes or reads through the Kubernetes API is here; the CRD under `crds/` is generated from these types.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

pub mod conditions;
pub mod exec_access;
pub mod status;
#[cfg(test)]
mod tests;
pub mod time;

pub use conditions::{ConditionType, Reason};
pub use exec_access::{
    ApplicationSelector, ExecAccess, ExecAccessSpec, IngressMode, IngressSettings, Mode, NamespaceSelection, OnRevoke, PolicyTarget, ServerAccess,
    ServerScope, Subject, SubjectKind,
};
pub use status::ExecAccessStatus;
pub use time::{Day, Validity, Window};

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

/// Annotation on an instance's argocd-cm (any value, for example why): everything is withdrawn, and stays so until it is removed.
pub const STOP: &str = "argocd-access.dev/stop";
