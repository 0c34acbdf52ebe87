//! Which Service a host name means, and whether it leads to certain pods. Pure.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::core::v1::{Service, ServicePort};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

/// The name of the Service of this namespace that a host name means in a cluster: `name`, `name.namespace`, `name.namespace.svc` or the same
/// with the cluster's domain. `None`: it means something else.
#[must_use]
pub fn name_of<'a>(host: &'a str, namespace: &str) -> Option<&'a str> {
    let mut labels = host.split('.');
    let name = labels.next().filter(|name| !name.is_empty())?;
    match (labels.next(), labels.next()) {
        (None, _) => Some(name),
        (Some(of), None | Some("svc")) if of == namespace => Some(name),
        _ => None,
    }
}

/// The Service that a host name means.
#[must_use]
pub fn of_host<'a>(services: &'a [Arc<Service>], host: &str, namespace: &str) -> Option<&'a Service> {
    let name = name_of(host, namespace)?;
    services.iter().find(|s| s.metadata.name.as_deref() == Some(name)).map(AsRef::as_ref)
}

/// Whether it leads to pods with these labels.
#[must_use]
pub fn leads_to(service: &Service, labels: &BTreeMap<String, String>) -> bool {
    let selector = service.spec.as_ref().and_then(|s| s.selector.as_ref());
    selector.is_some_and(|s| !s.is_empty() && s.iter().all(|(k, v)| labels.get(k) == Some(v)))
}

/// Its port of this number.
#[must_use]
pub fn port(service: &Service, number: u16) -> Option<&ServicePort> {
    service.spec.as_ref()?.ports.iter().flatten().find(|p| p.port == i32::from(number))
}

/// The port of the pods to which one of its ports leads. `named`: the ports of their containers that have names.
#[must_use]
pub fn target(port: &ServicePort, named: &BTreeMap<String, i32>) -> Option<i32> {
    match &port.target_port {
        None => Some(port.port),
        Some(IntOrString::Int(number)) => Some(*number),
        Some(IntOrString::String(name)) => named.get(name).copied().or_else(|| name.parse().ok()),
    }
}
