//! How a status is written: as a whole, for one object and no other.

use argocd_access::api::FIELD_MANAGER;
use argocd_access::api::exec_access::ExecAccess;
use argocd_access::cluster_io::report::write_status;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use kube::{Api, ResourceExt};
use serde_json::{Value, json};

use crate::schema::Server;

async fn accesses() -> (Server, Api<ExecAccess>) {
    let server = Server::of("ExecAccess").await;
    let api = Api::namespaced(server.cp.client(), &server.namespace);
    (server, api)
}

async fn created(api: &Api<ExecAccess>) -> ExecAccess {
    let object = json!({"apiVersion": "argocd-access.dev/v1alpha1", "kind": "ExecAccess", "metadata": {"name": "one"},
        "spec": {"subjects": [{"kind": "Group", "name": "g"}], "applications": [{"project": "shop", "name": "web-*"}]}});
    api.create(&PostParams::default(), &serde_json::from_value(object).unwrap()).await.unwrap()
}

fn status(generation: i64, kinds: &[&str]) -> Value {
    let condition =
        |kind: &&str| json!({"type": kind, "status": "True", "reason": "Ready", "message": "It is.", "lastTransitionTime": "2026-01-01T00:00:00Z"});
    json!({"observedGeneration": generation, "conditions": kinds.iter().map(condition).collect::<Vec<_>>()})
}

#[tokio::test]
async fn what_a_status_leaves_out_is_gone_also_when_an_earlier_version_has_applied_it() {
    let (server, api) = accesses().await;
    let object = created(&api).await;
    let earlier = json!({"apiVersion": "argocd-access.dev/v1alpha1", "kind": "ExecAccess", "status": status(1, &["Ready", "Active"])});
    api.patch_status("one", &PatchParams::apply(FIELD_MANAGER).force(), &Patch::Apply(earlier)).await.unwrap();
    let said = [status(2, &["Ready"]), json!({"conditions": []}), status(3, &["Accepted", "Ready"])];
    for said in said {
        let version = write_status(&server.cp.client(), &object, &said).await.unwrap();
        let now = server.api.get("one").await.unwrap();
        assert_eq!(now.data["status"], said);
        assert_eq!(now.resource_version(), version, "it says what version the object has then");
    }
    let now = api.get("one").await.unwrap();
    let of_the_status = now.managed_fields().iter().filter(|entry| entry.subresource.as_deref() == Some("status"));
    assert!(of_the_status.clone().count() > 0);
    assert!(of_the_status.map(|entry| entry.manager.as_deref()).all(|manager| manager == Some(FIELD_MANAGER)));
}

#[tokio::test]
async fn an_object_that_is_gone_has_no_status_and_one_of_the_same_name_not_that_of_the_earlier() {
    let (server, api) = accesses().await;
    let earlier = created(&api).await;
    api.delete("one", &DeleteParams::default()).await.unwrap();
    assert_eq!(write_status(&server.cp.client(), &earlier, &status(1, &["Ready"])).await.unwrap(), None, "gone");
    let later = created(&api).await;
    assert_ne!(later.uid(), earlier.uid());
    assert_eq!(write_status(&server.cp.client(), &earlier, &status(1, &["Ready"])).await.unwrap(), None, "another one");
    let now = api.get("one").await.unwrap();
    assert_eq!((now.status, now.metadata.resource_version), (None, later.metadata.resource_version), "nothing was written");
}

#[tokio::test]
async fn a_status_that_is_not_valid_is_refused_and_not_taken_for_an_object_that_is_gone() {
    let (server, api) = accesses().await;
    let object = created(&api).await;
    let error = write_status(&server.cp.client(), &object, &json!({"conditions": [{"type": "Ready"}]})).await.unwrap_err();
    assert_eq!(error.code(), Some(422), "{}", error.chain());
    assert!(error.chain().contains("conditions"), "{}", error.chain());
}
