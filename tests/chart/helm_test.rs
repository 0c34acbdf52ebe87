//! `helm test`: the operator's own check of its installation, run in the cluster under the operator's own ServiceAccount.

use std::path::PathBuf;

use k8s_openapi::api::core::v1::Pod;
use kube::{Api, api::ListParams};
use serde_json::{Value, json};

use crate::{
    rendering::{elements, name, render},
    support::{
        ControlPlane, Kubernetes,
        chart::{self, Release},
        manifests,
        process::{Finished, run},
        reaper,
    },
};

const EVERYTHING: &str = "clusterAccess.enabled=true,clusterAccess.clusters={a}";

#[test]
fn its_pods_are_hooks_with_the_account_the_image_and_the_limits_of_the_process_that_they_test() {
    let rendered = render(&[EVERYTHING, "tests.timeoutSeconds=7", "imagePullSecrets[0].name=pull", "nodeSelector.zone=a", "podAnnotations.note=x"]);
    for (pod, component, serve) in [("-operator-test", "operator", "access"), ("-cla-test", "clusters", "clusters")] {
        let pod = rendered.object("Pod", pod);
        let deployment = rendered.deployment(component);
        let annotations = json!({"helm.sh/hook": "test", "helm.sh/hook-delete-policy": "before-hook-creation", "note": "x"});
        assert_eq!(pod["metadata"]["annotations"], annotations, "its log stays, for helm test --logs");
        let (spec, theirs) = (&pod["spec"], &deployment["spec"]["template"]["spec"]);
        for field in ["serviceAccountName", "automountServiceAccountToken", "securityContext", "imagePullSecrets", "nodeSelector"] {
            assert_eq!(spec[field], theirs[field], "{field}");
        }
        let (container, theirs) = (&spec["containers"][0], &theirs["containers"][0]);
        for field in ["image", "imagePullPolicy", "env", "securityContext", "resources"] {
            assert_eq!(container[field], theirs[field], "{field}");
        }
        assert_eq!((&spec["restartPolicy"], &spec["activeDeadlineSeconds"]), (&json!("Never"), &json!(127)));
        let arguments = [
            "explain".to_owned(),
            "installation".to_owned(),
            format!("--serve={serve}"),
            "--config=/etc/argocd-access/config.yaml".to_owned(),
            format!("--operator-deployment={}", name(deployment)),
            "--rights=/etc/argocd-access-rights/rights.yaml".to_owned(),
            "--timeout=7s".to_owned(),
        ];
        assert_eq!(container["args"], json!(arguments));
    }
}

#[test]
fn it_brings_no_right_of_its_own_and_can_be_left_out() {
    let (with, without) = (render(&[EVERYTHING]), render(&[EVERYTHING, "tests.enabled=false"]));
    let more: Vec<&Value> = with.objects.iter().filter(|object| !without.objects.contains(object)).collect();
    assert_eq!(more.len(), with.objects.len() - without.objects.len());
    let kinds: Vec<&str> = more.iter().filter_map(|object| object["kind"].as_str()).collect();
    assert_eq!(kinds, ["ConfigMap", "Pod", "Pod"]);
    assert_eq!(render(&[]).of_kind("Pod").count(), 1);
    // `helm test --logs` asks for the logs of every hook of a test, and ends with an error where one is no Pod.
    let hooks = with.objects.iter().filter(|object| object["metadata"]["annotations"]["helm.sh/hook"] == "test");
    assert!(hooks.clone().count() == 2 && hooks.clone().all(|hook| hook["kind"] == "Pod"));
}

#[test]
fn it_compares_with_every_role_that_is_bound_to_the_operator() {
    let rendered = render(&[
        EVERYTHING,
        "live.enabled=true,clusterAccess.aws.ack=true,additionalInstances[0].namespace=two",
        "instance.serverRoles=InPlace,instance.inPlace.role=server,instance.inPlace.clusterRole=server",
        "additionalInstances[0].inPlace.clusterRole=other",
    ]);
    let map = rendered.object("ConfigMap", "-test-rights");
    let compared: Vec<Value> =
        manifests::parse(map["data"]["rights.yaml"].as_str().unwrap()).iter().map(|object| serde_json::to_value(object).unwrap()).collect();
    let accounts: Vec<&Value> = ["operator", "clusters"].map(|of| &rendered.deployment(of)["spec"]["template"]["spec"]["serviceAccountName"]).into();
    let bindings: Vec<&Value> =
        rendered.objects.iter().filter(|object| elements(&object["subjects"]).iter().any(|subject| accounts.contains(&&subject["name"]))).collect();
    assert!(bindings.len() > 10, "{}", bindings.len());
    for binding in bindings {
        assert!(compared.contains(binding), "{} is not compared", name(binding));
        let role = &binding["roleRef"];
        let is = |object: &&Value| {
            let here = role["kind"] == "ClusterRole" || object["metadata"]["namespace"] == binding["metadata"]["namespace"];
            object["kind"] == role["kind"] && object["metadata"]["name"] == role["name"] && here
        };
        // One that the chart does not make is argocd-server's own.
        for role in rendered.objects.iter().filter(is) {
            assert!(compared.contains(role), "{} is not compared", name(role));
        }
    }
}

