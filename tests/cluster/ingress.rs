//! The Ingresses in front of argocd-server: what their controllers need is merged in, and comes out again.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use argocd_access::api::ExecAccessStatus;
use k8s_openapi::api::networking::v1::IngressClass;
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::{Value, json};

use crate::hands::{becomes, differences};
use crate::support::managers;
use crate::world::{SOON, Team, condition, message};

const SPEC: &str = "{subjects: [{kind: Group, name: g}], applications: [{project: shop}]}";

fn spec(name: &str, ingress: &str) -> String {
    format!("{{subjects: [{{kind: Group, name: {name}}}], applications: [{{project: shop, name: {name}}}], ingress: {ingress}}}")
}

fn community(name: &str) -> String {
    format!("nginx.ingress.kubernetes.io/{name}")
}

/// The annotations of these keys.
async fn values(team: &Team, ingress: &str, keys: &[String]) -> Vec<Option<String>> {
    let mut all = team.annotations(ingress).await;
    keys.iter().map(|key| all.remove(key)).collect()
}

fn some(values: &[&str]) -> Vec<Option<String>> {
    values.iter().map(|v| (*v != "-").then(|| (*v).to_owned())).collect()
}

/// Of each Ingress in the status: its controller, its annotations, and whether there is a message.
fn told(status: &ExecAccessStatus) -> BTreeMap<String, (String, usize, bool)> {
    status.ingresses.iter().map(|i| (i.name.to_string(), (i.controller.to_string(), i.annotations.len(), !i.message.is_empty()))).collect()
}

#[tokio::test]
async fn each_controller_gets_what_it_needs_merged_into_what_is_there_and_all_comes_back() {
    let team = Team::new().await;
    team.application("web-1", "shop").await;
    for (class, controller) in [("community", "k8s.io/ingress-nginx"), ("f5", "nginx.org/ingress-controller"), ("odd", "example.invalid/other")] {
        team.ingress_class(class, controller).await;
    }
    let there = json!({
        community("websocket-services"): "other", community("proxy-read-timeout"): "60", community("proxy-send-timeout"): "7200",
        community("whitelist-source-range"): "10.0.0.0/8",
    });
    team.ingress("community", "community", &there).await;
    team.ingress("f5", "f5", &json!({})).await;
    team.ingress("odd", "odd", &json!({"example.invalid/timeout": "5"})).await;
    // The old annotation, from before there were classes.
    team.ingress_to("argocd-server", "old", Value::Null, &json!({"kubernetes.io/ingress.class": "nginx"})).await;
    team.ingress_to("grafana", "foreign", json!(format!("community-{}", team.namespace)), &json!({})).await;
    let before = team.tree().await;
    let untouched = async || [team.ingresses().get("odd").await.unwrap(), team.ingresses().get("foreign").await.unwrap()];
    let (odd, foreign) = (team.ingresses().get("odd").await.unwrap(), team.ingresses().get("foreign").await.unwrap());

    team.grant("web", SPEC).await;
    let status = team.condition("web", "IngressReady", "Unknown", "UnknownIngressClass").await;
    assert!(message(&status, "IngressReady").contains("odd"), "{status:#?}");
    assert_eq!(condition(&status, "Ready").0, "True", "people may come another way");
    let three = [community("websocket-services"), community("proxy-read-timeout"), community("proxy-send-timeout")];
    assert_eq!(values(&team, "community", &three).await, some(&["other,argocd-server", "3600", "7200"]), "a longer time is left alone");
    assert_eq!(values(&team, "old", &three).await, some(&["argocd-server", "3600", "3600"]));
    let three = ["websocket-services", "proxy-read-timeout", "proxy-send-timeout"].map(|name| format!("nginx.org/{name}"));
    assert_eq!(values(&team, "f5", &three).await, some(&["argocd-server", "3600s", "3600s"]));
    assert_eq!(untouched().await, [odd, foreign]);
    let expected = [
        ("community", "k8s.io/ingress-nginx", 3, false),
        ("f5", "nginx.org/ingress-controller", 3, false),
        ("odd", "", 0, true),
        ("old", "k8s.io/ingress-nginx", 3, false),
    ];
    let expected = expected.into_iter().map(|(name, controller, count, message)| (name.to_owned(), (controller.to_owned(), count, message)));
    assert_eq!(told(&status), expected.collect());

    // Somebody adds an element of their own, which stays when ours goes.
    let added = json!({"metadata": {"annotations": {community("websocket-services"): "other,argocd-server,third"}}});
    team.edit("networking.k8s.io/v1", "Ingress", "community", added).await;
    team.delete("web").await;
    let services = format!("/Ingress community/metadata/annotations/{}", community("websocket-services"));
    assert_eq!(differences(&before, &team.tree().await), BTreeSet::from([services]));
    assert_eq!(values(&team, "community", &[community("websocket-services")]).await, some(&["other,third"]));
    for name in ["community", "f5", "old"] {
        let left = managers(&team.ingresses().get(name).await.unwrap());
        assert!(!left.iter().any(|m| m.starts_with("argocd-access")), "{name}: {left:?}");
    }
}

