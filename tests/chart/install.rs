//! Installing with the real helm on a real API server, and what helm then tells a person.

use kube::api::PostParams;
use serde_json::{Value, json};

use crate::{
    availability::define_what_prometheus_operator_has,
    rendering::{Rendered, chart, name, render_release},
    support::{ControlPlane, Kubernetes, manifests},
};

/// The name of the release that the tests install. It holds the chart's name, so it is the name of the objects too.
pub const RELEASE: &str = "argocd-access-operator";

/// Installs the release with these `--set` values and gives what helm printed.
pub async fn install(bench: &ControlPlane, namespace: &str, settings: &[&str]) -> String {
    // With the tests beside it no release may make them: the others' would be refused meanwhile.
    bench.install_operator_definitions().await;
    let chart = chart();
    let mut arguments = vec!["install", RELEASE, &chart, "--namespace", namespace];
    for setting in settings {
        arguments.extend(["--set", setting]);
    }
    bench.helm(&arguments).await.success()
}

/// Settings with which the chart renders everything that it can.
pub const EVERYTHING: [&str; 15] = [
    "instance.confine=true",
    "instance.serverRoles=InPlace",
    "instance.restartServer=WhenNeeded",
    "imagePullSecrets[0].name=pull",
    "priorityClassName=system-cluster-critical",
    "extraEnv[0].name=HTTPS_PROXY,extraEnv[0].value=http://proxy:3128",
    "tolerations[0].operator=Exists,nodeSelector.zone=a",
    "clusterAccess.enabled=true,clusterAccess.clusters={a}",
    "clusterAccess.clusters[1].name=b,clusterAccess.clusters[1].adoptSecret=old",
    "clusterAccess.aws.ack=true,clusterAccess.aws.crossplane=true",
    "replicas=2,clusterAccess.replicas=2",
    "metrics.serviceMonitor.enabled=true,metrics.prometheusRule.enabled=true,metrics.dashboard.enabled=true",
    "live.enabled=true",
    "networkPolicy.enabled=true,networkPolicy.metricsFrom[0].podSelector.matchLabels.app=prometheus",
    "networkPolicy.egress.enabled=true,networkPolicy.egress.apiServer[0].ipBlock.cidr=10.0.0.1/32",
];

#[tokio::test]
async fn a_real_api_server_accepts_every_object() {
    let bench = ControlPlane::shared(Kubernetes::V1_36).await;
    let namespace = bench.namespace("accept").await;
    define_what_prometheus_operator_has(bench).await;
    for settings in [&[][..], &EVERYTHING] {
        let rendered = render_release(RELEASE, &namespace, &[settings, &["tests.enabled=false"]].concat());
        let file = bench.folder().join(format!("{namespace}-{}.yaml", settings.len()));
        std::fs::write(&file, &rendered.text).expect("write what was rendered");
        let file = file.to_string_lossy();
        let arguments = ["apply", "--dry-run=server", "--validate=strict", "--namespace", &namespace, "--filename", &file];
        let said = bench.kubectl(&arguments).await.success();
        assert_eq!(said.lines().filter(|line| line.contains("(server dry run)")).count(), rendered.objects.len(), "{said}");
    }
}

/// The pods of the operator and of the restoring Jobs, as their controllers would make them, and those of `helm test`.
fn pods(rendered: &Rendered) -> Vec<Value> {
    let named = |pod: &Value| {
        let mut pod = pod.clone();
        let component = pod["metadata"]["labels"]["app.kubernetes.io/component"].clone();
        (pod["apiVersion"], pod["kind"], pod["metadata"]["name"]) = (json!("v1"), json!("Pod"), component);
        pod
    };
    rendered.pods().into_iter().map(named).collect()
}

#[tokio::test]
async fn its_pods_are_admitted_where_pod_security_is_restricted() {
    let bench = ControlPlane::shared(Kubernetes::V1_36).await;
    let namespace = bench.namespace("restricted").await;
    let settings = ["clusterAccess.enabled=true"];
    install(bench, &namespace, &settings).await;
    let label = "pod-security.kubernetes.io/enforce=restricted";
    bench.kubectl(&["label", "namespace", &namespace, label]).await.success();

    let client = bench.client();
    let dry_run = PostParams { dry_run: true, field_manager: None };
    let create = async |pod: &Value| {
        let pod = serde_json::from_value(pod.clone()).expect("a pod");
        manifests::api(&client, &namespace, "v1", "Pod").create(&dry_run, &pod).await.map_err(|error| error.to_string())
    };
    let pods = pods(&render_release(RELEASE, &namespace, &settings));
    assert_eq!(pods.len(), 6, "two processes, the Jobs that restore what they have set, and what helm test runs");
    for mut pod in pods {
        create(&pod).await.unwrap_or_else(|error| panic!("{}: {error}", name(&pod)));
        pod["spec"]["containers"][0]["securityContext"]["allowPrivilegeEscalation"] = json!(true);
        let refused = create(&pod).await.expect_err("the namespace is restricted");
        assert!(refused.contains("violates PodSecurity"), "{refused}");
    }
}

