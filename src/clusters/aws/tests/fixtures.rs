//! A `ClusterAccess` of EKS, and Argo CD's ServiceAccounts.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::api::ClusterAccess;
use crate::api::cluster_aws::Aws;
use crate::clusters::aws::fold::{Hub, ServiceAccount};
use crate::clusters::aws::{Input, Outlook, Seen, ServiceAccounts, outlook};

pub const NAMESPACE: &str = "argocd";
pub const HUB_ROLE: &str = "arn:aws:iam::111111111111:role/argocd-mgmt";
pub const SPOKE_ROLE: &str = "arn:aws:iam::222222222222:role/argocd-spoke-prod";
pub const ISSUER: &str = "https://oidc.eks.eu-west-1.amazonaws.com/id/EXAMPLED539D4633E53DE1B71EXAMPLE";
pub const UID: &str = "5b1f0c9e-0000-4000-8000-000000000001";

/// An object with this at some places of its block `aws` (JSON pointers).
pub fn access(name: &str, changes: &[(&str, Value)]) -> ClusterAccess {
    let mut aws = json!({
        "output": "Text",
        "hub": {"partition": "aws", "accountID": "111111111111", "region": "eu-west-1", "clusterName": "hub", "identity": "PodIdentity", "role": "argocd-mgmt"},
        "spoke": {"accountID": "222222222222", "region": "eu-central-1", "clusterName": name, "role": format!("argocd-spoke-{name}")},
        "mapping": "AccessEntry", "group": format!("argocd-access:{name}"),
    });
    for (pointer, value) in changes {
        let (parent, key) = pointer.rsplit_once('/').unwrap();
        let parent = aws.pointer_mut(parent).unwrap_or_else(|| panic!("no {parent}"));
        parent[key] = value.clone();
    }
    // The first is the oldest.
    let age = name.bytes().map(u32::from).sum::<u32>() % 60;
    serde_json::from_value(json!({
        "apiVersion": "argocd-access.dev/v1alpha1", "kind": "ClusterAccess",
        "metadata": {"name": name, "namespace": NAMESPACE, "uid": format!("uid-{name}"), "creationTimestamp": format!("2026-06-01T08:00:{age:02}Z")},
        "spec": {"server": format!("https://{name}.example:443"), "credentials": {"type": "EKS"}, "permissions": {"namespaces": {"names": ["shop"]}}, "aws": aws},
    }))
    .unwrap()
}

pub fn irsa() -> Vec<(&'static str, Value)> {
    vec![("/hub/identity", json!("IRSA")), ("/hub/oidcIssuer", json!(ISSUER))]
}

pub fn aws(access: &ClusterAccess) -> &Aws {
    access.spec.aws.as_ref().unwrap()
}

/// The three as Argo CD's own manifests name them.
pub fn accounts() -> ServiceAccounts {
    let account = |name: &str| ServiceAccount { name: name.to_owned(), annotations: Some(BTreeMap::new()) };
    ServiceAccounts {
        server: account("argocd-server"),
        application_controller: account("argocd-application-controller"),
        applicationset_controller: account("argocd-applicationset-controller"),
    }
}

/// The same, each with this annotation.
pub fn annotated(key: &str, value: &str) -> ServiceAccounts {
    let mut all = accounts();
    for account in [&mut all.server, &mut all.application_controller, &mut all.applicationset_controller] {
        account.annotations = Some(BTreeMap::from([(key.to_owned(), value.to_owned())]));
    }
    all
}

pub fn hub(changes: &[(&str, Value)]) -> Hub {
    Hub::of(aws(&access("prod", changes)), NAMESPACE, &accounts())
}

/// What one of these objects comes to.
pub fn look(access: &ClusterAccess, all: &[&ClusterAccess], accounts: &ServiceAccounts, seen: &Seen) -> Outlook {
    let stands = all.iter().any(|other| other.metadata.uid == access.metadata.uid);
    outlook(&Input { access, stands, all, unreadable: false, namespace: NAMESPACE, accounts }, seen)
}
