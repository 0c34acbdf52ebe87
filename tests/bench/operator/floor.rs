//! The least that is possible: the writes that the operator made for one object, in the same order, by a client that does nothing else.

use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::api::networking::v1::Ingress;
use k8s_openapi::api::rbac::v1::RoleBinding;
use kube::api::{Api, DeleteParams, Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use argocd_access::api::ExecAccess;

use crate::place::{declared, front};
use crate::support::ControlPlane;

/// An Argo CD without an operator.
pub struct Floor {
    cp: &'static ControlPlane,
    pub namespace: String,
    destination: String,
}

impl Floor {
    pub async fn new(cp: &'static ControlPlane) -> Self {
        let namespace = cp.instance("floor").await;
        front(cp, &namespace).await;
        let destination = cp.namespace("shop").await;
        Self { cp, namespace, destination }
    }

    /// Creates the object, does what the operator does for it, and takes it back. `status` is what the operator has written into one.
    pub async fn once(&self, index: usize, status: &Value) {
        let (client, here) = (self.cp.client(), self.namespace.as_str());
        let accesses = Api::<ExecAccess>::namespaced(client.clone(), here);
        let config_maps = Api::<ConfigMap>::namespaced(client.clone(), here);
        let ingresses = Api::<Ingress>::namespaced(client.clone(), here);
        let bindings = Api::<RoleBinding>::namespaced(client.clone(), &self.destination);
        let apply = PatchParams::apply("floor").force();
        let name = format!("one-{index}");
        accesses.create(&PostParams::default(), &declared(&name, 0)).await.expect("create the object");

        let metadata = |name: &str, more: Value| {
            let mut object = more;
            object["metadata"]["name"] = json!(name);
            object
        };
        let finalizer =
            json!({"apiVersion": "argocd-access.dev/v1alpha1", "kind": "ExecAccess", "metadata": {"finalizers": ["argocd-access.dev/floor"]}});
        accesses.patch(&name, &apply, &Patch::Apply(metadata(&name, finalizer))).await.expect("set the finalizer");
        let binding = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": {"labels": {"app.kubernetes.io/managed-by": "floor"}},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"},
            "subjects": [{"kind": "ServiceAccount", "name": "argocd-server", "namespace": here}]});
        bindings.patch("floor", &apply, &Patch::Apply(metadata("floor", binding))).await.expect("bind");
        let flag = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"annotations": {"example.com/before": "{}"}}, "data": {"exec.enabled": "true"}});
        config_maps.patch("argocd-cm", &apply, &Patch::Apply(metadata("argocd-cm", flag))).await.expect("set the flag");
        let timeouts = json!({"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"annotations": {
            "nginx.ingress.kubernetes.io/proxy-read-timeout": "3600", "nginx.ingress.kubernetes.io/proxy-send-timeout": "3600", "example.com/before": "{}"}}});
        ingresses.patch("argocd-server", &apply, &Patch::Apply(metadata("argocd-server", timeouts))).await.expect("annotate the Ingress");
        let role = format!("role:argocd-access:{here}:{name}");
        let lines = format!("p, {role}, applications, get, shop/web-0, allow\np, {role}, exec, create, shop/web-0, allow\ng, team-{name}, {role}\n");
        let policy = json!({"apiVersion": "v1", "kind": "ConfigMap", "data": {format!("policy.floor-{name}.csv"): lines}});
        config_maps.patch("argocd-rbac-cm", &apply, &Patch::Apply(metadata("argocd-rbac-cm", policy))).await.expect("write the policy");
        let status = serde_json::from_value(json!([{"op": "add", "path": "/status", "value": status}])).expect("a JSON patch");
        let as_floor = PatchParams { field_manager: Some("floor".to_owned()), ..PatchParams::default() };
        accesses.patch_status(&name, &as_floor, &Patch::<Value>::Json(status)).await.expect("write the status");

        // Back again, so that the next time is like this one.
        config_maps
            .patch("argocd-rbac-cm", &apply, &Patch::Apply(metadata("argocd-rbac-cm", json!({"apiVersion": "v1", "kind": "ConfigMap"}))))
            .await
            .expect("take the policy back");
        bindings.delete("floor", &DeleteParams::default()).await.expect("unbind");
        ingresses
            .patch(
                "argocd-server",
                &apply,
                &Patch::Apply(metadata("argocd-server", json!({"apiVersion": "networking.k8s.io/v1", "kind": "Ingress"}))),
            )
            .await
            .expect("take the annotations back");
        config_maps
            .patch("argocd-cm", &apply, &Patch::Apply(metadata("argocd-cm", json!({"apiVersion": "v1", "kind": "ConfigMap"}))))
            .await
            .expect("take the flag back");
        accesses.delete(&name, &DeleteParams::default()).await.expect("delete the object");
        accesses.patch(&name, &PatchParams::default(), &Patch::Merge(json!({"metadata": {"finalizers": null}}))).await.expect("let it go");
    }
}
