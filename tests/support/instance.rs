//! A namespace per test, and in it the objects of an Argo CD instance as its own namespace-install.yaml has them.
//!
//! Of the workloads only the Deployment `argocd-server` is there, whose Pods stay pending: [`super::argocd`] runs the programs.

use k8s_openapi::api::core::v1::{Namespace, ServiceAccount};
use kube::{
    Api,
    api::{DynamicObject, ObjectMeta, PostParams},
};
use serde_json::json;
use std::time::Duration;

use super::{ControlPlane, eventually, manifests, process::random, tools};

impl ControlPlane {
    /// Makes a namespace that no other test has, ready for Pods.
    pub async fn namespace(&self, prefix: &str) -> String {
        let name = format!("{prefix}-{}", random());
        let namespace = Namespace { metadata: ObjectMeta { name: Some(name.clone()), ..ObjectMeta::default() }, ..Namespace::default() };
        let client = self.client();
        let namespaces = Api::<Namespace>::all(client.clone());
        namespaces.create(&PostParams::default(), &namespace).await.unwrap_or_else(|error| panic!("create the namespace {name}: {error}"));
        let accounts = Api::<ServiceAccount>::namespaced(client, &name);
        eventually("a new namespace has its default ServiceAccount", Duration::from_secs(20), || accounts.get("default")).await;
        name
    }

    /// Makes a namespace and installs an Argo CD instance into it.
    pub async fn instance(&self, prefix: &str) -> String {
        let namespace = self.namespace(prefix).await;
        self.install_argocd(&namespace).await;
        namespace
    }

    /// Applies Argo CD's `CustomResourceDefinitions`, once per control plane.
    pub async fn install_argocd_definitions(&self) {
        self.argocd_crds
            .get_or_init(|| async {
                let definitions = manifests::read_folder(&tools::path("argocd-manifests").join("crds"), "-crd.yaml");
                manifests::apply_definitions(&self.client(), &definitions).await;
            })
            .await;
    }

    /// Applies the operator's own `CustomResourceDefinitions`, once per control plane, for tests that do without the chart.
    pub async fn install_operator_definitions(&self) {
        self.operator_crds
            .get_or_init(|| async {
                let definitions = manifests::read_folder(&tools::repository().join("crds"), ".yaml");
                manifests::apply_definitions(&self.client(), &definitions).await;
            })
            .await;
    }

    /// Applies what namespace-install.yaml has for the server, the application controller and the repo server.
    ///
    /// In this form argocd-server has rights in its own namespace only; [`Self::install_cluster_rbac`] adds those of install.yaml.
    pub async fn install_argocd(&self, namespace: &str) {
        self.install_argocd_definitions().await;
        let objects: Vec<DynamicObject> =
            manifests::read(&tools::path("argocd-manifests").join("namespace-install.yaml")).into_iter().filter(belongs_to_the_bench).collect();
        manifests::apply(&self.client(), namespace, &objects).await;
    }

    /// The same without argocd-server, as an agent's cluster has it.
    pub async fn install_argocd_of_agent(&self, namespace: &str) {
        self.install_argocd_definitions().await;
        let mut objects = manifests::read(&tools::path("argocd-manifests").join("namespace-install.yaml"));
        objects.retain(|object| belongs_to_the_bench(object) && object.metadata.name.as_deref() != Some("argocd-server"));
        manifests::apply(&self.client(), namespace, &objects).await;
    }

    /// Gives an instance's argocd-server the rights of the ClusterRole that install.yaml has for it, as `<namespace>-argocd-server`.
    pub async fn install_cluster_rbac(&self, namespace: &str) -> String {
        self.bind_stock_cluster_role(namespace, "server", "argocd-server").await
    }

    /// The same for the application controller, which without it can sync into its own namespace only.
    pub async fn install_controller_cluster_rbac(&self, namespace: &str) -> String {
        self.bind_stock_cluster_role(namespace, "application-controller", "argocd-application-controller").await
    }

    async fn bind_stock_cluster_role(&self, namespace: &str, component: &str, account: &str) -> String {
        let name = format!("{namespace}-{account}");
        let folder = tools::path("argocd-manifests").join("cluster-rbac").join(component);
        let mut objects = manifests::read_folder(&folder, "clusterrole.yaml");
        objects.extend(manifests::read_folder(&folder, "clusterrolebinding.yaml"));
        for object in &mut objects {
            object.metadata.name = Some(name.clone());
            if object.data.get("subjects").is_some() {
                object.data["subjects"] = json!([{ "kind": "ServiceAccount", "name": account, "namespace": namespace }]);
                object.data["roleRef"]["name"] = json!(name);
            }
        }
        manifests::apply(&self.client(), namespace, &objects).await;
        name
    }
}

fn belongs_to_the_bench(object: &DynamicObject) -> bool {
    let name = object.metadata.name.as_deref().unwrap_or_default();
    match object.types.as_ref().map(|types| types.kind.as_str()) {
        Some("ConfigMap" | "Secret") => !name.contains("notifications"),
        Some("ServiceAccount" | "Role" | "RoleBinding") => ["argocd-server", "argocd-application-controller", "argocd-repo-server"].contains(&name),
        Some("Deployment" | "Service") => name == "argocd-server",
        _ => false,
    }
}
