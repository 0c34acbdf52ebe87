//! What is derived from which Applications, feature by feature.

use serde_json::json;

use super::fixtures::{Cluster, access, application, granting, left_out, namespace, project, show};
use crate::api::Feature;
use crate::live::ceiling::Ceiling;
use crate::live::rules::Rules;

const WEB: &[&str] = &["apps/Deployment/shop/web", "/Service/shop/web", "/ConfigMap/shop/web"];

fn rights(cluster: &Cluster, grant: &str, namespace: &str) -> Vec<String> {
    let wanted = cluster.derive(&granting(grant));
    show(&wanted.namespaces.get(namespace).map(|p| p.rules.clone()).unwrap_or_default())
}

#[test]
fn to_view_an_application_takes_get_on_its_kinds_and_on_those_below() {
    let expected =
        ["get configmaps", "get deployments.apps", "get endpointslices.discovery.k8s.io", "get pods", "get replicasets.apps", "get services"];
    let cluster = Cluster::with(WEB);
    assert_eq!(rights(&cluster, "{}", "shop"), expected);
    let wanted = cluster.derive(&granting("{}"));
    assert_eq!(wanted.namespaces.keys().collect::<Vec<_>>(), ["shop"]);
    assert_eq!(wanted.namespaces["shop"].features.iter().copied().collect::<Vec<_>>(), [Feature::View, Feature::Events]);
    assert!(wanted.not_granted.is_empty() && wanted.cluster.is_empty(), "{wanted:?}");
    assert_eq!((wanted.selected, wanted.without_resources), (1, 0));
}

#[test]
fn each_feature_adds_its_own_verbs() {
    let cluster = Cluster::with(&["/ConfigMap/shop/web", "batch/CronJob/shop/tidy", "argoproj.io/Rollout/shop/web"]);
    let has = |features: &str, right: &str| rights(&cluster, &format!("{{features: [{features}]}}"), "shop").contains(&right.to_owned());
    for (features, right, expected) in [
        ("View", "patch configmaps", false),
        ("Edit", "get configmaps", true),
        ("Edit", "patch configmaps", true),
        ("Edit", "delete configmaps", false),
        ("Edit", "patch configmaps/status", false),
        ("Delete", "delete configmaps", true),
        ("Delete", "delete pods", true),
        ("Delete", "patch configmaps", false),
        ("Actions", "patch configmaps", true),
        ("Actions", "patch cronjobs.batch", true),
        ("Actions", "patch cronjobs/status.batch", false),
        ("Actions", "patch rollouts/status.argoproj.io", true),
        ("Actions", "create events", true),
        ("View", "create events", false),
        ("Actions", "create jobs.batch", false),
        ("Logs", "get pods", true),
    ] {
        assert_eq!(has(features, right), expected, "{features}: {right}");
    }
    let released = rights(&cluster, "{features: [Actions], sensitive: [{group: batch, kind: Job}]}", "shop");
    assert!(released.contains(&"create jobs.batch".to_owned()), "{released:?}");
    for verb in ["list", "watch", "update"] {
        let all = rights(&cluster, "{features: [View, Events, Logs, Terminal, Edit, Actions, Delete]}", "shop");
        assert!(all.iter().all(|right| !right.starts_with(verb)), "{all:?}");
    }
}

#[test]
fn logs_and_terminals_are_where_pods_are_and_terminals_only_through_a_managed_agent() {
    let features = |cluster: &Cluster| -> Vec<Feature> {
        let wanted = cluster.derive(&granting("{features: [Logs, Terminal]}"));
        wanted.namespaces["shop"].features.iter().copied().collect()
    };
    let mut cluster = Cluster::with(WEB);
    assert_eq!(features(&cluster), [Feature::View, Feature::Logs, Feature::Terminal]);
    cluster.managed = false;
    assert_eq!(features(&cluster), [Feature::View, Feature::Logs]);
    assert_eq!(left_out(&cluster.derive(&granting("{features: [Terminal]}"))), ["Pod shop Terminal AutonomousAgent"]);
    assert_eq!(features(&Cluster::with(&["/ConfigMap/shop/web"])), [Feature::View]);
}

