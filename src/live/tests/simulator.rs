//! A cluster in memory: it takes the writes of a plan as an API server would, and says what the agent may do.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::{Value, json};

use super::fixtures::{Cluster, declared};
use crate::api::conditions::Reason;
use crate::api::{FINALIZER, LiveResourceAccess, LiveResourceAccessStatus};
use crate::config::InstanceConfig;
use crate::live::review::{Question, Reviews, to_review};
use crate::live::status::status;
use crate::live::world::{Shipped, World};
use crate::live::{Plan, plan};
use crate::reconcile::declared::Plan as _;
use crate::reconcile::plan::Answer;
use crate::reconcile::{Action, Direction, Failures, Kind, Target, Write};

/// A Monday at noon, when tests begin.
pub const NOON: &str = "2026-06-01T12:00:00Z";

pub struct Sim {
    pub world: World,
    pub now: jiff::Timestamp,
    /// Roles and bindings, those of others too.
    pub objects: BTreeMap<Target, Value>,
    pub statuses: BTreeMap<String, LiveResourceAccessStatus>,
    /// Every write that was sent.
    pub sent: Vec<Write>,
    /// Writes to these are refused.
    pub refuse: BTreeSet<Target>,
    version: u64,
}

impl Sim {
    pub fn new(resources: &[&str]) -> Self {
        let Cluster { applications, projects, namespaces, discovery, ceiling, .. } = Cluster::with(resources);
        let agent = "{metadata: {name: argocd-agent-agent, labels: {app.kubernetes.io/part-of: argocd-agent, app.kubernetes.io/component: agent}}, spec: {selector: {}, template: {spec: {serviceAccountName: agent, containers: [{name: a, image: 'r/argocd-agent:v0.9.0', args: [agent, --agent-mode, managed]}]}}}}";
        let world = World {
            settings: serving(),
            shipped: Shipped { events: "chart-events".to_owned(), logs: "chart-logs".to_owned(), exec: "chart-exec".to_owned() },
            kubernetes_version: Some("v1.34.4".to_owned()),
            server_ahead: None,
            withdraw_all: false,
            accesses: Vec::new(),
            unreadable: Vec::new(),
            argocd_cm: Ok(None),
            config_maps: Ok(BTreeMap::new()),
            deployments: Ok(vec![Arc::new(serde_yaml::from_str(agent).unwrap())]),
            applications: Ok(applications),
            projects: Ok(projects),
            namespaces: Ok(namespaces),
            discovery: Ok(Arc::new(discovery)),
            ceiling: Ok(Arc::new(ceiling)),
            roles: Ok(Vec::new()),
            role_bindings: Ok(Vec::new()),
            cluster_role: Ok(None),
            cluster_role_binding: Ok(None),
        };
        let objects = BTreeMap::new();
        Self { world, now: NOON.parse().unwrap(), objects, statuses: BTreeMap::new(), sent: Vec::new(), refuse: BTreeSet::new(), version: 1 }
    }

    /// Declares an object, or changes it; `more` are further fields of its spec.
    pub fn declare(&mut self, name: &str, agent: &str, more: &Value) {
        let mut access = declared(agent);
        let known = self.world.accesses.iter().find(|a| a.metadata.name.as_deref() == Some(name)).cloned();
        self.version += 1;
        access.metadata.name = Some(name.to_owned());
        access.metadata.uid = Some(format!("uid-{name}"));
        access.metadata.resource_version = Some(self.version.to_string());
        access.metadata.generation = Some(known.as_ref().and_then(|a| a.metadata.generation).unwrap_or(0) + 1);
        access.metadata.finalizers = known.and_then(|a| a.metadata.finalizers.clone());
        let mut value = serde_json::to_value(&access).unwrap();
        for (key, field) in more.as_object().into_iter().flatten() {
            value["spec"][key] = field.clone();
        }
        let access: LiveResourceAccess = serde_json::from_value(value).unwrap();
        self.world.accesses.retain(|a| a.metadata.name.as_deref() != Some(name));
        self.world.accesses.push(Arc::new(access));
    }

    pub fn delete(&mut self, name: &str) {
        for access in self.world.accesses.iter_mut().filter(|a| a.metadata.name.as_deref() == Some(name)) {
            let time = k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(self.now);
            Arc::make_mut(access).metadata.deletion_timestamp = Some(time);
        }
    }

    pub fn plan(&mut self) -> Plan {
        self.look();
        plan(&self.world, self.now)
    }

