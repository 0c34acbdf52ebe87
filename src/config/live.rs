//! What the platform admin says about `LiveResourceAccess`. Pure.

use std::collections::BTreeSet;

use serde::Deserialize;

/// Whether `LiveResourceAccess` is served, and what the operator may read for it.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Live {
    /// Whether it is.
    pub enabled: bool,
    /// The ConfigMaps that an agent or a principal may take its settings from.
    pub config_maps: BTreeSet<String>,
    /// The agents whose cluster Secrets may be read to try out whether they answer.
    pub agents: BTreeSet<String>,
}

impl Default for Live {
    fn default() -> Self {
        Self { enabled: false, config_maps: BTreeSet::from(["argocd-agent-params".to_owned()]), agents: BTreeSet::new() }
    }
}
