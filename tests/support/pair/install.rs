//! What argocd-agent's kustomize manifests put into a cluster, for the principal and for an agent, in a namespace of one's own.
//!
//! The names, rights, labels and keys are those of v0.9.0; left out are settings that the bench does not change and files that it does not
//! mount.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use k8s_openapi::ByteString;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Pod, Secret};
use kube::api::{Api, DynamicObject, ObjectMeta};
use kube::{Client, ResourceExt};
use serde_json::json;

use super::super::kubelet::variables;
use super::super::manifests;

/// One of the two halves.
#[derive(Clone, Copy)]
pub enum Half {
    Principal,
    Agent,
}

/// What both have in common.
const IMAGE: &str = "quay.io/argoprojlabs/argocd-agent:v0.9.0";

/// The variables of the principal's Deployment, and the keys of its ConfigMap.
const PRINCIPAL: &[(&str, &str)] = &[
    ("ARGOCD_PRINCIPAL_LISTEN_HOST", "principal.listen.host"),
    ("ARGOCD_PRINCIPAL_LISTEN_PORT", "principal.listen.port"),
    ("ARGOCD_PRINCIPAL_LOG_LEVEL", "principal.log.level"),
    ("ARGOCD_PRINCIPAL_METRICS_PORT", "principal.metrics.port"),
    ("ARGOCD_PRINCIPAL_HEALTH_CHECK_PORT", "principal.healthz.port"),
    ("ARGOCD_PRINCIPAL_NAMESPACE", "principal.namespace"),
    ("ARGOCD_PRINCIPAL_ALLOWED_NAMESPACES", "principal.allowed-namespaces"),
    ("ARGOCD_PRINCIPAL_TLS_SECRET_NAME", "principal.tls.secret-name"),
    ("ARGOCD_PRINCIPAL_TLS_SERVER_ROOT_CA_SECRET_NAME", "principal.tls.server.root-ca-secret-name"),
    ("ARGOCD_PRINCIPAL_RESOURCE_PROXY_SECRET_NAME", "principal.resource-proxy.secret-name"),
    ("ARGOCD_PRINCIPAL_RESOURCE_PROXY_CA_SECRET_NAME", "principal.resource-proxy.ca.secret-name"),
    ("ARGOCD_PRINCIPAL_JWT_ALLOW_GENERATE", "principal.jwt.allow-generate"),
    ("ARGOCD_PRINCIPAL_AUTH", "principal.auth"),
    ("ARGOCD_PRINCIPAL_REDIS_SERVER_ADDRESS", "principal.redis.server.address"),
    ("ARGOCD_PRINCIPAL_ENABLE_RESOURCE_PROXY", "principal.resource-proxy.enable"),
    ("ARGOCD_PRINCIPAL_DESTINATION_BASED_MAPPING", "principal.destination-based-mapping"),
];

/// The same of an agent.
const AGENT: &[(&str, &str)] = &[
    ("ARGOCD_AGENT_REMOTE_SERVER", "agent.server.address"),
    ("ARGOCD_AGENT_REMOTE_PORT", "agent.server.port"),
    ("ARGOCD_AGENT_LOG_LEVEL", "agent.log.level"),
    ("ARGOCD_AGENT_NAMESPACE", "agent.namespace"),
    ("ARGOCD_AGENT_TLS_SECRET_NAME", "agent.tls.secret-name"),
    ("ARGOCD_AGENT_TLS_ROOT_CA_SECRET_NAME", "agent.tls.root-ca-secret-name"),
    ("ARGOCD_AGENT_MODE", "agent.mode"),
    ("ARGOCD_AGENT_CREDS", "agent.creds"),
    ("ARGOCD_AGENT_METRICS_PORT", "agent.metrics.port"),
    ("ARGOCD_AGENT_HEALTH_CHECK_PORT", "agent.healthz.port"),
    ("REDIS_ADDR", "agent.redis.address"),
    ("ARGOCD_AGENT_ENABLE_RESOURCE_PROXY", "agent.resource-proxy.enable"),
    ("ARGOCD_AGENT_DESTINATION_BASED_MAPPING", "agent.destination-based-mapping"),
    ("ARGOCD_AGENT_ALLOWED_NAMESPACES", "agent.allowed-namespaces"),
];

