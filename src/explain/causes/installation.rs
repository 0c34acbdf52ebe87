//! The rows of the operator's own installation, in the words of people who look for them.

use super::rows::row;
use super::{Name, Row};

const IGNORED: &str = "an ExecAccess gets no status, or keeps an old one";
const INSTEAD: &str =
    "run helm upgrade with the values of the release, and --force-conflicts where Helm speaks of conflicts: it puts back what the chart says";

/// What is wrong with the operator's installation, or what cannot be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum InstallationCause {
    /// The API server does not know a kind of the operator's.
    DefinitionsMissing,
    /// It knows an older one.
    DefinitionsOld,
    /// The operator lacks a right.
    RightsMissing,
    /// No Argo CD.
    ArgocdMissing,
    /// An Argo CD or a Kubernetes that is not served.
    VersionsUnsupported,
    /// No Deployment of the operator.
    OperatorMissing,
    /// It has no pods on purpose.
    OperatorStopped,
    /// No pod is ready, or not yet one of this version.
    OperatorNotReady,
    /// Nobody has the Lease.
    LeaseFree,
    /// Somebody else has the Lease.
    LeaseTaken,
}

impl InstallationCause {
    /// All of them, in the order of the links.
    pub const ALL: [Self; 10] = [
        Self::DefinitionsMissing,
        Self::DefinitionsOld,
        Self::RightsMissing,
        Self::ArgocdMissing,
        Self::VersionsUnsupported,
        Self::OperatorMissing,
        Self::OperatorStopped,
        Self::OperatorNotReady,
        Self::LeaseFree,
        Self::LeaseTaken,
    ];
}

pub(super) const fn of(cause: InstallationCause) -> Row {
    match cause {
        InstallationCause::DefinitionsMissing => row(
            "definitions-missing",
            Name::Definitions,
            "kubectl: the server doesn't have a resource type",
            "the API server does not know the operator's kinds",
            "install the CustomResourceDefinitions: helm upgrade with crds.enabled: true, or kubectl apply --server-side of what argocd-access crds prints",
        ),
        InstallationCause::DefinitionsOld => row(
            "definitions-old",
            Name::Definitions,
            "kubectl: unknown field, in an ExecAccess of the documentation",
            "the CustomResourceDefinitions are of an older version than the operator",
            "bring them up to date: helm upgrade with crds.enabled: true, or kubectl apply --server-side --force-conflicts of what argocd-access crds prints",
        ),
        InstallationCause::RightsMissing => {
            row("rights-missing", Name::Rights, IGNORED, "the operator's ServiceAccount has not the rights that the chart gives it", INSTEAD)
        }
        InstallationCause::ArgocdMissing => row(
            "argocd-missing",
            Name::Argocd,
            "an ExecAccess is not Ready: ServerNotFound, or ConfigMapMissing",
            "there is no Argo CD in a namespace that the operator serves",
            "install the chart into the namespace of your Argo CD, or name that in additionalInstances",
        ),
        InstallationCause::VersionsUnsupported => row(
            "versions-unsupported",
            Name::Argocd,
            "nothing is granted, and the status of every ExecAccess says which version is too old",
            "Argo CD or Kubernetes is older than what the operator serves",
            "upgrade it; until then nothing is granted",
        ),
        InstallationCause::OperatorMissing => {
            row("operator-missing", Name::Operator, IGNORED, "the Deployment of the operator is not there", INSTEAD)
        }
        InstallationCause::OperatorStopped => row(
            "operator-stopped",
            Name::Operator,
            IGNORED,
            "the Deployment of the operator has no replicas: somebody stopped it",
            "scale it up again",
        ),
        InstallationCause::OperatorNotReady => row(
            "operator-not-ready",
            Name::Operator,
            IGNORED,
            "no pod of the operator is ready, or none of the version that is installed",
            "see what its pods say: kubectl describe, and kubectl logs",
        ),
        InstallationCause::LeaseFree => row(
            "lease-free",
            Name::Lease,
            IGNORED,
            "no operator has the Lease of the namespace, so that nobody writes there",
            "see what the operator's pods say: kubectl logs",
        ),
        InstallationCause::LeaseTaken => row(
            "lease-taken",
            Name::Lease,
            "what you declare is carried out by another operator, or with another configuration",
            "an operator that is not of this installation has the Lease of the namespace",
            "end the one of the two that is not meant to serve the namespace",
        ),
    }
}
