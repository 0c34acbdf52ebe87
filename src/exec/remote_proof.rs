//! Whether a terminal on another cluster can open, as the status of that cluster's `ClusterAccess` proves it. Pure.
//!
//! The process that serves `ClusterAccess` asks the remote cluster with the very credential that is in Argo CD's cluster Secret, and says in
//! `status.namespaces` where a terminal may be opened and because of which `ExecAccess`. Here that is read, and believed only:
//! * of the one object that stands for the cluster by the name or the address that the Applications have;
//! * while its status speaks of its present generation, the remote cluster answers, the Secret is written and the credential is valid;
//! * as long as something would have followed if it were still kept: not beyond the next beginning or end of its permissions, not beyond the
//!   end of the credential, and not well beyond the time at which that is to be replaced. Conditions have no heartbeat. So a status that
//!   nobody keeps any more counts for two thirds of a credential's life at most, and then no more.
//!
//! What is not verified: that nobody has taken the right away in the remote cluster since its process asked last (it asks every minute); that
//! Argo CD uses this Secret, where there is another one for the same cluster that the operator may not see; and that argocd-server reaches
//! that cluster over the network, which is not the way that the operator comes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::SignedDuration;
use serde_json::{Value, json};

use super::admission::Case;
use super::remote::{self, Cluster};
use super::server::ServerOutlook;
use super::world::World;
use crate::api::cluster_access::{Authority, Exec, Scope};
use crate::api::cluster_status::RemoteNamespace;
use crate::api::conditions::{Reason, State, Verdict};
use crate::api::{ClusterAccess, ClusterAccessStatus};
use crate::clusters::names::PROTECTED;
use crate::clusters::outlook::BECAUSE;
use crate::reconcile::clock::Clock;
use crate::reconcile::seen::Seen;

/// A credential that is so long overdue is not replaced any more.
const OVERDUE: SignedDuration = SignedDuration::from_mins(10);
/// What has to hold, in the order in which it is told.
const CONDITIONS: [&str; 5] = ["Accepted", "Active", "RemoteReachable", "CredentialReady", "SecretApplied"];

/// What is known of the terminals on one other cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Proof {
    /// No `ClusterAccess` has the cluster.
    Uncovered,
    /// It is not known (yet).
    Open {
        /// The object, where it is one.
        by: Option<By>,
        /// Why.
        why: String,
        /// No `ExecAccess` needs the terminal there, so that its right is not bound.
        idle: bool,
    },
    /// The object keeps the terminal from it.
    Refused {
        /// The object.
        by: By,
        /// By what, and what to change.
        why: String,
        /// The change, as a JSON patch of the object, where it is one.
        change: Option<Value>,
    },
    /// It is proven in every namespace.
    Proven {
        /// The object.
        by: By,
    },
}

/// The `ClusterAccess` of a cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct By {
    /// Its name.
    pub name: String,
    /// Who Argo CD is there, as far as that is known.
    pub subject: Option<String>,
    /// Whether it binds the terminal's right itself; else others keep the rights there.
    pub binds: bool,
}

/// What is known of each.
pub type Proofs = BTreeMap<Cluster, Proof>;

impl Proof {
    /// The object that the cluster has.
    #[must_use]
    pub const fn by(&self) -> Option<&By> {
        match self {
            Self::Uncovered => None,
            Self::Open { by, .. } => by.as_ref(),
            Self::Refused { by, .. } | Self::Proven { by } => Some(by),
        }
    }

    /// Whether it is proven.
    #[must_use]
    pub const fn holds(&self) -> bool {
        matches!(self, Self::Proven { .. })
    }

    /// Why it is not.
    #[must_use]
    pub fn why(&self) -> &str {
        match self {
            Self::Open { why, .. } | Self::Refused { why, .. } => why,
            Self::Uncovered | Self::Proven { .. } => "",
        }
    }
}

/// Whose terminals, and where.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// The name of the `ExecAccess` because of which they are to open; `None`: because of any.
    pub access: Option<&'a str>,
    /// The cluster, as the Applications name it.
    pub cluster: &'a Cluster,
    /// The namespaces there.
    pub namespaces: &'a BTreeSet<String>,
    /// Namespaces that the limits of the instance deny.
    pub denied: &'a BTreeSet<String>,
}

