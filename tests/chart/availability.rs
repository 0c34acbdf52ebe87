//! Where the pods run beside each other, who reaches them, where they go, and who scrapes them.

use serde_json::{Value, json};

use crate::{
    install::RELEASE,
    rendering::{Rendered, elements, helm, name, refusal, render, render_release},
    support::{ControlPlane, Kubernetes, manifests, tools},
};

const TWO_OF_BOTH: &str = "replicas=2,clusterAccess.enabled=true,clusterAccess.replicas=2";
const LIMITED: &str = "networkPolicy.enabled=true,networkPolicy.egress.enabled=true,networkPolicy.egress.apiServer[0].ipBlock.cidr=10.0.0.1/32";

/// The object of this kind for one of the two processes.
fn of<'a>(rendered: &'a Rendered, kind: &str, component: &str) -> &'a Value {
    let is = |object: &&Value| object["metadata"]["labels"]["app.kubernetes.io/component"] == component;
    rendered.of_kind(kind).find(is).unwrap_or_else(|| panic!("no {kind} of {component}"))
}

/// The labels of the pods of the Deployments and Jobs and of `helm test`, by their component.
fn pods(rendered: &Rendered) -> Vec<(&str, &Value)> {
    let labels = rendered.pods().into_iter().map(|pod| &pod["metadata"]["labels"]);
    labels.map(|labels| (labels["app.kubernetes.io/component"].as_str().expect("a component"), labels)).collect()
}

fn matches(selector: &Value, labels: &Value) -> bool {
    let all = selector["matchLabels"].as_object().into_iter().flatten().all(|(key, value)| labels[key] == *value);
    let within = |expression: &Value| {
        assert_eq!(expression["operator"], "In");
        elements(&expression["values"]).contains(&labels[expression["key"].as_str().expect("a key")])
    };
    all && elements(&selector["matchExpressions"]).iter().all(within)
}

/// Which pods a selector means.
fn selected<'a>(rendered: &'a Rendered, selector: &Value) -> Vec<&'a str> {
    pods(rendered).into_iter().filter(|(_component, labels)| matches(selector, labels)).map(|(component, _labels)| component).collect()
}

#[test]
fn a_drained_node_leaves_one_of_several_and_a_single_one_does_not_keep_it_from_being_drained() {
    let rendered = render(&[TWO_OF_BOTH]);
    for component in ["operator", "clusters"] {
        let spec = &of(&rendered, "PodDisruptionBudget", component)["spec"];
        assert_eq!(spec["minAvailable"], 1);
        assert_eq!(selected(&rendered, &spec["selector"]), [component]);
    }
    let budgets = |settings: &[&str]| render(settings).of_kind("PodDisruptionBudget").count();
    assert_eq!(budgets(&["clusterAccess.enabled=true"]), 0);
    assert_eq!(budgets(&["clusterAccess.enabled=true,replicas=2"]), 1);
    assert_eq!(budgets(&["clusterAccess.enabled=true,clusterAccess.replicas=2"]), 1);
    assert_eq!(budgets(&[TWO_OF_BOTH, "podDisruptionBudget.enabled=false"]), 0);
}

#[test]
fn several_pods_of_a_process_are_spread_over_the_nodes_where_that_can_be() {
    let rendered = render(&[TWO_OF_BOTH]);
    for component in ["operator", "clusters"] {
        let spread = &rendered.deployment(component)["spec"]["template"]["spec"]["topologySpreadConstraints"];
        assert_eq!(elements(spread).len(), 1);
        assert_eq!((&spread[0]["topologyKey"], &spread[0]["whenUnsatisfiable"]), (&json!("kubernetes.io/hostname"), &json!("ScheduleAnyway")));
        assert_eq!(selected(&rendered, &spread[0]["labelSelector"]), [component]);
    }
    assert!(!render(&["clusterAccess.enabled=true"]).text.contains("topologySpreadConstraints"), "a single pod has nobody to be apart from");
    let jobs = rendered.of_kind("Job").filter(|job| job["spec"]["template"]["spec"].get("topologySpreadConstraints").is_some());
    assert_eq!(jobs.count(), 0);
}

