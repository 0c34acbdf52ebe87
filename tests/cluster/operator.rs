//! The program itself: its HTTP server, its logs, its end, its commands; and that no secret gets into anything that it says.

use std::io::Write;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::api::events::v1::Event;
use kube::Api;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::half_world::TEAM_A;
use crate::hands::becomes;
use crate::support::openmetrics::{prometheus_takes, samples};
use crate::support::process::{Finished, Process, free_port, get, run, tail};
use crate::support::{ControlPlane, Kubernetes, eventually, eventually::that, reaper, tools};
use crate::world::{SOON, Team};

fn program() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_argocd-access"))
}

/// Runs the program to its end, without any cluster in sight.
async fn alone(arguments: &[&str]) -> Finished {
    let mut command = reaper::command(program());
    command.env_clear().env("HOME", "/nonexistent").args(arguments);
    run(command).await
}

/// The operator, started by hand.
struct Started {
    process: Process,
    url: String,
    port: u16,
}

fn start(kubeconfig: &Path, namespace: &str, folder: &Path) -> Started {
    let port = free_port();
    let listen = format!("127.0.0.1:{port}");
    let mut command = reaper::command(program());
    command.env_clear().env("KUBECONFIG", kubeconfig).args(["run", "--log-format", "json", "--namespace", namespace, "--listen", &listen]);
    let process = Process::start_command("argocd-access", command, &folder.join(format!("operator-{port}.log")));
    Started { process, url: format!("http://{listen}"), port }
}

impl Started {
    async fn answers(&self, path: &str, code: u16, body: &[&str]) {
        eventually(&format!("{path} answers {code}"), Duration::from_secs(45), async || {
            self.process.check()?;
            let (status, text) = get(&format!("{}{path}", self.url)).await.map_err(|e| e.to_string())?;
            that(status == code && body.iter().all(|part| text.contains(part)), || format!("{status} {text}"))
        })
        .await;
    }

    /// Asks it to end, and gives how it did.
    async fn ends(&self) -> (Option<i32>, Duration) {
        let began = Instant::now();
        self.process.signal("TERM");
        let status =
            eventually("the process has ended", Duration::from_secs(10), async || self.process.ended().ok_or_else(|| tail(self.process.log()))).await;
        (status.code(), began.elapsed())
    }
}

/// The head and the body of an answer.
async fn answer(url: &str) -> (String, String) {
    let (host, path) = url.trim_start_matches("http://").split_once('/').unwrap();
    let mut stream = tokio::net::TcpStream::connect(host).await.unwrap();
    stream.write_all(format!("GET /{path} HTTP/1.0\r\nHost: {host}\r\n\r\n").as_bytes()).await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    (head.to_owned(), body.to_owned())
}

