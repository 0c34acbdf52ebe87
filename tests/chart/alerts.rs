//! Alert rules and the dashboard: Prometheus' own promtool reads them, fires them, and every metric in them is there.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use argocd_access::api::ConditionType;
use argocd_access::metrics;
use serde_json::{Value, json};

use crate::rendering::{chart, refusal, render};
use crate::support::{openmetrics::fed, reaper, tools};

const ON: [&str; 2] = ["metrics.prometheusRule.enabled=true", "metrics.dashboard.enabled=true"];

fn promtool(arguments: &[&str], file: &Path) {
    fed(Command::new(tools::path("promtool")).args(arguments).arg(file), "").success();
}

fn rules_file() -> PathBuf {
    Path::new(&chart()).join("files/alerts.yaml")
}

fn alerts() -> Vec<Value> {
    let file: Value = serde_yaml::from_str(&std::fs::read_to_string(rules_file()).unwrap()).unwrap();
    file["groups"][0]["rules"].as_array().unwrap().clone()
}

fn dashboard() -> Value {
    serde_json::from_str(&std::fs::read_to_string(Path::new(&chart()).join("files/dashboard.json")).unwrap()).unwrap()
}

/// The expressions of the dashboard, as Grafana sends them.
fn shown() -> Vec<String> {
    let dashboard = dashboard();
    let targets = dashboard["panels"].as_array().unwrap().iter().flat_map(|panel| panel["targets"].as_array().unwrap().clone());
    targets.map(|target| target["expr"].as_str().unwrap().replace("$argocd_namespace", ".*")).collect()
}

#[test]
fn promtool_accepts_the_rules_and_each_alert_fires_when_it_should_and_only_then() {
    promtool(&["check", "rules", "--lint-fatal"], &rules_file());
    let tests = tools::repository().join("tests/chart/alerts.test.yaml");
    promtool(&["test", "rules"], &tests);
    let text = std::fs::read_to_string(&tests).unwrap();
    for alert in alerts() {
        let name = alert["alert"].as_str().unwrap();
        let cases: Vec<&str> = text.split("alertname: ").filter(|case| case.lines().next() == Some(name)).collect();
        assert!(cases.len() >= 2, "{name} has {} cases", cases.len());
        let fires = |case: &&&str| case.lines().nth(1).is_some_and(|line| line.contains("exp_alerts:") && !line.contains("[]"));
        assert!(cases.iter().any(|case| fires(&case)) && !cases.iter().all(|case| fires(&case)), "{name} fires, and does not, in the tests");
    }
}

#[test]
fn every_metric_and_condition_that_they_ask_for_exists() {
    let known: BTreeSet<String> = metrics::ALL.iter().map(metrics::Described::scraped).collect();
    let types: BTreeSet<&str> = ConditionType::ALL.iter().map(|kind| kind.as_str()).collect();
    let rules = alerts().into_iter().map(|alert| alert["expr"].as_str().unwrap().to_owned()).collect::<Vec<_>>();
    let mut seen = BTreeSet::new();
    for expression in rules.iter().chain(&shown()) {
        for word in expression.split(|c: char| !(c.is_alphanumeric() || c == '_')).filter(|word| word.starts_with("argocd_access_")) {
            let base = ["_bucket", "_sum", "_count"].iter().find_map(|part| word.strip_suffix(part)).unwrap_or(word);
            assert!(known.contains(base), "there is no metric {word}: {expression}");
            seen.insert(base.to_owned());
        }
        for part in expression.split("condition=").skip(1) {
            let names = part.trim_start_matches('~').trim_start_matches('"').split('"').next().unwrap();
            assert!(names.split('|').all(|name| types.contains(name)), "{names}");
        }
    }
    assert_eq!(seen, known, "every metric is shown or watched");
}

