//! What Argo CD shows of our objects with docs/argocd-health/argocd-cm.yaml: asked of the real `argocd`.

use std::path::Path;

use k8s_openapi::api::core::v1::ConfigMap;
use serde_json::{Value, json};

use crate::markdown::document;
use crate::support::{manifests, process::run, reaper, tools};
use crate::world::Team;

const FOLDER: &str = "docs/argocd-health";

/// The health that Argo CD gives an object, and its message.
async fn health(folder: &Path, object: &Value) -> (String, String) {
    let file = folder.join("object.yaml");
    std::fs::write(&file, object.to_string()).unwrap();
    let mut argocd = reaper::command(tools::path("argocd"));
    argocd.env("HOME", folder).args(["admin", "settings", "resource-overrides", "health"]).arg(&file).arg("--argocd-cm-path");
    let said = run({
        argocd.arg(tools::repository().join(FOLDER).join("argocd-cm.yaml"));
        argocd
    })
    .await
    .success();
    let line = |name: &str| said.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default().trim().to_owned();
    (line("STATUS:"), line("MESSAGE:"))
}

/// A condition: type, status, reason.
type Said<'a> = (&'a str, &'a str, &'a str);

/// An object whose conditions are these.
fn object(kind: &str, conditions: &[Said]) -> Value {
    let all = conditions.iter().map(|(kind, status, reason)| {
        json!({"type": kind, "status": status, "reason": reason, "message": format!("what {kind} says"), "observedGeneration": 2,
               "lastTransitionTime": "2026-01-01T00:00:00Z"})
    });
    json!({
        "apiVersion": "argocd-access.dev/v1alpha1", "kind": kind, "metadata": {"name": "x", "namespace": "argocd", "generation": 2}, "spec": {},
        "status": {"observedGeneration": 2, "conditions": all.collect::<Vec<_>>()},
    })
}

#[tokio::test]
async fn each_state_of_each_resource_has_the_health_that_a_person_expects() {
    let folder = reaper::folder("health");
    let active = ("Active", "True", "InEffect");
    let states: [(&str, &[Said]); 12] = [
        ("Healthy", &[active, ("Ready", "True", "Ready")]),
        ("Progressing", &[active, ("Ready", "Unknown", "Pending")]),
        ("Progressing", &[active, ("Ready", "Unknown", "NoApplications")]),
        ("Degraded", &[active, ("Ready", "False", "Denied")]),
        ("Degraded", &[active, ("Ready", "Unknown", "NotReadable")]),
        ("Degraded", &[("Active", "False", "Invalid"), ("Ready", "False", "Invalid")]),
        ("Degraded", &[("Active", "False", "Stopped"), ("Ready", "False", "Stopped")]),
        ("Suspended", &[("Active", "False", "Suspended"), ("Ready", "False", "Suspended")]),
        ("Suspended", &[("Active", "False", "OutsideSchedule"), ("Ready", "False", "OutsideSchedule")]),
        ("Suspended", &[("Active", "False", "Expired"), ("Ready", "False", "Expired")]),
        // What could not be taken back is there still.
        ("Degraded", &[("Active", "False", "Suspended"), ("PolicyApplied", "False", "WriteFailed"), ("Ready", "False", "Suspended")]),
        ("Progressing", &[]),
    ];
    for kind in ["ExecAccess", "LiveResourceAccess", "ClusterAccess"] {
        for (expected, conditions) in states {
            let (shown, message) = health(folder.path(), &object(kind, conditions)).await;
            assert_eq!(shown, expected, "{kind} {conditions:?}: {message}");
            assert!(!message.is_empty(), "{kind} {conditions:?}");
        }
        let ready = object(kind, &[active, ("Ready", "True", "Ready")]);
        for (why, change) in [
            ("the status is older than the spec", json!({"metadata": {"generation": 3}})),
            ("it is being deleted", json!({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}})),
            ("there is no status", json!({"status": null})),
        ] {
            let mut changed = ready.clone();
            merge(&mut changed, &change);
            assert_eq!(health(folder.path(), &changed).await.0, "Progressing", "{kind}: {why}");
        }
    }
}

fn merge(object: &mut Value, patch: &Value) {
    match patch {
        Value::Object(fields) => fields.iter().for_each(|(name, value)| merge(&mut object[name], value)),
        other => *object = other.clone(),
    }
}

#[tokio::test]
async fn what_the_operator_writes_is_shown_so() {
    let folder = reaper::folder("health");
    let team = Team::new().await;
    team.application("web-1", "shop").await;
    let spec = |more: &str| format!("{{{more}subjects: [{{kind: Group, name: g}}], applications: [{{project: shop}}]}}");
    team.grant("web", &spec("")).await;
    team.grant("rests", &spec("suspend: true, ")).await;
    team.grant("over", &spec("validity: {notAfter: '2026-01-01T00:00:00Z'}, ")).await;
    team.grant("refused", &spec("ingress: {annotations: {example.invalid/key: value}}, ")).await;
    team.ready("web").await;
    for (name, reason, expected) in
        [("web", "Ready", "Healthy"), ("rests", "Suspended", "Suspended"), ("over", "Expired", "Suspended"), ("refused", "Invalid", "Degraded")]
    {
        team.condition(name, "Ready", if name == "web" { "True" } else { "False" }, reason).await;
        let mut written = serde_json::to_value(team.accesses().get(name).await.unwrap()).unwrap();
        merge(&mut written, &json!({"apiVersion": "argocd-access.dev/v1alpha1", "kind": "ExecAccess"}));
        let (shown, message) = health(folder.path(), &written).await;
        assert_eq!(shown, expected, "{name}: {message}");
        assert!(message.contains(reason), "{name}: {message}");
    }
}

#[test]
fn the_setting_for_argo_cd_has_the_text_of_the_file_for_all_three() {
    let read = |name: &str| std::fs::read_to_string(tools::repository().join(FOLDER).join(name)).unwrap();
    let setting: ConfigMap = serde_yaml::from_str(&read("argocd-cm.yaml")).unwrap();
    let data = setting.data.unwrap();
    let keys: Vec<&str> = data.keys().map(String::as_str).collect();
    let key = |kind: &str| format!("resource.customizations.health.argocd-access.dev_{kind}");
    assert_eq!(keys, [key("ClusterAccess"), key("ExecAccess"), key("LiveResourceAccess")]);
    assert!(data.values().all(|text| *text == read("health.lua")));
    // Every kind that the chart installs is one of them.
    let definitions = std::fs::read_dir(tools::repository().join("crds")).unwrap().count();
    assert_eq!(definitions, keys.len());
    assert!(document("docs/how-to/see-what-it-does.md").text.contains("argocd-health/argocd-cm.yaml"));
    // Each of its reasons is one that a condition can have.
    for word in read("health.lua").split('"').skip(1).step_by(2).filter(|word| word.chars().next().is_some_and(char::is_uppercase)) {
        let known = argocd_access::api::Reason::ALL.iter().any(|reason| reason.as_str() == word)
            || argocd_access::api::ConditionType::ALL.iter().any(|kind| kind.as_str() == word)
            || ["True", "Healthy", "Progressing", "Degraded", "Suspended"].contains(&word)
            || word.contains(' ');
        assert!(known, "{word} is no reason");
    }
    assert_eq!(manifests::parse(&read("argocd-cm.yaml")).len(), 1);
}
