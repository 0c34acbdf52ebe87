//! The CRD as the API server will enforce it: every rule accepts the good and refuses the bad with its own message, everything is bounded
//! and described.

use kube::CustomResourceExt;
use serde_json::{Value, json};

use super::{ClusterAccess, ConditionType, ExecAccess, IngressMode, LiveResourceAccess, Mode, Reason, ServerScope, SubjectKind};

/// A valid object with this value at this place of the spec.
fn with(pointer: &str, value: Value) -> ExecAccess {
    let mut object = json!({
        "apiVersion": "argocd-access.dev/v1alpha1", "kind": "ExecAccess", "metadata": {"name": "team", "namespace": "argocd"},
        "spec": {
            "subjects": [{"kind": "Group", "name": "my-org:team-a"}],
            "applications": [{"project": "shop", "name": "web-*", "namespace": "argocd"}],
            "roleName": "dev-operators", "reason": "INC-4711",
            "server": {"scope": "Namespaces", "namespaces": {"names": ["shop"], "selector": {"matchLabels": {"a": "b"}}}},
            "ingress": {"timeout": "1h"},
            "validity": {"notBefore": "2026-06-01T08:00:00Z", "notAfter": "2026-07-01T08:00:00Z"},
            "schedule": [{"days": ["Mon", "Fri"], "from": "08:00", "to": "18:00", "timeZone": "Europe/Paris"}],
        },
    });
    if !pointer.is_empty() {
        *object.pointer_mut(pointer).unwrap_or_else(|| panic!("no {pointer}")) = value;
    }
    serde_json::from_value(object).unwrap()
}

/// The messages with which the rules refuse it.
pub(super) fn refusals(object: &(impl serde::Serialize + CustomResourceExt)) -> Vec<String> {
    match kube::core::cel::validate_cel(object) {
        Ok(()) => Vec::new(),
        Err(errors) => errors.iter().map(|e| e.message.clone()).collect(),
    }
}

pub(super) fn schema<K: CustomResourceExt>() -> Value {
    serde_json::to_value(K::crd().spec.versions.into_iter().next().unwrap().schema.unwrap().open_api_v3_schema).unwrap()
}

/// Every rule of the schema, with where it stands.
pub(super) fn rules(schema: &Value, at: &str, into: &mut Vec<(String, String)>) {
    for rule in schema["x-kubernetes-validations"].as_array().into_iter().flatten() {
        let message = rule["message"].as_str().unwrap_or_else(|| panic!("{at}: a rule without a message: {rule}"));
        into.push((at.to_owned(), message.to_owned()));
    }
    for (name, inner) in schema["properties"].as_object().into_iter().flatten() {
        rules(inner, &format!("{at}.{name}"), into);
    }
    for inner in [&schema["items"], &schema["additionalProperties"]] {
        if inner.is_object() {
            rules(inner, &format!("{at}[]"), into);
        }
    }
}

const NAME: &str = "/spec/subjects/0/name";

/// A value that is refused, and words of the message that must say so.
fn bad() -> Vec<(&'static str, Value, &'static str)> {
    let mut bad = vec![
        ("/metadata/name", json!("n".repeat(64)), "at most 63 characters"),
        ("/spec/subjects/0", json!({"kind": "Role", "name": "a b"}), "kind Role is named without the prefix"),
        ("/spec/subjects/0", json!({"kind": "Role", "name": "role:a"}), "must not begin with 'role:'"),
        (NAME, json!("role:admin"), "must not begin with 'role:'"),
        (NAME, json!("proj:shop:dev"), "must not begin with 'role:'"),
        ("/spec/applications/0/project", json!("Shop"), "project must be a project's name"),
        ("/spec/applications/0/project", json!("a,b"), "project must be a project's name"),
        ("/spec/applications/0/project", json!("a/b"), "project must be a project's name"),
        ("/spec/applications/0/name", json!("[ab]"), "name must be an application's name"),
        ("/spec/applications/0/name", json!("a\nb"), "name must be an application's name"),
        ("/spec/applications/0/name", json!("-a"), "name must be an application's name"),
        ("/spec/applications/0/namespace", json!("team-*"), "namespace must be the name of a namespace"),
        ("/spec/roleName", json!("role:x"), "roleName may hold letters"),
        ("/spec/roleName", json!("a, b"), "roleName may hold letters"),
        ("/spec/roleName", json!("admin"), "must not be 'admin'"),
        ("/spec/roleName", json!("readonly"), "must not be 'admin'"),
        ("/spec/reason", json!("two\nlines"), "one line without control characters"),
        ("/spec/reason", json!("two\u{2028}lines"), "one line without control characters"),
        ("/spec/server/scope", json!("Cluster"), "no meaning with scope: Cluster"),
        ("/spec/server/namespaces/selector", json!({}), "would select every namespace"),
        ("/spec/server/namespaces/selector", json!({"matchLabels": {}, "matchExpressions": []}), "would select every namespace"),
        ("/spec/ingress/timeout", json!("soon"), "hours, minutes and seconds in this order"),
        ("/spec/ingress/timeout", json!("5m1h"), "hours, minutes and seconds in this order"),
        ("/spec/ingress/timeout", json!("9s"), "between 10s and 24h"),
        ("/spec/ingress/timeout", json!("24h1s"), "between 10s and 24h"),
        ("/spec/validity/notAfter", json!("2026-06-01T08:00:00Z"), "notBefore must be earlier than notAfter"),
        ("/spec/validity/notBefore", json!("2026-07-01T10:00:00+01:00"), "notBefore must be earlier than notAfter"),
        ("/spec/schedule/0/to", json!("08:00"), "from and to must differ"),
    ];
    let in_projects = |subject: Value, project: &str, role: Option<&str>| json!({"policyTarget": "Project", "subjects": [subject], "applications": [{"project": project}], "roleName": role});
    let group = || json!({"kind": "Group", "name": "g"});
    bad.extend([
        ("/spec", in_projects(group(), "shop", Some("x")), "roleName has no meaning with policyTarget: Project"),
        ("/spec", in_projects(json!({"kind": "User", "name": "g"}), "shop", None), "kind Group only"),
        ("/spec", in_projects(group(), "sh*", None), "each project by its name"),
        ("/spec", in_projects(group(), "sho?", None), "each project by its name"),
    ]);
    let invisible = ["a\nb", "a\tb", "a\rb", "a\0b", "a\u{200b}b", "a\u{202e}b", "a\u{feff}b", "a\u{2028}b", "\u{ad}a", "a\u{e000}"];
    bad.extend(invisible.map(|name| (NAME, json!(name), "control or invisible characters")));
    bad.extend([" a", "a ", "\u{a0}a", "a\u{2003}", "a\u{3000}"].map(|name| (NAME, json!(name), "begin or end with a space")));
    bad
}

