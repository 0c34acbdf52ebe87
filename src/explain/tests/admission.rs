//! Admission: ours is evaluated, others are named.

use std::sync::Arc;

use serde_json::{Value, json};

use super::fixtures::{broken, id, link, object};
use crate::exec::confinement::rule::{self, Name as RuleName, Rule};
use crate::explain::{Link, Name, Observed, State};

fn ours(observed: &mut Observed, account: &str, namespaces: &[&str], label: &str) {
    let names = |of: &[&str]| of.iter().map(|n| RuleName::parse(n).unwrap()).collect();
    let rule = Rule { accounts: names(&[account]), namespaces: names(namespaces) };
    let name = "argocd-access-exec-argocd";
    let meta = json!({"name": name, "labels": {label: "argocd"}});
    let policy =
        json!({"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicy", "metadata": meta, "spec": rule.spec("argocd")});
    let binding = json!({"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicyBinding", "metadata": meta, "spec": rule::binding_spec(name)});
    observed.policies = Ok(vec![object(&policy.to_string())]);
    observed.bindings = Ok(vec![object(&binding.to_string())]);
}

#[test]
fn our_policy_is_evaluated() {
    let with = |account: &str, namespaces: &[&str]| link(Name::Admission, |_, o| ours(o, account, namespaces, crate::api::INSTANCE_LABEL));
    assert_eq!(with("argocd-server", &["shop", "bank"]).state, State::Open);
    assert_eq!(id(&with("argocd-server", &["bank"])), "admission-confined");
    assert_eq!(id(&with("argocd-server", &[])), "admission-confined");
    assert_eq!(with("another", &["bank"]).state, State::Open, "it is not about this argocd-server");
    let theirs = link(Name::Admission, |_, o| ours(o, "argocd-server", &["bank"], "somebody.example/else"));
    assert_eq!((id(&theirs), theirs.state), ("admission-foreign", State::Unknown), "without our mark it is not ours");
}

#[test]
fn the_policy_of_another_instance_is_about_another_argocd_server() {
    let with = |instance: &'static str, text: &'static str| {
        link(Name::Admission, |_, o| {
            let rule = Rule { accounts: [RuleName::parse("argocd-server").unwrap()].into(), namespaces: [].into() };
            let name = format!("argocd-access-exec-{instance}");
            let policy = json!({"metadata": {"name": name}, "spec": rule.spec(text)});
            o.policies = Ok(vec![object(&policy.to_string())]);
            o.bindings = Ok(vec![object(&json!({"metadata": {"name": name}, "spec": rule::binding_spec(&name)}).to_string())]);
        })
    };
    assert_eq!(with("staging", "staging").state, State::Open);
    assert_eq!(id(&with("staging", "argocd")), "admission-foreign", "what it says counts, not how it is called");
}

#[test]
fn a_confined_namespace_is_opened_by_a_declaration_and_never_by_taking_the_policy_away() {
    let fix = |declared: bool| {
        let link = broken(|_, o| {
            ours(o, "argocd-server", &[], crate::api::INSTANCE_LABEL);
            o.exec_access = declared;
        });
        link.fix.unwrap()
    };
    assert!(fix(true).commands[0].contains("ExecAccess"));
    assert!(fix(false).commands.is_empty());
}

#[allow(clippy::needless_pass_by_value, reason = "they are written where they are given")]
fn policy(rules: Value, more: Value, binding: Value) -> Link {
    link(Name::Admission, |_, o| {
        let mut spec = json!({"matchConstraints": {"resourceRules": rules}, "validations": [{"expression": "false"}]});
        for (key, value) in more.as_object().unwrap() {
            spec["matchConstraints"][key] = value.clone();
        }
        let mut bound = json!({"policyName": "theirs", "validationActions": ["Deny"]});
        for (key, value) in binding.as_object().unwrap() {
            bound[key] = value.clone();
        }
        o.policies = Ok(vec![object(&json!({"metadata": {"name": "theirs"}, "spec": spec}).to_string())]);
        o.bindings = Ok(vec![object(&json!({"metadata": {"name": "theirs"}, "spec": bound}).to_string())]);
    })
}

#[test]
fn somebody_elses_policy_is_unknown_unless_it_plainly_does_not_look() {
    let rule = |operation: &str, group: &str, resource: &str| json!([{"operations": [operation], "apiGroups": [group], "apiVersions": ["v1"], "resources": [resource]}]);
    let none = json!({});
    for (operation, group, resource, unknown) in [
        ("CONNECT", "", "pods/exec", true),
        ("*", "*", "*/*", true),
        ("CONNECT", "", "pods/*", true),
        ("CONNECT", "", "pods/attach", false),
        ("CREATE", "", "pods", false),
        ("CONNECT", "apps", "pods/exec", false),
        // The star alone has no subresources.
        ("*", "*", "*", false),
    ] {
        let link = policy(rule(operation, group, resource), none.clone(), none.clone());
        assert_eq!(link.state == State::Unknown, unknown, "{operation} {group} {resource}: {link:?}");
    }
    let exec = || rule("CONNECT", "", "pods/exec");
    assert_eq!(policy(exec(), none.clone(), json!({"validationActions": ["Audit"]})).state, State::Open);
    let of = |labels: Value| json!({"namespaceSelector": {"matchLabels": labels}});
    assert_eq!(policy(exec(), of(json!({"kubernetes.io/metadata.name": "bank"})), none.clone()).state, State::Open);
    assert_eq!(policy(exec(), of(json!({"kubernetes.io/metadata.name": "shop"})), none.clone()).state, State::Unknown);
    assert_eq!(policy(exec(), none.clone(), json!({"matchResources": of(json!({"env": "prod"}))})).state, State::Open);
    assert_eq!(policy(exec(), json!({"excludeResourceRules": exec()}), none.clone()).state, State::Open);
    let named = json!([{"operations": ["*"], "apiGroups": ["*"], "apiVersions": ["*"], "resources": ["*/*"], "resourceNames": ["db-0"]}]);
    assert_eq!(policy(exec(), json!({"excludeResourceRules": named}), none).state, State::Unknown);
}

#[test]
fn webhooks_of_both_kinds_are_named() {
    let hook = |resource: &str| {
        json!({"metadata": {"name": "guard"}, "webhooks": [{"name": "g.example.com", "clientConfig": {}, "sideEffects": "None", "admissionReviewVersions": ["v1"],
        "rules": [{"operations": ["CONNECT"], "apiGroups": [""], "apiVersions": ["v1"], "resources": [resource]}]}]})
    };
    let validating = |resource: &str| link(Name::Admission, |_, o| o.validating = Ok(vec![object(&hook(resource).to_string())]));
    assert!(validating("pods/exec").fact.contains("ValidatingWebhookConfiguration guard"));
    assert_eq!(validating("services/proxy").state, State::Open);
    let mutating = link(Name::Admission, |_, o| o.mutating = Ok(vec![Arc::clone(&object(&hook("pods/exec").to_string()))]));
    assert_eq!(id(&mutating), "admission-foreign");
}
