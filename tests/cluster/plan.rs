//! `argocd-access plan`: what it says is what then happens, it needs no right to write, and it is a plug-in of kubectl and of argocd.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;

use crate::hands::{ARGOCD_CM, RBAC_CM, becomes, key};
use crate::support::process::{Finished, run};
use crate::support::{manifests, reaper, tools};
use crate::world::{SOON, Team};

const DECLARED: &str = "
apiVersion: argocd-access.dev/v1alpha1
kind: ExecAccess
metadata: { name: team-a }
spec:
  subjects: [{ kind: Group, name: my-org:team-a }]
  applications: [{ project: shop, name: web-* }]
";

/// A kubeconfig of somebody who may look at everything and change nothing.
async fn looker(team: &Team) -> PathBuf {
    let role = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": format!("looker-{}", team.namespace)},
        "rules": [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["get", "list", "watch"]}],
    });
    let binding = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": format!("looker-{}", team.namespace)},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": format!("looker-{}", team.namespace)},
        "subjects": [{"kind": "ServiceAccount", "name": "looker", "namespace": team.namespace}],
    });
    let account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "looker"}});
    for object in [account, role, binding] {
        manifests::apply_text(&team.client(), &team.namespace, &object.to_string()).await;
    }
    team.cp.kubeconfig_for_service_account(&team.namespace, "looker").await
}

/// Runs a program on the given standard input.
async fn with_input(mut command: std::process::Command, input: &str) -> Finished {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = tokio::process::Command::from(command).kill_on_drop(true).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).await.unwrap();
    let output = child.wait_with_output().await.unwrap();
    Finished { status: output.status, stdout: String::from_utf8(output.stdout).unwrap(), stderr: String::from_utf8(output.stderr).unwrap() }
}

async fn plan(team: &Team, kubeconfig: &Path, arguments: &[&str], input: &str) -> Finished {
    let mut command = reaper::command(env!("CARGO_BIN_EXE_argocd-access"));
    command.env("KUBECONFIG", kubeconfig).args(["plan", "--namespace", &team.namespace, "--exec-cluster-role", &team.exec_role().await]);
    command.args(arguments);
    with_input(command, input).await
}

#[tokio::test]
async fn a_plan_is_what_then_happens_and_needs_no_right_to_write() {
    let team = Team::new().await;
    team.application("web-1", "shop").await;
    team.nginx_ingress("argocd").await;
    let kubeconfig = looker(&team).await;

    let shown = plan(&team, &kubeconfig, &["-f", "-", "-o", "json"], DECLARED).await;
    assert_eq!(shown.status.code(), Some(2), "{}{}", shown.stdout, shown.stderr);
    let said: Value = serde_json::from_str(&shown.stdout).unwrap();
    assert_eq!(said["execAccesses"][0]["accepted"]["status"], "True");
    let fields: BTreeSet<&str> = said["changes"].as_array().unwrap().iter().map(|c| c["field"].as_str().unwrap()).collect();
    let own = format!("data/{}", key("team-a"));
    assert!(fields.contains(own.as_str()) && fields.contains("data/exec.enabled") && fields.contains("subjects"), "{fields:?}");

    let text = plan(&team, &kubeconfig, &["-f", "-"], DECLARED).await;
    assert!(text.stdout.contains(&format!("+++ ConfigMap {}/{ARGOCD_CM}", team.namespace)), "{}", text.stdout);
    assert!(text.stdout.contains("\n+g, my-org:team-a, role:exec-access.team-a\n") && !text.stdout.contains('\u{1b}'), "{}", text.stdout);

    team.apply(DECLARED).await;
    team.ready("team-a").await;
    let policy = said["changes"].as_array().unwrap().iter().find(|c| c["field"] == own.as_str()).unwrap();
    assert_eq!(team.policy("team-a").await.as_deref(), policy["to"].as_str());
    let nothing = plan(&team, &kubeconfig, &["-f", "-"], DECLARED).await;
    assert_eq!((nothing.status.code(), nothing.stdout.as_str()), (Some(0), "Nothing would change.\n"), "{}", nothing.stderr);
}

