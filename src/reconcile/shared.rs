//! Values of ours in an object that belongs to somebody else: argocd-cm's exec keys, argocd-cmd-params-cm's `redis.server`, an Ingress's
//! annotations, the `extraConfig` of an `ArgoCD`, the time-out of a `BackendConfig`. Pure.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::{Map, Value, json};

use super::contests::{Look, version};
use super::seen::uid;
use super::surroundings::Surroundings;
use super::withheld::Withheld;
use super::write::{Action, Direction, Kind, Layer, Target, Wanted, Write};
use crate::api::status::Change;
use crate::argocd::{ARGOCD_CMD_PARAMS_CM, EXEC_ENABLED, EXEC_SHELLS, REDIS_SERVER};
use crate::ingress::{self, Want};
use crate::ownership::before::{ANNOTATION, Before, Reading};
use crate::ownership::behalf::Name;
use crate::ownership::managed_fields;
use crate::ownership::value::Now;
use crate::ownership::{Decision, Holding, Keeper, Manner, Record, Terms, decide, remedy};

/// One value that may be ours.
#[derive(Clone, Debug)]
pub struct Field {
    /// The map of the object that holds it.
    pub section: Section,
    /// Its key there.
    pub key: String,
    /// What is wanted of it; `None`: nothing (any more).
    pub want: Option<Want>,
    /// A value that is never given back, so that where it stands without an owner it can only be ours.
    pub telling: Option<&'static str>,
}

/// The maps of an object that hold values of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Section {
    /// `data` of a ConfigMap.
    Data,
    /// `metadata.annotations`.
    Annotations,
    /// `spec.extraConfig` of an `ArgoCD`.
    ExtraConfig,
    /// Numbers in the `spec` of a custom resource.
    Spec,
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
    /// The map that is not its annotations, where it has such.
    pub data: Option<&'a BTreeMap<String, String>>,
}

/// What became of the fields of one object.
#[derive(Clone, Debug, Default)]
pub struct Folded {
    /// What has to be written, and what was seen.
    pub wanted: Wanted,
    /// What is wanted and not written, because somebody else has it.
    pub withheld: Vec<Withheld>,
    /// What is to be added to the message when all is well.
    pub remarks: Vec<String>,
}

impl Section {
    fn path(self, key: &str) -> Vec<&str> {
        match self {
            Self::Data => vec!["data", key],
            Self::Annotations => vec!["metadata", "annotations", key],
            Self::ExtraConfig => vec!["spec", "extraConfig", key],
            Self::Spec => vec!["spec", key],
        }
    }

    /// How the memory names a field.
    #[must_use]
    pub fn name(self, key: &str) -> String {
        match self {
            Self::Data => format!("data/{key}"),
            Self::Annotations => format!("annotations/{key}"),
            Self::ExtraConfig => format!("extraConfig/{key}"),
            Self::Spec => format!("spec/{key}"),
        }
    }
}

impl<'a> Object<'a> {
    /// The memory that this object carries, as far as it is of values that may be ours here: what anybody may have written of others is
    /// not believed, and does not keep the annotation alive.
    #[must_use]
    pub fn before(&self) -> Before {
        match self.reading() {
            Reading::Whole(mut before) => {
                before.fields.retain(|name, _| self.may_have(name));
                before
            }
            Reading::Absent | Reading::Spoilt => Before::default(),
        }
    }

    fn may_have(&self, name: &str) -> bool {
        match self.target.kind {
            Kind::Ingress => ingress::ours().any(|key| Section::Annotations.name(key) == name),
            Kind::BackendConfig => name == Section::Spec.name(ingress::gce::FIELD),
            Kind::ConfigMap if self.target.name == ARGOCD_CMD_PARAMS_CM => name == Section::Data.name(REDIS_SERVER),
            _ => [Section::Data, Section::ExtraConfig].iter().any(|s| [EXEC_ENABLED, EXEC_SHELLS].iter().any(|key| s.name(key) == name)),
        }
    }

