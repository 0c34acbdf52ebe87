//! What a watch shows, sorted: an object is looked up by halving, and its namespace and name are kept once, in itself.

use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::departed::Departed;
use crate::cluster_io::parsed::Watched;

/// The objects, shared between the watch that keeps them and whoever reads them.
#[derive(Debug)]
pub(super) struct Store<T>(Arc<Mutex<Vec<Arc<T>>>>);

impl<T> Clone for Store<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> Default for Store<T> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<T> Store<T> {
    /// All objects, sorted by namespace and name.
    pub(super) fn all(&self) -> Vec<Arc<T>> {
        self.objects().clone()
    }

    fn objects(&self) -> MutexGuard<'_, Vec<Arc<T>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whoever keeps a store as the API server has it, whatever is in it.
pub(super) trait Keep: Send + Sync {
    /// A list begins.
    fn begin(&mut self);

    /// An object of the list.
    ///
    /// # Errors
    /// When it is not of the kind.
    fn listed(&mut self, json: &str) -> serde_json::Result<()>;

    /// The list is complete: what is not in it is not there.
    fn end(&mut self);

    /// An object is new, or another one than before.
    ///
    /// # Errors
    /// When it is not of the kind.
    fn applied(&mut self, json: &str) -> serde_json::Result<()>;

    /// An object is gone.
    fn deleted(&mut self, meta: &ObjectMeta);

    /// Puts together what many changes have scattered over the memory: each page of it is held by what little still lies there.
    fn gather(&mut self);
}

/// The one who writes a store.
pub(super) struct Keeper<T> {
    pub(super) store: Store<T>,
    /// The list that is not complete yet.
    pub(super) listing: Vec<Arc<T>>,
    /// Drops what is not needed.
    pub(super) prune: fn(&mut T),
    pub(super) departed: Departed,
}

impl<T: Watched> Keeper<T> {
    fn read(&self, json: &str) -> serde_json::Result<Arc<T>> {
        let mut object = T::read(json)?;
        (self.prune)(&mut object);
        Ok(Arc::new(object))
    }
}

impl<T: Watched> Keep for Keeper<T> {
    fn begin(&mut self) {
        self.listing = Vec::new();
    }

    fn listed(&mut self, json: &str) -> serde_json::Result<()> {
        self.listing.push(self.read(json)?);
        Ok(())
    }

    fn end(&mut self) {
        let mut all = mem::take(&mut self.listing);
        all.sort_by(|one, other| key(one.metadata()).cmp(&key(other.metadata())));
        all.shrink_to_fit();
        let before = mem::replace(&mut *self.store.objects(), all);
        drop(before);
    }

    fn applied(&mut self, json: &str) -> serde_json::Result<()> {
        let object = self.read(json)?;
        let mut objects = self.store.objects();
        match objects.binary_search_by(|there| key(there.metadata()).cmp(&key(object.metadata()))) {
            Ok(index) => drop(objects.get_mut(index).map(|there| mem::replace(there, object))),
            Err(index) => objects.insert(index, object),
        }
        Ok(())
    }

    fn deleted(&mut self, meta: &ObjectMeta) {
        // Noted first: who looks in between must not miss it.
        if let Some(uid) = &meta.uid {
            self.departed.note(uid.clone(), Instant::now());
        }
        let gone = key(meta);
        let mut objects = self.store.objects();
        if let Ok(index) = objects.binary_search_by(|there| key(there.metadata()).cmp(&gone)) {
            objects.remove(index);
        }
    }

