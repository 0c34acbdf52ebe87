//! How an argocd-agent is recognised from what runs in its namespace: the Deployment, its ServiceAccount, and the settings that decide
//! whether live resources pass. Pure.

use std::collections::BTreeSet;
use std::sync::Arc;

use k8s_openapi::api::apps::v1::Deployment;

pub use super::deployment::{NoAgent, Switch};
use super::deployment::{Part, place_of, service_account, setting, switch};
use super::world::ConfigMaps;
use crate::argocd::instance::{containers, image_version, installer};
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

const PROXY_FLAG: &str = "--enable-resource-proxy";
const PROXY_ENV: &str = "ARGOCD_AGENT_ENABLE_RESOURCE_PROXY";
const MODE_ENV: &str = "ARGOCD_AGENT_MODE";
const MAPPING_ENV: &str = "ARGOCD_AGENT_DESTINATION_BASED_MAPPING";

/// The ConfigMaps from which Deployments take the settings of an agent or a principal.
#[must_use]
pub fn config_maps(deployments: &[Arc<Deployment>]) -> BTreeSet<String> {
    let vars = deployments.iter().flat_map(|d| containers(d)).flat_map(|c| c.env.iter().flatten());
    let vars = vars.filter(|var| var.name.starts_with("ARGOCD_AGENT_") || var.name.starts_with("ARGOCD_PRINCIPAL_"));
    vars.filter_map(|var| Some(var.value_from.as_ref()?.config_map_key_ref.as_ref()?.name.clone())).collect()
}

/// Finds the agent among the Deployments of its namespace. `named`: which one is meant, where somebody says so. `config_maps`: those of the
/// namespace that its environment may be taken from, by their names.
///
/// # Errors
/// When there is none, or more than one.
pub fn find(named: Option<&str>, deployments: &[Arc<Deployment>], config_maps: &Seen<ConfigMaps>) -> Result<Agent, NoAgent> {
    Part::Agent.find(named, deployments).map(|deployment| read(deployment, config_maps))
}

fn read(deployment: &Deployment, config_maps: &Seen<ConfigMaps>) -> Agent {
    let main = Part::Agent.container(deployment);
    let setting = |flag: &str, env: &str| setting(main, config_maps, flag, env);
    Agent {
        deployment: deployment.metadata.name.clone().unwrap_or_default(),
        service_account: service_account(deployment),
        installer: installer(deployment),
        version: main.and_then(|c| c.image.as_deref()).and_then(image_version),
        // Without a word it is autonomous.
        managed: setting("--agent-mode", MODE_ENV).map(|mode| mode == "managed"),
        by_destination: setting("--destination-based-mapping", MAPPING_ENV).map(|v| switch(&v, false)),
        resource_proxy: setting(PROXY_FLAG, PROXY_ENV).map(|v| switch(&v, true)),
        resource_proxy_switch: place_of(main, PROXY_FLAG, PROXY_ENV),
    }
}

/// How a resource is known to belong to an Application, as that cluster's argocd-cm says it: `annotation` unless it says otherwise.
#[must_use]
pub fn tracking(argocd_cm: Option<&Data>) -> &str {
    argocd_cm.and_then(|data| data.get("application.resourceTrackingMethod")).map(String::as_str).filter(|v| !v.is_empty()).unwrap_or("annotation")
}
