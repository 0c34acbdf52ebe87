//! A managed agent in whose cluster the Application `shop/web` has a Deployment with a Pod, and a `LiveResourceAccess` that declares what is
//! asked; and what happens when something of it is otherwise.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::json;

use crate::api::{Feature, LiveResourceAccess};
pub use crate::exec::tests::fixtures::not_seen;
use crate::exec::tests::fixtures::object;
use crate::explain::live::observed::{Accesses, Observed, Owner};
use crate::explain::live::question::{Question, feature};
use crate::explain::live::{explain, kubernetes, owners, rights};
pub use crate::explain::tests::fixtures::{id, run};
use crate::explain::{Explanation, Link, Name};
use crate::live::tests::fixtures::{application, declared, discovery, namespace, open_project};
use crate::reconcile::plan::Answer;

/// The agent's Deployment with this environment.
pub fn agent(env: &str) -> Arc<k8s_openapi::api::apps::v1::Deployment> {
    object(&format!(
        "{{metadata: {{name: argocd-agent-agent, labels: {{app.kubernetes.io/part-of: argocd-agent, app.kubernetes.io/component: agent}}}}, spec: {{selector: {{}}, template: {{spec: {{serviceAccountName: agent, containers: [{{name: a, image: 'r/argocd-agent:v0.9.0', args: [agent], env: {env}}}]}}}}}}}}"
    ))
}

/// As the manifests have it.
pub const ENV: &str = "[{name: ARGOCD_AGENT_MODE, value: managed}, {name: ARGOCD_AGENT_ENABLE_RESOURCE_PROXY, valueFrom: {configMapKeyRef: {name: argocd-agent-params, key: agent.resource-proxy.enable}}}]";

/// Its ConfigMap with this switch.
pub fn params(switch: &str) -> crate::live::world::ConfigMaps {
    let data = BTreeMap::from([("agent.resource-proxy.enable".to_owned(), switch.to_owned())]);
    let config_map = k8s_openapi::api::core::v1::ConfigMap { data: Some(data), ..Default::default() };
    BTreeMap::from([("argocd-agent-params".to_owned(), Some(Arc::new(config_map)))])
}

/// What an object says of itself: its annotations, and its owners as `version Kind name`.
pub fn meta(marked: bool, owners: &[(&str, &str, &str)]) -> ObjectMeta {
    let annotations = if marked { json!({"argocd.argoproj.io/tracking-id": "web:x"}) } else { json!({}) };
    let owners: Vec<_> = owners.iter().map(|(version, kind, name)| json!({"apiVersion": version, "kind": kind, "name": name, "uid": "u"})).collect();
    serde_json::from_value(json!({"annotations": annotations, "ownerReferences": owners})).unwrap()
}

/// An owner.
pub fn owner(version: &str, kind: &str, name: &str) -> Owner {
    Owner::of(&serde_json::from_value(json!({"apiVersion": version, "kind": kind, "name": name, "uid": "u"})).unwrap())
}

/// The question.
pub fn question(resource: &str, what: &str) -> Question {
    Question {
        instance: "argocd".to_owned(),
        app: "shop/web".parse().unwrap(),
        resource: resource.parse().unwrap(),
        namespace: None,
        feature: feature(what).unwrap(),
    }
}

/// A `LiveResourceAccess` in place, with this agent's block and these conditions that are not `True`, each `Type Reason`.
pub fn access(agent: &str, failing: &[(&str, &str)]) -> Arc<LiveResourceAccess> {
    let mut access = declared(agent);
    access.metadata.generation = Some(3);
    let conditions: Vec<_> = ["Accepted", "Active", "InstanceReady", "ResourcesResolved", "RBACApplied", "AccessProven", "Confined", "Ready"]
        .iter()
        .map(|kind| {
            let reason = failing.iter().find(|(failing, _)| failing == kind).map(|(_, reason)| *reason);
            let status = if reason.is_some() { "False" } else { "True" };
            json!({"type": kind, "status": status, "reason": reason.unwrap_or("Fine"), "message": "it is so", "lastTransitionTime": "2026-01-01T00:00:00Z"})
        })
        .collect();
    access.status = Some(serde_json::from_value(json!({"observedGeneration": 3, "conditions": conditions})).unwrap());
    Arc::new(access)
}

