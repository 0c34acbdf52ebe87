//! The cluster of an argocd-agent, as its own manifests leave it: what of them decides about live resources, without the program.

use serde_json::json;

/// The agent's `ServiceAccount`, and its Deployment.
pub const ACCOUNT: &str = "argocd-agent-agent";

/// What the manifests of argocd-agent install; `mode` is `managed` or `autonomous`.
pub fn install(mode: &str) -> String {
    format!(
        "
apiVersion: v1
kind: ServiceAccount
metadata: {{name: {ACCOUNT}}}
---
apiVersion: v1
kind: ConfigMap
metadata: {{name: argocd-agent-params}}
data: {{agent.mode: {mode}, agent.resource-proxy.enable: 'true'}}
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {ACCOUNT}
  labels: {{app.kubernetes.io/name: {ACCOUNT}, app.kubernetes.io/part-of: argocd-agent, app.kubernetes.io/component: agent}}
spec:
  selector: {{matchLabels: {{app.kubernetes.io/name: {ACCOUNT}}}}}
  template:
    metadata: {{labels: {{app.kubernetes.io/name: {ACCOUNT}, app.kubernetes.io/part-of: argocd-agent, app.kubernetes.io/component: agent}}}}
    spec:
      serviceAccountName: {ACCOUNT}
      containers:
      - name: {ACCOUNT}
        image: example.invalid/argocd-agent/argocd-agent:v0.9.0
        args: [agent]
        env:
        - {{name: ARGOCD_AGENT_MODE, valueFrom: {{configMapKeyRef: {{name: argocd-agent-params, key: agent.mode, optional: true}}}}}}
        - name: ARGOCD_AGENT_ENABLE_RESOURCE_PROXY
          valueFrom: {{configMapKeyRef: {{name: argocd-agent-params, key: agent.resource-proxy.enable, optional: true}}}}
        - name: ARGOCD_AGENT_DESTINATION_BASED_MAPPING
          valueFrom: {{configMapKeyRef: {{name: argocd-agent-params, key: agent.destination-based-mapping, optional: true}}}}
"
    )
}

/// A project that allows everything, as Argo CD's own `default` does.
pub fn project(name: &str) -> String {
    format!(
        "{{apiVersion: argoproj.io/v1alpha1, kind: AppProject, metadata: {{name: {name}}}, spec: {{sourceRepos: ['*'], destinations: [{{server: '*', namespace: '*'}}], clusterResourceWhitelist: [{{group: '*', kind: '*'}}]}}}}"
    )
}

/// An Application of this cluster whose status names these resources, each as `group/Kind/namespace/name`.
pub fn application(name: &str, project: &str, resources: &[&str]) -> String {
    let resource = |text: &&str| {
        let mut parts = text.splitn(4, '/');
        let mut next = || parts.next().unwrap_or_default();
        json!({"group": next(), "kind": next(), "namespace": next(), "name": next(), "version": "v1"})
    };
    json!({
        "apiVersion": "argoproj.io/v1alpha1", "kind": "Application", "metadata": {"name": name},
        "spec": {"project": project, "source": {"repoURL": "https://example.invalid/x.git", "path": "."}, "destination": {"name": "in-cluster"}},
        "status": {"resources": resources.iter().map(resource).collect::<Vec<_>>()},
    })
    .to_string()
}
