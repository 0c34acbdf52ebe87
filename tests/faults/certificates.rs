//! The API server's certificate is replaced, and the operator's own token.

use std::time::Duration;

use crate::bench::{AFTER, Behind, spec};
use crate::hands::becomes;

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
