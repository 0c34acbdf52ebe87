//! What an AppProject lets its Applications deploy, and where to: read as Argo CD reads it
//! (`pkg/apis/application/v1alpha1/app_project_types.go`, `isDestinationMatched` and `IsGroupKindPermitted`). Pure.
//!
//! What cannot be read or decided is not allowed. What global projects add is left out: that is less than Argo CD allows, never more,
//! but for their black lists.

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::kinds::AppProject;
use super::policy::Matched;
use super::policy::glob::Glob;

/// How Argo CD knows the cluster that it runs in.
const IN_CLUSTER: (&str, &str) = ("in-cluster", "https://kubernetes.default.svc");

/// What a project allows in the cluster that Argo CD runs in.
#[derive(Debug)]
pub struct Scope {
    destinations: Vec<Destination>,
    namespaced: Kinds,
    cluster: Kinds,
    /// From which namespaces beside Argo CD's own it takes Applications. A regular expression is not decided, and matches nothing.
    sources: Vec<Glob>,
}

/// Kinds that are allowed, and kinds that are not.
#[derive(Debug)]
struct Kinds {
    /// `None`: every one.
    white: Option<Vec<Item>>,
    black: Vec<Item>,
}

#[derive(Debug)]
struct Destination {
    server: Pattern,
    name: Pattern,
    namespace: Pattern,
}

#[derive(Debug)]
struct Item {
    group: Glob,
    kind: Glob,
    name: Option<Glob>,
}

