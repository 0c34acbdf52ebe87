//! What stands in front of argocd-server beside the two nginx: load balancers, HTTPRoutes, paths that carry no terminal.

use std::sync::Arc;

use serde_json::{Value, json};

use super::fixtures::{SPEC, ingress, not_seen, object, server, world};
use super::simulator::{Sim, the_ingress};
use crate::exec::World;
use crate::ingress::aws_alb::ATTRIBUTES;
use crate::ingress::gateway::HTTPRoute;
use crate::ingress::gce::BackendConfig;
use crate::reconcile::{Kind, Target};

fn spec(ingress: &str) -> String {
    format!("{{subjects: [{{kind: Group, name: a}}], applications: [{{project: shop}}], ingress: {ingress}}}")
}

/// An instance whose Ingress has this class, by the old annotation, and these others besides.
fn with(class: &str, annotations: &str) -> Sim {
    let mut sim = Sim::new(World { ingresses: Ok(vec![ingress("cd", "gone", annotations)]), ..world() });
    sim.edit(
        "kubectl",
        &the_ingress(),
        &json!({"metadata": {"annotations": {"kubernetes.io/ingress.class": class}}, "spec": {"ingressClassName": null}}),
    );
    sim
}

fn route(name: &str, controller: &str, rules: &str) -> Arc<HTTPRoute> {
    object(&format!(
        "{{apiVersion: gateway.networking.k8s.io/v1, kind: HTTPRoute, metadata: {{name: {name}, namespace: argocd, uid: u-{name}, resourceVersion: '5'}}, spec: {{rules: {rules}}}, status: {{parents: [{{controllerName: {controller}}}]}}}}"
    ))
}

fn routed(controller: &str, rules: &str) -> Sim {
    Sim::new(World { ingresses: Ok(Vec::new()), http_routes: Ok(vec![route("cd", controller, rules)]), ..world() })
}

fn said(sim: &Sim) -> (String, String) {
    sim.says("team", "IngressReady")
}

fn is(state: &str, reason: &str) -> (String, String) {
    (state.to_owned(), reason.to_owned())
}

const RULES: &str = "[{backendRefs: [{name: argocd-server, port: 80}]}]";

#[test]
fn one_attribute_of_a_load_balancer_is_ours_and_the_others_stay_as_people_change_them() {
    let mut sim = with("alb", &format!("{{{ATTRIBUTES}: 'deletion_protection.enabled=true,idle_timeout.timeout_seconds=60'}}"));
    let before = sim.annotations(&the_ingress());
    let now = |sim: &Sim| sim.annotations(&the_ingress()).get(ATTRIBUTES).cloned().unwrap_or_default();
    sim.grant("team", SPEC);
    assert_eq!(now(&sim), "deletion_protection.enabled=true,idle_timeout.timeout_seconds=3600");
    assert_eq!(said(&sim), is("True", "Configured"));
    sim.edit(
        "terraform",
        &the_ingress(),
        &json!({"metadata": {"annotations": {ATTRIBUTES: "idle_timeout.timeout_seconds=3600,http2.enabled=false"}}}),
    );
    sim.settle();
    sim.delete("team");
    sim.settle();
    assert_eq!(now(&sim), "idle_timeout.timeout_seconds=60,http2.enabled=false");
    sim.edit("kubectl", &the_ingress(), &json!({"metadata": {"annotations": before}}));
    sim.grant("team", &spec("{mode: None}"));
    assert_eq!(sim.annotations(&the_ingress()), before);
}

#[test]
fn an_author_cannot_name_the_attributes_of_a_load_balancer() {
    let mut sim = with("alb", "{}");
    sim.grant("team", &spec(&format!("{{annotations: {{{ATTRIBUTES}: access_logs.s3.enabled=false}}}}")));
    assert_eq!(sim.says("team", "Accepted").1, "Invalid");
    assert!(!sim.annotations(&the_ingress()).contains_key(ATTRIBUTES));
}

