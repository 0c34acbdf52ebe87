//! How an argocd-agent is recognised from what runs in its namespace, whichever way it was installed: the Deployment, its ServiceAccount,
//! and the settings that decide whether live resources pass. Pure.
//!
//! Nothing goes by a name: the manifests, the Helm chart and argocd-operator give different ones, and even different keys of the ConfigMap
//! (`agent.resource-proxy.enable` and `agent.resource-proxy.enabled`). What counts is what the container's environment leads to.

use std::collections::BTreeSet;
use std::sync::Arc;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Container;

use super::world::ConfigMaps;
use crate::argocd::instance::{containers, image_version, installer, label, setting_from, words};
use crate::argocd::policy::Data;
use crate::reconcile::Seen;

/// The agent as it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agent {
    /// Name of the Deployment.
    pub deployment: String,
    /// The ServiceAccount that its pods run as.
    pub service_account: String,
    /// Who installed it.
    pub installer: &'static str,
    /// Its version, from the image's tag, without the `v`.
    pub version: Option<String>,
    /// Whether it takes its Applications from the control plane. `None`: it cannot be decided.
    pub managed: Option<bool>,
    /// Whether Applications keep their own namespaces (destination-based mapping). `None`: it cannot be decided.
    pub by_destination: Option<bool>,
    /// Whether its resource proxy is switched on. `None`: it cannot be decided.
    pub resource_proxy: Option<bool>,
    /// Where that is switched, for a message.
    pub resource_proxy_switch: Switch,
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

/// Why there is no one agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoAgent {
    /// None was found.
    Missing,
    /// None has the name that was given.
    NotNamed(String),
    /// More than one looks like it: their names.
    Ambiguous(Vec<String>),
}

const PROXY_FLAG: &str = "--enable-resource-proxy";
const PROXY_ENV: &str = "ARGOCD_AGENT_ENABLE_RESOURCE_PROXY";
const MODE_ENV: &str = "ARGOCD_AGENT_MODE";
const MAPPING_ENV: &str = "ARGOCD_AGENT_DESTINATION_BASED_MAPPING";

/// The ConfigMaps from which Deployments take what matters of an agent.
#[must_use]
pub fn config_maps(deployments: &[Arc<Deployment>]) -> BTreeSet<String> {
    let vars = deployments.iter().flat_map(|d| containers(d)).flat_map(|c| c.env.iter().flatten());
    let vars = vars.filter(|var| [PROXY_ENV, MODE_ENV, MAPPING_ENV].contains(&var.name.as_str()));
    vars.filter_map(|var| Some(var.value_from.as_ref()?.config_map_key_ref.as_ref()?.name.clone())).collect()
}

/// Finds the agent among the Deployments of its namespace. `named`: which one is meant, where somebody says so. `config_maps`: those of the
/// namespace that its environment may be taken from, by their names.
///
/// # Errors
/// When there is none, or more than one.
pub fn find(named: Option<&str>, deployments: &[Arc<Deployment>], config_maps: &Seen<ConfigMaps>) -> Result<Agent, NoAgent> {
    if let Some(name) = named {
        let found = deployments.iter().find(|d| d.metadata.name.as_deref() == Some(name));
        return found.map(|d| read(d, config_maps)).ok_or_else(|| NoAgent::NotNamed(name.to_owned()));
    }
    let mut candidates: Vec<&Arc<Deployment>> = deployments.iter().filter(|d| looks_like_agent(d)).collect();
    candidates.sort_by(|a, b| a.metadata.name.cmp(&b.metadata.name));
    match candidates.as_slice() {
        [] => Err(NoAgent::Missing),
        [one] => Ok(read(one, config_maps)),
        many => Err(NoAgent::Ambiguous(many.iter().filter_map(|d| d.metadata.name.clone()).collect())),
    }
}

/// By the labels of the Deployment or of its pods, or by what the container runs.
fn looks_like_agent(deployment: &Deployment) -> bool {
    let of_pods = deployment.spec.as_ref().and_then(|s| s.template.metadata.as_ref()).and_then(|m| m.labels.as_ref());
    let has = |key: &str, value: &str| label(deployment, key) == Some(value) || of_pods.is_some_and(|l| l.get(key).is_some_and(|v| v == value));
    let labelled = has("app.kubernetes.io/part-of", "argocd-agent") && has("app.kubernetes.io/component", "agent");
    labelled || containers(deployment).iter().any(runs_agent)
}

/// The program is named argocd-agent, and the first word that is no flag says which part of it runs.
fn runs_agent(container: &Container) -> bool {
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
    (first || image) && all.next() == Some("agent")
}

fn read(deployment: &Deployment, config_maps: &Seen<ConfigMaps>) -> Agent {
    let all = containers(deployment);
    let main = all.iter().find(|c| runs_agent(c)).or_else(|| all.first());
    let pod = deployment.spec.as_ref().and_then(|s| s.template.spec.as_ref());
    let look = |name: &str, key: &str| {
        let known = config_maps.as_ref().ok()?;
        // Of one that the operator may not read it is not known what it holds.
        let config_map = known.get(name)?;
        Some(config_map.as_ref().and_then(|cm| cm.data.as_ref()?.get(key).cloned()).unwrap_or_default())
    };
    let setting = |flag: &str, env: &str| setting_from(main, flag, env, look);
    Agent {
        deployment: deployment.metadata.name.clone().unwrap_or_default(),
        service_account: pod.and_then(|p| p.service_account_name.clone()).filter(|n| !n.is_empty()).unwrap_or_else(|| "default".to_owned()),
        installer: installer(deployment),
        version: main.and_then(|c| c.image.as_deref()).and_then(image_version),
        // Without a word it is autonomous.
        managed: setting("--agent-mode", MODE_ENV).map(|mode| mode == "managed"),
        by_destination: setting("--destination-based-mapping", MAPPING_ENV).map(|v| switch(&v, false)),
        resource_proxy: setting(PROXY_FLAG, PROXY_ENV).map(|v| switch(&v, true)),
        resource_proxy_switch: place_of_switch(main),
    }
}

/// As Go reads a switch; what is none leaves it at its default (`internal/env`).
fn switch(text: &str, default: bool) -> bool {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => true,
        "0" | "f" | "F" | "false" | "FALSE" | "False" => false,
        _ => default,
    }
}

fn place_of_switch(container: Option<&Container>) -> Switch {
    let Some(container) = container else { return Switch::Variable(PROXY_ENV) };
    if words(container).any(|word| word.starts_with(PROXY_FLAG)) {
        return Switch::Argument(PROXY_FLAG);
    }
    let var = container.env.iter().flatten().rfind(|v| v.name == PROXY_ENV);
    match var.and_then(|v| v.value_from.as_ref()).and_then(|from| from.config_map_key_ref.as_ref()) {
        Some(reference) => Switch::ConfigMap { name: reference.name.clone(), key: reference.key.clone() },
        None => Switch::Variable(PROXY_ENV),
    }
}

/// How a resource is known to belong to an Application, as that cluster's argocd-cm says it: `annotation` unless it says otherwise.
#[must_use]
pub fn tracking(argocd_cm: Option<&Data>) -> &str {
    argocd_cm.and_then(|data| data.get("application.resourceTrackingMethod")).map(String::as_str).filter(|v| !v.is_empty()).unwrap_or("annotation")
}
