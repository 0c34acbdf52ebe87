//! Who declares it, what the operator says of that, and what would declare it.

use std::sync::Arc;

use super::fixtures::{access, created, id, link, run, undeclared, walk, with_pod};
use crate::api::LiveResourceAccess;
use crate::explain::live::observed::{Accesses, Observed};
use crate::explain::{Link, Name, State};

const EDIT: &str = "{grants: [{features: [Edit]}]}";
const DENIED: &[&str] = &["get deployments.apps web", "patch deployments.apps web"];

fn with(access: Arc<LiveResourceAccess>) -> Link {
    link(walk("apps/Deployment/web", "Edit", DENIED, |_, o| o.accesses = Ok(Accesses::Some(vec![access], Vec::new()))), Name::Declared)
}

#[test]
fn an_object_that_declares_it_stands_as_the_operator_says() {
    let changed = |change: fn(&mut LiveResourceAccess)| {
        let mut one = access(EDIT, &[]).as_ref().clone();
        change(&mut one);
        id(&with(Arc::new(one)))
    };
    assert_eq!(changed(|_| {}), "");
    assert_eq!(changed(|a| a.spec.suspend = true), "live-not-in-effect");
    assert_eq!(changed(|a| a.spec.mode = crate::api::Mode::Observe), "live-not-in-effect");
    assert_eq!(changed(|a| a.status = None), "live-not-served");
    assert_eq!(changed(|a| a.metadata.generation = Some(4)), "live-not-served");
    for (failing, expected) in [
        (("Accepted", "Invalid"), "live-not-in-effect"),
        (("Active", "OutsideSchedule"), "live-not-in-effect"),
        (("InstanceReady", "NotFound"), "live-not-applied"),
        (("RBACApplied", "ForeignObject"), "live-not-applied"),
        (("AccessProven", "Denied"), "live-not-applied"),
        (("Confined", "HoldsWildcard"), ""),
    ] {
        let link = with(access(EDIT, &[failing]));
        assert_eq!(id(&link), expected, "{failing:?}");
        assert!(expected.is_empty() || link.fact.contains(failing.1), "{}", link.fact);
    }
    let beyond = changed(|a| {
        let status = a.status.as_mut().unwrap();
        status.not_granted =
            serde_json::from_str(r#"[{"group":"apps","kind":"Deployment","namespace":"shop","feature":"Edit","reason":"BeyondCeiling"}]"#).unwrap();
    });
    assert_eq!(beyond, "live-beyond-ceiling");
}

#[test]
fn one_that_is_in_place_counts_before_one_that_is_not() {
    let both = vec![access(EDIT, &[("Active", "Suspended")]), access(EDIT, &[])];
    let explanation = walk("apps/Deployment/web", "Edit", DENIED, |_, o| o.accesses = Ok(Accesses::Some(both, Vec::new())));
    assert_eq!(link(explanation, Name::Declared).state, State::Open);
}

#[test]
fn what_declares_something_else_does_not_declare_it() {
    for agent in [
        "{grants: [{features: [View]}]}",
        "{grants: [{features: [Edit], applications: [{project: other}]}]}",
        "{grants: [{features: [Edit], namespaces: {names: [other]}}]}",
        "{grants: [{features: [Edit]}], exclude: [{group: apps, kind: Deployment}]}",
    ] {
        assert_eq!(id(&with(access(agent, &[]))), "live-not-declared", "{agent}");
    }
}

#[test]
fn rights_that_are_there_need_no_declaration() {
    let explanation = walk("apps/Deployment/web", "Edit", &[], |_, o| undeclared(o));
    assert_eq!(explanation.state(), State::Open);
    assert!(link(explanation, Name::Declared).fact.contains("although no LiveResourceAccess declares"));
}

#[test]
fn the_command_declares_it_for_this_application_kind_and_namespace_and_waits() {
    let explanation = walk("apps/Deployment/web", "Edit", DENIED, |_, o| undeclared(o));
    let fix = explanation.broken().unwrap().fix.clone().unwrap();
    let (namespace, objects) = created(&fix.commands[0]);
    assert_eq!((namespace.as_str(), objects.len()), ("argocd", 1));
    let spec = &objects[0]["spec"]["agent"];
    let grant = &spec["grants"][0];
    assert_eq!((&grant["features"], &grant["precision"]), (&serde_json::json!(["Edit"]), &serde_json::json!("Name")));
    assert_eq!(grant["applications"], serde_json::json!([{"project": "shop", "name": "web"}]));
    assert_eq!(grant["namespaces"], serde_json::json!({"names": ["shop"]}));
    let excluded: Vec<&str> = spec["exclude"].as_array().unwrap().iter().map(|kind| kind["kind"].as_str().unwrap()).collect();
    assert_eq!(excluded, ["Pod", "Service", "ReplicaSet", "EndpointSlice"]);
    assert!(run(&fix.commands[1])[0].contains(&"--for=condition=Ready".to_owned()));
}

#[test]
fn what_people_have_to_judge_is_not_printed_as_a_command() {
    let cases: [(&str, &str, &[&str], &str); 4] = [
        ("Secret/web", "View", &["/Secret/shop/web"], "live-left-out"),
        ("ServiceAccount/web", "Edit", &["/ServiceAccount/shop/web"], "live-left-out"),
        ("rbac.authorization.k8s.io/Role/web", "View", &["rbac.authorization.k8s.io/Role/shop/web"], "live-left-out"),
        ("ConfigMap/web", "View", &["/ConfigMap/kube-system/web"], "live-left-out"),
    ];
    for (resource, feature, has, expected) in cases {
        for no_kind in [false, true] {
            let (question, mut observed) = (super::fixtures::question(resource, feature), super::fixtures::having(has));
            undeclared(&mut observed);
            if no_kind {
                observed.accesses = Ok(Accesses::NoKind);
            }
            let needs = crate::explain::live::rights::needed(&question, &observed, &crate::explain::live::owners::search(&observed));
            let denied: Vec<String> = needs.iter().map(|need| crate::explain::live::rights::show(&need.asked)).collect();
            super::fixtures::answer(&question, &mut observed, &denied.iter().map(String::as_str).collect::<Vec<_>>());
            let explanation = crate::explain::live::explain(&question, &observed);
            let broken = explanation.broken().unwrap();
            // A protected namespace is one of the operator's: a Role by hand is somebody's own decision.
            if no_kind && resource.starts_with("ConfigMap") {
                continue;
            }
            assert_eq!(id(broken), if no_kind { "live-kubernetes-get" } else { expected }, "{resource}: {explanation:#?}");
            assert!(broken.fix.as_ref().unwrap().commands.is_empty(), "{resource}");
        }
    }
}

#[test]
fn to_change_a_generated_resource_nothing_is_printed_that_changes_more() {
    let denied = ["get pods web-1-0", "patch pods web-1-0", "get replicasets.apps web-1", "get deployments.apps web"];
    let explanation = walk("Pod/web-1-0", "Edit", &denied, |_, o: &mut Observed| {
        with_pod(o);
        undeclared(o);
    });
    let broken = explanation.broken().unwrap();
    assert_eq!(id(broken), "live-not-declared");
    let fix = broken.fix.as_ref().unwrap();
    assert!(fix.commands.is_empty() && fix.notes[0].contains("patch deployments in shop"), "{fix:?}");
}

#[test]
fn without_the_kind_a_role_of_the_missing_rights_by_their_names_mends_it() {
    let explanation = walk("apps/Deployment/web", "Edit", &["patch deployments.apps web"], |_, o| o.accesses = Ok(Accesses::NoKind));
    let broken = explanation.broken().unwrap();
    assert_eq!((broken.name, id(broken)), (Name::Kubernetes, "live-kubernetes-change"));
    let (namespace, objects) = created(&broken.fix.as_ref().unwrap().commands[0]);
    assert_eq!(namespace, "shop");
    assert_eq!(
        objects[0]["rules"],
        serde_json::json!([{"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["patch"], "resourceNames": ["web"]}])
    );
    assert_eq!(objects[1]["subjects"], serde_json::json!([{"kind": "ServiceAccount", "name": "agent", "namespace": "argocd"}]));
    assert_eq!(id(&super::fixtures::broken(|_, o| o.application = Ok(None))), "live-application-missing");
}

#[test]
fn an_object_that_cannot_be_read_is_named() {
    let explanation = walk("apps/Deployment/web", "Edit", DENIED, |_, o| o.accesses = Ok(Accesses::Some(Vec::new(), vec!["odd".to_owned()])));
    assert!(explanation.broken().unwrap().fact.contains("odd cannot be read"));
}
