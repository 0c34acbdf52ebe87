//! Tests: what is given is what is declared, and nothing by which more could be had. [`properties`] is the same for any declaration.

mod properties;

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::rbac::v1::PolicyRule;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::APIResource;
use serde_json::json;

use super::questions::{Place, negative, positive};
use super::*;
use crate::api::conditions::Reason;
use crate::live::review::Question;

/// Group, kind, resource, whether in namespaces.
const KINDS: &[(&str, &str, &str, bool)] = &[
    ("", "Pod", "pods", true),
    ("", "Service", "services", true),
    ("", "ConfigMap", "configmaps", true),
    ("", "Secret", "secrets", true),
    ("", "ServiceAccount", "serviceaccounts", true),
    ("", "Event", "events", true),
    ("", "Namespace", "namespaces", false),
    ("", "Node", "nodes", false),
    ("", "PersistentVolume", "persistentvolumes", false),
    ("apps", "Deployment", "deployments", true),
    ("argoproj.io", "Application", "applications", true),
    ("argoproj.io", "Rollout", "rollouts", true),
    ("argocd-access.dev", "ExecAccess", "execaccesses", true),
    ("cert-manager.io", "Certificate", "certificates", true),
    ("cert-manager.io", "ClusterIssuer", "clusterissuers", false),
    ("networking.k8s.io", "Ingress", "ingresses", true),
    ("rbac.authorization.k8s.io", "Role", "roles", true),
    ("rbac.authorization.k8s.io", "RoleBinding", "rolebindings", true),
    ("rbac.authorization.k8s.io", "ClusterRole", "clusterroles", false),
    ("scheduling.k8s.io", "PriorityClass", "priorityclasses", false),
];

fn resource(name: &str, kind: &str, namespaced: bool, verbs: &[&str]) -> APIResource {
    let verbs = verbs.iter().map(|v| (*v).to_owned()).collect();
    APIResource { name: name.to_owned(), kind: kind.to_owned(), namespaced, verbs, ..APIResource::default() }
}

fn discovery() -> Discovery {
    let mut discovery = Discovery::default();
    for (group, kind, plural, namespaced) in KINDS {
        let all = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];
        let status = resource(&format!("{plural}/status"), kind, *namespaced, &["get", "patch", "update"]);
        discovery.add(group, &[resource(plural, kind, *namespaced, &all), status]);
    }
    discovery.add("authorization.k8s.io", &[resource("localsubjectaccessreviews", "LocalSubjectAccessReview", true, &["create"])]);
    discovery.add("metrics.k8s.io", &[resource("pods", "PodMetrics", true, &["get", "list"])]);
    discovery
}

fn permissions(text: &str) -> Permissions {
    serde_yaml::from_str(text).unwrap()
}

fn roles(text: &str) -> Roles {
    let permissions = permissions(text);
    refuse(&permissions).unwrap();
    wanted(&permissions, &discovery())
}

/// As `group/resource: verbs`, of a role.
fn said(roles: &Roles, role: &str) -> BTreeMap<String, String> {
    let mut all: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    for (right, _) in roles.of(role).iter() {
        all.entry(format!("{}/{}", right.group, right.resource)).or_default().insert(&right.verb);
    }
    all.into_iter().map(|(what, verbs)| (what, verbs.into_iter().collect::<Vec<_>>().join(","))).collect()
}

const SHOP: &str = "{namespaces: {names: [shop]}";

#[test]
fn by_default_all_kinds_in_namespaces_are_read_without_secrets_and_workloads_are_deployed() {
    let roles = roles(&format!("{SHOP}}}"));
    let all = "create,delete,get,list,patch,update,watch";
    let read = "get,list,watch";
    let expected = [
        ("/configmaps", all),
        ("/events", read),
        ("/pods", all),
        ("/serviceaccounts", read),
        ("/services", all),
        ("apps/deployments", all),
        ("argoproj.io/applications", read),
        ("argoproj.io/rollouts", all),
        ("argoproj.io/rollouts/status", "patch"),
        ("cert-manager.io/certificates", read),
        ("networking.k8s.io/ingresses", all),
        ("rbac.authorization.k8s.io/rolebindings", read),
        ("rbac.authorization.k8s.io/roles", read),
    ];
    let expected: BTreeMap<String, String> = expected.map(|(what, verbs)| (what.to_owned(), verbs.to_owned())).into();
    assert_eq!(said(&roles, names::SYNC), expected);
    assert!(roles.is_empty(names::SYNC_CLUSTER));
    assert_eq!(said(&roles, names::LOGS), BTreeMap::from([("/pods/log".to_owned(), "get".to_owned())]));
    let exec = [("/pods", "get"), ("/pods/exec", "create,get")].map(|(what, verbs)| (what.to_owned(), verbs.to_owned()));
    assert_eq!(said(&roles, names::EXEC), exec.into());
    assert!(roles.left_out.is_empty());
}

