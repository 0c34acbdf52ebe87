//! The Leases of an instance: who has one may write there what it is for. Taken, renewed, given back; what follows from what one says is
//! decided in [`crate::reconcile::leadership`].

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::api::{DeleteParams, Patch, PatchParams, Preconditions};
use kube::runtime::watcher::Config;
use kube::{Api, Client};
use serde_json::{Value, json};
use tokio::sync::{Notify, oneshot};

use super::watch::{Watch, without_history};
use super::{REQUEST_TIMEOUT, RequestError, request};
use crate::api::FIELD_MANAGER;
use crate::metrics::Metrics;
use crate::reconcile::leadership::{self, DURATION, Decision, RETRY, Record, Sight};

/// The name of the Lease in the instance's namespace. It is the same for every release of the chart: two of them would write the same objects.
pub const LEASE: &str = "argocd-access-operator";
/// That of the process that serves `ClusterAccess`: it writes other objects, and neither waits for the other.
pub const CLUSTERS_LEASE: &str = "argocd-access-operator-clusters";
/// So soon it is tried again where the last picture was old.
const AGAIN: Duration = Duration::from_millis(100);
/// Whose a Lease is that was given back.
const NOBODY: &str = "";
/// What giving it back may take.
const FAREWELL: Duration = Duration::from_secs(2);

/// Why an operator must not go on.
#[derive(Debug, thiserror::Error)]
pub enum LeaseError {
    /// Somebody else has it.
    #[error("Lease {namespace}/{lease} was taken by {holder}; this operator ends, so that there are never two that write")]
    Taken {
        /// The namespace of the instance.
        namespace: String,
        /// The Lease's name.
        lease: &'static str,
        /// Who has it now.
        holder: String,
    },
    /// It could not be renewed.
    #[error("Lease {namespace}/{lease} was not renewed within {} s ({why}); this operator ends, so that there are never two that write", leadership::RENEW_WITHIN.as_secs())]
    NotRenewed {
        /// The namespace of the instance.
        namespace: String,
        /// The Lease's name.
        lease: &'static str,
        /// What the last attempt met.
        why: String,
    },
}

/// Whether one may write in an instance: asked before each write, since the answer changes by time alone.
#[derive(Clone, Debug)]
pub struct Leads(Option<Arc<Held>>);

#[derive(Debug)]
struct Held {
    began: Instant,
    /// Until when, in milliseconds since `began`.
    until: AtomicU64,
    /// How often it was won.
    term: AtomicU64,
}

impl Leads {
    /// For a command that a person gives: it asks nobody.
    #[must_use]
    pub const fn always() -> Self {
        Self(None)
    }

