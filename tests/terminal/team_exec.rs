//! `examples/team-exec.yaml`, from the first refusal to the last: one team, its own applications, and nothing beyond them.

use std::{path::PathBuf, time::Duration};

use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    Api,
    api::{Patch, PatchParams},
};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::instance::{ACCEPTED, Instance, NO_PERMISSION, OFF, Place, Shared, WITHIN};
use crate::support::{
    ControlPlane, Kubernetes,
    argocd::Options,
    eventually,
    eventually::that,
    managers, reaper,
    snapshot::{differences, shared_snapshot},
    terminal::Terminal,
};
use crate::world::{condition, example};

const TEAM: &str = "my-org:team-a";

/// An instance that serves the Applications of another namespace too, whose name the wildcard of the example would match.
struct Bench {
    instance: Instance,
    web_team: String,
}

impl Bench {
    async fn start() -> Self {
        let web_team = ControlPlane::shared(Kubernetes::V1_36).await.namespace("web-team").await;
        let options = Options { application_namespaces: vec![web_team.clone()], ..Options::default() };
        let instance = Instance::start(Kubernetes::V1_36, options).await;
        instance.argocd.create_project("shop").await;
        instance.argocd.create_project("other").await;
        Self { instance, web_team }
    }

    /// argocd-cm under a declaration of somebody else, `kubectl apply --server-side` without force.
    async fn owner_sets_exec(&self, value: &str) -> kube::Result<ConfigMap> {
        let maps = Api::<ConfigMap>::namespaced(self.instance.team.client(), &self.instance.argocd.namespace);
        let map = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "argocd-cm" }, "data": { "exec.enabled": value } });
        maps.patch("argocd-cm", &PatchParams::apply("platform-team"), &Patch::Apply(map)).await
    }

    /// The HTTP status of Argo CD's interface for `/api/v1/applications/<application><path>`.
    async fn asks(&self, token: &str, method: &str, place: &Place, path: &str, body: Value) -> u16 {
        let path = format!("/api/v1/applications/{}{path}", place.application);
        self.instance.argocd.request(token, method, &path, &body).await.unwrap().0
    }
}

#[tokio::test]
async fn a_member_gets_a_shell_nobody_gets_more_and_deletion_restores_everything() {
    let bench = Bench::start().await;
    let Bench { instance, web_team } = &bench;
    let team = &instance.team;
    bench.owner_sets_exec("false").await.unwrap();
    let (web, db, elsewhere, secret) = tokio::join!(
        instance.application("shop", "web-1"),
        instance.application("shop", "db"),
        instance.application("other", "web-2"),
        instance.application_in(web_team, "shop", "secret-app", &team.destination),
    );
    let alice = instance.argocd.person_token("alice", &[TEAM]);
    let strangers = [instance.argocd.person_token("bob", &["my-org:team-b"]), instance.argocd.person_token("carol", &[])];
    let admin = instance.argocd.person_token("admin", &[]);
    let state = async || [team.shared().await, shared_snapshot(&team.client(), &team.destination).await];
    let before = state().await;
    for place in [&web, &db, &secret] {
        assert_eq!(instance.answer(&alice, place).await, OFF, "{place:?}");
    }

    // Granted: exactly that.
    team.apply(&example("team-exec.yaml")).await;
    eventually("Ready within a minute", Duration::from_secs(60), || async {
        let status = team.accesses().get("team-a").await.map_err(|error| error.to_string())?.status.unwrap_or_default();
        that(condition(&status, "Ready").0 == "True", || format!("{:#?}\n{}", status.conditions, team.release.kubelet.operator_log()))
    })
    .await;
    let session = instance.shell(&alice, &web).await;
    for stranger in &strangers {
        assert_eq!(instance.answer(stranger, &web).await, NO_PERMISSION, "not of the team");
    }
    for place in [&db, &elsewhere, &secret] {
        assert_eq!(instance.answer(&alice, place).await, NO_PERMISSION, "not named: {place:?}");
    }
    // The wildcard itself would have opened it.
    let leak = "p, role:leak, applications, get, shop/web-*, allow\np, role:leak, exec, create, shop/web-*, allow\ng, leak, role:leak\n";
    instance.set_by_hand("argocd-rbac-cm", json!({ "policy.by-hand.csv": leak })).await;
    instance.answers(ACCEPTED, &instance.argocd.person_token("carol", &["leak"]), &secret).await;
    instance.set_by_hand("argocd-rbac-cm", json!({ "policy.by-hand.csv": null })).await;

    // A terminal and a look is all.
    assert_eq!(bench.asks(&alice, "GET", &web, "", Value::Null).await, 200, "the member sees the application");
    assert_eq!(bench.asks(&strangers[0], "GET", &web, "", Value::Null).await, 403);
    let dry = || json!({ "dryRun": true });
    assert_eq!(bench.asks(&admin, "POST", &web, "/sync", dry()).await, 200, "such a request is well-formed");
    assert_eq!(bench.asks(&alice, "POST", &web, "/sync", dry()).await, 403, "no sync");
    assert_eq!(bench.asks(&alice, "DELETE", &web, "", Value::Null).await, 403, "no deletion");
    assert_eq!(bench.asks(&alice, "PATCH", &web, "", json!({ "patch": "{}", "patchType": "merge" })).await, 403, "no change");

    // An application that appears later and that the declaration means.
    let later = instance.application("shop", "web-3").await;
    instance.shell(&alice, &later).await;
    delete_application(&bench, &later).await;

    let mut idle = Session::of(session);
    let mut busy = Session::of(instance.shell(&alice, &web).await);
    idle.prepare().await;
    busy.prepare_busy().await;
    team.delete("team-a").await;
    instance.answers(OFF, &alice, &web).await;
    idle.ends_after_the_next_command().await;
    busy.shows_output_and_takes_no_input().await;

    // As before, for everybody who shares these objects.
    for (before, after) in before.iter().zip(&state().await) {
        assert_eq!(differences(before, after), Vec::<String>::new());
    }
    for name in ["argocd-cm", "argocd-rbac-cm"] {
        let left = managers(&team.config_map(name).await);
        assert!(!left.iter().any(|manager| manager.starts_with("argocd-access")), "{name}: {left:?}");
    }
    let set = bench.owner_sets_exec("true").await.unwrap();
    assert_eq!(set.data.unwrap()["exec.enabled"], "true", "the former owner sets it again, without force");
    instance.answers(NO_PERMISSION, &alice, &web).await;
}

