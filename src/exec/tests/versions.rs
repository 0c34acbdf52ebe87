//! What follows from the versions that are found.

use super::fixtures::{SPEC, server};
use super::simulator::{Sim, rbac_cm};

fn runs(sim: &mut Sim, version: &str, elsewhere: bool) {
    let container = if elsewhere { "env: [{name: ARGOCD_APPLICATION_NAMESPACES, value: '*'}]" } else { "" };
    let mut deployment = server("argocd-server", container);
    let pod = std::sync::Arc::make_mut(&mut deployment).spec.as_mut().unwrap().template.spec.as_mut().unwrap();
    pod.containers[0].image = Some(format!("quay.io/argoproj/argocd:{version}"));
    sim.world.deployments = Ok(vec![deployment]);
}

#[test]
fn versions_that_are_too_old_are_not_served_and_lose_what_they_had() {
    for (argocd, kubernetes) in [("v2.12.3", "v1.36.3"), ("v3.2.11", "v1.29.4")] {
        let mut sim = Sim::stock();
        sim.grant("team", SPEC);
        runs(&mut sim, argocd, false);
        sim.world.kubernetes_version = Some(kubernetes.to_owned());
        sim.settle();
        assert_eq!(sim.says("team", "Accepted"), ("False".to_owned(), "Unsupported".to_owned()));
        assert!(sim.message("team", "Accepted").contains("is too old"));
        assert!(!sim.data(&rbac_cm()).contains_key("policy.argocd-access.team.csv") && sim.bound().is_empty());
    }
}

#[test]
fn a_version_that_is_not_known_is_served() {
    let mut sim = Sim::stock();
    runs(&mut sim, "latest", false);
    sim.world.kubernetes_version = None;
    sim.grant("team", SPEC);
    assert_eq!(sim.says("team", "Accepted").0, "True");
}

#[test]
fn a_terminal_tab_that_stays_hidden_is_told_and_the_short_form_is_never_written() {
    let spec = SPEC.replace("{project: shop}", "{project: shop, name: api-1, namespace: team}");
    for (version, elsewhere, told) in [("v3.4.3", true, true), ("v3.4.4", true, false), ("v3.4.3", false, false)] {
        let mut sim = Sim::stock();
        runs(&mut sim, version, elsewhere);
        sim.grant("team", &spec);
        assert_eq!(sim.message("team", "PolicyApplied").contains("shows the Terminal tab"), told, "{version} {elsewhere}");
        let text = sim.data(&rbac_cm())["policy.argocd-access.team.csv"].clone();
        assert!(text.contains("shop/team/api-1, allow") && !text.contains("shop/api-1"), "{text}");
    }
    // Nothing is to be told of one in the instance's own namespace.
    let mut sim = Sim::stock();
    runs(&mut sim, "v3.4.3", true);
    sim.grant("team", SPEC);
    assert!(!sim.message("team", "PolicyApplied").contains("Terminal tab"));
}
