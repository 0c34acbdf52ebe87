//! What an owner would have to change themselves so that a value is as wanted: the exact words for a condition's message. Pure.

use serde_json::json;

use super::owner::{Keeper, Owner};
use crate::api::FIELD_MANAGER;
use crate::argocd::ARGOCD_CMD_PARAMS_CM;
use crate::argocd::tracking::Place;
use crate::shell::word;

/// The line of the values of Helm's argo-cd chart that sets this field.
#[must_use]
pub fn helm_values(place: Place<'_>, path: &[&str], value: &str) -> String {
    match (place.kind, path) {
        ("ConfigMap", ["data", key]) if place.name == ARGOCD_CMD_PARAMS_CM => format!("configs.params.\"{key}\": \"{value}\""),
        ("ConfigMap", ["data", key]) => format!("configs.cm.\"{key}\": \"{value}\""),
        ("Ingress", ["metadata", "annotations", key]) => format!("server.ingress.annotations.\"{key}\": \"{value}\""),
        ("BackendConfig", ["spec", key]) => format!("server.ingress.gke.backendConfig.{key}: {value}"),
        ("Role" | "ClusterRole", _) => "configs.cm.\"exec.enabled\": \"true\" (which adds pods/exec to argocd-server's roles)".to_owned(),
        _ => format!("{} {}: {value}", place.kind, dotted(path)),
    }
}

/// The exact change.
#[must_use]
pub fn change(owner: &Owner, place: Place<'_>, path: &[&str], value: &str) -> String {
    let kind = place.kind;
    let field = dotted(path);
    let in_git = if is_list(place) {
        // It has elements of others, too.
        format!("add to {field} of {kind} {}: {value}", place.name)
    } else {
        // Without quotes it would be no string, and the whole object refused; a BackendConfig has numbers.
        let value = if kind == "BackendConfig" { value.to_owned() } else { format!("{value:?}") };
        format!("set {field} of {kind} {} to {value}", place.name)
    };
    match owner {
        Owner::Helm { .. } => format!("set {} in the values of its chart", helm_values(place, path, value)),
        Owner::ArgoCD { .. } => format!(
            "in Git, {in_git}; or let the operator have it: in the Application, spec.ignoreDifferences: [{{group: \"{}\", kind: {kind}, name: {}, managedFieldsManagers: [{FIELD_MANAGER}]}}] and spec.syncPolicy.syncOptions: [RespectIgnoreDifferences=true]",
            place.group, place.name
        ),
        Owner::ArgocdOperator { cr } => match path {
            ["metadata", "annotations", key] if place.kind == "Ingress" => {
                let made_from = Place { group: "argoproj.io", kind: "ArgoCD", name: cr, ..place };
                kubectl(made_from, &["spec", "server", "ingress", "annotations", key], value)
            }
            ["data", key] if place.name == ARGOCD_CMD_PARAMS_CM => {
                let made_from = Place { group: "argoproj.io", kind: "ArgoCD", name: cr, ..place };
                kubectl(made_from, &["spec", "cmdParams", key], value)
            }
            _ => kubectl(place, path, value),
        },
        Owner::Nobody | Owner::Ours | Owner::Person(_) => kubectl(place, path, value),
    }
}

/// Whether what is wanted of this object is elements of a list, described in words.
fn is_list(place: Place<'_>) -> bool {
    matches!(place.kind, "Role" | "ClusterRole" | "AppProject")
}

/// The change as a command.
#[must_use]
pub fn kubectl(place: Place<'_>, path: &[&str], value: &str) -> String {
    // A list is no matter of a one-line patch.
    if is_list(place) {
        return format!("add to {} of {} {}: {value}", dotted(path), place.kind, place.name);
    }
    // A number is no text in the `spec` of such an object.
    let number = value.parse::<u64>().ok().filter(|_| place.kind == "BackendConfig");
    let value = number.map_or_else(|| json!(value), |number| json!(number));
    let patch = path.iter().rev().fold(value, |inner, step| json!({ *step: inner }));
    let namespace = place.namespace.map(|n| format!("-n {n} ")).unwrap_or_default();
    // `argocd` alone is a category for kubectl, ours included.
    let kind = if place.kind == "ArgoCD" { "argocds.argoproj.io".to_owned() } else { place.kind.to_lowercase() };
    format!("kubectl {namespace}patch {kind} {} --type merge -p {}", place.name, word(&patch.to_string()))
}

/// A path for a person to read, such as `data."exec.enabled"`.
#[must_use]
pub fn dotted(path: &[&str]) -> String {
    let step = |step: &&str| if step.contains(['.', '/']) { format!("\"{step}\"") } else { (*step).to_owned() };
    path.iter().map(step).collect::<Vec<_>>().join(".")
}

/// What to add to a message about a value that stands, when its keeper will set it back one day.
#[must_use]
pub fn lasting(keeper: &Keeper, place: Place<'_>, path: &[&str], value: &str) -> Option<String> {
    let Keeper::Helm { release } = keeper else { return None };
    let release = if release.is_empty() { "a Helm release".to_owned() } else { format!("Helm release {release}") };
    Some(format!(
        "{release} sets it back with each upgrade, and the operator puts it right within seconds; {} in the values of its chart ends that",
        helm_values(place, path, value)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CM: Place<'static> = Place { group: "", kind: "ConfigMap", namespace: Some("argocd"), name: "argocd-cm" };
    const FLAG: [&str; 2] = ["data", "exec.enabled"];

    #[test]
    fn each_owner_is_told_in_their_own_words() {
        let of = |owner: Owner| change(&owner, CM, &FLAG, "true");
        assert_eq!(
            of(Owner::Person("kubectl".to_owned())),
            r#"kubectl -n argocd patch configmap argocd-cm --type merge -p '{"data":{"exec.enabled":"true"}}'"#
        );
        assert_eq!(of(Owner::Helm { release: "cd".to_owned() }), r#"set configs.cm."exec.enabled": "true" in the values of its chart"#);
        let git = of(Owner::ArgoCD { application: "cd".to_owned(), leaves: false });
        assert!(git.starts_with(r#"in Git, set data."exec.enabled" of ConfigMap argocd-cm to "true"; "#), "{git}");
        assert!(git.contains("managedFieldsManagers: [argocd-access]") && git.contains("RespectIgnoreDifferences=true"), "{git}");
        let ingress = Place { group: "networking.k8s.io", kind: "Ingress", namespace: Some("argocd"), name: "cd" };
        let path = ["metadata", "annotations", "nginx.org/proxy-read-timeout"];
        assert_eq!(helm_values(ingress, &path, "3600s"), r#"server.ingress.annotations."nginx.org/proxy-read-timeout": "3600s""#);
        assert_eq!(
            change(&Owner::ArgocdOperator { cr: "cd".to_owned() }, ingress, &["metadata", "annotations", "a.b/c"], "1"),
            r#"kubectl -n argocd patch argocds.argoproj.io cd --type merge -p '{"spec":{"server":{"ingress":{"annotations":{"a.b/c":"1"}}}}}'"#
        );
        assert_eq!(
            kubectl(
                Place { group: "argoproj.io", kind: "ArgoCD", namespace: Some("argocd"), name: "cd" },
                &["spec", "extraConfig", "exec.enabled"],
                "true"
            ),
            r#"kubectl -n argocd patch argocds.argoproj.io cd --type merge -p '{"spec":{"extraConfig":{"exec.enabled":"true"}}}'"#
        );
    }
}