#[test]
fn what_is_not_declared_leaves_its_role_empty() {
    let roles = roles(&format!("{SHOP}, profile: None, logs: false, exec: Never}}"));
    assert!(roles.is_empty(names::LOGS) && roles.is_empty(names::EXEC) && roles.is_empty(names::SYNC_CLUSTER));
    assert!(roles.rules(names::LOGS).is_empty());
    assert!(said(&roles, names::SYNC).values().all(|verbs| verbs == "get,list,watch"));
    assert!(roles.rules("cluster-admin").is_empty());
}

#[test]
fn secrets_are_read_and_deployed_where_that_is_declared() {
    let roles = roles(&format!("{SHOP}, profile: None, secrets: Deploy}}"));
    assert_eq!(said(&roles, names::SYNC)["/secrets"], "create,delete,get,list,patch,update,watch");
}

#[test]
fn a_kind_is_deployed_by_the_role_of_its_scope_and_otherwise_not_at_all() {
    let roles = roles(
        "{scope: Cluster, profile: None, clusterResources: [{resources: [namespaces]}, {group: cert-manager.io, resources: [clusterissuers, certificates]}],
          deploy: [{group: cert-manager.io, resources: [certificates, clusterissuers]}, {group: gone.example, resources: [things]}, {resources: [serviceaccounts]}]}",
    );
    let all = "create,delete,get,list,patch,update,watch";
    let cluster = [("/namespaces", all), ("cert-manager.io/clusterissuers", all)].map(|(what, verbs)| (what.to_owned(), verbs.to_owned()));
    assert_eq!(said(&roles, names::SYNC_CLUSTER), cluster.into());
    let sync = said(&roles, names::SYNC);
    assert_eq!(
        (sync["cert-manager.io/certificates"].as_str(), sync["/serviceaccounts"].as_str(), sync["/pods"].as_str()),
        (all, all, "get,list,watch")
    );
    assert!(!sync.contains_key("cert-manager.io/clusterissuers") && !sync.contains_key("gone.example/things"));
    let left_out: Vec<_> = roles.left_out.iter().map(|l| (l.field, l.resource.as_str(), l.why)).collect();
    let expected = [
        ("clusterResources", "certificates", Why::Namespaced),
        ("deploy", "clusterissuers", Why::WithoutNamespace),
        ("deploy", "things", Why::Unknown),
    ];
    assert_eq!(left_out, expected);
}

#[test]
fn the_wildcard_is_one_rule_that_reads_and_nothing_else_has_one() {
    let roles = roles(&format!("{SHOP}, read: Wildcard, secrets: Deploy}}"));
    let rules = roles.rules(names::SYNC);
    let stars = |rule: &PolicyRule| serde_json::to_string(rule).unwrap().contains('*');
    assert_eq!(rules.iter().filter(|rule| stars(rule)).count(), 1);
    assert_eq!(rules[0].verbs, ["get", "list", "watch"]);
    assert!(names::ROLES.iter().filter(|role| **role != names::SYNC).all(|role| !roles.rules(role).iter().any(stars)));
}

#[test]
fn by_what_rights_could_be_had_is_refused_with_the_field() {
    let cases = [
        ("deploy: [{group: rbac.authorization.k8s.io, resources: [roles]}]", "deploy[0]: roles of the group rbac"),
        ("clusterResources: [{resources: [nodes]}]", "clusterResources[0]: nodes"),
        ("clusterResources: [{group: scheduling.k8s.io, resources: [priorityclasses]}, {resources: [persistentvolumes]}]", "clusterResources[1]"),
        ("clusterResources: [{group: rbac.authorization.k8s.io, resources: [clusterrolebindings]}]", "it gives rights"),
        ("clusterResources: [{group: admissionregistration.k8s.io, resources: [validatingadmissionpolicies]}]", "admits"),
        ("clusterResources: [{group: certificates.k8s.io, resources: [certificatesigningrequests]}]", "credentials"),
        ("clusterResources: [{group: apiregistration.k8s.io, resources: [apiservices]}]", "credentials of those who ask"),
        ("clusterResources: [{group: apiextensions.k8s.io, resources: [customresourcedefinitions]}]", "conversion"),
        ("clusterResources: [{group: authentication.k8s.io, resources: [tokenreviews]}]", "tokenreviews"),
        ("deploy: [{resources: [serviceaccounts/token]}]", "subresource"),
        ("deploy: [{resources: [pods/exec]}]", "subresource"),
        ("clusterResources: [{resources: [nodes/proxy]}]", "subresource"),
        ("deploy: [{resources: [secrets]}]", "spec.permissions.secrets"),
        ("deploy: [{resources: ['*']}]", "wildcard"),
        ("deploy: [{group: '*', resources: [pods]}]", "wildcard"),
        ("deploy: [{group: argocd-access.dev, resources: [execaccesses]}]", "argocd-access.dev"),
        ("deploy: [{group: argoproj.io, resources: [rollouts, applications]}]", "applications"),
        ("deploy: [{group: helm.toolkit.fluxcd.io, resources: [helmreleases]}]", "cluster administrator"),
        ("deploy: [{group: apps, resources: ['']}]", "a resource has a name"),
        ("clusterResources: [{resources: [namespaces]}]", "namespaces go with scope: Cluster"),
        ("read: Wildcard", "secrets: Deploy"),
    ];
    for (field, word) in cases {
        let verdict = refuse(&permissions(&format!("{SHOP}, {field}}}"))).unwrap_err();
        assert_eq!(verdict.reason, Reason::Invalid);
        assert!(verdict.message.starts_with("spec.permissions.") && verdict.message.contains(word), "{field}: {}", verdict.message);
    }
}

