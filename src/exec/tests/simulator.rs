//! A very small API server for plans: it applies their writes to a world as the real one does (merge patches, resourceVersion,
//! managedFields, finalizers), so that tests can plan, apply and plan again until there is nothing to do.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value, json};

use super::fields::{self, Operation};
use super::fixtures::{access, world};
use crate::api::status::ExecAccessStatus;
use crate::api::{FIELD_MANAGER, FINALIZER};
use crate::exec::status::{Answer, Review, Reviews, status, to_review};
use crate::exec::{Plan, World, plan};
use crate::reconcile::contests::Contests;
use crate::reconcile::{Action, Direction, Failures, Kind, Layer, Target, Write};

/// What will be another plan within this time is waited for.
pub const PATIENCE: jiff::SignedDuration = jiff::SignedDuration::from_secs(10);

/// More rounds than this, and something quarrels with itself.
const MOST_ROUNDS: usize = 20;

pub struct Sim {
    pub world: World,
    pub now: jiff::Timestamp,
    /// Every write that was sent.
    pub log: Vec<Write>,
    /// Whether Kubernetes looks at admission policies.
    pub observes: bool,
    version: u64,
    born: i64,
}

fn parse<T: DeserializeOwned>(value: Value) -> Arc<T> {
    Arc::new(serde_json::from_value(value).unwrap())
}

fn json_of<T: Serialize>(object: &Arc<T>) -> Value {
    serde_json::to_value(object.as_ref()).unwrap()
}

pub fn argocd_cm() -> Target {
    Target::namespaced(Kind::ConfigMap, "argocd", "argocd-cm")
}

pub fn rbac_cm() -> Target {
    Target::namespaced(Kind::ConfigMap, "argocd", "argocd-rbac-cm")
}

pub fn the_ingress() -> Target {
    Target::namespaced(Kind::Ingress, "argocd", "cd")
}

pub fn binding_in(namespace: &str) -> Target {
    Target::namespaced(Kind::RoleBinding, namespace, "argocd-access-exec-argocd")
}

pub fn admission_policy() -> Target {
    Target::cluster(Kind::ValidatingAdmissionPolicy, "argocd-access-exec-argocd")
}

pub fn admission_binding() -> Target {
    Target::cluster(Kind::ValidatingAdmissionPolicyBinding, "argocd-access-exec-argocd")
}

pub fn exec_access(name: &str) -> Target {
    Target::namespaced(Kind::ExecAccess, "argocd", name)
}

macro_rules! in_list {
    ($list:expr, $target:expr, $value:expr) => {{
        let list = $list;
        list.retain(|o| !(o.metadata.name.as_deref() == Some(&$target.name) && o.metadata.namespace == $target.namespace));
        if let Some(value) = $value {
            list.push(parse(value));
        }
        list.sort_by(|a, b| (&a.metadata.namespace, &a.metadata.name).cmp(&(&b.metadata.namespace, &b.metadata.name)));
    }};
}

fn find<T: Serialize + kube::Resource>(list: &[Arc<T>], target: &Target) -> Option<Value> {
    list.iter().find(|o| o.meta().name.as_deref() == Some(&target.name) && o.meta().namespace == target.namespace).map(json_of)
}

impl Sim {
    pub fn new(world: World) -> Self {
        Self { world, now: "2026-06-01T12:00:00Z".parse().unwrap(), log: Vec::new(), observes: true, version: 100, born: 0 }
    }

    /// A stock instance.
    pub fn stock() -> Self {
        Self::new(world())
    }

