//! The cluster.

use super::fixtures::{STATUS, broken, config_map, id, live, patch};
use crate::explain::{Name, State};

fn deploys_to(destination: &str) -> crate::explain::observed::Live {
    live("argocd", &format!("{{project: shop, destination: {destination}}}"), STATUS)
}

#[test]
fn of_another_cluster_nothing_is_said_but_whose_credential_counts_and_what_it_needs() {
    let link = broken(|_, o| o.application = Ok(Some(deploys_to("{name: prod-eu, namespace: shop}"))));
    assert_eq!((id(&link), link.state), ("destination-remote", State::Unknown));
    assert!(link.fact.contains("data.name is \"prod-eu\""), "{}", link.fact);
    assert!(link.fix.unwrap().notes[0].contains("namespace: shop"));
    for name in [Name::Kubernetes, Name::Admission, Name::Pod] {
        let link = super::fixtures::link(name, |_, o| o.application = Ok(Some(deploys_to("{name: prod-eu, namespace: shop}"))));
        assert_eq!((link.state, link.cause), (State::Unknown, None), "the rights here say nothing of there: {link:?}");
    }
}

#[test]
fn the_own_cluster_may_be_switched_off() {
    let off = |_: &mut _, o: &mut crate::explain::Observed| {
        o.world.argocd_cm = Ok(Some(config_map("argocd-cm", "kubectl", "{exec.enabled: 'true', cluster.inClusterEnabled: 'false'}")));
    };
    let link = broken(off);
    assert_eq!(id(&link), "destination-disabled");
    assert_eq!(patch(&link), serde_json::json!({"data": {"cluster.inClusterEnabled": "true"}}));
}

#[test]
fn no_cluster_is_none() {
    let link = broken(|_, o| o.application = Ok(Some(deploys_to("{namespace: shop}"))));
    assert_eq!((id(&link), link.name), ("destination-none", Name::Destination));
}
