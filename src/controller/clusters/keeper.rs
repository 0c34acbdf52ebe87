//! One `ClusterAccess`, as it is kept true: with rounds of its own, so that a remote cluster that does not answer holds up no other.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::Client;
use serde_json::Value;

use super::known::{Known, Subject};
use crate::api::cluster_access::{Authority, CredentialType, Scope};
use crate::api::cluster_aws::Mapping;
use crate::api::conditions::{ConditionType, Verdict};
use crate::api::{ClusterAccess, Mode};
use crate::cluster_io::outlets::Outlets;
use crate::cluster_io::recent::Recent;
use crate::cluster_io::snapshot::{Outside, RemoteWatches};
use crate::cluster_io::watch::Probe;
use crate::clusters::claims::user_of;
use crate::clusters::grant::Identity;
use crate::clusters::names::{MANAGER, anchors};
use crate::clusters::secret::{self, encoded, token_config};
use crate::clusters::{self, Plan, World, status};
use crate::controller::keeper::{Keeper, Verdict as Status};
use crate::metrics::Metrics;
use crate::reconcile::plan::Prepared;
use crate::reconcile::told::find;
use crate::reconcile::write::{Action, Seal};
use crate::reconcile::{Applied, Failures, Kind, Seen, Target};

/// It.
pub struct ClusterKeeper {
    watches: Arc<RemoteWatches>,
    name: String,
    hub: Client,
    known: Known,
    /// More is known than the plan was made on.
    news: bool,
    metrics: Arc<Metrics>,
}

impl ClusterKeeper {
    /// Of the object of this name.
    #[must_use]
    pub fn new(watches: Arc<RemoteWatches>, name: &str, hub: &Client, metrics: Arc<Metrics>) -> Self {
        Self { watches, name: name.to_owned(), hub: hub.clone(), known: Known::default(), news: false, metrics }
    }

    fn object(&self) -> Option<Arc<ClusterAccess>> {
        let (all, _) = self.watches.declared(&mut Recent::default()).ok()?;
        all.into_iter().find(|access| access.metadata.name.as_deref() == Some(&self.name))
    }

    fn subject(&self, access: &ClusterAccess) -> Subject {
        let spec = &access.spec;
        let permissions = &spec.permissions;
        let by_name = permissions.namespaces.selector.is_none();
        Subject {
            id: Identity::of(access),
            namespace: self.watches.namespace().to_owned(),
            proxy: spec.proxy_url.clone(),
            namespaces: match permissions.scope {
                // Those in which a terminal may be needed.
                Scope::Cluster => Some(self.watches.destinations(access.cluster(), &spec.server)),
                Scope::Namespaces => by_name.then(|| permissions.namespaces.names.iter().cloned().collect()),
            },
            tokens: spec.credentials.kind == CredentialType::ServiceAccountToken,
            tolerant: spec.remote.authority == Authority::None,
            manages: spec.remote.authority == Authority::Manage,
            aws_auth: spec.aws.as_ref().map(|aws| aws.mapping == Mapping::AwsAuth),
            aws: spec
                .aws
                .is_some()
                .then(|| (self.watches.server_account(), self.watches.declared(&mut Recent::default()).map(|(all, _)| all).unwrap_or_default())),
        }
    }
}

/// Where the writes for one remote cluster go.
struct Ways<'a> {
    keeper: &'a ClusterKeeper,
    access: Option<Arc<ClusterAccess>>,
}

impl Outlets for Ways<'_> {
    fn client(&self, kind: Kind) -> Result<Client, String> {
        if kind.is_remote() { self.keeper.known.client() } else { Ok(self.keeper.hub.clone()) }
    }

    fn unseal(&self, seal: Seal, body: &Value) -> Result<Action, String> {
        let known = &self.keeper.known;
        let (token, own) = known.tokens();
        if seal == Seal::Manager {
            let token = own.ok_or("there is no new credential of the operator")?;
            let mut body = body.clone();
            if let Some(body) = body.as_object_mut() {
                body.insert("data".to_owned(), serde_json::json!({crate::clusters::names::manager_key::TOKEN: encoded(token.as_bytes())}));
            }
            return Ok(Action::Merge(body));
        }
        let access = self.access.as_ref().ok_or("the object is gone")?;
        let subject = self.keeper.subject(access);
        let config = match (token, known.manager(&subject, Timestamp::now())) {
            (Some(token), Ok(Some(manager))) => Some(token_config(token, &manager.ca, subject.proxy.as_deref())),
            _ => None,
        };
        secret::unseal(seal, body, known.whole(), config.as_ref().map(|config| config.as_str())).map_err(|error| error.to_string())
    }
}

impl Keeper for ClusterKeeper {
    type Object = ClusterAccess;
    type World = World;
    type Plan = Plan<Prepared>;
    type Applied = Plan<Applied>;

    const KIND: Kind = Kind::ClusterAccess;
    const NAME: &'static str = "ClusterAccess";
    const CONDITIONS: &'static [ConditionType] = &ConditionType::CLUSTER;

    fn namespace(&self) -> &str {
        self.watches.namespace()
    }

    fn part(&self) -> Option<&str> {
        Some(&self.name)
    }

