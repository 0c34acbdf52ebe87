//! Argo CD's own chart is upgraded while terminals are declared: no command fails, the terminal comes back by itself, and after the last
//! `ExecAccess` Helm owns what it owned.

use crate::hands::{ARGOCD_CM, becomes};
use crate::release::{BASE, Helm, LONGER, ON, Pair, TEAM_A, TIMEOUT, UNRELATED, milliseconds};
use crate::world::{SOON, Team};

/// The flag and the timeout that a terminal needs are there.
async fn is_complete(pair: &Pair, team: &Team, when: &str) {
    pair.is_on(team, when).await;
    let ingress = format!("{}-server", pair.ours.name);
    becomes(&format!("{when}: the Ingress waits long enough"), SOON, Some("3600".to_owned()), async || {
        team.annotations(&ingress).await.remove(TIMEOUT)
    })
    .await;
}

/// One helm command for both, after which the operator puts back what the command reset: in this order, and with no write refused.
async fn step(pair: &Pair, team: &Team, helm: Helm, verb: &str, values: Option<&str>, arguments: &[&str]) {
    let mark = pair.mark().await;
    pair.helm(helm, verb, values, arguments).await;
    is_complete(pair, team, &format!("{helm:?} {verb} {values:?}")).await;
    let writes = pair.writes(mark).await;
    let user = team.release.user().await;
    let reset = writes.iter().rposition(|w| w.user != user).expect("helm wrote argocd-cm");
    let back = writes.iter().skip(reset).find(|w| w.user == user).expect("the operator wrote it after helm");
    assert!(writes.iter().all(|w| w.code < 300), "{writes:#?}");
    let yielded = writes.iter().rfind(|w| w.user == user).unwrap();
    println!(
        "measured: {helm:?} {verb}: back after {} ms, our entry gone after {} ms more; managers of argocd-cm {:?}",
        milliseconds(&writes[reset], back),
        milliseconds(back, yielded),
        pair.ours.managers("ConfigMap argocd-cm").await
    );
}

async fn story(helm: Helm) {
    let pair = Pair::install(helm, BASE).await;
    let team = pair.operator("").await;
    pair.are_alike("before anything is declared").await;
    println!("measured: {helm:?} install: managers of argocd-cm {:?}", pair.ours.managers("ConfigMap argocd-cm").await);
    team.grant("team-a", TEAM_A).await;
    team.ready("team-a").await;
    is_complete(&pair, &team, "declared").await;

    step(&pair, &team, helm, "upgrade", Some(BASE), &[]).await;
    step(&pair, &team, helm, "upgrade", Some(UNRELATED), &[]).await;
    step(&pair, &team, helm, "upgrade", Some(LONGER), &[]).await;
    step(&pair, &team, helm, "rollback", None, &["1"]).await;
    step(&pair, &team, helm, "upgrade", Some(LONGER), &[]).await;
    team.ready("team-a").await;

    team.delete("team-a").await;
    pair.are_alike("after the last one has gone").await;
    pair.upgrade(helm, UNRELATED).await;
    pair.are_alike("after one more upgrade").await;

    // The line that ends it: from then on there is nothing for the operator to write.
    pair.upgrade(helm, ON).await;
    let mark = pair.mark().await;
    team.grant("team-a", TEAM_A).await;
    team.ready("team-a").await;
    pair.upgrade(helm, ON).await;
    team.delete("team-a").await;
    let user = team.release.user().await;
    assert!(pair.writes(mark).await.iter().all(|w| w.user != user), "Helm says true itself");
    pair.are_alike("with the flag in Helm's values").await;

    // And the release goes while something is declared.
    pair.upgrade(helm, BASE).await;
    team.grant("team-a", TEAM_A).await;
    team.ready("team-a").await;
    pair.helm(helm, "uninstall", None, &["--wait"]).await;
    team.delete("team-a").await;
    assert!(pair.ours.state().await.is_empty(), "{:#?}", pair.ours.state().await);
    assert_eq!(team.config_maps().get_opt(ARGOCD_CM).await.unwrap(), None);
}

#[tokio::test]
async fn helm_4_upgrades_rolls_back_and_uninstalls_as_if_the_operator_were_not_there() {
    story(Helm::V4).await;
}

#[tokio::test]
async fn helm_3_upgrades_rolls_back_and_uninstalls_as_if_the_operator_were_not_there() {
    story(Helm::V3).await;
}

/// Declarations come and go while upgrades run.
async fn traffic(helm: Helm) {
    let pair = Pair::install(helm, BASE).await;
    let team = pair.operator("").await;
    let upgrades = async {
        for values in [UNRELATED, BASE, LONGER, LONGER, UNRELATED, LONGER] {
            pair.upgrade(helm, values).await;
        }
    };
    let (done, mut rounds) = (std::cell::Cell::new(false), 0);
    let people = async {
        while !done.get() {
            // So short after one another that a first write and its taking back meet an upgrade at every point of it.
            for name in ["a", "b", "c"] {
                team.grant(name, TEAM_A).await;
            }
            becomes("on", SOON, Some("true".to_owned()), async || team.value(ARGOCD_CM, "exec.enabled").await).await;
            for name in ["b", "a", "c"] {
                team.delete(name).await;
            }
            rounds += 1;
        }
    };
    tokio::join!(
        async {
            upgrades.await;
            done.set(true);
        },
        people
    );
    println!("measured: {helm:?}: {rounds} times all came and went during six upgrades");
    pair.are_alike("after all came and went").await;
    pair.upgrade(helm, ON).await;
    pair.are_alike("after one more upgrade").await;
}

#[tokio::test]
async fn declarations_come_and_go_while_helm_4_upgrades() {
    traffic(Helm::V4).await;
}

#[tokio::test]
async fn declarations_come_and_go_while_helm_3_upgrades() {
    traffic(Helm::V3).await;
}
