//! What the agent may do: with its own token, before and after, exactly where it is declared.

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::authorization::v1::{SelfSubjectAccessReview, SelfSubjectAccessReviewSpec};
use k8s_openapi::api::core::v1::{ConfigMap, Event, Secret};
use kube::Api;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams, WatchParams};
use serde_json::json;

use super::Edge;
use crate::support::{eventually, eventually::that};
use crate::world::SOON;

/// What the API server answers: 0 is yes.
fn code<T>(answer: kube::Result<T>) -> u16 {
    match answer {
        Ok(_) => 0,
        Err(kube::Error::Api(status)) => status.code,
        Err(error) => panic!("{error}"),
    }
}

/// What the agent's own review says of a subresource.
async fn may(client: &kube::Client, namespace: &str, verb: &str, resource: &str) -> bool {
    let (resource, subresource) = resource.split_once('/').unwrap_or((resource, ""));
    let review = SelfSubjectAccessReview {
        spec: SelfSubjectAccessReviewSpec {
            resource_attributes: Some(
                serde_json::from_value(json!({"namespace": namespace, "verb": verb, "resource": resource, "subresource": subresource})).unwrap(),
            ),
            ..SelfSubjectAccessReviewSpec::default()
        },
        ..SelfSubjectAccessReview::default()
    };
    Api::<SelfSubjectAccessReview>::all(client.clone()).create(&PostParams::default(), &review).await.unwrap().status.unwrap().allowed
}

#[tokio::test]
async fn the_agent_reads_what_its_applications_consist_of_where_they_do_and_nothing_else() {
    let edge = Edge::new().await;
    let (agent, shop) = (edge.agent().await, edge.shop().to_owned());
    let elsewhere = edge.team.cp.namespace("elsewhere").await;
    let deployments = |namespace: &str| Api::<Deployment>::namespaced(agent.clone(), namespace);
    assert_eq!(code(deployments(&shop).get_opt("web").await), 403, "before");
    edge.web().await;
    edge.declare("live", "[{}]", "").await;
    let status = edge.ready("live").await;
    assert_eq!(code(deployments(&shop).get_opt("web").await), 0);
    assert_eq!(code(deployments(&shop).list(&ListParams::default()).await), 403, "the agent names what it reads");
    assert_eq!(code(deployments(&shop).watch(&WatchParams::default(), "0").await.map(drop)), 403);
    assert_eq!(code(deployments(&elsewhere).get_opt("web").await), 403, "no Application has anything there");
    assert_eq!(code(Api::<Secret>::namespaced(agent.clone(), &shop).get_opt("web").await), 403);
    assert_eq!(code(Api::<Event>::namespaced(agent.clone(), &shop).list(&ListParams::default()).await), 0);
    assert_eq!(code(Api::<Event>::namespaced(agent.clone(), &elsewhere).list(&ListParams::default()).await), 403);
    assert_eq!(code(Api::<ConfigMap>::namespaced(agent.clone(), &shop).delete("web", &DeleteParams::default()).await), 403);
    for resource in ["pods/exec", "pods/log"] {
        assert!(!may(&agent, &shop, "get", resource).await && !may(&agent, &shop, "create", resource).await, "{resource}");
    }
    let instance = status.instance.unwrap();
    assert_eq!((instance.agent_mode.as_deref(), instance.agent_version.as_deref()), (Some("Managed"), Some("0.9.0")));
    assert_eq!(status.namespaces.iter().map(|n| (n.name.as_str(), n.proven)).collect::<Vec<_>>(), [(shop.as_str(), Some(true))]);
}

#[tokio::test]
async fn each_feature_gives_what_it_needs_and_no_more() {
    let edge = Edge::with_values("live: {enabled: true, ceiling: {view: true, edit: true, delete: true}}").await;
    let (agent, shop) = (edge.agent().await, edge.shop().to_owned());
    edge.web().await;
    let maps = Api::<ConfigMap>::namespaced(agent.clone(), &shop);
    let change = Patch::Merge(json!({"data": {"a": "b"}}));
    // What the agent does for each: log, exec twice, patch, delete. 404: it may, and there is none of that name.
    for (features, expected) in [
        ("View", [false, false, false, false, false]),
        ("Logs", [true, false, false, false, false]),
        ("Terminal", [false, true, true, false, false]),
        ("Edit", [false, false, false, true, false]),
        ("Actions", [false, false, false, true, false]),
        ("Delete", [false, false, false, false, true]),
    ] {
        edge.declare("live", &format!("[{{features: [{features}]}}]"), "").await;
        edge.ready("live").await;
        let seen = || async {
            [
                may(&agent, &shop, "get", "pods/log").await,
                may(&agent, &shop, "get", "pods/exec").await,
                may(&agent, &shop, "create", "pods/exec").await,
                code(maps.patch("web", &PatchParams::default(), &change).await) == 404,
                code(maps.delete("web", &DeleteParams::default()).await) == 404,
            ]
        };
        eventually(&format!("{features} is what is given"), SOON, || async {
            let seen = seen().await;
            that(seen == expected, || format!("{seen:?}"))
        })
        .await;
        assert_eq!(code(maps.get_opt("web").await), 0, "each includes View");
    }
}

#[tokio::test]
async fn what_is_beyond_the_ceiling_is_left_out_and_named() {
    let edge = Edge::new().await;
    edge.web().await;
    edge.declare("live", "[{features: [View, Edit]}]", "").await;
    let status = edge.condition("live", "RBACApplied", "False", "BeyondCeiling").await;
    let named: Vec<_> = status.not_granted.iter().map(|n| format!("{} {:?} {:?}", n.kind, n.feature, n.reason)).collect();
    assert!(named.contains(&"Deployment Edit BeyondCeiling".to_owned()), "{named:?}");
    assert!(edge.rights(edge.shop()).await.contains("get deployments.apps"), "what is within it is given");
    edge.team.release.upgrade("live: {enabled: true, ceiling: {edit: true}}", &[]).await;
    eventually("what the admin allows now is given", SOON * 3, async || {
        let rights = edge.rights(edge.shop()).await;
        that(rights.contains("patch deployments.apps"), || format!("{rights:?}"))
    })
    .await;
    edge.ready("live").await;
    // And it goes again with what the operator holds.
    edge.team.release.upgrade("live: {enabled: true, ceiling: {edit: false}}", &[]).await;
    eventually("what the admin allows no more is taken back", SOON * 3, async || {
        let rights = edge.rights(edge.shop()).await;
        that(!rights.contains("patch deployments.apps") && rights.contains("get deployments.apps"), || {
            format!("{rights:?}\n{}", edge.team.release.kubelet.operator_log())
        })
    })
    .await;
}