    /// What the watches show.
    fn look(&mut self) {
        fn all<T: serde::de::DeserializeOwned>(objects: &BTreeMap<Target, Value>, kind: Kind) -> Vec<Arc<T>> {
            objects.iter().filter(|(t, _)| t.kind == kind).map(|(_, v)| Arc::new(serde_json::from_value(v.clone()).unwrap())).collect()
        }
        let objects = &self.objects;
        let world = &mut self.world;
        if let Ok(roles) = &mut world.roles {
            *roles = all(objects, Kind::Role);
        }
        if let Ok(bindings) = &mut world.role_bindings {
            *bindings = all(objects, Kind::RoleBinding);
        }
        world.cluster_role = Ok(all(objects, Kind::ClusterRole).pop());
        world.cluster_role_binding = Ok(all(objects, Kind::ClusterRoleBinding).pop());
    }

    fn send(&mut self, write: &Write) -> Result<(), String> {
        if self.refuse.contains(&write.target) {
            return Err(format!("{}: forbidden", write.target));
        }
        self.version += 1;
        match &write.action {
            Action::Sealed(..) => panic!("nothing here is sealed"),
            Action::Apply(body) => {
                let known = self.objects.get(&write.target);
                let seen = body.pointer("/metadata/resourceVersion");
                if known.map(|k| &k["metadata"]["resourceVersion"]) != seen {
                    return Err("409".to_owned());
                }
                // A binding's role cannot be changed.
                assert!(known.is_none_or(|k| k["roleRef"] == body["roleRef"]), "{body}");
                let mut made = body.clone();
                made["metadata"]["resourceVersion"] = json!(self.version.to_string());
                made["metadata"]["uid"] = json!(format!("{}", write.target));
                self.objects.insert(write.target.clone(), made);
            }
            Action::Delete { .. } => drop(self.objects.remove(&write.target)),
            Action::Merge(patch) => {
                let name = write.target.name.clone();
                let access = self.world.accesses.iter_mut().find(|a| a.metadata.name.as_ref() == Some(&name)).unwrap();
                let finalizers: Vec<String> = serde_json::from_value(patch["metadata"]["finalizers"].clone()).unwrap();
                let access = Arc::make_mut(access);
                access.metadata.finalizers = Some(finalizers);
                access.metadata.resource_version = Some(self.version.to_string());
                let gone = access.metadata.deletion_timestamp.is_some() && access.metadata.finalizers.as_ref().is_none_or(Vec::is_empty);
                self.world.accesses.retain(|a| !(gone && a.metadata.name.as_ref() == Some(&name)));
            }
            Action::InName { .. } => panic!("nothing here is somebody else's"),
        }
        Ok(())
    }

    /// One step. Whatever is written, the agent never gains what the plan does not give to anybody.
    pub fn step(&mut self) -> usize {
        let plan = self.plan();
        let mut failures = Failures::new();
        for write in plan.writes.clone() {
            let before = self.may();
            self.sent.push(write.clone());
            if let Err(error) = self.send(&write) {
                failures.entry(write.layer).or_default().push(error);
                continue;
            }
            let declared: BTreeSet<String> = plan.union.namespaces.keys().cloned().chain([String::new()]).collect();
            for (place, right) in self.may().difference(&before) {
                assert_eq!(write.direction, Direction::Widen, "{write:?} gave {right} in {place}");
                assert!(declared.contains(place) && !right.contains('*'), "{right} in {place} by {write:?}");
            }
        }
        let count = plan.writes.len();
        self.look();
        let applied = plan.applied();
        let reviews = self.reviews(&applied);
        for outlook in &applied.outlooks {
            let status =
                status(outlook, &outlook.access, &applied, &reviews, &failures, &k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(self.now));
            self.statuses.insert(outlook.access.metadata.name.clone().unwrap(), status);
        }
        count
    }

    /// The process ends after so many writes, and says nothing.
    pub fn send_at_most(&mut self, limit: usize) {
        let mut left = limit;
        loop {
            let writes = self.plan().writes;
            if writes.is_empty() {
                return;
            }
            for write in writes {
                if left == 0 {
                    return;
                }
                left -= 1;
                self.send(&write).unwrap();
            }
        }
    }

    /// What would be said after a plan, of the only object.
    pub fn status_of(&self, plan: &Plan) -> LiveResourceAccessStatus {
        let applied = plan.clone().applied();
        let reviews: Reviews = self.reviews(&applied);
        status(
            &applied.outlooks[0],
            &applied.outlooks[0].access,
            &applied,
            &reviews,
            &Failures::new(),
            &k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(self.now),
        )
    }

    /// The plan, where the cluster-scoped objects are none of our names.
    pub fn plan_without_cluster_objects(&mut self) -> Plan {
        self.look();
        (self.world.cluster_role, self.world.cluster_role_binding) = (Ok(None), Ok(None));
        plan(&self.world, self.now)
    }

