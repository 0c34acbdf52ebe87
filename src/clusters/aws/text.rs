//! The documents as text, with the commands that put them into effect: the data of the ConfigMap of an object. Pure.
//!
//! Each document is a key by itself, as the command line of AWS takes a file; the commands name the files by their keys.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::arn::{self, Role};
use super::auth::Entry;
use super::documents::{self, Document, POLICY_NAME};
use super::fold::{Hub, ServiceAccounts, Source};
use crate::api::cluster_aws::{Aws, Mapping};

/// Who may assume the hub's role.
pub const HUB_TRUST: &str = "hub-trust.json";
/// What the hub's role may do.
pub const HUB_POLICY: &str = "hub-policy.json";
/// What is to be done in the hub's account.
pub const HUB_COMMANDS: &str = "hub-commands.sh";
/// Who may assume the spoke role.
pub const SPOKE_TRUST: &str = "spoke-trust.json";
/// How the remote cluster knows who comes.
pub const ACCESS_ENTRY: &str = "access-entry.json";
/// The same, for a cluster that has no access entries.
pub const AWS_AUTH: &str = "aws-auth.yaml";
/// What is to be done in the account of the remote cluster.
pub const SPOKE_COMMANDS: &str = "spoke-commands.sh";
/// Values of Argo CD's chart.
pub const VALUES: &str = "argo-cd-values.yaml";
/// The annotation of a ServiceAccount by which IRSA gives it a role.
pub const ROLE_ANNOTATION: &str = "eks.amazonaws.com/role-arn";

