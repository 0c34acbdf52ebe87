//! The layers on a real API server: an object sets exactly what it declares, says so, and leaves nothing behind.

use std::collections::BTreeSet;

use argocd_access::api::status::NamespaceVerdict;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{ListParams, Patch, PatchParams};
use kube::{Api, ResourceExt};
use serde_json::{Value, json};

use crate::hands::{ARGOCD_CM, RBAC_CM, becomes, differences, key};
use crate::support::snapshot::shared_objects;
use crate::support::{ControlPlane, Kubernetes, eventually, managers};
use crate::world::{SOON, Team, condition, example};

const BEFORE: &str = "argocd-access.dev/before";

/// No object of the instance has an entry of ours in its managedFields, nor an annotation of ours.
async fn leaves_no_trace(team: &Team) {
    for (name, object) in shared_objects(&team.client(), &team.namespace).await {
        let left = managers(&object);
        assert!(!left.iter().any(|m| m.starts_with("argocd-access")), "{name}: {left:?}");
        assert!(!object.annotations().keys().any(|k| k.starts_with("argocd-access.dev/")), "{name}: {:?}", object.annotations());
    }
}

/// The four places in shared objects that a grant changes, and no other.
fn changed(name: &str) -> BTreeSet<String> {
    BTreeSet::from([
        format!("/ConfigMap {ARGOCD_CM}/data/exec.enabled"),
        format!("/ConfigMap {ARGOCD_CM}/metadata/annotations/{BEFORE}"),
        format!("/ConfigMap {RBAC_CM}/data/{}", key(name)),
    ])
}

/// A binding, but for what the server adds.
fn binding(team: &Team, object: &impl serde::Serialize) -> Value {
    let object = serde_json::to_value(object).unwrap();
    assert_eq!(object["metadata"]["labels"]["argocd-access.dev/instance"], json!(team.namespace));
    json!({"roleRef": object["roleRef"], "subjects": object["subjects"]})
}

async fn to_the_server(team: &Team) -> Value {
    json!({
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": team.exec_role().await},
        "subjects": [{"kind": "ServiceAccount", "name": "argocd-server", "namespace": team.namespace}],
    })
}

#[tokio::test]
async fn the_team_example_sets_exactly_what_it_declares_and_its_deletion_restores_all() {
    let team = Team::new().await;
    let elsewhere = team.cp.namespace("elsewhere").await;
    team.application("web-1", "shop").await;
    // Neither its name nor its project is declared.
    team.application_in(&team.namespace, "api-1", "shop", &elsewhere).await;
    team.application_in(&team.namespace, "web-2", "other", &elsewhere).await;
    let before = team.tree().await;
    let name = team.apply(&example("team-exec.yaml")).await;
    let status = team.ready(&name).await;

    let lines = [
        "p, role:exec-access.team-a, applications, get, shop/web-*, allow",
        "p, role:exec-access.team-a, exec, create, shop/web-*, allow",
        "g, my-org:team-a, role:exec-access.team-a",
    ];
    assert_eq!(team.lines(&name).await, lines);
    assert!(team.policy(&name).await.unwrap().contains("# Reason: on-call of team A\n"));
    assert_eq!(team.value(ARGOCD_CM, "exec.enabled").await.as_deref(), Some("true"));
    assert_eq!(differences(&before, &team.tree().await), changed(&name));
    assert_eq!(team.bound().await, BTreeSet::from([team.destination.clone()]));
    let bound = team.bindings(&team.destination).get(&team.binding_name()).await.unwrap();
    assert_eq!(binding(&team, &bound), to_the_server(&team).await);
    assert_eq!(team.cluster_binding().await, None);

    for (kind, reason) in
        [("Accepted", "Valid"), ("Active", "InEffect"), ("PolicyApplied", "Applied"), ("ServerAuthorized", "Proven"), ("ExecEnabled", "Enabled")]
    {
        assert_eq!(condition(&status, kind), ("True".to_owned(), reason.to_owned()), "{kind}: {status:#?}");
    }
    assert_eq!(condition(&status, "IngressReady"), ("Unknown".to_owned(), "NoIngress".to_owned()));
    let policy = status.policy.unwrap();
    assert_eq!((policy.role.as_str(), policy.key.as_str(), policy.line_count), ("exec-access.team-a", key(&name).as_str(), 3));
    assert_eq!(policy.lines, lines);
    let server = status.server.unwrap();
    let verdicts: Vec<_> = server.namespaces.iter().map(|n| (n.name.as_str(), n.allowed, n.granted_by_us)).collect();
    assert_eq!((verdicts, server.namespace_count, server.open_cluster_wide), (vec![(team.destination.as_str(), Some(true), true)], 1, None));
    let instance = status.instance.unwrap();
    assert_eq!(
        [instance.argocd_version, instance.kubernetes_version, instance.installer, instance.deployment, instance.service_account].map(Option::unwrap),
        ["3.2.11", "v1.36.3", "Manifests", "argocd-server", "argocd-server"]
    );

    let shown = team.cp.kubectl(&["get", "exa", "--namespace", &team.namespace]).await.success();
    let table: Vec<Vec<&str>> = shown.lines().map(|l| l.split_whitespace().collect()).collect();
    assert_eq!(table[0], ["NAME", "READY", "REASON", "ROLE", "MODE", "NEXT", "AGE"]);
    assert_eq!(table[1][..5], ["team-a", "True", "Ready", "exec-access.team-a", "Enforce"]);
    let wide = team.cp.kubectl(&["get", "execaccesses", "team-a", "--output=wide", "--namespace", &team.namespace]).await.success();
    assert!(wide.contains("SUSPENDED") && wide.contains("1 subject(s) may open terminals as declared"), "{wide}");

    team.delete(&name).await;
    assert_eq!(differences(&before, &team.tree().await), BTreeSet::new());
    assert_eq!(team.bound().await, BTreeSet::new());
    leaves_no_trace(&team).await;
}

