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

/// A `ClusterAccess` of that cluster, changed.
fn kept(change: impl FnOnce(&mut serde_json::Value)) -> crate::explain::Explanation {
    let mut access = crate::exec::tests::remote_proof::good();
    access["spec"]["name"] = serde_json::json!("prod-eu");
    change(&mut access);
    super::fixtures::walk(|_, o| {
        o.application = Ok(Some(deploys_to("{name: prod-eu, namespace: shop}")));
        o.world.clusters = Ok(vec![std::sync::Arc::new(serde_json::from_value(access).unwrap())]);
    })
}

fn destination(explanation: &crate::explain::Explanation) -> crate::explain::Link {
    explanation.links.iter().find(|link| link.name == Name::Destination).unwrap().clone()
}

#[test]
fn a_cluster_access_that_proves_the_terminal_is_believed_whoever_needs_it() {
    let link = destination(&kept(|_| ()));
    assert_eq!((link.state, link.cause), (State::Open, None), "{link:?}");
    assert!(link.fact.contains("ClusterAccess prod-eu"), "{}", link.fact);
}

#[test]
fn what_a_cluster_access_keeps_from_terminals_is_mended_by_a_patch_of_it() {
    use serde_json::json;
    type Change = fn(&mut serde_json::Value);
    let cases: [(Change, serde_json::Value); 2] = [
        (|a| a["spec"]["permissions"]["exec"] = json!("Never"), json!([{"op": "add", "path": "/spec/permissions/exec", "value": "Auto"}])),
        (
            |a| a["spec"]["permissions"]["namespaces"] = json!({"names": ["jobs"]}),
            json!([{"op": "add", "path": "/spec/permissions/namespaces/names/-", "value": "shop"}]),
        ),
    ];
    for (change, mends) in cases {
        let explanation = kept(change);
        let link = explanation.broken().unwrap();
        assert_eq!((id(link), link.state), ("cluster-access-refuses", State::Closed), "{link:?}");
        assert_eq!(patch(link), mends);
        assert!(link.fix.as_ref().unwrap().commands[0].contains("clusteraccesses.argocd-access.dev prod-eu"));
    }
}

#[test]
fn what_a_cluster_access_does_not_prove_is_said_with_what_its_status_lacks() {
    use serde_json::json;
    let link = destination(&kept(|a| {
        a["status"]["conditions"][2]["status"] = json!("False");
        a["status"]["conditions"][2]["reason"] = json!("ManagerExpired");
    }));
    assert_eq!((id(&link), link.state), ("cluster-access-unproven", State::Unknown));
    assert!(link.fact.contains("RemoteReachable is False (ManagerExpired)"), "{}", link.fact);
    // Nothing needs a terminal there: to declare it is what binds it.
    let link = destination(&kept(|a| a["status"]["namespaces"][0] = json!({"name": "shop", "deploy": true, "inSecret": true})));
    assert!(link.fact.contains("no ExecAccess in effect needs one"), "{}", link.fact);
    assert!(link.fix.unwrap().commands[0].contains("ExecAccess"));
    let looked = destination(&kept(|a| a["status"]["credential"]["expiresAt"] = json!("2026-06-01T11:00:00Z")));
    assert_eq!(id(&looked), "cluster-access-unproven", "a status that nobody keeps");
}