/// A release in an instance of its own, with a short time for tests that fail.
async fn release(values: &str) -> Release {
    let bench = ControlPlane::shared(Kubernetes::V1_36).await;
    let namespace = bench.instance("tested").await;
    chart::install(bench, &namespace, &format!("{values}\ntests: {{timeoutSeconds: 10}}\n")).await
}

/// Runs `helm test`, whose pods print this.
async fn test(release: &Release, said: &[&str]) -> Finished {
    let bench = ControlPlane::shared(Kubernetes::V1_36).await;
    let times = |said: &str| release.kubelet.log().matches(said).count();
    let before: Vec<usize> = said.iter().map(|said| times(said)).collect();
    let finished = bench.helm(&["test", &release.name, "--namespace", &release.namespace, "--timeout", "90s"]).await;
    for (said, before) in said.iter().zip(before) {
        assert!(times(said) > before, "not said: {said:?}\n{}{}\n{}", finished.stdout, finished.stderr, release.kubelet.log());
    }
    finished
}

async fn holds(release: &Release) {
    let finished = test(release, &["The operator is installed as it should be, and works."]).await;
    assert!(finished.status.success(), "{}{}", finished.stdout, finished.stderr);
}

async fn fails(release: &Release, said: &[&str]) {
    let finished = test(release, said).await;
    assert!(!finished.status.success(), "{}", finished.stdout);
}

#[tokio::test]
async fn it_holds_where_everything_is_as_it_should_be_with_and_without_an_exec_access() {
    let bench = ControlPlane::shared(Kubernetes::V1_36).await;
    let second = bench.instance("second").await;
    let release =
        release(&format!("clusterAccess: {{enabled: true, clusters: [a]}}\nlive: {{enabled: true}}\nadditionalInstances: [{{namespace: {second}}}]"))
            .await;
    holds(&release).await;
    let access = json!({"apiVersion": "argocd-access.dev/v1alpha1", "kind": "ExecAccess", "metadata": {"name": "team"},
        "spec": {"subjects": [{"kind": "Group", "name": "a"}], "applications": [{"project": "shop", "name": "web"}]}});
    manifests::apply_text(&bench.client(), &release.namespace, &access.to_string()).await;
    holds(&release).await;

    let pods: Api<Pod> = Api::namespaced(bench.client(), &release.namespace);
    let tests = pods.list(&ListParams::default().labels("app.kubernetes.io/component in (test, clusters-test)")).await.unwrap();
    assert_eq!(tests.items.len(), 2, "those of the last test, for their logs");
    bench.helm_3(&["test", &release.name, "--namespace", &release.namespace, "--timeout", "90s"]).await.success();
    // What is left of a test is in nobody's way.
    let finished = release.uninstall(&[]).await;
    assert!(finished.status.success(), "{}{}\n{}", finished.stdout, finished.stderr, release.kubelet.log());
}

#[tokio::test]
async fn it_fails_while_the_operator_is_stopped_or_one_of_its_pods_never_gets_ready() {
    let bench = ControlPlane::shared(Kubernetes::V1_36).await;
    let release = release("").await;
    let deployment = format!("{}-argocd-access-operator", release.name);
    let scale = async |replicas: &str| {
        bench.kubectl(&["scale", "deployment", &deployment, "--namespace", &release.namespace, replicas]).await.success();
    };
    scale("--replicas=0").await;
    let mend = format!("kubectl -n {} scale deployment {deployment} --replicas=1", release.namespace);
    fails(&release, &["(operator-stopped)", &mend]).await;
    scale("--replicas=1").await;
    holds(&release).await;
    // A configuration that it cannot read.
    let broken = json!({"spec": {"template": {"spec": {"containers": [{"name": "operator", "args": ["run", "--config=/nowhere"]}]}}}}).to_string();
    bench.kubectl(&["patch", "deployment", &deployment, "--namespace", &release.namespace, "--patch", &broken]).await.success();
    fails(&release, &["(operator-not-ready)", &format!("kubectl -n {} logs deployment/{deployment}", release.namespace)]).await;
}

