//! A valid `ExecAccess`, as types that can carry nothing harmful: parsed once, never checked again. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};

use crate::api::conditions::{Reason, Verdict, shorten};
use crate::api::{ApplicationSelector, ExecAccess, IngressMode, PolicyTarget, ServerScope, Subject, SubjectKind};
use crate::argocd::policy::NamePattern;
use crate::argocd::policy::csv::is_go_space;
use crate::argocd::project;
use crate::config::Limits;
use crate::ingress;
use crate::reconcile::limits::{self, Refusal, invalid, limit};
use crate::reconcile::selection::{self, Applications};
use crate::reconcile::time::Times;

/// The longest name of a subject; longer ones than any identity provider has are refused.
const NAME_LIMIT: usize = 256;

/// How the names of our roles in projects begin.
const PROJECT_ROLE: &str = "exec-access-";

/// A valid `ExecAccess`.
#[derive(Clone, Debug)]
pub struct Grant {
    /// The object.
    pub access: Arc<ExecAccess>,
    /// The Argo CD role: with the prefix `role:`, or the bare name of the role in each project.
    pub role: String,
    /// Where the policy lines stand.
    pub target: PolicyTarget,
    /// The people, as Argo CD's policy names them; sorted, each once.
    pub subjects: BTreeSet<String>,
    /// The applications.
    pub applications: Vec<Applications>,
    /// Where argocd-server may exec.
    pub place: Place,
    /// What the Ingresses get; `None`: they are left alone.
    pub ingress: Option<IngressWish>,
    /// When it is in effect.
    pub times: Times,
}

/// Where argocd-server may exec.
#[derive(Clone, Debug, PartialEq)]
pub enum Place {
    /// In the destination namespaces of the matched Applications.
    Destinations,
    /// In these namespaces.
    Chosen(BTreeSet<String>, Option<LabelSelector>),
    /// Everywhere.
    Cluster,
}

/// What the Ingresses get.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IngressWish {
    /// How long a connection may be idle, at least.
    pub seconds: u64,
    /// Further annotations, of allowed keys.
    pub annotations: BTreeMap<String, String>,
}

/// Parses an object, within the limits of its instance. What the CRD's schema refuses already is checked again: the schema on the server
/// may be an older one.
///
/// # Errors
/// The verdict of `Accepted`, naming the field and what to do.
pub fn parse(access: &Arc<ExecAccess>, instance_namespace: &str, limits: &Limits) -> Result<Grant, Refusal> {
    let spec = &access.spec;
    let role = match spec.policy_target {
        PolicyTarget::Global => format!("role:{}", role_name(&access.role())?),
        PolicyTarget::Project => project_role(access, limits)?,
    };
    let subjects = spec.subjects.iter().enumerate().map(|(i, s)| subject(i, s)).collect::<Result<BTreeSet<_>, _>>()?;
    let applications = spec.applications.iter().enumerate().map(|(i, a)| application(i, a, instance_namespace, limits)).collect::<Result<_, _>>()?;
    if subjects.is_empty() || spec.applications.is_empty() {
        return Err(invalid("spec.subjects and spec.applications must each name at least one"));
    }
    if spec.reason.as_deref().is_some_and(|r| r.len() > 1024 || r.chars().any(is_invisible)) {
        return Err(invalid("spec.reason must be one line of at most 256 characters, without control characters"));
    }
    limits::reason(spec.reason.as_deref(), limits)?;
    Ok(Grant {
        access: Arc::clone(access),
        role,
        target: spec.policy_target,
        subjects,
        applications,
        place: place(access, limits)?,
        ingress: ingress_wish(access)?,
        times: limits::times(&access.metadata, &spec.validity, &spec.schedule, limits)?,
    })
}

impl Grant {
    /// The role or roles as Argo CD's policy names them.
    #[must_use]
    pub fn roles(&self) -> Vec<String> {
        match self.target {
            PolicyTarget::Global => vec![self.role.clone()],
            PolicyTarget::Project => self.projects().into_iter().map(|p| project::subject(p, &self.role)).collect(),
        }
    }

    /// The projects that are named literally.
    #[must_use]
    pub fn projects(&self) -> BTreeSet<&str> {
        self.applications.iter().map(|a| &a.project).filter(|p| p.is_literal()).map(NamePattern::as_glob).collect()
    }
}

