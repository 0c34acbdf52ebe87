//! The conditions and their reasons, with what a person does about them.

use argocd_access::api::{ConditionType, Reason};

use crate::{
    head,
    table::{code, table},
};

pub fn page() -> String {
    let mut page = head("Conditions and reasons", "src/api/conditions.rs");
    page +=
        "Every condition is `True`, `False` or `Unknown` (it could not be verified), with a reason from a fixed set, on which scripts may rely,\n";
    page += "and a message that says what to do. `lastTransitionTime` moves only when the status does. `observedGeneration` is the generation\n";
    page += "of the spec that the condition speaks of.\n\n";
    page += "## Conditions\n\n";
    let rows: Vec<Vec<String>> = ConditionType::ALL.iter().map(|kind| vec![code(kind.as_str()), holds(*kind).to_owned()]).collect();
    page += &table(&["condition", "True means"], &rows);
    page += "`Ready` has the status, the reason and the message of the first of the others that is not `True`. Only an `IngressReady` that is\n";
    page += "`Unknown` does not stand in its way, since people may reach argocd-server without an Ingress, nor an `ObservedByArgoCD` that is\n";
    page += "`Unknown`, since no Application may go to a cluster yet. Where an `ExecAccess` is not accepted or does\n";
    page += "not take effect, the other conditions are `False` with the same reason: nothing is granted by it.\n\n";
    page += "## Reasons\n\n";
    for (name, _) in REMEDIES {
        assert!(Reason::ALL.iter().any(|reason| reason.as_str() == *name), "there is no reason {name} any more");
    }
    let remedy = |reason: &Reason| REMEDIES.iter().find(|(name, _)| *name == reason.as_str()).map_or("", |(_, remedy)| remedy);
    let rows: Vec<Vec<String>> =
        Reason::ALL.iter().map(|reason| vec![code(reason.as_str()), reason.meaning().to_owned(), remedy(reason).to_owned()]).collect();
    page += &table(&["reason", "meaning", "what to do"], &rows);
    page.trim_end().to_owned() + "\n"
}

fn holds(kind: ConditionType) -> &'static str {
    match kind {
        ConditionType::Accepted => "The object is valid, within the limits of its instance, and its role name is its own.",
        ConditionType::Active => "It takes effect: it is not suspended, not only observing, not being deleted.",
        ConditionType::PolicyApplied => {
            "The lines in argocd-rbac-cm, or the roles in AppProjects, say what the object declares; status.policy shows them."
        }
        ConditionType::ServerAuthorized => {
            "A SubjectAccessReview says that argocd-server may open a terminal in each destination namespace; status.server shows each."
        }
        ConditionType::ExecEnabled => "argocd-cm has exec.enabled \"true\" (and exec.shells, where the chart sets them).",
        ConditionType::IngressReady => {
            "What stands in front of argocd-server leads terminals there, and carries [what its controller needs](ingress.md) for them."
        }
        ConditionType::Exclusive => {
            "Nobody but the declared people may open terminals in this instance; otherwise status.undeclaredGrants lists them. Ready does not wait for it."
        }
        ConditionType::InstanceReady => "The agent or the principal was found, and its settings let live resources through.",
        ConditionType::ResourcesResolved => "It is known what the Applications consist of, and the API server knows each of those kinds.",
        ConditionType::RBACApplied => "The agent's Roles and RoleBindings are as derived from the Applications; status.namespaces shows them.",
        ConditionType::AccessProven => "SubjectAccessReviews say that the agent may do what is declared, in each namespace.",
        ConditionType::RedisProxyConfigured => "argocd-server asks the principal's Redis proxy, and has been restarted since it was told to.",
        ConditionType::NetworkReady => "No NetworkPolicy keeps argocd-server from the principal's resource proxy.",
        ConditionType::AgentReachable => "The agents that spec.principal.probe names have answered.",
        ConditionType::Confined => {
            "For an ExecAccess: an admission policy refuses argocd-server's terminals wherever no ExecAccess in effect says so (chart value instance.confine). Ready waits for it only where that is set. For a LiveResourceAccess: the agent has no rights that no object declares; otherwise status.excess names them. For a ClusterAccess: the credential has none that it does not declare."
        }
        ConditionType::RemoteReachable => {
            "The remote cluster answers the operator, over its own certificate authority, and is the one that was declared."
        }
        ConditionType::RemoteRBACApplied => {
            "The bindings in the remote cluster are as declared, and the roles of the bootstrap are what they should be."
        }
        ConditionType::CredentialReady => {
            "Argo CD's credential is valid and is replaced in time; status.credential says until when. `External`: others keep it."
        }
        ConditionType::SecretApplied => "Argo CD's cluster Secret is as declared.",
        ConditionType::PermissionsProven => {
            "The credential itself may do all that is declared, in each namespace; otherwise status.missing says what not."
        }
        ConditionType::CacheCompatible => "Argo CD's resource.respectRBAC goes together with what the credential may read.",
        ConditionType::AWSReady => "The documents or objects for AWS are put out, and made as far as their controllers say. `NotApplicable` is True.",
        ConditionType::ObservedByArgoCD => {
            "No Application on that cluster reports an error. Ready does not wait for it where there is no Application."
        }
        ConditionType::ClockSynced => {
            "The operator's clock agrees with that of the API server. Only for objects with time limits; Ready does not wait for it."
        }
        ConditionType::Ready => "Everything declared is in place and proven.",
    }
}

