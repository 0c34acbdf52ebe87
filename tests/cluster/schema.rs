//! The CustomResourceDefinition on a real API server: what it refuses and how it says so, what it accepts, how it reads, how it is updated.

use kube::Api;
use kube::api::{DynamicObject, Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use crate::support::{ControlPlane, Kubernetes, eventually, eventually::that, manifests, tools};
use crate::world::{SOON, example};

/// A namespace on a server that has our definitions, for objects of one kind.
pub struct Server {
    pub cp: &'static ControlPlane,
    pub namespace: String,
    pub api: Api<DynamicObject>,
    kind: &'static str,
}

impl Server {
    pub async fn of(kind: &'static str) -> Self {
        let cp = ControlPlane::shared(Kubernetes::V1_36).await;
        cp.install_operator_definitions().await;
        let namespace = cp.namespace("schema").await;
        let api = manifests::api(&cp.client(), &namespace, "argocd-access.dev/v1alpha1", kind);
        Self { cp, namespace, api, kind }
    }

    /// What the API server makes of an object; nothing is kept.
    pub async fn try_create(&self, name: &str, spec: &Value) -> Result<DynamicObject, String> {
        let object = json!({"apiVersion": "argocd-access.dev/v1alpha1", "kind": self.kind, "metadata": {"name": name}, "spec": spec});
        let dry_run = PostParams { dry_run: true, ..PostParams::default() };
        match self.api.create(&dry_run, &serde_json::from_value(object).unwrap()).await {
            Ok(object) => Ok(object),
            Err(kube::Error::Api(status)) => Err(status.message.clone()),
            Err(error) => panic!("{error}"),
        }
    }

    /// What kubectl says; a new definition is published a moment after it is established.
    async fn explain(&self, path: &str) -> String {
        eventually(&format!("kubectl explains {path}"), SOON, async || {
            let finished = self.cp.kubectl(&["explain", path]).await;
            that(finished.status.success(), || finished.stderr.clone()).map(|()| finished.stdout)
        })
        .await
    }
}

/// A good spec with one part replaced, or added, at a path such as `/subjects/0/name`.
fn with(path: &str, value: Value) -> Value {
    let mut spec = json!({"subjects": [{"kind": "Group", "name": "g"}], "applications": [{"project": "shop", "name": "web-*"}]});
    let mut at = &mut spec;
    for part in path.trim_start_matches('/').split('/') {
        at = match part.parse::<usize>() {
            Ok(index) => &mut at[index],
            Err(_) => &mut at[part],
        };
    }
    *at = value;
    spec
}

/// Where, what, and what the refusal must say.
fn bad() -> Vec<(&'static str, Value, &'static str)> {
    let subject = json!({"kind": "Group", "name": "g"});
    let application = json!({"project": "shop"});
    let annotations =
        |count: usize| -> Value { (0..count).map(|i| (format!("nginx.org/a{i}"), json!("1"))).collect::<serde_json::Map<_, _>>().into() };
    vec![
        ("/subjects", json!([]), "should have at least 1 items"),
        ("/subjects", Value::Null, "spec.subjects: Required value"),
        ("/subjects", json!(vec![subject; 65]), "must have at most 64 items"),
        ("/subjects/0/kind", json!("Team"), "supported values: \"Group\", \"User\", \"Role\""),
        ("/subjects/0/name", json!(""), "should be at least 1 chars long"),
        ("/subjects/0/name", json!("a".repeat(257)), "may not be more than 256"),
        ("/subjects/0/name", json!("a\ng, evil, role:admin"), "control or invisible characters (a line break would end the policy line)"),
        ("/subjects/0/name", json!("a\tb"), "control or invisible characters"),
        ("/subjects/0/name", json!("a\u{200b}b"), "control or invisible characters"),
        ("/subjects/0/name", json!("a\u{2028}b"), "control or invisible characters"),
        ("/subjects/0/name", json!(" a"), "must not begin or end with a space"),
        ("/subjects/0/name", json!("a\u{a0}"), "must not begin or end with a space"),
        ("/subjects/0/name", json!("role:admin"), "use kind: Role with the bare name"),
        ("/subjects/0/name", json!("proj:shop:dev"), "use kind: Role with the bare name"),
        ("/subjects/0", json!({"kind": "Role", "name": "a, b"}), "is named without the prefix 'role:', with letters, digits"),
        ("/subjects/0", json!({"kind": "Role", "name": "role:x"}), "use kind: Role with the bare name"),
        ("/applications", json!([]), "should have at least 1 items"),
        ("/applications", Value::Null, "spec.applications: Required value"),
        ("/applications", json!(vec![application; 65]), "must have at most 64 items"),
        ("/applications/0/project", Value::Null, "project: Required value"),
        ("/applications/0/project", json!("Shop"), "project must be a project's name"),
        ("/applications/0/project", json!("shop, allow"), "the only wildcards are '*' and '?'"),
        ("/applications/0/project", json!("shop/prod"), "project must be a project's name"),
        ("/applications/0/name", json!("web/{a,b}"), "name must be an application's name"),
        ("/applications/0/name", json!("[a-z]"), "the only wildcards are '*' and '?'"),
        ("/applications/0/namespace", json!("team-*"), "namespace must be the name of a namespace, or '*' for every namespace"),
        ("/roleName", json!("role:x"), "leave out the prefix 'role:'"),
        ("/roleName", json!("a b"), "roleName may hold letters, digits"),
        ("/roleName", json!("-x"), "begins and ends with a letter or digit"),
        ("/roleName", json!("admin"), "must not be 'admin' or 'readonly': those are Argo CD's built-in roles"),
        ("/roleName", json!("readonly"), "must not be 'admin' or 'readonly'"),
        ("/roleName", json!("r".repeat(101)), "may not be more than 100"),
        ("/server", json!({"scope": "Everywhere"}), "supported values: \"Namespaces\", \"Cluster\""),
        ("/server", json!({"scope": "Cluster", "namespaces": {"names": ["a"]}}), "no meaning with scope: Cluster; remove one of the two"),
        ("/server", json!({"scope": "Cluster", "namespaces": {"selector": {"matchLabels": {"a": "b"}}}}), "no meaning with scope: Cluster"),
        ("/server", json!({"namespaces": {"names": ["A_b"]}}), "spec.server.namespaces.names[0]"),
        ("/server", json!({"namespaces": {"selector": {}}}), "an empty selector would select every namespace"),
        (
            "/server",
            json!({"namespaces": {"selector": {"matchExpressions": [{"key": "a", "operator": "Is"}]}}}),
            "supported values: \"In\", \"NotIn\"",
        ),
        ("/ingress", json!({"mode": "Maybe"}), "supported values: \"Auto\", \"None\""),
        ("/ingress", json!({"timeout": "one hour"}), "such as '1h', '90m' or '1h30m'"),
        ("/ingress", json!({"timeout": "90"}), "hours, minutes and seconds in this order"),
        ("/ingress", json!({"timeout": "5s"}), "timeout must be between 10s and 24h"),
        ("/ingress", json!({"timeout": "25h"}), "timeout must be between 10s and 24h"),
        ("/ingress", json!({"annotations": annotations(17)}), "must have at most 16 items"),
        ("/ingress", json!({"annotations": {"nginx.org/a": "1".repeat(513)}}), "may not be more than 512"),
        ("/validity", json!({"notBefore": "2026-06-02T00:00:00Z", "notAfter": "2026-06-01T00:00:00Z"}), "notBefore must be earlier than notAfter"),
        (
            "/validity",
            json!({"notBefore": "2026-06-01T10:00:00+02:00", "notAfter": "2026-06-01T08:00:00Z"}),
            "notBefore must be earlier than notAfter",
        ),
        ("/validity", json!({"notAfter": "2026-06-01T08:00:00"}), "spec.validity.notAfter"),
        ("/validity", json!({"notAfter": "tomorrow"}), "spec.validity.notAfter"),
        (
            "/schedule",
            json!([{"days": ["Mon"], "from": "08:00", "to": "08:00"}]),
            "from and to must differ; for a whole day write from '00:00' to '24:00'",
        ),
        ("/schedule", json!([{"days": ["Mon"], "from": "24:00", "to": "08:00"}]), "spec.schedule[0].from"),
        ("/schedule", json!([{"days": ["Mon"], "from": "08:00", "to": "24:30"}]), "spec.schedule[0].to"),
        ("/schedule", json!([{"days": ["Monday"], "from": "08:00", "to": "18:00"}]), "supported values: \"Mon\""),
        ("/schedule", json!([{"days": [], "from": "08:00", "to": "18:00"}]), "should have at least 1 items"),
        ("/schedule", json!([{"days": ["Mon"], "from": "08:00", "to": "18:00", "timeZone": "../etc"}]), "spec.schedule[0].timeZone"),
        ("/onRevoke", json!("Kill"), "supported values: \"Drain\", \"RestartServer\""),
        ("/mode", json!("DryRun"), "supported values: \"Enforce\", \"Observe\""),
        ("/suspend", json!("yes"), "must be of type boolean"),
        ("/reason", json!("a\nb"), "reason must be one line without control characters"),
        ("/reason", json!("r".repeat(257)), "may not be more than 256"),
    ]
}

#[tokio::test]
async fn every_bad_value_is_refused_with_a_message_that_a_person_understands() {
    let server = Server::of("ExecAccess").await;
    for (path, value, says) in bad() {
        let Err(refusal) = server.try_create("bad", &with(path, value.clone())).await else { panic!("{path} {value} was accepted") };
        assert!(refusal.contains(says), "{path} {value}: {refusal}");
        assert!(!refusal.contains("no such key") && !refusal.contains("evaluation error"), "a rule stumbled over {path} {value}: {refusal}");
    }
    let long = server.try_create(&"n".repeat(64), &with("/suspend", json!(false))).await.unwrap_err();
    assert!(long.contains("metadata.name must be at most 63 characters"), "{long}");

    // A misspelt field, as kubectl asks for by default.
    let file = server.cp.folder().join(format!("{}.json", server.namespace));
    let object =
        json!({"apiVersion": "argocd-access.dev/v1alpha1", "kind": "ExecAccess", "metadata": {"name": "bad"}, "spec": with("/subject", json!([]))});
    std::fs::write(&file, object.to_string()).unwrap();
    let finished = server.cp.kubectl(&["create", "--namespace", &server.namespace, "--dry-run=server", "-f", &file.display().to_string()]).await;
    assert!(!finished.status.success() && finished.stderr.contains("unknown field \"spec.subject\""), "{}", finished.stderr);
}

#[tokio::test]
async fn a_role_in_projects_has_groups_only_and_no_name_and_its_projects_no_wildcards() {
    let server = Server::of("ExecAccess").await;
    let spec = |subject: &str, project: &str, role: Option<&str>| json!({"policyTarget": "Project", "subjects": [{"kind": subject, "name": "g"}], "applications": [{"project": project, "name": "web-?"}], "roleName": role});
    for (spec, expected) in [
        (spec("User", "shop", None), "kind Group only"),
        (spec("Role", "shop", None), "kind Group only"),
        (spec("Group", "sh*", None), "each project by its name"),
        (spec("Group", "shop", Some("x")), "roleName has no meaning"),
    ] {
        let said = server.try_create("project", &spec).await.unwrap_err();
        assert!(said.contains(expected), "{spec}: {said}");
    }
    server.try_create("project", &spec("Group", "shop", None)).await.unwrap();
}

#[tokio::test]
async fn what_the_examples_and_the_edges_say_is_accepted_with_its_defaults() {
    let server = Server::of("ExecAccess").await;
    let entries = std::fs::read_dir(tools::repository().join("examples")).unwrap().map(Result::unwrap);
    // In the folder are those for Argo CD, which have tests of their own.
    for entry in entries.filter(|entry| entry.file_type().unwrap().is_file()) {
        let name = entry.file_name().into_string().unwrap();
        for object in manifests::parse(&example(&name)).iter().filter(|o| o.types.as_ref().unwrap().kind == "ExecAccess") {
            server.try_create(object.metadata.name.as_deref().unwrap(), &object.data["spec"]).await.unwrap_or_else(|e| panic!("{name}: {e}"));
        }
    }
    for (path, value) in [
        ("/subjects/0/name", json!("CN=Team \"A\", OU=x,y; ünïcödé 日本")),
        ("/subjects/0", json!({"kind": "Role", "name": "org:dev-1.x_y"})),
        ("/subjects/0/name", json!("ö".repeat(256))),
        ("/applications/0/project", json!("*")),
        ("/applications/0/name", json!("web-?.*")),
        ("/applications/0/namespace", json!("*")),
        ("/roleName", json!("r".repeat(100))),
        ("/server", json!({"scope": "Cluster"})),
        ("/server", json!({"namespaces": {"names": ["a"], "selector": {"matchLabels": {"a": "b"}}}})),
        ("/ingress", json!({"timeout": "10s"})),
        ("/ingress", json!({"timeout": "24h"})),
        ("/ingress", json!({"timeout": "1h30m5s"})),
        ("/reason", json!("ünïcödé; \"quoted\", 日本")),
        ("/validity", json!({"notBefore": null, "notAfter": "2026-06-01T08:00:00.5+02:00"})),
        ("/validity", json!({"notBefore": "2026-06-01T08:00:00Z", "notAfter": null})),
        (
            "/schedule",
            json!([{"days": ["Sat", "Sun"], "from": "22:00", "to": "06:00"}, {"days": ["Mon"], "from": "00:00", "to": "24:00", "timeZone": "Etc/GMT+5"}]),
        ),
    ] {
        server.try_create("good", &with(path, value.clone())).await.unwrap_or_else(|e| panic!("{path} {value}: {e}"));
    }
    server.try_create(&"n".repeat(63), &with("/suspend", json!(true))).await.unwrap();
    let made = server.try_create("good", &json!({"subjects": [{"kind": "User", "name": "u"}], "applications": [{"project": "shop"}]})).await.unwrap();
    let spec = &made.data["spec"];
    assert_eq!((&spec["applications"][0]["name"], &spec["mode"], &spec["suspend"]), (&json!("*"), &json!("Enforce"), &json!(false)));
    assert_eq!(
        (&spec["server"]["scope"], &spec["ingress"]["timeout"], &spec["ingress"]["mode"]),
        (&json!("Namespaces"), &json!("1h"), &json!("Auto"))
    );
}

/// The fields of a schema, at any depth, that say nothing about themselves.
fn silent(path: &str, schema: &Value, found: &mut Vec<String>) {
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        let path = format!("{path}.{name}");
        if property["description"].as_str().is_none_or(|text| text.trim().len() < 8) {
            found.push(path.clone());
        }
        silent(&path, property, found);
    }
    if schema["items"].is_object() {
        silent(path, &schema["items"], found);
    }
}

