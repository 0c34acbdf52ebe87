//! Small worlds: a stock Argo CD as the API server would return it, and objects made from YAML.

use std::sync::Arc;

use serde::de::DeserializeOwned;

use crate::api::ExecAccess;
use crate::argocd::kinds::Application;
use crate::config::{InstanceConfig, Limits};
use crate::exec::World;
use crate::exec::grant::{self, Grant};
use crate::reconcile::NotSeen;

/// Any object from YAML.
pub fn object<T: DeserializeOwned>(yaml: &str) -> Arc<T> {
    Arc::new(serde_yaml::from_str(yaml).unwrap_or_else(|error| panic!("{error}: {yaml}")))
}

/// An `ExecAccess` with this spec (YAML), as somebody just created it.
pub fn access(name: &str, spec: &str) -> Arc<ExecAccess> {
    object(&format!(
        "{{apiVersion: argocd-access.dev/v1alpha1, kind: ExecAccess, metadata: {{name: {name}, namespace: argocd, uid: uid-{name}, generation: 1, resourceVersion: '1'}}, spec: {spec}}}"
    ))
}

/// The grant of a valid spec.
pub fn grant(spec: &str) -> Grant {
    grant::parse(&access("team", spec), "argocd", &Limits::default()).unwrap()
}

/// A live Application whose pods run in a namespace called like its project.
pub fn app(namespace: &str, project: &str, name: &str) -> Arc<Application> {
    object(&format!(
        "{{apiVersion: argoproj.io/v1alpha1, kind: Application, metadata: {{name: {name}, namespace: {namespace}}}, spec: {{project: {project}, destination: {{server: 'https://kubernetes.default.svc', namespace: {project}}}}}}}"
    ))
}

/// The usual spec: one group, one project.
pub const SPEC: &str = "{subjects: [{kind: Group, name: team-a}], applications: [{project: shop}]}";

/// What a kind looks like that the operator may not read.
pub fn not_seen<T>(kind: &'static str) -> Result<T, NotSeen> {
    Err(NotSeen { kind, why: "forbidden".to_owned() })
}

/// A namespace with these labels.
pub fn namespace(name: &str, labels: &str) -> Arc<k8s_openapi::api::core::v1::Namespace> {
    object(&format!("{{apiVersion: v1, kind: Namespace, metadata: {{name: {name}, labels: {labels}}}}}"))
}

/// argocd-server's Deployment; `container` adds to its container.
pub fn server(name: &str, container: &str) -> Arc<k8s_openapi::api::apps::v1::Deployment> {
    object(&format!(
        r"
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {name}
  namespace: argocd
  uid: uid-{name}
  resourceVersion: '3'
  labels: {{app.kubernetes.io/part-of: argocd, app.kubernetes.io/component: server}}
  managedFields: [{{manager: kubectl, operation: Update, fieldsV1: {{'f:spec': {{'f:template': {{}}}}}}}}]
spec:
  selector: {{matchLabels: {{app.kubernetes.io/name: argocd-server}}}}
  template:
    metadata: {{labels: {{app.kubernetes.io/name: argocd-server}}}}
    spec:
      serviceAccountName: argocd-server
      containers:
      - name: argocd-server
        image: quay.io/argoproj/argocd:v3.2.11
        args: [/usr/local/bin/argocd-server]
        {container}
"
    ))
}

/// An Ingress in front of argocd-server with these annotations (a YAML map).
pub fn ingress(name: &str, class: &str, annotations: &str) -> Arc<k8s_openapi::api::networking::v1::Ingress> {
    object(&format!(
        r"
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: {name}
  namespace: argocd
  uid: uid-{name}
  resourceVersion: '4'
  annotations: {annotations}
  managedFields: [{{manager: kubectl, operation: Update, fieldsV1: {{'f:spec': {{'f:rules': {{}}}}}}}}]
spec:
  ingressClassName: {class}
  rules:
  - http:
      paths:
      - {{path: /, pathType: Prefix, backend: {{service: {{name: argocd-server, port: {{number: 80}}}}}}}}
"
    ))
}

/// A ConfigMap of the instance with this `data` (a YAML map), last written by this manager.
pub fn config_map(name: &str, manager: &str, data: &str) -> Arc<k8s_openapi::api::core::v1::ConfigMap> {
    let mut map: k8s_openapi::api::core::v1::ConfigMap = serde_yaml::from_str(&format!(
        "{{apiVersion: v1, kind: ConfigMap, metadata: {{name: {name}, namespace: argocd, uid: uid-{name}, resourceVersion: '2', labels: {{app.kubernetes.io/part-of: argocd}}}}, data: {data}}}"
    ))
    .unwrap();
    let keys = map.data.iter().flatten().map(|(k, _)| (format!("f:{k}"), serde_json::json!({}))).collect::<serde_json::Map<_, _>>();
    let entry = serde_json::json!([{"manager": manager, "operation": "Update", "fieldsV1": {"f:data": keys}}]);
    map.metadata.managed_fields = serde_json::from_value(entry).unwrap();
    Arc::new(map)
}

/// A stock Argo CD 3.2 on Kubernetes 1.36: three live Applications, one Ingress of ingress-nginx, nothing of ours.
pub fn world() -> World {
    World {
        kubernetes_version: Some("v1.36.3".to_owned()),
        server_ahead: Some(jiff::SignedDuration::ZERO),
        argocd_cm: Ok(Some(config_map("argocd-cm", "kubectl", "{url: 'https://cd.example.com'}"))),
        rbac_cm: Ok(Some(config_map(
            "argocd-rbac-cm",
            "kubectl",
            "{policy.csv: \"p, role:ops, applications, sync, */*, allow\\ng, ops, role:ops\", policy.default: role:readonly}",
        ))),
        deployments: Ok(vec![server("argocd-server", "")]),
        pods: Ok(vec![pod("server-1", "2026-01-01T00:00:00Z")]),
        services: Ok(vec![object(
            "{apiVersion: v1, kind: Service, metadata: {name: argocd-server, namespace: argocd}, spec: {selector: {app.kubernetes.io/name: argocd-server}}}",
        )]),
        ingresses: Ok(vec![ingress("cd", "nginx", "{example.com/kept: 'yes'}")]),
        ingress_classes: Ok(vec![
            object("{apiVersion: networking.k8s.io/v1, kind: IngressClass, metadata: {name: nginx}, spec: {controller: k8s.io/ingress-nginx}}"),
            object("{apiVersion: networking.k8s.io/v1, kind: IngressClass, metadata: {name: f5}, spec: {controller: nginx.org/ingress-controller}}"),
            object("{apiVersion: networking.k8s.io/v1, kind: IngressClass, metadata: {name: odd}, spec: {controller: example.com/odd}}"),
        ]),
        applications: Ok(vec![app("argocd", "shop", "web-1"), app("argocd", "shop", "api"), app("argocd", "bank", "ledger")]),
        namespaces: Ok(["argocd", "kube-system", "shop", "bank", "lab"].iter().map(|n| namespace(n, &format!("{{name: {n}}}"))).collect()),
        ..World::empty(InstanceConfig::of("argocd"), "argocd-access-exec")
    }
}

/// A pod of argocd-server that started at this time.
pub fn pod(name: &str, started: &str) -> Arc<k8s_openapi::api::core::v1::Pod> {
    object(&format!(
        "{{apiVersion: v1, kind: Pod, metadata: {{name: {name}, namespace: argocd, labels: {{app.kubernetes.io/name: argocd-server}}, creationTimestamp: '{started}'}}, status: {{startTime: '{started}'}}}}"
    ))
}
