//! argocd-server and argocd-cm.

use std::sync::Arc;

use k8s_openapi::api::core::v1::ConfigMap;
use serde_json::json;

use super::fixtures::{broken, config_map, id, link, not_seen, patch, server};
use crate::explain::{Link, Name, State};

fn with(data: &str) -> Link {
    link(Name::Settings, |_, o| o.world.argocd_cm = Ok(Some(config_map("argocd-cm", "kubectl", data))))
}

#[test]
fn only_the_exact_text_true_under_the_exact_key_switches_on() {
    for (data, expected) in [
        ("{exec.enabled: 'true'}", ""),
        ("{}", "exec-off"),
        ("{exec.enabled: 'false'}", "exec-off"),
        ("{exec.enabled: ''}", "exec-off"),
        ("{exec.enabled: 'True'}", "exec-misspelt"),
        ("{exec.enabled: ' true'}", "exec-misspelt"),
        ("{exec.enabled: 'yes'}", "exec-misspelt"),
        ("{exec.enable: 'true'}", "exec-misspelt"),
        ("{execEnabled: 'true'}", "exec-misspelt"),
        ("{admin.enabled: 'true', url: 'x'}", "exec-off"),
    ] {
        let link = with(data);
        assert_eq!(id(&link), expected, "{data}");
        if !expected.is_empty() {
            assert_eq!(patch(&link), json!({"data": {"exec.enabled": "true"}}), "{data}");
        }
    }
}

#[test]
fn an_unlabelled_argocd_cm_is_not_seen_by_argo_cd() {
    let link = broken(|_, o| {
        let mut map = ConfigMap::clone(o.world.argocd_cm.as_ref().unwrap().as_ref().unwrap());
        map.metadata.labels = None;
        o.world.argocd_cm = Ok(Some(Arc::new(map)));
    });
    assert_eq!(id(&link), "argocd-cm-unlabelled");
    assert_eq!(link.fix.unwrap().commands, ["kubectl -n argocd label configmap argocd-cm app.kubernetes.io/part-of=argocd --overwrite"]);
}

#[test]
fn shells_are_not_trimmed_and_one_that_can_be_started_is_enough() {
    for (shells, expected) in
        [("bash,sh", ""), ("bash, sh", ""), (" bash", "shells-unusable"), (" bash, sh", "shells-unusable"), ("sh -l", "shells-unusable")]
    {
        let link = with(&format!("{{exec.enabled: 'true', exec.shells: '{shells}'}}"));
        assert_eq!(id(&link), expected, "{shells:?}");
    }
    let link = with("{exec.enabled: 'true', exec.shells: ' bash, sh'}");
    assert_eq!(patch(&link), json!({"data": {"exec.shells": "bash,sh"}}));
    assert_eq!(link.fix.unwrap().commands[1], "kubectl -n argocd rollout restart deployment/argocd-server");
    assert!(with("{exec.enabled: 'true', exec.sehlls: sh}").fact.contains("\"exec.sehlls\" is no key"));
}

#[test]
fn helm_git_and_argocd_operator_are_told_where_they_set_it() {
    let owned = |metadata: &str| {
        link(Name::Settings, |_, o| {
            let text = format!(
                "{{apiVersion: v1, kind: ConfigMap, metadata: {{name: argocd-cm, namespace: argocd, labels: {{app.kubernetes.io/part-of: argocd{}}}{metadata}}}, data: {{exec.enabled: 'false'}}}}",
                if metadata.contains("helm") { ", app.kubernetes.io/managed-by: Helm" } else { "" }
            );
            o.world.argocd_cm = Ok(Some(super::fixtures::object(&text)));
        })
    };
    let helm = owned(", annotations: {meta.helm.sh/release-name: cd}").fix.unwrap();
    assert!(helm.notes.iter().any(|n| n.contains("Helm release cd") && n.contains("configs.cm.\"exec.enabled\": \"true\"")), "{helm:?}");
    let git = owned(", annotations: {argocd.argoproj.io/tracking-id: 'cd:/ConfigMap:argocd/argocd-cm'}").fix.unwrap();
    assert!(git.notes.iter().any(|n| n.contains("in Git, set data.\"exec.enabled\"")), "{git:?}");
    let operator = owned(", ownerReferences: [{apiVersion: argoproj.io/v1beta1, kind: ArgoCD, name: cd, uid: u}]");
    let fix = operator.fix.clone().unwrap();
    assert!(fix.commands[0].starts_with("kubectl -n argocd patch argocds.argoproj.io cd "), "{fix:?}");
    assert_eq!(patch(&operator), json!({"spec": {"extraConfig": {"exec.enabled": "true"}}}));
}

#[test]
fn another_namespace_than_argo_cds_is_said_to_be_one() {
    assert_eq!(id(&link(Name::Settings, |_, o| o.world.deployments = Ok(Vec::new()))), "server-missing");
    assert_eq!(id(&link(Name::Settings, |_, o| o.world.argocd_cm = Ok(None))), "argocd-cm-missing");
    let two = link(Name::Settings, |_, o| o.world.deployments = Ok(vec![server("a", ""), server("b", "")]));
    assert_eq!((id(&two), two.state), ("server-ambiguous", State::Unknown));
    // Without sight of argocd-server the settings are judged all the same.
    assert_eq!(link(Name::Settings, |_, o| o.world.deployments = not_seen("deployments")).state, State::Open);
}
