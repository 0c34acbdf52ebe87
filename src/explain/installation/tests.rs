//! Each link of an installation, whole and broken.

use std::sync::Arc;

use jiff::Timestamp;
use k8s_openapi::api::apps::v1::Deployment;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::rights::{Needed, needed};
use super::{Instance, Observed, Wanted, explain};
use crate::api;
use crate::config::InstanceConfig;
use crate::exec::World;
use crate::explain::{Cause, Explanation, Name, State};
use crate::live::ceiling::Ceiling;
use crate::reconcile::NotSeen;

const POD: &str = "access-operator-5d8f-x2c4z";
const NOW: &str = "2026-01-02T03:04:05Z";

fn read<T: DeserializeOwned>(yaml: &str) -> T {
    serde_yaml::from_str(yaml).unwrap()
}

/// As the API server publishes our definitions.
fn published() -> Value {
    let schemas: serde_json::Map<String, Value> = api::definitions()
        .into_iter()
        .map(|definition| {
            let kind = definition.spec.names.kind.clone();
            let mut schema = serde_json::to_value(definition.spec.versions[0].schema.as_ref().unwrap().open_api_v3_schema.as_ref()).unwrap();
            schema["x-kubernetes-group-version-kind"] = json!([{"group": "argocd-access.dev", "kind": kind, "version": "v1alpha1"}]);
            (format!("dev.argocd-access.v1alpha1.{kind}"), schema)
        })
        .collect();
    json!({"components": {"schemas": schemas}})
}

fn deployment(replicas: i32, status: &str) -> Arc<Deployment> {
    Arc::new(read(&format!(
        "{{metadata: {{name: access-operator, generation: 2}}, spec: {{replicas: {replicas}, selector: {{}}, template: {{}}}}, status: {{observedGeneration: 2, {status}}}}}"
    )))
}

fn server(image: &str) -> Arc<Deployment> {
    Arc::new(read(&format!(
        "{{metadata: {{name: argocd-server}}, spec: {{selector: {{}}, template: {{spec: {{containers: [{{name: a, image: '{image}', command: [argocd-server]}}]}}}}}}}}"
    )))
}

fn healthy() -> Observed {
    let mut world = World::empty(InstanceConfig::of("argocd"), "");
    world.argocd_cm = Ok(Some(Arc::new(read("{metadata: {name: argocd-cm, labels: {app.kubernetes.io/part-of: argocd}}}"))));
    world.deployments = Ok(vec![server("quay.io/argoproj/argocd:v3.2.11")]);
    world.kubernetes_version = Some("v1.34.4".to_owned());
    let lease = read(&format!("{{spec: {{holderIdentity: {POD}, leaseDurationSeconds: 15, renewTime: '2026-01-02T03:04:00.000000Z'}}}}"));
    let found = Ok(Some(deployment(1, "readyReplicas: 1, availableReplicas: 1, updatedReplicas: 1")));
    Observed {
        schemas: Ok(Some(published())),
        lacking: Some(Ok(Vec::new())),
        deployment: Some(Wanted { namespace: "argocd".to_owned(), name: "access-operator".to_owned(), found }),
        instances: vec![Instance { world, lease: "argocd-access-operator", holds: Ok(Some(Arc::new(lease))) }],
        now: NOW.parse::<Timestamp>().unwrap(),
    }
}

fn with(change: impl FnOnce(&mut Observed)) -> Explanation {
    let mut observed = healthy();
    change(&mut observed);
    explain(&observed)
}

/// The state of the whole, its broken link and the cause.
fn broken(change: impl FnOnce(&mut Observed)) -> (State, Name, &'static str) {
    let explanation = with(change);
    let link = explanation.broken().expect("something is broken");
    (link.state, link.name, link.cause.map_or("", Cause::id))
}

fn closed(name: Name, id: &'static str) -> (State, Name, &'static str) {
    (State::Closed, name, id)
}