#[test]
fn by_name_only_what_is_in_git_is_named() {
    let cluster = Cluster::with(&["apps/Deployment/shop/web", "apps/Deployment/shop/api", "/Pod/shop/once"]);
    let named = rights(&cluster, "{features: [Edit], precision: Name}", "shop");
    let expected = [
        "get deployments.apps {\"api\", \"web\"}",
        "get pods",
        "get replicasets.apps",
        "patch deployments.apps {\"api\", \"web\"}",
        "patch pods",
        "patch replicasets.apps",
    ];
    assert_eq!(named, expected);
}

#[test]
fn secrets_are_shown_only_as_far_as_somebody_says_so() {
    let cluster = Cluster::with(&["/Secret/shop/web", "/ConfigMap/shop/web"]);
    let secrets = |grant: &str| rights(&cluster, grant, "shop").into_iter().filter(|r| r.contains("secret")).collect::<Vec<_>>();
    assert_eq!(secrets("{features: [View, Edit, Delete]}"), Vec::<String>::new());
    assert_eq!(secrets("{secrets: Named}"), ["get secrets {\"web\"}"]);
    assert_eq!(secrets("{secrets: All, precision: Name}"), ["get secrets"]);
    assert_eq!(secrets("{secrets: Named, features: [Edit]}"), ["get secrets {\"web\"}"]);
    assert_eq!(secrets("{secrets: Named, features: [Edit], sensitive: [{kind: Secret}]}"), ["get secrets {\"web\"}", "patch secrets {\"web\"}"]);
    assert_eq!(left_out(&cluster.derive(&granting("{}"))), ["Secret shop View Secret"]);
    // Whoever declares a child kind does not get at Secrets by it.
    let child = access("{grants: [{secrets: Named}], children: [{parent: {kind: ConfigMap}, child: {kind: Secret}}]}");
    let wanted = Cluster::with(&["/ConfigMap/shop/web"]).derive(&child);
    assert_eq!(show(&wanted.namespaces["shop"].rules), ["get configmaps"]);
}

#[test]
fn the_hard_list_is_not_changed_and_rights_are_not_even_shown_unless_released() {
    let cluster = Cluster::with(&["/ServiceAccount/shop/web", "rbac.authorization.k8s.io/Role/shop/web", "argoproj.io/Rollout/shop/web"]);
    let all = "features: [Edit, Delete, Actions]";
    let given = rights(&cluster, &format!("{{{all}}}"), "shop");
    assert!(given.contains(&"get serviceaccounts".to_owned()) && given.contains(&"patch rollouts.argoproj.io".to_owned()), "{given:?}");
    assert!(given.iter().all(|r| !r.contains("roles.rbac") && (!r.contains("serviceaccounts") || r.starts_with("get"))), "{given:?}");
    let wanted = cluster.derive(&granting(&format!("{{{all}}}")));
    assert!(left_out(&wanted).contains(&"ServiceAccount shop Edit SensitiveKind".to_owned()));
    assert!(left_out(&wanted).contains(&"Role shop View SensitiveKind".to_owned()));
    let released = rights(&cluster, &format!("{{{all}, sensitive: [{{kind: ServiceAccount}}]}}"), "shop");
    assert!(released.contains(&"delete serviceaccounts".to_owned()) && released.iter().all(|r| !r.contains("roles.rbac")), "{released:?}");
}

#[test]
fn what_has_no_namespace_is_shown_only_when_asked_and_always_by_its_name() {
    let cluster = Cluster::with(&["/Namespace//shop", "/ConfigMap/shop/web", "apiextensions.k8s.io/CustomResourceDefinition//a.b"]);
    let without = cluster.derive(&granting("{}"));
    assert!(without.cluster.is_empty());
    assert_eq!(left_out(&without), ["Namespace  View ClusterScoped", "CustomResourceDefinition  View NeverProxied"]);
    let with = cluster.derive(&granting("{clusterScoped: View, features: [Edit]}"));
    assert_eq!(show(&with.cluster), ["get namespaces {\"shop\"}"]);
    assert!(left_out(&with).contains(&"Namespace  Edit ClusterScoped".to_owned()));
}

