//! The types and reasons of conditions, and how a condition follows from the one before. Pure: the time comes in.

use super::condition::Condition;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

/// The conditions of our resources, in the order in which they are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ConditionType {
    /// The object is valid and within the limits of its instance.
    Accepted,
    /// The object takes effect now (not suspended, not only observing).
    Active,
    /// The lines of argocd-rbac-cm are as declared.
    PolicyApplied,
    /// argocd-server holds the Kubernetes rights that a terminal needs, by review.
    ServerAuthorized,
    /// argocd-cm switches the terminal on.
    ExecEnabled,
    /// The Ingresses let a WebSocket through and let it last.
    IngressReady,
    /// Nobody else than the declared people may open a terminal.
    Exclusive,
    /// The agent or the principal was found, and its settings let live resources through.
    InstanceReady,
    /// It is known what the Applications consist of.
    ResourcesResolved,
    /// The agent's roles and bindings are as derived.
    RBACApplied,
    /// The agent may do all that is declared, by review.
    AccessProven,
    /// Nothing is possible beyond what is declared: for an ExecAccess, argocd-server opens terminals only where one says so, whatever its
    /// rights are; for a LiveResourceAccess, the agent has no rights that none declares; for a ClusterAccess, the credential has none that it
    /// does not declare.
    Confined,
    /// argocd-server asks the principal's Redis proxy.
    RedisProxyConfigured,
    /// No NetworkPolicy keeps argocd-server from the principal's resource proxy.
    NetworkReady,
    /// The agents that were asked have answered.
    AgentReachable,
    /// The remote cluster answers, and is the one that it was.
    RemoteReachable,
    /// The bindings (and roles) in the remote cluster are as declared.
    RemoteRBACApplied,
    /// The credential by which Argo CD comes is valid, and is replaced in time.
    CredentialReady,
    /// Argo CD's cluster Secret is as declared.
    SecretApplied,
    /// The credential may do all that is declared, proven by itself.
    PermissionsProven,
    /// Argo CD's settings go together with what the credential may read.
    CacheCompatible,
    /// What AWS needs is put out, and made as far as that can be seen.
    AWSReady,
    /// Argo CD reports no error of the Applications on that cluster.
    ObservedByArgoCD,
    /// The operator's clock and that of the API server agree. Only for objects with time limits.
    ClockSynced,
    /// The sum of the others.
    Ready,
}

impl ConditionType {
    /// All of them.
    pub const ALL: [Self; 25] = [
        Self::Accepted,
        Self::Active,
        Self::PolicyApplied,
        Self::ServerAuthorized,
        Self::ExecEnabled,
        Self::IngressReady,
        Self::Exclusive,
        Self::InstanceReady,
        Self::ResourcesResolved,
        Self::RBACApplied,
        Self::AccessProven,
        Self::Confined,
        Self::RedisProxyConfigured,
        Self::NetworkReady,
        Self::AgentReachable,
        Self::RemoteReachable,
        Self::RemoteRBACApplied,
        Self::CredentialReady,
        Self::SecretApplied,
        Self::PermissionsProven,
        Self::CacheCompatible,
        Self::AWSReady,
        Self::ObservedByArgoCD,
        Self::ClockSynced,
        Self::Ready,
    ];

    /// Those of an `ExecAccess`, in the order in which they are shown.
    pub const EXEC: [Self; 10] = [
        Self::Accepted,
        Self::Active,
        Self::PolicyApplied,
        Self::ServerAuthorized,
        Self::ExecEnabled,
        Self::IngressReady,
        Self::Exclusive,
        Self::Confined,
        Self::ClockSynced,
        Self::Ready,
    ];

    /// Those of a `LiveResourceAccess` of side Agent.
    pub const AGENT: [Self; 9] = [
        Self::Accepted,
        Self::Active,
        Self::InstanceReady,
        Self::ResourcesResolved,
        Self::RBACApplied,
        Self::AccessProven,
        Self::Confined,
        Self::ClockSynced,
        Self::Ready,
    ];

    /// Those of a `LiveResourceAccess` of side Principal.
    pub const PRINCIPAL: [Self; 8] = [
        Self::Accepted,
        Self::Active,
        Self::InstanceReady,
        Self::RedisProxyConfigured,
        Self::NetworkReady,
        Self::AgentReachable,
        Self::ClockSynced,
        Self::Ready,
    ];

