//! `argocd-access explain terminal`: as a ServiceAccount with the smallest rights that its page names, on a cluster without the operator.

use std::path::{Path, PathBuf};
use std::time::Duration;

use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use crate::support::process::{Finished, random, run};
use crate::support::{ControlPlane, Kubernetes, eventually, eventually::that, manifests, reaper, tools};

const LINES: &str = "p, role:team, applications, get, shop/web, allow\np, role:team, exec, create, shop/web, allow\ng, my-org:team-a, role:team\n";

/// An Argo CD in which the team has a terminal, and somebody who may look.
struct Bench {
    cp: &'static ControlPlane,
    instance: String,
    destination: String,
    /// What this test's ClusterRoles end in.
    own: String,
    kubeconfig: PathBuf,
}

/// The ClusterRoles of the page, under names of this test's own.
fn roles(own: &str) -> Vec<Value> {
    let page = std::fs::read_to_string(tools::repository().join("docs/how-to/explain.md")).unwrap();
    let block = page.split("```yaml\n").nth(1).and_then(|rest| rest.split("```").next()).expect("the rules of the page");
    let mut roles: Vec<Value> = manifests::parse(block).into_iter().map(|object| serde_json::to_value(object).unwrap()).collect();
    for role in &mut roles {
        role["metadata"]["name"] = json!(format!("{}-{own}", role["metadata"]["name"].as_str().unwrap()));
    }
    roles
}

impl Bench {
    async fn new() -> Self {
        let cp = ControlPlane::shared(Kubernetes::V1_36).await;
        let (instance, destination, own) = (cp.instance("explain").await, cp.namespace("shop").await, random());
        let client = cp.client();
        let set = |name: &str, data: Value| {
            let maps = Api::<ConfigMap>::namespaced(cp.client(), &instance);
            let name = name.to_owned();
            async move { maps.patch(&name, &PatchParams::default(), &Patch::Merge(json!({ "data": data }))).await.unwrap() }
        };
        set("argocd-cm", json!({"exec.enabled": "true"})).await;
        set("argocd-rbac-cm", json!({"policy.csv": LINES})).await;
        let objects = json!([
            {"apiVersion": "argoproj.io/v1alpha1", "kind": "AppProject", "metadata": {"name": "shop"},
             "spec": {"sourceRepos": ["*"], "destinations": [{"server": "*", "namespace": "*"}]}},
            {"apiVersion": "argoproj.io/v1alpha1", "kind": "Application", "metadata": {"name": "web"},
             "spec": {"project": "shop", "source": {"repoURL": "https://example.invalid/x.git", "path": "."},
                      "destination": {"server": "https://kubernetes.default.svc", "namespace": destination}},
             "status": {"resources": [{"kind": "Pod", "version": "v1", "namespace": destination, "name": "web-0"}]}},
            {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "looker"}},
        ]);
        for object in objects.as_array().unwrap() {
            manifests::apply_text(&client, &instance, &object.to_string()).await;
        }
        manifests::apply_text(&client, &instance, manifests::ARGOCD_INGRESS).await;
        let exec = json!([
            {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web-0"}, "spec": {"containers": [{"name": "main", "image": "example.invalid/shell"}]}},
            {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "exec"}, "rules": [
                {"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}, {"apiGroups": [""], "resources": ["pods/exec"], "verbs": ["get", "create"]}]},
            {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": {"name": "exec"},
             "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "exec"},
             "subjects": [{"kind": "ServiceAccount", "name": "argocd-server", "namespace": instance}]},
        ]);
        for object in exec.as_array().unwrap() {
            manifests::apply_text(&client, &destination, &object.to_string()).await;
        }
        let running = json!({"status": {"phase": "Running"}});
        let pods = Api::<k8s_openapi::api::core::v1::Pod>::namespaced(client.clone(), &destination);
        pods.patch_status("web-0", &PatchParams::default(), &Patch::Merge(running)).await.unwrap();
        let roles = roles(&own);
        let bind = |kind: &str, role: usize| {
            json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": kind, "metadata": {"name": format!("explain-{role}-{own}")},
                "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": roles[role]["metadata"]["name"]},
                "subjects": [{"kind": "ServiceAccount", "name": "looker", "namespace": instance}]})
        };
        for role in &roles {
            manifests::apply_text(&client, "", &role.to_string()).await;
        }
        for (namespace, binding) in
            [("", bind("ClusterRoleBinding", 0)), (instance.as_str(), bind("RoleBinding", 1)), (destination.as_str(), bind("RoleBinding", 2))]
        {
            manifests::apply_text(&client, namespace, &binding.to_string()).await;
        }
        let kubeconfig = cp.kubeconfig_for_service_account(&instance, "looker").await;
        Self { cp, instance, destination, own, kubeconfig }
    }

    async fn explain(&self, more: &[&str]) -> Finished {
        explain(&self.kubeconfig, &[&["--namespace", &self.instance, "--group", "my-org:team-a", "--app", "shop/web"], more].concat()).await
    }

    async fn document(&self, more: &[&str]) -> Value {
        let said = self.explain(&[&["-o", "json"], more].concat()).await;
        serde_json::from_str(&said.stdout).unwrap_or_else(|error| panic!("{error}: {}{}", said.stdout, said.stderr))
    }

    /// The ClusterRole of this number without this resource, or as it was.
    async fn narrow(&self, role: usize, without: Option<&str>) {
        let mut role = roles(&self.own).remove(role);
        let rules = role["rules"].as_array_mut().unwrap();
        for rule in rules.iter_mut() {
            rule["resources"].as_array_mut().unwrap().retain(|r| Some(r.as_str().unwrap()) != without);
        }
        rules.retain(|rule| !rule["resources"].as_array().unwrap().is_empty());
        manifests::apply_text(&self.cp.client(), "", &role.to_string()).await;
    }

    /// What is said without that right.
    async fn without(&self, role: usize, resource: &str) -> Value {
        self.narrow(role, Some(resource)).await;
        let said = eventually("the right is gone", Duration::from_secs(10), || async {
            let said = self.document(&["--pod", "web-0"]).await;
            that(said["state"] == "unknown", || said.to_string()).map(|()| said)
        })
        .await;
        self.narrow(role, None).await;
        said
    }
}