const OF_PRINCIPAL: &str = "
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: { name: $NAME, labels: $LABELS }
rules:
- { apiGroups: [''], resources: [secrets, configmaps], verbs: [create, get, list, watch, update, patch, delete] }
- { apiGroups: [''], resources: [events], verbs: [create, list] }
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: { name: $CLUSTER, labels: $LABELS }
rules:
- { apiGroups: [argoproj.io], resources: [applications, appprojects, applicationsets], verbs: [create, get, list, watch, update, delete, patch] }
- { apiGroups: [''], resources: [namespaces], verbs: [create, get, list, watch] }
---
apiVersion: v1
kind: Service
metadata: { name: argocd-agent-resource-proxy, labels: $LABELS }
spec: { ports: [{ name: resource-proxy, port: 9090 }], selector: { app.kubernetes.io/name: $NAME } }
---
apiVersion: v1
kind: Service
metadata: { name: argocd-agent-redis-proxy, labels: $LABELS }
spec: { ports: [{ name: redis-proxy, port: 6379 }], selector: { app.kubernetes.io/name: $NAME } }
";

const OF_AGENT: &str = "
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: { name: $NAME, labels: $LABELS }
rules:
- { apiGroups: [argoproj.io], resources: [applications, appprojects, applicationsets], verbs: [create, get, list, watch, update, delete, patch] }
- { apiGroups: [''], resources: [secrets, configmaps], verbs: [create, get, list, watch, update, patch, delete] }
- { apiGroups: [''], resources: [events], verbs: [create, list] }
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: { name: $CLUSTER, labels: $LABELS }
rules:
- { apiGroups: [''], resources: [namespaces], verbs: [create, get, list, watch] }
- { apiGroups: [argoproj.io], resources: [applications], verbs: [create, get, list, watch, update, delete, patch] }
---
apiVersion: v1
kind: Service
metadata: { name: $NAME-metrics, labels: $LABELS }
spec: { ports: [{ name: metrics, port: 8181 }], selector: { app.kubernetes.io/name: $NAME } }
---
apiVersion: v1
kind: Service
metadata: { name: $NAME-healthz, labels: $LABELS }
spec: { ports: [{ name: healthz, port: 8002 }], selector: { app.kubernetes.io/name: $NAME } }
";

const OF_BOTH: &str = "
apiVersion: v1
kind: ServiceAccount
metadata: { name: $NAME, labels: $LABELS }
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: { name: $NAME, labels: $LABELS }
roleRef: { apiGroup: rbac.authorization.k8s.io, kind: Role, name: $NAME }
subjects: [{ kind: ServiceAccount, name: $NAME, namespace: $NAMESPACE }]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: { name: $CLUSTER, labels: $LABELS }
roleRef: { apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: $CLUSTER }
subjects: [{ kind: ServiceAccount, name: $NAME, namespace: $NAMESPACE }]
---
apiVersion: v1
kind: Secret
metadata: { name: argocd-redis }
stringData: { auth: '' }
---
apiVersion: apps/v1
kind: Deployment
metadata: { name: $NAME, labels: { app.kubernetes.io/name: $NAME } }
spec:
  selector: { matchLabels: $LABELS }
  template:
    metadata: { labels: $LABELS }
    spec:
      serviceAccountName: $NAME
      containers:
      - name: $NAME
        image: $IMAGE
        args: [$COMPONENT]
        env: [$ENV]
---
apiVersion: v1
kind: ConfigMap
metadata: { name: argocd-agent-params }
";

