//! The principal of argocd-agent, and how argocd-server gets its Redis, as the Deployments of the instance's namespace show it. Pure.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Container;

use crate::argocd::instance::{containers, image_version, installer, server_container, setting_from, words};
use crate::argocd::{ARGOCD_CMD_PARAMS_CM, REDIS_SERVER};
use crate::live::deployment::{NoAgent, Part, place_of, service_account, setting, switch};
use crate::live::world::ConfigMaps;
use crate::reconcile::Seen;

/// The principal as it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// Name of the Deployment.
    pub deployment: String,
    /// The ServiceAccount that its pods run as.
    pub service_account: String,
    /// Who installed it.
    pub installer: &'static str,
    /// Its version, from the image's tag, without the `v`.
    pub version: Option<String>,
    /// Whether Applications keep their own namespaces. `None`: it cannot be decided.
    pub by_destination: Option<bool>,
    /// Its switches and addresses.
    pub settings: Settings,
    /// By which labels its Deployment selects its pods.
    pub selector: BTreeMap<String, String>,
    /// The labels of its pods.
    pub pod_labels: BTreeMap<String, String>,
    /// The named ports of its pods.
    pub ports: BTreeMap<String, i32>,
}

/// What it is told; `None`: that cannot be decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Whether its resource proxy is switched on.
    pub resource_proxy: Option<bool>,
    /// By which address argocd-server reaches that.
    pub resource_proxy_address: Option<String>,
    /// Whether its Redis proxy is switched on.
    pub redis_proxy: Option<bool>,
    /// Its own Redis.
    pub redis_address: Option<String>,
    /// Whether that and its Redis proxy speak TLS.
    pub redis_tls: Option<bool>,
    /// Where it listens for agents; empty: everywhere.
    pub listen_host: Option<String>,
    /// Where each is set, for a message: the resource proxy, the Redis proxy, its Redis, TLS, the host.
    pub places: Places,
}

/// Where something is set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Places {
    /// The resource proxy's switch.
    pub resource_proxy: String,
    /// The Redis proxy's switch.
    pub redis_proxy: String,
    /// Its own Redis.
    pub redis_address: String,
    /// Whether its Redis speaks TLS.
    pub redis_tls: String,
    /// Where it listens.
    pub listen_host: String,
}

const RESOURCE_PROXY: (&str, &str) = ("--enable-resource-proxy", "ARGOCD_PRINCIPAL_ENABLE_RESOURCE_PROXY");
const RESOURCE_PROXY_ADDRESS: (&str, &str) = ("--resource-proxy-address", "ARGOCD_PRINCIPAL_RESOURCE_PROXY_ADDRESS");
const NO_REDIS_PROXY: (&str, &str) = ("--disable-redis-proxy", "ARGOCD_PRINCIPAL_DISABLE_REDIS_PROXY");
const REDIS_ADDRESS: (&str, &str) = ("--redis-server-address", "ARGOCD_PRINCIPAL_REDIS_SERVER_ADDRESS");
const REDIS_TLS: (&str, &str) = ("--redis-tls-enabled", "ARGOCD_PRINCIPAL_REDIS_TLS_ENABLED");
const LISTEN_HOST: (&str, &str) = ("--listen-host", "ARGOCD_PRINCIPAL_LISTEN_HOST");
const MAPPING: (&str, &str) = ("--destination-based-mapping", "ARGOCD_PRINCIPAL_DESTINATION_BASED_MAPPING");

/// What the principal asks for its Redis when nobody says.
const OWN_REDIS: &str = "argocd-redis:6379";
/// The address of its resource proxy when nobody says.
const OWN_PROXY: &str = "argocd-agent-resource-proxy:9090";

/// Finds the principal.
///
/// # Errors
/// When there is none, or more than one.
pub fn principal(deployments: &[Arc<Deployment>], config_maps: &Seen<ConfigMaps>) -> Result<Principal, NoAgent> {
    Part::Principal.find(None, deployments).map(|deployment| read(deployment, config_maps))
}

