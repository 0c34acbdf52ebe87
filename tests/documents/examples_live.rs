//! The examples of live resources, each applied in the cluster of an agent.

use std::collections::BTreeSet;

use argocd_access::api::LiveResourceAccess;
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::{Value, json};

use crate::{
    support::{edge, eventually, eventually::that, hub, manifests},
    world::{SOON, Team, example},
};

/// What one example leads to.
struct Expected {
    file: &'static str,
    /// Namespaces, each with what works there.
    namespaces: &'static [(&'static str, &'static str)],
}

const EXPECTED: &[Expected] = &[
    Expected { file: "live-view.yaml", namespaces: &[("other", "View Events"), ("shop", "View Events"), ("shop-labelled", "View Events")] },
    Expected { file: "live-terminal.yaml", namespaces: &[("shop", "View Events Logs Terminal"), ("shop-labelled", "View Events Logs Terminal")] },
    Expected { file: "live-namespaces.yaml", namespaces: &[("shop", "View Events Logs"), ("shop-labelled", "View Events Logs")] },
];

/// The one of the other side.
const CONTROL_PLANE: &str = "live-principal.yaml";

/// The files that are tried here.
pub fn tried() -> BTreeSet<String> {
    EXPECTED.iter().map(|expected| expected.file).chain([CONTROL_PLANE]).map(ToOwned::to_owned).collect()
}

const NAMESPACES: &str = "
{apiVersion: v1, kind: Namespace, metadata: {name: shop}}
---
{apiVersion: v1, kind: Namespace, metadata: {name: other}}
---
{apiVersion: v1, kind: Namespace, metadata: {name: shop-labelled, labels: {team: a}}}
";

#[tokio::test]
async fn every_example_of_live_resources_reaches_what_it_promises() {
    let team = Team::with_values("live: {enabled: true}").await;
    let shop = edge::application("web", "shop", &["apps/Deployment/shop/web", "/ConfigMap/shop/web", "apps/Deployment/shop-labelled/web"]);
    let other = edge::application("api", "other", &["apps/Deployment/other/api"]);
    let text = [NAMESPACES.to_owned(), edge::install("managed"), edge::project("shop"), edge::project("other"), shop, other].join("\n---\n");
    manifests::apply_text(&team.client(), &team.namespace, &text).await;
    let api: Api<LiveResourceAccess> = Api::namespaced(team.client(), &team.namespace);
    for expected in EXPECTED {
        let mut object: Value = serde_yaml::from_str(&example(expected.file)).unwrap();
        object["metadata"]["namespace"] = json!(team.namespace);
        let name = object["metadata"]["name"].as_str().unwrap().to_owned();
        api.patch(&name, &PatchParams::apply("test"), &Patch::Apply(&object)).await.unwrap();
        let status = eventually(&format!("{} is ready", expected.file), SOON, async || {
            let status = api.get(&name).await.map_err(|e| e.to_string())?.status.unwrap_or_default();
            let ready = status.conditions.iter().any(|c| c.type_ == "Ready" && c.status == "True");
            that(ready, || format!("{status:#?}\n{}", team.release.kubelet.operator_log())).map(|()| status)
        })
        .await;
        let features = |all: &[argocd_access::api::Feature]| all.iter().map(|f| f.as_str()).collect::<Vec<_>>().join(" ");
        let found: Vec<(&str, String)> = status.namespaces.iter().map(|n| (n.name.as_str(), features(&n.features))).collect();
        let wanted: Vec<(&str, String)> = expected.namespaces.iter().map(|(name, features)| (*name, (*features).to_owned())).collect();
        assert_eq!(found, wanted, "{}", expected.file);
        api.delete(&name, &DeleteParams::default()).await.unwrap();
        eventually("it is gone", SOON, async || {
            let left = api.get_opt(&name).await.map_err(|e| e.to_string())?;
            that(left.is_none(), || format!("{left:#?}"))
        })
        .await;
    }
}

#[tokio::test]
async fn the_example_of_a_control_plane_reaches_what_it_promises() {
    let team = Team::with_values("{instance: {restartServer: WhenNeeded}, live: {enabled: true}}").await;
    hub::install(&team.client(), &team.namespace, &[hub::PRINCIPAL, hub::REDIS_PROXY, hub::CLOSED]).await;
    let mut object: Value = serde_yaml::from_str(&example(CONTROL_PLANE)).unwrap();
    object["metadata"]["namespace"] = json!(team.namespace);
    let api: Api<LiveResourceAccess> = Api::namespaced(team.client(), &team.namespace);
    api.patch("hub", &PatchParams::apply("test"), &Patch::Apply(&object)).await.unwrap();
    eventually("the control plane is ready", SOON, async || {
        let status = api.get("hub").await.map_err(|e| e.to_string())?.status.unwrap_or_default();
        let ready = status.conditions.iter().any(|c| c.type_ == "Ready" && c.status == "True");
        that(ready, || format!("{status:#?}\n{}", team.release.kubelet.operator_log()))
    })
    .await;
}