#[test]
fn what_needs_nothing_is_said_to_and_stays_as_it_is() {
    for class in ["traefik", "istio"] {
        let mut sim = with(class, "{}");
        let before = sim.get(&the_ingress());
        sim.grant("team", SPEC);
        assert_eq!(said(&sim), is("True", "Configured"), "{class}");
        assert!(sim.message("team", "IngressReady").contains("nothing is set"), "{class}");
        assert_eq!(sim.get(&the_ingress()), before, "{class}");
    }
}

#[test]
fn what_belongs_into_the_controllers_configuration_is_said_and_not_taken_for_certain() {
    let mut sim = with("alb", "{alb.ingress.kubernetes.io/group.name: shared}");
    sim.grant("team", SPEC);
    assert_eq!(said(&sim), is("Unknown", "ControllerConfiguration"));
    assert!(sim.message("team", "IngressReady").contains("idle_timeout.timeout_seconds=3600"));
    assert_eq!(sim.annotations(&the_ingress()).len(), 2, "nothing of ours");
    assert_eq!(sim.says("team", "Ready").0, "True", "terminals open");

    let mut sim = Sim::stock();
    sim.world.ingress_classes.as_mut().unwrap().push(object("{metadata: {name: hap}, spec: {controller: haproxy.org/ingress-controller/hap}}"));
    sim.edit("kubectl", &the_ingress(), &json!({"spec": {"ingressClassName": "hap"}}));
    sim.grant("team", SPEC);
    assert_eq!(said(&sim), is("True", "Configured"));
    sim.grant("team", &spec("{timeout: 8h}"));
    assert_eq!(said(&sim), is("Unknown", "ControllerConfiguration"));
    assert!(sim.message("team", "IngressReady").contains("timeout-tunnel: 28800s"));
}

#[test]
fn a_path_that_carries_no_terminal_is_said_and_its_ingress_is_left_alone() {
    for (path, kind) in [("/api", "Prefix"), ("/", "Exact")] {
        let mut sim = Sim::stock();
        let backend = json!({"service": {"name": "argocd-server", "port": {"number": 80}}});
        sim.edit(
            "kubectl",
            &the_ingress(),
            &json!({"spec": {"rules": [{"http": {"paths": [{"path": path, "pathType": kind, "backend": backend}]}}]}}),
        );
        let before = sim.get(&the_ingress());
        sim.grant("team", SPEC);
        assert_eq!(said(&sim), is("False", "NoTerminalRoute"), "{path}");
        assert!(sim.message("team", "IngressReady").contains("/terminal"), "{path}");
        assert_eq!(sim.says("team", "Ready").1, "NoTerminalRoute");
        assert_eq!(sim.get(&the_ingress()), before, "{path}");
    }
}

#[test]
fn the_base_path_of_argocd_server_moves_the_terminal() {
    let mut sim = Sim::new(World { deployments: Ok(vec![server("argocd-server", "env: [{name: ARGOCD_SERVER_ROOTPATH, value: /cd}]")]), ..world() });
    let rules = |path: &str| {
        let backend = json!({"service": {"name": "argocd-server", "port": {"number": 80}}});
        json!({"spec": {"rules": [{"http": {"paths": [{"path": path, "pathType": "Prefix", "backend": backend}]}}]}})
    };
    sim.edit("kubectl", &the_ingress(), &rules("/terminal"));
    sim.grant("team", SPEC);
    assert_eq!(said(&sim), is("False", "NoTerminalRoute"));
    assert!(sim.message("team", "IngressReady").contains("/cd/terminal"));
    sim.edit("kubectl", &the_ingress(), &rules("/cd"));
    sim.settle();
    assert_eq!(said(&sim), is("True", "Configured"));
    // Once it leads elsewhere again, what was set comes out.
    sim.edit("kubectl", &the_ingress(), &rules("/terminal"));
    sim.settle();
    assert_eq!(sim.annotations(&the_ingress()).len(), 1);
}

