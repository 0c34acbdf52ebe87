//! What a plan looks up again and again, sorted once: the Applications by name, and the namespaces. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::lines::selects;
use super::world::World;
use crate::argocd::kinds::Application;
use crate::reconcile::selection::Applications;

/// The Applications and namespaces of a world.
#[derive(Debug)]
pub struct ByName<'a> {
    all: &'a [Arc<Application>],
    named: BTreeMap<&'a str, Vec<&'a Application>>,
    /// Those that are there and stay; `None`: they cannot be seen.
    namespaces: Option<BTreeSet<&'a str>>,
    own: &'a str,
}

impl<'a> ByName<'a> {
    /// Of this world. Applications that cannot be seen are none.
    #[must_use]
    pub fn of(world: &'a World) -> Self {
        let alive =
            |n: &'a Arc<k8s_openapi::api::core::v1::Namespace>| n.metadata.name.as_deref().filter(|_| n.metadata.deletion_timestamp.is_none());
        let namespaces = world.namespaces.as_ref().ok().map(|all| all.iter().filter_map(alive).collect());
        Self { namespaces, ..Self::applications(world.applications.as_deref().unwrap_or_default(), world.namespace()) }
    }

    /// Of these Applications, beside namespaces that cannot be seen.
    pub(super) fn applications(all: &'a [Arc<Application>], own: &'a str) -> Self {
        let mut named: BTreeMap<&str, Vec<&Application>> = BTreeMap::new();
        for app in all {
            named.entry(app.metadata.name.as_deref().unwrap_or_default()).or_default().push(app);
        }
        Self { all, named, namespaces: None, own }
    }

    /// The Applications that a selector means. By a name there are few of them, by a pattern all have to be looked at.
    pub fn meant(&self, selector: &Applications) -> Vec<&'a Application> {
        let is_meant = |app: &&Application| selects(selector, app, self.own);
        if selector.name.is_literal() {
            self.named.get(selector.name.as_glob()).into_iter().flatten().copied().filter(is_meant).collect()
        } else {
            self.all.iter().map(Arc::as_ref).filter(is_meant).collect()
        }
    }

    /// Whether a namespace is there and stays; so it is taken where they cannot be seen.
    #[must_use]
    pub fn is_alive(&self, namespace: &str) -> bool {
        self.namespaces.as_ref().is_none_or(|all| all.contains(namespace))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::tests::fixtures::{app, grant, world};
    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
        #[test]
        fn by_a_name_or_by_a_pattern_the_same_is_meant_as_by_looking_at_each(
            apps in proptest::collection::vec(("argocd|team", "shop|bank", "[ab]{1,2}"), 0..12),
            selectors in proptest::collection::vec(("shop|bank|s\\*|\\*", "[ab*?]{1,2}", proptest::option::of("argocd|team|\\*")), 1..4),
        ) {
            let mut world = world();
            world.applications = Ok(apps.iter().map(|(namespace, project, name)| app(namespace, project, name)).collect());
            let text: Vec<String> = selectors.iter().map(|(project, name, namespace)| {
                let namespace = namespace.as_ref().map(|n| format!(", namespace: '{n}'")).unwrap_or_default();
                format!("{{project: '{project}', name: '{name}'{namespace}}}")
            }).collect();
            let grant = grant(&format!("{{subjects: [{{kind: Group, name: g}}], applications: [{}]}}", text.join(", ")));
            let index = ByName::of(&world);
            for selector in &grant.applications {
                let mut expected: Vec<*const Application> =
                    world.applications.iter().flatten().filter(|app| selects(selector, app, world.namespace())).map(Arc::as_ptr).collect();
                let mut found: Vec<*const Application> = index.meant(selector).into_iter().map(std::ptr::from_ref).collect();
                expected.sort_unstable();
                found.sort_unstable();
                prop_assert_eq!(found, expected);
            }
        }
    }
}