#[test]
fn every_rule_refuses_what_it_is_for_with_its_own_message() {
    let mut met = std::collections::BTreeSet::new();
    for (pointer, value, words) in bad() {
        let object = with(pointer, value.clone());
        let said = refusals(&object);
        assert!(said.iter().any(|m| m.contains(words)), "{pointer} {value}: {said:?}");
        met.extend(said);
    }
    let mut all = Vec::new();
    rules(&schema::<ExecAccess>(), "", &mut all);
    assert!(all.len() > 14, "{}", all.len());
    for (at, message) in all {
        assert!(met.contains(&message), "nothing here is refused by the rule of {at}: {message}");
    }
}

#[test]
fn every_rule_accepts_what_is_good() {
    assert_eq!(refusals(&with("", Value::Null)), Vec::<String>::new());
    let good = [
        ("/metadata/name", json!("n".repeat(63))),
        ("/spec/subjects/0", json!({"kind": "Role", "name": "org:dev.team_1-a"})),
        (NAME, json!("CN=dev, OU=\"eng\" #1 (ä) 日本")),
        (NAME, json!("ann@example.com")),
        (NAME, json!("a role: b")),
        ("/spec/applications/0/project", json!("*")),
        ("/spec/applications/0/project", json!("a.b-c?")),
        ("/spec/applications/0/namespace", json!("*")),
        ("/spec/applications/0/namespace", Value::Null),
        (
            "/spec",
            json!({"policyTarget": "Project", "subjects": [{"kind": "Group", "name": "g"}], "applications": [{"project": "shop", "name": "web-?"}]}),
        ),
        ("/spec/roleName", json!("A.b_c-9")),
        ("/spec/roleName", json!("administrator")),
        ("/spec/roleName", Value::Null),
        ("/spec/reason", json!("see „INC-1“: a, b \"c\" # d")),
        ("/spec/server", json!({"scope": "Cluster"})),
        ("/spec/server", json!({"scope": "Cluster", "namespaces": {"names": []}})),
        ("/spec/server/namespaces/selector", json!({"matchExpressions": [{"key": "a", "operator": "Exists"}]})),
        ("/spec/ingress/timeout", json!("10s")),
        ("/spec/ingress/timeout", json!("24h")),
        ("/spec/ingress/timeout", json!("1h30m5s")),
        ("/spec/validity", json!({})),
        ("/spec/validity/notBefore", json!("2026-07-01T09:59:59+02:00")),
        ("/spec/validity/notBefore", Value::Null),
        ("/spec/validity/notAfter", Value::Null),
        ("/spec/schedule", json!([])),
        ("/spec/schedule/0/to", json!("24:00")),
        ("/spec/schedule/0/to", json!("07:00")),
    ];
    for (pointer, value) in good {
        assert_eq!(refusals(&with(pointer, value.clone())), Vec::<String>::new(), "{pointer} {value}");
    }
}

#[test]
fn what_the_rules_refuse_the_operator_refuses_too_under_an_older_schema() {
    use crate::exec::grant::parse;
    let limits = crate::config::Limits { denied_namespaces: std::collections::BTreeSet::default(), ..crate::config::Limits::default() };
    // A name that begins with a dash is no application's, and harmless.
    let harmless = |value: &Value| *value == json!("-a");
    for (pointer, value, _) in bad().into_iter().filter(|(pointer, value, _)| pointer.starts_with("/spec") && !harmless(value)) {
        let object = std::sync::Arc::new(with(pointer, value.clone()));
        assert!(parse(&object, "argocd", &limits).is_err(), "an older schema would let {pointer} {value} through");
    }
    assert!(parse(&std::sync::Arc::new(with("", Value::Null)), "argocd", &limits).is_ok());
}

