//! What is declared in these tests: the examples, changed at some places.

use std::collections::BTreeMap;

use argocd_access::api::ClusterAccess;
use argocd_access::clusters::aws::fold::{ServiceAccount, ServiceAccounts};
use argocd_access::clusters::aws::{Hub, Input, Outlook, Seen, outlook};
use serde_json::Value;

use crate::support::tools;

/// The namespace of Argo CD.
pub const NAMESPACE: &str = "argocd";

/// An example, with these places changed (JSON pointers), as the API server would have it.
pub fn example(file: &str, changes: &[(&str, Value)]) -> ClusterAccess {
    let text = std::fs::read_to_string(tools::repository().join("examples").join(file)).unwrap();
    let mut object: Value = serde_yaml::from_str(&text).unwrap();
    object["metadata"]["uid"] = "5b1f0c9e-0000-4000-8000-000000000001".into();
    for (pointer, value) in changes {
        let (parent, key) = pointer.rsplit_once('/').unwrap();
        object.pointer_mut(parent).unwrap_or_else(|| panic!("no {parent}"))[key] = value.clone();
    }
    serde_json::from_value(object).unwrap()
}

/// Argo CD's ServiceAccounts, each with these annotations.
pub fn accounts(annotations: &[(&str, &str)]) -> ServiceAccounts {
    let annotations: BTreeMap<String, String> = annotations.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    let account = |name: &str| ServiceAccount { name: name.to_owned(), annotations: Some(annotations.clone()) };
    ServiceAccounts {
        server: account("argocd-server"),
        application_controller: account("argocd-application-controller"),
        applicationset_controller: account("argocd-applicationset-controller"),
    }
}

/// The hub that it declares.
pub fn hub(access: &ClusterAccess) -> Hub {
    Hub::of(access.spec.aws.as_ref().unwrap(), NAMESPACE, &accounts(&[]))
}

/// What it comes to.
pub fn look(access: &ClusterAccess, accounts: &ServiceAccounts, seen: &Seen) -> Outlook {
    outlook(&Input { access, stands: true, all: &[access], unreadable: false, namespace: NAMESPACE, accounts }, seen)
}

/// The documents as text.
pub fn documents(access: &ClusterAccess) -> BTreeMap<String, String> {
    look(access, &accounts(&[]), &Seen::default()).config_map.expect("documents")
}