#[tokio::test]
async fn its_health_and_its_metrics_are_there_to_be_read() {
    let team = Team::new().await;
    let url = team.release.kubelet.url("http");
    for path in ["/livez", "/readyz"] {
        assert_eq!(get(&format!("{url}{path}")).await.unwrap(), (200, "ok\n".to_owned()), "{path}");
    }
    assert_eq!(get(&format!("{url}/nothing")).await.unwrap().0, 404);
    let (head, text) = answer(&team.release.kubelet.metrics_url()).await;
    assert!(head.to_lowercase().contains("content-type: application/openmetrics-text; version=1.0.0; charset=utf-8"), "{head}");
    let before = samples(&text);
    let ours = |text: &str| text.replace("NS", &team.namespace);
    let written = "argocd_access_writes_total{object=\"ConfigMap\",result=\"ok\"}";
    assert!(before.get(written).is_none_or(|v| *v == 0.0), "{before:#?}");
    for kind in ["execaccesses", "configmaps", "deployments", "applications", "namespaces", "rolebindings", "ingresses"] {
        assert_eq!(before.get(&format!("argocd_access_watch_healthy{{kind=\"{kind}\"}}")), Some(&1.0), "{kind}: {before:#?}");
    }

    team.application("web-1", "shop").await;
    team.grant("team-a", TEAM_A).await;
    team.ready("team-a").await;
    becomes("the object is counted", SOON, Some(1.0), async || {
        samples(&answer(&team.release.kubelet.metrics_url()).await.1)
            .get(&ours("argocd_access_objects{argocd_namespace=\"NS\",kind=\"ExecAccess\",ready=\"True\"}"))
            .copied()
    })
    .await;
    let text = answer(&team.release.kubelet.metrics_url()).await.1;
    prometheus_takes(&text);
    for name in ["team-a", "web-1", "shop"] {
        assert!(!text.contains(name), "no object, Application or project is a label: {name} in {text}");
    }
    let after = samples(&text);
    assert_eq!(after.get(written), Some(&2.0), "argocd-cm and argocd-rbac-cm: {after:#?}");
    assert!(after["argocd_access_writes_total{object=\"RoleBinding\",result=\"ok\"}"] >= 1.0);
    assert!(after["argocd_access_writes_total{object=\"ExecAccessStatus\",result=\"ok\"}"] >= 1.0);
    for (metric, value) in [
        ("active_grants{argocd_namespace=\"NS\",kind=\"ExecAccess\"}", 1.0),
        ("expiring_grants{argocd_namespace=\"NS\",kind=\"ExecAccess\"}", 0.0),
        ("conditions{argocd_namespace=\"NS\",kind=\"ExecAccess\",condition=\"PolicyApplied\",status=\"True\"}", 1.0),
        ("conditions{argocd_namespace=\"NS\",kind=\"ExecAccess\",condition=\"PolicyApplied\",status=\"False\"}", 0.0),
    ] {
        assert_eq!(after.get(&ours(&format!("argocd_access_{metric}"))), Some(&value), "{metric}: {after:#?}");
    }
    for step in ["plan", "apply"] {
        let count = after[&format!("argocd_access_{step}_duration_seconds_count{{kind=\"ExecAccess\"}}")];
        assert!(count >= 1.0, "{step}: {after:#?}");
    }
    assert!(!after.keys().any(|k| k.contains("next_grant_expiry")), "nothing ends: {after:#?}");
    let round = after[&ours("argocd_access_last_round_timestamp_seconds{argocd_namespace=\"NS\",kind=\"ExecAccess\"}")];
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs_f64();
    assert!((now - round).abs() < 60.0, "{round} is not now");
    assert!(after.keys().any(|k| k.starts_with("argocd_access_build_info{version=")));
}

#[tokio::test]
async fn asked_to_end_it_ends_at_once_and_well_even_with_a_client_that_never_finishes() {
    let team = Team::new().await;
    let kubeconfig = team.cp.kubeconfig_for_service_account(&team.namespace, &team.release.service_account().await).await;
    let operator = start(&kubeconfig, &team.namespace, team.cp.folder());
    operator.answers("/readyz", 200, &[]).await;
    let mut idle = TcpStream::connect((Ipv4Addr::LOCALHOST, operator.port)).unwrap();
    idle.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\nX-Never: ").unwrap();
    let kept = TcpStream::connect((Ipv4Addr::LOCALHOST, operator.port)).unwrap();
    tokio::time::sleep(Duration::from_millis(200)).await;
    let (code, took) = operator.ends().await;
    drop((idle, kept));
    assert_eq!(code, Some(0), "{}", tail(operator.process.log()));
    assert!(took < Duration::from_secs(2), "{took:?}");
    let log = std::fs::read_to_string(operator.process.log()).unwrap();
    assert!(log.lines().last().unwrap().contains("asked to end"), "{log}");
    assert!(!log.contains("\"level\":\"ERROR\""), "{log}");
}

#[tokio::test]
async fn it_is_alive_but_not_ready_until_it_may_and_can_see_what_is_declared() {
    let cp = ControlPlane::shared(Kubernetes::V1_36).await;
    cp.install_operator_definitions().await;
    let namespace = cp.instance("team").await;
    // A ServiceAccount without any right, and an API server that is not there.
    let refused = start(&cp.kubeconfig_for_service_account(&namespace, "default").await, &namespace, cp.folder());
    let nowhere = cp.folder().join(format!("nowhere-{namespace}.kubeconfig"));
    let text = std::fs::read_to_string(cp.kubeconfig_admin()).unwrap().replace(&cp.server, &format!("https://127.0.0.1:{}", free_port()));
    std::fs::write(&nowhere, text).unwrap();
    let lost = start(&nowhere, &namespace, cp.folder());

    refused.answers("/readyz", 503, &[&format!("{namespace}: execaccesses cannot be read"), "forbidden"]).await;
    refused.answers("/livez", 200, &[]).await;
    lost.answers("/readyz", 503, &[&format!("{namespace}: execaccesses not listed yet")]).await;
    lost.answers("/livez", 200, &[]).await;
    let binding = ["create", "clusterrolebinding", &namespace, "--clusterrole=cluster-admin", &format!("--serviceaccount={namespace}:default")];
    cp.kubectl(&binding).await.success();
    refused.answers("/readyz", 200, &["ok"]).await;
    cp.kubectl(&["delete", "clusterrolebinding", &namespace]).await.success();
    for operator in [refused, lost] {
        let (code, took) = operator.ends().await;
        assert!(code == Some(0) && took < Duration::from_secs(2), "{code:?} after {took:?}: {}", tail(operator.process.log()));
    }
}

