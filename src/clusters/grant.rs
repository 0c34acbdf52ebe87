//! A valid `ClusterAccess`, parsed once. Pure.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::bootstrap;
use super::claims::user_of;
use super::credential::{RENEW, Terms};
use super::names::{self, PROTECTED};
use super::rights;
use crate::api::cluster_access::{Authority, CredentialType, Exec, Permissions, Scope};
use crate::api::cluster_aws::Aws;
use crate::api::{ClusterAccess, ROTATE_AFTER};
use crate::config::InstanceConfig;
use crate::reconcile::limits::{self, Refusal, invalid};
use crate::reconcile::seen::uid;
use crate::reconcile::selection::is_empty;
use crate::reconcile::time::Times;

/// Where everything of one object is; that cannot be changed, so it is known of an object that is not valid as well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The uid of the object: by it everything of its is marked.
    pub owner: String,
    /// The cluster's name in Argo CD.
    pub cluster: String,
    /// The address of its API server.
    pub server: String,
    /// The name of Argo CD's cluster Secret.
    pub secret: String,
    /// Whether that was there before, and is given back.
    pub adopted: bool,
    /// The namespace of the ServiceAccount in the remote cluster.
    pub namespace: String,
    /// The names of the Secrets there to which its tokens are bound.
    pub anchors: [String; 2],
}

impl Identity {
    /// Of an object.
    #[must_use]
    pub fn of(access: &ClusterAccess) -> Self {
        let (spec, cluster) = (&access.spec, access.cluster().to_owned());
        Self {
            owner: uid(&access.metadata).to_owned(),
            secret: spec.adopt_secret.clone().unwrap_or_else(|| names::cluster_secret(&cluster)),
            cluster,
            server: spec.server.clone(),
            adopted: spec.adopt_secret.is_some(),
            namespace: spec.credentials.service_account.namespace.clone(),
            anchors: names::anchors(&spec.credentials.service_account.name),
        }
    }
}

/// What one object declares.
#[derive(Clone, Debug)]
pub struct Grant {
    /// Where everything of it is.
    pub id: Identity,
    /// By which credential Argo CD comes.
    pub credential: Credential,
    /// What the operator does there.
    pub authority: Authority,
    /// What Argo CD may do there.
    pub permissions: Permissions,
    /// The proxy on the way.
    pub proxy: Option<String>,
    /// Labels of the cluster Secret.
    pub labels: BTreeMap<String, String>,
    /// The project to which the cluster belongs.
    pub project: Option<String>,
    /// The shard that serves it.
    pub shard: Option<i32>,
    /// When the permissions exist.
    pub times: Times,
}

/// By which credential Argo CD comes.
#[derive(Clone, Debug)]
pub enum Credential {
    /// A token of a ServiceAccount.
    Token(Token),
    /// An identity of AWS.
    Eks(Aws),
    /// What the Secret holds.
    Existing,
}

/// A token of a ServiceAccount.
#[derive(Clone, Debug)]
pub struct Token {
    /// The namespace of the ServiceAccount in the remote cluster.
    pub namespace: String,
    /// Its name.
    pub service_account: String,
    /// How long a token is to live, in seconds.
    pub lifetime: i64,
    /// When it is replaced, and how long the former one stays.
    pub terms: Terms,
}

impl Credential {
    /// The token, where it is one.
    #[must_use]
    pub fn token(&self) -> Option<&Token> {
        if let Self::Token(token) = self { Some(token) } else { None }
    }
}

impl Grant {
    /// The user or group that is bound in the remote cluster: its kind, its namespace where it has one, and its name.
    #[must_use]
    pub fn subject(&self) -> Option<(&'static str, Option<&str>, &str)> {
        match &self.credential {
            Credential::Token(token) => Some(("ServiceAccount", Some(&token.namespace), &token.service_account)),
            Credential::Eks(aws) => Some(("Group", None, &aws.group)),
            Credential::Existing => None,
        }
    }

    /// Whether terminals may be bound at all.
    #[must_use]
    pub fn may_exec(&self) -> bool {
        self.permissions.exec == Exec::Auto && self.authority != Authority::None
    }
}

