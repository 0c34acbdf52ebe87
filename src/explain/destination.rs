//! The cluster, and whose credential counts there. Pure.
//!
//! Argo CD connects with what its cluster Secret says, and with argocd-server's own ServiceAccount where there is none for the cluster that
//! it runs in (Argo CD `RawRestConfig`). Secrets are not read; the status of a `ClusterAccess` is.

use std::collections::BTreeSet;

use super::link::{Fix, Link, Name};
use super::observed::Observed;
use super::question::Question;
use super::{Cause, after_application, commands, exec_access};
use crate::argocd::ARGOCD_CM;
use crate::exec::remote::{self, Cluster, Remote};
use crate::exec::remote_proof::{self, Asked, By, Proof, Proofs};
use crate::reconcile::clock::Clock;
use crate::reconcile::seen::data;
use crate::shell::word;

const NAME: Name = Name::Destination;
const IN_CLUSTER: &str = "cluster.inClusterEnabled";

/// Another cluster: what the `ClusterAccess` of it proves, where there is one.
fn elsewhere(question: &Question, observed: &Observed, cluster: Cluster, namespaces: BTreeSet<String>) -> Link {
    let instance = question.instance.as_str();
    // What the platform admin denies is not known here; and whoever has a terminal bound there, it is bound.
    let asked = Asked { access: None, cluster: &cluster, namespaces: &namespaces, denied: &BTreeSet::new() };
    let proof = remote_proof::prove(&observed.world.clusters, asked, Clock::new(observed.now, observed.world.server_ahead));
    let label = cluster.label().to_owned();
    let kept = |by: &By| format!("another cluster, {label}, whose credential ClusterAccess {} keeps", by.name);
    let remote: Remote = [(cluster, namespaces)].into();
    let status = remote::status(&remote, &Proofs::new(), instance).into_iter().next();
    let rule = || status.as_ref().map(|r| format!("what it needs there:\n{}", r.rule));
    match &proof {
        Proof::Uncovered | Proof::Open { by: None, .. } => {
            let identity = status.as_ref().map(|r| r.identity.clone()).unwrap_or_default();
            let fact =
                format!("another cluster, {label}, where {identity} counts; Secrets are not read, so that its rights cannot be told from here");
            let why = Some(proof.why()).filter(|why| !why.is_empty()).map(ToOwned::to_owned);
            Link::unknown(NAME, Cause::Remote, fact).mended_by(Fix::default().noting(rule()).noting(why))
        }
        Proof::Proven { by } => Link::open(NAME, format!("{}: as its status says, a terminal opens there", kept(by))),
        Proof::Refused { by, why, change } => {
            let patch = change.as_ref().and_then(|change| commands::json_patch(instance, "clusteraccesses.argocd-access.dev", &by.name, change));
            let fix = match patch {
                Some(patch) => Fix::command(patch).noting("whoever changes it widens what Argo CD itself may do in that cluster".to_owned()),
                None => Fix::by_people(Cause::ClusterAccessRefuses.mend()),
            };
            Link::closed(NAME, Cause::ClusterAccessRefuses, format!("{}: {why}", kept(by))).mended_by(fix)
        }
        Proof::Open { by: Some(by), why, idle } => {
            let declared = if *idle { exec_access::declare(question) } else { None };
            let describe = format!("kubectl -n {} describe clusteraccesses.argocd-access.dev {} shows all of it", word(instance), word(&by.name));
            let fix = declared.unwrap_or_else(|| Fix::by_people(describe)).noting(rule().filter(|_| !by.binds));
            Link::unknown(NAME, Cause::ClusterAccessUnproven, format!("{}: {why}", kept(by))).mended_by(fix)
        }
    }
}

/// How it stands.
#[must_use]
pub fn look(question: &Question, observed: &Observed) -> Link {
    let Some(live) = observed.live() else { return after_application(NAME) };
    let destination = &live.application.spec.destination;
    let instance = &question.instance;
    if let Some(cluster) = Cluster::of(destination) {
        let namespaces: BTreeSet<String> = super::observed::pod_namespace(question, Some(live)).into_iter().collect();
        return elsewhere(question, observed, cluster, namespaces);
    }
    if !destination.is_in_cluster() {
        let fix = Fix::by_people(Cause::DestinationNone.mend());
        return Link::closed(NAME, Cause::DestinationNone, "the Application names no cluster").mended_by(fix);
    }
    let settings = observed.world.argocd_cm.as_ref().ok().and_then(Option::as_ref);
    if let Some(config_map) = settings.filter(|cm| data(Some(cm)).get(IN_CLUSTER).is_some_and(|v| v == "false")) {
        let fact = format!("{ARGOCD_CM} has {IN_CLUSTER} \"false\", and the Application deploys to the cluster that Argo CD runs in");
        let note = "every Application of the cluster that Argo CD runs in is served again by it".to_owned();
        let fix = commands::set_argocd_cm(observed, &config_map.metadata, IN_CLUSTER, "true").noting(note);
        return Link::closed(NAME, Cause::InClusterDisabled, fact).mended_by(fix);
    }
    match observed.world.server() {
        Err(not_seen) => super::not_readable(NAME, &not_seen),
        Ok(Err(_)) => super::after(NAME, "it depends on argocd-server"),
        Ok(Ok(server)) => Link::open(
            NAME,
            format!(
                "the cluster that Argo CD runs in, where argocd-server's ServiceAccount {instance}/{} counts (unless a cluster Secret for https://kubernetes.default.svc has credentials of its own: Secrets are not read)",
                server.service_account
            ),
        ),
    }
}
