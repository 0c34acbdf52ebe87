//! Installing without Helm: `charts/static` by kubectl and by kustomize, and `examples/gitops` by Argo CD.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use serde_json::{Value, json};
use tokio::sync::OnceCell;

use crate::{
    install::RELEASE,
    rendering::{chart, helm},
    support::{ControlPlane, Kubernetes, eventually, eventually::that, kubelet::Kubelet, manifests, process::Process, reaper, tools},
};

/// A cluster of these tests' own, with Argo CD's objects in the namespace argocd: what is installed here has a fixed name in it.
async fn cluster() -> &'static ControlPlane {
    static CLUSTER: OnceCell<&'static ControlPlane> = OnceCell::const_new();
    CLUSTER
        .get_or_init(|| async {
            let started = tokio::task::spawn_blocking(|| ControlPlane::start(Kubernetes::V1_36)).await.expect("the start of a control plane");
            let cluster: &'static ControlPlane = Box::leak(Box::new(started.unwrap_or_else(|message| panic!("{message}"))));
            cluster.kubectl(&["create", "namespace", "argocd"]).await.success();
            cluster.install_argocd("argocd").await;
            cluster
        })
        .await
}

fn path(name: &str) -> String {
    tools::repository().join(name).display().to_string()
}

#[test]
fn the_static_manifests_are_what_the_chart_renders_without_its_hooks() {
    let folder = reaper::folder("static");
    let made = reaper::command(tools::repository().join("tests/tools/static")).arg(folder.path()).output().expect("run tests/tools/static");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let fresh = std::fs::read_to_string(folder.path().join("install.yaml")).expect("read what was written");
    let committed = std::fs::read_to_string(path("charts/static/install.yaml")).expect("read charts/static/install.yaml");
    assert!(fresh == committed, "charts/static/install.yaml is not up to date: run 'make static'");

    let rendered = crate::rendering::render_release(RELEASE, "argocd", &["restore.enabled=false", "tests.enabled=false"]);
    let without_helm = |mut object: Value| {
        for place in ["/metadata/labels", "/spec/template/metadata/labels"] {
            if let Some(labels) = object.pointer_mut(place).and_then(Value::as_object_mut) {
                labels.retain(|key, _value| key != "app.kubernetes.io/managed-by" && key != "helm.sh/chart");
            }
        }
        let metadata = object["metadata"].as_object_mut().expect("metadata");
        metadata.retain(|key, value| key != "annotations" || *value != json!({"helm.sh/resource-policy": "keep"}));
        object
    };
    let expected: Vec<Value> = rendered.objects.into_iter().map(without_helm).collect();
    let found: Vec<Value> = manifests::parse(&committed).iter().map(|object| serde_json::to_value(object).expect("JSON")).collect();
    assert_eq!(found.len(), expected.len());
    for object in &found {
        assert!(expected.contains(object), "not what the chart renders: {} {}", object["kind"], object["metadata"]["name"]);
        assert!(object["kind"] != "Job" && object["kind"] != "Pod", "it would run as soon as it is applied");
    }
}

#[tokio::test]
async fn it_is_installed_by_kubectl_alone_or_by_kustomize_works_and_is_removed() {
    let cluster = cluster().await;
    let _kubelet = Kubelet::start(cluster, "argocd");
    let file = path("charts/static/install.yaml");
    cluster.kubectl(&["apply", "--server-side", "--validate=strict", "--filename", &file]).await.success();
    let rolled_out = ["rollout", "status", "deployment/argocd-access-operator", "--namespace", "argocd", "--timeout=90s"];
    cluster.kubectl(&rolled_out).await.success();
    let access = json!({"apiVersion": "argocd-access.dev/v1alpha1", "kind": "ExecAccess", "metadata": {"name": "by-hand", "namespace": "argocd"},
        "spec": {"subjects": [{"kind": "Group", "name": "a"}], "applications": [{"project": "shop", "name": "web"}]}});
    manifests::apply_text(&cluster.client(), "argocd", &access.to_string()).await;
    cluster.kubectl(&["wait", "exa/by-hand", "--namespace", "argocd", "--for=condition=PolicyApplied", "--timeout=60s"]).await.success();

    // The overlay changes the image and the replicas, and nothing else has to be said again.
    cluster.kubectl(&["apply", "--server-side", "--kustomize", &path("charts/static")]).await.success();
    cluster.kubectl(&["apply", "--server-side", "--validate=strict", "--kustomize", &path("examples/gitops")]).await.success();
    cluster.kubectl(&rolled_out).await.success();
    let deployment = cluster.kubectl(&["get", "deployment", RELEASE, "--namespace", "argocd", "--output=json"]).await.success();
    let deployment: Value = serde_json::from_str(&deployment).expect("a Deployment");
    assert_eq!(deployment["spec"]["replicas"], 2);
    let image = &deployment["spec"]["template"]["spec"]["containers"][0]["image"];
    assert_eq!(image, "registry.example.com/tools/argocd-access-operator:0.1.0");

    cluster.kubectl(&["delete", "exa", "--all", "--namespace", "argocd", "--timeout=60s"]).await.success();
    let policy = cluster.kubectl(&["get", "configmap", "argocd-rbac-cm", "--namespace", "argocd", "--output=yaml"]).await.success();
    assert!(!policy.contains("exec"), "{policy}");
    cluster.kubectl(&["delete", "--filename", &file, "--timeout=60s"]).await.success();
}

