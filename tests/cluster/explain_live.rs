//! `argocd-access explain live` in the cluster of an agent that has neither the operator nor its definitions: each cause made for real,
//! refused for real, named, mended by the printed commands, and allowed after. As a ServiceAccount with the rights that its page names.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::edge::{ACCOUNT, application, install, project};
use crate::support::process::{Finished, run};
use crate::support::{ControlPlane, Kubernetes, eventually, eventually::that, manifests, reaper, tools};

/// What looking at a control plane takes besides.
const HUB: &str = "
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: looker-hub}
rules:
- {apiGroups: [''], resources: [configmaps], verbs: [get], resourceNames: [argocd-cmd-params-cm]}
- {apiGroups: [''], resources: [services, pods], verbs: [list]}
- {apiGroups: [apps], resources: [statefulsets], verbs: [list]}
- {apiGroups: [networking.k8s.io], resources: [networkpolicies], verbs: [list]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: looker-hub}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: looker-hub}
subjects: [{kind: ServiceAccount, name: looker}]
";

/// An agent's cluster with an Application `shop/web`, and somebody who may look.
struct Bench {
    cp: ControlPlane,
    instance: String,
    shop: String,
    /// The Pod of the Deployment.
    pod: String,
    kubeconfig: PathBuf,
}

/// The rules of the page, the second block of them.
fn roles() -> Vec<Value> {
    let page = std::fs::read_to_string(tools::repository().join("docs/how-to/explain.md")).unwrap();
    let block = page.split("```yaml\n").nth(2).and_then(|rest| rest.split("```").next()).expect("the rules of the page");
    manifests::parse(block).into_iter().map(|object| serde_json::to_value(object).unwrap()).collect()
}

