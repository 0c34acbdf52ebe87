//! Events on their way: behind everything else, so that no status and no withdrawal waits for one, and never more than are worth keeping.
//!
//! Those of one object go one after the other, in their order. What cannot be published is logged and no more: an Event is never worth a
//! grant or a withdrawal, and the audit trail has its line in the log by then.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::future::BoxFuture;
use k8s_openapi::api::events::v1::Event as KubernetesEvent;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use kube::api::PostParams;
use kube::runtime::events::{Event, Recorder, Reporter};
use kube::{Api, Client, ResourceExt};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, timeout_at};

use super::apply::Declared;
use super::request;
use crate::reconcile::audit::Record;

/// The API's limit on an Event's note is 1 kB; the client does not cut it.
pub const NOTE_LIMIT: usize = 1000;
/// The name under which Events of the audit trail are reported.
const REPORTER: &str = "argocd-access-operator";
/// So many are sent at once, each of another object: few, since statuses are on the same way.
const LANES: usize = 2;
/// So many wait in each lane; an Event that comes then is lost. Each is about a kilobyte.
const WAITING: usize = 4096;

/// A recorder keeps what it has published, two kilobytes each, to make one Event of several that are the same; after so many, another one
/// begins anew.
const RECORDED: usize = 128;

/// No Event waits longer than that for statuses to be written: an API server that is slow with them must not keep back what was done.
const YIELDS: Duration = Duration::from_secs(1);

/// So long is waited for the last ones at the end of a process.
pub const AT_THE_END: Duration = Duration::from_secs(2);

