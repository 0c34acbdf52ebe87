//! argocd-rbac-cm deleted by hand: Argo CD keeps the policy that it had, until it sees a new one.

use std::time::Duration;

use k8s_openapi::api::core::v1::ConfigMap;
use kube::{Api, api::DeleteParams};
use serde_json::{Value, json};

use crate::instance::{ACCEPTED, NO_PERMISSION, Shared};

#[tokio::test]
async fn a_deleted_policy_is_written_anew_so_that_the_removed_lose_and_the_declared_keep_access() {
    let (_guard, shared) = Shared::take().await;
    let (instance, team) = (&shared.instance, &shared.instance.team);
    let group = |name: &str| json!({ "kind": "Group", "name": name });
    let spec = |subjects: Value| json!({ "subjects": subjects, "applications": [{ "project": "shop", "name": "web" }] }).to_string();
    let kept = team.grant("kept", &spec(json!([group("stays"), group("leaves")]))).await;
    let deleted = team.grant("deleted", &spec(json!([group("leaves-with-it")]))).await;
    let person = |name: &str, group: &str| instance.argocd.person_token(name, &[group]);
    let (alice, bob, carol) = (person("alice", "stays"), person("bob", "leaves"), person("carol", "leaves-with-it"));
    for token in [&alice, &bob, &carol] {
        instance.shell(token, &shared.web).await;
    }
    let key = format!("policy.argocd-access.{kept}.csv");
    let lines = |map: ConfigMap| map.data.unwrap_or_default().remove(&key).unwrap_or_default();
    let before = lines(team.config_map("argocd-rbac-cm").await);

    // While nobody looks the policy goes, and two of the three people shall go.
    instance.freeze_operator();
    let maps = Api::<ConfigMap>::namespaced(team.client(), &team.namespace);
    maps.delete("argocd-rbac-cm", &DeleteParams::default()).await.unwrap();
    instance.change(&kept, json!({ "subjects": [group("stays")] })).await;
    team.accesses().delete(&deleted, &DeleteParams::default()).await.unwrap();
    tokio::time::sleep(Duration::from_secs(3)).await;
    for token in [&bob, &carol] {
        assert_eq!(instance.answer(token, &shared.web).await, ACCEPTED, "a deletion revokes nothing");
    }

    instance.thaw_operator();
    for token in [&bob, &carol] {
        instance.answers(NO_PERMISSION, token, &shared.web).await;
    }
    instance.shell(&alice, &shared.web).await;
    team.gone(&deleted).await;
    let anew = team.config_map("argocd-rbac-cm").await;
    assert_eq!(anew.data.as_ref().unwrap().len(), 1, "nothing else");
    let declared: Vec<&str> = before.lines().filter(|line| !line.starts_with("g, leaves,")).collect();
    assert!(declared.len() < before.lines().count(), "{before}");
    assert_eq!(lines(anew).lines().collect::<Vec<_>>(), declared);
}