/// Parses it.
///
/// # Errors
/// Why the object is not accepted.
pub fn parse(access: &ClusterAccess, settings: &InstanceConfig) -> Result<Grant, Refusal> {
    let spec = &access.spec;
    limits::reason(spec.reason.as_deref(), &settings.limits)?;
    server(&spec.server)?;
    let id = Identity::of(access);
    if id.cluster == "in-cluster" {
        return Err(invalid("spec.name in-cluster is Argo CD's name of the cluster that it runs in; choose another"));
    }
    let permissions = &spec.permissions;
    labels(&spec.labels)?;
    places(permissions)?;
    rights::refuse(permissions)?;
    if permissions.scope == Scope::Cluster && !settings.limits.allow_cluster_scope {
        return Err(limits::limit("this instance does not allow permissions.scope Cluster (limit allowClusterScope); name the namespaces"));
    }
    if spec.aws.is_some() && spec.credentials.kind != CredentialType::Eks {
        return Err(invalid("the block aws belongs to credentials.type EKS"));
    }
    let credential = match spec.credentials.kind {
        CredentialType::ServiceAccountToken => Credential::Token(token(access)?),
        CredentialType::Existing => {
            if spec.adopt_secret.is_none() || spec.remote.authority != Authority::None {
                return Err(invalid("credentials.type Existing verifies only: it needs adoptSecret, and remote.authority None"));
            }
            Credential::Existing
        }
        CredentialType::Eks => {
            let aws = spec.aws.clone().ok_or_else(|| invalid("credentials.type EKS needs the block aws"))?;
            if aws.group.starts_with("system:") {
                return Err(invalid("aws.group must not be one of Kubernetes' own (system:)"));
            }
            Credential::Eks(aws)
        }
    };
    Ok(Grant {
        id,
        credential,
        authority: spec.remote.authority,
        permissions: permissions.clone(),
        proxy: spec.proxy_url.clone(),
        labels: spec.labels.clone(),
        project: spec.project.clone(),
        shard: spec.shard,
        times: limits::times(&access.metadata, &spec.validity, &spec.schedule, &settings.limits)?,
    })
}

/// The address, which must not be that of the cluster in which Argo CD runs.
fn server(text: &str) -> Result<(), Refusal> {
    let host = text.strip_prefix("https://").ok_or_else(|| invalid("spec.server must begin with https://"))?;
    if host.is_empty() || host.contains(['/', '?', '#', '@', ' ', '\\']) {
        return Err(invalid("spec.server must be https:// with a host and perhaps a port, and nothing else"));
    }
    let name = host.split(':').next().unwrap_or_default().trim_end_matches('.');
    if name == "kubernetes" || name == "kubernetes.default" || name.starts_with("kubernetes.default.svc") {
        return Err(invalid("spec.server is the cluster in which Argo CD runs; what counts there is the right of Argo CD's own ServiceAccounts"));
    }
    Ok(())
}

/// Labels of Argo CD say what a Secret is to it, and ours say whose it is.
fn labels(labels: &BTreeMap<String, String>) -> Result<(), Refusal> {
    match labels.keys().find(|key| key.contains("argoproj") || key.starts_with("argocd-access.dev/")) {
        Some(key) => Err(invalid(format!("spec.labels: {key} is a label of Argo CD or of this operator, and cannot be set"))),
        None => Ok(()),
    }
}

fn places(permissions: &Permissions) -> Result<(), Refusal> {
    let namespaces = &permissions.namespaces;
    if let Some(name) = namespaces.names.iter().find(|name| PROTECTED.contains(&name.as_str())) {
        return Err(invalid(format!("permissions.namespaces.names: nothing is bound in {name}: whoever deploys there has the cluster")));
    }
    if namespaces.selector.as_ref().is_some_and(is_empty) {
        return Err(invalid("permissions.namespaces.selector: an empty selector would select every namespace"));
    }
    let none = namespaces.names.is_empty() && namespaces.selector.is_none();
    if permissions.scope == Scope::Namespaces && none {
        return Err(invalid("permissions.scope Namespaces needs namespaces.names or namespaces.selector"));
    }
    Ok(())
}

fn token(access: &ClusterAccess) -> Result<Token, Refusal> {
    let credentials = &access.spec.credentials;
    let seconds = |text: &str, field: &str| {
        let seconds = crate::ingress::parse_duration(text).and_then(|seconds| i64::try_from(seconds).ok());
        seconds.ok_or_else(|| invalid(format!("credentials.{field} must be hours, minutes and seconds, such as 24h")))
    };
    let (lifetime, overlap) = (seconds(&credentials.lifetime, "lifetime")?, seconds(&credentials.overlap, "overlap")?);
    if !(3600..=8760 * 3600).contains(&lifetime) || !(60..=3600).contains(&overlap) {
        return Err(invalid("credentials.lifetime must be between 1h and 8760h, and credentials.overlap between 1m and 1h"));
    }
    let rotate_after = access.metadata.annotations.as_ref().and_then(|all| all.get(ROTATE_AFTER)).and_then(|at| at.parse::<Timestamp>().ok());
    let account = bootstrap::account(&credentials.service_account)?;
    let terms = Terms {
        subject: user_of(&account.namespace, &account.name),
        overlap: SignedDuration::from_secs(overlap),
        rotate_after,
        seed: uid(&access.metadata).to_owned(),
        anchors: names::anchors(&account.name),
        renew: RENEW,
    };
    Ok(Token { namespace: account.namespace.clone(), service_account: account.name.clone(), lifetime, terms })
}
