//! Everything that can be wrong with a terminal, with a live resource or with the operator's installation: one table. `argocd-access explain` names its rows by [`Cause::id`],
//! the tests make them for real, and the page on troubleshooting is generated from it. Pure.

use super::link::Name;

/// One row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// Its name in `-o json`, which stays: lower-case words with `-` between them.
    pub id: &'static str,
    /// The link that it breaks, or of which it cannot be told; `None`: any.
    pub link: Option<Name>,
    /// What people see by it.
    pub symptom: &'static str,
    /// What it is.
    pub message: &'static str,
    /// How it is mended.
    pub mend: &'static str,
}

/// What is wrong, or what cannot be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    /// Something may not be read.
    NotReadable,
    /// No argocd-server.
    ServerMissing,
    /// More than one.
    ServerAmbiguous,
    /// No argocd-cm.
    SettingsMissing,
    /// argocd-cm without its label.
    LabelMissing,
    /// Terminals are off.
    ExecOff,
    /// They are meant to be on.
    ExecMisspelt,
    /// No shell of the list can be started.
    ShellsUnusable,
    /// The Application does not exist.
    ApplicationMissing,
    /// It lives where Argo CD does not look.
    NamespaceNotServed,
    /// It is of another project.
    ProjectDiffers,
    /// Its project does not exist.
    ProjectMissing,
    /// Its project does not take Applications of that namespace.
    SourceNamespace,
    /// Its project does not let it deploy there.
    DestinationNotPermitted,
    /// Its project hides Pods.
    PodsHidden,
    /// Argo CD says that something else is wrong with it.
    ApplicationInvalid,
    /// The policy cannot be loaded.
    PolicyBroken,
    /// A line denies.
    PolicyDenied,
    /// A pattern that ends the decision with no.
    PolicyFault,
    /// A group that no `g` line names.
    GroupUnbound,
    /// An e-mail address, and `scopes` without it.
    NoEmailScope,
    /// Almost the name of a subject.
    SubjectSpelling,
    /// A line whose effect is neither allow nor deny.
    PolicyEffect,
    /// A line with white space inside a field.
    PolicySpace,
    /// Lines for other Applications.
    PolicyObject,
    /// Only `exec`, without `applications, get`.
    NoGet,
    /// The project's roles cannot be loaded.
    ProjectRolesBroken,
    /// No line at all.
    NoLine,
    /// A pattern that was not decided.
    PolicyUndecided,
    /// No destination.
    DestinationNone,
    /// The cluster of Argo CD itself is switched off.
    InClusterDisabled,
    /// Another cluster.
    Remote,
    /// A `ClusterAccess` keeps it from terminals.
    ClusterAccessRefuses,
    /// A `ClusterAccess` does not prove it.
    ClusterAccessUnproven,
    /// The rights cannot be asked for.
    ReviewForbidden,
    /// No `pods get`.
    PodsGet,
    /// No `pods/exec` at all.
    ExecMissing,
    /// `get`, where `create` is needed.
    ExecCreate,
    /// Our admission policy.
    Confined,
    /// Somebody else's admission.
    AdmissionForeign,
    /// No such Pod.
    PodMissing,
    /// The Pod is not one of the Application's.
    PodForeign,
    /// The Pod does not run.
    PodNotRunning,
    /// No such container.
    ContainerMissing,
    /// An ephemeral container.
    ContainerEphemeral,
    /// A sidecar that is an init container.
    ContainerSidecar,
    /// The container does not run.
    ContainerNotRunning,
    /// Nothing is seen that leads to argocd-server.
    WayNone,
    /// The path of the terminal leads elsewhere.
    WayElsewhere,
    /// Only gRPC leads there.
    WayGrpc,
    /// An annotation without which no WebSocket passes.
    WayAnnotation,
    /// A terminal is ended too early.
    WayCut,
    /// Something in front of argocd-server that is not known.
    WayUnknown,
    /// The web interface hides the tab.
    TabHidden,
    /// Something about a live resource.
    Live(LiveCause),
    /// Something about the operator's own installation.
    Installation(InstallationCause),
}

impl From<LiveCause> for Cause {
    fn from(cause: LiveCause) -> Self {
        Self::Live(cause)
    }
}

impl From<InstallationCause> for Cause {
    fn from(cause: InstallationCause) -> Self {
        Self::Installation(cause)
    }
}

