//! Objects in namespaces that no configured instance has: they are told so, once, and nothing else is done for them.
//!
//! Another operator may serve that namespace. So only an object that nobody has reported on for a while is told; whoever serves it
//! later writes over it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::core::PartialObjectMeta;
use kube::runtime::watcher::Config;
use kube::{Api, Client, Resource, ResourceExt};
use serde::Serialize;
use tokio::sync::{Notify, watch};

use super::Serve;
use crate::api::conditions::{ConditionType, Reason, Verdict, condition};
use crate::api::{ClusterAccess, ExecAccess, LiveResourceAccess};
use crate::cluster_io::apply::Declared;
use crate::cluster_io::lease::Leads;
use crate::cluster_io::watch::Watch;
use crate::cluster_io::{report, request};
use crate::reconcile::told::Told;

/// Whoever serves a namespace has reported within this time.
const PATIENCE: Duration = Duration::from_secs(15);

/// Looks for strays until `stop` says so.
pub async fn run(client: Client, serve: Serve, served: BTreeSet<String>, leads: Vec<Leads>, stop: watch::Receiver<bool>) {
    let touched = Arc::new(Notify::new());
    let access = serve == Serve::Access;
    let exec: Option<Strays<ExecAccess>> = access.then(|| start(&client, "execaccesses of all namespaces", false, &served, &touched));
    let live: Option<Strays<LiveResourceAccess>> = access.then(|| start(&client, "liveresourceaccesses of all namespaces", true, &served, &touched));
    let clusters: Option<Strays<ClusterAccess>> = (!access).then(|| start(&client, "clusteraccesses of all namespaces", true, &served, &touched));
    let mut stop = stop;
    while !*stop.borrow() {
        // One that stands by everywhere says nothing.
        if leads.iter().any(Leads::holds) {
            tell_all(&client, exec.as_ref(), &served).await;
            tell_all(&client, live.as_ref(), &served).await;
            tell_all(&client, clusters.as_ref(), &served).await;
        }
        tokio::select! {
            () = async { touched.notified().await; tokio::time::sleep(PATIENCE).await } => {}
            () = tokio::time::sleep(PATIENCE) => {}
            changed = stop.changed() => if changed.is_err() { return },
        }
    }
}

type Strays<K> = Watch<PartialObjectMeta<K>>;

/// `optional`: an older chart did not install its definition.
fn start<K>(client: &Client, what: &'static str, optional: bool, served: &BTreeSet<String>, touched: &Arc<Notify>) -> Strays<K>
where
    K: Declared + Send + Sync + 'static,
{
    let start = if optional { Watch::start_optional } else { Watch::start };
    let elsewhere: Vec<String> = served.iter().map(|namespace| format!("metadata.namespace!={namespace}")).collect();
    start(what, Api::all(client.clone()), Config::default().fields(&elsewhere.join(",")), pruned, vec![Arc::clone(touched)])
}

/// Only who has written of it is kept, not what: there may be thousands that another operator serves.
fn pruned<K: Resource>(object: &mut K) {
    let meta = object.meta_mut();
    (meta.labels, meta.annotations) = (None, None);
    meta.managed_fields.iter_mut().flatten().for_each(|entry| entry.fields_v1 = None);
}

async fn tell_all<K>(client: &Client, watch: Option<&Strays<K>>, served: &BTreeSet<String>)
where
    K: Declared + Told<Status: Serialize> + Send + Sync + 'static,
{
    for stray in watch.and_then(|watch| watch.all().ok()).unwrap_or_default().iter().filter(|o| is_stray(o.as_ref(), served)) {
        tell(client, stray).await;
    }
}

fn is_stray(object: &impl ResourceExt, served: &BTreeSet<String>) -> bool {
    let age = object.creation_timestamp().map_or(0, |t| jiff::Timestamp::now().duration_since(t.0).as_secs());
    let reported = object.managed_fields().iter().any(|m| m.subresource.as_deref() == Some("status"));
    let patience = i64::try_from(PATIENCE.as_secs()).unwrap_or(i64::MAX);
    !reported && age >= patience && object.namespace().is_some_and(|n| !served.contains(&n))
}

async fn tell<K: Declared + Told<Status: Serialize>>(client: &Client, stray: &PartialObjectMeta<K>) {
    let (namespace, name) = (stray.namespace().unwrap_or_default(), stray.name_any());
    let api: Api<K> = Api::namespaced(client.clone(), &namespace);
    let object = match request(format!("read {} {namespace}/{name}", K::kind(&())), api.get(&name)).await {
        Ok(object) => object,
        Err(error) => return tracing::debug!(error = %error.chain(), "a stray was not read"),
    };
    let message = format!(
        "{namespace} is not the namespace of an Argo CD instance that the operator serves, so nothing is done; create the object in the namespace of argocd-cm"
    );
    let now = Time(jiff::Timestamp::now());
    let generation = object.meta().generation;
    let say = |kind| condition(kind, &Verdict::no(Reason::NotAnInstance, message.clone()), generation, &[], &now);
    let status = K::saying(generation, vec![say(ConditionType::Accepted), say(ConditionType::Ready)]);
    if let Err(error) = report::write_status(client, &object, &status).await {
        tracing::warn!(error = %error.chain(), "a stray was not told");
    }
}
