//! What an administrator of a remote cluster applies there once, so that a `ClusterAccess` can be served: the ServiceAccounts, the four
//! ClusterRoles, the operator's own rights there, and the admission policies that limit these. Pure.
//!
//! * `rights` is what the operator (the manager) may do; `policies` is what RBAC cannot say of it.
//! * [`credential`] is the Secret for the hub by which it comes.
//! * [`document`] is how all of it is written, with the reason for each rule.
//!
//! The manager's power is that of Argo CD there at its widest: whoever has its token can bind these roles in any namespace that is not
//! protected, and take a token of Argo CD's ServiceAccount.

pub mod credential;
pub mod document;
mod policies;
mod rights;

#[cfg(test)]
mod tests;

use serde_json::{Value, json};

use self::document::Document;
use super::names;
use super::rights::{self as derived, Roles};
use crate::api::ClusterAccess;
use crate::api::cluster_access::{Authority, CredentialType, Permissions, ServiceAccountRef};
use crate::api::cluster_aws::Mapping;
use crate::exec::confinement::rule::Name;
use crate::ingress::want::parse_duration;
use crate::live::discovery::Discovery;
use crate::reconcile::limits::{Refusal, invalid};

/// The label of all that the bootstrap makes; its value is the name of the `ClusterAccess`.
pub const LABEL: &str = "argocd-access.dev/bootstrap";
/// The longest life of a token of the manager, in seconds: it renews itself at half of it.
pub const MANAGER_SECONDS: i64 = 30 * 24 * 3600;

/// A `ClusterAccess` that can be bootstrapped, with what its roles hold.
#[derive(Clone, Debug)]
pub struct Bootstrap<'a> {
    name: &'a str,
    permissions: &'a Permissions,
    authority: Authority,
    /// Argo CD's ServiceAccount, where it comes by its token.
    managed: Option<&'a ServiceAccountRef>,
    /// The only subject that the manager may bind.
    subject: Option<Subject<'a>>,
    aws_auth: bool,
    /// The longest life of a token of Argo CD, in seconds.
    lifetime: i64,
    roles: Roles,
}

/// Who Argo CD is in the remote cluster.
#[derive(Clone, Copy, Debug)]
enum Subject<'a> {
    Account(&'a ServiceAccountRef),
    Group(&'a str),
}

impl Subject<'_> {
    /// A condition of CEL that a request is Argo CD's.
    fn asks(self) -> String {
        match self {
            Self::Account(account) => format!("request.userInfo.username == 'system:serviceaccount:{}:{}'", account.namespace, account.name),
            Self::Group(group) => format!("'{group}' in request.userInfo.groups"),
        }
    }
}

impl<'a> Bootstrap<'a> {
    /// Checks an object as far as a bootstrap rests on it. What the CRD's schema refuses already is checked again: nothing of it has seen
    /// an API server yet, and names go into expressions.
    ///
    /// # Errors
    /// What is wrong, naming the field.
    pub fn of(access: &'a ClusterAccess, discovery: &Discovery) -> Result<Self, Refusal> {
        let spec = &access.spec;
        let name = access.metadata.name.as_deref().filter(|name| is_name(name) && name.len() <= 63);
        let name = name.ok_or_else(|| invalid("metadata.name must be a name of at most 63 characters"))?;
        derived::refuse(&spec.permissions)?;
        let credentials = &spec.credentials;
        let subject = match (credentials.kind, &spec.aws) {
            (CredentialType::ServiceAccountToken, None) => Some(Subject::Account(account(&credentials.service_account)?)),
            (CredentialType::Eks, Some(aws)) => Some(Subject::Group(group(&aws.group)?)),
            (CredentialType::Existing, None) => None,
            (_, aws) => {
                let word = if aws.is_some() { "has no meaning" } else { "is missing" };
                return Err(invalid(format!("spec.aws {word}: it belongs to credentials.type: EKS, and that type needs it")));
            }
        };
        if credentials.kind == CredentialType::Existing && spec.remote.authority != Authority::None {
            return Err(invalid("spec.credentials.type: Existing verifies only, so spec.remote.authority must be None"));
        }
        let lifetime = parse_duration(&credentials.lifetime).and_then(|seconds| i64::try_from(seconds).ok());
        let lifetime = lifetime.filter(|seconds| (3600..=8760 * 3600).contains(seconds));
        Ok(Self {
            name,
            permissions: &spec.permissions,
            authority: spec.remote.authority,
            managed: if let Some(Subject::Account(account)) = subject { Some(account) } else { None },
            subject,
            aws_auth: spec.aws.as_ref().is_some_and(|aws| aws.mapping == Mapping::AwsAuth),
            lifetime: lifetime.ok_or_else(|| invalid("spec.credentials.lifetime must be between 1h and 8760h, such as 24h"))?,
            roles: derived::wanted(&spec.permissions, discovery),
        })
    }

    /// What the roles hold, and what is declared and not in them.
    #[must_use]
    pub fn roles(&self) -> &Roles {
        &self.roles
    }

