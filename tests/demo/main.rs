//! `make demo`: a whole cluster with Argo CD and the operator on this machine, and terminals through it.
//!
//! No test, and started by no `cargo test`: it is a target of its own so that it has the test bench and the operator's program.
//!
//! * `hold FOLDER` starts everything, shows what happens on its standard output, says `READY` and stays until it is ended.
//! * `terminal FOLDER PERSON [COMMAND...]` opens a terminal in the running demo.
//!
//! `tests/demo/run`, `down` and `terminal` call it. Everything that is started ends with this process (`support::reaper`).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a demo that cannot go on ends with a message, and everything with it"
)]

#[path = "../support/mod.rs"]
mod support;

mod show;
mod talk;

use std::{path::Path, time::Duration};

use crate::{
    show::{Show, line},
    support::{
        ControlPlane, Kubernetes,
        argocd::{ArgoCd, Options},
        chart, eventually,
        eventually::that,
        manifests, reaper, tools,
    },
};

/// As the README has it.
const NAMESPACE: &str = "argocd";
const RELEASE: &str = "argocd-access-operator";
/// The project, and the namespace that its applications deploy to.
const SHOP: &str = "shop";

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["hold", folder] => hold(Path::new(folder)).await,
        ["terminal", folder, person, command @ ..] => talk::terminal(Path::new(folder), person, &command.join(" ")).await,
        // Whatever else `cargo test` gives to each of its targets.
        _ => println!("demo: no test; 'make demo' starts it"),
    }
}

async fn hold(folder: &Path) {
    let show = Show::new(folder, 6);
    show.step("etcd, kube-apiserver 1.36.3 and kube-controller-manager, and a node that kwok plays");
    let cluster = ControlPlane::shared(Kubernetes::V1_36).await;
    std::fs::write(folder.join("group"), format!("{}\n", reaper::group())).expect("note the process group");
    cluster.with_kwok().await;

    show.step("Argo CD 3.2.11: its server, application controller and repo server, a Redis, and an Ingress (without a controller)");
    for namespace in [NAMESPACE, SHOP] {
        cluster.kubectl(&["create", "namespace", namespace]).await.success();
        let account = ["get", "serviceaccount", "default", "--namespace", namespace];
        let made = async || {
            let finished = cluster.kubectl(&account).await;
            that(finished.status.success(), || finished.stderr.clone())
        };
        eventually("the namespace is ready", Duration::from_secs(20), made).await;
    }
    cluster.install_argocd(NAMESPACE).await;
    manifests::apply_text(&cluster.client(), NAMESPACE, manifests::ARGOCD_INGRESS).await;
    let argocd = ArgoCd::start_in(cluster, NAMESPACE, Options { people: vec!["alice", "bob"], ..Options::default() }).await;

    show.step("two applications of the project shop: web-1 and billing, each with one pod");
    argocd.create_project(SHOP).await;
    let create = async |name: &str| argocd.create_application(name, SHOP, NAMESPACE, SHOP).await;
    tokio::join!(create("web-1"), create("billing"));
    let people = talk::people(&argocd);
    let refused = talk::attempt(&argocd, &people[0], "web-1").await.expect_err("terminals are off in a new Argo CD");
    line(&format!("alice opens a terminal into web-1: refused ({refused}); terminals are off in a new Argo CD"));

    show.step("helm install argocd-access-operator");
    let release = chart::install_as(cluster, NAMESPACE, RELEASE, "", &[]).await;

    show.step("kubectl apply -f examples/team-exec.yaml: my-org:team-a may open terminals into web-*");
    let example = tools::repository().join("examples/team-exec.yaml").display().to_string();
    cluster.kubectl(&["apply", "--filename", &example]).await.success();
    let wait = ["wait", "--for=condition=Ready", "exa/team-a", "--namespace", NAMESPACE, "--timeout=60s"];
    cluster.kubectl(&wait).await.success();
    show.command(cluster, &["get", "exa", "-n", NAMESPACE]).await;
    show.conditions(cluster, "team-a").await;

    show.step("terminals through argocd-server");
    let shell = async || talk::attempt(&argocd, &people[0], "web-1").await;
    let mut terminal = eventually("a terminal opens", Duration::from_secs(20), shell).await;
    line("alice, of my-org:team-a, into web-1:");
    for command in ["echo \"hello from a shell, $(id -un)\"", "uname -sr"] {
        let output = terminal.run(command).await.unwrap_or_else(|message| panic!("{message}"));
        line(&format!("  $ {command}\n  {}", output.replace('\n', "\n  ")));
    }
    for (person, application) in [(&people[0], "billing"), (&people[1], "web-1")] {
        let refused = talk::attempt(&argocd, person, application).await.expect_err("nobody declared it");
        line(&format!("{}, of {}, into {application}: refused ({refused})", person.name, person.group));
    }

    talk::write_tickets(folder, &argocd, &people);
    show.way_on(cluster, &argocd);
    println!("READY");
    // Until tests/demo/down ends this process; the operator goes with it.
    std::future::pending::<()>().await;
    drop((argocd, release));
}