#[test]
fn prometheus_understands_every_expression_of_the_dashboard() {
    let folder = reaper::folder("dashboard");
    let rules: Vec<Value> = shown().iter().enumerate().map(|(n, expr)| json!({"record": format!("shown:{n}"), "expr": expr})).collect();
    assert!(rules.len() > 15);
    let file = folder.path().join("rules.yaml");
    std::fs::write(&file, json!({"groups": [{"name": "dashboard", "rules": rules}]}).to_string()).unwrap();
    promtool(&["check", "rules"], &file);
    let dashboard = dashboard();
    let ids: BTreeSet<i64> = dashboard["panels"].as_array().unwrap().iter().map(|panel| panel["id"].as_i64().unwrap()).collect();
    assert_eq!(ids.len(), dashboard["panels"].as_array().unwrap().len(), "each panel has an id of its own");
}

#[test]
fn each_alert_says_how_bad_it_is_what_it_means_and_where_to_read_on() {
    for alert in alerts() {
        let said = |name: &str| alert["annotations"][name].as_str().unwrap_or_else(|| panic!("no {name}: {alert:#}")).to_owned();
        assert!(["info", "warning", "critical"].contains(&alert["labels"]["severity"].as_str().unwrap()), "{alert:#}");
        assert!(!said("summary").is_empty() && said("description").ends_with('.'), "{alert:#}");
        let runbook = said("runbook");
        let (page, anchor) = runbook.split_once('#').unwrap();
        let text = std::fs::read_to_string(tools::repository().join(page)).unwrap_or_else(|error| panic!("{page}: {error}"));
        let headings = text.lines().filter_map(|line| line.strip_prefix('#')).map(|line| line.trim_start_matches('#').trim());
        let anchors: BTreeSet<String> = headings.map(|heading| heading.to_lowercase().replace(' ', "-")).collect();
        assert!(anchors.contains(anchor), "{anchor} is none of {anchors:?}");
    }
}

#[test]
fn the_chart_brings_them_only_where_it_is_asked_to() {
    let kinds = |settings: &[&str]| {
        let all = render(settings).objects;
        all.iter().map(|object| object["kind"].as_str().unwrap().to_owned()).filter(|kind| kind == "PrometheusRule").count()
    };
    assert_eq!((kinds(&[]), kinds(&ON)), (0, 1));
    assert!(!render(&[]).text.contains("grafana_dashboard"));
    let more = ["metrics.prometheusRule.runbookURL=https://x.example/main/", "metrics.prometheusRule.labels.release=prom"];
    let rendered =
        render(&[&ON[..], &more, &["metrics.prometheusRule.alertLabels.team=platform", "metrics.prometheusRule.alertLabels.severity=page"]].concat());
    let rule = rendered.objects.iter().find(|object| object["kind"] == "PrometheusRule").unwrap();
    assert_eq!((&rule["metadata"]["labels"]["release"], &rule["metadata"]["namespace"]), (&json!("prom"), &json!("argocd")));
    let shown = rule["spec"]["groups"][0]["rules"].as_array().unwrap();
    for (shown, alert) in shown.iter().zip(alerts()) {
        assert_eq!((&shown["alert"], &shown["expr"], &shown["for"]), (&alert["alert"], &alert["expr"], &alert["for"]));
        assert_eq!((&shown["labels"]["severity"], &shown["labels"]["team"]), (&alert["labels"]["severity"], &json!("platform")));
        let url = format!("https://x.example/main/{}", alert["annotations"]["runbook"].as_str().unwrap());
        assert_eq!(shown["annotations"]["runbook_url"], url);
        assert_eq!(shown["annotations"]["description"], alert["annotations"]["description"]);
    }
    let config_map = rendered.objects.iter().find(|object| object["metadata"]["labels"]["grafana_dashboard"] == "1").unwrap();
    let text = config_map["data"]["argocd-access-operator.json"].as_str().unwrap();
    assert_eq!(serde_json::from_str::<Value>(text).unwrap(), dashboard());
    let message = refusal(&["metrics.prometheusRule.runbookURL=javascript:x"]);
    assert!(message.contains("at '/metrics/prometheusRule/runbookURL'"), "{message}");
    assert!(refusal(&["metrics.prometheusRule.enable=true"]).contains("'enable' not allowed"));
}