#[test]
fn a_spread_of_ones_own_replaces_the_default_and_means_the_same_pods() {
    let zone = "topologySpreadConstraints[0].maxSkew=1,topologySpreadConstraints[0].topologyKey=zone,topologySpreadConstraints[0].whenUnsatisfiable=DoNotSchedule";
    let rendered = render(&[TWO_OF_BOTH, zone]);
    for component in ["operator", "clusters"] {
        let spread = elements(&rendered.deployment(component)["spec"]["template"]["spec"]["topologySpreadConstraints"]);
        assert_eq!((spread.len(), &spread[0]["topologyKey"]), (1, &json!("zone")));
        assert_eq!(selected(&rendered, &spread[0]["labelSelector"]), [component]);
    }
    let chart = crate::rendering::chart();
    let none = helm(&["template", "x", &chart, "--set", "replicas=2", "--set-json", "topologySpreadConstraints=[]"]).expect("an empty list");
    assert!(!none.contains("topologySpreadConstraints"), "{none}");
    assert!(refusal(&["topologySpreadConstraints[0].topologyKey=zone"]).contains("at '/topologySpreadConstraints/0'"));
    let message = refusal(&[zone, "topologySpreadConstraints[0].labelSelector.matchLabels.a=b"]);
    assert!(message.contains("'labelSelector' not allowed"), "{message}");
}

#[test]
fn where_the_network_is_limited_nobody_reaches_the_pods_who_is_not_named() {
    assert_eq!(render(&[TWO_OF_BOTH]).of_kind("NetworkPolicy").count(), 0);
    let rendered = render(&[TWO_OF_BOTH, "networkPolicy.enabled=true"]);
    for (component, job, test) in [("operator", "restore", "test"), ("clusters", "clusters-restore", "clusters-test")] {
        let spec = &of(&rendered, "NetworkPolicy", component)["spec"];
        let mut of_all = selected(&rendered, &spec["podSelector"]);
        of_all.sort_unstable();
        assert_eq!(of_all, [component, job, test]);
        assert_eq!((&spec["policyTypes"], &spec["ingress"]), (&json!(["Ingress"]), &json!([])));
        assert!(spec.get("egress").is_none(), "by default they may go anywhere");
    }
    let peer = "networkPolicy.metricsFrom[0].namespaceSelector.matchLabels.name=monitoring";
    let rendered = render(&["networkPolicy.enabled=true", peer]);
    let ingress = &of(&rendered, "NetworkPolicy", "operator")["spec"]["ingress"];
    let expected = json!([{
        "from": [{"namespaceSelector": {"matchLabels": {"name": "monitoring"}}}],
        "ports": [{"port": "http", "protocol": "TCP"}],
    }]);
    assert_eq!(*ingress, expected);
}

#[test]
fn each_process_goes_to_the_api_server_and_the_dns_and_only_one_to_remote_clusters() {
    let remote = "networkPolicy.egress.remoteClusters[0].to[0].ipBlock.cidr=203.0.113.7/32";
    let principal = "networkPolicy.egress.extra[0].to[0].podSelector.matchLabels.app=principal";
    let rendered = render(&[TWO_OF_BOTH, LIMITED, remote, principal]);
    let goes = |component: &str| {
        let spec = &of(&rendered, "NetworkPolicy", component)["spec"];
        assert_eq!(spec["policyTypes"], json!(["Ingress", "Egress"]));
        elements(&spec["egress"]).to_vec()
    };
    let (operator, clusters) = (goes("operator"), goes("clusters"));
    assert_eq!(operator[..2], clusters[..2], "both reach the API server and the DNS");
    assert_eq!(operator[0]["to"], json!([{"ipBlock": {"cidr": "10.0.0.1/32"}}]));
    assert_eq!(operator[0]["ports"], json!([{"port": 443, "protocol": "TCP"}, {"port": 6443, "protocol": "TCP"}]));
    assert_eq!(operator[1]["ports"], json!([{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}]));
    assert_eq!(operator[2..], [json!({"to": [{"podSelector": {"matchLabels": {"app": "principal"}}}]})]);
    assert_eq!(clusters[2..], [json!({"to": [{"ipBlock": {"cidr": "203.0.113.7/32"}}]})]);
}