/// An open terminal whose shell can be followed from outside, by files.
struct Session {
    terminal: Terminal,
    folder: TempDir,
}

impl Session {
    fn of(terminal: Terminal) -> Self {
        Self { terminal, folder: reaper::folder("session") }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A command that prints `seen-<name>` once there is a file of this name.
    fn waiting_for(&self, name: &str) -> String {
        format!("until [ -e '{}' ]; do sleep 0.1; done; printf 'seen-%s\\n' {name}", self.file(name).display())
    }

    async fn is_shown(&mut self, name: &str) {
        std::fs::write(self.file(name), "").unwrap();
        self.terminal.shows(&format!("seen-{name}"), WITHIN).await.unwrap();
    }

    async fn types_touch(&mut self, name: &str) {
        self.terminal.send(&format!("touch '{}'\n", self.file(name).display())).await.unwrap();
    }

    async fn is_touched(&self, name: &str) {
        eventually("the command ran", WITHIN, || async { that(self.file(name).exists(), || format!("{:?}", self.terminal)) }).await;
    }

    /// A shell without line editing, whose input ends with an end-of-transmission at any time; an editor takes it at its prompt only.
    /// Without echo too: Argo CD writes its refusal without the lock that it takes for output, and the two at once may break it.
    async fn prepare(&mut self) {
        self.terminal.send("stty -echo; exec sh -c 'while read -r line; do eval \"$line\"; done'\n").await.unwrap();
        let command = format!("({}) &", self.waiting_for("output"));
        self.terminal.run(&format!("eval '{}'", command.replace('\'', "'\\''"))).await.unwrap();
    }

    /// To a silent client the output goes on; the next command runs; with it Argo CD looks at the policy again.
    async fn ends_after_the_next_command(&mut self) {
        self.is_shown("output").await;
        self.types_touch("next").await;
        self.is_touched("next").await;
        self.terminal.closed(WITHIN).await.unwrap();
    }

    /// A program in the foreground, which does not read.
    async fn prepare_busy(&mut self) {
        let command = format!("stty -echo; printf 'began-%s\\n' busy; {}; {}\n", self.waiting_for("later"), self.waiting_for("last"));
        self.terminal.send(&command).await.unwrap();
        self.terminal.shows("began-busy", WITHIN).await.unwrap();
    }

    /// What Argo CD ends a session with is an end-of-transmission to the shell. Where a program runs that does not read, the output
    /// goes on as long as it runs; nothing that is typed after the refusal arrives.
    async fn shows_output_and_takes_no_input(&mut self) {
        self.types_touch("next").await;
        self.terminal.shows("Permission denied", WITHIN).await.unwrap();
        self.types_touch("second").await;
        self.is_shown("later").await;
        self.is_shown("last").await;
        self.is_touched("next").await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert!(!self.file("second").exists(), "{:?}", self.terminal);
    }
}

/// With its Pod, and waits until both are gone: what is compared afterwards shall not depend on it.
async fn delete_application(bench: &Bench, place: &Place) {
    let namespace = place.namespace.as_str();
    let kubectl = async |arguments: &[&str]| bench.instance.team.cp.kubectl(arguments).await.success();
    kubectl(&["delete", "application", &place.application, "--namespace", namespace, "--wait"]).await;
    kubectl(&["delete", "pod", &place.pod, "--namespace", &place.destination, "--wait"]).await;
}

#[tokio::test]
async fn suspending_closes_an_open_terminal_and_resuming_opens_anew() {
    let (_guard, shared) = Shared::take().await;
    let instance = &shared.instance;
    let alice = instance.argocd.person_token("alice", &[TEAM]);
    instance.team.apply(&example("team-exec.yaml")).await;
    let mut session = instance.shell(&alice, &shared.web_prod).await;

    instance.change("team-a", json!({ "suspend": true })).await;
    instance.answers(OFF, &alice, &shared.web_prod).await;
    session.send("").await.unwrap();
    session.closed(WITHIN).await.unwrap();
    instance.team.condition("team-a", "Active", "False", "Suspended").await;

    instance.change("team-a", json!({ "suspend": false })).await;
    instance.shell(&alice, &shared.web_prod).await;
}