/// An agent in whose cluster the Application has these, each `group/Kind/namespace/name`.
pub fn having(resources: &[&str]) -> Observed {
    let all: Vec<&str> = Feature::ALL.iter().map(|feature| feature.as_str()).collect();
    Observed {
        kubernetes_version: Some("v1.34.4".to_owned()),
        deployments: Ok(vec![agent(ENV)]),
        config_maps: Ok(params("true")),
        argocd_cm: Ok(None),
        application: Ok(Some(application("web", "shop", resources))),
        project: Ok(Some(open_project("shop"))),
        namespace: Ok(Some(namespace("shop", &json!({})))),
        discovery: Ok(discovery()),
        resource: Ok(Some(meta(true, &[]))),
        owners: BTreeMap::new(),
        accesses: Ok(Accesses::Some(vec![access(&format!("{{grants: [{{features: [{}]}}]}}", all.join(", ")), &[])], Vec::new())),
        reviews: BTreeMap::new(),
        hub: None,
    }
}

/// One whose Deployment is marked; the ReplicaSet and the Pod below it are not.
pub fn healthy() -> Observed {
    having(&["apps/Deployment/shop/web", "/Service/shop/web"])
}

/// The same, when its Pod is asked about.
pub fn with_pod(observed: &mut Observed) {
    observed.resource = Ok(Some(meta(false, &[("apps/v1", "ReplicaSet", "web-1")])));
    observed.owners.insert(owner("apps/v1", "ReplicaSet", "web-1"), Ok(Some(meta(false, &[("apps/v1", "Deployment", "web")]))));
    observed.owners.insert(owner("apps/v1", "Deployment", "web"), Ok(Some(meta(true, &[]))));
}

/// The API server answers: all that is needed is allowed but for these rights; of what is too much, only these are.
pub fn answer(question: &Question, observed: &mut Observed, denied: &[&str]) {
    let needs = rights::needed(question, observed, &owners::search(observed));
    let place = observed.place(question).unwrap_or_default();
    let reason = |allowed: bool| if allowed { "RBAC: allowed by RoleBinding \"x\"".to_owned() } else { String::new() };
    for need in &needs {
        let allowed = !denied.contains(&rights::show(&need.asked).as_str());
        observed.reviews.insert(need.asked.clone(), Ok(Answer { allowed, reason: reason(allowed) }));
    }
    for asked in kubernetes::beside(&place, &needs) {
        observed.reviews.insert(asked, Ok(Answer { allowed: false, reason: String::new() }));
    }
}

/// The chain of this question, after a change of what is seen.
pub fn walk(resource: &str, what: &str, denied: &[&str], change: impl FnOnce(&mut Question, &mut Observed)) -> Explanation {
    let (mut question, mut observed) = (question(resource, what), healthy());
    change(&mut question, &mut observed);
    answer(&question, &mut observed, denied);
    explain(&question, &observed)
}

/// The broken link of the chain for editing the Deployment.
pub fn broken(change: impl FnOnce(&mut Question, &mut Observed)) -> Link {
    walk("apps/Deployment/web", "Edit", &[], change).broken().cloned().expect("something is broken")
}

/// One link of a chain.
pub fn link(explanation: Explanation, name: Name) -> Link {
    explanation.links.into_iter().find(|l| l.name == name).unwrap()
}

/// Nothing is declared.
pub fn undeclared(observed: &mut Observed) {
    observed.accesses = Ok(Accesses::Some(Vec::new(), Vec::new()));
}

/// The objects that a command creates, as `kubectl` gets them.
pub fn created(command: &str) -> (String, Vec<serde_json::Value>) {
    let words = run(command).remove(0);
    assert_eq!((words[0].as_str(), &words[2..5]), ("-n", &["create".to_owned(), "-f".to_owned(), "-".to_owned()][..]), "{words:?}");
    let objects = words[5].split("---\n").map(|text| serde_yaml::from_str(text).unwrap()).collect();
    (words[1].clone(), objects)
}
