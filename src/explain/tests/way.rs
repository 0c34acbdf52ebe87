//! The way to argocd-server.

use super::fixtures::{id, ingress, link, not_seen, object, patch, run};
use crate::explain::{Link, Name, State};

fn by(class: &str, annotations: &str) -> Link {
    link(Name::Way, |_, o| o.world.ingresses = Ok(vec![ingress("cd", class, annotations)]))
}

#[test]
fn an_annotation_without_which_no_websocket_passes_closes_the_way() {
    assert_eq!(by("nginx", "{}").state, State::Open, "the community's nginx needs none");
    let link = by("f5", "{}");
    assert_eq!(id(&link), "way-annotation");
    let words = run(&link.fix.unwrap().commands[0]).remove(0);
    assert_eq!(words, ["-n", "argocd", "annotate", "ingress", "cd", "nginx.org/websocket-services=argocd-server", "--overwrite"]);
    assert_eq!(by("f5", "{nginx.org/websocket-services: argocd-server}").state, State::Open);
}

#[test]
fn a_time_out_that_stands_there_and_is_shorter_than_the_pings_cuts() {
    let short = by("nginx", "{nginx.ingress.kubernetes.io/proxy-read-timeout: '3'}");
    assert_eq!(id(&short), "way-cut");
    assert!(short.fix.unwrap().commands[0].contains("'nginx.ingress.kubernetes.io/proxy-read-timeout=3600'"));
    assert_eq!(by("nginx", "{nginx.ingress.kubernetes.io/proxy-read-timeout: '60'}").state, State::Open);
}

#[test]
fn one_way_is_enough_and_none_is_unknown() {
    let both = link(Name::Way, |_, o| o.world.ingresses = Ok(vec![ingress("a", "f5", "{}"), ingress("b", "nginx", "{}")]));
    assert_eq!(both.state, State::Open);
    assert_eq!(id(&by("odd", "{}")), "way-unknown");
    assert_eq!(id(&link(Name::Way, |_, o| o.world.ingresses = Ok(Vec::new()))), "way-none");
    assert_eq!(id(&link(Name::Way, |_, o| o.world.ingresses = not_seen("ingresses"))), "not-readable");
    let balanced = link(Name::Way, |_, o| {
        o.world.ingresses = Ok(Vec::new());
        o.world.services =
            Ok(vec![object("{metadata: {name: argocd-server}, spec: {type: LoadBalancer, selector: {app.kubernetes.io/name: argocd-server}}}")]);
    });
    assert_eq!(balanced.state, State::Open);
}

#[test]
fn a_path_that_does_not_carry_the_terminal_gets_one_more_to_the_same_service() {
    let link = link(Name::Way, |_, o| {
        o.world.ingresses = Ok(vec![object(
            "{metadata: {name: cd, namespace: argocd, resourceVersion: '7'}, spec: {ingressClassName: nginx, rules: [{http: {paths: [{path: /api, pathType: Prefix, backend: {service: {name: argocd-server, port: {number: 80}}}}]}}]}}",
        )]);
    });
    assert_eq!(id(&link), "way-no-terminal-path");
    let backend = serde_json::json!({"service": {"name": "argocd-server", "port": {"number": 80}}});
    assert_eq!(
        patch(&link),
        serde_json::json!([
            {"op": "test", "path": "/metadata/resourceVersion", "value": "7"},
            {"op": "add", "path": "/spec/rules/0/http/paths/0", "value": {"path": "/terminal", "pathType": "Exact", "backend": backend}},
        ])
    );
}
