//! The workflows of a release, and the threat model: what they name exists.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::{markdown::document, support::tools};

/// The workflows, by their file names.
fn workflows() -> Vec<(String, String, Value)> {
    let folder = tools::repository().join(".github/workflows");
    let entries = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap());
    let read = |entry: std::fs::DirEntry| {
        let text = std::fs::read_to_string(entry.path()).unwrap();
        let parsed = serde_yaml::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", entry.path().display()));
        (entry.file_name().to_string_lossy().into_owned(), text, parsed)
    };
    let all: Vec<_> = entries.map(read).collect();
    assert_eq!(all.len(), 2, "ci and release");
    all
}

/// The steps of every job, with the permissions of the job.
fn steps(workflow: &Value) -> Vec<(&Value, &Value)> {
    let jobs = workflow["jobs"].as_object().unwrap().values();
    jobs.flat_map(|job| job["steps"].as_array().unwrap().iter().map(|step| (&job["permissions"], step))).collect()
}

#[test]
fn an_action_of_somebody_else_is_pinned_by_digest_and_nothing_of_a_pull_request_gets_into_a_script() {
    for (name, text, workflow) in workflows() {
        assert!(!text.contains("pull_request_target"), "{name}: it would run a stranger's code with our rights");
        for (_permissions, step) in steps(&workflow) {
            if let Some(action) = step["uses"].as_str() {
                let digest = action.split_once('@').map(|(_name, digest)| digest).unwrap_or_default();
                assert!(digest.len() == 40 && digest.bytes().all(|byte| byte.is_ascii_hexdigit()), "{name}: {action} is not pinned by digest");
            }
            let script = step["run"].as_str().unwrap_or_default();
            assert!(!script.contains("${{"), "{name}: an expression within a script is code of whoever decides its value:\n{script}");
        }
    }
}

#[test]
fn each_workflow_has_only_the_rights_that_it_names() {
    for (name, _text, workflow) in workflows() {
        let of_all = workflow["permissions"].as_object().unwrap_or_else(|| panic!("{name} declares no permissions"));
        assert!(of_all.values().all(|right| right == "read"), "{name}: {of_all:?}");
        for (permissions, step) in steps(&workflow) {
            let writes: BTreeSet<&str> = permissions
                .as_object()
                .into_iter()
                .flatten()
                .filter(|(_what, right)| *right == "write")
                .map(|(what, _right)| what.as_str())
                .collect();
            let script = step["run"].as_str().unwrap_or_default();
            if script.contains("make test") {
                assert!(writes.is_empty(), "{name}: what is tested runs with the right to write {writes:?}");
            }
            assert!(writes.is_subset(&BTreeSet::from(["packages", "id-token"])), "{name}: {writes:?}");
        }
    }
}

#[test]
fn each_target_that_a_workflow_makes_exists() {
    let makefile = std::fs::read_to_string(tools::repository().join("Makefile")).unwrap();
    let mut made = BTreeSet::new();
    for (name, _text, workflow) in workflows() {
        for (_permissions, step) in steps(&workflow) {
            let words: Vec<&str> = step["run"].as_str().unwrap_or_default().split_whitespace().collect();
            for pair in words.windows(2).filter(|pair| pair[0] == "make") {
                assert!(makefile.contains(&format!("\n{}: ##", pair[1])), "{name}: there is no make {}", pair[1]);
                made.insert(pair[1].to_owned());
            }
        }
    }
    assert!(made.is_superset(&["test", "image", "image-test"].map(str::to_owned).into()), "{made:?}");
}

#[test]
fn each_test_that_the_threat_model_names_exists() {
    let page = document("docs/security.md").text;
    let section = page.split("## Why not more\n").nth(1).and_then(|rest| rest.split("\n## ").next()).unwrap();
    let rows = section.lines().filter(|line| line.starts_with("| ")).skip(1);
    let mut tests = BTreeSet::new();
    for row in rows {
        let cell = row.trim_end_matches(" |").rsplit(" | ").next().unwrap();
        let named: Vec<&str> = cell.split(", ").map(|name| name.trim_matches('`')).collect();
        assert!(named.iter().all(|name| name.contains('_')), "a claim without a test: {row}");
        tests.extend(named);
    }
    assert!(tests.len() > 10);
    let mut sources = String::new();
    let mut folders = vec![tools::repository().join("tests")];
    while let Some(folder) = folders.pop() {
        for path in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                sources += &std::fs::read_to_string(path).unwrap();
            }
        }
    }
    for test in tests {
        assert!(sources.contains(&format!("fn {test}(")), "there is no test {test}");
    }
}
