use std::time::Duration;

use crate::api::Condition;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::*;

#[test]
fn every_metric_is_shown_with_its_prefix_and_unit() {
    let metrics = Metrics::default();
    metrics.written(Kind::ConfigMap, "ok");
    metrics.watch("pods", false);
    metrics.contended("argocd", "ExecAccess", None, 2);
    let text = metrics.text();
    for line in [
        "argocd_access_writes_total{object=\"ConfigMap\",result=\"ok\"} 1",
        "argocd_access_watch_healthy{kind=\"pods\"} 0",
        "argocd_access_contended_fields{argocd_namespace=\"argocd\",kind=\"ExecAccess\"} 2",
        "argocd_access_build_info{version=",
    ] {
        assert!(text.contains(line), "{line} in {text}");
    }
}

fn status(ready: &str, active: &str) -> Vec<Condition> {
    let condition = |kind: ConditionType, status: &str| Condition {
        type_: kind.as_str().into(),
        status: status.into(),
        reason: "X".into(),
        message: String::new().into(),
        observed_generation: None,
        last_transition_time: Time(jiff::Timestamp::UNIX_EPOCH),
    };
    vec![condition(ConditionType::Active, active), condition(ConditionType::Ready, ready)]
}

fn tally(all: &[(&str, &str, Option<i64>)]) -> Tally {
    let mut tally = Tally::default();
    for (ready, active, end) in all {
        tally.add(&status(ready, active), end.map(|end| jiff::Timestamp::from_second(end).unwrap()));
    }
    tally
}

fn told(metrics: &Metrics, kind: &'static str, part: Option<&str>, all: &[(&str, &str, Option<i64>)]) {
    metrics.told("argocd", kind, part, &[ConditionType::Active, ConditionType::Ready], &tally(all), jiff::Timestamp::UNIX_EPOCH);
}

#[test]
fn objects_with_rounds_of_their_own_are_counted_together() {
    let metrics = Metrics::default();
    for (part, ready) in [("a", "True"), ("b", "True"), ("c", "False")] {
        told(&metrics, "ClusterAccess", Some(part), &[(ready, "True", None)]);
        metrics.contended("argocd", "ClusterAccess", Some(part), 1);
    }
    let shows = |line: &str| metrics.text().lines().any(|l| l == format!("argocd_access_{line}"));
    let objects = |ready: &str, count: u8| shows(&format!("objects{{argocd_namespace=\"argocd\",kind=\"ClusterAccess\",ready=\"{ready}\"}} {count}"));
    assert!(objects("True", 2) && objects("False", 1), "{}", metrics.text());
    assert!(shows("contended_fields{argocd_namespace=\"argocd\",kind=\"ClusterAccess\"} 3"), "{}", metrics.text());
    let forget = |part| metrics.forget("argocd", "ClusterAccess", part, &[ConditionType::Active, ConditionType::Ready], jiff::Timestamp::UNIX_EPOCH);
    forget("a");
    assert!(objects("True", 1), "{}", metrics.text());
    metrics.round("argocd", "ClusterAccess", "quiet", Duration::ZERO, jiff::Timestamp::UNIX_EPOCH);
    forget("b");
    assert!(metrics.text().contains("last_round_timestamp_seconds{"), "c has rounds still: {}", metrics.text());
    forget("c");
    assert!(!metrics.text().contains("last_round_timestamp_seconds{"), "of nothing no rounds are due: {}", metrics.text());
    assert!(objects("True", 0) && objects("False", 0), "the last one is gone: {}", metrics.text());
    assert!(shows("contended_fields{argocd_namespace=\"argocd\",kind=\"ClusterAccess\"} 0"), "{}", metrics.text());
}

