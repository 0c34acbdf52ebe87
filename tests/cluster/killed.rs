//! The operator is killed at every single one of its writes, before it reaches the API server and after it is done, and started again:
//! the end is the same as if nothing had been, and in between nobody can do more than is declared. And one that was stopped for a while
//! gives nothing on what it had seen before.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use k8s_openapi::api::authorization::v1::{ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec};
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use crate::hands::{ARGOCD_CM, RBAC_CM, key};
use crate::support::death::Death;
use crate::support::policyjudge::{Judge, Request};
use crate::support::proxy::{Moment, Proxy, Then};
use crate::support::snapshot::{managed_fields, shared_objects, snapshot};
use crate::support::{ControlPlane, Kubernetes, chart, eventually, eventually::that};
use crate::world::{SOON, Team, condition};

const SPEC: &str = "{subjects: [{kind: Group, name: team-a}], applications: [{project: shop, name: 'web-*'}]}";

/// A Team whose operator goes through a proxy.
struct Behind {
    team: Team,
    proxy: Proxy,
    judge: std::sync::Mutex<Judge>,
}

/// What people can do, and what is set for it.
#[derive(Debug, PartialEq)]
struct Access {
    /// Whether those who are declared can open a terminal, by Argo CD's policy.
    declared: bool,
    /// Whether anybody else can, or they anything else.
    others: bool,
    /// Whether argocd-server may exec where the Applications run, and elsewhere.
    server: (bool, bool),
    flag: bool,
}

impl Behind {
    async fn new() -> Self {
        let cp = ControlPlane::shared(Kubernetes::V1_36).await;
        let namespace = cp.instance("team").await;
        let proxy = Proxy::start(cp);
        let destination = cp.namespace("shop").await;
        let release = chart::install_behind(&proxy, cp, &namespace, "").await;
        let team = Team { cp, namespace, destination, release };
        team.application("web-1", "shop").await;
        team.ingress_class("community", "k8s.io/ingress-nginx").await;
        team.ingress("web", "community", &json!({"nginx.ingress.kubernetes.io/proxy-read-timeout": "45"})).await;
        Self { team, proxy, judge: std::sync::Mutex::new(Judge::start()) }
    }

    async fn may_exec(&self, namespace: &str) -> bool {
        let attributes = |verb: &str| ResourceAttributes {
            namespace: Some(namespace.to_owned()),
            verb: Some(verb.to_owned()),
            resource: Some("pods".to_owned()),
            subresource: Some("exec".to_owned()),
            ..ResourceAttributes::default()
        };
        let spec = SubjectAccessReviewSpec {
            user: Some(format!("system:serviceaccount:{}:argocd-server", self.team.namespace)),
            resource_attributes: Some(attributes("create")),
            ..SubjectAccessReviewSpec::default()
        };
        let review = SubjectAccessReview { spec, ..SubjectAccessReview::default() };
        let answer = Api::<SubjectAccessReview>::all(self.team.client()).create(&PostParams::default(), &review).await.unwrap();
        answer.status.unwrap().allowed
    }

    async fn access(&self) -> Access {
        let data: BTreeMap<String, String> = self.team.config_map(RBAC_CM).await.data.unwrap_or_default();
        let asked = [
            Request::exec("alice", &["team-a"], "shop/web-1"),
            Request::exec("alice", &["team-a"], "shop/api"),
            Request::exec("eve", &["team-b"], "shop/web-1"),
            Request::new("alice", &["team-a"], "applications", "sync", "shop/web-1"),
        ];
        let allowed = self.judge.lock().unwrap().allowed(&data, &[], &asked).unwrap();
        Access {
            declared: allowed[0],
            others: allowed[1..].contains(&true),
            server: (self.may_exec(&self.team.destination).await, self.may_exec("kube-system").await),
            flag: self.team.value(ARGOCD_CM, "exec.enabled").await.as_deref() == Some("true"),
        }
    }