#[tokio::test]
async fn no_secret_gets_into_a_log_line_a_metric_an_event_or_a_status() {
    const CANARY: &str = "canary-5up3r-s3cret";
    let team = Team::with_values("{log: {level: trace}}").await;
    team.application("web-1", "shop").await;
    team.nginx_ingress("argocd").await;
    let secrets = Api::<Secret>::namespaced(team.client(), &team.namespace);
    let secret = json!({"stringData": {"admin.password": CANARY, "server.secretkey": CANARY}});
    secrets.patch("argocd-secret", &PatchParams::default(), &Patch::Merge(secret)).await.unwrap();
    team.set("argocd-cm", "oidc.config", Some(&format!("clientSecret: {CANARY}"))).await;
    let snippet = json!({"metadata": {"annotations": {"nginx.ingress.kubernetes.io/auth-secret": CANARY}}});
    team.edit("networking.k8s.io/v1", "Ingress", "argocd", snippet).await;
    let variable = json!([{"op": "add", "path": "/spec/template/spec/containers/0/env/0", "value": {"name": "REDIS_PASSWORD", "value": CANARY}}]);
    let server = Api::<k8s_openapi::api::apps::v1::Deployment>::namespaced(team.client(), &team.namespace);
    let patch: Patch<()> = Patch::Json(serde_json::from_value(variable).unwrap());
    server.patch("argocd-server", &PatchParams::default(), &patch).await.unwrap();

    // Everything that it says something about: granting, observing, refusing, failing, repairing, withdrawing.
    team.grant("watched", &TEAM_A.replace("{subjects", "{mode: Observe, subjects")).await;
    team.condition("watched", "Active", "False", "Observing").await;
    team.refuse("", "configmaps", "argocd-cm", Some(&team.release.user().await)).await;
    team.grant("team-a", TEAM_A).await;
    team.condition("team-a", "ExecEnabled", "False", "WriteFailed").await;
    team.permit("argocd-cm").await;
    team.set("argocd-rbac-cm", "policy.csv", Some("p, broken\n")).await;
    team.condition("team-a", "PolicyApplied", "False", "ForeignPolicyBroken").await;
    team.set("argocd-rbac-cm", "policy.csv", None).await;
    team.heals("team-a").await;
    team.accesses().delete("team-a", &DeleteParams::default()).await.unwrap();
    team.gone("team-a").await;

    let operator = team.release.kubelet.operators().remove(0);
    let environment = std::fs::read_to_string(format!("/proc/{}/environ", operator.id())).unwrap();
    let kubeconfig = environment.split('\0').find_map(|v| v.strip_prefix("KUBECONFIG=")).unwrap();
    let kubeconfig: Value = serde_json::from_str(&std::fs::read_to_string(kubeconfig).unwrap()).unwrap();
    let token = std::fs::read_to_string(kubeconfig["users"][0]["user"]["tokenFile"].as_str().unwrap()).unwrap();
    let signature = token.rsplit('.').next().unwrap().to_owned();

    let events = Api::<Event>::namespaced(team.client(), &team.namespace).list(&ListParams::default()).await.unwrap();
    assert!(events.items.iter().any(|e| e.regarding.as_ref().is_some_and(|r| r.kind.as_deref() == Some("ExecAccess"))), "no Event to look into");
    let statuses = team.accesses().list(&ListParams::default()).await.unwrap();
    let (_, metrics) = get(&team.release.kubelet.metrics_url()).await.unwrap();
    let log = operator.log();
    for (what, text) in [("log", &log), ("metrics", &metrics), ("Events", &json!(events).to_string()), ("statuses", &json!(statuses).to_string())] {
        assert!(text.len() > 200, "{what}: nothing to look into");
        for secret in [CANARY, &token, &signature] {
            assert!(!text.contains(secret), "a secret in the {what}: {:?}", text.lines().find(|l| l.contains(secret)));
        }
    }
    // And every line of it can be read by a machine.
    for line in log.lines() {
        let line: Value = serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
        assert!(line["timestamp"].is_string() && line["level"].is_string() && line["target"].is_string(), "{line}");
    }
    assert!(log.contains("\"level\":\"TRACE\""), "the loudest log was asked for");
}