impl Bench {
    async fn new() -> Self {
        let cp = tokio::task::spawn_blocking(|| ControlPlane::start(Kubernetes::V1_34)).await.unwrap().unwrap_or_else(|error| panic!("{error}"));
        cp.install_argocd_definitions().await;
        let (instance, shop, client) = (cp.namespace("edge").await, cp.namespace("shop").await, cp.client());
        let apply = async |namespace: &str, object: &str| manifests::apply_text(&client, namespace, object).await;
        apply(&instance, &install("managed")).await;
        apply(&instance, &project("shop")).await;
        apply(&instance, "{apiVersion: v1, kind: ServiceAccount, metadata: {name: looker}}").await;
        apply(&shop, &deployment()).await;
        let bind = |kind: &str, role: &str, name: &str| {
            json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": kind, "metadata": {"name": name},
                "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
                "subjects": [{"kind": "ServiceAccount", "name": "looker", "namespace": instance}]})
            .to_string()
        };
        for role in roles() {
            apply("", &role.to_string()).await;
        }
        apply("", &bind("ClusterRoleBinding", "argocd-access-explain-live", "looker")).await;
        apply(&instance, &bind("RoleBinding", "argocd-access-explain-agent", "looker")).await;
        apply(&shop, &bind("RoleBinding", "view", "looker")).await;
        let pod = eventually("the Deployment has a Pod", Duration::from_secs(30), || async {
            let found = cp.kubectl(&["get", "pods", "--namespace", &shop, "--output=jsonpath={.items[0].metadata.name}"]).await.stdout;
            that(!found.is_empty(), || "none".to_owned()).map(|()| found)
        })
        .await;
        let kubeconfig = cp.kubeconfig_for_service_account(&instance, "looker").await;
        let bench = Self { cp, instance, shop, pod, kubeconfig };
        bench.application(&bench.listed()).await;
        bench
    }

    fn listed(&self) -> [String; 2] {
        [format!("apps/Deployment/{}/web", self.shop), format!("/ConfigMap/{}/web", self.shop)]
    }

    async fn application(&self, resources: &[String]) {
        let resources: Vec<&str> = resources.iter().map(String::as_str).collect();
        manifests::apply_text(&self.cp.client(), &self.instance, &application("web", "shop", &resources)).await;
    }

    async fn kubectl(&self, namespace: &str, arguments: &[&str]) {
        self.cp.kubectl(&[&["--namespace", namespace], arguments].concat()).await.success();
    }

    async fn explain(&self, resource: &str, feature: &str, more: &[&str]) -> Finished {
        let mut command = reaper::command(env!("CARGO_BIN_EXE_argocd-access"));
        command.env("KUBECONFIG", &self.kubeconfig).env_remove("NO_COLOR").args(["explain", "live", "--app", "shop/web"]);
        command.args(["--namespace", &self.instance, "--resource", resource, "--feature", feature]);
        command.args(["--resource-namespace", &self.shop]).args(more);
        run(command).await
    }

    async fn document(&self, resource: &str, feature: &str) -> Value {
        let said = self.explain(resource, feature, &["-o", "json"]).await;
        serde_json::from_str(&said.stdout).unwrap_or_else(|error| panic!("{error}: {}{}", said.stdout, said.stderr))
    }

    /// What is broken, when it is this.
    async fn broken(&self, resource: &str, feature: &str, cause: &str) -> Value {
        eventually(&format!("{feature} on {resource} is {cause}"), Duration::from_secs(10), || async {
            let said = self.document(resource, feature).await;
            that(said["broken"]["cause"] == cause, || format!("{said:#}")).map(|()| said)
        })
        .await
    }

    /// Runs what is printed, as somebody who may.
    async fn mend(&self, said: &Value) {
        let commands = said["broken"]["fix"]["commands"].as_array().unwrap();
        assert!(!commands.is_empty(), "{said:#}");
        let folder = tools::path("kubectl").parent().unwrap().display().to_string();
        for line in commands {
            let mut bash = reaper::command("bash");
            bash.args(["-euo", "pipefail", "-c", line.as_str().unwrap()]).env("KUBECONFIG", self.cp.kubeconfig_admin());
            bash.env("PATH", format!("{folder}:{}", std::env::var("PATH").unwrap())).env("HOME", self.cp.folder());
            run(bash).await.success();
        }
    }

    /// Whether the agent may, asked with its own token.
    async fn may(&self, verb: &str, resource: &str, more: &[&str]) -> bool {
        let kubeconfig = self.cp.kubeconfig_for_service_account(&self.instance, ACCOUNT).await;
        let mut command = reaper::command(tools::path("kubectl"));
        command.env("KUBECONFIG", kubeconfig).args(["auth", "can-i", verb, resource, "--namespace", &self.shop]).args(more);
        run(command).await.stdout.trim() == "yes"
    }
}

fn deployment() -> String {
    let id = "web:apps/Deployment:shop/web";
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "annotations": {"argocd.argoproj.io/tracking-id": id}},
        "spec": {"replicas": 1, "selector": {"matchLabels": {"app": "web"}}, "template": {"metadata": {"labels": {"app": "web"}},
            "spec": {"containers": [{"name": "main", "image": "example.invalid/web"}]}}},
    })
    .to_string()
}

