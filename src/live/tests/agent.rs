//! An agent is recognised, however it was installed: by the manifests, by the Helm chart, by argocd-operator.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::ConfigMap;

use crate::live::agent::{Agent, NoAgent, find, tracking};
use crate::live::world::ConfigMaps;
use crate::reconcile::NotSeen;

fn deployment(name: &str, labels: &str, of_pods: &str, service_account: &str, container: &str) -> Arc<Deployment> {
    let text = format!(
        "{{metadata: {{name: {name}, labels: {{{labels}}}}}, spec: {{selector: {{}}, template: {{metadata: {{labels: {{{of_pods}}}}}, spec: {{serviceAccountName: {service_account}, containers: [{container}]}}}}}}}}"
    );
    Arc::new(serde_yaml::from_str(&text).unwrap())
}

const LABELS: &str = "app.kubernetes.io/part-of: argocd-agent, app.kubernetes.io/component: agent";

fn from(env: &str, key: &str, config_map: &str) -> String {
    format!("{{name: {env}, valueFrom: {{configMapKeyRef: {{name: {config_map}, key: {key}, optional: true}}}}}}")
}

/// As install/kubernetes/agent has it.
fn by_manifests() -> Arc<Deployment> {
    let env = [
        from("ARGOCD_AGENT_MODE", "agent.mode", "argocd-agent-params"),
        from("ARGOCD_AGENT_ENABLE_RESOURCE_PROXY", "agent.resource-proxy.enable", "argocd-agent-params"),
        from("ARGOCD_AGENT_DESTINATION_BASED_MAPPING", "agent.destination-based-mapping", "argocd-agent-params"),
    ];
    let container = format!("{{name: argocd-agent-agent, image: 'r/argocd-agent:v0.9.0', args: [agent], env: [{}]}}", env.join(", "));
    deployment("argocd-agent-agent", &format!("{LABELS}, app.kubernetes.io/name: argocd-agent-agent"), LABELS, "argocd-agent-agent", &container)
}

/// As the chart argocd-agent-agent has it: other names, and another key.
fn by_helm() -> Arc<Deployment> {
    let env = [
        from("ARGOCD_AGENT_MODE", "agent.mode", "edge-agent-helm-params"),
        from("ARGOCD_AGENT_ENABLE_RESOURCE_PROXY", "agent.resource-proxy.enabled", "edge-agent-helm-params"),
    ];
    let container = format!("{{name: agent, image: 'r/argocd-agent/argocd-agent:v0.8.1@sha256:00', args: [agent], env: [{}]}}", env.join(", "));
    let labels = "app.kubernetes.io/managed-by: Helm, app.kubernetes.io/part-of: argocd-agent, app.kubernetes.io/component: agent";
    deployment("edge-agent-helm", labels, "app.kubernetes.io/name: edge-agent-helm", "edge-agent-helm-sa", &container)
}

/// As argocd-operator makes it of an `ArgoCD`: literals, and an owner.
fn by_operator() -> Arc<Deployment> {
    let container = "{name: acm-agent, image: 'r/argocd-agent@sha256:00', command: [/usr/local/bin/argocd-agent], args: [agent], env: [{name: ARGOCD_AGENT_MODE, value: managed}, {name: ARGOCD_AGENT_ENABLE_RESOURCE_PROXY, value: 'false'}]}";
    let mut made = (*deployment("acm-agent-agent", "app.kubernetes.io/name: acm-agent-agent", "", "acm-agent-agent", container)).clone();
    made.metadata.owner_references = Some(serde_yaml::from_str("[{apiVersion: argoproj.io/v1beta1, kind: ArgoCD, name: acm, uid: u}]").unwrap());
    Arc::new(made)
}

fn params(name: &str, data: &[(&str, &str)]) -> ConfigMaps {
    let data = data.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    BTreeMap::from([(name.to_owned(), Some(Arc::new(ConfigMap { data: Some(data), ..ConfigMap::default() })))])
}

fn found(deployment: Arc<Deployment>, params: ConfigMaps) -> Agent {
    find(None, &[deployment], &Ok(params)).unwrap()
}

#[test]
fn an_agent_of_the_manifests_is_recognised() {
    let agent = found(by_manifests(), params("argocd-agent-params", &[("agent.mode", "managed"), ("agent.resource-proxy.enable", "true")]));
    assert_eq!(
        (agent.deployment.as_str(), agent.service_account.as_str(), agent.installer),
        ("argocd-agent-agent", "argocd-agent-agent", "Manifests")
    );
    assert_eq!(
        (agent.managed, agent.by_destination, agent.resource_proxy, agent.version.as_deref()),
        (Some(true), Some(false), Some(true), Some("0.9.0"))
    );
    let off = found(
        by_manifests(),
        params("argocd-agent-params", &[("agent.resource-proxy.enable", "false"), ("agent.destination-based-mapping", "true")]),
    );
    assert_eq!((off.managed, off.by_destination, off.resource_proxy), (Some(false), Some(true), Some(false)));
    assert_eq!(off.resource_proxy_switch.to_string(), "data.\"agent.resource-proxy.enable\" of ConfigMap argocd-agent-params");
}

