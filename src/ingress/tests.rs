//! Which controller serves an Ingress, and what each needs.

use super::*;
use routes::Backend;

fn ingress(metadata: &str, spec: &serde_json::Value) -> Ingress {
    let metadata: serde_json::Value = serde_yaml::from_str(metadata).unwrap();
    serde_json::from_value(serde_json::json!({"metadata": metadata, "spec": spec})).unwrap()
}

fn class(name: &str, controller: &str) -> IngressClass {
    serde_json::from_value(serde_json::json!({"metadata": {"name": name}, "spec": {"controller": controller}})).unwrap()
}

fn served(name: &str, classes: &[IngressClass]) -> Option<Controller> {
    match served_by(&ingress("{name: cd}", &serde_json::json!({"ingressClassName": name})), classes, None) {
        Served::By(controller, _) => Some(controller),
        Served::Unknown(_) => None,
    }
}

fn annotated(name: &str, kubernetes: Option<&str>) -> Served {
    let metadata =
        if name.is_empty() { "{name: cd}".to_owned() } else { format!("{{name: cd, annotations: {{kubernetes.io/ingress.class: {name}}}}}") };
    served_by(&ingress(&metadata, &serde_json::json!({})), &[], kubernetes)
}

#[test]
fn the_controller_counts_not_the_name_of_the_class() {
    let classes = [class("nginx", "nginx.org/ingress-controller"), class("public", "k8s.io/ingress-nginx")];
    assert_eq!(served("nginx", &classes), Some(Controller::F5Nginx));
    assert_eq!(served("public", &classes), Some(Controller::IngressNginx));
    assert_eq!(served("none", &classes), None);
}

#[test]
fn every_controller_is_found_by_its_name_and_no_two_share_one() {
    for controller in Controller::ALL {
        for name in controller.profile().controllers {
            let name = if name.ends_with('/') { format!("{name}further") } else { (*name).to_owned() };
            assert_eq!(served("c", &[class("c", &name)]), Some(controller), "{name}");
        }
    }
    assert_eq!(served("c", &[class("c", "k8s.io/ingress-nginxx")]), None, "a name is not the beginning of another");
}

#[test]
fn without_a_class_object_the_old_annotation_counts_where_it_is_plain() {
    for (name, expected) in [
        ("nginx", Some(Controller::IngressNginx)),
        ("alb", Some(Controller::AwsAlb)),
        ("traefik", Some(Controller::Traefik)),
        ("contour", Some(Controller::Contour)),
        ("gce-internal", Some(Controller::Gce)),
        ("azure/application-gateway", Some(Controller::Agic)),
        ("istio", Some(Controller::Istio)),
        ("haproxy", None),
        ("odd", None),
    ] {
        let found = annotated(name, None);
        assert_eq!(matches!(found, Served::By(_, _)), expected.is_some(), "{name}");
        if let (Served::By(controller, _), Some(expected)) = (&found, expected) {
            assert_eq!(*controller, expected, "{name}");
        }
    }
    let Served::Unknown(why) = annotated("haproxy", None) else { panic!() };
    assert!(why.contains("haproxytech") && why.contains("jcmoraisjr"), "{why}");
}

#[test]
fn an_ingress_without_any_class_is_gkes_own_on_gke_only() {
    assert!(matches!(annotated("", Some("v1.31.5-gke.1023000")), Served::By(Controller::Gce, _)));
    assert!(matches!(annotated("", Some("v1.31.5-eks-1")), Served::Unknown(_)));
    assert!(matches!(annotated("", None), Served::Unknown(_)));
}

fn needs(controller: Controller, annotations: &str, seconds: u64) -> Needs {
    let annotations = serde_yaml::from_str(annotations).unwrap();
    (controller.profile().needs)(&Ask { annotations: Some(&annotations), service: "argocd-server", path: "/cd", seconds })
}

/// The annotations that are set, in short.
fn set(controller: Controller, annotations: &str, seconds: u64) -> Vec<String> {
    let short = |r: &Requirement| format!("{}={}", r.key.rsplit('/').next().unwrap(), r.want.shown());
    needs(controller, annotations, seconds).annotations.iter().map(short).collect()
}