/// What a person does, for the reasons that ask for something.
const REMEDIES: &[(&str, &str)] = &[
    ("NotAnInstance", "Create it in the namespace of Argo CD, where the chart is installed."),
    ("Invalid", "Mend the field that the message names."),
    ("LimitExceeded", "Ask for less, or ask the platform admin to change the limit (chart value instance.limits)."),
    ("RoleNameTaken", "Choose another spec.roleName, or leave it out."),
    ("SubjectTooWide", "Name the people or groups instead of that role."),
    ("PolicyTooLarge", "Name fewer subjects and applications, or use wildcards."),
    ("AuthenticationDisabled", "Switch authentication on, or anonymous access off."),
    ("Suspended", "Set spec.suspend to false to grant again."),
    ("Observing", "Read status.changes; set spec.mode to Enforce to make it true."),
    ("BeforeStart", "Wait, or move spec.validity.notBefore."),
    ("Expired", "Delete it, or extend spec.validity.notAfter to grant again."),
    ("OutsideSchedule", "Wait; status.nextTransition says until when."),
    ("Stopped", "When the emergency is over: `argocd-access stop --release` ([emergency stop](../how-to/emergency-stop.md))."),
    ("ClockSkew", "Set the clocks of the nodes right (NTP)."),
    ("OwnedByOther", "Change the value where the message says: in Helm's values, in Git, in the ArgoCD object."),
    ("Contended", "Find out why the one that the message names keeps rewriting the value, and settle it there."),
    ("Unsupported", "See the [versions that are supported](compatibility.md)."),
    ("UndeclaredGrants", "Nothing, where that is meant; else change those policy lines. The chart value instance.requireExclusive insists on it."),
    ("NotExclusive", "Remove the access that status.undeclaredGrants lists, or let the platform admin set instance.requireExclusive to false."),
    ("NotConfined", "Nothing, where that is meant; else let the platform admin [set instance.confine](../how-to/confine.md)."),
    ("TooManyNamespaces", "Declare fewer namespaces in this instance."),
    ("ProjectNotFound", "Create the AppProject, or correct spec.applications."),
    ("SubjectNeverMatches", "Use the name that stands in the token, or add the claim to scopes in argocd-rbac-cm."),
    ("NoApplications", "Create the Application, correct the selector, or name spec.server.namespaces. For a ClusterAccess: nothing."),
    ("ForeignPolicyBroken", "Mend or remove the line of argocd-rbac-cm that the message shows; Argo CD itself cannot load its policy either."),
    ("ConfigMapMissing", "Install Argo CD in this namespace, or create the ConfigMap as the message says."),
    ("LabelMissing", "Run the kubectl label command of the message."),
    ("NotReadable", "Check the operator's Role and ClusterRole: the chart grants get, list and watch."),
    ("WriteFailed", "Read the message: it is what the API server answered. It is tried again by itself."),
    ("Pending", "Wait some seconds. Where it stays, the operator's log says why."),
    ("OpenByOthers", "Nothing, for the terminal; to end it, [narrow that role, or confine](../how-to/confine.md#narrowing-the-rights-themselves)."),
    ("Denied", "Read status.server.namespaces: a limit of the instance, or a right that is missing."),
    (
        "RemoteCluster",
        "Where a ClusterAccess has that cluster, do what the message says of it. Else apply the rule of status.server.remote in that cluster, for the identity that it names; it stays `Unknown` then: nobody can prove it from here.",
    ),
    ("NotFound", "Install argocd-agent in this namespace, or name its Deployment in spec.agent.deployment."),
    ("Ambiguous", "Name the Deployment in spec.agent.deployment."),
    ("ResourceProxyDisabled", "Switch it on where the message says."),
    ("ListensOnLoopback", "Set principal.listen.host where the message says, and restart the principal."),
    ("RedisTLSMismatch", "Let both speak TLS, or neither: principal.redis.tls.enabled, and argocd-server's argument --redis-use-tls."),
    ("RedisLoop", "Set principal.redis.server.address to Argo CD's own Redis, where the message says."),
    ("ApplicationControllerOnHub", "Scale the application controller to 0, or use Argo CD 3.4 or later and mark the agents' cluster Secrets."),
    ("RedisProxyDisabled", "Switch it on where the message says."),
    ("RestartPending", "Run the command of the message when open terminals may end, or set instance.restartServer to WhenNeeded."),
    ("ServiceMissing", "Correct spec.principal.redisAddress, or install the principal's Service."),
    ("Blocked", "Set spec.principal.networkPolicy to Auto, or add such a NetworkPolicy yourself."),
    ("NotProbed", "Nothing, where that is meant; else name the agents in spec.principal.probe and in the chart value live.agents."),
    ("AgentDisconnected", "Look at the agent's log: it cannot reach the principal, or is not running."),
    ("CertificateRefused", "Make the agent's certificate anew with argocd-agentctl; check that the principal trusts its authority."),
    ("AgentTimeout", "Look at the agent's log, and at the API server of its cluster."),
    ("ProxyUnreachable", "Look at the principal's log and its Service; a NetworkPolicy may keep the operator, but not argocd-server, from it."),
    ("KindUnknown", "Install the CustomResourceDefinition of the kind, or exclude the kind."),
    ("TooMany", "Select fewer Applications or namespaces, or make several objects."),
    ("SettingsUnreadable", "Check the operator's Role and ClusterRole, and that the ConfigMap which the message names exists."),
    (
        "BeyondCeiling",
        "Let the platform admin widen the chart value that the message names, or run the bootstrap command that it has; or ask for less.",
    ),
    ("ForeignObject", "Rename or remove the object that the message names."),
    ("HoldsWildcard", "Remove the binding that status.excess names."),
    ("HoldsSecrets", "Remove the binding that status.excess names."),
    ("HoldsExec", "Remove the binding that status.excess names."),
    ("HoldsWrite", "Remove the binding that status.excess names."),
    ("NamespaceMissing", "Create the namespace, or correct the Application's destination or permissions.namespaces."),
    ("ServerNotFound", "Install Argo CD in this namespace, or label its Deployment as the message says."),
    ("ServerAmbiguous", "Remove the label app.kubernetes.io/component=server from the Deployments that are not argocd-server."),
    ("RestartRequired", "Restart argocd-server when its open terminals may end, or set instance.restartServer to WhenNeeded."),
    ("NoIngress", "Nothing, where people come another way that passes WebSockets; spec.ingress.mode None says so."),
    ("UnknownIngressClass", "Make sure that it passes WebSockets; set spec.ingress.annotations, or spec.ingress.mode None."),
    (
        "NoTerminalRoute",
        "Let a path of the Ingress (or HTTPRoute) that reaches /terminal lead to argocd-server: / does, under Argo CD's base path if it has one. Or spec.ingress.mode None, where people come another way.",
    ),
    (
        "GrpcOnly",
        "Make another Ingress (or HTTPRoute) that speaks HTTP or HTTPS to argocd-server: the one for gRPC is for the command line. Or spec.ingress.mode None.",
    ),
    ("ControllerConfiguration", "Set what the message says, where it says: see [what each controller needs](ingress.md)."),
    ("ConnectionFailed", "Read the message: the address, a firewall, or the proxy. It is tried again by itself."),
    ("TLSFailed", "Check `ca.crt` of the manager's Secret, and that nobody stands between."),
    ("Timeout", "Look at the remote cluster, and at the network on the way. It is tried again by itself."),
    ("WrongCluster", "Find out what stands behind the address. Where the cluster was made anew, run both bootstrap commands again."),
    (
        "ManagerMissing",
        "Run the bootstrap command of the message, as an administrator of the remote cluster, and apply in Argo CD's cluster what it prints.",
    ),
    ("ManagerUnauthorized", "Run the bootstrap command of the message, as an administrator of the remote cluster."),
    ("ManagerExpired", "Run the bootstrap command of the message, and apply in Argo CD's cluster what it prints."),
    ("NotBootstrapped", "Run the bootstrap command of the message, as an administrator of the remote cluster."),
    ("RoleOutdated", "Run the bootstrap command of the message; status.missing has what is not held."),
    ("LifetimeShortened", "Nothing; its API server says how long a token may live (--service-account-max-token-expiration)."),
    ("RotationFailed", "Read the message: what the remote cluster answered, and how long the credential is valid."),
    ("OtherIdentity", "Nothing: it is replaced. Where it stays, the message says what the remote cluster answered."),
    ("NotProvable", "Nothing: ObservedByArgoCD says whether Argo CD comes to the cluster."),
    (
        "ForeignSecret",
        "Read the message: rename or remove that Secret, or declare the cluster anew with spec.adoptSecret, where it is for this server.",
    ),
    ("DuplicateServer", "Delete one of the two objects."),
    ("NotPermitted", "Add the Helm value that the message names."),
    ("BeforeImageLost", "Nothing, where the Secret may stay; else restore it by hand after the object is deleted."),
    ("InUse", "Delete the Applications on that cluster, or send them elsewhere; terminals are closed already."),
    ("Missing", "Read status.missing; run the bootstrap command again where the roles lack it."),
    ("HoldsAccessGrants", "Remove the binding that status.excess names."),
    ("RespectRBACNormal", "Set resource.respectRBAC to strict in argocd-cm."),
    ("RespectRBACUnset", "Set resource.respectRBAC to strict in argocd-cm, or declare scope: Cluster with read: Wildcard."),
    ("NamespaceUnbound", "Wait; where it stays, status.namespaces says what is missing there."),
    ("WaitingForARN", "Wait for the controller; look at its log where it takes minutes."),
    ("ControllerMissing", "Install the controller, or use output: Text."),
    ("ControllerError", "Mend what the controller says; the object is named in the message."),
    ("IdentityNotAttached", "Set the annotation, or make the association, that the message names; then restart that component of Argo CD."),
    ("AwsAuthUnparsable", "Mend kube-system/aws-auth by hand: while it does not parse, nobody is mapped by it."),
    ("TrustTooWide", "Narrow the trust policy to what the rendered document says."),
    ("ComparisonError", "Read the Application's conditions; the message has the first."),
    ("Conflict", "Agree on one value: that of the older object stands."),
];
