//! What the documents refer to exists, and nothing in them belongs to one machine.

use std::collections::BTreeSet;

use argocd_access::api::{ConditionType, Reason};
use serde_json::Value;

use crate::{
    markdown::{Document, document, documents},
    support::{manifests, reaper, tools},
};

#[test]
fn every_link_leads_somewhere() {
    let all = documents();
    for document in &all {
        for target in document.links().iter().filter(|target| !target.contains("://")) {
            let (path, anchor) = target.split_once('#').unwrap_or((target, ""));
            let found = if path.is_empty() { tools::repository().join(&document.path) } else { document.beside(path) };
            assert!(found.exists(), "{}: the link {target} leads nowhere", document.path);
            if !anchor.is_empty() {
                let text = std::fs::read_to_string(&found).unwrap();
                let there = Document { path: String::new(), text }.anchors();
                assert!(there.contains(anchor), "{}: {target}: there are {there:?}", document.path);
            }
        }
    }
}

#[test]
fn every_file_that_is_named_exists() {
    let folders = ["charts/", "crds/", "docs/", "examples/", "src/", "tests/"];
    for document in documents() {
        for name in document.quoted() {
            let word = name.split([' ', '#']).next().unwrap_or_default();
            if folders.iter().any(|folder| word.starts_with(folder)) {
                assert!(tools::repository().join(word).exists(), "{}: there is no {word}", document.path);
            }
        }
    }
}

#[test]
fn the_example_of_the_readme_is_the_file() {
    let file = std::fs::read_to_string(tools::repository().join("examples/team-exec.yaml")).unwrap();
    let shown = document("README.md").blocks();
    assert!(shown.iter().any(|block| block.language == "yaml" && block.text == file), "the README does not show examples/team-exec.yaml");
}

#[test]
fn the_readme_explains_every_condition() {
    let readme = document("README.md").text;
    for kind in ConditionType::EXEC {
        assert!(readme.contains(&format!("| `{}` |", kind.as_str())), "the README's table has no {}", kind.as_str());
    }
}

#[test]
fn every_condition_and_reason_that_is_named_exists() {
    for document in documents() {
        for name in document.quoted() {
            let Some((before, reason)) = name.split_once('/') else { continue };
            let (kind, status) = before.split_once('=').unwrap_or(("", before));
            if ["True", "False", "Unknown"].contains(&status) {
                assert!(Reason::ALL.iter().any(|known| known.as_str() == reason), "{}: no reason {name}", document.path);
                let known = kind.is_empty() || ConditionType::ALL.iter().any(|known| known.as_str() == kind);
                assert!(known, "{}: no condition {name}", document.path);
            }
        }
    }
}

/// The rows of a table of rights, as docs/security.md has them, without their reasons.
fn rights_of_the_chart() -> Vec<String> {
    let chart = tools::repository().join("charts/argocd-access-operator");
    let folder = reaper::folder("rights");
    let mut helm = reaper::command(tools::path("helm"));
    helm.args(["template", "argocd-access-operator"]).arg(chart).args(["--namespace", "argocd"]);
    for variable in ["HOME", "HELM_CACHE_HOME", "HELM_CONFIG_HOME", "HELM_DATA_HOME"] {
        helm.env(variable, folder.path());
    }
    let output = helm.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let list = |rule: &Value, key: &str| {
        let values = rule[key].as_array().into_iter().flatten().map(|value| value.as_str().unwrap().to_owned());
        values.collect::<Vec<_>>()
    };
    let row = |rule: &Value| {
        let group = list(rule, "apiGroups").concat();
        let group = if group.is_empty() { group } else { format!(" ({group})") };
        let resources: Vec<String> = list(rule, "resources").iter().map(|name| format!("`{name}`{group}")).collect();
        let names: Vec<String> = list(rule, "resourceNames").iter().map(|name| format!("`{name}`")).collect();
        let names = if names.is_empty() { "all".to_owned() } else { names.join(", ") };
        format!("| {} | {names} | {} |", resources.join(", "), list(rule, "verbs").join(", "))
    };
    let for_people = |name: &str| name.ends_with("-view") || name.ends_with("-edit");
    let objects = manifests::parse(&String::from_utf8_lossy(&output.stdout));
    let roles = objects.iter().filter(|object| !for_people(object.metadata.name.as_deref().unwrap()));
    roles.flat_map(|role| role.data["rules"].as_array().cloned().unwrap_or_default()).map(|rule| row(&rule)).collect()
}

#[test]
fn the_page_on_security_lists_every_right_that_the_chart_gives_and_no_other() {
    let text = document("docs/security.md").text;
    let mut listed: Vec<&str> = text.lines().filter(|line| line.starts_with("| `")).filter_map(|line| line.rsplitn(3, '|').nth(2)).collect();
    let rights = rights_of_the_chart();
    let mut rights: Vec<&str> = rights.iter().map(|row| row.trim_end_matches('|')).collect();
    listed.sort_unstable();
    rights.sort_unstable();
    assert_eq!(listed, rights);
}

#[test]
fn every_reason_that_is_documented_is_one_that_the_operator_reports() {
    let mut code = String::new();
    let mut folders = vec![tools::repository().join("src")];
    while let Some(folder) = folders.pop() {
        for path in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() && !path.ends_with("tests") {
                folders.push(path);
            } else if path.is_file() && !path.ends_with("api/conditions.rs") {
                code.push_str(&std::fs::read_to_string(path).unwrap());
            }
        }
    }
    let words: BTreeSet<&str> = code.split(|c: char| !c.is_alphanumeric() && c != ':' && c != '_').collect();
    for reason in Reason::ALL {
        assert!(words.contains(format!("Reason::{}", reason.as_str()).as_str()), "nothing reports {}", reason.as_str());
    }
}

#[test]
fn no_document_names_a_machine_or_a_registry() {
    let mut examples = Vec::new();
    let mut folders = vec!["examples".to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(tools::repository().join(&folder)).unwrap().map(|entry| entry.unwrap()) {
            let path = format!("{folder}/{}", entry.file_name().to_string_lossy());
            if entry.path().is_dir() { folders.push(path) } else { examples.push(document(&path)) }
        }
    }
    for document in documents().into_iter().chain(examples) {
        for word in ["/work", "/root", "/home/", "/tmp/", "docker.io", "quay.io", "ghcr.io", "gcr.io", "registry.k8s.io", "public.ecr.aws"] {
            assert!(!document.text.contains(word), "{} names {word}", document.path);
        }
    }
}
