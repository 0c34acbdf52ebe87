//! Small worlds.

use std::sync::Arc;

use crate::api::ExecAccess;
use crate::argocd::kinds::Application;
use crate::config::Limits;
use crate::exec::grant::{self, Grant};

/// An `ExecAccess` named `team` with this spec, as YAML.
pub fn access(name: &str, spec: &str) -> Arc<ExecAccess> {
    let yaml = format!(
        "{{apiVersion: argocd-access.dev/v1alpha1, kind: ExecAccess, metadata: {{name: {name}, namespace: argocd, uid: uid-{name}, generation: 1, resourceVersion: '1'}}, spec: {spec}}}"
    );
    Arc::new(serde_yaml::from_str(&yaml).unwrap())
}

/// The grant of a valid spec.
pub fn grant(spec: &str) -> Grant {
    grant::parse(&access("team", spec), "argocd", &Limits::default()).unwrap()
}

/// A live Application whose pods run in a namespace called like its project.
pub fn app(namespace: &str, project: &str, name: &str) -> Arc<Application> {
    let yaml = format!(
        "{{apiVersion: argoproj.io/v1alpha1, kind: Application, metadata: {{name: {name}, namespace: {namespace}}}, spec: {{project: {project}, destination: {{server: 'https://kubernetes.default.svc', namespace: {project}}}}}}}"
    );
    Arc::new(serde_yaml::from_str(&yaml).unwrap())
}
