//! The fixed names of everything that a `ClusterAccess` has, in the hub and in the remote cluster. Pure.
//!
//! Because they are fixed, the rights of the operator can be limited to them: to two named Secrets in the hub, and to these objects in the
//! remote cluster.

/// The namespace of the bootstrap in the remote cluster.
pub const NAMESPACE: &str = "argocd-access";
/// The ServiceAccount there by which the operator comes.
pub const MANAGER: &str = "argocd-access-manager";
/// The ServiceAccount there by which Argo CD comes.
pub const MANAGED: &str = "argocd-managed";

/// What Argo CD reads and deploys in namespaces: a ClusterRole, and the bindings to it.
pub const SYNC: &str = "argocd-access-sync";
/// What it reads and deploys without a namespace.
pub const SYNC_CLUSTER: &str = "argocd-access-sync-cluster";
/// The logs of pods.
pub const LOGS: &str = "argocd-access-logs";
/// Terminals.
pub const EXEC: &str = "argocd-access-exec";
/// The ClusterRoles of the bootstrap, and the bindings of the same names.
pub const ROLES: [&str; 4] = [SYNC, SYNC_CLUSTER, LOGS, EXEC];

/// The Secrets to which tokens of a ServiceAccount of the bootstrap are bound: a token dies with its Secret.
#[must_use]
pub fn anchors(service_account: &str) -> [String; 2] {
    ["a", "b"].map(|slot| format!("{service_account}-{slot}"))
}

/// Argo CD's cluster Secret, in the namespace of the instance.
#[must_use]
pub fn cluster_secret(cluster: &str) -> String {
    format!("argocd-access-cluster-{cluster}")
}

/// The Secret with the operator's own credential for the remote cluster, in the namespace of the instance.
#[must_use]
pub fn manager_secret(cluster: &str) -> String {
    format!("argocd-access-manager-{cluster}")
}

/// The ConfigMap with the documents for AWS, in the namespace of the instance.
#[must_use]
pub fn aws_config_map(cluster: &str) -> String {
    format!("argocd-access-aws-{cluster}")
}

/// The label of a manager's Secret: for which cluster it is. Without it the Secret is not used, so that no object can send another
/// Secret's credential to a host of its choice.
pub const CLUSTER_LABEL: &str = "argocd-access.dev/cluster";

/// The keys of a manager's Secret.
pub mod manager_key {
    /// The address of the API server; it must be that of the object.
    pub const SERVER: &str = "server";
    /// The certificate authority, in PEM.
    pub const CA: &str = "ca.crt";
    /// A token.
    pub const TOKEN: &str = "token";
    /// Or a client certificate, in PEM.
    pub const CERTIFICATE: &str = "tls.crt";
    /// With its key, in PEM.
    pub const KEY: &str = "tls.key";
    /// The uid of the remote cluster's namespace kube-system.
    pub const CLUSTER_UID: &str = "clusterUID";
}

/// The key of an adopted cluster Secret that holds what was in it before. Not an annotation: Argo CD shows those to everybody who may see
/// clusters (`facts`, `Cluster.Sanitized`).
pub const BEFORE_KEY: &str = "argocd-access.before";
/// Argo CD's label of cluster Secrets.
pub const SECRET_TYPE_LABEL: (&str, &str) = ("argocd.argoproj.io/secret-type", "cluster");

/// Namespaces in which a `ClusterAccess` never gets a binding.
pub const PROTECTED: [&str; 4] = ["kube-system", "kube-public", "kube-node-lease", NAMESPACE];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_one_that_kubernetes_takes_for_the_longest_cluster() {
        let longest = "c".repeat(63);
        for name in [cluster_secret(&longest), manager_secret(&longest), aws_config_map(&longest)] {
            assert!(name.len() <= 253 && name.ends_with(&longest), "{name}");
        }
        assert_eq!(anchors(MANAGED), ["argocd-managed-a", "argocd-managed-b"]);
        assert_ne!(cluster_secret("manager-a"), manager_secret("a"));
    }
}
