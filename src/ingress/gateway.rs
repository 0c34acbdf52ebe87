//! Gateway API: an HTTPRoute that leads to argocd-server, and what its Gateway's controller makes of it. Pure.
//!
//! By the specification nothing has to be set for a WebSocket; a route's `timeouts` are the longest that a request may take, and it is the
//! controller's own whether that ends an upgraded connection. They are elements of a list that the API takes as a whole (`rules` is
//! atomic): whoever writes one number owns the whole routing from then on. So a time-out that somebody set too short is reported, with the
//! command that mends it, and never written. Which controller it is, the route's status says: it is the name in the GatewayClass, and
//! reading it needs no right on Gateways, which lie in other namespaces. Sources: `apis/v1/httproute_types.go`, `geps/gep-1911` of v1.6.1.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Service;
use kube::CustomResource;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::want::gateway_millis;

/// The part of an HTTPRoute that decides about a terminal.
#[derive(CustomResource, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[kube(
    group = "gateway.networking.k8s.io",
    version = "v1",
    kind = "HTTPRoute",
    plural = "httproutes",
    namespaced,
    schema = "disabled",
    status = "RouteStatus"
)]
#[serde(rename_all = "camelCase", default)]
pub struct HTTPRouteSpec {
    /// The rules.
    pub rules: Vec<Rule>,
}

/// One rule of a route.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase", default)]
pub struct Rule {
    /// What it is for; nothing: everything.
    pub matches: Vec<Match>,
    /// Where it leads.
    pub backend_refs: Vec<BackendRef>,
    /// How long it may take.
    pub timeouts: Option<Timeouts>,
}

/// One condition of a rule.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase", default)]
pub struct Match {
    /// The path; none: every path.
    pub path: Option<PathMatch>,
    /// Headers that a request must have.
    pub headers: Vec<serde_json::Value>,
    /// Parameters that it must have.
    pub query_params: Vec<serde_json::Value>,
    /// Its method.
    pub method: Option<String>,
}

/// A path.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(default)]
pub struct PathMatch {
    /// `Exact`, `PathPrefix` or `RegularExpression`.
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// The path.
    pub value: Option<String>,
}

/// A backend of a rule.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase", default)]
pub struct BackendRef {
    /// Its kind; none: a Service.
    pub kind: Option<String>,
    /// Its name.
    pub name: String,
    /// Its namespace; none: the route's.
    pub namespace: Option<String>,
    /// Its port.
    pub port: Option<i32>,
    /// Its share; 0: nothing.
    pub weight: Option<i32>,
}

/// How long a rule may take.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase", default)]
pub struct Timeouts {
    /// The whole request.
    pub request: Option<String>,
    /// One try.
    pub backend_request: Option<String>,
}

/// What the controllers say of a route.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase", default)]
pub struct RouteStatus {
    /// By each Gateway.
    pub parents: Vec<Parent>,
}

/// What one of them says.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase", default)]
pub struct Parent {
    /// The name of the controller, as its GatewayClass has it.
    pub controller_name: String,
}

/// A controller of Gateways.
#[derive(Clone, Copy, Debug)]
pub struct Gateway {
    /// What people call it.
    pub name: &'static str,
    /// `spec.controllerName` of its GatewayClasses.
    pub controllers: &'static [&'static str],
    /// What only a person can see to, where there is something: an object of its own kind.
    pub by_people: Option<fn(service: &str, seconds: u64) -> String>,
    /// What to add for the reference.
    pub note: &'static str,
}

const NOTHING: &str = "It passes WebSockets by itself.";

