//! What differs between the versions of Argo CD and of Kubernetes, as far as a terminal is concerned: one table. Pure.
//!
//! Everything that depends on a version asks here, and `docs/reference/compatibility.md` is made from the same rows. A version that is not
//! known is taken for the one with which less is granted or promised.

/// Major, minor and patch.
pub type Version = (u32, u32, u32);

/// Whose version it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Of {
    /// Argo CD.
    ArgoCD,
    /// The Kubernetes API server of the cluster that the terminal leads to.
    Kubernetes,
}

/// One difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Whose.
    pub of: Of,
    /// The first version that has it.
    pub since: Version,
    /// What it is about, in a few words.
    pub about: &'static str,
    /// How it was before.
    pub before: &'static str,
    /// How it is since.
    pub after: &'static str,
    /// What follows for the operator.
    pub follows: &'static str,
    /// How that is known: run, or read, and where.
    pub known: &'static str,
}

impl Difference {
    /// Whether a version has it; `None`: the version is not known.
    #[must_use]
    pub fn holds(&self, version: Option<&str>) -> Option<bool> {
        version.and_then(parse).map(|version| version >= self.since)
    }
}

/// The oldest versions that are served.
pub const OLDEST_ARGOCD: Difference = Difference {
    of: Of::ArgoCD,
    since: (2, 13, 0),
    about: "whether an open terminal is checked again",
    before: "not in every release: people could go on after a withdrawal",
    after: "with each message, login and policy are asked again",
    follows: "older ones are `Unsupported`: nothing is granted",
    known: "read in Argo CD's source; run with 3.2.11",
};
/// The oldest Kubernetes.
pub const OLDEST_KUBERNETES: Difference = Difference {
    of: Of::Kubernetes,
    since: (1, 30, 0),
    about: "admission policies (ValidatingAdmissionPolicy v1), and terminals by WebSocket",
    before: "missing",
    after: "there",
    follows: "older ones are `Unsupported`: nothing is granted",
    known: "read in Kubernetes' documentation; run with 1.34.4 and 1.36.3",
};
/// How argocd-server asks the API server for a terminal.
pub const WEBSOCKET: Difference = Difference {
    of: Of::ArgoCD,
    since: (3, 0, 0),
    about: "how argocd-server asks the API server for a terminal",
    before: "by SPDY: a POST, which is `create pods/exec`",
    after: "by WebSocket first: a GET, which is `get pods/exec`; where that is refused, by SPDY",
    follows: "whether `get` alone is enough to be called authorized",
    known: "read in Argo CD's source; run with 3.2.11",
};
/// What a WebSocket needs.
pub const CREATE_FOR_WEBSOCKET: Difference = Difference {
    of: Of::Kubernetes,
    since: (1, 35, 0),
    about: "what a terminal by WebSocket needs",
    before: "`get pods/exec`, which Argo CD's stock ClusterRole has everywhere by its wildcard",
    after: "`create pods/exec` as well (feature AuthorizePodWebsocketUpgradeCreatePermission)",
    follows: "before, `ServerAuthorized` is mostly `OpenByOthers`: bindings limit nothing there; since, they do",
    known: "run with 1.34.4 and 1.36.3",
};
/// Which object the web interface asks about before it shows a terminal.
pub const FULL_NAME_IN_UI: Difference = Difference {
    of: Of::ArgoCD,
    since: (3, 4, 4),
    about: "the Terminal tab of an Application in another namespace",
    before: "shown to whoever may exec into project/name, which is an Application of the instance's own namespace",
    after: "shown to whoever may exec into project/namespace/name, which is what is enforced, too",
    follows: "before, `PolicyApplied` says that the tab is hidden. The short form is not written: it would grant an Application of that name in the instance's own namespace, be it one that is created later",
    known: "read in Argo CD's source",
};
/// Whether a terminal opens into a sidecar that is an init container.
pub const NATIVE_SIDECARS: Difference = Difference {
    of: Of::ArgoCD,
    since: (3, 3, 5),
    about: "terminals into native sidecars (init containers that stay)",
    before: "refused",
    after: "opened",
    follows: "nothing: the same policy allows them",
    known: "read in Argo CD's source",
};
/// How Argo CD tracks what it manages.
pub const TRACKING_BY_ANNOTATION: Difference = Difference {
    of: Of::ArgoCD,
    since: (3, 0, 0),
    about: "how Argo CD marks what it manages, where argocd-cm does not say",
    before: "by a label",
    after: "by an annotation",
    follows: "by which mark a ConfigMap or AppProject is recognised as kept from Git",
    known: "read in Argo CD's source; run with 3.2.11",
};

/// All of them, Argo CD's first, the newest first.
pub const DIFFERENCES: [Difference; 7] =
    [FULL_NAME_IN_UI, NATIVE_SIDECARS, WEBSOCKET, TRACKING_BY_ANNOTATION, OLDEST_ARGOCD, CREATE_FOR_WEBSOCKET, OLDEST_KUBERNETES];

/// The minors of Argo CD that are meant to work.
pub const ARGOCD: [(u32, u32); 9] = [(2, 13), (2, 14), (3, 0), (3, 1), (3, 2), (3, 3), (3, 4), (3, 5), (3, 6)];
/// The minors of Kubernetes that are meant to work.
pub const KUBERNETES: [(u32, u32); 8] = [(1, 30), (1, 31), (1, 32), (1, 33), (1, 34), (1, 35), (1, 36), (1, 37)];
/// What the tests run with: Kubernetes, and Argo CD.
pub const TRIED: [(&str, &str); 2] = [("1.36.3", "3.2.11"), ("1.34.4", "3.2.11")];

