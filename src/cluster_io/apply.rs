//! The only writer of shared objects: sends a plan's writes, in their order, each within a time limit.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use futures::future::BoxFuture;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{DeleteParams, DynamicObject, ListParams, Patch, PatchParams, Preconditions};
use kube::core::{ApiResource, GroupVersionKind, NamespaceResourceScope};
use kube::{Api, Client, Resource};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::lease::Leads;
use super::outlets::{Hub, Outlets};
use super::recent::Recent;
use super::{RequestError, request, some_at_once};
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
/// So many are sent before it is asked again whether they may be.
const GROUP: usize = 64;

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
    for group in groups(plan.writes()) {
        let Some(first) = group.first() else { continue };
        if group.iter().any(Write::gives) && !stale && asked.is_none_or(|when| when.elapsed() > FRESH) {
            asked = Some(Instant::now());
            match still_declared(client, namespace, &plan).await {
                Ok(still) => stale = !still,
                Err(error) => {
                    let chain = error.chain();
                    tracing::warn!(object = %first.target, error = %chain, "nothing is given while it is not known whether it is still declared");
                    failures.entry(first.layer).or_default().push(chain);
                    break;
                }
            }
        }
        if stale && first.direction != Direction::Narrow {
            break;
        }
        for (write, answer) in group.iter().zip(send_all(outlets, group, leads).await) {
            match answer {
                Some(Ok(Answer { uid, object })) => {
                    secrets.extend(uid.map(|uid| (write.target.clone(), uid)));
                    remember(write, object.as_ref(), recent);
                    tracing::info!(object = %write.target, direction = ?write.direction, why = write.why, "written");
                    metrics.written(write.target.kind, "ok");
                    done.push(write.target.clone());
                }
                None => {
                    tracing::debug!(object = %write.target, "not written: the picture was old, or the Lease is lost");
                    stale = true;
                }
                Some(Err(error)) if is_old(write, &error) => {
                    tracing::debug!(object = %write.target, error = %error.chain(), "the picture was old");
                    metrics.written(write.target.kind, "stale");
                    stale = true;
                }
                Some(Err(error)) => {
                    let chain = error.chain();
                    tracing::warn!(object = %write.target, why = write.why, error = %chain, "a write failed");
                    metrics.written(write.target.kind, "failed");
                    failures.entry(write.layer).or_default().push(chain);
                }
            }
        }
        if !leads.holds() {
            tracing::warn!(object = %first.target, "nothing is written without the Lease");
            stale = true;
            break;
        }
    }
    Outcome { plan: plan.applied(), failures, stale, done, secrets }
}

/// The writes in their order, those together that may overtake one another: in one layer and direction, each to another object of one kind.
fn groups(writes: &[Write]) -> impl Iterator<Item = &[Write]> {
    let alike = |one: &Write, other: &Write| {
        (one.layer, one.direction, one.target.kind) == (other.layer, other.direction, other.target.kind) && one.target != other.target
    };
    writes.chunk_by(alike).flat_map(|group| group.chunks(GROUP))
}

/// Whether a write was refused because somebody wrote in between (409), or because the object went (404; for one to be made that means that
/// its namespace is missing, which is a failure). Both mean: look again.
fn is_old(write: &Write, error: &RequestError) -> bool {
    error.code() == Some(409) || (error.code() == Some(404) && write.action.is_for_what_was_seen())
}

/// Sends the writes of a group, some at once; the answers come in the order of the writes. `None`: it was not sent any more, because the
/// picture turned out to be old, which no withdrawal minds, or because somebody else may write by now.
async fn send_all(outlets: &dyn Outlets, group: &[Write], leads: &Leads) -> Vec<Option<Result<Answer, RequestError>>> {
    let old = AtomicBool::new(false);
    let mut all: Vec<BoxFuture<'_, _>> = Vec::with_capacity(group.len());
    for write in group {
        let old = &old;
        all.push(Box::pin(async move {
            if !leads.holds() || old.load(Ordering::Relaxed) {
                return None;
            }
            let answer = send(outlets, write).await;
            if write.direction != Direction::Narrow && answer.as_ref().is_err_and(|error| is_old(write, error)) {
                old.store(true, Ordering::Relaxed);
            }
            Some(answer)
        }));
    }
    some_at_once(all).await
}