/// Those that we know.
pub const GATEWAYS: &[Gateway] = &[
    Gateway { name: "Envoy Gateway", controllers: &["gateway.envoyproxy.io/gatewayclass-controller"], by_people: None, note: NOTHING },
    Gateway { name: "Istio", controllers: &["istio.io/gateway-controller"], by_people: None, note: NOTHING },
    Gateway { name: "Contour", controllers: &["projectcontour.io/gateway-controller"], by_people: None, note: NOTHING },
    Gateway { name: "Cilium", controllers: &["io.cilium/gateway-controller"], by_people: None, note: NOTHING },
    Gateway { name: "Traefik", controllers: &["traefik.io/gateway-controller"], by_people: None, note: NOTHING },
    Gateway { name: "Kong", controllers: &["konghq.com/kic-gateway-controller"], by_people: None, note: NOTHING },
    Gateway { name: "NGINX Gateway Fabric", controllers: &["gateway.nginx.org/nginx-gateway-controller"], by_people: None, note: NOTHING },
    Gateway {
        name: "AWS Load Balancer Controller",
        controllers: &["gateway.k8s.aws/alb"],
        by_people: None,
        note: "It passes WebSockets by itself. The idle time-out is an attribute in its LoadBalancerConfiguration, 60 seconds by default, and Argo CD pings every 5 seconds.",
    },
    Gateway {
        name: "GKE Gateway",
        controllers: &["networking.gke.io/gateway"],
        by_people: Some(gcp_backend_policy),
        note: "It ends every connection after 30 seconds unless a GCPBackendPolicy for argocd-server's Service says otherwise; a person writes that.",
    },
];

fn gcp_backend_policy(service: &str, seconds: u64) -> String {
    let policy = json!({
        "apiVersion": "networking.gke.io/v1", "kind": "GCPBackendPolicy", "metadata": {"name": service},
        "spec": {"default": {"timeoutSec": seconds}, "targetRef": {"group": "", "kind": "Service", "name": service}},
    });
    format!(
        "the load balancer ends every connection after 30 s, unless a GCPBackendPolicy for the Service {service} says otherwise, which the operator does not read; one that does: {policy}"
    )
}

/// Those that have taken up a route: what we know of each, and its name.
pub fn gateways(route: &HTTPRoute) -> impl Iterator<Item = (&str, Option<&'static Gateway>)> {
    let parents = route.status.iter().flat_map(|s| &s.parents);
    parents.map(|p| (p.controller_name.as_str(), GATEWAYS.iter().find(|g| g.controllers.contains(&p.controller_name.as_str()))))
}

/// How a route leads to argocd-server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Way {
    /// A terminal comes through, by this rule to this Service.
    Carries {
        /// The rule's place in the list.
        rule: usize,
        /// argocd-server's Service.
        service: String,
    },
    /// It leads there for gRPC alone.
    GrpcOnly,
    /// It leads there, and the path of the terminal does not.
    Elsewhere,
}

/// How this route leads to argocd-server; `None` when it does not. `services` are those that are seen, `ours` the names of those that
/// lead to argocd-server, `terminal` the path of a terminal (`None`: not known, so that every path counts).
#[must_use]
pub fn way(route: &HTTPRoute, ours: &[String], services: &BTreeMap<&str, &Service>, terminal: Option<&str>) -> Option<Way> {
    let own = route.metadata.namespace.as_deref();
    let is_service = |b: &&BackendRef| b.kind.as_deref().is_none_or(|k| k == "Service") && (b.namespace.is_none() || b.namespace.as_deref() == own);
    let leads = |rule: &Rule| {
        let mut backends = rule.backend_refs.iter().filter(is_service).filter(|b| b.weight != Some(0));
        backends.find(|b| ours.contains(&b.name)).cloned()
    };
    let leading: Vec<BackendRef> = route.spec.rules.iter().filter_map(leads).collect();
    if leading.is_empty() {
        return None;
    }
    if leading.iter().all(|b| speaks_http2_only(b, services)) {
        return Some(Way::GrpcOnly);
    }
    let mut best: Option<((u8, usize), usize, Option<BackendRef>)> = None;
    for (index, rule) in route.spec.rules.iter().enumerate() {
        let backend = leads(rule);
        let everything = [Match::default()];
        let matches = if rule.matches.is_empty() { everything.as_slice() } else { rule.matches.as_slice() };
        let rank = match terminal {
            Some(terminal) => matches.iter().filter_map(|m| rank(m, terminal)).max(),
            None => Some((u8::from(backend.is_some()), 0)),
        };
        if let Some(rank) = rank
            && best.as_ref().is_none_or(|(b, _, _)| rank > *b)
        {
            best = Some((rank, index, backend));
        }
    }
    match best {
        Some((_, rule, Some(backend))) if !speaks_http2_only(&backend, services) => Some(Way::Carries { rule, service: backend.name }),
        _ => Some(Way::Elsewhere),
    }
}

