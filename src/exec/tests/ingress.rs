//! The Ingresses in front of argocd-server.

use serde_json::json;

use super::fixtures::{SPEC, ingress, not_seen, object, world};
use super::simulator::{Sim, the_ingress};
use crate::exec::World;

const READ: &str = "nginx.ingress.kubernetes.io/proxy-read-timeout";
const LIST: &str = "nginx.ingress.kubernetes.io/websocket-services";

fn with(class: &str, annotations: &str) -> Sim {
    Sim::new(World { ingresses: Ok(vec![ingress("cd", class, annotations)]), ..world() })
}

fn spec(ingress: &str) -> String {
    format!("{{subjects: [{{kind: Group, name: a}}], applications: [{{project: shop}}], ingress: {ingress}}}")
}

#[test]
fn what_the_controller_needs_is_merged_into_what_is_there() {
    let mut sim = with("f5", "{nginx.org/websocket-services: 'grafana, wiki', nginx.org/proxy-read-timeout: 2h}");
    sim.grant("team", SPEC);
    let now = sim.annotations(&the_ingress());
    assert_eq!(now["nginx.org/websocket-services"], "grafana,wiki,argocd-server");
    assert_eq!(now["nginx.org/proxy-read-timeout"], "2h", "a longer time is left");
    assert_eq!(now["nginx.org/proxy-send-timeout"], "3600s");
    assert_eq!(sim.says("team", "IngressReady").1, "Configured");
    sim.delete("team");
    sim.settle();
    assert_eq!(
        sim.annotations(&the_ingress()),
        [("nginx.org/websocket-services".to_owned(), "grafana, wiki".to_owned()), ("nginx.org/proxy-read-timeout".to_owned(), "2h".to_owned())]
            .into()
    );
}

#[test]
fn of_several_times_the_longest_stands_and_the_next_when_it_goes() {
    let mut sim = Sim::stock();
    let read = |sim: &Sim| sim.annotations(&the_ingress()).get(READ).cloned();
    sim.grant("short", &spec("{timeout: 30m}"));
    sim.grant("long", &spec("{timeout: 2h}"));
    sim.grant("younger", &spec("{timeout: 20m}"));
    assert_eq!(read(&sim).as_deref(), Some("7200"));
    sim.delete("long");
    sim.settle();
    assert_eq!(read(&sim).as_deref(), Some("1800"));
    sim.delete("younger");
    sim.delete("short");
    sim.settle();
    assert_eq!(read(&sim), None);
}

#[test]
fn of_two_values_for_one_annotation_the_older_objects_stands_and_the_other_is_told() {
    let mut sim = Sim::stock();
    let connect = |v: &str| spec(&format!("{{annotations: {{nginx.ingress.kubernetes.io/proxy-connect-timeout: '{v}'}}}}"));
    sim.grant("older", &connect("5"));
    sim.grant("younger", &connect("9"));
    assert_eq!(sim.annotations(&the_ingress())["nginx.ingress.kubernetes.io/proxy-connect-timeout"], "5");
    assert_eq!(sim.says("younger", "IngressReady"), ("False".to_owned(), "Conflict".to_owned()));
    assert!(sim.message("younger", "IngressReady").contains("\"older\""));
    assert_eq!(sim.says("older", "IngressReady").1, "Configured");
}

#[test]
fn an_explicit_list_is_added_to_what_the_controller_needs() {
    let mut sim = with("f5", "{nginx.org/websocket-services: wiki}");
    sim.grant("team", &spec("{annotations: {nginx.org/websocket-services: 'wiki,other'}}"));
    assert_eq!(sim.annotations(&the_ingress())["nginx.org/websocket-services"], "wiki,argocd-server,other");
    assert!(sim.settle().is_empty());
}

#[test]
fn an_unknown_class_is_reported_and_nothing_is_guessed() {
    for class in ["odd", "nowhere"] {
        let mut sim = with(class, "{}");
        sim.grant("team", SPEC);
        assert!(sim.annotations(&the_ingress()).is_empty(), "{class}");
        assert_eq!(sim.says("team", "IngressReady"), ("Unknown".to_owned(), "UnknownIngressClass".to_owned()));
        assert_eq!(sim.says("team", "Ready").0, "True", "a person may come another way");
    }
    let mut sim = with("odd", "{}");
    sim.grant("team", &spec("{annotations: {haproxy.org/timeout-tunnel: 1h}}"));
    assert_eq!(sim.annotations(&the_ingress())["haproxy.org/timeout-tunnel"], "1h", "what is said outright is set");
}

