//! The values of the chart: their names, defaults and comments from values.yaml, what may be set from values.schema.json.

use serde_json::Value;

use crate::{
    head, repository,
    table::{code, table},
};

const CHART: &str = "charts/argocd-access-operator";

/// A key of values.yaml.
struct Key {
    path: Vec<String>,
    comment: String,
}

pub fn page() -> String {
    let read = |name: &str| std::fs::read_to_string(repository().join(CHART).join(name)).unwrap_or_else(|error| panic!("read {name}: {error}"));
    let text = read("values.yaml");
    let values: Value = serde_yaml::from_str(&text).expect("values.yaml is YAML");
    let schema: Value = serde_json::from_str(&read("values.schema.json")).expect("values.schema.json is JSON");
    let mut page = head("The chart's values", &format!("{CHART}/values.yaml"));
    page += "For `helm install --set NAME=VALUE`, or in a file for `--values`. A name that is not listed here is refused.\n\n";
    let keys = keys(&text);
    let row = |key: &Key| {
        let default = key.path.iter().fold(&values, |value, part| &value[part]);
        vec![code(&key.path.join(".")), code(&default.to_string()), allowed(&schema, &key.path), key.comment.clone()]
    };
    section(&mut page, &[], &keys, &row);
    page.trim_end().to_owned() + "\n"
}

/// A table of the values right below, then a section for each group of values.
fn section(page: &mut String, outer: &[String], keys: &[Key], row: &dyn Fn(&Key) -> Vec<String>) {
    let own = || keys.iter().filter(|key| key.path.len() == outer.len() + 1 && key.path.starts_with(outer));
    // A map none of whose parts has a comment of its own is one value.
    let is_group =
        |key: &&Key| keys.iter().any(|other| other.path.len() > key.path.len() && other.path.starts_with(&key.path) && !other.comment.is_empty());
    let rows: Vec<Vec<String>> = own().filter(|key| !is_group(key)).map(row).collect();
    *page += &table(&["value", "default", "allowed", "meaning"], &rows);
    for group in own().filter(is_group) {
        *page += &format!("{} {}\n\n", "#".repeat(group.path.len() + 1), group.path.join("."));
        *page += &if group.comment.is_empty() { String::new() } else { format!("{}\n\n", group.comment) };
        section(page, &group.path, keys, row);
    }
}

/// The keys in their order, each with the comment above it; keys without a comment share that of the one before, as the file has them.
fn keys(text: &str) -> Vec<Key> {
    let mut keys: Vec<Key> = Vec::new();
    let mut path: Vec<(usize, String)> = Vec::new();
    let mut comment: Vec<String> = Vec::new();
    let mut last: Option<(usize, String)> = None;
    for line in text.lines() {
        let content = line.trim_start();
        let depth = (line.len() - content.len()) / 2;
        if content.is_empty() {
            (comment, last) = (Vec::new(), None);
        } else if let Some(said) = content.strip_prefix('#') {
            comment.push(said.strip_prefix(' ').unwrap_or(said).to_owned());
        } else if let Some((name, _)) = content.split_once(':').filter(|_| !content.starts_with('-')) {
            path.retain(|(outer, _)| *outer < depth);
            path.push((depth, name.to_owned()));
            let own = prose(&std::mem::take(&mut comment));
            let shared = last.as_ref().filter(|(at, _)| *at == depth && own.is_empty()).map(|(_, said)| said.clone());
            let said = shared.unwrap_or(own);
            last = Some((depth, said.clone()));
            keys.push(Key { path: path.iter().map(|(_, name)| name.clone()).collect(), comment: said });
        }
    }
    keys
}

/// The lines of a comment as sentences: an indented line begins anew.
fn prose(lines: &[String]) -> String {
    lines.iter().map(|line| line.trim()).collect::<Vec<_>>().join(" ")
}

/// What the schema lets through, where that is more than a type.
fn allowed(schema: &Value, path: &[String]) -> String {
    let found = path.iter().fold(schema, |at, part| referred(schema, &at["properties"][part]));
    assert!(found.is_object(), "values.schema.json has no {}", path.join("."));
    if let Some(values) = found["enum"].as_array() {
        return values.iter().filter_map(Value::as_str).map(code).collect::<Vec<_>>().join(" or ");
    }
    match (found["minimum"].as_i64(), found["maximum"].as_i64()) {
        (Some(least), Some(most)) => format!("{least} to {most}"),
        _ => String::new(),
    }
}

/// A part of the schema that is told elsewhere in it.
fn referred<'a>(schema: &'a Value, part: &'a Value) -> &'a Value {
    let Some(place) = part["$ref"].as_str() else { return part };
    let pointer = place.strip_prefix('#').unwrap_or_else(|| panic!("a reference out of the schema: {place}"));
    referred(schema, schema.pointer(pointer).unwrap_or_else(|| panic!("a reference to nothing: {place}")))
}
