//! Agents as they are installed: by Helm, by argocd-operator, with the proxy off, none at all, more than one.

use std::time::Duration;

use k8s_openapi::api::rbac::v1::RoleBinding;
use kube::Api;

use super::{Edge, SERVED};
use crate::support::edge::{ACCOUNT, install, project};
use crate::world::Team;

/// As the Helm chart of the agent has it: other names, and another key.
const HELM: &str = "
apiVersion: v1
kind: ServiceAccount
metadata: {name: edge-agent-helm-sa}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: edge-agent-helm-params}
data: {agent.mode: managed, agent.resource-proxy.enabled: 'true'}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: edge-agent-helm, labels: {app.kubernetes.io/managed-by: Helm, app.kubernetes.io/part-of: argocd-agent, app.kubernetes.io/component: agent}}
spec:
  selector: {matchLabels: {app: edge}}
  template:
    metadata: {labels: {app: edge}}
    spec:
      serviceAccountName: edge-agent-helm-sa
      containers:
      - name: agent
        image: example.invalid/argocd-agent/argocd-agent:v0.8.1
        args: [agent]
        env:
        - {name: ARGOCD_AGENT_MODE, valueFrom: {configMapKeyRef: {name: edge-agent-helm-params, key: agent.mode}}}
        - {name: ARGOCD_AGENT_ENABLE_RESOURCE_PROXY, valueFrom: {configMapKeyRef: {name: edge-agent-helm-params, key: agent.resource-proxy.enabled}}}
";

/// As argocd-operator has it: literals.
const OPERATOR: &str = "
apiVersion: v1
kind: ServiceAccount
metadata: {name: cd-agent-agent}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: cd-agent-agent, labels: {app.kubernetes.io/part-of: argocd-agent, app.kubernetes.io/component: agent}}
spec:
  selector: {matchLabels: {app: edge}}
  template:
    metadata: {labels: {app: edge}}
    spec:
      serviceAccountName: cd-agent-agent
      containers:
      - name: cd-agent-agent
        image: example.invalid/argocd-agent@sha256:0000000000000000000000000000000000000000000000000000000000000000
        command: [/usr/local/bin/argocd-agent]
        args: [agent]
        env: [{name: ARGOCD_AGENT_MODE, value: managed}, {name: ARGOCD_AGENT_ENABLE_RESOURCE_PROXY, value: 'true'}]
";

async fn edge(values: &str, agent: &str) -> Edge {
    let edge = Edge { team: Team::with_values(values).await };
    edge.apply_text(agent).await;
    edge.apply_text(&project("default")).await;
    edge.web().await;
    edge
}

async fn bound_to(edge: &Edge) -> String {
    let binding = Api::<RoleBinding>::namespaced(edge.team.client(), edge.shop()).get(&edge.name()).await.unwrap();
    binding.subjects.unwrap_or_default().remove(0).name
}

#[tokio::test]
async fn one_that_helm_installed_is_served_under_its_own_names_and_keys() {
    let edge = edge("live: {enabled: true, configMaps: [edge-agent-helm-params]}", HELM).await;
    edge.declare("live", "[{}]", "").await;
    let status = edge.ready("live").await;
    let instance = status.instance.unwrap();
    assert_eq!((instance.installer.as_deref(), instance.deployment.as_deref()), (Some("Helm"), Some("edge-agent-helm")));
    assert_eq!((instance.agent_version.as_deref(), bound_to(&edge).await.as_str()), (Some("0.8.1"), "edge-agent-helm-sa"));
}

#[tokio::test]
async fn settings_in_a_config_map_that_the_operator_may_not_read_are_said_so_with_the_value_that_names_it() {
    let edge = edge(SERVED, HELM).await;
    edge.declare("live", "[{}]", "").await;
    let status = edge.condition("live", "InstanceReady", "Unknown", "SettingsUnreadable").await;
    let message = status.conditions.iter().find(|c| c.type_ == "InstanceReady").unwrap().message.clone();
    assert!(message.contains("live.configMaps"), "{message}");
    assert!(edge.objects().await.is_empty(), "nothing is given while it is not known");
}

#[tokio::test]
async fn one_of_argocd_operator_is_served() {
    let edge = edge(SERVED, OPERATOR).await;
    edge.declare("live", "[{}]", "").await;
    edge.ready("live").await;
    assert_eq!(bound_to(&edge).await, "cd-agent-agent");
}

#[tokio::test]
async fn without_an_agent_or_with_its_proxy_off_nothing_is_given_and_what_was_given_goes() {
    let edge = Edge { team: Team::with_values(SERVED).await };
    edge.apply_text(&project("default")).await;
    edge.web().await;
    edge.declare("live", "[{}]", "").await;
    edge.condition("live", "InstanceReady", "False", "NotFound").await;
    edge.apply_text(&install("managed")).await;
    edge.ready("live").await;
    edge.apply_text(&install("managed").replace("agent.resource-proxy.enable: 'true'", "agent.resource-proxy.enable: 'false'")).await;
    let status = edge.condition("live", "Ready", "False", "ResourceProxyDisabled").await;
    let message = status.conditions.iter().find(|c| c.type_ == "Ready").unwrap().message.clone();
    assert!(message.contains("data.\"agent.resource-proxy.enable\" of ConfigMap argocd-agent-params"), "{message}");
    assert!(edge.objects().await.is_empty());
}

#[tokio::test]
async fn an_autonomous_agent_gets_no_terminal_and_all_else() {
    let edge = edge(SERVED, &install("autonomous")).await;
    edge.declare("live", "[{features: [View, Logs, Terminal]}]", "").await;
    let status = edge.ready("live").await;
    assert!(status.not_granted.iter().any(|n| format!("{:?}", n.reason) == "AutonomousAgent"), "{:?}", status.not_granted);
    let objects = edge.objects().await;
    assert!(objects.iter().any(|o| o.ends_with("live-logs")) && !objects.iter().any(|o| o.ends_with("live-exec")), "{objects:?}");
}

#[tokio::test]
async fn of_two_agents_the_one_that_is_named_is_served() {
    let edge = edge(SERVED, &install("managed")).await;
    edge.apply_text(OPERATOR).await;
    edge.declare("live", "[{}]", "").await;
    edge.condition("live", "Ready", "False", "Ambiguous").await;
    edge.declare("named", "[{}], deployment: cd-agent-agent", "").await;
    edge.ready("named").await;
    assert_eq!(bound_to(&edge).await, "cd-agent-agent");
    // Of two of the same second neither is the older.
    tokio::time::sleep(Duration::from_millis(1100)).await;
    edge.declare("other", &format!("[{{features: [Terminal]}}], deployment: {ACCOUNT}"), "").await;
    edge.condition("other", "Ready", "False", "Conflict").await;
    assert!(!edge.objects().await.iter().any(|o| o.ends_with("live-exec")), "declared for another agent");
}