#[test]
fn a_good_installation_is_open_in_every_link_whatever_is_declared_and_whether_terminals_are_on() {
    let explanation = explain(&healthy());
    assert_eq!(explanation.links.iter().map(|link| link.name).collect::<Vec<_>>(), Name::INSTALLATION);
    assert_eq!(explanation.state(), State::Open, "{:#?}", explanation.links);
    // Of what nobody asked, nothing is said.
    let short = with(|o| (o.lacking, o.deployment) = (None, None));
    assert_eq!(short.links.iter().map(|link| link.name).collect::<Vec<_>>(), [Name::Definitions, Name::Argocd, Name::Lease]);
    assert_eq!(short.state(), State::Open);
}

#[test]
fn each_namespace_that_is_served_is_looked_at() {
    let explanation = with(|o| {
        let mut second = o.instances[0].clone();
        second.world.settings.namespace = "second".to_owned();
        second.world.deployments = Ok(Vec::new());
        o.instances.push(second);
    });
    assert_eq!(explanation.links.len(), 7);
    assert!(explanation.broken().unwrap().fact.contains("in second"), "{:?}", explanation.broken());
}

#[test]
fn definitions_are_there_with_every_field_and_every_value() {
    assert_eq!(broken(|o| o.schemas = Ok(None)), closed(Name::Definitions, "definitions-missing"));
    let without = |path: &str, key: &str| {
        let mut document = published();
        let place = document.pointer_mut(path).unwrap_or_else(|| panic!("no {path}")).as_object_mut().unwrap();
        place.remove(key).unwrap_or_else(|| panic!("no {key}"));
        with(|o| o.schemas = Ok(Some(document))).broken().unwrap().clone()
    };
    let exec = "/components/schemas/dev.argocd-access.v1alpha1.ExecAccess/properties";
    let link = without("/components/schemas", "dev.argocd-access.v1alpha1.LiveResourceAccess");
    assert_eq!((link.cause.map(Cause::id), link.fact.as_str()), (Some("definitions-missing"), "the API server does not know LiveResourceAccess"));
    for (path, key, named) in [
        (format!("{exec}/spec/properties"), "suspend", "ExecAccess spec.suspend"),
        (format!("{exec}/spec/properties/applications/items/properties"), "project", "ExecAccess spec.applications[].project"),
        (format!("{exec}/status/properties"), "conditions", "ExecAccess status.conditions"),
    ] {
        let link = without(&path, key);
        assert_eq!(link.cause.map(Cause::id), Some("definitions-old"), "{path}");
        assert!(link.fact.ends_with(named), "{}", link.fact);
    }
    let mut older = published();
    older.pointer_mut(&format!("{exec}/spec/properties/mode/enum")).unwrap().as_array_mut().unwrap().retain(|value| value != "Observe");
    let link = with(|o| o.schemas = Ok(Some(older))).broken().unwrap().clone();
    assert!(link.fact.contains(r#"spec.mode: "Observe""#), "{}", link.fact);
    // A newer one knows more.
    let mut newer = published();
    newer.pointer_mut(&format!("{exec}/spec/properties")).unwrap()["later"] = json!({"type": "string"});
    assert_eq!(with(|o| o.schemas = Ok(Some(newer))).state(), State::Open);
}

const ROLES: &str = "
# A template may render nothing but a comment.
---
kind: Role
metadata: {name: ours, namespace: argocd}
rules:
- {apiGroups: [''], resources: [configmaps], resourceNames: [argocd-cm, argocd-rbac-cm], verbs: [get, patch]}
---
kind: RoleBinding
metadata: {name: ours, namespace: argocd}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: ours}
subjects: [{kind: ServiceAccount, name: operator, namespace: argocd}]
---
kind: Role
metadata: {name: ours, namespace: elsewhere}
rules: [{apiGroups: [''], resources: [secrets], verbs: [get]}]
---
kind: ClusterRoleBinding
metadata: {name: wide}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: wide}
subjects: [{kind: ServiceAccount, name: operator, namespace: argocd}]
---
kind: ClusterRole
metadata: {name: wide}
rules: [{apiGroups: [argoproj.io], resources: [applications], verbs: [list]}]
---
kind: RoleBinding
metadata: {name: server, namespace: argocd}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: argocd-server}
subjects: [{kind: ServiceAccount, name: operator, namespace: argocd}]
";
const OPERATOR: &str = "system:serviceaccount:argocd:operator";

