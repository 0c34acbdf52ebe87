//! What is to be said of an object, apart from what went wrong. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::admission::Case;
use super::grant::{Credential, Grant};
use super::plan::{Sum, is_forgotten};
use super::proof::WIDE;
use super::tokens;
use super::world::World;
use crate::api::cluster_access::{Authority, Read, Scope};
use crate::api::cluster_status::{ClusterFound, CredentialFound, RemoteNamespace};
use crate::api::conditions::{Reason, Verdict};
use crate::api::status::Change;
use crate::api::{ClusterAccess, RemoteRight};
use crate::argocd::kinds::Application;
use crate::reconcile::clock::{self, Clock};
use crate::reconcile::seen::data;
use crate::reconcile::write::{Kind, Target};

/// As many reasons of a terminal are named.
pub const BECAUSE: usize = 16;

/// It.
#[derive(Debug, Clone)]
pub struct Outlook {
    /// The object.
    pub access: Arc<ClusterAccess>,
    /// Whether the cluster is kept for it.
    pub kept: bool,
    /// Whether its permissions are in effect.
    pub effective: bool,
    /// `Accepted`.
    pub accepted: Verdict,
    /// `Active`.
    pub active: Verdict,
    /// `RemoteReachable`.
    pub reachable: Verdict,
    /// `RemoteRBACApplied`.
    pub rbac: Verdict,
    /// `CredentialReady`.
    pub credential: Verdict,
    /// `SecretApplied`.
    pub secret: Verdict,
    /// `PermissionsProven`.
    pub proven: Verdict,
    /// `Confined`.
    pub confined: Verdict,
    /// `CacheCompatible`.
    pub cache: Verdict,
    /// `AWSReady`.
    pub aws: Verdict,
    /// `ObservedByArgoCD`.
    pub observed: Verdict,
    /// `ClockSynced`, for an object with time limits.
    pub clock: Option<Verdict>,
    /// The cluster as found.
    pub cluster: ClusterFound,
    /// The credential, without what is secret of it.
    pub found: CredentialFound,
    /// The namespaces.
    pub namespaces: Vec<RemoteNamespace>,
    /// What is not held.
    pub missing: Vec<RemoteRight>,
    /// What is held and not declared.
    pub excess: Vec<RemoteRight>,
    /// What is left on a cluster that does not answer.
    pub pending: Vec<String>,
    /// What of an object that is to go was seen on a cluster that answers.
    pub left: Vec<String>,
    /// When it begins or ends next.
    pub next_transition: Option<Timestamp>,
    /// In Observe mode: what would change.
    pub changes: Vec<Change>,
    /// A proof is still to come.
    pub waits: bool,
}

/// Makes it.
pub(super) fn outlook(world: &World, case: &Case, sum: &Sum, held: Option<&Verdict>, clock: Clock, changes: Vec<Change>) -> Outlook {
    let times = case.grant.as_ref().map(|grant| &grant.times).filter(|times| times.is_limited());
    let grant = case.grant.as_ref().filter(|_| case.kept);
    let idle = case.idle();
    let or_idle = |verdict: Option<Verdict>| verdict.unwrap_or_else(|| idle.clone());
    let effective = grant.filter(|_| case.effective);
    let (proven, confined) = proofs(world, sum);
    let judged = sum.judged.as_ref();
    Outlook {
        access: Arc::clone(&case.access),
        kept: case.kept,
        effective: case.effective,
        accepted: case.accepted.clone(),
        active: case.active.clone(),
        reachable: reachable(world),
        rbac: or_idle(effective.map(|grant| with_hold(rbac(grant, sum, world), held))),
        credential: or_idle(grant.map(|grant| with_hold(credential(world, grant, sum), held))),
        secret: sum.secret.as_ref().map_or_else(|| idle.clone(), |secret| secret.verdict.clone()),
        proven: or_idle(effective.map(|_| proven)),
        confined: or_idle(effective.map(|_| confined)),
        cache: or_idle(grant.map(|grant| cache(world, grant, sum))),
        aws: or_idle(grant.map(|_| aws(sum))),
        observed: or_idle(grant.map(|grant| observed(world, grant))),
        clock: times.map(|_| clock::verdict(world.exec.server_ahead)),
        cluster: cluster(world, case),
        found: found(world, case, sum),
        namespaces: grant.map(|grant| namespaces(grant, sum, case.effective)).unwrap_or_default(),
        missing: judged.map(|judged| judged.missing.iter().cloned().collect()).unwrap_or_default(),
        excess: judged.map(|judged| judged.excess.keys().cloned().collect()).unwrap_or_default(),
        pending: pending(world, case, sum),
        left: left(world, case),
        next_transition: times.filter(|_| !case.going).and_then(|times| times.next_transition(clock)),
        changes,
        waits: effective.is_some() && world.remote.is_ok() && (world.proof.is_none() || judged.is_some_and(|j| !j.missing.is_empty())),
    }
}

