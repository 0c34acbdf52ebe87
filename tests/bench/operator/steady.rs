//! Many objects that stay as they are: as many rounds as an hour has, one after the other.

use std::time::Duration;

use serde_json::json;

use crate::log::events;
use crate::place::Place;
use crate::process::{Used, quiet};
use crate::report::Report;
use crate::support::process::get;

/// As often a round is made in an hour in which nothing happens.
const ROUNDS: usize = 240;

pub async fn measure(report: &mut Report, place: &Place) {
    quiet(place, Duration::from_secs(3)).await;
    eprintln!("bench: the rounds of an hour");
    let mark = place.cp.audit_mark().await;
    let (before, rounds_before) = (Used::by(place), rounds(place).await);
    for index in 0..ROUNDS {
        place.nudge(index).await;
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    quiet(place, Duration::from_secs(2)).await;
    let rounds = rounds(place).await - rounds_before;
    let after = Used::by(place);
    let writes: Vec<_> = events(place.cp, mark).into_iter().filter(|event| event.user == place.user && event.is_write()).collect();
    let idle_from = Used::by(place);
    tokio::time::sleep(Duration::from_secs(60)).await;
    let idle = Used::by(place);
    report.add(
        &format!("steady state, {} objects", place.applications),
        &json!({
            "rounds": rounds, "writes": writes.len(), "memory MiB": after.memory, "descriptors": after.descriptors,
            "cpu s for the rounds": after.cpu - before.cpu, "cpu s in an idle minute": idle.cpu - idle_from.cpu,
            "memory after MiB": idle.memory, "of it without the program MiB": idle.own,
        }),
    );
    assert_eq!(writes.len(), 0, "a steady state costs no write: {writes:#?}");
    assert!(rounds >= ROUNDS as f64, "{rounds} rounds");
}

/// How many rounds the operator has made.
pub async fn rounds(place: &Place) -> f64 {
    let (_, text) = get(&place.release.kubelet.metrics_url()).await.expect("its metrics");
    let counts = text.lines().filter(|line| line.starts_with("argocd_access_rounds_total")).filter_map(|line| line.rsplit(' ').next());
    counts.filter_map(|number| number.parse::<f64>().ok()).sum()
}
