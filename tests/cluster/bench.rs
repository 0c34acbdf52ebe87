//! The test bench itself: what every other test relies on.

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use k8s_openapi::api::{
    core::v1::{ConfigMap, Pod},
    rbac::v1::ClusterRole,
};
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams},
};
use serde_json::json;

use crate::support::{
    ControlPlane, Kubernetes,
    audit::{Mark, whole_lines},
    eventually,
    eventually::that,
    managers, manifests,
    policyjudge::{Judge, Request},
    process::{Process, free_port},
    reaper, snapshot, tools,
};

async fn control_plane() -> &'static ControlPlane {
    ControlPlane::shared(Kubernetes::V1_36).await
}

#[tokio::test]
async fn the_control_plane_answers_with_its_version() {
    let version = control_plane().await.client().apiserver_version().await.unwrap();
    assert_eq!((version.git_version.as_str(), version.minor.as_str()), ("v1.36.3", "36"));
}

#[tokio::test]
async fn the_older_control_plane_answers_with_its_version_and_runs_its_controllers() {
    let older = tokio::task::spawn_blocking(|| ControlPlane::start(Kubernetes::V1_34)).await.unwrap();
    let older = older.unwrap_or_else(|message| panic!("{message}"));
    let version = older.client().apiserver_version().await.unwrap();
    assert_eq!(version.git_version, "v1.34.4");
    let namespace = older.namespace("team").await; // which waits for the ServiceAccount controller
    assert!(namespace.starts_with("team-"));
}

#[tokio::test]
async fn aggregated_roles_have_rules() {
    let cluster_roles = Api::<ClusterRole>::all(control_plane().await.client());
    for name in ["view", "edit", "admin"] {
        let rules = cluster_roles.get(name).await.unwrap().rules.unwrap_or_default();
        assert!(!rules.is_empty(), "{name} has no rules");
    }
}

#[tokio::test]
async fn instances_in_two_namespaces_are_independent() {
    let control_plane = control_plane().await;
    let (one, other) = tokio::join!(control_plane.instance("team"), control_plane.instance("team"));
    assert_ne!(one, other);
    let client = control_plane.client();
    let settings = |namespace: &str| Api::<ConfigMap>::namespaced(client.clone(), namespace);
    let before = settings(&other).get("argocd-cm").await.unwrap();
    let patch = Patch::Merge(json!({ "data": { "exec.enabled": "true" } }));
    let changed = settings(&one).patch("argocd-cm", &PatchParams::default(), &patch).await.unwrap();
    assert_eq!(changed.data.unwrap()["exec.enabled"], "true");
    assert_eq!(settings(&other).get("argocd-cm").await.unwrap(), before);
    assert_eq!(before.labels()["app.kubernetes.io/part-of"], "argocd");
    assert_eq!(managers(&before), ["kubectl/Apply".to_owned()].into());
}

#[tokio::test]
async fn a_service_account_has_its_own_rights_only() {
    let control_plane = control_plane().await;
    let namespace = control_plane.instance("team").await;
    let client = control_plane.client_for_service_account(&namespace, "argocd-server").await;
    let own = Api::<ConfigMap>::namespaced(client.clone(), &namespace);
    own.get("argocd-cm").await.unwrap();
    let refused = Api::<ConfigMap>::namespaced(client, "kube-system").list(&ListParams::default()).await.unwrap_err();
    assert!(refused.to_string().contains(&format!("system:serviceaccount:{namespace}:argocd-server")), "{refused}");
}

#[tokio::test]
async fn the_stock_cluster_role_reaches_other_namespaces() {
    let control_plane = control_plane().await;
    let namespace = control_plane.instance("team").await;
    control_plane.install_cluster_rbac(&namespace).await;
    let elsewhere = control_plane.namespace("shop").await;
    let client = control_plane.client_for_service_account(&namespace, "argocd-server").await;
    let settings = Api::<ConfigMap>::namespaced(client, &elsewhere);
    eventually("argocd-server reads another namespace", Duration::from_secs(5), || settings.get_opt("any")).await;
}

