//! The hard list: kinds that are not edited, acted on or deleted through an agent unless somebody releases them by name. Pure.
//!
//! Whoever may change one of these can give rights, take over a cluster, or run what they like under another name.

use crate::api::GroupKind;

const RBAC: &str = "rbac.authorization.k8s.io";
const ARGO: &str = "argoproj.io";

/// Single kinds of the hard list; of some groups every kind is on it.
const KINDS: &[(&str, &str)] = &[
    ("", "Secret"),
    ("", "ServiceAccount"),
    ("", "Node"),
    ("", "Namespace"),
    ("", "PersistentVolume"),
    ("apiextensions.k8s.io", "CustomResourceDefinition"),
    ("apiregistration.k8s.io", "APIService"),
    ("certificates.k8s.io", "CertificateSigningRequest"),
];

/// Whether a kind is on the hard list.
#[must_use]
pub fn is_sensitive(kind: &GroupKind) -> bool {
    let group = kind.group.as_str();
    let whole = group == RBAC || group == "admissionregistration.k8s.io" || group == crate::api::GROUP;
    whole || (group == ARGO && kind.kind != "Rollout") || KINDS.contains(&(group, kind.kind.as_str()))
}

/// Whether a kind is not even shown unless it is released: rights, and our own resources. (Secrets have a setting of their own.)
#[must_use]
pub fn is_hidden(kind: &GroupKind) -> bool {
    kind.group == RBAC || kind.group == crate::api::GROUP
}

/// Whether the agent never passes a kind on, whatever its rights are: it finds no Application that it belongs to.
#[must_use]
pub fn is_never_proxied(kind: &GroupKind) -> bool {
    matches!((kind.group.as_str(), kind.kind.as_str()), ("apiextensions.k8s.io", "CustomResourceDefinition") | ("", "Endpoints"))
}

/// Whether it is the kind Secret.
#[must_use]
pub fn is_secret(kind: &GroupKind) -> bool {
    kind.group.is_empty() && kind.kind == "Secret"
}

/// What an action on a kind makes, by a request that the agent does not compare with the Applications: only where it is released.
#[must_use]
pub fn made_by_actions(kind: &GroupKind) -> Option<GroupKind> {
    match (kind.group.as_str(), kind.kind.as_str()) {
        ("batch", "CronJob") => Some(GroupKind::new("batch", "Job")),
        (ARGO, "CronWorkflow" | "WorkflowTemplate") => Some(GroupKind::new(ARGO, "Workflow")),
        _ => None,
    }
}
