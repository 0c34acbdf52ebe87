//! Destinations on other clusters: whose identity counts there, and the rule to add for it. Pure.
//!
//! Argo CD connects with what its cluster Secret says (`facts`, Argo CD `RawRestConfig`), and the process that serves `ExecAccess` reads no
//! Secrets. What a `ClusterAccess` proves of them is in `remote_proof`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::remote_proof::{Proof, Proofs};
use crate::api::conditions::shorten;
use crate::api::status::RemoteDestination;
use crate::argocd::kinds::Destination;

/// So many clusters are listed in a status.
const CLUSTERS: usize = 32;
/// So many namespaces of each.
const NAMESPACES: usize = 20;
/// So many bindings are written out in a rule.
const BINDINGS: usize = 3;

/// Another cluster, as the Applications name it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cluster {
    /// By its name in Argo CD.
    Name(String),
    /// By the address of its API server.
    Server(String),
}

/// The other clusters that Applications deploy to, and the namespaces there.
pub type Remote = BTreeMap<Cluster, BTreeSet<String>>;

impl Cluster {
    /// The cluster of a destination; `None`: the one that Argo CD runs in, or none at all.
    #[must_use]
    pub fn of(destination: &Destination) -> Option<Self> {
        let named = |text: &Option<String>| text.clone().filter(|t| !t.is_empty());
        match (named(&destination.server), named(&destination.name)) {
            _ if destination.is_in_cluster() => None,
            (Some(server), _) => Some(Self::Server(server.trim_end_matches('/').to_owned())),
            (None, name) => name.map(Self::Name),
        }
    }

    /// How to call it in a message.
    #[must_use]
    pub fn label(&self) -> &str {
        match self {
            Self::Name(text) | Self::Server(text) => text,
        }
    }

    /// Whose rights count there. `instance`: the namespace of Argo CD.
    #[must_use]
    pub fn identity(&self, instance: &str) -> String {
        let (key, value) = match self {
            Self::Name(name) => ("name", name),
            Self::Server(server) => ("server", server),
        };
        format!("the identity in the cluster Secret in {instance} (label argocd.argoproj.io/secret-type=cluster) whose data.{key} is {value:?}")
    }
}

/// One line for a condition.
#[must_use]
pub fn message(remote: &Remote, instance: &str) -> String {
    let one = |(cluster, namespaces): (&Cluster, &BTreeSet<String>)| {
        let there: Vec<&str> = namespaces.iter().take(3).map(String::as_str).collect();
        let there = if there.is_empty() { String::new() } else { format!(" (namespace {})", there.join(", ")) };
        format!("in {}{there} it is {}", cluster.label(), cluster.identity(instance))
    };
    let clusters: Vec<String> = remote.iter().take(2).map(one).collect();
    let more = if remote.len() > 2 { format!("; and {} more", remote.len() - 2) } else { String::new() };
    format!(
        "Applications deploy to other clusters, where argocd-server's ServiceAccount does not count: {}{more}. It must be allowed get pods, and get and create pods/exec; status.server.remote has the rule to add. That cannot be proven from here, unless a ClusterAccess of that cluster does",
        clusters.join("; ")
    )
}

/// What the status says of each.
#[must_use]
pub fn status(remote: &Remote, proofs: &Proofs, instance: &str) -> Vec<RemoteDestination> {
    let one = |(cluster, namespaces): (&Cluster, &BTreeSet<String>)| {
        let proof = proofs.get(cluster).unwrap_or(&Proof::Uncovered);
        let by = proof.by();
        let secret = cluster.identity(instance);
        RemoteDestination {
            cluster: cluster.label().to_owned(),
            namespaces: namespaces.iter().take(NAMESPACES).cloned().collect(),
            identity: by.and_then(|by| by.subject.as_ref()).map_or_else(|| secret.clone(), |subject| format!("{subject}, {secret}")),
            // Where it is kept by an object, nobody is to add it by hand.
            rule: if by.is_some_and(|by| by.binds) { String::new() } else { rule(namespaces) },
            proven_by: by.filter(|_| proof.holds()).map(|by| by.name.clone()),
            message: match by {
                Some(by) if !proof.holds() => shorten(&format!("ClusterAccess {}: {}", by.name, proof.why()), 512),
                _ => shorten(proof.why(), 512),
            },
        }
    };
    remote.iter().take(CLUSTERS).map(one).collect()
}

/// What has to be applied in the other cluster, for the ServiceAccount that `argocd cluster add` makes there.
fn rule(namespaces: &BTreeSet<String>) -> String {
    let mut text = "\
# Apply in that cluster. argocd-manager is the ServiceAccount of `argocd cluster add`: put the identity of your cluster Secret in its place.
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: argocd-terminal}
rules:
- {apiGroups: [\"\"], resources: [pods], verbs: [get]}
- {apiGroups: [\"\"], resources: [pods/exec], verbs: [get, create]}
"
    .to_owned();
    let unnamed = BTreeSet::from(["NAMESPACE".to_owned()]);
    for namespace in if namespaces.is_empty() { &unnamed } else { namespaces }.iter().take(BINDINGS) {
        // Writing into a String does not fail.
        let _ = write!(
            text,
            "\
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {{name: argocd-terminal, namespace: {namespace}}}
roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: argocd-terminal}}
subjects: [{{kind: ServiceAccount, name: argocd-manager, namespace: kube-system}}]
"
        );
    }
    if namespaces.len() > BINDINGS {
        let _ = writeln!(text, "# And the same RoleBinding in each of the other {} namespaces.", namespaces.len() - BINDINGS);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn remote(of: &[(Cluster, &[&str])]) -> Remote {
        of.iter().map(|(cluster, namespaces)| (cluster.clone(), namespaces.iter().map(|n| (*n).to_owned()).collect())).collect()
    }

    #[test]
    fn the_identity_is_that_of_the_secret_by_which_argo_cd_finds_the_cluster() {
        let of = |yaml: &str| Cluster::of(&serde_yaml::from_str(yaml).unwrap());
        assert_eq!(of("{name: prod}"), Some(Cluster::Name("prod".to_owned())));
        for here in ["{}", "{name: in-cluster}", "{server: 'https://kubernetes.default.svc'}", "{server: '', name: ''}"] {
            assert_eq!(of(here), None, "{here}");
        }
        let text = of("{server: 'https://a/'}").unwrap().identity("cd");
        assert!(text.contains("in cd ") && text.contains("data.server is \"https://a\""), "{text}");
    }

    #[test]
    fn the_rule_is_readable_yaml_and_bounded() {
        let many: Vec<String> = (0..200).map(|i| format!("n{i}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        let clusters: Vec<(Cluster, &[&str])> = (0..50).map(|i| (Cluster::Name(format!("c{i}")), many.as_slice())).collect();
        let status = status(&remote(&clusters), &Proofs::new(), "argocd");
        assert_eq!((status.len(), status[0].namespaces.len()), (CLUSTERS, NAMESPACES));
        assert!(status[0].rule.contains("other 197 namespaces") && status[0].rule.len() < 2048);
        let documents =
            serde_yaml::Deserializer::from_str(&status[0].rule).map(|d| <serde_yaml::Value as serde::Deserialize>::deserialize(d).unwrap());
        assert_eq!(documents.count(), 1 + BINDINGS);
        assert!(message(&remote(&clusters), "argocd").len() < 1024);
        assert!(rule(&BTreeSet::new()).contains("namespace: NAMESPACE"));
    }
}