impl Cause {
    /// Those of a terminal, in the order of its links.
    pub const TERMINAL: [Self; 54] = [
        Self::NotReadable,
        Self::ServerMissing,
        Self::ServerAmbiguous,
        Self::SettingsMissing,
        Self::LabelMissing,
        Self::ExecOff,
        Self::ExecMisspelt,
        Self::ShellsUnusable,
        Self::ApplicationMissing,
        Self::NamespaceNotServed,
        Self::ProjectDiffers,
        Self::ProjectMissing,
        Self::SourceNamespace,
        Self::DestinationNotPermitted,
        Self::PodsHidden,
        Self::ApplicationInvalid,
        Self::PolicyBroken,
        Self::PolicyDenied,
        Self::PolicyFault,
        Self::GroupUnbound,
        Self::NoEmailScope,
        Self::SubjectSpelling,
        Self::PolicyEffect,
        Self::PolicySpace,
        Self::PolicyObject,
        Self::NoGet,
        Self::ProjectRolesBroken,
        Self::NoLine,
        Self::PolicyUndecided,
        Self::DestinationNone,
        Self::InClusterDisabled,
        Self::Remote,
        Self::ClusterAccessRefuses,
        Self::ClusterAccessUnproven,
        Self::ReviewForbidden,
        Self::PodsGet,
        Self::ExecMissing,
        Self::ExecCreate,
        Self::Confined,
        Self::AdmissionForeign,
        Self::PodMissing,
        Self::PodForeign,
        Self::PodNotRunning,
        Self::ContainerMissing,
        Self::ContainerEphemeral,
        Self::ContainerSidecar,
        Self::ContainerNotRunning,
        Self::WayNone,
        Self::WayElsewhere,
        Self::WayGrpc,
        Self::WayAnnotation,
        Self::WayCut,
        Self::WayUnknown,
        Self::TabHidden,
    ];

    /// All of them.
    pub fn all() -> impl Iterator<Item = Self> {
        let live = LiveCause::ALL.into_iter().map(Self::Live);
        Self::TERMINAL.into_iter().chain(live).chain(InstallationCause::ALL.into_iter().map(Self::Installation))
    }

    /// Its name in `-o json`.
    #[must_use]
    pub const fn id(self) -> &'static str {
        self.row().id
    }

    /// The link that it is about; `None`: any.
    #[must_use]
    pub const fn link(self) -> Option<Name> {
        self.row().link
    }

    /// What people see by it.
    #[must_use]
    pub const fn symptom(self) -> &'static str {
        self.row().symptom
    }

    /// What it is.
    #[must_use]
    pub const fn message(self) -> &'static str {
        self.row().message
    }

    /// How it is mended.
    #[must_use]
    pub const fn mend(self) -> &'static str {
        self.row().mend
    }

    /// Its row.
    #[must_use]
    pub const fn row(self) -> Row {
        rows::of(self)
    }
}

mod installation;
mod live;
mod rows;

pub use installation::InstallationCause;
pub use live::LiveCause;

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_row_has_a_name_of_its_own_and_says_all_there_is_to_say() {
        let ids: BTreeSet<&str> = Cause::all().map(Cause::id).collect();
        assert_eq!(ids.len(), Cause::all().count());
        for cause in Cause::all() {
            assert!(cause.id().chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-'), "{}", cause.id());
            for text in [cause.symptom(), cause.message(), cause.mend()] {
                assert!(!text.is_empty() && !text.ends_with('.') && !text.contains(['\n', '|']), "{}: {text}", cause.id());
            }
        }
    }

    #[test]
    fn the_rows_stand_in_the_order_of_the_links() {
        let terminal = Cause::TERMINAL.into_iter().filter_map(Cause::link).collect();
        let live = LiveCause::ALL.into_iter().filter_map(|c| Cause::Live(c).link()).collect();
        let both: Vec<Name> = Name::AGENT.into_iter().chain([Name::Principal, Name::Redis, Name::Network]).collect();
        let installation = InstallationCause::ALL.into_iter().filter_map(|c| Cause::Installation(c).link()).collect();
        for (links, chain) in [(terminal, &Name::TERMINAL[..]), (live, &both[..]), (installation, &Name::INSTALLATION[..])] {
            let links: Vec<Name> = links;
            assert!(links.is_sorted_by_key(|link| chain.iter().position(|name| name == link).expect("a link of the chain")));
            assert_eq!(links.iter().collect::<BTreeSet<_>>().len(), chain.len(), "each link can break");
        }
    }
}