#[tokio::test]
async fn kubectl_explain_reads_like_documentation() {
    let server = Server::of("ExecAccess").await;
    for (path, fields) in [
        ("execaccess", &["spec", "status", "who may open a terminal"][..]),
        ("execaccess.spec", &["subjects", "applications", "roleName", "server", "ingress", "mode", "suspend", "reason", "-required-", "Withdraws"]),
        ("execaccess.spec.subjects", &["kind", "name", "enum: Group, User, Role", "claim of the login token"]),
        ("execaccess.spec.applications", &["project", "name", "namespace", "wildcards"]),
        ("execaccess.spec.server", &["scope", "namespaces", "enum: Namespaces, Cluster"]),
        ("execaccess.spec.server.namespaces", &["names", "selector"]),
        ("execaccess.spec.ingress", &["mode", "timeout", "annotations", "24h"]),
        ("execaccess.spec.schedule", &["days", "from", "to", "timeZone", "IANA", "counts twice"]),
        (
            "execaccess.status",
            &["nextTransition", "sessionsMayRemain", "conditions", "policy", "server", "ingresses", "changes", "instance", "observedGeneration"],
        ),
    ] {
        let text = server.explain(path).await;
        // What kubectl knows of any object is not ours to describe.
        assert!(!text.contains("<no description>"), "{path}:\n{text}");
        for field in fields {
            assert!(text.contains(field), "{path} does not say {field:?}:\n{text}");
        }
    }
    let definition = manifests::read_folder(&tools::repository().join("crds"), ".yaml").remove(0);
    for version in definition.data["spec"]["versions"].as_array().unwrap() {
        let (mut found, schema) = (Vec::new(), &version["schema"]["openAPIV3Schema"]["properties"]);
        silent("spec", &schema["spec"], &mut found);
        silent("status", &schema["status"], &mut found);
        assert!(found.is_empty(), "without a description: {found:?}");
    }
}

