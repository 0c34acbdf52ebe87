//! What we wrote a moment ago and our watches may not have told us yet: without it, the next step of a round would be planned on a
//! picture from before the last one.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use kube::{Resource, ResourceExt};
use serde_json::Value;

use super::parsed::Watched;
use super::watch::Watch;
use super::watch::departed::MEMORY;
use crate::reconcile::{Kind, Seen, Target};

/// The last answers of the API server to our own writes.
#[derive(Debug, Default)]
pub struct Recent {
    written: BTreeMap<Target, (Instant, Written)>,
}

#[derive(Debug)]
enum Written {
    /// The object after the write: its version, its uid, and itself as a text, which is a tenth of it as a tree.
    Is(u128, String, String),
    /// The uid of the object that was deleted.
    Gone(String),
}

impl Recent {
    /// Remembers an answer.
    pub fn is(&mut self, target: &Target, object: &Value) {
        let of = |field: &str| object.pointer(field).and_then(Value::as_str);
        let uid = of("/metadata/uid").unwrap_or_default().to_owned();
        let written = Written::Is(version(of("/metadata/resourceVersion")), uid, object.to_string());
        self.written.insert(target.clone(), (Instant::now(), written));
    }

    /// Remembers a deletion.
    pub fn gone(&mut self, target: &Target, uid: &str) {
        self.written.insert(target.clone(), (Instant::now(), Written::Gone(uid.to_owned())));
    }

    /// Forgets everything: the picture of the watches counts again.
    pub fn forget(&mut self) {
        self.written.clear();
    }

    /// Everything of a kind that a watch shows, and what we know better.
    ///
    /// # Errors
    /// When the watch shows nothing: what we wrote is no picture of the rest.
    pub fn with<K>(&mut self, kind: Kind, watch: &Watch<K>) -> Seen<Vec<Arc<K>>>
    where
        K: Resource<DynamicType = ()> + Watched,
    {
        self.over(kind, watch.all(), |uid| watch.departed.has(uid))
    }

    /// Puts what we know better over what was seen of a kind. `gone`: whether an object was seen to go.
    ///
    /// # Errors
    /// When nothing was seen: what we wrote is no picture of the rest.
    pub fn over<K>(&mut self, kind: Kind, seen: Seen<Vec<Arc<K>>>, gone: impl Fn(&str) -> bool) -> Seen<Vec<Arc<K>>>
    where
        K: Resource<DynamicType = ()> + Watched,
    {
        let mut seen = seen?;
        if !self.written.keys().any(|target| target.kind == kind) {
            return Ok(seen);
        }
        let mut there: BTreeMap<(Option<String>, String), Arc<K>> = seen.drain(..).map(|o| ((o.namespace(), o.name_any()), o)).collect();
        self.written.retain(|target, (when, written)| {
            if target.kind != kind {
                return true;
            }
            let key = (target.namespace.clone(), target.name.clone());
            let shown = there.get(&key);
            let behind = when.elapsed() < MEMORY
                && match &written {
                    Written::Is(newer, uid, _) => {
                        shown.map_or_else(|| !gone(uid), |object| version(object.meta().resource_version.as_deref()) < *newer)
                    }
                    Written::Gone(uid) => shown.is_some_and(|o| o.uid().as_deref() == Some(uid)),
                };
            if behind {
                there.remove(&key);
                if let Written::Is(.., object) = written
                    && let Ok(object) = K::read(object)
                {
                    there.insert(key, Arc::new(object));
                }
            }
            behind
        });
        Ok(there.into_values().collect())
    }
}

/// Resource versions of one server are numbers that grow (Kubernetes promises it since 1.35, and etcd always made them so).
#[must_use]
pub fn version(text: Option<&str>) -> u128 {
    text.and_then(|t| t.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::api::core::v1::ConfigMap;

    fn cm(version: &str, uid: &str) -> Value {
        serde_json::json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "n", "resourceVersion": version, "uid": uid}})
    }

    fn seen(value: &Value) -> Vec<Arc<ConfigMap>> {
        vec![Arc::new(serde_json::from_value(value.clone()).unwrap())]
    }

    fn nothing(_: &str) -> bool {
        false
    }

    #[test]
    fn what_we_wrote_and_somebody_deleted_is_not_taken_for_what_the_watch_does_not_show_yet() {
        let (mut recent, target) = (Recent::default(), Target::namespaced(Kind::ConfigMap, "n", "a"));
        let shown = |recent: &mut Recent, gone: &str| recent.over::<ConfigMap>(Kind::ConfigMap, Ok(Vec::new()), |uid| uid == gone).unwrap().len();
        recent.is(&target, &cm("10", "u"));
        assert_eq!(shown(&mut recent, "another"), 1);
        assert_eq!(shown(&mut recent, "u"), 0);
        assert_eq!(shown(&mut recent, "another"), 0, "and it is forgotten");
    }

    #[test]
    fn our_own_write_counts_until_the_watch_has_caught_up() {
        let (mut recent, target) = (Recent::default(), Target::namespaced(Kind::ConfigMap, "n", "a"));
        recent.is(&target, &cm("10", "u"));
        let versions = |seen: Seen<Vec<Arc<ConfigMap>>>| seen.unwrap().iter().map(|o| o.resource_version().unwrap()).collect::<Vec<_>>();
        assert_eq!(versions(recent.over(Kind::ConfigMap, Ok(seen(&cm("9", "u"))), nothing)), ["10"]);
        assert_eq!(versions(recent.over(Kind::ConfigMap, Ok(seen(&cm("11", "u"))), nothing)), ["11"]);
        assert_eq!(versions(recent.over(Kind::ConfigMap, Ok(seen(&cm("9", "u"))), nothing)), ["9"], "once caught up, it is forgotten");
    }

    #[test]
    fn what_we_deleted_is_gone_but_its_successor_is_not() {
        let (mut recent, target) = (Recent::default(), Target::namespaced(Kind::ConfigMap, "n", "a"));
        recent.gone(&target, "u");
        assert!(recent.over(Kind::ConfigMap, Ok(seen(&cm("9", "u"))), nothing).unwrap().is_empty());
        assert_eq!(recent.over(Kind::ConfigMap, Ok(seen(&cm("12", "v"))), nothing).unwrap().len(), 1);
    }
}