#[tokio::test]
async fn it_fails_without_a_right_and_what_it_says_to_do_brings_it_back() {
    let bench = ControlPlane::shared(Kubernetes::V1_36).await;
    let release = release("").await;
    let role = format!("{}-argocd-access-operator", release.name);
    let get = ["get", "role", &role, "--namespace", &release.namespace, "--output=json"];
    let mut object: Value = serde_json::from_str(&bench.kubectl(&get).await.success()).unwrap();
    let rules = object["rules"].as_array_mut().unwrap();
    rules.retain(|rule| rule["resources"] != json!(["configmaps"]) || rule["verbs"] != json!(["patch"]));
    let change = json!({"rules": rules}).to_string();
    bench.kubectl(&["patch", "role", &role, "--namespace", &release.namespace, "--type=merge", "--patch", &change]).await.success();
    let lacking = format!("patch configmaps argocd-rbac-cm in {}", release.namespace);
    fails(&release, &["(rights-missing)", &lacking, "What to do: run helm upgrade", "--force-conflicts"]).await;
    release.upgrade("tests: {timeoutSeconds: 10}", &["--force-conflicts"]).await;
    holds(&release).await;
}

#[tokio::test]
async fn it_fails_where_there_is_no_argo_cd() {
    let bench = ControlPlane::shared(Kubernetes::V1_36).await;
    let release = release("").await;
    bench.kubectl(&["delete", "deployment", "argocd-server", "--namespace", &release.namespace]).await.success();
    fails(&release, &["(argocd-missing)", "install the chart into the namespace of your Argo CD"]).await;
}

#[tokio::test]
async fn old_definitions_are_told_from_none_and_from_those_of_this_version() {
    let bench = ControlPlane::own(Kubernetes::V1_36).await;
    let definitions = async || -> Value {
        let mut command = reaper::command(PathBuf::from(env!("CARGO_BIN_EXE_argocd-access")));
        command.env("KUBECONFIG", bench.kubeconfig_admin());
        // What is published follows a definition after a moment.
        command.args(["explain", "installation", "--namespace=default", "--output=json"]);
        let said: Value = serde_json::from_str(&run(command).await.stdout).expect("a document");
        said["links"][0].clone()
    };
    let becomes = async |cause: Value, fact: &str| {
        let mut last = Value::Null;
        for _ in 0..100 {
            last = definitions().await;
            if last["cause"] == cause && last["fact"].as_str().is_some_and(|said| said.contains(fact)) {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        }
        panic!("no {cause} with {fact:?}: {last}");
    };
    becomes(json!("definitions-missing"), "ExecAccess").await;
    let mut all = argocd_access::api::definitions();
    let apply = async |all: &[argocd_access::api::Definition]| {
        for definition in all {
            manifests::apply_text(&bench.client(), "default", &serde_json::to_string(definition).unwrap()).await;
        }
    };
    let schema = |all: &mut Vec<argocd_access::api::Definition>| {
        let versions = &mut all.iter_mut().find(|definition| definition.spec.names.kind == "ExecAccess").unwrap().spec.versions;
        let root = versions[0].schema.as_mut().unwrap().open_api_v3_schema.as_mut().unwrap();
        root.properties.as_mut().unwrap().get_mut("spec").unwrap().properties.as_mut().unwrap().remove("validity")
    };
    schema(&mut all).expect("there is such a field");
    // Rules that speak of a field that is gone are refused.
    for definition in &mut all {
        for version in &mut definition.spec.versions {
            strip(version.schema.as_mut().unwrap().open_api_v3_schema.as_mut().unwrap());
        }
    }
    apply(&all).await;
    becomes(json!("definitions-old"), "ExecAccess spec.validity").await;
    apply(&argocd_access::api::definitions()).await;
    becomes(Value::Null, "ClusterAccess, ExecAccess, LiveResourceAccess").await;
}

fn strip(schema: &mut k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::JSONSchemaProps) {
    schema.x_kubernetes_validations = None;
    schema.properties.iter_mut().flat_map(|all| all.values_mut()).for_each(strip);
}