fn rights() -> Vec<Needed> {
    needed(ROLES, OPERATOR).unwrap().into_iter().collect()
}

#[test]
fn what_is_needed_is_what_the_rendered_roles_give_to_this_very_account() {
    let all: Vec<String> = rights().iter().map(ToString::to_string).collect();
    assert_eq!(
        all,
        [
            "list applications.argoproj.io in the whole cluster",
            "get configmaps argocd-cm in argocd",
            "get configmaps argocd-rbac-cm in argocd",
            "patch configmaps argocd-cm in argocd",
            "patch configmaps argocd-rbac-cm in argocd",
        ]
    );
    let other = needed(ROLES, "system:serviceaccount:argocd:other").unwrap_err();
    assert!(other.contains("bound to system:serviceaccount:argocd:other"), "{other}");
    assert!(needed("{", OPERATOR).is_err());
}

#[test]
fn a_right_is_held_by_a_rule_for_all_names_or_for_this_one() {
    let held = |rule: &str| rights().iter().filter(|right| right.is_allowed_by(&Ceiling::of(vec![read(rule)]))).count();
    assert_eq!(held("{apiGroups: ['*'], resources: ['*'], verbs: ['*']}"), 5);
    assert_eq!(held("{apiGroups: [''], resources: [configmaps], verbs: [get]}"), 2);
    assert_eq!(held("{apiGroups: [''], resources: [configmaps], resourceNames: [argocd-cm], verbs: [get, patch]}"), 2);
    assert_eq!(held("{apiGroups: [apps], resources: [configmaps], verbs: [get]}"), 0);
}

#[test]
fn a_right_that_is_lacking_is_named() {
    let lacking = |n: usize| with(|o| o.lacking = Some(Ok(rights().into_iter().cycle().take(n).collect()))).broken().unwrap().clone();
    let link = lacking(1);
    assert_eq!((link.name, link.cause.map(Cause::id)), (Name::Rights, Some("rights-missing")));
    assert_eq!(link.fact, "the operator may not: list applications.argoproj.io in the whole cluster");
    assert!(lacking(7).fact.ends_with("; and 2 more"), "{}", lacking(7).fact);
}

#[test]
fn without_an_argo_cd_that_can_be_served_there_is_nothing_to_do() {
    let argocd = |change: fn(&mut World)| broken(|o| change(&mut o.instances[0].world));
    assert_eq!(argocd(|w| w.deployments = Ok(Vec::new())), closed(Name::Argocd, "argocd-missing"));
    assert_eq!(argocd(|w| w.argocd_cm = Ok(None)), closed(Name::Argocd, "argocd-missing"));
    assert_eq!(argocd(|w| w.argocd_cm = Ok(Some(Arc::new(read("{metadata: {name: argocd-cm}}"))))), closed(Name::Argocd, "argocd-cm-unlabelled"));
    assert_eq!(argocd(|w| w.deployments = Ok(vec![server("argocd:v2.3.0")])), closed(Name::Argocd, "versions-unsupported"));
    let twice = argocd(|w| w.deployments = Ok(vec![server("argocd:v3.2.11"), server("argocd:v3.2.11")]));
    assert_eq!(twice, (State::Unknown, Name::Argocd, "server-ambiguous"));
}

#[test]
fn an_agent_is_enough_where_live_resources_are_served() {
    let agent = "{metadata: {name: agent}, spec: {selector: {}, template: {spec: {containers: [{name: a, image: b, args: [argocd-agent, agent]}]}}}}";
    let state = |live: bool| {
        let explanation = with(|o| {
            o.instances[0].world.settings.live.enabled = live;
            o.instances[0].world.deployments = Ok(vec![Arc::new(read(agent))]);
        });
        explanation.state()
    };
    assert_eq!((state(true), state(false)), (State::Open, State::Closed));
}

