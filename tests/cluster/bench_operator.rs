//! The test bench itself: the stand-in for the kubelet runs what the chart renders.

use std::time::Duration;

use k8s_openapi::api::{batch::v1::Job, core::v1::Pod};
use kube::{Api, ResourceExt, api::ListParams};

use crate::support::{
    ControlPlane, Kubernetes, chart, eventually,
    eventually::that,
    kubelet::{Container, Kubelet},
    manifests,
    process::get,
};

fn job(name: &str, argument: &str) -> String {
    format!(
        "
apiVersion: batch/v1
kind: Job
metadata: {{ name: {name} }}
spec:
  backoffLimit: 0
  template:
    spec:
      restartPolicy: Never
      containers:
      - {{ name: main, image: example.invalid/argocd-access-operator, args: ['{argument}'] }}
"
    )
}

#[tokio::test]
async fn a_job_ends_as_its_program_ends() {
    let control_plane = ControlPlane::shared(Kubernetes::V1_36).await;
    let namespace = control_plane.namespace("team").await;
    let kubelet = Kubelet::start(control_plane, &namespace);
    let text = [job("good", "--version"), job("bad", "--no-such-flag")].join("---");
    manifests::apply_text(&control_plane.client(), &namespace, &text).await;
    let jobs = Api::<Job>::namespaced(control_plane.client(), &namespace);
    eventually("one Job succeeds, the other fails", Duration::from_secs(20), || async {
        let ended = async |name: &str| {
            let status = jobs.get(name).await.map_err(|error| error.to_string())?.status.unwrap_or_default();
            Ok::<_, String>((status.succeeded.unwrap_or(0), status.failed.unwrap_or(0)))
        };
        let (good, bad) = (ended("good").await?, ended("bad").await?);
        that((good, bad) == ((1, 0), (0, 1)), || format!("good {good:?}, bad {bad:?}\n{}", kubelet.log()))
    })
    .await;
    assert!(kubelet.log().contains("--no-such-flag"), "{}", kubelet.log());
}

#[tokio::test]
async fn the_chart_runs_the_operator_and_a_killed_one_comes_back() {
    let control_plane = ControlPlane::shared(Kubernetes::V1_36).await;
    let namespace = control_plane.instance("team").await;
    let release = chart::install(control_plane, &namespace, "").await;
    assert!(release.user().await.starts_with(&format!("system:serviceaccount:{namespace}:access")));
    let (status, metrics) = get(&release.kubelet.metrics_url()).await.unwrap();
    assert_eq!(status, 200, "{metrics}");

    let first = release.kubelet.operators()[0].id();
    release.kubelet.kill_operator();
    eventually("another operator runs", Duration::from_secs(20), || async {
        let ids: Vec<u32> = release.kubelet.operators().iter().map(Container::id).collect();
        that(!ids.is_empty() && !ids.contains(&first), || format!("{ids:?}"))
    })
    .await;
    release.ready().await;
    assert_eq!(release.kubelet.operator_starts(), 2);

    release.uninstall(&[]).await.success();
    let pods = Api::<Pod>::namespaced(control_plane.client(), &namespace);
    eventually("no operator is left", Duration::from_secs(20), || async {
        let list = pods.list(&ListParams::default()).await.map_err(|error| error.to_string())?;
        let names: Vec<String> = list.iter().map(ResourceExt::name_any).filter(|name| name.starts_with("access")).collect();
        that(names.is_empty() && release.kubelet.operators().is_empty(), || format!("{names:?}"))
    })
    .await;
}
