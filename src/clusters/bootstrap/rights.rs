//! The four ClusterRoles, and what the operator (the manager) may do. Pure.
//!
//! Its objects have fixed names, so that every rule on them names them. Server-side apply carries the name, so that `create` can be
//! limited by it as well; a list by name (`fieldSelector=metadata.name=...`) works across all namespaces.

use serde_json::json;

use super::document::{Document, Explained};
use super::{Bootstrap, names};
use crate::api::cluster_access::{Authority, Scope};
use crate::clusters::rights::Roles;

const RBAC: &str = "rbac.authorization.k8s.io";
const RBAC_V1: &str = "rbac.authorization.k8s.io/v1";
/// The role with what the manager holds in order to write it into others.
const CEILING: &str = "argocd-access-manager-ceiling";
const AWS_AUTH: (&str, &str) = ("kube-system", "aws-auth");

/// The roles that can be bound in a namespace.
pub(super) const IN_NAMESPACES: [&str; 3] = [names::SYNC, names::LOGS, names::EXEC];
/// The roles that can be bound in the whole cluster; never the terminal's.
pub(super) const IN_CLUSTER: [&str; 3] = [names::SYNC, names::SYNC_CLUSTER, names::LOGS];

/// What of them is bound in a namespace by what is declared.
pub(super) fn bound_in_namespaces(of: &Bootstrap<'_>) -> Vec<&'static str> {
    let cluster = of.permissions.scope == Scope::Cluster;
    IN_NAMESPACES.into_iter().filter(|role| !of.roles.is_empty(role) && (*role == names::EXEC || !cluster)).collect()
}

/// What of them is bound in the whole cluster.
pub(super) fn bound_in_cluster(of: &Bootstrap<'_>) -> Vec<&'static str> {
    let cluster = of.permissions.scope == Scope::Cluster;
    IN_CLUSTER.into_iter().filter(|role| !of.roles.is_empty(role) && (*role == names::SYNC_CLUSTER || cluster)).collect()
}

fn owned(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

pub(super) fn documents(of: &Bootstrap<'_>) -> Vec<Document> {
    let mut all: Vec<Document> = names::ROLES.map(|role| shared(of, role)).into();
    all.extend(bound(of, "ClusterRole", names::MANAGER, None, "What the operator may do without a namespace, or in any.", in_cluster(of)));
    for (namespace, rules) in credentials(of) {
        let why = "What the operator may do with credentials: in this namespace, by name.";
        all.extend(bound(of, "Role", names::MANAGER, Some(&namespace), why, rules));
    }
    if of.aws_auth {
        let why = "The operator keeps Argo CD's entry in aws-auth. WARNING: whoever may change it can make anybody an administrator of the cluster.";
        let rule = Explained::new("read and change it, by its name alone", "", &["configmaps"], &owned(&[AWS_AUTH.1]), &["get", "patch"]);
        all.extend(bound(of, "Role", names::MANAGER, Some(AWS_AUTH.0), why, vec![rule]));
    }
    if of.authority == Authority::Manage {
        let why = "remote.authority: Manage: nobody can write a right into a role without holding it, so the manager holds all that the roles may say. It passes these rights on and uses none: the policy argocd-access-manager-uses refuses its writes. What may be read by them, it can read.";
        let rules = names::ROLES.iter().flat_map(|role| explained(&of.roles, role));
        all.extend(bound(of, "ClusterRole", CEILING, None, why, rules.collect()));
    }
    all
}

/// A role with its binding to the manager.
fn bound(of: &Bootstrap<'_>, kind: &str, name: &str, namespace: Option<&str>, why: &str, rules: Vec<Explained>) -> [Document; 2] {
    let binding = json!({
        "roleRef": {"apiGroup": RBAC, "kind": kind, "name": name},
        "subjects": [{"kind": "ServiceAccount", "name": names::MANAGER, "namespace": names::NAMESPACE}],
    });
    [
        Document::role(why, of.object(RBAC_V1, kind, name, namespace, json!({})), rules),
        Document::new("For the operator's ServiceAccount.", of.object(RBAC_V1, &format!("{kind}Binding"), name, namespace, binding)),
    ]
}

/// One of the four.
fn shared(of: &Bootstrap<'_>, role: &str) -> Document {
    let empty = of.roles.is_empty(role);
    let why = match role {
        names::SYNC => "What Argo CD reads and deploys in namespaces.",
        names::SYNC_CLUSTER if empty => "Nothing without a namespace is declared (permissions.clusterResources).",
        names::SYNC_CLUSTER => "What Argo CD reads and deploys without a namespace.",
        names::LOGS if empty => "Logs are not declared (permissions.logs: false).",
        names::LOGS => "Logs of Pods.",
        _ if empty => "No terminal is ever opened (permissions.exec: Never).",
        _ => "Terminals: bound only in namespaces where an ExecAccess in effect needs it, and never in the whole cluster.",
    };
    let bind = if of.authority == Authority::None { " remote.authority is None: bind it yourself." } else { "" };
    Document::role(format!("{why}{bind}"), of.object(RBAC_V1, "ClusterRole", role, None, json!({})), explained(&of.roles, role))
}

fn explained(roles: &Roles, role: &str) -> Vec<Explained> {
    let why = |rule: &k8s_openapi::api::rbac::v1::PolicyRule| {
        let has = |verb: &str| rule.verbs.iter().any(|one| one == verb);
        match role {
            names::EXEC if has("create") => "a terminal; which of the two verbs opens it depends on the version of Kubernetes",
            names::EXEC => "before a terminal Argo CD looks at the Pod",
            names::LOGS => "logs",
            _ if rule.api_groups.iter().flatten().any(|group| group == "*") => "permissions.read: Wildcard: everything, Secrets included",
            _ if has("create") => "deployed (permissions.profile, deploy, secrets or clusterResources), and read",
            _ if has("list") => "read; each kind that this cluster has now, by its name",
            _ => "the actions of a Rollout write its status",
        }
    };
    roles.rules(role).into_iter().map(|rule| Explained { why: why(&rule).to_owned(), rule }).collect()
}

fn in_cluster(of: &Bootstrap<'_>) -> Vec<Explained> {
    let mut rules = Vec::new();
    if of.authority != Authority::None {
        let bindings = [
            ("rolebindings", IN_NAMESPACES, bound_in_namespaces(of), "in any namespace that the policy argocd-access-bindings allows"),
            ("clusterrolebindings", IN_CLUSTER, bound_in_cluster(of), "in the whole cluster"),
        ];
        for (resource, all, now, place) in bindings {
            let why = "find its bindings by name and take them back, also those of an earlier declaration";
            rules.push(Explained::new(why, RBAC, &[resource], &owned(&all), &["get", "list", "delete"]));
            if !now.is_empty() {
                // With POST such a `create` does not work, with server-side apply it does.
                let why = format!("bind what is declared {place}; to whom and to which role, the policy says");
                rules.push(Explained::new(why, RBAC, &[resource], &owned(&now), &["create", "patch"]));
            }
        }
        let why = "bind these roles without holding what is in them (`bind`), and compare them with what is declared";
        rules.push(Explained::new(why, RBAC, &["clusterroles"], &owned(&names::ROLES), &["get", "bind"]));
    }
    if of.authority == Authority::Manage {
        let why = "write their rules, as far as it holds them itself";
        rules.push(Explained::new(why, RBAC, &["clusterroles"], &owned(&names::ROLES), &["create", "patch"]));
    }
    let selects = of.permissions.namespaces.selector.is_some();
    let why = if selects {
        "know the cluster (kube-system) and the namespaces that the selector means"
    } else {
        "know the cluster (kube-system) and whether a namespace is there"
    };
    let verbs: &[&str] = if selects { &["get", "list", "watch"] } else { &["get"] };
    rules.push(Explained::new(why, "", &["namespaces"], &[], verbs));
    let why = "ask what an identity may do that it has no credential of; it changes nothing";
    rules.push(Explained::new(why, "authorization.k8s.io", &["subjectaccessreviews"], &[], &["create"]));
    rules
}

/// By namespace.
fn credentials(of: &Bootstrap<'_>) -> Vec<(String, Vec<Explained>)> {
    let mut places: Vec<(String, Vec<&str>)> = vec![(names::NAMESPACE.to_owned(), vec![names::MANAGER])];
    if let Some(account) = of.managed {
        match places.iter_mut().find(|(namespace, _)| *namespace == account.namespace) {
            Some((_, accounts)) => accounts.push(&account.name),
            None => places.push((account.namespace.clone(), vec![&account.name])),
        }
    }
    let rules = |accounts: &[&str]| {
        let anchors: Vec<String> = accounts.iter().flat_map(|account| names::anchors(account)).collect();
        vec![
            Explained::new(
                "take tokens of these alone; how long they live and what they are bound to, the policy argocd-access-tokens says",
                "",
                &["serviceaccounts/token"],
                &owned(accounts),
                &["create"],
            ),
            Explained::new(
                "the empty Secrets to which tokens are bound: a token is dead within seconds of its Secret's deletion",
                "",
                &["secrets"],
                &anchors,
                &["get", "create", "patch", "delete"],
            ),
        ]
    };
    places.into_iter().map(|(namespace, accounts)| (namespace, rules(&accounts))).collect()
}
