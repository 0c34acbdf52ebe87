//! Applications from Git folders of this machine, each with one Pod on the fake node, and the projects that they belong to.

use std::{path::Path, time::Duration};

use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::json;

use super::{
    super::{
        ControlPlane,
        eventually::{eventually, that},
        kwok, manifests,
        process::run,
        reaper,
    },
    ArgoCd,
};

impl ArgoCd {
    /// Makes an `AppProject` in which everything is allowed.
    pub async fn create_project(&self, name: &str) {
        let namespaces = &self.options.application_namespaces;
        let project = json!({
            "apiVersion": "argoproj.io/v1alpha1", "kind": "AppProject",
            "metadata": { "name": name, "namespace": self.namespace },
            "spec": {
                "sourceRepos": ["*"],
                "destinations": [{ "server": "*", "namespace": "*" }],
                "sourceNamespaces": namespaces,
                "clusterResourceWhitelist": [{ "group": "*", "kind": "*" }],
            },
        });
        let project = serde_json::from_value(project).expect("an AppProject");
        manifests::apply_one(&self.control_plane.client(), &self.namespace, &project, manifests::KUBECTL).await;
    }

    /// Makes an Application whose one Pod `<name>-0` (container `main`) runs in the destination namespace, and waits until it does.
    pub async fn create_application(&self, name: &str, project: &str, namespace: &str, destination: &str) -> String {
        self.create_application_on(self.control_plane, "https://kubernetes.default.svc", name, project, namespace, destination).await
    }

    /// The same on any cluster that Argo CD knows by this address, and that has the fake node.
    pub async fn create_application_on(
        &self,
        cluster: &ControlPlane,
        server: &str,
        name: &str,
        project: &str,
        namespace: &str,
        destination: &str,
    ) -> String {
        let pod = format!("{name}-0");
        let repository = self.commit(namespace, name, &pod_manifest(&pod)).await;
        let application = json!({
            "apiVersion": "argoproj.io/v1alpha1", "kind": "Application",
            "metadata": { "name": name, "namespace": namespace },
            "spec": {
                "project": project,
                "source": { "repoURL": repository, "path": ".", "targetRevision": "HEAD" },
                "destination": { "server": server, "namespace": destination },
                "syncPolicy": { "automated": {} },
            },
        });
        let application = serde_json::from_value(application).expect("an Application");
        let client = self.control_plane.client();
        let live = manifests::apply_one(&client, namespace, &application, manifests::KUBECTL).await;
        let applications = manifests::api_of(&client, namespace, &live);
        let pods = Api::<Pod>::namespaced(cluster.client(), destination);
        eventually(&format!("{pod} runs and {name} is synced"), Duration::from_secs(60), || async {
            let status = applications.get(name).await.map_err(|error| error.to_string())?.data["status"].clone();
            let phase = pods.get_opt(&pod).await.map_err(|error| error.to_string())?.and_then(|pod| pod.status?.phase);
            let synced = status["sync"]["status"] == "Synced";
            // Seen before its AppProject was; Argo CD would look again after some minutes only.
            if status["conditions"].as_array().is_some_and(|all| all.iter().any(|one| one["type"] == "InvalidSpecError")) {
                self.refresh(namespace, name).await;
            }
            that(synced && phase.as_deref() == Some("Running"), || format!("the Pod: {phase:?}; the Application: {status}"))
        })
        .await;
        self.wait_for_tree(name, namespace, &pod).await;
        pod
    }

    /// Has Argo CD look at an Application again.
    pub async fn refresh(&self, namespace: &str, application: &str) {
        let applications = manifests::api(&self.control_plane.client(), namespace, "argoproj.io/v1alpha1", "Application");
        let refresh = json!({ "metadata": { "annotations": { "argocd.argoproj.io/refresh": "normal" } } });
        applications.patch(application, &PatchParams::default(), &Patch::Merge(refresh)).await.expect("annotate an Application");
    }

    /// Puts a manifest into the Git folder of an Application, in place of what is there; returns the folder's address.
    pub async fn commit(&self, namespace: &str, application: &str, manifest: &str) -> String {
        let repository = self.folder.path().join("git").join(namespace).join(application);
        commit(&repository, manifest).await;
        format!("file://{}", repository.display())
    }

    /// A terminal is refused until argocd-server knows the Pod as one of the Application's.
    async fn wait_for_tree(&self, name: &str, namespace: &str, pod: &str) {
        let token = self.person_token("admin", &[]);
        let path = format!("/api/v1/applications/{name}/resource-tree?appNamespace={namespace}");
        eventually(&format!("argocd-server knows that {pod} is of {name}"), Duration::from_secs(30), || async {
            let tree = self.get(&token, &path).await?;
            let known = tree["nodes"].as_array().is_some_and(|nodes| nodes.iter().any(|node| node["name"] == pod));
            that(known, || tree.to_string())
        })
        .await;
    }
}

fn pod_manifest(name: &str) -> String {
    let node = kwok::NODE;
    format!(
        "
apiVersion: v1
kind: Pod
metadata: {{ name: {name} }}
spec:
  nodeName: {node}
  terminationGracePeriodSeconds: 0
  containers:
  - {{ name: main, image: example.invalid/shell }}
"
    )
}

async fn commit(repository: &Path, manifest: &str) {
    std::fs::create_dir_all(repository).expect("make a Git folder");
    std::fs::write(repository.join("manifest.yaml"), manifest).expect("write a manifest");
    let identity = ["-c", "user.name=bench", "-c", "user.email=bench@example.invalid"];
    for step in [vec!["init", "--quiet", "--initial-branch=main"], vec!["add", "."], vec!["commit", "--quiet", "--allow-empty", "-m", "manifest"]] {
        let mut git = reaper::command("git");
        git.current_dir(repository).env("GIT_CONFIG_GLOBAL", "/dev/null").args(identity).args(step);
        run(git).await.success();
    }
}
