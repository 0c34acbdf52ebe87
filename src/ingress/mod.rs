//! What a terminal needs from the Ingress controller in front of argocd-server: one file per controller. Pure.
//!
//! A WebSocket must be let through, and an idle one must last. Sources: `facts` of each controller, cited in its file.

use std::collections::BTreeMap;

use k8s_openapi::api::networking::v1::{Ingress, IngressClass};

use crate::ownership::Record;

pub mod f5_nginx;
pub mod ingress_nginx;

/// A controller that we know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Controller {
    /// The community's ingress-nginx.
    IngressNginx,
    /// F5's NGINX Ingress Controller.
    F5Nginx,
}

/// What one annotation must say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Want {
    /// Exactly this text.
    Text(String),
    /// A time of at least so many seconds, written with this unit behind the number.
    Seconds {
        /// The least.
        least: u64,
        /// The unit that is written, such as `s`, or nothing.
        unit: &'static str,
    },
    /// A comma-separated list that holds this element (or these, separated by commas); the others stay.
    Listed(String),
}

/// One annotation that a terminal needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requirement {
    /// The annotation's key.
    pub key: String,
    /// What it must say.
    pub want: Want,
}

/// Which controller serves an Ingress.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Served {
    /// One that we know.
    By(Controller, String),
    /// One that we do not know: how it was named.
    Unknown(String),
}

/// The annotation that named the class before `spec.ingressClassName` existed.
const CLASS_ANNOTATION: &str = "kubernetes.io/ingress.class";
/// Marks the IngressClass of Ingresses that name none.
const DEFAULT_CLASS: &str = "ingressclass.kubernetes.io/is-default-class";

/// Finds the controller of an Ingress: by its IngressClass, by the old annotation, or by the cluster's default class.
#[must_use]
pub fn served_by<'a>(ingress: &Ingress, classes: impl IntoIterator<Item = &'a IngressClass>) -> Served {
    let classes: BTreeMap<&str, &IngressClass> = classes.into_iter().filter_map(|c| Some((c.metadata.name.as_deref()?, c))).collect();
    let named = ingress.spec.as_ref().and_then(|s| s.ingress_class_name.as_deref());
    let annotated = ingress.metadata.annotations.as_ref().and_then(|a| a.get(CLASS_ANNOTATION)).map(String::as_str);
    let is_default = |c: &IngressClass| c.metadata.annotations.as_ref().is_some_and(|a| a.get(DEFAULT_CLASS).is_some_and(|v| v == "true"));
    let by_default = || classes.values().find(|c| is_default(c)).and_then(|c| c.metadata.name.as_deref());
    let Some(name) = named.or(annotated).or_else(by_default) else { return Served::Unknown("(no ingress class)".to_owned()) };
    match classes.get(name).and_then(|c| c.spec.as_ref()).and_then(|s| s.controller.as_deref()) {
        Some(controller) => {
            by_controller(controller).map_or_else(|| Served::Unknown(controller.to_owned()), |c| Served::By(c, controller.to_owned()))
        }
        // The old annotation needs no IngressClass object; `nginx` has always meant the community's controller there.
        None if named.is_none() && name == "nginx" => Served::By(Controller::IngressNginx, ingress_nginx::CONTROLLER.to_owned()),
        None => Served::Unknown(format!("class {name:?}, of which there is no IngressClass")),
    }
}

fn by_controller(controller: &str) -> Option<Controller> {
    match controller {
        ingress_nginx::CONTROLLER => Some(Controller::IngressNginx),
        f5_nginx::CONTROLLER => Some(Controller::F5Nginx),
        _ => None,
    }
}

