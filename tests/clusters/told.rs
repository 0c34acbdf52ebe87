//! The audit trail of a `ClusterAccess`: what Argo CD may do in the remote cluster, by which credential, and when no more.

use jiff::Timestamp;
use serde_json::json;

use crate::bench::{Bench, CLUSTER, SOON, token};
use crate::support::trail::Trail;
use crate::support::{eventually, eventually::that};

#[tokio::test]
async fn a_cluster_that_is_opened_its_credential_replaced_and_closed_is_told_and_no_token_is_in_it() {
    let bench = Bench::new().await;
    let trail = Trail { client: bench.hub.client(), kubelet: &bench.release.kubelet, namespace: &bench.namespace };
    bench.declare(&bench.spec()).await;
    bench.ready().await;
    let first = token(&bench.cluster_secret().await.unwrap());
    // The rights come first, and then the credential that has them: told together, or one after the other.
    eventually("the first credential is told", SOON, async || {
        let lines = trail.lines(CLUSTER);
        that(lines.iter().any(|line| line["credential"].as_str().is_some_and(|at| !at.is_empty())), || format!("{lines:#?}"))
    })
    .await;
    let opened = if trail.lines(CLUSTER)[0]["credential"] == "" { vec!["GrantOpened", "GrantChanged"] } else { vec!["GrantOpened"] };
    let lines = trail.told(CLUSTER, &opened).await;
    let what = json!([format!("prod ({}): namespaces {}", bench.remote.server, bench.shop)]).to_string();
    let whom = r#"["ServiceAccount argocd-access/argocd-managed of the remote cluster"]"#;
    for (field, value) in [("kind", "ClusterAccess"), ("whom", whom), ("what", &what)] {
        assert_eq!(lines[0][field], value, "{field}: {:#}", lines[0]);
    }

    // A second later: a token is older than what is demanded in the second of its issue.
    let demanded = Timestamp::from_second(Timestamp::now().as_second() + 1).unwrap();
    bench.annotate("argocd-access.dev/rotate-after", Some(&demanded.to_string())).await;
    let replaced = [&opened[..], &["GrantChanged"]].concat();
    let lines = trail.told(CLUSTER, &replaced).await;
    let [.., before, last] = &lines[..] else { panic!("{lines:#?}") };
    assert_eq!(last["changed"], "credential");
    assert_ne!(last["credential"], before["credential"]);
    let second = token(&bench.cluster_secret().await.unwrap());
    assert_ne!(first, second);

    bench.delete().await;
    bench.gone().await;
    let lines = trail.told(CLUSTER, &[&replaced[..], &["GrantClosed"]].concat()).await;
    assert_eq!(lines.last().unwrap()["cause"], "Deleting");
    let text = json!(lines).to_string();
    assert!(![first, second].iter().any(|token| text.contains(token.as_str())));
}