#[test]
fn a_place_is_named_and_not_one_of_the_clusters_own() {
    for (text, word) in [
        ("{}", "say where"),
        ("{scope: Cluster, namespaces: {names: [shop]}}", "no meaning"),
        ("{namespaces: {names: [shop, kube-system]}}", "names[1]: kube-system is protected"),
        ("{namespaces: {names: [argocd-access]}}", "argocd-access is protected"),
        ("{namespaces: {selector: {}}}", "is empty"),
    ] {
        let verdict = refuse(&permissions(text)).unwrap_err();
        assert!(verdict.message.contains(word), "{text}: {}", verdict.message);
    }
    let names: Vec<String> = (0..129).map(|n| format!("n{n}")).collect();
    assert!(refuse(&permissions(&json!({"namespaces": {"names": names}}).to_string())).is_err());
    assert!(refuse(&permissions("{namespaces: {selector: {matchLabels: {team: shop}}}}")).is_ok());
}

fn held(roles: &Roles) -> BTreeMap<String, Vec<PolicyRule>> {
    names::ROLES.map(|role| (role.to_owned(), roles.rules(role))).into()
}

#[test]
fn a_role_that_lacks_a_right_and_one_that_has_one_too_many_are_told() {
    let now = roles(&format!("{SHOP}}}"));
    let mut there = held(&roles(&format!("{SHOP}, profile: None, secrets: Deploy}}")));
    there.remove(names::LOGS);
    let url = PolicyRule { non_resource_urls: Some(vec!["/metrics".to_owned()]), verbs: vec!["get".to_owned()], ..PolicyRule::default() };
    there.get_mut(names::EXEC).unwrap().push(url);
    let Outdated { missing, excess, more } = outdated(&now, &there);
    assert!(!more);
    let show = |list: &[crate::api::cluster_status::RemoteRight]| {
        list.iter().map(|r| format!("{} {}/{} {}", r.verb, r.group, r.resource, r.by)).collect::<Vec<_>>()
    };
    assert!(show(&missing).contains(&"create apps/deployments ClusterRole argocd-access-sync".to_owned()), "{missing:?}");
    assert!(show(&missing).contains(&"get /pods/log ClusterRole argocd-access-logs".to_owned()));
    assert!(show(&excess).contains(&"list /secrets ClusterRole argocd-access-sync".to_owned()));
    assert!(show(&excess).contains(&"* //metrics ClusterRole argocd-access-exec".to_owned()));
}

#[test]
fn a_wildcard_that_nobody_declared_is_told_and_hides_nothing_else() {
    let now = roles(&format!("{SHOP}}}"));
    let mut there = held(&now);
    let all = || Some(vec!["*".to_owned()]);
    let star = PolicyRule { api_groups: all(), resources: all(), verbs: vec!["get".to_owned()], ..PolicyRule::default() };
    there.get_mut(names::SYNC).unwrap().insert(0, star);
    let differ = outdated(&now, &there);
    assert!(differ.missing.is_empty() && differ.excess.len() == 1 && differ.excess[0].resource == "*", "{differ:?}");
    // And one that is declared is missed where it is not.
    let wild = roles(&format!("{SHOP}, read: Wildcard, secrets: Deploy}}"));
    assert!(outdated(&wild, &held(&wild)).is_none());
    assert!(outdated(&wild, &held(&now)).missing.iter().any(|right| right.resource == "*"));
}

