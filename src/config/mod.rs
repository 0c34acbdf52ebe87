//! The operator's configuration file: what the platform admin allows, per Argo CD instance. Strict: an unknown key is an error. Pure.

use std::collections::BTreeSet;

use serde::Deserialize;

pub mod clusters;
pub mod limits;
pub mod live;
#[cfg(test)]
mod tests;

pub use clusters::ClusterAccess;
pub use limits::Limits;
pub use live::Live;

/// The whole file.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Config {
    /// The Argo CD instances that the operator serves. None: the one in the operator's own namespace.
    pub instances: Vec<InstanceConfig>,
}

/// What holds for one Argo CD instance.
#[allow(clippy::struct_excessive_bools, reason = "each is a switch of its own in the file")]
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct InstanceConfig {
    /// The namespace of the instance: where its argocd-cm is.
    pub namespace: String,
    /// What becomes of values of shared objects that somebody else owns.
    #[serde(default)]
    pub conflict_policy: ConflictPolicy,
    /// Whether the `ArgoCD` object of argocd-operator may be patched, where argocd-cm is made from it.
    #[serde(default)]
    pub argocd_operator: bool,
    /// How argocd-server gets its Kubernetes rights.
    #[serde(default)]
    pub server_roles: ServerRoles,
    /// The names of argocd-server's own roles, for `serverRoles: InPlace`.
    #[serde(default)]
    pub in_place: InPlace,
    /// `exec.shells` of the instance, in the order in which they are tried; empty: not touched.
    #[serde(default)]
    pub shells: Vec<String>,
    /// May the operator restart argocd-server when a setting needs it? A restart ends all open terminals.
    #[serde(default)]
    pub restart_server: RestartServer,
    /// Whether an admission policy refuses argocd-server's terminals wherever no `ExecAccess` in effect says so.
    #[serde(default)]
    pub confine: bool,
    /// Whether nothing is granted while people that no `ExecAccess` declares would get a terminal too.
    #[serde(default)]
    pub require_exclusive: bool,
    /// May the operator set the time-out of a GKE `BackendConfig`? Else it says what a person is to set.
    #[serde(default = "yes")]
    pub write_backend_configs: bool,
    /// Whether `LiveResourceAccess` is served, and what it takes.
    #[serde(default)]
    pub live: Live,
    /// Whether `ClusterAccess` is served, and for which clusters.
    #[serde(default)]
    pub cluster_access: ClusterAccess,
    /// What no `ExecAccess` may exceed.
    #[serde(default)]
    pub limits: Limits,
}

const fn yes() -> bool {
    true
}

/// What becomes of values of shared objects that somebody else owns.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
pub enum ConflictPolicy {
    /// As the owner allows: people's values are taken over and given back, Helm's are set without becoming their owner, those that Git
    /// holds are left alone.
    #[default]
    Auto,
    /// Every value is taken, whoever owns it.
    Force,
    /// No value that somebody else owns is touched.
    Defer,
}

/// How argocd-server gets its Kubernetes rights.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
pub enum ServerRoles {
    /// Bindings of our own to the chart's fixed ClusterRole.
    #[default]
    Dedicated,
    /// Rules in argocd-server's own Role and ClusterRole, where these reach.
    InPlace,
}

/// The names of argocd-server's own roles; empty: that one is not edited.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct InPlace {
    /// The Role in the instance's namespace.
    pub role: String,
    /// The ClusterRole.
    pub cluster_role: String,
}

impl Default for InPlace {
    fn default() -> Self {
        Self { role: "argocd-server".to_owned(), cluster_role: "argocd-server".to_owned() }
    }
}

/// Whether the operator may restart argocd-server.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
pub enum RestartServer {
    /// It reports `RestartRequired` instead.
    #[default]
    Never,
    /// Once for each change that needs it.
    WhenNeeded,
}

/// Why the configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// Not YAML, a wrong type, or a key that there is not.
    #[error("read the configuration")]
    Parse(#[source] serde_yaml::Error),
    /// A value that cannot be used.
    #[error("configuration: {0}")]
    Value(String),
}

impl InstanceConfig {
    /// The instance in one namespace, with every setting at its default.
    #[must_use]
    pub fn of(namespace: &str) -> Self {
        Self {
            namespace: namespace.to_owned(),
            conflict_policy: ConflictPolicy::default(),
            argocd_operator: false,
            server_roles: ServerRoles::default(),
            in_place: InPlace::default(),
            shells: Vec::new(),
            restart_server: RestartServer::default(),
            confine: false,
            require_exclusive: false,
            write_backend_configs: true,
            live: Live::default(),
            cluster_access: ClusterAccess::default(),
            limits: Limits::default(),
        }
    }
}

impl Config {
    /// Reads the file's text. `own_namespace` is the instance that is served when the file names none.
    ///
    /// # Errors
    /// When the text is not a configuration, with the key that is wrong.
    pub fn parse(text: &str, own_namespace: &str) -> Result<Self, ConfigError> {
        // An empty document is an empty configuration.
        let mut config = serde_yaml::from_str::<Option<Self>>(text).map_err(ConfigError::Parse)?.unwrap_or_default();
        if config.instances.is_empty() {
            config.instances.push(InstanceConfig::of(own_namespace));
        }
        let (mut seen, mut edited) = (BTreeSet::new(), BTreeSet::new());
        for instance in &config.instances {
            if !is_label(&instance.namespace) {
                return Err(ConfigError::Value(format!("instances: {:?} is not the name of a namespace", instance.namespace)));
            }
            if !seen.insert(&instance.namespace) {
                return Err(ConfigError::Value(format!("instances: the namespace {} is listed twice", instance.namespace)));
            }
            instance.cluster_access.check(&instance.namespace)?;
            let role = &instance.in_place.cluster_role;
            if instance.server_roles == ServerRoles::InPlace && !role.is_empty() && !edited.insert(role) {
                return Err(ConfigError::Value(format!(
                    "instances ({}): inPlace.clusterRole {role} is that of another instance too, and each would take out what the other adds; name each Argo CD's own, or none",
                    instance.namespace
                )));
            }
            // Argo CD splits at commas and does not trim.
            if let Some(bad) = instance.shells.iter().find(|s| !is_shell(s)) {
                return Err(ConfigError::Value(format!(
                    "instances ({}): shells: {bad:?} may hold only letters, digits, '.', '_', '/' and '-'",
                    instance.namespace
                )));
            }
        }
        Ok(config)
    }
}

fn is_shell(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '/' | '-'))
}

/// Whether Kubernetes takes it for the name of a namespace.
fn is_label(text: &str) -> bool {
    is_dns_name(text, 63) && !text.contains('.')
}

/// Whether Kubernetes takes it for the name of an object: labels of letters, digits and `-`, between dots.
fn is_dns_name(text: &str, longest: usize) -> bool {
    let is_label = |part: &str| {
        let fits = part.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
        fits && !part.is_empty() && !part.starts_with('-') && !part.ends_with('-')
    };
    text.len() <= longest && text.split('.').all(is_label)
}
