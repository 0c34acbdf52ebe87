//! An `ExecAccess` as a watch shows it: parsed, or what can be read of one that this version cannot parse. One such object must not make
//! the others unseen. No IO of its own.

use std::borrow::Cow;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Resource;
use kube::core::PartialObjectMeta;
use serde::{Deserialize, Deserializer, de::Error};

use crate::api::{ExecAccess, ExecAccessStatus};
use crate::exec::world::Unreadable;

/// The object, or what can be read of it.
#[derive(Clone, Debug)]
pub struct Declared(pub Result<ExecAccess, Unreadable>);

impl<'de> Deserialize<'de> for Declared {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let object = serde_json::Value::deserialize(deserializer)?;
        Ok(Self(match ExecAccess::deserialize(&object) {
            Ok(access) => Ok(access),
            Err(error) => {
                let PartialObjectMeta { metadata, .. } = PartialObjectMeta::<ExecAccess>::deserialize(&object).map_err(D::Error::custom)?;
                Err(Unreadable::new::<ExecAccessStatus>(metadata, error.to_string(), &object))
            }
        }))
    }
}

impl Resource for Declared {
    type DynamicType = ();
    type Scope = <ExecAccess as Resource>::Scope;

    fn kind(dt: &()) -> Cow<'_, str> {
        ExecAccess::kind(dt)
    }

    fn group(dt: &()) -> Cow<'_, str> {
        ExecAccess::group(dt)
    }

    fn version(dt: &()) -> Cow<'_, str> {
        ExecAccess::version(dt)
    }

    fn plural(dt: &()) -> Cow<'_, str> {
        ExecAccess::plural(dt)
    }

    fn meta(&self) -> &ObjectMeta {
        self.0.as_ref().map_or_else(|unreadable| &unreadable.metadata, |access| &access.metadata)
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        self.0.as_mut().map_or_else(|unreadable| &mut unreadable.metadata, |access| &mut access.metadata)
    }
}
