//! The operator's configuration file: what the platform admin allows, per Argo CD instance. Strict: an unknown key is an error. Pure.

use std::collections::BTreeSet;
use std::time::Duration;

use serde::Deserialize;

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
    /// What no `ExecAccess` may exceed.
    #[serde(default)]
    pub limits: Limits,
}

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
            if !is_namespace_name(&instance.namespace) {
                return Err(ConfigError::Value(format!("instances: {:?} is not the name of a namespace", instance.namespace)));
            }
            if !seen.insert(&instance.namespace) {
                return Err(ConfigError::Value(format!("instances: the namespace {} is listed twice", instance.namespace)));
            }
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

/// Hours, minutes and seconds, such as `8h`.
fn longest<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    let Some(text) = Option::<String>::deserialize(deserializer)? else { return Ok(None) };
    let seconds = crate::ingress::parse_duration(&text).filter(|seconds| *seconds > 0);
    let seconds =
        seconds.ok_or_else(|| serde::de::Error::custom(format!("maxDuration: {text:?} must be hours, minutes and seconds, such as 8h or 1h30m")))?;
    Ok(Some(Duration::from_secs(seconds)))
}

fn is_shell(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '/' | '-'))
}

fn is_namespace_name(text: &str) -> bool {
    (1..=63).contains(&text.len())
        && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
        && !text.starts_with('-')
        && !text.ends_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(text: &str) -> String {
        let error = Config::parse(text, "argocd").unwrap_err();
        std::error::Error::source(&error).map_or_else(|| error.to_string(), ToString::to_string)
    }

    #[test]
    fn nothing_configured_means_the_own_namespace() {
        assert_eq!(Config::parse("", "cd").unwrap().instances, [InstanceConfig::of("cd")]);
        assert_eq!(Config::parse("instances: []", "cd").unwrap().instances, [InstanceConfig::of("cd")]);
    }

    #[test]
    fn a_misspelt_key_is_an_error_that_names_it() {
        assert!(refusal("instances: [{namespace: a, limts: {}}]").contains("limts"));
        assert!(refusal("instances: [{namespace: a, limits: {deniedNamespace: []}}]").contains("deniedNamespace"));
        assert!(refusal("instance: []").contains("instance"));
    }

    #[test]
    fn shells_that_argo_cd_would_misread_are_refused() {
        assert!(refusal("instances: [{namespace: a, shells: [' sh']}]").contains("\" sh\""));
        assert!(refusal("instances: [{namespace: a, shells: ['a,b']}]").contains("a,b"));
    }

    #[test]
    fn the_longest_duration_is_read_or_refused_when_the_file_is() {
        let longest = |text: &str| {
            Config::parse(&format!("instances: [{{namespace: a, limits: {{maxDuration: {text}}}}}]"), "a").map(|c| c.instances[0].limits.max_duration)
        };
        assert_eq!(longest("8h").unwrap(), Some(Duration::from_secs(8 * 3600)));
        assert_eq!(longest("1h30m").unwrap(), Some(Duration::from_secs(5400)));
        assert_eq!(longest("null").unwrap(), None);
        for bad in ["8 hours", "0s", "'8'", "1d", "-1h", "''"] {
            assert!(refusal(&format!("instances: [{{namespace: a, limits: {{maxDuration: {bad}}}}}]")).contains("maxDuration"), "{bad}");
        }
    }

    #[test]
    fn two_instances_cannot_edit_one_cluster_role() {
        let two = |role: &str| {
            format!("instances: [{{namespace: a, serverRoles: InPlace}}, {{namespace: b, serverRoles: InPlace, inPlace: {{clusterRole: {role}}}}}]")
        };
        assert!(refusal(&two("argocd-server")).contains("argocd-server is that of another instance"));
        assert!(Config::parse(&two("other"), "a").is_ok() && Config::parse(&two("''"), "a").is_ok());
        assert!(Config::parse("instances: [{namespace: a, serverRoles: InPlace}, {namespace: b}]", "a").is_ok(), "Dedicated edits none");
    }

    #[test]
    fn an_instance_is_listed_once_under_a_possible_name() {
        assert!(refusal("instances: [{namespace: a}, {namespace: a}]").contains("twice"));
        assert!(refusal("instances: [{namespace: A_b}]").contains("A_b"));
    }
}
