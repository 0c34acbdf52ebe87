//! `argocd-access who-can`: whom it lists on a real API server, for somebody who may read a handful of objects and nothing else, where
//! neither the operator nor an object of its own is.

use std::path::Path;

use serde_json::{Value, json};

use crate::support::process::{Finished, run};
use crate::support::{ControlPlane, Kubernetes, manifests, reaper};

/// Exactly what it has to read: in the instance's namespace, and in all.
const HERE: &str = "[{apiGroups: [''], resources: [configmaps], resourceNames: [argocd-cm, argocd-rbac-cm, argocd-cmd-params-cm], verbs: [get]}, \
    {apiGroups: [apps], resources: [deployments], verbs: [list]}, {apiGroups: [argoproj.io], resources: [appprojects], verbs: [list]}]";
const EVERYWHERE: &str = "[{apiGroups: [argoproj.io], resources: [applications], verbs: [list]}]";

/// An Argo CD, and somebody who may read these.
struct Place {
    cp: &'static ControlPlane,
    namespace: String,
    kubeconfig: std::path::PathBuf,
}

impl Place {
    async fn new() -> Self {
        Self::for_reader(HERE, EVERYWHERE).await
    }

    async fn for_reader(here: &str, everywhere: &str) -> Self {
        let cp = ControlPlane::shared(Kubernetes::V1_36).await;
        let namespace = cp.instance("who").await;
        let (api, name) = ("apiVersion: rbac.authorization.k8s.io/v1", format!("reader-{namespace}"));
        let subjects = format!("subjects: [{{kind: ServiceAccount, name: reader, namespace: {namespace}}}]");
        let role = |kind: &str| format!("roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: {kind}, name: {name}}}");
        let objects = [
            "{apiVersion: v1, kind: ServiceAccount, metadata: {name: reader}}".to_owned(),
            format!("{{{api}, kind: Role, metadata: {{name: {name}}}, rules: {here}}}"),
            format!("{{{api}, kind: RoleBinding, metadata: {{name: {name}}}, {}, {subjects}}}", role("Role")),
            format!("{{{api}, kind: ClusterRole, metadata: {{name: {name}}}, rules: {everywhere}}}"),
            format!("{{{api}, kind: ClusterRoleBinding, metadata: {{name: {name}}}, {}, {subjects}}}", role("ClusterRole")),
        ];
        for object in objects {
            manifests::apply_text(&cp.client(), &namespace, &object).await;
        }
        let kubeconfig = cp.kubeconfig_for_service_account(&namespace, "reader").await;
        Self { cp, namespace, kubeconfig }
    }

    async fn set(&self, config_map: &str, data: Value) {
        let object = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": config_map}, "data": data});
        manifests::apply_one(&self.cp.client(), &self.namespace, &serde_json::from_value(object).unwrap(), "kubectl").await;
    }

