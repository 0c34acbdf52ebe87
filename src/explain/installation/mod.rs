//! Whether the operator is installed as it should be, and works: its definitions, its rights, Argo CD, its pods, and who writes. Nothing of
//! it depends on what is declared. Pure.
//!
//! The operator may read all of this itself, so it is asked with its own rights, and with no more.

pub mod argocd;
pub mod definitions;
pub mod operator;
pub mod rights;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use jiff::Timestamp;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::coordination::v1::Lease;
use serde_json::Value;

use self::rights::Needed;
use super::Explanation;
use super::link::{Fix, Link, Name};
use crate::exec::World;
use crate::reconcile::{NotSeen, Seen};

/// What was seen.
#[derive(Clone, Debug)]
pub struct Observed {
    /// What the API server publishes of the operator's kinds (OpenAPI v3); `None`: it knows none of them.
    pub schemas: Seen<Option<Value>>,
    /// Of the rights that the operator needs, those that it lacks; `None`: nobody said which it needs.
    pub lacking: Option<Seen<Vec<Needed>>>,
    /// The operator's Deployment; `None`: nobody said which it is.
    pub deployment: Option<Wanted>,
    /// The namespaces that it serves.
    pub instances: Vec<Instance>,
    /// What time it is.
    pub now: Timestamp,
}

/// A Deployment that should be there.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// It, as it is seen.
    pub found: Seen<Option<Arc<Deployment>>>,
}

/// One namespace that is served.
#[derive(Clone, Debug)]
pub struct Instance {
    /// argocd-cm and the Deployments there.
    pub world: World,
    /// The name of the Lease.
    pub lease: &'static str,
    /// The Lease.
    pub holds: Seen<Option<Arc<Lease>>>,
}

/// Looks at everything, causes before what follows from them.
#[must_use]
pub fn explain(observed: &Observed) -> Explanation {
    let mut links = vec![definitions::look(&observed.schemas)];
    links.extend(observed.lacking.as_ref().map(rights::look));
    links.extend(observed.instances.iter().map(argocd::look));
    links.extend(observed.deployment.as_ref().map(operator::look));
    links.extend(observed.instances.iter().map(|instance| operator::lease(instance, observed.deployment.as_ref(), observed.now)));
    Explanation { links }
}

/// A link that depends on something that the operator may not read, or that did not answer.
fn not_readable(name: Name, not_seen: &NotSeen) -> Link {
    super::not_readable(name, not_seen).mended_by(Fix::by_people(
        "nothing of this needs more than the operator may read anyway: see whether the API server answers, and whether the chart's roles are as it made them",
    ))
}