    /// Those of a `ClusterAccess`.
    pub const CLUSTER: [Self; 13] = [
        Self::Accepted,
        Self::Active,
        Self::RemoteReachable,
        Self::RemoteRBACApplied,
        Self::CredentialReady,
        Self::SecretApplied,
        Self::PermissionsProven,
        Self::Confined,
        Self::CacheCompatible,
        Self::AWSReady,
        Self::ObservedByArgoCD,
        Self::ClockSynced,
        Self::Ready,
    ];

    /// The name in the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "Accepted",
            Self::Active => "Active",
            Self::PolicyApplied => "PolicyApplied",
            Self::ServerAuthorized => "ServerAuthorized",
            Self::ExecEnabled => "ExecEnabled",
            Self::IngressReady => "IngressReady",
            Self::Exclusive => "Exclusive",
            Self::InstanceReady => "InstanceReady",
            Self::ResourcesResolved => "ResourcesResolved",
            Self::RBACApplied => "RBACApplied",
            Self::AccessProven => "AccessProven",
            Self::RedisProxyConfigured => "RedisProxyConfigured",
            Self::NetworkReady => "NetworkReady",
            Self::AgentReachable => "AgentReachable",
            Self::Confined => "Confined",
            Self::RemoteReachable => "RemoteReachable",
            Self::RemoteRBACApplied => "RemoteRBACApplied",
            Self::CredentialReady => "CredentialReady",
            Self::SecretApplied => "SecretApplied",
            Self::PermissionsProven => "PermissionsProven",
            Self::CacheCompatible => "CacheCompatible",
            Self::AWSReady => "AWSReady",
            Self::ObservedByArgoCD => "ObservedByArgoCD",
            Self::ClockSynced => "ClockSynced",
            Self::Ready => "Ready",
        }
    }
}

macro_rules! reasons {
    ($($(#[doc = $doc:literal])+ $name:ident,)+) => {
        /// Why a condition has its status. The set is fixed: scripts may rely on it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Reason { $($(#[doc = $doc])+ $name,)+ }

        impl Reason {
            /// Every reason there is, for the reference documentation.
            pub const ALL: &[Self] = &[$(Self::$name,)+];

            /// The name in the API.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => stringify!($name),)+ }
            }

            /// What it means, as the reference documentation says it.
            #[must_use]
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$name => concat!($($doc, )+),)+ }
            }
        }
    };
}

