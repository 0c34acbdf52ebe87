//! What holds of every derivation, over random clusters, projects and grants.

use std::sync::Arc;

use proptest::prelude::*;

use super::fixtures::{Cluster, KINDS, access, application, open_project, project};
use crate::api::GroupKind;
use crate::argocd::deployed::Deployed;
use crate::live::sensitive;
use crate::live::wanted::Wanted;

const NAMESPACES: [&str; 7] = ["shop", "other", "team-a", "argocd", "kube-system", "gone", ""];
const RELEASED: [(&str, &str); 4] = [("", "Secret"), ("", "ServiceAccount"), ("rbac.authorization.k8s.io", "Role"), ("batch", "Job")];

fn resources() -> impl Strategy<Value = Vec<String>> {
    let one = (0..KINDS.len(), 0..NAMESPACES.len(), 0..4_usize).prop_map(|(kind, namespace, name)| {
        let (group, kind, ..) = KINDS[kind];
        format!("{group}/{kind}/{}/n{name}", NAMESPACES[namespace])
    });
    prop::collection::vec(one, 0..25)
}

fn applications() -> impl Strategy<Value = Vec<Arc<Deployed>>> {
    let one = (resources(), prop::sample::select(vec!["shop", "narrow", "absent"]));
    prop::collection::vec(one, 1..6).prop_map(|all| {
        let app = |(index, (resources, project)): (usize, (Vec<String>, &str))| {
            application(&format!("app{index}"), project, &resources.iter().map(String::as_str).collect::<Vec<_>>())
        };
        all.into_iter().enumerate().map(app).collect()
    })
}

fn grant() -> impl Strategy<Value = String> {
    let features = prop::sample::subsequence(vec!["View", "Events", "Logs", "Terminal", "Edit", "Actions", "Delete"], 1..=7);
    let released = prop::sample::subsequence(RELEASED.to_vec(), 0..=4);
    let (precision, cluster) = (prop::sample::select(vec!["Kind", "Name"]), prop::sample::select(vec!["None", "View"]));
    let secrets = prop::sample::select(vec!["None", "Named", "All"]);
    let applications = prop::sample::select(vec!["[{project: '*'}]", "[{project: shop}]", "[{project: narrow, name: 'app?'}]"]);
    (features, released, precision, cluster, secrets, applications).prop_map(|(features, released, precision, cluster, secrets, applications)| {
        let sensitive: Vec<String> = released.iter().map(|(group, kind)| format!("{{group: '{group}', kind: {kind}}}")).collect();
        format!(
            "{{features: [{}], sensitive: [{}], precision: {precision}, clusterScoped: {cluster}, secrets: {secrets}, applications: {applications}}}",
            features.join(", "),
            sensitive.join(", ")
        )
    })
}

fn cluster(applications: Vec<Arc<Deployed>>, managed: bool) -> Cluster {
    let narrow = project("narrow", "{destinations: [{name: in-cluster, namespace: shop}], namespaceResourceBlacklist: [{group: apps, kind: '*'}]}");
    Cluster { applications, managed, projects: vec![open_project("shop"), narrow], ..Cluster::with(&[]) }
}

fn derived(cluster: &Cluster, grants: &[String]) -> Wanted {
    cluster.derive(&access(&format!("{{grants: [{}]}}", grants.join(", "))))
}

/// The kind that a right is about.
fn kind_of(group: &str, resource: &str) -> GroupKind {
    let plural = resource.split('/').next().unwrap();
    let (group, kind, ..) = KINDS.iter().find(|(g, _, p, _)| *g == group && *p == plural).unwrap_or_else(|| panic!("{group} {resource}"));
    GroupKind::new(group, kind)
}

proptest! {
    #[test]
    fn no_right_is_wider_than_what_somebody_asked_for(applications in applications(), grants in prop::collection::vec(grant(), 1..4), managed: bool) {
        let cluster = cluster(applications, managed);
        let wanted = derived(&cluster, &grants);
        let access = access(&format!("{{grants: [{}]}}", grants.join(", ")));
        let released = |kind: &GroupKind| access.grants.iter().any(|g| g.released.contains(kind));
        let secrets_asked = !grants.iter().all(|g| g.contains("secrets: None"));
        for (namespace, place) in &wanted.namespaces {
            prop_assert!(["shop", "other", "team-a"].contains(&namespace.as_str()), "{namespace}");
            prop_assert!(managed || !place.features.contains(&crate::api::Feature::Terminal));
            for rule in place.rules.render() {
                let all = [rule.api_groups.unwrap(), rule.resources.unwrap(), rule.verbs.clone(), rule.resource_names.clone().unwrap_or_default()].concat();
                prop_assert!(all.iter().all(|text| !text.contains('*')), "{all:?}");
                prop_assert!(rule.verbs.iter().all(|verb| ["get", "patch", "delete", "create"].contains(&verb.as_str())));
                prop_assert!(rule.resource_names.is_none_or(|names| !names.is_empty()));
            }
            for (right, _) in place.rules.iter() {
                let kind = kind_of(&right.group, &right.resource);
                prop_assert!(kind.kind != "Endpoints");
                prop_assert!(!sensitive::is_secret(&kind) || secrets_asked);
                prop_assert!(!sensitive::is_hidden(&kind) || released(&kind), "{right:?}");
                prop_assert!(!sensitive::is_sensitive(&kind) || right.verb == "get" || released(&kind), "{right:?}");
                let tells = kind.kind == "Event";
                prop_assert!(right.verb != "create" || tells || released(&kind), "{right:?}");
                prop_assert!(!right.resource.contains('/') || right.resource.ends_with("/status"));
            }
        }
        for rule in wanted.cluster.render() {
            prop_assert!(rule.verbs == ["get"] && rule.resource_names.is_some_and(|names| !names.is_empty()));
        }
    }

    #[test]
    fn a_further_grant_takes_nothing_away(applications in applications(), grants in prop::collection::vec(grant(), 2..5), cut in 1..4_usize) {
        let cluster = cluster(applications, true);
        let some = &grants[..cut.min(grants.len() - 1)];
        prop_assert!(derived(&cluster, some).is_within(&derived(&cluster, &grants)));
    }

    #[test]
    fn the_order_of_what_is_seen_and_declared_does_not_matter(applications in applications(), grants in prop::collection::vec(grant(), 1..4)) {
        let mut cluster = cluster(applications, true);
        let first = derived(&cluster, &grants);
        prop_assert_eq!(&derived(&cluster, &grants), &first);
        cluster.applications = cluster.applications.iter().rev().map(|app| {
            let mut app = (**app).clone();
            app.status.as_mut().unwrap().resources.reverse();
            Arc::new(app)
        }).collect();
        cluster.projects.reverse();
        cluster.namespaces.reverse();
        let reversed: Vec<String> = grants.iter().rev().cloned().collect();
        let second = derived(&cluster, &reversed);
        let render = |w: &Wanted| w.namespaces.iter().map(|(n, p)| (n.clone(), p.rules.render())).collect::<Vec<_>>();
        prop_assert_eq!(render(&second), render(&first));
        prop_assert_eq!(second, first);
    }

    #[test]
    fn a_narrower_project_leads_to_nothing_more(applications in applications(), grants in prop::collection::vec(grant(), 1..3)) {
        let wide = cluster(applications, true);
        let mut narrow = cluster(wide.applications.clone(), true);
        narrow.projects = vec![project("shop", "{destinations: [{server: '*', namespace: shop}], namespaceResourceWhitelist: [{group: '', kind: '*'}]}")];
        prop_assert!(derived(&narrow, &grants).is_within(&derived(&wide, &grants)));
    }
}