    /// What stands there, also where the operator would not be allowed to look.
    pub fn get(&self, target: &Target) -> Option<Value> {
        let w = &self.world;
        match (target.kind, target.name.as_str()) {
            (Kind::ConfigMap, "argocd-cm") => w.argocd_cm.clone().unwrap().map(|o| json_of(&o)),
            (Kind::ConfigMap, "argocd-rbac-cm") => w.rbac_cm.clone().unwrap().map(|o| json_of(&o)),
            (Kind::Deployment, _) => find(w.deployments.as_ref().unwrap(), target),
            (Kind::Ingress, _) => find(w.ingresses.as_ref().unwrap(), target),
            (Kind::BackendConfig, _) => find(w.backend_configs.as_ref().unwrap(), target),
            (Kind::RoleBinding, _) => find(w.role_bindings.as_ref().unwrap(), target),
            (Kind::ClusterRoleBinding, _) => w.cluster_role_binding.clone().unwrap().map(|o| json_of(&o)),
            (Kind::Role, _) => w.own_role.clone().unwrap().unwrap().map(|o| json_of(&o)),
            (Kind::ClusterRole, _) => w.own_cluster_role.clone().unwrap().unwrap().map(|o| json_of(&o)),
            (Kind::ExecAccess, _) => find(&w.accesses, target),
            (Kind::AppProject, _) => find(w.projects.as_ref().unwrap(), target),
            (Kind::ArgoCD, _) => find(w.argocds.as_ref().unwrap(), target),
            (Kind::ValidatingAdmissionPolicy, _) => w.admission_policy.clone().unwrap().map(|o| json_of(&o)),
            (Kind::ValidatingAdmissionPolicyBinding, _) => w.admission_binding.clone().unwrap().map(|o| json_of(&o)),
            (kind, name) => panic!("the world has no {kind:?} {name}"),
        }
    }

    pub fn put(&mut self, target: &Target, value: Option<Value>) {
        let w = &mut self.world;
        match (target.kind, target.name.as_str()) {
            (Kind::ConfigMap, "argocd-cm") => w.argocd_cm = Ok(value.map(parse)),
            (Kind::ConfigMap, "argocd-rbac-cm") => w.rbac_cm = Ok(value.map(parse)),
            (Kind::Deployment, _) => in_list!(w.deployments.as_mut().unwrap(), target, value),
            (Kind::Ingress, _) => in_list!(w.ingresses.as_mut().unwrap(), target, value),
            (Kind::BackendConfig, _) => in_list!(w.backend_configs.as_mut().unwrap(), target, value),
            (Kind::RoleBinding, _) => in_list!(w.role_bindings.as_mut().unwrap(), target, value),
            (Kind::ClusterRoleBinding, _) => w.cluster_role_binding = Ok(value.map(parse)),
            (Kind::Role, _) => w.own_role = Some(Ok(value.map(parse))),
            (Kind::ClusterRole, _) => w.own_cluster_role = Some(Ok(value.map(parse))),
            (Kind::ExecAccess, _) => in_list!(&mut w.accesses, target, value),
            (Kind::AppProject, _) => in_list!(w.projects.as_mut().unwrap(), target, value),
            (Kind::ArgoCD, _) => in_list!(w.argocds.as_mut().unwrap(), target, value),
            (Kind::ValidatingAdmissionPolicy, _) => w.admission_policy = Ok(value.map(parse)),
            (Kind::ValidatingAdmissionPolicyBinding, _) => w.admission_binding = Ok(value.map(parse)),
            (kind, name) => panic!("the world has no {kind:?} {name}"),
        }
    }

    /// A merge patch by some manager.
    pub fn patch(&mut self, manager: &str, target: &Target, patch: &Value) -> Result<(), String> {
        self.patch_as(manager, Operation::Update, target, patch)
    }

    pub fn patch_as(&mut self, manager: &str, operation: Operation, target: &Target, patch: &Value) -> Result<(), String> {
        let Some(old) = self.get(target) else { return Err(format!("{target}: not found")) };
        let sent = patch.pointer("/metadata/resourceVersion").and_then(Value::as_str);
        if sent.is_some_and(|sent| old.pointer("/metadata/resourceVersion").and_then(Value::as_str) != Some(sent)) {
            return Err(format!("{target}: conflict"));
        }
        let mut new = old.clone();
        fields::merge(&mut new, patch);
        fields::settle_ownership(&old, &mut new, manager, operation);
        self.store(target, &old, new);
        Ok(())
    }

