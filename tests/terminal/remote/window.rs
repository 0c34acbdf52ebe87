//! A terminal into a Pod of the remote cluster opens while it is declared, and not after it.

use std::time::Duration;

use argocd_access::api::ExecAccess;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::authorization::v1::{ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec};
use kube::Api;
use kube::api::{Patch, PatchParams, PostParams};
use serde_json::json;

use crate::bench::CLUSTER;
use crate::hub::{Hub, PROJECT, WITHIN};
use crate::support::{eventually, eventually::that};

const TEAM: &str = "my-org:team-a";
/// argocd-server's answer without permission, and where terminals are off.
const REFUSED: [u16; 2] = [401, 404];

fn in_seconds(seconds: i64) -> String {
    Timestamp::now().checked_add(SignedDuration::from_secs(seconds)).unwrap().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

impl Hub {
    fn accesses(&self) -> Api<ExecAccess> {
        Api::namespaced(self.bench.hub.client(), &self.bench.namespace)
    }

    /// Waits until a condition of an ExecAccess has this status and reason.
    async fn says(&self, name: &str, kind: &str, status: &str, reason: &str) -> ExecAccess {
        eventually(&format!("{kind} is {status}/{reason}"), WITHIN, || async {
            let access = self.accesses().get(name).await.map_err(|e| e.to_string())?;
            let found = access.status.clone().unwrap_or_default();
            let current = found.observed_generation == access.metadata.generation;
            let said = found.conditions.iter().find(|c| c.type_ == kind);
            that(current && said.is_some_and(|c| c.status == status && c.reason == reason), || {
                let all: Vec<String> = found.conditions.iter().map(|c| format!("{} {}/{}: {}", c.type_, c.status, c.reason, c.message)).collect();
                format!("{all:#?}\n{}", self.bench.log())
            })?;
            Ok::<_, String>(access)
        })
        .await
    }

    /// Whether the credential that Argo CD has may open terminals there.
    async fn may_exec(&self) -> bool {
        let attributes = ResourceAttributes {
            namespace: Some(self.bench.shop.clone()),
            verb: Some("create".to_owned()),
            resource: Some("pods".to_owned()),
            subresource: Some("exec".to_owned()),
            ..ResourceAttributes::default()
        };
        let spec = SelfSubjectAccessReviewSpec { resource_attributes: Some(attributes), ..SelfSubjectAccessReviewSpec::default() };
        let review = SelfSubjectAccessReview { spec, ..SelfSubjectAccessReview::default() };
        let answer = Api::<SelfSubjectAccessReview>::all(self.bench.argocd().await).create(&PostParams::default(), &review).await.unwrap();
        answer.status.unwrap().allowed
    }
}

#[tokio::test]
async fn a_terminal_on_a_remote_cluster_opens_in_its_window_by_the_minted_credential_and_not_after_it() {
    let hub = Hub::shared().await;
    let (bench, argocd) = (hub.bench, &hub.argocd);
    let pod = hub.application("web").await;
    let (alice, bob) = (argocd.person_token("alice", &[TEAM]), argocd.person_token("bob", &["others"]));
    let open = async |person: &str| argocd.terminal(person, "web", &bench.namespace, PROJECT, &pod, &bench.shop).await;
    let answer = async |person: &str| open(person).await.map_or_else(|refused| refused.status, |_terminal| 101);
    let before = answer(&alice).await;
    assert!(REFUSED.contains(&before), "HTTP {before}: {}", argocd.log("argocd-server"));
    assert!(!hub.may_exec().await, "nothing is declared");
    let exec_there = async || bench.there().await.iter().any(|object| object.contains("argocd-access-exec"));
    assert!(!exec_there().await);

    // Declared for a while.
    let access = json!({
        "apiVersion": "argocd-access.dev/v1alpha1", "kind": "ExecAccess", "metadata": {"name": "team", "namespace": bench.namespace},
        "spec": {
            "subjects": [{"kind": "Group", "name": TEAM}], "applications": [{"project": PROJECT, "name": "web"}],
            "validity": {"notAfter": in_seconds(600)},
        },
    });
    hub.accesses().patch("team", &PatchParams::apply("test").force(), &Patch::Apply(&access)).await.unwrap();
    let ready = hub.says("team", "Ready", "True", "Ready").await;
    let status = ready.status.unwrap();
    let proven = status.conditions.iter().find(|c| c.type_ == "ServerAuthorized").unwrap();
    assert_eq!((proven.status.as_str(), proven.reason.as_str()), ("True", "Proven"), "{}", proven.message);
    let server = status.server.unwrap();
    assert_eq!((server.remote.len(), server.remote[0].proven_by.as_deref()), (1, Some(CLUSTER)), "{server:#?}");
    assert_eq!(server.remote[0].namespaces, std::slice::from_ref(&bench.shop));
    assert!(hub.may_exec().await && exec_there().await);
    let mut terminal = eventually("a terminal opens", WITHIN, || open(&alice)).await;
    assert_eq!(terminal.run("echo one; echo $((1 + 1))").await.unwrap(), "one\n2");
    assert_eq!(answer(&bob).await, 401, "another group");

    // What the remote cluster's declaration keeps from it is said with what to change, and nothing opens.
    let permissions = async |exec: &str| {
        let patch = json!({"spec": {"permissions": {"exec": exec}}});
        bench.accesses().patch(CLUSTER, &PatchParams::default(), &Patch::Merge(patch)).await.unwrap();
    };
    permissions("Never").await;
    let refused = hub.says("team", "ServerAuthorized", "False", "RemoteCluster").await;
    let message = refused.status.unwrap().conditions.into_iter().find(|c| c.type_ == "ServerAuthorized").unwrap().message;
    assert!(message.contains("ClusterAccess prod") && message.contains("permissions.exec is Never; set it to Auto"), "{message}");
    eventually("the credential may not exec any more", WITHIN, || async { that(!hub.may_exec().await, || "it may".to_owned()) }).await;
    permissions("Auto").await;
    hub.says("team", "Ready", "True", "Ready").await;
    let mut terminal = eventually("a terminal opens again", WITHIN, || open(&alice)).await;
    assert_eq!(terminal.run("echo hi").await.unwrap(), "hi");

    // The end of the window.
    let end = json!({"spec": {"validity": {"notAfter": in_seconds(3)}}});
    hub.accesses().patch("team", &PatchParams::default(), &Patch::Merge(end)).await.unwrap();
    eventually("the terminal is refused", Duration::from_secs(20), || async {
        let seen = answer(&alice).await;
        that(REFUSED.contains(&seen), || format!("HTTP {seen}"))
    })
    .await;
    eventually("the right is gone in the remote cluster", WITHIN, || async {
        that(!hub.may_exec().await && !exec_there().await, || "it is there".to_owned())
    })
    .await;
    terminal.send("").await.unwrap();
    terminal.closed(WITHIN).await.unwrap();
    hub.says("team", "Active", "False", "Expired").await;
    // The credential stays, and does what it is for.
    bench.ready().await;
    hub.commit("web", 1).await;
    hub.arrives("web", 1).await;
}
