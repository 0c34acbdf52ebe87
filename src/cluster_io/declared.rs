//! An object of ours as a watch shows it: parsed, or what can be read of one that this version cannot parse. One such object must not make
//! the others unseen. Shared, since a round needs all of them and changes none. No IO of its own.

use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::core::PartialObjectMeta;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::apply;
use super::parsed::Watched;
use crate::json;
use crate::reconcile::told::Told;
use crate::reconcile::unreadable::Unreadable;

/// The object, or what can be read of it, which is larger and rare.
#[derive(Clone, Debug)]
pub struct Declared<K>(pub Result<Arc<K>, Box<Unreadable>>);

impl<K: apply::Declared + Told<Status: DeserializeOwned> + Send + Sync + 'static> Watched for Declared<K> {
    type Kind = K;

    fn read(json: &str) -> serde_json::Result<Self> {
        Ok(Self(match serde_json::from_str(json) {
            Ok(object) => Ok(Arc::new(object)),
            Err(error) => {
                let PartialObjectMeta { metadata, .. } = serde_json::from_str::<PartialObjectMeta<K>>(json)?;
                let tree: Value = serde_json::from_str(json)?;
                Err(Box::new(Unreadable::new::<K::Status>(metadata, json::why(&error), &tree)))
            }
        }))
    }

    fn anew(&self) -> Self {
        Self(match &self.0 {
            Ok(object) => Ok(Arc::new(K::clone(object))),
            Err(unreadable) => Err(unreadable.clone()),
        })
    }

    fn metadata(&self) -> &ObjectMeta {
        self.0.as_ref().map_or_else(|unreadable| &unreadable.metadata, |object| object.meta())
    }

    fn metadata_mut(&mut self) -> &mut ObjectMeta {
        self.0.as_mut().map_or_else(|unreadable| &mut unreadable.metadata, |object| Arc::make_mut(object).meta_mut())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::ExecAccess;

    #[test]
    fn why_it_cannot_be_parsed_is_the_same_whatever_stands_before_it() {
        let read = |labels: Value| {
            let object =
                serde_json::json!({"metadata": {"name": "a", "labels": labels}, "spec": {"subjects": [], "applications": [], "mode": "Later"}});
            Declared::<ExecAccess>::read(&object.to_string()).unwrap().0.unwrap_err()
        };
        let (one, other) = (read(serde_json::json!({})), read(serde_json::json!({"team": "shop"})));
        assert_eq!((one.error.as_str(), one.metadata.name.as_deref()), (other.error.as_str(), Some("a")));
        assert!(one.error.contains("Later") && !one.error.contains("column"), "{}", one.error);
    }
}
