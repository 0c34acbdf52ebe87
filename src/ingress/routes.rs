//! Whether an Ingress leads the path of a terminal to argocd-server, and by which of its paths. Pure.
//!
//! A path wins as the Ingress API says: an exact one, then the longest prefix. What a controller makes of regular expressions is not
//! computed: where the literal beginning fits, the path counts as one that leads there.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::networking::v1::{Ingress, IngressBackend, ServiceBackendPort};

/// A Service behind an Ingress, as the Ingress's controller sees it.
#[derive(Clone, Copy, Debug)]
pub struct Backend<'a> {
    /// The annotations of the Ingress.
    pub annotations: Option<&'a BTreeMap<String, String>>,
    /// The Service's name.
    pub service: &'a str,
    /// The port that the Ingress names.
    pub port: Option<&'a ServiceBackendPort>,
    /// The Service itself, where it is seen.
    pub object: Option<&'a Service>,
}

impl Backend<'_> {
    /// An annotation of the Ingress.
    #[must_use]
    pub fn annotation(&self, key: &str) -> Option<&str> {
        self.annotations?.get(key).map(String::as_str)
    }

    /// An annotation of the Service.
    #[must_use]
    pub fn of_service(&self, key: &str) -> Option<&str> {
        self.object?.metadata.annotations.as_ref()?.get(key).map(String::as_str)
    }

    /// The number and the name of the port, as far as they are known.
    #[must_use]
    pub fn port_names(&self) -> Vec<String> {
        let Some(port) = self.port else { return Vec::new() };
        let mut names: Vec<String> = port.name.iter().cloned().chain(port.number.map(|n| n.to_string())).collect();
        let of_service = self.object.and_then(|s| s.spec.as_ref()).and_then(|s| s.ports.as_deref()).unwrap_or_default();
        if let Some(same) = of_service.iter().find(|p| Some(p.port) == port.number || (p.name.is_some() && p.name == port.name)) {
            names.extend(same.name.iter().cloned().chain([same.port.to_string()]));
        }
        names.sort();
        names.dedup();
        names
    }
}

/// How an Ingress leads to argocd-server.
#[derive(Clone, Debug, PartialEq)]
pub enum Way {
    /// A terminal comes through.
    Carries(Carrier),
    /// It leads there for gRPC alone, which carries no WebSocket.
    GrpcOnly,
    /// It leads there, and the path of the terminal does not.
    Elsewhere,
}

/// What carries the terminal.
#[derive(Clone, Debug, PartialEq)]
pub struct Carrier {
    /// argocd-server's Service.
    pub service: String,
    /// Its port, as the Ingress names it.
    pub port: Option<ServiceBackendPort>,
    /// The path, as it is written there.
    pub path: String,
}

/// The path at which argocd-server takes terminals.
#[must_use]
pub fn terminal_path(base: &str) -> String {
    let base = base.trim_matches('/');
    if base.is_empty() { "/terminal".to_owned() } else { format!("/{base}/terminal") }
}

/// What a way is computed from.
pub struct Map<'a> {
    /// The names of argocd-server's Services.
    pub ours: &'a [String],
    /// All Services that are seen.
    pub services: &'a BTreeMap<&'a str, &'a Service>,
    /// The path of the terminal; `None`: not known, so that every path counts.
    pub terminal: Option<&'a str>,
}

/// One path of an Ingress.
struct Path<'a> {
    text: &'a str,
    kind: &'a str,
    backend: Backend<'a>,
}

/// How this Ingress leads to argocd-server; `None` when it does not lead there at all. `grpc` says of which backends the controller makes
/// gRPC ones, `globs` whether a path without a type is an exact one or holds `*`.
#[must_use]
pub fn way<'a>(ingress: &'a Ingress, map: &Map<'a>, grpc: fn(&Backend<'_>) -> bool, globs: bool) -> Option<Way> {
    let spec = ingress.spec.as_ref()?;
    let seen = |b| of_ingress(ingress, b, map);
    let default: Option<Backend<'_>> = spec.default_backend.as_ref().and_then(seen);
    let mut hosts: BTreeMap<&str, Vec<Path<'_>>> = BTreeMap::new();
    for rule in spec.rules.iter().flatten() {
        let paths = rule.http.iter().flat_map(|h| &h.paths);
        let paths = paths.filter_map(|p| Some(Path { text: p.path.as_deref().unwrap_or_default(), kind: &p.path_type, backend: seen(&p.backend)? }));
        hosts.entry(rule.host.as_deref().unwrap_or_default()).or_default().extend(paths);
    }
    let leads = |b: &Backend<'_>| map.ours.iter().any(|o| o == b.service);
    let mut all = default.iter().chain(hosts.values().flatten().map(|p| &p.backend)).filter(|b| leads(b)).peekable();
    all.peek()?;
    if all.all(grpc) {
        return Some(Way::GrpcOnly);
    }
    if hosts.is_empty() {
        hosts.insert("", Vec::new());
    }
    let carrier = hosts.values().find_map(|paths| winner(paths, default.as_ref(), map, grpc, globs).filter(|(_, b)| leads(b)));
    Some(carrier.map_or(Way::Elsewhere, |(path, backend)| {
        let path = if path.is_empty() { "/" } else { path };
        Way::Carries(Carrier { service: backend.service.to_owned(), port: backend.port.cloned(), path: path.to_owned() })
    }))
}

