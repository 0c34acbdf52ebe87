//! Tests: the manager gets what it needs and nothing else, and each rule says why.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::APIResource;
use serde::Deserialize;
use serde_json::Value;

use super::credential::{Credential, same_server};
use super::*;

fn discovery() -> Discovery {
    let verbs = ["create", "delete", "get", "list", "patch", "update", "watch"];
    let one = |name: &str, kind: &str, namespaced: bool| APIResource {
        name: name.to_owned(),
        kind: kind.to_owned(),
        namespaced,
        verbs: verbs.map(ToOwned::to_owned).to_vec(),
        ..APIResource::default()
    };
    let mut all = Discovery::default();
    all.add("", &[one("pods", "Pod", true), one("secrets", "Secret", true), one("namespaces", "Namespace", false)]);
    all.add("apps", &[one("deployments", "Deployment", true)]);
    all.add("scheduling.k8s.io", &[one("priorityclasses", "PriorityClass", false)]);
    all
}

fn access(spec: &str) -> ClusterAccess {
    let text = format!(
        "{{apiVersion: argocd-access.dev/v1alpha1, kind: ClusterAccess, metadata: {{name: prod, namespace: argocd}}, spec: {{server: 'https://prod:6443', {spec}}}}}"
    );
    serde_yaml::from_str(&text).unwrap()
}

fn objects(spec: &str) -> Vec<Value> {
    let access = access(spec);
    Bootstrap::of(&access, &discovery()).unwrap().documents().iter().map(Document::object).collect()
}

fn refused(spec: &str) -> String {
    Bootstrap::of(&access(spec), &discovery()).unwrap_err().message
}

fn find<'a>(objects: &'a [Value], kind: &str, name: &str) -> Option<&'a Value> {
    objects.iter().find(|o| o["kind"] == kind && o["metadata"]["name"] == name)
}

/// `verb group/resource:name` of every rule of a role.
fn rights(role: &Value) -> BTreeSet<String> {
    let each = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let mut all = BTreeSet::new();
    for rule in each(&role["rules"]) {
        let names = if rule["resourceNames"].is_null() { vec![Value::from("")] } else { each(&rule["resourceNames"]) };
        for (resource, verb) in each(&rule["resources"]).iter().flat_map(|r| each(&rule["verbs"]).into_iter().map(move |v| (r.clone(), v))) {
            for name in &names {
                let group = rule["apiGroups"][0].as_str().unwrap();
                all.insert(format!("{} {group}/{}:{}", verb.as_str().unwrap(), resource.as_str().unwrap(), name.as_str().unwrap()));
            }
        }
    }
    all
}

const SHOP: &str = "permissions: {namespaces: {names: [shop]}}";

fn manager(spec: &str) -> BTreeSet<String> {
    rights(find(&objects(spec), "ClusterRole", "argocd-access-manager").unwrap())
}

#[test]
fn with_bind_the_manager_binds_the_roles_and_holds_nothing_of_them() {
    let held = manager(SHOP);
    let rbac = "rbac.authorization.k8s.io";
    let mut expected: BTreeSet<String> = ["get /namespaces:", "create authorization.k8s.io/subjectaccessreviews:"].map(ToOwned::to_owned).into();
    let all = |expected: &mut BTreeSet<String>, verbs: &[&str], resource: &str, names: &[&str]| {
        expected.extend(names.iter().flat_map(|name| verbs.iter().map(move |verb| format!("{verb} {rbac}/{resource}:argocd-access-{name}"))));
    };
    all(&mut expected, &["get", "list", "delete", "create", "patch"], "rolebindings", &["sync", "logs", "exec"]);
    all(&mut expected, &["get", "list", "delete"], "clusterrolebindings", &["sync", "sync-cluster", "logs"]);
    all(&mut expected, &["get", "bind"], "clusterroles", &["sync", "sync-cluster", "logs", "exec"]);
    assert_eq!(held, expected);
}