/// HTTP/2 without encryption has no `Upgrade`.
fn speaks_http2_only(backend: &BackendRef, services: &BTreeMap<&str, &Service>) -> bool {
    let ports = services.get(backend.name.as_str()).and_then(|s| s.spec.as_ref()).and_then(|s| s.ports.as_deref()).unwrap_or_default();
    ports.iter().any(|p| Some(p.port) == backend.port && p.app_protocol.as_deref() == Some("kubernetes.io/h2c"))
}

/// How well a match fits the terminal; `None`: not at all. One that asks for headers or parameters is meant for something else.
fn rank(m: &Match, terminal: &str) -> Option<(u8, usize)> {
    if !m.headers.is_empty() || !m.query_params.is_empty() || m.method.as_deref().is_some_and(|method| method != "GET") {
        return None;
    }
    let Some(path) = &m.path else { return Some((1, 0)) };
    let value = path.value.as_deref().unwrap_or("/");
    let prefix = value.trim_end_matches('/');
    match path.kind.as_deref() {
        Some("Exact") => (value == terminal).then_some((2, value.len())),
        // What a regular expression matches is the controller's own: one that could is taken to do so.
        Some("RegularExpression") => {
            let literal = value.trim_start_matches('^').split(['(', '[', '{', '*', '+', '?', '$', '\\', '|', '.']).next().unwrap_or_default();
            terminal.starts_with(literal).then_some((1, literal.len()))
        }
        _ => (terminal == prefix || terminal.starts_with(&format!("{prefix}/"))).then_some((1, prefix.len())),
    }
}

/// The time-outs of a rule that are shorter than wanted: the name of each, and its text. Zero means none.
#[must_use]
pub fn too_short(route: &HTTPRoute, rule: usize, seconds: u64) -> Vec<(&'static str, String)> {
    let Some(timeouts) = route.spec.rules.get(rule).and_then(|r| r.timeouts.as_ref()) else { return Vec::new() };
    let short = |text: &&String| gateway_millis(text).is_some_and(|ms| ms > 0 && ms < seconds.saturating_mul(1000));
    [("request", &timeouts.request), ("backendRequest", &timeouts.backend_request)]
        .into_iter()
        .filter_map(|(name, text)| Some((name, text.as_ref().filter(short)?.clone())))
        .collect()
}

