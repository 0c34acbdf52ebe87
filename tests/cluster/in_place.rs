//! `serverRoles: InPlace`: our rules in argocd-server's own roles, and out of them again.

use k8s_openapi::api::rbac::v1::{ClusterRole, PolicyRule, Role};
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use crate::hands::{becomes, differences};
use crate::support::{ControlPlane, Kubernetes, managers};
use crate::world::{SOON, Team};

const WIDE: &str = "{subjects: [{kind: Group, name: g}], applications: [{project: '*'}], server: {scope: Cluster}}";

/// The rules that a terminal needs.
fn ours() -> [PolicyRule; 2] {
    let rule = |resource: &str, verbs: &[&str]| serde_json::from_value(json!({"apiGroups": [""], "resources": [resource], "verbs": verbs})).unwrap();
    [rule("pods", &["get"]), rule("pods/exec", &["get", "create"])]
}

/// An instance whose argocd-server has the stock ClusterRole, with the operator to be let into it.
async fn team(before: impl AsyncFn(&Api<ClusterRole>, &str)) -> (Team, Api<ClusterRole>, String) {
    let control_plane = ControlPlane::shared(Kubernetes::V1_36).await;
    let namespace = control_plane.instance("team").await;
    let name = control_plane.install_cluster_rbac(&namespace).await;
    let roles = Api::<ClusterRole>::all(control_plane.client());
    before(&roles, &name).await;
    let values = format!("instance: {{serverRoles: InPlace, inPlace: {{clusterRole: {name}}}}}");
    (Team::in_namespace(control_plane, namespace, &values).await, roles, name)
}

/// The managedFields entries of ours in the two roles.
async fn entries(team: &Team, cluster_role: &str) -> Vec<String> {
    let cluster = managers(&Api::<ClusterRole>::all(team.client()).get(cluster_role).await.unwrap());
    let own = managers(&Api::<Role>::namespaced(team.client(), &team.namespace).get("argocd-server").await.unwrap());
    cluster.into_iter().chain(own).filter(|m| m.starts_with("argocd-access")).collect()
}

#[tokio::test]
async fn our_rules_go_into_argocd_servers_own_roles_and_exactly_they_come_out_again() {
    let (team, roles, name) = team(async |_, _| ()).await;
    team.application("web-1", "shop").await;
    let before = team.tree().await;
    let (stock, role) = (roles.get(&name).await.unwrap(), Api::<Role>::namespaced(team.client(), &team.namespace));
    let stock_role = role.get("argocd-server").await.unwrap();
    team.grant("wide", WIDE).await;
    let status = team.ready("wide").await;
    let verdicts = status.server.unwrap().namespaces;
    assert_eq!(verdicts.iter().map(|n| (n.name.as_str(), n.allowed, n.granted_by_us)).collect::<Vec<_>>(), [("*", Some(true), true)]);
    let (with, with_role) = (roles.get(&name).await.unwrap(), role.get("argocd-server").await.unwrap());
    assert_eq!(with.rules.unwrap(), [stock.rules.clone().unwrap(), ours().to_vec()].concat());
    assert_eq!(with_role.rules.unwrap(), [stock_role.rules.clone().unwrap(), ours().to_vec()].concat());
    assert_eq!(team.cluster_binding().await, None, "no binding beside it");
    becomes("no entry of ours is left", SOON, Vec::new(), async || entries(&team, &name).await).await;

    // Whoever installed Argo CD applies its manifest again: no conflict, and our rules come back.
    let manifest = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": name}, "rules": stock.rules});
    roles.patch(&name, &PatchParams::apply("kubectl"), &Patch::Apply(&manifest)).await.unwrap();
    becomes("our rules are back", SOON, true, async || {
        let now = roles.get(&name).await.unwrap().rules.unwrap();
        ours().iter().all(|rule| now.contains(rule))
    })
    .await;

    team.delete("wide").await;
    assert_eq!(differences(&before, &team.tree().await), labels(&name), "the labels went with the short manifest");
    assert_eq!(roles.get(&name).await.unwrap().rules, stock.rules);
    assert_eq!(entries(&team, &name).await, Vec::<String>::new());
    roles.patch(&name, &PatchParams::apply("kubectl"), &Patch::Apply(&manifest)).await.unwrap();
}

/// What the test's own short manifest drops of the stock one.
fn labels(name: &str) -> std::collections::BTreeSet<String> {
    let label = |l: &str| format!("/ClusterRole {name}/metadata/labels/app.kubernetes.io/{l}");
    ["component", "name", "part-of"].map(label).into()
}

#[tokio::test]
async fn a_rule_that_was_there_before_is_not_claimed_and_stays() {
    let (team, roles, name) = team(async |roles, name| {
        let mut rules = roles.get(name).await.unwrap().rules.unwrap();
        rules.insert(0, ours()[0].clone());
        let patch: Value = json!({"rules": rules});
        roles.patch(name, &PatchParams::default(), &Patch::Merge(&patch)).await.unwrap();
    })
    .await;
    let before = roles.get(&name).await.unwrap().rules.unwrap();
    assert_eq!(before[0], ours()[0]);
    team.grant("wide", WIDE).await;
    team.ready("wide").await;
    let with = roles.get(&name).await.unwrap().rules.unwrap();
    assert_eq!(with, [before.clone(), vec![ours()[1].clone()]].concat(), "only what was missing is added");
    // A rule of somebody else's that came later stays, too.
    let late: PolicyRule = serde_json::from_value(json!({"apiGroups": ["batch"], "resources": ["jobs"], "verbs": ["list"]})).unwrap();
    let more = [with, vec![late.clone()]].concat();
    let patch: Value = json!({"rules": more});
    roles.patch(&name, &PatchParams::default(), &Patch::Merge(&patch)).await.unwrap();
    team.delete("wide").await;
    assert_eq!(roles.get(&name).await.unwrap().rules.unwrap(), [before, vec![late]].concat());
    assert_eq!(entries(&team, &name).await, Vec::<String>::new());
}

#[tokio::test]
async fn destinations_in_other_namespaces_are_bound_as_usual() {
    let (team, roles, name) = team(async |_, _| ()).await;
    team.application("web-1", "shop").await;
    let before = roles.get(&name).await.unwrap();
    team.grant("web", "{subjects: [{kind: Group, name: g}], applications: [{project: shop}]}").await;
    team.ready("web").await;
    assert_eq!(team.bound().await, [team.destination.clone()].into());
    assert_eq!(roles.get(&name).await.unwrap(), before, "the ClusterRole would open every namespace: it stays as it was");
    team.delete("web").await;
    assert_eq!(team.bound().await, std::collections::BTreeSet::new());
}