/// The name of an object's role in a project. Argo CD allows no dots there, so two objects may come to one beginning; the uid tells them
/// apart, and an object from one of the same name before it.
#[must_use]
pub fn project_role_name(metadata: &ObjectMeta) -> String {
    let (name, uid) = (metadata.name.as_deref().unwrap_or_default(), metadata.uid.as_deref().unwrap_or_default());
    let hex: String = uid.chars().filter(char::is_ascii_hexdigit).take(8).collect::<String>().to_ascii_lowercase();
    // Every uid of Kubernetes begins with eight of them.
    format!("{PROJECT_ROLE}{}-{hex:0<8}", name.replace('.', "-"))
}

/// Whether a role of a project has a name as ours have. That alone does not make it ours.
#[must_use]
pub fn is_project_role_name(name: &str) -> bool {
    let tail = name.strip_prefix(PROJECT_ROLE).and_then(|rest| rest.rsplit_once('-')).map(|(_, tail)| tail);
    tail.is_some_and(|tail| tail.len() == 8 && tail.chars().all(|c| matches!(c, '0'..='9' | 'a'..='f')))
}

/// What `policyTarget: Project` asks for beyond the rest, and the name of the role.
fn project_role(access: &Arc<ExecAccess>, limits: &Limits) -> Result<String, Refusal> {
    let spec = &access.spec;
    if !limits.allow_project_target {
        return Err(limit("spec.policyTarget Project is not allowed in this instance (limit allowProjectTarget); leave it out, or use Global"));
    }
    if spec.role_name.is_some() {
        return Err(invalid(
            "spec.roleName has no meaning with policyTarget: Project, where the role is named after this object; remove one of the two",
        ));
    }
    for (index, subject) in spec.subjects.iter().enumerate() {
        let at = format!("spec.subjects[{index}]");
        if subject.kind != SubjectKind::Group {
            return Err(invalid(format!(
                "{at}.kind must be Group with policyTarget: Project: a project's role has groups only; use Global for others"
            )));
        }
        if subject.name.contains('"') {
            let name = shorten(&subject.name, 60);
            return Err(invalid(format!("{at}.name {name:?} holds a quote, which Argo CD allows in no project's role; use policyTarget: Global")));
        }
    }
    if let Some(index) = spec.applications.iter().position(|a| a.project.contains(['*', '?'])) {
        return Err(invalid(format!(
            "spec.applications[{index}].project must be a project's name without wildcards with policyTarget: Project, since the role stands in that project"
        )));
    }
    Ok(project_role_name(&access.metadata))
}

fn role_name(name: &str) -> Result<String, Refusal> {
    let alnum = |c: char| c.is_ascii_alphanumeric();
    let fits =
        name.len() <= 100 && name.starts_with(alnum) && name.ends_with(alnum) && name.chars().all(|c| alnum(c) || matches!(c, '.' | '_' | '-'));
    if !fits {
        return Err(invalid(format!("spec.roleName {:?} may hold only letters, digits, '.', '_' and '-'", shorten(name, 60))));
    }
    if matches!(name, "admin" | "readonly") {
        return Err(Verdict::no(Reason::RoleNameTaken, format!("spec.roleName {name:?} is a built-in role of Argo CD; choose a name of its own")));
    }
    Ok(name.to_owned())
}

/// Control characters, and characters that no person sees but Argo CD compares.
fn is_invisible(c: char) -> bool {
    let format_character = matches!(c, '\u{ad}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}');
    c.is_control() || format_character || ('\u{e000}'..='\u{f8ff}').contains(&c)
}

