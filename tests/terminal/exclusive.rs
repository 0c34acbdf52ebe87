//! Whoever is listed as undeclared really gets a terminal, and whoever is not does not.

use kube::Api;
use kube::api::{DynamicObject, Patch, PatchParams};
use serde_json::{Value, json};

use crate::instance::{ACCEPTED, NO_PERMISSION, Shared, WITHIN};
use crate::support::{eventually, eventually::that, manifests};

const SPEC: &str = "{subjects: [{kind: Group, name: team-a}], applications: [{project: shop, name: web-prod}]}";

#[tokio::test]
async fn the_listed_get_a_shell_and_the_others_none() {
    let (_guard, shared) = Shared::take().await;
    let (instance, argocd, web) = (&shared.instance, &shared.instance.argocd, &shared.web);
    let team = &instance.team;
    // argocd-server may exec there by what `everywhere` grants; the policy decides who may.
    team.grant("everywhere", "{subjects: [{kind: Group, name: nobody}], applications: [{project: shop, name: web}]}").await;
    let name = team.grant("declared", SPEC).await;
    let lines = "g, ops, role:admin\n\
                 p, role:shell, exec, create, shop/*, allow\np, role:shell, applications, get, shop/*, allow\ng, shells, role:shell\n\
                 g, denied, role:shell\np, denied, exec, create, */*, deny\n\
                 p, carol, *, *, */web, allow\n\
                 p, no-member, exec, create, */*, allow\np, no-member, applications, get, */*, allow\n\
                 p, broken-glob, exec, create, \"shop/web{}\", allow\n\
                 g, readers, role:readonly\n";
    instance.set_by_hand("argocd-rbac-cm", json!({ "policy.by-hand.csv": lines })).await;
    let policies = |role: &str| ["exec, create", "applications, get"].map(|what| format!("p, proj:shop:{role}, {what}, shop/*, allow"));
    let roles = json!([{ "name": "dev", "policies": policies("dev"), "groups": ["devs"] }, { "name": "ci", "policies": policies("ci") }]);
    set_roles(shared, roles).await;
    team.ready(&name).await;
    team.ready("everywhere").await;

    let listed = async |expected: &[&str]| {
        eventually("the list is as expected", WITHIN, async || {
            let status = team.accesses().get(&name).await.map_err(|e| e.to_string())?.status.unwrap_or_default();
            let seen: Vec<String> = status.undeclared_grants.into_iter().map(|g| g.subject.to_string()).collect();
            that(seen == expected, || format!("{seen:?}"))
        })
        .await;
    };
    // `no-member` and `broken-glob` may be users, of whom argocd-server would let in the first one.
    listed(&["admin", "no-member", "ops", "broken-glob", "carol", "devs", "shells"]).await;
    let member = |group: &str| argocd.person_token("alice", &[group]);
    for (who, token) in [
        ("admin", argocd.person_token("admin", &[])),
        ("ops", member("ops")),
        ("carol", argocd.person_token("carol", &[])),
        ("devs", member("devs")),
        ("shells", member("shells")),
    ] {
        let mut terminal = instance.shell(&token, web).await;
        assert_eq!(terminal.run("echo hi").await.unwrap(), "hi", "{who}");
    }
    for group in ["readers", "denied", "role:shell-that-is-not", "no-member", "team-a"] {
        assert_eq!(instance.answer(&member(group), web).await, NO_PERMISSION, "{group}");
    }
    instance.answers(ACCEPTED, &member("team-a"), &shared.web_prod).await;

    // A project's role that nobody has lets nobody in; a token of it does, in the very cookie of a browser.
    let admin = argocd.person_token("admin", &[]);
    let (code, made) = argocd.request(&admin, "POST", "/api/v1/projects/shop/roles/ci/token", &json!({ "expiresIn": 0, "id": "ci" })).await.unwrap();
    assert_eq!(code, 200, "{made}");
    listed(&["admin", "no-member", "ops", "broken-glob", "carol", "devs", "proj:shop:ci", "shells"]).await;
    instance.shell(made["token"].as_str().unwrap(), web).await;

    // A line for everybody is everybody's.
    instance
        .set_by_hand("argocd-rbac-cm", json!({ "policy.by-hand.csv": "p, , exec, create, shop/*, allow\np, , applications, get, shop/*, allow\n" }))
        .await;
    set_roles(shared, json!([])).await;
    listed(&["(everybody)", "admin"]).await;
    instance.shell(&member("readers"), web).await;

    // The local admin is off: nobody but the declared is left.
    instance.set_by_hand("argocd-rbac-cm", json!({ "policy.by-hand.csv": null })).await;
    instance.set_by_hand("argocd-cm", json!({ "admin.enabled": "false" })).await;
    team.condition(&name, "Exclusive", "True", "OnlyDeclared").await;
    instance.answers(NO_PERMISSION, &member("readers"), web).await;
    instance.answers(NO_PERMISSION, &admin, web).await;
    instance.shell(&member("team-a"), &shared.web_prod).await;
    instance.set_by_hand("argocd-cm", json!({ "admin.enabled": null })).await;
}

async fn set_roles(shared: &Shared, roles: Value) {
    let argocd = &shared.instance.argocd;
    let projects: Api<DynamicObject> = manifests::api(&shared.instance.team.client(), &argocd.namespace, "argoproj.io/v1alpha1", "AppProject");
    // The tokens, too, which Argo CD keeps in a status without a subresource.
    let patch = json!({ "spec": { "roles": roles }, "status": { "jwtTokensByRole": null } });
    projects.patch("shop", &PatchParams::default(), &Patch::Merge(patch)).await.unwrap();
}