/// Proves every other cluster of every object in effect.
pub fn complete(world: &World, cases: &[Case], clock: Clock, server: &mut BTreeMap<usize, ServerOutlook>) {
    for (index, outlook) in server {
        let access = cases.get(*index).and_then(|case| case.access.metadata.name.as_deref());
        let access = access.or(Some(""));
        let denied = &world.settings.limits.denied_namespaces;
        let one = |(cluster, namespaces): (&Cluster, &BTreeSet<String>)| {
            let asked = Asked { access, cluster, namespaces, denied };
            (cluster.clone(), prove(&world.clusters, asked, clock))
        };
        outlook.remote = outlook.reach.remote.iter().map(one).collect();
    }
}

/// Whether terminals can open on one cluster.
#[must_use]
pub fn prove(clusters: &Seen<Vec<Arc<ClusterAccess>>>, asked: Asked<'_>, clock: Clock) -> Proof {
    let open = |by: Option<By>, why: String| Proof::Open { by, why, idle: false };
    let clusters = match clusters {
        Ok(clusters) => clusters,
        Err(not_seen) => return open(None, not_seen.to_string()),
    };
    let access = match covering(clusters, asked.cluster) {
        Ok(Some(access)) => access,
        Ok(None) => return Proof::Uncovered,
        Err(why) => return open(None, why),
    };
    let by = By {
        name: access.metadata.name.clone().unwrap_or_default(),
        subject: access.status.as_ref().and_then(|status| status.credential.as_ref()?.subject.clone()),
        binds: access.spec.remote.authority != Authority::None,
    };
    if let Some((why, change)) = refusal(access, &asked) {
        return Proof::Refused { by, why, change };
    }
    let status = match current(access, clock) {
        Ok(status) => status,
        Err(why) => return open(Some(by), why),
    };
    if asked.namespaces.is_empty() {
        return open(Some(by), "the Applications name no namespace there, so that there is none to prove".to_owned());
    }
    let worst = asked.namespaces.iter().filter_map(|namespace| there(access, status, asked.access, namespace).err()).min();
    match worst {
        Some(Not::Ever(why)) => Proof::Refused { by, why, change: None },
        Some(Not::Yet { why, idle }) => Proof::Open { by: Some(by), why, idle },
        None => Proof::Proven { by },
    }
}

/// The one object that stands for a cluster.
fn covering<'a>(clusters: &'a [Arc<ClusterAccess>], cluster: &Cluster) -> Result<Option<&'a ClusterAccess>, String> {
    let is_meant = |access: &&ClusterAccess| match cluster {
        Cluster::Name(name) => access.cluster() == name,
        Cluster::Server(server) => access.spec.server == *server,
    };
    let meant: Vec<&ClusterAccess> = clusters.iter().map(AsRef::as_ref).filter(is_meant).collect();
    // One that is told that an older one has the same cluster does nothing.
    let standing = |access: &&&ClusterAccess| access.metadata.deletion_timestamp.is_none() && !is_duplicate(access);
    let standing: Vec<&ClusterAccess> = meant.iter().filter(standing).copied().collect();
    match (standing.as_slice(), meant.first()) {
        ([one], _) => Ok(Some(one)),
        ([], None) => Ok(None),
        ([], Some(other)) => Err(format!("ClusterAccess {} is being deleted, or is not the one that counts", name(other))),
        (several, _) => {
            let names: Vec<&str> = several.iter().take(3).map(|access| name(access)).collect();
            Err(format!("more than one ClusterAccess has this cluster ({}), and which one counts is not decided", names.join(", ")))
        }
    }
}

fn name(access: &ClusterAccess) -> &str {
    access.metadata.name.as_deref().unwrap_or_default()
}

fn is_duplicate(access: &ClusterAccess) -> bool {
    let conditions = access.status.iter().flat_map(|status| &status.conditions);
    conditions.into_iter().any(|c| {
        c.type_ == "Accepted"
            && c.status == State::False.as_str()
            && c.reason == Reason::DuplicateServer.as_str()
            && c.observed_generation == access.metadata.generation
    })
}