#[tokio::test]
async fn the_status_is_not_written_through_the_object_and_short_names_work() {
    let server = Server::of("ExecAccess").await;
    let status = json!({"conditions": [{"type": "Ready", "status": "True", "reason": "Ready", "message": "forged", "lastTransitionTime": "2026-01-01T00:00:00Z"}]});
    let object = json!({"apiVersion": "argocd-access.dev/v1alpha1", "kind": "ExecAccess", "metadata": {"name": "team-a"},
        "spec": with("/suspend", json!(true)), "status": status});
    let made = server.api.create(&PostParams::default(), &serde_json::from_value(object).unwrap()).await.unwrap();
    assert!(made.data["status"].is_null(), "{:#}", made.data);
    let patched = server.api.patch("team-a", &PatchParams::default(), &Patch::Merge(json!({"status": status}))).await.unwrap();
    assert!(patched.data["status"].is_null(), "{:#}", patched.data);

    server.api.patch_status("team-a", &PatchParams::default(), &Patch::Merge(json!({"status": status}))).await.unwrap();
    let (namespace, kubectl) = (server.namespace.as_str(), async |arguments: &[&str]| server.cp.kubectl(arguments).await.success());
    let table = kubectl(&["get", "exa", "--namespace", namespace]).await;
    let words: Vec<Vec<&str>> = table.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(words[0], ["NAME", "READY", "REASON", "ROLE", "MODE", "NEXT", "AGE"], "{table}");
    assert_eq!(words[1][..3], ["team-a", "True", "Ready"], "{table}");
    let wide = kubectl(&["get", "exa", "--namespace", namespace, "-o", "wide"]).await;
    assert!(wide.contains("SUSPENDED") && wide.contains("MESSAGE") && wide.contains("forged"), "{wide}");
    assert!(kubectl(&["get", "argocd", "--namespace", namespace, "-o", "name"]).await.contains("execaccess.argocd-access.dev/team-a"));
    kubectl(&["wait", "exa/team-a", "--namespace", namespace, "--for=condition=Ready", "--timeout=5s"]).await;
}

