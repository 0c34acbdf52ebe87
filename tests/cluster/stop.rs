//! The emergency stop: `argocd-access stop`, or the annotation alone; with the operator running and without.

use std::time::Duration;

use serde_json::json;

use crate::confinement::CONFINED;
use crate::half_world::{TEAM_A, says};
use crate::hands::{ARGOCD_CM, RBAC_CM, becomes, short};
use crate::support::chart;
use crate::support::snapshot::managed_fields;
use crate::uninstall::laptop;
use crate::world::{SOON, Team, condition, message};

const STOP: &str = "argocd-access.dev/stop";

impl Team {
    /// Nothing that was granted is left, and no entry of ours in argocd-cm.
    async fn is_shut(&self) {
        assert_eq!((self.policy("team-a").await, self.bound().await.len()), (None, 0));
        assert_eq!(self.value(ARGOCD_CM, "exec.enabled").await, None);
        let entries = managed_fields(&self.config_map(ARGOCD_CM).await);
        assert!(entries.keys().all(|m| !m.starts_with("argocd-access")), "{entries:#?}");
    }

    /// The text of the annotation.
    async fn stop_annotation(&self) -> Option<String> {
        self.config_map(ARGOCD_CM).await.metadata.annotations.and_then(|mut a| a.remove(STOP))
    }

    async fn granted(&self) {
        self.application("web-1", "shop").await;
        self.grant("team-a", TEAM_A).await;
        self.ready("team-a").await;
    }
}

#[tokio::test]
async fn with_the_operator_running_everything_is_withdrawn_until_it_is_released() {
    let team = Team::new().await;
    team.nginx_ingress("argocd").await;
    let before = team.shared().await;
    team.granted().await;
    let stopped = laptop(team.cp, &["stop", "--namespace", &team.namespace, "--reason", "INC-7: a stolen laptop"]).await;
    assert!(stopped.status.success(), "{}{}", stopped.stdout, stopped.stderr);
    assert!(stopped.stdout.contains("nothing is granted"), "{}", stopped.stdout);
    team.is_shut().await;
    assert_eq!(team.stop_annotation().await.as_deref(), Some("INC-7: a stolen laptop"));
    for kind in ["Active", "Ready"] {
        let status = team.condition("team-a", kind, "False", "Stopped").await;
        says(&status, kind, &["INC-7: a stolen laptop", "argocd-access stop --release"]);
    }
    assert_eq!(condition(&team.status("team-a").await, "Accepted").0, "True");
    let ingress = |shared: std::collections::BTreeMap<String, serde_json::Value>| shared["Ingress argocd"].clone();
    assert_eq!(ingress(team.shared().await), ingress(before));

    // Whoever declares more now gets nothing, and nobody has to do anything for that.
    team.grant("late", TEAM_A).await;
    team.condition("late", "Active", "False", "Stopped").await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let mark = team.cp.audit_mark().await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(short(&team.writes(mark).await), Vec::<String>::new());
    assert_eq!((team.policy("late").await, team.bound().await.len()), (None, 0));

    laptop(team.cp, &["stop", "--release", "-n", &team.namespace]).await.success();
    assert_eq!(team.stop_annotation().await, None);
    team.ready("team-a").await;
    team.ready("late").await;
}

#[tokio::test]
async fn the_annotation_alone_stops_as_well() {
    let team = Team::new().await;
    team.granted().await;
    team.edit("v1", "ConfigMap", ARGOCD_CM, json!({"metadata": {"annotations": {STOP: ""}}})).await;
    team.condition("team-a", "Active", "False", "Stopped").await;
    becomes("it is shut", SOON, (None, 0), async || (team.policy("team-a").await, team.bound().await.len())).await;
    team.delete("team-a").await;
    assert_eq!(team.stop_annotation().await.as_deref(), Some(""), "a person's annotation stays");
}

#[tokio::test]
async fn without_an_operator_it_withdraws_everything_itself_and_a_new_operator_holds_it() {
    let team = Team::with_values(CONFINED).await;
    team.granted().await;
    team.release.uninstall(&["--no-hooks"]).await.success();
    assert!(team.policy("team-a").await.is_some(), "without the operator everything stays");
    let stopped = laptop(team.cp, &["stop", "-n", &team.namespace]).await;
    assert!(stopped.status.success(), "{}{}", stopped.stdout, stopped.stderr);
    for what in [RBAC_CM, ARGOCD_CM, "RoleBinding"] {
        assert!(stopped.stdout.lines().any(|l| l.starts_with("withdrawn: ") && l.contains(what)), "{what}: {}", stopped.stdout);
    }
    team.is_shut().await;
    assert_eq!((team.confinement().await, team.allowed().await), ((true, true), "false".to_owned()), "what confines stays");
    let status = team.status("team-a").await;
    assert_eq!(condition(&status, "Active"), ("False".to_owned(), "Stopped".to_owned()), "{}", message(&status, "Active"));
    assert!(team.access("team-a").await.metadata.finalizers.is_some_and(|f| !f.is_empty()), "it is stopped, not removed");

    let _release = chart::install(team.cp, &team.namespace, CONFINED).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    team.is_shut().await;
    laptop(team.cp, &["stop", "--release", "-n", &team.namespace]).await.success();
    // The one before it could not give its Lease back: its rights went first.
    becomes("it is granted again", SOON * 2, true, async || condition(&team.status("team-a").await, "Ready").0 == "True").await;
    assert_eq!(team.allowed().await, format!("request.namespace in ['{}']", team.destination));
}

#[tokio::test]
async fn what_cannot_be_withdrawn_is_named_and_the_annotation_stays() {
    let team = Team::new().await;
    team.granted().await;
    team.release.uninstall(&["--no-hooks"]).await.success();
    team.refuse("", "configmaps", RBAC_CM, None).await;
    let failed = laptop(team.cp, &["stop", "-n", &team.namespace, "--timeout", "3s"]).await;
    assert_eq!(failed.status.code(), Some(1), "{}{}", failed.stdout, failed.stderr);
    for fragment in ["not everything could be withdrawn", RBAC_CM, "the annotation is set"] {
        assert!(failed.stderr.contains(fragment), "{fragment}: {}", failed.stderr);
    }
    assert_eq!((team.bound().await.len(), team.value(ARGOCD_CM, "exec.enabled").await), (0, None), "what can be withdrawn is");
    assert!(team.stop_annotation().await.is_some());
    team.permit(RBAC_CM).await;
    becomes("it works when it may", Duration::from_secs(30), true, async || {
        laptop(team.cp, &["stop", "-n", &team.namespace, "--timeout", "3s"]).await.status.success()
    })
    .await;
    team.is_shut().await;
}

#[tokio::test]
async fn where_there_is_no_argo_cd_it_says_how_to_name_one() {
    let cp = crate::support::ControlPlane::shared(crate::support::Kubernetes::V1_36).await;
    let failed = laptop(cp, &["stop", "-n", "default"]).await;
    assert_eq!(failed.status.code(), Some(1));
    assert!(failed.stderr.contains("no ConfigMap argocd-cm in default") && failed.stderr.contains("-n"), "{}", failed.stderr);
    for wrong in [&["stop", "-n", "default", "--reason", "two\nlines"][..], &["stop", "-n", "default", "--release", "--reason", "x"]] {
        assert_eq!(laptop(cp, wrong).await.status.code(), Some(2), "{wrong:?}");
    }
}
