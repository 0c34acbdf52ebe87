//! What somebody changes by hand is put back within two seconds, whatever it is; what only looks like ours is left alone.

use std::time::{Duration, Instant};

use futures::StreamExt;
use k8s_openapi::api::rbac::v1::{ClusterRoleBinding, RoleBinding};
use kube::api::{DeleteParams, DynamicObject, Patch, PatchParams, PostParams};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, ResourceExt};
use serde_json::{Value, json};

use crate::hands::{ARGOCD_CM, RBAC_CM, becomes, key};
use crate::support::{eventually, eventually::that, manifests};
use crate::world::{SOON, Team, condition, message};

/// Two seconds are promised; the third is for a busy machine.
const SHORTLY: Duration = Duration::from_secs(3);

const RBAC: &str = "rbac.authorization.k8s.io/v1";
const SPEC: &str = "{subjects: [{kind: Group, name: g}], applications: [{project: shop, name: 'web-*'}]}";

async fn granted(name: &str, spec: &str) -> Team {
    let team = Team::new().await;
    team.application("web-1", "shop").await;
    team.grant(name, spec).await;
    team.ready(name).await;
    team
}

/// The roleRef's name and the names of the subjects.
fn says(binding: Option<&RoleBinding>) -> (String, Vec<String>) {
    let Some(binding) = binding else { return (String::new(), Vec::new()) };
    (binding.role_ref.name.clone(), binding.subjects.iter().flatten().map(|s| s.name.clone()).collect())
}

#[tokio::test]
async fn policy_lines_changed_or_removed_by_hand_are_put_back() {
    let team = granted("web", SPEC).await;
    let text = team.policy("web").await.unwrap();
    let put_back = async |what: &str| {
        let began = Instant::now();
        becomes(what, SHORTLY, Some(text.clone()), async || team.policy("web").await).await;
        eprintln!("{what}: {:?}", began.elapsed());
    };
    team.set(RBAC_CM, &key("web"), Some(&format!("{text}p, role:exec-access.web, exec, create, */*, allow\n"))).await;
    put_back("a line that was added is gone").await;
    team.set(RBAC_CM, &key("web"), Some(text.split_once("g, ").unwrap().0)).await;
    put_back("a line that was removed is back").await;
    team.set(RBAC_CM, &key("web"), Some("this is no policy")).await;
    put_back("a spoilt text is mended").await;
    team.set(RBAC_CM, &key("web"), None).await;
    put_back("a removed key is back").await;
    team.edit("v1", "ConfigMap", RBAC_CM, json!({"data": null})).await;
    put_back("emptied data are filled again").await;
    team.set(RBAC_CM, &key("nobody"), Some("g, eve, role:exec-access.web\n")).await;
    becomes("a key of ours that no object stands for is gone", SHORTLY, None, async || team.policy("nobody").await).await;
    team.set(RBAC_CM, "policy.other.csv", Some("p, role:other, applications, get, other/*, allow\n")).await;
    team.config_maps().delete(RBAC_CM, &DeleteParams::default()).await.unwrap();
    put_back("a deleted argocd-rbac-cm is there again").await;
    team.condition("web", "PolicyApplied", "True", "Applied").await;

    // Argo CD would keep the lines in memory if the ConfigMap went, even one that the operator has made.
    team.delete("web").await;
    let left = team.config_map(RBAC_CM).await;
    assert!(left.data.unwrap_or_default().is_empty());
    assert_eq!(left.metadata.managed_fields.unwrap_or_default(), []);
}

/// The operator remembers what it wrote until its watch shows it, and what is deleted before it has looked again is never shown.
#[tokio::test]
async fn what_is_deleted_right_after_the_operator_wrote_it_is_there_again() {
    let team = granted("web", SPEC).await;
    let text = team.policy("web").await.unwrap();
    let config = watcher::Config::default().fields(&format!("metadata.name={RBAC_CM}"));
    for _ in 0..5 {
        let mut changes = std::pin::pin!(watcher(team.config_maps(), config.clone()).applied_objects());
        assert!(changes.next().await.is_some(), "the list");
        team.set(RBAC_CM, &key("web"), None).await;
        let put_back = async {
            while let Some(Ok(found)) = changes.next().await {
                if found.data.is_some_and(|data| data.get(&key("web")) == Some(&text)) {
                    break;
                }
            }
        };
        tokio::time::timeout(SHORTLY, put_back).await.unwrap();
        team.config_maps().delete(RBAC_CM, &DeleteParams::default()).await.unwrap();
        becomes("it is there again", SHORTLY, Some(text.clone()), async || team.policy("web").await).await;
    }
}

