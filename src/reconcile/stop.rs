//! The emergency stop: one annotation on argocd-cm, and everything is withdrawn until it is gone. Pure.

use std::sync::Arc;

use k8s_openapi::api::core::v1::ConfigMap;
use serde_json::json;

use super::seen::Seen;
use super::write::{Action, Direction, Kind, Layer, Target, Write};
use crate::api::STOP;
use crate::api::conditions::{Reason, Verdict, shorten};
use crate::argocd::ARGOCD_CM;

/// So much of the annotation's text is shown.
const SHOWN: usize = 256;

/// Why everything is stopped: the annotation on argocd-cm, when it is there.
#[must_use]
pub fn why(argocd_cm: &Seen<Option<Arc<ConfigMap>>>) -> Option<&str> {
    argocd_cm.as_ref().ok()?.as_ref()?.metadata.annotations.as_ref()?.get(STOP).map(String::as_str)
}

/// What is said to every object.
#[must_use]
pub fn verdict(namespace: &str, why: &str) -> Verdict {
    let why: String = why.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let message = format!(
        "stopped: {:?} (annotation {STOP} on ConfigMap {namespace}/{ARGOCD_CM}); everything is withdrawn until it is removed: argocd-access stop --release -n {namespace}",
        shorten(why.trim(), SHOWN),
    );
    Verdict::no(Reason::Stopped, message)
}

/// Sets the annotation, or removes it. It carries no version: a stop must not be refused because somebody else wrote.
#[must_use]
pub fn write(namespace: &str, why: Option<&str>) -> Write {
    Write {
        target: Target::namespaced(Kind::ConfigMap, namespace, ARGOCD_CM),
        layer: Layer::Flag,
        direction: if why.is_some() { Direction::Narrow } else { Direction::Widen },
        action: Action::Merge(json!({"metadata": {"annotations": {STOP: why}}})),
        why: if why.is_some() { "stop" } else { "release the stop" },
    }
}