#[tokio::test]
async fn an_ingress_without_a_class_is_served_by_the_clusters_default_or_by_nobody_known() {
    let team = Team::new().await;
    team.application("web-1", "shop").await;
    team.ingress_to("argocd-server", "plain", Value::Null, &json!({})).await;
    team.grant("web", SPEC).await;
    let status = team.condition("web", "IngressReady", "Unknown", "UnknownIngressClass").await;
    assert!(status.ingresses[0].message.contains("no ingress class"), "{status:#?}");
    team.ingress_class("default", "nginx.org/ingress-controller").await;
    let classes = Api::<IngressClass>::all(team.client());
    let name = format!("default-{}", team.namespace);
    let default = Patch::Merge(json!({"metadata": {"annotations": {"ingressclass.kubernetes.io/is-default-class": "true"}}}));
    classes.patch(&name, &PatchParams::default(), &default).await.unwrap();
    team.condition("web", "IngressReady", "True", "Configured").await;
    assert_eq!(values(&team, "plain", &["nginx.org/websocket-services".to_owned()]).await, some(&["argocd-server"]));
    // What was set for a class goes with the class.
    classes.delete(&name, &DeleteParams::default()).await.unwrap();
    becomes("nothing of ours is left", SOON, BTreeMap::new(), async || team.annotations("plain").await).await;
    team.condition("web", "IngressReady", "Unknown", "UnknownIngressClass").await;
}

#[tokio::test]
async fn what_several_objects_want_is_folded_and_mode_none_wants_nothing() {
    let team = Team::new().await;
    team.ingress_class("community", "k8s.io/ingress-nginx").await;
    team.ingress("web", "community", &json!({"haproxy.org/timeout-tunnel": "1m"})).await;
    for name in ["first", "second", "third"] {
        team.application(name, "shop").await;
    }
    let before = team.tree().await;
    let keys = [community("proxy-read-timeout"), "haproxy.org/timeout-tunnel".to_owned()];
    team.grant("third", &spec("third", "{mode: None}")).await;
    team.ready("third").await;
    assert_eq!(condition(&team.status("third").await, "IngressReady"), ("True".to_owned(), "NotManaged".to_owned()));
    assert_eq!(values(&team, "web", &keys).await, some(&["-", "1m"]));

    team.grant("first", &spec("first", "{timeout: 30m, annotations: {haproxy.org/timeout-tunnel: 2h}}")).await;
    team.ready("first").await;
    assert_eq!(values(&team, "web", &keys).await, some(&["1800", "2h"]));
    tokio::time::sleep(Duration::from_millis(1100)).await;
    team.grant("second", &spec("second", "{timeout: 2h, annotations: {haproxy.org/timeout-tunnel: 3h}}")).await;
    let status = team.condition("second", "IngressReady", "False", "Conflict").await;
    assert!(message(&status, "IngressReady").contains("\"first\""), "{status:#?}");
    assert_eq!(values(&team, "web", &keys).await, some(&["7200", "2h"]), "the longest time, and the older one's value");
    team.delete("first").await;
    team.condition("second", "IngressReady", "True", "Configured").await;
    assert_eq!(values(&team, "web", &keys).await, some(&["7200", "3h"]));
    team.change("second", json!({"ingress": {"timeout": "10m"}})).await;
    becomes("the time is shortened", SOON, some(&["600", "3h"]), async || values(&team, "web", &keys).await).await;

    // A key that could route or inject: the whole object is refused, and what it had is taken back.
    team.change("second", json!({"ingress": {"annotations": {"nginx.ingress.kubernetes.io/configuration-snippet": "return 200"}}})).await;
    let status = team.condition("second", "Accepted", "False", "Invalid").await;
    assert!(message(&status, "Accepted").contains("configuration-snippet"), "{status:#?}");
    assert_eq!(values(&team, "web", &keys).await, some(&["-", "1m"]));
    for name in ["second", "third"] {
        team.delete(name).await;
    }
    assert_eq!(differences(&before, &team.tree().await), BTreeSet::new());
}
