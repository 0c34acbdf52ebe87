//! A credential of the manager for the remote cluster, made with the caller's rights there. It is printed in the Secret and nowhere else.

use k8s_openapi::api::admissionregistration::v1::ValidatingAdmissionPolicyBinding;
use k8s_openapi::api::authentication::v1::{BoundObjectReference, TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::{Namespace, Secret, ServiceAccount};
use kube::api::{Patch, PatchParams, PostParams};
use kube::{Api, Client};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::ClusterError;
use super::kubeconfig::Remote;
use crate::api::ClusterAccess;
use crate::cluster_io::{RequestError, request};
use crate::clusters::bootstrap::credential::Credential;
use crate::clusters::bootstrap::{Bootstrap, LABEL, MANAGER_SECONDS};
use crate::clusters::names;

/// The field manager of the one object that this command writes.
const FIELD_MANAGER: &str = "argocd-access-bootstrap";

/// Makes a token, and puts it into a Secret for the hub.
pub async fn secret(access: &ClusterAccess, bootstrap: &Bootstrap<'_>, remote: &Remote, instance: &str) -> Result<Value, ClusterError> {
    let ca = remote.authority()?;
    let name = access.cluster();
    let client = &remote.client;
    let asked = |what: &str| format!("{what} in the remote cluster");
    let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), names::NAMESPACE);
    let found = request(asked("get the operator's ServiceAccount"), accounts.get(names::MANAGER)).await;
    there(found, &format!("ServiceAccount {}/{}", names::NAMESPACE, names::MANAGER))?;
    // Without them the token could do more than it should.
    let policies: Api<ValidatingAdmissionPolicyBinding> = Api::all(client.clone());
    for policy in bootstrap.policies() {
        let found = request(asked("get a ValidatingAdmissionPolicyBinding"), policies.get(&policy)).await;
        there(found, &format!("ValidatingAdmissionPolicyBinding {policy}"))?;
    }
    let namespaces: Api<Namespace> = Api::all(client.clone());
    let system = request(asked("get the namespace kube-system"), namespaces.get("kube-system")).await.map_err(ClusterError::Request)?;
    let cluster_uid = system.metadata.uid.unwrap_or_default();
    let [slot, _] = names::anchors(names::MANAGER);
    let uid = anchor(client, &slot, name).await?;
    let asks = TokenRequest {
        spec: TokenRequestSpec {
            expiration_seconds: Some(MANAGER_SECONDS),
            bound_object_ref: Some(BoundObjectReference {
                api_version: Some("v1".to_owned()),
                kind: Some("Secret".to_owned()),
                name: Some(slot.clone()),
                uid: Some(uid),
            }),
            ..TokenRequestSpec::default()
        },
        ..TokenRequest::default()
    };
    let parameters = PostParams::default();
    let made = accounts.create_token_request(names::MANAGER, &parameters, &asks);
    let status = request(asked("request a token of the operator's ServiceAccount"), made).await.map_err(ClusterError::Request)?.status;
    let status = status.ok_or_else(|| ClusterError::NotBootstrapped("the remote cluster answered the request for a token without one".to_owned()))?;
    let credential = Credential { server: access.spec.server.clone(), ca, token: Zeroizing::new(status.token), cluster_uid };
    eprintln!(
        "argocd-access: made a token of {}/{}, bound to the Secret {slot} there; it is valid until {} and then renewed by the operator; whoever deletes that Secret revokes it",
        names::NAMESPACE,
        names::MANAGER,
        status.expiration_timestamp.0
    );
    Ok(credential.secret(name, instance))
}

/// What the bootstrap makes must be there.
fn there<T>(found: Result<T, RequestError>, what: &str) -> Result<(), ClusterError> {
    match found {
        Ok(_) => Ok(()),
        Err(error) if error.code() == Some(404) => Err(ClusterError::NotBootstrapped(format!(
            "the remote cluster has no {what}: apply the bootstrap first (the same command without --credential)"
        ))),
        Err(error) => Err(ClusterError::Request(error)),
    }
}

/// Makes the empty Secret to which the token is bound, or takes the one that is there; its uid.
async fn anchor(client: &Client, slot: &str, name: &str) -> Result<String, ClusterError> {
    let secrets: Api<Secret> = Api::namespaced(client.clone(), names::NAMESPACE);
    let object = json!({
        "apiVersion": "v1", "kind": "Secret", "type": "Opaque",
        "metadata": {"name": slot, "namespace": names::NAMESPACE, "labels": {LABEL: name}},
    });
    let (parameters, object) = (PatchParams::apply(FIELD_MANAGER), Patch::Apply(&object));
    let action = format!("apply the empty Secret {slot} in the remote cluster");
    let applied = request(action, secrets.patch(slot, &parameters, &object)).await.map_err(ClusterError::Request)?;
    if applied.data.as_ref().is_some_and(|data| !data.is_empty()) {
        return Err(ClusterError::NotBootstrapped(format!(
            "the Secret {}/{slot} of the remote cluster is not empty: it is somebody else's; remove it, or take what is in it elsewhere",
            names::NAMESPACE
        )));
    }
    applied.metadata.uid.ok_or_else(|| ClusterError::NotBootstrapped("the remote cluster gave the Secret no uid".to_owned()))
}
