//! The Application and its project.

use serde_json::json;

use super::fixtures::{SPEC, STATUS, broken, config_map, id, link, live, patch, project, run, server};
use crate::explain::{Link, Name, Observed, Question, State};

fn elsewhere(question: &mut Question, observed: &mut Observed, served: &str) {
    question.app = "shop/team/web".parse().unwrap();
    observed.application = Ok(Some(live("team", SPEC, STATUS)));
    let env = "env: [{name: ARGOCD_APPLICATION_NAMESPACES, valueFrom: {configMapKeyRef: {name: argocd-cmd-params-cm, key: application.namespaces}}}]";
    observed.world.deployments = Ok(vec![server("argocd-server", env)]);
    observed.world.params_cm = Ok(Some(config_map("argocd-cmd-params-cm", "kubectl", &json!({"application.namespaces": served}).to_string())));
}

fn with_project(spec: &str) -> Link {
    link(Name::Application, |_, o| o.world.projects = Ok(vec![project(spec)]))
}

#[test]
fn an_application_that_is_not_there_or_of_another_project_is_said_to_be_so() {
    assert_eq!(id(&broken(|_, o| o.application = Ok(None))), "application-missing");
    let link = broken(|q, _| q.app = "bank/web".parse().unwrap());
    assert_eq!(id(&link), "project-differs");
    assert_eq!(link.fix.unwrap().notes, ["ask for --app shop/web"]);
}

#[test]
fn a_namespace_that_is_not_served_is_added_to_those_that_are() {
    let link = broken(|q, o| elsewhere(q, o, "other"));
    assert_eq!(id(&link), "namespace-not-served");
    assert_eq!(patch(&link), json!({"data": {"application.namespaces": "other,team"}}));
    assert!(link.fix.unwrap().commands[1].contains("rollout restart"));
    assert_ne!(id(&super::fixtures::link(Name::Application, |q, o| elsewhere(q, o, "team"))), "namespace-not-served");
    // Where it is no key of the ConfigMap, nobody is told to change that.
    let by_argument = broken(|q, o| {
        elsewhere(q, o, "");
        o.world.deployments = Ok(vec![server("argocd-server", "command: [argocd-server, --application-namespaces, x]")]);
    });
    assert!(by_argument.fix.unwrap().commands.is_empty());
}

#[test]
fn a_project_must_take_the_namespace() {
    let with = |spec: &str| {
        link(Name::Application, |q, o| {
            elsewhere(q, o, "team");
            o.world.projects = Ok(vec![project(spec)]);
        })
    };
    let none = with("{destinations: [{server: '*', namespace: '*'}]}");
    assert_eq!(id(&none), "project-source-namespace");
    assert_eq!(patch(&none), json!([{"op": "add", "path": "/spec/sourceNamespaces", "value": ["team"]}]));
    let other = with("{sourceNamespaces: [other], destinations: [{server: '*', namespace: '*'}]}");
    assert_eq!(patch(&other), json!([{"op": "add", "path": "/spec/sourceNamespaces/-", "value": "team"}]));
    for pattern in ["team", "te*", "*", "/^t.*$/"] {
        let link = with(&format!("{{sourceNamespaces: ['{pattern}'], destinations: [{{server: '*', namespace: '*'}}]}}"));
        assert_eq!(link.state, State::Open, "{pattern}: {link:?}");
    }
}

#[test]
fn a_project_must_permit_the_destination() {
    for (destinations, open) in [
        ("[{server: '*', namespace: '*'}]", true),
        ("[{server: 'https://kubernetes.default.svc', namespace: sh*}]", true),
        ("[{name: in-cluster, namespace: shop}]", true),
        ("[{server: '*', namespace: bank}]", false),
        ("[{server: 'https://other', namespace: shop}]", false),
        ("[]", false),
        // What denies is left to what Argo CD says.
        ("[{server: '*', namespace: '!bank'}]", true),
    ] {
        let link = with_project(&format!("{{destinations: {destinations}}}"));
        assert_eq!(link.state == State::Open, open, "{destinations}: {link:?}");
    }
    let link = with_project("{destinations: [{server: '*', namespace: bank}]}");
    assert_eq!(id(&link), "project-destination");
    let wanted = json!({"server": "https://kubernetes.default.svc", "namespace": "shop"});
    assert_eq!(patch(&link), json!([{"op": "add", "path": "/spec/destinations/-", "value": wanted}]));
    assert!(link.fix.unwrap().commands[1].contains("argocd.argoproj.io/refresh=normal"));
}

#[test]
fn a_project_that_is_missing_is_made_for_this_application_alone() {
    let link = broken(|_, o| o.world.projects = Ok(Vec::new()));
    assert_eq!(id(&link), "project-missing");
    let made = run(&link.fix.unwrap().commands[0]).remove(0);
    let spec: serde_json::Value = serde_json::from_str(made.last().unwrap()).unwrap();
    assert_eq!(
        spec["spec"],
        json!({"sourceRepos": ["https://git.example.com/shop.git"], "destinations": [{"server": "https://kubernetes.default.svc", "namespace": "shop"}]})
    );
}

#[test]
fn a_project_may_hide_pods() {
    let all = "destinations: [{server: '*', namespace: '*'}]";
    let black = with_project(&format!("{{{all}, namespaceResourceBlacklist: [{{group: apps, kind: '*'}}, {{group: '', kind: Pod}}]}}"));
    assert_eq!(id(&black), "project-hides-pods");
    let path = "/spec/namespaceResourceBlacklist/1";
    assert_eq!(patch(&black), json!([{"op": "test", "path": path, "value": {"group": "", "kind": "Pod"}}, {"op": "remove", "path": path}]));
    let wider = with_project(&format!("{{{all}, namespaceResourceBlacklist: [{{group: '*', kind: '*'}}]}}"));
    assert_eq!((id(&wider), wider.fix), ("project-hides-pods", None), "taking it away would permit more than Pods");
    let white = with_project(&format!("{{{all}, namespaceResourceWhitelist: [{{group: apps, kind: Deployment}}]}}"));
    assert_eq!(patch(&white), json!([{"op": "add", "path": "/spec/namespaceResourceWhitelist/-", "value": {"group": "", "kind": "Pod"}}]));
    assert_eq!(with_project(&format!("{{{all}, namespaceResourceWhitelist: [{{group: '*', kind: '*'}}]}}")).state, State::Open);
}

#[test]
fn what_argo_cd_itself_finds_wrong_is_passed_on() {
    let status = "{conditions: [{type: OrphanedResourceWarning, message: x}, {type: InvalidSpecError, message: 'no such path'}]}";
    let link = broken(|_, o| o.application = Ok(Some(live("argocd", SPEC, status))));
    assert_eq!(id(&link), "application-invalid");
    assert!(link.fact.contains("no such path"), "{}", link.fact);
}