/// A glob that may be negated.
#[derive(Debug)]
struct Pattern {
    denies: bool,
    glob: Glob,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct RawDestination {
    server: String,
    name: String,
    namespace: String,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct RawItem {
    group: String,
    kind: String,
    name: String,
}

impl Pattern {
    fn new(text: &str) -> Self {
        Self { denies: text.starts_with('!'), glob: Glob::new(text.strip_prefix('!').unwrap_or(text)) }
    }

    /// Whether it matches; where that cannot be decided, what it says against somebody holds.
    fn matches(&self, text: &str) -> bool {
        match self.glob.matches(text) {
            Matched::Yes => !self.denies,
            Matched::No => self.denies,
            _ => false,
        }
    }
}

impl Item {
    fn matches(&self, group: &str, kind: &str, name: &str, in_doubt: bool) -> bool {
        let yes = |glob: &Glob, text: &str| match glob.matches(text) {
            Matched::Yes => true,
            Matched::No => false,
            _ => in_doubt,
        };
        yes(&self.kind, kind) && yes(&self.group, group) && self.name.as_ref().is_none_or(|glob| yes(glob, name))
    }
}

impl Kinds {
    fn allow(&self, group: &str, kind: &str, name: &str) -> bool {
        let white = self.white.as_ref().is_none_or(|items| items.iter().any(|item| item.matches(group, kind, name, false)));
        white && !self.black.iter().any(|item| item.matches(group, kind, name, true))
    }
}

impl Scope {
    /// Of a project.
    ///
    /// # Errors
    /// When a field of it cannot be read.
    pub fn of(project: &AppProject) -> Result<Self, serde_json::Error> {
        let items = |field: &str| -> Result<Option<Vec<Item>>, serde_json::Error> {
            let raw: Option<Vec<RawItem>> = read(project, field)?;
            let item = |raw: RawItem| Item {
                group: Glob::new(&raw.group),
                kind: Glob::new(&raw.kind),
                name: Some(raw.name).filter(|n| !n.is_empty()).map(|n| Glob::new(&n)),
            };
            Ok(raw.map(|raw| raw.into_iter().map(item).collect()))
        };
        let destinations: Option<Vec<RawDestination>> = read(project, "destinations")?;
        let destination = |raw: RawDestination| Destination {
            server: Pattern::new(&raw.server),
            name: Pattern::new(&raw.name),
            namespace: Pattern::new(&raw.namespace),
        };
        let sources: Option<Vec<String>> = read(project, "sourceNamespaces")?;
        let is_regex = |text: &String| text.len() > 1 && text.starts_with('/') && text.ends_with('/');
        Ok(Self {
            sources: sources.unwrap_or_default().iter().filter(|text| !is_regex(text)).map(|text| Glob::new(text)).collect(),
            destinations: destinations.unwrap_or_default().into_iter().map(destination).collect(),
            namespaced: Kinds { white: items("namespaceResourceWhitelist")?, black: items("namespaceResourceBlacklist")?.unwrap_or_default() },
            // Without a list of them, no kind without a namespace is allowed.
            cluster: Kinds {
                white: Some(items("clusterResourceWhitelist")?.unwrap_or_default()),
                black: items("clusterResourceBlacklist")?.unwrap_or_default(),
            },
        })
    }

    /// Whether it takes Applications of a namespace that is not Argo CD's own (`IsSourceNamespaceEnabled`).
    #[must_use]
    pub fn takes_from(&self, namespace: &str) -> bool {
        self.sources.iter().any(|glob| glob.matches(namespace) == Matched::Yes)
    }

    /// Whether its Applications may deploy into a namespace of this cluster.
    #[must_use]
    pub fn allows_namespace(&self, namespace: &str) -> bool {
        let mut allowed = false;
        for item in &self.destinations {
            let (name, server) = (item.name.matches(IN_CLUSTER.0), item.server.matches(IN_CLUSTER.1));
            let there = item.namespace.matches(namespace);
            if (name || server) && there {
                allowed = true;
                continue;
            }
            let denies_cluster = there && ((!name && item.name.denies) || (!server && item.server.denies));
            if denies_cluster || (!there && item.namespace.denies && server) {
                return false;
            }
        }
        allowed
    }

    /// Whether its Applications may have a resource of a kind that lies in a namespace.
    #[must_use]
    pub fn allows_namespaced(&self, group: &str, kind: &str, name: &str) -> bool {
        self.namespaced.allow(group, kind, name)
    }

    /// Whether its Applications may have this resource of a kind without a namespace.
    #[must_use]
    pub fn allows_cluster(&self, group: &str, kind: &str, name: &str) -> bool {
        self.cluster.allow(group, kind, name)
    }
}

/// A list of the project; absent is not the same as empty.
///
/// # Errors
/// When it cannot be read.
fn read<T: DeserializeOwned>(project: &AppProject, field: &str) -> Result<Option<Vec<T>>, serde_json::Error> {
    serde_json::from_value(project.spec.rest.get(field).cloned().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope(spec: &str) -> Scope {
        let project = format!("{{apiVersion: argoproj.io/v1alpha1, kind: AppProject, metadata: {{name: p}}, spec: {spec}}}");
        Scope::of(&serde_yaml::from_str(&project).unwrap()).unwrap()
    }

    #[test]
    fn destinations_are_matched_by_server_or_name_and_a_denial_wins() {
        let allows = |destinations: &str, namespace: &str| scope(&format!("{{destinations: {destinations}}}")).allows_namespace(namespace);
        for (destinations, namespace, expected) in [
            ("[{server: '*', namespace: '*'}]", "shop", true),
            ("[{name: in-cluster, namespace: 'shop-*'}]", "shop-a", true),
            ("[{name: in-cluster, namespace: 'shop-*'}]", "shop", false),
            ("[{server: 'https://kubernetes.default.svc', namespace: shop}]", "shop", true),
            ("[{server: 'https://other', namespace: shop}]", "shop", false),
            ("[{name: other, namespace: shop}]", "shop", false),
            ("[{server: '*', namespace: '*'}, {server: '*', namespace: '!kube-*'}]", "kube-system", false),
            ("[{server: '*', namespace: '!kube-*'}]", "shop", true),
            ("[{server: '*', namespace: '*'}, {name: '!in-cluster', namespace: '*'}]", "shop", false),
            ("[]", "shop", false),
        ] {
            assert_eq!(allows(destinations, namespace), expected, "{destinations} {namespace}");
        }
        assert!(!scope("{}").allows_namespace("shop"));
    }

    #[test]
    fn kinds_are_allowed_unless_a_list_says_otherwise_and_without_a_namespace_only_by_a_list() {
        let any = scope("{}");
        assert!(any.allows_namespaced("apps", "Deployment", "a") && !any.allows_cluster("", "Namespace", "a"));
        let none = scope("{namespaceResourceWhitelist: []}");
        assert!(!none.allows_namespaced("apps", "Deployment", "a"), "an empty list is not the same as none");
        let lists = scope(
            "{namespaceResourceWhitelist: [{group: 'apps', kind: '*'}, {group: '*', kind: Secret}], namespaceResourceBlacklist: [{group: '', kind: Secret}], clusterResourceWhitelist: [{group: '', kind: Namespace, name: 'shop-*'}]}",
        );
        assert!(lists.allows_namespaced("apps", "Deployment", "a") && lists.allows_namespaced("x", "Secret", "a"));
        assert!(!lists.allows_namespaced("", "Secret", "a") && !lists.allows_namespaced("batch", "Job", "a"));
        assert!(lists.allows_cluster("", "Namespace", "shop-a") && !lists.allows_cluster("", "Namespace", "other"));
    }

    #[test]
    fn a_project_that_cannot_be_read_allows_nothing() {
        let project = "{apiVersion: argoproj.io/v1alpha1, kind: AppProject, metadata: {name: p}, spec: {destinations: 'all'}}";
        assert!(Scope::of(&serde_yaml::from_str(project).unwrap()).is_err());
    }
}