#[test]
fn a_rule_of_the_network_that_would_mean_everybody_is_refused() {
    assert!(refusal(&["networkPolicy.enabled=true,networkPolicy.egress.enabled=true"]).contains("needs networkPolicy.egress.apiServer"));
    let chart = crate::rendering::chart();
    for setting in [
        "networkPolicy.metricsFrom=[{}]",
        "networkPolicy.egress.extra=[{}]",
        "networkPolicy.egress.extra=[{\"to\": []}]",
        "networkPolicy.egress.remoteClusters=[{\"to\": [{}]}]",
        "networkPolicy.egress.apiServer=[{\"ipblock\": {\"cidr\": \"10.0.0.1/32\"}}]",
    ] {
        let message = helm(&["template", "x", &chart, "--set-json", setting]).expect_err(setting);
        assert!(message.contains("at '/networkPolicy/"), "{setting}: {message}");
    }
}

#[tokio::test]
async fn one_service_monitor_finds_the_services_of_both_processes_and_prometheus_operators_own_definition_takes_it() {
    let bench = ControlPlane::shared(Kubernetes::V1_36).await;
    let namespace = bench.namespace("scraped").await;
    define_what_prometheus_operator_has(bench).await;
    let settings = [
        "clusterAccess.enabled=true",
        "metrics.serviceMonitor.enabled=true,metrics.serviceMonitor.interval=1m30s,metrics.serviceMonitor.scrapeTimeout=10s",
        "metrics.serviceMonitor.labels.release=prometheus,extraLabels.release=other",
        "metrics.serviceMonitor.relabelings[0].action=labeldrop,metrics.serviceMonitor.relabelings[0].regex=pod",
        "metrics.serviceMonitor.metricRelabelings[0].action=keep,metrics.serviceMonitor.metricRelabelings[0].regex=.*",
    ];
    let rendered = render_release(RELEASE, &namespace, &settings);
    let monitor = rendered.object("ServiceMonitor", "");
    let found: Vec<&Value> =
        rendered.of_kind("Service").filter(|service| matches(&monitor["spec"]["selector"], &service["metadata"]["labels"])).collect();
    assert_eq!(found.len(), 2, "the Services of both processes");
    for service in found {
        assert_eq!(service["spec"]["ports"][0]["name"], monitor["spec"]["endpoints"][0]["port"], "{}", name(service));
    }
    assert_eq!(monitor["metadata"]["labels"]["release"], "prometheus");
    assert_eq!(monitor["spec"]["namespaceSelector"], json!({"matchNames": [namespace]}));

    let file = bench.folder().join(format!("{namespace}-monitor.yaml"));
    std::fs::write(&file, serde_yaml::to_string(monitor).expect("YAML")).expect("write the ServiceMonitor");
    let file = file.to_string_lossy();
    bench.kubectl(&["apply", "--dry-run=server", "--validate=strict", "--filename", &file]).await.success();

    let elsewhere = render(&["metrics.serviceMonitor.enabled=true,metrics.serviceMonitor.namespace=monitoring"]);
    let monitor = elsewhere.object("ServiceMonitor", "");
    assert_eq!(
        (&monitor["metadata"]["namespace"], &monitor["spec"]["namespaceSelector"]),
        (&json!("monitoring"), &json!({"matchNames": ["argocd"]}))
    );
    assert!(refusal(&["metrics.serviceMonitor.enabled=true,metrics.service.enabled=false"]).contains("needs metrics.service.enabled"));
    assert!(refusal(&["metrics.serviceMonitor.interval=30"]).contains("at '/metrics/serviceMonitor/interval'"));
}

/// Lets the API server know ServiceMonitors and PrometheusRules, by prometheus-operator's own definitions of them.
pub async fn define_what_prometheus_operator_has(bench: &ControlPlane) {
    let definitions = manifests::read_folder(&tools::repository().join("tests/corpus/prometheus-operator"), ".yaml");
    manifests::apply_definitions(&bench.client(), &definitions).await;
}