#[tokio::test]
async fn a_wrong_configuration_ends_it_with_a_message_that_names_the_key() {
    let folder = reaper::folder("configuration");
    let kubeconfig = folder.path().join("kubeconfig");
    std::fs::write(&kubeconfig, "{apiVersion: v1, kind: Config, clusters: [{name: c, cluster: {server: 'https://127.0.0.1:1'}}], users: [{name: u, user: {}}], contexts: [{name: x, context: {cluster: c, user: u}}], current-context: x}").unwrap();
    let file = folder.path().join("config.yaml");
    for (text, says) in [
        ("instances: [{namespace: a, limts: {}}]", "limts"),
        ("instances: [{namespace: a, limits: {deniedNamespace: []}}]", "deniedNamespace"),
        ("instances: [{namespace: a, serverRoles: Both}]", "Both"),
        ("instances: [{namespace: A_b}]", "A_b"),
        ("instances: [{namespace: a, shells: ['a,b']}]", "a,b"),
        ("instances: {", "config"),
    ] {
        std::fs::write(&file, text).unwrap();
        for command in [&["run", "--listen", "127.0.0.1:0"][..], &["restore", "--all"]] {
            let mut process = reaper::command(program());
            process.env_clear().env("KUBECONFIG", &kubeconfig).args(command).arg("--config").arg(&file);
            let finished = run(process).await;
            assert_eq!(finished.status.code(), Some(1), "{text}: {}", finished.stderr);
            assert!(finished.stderr.contains(says) && finished.stderr.starts_with("argocd-access: "), "{text}: {}", finished.stderr);
            assert_eq!(finished.stderr.lines().filter(|l| !l.trim().is_empty()).count(), 1, "{}", finished.stderr);
        }
    }
    let with = |arguments: &[&str]| {
        let mut process = reaper::command(program());
        process.env_clear().env("KUBECONFIG", &kubeconfig).args(arguments);
        run(process)
    };
    let missing = with(&["run", "--config", "/nonexistent/config.yaml"]).await;
    assert!(missing.status.code() == Some(1) && missing.stderr.contains("/nonexistent/config.yaml"), "{}", missing.stderr);
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let busy = with(&["run", "--listen", &address]).await;
    assert!(busy.status.code() == Some(1) && busy.stderr.contains(&format!("listen on {address}")), "{}", busy.stderr);
}

#[tokio::test]
async fn the_command_line_explains_itself() {
    let help = alone(&["--help"]).await.success();
    for command in ["run", "restore", "crds"] {
        assert!(help.lines().any(|l| l.trim_start().starts_with(command) && l.trim().len() > command.len() + 10), "{command}: {help}");
        let text = alone(&[command, "--help"]).await.success();
        assert!(text.contains("--log-level") && text.contains("Usage: argocd-access "), "{text}");
    }
    let version = alone(&["--version"]).await.success();
    assert_eq!(version.trim(), concat!("argocd-access ", env!("CARGO_PKG_VERSION")));
    for (arguments, says) in [
        (&["run", "--no-such-flag"][..], "--no-such-flag"),
        (&["fly"], "fly"),
        (&[], "Usage"),
        (&["run", "--listen", "nowhere"], "--listen"),
        (&["restore", "--all", "--timeout", "soon"], "such as 90s or 2m"),
    ] {
        let finished = alone(arguments).await;
        assert_eq!(finished.status.code(), Some(2), "{arguments:?}");
        assert!(finished.stderr.contains(says), "{arguments:?}: {}", finished.stderr);
    }
    let level = alone(&["crds", "--log-level", "a=b=c"]).await;
    assert!(level.status.code() == Some(1) && level.stderr.contains("--log-level"), "{}", level.stderr);
    let nowhere = alone(&["run"]).await;
    assert!(nowhere.status.code() == Some(1) && nowhere.stderr.contains("kubeconfig"), "{}", nowhere.stderr);
}

#[tokio::test]
async fn the_definitions_that_it_prints_are_the_committed_ones() {
    let printed = alone(&["crds"]).await.success();
    for folder in ["crds", "charts/argocd-access-operator/files/crds"] {
        let committed = ["clusteraccesses", "execaccesses", "liveresourceaccesses"].map(|plural| {
            let path = tools::repository().join(folder).join(format!("{plural}.argocd-access.dev.yaml"));
            std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
        });
        assert_eq!(printed, committed.join("---\n"), "{folder} is not up to date: make generate");
    }
}
