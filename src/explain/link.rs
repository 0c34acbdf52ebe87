//! One link of the chain: how it stands, by which fact, and what mends it. Pure.

use super::causes::Cause;

/// The links of all chains. For a terminal in the order in which argocd-server comes to them; what stands in front of it, and what follows
/// from versions, come last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Name {
    /// argocd-server itself, and argocd-cm: the flag, the label, the shells.
    Settings,
    /// The Application, its namespace and its project.
    Application,
    /// Argo CD's policy: `applications, get` and `exec, create`.
    Policy,
    /// The cluster, and whose credential counts there.
    Destination,
    /// The Kubernetes rights of that credential.
    Kubernetes,
    /// What the API server admits.
    Admission,
    /// The Pod and its container.
    Pod,
    /// The way from the browser to argocd-server.
    Way,
    /// What is known of these versions.
    Versions,
    /// The agent, and its resource proxy.
    Agent,
    /// Whether the agent takes its Applications from the control plane.
    Mode,
    /// The kind of a resource, and what it offers.
    Kind,
    /// Whether the agent finds the resource to be one of an Application.
    Managed,
    /// What the Application's project permits.
    Project,
    /// The `LiveResourceAccess` that declares it.
    Declared,
    /// In the control plane: the principal.
    Principal,
    /// The Redis that argocd-server asks.
    Redis,
    /// The network between argocd-server and the principal.
    Network,
    /// The definitions of the operator's kinds.
    Definitions,
    /// What the operator may do.
    Rights,
    /// Argo CD in a namespace that is served.
    Argocd,
    /// The operator's pods.
    Operator,
    /// Who writes in a namespace that is served.
    Lease,
}

impl Name {
    /// Those of a terminal, in their order.
    pub const TERMINAL: [Self; 9] =
        [Self::Settings, Self::Application, Self::Policy, Self::Destination, Self::Kubernetes, Self::Admission, Self::Pod, Self::Way, Self::Versions];
    /// Those of a live resource in the cluster of an agent, in their order.
    pub const AGENT: [Self; 8] =
        [Self::Agent, Self::Mode, Self::Application, Self::Kind, Self::Managed, Self::Project, Self::Declared, Self::Kubernetes];

    /// Those of a live resource in the control plane.
    pub const CONTROL_PLANE: [Self; 4] = [Self::Principal, Self::Redis, Self::Network, Self::Application];

    /// Those of an installation of the operator; `argocd` and `lease` for each namespace that it serves.
    pub const INSTALLATION: [Self; 5] = [Self::Definitions, Self::Rights, Self::Argocd, Self::Operator, Self::Lease];

    /// How it is called everywhere.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Settings => "settings",
            Self::Application => "application",
            Self::Policy => "policy",
            Self::Destination => "destination",
            Self::Kubernetes => "kubernetes",
            Self::Admission => "admission",
            Self::Pod => "pod",
            Self::Way => "way",
            Self::Versions => "versions",
            Self::Agent => "agent",
            Self::Mode => "mode",
            Self::Kind => "kind",
            Self::Managed => "managed",
            Self::Project => "project",
            Self::Declared => "declared",
            Self::Principal => "principal",
            Self::Redis => "redis",
            Self::Network => "network",
            Self::Definitions => "definitions",
            Self::Rights => "rights",
            Self::Argocd => "argocd",
            Self::Operator => "operator",
            Self::Lease => "lease",
        }
    }
}

/// How a link stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// It lets the request through.
    Open,
    /// It cannot be told from here.
    Unknown,
    /// It does not let the request through.
    Closed,
}

impl State {
    /// How it is called in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Unknown => "unknown",
            Self::Closed => "closed",
        }
    }
}

/// What mends a link, and grants nothing beyond what was asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fix {
    /// Commands for a POSIX shell, to be run in this order; each may span several lines.
    pub commands: Vec<String>,
    /// What to know before: what else it touches, and where it has to be changed so that it lasts.
    pub notes: Vec<String>,
}

/// One link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Which one.
    pub name: Name,
    /// How it stands.
    pub state: State,
    /// By which row of the table, where it is not open.
    pub cause: Option<Cause>,
    /// The fact by which it stands so.
    pub fact: String,
    /// What mends it, where that is known and safe.
    pub fix: Option<Fix>,
}

impl Link {
    /// An open link.
    #[must_use]
    pub fn open(name: Name, fact: impl Into<String>) -> Self {
        Self { name, state: State::Open, cause: None, fact: fact.into(), fix: None }
    }

    /// A link that lets nothing through.
    #[must_use]
    pub fn closed(name: Name, cause: impl Into<Cause>, fact: impl Into<String>) -> Self {
        Self { name, state: State::Closed, cause: Some(cause.into()), fact: fact.into(), fix: None }
    }

    /// A link of which it cannot be told.
    #[must_use]
    pub fn unknown(name: Name, cause: impl Into<Cause>, fact: impl Into<String>) -> Self {
        Self { name, state: State::Unknown, cause: Some(cause.into()), fact: fact.into(), fix: None }
    }

    /// With what mends it.
    #[must_use]
    pub fn mended_by(mut self, fix: impl Into<Option<Fix>>) -> Self {
        self.fix = fix.into();
        self
    }
}

impl Fix {
    /// One command.
    #[must_use]
    pub fn command(command: impl Into<String>) -> Self {
        Self { commands: vec![command.into()], notes: Vec::new() }
    }

    /// Something that people do, without a command for it.
    #[must_use]
    pub fn by_people(what: impl Into<String>) -> Self {
        Self { commands: Vec::new(), notes: vec![what.into()] }
    }

    /// And then this command.
    #[must_use]
    pub fn then(mut self, command: impl Into<String>) -> Self {
        self.commands.push(command.into());
        self
    }

    /// And this is to be known.
    #[must_use]
    pub fn noting(mut self, note: impl Into<Option<String>>) -> Self {
        self.notes.extend(note.into());
        self
    }
}
