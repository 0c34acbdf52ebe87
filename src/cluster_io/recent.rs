//! What we wrote a moment ago and our watches may not have told us yet: without it, the next step of a round would be planned on a
//! picture from before the last one.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use kube::{Resource, ResourceExt};
use serde_json::Value;

use super::parsed::{Parsed, Watched};
use crate::reconcile::{Kind, Seen, Target};

/// A watch that is further behind than this is no longer helped.
const MEMORY: Duration = Duration::from_secs(10);

/// The last answers of the API server to our own writes.
#[derive(Debug, Default)]
pub struct Recent {
    written: BTreeMap<Target, (Instant, Written)>,
}

#[derive(Debug)]
enum Written {
    /// The object after the write: its version, and itself as a text, which is a tenth of it as a tree.
    Is(u128, String),
    /// The uid of the object that was deleted.
    Gone(String),
}

impl Recent {
    /// Remembers an answer.
    pub fn is(&mut self, target: &Target, object: &Value) {
        let written = Written::Is(version(object.pointer("/metadata/resourceVersion").and_then(Value::as_str)), object.to_string());
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

    /// Puts what we know better over what a watch of this kind says.
    ///
    /// # Errors
    /// When the watch shows nothing: what we wrote is no picture of the rest.
    pub fn over<K>(&mut self, kind: Kind, seen: Seen<Vec<Arc<K>>>) -> Seen<Vec<Arc<K>>>
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
                    Written::Is(newer, _) => shown.is_none_or(|o| version(o.meta().resource_version.as_deref()) < *newer),
                    Written::Gone(uid) => shown.is_some_and(|o| o.uid().as_deref() == Some(uid)),
                };
            if behind {
                there.remove(&key);
                if let Written::Is(_, object) = written
                    && let Ok(Parsed(object)) = serde_json::from_str(object)
                {
                    there.insert(key, object);
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

    #[test]
    fn our_own_write_counts_until_the_watch_has_caught_up() {
        let (mut recent, target) = (Recent::default(), Target::namespaced(Kind::ConfigMap, "n", "a"));
        recent.is(&target, &cm("10", "u"));
        let versions = |seen: Seen<Vec<Arc<ConfigMap>>>| seen.unwrap().iter().map(|o| o.resource_version().unwrap()).collect::<Vec<_>>();
        assert_eq!(versions(recent.over(Kind::ConfigMap, Ok(seen(&cm("9", "u"))))), ["10"]);
        assert_eq!(versions(recent.over(Kind::ConfigMap, Ok(seen(&cm("11", "u"))))), ["11"]);
        assert_eq!(versions(recent.over(Kind::ConfigMap, Ok(seen(&cm("9", "u"))))), ["9"], "once caught up, it is forgotten");
    }

    #[test]
    fn what_we_deleted_is_gone_but_its_successor_is_not() {
        let (mut recent, target) = (Recent::default(), Target::namespaced(Kind::ConfigMap, "n", "a"));
        recent.gone(&target, "u");
        assert!(recent.over(Kind::ConfigMap, Ok(seen(&cm("9", "u")))).unwrap().is_empty());
        assert_eq!(recent.over(Kind::ConfigMap, Ok(seen(&cm("12", "v")))).unwrap().len(), 1);
    }
}
