//! An object of a foreign kind, read from the text of its JSON and shared.
//!
//! The code that reads a kind is made once for each form that it is read from, and a watch has two forms of its own (`WatchEvent` of kube-core
//! is adjacently tagged), beside that of our own writes. A Pod has some hundred types. From the text alone it is made once. No IO of its own.

use std::borrow::Cow;
use std::fmt::Debug;
use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Resource;
use serde::de::{DeserializeOwned, Error};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// What is read of an object, in place of the object itself.
pub trait Watched: Clone + Debug + Send + Sync + 'static {
    /// The kind.
    type Kind: Resource<DynamicType = ()>;

    /// Whether only its metadata are asked for.
    #[must_use]
    fn metadata_only() -> bool {
        false
    }

    /// Reads it.
    ///
    /// # Errors
    /// When it is not of this kind.
    fn read(json: &str) -> serde_json::Result<Self>;

    /// The same in memory of its own.
    #[must_use]
    fn anew(&self) -> Self {
        self.clone()
    }

    /// Its metadata.
    fn metadata(&self) -> &ObjectMeta;

    /// Its metadata, to be changed.
    fn metadata_mut(&mut self) -> &mut ObjectMeta;
}

impl<K: Resource<DynamicType = ()> + DeserializeOwned + Clone + Debug + Send + Sync + 'static> Watched for K {
    type Kind = K;

    fn metadata_only() -> bool {
        K::metadata_api()
    }

    fn read(json: &str) -> serde_json::Result<Self> {
        serde_json::from_str(json)
    }

    fn metadata(&self) -> &ObjectMeta {
        self.meta()
    }

    fn metadata_mut(&mut self) -> &mut ObjectMeta {
        self.meta_mut()
    }
}

/// It.
#[derive(Clone, Debug)]
pub struct Parsed<T>(pub Arc<T>);

impl<'de, T: Watched> Deserialize<'de> for Parsed<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let json = Box::<RawValue>::deserialize(deserializer)?;
        T::read(json.get()).map(|object| Self(Arc::new(object))).map_err(D::Error::custom)
    }
}

impl<T: Watched> Resource for Parsed<T> {
    type DynamicType = ();
    type Scope = <T::Kind as Resource>::Scope;

    fn kind(dt: &()) -> Cow<'_, str> {
        T::Kind::kind(dt)
    }

    fn group(dt: &()) -> Cow<'_, str> {
        T::Kind::group(dt)
    }

    fn version(dt: &()) -> Cow<'_, str> {
        T::Kind::version(dt)
    }

    fn plural(dt: &()) -> Cow<'_, str> {
        T::Kind::plural(dt)
    }

    fn metadata_api() -> bool {
        T::metadata_only()
    }

    fn meta(&self) -> &ObjectMeta {
        self.0.metadata()
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        Arc::make_mut(&mut self.0).metadata_mut()
    }
}
