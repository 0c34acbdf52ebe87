//! What both parts of argocd-agent have in common: how the Deployment of one is found, whichever way it was installed, and how its settings
//! are read. Pure.
//!
//! Nothing goes by a name: the manifests, the Helm charts and argocd-operator give different ones, and even different keys of the ConfigMap
//! (`agent.resource-proxy.enable` and `agent.resource-proxy.enabled`). What counts is what the container's environment leads to.

use std::sync::Arc;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Container;

use super::world::ConfigMaps;
use crate::argocd::instance::{containers, label, setting_from, words};
use crate::reconcile::Seen;

/// One of the two parts: as its label `app.kubernetes.io/component` and the first argument of its container name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// In the cluster that it serves.
    Agent,
    /// In the control plane.
    Principal,
}

/// Why there is no one Deployment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoAgent {
    /// None was found.
    Missing,
    /// None has the name that was given.
    NotNamed(String),
    /// What has that name is something else.
    NotThis(String),
    /// More than one looks like it: their names.
    Ambiguous(Vec<String>),
}

/// Where something is switched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Switch {
    /// By this argument.
    Argument(&'static str),
    /// By this variable of the environment.
    Variable(&'static str),
    /// Under this key of a ConfigMap.
    ConfigMap {
        /// Its name.
        name: String,
        /// The key.
        key: String,
    },
}

impl std::fmt::Display for Switch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Argument(flag) => write!(f, "the argument {flag}"),
            Self::Variable(name) => write!(f, "the variable {name}"),
            Self::ConfigMap { name, key } => write!(f, "data.\"{key}\" of ConfigMap {name}"),
        }
    }
}

impl Part {
    /// How the labels and arguments call it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Agent => "agent",
            Self::Principal => "principal",
        }
    }

    /// Finds its Deployment. `named`: which one is meant, where somebody says so.
    ///
    /// # Errors
    /// When there is none, or more than one.
    pub fn find<'a>(self, named: Option<&str>, deployments: &'a [Arc<Deployment>]) -> Result<&'a Deployment, NoAgent> {
        if let Some(name) = named {
            let found = deployments.iter().find(|d| d.metadata.name.as_deref() == Some(name));
            let found = found.map(AsRef::as_ref).ok_or_else(|| NoAgent::NotNamed(name.to_owned()))?;
            // Whoever writes an object is not to give an agent's rights to whatever else runs beside it.
            return if self.looks_like_it(found) { Ok(found) } else { Err(NoAgent::NotThis(name.to_owned())) };
        }
        let mut candidates: Vec<&Arc<Deployment>> = deployments.iter().filter(|d| self.looks_like_it(d)).collect();
        candidates.sort_by(|a, b| a.metadata.name.cmp(&b.metadata.name));
        match candidates.as_slice() {
            [] => Err(NoAgent::Missing),
            [one] => Ok(one),
            many => Err(NoAgent::Ambiguous(many.iter().filter_map(|d| d.metadata.name.clone()).collect())),
        }
    }

    /// The container that runs it.
    #[must_use]
    pub fn container(self, deployment: &Deployment) -> Option<&Container> {
        let all = containers(deployment);
        all.iter().find(|c| self.runs_in(c)).or_else(|| all.first())
    }

    /// By the labels of the Deployment or of its pods, or by what the container runs.
    fn looks_like_it(self, deployment: &Deployment) -> bool {
        let of_pods = deployment.spec.as_ref().and_then(|s| s.template.metadata.as_ref()).and_then(|m| m.labels.as_ref());
        let has = |key: &str, value: &str| label(deployment, key) == Some(value) || of_pods.is_some_and(|l| l.get(key).is_some_and(|v| v == value));
        let labelled = has("app.kubernetes.io/part-of", "argocd-agent") && has("app.kubernetes.io/component", self.as_str());
        labelled || containers(deployment).iter().any(|c| self.runs_in(c))
    }

    /// The program is named argocd-agent, and the first word that is no flag says which part of it runs.
    fn runs_in(self, container: &Container) -> bool {
        let mut all = words(container).filter(|word| !word.starts_with('-')).peekable();
        let first = all.peek().and_then(|word| word.rsplit('/').next()) == Some("argocd-agent");
        let image = container
            .image
            .as_deref()
            .and_then(|i| i.split('@').next())
            .and_then(|i| i.rsplit('/').next())
            .is_some_and(|name| name.split(':').next() == Some("argocd-agent"));
        if first {
            all.next();
        }
        (first || image) && all.next() == Some(self.as_str())
    }
}

/// The ServiceAccount that its pods run as.
#[must_use]
pub fn service_account(deployment: &Deployment) -> String {
    let pod = deployment.spec.as_ref().and_then(|s| s.template.spec.as_ref());
    pod.and_then(|p| p.service_account_name.clone()).filter(|n| !n.is_empty()).unwrap_or_else(|| "default".to_owned())
}

/// One setting: the flag counts most, then the environment, then the ConfigMap that this is taken from. Empty: not set. `None`: it cannot be
/// decided. `config_maps`: those of the namespace that the environment may be taken from, by their names.
#[must_use]
pub fn setting(container: Option<&Container>, config_maps: &Seen<ConfigMaps>, flag: &str, env: &str) -> Option<String> {
    setting_from(container, flag, env, |name, key| {
        let known = config_maps.as_ref().ok()?;
        // Of one that the operator may not read it is not known what it holds.
        let config_map = known.get(name)?;
        Some(config_map.as_ref().and_then(|cm| cm.data.as_ref()?.get(key).cloned()).unwrap_or_default())
    })
}

/// As Go reads a switch; what is none leaves it at its default (`internal/env`).
#[must_use]
pub fn switch(text: &str, default: bool) -> bool {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => true,
        "0" | "f" | "F" | "false" | "FALSE" | "False" => false,
        _ => default,
    }
}

/// Where something is set.
#[must_use]
pub fn place_of(container: Option<&Container>, flag: &'static str, env: &'static str) -> Switch {
    let Some(container) = container else { return Switch::Variable(env) };
    if words(container).any(|word| word.starts_with(flag)) {
        return Switch::Argument(flag);
    }
    let var = container.env.iter().flatten().rfind(|v| v.name == env);
    match var.and_then(|v| v.value_from.as_ref()).and_then(|from| from.config_map_key_ref.as_ref()) {
        Some(reference) => Switch::ConfigMap { name: reference.name.clone(), key: reference.key.clone() },
        None => Switch::Variable(env),
    }
}
