//! What RBAC cannot say: to whom the manager binds and where, what its Secrets are, how long a token lives, and where Argo CD never
//! writes. Pure.
//!
//! Each is a ValidatingAdmissionPolicy that looks at the requests of one identity only, and refuses where it cannot decide. Nobody whom
//! they are about may change them.

use std::fmt::Write;

use serde_json::{Value, json};

use super::document::Document;
use super::rights::{bound_in_cluster, bound_in_namespaces};
use super::{Bootstrap, MANAGER_SECONDS, Subject, names};
use crate::api::cluster_access::{Authority, Scope};

const VERSION: &str = "admissionregistration.k8s.io/v1";
const RBAC: &str = "rbac.authorization.k8s.io";

/// What a policy looks at: API group, resources, operations.
type Requests<'a> = (&'a str, &'a [&'a str], &'a [&'a str]);
/// An expression that must be true, and what is said when it is not.
type Demand = (String, String);

pub(super) fn documents(of: &Bootstrap<'_>) -> Vec<Document> {
    let mut all = Vec::new();
    if let (Some(subject), true) = (of.subject, of.authority != Authority::None) {
        all.extend(bindings(of, subject));
        if of.permissions.scope == Scope::Cluster {
            all.extend(protected(of, subject));
        }
    }
    all.extend(anchors(of));
    all.extend(tokens(of));
    if of.authority == Authority::Manage {
        all.extend(uses(of));
    }
    all
}

fn manager() -> String {
    format!("request.userInfo.username == 'system:serviceaccount:{}:{}'", names::NAMESPACE, names::MANAGER)
}

/// A list of CEL. Every name was checked to be one; an empty list has no type of its own, and none is written.
fn list<T: AsRef<str>>(texts: &[T]) -> String {
    let mut text = String::from("[");
    for (index, one) in texts.iter().enumerate() {
        let comma = if index == 0 { "" } else { ", " };
        let _ = write!(text, "{comma}'{}'", one.as_ref());
    }
    text + "]"
}

/// A policy with its binding.
fn policy(of: &Bootstrap<'_>, name: &str, why: &str, whom: &str, (group, resources, operations): Requests<'_>, demands: &[Demand]) -> [Document; 2] {
    let validations: Vec<Value> = demands.iter().map(|(expression, message)| json!({"expression": expression, "message": message})).collect();
    let spec = json!({
        "failurePolicy": "Fail",
        "matchConstraints": {"resourceRules": [{"apiGroups": [group], "apiVersions": ["*"], "operations": operations, "resources": resources}]},
        "matchConditions": [{"name": "whose", "expression": whom}],
        "validations": validations,
    });
    let binding = json!({"policyName": name, "validationActions": ["Deny"]});
    [
        Document::new(why, of.object(VERSION, "ValidatingAdmissionPolicy", name, None, json!({"spec": spec}))),
        Document::new("In force everywhere.", of.object(VERSION, "ValidatingAdmissionPolicyBinding", name, None, json!({"spec": binding}))),
    ]
}

fn bindings(of: &Bootstrap<'_>, subject: Subject<'_>) -> [Document; 2] {
    let same = "object.roleRef.kind == 'ClusterRole' && object.roleRef.name == object.metadata.name".to_owned();
    let names_of = |names: &[&str]| if names.is_empty() { "false".to_owned() } else { format!("object.metadata.name in {}", list(names)) };
    let which =
        format!("request.resource.resource == 'clusterrolebindings' ? {} : {}", names_of(&bound_in_cluster(of)), names_of(&bound_in_namespaces(of)));
    let (who, whom) = match subject {
        Subject::Account(account) => (
            format!("s.kind == 'ServiceAccount' && s.name == '{}' && s.namespace == '{}'", account.name, account.namespace),
            format!("the ServiceAccount {}/{}", account.namespace, account.name),
        ),
        Subject::Group(group) => (format!("s.kind == 'Group' && s.name == '{group}'"), format!("the group {group}")),
    };
    let demands = [
        (same, "the operator binds a ClusterRole under the ClusterRole's own name".to_owned()),
        (which, "the operator does not bind this role here: not what is declared, or a terminal in the whole cluster".to_owned()),
        (
            format!("has(object.subjects) && size(object.subjects) == 1 && object.subjects.all(s, {who})"),
            format!("the operator binds {whom} and nobody else"),
        ),
        (
            format!("request.resource.resource == 'clusterrolebindings' || !(request.namespace in {})", list(&names::PROTECTED)),
            "the operator binds nothing in a protected namespace".to_owned(),
        ),
    ];
    let why = "To whom the operator binds, and where: Argo CD alone, the four roles under their own names, never in protected namespaces, and a terminal never in the whole cluster.";
    let requests = (RBAC, &["rolebindings", "clusterrolebindings"][..], &["CREATE", "UPDATE"][..]);
    policy(of, "argocd-access-bindings", why, &manager(), requests, &demands)
}