/// What a terminal to this Service needs, for connections that may be idle for `seconds`.
#[must_use]
pub fn requirements(controller: Controller, service: &str, seconds: u64) -> Vec<Requirement> {
    match controller {
        Controller::IngressNginx => ingress_nginx::requirements(service, seconds),
        Controller::F5Nginx => f5_nginx::requirements(service, seconds),
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

/// The Services that an Ingress leads to.
pub fn backends(ingress: &Ingress) -> impl Iterator<Item = &str> {
    let spec = ingress.spec.as_ref();
    let default = spec.and_then(|s| s.default_backend.as_ref());
    let paths = spec.into_iter().flat_map(|s| s.rules.iter().flatten()).flat_map(|r| r.http.iter()).flat_map(|h| h.paths.iter()).map(|p| &p.backend);
    default.into_iter().chain(paths).filter_map(|b| b.service.as_ref()).map(|s| s.name.as_str())
}

impl Want {
    /// The value to write over `current`; `None` when `current` is good as it is.
    #[must_use]
    pub fn over(&self, current: Option<&str>) -> Option<String> {
        match self {
            Self::Text(text) => (current != Some(text)).then(|| text.clone()),
            Self::Seconds { least, unit } => {
                let enough = current.and_then(seconds).is_some_and(|s| s >= *least);
                (!enough).then(|| format!("{least}{unit}"))
            }
            Self::Listed(wanted) => {
                let mut listed: Vec<&str> = elements(current).collect();
                let there = listed.len();
                for element in elements(Some(wanted)) {
                    if !listed.contains(&element) {
                        listed.push(element);
                    }
                }
                (listed.len() > there).then(|| listed.join(","))
            }
        }
    }
}

/// What we remember of a list-valued annotation, after somebody else added to it or took from it: our element is still ours alone.
/// Other values are remembered as they were.
#[must_use]
pub fn follow(key: &str, record: &Record, current: Option<&str>) -> Record {
    if !is_list(key) || current == Some(record.ours.as_str()) {
        return record.clone();
    }
    let before: Vec<&str> = elements(record.before.as_deref()).collect();
    let added: Vec<&str> = elements(Some(&record.ours)).filter(|e| !before.contains(e)).collect();
    let Some(current) = current.filter(|c| added.iter().all(|a| elements(Some(c)).any(|e| e == *a))) else { return record.clone() };
    let rest: Vec<&str> = elements(Some(current)).filter(|e| !added.contains(e)).collect();
    Record { before: (!rest.is_empty()).then(|| rest.join(",")), ours: current.to_owned(), at: record.at.clone(), lost: record.lost }
}

/// Whether the annotation is a comma-separated list of Services.
#[must_use]
pub fn is_list(key: &str) -> bool {
    key.ends_with("/websocket-services")
}

fn elements(list: Option<&str>) -> impl Iterator<Item = &str> {
    list.unwrap_or_default().split(',').map(str::trim).filter(|e| !e.is_empty())
}

/// Reads nginx's times: a number of seconds, or numbers with the units h, m and s.
fn seconds(text: &str) -> Option<u64> {
    let text = text.trim();
    if let Ok(number) = text.parse() {
        return Some(number);
    }
    parse_duration(text)
}

/// Reads hours, minutes and seconds in this order, such as `1h`, `90m` or `1h30m`, into seconds.
#[must_use]
pub fn parse_duration(text: &str) -> Option<u64> {
    let mut rest = text;
    let mut total = 0_u64;
    for (unit, factor) in [('h', 3600), ('m', 60), ('s', 1)] {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let (number, tail) = rest.split_at(digits);
        if let Some(tail) = tail.strip_prefix(unit) {
            total = total.checked_add(number.parse::<u64>().ok()?.checked_mul(factor)?)?;
            rest = tail;
        }
    }
    (rest.is_empty() && !text.is_empty()).then_some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ingress(spec: &serde_json::Value) -> Ingress {
        serde_json::from_value(serde_json::json!({"metadata": {"name": "web"}, "spec": spec})).unwrap()
    }

    fn class(name: &str, controller: &str) -> IngressClass {
        serde_json::from_value(serde_json::json!({"metadata": {"name": name}, "spec": {"controller": controller}})).unwrap()
    }

    #[test]
    fn the_controller_counts_not_the_name_of_the_class() {
        let classes = [class("nginx", "nginx.org/ingress-controller"), class("public", "k8s.io/ingress-nginx")];
        let served = |name: &str| served_by(&ingress(&serde_json::json!({"ingressClassName": name})), &classes);
        assert!(matches!(served("nginx"), Served::By(Controller::F5Nginx, _)));
        assert!(matches!(served("public"), Served::By(Controller::IngressNginx, _)));
        assert!(matches!(served("none"), Served::Unknown(_)));
    }

    #[test]
    fn a_list_is_merged_and_only_our_element_leaves_it() {
        let want = Want::Listed("argocd-server".to_owned());
        assert_eq!(want.over(Some("a, b")).as_deref(), Some("a,b,argocd-server"));
        assert_eq!(want.over(Some("a,argocd-server")), None);
        let record = Record { before: Some("a".to_owned()), ours: "a,argocd-server".to_owned(), ..Record::default() };
        let followed = |current| follow("nginx.org/websocket-services", &record, current);
        assert_eq!(followed(Some("a,argocd-server,c")).before.as_deref(), Some("a,c"));
        assert_eq!(followed(Some("argocd-server")).before, None);
        assert_eq!(followed(Some("b")), record, "our element is gone: somebody else's value stands");
    }

    #[test]
    fn a_longer_time_is_left_alone() {
        let want = Want::Seconds { least: 3600, unit: "s" };
        for (current, expected) in [
            (Some("7200"), None),
            (Some("2h"), None),
            (Some("1h30m"), None),
            (Some("60"), Some("3600s")),
            (Some("x"), Some("3600s")),
            (None, Some("3600s")),
        ] {
            assert_eq!(want.over(current).as_deref(), expected, "{current:?}");
        }
    }

    #[test]
    fn durations_are_hours_minutes_seconds_in_this_order() {
        for (text, expected) in [
            ("1h", Some(3600)),
            ("90m", Some(5400)),
            ("1h30m5s", Some(5405)),
            ("", None),
            ("1", None),
            ("5m1h", None),
            ("h", None),
            ("99999999999999999999h", None),
        ] {
            assert_eq!(parse_duration(text), expected, "{text:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn what_a_want_writes_satisfies_it(current in proptest::option::of("[a-z0-9, ]{0,12}"), element in "[a-z]{1,5}", least in 1u64..100_000) {
            for want in [Want::Listed(element.clone()), Want::Seconds { least, unit: "s" }, Want::Text(element.clone())] {
                if let Some(value) = want.over(current.as_deref()) {
                    proptest::prop_assert_eq!(want.over(Some(&value)), None);
                }
            }
        }
    }
}