fn with_hold(verdict: Verdict, held: Option<&Verdict>) -> Verdict {
    held.filter(|_| !verdict.holds()).cloned().unwrap_or(verdict)
}

fn reachable(world: &World) -> Verdict {
    match &world.remote {
        Ok(remote) => {
            let version = remote.version.as_deref().unwrap_or("of an unknown version");
            Verdict::yes(Reason::Connected, format!("the remote cluster answers (Kubernetes {version}), and is the one that the bootstrap saw"))
        }
        Err(verdict) => verdict.clone(),
    }
}

fn rbac(grant: &Grant, sum: &Sum, world: &World) -> Verdict {
    if let Err(verdict) = &world.remote {
        return Verdict::unknown(verdict.reason, format!("what there is in the remote cluster cannot be seen: {}", verdict.message));
    }
    if grant.authority == Authority::None {
        return Verdict::yes(Reason::External, "others keep the rights in the remote cluster; they are only verified");
    }
    if let Some(target) = sum.bindings.foreign.iter().next() {
        return Verdict::no(Reason::ForeignObject, format!("{target} is somebody else's and stands where ours would be; rename or remove it"));
    }
    if let Some(count) = sum.desired.too_many {
        return Verdict::no(
            Reason::TooMany,
            format!("the labels choose {count} namespaces; at most {} can be served: narrow them, or use scope: Cluster", super::bindings::MOST),
        );
    }
    if let Some(verdict) = sum.roles.verdict.as_ref().filter(|verdict| verdict.reason == Reason::NotBootstrapped) {
        return verdict.clone();
    }
    if let Some(name) = sum.desired.missing.iter().next() {
        let count = sum.desired.missing.len();
        let more = if count > 1 { format!(", and {} more", count - 1) } else { String::new() };
        return Verdict::no(
            Reason::NamespaceMissing,
            format!("the remote cluster has no namespace {name}{more}; create it, or correct permissions.namespaces"),
        );
    }
    if let Some(target) = sum.bindings.open.iter().next() {
        return Verdict::unknown(Reason::Pending, format!("{target} is not written yet"));
    }
    if let Some(verdict) = &sum.roles.verdict {
        return verdict.clone();
    }
    Verdict::yes(Reason::Applied, format!("{} bindings are in place in the remote cluster", sum.bindings.bound.len()))
}

fn credential(world: &World, grant: &Grant, sum: &Sum) -> Verdict {
    match &grant.credential {
        Credential::Existing => Verdict::yes(Reason::External, "others keep the credential; it is only verified"),
        Credential::Eks(_) => Verdict::unknown(
            Reason::NotProvable,
            "Argo CD gets its token from AWS; that it does cannot be proven from here: ObservedByArgoCD shows what Argo CD says",
        ),
        Credential::Token(_) => match (&sum.credential, &world.remote, tokens::current(world)) {
            (Some(folded), ..) => folded.verdict.clone(),
            (None, Err(verdict), Some(claims)) => {
                let message = format!("valid until {}; whether it still works cannot be seen: {}", claims.expires_at, verdict.message);
                Verdict::unknown(verdict.reason, message)
            }
            (None, Err(verdict), None) => Verdict::no(verdict.reason, format!("there is no credential yet: {}", verdict.message)),
            (None, Ok(_), _) => Verdict::unknown(Reason::Pending, "not looked at yet"),
        },
    }
}

/// `PermissionsProven` and `Confined`.
fn proofs(world: &World, sum: &Sum) -> (Verdict, Verdict) {
    let both = |verdict: Verdict| (verdict.clone(), verdict);
    if let Err(verdict) = &world.remote {
        return both(Verdict::unknown(verdict.reason, format!("nothing can be proven: {}", verdict.message)));
    }
    let Some(judged) = &sum.judged else {
        let why = match &world.proof {
            Some(Err(why)) => format!("nothing could be proven: {why}"),
            _ => "nothing was asked yet".to_owned(),
        };
        return both(Verdict::unknown(Reason::NotChecked, why));
    };
    let unknown = judged.unknown.iter().next().map(|(place, why)| {
        let place = if place == WIDE { "the whole cluster".to_owned() } else { format!("namespace {place}") };
        Verdict::unknown(
            if why == "not asked yet" { Reason::NotChecked } else { Reason::NotProvable },
            format!("of {place} not everything is known: {why}"),
        )
    });
    let proven = if let Some(first) = judged.missing.iter().next() {
        let count = judged.missing.len();
        Verdict::no(Reason::Missing, format!("{count} rights that are declared are not held, for one {}; status.missing has them", text(first)))
    } else {
        unknown.clone().unwrap_or_else(|| Verdict::yes(Reason::Proven, "the credential may do all that is declared, as the remote cluster says it"))
    };
    let worst = judged.excess.iter().min_by_key(|(_, reason)| rank(**reason));
    let confined = if let Some((right, reason)) = worst {
        let by = if right.by.is_empty() { String::new() } else { format!(", allowed by {}", right.by) };
        Verdict::no(*reason, format!("the credential may {} and nothing declares it{by}; status.excess has all of it", text(right)))
    } else {
        unknown.unwrap_or_else(|| Verdict::yes(Reason::OnlyDeclared, "the credential has no right of those that are looked for and not declared"))
    };
    (proven, confined)
}

