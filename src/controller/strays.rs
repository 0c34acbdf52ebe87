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
use kube::{Api, Client, ResourceExt};
use tokio::sync::{Notify, watch};

use crate::api::conditions::{ConditionType, Reason, Verdict, condition};
use crate::api::{ExecAccess, ExecAccessStatus};
use crate::cluster_io::lease::Leads;
use crate::cluster_io::watch::{Watch, whole};
use crate::cluster_io::{report, request};

/// Whoever serves a namespace has reported within this time.
const PATIENCE: Duration = Duration::from_secs(15);

/// Looks for strays until `stop` says so.
pub async fn run(client: Client, served: BTreeSet<String>, leads: Vec<Leads>, mut stop: watch::Receiver<bool>) {
    let touched = Arc::new(Notify::new());
    let watch: Watch<PartialObjectMeta<ExecAccess>> =
        Watch::start("execaccesses of all namespaces", Api::all(client.clone()), Config::default(), whole, vec![Arc::clone(&touched)]);
    while !*stop.borrow() {
        // One that stands by everywhere says nothing.
        for stray in watch.all().unwrap_or_default().iter().filter(|o| is_stray(o, &served) && leads.iter().any(Leads::holds)) {
            tell(&client, stray).await;
        }
        tokio::select! {
            () = async { touched.notified().await; tokio::time::sleep(PATIENCE).await } => {}
            () = tokio::time::sleep(PATIENCE) => {}
            changed = stop.changed() => if changed.is_err() { return },
        }
    }
}

fn is_stray(object: &PartialObjectMeta<ExecAccess>, served: &BTreeSet<String>) -> bool {
    let age = object.creation_timestamp().map_or(0, |t| jiff::Timestamp::now().duration_since(t.0).as_secs());
    let reported = object.managed_fields().iter().any(|m| m.subresource.as_deref() == Some("status"));
    let patience = i64::try_from(PATIENCE.as_secs()).unwrap_or(i64::MAX);
    !reported && age >= patience && object.namespace().is_some_and(|n| !served.contains(&n))
}

async fn tell(client: &Client, stray: &PartialObjectMeta<ExecAccess>) {
    let (namespace, name) = (stray.namespace().unwrap_or_default(), stray.name_any());
    let api: Api<ExecAccess> = Api::namespaced(client.clone(), &namespace);
    let access = match request(format!("read ExecAccess {namespace}/{name}"), api.get(&name)).await {
        Ok(access) => access,
        Err(error) => return tracing::debug!(error = %error.chain(), "a stray was not read"),
    };
    let message = format!(
        "{namespace} is not the namespace of an Argo CD instance that the operator serves, so nothing is done; create the object in the namespace of argocd-cm"
    );
    let now = Time(jiff::Timestamp::now());
    let say = |kind| condition(kind, &Verdict::no(Reason::NotAnInstance, message.clone()), access.metadata.generation, &[], &now);
    let conditions = vec![say(ConditionType::Accepted), say(ConditionType::Ready)];
    let status = ExecAccessStatus { observed_generation: access.metadata.generation, conditions, ..ExecAccessStatus::default() };
    if let Err(error) = report::write_status(client, &access, &status).await {
        tracing::warn!(error = %error.chain(), "a stray was not told");
    }
}