#[tokio::test]
async fn the_audit_log_counts_lasting_writes_by_user() {
    let control_plane = control_plane().await;
    let namespace = control_plane.namespace("team").await;
    let person = format!("counted-{namespace}");
    let client = control_plane.client_as(&person, &["system:masters"]);
    let maps = Api::<ConfigMap>::namespaced(client.clone(), &namespace);
    let map: ConfigMap = serde_json::from_value(json!({ "metadata": { "name": "counted" } })).unwrap();

    let mark = control_plane.audit_mark().await;
    maps.get_opt("counted").await.unwrap();
    maps.create(&PostParams { dry_run: true, ..PostParams::default() }, &map).await.unwrap();
    maps.create(&PostParams::default(), &map).await.unwrap();
    maps.create(&PostParams::default(), &map).await.unwrap_err();
    maps.delete("counted", &DeleteParams::default()).await.unwrap();

    let writes = control_plane.audit_writes(mark, &person).await;
    let seen: Vec<_> = writes.iter().map(|entry| (entry.verb.as_str(), entry.name.as_str(), entry.code)).collect();
    assert_eq!(seen, [("create", "counted", 201), ("create", "counted", 409), ("delete", "counted", 200)]);
    assert!(writes.iter().all(|entry| entry.resource == "configmaps" && entry.namespace == namespace));
    let later = control_plane.audit_mark().await;
    assert_eq!(control_plane.audit_writes(later, &person).await, []);
}

#[test]
fn a_mark_amid_a_line_of_the_audit_log_is_after_that_line() {
    let log = b"first\nsecond\nthird\nfour";
    let since = |mark: u64| {
        let begin = usize::try_from(mark.saturating_sub(1)).unwrap();
        let lines = whole_lines(&log[begin..], Mark(mark));
        lines.into_iter().map(|line| str::from_utf8(line).unwrap().trim_end()).collect::<Vec<_>>()
    };
    for (mark, expected) in [
        (0, &["first", "second", "third"][..]),
        (1, &["second", "third"]),
        (5, &["second", "third"]),
        (6, &["second", "third"]),
        (7, &["third"]),
        (19, &[]),
        (23, &[]),
    ] {
        assert_eq!(since(mark), expected, "{mark}");
    }
}

#[tokio::test]
async fn kubectl_and_helm_reach_the_control_plane() {
    let control_plane = control_plane().await;
    let version = control_plane.kubectl(&["version", "--output=json"]).await.success();
    assert!(version.contains("v1.36.3"), "{version}");
    assert!(control_plane.helm(&["list", "--all-namespaces"]).await.success().contains("NAMESPACE"));
    assert!(!control_plane.kubectl(&["get", "nothing-of-this-kind"]).await.status.success());
}

#[tokio::test]
async fn a_snapshot_forgets_only_what_differs_by_nature() {
    let control_plane = control_plane().await;
    let namespace = control_plane.instance("team").await;
    let settings = Api::<ConfigMap>::namespaced(control_plane.client(), &namespace);
    let before = settings.get("argocd-cm").await.unwrap();
    let set = |value: serde_json::Value| Patch::Merge(json!({ "data": { "exec.enabled": value } }));
    let with = settings.patch("argocd-cm", &PatchParams::default(), &set(json!("true"))).await.unwrap();
    assert_ne!(snapshot(&with), snapshot(&before));
    let after = settings.patch("argocd-cm", &PatchParams::default(), &set(json!(null))).await.unwrap();
    assert_ne!(after.resource_version(), before.resource_version());
    assert_eq!(snapshot(&after), snapshot(&before));
}

/// The other half of the two tests below: a test binary with a running program, that panics or waits for its end.
#[test]
#[ignore = "started by the tests of what a test binary leaves behind"]
fn victim() {
    let folder = reaper::folder("victim");
    let port = free_port();
    let log = folder.path().join("redis.log");
    let process = Process::start("redis-server", &tools::path("redis-server"), [format!("127.0.0.1:{port}")], &[], &log);
    println!("\nvictim {} {}", process.id(), folder.path().display());
    // As those of a static: nobody drops them.
    std::mem::forget((process, folder));
    assert!(std::env::var_os(PANIC).is_none(), "as asked");
    std::thread::sleep(Duration::from_secs(60));
}