    fn reading(&self) -> Reading {
        Before::read(self.meta.annotations.as_ref().and_then(|a| a.get(ANNOTATION)).map(String::as_str), uid(self.meta))
    }

    fn current(&self, section: Section, key: &str) -> Option<&'a str> {
        let map = match section {
            Section::Data | Section::ExtraConfig | Section::Spec => self.data,
            Section::Annotations => self.meta.annotations.as_ref(),
        };
        map?.get(key).map(String::as_str)
    }
}

/// What has to be written so that every field is as wanted. Fields that are not listed are never touched, whatever the memory says.
#[must_use]
pub fn fold(around: &impl Surroundings, object: Object<'_>, fields: &[Field], at: &str) -> Folded {
    let tracking = around.tracking();
    let reading = object.reading();
    let fold = Fold {
        around,
        object,
        holding: Holding::of(object.target.place(), object.meta, &tracking),
        // A memory that is there says of every value whose it is. Only without one is it looked for elsewhere.
        lost: !matches!(reading, Reading::Whole(_)),
        before: object.before(),
        at,
    };
    let mut folded = Folded::default();
    let (mut narrow, mut widen) = (Draft::new(&fold.before), Draft::new(&fold.before));
    for field in fields {
        fold.one(field, &mut narrow, &mut widen, &mut folded);
    }
    let spoilt = reading == Reading::Spoilt && narrow.before.fields.is_empty() && !widen.changed(&fold.before);
    let idle = fold.before.fields.is_empty();
    let forget = idle && reading != Reading::Absent;
    let yields = fold.holding.manner() == Manner::Yield;
    if narrow.changed(&fold.before) || spoilt {
        let name = fold.name_to_give_back_in(&narrow);
        folded.wanted.writes.push(narrow.write(&object, name, Direction::Narrow, "give former values back"));
    } else if widen.changed(&fold.before) {
        let name = fold.name_to_set_in(&widen);
        folded.wanted.writes.push(widen.write(&object, name, Direction::Widen, "set what is needed"));
    } else if forget || (managed_fields::ours_present(object.meta) && (idle || yields)) {
        folded.wanted.writes.push(leave(object.target, object.layer, object.meta, forget));
    }
    let widens = folded.wanted.writes.iter().any(|w| w.direction == Direction::Widen);
    folded.wanted.looks.iter_mut().for_each(|look| look.sets &= widens);
    folded
}

/// One object's fold.
struct Fold<'a, S> {
    around: &'a S,
    object: Object<'a>,
    holding: Holding<'a>,
    lost: bool,
    before: Before,
    at: &'a str,
}