    fn probes(&self) -> Vec<Probe> {
        self.watches.probes()
    }

    fn outlets(&self, _: &Client) -> Box<dyn Outlets + '_> {
        Box::new(Ways { keeper: self, access: self.object() })
    }

    fn wrote(&mut self, done: &[Target], secrets: &BTreeMap<Target, String>) {
        let hub = done.iter().any(|target| !target.kind.is_remote() && target.kind != Kind::ClusterAccess);
        let remote = done.iter().any(|target| target.kind.is_remote());
        self.known.wrote(hub, remote);
        let own = anchors(MANAGER);
        for (target, uid) in secrets.iter().filter(|(target, _)| target.kind == Kind::RemoteSecret) {
            self.known.made_anchor(own.contains(&target.name), uid);
        }
    }

    async fn ask(&mut self, client: &Client) {
        let Some(access) = self.object() else { return };
        let serves = self.watches.settings.cluster_access.enabled;
        if serves {
            let subject = self.subject(&access);
            Box::pin(self.known.look(client, &subject)).await;
        }
    }

    fn look(&self, recent: &mut Recent, outside: Outside) -> Seen<World> {
        let (all, unreadable) = self.watches.declared(recent)?;
        let unreadable_beside = !unreadable.is_empty();
        let access = all.iter().find(|access| access.metadata.name.as_deref() == Some(&self.name)).cloned();
        let subject = access.as_ref().map(|access| self.subject(access));
        let absent = || Verdict::unknown(crate::api::conditions::Reason::Pending, "there is no object");
        let (fresh, own_fresh) = self.known.fresh();
        let manager = subject.as_ref().map_or_else(|| Err(absent()), |subject| self.known.manager(subject, Timestamp::now()));
        Ok(World {
            settings: self.watches.settings.clone(),
            withdraw_all: outside.withdraw_all,
            exec: self.watches.exec(&outside)?,
            contests: outside.contests,
            accesses: access.into_iter().collect(),
            unreadable: unreadable.into_iter().filter(|one| one.metadata.name.as_deref() == Some(&self.name)).collect(),
            all,
            unreadable_beside,
            aws: self.known.aws(),
            secret: self.known.secret(),
            manager,
            remote: self.known.remote(),
            minted: self.known.minted(),
            fresh,
            own_minted: self.known.own_minted(),
            own_fresh,
            failure: self.known.failure(),
            proof: self.known.proof(),
            refused: self.known.refused(),
        })
    }

    fn objects(world: &mut World) -> &mut Vec<Arc<ClusterAccess>> {
        &mut world.accesses
    }

    fn plan(world: &World, now: Timestamp) -> Plan<Prepared> {
        clusters::plan(world, now)
    }

    fn debts(plan: &Plan<Prepared>) -> BTreeSet<String> {
        plan.unseen.clone()
    }

    async fn review(&mut self, _: &Client, plan: &Plan<Applied>, _: &BTreeSet<Target>) {
        self.news = false;
        let Some(access) = self.object().filter(|access| access.spec.mode == Mode::Enforce || plan.prove.is_some()) else { return };
        let before = (self.known.proof().is_some(), self.known.minted().map(|minted| minted.claims));
        let subject = self.subject(&access);
        self.known.doubt(plan.outlooks.iter().any(|outlook| outlook.waits));
        let nothing = clusters::plan::Ask::default();
        let ask = plan.prove.as_ref().unwrap_or(&nothing);
        if let Some(order) = &plan.own {
            self.known.mint_own(order).await;
        }
        if let Some(order) = &plan.mint {
            let expected = user_of(&order.namespace, &order.service_account);
            self.known.mint(&subject, order, ask, &expected).await;
        } else if self.known.has_made() {
            self.known.prove_made(&subject, ask).await;
        } else if plan.prove.is_some() {
            self.known.prove(&subject, ask).await;
        }
        self.news = before != (self.known.proof().is_some(), self.known.minted().map(|minted| minted.claims));
    }

    fn forget(&mut self) {
        self.known = Known::default();
    }

    fn outlooks(plan: &Plan<Applied>) -> Vec<Arc<ClusterAccess>> {
        plan.outlooks.iter().map(|outlook| Arc::clone(&outlook.access)).collect()
    }

    fn status(&self, plan: &Plan<Applied>, index: usize, object: &Arc<ClusterAccess>, failures: &Failures, now: &Time) -> Status<Self> {
        let Some(outlook) = plan.outlooks.get(index) else { return (object.status.clone().unwrap_or_default(), false) };
        // The first proof of a process, and a new token, come after the plan: what that says is old already, and the next one is due at once.
        if let (true, Some(before)) = (self.news, &object.status) {
            return (before.clone(), true);
        }
        let status = status::status(outlook, object, failures, now);
        let up = find(&status.conditions, ConditionType::RemoteReachable).is_some_and(|c| c.status == "True");
        let expires = status.credential.as_ref().and_then(|credential| credential.expires_at.as_ref()).map(|at| at.0);
        self.metrics.remote(self.namespace(), object.cluster(), up, expires);
        (status, outlook.waits || plan.mint.is_some() || plan.own.is_some())
    }
}