    fn gather(&mut self) {
        let anew = self.store.all().iter().map(|object| Arc::new(object.anew())).collect();
        // Nobody else writes to it, so nothing has changed meanwhile.
        let before = mem::replace(&mut *self.store.objects(), anew);
        drop(before);
    }
}

fn key(meta: &ObjectMeta) -> (Option<&str>, Option<&str>) {
    (meta.namespace.as_deref(), meta.name.as_deref())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use k8s_openapi::api::core::v1::ConfigMap;
    use kube::ResourceExt;
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn keeper() -> Keeper<ConfigMap> {
        let prune = |map: &mut ConfigMap| map.metadata.managed_fields = None;
        Keeper { store: Store::default(), listing: Vec::new(), prune, departed: Departed::default() }
    }

    fn object(namespace: u8, name: u8, version: u32) -> String {
        json!({"metadata": {"namespace": format!("n{namespace}"), "name": format!("m{name}"), "resourceVersion": version.to_string(),
            "uid": format!("u{namespace}.{name}"), "managedFields": [{"manager": "x"}]}})
        .to_string()
    }

    fn meta(namespace: u8, name: u8) -> ObjectMeta {
        serde_json::from_str::<ConfigMap>(&object(namespace, name, 0)).unwrap().metadata
    }

    type Shown = Vec<(String, String, String)>;

    fn shown(keeper: &Keeper<ConfigMap>) -> Shown {
        let told = |o: &Arc<ConfigMap>| (o.namespace().unwrap(), o.name_any(), o.resource_version().unwrap());
        keeper.store.all().iter().map(told).collect()
    }

    #[test]
    fn until_a_list_is_complete_what_was_there_before_it_is_shown() {
        let mut keeper = keeper();
        keeper.applied(&object(1, 1, 1)).unwrap();
        keeper.begin();
        keeper.listed(&object(2, 2, 2)).unwrap();
        assert_eq!(shown(&keeper)[0].1, "m1");
        keeper.begin();
        keeper.listed(&object(3, 3, 3)).unwrap();
        keeper.end();
        assert_eq!(shown(&keeper), [("n3".to_owned(), "m3".to_owned(), "3".to_owned())]);
    }

    #[test]
    fn what_is_not_of_the_kind_is_an_error_and_changes_nothing() {
        let mut keeper = keeper();
        keeper.applied(&object(1, 1, 1)).unwrap();
        assert!(keeper.applied(r#"{"metadata": {"name": 1}}"#).is_err());
        assert_eq!(shown(&keeper).len(), 1);
    }

    #[test]
    fn what_is_gathered_is_the_same_in_another_place() {
        let mut keeper = keeper();
        for name in 0..3 {
            keeper.applied(&object(1, name, 1)).unwrap();
        }
        let (told, before) = (shown(&keeper), keeper.store.all());
        keeper.gather();
        assert_eq!(shown(&keeper), told);
        assert!(before.iter().zip(keeper.store.all()).all(|(before, now)| !Arc::ptr_eq(before, &now)));
    }

    #[test]
    fn what_went_is_known_by_its_uid_and_what_is_kept_is_pruned() {
        let mut keeper = keeper();
        keeper.applied(&object(1, 1, 1)).unwrap();
        assert_eq!(keeper.store.all()[0].metadata.managed_fields, None);
        keeper.deleted(&meta(1, 1));
        assert!(keeper.departed.has("u1.1") && shown(&keeper).is_empty());
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
        #[test]
        fn whatever_comes_it_shows_what_a_sorted_map_would(events in prop::collection::vec((0u8..8, 0u8..3, 0u8..4), 0..60)) {
            let (mut keeper, mut expected, mut listing) = (keeper(), BTreeMap::new(), BTreeMap::new());
            for (version, (what, namespace, name)) in (0u32..).zip(events) {
                let (object, key) = (object(namespace, name, version), (format!("n{namespace}"), format!("m{name}")));
                match what {
                    0 => {
                        keeper.begin();
                        listing.clear();
                    }
                    // A list names each object once.
                    1 | 2 if !listing.contains_key(&key) => {
                        keeper.listed(&object).unwrap();
                        listing.insert(key, version.to_string());
                    }
                    3 => {
                        keeper.end();
                        expected = std::mem::take(&mut listing);
                    }
                    4 => {
                        keeper.deleted(&meta(namespace, name));
                        expected.remove(&key);
                    }
                    _ => {
                        keeper.applied(&object).unwrap();
                        expected.insert(key, version.to_string());
                    }
                }
                let expected: Shown = expected.iter().map(|((namespace, name), version)| (namespace.clone(), name.clone(), version.clone())).collect();
                prop_assert_eq!(shown(&keeper), expected);
            }
        }
    }
}