    fn store(&mut self, target: &Target, old: &Value, mut new: Value) {
        if new == *old {
            return;
        }
        self.version += 1;
        new["metadata"]["resourceVersion"] = json!(self.version.to_string());
        if matches!(target.kind, Kind::ValidatingAdmissionPolicy | Kind::ValidatingAdmissionPolicyBinding) && new["spec"] != old["spec"] {
            let generation = new["metadata"]["generation"].as_i64().unwrap_or(0) + 1;
            new["metadata"]["generation"] = json!(generation);
            if self.observes && target.kind == Kind::ValidatingAdmissionPolicy {
                new["status"]["observedGeneration"] = json!(generation);
            }
        }
        let gone = new.pointer("/metadata/deletionTimestamp").is_some_and(|t| !t.is_null())
            && new.pointer("/metadata/finalizers").and_then(Value::as_array).is_none_or(Vec::is_empty);
        self.put(target, (!gone).then_some(new));
    }

    /// What somebody else does; panics when it fails.
    pub fn edit(&mut self, manager: &str, target: &Target, patch: &Value) {
        self.patch(manager, target, patch).unwrap();
    }

    /// What somebody applies server-side, with force.
    pub fn apply(&mut self, manager: &str, target: &Target, body: &Value) {
        let old = self.get(target).unwrap_or_else(|| json!({"metadata": {"uid": format!("uid-{}", self.version)}}));
        let new = fields::apply(&old, body, manager);
        self.store(target, &old, new);
    }

    /// Sends one write, as `cluster_io::apply` does.
    pub fn send(&mut self, write: &Write) -> Result<(), String> {
        self.log.push(write.clone());
        match &write.action {
            Action::Sealed(..) => panic!("nothing here is sealed"),
            Action::Merge(patch) => self.patch(FIELD_MANAGER, &write.target, patch),
            Action::InName { name, patch } => {
                let operation = if name.applies { Operation::Apply } else { Operation::Update };
                self.patch_as(&name.manager, operation, &write.target, patch)
            }
            Action::Apply(body) => {
                let old = self.get(&write.target);
                let refused = match (&old, body.pointer("/metadata/resourceVersion")) {
                    (Some(old), Some(seen)) => old["metadata"]["resourceVersion"] != *seen,
                    (None, seen) => seen.is_some(),
                    (Some(old), None) => fields::conflicts(old, body, FIELD_MANAGER),
                };
                if refused {
                    return Err(format!("{}: conflict", write.target));
                }
                self.apply(FIELD_MANAGER, &write.target, body);
                Ok(())
            }
            Action::Delete { uid, resource_version } => {
                let Some(old) = self.get(&write.target) else { return Err(format!("{}: not found", write.target)) };
                if old["metadata"]["uid"] != json!(uid) || old["metadata"]["resourceVersion"] != json!(resource_version) {
                    return Err(format!("{}: conflict", write.target));
                }
                self.put(&write.target, None);
                Ok(())
            }
        }
    }

    pub fn plan(&self) -> Plan {
        let mut world = self.world.clone();
        world.contests = world.contests.at(self.now);
        plan(&world, self.now)
    }

    /// The operator's process ends and another one starts: what it remembered by itself is gone.
    pub fn restart(&mut self) {
        self.world.contests = Contests::default();
    }

    /// One round: plan, apply, report. Returns how many writes there were.
    pub fn round(&mut self) -> usize {
        let plan = self.plan();
        let writes = plan.writes.clone();
        let (mut failures, mut done) = (Failures::new(), Vec::new());
        for write in &writes {
            match self.send(write) {
                Ok(()) => done.push(write.target.clone()),
                Err(error) => failures.entry(write.layer).or_default().push(error),
            }
        }
        self.remember(&plan, &done);
        self.is_confined_where_it_is_let_in(&writes);
        self.report(&plan, &failures);
        self.now += jiff::SignedDuration::from_secs(1);
        writes.len()
    }

    /// In a confined instance no right is given before the policy is in force and allows that namespace.
    pub fn is_confined_where_it_is_let_in(&self, writes: &[Write]) {
        let given = writes.iter().filter(|w| self.world.settings.confine && w.layer == Layer::Server && w.direction == Direction::Widen);
        for write in given {
            let spec = &self.get(&admission_policy()).expect("a policy before any right")["spec"];
            let (allows, namespace) = (&spec["validations"][0]["expression"], write.target.namespace.as_deref().expect("no right in all"));
            assert!(allows.as_str().is_some_and(|e| e.contains(&format!("'{namespace}'"))), "{write:?} where {allows} is allowed");
            assert!(self.get(&admission_binding()).is_some(), "a policy that is not bound");
        }
    }

