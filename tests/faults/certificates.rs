//! The API server's certificate is replaced, the authority that signed it, and the operator's own token.

use std::time::Duration;

use crate::bench::{AFTER, Behind, spec};
use crate::hands::becomes;
use crate::support::certificates::Authority;

#[tokio::test]
async fn another_certificate_of_the_api_server_by_the_same_authority_is_accepted() {
    let behind = Behind::own().await;
    let (team, cp) = (&behind.team, behind.team.cp);
    team.grant("one", &spec("one")).await;
    behind.ready("one").await;
    cp.stop_api_server();
    cp.new_serving_certificate();
    cp.start_api_server_again().await;
    team.grant("two", &spec("two")).await;
    behind.ready("two").await;
    behind.healthy_becomes("execaccesses", 1.0).await;
    behind.end();
}

#[tokio::test]
async fn a_token_that_is_replaced_in_its_file_is_used_within_minutes_and_without_a_restart() {
    let behind = Behind::shared().await;
    let team = &behind.team;
    team.grant("one", &spec("one")).await;
    behind.ready("one").await;
    let token = team.cp.token(&team.namespace, &team.release.service_account().await).await;
    assert!(!behind.proxy.has_come(&token));
    team.release.kubelet.replace_token(&token);
    // kube reads the file again once a minute.
    becomes("it comes with the new token", AFTER + Duration::from_secs(30), true, async || behind.proxy.has_come(&token)).await;
    team.grant("two", &spec("two")).await;
    behind.ready("two").await;
    assert_eq!((behind.failed_rounds().await, behind.starts()), (0.0, 1));
}

#[tokio::test]
async fn other_authorities_in_their_file_end_the_process_well_before_they_are_needed() {
    let behind = Behind::shared().await;
    let (team, next) = (&behind.team, another_authority(&behind));
    team.grant("one", &spec("one")).await;
    behind.ready("one").await;

    // As a cluster's authority is replaced: everybody gets both, then the API server shows a certificate of the new one.
    let both: String = [&team.cp.authority, &next].map(|authority| std::fs::read_to_string(authority.file()).unwrap()).concat();
    team.release.kubelet.replace_authorities(&both);
    // They are looked for once a minute.
    becomes("it is started with them", AFTER + Duration::from_secs(30), 2, async || behind.starts()).await;
    let log = team.release.kubelet.operator_log();
    assert!(log.contains("the cluster has other certificate authorities"), "{log}");
    assert!(!log.lines().any(|line| line.starts_with("argocd-access: ")), "a process says so at its end when something failed: {log}");
    behind.proxy.serve_as(&next);
    team.grant("two", &spec("two")).await;
    behind.ready("two").await;
    assert!(behind.has_lines("one").await, "nothing was lost");
    assert_eq!(behind.starts(), 2);
}

#[tokio::test]
async fn an_authority_that_nobody_knew_of_is_named_as_what_is_wrong_and_found_once_it_is_in_the_file() {
    let behind = Behind::shared().await;
    let (team, next) = (&behind.team, another_authority(&behind));
    team.grant("one", &spec("one")).await;
    behind.ready("one").await;
    behind.proxy.serve_as(&next);
    behind.healthy_becomes("execaccesses", 0.0).await;
    becomes("what is wrong is in the log", AFTER, true, async || behind.log().contains("invalid peer certificate")).await;
    team.release.kubelet.replace_authorities(&std::fs::read_to_string(next.file()).unwrap());
    team.grant("two", &spec("two")).await;
    behind.ready("two").await;
    assert!(behind.has_lines("one").await, "nothing was lost");
}

fn another_authority(behind: &Behind) -> Authority {
    let folder = behind.team.cp.folder().join(format!("authority-of-{}", behind.team.namespace));
    std::fs::create_dir_all(&folder).unwrap();
    Authority::new(&folder)
}