#[test]
fn an_agent_of_the_helm_chart_is_recognised_by_its_own_key() {
    let agent = found(by_helm(), params("edge-agent-helm-params", &[("agent.mode", "autonomous"), ("agent.resource-proxy.enabled", "false")]));
    assert_eq!(
        (agent.service_account.as_str(), agent.installer, agent.managed, agent.resource_proxy),
        ("edge-agent-helm-sa", "Helm", Some(false), Some(false))
    );
    let other = found(by_helm(), params("edge-agent-helm-params", &[("agent.resource-proxy.enable", "false")]));
    assert_eq!(other.resource_proxy, Some(true), "the key of the manifests means nothing here");
}

#[test]
fn an_agent_of_argocd_operator_is_recognised_by_what_it_runs() {
    let agent = found(by_operator(), BTreeMap::new());
    assert_eq!((agent.deployment.as_str(), agent.service_account.as_str(), agent.installer), ("acm-agent-agent", "acm-agent-agent", "Operator"));
    assert_eq!((agent.managed, agent.resource_proxy, agent.version), (Some(true), Some(false), None));
    assert_eq!(agent.resource_proxy_switch.to_string(), "the variable ARGOCD_AGENT_ENABLE_RESOURCE_PROXY");
}

#[test]
fn an_argument_counts_more_than_the_environment() {
    let container = "{name: a, image: 'r/argocd-agent:v1', args: [agent, '--enable-resource-proxy=false', --agent-mode, managed], env: [{name: ARGOCD_AGENT_ENABLE_RESOURCE_PROXY, value: 'true'}]}";
    let agent = found(deployment("a", "", "", "''", container), BTreeMap::new());
    assert_eq!((agent.resource_proxy, agent.managed, agent.service_account.as_str()), (Some(false), Some(true), "default"));
    assert_eq!(agent.resource_proxy_switch.to_string(), "the argument --enable-resource-proxy");
}

#[test]
fn what_cannot_be_read_is_not_decided() {
    let unseen = Err(NotSeen { kind: "ConfigMaps", why: "forbidden".to_owned() });
    let agent = find(None, &[by_manifests()], &unseen).unwrap();
    assert_eq!((agent.managed, agent.by_destination, agent.resource_proxy), (None, None, None));
    let unnamed = found(by_manifests(), BTreeMap::new());
    assert_eq!((unnamed.managed, unnamed.resource_proxy), (None, None), "a ConfigMap that the operator may not read");
    let absent = found(by_manifests(), BTreeMap::from([("argocd-agent-params".to_owned(), None)]));
    assert_eq!((absent.managed, absent.resource_proxy), (Some(false), Some(true)), "a ConfigMap that is not there leaves the defaults");
}

#[test]
fn the_principal_is_no_agent_and_of_two_agents_none_is_guessed() {
    let labels = "app.kubernetes.io/part-of: argocd-agent, app.kubernetes.io/component: principal";
    let principal = deployment("argocd-agent-principal", labels, labels, "p", "{name: p, image: 'r/argocd-agent:v1', args: [principal]}");
    let other = deployment("web", "", "", "w", "{name: w, image: 'r/web:v1', args: [agent]}");
    assert_eq!(find(None, &[principal.clone(), other.clone()], &Ok(BTreeMap::new())), Err(NoAgent::Missing));
    let both = [by_helm(), principal, by_manifests(), other];
    let names = vec!["argocd-agent-agent".to_owned(), "edge-agent-helm".to_owned()];
    assert_eq!(find(None, &both, &Ok(BTreeMap::new())), Err(NoAgent::Ambiguous(names)));
    assert_eq!(find(Some("edge-agent-helm"), &both, &Ok(BTreeMap::new())).unwrap().service_account, "edge-agent-helm-sa");
    assert_eq!(find(Some("no-such"), &both, &Ok(BTreeMap::new())), Err(NoAgent::NotNamed("no-such".to_owned())));
}

#[test]
fn the_tracking_of_that_cluster_is_its_own() {
    assert_eq!(tracking(None), "annotation");
    let data = BTreeMap::from([("application.resourceTrackingMethod".to_owned(), "label".to_owned())]);
    assert_eq!(tracking(Some(&data)), "label");
}
