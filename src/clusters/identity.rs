//! The identities in AWS of a cluster of EKS, in a plan: what is written of what [`super::aws`] says. Pure.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::{Value, json};

use super::admission::{self, Case};
use super::aws::objects::{Key, Kind as AwsKind, Object};
use super::aws::outlook::{AwsAuth, AwsAuthSeen};
use super::aws::{Input, Outlook, Seen, ServiceAccounts, outlook};
use super::names::aws_config_map;
use super::remote::is_owned;
use super::world::World;
use crate::api::cluster_aws::Mapping;
use crate::api::conditions::{Reason, Verdict};
use crate::api::status::Change;
use crate::api::{ClusterAccess, INSTANCE_LABEL, OWNER_LABEL};
use crate::reconcile::clock::Clock;
use crate::reconcile::write::{Action, Direction, Kind, Layer, Target, Wanted, Write};

/// What is seen of them in the hub.
#[derive(Clone, Debug)]
pub struct Here {
    /// The objects of controllers.
    pub objects: BTreeMap<Key, Value>,
    /// The kinds that there are none of.
    pub no_kinds: BTreeSet<AwsKind>,
    /// The ConfigMaps with documents, by the names of their clusters.
    pub config_maps: BTreeMap<String, (ObjectMeta, BTreeMap<String, String>)>,
    /// Argo CD's ServiceAccounts.
    pub accounts: ServiceAccounts,
}

/// What the layer wants, and what it says.
#[derive(Clone, Debug)]
pub struct Folded {
    /// The writes.
    pub wanted: Wanted,
    /// What it comes to; `None`: it cannot be seen.
    pub outlook: Option<Outlook>,
    /// The verdict of `AWSReady`.
    pub verdict: Verdict,
}

/// Makes it. `None`: the cluster is none of EKS.
#[must_use]
pub fn fold(world: &World, case: &Case, clock: Clock) -> Option<Folded> {
    let aws = case.access.spec.aws.as_ref()?;
    let here = match &world.aws {
        Ok(here) => here,
        Err(verdict) => return Some(Folded { wanted: Wanted::default(), outlook: None, verdict: verdict.clone() }),
    };
    let standing: Vec<&ClusterAccess> = world.all.iter().filter(|access| stands(world, case, access, clock)).map(AsRef::as_ref).collect();
    let seen = Seen {
        objects: here.objects.clone(),
        no_kinds: here.no_kinds.clone(),
        config_maps: here.config_maps.values().map(|(_, data)| data.clone()).collect(),
        aws_auth: aws_auth(world, aws.mapping == Mapping::AwsAuth),
    };
    let input = Input {
        access: &case.access,
        stands: case.kept,
        all: &standing,
        unreadable: world.unreadable_beside,
        namespace: world.namespace(),
        accounts: &here.accounts,
    };
    let outlook = outlook(&input, &seen);
    let mut wanted = Wanted::default();
    let mut verdict = outlook.verdict.clone();
    let owner = &case.id.owner;
    let own = here.config_maps.get(&case.id.cluster);
    if let Err(foreign) = config_map(world, case, own, outlook.config_map.as_ref(), &mut wanted) {
        verdict = foreign;
    }
    for object in &outlook.objects {
        wanted.writes.extend(apply(object, here.objects.get(&object.key), &mut wanted.changes));
    }
    for (key, there) in outlook.surplus.iter().filter_map(|key| Some((key, here.objects.get(key)?))) {
        let meta: ObjectMeta = there.get("metadata").and_then(|meta| serde_json::from_value(meta.clone()).ok()).unwrap_or_default();
        let target = Target::namespaced(key.kind.written(), &key.namespace, &key.name);
        wanted.writes.push(Write::delete(&target, &meta, Layer::Aws, Direction::Narrow, "nothing declares it any more"));
    }
    if let (AwsAuth::Set(text), Ok(remote)) = (&outlook.aws_auth, &world.remote)
        && let Some((meta, _)) = &remote.aws_auth
    {
        let target = Target::namespaced(Kind::RemoteConfigMap, "kube-system", "aws-auth");
        let adds = case.kept && text.contains(owner.as_str());
        let patch = json!({"metadata": {"resourceVersion": meta.resource_version}, "data": {super::aws::auth::KEY: text}});
        let (direction, why) =
            if adds { (Direction::Widen, "our entry, and nothing else") } else { (Direction::Narrow, "our entry goes, and nothing else") };
        wanted.changes.push(Change {
            object: target.to_string(),
            field: "data/mapRoles".to_owned(),
            from: None,
            to: adds.then(|| "our entry".to_owned()),
        });
        wanted.writes.push(Write { target, layer: Layer::Aws, direction, action: Action::Merge(patch), why });
    }
    Some(Folded { wanted, outlook: Some(outlook), verdict })
}