#[test]
fn the_operator_has_a_ready_pod_of_the_version_that_is_installed() {
    let operator = |replicas: i32, status: &str| broken(|o| o.deployment.as_mut().unwrap().found = Ok(Some(deployment(replicas, status)))).2;
    assert_eq!(broken(|o| o.deployment.as_mut().unwrap().found = Ok(None)), closed(Name::Operator, "operator-missing"));
    assert_eq!(operator(0, ""), "operator-stopped");
    assert_eq!(operator(1, "updatedReplicas: 1"), "operator-not-ready");
    assert_eq!(operator(1, "readyReplicas: 1, availableReplicas: 1"), "operator-not-ready", "the pod that is ready is an old one");
    let replaced = "replicas: 2, readyReplicas: 1, availableReplicas: 1, updatedReplicas: 1";
    assert_eq!(operator(1, replaced), "operator-not-ready", "the old one stays for as long as the new one is not ready");
    assert_eq!(operator(1, "observedGeneration: 1, readyReplicas: 1, availableReplicas: 1, updatedReplicas: 1"), "operator-not-ready");
    let one_of_two = with(|o| {
        o.deployment.as_mut().unwrap().found = Ok(Some(deployment(2, "readyReplicas: 1, availableReplicas: 1, updatedReplicas: 2")));
    });
    assert_eq!(one_of_two.state(), State::Open, "one is enough to do the work");
}

#[test]
fn somebody_has_the_lease_renews_it_and_is_one_of_ours() {
    let lease = |spec: &str| {
        let spec = spec.to_owned();
        broken(move |o| o.instances[0].holds = Ok(Some(Arc::new(read(&format!("{{spec: {{leaseDurationSeconds: 15, {spec}}}}}")))))).2
    };
    assert_eq!(broken(|o| o.instances[0].holds = Ok(None)), closed(Name::Lease, "lease-free"));
    assert_eq!(lease("holderIdentity: '', renewTime: '2026-01-02T03:04:00.000000Z'"), "lease-free");
    assert_eq!(lease(&format!("holderIdentity: {POD}")), "lease-free");
    assert_eq!(lease(&format!("holderIdentity: {POD}, renewTime: '2026-01-02T03:02:30.000000Z'")), "lease-free");
    assert_eq!(lease("holderIdentity: other-5d8f-x2c4z, renewTime: '2026-01-02T03:04:00.000000Z'"), "lease-taken");
    // A clock that goes ahead, or behind by less than a minute, is no reason.
    for renewed in ["2026-01-02T03:09:00.000000Z", "2026-01-02T03:03:10.000000Z"] {
        let spec = format!("{{spec: {{leaseDurationSeconds: 15, holderIdentity: {POD}, renewTime: '{renewed}'}}}}");
        assert_eq!(with(|o| o.instances[0].holds = Ok(Some(Arc::new(read(&spec))))).state(), State::Open, "{renewed}");
    }
}

#[test]
fn a_long_name_of_a_deployment_is_cut_in_the_names_of_its_pods() {
    let name = format!("{}-clusters", "r".repeat(53));
    let pod = format!("{}x2c4z", format!("{name}-5d8f-").get(..58).unwrap());
    let lease = format!("{{spec: {{leaseDurationSeconds: 15, holderIdentity: {pod}, renewTime: '2026-01-02T03:04:00.000000Z'}}}}");
    let explanation = with(|o| {
        o.deployment.as_mut().unwrap().name = name;
        o.instances[0].holds = Ok(Some(Arc::new(read(&lease))));
    });
    assert_eq!(explanation.state(), State::Open);
}

#[test]
fn what_cannot_be_seen_is_neither_good_nor_bad() {
    let why = || NotSeen { kind: "things", why: "forbidden".to_owned() };
    for (name, explanation) in [
        (Name::Definitions, with(|o| o.schemas = Err(why()))),
        (Name::Rights, with(|o| o.lacking = Some(Err(why())))),
        (Name::Argocd, with(|o| o.instances[0].world.deployments = Err(why()))),
        (Name::Argocd, with(|o| o.instances[0].world.argocd_cm = Err(why()))),
        (Name::Operator, with(|o| o.deployment.as_mut().unwrap().found = Err(why()))),
        (Name::Lease, with(|o| o.instances[0].holds = Err(why()))),
    ] {
        let link = explanation.broken().unwrap();
        assert_eq!((link.name, link.state, link.cause.map(Cause::id)), (name, State::Unknown, Some("not-readable")));
        assert_eq!(link.fact, "things cannot be read: forbidden");
    }
}