fn rank(reason: Reason) -> u8 {
    match reason {
        Reason::HoldsWildcard => 0,
        Reason::HoldsAccessGrants => 1,
        Reason::HoldsExec => 2,
        _ => 3,
    }
}

fn text(right: &RemoteRight) -> String {
    let group = if right.group.is_empty() { String::new() } else { format!(".{}", right.group) };
    let place = if right.namespace.is_empty() { "in the whole cluster".to_owned() } else { format!("in {}", right.namespace) };
    format!("{} {}{group} {place}", right.verb, right.resource)
}

fn cache(world: &World, grant: &Grant, sum: &Sum) -> Verdict {
    let settings = match world.argocd_cm() {
        Ok(settings) => data(settings.as_deref()),
        Err(not_seen) => return Verdict::unknown(Reason::NotReadable, not_seen.to_string()),
    };
    let listed = sum.secret.as_ref().map(|secret| &secret.namespaces);
    let unbound = listed.into_iter().flatten().find(|name| case_is_unbound(sum, name));
    if let Some(name) = unbound {
        return Verdict::no(
            Reason::NamespaceUnbound,
            format!("Argo CD looks at {name}, where the credential may do nothing: its cache of the whole cluster fails by that"),
        );
    }
    let whole = grant.permissions.scope == Scope::Cluster && grant.permissions.read == Read::Wildcard;
    match settings.get("resource.respectRBAC").map(String::as_str) {
        _ if whole => Verdict::yes(Reason::Compatible, "the credential may read every kind everywhere"),
        Some("strict") => Verdict::yes(Reason::Compatible, "argocd-cm has resource.respectRBAC strict: Argo CD leaves out what it may not read"),
        Some("normal") => Verdict::yes(
            Reason::RespectRBACNormal,
            "argocd-cm has resource.respectRBAC normal: an expired credential would look like an empty cluster; strict asks again",
        ),
        other => {
            let now = other.map_or_else(|| "is not set".to_owned(), |value| format!("is {value:?}"));
            let message = format!(
                "argocd-cm resource.respectRBAC {now}: Argo CD wants to read every kind, and fails for the whole cluster at the first that it may not. Set it to strict (Helm value configs.cm.\"resource.respectRBAC\")"
            );
            Verdict::no(Reason::RespectRBACUnset, message)
        }
    }
}

/// Whether it is known that the credential may do nothing in a namespace.
fn case_is_unbound(sum: &Sum, name: &str) -> bool {
    sum.judged.is_some()
        && sum.found(name).is_none_or(|found| found.deploy == Some(false))
        && !sum.judged.as_ref().is_some_and(|j| j.unknown.contains_key(name))
}

fn aws(sum: &Sum) -> Verdict {
    let none = || Verdict::yes(Reason::NotApplicable, "the credential is none of AWS");
    sum.aws.as_ref().map_or_else(none, |folded| folded.verdict.clone())
}

fn observed(world: &World, grant: &Grant) -> Verdict {
    let applications = match world.applications_on(&grant.id.cluster, &grant.id.server) {
        Ok(applications) => applications,
        Err(not_seen) => return Verdict::unknown(Reason::NotReadable, not_seen.to_string()),
    };
    if applications.is_empty() {
        return Verdict::unknown(Reason::NoApplications, "no Application goes to the cluster, so that Argo CD says nothing of it");
    }
    let failing: Vec<(&Application, String)> = applications.iter().filter_map(|app| Some((*app, app.error()?))).collect();
    match failing.first() {
        Some((app, error)) => {
            let name = app.metadata.name.as_deref().unwrap_or_default();
            let message = format!("{} of {} Applications on the cluster report an error, {name} for one: {error}", failing.len(), applications.len());
            Verdict::no(Reason::ComparisonError, message)
        }
        None => Verdict::yes(Reason::NoErrors, format!("none of the {} Applications on the cluster reports an error", applications.len())),
    }
}

