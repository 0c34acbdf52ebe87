//! `ExecAccess`: who may open terminals into which applications.

use std::collections::BTreeMap;

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::common::{Mode, NamespaceSelection};
use super::status::ExecAccessStatus;
use super::time::{Validity, Window};

/// Who may open a terminal, through Argo CD, into the pods of which applications.
///
/// The operator reconciles what that takes (Argo CD's exec flag and RBAC policy, the rights of argocd-server, the Ingress), proves it
/// and reports it in the status. Deleting the object gives every changed setting its former value back.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "argocd-access.dev",
    version = "v1alpha1",
    kind = "ExecAccess",
    plural = "execaccesses",
    singular = "execaccess",
    shortname = "exa",
    category = "argocd",
    namespaced,
    status = "ExecAccessStatus",
    derive = "PartialEq",
    doc = "ExecAccess declares who may open a terminal, through Argo CD, into the pods of which applications. It lives in the namespace of the Argo CD instance. The operator makes exactly that true, proves it, reports it in the status, and gives every changed setting its former value back when the object is deleted.",
    validation = Rule::new("size(self.metadata.name) <= 63").message("metadata.name must be at most 63 characters: it becomes part of a key in argocd-rbac-cm and of a role name"),
    validation = Rule::new("self.spec.policyTarget != 'Project' || !has(self.spec.roleName)").message("roleName has no meaning with policyTarget: Project, where the role is named after this object; remove one of the two"),
    validation = Rule::new("self.spec.policyTarget != 'Project' || self.spec.subjects.all(s, s.kind == 'Group')").message("policyTarget: Project takes subjects of kind Group only: a project's role has groups and nothing else"),
    validation = Rule::new("self.spec.policyTarget != 'Project' || self.spec.applications.all(a, !a.project.contains('*') && !a.project.contains('?'))").message("policyTarget: Project needs each project by its name, without wildcards: the role stands in that project"),
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].status", description = "True when everything declared is in place and proven"),
    printcolumn(name = "Reason", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].reason", description = "What is missing, when not ready"),
    printcolumn(name = "Role", type_ = "string", json_path = ".status.policy.role", description = "The Argo CD role that carries the grant"),
    printcolumn(name = "Mode", type_ = "string", json_path = ".spec.mode"),
    printcolumn(name = "Next", type_ = "string", json_path = ".status.nextTransition", description = "When the access opens, closes or expires next"),
    printcolumn(name = "Suspended", type_ = "boolean", json_path = ".spec.suspend", priority = "1"),
    printcolumn(name = "Message", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].message", priority = "1"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
pub struct ExecAccessSpec {
    /// The people who get access: Argo CD groups, users, or existing Argo CD roles. At least one.
    #[schemars(length(min = 1, max = 64))]
    pub subjects: Vec<Subject>,

    /// The applications into whose pods they may open a terminal. At least one.
    #[schemars(length(min = 1, max = 64))]
    pub applications: Vec<ApplicationSelector>,

