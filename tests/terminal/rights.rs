//! Whose rights count, and for whom exactly a line counts.

use k8s_openapi::api::rbac::v1::RoleBinding;
use kube::{Api, api::DeleteParams};
use serde_json::json;

use crate::instance::{ACCEPTED, NO_PERMISSION, Shared, WITHIN};

#[tokio::test]
async fn without_the_binding_a_terminal_has_no_shell_and_the_operator_brings_it_back() {
    let (_guard, shared) = Shared::take().await;
    let (instance, team) = (&shared.instance, &shared.instance.team);
    let alice = instance.argocd.person_token("alice", &["team-a"]);
    let name = team.grant("by-group", "{subjects: [{kind: Group, name: team-a}], applications: [{project: shop, name: web}]}").await;
    team.ready(&name).await;
    instance.shell(&alice, &shared.web).await;

    instance.freeze_operator();
    let bindings = Api::<RoleBinding>::namespaced(team.client(), &team.destination);
    bindings.delete(&format!("argocd-access-exec-{}", team.namespace), &DeleteParams::default()).await.unwrap();
    let shell = crate::support::eventually("a terminal without a shell", WITHIN, || async {
        let mut terminal = instance.open(&alice, &shared.web).await.map_err(|refused| refused.to_string())?;
        terminal.run("true").await.err().ok_or_else(|| "there is a shell".to_owned())
    })
    .await;
    assert!(!shell.contains("no end of"), "it is reset, not silent: {shell}");

    instance.thaw_operator();
    instance.shell(&alice, &shared.web).await;
}

#[tokio::test]
async fn a_user_is_that_account_and_no_group_of_another() {
    let (_guard, shared) = Shared::take().await;
    let (instance, team) = (&shared.instance, &shared.instance.team);
    let name = team.grant("by-user", "{subjects: [{kind: User, name: carol}], applications: [{project: shop, name: web}]}").await;
    team.ready(&name).await;
    instance.shell(&instance.argocd.person_token("carol", &[]), &shared.web).await;
    assert_eq!(instance.answer(&instance.argocd.person_token("bob", &[]), &shared.web).await, NO_PERMISSION);
}

#[tokio::test]
async fn a_group_with_commas_and_quotes_is_exactly_that_group() {
    let (_guard, shared) = Shared::take().await;
    let (instance, team) = (&shared.instance, &shared.instance.team);
    let group = "CN=dev,OU=\"eng\"";
    let spec = json!({ "subjects": [{ "kind": "Group", "name": group }], "applications": [{ "project": "shop", "name": "web" }] });
    let name = team.grant("by-name", &spec.to_string()).await;
    team.ready(&name).await;
    instance.shell(&instance.argocd.person_token("alice", &[group]), &shared.web).await;
    for other in ["CN=dev", "OU=\"eng\"", "OU=eng", "CN=dev,OU=eng", "\"CN=dev,OU=\"\"eng\"\"\""] {
        let bob = instance.argocd.person_token("bob", &[other]);
        assert_eq!(instance.answer(&bob, &shared.web).await, NO_PERMISSION, "{other}");
    }
}

#[tokio::test]
async fn in_regex_mode_a_name_is_still_that_name_alone() {
    let (_guard, shared) = Shared::take().await;
    let (instance, team) = (&shared.instance, &shared.instance.team);
    let alice = instance.argocd.person_token("alice", &["team-a"]);
    let name = team.grant("by-regex", "{subjects: [{kind: Group, name: team-a}], applications: [{project: shop, name: web}]}").await;
    team.ready(&name).await;
    instance.shell(&alice, &shared.web).await;

    // A plain name as a regular expression is a part of other names; so it is for everybody who writes policy by hand.
    let plain = "p, role:plain, applications, get, shop/web, allow\np, role:plain, exec, create, shop/web, allow\ng, plain, role:plain\n";
    instance.set_by_hand("argocd-rbac-cm", json!({ "policy.matchMode": "regex", "policy.by-hand.csv": plain })).await;
    let carol = instance.argocd.person_token("carol", &["plain"]);
    for place in [&shared.web, &shared.web_prod, &shared.tools] {
        instance.answers(ACCEPTED, &carol, place).await;
    }
    // For the declared people it is not, as soon as the operator has seen the change.
    for place in [&shared.web_prod, &shared.tools] {
        instance.answers(NO_PERMISSION, &alice, place).await;
    }
    instance.shell(&alice, &shared.web).await;

    instance.set_by_hand("argocd-rbac-cm", json!({ "policy.matchMode": null, "policy.by-hand.csv": null })).await;
    instance.answers(NO_PERMISSION, &carol, &shared.web).await;
    instance.shell(&alice, &shared.web).await;
    for place in [&shared.web_prod, &shared.tools] {
        assert_eq!(instance.answer(&alice, place).await, NO_PERMISSION, "{place:?}");
    }
}