    /// All shared objects and the bindings, with who has fields in them, without times.
    async fn state(&self) -> BTreeMap<String, Value> {
        let mut state = BTreeMap::new();
        for (name, object) in shared_objects(&self.team.client(), &self.team.namespace).await {
            if name.starts_with("Secret ") || name.contains("access") {
                continue;
            }
            let ours: Vec<String> = managed_fields(&object).into_keys().filter(|m| m.starts_with("argocd-access")).collect();
            let mut value = snapshot(&object);
            if let Some(text) = value.pointer_mut("/metadata/annotations/argocd-access.dev~1before") {
                let mut memory: Value = serde_json::from_str(text.as_str().unwrap()).unwrap();
                memory["hash"] = Value::Null;
                memory["fields"].as_object_mut().unwrap().values_mut().for_each(|record| record["at"] = Value::Null);
                *text = memory;
            }
            state.insert(name, json!({"object": value, "ours": ours}));
        }
        state.insert("bindings".to_owned(), json!(self.team.bound().await));
        state
    }

    /// Waits until a phase is over. Killed in its midst, the operator is started again as soon as everybody's access has been looked at.
    async fn phase(&self, what: &str, given: bool, death: &mut Death<'_>, done: impl AsyncFn() -> bool) -> Option<Access> {
        let (began, mut killed, mut withdrawn) = (Instant::now(), None, false);
        loop {
            if death.came().await {
                // The API server's own picture of a binding is some moments old.
                tokio::time::sleep(Duration::from_millis(200)).await;
                killed = Some(self.access().await);
                self.team.release.kubelet.release();
            }
            if !given {
                let now = self.access().await;
                assert!(!(withdrawn && now.declared), "{what}: given again: {now:?}");
                withdrawn |= !now.declared;
            }
            if done().await && death.is_past_or_to_come() {
                return killed;
            }
            let log = || self.team.release.kubelet.operator_log();
            assert!(began.elapsed() < Duration::from_secs(40), "{what}: {:#?}\n{}", self.proxy.writes(), log());
            tokio::time::sleep(Duration::from_millis(75)).await;
        }
    }

    async fn is(&self, kind: &str, state: &str, reason: &str) -> bool {
        let Some(access) = self.team.accesses().get_opt("web").await.unwrap() else { return false };
        let status = access.status.unwrap_or_default();
        status.observed_generation == access.metadata.generation && condition(&status, kind) == (state.to_owned(), reason.to_owned())
    }