/// Sends one write of its own, outside of any plan.
///
/// # Errors
/// When the API server refuses, cannot be reached, or does not answer in time.
pub async fn send_alone(client: &Client, write: &Write) -> Result<(), RequestError> {
    send(&Hub(client.clone()), write).await.map(drop)
}

/// Asks the API server itself; an answer of the watches would be as old as they are.
async fn still_declared<P: Plan>(client: &Client, namespace: &str, plan: &P) -> Result<bool, RequestError>
where
    P::Object: Declared,
{
    let api: Api<P::Object> = Api::namespaced(client.clone(), namespace);
    let config_maps: Api<ConfigMap> = Api::namespaced(client.clone(), namespace);
    let (declared, argocd_cm) = tokio::try_join!(
        request("list what is still declared", async move { api.list_metadata(&ListParams::default()).await }),
        request("read whether everything is stopped", config_maps.get_metadata_opt(ARGOCD_CM)),
    )?;
    let (accesses, argocd_cm) = (declared.items.iter().map(|object| &object.metadata), argocd_cm.as_ref().map(|object| &object.metadata));
    Ok(plan.is_still_declared(accesses, argocd_cm, jiff::Timestamp::now()))
}

/// What came back of a write.
#[derive(Default)]
struct Answer {
    /// Of a Secret that was made or changed.
    uid: Option<String>,
    /// The object as it is now; `None` for a Secret, and for one that was deleted.
    object: Option<DynamicObject>,
}