async fn explain(kubeconfig: &Path, arguments: &[&str]) -> Finished {
    let mut command = reaper::command(env!("CARGO_BIN_EXE_argocd-access"));
    command.env("KUBECONFIG", kubeconfig).env_remove("NO_COLOR").args(["explain", "terminal"]).args(arguments);
    run(command).await
}

#[tokio::test]
async fn with_the_rights_of_its_page_a_whole_chain_is_open_and_nothing_is_written() {
    let bench = Bench::new().await;
    // Other tests of this cluster break the admission policies of other instances for some moments, which may then be about anybody.
    eventually("nothing of others is in the way", Duration::from_secs(20), || async {
        let said = bench.explain(&[]).await;
        that(said.status.code() == Some(0), || said.stdout.clone())
    })
    .await;
    let mark = bench.cp.audit_mark().await;
    for more in [&[][..], &["--pod", "web-0"], &["--pod", "web-0", "--container", "main"]] {
        let said = bench.explain(more).await;
        assert_eq!(said.status.code(), Some(0), "{}{}", said.stdout, said.stderr);
        assert_eq!(said.stdout.lines().filter(|line| line.starts_with('✔')).count(), 9, "{}", said.stdout);
        assert!(said.stdout.ends_with("\nThe terminal opens.\n") && !said.stdout.contains('\u{1b}'), "{}", said.stdout);
    }
    let document = bench.document(&[]).await;
    assert_eq!((document["state"].as_str(), &document["broken"]), (Some("open"), &Value::Null));
    let yaml = bench.explain(&["-o", "yaml"]).await;
    assert_eq!(serde_yaml::from_str::<Value>(&yaml.stdout).unwrap(), document);
    let looker = format!("system:serviceaccount:{}:looker", bench.instance);
    assert_eq!(bench.cp.audit_writes(mark, &looker).await, Vec::new());
    let events = bench.cp.audit_events(mark);
    let mine: Vec<&Value> = events.iter().filter(|event| event["user"]["username"] == looker.as_str()).collect();
    assert!(mine.len() > 30 && mine.iter().all(|event| event["objectRef"]["resource"] != "secrets"), "{} events", mine.len());
    // Of what it may not know to be there it asks once; nothing else is refused.
    let refused: Vec<String> = mine.iter().filter(|e| e["responseStatus"]["code"] == 403).map(|e| e["requestURI"].to_string()).collect();
    assert_eq!(refused, Vec::<String>::new());
}

