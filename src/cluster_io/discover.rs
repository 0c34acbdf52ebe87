//! What the API server offers, and what of it the operator itself may do: asked for now and then, since neither can be watched.

use std::sync::Arc;
use std::time::{Duration, Instant};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::APIResource;
use kube::Client;
use kube::core::discovery::v2::{APIGroupDiscovery, APIResourceDiscovery, APIVersionDiscovery};

use super::own_rules::{NOWHERE, own_rules};
use super::{RequestError, request};
use crate::live::ceiling::Ceiling;
use crate::live::discovery::Discovery;
use crate::reconcile::{NotSeen, Seen};

/// The kinds are asked for this often.
const KINDS: Duration = Duration::from_secs(60);
/// The own rights are: one small question, and an admin who has just changed them waits for what follows.
const RIGHTS: Duration = Duration::from_secs(10);
/// So long after a failure.
const RETRY: Duration = Duration::from_secs(5);
/// An answer that is older than this is none any more.
const STALE: Duration = Duration::from_secs(600);

/// What the API server offers.
#[derive(Clone, Debug)]
pub struct Offer {
    /// The kinds that it knows.
    pub discovery: Seen<Arc<Discovery>>,
    /// What the operator holds in the whole cluster.
    pub ceiling: Seen<Arc<Ceiling>>,
    kinds: Due,
    rights: Due,
    /// The definitions that there were when the kinds were asked for.
    definitions: Vec<String>,
}

/// When something was answered, and when to ask again.
#[derive(Clone, Copy, Debug, Default)]
struct Due {
    next: Option<Instant>,
    answered: Option<Instant>,
}

impl Due {
    fn is_now(&self) -> bool {
        self.next.is_none_or(|next| next <= Instant::now())
    }

    /// Takes an answer. A failure counts only when the last answer is too old.
    fn take<T>(&mut self, known: &mut Seen<Arc<T>>, answer: Result<T, RequestError>, kind: &'static str, every: Duration) {
        let now = Instant::now();
        self.next = Some(now + if answer.is_ok() { every } else { RETRY });
        match answer {
            Ok(answer) => {
                self.answered = Some(now);
                *known = Ok(Arc::new(answer));
            }
            Err(error) => {
                tracing::warn!(error = %error.chain(), "the API server did not say what it offers");
                if self.answered.is_none_or(|answered| answered.elapsed() > STALE) {
                    *known = Err(NotSeen { kind, why: error.chain() });
                }
            }
        }
    }
}

const OF_KINDS: &str = "API resources";
const OF_RIGHTS: &str = "its own rights";

impl Default for Offer {
    fn default() -> Self {
        let why = || "no answer yet".to_owned();
        let (discovery, ceiling) = (Err(NotSeen { kind: OF_KINDS, why: why() }), Err(NotSeen { kind: OF_RIGHTS, why: why() }));
        Self { discovery, ceiling, kinds: Due::default(), rights: Due::default(), definitions: Vec::new() }
    }
}

impl Offer {
    /// Has everything asked for anew before anything else is done.
    pub fn expire(&mut self) {
        (self.kinds.next, self.rights.next) = (None, None);
    }

    /// Asks when it is time to: now and then, and when the definitions are others. While a question goes unanswered, the last answer counts
    /// for some minutes.
    pub async fn look(&mut self, client: &Client, definitions: Vec<String>) {
        if self.kinds.is_now() || self.definitions != definitions {
            let before = self.discovery.as_ref().ok().cloned();
            let answer = discovery(client, before.as_deref()).await;
            self.definitions = definitions;
            self.kinds.take(&mut self.discovery, answer, OF_KINDS, KINDS);
        }
        if self.rights.is_now() {
            self.rights.take(&mut self.ceiling, ceiling(client).await, OF_RIGHTS, RIGHTS);
        }
    }
}

/// The kinds that the API server knows. `before`: what was known, which counts for a group whose own API server does not answer.
///
/// # Errors
/// When the API server does not list them.
pub async fn discovery(client: &Client, before: Option<&Discovery>) -> Result<Discovery, RequestError> {
    let core = request("list the kinds of the core group", client.list_core_api_versions_aggregated()).await?;
    let groups = request("list the kinds of all groups", client.list_api_groups_aggregated()).await?;
    let mut discovery = Discovery::default();
    for group in core.items.iter().chain(&groups.items) {
        take(&mut discovery, group, before);
    }
    Ok(discovery)
}

/// Of a group whose own API server does not answer, what was known of it counts.
fn take(discovery: &mut Discovery, group: &APIGroupDiscovery, before: Option<&Discovery>) {
    let name = group.metadata.as_ref().and_then(|meta| meta.name.as_deref()).unwrap_or_default();
    for version in &group.versions {
        discovery.add(name, &resources(version));
    }
    if let Some(before) = before.filter(|_| group.versions.iter().any(|v| v.freshness.as_deref() == Some("Stale"))) {
        discovery.keep(name, before);
    }
}

/// As the older form of discovery lists them: a subresource beside its resource.
fn resources(version: &APIVersionDiscovery) -> Vec<APIResource> {
    let one = |resource: &APIResourceDiscovery| {
        let name = resource.resource.clone().unwrap_or_default();
        let kind = resource.response_kind.as_ref().and_then(|k| k.kind.clone()).unwrap_or_default();
        let namespaced = resource.scope.as_deref() == Some("Namespaced");
        let below = resource.subresources.iter().map(|sub| APIResource {
            name: format!("{name}/{}", sub.subresource.as_deref().unwrap_or_default()),
            verbs: sub.verbs.clone(),
            namespaced,
            ..APIResource::default()
        });
        let below: Vec<APIResource> = below.collect();
        let own = APIResource { name, kind, namespaced, verbs: resource.verbs.clone(), ..APIResource::default() };
        [vec![own], below].concat()
    };
    version.resources.iter().flat_map(one).collect()
}

/// What the identity of the client holds in the whole cluster.
///
/// # Errors
/// When the API server does not say.
pub async fn ceiling(client: &Client) -> Result<Ceiling, RequestError> {
    // Where an authorizer cannot list its rules the answer is not complete: what is not in it counts as not held.
    Ok(own_rules(client, NOWHERE, "ask for the operator's own rights").await?.rules)
}
