//! Several operators in one instance: one of them writes, and the next one is there when it goes, in whatever way.

use std::time::{Duration, Instant};

use argocd_access::cluster_io::lease::LEASE;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::json;

use crate::hands::{ARGOCD_CM, becomes};
use crate::support::eventually::{eventually, that};
use crate::world::{SOON, Team};

const SPEC: &str = "{subjects: [{kind: Group, name: team-a}], applications: [{project: shop, name: 'web-*'}]}";
/// Longer than a Lease holds, and than it takes to see that.
const SILENCE: Duration = Duration::from_secs(30);

impl Team {
    fn lease(&self) -> Api<Lease> {
        Api::namespaced(self.client(), &self.namespace)
    }

    /// The name of the Pod that leads; empty: none.
    async fn leader(&self) -> String {
        let lease = self.lease().get_opt(LEASE).await.unwrap();
        lease.and_then(|lease| lease.spec?.holder_identity).unwrap_or_default()
    }

    /// Another than this one leads; how long that took.
    async fn leader_after(&self, before: &str, patience: Duration) -> (String, Duration) {
        let began = Instant::now();
        eventually("another one leads", patience, || async {
            let leader = self.leader().await;
            that(!leader.is_empty() && leader != before, || format!("{leader}\n{}", self.release.kubelet.operator_log()))
        })
        .await;
        (self.leader().await, began.elapsed())
    }

    fn operators(&self) -> usize {
        self.release.kubelet.operators().len()
    }
}

/// An instance in which everything is there that an access needs.
async fn team(values: &str) -> Team {
    let team = Team::with_values(values).await;
    team.application("web-1", "shop").await;
    team.ingress_class("community", "k8s.io/ingress-nginx").await;
    team.ingress("web", "community", &json!({})).await;
    team
}

#[tokio::test]
async fn of_two_operators_one_writes_and_the_other_follows_within_a_second_when_it_is_told_to_end() {
    let team = team("{replicas: 2}").await;
    becomes("two run", SOON, 2, async || team.operators()).await;
    let first = team.leader().await;
    assert!(first.contains("access"), "{first}");
    let mark = team.cp.audit_mark().await;
    team.grant("team-a", SPEC).await;
    team.ready("team-a").await;
    let flags = team.writes(mark).await.iter().filter(|w| w.name == ARGOCD_CM && w.resource == "configmaps").count();
    assert_eq!(flags, 1, "by one of them, once");

    Api::<Pod>::namespaced(team.client(), &team.namespace).delete(&first, &DeleteParams::default()).await.unwrap();
    let (second, took) = team.leader_after(&first, Duration::from_secs(10)).await;
    println!("measured: handed over {} ms after the leader's Pod was deleted", took.as_millis());
    let mark = team.cp.audit_mark().await;
    team.grant("team-b", &SPEC.replace("team-a", "team-b")).await;
    team.ready("team-b").await;
    team.delete("team-a").await;
    let writes = team.writes(mark).await;
    assert!(writes.iter().all(|w| w.code < 300), "{writes:#?}");
    assert_eq!(team.leader().await, second);

    team.delete("team-b").await;
    let finished = team.release.uninstall(&[]).await;
    assert!(finished.status.success(), "{}{}", finished.stdout, finished.stderr);
    assert_eq!(team.lease().get_opt(LEASE).await.unwrap(), None, "nothing of ours stays");
}

#[tokio::test]
async fn one_that_vanishes_in_the_midst_of_a_burst_is_replaced_and_nothing_is_lost_or_done_twice() {
    let team = team("{replicas: 2}").await;
    becomes("two run", SOON, 2, async || team.operators()).await;
    let first = team.leader().await;
    let mark = team.cp.audit_mark().await;
    let names: Vec<String> = (0..40).map(|n| format!("team-{n}")).collect();
    for name in &names[..20] {
        team.grant(name, &SPEC.replace("team-a", name)).await;
    }
    // As a node vanishes: nobody is told to end.
    let grace = DeleteParams { grace_period_seconds: Some(0), ..DeleteParams::default() };
    Api::<Pod>::namespaced(team.client(), &team.namespace).delete(&first, &grace).await.unwrap();
    for name in &names[20..] {
        team.grant(name, &SPEC.replace("team-a", name)).await;
    }
    let (second, took) = team.leader_after(&first, SILENCE).await;
    println!("measured: replaced {} ms after the leader vanished", took.as_millis());
    assert_ne!(second, first);
    for name in &names {
        team.ready(name).await;
    }
    let writes = team.writes(mark).await;
    let flags = writes.iter().filter(|w| w.name == ARGOCD_CM && w.resource == "configmaps" && w.code < 300).count();
    assert_eq!(flags, 1, "{writes:#?}");
    for name in &names {
        team.accesses().delete(name, &DeleteParams::default()).await.unwrap();
    }
    becomes("all are gone", SILENCE, 0, async || team.accesses().list(&kube::api::ListParams::default()).await.unwrap().items.len()).await;
}

