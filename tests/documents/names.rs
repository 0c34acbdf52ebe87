//! What the documents name is there: metrics, options of the command line, values of the chart.

use std::collections::BTreeSet;

use argocd_access::cli::Cli;
use argocd_access::metrics;
use clap::{Command, CommandFactory};
use serde_json::Value;

use crate::{
    markdown::{Document, document, documents},
    support::tools,
};

/// Every word of its text and its blocks, as far as it can be a name.
fn words(document: &Document) -> Vec<&str> {
    document.text.split(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | '-' | '.'))).collect()
}

#[test]
fn every_metric_that_is_named_exists_and_every_one_is_documented() {
    let known: BTreeSet<String> = metrics::ALL.iter().map(metrics::Described::scraped).collect();
    for document in documents() {
        for word in words(&document).into_iter().filter(|word| word.starts_with("argocd_access_")) {
            let base = ["_bucket", "_sum", "_count"].iter().find_map(|part| word.strip_suffix(part)).unwrap_or(word);
            assert!(known.contains(base), "{}: there is no metric {word}", document.path);
        }
    }
    let page = document("docs/reference/metrics.md").text;
    assert!(known.iter().all(|name| page.contains(&format!("`{name}`"))));
}

/// The command that the words behind `argocd-access` lead to, and the options in them.
fn asked<'a>(program: &'a Command, line: &'a str) -> (&'a Command, Vec<&'a str>) {
    let mut command = program;
    let mut options = Vec::new();
    for word in line.split_whitespace() {
        if let Some(sub) = command.find_subcommand(word).filter(|_| options.is_empty()) {
            command = sub;
        } else if word.starts_with('-') && word.len() > 1 {
            options.push(word.split(['=', '`', ')', ',']).next().unwrap_or(word));
        }
    }
    (command, options)
}

fn has(command: &Command, option: &str) -> bool {
    let argument = |a: &clap::Arg| match option.strip_prefix("--") {
        Some(long) => a.get_long() == Some(long),
        None => a.get_short().is_some_and(|short| option == format!("-{short}")),
    };
    option == "--help" || command.get_arguments().any(argument)
}

#[test]
fn every_option_of_the_command_line_that_is_named_exists() {
    let mut program = Cli::command();
    program.build();
    let mut seen = 0;
    for document in documents() {
        let blocks = document.blocks().into_iter().filter(|block| block.language == "bash").map(|block| block.text.replace("\\\n", " "));
        let lines: Vec<String> = blocks.flat_map(|text| text.lines().map(ToOwned::to_owned).collect::<Vec<_>>()).chain(document.quoted()).collect();
        for line in lines {
            let calls = ["argocd-access ", "argocd access ", "kubectl argocd-access "].iter().find_map(|call| line.trim().strip_prefix(call));
            let Some(call) = calls else { continue };
            // What comes behind a pipe or another command is not its own.
            let call = call.split(['|', ';', '>', '&', '#']).next().unwrap_or_default();
            let (command, options) = asked(&program, call);
            for option in options {
                assert!(has(command, option), "{}: {} has no option {option}: {line}", document.path, command.get_name());
                seen += 1;
            }
        }
    }
    assert!(seen > 10, "{seen}");
}

#[test]
fn every_value_of_the_chart_that_is_named_exists() {
    let file = tools::repository().join("charts/argocd-access-operator/values.yaml");
    let values: Value = serde_yaml::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    // Either the whole path, or what is below `instance`.
    let exists = |path: &str, root: &Value| path.split('.').try_fold(root, |value, part| value.get(part)).is_some();
    let groups = ["instance.", "limits.", "inPlace.", "restore."];
    let mut seen = 0;
    for document in documents().into_iter().filter(|document| !document.path.starts_with("docs/reference/execaccess")) {
        for quoted in document.quoted() {
            let path = quoted.split([':', '=', ' ']).next().unwrap_or_default();
            if !groups.iter().any(|group| path.starts_with(group)) || path.ends_with('.') || path.contains('*') {
                continue;
            }
            assert!(exists(path, &values) || exists(path, &values["instance"]), "{}: the chart has no value {path}", document.path);
            seen += 1;
        }
    }
    assert!(seen > 20, "{seen}");
}
