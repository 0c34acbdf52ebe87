//! What stands in front of argocd-server beside the two nginx: load balancers of clouds, Gateways, and what carries no terminal at all.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;
use std::time::Duration;

use kube::Api;
use kube::api::{DeleteParams, DynamicObject, Patch, PatchParams};
use serde_json::{Value, json};

use crate::hands::{becomes, differences};
use crate::support::{ControlPlane, Kubernetes, managers, manifests, process::get, snapshot, tools};
use crate::world::{SOON, Team, condition, message};

const SPEC: &str = "{subjects: [{kind: Group, name: g}], applications: [{project: shop}]}";
const ATTRIBUTES: &str = "alb.ingress.kubernetes.io/load-balancer-attributes";
/// A kind that is not there is asked after every ten seconds.
const SEEN: Duration = Duration::from_secs(25);

/// What a cluster may do without.
const KINDS: [&str; 3] = ["httproutes", "backendconfigs", "argocds"];

/// The part of the Gateway API's HTTPRoute that the API server has to know: `rules` is one value.
fn http_routes() -> DynamicObject {
    let rules =
        json!({"type": "array", "x-kubernetes-list-type": "atomic", "items": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}});
    manifests::definition("gateway.networking.k8s.io/v1", "HTTPRoute", "httproutes", &json!({"type": "object", "properties": {"rules": rules}}))
}

fn backend_configs() -> DynamicObject {
    let time_out = json!({"timeoutSec": {"type": "integer", "format": "int64"}});
    let spec = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true, "properties": time_out});
    manifests::definition("cloud.google.com/v1", "BackendConfig", "backendconfigs", &spec)
}

async fn define(cp: &ControlPlane, definition: DynamicObject) {
    manifests::apply_definitions(&cp.client(), &[definition]).await;
}

/// A Team whose cluster has this kind from the beginning.
async fn team_with(definition: DynamicObject) -> Team {
    let cp = ControlPlane::shared(Kubernetes::V1_36).await;
    define(cp, definition).await;
    let team = Team::new().await;
    team.application("web-1", "shop").await;
    team
}

/// Does what a message tells a person to type, as it stands there.
async fn obey(team: &Team, command: &str) {
    let folder = tools::path("kubectl").parent().unwrap().display().to_string();
    let path = std::env::var("PATH").unwrap_or_default();
    let mut shell = Command::new("sh");
    shell.args(["-ec", command]).env("PATH", format!("{folder}:{path}")).env("KUBECONFIG", team.cp.kubeconfig_admin());
    crate::support::process::run(shell).await.success();
}

impl Team {
    fn of(&self, api_version: &str, kind: &str) -> Api<DynamicObject> {
        manifests::api(&self.client(), &self.namespace, api_version, kind)
    }

    async fn backend_config(&self, name: &str) -> DynamicObject {
        self.of("cloud.google.com/v1", "BackendConfig").get(name).await.unwrap()
    }

    /// An Ingress as people on GKE write it, whose Service names this BackendConfig.
    async fn gke(&self, backend_config: Option<&str>) {
        self.ingress_to("argocd-server", "cd", Value::Null, &json!({"kubernetes.io/ingress.class": "gce"})).await;
        let annotation = backend_config.map(|name| json!({"default": name}).to_string());
        self.edit("v1", "Service", "argocd-server", json!({"metadata": {"annotations": {"cloud.google.com/backend-config": annotation}}})).await;
    }

    /// An HTTPRoute to argocd-server with one rule more of these fields, and a Gateway's controller that has taken it up.
    async fn route(&self, name: &str, controller: &str, rule: Value) {
        let mut rule = rule;
        rule["backendRefs"] = json!([{"name": "argocd-server", "port": 80}]);
        let route = json!({
            "apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute", "metadata": {"name": name},
            "spec": {"rules": [{"matches": [{"path": {"type": "PathPrefix", "value": "/docs"}}], "backendRefs": [{"name": "wiki", "port": 80}]}, rule]},
        });
        self.has(&route.to_string()).await;
        let status = json!({"status": {"parents": [{"controllerName": controller, "parentRef": {"name": "web"}}]}});
        self.of("gateway.networking.k8s.io/v1", "HTTPRoute").patch_status(name, &PatchParams::default(), &Patch::Merge(status)).await.unwrap();
    }
}

