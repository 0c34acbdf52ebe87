//! The operator is killed at each of its writes and started again: it ends as if nothing had been, and in between the agent never has more
//! than is declared.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::Edge;
use crate::support::death::Death;
use crate::support::edge::{install, project};
use crate::support::proxy::{Moment, Proxy, Then};
use crate::support::{ControlPlane, Kubernetes, chart};
use crate::world::Team;

/// What is declared in each phase before the object is deleted.
const PHASES: [(&str, &str); 2] =
    [("create", "[{features: [View, Logs]}]"), ("narrow", "[{features: [View, Events], namespaces: {names: [SHOP]}}], exclude: [{kind: Service}]")];

struct Behind {
    edge: Edge,
    proxy: Proxy,
    other: String,
}

impl Behind {
    async fn new() -> Self {
        let cp = ControlPlane::shared(Kubernetes::V1_36).await;
        let namespace = cp.instance("team").await;
        let proxy = Proxy::start(cp);
        let (destination, other) = (cp.namespace("shop").await, cp.namespace("other").await);
        let release = chart::install_behind(&proxy, cp, &namespace, super::SERVED).await;
        let edge = Edge { team: Team { cp, namespace, destination, release } };
        edge.apply_text(&install("managed")).await;
        edge.apply_text(&project("default")).await;
        edge.web().await;
        edge.application("api", &[&format!("apps/Deployment/{other}/api")]).await;
        Self { edge, proxy, other }
    }

    /// Everything that the agent has by us.
    async fn held(&self) -> BTreeSet<String> {
        let mut held: BTreeSet<String> =
            self.edge.objects().await.into_iter().filter(|o| o.starts_with("RoleBinding ") && !o.ends_with("/live")).collect();
        for namespace in [self.edge.shop(), self.other.as_str()] {
            held.extend(self.edge.rights(namespace).await.into_iter().map(|right| format!("{namespace}: {right}")));
        }
        held
    }

    async fn is_ready(&self) -> bool {
        let Some(access) = self.edge.accesses().get_opt("live").await.unwrap() else { return false };
        let status = access.status.unwrap_or_default();
        let ready = status.conditions.iter().find(|c| c.type_ == "Ready");
        status.observed_generation == access.metadata.generation && ready.is_some_and(|c| c.status == "True")
    }

    /// Waits until a phase is over. Killed in its midst, the operator is started again once it was looked at what the agent has.
    async fn phase(&self, what: &str, may: &BTreeSet<String>, death: &mut Death<'_>, done: impl AsyncFn() -> bool) -> bool {
        let (began, mut killed) = (Instant::now(), false);
        loop {
            let held = self.held().await;
            assert!(held.is_subset(may), "{what}: more than is or was declared: {held:#?}");
            if death.came().await {
                killed = true;
                let held = self.held().await;
                assert!(held.is_subset(may), "{what}: more than is or was declared, left by the dead: {held:#?}");
                self.edge.team.release.kubelet.release();
            }
            if done().await && death.is_past_or_to_come() {
                return killed;
            }
            let log = || self.edge.team.release.kubelet.operator_log();
            assert!(began.elapsed() < Duration::from_secs(60), "{what}: {:#?}\n{}", self.proxy.writes(), log());
            tokio::time::sleep(Duration::from_millis(75)).await;
        }
    }

    /// What the agent has after each phase, and in which one the operator died.
    async fn life(&self, known: Option<&[BTreeSet<String>]>) -> (Vec<BTreeSet<String>>, Option<&'static str>) {
        let (mut states, mut died) = (vec![self.held().await], None);
        let mut death = Death::at_the_trap(&self.proxy, &self.edge.team.release.kubelet);
        for (index, (what, grants)) in PHASES.iter().enumerate() {
            self.edge.declare("live", &grants.replace("SHOP", self.edge.shop()), "").await;
            // Never more than before and after this change together; in the first life what comes after is not known yet.
            let may: BTreeSet<String> = known.map_or_else(BTreeSet::new, |known| known[index].union(&known[index + 1]).cloned().collect());
            let may = if known.is_some() { may } else { self.everything() };
            let killed = self.phase(what, &may, &mut death, async || self.is_ready().await).await;
            died = died.or(killed.then_some(*what));
            states.push(self.held().await);
        }
        self.edge.accesses().delete("live", &kube::api::DeleteParams::default()).await.unwrap();
        let may = states.last().cloned().unwrap();
        let gone = async || self.edge.accesses().get_opt("live").await.unwrap().is_none();
        let mut killed = self.phase("delete", &may, &mut death, gone).await;
        death.quiet().await;
        killed |= self.phase("delete", &may, &mut death, gone).await;
        died = died.or(killed.then_some("delete"));
        states.push(self.held().await);
        assert_eq!(self.edge.objects().await, BTreeSet::new(), "nothing is left behind");
        (states, died)
    }

    fn everything(&self) -> BTreeSet<String> {
        let (shop, other) = (self.edge.shop(), self.other.as_str());
        let kinds = ["configmaps", "deployments.apps", "endpointslices.discovery.k8s.io", "pods", "replicasets.apps", "services"];
        let rights = [shop, other].into_iter().flat_map(|n| kinds.iter().map(move |kind| format!("{n}: get {kind}")));
        let bindings = [shop, other].into_iter().flat_map(|n| ["logs", "events"].map(|end| format!("RoleBinding {n}/live-{end}")));
        rights.chain(bindings).collect()
    }
}

async fn at_every_write(moment: Moment) {
    let behind = Behind::new().await;
    let (expected, _) = behind.life(None).await;
    assert!(expected[1].len() > expected[2].len() && expected[3].is_empty(), "{expected:#?}");
    let mut phases = BTreeSet::new();
    for nth in 1.. {
        let kill = behind.edge.team.release.kubelet.killer();
        behind.proxy.at(nth, moment, move || {
            kill();
            Then::Cut
        });
        let (states, died) = behind.life(Some(&expected)).await;
        let Some(phase) = died else {
            assert!(behind.proxy.is_set() && nth > 15, "a life has more writes than {nth}: {:#?}", behind.proxy.writes());
            behind.proxy.disarm();
            break;
        };
        let write = behind.proxy.writes().get(nth - 1).cloned().unwrap_or_default();
        println!("{moment:?} {nth}, {phase}, {write}");
        assert_eq!(states, expected, "killed at write {nth} ({phase}, {write}), {moment:?}");
        phases.insert(phase);
    }
    assert_eq!(phases, BTreeSet::from(["create", "delete", "narrow"]));
}

#[tokio::test]
async fn killed_before_any_of_its_writes_is_done_the_agent_ends_with_the_same_rights() {
    at_every_write(Moment::Before).await;
}

#[tokio::test]
async fn killed_after_any_of_its_writes_was_done_the_agent_ends_with_the_same_rights() {
    at_every_write(Moment::After).await;
}