/// What of an object's declaration keeps terminals from it, whatever its status says.
fn refusal(access: &ClusterAccess, asked: &Asked<'_>) -> Option<(String, Option<Value>)> {
    let permissions = &access.spec.permissions;
    if permissions.exec == Exec::Never {
        let change = json!([{"op": "add", "path": "/spec/permissions/exec", "value": "Auto"}]);
        return Some(("its permissions.exec is Never; set it to Auto".to_owned(), Some(change)));
    }
    if let Some(namespace) = asked.namespaces.iter().find(|n| PROTECTED.contains(&n.as_str())) {
        return Some((format!("in {namespace} nothing is ever bound; deploy to another namespace"), None));
    }
    if let Some(namespace) = asked.namespaces.intersection(asked.denied).next() {
        return Some((format!("this instance denies the namespace {namespace} (limit deniedNamespaces)"), None));
    }
    let named = &permissions.namespaces;
    let fixed = permissions.scope == Scope::Namespaces && named.selector.is_none();
    let left_out = asked.namespaces.iter().find(|n| fixed && !named.names.contains(n));
    left_out.map(|namespace| {
        let change = json!([{"op": "add", "path": "/spec/permissions/namespaces/names/-", "value": namespace}]);
        (format!("its permissions leave out the namespace {namespace}; add it to permissions.namespaces.names"), Some(change))
    })
}

/// The status, where it speaks of what is declared now and says that Argo CD can come at all.
fn current(access: &ClusterAccess, clock: Clock) -> Result<&ClusterAccessStatus, String> {
    let generation = access.metadata.generation;
    let status = access.status.as_ref().filter(|status| status.observed_generation == generation);
    let status = status.ok_or("its status does not speak of what it declares now; the process that serves it has not looked at it yet")?;
    for kind in CONDITIONS {
        let Some(condition) = status.conditions.iter().find(|c| c.type_ == kind && c.observed_generation == generation) else {
            return Err(format!("its status says nothing of {kind}"));
        };
        if condition.status != State::True.as_str() {
            return Err(format!("{kind} is {} ({}): {}", condition.status, condition.reason, condition.message));
        }
    }
    let kept = "is the process that serves remote clusters running?";
    if let Some(at) = status.next_transition.as_ref().filter(|at| at.0 <= clock.late) {
        return Err(format!("its status is of before {}, when its permissions were to change; {kept}", at.0));
    }
    let credential = status.credential.as_ref();
    let Some(expires_at) = credential.and_then(|credential| credential.expires_at.as_ref()) else {
        return Err("its status does not say how long the credential is valid".to_owned());
    };
    if expires_at.0 <= clock.late {
        return Err(format!("its status is of before {}, when the credential expired; {kept}", expires_at.0));
    }
    let renew_at = credential.and_then(|credential| credential.renew_at.as_ref());
    if let Some(at) = renew_at.filter(|at| clock.late.duration_since(at.0) > OVERDUE) {
        return Err(format!("the credential was to be replaced at {}, and was not; {kept}", at.0));
    }
    Ok(status)
}

/// Why a terminal cannot open in a namespace, the worst first.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Not {
    /// That is declared so.
    Ever(String),
    /// That may change by itself.
    Yet {
        /// Nothing needs it.
        idle: bool,
        /// Why.
        why: String,
    },
}

fn there(access: &ClusterAccess, status: &ClusterAccessStatus, asking: Option<&str>, namespace: &str) -> Result<(), Not> {
    let rights = status.conditions.iter().find(|c| c.type_ == "RemoteRBACApplied");
    let applied = rights.is_some_and(|c| c.status == State::True.as_str());
    let remark =
        rights.filter(|_| !applied).map(|c| format!("; RemoteRBACApplied is {} ({}): {}", c.status, c.reason, c.message)).unwrap_or_default();
    let Some(found) = status.namespaces.iter().find(|n| n.name == namespace) else {
        // A selector decides by labels that are not seen here; but it is known which namespaces it has chosen.
        let chosen = access.spec.permissions.scope == Scope::Namespaces && access.spec.permissions.namespaces.selector.is_some();
        let named = access.spec.permissions.namespaces.names.iter().any(|n| n == namespace);
        return Err(if chosen && !named && applied && !status.truncated {
            Not::Ever(format!("its permissions.namespaces.selector does not choose the namespace {namespace}; label it there, or name it"))
        } else {
            // With scope Cluster only those namespaces are listed by themselves in which something needs a terminal.
            let idle = applied && !status.truncated && access.spec.permissions.scope == Scope::Cluster;
            Not::Yet { idle, why: format!("it says nothing of the namespace {namespace}{remark}") }
        });
    };
    let idle = found.exec.is_none() && found.because.is_empty() && access.spec.remote.authority != Authority::None;
    is_open(access, found, asking).map_err(|why| Not::Yet { idle, why: format!("{why}{remark}") })
}

