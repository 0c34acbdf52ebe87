//! The CustomResourceDefinitions as a part of the release: made, upgraded, taken over and kept.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};

use crate::{
    install::RELEASE,
    rendering::{name, render},
    support::{ControlPlane, Kubernetes, process::Finished, tools},
};

const NAMES: [&str; 3] = ["clusteraccesses.argocd-access.dev", "execaccesses.argocd-access.dev", "liveresourceaccesses.argocd-access.dev"];
/// A sentence of a definition, and what the next version has in its place.
const SAID: (&str, &str) = ("Withdraws the access at once", "Withdraws it at once");

/// A cluster of the test's own, with two namespaces: only one release in a cluster has the definitions.
async fn cluster() -> ControlPlane {
    let started = tokio::task::spawn_blocking(|| ControlPlane::start(Kubernetes::V1_36)).await.expect("the start of a control plane");
    let cluster = started.unwrap_or_else(|message| panic!("{message}"));
    for namespace in ["argocd", "second"] {
        cluster.kubectl(&["create", "namespace", namespace]).await.success();
    }
    cluster
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("make a folder");
    for entry in std::fs::read_dir(from).expect("read a folder").map(|entry| entry.expect("an entry").path()) {
        let target = to.join(entry.file_name().expect("a name"));
        if entry.is_dir() {
            copy(&entry, &target);
        } else {
            std::fs::copy(&entry, &target).expect("copy a file");
        }
    }
}

/// A copy of the chart. The `next` one has another sentence in a definition.
fn chart(cluster: &ControlPlane, folder: &str, next: bool) -> PathBuf {
    let folder = cluster.folder().join(folder);
    copy(&tools::repository().join("charts/argocd-access-operator"), &folder);
    let file = folder.join("files/crds/execaccesses.argocd-access.dev.yaml");
    let text = std::fs::read_to_string(&file).expect("read a definition");
    assert!(text.contains(SAID.0), "the tests change a sentence that is there");
    if next {
        std::fs::write(file, text.replace(SAID.0, SAID.1)).expect("write a definition");
    }
    folder
}

/// A copy of the chart as it was when its definitions were in Helm's own folder.
fn former_chart(cluster: &ControlPlane) -> PathBuf {
    let folder = chart(cluster, "former", false);
    std::fs::rename(folder.join("files/crds"), folder.join("crds")).expect("move the definitions");
    std::fs::remove_file(folder.join("templates/crds.yaml")).expect("remove the template");
    folder
}

async fn helm(cluster: &ControlPlane, verb: &str, chart: &Path, namespace: &str, settings: &[&str]) -> Finished {
    let chart = chart.to_string_lossy();
    let mut arguments = vec![verb, RELEASE, &chart, "--namespace", namespace];
    for setting in settings {
        arguments.extend(["--set", setting]);
    }
    cluster.helm(&arguments).await
}

async fn uninstall(cluster: &ControlPlane) {
    // The restoring Job would need the operator's image; what it does is shown with the operator.
    cluster.helm(&["uninstall", RELEASE, "--namespace", "argocd", "--no-hooks"]).await.success();
}

/// The definition of ExecAccess as the cluster has it.
async fn definition(cluster: &ControlPlane) -> String {
    cluster.kubectl(&["get", "crd", "execaccesses.argocd-access.dev", "--output=yaml"]).await.success()
}

async fn declare(cluster: &ControlPlane) {
    let text = json!({"apiVersion": "argocd-access.dev/v1alpha1", "kind": "ExecAccess", "metadata": {"name": "team-a", "namespace": "argocd"},
        "spec": {"subjects": [{"kind": "Group", "name": "a"}], "applications": [{"project": "shop", "name": "web"}]}});
    let file = cluster.folder().join("declared.yaml");
    std::fs::write(&file, text.to_string()).expect("write an ExecAccess");
    cluster.kubectl(&["wait", "--for=condition=Established", "--timeout=20s", "crd/execaccesses.argocd-access.dev"]).await.success();
    cluster.kubectl(&["apply", "--filename", &file.to_string_lossy()]).await.success();
}

