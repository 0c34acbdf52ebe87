//! Several objects are folded into the shared ones, in an order that never grants too much on the way.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use argocd_access::api::status::Change;
use futures::StreamExt;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::ResourceExt;
use kube::runtime::{WatchStreamExt, watcher};
use serde_json::{Value, json};

use crate::hands::{ARGOCD_CM, RBAC_CM, becomes, differences, granted_and_taken, key, short};
use crate::support::eventually;
use crate::world::{SOON, Team, condition};

/// What a person sees of the others' things: texts, and the uid and version of objects.
async fn of_the_other(team: &Team, name: &str) -> Value {
    let version = |meta: &kube::core::ObjectMeta| (meta.uid.clone(), meta.resource_version.clone());
    let binding = team.bindings(&team.destination).get(&team.binding_name()).await.unwrap();
    json!({
        "policy": team.policy(name).await,
        "argocd-cm": version(&team.config_map(ARGOCD_CM).await.metadata),
        "binding": version(&binding.metadata),
        "ingress": version(&team.ingresses().get("web").await.unwrap().metadata),
        "access": version(&team.access(name).await.metadata),
    })
}

#[tokio::test]
async fn deleting_one_leaves_the_others_untouched() {
    let team = Team::new().await;
    let own = team.cp.namespace("own").await;
    team.ingress_class("community", "k8s.io/ingress-nginx").await;
    team.ingress("web", "community", &json!({})).await;
    team.application("web-1", "shop").await;
    team.application("api-1", "shop").await;
    team.application_in(&team.namespace, "api-2", "shop", &own).await;
    team.grant("stays", "{subjects: [{kind: Group, name: a}], applications: [{project: shop, name: 'web-*'}]}").await;
    team.grant("goes", "{subjects: [{kind: Group, name: b}], applications: [{project: shop, name: 'api-*'}]}").await;
    for name in ["stays", "goes"] {
        team.ready(name).await;
    }
    assert_eq!(team.bound().await, BTreeSet::from([team.destination.clone(), own.clone()]));
    let before = of_the_other(&team, "stays").await;
    team.delete("goes").await;
    becomes("only the shared destination is bound", SOON, BTreeSet::from([team.destination.clone()]), async || team.bound().await).await;
    assert_eq!(team.policy("goes").await, None);
    team.ready("stays").await;
    assert_eq!(of_the_other(&team, "stays").await, before);
    team.delete("stays").await;
    assert_eq!(team.bound().await, BTreeSet::new());
    assert_eq!(team.value(ARGOCD_CM, "exec.enabled").await, None);
}

#[tokio::test]
async fn of_two_that_want_one_role_the_older_has_it_and_the_younger_takes_over() {
    let team = Team::new().await;
    team.application("web-1", "shop").await;
    team.application("api-1", "shop").await;
    team.grant("older", "{roleName: shell, subjects: [{kind: Group, name: a}], applications: [{project: shop, name: 'web-*'}]}").await;
    team.ready("older").await;
    // The age is known in whole seconds.
    tokio::time::sleep(Duration::from_millis(1100)).await;
    team.grant("younger", "{roleName: shell, subjects: [{kind: Group, name: b}], applications: [{project: shop, name: 'api-*'}]}").await;
    let status = team.condition("younger", "Accepted", "False", "RoleNameTaken").await;
    assert_eq!(condition(&status, "Ready"), ("False".to_owned(), "RoleNameTaken".to_owned()));
    assert!(status.conditions.iter().any(|c| c.message.contains("\"older\"")), "{status:#?}");
    assert_eq!(team.policy("younger").await, None);
    let older = team.lines("older").await;
    assert!(older.contains(&"g, a, role:shell".to_owned()));

    team.delete("older").await;
    team.ready("younger").await;
    assert_eq!(team.policy("older").await, None);
    assert_eq!(team.lines("younger").await[1..], ["p, role:shell, exec, create, shop/api-*, allow", "g, b, role:shell"]);
}

/// The requests of one step in the order in which they were answered: what was granted or taken, without statuses and Events.
async fn requests(team: &Team, mark: crate::support::audit::Mark) -> Vec<String> {
    granted_and_taken(&team.writes(mark).await)
}