/// The operator has nothing in it any more.
fn nothing_of_ours(object: &DynamicObject) {
    let left = managers(object);
    assert!(!left.iter().any(|m| m.starts_with("argocd-access")), "{left:?}");
}

#[tokio::test]
async fn an_attribute_of_a_load_balancer_is_merged_in_and_comes_out_alone() {
    let team = Team::new().await;
    team.application("web-1", "shop").await;
    team.ingress_class("alb", "ingress.k8s.aws/alb").await;
    let there =
        json!({ATTRIBUTES: "deletion_protection.enabled=true,idle_timeout.timeout_seconds=60", "alb.ingress.kubernetes.io/scheme": "internal"});
    team.ingress("cd", "alb", &there).await;
    let before = team.tree().await;
    let now = async || team.annotations("cd").await.remove(ATTRIBUTES).unwrap_or_default();

    team.grant("web", SPEC).await;
    let status = team.condition("web", "IngressReady", "True", "Configured").await;
    assert_eq!(status.ingresses[0].annotations, [ATTRIBUTES]);
    assert_eq!(now().await, "deletion_protection.enabled=true,idle_timeout.timeout_seconds=3600");
    team.delete("web").await;
    assert_eq!(differences(&before, &team.tree().await), BTreeSet::new());
    let ingress = team.of("networking.k8s.io/v1", "Ingress").get("cd").await.unwrap();
    nothing_of_ours(&ingress);
    // Who had it before can go on without force.
    let own = json!({"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": "cd", "annotations": there}});
    team.ingresses().patch("cd", &PatchParams::apply("somebody"), &Patch::Apply(&own)).await.unwrap();

    // Somebody changes what is theirs meanwhile.
    team.grant("web", SPEC).await;
    becomes("it is set again", SOON, true, async || now().await.ends_with("=3600")).await;
    team.edit(
        "networking.k8s.io/v1",
        "Ingress",
        "cd",
        json!({"metadata": {"annotations": {ATTRIBUTES: "idle_timeout.timeout_seconds=3600,http2.enabled=false"}}}),
    )
    .await;
    team.delete("web").await;
    assert_eq!(now().await, "idle_timeout.timeout_seconds=60,http2.enabled=false");
}

#[tokio::test]
async fn a_backend_config_of_gke_gets_the_time_and_gives_it_back() {
    let team = team_with(backend_configs()).await;
    let config = "{apiVersion: cloud.google.com/v1, kind: BackendConfig, metadata: {name: cd}, spec: {timeoutSec: 40, iap: {enabled: true}}}";
    team.has(config).await;
    team.gke(Some("cd")).await;
    let (tree, before) = (team.tree().await, team.backend_config("cd").await);

    team.grant("web", SPEC).await;
    team.condition("web", "IngressReady", "True", "Configured").await;
    let spec = async || team.backend_config("cd").await.data["spec"].clone();
    assert_eq!(spec().await, json!({"timeoutSec": 3600, "iap": {"enabled": true}}));
    team.grant("longer", "{subjects: [{kind: Group, name: h}], applications: [{project: shop}], ingress: {timeout: 2h}}").await;
    becomes("the longest time stands", SOON, json!(7200), async || spec().await["timeoutSec"].clone()).await;
    // A person has another number in mind, while it is ours to set.
    team.edit("cloud.google.com/v1", "BackendConfig", "cd", json!({"spec": {"timeoutSec": 50}})).await;
    becomes("it is put right", SOON, json!(7200), async || spec().await["timeoutSec"].clone()).await;
    for name in ["longer", "web"] {
        team.delete(name).await;
    }
    assert_eq!(spec().await, json!({"timeoutSec": 50, "iap": {"enabled": true}}), "their own number, not the first one");
    team.edit("cloud.google.com/v1", "BackendConfig", "cd", json!({"spec": {"timeoutSec": 40}})).await;
    let after = team.backend_config("cd").await;
    assert_eq!(snapshot(&after), snapshot(&before));
    nothing_of_ours(&after);
    assert_eq!(differences(&tree, &team.tree().await), BTreeSet::new());
}

