//! `examples/project-role.yaml`: a terminal through a role of the AppProject, which Argo CD goes on to accept; and no way to keep it.

use serde_json::{Value, json};

use crate::instance::{ACCEPTED, NO_PERMISSION, OFF, Shared, WITHIN};
use crate::support::{eventually, eventually::that, process::run, reaper, tools};
use crate::world::{condition, example};

const TEAM: &str = "my-org:team-a";

#[tokio::test]
async fn a_member_gets_a_shell_through_the_projects_role_and_argo_cd_still_saves_the_project() {
    let (_guard, shared) = Shared::take().await;
    let (instance, argocd) = (&shared.instance, &shared.instance.argocd);
    let team = &instance.team;
    let alice = argocd.person_token("alice", &[TEAM]);
    let bob = argocd.person_token("bob", &["my-org:team-b"]);
    let admin = argocd.person_token("admin", &[]);
    let before = team.shared().await;
    assert_eq!(instance.answer(&alice, &shared.web_prod).await, OFF);

    team.apply(&example("project-role.yaml")).await;
    let mut session = instance.shell(&alice, &shared.web_prod).await;
    let status = team.ready("shop-on-call").await;
    let policy = status.policy.clone().unwrap();
    assert_eq!((policy.projects.as_slice(), condition(&status, "PolicyApplied").1.as_str()), (["shop".to_owned()].as_slice(), "Applied"));
    for (token, place) in [(&bob, &shared.web_prod), (&alice, &shared.web), (&alice, &shared.tools)] {
        assert_eq!(instance.answer(token, place).await, NO_PERMISSION, "{place:?}");
    }

    // Argo CD's server saves the project as it is: what its UI and CLI do with every edit.
    let project = argocd.get(&admin, "/api/v1/projects/shop").await.unwrap();
    let (code, answer) = argocd.request(&admin, "PUT", "/api/v1/projects/shop", &json!({ "project": project })).await.unwrap();
    assert_eq!(code, 200, "{answer}");
    let mut cli = reaper::command(tools::path("argocd"));
    let server = argocd.url().replace("http://", "");
    cli.env("HOME", env!("CARGO_TARGET_TMPDIR"));
    cli.args(["proj", "role", "list", "shop", "--output", "json", "--plaintext", "--server", &server, "--auth-token", &admin]);
    let listed = run(cli).await.success();
    assert!(listed.contains(&policy.role), "{listed}");
    let mut cli = reaper::command(tools::path("argocd"));
    cli.env("HOME", env!("CARGO_TARGET_TMPDIR"));
    cli.args(["proj", "set", "shop", "--description", "", "--plaintext", "--server", &server, "--auth-token", &admin]);
    run(cli).await.success();
    instance.shell(&alice, &shared.web_prod).await;

    // A member may make a token for the role, which opens terminals and would outlive the membership. It is taken away at once.
    instance.freeze_operator();
    let path = format!("/api/v1/projects/shop/roles/{}/token", policy.role);
    let (code, made) = argocd.request(&alice, "POST", &path, &json!({ "expiresIn": 0, "id": "kept" })).await.unwrap();
    assert_eq!(code, 200, "a member makes a token: {made}");
    let token = made["token"].as_str().unwrap().to_owned();
    instance.answers(ACCEPTED, &token, &shared.web_prod).await;
    instance.thaw_operator();
    instance.answers(NO_PERMISSION, &token, &shared.web_prod).await;
    eventually("no token is left", WITHIN, async || {
        let project = argocd.get(&admin, "/api/v1/projects/shop").await?;
        let left = project["status"]["jwtTokensByRole"][&policy.role]["items"].clone();
        that(left.is_null(), || format!("{left}"))
    })
    .await;
    instance.shell(&alice, &shared.web_prod).await;

    // Deletion closes the door for all of them, and leaves the project as it was.
    team.delete("shop-on-call").await;
    instance.answers(OFF, &alice, &shared.web_prod).await;
    session.send("").await.unwrap();
    session.closed(WITHIN).await.unwrap();
    let after = team.shared().await;
    let spec = |state: &std::collections::BTreeMap<String, Value>| state["AppProject shop"]["spec"].clone();
    assert_eq!(spec(&after)["roles"], spec(&before)["roles"]);
    for (name, object) in &before {
        if name != "AppProject shop" {
            assert_eq!(after.get(name), Some(object), "{name}");
        }
    }
}