#[test]
fn conditions_are_counted_by_type_and_status_and_what_is_no_more_is_zero() {
    let metrics = Metrics::default();
    let shows = |condition: &str, status: &str, count: u8| {
        let labels = format!("argocd_namespace=\"argocd\",kind=\"ExecAccess\",condition=\"{condition}\",status=\"{status}\"");
        assert!(metrics.text().contains(&format!("argocd_access_conditions{{{labels}}} {count}\n")), "{labels} {count} in {}", metrics.text());
    };
    told(&metrics, "ExecAccess", None, &[("False", "True", None), ("Unknown", "True", None), ("True", "False", None)]);
    shows("Active", "True", 2);
    shows("Active", "False", 1);
    shows("Ready", "Unknown", 1);
    told(&metrics, "ExecAccess", None, &[]);
    shows("Active", "True", 0);
    shows("Ready", "Unknown", 0);
}

#[test]
fn grants_about_to_end_are_those_in_effect_whose_validity_ends_within_an_hour() {
    let metrics = Metrics::default();
    let shows = |line: &str| metrics.text().lines().any(|l| l.starts_with(&format!("argocd_access_{line}")));
    let of = "{argocd_namespace=\"argocd\",kind=\"ExecAccess\"}";
    told(
        &metrics,
        "ExecAccess",
        None,
        &[("True", "True", Some(3600)), ("True", "True", Some(3601)), ("False", "False", Some(60)), ("True", "True", None)],
    );
    assert!(shows(&format!("active_grants{of} 3")) && shows(&format!("expiring_grants{of} 1")), "{}", metrics.text());
    assert!(shows(&format!("next_grant_expiry_timestamp_seconds{of} 3600")), "{}", metrics.text());
    told(&metrics, "ExecAccess", None, &[("True", "True", None)]);
    assert!(shows(&format!("expiring_grants{of} 0")) && !shows("next_grant_expiry_timestamp_seconds{"), "{}", metrics.text());
}

#[test]
fn an_object_without_a_status_counts_as_one_of_which_nothing_is_known() {
    let metrics = Metrics::default();
    let mut tally = Tally::default();
    tally.add(&[], None);
    metrics.told("argocd", "ExecAccess", None, &[ConditionType::Ready], &tally, jiff::Timestamp::UNIX_EPOCH);
    assert!(
        metrics.text().contains("argocd_access_objects{argocd_namespace=\"argocd\",kind=\"ExecAccess\",ready=\"Unknown\"} 1\n"),
        "{}",
        metrics.text()
    );
}

/// What is listed is what there is: names, types, and labels.
#[test]
fn every_metric_that_is_shown_is_described_and_every_one_that_is_described_is_shown() {
    let metrics = Metrics::default();
    metrics.written(Kind::ConfigMap, "ok");
    metrics.watch("pods", false);
    metrics.contended("argocd", "ExecAccess", None, 2);
    metrics.round("argocd", "ExecAccess", "quiet", Duration::ZERO, jiff::Timestamp::UNIX_EPOCH);
    told(&metrics, "ExecAccess", None, &[("True", "True", Some(1))]);
    metrics.planned("ExecAccess", Duration::ZERO);
    metrics.applied("ExecAccess", Duration::ZERO);
    metrics.clock_skew(None);
    metrics.leads("argocd", true);
    metrics.remote("argocd", "prod", true, None);
    let text = metrics.text();
    let mut shown: Vec<String> = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")).map(ToOwned::to_owned).collect();
    let mut described: Vec<String> = ALL.iter().map(|metric| format!("{PREFIX}_{} {}", metric.name, metric.kind)).collect();
    shown.sort();
    described.sort();
    assert_eq!(shown, described);
    for metric in ALL {
        let first = text.lines().find(|line| line.starts_with(&metric.scraped())).unwrap_or_else(|| panic!("{} in {text}", metric.scraped()));
        let labels = first.split_once('{').map_or("", |(_, rest)| rest.split('}').next().unwrap());
        let names: Vec<&str> = labels.split(',').filter_map(|pair| pair.split_once('=')).map(|(name, _)| name).filter(|n| *n != "le").collect();
        assert_eq!(names, metric.labels.iter().map(|(name, _)| *name).collect::<Vec<_>>(), "{}", metric.scraped());
    }
}
