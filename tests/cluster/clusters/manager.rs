//! The manager under the bootstrap of a declaration for namespaces, by its own token.

use k8s_openapi::api::authentication::v1::{BoundObjectReference, TokenRequest, TokenRequestSpec};
use k8s_openapi::api::authorization::v1::{ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::api::{DeleteParams, ListParams, PostParams};
use kube::{Api, Client};

use super::{MANAGED, Remote, api, apply, binding, object, on_both, said, try_to_apply};
use crate::support::{Kubernetes, eventually, eventually::that};
use crate::world::SOON;

const SPEC: &str = "permissions: {namespaces: {names: [SHOP]}, clusterResources: [{group: scheduling.k8s.io, resources: [priorityclasses]}]}, credentials: {lifetime: 2h}";
const RBAC: &str = "rbac.authorization.k8s.io/v1";

on_both!(
    it_binds_what_is_declared_finds_it_by_name_and_takes_it_back,
    it_makes_anchors_and_takes_tokens_that_die_with_them,
    it_binds_nothing_else_nobody_else_and_nowhere_else,
    its_secrets_are_empty_and_no_others_are_its_own,
    its_tokens_are_short_revocable_and_of_two_service_accounts,
    it_has_no_other_right,
);

async fn it_binds_what_is_declared_finds_it_by_name_and_takes_it_back(version: Kubernetes) {
    let remote = Remote::bootstrapped(version, SPEC).await;
    let manager = remote.manager().await;
    let shop = Some(remote.shop.as_str());
    for role in ["argocd-access-sync", "argocd-access-logs", "argocd-access-exec"] {
        let declared = binding(shop, role, role, MANAGED);
        // It holds none of what the role says, pods/exec least of all.
        let made = apply(&manager, &declared).await.unwrap();
        assert_eq!(apply(&manager, &declared).await.unwrap().metadata.resource_version, made.metadata.resource_version, "again, it changes nothing");
        let everywhere: Api<k8s_openapi::api::rbac::v1::RoleBinding> = Api::all(manager.clone());
        let found = everywhere.list(&ListParams::default().fields(&format!("metadata.name={role}"))).await.unwrap();
        assert!(found.items.iter().any(|b| b.metadata.namespace.as_deref() == shop), "by its name, in all namespaces");
        // Not without the name.
        let error = said(everywhere.list(&ListParams::default()).await.unwrap_err());
        assert!(error.starts_with("403"), "{error}");
        let here = api(&manager, &remote.shop, RBAC, "RoleBinding");
        here.get(role).await.unwrap();
        here.delete(role, &DeleteParams::default()).await.unwrap();
        // A POST has no name that a rule could look at.
        let error = said(here.create(&PostParams::default(), &declared).await.unwrap_err());
        assert!(error.starts_with("403"), "{error}");
    }
    apply(&manager, &binding(None, "argocd-access-sync-cluster", "argocd-access-sync-cluster", MANAGED)).await.unwrap();
    let everywhere = api(&manager, "", RBAC, "ClusterRoleBinding");
    everywhere.list(&ListParams::default().fields("metadata.name=argocd-access-sync-cluster")).await.unwrap();
    everywhere.delete("argocd-access-sync-cluster", &DeleteParams::default()).await.unwrap();
    // What an earlier declaration may have left it can see and take back, although it could not make it now.
    for role in ["argocd-access-sync", "argocd-access-logs"] {
        let missing = said(everywhere.delete(role, &DeleteParams::default()).await.unwrap_err());
        assert!(missing.starts_with("404"), "{missing}");
    }
    for role in ["argocd-access-sync", "argocd-access-sync-cluster", "argocd-access-logs", "argocd-access-exec"] {
        api(&manager, "", RBAC, "ClusterRole").get(role).await.unwrap();
    }
    api(&manager, "", "v1", "Namespace").get("kube-system").await.unwrap();
    let question = SubjectAccessReview {
        spec: SubjectAccessReviewSpec {
            user: Some("somebody".to_owned()),
            resource_attributes: Some(ResourceAttributes {
                verb: Some("get".to_owned()),
                resource: Some("pods".to_owned()),
                ..ResourceAttributes::default()
            }),
            ..SubjectAccessReviewSpec::default()
        },
        ..SubjectAccessReview::default()
    };
    Api::<SubjectAccessReview>::all(manager.clone()).create(&PostParams::default(), &question).await.unwrap();
}

fn anchor(name: &str, more: &str) -> kube::api::DynamicObject {
    object(&format!("{{apiVersion: v1, kind: Secret, metadata: {{name: {name}, namespace: argocd-access}}{more}}}"))
}

async fn token(manager: &Client, account: (&str, &str), seconds: Option<i64>, secret: Option<&str>) -> Result<String, String> {
    let bound = secret.map(|name| BoundObjectReference {
        api_version: Some("v1".to_owned()),
        kind: Some("Secret".to_owned()),
        name: Some(name.to_owned()),
        uid: None,
    });
    let spec = TokenRequestSpec { expiration_seconds: seconds, bound_object_ref: bound, ..TokenRequestSpec::default() };
    let request = TokenRequest { spec, ..TokenRequest::default() };
    let accounts: Api<ServiceAccount> = Api::namespaced(manager.clone(), account.0);
    let answer = accounts.create_token_request(account.1, &PostParams::default(), &request).await.map_err(said)?;
    Ok(answer.status.unwrap().token)
}

const ARGO: (&str, &str) = ("argocd-access", "argocd-managed");
const OWN: (&str, &str) = ("argocd-access", "argocd-access-manager");

async fn it_makes_anchors_and_takes_tokens_that_die_with_them(version: Kubernetes) {
    let remote = Remote::bootstrapped(version, SPEC).await;
    let manager = remote.manager().await;
    for (account, slot) in [(ARGO, "argocd-managed-a"), (ARGO, "argocd-managed-b"), (OWN, "argocd-access-manager-b")] {
        apply(&manager, &anchor(slot, "")).await.unwrap();
        api(&manager, "argocd-access", "v1", "Secret").get(slot).await.unwrap();
        let seconds = if account == OWN { 30 * 24 * 3600 } else { 7200 };
        let client = remote.with_token(&token(&manager, account, Some(seconds), Some(slot)).await.unwrap()).await;
        client.apiserver_version().await.unwrap();
        api(&manager, "argocd-access", "v1", "Secret").delete(slot, &DeleteParams::default()).await.unwrap();
        eventually("the token is dead", std::time::Duration::from_secs(20), || async {
            match client.apiserver_version().await.map_err(said) {
                Err(error) => that(error.starts_with("401"), || error),
                Ok(_) => Err("accepted".to_owned()),
            }
        })
        .await;
    }
}

/// Tried until it is refused for this reason, at most so long: a policy takes a moment to be in force.
async fn refused(client: &Client, what: &str, object: &kube::api::DynamicObject, why: &str) {
    eventually(what, SOON, || async {
        match try_to_apply(client, object).await {
            Err(error) => that(error.contains(why), || error),
            Ok(_) => Err("it was let through".to_owned()),
        }
    })
    .await;
}

async fn it_binds_nothing_else_nobody_else_and_nowhere_else(version: Kubernetes) {
    let remote = Remote::bootstrapped(version, SPEC).await;
    let manager = remote.manager().await;
    let shop = Some(remote.shop.as_str());
    let (sync, exec) = ("argocd-access-sync", "argocd-access-exec");
    let user = "{apiGroup: rbac.authorization.k8s.io, kind: User, name: mallory}";
    let group = "{apiGroup: rbac.authorization.k8s.io, kind: Group, name: 'system:authenticated'}";
    let itself = "{kind: ServiceAccount, name: argocd-access-manager, namespace: argocd-access}";
    let namesake = format!("{{kind: ServiceAccount, name: argocd-managed, namespace: {}}}", remote.shop);
    let two = format!("{MANAGED}, {user}");
    let grant = "attempting to grant RBAC permissions not currently held";
    for (what, binding, why) in [
        ("cluster-admin under a name that it has", binding(shop, sync, "cluster-admin", MANAGED), grant),
        ("cluster-admin in the whole cluster", binding(None, "argocd-access-sync-cluster", "cluster-admin", MANAGED), grant),
        ("admin", binding(shop, sync, "admin", MANAGED), grant),
        ("another of the four", binding(shop, sync, exec, MANAGED), "under the ClusterRole's own name"),
        ("a name that it has not", binding(shop, "anything", sync, MANAGED), "cannot"),
        ("a person", binding(shop, sync, sync, user), "binds the ServiceAccount argocd-access/argocd-managed and nobody else"),
        ("everybody", binding(shop, sync, sync, group), "and nobody else"),
        ("itself", binding(shop, exec, exec, itself), "and nobody else"),
        ("one of the same name elsewhere", binding(shop, sync, sync, &namesake), "and nobody else"),
        ("Argo CD and somebody else", binding(shop, sync, sync, &two), "and nobody else"),
        ("nobody", binding(shop, sync, sync, ""), "and nobody else"),
        ("kube-system", binding(Some("kube-system"), sync, sync, MANAGED), "nothing in a protected namespace"),
        ("kube-public", binding(Some("kube-public"), exec, exec, MANAGED), "nothing in a protected namespace"),
        ("its own namespace", binding(Some("argocd-access"), sync, sync, MANAGED), "nothing in a protected namespace"),
        ("the whole cluster, where namespaces are declared", binding(None, sync, sync, MANAGED), "cannot"),
        ("a terminal in the whole cluster", binding(None, exec, exec, MANAGED), "cannot"),
        ("what has no namespace, in one", binding(shop, "argocd-access-sync-cluster", "argocd-access-sync-cluster", MANAGED), "cannot"),
    ] {
        refused(&manager, what, &binding, why).await;
    }
    // Neither can one that is there be turned to somebody else.
    apply(&manager, &binding(shop, sync, sync, MANAGED)).await.unwrap();
    refused(&manager, "turning one", &binding(shop, sync, sync, user), "and nobody else").await;
    // A Role of the namespace under the same name is not the ClusterRole.
    let mut local = binding(shop, sync, sync, MANAGED);
    local.metadata.namespace = Some(remote.cp.namespace("other").await);
    local.data["roleRef"]["kind"] = "Role".into();
    let role = object(&format!(
        "{{apiVersion: {RBAC}, kind: Role, metadata: {{name: {sync}, namespace: {}}}, rules: [{{apiGroups: [''], resources: [secrets], verbs: [get]}}]}}",
        local.metadata.namespace.clone().unwrap()
    ));
    apply(&remote.cp.client(), &role).await.unwrap();
    refused(&manager, "a Role of that name", &local, grant).await;
}

async fn its_secrets_are_empty_and_no_others_are_its_own(version: Kubernetes) {
    let remote = Remote::bootstrapped(version, SPEC).await;
    let manager = remote.manager().await;
    let minted = ", type: kubernetes.io/service-account-token";
    let mut token = anchor("argocd-managed-a", minted);
    token.metadata.annotations.get_or_insert_default().insert("kubernetes.io/service-account.name".to_owned(), "argocd-access-manager".to_owned());
    refused(&manager, "a Secret that Kubernetes would fill with a token", &token, "would be a credential without end").await;
    let mut named = anchor("argocd-managed-a", "");
    named.metadata.annotations = token.metadata.annotations.clone();
    refused(&manager, "one that names a ServiceAccount", &named, "name no ServiceAccount").await;
    refused(&manager, "one that holds something", &anchor("argocd-managed-a", ", data: {a: YQ==}"), "are empty").await;
    refused(&manager, "one of another type", &anchor("argocd-managed-b", ", type: example.dev/other"), "of type Opaque").await;
    refused(&manager, "another name", &anchor("argocd-managed-c", ""), "403").await;
    let mut elsewhere = anchor("argocd-managed-a", "");
    elsewhere.metadata.namespace = Some(remote.shop.clone());
    refused(&manager, "another namespace", &elsewhere, "403").await;

    apply(&remote.cp.client(), &anchor("somebody-elses", ", data: {a: YQ==}")).await.unwrap();
    let secrets = api(&manager, "argocd-access", "v1", "Secret");
    for error in [
        secrets.get("somebody-elses").await.err(),
        secrets.list(&ListParams::default()).await.err(),
        secrets.delete("somebody-elses", &DeleteParams::default()).await.err(),
        api(&manager, "kube-system", "v1", "Secret").list(&ListParams::default()).await.err(),
    ] {
        let error = said(error.expect("a refusal"));
        assert!(error.starts_with("403"), "{error}");
    }
    refused(&manager, "patching another", &anchor("somebody-elses", ""), "403").await;
}

async fn its_tokens_are_short_revocable_and_of_two_service_accounts(version: Kubernetes) {
    let remote = Remote::bootstrapped(version, SPEC).await;
    let manager = remote.manager().await;
    apply(&manager, &anchor("argocd-managed-a", "")).await.unwrap();
    let own = "argocd-access-manager-a";
    let (short, revocable) = ("no longer than credentials.lifetime", "bound to one of their two Secrets");
    for (account, seconds, secret, why) in [
        (ARGO, 7201, Some("argocd-managed-a"), short),
        (ARGO, 3600, None, revocable),
        (ARGO, 3600, Some(own), revocable),
        (OWN, 30 * 24 * 3600 + 1, Some(own), short),
        (OWN, 3600, Some("argocd-managed-a"), revocable),
        (("argocd-access", "default"), 3600, None, "cannot create resource \"serviceaccounts/token\""),
        (("kube-system", "default"), 3600, None, "cannot create resource \"serviceaccounts/token\""),
        ((remote.shop.as_str(), "default"), 3600, None, "cannot create resource \"serviceaccounts/token\""),
    ] {
        eventually(why, SOON, || async {
            match token(&manager, account, Some(seconds), secret).await {
                Err(error) => that(error.contains(why), || error),
                Ok(_) => Err(format!("a token of {account:?} for {seconds} s, bound to {secret:?}")),
            }
        })
        .await;
    }
    // Where no life is asked for, the API server's own is short enough.
    token(&manager, ARGO, None, Some("argocd-managed-a")).await.unwrap();
}

async fn it_has_no_other_right(version: Kubernetes) {
    let remote = Remote::bootstrapped(version, SPEC).await;
    let manager = remote.manager().await;
    // Neither narrowed nor widened: with Bind the roles are the administrator's.
    let sync = api(&manager, "", RBAC, "ClusterRole").get("argocd-access-sync").await.unwrap();
    let mut role = object(&format!("{{apiVersion: {RBAC}, kind: ClusterRole, metadata: {{name: argocd-access-sync}}, rules: []}}"));
    refused(&manager, "narrowing a role", &role, "403").await;
    role.data["rules"] = sync.data["rules"].clone();
    refused(&manager, "writing it as it is", &role, "403").await;
    for (what, refused_object) in [
        (
            "a Pod",
            format!(
                "{{apiVersion: v1, kind: Pod, metadata: {{name: a, namespace: {}}}, spec: {{containers: [{{name: a, image: a}}]}}}}",
                remote.shop
            ),
        ),
        ("a ConfigMap", format!("{{apiVersion: v1, kind: ConfigMap, metadata: {{name: a, namespace: {}}}}}", remote.shop)),
        ("aws-auth", "{apiVersion: v1, kind: ConfigMap, metadata: {name: aws-auth, namespace: kube-system}}".to_owned()),
        ("a ServiceAccount", "{apiVersion: v1, kind: ServiceAccount, metadata: {name: a, namespace: argocd-access}}".to_owned()),
        (
            "a policy",
            "{apiVersion: admissionregistration.k8s.io/v1, kind: ValidatingAdmissionPolicy, metadata: {name: argocd-access-bindings}}".to_owned(),
        ),
    ] {
        refused(&manager, what, &object(&refused_object), "403").await;
    }
    let policies = api(&manager, "", "admissionregistration.k8s.io/v1", "ValidatingAdmissionPolicyBinding");
    for error in [
        policies.delete("argocd-access-bindings", &DeleteParams::default()).await.err(),
        api(&manager, &remote.shop, "v1", "Pod").list(&ListParams::default()).await.err(),
        api(&manager, "", "v1", "Namespace").list(&ListParams::default()).await.err(),
        api(&manager, "", RBAC, "ClusterRole").get("cluster-admin").await.err(),
        api(&manager, "argocd-access", "v1", "ServiceAccount").get("argocd-managed").await.err(),
    ] {
        let error = said(error.expect("a refusal"));
        assert!(error.starts_with("403"), "{error}");
    }
}
