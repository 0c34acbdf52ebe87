//! The names of things in AWS. Pure.

use crate::api::cluster_aws::{self, Partition};

/// A role, without a path: STS drops the path of a role, so that an entry in aws-auth with one never matches.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Role {
    /// The partition.
    pub partition: Partition,
    /// The account.
    pub account_id: String,
    /// The name.
    pub name: String,
}

impl Role {
    /// The hub's: the one that Argo CD's ServiceAccounts get.
    #[must_use]
    pub fn of_hub(hub: &cluster_aws::Hub) -> Self {
        Self { partition: hub.partition, account_id: hub.account_id.clone(), name: hub.role.clone() }
    }

    /// The remote cluster's, if there is one. It is in the partition of the hub: no role is assumed across partitions.
    #[must_use]
    pub fn of_spoke(aws: &cluster_aws::Aws) -> Option<Self> {
        let name = aws.spoke.role.clone()?;
        Some(Self { partition: aws.hub.partition, account_id: aws.spoke.account_id.clone(), name })
    }

    /// Its ARN.
    #[must_use]
    pub fn arn(&self) -> String {
        format!("arn:{}:iam::{}:role/{}", self.partition.as_str(), self.account_id, self.name)
    }
}

/// The ARN of the cluster in which Argo CD runs.
#[must_use]
pub fn cluster(hub: &cluster_aws::Hub) -> String {
    format!("arn:{}:eks:{}:{}:cluster/{}", hub.partition.as_str(), hub.region, hub.account_id, hub.cluster_name)
}

/// The issuer as condition keys and ARNs have it: without `https://`.
#[must_use]
pub fn bare_issuer(issuer: &str) -> &str {
    issuer.strip_prefix("https://").unwrap_or(issuer)
}

/// The ARN of the OIDC provider of an issuer, in the account of the hub.
#[must_use]
pub fn oidc_provider(hub: &cluster_aws::Hub, issuer: &str) -> String {
    format!("arn:{}:iam::{}:oidc-provider/{}", hub.partition.as_str(), hub.account_id, bare_issuer(issuer))
}

/// The permissions boundary, for a role of this account: a policy of another account cannot be one, AWS's own can.
#[must_use]
pub fn boundary<'a>(aws: &'a cluster_aws::Aws, account_id: &str) -> Option<&'a str> {
    let arn = aws.permissions_boundary.as_deref()?;
    let owner = arn.split(':').nth(4)?;
    (owner == account_id || owner == "aws").then_some(arn)
}

/// Whether this is the ARN of a role without a path, as `aws-auth` needs it.
#[must_use]
pub fn is_plain_role(arn: &str) -> bool {
    let mut parts = arn.splitn(6, ':');
    let head = [parts.next(), parts.next(), parts.next(), parts.next()];
    let [Some("arn"), Some(partition), Some("iam"), Some("")] = head else { return false };
    let (Some(account), Some(resource)) = (parts.next(), parts.next()) else { return false };
    let is_name_character = |c: char| c.is_ascii_alphanumeric() || "+=,.@_-".contains(c);
    let is_partition = partition.starts_with("aws") && partition.chars().all(|c| c.is_ascii_lowercase() || c == '-');
    let is_account = account.len() == 12 && account.chars().all(|c| c.is_ascii_digit());
    let is_role = resource.strip_prefix("role/").is_some_and(|name| (1..=64).contains(&name.len()) && name.chars().all(is_name_character));
    is_partition && is_account && is_role
}
