//! An object of ours as a watch shows it: parsed, or what can be read of one that this version cannot parse. One such object must not make
//! the others unseen. Shared, since a round needs all of them and changes none. No IO of its own.

use std::borrow::Cow;
use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Resource;
use kube::core::PartialObjectMeta;
use serde::de::{DeserializeOwned, Error};
use serde::{Deserialize, Deserializer};

use super::apply;
use crate::reconcile::told::Told;
use crate::reconcile::unreadable::Unreadable;

/// The object, or what can be read of it, which is larger and rare.
#[derive(Clone, Debug)]
pub struct Declared<K>(pub Result<Arc<K>, Box<Unreadable>>);

impl<'de, K: apply::Declared + Told<Status: DeserializeOwned>> Deserialize<'de> for Declared<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let object = serde_json::Value::deserialize(deserializer)?;
        Ok(Self(match K::deserialize(&object) {
            Ok(access) => Ok(Arc::new(access)),
            Err(error) => {
                let PartialObjectMeta { metadata, .. } = PartialObjectMeta::<K>::deserialize(&object).map_err(D::Error::custom)?;
                Err(Box::new(Unreadable::new::<K::Status>(metadata, error.to_string(), &object)))
            }
        }))
    }
}

impl<K: Resource<DynamicType = ()> + Clone> Resource for Declared<K> {
    type DynamicType = ();
    type Scope = K::Scope;

    fn kind(dt: &()) -> Cow<'_, str> {
        K::kind(dt)
    }

    fn group(dt: &()) -> Cow<'_, str> {
        K::group(dt)
    }

    fn version(dt: &()) -> Cow<'_, str> {
        K::version(dt)
    }

    fn plural(dt: &()) -> Cow<'_, str> {
        K::plural(dt)
    }

    fn meta(&self) -> &ObjectMeta {
        self.0.as_ref().map_or_else(|unreadable| &unreadable.metadata, |object| object.meta())
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        self.0.as_mut().map_or_else(|unreadable| &mut unreadable.metadata, |object| Arc::make_mut(object).meta_mut())
    }
}