reasons! {
    /// The object is valid and within the instance's limits.
    Valid,
    /// The object lies in a namespace that no configured Argo CD instance has; nothing is written.
    NotAnInstance,
    /// A field holds something that cannot become a safe policy; the message names it.
    Invalid,
    /// A limit that the platform admin set for the instance is exceeded; the message names it.
    LimitExceeded,
    /// The role name belongs to somebody else: an Argo CD role, a foreign policy line, or an older ExecAccess.
    RoleNameTaken,
    /// A subject would hand the access to others than those it names: to everybody by way of the default role, or to the members of a role.
    SubjectTooWide,
    /// All policies together would be larger than a ConfigMap (or a role in AWS) may hold; older objects come first.
    PolicyTooLarge,
    /// Argo CD runs without authentication, or anonymous people would get a terminal; the terminal stays shut.
    AuthenticationDisabled,
    /// The object takes effect.
    InEffect,
    /// spec.suspend is true; the access is withdrawn.
    Suspended,
    /// spec.mode is Observe; nothing is changed.
    Observing,
    /// The object is being deleted; the access is withdrawn.
    Deleting,
    /// Written as declared.
    Applied,
    /// Written, but a subject's name is one that Argo CD never looks up.
    SubjectNeverMatches,
    /// Nothing to write yet: no live Application matches.
    NoApplications,
    /// A policy line of somebody else is broken, so that Argo CD could not load the policy; nothing is added until it is mended.
    ForeignPolicyBroken,
    /// A ConfigMap that the terminal needs does not exist.
    ConfigMapMissing,
    /// argocd-cm lacks the label app.kubernetes.io/part-of=argocd, without which Argo CD does not see it.
    LabelMissing,
    /// The operator may not read what it needs; the message names the kind and the verb.
    NotReadable,
    /// A write was refused or failed; the message has the cause. It is tried again.
    WriteFailed,
    /// The change is planned and not written yet.
    Pending,
    /// Withdrawn, as declared.
    Withdrawn,
    /// Proven in each namespace: by SubjectAccessReview, or in another cluster by the status of its ClusterAccess.
    Proven,
    /// Proven, but the right would exist without this object too: somebody else granted it.
    OpenByOthers,
    /// A SubjectAccessReview says no; the message names the namespace and the verb.
    Denied,
    /// The Applications deploy to another cluster: what counts there is the identity in its cluster Secret. Unknown: its right is not
    /// proven; False: the ClusterAccess of that cluster keeps the terminal from it, and the message says what to change there.
    RemoteCluster,
    /// A destination namespace does not exist or is being deleted.
    NamespaceMissing,
    /// No Deployment of argocd-server was found in the instance's namespace.
    ServerNotFound,
    /// More than one Deployment looks like argocd-server; which ServiceAccount counts is not decidable.
    ServerAmbiguous,
    /// argocd-cm has exec.enabled "true".
    Enabled,
    /// exec.shells changed; argocd-server reads it only when it starts.
    RestartRequired,
    /// The Ingresses carry what their controller needs.
    Configured,
    /// spec.ingress.mode is None.
    NotManaged,
    /// No Ingress of the namespace has argocd-server's Service as its backend.
    NoIngress,
    /// The Ingress's controller is not one that the operator knows; nothing was guessed.
    UnknownIngressClass,
    /// Ingresses or HTTPRoutes lead to argocd-server, but none of them leads the path of the terminal there.
    NoTerminalRoute,
    /// Whatever leads to argocd-server does so for gRPC alone, which carries no WebSocket.
    GrpcOnly,
    /// What a terminal needs is set where the operator does not write: in the controller's own configuration, or in an object that the message names.
    ControllerConfiguration,
    /// Another object, an older one, asks for something that cannot be beside this: another value of the same annotation, or another agent.
    Conflict,
    /// validity.notBefore is still to come.
    BeforeStart,
    /// validity.notAfter has passed; the access is withdrawn, and the object stays as a record.
    Expired,
    /// It is none of the times of spec.schedule.
    OutsideSchedule,
    /// argocd-cm has the annotation argocd-access.dev/stop: everything is withdrawn until it is removed.
    Stopped,
    /// The resource is not served by this installation of the operator (chart value live.enabled); everything is withdrawn.
    NotEnabled,
    /// The clocks of the operator and of the API server differ by at most five seconds.
    InSync,
    /// The clocks of the operator and of the API server differ by more than five seconds; the later one decides about ends, the earlier one about beginnings.
    ClockSkew,
    /// The API server's clock is not known.
    ClockUnknown,
    /// Somebody else owns the value, and it is left alone; the message says what to change there.
    OwnedByOther,
    /// Somebody else keeps rewriting the value; the operator has stopped. The message names who.
    Contended,
    /// This installation or version of Argo CD cannot be served.
    Unsupported,
    /// Only the declared people may open terminals.
    OnlyDeclared,
    /// Others may open terminals too; status.undeclaredGrants lists them.
    UndeclaredGrants,
    /// Others would get a terminal too, and this instance requires that nobody does (requireExclusive); nothing is granted.
    NotExclusive,
    /// An admission policy refuses argocd-server's terminals everywhere else.
    Enforced,
    /// This instance is not confined: where argocd-server may exec is decided by its rights alone.
    NotConfined,
    /// More namespaces than an admission policy can hold; terminals open in none that is not listed.
    TooManyNamespaces,
    /// An AppProject that the object names does not exist.
    ProjectNotFound,
    /// The agent or the principal was found, and lets live resources through.
    Found,
    /// No Deployment of argocd-agent was found in the namespace of the object.
    NotFound,
    /// More than one Deployment looks like it.
    Ambiguous,
    /// Its resource proxy is switched off.
    ResourceProxyDisabled,
    /// Every kind of the Applications is known.
    Resolved,
    /// The API server does not know a kind that an Application has; status.notGranted names it.
    KindUnknown,
    /// There are more kinds and namespaces than an object may grant; nothing is granted by it.
    TooMany,
    /// What decides over it cannot be read: the ConfigMap of the agent, the projects, or what the API server offers.
    SettingsUnreadable,
    /// The operator does not hold a right itself that would be needed, so it cannot give it.
    BeyondCeiling,
    /// Somebody else has an object of the name that ours would have; it is left alone.
    ForeignObject,
    /// It was not reviewed.
    NotChecked,
    /// The agent, or the credential, may do something to resources of every kind, by a wildcard that no object declares.
    HoldsWildcard,
    /// The agent, or the credential, may read Secrets that no object declares.
    HoldsSecrets,
    /// The agent, or the credential, may open terminals where no object says so.
    HoldsExec,
    /// The agent may change resources where no object says so.
    HoldsWrite,
    /// The principal listens on its own machine only, where no agent can reach it.
    ListensOnLoopback,
    /// The principal's Redis proxy speaks TLS and argocd-server does not, or the other way round.
    RedisTLSMismatch,
    /// The principal takes its own Redis proxy for its Redis.
    RedisLoop,
    /// An application controller runs beside the principal, and works on the agents' Applications as well.
    ApplicationControllerOnHub,
    /// The principal's Redis proxy is switched off.
    RedisProxyDisabled,
    /// argocd-server asks the principal's Redis proxy, and has started since that was set.
    Set,
    /// The address is set, and argocd-server has not started since; it reads it only then.
    RestartPending,
    /// redisAddress leads to no Service of the namespace, or not to the principal; nothing is set, or argocd-server would lose its Redis.
    ServiceMissing,
    /// No NetworkPolicy selects the principal, so that none is needed.
    NoPolicy,
    /// The NetworkPolicies let argocd-server reach the principal's resource proxy. Whether the cluster's network enforces any is not known.
    Open,
    /// NetworkPolicies select the principal, and none lets argocd-server reach its resource proxy.
    Blocked,
    /// Every agent that was asked has answered.
    Answered,
    /// No agent was asked (yet).
    NotProbed,
    /// The agent is not connected to the principal (502).
    AgentDisconnected,
    /// The principal does not accept the client certificate of the agent's cluster Secret (401, or none at all).
    CertificateRefused,
    /// The agent is connected and did not answer in time (504).
    AgentTimeout,
    /// The principal's resource proxy did not answer, or not as it should.
    ProxyUnreachable,
    /// The remote cluster answers, and is the one that was declared.
    Connected,
    /// No connection to the remote cluster comes about; the message has the cause.
    ConnectionFailed,
    /// The remote cluster's certificate is not one of the authority that the manager's Secret names.
    TLSFailed,
    /// The remote cluster did not answer in time.
    Timeout,
    /// Behind the address is another cluster than the one that was declared; no credential is given to it.
    WrongCluster,
    /// There is no Secret with the operator's credential for the remote cluster, or not one for this object; the message has the command.
    ManagerMissing,
    /// The remote cluster does not accept the operator's credential, or refuses what the bootstrap allows.
    ManagerUnauthorized,
    /// The operator's credential for the remote cluster has expired; the message has the command.
    ManagerExpired,
    /// Others keep it; it is only verified.
    External,
    /// The remote cluster has not what the bootstrap makes; the message has the command.
    NotBootstrapped,
    /// The roles of the bootstrap are not what is declared now, or do not know kinds that the cluster has; the message has the command.
    RoleOutdated,
    /// A former credential is still valid for a while after it was replaced.
    Rotating,
    /// The remote cluster gives tokens a shorter life than was asked for; what it gives counts.
    LifetimeShortened,
    /// The credential could not be replaced; the one that is there stays. The message says how long it is valid.
    RotationFailed,
    /// The credential is that of somebody else than is declared.
    OtherIdentity,
    /// It cannot be proven from here.
    NotProvable,
    /// A cluster Secret that was there was taken over; it is given back in the end.
    Adopted,
    /// The Secret is somebody else's, or that of another server; it is left alone.
    ForeignSecret,
    /// An older object has the same server, or the same name in Argo CD.
    DuplicateServer,
    /// The operator may not touch the Secret; the message has the Helm value to add.
    NotPermitted,
    /// Somebody dropped what the adopted Secret held before; it is left in the end as it is.
    BeforeImageLost,
    /// Applications still go to the cluster, so that its Secret stays until they do not.
    InUse,
    /// A right that is declared is not held; status.missing has it.
    Missing,
    /// The credential may give rights to others or act as somebody else, which nothing declares.
    HoldsAccessGrants,
    /// Argo CD leaves out what it may not read.
    Compatible,
    /// It does so without asking twice: an expired credential would look like an empty cluster. Set resource.respectRBAC to strict.
    RespectRBACNormal,
    /// Argo CD wants to read every kind, and fails for the whole cluster at the first that it may not. Set resource.respectRBAC to strict.
    RespectRBACUnset,
    /// Argo CD looks at a namespace in which the credential may do nothing.
    NamespaceUnbound,
    /// The documents for AWS are put out as text.
    Rendered,
    /// There is nothing to do in AWS for it.
    NotApplicable,
    /// The controller has not said yet what ARN an object has.
    WaitingForARN,
    /// The cluster has no such controller.
    ControllerMissing,
    /// The controller reports an error; the message has it.
    ControllerError,
    /// A ServiceAccount of Argo CD does not have the identity.
    IdentityNotAttached,
    /// kube-system/aws-auth is missing or cannot be read, so that it is left alone.
    AwsAuthUnparsable,
    /// A role may be assumed by others than Argo CD's three ServiceAccounts.
    TrustTooWide,
    /// No Application on that cluster reports an error.
    NoErrors,
    /// An Application on that cluster reports an error; the message has it.
    ComparisonError,
    /// Everything declared is in place and proven.
    Ready,
}

