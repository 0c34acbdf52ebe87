//! What is asked: who, which Application, which Pod. Parsed once, so that nothing but names can reach a policy line or a command. Pure.

use std::fmt;
use std::str::FromStr;

use crate::argocd::policy::NamePattern;

/// An Application, as people name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppName {
    /// Its project.
    pub project: String,
    /// The namespace of the Application; `None`: that of Argo CD.
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
}

/// Why a text is no Application.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AppNameError {
    /// Not two or three parts.
    #[error("an Application is PROJECT/NAME, or PROJECT/NAMESPACE/NAME where it lives in another namespace than Argo CD")]
    Parts,
    /// A part that Kubernetes takes for no name.
    #[error("{0:?} is no name in Kubernetes: lower-case letters, digits, '-' and '.'")]
    Name(String),
}

/// Why a text is no name of somebody.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a group or a user is one line of 1 to 256 characters, and begins neither with role: nor with proj:")]
pub struct SubjectError;

/// Whether a text is one name in Kubernetes.
#[must_use]
pub fn is_name(text: &str) -> bool {
    NamePattern::parse(text).is_ok_and(|name| name.is_literal())
}

impl FromStr for AppName {
    type Err = AppNameError;

    fn from_str(text: &str) -> Result<Self, AppNameError> {
        let parts: Vec<&str> = text.split('/').collect();
        if let Some(wrong) = parts.iter().find(|part| !is_name(part)) {
            return Err(if wrong.is_empty() { AppNameError::Parts } else { AppNameError::Name((*wrong).to_owned()) });
        }
        let owned = |text: &&str| (*text).to_owned();
        match parts.as_slice() {
            [project, name] => Ok(Self { project: owned(project), namespace: None, name: owned(name) }),
            [project, namespace, name] => Ok(Self { project: owned(project), namespace: Some(owned(namespace)), name: owned(name) }),
            _ => Err(AppNameError::Parts),
        }
    }
}

impl AppName {
    /// The namespace of the Application, where Argo CD is in that one.
    #[must_use]
    pub fn namespace_in<'a>(&'a self, instance: &'a str) -> &'a str {
        self.namespace.as_deref().unwrap_or(instance)
    }
}

impl fmt::Display for AppName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.namespace {
            Some(namespace) => write!(f, "{}/{namespace}/{}", self.project, self.name),
            None => write!(f, "{}/{}", self.project, self.name),
        }
    }
}

/// A group or a user, as Argo CD's User Info shows it.
///
/// # Errors
/// When it can be none: users, groups and roles are one name space there, and whoever asks about a role asks about no person.
pub fn subject(text: &str) -> Result<String, SubjectError> {
    let fits = (1..=256).contains(&text.chars().count()) && !text.chars().any(char::is_control);
    let is_role = text.starts_with("role:") || text.starts_with("proj:");
    if fits && !is_role { Ok(text.to_owned()) } else { Err(SubjectError) }
}

/// The whole question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// The namespace of Argo CD.
    pub instance: String,
    /// The Application.
    pub app: AppName,
    /// The person's groups.
    pub groups: Vec<String>,
    /// The person: an account, the claim `sub`, or an e-mail address.
    pub user: Option<String>,
    /// The Pod; `None`: any of the Application's.
    pub pod: Option<String>,
    /// The Pod's namespace; `None`: the Application's destination.
    pub pod_namespace: Option<String>,
    /// The container; `None`: the first one.
    pub container: Option<String>,
}

impl Question {
    /// The namespace of the Application.
    #[must_use]
    pub fn app_namespace(&self) -> &str {
        self.app.namespace_in(&self.instance)
    }

    /// Whether the Application lives in another namespace than Argo CD.
    #[must_use]
    pub fn is_elsewhere(&self) -> bool {
        self.app_namespace() != self.instance
    }

    /// The Application as Argo CD's policy names it.
    #[must_use]
    pub fn object(&self) -> String {
        let AppName { project, name, .. } = &self.app;
        if self.is_elsewhere() { format!("{project}/{}/{name}", self.app_namespace()) } else { format!("{project}/{name}") }
    }

    /// Whether the user is named by an e-mail address.
    #[must_use]
    pub fn by_email(&self) -> Option<&str> {
        self.user.as_deref().filter(|user| user.contains('@'))
    }

    /// How a fact calls the person.
    #[must_use]
    pub fn person(&self) -> String {
        let groups = self.groups.iter().map(|group| format!("group {group}"));
        let all: Vec<String> = self.user.iter().map(|user| format!("user {user}")).chain(groups).collect();
        all.join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_application_has_two_parts_or_three() {
        let of = |text: &str| text.parse::<AppName>().map(|a| (a.project, a.namespace, a.name));
        let text = ToOwned::to_owned;
        assert_eq!(of("shop/web"), Ok((text("shop"), None, text("web"))));
        assert_eq!(of("shop/team-a/web.1"), Ok((text("shop"), Some(text("team-a")), text("web.1"))));
        for wrong in ["web", "", "/web", "shop/", "a/b/c/d", "shop//web"] {
            assert_eq!(of(wrong), Err(AppNameError::Parts), "{wrong:?}");
        }
        for wrong in ["shop/we*b", "shop/Web", "shop/web,x", "shop/web\n", "shop/$(x)"] {
            assert!(matches!(of(wrong), Err(AppNameError::Name(_))), "{wrong:?}");
        }
    }

    #[test]
    fn a_role_is_nobody_and_a_line_feed_no_part_of_a_name() {
        assert!(subject("my-org:team-a").is_ok() && subject("CN=dev,OU=\"eng\"").is_ok());
        for wrong in ["", "role:admin", "proj:shop:dev", "a\nb", &"x".repeat(257)] {
            assert_eq!(subject(wrong), Err(SubjectError), "{wrong:?}");
        }
    }

    #[test]
    fn the_namespace_counts_only_where_it_is_not_argo_cds_own() {
        let question = |app: &str| Question {
            instance: "argocd".to_owned(),
            app: app.parse().unwrap(),
            groups: vec!["a".to_owned()],
            user: Some("x@y".to_owned()),
            pod: None,
            pod_namespace: None,
            container: None,
        };
        for (app, object, elsewhere) in
            [("shop/web", "shop/web", false), ("shop/argocd/web", "shop/web", false), ("shop/team/web", "shop/team/web", true)]
        {
            assert_eq!((question(app).object().as_str(), question(app).is_elsewhere()), (object, elsewhere));
        }
        assert_eq!(question("shop/web").person(), "user x@y, group a");
    }
}
