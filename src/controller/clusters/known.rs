//! What is known of one remote cluster from round to round, and how it gets known: the two Secrets, the way there, tokens, proofs.

mod proving;

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use kube::Client;
use zeroize::Zeroizing;

use crate::api::ClusterAccess;
use crate::api::conditions::{Reason, Verdict};
use crate::cluster_io::remote::connect::{self, Way};
use crate::cluster_io::remote::identities;
use crate::cluster_io::remote::look::{self, Asked};
use crate::cluster_io::remote::mint::Token;
use crate::cluster_io::remote::secrets;
use crate::clusters::claims::Claims;
use crate::clusters::grant::Identity;
use crate::clusters::identity::Here;
use crate::clusters::manager;
use crate::clusters::names::manager_secret;
use crate::clusters::plan::Ask;
use crate::clusters::proof::Proof;
use crate::clusters::remote::{Failure, Minted, Remote};
use crate::clusters::secret::{View, Whole};
use crate::clusters::world::Held;
use crate::live::discovery::Discovery;

/// The Secrets of the hub are read again after this time.
const SECRETS: Duration = Duration::from_secs(10);
/// The remote cluster is looked at again after this time;
const LOOK: Duration = Duration::from_secs(30);
/// and after a failure between these.
const RETRY: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(60));
/// Its kinds are.
const KINDS: Duration = Duration::from_secs(300);
/// A proof counts so long; one that is not as it should be, so long.
const PROOF: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(3));

/// A token that was made, and what it was seen to be able to do.
struct Made {
    token: Token,
    proof: Arc<Proof>,
}

/// When something that failed is tried again.
#[derive(Default)]
struct Again {
    failures: u32,
    at: Option<Instant>,
}

impl Again {
    fn is_due(&self) -> bool {
        self.at.is_none_or(|at| at <= Instant::now())
    }

    fn failed(&mut self) {
        self.at = Some(Instant::now() + RETRY.0.saturating_mul(1 << self.failures.min(8)).min(RETRY.1));
        self.failures = self.failures.saturating_add(1);
    }
}

/// A client, and of what it was made.
struct Connection {
    of: String,
    client: Client,
}

/// What is known.
#[derive(Default)]
pub struct Known {
    read: Option<Instant>,
    secret: Option<Result<Option<Whole>, Verdict>>,
    own: Option<Result<Option<Whole>, Verdict>>,
    connection: Option<Connection>,
    looked: Option<Instant>,
    remote: Option<Result<Arc<Remote>, Verdict>>,
    looking: Again,
    kinds: Option<(Instant, Arc<Discovery>)>,
    made: Option<Made>,
    fresh: Option<String>,
    own_made: Option<Token>,
    own_fresh: Option<String>,
    minting: Again,
    failure: Option<Failure>,
    proof: Option<Result<Arc<Proof>, String>>,
    proved: Option<Instant>,
    asked: Option<Ask>,
    doubtful: bool,
    looked_for: Option<LookedFor>,
    /// It was seen that no entry of ours is left in kube-system/aws-auth, and none is declared.
    no_entry: bool,
    refused: Option<String>,
    argocd: Option<Connection>,
    aws: Option<Result<Arc<Here>, Verdict>>,
}

/// Whose it is, and what of it is looked at.
#[allow(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub struct Subject {
    /// Where everything of it is.
    pub id: Identity,
    /// The namespace of the instance.
    pub namespace: String,
    /// The proxy on the way.
    pub proxy: Option<String>,
    /// The namespaces there by name; `None`: all of them.
    pub namespaces: Option<std::collections::BTreeSet<String>>,
    /// Whether Argo CD comes by a token: with another credential there is nothing there to which one is bound, and no right to look for it.
    pub tokens: bool,
    /// Whether others keep the rights.
    pub tolerant: bool,
    /// Whether the operator writes roles there.
    pub manages: bool,
    /// Whether an entry of ours in kube-system/aws-auth is declared; `None`: the cluster is none of EKS, and never had one.
    pub aws_auth: Option<bool>,
    /// For a cluster of EKS: argocd-server's ServiceAccount, and all objects of the instance.
    pub aws: Option<(Option<String>, Vec<Arc<ClusterAccess>>)>,
}

/// What of a remote cluster is looked at: where that is declared otherwise, what was seen is no ground for anything.
#[derive(Clone, PartialEq, Eq)]
struct LookedFor {
    namespaces: Option<std::collections::BTreeSet<String>>,
    tolerant: bool,
    manages: bool,
    aws_auth: Option<bool>,
}

impl LookedFor {
    fn of(subject: &Subject) -> Self {
        let (tolerant, manages, aws_auth) = (subject.tolerant, subject.manages, subject.aws_auth);
        Self { namespaces: subject.namespaces.clone(), tolerant, manages, aws_auth }
    }
}

