//! What Argo CD makes of what it may not read, and of a credential that is dead.

use std::time::Duration;

use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::Api;
use kube::api::{DeleteParams, ListParams};

use crate::bench::token;
use crate::hub::{Hub, WITHIN, errors};
use crate::support::{eventually, eventually::that, manifests};

const APPLICATION: &str = "web";
const RESPECT_RBAC: &str = "resource.respectRBAC";

/// A kind that the cluster had not when its roles were made, and an object of it.
const WIDGETS: &str = "
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.example.com}
spec:
  group: example.com
  names: {kind: Widget, listKind: WidgetList, plural: widgets, singular: widget}
  scope: Namespaced
  versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object}}}]
";

impl Hub {
    /// Has Argo CD read every cluster anew, with this value of the setting.
    async fn anew(&mut self, respect: Option<&str>) {
        self.bench.set("argocd-cm", RESPECT_RBAC, respect).await;
        self.argocd.restart_controller();
    }

    /// Waits until the Application shows an error with this text.
    async fn fails_with(&self, text: &str) {
        eventually(&format!("an error about {text:?}"), WITHIN, || async {
            self.refresh(APPLICATION).await;
            let status = self.status(APPLICATION).await?;
            that(errors(&status).iter().any(|error| error.contains(text)), || status.to_string())
        })
        .await;
    }
}

#[tokio::test]
async fn argo_cd_leaves_out_what_it_may_not_read_and_takes_a_dead_credential_for_no_empty_cluster() {
    let mut hub = Hub::start().await;
    let bench = hub.bench;
    hub.application(APPLICATION).await;
    hub.commit(APPLICATION, 1).await;
    hub.arrives(APPLICATION, 1).await;

    // Without the setting the first kind that it may not read is the end of the whole cluster, and the status says so.
    hub.anew(None).await;
    hub.fails_with("forbidden").await;
    bench.condition("CacheCompatible", "False", "RespectRBACUnset").await;
    bench.condition("ObservedByArgoCD", "False", "ComparisonError").await;

    // With it a kind that comes later, and of which the credential may read nothing, is left out.
    manifests::apply_definitions(&bench.remote.client(), &manifests::parse(WIDGETS)).await;
    manifests::apply_text(&bench.remote.client(), &bench.shop, "{apiVersion: example.com/v1, kind: Widget, metadata: {name: one}}").await;
    hub.anew(Some("strict")).await;
    hub.commit(APPLICATION, 2).await;
    hub.arrives(APPLICATION, 2).await;
    assert_eq!(errors(&hub.status(APPLICATION).await.unwrap()), Vec::<String>::new());
    bench.condition("ObservedByArgoCD", "True", "NoErrors").await;

    // A credential that is dead, and nobody who replaces it.
    let dead = token(&bench.cluster_secret().await.unwrap());
    let anchor = bench.status().await.credential.unwrap().anchor.unwrap();
    bench.release.kubelet.signal_operator("STOP");
    Api::<Secret>::namespaced(bench.remote.client(), "argocd-access").delete(&anchor, &DeleteParams::default()).await.unwrap();
    let maps = Api::<ConfigMap>::namespaced(bench.client_with(&dead), &bench.shop);
    eventually("the credential is dead", Duration::from_secs(15), || async {
        match maps.list(&ListParams::default().limit(1)).await {
            Err(kube::Error::Api(status)) if status.code == 401 => Ok(()),
            other => Err(format!("{:?}", other.map(drop))),
        }
    })
    .await;
    for respect in ["normal", "strict"] {
        hub.anew(Some(respect)).await;
        hub.fails_with("the server has asked for the client to provide credentials").await;
        let status = hub.status(APPLICATION).await.unwrap();
        assert_eq!(status["sync"]["status"], "Unknown", "{respect}: {status}");
    }

    // Whoever replaces it goes on, and so does the Application.
    bench.release.kubelet.signal_operator("CONT");
    hub.commit(APPLICATION, 3).await;
    hub.arrives(APPLICATION, 3).await;
    eventually("the error is gone", WITHIN, || async {
        let status = hub.status(APPLICATION).await?;
        that(errors(&status).is_empty(), || status.to_string())
    })
    .await;
    // That the roles do not know the new kind is said some minutes later; by then or not, the cluster is served.
    bench.condition("ObservedByArgoCD", "True", "NoErrors").await;
}
