//! The chain as a whole.

use super::fixtures::{broken, id, not_seen, walk};
use crate::explain::{Name, State};

#[test]
fn where_all_is_well_every_link_is_open_and_there_is_nothing_to_mend() {
    let explanation = walk(|_, _| {});
    let names: Vec<Name> = explanation.links.iter().map(|l| l.name).collect();
    assert_eq!(names, Name::TERMINAL);
    for link in &explanation.links {
        assert_eq!((link.state, link.cause, &link.fix), (State::Open, None, &None), "{link:?}");
    }
    assert_eq!(explanation.state(), State::Open);
}

#[test]
fn what_may_not_be_read_is_unknown_and_says_so_and_never_ends_the_walk() {
    let explanation = walk(|_, o| o.world.rbac_cm = not_seen("configmaps"));
    assert_eq!(explanation.state(), State::Unknown);
    let link = explanation.broken().unwrap();
    assert_eq!((link.name, id(link)), (Name::Policy, "not-readable"));
    assert!(link.fact.contains("configmaps cannot be read: forbidden"), "{}", link.fact);
    assert_eq!(explanation.links.iter().filter(|l| l.state == State::Open).count(), 8);
}

#[test]
fn without_any_right_everything_is_unknown() {
    let explanation = walk(|_, o| {
        o.world.argocd_cm = not_seen("configmaps");
        o.world.rbac_cm = not_seen("configmaps");
        o.world.params_cm = not_seen("configmaps");
        o.world.deployments = not_seen("deployments");
        o.world.services = not_seen("services");
        o.world.ingresses = not_seen("ingresses");
        o.world.projects = not_seen("appprojects");
        o.application = not_seen("applications");
        o.policies = not_seen("validatingadmissionpolicies");
        o.pods = not_seen("pods");
    });
    // Of versions nothing is needed.
    assert!(explanation.links.iter().all(|l| l.state == State::Unknown || l.name == Name::Versions), "{explanation:#?}");
    assert_eq!(explanation.state(), State::Unknown);
}

#[test]
fn the_first_closed_link_is_what_is_to_be_mended_whatever_is_unknown_before_it() {
    let link = broken(|_, o| {
        o.world.argocd_cm = not_seen("configmaps");
        o.review = super::fixtures::review(true, true, false);
        o.pods = Ok(Vec::new());
    });
    assert_eq!(link.name, Name::Kubernetes);
}