    async fn argo(&self, kind: &str, name: &str, spec: Value) {
        let object = json!({"apiVersion": "argoproj.io/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec});
        manifests::apply_one(&self.cp.client(), &self.namespace, &serde_json::from_value(object).unwrap(), "kubectl").await;
    }

    async fn application(&self, name: &str, project: &str, namespace: &str) {
        let destination = json!({"server": "https://kubernetes.default.svc", "namespace": namespace});
        let source = json!({"repoURL": "https://example.invalid/x.git", "path": "."});
        self.argo("Application", name, json!({"project": project, "source": source, "destination": destination})).await;
    }

    async fn ask(&self, arguments: &[&str]) -> Finished {
        who_can(&self.kubeconfig, &[arguments, &["-n", &self.namespace]].concat()).await
    }

    /// Each Application with the names that are listed for it.
    async fn listed(&self, arguments: &[&str], status: i32) -> (Value, Vec<(String, Vec<String>)>) {
        let answer = self.ask(&[arguments, &["-o", "json"]].concat()).await;
        assert_eq!(answer.status.code(), Some(status), "{}{}", answer.stdout, answer.stderr);
        let said: Value = serde_json::from_str(&answer.stdout).unwrap();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let names = |listed: &Value| listed["subjects"].as_array().into_iter().flatten().map(|s| text(&s["name"])).collect::<Vec<_>>();
        let all = said["applications"].as_array().unwrap().iter().map(|listed| (text(&listed["application"]), names(listed))).collect();
        (said, all)
    }
}

async fn who_can(kubeconfig: &Path, arguments: &[&str]) -> Finished {
    let mut command = reaper::command(env!("CARGO_BIN_EXE_argocd-access"));
    command.env("KUBECONFIG", kubeconfig).args(["who-can", "exec"]).args(arguments);
    run(command).await
}

const POLICY: &str = "g, my-org:ops, role:admin\np, role:dev, exec, create, shop/*, allow\np, role:dev, applications, get, shop/*, allow\n\
    g, my-org:devs, role:dev\np, bank-only, exec, create, bank/*, allow\n";

#[tokio::test]
async fn a_reader_of_a_handful_of_objects_gets_the_whole_list_with_the_lines() {
    let place = Place::new().await;
    place.set("argocd-rbac-cm", json!({"policy.csv": POLICY})).await;
    let policies = ["exec, create", "applications, get"].map(|right| format!("p, proj:shop:ci, {right}, shop/*, allow"));
    place.argo("AppProject", "shop", json!({"roles": [{"name": "ci", "policies": policies, "groups": ["my-org:ci"]}]})).await;
    let shop = place.cp.namespace("shop").await;
    place.application("web", "shop", &shop).await;
    place.application("ledger", "bank", &shop).await;
    place.application("elsewhere", "shop", "other").await;

    let (said, listed) = place.listed(&["--app", "shop/web"], 0).await;
    assert_eq!(listed, [("shop/web".to_owned(), ["admin", "my-org:ci", "my-org:devs", "my-org:ops"].map(ToOwned::to_owned).to_vec())]);
    let ops = &said["applications"][0]["subjects"][3];
    assert_eq!(ops["exec"]["line"], "p, role:admin, exec, create, */*, allow");
    assert_eq!(ops["exec"]["by"][0], json!({"line": "g, my-org:ops, role:admin", "source": "argocd-rbac-cm key policy.csv, line 1"}));
    assert_eq!((said["complete"].clone(), said["terminalsEnabled"].clone()), (json!(true), json!(false)));

    let (said, listed) = place.listed(&["--namespace", &shop], 0).await;
    let names: Vec<&str> = listed.iter().map(|(application, _)| application.as_str()).collect();
    assert_eq!(names, ["bank/ledger", "shop/web"]);
    assert_eq!(listed[0].1, ["admin", "my-org:ops"], "bank-only may not see the Application, and nobody is two users");
    assert!(said["notes"].to_string().contains("by Kubernetes RBAC"), "{said}");

    let text = place.ask(&["--app", "shop/web"]).await;
    let expected = "  my-org:ops (user or group)\n    exec, create: p, role:admin, exec, create, */*, allow  [Argo CD's built-in policy]\n      by g, my-org:ops, role:admin  [argocd-rbac-cm key policy.csv, line 1]\n";
    assert!(text.stdout.starts_with("shop/web\n") && text.stdout.contains(expected) && !text.stdout.contains('\u{1b}'), "{}", text.stdout);
    let yaml = place.ask(&["--app", "shop/web", "-o", "yaml"]).await;
    assert_eq!(serde_yaml::from_str::<Value>(&yaml.stdout).unwrap()["applications"][0]["application"], "shop/web");
}

#[tokio::test]
async fn what_may_not_be_read_ends_with_two_and_is_named_and_what_may_is_still_told() {
    let place = Place::for_reader(&HERE.replace("[appprojects]", "[applications]"), "[]").await;
    place.set("argocd-rbac-cm", json!({"policy.csv": POLICY})).await;
    let (said, listed) = place.listed(&["--app", "shop/web"], 2).await;
    assert_eq!(listed[0].1, ["admin", "my-org:devs", "my-org:ops"]);
    let unknown = said["unknown"].to_string();
    assert!(
        unknown.contains("list AppProjects of") && unknown.contains("list the Applications of all namespaces") && unknown.contains("forbidden"),
        "{unknown}"
    );

    let blind = Place::for_reader(&HERE.replace("argocd-rbac-cm, ", ""), EVERYWHERE).await;
    let answer = blind.ask(&["--app", "shop/web"]).await;
    assert_eq!(answer.status.code(), Some(2), "{}", answer.stderr);
    assert!(answer.stdout.starts_with("shop/web\n  not known\n") && answer.stdout.contains("read ConfigMap argocd-rbac-cm"), "{}", answer.stdout);
}

#[tokio::test]
async fn anonymous_access_and_a_server_without_authentication_are_anybodys() {
    let place = Place::new().await;
    place.set("argocd-cm", json!({"exec.enabled": "true", "users.anonymous.enabled": "true", "admin.enabled": "false"})).await;
    place.set("argocd-rbac-cm", json!({"policy.default": "role:admin"})).await;
    let (said, _) = place.listed(&["--app", "shop/web"], 0).await;
    let kinds = |said: &Value| said["applications"][0]["subjects"].as_array().unwrap().iter().map(|s| s["kinds"].clone()).collect::<Vec<_>>();
    assert_eq!(kinds(&said), [json!(["Anybody"]), json!(["Everybody"])]);
    assert_eq!(said["applications"][0]["subjects"][0]["exec"]["by"][0]["line"], "policy.default: role:admin");

    place.set("argocd-rbac-cm", json!({})).await;
    place.set("argocd-cmd-params-cm", json!({"server.disable.auth": "true"})).await;
    let (said, _) = place.listed(&["--app", "shop/web"], 0).await;
    assert_eq!(kinds(&said), [json!(["Anybody"])]);
    assert_eq!(said["applications"][0]["subjects"][0]["exec"]["line"], "--disable-auth");
}

#[tokio::test]
async fn a_question_without_an_object_and_a_cluster_that_is_not_there_end_with_an_error() {
    let place = Place::new().await;
    for (arguments, says) in [
        (&["-n", "argocd"] as &[&str], "--app"),
        (&["--app", "shop/web", "--namespace", "shop"], "cannot be used with"),
        (&["--app", "web"], "PROJECT/NAME"),
    ] {
        let wrong = who_can(&place.kubeconfig, arguments).await;
        assert!(wrong.status.code() == Some(2) && wrong.stdout.is_empty() && wrong.stderr.contains(says), "{arguments:?}: {}", wrong.stderr);
    }
    let nowhere = who_can(Path::new("/nonexistent"), &["--app", "shop/web"]).await;
    assert!(nowhere.status.code() == Some(1) && nowhere.stderr.contains("find a cluster"), "{}", nowhere.stderr);
}
