//! The audit trail of a `ClusterAccess`: what Argo CD may do in the remote cluster, by which credential, and when no more.

use jiff::Timestamp;
use serde_json::json;

use crate::bench::{Bench, CLUSTER};
use crate::support::trail::Trail;

#[tokio::test]
async fn a_cluster_that_is_opened_its_credential_replaced_and_closed_is_told_and_no_token_is_in_it() {
    let bench = Bench::new().await;
    let trail = Trail { client: bench.hub.client(), kubelet: &bench.release.kubelet, namespace: &bench.namespace };
    bench.declare(&bench.spec()).await;
    bench.ready().await;
    let first = crate::bench::token(&bench.cluster_secret().await.unwrap());
    let lines = trail.told(CLUSTER, &["GrantOpened"]).await;
    let what = json!([format!("prod ({}): namespaces {}", bench.remote.server, bench.shop)]).to_string();
    let whom = r#"["ServiceAccount argocd-access/argocd-managed of the remote cluster"]"#;
    for (field, value) in [("kind", "ClusterAccess"), ("whom", whom), ("what", &what)] {
        assert_eq!(lines[0][field], value, "{field}: {:#}", lines[0]);
    }

    // A second later: a token is older than what is demanded in the second of its issue.
    let demanded = Timestamp::from_second(Timestamp::now().as_second() + 1).unwrap();
    bench.annotate("argocd-access.dev/rotate-after", Some(&demanded.to_string())).await;
    let lines = trail.told(CLUSTER, &["GrantOpened", "GrantChanged"]).await;
    assert_eq!(lines[1]["changed"], "credential");
    assert_ne!(lines[1]["credential"], lines[0]["credential"]);
    let second = crate::bench::token(&bench.cluster_secret().await.unwrap());
    assert_ne!(first, second);

    bench.delete().await;
    bench.gone().await;
    let lines = trail.told(CLUSTER, &["GrantOpened", "GrantChanged", "GrantClosed"]).await;
    assert_eq!(lines[2]["cause"], "Deleting");
    let text = json!(lines).to_string();
    assert!(![first, second].iter().any(|token| text.contains(token.as_str())));
}