#[test]
fn an_ingress_for_grpc_is_left_alone_and_is_no_obstacle_beside_another() {
    let mut sim = with("nginx", "{nginx.ingress.kubernetes.io/backend-protocol: GRPC}");
    let before = sim.get(&the_ingress());
    sim.grant("team", SPEC);
    assert_eq!(said(&sim), is("False", "GrpcOnly"));
    assert_eq!(sim.get(&the_ingress()), before);
    sim.world.ingresses.as_mut().unwrap().push(ingress("web", "nginx", "{}"));
    sim.settle();
    assert_eq!(said(&sim), is("True", "Configured"));
    assert_eq!(sim.get(&the_ingress()), before);
    let told = sim.status("team").ingresses;
    assert!(told[0].message.contains("gRPC") && told[1].message.is_empty(), "{told:?}");
}

fn config(name: &str, spec: &str) -> Arc<BackendConfig> {
    object(&format!(
        "{{apiVersion: cloud.google.com/v1, kind: BackendConfig, metadata: {{name: {name}, namespace: argocd, uid: u-{name}, resourceVersion: '6', managedFields: [{{manager: kubectl, operation: Update, fieldsV1: {{'f:metadata': {{'f:labels': {{'f:app': {{}}}}}}}}}}], labels: {{app: cd}}}}, spec: {spec}}}"
    ))
}

fn target(name: &str) -> Target {
    Target::namespaced(Kind::BackendConfig, "argocd", name)
}

fn gke(annotation: Option<&str>, configs: Vec<Arc<BackendConfig>>) -> Sim {
    let mut sim = with("gce", "{}");
    let mut service = serde_json::to_value(sim.world.services.as_ref().unwrap()[0].as_ref()).unwrap();
    service["metadata"]["annotations"] = json!({"cloud.google.com/backend-config": annotation});
    service["metadata"]["annotations"].as_object_mut().unwrap().retain(|_, v| !v.is_null());
    sim.world.services = Ok(vec![Arc::new(serde_json::from_value(service).unwrap())]);
    sim.world.backend_configs = Ok(configs);
    sim
}

fn timeout(sim: &Sim, name: &str) -> Value {
    sim.get(&target(name)).unwrap()["spec"]["timeoutSec"].clone()
}

const NAMED: Option<&str> = Some("{\"default\": \"cd\"}");

#[test]
fn the_backend_config_that_counts_gets_the_time_and_gives_it_back() {
    for (there, after) in [("{timeoutSec: 30}", json!(30)), ("{}", Value::Null)] {
        let mut sim = gke(NAMED, vec![config("cd", there), config("other", "{timeoutSec: 5}")]);
        let (before, other) = (sim.shared(), sim.get(&target("other")));
        sim.grant("team", SPEC);
        assert_eq!(timeout(&sim, "cd"), json!(3600), "a number, not a text");
        assert_eq!(sim.get(&target("other")), other);
        assert_eq!(said(&sim), is("True", "Configured"));
        assert_eq!(sim.status("team").ingresses[0].annotations, ["BackendConfig cd: spec.timeoutSec"]);
        sim.grant("long", &spec("{timeout: 2h}"));
        assert_eq!(timeout(&sim, "cd"), json!(7200));
        sim.delete("long");
        sim.settle();
        assert_eq!(timeout(&sim, "cd"), json!(3600));
        sim.delete("team");
        sim.settle();
        assert_eq!(timeout(&sim, "cd"), after);
        assert_eq!(sim.shared(), before);
    }
}

#[test]
fn a_longer_time_of_a_person_is_left_and_never_claimed() {
    let mut sim = gke(NAMED, vec![config("cd", "{timeoutSec: 7200}")]);
    let before = sim.get(&target("cd"));
    sim.grant("team", SPEC);
    assert_eq!(sim.get(&target("cd")), before);
    assert_eq!(said(&sim), is("True", "Configured"));
}

