//! One task for each kind that is watched: a store of what is there, and whether it can be believed.
//!
//! Each watch has a backoff of its own: with kube's `Controller` one failing watch starves all the others. Of a kind that a cluster may
//! well not have, none is there while its CustomResourceDefinition is missing: no failure, and asked after from time to time.
//!
//! A watch that is taken up again says nothing until something changes, so after a failure it would not be known to work. Each failure ends
//! it, and as soon as the API server takes one again its next life begins with a list.

use std::cmp::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures::StreamExt;
use kube::api::{ListParams, ObjectMeta, WatchParams};
use kube::runtime::reflector::store::Writer;
use kube::runtime::reflector::{self, Store};
use kube::runtime::utils::Backoff;
use kube::runtime::watcher::{self, DefaultBackoff, Event};
use kube::runtime::{WatchStreamExt, watcher as watch};
use kube::{Api, Resource};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use super::departed::Departed;
use super::parsed::{Parsed, Watched};
use super::{REQUEST_TIMEOUT, describe};
use crate::ownership::owner::forget_applied;
use crate::reconcile::seen::{NotSeen, Seen};

/// How often it is asked whether a kind is there that a cluster may do without.
const ABSENT: Duration = Duration::from_secs(10);
/// The longest pause of a watch that fails.
const LONGEST: Duration = Duration::from_secs(10);

/// The pauses of a watch that fails: client-go's, but for the longest, which a withdrawal may have to wait for.
#[derive(Default)]
struct Pauses(DefaultBackoff);

impl Iterator for Pauses {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        self.0.next().map(|pause| pause.min(LONGEST))
    }
}

impl Backoff for Pauses {
    fn reset(&mut self) {
        self.0.reset();
    }
}

/// How one watch is doing.
#[derive(Clone, Debug, Default)]
pub struct Health {
    /// How often a fresh list was asked for.
    asked: u64,
    /// The last list that is complete: which of them it is.
    listed: Option<u64>,
    /// The API server refuses: since when, and what it says.
    refused: Option<(Instant, String)>,
    /// It does not work for another reason, such as a lost connection.
    broken: Option<(Instant, String)>,
    /// The cluster does not know the kind, and need not.
    absent: bool,
}

impl Health {
    /// Whether it is known what can be known: the list is there, or it is refused, or there is no such kind.
    #[must_use]
    pub fn settled(&self) -> bool {
        self.synced() || self.absent || self.refused.is_some()
    }

    /// Whether the list is there that was asked for last.
    fn synced(&self) -> bool {
        self.listed == Some(self.asked)
    }

    /// What the API server says when it refuses.
    #[must_use]
    pub fn refusal(&self) -> Option<&str> {
        self.refused.as_ref().map(|(_, why)| why.as_str())
    }

    /// How long it has been failing, for whatever reason.
    #[must_use]
    pub fn failing_for(&self) -> Option<Duration> {
        self.refused.as_ref().or(self.broken.as_ref()).map(|(since, _)| since.elapsed())
    }

    /// How long it has been failing for a reason that a restart of ours may mend.
    #[must_use]
    pub fn stuck_for(&self) -> Option<Duration> {
        self.broken.as_ref().map(|(since, _)| since.elapsed())
    }
}

/// The health of one watch, shared with whoever reports it.
#[derive(Clone, Debug)]
pub struct Probe {
    /// The kind, in the plural.
    pub kind: &'static str,
    health: Arc<Mutex<Health>>,
    /// Tells the watch to list afresh.
    again: Arc<Notify>,
}

