//! The real pair itself, with rights given by hand: what each request needs, and what no right helps to.

use std::time::Duration;

use serde_json::json;

use crate::shop::{Request, Right, Shop, resources};
use crate::support::pair::Agent;
use crate::support::{ControlPlane, Kubernetes, eventually, eventually::that, manifests};
use crate::table::{Row, TABLE, terminal};

/// Without rights, without each one of them, and with all: refused, refused, answered.
async fn needs_exactly(shop: &Shop, row: &Row) {
    let Row { what, request, needs, shows } = row;
    let refusal = match request {
        Request::Logs => Some("no line"),
        // What the principal says of it is sometimes lost.
        Request::Terminal => None,
        _ => Some("HTTP 403"),
    };
    let refused = async |without: &[Right]| {
        let answer = shop.ask(*request).await;
        let seen = answer.as_ref().err();
        assert!(
            seen.is_some_and(|seen| refusal.is_none_or(|refusal| refusal == seen)),
            "{what}, without {without:?}: {answer:?}\n{}",
            shop.agent.last_words()
        );
    };
    shop.give(&[], needs).await;
    refused(needs).await;
    for left_out in *needs {
        let others: Vec<Right> = needs.iter().filter(|right| right != &left_out).copied().collect();
        shop.give(&others, &[*left_out]).await;
        refused(&[*left_out]).await;
    }
    shop.give(needs, &[]).await;
    let answer = shop.ask(*request).await;
    assert!(answer.as_ref().is_ok_and(|answer| answer.contains(shows)), "{what}, with {needs:?}: {answer:?}\n{}", shop.agent.last_words());
    shop.deploy().await;
}

#[tokio::test]
async fn each_request_is_answered_with_the_rights_of_its_row_and_refused_without_any_one_of_them() {
    let shop = Shop::new(Kubernetes::V1_34).await;
    for row in TABLE.iter().chain([&terminal(Kubernetes::V1_34)]) {
        needs_exactly(&shop, row).await;
    }
    shop.give(&[("create", "", "pods/exec")], &[("get", "", "pods/exec")]).await;
    shop.ask(Request::Terminal).await.expect_err("`create` alone opens no terminal");
}

#[tokio::test]
async fn a_terminal_on_the_newer_kubernetes_needs_create_beside_get() {
    let shop = Shop::new(Kubernetes::V1_36).await;
    needs_exactly(&shop, &terminal(Kubernetes::V1_36)).await;
}

#[tokio::test]
async fn an_autonomous_agent_opens_no_terminal_with_any_right_and_shows_logs() {
    let mut shop = Shop::new(Kubernetes::V1_34).await;
    shop.agent.set(&[("agent.mode", "autonomous")]).await;
    shop.agent.restart().await;
    shop.give(&[("*", "*", "*")], &[]).await;
    assert_eq!(shop.ask(Request::Terminal).await, Err("HTTP 400".to_owned()));
    shop.ask(Request::Logs).await.expect("logs are alike in both modes");
}

#[tokio::test]
async fn discovery_needs_no_right_and_what_is_not_managed_or_a_list_is_refused_with_every_right() {
    let shop = Shop::new(Kubernetes::V1_34).await;
    let status = async |request: Request| shop.ask(request).await.map_or_else(|refusal| refusal, |_answer| "HTTP 200".to_owned());
    shop.give(&[], &[]).await;
    for path in ["/api", "/apis", "/api/v1", "/apis/apps/v1", "/version"] {
        assert_eq!(status(Request::Get(path)).await, "HTTP 200", "{path}");
    }
    assert_eq!(status(Request::Get("/openapi/v2")).await, "HTTP 400");

    shop.give(&[("*", "*", "*")], &[]).await;
    let stray = "/api/v1/namespaces/NS/configmaps/stray";
    for request in [Request::Get(stray), Request::Patch(stray, r#"{"data":{"a":"b"}}"#), Request::Delete(stray)] {
        assert_eq!(status(request).await, "HTTP 403", "{request:?}");
    }
    assert!(shop.agent.log().contains("resource not managed by app"), "{}", shop.agent.log());
    for path in ["/api/v1/namespaces/NS/pods", "/api/v1/namespaces/NS/secrets", "/apis/apps/v1/namespaces/NS/deployments", "/api/v1/namespaces"] {
        assert_eq!(status(Request::Get(path)).await, "HTTP 500", "{path}");
    }
    let events = shop.ask(Request::Get("/api/v1/namespaces/NS/events?fieldSelector=involvedObject.name%3Dother")).await.unwrap();
    assert!(events.contains("other.1") && !events.contains("web.1"), "{events}");
    let put = shop.agent.resource_proxy().send("PUT", "/api/v1/namespaces/default/configmaps/x", &json!({})).await;
    assert_eq!(put.status, 403);
}

#[tokio::test]
async fn an_application_of_the_hub_comes_to_the_agents_cluster_and_what_it_consists_of_comes_back() {
    let mut agent = Agent::start(ControlPlane::shared(Kubernetes::V1_34).await).await;
    agent.create_project(&["*"]).await;
    let there = agent.create_application("web", "shop", &resources("shop")).await;
    assert_eq!(there.data["spec"]["destination"]["name"], "in-cluster", "the agent's own cluster: {}", there.data);
    let here = manifests::api(&agent.principal.hub.client(), &agent.name, "argoproj.io/v1alpha1", "Application");
    let comes_back = async |what: &str, count: usize| {
        eventually(what, Duration::from_secs(20), || async {
            let seen = here.get("web").await.map_err(|error| error.to_string())?;
            that(seen.data["status"]["resources"].as_array().map_or(0, Vec::len) == count, || seen.data["status"].to_string())
        })
        .await;
    };
    comes_back("the hub knows the resources", 5).await;

    agent.stop();
    let proxy = agent.resource_proxy();
    eventually("the principal knows that the agent is gone", Duration::from_secs(20), || async {
        let answer = proxy.get("/api").await;
        that(answer.status == 502, || format!("HTTP {}", answer.status))
    })
    .await;
    agent.restart().await;
    agent.set_resources("web", &json!([])).await;
    comes_back("the hub knows of fewer", 0).await;
}
