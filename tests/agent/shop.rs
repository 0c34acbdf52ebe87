//! An agent, and in its cluster a namespace with what an Application of Argo CD has there.

use std::time::Duration;

use k8s_openapi::api::authorization::v1::{ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{ListParams, PostParams};
use kube::{Api, ResourceExt};
use serde_json::{Value, json};

use crate::support::pair::Agent;
use crate::support::{ControlPlane, Kubernetes, eventually, eventually::that, kwok, manifests};

/// A verb on a resource of a group.
pub type Right = (&'static str, &'static str, &'static str);

/// A request of argocd-server; `NS`, `POD` and `CANARY` in it stand for the shop's.
#[derive(Clone, Copy, Debug)]
pub enum Request {
    /// An object, events, or discovery.
    Get(&'static str),
    /// A merge patch.
    Patch(&'static str, &'static str),
    /// A new object.
    Post(&'static str, &'static str),
    /// An object's deletion.
    Delete(&'static str),
    /// The logs of the Pod.
    Logs,
    /// A shell in the Pod.
    Terminal,
}

pub struct Shop {
    pub agent: Agent,
    pub namespace: String,
    /// The Pod of the Deployment `web`, running.
    pub pod: String,
    /// The Pod of the Rollout `canary`.
    pub canary: String,
}

/// What is in Git. Argo CD marks it; what comes into being below it has owners instead.
const IN_GIT: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: { name: web, annotations: MARK }
spec:
  selector: { matchLabels: { app: web } }
  template:
    metadata: { labels: { app: web } }
    spec:
      nodeName: NODE
      terminationGracePeriodSeconds: 0
      containers: [{ name: main, image: example.invalid/web }]
---
apiVersion: v1
kind: ConfigMap
metadata: { name: settings, annotations: MARK }
data: { colour: blue }
---
apiVersion: v1
kind: Secret
metadata: { name: password, annotations: MARK }
stringData: { password: secret }
---
apiVersion: batch/v1
kind: CronJob
metadata: { name: nightly, annotations: MARK }
spec:
  schedule: 0 3 * * *
  suspend: true
  jobTemplate: { spec: { template: { spec: { restartPolicy: Never, containers: [{ name: main, image: example.invalid/job }] } } } }
---
apiVersion: argoproj.io/v1alpha1
kind: Rollout
metadata: { name: canary, annotations: MARK }
spec: {}
";

/// What the controller of Rollouts makes, which is not here.
const OF_ROLLOUT: &str = "
apiVersion: apps/v1
kind: ReplicaSet
metadata:
  name: canary-1
  ownerReferences: [{ apiVersion: argoproj.io/v1alpha1, kind: Rollout, name: canary, uid: UID }]
spec:
  selector: { matchLabels: { app: canary } }
  template:
    metadata: { labels: { app: canary } }
    spec:
      nodeName: NODE
      terminationGracePeriodSeconds: 0
      containers: [{ name: main, image: example.invalid/web }]
";

/// What nobody of Argo CD knows.
const STRAY: &str = "
apiVersion: v1
kind: ConfigMap
metadata: { name: stray }
---
apiVersion: v1
kind: Event
metadata: { name: web.1 }
involvedObject: { apiVersion: apps/v1, kind: Deployment, name: web, namespace: NAMESPACE }
reason: Scaled
---
apiVersion: v1
kind: Event
metadata: { name: other.1 }
involvedObject: { apiVersion: apps/v1, kind: Deployment, name: other, namespace: NAMESPACE }
reason: Scaled
";

/// The resources of the Application, as its status has them: what is in Git.
pub fn resources(namespace: &str) -> Value {
    let resource = |group: &str, version: &str, kind: &str, name: &str| json!({"group": group, "version": version, "kind": kind, "namespace": namespace, "name": name, "status": "Synced"});
    json!([
        resource("apps", "v1", "Deployment", "web"),
        resource("", "v1", "ConfigMap", "settings"),
        resource("", "v1", "Secret", "password"),
        resource("batch", "v1", "CronJob", "nightly"),
        resource("argoproj.io", "v1alpha1", "Rollout", "canary"),
    ])
}

impl Shop {
    pub async fn new(version: Kubernetes) -> Self {
        let cluster = ControlPlane::shared(version).await;
        cluster.with_kwok().await;
        let client = cluster.client();
        let rollouts = manifests::definition(
            "argoproj.io/v1alpha1",
            "Rollout",
            "rollouts",
            &json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true}),
        );
        manifests::apply_definitions(&client, &[rollouts]).await;
        let agent = Agent::start(cluster).await;
        let namespace = cluster.namespace("shop").await;
        let shop = Self { agent, namespace, pod: String::new(), canary: String::new() };
        shop.deploy().await;
        let rollouts = manifests::api(&client, &shop.namespace, "argoproj.io/v1alpha1", "Rollout");
        let uid = rollouts.get("canary").await.unwrap().uid().unwrap();
        let more = [OF_ROLLOUT.replace("UID", &uid).replace("NODE", kwok::NODE), STRAY.replace("NAMESPACE", &shop.namespace)].join("---");
        manifests::apply_text(&client, &shop.namespace, &more).await;
        let (pod, canary) = (shop.running("web").await, shop.running("canary").await);
        Self { pod, canary, ..shop }
    }

    /// The Pod with this label, once it runs.
    async fn running(&self, app: &str) -> String {
        let pods = Api::<Pod>::namespaced(self.agent.cluster.client(), &self.namespace);
        eventually(&format!("the Pod of {app} runs"), Duration::from_secs(30), || async {
            let list = pods.list(&ListParams::default().labels(&format!("app={app}"))).await.map_err(|error| error.to_string())?;
            let running = list.iter().find(|pod| pod.status.as_ref().and_then(|s| s.phase.as_deref()) == Some("Running"));
            running.map(ResourceExt::name_any).ok_or_else(|| format!("{list:?}"))
        })
        .await
    }

    /// Puts everything of Git into the cluster again.
    pub async fn deploy(&self) {
        self.deploy_to(&self.namespace).await;
    }

    /// The same into another namespace.
    pub async fn deploy_to(&self, namespace: &str) {
        let mark = format!("{{ argocd.argoproj.io/tracking-id: 'web:x/Y:{}/z' }}", self.namespace);
        let text = IN_GIT.replace("MARK", &mark).replace("NODE", kwok::NODE);
        manifests::apply_text(&self.agent.cluster.client(), namespace, &text).await;
    }

    /// Gives the agent these rights in the shop's namespace and no others, and waits until the API server knows.
    pub async fn give(&self, rights: &[Right], taken: &[Right]) {
        let rule = |(verb, group, resource): &Right| json!({"apiGroups": [group], "resources": [resource], "verbs": [verb]});
        let rules: Vec<Value> = rights.iter().map(rule).collect();
        let subject = json!({"kind": "ServiceAccount", "name": "argocd-agent-agent", "namespace": self.agent.namespace});
        let (api, group) = ("rbac.authorization.k8s.io/v1", "rbac.authorization.k8s.io");
        let role = json!({"apiVersion": api, "kind": "Role", "metadata": {"name": "by-hand"}, "rules": rules});
        let binding = json!({"apiVersion": api, "kind": "RoleBinding", "metadata": {"name": "by-hand"},
            "roleRef": {"apiGroup": group, "kind": "Role", "name": "by-hand"}, "subjects": [subject]});
        let objects: Vec<_> = [role, binding].map(|object| serde_json::from_value(object).unwrap()).into();
        manifests::apply(&self.agent.cluster.client(), &self.namespace, &objects).await;
        for (right, expected) in rights.iter().map(|right| (right, true)).chain(taken.iter().map(|right| (right, false))) {
            eventually(&format!("{right:?} is {expected}"), Duration::from_secs(10), || async {
                that(self.may(right).await == expected, || "it is not".to_owned())
            })
            .await;
        }
    }

    /// Whether the agent may do this in the shop's namespace.
    pub async fn may(&self, (verb, group, resource): &Right) -> bool {
        let (resource, subresource) = resource.split_once('/').map_or((*resource, None), |(resource, sub)| (resource, Some(sub.to_owned())));
        let attributes = ResourceAttributes {
            namespace: Some(self.namespace.clone()),
            verb: Some((*verb).to_owned()),
            group: Some((*group).to_owned()),
            resource: Some(resource.to_owned()),
            subresource,
            ..ResourceAttributes::default()
        };
        let groups =
            ["system:serviceaccounts".to_owned(), format!("system:serviceaccounts:{}", self.agent.namespace), "system:authenticated".to_owned()];
        let spec = SubjectAccessReviewSpec {
            user: Some(self.agent.user()),
            groups: Some(groups.into()),
            resource_attributes: Some(attributes),
            ..SubjectAccessReviewSpec::default()
        };
        let review = SubjectAccessReview { spec, ..SubjectAccessReview::default() };
        let reviews = Api::<SubjectAccessReview>::all(self.agent.cluster.client());
        reviews.create(&PostParams::default(), &review).await.unwrap().status.unwrap().allowed
    }

    /// What comes back through principal and agent; `Err` is the refusal: `HTTP 403`, or the agent's word where there is no status.
    pub async fn ask(&self, request: Request) -> Result<String, String> {
        let proxy = self.agent.resource_proxy();
        let here = |text: &str| text.replace("NS", &self.namespace).replace("POD", &self.pod).replace("CANARY", &self.canary);
        let body = |text: &str| serde_json::from_str(&here(text)).unwrap();
        let answer = match request {
            Request::Get(path) => proxy.get(&here(path)).await,
            Request::Patch(path, patch) => proxy.send("PATCH", &here(path), &body(patch)).await,
            Request::Post(path, object) => proxy.send("POST", &here(path), &body(object)).await,
            Request::Delete(path) => proxy.send("DELETE", &here(path), &json!({})).await,
            Request::Logs => proxy.get(&here("/api/v1/namespaces/NS/pods/POD/log?container=main&timestamps=true")).await,
            Request::Terminal => return proxy.shell(&self.namespace, &self.pod, "main", "echo $((40 + 2))").await,
        };
        match (answer.status, request) {
            // The principal has begun its answer before it hears of the agent's refusal.
            (200, Request::Logs) if answer.body.is_empty() => Err("no line".to_owned()),
            (200, _) => Ok(answer.body),
            (status, _) => Err(format!("HTTP {status}")),
        }
    }
}
