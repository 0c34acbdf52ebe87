//! The API server is away for a while, and etcd answers nothing.

use std::time::Duration;

use crate::bench::{Behind, spec, until};
use crate::hands::{ARGOCD_CM, becomes};

/// Every write is done once, as the audit log has it: the operator's successful ones of each object and field.
async fn flags(behind: &Behind, mark: crate::support::audit::Mark) -> usize {
    let writes = behind.team.writes(mark).await;
    writes.iter().filter(|write| write.resource == "configmaps" && write.name == ARGOCD_CM && write.code < 300).count()
}

async fn away(seconds: u64) -> (Behind, usize) {
    let behind = Behind::own().await;
    let (team, cp) = (&behind.team, behind.team.cp);
    let mark = cp.audit_mark().await;
    team.grant("stays", &spec("stays")).await;
    behind.ready("stays").await;
    team.grant("brief", &until("brief", 8)).await;
    behind.ready("brief").await;
    let starts = behind.starts();
    cp.stop_api_server();
    tokio::time::sleep(Duration::from_secs(seconds.max(9))).await;
    cp.start_api_server_again().await;
    let took = behind.lines_become("brief", false).await;
    println!("measured: what ended while the API server was away for {seconds} s was withdrawn {} ms after it was back", took.as_millis());
    team.grant("later", &spec("later")).await;
    behind.ready("later").await;
    behind.ready("stays").await;
    for kind in ["execaccesses", "applications", "configmaps", "ingressclasses", "namespaces"] {
        behind.healthy_becomes(kind, 1.0).await;
    }
    assert_eq!(flags(&behind, mark).await, 1, "the flag is written once");
    let restarts = behind.starts() - starts;
    println!("measured: {restarts} restarts of the operator");
    (behind, restarts)
}

#[tokio::test]
async fn an_api_server_that_is_restarted_costs_one_restart_of_ours_at_most_and_nothing_is_forgotten() {
    let (behind, restarts) = away(0).await;
    assert!(restarts <= 1, "{restarts}\n{}", behind.log());
    behind.end();
}

#[tokio::test]
async fn an_api_server_that_is_away_for_longer_than_the_lease_ends_the_operator_which_then_begins_anew() {
    let (behind, restarts) = away(20).await;
    assert!(restarts >= 1, "the lease was lost");
    assert!(behind.team.release.kubelet.operator_log().contains("was not renewed within"), "{}", behind.log());
    behind.end();
}

#[tokio::test]
async fn while_etcd_answers_nothing_nothing_is_given_and_the_lease_is_lost_and_afterwards_all_is_right() {
    let behind = Behind::own().await;
    let (team, cp) = (&behind.team, behind.team.cp);
    team.grant("stays", &spec("stays")).await;
    behind.ready("stays").await;
    team.grant("brief", &until("brief", 20)).await;
    behind.ready("brief").await;
    let (bound, starts, mark) = (team.bound().await, behind.starts(), cp.audit_mark().await);
    cp.signal_etcd("STOP");
    becomes("the operator ends", Duration::from_secs(45), true, async || team.release.kubelet.operator_log().contains("was not renewed within"))
        .await;
    tokio::time::sleep(Duration::from_secs(40)).await;
    assert!(behind.metric("argocd_access_leader").await.is_none_or(|leads| leads == 0.0));
    cp.signal_etcd("CONT");
    let took = behind.lines_become("brief", false).await;
    println!("measured: what ended while etcd was stopped was withdrawn {} ms after it went on", took.as_millis());
    behind.ready("stays").await;
    team.grant("later", &spec("later")).await;
    behind.ready("later").await;
    assert_eq!(team.bound().await, bound);
    assert!(behind.starts() > starts, "it was not ended");
    println!("measured: {} restarts of the operator while etcd was stopped", behind.starts() - starts);
    assert_eq!(flags(&behind, mark).await, 0, "the flag stands already");
    let leader = format!("argocd_access_leader{{argocd_namespace=\"{}\"}}", team.namespace);
    assert_eq!(behind.metric(&leader).await, Some(1.0));
    behind.end();
}