#[tokio::test]
async fn without_a_backend_config_the_commands_of_the_message_mend_it() {
    let team = team_with(backend_configs()).await;
    team.gke(None).await;
    team.grant("web", SPEC).await;
    let status = team.condition("web", "IngressReady", "False", "ControllerConfiguration").await;
    assert_eq!(condition(&status, "Ready").0, "False", "a terminal would be ended after 30 seconds");
    let text = message(&status, "IngressReady");
    let commands = text.split_once("otherwise: ").unwrap().1;
    for command in commands.split(" and ") {
        obey(&team, command).await;
    }
    team.condition("web", "IngressReady", "True", "Configured").await;
    let made = team.backend_config("argocd-server").await;
    assert_eq!(made.data["spec"], json!({"timeoutSec": 3600}), "the person's own: nothing of ours is needed on it");
    nothing_of_ours(&made);
}

#[tokio::test]
async fn an_operator_that_may_not_write_a_backend_config_says_the_command() {
    let cp = ControlPlane::shared(Kubernetes::V1_36).await;
    define(cp, backend_configs()).await;
    let team = Team::with_values("{instance: {writeBackendConfigs: false}}").await;
    team.application("web-1", "shop").await;
    team.has("{apiVersion: cloud.google.com/v1, kind: BackendConfig, metadata: {name: cd}, spec: {}}").await;
    team.gke(Some("cd")).await;
    team.grant("web", SPEC).await;
    let status = team.condition("web", "IngressReady", "False", "ControllerConfiguration").await;
    let text = message(&status, "IngressReady");
    obey(&team, &text[text.find("kubectl ").unwrap()..]).await;
    team.condition("web", "IngressReady", "True", "Configured").await;
}

#[tokio::test]
async fn a_route_is_only_looked_at_and_the_command_of_the_message_mends_it() {
    let team = team_with(http_routes()).await;
    team.route("cd", "gateway.envoyproxy.io/gatewayclass-controller", json!({"timeouts": {"request": "30s", "backendRequest": "10s"}, "name": "ui"}))
        .await;
    let route = async || team.of("gateway.networking.k8s.io/v1", "HTTPRoute").get("cd").await.unwrap();
    let before = route().await;
    team.grant("web", SPEC).await;
    let status = team.condition("web", "IngressReady", "Unknown", "ControllerConfiguration").await;
    assert_eq!((status.ingresses[0].kind.as_str(), status.ingresses[0].name.as_str()), ("HTTPRoute", "cd"));
    assert_eq!(route().await, before);
    let text = message(&status, "IngressReady");
    obey(&team, &text[text.find("kubectl ").unwrap()..]).await;
    team.condition("web", "IngressReady", "True", "Configured").await;
    let mended = route().await;
    assert_eq!(mended.data["spec"]["rules"][1]["timeouts"], json!({"request": "3600s", "backendRequest": "3600s"}));
    assert_eq!(mended.data["spec"]["rules"][0], before.data["spec"]["rules"][0]);
    team.delete("web").await;
    nothing_of_ours(&route().await);
}