/// Sends one write.
async fn send(outlets: &dyn Outlets, write: &Write) -> Result<Answer, RequestError> {
    let unsent = |why| RequestError::Unsent { action: format!("write {}", write.target), why };
    let api = api(&outlets.client(write.target.kind).map_err(unsent)?, &write.target);
    let name = &write.target.name;
    let unsealed = match &write.action {
        Action::Sealed(seal, body) => Some(outlets.unseal(*seal, body).map_err(unsent)?),
        _ => None,
    };
    let apply = || PatchParams { force: write.action.is_for_what_was_seen(), ..PatchParams::apply(FIELD_MANAGER) };
    let object = match unsealed.as_ref().unwrap_or(&write.action) {
        Action::Sealed(..) => return Err(unsent("it is sealed still".to_owned())),
        Action::Apply(body) if write.target.kind.is_secret() => {
            // Only metadata come back.
            let written = request(format!("apply {}", write.target), api.patch_metadata(name, &apply(), &Patch::Apply(body))).await?;
            return Ok(Answer { uid: written.metadata.uid, object: None });
        }
        Action::Merge(patch) if write.target.kind.is_secret() => {
            let params = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
            let written = request(format!("patch {}", write.target), api.patch_metadata(name, &params, &Patch::Merge(patch))).await?;
            return Ok(Answer { uid: written.metadata.uid, object: None });
        }
        Action::Apply(body) => request(format!("apply {}", write.target), api.patch(name, &apply(), &Patch::Apply(body))).await?,
        Action::Merge(patch) => merge(&api, &write.target, FIELD_MANAGER, patch).await?,
        Action::InName { name: owner, patch } => in_name(&api, &write.target, owner, patch).await?,
        Action::Delete { uid, resource_version } => {
            let preconditions = Preconditions { uid: Some(uid.clone()), resource_version: Some(resource_version.clone()) };
            let params = DeleteParams { preconditions: Some(preconditions), ..DeleteParams::default() };
            match request(format!("delete {}", write.target), api.delete(name, &params)).await {
                Ok(_) => {}
                Err(error) if error.code() == Some(404) => {}
                Err(error) => return Err(error),
            }
            return Ok(Answer::default());
        }
    };
    Ok(Answer { uid: None, object: Some(object) })
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

fn remember(write: &Write, object: Option<&DynamicObject>, recent: &mut Recent) {
    let target = &write.target;
    if let Action::Delete { uid, .. } = &write.action {
        recent.gone(target, uid);
    }
    let Some(object) = object.filter(|_| !target.kind.is_remote()) else {
        // A remote cluster is looked at again instead.
        return;
    };
    // An object whose last finalizer we dropped is gone with this very answer.
    let released = object.metadata.deletion_timestamp.is_some() && object.metadata.finalizers.as_ref().is_none_or(Vec::is_empty);
    match (released, serde_json::to_value(object)) {
        (true, _) => recent.gone(target, object.metadata.uid.as_deref().unwrap_or_default()),
        (false, Ok(value)) => recent.is(target, &value),
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

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use serde_json::json;

    use super::*;
    use crate::reconcile::Layer;

    fn write(kind: Kind, name: &str, layer: Layer, direction: Direction) -> Write {
        Write { target: Target::namespaced(kind, "shop", name), layer, direction, action: Action::Merge(json!({})), why: "" }
    }

    #[test]
    fn only_writes_of_one_layer_direction_and_kind_to_different_objects_may_overtake_one_another() {
        let writes = [
            write(Kind::ExecAccess, "a", Layer::Finalizer, Direction::Keep),
            write(Kind::ExecAccess, "b", Layer::Finalizer, Direction::Keep),
            write(Kind::RoleBinding, "a", Layer::Server, Direction::Narrow),
            write(Kind::RoleBinding, "b", Layer::Server, Direction::Widen),
            write(Kind::RoleBinding, "c", Layer::Server, Direction::Widen),
            write(Kind::ClusterRoleBinding, "c", Layer::Server, Direction::Widen),
            write(Kind::ConfigMap, "cm", Layer::Policy, Direction::Widen),
            write(Kind::ConfigMap, "cm", Layer::Policy, Direction::Widen),
        ];
        assert_eq!(groups(&writes).map(<[_]>::len).collect::<Vec<_>>(), [2, 1, 2, 1, 1, 1]);
    }

    /// An API server to which the object `old` was changed by somebody else meanwhile; and what was sent to it.
    fn server() -> (Hub, Arc<Mutex<Vec<String>>>) {
        let sent = Arc::new(Mutex::new(Vec::new()));
        let noted = Arc::clone(&sent);
        let answer = tower::service_fn(move |request: http::Request<kube::client::Body>| {
            let name = request.uri().path().rsplit('/').next().unwrap_or_default().to_owned();
            noted.lock().unwrap().push(name.clone());
            let (code, body) = match name.as_str() {
                "old" => {
                    (409, json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "Conflict", "message": "changed", "code": 409}))
                }
                _ => (200, json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}})),
            };
            std::future::ready(http::Response::builder().status(code).body(kube::client::Body::from(body.to_string().into_bytes())))
        });
        (Hub(Client::new(answer, "shop")), sent)
    }

    #[tokio::test]
    async fn an_old_picture_keeps_the_rest_of_its_group_from_being_given_and_nothing_from_being_taken_away() {
        for (direction, all) in [(Direction::Widen, false), (Direction::Keep, false), (Direction::Narrow, true)] {
            let (hub, sent) = server();
            let names: Vec<String> = std::iter::once("old".to_owned()).chain((0..40).map(|n| n.to_string())).collect();
            let group: Vec<Write> = names.iter().map(|name| write(Kind::ConfigMap, name, Layer::Policy, direction)).collect();
            let answers = send_all(&hub, &group, &Leads::always()).await;
            let sent = sent.lock().unwrap().clone();
            assert_eq!(answers.len(), group.len());
            assert_eq!(sent.len() == group.len(), all, "{direction:?}: {sent:?}");
            // What was on its way beside it is done, and said to be.
            assert_eq!(answers.iter().flatten().count(), sent.len(), "{direction:?}");
        }
    }

    #[test]
    fn it_is_asked_again_before_long_whether_what_is_given_is_still_declared() {
        let many: Vec<_> = (0..150).map(|n| write(Kind::RoleBinding, &n.to_string(), Layer::Server, Direction::Widen)).collect();
        assert_eq!(groups(&many).map(<[_]>::len).collect::<Vec<_>>(), [GROUP, GROUP, 150 - 2 * GROUP]);
    }
}
