//! Who lets argocd-server exec in every namespace when it is not us, why that opens a terminal, and what narrows it. Pure.

use super::status::Review;
use crate::api::status::InstanceStatus;
use crate::argocd::versions;

/// Whether a WebSocket with `get` alone opens a shell: on an older Kubernetes, by an Argo CD that uses WebSockets.
#[must_use]
pub fn get_is_enough(instance: &InstanceStatus) -> bool {
    versions::get_is_enough(instance.argocd_version.as_deref(), instance.kubernetes_version.as_deref())
}

/// Explains a review that allows it: what grants it, and how to end that.
#[must_use]
pub fn explain(review: &Review, instance: &InstanceStatus) -> String {
    let by_get = !review.exec_create.allowed;
    let reason = review.exec_create_or_get().reason.as_str();
    let (by, role) = match grantor(reason) {
        Some((binding, role)) => (format!("by {binding} of {role}"), role),
        None => (
            if reason.is_empty() { "the API server does not say by what".to_owned() } else { reason.to_owned() },
            "the role that it names".to_owned(),
        ),
    };
    let why = if by_get && get_is_enough(instance) {
        "; before Kubernetes 1.35 `get` on pods/exec is enough, and a wildcard (resources: [\"*\"]) includes it"
    } else {
        ""
    };
    let cure = if instance.installer.as_deref() == Some("Helm") {
        "set server.clusterRoleRules.enabled: true in the values of Argo CD's chart, and in server.clusterRoleRules.rules resources by name instead of \"*\"".to_owned()
    } else {
        format!("give {role} rules that name resources instead of \"*\" (with Argo CD's Helm chart: server.clusterRoleRules.enabled: true and rules)")
    };
    format!("{by}{why}. To narrow it, {cure}; or let the platform admin set confine")
}

/// The binding and the role of an answer such as `RBAC: allowed by ClusterRoleBinding "b" of ClusterRole "r" to ServiceAccount "s/n"`.
fn grantor(reason: &str) -> Option<(String, String)> {
    let (binding, rest) = reason.split_once("allowed by ")?.1.split_once(" of ")?;
    let end = rest.char_indices().filter(|(_, c)| *c == '"').nth(1)?.0;
    Some((binding.to_owned(), rest.get(..=end)?.to_owned()))
}
