//! Follows one kind on the API server, whatever is in it, through all its failures.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt;
use kube::api::{ListParams, WatchParams};
use kube::runtime::utils::Backoff;
use kube::runtime::watcher::{self, DefaultBackoff, Event};
use kube::runtime::{WatchStreamExt, watcher as watch};
use kube::{Api, Resource};
use tokio::sync::Notify;
use tokio::time::timeout;

use super::health::{Health, Probe};
use super::raw::Raw;
use super::store::Keep;
use crate::cluster_io::{REQUEST_TIMEOUT, describe};

/// How often it is asked whether a kind is there that a cluster may do without.
const ABSENT: Duration = Duration::from_secs(10);
/// The longest pause of a watch that fails.
const LONGEST: Duration = Duration::from_secs(10);

/// After so many changes and so long without one, what is left of them is put together.
const SCATTERED: (usize, Duration) = (256, Duration::from_secs(5));

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

/// What came of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    /// A list is on its way.
    Listing,
    /// It is complete.
    Listed,
    /// Something is another one than before.
    Changed,
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
pub(super) struct Source<const METADATA_ONLY: bool> {
    pub(super) api: Api<Raw<METADATA_ONLY>>,
    pub(super) config: watcher::Config,
    pub(super) touched: Vec<Arc<Notify>>,
    pub(super) optional: bool,
    pub(super) probe: Probe,
    pub(super) keeper: Box<dyn Keep>,
}

impl<const METADATA_ONLY: bool> Source<METADATA_ONLY> {
    /// Keeps the store as the API server has it. Each life of the watch begins with a list; there is one for ever, unless it fails, the
    /// kind comes and goes or a fresh list is asked for.
    pub(super) async fn keep(mut self) {
        let (mut backoff, again) = (Pauses::default(), Arc::clone(&self.probe.again));
        loop {
            let ended = tokio::select! {
                ended = self.follow() => ended,
                () = again.notified() => continue,
            };
            match ended {
                Ended::Stream => break,
                Ended::Absent => tokio::select! {
                    () = tokio::time::sleep(ABSENT) => {}
                    () = again.notified() => {}
                },
                Ended::Failed => tokio::select! {
                    () = self.until_taken(&mut backoff) => {}
                    () = again.notified() => {}
                },
            }
        }
    }

    fn tell(&self) {
        self.touched.iter().for_each(|told| told.notify_one());
    }

    /// Watches until the stream ends, until it fails after its list was there, or until it turns out that there is no such kind, and need
    /// not be.
    async fn follow(&mut self) -> Ended {
        let asked = self.probe.health().asked;
        let stream = watch::watcher(self.api.clone(), self.config.clone()).backoff(Pauses::default());
        let mut stream = std::pin::pin!(stream);
        let (many, silence) = SCATTERED;
        let mut changes = 0_usize;
        loop {
            let next = if changes < many { Ok(stream.next().await) } else { timeout(silence, stream.next()).await };
            let Ok(next) = next else {
                self.keeper.gather();
                // Whoever keeps what they were shown before takes it from here.
                self.tell();
                changes = 0;
                continue;
            };
            let Some(event) = next else { return Ended::Stream };
            let arrived = event.is_ok();
            let event = event.and_then(|event| self.note(event));
            // Kube goes on with the rest of it.
            let unread = arrived && event.is_err();
            let gone = self.optional && event.as_ref().is_err_and(is_absent);
            let lost = unread || event.as_ref().is_err_and(does_not_list_again);
            let tell = match event {
                Ok(Progress::Listing) => false,
                Ok(Progress::Listed) => {
                    self.probe.note(|h| *h = Health { asked: h.asked, listed: Some(asked), ..Health::default() });
                    true
                }
                Ok(Progress::Changed) => {
                    changes += 1;
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
    }

    /// Puts it into the store. What is not of the kind fails as an answer does that is none.
    fn note(&mut self, event: Event<Raw<METADATA_ONLY>>) -> Result<Progress, watcher::Error> {
        let unlisted = |error| watcher::Error::InitialListFailed(kube::Error::SerdeError(error));
        let unwatched = |error| watcher::Error::WatchFailed(kube::Error::SerdeError(error));
        Ok(match event {
            Event::Init => {
                self.keeper.begin();
                Progress::Listing
            }
            Event::InitApply(object) => {
                self.keeper.listed(object.json()).map_err(unlisted)?;
                Progress::Listing
            }
            Event::InitDone => {
                self.keeper.end();
                Progress::Listed
            }
            Event::Apply(object) => {
                self.keeper.applied(object.json()).map_err(unwatched)?;
                Progress::Changed
            }
            Event::Delete(object) => {
                self.keeper.deleted(object.meta());
                Progress::Changed
            }
        })
    }

    /// Waits until the API server takes a watch, later each time.
    async fn until_taken(&self, backoff: &mut Pauses) {
        loop {
            tokio::time::sleep(backoff.next().unwrap_or(ABSENT)).await;
            match timeout(REQUEST_TIMEOUT, self.take()).await {
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
