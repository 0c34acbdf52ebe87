//! The chain as a whole.

use super::fixtures::{id, not_seen, walk, with_pod};
use crate::api::Feature;
use crate::explain::{Name, State};

#[test]
fn where_all_is_well_every_link_is_open_for_each_feature_and_there_is_nothing_to_mend() {
    for feature in Feature::ALL {
        let resource = if matches!(feature, Feature::Terminal | Feature::Logs) { "Pod/web-1-0" } else { "apps/Deployment/web" };
        let explanation = walk(resource, feature.as_str(), &[], |_, o| {
            if resource.starts_with("Pod") {
                with_pod(o);
            }
        });
        assert_eq!(explanation.links.iter().map(|l| l.name).collect::<Vec<_>>(), Name::AGENT);
        for link in &explanation.links {
            assert_eq!((link.state, link.cause, &link.fix), (State::Open, None, &None), "{feature:?} {link:?}");
        }
        assert_eq!(explanation.state(), State::Open);
    }
}

#[test]
fn without_any_right_nothing_is_said_to_be_open_or_closed() {
    let explanation = walk("apps/Deployment/web", "Edit", &[], |_, o| {
        o.deployments = not_seen("deployments");
        o.config_maps = not_seen("configmaps");
        o.argocd_cm = not_seen("configmaps");
        o.application = not_seen("applications");
        o.project = not_seen("appprojects");
        o.discovery = not_seen("API resources");
        o.resource = not_seen("the resource or its owners");
        o.accesses = not_seen("liveresourceaccesses");
    });
    assert!(explanation.links.iter().all(|l| l.state == State::Unknown), "{explanation:#?}");
}

#[test]
fn what_may_not_be_read_is_said_and_the_rest_is_judged() {
    type Change = fn(&mut crate::explain::live::Observed);
    let cases: [(Change, Name); 6] = [
        (|o| o.deployments = not_seen("deployments"), Name::Agent),
        (|o| o.config_maps = not_seen("configmaps"), Name::Agent),
        (|o| o.argocd_cm = not_seen("configmaps"), Name::Managed),
        (|o| o.resource = not_seen("the resource or its owners"), Name::Managed),
        (|o| o.application = not_seen("applications"), Name::Application),
        (|o| o.project = not_seen("appprojects"), Name::Project),
    ];
    for (change, name) in cases {
        let explanation = walk("apps/Deployment/web", "Edit", &[], |q, o| {
            // So that the place is known without the Application.
            q.namespace = Some("shop".to_owned());
            change(o);
        });
        let link = explanation.broken().unwrap();
        assert_eq!((link.name, id(link), link.state), (name, "not-readable", State::Unknown), "{link:?}");
        assert!(link.fact.contains("forbidden"), "{}", link.fact);
        assert!(explanation.links.iter().filter(|l| l.state == State::Open).count() >= 3);
    }
}

#[test]
fn that_rights_cannot_be_asked_for_is_unknown_and_names_the_right() {
    let (question, mut observed) = (super::fixtures::question("apps/Deployment/web", "View"), super::fixtures::healthy());
    super::fixtures::answer(&question, &mut observed, &[]);
    for answer in observed.reviews.values_mut() {
        *answer = Err("subjectaccessreviews is forbidden".to_owned());
    }
    let explanation = crate::explain::live::explain(&question, &observed);
    let link = explanation.broken().unwrap();
    assert_eq!((link.name, link.state, id(link)), (Name::Kubernetes, State::Unknown, "not-readable"));
    assert!(link.fact.contains("create subjectaccessreviews"), "{}", link.fact);
}