#[tokio::test]
async fn policy_lines_are_the_first_to_go_and_the_last_to_come_and_the_finalizer_is_before_all() {
    let team = Team::new().await;
    team.application("web-1", "shop").await;
    team.ingress_class("community", "k8s.io/ingress-nginx").await;
    team.ingress("web", "community", &json!({})).await;
    let before = team.tree().await;
    let [finalizer, policy, flag, ingress] =
        ["patch execaccesses/web", "patch configmaps/argocd-rbac-cm", "patch configmaps/argocd-cm", "patch ingresses/web"].map(ToOwned::to_owned);
    let binding = |verb: &str| format!("{verb} rolebindings/{}", team.binding_name());

    let mark = team.cp.audit_mark().await;
    team.grant("web", "{subjects: [{kind: Group, name: g}], applications: [{project: shop, name: 'web-*'}]}").await;
    team.ready("web").await;
    let granted = requests(&team, mark).await;
    assert_eq!(granted, [finalizer.clone(), binding("patch"), flag.clone(), ingress.clone(), policy.clone()]);

    let mark = team.cp.audit_mark().await;
    team.change("web", json!({"suspend": true})).await;
    team.condition("web", "Active", "False", "Suspended").await;
    let suspended = requests(&team, mark).await;
    assert_eq!(suspended[0], policy);
    let shared: BTreeSet<String> = [policy.clone(), binding("delete"), flag.clone(), ingress.clone()].into();
    assert_eq!(suspended.iter().cloned().collect::<BTreeSet<_>>(), shared, "everything, and the finalizer stays");
    assert_eq!(differences(&before, &team.tree().await), BTreeSet::new(), "suspended means withdrawn");
    assert_eq!(team.access("web").await.finalizers().len(), 1);

    let mark = team.cp.audit_mark().await;
    team.change("web", json!({"suspend": false})).await;
    team.ready("web").await;
    assert_eq!(requests(&team, mark).await, granted[1..]);

    let mark = team.cp.audit_mark().await;
    team.delete("web").await;
    let deleted = requests(&team, mark).await;
    assert_eq!((deleted.first(), deleted.last()), (Some(&policy), Some(&finalizer)));
    assert_eq!(deleted.iter().cloned().collect::<BTreeSet<_>>(), shared.into_iter().chain([finalizer]).collect());
}

#[tokio::test]
async fn a_changed_object_gives_up_what_it_had_before_it_gets_more() {
    let team = Team::new().await;
    let other = team.cp.namespace("other").await;
    team.application("web-1", "shop").await;
    team.application_in(&team.namespace, "api-1", "shop", &other).await;
    team.grant("web", "{subjects: [{kind: Group, name: before}], applications: [{project: shop, name: 'web-*'}]}").await;
    team.ready("web").await;

    // Every text that the key ever had from here on.
    let texts = Arc::new(Mutex::new(Vec::<String>::new()));
    let config = watcher::Config::default().fields(&format!("metadata.name={RBAC_CM}"));
    let seen = Arc::clone(&texts);
    let watching = tokio::spawn(watcher(team.config_maps(), config).applied_objects().for_each(move |found| {
        let text = found.ok().and_then(|cm: ConfigMap| cm.data?.remove(&key("web")));
        seen.lock().unwrap().push(text.unwrap_or_default());
        std::future::ready(())
    }));
    let so_far = async |count: usize| {
        let seen = eventually("the changes of argocd-rbac-cm are seen", SOON, async || {
            let seen = texts.lock().unwrap().clone();
            if seen.len() >= count { Ok(seen) } else { Err(format!("{seen:#?}")) }
        });
        seen.await
    };
    assert!(so_far(1).await[0].contains("g, before,"));

    let mark = team.cp.audit_mark().await;
    team.change("web", json!({"subjects": [{"kind": "Group", "name": "after"}], "applications": [{"project": "shop", "name": "api-*"}]})).await;
    team.ready("web").await;
    let all = so_far(3).await;
    watching.abort();
    assert_eq!(all[1], "", "nothing of before, nothing of after");
    assert!(all[2].contains("g, after,") && all[2].contains("shop/api-*") && !all[2].contains("before"), "{all:#?}");
    let namespaces: BTreeMap<&str, &str> = [(team.destination.as_str(), "old"), (other.as_str(), "new")].into();
    let writes = team.writes(mark).await;
    let order: Vec<String> = writes
        .iter()
        .filter(|e| e.code < 300 && ["configmaps", "rolebindings"].contains(&e.resource.as_str()))
        .map(|e| format!("{} {}", e.verb, namespaces.get(e.namespace.as_str()).unwrap_or(&e.name.as_str())))
        .collect();
    assert_eq!(order, ["patch argocd-rbac-cm", "delete old", "patch new", "patch argocd-rbac-cm"], "{:#?}", short(&writes));
}