#[test]
fn in_its_namespace_it_has_the_tokens_and_secrets_of_two_service_accounts_by_name() {
    let objects = objects(SHOP);
    let role = find(&objects, "Role", "argocd-access-manager").unwrap();
    assert_eq!(role["metadata"]["namespace"], "argocd-access");
    let mut expected = BTreeSet::new();
    for account in ["argocd-managed", "argocd-access-manager"] {
        expected.insert(format!("create /serviceaccounts/token:{account}"));
        for (slot, verb) in ["a", "b"].iter().flat_map(|slot| ["get", "create", "patch", "delete"].map(|verb| (slot, verb))) {
            expected.insert(format!("{verb} /secrets:{account}-{slot}"));
        }
    }
    assert_eq!(rights(role), expected);
    assert_eq!(objects.iter().filter(|o| o["kind"] == "Role").count(), 1);
}

#[test]
fn with_none_it_binds_nothing_and_the_roles_are_there_for_others() {
    let spec = format!("remote: {{authority: None}}, {SHOP}");
    assert_eq!(manager(&spec), ["get /namespaces:", "create authorization.k8s.io/subjectaccessreviews:"].map(ToOwned::to_owned).into());
    let objects = objects(&spec);
    assert!(names::ROLES.iter().all(|role| find(&objects, "ClusterRole", role).is_some()));
    assert!(find(&objects, "ValidatingAdmissionPolicy", "argocd-access-bindings").is_none());
    assert!(find(&objects, "ValidatingAdmissionPolicy", "argocd-access-tokens").is_some());
}

#[test]
fn with_manage_it_holds_what_it_writes_and_a_policy_keeps_it_from_using_it() {
    let spec = format!("remote: {{authority: Manage}}, {SHOP}");
    assert!(manager(&spec).contains("patch rbac.authorization.k8s.io/clusterroles:argocd-access-sync"));
    let objects = objects(&spec);
    let ceiling = rights(find(&objects, "ClusterRole", "argocd-access-manager-ceiling").unwrap());
    let four = names::ROLES.iter().flat_map(|role| rights(find(&objects, "ClusterRole", role).unwrap()));
    assert_eq!(ceiling, four.collect());
    let uses = find(&objects, "ValidatingAdmissionPolicy", "argocd-access-manager-uses").unwrap();
    assert_eq!(uses["spec"]["matchConstraints"]["resourceRules"][0]["resources"][0], "*/*");
    assert!(find(&self::objects(SHOP), "ClusterRole", "argocd-access-manager-ceiling").is_none());
}

#[test]
fn in_the_whole_cluster_only_what_is_declared_is_bound_and_never_the_terminal() {
    let held = manager("permissions: {scope: Cluster, clusterResources: [{resources: [namespaces]}]}");
    let has = |what: &str| held.contains(&format!("create rbac.authorization.k8s.io/{what}"));
    for name in ["sync", "sync-cluster", "logs"] {
        assert!(has(&format!("clusterrolebindings:argocd-access-{name}")) && !has(&format!("rolebindings:argocd-access-{name}")), "{name}");
    }
    assert!(has("rolebindings:argocd-access-exec") && !has("clusterrolebindings:argocd-access-exec"));
    let never = manager("permissions: {scope: Cluster, exec: Never, logs: false}");
    assert!(!never.iter().any(|right| right.starts_with("create") && right.contains("exec")), "{never:?}");
    assert!(never.contains("delete rbac.authorization.k8s.io/rolebindings:argocd-access-exec"), "what was bound before can be taken back");
}

#[test]
fn a_selector_needs_the_list_of_namespaces() {
    let held = manager("permissions: {namespaces: {selector: {matchLabels: {team: a}}}}");
    assert!(["get", "list", "watch"].iter().all(|verb| held.contains(&format!("{verb} /namespaces:"))));
}

#[test]
fn argo_cds_service_account_may_live_elsewhere_and_the_namespace_is_left_as_it_is() {
    let spec = format!("credentials: {{serviceAccount: {{namespace: gitops, name: deployer}}}}, {SHOP}");
    let objects = objects(&spec);
    let roles: BTreeMap<&str, BTreeSet<String>> =
        objects.iter().filter(|o| o["kind"] == "Role").map(|o| (o["metadata"]["namespace"].as_str().unwrap(), rights(o))).collect();
    assert!(roles["gitops"].contains("create /secrets:deployer-a") && roles["gitops"].contains("create /serviceaccounts/token:deployer"));
    assert!(!roles["argocd-access"].iter().any(|right| right.contains("deployer") || right.contains("argocd-managed")));
    assert_eq!(objects.iter().filter(|o| o["kind"] == "Namespace").count(), 1);
    let bindings = find(&objects, "ValidatingAdmissionPolicy", "argocd-access-bindings").unwrap().to_string();
    assert!(bindings.contains("s.name == 'deployer' && s.namespace == 'gitops'"), "{bindings}");
}