/// Which version of which Secret.
fn version(whole: &Whole) -> String {
    let meta = whole.meta();
    format!("{}/{}", meta.uid.as_deref().unwrap_or_default(), meta.resource_version.as_deref().unwrap_or_default())
}

impl Known {
    /// The Secrets of the hub were written, or what is in the remote cluster was.
    pub fn wrote(&mut self, hub: bool, remote: bool) {
        if hub {
            self.read = None;
            self.proved = None;
        }
        if remote {
            (self.looked, self.proved) = (None, None);
        }
    }

    /// An anchor was made by this process.
    pub fn made_anchor(&mut self, own: bool, uid: &str) {
        *(if own { &mut self.own_fresh } else { &mut self.fresh }) = Some(uid.to_owned());
    }

    /// Looks at what is to be looked at (again).
    pub async fn look(&mut self, client: &Client, subject: &Subject) {
        if self.read.is_none_or(|at| at.elapsed() >= SECRETS) {
            let (namespace, id) = (&subject.namespace, &subject.id);
            let own = manager_secret(&id.cluster);
            let (secret, own) =
                tokio::join!(secrets::read(client, namespace, &id.secret, &id.cluster), secrets::read(client, namespace, &own, &id.cluster));
            (self.secret, self.own, self.read) = (Some(secret), Some(own), Some(Instant::now()));
            self.let_go_of_what_is_written();
            if let Some((server, all)) = &subject.aws {
                self.aws = Some(identities::look(client, namespace, server.as_deref(), all).await.map(Arc::new));
            }
        }
        Box::pin(self.look_there(subject)).await;
    }

    /// A token that is in the Secret need not be kept here as well.
    fn let_go_of_what_is_written(&mut self) {
        let held = self.whole().map(|whole| whole.view().config.held);
        let written = |made: &Made| matches!(&held, Some(crate::clusters::secret::Held::Token(Some(claims))) if *claims == made.token.claims);
        if self.made.as_ref().is_some_and(written) {
            self.made = None;
        }
    }

    async fn look_there(&mut self, subject: &Subject) {
        let view = match self.manager(subject, Timestamp::now()) {
            Ok(Some(view)) => view,
            Ok(None) => {
                let message = format!(
                    "there is no Secret {}/{} with the operator's credential for the remote cluster; make it with: {}",
                    subject.namespace,
                    manager_secret(&subject.id.cluster),
                    manager::command(&subject.id.cluster, &subject.namespace, true)
                );
                return self.unreachable(Verdict::no(Reason::ManagerMissing, message));
            }
            Err(verdict) => return self.unreachable(verdict),
        };
        let Some(Ok(Some(whole))) = &self.own else { return };
        let of = format!("{} {:?}", version(whole), subject.proxy);
        if self.connection.as_ref().is_none_or(|connection| connection.of != of) {
            let way = Way { server: &subject.id.server, ca: &view.ca, proxy: subject.proxy.as_deref() };
            match connect::as_manager(way, whole) {
                Ok(client) => self.connection = Some(Connection { of, client }),
                Err(why) => return self.unreachable(Verdict::no(Reason::ManagerMissing, why)),
            }
            (self.looked, self.looking) = (None, Again::default());
        }
        let looked_for = LookedFor::of(subject);
        if self.looked_for.as_ref() != Some(&looked_for) {
            (self.looked, self.looking, self.no_entry, self.looked_for) = (None, Again::default(), false, Some(looked_for));
        }
        let fresh = self.looked.is_some_and(|at| at.elapsed() < LOOK);
        if fresh || !self.looking.is_due() {
            return;
        }
        let Some(connection) = &self.connection else { return };
        let asked = Asked {
            cluster_uid: view.cluster_uid.clone(),
            namespaces: subject.namespaces.clone(),
            anchors: subject.tokens.then(|| (subject.id.namespace.clone(), subject.id.anchors.clone())),
            tolerant: subject.tolerant,
            manages: subject.manages,
            aws_auth: subject.aws_auth.filter(|needed| *needed || !self.no_entry),
            discovery: self.kinds.as_ref().filter(|(at, _)| at.elapsed() < KINDS).map(|(_, kinds)| Arc::clone(kinds)),
            command: manager::command(&subject.id.cluster, &subject.namespace, false),
        };
        let known = asked.discovery.is_some();
        match Box::pin(look::look(&connection.client, &asked)).await {
            Ok(remote) => {
                let owner = subject.id.owner.as_str();
                let is_there = remote.aws_auth.as_ref().is_some_and(|(_, data)| data.values().any(|text| text.contains(owner)));
                self.no_entry = subject.aws_auth == Some(false) && !is_there;
                if let (false, Some(kinds)) = (known, &remote.discovery) {
                    self.kinds = Some((Instant::now(), Arc::clone(kinds)));
                }
                (self.remote, self.looked, self.looking) = (Some(Ok(Arc::new(remote))), Some(Instant::now()), Again::default());
            }
            Err(verdict) => {
                self.looking.failed();
                self.unreachable(verdict);
            }
        }
    }