#[tokio::test]
async fn the_wide_example_sets_the_literal_lines_of_the_guides_and_one_cluster_role_binding() {
    let team = Team::new().await;
    team.application("web-1", "shop").await;
    let before = team.tree().await;
    let name = team.apply(&example("dev-operators.yaml")).await;
    let status = team.ready(&name).await;

    let lines =
        ["p, role:dev-operators, applications, get, */*, allow", "p, role:dev-operators, exec, create, */*, allow", "g, my-team, role:dev-operators"];
    assert_eq!(team.lines(&name).await, lines);
    let mut expected = changed(&name);
    let ours = format!("/ClusterRoleBinding {}", team.binding_name());
    let (own, shared): (BTreeSet<String>, BTreeSet<String>) =
        differences(&before, &team.tree().await).into_iter().partition(|d| d.starts_with(&ours));
    assert_eq!(std::mem::take(&mut expected), shared);
    assert!(!own.is_empty());
    assert_eq!(binding(&team, &team.cluster_binding().await.unwrap()), to_the_server(&team).await);
    assert_eq!(team.bound().await, BTreeSet::new(), "one binding for the cluster, none in namespaces");
    let server = status.server.clone().unwrap();
    let verdict = |n: &NamespaceVerdict| (n.name.to_string(), n.allowed, n.granted_by_us);
    assert_eq!(server.namespaces.iter().map(verdict).collect::<Vec<_>>(), [("*".to_owned(), Some(true), true)]);
    assert_eq!(server.open_cluster_wide, None, "what is open is open by us");
    assert_eq!(condition(&status, "ServerAuthorized"), ("True".to_owned(), "Proven".to_owned()));

    team.delete(&name).await;
    assert_eq!(differences(&before, &team.tree().await), BTreeSet::new());
    leaves_no_trace(&team).await;
}

#[tokio::test]
async fn the_former_value_of_the_flag_comes_back_and_its_owner_can_change_it_without_force() {
    let team = Team::new().await;
    team.application("web-1", "shop").await;
    let spec = "{subjects: [{kind: Group, name: g}], applications: [{project: shop}]}";
    for manager in ["kubectl", "helm"] {
        team.apply_value(manager, "exec.enabled", "false").await.unwrap();
        let before = team.tree().await;
        let name = team.grant("web", spec).await;
        team.ready(&name).await;
        assert_eq!(team.value(ARGOCD_CM, "exec.enabled").await.as_deref(), Some("true"));
        team.delete(&name).await;
        assert_eq!(differences(&before, &team.tree().await), BTreeSet::new(), "{manager}");
        leaves_no_trace(&team).await;
        team.apply_value(manager, "exec.enabled", "changed").await.unwrap_or_else(|e| panic!("the next apply of {manager}: {e}"));
        team.set(ARGOCD_CM, "exec.enabled", None).await;
    }
}

#[tokio::test]
async fn a_helm_owner_meets_no_conflict_even_while_the_grant_stands() {
    let team = Team::new().await;
    team.application("web-1", "shop").await;
    team.apply_value("helm", "exec.enabled", "false").await.unwrap();
    let name = team.grant("web", "{subjects: [{kind: Group, name: g}], applications: [{project: shop}]}").await;
    team.ready(&name).await;
    let flag = async || team.value(ARGOCD_CM, "exec.enabled").await.unwrap();
    let left = async || managers(&team.config_map(ARGOCD_CM).await).into_iter().filter(|m| m.starts_with("argocd-access")).collect::<Vec<_>>();
    becomes("no entry of ours is left", SOON, Vec::<String>::new(), left).await;
    team.apply_value("helm", "exec.enabled", "false").await.unwrap();
    becomes("the flag is on again", SOON, "true".to_owned(), flag).await;
    becomes("no entry of ours is left", SOON, Vec::<String>::new(), left).await;
    team.delete(&name).await;
    assert_eq!(flag().await, "false");
    team.apply_value("helm", "exec.enabled", "false").await.unwrap();
}