#[test]
fn only_ingresses_of_argocd_server_are_touched() {
    let mut sim = Sim::stock();
    let mut other = serde_json::to_value(ingress("other", "nginx", "{}").as_ref()).unwrap();
    other["spec"]["rules"][0]["http"]["paths"][0]["backend"]["service"]["name"] = json!("wiki");
    sim.world.ingresses.as_mut().unwrap().push(std::sync::Arc::new(serde_json::from_value(other).unwrap()));
    sim.grant("team", SPEC);
    assert_eq!(sim.annotations(&the_ingress()).len(), 5);
    assert!(sim.world.ingresses.as_ref().unwrap()[1].metadata.annotations.as_ref().is_none_or(std::collections::BTreeMap::is_empty));
}

#[test]
fn an_ingress_that_leads_elsewhere_by_now_gets_its_values_back() {
    let mut sim = Sim::stock();
    let before = sim.annotations(&the_ingress());
    sim.grant("team", SPEC);
    let path = json!([{"http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": {"service": {"name": "wiki"}}}]}}]);
    sim.edit("kubectl", &the_ingress(), &json!({"spec": {"rules": path}}));
    sim.settle();
    assert_eq!(sim.annotations(&the_ingress()), before);
    assert_eq!(sim.says("team", "IngressReady").1, "NoIngress");
}

#[test]
fn mode_none_touches_nothing() {
    let mut sim = Sim::stock();
    let before = sim.get(&the_ingress());
    sim.grant("team", &spec("{mode: None}"));
    assert_eq!(sim.get(&the_ingress()), before);
    assert_eq!(sim.says("team", "IngressReady"), ("True".to_owned(), "NotManaged".to_owned()));
}

#[test]
fn a_lost_sight_takes_no_annotation_back() {
    type Blind = fn(&mut World);
    for blind in [
        (|w| w.services = not_seen("services")) as Blind,
        |w| w.ingress_classes = not_seen("ingressclasses"),
        |w| w.deployments = not_seen("deployments"),
    ] {
        let mut sim = Sim::stock();
        sim.grant("team", SPEC);
        let before = sim.annotations(&the_ingress());
        blind(&mut sim.world);
        sim.settle();
        assert_eq!(sim.annotations(&the_ingress()), before);
        assert_eq!(sim.says("team", "IngressReady"), ("Unknown".to_owned(), "NotReadable".to_owned()));
        sim.delete("team");
        sim.settle();
        assert!(!sim.annotations(&the_ingress()).contains_key(LIST), "taking back needs the Ingress only");
    }
}

#[test]
fn keys_that_route_or_inject_are_refused() {
    for (key, value) in [
        ("nginx.ingress.kubernetes.io/configuration-snippet", "x"),
        ("nginx.ingress.kubernetes.io/auth-url", "x"),
        ("nginx.ingress.kubernetes.io/proxy-read-timeout", "1; return 200"),
        ("nginx.ingress.kubernetes.io/proxy-read-timeout", "a\\nb"),
        ("nginx.org/websocket-services", "{a}"),
        ("nginx.org/websocket-services", ""),
    ] {
        let mut sim = Sim::stock();
        sim.grant("team", &spec(&format!("{{annotations: {{{key}: \"{value}\"}}}}")));
        assert_eq!(sim.says("team", "Accepted").1, "Invalid", "{key} {value}");
    }
}

#[test]
fn an_ingress_without_a_class_follows_the_clusters_default() {
    let mut sim = Sim::stock();
    sim.edit("kubectl", &the_ingress(), &json!({"spec": {"ingressClassName": null}}));
    sim.world.ingress_classes.as_mut().unwrap().push(object(
        "{metadata: {name: d, annotations: {ingressclass.kubernetes.io/is-default-class: 'true'}}, spec: {controller: nginx.org/ingress-controller}}",
    ));
    sim.grant("team", SPEC);
    assert_eq!(sim.annotations(&the_ingress())["nginx.org/websocket-services"], "argocd-server");
}
