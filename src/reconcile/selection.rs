//! Which Applications and namespaces an object means. Pure.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::core::{Selector, SelectorExt};

use crate::api::ApplicationSelector;
use crate::argocd::policy::NamePattern;

/// A choice of applications.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Applications {
    /// The project.
    pub project: NamePattern,
    /// The application's name.
    pub name: NamePattern,
    /// The namespace of the Application object.
    pub namespace: AppNamespace,
}

/// Where Application objects live.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum AppNamespace {
    /// In the instance's own namespace.
    Own,
    /// In this one.
    Named(String),
    /// Anywhere.
    Any,
}

impl Applications {
    /// Parses a selector that stands at this place of the spec, in the instance of this namespace.
    ///
    /// # Errors
    /// What is wrong, naming the field.
    pub fn parse(at: &str, selector: &ApplicationSelector, own: &str) -> Result<Self, String> {
        let project = NamePattern::parse(&selector.project).map_err(|e| format!("{at}.project {e}"))?;
        let name = NamePattern::parse(&selector.name).map_err(|e| format!("{at}.name {e}"))?;
        let namespace = match selector.namespace.as_deref() {
            None => AppNamespace::Own,
            Some("*") => AppNamespace::Any,
            Some(namespace) if namespace == own => AppNamespace::Own,
            Some(namespace) if NamePattern::parse(namespace).is_ok_and(|n| n.is_literal()) && !namespace.contains('.') && namespace.len() <= 63 => {
                AppNamespace::Named(namespace.to_owned())
            }
            Some(_) => return Err(format!("{at}.namespace must be the name of a namespace, or '*'")),
        };
        Ok(Self { project, name, namespace })
    }

    /// Whether an Application is meant: its project, its namespace and its name.
    #[must_use]
    pub fn selects(&self, project: &str, namespace: &str, name: &str, own: &str) -> bool {
        let in_namespace = match &self.namespace {
            AppNamespace::Own => namespace == own,
            AppNamespace::Named(named) => namespace == named,
            AppNamespace::Any => true,
        };
        in_namespace && self.project.matches(project) && self.name.matches(name)
    }
}

/// Whether a namespace has the labels. A selector that cannot be read selects nothing.
#[must_use]
pub fn matches(selector: &LabelSelector, namespace: &Namespace) -> bool {
    let empty = BTreeMap::new();
    Selector::try_from(selector.clone()).is_ok_and(|s| s.matches(namespace.metadata.labels.as_ref().unwrap_or(&empty)))
}

/// Whether a selector says nothing, and so would select every namespace.
#[must_use]
pub fn is_empty(selector: &LabelSelector) -> bool {
    selector.match_labels.as_ref().is_none_or(BTreeMap::is_empty) && selector.match_expressions.as_ref().is_none_or(Vec::is_empty)
}
