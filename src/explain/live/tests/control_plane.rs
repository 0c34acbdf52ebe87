//! The links of the control plane.

use std::sync::Arc;

use k8s_openapi::api::core::v1::ConfigMap;
use serde_json::json;

use super::fixtures::{id, walk};
use crate::config::InstanceConfig;
use crate::explain::live::observed::{Accesses, Hub};
use crate::explain::{Explanation, Link, Name, State};
use crate::live::principal::World;
use crate::live::tests::fixtures::application;

const PRINCIPAL: &str = "{metadata: {name: argocd-agent-principal, labels: {app.kubernetes.io/part-of: argocd-agent, app.kubernetes.io/component: principal}}, spec: {selector: {}, template: {metadata: {labels: {app: principal}}, spec: {containers: [{name: p, image: 'r/argocd-agent:v0.9.0', args: [principal, --listen-host=0.0.0.0, --redis-tls-enabled=false, '--redis-server-address=argocd-redis:6379']}]}}}}";
const SERVER: &str = "{metadata: {name: argocd-server, labels: {app.kubernetes.io/name: argocd-server, app.kubernetes.io/part-of: argocd, app.kubernetes.io/component: server}}, spec: {selector: {}, template: {metadata: {labels: {app.kubernetes.io/name: argocd-server}}, spec: {containers: [{name: argocd-server, image: 'r/argocd:v3.4.0', args: [/usr/local/bin/argocd-server], env: [{name: REDIS_SERVER, valueFrom: {configMapKeyRef: {name: argocd-cmd-params-cm, key: redis.server, optional: true}}}]}]}}}}";
const PROXIES: [&str; 2] = [
    "{metadata: {name: argocd-agent-redis-proxy, namespace: argocd}, spec: {selector: {app: principal}, ports: [{port: 6379}]}}",
    "{metadata: {name: argocd-agent-resource-proxy, namespace: argocd}, spec: {selector: {app: principal}, ports: [{port: 9090}]}}",
];
const CLOSED: &str = "{metadata: {name: closed, namespace: argocd}, spec: {podSelector: {matchLabels: {app: principal}}, policyTypes: [Ingress], ingress: [{ports: [{port: 6379}]}]}}";

fn read<T: serde::de::DeserializeOwned>(text: &str) -> Arc<T> {
    Arc::new(serde_yaml::from_str(text).unwrap())
}

fn params(redis: Option<&str>) -> Arc<ConfigMap> {
    let data = redis.map_or_else(|| json!({}), |redis| json!({"redis.server": redis}));
    Arc::new(
        serde_json::from_value(
            json!({"metadata": {"name": "argocd-cmd-params-cm", "namespace": "argocd", "resourceVersion": "1", "uid": "u"}, "data": data}),
        )
        .unwrap(),
    )
}

/// A control plane in which nothing is set, but for what is changed.
fn hub(change: impl Fn(&mut World), destination: &str) -> Explanation {
    walk("apps/Deployment/web", "View", &[], |_, o| {
        let mut app = application("web", "shop", &[]).as_ref().clone();
        app.spec.destination.name = Some(destination.to_owned());
        let mut world = World {
            params_cm: Ok(Some(params(None))),
            deployments: Ok(vec![read(PRINCIPAL), read(SERVER)]),
            services: Ok(PROXIES.map(read).to_vec()),
            ..World::empty(InstanceConfig::of("argocd"))
        };
        change(&mut world);
        (o.deployments, o.application) = (world.deployments.clone(), Ok(Some(app.into())));
        o.accesses = Ok(Accesses::Some(Vec::new(), Vec::new()));
        o.hub = Some(Hub { world, at: "2026-06-01T12:00:00Z".parse().unwrap() });
    })
}

fn of(explanation: &Explanation, name: Name) -> &Link {
    explanation.links.iter().find(|link| link.name == name).unwrap()
}

#[test]
fn its_links_are_those_of_the_control_plane_and_the_destination_that_is_itself_is_found() {
    let explanation = hub(|_| {}, "in-cluster");
    assert_eq!(explanation.links.iter().map(|l| l.name).collect::<Vec<_>>(), Name::CONTROL_PLANE);
    assert_eq!(id(of(&explanation, Name::Application)), "live-destination-here");
    assert_eq!(of(&hub(|_| {}, "prod-eu"), Name::Application).state, State::Open);
}

#[test]
fn a_redis_that_is_not_the_proxy_is_named_and_an_object_mends_it() {
    let explanation = hub(|_| {}, "prod-eu");
    assert_eq!(of(&explanation, Name::Principal).state, State::Open, "{explanation:#?}");
    let link = explanation.broken().unwrap();
    assert_eq!((link.name, id(link), link.state), (Name::Redis, "live-redis-elsewhere", State::Closed), "{link:?}");
    let commands = &link.fix.as_ref().unwrap().commands;
    assert!(commands[0].contains("\"side\":\"Principal\"") && commands[0].contains("create -f -"), "{commands:?}");
    // A Service that is missing is not mended by an object.
    let missing = hub(|world| world.services = Ok(vec![read(PROXIES[1])]), "prod-eu");
    let link = of(&missing, Name::Redis);
    assert!(
        link.state != State::Open && link.fix.as_ref().unwrap().commands.is_empty() && link.fact.contains("argocd-agent-redis-proxy"),
        "{link:?}"
    );
}

#[test]
fn a_principal_that_is_not_there_or_listens_to_itself_only_is_said_first() {
    let loopback = PRINCIPAL.replace("0.0.0.0", "127.0.0.1");
    let explanation = hub(|world| world.deployments = Ok(vec![read(&loopback), read(SERVER)]), "prod-eu");
    let link = explanation.broken().unwrap();
    assert_eq!((link.name, id(link)), (Name::Principal, "live-principal-unfit"));
    assert!(of(&explanation, Name::Redis).fix.as_ref().unwrap().commands.is_empty(), "nothing is led to a principal that is not as it must be");
}

#[test]
fn policies_that_keep_argocd_server_out_are_found() {
    let explanation = hub(|world| world.network_policies = Ok(vec![read(CLOSED)]), "prod-eu");
    let link = of(&explanation, Name::Network);
    assert_eq!((id(link), link.state), ("live-network-closed", State::Closed), "{link:?}");
    assert_eq!(of(&hub(|_| {}, "prod-eu"), Name::Network).state, State::Open);
}

#[test]
fn what_may_not_be_read_is_not_told() {
    let unseen = |world: &mut World| world.params_cm = Err(crate::reconcile::NotSeen { kind: "configmaps", why: "forbidden".to_owned() });
    let explanation = hub(unseen, "prod-eu");
    assert_eq!((id(of(&explanation, Name::Redis)), of(&explanation, Name::Redis).state), ("not-readable", State::Unknown));
    assert_eq!(of(&explanation, Name::Network).state, State::Open, "the rest is judged");
}
