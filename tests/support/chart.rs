//! Installing the operator as its users do: the chart of this repository, by the real helm, run by [`super::kubelet`].

use std::time::Duration;

use k8s_openapi::api::{apps::v1::Deployment, core::v1::Pod};
use kube::{Api, Client, ResourceExt, api::ListParams};

use super::{
    ControlPlane,
    eventually::{eventually, that},
    kubelet::Kubelet,
    process::{Finished, random},
    proxy::Proxy,
    tools,
};

const CHART: &str = "charts/argocd-access-operator";

/// An installed release of the chart. Dropping it ends the operator's processes and leaves the objects.
pub struct Release {
    /// The release's name.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
    /// What runs its Pods.
    pub kubelet: Kubelet,
    control_plane: &'static ControlPlane,
}

/// Installs the chart as `access`, with these values (YAML text), and waits until the operator is ready.
pub async fn install(control_plane: &'static ControlPlane, namespace: &str, values: &str) -> Release {
    install_as(control_plane, namespace, "access", values, &[]).await
}

/// Installs the chart under a name of one's own and with more arguments for helm.
pub async fn install_as(control_plane: &'static ControlPlane, namespace: &str, name: &str, values: &str, arguments: &[&str]) -> Release {
    install_on(Kubelet::start(control_plane, namespace), control_plane, namespace, name, values, arguments).await
}

/// Installs the chart; its operator reaches the API server through this proxy.
pub async fn install_behind(proxy: &Proxy, control_plane: &'static ControlPlane, namespace: &str, values: &str) -> Release {
    let kubelet = Kubelet::start_behind(control_plane, namespace, Some(&proxy.server));
    install_on(kubelet, control_plane, namespace, "access", values, &[]).await
}

async fn install_on(
    kubelet: Kubelet,
    control_plane: &'static ControlPlane,
    namespace: &str,
    name: &str,
    values: &str,
    arguments: &[&str],
) -> Release {
    // With the tests beside it no release may make them: the others' would be refused meanwhile.
    control_plane.install_operator_definitions().await;
    let release = Release { name: name.to_owned(), namespace: namespace.to_owned(), kubelet, control_plane };
    release.put("install", values, arguments).await;
    release
}

impl Release {
    /// Upgrades to other values and waits until the operator is ready again.
    pub async fn upgrade(&self, values: &str, arguments: &[&str]) {
        self.put("upgrade", values, arguments).await;
    }

    /// Uninstalls; the hooks run. `--no-hooks` and the like are arguments for helm.
    pub async fn uninstall(&self, arguments: &[&str]) -> Finished {
        let mut all = vec!["uninstall", &self.name, "--namespace", &self.namespace, "--wait", "--timeout", "120s"];
        all.extend(arguments);
        self.control_plane.helm(&all).await
    }

    /// The user that the operator is to the API server, as the audit log has it.
    pub async fn user(&self) -> String {
        format!("system:serviceaccount:{}:{}", self.namespace, self.service_account().await)
    }

    /// The operator's `ServiceAccount`.
    pub async fn service_account(&self) -> String {
        let template = self.deployment().await.spec.expect("a Deployment has a spec").template;
        template.spec.and_then(|spec| spec.service_account_name).expect("the operator has a ServiceAccount")
    }

    /// A client with the operator's own rights.
    pub async fn client(&self) -> Client {
        self.control_plane.client_for_service_account(&self.namespace, &self.service_account().await).await
    }

    /// Waits until the operator is ready; after a kill.
    pub async fn ready(&self) {
        let pods = Api::<Pod>::namespaced(self.control_plane.client(), &self.namespace);
        let mine = ListParams::default().labels(&format!("app.kubernetes.io/instance={}", self.name));
        eventually("the operator is ready", Duration::from_secs(60), || async {
            let list = pods.list(&mine).await.map_err(|error| error.to_string())?;
            let ready = |pod: &Pod| {
                let conditions = pod.status.as_ref().and_then(|status| status.conditions.as_ref());
                conditions.into_iter().flatten().any(|c| c.type_ == "Ready" && c.status == "True")
            };
            that(list.iter().any(ready) && !self.kubelet.operators().is_empty(), || self.kubelet.log())
        })
        .await;
    }

    async fn deployment(&self) -> Deployment {
        let deployments = Api::<Deployment>::namespaced(self.control_plane.client(), &self.namespace);
        let mine = ListParams::default().labels(&format!("app.kubernetes.io/instance={}", self.name));
        let list = deployments.list(&mine).await.expect("list the Deployments of the release");
        list.items.into_iter().find(|deployment| deployment.name_any().contains("access")).expect("the release has a Deployment of the operator")
    }

    async fn put(&self, verb: &str, values: &str, arguments: &[&str]) {
        let file = self.control_plane.folder().join(format!("values-{}-{}.yaml", self.namespace, random()));
        std::fs::write(&file, values).expect("write the values");
        let (file, chart) = (file.display().to_string(), tools::repository().join(CHART).display().to_string());
        let mut all = vec![verb, &self.name, &chart, "--namespace", &self.namespace, "--values", &file, "--wait", "--timeout", "90s"];
        all.extend(arguments);
        let finished = self.control_plane.helm(&all).await;
        assert!(finished.status.success(), "helm {verb}: {}{}\nthe operator said:\n{}", finished.stdout, finished.stderr, self.kubelet.log());
    }
}