fn of_ingress<'a>(ingress: &'a Ingress, backend: &'a IngressBackend, map: &Map<'a>) -> Option<Backend<'a>> {
    let service = backend.service.as_ref()?;
    Some(Backend {
        annotations: ingress.metadata.annotations.as_ref(),
        service: &service.name,
        port: service.port.as_ref(),
        object: map.services.get(service.name.as_str()).copied(),
    })
}

/// Where one host leads the terminal. A backend for gRPC takes nothing but gRPC, beside which another may stand with the same path.
fn winner<'a>(
    paths: &'a [Path<'a>],
    default: Option<&'a Backend<'a>>,
    map: &Map<'_>,
    grpc: fn(&Backend<'_>) -> bool,
    globs: bool,
) -> Option<(&'a str, &'a Backend<'a>)> {
    let mut best: Option<(u8, usize, &Path<'_>)> = None;
    for path in paths.iter().filter(|p| !grpc(&p.backend)) {
        let rank = match map.terminal {
            Some(terminal) => rank(path, terminal, globs),
            // Not known where: any path that leads to argocd-server will do.
            None => Some((u8::from(map.ours.iter().any(|o| o == path.backend.service)), 0)),
        };
        if let Some((kind, length)) = rank
            && best.is_none_or(|(k, l, _)| (kind, length) > (k, l))
        {
            best = Some((kind, length, path));
        }
    }
    best.map(|(_, _, path)| (path.text, &path.backend)).or_else(|| default.filter(|d| !grpc(d)).map(|d| ("/", d)))
}

/// How well a path fits; `None`: not at all.
fn rank(path: &Path<'_>, terminal: &str, globs: bool) -> Option<(u8, usize)> {
    let text = path.text;
    let fits = |prefix: &str| (terminal == prefix || terminal.starts_with(&format!("{prefix}/"))).then_some((1, prefix.len()));
    let special = |set: &[char]| text.find(|c| set.contains(&c)).and_then(|at| text.get(..at));
    match path.kind {
        "Exact" => (text == terminal).then_some((2, text.len())),
        _ if text.is_empty() => Some((1, 0)),
        "ImplementationSpecific" if globs => match special(&['*', '?']) {
            Some(literal) => terminal.starts_with(literal).then_some((1, literal.len())),
            None => (text == terminal).then_some((2, text.len())),
        },
        _ => match special(&['(', '[', '{', '*', '+', '?', '$', '^', '\\', '|']) {
            Some(literal) => terminal.starts_with(literal).then_some((1, literal.len())),
            None => fits(text.trim_end_matches('/')),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ingress(annotations: &str, spec: &str) -> Ingress {
        serde_yaml::from_str(&format!("{{metadata: {{name: cd, annotations: {annotations}}}, spec: {spec}}}")).unwrap()
    }

    fn of(spec: &str, terminal: Option<&str>, globs: bool) -> Option<Way> {
        let (ours, services) = (vec!["argocd-server".to_owned(), "argogrpc".to_owned()], BTreeMap::new());
        let grpc = |b: &Backend<'_>| b.service == "argogrpc";
        way(&ingress("{}", spec), &Map { ours: &ours, services: &services, terminal }, grpc, globs)
    }

    fn path(text: &str, kind: &str, service: &str) -> String {
        format!("{{path: '{text}', pathType: {kind}, backend: {{service: {{name: {service}, port: {{number: 80}}}}}}}}")
    }

    fn paths(all: &[(&str, &str, &str)]) -> String {
        let all: Vec<String> = all.iter().map(|(text, kind, service)| path(text, kind, service)).collect();
        format!("{{rules: [{{http: {{paths: [{}]}}}}]}}", all.join(","))
    }

    /// The path that carries the terminal, or `-`.
    fn carrier(all: &[(&str, &str, &str)], globs: bool) -> String {
        match of(&paths(all), Some("/cd/terminal"), globs) {
            Some(Way::Carries(carrier)) => carrier.path,
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn a_base_path_moves_the_terminal() {
        for (base, expected) in [("", "/terminal"), ("/", "/terminal"), ("/cd", "/cd/terminal"), ("cd/", "/cd/terminal"), ("/a/b/", "/a/b/terminal")]
        {
            assert_eq!(terminal_path(base), expected, "{base:?}");
        }
    }

    #[test]
    fn a_path_carries_the_terminal_or_it_does_not() {
        for (text, kind, globs, carries) in [
            ("/", "Prefix", false, true),
            ("/cd", "Prefix", false, true),
            ("/cd/", "Prefix", false, true),
            ("/cd/terminal", "Prefix", false, true),
            ("/cd/term", "Prefix", false, false),
            ("/api", "Prefix", false, false),
            ("/", "Exact", false, false),
            ("/cd/terminal", "Exact", false, true),
            ("", "ImplementationSpecific", false, true),
            ("/", "ImplementationSpecific", false, true),
            ("/cd(/|$)(.*)", "ImplementationSpecific", false, true),
            ("/cd(/|$)(.*)", "Prefix", false, true),
            ("/ui(/|$)(.*)", "ImplementationSpecific", false, false),
            ("/", "ImplementationSpecific", true, false),
            ("/*", "ImplementationSpecific", true, true),
            ("/cd/*", "ImplementationSpecific", true, true),
            ("/ui/*", "ImplementationSpecific", true, false),
        ] {
            let seen = carrier(&[(text, kind, "argocd-server")], globs);
            assert_eq!(seen == if text.is_empty() { "/" } else { text }, carries, "{text} {kind} {globs}: {seen}");
        }
    }

    #[test]
    fn the_better_path_wins_whatever_its_place() {
        let (root, deep) = (("/", "Prefix", "argocd-server"), ("/cd/terminal", "Prefix", "wiki"));
        assert_eq!(carrier(&[root, deep], false), "Some(Elsewhere)");
        assert_eq!(carrier(&[deep, root], false), "Some(Elsewhere)");
        assert_eq!(carrier(&[deep, ("/cd/terminal", "Exact", "argocd-server")], false), "/cd/terminal");
        assert_eq!(carrier(&[("/", "Prefix", "wiki"), ("/cd", "Prefix", "argocd-server")], false), "/cd");
        assert_eq!(carrier(&[("/", "Prefix", "wiki")], false), "None", "it does not lead there at all");
    }

    #[test]
    fn a_grpc_backend_takes_grpc_only_and_leaves_the_rest_to_the_next() {
        assert_eq!(carrier(&[("/", "Prefix", "argogrpc"), ("/", "Prefix", "argocd-server")], false), "/");
        assert_eq!(carrier(&[("/", "Prefix", "argogrpc")], false), "Some(GrpcOnly)");
        assert_eq!(carrier(&[("/", "Prefix", "argogrpc"), ("/api", "Prefix", "argocd-server")], false), "Some(Elsewhere)");
    }

    #[test]
    fn one_host_that_carries_it_is_enough_and_the_default_backend_is_what_is_left() {
        let host = |host: &str, p: &str| format!("{{host: {host}, http: {{paths: [{p}]}}}}");
        let spec = format!(
            "{{rules: [{}, {}]}}",
            host("grpc.x", &path("/api", "Prefix", "argocd-server")),
            host("cd.x", &path("/", "Prefix", "argocd-server"))
        );
        assert!(matches!(of(&spec, Some("/terminal"), false), Some(Way::Carries(_))));
        let default = "defaultBackend: {service: {name: argocd-server, port: {name: https}}}";
        assert!(matches!(of(&format!("{{{default}}}"), Some("/terminal"), false), Some(Way::Carries(_))));
        let beside = format!("{{{default}, rules: [{}]}}", host("cd.x", &path("/api", "Prefix", "wiki")));
        assert!(matches!(of(&beside, Some("/terminal"), false), Some(Way::Carries(_))));
        let behind = format!("{{{default}, rules: [{}]}}", host("cd.x", &path("/", "Prefix", "wiki")));
        assert_eq!(of(&behind, Some("/terminal"), false), Some(Way::Elsewhere));
    }

    #[test]
    fn where_the_path_is_not_known_every_path_counts() {
        let spec = paths(&[("/x", "Exact", "wiki"), ("/api", "Exact", "argocd-server")]);
        assert!(matches!(of(&spec, None, false), Some(Way::Carries(Carrier { path, .. })) if path == "/api"));
    }
}
