//! What the platform admin says about `ClusterAccess`: which remote clusters there may be, and so which Secrets the operator may touch. Pure.

use std::collections::BTreeSet;
use std::fmt;

use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::{ConfigError, is_dns_name};
use crate::clusters::names;

/// Whether `ClusterAccess` is served in an instance, and for which clusters.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ClusterAccess {
    /// Whether it is.
    pub enabled: bool,
    /// The clusters that may be declared. The chart gives rights on the Secrets of these, and on no other.
    pub clusters: Vec<Cluster>,
}

/// A cluster that may be declared: its name alone, or with the Secret that is taken over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cluster {
    /// Its name in Argo CD.
    pub name: String,
    /// The cluster Secret that is there already and may be taken over; `None`: it gets one of the operator's own.
    pub adopt_secret: Option<String>,
}

/// Secrets of Argo CD, of argocd-operator and of common additions that are no cluster Secrets. Whoever may read one of these may become
/// somebody else: sign logins, or read the repositories.
const NO_CLUSTER: [&str; 13] = [
    "argocd-secret",
    "argocd-initial-admin-secret",
    "argocd-redis",
    "argocd-notifications-secret",
    "argocd-image-updater-secret",
    "argocd-server-tls",
    "argocd-repo-server-tls",
    "argocd-dex-server-tls",
    // argocd-operator calls them after its ArgoCD, which has this name in its own examples; this one holds the admin's password,
    "argocd-cluster",
    "openshift-gitops-cluster",
    // and these its certificates.
    "argocd-ca",
    "argocd-tls",
    "openshift-gitops-tls",
];
/// The same by how they begin: repositories as Argo CD and its Helm chart call them, the certificates of argocd-agent, the releases of Helm
/// (with all their values), and what is the operator's own.
const NO_CLUSTER_BEGINS: [&str; 7] = ["repo-", "creds-", "argocd-repo-", "argocd-redis-", "argocd-agent-", "sh.helm.release.", "argocd-access-"];
/// The same by how they end: argocd-operator's cluster Secret of the hub itself, and its password for Redis.
const NO_CLUSTER_ENDS: [&str; 2] = ["-default-cluster-config", "-redis-initial-password"];

/// Whether a Secret of this name is none that could be taken over as a cluster Secret.
#[must_use]
pub fn is_no_cluster_secret(name: &str) -> bool {
    NO_CLUSTER.contains(&name) || NO_CLUSTER_BEGINS.iter().any(|b| name.starts_with(b)) || NO_CLUSTER_ENDS.iter().any(|e| name.ends_with(e))
}

impl Cluster {
    /// The name of its cluster Secret.
    #[must_use]
    pub fn secret(&self) -> String {
        self.adopt_secret.clone().unwrap_or_else(|| names::cluster_secret(&self.name))
    }
}

impl ClusterAccess {
    /// The name of the cluster Secret that the cluster of this name may have; `None`: it may have none, since it is not listed or nothing
    /// is served.
    #[must_use]
    pub fn permits(&self, cluster: &str) -> Option<String> {
        self.clusters.iter().find(|listed| self.enabled && listed.name == cluster).map(Cluster::secret)
    }

    /// Whether every name is possible and each cluster has a Secret to itself.
    ///
    /// # Errors
    /// What is wrong with which entry.
    pub(super) fn check(&self, instance: &str) -> Result<(), ConfigError> {
        let wrong = |what: String| Err(ConfigError::Value(format!("instances ({instance}): clusterAccess.clusters: {what}")));
        let (mut clusters, mut secrets) = (BTreeSet::new(), BTreeSet::new());
        for cluster in &self.clusters {
            let name = &cluster.name;
            if !is_dns_name(name, 63) {
                return wrong(format!("{name:?} is not the name of a cluster: up to 63 lower-case letters, digits, '-' and '.'"));
            }
            if !clusters.insert(name) {
                return wrong(format!("{name} is listed twice"));
            }
            if let Some(adopted) = &cluster.adopt_secret {
                if !is_dns_name(adopted, 253) {
                    return wrong(format!("{name}: adoptSecret {adopted:?} is not the name of a Secret"));
                }
                if is_no_cluster_secret(adopted) {
                    return wrong(format!("{name}: adoptSecret {adopted} is no cluster Secret, and whoever may read it could do much more"));
                }
            }
            if !secrets.insert(cluster.secret()) {
                return wrong(format!("{name}: the Secret {} is that of another cluster too", cluster.secret()));
            }
        }
        Ok(())
    }
}

/// An entry with all that it can say.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Written {
    name: String,
    #[serde(default)]
    adopt_secret: Option<String>,
}

impl<'de> Deserialize<'de> for Cluster {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // Not `untagged`: that would say of a misspelt key only that nothing fits.
        deserializer.deserialize_any(NameOrMore)
    }
}

struct NameOrMore;

