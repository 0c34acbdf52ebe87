//! The Pod and the container.

use std::sync::Arc;

use k8s_openapi::api::core::v1::Pod;

use super::fixtures::{RUNNING, SPEC, STATUS, broken, id, link, live, not_seen, object, pod, server};
use crate::explain::{Link, Name, State};

const OF_REPLICA_SET: &str = ", ownerReferences: [{apiVersion: apps/v1, kind: ReplicaSet, name: web-5f, uid: u, controller: true}]";
const ONE: &str =
    "{containers: [{name: main}], initContainers: [{name: proxy, restartPolicy: Always}, {name: setup}], ephemeralContainers: [{name: debug}]}";

fn with(the_pod: Arc<Pod>) -> Link {
    link(Name::Pod, |_, o| o.pods = Ok(vec![the_pod]))
}

#[test]
fn a_pod_that_is_not_there_or_does_not_run_has_no_terminal() {
    assert_eq!(id(&broken(|_, o| o.pods = Ok(Vec::new()))), "pod-missing");
    for phase in ["Pending", "Failed", "Succeeded"] {
        assert_eq!(id(&with(pod("web-0", "", ONE, &format!("{{phase: {phase}}}")))), "pod-not-running");
    }
    assert_eq!(id(&with(pod("web-0", ", deletionTimestamp: '2026-01-01T00:00:00Z'", ONE, RUNNING))), "pod-not-running");
}

#[test]
fn a_pod_that_has_ended_is_deleted_only_where_something_makes_it_anew() {
    let failed = |metadata: &str, heals: bool| {
        link(Name::Pod, |_, o| {
            o.pods = Ok(vec![pod("web-0", metadata, ONE, "{phase: Failed}")]);
            let spec = SPEC.replace("project: shop", &format!("project: shop, syncPolicy: {{automated: {{selfHeal: {heals}}}}}"));
            o.application = Ok(Some(live("argocd", &spec, STATUS)));
        })
    };
    assert!(failed("", false).fix.unwrap().commands.is_empty());
    assert_eq!(failed("", true).fix.unwrap().commands, ["kubectl -n shop delete pod web-0"]);
    assert_eq!(failed(OF_REPLICA_SET, false).fix.unwrap().commands, ["kubectl -n shop delete pod web-0"]);
    let pending = link(Name::Pod, |_, o| o.pods = Ok(vec![pod("web-0", OF_REPLICA_SET, ONE, "{phase: Pending}")]));
    assert!(pending.fix.unwrap().commands.is_empty(), "deleting it would not make it run");
}

#[test]
fn a_pod_belongs_to_what_argo_cd_manages_over_its_owners() {
    let owned = |resource: &str, above: Option<&str>| {
        link(Name::Pod, |_, o| {
            o.application = Ok(Some(live("argocd", SPEC, &format!("{{resources: [{resource}]}}"))));
            o.pods = Ok(vec![pod("web-0", OF_REPLICA_SET, ONE, RUNNING)]);
            let owners = above.map(|text| serde_yaml::from_str(text).unwrap());
            o.owners = owners.map(|owners| (("ReplicaSet".to_owned(), "web-5f".to_owned()), Ok(owners))).into_iter().collect();
        })
    };
    let of = |kind: &str| format!("[{{apiVersion: apps/v1, kind: {kind}, name: web, uid: u}}]");
    let deployment = "{group: apps, kind: Deployment, namespace: shop, name: web}";
    assert_eq!(owned(deployment, Some(&of("Deployment"))).state, State::Open);
    assert_eq!(owned("{group: apps, kind: ReplicaSet, namespace: shop, name: web-5f}", None).state, State::Open);
    assert_eq!(id(&owned("{group: apps, kind: Deployment, namespace: shop, name: api}", Some(&of("Deployment")))), "pod-foreign");
    assert_eq!(id(&owned("{group: apps, kind: Deployment, namespace: bank, name: web}", Some(&of("Deployment")))), "pod-foreign");
    // A kind of somebody's own may well be what the Application manages.
    assert_eq!(owned(deployment, Some(&of("Rollout"))).state, State::Unknown);
    assert_eq!(owned(deployment, None).state, State::Unknown);
    let orphan = link(Name::Pod, |_, o| o.application = Ok(Some(live("argocd", SPEC, "{resources: []}"))));
    assert_eq!(id(&orphan), "pod-foreign");
}

#[test]
fn without_a_name_one_pod_that_opens_is_enough() {
    let any = |pods: Vec<Arc<Pod>>| {
        link(Name::Pod, |q, o| {
            q.pod = None;
            q.container = None;
            o.application =
                Ok(Some(live("argocd", SPEC, "{resources: [{kind: Pod, namespace: shop, name: web-0}, {kind: Pod, namespace: shop, name: web-1}]}")));
            o.pods = Ok(pods);
        })
    };
    let (bad, good) = (|| pod("web-0", "", ONE, "{phase: Pending}"), || pod("web-1", "", ONE, RUNNING));
    let link = any(vec![bad(), good(), pod("other", "", ONE, RUNNING)]);
    assert!(link.state == State::Open && link.fact.starts_with("web-1 in shop"), "{link:?}");
    assert_eq!(id(&any(vec![bad()])), "pod-not-running");
    assert_eq!(id(&any(vec![pod("other", "", ONE, RUNNING)])), "pod-missing");
}

#[test]
fn which_containers_have_terminals_depends_on_argo_cds_version() {
    let status = "{phase: Running, initContainerStatuses: [{name: proxy, image: x, imageID: x, ready: true, restartCount: 0, state: {running: {}}}, {name: setup, image: x, imageID: x, ready: true, restartCount: 0, state: {terminated: {exitCode: 0}}}]}";
    let named = |container: &str, image: &str| {
        link(Name::Pod, |q, o| {
            q.container = Some(container.to_owned());
            o.pods = Ok(vec![pod("web-0", "", ONE, status)]);
            let mut deployment = server("argocd-server", "").as_ref().clone();
            deployment.spec.as_mut().unwrap().template.spec.as_mut().unwrap().containers[0].image = Some(format!("argocd:{image}"));
            o.world.deployments = Ok(vec![deployment.into()]);
        })
    };
    for (container, image, expected) in [
        ("main", "v3.2.11", ""),
        ("nope", "v3.2.11", "container-missing"),
        ("debug", "v3.5.0", "container-ephemeral"),
        ("proxy", "v3.2.11", "container-sidecar"),
        ("proxy", "v3.3.5", ""),
        ("setup", "v3.3.5", "container-not-running"),
    ] {
        assert_eq!(id(&named(container, image)), expected, "{container} {image}");
    }
}

#[test]
fn a_container_that_waits_is_said_to_wait() {
    let status = RUNNING.replace("running: {}", "waiting: {reason: CrashLoopBackOff}");
    let link = with(pod("web-0", "", ONE, &status));
    assert_eq!(id(&link), "container-not-running");
    assert!(link.fact.contains("CrashLoopBackOff"), "{}", link.fact);
}

#[test]
fn pods_that_may_not_be_read_are_unknown() {
    assert_eq!(id(&broken(|_, o| o.pods = not_seen("pods"))), "not-readable");
    let _: Arc<Pod> = object("{metadata: {name: x}}");
}