#[tokio::test]
async fn a_flag_that_somebody_else_switched_on_is_never_claimed_and_stays_on() {
    let team = Team::new().await;
    team.application("web-1", "shop").await;
    team.apply_value("platform", "exec.enabled", "true").await.unwrap();
    let before = team.config_map(ARGOCD_CM).await;
    let name = team.grant("web", "{subjects: [{kind: Group, name: g}], applications: [{project: shop}]}").await;
    team.ready(&name).await;
    assert_eq!(team.config_map(ARGOCD_CM).await, before, "not even its resourceVersion moves");
    team.delete(&name).await;
    assert_eq!(team.config_map(ARGOCD_CM).await, before);
}

#[tokio::test]
async fn shells_are_set_in_their_order_reported_as_waiting_for_a_restart_and_given_back() {
    let team = Team::with_values("instance: {shells: [zsh, /bin/sh]}").await;
    team.application("web-1", "shop").await;
    team.set(ARGOCD_CM, "exec.shells", Some("bash")).await;
    let before = team.tree().await;
    let name = team.grant("web", "{subjects: [{kind: Group, name: g}], applications: [{project: shop}]}").await;
    let status = team.condition(&name, "ExecEnabled", "True", "RestartRequired").await;
    assert_eq!(team.value(ARGOCD_CM, "exec.shells").await.as_deref(), Some("zsh,/bin/sh"));
    let message = &status.conditions.iter().find(|c| c.type_ == "ExecEnabled").unwrap().message;
    assert!(message.contains("rollout restart deployment/argocd-server"), "{message}");
    assert_eq!(template(&team).await.get(RESTARTED_AT), None, "restartServer: Never");
    team.delete(&name).await;
    assert_eq!(differences(&before, &team.tree().await), BTreeSet::new());
    leaves_no_trace(&team).await;
}

const RESTARTED_AT: &str = "kubectl.kubernetes.io/restartedAt";

async fn deployment(team: &Team) -> Deployment {
    Api::namespaced(team.client(), &team.namespace).get("argocd-server").await.unwrap()
}

/// The annotations of argocd-server's Pod template.
async fn template(team: &Team) -> std::collections::BTreeMap<String, String> {
    deployment(team).await.spec.unwrap().template.metadata.unwrap().annotations.unwrap_or_default()
}

#[tokio::test]
async fn with_leave_argocd_server_is_restarted_once_for_new_shells() {
    let control_plane = ControlPlane::shared(Kubernetes::V1_36).await;
    let namespace = control_plane.instance("team").await;
    let pods = Api::<Pod>::namespaced(control_plane.client(), &namespace);
    let servers = ListParams::default().labels("app.kubernetes.io/name=argocd-server");
    let old = eventually("argocd-server has a Pod", SOON, async || {
        let list = pods.list(&servers).await.map_err(|e| e.to_string())?;
        list.items.first().map(ResourceExt::name_any).ok_or_else(|| "none".to_owned())
    })
    .await;
    let team = Team::in_namespace(control_plane, namespace, "instance: {shells: [sh], restartServer: WhenNeeded}").await;
    team.application("web-1", "shop").await;
    let before = team.tree().await;
    let mark = team.cp.audit_mark().await;
    let name = team.grant("web", "{subjects: [{kind: Group, name: g}], applications: [{project: shop}]}").await;
    team.condition(&name, "ExecEnabled", "True", "RestartRequired").await;
    let restarted = eventually("argocd-server is restarted", SOON, async || {
        template(&team).await.get(RESTARTED_AT).cloned().ok_or_else(|| "no annotation".to_owned())
    })
    .await;
    let left = async || managers(&deployment(&team).await).into_iter().filter(|m| m.starts_with("argocd-access")).collect::<Vec<_>>();
    becomes("no entry of ours is left", SOON, Vec::<String>::new(), left).await;

    // Nothing here makes Pods ready, and before the new one is, the old one stays.
    let new = eventually("the new Pod is there", SOON, async || {
        let list = pods.list(&servers).await.map_err(|e| e.to_string())?;
        list.items.iter().map(ResourceExt::name_any).find(|n| *n != old).ok_or_else(|| format!("{} Pod(s)", list.items.len()))
    })
    .await;
    let running = json!({"status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}});
    pods.patch_status(&new, &PatchParams::default(), &Patch::Merge(running)).await.unwrap();
    team.condition(&name, "ExecEnabled", "True", "Enabled").await;
    assert_eq!(template(&team).await.get(RESTARTED_AT), Some(&restarted));
    let restarts = team.writes(mark).await.iter().filter(|e| e.resource == "deployments" && e.code < 300).count();
    assert_eq!(restarts, 2, "one restart, and one write that leaves no entry of ours");
    team.delete(&name).await;
    // The snapshot leaves the restart's annotation out: that one stays, as after kubectl's.
    assert_eq!(differences(&before, &team.tree().await), BTreeSet::new());
    leaves_no_trace(&team).await;
}
