//! A healthy Argo CD in which `my-org:team-a` has a terminal into `shop/web`, and what happens when something of it is otherwise.

use std::process::Command;
use std::sync::Arc;

use serde::de::DeserializeOwned;

use crate::exec::World;
use crate::exec::status::{Answer, Review};
pub use crate::exec::tests::fixtures::{config_map, ingress, not_seen, object, server};
use crate::exec::tests::fixtures::{namespace, world};
use crate::explain::observed::{Live, Observed, Reviewed};
use crate::explain::{Explanation, Link, Name, Question, explain};

/// The lines that let the team in.
pub const LINES: &str = "p, role:team, applications, get, shop/web, allow\np, role:team, exec, create, shop/web, allow\ng, my-org:team-a, role:team";

/// The question.
pub fn question() -> Question {
    Question {
        instance: "argocd".to_owned(),
        app: "shop/web".parse().unwrap(),
        groups: vec!["my-org:team-a".to_owned()],
        user: None,
        pod: Some("web-0".to_owned()),
        pod_namespace: None,
        container: Some("main".to_owned()),
    }
}

/// An Application with this `spec` and `status` (YAML), in this namespace.
pub fn live(namespace: &str, spec: &str, status: &str) -> Live {
    let text = format!(
        "{{apiVersion: argoproj.io/v1alpha1, kind: Application, metadata: {{name: web, namespace: {namespace}}}, spec: {spec}, status: {status}}}"
    );
    Live::read(&serde_yaml::from_str(&text).unwrap()).unwrap()
}

pub const SPEC: &str = "{project: shop, source: {repoURL: 'https://git.example.com/shop.git', path: .}, destination: {server: 'https://kubernetes.default.svc', namespace: shop}}";
pub const STATUS: &str = "{resources: [{kind: Pod, namespace: shop, name: web-0}]}";

/// An AppProject `shop` with this spec.
pub fn project<T: DeserializeOwned>(spec: &str) -> Arc<T> {
    object(&format!("{{apiVersion: argoproj.io/v1alpha1, kind: AppProject, metadata: {{name: shop, namespace: argocd}}, spec: {spec}}}"))
}

/// A Pod in the namespace `shop` with this spec and status.
pub fn pod<T: DeserializeOwned>(name: &str, metadata: &str, spec: &str, status: &str) -> Arc<T> {
    object(&format!("{{apiVersion: v1, kind: Pod, metadata: {{name: {name}, namespace: shop{metadata}}}, spec: {spec}, status: {status}}}"))
}

pub const RUNNING: &str =
    "{phase: Running, containerStatuses: [{name: main, image: x, imageID: x, ready: true, restartCount: 0, state: {running: {}}}]}";

/// What the API server answers to the three questions.
pub fn review(pods_get: bool, exec_get: bool, exec_create: bool) -> Reviewed {
    let answer = |allowed: bool| Answer { allowed, reason: if allowed { "RBAC: allowed by RoleBinding \"x\"".to_owned() } else { String::new() } };
    Reviewed::Answered(Review { pods_get: answer(pods_get), exec_get: answer(exec_get), exec_create: answer(exec_create) })
}

/// argocd-rbac-cm with these lines and other keys.
pub fn rbac(lines: &str, others: &[(&str, &str)]) -> Arc<k8s_openapi::api::core::v1::ConfigMap> {
    let mut data = serde_json::Map::from_iter([("policy.csv".to_owned(), serde_json::json!(lines))]);
    data.extend(others.iter().map(|(k, v)| ((*k).to_owned(), serde_json::json!(v))));
    config_map("argocd-rbac-cm", "kubectl", &serde_json::Value::Object(data).to_string())
}

/// Where everything is as it must be.
pub fn healthy() -> Observed {
    let application = live("argocd", SPEC, STATUS);
    let world = World {
        argocd_cm: Ok(Some(config_map("argocd-cm", "kubectl", "{exec.enabled: 'true'}"))),
        rbac_cm: Ok(Some(rbac(LINES, &[]))),
        applications: Ok(vec![Arc::new(application.application.clone())]),
        projects: Ok(vec![project("{sourceRepos: ['*'], destinations: [{server: '*', namespace: '*'}]}")]),
        ..world()
    };
    Observed {
        world,
        application: Ok(Some(application)),
        policies: Ok(Vec::new()),
        bindings: Ok(Vec::new()),
        validating: Ok(Vec::new()),
        mutating: Ok(Vec::new()),
        namespace: Ok(Some(namespace("shop", "{kubernetes.io/metadata.name: shop}"))),
        pods: Ok(vec![pod("web-0", "", "{containers: [{name: main}]}", RUNNING)]),
        owners: std::collections::BTreeMap::new(),
        review: review(true, true, true),
        now: "2026-06-01T12:00:00Z".parse().unwrap(),
        exec_access: false,
    }
}

/// The chain, after a change of what is seen and asked.
pub fn walk(change: impl FnOnce(&mut Question, &mut Observed)) -> Explanation {
    let (mut question, mut observed) = (question(), healthy());
    change(&mut question, &mut observed);
    explain(&question, &observed)
}

/// The broken link of that chain.
pub fn broken(change: impl FnOnce(&mut Question, &mut Observed)) -> Link {
    walk(change).broken().cloned().expect("something is broken")
}

/// One link of that chain.
pub fn link(name: Name, change: impl FnOnce(&mut Question, &mut Observed)) -> Link {
    walk(change).links.into_iter().find(|l| l.name == name).unwrap()
}

/// The name of what is wrong; empty where nothing is.
pub fn id(link: &Link) -> &'static str {
    link.cause.map_or("", crate::explain::Cause::id)
}

/// The words of each kubectl that a command runs, as the shell gives them to it, with what it gets on standard input.
pub fn run(command: &str) -> Vec<Vec<String>> {
    let script = format!("kubectl() {{ printf '%s\\0' \"$@\"; case \" $* \" in *' -f - '*) cat;; esac; printf '\\0\\0'; }}; {command}");
    let output = Command::new("bash").args(["-c", &script]).output().unwrap();
    assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
    let printed = String::from_utf8(output.stdout).unwrap();
    let calls = printed.split("\0\0").filter(|call| !call.is_empty());
    calls.map(|call| call.split('\0').map(ToOwned::to_owned).collect()).collect()
}

/// The patch of the first kubectl of a fix.
pub fn patch(link: &Link) -> serde_json::Value {
    let fix = link.fix.as_ref().expect("a fix");
    let words = run(fix.commands.first().unwrap_or_else(|| panic!("a command: {fix:?}"))).remove(0);
    let at = words.iter().position(|w| w == "-p").expect("a patch");
    serde_json::from_str(&words[at + 1]).unwrap()
}