/// Reads a version such as `3.2.11`, `v1.36.3`, `1.34+` or `3.5.0-rc2`; what is missing is 0.
#[must_use]
pub fn parse(text: &str) -> Option<Version> {
    let mut parts = text.strip_prefix('v').unwrap_or(text).splitn(3, '.');
    let number = |part: &str| part.chars().take_while(char::is_ascii_digit).collect::<String>().parse().ok();
    let major = parts.next().and_then(|part| part.parse().ok())?;
    let minor = parts.next().and_then(number)?;
    let patch = parts.next().map_or(Some(0), |part| if part.starts_with(|c: char| c.is_ascii_digit()) { number(part) } else { Some(0) })?;
    Some((major, minor, patch))
}

/// Whether `get pods/exec` alone opens a terminal.
#[must_use]
pub fn get_is_enough(argocd: Option<&str>, kubernetes: Option<&str>) -> bool {
    WEBSOCKET.holds(argocd) == Some(true) && CREATE_FOR_WEBSOCKET.holds(kubernetes) == Some(false)
}

/// Whether the web interface hides the Terminal tab of Applications in other namespaces from people who may open them.
#[must_use]
pub fn hides_tabs(argocd: Option<&str>) -> bool {
    FULL_NAME_IN_UI.holds(argocd) == Some(false)
}

/// Why versions cannot be served, when they cannot.
#[must_use]
pub fn unsupported(argocd: Option<&str>, kubernetes: Option<&str>) -> Option<String> {
    let too_old = |what: &str, found: Option<&str>, oldest: &Difference| {
        let (major, minor, _) = oldest.since;
        let found = found.filter(|_| oldest.holds(found) == Some(false))?;
        Some(format!("{what} {found} is too old: {major}.{minor} or later is needed ({}). Upgrade it; until then nothing is granted", oldest.about))
    };
    too_old("Argo CD", argocd, &OLDEST_ARGOCD).or_else(|| too_old("Kubernetes", kubernetes, &OLDEST_KUBERNETES))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_in_the_shapes_that_servers_and_tags_have() {
        for (text, expected) in [
            ("3.2.11", Some((3, 2, 11))),
            ("v1.36.3", Some((1, 36, 3))),
            ("1.34+", Some((1, 34, 0))),
            ("v1.31.2-eks-7f9249a", Some((1, 31, 2))),
            ("1.34.4+k3s1", Some((1, 34, 4))),
            ("3.5.0-rc2", Some((3, 5, 0))),
            ("3.5", Some((3, 5, 0))),
            ("latest", None),
            ("3", None),
            ("", None),
        ] {
            assert_eq!(parse(text), expected, "{text:?}");
        }
    }

    /// One version on each side of every row.
    #[test]
    fn every_row_divides_where_it_says() {
        for (row, before, since) in [
            (OLDEST_ARGOCD, "2.12.13", "2.13.0"),
            (OLDEST_KUBERNETES, "v1.29.15", "v1.30.0"),
            (WEBSOCKET, "2.14.21", "3.0.0"),
            (CREATE_FOR_WEBSOCKET, "v1.34.9", "v1.35.0"),
            (FULL_NAME_IN_UI, "3.4.3", "3.4.4"),
            (NATIVE_SIDECARS, "3.3.4", "3.3.5"),
            (TRACKING_BY_ANNOTATION, "2.14.21", "3.0.0"),
        ] {
            assert!(DIFFERENCES.contains(&row), "{}", row.about);
            assert_eq!((row.holds(Some(before)), row.holds(Some(since))), (Some(false), Some(true)), "{}", row.about);
            assert_eq!((row.holds(None), row.holds(Some("latest"))), (None, None));
        }
        assert_eq!(DIFFERENCES.len(), 7, "each row is tried above");
    }

    #[test]
    fn get_alone_opens_a_terminal_only_where_both_versions_are_known_to_let_it() {
        for (argocd, kubernetes, enough) in [
            (Some("3.2.11"), Some("v1.34.4"), true),
            (Some("3.2.11"), Some("v1.35.0"), false),
            (Some("2.14.21"), Some("v1.34.4"), false),
            (None, Some("v1.34.4"), false),
            (Some("3.2.11"), None, false),
        ] {
            assert_eq!(get_is_enough(argocd, kubernetes), enough, "{argocd:?} {kubernetes:?}");
        }
    }

    #[test]
    fn tabs_are_hidden_before_the_release_that_asks_for_the_full_name() {
        for (version, hidden) in [("2.14.21", true), ("3.3.12", true), ("3.4.3", true), ("3.4.4", false), ("3.5.0-rc2", false)] {
            assert_eq!(hides_tabs(Some(version)), hidden, "{version}");
        }
        assert!(!hides_tabs(None), "nothing is said of what is not known");
    }

    #[test]
    fn what_is_too_old_is_named_and_what_is_not_known_is_not_refused() {
        assert!(unsupported(Some("2.12.9"), Some("v1.36.3")).unwrap().contains("Argo CD 2.12.9"));
        assert!(unsupported(Some("3.2.11"), Some("v1.29.1")).unwrap().contains("Kubernetes v1.29.1"));
        assert_eq!(unsupported(None, None), None);
        for (major, minor) in ARGOCD {
            assert_eq!(unsupported(Some(&format!("{major}.{minor}.0")), None), None);
        }
        for (major, minor) in KUBERNETES {
            assert_eq!(unsupported(None, Some(&format!("v{major}.{minor}.0"))), None);
        }
    }
}
