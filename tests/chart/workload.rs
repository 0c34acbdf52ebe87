//! The operator's Deployments, the restoring Jobs, the Pods of `helm test`, their names and their labels.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::rendering::{Rendered, elements, name, render, render_release};

const CLUSTERS: &str = "clusterAccess.enabled=true,clusterAccess.clusters={a}";

/// Those of a rendering with remote clusters.
fn pod_templates(rendered: &Rendered) -> Vec<&Value> {
    let templates = rendered.pods();
    assert_eq!(templates.len(), 6, "those of two processes, of the Jobs that restore, and of `helm test`");
    templates
}

#[test]
fn every_container_runs_without_any_privilege() {
    let rendered = render(&[CLUSTERS]);
    for template in pod_templates(&rendered) {
        let spec = &template["spec"];
        assert_eq!(spec["securityContext"], json!({"runAsNonRoot": true, "seccompProfile": {"type": "RuntimeDefault"}}));
        assert!(spec.get("hostNetwork").is_none() && spec.get("initContainers").is_none());
        for container in elements(&spec["containers"]) {
            assert_eq!(
                container["securityContext"],
                json!({
                    "allowPrivilegeEscalation": false,
                    "capabilities": {"drop": ["ALL"]},
                    "privileged": false,
                    "readOnlyRootFilesystem": true,
                })
            );
            assert!(container["resources"]["limits"]["memory"].is_string());
        }
    }
}

#[test]
fn the_next_operator_is_ready_before_the_last_one_ends() {
    let spec = |settings: &[&str]| render(settings).object("Deployment", "")["spec"].clone();
    let rolling = json!({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}});
    assert_eq!((&spec(&[])["replicas"], &spec(&[])["strategy"]), (&json!(1), &rolling));
    assert_eq!(spec(&["replicas=3"])["replicas"], json!(3));
}

#[test]
fn a_changed_configuration_starts_the_operator_again_and_an_unchanged_one_does_not() {
    let checksum = |settings: &[&str]| {
        let rendered = render(settings);
        let annotations = &rendered.object("Deployment", "")["spec"]["template"]["metadata"]["annotations"];
        annotations["argocd-access.dev/config-checksum"].as_str().expect("a checksum").to_owned()
    };
    assert_eq!(checksum(&[]), checksum(&["metrics.service.enabled=false"]));
    assert_ne!(checksum(&[]), checksum(&["instance.limits.requireReason=true"]));
}

/// The arguments that name the roles of the chart.
fn shipped(rendered: &Rendered) -> [String; 3] {
    [("exec", "-exec"), ("events", "-live-events"), ("logs", "-live-logs")]
        .map(|(what, suffix)| format!("--{what}-cluster-role={}", name(rendered.object("ClusterRole", suffix))))
}

#[test]
fn the_operator_is_told_its_configuration_its_namespace_and_the_roles_that_it_may_bind() {
    let rendered = render(&["listen.address=[::]", "listen.port=9090", "live.enabled=true"]);
    let container = &rendered.object("Deployment", "")["spec"]["template"]["spec"]["containers"][0];
    let [exec, events, logs] = shipped(&rendered);
    assert_eq!(container["args"], json!(["run", "--config=/etc/argocd-access/config.yaml", exec, events, logs, "--listen=[::]:9090"]));
    let namespace = elements(&container["env"]).iter().find(|variable| variable["name"] == "ARGOCD_ACCESS_NAMESPACE");
    assert_eq!(namespace.expect("its namespace")["valueFrom"]["fieldRef"]["fieldPath"], "metadata.namespace");
    assert_eq!(container["volumeMounts"][0]["mountPath"], "/etc/argocd-access");
    for (probe, path) in [("startupProbe", "/livez"), ("livenessProbe", "/livez"), ("readinessProbe", "/readyz")] {
        assert_eq!(container[probe]["httpGet"], json!({"path": path, "port": "http"}));
    }
    assert_eq!(rendered.object("Service", "-metrics")["spec"]["publishNotReadyAddresses"], true);
}