#[test]
fn a_namespace_counts_when_it_is_there_and_chosen_and_not_protected() {
    let resources =
        ["/ConfigMap/shop/a", "/ConfigMap/other/a", "/ConfigMap/team-a/a", "/ConfigMap/argocd/a", "/ConfigMap/kube-system/a", "/ConfigMap/gone/a"];
    let mut cluster = Cluster::with(&resources);
    let places = |cluster: &Cluster, agent: &str| cluster.derive(&access(agent)).namespaces.into_keys().collect::<Vec<_>>();
    assert_eq!(places(&cluster, "{grants: [{}]}"), ["other", "shop", "team-a"]);
    assert_eq!(places(&cluster, "{grants: [{namespaces: {names: [shop, argocd]}}]}"), ["shop"]);
    assert_eq!(places(&cluster, "{grants: [{namespaces: {selector: {matchLabels: {name: other}}}}]}"), ["other"]);
    assert_eq!(places(&cluster, "{grants: [{}], protectedNamespaces: [shop, other]}"), ["team-a"], "the instance's own and denied ones always count");
    let wanted = cluster.derive(&access("{grants: [{}]}"));
    assert_eq!(wanted.missing.iter().collect::<Vec<_>>(), ["gone"]);
    assert_eq!(left_out(&wanted), ["ConfigMap argocd View ProtectedNamespace", "ConfigMap kube-system View ProtectedNamespace"]);
    let mut going = (*namespace("gone", &json!({}))).clone();
    going.metadata.deletion_timestamp = Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(jiff::Timestamp::UNIX_EPOCH));
    cluster.namespaces.push(going.into());
    assert_eq!(places(&cluster, "{grants: [{}]}"), ["other", "shop", "team-a"]);
}

#[test]
fn a_project_bounds_what_its_applications_lead_to() {
    let mut cluster = Cluster::with(&["/ConfigMap/shop/a", "/ConfigMap/other/a", "/Service/shop/a"]);
    cluster.projects =
        vec![project("shop", "{destinations: [{name: in-cluster, namespace: shop}], namespaceResourceWhitelist: [{group: '', kind: ConfigMap}]}")];
    let wanted = cluster.derive(&granting("{}"));
    assert_eq!(show(&wanted.namespaces["shop"].rules), ["get configmaps"]);
    assert_eq!(left_out(&wanted), ["ConfigMap other View OutsideProject", "Service shop View OutsideProject"]);
    cluster.projects.clear();
    assert!(cluster.derive(&granting("{}")).namespaces.is_empty(), "no project, no rights");
}

#[test]
fn only_the_applications_that_are_meant_and_deploy_here_count() {
    let mut cluster = Cluster::with(&["/ConfigMap/shop/a"]);
    let mut remote = (*application("far", "shop", &["/Service/shop/a"])).clone();
    remote.spec.destination.name = Some("elsewhere".to_owned());
    let mut empty = (*application("new", "shop", &[])).clone();
    empty.status = None;
    cluster.applications.extend([remote.into(), empty.into(), application("api", "shop", &["batch/Job/shop/a"])]);
    let wanted = cluster.derive(&granting("{}"));
    assert_eq!((wanted.selected, wanted.without_resources), (3, 1));
    assert_eq!(rights(&cluster, "{applications: [{project: shop, name: 'a*'}]}", "shop"), ["get jobs.batch", "get pods"]);
    assert_eq!(rights(&cluster, "{applications: [{project: other}]}", "shop"), Vec::<String>::new());
    assert_eq!(rights(&cluster, "{applications: [{project: shop, namespace: elsewhere}]}", "shop"), Vec::<String>::new());
}

#[test]
fn before_the_first_comparison_the_last_sync_says_what_there_is() {
    let mut cluster = Cluster::with(&[]);
    let app = json!({"metadata": {"name": "web", "namespace": "argocd"}, "spec": {"project": "shop", "destination": {"server": "https://kubernetes.default.svc", "namespace": "shop"}},
        "status": {"operationState": {"syncResult": {"resources": [{"group": "", "kind": "ConfigMap", "namespace": "", "name": "a"}]}}}});
    cluster.applications = vec![std::sync::Arc::new(serde_json::from_value(app).unwrap())];
    assert_eq!(rights(&cluster, "{}", "shop"), ["get configmaps"], "in the namespace of the destination, where the resource names none");
}

