//! A confined instance, step by step, on either Kubernetes: what argocd-server's rights allow, and what becomes of it.

use k8s_openapi::api::rbac::v1::ClusterRole;
use kube::{Api, ResourceExt, api::ListParams};
use serde_json::json;

use crate::instance::{Instance, Place, WITHIN};
use crate::support::{Kubernetes, argocd::Options, eventually};
use crate::world::message;

/// Alice may open terminals into `shop/web` and `shop/lab` by lines that somebody wrote by hand; an ExecAccess grants `shop/web` only.
pub async fn a_terminal_opens_only_where_an_object_grants_it(version: Kubernetes) {
    let instance = Instance::start(version, Options { cluster_rbac: true, ..Options::default() }).await;
    let team = &instance.team;
    instance.argocd.create_project("shop").await;
    let lab = team.cp.namespace("lab").await;
    let web = instance.application("shop", "web").await;
    let lab = instance.application_in(&team.namespace, "shop", "lab", &lab).await;
    let lines = "p, role:by-hand, applications, get, shop/*, allow\np, role:by-hand, exec, create, shop/*, allow\ng, by-hand, role:by-hand\n";
    instance.set_by_hand("argocd-rbac-cm", json!({ "policy.by-hand.csv": lines })).await;
    if version == Kubernetes::V1_36 {
        // There the stock ClusterRole alone opens nothing; somebody has added what is missing.
        let roles = Api::<ClusterRole>::all(team.client()).list(&ListParams::default()).await.unwrap();
        let exec = roles.items.iter().map(ResourceExt::name_any).find(|n| n.contains(&team.namespace) && n.ends_with("-exec")).unwrap();
        let account = format!("--serviceaccount={}:argocd-server", team.namespace);
        let bind = ["create", "rolebinding", "by-hand", "--namespace", &lab.destination, &format!("--clusterrole={exec}"), &account];
        team.cp.kubectl(&bind).await.success();
    }
    let alice = instance.argocd.person_token("alice", &["by-hand"]);
    let name = team.grant("web", "{subjects: [{kind: Group, name: team-a}], applications: [{project: shop, name: web}]}").await;
    team.ready(&name).await;
    for place in [&web, &lab] {
        instance.shell(&alice, place).await;
    }

    team.release.upgrade("{instance: {confine: true}}", &[]).await;
    let status = team.condition(&name, "Confined", "True", "Enforced").await;
    assert!(message(&status, "Confined").contains("per instance, not per person"), "{status:#?}");
    refuses(&instance, &alice, &lab).await;
    instance.shell(&alice, &web).await;
    // Argo CD's policy lets her in as before, and so do argocd-server's rights; it is not about anybody else.
    let server = format!("--as=system:serviceaccount:{}:argocd-server", team.namespace);
    let verb = if version == Kubernetes::V1_36 { "create" } else { "get" };
    let can_i = ["auth", "can-i", verb, "pods", "--subresource=exec", "--namespace", &lab.destination, &server];
    assert_eq!(team.cp.kubectl(&can_i).await.stdout.trim(), "yes");
    for place in [&web, &lab] {
        let hi = team.cp.kubectl(&["exec", "--namespace", &place.destination, &place.pod, "--", "echo", "hi"]).await.success();
        assert_eq!(hi.trim(), "hi", "a person's own exec");
    }

    // One more object, one more namespace.
    let more = team.grant("lab", "{subjects: [{kind: Group, name: team-a}], applications: [{project: shop, name: lab}]}").await;
    team.ready(&more).await;
    instance.shell(&alice, &lab).await;
    team.delete(&more).await;
    refuses(&instance, &alice, &lab).await;
    instance.shell(&alice, &web).await;
}

/// Waits until a terminal has no shell.
async fn refuses(instance: &Instance, token: &str, place: &Place) {
    eventually("a terminal without a shell", WITHIN, || async {
        let mut terminal = instance.open(token, place).await.map_err(|refused| format!("Argo CD itself refuses: {refused}"))?;
        terminal.run("true").await.err().map(drop).ok_or_else(|| "there is a shell".to_owned())
    })
    .await;
}
