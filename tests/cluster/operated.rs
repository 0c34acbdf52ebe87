//! An Argo CD that argocd-operator makes from an `ArgoCD` object: a stand-in does to argocd-cm what argocd-operator does
//! (`controllers/argocd/configmap.go`: the data of the ConfigMap become those that the object says, all of them, with each change).

use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use kube::api::{DynamicObject, Patch, PatchParams};
use serde_json::{Value, json};

use crate::hands::{ARGOCD_CM, becomes, differences};
use crate::owners::Rewriter;
use crate::support::{ControlPlane, Kubernetes, managers, manifests};
use crate::world::{SOON, Team, message};

const SPEC: &str = "{subjects: [{kind: Group, name: g}], applications: [{project: shop, name: 'web-*'}]}";
const ARGOCD: &str = "argoproj.io/v1beta1";

fn definition() -> DynamicObject {
    let spec = json!({"type": "object", "properties": {
        "extraConfig": {"type": "object", "additionalProperties": {"type": "string"}},
        "webTerminalEnabled": {"type": "boolean"},
        "image": {"type": "string"},
    }});
    manifests::definition(ARGOCD, "ArgoCD", "argocds", &spec)
}

/// A team whose argocd-cm is made from the `ArgoCD` `cd` with this spec, and who makes it.
async fn operated(values: &str, spec: Value) -> (Team, Rewriter) {
    let cp = ControlPlane::shared(Kubernetes::V1_36).await;
    manifests::apply_definitions(&cp.client(), &[definition()]).await;
    let namespace = cp.instance("team").await;
    let cr = json!({"apiVersion": ARGOCD, "kind": "ArgoCD", "metadata": {"name": "cd"}, "spec": spec});
    let made = manifests::apply_one(&cp.client(), &namespace, &serde_json::from_value(cr).unwrap(), "kubectl").await;
    let owner = json!([{"apiVersion": ARGOCD, "kind": "ArgoCD", "name": "cd", "uid": made.metadata.uid, "controller": true}]);
    let team = Team::in_namespace(cp, namespace, values).await;
    let argocds = team.argocds();
    let made = json!({"metadata": {"ownerReferences": owner}});
    let params = PatchParams { field_manager: Some("argocd-operator".to_owned()), ..PatchParams::default() };
    team.config_maps().patch(ARGOCD_CM, &params, &Patch::Merge(made)).await.unwrap();
    let rewriter = Rewriter::start(&team, "argocd-operator", move |_: Api<ConfigMap>| {
        let argocds = argocds.clone();
        async move {
            let spec = argocds.get("cd").await.ok()?.data["spec"].clone();
            let mut data = json!({"url": "https://cd.example.com", "exec.enabled": (spec["webTerminalEnabled"] == json!(true)).to_string()});
            for (key, value) in spec["extraConfig"].as_object().into_iter().flatten() {
                data[key] = value.clone();
            }
            Some(data)
        }
    });
    becomes("argocd-cm is made", SOON, Some("false".to_owned()), async || team.value(ARGOCD_CM, "exec.enabled").await).await;
    team.application("web-1", "shop").await;
    (team, rewriter)
}

impl Team {
    fn argocds(&self) -> Api<DynamicObject> {
        manifests::api(&self.client(), &self.namespace, ARGOCD, "ArgoCD")
    }

    async fn argocd(&self) -> Value {
        self.argocds().get("cd").await.unwrap().data["spec"].clone()
    }
}

#[tokio::test]
async fn with_the_admins_leave_its_argocd_is_set_and_argocd_cm_is_never_written() {
    let (team, _rewriter) =
        operated("instance: {argocdOperator: true}", json!({"image": "x", "extraConfig": {"url": "https://cd.example.com"}})).await;
    let (before, spec) = (team.tree().await, team.argocd().await);
    let mark = team.cp.audit_mark().await;
    team.grant("web", SPEC).await;
    team.ready("web").await;
    assert_eq!(team.value(ARGOCD_CM, "exec.enabled").await.as_deref(), Some("true"));
    assert_eq!(team.argocd().await["extraConfig"], json!({"url": "https://cd.example.com", "exec.enabled": "true"}));
    team.delete("web").await;
    becomes("argocd-cm is as before", SOON, Some("false".to_owned()), async || team.value(ARGOCD_CM, "exec.enabled").await).await;
    assert_eq!(team.argocd().await, spec);
    assert_eq!(differences(&before, &team.tree().await), std::collections::BTreeSet::new());
    let left = team.argocds().get("cd").await.unwrap();
    assert!(managers(&left).iter().all(|m| !m.starts_with("argocd-access")) && left.metadata.annotations.is_none(), "{:?}", left.metadata);
    let writes = team.writes(mark).await;
    assert!(writes.iter().all(|e| e.name != ARGOCD_CM), "{writes:#?}");
}

#[tokio::test]
async fn without_it_the_command_is_named_and_what_a_person_sets_is_theirs() {
    let (team, _rewriter) = operated("", json!({"image": "x"})).await;
    let mark = team.cp.audit_mark().await;
    team.grant("web", SPEC).await;
    let status = team.condition("web", "ExecEnabled", "False", "OwnedByOther").await;
    let says = message(&status, "ExecEnabled");
    assert!(says.contains("instance.argocdOperator: true"), "{says}");
    let lines = team.lines("web").await;
    assert_eq!(lines.len(), 3, "the other layers go on: {lines:?}");
    team.run_what_it_says(&says).await;
    team.ready("web").await;
    team.delete("web").await;
    assert_eq!(team.argocd().await["extraConfig"], json!({"exec.enabled": "true"}));
    let writes = team.writes(mark).await;
    assert!(writes.iter().all(|e| e.name != ARGOCD_CM && e.resource != "argocds"), "{writes:#?}");
}