impl Probe {
    /// How it is doing now.
    #[must_use]
    pub fn health(&self) -> Health {
        self.health.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Has everything listed afresh; until that is done, nothing is known.
    pub fn refresh(&self) {
        self.note(|h| h.asked += 1);
        self.again.notify_one();
    }

    fn note(&self, change: impl FnOnce(&mut Health)) {
        change(&mut self.health.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

/// A running watch. It ends when this is dropped.
pub struct Watch<T: Watched> {
    store: Store<Parsed<T>>,
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
        let (store, writer) = reflector::store();
        let (probe, departed) = (Probe { kind, health: Arc::default(), again: Arc::default() }, Departed::default());
        let source = Source { api, config, prune, touched, optional, probe: probe.clone(), departed: departed.clone() };
        Self { store, probe, departed, task: tokio::spawn(source.keep(writer)) }
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
        let mut all: Vec<Arc<T>> = self.store.state().iter().map(|object| Arc::clone(&object.0)).collect();
        all.sort_by(|one, other| by_name(one.metadata(), other.metadata()));
        Ok(all)
    }
}

fn by_name(one: &ObjectMeta, other: &ObjectMeta) -> Ordering {
    (&one.namespace, &one.name).cmp(&(&other.namespace, &other.name))
}

/// Why a watch ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ended {
    /// There is no such kind, and need not be.
    Absent,
    /// The API server does not go on with it.
    Failed,
    /// The stream has ended, which it never does by itself.
    Stream,
}

/// What is watched, and who is told.
struct Source<T: Watched> {
    api: Api<Parsed<T>>,
    config: watcher::Config,
    prune: fn(&mut T),
    touched: Vec<Arc<Notify>>,
    optional: bool,
    probe: Probe,
    departed: Departed,
}

impl<T: Watched> Source<T> {
    /// Keeps the store as the API server has it. Each life of the watch begins with a list; there is one for ever, unless it fails, the
    /// kind comes and goes or a fresh list is asked for.
    async fn keep(self, mut writer: Writer<Parsed<T>>) {
        let mut backoff = Pauses::default();
        loop {
            let ended = tokio::select! {
                ended = self.follow(&mut writer) => ended,
                () = self.probe.again.notified() => continue,
            };
            match ended {
                Ended::Stream => break,
                Ended::Absent => tokio::select! {
                    () = tokio::time::sleep(ABSENT) => {}
                    () = self.probe.again.notified() => {}
                },
                Ended::Failed => tokio::select! {
                    () = self.until_taken(&mut backoff) => {}
                    () = self.probe.again.notified() => {}
                },
            }
        }
    }

    fn tell(&self) {
        self.touched.iter().for_each(|told| told.notify_one());
    }

    /// Watches until the stream ends, until it fails after its list was there, or until it turns out that there is no such kind, and need
    /// not be.
    async fn follow(&self, writer: &mut Writer<Parsed<T>>) -> Ended {
        let asked = self.probe.health().asked;
        let prune = self.prune;
        let stream = watch::watcher(self.api.clone(), self.config.clone());
        let stream = stream.modify(move |object| prune(Arc::make_mut(&mut object.0))).backoff(Pauses::default());
        let mut stream = std::pin::pin!(stream);
        while let Some(event) = stream.next().await {
            if let Ok(event) = &event {
                // Noted first: who looks in between must not miss it.
                if let Event::Delete(object) = event
                    && let Some(uid) = &object.meta().uid
                {
                    self.departed.note(uid.clone(), Instant::now());
                }
                writer.apply_watcher_event(event);
            }
            let gone = self.optional && event.as_ref().is_err_and(is_absent);
            let lost = event.as_ref().is_err_and(does_not_list_again);
            let tell = match event {
                Ok(Event::Init | Event::InitApply(_)) => false,
                Ok(Event::InitDone) => {
                    self.probe.note(|h| *h = Health { asked: h.asked, listed: Some(asked), ..Health::default() });
                    true
                }
                Ok(Event::Apply(_) | Event::Delete(_)) => {
                    self.probe.note(|h| {
                        h.refused = None;
                        h.broken = None;
                    });
                    true
                }
                Err(_) if gone => {
                    let before = self.probe.health();
                    self.probe.note(|h| *h = Health { asked: h.asked, absent: true, ..Health::default() });
                    if !before.absent {
                        tracing::debug!(kind = self.probe.kind, "the cluster has no such kind");
                    }
                    !before.absent
                }
                Err(error) => failed(&self.probe, &error),
            };
            if tell {
                self.tell();
            }
            if gone {
                return Ended::Absent;
            }
            if lost {
                return Ended::Failed;
            }
        }
        Ended::Stream
    }

    /// Waits until the API server takes a watch, later each time.
    async fn until_taken(&self, backoff: &mut Pauses) {
        loop {
            tokio::time::sleep(backoff.next().unwrap_or(ABSENT)).await;
            match tokio::time::timeout(REQUEST_TIMEOUT, self.take()).await {
                Ok(Ok(())) => return,
                Ok(Err(error)) if self.optional && is_absent(&error) => return,
                Ok(Err(error)) => {
                    if failed(&self.probe, &error) {
                        self.tell();
                    }
                }
                Err(_) => tracing::warn!(kind = self.probe.kind, "a watch was not taken in time; it is tried again"),
            }
        }
    }

    /// Begins a watch, from now on, and lets it go.
    async fn take(&self) -> Result<(), watcher::Error> {
        let (label_selector, field_selector) = (self.config.label_selector.clone(), self.config.field_selector.clone());
        let one =
            ListParams { label_selector: label_selector.clone(), field_selector: field_selector.clone(), limit: Some(1), ..ListParams::default() };
        let now = self.api.list(&one).await.map_err(watcher::Error::InitialListFailed)?.metadata.resource_version;
        let params = WatchParams { label_selector, field_selector, timeout: Some(1), ..WatchParams::default() };
        self.api.watch(&params, &now.ok_or(watcher::Error::NoResourceVersion)?).await.map(drop).map_err(watcher::Error::WatchStartFailed)
    }
}

/// Whether kube goes on after it where it was, without a word when that works.
fn does_not_list_again(error: &watcher::Error) -> bool {
    match error {
        watcher::Error::WatchStartFailed(_) | watcher::Error::WatchFailed(_) => true,
        watcher::Error::WatchError(status) => status.code != 410,
        watcher::Error::InitialListFailed(_) | watcher::Error::NoResourceVersion => false,
    }
}

/// Whether the API server says that it does not know the kind.
fn is_absent(error: &watcher::Error) -> bool {
    matches!(
        error,
        watcher::Error::InitialListFailed(kube::Error::Api(status)) | watcher::Error::WatchStartFailed(kube::Error::Api(status)) if status.code == 404
    )
}

/// Notes a failure; true when it changes what can be seen.
fn failed(probe: &Probe, error: &watcher::Error) -> bool {
    let refusal = match error {
        watcher::Error::InitialListFailed(kube::Error::Api(status)) | watcher::Error::WatchStartFailed(kube::Error::Api(status))
            if matches!(status.code, 401 | 403 | 404) =>
        {
            Some(status.message.clone())
        }
        _ => None,
    };
    let text = match error {
        watcher::Error::InitialListFailed(e) | watcher::Error::WatchStartFailed(e) | watcher::Error::WatchFailed(e) => describe(e),
        watcher::Error::WatchError(status) => status.message.clone(),
        watcher::Error::NoResourceVersion => error.to_string(),
    };
    tracing::warn!(kind = probe.kind, error = %text, "a watch failed; it is tried again");
    let mut news = false;
    probe.note(|h| {
        if let Some(why) = refusal {
            news = h.refused.as_ref().is_none_or(|(_, before)| *before != why);
            let since = h.refused.as_ref().map_or_else(Instant::now, |(since, _)| *since);
            h.refused = Some((since, why));
        } else {
            let since = h.broken.as_ref().map_or_else(Instant::now, |(since, _)| *since);
            h.broken = Some((since, text));
        }
    });
    news
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
    use k8s_openapi::api::core::v1::Namespace;
    use serde_json::json;

    use super::*;

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
