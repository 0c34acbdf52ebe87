//! What Argo CD is: its settings, its policy, its kinds, and how an instance is recognised. Pure.

pub mod accounts;
pub mod deployed;
pub mod instance;
pub mod kinds;
pub mod pods;
pub mod policy;
pub mod project;
pub mod project_scope;
pub mod tracking;
pub mod versions;

/// The ConfigMap of general settings; `exec.enabled` and `exec.shells` live there.
pub const ARGOCD_CM: &str = "argocd-cm";
/// The ConfigMap of the RBAC policy.
pub const ARGOCD_RBAC_CM: &str = "argocd-rbac-cm";
/// The ConfigMap that most of argocd-server's environment is read from.
pub const ARGOCD_CMD_PARAMS_CM: &str = "argocd-cmd-params-cm";

/// Switches the terminal on; read per request, only the exact text `true` counts (Argo CD `util/settings/settings.go`).
pub const EXEC_ENABLED: &str = "exec.enabled";
/// The shells that are tried, in order, split at commas without trimming; read when argocd-server starts.
pub const EXEC_SHELLS: &str = "exec.shells";

/// In argocd-cmd-params-cm: where argocd-server's Redis is; read when it starts, by way of the variable `REDIS_SERVER`.
pub const REDIS_SERVER: &str = "redis.server";

/// Argo CD reads argocd-cm through an informer with this label selector: without the label it does not see the ConfigMap.
pub const PART_OF: (&str, &str) = ("app.kubernetes.io/part-of", "argocd");