const AWS: &str = "credentials: {type: EKS}, aws: {hub: {accountID: '111111111111', region: eu-west-1, clusterName: hub, role: argocd}, spoke: {accountID: '222222222222', region: eu-west-1, clusterName: prod}, group: 'argocd-access:prod', mapping: MAPPING}";

#[test]
fn with_an_identity_of_aws_the_group_is_bound_and_no_token_of_argo_cd_can_be_taken() {
    let spec = format!("{}, {SHOP}", AWS.replace("MAPPING", "AccessEntry"));
    let objects = objects(&spec);
    let all = serde_json::to_string(&objects).unwrap();
    assert!(!all.contains("argocd-managed") && !all.contains("aws-auth"), "{all}");
    let bindings = find(&objects, "ValidatingAdmissionPolicy", "argocd-access-bindings").unwrap().to_string();
    assert!(bindings.contains("s.kind == 'Group' && s.name == 'argocd-access:prod'"), "{bindings}");
}

#[test]
fn with_aws_auth_the_manager_changes_that_config_map_by_name_and_it_is_said_what_that_means() {
    let spec = format!("{}, {SHOP}", AWS.replace("MAPPING", "AwsAuth"));
    let objects = objects(&spec);
    let role = objects.iter().find(|o| o["kind"] == "Role" && o["metadata"]["namespace"] == "kube-system").unwrap();
    assert_eq!(rights(role), ["get /configmaps:aws-auth", "patch /configmaps:aws-auth"].map(ToOwned::to_owned).into());
    let access = access(&spec);
    assert!(Bootstrap::of(&access, &discovery()).unwrap().warnings().iter().any(|warning| warning.contains("administrator of the cluster")));
}

#[test]
fn what_would_hand_out_more_is_refused_with_the_field() {
    for (spec, word) in [
        ("permissions: {namespaces: {names: [kube-system]}}".to_owned(), "kube-system is protected"),
        (format!("credentials: {{serviceAccount: {{namespace: argocd-access, name: argocd-access-manager}}}}, {SHOP}"), "the operator's own"),
        (format!("credentials: {{serviceAccount: {{namespace: gitops, name: default}}}}, {SHOP}"), "must not be default"),
        (format!("credentials: {{serviceAccount: {{namespace: kube-system, name: argocd}}}}, {SHOP}"), "the cluster's own"),
        (format!("credentials: {{serviceAccount: {{namespace: gitops, name: \"a' || true || 'b\"}}}}, {SHOP}"), "lower-case letters"),
        (format!("credentials: {{lifetime: 9000h}}, {SHOP}"), "between 1h and 8760h"),
        (format!("credentials: {{lifetime: 5m}}, {SHOP}"), "between 1h and 8760h"),
        (format!("credentials: {{type: EKS}}, {SHOP}"), "spec.aws is missing"),
        (format!("credentials: {{type: Existing}}, {SHOP}"), "must be None"),
        (format!("{}, {SHOP}", AWS.replace("MAPPING", "None").replace("argocd-access:prod", "system:masters")), "not one that begins with system:"),
        (format!("{}, {SHOP}", AWS.replace("MAPPING", "None").replace("argocd-access:prod", "a'' || true || ''b")), "system:"),
    ] {
        let message = refused(&spec);
        assert!(message.contains(word), "{spec}: {message}");
    }
    let mut named = access(SHOP);
    named.metadata.name = Some("Prod\n- injected".to_owned());
    assert!(Bootstrap::of(&named, &discovery()).unwrap_err().message.contains("metadata.name"));
}

