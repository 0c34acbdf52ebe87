//! `argocd-access explain live` where the operator is: what it prints is a declaration, and the agent may by it what was asked. The other
//! causes are in `tests/cluster/explain_live.rs`.

use serde_json::{Value, json};

use super::Edge;
use crate::support::edge::ACCOUNT;
use crate::support::process::run;
use crate::support::{eventually, eventually::that, manifests, reaper, tools};
use crate::world::SOON;

async fn explain(edge: &Edge, resource: &str, feature: &str) -> Value {
    let mut command = reaper::command(env!("CARGO_BIN_EXE_argocd-access"));
    command.env("KUBECONFIG", edge.team.cp.kubeconfig_admin()).args(["explain", "live", "-o", "json", "--app", "default/web"]);
    command.args(["--namespace", &edge.team.namespace, "--resource", resource, "--feature", feature]);
    command.args(["--resource-namespace", edge.shop()]);
    let said = run(command).await;
    assert!(said.status.code().is_some_and(|code| code <= 2) && !said.stdout.is_empty(), "{}", said.stderr);
    serde_json::from_str(&said.stdout).unwrap()
}

/// Waits until it is said, for the reason that is expected; an empty one: that it is open.
async fn said(edge: &Edge, resource: &str, feature: &str, cause: &str) -> Value {
    eventually(&format!("{feature} on {resource}: {cause:?}"), SOON, || async {
        let said = explain(edge, resource, feature).await;
        let found = said["broken"]["cause"].as_str().unwrap_or_default().to_owned();
        that(found == cause && (!cause.is_empty() || said["state"] == "open"), || format!("{said:#}")).map(|()| said)
    })
    .await
}

async fn mend(edge: &Edge, said: &Value) {
    let folder = tools::path("kubectl").parent().unwrap().display().to_string();
    let commands = said["broken"]["fix"]["commands"].as_array().unwrap();
    assert!(!commands.is_empty(), "{said:#}");
    for line in commands {
        let mut command = reaper::command("bash");
        command.args(["-euo", "pipefail", "-c", line.as_str().unwrap()]);
        command.env("KUBECONFIG", edge.team.cp.kubeconfig_admin()).env("HOME", edge.team.cp.folder());
        command.env("PATH", format!("{folder}:{}", std::env::var("PATH").unwrap()));
        run(command).await.success();
    }
}

/// What the Application has, for real; the controller makes the rest.
async fn real(edge: &Edge) -> String {
    let mark = |kind: &str| json!({"argocd.argoproj.io/tracking-id": format!("web:{kind}:{}/web", edge.shop())});
    let objects = [
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "web", "annotations": mark("/ConfigMap")}}),
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "annotations": mark("apps/Deployment")},
            "spec": {"selector": {"matchLabels": {"app": "web"}}, "template": {"metadata": {"labels": {"app": "web"}},
                "spec": {"containers": [{"name": "main", "image": "example.invalid/web"}]}}}}),
    ];
    for object in objects {
        manifests::apply_text(&edge.team.client(), edge.shop(), &object.to_string()).await;
    }
    edge.web().await;
    eventually("the Deployment has a Pod", SOON * 3, || async {
        let pods = edge.team.cp.kubectl(&["get", "pods", "--namespace", edge.shop(), "--output=name"]).await.stdout;
        let found = pods.lines().next().and_then(|line| line.strip_prefix("pod/")).map(ToOwned::to_owned);
        found.ok_or_else(|| "none".to_owned())
    })
    .await
}

/// Whether the agent may, asked with its own token.
async fn may(edge: &Edge, verb: &str, resource: &str) -> bool {
    let kubeconfig = edge.team.cp.kubeconfig_for_service_account(&edge.team.namespace, ACCOUNT).await;
    let (resource, subresource) = resource.split_once(':').unwrap_or((resource, ""));
    let mut command = reaper::command(tools::path("kubectl"));
    command.env("KUBECONFIG", kubeconfig).args(["auth", "can-i", verb, resource, "--namespace", edge.shop(), "--subresource", subresource]);
    run(command).await.stdout.trim() == "yes"
}

#[tokio::test]
async fn what_is_printed_declares_it_and_the_agent_may_it_and_nothing_else() {
    let edge = Edge::new().await;
    let pod = format!("Pod/{}", real(&edge).await);
    for (resource, feature, right, not) in [
        ("apps/Deployment/web", "View", ("get", "deployments.apps/web"), ("patch", "deployments.apps/web")),
        (&pod, "Logs", ("get", "pods:log"), ("create", "pods:exec")),
        (&pod, "Terminal", ("create", "pods:exec"), ("list", "events")),
        ("ConfigMap/web", "Events", ("list", "events"), ("delete", "configmaps/web")),
    ] {
        assert!(!may(&edge, right.0, right.1).await, "{feature} on {resource} is allowed before");
        let broken = said(&edge, resource, feature, "live-not-declared").await;
        mend(&edge, &broken).await;
        let open = said(&edge, resource, feature, "").await;
        let by = open["links"].as_array().unwrap().iter().find(|link| link["name"] == "kubernetes").unwrap()["fact"].as_str().unwrap().to_owned();
        assert!(by.contains("RoleBinding \"argocd-access-live-"), "{by}");
        assert!(may(&edge, right.0, right.1).await, "{feature} on {resource} is refused after");
        assert!(!may(&edge, not.0, not.1).await, "{feature} on {resource}: {not:?}");
    }
    assert!(!may(&edge, "get", "secrets").await && !may(&edge, "get", "services").await, "of no other kind");
}

#[tokio::test]
async fn what_the_operator_says_of_a_declaration_is_said() {
    let edge = Edge::new().await;
    real(&edge).await;
    edge.declare("live", "[{features: [View]}]", ", suspend: true").await;
    edge.condition("live", "Ready", "False", "Suspended").await;
    said(&edge, "apps/Deployment/web", "View", "live-not-in-effect").await;
    edge.declare("live", "[{features: [View]}]", "").await;
    edge.ready("live").await;
    said(&edge, "apps/Deployment/web", "View", "").await;
    // By default the operator may give no more than that.
    edge.declare("live", "[{features: [Edit]}]", "").await;
    edge.condition("live", "RBACApplied", "False", "BeyondCeiling").await;
    let beyond = said(&edge, "apps/Deployment/web", "Edit", "live-beyond-ceiling").await;
    assert!(beyond["broken"]["fix"]["notes"][0].as_str().unwrap().contains("live.ceiling"), "{beyond:#}");
    edge.delete("live").await;
    // What has to be judged by people is not printed.
    edge.application("web", &[&format!("/Secret/{}/web", edge.shop())]).await;
    let secret = said(&edge, "Secret/web", "View", "live-left-out").await;
    assert_eq!(secret["broken"]["fix"]["commands"], json!([]), "{secret:#}");
}
