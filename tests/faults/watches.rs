//! One watch fails: the others go on, nothing is given that depends on it, and withdrawals go on.

use std::time::{Duration, Instant};

use kube::api::DeleteParams;
use serde_json::json;

use crate::bench::{AFTER, Behind, spec};
use crate::hands::becomes;
use crate::support::proxy::Fault;

/// How long one kind is refused: what takes longer than the operator's pauses shows what ten minutes would, and
/// `FAULTS_REFUSED_SECONDS=600` makes it those.
fn refused_for() -> Duration {
    Duration::from_secs(std::env::var("FAULTS_REFUSED_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(40))
}

fn is_of(request: &str, resource: &str) -> bool {
    let path = request.split(['?', ' ']).nth(1).unwrap_or_default();
    request.starts_with("GET ") && path.ends_with(&format!("/{resource}"))
}

#[tokio::test]
async fn while_one_kind_is_refused_nothing_is_given_that_depends_on_it_and_everything_else_goes_on() {
    let behind = Behind::shared().await;
    let team = &behind.team;
    for name in ["one", "two", "three"] {
        team.grant(name, &spec(name)).await;
        behind.ready(name).await;
    }
    assert_eq!((behind.healthy("applications").await, behind.probes().await), (Some(1.0), (200, 200)));
    let bound = team.bound().await;

    behind.proxy.faults(|request| is_of(request, "applications").then_some(Fault::Status(403, None)));
    let began = Instant::now();
    behind.proxy.cut();
    behind.healthy_becomes("applications", 0.0).await;
    // Where the new one runs cannot be seen, so argocd-server gets no right there.
    let elsewhere = team.cp.namespace("later").await;
    team.application_in(&team.namespace, "web-2", "shop", &elsewhere).await;
    team.grant("unseen", &spec("unseen")).await;
    let mut last = Instant::now();
    while began.elapsed() < refused_for() {
        assert_eq!(team.bound().await, bound, "given on what cannot be seen");
        assert_eq!(behind.probes().await, (200, 200), "a restart does not change its rights");
        if last.elapsed() > Duration::from_secs(10) {
            assert_eq!(behind.healthy("applications").await, Some(0.0));
            last = Instant::now();
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    team.change("one", json!({"suspend": true})).await;
    team.accesses().delete("two", &DeleteParams::default()).await.unwrap();
    let took = (behind.lines_become("one", false).await, behind.lines_become("two", false).await);
    println!("measured: withdrawn within {} and {} ms while one kind was refused", took.0.as_millis(), took.1.as_millis());
    for kind in ["execaccesses", "configmaps", "rolebindings", "namespaces", "deployments"] {
        assert_eq!(behind.healthy(kind).await, Some(1.0), "{kind}");
    }

    behind.proxy.mended();
    // Nothing changes in that kind meanwhile: that it can be read again is to be noticed without.
    behind.healthy_becomes("applications", 1.0).await;
    behind.ready("three").await;
    behind.ready("unseen").await;
    becomes("the right where the new one runs", AFTER, true, async || team.bound().await.contains(&elsewhere)).await;
    assert_eq!((behind.has_lines("one").await, behind.starts()), (false, 1));
}

#[tokio::test]
async fn an_operator_that_cannot_read_what_is_declared_is_not_ready_and_is_so_again_by_itself() {
    let behind = Behind::shared().await;
    behind.team.grant("one", &spec("one")).await;
    behind.ready("one").await;
    behind.proxy.faults(|request| is_of(request, "execaccesses").then_some(Fault::Status(403, None)));
    behind.proxy.cut();
    behind.healthy_becomes("execaccesses", 0.0).await;
    // What is noticed first is that the watch was cut.
    becomes("it is not ready", AFTER, (200, 503), async || behind.probes().await).await;
    assert!(behind.has_lines("one").await, "what was granted is not taken away on a doubt");
    behind.proxy.mended();
    behind.healthy_becomes("execaccesses", 1.0).await;
    assert_eq!((behind.probes().await, behind.starts()), ((200, 200), 1));
}

#[tokio::test]
async fn watches_that_are_cut_or_too_old_are_taken_up_again_and_nothing_is_missed() {
    let behind = Behind::shared().await;
    let team = &behind.team;
    team.grant("one", &spec("one")).await;
    behind.ready("one").await;
    // In a kind in which nothing changes a cut is forgotten, too.
    for round in 0..3 {
        behind.proxy.cut();
        team.grant(&format!("cut-{round}"), &spec("cut")).await;
        behind.ready(&format!("cut-{round}")).await;
    }
    behind.healthy_becomes("ingressclasses", 1.0).await;

    behind.proxy.faults(|request| request.contains("watch=true").then_some(Fault::Expired));
    behind.proxy.cut();
    tokio::time::sleep(Duration::from_secs(5)).await;
    team.change("one", json!({"suspend": true})).await;
    let took = behind.lines_become("one", false).await;
    println!("measured: withdrawn within {} ms while every watch was too old", took.as_millis());
    behind.proxy.mended();
    team.grant("late", &spec("late")).await;
    behind.ready("late").await;
    for kind in ["execaccesses", "applications", "configmaps", "ingressclasses"] {
        behind.healthy_becomes(kind, 1.0).await;
    }
    assert_eq!(behind.starts(), 1);
}
