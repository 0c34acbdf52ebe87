//! Who has a field of a shared object, and what follows from it. Pure.
//!
//! Shared objects (argocd-cm, Ingresses, argocd-server's own roles) belong to somebody else. For each value of ours in them this module
//! decides whether to set it, how to leave it, and what comes back when it is withdrawn.

pub mod before;
pub mod managed_fields;
pub mod value;

pub use before::{Before, Record};
pub use value::{Step, settle};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

/// How a change of a shared object is left behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// Our managedFields entry stays: others see who changed it.
    Own,
    /// Our managedFields entry is removed again, so that the owner's next apply meets no conflict (Helm 4 applies server-side and
    /// fails on a field that somebody else owns).
    Yield,
}

/// How to leave a change on this object.
#[must_use]
pub fn manner(meta: &ObjectMeta) -> Manner {
    let by_label = meta.labels.as_ref().is_some_and(|l| l.get("app.kubernetes.io/managed-by").is_some_and(|v| v == "Helm"));
    let by_annotation = meta.annotations.as_ref().is_some_and(|a| a.contains_key("meta.helm.sh/release-name"));
    let by_manager = meta.managed_fields.iter().flatten().any(|m| m.manager.as_deref().is_some_and(|m| m.eq_ignore_ascii_case("helm")));
    if by_label || by_annotation || by_manager { Manner::Yield } else { Manner::Own }
}
