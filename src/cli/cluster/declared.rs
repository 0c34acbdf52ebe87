//! The `ClusterAccess` in a file.

use std::path::Path;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::JSONSchemaProps;
use kube::CustomResourceExt;
use serde_json::Value;

use super::ClusterError;
use crate::api::{ClusterAccess, GROUP};
use crate::cli::CliError;
use crate::cli::plan::{documents, from_value, read};

/// Reads the one of this name. Whatever else the file holds is passed over.
pub fn declared(path: &Path, name: &str) -> Result<ClusterAccess, CliError> {
    let mut found = Vec::new();
    let mut others = Vec::new();
    for (document, value) in documents(path, &read(path)?)? {
        let text = |pointer: &str| value.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
        let group = text("/apiVersion").split_once('/').map(|(group, _)| group.to_owned()).unwrap_or_default();
        if text("/kind") == "ClusterAccess" && group == GROUP {
            if text("/metadata/name") == name {
                found.push((document, value));
            } else {
                others.push(text("/metadata/name"));
            }
        }
    }
    let (path_owned, name_owned) = (path.to_owned(), name.to_owned());
    match (found.pop(), found.len()) {
        (None, _) => {
            let found = if others.is_empty() { "none at all".to_owned() } else { others.join(", ") };
            Err(ClusterError::NotDeclared { path: path_owned, name: name_owned, found }.into())
        }
        (Some((document, value)), 0) => {
            // A misspelt field would be passed over, and its default may grant more.
            if let Some(field) = unknown(&value) {
                return Err(ClusterError::UnknownField { path: path_owned, document, field }.into());
            }
            Ok(from_value(path, document, &value)?)
        }
        (Some(_), more) => Err(ClusterError::DeclaredTwice { path: path_owned, name: name_owned, count: more + 1 }.into()),
    }
}

/// The first field of the spec that the definition does not have.
fn unknown(object: &Value) -> Option<String> {
    let definition = ClusterAccess::crd();
    let schema = definition.spec.versions.into_iter().next()?.schema?.open_api_v3_schema?;
    below(schema.properties.as_ref()?.get("spec")?, object.get("spec")?, "spec")
}

fn below(schema: &JSONSchemaProps, value: &Value, at: &str) -> Option<String> {
    use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{JSONSchemaPropsOrArray, JSONSchemaPropsOrBool};
    match value {
        Value::Object(fields) => {
            let rest = match &schema.additional_properties {
                Some(JSONSchemaPropsOrBool::Schema(schema)) => Some(schema.as_ref()),
                Some(JSONSchemaPropsOrBool::Bool(true)) => return None,
                Some(JSONSchemaPropsOrBool::Bool(false)) | None => None,
            };
            fields.iter().find_map(|(name, value)| {
                let at = format!("{at}.{name}");
                match schema.properties.as_ref().and_then(|known| known.get(name)).or(rest) {
                    Some(schema) => below(schema, value, &at),
                    None => Some(at),
                }
            })
        }
        Value::Array(items) => match &schema.items {
            Some(JSONSchemaPropsOrArray::Schema(schema)) => {
                items.iter().enumerate().find_map(|(index, item)| below(schema, item, &format!("{at}[{index}]")))
            }
            _ => None,
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_text(text: &str, name: &str) -> Result<ClusterAccess, String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        declared(file.path(), name).map_err(|error| crate::causes::chain(&error))
    }

    const GOOD: &str = "apiVersion: argocd-access.dev/v1alpha1
kind: ClusterAccess
metadata: {name: prod, namespace: argocd}
spec:
  server: https://prod.example:6443
  labels: {env: prod}
  permissions: {namespaces: {names: [shop], selector: {matchLabels: {team: a}}}, deploy: [{group: apps, resources: [deployments]}]}
";

    #[test]
    fn the_one_of_the_name_is_read_whatever_else_is_there() {
        let other = GOOD.replace("name: prod,", "name: other,");
        let text = format!("{GOOD}---\n{other}---\nkind: ConfigMap\napiVersion: v1\nmetadata: {{name: prod}}\n---\n");
        assert_eq!(read_text(&text, "prod").unwrap().metadata.namespace.as_deref(), Some("argocd"));
        let error = read_text(&text, "elsewhere").unwrap_err();
        assert!(error.contains("no ClusterAccess \"elsewhere\"; it holds prod, other"), "{error}");
        assert!(read_text(&format!("{GOOD}---\n{GOOD}"), "prod").unwrap_err().contains("2 times"));
        assert!(read_text("kind: Other", "prod").unwrap_err().contains("none at all"));
    }

    #[test]
    fn a_field_that_is_misspelt_is_an_error_and_not_its_default() {
        for (right, wrong, said) in [
            ("permissions: {", "permissions: {exce: Never, ", "spec.permissions.exce"),
            ("{group: apps,", "{gruop: apps,", "spec.permissions.deploy[0].gruop"),
            ("labels:", "lables:", "spec.lables"),
            ("permissions: {", "permissions: {exec: never, ", "unknown variant `never`"),
        ] {
            let error = read_text(&GOOD.replace(right, wrong), "prod").unwrap_err();
            assert!(error.contains(said), "{error}");
        }
    }
}