fn anchors(of: &Bootstrap<'_>) -> [Document; 2] {
    let demands = [
        (
            "has(object.type) && object.type == 'Opaque'".to_owned(),
            "the operator's Secrets are of type Opaque: one of type kubernetes.io/service-account-token would be a credential without end".to_owned(),
        ),
        ("!has(object.data) || size(object.data) == 0".to_owned(), "the operator's Secrets here are empty".to_owned()),
        (
            "!has(object.metadata.annotations) || !('kubernetes.io/service-account.name' in object.metadata.annotations)".to_owned(),
            "the operator's Secrets name no ServiceAccount".to_owned(),
        ),
    ];
    let why = "What the operator's Secrets are: empty, and nothing that Kubernetes would fill with a token.";
    policy(of, "argocd-access-anchors", why, &manager(), ("", &["secrets"], &["CREATE", "UPDATE"]), &demands)
}

fn tokens(of: &Bootstrap<'_>) -> [Document; 2] {
    let is_manager = format!("request.namespace == '{}' && request.name == '{}'", names::NAMESPACE, names::MANAGER);
    let longest = match of.managed {
        Some(_) => format!("({is_manager} ? {MANAGER_SECONDS} : {})", of.lifetime),
        None => MANAGER_SECONDS.to_string(),
    };
    let anchor = "object.spec.boundObjectRef";
    let demands = [
        (
            // Where none is asked for, it comes as an empty one.
            format!(
                "has({anchor}) && has({anchor}.kind) && {anchor}.kind == 'Secret' && has({anchor}.name) && {anchor}.name in [request.name + '-a', request.name + '-b']"
            ),
            "the operator's tokens are bound to one of their two Secrets, so that they can be revoked".to_owned(),
        ),
        (
            format!("has(object.spec.expirationSeconds) && object.spec.expirationSeconds <= {longest}"),
            format!(
                "a token lives no longer than credentials.lifetime said at the bootstrap ({} s; the operator's own: {MANAGER_SECONDS} s); bootstrap again after a change",
                of.lifetime
            ),
        ),
    ];
    let why = "How long a token lives that the operator takes, and that it can be revoked. Not limited: its audiences.";
    policy(of, "argocd-access-tokens", why, &manager(), ("", &["serviceaccounts/token"], &["CREATE"]), &demands)
}

/// With scope `Cluster` the bindings hold in the protected namespaces, too.
fn protected(of: &Bootstrap<'_>, subject: Subject<'_>) -> [Document; 2] {
    let protected = list(&names::PROTECTED);
    let demands = [(
        format!(
            "!(request.namespace in {protected}) && !(request.resource.group == '' && request.resource.resource == 'namespaces' && request.name in {protected})"
        ),
        "Argo CD writes nothing in a protected namespace by the credential of the ClusterAccess".to_owned(),
    )];
    let why = "permissions.scope: Cluster: Argo CD's rights hold in every namespace. In those of the cluster itself and of the operator it writes nothing all the same, or it could become either. Not limited: what it reads there.";
    let requests = ("*", &["*/*"][..], &["CREATE", "UPDATE", "DELETE", "CONNECT"][..]);
    policy(of, "argocd-access-protected", why, &subject.asks(), requests, &demands)
}

/// With `authority: Manage` the manager holds rights that it is not to use.
fn uses(of: &Bootstrap<'_>) -> [Document; 2] {
    let accounts = of.managed.iter().map(|account| (account.namespace.as_str(), account.name.as_str()));
    let accounts: Vec<(&str, &str)> = [(names::NAMESPACE, names::MANAGER)].into_iter().chain(accounts).collect();
    let named = "(request.operation == 'DELETE' ? request.name : object.metadata.name)";
    let anchors =
        accounts.iter().map(|(namespace, account)| format!("request.namespace == '{namespace}' && {named} in {}", list(&names::anchors(account))));
    let anchors = format!("request.resource.resource == 'secrets' && ({})", anchors.collect::<Vec<_>>().join(" || "));
    let mut allowed = vec![
        format!("request.resource.group == '{RBAC}' && request.resource.resource in ['clusterroles', 'clusterrolebindings', 'rolebindings']"),
        format!("request.resource.group == '' && {anchors}"),
        "request.resource.group == '' && request.resource.resource == 'serviceaccounts' && request.subResource == 'token'".to_owned(),
        "request.resource.group in ['authentication.k8s.io', 'authorization.k8s.io']".to_owned(),
    ];
    if of.aws_auth {
        allowed.push("request.resource.group == '' && request.resource.resource == 'configmaps' && request.namespace == 'kube-system' && request.name == 'aws-auth'".to_owned());
    }
    let expression = allowed.iter().map(|one| format!("({one})")).collect::<Vec<_>>().join(" || ");
    let demands = [(expression, "the operator holds this right to write it into a role, not to use it".to_owned())];
    let why = "remote.authority: Manage: the operator holds what it writes into the roles. It uses none of it: it writes its roles, bindings, Secrets and tokens, and nothing else. Not limited: what it reads.";
    let requests = ("*", &["*/*"][..], &["CREATE", "UPDATE", "DELETE", "CONNECT"][..]);
    policy(of, "argocd-access-manager-uses", why, &manager(), requests, &demands)
}
