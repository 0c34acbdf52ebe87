//! The world as a folder of manifests describes it, for a plan without any cluster.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Resource;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::{PlanError, documents, from_value, read};
use crate::api::ExecAccess;
use crate::argocd::{ARGOCD_CM, ARGOCD_CMD_PARAMS_CM, ARGOCD_RBAC_CM};
use crate::config::InstanceConfig;
use crate::exec::World;

/// Reads every `.yaml`, `.yml` and `.json` below the folder. Kinds that no plan depends on are passed over; an object without a namespace
/// is taken for one of the instance's.
pub fn world(folder: &Path, instance: &InstanceConfig, exec_cluster_role: &str) -> Result<World, PlanError> {
    let mut world = World::empty(instance.clone(), exec_cluster_role);
    for path in files(folder)? {
        let text = read(&path)?;
        for (document, value) in documents(&path, &text)? {
            add(&mut world, &path, document, value)?;
        }
    }
    Ok(world)
}

/// In a cluster these namespaces would have to be there; manifests of an Argo CD seldom hold them.
pub fn with_namespaces(mut world: World, declared: &[ExecAccess]) -> World {
    let mut names: BTreeSet<String> = declared.iter().flat_map(|a| a.spec.server.namespaces.names.iter().cloned()).collect();
    names.extend(world.applications.iter().flatten().filter_map(|a| a.spec.destination.namespace.clone()));
    if let Ok(namespaces) = &mut world.namespaces {
        let there: BTreeSet<String> = namespaces.iter().filter_map(|n| n.metadata.name.clone()).collect();
        let missing = names.difference(&there).filter(|n| !n.is_empty());
        let made =
            missing.map(|name| Namespace { metadata: ObjectMeta { name: Some(name.clone()), ..ObjectMeta::default() }, ..Namespace::default() });
        namespaces.extend(made.map(Arc::new));
        namespaces.sort_by(|a, b| a.metadata.name.cmp(&b.metadata.name));
    }
    world
}

/// Every manifest below a folder, sorted.
pub fn files(folder: &Path) -> Result<Vec<PathBuf>, PlanError> {
    let failed = |source| PlanError::Read { path: folder.to_owned(), source };
    let mut all = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let (path, kind) = (entry.path(), entry.file_type().map_err(failed)?);
        if kind.is_dir() {
            all.extend(files(&path)?);
        } else if path.extension().is_some_and(|e| e == "yaml" || e == "yml" || e == "json") {
            all.push(path);
        }
    }
    all.sort();
    Ok(all)
}

fn add(world: &mut World, path: &Path, document: usize, mut value: Value) -> Result<(), PlanError> {
    let text = |pointer: &str| value.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
    let (kind, group, name) = (text("/kind"), text("/apiVersion"), text("/metadata/name"));
    let group = group.split_once('/').map_or("", |(group, _)| group).to_owned();
    let instance = world.namespace().to_owned();
    let clustered = matches!(kind.as_str(), "Namespace" | "IngressClass" | "ClusterRoleBinding");
    if let (true, Some(metadata)) = (!clustered && text("/metadata/namespace").is_empty(), value.get_mut("metadata").and_then(Value::as_object_mut)) {
        metadata.insert("namespace".to_owned(), json!(instance));
    }
    let here = clustered || value.pointer("/metadata/namespace").and_then(Value::as_str) == Some(&instance);
    let binding = world.binding_name();
    match (group.as_str(), kind.as_str()) {
        ("", "ConfigMap") if here && name == ARGOCD_CM => world.argocd_cm = Ok(Some(one(path, document, &value)?)),
        ("", "ConfigMap") if here && name == ARGOCD_RBAC_CM => world.rbac_cm = Ok(Some(one(path, document, &value)?)),
        ("", "ConfigMap") if here && name == ARGOCD_CMD_PARAMS_CM => world.params_cm = Ok(Some(one(path, document, &value)?)),
        ("apps", "Deployment") if here => put(&mut world.deployments, one(path, document, &value)?),
        ("", "Service") if here => put(&mut world.services, one(path, document, &value)?),
        ("networking.k8s.io", "Ingress") if here => put(&mut world.ingresses, one(path, document, &value)?),
        ("networking.k8s.io", "IngressClass") => put(&mut world.ingress_classes, one(path, document, &value)?),
        ("argoproj.io", "Application") => put(&mut world.applications, one(path, document, &value)?),
        ("argoproj.io", "AppProject") if here => put(&mut world.projects, one(path, document, &value)?),
        ("argoproj.io", "ArgoCD") if here => put(&mut world.argocds, one(path, document, &value)?),
        ("", "Namespace") => put(&mut world.namespaces, one(path, document, &value)?),
        ("rbac.authorization.k8s.io", "RoleBinding") if name == binding => put(&mut world.role_bindings, one(path, document, &value)?),
        ("rbac.authorization.k8s.io", "ClusterRoleBinding") if name == binding => {
            world.cluster_role_binding = Ok(Some(one(path, document, &value)?));
        }
        ("argocd-access.dev", "ExecAccess") if here => world.accesses.push(one(path, document, &value)?),
        _ => {}
    }
    Ok(())
}

fn one<T: DeserializeOwned>(path: &Path, document: usize, value: &Value) -> Result<Arc<T>, PlanError> {
    from_value(path, document, value).map(Arc::new)
}

fn put<T: Resource>(all: &mut crate::reconcile::Seen<Vec<Arc<T>>>, object: Arc<T>) {
    if let Ok(all) = all {
        all.push(object);
        all.sort_by(|a, b| (&a.meta().namespace, &a.meta().name).cmp(&(&b.meta().namespace, &b.meta().name)));
    }
}