fn read(deployment: &Deployment, config_maps: &Seen<ConfigMaps>) -> Principal {
    let main = Part::Principal.container(deployment);
    let text = |(flag, env): (&str, &str)| setting(main, config_maps, flag, env);
    let or = |name: (&str, &str), default: &str| text(name).map(|value| if value.is_empty() { default.to_owned() } else { value });
    let place = |(flag, env): (&'static str, &'static str)| place_of(main, flag, env);
    let spec = deployment.spec.as_ref();
    let ports = containers(deployment).iter().flat_map(|c| c.ports.iter().flatten());
    Principal {
        deployment: deployment.metadata.name.clone().unwrap_or_default(),
        service_account: service_account(deployment),
        installer: installer(deployment),
        version: main.and_then(|c| c.image.as_deref()).and_then(image_version),
        by_destination: text(MAPPING).map(|v| switch(&v, false)),
        settings: Settings {
            resource_proxy: text(RESOURCE_PROXY).map(|v| switch(&v, true)),
            resource_proxy_address: or(RESOURCE_PROXY_ADDRESS, OWN_PROXY),
            redis_proxy: text(NO_REDIS_PROXY).map(|v| !switch(&v, false)),
            redis_address: or(REDIS_ADDRESS, OWN_REDIS),
            // Its default is another one in each version.
            redis_tls: text(REDIS_TLS).filter(|v| !v.is_empty()).map(|v| switch(&v, true)),
            listen_host: text(LISTEN_HOST),
            places: Places {
                resource_proxy: place(RESOURCE_PROXY).to_string(),
                redis_proxy: place(NO_REDIS_PROXY).to_string(),
                redis_address: place(REDIS_ADDRESS).to_string(),
                redis_tls: place(REDIS_TLS).to_string(),
                listen_host: place(LISTEN_HOST).to_string(),
            },
        },
        selector: spec.and_then(|s| s.selector.match_labels.clone()).unwrap_or_default(),
        pod_labels: spec.and_then(|s| s.template.metadata.as_ref()).and_then(|m| m.labels.clone()).unwrap_or_default(),
        ports: ports.filter_map(|p| Some((p.name.clone()?, p.container_port))).collect(),
    }
}

/// From where argocd-server has the address of its Redis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// From argocd-cmd-params-cm.
    Params,
    /// From this argument, which counts more.
    Argument(String),
    /// From somewhere else: what is said of it.
    Elsewhere(String),
}

/// What of argocd-server's Deployment decides over its Redis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerRedis {
    /// From where it has the address.
    pub source: Source,
    /// Whether it speaks TLS. There is an argument for it, and no variable.
    pub tls: bool,
    /// By which labels its Deployment selects its pods.
    pub selector: BTreeMap<String, String>,
}

/// Reads it.
#[must_use]
pub fn server_redis(deployment: &Deployment) -> ServerRedis {
    let main = server_container(deployment);
    let flag = |name: &str| setting_from(main, name, "", |_, _| None).unwrap_or_default();
    let source = match main {
        Some(container) if words(container).any(|word| word.starts_with("--sentinel")) => {
            Source::Elsewhere("its arguments name Redis Sentinels, which count more".to_owned())
        }
        Some(container) => {
            let argument = flag("--redis");
            if argument.is_empty() { variable(container) } else { Source::Argument(argument) }
        }
        None => Source::Elsewhere("it has no container".to_owned()),
    };
    let selector = deployment.spec.as_ref().and_then(|s| s.selector.match_labels.clone()).unwrap_or_default();
    ServerRedis { source, tls: switch(&flag("--redis-use-tls"), false), selector }
}

fn variable(container: &Container) -> Source {
    const NAME: &str = "REDIS_SERVER";
    let Some(variable) = container.env.iter().flatten().rfind(|v| v.name == NAME) else {
        return Source::Elsewhere(format!("its environment has no variable {NAME}"));
    };
    match variable.value_from.as_ref().and_then(|from| from.config_map_key_ref.as_ref()) {
        Some(reference) if reference.name == ARGOCD_CMD_PARAMS_CM && reference.key == REDIS_SERVER => Source::Params,
        Some(reference) => Source::Elsewhere(format!("its variable {NAME} is taken from data.{:?} of ConfigMap {}", reference.key, reference.name)),
        None => Source::Elsewhere(format!("its variable {NAME} is not taken from a ConfigMap")),
    }
}

/// The application controllers that run here, by the names of their Deployments and StatefulSets.
pub fn application_controllers<'a>(
    all: impl IntoIterator<Item = (Option<&'a str>, Option<&'a BTreeMap<String, String>>, Option<i32>)>,
) -> Vec<&'a str> {
    let is_one = |labels: &BTreeMap<String, String>| {
        let has = |key: &str, value: &str| labels.get(key).is_some_and(|v| v == value);
        has("app.kubernetes.io/part-of", "argocd") && has("app.kubernetes.io/component", "application-controller")
    };
    let runs = all.into_iter().filter(|(_, labels, replicas)| labels.is_some_and(is_one) && *replicas != Some(0));
    runs.filter_map(|(name, ..)| name).collect()
}
