//! The agent's way up the owners.

use super::fixtures::{healthy, meta, not_seen, owner, with_pod};
use crate::exec::tests::fixtures::config_map;
use crate::explain::live::owners::{End, line, next, search};

#[test]
fn it_asks_for_each_owner_up_to_the_one_with_the_mark_and_no_further() {
    let mut observed = healthy();
    with_pod(&mut observed);
    observed.owners.insert(owner("apps/v1", "Deployment", "web"), Ok(Some(meta(true, &[("v1", "Service", "above")]))));
    let found = search(&observed);
    assert_eq!(found.asked, [owner("apps/v1", "ReplicaSet", "web-1"), owner("apps/v1", "Deployment", "web")]);
    assert_eq!(found.end, End::Marked(Some(owner("apps/v1", "Deployment", "web"))));
    observed.resource = Ok(Some(meta(true, &[("apps/v1", "ReplicaSet", "web-1")])));
    assert_eq!((search(&observed).asked, search(&observed).end), (Vec::new(), End::Marked(None)));
}

#[test]
fn an_owner_that_was_not_looked_at_is_to_be_and_one_that_is_missing_ends_it() {
    let mut observed = healthy();
    with_pod(&mut observed);
    let deployment = owner("apps/v1", "Deployment", "web");
    observed.owners.remove(&deployment);
    assert_eq!(search(&observed).end, End::Look(deployment.clone()));
    observed.owners.insert(deployment.clone(), Ok(None));
    assert_eq!(search(&observed).end, End::Missing(deployment.clone()));
    observed.owners.insert(deployment, not_seen("owners"));
    assert!(matches!(search(&observed).end, End::NotSeen(_)));
    observed.resource = Ok(Some(meta(false, &[("example.com/v1", "Widget", "w")])));
    assert_eq!(search(&observed).end, End::UnknownKind(owner("example.com/v1", "Widget", "w")));
    // A kind that is not known of a group that is, is passed over.
    observed.resource = Ok(Some(meta(false, &[("apps/v1", "Widget", "w")])));
    assert_eq!((search(&observed).asked, search(&observed).end), (Vec::new(), End::Unmarked));
}

#[test]
fn the_mark_is_what_argocd_cm_of_that_cluster_says() {
    let mut labelled = meta(false, &[]);
    labelled.labels = Some([("app.kubernetes.io/instance".to_owned(), String::new())].into());
    let mut by_own = meta(false, &[]);
    by_own.labels = Some([("example.com/app".to_owned(), "x".to_owned())].into());
    for (settings, resource, marked) in [
        ("{}", meta(true, &[]), true),
        ("{}", labelled.clone(), false),
        ("{application.resourceTrackingMethod: annotation+label}", meta(true, &[]), true),
        ("{application.resourceTrackingMethod: annotation+label}", labelled.clone(), false),
        ("{application.resourceTrackingMethod: label}", labelled, true),
        ("{application.resourceTrackingMethod: label}", meta(true, &[]), false),
        ("{application.resourceTrackingMethod: label, application.instanceLabelKey: example.com/app}", by_own, true),
    ] {
        let mut observed = healthy();
        observed.argocd_cm = Ok(Some(config_map("argocd-cm", "kubectl", settings)));
        observed.resource = Ok(Some(resource));
        assert_eq!(search(&observed).end, if marked { End::Marked(None) } else { End::Unmarked }, "{settings}");
    }
    let mut observed = healthy();
    observed.argocd_cm = Ok(Some(config_map("argocd-cm", "kubectl", "{application.resourceTrackingMethod: labels}")));
    assert!(matches!(search(&observed).end, End::Untold(why) if why.contains("labels")));
}

#[test]
fn at_the_fifth_owner_it_ends_whatever_that_carries_also_where_they_own_each_other() {
    let mut observed = healthy();
    observed.resource = Ok(Some(meta(false, &[("v1", "ConfigMap", "c0")])));
    for i in 0..6 {
        let above = meta(i == 5, &[("v1", "ConfigMap", &format!("c{}", i + 1))]);
        observed.owners.insert(owner("v1", "ConfigMap", &format!("c{i}")), Ok(Some(above)));
    }
    assert_eq!(search(&observed).end, End::Deep);
    observed.owners.insert(owner("v1", "ConfigMap", "c4"), Ok(Some(meta(true, &[]))));
    assert_eq!(search(&observed).end, End::Deep, "the fifth");
    observed.owners.insert(owner("v1", "ConfigMap", "c3"), Ok(Some(meta(true, &[]))));
    assert_eq!(search(&observed).end, End::Marked(Some(owner("v1", "ConfigMap", "c3"))), "the fourth");
    observed.owners.insert(owner("v1", "ConfigMap", "c0"), Ok(Some(meta(false, &[("v1", "ConfigMap", "c0")]))));
    assert_eq!(search(&observed).end, End::Deep);
    // Many owners at each step are not followed for ever.
    let all: Vec<(&str, &str, &str)> = vec![("v1", "ConfigMap", "c0"); 9];
    observed.owners.insert(owner("v1", "ConfigMap", "c0"), Ok(Some(meta(false, &all))));
    assert!(matches!(search(&observed).end, End::Untold(_) | End::Deep));
}

#[test]
fn what_is_in_git_is_looked_for_beyond_a_mark_that_was_copied() {
    let mut observed = healthy();
    with_pod(&mut observed);
    let (replicas, deployment) = (owner("apps/v1", "ReplicaSet", "web-1"), owner("apps/v1", "Deployment", "web"));
    observed.owners.insert(replicas.clone(), Ok(Some(meta(true, &[("apps/v1", "Deployment", "web")]))));
    assert_eq!(search(&observed).asked, std::slice::from_ref(&replicas), "the agent ends there");
    assert_eq!(line(&observed).seen, [replicas.clone(), deployment.clone()]);
    let question = super::fixtures::question("Pod/web-1-0", "View");
    assert_eq!(next(&question, &observed), None);
    observed.owners.remove(&deployment);
    assert_eq!(next(&question, &observed), Some(deployment));
    assert_eq!(next(&super::fixtures::question("apps/Deployment/web", "View"), &observed), None, "it is in Git itself");
    observed.resource = not_seen("the resource");
    assert!(line(&observed).hidden);
}