#[tokio::test]
async fn each_missing_right_is_refused_named_mended_and_then_allowed() {
    let bench = Bench::new().await;
    let pod = format!("Pod/{}", bench.pod);
    let mark = bench.cp.audit_mark().await;
    for (resource, feature, cause, right) in [
        ("apps/Deployment/web", "View", "live-kubernetes-get", ("get", "deployments.apps/web", &[][..])),
        ("apps/Deployment/web", "Edit", "live-kubernetes-change", ("patch", "deployments.apps/web", &[])),
        ("apps/Deployment/web", "Delete", "live-kubernetes-change", ("delete", "deployments.apps/web", &[])),
        ("apps/Deployment/web", "Events", "live-kubernetes-events", ("list", "events", &[])),
        (&pod, "View", "live-kubernetes-get", ("get", "pods", &[])),
        (&pod, "Logs", "live-kubernetes-logs", ("get", "pods", &["--subresource=log"])),
        (&pod, "Terminal", "live-kubernetes-exec", ("create", "pods", &["--subresource=exec"])),
    ] {
        let (verb, kind, more) = right;
        let by_name = if kind == "pods" { format!("pods/{}", bench.pod) } else { kind.to_owned() };
        assert!(!bench.may(verb, &by_name, more).await, "{feature} on {resource} is allowed before");
        let said = bench.broken(resource, feature, cause).await;
        assert_eq!((said["state"].as_str(), said["broken"]["link"].as_str()), (Some("closed"), Some("kubernetes")), "{said:#}");
        bench.mend(&said).await;
        eventually(&format!("{feature} on {resource} is open"), Duration::from_secs(10), || async {
            let said = bench.explain(resource, feature, &[]).await;
            that(said.status.code() == Some(0), || format!("{}{}", said.stdout, said.stderr))
        })
        .await;
        assert!(bench.may(verb, &by_name, more).await, "{feature} on {resource} is refused after");
    }
    // Nothing beside: no other name, no other verb, nothing elsewhere.
    assert!(!bench.may("patch", "deployments.apps/other", &[]).await && !bench.may("update", "deployments.apps/web", &[]).await);
    assert!(!bench.may("get", "pods/other", &[]).await && !bench.may("get", "secrets", &[]).await);
    // Who explains writes nothing, and asks for no Secret.
    let looker = format!("system:serviceaccount:{}:looker", bench.instance);
    assert_eq!(bench.cp.audit_writes(mark, &looker).await, Vec::new());
    let events = bench.cp.audit_events(mark);
    let mine: Vec<&Value> = events.iter().filter(|event| event["user"]["username"] == looker.as_str()).collect();
    assert!(mine.len() > 50 && mine.iter().all(|event| event["objectRef"]["resource"] != "secrets"), "{} events", mine.len());
    let refused: Vec<String> = mine.iter().filter(|e| e["responseStatus"]["code"] == 403).map(|e| e["requestURI"].to_string()).collect();
    assert_eq!(refused, Vec::<String>::new());
}