/// The status of a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It holds.
    True,
    /// It does not hold.
    False,
    /// It could not be verified.
    Unknown,
}

impl State {
    /// The spelling in the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::True => "True",
            Self::False => "False",
            Self::Unknown => "Unknown",
        }
    }
}

/// What one condition says, before it is bound to an object and a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Whether it holds.
    pub state: State,
    /// Why, from the fixed set.
    pub reason: Reason,
    /// Why, for a person, and what to do.
    pub message: String,
}

impl Verdict {
    /// A condition that holds.
    pub fn yes(reason: Reason, message: impl Into<String>) -> Self {
        Self { state: State::True, reason, message: message.into() }
    }
    /// A condition that does not hold.
    pub fn no(reason: Reason, message: impl Into<String>) -> Self {
        Self { state: State::False, reason, message: message.into() }
    }
    /// A condition that could not be verified.
    pub fn unknown(reason: Reason, message: impl Into<String>) -> Self {
        Self { state: State::Unknown, reason, message: message.into() }
    }
    /// Whether it holds.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.state == State::True
    }
}

/// The API's limit on a condition's message is 32768; a person reads far less.
const MESSAGE_LIMIT: usize = 1024;

/// Cuts a text to at most `limit` bytes on a character boundary, with an ellipsis where something is lost.
#[must_use]
pub fn shorten(text: &str, limit: usize) -> String {
    if text.len() <= limit {
        return text.to_owned();
    }
    let mut end = limit.saturating_sub('…'.len_utf8());
    while end > 0 && !text.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}…", text.get(..end).unwrap_or_default())
}

/// The condition that follows: `lastTransitionTime` moves only when the status does, as `metav1.Condition` defines it.
#[must_use]
pub fn condition(kind: ConditionType, verdict: &Verdict, generation: Option<i64>, before: &[Condition], now: &Time) -> Condition {
    let earlier = before.iter().find(|c| c.type_ == kind.as_str());
    let last_transition_time = match earlier {
        Some(c) if c.status == verdict.state.as_str() => c.last_transition_time.clone(),
        _ => now.clone(),
    };
    Condition {
        type_: kind.as_str().into(),
        status: verdict.state.as_str().into(),
        reason: verdict.reason.as_str().into(),
        message: shorten(verdict.message.trim(), MESSAGE_LIMIT).into(),
        observed_generation: generation,
        last_transition_time,
    }
}