#[tokio::test]
async fn what_carries_no_terminal_is_said_and_left_alone() {
    let team = Team::new().await;
    team.application("web-1", "shop").await;
    team.ingress_class("nginx", "k8s.io/ingress-nginx").await;
    team.ingress("cd", "nginx", &json!({"nginx.ingress.kubernetes.io/backend-protocol": "GRPC"})).await;
    let before = team.tree().await;
    team.grant("web", SPEC).await;
    team.condition("web", "IngressReady", "False", "GrpcOnly").await;
    let backend = json!({"service": {"name": "argocd-server", "port": {"number": 80}}});
    let paths = json!([{"path": "/api", "pathType": "Prefix", "backend": backend}]);
    team.edit(
        "networking.k8s.io/v1",
        "Ingress",
        "cd",
        json!({"metadata": {"annotations": {"nginx.ingress.kubernetes.io/backend-protocol": null}}, "spec": {"rules": [{"host": "cd.example.invalid", "http": {"paths": paths}}]}}),
    )
    .await;
    let status = team.condition("web", "IngressReady", "False", "NoTerminalRoute").await;
    assert!(message(&status, "IngressReady").contains("/terminal"), "{status:#?}");
    assert_eq!(team.annotations("cd").await, BTreeMap::new());
    // Under a base path the terminal is there, too.
    team.set("argocd-cmd-params-cm", "server.rootpath", Some("/api")).await;
    team.condition("web", "IngressReady", "True", "Configured").await;
    team.set("argocd-cmd-params-cm", "server.rootpath", None).await;
    team.condition("web", "IngressReady", "False", "NoTerminalRoute").await;
    assert_eq!(team.annotations("cd").await, BTreeMap::new(), "what was set meanwhile is out again");
    team.delete("web").await;
    let changed: BTreeSet<String> = differences(&before, &team.tree().await);
    assert!(changed.iter().all(|place| place.starts_with("/Ingress cd/")), "{changed:?}");
}

/// On the older Kubernetes, where nobody else has a use for these kinds: whether one is there is the same for all who share a cluster.
#[tokio::test]
async fn a_kind_may_be_missing_come_and_go() {
    let cp = ControlPlane::shared(Kubernetes::V1_34).await;
    let namespace = cp.instance("team").await;
    let team = Team::in_namespace(cp, namespace, "").await;
    team.application("web-1", "shop").await;
    team.grant("web", SPEC).await;
    team.condition("web", "IngressReady", "Unknown", "NoIngress").await;
    team.ready("web").await;
    let healthy = async || {
        let text = get(&team.release.kubelet.metrics_url()).await.unwrap().1;
        let of = |kind: &str| text.lines().any(|l| l == format!("argocd_access_watch_healthy{{kind=\"{kind}\"}} 1"));
        KINDS.map(of)
    };
    becomes("there is none, and nothing is wrong", SOON, [true; 3], healthy).await;
    // At its start, another watch may well come before the API server knows of the rights that it has.
    let failed: Vec<String> = team.release.kubelet.operator_log().lines().filter(|line| line.contains("a watch failed")).map(str::to_owned).collect();
    assert!(!failed.iter().any(|line| KINDS.iter().any(|kind| line.contains(kind))), "{failed:#?}");

    define(cp, http_routes()).await;
    team.route("cd", "istio.io/gateway-controller", json!({})).await;
    let says = async || condition(&team.status("web").await, "IngressReady");
    let is = |state: &str, reason: &str| (state.to_owned(), reason.to_owned());
    becomes("the route is seen", SEEN, is("True", "Configured"), says).await;
    let definitions = manifests::api(&team.client(), "", "apiextensions.k8s.io/v1", "CustomResourceDefinition");
    definitions.delete("httproutes.gateway.networking.k8s.io", &DeleteParams::default()).await.unwrap();
    becomes("the route is gone with its kind", SEEN, is("Unknown", "NoIngress"), says).await;
    becomes("that is no failure", SEEN, [true; 3], healthy).await;
    // Its objects go before itself, and one that is on its way out would take no new ones.
    becomes("the kind is gone", SEEN, true, async || definitions.get_opt("httproutes.gateway.networking.k8s.io").await.unwrap().is_none()).await;
    define(cp, http_routes()).await;
    tokio::time::sleep(Duration::from_secs(12)).await;
    assert_eq!(says().await, is("Unknown", "NoIngress"), "a route of the kind's former life does not come back");
    team.route("other", "istio.io/gateway-controller", json!({})).await;
    becomes("a new route is seen", SEEN, is("True", "Configured"), says).await;

    define(cp, backend_configs()).await;
    team.has("{apiVersion: cloud.google.com/v1, kind: BackendConfig, metadata: {name: cd}, spec: {timeoutSec: 40}}").await;
    team.gke(Some("cd")).await;
    let time = async || team.backend_config("cd").await.data["spec"]["timeoutSec"].clone();
    becomes("the BackendConfig is seen, and set", SEEN, json!(3600), time).await;
    team.delete("web").await;
    assert_eq!(time().await, json!(40));
}
