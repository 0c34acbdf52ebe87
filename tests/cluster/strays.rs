//! Objects where no instance is.

use crate::support::{eventually, eventually::that};
use crate::world::{Team, condition};
use argocd_access::api::ExecAccess;
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::json;
use std::time::Duration;

#[tokio::test]
async fn an_object_in_a_namespace_without_an_instance_is_told_so_and_nothing_else_happens() {
    let team = Team::new().await;
    let elsewhere = team.cp.namespace("elsewhere").await;
    let api: Api<ExecAccess> = Api::namespaced(team.client(), &elsewhere);
    let object = json!({
        "apiVersion": "argocd-access.dev/v1alpha1", "kind": "ExecAccess", "metadata": {"name": "lost"},
        "spec": {"subjects": [{"kind": "Group", "name": "g"}], "applications": [{"project": "shop"}]},
    });
    let before = team.shared().await;
    api.patch("lost", &PatchParams::apply("test"), &Patch::Apply(&object)).await.unwrap();
    let lost = eventually("the stray is told", Duration::from_secs(45), || async {
        let access = api.get("lost").await.map_err(|e| e.to_string())?;
        let status = access.status.clone().unwrap_or_default();
        that(condition(&status, "Accepted") == ("False".to_owned(), "NotAnInstance".to_owned()), || {
            format!("{status:#?}\n{}", team.release.kubelet.operator_log())
        })?;
        Ok::<_, String>(access)
    })
    .await;
    assert!(lost.metadata.finalizers.is_none(), "no finalizer: it goes at once when it is deleted");
    assert_eq!(team.shared().await, before);
}