/// The command that makes these time-outs long enough.
#[must_use]
pub fn mend(namespace: &str, name: &str, rule: usize, short: &[(&'static str, String)], seconds: u64) -> String {
    let operations: Vec<serde_json::Value> = short
        .iter()
        .flat_map(|(field, text)| {
            let path = format!("/spec/rules/{rule}/timeouts/{field}");
            [json!({"op": "test", "path": path, "value": text}), json!({"op": "replace", "path": path, "value": format!("{seconds}s")})]
        })
        .collect();
    format!("kubectl -n {namespace} patch httproute {name} --type json -p '{}'", serde_json::Value::Array(operations))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(rules: &str) -> HTTPRoute {
        serde_yaml::from_str(&format!(
            "{{apiVersion: gateway.networking.k8s.io/v1, kind: HTTPRoute, metadata: {{name: cd, namespace: argocd}}, spec: {{rules: {rules}}}}}"
        ))
        .unwrap()
    }

    fn seen(rules: &str) -> Option<Way> {
        let h2c: Service =
            serde_yaml::from_str("{metadata: {name: argocd-server}, spec: {ports: [{port: 80}, {port: 8080, appProtocol: kubernetes.io/h2c}]}}")
                .unwrap();
        way(&route(rules), &["argocd-server".to_owned()], &BTreeMap::from([("argocd-server", &h2c)]), Some("/terminal"))
    }

    const CD: &str = "backendRefs: [{name: argocd-server, port: 80}]";

    #[test]
    fn the_best_rule_decides_where_the_terminal_goes() {
        let carries = |rule| Some(Way::Carries { rule, service: "argocd-server".to_owned() });
        let wiki = "backendRefs: [{name: wiki, port: 80}]";
        let path = |kind: &str, value: &str| format!("matches: [{{path: {{type: {kind}, value: '{value}'}}}}]");
        let (root, terminal) = (path("PathPrefix", "/"), path("PathPrefix", "/terminal"));
        for (rules, expected) in [
            (format!("[{{{CD}}}]"), carries(0)),
            (format!("[{{{root}, {CD}}}]"), carries(0)),
            (format!("[{{{root}, {wiki}}}, {{{terminal}, {CD}}}]"), carries(1)),
            (format!("[{{{root}, {CD}}}, {{{terminal}, {wiki}}}]"), Some(Way::Elsewhere)),
            (format!("[{{{terminal}, {wiki}}}, {{{}, {CD}}}]", path("Exact", "/terminal")), carries(1)),
            (format!("[{{{}, {CD}}}]", path("PathPrefix", "/api")), Some(Way::Elsewhere)),
            (format!("[{{{}, {CD}}}]", path("PathPrefix", "/term")), Some(Way::Elsewhere)),
            (format!("[{{{}, {CD}}}]", path("RegularExpression", "/(api|terminal)")), carries(0)),
            (format!("[{{matches: [{{headers: [{{name: content-type, value: application/grpc}}]}}], {CD}}}, {{{root}, {CD}}}]"), carries(1)),
            (format!("[{{matches: [{{method: POST}}], {CD}}}]"), Some(Way::Elsewhere)),
            (format!("[{{{wiki}}}]"), None),
            ("[{backendRefs: [{name: argocd-server, port: 8080}]}]".to_owned(), Some(Way::GrpcOnly)),
            ("[{backendRefs: [{name: argocd-server, namespace: other, port: 80}]}]".to_owned(), None),
            ("[{backendRefs: [{name: argocd-server, weight: 0}, {name: wiki}]}]".to_owned(), None),
        ] {
            assert_eq!(seen(&rules), expected, "{rules}");
        }
    }

    #[test]
    fn a_time_out_is_too_short_unless_it_is_long_enough_zero_or_absent() {
        let short = |timeouts: &str| too_short(&route(&format!("[{{{CD}, timeouts: {timeouts}}}]")), 0, 3600);
        for fine in ["{}", "{request: 0s}", "{request: 1h}", "{request: 3600s, backendRequest: 1h30m}", "{request: nonsense}"] {
            assert!(short(fine).is_empty(), "{fine}");
        }
        let both = short("{request: 30s, backendRequest: 500ms}");
        assert_eq!(both, [("request", "30s".to_owned()), ("backendRequest", "500ms".to_owned())]);
        let command = mend("argocd", "cd", 2, &both[..1], 3600);
        assert_eq!(
            command,
            r#"kubectl -n argocd patch httproute cd --type json -p '[{"op":"test","path":"/spec/rules/2/timeouts/request","value":"30s"},{"op":"replace","path":"/spec/rules/2/timeouts/request","value":"3600s"}]'"#
        );
    }

    #[test]
    fn the_controller_is_the_one_that_has_taken_the_route_up() {
        let mut route = route("[]");
        assert_eq!(gateways(&route).count(), 0);
        let parent = |name: &str| Parent { controller_name: name.to_owned() };
        route.status = Some(RouteStatus { parents: vec![parent("networking.gke.io/gateway"), parent("example.com/x")] });
        let known: Vec<Option<&str>> = gateways(&route).map(|(_, g)| g.map(|g| g.name)).collect();
        assert_eq!(known, [Some("GKE Gateway"), None]);
        assert!(gcp_backend_policy("s", 60).contains(r#""timeoutSec":60"#));
    }
}