    /// Name of the Argo CD role that carries the grant, without the prefix `role:`. Default: `exec-access.` and the name of this object.
    /// It must be a name that nobody else uses: not `admin` or `readonly`, not the default role, none that other policy lines mention.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 100))]
    #[x_kube(
        validation = Rule::new("self.matches('^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$')").message("roleName may hold letters, digits, '.', '_' and '-', and begins and ends with a letter or digit; leave out the prefix 'role:'"),
        validation = Rule::new("!(self in ['admin', 'readonly'])").message("roleName must not be 'admin' or 'readonly': those are Argo CD's built-in roles, and everybody who has them would be drawn in")
    )]
    pub role_name: Option<String>,

    /// Where the policy lines stand. `Global`: in a key of their own in argocd-rbac-cm. `Project`: in a role of its own in each AppProject
    /// that is named, which then must be named without wildcards, for subjects of kind Group only.
    #[serde(default)]
    pub policy_target: PolicyTarget,

    /// Where argocd-server gets the Kubernetes right to exec.
    #[serde(default)]
    pub server: ServerAccess,

    /// What is set on the Ingresses in front of argocd-server, so that a WebSocket passes and lasts.
    #[serde(default)]
    pub ingress: IngressSettings,

    /// From when until when the access exists at all. After the end it is withdrawn; the object stays as a record.
    #[serde(default, skip_serializing_if = "Validity::is_unbounded")]
    pub validity: Validity,

    /// The windows of the week in which people may open terminals; none: at any time. Outside of them policy lines and argocd-server's
    /// rights are withdrawn.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub schedule: Vec<Window>,

    /// What becomes of open terminals when access is withdrawn: at the end of a window or of the validity, when the object is suspended,
    /// narrowed or deleted. `Drain`: they end when their person types, or not at all. `RestartServer`: argocd-server is restarted once after
    /// the withdrawal, if this object's access may have left a terminal open (`status.sessionsMayRemain`). That ends every open terminal of
    /// the instance, whoever has it, so with a schedule at the end of each window. It needs `restartServer: WhenNeeded` of the instance;
    /// where that is not so, condition `Active` says what to do. A deleted object goes after the restart has been ordered.
    #[serde(default)]
    pub on_revoke: OnRevoke,

    /// `Enforce` makes it true; `Observe` changes nothing and reports in `status.changes` what it would change.
    #[serde(default)]
    pub mode: Mode,

    /// Withdraws the access at once, without deleting the object.
    #[serde(default)]
    pub suspend: bool,

    /// Why this access exists, for example a ticket. Shown in Events and as a comment in the policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    #[x_kube(validation = Rule::new("!self.matches('[\\\\p{C}\\\\p{Zl}\\\\p{Zp}]')").message("reason must be one line without control characters"))]
    pub reason: Option<String>,
}

/// Where the policy lines stand.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PolicyTarget {
    /// A key of its own in argocd-rbac-cm.
    #[default]
    Global,
    /// A role of its own in each named AppProject.
    Project,
}

/// What becomes of open terminals when access is withdrawn.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnRevoke {
    /// Argo CD ends a terminal when its person types next.
    #[default]
    Drain,
    /// argocd-server is restarted, which ends every open terminal of the instance.
    RestartServer,
}

/// One person, group or role.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("self.kind != 'Role' || self.name.matches('^[A-Za-z0-9]([A-Za-z0-9._:-]*[A-Za-z0-9])?$')").message("a subject of kind Role is named without the prefix 'role:', with letters, digits, '.', '_', ':' and '-'"),
    validation = Rule::new("!self.name.startsWith('role:') && !self.name.startsWith('proj:')").message("a subject's name must not begin with 'role:' or 'proj:': Argo CD would take it for a role; use kind: Role with the bare name")
)]
pub struct Subject {
    /// `Group`: a group claim of the login token. `User`: the user id of the login (or a local account). `Role`: an existing Argo CD role
    /// whose members all get access. Argo CD keeps the three in one name space: a user named like a group is granted with it.
    pub kind: SubjectKind,

    /// The name, exactly as it stands in the token. Commas and quotes are allowed; control characters and surrounding spaces are not.
    #[schemars(length(min = 1, max = 256))]
    #[x_kube(
        validation = Rule::new("!self.matches('[\\\\p{C}\\\\p{Zl}\\\\p{Zp}]')").message("a subject's name must not hold control or invisible characters (a line break would end the policy line)"),
        validation = Rule::new("!self.matches('^[\\\\s\\\\p{Z}]') && !self.matches('[\\\\s\\\\p{Z}]$')").message("a subject's name must not begin or end with a space: Argo CD would not match it")
    )]
    pub name: String,
}

/// What a subject's name means to Argo CD.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SubjectKind {
    /// A group claim of the login token.
    Group,
    /// The user id of the login, or a local account.
    User,
    /// An existing Argo CD role; all its members get access.
    Role,
}

