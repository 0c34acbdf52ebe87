//! The API server refuses for a while, or takes seconds for each answer.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::bench::{Behind, spec, until};
use crate::support::proxy::Fault;

/// How long a storm lasts. Leases are spared: without them the operator ends by itself, as the tests of the API server show.
const STORM: Duration = Duration::from_secs(20);

fn is_spared(request: &str) -> bool {
    request.contains("/leases")
}

/// Also says what the metric said of a watch, and how many rounds failed.
async fn through(fault: Fault) -> (Behind, Option<f64>, f64) {
    let behind = Behind::shared().await;
    let team = &behind.team;
    for name in ["stays", "goes"] {
        team.grant(name, &spec(name)).await;
        behind.ready(name).await;
    }
    team.grant("brief", &until("brief", 8)).await;
    behind.ready("brief").await;
    let (failed, told) = (behind.failed_rounds().await, format!("{fault:?}"));
    behind.proxy.faults(move |request| (!is_spared(request)).then(|| fault.clone()));
    let (before, began) = (behind.proxy.requests(), Instant::now());
    behind.proxy.cut();
    team.grant("comes", &spec("comes")).await;
    team.change("goes", json!({"suspend": true})).await;
    tokio::time::sleep(STORM).await;
    let seen = behind.healthy("execaccesses").await;
    let requests = behind.proxy.requests() - before;
    println!("measured: {requests} requests in {} s of {told}", began.elapsed().as_secs());
    assert!(requests < 1500, "{requests} requests in a storm");
    behind.proxy.mended();
    let mended = Instant::now();
    behind.ready("comes").await;
    println!("measured: ready {} ms after the storm", mended.elapsed().as_millis());
    let took = behind.lines_become("goes", false).await.max(behind.lines_become("brief", false).await);
    println!("measured: withdrawn {} ms after the other was ready", took.as_millis());
    behind.ready("stays").await;
    for kind in ["execaccesses", "applications", "configmaps"] {
        behind.healthy_becomes(kind, 1.0).await;
    }
    assert_eq!(behind.starts(), 1);
    let failed = behind.failed_rounds().await - failed;
    (behind, seen, failed)
}

#[tokio::test]
async fn a_storm_of_429_ends_well_and_is_answered_with_patience() {
    for again in [Some(1), None] {
        let (_behind, seen, failed) = through(Fault::Status(429, again)).await;
        assert_eq!(seen, Some(0.0), "the metric hides that nothing is seen");
        assert!(failed >= 1.0, "no failed round is counted");
    }
}

#[tokio::test]
async fn a_storm_of_503_ends_well_and_is_answered_with_patience() {
    let (_behind, seen, failed) = through(Fault::Status(503, None)).await;
    assert_eq!(seen, Some(0.0), "the metric hides that nothing is seen");
    assert!(failed >= 1.0, "no failed round is counted");
}

#[tokio::test]
async fn where_each_answer_takes_seconds_everything_is_done_all_the_same() {
    let (behind, _, _) = through(Fault::Late(Duration::from_secs(3))).await;
    behind.proxy.faults(|request| (!request.contains("watch=true")).then_some(Fault::Late(Duration::from_secs(2))));
    behind.team.grant("slow", &spec("slow")).await;
    behind.ready("slow").await;
    behind.team.change("slow", json!({"suspend": true})).await;
    let took = behind.lines_become("slow", false).await;
    println!("measured: withdrawn within {} ms where each answer takes 2 s", took.as_millis());
    let count = behind.metric("argocd_access_round_duration_seconds_count").await.unwrap_or_default();
    let short = behind.metric("argocd_access_round_duration_seconds_bucket{le=\"1.0\"}").await.unwrap_or_default();
    assert!(count > short, "the long rounds are not seen in the metric: {count} in all, {short} short");
    assert_eq!(behind.starts(), 1);
}