/// The key with the association of a ServiceAccount.
#[must_use]
pub fn association_key(service_account: &str) -> String {
    format!("association-{service_account}.json")
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct AssociationRequest<'a> {
    cluster_name: &'a str,
    namespace: &'a str,
    service_account: &'a str,
    role_arn: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct AccessEntryRequest<'a> {
    cluster_name: &'a str,
    principal_arn: String,
    #[serde(rename = "type")]
    kind: &'static str,
    kubernetes_groups: [&'a str; 1],
}

/// Everything that one object and its hub need, by key.
#[must_use]
pub fn data(aws: &Aws, hub: &Hub, roles: &BTreeSet<String>, accounts: &ServiceAccounts, entry: Option<&Entry>) -> BTreeMap<String, String> {
    let policy = documents::hub_policy_of(hub, roles);
    let spoke = Role::of_spoke(aws);
    let mut data =
        BTreeMap::from([(HUB_TRUST.to_owned(), documents::hub_trust(hub).text()), (HUB_COMMANDS.to_owned(), hub_commands(hub, policy.as_ref()))]);
    data.extend(policy.map(|policy| (HUB_POLICY.to_owned(), policy.text())));
    match hub.source {
        Source::PodIdentity { .. } => data.extend(hub.service_accounts.iter().map(|name| {
            let request = AssociationRequest {
                cluster_name: &hub.declared.cluster_name,
                namespace: &hub.namespace,
                service_account: name,
                role_arn: hub.role.arn(),
            };
            (association_key(name), json(&request))
        })),
        Source::Irsa { .. } => data.extend([(VALUES.to_owned(), values(&hub.role.arn(), accounts))]),
    }
    if spoke.is_some() {
        data.insert(SPOKE_TRUST.to_owned(), documents::spoke_trust(hub).text());
    }
    let principal = spoke.as_ref().unwrap_or(&hub.role).arn();
    match (aws.mapping, entry) {
        (Mapping::AccessEntry, _) => {
            let request = AccessEntryRequest {
                cluster_name: &aws.spoke.cluster_name,
                principal_arn: principal,
                kind: "STANDARD",
                kubernetes_groups: [&aws.group],
            };
            data.insert(ACCESS_ENTRY.to_owned(), json(&request));
        }
        (Mapping::AwsAuth, Some(entry)) => {
            data.insert(AWS_AUTH.to_owned(), entry.text());
        }
        (Mapping::AwsAuth, None) | (Mapping::None, _) => {}
    }
    let commands = spoke_commands(aws, spoke.as_ref());
    data.extend((!commands.is_empty()).then_some((SPOKE_COMMANDS.to_owned(), commands)));
    data
}

/// The values of Argo CD's chart by which its ServiceAccounts get the role. They are printed, never written: the annotation belongs to
/// whoever installs Argo CD.
#[must_use]
pub fn values(role_arn: &str, accounts: &ServiceAccounts) -> String {
    let value = |(component, _)| format!("{component}:\n  serviceAccount:\n    annotations:\n      {ROLE_ANNOTATION}: {role_arn}");
    script(accounts.each().map(value).to_vec())
}

fn hub_commands(hub: &Hub, policy: Option<&Document>) -> String {
    let role = quoted(&hub.role.name);
    let mut lines = vec![format!("# In account {}, with the keys of this ConfigMap as files. Once:", hub.role.account_id)];
    lines.push(create_role(&role, HUB_TRUST, hub.boundary.as_deref()));
    if let Source::PodIdentity { .. } = hub.source {
        lines.extend(hub.service_accounts.iter().map(|name| {
            let file = quoted(&format!("file://{}", association_key(name)));
            format!("aws eks create-pod-identity-association --region {} --cli-input-json {file}", hub.declared.region)
        }));
    } else {
        lines.push(format!("# The issuer must be a provider of the account; the chart's values of Argo CD are in {VALUES}."));
    }
    lines.push("# Then, and whenever a document has changed:".to_owned());
    lines.push(update_trust(&role, HUB_TRUST));
    lines.push(match policy {
        Some(_) => format!("aws iam put-role-policy --role-name {role} --policy-name {POLICY_NAME} --policy-document file://{HUB_POLICY}"),
        None => format!("# It needs no policy; one from before goes by: aws iam delete-role-policy --role-name {role} --policy-name {POLICY_NAME}"),
    });
    script(lines)
}

fn spoke_commands(aws: &Aws, spoke: Option<&Role>) -> String {
    let mut lines = Vec::new();
    if spoke.is_some() || aws.mapping == Mapping::AccessEntry {
        lines.push(format!("# In account {}, once the hub's role is there. Once:", aws.spoke.account_id));
    }
    if let Some(role) = spoke {
        lines.push(create_role(&quoted(&role.name), SPOKE_TRUST, arn::boundary(aws, &role.account_id)));
    }
    if aws.mapping == Mapping::AccessEntry {
        lines.push(format!("aws eks create-access-entry --region {} --cli-input-json file://{ACCESS_ENTRY}", aws.spoke.region));
    }
    if let Some(role) = spoke {
        lines.push("# Whenever a document has changed, or the hub's role was made anew:".to_owned());
        lines.push(update_trust(&quoted(&role.name), SPOKE_TRUST));
    }
    script(lines)
}

fn create_role(name: &str, trust: &str, boundary: Option<&str>) -> String {
    let boundary = boundary.map(|arn| format!(" --permissions-boundary {}", quoted(arn))).unwrap_or_default();
    format!("aws iam create-role --role-name {name} --assume-role-policy-document file://{trust}{boundary}")
}

fn update_trust(name: &str, trust: &str) -> String {
    format!("aws iam update-assume-role-policy --role-name {name} --policy-document file://{trust}")
}

/// Lines, each with its end; nothing where there are none.
fn script(lines: Vec<String>) -> String {
    lines.into_iter().map(|line| line + "\n").collect()
}

/// As one word of a shell, whatever it is.
fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "+=,.@_-:/".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) { word.to_owned() } else { format!("'{}'", word.replace('\'', r"'\''")) }
}

fn json(request: &impl Serialize) -> String {
    // Structs of strings: it cannot fail, and an empty text would be refused by AWS.
    serde_json::to_string_pretty(request).unwrap_or_default() + "\n"
}
