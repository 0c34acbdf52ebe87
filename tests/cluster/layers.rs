//! The layers on a real API server: what is set, what is repaired, what comes back.

use crate::support::managers;
use crate::world::{Team, condition, example};

#[tokio::test]
async fn one_object_sets_every_layer_and_its_deletion_restores_all() {
    let team = Team::new().await;
    team.application("web-1", "shop").await;
    let before = team.shared().await;
    let name = team.apply(&example("team-exec.yaml")).await;
    let status = team.ready(&name).await;
    assert_eq!(condition(&status, "ServerAuthorized"), ("True".to_owned(), "Proven".to_owned()), "{status:#?}");
    let rbac = team.config_map("argocd-rbac-cm").await;
    let lines = rbac.data.unwrap_or_default().remove("policy.argocd-access.team-a.csv").unwrap();
    assert!(lines.contains("p, role:exec-access.team-a, exec, create, shop/web-*, allow\n"), "{lines}");
    assert!(lines.contains("g, my-org:team-a, role:exec-access.team-a\n"), "{lines}");
    assert_eq!(team.config_map("argocd-cm").await.data.unwrap()["exec.enabled"], "true");

    team.delete(&name).await;
    assert_eq!(team.shared().await, before);
    for name in ["argocd-cm", "argocd-rbac-cm"] {
        let left = managers(&team.config_map(name).await);
        assert!(!left.iter().any(|m| m.starts_with("argocd-access")), "{name}: {left:?}");
    }
}
