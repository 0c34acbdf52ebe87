//! What is asked: which resource of which Application, and what somebody wants to do with it. Parsed once, so that nothing but names can
//! reach a manifest or a command. Pure.

use std::fmt;
use std::str::FromStr;

use crate::api::{Feature, GroupKind};
use crate::explain::question::AppName;

/// A resource, as the tree of the web interface names it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ResourceName {
    /// Its kind.
    pub kind: GroupKind,
    /// Its name.
    pub name: String,
}

/// Why a text is no resource.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ResourceNameError {
    /// Not two or three parts.
    #[error("a resource is GROUP/KIND/NAME, or KIND/NAME where it is of the core group, such as apps/Deployment/web or Pod/web-0")]
    Parts,
    /// A part that Kubernetes takes for no name.
    #[error("{0:?} is no group, kind or name in Kubernetes")]
    Name(String),
}

/// Why a text is no feature.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a feature is one of View, Events, Logs, Terminal, Edit, Actions, Delete")]
pub struct FeatureError;

impl FromStr for ResourceName {
    type Err = ResourceNameError;

    fn from_str(text: &str) -> Result<Self, ResourceNameError> {
        let parts: Vec<&str> = text.split('/').collect();
        let (group, kind, name) = match parts.as_slice() {
            [kind, name] => ("", *kind, *name),
            [group, kind, name] => (*group, *kind, *name),
            _ => return Err(ResourceNameError::Parts),
        };
        if kind.is_empty() || name.is_empty() {
            return Err(ResourceNameError::Parts);
        }
        let plain =
            |text: &str, longest: usize, more: &[char]| text.len() <= longest && text.chars().all(|c| c.is_ascii_alphanumeric() || more.contains(&c));
        // Names of roles may have a colon.
        let wrong = [
            (group, plain(group, 253, &['-', '.']) && !group.starts_with(['-', '.'])),
            (kind, plain(kind, 63, &[]) && kind.starts_with(|c: char| c.is_ascii_uppercase())),
            (name, plain(name, 253, &['-', '.', ':', '_']) && !matches!(name, "." | "..")),
        ];
        match wrong.iter().find(|(_, fits)| !fits) {
            Some((part, _)) => Err(ResourceNameError::Name((*part).to_owned())),
            None => Ok(Self { kind: GroupKind::new(group, kind), name: name.to_owned() }),
        }
    }
}

impl fmt::Display for ResourceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let GroupKind { group, kind } = &self.kind;
        if group.is_empty() { write!(f, "{kind}/{}", self.name) } else { write!(f, "{group}/{kind}/{}", self.name) }
    }
}

/// A feature by its name in the API.
///
/// # Errors
/// When there is none of that name.
pub fn feature(text: &str) -> Result<Feature, FeatureError> {
    Feature::ALL.into_iter().find(|feature| feature.as_str() == text).ok_or(FeatureError)
}

/// The whole question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// The namespace of the agent.
    pub instance: String,
    /// The Application.
    pub app: AppName,
    /// The resource.
    pub resource: ResourceName,
    /// Its namespace; `None`: where the Application has it, else where the Application deploys to.
    pub namespace: Option<String>,
    /// What somebody wants to do with it.
    pub feature: Feature,
}

impl Question {
    /// The namespace of the Application.
    #[must_use]
    pub fn app_namespace(&self) -> &str {
        self.app.namespace_in(&self.instance)
    }

    /// Whether the agent asks for the resource itself, and so compares it with the Applications: logs, Events and lists it passes on
    /// without. For a terminal argocd-server asks for the Pod first.
    #[must_use]
    pub fn is_compared(&self) -> bool {
        !matches!(self.feature, Feature::Events | Feature::Logs)
    }

    /// A name for an object that grants what is asked.
    #[must_use]
    pub fn short(&self, namespace: &str) -> String {
        let feature = self.feature.as_str();
        let asked = format!("{}\n{}\n{namespace}\n{feature}", self.app, self.resource);
        crate::explain::commands::short(&format!("{}-{}-{}", self.app.name, self.resource.name, feature), &asked)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resource_has_a_group_unless_it_is_of_the_core_group() {
        let of = |text: &str| text.parse::<ResourceName>().map(|r| (r.kind.group, r.kind.kind, r.name));
        let owned = |a: &str, b: &str, c: &str| Ok((a.to_owned(), b.to_owned(), c.to_owned()));
        assert_eq!(of("apps/Deployment/web"), owned("apps", "Deployment", "web"));
        assert_eq!(of("Pod/web-0"), owned("", "Pod", "web-0"));
        assert_eq!(of("/Pod/web-0"), owned("", "Pod", "web-0"));
        assert_eq!(of("rbac.authorization.k8s.io/ClusterRole/system:node"), owned("rbac.authorization.k8s.io", "ClusterRole", "system:node"));
        for wrong in ["web", "", "a/b/c/d", "Pod/", "/web", "apps//web"] {
            assert_eq!(of(wrong), Err(ResourceNameError::Parts), "{wrong:?}");
        }
        for wrong in ["pods/web", "apps/Deployment/$(x)", "Pod/a b", "a b/Pod/x", "Pod/..", "Pod/a\nb", "Po*d/x", "*/Pod/x"] {
            assert!(matches!(of(wrong), Err(ResourceNameError::Name(_))), "{wrong:?}");
        }
        for text in ["apps/Deployment/web", "Pod/web-0"] {
            assert_eq!(text.parse::<ResourceName>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn features_have_the_names_of_the_api() {
        assert!(Feature::ALL.iter().all(|f| feature(f.as_str()) == Ok(*f)));
        assert_eq!(feature("edit"), Err(FeatureError));
    }
}