    /// One round as the controller makes it: all its steps, and what is said only of the last.
    pub fn whole_round(&mut self) {
        for _ in 0..MOST_ROUNDS {
            let plan = self.plan();
            if plan.writes.is_empty() {
                self.report(&plan, &Failures::new());
                return;
            }
            for write in &plan.writes {
                // One that came too late is planned anew.
                let _ = self.send(write);
            }
            self.now += jiff::SignedDuration::from_secs(1);
        }
        panic!("no rest after {MOST_ROUNDS} steps: {:#?}", self.plan().writes);
    }

    /// Remembers what the process does of its last plan.
    pub fn remember(&mut self, plan: &Plan, done: &[Target]) {
        let contests = std::mem::take(&mut self.world.contests).at(self.now);
        self.world.contests = contests.saw(&plan.looks).wrote(&plan.looks, done);
    }

    /// Says what the plan found, as the controller does after a round.
    pub fn report(&mut self, plan: &Plan, failures: &Failures) {
        let reviews = self.reviews(plan);
        for outlook in &plan.outlooks {
            let said = status(outlook, &outlook.access, &plan.instance, &reviews, failures, &Time(self.now));
            let name = outlook.access.metadata.name.clone().unwrap();
            if let Some(access) = self.world.accesses.iter_mut().find(|a| a.metadata.name.as_deref() == Some(&name)) {
                Arc::make_mut(access).status = Some(said);
            }
        }
    }

    /// Rounds until there is nothing to write and what is said has caught up; returns the writes sent on the way.
    pub fn settle(&mut self) -> Vec<Write> {
        let from = self.log.len();
        for _ in 0..MOST_ROUNDS {
            if self.round() > 0 {
                continue;
            }
            match self.plan().next.filter(|next| next.duration_since(self.now) <= PATIENCE) {
                Some(next) => self.now = next,
                None => return self.log[from..].to_vec(),
            }
        }
        panic!("no rest after {MOST_ROUNDS} rounds: {:#?}", self.plan().writes);
    }

    /// Somebody creates an object, or changes its spec.
    pub fn declare(&mut self, name: &str, spec: &str) {
        let mut object = access(name, spec);
        let made = Arc::make_mut(&mut object);
        if let Some(earlier) = self.world.accesses.iter().find(|a| a.metadata.name.as_deref() == Some(name)) {
            made.metadata = earlier.metadata.clone();
            made.status.clone_from(&earlier.status);
            made.metadata.generation = made.metadata.generation.map(|g| g + 1);
        } else {
            self.born += 1;
            made.metadata.creation_timestamp = Some(Time(jiff::Timestamp::from_second(self.born * 60).unwrap()));
        }
        self.version += 1;
        made.metadata.resource_version = Some(self.version.to_string());
        self.put(&exec_access(name), Some(json_of(&object)));
    }

    /// `declare`, then `settle`.
    pub fn grant(&mut self, name: &str, spec: &str) -> Vec<Write> {
        self.declare(name, spec);
        self.settle()
    }

    /// Somebody deletes an object.
    pub fn delete(&mut self, name: &str) {
        let mut value = self.get(&exec_access(name)).unwrap();
        let held = value.pointer("/metadata/finalizers").and_then(Value::as_array).is_some_and(|f| f.iter().any(|f| f == FINALIZER));
        value["metadata"]["deletionTimestamp"] = json!("2026-06-01T13:00:00Z");
        self.put(&exec_access(name), held.then_some(value));
    }

    pub fn status(&self, name: &str) -> ExecAccessStatus {
        let access = self.world.accesses.iter().find(|a| a.metadata.name.as_deref() == Some(name));
        access.unwrap_or_else(|| panic!("there is no {name}")).status.clone().unwrap_or_else(|| panic!("{name} has no status"))
    }