const PANIC: &str = "ARGOCD_ACCESS_BENCH_VICTIM_PANICS";

#[allow(clippy::unwrap_used, reason = "a part of two tests")]
async fn leaves_nothing_behind(victim: &mut Command, end: impl FnOnce(&mut Child)) {
    let mut victim =
        victim.args(["--ignored", "--exact", "bench::victim", "--nocapture"]).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let lines = BufReader::new(victim.stdout.take().unwrap()).lines();
    let line = lines.map(Result::unwrap).find(|line| line.starts_with("victim ")).unwrap();
    let (pid, folder) = line.trim_start_matches("victim ").split_once(' ').unwrap();
    end(&mut victim);
    assert!(!victim.wait().unwrap().success());
    let runs = || Command::new("sh").args(["-c", "kill -0 \"$0\" 2>/dev/null", pid]).status().unwrap().success();
    eventually("its program and its folder are gone", Duration::from_secs(10), || async {
        let left = (runs(), Path::new(folder).exists());
        that(left == (false, false), || format!("the program runs, the folder is there: {left:?}"))
    })
    .await;
}

#[tokio::test]
async fn a_killed_test_binary_leaves_nothing_behind() {
    let mut victim = Command::new(std::env::current_exe().unwrap());
    leaves_nothing_behind(&mut victim, |victim| victim.kill().unwrap()).await;
}

#[tokio::test]
async fn a_test_binary_that_panicked_leaves_nothing_behind() {
    let mut victim = Command::new(std::env::current_exe().unwrap());
    leaves_nothing_behind(victim.env(PANIC, "yes"), |_panics_by_itself| ()).await;
}

#[tokio::test]
#[should_panic(expected = "not within 300ms: the sun rises in the west\nlast seen: in the east")]
async fn a_vain_wait_tells_what_it_saw_last() {
    eventually("the sun rises in the west", Duration::from_millis(300), || async { Err::<(), _>("in the east") }).await;
}

#[tokio::test]
async fn exec_into_a_pod_of_the_fake_node_runs_a_real_program() {
    let control_plane = control_plane().await;
    control_plane.with_kwok().await;
    let namespace = control_plane.namespace("shop").await;
    let pod = "
apiVersion: v1
kind: Pod
metadata: { name: web }
spec: { nodeName: kwok, containers: [{ name: main, image: example.invalid/shell }] }
";
    manifests::apply_text(&control_plane.client(), &namespace, pod).await;
    let pods = Api::<Pod>::namespaced(control_plane.client(), &namespace);
    eventually("the Pod runs", Duration::from_secs(20), || async {
        let status = pods.get("web").await.map_err(|error| error.to_string())?.status.unwrap_or_default();
        that(status.phase.as_deref() == Some("Running"), || format!("{status:?}"))
    })
    .await;
    let output = control_plane.kubectl(&["exec", "--namespace", &namespace, "web", "--", "echo", "hi"]).await.success();
    assert_eq!(output.trim(), "hi");
}

#[test]
fn the_judge_is_argo_cds_own() {
    let mut judge = Judge::start();
    let policy = |text: &str| BTreeMap::from([("policy.csv".to_owned(), text.to_owned())]);
    let granted = policy("p, role:shell, exec, create, shop/web-*, allow\ng, my-org:team-a, role:shell\n");
    let asked = [
        Request::exec("alice", &["my-org:team-a"], "shop/web-1"),
        Request::exec("bob", &["others"], "shop/web-1"),
        Request::exec("alice", &["my-org:team-a"], "shop/api"),
        // A wildcard crosses the separator.
        Request::exec("alice", &["my-org:team-a"], "shop/web-team/secret-app"),
        Request::exec("root", &["role:admin"], "shop/api"),
    ];
    assert_eq!(judge.allowed(&granted, &[], &asked).unwrap(), [true, false, false, true, true]);
    judge.allowed(&policy("p, role:shell, exec\n"), &[], &asked).unwrap_err();
}
