//! `argocd-access explain terminal` where the operator is: what it prints is a declaration, and the terminal opens by it. The other causes are
//! in `tests/terminal/explain`.

use k8s_openapi::api::rbac::v1::ClusterRole;
use kube::api::{DeleteParams, ListParams};
use kube::{Api, ResourceExt};
use serde_json::{Value, json};

use crate::instance::{Instance, NO_PERMISSION, Place, WITHIN};
use crate::support::process::run;
use crate::support::{Kubernetes, argocd::Options, eventually, reaper, tools};

const OF_OTHERS: &str = "{subjects: [{kind: Group, name: others}], applications: [{project: shop, name: lab}]}";

async fn explain(instance: &Instance, place: &Place) -> Value {
    let mut command = reaper::command(env!("CARGO_BIN_EXE_argocd-access"));
    command.env("KUBECONFIG", instance.team.cp.kubeconfig_admin()).args(["explain", "terminal", "-o", "json"]);
    command.args(["--namespace", &instance.team.namespace, "--group", "team-a", "--pod", &place.pod]);
    command.args(["--app", &format!("{}/{}", place.project, place.application)]);
    let said = run(command).await;
    assert!(said.status.code().is_some_and(|code| code <= 2) && !said.stdout.is_empty(), "{}", said.stderr);
    serde_json::from_str(&said.stdout).unwrap()
}

/// Runs what is printed.
async fn mend(instance: &Instance, said: &Value) {
    let folder = tools::path("kubectl").parent().unwrap().display().to_string();
    for line in said["broken"]["fix"]["commands"].as_array().unwrap() {
        let mut command = reaper::command("bash");
        command.args(["-euo", "pipefail", "-c", line.as_str().unwrap()]);
        command.env("KUBECONFIG", instance.team.cp.kubeconfig_admin()).env("HOME", instance.team.cp.folder());
        command.env("PATH", format!("{folder}:{}", std::env::var("PATH").unwrap()));
        run(command).await.success();
    }
}

#[tokio::test]
async fn what_is_printed_is_a_declaration_and_opens_the_terminal_also_where_the_instance_is_confined() {
    let instance = Instance::start(Kubernetes::V1_36, Options::default()).await;
    let team = &instance.team;
    instance.argocd.create_project("shop").await;
    let lab = team.cp.namespace("lab").await;
    let (web, lab) = (instance.application("shop", "web").await, instance.application_in(&team.namespace, "shop", "lab", &lab).await);
    let alice = instance.argocd.person_token("alice", &["team-a"]);
    // Terminals are on, for others.
    let others = team.grant("others", OF_OTHERS).await;
    team.ready(&others).await;
    instance.answers(NO_PERMISSION, &alice, &web).await;
    let said = explain(&instance, &web).await;
    assert_eq!((said["state"].as_str(), said["broken"]["cause"].as_str()), (Some("closed"), Some("policy-no-line")), "{said:#}");
    mend(&instance, &said).await;
    instance.shell(&alice, &web).await;
    assert_eq!(instance.answer(&alice, &lab).await, NO_PERMISSION, "another application");

    // Now somebody's own lines let her in, and the instance is confined to what is declared: the namespace of lab.
    let declared = team.accesses().list(&ListParams::default()).await.unwrap();
    let name = declared.items.iter().map(ResourceExt::name_any).find(|n| *n != others).unwrap();
    team.accesses().delete(&name, &DeleteParams::default()).await.unwrap();
    team.gone(&name).await;
    let lines = "p, role:by-hand, applications, get, shop/*, allow\np, role:by-hand, exec, create, shop/*, allow\ng, team-a, role:by-hand\n";
    instance.set_by_hand("argocd-rbac-cm", json!({ "policy.by-hand.csv": lines })).await;
    let account = format!("--serviceaccount={}:argocd-server", team.namespace);
    let roles = Api::<ClusterRole>::all(team.client()).list(&ListParams::default()).await.unwrap();
    let role = roles.items.iter().map(ResourceExt::name_any).find(|n| n.contains(&team.namespace) && n.ends_with("-exec")).unwrap();
    let bind = ["create", "rolebinding", "by-hand", "--namespace", &web.destination, &format!("--clusterrole={role}"), &account];
    team.cp.kubectl(&bind).await.success();
    instance.shell(&alice, &web).await;
    team.release.upgrade("{instance: {confine: true}}", &[]).await;
    team.condition(&others, "Confined", "True", "Enforced").await;
    eventually("a terminal without a shell", WITHIN, || async {
        let mut terminal = instance.open(&alice, &web).await.map_err(|refused| format!("Argo CD itself refuses: {refused}"))?;
        terminal.run("true").await.err().map(drop).ok_or_else(|| "there is a shell".to_owned())
    })
    .await;
    let said = explain(&instance, &web).await;
    assert_eq!((said["state"].as_str(), said["broken"]["cause"].as_str()), (Some("closed"), Some("admission-confined")), "{said:#}");
    mend(&instance, &said).await;
    instance.shell(&alice, &web).await;
    let said = explain(&instance, &web).await;
    assert_ne!(said["state"], "closed", "{said:#}");
}
