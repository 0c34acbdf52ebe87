//! Which parts of an object the operator may write at all, and how two objects are compared without what is nobody's.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::api::{FIELD_MANAGER, FINALIZER, INSTANCE_LABEL, STOP};
use crate::exec::World;
use crate::reconcile::{Kind, Target};

/// The keys of argocd-cm that the operator may set.
const FLAGS: [&str; 2] = ["exec.enabled", "exec.shells"];

/// What `kubectl rollout restart` sets.
const RESTARTED_AT: &str = "kubectl.kubernetes.io/restartedAt";

/// Fails when a write has changed anything that is none of ours.
pub fn only_ours(target: &Target, before: Option<&Value>, after: Option<&Value>) -> Result<(), String> {
    let own_object = |o: Option<&Value>| o.is_none_or(|o| o["metadata"]["labels"].get(INSTANCE_LABEL).is_some());
    match (target.kind, before, after) {
        (Kind::RoleBinding | Kind::ClusterRoleBinding | Kind::ValidatingAdmissionPolicy | Kind::ValidatingAdmissionPolicyBinding, before, after) => {
            if own_object(before) && own_object(after) {
                Ok(())
            } else {
                Err("written to a binding that is somebody else's".to_owned())
            }
        }
        (Kind::ConfigMap, None, Some(made)) if target.name == "argocd-rbac-cm" => {
            let foreign = made["data"].as_object().into_iter().flatten().find(|(key, _)| !is_our_key(key));
            foreign.map_or(Ok(()), |(key, _)| Err(format!("made with the foreign key {key}")))
        }
        (Kind::ExecAccess, Some(before), _) => {
            let (mut one, mut other) = (before.clone(), after.cloned().unwrap_or_else(|| before.clone()));
            for object in [&mut one, &mut other] {
                without_ours(target.kind, object);
            }
            same(&one, &other)
        }
        (_, Some(before), Some(after)) => {
            let (mut one, mut other) = (before.clone(), after.clone());
            for object in [&mut one, &mut other] {
                without_ours(target.kind, object);
            }
            same(&one, &other)
        }
        (_, None, _) => Err("made an object of somebody else".to_owned()),
        (_, _, None) => Err("deleted an object of somebody else".to_owned()),
    }
}

fn same(before: &Value, after: &Value) -> Result<(), String> {
    if before == after { Ok(()) } else { Err(format!("changed what is none of ours: {before:#}\nbecame {after:#}\n")) }
}

/// Whether the operator may set this annotation of an Ingress.
fn is_our_annotation(key: &str) -> bool {
    let name = key.strip_prefix("nginx.ingress.kubernetes.io/").or_else(|| key.strip_prefix("nginx.org/"));
    name.is_some_and(|n| ["proxy-connect-timeout", "proxy-read-timeout", "proxy-send-timeout", "websocket-services"].contains(&n))
}

/// Whether a key of argocd-rbac-cm is one of ours.
pub fn is_our_key(key: &str) -> bool {
    key.strip_prefix("policy.argocd-access.").is_some_and(|rest| rest.strip_suffix(".csv").is_some())
}

/// Takes out everything that the operator may change.
fn without_ours(kind: Kind, object: &mut Value) {
    forget_owners(object);
    if let Some(meta) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        meta.remove("resourceVersion");
        if let Some(annotations) = meta.get_mut("annotations").and_then(Value::as_object_mut) {
            annotations.retain(|key, _| !key.starts_with("argocd-access.dev/") || key == STOP);
        }
        if kind == Kind::ExecAccess
            && let Some(finalizers) = meta.get_mut("finalizers").and_then(Value::as_array_mut)
        {
            finalizers.retain(|f| *f != json!(FINALIZER));
        }
    }
    if kind == Kind::ConfigMap
        && let Some(data) = object.get_mut("data").and_then(Value::as_object_mut)
    {
        data.retain(|key, _| !FLAGS.contains(&key.as_str()) && !is_our_key(key));
    }
    // What argocd-rbac-cm is made with where there is none; somebody may have made one at that very moment.
    if kind == Kind::ConfigMap
        && let Some(labels) = object.pointer_mut("/metadata/labels").and_then(Value::as_object_mut)
    {
        labels.remove("app.kubernetes.io/name");
    }
    if kind == Kind::Ingress
        && let Some(annotations) = object.pointer_mut("/metadata/annotations").and_then(Value::as_object_mut)
    {
        annotations.retain(|key, _| !is_our_annotation(key));
    }
    if matches!(kind, Kind::Role | Kind::ClusterRole)
        && let Some(rules) = object.get_mut("rules").and_then(Value::as_array_mut)
    {
        let ours = crate::exec::in_place::rules().map(|rule| serde_json::to_value(rule).unwrap());
        rules.retain(|rule| !ours.contains(rule));
    }
    if kind == Kind::AppProject {
        *object = without_our_roles(object.take());
    }
    // A map that is empty is as good as none.
    prune_empty(object, &["metadata", "annotations"]);
    prune_empty(object, &["metadata", "finalizers"]);
    prune_empty(object, &["data"]);
}

fn prune_empty(object: &mut Value, path: &[&str]) {
    let Some((last, parents)) = path.split_last() else { return };
    let parent = parents.iter().try_fold(object, |at, key| at.get_mut(*key));
    if let Some(map) = parent.and_then(Value::as_object_mut)
        && map.get(*last).is_some_and(|v| v.as_object().is_some_and(Map::is_empty) || v.as_array().is_some_and(Vec::is_empty))
    {
        map.remove(*last);
    }
}