#[test]
fn a_role_that_says_a_great_deal_is_cut_short() {
    let now = roles(&format!("{SHOP}}}"));
    let many = |word: &str| Some((0..20_000).map(|n| format!("{word}{n}")).collect());
    let huge = PolicyRule { api_groups: many("g"), resources: many("r"), verbs: vec!["x".repeat(10_000)], ..PolicyRule::default() };
    let differ = outdated(&now, &BTreeMap::from([(names::SYNC.to_owned(), vec![huge])]));
    assert!(differ.more && differ.excess.len() == 64 && differ.missing.len() <= 64);
    assert!(differ.excess.iter().all(|right| right.verb.len() <= 260));
}

fn shop(exec: bool) -> Place<'static> {
    Place { namespace: "shop", granted: true, exec }
}
const EVERYWHERE: Place<'static> = Place { namespace: "", granted: true, exec: false };
const ELSEWHERE: Place<'static> = Place { namespace: "elsewhere", granted: false, exec: false };

fn asks(questions: &BTreeSet<Question>, verb: &str, resource: &str) -> bool {
    questions.iter().any(|q| q.verb == verb && q.resource == resource)
}

#[test]
fn what_is_declared_is_asked_where_it_holds() {
    let text = format!("{SHOP}, clusterResources: [{{group: scheduling.k8s.io, resources: [priorityclasses]}}]}}");
    let (declared, given) = (permissions(&text), roles(&text));
    let in_shop = positive(&declared, &given, shop(true));
    assert!(asks(&in_shop, "patch", "deployments") && asks(&in_shop, "get", "pods/log") && asks(&in_shop, "create", "pods/exec"));
    assert!(!asks(&in_shop, "get", "priorityclasses"));
    assert!(!asks(&positive(&declared, &given, shop(false)), "create", "pods/exec"));
    let everywhere = positive(&declared, &given, EVERYWHERE);
    assert!(everywhere.iter().all(|q| q.resource == "priorityclasses") && everywhere.len() == 7, "{everywhere:?}");
    assert!(positive(&declared, &given, ELSEWHERE).is_empty());

    let text = text.replace("namespaces: {names: [shop]}", "scope: Cluster");
    let (declared, given) = (permissions(&text), roles(&text));
    assert!(asks(&positive(&declared, &given, EVERYWHERE), "patch", "deployments"));
    assert!(positive(&declared, &given, shop(true)).iter().all(|q| q.resource.starts_with("pods")));
}

#[test]
fn what_is_not_declared_is_asked_with_what_is_said_of_it() {
    let has = |text: &str, place: Place<'_>, verb: &str, resource: &str| {
        let asked = negative(&permissions(text), place);
        asked.into_iter().find(|(q, _)| q.verb == verb && q.resource == resource).map(|(_, reason)| reason)
    };
    let plain = format!("{SHOP}}}");
    let secrets = format!("{SHOP}, secrets: Deploy}}");
    let wild = format!("{SHOP}, secrets: Deploy, read: Wildcard}}");
    assert_eq!(has(&plain, shop(false), "get", "secrets"), Some(Reason::HoldsSecrets));
    assert_eq!(has(&secrets, shop(false), "get", "secrets"), None);
    assert_eq!(has(&secrets, ELSEWHERE, "get", "secrets"), Some(Reason::HoldsSecrets));
    assert_eq!(has(&secrets, EVERYWHERE, "get", "secrets"), Some(Reason::HoldsSecrets), "in all namespaces is more than in some");
    assert_eq!(has("{scope: Cluster, secrets: Deploy}", EVERYWHERE, "get", "secrets"), None);
    assert_eq!(has(&plain, shop(false), "create", "pods/exec"), Some(Reason::HoldsExec));
    assert_eq!(has(&plain, shop(true), "create", "pods/exec"), None);
    assert_eq!(has(&plain, shop(false), "*", "*"), Some(Reason::HoldsWildcard));
    assert_eq!(has(&wild, shop(false), "*", "*"), Some(Reason::HoldsWildcard));
    assert_eq!(has(&plain, shop(false), "get", "*"), Some(Reason::HoldsWildcard));
    assert_eq!((has(&wild, shop(false), "get", "*"), has(&wild, shop(false), "create", "*")), (None, Some(Reason::HoldsWildcard)));
    // On Kubernetes before 1.35 the wildcard opens terminals; that is what was declared.
    assert_eq!((has(&wild, shop(false), "get", "pods/exec"), has(&wild, shop(false), "create", "pods/exec")), (None, Some(Reason::HoldsExec)));
    for (verb, resource) in [("bind", "clusterroles"), ("escalate", "roles"), ("impersonate", "serviceaccounts"), ("create", "serviceaccounts/token")]
    {
        assert_eq!(has(&wild, shop(true), verb, resource), Some(Reason::HoldsAccessGrants), "{verb} {resource}");
    }
    for resource in ["users", "groups"] {
        assert_eq!(has(&wild, EVERYWHERE, "impersonate", resource), Some(Reason::HoldsAccessGrants));
    }
}