    /// Whether one may write now.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.0.as_ref().is_none_or(|held| milliseconds(held.began.elapsed()) < held.until.load(Ordering::Acquire))
    }

    /// How often the right to write was won; each time, what is known from before is old.
    #[must_use]
    pub fn term(&self) -> u64 {
        self.0.as_ref().map_or(0, |held| held.term.load(Ordering::Acquire))
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// One who wants to write in an instance.
pub struct Candidate {
    api: Api<Lease>,
    namespace: String,
    lease: &'static str,
    me: String,
    held: Arc<Held>,
    /// When the last request was sent that gave or prolonged the right; `None`: we have it not.
    renewed: Option<Duration>,
    sight: Option<Sight>,
    /// The Lease may be another one than we know.
    doubtful: bool,
    why: String,
    metrics: Arc<Metrics>,
    /// Told when the right is won.
    won: Vec<Arc<Notify>>,
}

impl Candidate {
    /// One of the name `me`, for a Lease in a namespace. Of two that have the same name, either is taken for the other, so it is that of the
    /// Pod. `won` is told when the right is won.
    #[must_use]
    pub fn new(client: &Client, namespace: &str, lease: &'static str, me: &str, metrics: Arc<Metrics>, won: Vec<Arc<Notify>>) -> Self {
        let held = Held { began: Instant::now(), until: AtomicU64::new(0), term: AtomicU64::new(0) };
        metrics.leads(namespace, false);
        Self {
            api: Api::namespaced(client.clone(), namespace),
            namespace: namespace.to_owned(),
            lease,
            me: me.to_owned(),
            held: Arc::new(held),
            renewed: None,
            sight: None,
            doubtful: true,
            why: "no answer".to_owned(),
            metrics,
            won,
        }
    }

    /// What tells whether it may write.
    #[must_use]
    pub fn leads(&self) -> Leads {
        Leads(Some(Arc::clone(&self.held)))
    }

    /// What is done with the Lease, for an error's text.
    fn action(&self, verb: &str) -> String {
        format!("{verb} Lease {}/{}", self.namespace, self.lease)
    }

    fn now(&self) -> Duration {
        self.held.began.elapsed()
    }

    /// Tries once to get it, or to keep it. That the API server does not answer is no error while the right lasts.
    ///
    /// # Errors
    /// When the right is lost.
    pub async fn attempt(&mut self) -> Result<(), LeaseError> {
        let sent = self.now();
        let left = match self.renewed {
            Some(renewed) => leadership::until(renewed).saturating_sub(sent),
            None => REQUEST_TIMEOUT,
        };
        if left.is_zero() {
            return Err(self.lost());
        }
        match tokio::time::timeout(left, self.step(sent)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                self.doubtful = true;
                // 422: the one that was to be made is there already.
                let conflict = matches!(error.code(), Some(409 | 422));
                self.why = error.chain();
                if !conflict {
                    tracing::warn!(instance = self.namespace, error = self.why, "the Lease was not taken or renewed; it is tried again");
                }
            }
            Err(_) if self.renewed.is_some() => return Err(self.lost()),
            Err(_) => self.doubtful = true,
        }
        match (&self.renewed, &self.sight) {
            (Some(_), Some(sight)) if sight.record.holder != self.me => {
                let holder = if sight.record.holder.is_empty() { "nobody".to_owned() } else { sight.record.holder.clone() };
                self.resign();
                Err(LeaseError::Taken { namespace: self.namespace.clone(), lease: self.lease, holder })
            }
            _ => Ok(()),
        }
    }

    fn lost(&mut self) -> LeaseError {
        self.resign();
        LeaseError::NotRenewed { namespace: self.namespace.clone(), lease: self.lease, why: self.why.clone() }
    }

    fn resign(&mut self) {
        self.renewed = None;
        self.held.until.store(0, Ordering::Release);
        self.metrics.leads(&self.namespace, false);
    }

    async fn step(&mut self, sent: Duration) -> Result<(), RequestError> {
        if self.doubtful {
            let lease = request(self.action("read"), self.api.get_opt(self.lease)).await?;
            let before = self.sight.take();
            let holder = before.as_ref().map(|sight| sight.record.holder.clone());
            self.sight = leadership::look(before, lease.as_ref().map(record), self.now());
            let leader =
                self.sight.as_ref().map(|sight| &sight.record.holder).filter(|h| !h.is_empty() && **h != self.me && holder.as_ref() != Some(*h));
            if let Some(leader) = leader {
                tracing::info!(instance = self.namespace, leader, "standing by");
            }
            // One that leads knows what it wrote; one that stands by looks each time.
            self.doubtful = self.renewed.is_none();
        }
        let now = json!(MicroTime(jiff::Timestamp::now()));
        let spec = json!({"holderIdentity": self.me, "leaseDurationSeconds": DURATION.as_secs(), "renewTime": now});
        let action = || self.action("take or renew");
        let lease = match leadership::decide(&self.me, self.sight.as_ref(), self.now()) {
            Decision::Wait(_) => return Ok(()),
            Decision::Create => {
                // The version says that there is none yet: another candidate may be as fast.
                let mut body = json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": self.lease, "resourceVersion": "0"}, "spec": spec});
                set(&mut body, "acquireTime", now);
                request(action(), self.api.patch(self.lease, &PatchParams::apply(FIELD_MANAGER), &Patch::Apply(body))).await?
            }
            Decision::Renew => self.merge(action(), json!({"spec": spec})).await?,
            Decision::Take => {
                let mut body = json!({"spec": spec});
                set(&mut body, "acquireTime", now);
                set(&mut body, "leaseTransitions", json!(self.sight.as_ref().map_or(0, |sight| sight.record.transitions).saturating_add(1)));
                self.merge(action(), body).await?
            }
        };
        self.sight = leadership::look(self.sight.take(), Some(record(&lease)), self.now());
        let until = leadership::until(sent);
        self.held.until.store(milliseconds(until), Ordering::Release);
        if self.renewed.replace(sent).is_none() {
            self.doubtful = false;
            self.held.term.fetch_add(1, Ordering::AcqRel);
            self.metrics.leads(&self.namespace, true);
            tracing::info!(instance = self.namespace, name = self.me, "leading");
            self.won.iter().for_each(|told| told.notify_one());
        }
        Ok(())
    }

    /// Changes the Lease that was seen, and no other.
    async fn merge(&self, action: String, mut body: Value) -> Result<Lease, RequestError> {
        let version = self.sight.as_ref().map(|sight| sight.record.version.clone()).unwrap_or_default();
        if let Some(root) = body.as_object_mut() {
            root.insert("metadata".to_owned(), json!({"resourceVersion": version}));
        }
        let params = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
        request(action, self.api.patch(self.lease, &params, &Patch::Merge(body))).await
    }

    /// Keeps at it until it is lost, or until `release` says that nothing more will be written: then it is given back.
    ///
    /// # Errors
    /// When the right is lost.
    pub async fn run(mut self, mut release: oneshot::Receiver<()>) -> Result<(), LeaseError> {
        let woken = Arc::new(Notify::new());
        let named = Config::default().fields(&format!("metadata.name={}", self.lease));
        // Who stands by learns from it that the holder has given it back; what is decided rests on reads.
        let watch: Watch<Lease> = Watch::start(
            "leases",
            Api::namespaced(self.api.clone().into_client(), &self.namespace),
            named,
            without_history,
            vec![Arc::clone(&woken)],
        );
        loop {
            self.attempt().await?;
            let leads = self.renewed.is_some();
            let pause = if leads && self.doubtful { AGAIN } else { RETRY };
            tokio::select! {
                _ = &mut release => break,
                () = woken.notified(), if !leads => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
        drop(watch);
        self.give_back().await;
        Ok(())
    }

    /// So that the next one need not wait until it runs out.
    async fn give_back(&mut self) {
        if self.renewed.is_none() {
            return;
        }
        self.resign();
        let body = json!({"spec": {"holderIdentity": NOBODY, "leaseDurationSeconds": 1, "renewTime": MicroTime(jiff::Timestamp::now())}});
        match tokio::time::timeout(FAREWELL, self.merge(self.action("give back"), body)).await {
            Ok(Ok(_)) => tracing::info!(instance = self.namespace, "the Lease is given back"),
            Ok(Err(error)) => {
                tracing::warn!(instance = self.namespace, error = %error.chain(), "the Lease was not given back; it runs out by itself");
            }
            Err(_) => tracing::warn!(instance = self.namespace, "the Lease was not given back in time; it runs out by itself"),
        }
    }
}

/// Removes a Lease of an instance in which no operator is left that would hold it: nothing of ours is to stay. Where its last holder has not given it back,
/// it is waited until that one is silent for long enough; where it is renewed, it stays.
///
/// # Errors
/// When the API server refuses, cannot be reached, or does not answer in time.
pub async fn remove(client: &Client, namespace: &str, lease: &str) -> Result<(), RequestError> {
    let api: Api<Lease> = Api::namespaced(client.clone(), namespace);
    let began = Instant::now();
    let mut first: Option<Sight> = None;
    loop {
        let Some(found) = request(format!("read Lease {namespace}/{lease}"), api.get_opt(lease)).await? else { return Ok(()) };
        let sight = leadership::look(first.clone(), Some(record(&found)), began.elapsed());
        match leadership::decide(NOBODY, sight.as_ref(), began.elapsed()) {
            Decision::Wait(_) if first.is_some() && first != sight => return Ok(()),
            Decision::Wait(left) => tokio::time::sleep(left.min(RETRY)).await,
            Decision::Create | Decision::Renew | Decision::Take => {
                let preconditions = Preconditions { uid: found.metadata.uid, resource_version: found.metadata.resource_version };
                let params = DeleteParams { preconditions: Some(preconditions), ..DeleteParams::default() };
                return request(format!("delete Lease {namespace}/{lease}"), api.delete(lease, &params)).await.map(drop);
            }
        }
        first = sight;
    }
}

fn set(body: &mut Value, key: &str, value: Value) {
    if let Some(spec) = body.get_mut("spec").and_then(Value::as_object_mut) {
        spec.insert(key.to_owned(), value);
    }
}

fn record(lease: &Lease) -> Record {
    let spec = lease.spec.clone().unwrap_or_default();
    Record {
        holder: spec.holder_identity.unwrap_or_default(),
        duration: Duration::from_secs(spec.lease_duration_seconds.and_then(|s| u64::try_from(s).ok()).unwrap_or_default()),
        transitions: spec.lease_transitions.unwrap_or_default(),
        version: lease.metadata.resource_version.clone().unwrap_or_default(),
    }
}