/// The field of a shared object that a change names, as [`differences`] names it.
fn place(team: &Team, change: &Change) -> String {
    let object = change.object.replace(&format!("{}/", team.namespace), "");
    let field = change.field.strip_prefix("annotations/").map_or_else(|| change.field.clone(), |key| format!("metadata/annotations/{key}"));
    format!("/{object}/{field}")
}

#[tokio::test]
async fn observe_writes_nothing_but_status_and_tells_what_enforce_then_does() {
    let team = Team::new().await;
    team.application("web-1", "shop").await;
    team.ingress_class("community", "k8s.io/ingress-nginx").await;
    team.ingress("web", "community", &json!({"nginx.ingress.kubernetes.io/proxy-read-timeout": "60"})).await;
    team.set(ARGOCD_CM, "exec.enabled", Some("false")).await;
    let before = team.tree().await;
    let mark = team.cp.audit_mark().await;
    team.grant("web", "{mode: Observe, subjects: [{kind: Group, name: g}], applications: [{project: shop, name: 'web-*'}]}").await;
    let status = team.condition("web", "Active", "False", "Observing").await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let writes = short(&team.writes(mark).await);
    assert!(writes.iter().all(|w| w == "patch execaccesses/web status" || w.starts_with("create events/")), "{writes:#?}");
    assert_eq!(differences(&before, &team.tree().await), BTreeSet::new());
    assert!(team.access("web").await.finalizers().is_empty());

    let told: BTreeMap<String, Change> = status.changes.iter().map(|c| (place(&team, c), c.clone())).collect();
    let flag = &told[&format!("/ConfigMap {ARGOCD_CM}/data/exec.enabled")];
    assert_eq!((flag.from.as_deref(), flag.to.as_deref()), (Some("false"), Some("true")));
    team.change("web", json!({"mode": "Enforce"})).await;
    let status = team.ready("web").await;
    assert_eq!(status.changes, [], "what is done is no longer told");

    let after = team.tree().await;
    let bound = format!("/RoleBinding {}/{}/subjects", team.destination, team.binding_name());
    let done: BTreeSet<String> =
        differences(&before, &after).into_iter().filter(|d| !d.ends_with("argocd-access.dev/before")).chain([bound.clone()]).collect();
    assert_eq!(told.keys().cloned().collect::<BTreeSet<_>>(), done);
    assert_eq!(team.bound().await, BTreeSet::from([team.destination.clone()]));
    for (place, change) in told.iter().filter(|(place, _)| **place != bound) {
        let (object, field) = (place.split('/').nth(1).unwrap(), change.field.split_once('/').unwrap());
        let section = if field.0 == "annotations" { &after[object]["metadata"]["annotations"] } else { &after[object]["data"] };
        assert_eq!(section[field.1].as_str(), change.to.as_deref(), "{place}");
    }
}

#[tokio::test]
async fn an_observer_beside_an_enforced_object_tells_only_what_it_adds() {
    let team = Team::new().await;
    let other = team.cp.namespace("other").await;
    team.application("web-1", "shop").await;
    team.application_in(&team.namespace, "web-2", "shop", &other).await;
    team.grant("first", "{subjects: [{kind: Group, name: a}], applications: [{project: shop, name: web-1}]}").await;
    team.ready("first").await;
    team.grant("second", "{mode: Observe, subjects: [{kind: Group, name: b}], applications: [{project: shop, name: 'web-*'}]}").await;
    let status = team.condition("second", "Active", "False", "Observing").await;
    let told: Vec<String> = status.changes.iter().map(|c| place(&team, c)).collect();
    let lines = format!("/ConfigMap {RBAC_CM}/data/{}", key("second"));
    let binding = format!("/RoleBinding {other}/{}/subjects", team.binding_name());
    assert_eq!(told, [lines, binding]);
}
