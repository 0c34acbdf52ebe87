//! The cluster, and whose credential counts there. Pure.
//!
//! Argo CD connects with what its cluster Secret says, and with argocd-server's own ServiceAccount where there is none for the cluster that
//! it runs in (Argo CD `RawRestConfig`). Secrets are not read.

use std::collections::BTreeSet;

use super::link::{Fix, Link, Name};
use super::observed::Observed;
use super::question::Question;
use super::{Cause, after_application, commands};
use crate::argocd::ARGOCD_CM;
use crate::exec::remote::{self, Cluster, Remote};
use crate::exec::remote_proof::Proofs;
use crate::reconcile::seen::data;

const NAME: Name = Name::Destination;
const IN_CLUSTER: &str = "cluster.inClusterEnabled";

/// How it stands.
#[must_use]
pub fn look(question: &Question, observed: &Observed) -> Link {
    let Some(live) = observed.live() else { return after_application(NAME) };
    let destination = &live.application.spec.destination;
    let instance = &question.instance;
    if let Some(cluster) = Cluster::of(destination) {
        let namespaces: BTreeSet<String> = super::observed::pod_namespace(question, Some(live)).into_iter().collect();
        let fact = format!(
            "another cluster, {}, where {} counts; Secrets are not read, so that its rights cannot be told from here",
            cluster.label(),
            cluster.identity(instance)
        );
        let remote: Remote = [(cluster, namespaces)].into();
        let rule = remote::status(&remote, &Proofs::new(), instance).into_iter().next().map(|r| format!("what it needs there:\n{}", r.rule));
        return Link::unknown(NAME, Cause::Remote, fact).mended_by(Fix::default().noting(rule));
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
