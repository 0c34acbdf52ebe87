//! The only writer of shared objects: sends a plan's writes, in their order, each within a time limit.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{DeleteParams, DynamicObject, ListParams, Patch, PatchParams, Preconditions};
use kube::core::{ApiResource, GroupVersionKind, NamespaceResourceScope};
use kube::{Api, Client, Resource};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::lease::Leads;
use super::outlets::{Hub, Outlets};
use super::recent::Recent;
use super::{RequestError, request};
use crate::api::FIELD_MANAGER;
use crate::argocd::ARGOCD_CM;
use crate::metrics::Metrics;
use crate::ownership::behalf::{self, Name};
use crate::reconcile::declared::Plan;
use crate::reconcile::{Action, Direction, Failures, Kind, Target, Write};

/// What became of a plan's writes.
#[derive(Debug)]
pub struct Outcome<Applied> {
    /// The plan, now applied.
    pub plan: Applied,
    /// What went wrong, by layer.
    pub failures: Failures,
    /// A write was refused because our picture was old: look again.
    pub stale: bool,
    /// Writes that went through.
    pub done: Vec<Target>,
    /// The uids of Secrets that were made or changed: who made one knows it again by that.
    pub secrets: BTreeMap<Target, String>,
}

/// A resource of ours, by whose objects something is declared.
pub trait Declared: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + DeserializeOwned + Debug {}

impl<K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + DeserializeOwned + Debug> Declared for K {}

/// How long an answer to what is still declared counts.
const FRESH: Duration = Duration::from_secs(1);

/// Sends the writes. Before anything is given, the API server itself is asked whether it is still declared: this process may have been
/// stopped since it looked, and its watches may be behind by as much. A failure of a narrowing write never keeps another narrowing one from being sent; it keeps all widening ones back,
/// since the plan holds these only when nothing is left to be taken away. An old picture stops the rest of the plan.
pub async fn apply<P>(
    client: &Client,
    outlets: &dyn Outlets,
    namespace: &str,
    plan: P,
    leads: &Leads,
    recent: &mut Recent,
    metrics: &Metrics,
) -> Outcome<P::Applied>
where
    P: Plan,
    P::Object: Declared,
{
    let mut failures: Failures = BTreeMap::new();
    let (mut stale, mut done, mut secrets) = (false, Vec::new(), BTreeMap::new());
    let mut asked: Option<Instant> = None;
    for write in plan.writes() {
        if !leads.holds() {
            tracing::warn!(object = %write.target, "nothing is written without the Lease");
            stale = true;
            break;
        }
        if write.gives() && !stale && asked.is_none_or(|when| when.elapsed() > FRESH) {
            asked = Some(Instant::now());
            match still_declared(client, namespace, &plan).await {
                Ok(still) => stale = !still,
                Err(error) => {
                    let chain = error.chain();
                    tracing::warn!(object = %write.target, error = %chain, "nothing is given while it is not known whether it is still declared");
                    failures.entry(write.layer).or_default().push(chain);
                    break;
                }
            }
        }
        if stale && write.direction != Direction::Narrow {
            break;
        }
        match send(outlets, write, recent).await {
            Ok(uid) => {
                secrets.extend(uid.map(|uid| (write.target.clone(), uid)));
                tracing::info!(object = %write.target, direction = ?write.direction, why = write.why, "written");
                metrics.written(write.target.kind, "ok");
                done.push(write.target.clone());
            }
            // 409: somebody wrote in between. 404: the object went (or, for one to be made, its namespace is missing, which is a failure).
            // Both mean: look again.
            Err(error) if error.code() == Some(409) || (error.code() == Some(404) && write.action.is_for_what_was_seen()) => {
                tracing::debug!(object = %write.target, error = %error.chain(), "the picture was old");
                metrics.written(write.target.kind, "stale");
                stale = true;
            }
            Err(error) => {
                let chain = error.chain();
                tracing::warn!(object = %write.target, why = write.why, error = %chain, "a write failed");
                metrics.written(write.target.kind, "failed");
                failures.entry(write.layer).or_default().push(chain);
            }
        }
    }
    Outcome { plan: plan.applied(), failures, stale, done, secrets }
}

/// Sends one write of its own, outside of any plan.
///
/// # Errors
/// When the API server refuses, cannot be reached, or does not answer in time.
pub async fn send_alone(client: &Client, write: &Write) -> Result<(), RequestError> {
    send(&Hub(client.clone()), write, &mut Recent::default()).await.map(drop)
}

/// Asks the API server itself; an answer of the watches would be as old as they are.
async fn still_declared<P: Plan>(client: &Client, namespace: &str, plan: &P) -> Result<bool, RequestError>
where
    P::Object: Declared,
{
    let api: Api<P::Object> = Api::namespaced(client.clone(), namespace);
    let declared = request("list what is still declared", async move { api.list_metadata(&ListParams::default()).await }).await?;
    let config_maps: Api<ConfigMap> = Api::namespaced(client.clone(), namespace);
    let argocd_cm = request("read whether everything is stopped", config_maps.get_metadata_opt(ARGOCD_CM)).await?;
    let (accesses, argocd_cm) = (declared.items.iter().map(|object| &object.metadata), argocd_cm.as_ref().map(|object| &object.metadata));
    Ok(plan.is_still_declared(accesses, argocd_cm, jiff::Timestamp::now()))
}