#[tokio::test]
async fn the_flag_and_an_ingress_changed_by_hand_are_put_back() {
    let team = Team::new().await;
    team.application("web-1", "shop").await;
    team.ingress_class("community", "k8s.io/ingress-nginx").await;
    team.ingress("web", "community", &json!({"nginx.ingress.kubernetes.io/websocket-services": "other"})).await;
    team.grant("web", SPEC).await;
    team.ready("web").await;
    let flag = async || team.value(ARGOCD_CM, "exec.enabled").await;
    // A third time within ten minutes would be a quarrel.
    for by_hand in [None, Some("True")] {
        team.set(ARGOCD_CM, "exec.enabled", by_hand).await;
        becomes(&format!("the flag is on after {by_hand:?}"), SHORTLY, Some("true".to_owned()), flag).await;
    }

    let annotations = async || team.ingresses().get("web").await.unwrap().annotations().clone();
    let good = annotations().await;
    let key = |name: &str| format!("nginx.ingress.kubernetes.io/{name}");
    assert_eq!(good[&key("proxy-read-timeout")], "3600");
    let by_hand: [Value; 4] = [
        json!({key("proxy-read-timeout"): null}),
        json!({key("proxy-send-timeout"): "5"}),
        json!({key("websocket-services"): "other"}),
        json!({key("websocket-services"): null, key("proxy-read-timeout"): null}),
    ];
    for patch in by_hand {
        team.edit("networking.k8s.io/v1", "Ingress", "web", json!({"metadata": {"annotations": patch}})).await;
        let holds = async || {
            let now = annotations().await;
            let services: Vec<String> = now.get(&key("websocket-services")).into_iter().flat_map(|s| s.split(',')).map(ToOwned::to_owned).collect();
            let time = |name: &str| now.get(&key(name)).cloned();
            (time("proxy-read-timeout"), time("proxy-send-timeout"), services.contains(&"argocd-server".to_owned()))
        };
        let hour = Some("3600".to_owned());
        becomes(&format!("{patch} is undone"), SHORTLY, (hour.clone(), hour, true), holds).await;
    }
    // The last values that a person set are those that come back: the flag's and the Ingress's.
    team.delete("web").await;
    assert_eq!(flag().await.as_deref(), Some("True"));
    let left = annotations().await;
    assert_eq!(left.get(&key("proxy-send-timeout")).map(String::as_str), Some("5"));
    assert_eq!((left.get(&key("proxy-read-timeout")), left.get(&key("websocket-services"))), (None, None));
}

#[tokio::test]
async fn role_bindings_changed_or_deleted_by_hand_are_put_back() {
    let team = granted("web", SPEC).await;
    let (api, name) = (team.bindings(&team.destination), team.binding_name());
    let good = says(Some(&api.get(&name).await.unwrap()));
    assert_eq!(good.1, ["argocd-server"]);
    let look = async || says(api.get_opt(&name).await.unwrap().as_ref());
    api.delete(&name, &DeleteParams::default()).await.unwrap();
    becomes("a deleted RoleBinding is there again", SHORTLY, good.clone(), look).await;

    for subjects in [
        json!([{"kind": "ServiceAccount", "name": "other", "namespace": team.namespace}]),
        json!([{"kind": "ServiceAccount", "name": "argocd-server", "namespace": team.namespace}, {"kind": "User", "name": "eve", "apiGroup": "rbac.authorization.k8s.io"}]),
        json!([{"kind": "ServiceAccount", "name": "argocd-server", "namespace": "elsewhere"}]),
        json!([]),
    ] {
        let subjects = json!({"subjects": subjects});
        api.patch(&name, &PatchParams::default(), &Patch::Merge(&subjects)).await.unwrap();
        becomes(&format!("{subjects} are put right"), SHORTLY, good.clone(), look).await;
    }

    // A roleRef cannot be changed: somebody deletes the binding and makes another of its name, with our mark.
    let mut other: RoleBinding = api.get(&name).await.unwrap();
    other.role_ref.name = "view".to_owned();
    other.metadata = serde_json::from_value(json!({"name": name, "labels": other.metadata.labels})).unwrap();
    api.delete(&name, &DeleteParams::default()).await.unwrap();
    // The operator may be quicker than we are.
    while api.create(&PostParams::default(), &other).await.is_err() {
        api.delete(&name, &DeleteParams::default()).await.unwrap();
    }
    becomes("another roleRef is replaced", SHORTLY, good.clone(), look).await;
    team.ready("web").await;
}