#[test]
fn each_controller_gets_what_it_needs_and_no_more() {
    let time = |t: &str| vec![format!("proxy-read-timeout={t}"), format!("proxy-send-timeout={t}"), "websocket-services=argocd-server".to_owned()];
    assert_eq!(set(Controller::IngressNginx, "{}", 60), time("60"));
    assert_eq!(set(Controller::F5Nginx, "{}", 60), time("60s"));
    assert_eq!(set(Controller::AwsAlb, "{}", 60), ["load-balancer-attributes=idle_timeout.timeout_seconds=60"]);
    assert_eq!(set(Controller::AwsAlb, "{}", 86_400), ["load-balancer-attributes=idle_timeout.timeout_seconds=4000"], "AWS allows no more");
    assert_eq!(set(Controller::HaproxyIngress, "{}", 60), ["timeout-tunnel=60s"]);
    assert_eq!(set(Controller::Contour, "{}", 60), ["websocket-routes=/cd"]);
    assert_eq!(set(Controller::Agic, "{}", 60), ["request-timeout=60"]);
    for nothing in [Controller::Traefik, Controller::Istio] {
        assert_eq!(needs(nothing, "{}", 86_400), Needs::default());
    }
    assert!(needs(Controller::Gce, "{}", 60).backend_config);
}

#[test]
fn what_belongs_to_more_than_this_ingress_is_left_to_people() {
    assert_eq!(needs(Controller::HaproxyTech, "{}", 3600), Needs::default(), "the controller's own default is enough");
    let long = needs(Controller::HaproxyTech, "{}", 7200);
    assert!(long.annotations.is_empty() && long.by_people.unwrap().contains("timeout-tunnel: 7200s"));
    let group = "alb.ingress.kubernetes.io/group.name: shared";
    let grouped = needs(Controller::AwsAlb, &format!("{{{group}}}"), 60);
    assert!(grouped.annotations.is_empty() && grouped.by_people.unwrap().contains("idle_timeout.timeout_seconds=60"));
    let enough = format!("{{{group}, {}: idle_timeout.timeout_seconds=600}}", aws_alb::ATTRIBUTES);
    assert_eq!(needs(Controller::AwsAlb, &enough, 60), Needs::default());
}

#[test]
fn whatever_a_controller_gets_is_an_annotation_that_can_be_given_back() {
    for controller in Controller::ALL {
        for requirement in needs(controller, "{}", 60).annotations {
            assert!(ours().any(|key| key == requirement.key), "{}", requirement.key);
        }
    }
}

#[test]
fn a_backend_for_grpc_is_told_by_what_its_controller_goes_by() {
    let grpc = |controller: Controller, ingress: &str, service: &str, port: &str| {
        let annotations: BTreeMap<String, String> = serde_yaml::from_str(ingress).unwrap();
        let yaml =
            format!("{{metadata: {{name: s, annotations: {service}}}, spec: {{ports: [{{name: https, port: 443}}, {{name: grpc-web, port: 9}}]}}}}");
        let object = serde_yaml::from_str(&yaml).unwrap();
        let port = serde_yaml::from_str(port).unwrap();
        let backend = Backend { annotations: Some(&annotations), service: "s", port: Some(&port), object: Some(&object) };
        (controller.profile().grpc)(&backend)
    };
    let number = "{number: 443}";
    for (controller, ingress, service, port, expected) in [
        (Controller::IngressNginx, "{nginx.ingress.kubernetes.io/backend-protocol: GRPCS}", "{}", number, true),
        (Controller::IngressNginx, "{nginx.ingress.kubernetes.io/backend-protocol: HTTPS}", "{}", number, false),
        (Controller::F5Nginx, "{nginx.org/grpc-services: 'a, s'}", "{}", number, true),
        (Controller::F5Nginx, "{nginx.org/grpc-services: a}", "{}", number, false),
        (Controller::AwsAlb, "{}", "{alb.ingress.kubernetes.io/backend-protocol-version: GRPC}", number, true),
        (
            Controller::AwsAlb,
            "{alb.ingress.kubernetes.io/backend-protocol-version: GRPC}",
            "{alb.ingress.kubernetes.io/backend-protocol-version: HTTP1}",
            number,
            false,
        ),
        (Controller::Traefik, "{}", "{traefik.ingress.kubernetes.io/service.serversscheme: h2c}", number, true),
        (Controller::HaproxyTech, "{haproxy.org/server-proto: h2}", "{}", number, true),
        (Controller::HaproxyIngress, "{haproxy-ingress.github.io/backend-protocol: grpcs}", "{}", number, true),
        (Controller::Contour, "{}", "{projectcontour.io/upstream-protocol.h2c: 'https,80'}", number, true),
        (Controller::Contour, "{}", "{projectcontour.io/upstream-protocol.h2c: '80'}", number, false),
        (Controller::Gce, "{}", "{cloud.google.com/app-protocols: '{\"https\":\"HTTP2\"}'}", number, true),
        (Controller::Gce, "{}", "{cloud.google.com/app-protocols: '{\"https\":\"HTTPS\"}'}", number, false),
        (Controller::Istio, "{}", "{}", "{number: 9}", true),
        (Controller::Istio, "{}", "{}", number, false),
        (Controller::Agic, "{}", "{}", number, false),
    ] {
        assert_eq!(grpc(controller, ingress, service, port), expected, "{controller:?} {ingress} {service}");
    }
}
