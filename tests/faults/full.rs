//! Others fill argocd-rbac-cm up to what Kubernetes takes.

use std::time::Duration;

use kube::api::{Patch, PatchParams};
use serde_json::json;

use crate::bench::{Behind, spec};
use crate::hands::{RBAC_CM, key};

const KIB: usize = 1024;

impl Behind {
    async fn fill(&self, size: usize) -> Result<(), kube::Error> {
        let text = "# padding of somebody else's\n".repeat(size / 29);
        let patch = Patch::Merge(json!({"data": {"policy.overlay.csv": text}}));
        self.team.config_maps().patch(RBAC_CM, &PatchParams::default(), &patch).await.map(drop)
    }
}

#[tokio::test]
async fn in_a_full_argocd_rbac_cm_what_stands_stays_nothing_more_is_tried_and_withdrawals_go_on() {
    let behind = Behind::shared().await;
    let team = &behind.team;
    for name in ["one", "two"] {
        team.grant(name, &spec(name)).await;
        behind.ready(name).await;
    }
    let refused = behind.fill(1030 * KIB).await.unwrap_err();
    println!("measured: what the API server says of more: {}", refused.to_string().chars().take(200).collect::<String>());
    behind.fill(1022 * KIB).await.unwrap();
    let stood = team.policy("one").await.unwrap();

    let mark = team.cp.audit_mark().await;
    team.grant("late", &spec("late")).await;
    let message = behind.says("late", "PolicyApplied", "False", "PolicyTooLarge").await;
    assert!(message.contains("900 KiB in all") && message.contains("1024"), "{message}");
    team.change("one", json!({"subjects": [{"kind": "Group", "name": "one"}, {"kind": "Group", "name": "more"}]})).await;
    behind.says("one", "PolicyApplied", "False", "PolicyTooLarge").await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    let writes = team.writes(mark).await;
    assert!(writes.iter().all(|write| write.name != RBAC_CM && write.code < 300), "{writes:#?}");
    assert_eq!(team.policy("one").await.unwrap(), stood, "the others of it keep what they have");
    let failed = behind.metric("argocd_access_writes_total{object=\"ConfigMap\",result=\"failed\"}").await;
    assert!(failed.is_none_or(|failed| failed < 1.0), "{failed:?}");

    team.change("one", json!({"subjects": [{"kind": "Group", "name": "more"}]})).await;
    crate::hands::becomes("who is not declared any more is out", crate::bench::AFTER, false, async || {
        team.policy("one").await.unwrap_or_default().contains("g, one,")
    })
    .await;
    team.delete("one").await;
    assert!(!behind.has_lines("one").await);
    behind.ready("two").await;

    behind.fill(10).await.unwrap();
    behind.ready("late").await;
    assert!(team.config_map(RBAC_CM).await.data.unwrap().contains_key(&key("late")));
}
