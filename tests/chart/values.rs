//! What may be set, what is refused, and how it reaches the operator's configuration file.

use serde_json::{Value, json};

use crate::{
    rendering::{chart, helm, refusal, render, render_release},
    support::tools,
};

#[test]
fn the_chart_passes_helms_own_examination() {
    for setting in ["instance.serverRoles=Dedicated", "instance.serverRoles=InPlace", "clusterAccess.enabled=true,clusterAccess.clusters={a}"] {
        helm(&["lint", "--strict", &chart(), "--set", setting]).unwrap_or_else(|error| panic!("{setting}: {error}"));
    }
}

#[test]
fn a_typing_error_in_a_key_is_refused_with_its_place() {
    let message = refusal(&["instance.limts.requireReason=true"]);
    assert!(message.contains("at '/instance': additional properties 'limts' not allowed"), "{message}");
    let message = refusal(&["restor.enabled=false"]);
    assert!(message.contains("'restor' not allowed"), "{message}");
}

#[test]
fn a_wrong_choice_is_refused_with_the_right_ones() {
    for (setting, choices) in [
        ("instance.serverRoles=Dedicatd", "'Dedicated', 'InPlace'"),
        ("instance.restartServer=Always", "'Never', 'WhenNeeded'"),
        ("log.format=logfmt", "'json', 'text'"),
    ] {
        let message = refusal(&[setting]);
        assert!(message.contains(&format!("value must be one of {choices}")), "{message}");
    }
}

#[test]
fn a_shell_that_is_no_program_name_is_refused() {
    for shell in ["sh -c", "bash;id", "$SHELL", "a b", "bash\\,sh"] {
        let message = refusal(&[&format!("instance.shells={{bash,{shell}}}")]);
        assert!(message.contains("at '/instance/shells/1'") && message.contains("does not match pattern"), "{shell}: {message}");
    }
    let rendered = render(&["instance.shells={bash,/usr/local/bin/fish,sh}"]);
    assert_eq!(rendered.configuration()["instances"][0]["shells"], json!(["bash", "/usr/local/bin/fish", "sh"]));
}

#[test]
fn what_kubernetes_would_refuse_later_is_refused_before() {
    for setting in [
        "instance.limits.deniedNamespaces={Kube_System}",
        "fullnameOverride=Operator",
        "image.digest=latest",
        "listen.port=80",
        "restore.backoffLimit=-1",
    ] {
        let message = refusal(&[setting]);
        let key = setting.split('=').next().expect("a key").replace('.', "/");
        assert!(message.contains(&format!("at '/{key}")), "{setting}: {message}");
    }
}

#[test]
fn in_place_without_any_role_to_edit_is_refused() {
    let message = refusal(&["instance.serverRoles=InPlace", "instance.inPlace.role=", "instance.inPlace.clusterRole="]);
    assert!(message.contains("at '/instance/inPlace"), "{message}");
}

#[test]
fn a_foreign_service_account_has_to_be_named() {
    let message = refusal(&["serviceAccount.create=false"]);
    assert!(message.contains("serviceAccount.name is needed"), "{message}");
    let rendered = render(&["serviceAccount.create=false", "serviceAccount.name=theirs"]);
    assert_eq!(rendered.of_kind("ServiceAccount").count(), 0);
    assert_eq!(rendered.roles_of_the_operator().len(), 3);
}

#[test]
fn labels_by_which_argocd_knows_its_parts_cannot_be_added() {
    for key in ["app\\.kubernetes\\.io/part-of", "argocd\\.argoproj\\.io/instance", "app\\.kubernetes\\.io/name"] {
        for place in ["extraLabels", "podLabels"] {
            let message = refusal(&[&format!("{place}.{key}=argocd")]);
            assert!(message.contains("invalid propertyName"), "{message}");
        }
    }
}

