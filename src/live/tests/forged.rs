//! An Application whose status claims what it likes: whoever may edit it gains nothing.

use std::sync::Arc;

use serde_json::{Value, json};

use super::fixtures::{Cluster, KINDS, application, granting, project, resource, show};
use crate::live::derive::MOST_CLAIMED;
use crate::live::wanted::TooMany;

fn claiming(resources: &[Value]) -> Cluster {
    let mut cluster = Cluster::with(&["apps/Deployment/shop/web"]);
    let mut forged = (*application("forged", "shop", &[])).clone();
    forged.status.as_mut().unwrap().resources = resources.iter().map(|r| serde_json::from_value(r.clone()).unwrap()).collect();
    cluster.applications.push(Arc::new(forged));
    cluster
}

const ALL: &str = "{features: [View, Events, Logs, Edit, Actions, Delete]}";

#[test]
fn claimed_secrets_rights_and_definitions_gain_nothing() {
    let claimed: Vec<Value> = [
        "/Secret/shop/admin",
        "/Secret//admin",
        "rbac.authorization.k8s.io/Role/shop/all",
        "rbac.authorization.k8s.io/RoleBinding/shop/all",
        "rbac.authorization.k8s.io/ClusterRole//cluster-admin",
        "rbac.authorization.k8s.io/ClusterRole/shop/cluster-admin",
        "apiextensions.k8s.io/CustomResourceDefinition//a.b",
        "admissionregistration.k8s.io/ValidatingWebhookConfiguration//a",
        "argocd-access.dev/ExecAccess/shop/a",
        "/Node//a",
        "/Endpoints/shop/a",
    ]
    .map(resource)
    .to_vec();
    let honest = Cluster::with(&["apps/Deployment/shop/web"]).derive(&granting(ALL));
    let forged = claiming(&claimed).derive(&granting(ALL));
    assert_eq!((&forged.namespaces, &forged.cluster), (&honest.namespaces, &honest.cluster));
    assert!(forged.not_granted.len() >= 9);
}

#[test]
fn claimed_namespaces_gain_nothing_where_the_project_does_not_lead() {
    let claimed: Vec<Value> = ["other", "kube-system", "argocd", "no-such", "shop/../other", "*", ""]
        .map(|namespace| json!({"kind": "ConfigMap", "namespace": namespace, "name": "a"}))
        .to_vec();
    let mut cluster = claiming(&claimed);
    cluster.projects = vec![project("shop", "{destinations: [{server: '*', namespace: shop}]}")];
    let wanted = cluster.derive(&granting(ALL));
    assert_eq!(wanted.namespaces.keys().collect::<Vec<_>>(), ["shop"]);
    assert!(wanted.missing.is_empty(), "a namespace that the project does not allow is not waited for: {:?}", wanted.missing);
}

#[test]
fn words_that_no_resource_has_lead_to_nothing_and_into_no_status() {
    let long = "a".repeat(300_000);
    let claimed: Vec<Value> = [
        ("*", "*", "*"),
        ("", "*", "a"),
        ("", "ConfigMap", "*"),
        ("", "ConfigMap", "a/b"),
        ("", "ConfigMap", ""),
        ("", "", "a"),
        ("", "ConfigMap", "a\nb"),
        ("", &long, "a"),
        (&long, "ConfigMap", "a"),
        ("", "Made-Up", "a"),
    ]
    .map(|(group, kind, name)| json!({"group": group, "kind": kind, "namespace": "shop", "name": name}))
    .to_vec();
    let honest = Cluster::with(&["apps/Deployment/shop/web"]).derive(&granting("{precision: Name}"));
    let forged = claiming(&claimed).derive(&granting("{precision: Name}"));
    assert_eq!((&forged.namespaces, &forged.cluster), (&honest.namespaces, &honest.cluster));
    assert!(forged.not_granted.iter().all(|n| n.kind == "Made-Up"), "{:?}", forged.not_granted);
}

#[test]
fn an_application_that_claims_more_than_any_has_counts_for_nothing_and_the_others_as_ever() {
    let kinds: Vec<&str> = KINDS.iter().filter(|(.., namespaced)| *namespaced).map(|(_, kind, ..)| *kind).collect();
    let claimed: Vec<Value> =
        (0..100_000).map(|n| json!({"kind": kinds[n % kinds.len()], "namespace": format!("n{n}"), "name": format!("a{n}")})).collect();
    let honest = Cluster::with(&["apps/Deployment/shop/web"]).derive(&granting(ALL));
    let forged = claiming(&claimed).derive(&granting(ALL));
    assert_eq!(forged.namespaces, honest.namespaces);
    assert_eq!(forged.crowded.iter().collect::<Vec<_>>(), ["argocd/forged"]);
    // As many as are taken stay within bounds, too.
    let forged = claiming(&claimed[..MOST_CLAIMED]).derive(&granting(ALL));
    assert_eq!(forged.namespaces, honest.namespaces);
    assert!(forged.missing.len() <= 1000 && forged.not_granted.len() <= 1000);
}

#[test]
fn more_names_or_kinds_than_a_cluster_bears_are_refused_as_a_whole() {
    let mut cluster = Cluster::with(&[]);
    for app in 0..4 {
        let names: Vec<String> = (0..3000).map(|n| format!("/ConfigMap/shop/a{app}-{n:0>60}")).collect();
        cluster.applications.push(application(&format!("many{app}"), "shop", &names.iter().map(String::as_str).collect::<Vec<_>>()));
    }
    let by_name = cluster.derive(&granting("{precision: Name}"));
    assert!(by_name.too_many == Some(TooMany::Names("shop".to_owned())) && by_name.namespaces.is_empty(), "{:?}", by_name.too_many);
    assert_eq!(show(&cluster.derive(&granting("{}")).namespaces["shop"].rules), ["get configmaps"]);

    let mut cluster = Cluster::with(&[]);
    for n in 0..1001 {
        let name = format!("n{n}");
        cluster.namespaces.push(super::fixtures::namespace(&name, &json!({})));
        cluster.applications.push(application(&name, "shop", &[&format!("/ConfigMap/{name}/a"), &format!("/ServiceAccount/{name}/a")]));
    }
    let wide = cluster.derive(&granting("{}"));
    assert!(wide.too_many == Some(TooMany::Pairs(2002)) && wide.namespaces.is_empty(), "{:?}", wide.too_many);
}
