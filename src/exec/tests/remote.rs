//! Destinations on other clusters.

use serde_json::json;

use super::fixtures::object;
use super::simulator::Sim;

/// A live Application of the project `shop` with this destination (YAML).
fn deploys_to(sim: &mut Sim, name: &str, destination: &str) {
    sim.world.applications.as_mut().unwrap().push(object(&format!(
        "{{apiVersion: argoproj.io/v1alpha1, kind: Application, metadata: {{name: {name}, namespace: argocd}}, spec: {{project: shop, destination: {destination}}}}}"
    )));
}

#[test]
fn each_other_cluster_is_listed_with_its_namespaces_its_identity_and_the_rule() {
    let mut sim = Sim::stock();
    deploys_to(&mut sim, "a", "{name: production, namespace: shop}");
    deploys_to(&mut sim, "b", "{name: production, namespace: jobs}");
    deploys_to(&mut sim, "c", "{server: 'https://10.0.0.1:6443', namespace: shop}");
    sim.grant("team", super::fixtures::SPEC);
    assert_eq!(sim.says("team", "ServerAuthorized"), ("Unknown".to_owned(), "RemoteCluster".to_owned()));
    let message = sim.message("team", "ServerAuthorized");
    for part in ["production (namespace jobs, shop)", "https://10.0.0.1:6443", "secret-type=cluster", "status.server.remote"] {
        assert!(message.contains(part), "{part} in {message}");
    }
    let server = sim.status("team").server.unwrap();
    assert_eq!(server.namespaces.iter().map(|n| n.name.as_str()).collect::<Vec<_>>(), ["shop"], "what is here is still proven");
    let remote: Vec<_> = server.remote.iter().map(|r| (r.cluster.as_str(), r.namespaces.clone())).collect();
    assert_eq!(json!(remote), json!([["production", ["jobs", "shop"]], ["https://10.0.0.1:6443", ["shop"]]]));
    assert!(server.remote[1].identity.contains("data.server is \"https://10.0.0.1:6443\"") && server.remote[1].rule.contains("pods/exec"));
}

#[test]
fn choosing_namespaces_or_the_whole_cluster_proves_nothing_of_another_cluster() {
    for server in ["{namespaces: {names: [shop]}}", "{scope: Cluster}"] {
        let mut sim = Sim::stock();
        deploys_to(&mut sim, "a", "{name: production, namespace: shop}");
        sim.grant("team", &super::fixtures::SPEC.replace("{subjects", &format!("{{server: {server}, subjects")));
        assert_eq!(sim.says("team", "ServerAuthorized").1, "RemoteCluster", "{server}");
    }
}

#[test]
fn what_is_proven_here_says_for_whom() {
    let mut sim = Sim::stock();
    sim.grant("team", super::fixtures::SPEC);
    assert!(sim.message("team", "ServerAuthorized").contains("unless a cluster Secret has credentials for https://kubernetes.default.svc"));
}