/// The command by which the notes update the definitions where the chart is told not to.
fn update_command() -> Vec<String> {
    let notes = std::fs::read_to_string(tools::repository().join("charts/argocd-access-operator/templates/NOTES.txt")).unwrap();
    let line = notes.lines().map(str::trim).find(|l| l.starts_with("kubectl apply") && l.ends_with("-f crds/")).unwrap();
    line.split_whitespace().skip(1).map(ToOwned::to_owned).collect()
}

#[tokio::test]
async fn definitions_that_the_chart_is_not_to_update_are_updated_as_the_notes_say_and_again() {
    let server = Server::of("ExecAccess").await;
    // Under a name of its own: the other tests install the chart meanwhile, and helm compares.
    let file = tools::repository().join("charts/argocd-access-operator/files/crds/execaccesses.argocd-access.dev.yaml");
    let text = std::fs::read_to_string(file).unwrap().replace("argocd-access.dev", "updated.argocd-access.dev").replace("- exa\n", "- updated\n");
    let own = text.replace("ExecAccess", "UpdatedAccess").replace("execaccess", "updatedaccess");
    for definition in manifests::parse(&own) {
        manifests::apply_one(&server.cp.client(), "", &definition, "helm").await;
    }
    // The next version says something else.
    let next = own.replace("Withdraws the access at once", "Withdraws it at once");
    assert_ne!(own, next);
    let folder = server.cp.folder().join(format!("crds-{}", server.namespace));
    std::fs::create_dir(&folder).unwrap();
    for text in [&next, &next, &own] {
        std::fs::write(folder.join("definition.yaml"), text).unwrap();
        let mut command = update_command();
        *command.last_mut().unwrap() = folder.display().to_string();
        let said = server.cp.kubectl(&command.iter().map(String::as_str).collect::<Vec<_>>()).await.success();
        assert!(said.contains("updatedaccesses.updated.argocd-access.dev serverside-applied"), "{said}");
    }
}
