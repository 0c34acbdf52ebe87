//! What no declaration may ask for. Pure.

use super::kinds;
use crate::api::cluster_access::{DeploySecrets, GroupResources, Permissions, Read, Scope};
use crate::clusters::names;
use crate::reconcile::limits::{Refusal, invalid};
use crate::reconcile::selection;

/// As Argo CD lists each namespace by itself, more of them are no good; the schema says the same.
const MOST_NAMESPACES: usize = 128;

/// Refuses permissions by which Argo CD could give itself more, and those that say nothing or contradict themselves. What the CRD's schema
/// refuses already is checked again: the schema on the server may be an older one.
///
/// # Errors
/// The verdict of `Accepted`, naming the field.
pub fn refuse(permissions: &Permissions) -> Result<(), Refusal> {
    places(permissions)?;
    if permissions.read == Read::Wildcard && permissions.secrets != DeploySecrets::Deploy {
        return Err(invalid("spec.permissions.read: Wildcard reads every Secret too; say secrets: Deploy, or leave it"));
    }
    each("deploy", &permissions.deploy)?;
    each("clusterResources", &permissions.cluster_resources)?;
    let declared = permissions.cluster_resources.iter().chain(&permissions.deploy);
    let namespaces = declared.flat_map(|one| one.resources.iter().filter(|_| one.group.is_empty())).any(|resource| resource == "namespaces");
    if namespaces && permissions.scope != Scope::Cluster {
        return Err(invalid(
            "spec.permissions.clusterResources: namespaces go with scope: Cluster only; their labels say what Pods may do in them, and (namespaces.selector) where these very permissions hold",
        ));
    }
    Ok(())
}

fn places(permissions: &Permissions) -> Result<(), Refusal> {
    let (names, selector) = (&permissions.namespaces.names, &permissions.namespaces.selector);
    let said = !names.is_empty() || selector.is_some();
    match permissions.scope {
        Scope::Namespaces if !said => {
            return Err(invalid("spec.permissions.scope: Namespaces needs namespaces.names or namespaces.selector: they say where"));
        }
        Scope::Cluster if said => return Err(invalid("spec.permissions.namespaces has no meaning with scope: Cluster; remove it")),
        Scope::Namespaces | Scope::Cluster => {}
    }
    if names.len() > MOST_NAMESPACES {
        return Err(invalid(format!("spec.permissions.namespaces.names may have at most {MOST_NAMESPACES} entries")));
    }
    if selector.as_ref().is_some_and(selection::is_empty) {
        return Err(invalid("spec.permissions.namespaces.selector is empty and would select every namespace; leave it out"));
    }
    match names.iter().enumerate().find(|(_, name)| names::PROTECTED.contains(&name.as_str())) {
        Some((index, name)) => Err(invalid(format!(
            "spec.permissions.namespaces.names[{index}]: {name} is protected: whoever deploys there can become the cluster's own parts, or the operator"
        ))),
        None => Ok(()),
    }
}

fn each(field: &str, declared: &[GroupResources]) -> Result<(), Refusal> {
    for (index, one) in declared.iter().enumerate() {
        for resource in &one.resources {
            let why = kinds::never(&one.group, resource).or_else(|| resource.is_empty().then_some("a resource has a name"));
            if let Some(why) = why {
                let group = if one.group.is_empty() { String::new() } else { format!(" of the group {}", one.group) };
                return Err(invalid(format!("spec.permissions.{field}[{index}]: {resource}{group} cannot be declared: {why}")));
            }
        }
    }
    Ok(())
}