    fn unreachable(&mut self, verdict: Verdict) {
        if !matches!(&self.remote, Some(Err(before)) if *before == verdict) {
            tracing::warn!(reason = verdict.reason.as_str(), message = verdict.message, "a remote cluster cannot be used");
        }
        (self.remote, self.looked) = (Some(Err(verdict)), None);
    }

    /// Argo CD's cluster Secret, without what is secret of it.
    ///
    /// # Errors
    /// When it cannot be seen.
    pub fn secret(&self) -> Held<View> {
        match &self.secret {
            None => Err(Verdict::unknown(Reason::Pending, "the cluster Secret was not read yet")),
            Some(Err(verdict)) => Err(verdict.clone()),
            Some(Ok(whole)) => Ok(whole.as_ref().map(|whole| Arc::new(whole.view()))),
        }
    }

    /// The manager's Secret, without what is secret of it.
    ///
    /// # Errors
    /// When it cannot be used.
    pub fn manager(&self, subject: &Subject, now: Timestamp) -> Held<manager::View> {
        match &self.own {
            None => Err(Verdict::unknown(Reason::Pending, "the manager's Secret was not read yet")),
            Some(Err(verdict)) => Err(verdict.clone()),
            Some(Ok(None)) => Ok(None),
            Some(Ok(Some(whole))) => {
                manager::view(whole, &subject.id.cluster, &subject.id.server, &subject.namespace, now).map(|view| Some(Arc::new(view)))
            }
        }
    }

    /// Identities in AWS.
    ///
    /// # Errors
    /// The verdict of `AWSReady`.
    pub fn aws(&self) -> Result<Arc<Here>, Verdict> {
        self.aws.clone().unwrap_or_else(|| Err(Verdict::unknown(Reason::Pending, "it was not looked at yet")))
    }

    /// The remote cluster.
    ///
    /// # Errors
    /// The verdict of `RemoteReachable`.
    pub fn remote(&self) -> Result<Arc<Remote>, Verdict> {
        self.remote.clone().unwrap_or_else(|| Err(Verdict::unknown(Reason::Pending, "the remote cluster was not asked yet")))
    }

    /// The token that was made last.
    #[must_use]
    pub fn minted(&self) -> Option<Minted> {
        self.made.as_ref().map(|made| Minted { claims: made.token.claims.clone(), proof: Arc::clone(&made.proof) })
    }

    /// What the operator's own new token says of itself.
    #[must_use]
    pub fn own_minted(&self) -> Option<Claims> {
        self.own_made.as_ref().map(|token| token.claims.clone())
    }

    /// The uids of the anchors that this process has made: for Argo CD's token, and for the operator's own.
    #[must_use]
    pub fn fresh(&self) -> (Option<String>, Option<String>) {
        (self.fresh.clone(), self.own_fresh.clone())
    }

    /// Why the last token could not be made.
    #[must_use]
    pub fn failure(&self) -> Option<Failure> {
        self.failure.clone()
    }

    /// What the credential of the Secret was seen to be able to do.
    #[must_use]
    pub fn proof(&self) -> Option<Result<Arc<Proof>, String>> {
        self.proof.clone()
    }

    /// Whether the remote cluster has refused the credential that is in the Secret now.
    #[must_use]
    pub fn refused(&self) -> bool {
        self.refused.is_some() && self.refused == self.secret_version()
    }

    /// The client of the remote cluster.
    ///
    /// # Errors
    /// When there is none.
    pub fn client(&self) -> Result<Client, String> {
        self.connection.as_ref().map(|connection| connection.client.clone()).ok_or_else(|| "there is no way to the remote cluster".to_owned())
    }

    /// The Secret as it was read last, with what is secret of it.
    #[must_use]
    pub fn whole(&self) -> Option<&Whole> {
        self.secret.as_ref()?.as_ref().ok()?.as_ref()
    }

    /// The token that was made last, and the operator's own.
    #[must_use]
    pub fn tokens(&self) -> (Option<&Zeroizing<String>>, Option<&Zeroizing<String>>) {
        (self.made.as_ref().map(|made| &made.token.token), self.own_made.as_ref().map(|token| &token.token))
    }

    fn secret_version(&self) -> Option<String> {
        self.whole().map(version)
    }
}
