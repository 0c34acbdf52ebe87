//! Tests with a real Argo CD on Kubernetes 1.34, where a WebSocket to `pods/exec` needs `get` only, which the ClusterRole of Argo CD's
//! own install.yaml gives argocd-server everywhere.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "what a test cannot do fails it")]

#[path = "confined.rs"]
mod confined;
#[path = "instance.rs"]
#[allow(dead_code, reason = "the tests on the newer Kubernetes use the rest")]
mod instance;
#[path = "../support/mod.rs"]
mod support;
#[path = "../cluster/world.rs"]
#[allow(dead_code, reason = "the tests of the cluster use the rest")]
mod world;

use k8s_openapi::api::rbac::v1::RoleBinding;
use kube::{Api, api::DeleteParams};

use instance::{ACCEPTED, Instance, NO_PERMISSION, OFF, Place, WITHIN};
use support::{Kubernetes, argocd::Options, eventually};
use world::{condition, message};

const OF_TEAM_A: &str = "{subjects: [{kind: Group, name: team-a}], applications: [{project: shop, name: web}]}";
const OF_TEAM_B: &str = "{subjects: [{kind: Group, name: team-b}], applications: [{project: shop, name: web}]}";

async fn start(cluster_rbac: bool) -> (Instance, Place) {
    let instance = Instance::start(Kubernetes::V1_34, Options { cluster_rbac, ..Options::default() }).await;
    instance.argocd.create_project("shop").await;
    let web = instance.application("shop", "web").await;
    (instance, web)
}

#[tokio::test]
async fn the_stock_cluster_role_is_said_to_open_every_namespace_and_policy_alone_closes_the_terminal() {
    let (instance, web) = start(true).await;
    let (alice, bob) = (instance.argocd.person_token("alice", &["team-a"]), instance.argocd.person_token("bob", &["team-b"]));
    let team = &instance.team;
    assert_eq!(instance.answer(&alice, &web).await, OFF);

    let name = team.grant("team-a", OF_TEAM_A).await;
    let status = team.ready(&name).await;
    assert_eq!(condition(&status, "ServerAuthorized"), ("True".to_owned(), "OpenByOthers".to_owned()), "{status:#?}");
    let grant = format!("{}-argocd-server", team.namespace);
    let open = status.server.clone().unwrap().open_cluster_wide.unwrap();
    assert!(open.contains(&format!("ClusterRoleBinding \"{grant}\"")), "{open}");
    let said = message(&status, "ServerAuthorized");
    for part in
        [&format!("of ClusterRole \"{grant}\""), "before Kubernetes 1.35 `get` on pods/exec is enough", "server.clusterRoleRules.enabled: true"]
    {
        assert!(said.contains(part), "{part}: {said}");
    }
    instance.shell(&alice, &web).await;

    // Terminals stay on for another team; the policy refuses this one, although argocd-server may still exec.
    team.grant("team-b", OF_TEAM_B).await;
    instance.shell(&bob, &web).await;
    assert_eq!(instance.answer(&alice, &web).await, ACCEPTED);
    team.delete(&name).await;
    instance.answers(NO_PERMISSION, &alice, &web).await;
    instance.shell(&bob, &web).await;
    team.delete("team-b").await;
    instance.answers(OFF, &bob, &web).await;
    let server = format!("system:serviceaccount:{}:argocd-server", team.namespace);
    let may = team.cp.kubectl(&["auth", "can-i", "get", "pods", "--subresource=exec", "--as", &server, "--namespace", &web.destination]).await;
    assert_eq!(may.stdout.trim(), "yes", "which was said");
}

#[tokio::test]
async fn a_confined_argocd_server_opens_a_terminal_only_where_an_object_grants_it_whatever_the_stock_cluster_role_allows() {
    confined::a_terminal_opens_only_where_an_object_grants_it(Kubernetes::V1_34).await;
}

#[tokio::test]
async fn without_the_stock_cluster_role_the_binding_is_what_opens_and_its_removal_closes() {
    let (instance, web) = start(false).await;
    let alice = instance.argocd.person_token("alice", &["team-a"]);
    let team = &instance.team;
    let name = team.grant("team-a", OF_TEAM_A).await;
    let status = team.ready(&name).await;
    assert_eq!(condition(&status, "ServerAuthorized"), ("True".to_owned(), "Proven".to_owned()), "{status:#?}");
    let server = status.server.clone().unwrap();
    assert_eq!(server.open_cluster_wide, None);
    let namespaces: Vec<_> = server.namespaces.iter().map(|namespace| (namespace.name.as_str(), namespace.granted_by_us)).collect();
    assert_eq!(namespaces, [(web.destination.as_str(), true)]);
    instance.shell(&alice, &web).await;

    instance.freeze_operator();
    let bindings = Api::<RoleBinding>::namespaced(team.client(), &team.destination);
    bindings.delete(&format!("argocd-access-exec-{}", team.namespace), &DeleteParams::default()).await.unwrap();
    let refused = eventually("no terminal without the binding", WITHIN, || async { instance.open(&alice, &web).await.err().ok_or("it opens") }).await;
    assert!(refused.status != NO_PERMISSION && refused.status != OFF, "Kubernetes refuses, not Argo CD: {refused}");
    instance.thaw_operator();
    instance.shell(&alice, &web).await;
}