#[tokio::test]
async fn what_cannot_be_planned_ends_with_one_and_says_why() {
    let team = Team::new().await;
    let kubeconfig = looker(&team).await;
    let refused = plan(&team, &kubeconfig, &["-f", "-"], &DECLARED.replace("spec:", "spec:\n  roleName: admin")).await;
    assert_eq!(refused.status.code(), Some(1), "{}", refused.stdout);
    assert!(refused.stderr.contains("ExecAccess team-a: RoleNameTaken"), "{}", refused.stderr);
    for (input, says) in [
        ("apiVersion: v1\nkind: ConfigMap\n", "of kind \"ConfigMap\""),
        ("{", "read -: document 1"),
        (&DECLARED.replace("name: team-a }", "name: team-a, namespace: elsewhere }"), "for the namespace \"elsewhere\""),
        (&DECLARED.replace("project: shop", "project: 7"), "document 1: invalid type"),
    ] {
        let failed = plan(&team, &kubeconfig, &["-f", "-"], input).await;
        assert_eq!(failed.status.code(), Some(1), "{input}: {}", failed.stdout);
        assert!(failed.stderr.contains(says), "{input}: {}", failed.stderr);
    }
    let missing = plan(&team, &kubeconfig, &["-f", "no-such-file.yaml"], "").await;
    assert!(missing.status.code() == Some(1) && missing.stderr.contains("read no-such-file.yaml"), "{}", missing.stderr);
    let nowhere = plan(&team, Path::new("/nonexistent"), &["--against", "no-such-kubeconfig"], "").await;
    assert!(nowhere.status.code() == Some(1) && nowhere.stderr.contains("read the kubeconfig"), "{}", nowhere.stderr);
}

#[tokio::test]
async fn without_files_it_shows_what_the_operator_would_repair() {
    let team = Team::new().await;
    team.application("web-1", "shop").await;
    team.apply(DECLARED).await;
    team.ready("team-a").await;
    let kubeconfig = looker(&team).await;
    becomes("nothing is left to change", SOON, Some(0), async || plan(&team, &kubeconfig, &[], "").await.status.code()).await;
    team.release.kubelet.signal_operator("STOP");
    team.set(RBAC_CM, &key("team-a"), None).await;
    let drift = plan(&team, &kubeconfig, &[], "").await;
    team.release.kubelet.signal_operator("CONT");
    assert_eq!(drift.status.code(), Some(2), "{}", drift.stdout);
    assert!(drift.stdout.contains("+g, my-org:team-a"), "{}", drift.stdout);
}

#[tokio::test]
async fn it_is_a_plug_in_of_kubectl_and_of_argocd() {
    let team = Team::new().await;
    let folder = reaper::folder("plug-ins");
    let program = env!("CARGO_BIN_EXE_argocd-access");
    for name in ["kubectl-argocd_access", "argocd-access"] {
        std::os::unix::fs::symlink(program, folder.path().join(name)).unwrap();
    }
    let path = std::env::join_paths([folder.path().to_owned()].into_iter().chain(std::env::split_paths(&std::env::var_os("PATH").unwrap()))).unwrap();
    let kubectl: (PathBuf, &[&str]) = (tools::path("kubectl"), &["argocd-access"]);
    let argocd: (PathBuf, &[&str]) = (tools::path("argocd"), &["access"]);
    for (host, name) in [kubectl, argocd] {
        let mut command = reaper::command(&host);
        command.env("PATH", &path).env("HOME", folder.path()).env("KUBECONFIG", team.cp.kubeconfig_admin());
        command.args(name).args(["plan", "--namespace", &team.namespace]);
        let finished = run(command).await;
        assert_eq!(finished.stdout, "Nothing would change.\n", "{}: {}", host.display(), finished.stderr);
    }
}
