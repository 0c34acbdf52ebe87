//! The `CustomResourceDefinition` is deleted while the operator runs, and comes again.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::Api;
use kube::api::DeleteParams;

use crate::bench::{AFTER, Behind, spec};
use crate::hands::{ARGOCD_CM, becomes};
use crate::support::manifests;
use crate::support::tools;

const NAME: &str = "execaccesses.argocd-access.dev";

#[tokio::test]
async fn with_the_definition_everything_is_withdrawn_and_when_it_comes_again_it_is_served_without_a_restart() {
    let behind = Behind::own().await;
    let (team, cp) = (&behind.team, behind.team.cp);
    let before = team.shared().await;
    for name in ["one", "two"] {
        team.grant(name, &spec(name)).await;
        behind.ready(name).await;
    }
    let definitions: Api<CustomResourceDefinition> = Api::all(cp.client());
    definitions.delete(NAME, &DeleteParams::default()).await.unwrap();
    becomes("the definition is gone", AFTER, true, async || definitions.get_opt(NAME).await.unwrap().is_none()).await;
    // What holds the objects back, and with them the definition, is that everything is withdrawn first.
    assert_eq!((team.bound().await.len(), behind.has_lines("one").await, behind.has_lines("two").await), (0, false, false));
    assert_ne!(team.value(ARGOCD_CM, "exec.enabled").await.as_deref(), Some("true"));
    assert_eq!(team.shared().await, before);
    behind.healthy_becomes("execaccesses", 0.0).await;
    println!("measured: while there is no definition the probes answer {:?}", behind.probes().await);

    let all = manifests::read_folder(&tools::repository().join("crds"), ".yaml");
    manifests::apply_definitions(&cp.client(), &all).await;
    team.grant("three", &spec("three")).await;
    behind.ready("three").await;
    behind.healthy_becomes("execaccesses", 1.0).await;
    assert_eq!((behind.probes().await, behind.starts()), ((200, 200), 1));
    behind.end();
}
