//! What no `ExecAccess` may exceed. Pure.

use std::collections::BTreeSet;
use std::time::Duration;

use serde::Deserialize;

/// What no `ExecAccess` of the instance may exceed.
#[allow(clippy::struct_excessive_bools, reason = "each is a switch of its own in the file")]
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Limits {
    /// Namespaces into which argocd-server never gets the right to exec from us (with `scope: Cluster` Kubernetes cannot except them).
    pub denied_namespaces: BTreeSet<String>,
    /// Projects that no grant may name, nor match.
    pub denied_projects: BTreeSet<String>,
    /// Whether `scope: Cluster` is allowed.
    pub allow_cluster_scope: bool,
    /// Whether a project may be a pattern.
    pub allow_all_projects: bool,
    /// Whether `policyTarget: Project` is allowed, which adds roles to AppProjects.
    pub allow_project_target: bool,
    /// Whether `reason` must be given.
    pub require_reason: bool,
    /// The longest time from `validity.notBefore` (or the object's creation) to `validity.notAfter`, such as `8h`; `null`: no limit.
    #[serde(deserialize_with = "longest")]
    pub max_duration: Option<Duration>,
    /// Whether `validity.notAfter` must be given.
    pub require_not_after: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            denied_namespaces: BTreeSet::from(["argocd".to_owned(), "kube-system".to_owned()]),
            denied_projects: BTreeSet::new(),
            allow_cluster_scope: true,
            allow_all_projects: true,
            allow_project_target: true,
            require_reason: false,
            max_duration: None,
            require_not_after: false,
        }
    }
}

/// Hours, minutes and seconds, such as `8h`.
fn longest<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    let Some(text) = Option::<String>::deserialize(deserializer)? else { return Ok(None) };
    let seconds = crate::ingress::parse_duration(&text).filter(|seconds| *seconds > 0);
    let seconds =
        seconds.ok_or_else(|| serde::de::Error::custom(format!("maxDuration: {text:?} must be hours, minutes and seconds, such as 8h or 1h30m")))?;
    Ok(Some(Duration::from_secs(seconds)))
}