impl<'de> Visitor<'de> for NameOrMore {
    type Value = Cluster;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a cluster, or name and adoptSecret")
    }

    fn visit_str<E: serde::de::Error>(self, name: &str) -> Result<Cluster, E> {
        Ok(Cluster { name: name.to_owned(), adopt_secret: None })
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Cluster, A::Error> {
        let Written { name, adopt_secret } = Written::deserialize(MapAccessDeserializer::new(map))?;
        Ok(Cluster { name, adopt_secret })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::Config;
    use super::*;

    fn read(clusters: &str) -> Result<ClusterAccess, String> {
        let text = format!("instances: [{{namespace: argocd, clusterAccess: {{enabled: true, clusters: {clusters}}}}}]");
        Config::parse(&text, "argocd").map(|config| config.instances[0].cluster_access.clone()).map_err(|error| said(&error))
    }

    fn said(error: &ConfigError) -> String {
        std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string)
    }

    #[test]
    fn nothing_is_served_unless_it_is_said() {
        let config = Config::parse("instances: [{namespace: argocd, clusterAccess: {clusters: [a]}}]", "argocd").unwrap();
        assert_eq!(config.instances[0].cluster_access.permits("a"), None);
        assert_eq!(Config::parse("", "argocd").unwrap().instances[0].cluster_access, ClusterAccess::default());
    }

    #[test]
    fn a_listed_cluster_has_one_secret_and_one_that_is_not_listed_has_none() {
        let access = read("[prod-eu, {name: prod-us}, {name: old.one, adoptSecret: cluster-10.0.0.1-123}]").unwrap();
        assert_eq!(access.permits("prod-eu").as_deref(), Some("argocd-access-cluster-prod-eu"));
        assert_eq!(access.permits("prod-us").as_deref(), Some("argocd-access-cluster-prod-us"));
        assert_eq!(access.permits("old.one").as_deref(), Some("cluster-10.0.0.1-123"));
        for other in ["prod", "prod-eu2", "", "cluster-10.0.0.1-123"] {
            assert_eq!(access.permits(other), None, "{other:?}");
        }
    }

    #[test]
    fn a_misspelt_key_is_an_error_that_names_it() {
        assert!(read("[{name: a, adoptsecret: b}]").unwrap_err().contains("adoptsecret"));
        assert!(read("[{adoptSecret: b}]").unwrap_err().contains("name"));
        assert!(read("[[a]]").unwrap_err().contains("the name of a cluster"));
        let misspelt = Config::parse("instances: [{namespace: a, clusterAccess: {enable: true}}]", "a").unwrap_err();
        assert!(said(&misspelt).contains("unknown field `enable`"), "{misspelt}");
    }

    #[test]
    fn a_name_that_kubernetes_would_refuse_is_refused() {
        for name in ["''", "A", "-a", "a-", ".a", "a.", "a..b", "a.-b", "a_b", "a/b", &"a".repeat(64)] {
            assert!(read(&format!("[{name}]")).unwrap_err().contains("is not the name of a cluster"), "{name}");
        }
        for name in ["''", "A", "a..b", "a/../b", &"a".repeat(254)] {
            assert!(read(&format!("[{{name: a, adoptSecret: {name}}}]")).unwrap_err().contains("is not the name of a Secret"), "{name}");
        }
        assert!(read(&format!("[{}, {{name: b, adoptSecret: {}}}]", "a".repeat(63), "a".repeat(253))).is_ok());
    }

    #[test]
    fn a_cluster_is_listed_once_and_shares_its_secret_with_no_other() {
        assert!(read("[a, b, a]").unwrap_err().contains("a is listed twice"));
        assert!(read("[a, {name: a, adoptSecret: s}]").unwrap_err().contains("a is listed twice"));
        assert!(read("[{name: a, adoptSecret: s}, {name: b, adoptSecret: s}]").unwrap_err().contains("b: the Secret s is that of another"));
    }

    #[test]
    fn secrets_by_which_one_could_do_more_are_not_taken_over() {
        let named = ["repo-1234", "creds-1234", "argocd-repo-creds-github", "argocd-redis-ha", "sh.helm.release.v1.argocd.v1", "argocd-agent-ca"];
        let own = ["argocd-access-manager-a", "argocd-access-cluster-b"];
        let operator = ["example-default-cluster-config", "example-redis-initial-password"];
        for secret in NO_CLUSTER.iter().chain(&named).chain(&own).chain(&operator) {
            let said = read(&format!("[{{name: a, adoptSecret: {secret}}}]")).unwrap_err();
            assert!(said.contains("is no cluster Secret"), "{secret}: {said}");
        }
        for secret in ["cluster-10.0.0.1-123", "prod-eu-cluster", "repository", "argocd"] {
            assert!(read(&format!("[{{name: a, adoptSecret: {secret}}}]")).is_ok(), "{secret}");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_listed_no_two_clusters_share_a_secret_and_none_has_one_that_is_not_for_it(
            entries in prop::collection::vec(("[ab.-]{1,3}", prop::option::of("(argocd-(secret|access-cluster-[ab])|[ab]{1,2}|repo-a)")), 0..5),
        ) {
            let list: Vec<_> = entries.iter().map(|(name, secret)| serde_json::json!({"name": name, "adoptSecret": secret})).collect();
            if let Ok(access) = read(&serde_json::to_string(&list).unwrap()) {
                let secrets: Vec<String> = entries.iter().map(|(name, _)| access.permits(name).unwrap()).collect();
                prop_assert_eq!(secrets.iter().collect::<BTreeSet<_>>().len(), entries.len());
                for ((name, adopted), secret) in entries.iter().zip(&secrets) {
                    prop_assert_eq!(secret, &adopted.clone().unwrap_or_else(|| names::cluster_secret(name)));
                    prop_assert!(adopted.is_none() || !is_no_cluster_secret(secret));
                }
            }
        }
    }
}
