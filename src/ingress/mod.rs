//! What a terminal needs from whatever stands in front of argocd-server: one file per Ingress controller, and one for Gateways. Pure.
//!
//! A WebSocket must be let through, its path must lead to argocd-server, and an idle one must last. Each file cites its sources.

use std::collections::BTreeMap;

use k8s_openapi::api::networking::v1::{Ingress, IngressClass};

pub mod agic;
pub mod aws_alb;
pub mod contour;
pub mod f5_nginx;
pub mod gateway;
pub mod gce;
pub mod haproxy_ingress;
pub mod haproxy_tech;
pub mod ingress_nginx;
pub mod istio;
pub mod routes;
pub mod traefik;
pub mod want;

pub use want::{Time, Want, follow, is_list, parse_duration};

/// What there is to know of one controller.
#[derive(Clone, Copy, Debug)]
pub struct Profile {
    /// What people call it.
    pub name: &'static str,
    /// Its names in an IngressClass; one that ends in `/` is the beginning of further ones.
    pub controllers: &'static [&'static str],
    /// How the old annotation of an Ingress names it, where there is no IngressClass of that name.
    pub classes: &'static [&'static str],
    /// Whether a path of type `ImplementationSpecific` is an exact one unless it holds `*`.
    pub globs: bool,
    /// The annotations without which it passes no WebSocket at all.
    pub essential: &'static [&'static str],
    /// What a terminal needs from it.
    pub needs: fn(&Ask<'_>) -> Needs,
    /// Whether it speaks to this backend in a way that carries gRPC and no WebSocket.
    pub grpc: fn(&routes::Backend<'_>) -> bool,
    /// What to add for the reference.
    pub note: &'static str,
}

/// What is asked of a controller.
#[derive(Clone, Copy, Debug)]
pub struct Ask<'a> {
    /// The annotations of the Ingress.
    pub annotations: Option<&'a BTreeMap<String, String>>,
    /// argocd-server's Service.
    pub service: &'a str,
    /// The path that leads a terminal there, as the Ingress has it.
    pub path: &'a str,
    /// How long an idle connection is to last.
    pub seconds: u64,
}

impl Ask<'_> {
    /// An annotation of the Ingress.
    #[must_use]
    pub fn annotation(&self, key: &str) -> Option<&str> {
        self.annotations?.get(key).map(String::as_str)
    }
}

/// One annotation that a terminal needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requirement {
    /// The annotation's key.
    pub key: String,
    /// What it must say.
    pub want: Want,
}

/// What a terminal needs from a controller. Nothing at all: it lets terminals through as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// Annotations of the Ingress.
    pub annotations: Vec<Requirement>,
    /// The time-out of the Service's `BackendConfig`.
    pub backend_config: bool,
    /// What only a person can see to, and where.
    pub by_people: Option<String>,
}

impl Needs {
    fn annotations<const N: usize>(annotations: [Requirement; N]) -> Self {
        Self { annotations: annotations.into(), ..Self::default() }
    }

    fn by_people(what: String) -> Self {
        Self { by_people: Some(what), ..Self::default() }
    }
}

/// A controller that we know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Controller {
    /// The community's ingress-nginx.
    IngressNginx,
    /// F5's NGINX Ingress Controller.
    F5Nginx,
    /// AWS Load Balancer Controller, for an Application Load Balancer.
    AwsAlb,
    /// Traefik.
    Traefik,
    /// HAProxy Technologies' controller.
    HaproxyTech,
    /// HAProxy Ingress.
    HaproxyIngress,
    /// Contour.
    Contour,
    /// Google Cloud's controller.
    Gce,
    /// Azure's Application Gateway controller.
    Agic,
    /// Istio.
    Istio,
}

impl Controller {
    /// All of them, in the order of the reference.
    pub const ALL: [Self; 10] = [
        Self::IngressNginx,
        Self::F5Nginx,
        Self::AwsAlb,
        Self::Traefik,
        Self::HaproxyTech,
        Self::HaproxyIngress,
        Self::Contour,
        Self::Gce,
        Self::Agic,
        Self::Istio,
    ];

    /// What there is to know of it.
    #[must_use]
    pub const fn profile(self) -> &'static Profile {
        match self {
            Self::IngressNginx => &ingress_nginx::PROFILE,
            Self::F5Nginx => &f5_nginx::PROFILE,
            Self::AwsAlb => &aws_alb::PROFILE,
            Self::Traefik => &traefik::PROFILE,
            Self::HaproxyTech => &haproxy_tech::PROFILE,
            Self::HaproxyIngress => &haproxy_ingress::PROFILE,
            Self::Contour => &contour::PROFILE,
            Self::Gce => &gce::PROFILE,
            Self::Agic => &agic::PROFILE,
            Self::Istio => &istio::PROFILE,
        }
    }

    fn by_name(controller: &str) -> Option<Self> {
        let is = |name: &str| if name.ends_with('/') { controller.starts_with(name) } else { controller == name };
        Self::ALL.into_iter().find(|c| c.profile().controllers.iter().any(|name| is(name)))
    }
}

