//! Values of ours in an object that belongs to somebody else: argocd-cm's exec keys, an Ingress's annotations. Pure.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::{Map, Value, json};

use super::world::uid;
use super::write::{Action, Direction, Layer, Target, Wanted, Write};
use crate::api::status::Change;
use crate::ingress::{self, Want};
use crate::ownership::before::{ANNOTATION, Before, Reading};
use crate::ownership::managed_fields;
use crate::ownership::value::Now;
use crate::ownership::{Manner, manner, settle};

/// One value that may be ours.
#[derive(Clone, Debug)]
pub struct Field {
    /// The map of the object that holds it.
    pub section: Section,
    /// Its key there.
    pub key: String,
    /// What is wanted of it; `None`: nothing (any more).
    pub want: Option<Want>,
}

/// The maps of an object that hold values of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Section {
    /// `data` of a ConfigMap.
    Data,
    /// `metadata.annotations`.
    Annotations,
}

/// The object.
#[derive(Clone, Copy, Debug)]
pub struct Object<'a> {
    /// What to write to.
    pub target: &'a Target,
    /// The layer that does.
    pub layer: Layer,
    /// Its metadata, with managedFields.
    pub meta: &'a ObjectMeta,
    /// `data`, where it has such.
    pub data: Option<&'a BTreeMap<String, String>>,
}

impl Section {
    fn path(self, key: &str) -> [&str; 3] {
        match self {
            Self::Data => ["data", key, ""],
            Self::Annotations => ["metadata", "annotations", key],
        }
    }
    fn name(self, key: &str) -> String {
        match self {
            Self::Data => format!("data/{key}"),
            Self::Annotations => format!("annotations/{key}"),
        }
    }
}

impl<'a> Object<'a> {
    /// The memory that this object carries.
    #[must_use]
    pub fn before(&self) -> Before {
        match self.reading() {
            Reading::Whole(before) => before,
            Reading::Absent | Reading::Spoilt => Before::default(),
        }
    }

    fn reading(&self) -> Reading {
        Before::read(self.meta.annotations.as_ref().and_then(|a| a.get(ANNOTATION)).map(String::as_str), uid(self.meta))
    }

    fn current(&self, section: Section, key: &str) -> Option<&'a str> {
        let map = match section {
            Section::Data => self.data,
            Section::Annotations => self.meta.annotations.as_ref(),
        };
        map?.get(key).map(String::as_str)
    }
}

/// What has to be written so that every field is as wanted. Fields that are not listed are never touched, whatever the memory says.
#[must_use]
pub fn fold(object: Object<'_>, fields: &[Field], at: &str) -> Wanted {
    let mut wanted = Wanted::default();
    let reading = object.reading();
    // A memory that is there says of every value whose it is. Only without one does `managedFields` have to.
    let lost = !matches!(reading, Reading::Whole(_));
    let before = object.before();
    let (mut narrow, mut widen) = (Draft::new(&before), Draft::new(&before));
    for field in fields {
        let name = field.section.name(&field.key);
        let path = field.section.path(&field.key);
        let path: Vec<&str> = path.into_iter().filter(|p| !p.is_empty()).collect();
        let current = object.current(field.section, &field.key);
        let record = before.fields.get(&name).map(|record| ingress::follow(&field.key, record, current));
        let now = Now {
            current,
            record: record.as_ref(),
            owned_by_us: lost && managed_fields::ours(object.meta, &path),
            // Who adds an element to a list of ours owns the whole text from then on; our element is ours still.
            owned_by_others: !ingress::is_list(&field.key) && !managed_fields::others(object.meta, &path).is_empty(),
        };
        // What is wanted is measured against the value that would stand there without us: a longer time of somebody else's is enough.
        let desired = field.want.as_ref().and_then(|want| match want.over(now.foreign()) {
            None if now.foreign() == current => current.map(ToOwned::to_owned),
            other => other,
        });
        let step = settle(now, desired.as_deref(), at);
        let draft = if desired.is_some() { &mut widen } else { &mut narrow };
        draft.put(&name, step.record);
        if let Some(value) = step.write {
            wanted.changes.push(Change { object: object.target.to_string(), field: name, from: current.map(ToOwned::to_owned), to: value.clone() });
            draft.values.push((field.section, field.key.clone(), value));
        }
    }
    let empty = !fields.iter().any(|f| f.want.is_some());
    let spoilt = empty && reading == Reading::Spoilt;
    let forget = reading != Reading::Absent && before.fields.is_empty();
    if narrow.changed(&before) || spoilt {
        wanted.writes.push(narrow.write(&object, Direction::Narrow, "give former values back"));
    } else if widen.changed(&before) {
        wanted.writes.push(widen.write(&object, Direction::Widen, "set what the terminal needs"));
    } else if (empty && forget) || (managed_fields::ours_present(object.meta) && (empty || manner(object.meta) == Manner::Yield)) {
        let mut write = disown(object.target, object.layer, object.meta);
        if let (true, Action::Merge(patch)) = (forget, &mut write.action)
            && let Some(metadata) = patch.get_mut("metadata").and_then(Value::as_object_mut)
        {
            metadata.insert("annotations".to_owned(), json!({ANNOTATION: null}));
        }
        wanted.writes.push(write);
    }
    wanted
}

/// The second step of a hand-back: our managedFields entry goes, so that the next apply of the owner meets no conflict.
#[must_use]
pub fn disown(target: &Target, layer: Layer, meta: &ObjectMeta) -> Write {
    let patch = json!({"metadata": {"resourceVersion": meta.resource_version, "managedFields": managed_fields::without_ours(meta)}});
    Write { target: target.clone(), layer, direction: Direction::Keep, action: Action::Merge(patch), why: "leave no managedFields entry" }
}

/// The values and the memory of one request.
struct Draft {
    values: Vec<(Section, String, Option<String>)>,
    before: Before,
}

impl Draft {
    fn new(before: &Before) -> Self {
        Self { values: Vec::new(), before: before.clone() }
    }

    fn put(&mut self, name: &str, record: Option<crate::ownership::Record>) {
        match record {
            Some(record) => self.before.fields.insert(name.to_owned(), record),
            None => self.before.fields.remove(name),
        };
    }

    fn changed(&self, before: &Before) -> bool {
        !self.values.is_empty() || self.before != *before
    }

    fn write(self, object: &Object<'_>, direction: Direction, why: &'static str) -> Write {
        let (mut data, mut annotations) = (Map::new(), Map::new());
        // An empty memory stays until our managedFields entry goes: without it, a value that was just given back would look like one of
        // ours whose memory was lost.
        let spoilt = self.before.fields.is_empty() && object.reading() == Reading::Spoilt;
        let memory = if spoilt { None } else { self.before.write(uid(object.meta)) };
        annotations.insert(ANNOTATION.to_owned(), memory.map_or(Value::Null, Value::String));
        for (section, key, value) in self.values {
            let map = match section {
                Section::Data => &mut data,
                Section::Annotations => &mut annotations,
            };
            map.insert(key, value.map_or(Value::Null, Value::String));
        }
        let mut patch = json!({"metadata": {"resourceVersion": object.meta.resource_version, "annotations": annotations}});
        if let (false, Some(root)) = (data.is_empty(), patch.as_object_mut()) {
            root.insert("data".to_owned(), Value::Object(data));
        }
        Write { target: object.target.clone(), layer: object.layer, direction, action: Action::Merge(patch), why }
    }
}
