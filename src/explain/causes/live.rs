//! The rows of live resources, in the words of people who look for them.

use super::rows::row;
use super::{Name, Row};

const GONE: &str = "HTTP 404, or Resource not found in cluster, although the tree shows the resource";
const REFUSED: &str = "HTTP 403 instead of the live manifest; the agent's log has: is forbidden, cannot get resource";
const UNMANAGED: &str = "HTTP 403 instead of the live manifest; the agent's log has: resource not managed by app";
const NOTHING: &str = "no live resource of the agent's cluster comes: HTTP 502 or 504";
const TELL: &str = "none: it is explain that cannot tell";

/// What is wrong with a live resource, or what cannot be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LiveCause {
    /// No agent.
    AgentMissing,
    /// More than one.
    AgentAmbiguous,
    /// Its resource proxy is off.
    ProxyOff,
    /// Its settings cannot be decided.
    AgentUndecided,
    /// It opens no terminals.
    Autonomous,
    /// The Application is not there.
    ApplicationMissing,
    /// It is of another project.
    ProjectDiffers,
    /// In the control plane: it names the control plane's own cluster.
    DestinationHere,
    /// It deploys elsewhere.
    Elsewhere,
    /// It does not have the resource.
    NotListed,
    /// The feature is for another kind.
    FeatureKind,
    /// No such kind.
    KindUnknown,
    /// A kind that is never passed on.
    NeverProxied,
    /// The kind does not offer it.
    VerbUnsupported,
    /// The resource is not there.
    ResourceMissing,
    /// An owner is not there.
    OwnerMissing,
    /// The agent does not find it managed.
    NotManaged,
    /// Too many owners.
    OwnersTooDeep,
    /// Whether it is managed cannot be told.
    MarkUntold,
    /// No AppProject.
    ProjectMissing,
    /// The project does not permit it.
    OutsideProject,
    /// Nothing declares it.
    NotDeclared,
    /// It is left out on purpose.
    LeftOut,
    /// The declaration is not in effect.
    NotInEffect,
    /// The operator may not give it.
    BeyondCeiling,
    /// It is not applied.
    NotApplied,
    /// No operator has looked at it.
    NotServed,
    /// No get on the kind.
    KindGet,
    /// No get on an owner.
    OwnerGet,
    /// No right to change it.
    Change,
    /// No list of Events.
    Events,
    /// No logs.
    Logs,
    /// No terminal.
    Exec,
    /// In the control plane: the principal is not as it must be.
    PrincipalUnfit,
    /// argocd-server asks another Redis.
    RedisElsewhere,
    /// argocd-server does not reach the resource proxy.
    NetworkClosed,
}

impl LiveCause {
    /// All of them, in the order of the links.
    pub const ALL: [Self; 36] = [
        Self::AgentMissing,
        Self::AgentAmbiguous,
        Self::ProxyOff,
        Self::AgentUndecided,
        Self::Autonomous,
        Self::ApplicationMissing,
        Self::ProjectDiffers,
        Self::DestinationHere,
        Self::Elsewhere,
        Self::NotListed,
        Self::FeatureKind,
        Self::KindUnknown,
        Self::NeverProxied,
        Self::VerbUnsupported,
        Self::ResourceMissing,
        Self::OwnerMissing,
        Self::NotManaged,
        Self::OwnersTooDeep,
        Self::MarkUntold,
        Self::ProjectMissing,
        Self::OutsideProject,
        Self::NotDeclared,
        Self::LeftOut,
        Self::NotInEffect,
        Self::BeyondCeiling,
        Self::NotApplied,
        Self::NotServed,
        Self::KindGet,
        Self::OwnerGet,
        Self::Change,
        Self::Events,
        Self::Logs,
        Self::Exec,
        Self::PrincipalUnfit,
        Self::RedisElsewhere,
        Self::NetworkClosed,
    ];
}

impl LiveCause {
    /// How it is mended.
    #[must_use]
    pub const fn mend(self) -> &'static str {
        of(self).mend
    }
}

