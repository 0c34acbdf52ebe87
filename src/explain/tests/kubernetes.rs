//! What argocd-server's ServiceAccount may do.

use super::fixtures::{broken, id, link, review, run, server};
use crate::explain::observed::Reviewed;
use crate::explain::{Name, State};

#[test]
fn which_verb_is_enough_depends_on_both_versions() {
    for (image, kubernetes, get, create, expected) in [
        ("v3.2.11", "v1.36.3", true, true, ""),
        ("v3.2.11", "v1.36.3", true, false, "kubernetes-exec-create"),
        ("v3.2.11", "v1.36.3", false, true, ""),
        ("v3.2.11", "v1.34.4", true, false, ""),
        ("v3.2.11", "v1.34.4", false, false, "kubernetes-exec"),
        ("v2.14.21", "v1.34.4", true, false, "kubernetes-exec-create"),
    ] {
        let link = link(Name::Kubernetes, |_, o| {
            o.world.deployments =
                Ok(vec![server("argocd-server", &format!("imagePullPolicy: Always\n        env: [{{name: IMAGE, value: {image}}}]"))]);
            let mut deployment = o.world.deployments.as_ref().unwrap()[0].as_ref().clone();
            deployment.spec.as_mut().unwrap().template.spec.as_mut().unwrap().containers[0].image = Some(format!("argocd:{image}"));
            o.world.deployments = Ok(vec![deployment.into()]);
            o.world.kubernetes_version = Some(kubernetes.to_owned());
            o.review = review(true, get, create);
        });
        assert_eq!(id(&link), expected, "{image} {kubernetes} {get} {create}: {link:?}");
    }
}

#[test]
fn without_websockets_create_is_needed_everywhere() {
    let link = link(Name::Kubernetes, |_, o| {
        o.world.deployments = Ok(vec![server("argocd-server", "env: [{name: KUBECTL_REMOTE_COMMAND_WEBSOCKETS, value: 'false'}]")]);
        o.world.kubernetes_version = Some("v1.34.4".to_owned());
        o.review = review(true, true, false);
    });
    assert_eq!(id(&link), "kubernetes-exec-create");
    assert!(link.fact.contains("KUBECTL_REMOTE_COMMAND_WEBSOCKETS"), "{}", link.fact);
}

#[test]
fn an_unknown_version_leaves_open_whether_get_is_enough() {
    let link = link(Name::Kubernetes, |_, o| {
        o.world.kubernetes_version = None;
        o.review = review(true, true, false);
    });
    assert_eq!((id(&link), link.state), ("kubernetes-exec-create", State::Unknown));
}

#[test]
fn the_fix_binds_argocd_servers_account_in_that_namespace_and_nowhere_else() {
    for answers in [review(false, true, true), review(true, false, false)] {
        let link = broken(|_, o| o.review = answers);
        let words = run(&link.fix.unwrap().commands[0]).remove(0);
        assert_eq!(words[..2], ["-n", "shop"]);
        let manifest = words.last().unwrap();
        assert!(manifest.contains("kind: Role\n") && !manifest.contains("ClusterRole"), "{manifest}");
        assert!(manifest.contains("{kind: ServiceAccount, name: argocd-server, namespace: argocd}"), "{manifest}");
    }
}

#[test]
fn who_may_not_ask_is_told_which_right_is_missing() {
    let link = broken(|_, o| o.review = Reviewed::Forbidden("User \"x\" cannot create".to_owned()));
    assert_eq!((id(&link), link.state), ("review-forbidden", State::Unknown));
    assert!(link.fact.contains("create subjectaccessreviews"), "{}", link.fact);
}