/// Sends one write; of a Secret the uid comes back.
async fn send(outlets: &dyn Outlets, write: &Write, recent: &mut Recent) -> Result<Option<String>, RequestError> {
    let unsent = |why| RequestError::Unsent { action: format!("write {}", write.target), why };
    let api = api(&outlets.client(write.target.kind).map_err(unsent)?, &write.target);
    let name = &write.target.name;
    let unsealed = match &write.action {
        Action::Sealed(seal, body) => Some(outlets.unseal(*seal, body).map_err(unsent)?),
        _ => None,
    };
    match unsealed.as_ref().unwrap_or(&write.action) {
        Action::Sealed(..) => return Err(unsent("it is sealed still".to_owned())),
        Action::Apply(body) if write.target.kind.is_secret() => {
            let params = PatchParams { force: write.action.is_for_what_was_seen(), ..PatchParams::apply(FIELD_MANAGER) };
            // Only metadata come back.
            return Ok(request(format!("apply {}", write.target), api.patch_metadata(name, &params, &Patch::Apply(body))).await?.metadata.uid);
        }
        Action::Merge(patch) if write.target.kind.is_secret() => {
            let params = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
            return Ok(request(format!("patch {}", write.target), api.patch_metadata(name, &params, &Patch::Merge(patch))).await?.metadata.uid);
        }
        Action::Apply(body) => {
            let params = PatchParams { force: write.action.is_for_what_was_seen(), ..PatchParams::apply(FIELD_MANAGER) };
            let object = request(format!("apply {}", write.target), api.patch(name, &params, &Patch::Apply(body))).await?;
            remember(&write.target, &object, recent);
        }
        Action::Merge(patch) => {
            let object = merge(&api, &write.target, FIELD_MANAGER, patch).await?;
            remember(&write.target, &object, recent);
        }
        Action::InName { name: owner, patch } => {
            let object = in_name(&api, &write.target, owner, patch).await?;
            remember(&write.target, &object, recent);
        }
        Action::Delete { uid, resource_version } => {
            let preconditions = Preconditions { uid: Some(uid.clone()), resource_version: Some(resource_version.clone()) };
            let params = DeleteParams { preconditions: Some(preconditions), ..DeleteParams::default() };
            match request(format!("delete {}", write.target), api.delete(name, &params)).await {
                Ok(_) => recent.gone(&write.target, uid),
                Err(error) if error.code() == Some(404) => recent.gone(&write.target, uid),
                Err(error) => return Err(error),
            }
        }
    }
    Ok(None)
}

async fn merge(api: &Api<DynamicObject>, target: &Target, manager: &str, patch: &Value) -> Result<DynamicObject, RequestError> {
    let params = PatchParams { field_manager: Some(manager.to_owned()), ..PatchParams::default() };
    request(format!("patch {target}"), api.patch(&target.name, &params, &Patch::Merge(patch))).await
}

/// What an apply in the owner's name would do is looked at before it is done: an apply takes away what it leaves out.
async fn in_name(api: &Api<DynamicObject>, target: &Target, owner: &Name, patch: &Value) -> Result<DynamicObject, RequestError> {
    if !owner.applies {
        return merge(api, target, &owner.manager, patch).await;
    }
    let live = json(&request(format!("get {target}"), api.get(&target.name)).await?);
    let mut params = PatchParams::apply(&owner.manager).force();
    if let Some(body) = behalf::apply_of(&live, patch, &owner.manager) {
        let body = Patch::Apply(body);
        params.dry_run = true;
        let answer = request(format!("try to apply {target}"), api.patch(&target.name, &params, &body)).await?;
        params.dry_run = false;
        if behalf::is_exactly(&live, patch, &owner.manager, &json(&answer)) {
            return request(format!("apply {target}"), api.patch(&target.name, &params, &body)).await;
        }
    }
    tracing::info!(object = %target, owner = owner.manager, "it cannot be written in the owner's name; our entry is taken away with the next write");
    merge(api, target, FIELD_MANAGER, patch).await
}

fn json(object: &DynamicObject) -> Value {
    serde_json::to_value(object).unwrap_or_default()
}

fn remember(target: &Target, object: &DynamicObject, recent: &mut Recent) {
    if target.kind.is_remote() {
        // A remote cluster is looked at again instead.
        return;
    }
    // An object whose last finalizer we dropped is gone with this very answer.
    let released = object.metadata.deletion_timestamp.is_some() && object.metadata.finalizers.as_ref().is_none_or(Vec::is_empty);
    match (released, serde_json::to_value(object)) {
        (true, _) => recent.gone(target, object.metadata.uid.as_deref().unwrap_or_default()),
        (false, Ok(value)) => recent.is(target, value),
        (false, Err(_)) => {}
    }
}

fn api(client: &Client, target: &Target) -> Api<DynamicObject> {
    let resource = resource(target.kind);
    match &target.namespace {
        Some(namespace) => Api::namespaced_with(client.clone(), namespace, &resource),
        None => Api::all_with(client.clone(), &resource),
    }
}

fn resource(kind: Kind) -> ApiResource {
    let (api_version, kind, plural) = kind.names();
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(group, version, kind), plural)
}