/// The row of a cause.
#[allow(clippy::too_many_lines, reason = "a table")]
pub(super) const fn of(cause: LiveCause) -> Row {
    match cause {
        LiveCause::AgentMissing => row(
            "live-agent-missing",
            Name::Agent,
            NOTHING,
            "no Deployment of the namespace is an argocd-agent",
            "name the namespace of the agent with -n, and its cluster with --context",
        ),
        LiveCause::AgentAmbiguous => row(
            "live-agent-ambiguous",
            Name::Agent,
            TELL,
            "more than one Deployment of the namespace looks like an argocd-agent",
            "name the one that it is in spec.agent.deployment of a LiveResourceAccess",
        ),
        LiveCause::ProxyOff => row(
            "live-proxy-off",
            Name::Agent,
            NOTHING,
            "the resource proxy of the agent is switched off, so that it answers no question about live resources",
            "switch it on where the agent's settings come from, and restart the agent",
        ),
        LiveCause::AgentUndecided => row(
            "live-agent-undecided",
            Name::Agent,
            TELL,
            "a setting of the agent is taken from something that cannot be read",
            "ask somebody who may read it to run explain",
        ),
        LiveCause::Autonomous => row(
            "live-agent-autonomous",
            Name::Mode,
            "the terminal is closed at once; the agent's log has: web terminal is only supported for managed agents",
            "the agent is autonomous, and only managed agents open terminals",
            "use kubectl exec, or run the agent in managed mode",
        ),
        LiveCause::ApplicationMissing => row(
            "live-application-missing",
            Name::Application,
            GONE,
            "there is no such Application in the agent's cluster, in that namespace",
            "name it as PROJECT/NAME, or as PROJECT/NAMESPACE/NAME where Applications keep their namespaces (destination-based mapping)",
        ),
        LiveCause::ProjectDiffers => row(
            "live-project-differs",
            Name::Application,
            TELL,
            "the Application is of another project than the one that was named",
            "name the project that it is of",
        ),
        LiveCause::DestinationHere => row(
            "live-destination-here",
            Name::Application,
            GONE,
            "the Application in the control plane has the control plane's own cluster as its destination, so that argocd-server asks that one and not the agent",
            "set spec.destination.name to the name of the agent, and leave spec.destination.server out",
        ),
        LiveCause::Elsewhere => row(
            "live-application-elsewhere",
            Name::Application,
            GONE,
            "the Application does not deploy to the cluster of this agent",
            "look in the cluster that it deploys to",
        ),
        LiveCause::NotListed => row(
            "live-resource-not-listed",
            Name::Application,
            GONE,
            "neither the resource nor what owns it is one of the Application's",
            "name a resource as the tree of the web interface shows it, or sync the Application",
        ),
        LiveCause::FeatureKind => row(
            "live-feature-kind",
            Name::Kind,
            "the web interface does not offer it",
            "Argo CD does not offer that for resources of the kind",
            "ask about a resource that has it: terminals and logs are those of Pods",
        ),
        LiveCause::KindUnknown => row(
            "live-kind-unknown",
            Name::Kind,
            GONE,
            "the API server of the agent's cluster does not know the kind",
            "install what defines the kind",
        ),
        LiveCause::NeverProxied => row(
            "live-never-proxied",
            Name::Kind,
            UNMANAGED,
            "the agent never passes on resources of the kind, whatever its rights are: it finds no Application that they belong to",
            "none: look at it with kubectl",
        ),
        LiveCause::VerbUnsupported => row(
            "live-verb-unsupported",
            Name::Kind,
            "HTTP 405, the server does not allow this method",
            "the API server does not offer that for the kind",
            "none: the kind is made so",
        ),
        LiveCause::ResourceMissing => row(
            "live-resource-missing",
            Name::Managed,
            GONE,
            "there is no such resource in the agent's cluster",
            "sync the Application, or refresh the page: the tree may be older than the cluster",
        ),
        LiveCause::OwnerMissing => row(
            "live-owner-missing",
            Name::Managed,
            GONE,
            "an owner of the resource does not exist any more, and the agent ends its search there with HTTP 404",
            "wait for the garbage collector, or delete what is orphaned",
        ),
        LiveCause::NotManaged => row(
            "live-not-managed",
            Name::Managed,
            UNMANAGED,
            "neither the resource nor what owns it carries the mark by which the agent knows resources of Applications (application.resourceTrackingMethod of argocd-cm in the agent's cluster)",
            "sync the Application: Argo CD sets the mark",
        ),
        LiveCause::OwnersTooDeep => row(
            "live-owners-too-deep",
            Name::Managed,
            "HTTP 500 instead of the live manifest; the agent's log has: recursion limit reached",
            "what carries the mark stands more than four owners above the resource, where the agent ends its search with an error",
            "none: look at it with kubectl",
        ),
        LiveCause::MarkUntold => row(
            "live-mark-unknown",
            Name::Managed,
            TELL,
            "whether the agent finds the resource to be one of an Application cannot be told",
            "see whether it carries the annotation argocd.argoproj.io/tracking-id",
        ),
        LiveCause::ProjectMissing => row(
            "live-project-missing",
            Name::Project,
            GONE,
            "the AppProject of the Application does not exist in the agent's cluster",
            "create the AppProject in the control plane: a managed agent gets it from there",
        ),
        LiveCause::OutsideProject => row(
            "live-project-outside",
            Name::Project,
            GONE,
            "the AppProject does not permit the namespace or the kind, so that Argo CD does not show the resource and no right is derived from it",
            "permit it in the AppProject, in the control plane: a managed agent gets it from there",
        ),
        LiveCause::NotDeclared => {
            row("live-not-declared", Name::Declared, REFUSED, "no LiveResourceAccess declares it", "declare a LiveResourceAccess")
        }
        LiveCause::LeftOut => row(
            "live-left-out",
            Name::Declared,
            REFUSED,
            "it is left out unless a LiveResourceAccess releases it by name: Secrets, kinds that give rights, resources without a namespace; in protected namespaces always",
            "judge whether it is to be released at all (secrets, sensitive, clusterScoped of the grant)",
        ),
        LiveCause::NotInEffect => row(
            "live-not-in-effect",
            Name::Declared,
            REFUSED,
            "a LiveResourceAccess declares it, and does not take effect now",
            "see its condition Active: it is suspended, only observes, waits for its time, or is over",
        ),
        LiveCause::BeyondCeiling => row(
            "live-beyond-ceiling",
            Name::Declared,
            REFUSED,
            "a LiveResourceAccess declares it, and the operator does not hold the right itself, so that it cannot give it",
            "widen the chart value live.ceiling",
        ),
        LiveCause::NotApplied => {
            row("live-not-applied", Name::Declared, REFUSED, "a LiveResourceAccess declares it, and it is not in place", "do what its conditions say")
        }
        LiveCause::NotServed => row(
            "live-not-served",
            Name::Declared,
            REFUSED,
            "a LiveResourceAccess declares it, and no operator has said anything of it",
            "see that the operator runs in the agent's cluster, with the chart value live.enabled",
        ),
        LiveCause::KindGet => row(
            "live-kubernetes-get",
            Name::Kubernetes,
            REFUSED,
            "the agent's ServiceAccount may not get the resource",
            "declare a LiveResourceAccess, or bind the ServiceAccount to a Role of that one right",
        ),
        LiveCause::OwnerGet => row(
            "live-kubernetes-owner",
            Name::Kubernetes,
            REFUSED,
            "the agent's ServiceAccount may not get an owner of the resource, by which it would find the Application",
            "declare a LiveResourceAccess, or bind the ServiceAccount to a Role with get on every owner",
        ),
        LiveCause::Change => row(
            "live-kubernetes-change",
            Name::Kubernetes,
            "HTTP 403 when a resource is edited, acted on or deleted, although it is shown",
            "the agent's ServiceAccount may not patch or delete the resource",
            "declare a LiveResourceAccess with that feature",
        ),
        LiveCause::Events => row(
            "live-kubernetes-events",
            Name::Kubernetes,
            "the tab Events is empty, or shows HTTP 403",
            "the agent's ServiceAccount may not list events in the namespace of the resource",
            "declare a LiveResourceAccess with the feature Events",
        ),
        LiveCause::Logs => row(
            "live-kubernetes-logs",
            Name::Kubernetes,
            "the tab Logs shows an error (HTTP 403 by the agent) instead of lines",
            "the agent's ServiceAccount may not get pods/log in the namespace",
            "declare a LiveResourceAccess with the feature Logs",
        ),
        LiveCause::Exec => row(
            "live-kubernetes-exec",
            Name::Kubernetes,
            "a blinking cursor and no prompt, in a terminal through an agent",
            "the agent's ServiceAccount may not exec into Pods of the namespace: get and create pods/exec",
            "declare a LiveResourceAccess with the feature Terminal",
        ),
        LiveCause::PrincipalUnfit => row(
            "live-principal-unfit",
            Name::Principal,
            NOTHING,
            "in the control plane the principal is missing, has its resource proxy off, listens on its own machine only, or its Redis is wrong",
            "change what the message names, and restart the principal",
        ),
        LiveCause::RedisElsewhere => row(
            "live-redis-elsewhere",
            Name::Redis,
            "the tree of resources of an Application in the control plane stays empty",
            "argocd-server does not ask the principal's Redis proxy: redis.server of argocd-cmd-params-cm says another, or argocd-server has not started since",
            "what the message says: the Service, the value, or the restart",
        ),
        LiveCause::NetworkClosed => row(
            "live-network-closed",
            Name::Network,
            NOTHING,
            "NetworkPolicies of the control plane select the principal, and none lets argocd-server reach its resource proxy",
            "add a NetworkPolicy that admits argocd-server on that port, or let a LiveResourceAccess of side Principal do it",
        ),
    }
}