impl<S: Surroundings> Fold<'_, S> {
    /// In Helm's name only where all is Helm's, or was not there: its next upgrade takes away what was written in its name, and with it the
    /// memory. A former value of somebody else would be lost for ever. What was begun in one way is gone on with.
    fn name_to_set_in(&self, draft: &Draft) -> Option<Name> {
        let is_helms = |name: &Name, (section, key, _): &(Section, String, Option<String>)| {
            self.holding.is_free_for(name, &section.path(key), self.object.current(*section, key).is_some())
        };
        // Nothing is remembered that would go with Helm's next upgrade and is not Helm's.
        let is_set = |field: &String| draft.values.iter().any(|(section, key, _)| section.name(key) == *field);
        let fresh = self.before.fields.is_empty() || draft.before.fields.keys().all(is_set);
        self.holding
            .name_to_set_in()
            .filter(|name| self.holding.is_begun_in(name) || (fresh && draft.values.iter().all(|value| is_helms(name, value))))
    }

    /// In the name of a Helm that applies only what was set in it: else the former value of somebody else would go with its next upgrade.
    fn name_to_give_back_in(&self, draft: &Draft) -> Option<Name> {
        let on_record = |name: &Name| {
            let has = |(section, key, _): &(Section, String, Option<String>)| self.holding.is_on_record_of(name, &section.path(key));
            self.holding.is_begun_in(name) || draft.values.iter().all(has)
        };
        self.holding.name_to_give_back_in().filter(|name| !name.applies || on_record(name))
    }

    fn one(&self, field: &Field, narrow: &mut Draft, widen: &mut Draft, folded: &mut Folded) {
        let (object, place) = (self.object, self.object.target.place());
        let name = field.section.name(&field.key);
        let path = field.section.path(&field.key);
        let current = object.current(field.section, &field.key);
        let id = (object.target.clone(), name.clone());
        let by = self.holding.last_writer(&path);
        // Helm's apply takes the memory with it that was written in its name, and what stands there then is Helm's own.
        let by_helm = self.lost && self.holding.is_applied_by_helm(&path);
        let in_its_name = by_helm && self.around.contests().unwritten(&id, by.as_ref());
        let noted = self.around.contests().note(&id, uid(object.meta)).filter(|_| self.lost && (in_its_name || !by_helm));
        let remembered = self.before.fields.get(&name).or(noted);
        let record = remembered.map(|record| ingress::follow(&field.key, record, current));
        let now = Now {
            current,
            record: record.as_ref(),
            owned_by_us: self.lost && (managed_fields::ours(object.meta, &path) || self.presumably_ours(field, current)),
            // Who adds an element to a list of ours owns the whole text from then on; our element is ours still.
            owned_by_others: !ingress::is_list(&field.key) && !in_its_name && self.holding.is_shared(&path, current),
        };
        let ours = record.as_ref().is_some_and(|r| current == Some(r.ours.as_str())) || now.is_lost();
        // What is wanted is measured against the value that would stand there without us: a longer time of somebody else's is enough.
        let desired = field.want.as_ref().and_then(|want| match want.over(now.foreign()) {
            None if now.foreign() == current => current.map(ToOwned::to_owned),
            other => other,
        });
        let owner = self.holding.owner(&path, current.is_some(), ours);
        let mut look = Look {
            field: id,
            uid: uid(object.meta).to_owned(),
            version: version(object.meta),
            stands: ours,
            by,
            sets: false,
            back: false,
            note: record.clone().filter(|_| ours),
            next: None,
        };
        let rival = self.around.contests().rival(&look);
        let policy = self.around.conflict_policy();
        let terms = Terms { owner: &owner, manner: self.holding.manner(), policy, contended: rival.is_some() };
        let draft = if desired.is_some() { widen } else { narrow };
        let wanted = desired.as_deref().unwrap_or_default();
        match decide(terms, now, desired.as_deref(), self.at) {
            Decision::Leave { record } => {
                if let (Some(record), true) = (&record, desired.is_some()) {
                    folded.remarks.extend(self.remark(record, &path));
                }
                if desired.is_none() {
                    look.note = None;
                }
                draft.put(&name, record);
            }
            Decision::Set { value, record, manner: _ } => {
                let to = value.clone();
                folded.wanted.changes.push(Change {
                    object: object.target.to_string(),
                    field: name.clone(),
                    from: current.map(ToOwned::to_owned),
                    to,
                });
                (look.sets, look.back) = (desired.is_some(), desired.is_none());
                look.next.clone_from(&record);
                draft.put(&name, record);
                draft.values.push((field.section, field.key.clone(), value));
            }
            Decision::Defer => {
                folded.withheld.push(Withheld::deferred(&owner, policy, place, &path, wanted));
                draft.put(&name, None);
            }
            Decision::Hold { .. } => folded.withheld.extend(rival.map(|rival| Withheld::contended(&rival, place, &path, wanted))),
        }
        if field.want.is_some() || remembered.is_some() {
            folded.wanted.looks.push(look);
        }
    }

    /// On Helm's objects no managedFields entry of ours stays. Where the annotation is lost as well, a telling value that nobody is on
    /// record for is taken for ours, if the status of an object says that something was set in this place.
    fn presumably_ours(&self, field: &Field, current: Option<&str>) -> bool {
        current.is_some()
            && current == field.telling
            && matches!(self.holding.keeper(), Keeper::Helm { .. })
            && self.holding.is_unowned(&field.section.path(&field.key))
            && self.around.was_set(self.object.target.kind)
    }

    fn remark(&self, record: &Record, path: &[&str]) -> Option<String> {
        if record.lost {
            return Some(format!(
                "FormerValueLost: the annotation {ANNOTATION} of {} was removed or changed, so {} will be removed when access is withdrawn",
                self.object.target,
                remedy::dotted(path)
            ));
        }
        remedy::lasting(self.holding.keeper(), self.object.target.place(), path, &record.ours)
    }
}