#[tokio::test]
async fn a_cluster_role_binding_changed_or_deleted_by_hand_is_put_back() {
    let team = granted("wide", "{subjects: [{kind: Group, name: g}], applications: [{project: '*'}], server: {scope: Cluster}}").await;
    let (api, name) = (team.cluster_bindings(), team.binding_name());
    let says = |b: Option<ClusterRoleBinding>| b.map(|b| (b.role_ref.name, b.subjects));
    let look = async || says(api.get_opt(&name).await.unwrap());
    let good = look().await;
    assert!(good.is_some());
    api.delete(&name, &DeleteParams::default()).await.unwrap();
    becomes("a deleted ClusterRoleBinding is there again", SHORTLY, good.clone(), look).await;
    let subjects = json!({"subjects": [{"kind": "User", "name": "somebody", "apiGroup": "rbac.authorization.k8s.io"}]});
    api.patch(&name, &PatchParams::default(), &Patch::Merge(&subjects)).await.unwrap();
    becomes("its subjects are put right", SHORTLY, good.clone(), look).await;
}

#[tokio::test]
async fn a_foreign_binding_of_our_name_is_left_alone_and_reported() {
    let team = Team::new().await;
    team.application("web-1", "shop").await;
    let (api, name) = (team.bindings(&team.destination), team.binding_name());
    let foreign: RoleBinding = serde_json::from_value(json!({
        "metadata": {"name": name},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"},
        "subjects": [{"kind": "User", "name": "somebody", "apiGroup": "rbac.authorization.k8s.io"}],
    }))
    .unwrap();
    let foreign = api.create(&PostParams::default(), &foreign).await.unwrap();
    team.grant("web", SPEC).await;
    let status = team.condition("web", "ServerAuthorized", "False", "Denied").await;
    assert!(message(&status, "ServerAuthorized").contains(&name), "{status:#?}");
    assert_eq!(status.server.unwrap().namespaces.iter().map(|n| n.granted_by_us).collect::<Vec<_>>(), [false]);
    assert_eq!(condition(&team.status("web").await, "PolicyApplied").0, "True", "the other layers go on");
    assert_eq!(api.get(&name).await.unwrap(), foreign);
    // When it goes, ours comes.
    api.delete(&name, &DeleteParams::default()).await.unwrap();
    team.ready("web").await;
    let ours = api.get(&name).await.unwrap();
    assert_eq!(ours.labels()["argocd-access.dev/instance"], team.namespace);
    team.delete("web").await;
    becomes("ours is gone", SOON, None, async || api.get_opt(&name).await.unwrap()).await;
}

#[tokio::test]
async fn a_status_that_somebody_wrote_over_is_put_right() {
    let team = granted("web", SPEC).await;
    let good = team.status("web").await;
    let lie = json!({"status": {"conditions": [], "policy": {"role": "other", "key": "other", "lineCount": 7}}});
    team.accesses().patch_status("web", &PatchParams::default(), &Patch::Merge(&lie)).await.unwrap();
    becomes("the status is true again", SHORTLY, (3, good.conditions.len()), async || {
        let now = team.status("web").await;
        (now.policy.map_or(0, |p| p.line_count), now.conditions.len())
    })
    .await;
    let now = team.status("web").await;
    assert_eq!((now.policy, now.server, now.instance), (good.policy, good.server, good.instance));
}

#[tokio::test]
async fn a_status_that_could_not_be_written_is_written_as_soon_as_it_can() {
    let team = Team::new().await;
    team.application("web-1", "shop").await;
    let account = team.release.service_account().await;
    // Once for the objects that it serves, once for those that nobody serves.
    let roles = [("Role", account.clone()), ("ClusterRole", format!("{account}-{}", team.namespace))];
    let of = async |kind: &str, name: &str| {
        let api: Api<DynamicObject> = manifests::api(&team.client(), &team.namespace, RBAC, kind);
        api.get(name).await.unwrap().data["rules"].as_array().unwrap().clone()
    };
    let mut former = Vec::new();
    for (kind, name) in &roles {
        let all = of(kind, name).await;
        let kept: Vec<&Value> = all.iter().filter(|r| !r["resources"].as_array().unwrap().contains(&json!("execaccesses/status"))).collect();
        assert_eq!(kept.len() + 1, all.len(), "{kind} {name}");
        team.edit(RBAC, kind, name, json!({"rules": kept})).await;
        former.push(all);
    }
    team.grant("web", SPEC).await;
    eventually("the status is refused", SOON, async || {
        let log = team.release.kubelet.operator_log();
        that(log.contains("a status was not written"), || log)
    })
    .await;
    assert!(team.policy("web").await.is_some(), "the grant itself goes on");
    for ((kind, name), rules) in roles.iter().zip(former) {
        team.edit(RBAC, kind, name, json!({"rules": rules})).await;
    }
    team.ready("web").await;
}
