//! How old the pods of a Deployment are: what they have read at their start. Pure.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;

/// Whether a pod with these labels is there that was started before this time, or at it. Times are whole seconds: a pod that is made in the
/// very second of a change tells by its annotations that it came after it (`is_new`).
#[must_use]
pub fn any_from_before(
    pods: &[Arc<Pod>],
    labels: &BTreeMap<String, String>,
    time: Timestamp,
    is_new: impl Fn(&BTreeMap<String, String>) -> bool,
) -> bool {
    let is_one = |of: &BTreeMap<String, String>| !labels.is_empty() && labels.iter().all(|(k, v)| of.get(k) == Some(v));
    let mut all = pods.iter().filter(|p| p.metadata.labels.as_ref().is_some_and(is_one));
    let started = |p: &Pod| p.status.as_ref().and_then(|s| s.start_time.as_ref()).or(p.metadata.creation_timestamp.as_ref()).map(|t| t.0);
    all.any(|p| !p.metadata.annotations.as_ref().is_some_and(&is_new) && started(p).is_some_and(|start| start <= time))
}