fn every_spec() -> Vec<String> {
    let manage = |authority: &str, permissions: &str| format!("remote: {{authority: {authority}}}, permissions: {permissions}");
    let wild = "{scope: Cluster, read: Wildcard, secrets: Deploy, clusterResources: [{group: scheduling.k8s.io, resources: [priorityclasses]}]}";
    let least = "{namespaces: {names: [shop]}, profile: None, logs: false, exec: Never}";
    let mut all: Vec<String> = ["None", "Bind", "Manage"].iter().flat_map(|a| [manage(a, wild), manage(a, least)]).collect();
    all.push(format!("{}, {SHOP}", AWS.replace("MAPPING", "AwsAuth")));
    all.push(format!("remote: {{authority: None}}, credentials: {{type: Existing}}, adoptSecret: old, {SHOP}"));
    all
}

#[test]
fn what_is_printed_is_what_is_meant_and_every_object_and_rule_says_why() {
    for spec in every_spec() {
        let access = access(&spec);
        let documents = Bootstrap::of(&access, &discovery()).unwrap().documents();
        let text = document::yaml(&documents).unwrap();
        let read: Vec<Value> = serde_yaml::Deserializer::from_str(&text).map(|one| Value::deserialize(one).unwrap()).collect();
        assert_eq!(read, documents.iter().map(Document::object).collect::<Vec<_>>());
        assert_eq!(document::list(&documents)["items"], Value::from(read));
        let lines: Vec<&str> = text.lines().collect();
        for (at, line) in lines.iter().enumerate() {
            let begins = line.starts_with("apiVersion:") || (line.starts_with("- apiGroups:") && lines[at - 1] != "rules:");
            assert!(!begins || lines[at - 1].starts_with("# "), "{spec}: {line}");
            assert!(!line.starts_with("- apiGroups:") || lines[at - 1].starts_with("# "), "{spec}: a rule without a reason");
        }
    }
}

#[test]
fn no_role_has_a_wildcard_that_is_not_declared_and_none_escalates_or_impersonates() {
    for spec in every_spec() {
        for role in objects(&spec).iter().filter(|o| o["kind"] == "ClusterRole" || o["kind"] == "Role") {
            let text = role["rules"].to_string();
            let meant = spec.contains("Wildcard")
                && ["argocd-access-sync", "argocd-access-manager-ceiling"].contains(&role["metadata"]["name"].as_str().unwrap());
            assert!(meant || !text.contains("\"*\""), "{spec}: {role}");
            assert!(!text.contains("escalate") && !text.contains("impersonate"), "{role}");
        }
    }
}

#[test]
fn what_limits_comes_before_what_is_limited() {
    for spec in every_spec() {
        let objects = objects(&spec);
        let last = objects.iter().rposition(|o| o["kind"] == "ValidatingAdmissionPolicyBinding").unwrap();
        let first = objects.iter().position(|o| o["kind"] == "ClusterRoleBinding").unwrap();
        assert!(last < first, "{spec}");
        assert!(objects.iter().all(|o| o["metadata"]["labels"][LABEL] == "prod"));
    }
}

#[test]
fn the_credential_is_a_secret_of_the_hub_that_says_for_which_cluster_it_is() {
    let token = zeroize::Zeroizing::new("tok".to_owned());
    let credential = Credential { server: "https://prod".to_owned(), ca: "CA".to_owned(), token, cluster_uid: "u".to_owned() };
    let secret = credential.secret("prod", "argocd");
    assert_eq!(secret["metadata"]["name"], "argocd-access-manager-prod");
    assert_eq!(secret["metadata"]["labels"]["argocd-access.dev/cluster"], "prod");
    let keys: Vec<&String> = secret["data"].as_object().unwrap().keys().collect();
    assert_eq!(keys, ["ca.crt", "clusterUID", "server", "token"]);
    assert_eq!(secret["data"]["token"], "dG9r");
}

#[test]
fn an_address_is_the_same_with_its_default_port_and_nothing_else_is() {
    assert!(same_server("https://prod.example", "https://PROD.example:443/"));
    assert!(same_server("https://[2001:db8::1]:6443", "https://[2001:db8::1]:6443"));
    for other in
        ["https://prod.example:6443", "http://prod.example", "https://prod.example/k8s/c-1", "https://user@prod.example", "https://other", ""]
    {
        assert!(!same_server("https://prod.example", other), "{other}");
    }
    assert!(!same_server("", ""));
}