#[tokio::test]
async fn whoever_finds_its_lease_taken_ends_and_comes_back_only_when_the_other_is_silent() {
    let team = team("").await;
    team.grant("team-a", SPEC).await;
    team.ready("team-a").await;
    let (leader, starts) = (team.leader().await, team.release.kubelet.operator_starts());
    // What one writes that sees no Lease yet is refused when there is one.
    let fresh = json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": LEASE, "resourceVersion": "0"}, "spec": {"holderIdentity": "somebody"}});
    let refused = team.lease().patch(LEASE, &PatchParams::apply("argocd-access"), &Patch::Apply(fresh)).await.unwrap_err();
    println!("measured: a Lease that is made where there is one: {refused}");
    assert_eq!(team.leader().await, leader);
    let taken = json!({"spec": {"holderIdentity": "somebody", "renewTime": "2020-01-01T00:00:00.000000Z"}});
    team.lease().patch(LEASE, &PatchParams::default(), &Patch::Merge(taken)).await.unwrap();
    becomes("it ends and is started anew", SOON, true, async || team.release.kubelet.operator_starts() > starts).await;
    let log = team.release.kubelet.operator_log();
    assert!(log.contains("was taken by somebody"), "{log}");
    let mark = team.cp.audit_mark().await;
    team.grant("team-b", &SPEC.replace("team-a", "team-b")).await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(team.writes(mark).await, [], "somebody else may be writing, whatever the Lease's own time says");
    becomes("it leads again", SILENCE, leader, async || team.leader().await).await;
    team.ready("team-b").await;
    team.delete("team-a").await;
    team.delete("team-b").await;
}

/// The kinds by which it is decided what is given.
const DECIDING: [&str; 5] = ["execaccesses", "applications", "configmaps", "namespaces", "rolebindings"];

#[tokio::test]
async fn whoever_takes_over_lists_everything_afresh_before_it_writes_anything() {
    let team = team("{replicas: 2}").await;
    becomes("two run", SOON, 2, async || team.operators()).await;
    team.grant("team-a", SPEC).await;
    team.ready("team-a").await;
    let first = team.leader().await;
    let grace = DeleteParams { grace_period_seconds: Some(0), ..DeleteParams::default() };
    Api::<Pod>::namespaced(team.client(), &team.namespace).delete(&first, &grace).await.unwrap();
    becomes("two run again", SOON, 2, async || team.operators()).await;
    // The new one lists what it has to know; the one that waits for the Lease has done so long ago.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let mark = team.cp.audit_mark().await;
    team.grant("team-b", &SPEC.replace("team-a", "team-b")).await;
    team.leader_after(&first, SILENCE).await;
    team.ready("team-b").await;

    let user = team.release.user().await;
    let events = team.cp.audit_events(mark);
    let mine: Vec<(&str, &str)> = events
        .iter()
        .filter(|event| event["user"]["username"] == user.as_str() && event["responseStatus"]["code"].as_u64().is_some_and(|code| code < 300))
        .map(|event| (event["verb"].as_str().unwrap_or_default(), event["objectRef"]["resource"].as_str().unwrap_or_default()))
        .collect();
    let taken = mine.iter().position(|one| *one == ("patch", "leases")).expect("the Lease is taken");
    let writes = ["create", "patch", "update", "delete"];
    let is_write = |(verb, resource): &(&str, &str)| writes.contains(verb) && DECIDING.contains(resource);
    let wrote = mine.iter().position(is_write).expect("something is written");
    assert!(taken < wrote, "written without the Lease: {mine:#?}");
    for kind in DECIDING {
        assert!(mine[taken..wrote].contains(&("list", kind)), "{kind} is not listed between taking over and writing: {mine:#?}");
    }
    team.delete("team-a").await;
    team.delete("team-b").await;
}

#[tokio::test]
async fn a_rolling_update_of_two_in_the_midst_of_a_burst_loses_nothing_and_does_nothing_twice() {
    let team = team("{replicas: 2}").await;
    becomes("two run", SOON, 2, async || team.operators()).await;
    let (first, starts) = (team.leader().await, team.release.kubelet.operator_starts());
    let mark = team.cp.audit_mark().await;
    let names: Vec<String> = (0..30).map(|n| format!("team-{n}")).collect();
    let burst = async {
        for name in &names {
            team.grant(name, &SPEC.replace("team-a", name)).await;
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    // Another annotation is another Pod.
    tokio::join!(burst, team.release.upgrade("{replicas: 2, podAnnotations: {rolled: 'yes'}}", &[]));
    for name in &names {
        team.ready(name).await;
    }
    assert!(team.release.kubelet.operator_starts() >= starts + 2, "nothing was rolled");
    assert_ne!(team.leader().await, first);
    let writes = team.writes(mark).await;
    assert!(writes.iter().all(|w| w.code < 300 || w.code == 409), "{writes:#?}");
    let flags = writes.iter().filter(|w| w.name == ARGOCD_CM && w.resource == "configmaps" && w.code < 300).count();
    assert_eq!(flags, 1, "{writes:#?}");
    for name in &names {
        team.accesses().delete(name, &DeleteParams::default()).await.unwrap();
    }
    becomes("all are gone", SILENCE, 0, async || team.accesses().list(&kube::api::ListParams::default()).await.unwrap().items.len()).await;
}