#[test]
fn restoring_runs_before_anything_is_deleted_with_the_operators_own_rights() {
    let rendered = render(&["restore.timeoutSeconds=90", "live.enabled=true"]);
    let job = rendered.object("Job", "-restore");
    let deployment = rendered.object("Deployment", "");
    assert_eq!(job["metadata"]["annotations"]["helm.sh/hook"], "pre-delete");
    assert_eq!(job["metadata"]["annotations"]["helm.sh/hook-delete-policy"], "before-hook-creation,hook-succeeded");
    let pod = &job["spec"]["template"]["spec"];
    assert_eq!(pod["serviceAccountName"], deployment["spec"]["template"]["spec"]["serviceAccountName"]);
    assert_eq!(pod["restartPolicy"], "Never");
    let [exec, events, logs] = shipped(&rendered);
    assert_eq!(
        pod["containers"][0]["args"],
        json!([
            "restore",
            "--all",
            "--wait",
            "--config=/etc/argocd-access/config.yaml",
            exec,
            events,
            logs,
            "--namespace=argocd",
            format!("--operator-deployment={}", name(deployment)),
            "--timeout=90s",
        ])
    );
    let others = rendered.objects.iter().filter(|object| object["metadata"]["annotations"]["helm.sh/hook"] == "pre-delete");
    assert_eq!(others.count(), 1, "what the Job needs is no hook: it is there until the Job has ended");
}

#[test]
fn the_restoring_job_does_not_wait_for_its_own_pod() {
    let rendered = render(&[]);
    let selector = rendered.object("Deployment", "")["spec"]["selector"]["matchLabels"].as_object().expect("a selector");
    let labels = &rendered.object("Job", "")["spec"]["template"]["metadata"]["labels"];
    assert!(selector.iter().any(|(key, value)| labels[key] != *value), "{labels}");
    assert!(selector.iter().all(|(key, value)| rendered.object("Deployment", "")["spec"]["template"]["metadata"]["labels"][key] == *value));
}

#[test]
fn switching_restoring_off_takes_its_rights_too() {
    let rendered = render(&["restore.enabled=false"]);
    assert_eq!(rendered.of_kind("Job").count(), 0);
    assert!(!rendered.text.contains("deployments/scale"));
}

#[test]
fn added_labels_and_annotations_reach_every_object_and_pod() {
    let rendered = render(&[CLUSTERS, "extraLabels.team=platform", "podLabels.team=other", "podLabels.zone=a", "extraAnnotations.note=x"]);
    for object in &rendered.objects {
        // A Pod that is an object of the chart is a pod above all.
        let team = if object["kind"] == "Pod" { "other" } else { "platform" };
        assert_eq!(object["metadata"]["labels"]["team"], team, "{}", name(object));
        assert_eq!(object["metadata"]["annotations"]["note"], "x", "{}", name(object));
    }
    for template in pod_templates(&rendered) {
        assert_eq!(template["metadata"]["labels"]["team"], "other");
        assert_eq!(template["metadata"]["labels"]["zone"], "a");
    }
}

#[test]
fn nothing_carries_a_label_or_annotation_by_which_argocd_would_take_it_for_its_own() {
    let rendered = render(&[CLUSTERS, "instance.serverRoles=InPlace"]);
    assert!(!rendered.text.contains("part-of") && !rendered.text.contains("argocd.argoproj.io"));
    for object in rendered.objects.iter().chain(pod_templates(&rendered)) {
        let labels = &object["metadata"]["labels"];
        assert_eq!(labels["app.kubernetes.io/name"], "argocd-access-operator");
        assert_ne!(labels["app.kubernetes.io/component"], "server");
    }
}

#[test]
fn names_stay_within_63_characters_and_apart_however_long_the_release_is_called() {
    let namespace = "n".repeat(63);
    let settings =
        [CLUSTERS, "clusterAccess.aws.ack=true", "instance.serverRoles=InPlace", "instance.inPlace.role=r", "instance.inPlace.clusterRole=c"];
    let names = |release: &str| -> BTreeSet<(String, String)> {
        let rendered = render_release(release, &namespace, &settings);
        let named: BTreeSet<_> =
            rendered.objects.iter().map(|object| (object["kind"].as_str().expect("a kind").to_owned(), name(object).to_owned())).collect();
        assert_eq!(named.len(), rendered.objects.len(), "no two objects of a kind share a name: {named:?}");
        named
    };
    let one = names(&format!("{}-a", "r".repeat(51)));
    let other = names(&format!("{}-b", "r".repeat(51)));
    for (kind, name) in one.iter().chain(&other) {
        assert!(name.len() <= 63, "{kind} {name} has {} characters", name.len());
    }
    // The definitions are the cluster's, and belong to one release of it.
    let common = one.intersection(&other).filter(|(kind, _name)| kind != "CustomResourceDefinition");
    assert_eq!(common.count(), 0, "two long releases differ in every name");
}

#[test]
fn a_name_of_digits_stays_a_name() {
    let rendered = render_release("1", "2", &["nameOverride=x"]);
    assert!(rendered.objects.iter().all(|object| object["metadata"]["name"].is_string()));
    assert!(rendered.objects.iter().filter_map(|object| object["metadata"].get("namespace")).all(|namespace| namespace == "2"));
}