#[tokio::test]
async fn each_missing_right_makes_its_link_unknown_and_is_named() {
    let bench = Bench::new().await;
    for (role, resource, link, cause) in [
        (0, "subjectaccessreviews", "kubernetes", "review-forbidden"),
        (0, "validatingadmissionpolicybindings", "admission", "not-readable"),
        (0, "mutatingwebhookconfigurations", "admission", "not-readable"),
        (1, "configmaps", "settings", "not-readable"),
        (1, "applications", "application", "not-readable"),
        (1, "appprojects", "application", "not-readable"),
        (1, "services", "way", "not-readable"),
        (1, "ingresses", "way", "not-readable"),
        (2, "pods", "pod", "not-readable"),
    ] {
        let said = bench.without(role, resource).await;
        assert_eq!((said["broken"]["link"].as_str(), said["broken"]["cause"].as_str()), (Some(link), Some(cause)), "{resource}: {said}");
        let fact = said["broken"]["fact"].as_str().unwrap();
        assert!(fact.contains(&format!("resource \"{resource}\"")), "{resource}: {fact}");
    }
}

#[tokio::test]
async fn a_broken_chain_ends_with_one_and_the_printed_command_mends_it() {
    let bench = Bench::new().await;
    let kubectl = async |arguments: &[&str]| bench.cp.kubectl(&[&["--namespace", &bench.instance], arguments].concat()).await.success();
    kubectl(&["patch", "configmap", "argocd-rbac-cm", "--type=merge", "-p", r#"{"data":{"policy.csv":""}}"#]).await;
    bench.cp.kubectl(&["delete", "rolebinding", "exec", "--namespace", &bench.destination]).await.success();
    // Where there is the kind, and one may see that, a person is to be declared; no operator is here to act on it.
    bench.cp.install_operator_definitions().await;
    for (resource, kind) in [(None, "\"kind\":\"ExecAccess\""), (Some("execaccesses"), "patch configmap argocd-rbac-cm")] {
        bench.narrow(1, resource).await;
        kubectl(&["patch", "configmap", "argocd-cm", "--type=merge", "-p", r#"{"data":{"exec.enabled":"true"}}"#]).await;
        eventually("the policy is mended in this way", Duration::from_secs(10), || async {
            let said = bench.document(&[]).await;
            that(said["broken"]["fix"]["commands"][0].as_str().unwrap().contains(kind), || said.to_string())
        })
        .await;
    }
    kubectl(&["patch", "configmap", "argocd-cm", "--type=merge", "-p", r#"{"data":{"exec.enabled":"no"}}"#]).await;
    for cause in ["exec-misspelt", "policy-no-line", "kubernetes-pods-get"] {
        let said = bench.document(&[]).await;
        assert_eq!(said["broken"]["cause"], cause, "{said}");
        assert_eq!(bench.explain(&[]).await.status.code(), Some(1));
        for command in said["broken"]["fix"]["commands"].as_array().unwrap() {
            let mut bash = reaper::command("bash");
            let folder = tools::path("kubectl").parent().unwrap().display().to_string();
            bash.args(["-c", command.as_str().unwrap()]).env("KUBECONFIG", bench.cp.kubeconfig_admin());
            bash.env("PATH", format!("{folder}:{}", std::env::var("PATH").unwrap())).env("HOME", bench.cp.folder());
            run(bash).await.success();
        }
    }
    assert_eq!(bench.explain(&[]).await.status.code(), Some(0));
}

#[tokio::test]
async fn without_any_right_and_without_a_cluster_it_cannot_be_told() {
    let bench = Bench::new().await;
    let nobody = bench.cp.kubeconfig_for_service_account(&bench.destination, "default").await;
    let question = ["--namespace", &bench.instance, "--group", "g", "--app", "shop/web"];
    let said = explain(&nobody, &question).await;
    assert_eq!(said.status.code(), Some(2), "{}{}", said.stdout, said.stderr);
    assert_eq!(said.stdout.lines().filter(|line| line.starts_with('?')).count(), 8, "{}", said.stdout);
    for (kubeconfig, arguments) in [
        (Path::new("/nonexistent"), &question[..]),
        (&bench.kubeconfig, &["--group", "g", "--app", "web"]),
        (&bench.kubeconfig, &["--app", "shop/web"]),
        (&bench.kubeconfig, &["--group", "role:admin", "--app", "shop/web"]),
        (&bench.kubeconfig, &["--group", "g", "--app", "shop/web", "--pod", "$(x)"]),
    ] {
        let failed = explain(kubeconfig, arguments).await;
        assert_eq!((failed.status.code(), failed.stdout.as_str()), (Some(2), ""), "{arguments:?}: {}", failed.stderr);
        assert!(!failed.stderr.is_empty());
    }
    // In a namespace without an Argo CD that is what is said.
    let elsewhere = explain(&bench.cp.kubeconfig_admin(), &["--namespace", &bench.destination, "--group", "g", "--app", "shop/web"]).await;
    assert!(elsewhere.status.code() == Some(1) && elsewhere.stdout.contains("(server-missing)"), "{}", elsewhere.stdout);
}
