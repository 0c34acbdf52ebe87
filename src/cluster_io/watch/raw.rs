//! An object of any kind, as the text of its JSON: so the code that watches is there once and not for each kind, and a page of a list is
//! held as it came.

use std::borrow::Cow;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Resource;
use kube::core::DynamicResourceScope;
use serde::de::Error;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// The object; with `METADATA_ONLY` the API server sends no more of it.
#[derive(Clone, Debug)]
pub(super) struct Raw<const METADATA_ONLY: bool> {
    json: Box<RawValue>,
    /// Of its metadata what a watch itself needs.
    meta: ObjectMeta,
}

/// Where the kind is found: the path of its list.
#[derive(Clone, Debug)]
pub(super) struct Path(pub(super) String);

#[derive(Deserialize)]
struct Head {
    metadata: Identity,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Identity {
    namespace: Option<String>,
    name: Option<String>,
    uid: Option<String>,
    resource_version: Option<String>,
}

impl<const METADATA_ONLY: bool> Raw<METADATA_ONLY> {
    /// The whole of it.
    pub(super) fn json(&self) -> &str {
        self.json.get()
    }
}

impl<'de, const METADATA_ONLY: bool> Deserialize<'de> for Raw<METADATA_ONLY> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let json = Box::<RawValue>::deserialize(deserializer)?;
        let Head { metadata: Identity { namespace, name, uid, resource_version } } = serde_json::from_str(json.get()).map_err(D::Error::custom)?;
        Ok(Self { json, meta: ObjectMeta { namespace, name, uid, resource_version, ..ObjectMeta::default() } })
    }
}

impl<const METADATA_ONLY: bool> Resource for Raw<METADATA_ONLY> {
    type DynamicType = Path;
    type Scope = DynamicResourceScope;

    fn kind(_: &Path) -> Cow<'_, str> {
        Cow::Borrowed("")
    }

    fn group(_: &Path) -> Cow<'_, str> {
        Cow::Borrowed("")
    }

    fn version(_: &Path) -> Cow<'_, str> {
        Cow::Borrowed("")
    }

    fn plural(_: &Path) -> Cow<'_, str> {
        Cow::Borrowed("")
    }

    fn metadata_api() -> bool {
        METADATA_ONLY
    }

    fn url_path(path: &Path, _: Option<&str>) -> String {
        path.0.clone()
    }

    fn meta(&self) -> &ObjectMeta {
        &self.meta
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.meta
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kube::core::WatchEvent;

    #[test]
    fn it_is_held_as_it_came_in_a_list_and_in_a_watch() {
        let json =
            r#"{"kind":"ConfigMap","metadata":{"name":"a","namespace":"n","uid":"u","resourceVersion":"7","labels":{"x":"y"}},"data":{"k":"v"}}"#;
        let all: Vec<Raw<false>> = serde_json::from_str(&format!("[{json}]")).unwrap();
        assert_eq!(all[0].json(), json);
        let event: WatchEvent<Raw<false>> = serde_json::from_str(&format!(r#"{{"type":"MODIFIED","object":{json}}}"#)).unwrap();
        let WatchEvent::Modified(object) = event else { panic!("{event:?}") };
        assert_eq!(object.json(), json);
        let meta = object.meta();
        let told = [&meta.namespace, &meta.name, &meta.uid, &meta.resource_version].map(|text| text.as_deref());
        assert_eq!(told, [Some("n"), Some("a"), Some("u"), Some("7")]);
    }
}