fn is_open(access: &ClusterAccess, found: &RemoteNamespace, asking: Option<&str>) -> Result<(), String> {
    let namespace = &found.name;
    let named = asking.is_none_or(|asking| found.because.iter().any(|name| name == asking));
    match found.exec {
        None if access.spec.remote.authority == Authority::None => {
            Err(format!("others keep the rights there (remote.authority is None), and whether terminals open in {namespace} is not looked at"))
        }
        None if found.because.is_empty() => Err(format!("no terminal is bound in {namespace}, since no ExecAccess in effect needs one there (yet)")),
        None => Err(format!("whether a terminal opens in {namespace} is not proven yet")),
        Some(false) => Err(format!("the credential may not open terminals in {namespace}")),
        Some(true) if !named && found.because.len() >= BECAUSE => {
            Err(format!("terminals open in {namespace}; but so many ExecAccess objects need them that this one is not named among them"))
        }
        Some(true) if !named => Err(format!("terminals open in {namespace}, and not because of this object (yet)")),
        // Argo CD shows nothing of a namespace that is not in its cluster Secret.
        Some(true) if access.spec.permissions.scope == Scope::Namespaces && !found.in_secret => {
            Err(format!("the namespace {namespace} is not in the cluster Secret yet"))
        }
        Some(true) => Ok(()),
    }
}

/// What is to be said of all of them; `None`: they are proven.
#[must_use]
pub fn verdict(server: &ServerOutlook) -> Option<Verdict> {
    let open = server.reach.remote.iter().filter(|(cluster, _)| server.remote.get(cluster).is_none_or(|proof| !proof.holds()));
    let (mut uncovered, mut said) = (remote::Remote::new(), Vec::new());
    for (cluster, namespaces) in open {
        match server.remote.get(cluster) {
            None | Some(Proof::Uncovered) => drop(uncovered.insert(cluster.clone(), namespaces.clone())),
            Some(proof) => said.push((cluster, proof)),
        }
    }
    let text = |(cluster, proof): &(&Cluster, &Proof)| match proof.by() {
        Some(by) => format!("Applications deploy to {}, which ClusterAccess {} keeps: {}", cluster.label(), by.name, proof.why()),
        None => format!("Applications deploy to {}: {}", cluster.label(), proof.why()),
    };
    let refused = |(_, proof): &&(&Cluster, &Proof)| matches!(proof, Proof::Refused { .. });
    let no: Vec<String> = said.iter().filter(refused).take(2).map(text).collect();
    if !no.is_empty() {
        return Some(Verdict::no(Reason::RemoteCluster, no.join("; ")));
    }
    let mut all: Vec<String> = said.iter().take(2).map(text).collect();
    if !uncovered.is_empty() {
        all.push(remote::message(&uncovered, &server.instance));
    }
    (!all.is_empty()).then(|| Verdict::unknown(Reason::RemoteCluster, all.join("; ")))
}

/// By which objects they are proven, for a message; empty: there are none.
#[must_use]
pub fn proven_by(server: &ServerOutlook) -> String {
    let namespaces = |cluster: &Cluster| server.reach.remote.get(cluster).map_or(0, BTreeSet::len);
    let one = |(cluster, proof): (&Cluster, &Proof)| {
        let by = proof.by().filter(|_| proof.holds())?;
        Some(format!("in {} namespace(s) of {} by the status of ClusterAccess {}", namespaces(cluster), cluster.label(), by.name))
    };
    server.remote.iter().filter_map(one).take(3).collect::<Vec<_>>().join(", ")
}