/// Which controller serves an Ingress.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Served {
    /// One that we know, and how it is named.
    By(Controller, String),
    /// One that we do not know: how it was named.
    Unknown(String),
}

/// The annotation that named the class before `spec.ingressClassName` existed.
const CLASS_ANNOTATION: &str = "kubernetes.io/ingress.class";
/// Marks the IngressClass of Ingresses that name none.
const DEFAULT_CLASS: &str = "ingressclass.kubernetes.io/is-default-class";

/// Finds the controller of an Ingress: by its IngressClass, by the old annotation, by the cluster's default class, or by where the cluster
/// runs (Kubernetes' version says it).
#[must_use]
pub fn served_by<'a>(ingress: &Ingress, classes: impl IntoIterator<Item = &'a IngressClass>, kubernetes: Option<&str>) -> Served {
    let classes: BTreeMap<&str, &IngressClass> = classes.into_iter().filter_map(|c| Some((c.metadata.name.as_deref()?, c))).collect();
    let named = ingress.spec.as_ref().and_then(|s| s.ingress_class_name.as_deref());
    let annotated = ingress.metadata.annotations.as_ref().and_then(|a| a.get(CLASS_ANNOTATION)).map(String::as_str);
    let is_default = |c: &IngressClass| c.metadata.annotations.as_ref().is_some_and(|a| a.get(DEFAULT_CLASS).is_some_and(|v| v == "true"));
    let by_default = || classes.values().find(|c| is_default(c)).and_then(|c| c.metadata.name.as_deref());
    let Some(name) = named.or(annotated).or_else(by_default) else {
        let on_gke = kubernetes.is_some_and(|v| v.contains("-gke."));
        return if on_gke {
            Served::By(Controller::Gce, "GKE, for an Ingress without a class".to_owned())
        } else {
            Served::Unknown("(no ingress class)".to_owned())
        };
    };
    match classes.get(name).and_then(|c| c.spec.as_ref()).and_then(|s| s.controller.as_deref()) {
        Some(controller) => {
            Controller::by_name(controller).map_or_else(|| Served::Unknown(controller.to_owned()), |c| Served::By(c, controller.to_owned()))
        }
        // The old annotation needs no IngressClass object.
        None if named.is_none() => by_annotation(name),
        None => Served::Unknown(format!("class {name:?}, of which there is no IngressClass")),
    }
}

fn by_annotation(class: &str) -> Served {
    let meant: Vec<Controller> = Controller::ALL.into_iter().filter(|c| c.profile().classes.contains(&class)).collect();
    match meant.as_slice() {
        [one] => Served::By(*one, one.profile().controllers.first().map_or_else(|| class.to_owned(), |c| (*c).to_owned())),
        [] => Served::Unknown(format!("class {class:?}, of which there is no IngressClass")),
        many => {
            let names: Vec<&str> = many.iter().map(|c| c.profile().name).collect();
            Served::Unknown(format!("class {class:?}, of which there is no IngressClass, so that it may be {}", names.join(" or ")))
        }
    }
}

/// The annotations that `spec.ingress.annotations` may set: time-outs and WebSocket switches, and nothing that routes, authenticates or
/// injects configuration.
pub const ALLOWED: &[&str] = &[
    "nginx.ingress.kubernetes.io/proxy-connect-timeout",
    "nginx.ingress.kubernetes.io/proxy-read-timeout",
    "nginx.ingress.kubernetes.io/proxy-send-timeout",
    "nginx.ingress.kubernetes.io/websocket-services",
    "nginx.org/proxy-connect-timeout",
    "nginx.org/proxy-read-timeout",
    "nginx.org/proxy-send-timeout",
    "nginx.org/websocket-services",
    "haproxy.org/timeout-tunnel",
    "haproxy-ingress.github.io/timeout-tunnel",
    "projectcontour.io/response-timeout",
    "projectcontour.io/websocket-routes",
    "appgw.ingress.kubernetes.io/request-timeout",
];

/// Every annotation that may be ours. The attributes of an ALB hold much more than a time-out, so that no `ExecAccess` may name them.
pub fn ours() -> impl Iterator<Item = &'static str> {
    ALLOWED.iter().copied().chain([aws_alb::ATTRIBUTES])
}

#[cfg(test)]
mod tests;