#[test]
fn without_a_backend_config_it_is_said_what_to_create_and_nothing_is() {
    for (annotation, says) in
        [(None, "annotate service argocd-server"), (NAMED, "\"name\":\"cd\""), (Some("nonsense"), "annotate service argocd-server")]
    {
        let mut sim = gke(annotation, Vec::new());
        let shared = sim.shared().keys().cloned().collect::<Vec<_>>();
        sim.grant("team", SPEC);
        assert_eq!(said(&sim), is("False", "ControllerConfiguration"), "{annotation:?}");
        let message = sim.message("team", "IngressReady");
        assert!(message.contains(says) && message.contains("\"timeoutSec\":3600"), "{message}");
        assert!(sim.shared().keys().all(|k| shared.contains(k) || k.contains("RoleBinding")));
    }
}

#[test]
fn an_operator_that_may_not_write_backend_configs_says_the_command() {
    let mut sim = gke(NAMED, vec![config("cd", "{timeoutSec: 40}")]);
    sim.world.settings.write_backend_configs = false;
    sim.grant("team", SPEC);
    assert_eq!(timeout(&sim, "cd"), json!(40));
    let message = sim.message("team", "IngressReady");
    assert!(
        message.contains("after 40 s") && message.contains("patch backendconfig cd --type merge -p '{\"spec\":{\"timeoutSec\":3600}}'"),
        "{message}"
    );
    sim.edit("kubectl", &target("cd"), &json!({"spec": {"timeoutSec": 3600}}));
    sim.settle();
    assert_eq!(said(&sim), is("True", "Configured"));
}

#[test]
fn a_backend_config_from_git_or_helm_is_its_owners_as_argocd_cm_is() {
    let kept = |annotation: &str, manager: &str, operation: &str| {
        let mut sim = gke(NAMED, Vec::new());
        sim.world.backend_configs = Ok(vec![object(&format!(
            "{{apiVersion: cloud.google.com/v1, kind: BackendConfig, metadata: {{name: cd, namespace: argocd, uid: u-cd, resourceVersion: '6', annotations: {{{annotation}}}, managedFields: [{{manager: {manager}, operation: {operation}, fieldsV1: {{'f:spec': {{'f:timeoutSec': {{}}}}}}}}]}}, spec: {{timeoutSec: 40}}}}"
        ))]);
        sim.grant("team", SPEC);
        sim
    };
    let sim = kept("argocd.argoproj.io/tracking-id: 'gitops:cloud.google.com/BackendConfig:argocd/cd'", "argocd-controller", "Apply");
    assert_eq!((timeout(&sim, "cd"), said(&sim)), (json!(40), is("False", "OwnedByOther")));
    assert!(sim.message("team", "IngressReady").contains("in Git, set spec.timeoutSec of BackendConfig cd to 3600"));

    let mut sim = kept("meta.helm.sh/release-name: cd", "helm", "Update");
    assert_eq!((timeout(&sim, "cd"), said(&sim)), (json!(3600), is("True", "Configured")));
    assert!(sim.message("team", "IngressReady").contains("server.ingress.gke.backendConfig.timeoutSec: 3600"));
    sim.delete("team");
    sim.settle();
    assert_eq!(timeout(&sim, "cd"), json!(40));
}

#[test]
fn a_backend_config_that_no_longer_counts_gets_its_time_back() {
    let mut sim = gke(NAMED, vec![config("cd", "{timeoutSec: 30}"), config("new", "{}")]);
    sim.grant("team", SPEC);
    let mut service = serde_json::to_value(sim.world.services.as_ref().unwrap()[0].as_ref()).unwrap();
    service["metadata"]["annotations"]["cloud.google.com/backend-config"] = json!("{\"default\": \"new\"}");
    sim.world.services = Ok(vec![Arc::new(serde_json::from_value(service).unwrap())]);
    sim.settle();
    assert_eq!((timeout(&sim, "cd"), timeout(&sim, "new")), (json!(30), json!(3600)));
}