/// The applications of a grant.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "camelCase")]
pub struct ApplicationSelector {
    /// Name of the AppProject. `*` and `?` are wildcards.
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = Rule::new("self.matches('^[a-z0-9*?]([a-z0-9.*?-]*[a-z0-9*?])?$')").message("project must be a project's name (lower-case letters, digits, '-', '.'); the only wildcards are '*' and '?'"))]
    pub project: String,

    /// Name of the Application. `*` and `?` are wildcards. Default `*`: all applications of the project.
    #[serde(default = "any")]
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = Rule::new("self.matches('^[a-z0-9*?]([a-z0-9.*?-]*[a-z0-9*?])?$')").message("name must be an application's name (lower-case letters, digits, '-', '.'); the only wildcards are '*' and '?'"))]
    pub name: String,

    /// Namespace of the Application object (not of its pods). Default: the namespace of the Argo CD instance. `*` means every namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    #[x_kube(validation = Rule::new("self == '*' || self.matches('^[a-z0-9]([a-z0-9-]*[a-z0-9])?$')").message("namespace must be the name of a namespace, or '*' for every namespace"))]
    pub namespace: Option<String>,
}

fn any() -> String {
    "*".to_owned()
}

/// Where argocd-server may exec.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("self.scope != 'Cluster' || ((!has(self.namespaces.names) || size(self.namespaces.names) == 0) && !has(self.namespaces.selector))").message("server.namespaces has no meaning with scope: Cluster; remove one of the two"))]
pub struct ServerAccess {
    /// `Namespaces` (default): only where the pods are. `Cluster`: in every namespace, by one ClusterRoleBinding.
    #[serde(default)]
    pub scope: ServerScope,

    /// Names the namespaces, instead of taking the destination namespaces of the matched Applications.
    #[serde(default)]
    pub namespaces: NamespaceSelection,
}

/// How far the Kubernetes right reaches.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ServerScope {
    /// One RoleBinding in each namespace.
    #[default]
    Namespaces,
    /// One ClusterRoleBinding.
    Cluster,
}

fn bound_annotations(schema: &mut schemars::Schema) {
    schema.insert("additionalProperties".to_owned(), json!({"type": "string", "minLength": 1, "maxLength": 512}));
}

/// What is set on the Ingresses whose backend is argocd-server.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct IngressSettings {
    /// `Auto`: the Ingresses of the instance's namespace whose backend is argocd-server's Service get what their controller needs. `None`: no Ingress is touched.
    #[serde(default)]
    pub mode: IngressMode,

    /// How long an idle connection may last, at least (where the controller has such a setting): hours, minutes and seconds, such as `1h` or `90m`. At most 24h.
    #[serde(default = "one_hour")]
    #[schemars(length(min = 2, max = 16))]
    #[x_kube(
        validation = Rule::new("self.matches('^([0-9]{1,5}h)?([0-9]{1,5}m)?([0-9]{1,5}s)?$')").message("timeout must be hours, minutes and seconds in this order, such as '1h', '90m' or '1h30m'"),
        validation = Rule::new("!self.matches('^([0-9]{1,5}h)?([0-9]{1,5}m)?([0-9]{1,5}s)?$') || (duration(self) >= duration('10s') && duration(self) <= duration('24h'))").message("timeout must be between 10s and 24h")
    )]
    pub timeout: String,

    /// Further annotations for those Ingresses. Only keys on the operator's list of known time-out and WebSocket annotations are taken.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 16), transform = bound_annotations)]
    pub annotations: BTreeMap<String, String>,
}

impl Default for IngressSettings {
    fn default() -> Self {
        Self { mode: IngressMode::default(), timeout: one_hour(), annotations: BTreeMap::new() }
    }
}

fn one_hour() -> String {
    "1h".to_owned()
}

/// Whether Ingresses are touched.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IngressMode {
    /// What the Ingress's controller needs is set.
    #[default]
    Auto,
    /// No Ingress is touched.
    None,
}

impl ExecAccess {
    /// The Argo CD role of this object, without the prefix `role:`.
    #[must_use]
    pub fn role(&self) -> String {
        self.spec.role_name.clone().unwrap_or_else(|| format!("exec-access.{}", self.metadata.name.as_deref().unwrap_or_default()))
    }
}