fn example(name: &str) -> Value {
    let file = tools::repository().join("examples/gitops").join(name);
    let objects = manifests::read(&file);
    assert_eq!(objects.len(), 1, "{name}");
    serde_json::to_value(&objects[0]).expect("JSON")
}

/// What helm renders of a chart with the values that an Application gives it.
fn rendered(chart: &str, source: &Value) -> Result<Vec<Value>, String> {
    let folder = reaper::folder("values");
    let values: PathBuf = folder.path().join("values.json");
    std::fs::write(&values, source["helm"]["valuesObject"].to_string()).expect("write the values");
    let name = source["helm"]["releaseName"].as_str().expect("a release's name");
    let text = helm(&["template", name, chart, "--namespace", "argocd", "--values", &values.to_string_lossy()])?;
    Ok(manifests::parse(&text).iter().map(|object| serde_json::to_value(object).expect("JSON")).collect())
}

#[tokio::test]
async fn argo_cds_own_definitions_take_the_examples_and_the_chart_takes_their_values() {
    let cluster = cluster().await;
    for name in ["application.yaml", "appproject.yaml", "applicationset.yaml"] {
        let file = path(&format!("examples/gitops/{name}"));
        // By the server: another test here applies the same, and nothing is read before it is written.
        let arguments = ["apply", "--server-side", "--force-conflicts", "--dry-run=server", "--validate=strict", "--filename", &file];
        cluster.kubectl(&arguments).await.success();
    }
    let source = &example("application.yaml")["spec"]["source"];
    assert!(tools::repository().join(source["path"].as_str().expect("a path")).join("Chart.yaml").is_file());
    let objects = rendered(&chart(), source).unwrap_or_else(|error| panic!("{error}"));
    let deployment = objects.iter().find(|object| object["kind"] == "Deployment").expect("a Deployment");
    assert_eq!(deployment["spec"]["replicas"], 2);
}

#[tokio::test]
async fn argo_cds_application_set_controller_makes_an_exec_access_of_each_team_and_of_nobody_else() {
    let cluster = cluster().await;
    let client = cluster.client();
    for name in ["appproject.yaml", "applicationset.yaml"] {
        cluster.kubectl(&["apply", "--server-side", "--filename", &path(&format!("examples/gitops/{name}"))]).await.success();
    }
    let folder = reaper::folder("application-set");
    let mut command = reaper::command(tools::path("argocd"));
    command.args(["--namespace", "argocd", "--kubeconfig"]).arg(cluster.kubeconfig_admin());
    command.args(["--metrics-addr", "127.0.0.1:0", "--probe-addr", "127.0.0.1:0", "--webhook-addr", "127.0.0.1:0"]);
    command.env("ARGOCD_BINARY_NAME", "argocd-applicationset-controller").env("NAMESPACE", "argocd").env("HOME", folder.path());
    command.env("KUBECONFIG", cluster.kubeconfig_admin()).env("ARGOCD_FAKE_IN_CLUSTER", "true");
    let log = folder.path().join("log");
    let _controller = Process::start_command("argocd-applicationset-controller", command, &log);

    let applications = manifests::api(&client, "argocd", "argoproj.io/v1alpha1", "Application");
    let made = eventually("an Application for each team", Duration::from_secs(60), || async {
        let list = applications.list(&kube::api::ListParams::default()).await.map_err(|error| error.to_string())?;
        let said = || std::fs::read_to_string(&log).unwrap_or_default();
        that(list.items.len() == 2, || format!("{} Applications\n{}", list.items.len(), said())).map(|()| list.items)
    })
    .await;
    let project = example("appproject.yaml");
    let mut groups = BTreeMap::new();
    for application in made {
        let spec = &application.data["spec"];
        assert_eq!(spec["project"], project["metadata"]["name"]);
        assert_eq!(project["spec"]["sourceRepos"], json!([spec["source"]["repoURL"]]));
        let objects = rendered(&path("examples/gitops/team"), &spec["source"]).unwrap_or_else(|error| panic!("{error}"));
        let [access] = &objects[..] else { panic!("{} objects", objects.len()) };
        let allowed = json!([{"group": "argocd-access.dev", "kind": access["kind"]}]);
        assert_eq!(project["spec"]["namespaceResourceWhitelist"], allowed, "the project allows that kind alone");
        let dry_run = kube::api::PostParams { dry_run: true, field_manager: None };
        cluster.install_operator_definitions().await;
        let object = serde_json::from_value(access.clone()).expect("an object");
        manifests::api(&client, "argocd", "argocd-access.dev/v1alpha1", "ExecAccess").create(&dry_run, &object).await.expect("a valid ExecAccess");
        groups.insert(access["metadata"]["name"].as_str().expect("a name").to_owned(), access["spec"]["subjects"][0]["name"].clone());
    }
    assert_eq!(groups, BTreeMap::from([("payments".to_owned(), json!("my-org:payments")), ("web".to_owned(), json!("my-org:web"))]));
}
