//! One Argo CD in which everything is as it must be, the people who ask, and how it is put back.

use std::time::Duration;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::networking::v1::Ingress;
use kube::api::{DeleteParams, DynamicObject, PostParams};
use kube::{Api, ResourceExt};
use serde_json::{Value, json};

use crate::cases::Case;
use crate::support::fronts::Proxy;
use crate::support::process::{Finished, random, run};
use crate::support::{
    ControlPlane, Kubernetes,
    argocd::{ArgoCd, Options},
    eventually,
    eventually::that,
    manifests, reaper, tools,
};
use crate::table::is_refused;

/// A change reaches argocd-server within a second, and its view of an Application within some; the machine may be busy.
pub const WITHIN: Duration = Duration::from_secs(60);
/// Longer than Argo CD's ping.
const SILENCE: Duration = Duration::from_secs(8);
const EXPLAIN: &str = env!("CARGO_BIN_EXE_argocd-access");
const EMAIL: &str = "alice@example.com";
/// What stands beside the Applications.
const RESTORED: [(&str, &str, &str); 8] = [
    ("v1", "ConfigMap", "argocd-cm"),
    ("v1", "ConfigMap", "argocd-rbac-cm"),
    ("v1", "ConfigMap", "argocd-cmd-params-cm"),
    ("argoproj.io/v1alpha1", "AppProject", "shop"),
    ("networking.k8s.io/v1", "Ingress", "argocd-server"),
    ("rbac.authorization.k8s.io/v1", "Role", "exec"),
    ("rbac.authorization.k8s.io/v1", "RoleBinding", "exec"),
    ("rbac.authorization.k8s.io/v1", "ClusterRole", ""),
];

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// Somebody of the group.
    Team,
    /// The local account alice.
    Account,
    /// Somebody with an e-mail address.
    Email,
}

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum App {
    Web,
    /// In a namespace of its own.
    Elsewhere,
    /// Puts its Pod back.
    Healed,
    Missing,
    OtherProject,
    OtherPod,
    OtherContainer,
    ByHand,
}

/// On which way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// From argocd-server's own port.
    Itself,
    Nginx,
    F5,
    Haproxy,
}

/// What a person sees.
#[derive(Clone, Debug)]
#[allow(dead_code, reason = "what was said is for the message of a failure")]
pub enum Seen {
    /// And what argocd-server said.
    Http(u16, String),
    /// And why.
    NoShell(String),
    Ended,
    Shell,
}

pub struct Bench {
    argocd: ArgoCd,
    cp: &'static ControlPlane,
    destination: String,
    team: String,
    /// The ends of the names of IngressClasses.
    own: String,
    /// When the Deployment of argocd-server was restarted last.
    restarted: Option<String>,
    /// Since the world was put back, it was.
    dirty: bool,
}

