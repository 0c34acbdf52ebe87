//! Many Applications: one write for each namespace, and for a change of one of them only what changed.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use futures::{StreamExt, future::join_all};
use kube::api::{Patch, PatchParams};
use serde_json::json;

use super::Edge;
use crate::support::{eventually, eventually::that, manifests};

const APPLICATIONS: usize = 500;
const NAMESPACES: usize = 25;

/// Thirty resources, as a larger Application has them.
fn resources(namespace: &str, name: usize) -> Vec<serde_json::Value> {
    let kinds = [("apps", "Deployment"), ("", "Service"), ("", "ConfigMap"), ("batch", "CronJob"), ("networking.k8s.io", "Ingress")];
    let one = |n: usize| {
        let (group, kind) = kinds[n % kinds.len()];
        json!({"group": group, "kind": kind, "version": "v1", "namespace": namespace, "name": format!("app-{name}-{n}")})
    };
    (0..30).map(one).collect()
}

fn application(namespace: &str, name: usize, resources: &[serde_json::Value]) -> serde_json::Value {
    json!({
        "apiVersion": "argoproj.io/v1alpha1", "kind": "Application", "metadata": {"name": format!("app-{name}")},
        "spec": {"project": "default", "source": {"repoURL": "https://example.invalid/x.git", "path": "."}, "destination": {"name": "in-cluster", "namespace": namespace}},
        "status": {"resources": resources},
    })
}

#[tokio::test]
async fn five_hundred_applications_settle_with_one_write_of_each_role_and_a_change_of_one_writes_one() {
    let edge = Edge::new().await;
    let namespaces = join_all((0..NAMESPACES).map(|n| edge.team.cp.namespace(if n % 2 == 0 { "even" } else { "odd" }))).await;
    let api = manifests::api(&edge.team.client(), &edge.team.namespace, "argoproj.io/v1alpha1", "Application");
    let put = async |name: usize, resources: &[serde_json::Value]| {
        let object = application(&namespaces[name % NAMESPACES], name, resources);
        api.patch(&format!("app-{name}"), &PatchParams::apply("test"), &Patch::Apply(&object)).await.unwrap();
    };
    futures::stream::iter(0..APPLICATIONS)
        .for_each_concurrent(16, async |name| put(name, &resources(&namespaces[name % NAMESPACES], name)).await)
        .await;
    // The operator takes changes of ten seconds together; all of them have come by then.
    tokio::time::sleep(Duration::from_secs(12)).await;
    let mark = edge.team.cp.audit_mark().await;
    let began = Instant::now();
    edge.declare("live", "[{features: [View, Events, Logs]}]", "").await;
    let status = edge.ready("live").await;
    println!("{APPLICATIONS} Applications of 30 resources in {NAMESPACES} namespaces: ready after {:?}", began.elapsed());
    assert_eq!((status.applications.unwrap().selected, status.namespaces.len()), (500, NAMESPACES));
    let mut writes: BTreeMap<(String, String), usize> = BTreeMap::new();
    for write in edge.team.writes(mark).await.iter().filter(|w| w.resource.starts_with("role")) {
        *writes.entry((write.namespace.clone(), format!("{} {}", write.resource, write.name))).or_default() += 1;
    }
    assert!(writes.values().all(|count| *count == 1), "one write for each object: {writes:#?}");
    assert_eq!(writes.len(), NAMESPACES * 4, "a role and three bindings in each namespace");

    let mark = edge.team.cp.audit_mark().await;
    let mut more = resources(&namespaces[7], 7);
    more.push(json!({"group": "apps", "kind": "StatefulSet", "version": "v1", "namespace": namespaces[7], "name": "db"}));
    put(7, &more).await;
    eventually("the new kind is granted", Duration::from_secs(40), async || {
        let rights = edge.rights(&namespaces[7]).await;
        that(rights.contains("get statefulsets.apps"), || format!("{rights:?}"))
    })
    .await;
    let written = edge.team.writes(mark).await;
    let roles: Vec<(&str, &str)> =
        written.iter().filter(|w| w.resource.starts_with("role")).map(|w| (w.resource.as_str(), w.namespace.as_str())).collect();
    assert_eq!(roles, [("roles", namespaces[7].as_str())]);
}