/// An AppProject without the roles that the operator makes.
pub fn without_our_roles(mut project: Value) -> Value {
    if let Some(roles) = project.pointer_mut("/spec/roles").and_then(Value::as_array_mut) {
        roles.retain(|role| !role["name"].as_str().unwrap_or_default().starts_with("exec-access-"));
    }
    prune_empty(&mut project, &["spec", "roles"]);
    project
}

/// Whether a managedFields entry of ours is there.
pub fn owns_fields(object: &Value) -> bool {
    object["metadata"]["managedFields"].as_array().into_iter().flatten().any(|entry| entry["manager"] == json!(FIELD_MANAGER))
}

/// Whether our memory was written in Helm's name.
pub fn is_in_helms_name(object: &Value) -> bool {
    let entries = object["metadata"]["managedFields"].as_array().into_iter().flatten();
    let mut helms = entries.filter(|entry| entry["manager"] == json!("helm"));
    helms.any(|entry| entry.pointer("/fieldsV1/f:metadata/f:annotations/f:argocd-access.dev~1before").is_some())
}

/// Who has which field is no part of what an object says; nor is which of two equal objects it is.
pub fn forget_owners(object: &mut Value) {
    if let Some(meta) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        meta.remove("managedFields");
        meta.remove("uid");
    }
    // A restart of argocd-server leaves its time.
    if let Some(annotations) = object.pointer_mut("/spec/template/metadata/annotations").and_then(Value::as_object_mut) {
        annotations.remove(RESTARTED_AT);
    }
    prune_empty(object, &["spec", "template", "metadata", "annotations"]);
    // The API server leaves an empty map out.
    prune_empty(object, &["data"]);
    prune_empty(object, &["metadata", "annotations"]);
    // To Argo CD no role is no role.
    prune_empty(object, &["spec", "roles"]);
}

/// With a forged memory every value that may be ours may be anything.
fn forget_what_may_be_ours(object: &mut Value) {
    let kind = if object["kind"] == json!("Ingress") { Kind::Ingress } else { Kind::ConfigMap };
    without_ours(kind, object);
}

/// Fails when what is left of the shared objects differs from what they would be without us. `forged`: the names of those whose memory
/// somebody has changed, of which it is not known what was there before.
pub fn is_as_without_us(
    mut real: BTreeMap<String, Value>,
    mut twin: BTreeMap<String, Value>,
    rbac_cm: &str,
    forged: &[String],
) -> Result<(), String> {
    for (name, object) in &real {
        if owns_fields(object) {
            return Err(format!("{name}: a managedFields entry of ours is left: {object:#}"));
        }
        let ours = object["metadata"]["annotations"].as_object().into_iter().flatten();
        let mut ours = ours.filter(|(key, _)| key.starts_with("argocd-access.dev/") && *key != STOP);
        if let Some(left) = ours.next() {
            return Err(format!("{name}: {left:?} is left"));
        }
    }
    [&mut real, &mut twin].into_iter().flat_map(BTreeMap::values_mut).for_each(forget_owners);
    if !twin.contains_key(rbac_cm)
        && let Some(made) = real.remove(rbac_cm)
    {
        // Made by us, and left: Argo CD would keep the old lines in memory if it went. What others have put into it is theirs.
        if let Some(left) = made["data"].as_object().into_iter().flatten().find(|(key, _)| is_our_key(key)) {
            return Err(format!("{rbac_cm}: {left:?} is left"));
        }
    }
    for name in forged {
        [&mut real, &mut twin].into_iter().filter_map(|all| all.get_mut(name)).for_each(forget_what_may_be_ours);
    }
    let differs = |name: &&String| real.get(*name) != twin.get(*name);
    match real.keys().chain(twin.keys()).find(differs) {
        Some(name) => Err(format!("{name} is not as without us: {:#?}\nwithout us: {:#?}", real.get(name), twin.get(name))),
        None => Ok(()),
    }
}

/// How the simulator's collection of shared objects calls one.
pub fn name_of(target: &Target) -> String {
    let (_, kind, _) = target.kind.names();
    format!("{} {}/{}", json!(kind), json!(target.namespace), json!(target.name))
}

/// Takes out of `patch` what `same` (the same patch, as it is sent to `object`) does not change there.
pub fn prune(patch: &mut Value, same: &Value, object: &Value) {
    let (Some(map), Some(sent)) = (patch.as_object_mut(), same.as_object()) else { return };
    for (key, value) in sent {
        let there = object.get(key).cloned().unwrap_or_default();
        if value.is_object() {
            if let Some(inner) = map.get_mut(key) {
                prune(inner, value, &there);
                if inner.as_object().is_some_and(Map::is_empty) {
                    map.remove(key);
                }
            }
        } else if *value == there {
            map.remove(key);
        }
    }
}

/// The same world, seen in another order.
pub fn reverse(world: &mut World) {
    macro_rules! reverse {
        ($($list:ident),*) => { $(if let Ok(list) = &mut world.$list { list.reverse(); })* };
    }
    world.accesses.reverse();
    world.unreadable.reverse();
    reverse!(deployments, pods, services, ingresses, ingress_classes, applications, projects, namespaces, role_bindings, argocds);
}
