//! Credentials are in their Secrets, and nowhere else.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use k8s_openapi::api::events::v1::Event;
use kube::Api;
use kube::api::ListParams;

use crate::bench::{Bench, CLUSTER, SOON, token, value};
use crate::support::process::get;
use crate::support::{eventually, eventually::that};

impl Bench {
    /// The token of the operator itself for the remote cluster.
    async fn own_token(&self) -> String {
        value(&self.secret(&format!("argocd-access-manager-{CLUSTER}")).await.unwrap(), "token").unwrap()
    }

    /// Nothing of these tokens is anywhere where somebody reads who may not read the Secrets.
    pub async fn keeps_secret(&self, tokens: &[String]) {
        let own = self.own_token().await;
        let client = self.hub.client();
        let mut told = vec![("the logs", self.release.kubelet.log())];
        let mut add = |what: &'static str, json: serde_json::Value| told.push((what, json.to_string()));
        let events: Api<Event> = Api::namespaced(client.clone(), &self.namespace);
        add("the Events", serde_json::to_value(events.list(&ListParams::default()).await.unwrap().items).unwrap());
        let config_maps: Api<ConfigMap> = Api::namespaced(client.clone(), &self.namespace);
        add("the ConfigMaps", serde_json::to_value(config_maps.list(&ListParams::default()).await.unwrap().items).unwrap());
        add("the object", serde_json::to_value(self.accesses().get_opt(CLUSTER).await.unwrap()).unwrap());
        let secrets: Api<Secret> = Api::namespaced(client, &self.namespace);
        let metadata = secrets.list_metadata(&ListParams::default()).await.unwrap().items;
        add("the metadata of the Secrets", serde_json::to_value(metadata).unwrap());
        let there: Api<Secret> = Api::namespaced(self.remote.client(), "argocd-access");
        add("the Secrets of the remote cluster", serde_json::to_value(there.list(&ListParams::default()).await.unwrap().items).unwrap());
        for operator in self.release.kubelet.operators() {
            let (_, metrics) = get(&format!("http://127.0.0.1:{}/metrics", operator.ports.values().next().unwrap())).await.unwrap();
            told.push(("the metrics", metrics));
        }
        for token in tokens.iter().chain([&own]) {
            let signature = token.rsplit('.').next().unwrap();
            // The end of what is encoded depends on what follows.
            let encoded = STANDARD.encode(token);
            let shapes = [signature, encoded.get(..encoded.len() - 4).unwrap()];
            assert!(shapes.iter().all(|shape| shape.len() > 60), "{}", shapes.len());
            for (what, text) in &told {
                assert!(shapes.iter().all(|shape| !text.contains(shape)), "a credential is in {what}");
            }
        }
    }
}

#[tokio::test]
async fn at_no_level_of_the_log_and_in_no_object_is_a_credential_told() {
    let bench = Bench::bare("{clusterAccess: {enabled: true, clusters: [prod]}, log: {level: trace}}").await;
    bench.bootstrap(&bench.spec()).await;
    bench.declare(&bench.spec()).await;
    bench.ready().await;
    let first = token(&bench.cluster_secret().await.unwrap());
    bench.annotate("argocd-access.dev/rotate-after", Some(&jiff::Timestamp::now().to_string())).await;
    let second = eventually("another token is in the cluster Secret", SOON, || async {
        let now = token(&bench.cluster_secret().await.ok_or("the Secret is gone")?);
        that(now != first, || "the same".to_owned())?;
        Ok::<_, String>(now)
    })
    .await;
    bench.condition("CredentialReady", "True", "Rotating").await;
    assert!(bench.release.kubelet.log().contains("TRACE"), "the log has everything");
    bench.keeps_secret(&[first, second]).await;
}