fn cluster(world: &World, case: &Case) -> ClusterFound {
    let before = case.access.status.as_ref().and_then(|status| status.cluster.clone()).unwrap_or_default();
    let manager = world.manager.as_ref().ok().and_then(Option::as_ref);
    ClusterFound {
        secret_name: Some(case.id.secret.clone()),
        kubernetes_version: world.remote.as_ref().ok().and_then(|remote| remote.version.clone()).or(before.kubernetes_version),
        // Only of a cluster that was reached: by it is told that something may be left there.
        cluster_uid: manager.filter(|_| world.remote.is_ok()).map(|manager| manager.cluster_uid.clone()).or(before.cluster_uid),
        ca_sha256: manager.map(|manager| manager.ca_sha256.clone()).or(before.ca_sha256),
    }
}

fn found(world: &World, case: &Case, sum: &Sum) -> CredentialFound {
    let before = case.access.status.as_ref().and_then(|status| status.credential.clone()).unwrap_or_default();
    if case.going {
        // What Argo CD had lives on until its anchor is gone, whether or not the Secret is.
        return before;
    }
    let manager_expires_at = world.manager.as_ref().ok().and_then(|m| m.as_ref()?.expires_at).map(Time).or(before.manager_expires_at.clone());
    let claims = tokens::current(world);
    let Some(claims) = claims else { return CredentialFound { manager_expires_at, ..CredentialFound::default() } };
    CredentialFound {
        subject: Some(claims.subject.clone()),
        granted_seconds: Some(claims.life()),
        issued_at: Some(Time(claims.issued_at)),
        expires_at: Some(Time(claims.expires_at)),
        renew_at: sum.credential.as_ref().and_then(|folded| folded.life.renew_at).map(Time),
        anchor: claims.anchor.as_ref().map(|bound| bound.name.clone()),
        manager_expires_at,
    }
}

fn namespaces(grant: &Grant, sum: &Sum, effective: bool) -> Vec<RemoteNamespace> {
    let empty = BTreeSet::new();
    let listed = sum.secret.as_ref().map_or(&empty, |secret| &secret.namespaces);
    let wide = (grant.permissions.scope == Scope::Cluster).then(|| WIDE.to_owned());
    let declared: BTreeSet<&String> =
        if effective { sum.desired.namespaces.iter().chain(sum.desired.exec.keys()).chain(&wide).collect() } else { BTreeSet::new() };
    let none = BTreeMap::new();
    let exec = if effective { &sum.desired.exec } else { &none };
    let one = |name: &&String| {
        let found = sum.found(name).unwrap_or_default();
        let because: Vec<String> = exec.get(*name).into_iter().flatten().take(BECAUSE).cloned().collect();
        RemoteNamespace {
            name: if *name == WIDE { "*".to_owned() } else { (*name).clone() },
            deploy: found.deploy,
            exec: found.exec,
            because,
            in_secret: *name == WIDE || listed.contains(*name),
        }
    };
    declared.iter().chain(&listed.iter().filter(|name| !declared.contains(name)).collect::<Vec<_>>()).map(one).collect()
}

/// What of an object that is to go is still there, where that can be seen.
fn left(world: &World, case: &Case) -> Vec<String> {
    let remote = world.remote.as_ref().ok().filter(|_| case.going);
    remote
        .map(|remote| remote.owned(&case.id.owner, (&case.id.namespace, &case.id.anchors)).iter().map(ToString::to_string).collect())
        .unwrap_or_default()
}

/// What is left on a cluster that does not answer: what the status said that there was.
fn pending(world: &World, case: &Case, sum: &Sum) -> Vec<String> {
    if !case.going || world.remote.is_ok() || is_forgotten(&case.access.metadata) || sum.blind.is_none() {
        return Vec::new();
    }
    let Some(before) = case.access.status.as_ref() else { return Vec::new() };
    if !before.pending_remote.is_empty() {
        return before.pending_remote.clone();
    }
    let bindings = before.namespaces.iter().flat_map(|n| {
        let roles = [Some(super::names::SYNC), Some(super::names::LOGS), n.exec.map(|_| super::names::EXEC)];
        roles.into_iter().flatten().map(|role| {
            let target = if n.name == "*" {
                Target::cluster(Kind::RemoteClusterRoleBinding, role)
            } else {
                Target::namespaced(Kind::RemoteRoleBinding, &n.name, role)
            };
            target.to_string()
        })
    });
    let anchor = before.credential.as_ref().and_then(|credential| credential.anchor.as_ref());
    let anchor = anchor.map(|name| Target::namespaced(Kind::RemoteSecret, &case.id.namespace, name).to_string());
    bindings.chain(anchor).collect()
}
