//! What NetworkPolicies let through, as the API says it. Pure.
//!
//! Whether the cluster's network enforces them at all is not known: the API has no word for it.

use std::collections::BTreeMap;

use k8s_openapi::api::networking::v1::{NetworkPolicy, NetworkPolicyIngressRule, NetworkPolicyPeer, NetworkPolicyPort};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::core::{Selector, SelectorExt};

/// Labels.
pub type Labels = BTreeMap<String, String>;

/// From where something comes: a pod of the policies' own namespace.
#[derive(Clone, Copy, Debug)]
pub struct From<'a> {
    /// Its labels.
    pub labels: &'a Labels,
    /// Those of the namespace; `None`: they are not known.
    pub namespace: Option<&'a Labels>,
}

/// Where it goes.
#[derive(Clone, Copy, Debug)]
pub struct To<'a> {
    /// The port of the pod, over TCP.
    pub port: i32,
    /// The ports of the pod that have names.
    pub named: &'a BTreeMap<String, i32>,
}

/// Whether something gets through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Admits {
    /// It does not.
    No,
    /// That depends on what is not known here: an address, or the labels of a namespace.
    Unknown,
    /// It does.
    Yes,
}

/// Whether a policy says which connections pods with these labels get.
#[must_use]
pub fn selects(policy: &NetworkPolicy, labels: &Labels) -> bool {
    let Some(spec) = &policy.spec else { return false };
    // Without a type it is one for what comes in.
    let incoming = spec.policy_types.as_ref().is_none_or(|types| types.is_empty() || types.iter().any(|t| t == "Ingress"));
    incoming && spec.pod_selector.as_ref().is_none_or(|selector| matches(selector, labels))
}

/// Whether a policy that selects the target lets it in. Several add up: the largest answer counts.
#[must_use]
pub fn admits(policy: &NetworkPolicy, from: From<'_>, to: To<'_>) -> Admits {
    let rules = policy.spec.iter().flat_map(|spec| spec.ingress.iter().flatten());
    rules.map(|rule| by_rule(rule, from, to)).max().unwrap_or(Admits::No)
}

fn by_rule(rule: &NetworkPolicyIngressRule, from: From<'_>, to: To<'_>) -> Admits {
    let ports = rule.ports.as_deref().unwrap_or_default();
    if !ports.is_empty() && !ports.iter().any(|port| is_port(port, to)) {
        return Admits::No;
    }
    let peers = rule.from.as_deref().unwrap_or_default();
    if peers.is_empty() {
        return Admits::Yes;
    }
    peers.iter().map(|peer| by_peer(peer, from)).max().unwrap_or(Admits::No)
}

fn is_port(port: &NetworkPolicyPort, to: To<'_>) -> bool {
    if port.protocol.as_deref().is_some_and(|protocol| protocol != "TCP") {
        return false;
    }
    match (&port.port, port.end_port) {
        (None, _) => true,
        (Some(IntOrString::Int(first)), Some(last)) => (*first..=last).contains(&to.port),
        (Some(IntOrString::Int(number)), None) => *number == to.port,
        (Some(IntOrString::String(name)), _) => to.named.get(name) == Some(&to.port),
    }
}

fn by_peer(peer: &NetworkPolicyPeer, from: From<'_>) -> Admits {
    if peer.ip_block.is_some() {
        return Admits::Unknown;
    }
    if peer.pod_selector.as_ref().is_some_and(|selector| !matches(selector, from.labels)) {
        return Admits::No;
    }
    match (&peer.namespace_selector, from.namespace) {
        (None, _) if peer.pod_selector.is_some() => Admits::Yes,
        // A peer that names nothing is none.
        (None, _) => Admits::No,
        (Some(selector), Some(labels)) => {
            if matches(selector, labels) {
                Admits::Yes
            } else {
                Admits::No
            }
        }
        (Some(_), None) => Admits::Unknown,
    }
}

/// A selector that cannot be read selects nothing.
fn matches(selector: &LabelSelector, labels: &Labels) -> bool {
    Selector::try_from(selector.clone()).is_ok_and(|selector| selector.matches(labels))
}