#[test]
fn the_default_configuration_denies_the_system_and_the_releases_own_namespace() {
    let rendered = render_release("operator", "argo-system", &[]);
    assert_eq!(
        rendered.configuration(),
        json!({"instances": [{
            "namespace": "argo-system",
            "conflictPolicy": "Auto",
            "argocdOperator": false,
            "confine": false,
            "requireExclusive": false,
            "writeBackendConfigs": true,
            "serverRoles": "Dedicated",
            "shells": [],
            "restartServer": "Never",
            "live": {"enabled": false, "configMaps": ["argocd-agent-params"], "agents": []},
            "limits": {
                "deniedNamespaces": ["kube-system", "argo-system"],
                "deniedProjects": [],
                "allowClusterScope": true,
                "allowAllProjects": true,
                "allowProjectTarget": true,
                "requireReason": false,
                "requireNotAfter": false,
            },
        }]})
    );
}

#[test]
fn the_settings_reach_the_configuration_file() {
    let rendered = render(&[
        "instance.serverRoles=InPlace",
        "instance.inPlace.role=",
        "instance.restartServer=WhenNeeded",
        "instance.limits.deniedNamespaces={vault}",
        "instance.limits.deniedProjects={platform}",
        "instance.limits.requireReason=true",
        "live.enabled=true",
        "live.configMaps={edge-agent-helm-params}",
    ]);
    let instance = &rendered.configuration()["instances"][0];
    assert_eq!(instance["inPlace"], json!({"role": "", "clusterRole": "argocd-server"}));
    assert_eq!(instance["restartServer"], "WhenNeeded");
    assert_eq!(instance["limits"]["deniedNamespaces"], json!(["vault"]), "a list replaces the default");
    assert_eq!(instance["limits"]["deniedProjects"], json!(["platform"]));
    assert_eq!(instance["limits"]["requireReason"], true);
    assert_eq!(instance["live"], json!({"enabled": true, "configMaps": ["edge-agent-helm-params"], "agents": []}));
    assert!(instance.get("argocdServerDeployment").is_none(), "only the chart needs it");
}

#[test]
fn nothing_is_denied_only_where_the_list_is_empty_on_purpose() {
    let instance = |setting: &str| render(&[setting]).configuration()["instances"][0]["limits"]["deniedNamespaces"].clone();
    assert_eq!(instance("instance.limits.deniedNamespaces=null"), json!(["kube-system", "argocd"]));
    let chart = chart();
    let emptied = helm(&["template", "x", &chart, "--set-json", "instance.limits.deniedNamespaces=[]"]).expect("an empty list");
    assert!(emptied.contains("deniedNamespaces: []"), "{emptied}");
}

#[test]
fn every_key_of_the_schema_is_in_the_documented_values() {
    let folder = tools::repository().join("charts/argocd-access-operator");
    let read = |file: &str| std::fs::read_to_string(folder.join(file)).unwrap_or_else(|error| panic!("read {file}: {error}"));
    let schema: Value = serde_json::from_str(&read("values.schema.json")).expect("a schema");
    let values_text = read("values.yaml");
    let values: Value = serde_yaml::from_str(&values_text).expect("values");

    let (mut missing, mut pending) = (Vec::new(), vec![(String::new(), &schema, &values)]);
    while let Some((path, schema, values)) = pending.pop() {
        for (key, inner) in schema["properties"].as_object().into_iter().flatten() {
            let path = format!("{path}.{key}");
            match values.get(key) {
                Some(value) => pending.push((path, inner, value)),
                None if [".global", ".resources.claims"].contains(&path.as_str()) => {}
                None => missing.push(path),
            }
        }
    }
    assert!(missing.is_empty(), "in values.schema.json but not in values.yaml: {missing:?}");

    // A comment stands above every setting, or above the group in whose one sentence it is told.
    let told_together = ["tolerations:", "affinity:", "priorityClassName:", "podAnnotations:"];
    let lines: Vec<&str> = values_text.lines().collect();
    for pair in lines.windows(2) {
        let (above, line) = (pair[0].trim(), pair[1].trim());
        let leaf = line.contains(": ") && !line.starts_with('#');
        let in_resources = ["cpu:", "memory:"].iter().any(|key| line.starts_with(key));
        if leaf && !in_resources && !told_together.iter().any(|key| line.starts_with(key)) && line != "port: 8080" {
            assert!(above.starts_with('#') || above == "listen:", "no comment above {line:?}");
        }
    }
}