    fn reviews(&self, plan: &Plan<crate::reconcile::Applied>) -> Reviews {
        let answered = |asked: Question| {
            let answer = self.answer(&asked);
            (asked, Ok(answer))
        };
        to_review(plan).all().cloned().map(answered).collect()
    }

    /// Steps until there is nothing to write.
    pub fn settle(&mut self) -> Vec<Write> {
        let from = self.sent.len();
        for _ in 0..10 {
            if self.step() == 0 {
                return self.sent[from..].to_vec();
            }
        }
        panic!("no rest: {:#?}", self.plan().writes);
    }

    /// What the agent may do by its bindings, each with its namespace (or none): `verb resource.group[name]`.
    pub fn may(&self) -> BTreeSet<(String, String)> {
        let mut may = BTreeSet::new();
        let bindings = self.objects.iter().filter(|(t, _)| matches!(t.kind, Kind::RoleBinding | Kind::ClusterRoleBinding));
        for (target, binding) in bindings {
            let subjects = binding["subjects"].as_array().into_iter().flatten();
            if !subjects.into_iter().any(|s| s["name"] == "agent" && s["namespace"] == "argocd") {
                continue;
            }
            let place = target.namespace.clone().unwrap_or_default();
            let name = binding["roleRef"]["name"].as_str().unwrap();
            let shipped: &[&str] = match name {
                "chart-events" => &["list events"],
                "chart-logs" => &["get pods/log"],
                "chart-exec" => &["get pods/exec", "create pods/exec"],
                _ => &[],
            };
            may.extend(shipped.iter().map(|right| (place.clone(), (*right).to_owned())));
            let role = match (&target.namespace, binding["roleRef"]["kind"].as_str()) {
                (Some(namespace), Some("Role")) => Target::namespaced(Kind::Role, namespace, name),
                _ => Target::cluster(Kind::ClusterRole, name),
            };
            for rule in self.objects.get(&role).into_iter().flat_map(|role| role["rules"].as_array().into_iter().flatten()) {
                let texts = |field: &str| rule[field].as_array().into_iter().flatten().map(|t| t.as_str().unwrap().to_owned()).collect::<Vec<_>>();
                for (group, resource) in texts("apiGroups").iter().flat_map(|g| texts("resources").into_iter().map(move |r| (g.clone(), r))) {
                    for verb in texts("verbs") {
                        let group = if group.is_empty() { String::new() } else { format!(".{group}") };
                        let names = texts("resourceNames");
                        let suffixes = if names.is_empty() { vec![String::new()] } else { names.iter().map(|n| format!("[{n}]")).collect() };
                        may.extend(suffixes.iter().map(|suffix| (place.clone(), format!("{verb} {resource}{group}{suffix}"))));
                    }
                }
            }
        }
        may
    }

    /// The same of one namespace.
    pub fn may_in(&self, namespace: &str) -> Vec<String> {
        self.may().into_iter().filter(|(place, _)| place == namespace).map(|(_, right)| right).collect()
    }

    fn answer(&self, asked: &Question) -> Answer {
        let group = if asked.group.is_empty() { String::new() } else { format!(".{}", asked.group) };
        let may = self.may();
        let has = |verb: &str, resource: &str, group: &str| {
            let named = if asked.name.is_empty() { String::new() } else { format!("[{}]", asked.name) };
            let right = format!("{verb} {resource}{group}");
            [asked.namespace.clone(), String::new()]
                .iter()
                .any(|place| may.contains(&(place.clone(), right.clone())) || may.contains(&(place.clone(), format!("{right}{named}"))))
        };
        let allowed = has(&asked.verb, &asked.resource, &group) || has("get", "*", ".*") && asked.verb == "get";
        Answer { allowed, reason: if allowed { "RBAC: allowed by RoleBinding \"x\"".to_owned() } else { String::new() } }
    }

    pub fn condition(&self, name: &str, kind: &str) -> (String, String) {
        let found = self.statuses[name].conditions.iter().find(|c| c.type_ == kind).unwrap_or_else(|| panic!("no {kind}"));
        (found.status.to_string(), found.reason.to_string())
    }

    pub fn ready(&self, name: &str) -> String {
        self.condition(name, "Ready").1
    }

    pub fn is_held(&self, name: &str) -> bool {
        let found = self.world.accesses.iter().find(|a| a.metadata.name.as_deref() == Some(name));
        found.is_some_and(|a| a.metadata.finalizers.iter().flatten().any(|f| f == FINALIZER))
    }
}

/// How a reason is written.
pub fn said(status: &str, reason: Reason) -> (String, String) {
    (status.to_owned(), reason.as_str().to_owned())
}

fn serving() -> InstanceConfig {
    let mut settings = InstanceConfig::of("argocd");
    settings.live.enabled = true;
    settings
}
