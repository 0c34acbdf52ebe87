//! A control plane in memory: it takes the writes of a plan as an API server would, and rolls argocd-server's pods as its controller would.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::api::{FIELD_MANAGER, FINALIZER, LiveResourceAccess, LiveResourceAccessStatus};
use crate::config::{InstanceConfig, RestartServer};
use crate::exec::tests::fields::{self, Operation};
use crate::live::principal::answers::Answers;
use crate::live::principal::status::status;
use crate::live::principal::{Plan, World, plan};
use crate::reconcile::contests::Contests;
use crate::reconcile::declared::Plan as _;
use crate::reconcile::{Action, Failures, Kind, NotSeen, Target, Write};

/// A Monday at noon, when tests begin.
pub const NOON: &str = "2026-06-01T12:00:00Z";
pub const PROXY: &str = "argocd-agent-redis-proxy:6379";

pub struct Sim {
    pub world: World,
    pub now: jiff::Timestamp,
    /// Everything but our own objects.
    pub objects: BTreeMap<Target, Value>,
    pub statuses: BTreeMap<String, LiveResourceAccessStatus>,
    pub answers: Answers,
    /// Every write that was sent.
    pub sent: Vec<Write>,
    /// Whether pods follow their template.
    pub rolls: bool,
    version: u64,
}

pub fn params() -> Target {
    Target::namespaced(Kind::ConfigMap, "argocd", "argocd-cmd-params-cm")
}

pub fn server() -> Target {
    Target::namespaced(Kind::Deployment, "argocd", "argocd-server")
}

pub fn principal() -> Target {
    Target::namespaced(Kind::Deployment, "argocd", "argocd-agent-principal")
}

pub fn policy(name: &str) -> Target {
    Target::namespaced(Kind::NetworkPolicy, "argocd", name)
}

pub fn ours() -> Target {
    policy("argocd-access-resource-proxy")
}

pub fn unseen<T>() -> Result<T, NotSeen> {
    Err(NotSeen { kind: "things", why: "forbidden".to_owned() })
}

pub const SERVER: &str = r"
apiVersion: apps/v1
kind: Deployment
metadata:
  name: argocd-server
  namespace: argocd
  labels: {app.kubernetes.io/part-of: argocd, app.kubernetes.io/component: server}
spec:
  selector: {matchLabels: {app.kubernetes.io/name: argocd-server}}
  template:
    metadata: {labels: {app.kubernetes.io/name: argocd-server, app.kubernetes.io/part-of: argocd}}
    spec:
      containers:
      - name: server
        image: quay.io/argoproj/argocd:v3.2.11
        args: [/usr/local/bin/argocd-server]
        env: [{name: REDIS_SERVER, valueFrom: {configMapKeyRef: {name: argocd-cmd-params-cm, key: redis.server, optional: true}}}]
";

pub const PRINCIPAL: &str = r"
apiVersion: apps/v1
kind: Deployment
metadata:
  name: argocd-agent-principal
  namespace: argocd
  labels: {app.kubernetes.io/part-of: argocd-agent, app.kubernetes.io/component: principal}
spec:
  selector: {matchLabels: {app.kubernetes.io/name: argocd-agent-principal}}
  template:
    metadata: {labels: {app.kubernetes.io/name: argocd-agent-principal, app.kubernetes.io/part-of: argocd-agent, app.kubernetes.io/component: principal}}
    spec:
      serviceAccountName: argocd-agent-principal
      containers:
      - name: argocd-agent-principal
        image: r/argocd-agent/argocd-agent:v0.9.0
        args: [principal]
        ports: [{name: resource-proxy, containerPort: 9090}]
        env:
        - {name: ARGOCD_PRINCIPAL_LISTEN_HOST, valueFrom: {configMapKeyRef: {name: argocd-agent-params, key: principal.listen.host, optional: true}}}
        - {name: ARGOCD_PRINCIPAL_REDIS_TLS_ENABLED, valueFrom: {configMapKeyRef: {name: argocd-agent-params, key: principal.redis.tls.enabled, optional: true}}}
        - {name: ARGOCD_PRINCIPAL_REDIS_SERVER_ADDRESS, valueFrom: {configMapKeyRef: {name: argocd-agent-params, key: principal.redis.server.address, optional: true}}}
        - {name: ARGOCD_PRINCIPAL_ENABLE_RESOURCE_PROXY, valueFrom: {configMapKeyRef: {name: argocd-agent-params, key: principal.resource-proxy.enable, optional: true}}}
