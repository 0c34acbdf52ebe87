//! The identities in AWS of a `ClusterAccess` of EKS: who Argo CD is there, and how the cluster knows it.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Who Argo CD is in AWS, and how the remote cluster knows it.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Aws {
    /// How the documents and objects are put out: as text in a ConfigMap, or as objects of the controllers that make them in AWS.
    #[serde(default)]
    pub output: Output,

    /// The cluster in which Argo CD runs.
    pub hub: Hub,

    /// The remote cluster.
    pub spoke: Spoke,

    /// ARN of a permissions boundary for the roles that are made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 2048), regex(pattern = "^arn:aws[a-z-]*:iam::([0-9]{12}|aws):policy/[A-Za-z0-9+=,.@_/-]+$"))]
    pub permissions_boundary: Option<String>,

    /// How the remote cluster knows the identity: by an access entry, by `kube-system/aws-auth`, or in a way that others keep.
    #[serde(default)]
    pub mapping: Mapping,

    /// The group that it has in the remote cluster: the subject of the bindings there.
    #[schemars(length(min = 1, max = 63))]
    #[x_kube(
        validation = Rule::new("self.matches('^[A-Za-z0-9][A-Za-z0-9:._@/+=-]*$')").message("group may have letters, digits and : . _ @ / + = -"),
        validation = Rule::new("!self.startsWith('system:')").message("group must not be one of Kubernetes' own (system:)")
    )]
    pub group: String,
}

/// How documents and objects are put out.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Output {
    /// As text, in the ConfigMap `argocd-access-aws-` and the name.
    #[default]
    Text,
    /// As objects of AWS Controllers for Kubernetes.
    #[serde(rename = "ACK")]
    Ack,
    /// As objects of Crossplane's provider-upjet-aws.
    Crossplane,
}

/// The cluster in which Argo CD runs.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("(self.identity == 'IRSA') == has(self.oidcIssuer)").message("oidcIssuer belongs to identity: IRSA, and that needs it"))]
pub struct Hub {
    /// The partition of AWS.
    #[serde(default)]
    pub partition: Partition,
    /// The account.
    #[serde(rename = "accountID")]
    #[schemars(length(min = 12, max = 12), regex(pattern = "^[0-9]{12}$"))]
    pub account_id: String,
    /// The region.
    #[schemars(length(min = 1, max = 32), regex(pattern = "^[a-z]{2,}(-[a-z]+)+-[0-9]+$"))]
    pub region: String,
    /// The name of the EKS cluster.
    #[schemars(length(min = 1, max = 100), regex(pattern = "^[A-Za-z0-9][A-Za-z0-9_-]*$"))]
    pub cluster_name: String,
    /// How Argo CD's ServiceAccounts get the role.
    #[serde(default)]
    pub identity: Identity,
    /// For `IRSA`: the OIDC issuer of the cluster, with `https://`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 9, max = 253), regex(pattern = "^https://[a-z0-9][a-zA-Z0-9./_-]*[a-zA-Z0-9]$"))]
    pub oidc_issuer: Option<String>,
    /// The name of the role, without a path.
    #[schemars(length(min = 1, max = 64), regex(pattern = "^[A-Za-z0-9+=,.@_-]+$"))]
    pub role: String,
    /// Where the objects of ACK or Crossplane are made; default: the namespace of the instance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63), regex(pattern = "^[a-z0-9]([a-z0-9-]*[a-z0-9])?$"))]
    pub namespace: Option<String>,
}

/// How a ServiceAccount gets a role.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Identity {
    /// By EKS Pod Identity.
    #[default]
    PodIdentity,
    /// By an annotation, and the cluster's OIDC provider.
    #[serde(rename = "IRSA")]
    Irsa,
}

/// A partition of AWS.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Partition {
    /// The commercial regions.
    #[default]
    #[serde(rename = "aws")]
    Aws,
    /// China.
    #[serde(rename = "aws-cn")]
    China,
    /// GovCloud.
    #[serde(rename = "aws-us-gov")]
    GovCloud,
}

impl Partition {
    /// As an ARN has it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Aws => "aws",
            Self::China => "aws-cn",
            Self::GovCloud => "aws-us-gov",
        }
    }
}

/// The remote cluster.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Spoke {
    /// The account.
    #[serde(rename = "accountID")]
    #[schemars(length(min = 12, max = 12), regex(pattern = "^[0-9]{12}$"))]
    pub account_id: String,
    /// The region.
    #[schemars(length(min = 1, max = 32), regex(pattern = "^[a-z]{2,}(-[a-z]+)+-[0-9]+$"))]
    pub region: String,
    /// The name of the EKS cluster: the token is bound to it.
    #[schemars(length(min = 1, max = 100), regex(pattern = "^[A-Za-z0-9][A-Za-z0-9_-]*$"))]
    pub cluster_name: String,
    /// The name of the role that the hub's role assumes, without a path. Empty: the hub's role has an access entry of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64), regex(pattern = "^[A-Za-z0-9+=,.@_-]+$"))]
    pub role: Option<String>,
    /// Where the objects of ACK or Crossplane are made; default: the namespace of the instance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63), regex(pattern = "^[a-z0-9]([a-z0-9-]*[a-z0-9])?$"))]
    pub namespace: Option<String>,
}

/// How the remote cluster knows the identity.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mapping {
    /// By an access entry.
    #[default]
    AccessEntry,
    /// By an entry in `kube-system/aws-auth`.
    AwsAuth,
    /// Others keep it.
    None,
}