/// Whether an object counts in the fold over all; of this one that is known already.
fn stands(world: &World, case: &Case, access: &std::sync::Arc<ClusterAccess>, clock: Clock) -> bool {
    if access.spec.aws.is_none() {
        return false;
    }
    if access.metadata.uid == case.access.metadata.uid { case.kept } else { admission::judge(world, access, clock).kept }
}

fn aws_auth(world: &World, needed: bool) -> AwsAuthSeen {
    match &world.remote {
        Ok(remote) => match &remote.aws_auth {
            Some((_, data)) => AwsAuthSeen::Data(data.clone()),
            None if needed => AwsAuthSeen::Absent,
            None => AwsAuthSeen::NotAsked,
        },
        Err(verdict) => AwsAuthSeen::Unread(verdict.message.clone()),
    }
}

/// The ConfigMap with the documents.
fn config_map(
    world: &World,
    case: &Case,
    there: Option<&(ObjectMeta, BTreeMap<String, String>)>,
    data: Option<&BTreeMap<String, String>>,
    wanted: &mut Wanted,
) -> Result<(), Verdict> {
    let name = aws_config_map(&case.id.cluster);
    let target = Target::namespaced(Kind::ConfigMap, world.namespace(), &name);
    let ours = there.is_some_and(|(meta, _)| is_owned(meta, &case.id.owner));
    match (data, there) {
        (Some(_), Some(_)) if !ours => {
            return Err(Verdict::no(
                Reason::ForeignObject,
                format!("{target} is somebody else's and stands where ours would be; rename or remove it"),
            ));
        }
        (Some(data), there) if there.is_none_or(|(_, now)| now != data) => {
            let mut metadata = json!({
                "name": name, "namespace": world.namespace(),
                "labels": {INSTANCE_LABEL: world.namespace(), OWNER_LABEL: case.id.owner},
            });
            if let (Some((meta, _)), Some(metadata)) = (there, metadata.as_object_mut()) {
                metadata.insert("resourceVersion".to_owned(), json!(meta.resource_version));
            }
            let body = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data});
            let keys = data.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
            wanted.changes.push(Change { object: target.to_string(), field: "data".to_owned(), from: None, to: Some(keys) });
            let why = "the documents for AWS";
            wanted.writes.push(Write { target, layer: Layer::Aws, direction: Direction::Widen, action: Action::Apply(body), why });
        }
        (None, Some((meta, _))) if ours => {
            wanted.writes.push(Write::delete(&target, meta, Layer::Aws, Direction::Narrow, "no documents are put out any more"));
        }
        _ => {}
    }
    Ok(())
}

/// An object for a controller, unless it is there as it is to be.
fn apply(object: &Object, there: Option<&Value>, changes: &mut Vec<Change>) -> Option<Write> {
    if there.is_some_and(|there| holds(there, &object.body)) {
        return None;
    }
    let target = Target::namespaced(object.key.kind.written(), &object.key.namespace, &object.key.name);
    let mut body = object.body.clone();
    let version = there.and_then(|there| there.pointer("/metadata/resourceVersion").cloned());
    if let (Some(version), Some(metadata)) = (version, body.get_mut("metadata").and_then(Value::as_object_mut)) {
        metadata.insert("resourceVersion".to_owned(), version);
    }
    let spec = |object: &Value| object.get("spec").map(ToString::to_string);
    changes.push(Change { object: target.to_string(), field: "spec".to_owned(), from: there.and_then(spec), to: spec(&object.body) });
    Some(Write { target, layer: Layer::Aws, direction: Direction::Widen, action: Action::Apply(body), why: "an identity in AWS" })
}

/// Whether everything that is wanted is there; controllers add to it.
fn holds(there: &Value, wanted: &Value) -> bool {
    match (there, wanted) {
        (Value::Object(there), Value::Object(wanted)) => wanted.iter().all(|(key, value)| there.get(key).is_some_and(|there| holds(there, value))),
        _ => there == wanted,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_controller_adds_is_no_difference_and_what_it_changes_is_one() {
        let wanted = json!({"spec": {"name": "a", "tags": [{"key": "k"}]}, "metadata": {"labels": {"a": "b"}}});
        let there = json!({"spec": {"name": "a", "tags": [{"key": "k"}], "path": "/"}, "metadata": {"labels": {"a": "b", "c": "d"}, "uid": "u"}, "status": {}});
        assert!(holds(&there, &wanted));
        let mut other = there.clone();
        other["spec"]["tags"] = json!([{"key": "k"}, {"key": "more"}]);
        assert!(!holds(&other, &wanted));
        assert!(!holds(&json!({"spec": {}}), &wanted));
    }
}
