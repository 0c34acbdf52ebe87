//! The less common ways of Helm: its other switches, a release that helm 3 made and helm 4 goes on with, `exec.enabled` in Helm's values
//! while something is declared, and rules of ours in the very roles that Helm keeps.

use k8s_openapi::api::rbac::v1::{ClusterRole, Role};
use kube::Api;

use crate::hands::{ARGOCD_CM, becomes};
use crate::release::{BASE, Helm, LONGER, ON, Pair, TEAM_A, UNRELATED};
use crate::world::{SOON, Team};

type Command<'a> = (Helm, &'a str, Option<&'a str>, &'a [&'a str]);

/// Something is declared during each of these commands, and gone after them.
async fn meanwhile(pair: &Pair, team: &Team, commands: &[Command<'_>]) {
    team.grant("team-a", TEAM_A).await;
    team.ready("team-a").await;
    for (helm, verb, values, arguments) in commands {
        pair.helm(*helm, verb, *values, arguments).await;
        pair.is_on(team, &format!("{helm:?} {verb} {arguments:?}")).await;
        becomes("the policy is there", SOON, true, async || team.policy("team-a").await.is_some()).await;
        println!("measured: {helm:?} {verb} {arguments:?}: managers of argocd-cm {:?}", pair.ours.managers("ConfigMap argocd-cm").await);
    }
    team.ready("team-a").await;
    team.delete("team-a").await;
}

#[tokio::test]
async fn helm_4_may_force_replace_and_apply_from_the_client() {
    let pair = Pair::install(Helm::V4, BASE).await;
    let team = pair.operator("").await;
    let ways: [&[&str]; 4] = [&["--force-conflicts"], &["--server-side=false"], &["--server-side=false", "--force-replace"], &["--server-side=true"]];
    for arguments in ways {
        meanwhile(&pair, &team, &[(Helm::V4, "upgrade", Some(UNRELATED), arguments), (Helm::V4, "upgrade", Some(LONGER), arguments)]).await;
        // A value that only Helm's other way of writing has on record is not written in its name, so that no apply takes it away. It is given
        // back right, and is nobody's until Helm applies it: a replacement that changes nothing puts nothing on record.
        if arguments.contains(&"--force-replace") {
            assert_eq!(team.value(ARGOCD_CM, "exec.enabled").await.as_deref(), Some("false"));
            continue;
        }
        if arguments.contains(&"--server-side=true") {
            pair.helm(Helm::V4, "upgrade", Some(UNRELATED), arguments).await;
        }
        pair.are_alike_by_manager(&format!("{arguments:?}")).await;
    }
    meanwhile(&pair, &team, &[(Helm::V4, "rollback", None, &["1", "--force-conflicts"])]).await;
    pair.are_alike_by_manager("rolled back").await;
}

#[tokio::test]
async fn helm_3_may_force() {
    let pair = Pair::install(Helm::V3, BASE).await;
    let team = pair.operator("").await;
    meanwhile(&pair, &team, &[(Helm::V3, "upgrade", Some(UNRELATED), &["--force"]), (Helm::V3, "rollback", None, &["1", "--force"])]).await;
    pair.are_alike("forced").await;
    meanwhile(&pair, &team, &[(Helm::V3, "upgrade", Some(LONGER), &[])]).await;
    pair.are_alike("not forced").await;
}

#[tokio::test]
async fn helm_4_goes_on_with_a_release_that_helm_3_made() {
    let pair = Pair::install(Helm::V3, BASE).await;
    let team = pair.operator("").await;
    // By itself it stays with helm 3's way of patching.
    meanwhile(&pair, &team, &[(Helm::V4, "upgrade", Some(UNRELATED), &[])]).await;
    pair.are_alike("in helm 3's way").await;
    // The change to server-side apply, and what comes after it, with and without something declared.
    meanwhile(
        &pair,
        &team,
        &[
            (Helm::V4, "upgrade", Some(LONGER), &["--server-side=true"]),
            (Helm::V4, "upgrade", Some(UNRELATED), &[]),
            (Helm::V4, "rollback", None, &["1"]),
        ],
    )
    .await;
    // What was set in the one way and given back in the other is nobody's until the next upgrade.
    pair.helm(Helm::V4, "upgrade", Some(LONGER), &["--server-side=true"]).await;
    pair.are_alike("after the change").await;
    meanwhile(&pair, &team, &[(Helm::V4, "upgrade", Some(UNRELATED), &[])]).await;
    pair.are_alike("in helm 4's way").await;
}

/// The admin does as the message says: Helm's values get the line while something is declared.
async fn line(helm: Helm) -> (Pair, Team) {
    let pair = Pair::install(helm, BASE).await;
    let team = pair.operator("").await;
    team.grant("team-a", TEAM_A).await;
    let status = team.ready("team-a").await;
    let message = crate::world::message(&status, "ExecEnabled");
    assert!(message.contains("configs.cm.\"exec.enabled\""), "{message}");
    pair.upgrade(helm, ON).await;
    pair.is_on(&team, "with the line").await;
    team.ready("team-a").await;
    pair.upgrade(helm, ON).await;
    pair.is_on(&team, "with the line, again").await;
    (pair, team)
}

#[tokio::test]
async fn the_line_in_the_values_ends_it_with_helm_4() {
    let (pair, team) = line(Helm::V4).await;
    let message = crate::world::message(&team.ready("team-a").await, "ExecEnabled");
    assert!(!message.contains("configs.cm"), "there is nothing left to be done: {message}");
    team.delete("team-a").await;
    pair.are_alike("the line is Helm's").await;
    assert_eq!(team.value(ARGOCD_CM, "exec.enabled").await.as_deref(), Some("true"));
}

#[tokio::test]
async fn the_line_in_the_values_ends_it_with_helm_3_from_the_first_upgrade_after_the_last_object() {
    let (pair, team) = line(Helm::V3).await;
    team.delete("team-a").await;
    // helm 3 writes nothing where its value stands already, so nobody can tell that it is Helm's: the former one comes back.
    assert_eq!(team.value(ARGOCD_CM, "exec.enabled").await.as_deref(), Some("false"));
    pair.upgrade(Helm::V3, ON).await;
    pair.are_alike("after the next upgrade").await;
    let mark = pair.mark().await;
    team.grant("team-a", TEAM_A).await;
    team.ready("team-a").await;
    team.delete("team-a").await;
    let user = team.release.user().await;
    assert!(pair.writes(mark).await.iter().all(|w| w.user != user), "from then on there is nothing to write");
}

/// Our rules in the roles that Helm keeps.
async fn in_place(helm: Helm) {
    let pair = Pair::install(helm, BASE).await;
    let role = format!("{}-server", pair.ours.name);
    let values = format!("instance: {{serverRoles: InPlace, inPlace: {{role: {role}, clusterRole: {role}}}, limits: {{deniedNamespaces: []}}}}");
    let team = pair.operator(&values).await;
    team.application_in(&team.namespace, "web-2", "shop", &team.namespace).await;
    team.grant("wide", "{subjects: [{kind: Group, name: g}], applications: [{project: '*'}], server: {scope: Cluster}}").await;
    let rules = async || {
        let own = Api::<Role>::namespaced(team.client(), &team.namespace).get(&role).await.unwrap();
        let wide = Api::<ClusterRole>::all(team.client()).get(&role).await.unwrap();
        let exec = |rules: Option<Vec<k8s_openapi::api::rbac::v1::PolicyRule>>| {
            rules.into_iter().flatten().filter(|rule| rule.resources == Some(vec!["pods/exec".to_owned()]) && rule.verbs == ["get", "create"]).count()
        };
        let ours = |managers: Vec<String>| managers.into_iter().filter(|m| m.starts_with("argocd-access")).count();
        let entries = ours(pair.ours.managers("Role NAME-server").await) + ours(pair.ours.managers("ClusterRole NAME-server").await);
        (exec(own.rules), exec(wide.rules), entries)
    };
    becomes("our rules are in both", SOON, (1, 1, 0), rules).await;
    team.ready("wide").await;
    for values in [BASE, LONGER, ON, BASE] {
        pair.upgrade(helm, values).await;
        becomes(&format!("{helm:?} {values}: our rules are in both again"), SOON, (1, 1, 0), rules).await;
    }
    pair.helm(helm, "rollback", None, &["1"]).await;
    becomes("our rules are in both after the rollback", SOON, (1, 1, 0), rules).await;
    team.delete("wide").await;
    pair.are_alike("after our rules came out").await;
    pair.upgrade(helm, LONGER).await;
    pair.are_alike("after one more upgrade").await;
}

#[tokio::test]
async fn rules_in_the_roles_of_a_helm_4_release_come_back_after_each_upgrade_and_go_without_a_trace() {
    in_place(Helm::V4).await;
}

#[tokio::test]
async fn rules_in_the_roles_of_a_helm_3_release_come_back_after_each_upgrade_and_go_without_a_trace() {
    in_place(Helm::V3).await;
}