#[tokio::test]
async fn each_link_broken_for_real_is_named() {
    let bench = Bench::new().await;
    let (edge, shop) = (bench.instance.clone(), bench.shop.clone());
    bench.mend(&bench.broken("apps/Deployment/web", "View", "live-kubernetes-get").await).await;
    let open = async |resource: &str| {
        eventually(&format!("{resource} is shown"), Duration::from_secs(10), || async {
            let said = bench.explain(resource, "View", &[]).await;
            that(said.status.code() == Some(0), || format!("{}{}", said.stdout, said.stderr))
        })
        .await;
    };
    open("apps/Deployment/web").await;
    let text = bench.explain("apps/Deployment/web", "View", &[]).await.stdout;
    assert_eq!(text.lines().filter(|line| line.starts_with('✔')).count(), 8, "{text}");

    // By what is asked.
    for (resource, feature, cause) in [
        ("example.com/Widget/web", "View", "live-resource-not-listed"),
        ("apps/Deployment/other", "View", "live-resource-not-listed"),
        ("ConfigMap/web", "View", "live-resource-missing"),
    ] {
        assert_eq!(bench.document(resource, feature).await["broken"]["cause"], cause, "{resource}");
    }
    let kind = async |resource: &str, feature: &str| {
        let said = bench.document(resource, feature).await;
        said["links"].as_array().unwrap().iter().find(|link| link["name"] == "kind").unwrap()["cause"].clone()
    };
    assert_eq!(kind("example.com/Widget/web", "View").await, "live-kind-unknown");
    assert_eq!(kind("Endpoints/web", "View").await, "live-never-proxied");
    assert_eq!(kind("apps/Deployment/web", "Terminal").await, "live-feature-kind");

    // By what stands in the cluster.
    let params = |data: Value| json!({ "data": data }).to_string();
    bench.kubectl(&edge, &["patch", "configmap", "argocd-agent-params", "-p", &params(json!({"agent.resource-proxy.enable": "false"}))]).await;
    let off = bench.broken("apps/Deployment/web", "View", "live-proxy-off").await;
    bench.mend(&off).await;
    open("apps/Deployment/web").await;
    bench.kubectl(&edge, &["patch", "configmap", "argocd-agent-params", "-p", &params(json!({"agent.mode": "autonomous"}))]).await;
    open("apps/Deployment/web").await;
    bench.broken(&format!("Pod/{}", bench.pod), "Terminal", "live-agent-autonomous").await;
    bench.kubectl(&edge, &["patch", "configmap", "argocd-agent-params", "-p", &params(json!({"agent.mode": "managed"}))]).await;

    bench.kubectl(&shop, &["annotate", "deployment", "web", "argocd.argoproj.io/tracking-id-"]).await;
    bench.broken("apps/Deployment/web", "View", "live-not-managed").await;
    // The label is the mark where argocd-cm says so.
    bench.kubectl(&shop, &["label", "deployment", "web", "app.kubernetes.io/instance=web"]).await;
    bench.kubectl(&edge, &["create", "configmap", "argocd-cm", "--from-literal=application.resourceTrackingMethod=label"]).await;
    open("apps/Deployment/web").await;

    let narrow = json!({"spec": {"destinations": [{"server": "*", "namespace": "elsewhere"}]}}).to_string();
    bench.kubectl(&edge, &["patch", "appproject", "shop", "--type=merge", "-p", &narrow]).await;
    bench.broken("apps/Deployment/web", "View", "live-project-outside").await;
    bench.kubectl(&edge, &["delete", "appproject", "shop"]).await;
    bench.broken("apps/Deployment/web", "View", "live-project-missing").await;
    manifests::apply_text(&bench.cp.client(), &edge, &project("shop")).await;
    open("apps/Deployment/web").await;

    bench.application(&[]).await;
    bench.broken("apps/Deployment/web", "View", "live-resource-not-listed").await;
    bench.application(&bench.listed()).await;
    let elsewhere = json!({"spec": {"destination": {"name": "prod-eu"}}}).to_string();
    bench.kubectl(&edge, &["patch", "application", "web", "--type=merge", "-p", &elsewhere]).await;
    bench.broken("apps/Deployment/web", "View", "live-application-elsewhere").await;
    bench.kubectl(&edge, &["delete", "application", "web"]).await;
    bench.broken("apps/Deployment/web", "View", "live-application-missing").await;
    bench.application(&bench.listed()).await;
    open("apps/Deployment/web").await;
    bench.kubectl(&edge, &["delete", "deployment", ACCOUNT]).await;
    bench.broken("apps/Deployment/web", "View", "live-agent-missing").await;
    // The other side is known for what it is.
    let principal = install("managed").replace("component: agent", "component: principal").replace("args: [agent]", "args: [principal]");
    manifests::apply_text(&bench.cp.client(), &edge, &principal).await;
    // Without more rights the links of that side are not told; what is told is the destination.
    bench.broken("apps/Deployment/web", "View", "live-destination-here").await;
    let looker = format!("name: looker, namespace: {edge}}}]");
    manifests::apply_text(&bench.cp.client(), &edge, &HUB.replace("name: looker}]", &looker)).await;
    // No argocd-server runs here, whose Redis could be the principal's.
    bench.broken("apps/Deployment/web", "View", "live-redis-elsewhere").await;

    // Nothing can be told without a right, and a command line that is none prints nothing.
    bench.kubectl("", &["delete", "clusterrolebinding", "looker"]).await;
    bench.kubectl(&edge, &["delete", "rolebinding", "looker"]).await;
    bench.kubectl(&shop, &["delete", "rolebinding", "looker"]).await;
    eventually("nothing can be told", Duration::from_secs(10), || async {
        let said = bench.explain("apps/Deployment/web", "View", &[]).await;
        that(said.status.code() == Some(2), || format!("{}{}", said.stdout, said.stderr))
    })
    .await;
    for (resource, feature) in [("web", "View"), ("pods/web", "View"), ("Pod/$(x)", "View"), ("Pod/web", "Everything")] {
        let failed = bench.explain(resource, feature, &[]).await;
        assert_eq!((failed.status.code(), failed.stdout.as_str()), (Some(2), ""), "{resource}: {}", failed.stderr);
    }
}