    /// Whether the manager gets a power that should be known: a sentence for each.
    #[must_use]
    pub fn warnings(&self) -> Vec<&'static str> {
        let manages = self.authority == Authority::Manage;
        let manage = "remote.authority: Manage: the manager holds, in the whole cluster, every right that it may write into the roles, and can read by them; Bind needs none of that. A later bootstrap meets the rules that it has written: kubectl apply then needs --force-conflicts";
        let aws_auth = "aws.mapping: AwsAuth: whoever may change kube-system/aws-auth can make anybody an administrator of the cluster, and no admission policy can tell; AccessEntry needs none of that";
        let cluster = "permissions.scope: Cluster: Argo CD deploys in every namespace, and whoever deploys Pods can run them as any ServiceAccount there; only the protected namespaces are kept from it";
        let everywhere = self.permissions.scope == crate::api::cluster_access::Scope::Cluster;
        [(everywhere, cluster), (manages, manage), (self.aws_auth, aws_auth)].into_iter().filter(|(is, _)| *is).map(|(_, what)| what).collect()
    }

    /// What is to be applied: what limits comes before what is limited.
    #[must_use]
    pub fn documents(&self) -> Vec<Document> {
        let mut all = self.accounts();
        all.extend(policies::documents(self));
        all.extend(rights::documents(self));
        all
    }

    /// The admission policies among it: without them the manager could do more than it should.
    #[must_use]
    pub fn policies(&self) -> Vec<String> {
        let names = policies::documents(self).into_iter().filter_map(|one| Some(one.object().pointer("/metadata/name")?.as_str()?.to_owned()));
        names.collect::<std::collections::BTreeSet<_>>().into_iter().collect()
    }

    fn accounts(&self) -> Vec<Document> {
        let pods = json!({
            "pod-security.kubernetes.io/enforce": "restricted", "pod-security.kubernetes.io/audit": "restricted", "pod-security.kubernetes.io/warn": "restricted",
        });
        let mut namespace = self.object("v1", "Namespace", names::NAMESPACE, None, json!({}));
        if let (Some(labels), Some(more)) = (namespace.pointer_mut("/metadata/labels").and_then(Value::as_object_mut), pods.as_object()) {
            labels.extend(more.clone());
        }
        let mut all = vec![
            Document::new("The namespace of what the operator needs here. No Pod has to run in it.", namespace),
            Document::new(
                "By this ServiceAccount the operator comes. It runs no Pod, so none gets its token.",
                self.object("v1", "ServiceAccount", names::MANAGER, Some(names::NAMESPACE), json!({"automountServiceAccountToken": false})),
            ),
        ];
        if let Some(account) = self.managed {
            all.push(Document::new(
                "By this ServiceAccount Argo CD comes. It has no rights but by the operator's bindings, and runs no Pod.",
                self.object("v1", "ServiceAccount", &account.name, Some(&account.namespace), json!({"automountServiceAccountToken": false})),
            ));
        }
        all
    }

    fn object(&self, version: &str, kind: &str, name: &str, namespace: Option<&str>, rest: Value) -> Value {
        let mut metadata = json!({"name": name, "labels": {LABEL: self.name, "app.kubernetes.io/part-of": "argocd-access-operator"}});
        if let (Some(namespace), Some(metadata)) = (namespace, metadata.as_object_mut()) {
            metadata.insert("namespace".to_owned(), json!(namespace));
        }
        let mut object = json!({"apiVersion": version, "kind": kind, "metadata": metadata});
        if let (Some(object), Value::Object(rest)) = (object.as_object_mut(), rest) {
            object.extend(rest);
        }
        object
    }
}

/// Whether a text carries nothing but itself into an expression and a name.
fn is_name(text: &str) -> bool {
    Name::parse(text).is_some()
}

/// The ServiceAccount by which Argo CD comes, unless it is one that others have already.
///
/// # Errors
/// What is wrong with it.
pub fn account(account: &ServiceAccountRef) -> Result<&ServiceAccountRef, Refusal> {
    let at = "spec.credentials.serviceAccount";
    let label = |text: &str| is_name(text) && !text.contains('.') && text.len() <= 63;
    if !label(&account.namespace) || !label(&account.name) {
        return Err(invalid(format!("{at} must have a namespace and a name, each of at most 63 lower-case letters, digits and -")));
    }
    if account.name == "default" {
        return Err(invalid(format!(
            "{at}.name must not be default: every Pod of the namespace that names no ServiceAccount would have Argo CD's rights"
        )));
    }
    if account.namespace == names::NAMESPACE && account.name == names::MANAGER {
        return Err(invalid(format!("{at} must not be {}: that is the operator's own", names::MANAGER)));
    }
    if account.namespace != names::NAMESPACE && names::PROTECTED.contains(&account.namespace.as_str()) {
        return Err(invalid(format!("{at}.namespace must not be {}: it is the cluster's own", account.namespace)));
    }
    Ok(account)
}

fn group(group: &str) -> Result<&str, Refusal> {
    let plain = |c: char| c.is_ascii_alphanumeric() || ":._@/+=-".contains(c);
    if group.is_empty() || group.len() > 63 || !group.chars().all(plain) || group.starts_with("system:") {
        return Err(invalid("spec.aws.group must be a group of your own: letters, digits and : . _ @ / + = -, and not one that begins with system:"));
    }
    Ok(group)
}
