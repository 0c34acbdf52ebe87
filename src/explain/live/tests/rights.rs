//! What each feature takes, as argocd-agent's requests are, and which cause a missing right is.

use super::fixtures::{healthy, id, link, question, walk, with_pod};
use crate::explain::live::owners::search;
use crate::explain::live::rights::{needed, show};
use crate::explain::{Name, State};

#[test]
fn each_feature_takes_what_the_agents_request_takes_and_no_more() {
    for (resource, feature, expected) in [
        ("apps/Deployment/web", "View", &["get deployments.apps web"][..]),
        ("apps/Deployment/web", "Events", &["list events"]),
        ("apps/Deployment/web", "Logs", &["get pods/log"]),
        ("apps/Deployment/web", "Edit", &["get deployments.apps web", "patch deployments.apps web"]),
        ("apps/Deployment/web", "Actions", &["get deployments.apps web", "patch deployments.apps web"]),
        (
            "argoproj.io/Rollout/web",
            "Actions",
            &["get rollouts.argoproj.io web", "patch rollouts.argoproj.io web", "patch rollouts/status.argoproj.io web"],
        ),
        ("apps/Deployment/web", "Delete", &["get deployments.apps web", "delete deployments.apps web"]),
        ("Pod/web-1-0", "View", &["get pods web-1-0", "get replicasets.apps web-1", "get deployments.apps web"]),
        ("Pod/web-1-0", "Logs", &["get pods/log web-1-0"]),
        (
            "Pod/web-1-0",
            "Terminal",
            &["get pods web-1-0", "get replicasets.apps web-1", "get deployments.apps web", "get pods/exec web-1-0", "create pods/exec web-1-0"],
        ),
    ] {
        let mut observed = healthy();
        if resource.starts_with("Pod") {
            with_pod(&mut observed);
        }
        let needs = needed(&question(resource, feature), &observed, &search(&observed));
        assert_eq!(needs.iter().map(|need| show(&need.asked)).collect::<Vec<_>>(), expected, "{resource} {feature}");
        assert!(needs.iter().all(|need| need.asked.namespace == "shop"), "{needs:?}");
    }
    let cluster = needed(&question("Namespace/shop", "View"), &healthy(), &search(&healthy()));
    assert_eq!((cluster.len(), cluster[0].asked.namespace.as_str()), (1, ""));
}

#[test]
fn each_missing_right_is_a_cause_of_its_own() {
    for (resource, feature, denied, expected) in [
        ("apps/Deployment/web", "View", "get deployments.apps web", "live-kubernetes-get"),
        ("apps/Deployment/web", "Edit", "patch deployments.apps web", "live-kubernetes-change"),
        ("apps/Deployment/web", "Delete", "delete deployments.apps web", "live-kubernetes-change"),
        ("apps/Deployment/web", "Events", "list events", "live-kubernetes-events"),
        ("Pod/web-1-0", "Logs", "get pods/log web-1-0", "live-kubernetes-logs"),
        ("Pod/web-1-0", "View", "get replicasets.apps web-1", "live-kubernetes-owner"),
    ] {
        let explanation = walk(resource, feature, &[denied], |_, o| {
            if resource.starts_with("Pod") {
                with_pod(o);
            }
        });
        let link = link(explanation, Name::Kubernetes);
        assert_eq!((id(&link), link.state), (expected, State::Closed), "{link:?}");
        assert!(link.fact.contains(&format!("may not {denied} in shop")), "{}", link.fact);
    }
}

#[test]
fn which_verb_a_terminal_takes_depends_on_kubernetes() {
    for (version, denied, open) in [
        (Some("v1.36.3"), &["get pods/exec web-1-0"][..], true),
        (Some("v1.36.3"), &["create pods/exec web-1-0"], false),
        (Some("v1.34.4"), &["create pods/exec web-1-0"], true),
        (Some("v1.34.4"), &["create pods/exec web-1-0", "get pods/exec web-1-0"], false),
        (None, &["create pods/exec web-1-0"], false),
    ] {
        let explanation = walk("Pod/web-1-0", "Terminal", denied, |_, o| {
            with_pod(o);
            o.kubernetes_version = version.map(ToOwned::to_owned);
        });
        assert_eq!(id(&link(explanation, Name::Kubernetes)), if open { "" } else { "live-kubernetes-exec" }, "{version:?} {denied:?}");
    }
}

#[test]
fn what_allows_it_is_named_and_what_is_far_too_much_is_said() {
    let (question, mut observed) = (question("apps/Deployment/web", "View"), healthy());
    super::fixtures::answer(&question, &mut observed, &[]);
    let fact = |observed: &_| link(crate::explain::live::explain(&question, observed), Name::Kubernetes).fact;
    assert!(fact(&observed).contains("get deployments.apps web in shop (RBAC: allowed by RoleBinding \"x\")"), "{}", fact(&observed));
    assert!(!fact(&observed).contains("more than that"));
    for (asked, answer) in &mut observed.reviews {
        if asked.resource == "secrets" {
            *answer = Ok(crate::reconcile::plan::Answer { allowed: true, reason: "ClusterRoleBinding \"argocd-agent-enhanced\"".to_owned() });
        }
    }
    let said = fact(&observed);
    assert!(said.contains("more than that, it may get secrets in shop (ClusterRoleBinding \"argocd-agent-enhanced\")"), "{said}");
}