/// What sends an Event, and until when it lets statuses go first.
type Letter = (Instant, BoxFuture<'static, ()>);

/// Where Events are put. All clones put them into the same lanes.
#[derive(Clone)]
pub struct Events {
    client: Client,
    reporter: Reporter,
    /// And how much it has been given.
    recorder: Arc<Mutex<(Recorder, usize)>>,
    lanes: Arc<[mpsc::Sender<Letter>]>,
    /// How many are on their way.
    waiting: Arc<watch::Sender<usize>>,
    /// How many write statuses just now.
    first: Arc<watch::Sender<usize>>,
}

/// While it is there, Events wait.
#[must_use]
pub struct GoesFirst(Arc<watch::Sender<usize>>);

impl Drop for GoesFirst {
    fn drop(&mut self) {
        self.0.send_modify(|n| *n = n.saturating_sub(1));
    }
}

impl Events {
    /// Starts to send what is put here. `controller` is who reports the transitions, `pod` which of its processes.
    #[must_use]
    pub fn start(client: Client, controller: &str, pod: Option<String>) -> Self {
        let reporter = Reporter { controller: controller.to_owned(), instance: pod };
        let recorder = Arc::new(Mutex::new((Recorder::new(client.clone(), reporter.clone()), 0)));
        let waiting = Arc::new(watch::Sender::new(0_usize));
        let first = Arc::new(watch::Sender::new(0_usize));
        let lane = || {
            let (lane, mut letters) = mpsc::channel::<Letter>(WAITING);
            let (waiting, mut first) = (Arc::clone(&waiting), first.subscribe());
            // It ends with the last of those who put something here.
            tokio::spawn(async move {
                while let Some((until, letter)) = letters.recv().await {
                    // Whether it came to that or not: it is sent now.
                    let _ = timeout_at(until, first.wait_for(|n| *n == 0)).await;
                    letter.await;
                    waiting.send_modify(|n| *n = n.saturating_sub(1));
                }
            });
            lane
        };
        let lanes = (0..LANES).map(|_| lane()).collect();
        Self { client, reporter, recorder, lanes, waiting, first }
    }

    /// Lets the statuses that are written from now on go first: with many at once, an Event for each takes a third of the API server's
    /// time, and somebody waits for the status.
    pub fn go_first(&self) -> GoesFirst {
        self.first.send_modify(|n| *n += 1);
        GoesFirst(Arc::clone(&self.first))
    }

    /// Puts the Event of a transition here.
    pub fn transition<K: Declared>(&self, object: &Arc<K>, event: Event) {
        let (recorder, regarding, what) = (self.recorder(), object.object_ref(&()), what(object.as_ref()));
        let letter = async move {
            if let Err(error) = request(what, recorder.publish(&event, &regarding)).await {
                tracing::warn!(error = %error.chain(), "an Event was not published");
            }
        };
        self.put(object.as_ref(), Box::pin(letter));
    }

    /// Puts the Event of the audit trail here: one for each record, with a name of its own. The recorder would make one of several with the
    /// note of the first; and a record that is told again is the same Event.
    pub fn record<K: Declared>(&self, object: &Arc<K>, record: &Record) {
        let (namespace, name) = (object.namespace().unwrap_or_default(), object.name_any());
        let event = KubernetesEvent {
            action: Some("Audit".to_owned()),
            event_time: Some(MicroTime(jiff::Timestamp::now())),
            metadata: ObjectMeta { name: Some(format!("{name}.{}", record.id)), namespace: Some(namespace.clone()), ..ObjectMeta::default() },
            note: Some(record.note(NOTE_LIMIT)),
            reason: Some(record.event.as_str().to_owned()),
            regarding: Some(object.object_ref(&())),
            reporting_controller: Some(REPORTER.to_owned()),
            reporting_instance: Some(REPORTER.to_owned()),
            type_: Some("Normal".to_owned()),
            ..KubernetesEvent::default()
        };
        let (api, what): (Api<KubernetesEvent>, _) = (Api::namespaced(self.client.clone(), &namespace), what(object.as_ref()));
        let letter = async move {
            match request(what, api.create(&PostParams::default(), &event)).await {
                Err(error) if error.code() != Some(409) => tracing::warn!(error = %error.chain(), "an Event was not published"),
                _ => {}
            }
        };
        self.put(object.as_ref(), Box::pin(letter));
    }

    fn recorder(&self) -> Recorder {
        let mut current = self.recorder.lock().unwrap_or_else(PoisonError::into_inner);
        if current.1 == RECORDED {
            *current = (Recorder::new(self.client.clone(), self.reporter.clone()), 0);
        }
        current.1 += 1;
        current.0.clone()
    }

    fn put<K: Declared>(&self, object: &K, letter: BoxFuture<'static, ()>) {
        let mut hasher = DefaultHasher::new();
        object.uid().hash(&mut hasher);
        let lane = usize::try_from(hasher.finish() % LANES as u64).ok().and_then(|index| self.lanes.get(index));
        // Counted before it is put: it may be sent before this goes on.
        self.waiting.send_modify(|n| *n += 1);
        if lane.is_none_or(|lane| lane.try_send((Instant::now() + YIELDS, letter)).is_err()) {
            self.waiting.send_modify(|n| *n = n.saturating_sub(1));
            tracing::warn!(object = what(object), "an Event was not published: too many are on their way");
        }
    }

    /// Waits until all are out, but no longer than `limit`.
    pub async fn flush(&self, limit: Duration) {
        let mut waiting = self.waiting.subscribe();
        // The sender is ours, so it does not end.
        let _ = tokio::time::timeout(limit, waiting.wait_for(|n| *n == 0)).await;
        let left = *self.waiting.borrow();
        if left > 0 {
            tracing::warn!(left, "Events were not published: there was no time left");
        }
    }
}

fn what<K: Declared>(object: &K) -> String {
    format!("publish an Event for {} {}", K::kind(&()), object.name_any())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::exec_access::ExecAccess;

    /// Of an API server that cannot be reached. Nothing is sent by these tests.
    fn nowhere() -> Events {
        Events::start(Client::try_from(kube::Config::new("http://127.0.0.1:9".parse().unwrap())).unwrap(), "test", None)
    }

    fn access(uid: &str) -> ExecAccess {
        serde_json::from_value(serde_json::json!({
            "apiVersion": "argocd-access.dev/v1alpha1", "kind": "ExecAccess", "metadata": {"name": "web", "uid": uid},
            "spec": {"subjects": [], "applications": []},
        }))
        .unwrap()
    }

    fn noting(log: &Arc<std::sync::Mutex<Vec<usize>>>, number: usize, after: Duration) -> BoxFuture<'static, ()> {
        let log = Arc::clone(log);
        Box::pin(async move {
            tokio::time::sleep(after).await;
            log.lock().unwrap().push(number);
        })
    }

    #[tokio::test(start_paused = true)]
    async fn those_of_one_object_go_in_their_order_and_are_waited_for() {
        let (events, log) = (nowhere(), Arc::default());
        for number in 0..5 {
            // Each takes less time than the one before it.
            events.put(&access("a"), noting(&log, number, Duration::from_millis(50 - 10 * number as u64)));
        }
        assert!(log.lock().unwrap().is_empty(), "nobody waits for them");
        events.flush(Duration::from_secs(5)).await;
        assert_eq!(*log.lock().unwrap(), [0, 1, 2, 3, 4]);
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_takes_long_holds_up_neither_its_caller_nor_the_end() {
        let (events, log) = (nowhere(), Arc::default());
        events.put(&access("a"), noting(&log, 0, Duration::from_secs(3600)));
        let began = tokio::time::Instant::now();
        events.flush(Duration::from_secs(2)).await;
        assert_eq!(began.elapsed().as_secs(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn statuses_go_first_but_not_for_long() {
        let (events, log) = (nowhere(), Arc::default());
        let (a_round, another) = (events.go_first(), events.go_first());
        events.put(&access("a"), noting(&log, 0, Duration::ZERO));
        tokio::time::sleep(YIELDS / 2).await;
        drop(a_round);
        tokio::time::sleep(YIELDS / 4).await;
        assert!(log.lock().unwrap().is_empty(), "another one still writes");
        drop(another);
        tokio::time::sleep(Duration::from_millis(1)).await;
        assert_eq!(*log.lock().unwrap(), [0], "nobody writes statuses any more");

        let _hangs = events.go_first();
        for number in 1..=3 {
            events.put(&access("a"), noting(&log, number, Duration::ZERO));
        }
        tokio::time::sleep(YIELDS / 2).await;
        assert_eq!(*log.lock().unwrap(), [0]);
        tokio::time::sleep(YIELDS / 2 + Duration::from_millis(1)).await;
        assert_eq!(*log.lock().unwrap(), [0, 1, 2, 3], "one limit for all that wait, not one for each");
    }

    #[tokio::test]
    async fn what_recorders_keep_does_not_grow_with_what_is_told() {
        let events = nowhere();
        for _ in 0..3 * RECORDED {
            drop(events.recorder());
            assert!(events.recorder.lock().unwrap().1 <= RECORDED);
        }
        assert_eq!(events.recorder.lock().unwrap().1, RECORDED, "and many of one object come to the same one");
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_too_much_is_lost_and_the_rest_is_sent() {
        let (events, log) = (nowhere(), Arc::default());
        for number in 0..WAITING + 10 {
            events.put(&access("a"), noting(&log, number, Duration::ZERO));
        }
        events.flush(Duration::from_secs(60)).await;
        assert_eq!(*log.lock().unwrap(), (0..WAITING).collect::<Vec<_>>());
    }
}
