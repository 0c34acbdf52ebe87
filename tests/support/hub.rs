//! A control plane of argocd-agent, as its manifests install it, as far as it decides here; its pods are not run.

use k8s_openapi::api::apps::v1::Deployment;
use kube::api::{Patch, PatchParams};
use kube::{Api, Client};
use serde_json::json;

use super::manifests;

/// The principal and its resource proxy.
pub const PRINCIPAL: &str = "
apiVersion: v1
kind: ConfigMap
metadata: {name: argocd-agent-params}
data: {principal.listen.host: '', principal.redis.tls.enabled: 'false', principal.redis.server.address: 'argocd-redis:6379'}
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: argocd-agent-principal
  labels: {app.kubernetes.io/part-of: argocd-agent, app.kubernetes.io/component: principal}
spec:
  replicas: 0
  selector: {matchLabels: {app.kubernetes.io/name: argocd-agent-principal}}
  template:
    metadata: {labels: {app.kubernetes.io/name: argocd-agent-principal, app.kubernetes.io/part-of: argocd-agent, app.kubernetes.io/component: principal}}
    spec:
      containers:
      - name: argocd-agent-principal
        image: example.invalid/argocd-agent/argocd-agent:v0.9.0
        args: [principal]
        env:
        - {name: ARGOCD_PRINCIPAL_LISTEN_HOST, valueFrom: {configMapKeyRef: {name: argocd-agent-params, key: principal.listen.host, optional: true}}}
        - {name: ARGOCD_PRINCIPAL_REDIS_TLS_ENABLED, valueFrom: {configMapKeyRef: {name: argocd-agent-params, key: principal.redis.tls.enabled, optional: true}}}
        - {name: ARGOCD_PRINCIPAL_REDIS_SERVER_ADDRESS, valueFrom: {configMapKeyRef: {name: argocd-agent-params, key: principal.redis.server.address, optional: true}}}
---
apiVersion: v1
kind: Service
metadata: {name: argocd-agent-resource-proxy}
spec: {selector: {app.kubernetes.io/name: argocd-agent-principal}, ports: [{port: 9090}]}
";

/// Its Redis proxy.
pub const REDIS_PROXY: &str = "
apiVersion: v1
kind: Service
metadata: {name: argocd-agent-redis-proxy}
spec: {selector: {app.kubernetes.io/name: argocd-agent-principal}, ports: [{port: 6379}]}
";

/// The policy of its own manifests: it selects the principal, and admits nothing on 9090.
pub const CLOSED: &str = "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: argocd-agent-redis-proxy}
spec:
  podSelector: {matchLabels: {app.kubernetes.io/name: argocd-agent-principal}}
  policyTypes: [Ingress]
  ingress: [{from: [{podSelector: {matchLabels: {app.kubernetes.io/part-of: argocd}}}], ports: [{port: 6379}]}]
";

/// Installs these texts beside an Argo CD. Its argocd-server replaces its pods at once: those that never become ready would wait for each
/// other.
pub async fn install(client: &Client, namespace: &str, texts: &[&str]) {
    manifests::apply_text(client, namespace, &texts.join("---")).await;
    let recreate = json!({"spec": {"strategy": {"type": "Recreate", "rollingUpdate": null}}});
    let deployments = Api::<Deployment>::namespaced(client.clone(), namespace);
    deployments.patch("argocd-server", &PatchParams::default(), &Patch::Merge(recreate)).await.expect("argocd-server is there");
}