    /// An object is created, suspended and deleted. Returns the states in between, and what people could do when the operator was dead.
    async fn life(&self) -> (Vec<BTreeMap<String, Value>>, Option<(&'static str, Access)>) {
        let (mut states, mut killed) = (Vec::new(), None);
        let mut death = Death::at_the_trap(&self.proxy, &self.team.release.kubelet);
        self.team.grant("web", SPEC).await;
        let seen = self.phase("create", true, &mut death, async || self.is("Ready", "True", "Ready").await).await;
        killed = killed.or(seen.map(|access| ("create", access)));
        states.push(self.state().await);
        self.team.change("web", json!({"suspend": true})).await;
        let seen = self.phase("suspend", false, &mut death, async || self.is("Ready", "False", "Suspended").await).await;
        killed = killed.or(seen.map(|access| ("suspend", access)));
        states.push(self.state().await);
        self.team.change("web", json!({"suspend": false})).await;
        let seen = self.phase("resume", true, &mut death, async || self.is("Ready", "True", "Ready").await).await;
        killed = killed.or(seen.map(|access| ("resume", access)));
        self.team.accesses().delete("web", &DeleteParams::default()).await.unwrap();
        let gone = async || self.team.accesses().get_opt("web").await.unwrap().is_none();
        for _ in 0..2 {
            let seen = self.phase("delete", false, &mut death, gone).await;
            killed = killed.or(seen.map(|access| ("delete", access)));
            death.quiet().await;
        }
        states.push(self.state().await);
        (states, killed)
    }
}

async fn at_every_write(moment: Moment) {
    let behind = Behind::new().await;
    let before = behind.state().await;
    let (expected, _) = behind.life().await;
    assert_eq!(expected.last(), Some(&before));
    let mut phases = BTreeSet::new();
    for nth in 1.. {
        let kill = behind.team.release.kubelet.killer();
        behind.proxy.at(nth, moment, move || {
            kill();
            Then::Cut
        });
        let (states, killed) = behind.life().await;
        let Some((phase, access)) = killed else {
            assert!(behind.proxy.is_set());
            println!("{moment:?}: killed at each of {} writes: {:#?}", nth - 1, behind.proxy.writes());
            assert!(nth > 12, "a life has more writes than {nth}");
            break;
        };
        let write = behind.proxy.writes().get(nth - 1).cloned().unwrap_or_default();
        println!("{moment:?} {nth}, {phase}, {write}: {access:?}");
        assert!(!access.others && !access.server.1, "{phase}, {write}: {access:?}");
        // The lines come last and go first: whoever has them has everything else, and nobody has them whom nothing is declared for.
        assert!(!access.declared || (access.server.0 && access.flag), "{phase}, {write}: {access:?}");
        assert_eq!(states, expected, "killed at write {nth} ({phase}, {write}), {moment:?}");
        phases.insert(phase);
    }
    assert_eq!(phases, BTreeSet::from(["create", "delete", "resume", "suspend"]));
}

#[tokio::test]
async fn killed_before_any_of_its_writes_is_done_it_ends_in_the_same_state() {
    at_every_write(Moment::Before).await;
}

#[tokio::test]
async fn killed_after_any_of_its_writes_was_done_it_ends_in_the_same_state() {
    at_every_write(Moment::After).await;
}

#[tokio::test]
async fn stopped_for_a_while_it_gives_nothing_on_what_it_had_seen_before() {
    let behind = Behind::new().await;
    let (team, proxy) = (&behind.team, &behind.proxy);
    let before = behind.state().await;
    // At the first and at the second write that gives: the binding of argocd-server, and the flag.
    for nth in [2, 3] {
        for vanished in [false, true] {
            let stop = team.release.kubelet.signaller("STOP");
            proxy.at(nth, Moment::After, move || {
                stop();
                Then::Pass
            });
            team.grant("web", SPEC).await;
            eventually("it is stopped in the midst of a grant", SOON, async || that(!proxy.is_set(), || format!("{:?}", proxy.writes()))).await;
            let writes = proxy.writes();
            assert!(!writes.iter().any(|w| w.ends_with(RBAC_CM)), "{writes:?}");
            team.accesses().delete("web", &DeleteParams::default()).await.unwrap();
            if vanished {
                // Another operator, or the administrator, has let it go: nothing tells of it any more.
                let patch = Patch::Merge(json!({"metadata": {"finalizers": null}}));
                team.accesses().patch("web", &PatchParams::default(), &patch).await.unwrap();
                assert!(team.accesses().get_opt("web").await.unwrap().is_none());
            }
            tokio::time::sleep(Duration::from_millis(1500)).await;
            let mark = team.cp.audit_mark().await;
            team.release.kubelet.signal_operator("CONT");
            team.gone("web").await;
            eventually("everything is as before", SOON, async || {
                let now = behind.state().await;
                that(now == before, || format!("{now:#?}"))
            })
            .await;
            let written = team.writes(mark).await;
            let policy: Vec<_> = written.iter().filter(|w| w.name == RBAC_CM || w.uri.contains(&key("web"))).collect();
            assert!(policy.is_empty(), "write {nth}, vanished: {vanished}: {policy:#?}");
            let bound: Vec<_> = written.iter().filter(|w| w.resource == "rolebindings" && w.verb != "delete").collect();
            assert!(bound.is_empty(), "write {nth}, vanished: {vanished}: {bound:#?}");
        }
    }
    // It is well, all the same.
    team.grant("web", SPEC).await;
    team.ready("web").await;
    assert!(behind.access().await.declared);
}
