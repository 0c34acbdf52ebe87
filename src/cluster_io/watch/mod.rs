//! One task for each kind that is watched: a store of what is there, and whether it can be believed.
//!
//! Each watch has a backoff of its own: with kube's `Controller` one failing watch starves all the others. Of a kind that a cluster may
//! well not have, none is there while its CustomResourceDefinition is missing: no failure, and asked after from time to time.
//!
//! A watch that is taken up again says nothing until something changes, so after a failure it would not be known to work. Each failure ends
//! it, and as soon as the API server takes one again its next life begins with a list.

pub mod departed;
mod health;
mod raw;
mod source;
mod store;

use std::sync::Arc;

use kube::runtime::watcher;
use kube::{Api, Client, Resource};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use self::departed::Departed;
pub use self::health::{Health, Probe};
use self::raw::{Path, Raw};
use self::source::Source;
use self::store::{Keep, Keeper, Store};
use super::parsed::{Parsed, Watched};
use crate::ownership::owner::forget_applied;
use crate::reconcile::seen::{NotSeen, Seen};

/// A running watch. It ends when this is dropped.
pub struct Watch<T: Watched> {
    store: Store<T>,
    /// How it is doing.
    pub probe: Probe,
    /// What it saw go.
    pub departed: Departed,
    task: JoinHandle<()>,
}

impl<T: Watched> Drop for Watch<T> {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl<T: Watched> Watch<T> {
    /// Starts to watch. `prune` drops what is not needed before it is kept; `touched` is told of every change.
    pub fn start(kind: &'static str, api: Api<Parsed<T>>, config: watcher::Config, prune: fn(&mut T), touched: Vec<Arc<Notify>>) -> Self {
        Self::spawn(kind, api, config, prune, touched, false)
    }

    /// The same for a kind that a cluster may do without: while it is not there, none of it is.
    pub fn start_optional(kind: &'static str, api: Api<Parsed<T>>, config: watcher::Config, prune: fn(&mut T), touched: Vec<Arc<Notify>>) -> Self {
        Self::spawn(kind, api, config, prune, touched, true)
    }

    fn spawn(kind: &'static str, api: Api<Parsed<T>>, config: watcher::Config, prune: fn(&mut T), touched: Vec<Arc<Notify>>, optional: bool) -> Self {
        let (store, departed, probe) = (Store::default(), Departed::default(), Probe::new(kind));
        let keeper = Box::new(Keeper { store: store.clone(), listing: Vec::new(), prune, departed: departed.clone() });
        let follow = if T::metadata_only() { follow::<true> } else { follow::<false> };
        let task = follow(&Path(api.resource_url().to_owned()), api.into_client(), config, touched, optional, probe.clone(), keeper);
        Self { store, probe, departed, task }
    }

    /// Everything that is there, sorted by namespace and name; or why that is not known.
    ///
    /// # Errors
    /// When the API server refuses, or has not answered yet.
    pub fn all(&self) -> Seen<Vec<Arc<T>>> {
        let health = self.probe.health();
        if let Some((_, why)) = health.refused {
            return Err(NotSeen { kind: self.probe.kind, why });
        }
        if !health.synced() && !health.absent {
            let why = health.broken.map_or_else(|| "no answer yet".to_owned(), |(_, why)| why);
            return Err(NotSeen { kind: self.probe.kind, why });
        }
        if health.absent {
            return Ok(Vec::new());
        }
        Ok(self.store.all())
    }
}

fn follow<const METADATA_ONLY: bool>(
    path: &Path,
    client: Client,
    config: watcher::Config,
    touched: Vec<Arc<Notify>>,
    optional: bool,
    probe: Probe,
    keeper: Box<dyn Keep>,
) -> JoinHandle<()> {
    let api = Api::<Raw<METADATA_ONLY>>::all_with(client, path);
    tokio::spawn(Source { api, config, touched, optional, probe, keeper }.keep())
}

/// Drops what only tells who has set what, of kinds of which that does not matter. It is often more than the object itself.
pub fn without_history<K: Resource>(object: &mut K) {
    object.meta_mut().managed_fields = None;
    forget_applied(object.meta_mut());
}

/// Keeps the object as it is.
pub fn whole<K>(_: &mut K) {}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use k8s_openapi::api::core::v1::{Namespace, Node};
    use kube::client::Body;
    use kube::core::PartialObjectMeta;
    use serde_json::json;

    use super::*;

    /// What is asked of an API server: the path, and which form is wanted.
    type Asked = Arc<Mutex<Vec<(String, String)>>>;

    /// One that refuses everything.
    fn server() -> (Client, Asked) {
        let asked = Asked::default();
        let noted = Arc::clone(&asked);
        let answer = tower::service_fn(move |request: http::Request<Body>| {
            let accept = request.headers().get("accept").map(|form| form.to_str().unwrap().to_owned());
            noted.lock().unwrap().push((request.uri().path().to_owned(), accept.unwrap_or_default()));
            let no = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "Forbidden", "message": "no", "code": 403});
            std::future::ready(http::Response::builder().status(403).body(Body::from(no.to_string().into_bytes())))
        });
        (Client::new(answer, "shop"), asked)
    }

    #[tokio::test]
    async fn only_metadata_are_asked_for_where_no_more_is_kept() {
        let (client, asked) = server();
        let touched = Arc::new(Notify::new());
        let told = || vec![Arc::clone(&touched)];
        let nodes: Watch<PartialObjectMeta<Node>> = Watch::start("nodes", Api::all(client.clone()), watcher::Config::default(), whole, told());
        touched.notified().await;
        let namespaces: Watch<Namespace> = Watch::start("namespaces", Api::all(client), watcher::Config::default(), whole, told());
        touched.notified().await;
        let asked = asked.lock().unwrap().clone();
        assert!(nodes.all().is_err() && namespaces.all().is_err());
        assert_eq!([asked[0].0.as_str(), asked[1].0.as_str()], ["/api/v1/nodes", "/api/v1/namespaces"]);
        assert!(asked[0].1.contains("as=PartialObjectMetadataList") && !asked[1].1.contains("PartialObjectMetadata"), "{asked:?}");
    }

    #[test]
    fn without_its_history_an_object_has_all_else() {
        let mut namespace: Namespace = serde_json::from_value(json!({"metadata": {
            "name": "shop", "labels": {"team": "shop"},
            "annotations": {"example.com/kept": "yes", "kubectl.kubernetes.io/last-applied-configuration": "{\"metadata\":{}}"},
            "managedFields": [{"manager": "kubectl", "operation": "Apply", "fieldsV1": {"f:metadata": {}}}],
        }}))
        .unwrap();
        without_history(&mut namespace);
        let kept = json!({"name": "shop", "labels": {"team": "shop"}, "annotations": {"example.com/kept": "yes"}});
        assert_eq!(serde_json::to_value(&namespace.metadata).unwrap(), kept);
    }
}
