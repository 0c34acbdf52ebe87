//! The fields of our resources, from their `CustomResourceDefinition`s.

use argocd_access::api::{ClusterAccess, ExecAccess, LiveResourceAccess};
use kube::CustomResourceExt;
use serde_json::Value;

use crate::{
    head,
    table::{code, table},
};

pub fn cluster_access() -> String {
    page::<ClusterAccess>()
}

pub fn exec_access() -> String {
    page::<ExecAccess>()
}

pub fn live_resource_access() -> String {
    page::<LiveResourceAccess>()
}

fn page<K: CustomResourceExt>() -> String {
    let definition = serde_json::to_value(K::crd()).expect("a CRD is JSON");
    let (spec, version) = (&definition["spec"], &definition["spec"]["versions"][0]);
    let schema = &version["schema"]["openAPIV3Schema"];
    let names = &spec["names"];
    let mut page = head(&text(&names["kind"]), "src/api");
    page += &format!("{}\n\n", text(&schema["description"]));
    page += &table(
        &["", ""],
        &[
            vec!["apiVersion".to_owned(), code(&format!("{}/{}", text(&spec["group"]), text(&version["name"])))],
            vec!["kind".to_owned(), code(&text(&names["kind"]))],
            vec!["for kubectl".to_owned(), format!("{}, {}", code(&text(&names["plural"])), list(&names["shortNames"]))],
            vec!["category".to_owned(), list(&names["categories"])],
            vec!["scope".to_owned(), text(&spec["scope"])],
        ],
    );
    page += &format!("`kubectl explain {}.spec` says the same. Examples for each use are in ", text(&names["singular"]));
    page += "[examples/](../../examples); what the conditions\nmean is in [conditions.md](conditions.md).\n\n";
    page += &refusals(&[("the object".to_owned(), schema)]);
    page += &format!("## Columns of `kubectl get {}`\n\n", text(&names["shortNames"][0]));
    let columns = version["additionalPrinterColumns"].as_array().expect("there are columns");
    let wide = |column: &Value| if column["priority"].as_i64().unwrap_or(0) > 0 { "with `-o wide`" } else { "" };
    let rows: Vec<Vec<String>> =
        columns.iter().map(|column| vec![code(&text(&column["name"])), code(&text(&column["jsonPath"])), wide(column).to_owned()]).collect();
    page += &table(&["column", "from", ""], &rows);
    for part in ["spec", "status"] {
        section(&mut page, part, &schema["properties"][part], 2);
    }
    page.trim_end().to_owned() + "\n"
}

/// One object with its fields, and after it those below.
fn section(page: &mut String, path: &str, schema: &Value, depth: usize) {
    let required: Vec<&str> = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    *page += &format!("{} {path}\n\n", "#".repeat(depth.min(4)));
    let description = text(&schema["description"]);
    if !description.is_empty() {
        *page += &format!("{description}\n\n");
    }
    let Some(properties) = schema["properties"].as_object() else { return };
    let fields: Vec<(String, &Value)> = properties.iter().map(|(name, field)| (name.clone(), field)).collect();
    let mut rows = Vec::new();
    let mut judged = vec![(path.to_owned(), schema)];
    for (name, field) in &fields {
        let must = if required.contains(&name.as_str()) { "required" } else { "" };
        let default = if field["default"].is_null() { must.to_owned() } else { code(&field["default"].to_string()) };
        rows.push(vec![code(name), kind(field), default, text(&field["description"])]);
        judged.push((name.clone(), field));
        judged.push((format!("each of {name}"), &field["items"]));
        judged.push((format!("each of {name}"), &field["additionalProperties"]));
    }
    *page += &table(&["field", "type", "default", "meaning"], &rows);
    // What is below says its own.
    judged.retain(|(_, field)| *field == schema || field["properties"].is_null() || is_selector(field));
    *page += &refusals(&judged);
    for (name, field) in &fields {
        let (below, mark) = if field["items"].is_object() { (&field["items"], "[]") } else { (*field, "") };
        if below["properties"].is_object() && !is_selector(below) && *name != "conditions" {
            section(page, &format!("{path}.{name}{mark}"), below, depth + 1);
        }
    }
}

/// What the API server refuses, in its own words.
fn refusals(judged: &[(String, &Value)]) -> String {
    let rows: Vec<Vec<String>> = judged
        .iter()
        .flat_map(|(name, schema)| {
            let rules = schema["x-kubernetes-validations"].as_array().into_iter().flatten();
            rules.map(|rule| vec![code(name), text(&rule["message"])]).collect::<Vec<_>>()
        })
        .collect();
    if rows.is_empty() { String::new() } else { format!("Refused by the API server:\n\n{}", table(&["field", "message"], &rows)) }
}

fn kind(field: &Value) -> String {
    let bounds = |least: &str, most: &str, what: &str| match (field[least].as_u64(), field[most].as_u64()) {
        (Some(least), Some(most)) => format!(" ({least} to {most}{what})"),
        (None, Some(most)) => format!(" (at most {most}{what})"),
        _ => String::new(),
    };
    if let Some(values) = field["enum"].as_array() {
        return values.iter().filter(|value| !value.is_null()).map(|value| code(&text(value))).collect::<Vec<_>>().join(" or ");
    }
    match field["type"].as_str() {
        Some("array") => format!("list{}, of {}", bounds("minItems", "maxItems", ""), kind(&field["items"])),
        Some("object") if field["additionalProperties"].is_object() => {
            format!("map{}, of {}", bounds("minProperties", "maxProperties", ""), kind(&field["additionalProperties"]))
        }
        Some("object") if is_selector(field) => "LabelSelector".to_owned(),
        Some("string") => format!("string{}", bounds("minLength", "maxLength", " characters")),
        Some(other) => other.to_owned(),
        None => String::new(),
    }
}

fn is_selector(schema: &Value) -> bool {
    schema["properties"]["matchLabels"].is_object()
}

fn list(values: &Value) -> String {
    values.as_array().into_iter().flatten().map(|value| code(&text(value))).collect::<Vec<_>>().join(", ")
}

fn text(value: &Value) -> String {
    value.as_str().map(|text| text.split_whitespace().collect::<Vec<_>>().join(" ")).unwrap_or_default()
}