impl Half {
    fn component(self) -> &'static str {
        match self {
            Self::Principal => "principal",
            Self::Agent => "agent",
        }
    }

    /// The name of its Deployment and of its ServiceAccount.
    pub fn name(self) -> String {
        format!("argocd-agent-{}", self.component())
    }

    /// Puts it into a namespace, with these settings beside those of the manifests.
    pub async fn install(self, client: &Client, namespace: &str, settings: &[(&str, &str)]) {
        let (own, variables, defaults): (_, _, &[_]) = match self {
            Self::Principal => (
                OF_PRINCIPAL,
                PRINCIPAL,
                &[
                    ("principal.log.level", "info"),
                    ("principal.metrics.port", "0"),
                    ("principal.namespace", namespace),
                    ("principal.tls.secret-name", "argocd-agent-principal-tls"),
                    ("principal.tls.server.root-ca-secret-name", "argocd-agent-ca"),
                    ("principal.resource-proxy.secret-name", "argocd-agent-resource-proxy-tls"),
                    ("principal.resource-proxy.ca.secret-name", "argocd-agent-ca"),
                    ("principal.auth", "mtls:CN=([^,]+)"),
                    ("principal.resource-proxy.enable", "true"),
                    ("principal.destination-based-mapping", "false"),
                ],
            ),
            Self::Agent => (
                OF_AGENT,
                AGENT,
                &[
                    ("agent.log.level", "info"),
                    ("agent.metrics.port", "0"),
                    ("agent.namespace", namespace),
                    ("agent.tls.secret-name", "argocd-agent-client-tls"),
                    ("agent.tls.root-ca-secret-name", "argocd-agent-ca"),
                    ("agent.resource-proxy.enable", "true"),
                    ("agent.destination-based-mapping", "false"),
                    ("agent.allowed-namespaces", ""),
                ],
            ),
        };
        let (name, component) = (self.name(), self.component());
        let mut env = String::new();
        for (variable, key) in variables {
            let from = format!("{{ name: argocd-agent-params, key: {key}, optional: true }}");
            write!(env, "{{ name: {variable}, valueFrom: {{ configMapKeyRef: {from} }} }}, ").expect("text");
        }
        env.push_str("{ name: REDIS_PASSWORD, valueFrom: { secretKeyRef: { name: argocd-redis, key: auth } } }");
        let labels =
            format!("{{ app.kubernetes.io/name: {name}, app.kubernetes.io/part-of: argocd-agent, app.kubernetes.io/component: {component} }}");
        // The names of the cluster's kinds are fixed too, where nobody has more than one in a cluster.
        let cluster = format!("{namespace}-{name}");
        let parts = [
            ("$NAMESPACE", namespace),
            ("$NAME", &name),
            ("$CLUSTER", &cluster),
            ("$LABELS", &labels),
            ("$IMAGE", IMAGE),
            ("$COMPONENT", component),
            ("$ENV", &env),
        ];
        let replace = |text: &&str| parts.iter().fold((*text).to_owned(), |text, (word, value)| text.replace(word, value));
        let mut objects: Vec<DynamicObject> = [OF_BOTH, own].iter().flat_map(|text| manifests::parse(&replace(text))).collect();
        let data: BTreeMap<&str, &str> = defaults.iter().chain(settings).copied().collect();
        for object in objects.iter_mut().filter(|object| object.name_any() == "argocd-agent-params") {
            object.data["data"] = json!(data);
        }
        manifests::apply(client, namespace, &objects).await;
    }

    /// The environment that its Deployment leads to now.
    pub async fn environment(self, client: &Client, namespace: &str) -> Vec<(String, String)> {
        let deployment = Api::<Deployment>::namespaced(client.clone(), namespace).get(&self.name()).await.expect("the Deployment");
        let pod = Pod {
            metadata: ObjectMeta { namespace: Some(namespace.to_owned()), ..ObjectMeta::default() },
            spec: deployment.spec.and_then(|spec| spec.template.spec),
            ..Pod::default()
        };
        let container = pod.spec.as_ref().and_then(|spec| spec.containers.first()).expect("a container");
        variables(client, &pod, container).await.unwrap_or_else(|message| panic!("{message}"))
    }
}

/// A Secret with these files, by its keys.
pub fn secret(name: &str, files: &[(&str, &Path)]) -> Secret {
    let read = |path: &Path| ByteString(std::fs::read(path).unwrap_or_else(|error| panic!("read {}: {error}", path.display())));
    let data: BTreeMap<String, ByteString> = files.iter().map(|(key, path)| ((*key).to_owned(), read(path))).collect();
    let type_ = data.contains_key("tls.key").then(|| "kubernetes.io/tls".to_owned());
    Secret { metadata: ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() }, data: Some(data), type_, ..Secret::default() }
}
