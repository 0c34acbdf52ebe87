//! AppProjects that Helm keeps, with and without roles of their own: ours come and go in them, and no upgrade ever meets us.

use crate::hands::becomes;
use crate::release::{Helm, Pair};
use crate::support::manifests;
use crate::world::{SOON, Team};

const SPEC: &str =
    "{policyTarget: Project, subjects: [{kind: Group, name: team-a}], applications: [{project: shop, name: 'web-*'}, {project: bank}]}";

/// Of `bank` Helm's values name a role, of `shop` none.
fn values(destination: &str) -> String {
    let spec = |roles: &str| format!("{{sourceRepos: ['*'], destinations: [{{server: '*', namespace: '{destination}'}}]{roles}}}");
    let roles = ", roles: [{name: clerks, groups: [team-b], policies: ['p, proj:bank:clerks, applications, sync, bank/*, allow']}]";
    format!("projects: {{shop: {}, bank: {}}}", spec(""), spec(roles))
}

impl Team {
    /// How many roles of ours each of the projects has, and how many of others.
    async fn roles(&self) -> Vec<(usize, usize)> {
        let mut found = Vec::new();
        for project in ["shop", "bank"] {
            let api = manifests::api(&self.client(), &self.namespace, "argoproj.io/v1alpha1", "AppProject");
            let roles = api.get(project).await.unwrap().data["spec"]["roles"].as_array().cloned().unwrap_or_default();
            let ours = roles.iter().filter(|role| role["name"].as_str().unwrap().starts_with("exec-access-")).count();
            found.push((ours, roles.len() - ours));
        }
        found
    }
}

async fn story(helm: Helm) {
    let pair = Pair::install(helm, &values("*")).await;
    let team = pair.operator("").await;
    for round in ["a", "b"] {
        team.grant(round, SPEC).await;
        team.ready(round).await;
        becomes("our role stands beside theirs", SOON, vec![(1, 0), (1, 1)], async || team.roles().await).await;
        for (verb, values, arguments) in [
            ("upgrade", Some(values("*")), &[][..]),
            ("upgrade", Some(values("shop-*")), &[]),
            ("rollback", None, &["1"]),
            ("upgrade", Some(values("*")), &[]),
        ] {
            pair.helm(helm, verb, values.as_deref(), arguments).await;
            becomes(&format!("{verb}: our role stands beside theirs"), SOON, vec![(1, 0), (1, 1)], async || team.roles().await).await;
        }
        let managers = pair.ours.managers("AppProject bank").await;
        assert!(!managers.iter().any(|m| m.starts_with("argocd-access")), "{managers:?}");
        team.delete(round).await;
        assert_eq!(team.roles().await, [(0, 0), (0, 1)]);
        pair.are_alike(&format!("after {round}")).await;
        pair.upgrade(helm, &values("shop-*")).await;
        pair.are_alike(&format!("after {round} and one more upgrade")).await;
    }
    // They come and go while upgrades run.
    let (done, mut rounds) = (std::cell::Cell::new(false), 0);
    let upgrades = async {
        for destination in ["*", "shop-*", "*", "bank-*"] {
            pair.upgrade(helm, &values(destination)).await;
        }
        done.set(true);
    };
    let people = async {
        while !done.get() {
            team.grant("c", SPEC).await;
            becomes("our role is there", SOON, true, async || team.roles().await[0].0 == 1).await;
            team.delete("c").await;
            rounds += 1;
        }
    };
    tokio::join!(upgrades, people);
    println!("measured: {helm:?}: {rounds} times our roles came and went during four upgrades");
    pair.upgrade(helm, &values("*")).await;
    pair.are_alike("at the end").await;
}

#[tokio::test]
async fn roles_of_ours_in_the_projects_of_a_helm_4_release_meet_no_upgrade_and_leave_no_trace() {
    story(Helm::V4).await;
}

#[tokio::test]
async fn roles_of_ours_in_the_projects_of_a_helm_3_release_meet_no_upgrade_and_leave_no_trace() {
    story(Helm::V3).await;
}
