//! Every file of examples/ is applied on a real API server, with the operator, and reaches the condition that it promises.

use std::collections::BTreeSet;

use k8s_openapi::api::{core::v1::ConfigMap, networking::v1::Ingress};
use kube::{
    Api,
    api::{Patch, PatchParams},
};
use serde_json::json;

use crate::{
    support::{eventually, manifests, tools},
    world::{SOON, Team, example},
};

/// What one example leads to.
struct Expected {
    file: &'static str,
    /// A condition, its status and its reason.
    condition: (&'static str, &'static str, &'static str),
    /// Lines of its key in argocd-rbac-cm.
    lines: &'static [&'static str],
}

const EXPECTED: &[Expected] = &[
    Expected {
        file: "team-exec.yaml",
        condition: ("Ready", "True", "Ready"),
        lines: &["p, role:exec-access.team-a, exec, create, shop/web-*, allow", "g, my-org:team-a, role:exec-access.team-a"],
    },
    Expected {
        file: "dev-operators.yaml",
        condition: ("Ready", "True", "Ready"),
        lines: &["p, role:dev-operators, exec, create, */*, allow", "g, my-team, role:dev-operators"],
    },
    Expected {
        file: "one-application.yaml",
        condition: ("Ready", "True", "Ready"),
        lines: &["p, role:exec-access.web-1-on-call, exec, create, shop/web-1, allow", "g, my-org:on-call, role:exec-access.web-1-on-call"],
    },
    Expected { file: "user.yaml", condition: ("Ready", "True", "Ready"), lines: &["g, alice, role:exec-access.alice"] },
    Expected {
        file: "several-namespaces.yaml",
        condition: ("ServerAuthorized", "True", "Proven"),
        lines: &["p, role:exec-access.shop-everywhere, exec, create, shop/*, allow"],
    },
    Expected { file: "observe.yaml", condition: ("Ready", "False", "Observing"), lines: &[] },
    Expected { file: "suspended.yaml", condition: ("Ready", "False", "Suspended"), lines: &[] },
    Expected {
        file: "applications-elsewhere.yaml",
        condition: ("Ready", "True", "Ready"),
        lines: &["p, role:exec-access.team-b, exec, create, shop/team-b-apps/api-*, allow"],
    },
    // Whatever time it is, what everybody shares is switched on for it.
    Expected { file: "on-call-windows.yaml", condition: ("ExecEnabled", "True", "Enabled"), lines: &[] },
    Expected { file: "break-glass.yaml", condition: ("Ready", "False", "Expired"), lines: &[] },
    Expected {
        file: "project-role.yaml",
        condition: ("Ready", "True", "Ready"),
        lines: &[], // in the AppProject, under a name that holds the object's uid
    },
    Expected { file: "ingress.yaml", condition: ("IngressReady", "True", "Configured"), lines: &[] },
];

/// What the examples speak of: their namespaces, and an Ingress in front of argocd-server.
const FURNITURE: &str = "
{apiVersion: v1, kind: Namespace, metadata: {name: shop}}
---
{apiVersion: v1, kind: Namespace, metadata: {name: shop-jobs}}
---
{apiVersion: v1, kind: Namespace, metadata: {name: shop-labelled, labels: {team: a}}}
---
{apiVersion: v1, kind: Namespace, metadata: {name: team-b-apps}}
---
{apiVersion: argoproj.io/v1alpha1, kind: AppProject, metadata: {name: shop}, spec: {sourceRepos: ['*'], destinations: [{server: '*', namespace: '*'}]}}
---
{apiVersion: networking.k8s.io/v1, kind: IngressClass, metadata: {name: nginx}, spec: {controller: k8s.io/ingress-nginx}}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: { name: argocd-server }
spec:
  ingressClassName: nginx
  defaultBackend: { service: { name: argocd-server, port: { name: https } } }
";

#[test]
fn every_example_is_tried_and_begins_with_what_it_is_for() {
    let folder = tools::repository().join("examples");
    let mut files: BTreeSet<String> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert!(files.remove("gitops"), "tried with the chart (tests/chart)");
    let others = crate::examples_live::tried().into_iter().chain(crate::examples_clusters::tried());
    let tried: BTreeSet<String> = EXPECTED.iter().map(|expected| expected.file.to_owned()).chain(others).collect();
    assert_eq!(files, tried);
    for file in files {
        assert!(example(&file).starts_with("# "), "{file} begins with a comment for its reader");
    }
}

#[tokio::test]
async fn every_example_reaches_the_condition_that_it_promises() {
    let team = Team::new().await;
    manifests::apply_text(&team.client(), &team.namespace, FURNITURE).await;
    team.application("web-1", "shop").await;
    team.application_in("team-b-apps", "api-1", "shop", &team.destination).await;
    for expected in EXPECTED {
        // As the example asks for; elsewhere a wildcard would be written out.
        let elsewhere = if expected.file == "applications-elsewhere.yaml" { json!("team-b-apps") } else { json!(null) };
        let settings = Api::<ConfigMap>::namespaced(team.client(), &team.namespace);
        let patch = Patch::Merge(json!({ "data": { "application.namespaces": elsewhere } }));
        settings.patch("argocd-cmd-params-cm", &PatchParams::default(), &patch).await.unwrap();
        let name = team.apply(&example(expected.file)).await;
        let (kind, status, reason) = expected.condition;
        let found = team.condition(&name, kind, status, reason).await;
        let policy = found.policy.unwrap_or_default();
        let lines = policy.lines;
        for line in expected.lines {
            assert!(lines.iter().any(|written| written == line), "{}: no {line:?} in {lines:#?}", expected.file);
        }
        match expected.file {
            "several-namespaces.yaml" => {
                let proven: Vec<_> = found.server.unwrap().namespaces.into_iter().map(|verdict| verdict.name).collect();
                assert_eq!(proven, ["shop", "shop-jobs", "shop-labelled"]);
            }
            "project-role.yaml" => {
                let groups = lines.iter().filter(|line| line.starts_with("g, my-org:team-a, proj:shop:exec-access-shop-on-call-"));
                assert_eq!((policy.projects, groups.count()), (vec!["shop".to_owned()], 1), "{lines:#?}");
            }
            "observe.yaml" => assert!(!found.changes.is_empty()),
            "ingress.yaml" => has_annotations(&team).await,
            _ => {}
        }
        team.delete(&name).await;
    }
}

async fn has_annotations(team: &Team) {
    let ingresses = Api::<Ingress>::namespaced(team.client(), &team.namespace);
    eventually("the Ingress has the annotations", SOON, || async {
        let annotations = ingresses.get("argocd-server").await.map_err(|e| e.to_string())?.metadata.annotations.unwrap_or_default();
        let has = |key: &str, value: &str| annotations.get(&format!("nginx.ingress.kubernetes.io/{key}")).is_some_and(|v| v == value);
        let all = has("proxy-read-timeout", "14400") && has("proxy-connect-timeout", "30");
        crate::support::eventually::that(all, || format!("{annotations:?}"))
    })
    .await;
}
