//! An object of ours as a watch shows it: parsed, or what can be read of one that this version cannot parse. One such object must not make
//! the others unseen. Shared, since a round needs all of them and changes none. No IO of its own.

use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::core::PartialObjectMeta;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::apply;
use super::parsed::Watched;
use crate::reconcile::told::Told;
use crate::reconcile::unreadable::Unreadable;

/// The object, or what can be read of it, which is larger and rare.
#[derive(Clone, Debug)]
pub struct Declared<K>(pub Result<Arc<K>, Box<Unreadable>>);

impl<K: apply::Declared + Told<Status: DeserializeOwned> + Send + Sync + 'static> Watched for Declared<K> {
    type Kind = K;

    fn read(tree: &Value) -> serde_json::Result<Self> {
        Ok(Self(match K::deserialize(tree) {
            Ok(object) => Ok(Arc::new(object)),
            Err(error) => {
                let PartialObjectMeta { metadata, .. } = PartialObjectMeta::<K>::deserialize(tree)?;
                Err(Box::new(Unreadable::new::<K::Status>(metadata, error.to_string(), tree)))
            }
        }))
    }

    fn metadata(&self) -> &ObjectMeta {
        self.0.as_ref().map_or_else(|unreadable| &unreadable.metadata, |object| object.meta())
    }

    fn metadata_mut(&mut self) -> &mut ObjectMeta {
        self.0.as_mut().map_or_else(|unreadable| &mut unreadable.metadata, |object| Arc::make_mut(object).meta_mut())
    }
}