#[test]
fn a_memory_made_up_by_somebody_puts_no_text_into_a_number() {
    let mut sim = gke(NAMED, vec![config("cd", "{timeoutSec: 30}")]);
    sim.grant("team", SPEC);
    let forged = crate::ownership::Before {
        fields: [("spec/timeoutSec".to_owned(), serde_json::from_value(json!({"before": "evil", "ours": "3600", "at": ""})).unwrap())].into(),
    };
    let text = forged.write("u-cd").unwrap();
    sim.edit("kubectl", &target("cd"), &json!({"metadata": {"annotations": {crate::ownership::before::ANNOTATION: text}}}));
    sim.delete("team");
    sim.settle();
    assert_eq!(timeout(&sim, "cd"), Value::Null);
}

#[test]
fn an_object_waits_for_a_backend_config_that_cannot_be_seen() {
    let mut sim = gke(NAMED, vec![config("cd", "{timeoutSec: 30}")]);
    sim.grant("team", SPEC);
    let there = std::mem::replace(&mut sim.world.backend_configs, not_seen("backendconfigs"));
    sim.settle();
    assert_eq!(said(&sim), is("Unknown", "NotReadable"));
    sim.delete("team");
    sim.settle();
    assert!(sim.message("team", "Active").contains("BackendConfig"), "it is still held");
    sim.world.backend_configs = there;
    sim.settle();
    assert_eq!(timeout(&sim, "cd"), json!(30));
    assert!(sim.world.accesses.is_empty());
}

#[test]
fn a_route_through_a_known_gateway_is_fine_and_never_written() {
    let mut sim = routed("gateway.envoyproxy.io/gatewayclass-controller", RULES);
    sim.grant("team", SPEC);
    assert_eq!(said(&sim), is("True", "Configured"));
    let told = &sim.status("team").ingresses[0];
    assert_eq!(
        (told.name.as_str(), told.kind.as_str(), told.controller.as_str()),
        ("cd", "HTTPRoute", "gateway.envoyproxy.io/gatewayclass-controller")
    );
}

#[test]
fn a_time_out_of_a_route_is_reported_with_the_command_that_mends_it() {
    let mut sim = routed("istio.io/gateway-controller", "[{backendRefs: [{name: argocd-server, port: 80}], timeouts: {request: 30s}}]");
    sim.grant("team", SPEC);
    assert_eq!(said(&sim), is("Unknown", "ControllerConfiguration"));
    let message = sim.message("team", "IngressReady");
    assert!(message.contains("timeouts.request 30s") && message.contains("kubectl -n argocd patch httproute cd --type json"), "{message}");
}

#[test]
fn of_other_gateways_it_is_said_what_is_not_known() {
    for (controller, rules, expected) in [
        ("example.com/x", RULES, is("Unknown", "UnknownIngressClass")),
        ("networking.gke.io/gateway", RULES, is("Unknown", "ControllerConfiguration")),
        ("istio.io/gateway-controller", "[{matches: [{path: {value: /api}}], backendRefs: [{name: argocd-server}]}]", is("False", "NoTerminalRoute")),
    ] {
        let mut sim = routed(controller, rules);
        sim.grant("team", SPEC);
        assert_eq!(said(&sim), expected, "{controller}");
    }
    let mut sim = routed("x", RULES);
    Arc::make_mut(&mut sim.world.http_routes.as_mut().unwrap()[0]).status = None;
    sim.grant("team", SPEC);
    assert!(sim.status("team").ingresses[0].message.contains("no Gateway"));
}

#[test]
fn routes_that_cannot_be_seen_matter_only_where_there_is_no_ingress() {
    let mut sim = Sim::new(World { http_routes: not_seen("httproutes"), ..world() });
    sim.grant("team", SPEC);
    assert_eq!(said(&sim), is("True", "Configured"));
    let mut sim = Sim::new(World { http_routes: not_seen("httproutes"), ingresses: Ok(Vec::new()), ..world() });
    sim.grant("team", SPEC);
    assert_eq!(said(&sim), is("Unknown", "NotReadable"));
}