";

pub fn service(name: &str, port: i32) -> Value {
    json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": "argocd"},
        "spec": {"selector": {"app.kubernetes.io/name": "argocd-agent-principal"}, "ports": [{"port": port, "targetPort": port}]}})
}

fn yaml(text: &str) -> Value {
    serde_yaml::from_str(text).unwrap()
}

impl Sim {
    /// An Argo CD as its manifests install it, with the principal as its own do, and an operator that may restart argocd-server.
    pub fn new() -> Self {
        let mut settings = InstanceConfig::of("argocd");
        (settings.live.enabled, settings.restart_server) = (true, RestartServer::WhenNeeded);
        let objects = BTreeMap::new();
        let (statuses, answers) = (BTreeMap::new(), Answers::new());
        let mut sim =
            Self { world: World::empty(settings), now: NOON.parse().unwrap(), objects, statuses, answers, sent: Vec::new(), rolls: true, version: 1 };
        sim.put(&server(), yaml(SERVER));
        sim.put(&principal(), yaml(PRINCIPAL));
        sim.put(&params(), json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "argocd-cmd-params-cm", "namespace": "argocd"}}));
        let settings =
            json!({"principal.listen.host": "", "principal.redis.tls.enabled": "false", "principal.redis.server.address": "argocd-redis:6379"});
        sim.settings(&settings);
        sim.put(&Target::namespaced(Kind::Ingress, "argocd", "argocd-agent-redis-proxy"), service("argocd-agent-redis-proxy", 6379));
        sim.put(&Target::namespaced(Kind::Ingress, "argocd", "argocd-agent-resource-proxy"), service("argocd-agent-resource-proxy", 9090));
        let namespace = json!({"metadata": {"name": "argocd", "labels": {"kubernetes.io/metadata.name": "argocd"}}});
        sim.world.namespaces = Ok(vec![Arc::new(serde_json::from_value(namespace).unwrap())]);
        sim.roll("2026-05-01T00:00:00Z".parse().unwrap());
        sim
    }

    /// The principal's ConfigMap.
    pub fn settings(&mut self, data: &Value) {
        let config_map = json!({"metadata": {"name": "argocd-agent-params"}, "data": data});
        let known = BTreeMap::from([("argocd-agent-params".to_owned(), Some(Arc::new(serde_json::from_value(config_map).unwrap())))]);
        self.world.config_maps = Ok(known);
    }

    /// Puts an object there as it is; Services are kept under the kind of Ingresses, which nothing here has.
    pub fn put(&mut self, target: &Target, mut object: Value) {
        self.version += 1;
        object["metadata"]["resourceVersion"] = json!(self.version.to_string());
        if object["metadata"]["uid"].is_null() {
            object["metadata"]["uid"] = json!(format!("uid-{}", target.name));
        }
        self.objects.insert(target.clone(), object);
    }

    pub fn remove_service(&mut self, name: &str) {
        self.objects.remove(&Target::namespaced(Kind::Ingress, "argocd", name));
    }

    pub fn add_service(&mut self, name: &str, object: Value) {
        self.put(&Target::namespaced(Kind::Ingress, "argocd", name), object);
    }

    /// What somebody else does.
    pub fn edit(&mut self, manager: &str, target: &Target, patch: &Value) {
        self.patch(manager, Operation::Update, target, patch).unwrap();
    }

    fn patch(&mut self, manager: &str, operation: Operation, target: &Target, patch: &Value) -> Result<(), String> {
        let old = self.objects.get(target).cloned().ok_or_else(|| format!("{target}: not found"))?;
        let sent = patch.pointer("/metadata/resourceVersion");
        if sent.is_some_and(|sent| old["metadata"]["resourceVersion"] != *sent) {
            return Err(format!("{target}: conflict"));
        }
        let mut new = old.clone();
        fields::merge(&mut new, patch);
        fields::settle_ownership(&old, &mut new, manager, operation);
        if new != old {
            self.put(target, new);
        }
        if self.rolls && *target == server() && old["spec"] != self.objects[target]["spec"] {
            self.roll(self.now);
        }
        Ok(())
    }

    /// One new pod in the place of the old.
    pub fn roll(&mut self, at: jiff::Timestamp) {
        let template = &self.objects[&server()]["spec"]["template"]["metadata"];
        let pod = json!({"metadata": {"name": "argocd-server-x", "labels": template["labels"], "annotations": template["annotations"]}, "status": {"startTime": at.to_string()}});
        self.world.pods = Ok(vec![Arc::new(serde_json::from_value(pod).unwrap())]);
    }

    /// Declares an object, or changes it; `more` are further fields of its spec.
    pub fn declare(&mut self, name: &str, block: &str, more: &Value) {
        let known = self.world.accesses.iter().find(|a| a.metadata.name.as_deref() == Some(name)).cloned();
        self.version += 1;
        let mut spec = json!({"side": "Principal", "principal": yaml(block)});
        fields::merge(&mut spec, more);
        let created = known.as_ref().and_then(|a| a.metadata.creation_timestamp.clone()).unwrap_or(Time(self.now));
        let access = json!({
            "apiVersion": "argocd-access.dev/v1alpha1", "kind": "LiveResourceAccess",
            "metadata": {"name": name, "namespace": "argocd", "uid": format!("uid-{name}"), "resourceVersion": self.version.to_string(),
                "creationTimestamp": created, "generation": known.as_ref().and_then(|a| a.metadata.generation).unwrap_or(0) + 1,
                "finalizers": known.and_then(|a| a.metadata.finalizers.clone())},
            "spec": spec,
        });
        self.world.accesses.retain(|a| a.metadata.name.as_deref() != Some(name));
        self.world.accesses.push(Arc::new(serde_json::from_value::<LiveResourceAccess>(access).unwrap()));
        self.now += jiff::SignedDuration::from_secs(1);
    }

    pub fn delete(&mut self, name: &str) {
        let now = Time(self.now);
        for access in self.world.accesses.iter_mut().filter(|a| a.metadata.name.as_deref() == Some(name)) {
            Arc::make_mut(access).metadata.deletion_timestamp = Some(now.clone());
        }
    }

    fn look(&mut self) {
        fn all<T: DeserializeOwned>(objects: &BTreeMap<Target, Value>, kind: Kind) -> Vec<Arc<T>> {
            objects.iter().filter(|(t, _)| t.kind == kind).map(|(_, v)| Arc::new(serde_json::from_value(v.clone()).unwrap())).collect()
        }
        let (objects, world) = (&self.objects, &mut self.world);
        if world.params_cm.is_ok() {
            world.params_cm = Ok(objects.get(&params()).map(|v| Arc::new(serde_json::from_value(v.clone()).unwrap())));
        }
        if world.deployments.is_ok() {
            world.deployments = Ok(all(objects, Kind::Deployment));
        }
        if world.network_policies.is_ok() {
            world.network_policies = Ok(all(objects, Kind::NetworkPolicy));
        }
        if world.services.is_ok() {
            world.services = Ok(all(objects, Kind::Ingress));
        }
    }

    pub fn plan(&mut self) -> Plan {
        self.look();
        let mut world = self.world.clone();
        world.contests = world.contests.at(self.now);
        plan(&world, self.now)
    }

    fn send(&mut self, write: &Write) -> Result<(), String> {
        self.sent.push(write.clone());
        match &write.action {
            Action::Sealed(..) => panic!("nothing here is sealed"),
            Action::Merge(patch) if write.target.kind == Kind::LiveResourceAccess => {
                self.version += 1;
                let version = self.version.to_string();
                let name = Some(write.target.name.clone());
                let access = Arc::make_mut(self.world.accesses.iter_mut().find(|a| a.metadata.name == name).unwrap());
                access.metadata.finalizers = serde_json::from_value(patch["metadata"]["finalizers"].clone()).unwrap();
                access.metadata.resource_version = Some(version);
                let gone = access.metadata.deletion_timestamp.is_some() && access.metadata.finalizers.as_ref().is_none_or(Vec::is_empty);
                self.world.accesses.retain(|a| !(gone && a.metadata.name == name));
                Ok(())
            }
            Action::Merge(patch) => self.patch(FIELD_MANAGER, Operation::Update, &write.target, patch),
            Action::InName { name, patch } => {
                let operation = if name.applies { Operation::Apply } else { Operation::Update };
                self.patch(&name.manager, operation, &write.target, patch)
            }
            Action::Apply(body) => {
                let old = self.objects.get(&write.target).cloned();
                if old.as_ref().map(|old| &old["metadata"]["resourceVersion"]) != body.pointer("/metadata/resourceVersion") {
                    return Err(format!("{}: conflict", write.target));
                }
                let new = fields::apply(&old.unwrap_or_else(|| json!({"metadata": {}})), body, FIELD_MANAGER);
                self.put(&write.target, new);
                Ok(())
            }
            Action::Delete { .. } => self.objects.remove(&write.target).map(drop).ok_or_else(|| "404".to_owned()),
        }
    }

    /// One step; how many writes it had.
    pub fn step(&mut self) -> usize {
        let plan = self.plan();
        let (mut failures, mut done) = (Failures::new(), Vec::new());
        for write in plan.writes.clone() {
            match self.send(&write) {
                Ok(()) => done.push(write.target.clone()),
                Err(error) => failures.entry(write.layer).or_default().push(error),
            }
        }
        let contests = std::mem::take(&mut self.world.contests).at(self.now);
        self.world.contests = contests.saw(&plan.looks).wrote(&plan.looks, &done);
        self.now += jiff::SignedDuration::from_secs(1);
        let count = plan.writes.len();
        let applied = plan.applied();
        for outlook in &applied.outlooks {
            let said = status(outlook, &outlook.access, &applied, &self.answers, &failures, &Time(self.now));
            self.statuses.insert(outlook.access.metadata.name.clone().unwrap(), said);
        }
        count
    }

    /// Steps until there is nothing to write.
    pub fn settle(&mut self) -> Vec<Write> {
        let from = self.sent.len();
        for _ in 0..12 {
            if self.step() == 0 {
                return self.sent[from..].to_vec();
            }
        }
        panic!("no rest: {:#?}", self.plan().writes);
    }

    /// The process ends after so many writes, and what it remembered by itself is gone.
    pub fn killed_after(&mut self, writes: usize) {
        let mut left = writes;
        'rounds: loop {
            let writes = self.plan().writes;
            for write in &writes {
                if left == 0 {
                    break 'rounds;
                }
                left -= 1;
                self.send(write).unwrap();
                self.now += jiff::SignedDuration::from_secs(1);
            }
            if writes.is_empty() {
                break;
            }
        }
        self.world.contests = Contests::default();
    }

    /// What of an object comes back: all but its version and who has which field; no manager of ours may be left.
    pub fn core(&self, target: &Target) -> Value {
        let mut object = self.objects.get(target).cloned().unwrap_or(Value::Null);
        if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.remove("resourceVersion");
            let managers = metadata.remove("managedFields").unwrap_or_default();
            assert!(target.kind == Kind::NetworkPolicy || !managers.to_string().contains("\"argocd-access\""), "{target}: {managers}");
            if metadata.get("annotations").is_some_and(|a| a.as_object().is_some_and(serde_json::Map::is_empty)) {
                metadata.remove("annotations");
            }
        }
        prune(&mut object);
        object
    }

    pub fn redis(&self) -> Option<&str> {
        self.objects[&params()]["data"]["redis.server"].as_str()
    }

    pub fn template(&self) -> Option<&str> {
        self.objects[&server()]["spec"]["template"]["metadata"]["annotations"]["argocd-access.dev/redis-server"].as_str()
    }

    pub fn condition(&self, name: &str, kind: &str) -> (String, String) {
        let found = self.statuses[name].conditions.iter().find(|c| c.type_ == kind).unwrap_or_else(|| panic!("no {kind}"));
        (found.status.to_string(), found.reason.to_string())
    }

    pub fn message(&self, name: &str, kind: &str) -> String {
        self.statuses[name].conditions.iter().find(|c| c.type_ == kind).unwrap().message.to_string()
    }

    pub fn ready(&self, name: &str) -> String {
        self.condition(name, "Ready").1
    }

    pub fn is_held(&self, name: &str) -> bool {
        let found = self.world.accesses.iter().find(|a| a.metadata.name.as_deref() == Some(name));
        found.is_some_and(|a| a.metadata.finalizers.iter().flatten().any(|f| f == FINALIZER))
    }
}

/// Without empty maps: the API server drops those of metadata and data.
fn prune(value: &mut Value) {
    let Some(map) = value.as_object_mut() else { return };
    for inner in map.values_mut() {
        prune(inner);
    }
    map.retain(|_, inner| !inner.as_object().is_some_and(serde_json::Map::is_empty));
}

/// How a condition is written.
pub fn said(status: &str, reason: &str) -> (String, String) {
    (status.to_owned(), reason.to_owned())
}