#[test]
fn what_is_rendered_is_what_was_generated_and_is_kept_unless_told_otherwise() {
    let generated: BTreeMap<String, Value> = crate::support::manifests::read_folder(&tools::repository().join("crds"), ".yaml")
        .iter()
        .map(|definition| serde_json::to_value(definition).expect("JSON"))
        .map(|definition| (name(&definition).to_owned(), definition["spec"].clone()))
        .collect();
    assert_eq!(generated.keys().collect::<Vec<_>>(), NAMES);
    let kept = |settings: &[&str]| -> Vec<bool> {
        let rendered = render(settings);
        let definitions = rendered.of_kind("CustomResourceDefinition");
        let each = definitions.map(|definition| {
            assert_eq!(definition["spec"], generated[name(definition)], "{}", name(definition));
            definition["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"
        });
        each.collect()
    };
    assert_eq!(kept(&[]), [true; 3]);
    assert_eq!(kept(&["crds.keep=false"]), [false; 3]);
    assert_eq!(kept(&["crds.enabled=false"]), [false; 0]);
}

#[tokio::test]
async fn an_upgrade_brings_the_definitions_up_to_date_and_removal_keeps_them_with_their_objects() {
    let cluster = cluster().await;
    let (now, next) = (chart(&cluster, "now", false), chart(&cluster, "next", true));
    let notes = helm(&cluster, "install", &now, "argocd", &[]).await.success();
    assert!(!notes.contains("kubectl label crd") && notes.contains("kubectl delete crd"), "{notes}");
    declare(&cluster).await;
    helm(&cluster, "upgrade", &next, "argocd", &[]).await.success();
    let found = definition(&cluster).await;
    assert!(found.contains(SAID.1) && !found.contains(SAID.0), "the definition is not that of the next version");

    // Another release leaves them alone, and says whose they are.
    let notes = helm(&cluster, "install", &now, "second", &[]).await.success();
    assert!(notes.contains(&format!("belong to the release {RELEASE} in the namespace argocd: upgrade that one first")), "{notes}");
    assert!(definition(&cluster).await.contains(SAID.1));
    cluster.helm(&["uninstall", RELEASE, "--namespace", "second", "--no-hooks"]).await.success();

    // With the release gone, or told to do without them, they are there still, and a new one has them again.
    for without in [false, true] {
        if without {
            helm(&cluster, "upgrade", &next, "argocd", &["crds.enabled=false"]).await.success();
        }
        uninstall(&cluster).await;
        cluster.kubectl(&["get", "exa", "team-a", "--namespace", "argocd"]).await.success();
        let notes = helm(&cluster, "install", &now, "argocd", &[]).await.success();
        assert!(!notes.contains("kubectl label crd"), "{notes}");
        assert!(definition(&cluster).await.contains(SAID.0), "the definition is that of the release");
    }

    let notes = helm(&cluster, "upgrade", &now, "argocd", &["crds.keep=false"]).await.success();
    assert!(notes.contains("WARNING: crds.keep is false"), "{notes}");
    uninstall(&cluster).await;
    let gone = cluster.kubectl(&["wait", "--for=delete", "--timeout=20s", "crd", NAMES[0], NAMES[1], NAMES[2]]).await;
    assert!(gone.status.success(), "{}{}", gone.stdout, gone.stderr);
}

#[tokio::test]
async fn definitions_that_a_former_chart_left_to_helm_are_taken_over_by_the_two_commands_of_the_notes() {
    let cluster = cluster().await;
    let (former, next) = (former_chart(&cluster), chart(&cluster, "next", true));
    helm(&cluster, "install", &former, "argocd", &[]).await.success();
    declare(&cluster).await;

    let notes = helm(&cluster, "upgrade", &next, "argocd", &[]).await.success();
    assert!(notes.contains("WARNING: the CustomResourceDefinitions are there already and belong to no release"), "{notes}");
    assert!(definition(&cluster).await.contains(SAID.0), "nothing is done to what is not the release's");
    let commands: Vec<&str> =
        notes.lines().map(str::trim).filter(|l| l.starts_with("kubectl label crd") || l.starts_with("kubectl annotate crd")).collect();
    assert_eq!(commands.len(), 2, "{notes}");
    for command in commands {
        cluster.kubectl(&command.split_whitespace().skip(1).collect::<Vec<_>>()).await.success();
    }
    let notes = helm(&cluster, "upgrade", &next, "argocd", &[]).await.success();
    assert!(!notes.contains("kubectl label crd"), "{notes}");
    let found = definition(&cluster).await;
    assert!(found.contains(SAID.1) && found.contains("helm.sh/resource-policy: keep"), "{found}");
    uninstall(&cluster).await;
    cluster.kubectl(&["get", "exa", "team-a", "--namespace", "argocd"]).await.success();
}