fn subject(index: usize, subject: &Subject) -> Result<String, Refusal> {
    let name = subject.name.as_str();
    let at = || format!("spec.subjects[{index}].name {:?}", shorten(name, 60));
    if name.is_empty() || name.len() > NAME_LIMIT * 4 || name.chars().count() > NAME_LIMIT {
        return Err(invalid(format!("{} must have 1 to {NAME_LIMIT} characters", at())));
    }
    if name.chars().any(is_invisible) {
        return Err(invalid(format!("{} holds a control or invisible character; write the name exactly as it stands in the token", at())));
    }
    if name.starts_with(is_go_space) || name.ends_with(is_go_space) {
        return Err(invalid(format!("{} begins or ends with a space; Argo CD would not match it", at())));
    }
    if name.starts_with("role:") || name.starts_with("proj:") {
        return Err(invalid(format!("{} must not begin with 'role:' or 'proj:'; for a role use kind: Role and the bare name", at())));
    }
    match subject.kind {
        SubjectKind::Group | SubjectKind::User => Ok(name.to_owned()),
        SubjectKind::Role if name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | ':' | '-')) => Ok(format!("role:{name}")),
        SubjectKind::Role => Err(invalid(format!("{}: a role's name holds only letters, digits, '.', '_', ':' and '-'", at()))),
    }
}

fn application(index: usize, selector: &ApplicationSelector, own: &str, limits: &Limits) -> Result<Applications, Refusal> {
    let at = format!("spec.applications[{index}]");
    let applications = Applications::parse(&at, selector, own).map_err(invalid)?;
    let project = &applications.project;
    if !project.is_literal() && !limits.allow_all_projects {
        return Err(limit(format!(
            "{at}.project {:?} is a pattern, and this instance allows only projects by name (limit allowAllProjects)",
            selector.project
        )));
    }
    if let Some(denied) = limits.denied_projects.iter().find(|p| project.matches(p)) {
        return Err(limit(format!(
            "{at}.project {:?} includes the project {denied:?}, which this instance denies (limit deniedProjects)",
            selector.project
        )));
    }
    Ok(applications)
}

fn place(access: &ExecAccess, limits: &Limits) -> Result<Place, Refusal> {
    let server = &access.spec.server;
    let chosen: BTreeSet<String> = server.namespaces.names.iter().cloned().collect();
    match server.scope {
        ServerScope::Cluster if !chosen.is_empty() || server.namespaces.selector.is_some() => {
            Err(invalid("spec.server.namespaces has no meaning with scope: Cluster; remove one of the two"))
        }
        ServerScope::Cluster if !limits.allow_cluster_scope => {
            Err(limit("spec.server.scope Cluster is not allowed in this instance (limit allowClusterScope); leave it out, or name namespaces"))
        }
        ServerScope::Cluster => Ok(Place::Cluster),
        ServerScope::Namespaces => {
            if let Some(denied) = chosen.iter().find(|n| limits.denied_namespaces.contains(*n)) {
                return Err(limit(format!("spec.server.namespaces.names holds {denied:?}, which this instance denies (limit deniedNamespaces)")));
            }
            let selector = server.namespaces.selector.clone();
            if selector.as_ref().is_some_and(selection::is_empty) {
                return Err(invalid(
                    "spec.server.namespaces.selector is empty and would select every namespace; leave it out, or use scope: Cluster",
                ));
            }
            Ok(if chosen.is_empty() && selector.is_none() { Place::Destinations } else { Place::Chosen(chosen, selector) })
        }
    }
}

fn ingress_wish(access: &ExecAccess) -> Result<Option<IngressWish>, Refusal> {
    let settings = &access.spec.ingress;
    if settings.mode == IngressMode::None {
        return Ok(None);
    }
    let seconds = ingress::parse_duration(&settings.timeout).filter(|s| (10..=86_400).contains(s));
    let seconds = seconds.ok_or_else(|| {
        invalid(format!("spec.ingress.timeout {:?} must be between 10s and 24h, such as '1h' or '90m'", shorten(&settings.timeout, 30)))
    })?;
    for (key, value) in &settings.annotations {
        if !ingress::ALLOWED.contains(&key.as_str()) {
            return Err(invalid(format!(
                "spec.ingress.annotations key {:?} is not one that an ExecAccess may set; allowed are: {}",
                shorten(key, 80),
                ingress::ALLOWED.join(", ")
            )));
        }
        // These values reach a proxy's configuration: nothing that could end a directive.
        if value.is_empty()
            || value.len() > 512
            || !value.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | ',' | '=' | '_' | '-' | '/' | ' '))
        {
            return Err(invalid(format!("spec.ingress.annotations[{key}] may hold only letters, digits and . , = _ - / (at most 512)")));
        }
    }
    Ok(Some(IngressWish { seconds, annotations: settings.annotations.clone() }))
}