#[test]
fn declared_children_are_added_and_excluded_kinds_left_out_with_what_is_below_them_only() {
    let cluster = Cluster::with(&["argoproj.io/Application/shop/root", "apps/Deployment/shop/web", "apps/StatefulSet/shop/db"]);
    let wanted = cluster.derive(&access(
        "{grants: [{}], children: [{parent: {group: argoproj.io, kind: Application}, child: {group: networking.k8s.io, kind: Ingress}}, {parent: {group: networking.k8s.io, kind: Ingress}, child: {group: x.y, kind: Unknown}}]}",
    ));
    assert!(show(&wanted.namespaces["shop"].rules).contains(&"get ingresses.networking.k8s.io".to_owned()));
    assert_eq!(left_out(&wanted), ["Unknown shop View KindUnknown"]);
    let without = cluster.derive(&access("{grants: [{}], exclude: [{group: apps, kind: StatefulSet}]}"));
    let shown = show(&without.namespaces["shop"].rules);
    assert!(shown.contains(&"get pods".to_owned()) && !shown.iter().any(|r| r.contains("statefulsets")), "{shown:?}");
    let without = Cluster::with(&["apps/StatefulSet/shop/db"]).derive(&access("{grants: [{}], exclude: [{group: apps, kind: StatefulSet}]}"));
    assert!(without.namespaces.is_empty(), "{:?}", without.namespaces);
    let ring = access(
        "{grants: [{}], children: [{parent: {kind: ConfigMap}, child: {kind: Service}}, {parent: {kind: Service}, child: {kind: ConfigMap}}]}",
    );
    assert_eq!(show(&Cluster::with(&["/Service/shop/a"]).derive(&ring).namespaces["shop"].rules).len(), 3);
}

#[test]
fn what_the_operator_does_not_hold_is_left_out_and_said() {
    let mut cluster = Cluster::with(WEB);
    let rule = |groups: &[&str], resources: &[&str], verbs: &[&str]| {
        let owned = |texts: &[&str]| texts.iter().map(|t| (*t).to_owned()).collect::<Vec<_>>();
        k8s_openapi::api::rbac::v1::PolicyRule {
            api_groups: Some(owned(groups)),
            resources: Some(owned(resources)),
            verbs: owned(verbs),
            ..Default::default()
        }
    };
    cluster.ceiling = Ceiling::of(vec![rule(&["apps"], &["*"], &["get"]), rule(&[""], &["configmaps"], &["get", "patch"])]);
    let wanted = cluster.derive(&granting("{features: [Edit]}"));
    assert_eq!(show(&wanted.namespaces["shop"].rules), ["get configmaps", "get deployments.apps", "get replicasets.apps", "patch configmaps"]);
    let left = left_out(&wanted);
    assert!(left.contains(&"Deployment shop Edit BeyondCeiling".to_owned()) && left.contains(&"Pod shop View BeyondCeiling".to_owned()), "{left:?}");
    cluster.ceiling = Ceiling::default();
    assert!(cluster.derive(&granting("{features: [Edit]}")).namespaces.is_empty());
}

#[test]
fn a_role_is_rendered_shortly_and_read_back_as_it_was() {
    let wanted = Cluster::with(WEB).derive(&granting("{features: [Edit, Actions], precision: Name}"));
    let rules = &wanted.namespaces["shop"].rules;
    let rendered = rules.render();
    assert!(rendered.len() < show(rules).len());
    assert_eq!(Rules::parse(&rendered).as_ref(), Some(rules));
    for hostile in [
        "{apiGroups: ['*'], resources: [pods], verbs: [get]}",
        "{apiGroups: [''], resources: ['*'], verbs: [get]}",
        "{apiGroups: [''], resources: [pods], verbs: ['*']}",
        "{nonResourceURLs: [/], verbs: [get]}",
    ] {
        assert_eq!(Rules::parse(&[serde_yaml::from_str(hostile).unwrap()]), None, "{hostile}");
    }
}
