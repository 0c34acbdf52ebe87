//! Which Applications a question is about, as Argo CD's policy names them. Pure.

use std::collections::BTreeSet;
use std::str::FromStr;

use super::{Seen, Told};
use crate::argocd::kinds::Destination;

/// What is asked about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Question {
    /// One Application.
    Application {
        /// Its project.
        project: String,
        /// The namespace that it lives in, where that is not the instance's.
        namespace: Option<String>,
        /// Its name.
        name: String,
    },
    /// Every Application that deploys into this namespace of the cluster that Argo CD runs in.
    Namespace(String),
}

impl FromStr for Question {
    type Err = String;

    /// Reads an Application as Argo CD's policy names it: `PROJECT/NAME`, or `PROJECT/NAMESPACE/NAME`.
    fn from_str(text: &str) -> Result<Self, String> {
        let parts: Vec<&str> = text.split('/').collect();
        let is_name = |part: &&str| !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_'));
        let (project, namespace, name) = match parts.as_slice() {
            [project, name] => (*project, None, *name),
            [project, namespace, name] => (*project, Some(*namespace), *name),
            _ => ("", None, ""),
        };
        if ![Some(project), namespace, Some(name)].iter().flatten().all(is_name) {
            return Err("an Application is named PROJECT/NAME, or PROJECT/NAMESPACE/NAME where it lives in another namespace than Argo CD".to_owned());
        }
        Ok(Self::Application { project: project.to_owned(), namespace: namespace.map(ToOwned::to_owned), name: name.to_owned() })
    }
}

/// An Application, as far as it matters here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// The namespace that it lives in.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its project.
    pub project: String,
    /// Where it deploys to.
    pub destination: Destination,
    /// The namespaces of the resources that its status lists.
    pub resources: BTreeSet<String>,
}

impl Place {
    fn object(&self, own: &str) -> String {
        object(own, &self.project, Some(&self.namespace), &self.name)
    }
}

/// How the policy names it: without the namespace, where that is the instance's own.
fn object(own: &str, project: &str, namespace: Option<&str>, name: &str) -> String {
    match namespace.filter(|namespace| *namespace != own) {
        Some(namespace) => format!("{project}/{namespace}/{name}"),
        None => format!("{project}/{name}"),
    }
}

/// The objects that are asked about, and whether each exists.
pub(super) fn asked(seen: &Seen, question: &Question, told: &mut Told) -> Vec<(String, Option<bool>)> {
    let own = seen.namespace.as_str();
    match question {
        Question::Application { project, namespace, name } => {
            let object = object(own, project, namespace.as_deref(), name);
            let exists = seen.applications.as_ref().ok().map(|all| all.iter().any(|place| place.object(own) == object));
            if exists == Some(false) {
                told.notes.push(format!("there is no Application {object} now: this is who could open a terminal if there were"));
            }
            vec![(object, exists)]
        }
        Question::Namespace(wanted) => {
            let server = seen.server.as_ref().ok().and_then(|server| server.as_ref().ok());
            let served = |place: &&Place| place.namespace == own || server.is_none_or(|server| server.serves(&place.namespace));
            let there = |place: &Place| place.destination.namespace.as_deref() == Some(wanted) || place.resources.contains(wanted);
            let all: Vec<&Place> = seen.applications.iter().flatten().filter(served).filter(|place| there(place)).collect();
            let elsewhere: Vec<String> = all.iter().filter(|p| !p.destination.is_in_cluster()).map(|p| p.object(own)).collect();
            if !elsewhere.is_empty() {
                told.notes.push(format!(
                    "not counted, because their cluster has another name or address for Argo CD, be it this one or not: {}",
                    elsewhere.join(", ")
                ));
            }
            let here: BTreeSet<String> = all.into_iter().filter(|place| place.destination.is_in_cluster()).map(|place| place.object(own)).collect();
            here.into_iter().map(|object| (object, Some(true))).collect()
        }
    }
}
