//! Each link before the declaration, broken by each of its causes.

use super::fixtures::{ENV, agent, broken, id, link, meta, owner, params, run, walk, with_pod};
use crate::api::Feature;
use crate::explain::{Name, State};
use crate::live::tests::fixtures::{application, project};

#[test]
fn an_agent_that_is_not_there_or_twice_or_undecided_is_said() {
    assert_eq!(id(&broken(|_, o| o.deployments = Ok(Vec::new()))), "live-agent-missing");
    let twice = broken(|_, o| {
        let mut other = agent(ENV).as_ref().clone();
        other.metadata.name = Some("second".to_owned());
        o.deployments = Ok(vec![agent(ENV), other.into()]);
    });
    assert_eq!((id(&twice), twice.state), ("live-agent-ambiguous", State::Unknown));
    let undecided = broken(|_, o| o.config_maps = Ok(std::collections::BTreeMap::new()));
    assert_eq!((id(&undecided), undecided.state), ("live-agent-undecided", State::Unknown));
}

#[test]
fn a_proxy_that_is_off_is_switched_on_where_the_agent_reads_it() {
    let off = broken(|_, o| o.config_maps = Ok(params("false")));
    assert_eq!((off.name, id(&off)), (Name::Agent, "live-proxy-off"));
    let commands = off.fix.unwrap().commands;
    let words = run(&commands[0]).remove(0);
    assert_eq!(words[..5], ["-n", "argocd", "patch", "configmap", "argocd-agent-params"]);
    assert!(words.contains(&r#"{"data":{"agent.resource-proxy.enable":"true"}}"#.to_owned()), "{words:?}");
    assert_eq!(run(&commands[1]).remove(0), ["-n", "argocd", "rollout", "restart", "deployment/argocd-agent-agent"]);
    let literal = broken(|_, o| o.deployments = Ok(vec![agent("[{name: ARGOCD_AGENT_ENABLE_RESOURCE_PROXY, value: 'false'}]")]));
    let fix = literal.fix.unwrap();
    assert!(fix.commands.is_empty() && fix.notes[0].contains("the variable ARGOCD_AGENT_ENABLE_RESOURCE_PROXY"), "{fix:?}");
}

#[test]
fn an_autonomous_agent_opens_no_terminal_and_shows_the_rest() {
    for (feature, resource, expected) in [("Terminal", "Pod/web-1-0", "live-agent-autonomous"), ("View", "apps/Deployment/web", "")] {
        let explanation = walk(resource, feature, &[], |_, o| {
            o.deployments = Ok(vec![agent("[{name: ARGOCD_AGENT_MODE, value: autonomous}]")]);
            if feature == "Terminal" {
                with_pod(o);
            }
        });
        assert_eq!(id(&link(explanation, Name::Mode)), expected);
    }
}

#[test]
fn an_application_has_to_be_there_of_that_project_here_and_have_the_resource() {
    assert_eq!(id(&broken(|_, o| o.application = Ok(None))), "live-application-missing");
    assert_eq!(id(&broken(|q, _| q.app = "other/web".parse().unwrap())), "live-project-differs");
    let elsewhere = broken(|_, o| {
        let mut app = application("web", "shop", &["apps/Deployment/shop/web"]).as_ref().clone();
        app.spec.destination.name = Some("prod-eu".to_owned());
        o.application = Ok(Some(app.into()));
    });
    assert_eq!(id(&elsewhere), "live-application-elsewhere");
    for resources in [&[][..], &["apps/Deployment/shop/other"], &["apps/Deployment/other/web"], &["/Service/shop/web"]] {
        let link = broken(|q, o| {
            q.namespace = Some("shop".to_owned());
            o.application = Ok(Some(application("web", "shop", resources)));
        });
        assert_eq!((link.name, id(&link)), (Name::Application, "live-resource-not-listed"), "{resources:?}");
    }
    // What it owns is one of its resources, too.
    let pod = walk("Pod/web-1-0", "View", &[], |_, o| with_pod(o));
    assert!(link(pod, Name::Application).fact.contains("apps/Deployment/web, which owns Pod/web-1-0"));
}

#[test]
fn a_kind_has_to_be_known_passed_on_and_fit_the_feature() {
    for (resource, feature, expected) in [
        ("example.com/Widget/a", "View", "live-kind-unknown"),
        ("Endpoints/web", "View", "live-never-proxied"),
        ("apiextensions.k8s.io/CustomResourceDefinition/a.b", "View", "live-never-proxied"),
        ("apps/Deployment/web", "Terminal", "live-feature-kind"),
        ("Namespace/shop", "Logs", "live-feature-kind"),
        ("apps/Deployment/web", "Logs", ""),
        ("apps/Deployment/web", "Events", ""),
    ] {
        let explanation = walk(resource, feature, &[], |_, _| {});
        assert_eq!(id(&link(explanation, Name::Kind)), expected, "{resource} {feature}");
    }
    let unsupported = walk("apps/Deployment/web", "Delete", &[], |_, o| {
        let mut discovery = crate::live::discovery::Discovery::default();
        let resource =
            serde_json::json!({"name": "deployments", "singularName": "", "kind": "Deployment", "namespaced": true, "verbs": ["get", "patch"]});
        discovery.add("apps", &[serde_json::from_value(resource).unwrap()]);
        o.discovery = Ok(discovery);
    });
    assert_eq!(id(&link(unsupported, Name::Kind)), "live-verb-unsupported");
}

#[test]
fn what_the_agent_does_not_find_managed_is_refused_but_for_events_and_logs() {
    for feature in Feature::ALL {
        let resource = if feature == Feature::Terminal { "Pod/web-1-0" } else { "apps/Deployment/web" };
        let explanation = walk(resource, feature.as_str(), &[], |_, o| o.resource = Ok(Some(meta(false, &[]))));
        let compared = !matches!(feature, Feature::Events | Feature::Logs);
        assert_eq!(id(&link(explanation, Name::Managed)), if compared { "live-not-managed" } else { "" }, "{feature:?}");
    }
    assert_eq!(id(&broken(|_, o| o.resource = Ok(None))), "live-resource-missing");
    let orphan = walk("Pod/web-1-0", "View", &[], |_, o| {
        with_pod(o);
        o.owners.insert(owner("apps/v1", "ReplicaSet", "web-1"), Ok(None));
    });
    assert_eq!(id(&link(orphan, Name::Managed)), "live-owner-missing");
}

#[test]
fn a_project_has_to_be_there_and_to_permit_the_namespace_and_each_kind() {
    assert_eq!(id(&broken(|_, o| o.project = Ok(None))), "live-project-missing");
    for spec in [
        "{destinations: [{server: '*', namespace: other}]}",
        "{destinations: [{server: '*', namespace: '*'}], namespaceResourceBlacklist: [{group: apps, kind: Deployment}]}",
        "{destinations: 'all'}",
    ] {
        let link = broken(|_, o| o.project = Ok(Some(project("shop", spec))));
        assert_eq!((link.name, id(&link)), (Name::Project, "live-project-outside"), "{spec}");
        assert!(link.fix.unwrap().commands.is_empty());
    }
    let pod = walk("Pod/web-1-0", "View", &[], |_, o| {
        with_pod(o);
        o.project =
            Ok(Some(project("shop", "{destinations: [{server: '*', namespace: '*'}], namespaceResourceBlacklist: [{group: '', kind: Pod}]}")));
    });
    assert_eq!(id(&link(pod, Name::Project)), "live-project-outside");
}