/// The second step of a hand-back: our managedFields entry goes, so that the next apply of the owner meets no conflict.
#[must_use]
pub fn disown(target: &Target, layer: Layer, meta: &ObjectMeta) -> Write {
    leave(target, layer, meta, false)
}

/// The same, and with `forget` the memory goes, too.
#[must_use]
pub fn leave(target: &Target, layer: Layer, meta: &ObjectMeta, forget: bool) -> Write {
    let mut metadata = json!({"resourceVersion": meta.resource_version, "managedFields": managed_fields::without_ours(meta)});
    if let (true, Some(metadata)) = (forget, metadata.as_object_mut()) {
        metadata.insert("annotations".to_owned(), json!({ANNOTATION: null}));
    }
    let action = Action::Merge(json!({"metadata": metadata}));
    Write { target: target.clone(), layer, direction: Direction::Keep, action, why: "leave no managedFields entry" }
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

    fn put(&mut self, name: &str, record: Option<Record>) {
        match record {
            Some(record) => self.before.fields.insert(name.to_owned(), record),
            None => self.before.fields.remove(name),
        };
    }

    fn changed(&self, before: &Before) -> bool {
        !self.values.is_empty() || self.before != *before
    }

    fn write(self, object: &Object<'_>, name: Option<Name>, direction: Direction, why: &'static str) -> Write {
        let (mut data, mut extra, mut spec, mut annotations) = (Map::new(), Map::new(), Map::new(), Map::new());
        // An empty memory stays until our managedFields entry goes: without it, a value that was just given back would look like one of
        // ours whose memory was lost.
        let spoilt = self.before.fields.is_empty() && object.reading() == Reading::Spoilt;
        let memory = if spoilt { None } else { self.before.write(uid(object.meta)) };
        annotations.insert(ANNOTATION.to_owned(), memory.map_or(Value::Null, Value::String));
        for (section, key, value) in self.values {
            let map = match section {
                Section::Data => &mut data,
                Section::Annotations => &mut annotations,
                Section::ExtraConfig => &mut extra,
                Section::Spec => {
                    // The memory is untrusted: what is no number is not written into a field for numbers.
                    let number = value.and_then(|text| text.parse::<u64>().ok());
                    spec.insert(key, json!(number));
                    continue;
                }
            };
            map.insert(key, value.map_or(Value::Null, Value::String));
        }
        let mut patch = json!({"metadata": {"resourceVersion": object.meta.resource_version, "annotations": annotations}});
        if let (false, Some(root)) = (data.is_empty(), patch.as_object_mut()) {
            root.insert("data".to_owned(), Value::Object(data));
        }
        if let (false, Some(root)) = (extra.is_empty(), patch.as_object_mut()) {
            // A map that we made goes with our last key: a custom resource would keep it, empty.
            let rest = object.data.into_iter().flatten().any(|(key, _)| !extra.get(key).is_some_and(Value::is_null));
            let empty = !rest && extra.values().all(Value::is_null);
            root.insert("spec".to_owned(), json!({"extraConfig": if empty { Value::Null } else { Value::Object(extra) }}));
        }
        if let (false, Some(root)) = (spec.is_empty(), patch.as_object_mut()) {
            root.insert("spec".to_owned(), Value::Object(spec));
        }
        Write { target: object.target.clone(), layer: object.layer, direction, action: Action::change(name, patch), why }
    }
}