    /// Status and reason of one condition.
    pub fn says(&self, name: &str, condition: &str) -> (String, String) {
        let status = self.status(name);
        let found = status.conditions.iter().find(|c| c.type_ == condition).unwrap_or_else(|| panic!("no {condition}"));
        (found.status.to_string(), found.reason.to_string())
    }

    /// The message of one condition.
    pub fn message(&self, name: &str, condition: &str) -> String {
        self.status(name).conditions.iter().find(|c| c.type_ == condition).unwrap().message.to_string()
    }

    /// `data` of a ConfigMap.
    pub fn data(&self, target: &Target) -> BTreeMap<String, String> {
        let value = self.get(target).unwrap();
        value.get("data").cloned().map(|d| serde_json::from_value(d).unwrap()).unwrap_or_default()
    }

    pub fn annotations(&self, target: &Target) -> BTreeMap<String, String> {
        let value = self.get(target).unwrap();
        value.pointer("/metadata/annotations").cloned().map(|d| serde_json::from_value(d).unwrap()).unwrap_or_default()
    }

    /// The namespaces that our RoleBindings are in.
    pub fn bound(&self) -> Vec<String> {
        self.world.role_bindings.as_ref().unwrap().iter().map(|b| b.metadata.namespace.clone().unwrap()).collect()
    }

    /// What the API server would answer: our bindings and rules count, nothing else is there.
    fn reviews(&self, plan: &Plan) -> Reviews {
        let everywhere = self.world.cluster_role_binding.clone().is_ok_and(|b| b.is_some())
            || self
                .world
                .own_cluster_role
                .iter()
                .flatten()
                .flatten()
                .any(|r| r.rules.iter().flatten().any(|rule| rule.resources.iter().flatten().any(|r| r == "pods/exec")));
        let bound = self.world.role_bindings.clone().unwrap_or_default();
        let answer = |namespace: &String| {
            let here = bound.iter().any(|b| b.metadata.namespace.as_ref() == Some(namespace));
            let yes = Answer { allowed: everywhere || here, reason: "RBAC: allowed by a binding".to_owned() };
            (namespace.clone(), Ok(Review { pods_get: yes.clone(), exec_get: yes.clone(), exec_create: yes }))
        };
        to_review(&plan.outlooks).iter().map(answer).collect()
    }

    /// Every shared object without what a write always moves (versions, times), for a comparison before and after.
    pub fn shared(&self) -> BTreeMap<String, Value> {
        let w = &self.world;
        let mut all = BTreeMap::new();
        let mut add = |mut value: Value| {
            if let Some(meta) = value["metadata"].as_object_mut() {
                meta.remove("resourceVersion");
                meta.remove("generation");
                for section in ["annotations", "labels"] {
                    if meta.get(section).and_then(Value::as_object).is_some_and(Map::is_empty) {
                        meta.remove(section);
                    }
                }
            }
            let name = format!("{} {}/{}", value["kind"], value["metadata"]["namespace"], value["metadata"]["name"]);
            all.insert(name, value);
        };
        [&w.argocd_cm, &w.rbac_cm].into_iter().flatten().flatten().for_each(|o| add(json_of(o)));
        w.ingresses.iter().flatten().for_each(|o| add(json_of(o)));
        w.http_routes.iter().flatten().for_each(|o| add(json_of(o)));
        w.backend_configs.iter().flatten().for_each(|o| add(json_of(o)));
        w.deployments.iter().flatten().for_each(|o| add(json_of(o)));
        w.role_bindings.iter().flatten().for_each(|o| add(json_of(o)));
        w.cluster_role_binding.iter().flatten().for_each(|o| add(json_of(o)));
        w.projects.iter().flatten().for_each(|o| add(json_of(o)));
        w.argocds.iter().flatten().for_each(|o| add(json_of(o)));
        w.admission_policy.iter().flatten().for_each(|o| add(json_of(o)));
        w.admission_binding.iter().flatten().for_each(|o| add(json_of(o)));
        w.own_role.iter().flatten().flatten().for_each(|o| add(json_of(o)));
        w.own_cluster_role.iter().flatten().flatten().for_each(|o| add(json_of(o)));
        all
    }
}