#[tokio::test]
async fn two_releases_live_side_by_side_and_one_can_go() {
    let bench = ControlPlane::shared(Kubernetes::V1_36).await;
    let (one, other) = (bench.namespace("one").await, bench.namespace("other").await);
    install(bench, &one, &["instance.serverRoles=InPlace"]).await;
    install(bench, &other, &["instance.serverRoles=InPlace"]).await;
    // The restoring Job would need the operator's image; what it does is shown with the operator.
    bench.helm(&["uninstall", RELEASE, "--namespace", &one, "--no-hooks"]).await.success();

    let everything = async |namespace: &str| {
        let kinds = "deployment,service,configmap,serviceaccount,role,rolebinding,clusterrole,clusterrolebinding";
        let selector = format!("app.kubernetes.io/instance={RELEASE}");
        let said = bench.kubectl(&["get", kinds, "--namespace", namespace, "--selector", &selector, "--output=name"]).await.success();
        let cluster_wide = |line: &&str| line.starts_with("clusterrole");
        said.lines().filter(|line| !cluster_wide(line) || line.contains(namespace)).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(everything(&one).await, Vec::<String>::new());
    let remaining = everything(&other).await;
    let expected = render_release(RELEASE, &other, &["instance.serverRoles=InPlace"]).objects;
    let hook = |object: &Value| !object["metadata"]["annotations"]["helm.sh/hook"].is_null();
    let elsewhere = expected.iter().filter(|object| object["kind"] == "CustomResourceDefinition" || hook(object)).count();
    assert_eq!(remaining.len(), expected.len() - elsewhere, "all but the hooks, which are made when the release goes or is tested: {remaining:?}");
    let definition = "execaccesses.argocd-access.dev";
    bench.kubectl(&["get", "customresourcedefinition", definition]).await.success();
}

#[tokio::test]
async fn the_notes_say_what_to_do_next_and_their_example_is_valid() {
    let bench = ControlPlane::shared(Kubernetes::V1_36).await;
    let namespace = bench.instance("notes").await;
    let notes = install(bench, &namespace, &["instance.limits.requireReason=true"]).await;

    let notes = notes.replacen("WARNING: the CustomResourceDefinitions are there already", "", 1); // by the bench
    assert!(!notes.contains("WARNING") && !notes.contains("cluster bootstrap"), "{notes}");
    for command in [
        format!("kubectl -n {namespace} rollout status deployment/{RELEASE}"),
        format!("helm test {RELEASE} -n {namespace} --logs"),
        format!("kubectl -n {namespace} get exa"),
        format!("--clusterrole={RELEASE}-{namespace}-edit"),
        format!("helm uninstall {RELEASE} -n {namespace}"),
        "--no-hooks".to_owned(),
        format!("argocd-access restore --all --namespace {namespace}"),
        "argocd-access.dev/abandon=true".to_owned(),
    ] {
        assert!(notes.contains(&command), "no {command:?} in\n{notes}");
    }
    let example = notes.split("<<'EOF'").nth(1).and_then(|rest| rest.split("EOF").next()).expect("an example");
    let example = example.lines().map(|line| line.strip_prefix("  ").unwrap_or(line)).collect::<Vec<_>>().join("\n");
    let file = bench.folder().join(format!("{namespace}-example.yaml"));
    std::fs::write(&file, example).expect("write the example");
    bench.kubectl(&["apply", "--dry-run=server", "--validate=strict", "--filename", &file.to_string_lossy()]).await.success();

    let chart = chart();
    let upgraded = bench.helm(&["upgrade", RELEASE, &chart, "--namespace", &namespace, "--set", "crds.enabled=false"]).await.success();
    assert!(upgraded.contains("kubectl apply --server-side --force-conflicts -f crds/"), "{upgraded}");
}

#[tokio::test]
async fn where_remote_clusters_are_served_the_notes_say_how_each_is_made_ready_and_by_whom() {
    let bench = ControlPlane::shared(Kubernetes::V1_36).await;
    let (namespace, second) = (bench.instance("notes").await, bench.instance("second").await);
    let notes = install(
        bench,
        &namespace,
        &[
            "clusterAccess.enabled=true,clusterAccess.clusters={prod-eu}",
            "clusterAccess.aws.ack=true",
            &format!("additionalInstances[0].namespace={second}"),
        ],
    )
    .await;
    for said in [
        format!("the Deployment {RELEASE}-clusters serves ClusterAccess"),
        format!("{namespace}: prod-eu"),
        format!("{second}: no cluster yet; list what may be declared in additionalInstances ({second}): clusterAccess.clusters"),
        "argocd-access cluster bootstrap <name> -f cla.yaml --context <remote> | kubectl --context <remote> apply".to_owned(),
        format!("--credential | kubectl -n {namespace} apply"),
        format!("--clusterrole={RELEASE}-{namespace}-edit-cla"),
        "It can make any role that ACK's controller can".to_owned(),
        format!("The Job {RELEASE}-cla-restore"),
        "argocd-access.dev/forget-remote".to_owned(),
        format!("argocd-access restore --serve clusters --all --namespace {namespace}"),
    ] {
        assert!(notes.contains(&said), "no {said:?} in\n{notes}");
    }
}

#[tokio::test]
async fn the_notes_warn_of_what_a_person_should_know_before() {
    let bench = ControlPlane::shared(Kubernetes::V1_36).await;
    let namespace = bench.namespace("warned").await;
    let settings = ["instance.serverRoles=InPlace", "instance.restartServer=WhenNeeded", "restore.enabled=false"];
    let notes = install(bench, &namespace, &settings).await;
    for warning in [
        format!("WARNING: there is no ConfigMap argocd-cm in the namespace {namespace}"),
        "Secrets of the namespace".to_owned(),
        "it is as powerful as argocd-server".to_owned(),
        "may restart the Deployment argocd-server, which ends every open terminal".to_owned(),
        "WARNING: restore.enabled is false".to_owned(),
        "has no registry in front".to_owned(),
    ] {
        assert!(notes.contains(&warning), "no {warning:?} in\n{notes}");
    }
}