impl Bench {
    pub async fn start() -> Self {
        let cp = ControlPlane::shared(Kubernetes::V1_36).await;
        let (team, destination, own) = (cp.namespace("team").await, cp.namespace("shop").await, random());
        let argocd = ArgoCd::start(cp, Options { application_namespaces: vec![team.clone()], ..Options::default() }).await;
        let mut bench = Self { argocd, cp, destination, team, own, restarted: None, dirty: false };
        let namespace = bench.argocd.namespace.clone();
        bench.argocd.create_project("shop").await;
        let create = |name: &'static str, namespace: String| {
            let bench = &bench;
            async move { drop(bench.argocd.create_application(name, "shop", &namespace, &bench.destination).await) }
        };
        tokio::join!(create("web", namespace.clone()), create("elsewhere", bench.team.clone()), create("healed", namespace.clone()));
        let lines = ["web", "healed", "elsewhere"].map(|name| format!("shop/{name}")).into_iter().chain([format!("shop/{}/elsewhere", bench.team)]);
        let lines = lines.map(|object| format!("p, role:team, applications, get, {object}, allow\np, role:team, exec, create, {object}, allow\n"));
        let policy = format!("{}g, my-org:team-a, role:team\ng, alice, role:team\ng, {EMAIL}, role:team\n", lines.collect::<String>());
        let script = format!(
            "
kubectl -n $NS patch configmap argocd-cm --type merge -p '{{\"data\":{{\"exec.enabled\":\"true\"}}}}'
kubectl -n $NS patch configmap argocd-rbac-cm --type merge -p '{}'
kubectl -n $NS patch applications.argoproj.io healed --type merge -p '{{\"spec\":{{\"syncPolicy\":{{\"automated\":{{\"selfHeal\":true}}}}}}}}'
kubectl -n $DEST create role exec --verb=get --resource=pods
kubectl -n $DEST patch role exec --type json -p '[{{\"op\":\"add\",\"path\":\"/rules/-\",\"value\":{{\"apiGroups\":[\"\"],\"resources\":[\"pods/exec\"],\"verbs\":[\"get\",\"create\"]}}}}]'
kubectl -n $DEST create rolebinding exec --role=exec --serviceaccount=$NS:argocd-server
",
            json!({"data": {"policy.csv": policy, "scopes": "[groups, email]"}})
        );
        bench.bash(&script).await.success();
        manifests::apply_text(&cp.client(), &namespace, manifests::ARGOCD_INGRESS).await;
        for (name, controller) in [("f5", "nginx.org/ingress-controller"), ("haproxy", "haproxy-ingress.github.io/controller")] {
            let class = json!({"apiVersion": "networking.k8s.io/v1", "kind": "IngressClass", "metadata": {"name": format!("{name}-{}", bench.own)}, "spec": {"controller": controller}});
            manifests::apply_text(&cp.client(), "", &class.to_string()).await;
        }
        bench.restarted = bench.restarted_at().await;
        bench
    }

    /// Where the terminal leads: the Application, its namespace and project, the Pod, the container.
    fn place(&self, app: App) -> [&str; 5] {
        let own = self.argocd.namespace.as_str();
        match app {
            App::Web => ["web", own, "shop", "web-0", "main"],
            App::Elsewhere => ["elsewhere", &self.team, "shop", "elsewhere-0", "main"],
            App::Healed => ["healed", own, "shop", "healed-0", "main"],
            App::Missing => ["web", &self.team, "shop", "web-0", "main"],
            App::OtherProject => ["web", own, "default", "web-0", "main"],
            App::OtherPod => ["web", own, "shop", "web-9", "main"],
            App::OtherContainer => ["web", own, "shop", "web-0", "other"],
            App::ByHand => ["web", own, "shop", "by-hand", "by-hand"],
        }
    }

    fn token(&self, who: Who) -> String {
        match who {
            Who::Team => self.argocd.person_token("bob", &["my-org:team-a"]),
            Who::Account => self.argocd.person_token("alice", &[]),
            Who::Email => self.argocd.person_token_with("carol", &[], Some(EMAIL)),
        }
    }

    /// What a person sees now.
    async fn seen(&self, case: &Case) -> Seen {
        let proxy = self.proxy(case.by).await;
        let port = proxy.as_ref().map_or_else(|| self.argocd.port(), Proxy::port);
        let [app, namespace, project, pod, container] = self.place(case.app);
        let opened = self.argocd.terminal_into(port, &self.token(case.who), app, namespace, project, pod, &self.destination, container).await;
        let mut terminal = match opened {
            Err(refused) => return Seen::Http(refused.status, refused.body),
            Ok(terminal) => terminal,
        };
        match terminal.run("echo $((1 + 1))").await {
            Err(why) => Seen::NoShell(why),
            Ok(printed) if printed != "2" => Seen::NoShell(printed),
            Ok(_) if case.by == By::Haproxy && terminal.closed(SILENCE).await.is_ok() => Seen::Ended,
            Ok(_) => Seen::Shell,
        }
    }

    /// What argocd-server answers to the web interface that asks whether somebody of the group may open terminals into this.
    pub async fn may(&self, object: &str) -> String {
        let asked = format!("/api/v1/account/can-i/exec/create/{object}");
        let answer = self.argocd.get(&self.token(Who::Team), &asked).await.unwrap();
        answer["value"].as_str().unwrap_or_default().to_owned()
    }

    /// What the controller of the Ingress makes of it now.
    async fn proxy(&self, by: By) -> Option<Proxy> {
        let ingress = Api::<Ingress>::namespaced(self.cp.client(), &self.argocd.namespace).get("argocd-server").await.unwrap();
        let port = self.argocd.port();
        match by {
            By::Itself => None,
            By::Nginx => Some(Proxy::nginx_of_the_community(&ingress, port)),
            By::F5 => Some(Proxy::nginx(ingress.annotations(), port)),
            By::Haproxy => Some(Proxy::haproxy(ingress.annotations(), port)),
        }
    }

    pub async fn opens(&self, case: &Case) {
        eventually(&format!("{}: a shell", case.name), WITHIN, || async {
            let seen = self.seen(case).await;
            // Sometimes Argo CD misses that a Pod was replaced, and would look again after some minutes only.
            if matches!(&seen, Seen::Http(_, why) if why.contains("doesn't belong to specified app")) {
                let [app, namespace, ..] = self.place(case.app);
                self.argocd.refresh(namespace, app).await;
            }
            that(matches!(seen, Seen::Shell), || format!("{seen:?}"))
        })
        .await;
    }

    pub async fn refuses(&self, case: &Case) -> Seen {
        eventually(&format!("{}: refused by {:?}", case.name, case.refused), WITHIN, || async {
            let seen = self.seen(case).await;
            that(is_refused(&seen, case), || format!("{seen:?}")).map(|()| seen)
        })
        .await
    }

    /// Runs a script as people do, and then does what a cluster would: a restarted Deployment of argocd-server is a restarted argocd-server.
    pub async fn run(&mut self, script: &str) -> Finished {
        let finished = self.bash(script).await;
        let restarted = self.restarted_at().await;
        if restarted != self.restarted {
            (self.restarted, self.dirty) = (restarted, true);
            self.argocd.restart_server_as_configured().await;
        }
        finished
    }

    async fn bash(&self, script: &str) -> Finished {
        let mut command = reaper::command("bash");
        let folder = tools::path("kubectl").parent().unwrap().display().to_string();
        command.args(["-euo", "pipefail", "-c", script]).env("KUBECONFIG", self.cp.kubeconfig_admin()).env("HOME", self.cp.folder());
        command.env("PATH", format!("{folder}:{}", std::env::var("PATH").unwrap()));
        command.env("NS", &self.argocd.namespace).env("DEST", &self.destination).env("TEAM", &self.team);
        command.env("F5", format!("f5-{}", self.own)).env("HAPROXY", format!("haproxy-{}", self.own));
        run(command).await
    }

    async fn restarted_at(&self) -> Option<String> {
        let deployment = Api::<Deployment>::namespaced(self.cp.client(), &self.argocd.namespace).get("argocd-server").await.unwrap();
        deployment.spec?.template.metadata?.annotations?.remove("kubectl.kubernetes.io/restartedAt")
    }

    pub async fn explain(&self, case: &Case) -> Value {
        let [app, namespace, project, pod, container] = self.place(case.app);
        let app = if namespace == self.argocd.namespace { format!("{project}/{app}") } else { format!("{project}/{namespace}/{app}") };
        let mut command = reaper::command(EXPLAIN);
        command.env("KUBECONFIG", self.cp.kubeconfig_admin()).args(["explain", "terminal", "-o", "json", "--namespace", &self.argocd.namespace]);
        command.args(["--app", &app, "--pod", pod, "--container", container]);
        match case.who {
            Who::Team => command.args(["--user", "bob", "--group", "my-org:team-a"]),
            Who::Account => command.args(["--user", "alice"]),
            Who::Email => command.args(["--user", EMAIL]),
        };
        let said = run(command).await;
        let document: Value = serde_json::from_str(&said.stdout).unwrap_or_else(|error| panic!("{error}: {}{}", said.stdout, said.stderr));
        let code = match document["state"].as_str() {
            Some("open") => 0,
            Some("closed") => 1,
            _ => 2,
        };
        assert_eq!(said.status.code(), Some(code), "{document:#}");
        document
    }

    fn restored(&self) -> impl Iterator<Item = (Api<DynamicObject>, String)> + '_ {
        RESTORED.into_iter().map(|(api_version, kind, name)| {
            let namespace = if name == "exec" { &self.destination } else { &self.argocd.namespace };
            let name = if name.is_empty() { format!("{}-argocd-server", self.argocd.namespace) } else { name.to_owned() };
            (manifests::api(&self.cp.client(), namespace, api_version, kind), name)
        })
    }

    pub async fn save(&self) -> Vec<DynamicObject> {
        let mut all = Vec::new();
        for (api, name) in self.restored() {
            all.push(api.get(&name).await.unwrap());
        }
        all
    }

    /// As it was before the case.
    pub async fn restore(&mut self, saved: &[DynamicObject]) {
        for ((api, name), saved) in self.restored().collect::<Vec<_>>().into_iter().zip(saved) {
            let mut object = saved.clone();
            object.metadata.managed_fields = None;
            object.metadata.uid = None;
            object.metadata.creation_timestamp = None;
            let current = api.get_opt(&name).await.unwrap();
            object.metadata.resource_version = current.as_ref().and_then(ResourceExt::resource_version);
            match current {
                Some(_) => drop(api.replace(&name, &PostParams::default(), &object).await.unwrap()),
                None => drop(api.create(&PostParams::default(), &object).await.unwrap()),
            }
        }
        let extra = format!("argocd-terminal-{}", self.argocd.namespace);
        for kind in ["Role", "RoleBinding"] {
            let api = manifests::api(&self.cp.client(), &self.destination, "rbac.authorization.k8s.io/v1", kind);
            let _none = api.delete(&extra, &DeleteParams::default()).await;
        }
        for kind in ["ValidatingAdmissionPolicyBinding", "ValidatingAdmissionPolicy"] {
            let api = manifests::api(&self.cp.client(), "", "admissionregistration.k8s.io/v1", kind);
            let _none = api.delete(&format!("theirs-{}", self.argocd.namespace), &DeleteParams::default()).await;
        }
        for (namespace, name) in [(&self.argocd.namespace, "web"), (&self.team, "elsewhere")] {
            self.argocd.refresh(namespace, name).await;
        }
        // What it reads when it starts.
        if std::mem::take(&mut self.dirty) {
            self.argocd.restart_server_as_configured().await;
        }
    }
}
