//! The policies, made from types: who may assume which role, and nothing else. Pure.
//!
//! A trust policy names exactly the three ServiceAccounts of Argo CD that talk to remote clusters; the hub's role may assume the spoke
//! roles and do nothing else; a spoke role trusts the hub's role and has no permission at all, since the token that EKS takes is a signed
//! `sts:GetCallerIdentity`, which needs none.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::arn::{self, Role};
use super::fold::{Hub, Source};

/// How EKS calls itself when it assumes a role for a pod.
pub const POD_IDENTITY: &str = "pods.eks.amazonaws.com";
/// For whom the tokens of IRSA are.
pub const AUDIENCE: &str = "sts.amazonaws.com";
/// The tag of a session that has the ARN of the cluster.
pub const CLUSTER_TAG: &str = "aws:RequestTag/eks-cluster-arn";
/// The tag of a session that has the pod's namespace.
pub const NAMESPACE_TAG: &str = "aws:RequestTag/kubernetes-namespace";
/// The tag of a session that has the pod's ServiceAccount.
pub const SERVICE_ACCOUNT_TAG: &str = "aws:RequestTag/kubernetes-service-account";
/// To assume a role as somebody in AWS.
pub const ASSUME: &str = "sts:AssumeRole";
/// To assume a role by a token of an OIDC provider.
pub const ASSUME_BY_TOKEN: &str = "sts:AssumeRoleWithWebIdentity";
/// To hand on the tags of a session. Those of Pod Identity are handed on always, so that every role on the way must allow it.
pub const TAG: &str = "sts:TagSession";
/// The name of the one inline policy of the hub's role.
pub const POLICY_NAME: &str = "argocd-access";
/// So many characters, without spaces, may all inline policies of a role have together.
pub const MOST_INLINE: usize = 10_240;

/// A policy.
#[derive(Serialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "PascalCase")]
pub struct Document {
    version: &'static str,
    statement: Vec<Statement>,
}

#[derive(Serialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "PascalCase")]
struct Statement {
    sid: &'static str,
    effect: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    principal: Option<Principal>,
    action: Vec<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    resource: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    condition: Option<Condition>,
}

#[derive(Serialize, Clone, Debug, PartialEq, Eq)]
enum Principal {
    Service(&'static str),
    Federated(String),
    #[serde(rename = "AWS")]
    Aws(String),
}

/// All of these must be equal to one of their values.
#[derive(Serialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "PascalCase")]
struct Condition {
    string_equals: BTreeMap<String, Vec<String>>,
}

impl Document {
    fn of(statement: Statement) -> Self {
        Self { version: "2012-10-17", statement: vec![statement] }
    }

    /// For people, and for the command line of AWS.
    #[must_use]
    pub fn text(&self) -> String {
        // Structs and lists of strings: it cannot fail, and an empty text would be refused by AWS.
        serde_json::to_string_pretty(self).unwrap_or_default() + "\n"
    }

    /// For objects of controllers.
    #[must_use]
    pub fn compact(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Its length as AWS counts it.
    #[must_use]
    pub fn size(&self) -> usize {
        self.compact().chars().filter(|c| !c.is_whitespace()).count()
    }
}

/// Who may assume the hub's role: exactly its ServiceAccounts, in its namespace of its cluster.
///
/// With Pod Identity it is EKS that assumes the role, for whatever association somebody has made. The tags of the session say for which
/// pod; EKS sets them, and the cluster's ARN among them holds account and region, so that no association of another cluster or account
/// comes in.
#[must_use]
pub fn hub_trust(hub: &Hub) -> Document {
    let names = || hub.service_accounts.iter().cloned();
    let statement = |sid, principal, action, equal: Vec<(String, Vec<String>)>| Statement {
        sid,
        effect: "Allow",
        principal: Some(principal),
        action,
        resource: Vec::new(),
        condition: Some(Condition { string_equals: equal.into_iter().collect() }),
    };
    Document::of(match &hub.source {
        Source::PodIdentity { cluster_arn } => statement(
            "ArgoCDByPodIdentity",
            Principal::Service(POD_IDENTITY),
            vec![ASSUME, TAG],
            vec![
                (CLUSTER_TAG.to_owned(), vec![cluster_arn.clone()]),
                (NAMESPACE_TAG.to_owned(), vec![hub.namespace.clone()]),
                (SERVICE_ACCOUNT_TAG.to_owned(), names().collect()),
            ],
        ),
        Source::Irsa { provider_arn, issuer } => statement(
            "ArgoCDByToken",
            Principal::Federated(provider_arn.clone()),
            vec![ASSUME_BY_TOKEN],
            vec![
                (format!("{}:aud", arn::bare_issuer(issuer)), vec![AUDIENCE.to_owned()]),
                (format!("{}:sub", arn::bare_issuer(issuer)), names().map(|name| subject(&hub.namespace, &name)).collect()),
            ],
        ),
    })
}

/// A ServiceAccount as its tokens name it.
#[must_use]
pub fn subject(namespace: &str, name: &str) -> String {
    format!("system:serviceaccount:{namespace}:{name}")
}

/// What the hub's role may do: assume these roles. `None` where there are none; then it needs no policy.
#[must_use]
pub fn hub_policy(hub: &Hub, spokes: &BTreeSet<Role>) -> Option<Document> {
    hub_policy_of(hub, &spokes.iter().map(Role::arn).collect())
}

/// The same, of ARNs.
#[must_use]
pub fn hub_policy_of(hub: &Hub, arns: &BTreeSet<String>) -> Option<Document> {
    (!arns.is_empty()).then(|| {
        Document::of(Statement {
            sid: "AssumeTheRolesOfRemoteClusters",
            effect: "Allow",
            principal: None,
            action: assume(hub),
            resource: arns.iter().cloned().collect(),
            condition: None,
        })
    })
}

/// Who may assume a spoke role: the hub's role.
#[must_use]
pub fn spoke_trust(hub: &Hub) -> Document {
    Document::of(Statement {
        sid: "ArgoCDOfTheHub",
        effect: "Allow",
        principal: Some(Principal::Aws(hub.role.arn())),
        action: assume(hub),
        resource: Vec::new(),
        condition: None,
    })
}

/// What it takes to come from the hub's role to another.
#[must_use]
pub fn assume(hub: &Hub) -> Vec<&'static str> {
    match hub.source {
        Source::PodIdentity { .. } => vec![ASSUME, TAG],
        Source::Irsa { .. } => vec![ASSUME],
    }
}