fn walk(schema: &Value, at: &str, look: &mut impl FnMut(&Value, &str)) {
    look(schema, at);
    for (name, inner) in schema["properties"].as_object().into_iter().flatten() {
        walk(inner, &format!("{at}.{name}"), look);
    }
    for inner in [&schema["items"], &schema["additionalProperties"]] {
        if inner.is_object() {
            walk(inner, &format!("{at}[]"), look);
        }
    }
}

fn everywhere(look: &mut impl FnMut(&Value, &str)) {
    for schema in [schema::<ExecAccess>(), schema::<LiveResourceAccess>(), schema::<ClusterAccess>()] {
        walk(&schema, "", look);
    }
}

#[test]
fn every_string_list_and_map_of_the_spec_and_every_list_of_the_status_is_bounded() {
    everywhere(&mut |s, at| match s["type"].as_str() {
        Some("string") if at.starts_with(".spec") => {
            let bounded = s["maxLength"].is_u64() || s["enum"].is_array() || s["format"] == "date-time";
            assert!(bounded, "{at} has no maxLength");
        }
        Some("array") => assert!(s["maxItems"].is_u64(), "{at} has no maxItems"),
        Some("object") if s.get("additionalProperties").is_some() => assert!(s["maxProperties"].is_u64(), "{at} has no maxProperties"),
        _ => {}
    });
}

#[test]
fn no_number_has_a_format_that_kubernetes_does_not_know() {
    everywhere(&mut |s, at| {
        if let Some(format) = s["format"].as_str() {
            assert!(["int32", "int64", "date-time"].contains(&format), "{at}: {format}");
        }
    });
}

#[test]
fn every_field_that_a_person_writes_or_reads_is_described() {
    everywhere(&mut |s, at| {
        let named = !at.is_empty() && !at.ends_with("[]");
        assert!(!named || s["description"].as_str().is_some_and(|d| d.len() > 8), "{at} has no description");
    });
}

#[test]
fn unknown_fields_are_pruned_not_refused_and_defaults_are_filled_in() {
    let object: ExecAccess = serde_yaml::from_str(
        "{apiVersion: argocd-access.dev/v1alpha1, kind: ExecAccess, metadata: {name: a}, spec: {subjects: [{kind: User, name: x}], applications: [{project: p}], later: 1}}",
    )
    .unwrap();
    assert_eq!(object.spec.applications[0].name, "*");
    assert_eq!((object.spec.ingress.timeout.as_str(), object.spec.mode, object.spec.suspend), ("1h", Mode::Enforce, false));
    assert_eq!(object.role(), "exec-access.a");
}

#[test]
fn enums_are_read_back_as_they_are_printed() {
    fn alike<T: serde::Serialize + serde::de::DeserializeOwned + PartialEq + std::fmt::Debug>(values: &[(T, &str)]) {
        for (value, text) in values {
            let yaml = serde_yaml::to_string(value).unwrap();
            assert_eq!(yaml.trim(), *text);
            assert_eq!(serde_yaml::from_str::<T>(&yaml).unwrap(), *value);
            assert_eq!(serde_json::to_value(value).unwrap(), json!(text));
        }
    }
    alike(&[(SubjectKind::Group, "Group"), (SubjectKind::User, "User"), (SubjectKind::Role, "Role")]);
    alike(&[(ServerScope::Namespaces, "Namespaces"), (ServerScope::Cluster, "Cluster")]);
    alike(&[(IngressMode::Auto, "Auto"), (IngressMode::None, "None")]);
    alike(&[(Mode::Enforce, "Enforce"), (Mode::Observe, "Observe")]);
}

#[test]
fn a_whole_object_survives_yaml() {
    let object = with("", Value::Null);
    let yaml = serde_yaml::to_string(&object).unwrap();
    assert_eq!(serde_yaml::from_str::<ExecAccess>(&yaml).unwrap(), object);
}

#[test]
fn reasons_and_condition_types_are_words_that_kubernetes_accepts() {
    for reason in Reason::ALL {
        let word = reason.as_str();
        assert!(word.starts_with(|c: char| c.is_ascii_uppercase()) && word.chars().all(|c| c.is_ascii_alphanumeric()), "{word}");
        assert!(reason.meaning().len() > 8, "{word} is not explained");
    }
    let words: std::collections::BTreeSet<&str> = ConditionType::ALL.map(ConditionType::as_str).into();
    assert_eq!(words.len(), ConditionType::ALL.len());
    assert!(
        ConditionType::EXEC
            .iter()
            .chain(&ConditionType::AGENT)
            .chain(&ConditionType::PRINCIPAL)
            .chain(&ConditionType::CLUSTER)
            .all(|kind| words.contains(kind.as_str()))
    );
}
